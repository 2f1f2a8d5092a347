/**
 * Mails that go out: what a service sends, the forward of an answer to an identity's inbox, and the owner's answer on its
 * way to the contact. In no provider's shape; the adapter knows how to hand them over.
 *
 * Names and subjects are put on one line, so no value of a sender's can add a header.
 *
 * @module
 */
import { cleanLine, firstOf } from "./charset.ts";
import { sanitiseMail, textOf } from "./html.ts";
import { withoutHtmlQuotes } from "./html_quotes.ts";
import { asciiName, encodedAddress } from "./header_words.ts";
import { FORWARDED_HEADER, HOPS_HEADER } from "./loop.ts";
import { bracketed, replySubject, threadHeaders } from "./threading.ts";
import type { MailAddress, OutgoingAttachment, OutgoingMail } from "./types.ts";

const MOST_SUBJECT = 900;
/** Bytes of attachments that go along, because providers take 30 MB in base64. */
export const MOST_ATTACHED = 20_000_000;

/** Our side of a mail. */
export interface Sender {
  /** The identity's address, or FORWARD_FROM_EMAIL. */
  readonly address: string;
  readonly name: string | null;
}

/** What every mail of ours needs. */
interface Common {
  /** Message-ID without angle brackets: `<id>@SEND_DOMAIN`. */
  readonly messageId: string;
  /** Where answers go: a token's address, or the former form. */
  readonly replyTo: string;
  readonly attachments?: readonly OutgoingAttachment[];
}

/** A mail that a service or a person sends. */
export interface MailToSend extends Common {
  readonly from: Sender;
  readonly to: MailAddress;
  readonly cc?: readonly MailAddress[];
  readonly subject: string;
  readonly html?: string;
  readonly text?: string;
  /** The mail that it answers. */
  readonly parent?: { readonly messageId: string | null; readonly references: readonly string[] };
  /**
   * Set for a mail to many: it says that a machine sent it, and how to end it. `url` takes a POST of one click (RFC 8058);
   * `mailto` is an address of ours.
   */
  readonly bulk?: { readonly url?: string; readonly mailto?: string };
  /** Whether a machine wrote it, so that machines do not answer. @default {false} */
  readonly automatic?: boolean;
}

