/**
 * Telnyx's webhooks as updates.
 *
 * Source: Telnyx, "Receiving webhooks for messaging" (developers.telnyx.com): `message.received`, `message.sent`,
 * `message.finalized`, each with the message as its payload.
 *
 * @module
 */
import { decode, isObject, type JsonObject, list, object, text } from "../../../json/json.ts";
import { partyOf } from "../../../sms/numbers.ts";
import type { Parsed } from "../../channel.ts";
import { statusOf } from "./statuses.ts";
import {
  codeOf,
  idOf,
  otherUpdate,
  receivedUpdate,
  type SmsMedia,
  type SmsUpdate,
  statusUpdate,
} from "./update.ts";

const MAX_MEDIA = 10;

/** Takes a body as one update. Never throws and loses nothing. */
export function parseTelnyx(bytes: Uint8Array): Parsed & { updates: SmsUpdate[] } {
  let body: unknown;
  try {
    body = decode(bytes);
  } catch (cause) {
    const raw = { text: new TextDecoder().decode(bytes.subarray(0, 8192)) };
    return { updates: [otherUpdate("telnyx", "invalid_json", raw)], unreadable: cause };
  }
  const event = isObject(body) ? object(body.data) : undefined;
  const update = event === undefined ? undefined : updateOf(event);
  return { updates: [update ?? otherUpdate("telnyx", "other", body)] };
}

function updateOf(event: JsonObject): SmsUpdate | undefined {
  const message = object(event.payload);
  if (message === undefined) return undefined;
  switch (event.event_type) {
    case "message.received":
      return receivedOf(message);
    case "message.sent":
    case "message.finalized":
      return statusOfMessage(message, timeOf(message.completed_at) ?? timeOf(event.occurred_at));
    default:
      return undefined;
  }
}

/** Members whose content has a member of its own. */
const NAMED = new Set(["id", "from", "to", "text", "media", "cc", "received_at", "record_type", "direction"]);

/** A message that came in, from a webhook or the API; undefined if it lacks an end or its id. */
export function receivedOf(message: JsonObject): SmsUpdate | undefined {
  const recipients = list(message.to) ?? [];
  const id = idOf(text(message.id));
  const from = partyOf(numberOf(message.from));
  const to = partyOf(numberOf(recipients[0]));
  if (id === undefined || from === undefined || to === undefined) return undefined;
  const others = [...recipients.slice(1), ...list(message.cc) ?? []].map(numberOf).filter((each) =>
    each !== undefined
  );
  return receivedUpdate({
    provider: "telnyx",
    id,
    from,
    to,
    body: typeof message.text === "string" ? message.text : "",
    media: mediaOf(message),
    group: others,
    said: undefined,
    at: timeOf(message.received_at),
    rest: Object.fromEntries(
      Object.entries(message).filter(([name, value]) =>
        !NAMED.has(name) && value !== null && !(Array.isArray(value) && value.length === 0)
      ),
    ),
  });
}

/** A message that we sent, with its status, from a webhook or the API. */
export function statusOfMessage(message: JsonObject, at: string | undefined): SmsUpdate | undefined {
  const id = idOf(text(message.id));
  const recipient = object(list(message.to)?.[0]);
  const status = text(recipient?.status);
  if (id === undefined || status === undefined) return undefined;
  return statusUpdate({
    provider: "telnyx",
    id,
    status: status.slice(0, 64),
    means: statusOf("telnyx", status),
    sender: partyOf(numberOf(message.from)),
    code: codeOf(text(object(list(message.errors)?.[0])?.code)),
    at,
    callback: ourIdIn(message.tags),
    raw: message,
  });
}

/**
 * A detail record of a text that we sent, as the update that its webhook would have been; undefined for one without id or
 * status. It has the sender as `cli`, the recipient as `cld`, and tags in one text.
 */
export function statusOfRecord(record: JsonObject): SmsUpdate | undefined {
  const id = idOf(text(record.uuid) ?? text(record.id));
  const status = text(record.status)?.toLowerCase().slice(0, 64);
  if (id === undefined || status === undefined) return undefined;
  const [error] = list(record.errors) ?? [];
  const code = isObject(error) ? text(error.code) : text(error);
  return statusUpdate({
    provider: "telnyx",
    id,
    status,
    means: statusOf("telnyx", status),
    sender: partyOf(text(record.cli)),
    code: codeOf(code),
    at: timeOf(record.completed_at) ?? timeOf(record.sent_at),
    callback: ourIdIn(tagsOf(record)),
    raw: { id, status, errors: list(record.errors) ?? [], listed: true },
  });
}

/** The tags of a detail record. */
export function tagsOf({ tags }: JsonObject): readonly unknown[] {
  return list(tags) ?? text(tags)?.split(",").map((tag) => tag.trim()) ?? [];
}

/** We send our id of a message as a tag. */
const TAG = /^gl:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Our id of a message, from its tags. */
export function ourIdIn(tags: unknown): string | undefined {
  for (const tag of list(tags) ?? []) {
    const id = typeof tag === "string" ? TAG.exec(tag)?.[1] : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
}

function mediaOf(message: JsonObject): SmsMedia[] {
  return (list(message.media) ?? []).slice(0, MAX_MEDIA).flatMap((each) => {
    const url = isObject(each) ? text(each.url) : undefined;
    if (!isObject(each) || url === undefined) return [];
    return [{
      url,
      type: text(each.content_type) ?? null,
      size: typeof each.size === "number" ? each.size : null,
    }];
  });
}

function numberOf(end: unknown): string | undefined {
  return isObject(end) ? text(end.phone_number) : undefined;
}

/** Telnyx's times as ISO 8601. */
export function timeOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
