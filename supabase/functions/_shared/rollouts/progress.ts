/**
 * Whether a stage of a rollout has met its criteria. Pure; `private.guard_progress` in SQL makes the same
 * decision.
 *
 * @module
 */
import { chanceOfSoFew, surelyBelow } from "./confidence.ts";
import { SLOW_SHARE, type State } from "./guard.ts";

/** Criteria of a stage for advancing. */
export interface Criteria {
  hold_minutes: number;
  min_samples: number;
  /** `advance_when.error_rate_below`; null if errors do not matter. */
  error_rate: number | null;
  /** `advance_when.p95_ms_below`; null if slowness does not matter. */
  p95_ms: number | null;
  /** Share of people who have the flag, in percent; null if no particular share can be expected. */
  percentage: number | null;
}

/** An arm has gone silent if at least this many of its expected outcomes are missing. */
const MISSING = 12;
/** Minutes for which they must be missing. */
const SILENT_MINUTES = 5;
/** The ratio of the arms is checked from this minute of a stage on. */
const RATIO_MINUTES = 10;
/** The ratio is wrong if so few outcomes would be less likely than this, in millionths. */
const RATIO_CHANCE = 10;
/** Likewise if there is none at all since the stage began. */
const NONE_CHANCE = 1000;

/** Why a stage does not advance. */
export type HoldReason =
  | "silent"
  | "control_silent"
  | "sample_ratio"
  | "hold_time"
  | "no_data"
  | "samples"
  | "error_rate"
  | "p95";

/** Whether the next stage may begin. */
export type Progress = { verdict: "advance" } | { verdict: "hold"; reason: HoldReason };

/**
 * Decides whether a stage has met its criteria.
 *
 * Failure policy: hold. Missing data is neither good nor bad, and an arm that went silent is missing data.
 *
 * @param startedMs Start of the stage, in milliseconds since 1970.
 * @param nowMs Now, likewise.
 */
export function progress(
  criteria: Criteria,
  { minute, since, heard, seen, arms }: State,
  startedMs: number,
  nowMs: number,
): Progress {
  const hold = (reason: HoldReason): Progress => ({ verdict: "hold", reason });
  const { hold_minutes, min_samples, error_rate, p95_ms, percentage } = criteria;
  // Who crashes before it can tell is no outcome: the other arm says how many there ought to be.
  const before = arms.off - arms.silent;
  if (
    heard > 0 && minute - heard >= SILENT_MINUTES && before > 0 && arms.silent * arms.on >= MISSING * before
  ) return hold("silent");
  // Without those who do not have it, nothing that goes wrong can be told from what goes wrong everywhere.
  const beside = arms.on - arms.alone;
  if (
    percentage !== null && arms.told > 0 && minute - arms.told >= SILENT_MINUTES && beside > 0 &&
    arms.alone * arms.off >= MISSING * beside
  ) return hold("control_silent");
  const all = arms.on + arms.off;
  if (percentage !== null && all > 0 && nowMs - startedMs >= RATIO_MINUTES * 60_000) {
    // Outcomes of the same people come again and again: as many count as there were people in the busiest minute.
    const few = Math.floor(arms.on * arms.busiest / all);
    if (chanceOfSoFew(few, arms.busiest, percentage / 100) < (arms.on === 0 ? NONE_CHANCE : RATIO_CHANCE)) {
      return hold("sample_ratio");
    }
  }
  if (nowMs - Math.max(startedMs, since * 60_000) < hold_minutes * 60_000) return hold("hold_time");
  // Half an hour without a word, or a quarter of a longer stage: what has gone silent may be broken altogether.
  const silence = Math.max(30, hold_minutes / 4);
  if (seen.n === 0 || nowMs - heard * 60_000 > silence * 60_000) return hold("no_data");
  if (seen.n < min_samples) return hold("samples");
  if (error_rate !== null && !surelyBelow(seen.failed, seen.n, error_rate)) return hold("error_rate");
  if (p95_ms !== null && !surelyBelow(seen.late, seen.timed, SLOW_SHARE)) return hold("p95");
  return { verdict: "advance" };
}
