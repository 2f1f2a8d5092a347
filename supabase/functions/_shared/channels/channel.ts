/**
 * The contract that each channel keeps: how a way to reach people is verified, read, checked and sent through. A channel
 * is an adapter with a policy; tables, order, leases, retries and dead letters are the pipeline's, and the same for all.
 *
 * | step                   | the channel says                     | the pipeline does                                |
 * | ---------------------- | ------------------------------------ | ------------------------------------------------ |
 * | a webhook comes        | `isSigned`, `verify`, `parse`        | gates, storing, the answer after the commit      |
 * | another door           | `isSigned`, `verify`                 | nothing: the channel has a function of its own   |
 * | a service sends        | `checkRequest`                       | gates, rate, queueing                            |
 * | a service replies      | `check`, `wordsOf`, `addressOf`      | queueing with the delivery's settlement          |
 * | a message is due       | `ready`, `send`, `nextAttempt`       | claims, leases, pace, settlement, figures        |
 * | it goes to a person    | `destination`                        | the same as for a service: order, retries, …     |
 * | who has opted out      | `templates`                          | keeping what is told, deciding what goes         |
 *
 * Rules of every channel, held by tests/functions/channels_contract_test.ts:
 *
 * - It imports nothing of the pipeline, and the pipeline imports nothing of it but this file.
 * - It keeps no state that another isolate would need, and touches neither database nor log.
 * - Nothing of it is asked for by name on the intake's path: a function is composed with its channel once.
 *
 * @module
 */

import type { ClaimedMail } from "../contract/answers/mail.ts";
import type { ClaimedText } from "../contract/answers/sms.ts";
import type { MailTicket } from "../contract/answers/tracking.ts";
import type { ClaimedDelivery, ClaimedDestination, ClaimedSender } from "../contract/answers/pipeline.ts";

/**
 * What an update is about. Only a `message` is routed. `past_message` and `past_echo` were written before the sender was
 * connected here and are imported; `name` is what the business calls a person in its own address book.
 */
export type UpdateKind =
  | "message"
  | "echo"
  | "status"
  | "identity"
  | "past_message"
  | "past_echo"
  | "name"
  | "other";

/**
 * One event, as far as the pipeline examines it. A channel's own update has more members, which the SQL
 * function `ingest_updates` takes unchanged.
 */
export interface InboundUpdate {
  /**
   * The same for each repetition of an update and unique otherwise: the database stores it once. At most 512
   * characters. Built from the provider's ids if there are any, else from the content.
   */
  readonly key: string;
  /** The channel's name. */
  readonly channel: string;
  /** Who delivered it. Together with `key`, it identifies a repetition. */
  readonly provider: string;
  /** Our sender that received it: the id of a number, a mailbox, a bot. */
  readonly sender_id?: string;
  /** The provider's id of the message that the update contains or concerns. */
  readonly provider_id?: string;
  /** The person, by each id that the provider gives; `value` replaces `previous`. */
  readonly identities?: readonly {
    readonly kind: string;
    readonly value?: string;
    readonly previous?: string;
  }[];
  /** The provider's name for this kind of update. */
  readonly field: string;
  readonly kind: UpdateKind;
  /** For a status that reports a failed message: the provider's code. Used as a label of counters. */
  readonly failure?: string;
  /** W3C trace context of the request that brought a message; set by the pipeline. */
  traceparent?: string;
  /** The provider's data for this update, in a form that Postgres can hold. */
  readonly raw?: unknown;
}

/** The provider's account that a sender belongs to. Templates belong to accounts. */
export interface SenderAccount {
  readonly channel: string;
  readonly provider: string;
  readonly id: string;
  /** In readable form. */
  readonly address?: string;
  readonly account: string;
}

/** A parsed body. */
export interface Parsed {
  /** At least one, in the order of the body. */
  readonly updates: InboundUpdate[];
  /** Accounts of senders that the body mentions. */
  readonly accounts?: readonly SenderAccount[];
  /**
   * Why the body could not be read, if so. It is then stored for inspection, as the only update, and answered
   * `invalid_json`, so that the provider sends it again.
   */
  readonly unreadable?: unknown;
}

