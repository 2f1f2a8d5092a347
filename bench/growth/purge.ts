/** A day's rows purged while messages come in: how long a message waits for it. */
import { createIngest } from "../../supabase/functions/_shared/pipeline/ingest.ts";
import { messages, store, type World } from "./work.ts";

/** Webhooks a second meanwhile, of one message each. */
export const PACE = 200;

/** What it came to. */
export interface Purged {
  /** Rows that were deleted or changed. */
  rows: number;
  /** Milliseconds of each call of a job. */
  slices: number[];
  /** Milliseconds from when a message was due to its commit. */
  intake: number[];
}

/**
 * Runs the clock's jobs until they find nothing any more, one call after the other: harder than the clock, which waits a
 * minute after each.
 */
export async function purgeBesideIntake(world: World): Promise<Purged> {
  let over = false;
  const coming = intakeUntil(world, () => over);
  const slices: number[] = [];
  let rows = 0;
  const slice = async (job: () => Promise<number>) => {
    for (let done = 1; done > 0; rows += done) {
      const began = performance.now();
      done = await job();
      slices.push(performance.now() - began);
    }
  };
  try {
    await slice(async () => sum((await world.owner`select private.purge(now()) as counts`)[0].counts));
    await slice(async () => sum((await world.owner`select private.purge_clicks(now()) as counts`)[0].counts));
  } finally {
    over = true;
  }
  return { rows, slices, intake: await coming };
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, n) => all + n, 0);

/**
 * Webhooks at a steady pace, whatever becomes of those before, stored as an isolate stores them: those that come while a
 * group is under way are the next group.
 */
async function intakeUntil(world: World, over: () => boolean): Promise<number[]> {
  const ingest = createIngest(
    async <T>(_name: string, args?: object) =>
      await store(world, JSON.stringify((args as { p_updates: unknown }).p_updates)) as T,
    { fields: new Set(["messages"]) },
    { count: () => {} },
  );
  const began = performance.now();
  const times: Promise<number>[] = [];
  while (!over()) {
    const due = began + times.length * 1000 / PACE;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    times.push((async () => {
      const outcomes = await ingest({ updates: messages(world.keys, 1), bytes: 0 });
      if (outcomes !== "s") throw new Error(`the intake answered ${outcomes}`);
      return performance.now() - due;
    })());
  }
  return await Promise.all(times);
}
