/**
 * Mails between the reader's shapes and those of the database. Pure.
 *
 * @module
 */
import type { ResolvedMail } from "../../../contract/answers/mail.ts";
import { messageIdOf } from "../../../mail/addresses.ts";
import { sameTextSeconds } from "../../../mail/loop.ts";
import type { Judgement, MailFacts, Resolved } from "../../../mail/types.ts";

/** Most attachments of a mail that are listed. */
const MAX_LISTED = 100;
/** Most recipients of a mail that are listed. */
const MAX_RECIPIENTS = 50;

/** A question of `resolve_mails`. Ids are in angle brackets, as in headers. */
export function questionOf(facts: MailFacts, sendDomain: string): Record<string, unknown> {
  const { candidates } = facts;
  return {
    tokens: candidates.flatMap((each) => each.via === "token" ? [each.token] : []),
    legacy: candidates.flatMap((each) => each.via === "legacy" ? [{ message: each.message }] : []),
    references: candidates.flatMap((each) => {
      if (each.via !== "references") return [];
      return "message" in each ? [messageIdOf(each.message, sendDomain)] : [`<${each.message_id}>`];
    }),
    message_id: bracketed(facts.message_id),
    from: facts.from.address,
    recipient: facts.recipient,
    text_hash: facts.text_hash,
    text_seconds: sameTextSeconds(facts.text),
  };
}

/** The database's answer, as the judge takes it. */
export function resolvedOf(found: ResolvedMail): Resolved {
  const { via, token, own, message, identity, sender, last_hour, same_text } = found;
  // Somebody may send as the same address that answers are forwarded to. Such an owner's answer to a forward is from an
  // address of ours, and yet no circle.
  const isOwnersAnswer = sender.is_owner && message?.direction === "in";
  return {
    via,
    token,
    message: message &&
      { id: message.id, direction: message.direction, to: message.to, contact: message.contact },
    identity: identity && {
      id: identity.id,
      from_email: identity.from_email,
      display_name: identity.display_name,
      forward_to: identity.forward_to,
    },
    from_is_ours: found.from_is_ours && !isOwnersAnswer,
    message_id_is_ours: own,
    last_hour,
    same_text,
  };
}

/** A stored file, as `ingest_mails` takes it. */
export interface ObjectRecord {
  readonly bucket: string;
  readonly path: string;
  readonly bytes: number;
  readonly kind: "raw" | "attachment";
  readonly index: number | null;
}

/** What belongs to a mail besides facts and judgement. */
export interface RecordContext {
  readonly sendDomain: string;
  readonly objects: readonly ObjectRecord[];
  readonly traceparent: string | undefined;
  /** The content type of a form in parsed mode, which its stored raw form is read with. */
  readonly formType?: string;
}

const REASONS = { hard_bounce: "bounce", complaint: "complaint", unsubscribe: "unsubscribe" } as const;

/** An item of `ingest_mails`. */
export function recordOf(
  facts: MailFacts,
  judgement: Judgement,
  { sendDomain, objects, traceparent, formType }: RecordContext,
): Record<string, unknown> {
  const { suppress } = judgement;
  return {
    provider: facts.provider,
    key: facts.key,
    field: "inbound",
    at: facts.date,
    recipient: facts.recipient ?? "",
    from: facts.from,
    message_id: bracketed(facts.message_id),
    in_reply_to: bracketed(facts.in_reply_to[0] ?? null),
    references: facts.references.map(bracketed),
    subject: facts.subject,
    text: facts.text,
    text_full: facts.text_full,
    text_hash: facts.text_hash,
    kind: judgement.kind,
    verdict: judgement.verdict,
    reasons: judgement.reasons,
    via: judgement.via,
    message: judgement.message_id,
    token: judgement.token,
    identity: judgement.identity_id,
    verified: judgement.verified ?? false,
    automatic: facts.auto !== null,
    is_recipient: judgement.sender_is_recipient ?? false,
    is_owner: judgement.sender === "owner",
    forward: judgement.forward !== null,
    relay: judgement.relay !== null,
    counted: judgement.counted,
    suppress: suppress === null
      ? []
      : [{ address: suppress.address, reason: REASONS[suppress.reason], scope: "all" }],
    send_domain: sendDomain,
    mail: {
      to: facts.to.slice(0, MAX_RECIPIENTS),
      cc: facts.cc.slice(0, MAX_RECIPIENTS),
      attachments: facts.attachments.slice(0, MAX_LISTED),
      truncated: facts.truncated,
      size: facts.size,
      has_html: facts.has_html,
      auto: facts.auto,
      ...(facts.bounce === null ? {} : { bounce: facts.bounce }),
      ...(facts.calendar === null ? {} : { calendar: facts.calendar }),
      ...(formType === undefined ? {} : { content_type: formType }),
      // Its address must appear nowhere in what goes to the contact.
      ...(judgement.relay === null ? {} : { inbox: facts.from.address }),
    },
    objects,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** An item of `ingest_mails` for a post that holds no mail: it is kept, and nothing else happens. */
export function unreadableRecord(
  provider: string,
  key: string,
  about: Readonly<Record<string, unknown>>,
  objects: readonly ObjectRecord[],
): Record<string, unknown> {
  return {
    provider,
    key,
    field: "inbound",
    at: null,
    recipient: "",
    kind: "other",
    verdict: "store",
    reasons: ["The post holds no mail that can be read."],
    via: "none",
    counted: false,
    forward: false,
    relay: false,
    suppress: [],
    mail: about,
    objects,
  };
}

function bracketed(id: string | null): string | null {
  return id === null ? null : `<${id}>`;
}
