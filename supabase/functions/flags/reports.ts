/**
 * Outcomes that services report for flags that they read through OpenFeature.
 *
 * @module
 */
import type { OutcomeReport } from "../_shared/contract/http/flags.ts";
import { MAX_REPORTS } from "../_shared/contract/http/limits.ts";
import type { Flag } from "../_shared/flags/evaluate.ts";
import { Problem } from "../_shared/http/problem.ts";
import { observe } from "../_shared/rollouts/observe.ts";
import type { Answers } from "./answers.ts";
import type { Outcomes } from "../_shared/rollouts/outcomes.ts";

/**
 * Counts `{"outcomes": [{"flag", "targetingKey", "failed", "latency_ms"?, "value"?}]}`. The person's arm is
 * `value`, the flag's value when the service evaluated it; without it, the value that this process returned
 * in the last ten minutes, else the flag's current value.
 *
 * @returns How many reports were of existing flags; whether each counts (one per person and minute does) is
 *   not reported.
 * @throws {Problem} `invalid_request` naming the first report that cannot be read; then none is counted.
 */
export function recordReports(
  body: unknown,
  flags: ReadonlyMap<string, Flag>,
  into: Pick<Outcomes, "outcome" | "evaluated">,
  answers?: Pick<Answers, "had">,
): number {
  const { outcomes } = (body ?? {}) as { outcomes?: unknown };
  if (!Array.isArray(outcomes) || outcomes.length > MAX_REPORTS) {
    throw new Problem("invalid_request", {
      detail: `\`outcomes\` must be a list of at most ${MAX_REPORTS}.`,
    });
  }
  outcomes.forEach((report, i) => {
    const fault = faultOf(report);
    if (fault !== undefined) throw new Problem("invalid_request", { detail: `outcomes[${i}]: ${fault}` });
  });
  const known = (outcomes as OutcomeReport[]).filter(({ flag }) => flags.has(flag));
  for (const { flag, targetingKey, failed, latency_ms, value } of known) {
    const had = value ?? answers?.had(flag, targetingKey);
    observe(flags, [flag], targetingKey, {
      failed,
      ...(latency_ms == null ? {} : { latencyMs: latency_ms }),
    }, { into, ...(had === undefined ? {} : { had: had ? "on" : "off" }) });
  }
  return known.length;
}

function faultOf(report: unknown): string | undefined {
  const { flag, targetingKey, failed, latency_ms, value } = (report ?? {}) as Record<string, unknown>;
  if (typeof flag !== "string" || flag === "") return "`flag` must be the key of a flag.";
  if (typeof targetingKey !== "string" || targetingKey === "") return "`targetingKey` must be an id.";
  if (typeof failed !== "boolean") return "`failed` must be true or false.";
  if (value !== undefined && typeof value !== "boolean") return "`value` must be true or false.";
  const ms = latency_ms ?? 0;
  if (typeof ms !== "number" || !(ms >= 0 && ms < 86_400_000)) return "`latency_ms` must be milliseconds.";
}
