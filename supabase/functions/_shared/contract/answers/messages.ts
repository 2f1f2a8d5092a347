/**
 * Conversations and messages, as the panel and the command line show them.
 *
 * @module
 */
import { z } from "zod";
import { at, count, figures, id } from "./common.ts";

/** Who has a conversation instead of the services: a user id, `app`, or a name that the API's caller gave. */
const takenOver = z.strictObject({ by: z.string(), since: at, until: at });
export type TakenOver = z.infer<typeof takenOver>;

const direction = z.enum(["in", "out"]);

const conversation = z.strictObject({
  id,
  /** `whatsapp`, or the name of another channel as in its flags. */
  channel: z.string(),
  number_id: z.string(),
  number: z.string().nullable(),
  /** The name is null for viewers. */
  contact: z.strictObject({
    id,
    last_four: z.string().nullable(),
    /** Whether it is a group. */
    group: z.boolean(),
    name: z.string().nullable(),
  }),
  /** When the window for replies closes; null if the person has never written. */
  window_closes_at: at.nullable(),
  opted_out_at: at.nullable(),
  unrouted_since: at.nullable(),
  /** Who has taken it over; null while the services have it. */
  taken_over: takenOver.nullable(),
  last: z.strictObject({
    id,
    direction,
    type: z.string(),
    text: z.string().nullable(),
    status: z.string(),
    created_at: at,
  }).nullable(),
});
export type Conversation = z.infer<typeof conversation>;

const found = conversation.extend({
  /** The match. */
  found: z.enum(["message", "conversation", "link", "contact"]),
  message_id: id.nullable(),
  /** When that message came from the link, else when either side last wrote. */
  at,
});
/** A conversation that a search found. */
export type FoundConversation = z.infer<typeof found>;

const delivery = z.strictObject({
  id,
  destination: z.string(),
  state: z.enum(["pending", "leased", "delivered", "dead"]),
  attempt: z.int(),
  next_attempt_at: at.nullable(),
  last_error: z.string().nullable(),
  dropped_reason: z.string().nullable(),
  delivered_at: at.nullable(),
});
/** The delivery of a message to one destination. */
export type MessageDelivery = z.infer<typeof delivery>;

/** The provider's error for a failed message. The text is null for viewers. */
const providerError = z.strictObject({ code: z.string().nullable(), message: z.string().nullable() });
export type ProviderError = z.infer<typeof providerError>;

const mail = z.strictObject({
  /** Null for viewers. */
  subject: z.string().nullable(),
  /** Id of the thread's first message. */
  thread_id: id.nullable(),
  /** What it is and what was decided about it; null for what we sent. */
  kind: z.string().nullable(),
  verdict: z.string().nullable(),
  /** How it was attributed. */
  via: z.string().nullable(),
  /** Whether its sender was proved; null for what we sent. */
  verified: z.boolean().nullable(),
  automatic: z.boolean().nullable(),
  /** Whether somebody else answered than whom we wrote to. */
  other_sender: z.boolean().nullable(),
  /** Whether it is the owner's answer to a forward. */
  relayed: z.boolean(),
  attachments: count,
});
/** What a mail has besides what every message has. */
export type MessageMail = z.infer<typeof mail>;

const message = z.strictObject({
  id,
  /** Its position in the order of all messages. */
  seq: z.int(),
  direction,
  type: z.string(),
  /** Null for viewers, and for messages without text. */
  text: z.string().nullable(),
  choice: z.string().nullable(),
  status: z.string(),
  status_at: z.record(z.string(), z.string()),
  error: providerError.nullable(),
  sent_at: at.nullable(),
  created_at: at,
  /** Whether it was written before the sender was connected here; then `created_at` is the time of the import. */
  imported: z.boolean(),
  /** Who of a group wrote it; null in a conversation with one person. The name is null for viewers. */
  author: z.strictObject({ id, last_four: z.string().nullable(), name: z.string().nullable() }).nullable(),
  /** The member of the team who wrote it, or a database role; null for services, and for viewers. */
  written_by: z.string().nullable(),
  /** Code of the link that the message came from. */
  link: z.string().nullable(),
  route: z.strictObject({ name: z.string().nullable(), reason: z.string() }).nullable(),
  deliveries: z.array(delivery),
  /** Null on other channels than e-mail. */
  mail: mail.nullable(),
});
export type Message = z.infer<typeof message>;

const attempt = z.strictObject({
  delivery_id: id,
  /** The attempt's number. Negative for attempts before a person retried the delivery. */
  attempt: z.int(),
  outcome: z.enum(["delivered", "retry", "dead"]),
  status: z.int().nullable(),
  latency_ms: count.nullable(),
  error: z.string().nullable(),
  answer: z.string().nullable(),
  at,
});
/** One attempt to deliver a message. */
export type DeliveryAttempt = z.infer<typeof attempt>;

const explained = z.strictObject({ route: id, name: z.string(), matched: z.boolean(), why: z.string() });

