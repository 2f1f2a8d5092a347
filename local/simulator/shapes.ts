/**
 * The shapes of Meta's webhooks, made from our own model. Pure. Source: Meta's webhook reference for the WhatsApp
 * Business Account object, and bodies seen in public test suites.
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import type { ChatMessage, Contact, Json, Progress, Update } from "./model.ts";
import type { Random } from "./random.ts";

/** The business's side of every webhook. */
export interface Business {
  /** WhatsApp Business Account id, `entry[].id`. */
  wabaId: string;
  phoneNumberId: string;
  /** Digits only. */
  displayNumber: string;
}

/**
 * A message id in Meta's format: base64 of a small record with the phone number and a hexadecimal id, here
 * made of time, count and chance so that a restart never repeats one.
 */
export function makeWamid(
  parts: { phone: string; incoming: boolean; now: number; count: number; random: Random },
): string {
  const hex = parts.now.toString(16).padStart(11, "0").slice(-11) +
    (parts.count % 0x10000).toString(16).padStart(4, "0") + parts.random.string(5, "0123456789abcdef");
  const ascii = (text: string) => [...text].map((c) => c.charCodeAt(0));
  const bytes = [
    ...[0x1c, 0x18, parts.phone.length, ...ascii(parts.phone), 0x15, 0x02, 0x00],
    ...[parts.incoming ? 0x12 : 0x11, 0x18, hex.length, ...ascii(hex.toUpperCase()), 0x00],
  ];
  return `wamid.${Buffer.from(bytes).toString("base64")}`;
}

/** A person's entry in `value.contacts`, with only what a business may see. */
export function personOf(contact: Contact): Json {
  return {
    profile: { name: contact.name, ...(contact.username && { username: contact.username }) },
    ...(contact.phone && { wa_id: contact.phone }),
    ...(contact.bsuid && { user_id: contact.bsuid }),
    ...(contact.parentBsuid && { parent_user_id: contact.parentBsuid }),
  };
}

/** The first keys of `value.messages[]`: sender, id, time. */
export function envelopeOf(contact: Contact, wamid: string, at: number): Json {
  return {
    ...(contact.phone && { from: contact.phone }),
    ...(contact.bsuid && { from_user_id: contact.bsuid }),
    ...(contact.parentBsuid && { from_parent_user_id: contact.parentBsuid }),
    id: wamid,
    timestamp: seconds(at),
  };
}

/** `value.message_echoes[]`: a message that somebody at the business sent in its app. */
export function echoOf(contact: Contact, from: string, wamid: string, at: number, message: Json): Json {
  return {
    from,
    ...(contact.phone && { to: contact.phone }),
    ...(contact.bsuid && { to_user_id: contact.bsuid }),
    id: wamid,
    timestamp: seconds(at),
    ...message,
  };
}

/**
 * `value.statuses[]` for a message of the business; returns its `biz_opaque_callback_data` unchanged.
 * @param member Who of a group got or read it.
 */
export function statusOf(
  sent: ChatMessage,
  contact: Contact,
  status: Progress,
  at: number,
  member?: Contact,
): Json {
  const callback = sent.message.biz_opaque_callback_data;
  const template = sent.message.type === "template";
  const category = template ? "utility" : "service";
  return {
    id: sent.wamid,
    status,
    timestamp: seconds(at),
    ...(contact.phone && { recipient_id: contact.phone }),
    ...(contact.bsuid && { recipient_user_id: contact.bsuid }),
    ...(contact.group && { recipient_id: contact.group, recipient_type: "group" }),
    ...(member?.phone && { recipient_participant_id: member.phone }),
    ...(member?.bsuid && { recipient_participant_user_id: member.bsuid }),
    ...(typeof callback === "string" && { biz_opaque_callback_data: callback }),
    ...(status === "failed" ? { errors: [failure(sent)] } : {
      conversation: { id: `conversation-${contact.id}`, origin: { type: category } },
      pricing: { billable: template, pricing_model: "PMP", category },
    }),
  };
}

function failure(sent: ChatMessage): Json {
  const { code, title } = sent.error ?? { code: 131000, title: "Something went wrong" };
  return {
    code,
    title,
    message: title,
    error_data: { details: title },
    href: "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
  };
}

/** The `system` message about a person's new phone number, and the new user id that comes with it. */
export function numberChanged(before: Contact, after: Contact, wamid: string, at: number): Json {
  return {
    ...(before.phone && { from: before.phone }),
    id: wamid,
    timestamp: seconds(at),
    type: "system",
    system: {
      body: `User ${after.name} changed from ${before.phone} to ${after.phone}`,
      wa_id: after.phone,
      ...(after.bsuid && { user_id: after.bsuid }),
      type: "user_changed_number",
    },
  };
}

