/** How a rollout is doing, in one sentence. Pure. */
import type { RolloutState } from "../../../supabase/functions/_shared/contract/states.ts";
import { roleInWords } from "./signatures.ts";

export type VerdictTone = "good" | "warn" | "bad" | "info" | "plain";

/** Outcomes of a stage with the flag on. */
export interface Seen {
  n: number;
  failed: number;
  /** Those whose time was measured, and of these the ones slower than the stage allows. */
  timed?: number;
  late?: number;
}

/** What a sentence is made of. What is not known yet is undefined. */
export interface RolloutFacts {
  state: RolloutState;
  /** As in `rollouts.hold_reason`; null before the guard's first check of a stage. */
  holdReason: string | null;
  /** Position of the stage, from 1; 0 before the start. */
  stage: number;
  /** Unix time in milliseconds. */
  stageStartedAt?: number;
  /** The plan's stages. */
  stages?: number;
  /** Share of the stage, in percent. */
  percentage?: number;
  holdMinutes?: number;
  /** Outcomes that the stage needs; 0 for none. */
  minSamples?: number;
  /** As the guard last counted them. */
  seen?: Seen;
  /** Whether plan and figures were read: none are told before. @default true */
  isRead?: boolean;
  /** What the stage's end allows. */
  limits?: { /** A fraction from 0 to 1. */ errorRate?: number; /** Of p95. */ p95Ms?: number };
  killed?: boolean;
  /** The launch gates of a draft. */
  gates?: { unsigned: readonly string[]; open: number };
  /** Why it was rolled back, as a sentence without a full stop. */
  because?: string;
}

/** A rollout's verdict. */
export interface Verdict {
  text: string;
  tone: VerdictTone;
}

const DAY_MS = 86_400_000;

/** Why a stage that lasts longer is no success yet; null where the outcomes decide, which are counted beside it. */
const HOLDS: Readonly<Record<string, [words: string, tone: VerdictTone]>> = {
  no_data: ["Held: nobody has used the feature recently", "warn"],
  silent: ["Held: no outcomes from people with the flag, who may be failing unseen", "bad"],
  control_silent: ["Held: no control, because nobody without the flag reports outcomes", "warn"],
  sample_ratio: ["Held: outcomes with the flag are missing", "bad"],
  error_rate: ["Held: the failure rate is not certainly low enough yet", "warn"],
  p95: ["Held: p95 is not certainly low enough yet", "warn"],
  kill_switch: ["Held: the kill switch is set, so nobody has the feature", "bad"],
  incident: ["Held: a severe incident is open", "bad"],
  proof: ["Held: threads lack something, see gatelink messages proof", "bad"],
  overdue: ["Overdue: the stage has lasted longer than planned", "warn"],
  complaints: ["Held: people complained", "bad"],
  people: ["Held: too few people for the business metrics", "warn"],
  guardrail: ["Held: a business metric has changed", "bad"],
  guardrail_unclear: ["Held: a business metric may have changed", "warn"],
  goal: ["Held: a business metric has not reached its goal", "warn"],
  share: ["Held: a business metric does not have the required share", "warn"],
  ratings: ["Held: too few ratings", "warn"],
  feedback: ["Held: too few people are content", "warn"],
};

/**
 * The sentence, without a full stop: "Going well: 1,100 of 3,000 outcomes, next stage about 03:10".
 * @param now Unix time in milliseconds.
 */
export function verdictOf(facts: RolloutFacts, now: number): Verdict {
  switch (facts.state) {
    case "draft":
      return draft(facts.gates);
    case "completed":
      return { text: "Completed: the flag is on for everybody", tone: "info" };
    case "rolled_back":
      return {
        text: `Rolled back: ${facts.because ?? "the flag is off"}`.replace(
          /^Rolled back: rolled back/,
          "Rolled back",
        ),
        tone: "bad",
      };
    case "paused":
      return {
        text: `Paused${
          facts.percentage === undefined ? "" : ` at ${facts.percentage} %`
        }: people who have the feature keep it${figures(facts)}`,
        tone: "warn",
      };
    case "running":
      return running(facts, now);
  }
}

