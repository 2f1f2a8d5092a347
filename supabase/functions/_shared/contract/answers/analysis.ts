/**
 * What the database answers about analyses of mails.
 *
 * @module
 */
import { z } from "zod";
import { count, id, passed } from "./common.ts";

const claimedAnalysis = z.strictObject({
  message_id: id,
  lease: id,
  subject: z.string().nullable(),
  /** What is new in the mail. */
  text: z.string().nullable(),
  text_full: z.string().nullable(),
  recipient: z.string().nullable(),
  /** `{name, address}`, as headers say. */
  sender: passed.nullable(),
  automatic: z.boolean(),
  /** As intake judged it. */
  kind: z.string().nullable(),
});
/** A mail that is to be analysed. */
export type ClaimedAnalysis = z.infer<typeof claimedAnalysis>;

const ratio = z.number().min(0).max(1);
const accuracy = z.strictObject({
  source: z.enum(["model", "rules"]),
  ratio,
  n: count,
  right: count,
  low: ratio,
  high: ratio,
});

export const ANALYSIS = {
  claim_analyses: z.array(claimedAnalysis),
  settle_analysis: z.array(z.strictObject({
    chat_id: z.int(),
    topic_id: z.int().nullable(),
    message_id: z.int(),
  })),
  analysis_report: z.strictObject({
    /** Whether the model is accurate enough for its rollout: `wait` until enough mails are judged. */
    gate: z.enum(["pass", "fail", "wait"]),
    accuracy: z.array(accuracy),
    /** Of the last 30 days. */
    analyses: z.array(z.strictObject({
      source: z.enum(["model", "rules"]),
      n: count,
      /** How many had a mood. */
      sentiment: count,
      urgency: count,
      /** How often the model was asked in vain. */
      faults: count,
      /** 95th percentile. */
      ms: z.number().nullable(),
    })),
    given_up: count,
    /** Of the model; null if it was never asked. */
    circuit: z.strictObject({ open_until: z.string().nullable(), failures: count }).nullable(),
  }),
};
/** How analyses did. */
export type AnalysisReport = z.infer<typeof ANALYSIS.analysis_report>;
