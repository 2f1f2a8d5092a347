/**
 * Plans of rollouts: the stages, what each must show, and what ends it. Validated here and again in SQL
 * (`private.rollout_plan_faults`), which stores them.
 *
 * @see docs/rollouts.md
 *
 * @module
 */
import { z } from "zod";
import type { RolloutPlan } from "../contract/arguments.ts";
import { EDGES_MS } from "./latency.ts";

const edge = z.number().refine((ms) => EDGES_MS.includes(ms), {
  error: `must be one of the latencies that are counted: ${EDGES_MS.join(", ")}`,
});
const rate = (most: number) => z.number().min(0.00001).max(most);
const characters = (most: number) =>
  z.string().refine((text) => text !== "" && [...text].length <= most, {
    error: `must have 1 to ${most} characters`,
  });
const ids = (most: number) => z.array(characters(200)).max(most);

const advanceWhen = z.strictObject({
  /** No failure during the hold time; each one restarts it. */
  no_errors: z.literal(true).optional(),
  /** The failure rate is below this with confidence: its 95 % Clopper-Pearson upper bound is. */
  error_rate_below: rate(0.99).optional(),
  /** The share of slower outcomes is below 5 % with confidence. */
  p95_ms_below: edge.optional(),
  /** At most this many people with the feature complained in the stage. */
  complaints_at_most: z.int().min(0).max(10_000).optional(),
  /** More than this share of the people who rated the feature are content (4 or 5, or praise). */
  positive_share_above: z.number().min(0).max(0.99).optional(),
  /** So many people must have rated it. */
  min_ratings: z.int().min(1).max(10_000).optional(),
}).refine((go) => (go.positive_share_above === undefined) === (go.min_ratings === undefined), {
  error: "positive_share_above and min_ratings belong together",
});

const plain = z.strictObject({
  /** Length of the window. */
  minutes: z.int().min(1).max(60),
  /** With fewer outcomes in the window, the thresholds do not apply. */
  min_samples: z.int().min(1).max(1_000_000),
  error_rate_above: rate(0.99).optional(),
  mean_ms_above: z.number().min(1).max(60_000).optional(),
}).refine((plain) => plain.error_rate_above !== undefined || plain.mean_ms_above !== undefined, {
  error: "must have error_rate_above or mean_ms_above",
});

const rollBackWhen = z.strictObject({
  /** By sequential test: more fail than this, or more than without the flag. */
  error_rate_above: rate(0.5).optional(),
  /** By sequential test: more than 5 % are slower, or more than without the flag. */
  p95_ms_above: edge.optional(),
  /** Plain thresholds over the last minutes. */
  plain: plain.optional(),
  /** More than this many people with the feature complained in the stage. */
  complaints_above: z.int().min(0).max(10_000).optional(),
}).refine(({ complaints_above: _, ...triggers }) => Object.keys(triggers).length > 0, {
  error: "must have at least one trigger on outcomes",
});

/** Tighter triggers for the first 24 hours of a stage. */
const firstDay = z.strictObject({
  error_rate_above: rate(0.5).optional(),
  p95_ms_above: edge.optional(),
  complaints_above: z.int().min(0).max(10_000).optional(),
}).refine((triggers) => Object.keys(triggers).length > 0, { error: "must have at least one trigger" });

const metricName = z.string().regex(/^[a-z][a-z0-9_.]{0,59}$/, {
  error: "must be 1 to 60 lower-case letters, digits, dots and underscores, beginning with a letter",
});

const metric = z.strictObject({
  /** Name of the business metric. */
  name: metricName,
  /** By how much less it may happen with the feature than without it: 0.05 is 5 %. */
  max_fall: z.number().min(0).max(0.9).optional(),
  /** By how much more it may happen with the feature than without it. */
  max_rise: z.number().min(0).max(9).optional(),
  /** What happens if it has fallen or risen further. @default "hold" */
  then: z.enum(["roll_back", "hold"]).optional(),
  /** Least people who did it, with and without the feature together. @default 20 */
  min_people: z.int().min(0).max(10_000_000).optional(),
  /** Whether people count, or the values. @default "people" */
  by: z.enum(["people", "value"]).optional(),
  /** The goal: occurrences (or values) per day, of people with the feature. */
  at_least_per_day: z.number().min(0).max(1_000_000_000).optional(),
  /** Another metric: of so many of its occurrences with the feature, this one must be a certain share. */
  of: metricName.optional(),
  share_above: z.number().min(0).max(0.9999).optional(),
  share_below: z.number().min(0.0001).max(1).optional(),
  /** A share certainly below, or above, takes the rollout back: with 20 of the other metric or more, at 95 % confidence. */
  back_below: z.number().min(0.0001).max(0.9999).optional(),
  back_above: z.number().min(0.0001).max(0.9999).optional(),
  /** If it happens more often in an hour, the rollout is taken back; of what the functions count, such as `mail.route_failed`. */
  at_most_per_hour: z.int().min(0).max(1_000_000).optional(),
}).refine(
  ({ max_fall, max_rise, at_least_per_day, of, at_most_per_hour }) =>
    [max_fall, max_rise, at_least_per_day, of, at_most_per_hour].some((asked) => asked !== undefined),
  { error: "must have max_fall, max_rise, at_least_per_day, at_most_per_hour or of" },
).refine(
  ({ max_fall, max_rise, then, min_people }) =>
    (max_fall ?? max_rise) !== undefined || (then ?? min_people) === undefined,
  { error: "then and min_people belong to max_fall or max_rise" },
).refine(
  ({ of, share_above, share_below, back_below, back_above }) =>
    (of === undefined) ===
      [share_above, share_below, back_below, back_above].every((share) => share === undefined),
  { error: "of and share_above, share_below, back_below or back_above belong together" },
).refine(
  ({ share_above = 1, share_below = 0, back_below = 0, back_above = 1 }) =>
    back_below <= share_above && back_above >= share_below,
  { error: "back_below must not be above share_above, nor back_above below share_below" },
);

