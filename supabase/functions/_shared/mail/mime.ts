/**
 * Raw mails to {@linkcode Mail}: structure by {@linkcode readParts}, addresses and encoded words by postal-mime, the rest
 * by the modules beside this one. postal-mime's own reader is not used: it holds a mail several times (20 MB took up to a
 * gigabyte), joins lines of format=flowed across quotes, and cannot say where an attachment stands.
 *
 * Never throws, and takes time in proportion to the bytes. Whatever a mail is, something can be said about it, and the raw
 * mail is kept.
 *
 * @module
 */
import { cleanText, decodeCharset, firstOf } from "./charset.ts";
import { unflow } from "./flowed.ts";
import { decoded, type Fields, first, readBlock, words } from "./header.ts";
import { addressesOf, dateOf, idsOf } from "./header_values.ts";
import { attachmentOf, isAttachment, markInline } from "./attachments.ts";
import { type Part, readParts } from "./parts.ts";
import { decodeTransfer, encodingOf, looksLikeBase64, plainTail, sizeOf } from "./transfer.ts";
import type { Attachment, CalendarPart, Mail, MailLimits, ReportPart, Truncation } from "./types.ts";

export const MAIL_LIMITS: MailLimits = {
  headerBytes: 262_144,
  depth: 100,
  parts: 1_000,
  textBytes: 1_000_000,
  references: 40,
  addresses: 200,
};

const [LF, CR] = [10, 13];

/** Bytes of a report or of a calendar that are read. */
const MOST_REPORT = 65_536;
/** Parts that are a report wherever they stand: some servers put them into a multipart/mixed. */
const REPORTS = /^message\/(?:global-)?(?:delivery-status|disposition-notification|feedback-report)$/;
/** Methods of a calendar that are a conversation between people (RFC 5546); the others publish something. */
const METHODS = /^(?:REQUEST|REPLY|CANCEL|COUNTER|DECLINECOUNTER|REFRESH|ADD)$/;
/** Report parts of one mail that are read. */
const MOST_REPORTS = 10;

/**
 * Reads a mail.
 *
 * @param raw The raw mail. It is not copied, and positions of attachments refer to it.
 */
export function readMail(raw: Uint8Array, limits: MailLimits = MAIL_LIMITS): Mail {
  const bytes = withLineFeeds(raw);
  const { root, truncated } = readParts(bytes, limits);
  const found = collect(bytes, root, limits, truncated);
  const mail = mailOf(root.fields, limits, truncated);
  return {
    ...mail,
    type: root.type.value,
    reportType: root.type.value === "multipart/report" ? reportTypeOf(root, found.reportParts) : null,
    ...found,
    truncated: [...truncated],
  };
}

/** The mail itself, or one of the same length with line feeds: some old programs end lines with CR alone. */
function withLineFeeds(raw: Uint8Array): Uint8Array {
  return raw.includes(LF) || !raw.includes(CR) ? raw : raw.map((byte) => byte === CR ? LF : byte);
}

const NOBODY = { address: "", name: "" };

/** What the header of a mail says. */
export function mailOf(fields: Fields, limits: MailLimits, truncated: Set<Truncation>): HeaderOfMail {
  const headers = decoded(fields);
  const list = (name: string) => {
    const values = fields.get(name) ?? [];
    const addresses = addressesOf(values.join(", "), limits.addresses + 1);
    if (addresses.length > limits.addresses) truncated.add("addresses");
    return addresses.slice(0, limits.addresses);
  };
  const fromFields = fields.get("from") ?? [];
  const from = fromFields.flatMap((value) => addressesOf(value, limits.addresses));
  const authors = new Set(from.map(({ address }) => address));
  const references = idsOf((fields.get("references") ?? []).join(" "), limits.references);
  if (references.cut) truncated.add("references");
  return {
    messageId: idsOf(first(fields, "message-id"), 1).ids[0] ?? null,
    from: { ...(from[0] ?? NOBODY), raw: headers.get("from")?.[0] ?? "", count: authors.size },
    to: list("to"),
    cc: list("cc"),
    replyTo: list("reply-to"),
    subject: firstOf(headers.get("subject")?.[0] ?? "", 1_000),
    date: dateOf(first(fields, "date")),
    inReplyTo: idsOf((fields.get("in-reply-to") ?? []).join(" "), limits.references).ids,
    references: references.ids,
    headers,
  };
}

