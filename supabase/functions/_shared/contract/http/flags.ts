/**
 * Flags over HTTP: evaluations in OFREP's shapes (OpenFeature's Remote Evaluation Protocol 0.3), reports of outcomes, and
 * the event about a rollout.
 *
 * The function `flags` parses bodies by hand, because a schema would slow down each evaluation; tests hold it to these
 * schemas.
 *
 * @module
 */
import { z } from "zod";
import { id } from "../answers/common.ts";
import { storable } from "../link_values.ts";
import { ROLLOUT_STATES } from "../states.ts";
import { MAX_REPORTS, MAX_SIGNALS } from "./limits.ts";

/** The body of an evaluation. Other members of the context are ignored. */
export const evaluation = z.looseObject({
  context: z.looseObject({
    targetingKey: z.string().optional()
      .describe("The id to evaluate for; optional for flags that are the same for everybody"),
    sig: z.unknown().meta({
      type: "string",
      description:
        "Your service's signature of the targeting key: the first 32 hex digits of its HMAC-SHA-256 with " +
        "`AUDIENCE_SECRET`. With a publishable key, an e-mail address or phone number matches no list without it",
    }).optional(),
  }).optional(),
});

/** Why a flag cannot be evaluated. */
export const flagErrorCode = z.enum([
  "PARSE_ERROR",
  "TARGETING_KEY_MISSING",
  "INVALID_CONTEXT",
  "FLAG_NOT_FOUND",
  "GENERAL",
]);
/** See {@linkcode flagErrorCode}. */
export type FlagErrorCode = z.infer<typeof flagErrorCode>;

const metadata = z.strictObject({
  version: z.int(),
  client: z.boolean().describe("Whether apps with a publishable key may read it"),
  rolloutPercentage: z.number().optional(),
  targets: z.int().optional().describe("The number of ids"),
  segments: z.string().optional().describe("Separated by commas"),
  prerequisites: z.string().optional().describe("Separated by commas"),
  description: z.string().optional(),
  launchedAt: z.string().optional(),
}).describe("For secret keys");
/** Details of a flag, for secret keys only. */
export type FlagMetadata = z.infer<typeof metadata>;

/** A flag's value for one targeting key. */
export const flagValue = z.strictObject({
  key: z.string(),
  value: z.unknown().meta({ type: ["boolean", "string", "number", "object", "array"] }),
  reason: z.enum(["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED"]),
  variant: z.enum(["on", "off"]).optional().describe("Absent for flags with a single value"),
  metadata: metadata.optional(),
});
/** See {@linkcode flagValue}. */
export type FlagValue = z.infer<typeof flagValue>;

/** A flag that could not be evaluated, and why. */
export const flagFailure = z.strictObject({
  key: z.string(),
  errorCode: flagErrorCode,
  errorDetails: z.string(),
  metadata: metadata.optional(),
});
/** See {@linkcode flagFailure}. */
export type FlagFailure = z.infer<typeof flagFailure>;

/** Why flags could not be evaluated. */
export const evaluationFailure = z.strictObject({ errorCode: flagErrorCode, errorDetails: z.string() });

/** All flags for one targeting key. */
export const flagValues = z.strictObject({
  flags: z.array(z.union([flagValue, flagFailure])),
  metadata: z.strictObject({ revision: z.int().describe("Of the configuration") }).optional()
    .describe("For secret keys"),
});

/** One outcome of a request under a flag. */
export const outcomeReport = z.looseObject({
  flag: z.string().min(1),
  targetingKey: z.string().min(1).describe("The id that the flag was evaluated for"),
  failed: z.boolean(),
  latency_ms: z.number().min(0).lt(86_400_000).nullish(),
  value: z.boolean().optional()
    .describe("The flag's value when it was evaluated; the outcome counts for that value"),
});
/** See {@linkcode outcomeReport}. */
export type OutcomeReport = z.infer<typeof outcomeReport>;

