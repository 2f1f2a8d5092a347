/** Words for states, the same wherever a message is shown. */
import type { Delivery, Message, ProviderError } from "./types.ts";

/** Why a route took a message, or none did. */
export const REASONS: Record<string, string> = {
  matched: "its condition holds",
  sticky: "the conversation stays with it",
  default: "no other route holds",
  no_match: "no route holds: the message is kept and goes nowhere",
};

/** Colour and word of a delivery's state. */
export function stateOf(delivery: Pick<Delivery, "state" | "attempt" | "dropped_reason">): [string, string] {
  if (delivery.dropped_reason !== null) return ["gray", "dropped"];
  switch (delivery.state) {
    case "delivered":
      return ["green", "delivered"];
    case "dead":
      return ["red", "dead letter"];
    case "leased":
      return ["blue", "under way"];
    default:
      return delivery.attempt > 0 ? ["yellow", "waits to be tried again"] : ["blue", "waits"];
  }
}

const TYPES: Record<string, string> = {
  text: "Text",
  image: "Image",
  video: "Video",
  audio: "Audio",
  document: "Document",
  sticker: "Sticker",
  location: "Location",
  contacts: "Contact card",
  reaction: "Reaction",
  interactive: "Choice",
  button: "Button",
  template: "Template",
  order: "Order",
  system: "Notice of WhatsApp",
  unsupported: "Something that WhatsApp does not pass on",
};

/** A message type in words. */
export const typeWords = (type: string): string => TYPES[type] ?? type;

/** What stands for a message in a line: its words, else what it is. */
export const lineOf = ({ text, type }: Pick<Message, "text" | "type">): string => text || typeWords(type);

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
