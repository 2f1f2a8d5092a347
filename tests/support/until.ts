/** The only way in which tests wait for asynchronous work of others. */

const FIRST_MS = 5, LONGEST_MS = 100;
/** Fewest attempts: a stalled machine may not have tried, so time alone must not cause a failure. */
const LOOKS = 100;
/** How many times its limit a wait may last in all, however much goes on. */
const TIMES = 10;

/** A result; undefined, null, false, 0 or an empty text counts as none yet. */
type Answer<T> = Exclude<T, undefined | null | false | 0 | "">;

/**
 * Repeats a query until it has a result, and returns that. A query that throws has no result yet; as long as what it says
 * changes, something goes on, and the time limit begins anew.
 * @param options.withinMs Time limit, at least: since the start, or since the query last threw something else. @default 60 000
 * @throws {Error} with `what`, and with the query's last exception
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  { withinMs = 60_000 }: { withinMs?: number } = {},
): Promise<Answer<T>> {
  const begun = Date.now();
  let pause = FIRST_MS, changed = begun, looks = 0, said: string | undefined;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer) return answer as Answer<T>;
    } catch (error) {
      cause = error;
    }
    const says = cause === undefined ? undefined : cause instanceof Error ? cause.message : String(cause);
    const now = Date.now();
    if (says !== said && now - begun <= TIMES * withinMs) [said, changed, looks] = [says, now, 0];
    if (now - changed > withinMs && ++looks >= LOOKS) {
      const why = says === undefined ? "" : `: ${says}`;
      throw new Error(`not within ${withinMs / 1000} s: ${what}${why}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 1.1, LONGEST_MS);
  }
}

/** A query for {@linkcode until}: whether so many are there. It says how many, so that a slow machine has its time. */
export function atLeast(wanted: number, count: () => number | Promise<number>): () => Promise<true> {
  return async () => {
    const there = await count();
    if (there < wanted) throw new Error(`${there} of ${wanted}`);
    return true;
  };
}
