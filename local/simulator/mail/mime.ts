/** Mails of simulated people as bytes: MIME (RFC 5322, RFC 2045), and the form that SendGrid's Inbound Parse posts. */

/** A file that somebody attaches. */
export interface MailFile {
  name: string;
  type: string;
  /** Base64. */
  content: string;
  /** Content-ID; then it is shown in place. */
  cid?: string;
}

/** A mail as somebody writes it. */
export interface WrittenMail {
  from: { address: string; name?: string };
  to: string;
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
    From: from.name ? `${word(from.name)} <${from.address}>` : from.address,
    To: to,
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
  const bodies = [
    ...(text === undefined && html !== undefined
      ? []
      : [part("text/plain; charset=utf-8", utf8.encode(text ?? ""))]),
    ...(html === undefined ? [] : [part("text/html; charset=utf-8", utf8.encode(html))]),
  ];
  let whole = bodies.length === 1 ? bodies[0] : multipart("alternative", bodies);
  if (attachments.length > 0) whole = multipart("mixed", [whole, ...attachments.map(fileOf)]);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return utf8.encode(lines + whole);
}

function fileOf({ name, type, content, cid }: MailFile): string {
  const disposition = cid === undefined ? "attachment" : "inline";
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n` +
    `Content-Disposition: ${disposition}; filename*=UTF-8''${encodeURIComponent(name)}\r\n` +
    (cid === undefined ? "" : `Content-ID: <${cid}>\r\n`) + `\r\n${lined(content)}`;
}

function part(type: string, bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n${lined(btoa(binary))}`;
}

function multipart(kind: string, parts: readonly string[]): string {
  const boundary = `=_${crypto.randomUUID()}`;
  return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n` +
    parts.map((each) => `--${boundary}\r\n${each}\r\n`).join("") + `--${boundary}--\r\n`;
}

const lined = (base64: string) => base64.replace(/.{76}(?=.)/g, "$&\r\n");

/** A header's value: an encoded word (RFC 2047) if it is not ASCII. */
function word(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  return `=?utf-8?B?${btoa(String.fromCharCode(...utf8.encode(text)))}?=`;
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