function draft(gates: RolloutFacts["gates"]): Verdict {
  if (gates === undefined) return { text: "Not started", tone: "plain" };
  const { unsigned, open } = gates;
  if (unsigned.length > 0) {
    const also = open === 0 ? "" : `; ${open === 1 ? "1 other gate is" : `${open} other gates are`} open`;
    return {
      text: `Waiting for ${unsigned.length === 1 ? "a signature" : `${unsigned.length} signatures`}: ${
        unsigned.map(roleInWords).join(", ")
      }${also}`,
      tone: "warn",
    };
  }
  if (open > 0) {
    return { text: `Not started: ${open === 1 ? "1 gate is" : `${open} gates are`} open`, tone: "warn" };
  }
  return { text: "Ready to start", tone: "good" };
}

function running(facts: RolloutFacts, now: number): Verdict {
  const { holdReason, killed, seen, limits, minSamples = 0 } = facts;
  const isUnread = facts.isRead === false;
  const held = killed ? HOLDS.kill_switch : holdReason === null ? undefined : HOLDS[holdReason];
  if (held) return { text: `${held[0]}${figures(facts)}`, tone: held[1] };
  if (isUnread) {
    const text = holdReason === "samples" ? "Too few outcomes" : `Running, stage ${facts.stage}`;
    return { text, tone: holdReason === "samples" ? "warn" : "info" };
  }
  if (holdReason === "samples") {
    return {
      text: `Too few outcomes: ${(seen?.n ?? 0).toLocaleString("en")} of ${minSamples.toLocaleString("en")}${
        next(facts, now)
      }`,
      tone: "warn",
    };
  }
  // A reason of a newer version of the database.
  if (holdReason !== null && holdReason !== "hold_time") {
    return { text: `Held: ${holdReason.replaceAll("_", " ")}${figures(facts)}`, tone: "warn" };
  }
  if (seen === undefined || seen.n === 0) return { text: `No outcomes yet${next(facts, now)}`, tone: "info" };
  const risk = riskOf(seen, limits);
  if (risk) return { text: `At risk: ${risk}`, tone: "warn" };
  return { text: `Going well: ${counted(seen.n, minSamples)}${next(facts, now)}`, tone: "good" };
}

/** What is beyond the stage's limits so far, however few the outcomes are; undefined if nothing is. */
function riskOf(
  { n, failed, timed = 0, late = 0 }: Seen,
  limits: RolloutFacts["limits"],
): string | undefined {
  const rate = limits?.errorRate;
  if (rate !== undefined && failed > rate * n) {
    return `${failed.toLocaleString("en")} of ${plural(n)} failed (limit ${+(100 * rate).toPrecision(10)} %)`;
  }
  // Of p95, 5 % may be slower.
  if (limits?.p95Ms !== undefined && late > 0.05 * timed) {
    return `${late.toLocaleString("en")} of ${plural(timed)} took longer than ${limits.p95Ms} ms (limit 5 %)`;
  }
}

const plural = (n: number) => `${n.toLocaleString("en")} ${n === 1 ? "outcome" : "outcomes"}`;

/** "1,100 of 3,000 outcomes"; without the limit if it is reached. */
const counted = (n: number, least: number): string =>
  n < least ? `${n.toLocaleString("en")} of ${plural(least)}` : plural(n);

/** Outcomes and failures, for a rollout that does not move. */
function figures({ seen, minSamples = 0 }: RolloutFacts): string {
  if (seen === undefined || seen.n === 0) return "";
  return ` (${counted(seen.n, minSamples)}, ${seen.failed.toLocaleString("en")} failed)`;
}

/** When the stage ends if outcomes go on as before; empty if that is unknown, or in a past that did not come. */
function next(
  { stage, stages, stageStartedAt, holdMinutes, minSamples = 0, seen }: RolloutFacts,
  now: number,
): string {
  if (stageStartedAt === undefined || holdMinutes === undefined) return "";
  const n = seen?.n ?? 0;
  const lasted = now - stageStartedAt;
  let at = stageStartedAt + holdMinutes * 60_000;
  if (n < minSamples) {
    if (n === 0 || lasted <= 0) return "";
    at = Math.max(at, now + (minSamples - n) * lasted / n);
  }
  at = Math.max(at, now);
  return `, ${stages !== undefined && stage >= stages ? "complete" : "next stage"} about ${clock(at, now)}`;
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The time in the reader's zone, with the date if it is a day or more ahead. */
const clock = (at: number, now: number): string =>
  at - now < DAY_MS ? TIME.format(at) : `${DATE.format(at)}, ${TIME.format(at)}`;
