/**
 * Finds in an account's Sent folder which message of ours a mail is: after a lost answer, and where a provider gave it a
 * Message-ID of its own.
 *
 * Sources: Gmail API, "users.messages.list" and "Search operators"; Microsoft Graph, "singleValueLegacyExtendedProperty".
 *
 * @module
 */
import { isObject } from "../../../json/json.ts";
import { callMailbox, jsonOf, type Mailbox, type MailboxWorld } from "./call.ts";
import { MESSAGE_HEADER } from "./sent.ts";

/** Our header as a named property of Exchange's: PS_INTERNET_HEADERS (MS-OXPROPS 1.3.2). */
const PROPERTY = `String {00020386-0000-0000-C000-000000000046} Name ${MESSAGE_HEADER}`;

/**
 * Which message of ours a mail in the account's Sent folder is, by its Message-ID, which Gmail may have replaced.
 *
 * @returns Our id; null if there is no such mail; undefined if nobody can say now.
 */
export async function sentAtGmail(
  mailbox: Mailbox,
  messageId: string,
  world: MailboxWorld,
): Promise<string | null | undefined> {
  const query = new URLSearchParams({ q: `in:sent rfc822msgid:${messageId.replace(/[<>\s]/g, "")}` });
  const found = await getJson(mailbox, `/gmail/v1/users/me/messages?${query}`, world);
  if (found === undefined) return undefined;
  const [first] = Array.isArray(found.messages) ? found.messages : [];
  if (!isObject(first) || typeof first.id !== "string") return null;
  const named = new URLSearchParams({ format: "metadata", metadataHeaders: MESSAGE_HEADER });
  const mail = await getJson(
    mailbox,
    `/gmail/v1/users/me/messages/${encodeURIComponent(first.id)}?${named}`,
    world,
  );
  if (mail === undefined) return undefined;
  const headers = isObject(mail.payload) && Array.isArray(mail.payload.headers) ? mail.payload.headers : [];
  const ours = headers.find((each) =>
    isObject(each) && String(each.name).toLowerCase() === MESSAGE_HEADER.toLowerCase()
  );
  return isObject(ours) && typeof ours.value === "string" ? ours.value.trim() : null;
}

async function getJson(mailbox: Mailbox, path: string, world: MailboxWorld) {
  const called = await callMailbox(mailbox, { path }, world);
  return "answer" in called ? jsonOf(called.answer.bytes) : undefined;
}

/**
 * Which message of ours a mail in the account's Sent folder is: by its Message-ID there, or by our own id.
 *
 * @returns Our id; null if there is no such mail; undefined if nobody can say now.
 */
export async function sentAtGraph(
  mailbox: Mailbox,
  by: { readonly messageId: string } | { readonly id: string },
  world: MailboxWorld,
): Promise<string | null | undefined> {
  const filter = "id" in by
    ? `singleValueExtendedProperties/Any(ep: ep/id eq '${PROPERTY}' and ep/value eq '${quoted(by.id)}')`
    : `internetMessageId eq '<${quoted(by.messageId.replace(/[<>\s]/g, ""))}>'`;
  const query = new URLSearchParams({
    $filter: filter,
    $top: "1",
    $select: "id",
    $expand: `singleValueExtendedProperties($filter=id eq '${PROPERTY}')`,
  });
  const called = await callMailbox(mailbox, { path: `/me/mailFolders/sentitems/messages?${query}` }, world);
  if (!("answer" in called)) return undefined;
  const found = jsonOf(called.answer.bytes);
  if (found === undefined) return undefined;
  const [first] = Array.isArray(found.value) ? found.value : [];
  if (!isObject(first)) return null;
  const [property] = Array.isArray(first.singleValueExtendedProperties)
    ? first.singleValueExtendedProperties
    : [];
  return isObject(property) && typeof property.value === "string" ? property.value : null;
}

/** A text within an OData string. */
const quoted = (text: string) => text.replaceAll("'", "''");
