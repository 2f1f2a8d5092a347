/**
 * Reports: how a rollout or everything did in a time.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

const rate = z.number().nullable();
const outcomes = z.strictObject({
  n: count,
  failed: count,
  error_rate: rate,
  p50_ms: rate,
  p95_ms: rate,
  p99_ms: rate,
});
/** Outcomes of people who had, or did not have, a feature. */
export type ReportedOutcomes = z.infer<typeof outcomes>;

const signals = {
  complaints: count,
  ratings: count,
  positive: count,
  metrics: z.array(z.strictObject({ name: z.string(), n: z.number(), before: z.number() })),
};

const ofRollout = z.strictObject({
  state: z.string(),
  plan: z.string(),
  hold_reason: z.string().nullable(),
  stage: z.strictObject({ position: count, name: z.string(), percentage: z.number() }).nullable(),
  on: outcomes,
  off: outcomes,
  before: outcomes,
  pages: count,
  incidents_opened: count,
  incidents_open: count,
  ...signals,
});
/** How a rollout did. */
export type RolloutFigures = z.infer<typeof ofRollout>;

const weekly = z.strictObject({
  features: z.array(z.strictObject({
    flag_key: z.string(),
    on: z.boolean(),
    percentage: z.number().nullable(),
    adoption: rate,
    adoption_before: rate,
    now: outcomes,
    before: outcomes,
    worse: z.boolean(),
  })),
  debt: z.array(z.strictObject({ flag_key: z.string(), why: z.string(), since: at.nullable() })),
  incidents_opened: count,
  incidents_resolved: count,
  incidents_open: count,
  rollouts: z.strictObject({ started: count, completed: count, rolled_back: count, under_way: count }),
  ...signals,
});
/** How everything did. */
export type WeeklyFigures = z.infer<typeof weekly>;

const common = {
  period_from: at,
  due_at: at,
  look: z.array(z.string()),
  created_at: at,
};
const report = z.discriminatedUnion("kind", [
  z.strictObject({
    id,
    kind: z.enum(["first_day", "daily"]),
    rollout_id: id,
    flag_key: z.string(),
    figures: ofRollout,
    ...common,
  }),
  z.strictObject({
    id,
    kind: z.literal("weekly"),
    rollout_id: z.null(),
    flag_key: z.null(),
    figures: weekly,
    ...common,
  }),
]);
/** A report. */
export type Report = z.infer<typeof report>;

const unkept = z.union(report.options.map((option) => option.extend({ id: z.null() })));
/** A report that is kept nowhere. */
export type UnkeptReport = z.infer<typeof unkept>;

/** By function. */
export const REPORTS = {
  list_reports: z.array(report),
  read_report: report,
  report_now: unkept,
} as const;
