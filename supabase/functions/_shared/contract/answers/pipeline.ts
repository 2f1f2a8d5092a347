/**
 * What the pipeline claims and settles. Messages keep the shape of their channel and are passed on unread.
 *
 * @module
 */
import { z } from "zod";
import { attribution, messageLink } from "../http/messages.ts";
import { DESTINATION_FORMATS, WHEN_TAKEN } from "../event_types.ts";
import { DESTINATION_KINDS, OUTBOUND_STATES } from "../states.ts";
import { at, count, id, passed, rate } from "./common.ts";
import { claimedMail, forwardedMail, inboxConfig } from "./mail.ts";
import { claimedText } from "./sms.ts";
import { cardToSend, chatConfig } from "./telegram.ts";

/** The ad or post that a person came from. */
const referral = z.looseObject({
  source_id: z.string().optional(),
  source_type: z.string().optional(),
  ctwa_clid: z.string().optional(),
});

const waitingMessage = z.strictObject({
  id,
  seq: z.int(),
  type: z.string(),
  text: z.string().nullable(),
  choice: z.string().nullable(),
  referral: referral.nullable(),
  link_token: z.string().nullable(),
  /** The deep link that it came from. */
  link: z.looseObject({
    code: z.string(),
    tags: z.array(z.string()),
    campaign: z.string().optional(),
  }).nullable(),
  /** The answers of a Flow, as the provider sends them; null for anything else. */
  flow: z.string().nullable(),
  /** Of a mail: what conditions ask. */
  mail: z.strictObject({
    kind: z.string().nullable(),
    verified: z.boolean().nullable(),
    subject: z.string().nullable(),
    recipient: z.string().nullable(),
    from: z.string().nullable(),
    via: z.string().nullable(),
  }).nullish(),
  created_at: at,
});

const waitingConversation = z.strictObject({
  id,
  channel: z.string(),
  number_id: z.string(),
  contact_id: id,
  phone: z.string().nullable(),
  /** The group that writes; null for a person. */
  group: z.string().nullable(),
  /** Of channel email. */
  email: z.string().nullish(),
  sticky_route_id: id.nullable(),
  sticky_until: at.nullable(),
  /** Until when a person has it; null or past if the services have it. */
  taken_until: at.nullish(),
  messages: z.array(waitingMessage),
});
/** A conversation with the messages that the router must decide on. */
export type WaitingConversation = z.infer<typeof waitingConversation>;

const claimedContact = z.strictObject({
  id,
  name: z.string().nullable(),
  identities: z.record(z.string(), z.string()),
});

const claimedSender = z.strictObject({
  id: z.string().nullable(),
  address: z.string().nullable(),
  account: z.string().nullable(),
});
/** One of our senders, as the provider's own webhook names it. */
export type ClaimedSender = z.infer<typeof claimedSender>;

const claimedDelivery = z.strictObject({
  delivery_id: id,
  lease: id,
  attempt: count,
  /** How often a person resent it. */
  resent: count,
  destination_id: id,
  message: z.strictObject({
    id,
    seq: z.int(),
    channel: z.string(),
    type: z.string(),
    text: z.string().nullable(),
    choice: z.string().nullable(),
    reply_to: z.string().nullable(),
    referral: passed.nullable(),
    forwarded: z.boolean(),
    provider_id: z.string().nullable(),
    native: passed.nullable(),
    /** The answers of a Flow, as the provider sends them; null for anything else. */
    flow: z.string().nullable(),
    /** Who of a group wrote it; null in a conversation with one person. */
    author: claimedContact.nullable(),
    sent_at: at.nullable(),
    created_at: at,
  }),
  /** The message's W3C trace context; null if it has none. */
  traceparent: z.string().nullable(),
  /** The deep link that the message came from, with the confidence; null if unknown. */
  link: messageLink.nullable(),
  attribution: attribution.nullable(),
  conversation: z.strictObject({
    id,
    number_id: z.string(),
    /** A person has it. */
    taken_over: z.strictObject({ by: z.string(), since: at, until: at }).optional(),
  }),
  contact: claimedContact,
  /** The sender that got it, if any destination gets the provider's own bodies. */
  sender: claimedSender.nullish(),
  /** What a forward to an inbox needs besides. */
  mail: forwardedMail.optional(),
  /** What a card in a chat needs besides. */
  card: cardToSend.optional(),
});
/** A delivery of a message under lease. */
export type ClaimedDelivery = z.infer<typeof claimedDelivery>;

