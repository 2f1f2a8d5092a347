/**
 * Redaction of log lines. Pure: text or value in, safe text or value out.
 *
 * Rules: phone numbers and other personal identifiers are reduced to their last four characters, e-mail
 * addresses to their domain, message texts to their length; URLs lose user info, query and tokens in the
 * path; tokens and secrets are removed.
 *
 * Failure policy: closed. A run of digits that might be a phone number is masked, even if it was a date or a
 * counter: a line that says too little can be repaired, one that says too much cannot.
 *
 * @module
 */

const HIDDEN = "[redacted]";

/** Values that must never be printed: `config/env.ts` adds each secret that it reads. */
const hidden = new Set<string>();

/**
 * Registers a secret's value, and its forms in other encodings: escaped, base64, hex. Values shorter than six
 * characters are ignored, because they would mask ordinary words.
 */
export function hideValue(secret: string): void {
  if (secret.length < 6) return;
  for (const form of formsOf(secret)) hidden.add(form);
}

function formsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  ];
  // Base64 of something that holds it looks one of three ways, by how many bytes come before; the characters at both
  // ends depend on the neighbours.
  for (let before = 0; before < 3; before++) {
    const base64 = btoa("\0".repeat(before) + String.fromCharCode(...bytes));
    const whole = base64.slice(Math.ceil(before * 8 / 6), Math.floor((before + bytes.length) * 8 / 6));
    forms.push(whole, whole.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return forms;
}

/** Fields whose value is a secret, by a word in their name. `flag_key` and `revision_key` are not secrets. */
const SECRET_FIELD =
  /(^|_)(secrets?|tokens?|password|passwd|authorization|cookie|apikey|api_key|secret_key|signature(_256)?|credentials?|jwt)$/;

/** Fields whose value identifies a person. */
const PERSONAL_FIELD =
  /(^|_)(phone|phone_number|msisdn|wa_id|bsuid|username|user_name|email|forward_to|reply_to|chat_id|account_sid|recipient|recipient_id|ip|ip_address|client_ip|profile_name|contact_name|first_name|last_name|display_name|display_number|display_phone_number)$/;

/** Fields that contain what a person wrote, or a whole update. */
const CONTENT_FIELD = /^(body|text|html|subject|caption|raw|native|payload|referral|transcript)$/;

/** Numeric fields that contain a measurement, however large. */
const MEASURE_FIELD = /(^|_)(ms|us|seconds|bytes|count|n|revision|version|rank|total|at)$/;

/**
 * Never masked: uuids, ISO instants, 32 and 64 hex digits (trace ids, SHA-256). None of them is a phone
 * number.
 */
const KEPT =
  /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)|\b(?=[0-9]*[a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})\b/gi;

/** Seven or more digits (of any script), with at most three separators between two of them. */
const PHONE =
  /\p{Nd}(?:(?:%[0-9a-f]{2}|[\s().\-\u2010-\u2015\u2212\/\u00b7\u200b-\u200f\u2060]){0,3}\p{Nd}){6,}/giu;

/** The separator of an e-mail address, percent-encoded any number of times or not. */
const AT = /[@\uff20\ufe6b]|%(?:25)*40/gi;

/** The domain of an address, by names or by number. */
const DOMAIN =
  /\[[^\]\s]{1,60}\]|[\p{L}\p{N}-]+(?:(?:\.|%2e)[\p{L}\p{N}-]+)*(?:\.|%2e)(?:xn--[\p{L}\p{N}-]+|\p{L}{2,})/iuy;

