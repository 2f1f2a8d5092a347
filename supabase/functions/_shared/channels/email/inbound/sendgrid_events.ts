/**
 * SendGrid's Event Webhook: a list of events, each read for itself.
 *
 * Source: Twilio SendGrid, "Event Webhook Reference". `sg_event_id` is not the same when SendGrid repeats an event
 * (github.com/sendgrid/sendgrid-nodejs/issues/1435), and repetitions are the rule; so the key is made of what an event
 * says. An asynchronous bounce has no `sg_message_id`: our own id in it finds the message.
 *
 * @module
 */
import { sha256Hex } from "../../../crypto/sha256.ts";
import { decode, isObject, type JsonObject, object, text, time, toStorable } from "../../../json/json.ts";
import { storableText } from "../../../json/text.ts";
import { normalAddress } from "../../../mail/header_values.ts";
import { bounceOf, type MailEvent, type MailEventName, type ParsedEvents, type Suppress } from "./events.ts";
import { uuidOf } from "./ids.ts";
import { judged, type Reported } from "./judged.ts";

const PROVIDER = "sendgrid";
/** Longest part of an unreadable body that is kept. */
const MAX_KEPT = 20_000;
const MAX_WORDS = 500;

const NAMES: ReadonlyMap<string, MailEventName> = new Map([
  ["processed", "processed"],
  ["deferred", "deferred"],
  ["delivered", "delivered"],
  ["dropped", "dropped"],
  ["open", "open"],
  ["click", "click"],
  ["spamreport", "complaint"],
  ["unsubscribe", "unsubscribe"],
  ["group_unsubscribe", "unsubscribe"],
  ["group_resubscribe", "resubscribe"],
]);

/** Why SendGrid dropped a mail, by its words: the address is on a list of its own. */
const DROPPED: readonly [pattern: RegExp, suppress: Suppress][] = [
  [/^bounced address/i, { reason: "bounce", scope: "all" }],
  [/^invalid/i, { reason: "bounce", scope: "all" }],
  [/^spam reporting address/i, { reason: "complaint", scope: "all" }],
  [/^unsubscribed address/i, { reason: "unsubscribe", scope: "all" }],
];

/** Reads a body. Never throws and loses nothing: what is no event is kept as `other`. */
export function parseSendGridEvents(bytes: Uint8Array): ParsedEvents {
  let body: unknown;
  try {
    body = decode(bytes);
  } catch (cause) {
    return { events: [unreadable(bytes)], unreadable: cause };
  }
  const list = Array.isArray(body) ? body : [body];
  return { events: judged(list.map((value) => ({ event: eventOf(value), access: accessOf(value) }))) };
}

function eventOf(value: unknown): MailEvent {
  const item = object(value) ?? {};
  const stated = text(item.event) ?? "";
  const status = text(item.status) ?? "";
  const event = stated === "bounce" ? bounceOf(text(item.type) ?? "", status) : NAMES.get(stated) ?? "other";
  const address = normalAddress(text(item.email) ?? "") ?? null;
  const messageId = text(item.sg_message_id)?.replace(/\.(?:recvd|filter).*$/s, "").slice(0, 256);
  const words = text(item.reason) ?? text(item.response);
  const isFailure = event === "bounce" || event === "blocked" || event === "dropped";
  const [message, delivery] = [uuidOf(item.gl_message), uuidOf(item.gl_delivery)];
  return {
    provider: PROVIDER,
    key: keyOf(item, value, stated),
    event,
    at: time(item.timestamp) ?? null,
    message,
    delivery,
    provider_id: messageId === undefined ? null : storableText(messageId),
    address,
    error: isFailure
      ? {
        code: storableText((status || stated).slice(0, 100)),
        message: storableText((words ?? "no reason was given").slice(0, MAX_WORDS)),
        ...(typeof item.bounce_classification === "string"
          ? { details: storableText(item.bounce_classification.slice(0, 100)) }
          : {}),
      }
      : null,
    suppress: suppressionOf(event, text(item.reason) ?? "", stated),
    metadata: metadataOf(item, stated, event),
    raw: toStorable(isObject(value) ? value : { value }),
  };
}

/** Who opened or clicked, by `useragent`, `ip` and `sg_machine_open`; undefined for other events. */
function accessOf(value: unknown): Reported["access"] {
  const item = object(value) ?? {};
  if (item.event !== "open" && item.event !== "click") return undefined;
  return {
    userAgent: text(item.useragent) ?? "",
    address: text(item.ip),
    link: text(item.url),
    machine: item.sg_machine_open === true,
  };
}

function suppressionOf(event: MailEventName, reason: string, stated: string): Suppress | null {
  switch (event) {
    case "bounce":
      return { reason: "bounce", scope: "all" };
    case "complaint":
      return { reason: "complaint", scope: "all" };
    case "unsubscribe":
      // A group is a kind of newsletter.
      return { reason: "unsubscribe", scope: stated === "group_unsubscribe" ? "bulk" : "all" };
    case "dropped":
      return DROPPED.find(([pattern]) => pattern.test(reason))?.[1] ?? null;
    default:
      return null;
  }
}

function metadataOf(item: JsonObject, stated: string, event: MailEventName): MailEvent["metadata"] {
  const metadata: Record<string, unknown> = {};
  if (event === "other" && stated !== "") metadata.name = storableText(stated.slice(0, 60));
  if (event === "open" && typeof item.sg_machine_open === "boolean") metadata.machine = item.sg_machine_open;
  const campaign = uuidOf(item.gl_campaign);
  if (campaign !== null) metadata.campaign = campaign;
  return Object.keys(metadata).length > 0 ? metadata : null;
}

/**
 * What makes an event the same: the mail, the event, its time, and what tells two clicks or two attempts apart. What is
 * no event is known by its content.
 */
function keyOf(item: JsonObject, value: unknown, stated: string): string {
  const mail = text(item.gl_message) ?? text(item.gl_delivery) ?? text(item.sg_message_id) ??
    text(item["smtp-id"]);
  const timestamp = text(item.timestamp);
  const parts = stated === "" || mail === undefined || timestamp === undefined
    ? [JSON.stringify({ ...(isObject(value) ? value : { value }), sg_event_id: undefined })]
    : [
      mail,
      stated,
      timestamp,
      text(item.email) ?? "",
      text(item.url) ?? "",
      JSON.stringify(item.url_offset ?? null),
      text(item.response) ?? text(item.reason) ?? "",
      text(item.attempt) ?? "",
      text(item.asm_group_id) ?? "",
    ];
  return `sendgrid:${sha256Hex(parts.join("\0"))}`;
}

function unreadable(bytes: Uint8Array): MailEvent {
  return {
    provider: PROVIDER,
    key: `sendgrid:${sha256Hex(bytes)}`,
    event: "other",
    at: null,
    message: null,
    delivery: null,
    provider_id: null,
    address: null,
    error: null,
    suppress: null,
    metadata: { name: "unreadable" },
    raw: { unreadable: storableText(new TextDecoder().decode(bytes.subarray(0, MAX_KEPT))) },
  };
}
