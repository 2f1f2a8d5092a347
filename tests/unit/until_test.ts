/** How tests wait. */
import { assertEquals, assertRejects } from "../support/assert.ts";
import { atLeast, until } from "../support/until.ts";

Deno.test("until(): undefined, false, 0, an empty text and an error are no answer yet", async () => {
  const said: (() => unknown)[] = [
    () => undefined,
    () => null,
    () => false,
    () => 0,
    () => "",
    () => Promise.resolve(false),
    () => Promise.reject(new Error("not yet")),
    () => {
      throw new Error("not yet");
    },
    () => ({ n: 0 }),
  ];
  assertEquals(await until("there is an answer", () => said.shift()!()), { n: 0 });
  assertEquals(said, []);
});

Deno.test("until(): gives up after many attempts, naming what it waited for and the last error", async () => {
  const wait = globalThis.setTimeout;
  // The pauses are no matter of this test.
  globalThis.setTimeout = ((done: () => void) => wait(done, 0)) as typeof setTimeout;
  try {
    let looks = 0;
    const cause = new Error("nobody is there");
    const error = await assertRejects(() =>
      until("somebody comes", () => {
        looks++;
        throw cause;
      }, { withinMs: 0 }), Error);
    assertEquals([error.message, error.cause], ["not within 0 s: somebody comes: nobody is there", cause]);
    assertEquals(looks >= 100, true, `${looks} looks`);
    const nothing = await assertRejects(() => until("somebody comes", () => false, { withinMs: 0 }), Error);
    assertEquals([nothing.message, nothing.cause], ["not within 0 s: somebody comes", undefined]);
  } finally {
    globalThis.setTimeout = wait;
  }
});

Deno.test("until(): the time limit begins anew while something goes on, and not for ever", async () => {
  const wait = globalThis.setTimeout, now = Date.now;
  let time = 0;
  globalThis.setTimeout = ((done: () => void) => wait(done, 0)) as typeof setTimeout;
  Date.now = () => time;
  try {
    let there = 0;
    assertEquals(
      await until("each of 500 comes", atLeast(500, () => (time += 15, ++there)), { withinMs: 1000 }),
      true,
    );
    time = 0;
    const counted = await assertRejects(
      () => until("it ends", () => Promise.reject(new Error(`${time += 5}`)), { withinMs: 1000 }),
      Error,
    );
    assertEquals(time > 10_000 && time < 15_000, true, counted.message);
  } finally {
    [globalThis.setTimeout, Date.now] = [wait, now];
  }
});
