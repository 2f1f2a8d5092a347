/**
 * The bodies of deliveries: messages that came in, and other events. Names are ours, not the channel's; the provider's
 * own object is in `native`.
 *
 * @module
 */
import { parseFlow } from "../contract/flow.ts";
import type { ClaimedDelivery, ClaimedEvent } from "../contract/answers/pipeline.ts";
import type { EventMedia, MessageReceived } from "../contract/http/messages.ts";
import type { WebhookEvent } from "../delivery/deliver.ts";

/** The event of a message that came in. @param media Its file, with an address to fetch it. */
export function messageEventOf(
  { message, resent, link, attribution, conversation, contact }: ClaimedDelivery,
  media?: EventMedia,
): MessageReceived {
  const { created_at, sent_at, native, author, flow: answered, ...rest } = message;
  const flow = parseFlow(answered);
  return {
    type: "message.received",
    timestamp: sent_at ?? created_at,
    data: {
      ...(resent > 0 ? { resent } : {}),
      message: {
        ...rest,
        ...(author == null ? {} : { author: { id: author.id, name: author.name, ...author.identities } }),
        ...(flow === undefined ? {} : { flow: { token: flow.token ?? null, answers: { ...flow.answers } } }),
        sent_at,
        received_at: created_at,
        native,
      },
      ...(media === undefined ? {} : { media }),
      ...(link == null ? {} : { link }),
      ...(attribution == null ? {} : { attribution }),
      conversation,
      contact: { id: contact.id, name: contact.name, ...contact.identities },
    },
  };
}

/** Any other event; its schema is its family's in `contract/http/events.ts`. */
export function serviceEventOf(
  { event, resent, message, conversation, contact, sender }: ClaimedEvent,
): WebhookEvent {
  const { type, at, seq, channel, detail, native } = event;
  const number = detail.number;
  return {
    type,
    timestamp: at,
    data: {
      ...(resent > 0 ? { resent } : {}),
      seq,
      channel,
      ...detail,
      ...(isObject(number) && sender.id !== null ? { number: { ...number, id: sender.id } } : {}),
      ...(message === null ? {} : { message }),
      ...(conversation === null ? {} : { conversation }),
      ...(contact === null ? {} : { contact: { id: contact.id, name: contact.name, ...contact.identities } }),
      native,
    },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
