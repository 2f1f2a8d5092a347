/**
 * What the database answers about mails: how an incoming one is to be understood, what became of it, and what is
 * added to those that go out.
 *
 * @module
 */
import { z } from "zod";
import { MAIL_PROVIDERS } from "../mail_providers.ts";
import { at, count, id } from "./common.ts";

/** An address with the name that is shown; "" where there is none. */
const person = z.strictObject({ address: z.string(), name: z.string() });

const mailProvider = z.enum(MAIL_PROVIDERS);

/** How a mail was attributed. */
const via = z.enum(["token", "legacy", "references", "none"]);

/** A mail that belongs to the thread of another one: what threading needs of that. */
const answered = z.strictObject({ message_id_header: z.string().nullable(), subject: z.string().nullable() });

export const claimedMail = z.strictObject({
  from: person,
  /** Id of the sender's identity; null after the tables of identities were removed. */
  identity: id.nullable(),
  user_id: z.string().nullable(),
  /** Who sends it. */
  provider: mailProvider,
  /** Local part of the address for replies; null where replies come to the former form of address. */
  token: z.string().nullable(),
  campaign_id: id.nullable(),
  /** Its Message-ID, in angle brackets. */
  message_id_header: z.string(),
  /** In angle brackets. */
  in_reply_to: z.string().nullable(),
  references: z.array(z.string()),
  /** The owner's answer to a forward, which goes to the contact. */
  relay: z.literal(true).optional(),
  /** Many get the same. */
  bulk: z.boolean(),
  /** Of a campaign, whose messages have no copy of their words. */
  html: z.string().optional(),
  text: z.string().optional(),
});
/** What the database adds to a mail that goes out. */
export type ClaimedMail = z.infer<typeof claimedMail>;

/** A stored file of a mail. */
const storedObject = z.strictObject({
  bucket: z.string(),
  path: z.string(),
  kind: z.enum(["raw", "attachment"]),
  /** Which attachment, from 0; null for the raw form. */
  index: z.int().nullable(),
});
/** A stored file of a mail. */
export type StoredObject = z.infer<typeof storedObject>;

export const forwardedMail = z.strictObject({
  /** Local part of the address for the owner's answers. */
  token: z.string().nullable(),
  /** Where the owner's answers go: to us, by token or by the former form of address, or to the sender. */
  reply_to: z.enum(["token", "legacy", "sender"]),
  /** Message-ID of the forward, in angle brackets. */
  message_id_header: z.string(),
  /** The message of ours that the mail answers. */
  answered: answered.nullable(),
  /** The contact of the conversation. */
  contact: person,
  /** Who wrote this mail. */
  from: person,
  /** Whether that is somebody else than the contact. */
  other_sender: z.boolean(),
  kind: z.string(),
  objects: z.array(storedObject),
});
/** What the database adds to the delivery of a mail to an inbox. */
export type ForwardedMail = z.infer<typeof forwardedMail>;

/** A destination of kind `inbox`: the own mailbox of an identity's owner. */
export const inboxConfig = z.strictObject({
  identity: id,
  from_email: z.string(),
  display_name: z.string().nullable(),
  user_id: z.string().nullable(),
  /** Only once its owner has confirmed it. */
  forward_to: z.string().nullable(),
  is_default: z.boolean(),
  verified: z.boolean(),
  /** Who carries its mail. */
  provider: mailProvider,
});
/** The config of a destination of kind `inbox`. */
export type InboxConfig = z.infer<typeof inboxConfig>;

const resolvedMail = z.strictObject({
  via,
  token: z.string().nullable(),
  /** Whether its Message-ID is one that we gave. */
  own: z.boolean(),
  message: z.strictObject({
    id,
    /** `in` for a mail that came in and was forwarded. */
    direction: z.enum(["in", "out"]),
    conversation_id: id.nullable(),
    contact_id: id.nullable(),
    /** Whom we wrote to; for `in` the inbox that the forward went to. */
    to: z.string().nullable(),
    /** The contact of the conversation. */
    contact: z.string().nullable(),
    subject: z.string().nullable(),
    campaign_id: id.nullable(),
    user_id: z.string().nullable(),
    message_id_header: z.string().nullable(),
    references: z.array(z.string()),
    sent_at: at.nullable(),
  }).nullable(),
  identity: z.strictObject({
    id,
    from_email: z.string(),
    display_name: z.string().nullable(),
    user_id: z.string().nullable(),
    forward_to: z.string().nullable(),
    verified: z.boolean(),
    state: z.string(),
  }).nullable(),
  sender: z.strictObject({
    known: z.boolean(),
    is_recipient: z.boolean(),
    is_contact: z.boolean(),
    is_owner: z.boolean(),
  }),
  /** Whether From is the address of an identity of ours. */
  from_is_ours: z.boolean(),
  /** Mails of this sender in this conversation in the last hour, and those with the same text a short while ago. */
  last_hour: count,
  same_text: count,
  suppressed: z.boolean(),
});
/** What the database knows of an incoming mail. */
export type ResolvedMail = z.infer<typeof resolvedMail>;