/** A fault and its place, such as `interactive.action.buttons.0.reply.title`. */
export interface Issue {
  /** Member names and list indexes, joined by dots; "" for the whole value. */
  readonly path: string;
  /** Text for the caller, without the value. */
  readonly message: string;
}

/** A checked value, or its faults. */
export type Checked<T> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly issues: readonly Issue[];
};

/** A message to send in the provider's shape, without recipient. */
export type Outbound = Record<string, unknown>;

/** A checked request to send, as the SQL function `enqueue_outbound` takes it. */
export interface SendRequest {
  /** The recipient in the provider's form; absent if the message contains it, or the ids are looked up. */
  readonly to?: string;
  /**
   * The person, by each id in the request; the first one decides. Kind `contact` is our own id. Absent if the
   * message contains the recipient.
   */
  readonly identities?: readonly { readonly kind: string; readonly value: string }[];
  /** The sender: the id of a number, a mailbox, a bot. */
  readonly number_id?: string;
  /** The team's user whose sender it is to be, if `number_id` is absent. */
  readonly user_id?: string;
  /** Domain of the ids that mails get. */
  readonly send_domain?: string;
  readonly message: Outbound;
  /** Its text, for people who read the conversation. */
  readonly text?: string;
  /**
   * Content of the message that is too large for a row. It is stored before the message is queued; the member
   * `attachments` of the message then names the place of each.
   */
  readonly files?: readonly SentFile[];
  readonly idempotency_key?: string;
  /** Message to send instead if the window is closed. */
  readonly fallback?: Outbound;
  /** A person wrote it, who takes the conversation over from the services. */
  readonly takeover?: { readonly by?: string; readonly minutes?: number };
  /** The caller's own members, returned in the response. */
  readonly echo?: Readonly<Record<string, string>>;
}

