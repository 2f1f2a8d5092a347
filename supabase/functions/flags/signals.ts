/**
 * What services tell of people beside outcomes: what they say of a feature, and what they do (business metrics).
 *
 * @module
 */
import type { z } from "zod";
import { feedbackReports, metricReports, type SignalsAccepted } from "../_shared/contract/http/flags.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";

/** Largest body: 500 items with their texts. */
export const MAX_SIGNALS_BYTES = 1024 * 1024;

/** Writes what a body reports; the answer says how much of it was new. */
export interface Signals {
  feedback(body: unknown): Promise<SignalsAccepted>;
  metrics(body: unknown): Promise<SignalsAccepted>;
}

/**
 * Each report is one call: all of it is written, or nothing.
 *
 * @throws {Problem} `invalid_request` with what is wrong and where, also for a hundred-and-first name of a metric;
 *   then nothing is written
 */
export function createSignals(rpc: Rpc): Signals {
  return {
    async feedback(body) {
      const { feedback } = parsed(feedbackReports, body);
      return await rpc("record_feedback", {
        p_feedback: feedback.map(({ targetingKey, idempotency_key, ...item }) => ({
          ...item,
          subject: targetingKey,
          key: idempotency_key,
        })),
      });
    },
    async metrics(body) {
      const { metrics } = parsed(metricReports, body);
      try {
        return await rpc("record_metrics", {
          p_metrics: metrics.map(({ targetingKey, idempotency_key, ...item }) => ({
            ...item,
            subject: targetingKey,
            key: idempotency_key,
          })),
        });
      } catch (error) {
        if (error instanceof DbError && error.code === "GL422") {
          throw new Problem("invalid_request", {
            detail: "`metrics`: there are 100 names already; a name stands for a kind of event, not for one.",
            cause: error,
          });
        }
        throw error;
      }
    },
  };
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  const where = path.map((part, i) =>
    typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`
  )
    .join("");
  throw new Problem("invalid_request", { detail: where === "" ? message : `${where}: ${message}` });
}
