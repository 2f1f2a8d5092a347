/** Labels of states, the same wherever a message is shown. */
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { Refusal } from "../../data/refusal.ts";
import type { Tone } from "../../ui/State.tsx";
import type {
  Conversation,
  Message,
  MessageDelivery,
  ProviderError,
} from "../../../../supabase/functions/_shared/contract/answers/messages.ts";

/** Tone and label of each delivery state. */
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
      return ["info", "in progress"];
    case "pending":
      return delivery.attempt > 0 ? ["warn", "waiting for retry"] : ["info", "waiting"];
  }
}

/** The other side of a conversation: our number or address, as words. */
export function withWhom(
  { channel, number, number_id }: Pick<Conversation, "channel" | "number" | "number_id">,
) {
  // Mail to an address of which no identity is known is kept by its domain.
  if (channel === "email" && number === null && number_id.startsWith("@")) {
    return `to ${number_id.slice(1)}, for no identity`;
  }
  return `with ${number ?? number_id}`;
}

/** Who has a conversation, in words; `nameOf` names a member of the team. */
export function takenBy(by: string, nameOf: (who: string) => string): string {
  return by === "app" ? "taken over in the WhatsApp app" : `taken over by ${nameOf(by)}`;
}

/** When a message was written, if it was imported, else when it was stored. */
export const writtenAt = (
  { imported, sent_at, created_at }: Pick<Message, "imported" | "sent_at" | "created_at">,
): string => imported && sent_at !== null ? sent_at : created_at;

/** A message in one line: its text, or else its type. */
export const lineOf = ({ text, type }: Pick<Message, "text" | "type">): string => text || typeInWords(type);

/** A provider's error, or one of Gatelink's, as one sentence. */
export function errorWords(error: ProviderError | null | undefined): string | undefined {
  if (!error) return undefined;
  return [error.message, error.code === null ? undefined : `(${error.code})`].filter(Boolean).join(" ");
}

/** Why a delivery was dropped: `reason (author)`, with the author's name. */
export function droppedWords(reason: string, nameOf: (who: string) => string): string {
  const [, why, who] = /^(.*) \(([^()]*)\)$/s.exec(reason) ?? [];
  return why === undefined ? reason : `${why} (${nameOf(who)})`;
}

const REFUSALS: Record<string, [message: string, hint: string]> = {
  channel_unsupported: [
    "The panel can only send WhatsApp messages.",
    "Reply in the channel's own app, or through a service.",
  ],
  window_closed: [
    "The 24-hour window has closed.",
    "Wait until the person writes again, or send a template.",
  ],
  opted_out: ["The person has opted out of marketing.", "Do not send any until they opt in again."],
  template_not_sendable: [
    "Meta does not send this template now.",
    "See Templates for its status, and send another one meanwhile.",
  ],
  feature_off: ["Sending is off for this contact.", "Turn it on with the flag wa_send.enabled."],
  nobody: ["The person has no reachable id.", "They must write again first."],
  suppressed: ["This address gets no mail.", "See E-mail, Suppressions, for the reason."],
  identity_unverified: ["The sender's address is not verified.", "Verify it in E-mail, Identities."],
  idempotency_conflict: ["This message was already sent with a different text.", "Reload the page."],
};

/** The refusal for the code with which the database declines to queue a message. */
export function sendRefusal(code = "unknown"): Refusal {
  const [message, hint] = REFUSALS[code] ?? [`Sending was refused: ${code}.`, ""];
  return new Refusal(code, message, hint);
}