const claimedEvent = z.strictObject({
  delivery_id: id,
  lease: id,
  attempt: count,
  resent: count,
  destination_id: id,
  traceparent: z.null(),
  event: z.strictObject({
    id,
    seq: z.int(),
    /** One of `EVENT_TYPES`; a newer database may know more. */
    type: z.string(),
    channel: z.string(),
    at,
    created_at: at,
    /** Members of the event's data. */
    detail: passed,
    /** The provider's name for that kind of report; null without one. */
    field: z.string().nullable(),
    native: passed.nullable(),
  }),
  sender: claimedSender,
  /** The sent message that it is about. */
  message: z.strictObject({
    id,
    seq: z.int(),
    channel: z.string(),
    type: z.string(),
    provider_id: z.string().nullable(),
  }).nullable(),
  /** Null for an event that concerns a whole account. */
  conversation: z.strictObject({ id, number_id: z.string() }).nullable(),
  contact: claimedContact.nullable(),
});
/** A delivery of another event under lease. */
export type ClaimedEvent = z.infer<typeof claimedEvent>;

const claimedDestination = z.strictObject({
  id,
  name: z.string(),
  kind: z.enum(DESTINATION_KINDS),
  url: z.string(),
  /** Form of the bodies that it gets. */
  format: z.enum(DESTINATION_FORMATS),
  /** Of kind inbox. */
  config: z.union([inboxConfig, chatConfig]).nullable(),
  timeout_ms: z.int(),
  retry_seconds: z.array(z.number()).nullable(),
  failure_policy: z.record(z.string(), z.enum(["hold", "aside", "pause"])),
  /** Custom headers, encrypted. */
  headers: z.record(z.string(), z.string()).nullable(),
  /** Newest first. */
  secrets: z.array(z.string()),
});
/** A destination with everything that a call to it needs. */
export type ClaimedDestination = z.infer<typeof claimedDestination>;

const claim = z.strictObject({
  deliveries: z.array(claimedDelivery),
  /** Deliveries of other events than messages; absent if there are none. */
  events: z.array(claimedEvent).optional(),
  destinations: z.array(claimedDestination),
  /** Absent if it was not requested. */
  next_due_ms: z.number().nullish(),
});
/** Claimed deliveries with their destinations. */
export type Claim = z.infer<typeof claim>;

const leftOut = z.strictObject({
  /** Its position in the answer, from 1; absent if the error concerns all replies. */
  reply: count.optional(),
  /** An error code: `invalid`, `nobody`, `window_closed`, `opted_out`, … */
  why: z.string(),
});
/** A reply that is not sent, and why. */
export type LeftOut = z.infer<typeof leftOut>;

const claimedMessage = z.strictObject({
  id,
  lease: id,
  /** Attempts so far, including this one; postponed attempts do not count. */
  attempt: count,
  /** How often it was postponed for a reason other than the message itself. */
  deferred: count,
  /** The channel that sends it. */
  channel: z.string(),
  /** The sender on its channel. */
  number_id: z.string(),
  /** Name of the variable with its credentials; null for the channel's own. */
  credentials: z.string().nullish(),
  /** The recipient's contact id, with which flags are evaluated. */
  contact_id: id,
  /** Null for a read receipt, which names the message instead. */
  to: z.string().nullable(),
  /** In the channel's shape, without the recipient. */
  message: passed,
  /** Its W3C trace context; null if it has none. */
  traceparent: z.string().nullable(),
  /** True if the person opted out of such messages: do not send it. */
  opted_out: z.literal(true).optional(),
  /** True if the person opted out of some messages: ask the provider whether this template is one of them. */
  ask: z.strictObject({ account: z.string(), name: z.string() }).optional(),
  /** Of channel email: what composing needs besides. */
  mail: claimedMail.optional(),
  /** Of channel sms: who carries it. */
  sms: claimedText.optional(),
});
/** An outbound message under lease. */
export type ClaimedMessage = z.infer<typeof claimedMessage>;

