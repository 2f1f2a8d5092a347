import { assert, assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { sharedRun } from "./shared_run.ts";

/** A worker that takes what is due, as ours do: until a look finds nothing. Each look takes some turns of the event loop. */
function worker(turnsOf: () => number, failsAt: (look: number) => boolean) {
  const due = new Set<number>(), taken: number[] = [];
  let atOnce = 0, most = 0, looks = 0;
  async function drain(): Promise<void> {
    most = Math.max(most, ++atOnce);
    try {
      for (;;) {
        const found = [...due];
        due.clear();
        if (failsAt(looks++)) {
          for (const each of found) due.add(each);
          throw new Error("the database is away");
        }
        for (let turn = turnsOf(); turn > 0; turn--) await Promise.resolve();
        if (found.length === 0) return;
        taken.push(...found);
      }
    } finally {
      atOnce--;
    }
  }
  return { due, taken, drain, most: () => most };
}

Deno.test("sharedRun(): what is due at a call is taken when its run ends, at whatever moment the call comes", async () => {
  await holds(
    fc.asyncProperty(
      fc.array(fc.nat(12), { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.nat(4)),
      fc.array(fc.nat(20), { maxLength: 3 }),
      async (pauses, turns, failures) => {
        const { due, taken, drain, most } = worker(
          () => turns.next().value!,
          (look) => failures.includes(look),
        );
        const run = sharedRun(drain);
        const calls: Promise<void>[] = [];
        for (const [id, pause] of pauses.entries()) {
          for (let turn = pause; turn > 0; turn--) await Promise.resolve();
          due.add(id);
          calls.push(run().then(() => assert(taken.includes(id), `${id} is left`), () => {}));
        }
        await Promise.all(calls);
        await run().catch(() => run()).catch(() => run()).catch(() => run());
        assertEquals(taken.toSorted((a, b) => a - b), pauses.map((_, id) => id));
        assertEquals(most(), 1);
      },
    ),
    { cases: 2000 },
  );
});

Deno.test("sharedRun(): an idle one begins at once; calls meanwhile share the next run, also after a failure", async () => {
  const ends: { resolve(value: number): void; reject(error: Error): void }[] = [];
  const run = sharedRun(() => new Promise<number>((resolve, reject) => ends.push({ resolve, reject })));
  const first = run();
  assertEquals(ends.length, 1);
  const second = run(), third = run();
  assertEquals(ends.length, 1);
  assertEquals(second === third && second !== first, true);
  const failed = assertRejects(() => first, Error, "away");
  ends[0].reject(new Error("away"));
  await failed;
  assertEquals(ends.length, 2);
  ends[1].resolve(2);
  assertEquals(await Promise.all([second, third]), [2, 2]);
  assertEquals(ends.length, 2);
  run();
  assertEquals(ends.length, 3, "idle again");
});

Deno.test("sharedRun(): work that throws before its first wait does not hold up the next run", async () => {
  let calls = 0;
  const run = sharedRun(() => {
    if (calls++ === 0) throw new Error("not ready");
    return Promise.resolve(calls);
  });
  await assertRejects(run, Error, "not ready");
  assertEquals(await run(), 2);
});
