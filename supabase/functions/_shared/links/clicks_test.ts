import { assert, assertEquals } from "@std/assert";
import { DbError, type Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import { type Click, createClicks } from "./clicks.ts";

interface Batch {
  p_batch: string;
  p_clicks: Click[];
}

/** A recorder before a database that does with each batch what it is told. */
function recorder(write: (batch: Batch, call: number) => void, options = {}) {
  const batches: Batch[] = [], lost: number[] = [];
  let delayed = 0, work: Promise<unknown> = Promise.resolve();
  const rpc: Rpc = <T>(_name: string, args?: object) => {
    const batch = args as Batch;
    batches.push(batch);
    return new Promise<T>((resolve, reject) => {
      try {
        write(batch, batches.length);
        resolve(null as T);
      } catch (error) {
        reject(error);
      }
    });
  };
  const clicks = createClicks({
    rpc,
    waitUntil: (more) => work = more,
    onLost: (n) => lost.push(n),
    onDelayed: () => delayed++,
    everyMs: 1,
    backoffMs: () => 1,
    ...options,
  });
  return { clicks, batches, lost, delayed: () => delayed, work: () => work };
}

const click = (code: string): Click => ({ code, t: 0, p: "ios" });
const written = (batches: Batch[]) => batches.flatMap(({ p_clicks }) => p_clicks.map(({ code }) => code));

Deno.test("createClicks(): what comes during one call travels as the next", async () => {
  const { clicks, batches } = recorder(() => {});
  for (let i = 0; i < 10; i++) clicks.record(click(String(i)));
  await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
  for (let i = 10; i < 15; i++) clicks.record(click(String(i)));
  assert(clicks.waiting() > 0);
  await clicks.settled();
  assertEquals(clicks.waiting(), 0);
  assertEquals(written(batches), Array.from({ length: 15 }, (_, i) => String(i)));
  assert(batches.length <= 3);
  clicks.record(click("later"));
  await clicks.settled();
  assertEquals(written(batches).at(-1), "later");
});

Deno.test("createClicks(): no group is larger than it may be", async () => {
  const { clicks, batches } = recorder(() => {}, { maxItems: 4 });
  for (let i = 0; i < 10; i++) clicks.record(click(String(i)));
  await clicks.settled();
  assert(batches.every(({ p_clicks }) => p_clicks.length <= 4));
  assertEquals(written(batches).length, 10);
});

Deno.test("createClicks(): an outage makes the same batch come again until it is through", async () => {
  const { clicks, batches, lost, delayed } = recorder((_, call) => {
    if (call < 4) throw new Problem("database_unavailable");
  });
  clicks.record(click("a"));
  await clicks.settled();
  assertEquals([batches.length, delayed(), lost], [4, 3, []]);
  assertEquals(new Set(batches.map(({ p_batch }) => p_batch)).size, 1);
});

Deno.test("createClicks(): a click that the database refuses is lost alone", async () => {
  const { clicks, batches, lost } = recorder(({ p_clicks }) => {
    if (p_clicks.some(({ code }) => code === "bad")) throw new DbError("record_clicks", "22P05", "refused");
  });
  for (let i = 0; i < 20; i++) clicks.record(click(i === 13 ? "bad" : String(i)));
  await clicks.settled();
  assertEquals(lost, [1]);
  const through = written(batches.filter(({ p_clicks }) => !p_clicks.some(({ code }) => code === "bad")));
  assertEquals(
    through.sort(),
    Array.from({ length: 20 }, (_, i) => String(i)).filter((i) => i !== "13").sort(),
  );
});

Deno.test("createClicks(): what has no room and what waited too long is given up and told", async () => {
  const full = recorder(() => {}, { maxQueued: 3 });
  for (let i = 0; i < 5; i++) full.clicks.record(click(String(i)));
  await full.clicks.settled();
  assertEquals([full.lost, written(full.batches).length], [[2], 3]);
  const away = recorder(() => {
    throw new Problem("database_unavailable");
  }, { giveUpMs: 5 });
  for (let i = 0; i < 3; i++) away.clicks.record(click(String(i)));
  await away.clicks.settled();
  assertEquals(away.lost, [3]);
});
