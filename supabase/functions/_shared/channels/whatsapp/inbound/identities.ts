/**
 * The person that an update is about: phone number, business-scoped user id (BSUID), its parent, username,
 * name.
 *
 * Source: Meta, "Business-scoped user IDs" and "System messages webhook reference", and its changelog of
 * 2026-08-11 (developers.facebook.com/documentation/business-messaging/whatsapp/): phone numbers may be
 * missing, a BSUID looks like `US.13491208655302741918`, and a change of number or BSUID arrives as a
 * `system` message. Numbers are stored as Meta sends them, without a leading plus: the spellings of
 * Argentine, Brazilian and Mexican mobiles differ from what people dial, and the database treats them as
 * equal.
 *
 * @module
 */
import { id, isObject, type JsonObject, list, object, text } from "../../../json/json.ts";

/** The ids of the customer; absent ones are undefined. */
export interface Person {
  phone?: string;
  bsuid?: string;
  parent_bsuid?: string;
  username?: string;
  name?: string;
}

/** The ids before a change of identity, which the ids above replace. */
export interface PreviousIds {
  prev_phone?: string;
  prev_bsuid?: string;
}

/**
 * A person's id in the form that the core takes from every channel; `value` or `previous` may be absent, but
 * not both.
 */
export interface Identity {
  kind: "phone" | "bsuid" | "parent_bsuid" | "username" | "group";
  value?: string;
  /** The id that this one replaces, if the update reports a change. */
  previous?: string;
}

/** The ids as a list, always in the same order; absent if there are none. */
export function identitiesOf(ids: Person & PreviousIds): Identity[] | undefined {
  const { phone, bsuid, parent_bsuid, username, prev_phone, prev_bsuid } = ids;
  const list: Identity[] = [];
  if (phone !== undefined || prev_phone !== undefined) {
    list.push({ kind: "phone", value: phone, previous: prev_phone });
  }
  if (bsuid !== undefined || prev_bsuid !== undefined) {
    list.push({ kind: "bsuid", value: bsuid, previous: prev_bsuid });
  }
  if (parent_bsuid !== undefined) list.push({ kind: "parent_bsuid", value: parent_bsuid });
  if (username !== undefined) list.push({ kind: "username", value: username });
  return list.length === 0 ? undefined : list;
}

/** The `contacts` list of a webhook value. It describes the people that the items name by number or BSUID. */
export class Contacts {
  readonly #all: readonly unknown[];
  readonly #taken = new Set<unknown>();
  #index: Map<string, JsonObject> | undefined;

  /** @param contacts The value's `contacts` member, of any type. */
  constructor(contacts: unknown) {
    this.#all = list(contacts) ?? [];
  }

  /**
   * Completes an item's own ids with its entry in the list. An item without any id belongs to the only person
   * listed, if there is exactly one. An entry that contradicts the item (another number or another BSUID)
   * belongs to somebody else.
   */
  complete(ids: Person): Person {
    const entry = this.#find(ids);
    if (entry === undefined) return ids;
    if (isFullyKnown(entry)) this.#taken.add(entry);
    const person = personOf(entry);
    return {
      phone: ids.phone ?? person.phone,
      bsuid: ids.bsuid ?? person.bsuid,
      parent_bsuid: ids.parent_bsuid ?? person.parent_bsuid,
      username: person.username,
      name: person.name,
    };
  }

  /** The entries that no item used, or that contain more than a {@linkcode Person}. */
  get left(): unknown[] {
    return this.#all.filter((entry) => !this.#taken.has(entry));
  }

  #find({ phone, bsuid }: Person): JsonObject | undefined {
    if (phone === undefined && bsuid === undefined) {
      return this.#all.length === 1 ? object(this.#all[0]) : undefined;
    }
    const index = this.#index ??= indexed(this.#all);
    const entry = (bsuid === undefined ? undefined : index.get(bsuid)) ??
      (phone === undefined ? undefined : index.get(phone));
    if (entry === undefined) return undefined;
    return agrees(phone, phoneOf(entry.wa_id)) && agrees(bsuid, id(entry.user_id)) ? entry : undefined;
  }
}

/** A person from a `contacts` list, of a webhook value or a response of the Graph API. */
export function personOf(entry: JsonObject): Person {
  const profile = object(entry.profile);
  return {
    phone: phoneOf(entry.wa_id),
    bsuid: id(entry.user_id) ?? bsuidIn(entry.wa_id),
    parent_bsuid: id(entry.parent_user_id),
    username: id(profile?.username),
    name: text(profile?.name),
  };
}

/** ISO country code, a dot, `ENT.` for the parent of several businesses, up to 128 letters and digits. */
const BSUID = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;

/** Whether `value` looks like a BSUID or parent BSUID. */
export function isBsuid(value: string): boolean {
  return BSUID.test(value);
}

/**
 * A phone number without the plus and the separators that Meta writes in some; undefined for a BSUID, which
 * may be in its place.
 */
function phoneOf(value: unknown): string | undefined {
  const given = id(value);
  if (given?.startsWith("+")) return id(given.replace(/\D/g, ""));
  return given === undefined || isBsuid(given) ? undefined : given;
}

/** A BSUID in the place of a phone number; undefined if there is none. */
function bsuidIn(value: unknown): string | undefined {
  const given = id(value);
  return given === undefined || !isBsuid(given) ? undefined : given;
}

/** The group of a message, echo or status; undefined for a chat with one person. */
export function groupOf(item: JsonObject): string | undefined {
  return id(item.group_id) ??
    (item.recipient_type === "group" ? id(item.to) ?? id(item.recipient_id) : undefined);
}