const outboundClaim = z.strictObject({
  messages: z.array(claimedMessage),
  next_due_ms: z.number().nullable(),
});
/** Claimed outbound messages, and when the next one is due. */
export type OutboundClaim = z.infer<typeof outboundClaim>;

const queued = z.strictObject({
  id: id.optional(),
  status: z.enum(OUTBOUND_STATES).optional(),
  /** Whether it was already queued under the same idempotency key. */
  repeated: z.literal(true).optional(),
  used_fallback: z.literal(true).optional(),
  /** The takeover that the message began or prolonged. */
  taken_over: z.strictObject({ conversation_id: id, by: z.string(), since: at, until: at }).optional(),
  error: z.enum([
    "rate_limited",
    "feature_off",
    "unknown_message",
    "from_required",
    "unknown_number",
    "unknown_recipient",
    "opted_out",
    "template_not_sendable",
    "suppressed",
    "identity_unverified",
    "window_closed",
    "idempotency_conflict",
  ]).optional(),
  /** When the window for replies closed, with error window_closed; null if it was never open. */
  window_closed_at: at.nullish(),
  rate: rate.nullable(),
});
/** The result for one message to be sent. */
export type Queued = z.infer<typeof queued>;

const config = z.union([
  z.strictObject({ revision: count, unchanged: z.literal(true) }),
  z.strictObject({
    revision: count,
    settings: z.array(
      z.strictObject({ key: z.string(), value: z.string(), metadata: passed, version: count }),
    ),
    /** Ids of the members by segment key. */
    segments: z.record(z.string(), z.array(z.string())),
    routes: z.array(z.strictObject({
      id,
      name: z.string(),
      priority: z.int(),
      /** As stored; `routing/condition.ts` parses it. */
      condition: z.unknown(),
      mode: z.enum(["first", "all"]),
      destination_ids: z.array(id),
      flag_key: z.string().nullable(),
      sticky_minutes: z.int().nullable(),
      active: z.boolean(),
      channels: z.array(z.string()),
    })),
    destinations: z.array(z.strictObject({
      id,
      name: z.string(),
      kind: z.string(),
      url: z.string(),
      state: z.enum(["active", "paused"]),
      circuit_open: z.boolean(),
      when_taken: z.enum(WHEN_TAKEN),
    })),
    allowlist: z.array(z.strictObject({ pattern: z.string(), purpose: z.enum(["forward", "redirect"]) })),
  }),
]);

const recorded = z.strictObject({ decided: count, deliveries: count, claim: claim.optional() });
/** The results of stored decisions, and the deliveries claimed in the same call. */
export type Recorded = z.infer<typeof recorded>;

/** The answers by function name. */
export const PIPELINE = {
  load_config: config,
  ingest_updates: z.strictObject({
    /** One character per update, in their order: `s` stored, `d` duplicate. */
    outcomes: z.string(),
    /** A status lets a message go that waited for it. */
    freed: z.literal(true).optional(),
    /** Events for services were queued. */
    told: z.literal(true).optional(),
  }),
  claim_unrouted: z.array(waitingConversation),
  record_decisions: recorded,
  claim_deliveries: claim,
  settle_deliveries: z.strictObject({
    settled: count,
    fenced: count,
    /** Replies that were queued. */
    replies: count,
    left_out: z.array(z.strictObject({ delivery_id: id, replies: z.array(leftOut) })),
    claim: claim.optional(),
  }),
  enqueue_outbound: z.array(queued),
  claim_outbound: outboundClaim,
  settle_outbound: z.strictObject({
    settled: count,
    fenced: count,
    told: z.literal(true).optional(),
    claim: outboundClaim.optional(),
  }),
  answer_category: z.strictObject({ opted_out: z.boolean() }),
} as const;
