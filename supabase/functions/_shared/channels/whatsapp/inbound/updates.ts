/**
 * Meta's webhook bodies, taken apart: one `Update` for each thing that happened.
 *
 * Source: Meta, "messages webhook reference" and the references of the other fields
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference). A POST holds up
 * to 1,000 updates over several `entry`, `changes` and lists.
 *
 * Two rules make it lenient and complete:
 *
 * 1. A list is understood only under the field that Meta documents it for. A `messages` list under
 *    `standby` is not a message to answer, so its change stays whole, as one update of kind `other`. So does
 *    every change that is not known. Under `history` it is imported, see history.ts.
 * 2. What stands beside the items that were understood is kept: with the item where there is only one
 *    (`raw._rest`, by level: value, change, entry, body), else as an update of kind `other` of its own.
 *
 * A body of more than {@linkcode MAX_UPDATES} is none of Meta's: what lies beyond is kept whole, as one update.
 *
 * Members of ours in `raw` begin with an underscore: `_rest`, and `_altered` (see json.ts).
 *
 * @module
 */
import type { SenderAccount } from "../../channel.ts";
import { Contacts } from "./identities.ts";
import { newsOf } from "./news.ts";
import {
  type Decoded,
  id,
  isObject,
  isStorable,
  type JsonObject,
  list,
  object,
  text,
} from "../../../json/json.ts";
import { changeEvent } from "./service_events.ts";
import { HISTORY_LISTS, pastUpdates } from "./history.ts";
import {
  clean,
  each as eachOf,
  type ItemKind,
  itemUpdate,
  other,
  type Place,
  UNKNOWN_FIELD,
  type Update,
} from "./update.ts";

export { UNKNOWN_FIELD, unreadable, type Update, type UpdateKind } from "./update.ts";

const OBJECT = "whatsapp_business_account";

/** Most updates of one body that are parsed; Meta sends up to 1,000, and more of them only of a history. */
export const MAX_UPDATES = 5000;

/** The fields that Meta documents, and our own for bodies without one. */
export const FIELDS: ReadonlySet<string> = new Set([
  ...[
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
  ],
  ...["business_capability_update", "business_status_update", "calls", "flows", "group_lifecycle_update"],
  ...["group_participants_update", "group_settings_update", "group_status_update", "history", "invalid_json"],
  ...["message_echoes", "message_template_components_update", "message_template_quality_update"],
  ...["message_template_status_update", "messages", "messaging_handovers", "partner_solutions"],
  ...["payment_configuration_update", "phone_number_name_update", "phone_number_quality_update", "security"],
  ...["smb_app_state_sync", "smb_message_echoes", "standby", "template_category_update"],
  ...[
    "template_correct_category_detection",
    "tracking_events",
    UNKNOWN_FIELD,
    "user_id_update",
    "user_preferences",
  ],
]);

/**
 * The number used by the "Test" button of Meta's dashboard. It belongs to nobody, so the sample is only
 * stored.
 */
const SAMPLE_NUMBER = "123456123";

/** The lists of updates that each field may hold. */
const LISTS: Readonly<Record<string, Readonly<Record<string, ItemKind>>>> = {
  messages: { messages: "message", statuses: "status" },
  smb_message_echoes: { message_echoes: "echo" },
  user_id_update: { user_id_update: "identity" },
  calls: { calls: "call", statuses: "call_status" },
  user_preferences: { user_preferences: "preference" },
  smb_app_state_sync: { state_sync: "name" },
  group_lifecycle_update: { groups: "group" },
  group_settings_update: { groups: "group" },
};

/** For a change without a field name. */
const ANY_LIST: Readonly<Record<string, ItemKind>> = {
  ...LISTS.messages,
  ...LISTS.smb_message_echoes,
  ...LISTS.user_id_update,
};

/**
 * Takes a webhook body apart. Never throws, loses nothing, and gives at least one update: what is not a
 * WhatsApp webhook is one update of field `unknown`.
 *
 * @param body Any JSON value, see `decode` in json.ts.
 */
export function parse(body: unknown): Update[] {
  return parseDecoded({ value: body, storable: isStorable(body) });
}

/** {@linkcode parse} of a body of which it is known whether Postgres can hold it, see `decodeStorable`. */
export function parseDecoded({ value: body, storable }: Decoded): Update[] {
  const dirty = !storable;
  const entries = isObject(body) && (body.object === undefined || body.object === OBJECT)
    ? list(body.entry)
    : undefined;
  const updates: Update[] = [];
  const nowhere: Place = { entryId: "", field: UNKNOWN_FIELD, contacts: NO_CONTACTS, dirty };
  if (entries === undefined) {
    updates.push(other(nowhere, body));
    return updates;
  }
  each(entries, updates, nowhere, (entry) => parseEntry(updates, entry, nowhere));
  keepRest(updates, 0, "body", restOf(body as JsonObject, BODY_MEMBERS), nowhere);
  return updates;
}

/** The accounts of business numbers in a body: an entry belongs to one account. */
export function accountsOf(body: unknown): SenderAccount[] {
  const accounts: SenderAccount[] = [];
  for (const entry of isObject(body) ? list(body.entry) ?? [] : []) {
    const account = isObject(entry) ? id(entry.id) : undefined;
    if (!account || !isObject(entry)) continue;
    for (const change of list(entry.changes) ?? []) {
      const metadata = isObject(change) ? object(object(change.value)?.metadata) : undefined;
      const sender = id(metadata?.phone_number_id);
      if (!sender || sender === SAMPLE_NUMBER || accounts.some(({ id }) => id === sender)) continue;
      accounts.push({
        channel: "whatsapp",
        provider: "whatsapp",
        id: sender,
        address: id(metadata?.display_phone_number),
        account,
      });
    }
  }
  return accounts;
}

