/**
 * What Mailgun's routes post: a form with the mail, raw where the route's address ends in `mime`, and a signature in its
 * fields.
 *
 * Source: Mailgun, "Receiving, Forwarding and Storing Messages" and "Securing Webhooks". The signature is an HMAC-SHA-256 of
 * timestamp and token, and does not cover the mail. What Mailgun found of SPF and DKIM stands in headers that a sender could
 * write as well, so that no author counts as verified.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { sha256Hex } from "../../crypto/sha256.ts";
import { timingSafeEqual } from "../../crypto/timing_safe_equal.ts";
import { Problem } from "../../http/problem.ts";
import { list } from "../../json/json.ts";
import { fieldText, type Form, type FormField, readForm } from "../../mail/form.ts";
import { normalAddress } from "../../mail/header_values.ts";
import { fromParsed } from "../../mail/inbound_parse.ts";
import { readMail } from "../../mail/mime.ts";
import type { Post } from "../../mail/types.ts";
import type { Posted } from "./intake.ts";

/** Mailgun repeats a post for eight hours, and does not say whether it signs it anew. */
const TOLERANCE_MS = 12 * 3_600_000;
const MOST_FIELDS = 500;
const [AMPERSAND, EQUALS, PERCENT, PLUS] = [38, 61, 37, 43];

/**
 * Reads a post and verifies it.
 *
 * Failure policy: closed.
 *
 * @param now Milliseconds since 1970.
 * @throws {Problem} `signature_missing`, `signature_invalid`, `invalid_request`
 */
export function readMailgun(
  bytes: Uint8Array,
  contentType: string,
  keys: readonly string[],
  now: number,
): Posted {
  const { body, form } = formOf(bytes, contentType);
  if (form === undefined || !form.complete) {
    throw new Problem("invalid_request", { detail: "The form cannot be read." });
  }
  const field = (name: string, most = 2_000) => fieldText(body, form.fields.get(name), "utf-8", most).trim();
  const [timestamp, token, signature] = [field("timestamp"), field("token"), field("signature")];
  if (signature === "") throw new Problem("signature_missing");
  if (!isSigned({ timestamp, token, signature }, keys, now)) throw new Problem("signature_invalid");
  const sender = field("sender");
  const post: Post = {
    provider: "mailgun",
    envelope: {
      to: [
        ...new Set(field("recipient", 20_000).split(",").flatMap((each) => normalAddress(each.trim()) ?? [])),
      ],
      from: sender === "" || sender === "<>" ? "" : normalAddress(sender) ?? null,
    },
    spf: "none",
    dkim: {},
    senderIp: null,
  };
  const mime = form.fields.get("body-mime");
  if (mime !== undefined) {
    const raw = body.subarray(mime.start, mime.end);
    return { mail: readMail(raw), post, raw };
  }
  const parsed = asInboundParse(body, form);
  return { mail: fromParsed(parsed.body, parsed.form), post, raw: parsed.body, formType: parsed.type };
}

/** Whether Mailgun signed these fields, of late. An empty key signs nothing. */
function isSigned(
  { timestamp, token, signature }: { timestamp: string; token: string; signature: string },
  keys: readonly string[],
  now: number,
): boolean {
  if (
    !/^\d{1,12}$/.test(timestamp) || token === "" || Math.abs(now - Number(timestamp) * 1000) > TOLERANCE_MS
  ) {
    return false;
  }
  let valid = false;
  for (const key of keys) {
    const expected = createHmac("sha256", key).update(timestamp + token).digest("hex");
    if (key !== "" && timingSafeEqual(expected, signature.toLowerCase())) valid = true;
  }
  return valid;
}

/** Forms without files come percent-encoded: decoded by bytes, because a mail need not be UTF-8. */
function formOf(bytes: Uint8Array, contentType: string): { body: Uint8Array; form: Form | undefined } {
  if (!/^\s*application\/x-www-form-urlencoded\b/i.test(contentType)) {
    return { body: bytes, form: readForm(bytes, contentType) };
  }
  const body = new Uint8Array(bytes.length);
  const fields = new Map<string, FormField>();
  let written = 0;
  for (let at = 0; at < bytes.length && fields.size < MOST_FIELDS;) {
    const found = bytes.indexOf(AMPERSAND, at);
    const end = found < 0 ? bytes.length : found;
    const equals = bytes.subarray(at, end).indexOf(EQUALS);
    const start = written;
    const nameEnd = decodeInto(bytes, at, equals < 0 ? end : at + equals, body, start);
    const name = new TextDecoder().decode(body.subarray(start, nameEnd));
    written = equals < 0 ? start : decodeInto(bytes, at + equals + 1, end, body, start);
    if (!fields.has(name)) fields.set(name, { name, filename: null, type: null, start, end: written });
    at = end + 1;
  }
  return { body, form: { fields, complete: true } };
}

/** Returns where the decoded bytes end. */
function decodeInto(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  for (let i = start; i < end; i++) {
    const high = from[i] === PERCENT ? digit(from[i + 1]) : -1, low = high < 0 ? -1 : digit(from[i + 2]);
    if (low >= 0 && i + 2 < end) {
      to[at++] = high * 16 + low;
      i += 2;
    } else to[at++] = from[i] === PLUS ? 32 : from[i];
  }
  return at;
}

function digit(code: number | undefined): number {
  const value = code === undefined ? NaN : parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? -1 : value;
}

/** Mailgun's fields under the names of Inbound Parse's parsed mode, whose reader and whose stored form they then have. */
function asInboundParse(body: Uint8Array, form: Form): { body: Uint8Array; form: Form; type: string } {
  const text = (name: string, most: number) => fieldText(body, form.fields.get(name), "utf-8", most);
  // The same for each repetition, as its hash has to be.
  const boundary = `gatelink-${sha256Hex(body).slice(0, 32)}`;
  const parts: (string | Uint8Array)[] = [];
  const add = (name: string, content: string | Uint8Array, about = "") =>
    parts.push(
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${about}\r\n\r\n`,
      content,
      "\r\n",
    );
  add("headers", headerLines(text("message-headers", 500_000)));
  add("charsets", '{"text":"utf-8","html":"utf-8"}');
  if (form.fields.has("body-plain")) add("text", text("body-plain", 1_000_000));
  if (form.fields.has("body-html")) add("html", text("body-html", 1_000_000));
  let count = 0;
  for (const field of form.fields.values()) {
    if (!/^attachment-\d{1,4}$/.test(field.name)) continue;
    const name = (field.filename ?? "file").replace(/["\\\r\n]/g, "_");
    const type = field.type === null ? "" : `\r\ncontent-type: ${field.type}`;
    add(`attachment${++count}`, body.subarray(field.start, field.end), `; filename="${name}"${type}`);
  }
  parts.push(`--${boundary}--\r\n`);
  const made = joined(parts);
  const type = `multipart/form-data; boundary=${boundary}`;
  return { body: made, form: readForm(made, type)!, type };
}

/** `[["From", "…"], …]` as lines. A value cannot add a line of its own. */
function headerLines(text: string): string {
  let pairs: readonly unknown[] = [];
  try {
    pairs = list(JSON.parse(text)) ?? [];
  } catch {
    // Without headers the mail is from nobody, and is kept.
  }
  return pairs.flatMap((pair) => {
    const [name, value] = list(pair) ?? [];
    if (typeof name !== "string" || typeof value !== "string" || !/^[!-9;-~]{1,100}$/.test(name)) return [];
    return `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`;
  }).join("");
}

function joined(parts: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part);
  const all = new Uint8Array(bytes.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of bytes) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
