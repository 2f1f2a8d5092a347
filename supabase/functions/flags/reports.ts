/**
 * Outcomes that services report: of what they do under a flag that they read through OpenFeature.
 *
 * @module
 */
import type { Flag } from "../_shared/flags/evaluate.ts";
import { Problem } from "../_shared/http/problem.ts";
import { observe } from "../_shared/rollouts/observe.ts";
import type { Outcomes } from "../_shared/rollouts/outcomes.ts";

/** Reports of one request. */
const MAX_REPORTS = 500;

/** How it went for somebody under a flag. */
interface Report {
  flag: string;
  /** The id that the flag was asked with. */
  targetingKey: string;
  failed: boolean;
  latency_ms?: number;
}

/**
 * Counts `{"outcomes": [{"flag", "targetingKey", "failed", "latency_ms"?}]}`. In which arm somebody is, the flag says, not
 * the caller.
 *
 * @returns How many reports were of flags that exist; whether each counts (one a person and minute does) is not told.
 * @throws {Problem} `invalid_request` naming the first report that cannot be read; then none is counted.
 */
export function recordReports(
  body: unknown,
  flags: ReadonlyMap<string, Flag>,
  into: Pick<Outcomes, "outcome" | "evaluated">,
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
  const known = (outcomes as Report[]).filter(({ flag }) => flags.has(flag));
  for (const { flag, targetingKey, failed, latency_ms } of known) {
    observe(flags, [flag], targetingKey, {
      failed,
      ...(latency_ms === undefined ? {} : { latencyMs: latency_ms }),
    }, into);
  }
  return known.length;
}

function faultOf(report: unknown): string | undefined {
  const { flag, targetingKey, failed, latency_ms } = (report ?? {}) as Record<string, unknown>;
  if (typeof flag !== "string" || flag === "") return "`flag` must be the key of a flag.";
  if (typeof targetingKey !== "string" || targetingKey === "") return "`targetingKey` must be an id.";
  if (typeof failed !== "boolean") return "`failed` must be true or false.";
  const ms = latency_ms ?? 0;
  if (typeof ms !== "number" || !(ms >= 0 && ms < 86_400_000)) return "`latency_ms` must be milliseconds.";
}
