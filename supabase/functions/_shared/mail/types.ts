/**
 * The shapes of mails: what a provider posts, what is read of it, what the database is asked and told, what is decided and
 * what goes out again. Members that travel to SQL as JSON are in snake_case.
 *
 * Text in these shapes is well-formed Unicode without control characters other than tab and line feed, because neither
 * `text` nor `jsonb` of Postgres can hold U+0000.
 *
 * @module
 */

/** An address of a header, lower-cased where mail systems ignore the case. */
export interface MailAddress {
  /** Lower-cased, the domain in ASCII (RFC 5891); "" where the header had none. */
  readonly address: string;
  /** The display name, decoded; "" if there is none. */
  readonly name: string;
}

/** How the bytes of a part are encoded (RFC 2045 6). Anything unknown is taken as it is. */
export type TransferEncoding = "base64" | "quoted-printable" | "identity";

/** A part that people would call an attachment, or an inline image. */
export interface Attachment {
  /** From 0, in the order of the mail. Together with the message's id, it names the object in storage. */
  readonly index: number;
  /** Without folders, control and direction characters; null if the mail names none. At most 200 characters. */
  readonly name: string | null;
  /** As the sender states it, such as `application/pdf`. */
  readonly type: string;
  /** Bytes when decoded. */
  readonly size: number;
  /** Where the encoded bytes stand in what was read: of the raw mail, or of the form's body. */
  readonly start: number;
  readonly end: number;
  readonly encoding: TransferEncoding;
  /** Content-ID without angle brackets; null if there is none. */
  readonly cid: string | null;
  /** Whether the HTML part shows it in place. */
  readonly inline: boolean;
}

/** What was left out of a mail, and why. */
export type Truncation =
  /** Header lines beyond {@linkcode MailLimits.headerBytes}. */
  | "headers"
  /** Multiparts nested deeper than {@linkcode MailLimits.depth}. */
  | "nesting"
  /** Parts beyond {@linkcode MailLimits.parts}. */
  | "parts"
  /** Text or HTML beyond {@linkcode MailLimits.textBytes}. */
  | "text"
  /** Ids in the middle of References. */
  | "references"
  /** Recipients beyond {@linkcode MailLimits.addresses}. */
  | "addresses";

/** Limits of what is read. Whatever exceeds them is left out, and the mail says so. */
export interface MailLimits {
  /** @default {262_144} */
  readonly headerBytes: number;
  /** Nested multiparts. @default {100} */
  readonly depth: number;
  /** @default {1_000} */
  readonly parts: number;
  /** Decoded bytes of all text parts, and of all HTML parts. @default {1_000_000} */
  readonly textBytes: number;
  /** Ids in References: half from the beginning, half from the end. @default {40} */
  readonly references: number;
  /** Addresses of one header. @default {200} */
  readonly addresses: number;
}

/** A part of a report: `message/delivery-status`, `message/feedback-report`, … (RFC 6522). */
export interface ReportPart {
  readonly type: string;
  /** Groups of fields, by lower-cased name: one for the message and one for each recipient of a DSN. */
  readonly groups: readonly Readonly<Record<string, string>>[];
}

/** An invitation or its answer (RFC 5546). */
export interface CalendarPart {
  /** Upper-cased: REQUEST, REPLY, CANCEL, COUNTER, … */
  readonly method: string;
  readonly uid: string | null;
  /** Of a REPLY: ACCEPTED, DECLINED, TENTATIVE, … */
  readonly partstat: string | null;
}

/** A mail, read. */
export interface Mail {
  /** Message-ID without angle brackets; null if there is none. */
  readonly messageId: string | null;
  /** The author. `raw` is the header as it stands; `count` says how many different addresses all From headers hold. */
  readonly from: MailAddress & { readonly raw: string; readonly count: number };
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly replyTo: readonly MailAddress[];
  readonly subject: string;
  /** ISO 8601; null if there is none or it cannot be read. */
  readonly date: string | null;
  /** Ids without angle brackets, in the order of the header. */
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
  /** Values of the mail's own headers, decoded, by lower-cased name and in their order. Not of attached messages. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Media type of the whole, such as `multipart/report`. */
  readonly type: string;
  /** `report-type` of a multipart/report, lower-cased; null otherwise. */
  readonly reportType: string | null;
  readonly reportParts: readonly ReportPart[];
  /** Headers of the mail that a report returns, by lower-cased name; null if there is none. */
  readonly original: ReadonlyMap<string, readonly string[]> | null;
  readonly calendar: CalendarPart | null;
  /** The text parts, joined; null if there is none. Lines end in LF. */
  readonly text: string | null;
  /** The HTML parts, joined, as they came: never show it without {@linkcode sanitiseMail}. Null if there is none. */
  readonly html: string | null;
  readonly attachments: readonly Attachment[];
  readonly truncated: readonly Truncation[];
}

