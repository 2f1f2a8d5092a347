/** The only way in which tests wait for asynchronous work of others. */

const FIRST_MS = 5, LONGEST_MS = 100;
/** Fewest attempts: a stalled machine may not have tried, so time alone must not cause a failure. */
const LOOKS = 100;

/** A result; undefined, null, false, 0 or an empty text counts as none yet. */
type Answer<T> = Exclude<T, undefined | null | false | 0 | "">;

/**
 * Repeats a query until it has a result, and returns that. A query that throws has no result yet.
 * @param options.withinMs Time limit, at least. @default 60 000
 * @throws {Error} with `what`, and with the query's last exception
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { withinMs = 60_000 }: { withinMs?: number } = {},
): Promise<Answer<T>> {
  const deadline = Date.now() + withinMs;
  let pause = FIRST_MS;
  for (let looks = 1;; looks++) {
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer) return answer as Answer<T>;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline && looks >= LOOKS) {
      const why = cause === undefined ? "" : `: ${cause instanceof Error ? cause.message : cause}`;
      throw new Error(`not within ${withinMs / 1000} s: ${what}${why}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 1.1, LONGEST_MS);
  }
}
