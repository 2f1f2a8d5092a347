/**
 * The types of events that destinations can subscribe to, without their schemas: the panel's and the command line's
 * forms load this alone.
 *
 * @module
 */

/** Every type, by family. */
export const EVENT_FAMILIES = {
  message: [
    "message.received",
    "message.sent",
    "message.delivered",
    "message.read",
    "message.played",
    "message.failed",
    "message.deleted",
  ],
  template: [
    "template.approved",
    "template.rejected",
    "template.paused",
    "template.disabled",
    "template.category_changed",
  ],
  number: ["number.quality", "number.limit"],
  account: ["account.alert", "account.restricted", "account.banned"],
  contact: ["contact.opted_out", "contact.opted_in", "contact.changed_number"],
  call: ["call.connect", "call.ringing", "call.accepted", "call.rejected", "call.terminate"],
  conversation: ["conversation.taken_over", "conversation.released"],
} as const;

/** A family of types. */
export type EventFamily = keyof typeof EVENT_FAMILIES;
/** A type of event. */
export type EventType = typeof EVENT_FAMILIES[EventFamily][number];

/** Every type, in the order of the documentation. */
export const EVENT_TYPES: readonly EventType[] = Object.values(EVENT_FAMILIES).flat();

/** What a destination's list may contain: a type, a family, or all. */
export const SUBSCRIPTIONS: readonly string[] = [
  "*",
  ...Object.entries(EVENT_FAMILIES).flatMap(([family, types]) => [`${family}.*`, ...types]),
];

/** Forms of a delivery's body: our events, or the webhook of the channel's provider. */
export const DESTINATION_FORMATS = ["gatelink", "meta"] as const;
/** One of {@link DESTINATION_FORMATS}. */
export type DestinationFormat = typeof DESTINATION_FORMATS[number];

/** What a destination gets of a conversation that a person has taken over: nothing, or messages with a mark. */
export const WHEN_TAKEN = ["skip", "mark"] as const;
/** One of {@link WHEN_TAKEN}. */
export type WhenTaken = typeof WHEN_TAKEN[number];
