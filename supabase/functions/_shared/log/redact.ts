/**
 * What may stand in a log line. Pure: text or value in, safe text or value out.
 *
 * Rules: phone numbers, e-mail addresses and other personal identifiers shrink to their last four
 * characters, message texts to their length, URLs lose user info and query, tokens and secrets vanish.
 *
 * Failure policy: closed. Where a run of digits might be a phone number it is masked, even if it was a
 * date or a counter: a line that says too little can be repaired, one that said too much cannot.
 *
 * @module
 */

const HIDDEN = "[redacted]";

/** Values that must never be printed, whatever they look like: `config/env.ts` adds each secret it reads. */
const hidden = new Set<string>();

/** Registers a secret's value. Values shorter than six characters would mask ordinary words and are not taken. */
export function hideValue(secret: string): void {
  if (secret.length >= 6) hidden.add(secret);
}

/** Fields whose value is a secret, by a word of their name. `flag_key` and `revision_key` are no secrets. */
const SECRET_FIELD =
  /(^|_)(secrets?|tokens?|password|passwd|authorization|cookie|apikey|api_key|secret_key|signature(_256)?|credentials?|jwt)$/;

/** Fields whose value identifies a person. */
const PERSONAL_FIELD =
  /(^|_)(phone|phone_number|msisdn|wa_id|bsuid|username|user_name|email|recipient|recipient_id|ip|ip_address|client_ip|profile_name|contact_name|display_number|display_phone_number)$/;

/** Fields that hold what a person wrote, or a whole update of theirs. */
const CONTENT_FIELD = /^(body|text|caption|raw|native|payload|referral|transcript)$/;

/** Numeric fields that measure: their value is a figure, however large. */
const MEASURE_FIELD = /(^|_)(ms|us|seconds|bytes|count|n|revision|version|rank|total|at)$/;

/** Kept as they are: uuids, ISO instants, 32 and 64 digits of hex (trace ids, SHA-256). None is a phone number. */
const KEPT =
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)|\b(?=[0-9]*[a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})\b/gi;

/** Seven digits or more (of any script), with up to three separators between two of them. */
const PHONE =
  /\p{Nd}(?:(?:%[0-9a-f]{2}|[\s().\-\u2010-\u2015\u2212\/\u00b7\u200b-\u200f\u2060]){0,3}\p{Nd}){6,}/giu;

const EMAIL = /[^\s@<>"'(),:;]{1,64}@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}/gu;

/** Secrets that can be told by their form. Order matters: the longer form first. */
const SECRETS: readonly (readonly [RegExp, string | ((match: string, ...parts: string[]) => string)])[] = [
  [/\b(Bearer|Basic)\s+[^\s"',]+/gi, `$1 ${HIDDEN}`],
  [/\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}/g, HIDDEN],
  [/\bsb_(secret|publishable)_[\w-]+/g, `sb_$1_${HIDDEN}`],
  [/\bwhsec_[\w+\/=-]+/g, `whsec_${HIDDEN}`],
  [/\bv1,[A-Za-z0-9+\/]{20,}={0,2}/g, `v1,${HIDDEN}`],
  [/\bsha256=[0-9a-f]+/gi, `sha256=${HIDDEN}`],
  [/\bEAA[A-Za-z0-9]{16,}/g, HIDDEN],
  // A message id of WhatsApp holds the phone number in base64; its end alone tells it apart.
  [/\bwamid\.[\w+\/=-]*?([\w+\/-]{0,8}={0,2})(?![\w+\/=-])/g, "wamid.…$1"],
  [/\[ref:[^\]]*\]/gi, "[ref:…]"],
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s\/?#]*@/gi, `$1${HIDDEN}@`],
  // Takes a URL without a query too, to leave it as it is: else each `x://` of a long run would be read to its end.
  [
    /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s?#"'<>]*)([?#][^\s"'<>]*)?/gi,
    (_, url, query) => query === undefined ? url : `${url}?…`,
  ],
  [
    /((?:token|secret|passwd|password|api_?key|authorization|signature)["']?\s*[:=]\s*)(?!\[redacted\]|Bearer |Basic )(?:"[^"]*"|'[^']*'|[^\s"',;}&]+)/gi,
    `$1${HIDDEN}`,
  ],
];

/** The last four characters of an identifier, or none of it when it is that short. */
export function lastFour(value: string): string {
  const characters = [...value.trim()];
  return characters.length > 4 ? `…${characters.slice(-4).join("")}` : "…";
}

