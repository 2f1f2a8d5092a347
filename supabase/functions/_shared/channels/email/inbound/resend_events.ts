/**
 * Resend's webhooks: one event each, sent through Svix.
 *
 * Source: Resend, "Event Types" and "Receiving Emails" (resend.com/docs/dashboard). A mail that came in is only named
 * (`email.received`), and fetched by its id.
 *
 * @module
 */
import { sha256Hex } from "../../../crypto/sha256.ts";
import { decode, object, text, toStorable } from "../../../json/json.ts";
import { storableText } from "../../../json/text.ts";
import { normalAddress } from "../../../mail/header_values.ts";
import { bounceOf, type MailEvent, type MailEventName, type ParsedEvents, type Suppress } from "./events.ts";
import { uuidOf } from "./ids.ts";
import { judged, type Reported } from "./judged.ts";

const PROVIDER = "resend";

const NAMES: ReadonlyMap<string, MailEventName> = new Map([
  ["email.sent", "processed"],
  ["email.delivered", "delivered"],
  ["email.delivery_delayed", "deferred"],
  ["email.failed", "dropped"],
  ["email.suppressed", "dropped"],
  ["email.complained", "complaint"],
  ["email.opened", "open"],
  ["email.clicked", "click"],
]);

/** A body of Resend. */
export interface ResendBody extends ParsedEvents {
  /** Id of a mail that came in and has to be fetched. */
  readonly received?: string;
}

/**
 * Reads a body. Never throws.
 *
 * @param id The header `svix-id`: the same for each repetition.
 */
export function parseResend(bytes: Uint8Array, id: string): ResendBody {
  let body: unknown;
  try {
    body = decode(bytes);
  } catch (cause) {
    const raw = { unreadable: storableText(new TextDecoder().decode(bytes.subarray(0, 20_000))) };
    return { events: [eventOf({}, id, raw)], unreadable: cause };
  }
  const item = object(body) ?? {};
  if (item.type === "email.received") {
    const received = text(object(item.data)?.email_id);
    // An id stands in an address.
    if (received !== undefined && /^[\w-]{1,100}$/.test(received)) return { events: [], received };
  }
  return { events: judged([{ event: eventOf(item, id, toStorable(item)), access: accessOf(item) }]) };
}

function eventOf(item: Record<string, unknown>, id: string, raw: unknown): MailEvent {
  const data = object(item.data) ?? {};
  const stated = text(item.type) ?? "";
  const bounce = object(data.bounce);
  const diagnostic = Array.isArray(bounce?.diagnosticCode) ? bounce.diagnosticCode.join(" ") : "";
  const status = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(diagnostic)?.[0] ?? "";
  const event = stated === "email.bounced"
    ? bounceOf(text(bounce?.type) === "Permanent" ? "bounce" : "blocked", status)
    : NAMES.get(stated) ?? "other";
  const tags = tagsOf(data.tags);
  const created = Date.parse(text(item.created_at) ?? "");
  const to = Array.isArray(data.to) ? data.to : [data.to];
  const failed = event === "bounce" || event === "blocked" || event === "dropped";
  const words = text(bounce?.message) ?? text(object(data.failed)?.reason) ??
    text(object(data.suppressed)?.message);
  const providerId = text(data.email_id)?.slice(0, 256);
  return {
    provider: PROVIDER,
    key: `resend:${sha256Hex(id)}`,
    event,
    at: Number.isNaN(created) ? null : new Date(created).toISOString(),
    message: uuidOf(tags.gl_message),
    delivery: uuidOf(tags.gl_delivery),
    provider_id: providerId === undefined ? null : storableText(providerId),
    address: to.length === 1 ? normalAddress(text(to[0]) ?? "") ?? null : null,
    error: failed
      ? {
        code: status || text(bounce?.subType) || stated,
        message: storableText((words ?? "no reason was given").slice(0, 500)),
      }
      : null,
    suppress: suppressionOf(event),
    metadata: event === "other" && stated !== "" ? { name: storableText(stated.slice(0, 60)) } : null,
    raw,
  };
}

/** Who clicked: Resend says so of clicks alone, and an open without an agent is not judged. */
function accessOf(item: Record<string, unknown>): Reported["access"] {
  const data = object(item.data);
  const seen = object(data?.click) ?? object(data?.open);
  if (seen === undefined) return undefined;
  return { userAgent: text(seen.userAgent) ?? "", address: text(seen.ipAddress), link: text(seen.link) };
}

function suppressionOf(event: MailEventName): Suppress | null {
  if (event === "bounce") return { reason: "bounce", scope: "all" };
  return event === "complaint" ? { reason: "complaint", scope: "all" } : null;
}

/** Tags come as an object, and in older webhooks as a list of name and value. */
function tagsOf(tags: unknown): Record<string, unknown> {
  if (!Array.isArray(tags)) return object(tags) ?? {};
  return Object.fromEntries(
    tags.flatMap((tag) => {
      const { name, value } = object(tag) ?? {};
      return typeof name === "string" ? [[name, value]] : [];
    }),
  );
}