const ingestedMail = z.strictObject({
  outcome: z.enum(["stored", "duplicate"]),
  /** Null where nothing but an event was kept; for a relay the outbound message. */
  message_id: id.nullable(),
  via,
  verdict: z.string(),
  forward_to: z.string().optional(),
  relayed: z.literal(true).optional(),
  /** Why it is not forwarded or relayed, although it should be. */
  code: z.string().optional(),
});
/** What became of an incoming mail. */
export type IngestedMail = z.infer<typeof ingestedMail>;

const identity = z.strictObject({
  id,
  /** The team's own id of the user who sends as this identity. */
  user_id: z.string().nullable(),
  from_email: z.string(),
  display_name: z.string().nullable(),
  /** Cut for viewers. */
  forward_to: z.string().nullable(),
  /** An address that becomes `forward_to` once its code comes back. Cut for viewers. */
  forward_to_confirm: z.string().nullable(),
  is_default: z.boolean(),
  provider: mailProvider,
  state: z.enum(["unverified", "active", "paused"]),
  verified_at: at.nullable(),
  /** Name of the destination that forwards for it. */
  destination: z.string().nullable(),
  created_at: at,
});
/** An identity that mail is sent as. */
export type Identity = z.infer<typeof identity>;

const suppressed = z.strictObject({
  scope: z.enum(["all", "bulk"]),
  reason: z.string(),
  source: z.string(),
  since: at,
});
const suppression = suppressed.extend({
  /** Its first character and its domain. */
  address: z.string(),
  /** Its place among those of the same moment, from 1. */
  same: z.int(),
});
/** An address that gets no mail. */
export type Suppression = z.infer<typeof suppression>;

const unknownMessage = z.strictObject({
  id,
  what: z.enum(["message", "forward"]),
  channel: z.string(),
  sender: z.string(),
  contact_id: id,
  since: at,
  /** The provider has not said a word for 15 minutes: a person decides. */
  overdue: z.boolean(),
});
/** A message or forward of which nobody knows whether it went. */
export type UnknownMessage = z.infer<typeof unknownMessage>;

const emailOverview = z.strictObject({
  since: at,
  at,
  days: z.array(z.strictObject({
    /** In UTC. */
    day: z.string(),
    tokens: count,
    replies: count,
    token: count,
    legacy: count,
    references: count,
    forwarded: count,
    failed: count,
  })),
  replies: z.strictObject({
    all: count,
    token: count,
    legacy: count,
    references: count,
    none: count,
    unverified: count,
    other_sender: count,
    forward_wanted: count,
    forwarded: count,
    failed: count,
    waiting: count,
  }),
  identities: z.array(z.strictObject({
    id: id.nullable(),
    from_email: z.string().nullable(),
    replies: count,
    forward_wanted: count,
    forwarded: count,
    failed: count,
  })),
  campaigns: z.array(z.strictObject({ id, replies: count, people: count })),
  events: z.record(z.string(), count),
  sent: z.strictObject({ all: count, token: count, unknown: count, failed: count, waiting: count }),
  unknown_overdue: count,
  suppressions: count,
});
/** Figures of e-mail. */
export type EmailOverview = z.infer<typeof emailOverview>;

const mailTrace = z.strictObject({
  id,
  direction: z.enum(["in", "out"]),
  at,
  kind: z.string().nullable(),
  verdict: z.string().nullable(),
  reasons: z.array(z.string()),
  via: via.nullable(),
  verified: z.boolean().nullable(),
  automatic: z.boolean().nullable(),
  is_recipient: z.boolean().nullable(),
  /** The message of ours that it answers. */
  answers: id.nullable(),
  thread_id: id.nullable(),
  attachments: count,
  identity: id.nullable(),
  forward: z.strictObject({
    delivery_id: id,
    destination: z.string(),
    state: z.enum(["pending", "leased", "delivered", "dead"]),
    attempt: count,
    error: z.string().nullable(),
    delivered_at: at.nullable(),
  }).nullable(),
  events: z.array(z.strictObject({ event: z.string(), at, metadata: z.record(z.string(), z.unknown()) })),
});
/** What became of a mail, and why. */
export type MailTrace = z.infer<typeof mailTrace>;

