/**
 * Rollouts, their guard, launch gates and notifications.
 *
 * @module
 */
import { z } from "zod";
import type { FlagMetadata } from "../columns.ts";
import { at, count, id, passed } from "./common.ts";
import { signalsSeen } from "./signals.ts";

/** A flag's metadata; see columns.ts. */
const metadata = z.custom<FlagMetadata>((value) => passed.safeParse(value).success);

const metricAsked = z.strictObject({
  name: z.string(),
  max_fall: z.number().optional(),
  max_rise: z.number().optional(),
  then: z.enum(["roll_back", "hold"]).optional(),
  min_people: count.optional(),
  by: z.enum(["people", "value"]).optional(),
  at_least_per_day: z.number().optional(),
  of: z.string().optional(),
  share_above: z.number().optional(),
  share_below: z.number().optional(),
  back_below: z.number().optional(),
  back_above: z.number().optional(),
  at_most_per_hour: count.optional(),
});

/** What people and business metrics say of a stage; see rollouts/signals.ts. */
const signals = z.strictObject({
  asked: z.strictObject({
    complaints_above: count.nullable(),
    complaints_at_most: count.nullable(),
    positive_share_above: z.number().nullable(),
    min_ratings: count.nullable(),
    share: z.number().nullable(),
    metrics: z.array(metricAsked),
  }),
  seen: signalsSeen,
  said: z.strictObject({
    verdict: z.enum(["roll_back", "page", "hold"]),
    rule: z.enum([
      "complaints",
      "people",
      "guardrail",
      "guardrail_unclear",
      "goal",
      "share",
      "too_many",
      "ratings",
      "feedback",
    ]),
    figures: z.record(z.string(), z.unknown()),
  }).nullable(),
});

const stagePlan = z.strictObject({
  name: z.string(),
  percentage: z.number(),
  user_ids: z.array(z.string()).optional(),
  segments: z.array(z.string()).optional(),
  users: count.optional(),
  among: z.array(z.string()).optional(),
  hold_minutes: count,
  min_samples: count,
  overdue_minutes: count.optional(),
  advance_when: z.strictObject({
    no_errors: z.literal(true).optional(),
    error_rate_below: z.number().optional(),
    p95_ms_below: z.number().optional(),
    complaints_at_most: count.optional(),
    positive_share_above: z.number().optional(),
    min_ratings: count.optional(),
  }),
  roll_back_when: z.strictObject({
    error_rate_above: z.number().optional(),
    p95_ms_above: z.number().optional(),
    plain: z.strictObject({
      minutes: count,
      min_samples: count,
      error_rate_above: z.number().optional(),
      mean_ms_above: z.number().optional(),
    }).optional(),
    complaints_above: count.optional(),
  }),
  first_day: z.strictObject({
    error_rate_above: z.number().optional(),
    p95_ms_above: z.number().optional(),
    complaints_above: count.optional(),
  }).optional(),
  metrics: z.array(metricAsked).optional(),
});

/** Minutes until the guard would roll back at this failure rate. */
const caught = z.strictObject({ "2x": count.nullable(), "5x": count.nullable(), "20%": count.nullable() });

const forecast = z.strictObject({
  flag: z.string().nullable(),
  plan: z.string(),
  /** Outcomes per minute. */
  per_minute: z.number().nullable(),
  /** A fraction from 0 to 1. */
  failure_rate: z.number().nullable(),
  traffic: z.enum(["given", "measured", "unknown"]),
  stages: z.array(z.strictObject({
    name: z.string(),
    percentage: z.number(),
    hold_minutes: count,
    per_minute: z.number().nullable(),
    samples_needed: count,
    minutes_for_samples: count.nullable(),
    minutes: count,
    /** Whether the stage can be passed at the current failure rate. */
    passes: z.boolean(),
    caught_after_minutes: caught.nullable(),
  })),
  minutes: count,
  passes: z.boolean(),
});
/** The forecast of a plan. */
export type Forecast = z.infer<typeof forecast>;

const suspicion = z.strictObject({ calm: z.int(), suspect: z.int(), lasting: z.int(), certain: z.int() });
const tally = z.strictObject({ n: z.int(), k: z.int(), q: z.int(), m: z.int() });
/** The state of one of the guard's tests; see `rollouts/series.ts`. */
const series = z.strictObject({
  on: tally,
  off: tally,
  quiet: z.strictObject({ on: z.int(), off: z.int(), failed: z.int() }),
  absolute: z.array(z.int()),
  relative: z.array(z.int()),
  trouble: z.int(),
  relation: suspicion,
  shared: z.int(),
  rose: z.int(),
});
const places = z.strictObject({ n: z.int(), v: z.int(), vv: z.int() });
const state = z.strictObject({
  minute: z.int(),
  since: z.int(),
  window: z.int(),
  heard: z.int(),
  seen: z.strictObject({ n: count, failed: count, timed: count, late: count }),
  arms: z.strictObject({ on: count, off: count, busiest: count, silent: count, told: count, alone: count }),
  broken: z.int(),
  errors: series,
  slow: series,
  shift: z.strictObject({
    on: places,
    off: places,
    quiet: z.strictObject({ on: places, off: places }),
    s: z.array(z.int()),
    relation: suspicion,
  }),
});

