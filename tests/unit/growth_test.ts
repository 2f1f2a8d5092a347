import { assertRejects } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";

const steps = (times: number) => {
  let sum = 0;
  for (let i = 0; i < times; i++) sum = (sum * 31 + i) | 0;
  return sum;
};

Deno.test("assertLinear(): linear growth passes, quadratic growth does not", async () => {
  await assertLinear(200_000, steps);
  await assertRejects(() => assertLinear(500, (size) => steps(size * size)), Error, "times as long");
});
