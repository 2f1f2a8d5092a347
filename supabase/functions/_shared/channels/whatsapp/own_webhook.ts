/**
 * Meta's own webhook body, built again from what was stored of it, so that a service made for Meta's webhooks works
 * behind Gatelink unchanged.
 *
 * Each delivery has one message, status or change, as Meta may send them too: a POST of Meta's with several is several
 * deliveries. Members that Meta put beside an item, and that the parser kept in `_rest` (see updates.ts), stand in their
 * places again.
 *
 * Source: Meta, "Webhooks" and "messages webhook reference"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks), and "Validate payloads"
 * (developers.facebook.com/docs/graph-api/webhooks/getting-started) for the signature.
 *
 * @module
 */
import { hmacSha256 } from "../../crypto/hmac.ts";
import { isObject, type JsonObject, list, object } from "../../json/json.ts";
import type { OwnWebhook, Reported } from "../channel.ts";
import { SIGNATURE_HEADER } from "./inbound/signature.ts";
import { UNKNOWN_FIELD } from "./inbound/update.ts";

/** The list of a value that an item belongs to, by field; other fields hold the value whole. */
function listOf(field: string, item: JsonObject): string | undefined {
  switch (field) {
    case "messages":
      return typeof item.status === "string" ? "statuses" : "messages";
    case "calls":
      return typeof item.status === "string" && item.event === undefined ? "statuses" : "calls";
    case "smb_message_echoes":
      return "message_echoes";
    case "user_preferences":
    case "user_id_update":
      return field;
  }
}

/** Fields whose values name the business number. */
const WITH_METADATA = new Set([
  "messages",
  "calls",
  "smb_message_echoes",
  "user_preferences",
  "user_id_update",
]);

/** The body; undefined for what Meta did not report. */
function bodyOf({ field: named, native, sender, contact, at }: Reported): string | undefined {
  if (named === null || native === null) return undefined;
  // Understood without a field's name: it was a message or a status.
  const field = named === UNKNOWN_FIELD ? "messages" : named;
  const { _rest, _altered, ...item } = native as JsonObject;
  const rest = object(_rest) ?? {};
  const name = listOf(field, item);
  // A change that was kept whole has its list already.
  const isWhole = name === undefined || Array.isArray(item[name]);
  const value = isWhole ? item : {
    messaging_product: "whatsapp",
    ...(WITH_METADATA.has(field)
      ? { metadata: { display_phone_number: sender.address ?? "", phone_number_id: sender.id ?? "" } }
      : {}),
    ...contactsOf(contact, name, object(rest.value)),
    [name]: [item],
  };
  return escaped({
    object: "whatsapp_business_account",
    ...object(rest.body),
    entry: [{
      id: sender.account ?? "0",
      time: Math.floor(Date.parse(at) / 1000),
      ...object(rest.entry),
      changes: [{ value: withRest(value, object(rest.value)), field, ...object(rest.change) }],
    }],
  });
}

/** The person beside a message, unless what was kept beside it describes the person already. */
function contactsOf(contact: Reported["contact"], list_: string, rest: JsonObject | undefined): JsonObject {
  if (contact === null || list_ !== "messages" || list(rest?.contacts) !== undefined) return {};
  const { phone, bsuid, parent_bsuid, username, group } = contact.identities;
  if (group !== undefined || (phone === undefined && bsuid === undefined)) return {};
  const profile = {
    ...(contact.name === null ? {} : { name: contact.name }),
    ...(username === undefined ? {} : { username }),
  };
  return {
    contacts: [{
      profile,
      ...(phone === undefined ? {} : { wa_id: phone }),
      ...(bsuid === undefined ? {} : { user_id: bsuid }),
      ...(parent_bsuid === undefined ? {} : { parent_user_id: parent_bsuid }),
    }],
  };
}

/** Members that stood beside an item. Those that a list was left of come after it. */
function withRest(value: JsonObject, rest: JsonObject | undefined): JsonObject {
  const whole: JsonObject = { ...value };
  for (const [name, left] of Object.entries(rest ?? {})) {
    const there = whole[name];
    whole[name] = Array.isArray(there) && Array.isArray(left)
      ? [...there, ...left]
      : isObject(there) && isObject(left)
      ? { ...there, ...left }
      : left;
  }
  return whole;
}

/**
 * JSON as Meta writes it, in ASCII: some receivers serialise the body again in this form before they check its signature.
 */
function escaped(body: unknown): string {
  return JSON.stringify(body).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Meta's webhooks, for destinations of format `meta`. The key is the destination's secret as a text, whole. */
export const ownWebhook: OwnWebhook = {
  bodyOf,
  emptyBody: '{"object":"whatsapp_business_account","entry":[]}',
  headersOf: (body, secret) => ({
    [SIGNATURE_HEADER]: `sha256=${hmacSha256(secret, new TextEncoder().encode(body))}`,
  }),
};