/** What the provider says about how the mail came, besides the mail itself. */
export interface Post {
  readonly provider: string;
  /** The SMTP envelope; `to` is empty and `from` null if the provider's statement could not be read. */
  readonly envelope: { readonly to: readonly string[]; readonly from: string | null };
  /** Verdict in lower case: pass, fail, softfail, neutral, none, …; it is about the envelope's sender. */
  readonly spf: string;
  /** Verdict per signing domain: `{"example.org": "pass"}`. */
  readonly dkim: Readonly<Record<string, string>>;
  readonly senderIp: string | null;
}

/** Names of ours, from the environment and the settings. */
export interface MailWorld {
  /** INBOUND_PARSE_DOMAIN, lower-cased: each local part of it comes to us. */
  readonly replyDomain: string;
  /** SEND_DOMAIN, lower-cased: domain of our Message-IDs. */
  readonly sendDomain: string;
  /** FORWARD_FROM_EMAIL, lower-cased. */
  readonly forwardFrom: string;
  /** Lower-cased headers that mark forwards of ours or of a former system: setting `email.own_forward_headers`. */
  readonly ownForwardHeaders: readonly string[];
  /** For a mail that was read from an identity's own mailbox: the address that it was for. */
  readonly mailbox?: string;
}

/** A way to the message that a mail answers, to be tried in order. */
export type Candidate =
  | { readonly via: "token"; readonly token: string }
  /** The former system's address, or a Message-ID: the id of the message is in it. */
  | { readonly via: "legacy" | "references"; readonly message: string }
  /** A Message-ID that is not made by us: of a provider, or of a mail that came in. Without angle brackets. */
  | { readonly via: "references"; readonly message_id: string };

/** How a mail's sender was found to be authentic, or not. */
export interface Verification {
  readonly verified: boolean;
  /** `spf` or `dkim` with the aligned domain; or why not. */
  readonly by: "spf" | "dkim" | null;
  readonly domain: string | null;
  readonly reason:
    | "aligned"
    | "several_from"
    | "no_from"
    | "not_passed"
    | "not_aligned";
}

/** Why a mail counts as automatic, the first that applies. */
export type AutoReason =
  | "report"
  | "bounce"
  | "auto-submitted"
  | "list"
  | "precedence"
  | "autoreply-header"
  | "calendar"
  | "null-sender"
  | "sender"
  | "subject";

/** What a bounce says (RFC 3464, RFC 3463). */
export interface Bounce {
  /** `hard`: the address does not exist. `soft`: it may work later. `block`: they refuse us. `delay`: they keep trying. */
  readonly class: "hard" | "soft" | "block" | "delay";
  /** Enhanced status code, such as `5.1.1`; null if there is none. */
  readonly status: string | null;
  /** The address that could not be reached, lower-cased; null if the bounce names none. */
  readonly recipient: string | null;
  /** The receiving server's words, at most 500 characters. */
  readonly diagnostic: string | null;
}

/** Why a mail must go nowhere. */
export type LoopReason = "own_forward" | "from_own_domain" | "own_message_id" | "hops" | "pace" | "same_text";

/**
 * What the database is asked about a mail, and what it stores: one for each envelope recipient. Plain JSON.
 */
export interface MailFacts {
  /** Provider, Message-ID and words (or hash of the mail) and envelope recipient: the same for each repetition. */
  readonly key: string;
  readonly provider: string;
  /** Without angle brackets; null if the mail has none. */
  readonly message_id: string | null;
  /** The envelope recipient that this item is about, lower-cased; null if unknown. */
  readonly recipient: string | null;
  readonly envelope_from: string | null;
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string;
  /** ISO 8601, as the sender states it. */
  readonly date: string | null;
  readonly in_reply_to: readonly string[];
  readonly references: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly verification: Verification;
  readonly auto: AutoReason | null;
  readonly loop: LoopReason | null;
  readonly report: "delivery-status" | "disposition-notification" | "feedback-report" | null;
  readonly bounce: Bounce | null;
  readonly calendar: CalendarPart | null;
  /** Whether the mail asks for no more mail: by its subject, or because its whole text is a stop word. */
  readonly unsubscribe: "subject" | "text" | null;
  /** What the person wrote, without quotes and signature; "" if nothing is new. */
  readonly text: string;
  /** The whole text, at most 200,000 characters. */
  readonly text_full: string;
  /** SHA-256 of the normalised text in hex, for "the same text again". */
  readonly text_hash: string;
  readonly has_html: boolean;
  readonly attachments: readonly Attachment[];
  readonly truncated: readonly Truncation[];
  /** Bytes of the raw mail. */
  readonly size: number;
}

