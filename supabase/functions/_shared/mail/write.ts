/**
 * A mail as bytes (RFC 5322, RFC 2045 to 2047), for providers that take one whole: Gmail and Microsoft Graph.
 *
 * Not by a library: nodemailer's composer is 237 KB in each function that sends, and reads files and addresses of the web.
 * Everything is ASCII, with texts in base64, so no server on the way has to convert anything.
 *
 * @module
 */
import { encodedAddress, encodedWords } from "./header_words.ts";
import type { MailAddress, OutgoingAttachment, OutgoingMail } from "./types.ts";

/** What does not stand in the mail. */
export interface WriteOptions {
  readonly date: Date;
  /** Unique within the mail; letters and digits. Boundaries begin with it. */
  readonly boundary: string;
}

/** Headers that this module writes itself. */
const OWN = new Set([
  "from",
  "to",
  "cc",
  "bcc",
  "reply-to",
  "subject",
  "date",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
]);
/** RFC 5322 2.1.1: 78 characters are wanted, 998 are the most. */
const MOST_LINE = 78;
/** RFC 2045 6.8: 76 characters of base64 hold 57 bytes. */
const LINE_BYTES = 57;

/**
 * Writes a mail.
 *
 * @param contents Bytes of the attachments, in their order.
 */
export function writeMail(
  mail: OutgoingMail,
  contents: readonly Uint8Array[],
  { date, boundary }: WriteOptions,
): Uint8Array {
  const headers = [
    header("From", encodedAddress(mail.from)),
    header("To", mail.to.map(encodedAddress).join(", ")),
    ...list("Cc", mail.cc ?? []),
    ...(mail.replyTo === undefined ? [] : [header("Reply-To", encodedAddress(mail.replyTo))]),
    header("Subject", encodedWords(mail.subject)),
    header("Date", date.toUTCString().replace("GMT", "+0000")),
    header("MIME-Version", "1.0"),
    ...Object.entries(mail.headers).filter(([name]) => !OWN.has(name.toLowerCase()))
      .map(([name, value]) => header(name, value)),
  ];
  const body = bodyOf(mail, contents, boundary);
  return ascii([...headers, ...body.headers, "", ...body.lines, ""].join("\r\n"));
}

interface Part {
  readonly headers: readonly string[];
  readonly lines: readonly string[];
}

/** mixed(related(alternative(text, HTML), inline images), attachments), as far as there is anything for it. */
function bodyOf(mail: OutgoingMail, contents: readonly Uint8Array[], boundary: string): Part {
  const files = mail.attachments.map((attachment, i) => ({ attachment, content: contents[i] }));
  const isInline = ({ attachment: { inline, cid } }: typeof files[number]) =>
    inline && cid !== null && mail.html !== undefined && mail.html !== "";
  const text = words("text/plain", mail.text);
  const both = mail.html === undefined || mail.html === ""
    ? text
    : multipart("alternative", `${boundary}a`, [text, words("text/html", mail.html)]);
  const shown = files.filter(isInline).map(({ attachment, content }) => file(attachment, content, true));
  const related = shown.length === 0 ? both : multipart("related", `${boundary}r`, [both, ...shown]);
  const attached = files.filter((each) => !isInline(each))
    .map(({ attachment, content }) => file(attachment, content, false));
  return attached.length === 0 ? related : multipart("mixed", `${boundary}m`, [related, ...attached]);
}

function multipart(kind: string, boundary: string, parts: readonly Part[]): Part {
  return {
    headers: [`Content-Type: multipart/${kind}; boundary="${boundary}"`],
    lines: [
      ...parts.flatMap(({ headers, lines }) => [`--${boundary}`, ...headers, "", ...lines]),
      `--${boundary}--`,
    ],
  };
}

function words(type: string, text: string): Part {
  return {
    headers: [`Content-Type: ${type}; charset=utf-8`, "Content-Transfer-Encoding: base64"],
    // RFC 2046 4.1.1: lines of text end in CRLF before they are encoded.
    lines: [base64Lines(new TextEncoder().encode(text.replace(/\r?\n/g, "\r\n")))],
  };
}

function file({ name, type, cid }: OutgoingAttachment, content: Uint8Array, inline: boolean): Part {
  const safe = name.replace(/[^\x20-\x7e]|["\\]/g, "_");
  return {
    headers: [
      `Content-Type: ${
        /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : "application/octet-stream"
      }; name="${safe}"`,
      "Content-Transfer-Encoding: base64",
      `Content-Disposition: ${inline ? "inline" : "attachment"}; filename="${safe}"`,
      ...(cid === null ? [] : [`Content-ID: <${cid.replace(/[<>\s]/g, "")}>`]),
    ],
    lines: [base64Lines(content)],
  };
}

function list(name: string, addresses: readonly MailAddress[]): string[] {
  return addresses.length === 0 ? [] : [header(name, addresses.map(encodedAddress).join(", "))];
}

/** A header, folded at its spaces (RFC 5322 2.2.3). No value can begin another header. */
function header(name: string, value: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of value.replace(/[\r\n\0]+/g, " ").split(" ")) {
    if (line.length + 1 + word.length > MOST_LINE && line !== `${name}:`) {
      lines.push(line);
      line = "";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\r\n");
}

/** In pieces of whole lines, because `String.fromCharCode` takes only so many arguments. */
function base64Lines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    lines.push(btoa(String.fromCharCode(...bytes.subarray(at, at + LINE_BYTES))));
  }
  return lines.join("\r\n");
}

/** What is not ASCII by now is a header of somebody's that we pass on. */
function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
