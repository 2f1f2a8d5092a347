/**
 * The contract that each channel keeps: how a way to reach people is verified, read, checked and sent through. A channel
 * is an adapter with a policy; tables, order, leases, retries and dead letters are the pipeline's, and the same for all.
 *
 * | step                   | the channel says                     | the pipeline does                                |
 * | ---------------------- | ------------------------------------ | ------------------------------------------------ |
 * | a webhook comes        | `isSigned`, `verify`, `parse`        | gates, storing, the answer after the commit      |
 * | a service sends        | `checkRequest`                       | gates, rate, queueing                            |
 * | a service replies      | `check`, `wordsOf`, `addressOf`      | queueing with the delivery's settlement          |
 * | a message is due       | `ready`, `send`, `nextAttempt`       | claims, leases, pace, settlement, figures        |
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

/** What an update is about. Only a `message` is routed. */
export type UpdateKind = "message" | "echo" | "status" | "identity" | "other";

/**
 * One thing that happened, as far as the pipeline looks into it. A channel's own update has further members, which the
 * SQL function `ingest_updates` takes as they are.
 */
export interface InboundUpdate {
  /**
   * The same for each repetition of an update and for nothing else: the database stores it once. At most 512 characters.
   * Made of the provider's ids where it gives some, else of the content.
   */
  readonly key: string;
  /** The channel's name. */
  readonly channel: string;
  /** Who brought it; with `key`, what makes it the same as an earlier one. */
  readonly provider: string;
  /** The sender of ours that it came to: the id of a number, a mailbox, a bot. */
  readonly sender_id?: string;
  /** The provider's id of the message that it is or is about. */
  readonly provider_id?: string;
  /** The person, by each name that the provider gives; `previous` is one that `value` replaces. */
  readonly identities?: readonly {
    readonly kind: string;
    readonly value?: string;
    readonly previous?: string;
  }[];
  /** What the provider calls this kind of update. */
  readonly field: string;
  readonly kind: UpdateKind;
  /** Of a status that says that a message of ours failed: the provider's code. A label of counters. */
  readonly failure?: string;
  /** W3C trace context of the request that brought a message; set by the pipeline. */
  traceparent?: string;
  /** What the provider sent for this update, as Postgres can hold it. */
  readonly raw?: unknown;
}

/** Which of the provider's accounts a sender belongs to: templates are the account's. */
export interface SenderAccount {
  readonly channel: string;
  readonly provider: string;
  readonly id: string;
  /** As people see it. */
  readonly address?: string;
  readonly account: string;
}

/** A body, taken apart. */
export interface Parsed {
  /** At least one, in the order in which they stand in the body. */
  readonly updates: InboundUpdate[];
  /** Accounts of senders that it tells. */
  readonly accounts?: readonly SenderAccount[];
  /**
   * Why the body could not be read, where it could not: it is stored for inspection, as the one update there is, and
   * answered `invalid_json`, so that the provider sends it again.
   */
  readonly unreadable?: unknown;
}

/** What is wrong, and where: `interactive.action.buttons.0.reply.title`. */
export interface Issue {
  /** Names of members and places in lists, joined by dots; "" for the whole. */
  readonly path: string;
  /** For the one who sent it, without the value. */
  readonly message: string;
}

/** A checked value, or what is wrong with it. */
export type Checked<T> = { readonly ok: true; readonly value: T } | {
  readonly ok: false;
  readonly issues: readonly Issue[];
};

/** A message to send in the provider's shape, without recipient. */
export type Outbound = Record<string, unknown>;

/** A checked request to send, as the SQL function `enqueue_outbound` takes it. */
export interface SendRequest {
  /** Whom to send to, in the provider's form; absent where the message itself says so, or the ids are looked up. */
  readonly to?: string;
  /**
   * The person, by each id that the request gives; the first says who it is. Of kind `contact` it is our own id. Absent
   * where the message itself says so.
   */
  readonly identities?: readonly { readonly kind: string; readonly value: string }[];
  /** Who sends: the id of a number, a mailbox, a bot. */
  readonly number_id?: string;
  readonly message: Outbound;
  /** Its words, for people who read the conversation. */
  readonly text?: string;
  readonly idempotency_key?: string;
  /** What may go in its place where the window is closed. */
  readonly fallback?: Outbound;
  /** Members of the caller's own, given back with the answer. */
  readonly echo?: Readonly<Record<string, string>>;
}

