/**
 * What the guard of a ramp is told besides outcomes: errors of the database, and the memory of this process.
 *
 * @module
 */
import { measure } from "../db/measurements.ts";
import type { Environment } from "../http/environment.ts";
import type { ProblemCode } from "../http/problem.ts";

const EVERY_MS = 10_000;

/** Counts a refusal if the database could not be used; a schema of another version is something else. */
export function watchRefusal(code: ProblemCode, environment: Environment): void {
  if (/^database_(unavailable|read_only)$/.test(code)) measure("database_errors", environment, 0);
}

/** Creates a look at memory; the functions share {@linkcode watchMemory}. */
export function createMemoryWatch(
  { memory, tell }: { memory(): number; tell(environment: Environment, mb: number): void },
): (environment: Environment, now: number) => void {
  const last: Partial<Record<Environment, number>> = {};
  return (environment, now) => {
    if (now - (last[environment] ?? -Infinity) < EVERY_MS) return;
    last[environment] = now;
    try {
      const bytes = memory();
      // A platform that does not tell it answers 0, or throws.
      if (bytes > 0) tell(environment, bytes / 2 ** 20);
    } catch {
      // Then it is not known.
    }
  };
}

/** Measures the memory of this process every ten seconds, by a monotonic clock. Hot: called for each request. */
export const watchMemory: (environment: Environment, now: number) => void = createMemoryWatch({
  memory: () => Deno.memoryUsage().rss,
  tell: (environment, mb) => measure("memory", environment, mb),
});
