/**
 * Sentences about what needs somebody.
 *
 * @module
 */
import type { AttentionItem } from "../answers/attention.ts";
import type { HealthPart } from "../answers/operations.ts";
import { healthInWords, stoppedInWords } from "./health.ts";
import { errorInWords } from "./provider_errors.ts";

const COMPONENTS: Readonly<Record<string, string>> = {
  database: "Database",
  queue: "Queues",
  clock: "Clock",
  graph: "WhatsApp API",
  senders: "Accounts",
  functions: "Functions",
  config: "Configuration",
  storage: "Storage",
  guard: "Rollout guard",
};

/** One sentence, without a full stop. */
export function attentionInWords({ kind, id, state, n, figures }: AttentionItem): string {
  switch (kind) {
    case "incident":
      return `Incident ${id} (${figures.severity}): ${figures.title}${
        state === "unacknowledged" ? "; nobody has acknowledged it" : ""
      }`;
    case "destination":
      return stoppedInWords({
        name: id,
        state,
        n: figures.n as number | undefined,
        error: figures.error as string | undefined,
        waiting: n ?? 0,
      });
    case "sender":
      return `Nothing is sent from ${id}${
        typeof figures.code === "string"
          ? `: the provider answers ${errorInWords(String(figures.channel), figures.code)}`
          : ""
      }`;
    case "health":
      return `${COMPONENTS[id] ?? id}: ${
        healthInWords([{
          component: id as HealthPart["component"],
          status: state as HealthPart["status"],
          because: String(figures.because),
          figures: figures.figures as HealthPart["figures"],
        }])[0].why
      }`;
    case "dead_letters":
      return `${n} ${n === 1 ? "delivery" : "deliveries"} to ${id} failed for good: retry or drop`;
    case "unknown":
      return `It is not known whether ${n} ${n === 1 ? "message was" : "messages were"} sent`;
    case "signature":
      return `The launch of ${figures.flag} needs a signature: ${(figures.roles as string[]).join(", ")}`;
    case "endpoint":
      return `${n} ${n === 1 ? "notification" : "notifications"} could not be sent to ${id}${
        typeof figures.error === "string" ? `: ${figures.error}` : ""
      }`;
  }
}
