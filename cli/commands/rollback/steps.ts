/**
 * Runs a rollback: announces its steps, runs them one by one, verifies and times each, stops at the first
 * failure, and records the result.
 */
import type { RollbackEvent, RollbackStep } from "../../../supabase/functions/_shared/contract/arguments.ts";
import { type Api, connect } from "../../core/api.ts";
import { told } from "../../core/errors.ts";
import { clean, paint } from "../../core/output.ts";
import type { Result, Session } from "../../core/session.ts";

/** One action or verification. */
export interface Step {
  /** What it does, as an instruction: "set deeplinks.enabled to off". */
  what: string;
  /** Runs it. Returns what was observed; an exception ends the rollback. */
  run(): Promise<string | void>;
}

/** A rollback. */
export interface WayBack {
  level: 1 | 2 | 3 | 4;
  /** What is reverted: a flag, a variable, or the commit or migration to return to. */
  target: string;
  /** The reason given by the person who runs it. */
  reason: string;
  /** Other facts to know in advance. */
  notes?: string[];
  steps: Step[];
  /** How to undo it, a sentence or a command. */
  forward: string;
  /** The next command to try if this one does not work. @default the next level's help */
  instead?: string;
  /** Runs at the end in any case. */
  cleanUp?(): Promise<void>;
  /** Records the event and returns its id. @default {through the Data API} */
  record?(event: RollbackEvent): Promise<string>;
}

/** The name of each level, and its time limit in the mission of a release team. */
export const LEVELS = {
  1: { name: "feature flag", within: "1 min" },
  2: { name: "environment", within: "5 min" },
  3: { name: "code", within: "15 min" },
  4: { name: "database", within: "30 min" },
} as const;

/**
 * Runs it; with `dryRun` only says what it would do.
 *
 * Failure policy: recording the event is the last step. Its failure is reported, but does not fail a rollback
 * that worked: the database may be what is broken.
 */
export async function take(session: Session, way: WayBack, dryRun = false): Promise<Result> {
  try {
    return await walk(session, way, dryRun);
  } finally {
    await way.cleanUp?.();
  }
}

async function walk(session: Session, way: WayBack, dryRun: boolean): Promise<Result> {
  const { level, target, reason, steps } = way;
  const { name, within } = LEVELS[level];
  const head = `Rollback ${level} (${name}, within ${within}): ${target}`;
  const plan = [
    paint("bold", head),
    ...steps.map(({ what }, index) => `  ${index + 1}. ${what}`),
    ...(way.notes ?? []).map((note) => paint("yellow", `  ${note}`)),
  ].join("\n");
  if (dryRun) {
    const document = {
      level,
      target,
      dry_run: true,
      notes: way.notes ?? [],
      steps: steps.map(({ what }) => what),
    };
    return { document, text: `${plan}\n\nNothing was done (--dry-run).` };
  }
  session.say(plan + "\n");

  const began = new Date(), start = performance.now();
  const taken: RollbackStep[] = [];
  for (const { what, run } of steps) {
    session.progress(what);
    const since = performance.now();
    const step: RollbackStep = { what, ok: true, ms: 0 };
    try {
      const detail = await run();
      if (detail) step.detail = detail;
    } catch (error) {
      const { message, hint } = told(error);
      Object.assign(step, { ok: false, detail: [message, hint].filter(Boolean).join(" ") });
    }
    step.ms = Math.round(performance.now() - since);
    taken.push(step);
    session.progress("");
    session.say(line(step));
    if (!step.ok) break;
  }
  const ok = taken.every((step) => step.ok);
  const event: RollbackEvent = {
    level,
    target,
    reason,
    ok,
    steps: taken,
    took_ms: Math.round(performance.now() - start),
    began_at: began.toISOString(),
  };
  const record = way.record ?? (async (event: RollbackEvent) => await recordBy(await session.api(), event));
  const recorded = await record(event).catch((error) => ({ why: told(error).message }));
  const id = typeof recorded === "string" ? recorded : null;
  return {
    document: { id, ...event, ...(typeof recorded === "string" ? {} : { not_recorded: recorded.why }) },
    text: [
      "",
      ok
        ? `${paint("green", "Rolled back")} in ${seconds(event.took_ms)}. ${way.forward}`
        : `${paint("red", "Not rolled back")}: step ${taken.length} of ${steps.length} failed. ${
          nextLevel(way)
        }`,
      typeof recorded === "string" ? `Recorded as ${id}.` : `It could not be recorded: ${recorded.why}`,
    ].join("\n"),
    failed: !ok,
  };
}

function line({ what, ok, ms, detail }: RollbackStep): string {
  const mark = paint(ok ? "green" : "red", (ok ? "ok" : "FAILED").padEnd(6));
  return `${mark} ${seconds(ms).padStart(8)}  ${clean(detail ? `${what}: ${detail}` : what)}`;
}

/** Longest wait for the record of a rollback, in milliseconds: its result is not held back for it. */
const RECORD_MS = 5000;

function recordBy({ stack }: Api, event: RollbackEvent): Promise<string> {
  return connect(stack, RECORD_MS).rpc("record_rollback", { p_event: event });
}

/** Milliseconds in readable form. */
export function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function nextLevel({ level, instead }: WayBack): string {
  return level === 4
    ? "Completed steps are kept. Fix the failure and repeat, or restore the backup from before the migration."
    : `Completed steps are kept. Fix the failure and repeat, or use the next level: ${
      instead ?? `gatelink rollback ${level + 1} --help`
    }`;
}
