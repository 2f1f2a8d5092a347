/** Mails of simulated people as bytes: MIME (RFC 5322, RFC 2045), and the form that SendGrid's Inbound Parse posts. */

/** A file that somebody attaches: its content, or its size where only that matters. */
export interface MailFile {
  name: string;
  type: string;
  /** Base64. */
  content?: string;
  /** So many bytes of nothing, if there is no content. */
  size?: number;
  /** Content-ID; then it is shown in place. */
  cid?: string;
}

/** A mail as somebody writes it. */
export interface WrittenMail {
  from: { address: string; name?: string };
  /** The address, without a name. */
  to: string;
  /** Its display name. */
  toName?: string;
  subject: string;
  text?: string;
  html?: string;
  /** Without angle brackets. @default a new one of the sender's domain */
  messageId?: string;
  /** In angle brackets. */
  inReplyTo?: string;
  references?: readonly string[];
  /** More headers, or others in the place of those that are made. */
  headers?: Readonly<Record<string, string>>;
  attachments?: readonly MailFile[];
  /** Of text and HTML; characters that it lacks make it UTF-8. @default "utf-8" */
  charset?: "utf-8" | "windows-1252";
  /** What a program's boundaries begin with. @default "=_" */
  boundary?: string;
  /** Of a delivery (RFC 3464) or of what a reader did (RFC 8098): its fields, and the headers of the mail that it is about. */
  report?: { type: "delivery-status" | "disposition-notification"; fields: string; returned: string };
}

/** How the mail came, as the provider tells it. */
export interface MailWay {
  /** Recipients of the envelope. @default [to] */
  recipients?: readonly string[];
  /** Sender of the envelope; "" for a bounce. @default from */
  sender?: string;
  /** @default pass */
  spf?: string;
  /** Domain whose signature is good; null for none. @default that of From */
  dkim?: string | null;
}

const utf8 = new TextEncoder();