const AUTOMATIC = { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" } as const;

/** Composes a mail that is sent in an identity's name. The text part is made from the HTML if there is none. */
export async function composeMail(mail: MailToSend): Promise<OutgoingMail> {
  const headers: Record<string, string> = {
    "Message-ID": bracketed(mail.messageId),
    ...(mail.parent === undefined ? {} : threadHeaders(mail.parent)),
  };
  if (mail.automatic) Object.assign(headers, AUTOMATIC);
  if (mail.bulk !== undefined) {
    const { url, mailto } = mail.bulk;
    const ways = [
      ...(url === undefined ? [] : [`<${url}>`]),
      ...(mailto === undefined ? [] : [`<mailto:${mailto}?subject=unsubscribe>`]),
    ];
    Object.assign(headers, AUTOMATIC, ways.length === 0 ? {} : { "List-Unsubscribe": ways.join(", ") });
    if (url !== undefined) headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click";
  }
  return {
    from: named(mail.from.address, mail.from.name ?? ""),
    to: [mail.to],
    ...(mail.cc === undefined || mail.cc.length === 0 ? {} : { cc: mail.cc }),
    replyTo: named(mail.replyTo, mail.from.name ?? ""),
    subject: oneLine(mail.subject),
    text: mail.text ?? (mail.html === undefined ? "" : await textOf(mail.html)),
    ...(mail.html === undefined ? {} : { html: mail.html }),
    headers,
    attachments: (mail.attachments ?? []).map(portable),
  };
}

/** An answer on its way to the inbox of the identity that it was written to. */
export interface MailToForward extends Common {
  /** FORWARD_FROM_EMAIL and FORWARD_FROM_NAME. */
  readonly from: Sender;
  /** The identity's confirmed inbox. */
  readonly to: MailAddress;
  /** The mail that came in. */
  readonly mail: {
    readonly from: MailAddress;
    readonly subject: string;
    readonly text: string;
    readonly html: string | null;
    readonly messageId: string | null;
    readonly references: readonly string[];
    readonly verified: boolean;
    /** Whether somebody else than the recipient of our mail wrote it. */
    readonly otherSender: boolean;
  };
  /** The delivery's id, by which the forward is known if it comes back. */
  readonly delivery: string;
  /** How often the mail went through us before. */
  readonly hops: number;
  /** Whether answers go to the token, or to the contact at once, which shows the inbox's address. @default {"token"} */
  readonly answersTo?: "token" | "sender";
}

/**
 * Composes a forward. It comes from an address of ours and never from the contact's, because receivers refuse that by the
 * contact's DMARC policy. The subject stays, or Gmail breaks the thread.
 */
export async function composeForward(forward: MailToForward): Promise<OutgoingMail> {
  const { mail } = forward;
  const author = mail.from.name !== "" ? mail.from.name : mail.from.address;
  const warning = warningOf(forward);
  const html = mail.html === null ? undefined : await sanitiseMail(mail.html, "all");
  const headers: Record<string, string> = {
    "Message-ID": bracketed(forward.messageId),
    ...threadHeaders(mail),
    ...AUTOMATIC,
    [FORWARDED_HEADER]: forward.delivery,
    [HOPS_HEADER]: String(forward.hops + 1),
    "X-Original-From": encodedAddress(mail.from),
  };
  if (mail.messageId !== null) headers["X-Original-Message-ID"] = bracketed(mail.messageId);
  const direct = forward.answersTo === "sender" && mail.from.address !== "";
  return {
    from: named(
      forward.from.address,
      forward.from.name === null ? author : `${author} via ${forward.from.name}`,
    ),
    to: [forward.to],
    replyTo: direct ? mail.from : named(forward.replyTo, author),
    subject: oneLine(mail.subject),
    text: warning === undefined ? mail.text : `[${warning}]\n\n${mail.text}`,
    ...(html === undefined ? {} : { html: warning === undefined ? html : banner(warning) + html }),
    headers,
    attachments: fitting(forward.attachments ?? []).map(portable),
  };
}

/** What a reader of a forward has to know before anything else; undefined if nothing is unusual. */
function warningOf({ mail, attachments = [] }: MailToForward): string | undefined {
  const left = attachments.length - fitting(attachments).length;
  const sentences = [
    ...(mail.verified
      ? []
      : [`This mail could not be verified: it may not come from ${mail.from.address || "whom it names"}.`]),
    ...(mail.otherSender ? [`${mail.from.address} is not whom you wrote to.`] : []),
    ...(left > 0 ? [`${left} of ${attachments.length} attachments were too large to forward.`] : []),
  ];
  return sentences.length === 0 ? undefined : sentences.join(" ");
}

/** The owner's answer on its way to the contact. */
export interface MailToRelay extends Common {
  /** The identity. */
  readonly from: Sender;
  readonly to: MailAddress;
  /** The owner's answer; `text` is cut, without what it quotes. */
  readonly mail: { readonly text: string; readonly html: string | null };
  /** The owner's inbox, whose address must appear nowhere. */
  readonly inbox: string;
  /** The contact's mail, which is answered. */
  readonly parent: {
    readonly subject: string;
    readonly messageId: string | null;
    readonly references: readonly string[];
  };
}

/**
 * Composes a relay. Quotes stay behind: they would show the forward with its addresses. It is a person's own message, so
 * nothing in it calls it automatic.
 */
export async function composeRelay(relay: MailToRelay): Promise<OutgoingMail> {
  const hide = (text: string) => replaceAddress(text, relay.inbox, relay.from.address);
  const cut = relay.mail.html === null ? undefined : await withoutHtmlQuotes(relay.mail.html);
  const html = cut === undefined ? undefined : hide(await sanitiseMail(cut, "all"));
  return {
    from: named(relay.from.address, relay.from.name ?? ""),
    to: [relay.to],
    replyTo: named(relay.replyTo, relay.from.name ?? ""),
    subject: oneLine(hide(replySubject(relay.parent.subject))),
    text: hide(relay.mail.text),
    ...(html === undefined ? {} : { html }),
    headers: { "Message-ID": bracketed(relay.messageId), ...threadHeaders(relay.parent) },
    attachments: fitting(relay.attachments ?? []).map(portable),
  };
}

function named(address: string, name: string): MailAddress {
  return { address, name: firstOf(cleanLine(name), 200) };
}

const oneLine = (subject: string) => firstOf(cleanLine(subject), MOST_SUBJECT);

/** As many attachments as fit, in their order; inline images first, because the HTML refers to them. */
function fitting(attachments: readonly OutgoingAttachment[]): OutgoingAttachment[] {
  let left = MOST_ATTACHED;
  const fits = new Set<OutgoingAttachment>();
  for (const attachment of [...attachments].sort((a, b) => Number(b.inline) - Number(a.inline))) {
    if (attachment.size > left) continue;
    left -= attachment.size;
    fits.add(attachment);
  }
  return attachments.filter((attachment) => fits.has(attachment));
}

/** SendGrid garbles names outside ASCII, and text that is not ASCII unless it is called binary. */
function portable(attachment: OutgoingAttachment): OutgoingAttachment {
  const type = attachment.type.startsWith("text/") ? "application/octet-stream" : attachment.type;
  return { ...attachment, name: asciiName(attachment.name, attachment.type), type };
}

function banner(text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<p style="margin:0 0 12px;padding:8px;color:#7a4b00;background-color:#fff4d6">${escaped}</p>`;
}

/** Replaces an address however it is capitalised. Without a pattern: the address is data. */
function replaceAddress(text: string, address: string, by: string): string {
  if (address === "") return text;
  const [lower, wanted] = [text.toLowerCase(), address.toLowerCase()];
  // Lower-casing some letters changes the length of a text, and then positions do not fit.
  if (lower.length !== text.length) return text.replaceAll(address, by).replaceAll(wanted, by);
  const pieces: string[] = [];
  let at = 0;
  for (let found = lower.indexOf(wanted); found >= 0; found = lower.indexOf(wanted, at)) {
    pieces.push(text.slice(at, found), by);
    at = found + wanted.length;
  }
  return pieces.join("") + text.slice(at);
}
