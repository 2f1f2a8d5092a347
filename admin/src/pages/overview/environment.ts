/** What the functions report about their environment, and the kill switches set there. */
import { project } from "../../data/client.ts";
import { useRead } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import type { Health } from "../../../../supabase/functions/_shared/contract/http/operation.ts";
import type { HealthInWords } from "../../../../supabase/functions/_shared/contract/words/health.ts";

/** Answer of `GET /functions/v1/health`, including errors. */
export type Environment = Pick<Health, "version" | "environment" | "kill_switches">;

/** The functions' health, polled. Sends no headers, so that it costs one request even from another origin. */
export const useEnvironment = () =>
  useRead<Environment>(["health"], async () => {
    const found = await fetch(`${project().url}/functions/v1/health`).then((answer) => answer.json())
      .catch(() => undefined);
    if (found?.kill_switches === undefined) throw new Refusal("network", "The functions are not responding.");
    return found;
  });

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