/** The raw form of a mail. */
export function mimeOf(mail: WrittenMail, date: Date): Uint8Array<ArrayBuffer> {
  const { from, to, subject, text, html, attachments = [] } = mail;
  const id = mail.messageId ?? `${crypto.randomUUID()}@${from.address.split("@")[1]}`;
  const headers: Record<string, string> = {
    From: person(from.address, from.name),
    To: person(to, mail.toName),
    Subject: word(subject),
    Date: date.toUTCString().replace("GMT", "+0000"),
    "Message-ID": `<${id}>`,
    ...(mail.inReplyTo === undefined ? {} : { "In-Reply-To": mail.inReplyTo }),
    ...(mail.references === undefined || mail.references.length === 0
      ? {}
      : { References: mail.references.join(" ") }),
    "MIME-Version": "1.0",
    ...mail.headers,
  };
  const boundary = () => `${mail.boundary ?? "=_"}${crypto.randomUUID()}`;
  const bodies = [
    ...(text === undefined && html !== undefined ? [] : [part("text/plain", text ?? "", mail.charset)]),
    ...(html === undefined ? [] : [part("text/html", html, mail.charset)]),
  ];
  let whole = bodies.length === 1 ? bodies[0] : multipart("alternative", bodies, boundary());
  if (attachments.length > 0) whole = multipart("mixed", [whole, ...attachments.map(fileOf)], boundary());
  if (mail.report !== undefined) {
    const { type, fields, returned } = mail.report;
    whole = multipart(`report; report-type=${type}`, [
      whole,
      `Content-Type: message/${type}\r\n\r\n${crlf(fields)}\r\n`,
      `Content-Type: text/rfc822-headers\r\n\r\n${crlf(returned)}\r\n`,
    ], boundary());
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return utf8.encode(lines + whole);
}

function fileOf({ name, type, content, size = 0, cid }: MailFile): string {
  const disposition = cid === undefined ? "attachment" : "inline";
  // Three bytes of nothing are "AAAA".
  const base64 = content ?? "A".repeat(Math.ceil(size / 3) * 4);
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n` +
    `Content-Disposition: ${disposition}; filename*=UTF-8''${encodeURIComponent(name)}\r\n` +
    (cid === undefined ? "" : `Content-ID: <${cid}>\r\n`) + `\r\n${lined(base64)}`;
}

/** A part of text, quoted-printable as mail programs write it. */
function part(type: string, text: string, wanted: WrittenMail["charset"] = "utf-8"): string {
  const narrow = wanted === "windows-1252" ? windows1252(text) : undefined;
  const bytes = narrow ?? utf8.encode(text);
  return `Content-Type: ${type}; charset="${narrow === undefined ? "utf-8" : "windows-1252"}"\r\n` +
    `Content-Transfer-Encoding: quoted-printable\r\n\r\n${quotedPrintable(bytes)}`;
}

function multipart(kind: string, parts: readonly string[], boundary: string): string {
  return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n` +
    parts.map((each) => `--${boundary}\r\n${each}\r\n`).join("") + `--${boundary}--\r\n`;
}

const crlf = (text: string) => text.replace(/\r?\n/g, "\r\n");
const lined = (base64: string) => base64.replace(/.{76}(?=.)/g, "$&\r\n");

/** RFC 2045 6.7: lines of at most 76 characters, with CRLF where the text has a line feed. */
export function quotedPrintable(bytes: Uint8Array): string {
  const lines: string[] = [];
  let line = "";
  for (const [index, byte] of bytes.entries()) {
    if (byte === 0x0a) {
      lines.push(line);
      line = "";
      continue;
    }
    const endsLine = index + 1 === bytes.length || bytes[index + 1] === 0x0a;
    const isPlain = byte >= 0x21 && byte <= 0x7e && byte !== 0x3d || byte === 0x20 && !endsLine;
    const shown = isPlain
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    if (line.length + shown.length > 75) {
      lines.push(`${line}=`);
      line = "";
    }
    line += shown;
  }
  return [...lines, line].join("\r\n");
}

/** What windows-1252 has besides Latin-1 and people type. */
const WINDOWS: Readonly<Record<string, number>> = {
  "€": 0x80,
  "…": 0x85,
  "‘": 0x91,
  "’": 0x92,
  "“": 0x93,
  "”": 0x94,
  "•": 0x95,
  "–": 0x96,
  "—": 0x97,
  "„": 0x84,
  "œ": 0x9c,
};

/** The bytes of a text, or undefined if the charset lacks one of its characters. */
function windows1252(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const byte = WINDOWS[character] ?? (code < 0x80 || code >= 0xa0 && code <= 0xff ? code : undefined);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return new Uint8Array(bytes);
}

const person = (address: string, name?: string) => name ? `${word(name, true)} <${address}>` : address;

/** A header's value: an encoded word (RFC 2047) if it is not ASCII; a quoted name if it holds more than words. */
function word(text: string, isName = false): string {
  if (!/^[\x20-\x7e]*$/.test(text)) {
    return `=?utf-8?B?${btoa(String.fromCharCode(...utf8.encode(text)))}?=`;
  }
  return isName && !/^[\w ]*$/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text;
}

/** The form that Inbound Parse posts in raw mode ("POST the raw, full MIME message"), and its content type. */
export function formOf(
  raw: Uint8Array,
  mail: WrittenMail,
  way: MailWay = {},
): { body: Uint8Array<ArrayBuffer>; contentType: string } {
  const boundary = `xYz${crypto.randomUUID().slice(0, 8)}`;
  const dkim = way.dkim === undefined ? mail.from.address.split("@")[1] : way.dkim;
  const fields: [string, string][] = [
    ["SPF", way.spf ?? "pass"],
    ["dkim", dkim === null ? "none" : `{@${dkim} : pass}`],
    ["sender_ip", "192.0.2.25"],
    ["envelope", JSON.stringify({ to: way.recipients ?? [mail.to], from: way.sender ?? mail.from.address })],
    ["to", mail.to],
    ["from", mail.from.address],
    ["subject", mail.subject],
    ["charsets", JSON.stringify({ to: "UTF-8", from: "UTF-8", subject: "UTF-8" })],
  ];
  const head =
    fields.map(([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
    ).join("") + `--${boundary}\r\nContent-Disposition: form-data; name="email"\r\n\r\n`;
  const pieces = [utf8.encode(head), raw, utf8.encode(`\r\n--${boundary}--\r\n`)];
  const body = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}
