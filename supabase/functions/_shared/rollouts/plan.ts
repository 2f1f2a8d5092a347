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
}).refine((triggers) => Object.keys(triggers).length > 0, { error: "must have at least one trigger" });

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
  hold_minutes: z.int().min(1).max(129_600),
  min_samples: z.int().min(0).max(10_000_000),
  /** Minutes after which people are notified that the stage is overdue. */
  overdue_minutes: z.int().min(1).max(259_200).optional(),
  advance_when: advanceWhen,
  roll_back_when: rollBackWhen,
}).superRefine((stage, context) => {
  const fault = (message: string, ...path: string[]) => context.addIssue({ code: "custom", message, path });
  const { advance_when: go, roll_back_when: back } = stage;
  if (stage.percentage === 0 && !stage.user_ids?.length && !stage.segments?.length) {
    fault("a stage at 0 % needs user_ids or segments", "percentage");
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
