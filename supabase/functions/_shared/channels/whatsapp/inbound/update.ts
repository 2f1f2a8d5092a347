/**
 * The common shape of everything that Meta sends, and the conversion of each kind of item.
 *
 * @module
 */
import { sha256Hex } from "../../../crypto/sha256.ts";
import type { UpdateKind as CoreKind } from "../../channel.ts";
import { id, isObject, type JsonObject, list, object, text, time, toStorable } from "../../../json/json.ts";
import {
  bookIds,
  Contacts,
  groupOf,
  identitiesOf,
  type Identity,
  type Person,
  type PreviousIds,
  receiverIds,
  recipientIds,
  senderIds,
  systemChange,
  userIdUpdate,
} from "./identities.ts";
import { type Content, contentOf } from "./messages.ts";
import type { News } from "./news.ts";
import { callEvent, type ReportedEvent } from "./service_events.ts";
import { type StatusFields, statusOf } from "./statuses.ts";

/** The channel of these updates, and who delivers them: Meta itself. */
const SOURCE = { channel: "whatsapp", provider: "whatsapp" } as const;

const NOBODY = new Contacts(undefined);

/** What an update is about, see `UpdateKind` in channel.ts. Only a `message` is routed. */
export type UpdateKind = CoreKind;

/**
 * One update, flat, as the SQL function `ingest_updates` takes it. Members that do not apply are absent (or
 * undefined, which JSON leaves out).
 *
 * `identities` and `name` describe the customer: the sender of a message, the receiver of an echo or of the
 * message that a status is about; after a change of identity the new ids, each with the one it replaces. In a
 * group they describe the group: its members share one conversation.
 */
export interface Update extends Content, StatusFields {
  /**
   * The same for each repetition of an update and unique otherwise:
   * - `m:<sender_id>:<provider_id>:<type>` for a message or echo,
   * - `s:<sender_id>:<provider_id>:<status>:<timestamp>[:<participant>]` for a status,
   * - `h:<sender_id>:<provider_id>:<type>` for a message of the app's history, `hm:…` where its file is told of later,
   * - `x:<sha256>` of the entry's id, the field and the item for everything else, and if an id is missing.
   */
  key: string;
  channel: "whatsapp";
  /** Together with `key`, it identifies a repetition. */
  provider: "whatsapp";
  /** Meta's name of the webhook field; `unknown` if the body does not have that shape. */
  field: string;
  kind: UpdateKind;
  /** The business number: Meta's `phone_number_id`. */
  sender_id?: string;
  /** The business number as people dial it. */
  sender_display?: string;
  /** Meta's time, ISO 8601; absent if missing or absurd. */
  at?: string;
  identities?: Identity[];
  /** The customer's profile name; of a group its subject. */
  name?: string;
  /** Who of the group wrote a message in it, and that person's profile name. */
  author?: Identity[];
  author_name?: string;
  /** The message's id (`wamid…`); for a status the id of its message. */
  provider_id?: string;
  /** The message's type. */
  type?: string;
  /** The person refuses marketing messages, or wants them again. */
  opt?: "out" | "in";
  /** What it reports of the account itself, if anything. */
  news?: News;
  /** What services may want to know of it, besides messages and statuses. */
  event?: ReportedEvent;
  /** For a failed status: the code of its first error. */
  failure?: string;
  /** Meta's `errors` list, if there is one. */
  error?: unknown[];
  /** W3C trace context of the request that brought a message, if there was one. */
  traceparent?: string;
  /** Meta's own object for this update: the message, the status, or the whole `change.value`. */
  raw: unknown;
}

/** The field of a body without a webhook shape. */
export const UNKNOWN_FIELD = "unknown";

/** The kind of a list's items. */
export type ItemKind =
  | Exclude<UpdateKind, "past_message" | "past_echo">
  | "preference"
  | "group"
  | "call"
  | "call_status";

/** The place of an item. */
export interface Place {
  entryId: string;
  field: string;
  numberId?: string;
  numberDisplay?: string;
  contacts: Contacts;
  /** Whether the body contains something that Postgres would refuse. */
  dirty: boolean;
}

