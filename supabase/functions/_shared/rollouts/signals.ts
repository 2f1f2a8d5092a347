/**
 * What people and business metrics say of a stage of a rollout: complaints, ratings, whether fewer or more do
 * something with the flag than without it, and how much of one thing is another. Pure; `private.signals_say` in SQL makes the same decision.
 *
 * The test of a metric counts each person once, and only people whom the percentage decided for. If the flag
 * changes nothing, whoever does something has it with a chance that is known: the percentage. So nobody has to
 * count those who do nothing, and the evidence depends only on how many did it on each side. It is a likelihood
 * ratio, averaged over the falls that it looks for; the chance that it ever reaches 1 / a is at most a if the
 * metric has not fallen by more than is allowed (Ville's inequality), however often it is looked at.
 *
 * @module
 */
import { surelyBelow } from "./confidence.ts";

/** What a stage asks of one business metric. */
export interface MetricAsked {
  name: string;
  /** Largest fall that is allowed, as a share of the other arm; absent if it is not compared. */
  max_fall?: number;
  /** Largest rise that is allowed, as a share of the other arm; absent if it is not compared. */
  max_rise?: number;
  /** What happens if it has fallen or risen further. @default "hold" */
  then?: "roll_back" | "hold";
  /** Least people in both arms together before the stage may end. @default 20 */
  min_people?: number;
  /** Whether people count, or their values, each for at most three times the median. @default "people" */
  by?: "people" | "value";
  /** Least per day with the flag, of occurrences or values. */
  at_least_per_day?: number;
  /** Another metric, of whose occurrences with the flag this one shall be a certain share. */
  of?: string;
  share_above?: number;
  share_below?: number;
  /** A share that is certainly smaller, or larger, takes the rollout back. */
  back_below?: number;
  back_above?: number;
  /** If it happens more often in an hour, the rollout is taken back. */
  at_most_per_hour?: number;
}

/** What a stage asks of signals; null for what it does not ask. */
export interface SignalsAsked {
  complaints_above: number | null;
  complaints_at_most: number | null;
  positive_share_above: number | null;
  min_ratings: number | null;
  /** Percentage of the stage; null if there is nobody to compare with. */
  share: number | null;
  metrics: MetricAsked[];
}

/** What one metric showed in the stage. */
export interface MetricSeen {
  name: string;
  /** People whom the percentage gave the feature, and from whom it kept it. */
  on: number;
  off: number;
  /** The same, or their values, in thousandths. */
  on_weight: number;
  off_weight: number;
  /** Occurrences or values per day, of everybody with the feature. */
  per_day: number;
  /** Occurrences, of everybody with the feature; absent from evidence of versions that knew no shares. */
  n?: number;
  /** Those of the metric that this one is a share of; 0 if it is a share of none. */
  of_n?: number;
  /** How often it happened in the last hour of the stage, where it limits that. */
  last_hour?: number;
}

/** What was said and done in the stage by people with the feature, each person once. */
export interface SignalsSeen {
  complaints: number;
  /** Complaints by people without the feature: shown, and not judged. */
  complaints_without: number;
  ratings: number;
  positive: number;
  /** In the order of {@linkcode SignalsAsked.metrics}. */
  metrics: MetricSeen[];
}

/** By which rule signals are in the way. */
export type SignalRule =
  | "complaints"
  | "people"
  | "guardrail"
  | "guardrail_unclear"
  | "goal"
  | "share"
  | "too_many"
  | "ratings"
  | "feedback";

/** What signals mean for the rollout. */
export interface SignalsSaid {
  verdict: "roll_back" | "page" | "hold";
  rule: SignalRule;
  figures: Record<string, unknown>;
}

/** All of it, as evidence holds it. */
export interface Signals {
  asked: SignalsAsked;
  seen: SignalsSeen;
  said: SignalsSaid | null;
}

/** Further falls that the test looks for, as factors. */
const FALLS = [0.9, 0.75, 0.5, 0.25];
/** ln(4), in millionths: the average of four is at least a quarter of the largest. */
const OF_FOUR = 1_386_294;
/** Evidence at which a metric has fallen, ln(1000) in millionths: wrong in at most one of a thousand stages. */
export const FALLEN = 6_907_755;
/** Evidence at which it seems to have, ln(10). */
export const SEEMS_FALLEN = 2_302_585;
/** People in both arms together that a comparison needs unless the plan says otherwise. */
const MIN_PEOPLE = 20;

/**
 * The evidence that fewer with the flag do something than a fall of `maxFall` allows, in millionths.
 *
 * @param share Share of people who have the flag, above 0 and below 1.
 * @param on Weight of those with the flag who did it, in thousandths.
 * @param off The same without it.
 */
export function fallS(share: number, maxFall: number, on: number, off: number): number {
  const q = share * (1 - maxFall) / (share * (1 - maxFall) + (1 - share));
  let s = 0;
  for (const fall of FALLS) {
    const fallen = fall * q / (fall * q + (1 - q));
    const withFlag = BigInt(on) * millionths(Math.log(fallen / q));
    const without = BigInt(off) * millionths(Math.log((1 - fallen) / (1 - q)));
    s = Math.max(s, Number((withFlag + without) / 1000n) - OF_FOUR);
  }
  return s;
}

