/** How tests wait. */
import { assertEquals } from "@std/assert";
import { until } from "../support/until.ts";

Deno.test("until(): nothing, false, 0, an empty text and an error are no answer yet", async () => {
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