/** Characters that cannot be in the local part of an address, unless it is quoted. */
const OUTSIDE_LOCAL = /[\s<>()[\],:;"@]/;

/** Secrets with a recognisable form. Order matters: longer forms first. */
const SECRETS: readonly (readonly [RegExp, string | ((match: string, ...parts: string[]) => string)])[] = [
  [/\b(Bearer|Basic|GenieKey)\s+[^\s"',]+/gi, `$1 ${HIDDEN}`],
  [/eyJ[\w-]{8,}(?:\.[\w-]*){0,2}/g, HIDDEN],
  [/\bsb_(secret|publishable)_[\w-]+/g, `sb_$1_${HIDDEN}`],
  [/\bwhsec_[\w+\/=-]+/g, `whsec_${HIDDEN}`],
  [/\bv1,[A-Za-z0-9+\/]{20,}={0,2}/g, `v1,${HIDDEN}`],
  [/\bsha256=[0-9a-f]+/gi, `sha256=${HIDDEN}`],
  [/\bEAA[A-Za-z0-9]{16,}/g, HIDDEN],
  // Telegram's, which stands in the path of each call: /bot<id>:<token>/sendMessage
  [/(bot)?(?<!\d)\d{5,}(?::|%3a)[\w-]{20,}/gi, (_, bot) => `${bot ?? ""}${HIDDEN}`],
  // Twilio's accounts, keys and services. Its ids of messages tell nothing.
  [/(AC|SK|MG|KS)[0-9a-f]{28}([0-9a-f]{4})/g, "$1…$2"],
  [/\bKEY[0-9A-F]{16,}\w*/g, HIDDEN],
  [/(?<![A-Za-z])sk-[\w-]{8,}/g, `sk-${HIDDEN}`],
  [/SG\.[\w-]{16,}(?:\.[\w-]*)?/g, `SG.${HIDDEN}`],
  [/(?<![A-Za-z0-9])re_[A-Za-z0-9_]{16,}/g, `re_${HIDDEN}`],
  [/\bxox[a-z]-[\w-]{8,}/g, HIDDEN],
  [/\bya29\.[\w-]{8,}/g, HIDDEN],
  // Google's refresh tokens, and PagerDuty's keys.
  [/(?<![\w\/:])1\/\/[\w-]{20,}/g, HIDDEN],
  [/(?<![\w+])u\+[\w-]{16,}/g, HIDDEN],
  [/(\bhooks\.slack\.com\/)[^\s"'<>]+/gi, "$1…"],
  // A message id of WhatsApp holds the phone number in base64; its end alone tells it apart.
  [/\bwamid\.[\w+\/=-]*?([\w+\/-]{0,8}={0,2})(?![\w+\/=-])/g, "wamid.…$1"],
  [/\[ref:[^\]]*\]?/gi, "[ref:…]"],
  [/((?<![a-z0-9])ref\s{0,9}[:：]\s{0,9})\p{Cf}{0,9}[a-z2-7]{16}(?![a-z0-9])/giu, "$1…"],
  [/(:\/\/)[^\s\/?#]*@/g, `$1${HIDDEN}@`],
  // Takes a URL without a query too, to leave it as it is: else each `x://` of a long run would be read to its end.
  [
    /(:\/\/[^\s?#"'<>]*)([?#][^\s"'<>]*)?/g,
    (_, url, query) => query === undefined ? url : `${url}?…`,
  ],
  // Tickets of ours in a path, and what looks like anybody's: long, of letters in both cases and digits.
  [/(\/(?:pixel|c|u|media)\/)[a-z2-7]{16}(?![a-z0-9])/gi, "$1…"],
  [/(?<=\/)(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{24,}/g, HIDDEN],
  [
    /((?:token|secret|passwd|password|api_?key|authorization|signature)["']?\s*[:=]\s*)(?!\[redacted\]|Bearer |Basic |GenieKey )(?:"[^"]*"|'[^']*'|[^\s"',;}&]+)/gi,
    `$1${HIDDEN}`,
  ],
];

/** The last four characters of an identifier; nothing of a shorter one. */
export function lastFour(value: string): string {
  const characters = [...value.trim()];
  return characters.length > 4 ? `…${characters.slice(-4).join("")}` : "…";
}

/**
 * A phone number for printing: its last four digits; nothing of a shorter one.
 *
 * @example
 * ```ts
 * redactPhoneNumber("+49 170 1234567"); // "…4567"
 * ```
 */
export function redactPhoneNumber(phone: string): string {
  return lastFour(phone.replace(/\P{Nd}/gu, ""));
}

/**
 * The fields of a log line about a webhook: every value made safe, names in snake case. Sender and receiver
 * are reduced like phone numbers, whatever they are; the message text is reduced to its length.
 *
 * @example
 * ```ts
 * log.info("taken", createWebhookLogEntry({ channel: "sms", from: "+12025550123", body: "hi", threadId }));
 * ```
 */
export function createWebhookLogEntry(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => {
      const name = snakeCase(field);
      const isParty = /^(from|to|caller|called|sender)$/.test(name);
      return [name, redactValue(value, isParty ? "recipient" : name)];
    }),
  );
}

/**
 * Makes free text safe to print. Takes linear time; cut texts of unbounded length first, as `redactValue`
 * does.
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
  safe = hideLocalParts(safe);
  let result = "";
  let end = 0;
  for (const kept of safe.matchAll(KEPT)) {
    result += maskDigits(safe.slice(end, kept.index)) + kept[0];
    end = kept.index + kept[0].length;
  }
  return result + maskDigits(safe.slice(end));
}

/**
 * Reduces each e-mail address to its domain. It searches backwards from each @ instead of using a pattern,
 * which would be tried at each character of the local part.
 */
function hideLocalParts(text: string): string {
  let result = "";
  let end = 0;
  for (const at of text.matchAll(AT)) {
    if (at.index < end) continue;
    DOMAIN.lastIndex = at.index + at[0].length;
    if (!DOMAIN.test(text)) continue;
    const from = localPartFrom(text, at.index, end);
    if (from === at.index) continue;
    result += `${text.slice(end, from)}…${text.slice(at.index, DOMAIN.lastIndex)}`;
    end = DOMAIN.lastIndex;
  }
  return result + text.slice(end);
}

/** Where the local part that ends before `at` begins; not before `least`. */
function localPartFrom(text: string, at: number, least: number): number {
  if (text[at - 1] === '"') {
    const quote = at - 2 < least ? -1 : text.lastIndexOf('"', at - 2);
    return quote >= least ? quote : at - 1;
  }
  let from = at;
  while (from > least && !OUTSIDE_LOCAL.test(text[from - 1])) from--;
  return from;
}

function maskDigits(text: string): string {
  return text.replace(
    PHONE,
    (run) => `…${[...run.replace(/%[0-9a-f]{2}|\P{Nd}/giu, "")].slice(-4).join("")}`,
  );
}

/** Most characters of a text that are read, and that remain: enough to understand a fault. */
const MAX_READ = 8000;
const MAX_TEXT = 2000;
const MAX_ITEMS = 50;
const MAX_DEPTH = 6;

/**
 * Makes a value safe to print and to serialise: masks secrets and personal data, bounds cycles, depth, length
 * and exotic types. Never throws.
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

/**
 * Built-in errors that quote their input, without the quotes: a body that is not JSON may contain passwords
 * and messages too. What remains says where the error was.
 */
const QUOTING: readonly (readonly [RegExp, (message: string) => string])[] = [
  [/ JSON\b/, (message) => `not valid JSON${/ at position \d+/.exec(message)?.[0] ?? ""}`],
  [/^Invalid URL\b/, () => "Invalid URL"],
];

/** An error's message, without what it quotes. */
function messageOf({ name, message }: Error): string {
  const quoting = name === "SyntaxError" || name === "TypeError";
  const found = quoting ? QUOTING.find(([pattern]) => pattern.test(message)) : undefined;
  return found === undefined ? message : found[1](message);
}

/** An error with name, message, code, stack and causes, each made safe. */
function redactError(error: Error, depth: number): unknown {
  const { code, detail } = error as Error & { code?: unknown; detail?: unknown };
  const message = messageOf(error);
  return {
    name: shortText(error.name),
    message: shortText(message),
    code: redactValue(code, "", depth),
    detail: redactValue(detail, "", depth),
    // It begins with the message.
    stack: error.stack === undefined
      ? undefined
      : shortText(error.stack.replaceAll(error.message, () => message)),
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
