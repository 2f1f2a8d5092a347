/**
 * A mail and its post to {@linkcode MailFacts}: all that is decided without the database, and all that it stores.
 *
 * @module
 */
import { sha256Hex } from "../crypto/sha256.ts";
import { isOn, legacyOf, ownMessageId, tokensOf } from "./addresses.ts";
import { automaticReason } from "./automatic.ts";
import { bounceOf } from "./bounce.ts";
import { LONG_TEXT, loopReason } from "./loop.ts";
import { cutReply } from "./reply_text.ts";
import type { Candidate, Mail, MailFacts, MailWorld, Post } from "./types.ts";
import { asksForNoMore } from "./unsubscribe.ts";
import { verify } from "./verified.ts";
import { normalAddress } from "./header_values.ts";

/** Ids of a thread that are looked up. */
const MOST_LOOKUPS = 10;

/**
 * The facts of a mail, one item for each of our addresses that it was posted for; at least one.
 *
 * @param raw The raw mail, or the form in parsed mode: its hash stands for a Message-ID that is missing.
 */
export async function factsOf(
  mail: Mail,
  post: Post,
  world: MailWorld,
  raw: Uint8Array,
): Promise<MailFacts[]> {
  const bounce = bounceOf(mail, post);
  const report = reportOf(mail);
  const machine = report !== null || bounce !== null;
  const cut = await cutReply(mail);
  // What a server says is no person's answer.
  const text = machine ? "" : cut.text;
  const recipients = recipientsOf(mail, post, world);
  const textHash = sha256Hex(hashed(mail, cut));
  // An id alone would let anybody who sends it first keep the mail that has it from being seen.
  const identity = mail.messageId === null
    ? `sha256:${sha256Hex(raw)}`
    : [mail.messageId, mail.from.address, mail.subject, textHash].join("\0");
  const common = {
    provider: post.provider,
    message_id: mail.messageId,
    envelope_from: post.envelope.from,
    from: { address: mail.from.address, name: mail.from.name },
    to: mail.to,
    cc: mail.cc,
    subject: mail.subject,
    date: mail.date,
    in_reply_to: mail.inReplyTo,
    references: mail.references,
    verification: verify(mail, post),
    auto: automaticReason(mail, post, bounce !== null),
    loop: loopReason(mail, world),
    report,
    bounce,
    calendar: mail.calendar,
    unsubscribe: asksForNoMore(mail.subject, text),
    text,
    text_full: cut.text_full,
    text_hash: textHash,
    has_html: mail.html !== null,
    attachments: mail.attachments,
    truncated: mail.truncated,
    size: raw.length,
  };
  return recipients.map((recipient) => ({
    ...common,
    // Hashed, because ids and addresses are as long as the sender likes.
    key: sha256Hex([post.provider, identity, recipient ?? ""].join("\0")),
    recipient,
    candidates: candidatesOf(mail, recipient, world),
  }));
}

/** Our addresses that the mail was posted for. The envelope knows blind copies; headers stand in where it cannot be read. */
function recipientsOf(mail: Mail, post: Post, world: MailWorld): (string | null)[] {
  const ours = (
    addresses: readonly string[],
  ) => [...new Set(addresses.filter((address) => isOn(address, world.replyDomain)))];
  const stated = ours(post.envelope.to);
  if (stated.length > 0) return stated;
  const named = ours(headerRecipients(mail));
  if (post.envelope.to.length === 0 && named.length > 0) {
    // Without an envelope nobody knows for whom the post was: those with a token first, else the first of ours.
    const withToken = named.filter((address) => leads(address, world));
    return withToken.length > 0 ? withToken : named.slice(0, 1);
  }
  return [post.envelope.to[0] ?? null];
}

function headerRecipients(mail: Mail): string[] {
  const delivered = ["delivered-to", "x-original-to", "x-forwarded-to", "envelope-to"]
    .flatMap((name) => mail.headers.get(name) ?? []).map((value) => normalAddress(value) ?? "");
  return [...mail.to.map(({ address }) => address), ...mail.cc.map(({ address }) => address), ...delivered];
}

const leads = (address: string, world: MailWorld) =>
  tokensOf([address], world.replyDomain).length > 0 || legacyOf([address], world.replyDomain).length > 0;

/**
 * The ways to the message, in the order in which they count: the recipient's token, its address of the former system (or
 * those of the headers, if the recipient was rewritten on the way), then what is answered, from the nearest to the oldest.
 */
function candidatesOf(mail: Mail, recipient: string | null, world: MailWorld): Candidate[] {
  const named = headerRecipients(mail);
  // A recipient that the headers name has its own post; one that they do not was rewritten on the way, or a blind copy.
  const alone = recipient !== null && (leads(recipient, world) || named.includes(recipient));
  const addresses = alone ? [recipient] : named;
  const nearest = [
    ...mail.inReplyTo,
    ...[...mail.references].reverse(),
    // A bounce returns the mail that it is about.
    ...(mail.original?.get("message-id") ?? []).map((id) => id.replace(/^<|>$/g, "")),
  ];
  const ids = [...new Set(nearest)].slice(0, MOST_LOOKUPS);
  return [
    ...tokensOf(addresses, world.replyDomain).map((token): Candidate => ({ via: "token", token })),
    ...legacyOf(addresses, world.replyDomain).map((message): Candidate => ({ via: "legacy", message })),
    ...ids.map((id): Candidate => {
      const message = ownMessageId(id, world.sendDomain);
      return message === undefined ? { via: "references", message_id: id } : { via: "references", message };
    }),
  ];
}

function reportOf(mail: Mail): MailFacts["report"] {
  const type = mail.reportType ?? "";
  const parts = mail.reportParts.map(({ type }) => type);
  if (parts.includes("message/feedback-report")) return "feedback-report";
  if (parts.some((type) => type.endsWith("disposition-notification"))) return "disposition-notification";
  if (parts.some((type) => type.endsWith("delivery-status"))) return "delivery-status";
  return type === "delivery-status" || type === "disposition-notification" || type === "feedback-report"
    ? type
    : null;
}

/**
 * What counts as the same text: a long one without its quote, which grows with each round of a circle; a short one with
 * it, because people say "Yes" to several things; an empty one with its subject. And the same attachments: people send
 * one picture after the other with the same words.
 */
function hashed(mail: Mail, cut: { text: string; text_full: string }): string {
  const text = cut.text.length >= LONG_TEXT ? cut.text : cut.text_full;
  const words = text.toLowerCase().replace(/\s+/g, " ").trim() || mail.subject;
  return JSON.stringify([words, mail.attachments.map(({ name, size }) => [name, size])]);
}