/** A file that is sent with a message. */
export interface SentFile {
  /** Its place in the message's `attachments`, from 0. */
  readonly index: number;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** The file of a message, as its provider described it. */
export interface MessageMedia {
  /** The provider's id. */
  readonly id: string;
  readonly mimeType: string | null;
  /** In the provider's form. */
  readonly sha256: string | null;
  /** In bytes; few providers say so. */
  readonly size: number | null;
  readonly name: string | null;
}

/** One message to send now. */
export interface Outgoing {
  /** Our id of the message; passed to providers that can return it in their statuses. */
  readonly id: string;
  /** The sender: the id of a number, a mailbox, a bot. */
  readonly senderId: string;
  /** Name of the variable with the sender's credentials, if it does not use the channel's own. */
  readonly credentials?: string;
  /** The recipient in the provider's form. */
  readonly to: string;
  /** From {@linkcode Channel.check}. */
  readonly message: Outbound;
  /** What the database adds to a mail: the sender's name, the address for replies, the thread. */
  readonly mail?: ClaimedMail;
  /** What the database adds to a text: who carries it, by which account. */
  readonly sms?: ClaimedText;
  /** W3C trace context, for a proxy between the provider and us. */
  readonly traceparent?: string;
}

/** A message that came in and goes to a destination of the channel's own kind. */
export interface Forwarded {
  /** Id of the delivery, the same for each attempt. */
  readonly id: string;
  readonly message: ClaimedDelivery["message"];
  readonly mail: ClaimedDelivery["mail"];
  readonly card: ClaimedDelivery["card"];
  readonly contact: ClaimedDelivery["contact"];
  readonly config: ClaimedDestination["config"];
  /** W3C trace context, for a proxy between the provider and us. */
  readonly traceparent?: string;
}

/** A kind of destination that is not called over HTTP by the pipeline: a person's inbox. */
export interface OwnDestination {
  /** As in `destinations.kind`. */
  readonly kind: string;
  /**
   * Delivers one message. Never throws.
   *
   * Failure policy: as {@linkcode Channel.send}.
   */
  deliver(forwarded: Forwarded, world: SendDeps): Promise<Sent>;
}

/** What a provider reported, for {@linkcode OwnWebhook.bodyOf}. */
export interface Reported {
  /** The provider's name for this kind of report; null if it did not report it. */
  readonly field: string | null;
  /** As {@linkcode InboundUpdate.raw}; null if it is not kept any more. */
  readonly native: Readonly<Record<string, unknown>> | null;
  /** Our sender that it concerns. */
  readonly sender: ClaimedSender;
  /** The person that it concerns. */
  readonly contact: ClaimedDelivery["contact"] | null;
  /** ISO time of the report. */
  readonly at: string;
}

/** The provider's own webhooks, for services that were made for them. */
export interface OwnWebhook {
  /** The body of the provider's webhook with this one report; undefined if the provider would send none. */
  bodyOf(reported: Reported): string | undefined;
  /** A body that reports nothing, for a person's test of a destination. */
  readonly emptyBody: string;
  /** The headers by which the provider's receivers verify a body. */
  headersOf(body: string, secret: string): Readonly<Record<string, string>>;
}

/** Dependencies of sending. */
export interface SendDeps {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /**
   * Reads a stored file; undefined if there is none any more. Rejects while the storage is unavailable. Absent
   * where messages have no files.
   */
  readFile?(file: StoredFile): Promise<Uint8Array | undefined>;
  /** Files that services uploaded. Absent where there are none. */
  uploads?: Uploads;
  /** Gives a mail that is about to be sent its ticket. Absent where nothing is tracked. */
  track?: Track;
  /** Access to the mailbox of an identity. Absent where nothing is sent through mailboxes. */
  mailbox?: MailboxAccess;
}

/**
 * Gives an access token for the mailbox of an identity, or why there is none. Rejects while the database is unavailable.
 *
 * @param refused Version of a token that the provider refused, although it should be valid.
 */
export type MailboxAccess = (identity: string, refused?: number) => Promise<MailboxToken | SendFailure>;

/** An access token. */
export interface MailboxToken {
  readonly token: string;
  /** Grows with each new token of the mailbox. */
  readonly version: number;
}

/** A mail that may be tracked. */
export interface MailToTrack {
  /** Its id. */
  readonly message: string;
  /** What its author asks for; undefined for the setting. */
  readonly mode: "off" | "aggregate" | "individual" | undefined;
  /** Whether it is one of a campaign's. */
  readonly ofCampaign: boolean;
  /** Its links, in their order; called if it is to be tracked. */
  links(): Promise<readonly string[]>;
}

/** The ticket of a mail; null if it is not to be tracked. Rejects while the database is unavailable. */
export type Track = (mail: MailToTrack) => Promise<MailTicket | null>;

/** Files that services uploaded to send. Each method rejects while database or storage are unavailable. */
export interface Uploads {
  /** The upload of an id that a sender is to send; undefined if there is none any more. */
  find(id: string, senderId: string): Promise<FoundUpload | undefined>;
  /** Its content; undefined if it is gone. */
  open(upload: FoundUpload): Promise<ReadableStream<Uint8Array> | undefined>;
  /** Notes the provider's id of an upload. */
  note(id: string, senderId: string, providerId: string): Promise<void>;
}

/** An upload. */
export interface FoundUpload {
  readonly path: string;
  readonly type: string;
  readonly name: string | null;
  /** The provider's id for this sender, where it is known and not old. */
  readonly providerId?: string;
}

/** The place of a stored file. */
export interface StoredFile {
  readonly bucket: string;
  readonly path: string;
}

/**
 * - `throttle`: the pace is the problem, not the message. Send nothing else of its `scope` meanwhile.
 * - `held`: the account is the problem (its token, its payment, a restriction). Nothing else of its `scope`
 *   can be sent until somebody has repaired it.
 * - `retry`: the provider's problem, or an unknown outcome where a repetition does no harm. The same request may
 *   succeed later.
 * - `unknown`: the provider may have taken the message, and would send it twice if it were called again. It waits
 *   for the provider's report, and then for a person's decision.
 * - `final`: the same request will fail again.
 *
 * The first two are not caused by the message and do not count as attempts.
 */
export type FailureKind = "throttle" | "held" | "retry" | "unknown" | "final";

/**
 * What a failure applies to: the sender (a number, a mailbox, a bot), all senders of its account, or the sender with
 * this one person.
 */
export type FailureScope = "number" | "account" | "pair";

/**
 * Why a message was not sent. Contains no token and no personal data of ours, so it may be stored and logged.
 */
export interface SendFailure {
  readonly ok: false;
  readonly kind: FailureKind;
  /**
   * The provider's error code; `timeout` or `network` without a response, `unreadable` for a response that is
   * not the provider's, `not_ready` for missing credentials. A label of counters, so there are few values.
   */
  readonly code: number | string;
  /** HTTP status; absent without a response. */
  readonly status?: number;
  /** The message of the provider, or ours, truncated. */
  readonly message: string;
  /** The provider's explanation of this particular case, truncated. */
  readonly details?: string;
  /** Milliseconds that the response asked to wait. */
  readonly retryAfterMs?: number;
  /** For `throttle` and `held`. */
  readonly scope?: FailureScope;
}

/** The provider accepted the message. */
export interface SendSuccess {
  readonly ok: true;
  /** The provider's id of the message, if it returns one. */
  readonly providerId?: string;
  /**
   * The recipient's ids in the response. Each of them belongs to that person from now on, whichever address
   * was used.
   */
  readonly identities?: readonly { readonly kind: string; readonly value?: string }[];
}

/** The result of one attempt to send. */
export type Sent = SendSuccess | SendFailure;

/** The provider's response about templates. */
export type Templates = { readonly ok: true; readonly templates: readonly Template[] } | SendFailure;

/** A template in one of its languages, as the provider knows it. */
export interface Template {
  readonly id?: string;
  readonly language: string;
  readonly category: string;
}

/** What to do after a failed attempt. */
export type NextAttempt =
  | { readonly outcome: "retry"; readonly afterMs: number }
  | { readonly outcome: "unknown" }
  | { readonly outcome: "failed"; readonly why: "final" | "attempts_exhausted" };

/** A missing or malformed credential. Contains no value, so it may be shown. */
export interface Missing {
  /** Name of the environment variable. */
  readonly variable: string;
  /** What is wrong, such as "it is not set". */
  readonly fault: string;
}

/**
 * What ends an opt-out:
 *
 * - `until_resumed`: it covers marketing templates, and the person ends it at the provider or with a keyword.
 * - `until_start`: nothing is sent until the person sends the provider's keyword for it.
 * - `suppression`: the address is on a list that the team maintains.
 * - `none`: the person can only block the sender, which the provider reports at the next attempt.
 */
export type OptOut = "until_resumed" | "until_start" | "suppression" | "none";

/**
 * The channel's rules about when messages may be sent. The database enforces `private.channel_policy` when it
 * queues and claims; the contract test fails if the two differ.
 */
export interface ChannelPolicy {
  /**
   * How long after the person's last message anything may be sent, in milliseconds; null if there is no such
   * window.
   */
  readonly windowMs: number | null;
  readonly optOut: OptOut;
  /** Defaults of a new sender; its row contains the current values. */
  readonly pace: {
    /** Messages per second of one sender. */
    readonly perSecond: number;
    /** Seconds between two messages to the same person that the provider sustains; 0 for no such limit. */
    readonly pairSeconds: number;
  };
}

/** The switches of a channel. */
export interface ChannelFlags {
  /**
   * Feature name of the intake's kill switch. The intake has no flag, because a flag must not lose messages.
   */
  readonly intake: string;
  /** Flag of sending, which also has a kill switch. */
  readonly send: string;
}

/**
 * Where a provider's requests come in. Most channels have one, and are {@linkcode WebhookChannel}s; one with several
 * providers or forms of requests has a door for each.
 */
export interface Door<Verdict extends boolean | Promise<boolean> = boolean> {
  /** Whether the request claims to be signed; called before its body is read. */
  isSigned(request: Request): boolean;

