import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "./client.ts";
import { createPrecedence } from "./precedence.ts";

/** Calls that end when they are told to, and the names of those that have begun. */
function database() {
  const begun: string[] = [];
  const ends = new Map<string, (failed?: boolean) => void>();
  const rpc = ((name: string) => {
    begun.push(name);
    return new Promise((resolve, reject) =>
      ends.set(name, (failed) => failed ? reject(new Error(name)) : resolve(null))
    );
  }) as unknown as Rpc;
  const timers = new Map<() => void, number>();
  const { first, after } = createPrecedence((run, ms) => {
    timers.set(run, ms);
    return () => timers.delete(run);
  });
  const call = (by: Rpc) => (name: string) =>
    (by as (name: string) => Promise<unknown>)(name).catch(() => {});
  return {
    begun,
    timers,
    first: call(first(rpc)),
    after: call(after(rpc)),
    async end(name: string, failed?: boolean) {
      ends.get(name)!(failed);
      await turns();
    },
  };
}

/** Lets all that can go on do so. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

Deno.test("while a webhook is written, one other call runs at a time, in their order", async () => {
  const { begun, first, after, end } = database();
  first("store");
  for (const name of ["a", "b", "c"]) after(name);
  first("store too");
  await turns();
  assertEquals(begun, ["store", "a", "store too"]);
  await end("a", true);
  assertEquals(begun, ["store", "a", "store too", "b"]);
  await end("store");
  assertEquals(begun.length, 4);
  await end("b");
  assertEquals(begun.slice(4), ["c"]);
  await end("c");
  await end("store too");
});

Deno.test("while no webhook is written, nobody waits, and who waited goes on when the last is there", async () => {
  const { begun, first, after, end } = database();
  for (const name of ["a", "b"]) after(name);
  await turns();
  assertEquals(begun, ["a", "b"]);
  first("store");
  for (const name of ["c", "d"]) after(name);
  await turns();
  assertEquals(begun, ["a", "b", "store"]);
  await end("store", true);
  assertEquals(begun, ["a", "b", "store", "c", "d"]);
  for (const name of ["a", "b", "c", "d"]) await end(name);
});

Deno.test("a call that is held up holds the next one up for a quarter of a second", async () => {
  const { begun, timers, first, after, end } = database();
  first("store");
  for (const name of ["held up", "a", "b"]) after(name);
  await turns();
  assertEquals(begun, ["store", "held up"]);
  const [[run, ms]] = timers;
  assertEquals(ms, 250);
  run();
  await turns();
  assertEquals(begun, ["store", "held up", "a"]);
  for (const name of ["held up", "a", "b", "store"]) await end(name);
  assertEquals(timers.size, 0);
});
