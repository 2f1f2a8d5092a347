/**
 * Recomputes the verdicts of a rollout from the evidence in its events. Pure.
 *
 * @module
 */
import { type Alarm, type Point, relax, type State, take, type Watch } from "./guard.ts";
import { none, type Span, tally } from "./minutes.ts";
import { type Criteria, type Progress, progress } from "./progress.ts";
import { type Signals, signalsSay } from "./signals.ts";

/**
 * A span of minutes in evidence: the last minute; outcomes, failed, timed, slow, late, milliseconds with the
 * flag on; outcomes, failed, timed, slow, milliseconds with it off; the last minute with an outcome while the
 * flag was on; minutes with outcomes and with timed ones, on and off; the sums of failed² / outcomes and
 * slow² / timed with the flag off; failed again and slow again, on and off; score and its square, on and off;
 * outcomes of the busiest minute; outcomes with the flag off since the last one with it on; the last minute with
 * an outcome while the flag was off; outcomes with the flag on since then.
 */
export type SpanRow = readonly number[];

/** The evidence of a verdict. */
export interface Evidence {
  /** Version of the guard's rules. */
  guard: 2;
  stage: number;
  watch: Watch;
  criteria: Criteria;
  started_ms: number;
  now_ms: number;
  before: State;
  minutes: SpanRow[];
  path: Point[];
  after: State;
  /** Absent from events of versions that knew no signals. */
  signals?: Signals;
  alarm: Alarm | null;
  progress: Progress | null;
}

/** A row of `rollout_events`, with the columns used here. */
export interface RolloutEvent {
  id: string;
  at: string;
  kind: string;
  stage: number;
  verdict: string | null;
  rule: string | null;
  evidence: unknown;
}

/** The result for one event. */
export interface Replayed {
  id: string;
  at: string;
  kind: string;
  stage: number;
  /** As recorded: the guard's verdict (null if a person acted) and its rule. */
  recorded: { verdict: string | null; rule: string | null };
  /** As recomputed from the evidence. */
  recomputed: { verdict: string; rule: string };
  /**
   * The maximum of S of each test in these minutes, in millionths: errors, errors relative, slowness,
   * slowness relative.
   */
  highest: [number, number, number, number];
  /** Number of minutes processed, including those without an outcome. */
  minutes: number;
  /** What differs: verdict, rule, path, after, before, signals; empty if everything agrees. */
  differences: string[];
}

/**
 * Recomputes each event that has evidence. Pass the events in order; the evidence of each must start where
 * the previous one of the same stage ended, so that no minute can be left out.
 */
export function replay(events: readonly RolloutEvent[]): Replayed[] {
  const results: Replayed[] = [];
  let last: { stage: number; started: number; sharp: boolean; after: State } | undefined;
  for (const event of events) {
    const { evidence } = event;
    if (!isEvidence(evidence)) continue;
    const result = replayOne(event, evidence);
    const sharp = evidence.watch.sharp === true;
    if (
      last !== undefined && last.stage === evidence.stage && last.started === evidence.started_ms &&
      !equal(last.sharp && !sharp ? relaxed(last.after, evidence.before) : last.after, evidence.before)
    ) {
      result.differences.push("before");
    }
    last = { stage: evidence.stage, started: evidence.started_ms, sharp, after: evidence.after };
    results.push(result);
  }
  return results;
}

/** The first day ends with its last minute, even if nobody was heard of in it. */
function relaxed(after: State, { minute }: State): State {
  return { ...relax(after), minute: Math.max(after.minute, minute) };
}

function replayOne({ id, at, kind, stage, verdict, rule }: RolloutEvent, evidence: Evidence): Replayed {
  const state = structuredClone(evidence.before);
  const path: Point[] = [];
  const alarm = take(evidence.watch, state, evidence.minutes.map(spanOf), path);
  const signal = evidence.signals && signalsSay(evidence.signals.asked, evidence.signals.seen);
  const recomputed = alarm !== undefined
    ? { verdict: alarm.verdict, rule: alarm.rule }
    : signal && signal.rule === rule && signal.verdict === verdict
    ? { verdict: signal.verdict, rule: signal.rule }
    : said(progress(evidence.criteria, state, evidence.started_ms, evidence.now_ms));
  const differences: string[] = [];
  if (!equal(path, evidence.path)) differences.push("path");
  if (!equal(state, evidence.after)) differences.push("after");
  if (evidence.signals && !equal(signal, evidence.signals.said)) differences.push("signals");
  // Where a person acted or had paused it, or the stage was overdue, what the guard itself saw is in the evidence alone.
  const own = verdict === null || rule === null || rule === "overdue" || rule === "paused" ||
      rule === "kill_switch" || rule === "incident" || rule === "proof" ||
      verdict === "page" && (rule === "silent" || rule === "control_silent" || rule === "sample_ratio")
    ? evidence.alarm ?? said(evidence.progress ?? { verdict: "hold", reason: "hold_time" })
    : { verdict, rule };
  if (own.verdict !== recomputed.verdict) differences.push("verdict");
  if (own.rule !== recomputed.rule) differences.push("rule");
  const highest = [1, 2, 3, 4].map((i) => Math.max(0, ...path.map((point) => point[i])));
  return {
    id,
    at,
    kind,
    stage,
    recorded: { verdict, rule },
    recomputed,
    highest: highest as Replayed["highest"],
    minutes: state.minute - evidence.before.minute,
    differences,
  };
}

function said(progress: Progress): { verdict: string; rule: string } {
  return progress.verdict === "advance"
    ? { verdict: "advance", rule: "criteria_met" }
    : { verdict: "hold", rule: progress.reason };
}

/** A span of evidence as the guard takes it. */
export function spanOf(row: SpanRow): Span {
  const [minute, n, failed, timed, slow, late, ms, offN, offFailed, offTimed, offSlow, offMs, ...spread] =
    row;
  const [heard, onMinutes, onTimedMinutes, offMinutes, offTimedMinutes, offFailedQ, offSlowQ, ...more] =
    spread;
  const [
    again,
    slowAgain,
    offAgain,
    offSlowAgain,
    score,
    score2,
    offScore,
    offScore2,
    busiest,
    unheard,
    told,
    alone,
  ] = more;
  return {
    minute,
    heard,
    busiest,
    unheard,
    told,
    alone,
    on: { n, failed, again, timed, slow, slowAgain, late, ms, score, score2 },
    off: {
      ...none(),
      n: offN,
      failed: offFailed,
      again: offAgain,
      timed: offTimed,
      slow: offSlow,
      slowAgain: offSlowAgain,
      ms: offMs,
      score: offScore,
      score2: offScore2,
    },
    errors: {
      on: { ...tally(n, failed - again), m: onMinutes },
      off: { n: offN, k: offFailed - offAgain, q: offFailedQ, m: offMinutes },
    },
    slowness: {
      on: { ...tally(timed, slow - slowAgain), m: onTimedMinutes },
      off: { n: offTimed, k: offSlow - offSlowAgain, q: offSlowQ, m: offTimedMinutes },
    },
  };
}

function isEvidence(value: unknown): value is Evidence {
  return typeof value === "object" && value !== null && (value as { guard?: unknown }).guard === 2;
}

/** Whether two values of evidence are equal; members in any order, as jsonb gives them. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)];
  return keysA.length === keysB.length &&
    keysA.every((key) => equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}
