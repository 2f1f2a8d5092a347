/**
 * What a destination gets that takes the webhooks of the channel's provider instead of our events.
 *
 * @module
 */
import type { OwnWebhook, Reported } from "../channels/channel.ts";
import type { Registry } from "../channels/registry.ts";
import type { ClaimedDelivery, ClaimedEvent } from "../contract/answers/pipeline.ts";

/** The provider's body with what signs it, or why there is none. */
export type OwnWebhookOf = (
  claimed: ClaimedDelivery | ClaimedEvent,
) => { readonly body: string; readonly headersOf: OwnWebhook["headersOf"] } | { readonly why: string };

const UNKNOWN_SENDER = { id: null, address: null, account: null };

/** Creates an {@linkcode OwnWebhookOf} for the channels of this registry. */
export function createOwnWebhookOf(registry: Registry): OwnWebhookOf {
  const webhooks = new Map(
    registry.all.flatMap((channel) => channel.ownWebhook ? [[channel.name, channel.ownWebhook]] : []),
  );
  return (claimed) => {
    const channel = "event" in claimed ? claimed.event.channel : claimed.message.channel;
    const webhook = webhooks.get(channel);
    if (webhook === undefined) return { why: `the channel ${channel} has no webhook of its provider's` };
    const body = webhook.bodyOf(reportedOf(claimed));
    // As a message of which the provider's form is not kept any more: retention, or its author withdrew it.
    if (body === undefined) return { why: "what the provider reported is not kept any more" };
    return { body, headersOf: webhook.headersOf };
  };
}

function reportedOf(claimed: ClaimedDelivery | ClaimedEvent): Reported {
  const sender = claimed.sender ?? UNKNOWN_SENDER;
  const { contact } = claimed;
  if ("event" in claimed) {
    const { field, native, at } = claimed.event;
    return { field, native, sender, contact, at };
  }
  const { message } = claimed;
  return {
    // A call that comes in is a message here, and its own field there.
    field: message.type === "call" ? "calls" : "messages",
    native: message.native,
    sender,
    contact,
    at: message.sent_at ?? message.created_at,
  };
}
