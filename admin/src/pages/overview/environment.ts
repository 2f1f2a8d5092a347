/** What the functions tell of where they run, and what the environment stops there. */
import { project } from "../../data/client.ts";
import { useRead } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import type { Health } from "../../../../supabase/functions/_shared/contract/http/operation.ts";
import type { HealthInWords } from "../../../../supabase/functions/_shared/contract/words/health.ts";

/** What `GET /functions/v1/health` answers, also where it refuses. */
export type Environment = Pick<Health, "version" | "environment" | "kill_switches">;

/** Where the functions run, kept fresh. No headers: so it costs one request, from another host too. */
export const useEnvironment = () =>
  useRead<Environment>(["health"], async () => {
    const found = await fetch(`${project().url}/functions/v1/health`).then((answer) => answer.json())
      .catch(() => undefined);
    if (found?.kill_switches === undefined) throw new Refusal("network", "The functions are not responding.");
    return found;
  });

/** Names of the switches that are off. */
export const switchedOff = (environment: Environment | undefined): string[] =>
  Object.entries(environment?.kill_switches ?? {}).filter(([, runs]) => !runs).map(([name]) => name);

/** What the database says of each part, and the switches, of which it cannot know. */
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