/** Evidence that a metric has fallen, or risen, further than its limit; none without anybody to compare with. */
function changes(
  { max_fall, max_rise }: MetricAsked,
  { on_weight, off_weight }: MetricSeen,
  percentage: number | null,
): { s: number; limit: { max_fall: number } | { max_rise: number } }[] {
  if (percentage === null) return [];
  const share = percentage / 100;
  return [
    ...(max_fall === undefined
      ? []
      : [{ s: fallS(share, max_fall, on_weight, off_weight), limit: { max_fall } }]),
    // A rise with the feature is a fall without it.
    ...(max_rise === undefined ? [] : [{
      s: fallS(1 - share, max_rise / (1 + max_rise), off_weight, on_weight),
      limit: { max_rise },
    }]),
  ];
}

/**
 * The figures of a share that is not as the stage asks; undefined if it is, or if none is asked for.
 *
 * Failure policy: hold. A share of nothing is not known.
 */
function shareOff(
  { name, of, share_above, share_below }: MetricAsked,
  { n = 0, of_n = 0 }: MetricSeen,
): Record<string, unknown> | undefined {
  if (of === undefined || share_above === undefined && share_below === undefined) return;
  const small = share_above !== undefined && n <= share_above * of_n;
  const large = share_below !== undefined && n >= share_below * of_n;
  if (of_n > 0 && !small && !large) return;
  return {
    metric: name,
    of,
    n,
    of_n,
    ...(share_above === undefined ? {} : { share_above }),
    ...(share_below === undefined ? {} : { share_below }),
  };
}

/** Occurrences of the other metric from which on a share may take a rollout back. */
const ENOUGH_FOR_BACK = 20;

/** By which rule a metric alone takes the rollout back; undefined if it does not. */
function backBy(
  { name, of, back_below, back_above, at_most_per_hour }: MetricAsked,
  { n = 0, of_n = 0, last_hour = 0 }: MetricSeen,
): SignalsSaid | undefined {
  if (at_most_per_hour !== undefined && last_hour > at_most_per_hour) {
    return { verdict: "roll_back", rule: "too_many", figures: { metric: name, last_hour, at_most_per_hour } };
  }
  if (of === undefined || of_n < ENOUGH_FOR_BACK) return;
  const isSmall = back_below !== undefined && surelyBelow(Math.min(n, of_n), of_n, back_below);
  const isLarge = back_above !== undefined && surelyBelow(Math.max(of_n - n, 0), of_n, 1 - back_above);
  if (!isSmall && !isLarge) return;
  const figures = {
    metric: name,
    of,
    n,
    of_n,
    ...(back_below === undefined ? {} : { back_below }),
    ...(back_above === undefined ? {} : { back_above }),
  };
  return { verdict: "roll_back", rule: "share", figures };
}

function millionths(value: number): bigint {
  return BigInt(Math.round(value * 1_000_000));
}

/**
 * What signals mean: the way back first, then what people have to look at, then what the stage waits for.
 *
 * Failure policy: hold. Too few people and too few ratings are neither good nor bad.
 */
export function signalsSay(asked: SignalsAsked, seen: SignalsSeen): SignalsSaid | null {
  const { complaints, ratings, positive } = seen;
  if (asked.complaints_above !== null && complaints > asked.complaints_above) {
    const figures = { complaints, complaints_above: asked.complaints_above };
    return { verdict: "roll_back", rule: "complaints", figures };
  }
  const found = new Map<SignalRule, Record<string, unknown>>();
  const note = (rule: SignalRule, figures: Record<string, unknown>) => {
    if (!found.has(rule)) found.set(rule, figures);
  };
  for (const [i, metric] of asked.metrics.entries()) {
    const { on, off, per_day } = seen.metrics[i];
    const { name, min_people = MIN_PEOPLE, at_least_per_day } = metric;
    for (const { s, limit } of changes(metric, seen.metrics[i], asked.share)) {
      const figures = { metric: name, on, off, s, ...limit };
      if (s >= FALLEN && metric.then === "roll_back") {
        return { verdict: "roll_back", rule: "guardrail", figures };
      }
      if (s >= FALLEN) note("guardrail", figures);
      else if (on + off < min_people) note("people", { ...figures, min_people });
      else if (s >= SEEMS_FALLEN) note("guardrail_unclear", figures);
    }
    const back = backBy(metric, seen.metrics[i]);
    if (back !== undefined) return back;
    if (at_least_per_day !== undefined && per_day < at_least_per_day) {
      note("goal", { metric: name, per_day, at_least_per_day });
    }
    const share = shareOff(metric, seen.metrics[i]);
    if (share !== undefined) note("share", share);
  }
  const fallen = found.get("guardrail");
  if (fallen !== undefined) return { verdict: "page", rule: "guardrail", figures: fallen };
  const hold = (rule: SignalRule, figures: Record<string, unknown>): SignalsSaid => ({
    verdict: "hold",
    rule,
    figures,
  });
  if (asked.complaints_at_most !== null && complaints > asked.complaints_at_most) {
    return hold("complaints", { complaints, complaints_at_most: asked.complaints_at_most });
  }
  for (const rule of ["people", "guardrail_unclear", "goal", "share"] as const) {
    const figures = found.get(rule);
    if (figures !== undefined) return hold(rule, figures);
  }
  if (asked.min_ratings !== null && ratings < asked.min_ratings) {
    return hold("ratings", { ratings, min_ratings: asked.min_ratings });
  }
  if (asked.positive_share_above !== null && positive <= asked.positive_share_above * ratings) {
    return hold("feedback", { positive, ratings, positive_share_above: asked.positive_share_above });
  }
  return null;
}