/** Converts one item of a list to an update. */
export function itemUpdate(kind: ItemKind, item: unknown, place: Place): Update {
  if (!isObject(item)) return other(place, item);
  const raw = clean(item, place) as JsonObject;
  switch (kind) {
    case "message":
      return raw.type === "system"
        ? systemUpdate(raw, place)
        : messageUpdate("message", raw, place, senderIds(raw));
    case "call":
      // A person who calls opens the window as one who writes. It is told once, as the call begins.
      return {
        ...raw.event === "connect" && raw.direction !== "BUSINESS_INITIATED"
          ? messageUpdate("message", raw, place, senderIds(raw), "call")
          : {
            ...other(place, raw, raw.timestamp),
            ...completed(raw.direction === "BUSINESS_INITIATED" ? receiverIds(raw) : senderIds(raw), place),
          },
        event: callEvent(raw),
      };
    case "call_status":
      return {
        ...other(place, raw, raw.timestamp),
        ...completed(recipientIds(raw), place),
        event: callEvent(raw),
      };
    case "echo":
      return messageUpdate("echo", raw, place, receiverIds(raw));
    case "status":
      return statusUpdate(raw, place);
    case "identity":
      return {
        ...other(place, raw, raw.timestamp),
        kind: "identity",
        ...completed(userIdUpdate(raw), place),
      };
    case "preference":
      return {
        ...other(place, raw, raw.timestamp),
        ...completed({ phone: id(raw.wa_id), bsuid: id(raw.user_id) }, place),
        opt: optOf(raw),
      };
    case "name":
      return nameUpdate(raw, place);
    case "group": {
      const group = id(raw.group_id);
      const subject = text(object(raw.group_subject)?.text) ?? text(raw.subject);
      return {
        ...other(place, raw, raw.timestamp),
        ...(group === undefined
          ? {}
          : { identities: [{ kind: "group" as const, value: group }], name: subject }),
      };
    }
    case "other":
      return other(place, raw, raw.timestamp);
  }
}

/**
 * A person whom the business added to, edited in or removed from its app's address book. `body` is the name there, `choice`
 * add (which also edits) or remove.
 */
function nameUpdate(raw: JsonObject, place: Place): Update {
  const at = object(raw.metadata)?.timestamp;
  const update = other(place, raw, at);
  const person = object(raw.contact);
  const { action } = raw;
  if (raw.type !== "contact" || person === undefined || action !== "add" && action !== "remove") {
    return update;
  }
  const identities = identitiesOf(bookIds(person));
  const name = text(person.full_name) ?? text(person.first_name);
  if (identities === undefined || action === "add" && name === undefined) return update;
  return { ...update, kind: "name", identities, body: action === "add" ? name : undefined, choice: action };
}

/** WhatsApp's own notices, such as of a new number; they are not a person's message. */
function systemUpdate(raw: JsonObject, place: Place): Update {
  const change = systemChange(raw);
  // Where nothing changed, what stands beside it is kept beside it: no row of a message would.
  return change === undefined
    ? messageUpdate("identity", raw, { ...place, contacts: NOBODY }, senderIds(raw))
    : messageUpdate("identity", raw, place, change);
}

function messageUpdate(
  kind: "message" | "echo" | "identity",
  raw: JsonObject,
  place: Place,
  ids: Person & PreviousIds,
  type = id(raw.type),
): Update {
  const wamid = id(raw.id);
  const group = groupOf(raw);
  return {
    key: keyOf("m", [place.numberId, wamid, type], raw, place),
    ...SOURCE,
    field: place.field,
    kind,
    sender_id: place.numberId,
    sender_display: place.numberDisplay,
    at: time(raw.timestamp),
    ...completed(ids, place, group),
    ...(group !== undefined && kind === "message" ? authorOf(ids, place) : {}),
    provider_id: wamid,
    type,
    ...contentOf(raw),
    error: list(raw.errors),
    raw,
  };
}

