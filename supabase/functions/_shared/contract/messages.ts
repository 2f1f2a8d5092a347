/**
 * The types of messages that this version knows by name. Who adds one is told by the compiler where a word about it is
 * missing; a type that a channel sends and that is not here is stored, routed and shown by its own name.
 *
 * @module
 */

/** Types of what people send, as channels name them in `messages.type`. */
export const INBOUND_TYPES = [
  "text",
  "image",
  "video",
  "audio",
  "document",
  "sticker",
  "location",
  "contacts",
  "interactive",
  "button",
  "reaction",
  "order",
  "call",
  "edit",
  "revoke",
  "request_welcome",
  "system",
  "unsupported",
] as const;
/** One of {@link INBOUND_TYPES}. */
export type InboundType = typeof INBOUND_TYPES[number];

/** Types of what can be sent. */
export const OUTBOUND_TYPES = [
  "text",
  "template",
  "interactive",
  "image",
  "video",
  "audio",
  "document",
  "sticker",
  "location",
  "contacts",
  "reaction",
  "read",
] as const;
/** One of {@link OUTBOUND_TYPES}. */
export type OutboundType = typeof OUTBOUND_TYPES[number];

/** A type that this version knows by name. */
export type MessageType = InboundType | OutboundType;
