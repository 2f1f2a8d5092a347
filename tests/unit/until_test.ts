/** How tests wait. */
import { assertEquals, assertRejects } from "../support/assert.ts";
import { until } from "../support/until.ts";

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
