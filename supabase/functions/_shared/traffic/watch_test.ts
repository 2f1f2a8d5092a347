import { assertEquals } from "../../../../tests/support/assert.ts";
import { createMemoryWatch } from "./watch.ts";

Deno.test("createMemoryWatch(): each environment every ten seconds, and nothing where it is not told", () => {
  const told: [string, number][] = [];
  let memory = () => 50 * 1024 * 1024;
  const watch = createMemoryWatch({ memory: () => memory(), tell: (...what) => told.push(what) });
  watch("blue", 0);
  watch("green", 1);
  watch("blue", 9_999);
  watch("blue", 10_000);
  assertEquals(told, [["blue", 50], ["green", 50], ["blue", 50]]);
  memory = () => 0;
  watch("blue", 20_000);
  memory = () => {
    throw new TypeError("not here");
  };
  watch("blue", 30_000);
  assertEquals(told.length, 3);
});