/** The sender of a message. A person who hides the number may share it in the message, on request. */
export function senderIds(message: JsonObject): Person {
  return {
    phone: phoneOf(message.from) ?? sharedPhone(message),
    bsuid: id(message.from_user_id) ?? bsuidIn(message.from),
    parent_bsuid: id(message.from_parent_user_id),
  };
}

/** The customer who received an echo (a message that the business sent elsewhere). */
export function receiverIds(echo: JsonObject): Person {
  return {
    phone: phoneOf(echo.to),
    bsuid: id(echo.to_user_id) ?? bsuidIn(echo.to),
    parent_bsuid: id(echo.to_parent_user_id),
  };
}

/** The customer of a thread of the app's history: its id is the number, `context` has the other ids. */
export function threadIds(thread: JsonObject): Person {
  const context = object(thread.context);
  return {
    phone: phoneOf(thread.id) ?? phoneOf(context?.wa_id),
    bsuid: bsuidIn(thread.id) ?? id(context?.user_id),
    parent_bsuid: id(context?.parent_user_id),
    username: id(context?.username),
  };
}

/** A person in the address book of the business's app. */
export function bookIds(person: JsonObject): Person {
  return {
    phone: phoneOf(person.phone_number),
    bsuid: id(person.user_id) ?? bsuidIn(person.phone_number),
    parent_bsuid: id(person.parent_user_id),
    username: id(person.username),
  };
}

/** The customer that a status is about: in a group the participant, because `recipient_id` is the group. */
export function recipientIds(status: JsonObject): Person {
  const phone = phoneOf(status.recipient_participant_id) ??
    (status.recipient_type === "group" ? undefined : phoneOf(status.recipient_id));
  return {
    // It is learnt as the person's, so nothing else may stand there.
    phone: phone !== undefined && /^\d+$/.test(phone) ? phone : undefined,
    bsuid: id(status.recipient_participant_user_id) ?? id(status.recipient_user_id) ??
      bsuidIn(status.recipient_id),
    // Meta's pages name the parent both ways.
    parent_bsuid: id(status.recipient_participant_parent_user_id) ?? id(status.recipient_parent_user_id) ??
      id(status.parent_recipient_user_id),
  };
}

/**
 * The change that a `system` message reports; undefined if it reports none.
 *
 * Its `from` is the number before the change. Until August 2026 a changed BSUID was reported only in the text
 * ("… changed from OLD to NEW"), since then in `previous_user_id`.
 */
export function systemChange(message: JsonObject): Person & PreviousIds | undefined {
  const system = object(message.system);
  const kind = text(system?.type);
  if (system === undefined || kind === undefined || !/^(?:user|customer)_changed_/.test(kind)) {
    return undefined;
  }
  const before = senderIds(message);
  const phone = phoneOf(system.wa_id) ?? phoneOf(system.new_wa_id); // new_wa_id before API v12
  const bsuid = id(system.user_id);
  const previousPhone = phoneOf(system.customer) ?? before.phone; // customer before API v12
  const previousBsuid = id(system.previous_user_id) ?? before.bsuid ?? bsuidBefore(text(system.body), bsuid);
  return {
    phone: phone ?? before.phone,
    bsuid: bsuid ?? before.bsuid,
    parent_bsuid: id(system.parent_user_id) ?? before.parent_bsuid,
    prev_phone: phone !== undefined && phone !== previousPhone ? previousPhone : undefined,
    prev_bsuid: bsuid !== undefined && bsuid !== previousBsuid ? previousBsuid : undefined,
  };
}

/** One item of a `user_id_update` list. */
export function userIdUpdate(item: JsonObject): Person & PreviousIds {
  const bsuid = object(item.user_id);
  const current = id(bsuid?.current);
  const previous = id(bsuid?.previous);
  return {
    phone: phoneOf(item.wa_id),
    bsuid: current,
    parent_bsuid: id(object(item.parent_user_id)?.current),
    prev_bsuid: previous === current ? undefined : previous,
  };
}

/** `OLD` of "… changed from OLD to NEW", for this very NEW. */
function bsuidBefore(body: string | undefined, bsuid: string | undefined): string | undefined {
  if (body === undefined || bsuid === undefined) return undefined;
  const match = /\bfrom ([A-Z]{2}\.[A-Za-z0-9.]{1,200}) to (\S+)$/.exec(body);
  return match?.[2] === bsuid ? match[1] : undefined;
}

/** The number in the card that a person sends on request; any other card may be somebody else's. */
function sharedPhone(message: JsonObject): string | undefined {
  if (message.type !== "contacts") return undefined;
  const card = object(list(message.contacts)?.[0]);
  if (message.origin !== "contact_request" && card?.origin !== "contact_request") return undefined;
  for (const phone of list(card?.phones) ?? []) {
    const number = phoneOf(object(phone)?.wa_id) ?? text(object(phone)?.phone)?.replace(/\D/g, "");
    if (number) return number;
  }
}

function indexed(entries: readonly unknown[]): Map<string, JsonObject> {
  const index = new Map<string, JsonObject>();
  for (const entry of entries) {
    if (!isObject(entry)) continue;
    for (const key of [phoneOf(entry.wa_id), id(entry.user_id)]) {
      if (key !== undefined && !index.has(key)) index.set(key, entry);
    }
  }
  return index;
}

function agrees(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

const CONTACT_MEMBERS = new Set(["wa_id", "user_id", "parent_user_id", "profile"]);
const PROFILE_MEMBERS = new Set(["name", "username"]);

function isFullyKnown(entry: JsonObject): boolean {
  for (const key in entry) if (!CONTACT_MEMBERS.has(key)) return false;
  const profile = entry.profile;
  if (profile === undefined) return true;
  if (!isObject(profile)) return false;
  for (const key in profile) if (!PROFILE_MEMBERS.has(key)) return false;
  return true;
}
