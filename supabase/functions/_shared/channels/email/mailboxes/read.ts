/**
 * Reads what has come into a mailbox since the last time: Gmail's history, and Graph's delta query.
 *
 * Sources: Gmail API, "Synchronize clients" (404: the historyId is too old) and "users.messages.get" (format raw); Microsoft
 * Graph, "message: delta" (410: the state is gone) and "Get MIME content of a message".
 *
 * A cursor is the provider's own place, or a page of a list that begins a new one. What comes twice is the same mail: whoever
 * takes it in knows it by its Message-ID.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { SendFailure } from "../../channel.ts";
import { callMailbox, jsonOf, type Mailbox, type MailboxWorld, meaningOf, type Refusal } from "./call.ts";

/** A page of what has come. */
export interface MailboxPage {
  readonly ok: true;
  /** The provider's ids of mails, oldest first within the page. */
  readonly ids: readonly string[];
  /** Where to go on once these are taken in. */
  readonly cursor: string;
  /** Whether there is more at once. */
  readonly more: boolean;
  /** Whether the provider had forgotten the cursor. */
  readonly resynced: boolean;
}

/** Why nothing could be read now. */
export interface ReadFailure {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  /** Of one mail: failed attempts after which it is passed over. Absent where the whole mailbox is concerned. */
  readonly tries?: number;
}

/** Failed attempts after which a mail is passed over that is refused, or that we cannot take. */
export const TRIES = 3;
/** … after a fault of the server's, which may be over in half an hour: attempts come after 1, 2, 4, 8 and 15 minutes. */
export const TRIES_OF_FAULTS = 6;

/** Where to read on. */
export interface ReadFrom {
  /** Null: from `since` on. */
  readonly cursor: string | null;
  readonly since: Date;
}

/** Mails of one page: each is fetched by itself, and a lease lasts 90 seconds. */
const PAGE = 25;
/** Without a cursor, so much is read again: clocks differ, and mails take their time. */
const OVERLAP_MS = 10 * 60_000;
/** Bytes of a mail. Reading one takes several times its size, of the 256 MB that a function has for all that it reads at once. */
const MOST_MIME = 10 << 20;
/** The same in base64, with the JSON around it. */
const MOST_RAW = Math.ceil(MOST_MIME / 3) * 4 + 4096;
/** Characters that are decoded at once; a multiple of four. */
const SLICE = 1 << 16;

/** Lists what has come into Gmail's inbox. Never throws. */
export async function readGmail(
  mailbox: Mailbox,
  from: ReadFrom,
  world: MailboxWorld,
): Promise<MailboxPage | ReadFailure> {
  const { cursor } = from;
  if (cursor === null || cursor.startsWith("list ")) return await listGmail(mailbox, from, world, false);
  const query = new URLSearchParams({
    startHistoryId: cursor,
    historyTypes: "messageAdded",
    labelId: "INBOX",
    maxResults: String(PAGE),
  });
  const called = await getJson(mailbox, `/gmail/v1/users/me/history?${query}`, world);
  if ("refusal" in called && (called.refusal.status === 404 || isMalformed(called.refusal))) {
    return await listGmail(mailbox, { ...from, cursor: null }, world, true);
  }
  if (!("body" in called)) return failureOf(called);
  const records = objects(called.body.history);
  const last = records.at(-1)?.id;
  const more = called.body.nextPageToken !== undefined && last !== undefined;
  return {
    ok: true,
    ids: distinct(records.flatMap(({ messagesAdded }) =>
      objects(messagesAdded).flatMap(({ message }) => {
        const labels = isObject(message) && Array.isArray(message.labelIds) ? message.labelIds : [];
        return isObject(message) && typeof message.id === "string" && !labels.includes("DRAFT")
          ? [message.id]
          : [];
      })
    )),
    cursor: more ? String(last) : String(called.body.historyId ?? cursor),
    more,
    resynced: false,
  };
}

async function listGmail(
  mailbox: Mailbox,
  { cursor, since }: ReadFrom,
  world: MailboxWorld,
  resynced: boolean,
): Promise<MailboxPage | ReadFailure> {
  let [, history, token] = cursor?.split(" ") ?? [];
  if (history === undefined) {
    // Before the list, so that nothing falls between the two.
    const profile = await getJson(mailbox, "/gmail/v1/users/me/profile", world);
    if (!("body" in profile)) return failureOf(profile);
    history = String(profile.body.historyId ?? "");
  }
  const after = Math.floor((since.getTime() - OVERLAP_MS) / 1000);
  const query = new URLSearchParams({ q: `in:inbox after:${after}`, maxResults: String(PAGE) });
  if (token !== undefined) query.set("pageToken", token);
  const called = await getJson(mailbox, `/gmail/v1/users/me/messages?${query}`, world);
  if (token !== undefined && "refusal" in called && isMalformed(called.refusal)) {
    return await listGmail(mailbox, { cursor: null, since }, world, true);
  }
  if (!("body" in called)) return failureOf(called);
  const next = typeof called.body.nextPageToken === "string" ? called.body.nextPageToken : undefined;
  return {
    ok: true,
    ids: objects(called.body.messages).flatMap(({ id }) => typeof id === "string" ? [id] : []).reverse(),
    cursor: next === undefined ? history : `list ${history} ${next}`,
    more: next !== undefined,
    resynced,
  };
}

