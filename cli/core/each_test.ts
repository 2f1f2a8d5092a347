import { assertEquals } from "../../tests/support/assert.ts";
import { each } from "./each.ts";

Deno.test("each(): processes all items, a few at a time", async () => {
  let now = 0, most = 0;
  const done: number[] = [];
  await each([1, 2, 3, 4, 5], 2, async (n) => {
    most = Math.max(most, ++now);
    // Ends in a later turn, so that all that may begin before has begun.
    await new Promise((resolve) => setTimeout(resolve));
    now--;
    done.push(n);
  });
  assertEquals([most, done.toSorted()], [2, [1, 2, 3, 4, 5]]);
});