const stage = z.strictObject({
  name: characters(60),
  /** Share of people who have the flag, in percent, in steps of 0.01. */
  percentage: z.number().min(0).max(100).refine((p) => Number(p.toFixed(2)) === p, {
    error: "must be in steps of 0.01",
  }),
  /** Ids that also have it, from this stage on. */
  user_ids: ids(1000).optional(),
  /** Segments that also have it, from this stage on. */
  segments: ids(20).optional(),
  /** Number of people who also have it, chosen by the hash of the percentages; of a stage with percentage 0. */
  users: z.int().min(1).max(10_000).optional(),
  /** Segments among whose members they are chosen. @default everybody who wrote within 90 days */
  among: ids(20).optional(),
  hold_minutes: z.int().min(1).max(129_600),
  min_samples: z.int().min(0).max(10_000_000),
  /** Minutes after which people are notified that the stage is overdue. */
  overdue_minutes: z.int().min(1).max(259_200).optional(),
  advance_when: advanceWhen,
  roll_back_when: rollBackWhen,
  first_day: firstDay.optional(),
  /** What the stage asks of business metrics. */
  metrics: z.array(metric).min(1).max(10).optional(),
}).superRefine((stage, context) => {
  const fault = (message: string, ...path: string[]) => context.addIssue({ code: "custom", message, path });
  const { advance_when: go, roll_back_when: back } = stage;
  if (stage.percentage === 0 && !stage.users && !stage.user_ids?.length && !stage.segments?.length) {
    fault("a stage at 0 % needs user_ids, segments or users", "percentage");
  }
  if (stage.users !== undefined && stage.percentage !== 0) {
    fault("a stage of so many people has percentage 0", "users");
  }
  if (stage.among !== undefined && stage.users === undefined) fault("only with users", "among");
  for (const [name, tighter] of Object.entries(stage.first_day ?? {})) {
    const usual = back[name as keyof typeof stage.first_day & keyof typeof back] as number | undefined;
    if (usual === undefined || tighter > usual) {
      fault(`must not be above roll_back_when.${name}, which must be there`, "first_day", name);
    }
  }
  if (
    (stage.percentage === 0 || stage.percentage === 100) &&
    stage.metrics?.some(({ max_fall, max_rise }) => (max_fall ?? max_rise) !== undefined)
  ) {
    fault(
      "max_fall and max_rise need people with and without the feature: a percentage between 0 and 100",
      "metrics",
    );
  }
  if ((go.complaints_at_most ?? 0) > (back.complaints_above ?? Infinity)) {
    fault("must not be above roll_back_when.complaints_above", "advance_when", "complaints_at_most");
  }
  if ((stage.overdue_minutes ?? Infinity) <= stage.hold_minutes) {
    fault("must be more than hold_minutes", "overdue_minutes");
  }
  if ((go.error_rate_below ?? 0) > (back.error_rate_above ?? Infinity)) {
    fault("must not be above roll_back_when.error_rate_above", "advance_when", "error_rate_below");
  }
  if ((go.p95_ms_below ?? 0) > (back.p95_ms_above ?? Infinity)) {
    fault("must not be above roll_back_when.p95_ms_above", "advance_when", "p95_ms_below");
  }
});

/** A plan, as `create_rollout` takes it. */
export const planSchema = z.strictObject({
  name: characters(60).optional(),
  stages: z.array(stage).min(1).max(20),
}).superRefine(({ stages }, context) => {
  const fault = (message: string) => context.addIssue({ code: "custom", message, path: ["stages"] });
  if (new Set(stages.map(({ name }) => name)).size < stages.length) fault("two stages have the same name");
  if (stages.some((stage, i) => i > 0 && stage.percentage < stages[i - 1].percentage)) {
    fault("percentages must not decrease");
  }
  if (stages.at(-1)?.percentage !== 100) fault("the last stage must be 100 %");
  const users = stages.flatMap(({ users }) => users ?? []);
  if (users.some((n, i) => i > 0 && n <= users[i - 1])) fault("users must grow");
  if (stages.some(({ users }, i) => users !== undefined && i > 0 && stages[i - 1].percentage > 0)) {
    fault("users come before percentages");
  }
}) satisfies z.ZodType<RolloutPlan, RolloutPlan>;

/** A checked plan. */
export type Plan = z.output<typeof planSchema>;
/** One stage of it. */
export type Stage = Plan["stages"][number];

/** Validates a plan; the faults are texts for people. */
export function checkPlan(
  value: unknown,
): { ok: true; plan: Plan } | { ok: false; faults: { path: string; message: string }[] } {
  const result = planSchema.safeParse(value);
  if (result.success) return { ok: true, plan: result.data };
  const faults = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  return { ok: false, faults };
}