/** Lists what has come into Graph's inbox. Never throws. */
export async function readGraph(
  mailbox: Mailbox,
  { cursor, since }: ReadFrom,
  world: MailboxWorld,
): Promise<MailboxPage | ReadFailure> {
  const query = new URLSearchParams({
    changeType: "created",
    $select: "id,isDraft",
    $filter: `receivedDateTime ge ${new Date(since.getTime() - OVERLAP_MS).toISOString()}`,
  });
  const begin = `/me/mailFolders/inbox/messages/delta?${query}`;
  const ask = (path: string) =>
    getJson(mailbox, path, world, { prefer: `odata.maxpagesize=${PAGE}, IdType="ImmutableId"` });
  let called = await ask(cursor ?? begin);
  let resynced = false;
  if (cursor !== null && "refusal" in called && isForgotten(called.refusal)) {
    resynced = true;
    called = await ask(begin);
  }
  if (!("body" in called)) return failureOf(called);
  const { body } = called;
  const next = below(mailbox.url, body["@odata.nextLink"]);
  const link = next ?? below(mailbox.url, body["@odata.deltaLink"]);
  if (link === undefined) {
    return { ok: false, code: "unreadable", message: "Microsoft did not say where to go on" };
  }
  return {
    ok: true,
    ids: objects(body.value).flatMap((each) =>
      typeof each.id === "string" && !("@removed" in each) && each.isDraft !== true ? [each.id] : []
    ),
    cursor: link,
    more: next !== undefined,
    resynced,
  };
}

/** A place or a page that the provider takes for no place: it may have ended, or been written by an earlier version of it. */
function isMalformed({ status }: Refusal): boolean {
  return status === 400;
}

/** Graph says 410, or names the state. */
function isForgotten(refusal: Refusal): boolean {
  const { status, code } = refusal;
  return status === 410 || isMalformed(refusal) ||
    /^(?:syncStateNotFound|syncStateInvalid|resyncRequired)$/i.test(code);
}

/** What follows the API's address in a link of its own; undefined for one that leads elsewhere. */
function below(url: string, link: unknown): string | undefined {
  return typeof link === "string" && link.startsWith(`${url}/`) ? link.slice(url.length) : undefined;
}

/**
 * Fetches a mail whole. Never throws.
 *
 * @returns Its bytes; null if it is gone; `too_large` if it has more than 10 MiB; or why it cannot be read now.
 */
export async function fetchMail(
  provider: "google" | "microsoft",
  mailbox: Mailbox,
  id: string,
  world: MailboxWorld,
): Promise<Uint8Array | null | "too_large" | ReadFailure> {
  const named = encodeURIComponent(id);
  const called = await callMailbox(
    mailbox,
    provider === "google" ? { path: `/gmail/v1/users/me/messages/${named}?format=raw`, most: MOST_RAW } : {
      path: `/me/messages/${named}/$value`,
      most: MOST_MIME,
      headers: { prefer: 'IdType="ImmutableId"' },
    },
    world,
  );
  if ("refusal" in called && called.refusal.status === 404) return null;
  if (!("answer" in called)) return { ...failureOf(called), ...triesOf(called) };
  if (called.answer.cut) return "too_large";
  if (provider === "microsoft") return called.answer.bytes;
  const raw = jsonOf(called.answer.bytes)?.raw;
  const bytes = typeof raw === "string" ? bytesOf(raw) : undefined;
  if (bytes === undefined) {
    return { ok: false, code: "unreadable", message: "the answer is not the provider's", tries: TRIES };
  }
  return bytes.length > MOST_MIME ? "too_large" : bytes;
}

/** Decoded slice by slice, without an iterator over the characters, which takes 35 times the memory of the mail. */
function bytesOf(base64url: string): Uint8Array | undefined {
  let length = base64url.length;
  while (length > 0 && "= \t\r\n".includes(base64url[length - 1])) length--;
  const text = base64url.slice(0, length);
  const bytes = new Uint8Array(Math.floor(text.length * 3 / 4));
  let end = 0;
  try {
    for (let at = 0; at < text.length; at += SLICE) {
      const decoded = atob(text.slice(at, at + SLICE).replaceAll("-", "+").replaceAll("_", "/"));
      for (let i = 0; i < decoded.length; i++) bytes[end++] = decoded.charCodeAt(i);
    }
  } catch {
    return undefined;
  }
  // Shorter where there were blanks within.
  return end === bytes.length ? bytes : undefined;
}

async function getJson(
  mailbox: Mailbox,
  path: string,
  world: MailboxWorld,
  headers: Record<string, string> = {},
): Promise<{ body: JsonObject } | { refusal: Refusal } | { failure: SendFailure }> {
  const called = await callMailbox(mailbox, { path, headers }, world);
  if (!("answer" in called)) return called;
  const body = jsonOf(called.answer.bytes);
  return body === undefined
    ? {
      failure: { ok: false, kind: "retry", code: "unreadable", message: "the answer is not the provider's" },
    }
    : { body };
}

/** What is said of the mailbox, such as too much at once, says nothing of a mail. */
function triesOf(called: { refusal: Refusal } | { failure: SendFailure }): { tries?: number } {
  if ("failure" in called) return isUnanswered(called.failure) ? { tries: TRIES_OF_FAULTS } : {};
  switch (meaningOf(called.refusal).kind) {
    case "throttle":
    case "held":
      return {};
    case "unknown":
      return { tries: TRIES_OF_FAULTS };
    default:
      return { tries: TRIES };
  }
}

/** Whether no answer came: one wait of this kind is enough for one reading. */
export function isUnanswered({ code }: { readonly code: string | number }): boolean {
  return code === "timeout" || code === "network";
}

function failureOf(called: { refusal: Refusal } | { failure: SendFailure }): ReadFailure {
  if ("failure" in called) {
    const { code, message, retryAfterMs } = called.failure;
    return {
      ok: false,
      code: String(code),
      message,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
  const { status, code, message, headers } = called.refusal;
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"), Date.now());
  return {
    ok: false,
    code: code || String(status),
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}