/** The `system` message about a person's new user id. It names the old one only in its text. */
export function userIdChanged(before: Contact, after: Contact, wamid: string, at: number): Json {
  return {
    ...(after.phone && { from: after.phone }),
    id: wamid,
    timestamp: seconds(at),
    type: "system",
    system: {
      body: `User ${after.name} changed from ${before.bsuid} to ${after.bsuid}`,
      user_id: after.bsuid,
      type: "user_changed_user_id",
    },
  };
}

/** `value.user_id_update[]`, the second webhook about a new user id; this one names both. */
export function userIdUpdate(before: Contact, after: Contact, at: number): Json {
  return {
    ...(after.phone && { wa_id: after.phone }),
    detail: `User id for ${after.name} has been updated.`,
    user_id: { previous: before.bsuid, current: after.bsuid },
    timestamp: seconds(at),
  };
}

/**
 * Combines updates into one webhook body, in their order. Meta distributes aggregated updates over entries
 * and changes arbitrarily, so chance decides whether an update joins the previous change, starts a change, or
 * starts an entry.
 */
export function webhookBody(
  updates: readonly Update[],
  businessOf: (update: Update) => Business,
  random: Random,
  now: number,
): Json {
  const entries: { id: string; time?: number; changes: Json[] }[] = [];
  let last: { field: string; list: string; number: string; value: Json } | undefined;
  for (const update of updates) {
    const { field, list, item, person } = update;
    const business = businessOf(update);
    if (list === "value") {
      entries.push({ id: business.wabaId, time: Math.floor(now / 1000), changes: [{ value: item, field }] });
      last = undefined;
      continue;
    }
    const where = random.next();
    if (
      last?.field !== field || last.list !== list || last.number !== business.phoneNumberId || where >= 0.5
    ) {
      const metadata = {
        display_phone_number: business.displayNumber,
        phone_number_id: business.phoneNumberId,
      };
      const value: Json = { messaging_product: "whatsapp", metadata };
      if (entries.at(-1)?.id !== business.wabaId || where >= 0.8 || last === undefined) {
        entries.push({ id: business.wabaId, changes: [] });
      }
      entries.at(-1)!.changes.push({ value, field });
      last = { field, list, number: business.phoneNumberId, value };
    }
    if (person) addPerson(last.value, person);
    ((last.value[list] ??= []) as Json[]).push(item);
  }
  return { object: "whatsapp_business_account", entry: entries };
}

function addPerson(value: Json, person: Json): void {
  const contacts = (value.contacts ??= []) as Json[];
  if (!contacts.some((one) => JSON.stringify(one) === JSON.stringify(person))) contacts.push(person);
}

/**
 * JSON as Meta writes it: `/` as `\/` and everything outside ASCII as `\uXXXX`. A receiver that checks the
 * signature over re-serialised JSON fails on this, as it does in production.
 */
export function encode(body: Json): string {
  return JSON.stringify(body).replaceAll("/", "\\/").replace(
    // deno-lint-ignore no-control-regex
    /[^\x00-\x7f]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The value of `X-Hub-Signature-256` for these bytes. */
export function signature(bytes: string | Uint8Array, appSecret: string): string {
  return `sha256=${createHmac("sha256", appSecret).update(bytes).digest("hex")}`;
}

/** A short description: "text from Amina", "read by Amina", or "2 messages, 1 status". */
export function summarise(updates: readonly Update[]): string {
  if (updates.length === 1) {
    const [{ list, item, person, status }] = updates;
    if (list === "value") return `${updates[0].field}${item.event === undefined ? "" : ` ${item.event}`}`;
    const name = (person?.profile as Json | undefined)?.name;
    if (list === "user_id_update") return `new user id of ${name}`;
    if (list === "message_echoes") return "echo of the app";
    if (list === "messages") return name ? `${item.type} from ${name}` : `${item.type} message`;
    return `${status} ${{ read: "by", failed: "for" }[status as string] ?? "to"} ${name}`;
  }
  const names = {
    messages: ["message", "messages"],
    statuses: ["status", "statuses"],
    user_id_update: ["id change", "id changes"],
    value: ["account change", "account changes"],
    message_echoes: ["echo of the app", "echoes of the app"],
  };
  return Object.entries(names).flatMap(([list, [one, many]]) => {
    const count = updates.filter((update) => update.list === list).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  }).join(", ");
}

function seconds(at: number): string {
  return String(Math.floor(at / 1000));
}