/** Who our side of a conversation is. */
export interface ResolvedIdentity {
  readonly id: string;
  readonly from_email: string;
  readonly display_name: string | null;
  /** The owner's inbox, confirmed; null while there is none. */
  readonly forward_to: string | null;
}

/** What the database knows about a mail: the answer of `resolve_mails`, one per item of {@linkcode MailFacts}. */
export interface Resolved {
  readonly via: "token" | "legacy" | "references" | "none";
  /** The token that was found; null otherwise. */
  readonly token: string | null;
  readonly message: {
    readonly id: string;
    /** `in` for a mail that came in and was forwarded. */
    readonly direction: "in" | "out";
    /** Whom we wrote to: the contact, or for `in` the inbox that the forward went to. Lower-cased. */
    readonly to: string | null;
    /** The contact of the conversation, lower-cased. */
    readonly contact: string | null;
  } | null;
  readonly identity: ResolvedIdentity | null;
  /** Whether From is the address of one of our identities. */
  readonly from_is_ours: boolean;
  /** Whether the Message-ID is one of a message that we sent. */
  readonly message_id_is_ours: boolean;
  /** Mails from this address in this conversation: in the last hour, and with the same text a short while ago. */
  readonly last_hour: number;
  readonly same_text: number;
}

export type MailKind =
  | "reply"
  | "owner_reply"
  | "auto_reply"
  | "calendar"
  | "receipt"
  | "bounce"
  | "delay"
  | "complaint"
  | "bulk"
  | "unsubscribe"
  | "loop"
  | "spoof"
  | "new_mail";

/**
 * What happens to a mail. `forward`: stored, and forwarded to the identity's inbox. `store`: stored and attributed only.
 * `suppress`: stored, and nothing is sent to that address any more. `quarantine`: stored with a warning, waits for a
 * person. `relay`: sent on to the contact. `loop`: recorded as an event only.
 */
export type MailVerdict = "forward" | "store" | "suppress" | "quarantine" | "relay" | "loop";

/** The decision about one mail. Plain JSON. */
export interface Judgement {
  readonly kind: MailKind;
  readonly verdict: MailVerdict;
  /** How the message was found; `none` also if what was found must not count. */
  readonly via: Resolved["via"];
  readonly token: string | null;
  readonly message_id: string | null;
  readonly identity_id: string | null;
  /** Whether it counts as a person's reply in the figures. */
  readonly counted: boolean;
  /** Null where it does not matter: bounces and complaints come from machines. */
  readonly verified: boolean | null;
  /** Null without a message. */
  readonly sender_is_recipient: boolean | null;
  /** Who wrote: whom we wrote to, the identity's owner, or somebody else. */
  readonly sender: "recipient" | "contact" | "owner" | "other";
  readonly auto: AutoReason | null;
  readonly loop: LoopReason | null;
  readonly bounce: Bounce | null;
  readonly calendar: CalendarPart | null;
  /** The inbox to forward to; null if it is not forwarded. */
  readonly forward: { readonly identity_id: string; readonly to: string } | null;
  readonly relay: { readonly identity_id: string; readonly from: string; readonly to: string } | null;
  readonly suppress:
    | { readonly address: string; readonly reason: "hard_bounce" | "complaint" | "unsubscribe" }
    | null;
  /** Sentences for people, in the order of the decision. */
  readonly reasons: readonly string[];
}

/** A mail to send, in no provider's shape. */
export interface OutgoingMail {
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc?: readonly MailAddress[];
  readonly replyTo?: MailAddress;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** Names as written, values without line breaks. Message-ID, In-Reply-To and References hold angle brackets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments: readonly OutgoingAttachment[];
}

/** An attachment by its place in storage, or by its bytes in base64. */
export interface OutgoingAttachment {
  /** ASCII with an extension, because SendGrid garbles anything else. */
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly cid: string | null;
  readonly inline: boolean;
  readonly source: { readonly object: string } | { readonly base64: string };
}
