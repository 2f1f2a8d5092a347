/** The kill switches of the environment, which the database cannot see. */
import type { Environment } from "../../data/environment.ts";
import type { HealthInWords } from "../../../../supabase/functions/_shared/contract/words/health.ts";

/** Names of the kill switches that are off. */
export const switchedOff = (environment: Environment | undefined): string[] =>
  Object.entries(environment?.kill_switches ?? {}).filter(([, runs]) => !runs).map(([name]) => name);

/**
 * The health that the database reports for each part, and the kill switches, which the database cannot see.
 */
export function withSwitches(health: HealthInWords[], off: string[]): HealthInWords[] {
  if (off.length === 0) return health;
  return health.map((part) => {
    if (part.component !== "config") return part;
    const reasons = part.status === "healthy" ? [] : [part.why];
    return {
      ...part,
      status: "degraded",
      why: [...reasons, ...off.map((name) => `turned off by ${name}`)].join(", "),
    };
  });
}
