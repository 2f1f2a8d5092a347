/** Words for states, the same wherever a message is shown. */
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { Refusal } from "../../data/refusal.ts";
import type { Tone } from "../../ui/State.tsx";
import type {
  Message,
  MessageDelivery,
  ProviderError,
} from "../../../../supabase/functions/_shared/contract/answers/messages.ts";

/** Tone and word of a delivery's state. */
export function stateOf(
  delivery: Pick<MessageDelivery, "state" | "attempt" | "dropped_reason">,
): [tone: Tone, word: string] {
  if (delivery.dropped_reason !== null) return ["plain", "dropped"];
  switch (delivery.state) {
    case "delivered":
      return ["good", "delivered"];
    case "dead":
      return ["bad", "dead letter"];
    case "leased":
      return ["info", "under way"];
    case "pending":
      return delivery.attempt > 0 ? ["warn", "waits to be tried again"] : ["info", "waits"];
  }
}

/** What stands for a message in a line: its words, else what it is. */
export const lineOf = ({ text, type }: Pick<Message, "text" | "type">): string => text || typeInWords(type);

/** An error as the provider or we tell it, as one sentence. */
export function errorWords(error: ProviderError | null | undefined): string | undefined {
  if (!error) return undefined;
  return [error.message, error.code === null ? undefined : `(${error.code})`].filter(Boolean).join(" ");
}

/** Why a delivery was dropped, `reason (author)`, taken apart. */
export function droppedWords(reason: string, nameOf: (who: string) => string): string {
  const [, why, who] = /^(.*) \(([^()]*)\)$/s.exec(reason) ?? [];
  return why === undefined ? reason : `${why} (${nameOf(who)})`;
}

const REFUSALS: Record<string, [message: string, hint: string]> = {
  channel_unsupported: [
    "The panel writes over WhatsApp only.",
    "Answer where the person wrote, or have a service reply.",
  ],
  window_closed: [
    "The window has closed.",
    "Wait until the person writes again, or have a service send a template.",
  ],
  opted_out: ["The person wants no marketing.", "Send none until they resume it."],
  feature_off: ["Sending is off for this contact.", "The flag wa_send.enabled turns it on."],
  nobody: ["The person has no id that can be written to.", "They have to write again first."],
  idempotency_conflict: ["This was sent already, with other words.", "Reload the page."],
};

/** Why the database queues no message. */
export function sendRefusal(code = "unknown"): Refusal {
  const [message, hint] = REFUSALS[code] ?? [`It was refused: ${code}.`, ""];
  return new Refusal(code, message, hint);
}