  /**
   * Whether the provider sent this request. Uses the raw bytes, because parsing and serialising changes them.
   * The time taken does not depend on what was wrong. Synchronous where node:crypto is the fastest; WebCrypto
   * answers later.
   *
   * Failure policy: closed. Anything undecidable is false.
   * @throws {Problem} `config_invalid` while the secret is missing, so that the provider sends it again.
   */
  verify(request: Request, bytes: Uint8Array): Verdict;
}

/** A way to reach people. The module's table says which step calls what. */
export interface Channel {
  /** As in database rows: `whatsapp`. Lower-case letters, digits, underscore. */
  readonly name: string;
  /** Name under which calls to the provider are measured. */
  readonly provider: string;
  readonly flags: ChannelFlags;
  readonly policy: ChannelPolicy;
  /** Largest accepted bodies in bytes. */
  readonly limits: { readonly requestBytes: number };

  /**
   * Whether messages can be sent: true, or what is missing.
   *
   * Failure policy: a channel that is not ready, or throws, delays only its own messages.
   */
  ready(): true | readonly Missing[];

  /** Checks a message that a service wants to send. Never throws; each issue names its place. */
  check(message: unknown): Checked<Outbound>;

  /** Checks a complete request to send: message, recipient, sender, fallback. Never throws, never rejects. */
  checkRequest(body: unknown): Checked<SendRequest> | Promise<Checked<SendRequest>>;

