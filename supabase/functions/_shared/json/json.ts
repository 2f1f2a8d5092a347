/**
 * From bytes to JSON values that Postgres accepts, with nothing lost silently.
 *
 * One refused value would make Postgres refuse the whole batch, and Meta would resend that batch for days. So
 * values that `jsonb` and `text` cannot hold are replaced here, visibly:
 *
 * - NUL characters and lone surrogates become U+FFFD;
 * - values nested deeper than {@linkcode MAX_DEPTH} become U+FFFD (serialising them would overflow our stack
 *   or Postgres');
 * - numbers that a double cannot hold exactly, or at all, become the text that was sent.
 *
 * @module
 */
import { isStorableText, REPLACEMENT, storableText } from "./text.ts";

/** Levels of nesting kept below an item; Meta's deepest documented message has about 8. */
export const MAX_DEPTH = 64;

/** The member that lists what was replaced in an object, as {@linkcode Alteration}s. */
export const ALTERED = "_altered";

/** Why something was replaced. */
export type Alteration = "nul" | "surrogate" | "depth" | "number";

/** A JSON object with unknown members. */
export type JsonObject = Record<string, unknown>;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Numbers in a list or an object that may not survive `JSON.parse`: 16 digits and more, or an exponent. A match inside a
 * text is possible and only costs time.
 */
const RISKY_NUMBER = /[:,[]\s*-?(?:[\d.]{16}|[\d.]{1,15}[eE])/;

/** Escapes of what Postgres cannot hold, or may not: NUL, and the halves of surrogate pairs. */
const RISKY_ESCAPE = /\\u(?:0000|d[89a-f])/i;

/** A body's value. */
export interface Decoded {
  readonly value: unknown;
  /** Whether Postgres can hold it unchanged, see {@linkcode isStorable}. */
  readonly storable: boolean;
}

/**
 * Parses a body.
 *
 * @throws {TypeError} if `bytes` are not UTF-8.
 * @throws {SyntaxError} if they are not JSON.
 */
export function decode(bytes: Uint8Array): unknown {
  const text = utf8.decode(bytes);
  return exact(text, JSON.parse(text), RISKY_NUMBER.test(text));
}

/** As {@linkcode decode}, and says what {@linkcode isStorable} would: nearly always without a look at each value. */
export function decodeStorable(bytes: Uint8Array): Decoded {
  const text = utf8.decode(bytes);
  const parsed: unknown = JSON.parse(text);
  const risky = RISKY_NUMBER.test(text);
  const value = exact(text, parsed, risky);
  // Neither NUL nor half a pair stands in a text of UTF-8 that was parsed, unless it is escaped.
  const plain = !risky && typeof value !== "number" && isShallow(text) && !RISKY_ESCAPE.test(text);
  return { value, storable: plain || isStorable(value) };
}

/** Whether a text has too few braces and brackets for a value that is too deep. */
function isShallow(text: string): boolean {
  let left = MAX_DEPTH;
  for (const opening of ["{", "["]) {
    for (let at = -1; (at = text.indexOf(opening, at + 1)) >= 0;) if (left-- === 0) return false;
  }
  return true;
}

function exact(text: string, value: unknown, risky: boolean): unknown {
  if (!risky) return value;
  try {
    return JSON.parse(text, exactNumber);
  } catch {
    return value; // Valid JSON, but nested too deep for a reviver, which unlike the parser recurses.
  }
}

/** Keeps the digits of a number that a double would change. `source` is the number as it was written. */
function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || context?.source === undefined) return value;
  return survives(value, context.source) ? value : context.source;
}

/**
 * Whether `value` equals what `source` says. Fractions may lose digits beyond the 17th, which are meaningless
 * for a place or a price; whole numbers may be ids.
 */
function survives(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false;
  if (Number.isSafeInteger(value)) return value !== 0 || !/^-?[\d.]*[1-9]/.test(source);
  return !Number.isInteger(value) || String(value) === source || significantDigits(source) <= 15;
}

function significantDigits(source: string): number {
  return source.replace(/[eE].*/, "").replace(/\D/g, "").replace(/^0+/, "").replace(/(?<!0)0+$/, "").length;
}

/** Whether Postgres can hold `value` unchanged. */
export function isStorable(value: unknown, depth = 0): boolean {
  if (typeof value === "string") return isStorableText(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isStorable(item, depth + 1)) return false;
    return true;
  }
  for (const key in value) {
    if (!isStorableText(key) || !isStorable((value as JsonObject)[key], depth + 1)) return false;
  }
  return true;
}

/**
 * A copy of `value` that Postgres can hold. An object lists under {@linkcode ALTERED} what was replaced
 * anywhere in it; a list or a text has no room for such a list.
 */
export function toStorable(value: unknown): unknown {
  const altered = new Set<Alteration>();
  const copy = scrub(value, 0, altered);
  return isObject(copy) && altered.size > 0 ? { ...copy, [ALTERED]: [...altered].sort() } : copy;
}

function scrub(value: unknown, depth: number, altered: Set<Alteration>): unknown {
  if (typeof value === "string") return scrubText(value, altered);
  if (typeof value === "number" && !Number.isFinite(value)) {
    altered.add("number");
    return String(value);
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) {
    altered.add("depth");
    return REPLACEMENT;
  }
  if (Array.isArray(value)) return value.map((item) => scrub(item, depth + 1, altered));
  // fromEntries defines members, so a member named __proto__ stays a member.
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      scrubText(key, altered),
      scrub(member, depth + 1, altered),
    ]),
  );
}

function scrubText(text: string, altered: Set<Alteration>): string {
  if (isStorableText(text)) return text;
  if (!text.isWellFormed()) altered.add("surrogate");
  if (text.includes("\0")) altered.add("nul");
  return storableText(text);
}

/** Whether `value` is a JSON object: not null, not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `value` if it is an object, else undefined. */
export function object(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

/** `value` if it is a non-empty list, else undefined. */
export function list(value: unknown): unknown[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}

/** `value` as text: a non-empty text, or the digits of a number; else undefined. */
export function text(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" ? String(value) : undefined;
}

/**
 * `value` as an identifier: like {@linkcode text}, at most 256 characters. Meta's ids are never longer, and
 * longer ones would not fit an index entry; they remain in the raw form only.
 */
export function id(value: unknown): string | undefined {
  const result = text(value);
  return result !== undefined && result.length <= 256 ? result : undefined;
}

/** Meta's time, Unix seconds as text or number, as ISO 8601. Undefined outside the years 2000..2099. */
export function time(value: unknown): string | undefined {
  if (value !== lastTime.value) lastTime = { value, iso: isoTime(value) };
  return lastTime.iso;
}

/** Updates that arrive together are mostly from the same second. */
let lastTime: { value: unknown; iso?: string } = { value: undefined };

function isoTime(value: unknown): string | undefined {
  const seconds = typeof value === "number" || typeof value === "string" && /^\d{1,12}$/.test(value)
    ? Number(value)
    : NaN;
  if (!(seconds >= 946_684_800 && seconds < 4_102_444_800)) return undefined;
  return new Date(Math.floor(seconds) * 1000).toISOString();
}