/**
 * Free text made safe to print.
 *
 * @example
 * ```ts
 * redactText("call +49 170 1234567, Bearer abc"); // "call +…4567, Bearer [redacted]"
 * ```
 */
export function redactText(text: string): string {
  let safe = text;
  for (const value of hidden) safe = safe.replaceAll(value, HIDDEN);
  for (const [pattern, replacement] of SECRETS) {
    // Two signatures of one method, which TypeScript does not take together.
    safe = safe.replace(pattern, replacement as string);
  }
  safe = safe.replace(EMAIL, lastFour);
  let result = "";
  let end = 0;
  for (const kept of safe.matchAll(KEPT)) {
    result += maskDigits(safe.slice(end, kept.index)) + kept[0];
    end = kept.index + kept[0].length;
  }
  return result + maskDigits(safe.slice(end));
}

function maskDigits(text: string): string {
  return text.replace(
    PHONE,
    (run) => `…${[...run.replace(/%[0-9a-f]{2}|\P{Nd}/giu, "")].slice(-4).join("")}`,
  );
}

/** How much of a text is read, and how much of it kept: enough to understand a fault. */
const MAX_READ = 8000;
const MAX_TEXT = 2000;
const MAX_ITEMS = 50;
const MAX_DEPTH = 6;

/**
 * A value made safe to print and to serialise: secrets and personal data masked, cycles, depth, length
 * and exotic types tamed. Never throws.
 */
export function redactValue(value: unknown, field = "", depth = 0): unknown {
  const name = snakeCase(field);
  if (value === null || value === undefined || typeof value === "boolean") return value;
  if (SECRET_FIELD.test(name)) return HIDDEN;
  switch (typeof value) {
    case "string":
      if (CONTENT_FIELD.test(name)) return `[${value.length} characters]`;
      if (PERSONAL_FIELD.test(name)) return lastFour(value);
      return shortText(value);
    case "number":
    case "bigint":
      if (PERSONAL_FIELD.test(name)) return lastFour(String(value));
      if (typeof value === "number" && (!Number.isInteger(value) || MEASURE_FIELD.test(name))) return value;
      return value > -1_000_000 && value < 1_000_000 ? Number(value) : redactText(String(value));
    case "object":
      if (CONTENT_FIELD.test(name)) return "[object]";
      if (depth >= MAX_DEPTH) return "[deep]";
      return redactObject(value, name, depth + 1);
    default:
      return `[${typeof value}]`;
  }
}

function redactObject(value: object, name: string, depth: number): unknown {
  try {
    if (value instanceof Error) return redactError(value, depth);
    if (value instanceof Date) {
      return Number.isNaN(value.getTime()) ? "[date]" : redactText(value.toISOString());
    }
    if (value instanceof URL) return redactText(value.href);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value) || value instanceof Set) {
      const items = [...value];
      const kept = items.slice(0, MAX_ITEMS).map((item) => redactValue(item, name, depth));
      return items.length > MAX_ITEMS ? [...kept, `[${items.length - MAX_ITEMS} more]`] : kept;
    }
    const entries = value instanceof Map || value instanceof Headers
      ? [...value.entries()].map(([key, item]) => [String(key), item] as const)
      : Object.entries(value);
    return Object.fromEntries(
      entries.slice(0, MAX_ITEMS).map(([key, item]) => [shortText(key), redactValue(item, key, depth)]),
    );
  } catch {
    return "[unreadable]";
  }
}

/** An error with name, message, code, stack and causes, each made safe. */
function redactError(error: Error, depth: number): unknown {
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown };
  return {
    name: shortText(error.name),
    message: shortText(error.message),
    code: redactValue(code, "", depth),
    detail: redactValue(detail, "", depth),
    stack: error.stack === undefined ? undefined : shortText(error.stack),
    cause: depth < MAX_DEPTH ? redactValue(error.cause, "", depth) : undefined,
  };
}

function shortText(text: string): string {
  if (text.length <= MAX_READ) return cut(redactText(text), MAX_TEXT, text.length);
  // The last thousand characters read go too: a secret that the first cut halved would not be recognised.
  const safe = redactText(text.slice(0, MAX_READ));
  return cut(safe, Math.max(0, Math.min(MAX_TEXT, safe.length - 1000)), text.length);
}

function cut(safe: string, length: number, whole: number): string {
  return safe.length > length ? `${safe.slice(0, length)}… (of ${whole} characters)` : safe;
}

function snakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll("-", "_").toLowerCase();
}