  /** The text of a checked message, for people who read the conversation; undefined if it has none. */
  wordsOf(message: Outbound): string | undefined;

  /** The path of the function that gives out files, below the project's. @default {"wa-media"} */
  readonly mediaPath?: string;

  /** The file of a received message; undefined if it has none. Absent if the channel gives out no files. */
  mediaOf?(type: string, native: unknown): MessageMedia | undefined;

  /**
   * The address for messages to a person; undefined if there is none.
   *
   * @param identities Of the person, by kind.
   */
  addressOf(identities: Readonly<Record<string, string>>): string | undefined;

  /**
   * Sends one message. Never throws.
   *
   * Failure policy: without a response the outcome is unknown, and the failure is a `retry`, or `unknown` if the
   * provider must not be called twice. Unknown errors are judged by their HTTP status.
   */
  send(outgoing: Outgoing, world: SendDeps): Promise<Sent>;

  /** The provider's own webhooks. Absent if services cannot get them. */
  readonly ownWebhook?: OwnWebhook;

  /** The kind of destination that this channel delivers to. Absent if it has none. */
  readonly destination?: OwnDestination;

  /**
   * Asks the provider for the templates of a name, because an opt-out may cover only marketing ones. Never
   * throws. Absent if the channel has no templates.
   *
   * Failure policy: without a response, the message is sent later. If the provider refuses to say, no
   * template is known, and the statement of the message's sender counts.
   */
  templates?(
    asked: { account: string; name: string; credentials?: string },
    world: SendDeps,
  ): Promise<Templates>;
  /**
   * When a message is sent again. Pure.
   *
   * @param attempt Attempts made, from 1. For a `throttle` or `held`, which are counted separately and never
   *   end the message: the number of delays.
   * @param random In [0, 1). @default {Math.random()}
   */
  nextAttempt(
    attempt: number,
    failure: Pick<SendFailure, "kind" | "scope" | "retryAfterMs">,
    random?: number,
  ): NextAttempt;
}

/** A channel whose provider reports everything to one webhook, in one form. */
export interface WebhookChannel extends Channel, Door {
  /**
   * Each `field` of updates that the provider documents, as labels of counters. Any other counts as `other`.
   */
  readonly fields: ReadonlySet<string>;
  /** Largest accepted bodies in bytes: of a webhook, and of a request to send. */
  readonly limits: { readonly webhookBytes: number; readonly requestBytes: number };

  /**
   * The response to a provider that sets up its webhook with a GET; undefined if the query is not a
   * handshake, or not for us. Absent if the provider has none.
   *
   * Failure policy: closed.
   * @throws {Problem} `config_invalid` while the secret is missing.
   */
  handshake?(query: URLSearchParams): string | undefined;

  /** Parses a body. Never throws and loses nothing: unknown content becomes an update of kind `other`. */
  parse(bytes: Uint8Array): Parsed;
}