/** The body of `POST flags/outcomes`. */
export const outcomeReports = z.looseObject({ outcomes: z.array(outcomeReport).max(MAX_REPORTS) });

/** The answer of `POST flags/outcomes`. */
export const outcomesAccepted = z.strictObject({ accepted: z.int().describe("Outcomes of existing flags") });
/** See {@linkcode outcomesAccepted}. */
export type OutcomesAccepted = z.infer<typeof outcomesAccepted>;

const idempotencyKey = storable(200).min(1).optional()
  .describe("Yours: what comes again with the same key is not counted again");

/** What somebody says of a feature. */
export const feedbackItem = z.strictObject({
  kind: z.enum(["complaint", "rating"]),
  targetingKey: storable(200).min(1).describe("The id that the flag was evaluated for"),
  rating: z.int().min(1).max(5).optional().describe("Of a rating; 4 and 5 are positive"),
  text: storable(2000).optional(),
  flag: storable(200).min(1).optional()
    .describe("Left out: it counts for every rollout that it says something about"),
  idempotency_key: idempotencyKey,
}).refine(({ kind, rating }) => (kind === "rating") === (rating !== undefined), {
  error: "`rating` belongs to a rating",
});

/** The body of `POST flags/feedback`. */
export const feedbackReports = z.strictObject({ feedback: z.array(feedbackItem).max(MAX_SIGNALS) });

/** One occurrence of a business metric. */
export const metricItem = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_.]{0,59}$/)
    .describe("1 to 60 lower-case letters, digits, dots and underscores; at most 100 different names"),
  targetingKey: storable(200).min(1).optional()
    .describe("Who did it: the id that flags are evaluated for; without it, it counts under no rollout"),
  value: z.number().min(-1e12).max(1e12).optional().describe("Such as an amount; 1 if left out"),
  idempotency_key: idempotencyKey,
});

/** The body of `POST flags/metrics`. */
export const metricReports = z.strictObject({ metrics: z.array(metricItem).max(MAX_SIGNALS) });

/** The answer to both. */
export const signalsAccepted = z.strictObject({
  accepted: z.int(),
  repeated: z.int().describe("Known by their `idempotency_key`"),
});
/** See {@linkcode signalsAccepted}. */
export type SignalsAccepted = z.infer<typeof signalsAccepted>;

/** The event for subscribers of rollout notifications. */
export const rolloutEvent = z.strictObject({
  type: z.string()
    .regex(/^rollout[.](started|advanced|held|paged|paused|resumed|rolled_back|completed)$/),
  timestamp: z.iso.datetime({ offset: true }),
  data: z.strictObject({
    event_id: id,
    rollout_id: id,
    flag: z.string(),
    plan: z.string().describe("Its name; `custom` if it has none"),
    state: z.enum(ROLLOUT_STATES),
    stage: z.strictObject({ position: z.int(), name: z.string(), percentage: z.number().nullable() })
      .nullable(),
    verdict: z.enum(["advance", "hold", "roll_back", "page"]).nullable()
      .describe("The guard's verdict; null if a person acted"),
    rule: z.string().nullable().describe("The guard's rule"),
    message: z.string().describe("What happened"),
    what_to_do: z.string(),
    actor: z.string(),
    reason: z.string().nullable().describe("The person's reason"),
  }),
});
/** See {@linkcode rolloutEvent}. */
export type RolloutEvent = z.infer<typeof rolloutEvent>;

/** Schemas of this module that docs/openapi.yaml names. */
export const FLAGS = {
  Evaluation: evaluation,
  EvaluationFailure: evaluationFailure,
  FeedbackReports: feedbackReports,
  FlagErrorCode: flagErrorCode,
  FlagFailure: flagFailure,
  FlagMetadata: metadata,
  FlagValue: flagValue,
  FlagValues: flagValues,
  MetricReports: metricReports,
  OutcomeReports: outcomeReports,
  OutcomesAccepted: outcomesAccepted,
  RolloutEvent: rolloutEvent,
  SignalsAccepted: signalsAccepted,
} as const;
