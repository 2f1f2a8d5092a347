/**
 * What providers report about mails that we sent, in one form for all of them.
 *
 * @module
 */

/** What happened to a mail. `other` is kept and has no effect. */
export type MailEventName =
  /** The provider took it. */
  | "processed"
  | "deferred"
  | "delivered"
  /** It came back: the address does not exist. */
  | "bounce"
  /** It came back for now, or because of us. */
  | "blocked"
  /** The provider did not send it. */
  | "dropped"
  | "open"
  | "click"
  | "complaint"
  | "unsubscribe"
  | "resubscribe"
  | "other";

/** Why nothing more is sent to an address, and what that concerns. */
export interface Suppress {
  readonly reason: "bounce" | "complaint" | "unsubscribe";
  /** `bulk`: only mails to many. */
  readonly scope: "all" | "bulk";
}

/** One event, as `ingest_mail_events` takes it. */
export interface MailEvent {
  readonly provider: string;
  /** The same for each repetition, and unique otherwise. At most 512 characters. */
  readonly key: string;
  readonly event: MailEventName;
  /** ISO time; null if the provider states none that can be one. */
  readonly at: string | null;
  /** Our id of the message. */
  readonly message: string | null;
  /** Our id of the delivery, if the mail is a forward. */
  readonly delivery: string | null;
  /** The provider's id of the mail. */
  readonly provider_id: string | null;
  /** The recipient, lower-cased. */
  readonly address: string | null;
  /** Of a failure: `{code, message}`. */
  readonly error: Readonly<Record<string, unknown>> | null;
  readonly suppress: Suppress | null;
  /** A few details for figures, without personal data. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** As it came, in a form that Postgres can hold. */
  readonly raw: unknown;
}

/** A body of events. */
export interface ParsedEvents {
  readonly events: readonly MailEvent[];
  /** Why the body could not be read, if so; the event that keeps it is then the only one. */
  readonly unreadable?: unknown;
}

/**
 * What a bounce says about the address, by its enhanced status code (RFC 3463): a full mailbox (5.2.2, 5.3.4) may be
 * emptied, and 5.7.x is about us.
 */
export function bounceOf(type: string, status: string): "bounce" | "blocked" {
  if (type === "blocked" || /^4\.|^5\.2\.2$|^5\.3\.4$|^5\.7\./.test(status)) return "blocked";
  return "bounce";
}
