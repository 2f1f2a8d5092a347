/** The one way in which tests wait for what others do in their own time. */

const FIRST_MS = 5, LONGEST_MS = 100;
/** A machine that stood still has not looked: time alone makes no failure. */
const LOOKS = 100;

/** An answer: what is nothing, false, 0 or empty is none yet. */
type Answer<T> = Exclude<T, undefined | null | false | 0 | "">;

/**
 * Asks again until there is an answer, and gives it. A question that throws has none yet.
 * @param options.withinMs How long it may take, at least. @default 60 000
 * @throws {Error} with `what`, and with what the question threw last
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
