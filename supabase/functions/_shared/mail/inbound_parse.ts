/**
 * The fields of SendGrid's Inbound Parse: what it says about the way of a mail, in both of its modes, and the mail itself
 * in parsed mode. Field names and shapes: SendGrid's documentation, "Setting Up The Inbound Parse Webhook".
 *
 * @module
 */
import { cleanLine } from "./charset.ts";
import { fieldText, type Form } from "./form.ts";
import { readBlock } from "./header.ts";
import { addressesOf, asciiDomain, normalAddress } from "./header_values.ts";
import { MAIL_LIMITS, mailOf } from "./mime.ts";
import { markInline, safeName } from "./attachments.ts";
import type { Attachment, Mail, MailLimits, Post, Truncation } from "./types.ts";

/** Recipients of one post that are read. */
const MOST_RECIPIENTS = 100;

/** Whether a form is a mail, and in which mode: raw has the field `email`, parsed the field `headers`. */
export function modeOf(form: Form): "raw" | "parsed" | undefined {
  if (form.fields.has("email")) return "raw";
  return form.fields.has("headers") || form.fields.has("text") || form.fields.has("html")
    ? "parsed"
    : undefined;
}

/**
 * What the provider says besides the mail. A member that cannot be read is empty, and the mail is kept: its own headers are
 * looked at instead.
 */
export function readPost(body: Uint8Array, form: Form): Post {
  const field = (name: string) => fieldText(body, form.fields.get(name), null, 100_000).trim();
  return {
    provider: "sendgrid",
    envelope: envelopeOf(field("envelope")),
    spf: /^[a-z]{1,20}/.exec(field("SPF").toLowerCase())?.[0] ?? "none",
    dkim: dkimOf(field("dkim")),
    senderIp: field("sender_ip").slice(0, 60) || null,
  };
}

function envelopeOf(text: string): Post["envelope"] {
  const value = json(text);
  if (!isObject(value)) return { to: [], from: null };
  const listed = Array.isArray(value.to) ? value.to : [value.to];
  const to = listed.slice(0, MOST_RECIPIENTS)
    .flatMap((entry) => typeof entry === "string" ? normalAddress(entry) ?? [] : []);
  const stated = typeof value.from === "string" ? value.from.trim() : undefined;
  // The null sender of a bounce is a statement; what is no address is none.
  const from = stated === "" || stated === "<>" ? "" : normalAddress(stated ?? "") ?? null;
  return { to: [...new Set(to)], from };
}

/** `{@example.org : pass}`, also several in a row; the best verdict of a domain counts. */
function dkimOf(text: string): Record<string, string> {
  const verdicts: Record<string, string> = {};
  for (
    const [, stated, verdict] of text.slice(0, 10_000).matchAll(
      /@([^\s:{},]{1,255})\s{0,5}:\s{0,5}([a-z]{1,20})/gi,
    )
  ) {
    const domain = asciiDomain(stated);
    if (domain !== undefined && verdicts[domain] !== "pass") verdicts[domain] = verdict.toLowerCase();
  }
  return verdicts;
}

/**
 * The mail of a form in parsed mode. Positions of attachments refer to `body`.
 */
export function fromParsed(body: Uint8Array, form: Form, limits: MailLimits = MAIL_LIMITS): Mail {
  const truncated = new Set<Truncation>();
  const charsets = json(fieldText(body, form.fields.get("charsets"), null, 10_000));
  const charset = (name: string) => {
    const stated = isObject(charsets) ? charsets[name] : undefined;
    return typeof stated === "string" ? stated : null;
  };
  const text = (name: string) => {
    const field = form.fields.get(name);
    if (field === undefined) return null;
    if (field.end - field.start > limits.textBytes) truncated.add("text");
    return fieldText(body, field, charset(name), limits.textBytes);
  };
  const range = form.fields.get("headers");
  const bytes = range === undefined ? new Uint8Array() : body.subarray(range.start, range.end);
  const block = readBlock(bytes, 0, bytes.length, limits.headerBytes, true);
  if (block.cut) truncated.add("headers");
  const mail = mailOf(block.fields, limits, truncated);
  const html = text("html");
  const from = addressesOf(text("from") ?? "", limits.addresses);
  return {
    ...mail,
    // The fields repeat what the headers say, and stand in for headers that are missing.
    from: mail.from.count > 0 || from.length === 0
      ? mail.from
      : { ...from[0], raw: text("from") ?? "", count: from.length },
    to: mail.to.length > 0 ? mail.to : addressesOf(text("to") ?? "", limits.addresses),
    cc: mail.cc.length > 0 ? mail.cc : addressesOf(text("cc") ?? "", limits.addresses),
    subject: mail.subject || (text("subject") ?? "").trim().slice(0, 1_000),
    type: "multipart/mixed",
    reportType: null,
    reportParts: [],
    original: null,
    calendar: null,
    text: text("text"),
    html,
    attachments: markInline(files(body, form), html),
    truncated: [...truncated],
  };
}

/** Files in the order of their numbers; `attachment-info` describes them in any order. */
function files(body: Uint8Array, form: Form): Attachment[] {
  const info = json(fieldText(body, form.fields.get("attachment-info"), null, 200_000));
  const cids = json(fieldText(body, form.fields.get("content-ids"), null, 200_000));
  const cidOf = new Map(
    isObject(cids)
      ? Object.entries(cids).map(([cid, name]) => [String(name), cid.replace(/^<|>$/g, "")])
      : [],
  );
  return [...form.fields.values()]
    .filter(({ name, filename }) => /^attachment\d{1,4}$/.test(name) && (filename !== null || isObject(info)))
    .sort((a, b) => Number(a.name.slice(10)) - Number(b.name.slice(10)))
    .map((field, index) => {
      const about = isObject(info) ? info[field.name] : undefined;
      const known: Record<string, unknown> = isObject(about) ? about : {};
      const stated = [known.filename, known.name, field.filename].find((name) => typeof name === "string");
      const type = [known.type, field.type].find((type) => typeof type === "string");
      const cid = typeof known["content-id"] === "string" ? known["content-id"] : cidOf.get(field.name);
      return {
        index,
        name: safeName(stated === undefined ? "" : String(stated)),
        type: /^[\w.+-]+\/[\w.+-]+$/.exec(String(type))?.[0].toLowerCase() ?? "application/octet-stream",
        size: field.end - field.start,
        start: field.start,
        end: field.end,
        encoding: "identity" as const,
        cid: cid === undefined ? null : cleanLine(cid).replace(/^<|>$/g, "").slice(0, 500),
        inline: false,
      };
    });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