const NO_CONTACTS = new Contacts(undefined);
const BODY_MEMBERS = new Set(["object", "entry"]);
const ENTRY_MEMBERS = new Set(["id", "time", "changes"]);
const CHANGE_MEMBERS = new Set(["field", "value"]);
const METADATA_MEMBERS = new Set(["phone_number_id", "display_phone_number"]);

function parseEntry(updates: Update[], entry: unknown, nowhere: Place): void {
  const changes = isObject(entry) ? list(entry.changes) : undefined;
  if (!isObject(entry) || changes === undefined) {
    updates.push(other(nowhere, entry, isObject(entry) ? entry.time : undefined));
    return;
  }
  const from = updates.length;
  const place = { ...nowhere, entryId: text(entry.id) ?? "" };
  each(changes, updates, place, (change) => parseChange(updates, change, entry.time, place));
  keepRest(updates, from, "entry", restOf(entry, ENTRY_MEMBERS), place);
}

function parseChange(updates: Update[], change: unknown, entryTime: unknown, entryPlace: Place): void {
  if (!isObject(change)) {
    updates.push(other(entryPlace, change, entryTime));
    return;
  }
  const from = updates.length;
  const named = id(clean(change.field, entryPlace));
  if (named === undefined && change.field !== undefined) {
    updates.push(other(entryPlace, change, entryTime));
    return;
  }
  const field = named ?? UNKNOWN_FIELD;
  const lists = named === undefined ? ANY_LIST : Object.hasOwn(LISTS, field) ? LISTS[field] : undefined;
  const value = object(change.value);
  const metadata = object(clean(value?.metadata, entryPlace));
  const place: Place = {
    ...entryPlace,
    field,
    numberId: id(metadata?.phone_number_id),
    numberDisplay: id(metadata?.display_phone_number),
    contacts: new Contacts(clean(value?.contacts, entryPlace)),
  };
  if (place.numberId === SAMPLE_NUMBER) {
    updates.push(other({ ...place, numberId: undefined }, change.value, entryTime));
    return;
  }
  if (value !== undefined && lists !== undefined) parseLists(updates, value, lists, place);
  if (value !== undefined && field === "history") {
    pastUpdates(updates, value, place, entryTime);
    if (updates.length > from) {
      keepRest(updates, from, "value", valueRest(value, HISTORY_LISTS, place.contacts), place);
    }
  }
  if (updates.length === from) {
    const whole = other(place, change.value === undefined ? change : change.value, entryTime);
    const news = newsOf(field, whole.raw, place.entryId);
    if (news !== undefined) whole.news = news;
    const event = isObject(whole.raw) ? changeEvent(field, whole.raw, place.entryId) : undefined;
    if (event !== undefined) whole.event = event;
    updates.push(whole);
    if (change.value === undefined) return;
  }
  keepRest(updates, from, "change", restOf(change, CHANGE_MEMBERS), place);
}

function parseLists(
  updates: Update[],
  value: JsonObject,
  lists: Readonly<Record<string, ItemKind>>,
  place: Place,
): void {
  const from = updates.length;
  for (const name in lists) {
    each(
      list(value[name]) ?? [],
      updates,
      place,
      (item) => updates.push(itemUpdate(lists[name], item, place)),
    );
  }
  if (updates.length === from) return;
  const only = updates.length === from + 1 ? updates[from] : undefined;
  if (only?.kind === "other") {
    only.raw = clean(value, place);
    return;
  }
  const rest = valueRest(value, lists, place.contacts);
  // Errors beside a single item are about it.
  if (only !== undefined && only.error === undefined && rest?.errors !== undefined) {
    only.error = list(clean(rest.errors, place));
  }
  keepRest(updates, from, "value", rest, place);
}

function each(
  items: readonly unknown[],
  updates: Update[],
  place: Place,
  take: (item: unknown) => void,
): void {
  eachOf(items, updates, place, MAX_UPDATES, take);
}

/** The members of `source` that are not among `known`, if any has content. */
function restOf(source: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let rest: JsonObject | undefined;
  for (const key in source) {
    if (!known.has(key) && !isEmpty(source[key])) {
      (rest ??= Object.create(null) as JsonObject)[key] = source[key];
    }
  }
  return rest;
}

function valueRest(
  value: JsonObject,
  lists: Readonly<Record<string, unknown>>,
  contacts: Contacts,
): JsonObject | undefined {
  let rest: JsonObject | undefined;
  for (const key in value) {
    const left = key === "messaging_product" || Object.hasOwn(lists, key) && Array.isArray(value[key])
      ? undefined
      : key === "metadata" && isObject(value.metadata)
      ? restOf(value.metadata, METADATA_MEMBERS)
      : key === "contacts" && Array.isArray(value.contacts)
      ? contacts.left
      : value[key];
    if (!isEmpty(left)) (rest ??= Object.create(null) as JsonObject)[key] = left;
  }
  return rest;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value) && value.length === 0;
}

/** Stores leftovers beside the updates made since `from`: with the only one, or as an update of their own. */
function keepRest(
  updates: Update[],
  from: number,
  level: "value" | "change" | "entry" | "body",
  rest: JsonObject | undefined,
  place: Place,
): void {
  if (rest === undefined) return;
  const only = updates.length === from + 1 ? updates[from] : undefined;
  if (only === undefined || !isObject(only.raw)) {
    updates.push(other(place, rest));
    return;
  }
  only.raw = { ...only.raw, _rest: { ...object(only.raw._rest), [level]: clean(rest, place) } };
}
