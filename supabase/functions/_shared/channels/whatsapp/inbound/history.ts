/**
 * Chats of the WhatsApp Business app from before its number was connected (coexistence), which become imported messages.
 *
 * Source: Meta, "history webhook reference" (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/
 * reference/history): up to 180 days in three phases, each in chunks that come in any order, thousands of messages in one body.
 * A file stands as `media_placeholder` in its thread, and follows in a `messages` list of its own, by the same id. A business
 * that does not share its chats causes error 2593109 in place of threads. Groups are not shared.
 *
 * @module
 */
import { id, isObject, type JsonObject, list, object } from "../../../json/json.ts";
import { type Person, receiverIds, senderIds, threadIds } from "./identities.ts";
import { contentOf } from "./messages.ts";
import type { HistoryNews } from "./news.ts";
import { STATUS_RANK } from "./statuses.ts";
import { clean, completed, each, keyOf, other, type Place, type Update } from "./update.ts";

/** The lists of a value of this field. */
export const HISTORY_LISTS = { history: true, messages: true } as const;

/** Most updates of a body with history; the shortest messages in a body of 3 MB are fewer. */
const MAX_PAST_UPDATES = 20_000;

/** The phone's words for how far a message is. What waits on the phone (PENDING) may never be sent. */
const STATUSES: Readonly<Record<string, string>> = {
  SENT: "sent",
  DELIVERED: "delivered",
  READ: "read",
  PLAYED: "played",
  ERROR: "failed",
};

/** Takes the value of a `history` change apart: one update for each message, and one for each chunk. */
export function pastUpdates(updates: Update[], value: JsonObject, place: Place, entryTime: unknown): void {
  each(list(value.history) ?? [], updates, place, MAX_PAST_UPDATES, (chunk) => {
    if (isObject(chunk)) parseChunk(updates, chunk, place, entryTime);
    else updates.push(other(place, chunk, entryTime));
  });
  each(list(value.messages) ?? [], updates, place, MAX_PAST_UPDATES, (message) => {
    updates.push(
      isObject(message) ? pastUpdate(message, place, undefined) : other(place, message, entryTime),
    );
  });
}

function parseChunk(updates: Update[], chunk: JsonObject, place: Place, entryTime: unknown): void {
  const { threads, ...beside } = chunk;
  const from = updates.length;
  const strange: unknown[] = [];
  for (const thread of list(threads) ?? (threads === undefined ? [] : [threads])) {
    const messages = isObject(thread) ? list(thread.messages) : undefined;
    if (!isObject(thread) || messages === undefined) {
      strange.push(thread);
      continue;
    }
    const { messages: _, ...about } = thread;
    const person = threadIds(clean(about, place) as JsonObject);
    if (messages.length === 0 || !isIds(about, person)) strange.push(about);
    each(messages, updates, place, MAX_PAST_UPDATES, (message) => {
      updates.push(isObject(message) ? pastUpdate(message, place, person) : other(place, message, entryTime));
    });
  }
  // What is not in the messages themselves.
  if (updates.length > from && strange.length === 0 && Object.keys(beside).length === 0) return;
  const update = other(place, strange.length === 0 ? beside : { ...beside, threads: strange }, entryTime);
  const news = newsOfChunk(update.raw as JsonObject, place);
  if (news !== undefined) update.news = news;
  updates.push(update);
}

const CONTEXT_MEMBERS = new Set(["wa_id", "user_id", "parent_user_id", "username"]);

/** Whether a thread consists of ids that the updates of its messages have, besides its messages. */
function isIds({ id: threadId, context, ...rest }: JsonObject, person: Person): boolean {
  const ids = new Set<unknown>(Object.values(person));
  return Object.keys(rest).length === 0 && ids.has(threadId) &&
    (context === undefined || isObject(context) &&
        Object.entries(context).every(([key, value]) => CONTEXT_MEMBERS.has(key) && ids.has(value)));
}

/** One message. Its time is the phone's. A link's token in it led to nothing here. */
function pastUpdate(item: JsonObject, place: Place, thread: Person | undefined): Update {
  const raw = clean(item, place) as JsonObject;
  const wamid = id(raw.id);
  const type = id(raw.type);
  const isOurs = isFromBusiness(raw, place, thread);
  const status = isOurs ? statusOf(raw) : undefined;
  const { token: _, ...content } = contentOf(raw);
  return {
    ...other(place, raw, raw.timestamp),
    key: thread === undefined
      ? keyOf("hm", [place.numberId, wamid], raw, place)
      : keyOf("h", [place.numberId, wamid, type], raw, place),
    kind: isOurs ? "past_echo" : "past_message",
    ...completed(thread ?? (isOurs ? receiverIds(raw) : senderIds(raw)), place),
    provider_id: wamid,
    type,
    ...content,
    ...(status === undefined ? {} : { status, rank: STATUS_RANK[status] ?? 0 }),
    error: list(raw.errors),
  };
}

/** `from` is the business's number or the person's; `to` is given only if the app sent it. */
function isFromBusiness(raw: JsonObject, place: Place, thread: Person | undefined): boolean {
  const from = digitsOf(raw.from);
  const ours = digitsOf(place.numberDisplay);
  if (from !== undefined && ours !== undefined) return from === ours;
  if (raw.to !== undefined || raw.to_user_id !== undefined) return true;
  return from !== undefined && thread?.phone !== undefined && from !== thread.phone;
}

function digitsOf(number: unknown): string | undefined {
  return id(id(number)?.replace(/\D/g, ""));
}

function statusOf(raw: JsonObject): string | undefined {
  const status = id(object(raw.history_context)?.status)?.toUpperCase();
  if (status === undefined) return undefined;
  return Object.hasOwn(STATUSES, status) ? STATUSES[status] : "unknown";
}

/** How far the import is, or why there is none; undefined without a number. */
function newsOfChunk(chunk: JsonObject, place: Place): HistoryNews | undefined {
  if (place.numberId === undefined || place.entryId === "") return undefined;
  const { phase, chunk_order, progress } = object(chunk.metadata) ?? {};
  const error = object(list(chunk.errors)?.[0]);
  return {
    what: "history",
    account: place.entryId,
    number: place.numberId,
    address: place.numberDisplay,
    ...(isCount(phase) ? { phase } : {}),
    ...(isCount(chunk_order) ? { chunk: chunk_order } : {}),
    ...(isCount(progress) ? { progress: Math.min(progress, 100) } : {}),
    ...(error === undefined ? {} : { error: { code: id(error.code) ?? "unknown", title: id(error.title) } }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 1_000_000;
}
