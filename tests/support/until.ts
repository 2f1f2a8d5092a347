import { assert } from "@std/assert";

/**
 * Waits until `check` gives something; fails with `what` after ten seconds in which it was looked a hundred times: a
 * machine that stood still meanwhile has not looked.
 */
export async function until<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = Date.now() + 10_000;
  for (let looks = 1;; looks++) {
    const found = await check();
    if (found) return found;
    assert(Date.now() < deadline || looks < 100, `not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