/** The inputs of a verdict of the guard, from which `rollouts/replay.ts` recomputes it. */
const evidence = z.strictObject({
  /** Version of the guard's rules. */
  guard: z.literal(2),
  stage: count,
  watch: z.strictObject({
    control: z.boolean(),
    error_rate: z.number().nullable(),
    p95_ms: z.number().nullable(),
    plain: z.strictObject({
      minutes: count,
      min_samples: count,
      error_rate: z.number().nullable(),
      mean_ms: z.number().nullable(),
    }).nullable(),
    no_errors: z.boolean(),
    sharp: z.boolean().optional(),
  }),
  criteria: z.strictObject({
    hold_minutes: count,
    min_samples: count,
    error_rate: z.number().nullable(),
    p95_ms: z.number().nullable(),
    percentage: z.number().nullable(),
  }),
  started_ms: count,
  now_ms: count,
  before: state,
  minutes: z.array(z.array(z.number())),
  /** The last minute of a span, and S of each test after it in millionths. */
  path: z.array(z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()])),
  after: state,
  signals,
  alarm: z.strictObject({ verdict: z.enum(["roll_back", "page"]), rule: z.string(), minute: z.int() })
    .nullable(),
  progress: z.union([
    z.strictObject({ verdict: z.literal("advance") }),
    z.strictObject({
      verdict: z.literal("hold"),
      reason: z.enum([
        "silent",
        "control_silent",
        "sample_ratio",
        "hold_time",
        "no_data",
        "samples",
        "error_rate",
        "p95",
      ]),
    }),
  ]).nullable(),
});
/** A rollout as the guard sees it now. */
export type GuardEvidence = z.infer<typeof evidence>;

const approval = z.strictObject({
  id,
  flag_key: z.string(),
  gate: z.string(),
  role: z.enum(["engineering", "security", "product", "cto"]),
  applies: z.boolean(),
  note: z.string().nullable(),
  signed_by: z.string(),
  signed_as: z.string(),
  signed_with: z.enum(["session", "secret_key"]),
  signed_at: at,
  revoked_at: at.nullable(),
  revoked_by: z.string().nullable(),
  revoked_because: z.string().nullable(),
});
/** A sign-off. */
export type Approval = z.infer<typeof approval>;

const launch = z.strictObject({
  flag: z.strictObject({ key: z.string(), value: z.string(), metadata, version: z.int() }).nullable(),
  approvals: z.array(approval),
  /** Versions of migrations; null if there is no record. */
  migrations: z.array(z.string()).nullable(),
  without_rls: z.array(z.string()),
  open_to_anon: z.array(z.string()),
  policies_for_anon: z.array(z.string()),
  /** Queries of the hot path, with the tables that their plans scan sequentially. */
  plans: z.array(z.strictObject({ query: z.string(), reads_whole: z.array(z.string()) })),
  allowlist: z.array(z.strictObject({ pattern: z.string(), purpose: z.enum(["forward", "redirect"]) })),
  rolled_back_at: at.nullable(),
  under_way: z.boolean(),
  evaluated_at: at.nullable(),
  outcomes: count,
  /** Names of the endpoints that receive pages and rollbacks. */
  told: z.array(z.string()),
  tables: z.array(z.string()),
  operators: count,
  archive: z.strictObject({ mode: z.string(), last_at: at.nullable(), failing: z.boolean() }),
});
/** The facts of the database that decide whether a flag may go live. */
export type LaunchFacts = z.infer<typeof launch>;

/** Who is told what of a rollout, and when. */
const notices = z.array(z.strictObject({
  day: z.int(),
  to: z.string(),
  text: z.string(),
  report: z.boolean(),
  due_at: at,
  state: z.enum(["planned", "told", "skipped"]),
  at: at.nullable(),
}));

/** The answers by function name. */
export const ROLLOUTS = {
  list_flags: z.array(z.strictObject({
    key: z.string(),
    value: z.string(),
    metadata,
    version: z.int(),
    updated_at: at,
    updated_by: z.string(),
  })),
  forecast_rollout: forecast,
  /** Null if there is no such template. */
  plan_of_template: z.strictObject({ name: z.string(), stages: z.array(stagePlan) }).nullable(),
  /** Null if no rollout is in progress. */
  watch_rollout: evidence.nullable(),
  launch_facts: launch,
  list_notices: notices,
  schedule_notices: notices,
  /** A webhook's answer includes its signing secret, which is not shown again. */
  add_notification_endpoint: z.strictObject({
    id,
    name: z.string(),
    kind: z.enum(["webhook", "slack", "email", "pagerduty"]),
    host: z.string(),
    events: z.array(z.string()),
    secret: z.string().optional(),
  }),
  claim_notifications: z.array(z.strictObject({
    id,
    lease: id,
    attempt: count,
    kind: z.enum(["webhook", "slack", "email", "pagerduty"]),
    url: z.string(),
    secret: z.string(),
    /** What it is about, such as `incident:7`; null for a test. */
    subject: z.string().nullable(),
    /** See rollouts/notification.ts. */
    payload: passed,
  })),
  mail_notification: z.strictObject({
    outcome: z.enum(["delivered", "retry", "dead"]),
    error: z.string().optional(),
  }),
} as const;