/** One message to send now. */
export interface Outgoing {
  /** Our id of it; a provider that can give it back in its statuses is told it. */
  readonly id: string;
  /** Who sends: the id of a number, a mailbox, a bot. */
  readonly senderId: string;
  /** The person, in the provider's form. */
  readonly to: string;
  /** As {@linkcode Channel.check} gave it. */
  readonly message: Outbound;
  /** W3C trace context, for whoever stands between the provider and us. */
  readonly traceparent?: string;
}

/** What sending needs of the world. */
export interface SendDeps {
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/**
 * - `throttle`: the message is fine, the pace is not. Nothing else of its `scope` should go meanwhile.
 * - `held`: the message is fine, the account is not (its token, its payment, a restriction). Nothing else of its `scope`
 *   can go until somebody has repaired that.
 * - `retry`: the provider's trouble, or an unknown outcome. The same request may succeed later.
 * - `final`: the same request will fail again.
 *
 * The first two are no fault of the message and use up none of its attempts.
 */
export type FailureKind = "throttle" | "held" | "retry" | "final";

/** Whom it is about: the sender (a number, a mailbox, a bot), or the sender with this one person. */
export type FailureScope = "number" | "pair";

/** Why a message was not sent. Holds no token and no personal data of ours, so it may be stored and logged. */
export interface SendFailure {
  readonly ok: false;
  readonly kind: FailureKind;
  /**
   * The provider's error code. `timeout` and `network` where no answer came, `unreadable` where it was none of the
   * provider's, `not_ready` where credentials are missing. A label of counters, so one of few.
   */
  readonly code: number | string;
  /** HTTP status; absent where no answer came. */
  readonly status?: number;
  /** The provider's words, or ours, cut. */
  readonly message: string;
  /** The provider's explanation of this very case, cut. */
  readonly details?: string;
  /** Milliseconds that the answer asked to wait. */
  readonly retryAfterMs?: number;
  /** For `throttle` and `held`. */
  readonly scope?: FailureScope;
}

/** The provider took the message. */
export interface SendSuccess {
  readonly ok: true;
  /** Its id of the message, absent where it gives none. */
  readonly providerId?: string;
  /** What it says of the person who gets it: each id is that person's from now on, whatever was written to. */
  readonly identities?: readonly { readonly kind: string; readonly value?: string }[];
}

/** What became of one attempt to send. */
export type Sent = SendSuccess | SendFailure;

/** What the provider answered about templates. */
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
  | { readonly outcome: "failed"; readonly why: "final" | "attempts_exhausted" };

/** A credential that is missing or malformed. Holds no value, so it may be shown. */
export interface Missing {
  /** Name of the environment variable. */
  readonly variable: string;
  /** What is wrong with it, such as "it is not set". */
  readonly fault: string;
}

/**
 * What ends an opt-out:
 *
 * - `until_resumed`: it is about templates of marketing, and the person ends it at the provider or by a word.
 * - `until_start`: nothing at all goes until the person sends the provider's word for it.
 * - `suppression`: the address stands on a list that the team keeps.
 * - `none`: the person can only block the sender, which the provider tells at the next attempt.
 */
export type OptOut = "until_resumed" | "until_start" | "suppression" | "none";

/**
 * The channel's rules about when what may go, as it tells them: `private.channel_policy` rules, which the database
 * enforces where it queues and claims, and the contract's test fails where the two differ.
 */
export interface ChannelPolicy {
  /** How long after the person's last message anything may be sent, in milliseconds; null where that does not matter. */
  readonly windowMs: number | null;
  readonly optOut: OptOut;
  /** What a new sender starts with; its row says what it has. */
  readonly pace: {
    /** Messages a second of one sender. */
    readonly perSecond: number;
    /** Seconds between two messages to the same person that the provider sustains; 0 where it has no such limit. */
    readonly pairSeconds: number;
  };
}

/** What a channel can be switched off by. */
export interface ChannelFlags {
  /** Taking what comes: the feature of a kill switch, and of no flag, for none may lose a message. */
  readonly intake: string;
  /** Sending: a flag, with its kill switch. */
  readonly send: string;
}

/** A way to reach people. See the module for who asks what. */
export interface Channel {
  /** As rows carry it: `whatsapp`. Lower-case letters, digits, underscore. */
  readonly name: string;
  /** What calls to the provider are measured as. */
  readonly provider: string;
  readonly flags: ChannelFlags;
  readonly policy: ChannelPolicy;
  /** Each `field` of updates that the provider documents: labels of counters. Any other counts as `other`. */
  readonly fields: ReadonlySet<string>;
  /** The largest bodies taken, in bytes: of a webhook, and of a request to send. */
  readonly limits: { readonly webhookBytes: number; readonly requestBytes: number };