const story = message.extend({
  conversation,
  attribution: z.strictObject({
    code: z.string().nullable(),
    confidence: z.string(),
    reason: z.string(),
    first_touch: z.boolean(),
    clicked_at: at.nullable(),
  }).nullable(),
  decision: z.strictObject({
    route_id: id.nullable(),
    name: z.string().nullable(),
    reason: z.string(),
    explanation: z.array(explained),
    decided_at: at,
  }).nullable(),
  outbound: z.strictObject({
    state: z.enum(["queued", "leased", "sent", "failed", "unknown"]),
    attempt: count,
    error: providerError.nullable(),
    next_attempt_at: at.nullable(),
    used_fallback: z.boolean(),
    /** Of a text that is sent a second time: how the first try failed. */
    first_try: z.strictObject({ code: z.string(), at }).nullable(),
  }).nullable(),
  written_by: z.string().nullable(),
  attempts: z.array(attempt),
});
/** Everything known about one message. */
export type Story = z.infer<typeof story>;

/** A code; `words/story.ts` has the sentence. */
const event = z.strictObject({
  at,
  /** Whether the event belongs to a reply to the message. */
  reply: z.boolean(),
  what: z.string(),
  /** The event's details; what is unknown is null or absent. */
  figures,
});
export type StoryEvent = z.infer<typeof event>;

const trace = z.strictObject({
  id,
  trace_id: z.string(),
  /** Other messages of the trace. */
  others: z.array(id),
  conversation_id: id,
  direction,
  type: z.string(),
  status: z.string(),
  events: z.array(event),
});
/** The events of a message, without its text and phone numbers. */
export type Trace = z.infer<typeof trace>;

const thread = z.strictObject({ conversation, messages: z.array(message) });
/** A conversation with a page of its messages. */
export type Thread = z.infer<typeof thread>;

const queued = z.strictObject({
  id: id.optional(),
  status: z.string().optional(),
  /** Whether an earlier request already queued it. */
  repeated: z.literal(true).optional(),
  used_fallback: z.literal(true).optional(),
  /** Why nothing was queued. */
  error: z.string().optional(),
  channel: z.string().optional(),
  window_closed_at: at.nullish(),
});

const revealedContact = z.strictObject({
  id,
  name: z.string().nullable(),
  identities: z.array(
    z.strictObject({ kind: z.string(), value: z.string(), valid_from: at, valid_to: at.nullable() }),
  ),
});
/** A person's name and ids. */
export type RevealedContact = z.infer<typeof revealedContact>;

const revealedMessage = z.strictObject({
  id,
  provider_id: z.string().nullable(),
  error: z.unknown(),
});
/** The parts of a message that are shown only on request. */
export type RevealedMessage = z.infer<typeof revealedMessage>;

const note = z.strictObject({ id, text: z.string(), at, by: z.string() });
/** A note of the team about a conversation. */
export type ConversationNote = z.infer<typeof note>;

const desk = z.strictObject({
  /** The conversation. */
  id,
  taken_over: takenOver.nullable(),
  /** A user id of the team. */
  assigned_to: id.nullable(),
  /** Whether something came in that nobody of the team has read. */
  unread: z.boolean(),
  /** Empty for viewers. */
  notes: z.array(note),
});
const work = conversation.extend({
  /** Since when the person waits for an answer; null if they do not. */
  waiting_since: at.nullable(),
  unread: z.boolean(),
});
/** A conversation that somebody of the team has, as work to be done. */
export type WorkConversation = z.infer<typeof work>;

/** What the team keeps about a conversation. */
export type Desk = z.infer<typeof desk>;

const canned = z.strictObject({ name: z.string(), text: z.string(), updated_at: at, updated_by: z.string() });
/** A reply that the team uses again and again. */
export type CannedReply = z.infer<typeof canned>;

/** The answers by function name. */
export const MESSAGES = {
  list_conversations: z.array(conversation),
  search_conversations: z.array(found),
  conversation_messages: thread.nullable(),
  message_story: story.nullable(),
  messages_in_span: z.strictObject({
    messages: z.array(message.extend({ conversation })),
    /** `before` of the next page. */
    next: id.nullable(),
  }),
  trace_message: trace.nullable(),
  reply_in_conversation: queued,
  resend_message: queued,
  reveal_contact: revealedContact,
  reveal_message: revealedMessage,
  take_conversation: z.strictObject({ id, taken_over: takenOver.nullable() }),
  /** `released` is false if nobody had it. */
  release_conversation: z.strictObject({ id, released: z.boolean() }),
  open_window: z.strictObject({ conversation_id: id, contact_id: id, window_closes_at: at }),
  list_desks: z.array(desk),
  list_desk_conversations: z.array(conversation),
  list_conversation_work: z.array(work),
  look_at_conversation: z.array(z.strictObject({ user_id: id, at })),
  set_conversation_desk: desk,
  add_conversation_note: note,
  list_canned_replies: z.array(canned),
  set_canned_reply: canned,
} as const;
