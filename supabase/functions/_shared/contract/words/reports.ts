/** Reports in words: for notifications, the command line and the panel. */
import type {
  Report,
  ReportedOutcomes,
  RolloutFigures,
  UnkeptReport,
  WeeklyFigures,
} from "../answers/reports.ts";
import { counted } from "./sentences.ts";

const LOOK: Readonly<Record<string, string>> = {
  silent: "nobody with the feature was counted",
  error_rate: "more fail than the stage allows",
  p95: "it is slower than the stage allows",
  worse: "it is much worse than the time before",
  paged: "the guard paged",
  incident: "an incident is open",
  complaints: "people complain",
  debt: "flags can be tidied up",
};

/** What somebody should look at; empty where all is well. */
export function lookInWords(look: readonly string[]): string {
  return look.map((one) => LOOK[one] ?? one).join("; ");
}

/** Why a flag looks done with. */
export const STALE_WORDS: Readonly<Record<string, string>> = {
  fully_on: "on for everybody, unchanged",
  fully_off: "off for everybody, unchanged",
  past_end: "past its end",
  never_evaluated: "never evaluated",
  not_evaluated: "no longer evaluated",
};

const percent = (share: number | null): string =>
  share === null ? "-" : `${Math.round(share * 10_000) / 100} %`;

/** `120 outcomes, 0.83 % failed, p50 40 ms, p95 120 ms, p99 300 ms`. */
export function outcomesInWords({ n, error_rate, p50_ms, p95_ms, p99_ms }: ReportedOutcomes): string {
  if (n === 0) return "no outcomes";
  const times = p95_ms === null ? "" : `, p50 ${p50_ms} ms, p95 ${p95_ms} ms, p99 ${p99_ms} ms`;
  return `${counted(n, "outcome")}, ${percent(error_rate)} failed${times}`;
}

function signalsInWords(
  { complaints, ratings, positive, metrics }: RolloutFigures | WeeklyFigures,
): string[] {
  return [
    `${counted(complaints, "complaint")}; ${
      ratings === 0 ? "no ratings" : `${positive} of ${counted(ratings, "rating")} positive`
    }.`,
    ...metrics.map(({ name, n, before }) => `${name}: ${n} (before: ${before}).`),
  ];
}

/** What it is about, in a line. */
export function reportTitle({ kind, flag_key }: Pick<Report, "kind" | "flag_key">): string {
  switch (kind) {
    case "first_day":
      return `${flag_key}, the last two hours`;
    case "daily":
      return `${flag_key}, the last day`;
    case "weekly":
      return "The week";
  }
}

/** A report, line by line. */
export function reportInWords(report: Report | UnkeptReport): string[] {
  const look = lookInWords(report.look);
  const head = look === "" ? "Nothing to look at." : `Look: ${look}.`;
  return report.kind === "weekly"
    ? [head, ...weekInWords(report.figures)]
    : [head, ...rolloutInWords(report.figures)];
}

function rolloutInWords(figures: RolloutFigures): string[] {
  const { state, stage, on, off, before, pages, incidents_opened, incidents_open } = figures;
  return [
    `${state.replace("_", " ")}${
      stage === null ? "" : `, stage ${stage.position} (${stage.name}, ${stage.percentage} %)`
    }.`,
    `With the feature: ${outcomesInWords(on)}.`,
    `Without it: ${outcomesInWords(off)}.`,
    `As long before, with it: ${outcomesInWords(before)}.`,
    `${counted(pages, "page")}; ${counted(incidents_opened, "incident")} opened, ${incidents_open} open.`,
    ...signalsInWords(figures),
  ];
}

function weekInWords(figures: WeeklyFigures): string[] {
  const { features, debt, incidents_opened, incidents_resolved, incidents_open, rollouts } = figures;
  return [
    `Rollouts: ${rollouts.started} started, ${rollouts.completed} completed, ${rollouts.rolled_back} rolled back, ${rollouts.under_way} under way.`,
    `Incidents: ${incidents_opened} opened, ${incidents_resolved} resolved, ${incidents_open} open.`,
    ...signalsInWords(figures),
    ...features.map(({ flag_key, adoption, adoption_before, now, before, worse }) =>
      `${flag_key}: ${percent(adoption)} had it (before: ${percent(adoption_before)}); ${
        outcomesInWords(now)
      }; before: ${outcomesInWords(before)}${worse ? "; worse" : ""}.`
    ),
    ...debt.map(({ flag_key, why, since }) =>
      `To tidy up: ${flag_key}, ${STALE_WORDS[why] ?? why}${
        since === null ? "" : ` since ${since.slice(0, 10)}`
      }.`
    ),
  ];
}

/** What to do about it. */
export function reportAdvice({ kind, flag_key, look }: Pick<Report, "kind" | "flag_key" | "look">): string {
  if (look.length === 0) return "Nothing.";
  if (kind !== "weekly") {
    return `gatelink rollout status ${flag_key}; to take it back: gatelink rollback 1 ${flag_key} --why "…"`;
  }
  return look.includes("debt") && look.length === 1
    ? "gatelink flags stale shows where the code reads them."
    : "gatelink incident list --open; gatelink rollout list; gatelink flags stale";
}