  /**
   * Whether messages can be sent: true, or what is missing.
   *
   * Failure policy: a channel that is not ready, or throws, keeps its own messages waiting, and no other's.
   */
  ready(): true | readonly Missing[];

  /** Whether the request claims to be signed; asked before its body is read. */
  isSigned(request: Request): boolean;

  /**
   * Whether the provider sent this. Over the raw bytes: parsing and serialising again changes them. Its time does not
   * depend on what was wrong. Synchronous, for it is on the hot path; node:crypto has every algorithm needed.
   *
   * Failure policy: closed. Whatever cannot be told apart is false.
   * @throws {Problem} `config_invalid` while the secret is missing: the provider shall send it again.
   */
  verify(request: Request, bytes: Uint8Array): boolean;

  /**
   * What to answer to a provider that sets its webhook up by a GET; undefined where the query is no handshake, or not
   * with us. Absent where the provider has none.
   *
   * Failure policy: closed.
   * @throws {Problem} `config_invalid` while the secret is missing.
   */
  handshake?(query: URLSearchParams): string | undefined;

  /** Takes a body apart. Never throws and loses nothing: what is not understood is an update of kind `other`. */
  parse(bytes: Uint8Array): Parsed;

  /** Checks a message that a service wants sent. Never throws; each issue names its place. */
  check(message: unknown): Checked<Outbound>;

  /** Checks a whole request to send: message, recipient, sender, fallback. Never throws. */
  checkRequest(body: unknown): Checked<SendRequest>;

  /** The words of a checked message, for people who read the conversation; undefined when it has none. */
  wordsOf(message: Outbound): string | undefined;

  /**
   * Where a person can be written to; undefined where nowhere.
   *
   * @param identities Of the person, by kind.
   */
  addressOf(identities: Readonly<Record<string, string>>): string | undefined;

  /**
   * Sends one message. Never throws.
   *
   * Failure policy: without an answer the outcome is unknown, and the failure is a `retry` (a channel whose provider
   * must not be asked twice says otherwise in its own words). What is not known is judged by its HTTP status.
   */
  send(outgoing: Outgoing, world: SendDeps): Promise<Sent>;

  /**
   * Asks the provider what the templates of a name are: an opt-out is about those of marketing alone. Never throws. Absent
   * where the channel has none.
   *
   * Failure policy: whoever is not answered sends later. Where the provider will not say, none are known, and what the
   * sender of the message states counts.
   */
  templates?(asked: { account: string; name: string }, world: SendDeps): Promise<Templates>;
  /**
   * When a message is sent again. Pure.
   *
   * @param attempt Attempts made, from 1; of a `throttle` or `held`, which are counted apart and never the last, how often
   *   it was put off.
   * @param random In [0, 1). @default {Math.random()}
   */
  nextAttempt(
    attempt: number,
    failure: Pick<SendFailure, "kind" | "scope" | "retryAfterMs">,
    random?: number,
  ): NextAttempt;
}