const mailToShow = z.strictObject({
  id,
  /** The mail's row: subject, addresses, text_full, attachments; of one that we sent also its HTML. */
  native: z.record(z.string(), z.unknown()),
  text: z.string().nullable(),
  objects: z.array(storedObject),
});
/** A mail whole, as the function that shows it needs it. */
export type MailToShow = z.infer<typeof mailToShow>;

const mailMetadata = z.strictObject({
  id,
  received_at: at,
  /** The parts of the address that it was sent to; null where it has none. */
  domain: z.string().nullable(),
  scope: z.string().nullable(),
  type: z.string().nullable(),
  kind: z.string().nullable(),
  verdict: z.string().nullable(),
  verified: z.boolean().nullable(),
  /** How many were attached. */
  files: count,
  /** The route that took it; null where none did. */
  route: z.string().nullable(),
  /** Null where it was not routed. */
  reason: z.string().nullable(),
  deliveries: z.array(z.strictObject({
    destination: z.string(),
    kind: z.string(),
    state: z.string(),
    attempts: count,
    delivered_at: at.nullable(),
    /** Chat and state of its card; null for another destination. */
    chat: z.int().nullable(),
    card: z.string().nullable(),
  })),
});
/** What became of a mail, without what it says or whose it is. */
export type MailMetadata = z.infer<typeof mailMetadata>;

const mailShare = z.strictObject({
  /** Percentage of threads that come here. */
  weight: z.number(),
  /** Version of the flag mail_routing.enabled; 0 if the share was never set. */
  version: z.int().min(0),
  changed_at: at.nullable(),
  changed_by: z.string().nullable(),
  reason: z.string().nullable(),
  /** The ramp that is under way. */
  rollout: z.strictObject({
    id,
    plan: z.string(),
    state: z.enum(["running", "paused"]),
    stage: z.string().nullable(),
    version: count,
    since: at.nullable(),
    waits_because: z.string().nullable(),
  }).nullable(),
});
/** The share of mail that comes here while a former system takes the rest. */
export type MailShare = z.infer<typeof mailShare>;

const mailAddress = z.strictObject({
  address: z.string(),
  domain: z.string().nullable(),
  scope: z.string().nullable(),
  type: z.string().nullable(),
  mails: count,
  /** Mails that no route took which was made for certain addresses. */
  unknown: count,
  routes: z.array(z.string()),
  last_at: at,
});
/** An address of ours that new mails were sent to. */
export type WrittenAddress = z.infer<typeof mailAddress>;

/** By function. */
export const MAIL = {
  export_mail_metadata: z.strictObject({ mails: z.array(mailMetadata), next: id.nullable() }),
  mail_weight: mailShare,
  set_mail_weight: mailShare,
  mail_addresses: z.array(mailAddress),
  resolve_mails: z.array(resolvedMail),
  ingest_mails: z.array(ingestedMail),
  ingest_mail_events: z.strictObject({
    /** A character an event in their order: `s` stored, `d` duplicate. */
    outcomes: z.string(),
    /** A status lets a message go that waited for it. */
    freed: z.literal(true).optional(),
  }),
  claim_storage_purges: z.array(z.strictObject({ bucket: z.string(), path: z.string() })),
  list_identities: z.array(identity),
  add_identity: identity,
  set_identity: identity,
  begin_identity_check: z.strictObject({ code: z.string(), to: z.string(), expires_at: at }),
  check_identity: z.strictObject({ ok: z.boolean(), left: count }),
  add_suppression: z.strictObject({ added: z.boolean() }),
  lift_suppression: z.strictObject({ lifted: z.boolean() }),
  list_suppressions: z.array(suppression),
  find_suppression: z.array(suppressed),
  list_unknown: z.array(unknownMessage),
  resolve_unknown: z.strictObject({ id, what: z.enum(["message", "forward"]), status: z.string() }),
  email_overview: emailOverview,
  trace_mail: mailTrace,
  mail_to_show: mailToShow,
} as const;
