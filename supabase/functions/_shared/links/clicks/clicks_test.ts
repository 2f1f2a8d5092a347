import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import { DbError, type Rpc } from "../../db/client.ts";
import { Problem } from "../../http/problem.ts";
import { type Click, ClickLines, linesOf } from "./lines.ts";
import { createClicks } from "./clicks.ts";

interface Batch {
  p_batch: string;
  p_clicks: string;
  /** Of `record_repeats`, in place of clicks. */
  p_repeats?: string;
}

/** A recorder before a database that does with each batch what it is told. */
function recorder(write: (batch: Batch, call: number) => void, options = {}) {
  const batches: Batch[] = [], lost: number[] = [];
  let delayed = 0, work: Promise<unknown> = Promise.resolve();
  const rpc = ((_name: string, args?: object) => {
    const batch = args as Batch;
    batches.push(batch);
    return new Promise<unknown>((resolve, reject) => {
      try {
        write(batch, batches.length);
        resolve(null);
      } catch (error) {
        reject(error);
      }
    });
  }) as Rpc;
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

Deno.test("createClicks(): written() waits for the clicks taken so far, and for no later ones", async () => {
  const seen: string[] = [];
  const { clicks } = recorder(({ p_clicks }) => {
    seen.push(p_clicks.split(" ")[0]);
    // More comes all the time.
    if (seen.length < 5) clicks.record(click(`later${seen.length}`));
  });
  await clicks.written();
  clicks.record(click("first"));
  await clicks.written();
  assertEquals(seen[0], "first");
  assert(seen.length < 5, "and not until nothing comes any more");
  await clicks.settled();
  assertEquals(seen.length, 5);
});
const codes = ({ p_clicks }: Batch) => p_clicks.split("\n").map((line) => line.split(" ")[0]);
const written = (batches: Batch[]) => batches.flatMap(codes);

Deno.test("createClicks(): clicks taken during a call are sent with the next", async () => {
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

Deno.test("createClicks(): no group exceeds the maximum", async () => {
  const { clicks, batches } = recorder(() => {}, { maxItems: 4 });
  for (let i = 0; i < 10; i++) clicks.record(click(String(i)));
  await clicks.settled();
  assert(batches.every((batch) => codes(batch).length <= 4));
  assertEquals(written(batches).length, 10);
});

Deno.test("createClicks(): during an outage the same batch is retried until it succeeds", async () => {
  const { clicks, batches, lost, delayed } = recorder((_, call) => {
    if (call < 4) throw new Problem("database_unavailable");
  });
  clicks.record(click("a"));
  await clicks.settled();
  assertEquals([batches.length, delayed(), lost], [4, 3, []]);
  assertEquals(new Set(batches.map(({ p_batch }) => p_batch)).size, 1);
});

Deno.test("createClicks(): a click that the database refuses is lost alone", async () => {
  const { clicks, batches, lost } = recorder((batch) => {
    if (codes(batch).includes("bad")) throw new DbError("record_clicks", "22P05", "refused");
  });
  for (let i = 0; i < 20; i++) clicks.record(click(i === 13 ? "bad" : String(i)));
  await clicks.settled();
  assertEquals(lost, [1]);
  const through = written(batches.filter((batch) => !codes(batch).includes("bad")));
  assertEquals(
    through.sort(),
    Array.from({ length: 20 }, (_, i) => String(i)).filter((i) => i !== "13").sort(),
  );
});

Deno.test("createClicks(): clicks without room, or that waited too long, are dropped and reported", async () => {
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

Deno.test("linesOf(): fields in order, empty ones kept between others and cut at the end", () => {
  const plain: Click = { code: "a", t: 1795000000000, p: "ios" };
  assertEquals(
    linesOf([
      plain,
      { ...plain, h: "00112233445566aa" },
      {
        ...plain,
        t: 1,
        v: "bot",
        r: "curl",
        k: "fallback",
        y: "DE",
        f: "x.example",
        h: "h",
        g: "g",
        o: "o",
        u: "u!",
      },
      { ...plain, u: "u" },
    ]),
    [
      "a 1795000000000 ios",
      "a 1795000000000 ios 00112233445566aa",
      "a 1 ios h bot fallback curl DE x.example g o u!",
      "a 1795000000000 ios         u",
    ].join("\n"),
  );
});

Deno.test("ClickLines: the number of visits is the last field, whatever is empty before it", () => {
  const lines = new ClickLines();
  lines.add({ code: "a", t: 1, p: "ios" }, 12);
  lines.add({ code: "b", t: 2, p: "ios", n: "0", q: "1" }, 3);
  lines.add({ code: "c", t: 3, p: "ios" });
  assertEquals(lines.text(), `a 1 ios${" ".repeat(12)}12\nb 2 ios${" ".repeat(10)}0 1 3\nc 3 ios`);
});

Deno.test("linesOf(): no field's content can end it, and lines of any number and length work", () => {
  assertEquals(linesOf([{ code: "a\nb c\td\u00e9", t: 1, p: "ios" }]), "a_b_c_d_ 1 ios");
  const many = Array.from(
    { length: 5000 },
    (_, i): Click => ({ code: `c${i}`, t: i, p: "ios", u: "x".repeat(128) }),
  );
  const lines = linesOf(many).split("\n");
  assertEquals(lines.length, 5000);
  lines.forEach((line, i) => assertEquals(line, `c${i} ${i} ios         ${"x".repeat(128)}`));
  const [line, next] = linesOf([{ ...many[0], u: "x".repeat(100_000) }, many[1]]).split("\n");
  assert(line.length < 2048);
  assertEquals(next, `c1 1 ios         ${"x".repeat(128)}`);
});

Deno.test("createClicks(): repetitions are sent after their row, summed, and retried until written", async () => {
  const story: string[] = [];
  const { clicks, lost } = recorder(({ p_clicks, p_repeats }, call) => {
    story.push(
      p_repeats === undefined
        ? p_clicks.split(" ")[0]
        : p_repeats.replaceAll(/ .* /g, " +").replaceAll("\n", ","),
    );
    if (call === 1) {
      // While the first row is on its way: the second is in no group yet.
      clicks.record(second);
      clicks.again(second);
      clicks.again(first);
    }
    if (call === 2) throw new Problem("database_unavailable");
  });
  const first = click("first"), second = click("second");
  clicks.record(first);
  clicks.again(first);
  clicks.again(first);
  await clicks.settled();
  assertEquals(story, ["first", "first +2", "first +2", "second", "second +1,first +1"]);
  assertEquals([lost, clicks.waiting()], [[], 0]);
});

Deno.test("createClicks(): the database can refuse a single repetition, with its count", async () => {
  const { clicks, lost } = recorder(({ p_repeats }) => {
    if (p_repeats?.includes("bad")) {
      throw new DbError("record_repeats", "22003", "out of range");
    }
  });
  const good = click("good"), bad = click("bad");
  clicks.record(good);
  clicks.record(bad);
  clicks.again(good);
  for (let i = 0; i < 5; i++) clicks.again(bad);
  await clicks.settled();
  assertEquals(lost, [5]);
});
