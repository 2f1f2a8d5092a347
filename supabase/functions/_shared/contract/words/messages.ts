/**
 * Types of messages in words.
 *
 * @module
 */
import type { MessageType } from "../messages.ts";

const TYPES: Readonly<Record<MessageType | "email" | "media_placeholder", string>> = {
  text: "Text",
  image: "Image",
  video: "Video",
  audio: "Audio",
  document: "Document",
  sticker: "Sticker",
  location: "Location",
  contacts: "Contact card",
  interactive: "Choice",
  button: "Button",
  reaction: "Reaction",
  order: "Order",
  call: "Call",
  edit: "Edited message",
  revoke: "Deleted message",
  request_welcome: "First opening of the chat",
  system: "WhatsApp notice",
  unsupported: "Unsupported message",
  template: "Template",
  read: "Read receipt",
  email: "Mail",
  // Of an imported message: older than what WhatsApp shares.
  media_placeholder: "File that was not shared",
};

/** A message type in words. Unknown types are shown by name. */
export function typeInWords(type: string): string {
  return Object.hasOwn(TYPES, type) ? TYPES[type as keyof typeof TYPES] : type;
}
