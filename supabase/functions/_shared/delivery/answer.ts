/**
 * A destination's response: stored up to a limit, and searched for replies.
 *
 * @module
 */
import { MAX_REPLIES } from "../contract/http/limits.ts";
import type { ReplyFault } from "../contract/states.ts";
import { storableText } from "../json/text.ts";
import type { ReadAnswer } from "../http/answers.ts";

/** Most bytes of a response that are stored for people to read. */
export const MAX_KEPT = 20 * 1024;
/** Deepest nesting of a reply; Meta's own messages need about ten. */
export const MAX_DEPTH = 32;

const utf8 = new TextDecoder();

/**
 * A response as text for the record: at most {@link MAX_KEPT} bytes, whole characters, storable in Postgres.
 */
export function keptText(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  if (bytes.length <= MAX_KEPT) return storableText(utf8.decode(bytes));
  // stream: true leaves out a character that the cut went through.
  const text = new TextDecoder().decode(bytes.subarray(0, MAX_KEPT), { stream: true });
  return storableText(text);
}

/** Replies found in a response, or why they are not used. */
export type Replies =
  | { readonly replies: readonly Record<string, unknown>[] }
  | { readonly ignored: ReplyFault };

/**
 * Finds `{"replies":[…]}` in a 2xx response: messages in Graph shape, which the sender must check. Undefined
 * if the response contains no replies, as most do not.
 *
 * If replies were meant but cannot be used, the result says why: content type, shape or characters. Otherwise
 * the fault would not be visible from the service's side.
 *
 * All or nothing: one reply that is not an object makes the others doubtful too. Strings are made storable in
 * `jsonb`, which accepts neither NUL nor half a surrogate pair; one such string must not fail a whole batch
 * of settled deliveries.
 */
export function findReplies(read: ReadAnswer, contentType: string | null): Replies | undefined {
  if (read.bytes.length === 0) return undefined;
  const isJson = /^application\/(?:[a-z0-9.+-]+\+)?json(?![a-z0-9.+-])/i.test(contentType ?? "");
  if (isJson && read.cut) return { ignored: "answer_too_long" };
  const text = utf8.decode(read.bytes);
  if (!isJson && !/^\s*[[{]/.test(text)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return isJson ? { ignored: "not_json" } : undefined;
  }
  if (Array.isArray(json)) {
    const meant = json.length > 0 &&
      json.every((one) => isObject(one) && (typeof one.type === "string" || Object.hasOwn(one, "replies")));
    return meant ? { ignored: isJson ? "bare_list" : "not_json_type" } : undefined;
  }
  if (typeof json !== "object" || json === null || !Object.hasOwn(json, "replies")) return undefined;
  if (!isJson) return { ignored: "not_json_type" };
  const { replies } = json as { replies: unknown };
  if (!Array.isArray(replies)) return { ignored: "not_a_list" };
  // Latin-1, for one, would reach the person with holes in it.
  if (text.includes("\ufffd") && !isUtf8(read.bytes)) return { ignored: "not_utf8" };
  if (replies.length > MAX_REPLIES) return { ignored: "too_many" };
  if (!replies.every(isObject)) return { ignored: "not_objects" };
  if (!replies.every((reply) => isShallow(reply, MAX_DEPTH))) return { ignored: "too_deep" };
  return { replies: replies.map((reply) => storable(reply) as Record<string, unknown>) };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

function storable(value: unknown): unknown {
  if (typeof value === "string") return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storable(inner)]));
}