/** The members of a mail that its header alone decides. */
export type HeaderOfMail = Pick<
  Mail,
  "messageId" | "from" | "to" | "cc" | "replyTo" | "subject" | "date" | "inReplyTo" | "references" | "headers"
>;

/** The members of a mail that its parts decide. */
type Found = Pick<Mail, "text" | "html" | "attachments" | "reportParts" | "original" | "calendar">;

function collect(bytes: Uint8Array, root: Part, limits: MailLimits, truncated: Set<Truncation>): Found {
  const bodies = { text: new Joined(limits.textBytes), html: new Joined(limits.textBytes) };
  const attachments: Attachment[] = [];
  const reportParts: ReportPart[] = [];
  let original: Mail["original"] = null;
  let calendar: CalendarPart | null = null;
  const visit = (part: Part): void => {
    const { value } = part.type;
    if (part.children.length > 0) {
      for (const child of part.children) visit(child);
      return;
    }
    const inReport = part.parent?.type.value === "multipart/report";
    if (inReport && /^(message\/(rfc822|global)|text\/rfc822)(-headers)?$/.test(value)) {
      const content = contentStart(bytes, part, MOST_REPORT);
      original ??= decoded(readBlock(content, 0, content.length, MOST_REPORT, true).fields);
    } else if (REPORTS.test(value) || (inReport && value.startsWith("message/"))) {
      if (reportParts.length < MOST_REPORTS) reportParts.push(reportOf(bytes, part));
    } else if (value === "text/calendar" && calendar === null) {
      calendar = calendarOf(bytes, part);
      if (nameless(part)) return;
    } else if (isBody(part, bodies)) {
      const body = value === "text/html" ? bodies.html : bodies.text;
      if (!body.add((most) => textOfPart(bytes, part, most))) truncated.add("text");
      return;
    }
    if (isAttachment(part, inReport || REPORTS.test(value))) {
      attachments.push(attachmentOf(bytes, part, attachments.length));
    }
  };
  visit(root);
  const html = bodies.html.text;
  return {
    text: bodies.text.text,
    html,
    attachments: markInline(attachments, html),
    reportParts,
    original,
    calendar,
  };
}

const nameless = (part: Part) =>
  !part.disposition.params.has("filename") && !part.type.params.has("name") &&
  part.disposition.value !== "attachment";

/** Whether a part is text of the mail rather than a file: a first part with a name is, if nobody calls it an attachment. */
function isBody(part: Part, bodies: { text: Joined; html: Joined }): boolean {
  const { value } = part.type;
  if (
    value !== "text/plain" && value !== "text/html" && value !== "text/enriched" &&
    value !== "text/x-amp-html"
  ) {
    return false;
  }
  if (part.disposition.value === "attachment") return false;
  // A second rendering of the same text, which no reader of ours shows.
  if (value === "text/x-amp-html") return false;
  if (nameless(part)) return true;
  return bodies.text.text === null && bodies.html.text === null;
}

/** Text parts in their order, up to a number of bytes. */
class Joined {
  readonly #pieces: string[] = [];
  #left: number;
  constructor(most: number) {
    this.#left = most;
  }

