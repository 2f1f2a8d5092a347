/**
 * The message types that this version knows by name. When one is added, the compiler finds each place where its text is
 * missing. Other types are stored, routed and shown by their own name.
 *
 * @module
 */

/** Types of inbound messages, as channels name them in `messages.type`. */
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

/** Types of outbound messages. */
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