function statusUpdate(raw: JsonObject, place: Place): Update {
  const wamid = id(raw.id);
  const fields = statusOf(raw);
  const participant = id(raw.recipient_participant_id) ?? id(raw.recipient_participant_user_id);
  const parts = [place.numberId, wamid, fields.status, id(raw.timestamp)];
  return {
    key: keyOf("s", participant === undefined ? parts : [...parts, participant], raw, place),
    ...SOURCE,
    field: place.field,
    kind: "status",
    sender_id: place.numberId,
    sender_display: place.numberDisplay,
    at: time(raw.timestamp),
    ...completed(recipientIds(raw), place, groupOf(raw)),
    provider_id: wamid,
    ...fields,
    error: list(raw.errors),
    ...(fields.status === "failed" ? { failure: codeOf(raw) } : {}),
    raw,
  };
}

/** Code of a status's first error; `unknown` if there is none. */
function codeOf(raw: JsonObject): string {
  const code = id(object(list(raw.errors)?.[0])?.code);
  return code !== undefined && /^\d{1,6}$/.test(code) ? code : "unknown";
}

/**
 * An update that is stored without being understood. `at` is its time in Meta's form: without its own, the
 * time of its entry, so that two equal changes at different times are two updates.
 */
export function other(place: Place, item: unknown, at?: unknown): Update {
  const raw = clean(item, place);
  return {
    key: hashKey(raw, place, at),
    ...SOURCE,
    field: place.field,
    kind: "other",
    sender_id: place.numberId,
    sender_display: place.numberDisplay,
    at: time(at),
    raw,
  };
}

/**
 * Completes whom the update is about: in a group the group. Who of it wrote is its author; who read is in `raw`.
 */
export function completed(
  ids: Person & PreviousIds,
  place: Place,
  group?: string,
): Pick<Update, "identities" | "name"> {
  if (group !== undefined) return { identities: [{ kind: "group", value: group }] };
  const { prev_phone, prev_bsuid } = ids;
  const whole = place.contacts.complete(ids);
  return { identities: identitiesOf({ ...whole, prev_phone, prev_bsuid }), name: whole.name };
}

/** Who of a group wrote. */
function authorOf(ids: Person, place: Place): Pick<Update, "author" | "author_name"> {
  const whole = place.contacts.peek(ids);
  return { author: identitiesOf(whole), author_name: whole.name };
}

/** The marketing preference in a `user_preferences` item. */
function optOf(item: JsonObject): Update["opt"] {
  if (item.category !== undefined && item.category !== "marketing_messages") return undefined;
  if (item.value === "stop") return "out";
  return item.value === "resume" || item.value === "signup" ? "in" : undefined;
}

/** A key built from ids if all of them are present (and fit an index entry), else from the content. */
export function keyOf(prefix: string, parts: (string | undefined)[], raw: unknown, place: Place): string {
  if (parts.includes(undefined)) return hashKey(raw, place);
  const key = `${prefix}:${parts.join(":")}`;
  return key.length <= 512 ? key : hashKey(raw, place);
}

function hashKey(raw: unknown, place: Place, at?: unknown): string {
  const source = JSON.stringify([place.entryId, place.field, raw, text(at)]);
  return `x:${sha256Hex(source)}`;
}

/**
 * Processes the items of a list one by one, and those above the limit of the body's updates as one update.
 * @param limit Most updates of a body.
 */
export function each(
  items: readonly unknown[],
  updates: Update[],
  place: Place,
  limit: number,
  take: (item: unknown) => void,
): void {
  for (let i = 0; i < items.length; i++) {
    if (updates.length >= limit) {
      updates.push(other(place, items.slice(i)));
      return;
    }
    take(items[i]);
  }
}

/** The stored form of `item`: unchanged, or what Postgres can hold of it. */
export function clean(item: unknown, place: Place): unknown {
  return place.dirty ? toStorable(item) : item;
}

/** The update for a signed body that is not JSON: its beginning, for inspection. */
export function unreadable(bytes: Uint8Array, maxBytes = 8192): Update {
  return {
    key: `x:${sha256Hex(bytes)}`,
    ...SOURCE,
    field: "invalid_json",
    kind: "other",
    raw: toStorable({ text: new TextDecoder().decode(bytes.subarray(0, maxBytes)), bytes: bytes.length }),
  };
}