  /** Adds a part; false if it did not fit whole. */
  add(read: (most: number) => { text: string; bytes: number; whole: boolean }): boolean {
    const { text, bytes, whole } = read(this.#left);
    this.#left -= bytes;
    if (bytes > 0 || whole) this.#pieces.push(text);
    return whole;
  }

  get text(): string | null {
    return this.#pieces.length === 0 ? null : this.#pieces.join("\n");
  }
}

/** A part's decoded bytes, of at most `most` encoded ones. */
function contentStart(bytes: Uint8Array, part: Part, most: number): Uint8Array {
  const encoded = bytes.subarray(part.start, Math.min(part.end, part.start + most));
  return decodeTransfer(encoded, encodingOf(first(part.fields, "content-transfer-encoding")));
}

function textOfPart(
  bytes: Uint8Array,
  part: Part,
  most: number,
): { text: string; bytes: number; whole: boolean } {
  const encoded = bytes.subarray(part.start, part.end);
  const stated = encodingOf(first(part.fields, "content-transfer-encoding"));
  const tail = stated === "base64" ? plainTail(encoded) : encoded.length;
  const encoding = stated === "base64" && !looksLikeBase64(encoded.subarray(0, tail)) ? "identity" : stated;
  const content = encoding === "identity"
    ? decodeTransfer(encoded, encoding, most)
    : withTail(decodeTransfer(encoded.subarray(0, tail), encoding, most), encoded.subarray(tail), most);
  const { params, value } = part.type;
  const charset = params.get("charset") ?? (value === "text/html" ? metaCharset(content) : null);
  const text = cleanText(decodeCharset(content, charset));
  const flowed = value === "text/plain" && params.get("format")?.toLowerCase() === "flowed";
  return {
    text: flowed ? unflow(text, params.get("delsp")?.toLowerCase() === "yes") : text,
    bytes: content.length,
    whole: content.length < most || sizeOf(encoded, encoding) <= most,
  };
}

/** The content and, as a line of its own, the text that stood behind it without being encoded. */
function withTail(content: Uint8Array, tail: Uint8Array, most: number): Uint8Array {
  if (tail.length === 0) return content;
  const whole = new Uint8Array(Math.min(content.length + 1 + tail.length, most));
  whole.set(content);
  if (content.length < whole.length) whole[content.length] = LF;
  whole.set(
    tail.subarray(0, Math.max(0, whole.length - content.length - 1)),
    Math.min(content.length + 1, whole.length),
  );
  return whole;
}

/** The charset that an HTML document states for itself, near its beginning; the header is stronger. */
function metaCharset(content: Uint8Array): string | null {
  const start = String.fromCharCode(...content.subarray(0, 1024));
  return /<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}["']?([\w.:-]{1,40})/i.exec(start)?.[1] ?? null;
}

/** Groups of fields, separated by empty lines (RFC 3464 2.1, RFC 5965 3). */
function reportOf(bytes: Uint8Array, part: Part): ReportPart {
  const content = contentStart(bytes, part, MOST_REPORT);
  const groups: Record<string, string>[] = [];
  for (let at = 0; at < content.length && groups.length < 100;) {
    const { fields, body } = readBlock(content, at, content.length, MOST_REPORT, true);
    if (fields.size > 0) {
      groups.push(Object.fromEntries([...fields].map(([name, [value]]) => [name, words(value)])));
    }
    at = Math.max(body, at + 1);
  }
  return { type: part.type.value, groups };
}

function reportTypeOf(root: Part, reports: readonly ReportPart[]): string {
  const stated = root.type.params.get("report-type")?.toLowerCase() ?? "";
  return stated !== "" ? stated : (reports[0]?.type.replace(/^message\//, "") ?? "");
}

function calendarOf(bytes: Uint8Array, part: Part): CalendarPart | null {
  const charset = part.type.params.get("charset") ?? null;
  // Folded lines go on after a blank (RFC 5545 3.1).
  const text = cleanText(decodeCharset(contentStart(bytes, part, MOST_REPORT), charset)).replace(
    /\n[ \t]/g,
    "",
  );
  const property = (name: string) => {
    const line = text.split("\n", 500).find((line) => line.toUpperCase().startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim() ?? null;
  };
  const method = part.type.params.get("method") ?? property("METHOD");
  if (method === null || !METHODS.test(method.toUpperCase())) return null;
  const attendee = /^ATTENDEE[^\n]{0,500}?;PARTSTAT=([\w-]{1,40})/im.exec(text)?.[1];
  return {
    method: firstOf(method, 40).toUpperCase(),
    uid: property("UID"),
    partstat: method.toUpperCase() === "REPLY" ? attendee?.toUpperCase() ?? null : null,
  };
}

/** The decoded content of one attachment, read from what it was found in. */
export function contentOf(bytes: Uint8Array, attachment: Attachment): Uint8Array {
  return decodeTransfer(bytes.subarray(attachment.start, attachment.end), attachment.encoding);
}
