/**
 * What a text loses before it leaves for a model: everything by which a person, an account or a key could be told, as far as it
 * has a form. Each value becomes a typed mark, `[email-1]`; the same value the same mark. Pure.
 *
 * Names have no form: those in the mail's headers, after a greeting and below a closing are removed, others stay. docs/analysis.md
 * says so.
 *
 * Failure policy: closed. Whoever calls skips the model if this throws or takes longer than {@link LIMIT_MS}. What looks like
 * a number of somebody's is removed, even if it was a date or an order.
 *
 * @module
 */
import { redactText } from "../log/redact.ts";

/** Longest time that it may take, in milliseconds. */
export const LIMIT_MS = 50;

/** What a mark stands for. */
export type Mark =
  | "email"
  | "link"
  | "key"
  | "iban"
  | "card"
  | "phone"
  | "number"
  | "ip"
  | "address"
  | "date"
  | "name";

/** Forms of keys and tokens. */
const KEYS: readonly RegExp[] = [
  /eyJ[\w-]{8,}(?:\.[\w-]*){0,2}/g,
  /(?<![A-Za-z0-9])(?:sk|pk|rk)[-_][\w-]{8,}/g,
  /(?<![A-Za-z0-9])(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|hf_|npm_|sb_secret_|sb_publishable_|whsec_|dop_v1_|shpat_|SG\.|ya29\.)[\w.-]{6,}/g,
  /(?<![A-Za-z0-9])(?:AKIA|ASIA|AIza|EAA)[\w-]{12,}/g,
  /-----BEGIN [A-Z ]{3,40}-----[^-]{0,8000}(?:-----END [A-Z ]{3,40}-----)?/g,
  /(?<=(?:password|passwort|contraseña|mot de passe|senha|passwd|pwd|passcode|passphrase|cvv|cvc|otp|pin|secret|token|api key|apikey|kennwort)\s?(?:is|ist|es|est|é|:|=)\s?)[^\s,;]{3,200}/gi,
];
/** Long words of letters and digits: tokens of any kind. */
const TOKEN = /[\w+\/=-]{20,}/g;
const LINK = /(?:(?<![a-z])[a-z][a-z0-9+.-]{1,15}:\/\/|\bwww\.)[^\s<>"']+/gi;
/** Programs make links of these too, and a path may be a key. */
const BARE_LINK = /(?<![\p{L}\p{N}.@-])(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24}\/[^\s<>"']+/giu;
const IBAN = /\b[A-Z]{2}\d\d[ -]?(?:[A-Z0-9]{4}[ -]?){2,7}[A-Z0-9]{0,4}(?![A-Z0-9])/gi;
const IP4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]?\d)/g;
const IP6 = /(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi;
/** Six or more digits of any script, with at most three separators between two of them. */
const DIGITS = /[+(]{0,2}\p{Nd}(?:[\s().\-_\u2010-\u2015\/\u00b7]{0,3}\p{Nd}){5,}/gu;
/** Characters that nobody sees, which would part what belongs together. */
const INVISIBLE = /\p{Cf}/gu;
const BIRTH =
  /(?<=(?:born|date of birth|dob|geboren|geburtsdatum|nacid[oa]|fecha de nacimiento|née?|date de naissance|nascid[oa]|data de nascimento)[^\d\n]{0,12})\d{1,4}[.\/ -]\d{1,2}[.\/ -]\d{1,4}/gi;
const STREETS =
  /\b\d{1,5}[a-z]?,? (?:\p{Lu}[\p{L}'’.-]{0,30} ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Way|Terrace|Close)\b\.?/gu;
const STREETS_BEFORE =
  /\b(?:(?:\d{1,4},? )?(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]alle|[Aa]venida|[Pp]laza|[Pp]aseo|[Rr]ua|[Tt]ravessa|[Pp]raça|[Aa]v\.|[Cc]\/)) ?(?:(?:de|des|du|la|las|los|le|da|do|dos|das|del|el) ){0,2}\p{Lu}[\p{L}'’-]{1,30}(?: (?:de |du |da |do )?\p{Lu}[\p{L}'’-]{1,30}){0,3}(?:,? (?:n[º°.] ?)?\d{1,5}[a-z]?)?/gu;
const STREETS_JOINED =
  /\p{Lu}[\p{L}-]{2,30}(?:straße|strasse|str\.|weg|gasse|platz|allee|ring|damm|ufer) \d{1,4}\s?[a-z]?\b/gu;
const POSTAL = /\b(?:[A-Z]{1,2}-)?\d{4,5}(?:-\d{3,4})? (?=\p{Lu}\p{Ll})/gu;
const GREETING =
  /^((?:hi|hello|dear|hey|hola|buenos días|buenas tardes|estimad[oa]|querid[oa]|bonjour|bonsoir|cher|chère|olá|oi|bom dia|boa tarde|prezad[oa]|car[oa]|hallo|guten tag|liebe|lieber|sehr geehrte|sehr geehrter)(?: (?:mr|mrs|ms|dr|sr|sra|señor|señora|monsieur|madame|mme|herr|frau|senhor|senhora)\.?)?) (\p{L}[\p{L}'’-]{1,30}(?: \p{Lu}[\p{L}'’-]{1,30}){0,2})(?=[,!.: \n]|$)/gimu;
const CLOSING =
  /^(?:(?:kind|best|warm)? ?regards|best|sincerely|cheers|thanks|many thanks|thank you|saludos(?: cordiales)?|un saludo|atentamente|gracias|cordialement|bien à vous|merci|salutations|atenciosamente|abraços?|obrigad[oa]|cumprimentos|mit freundlichen grüßen|viele grüße|beste grüße|freundliche grüße|liebe grüße|danke|gruß|mfg)[,.!]?[ \t]*$/gimu;

/** Takes what is personal or secret out of a text. Takes linear time; cut texts of unbounded length first. */
export function redactForModel(
  text: string,
  people: readonly (string | null)[] = [],
): string {
  const marks = new Map<string, string>();
  const counts = new Map<Mark, number>();
  const mark = (kind: Mark, value: string): string => {
    const key = `${kind} ${value.toLowerCase().replace(/[^\p{L}\p{N}@]/gu, "")}`;
    let found = marks.get(key);
    if (found === undefined) {
      const n = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, n);
      marks.set(key, found = `[${kind}-${n}]`);
    }
    return found;
  };
  let safe = withoutSignature(text.toWellFormed().normalize("NFKC").replace(INVISIBLE, ""));
  for (const form of [LINK, BARE_LINK]) safe = safe.replace(form, (link) => mark("link", link));
  safe = markAddresses(safe, mark);
  for (const form of KEYS) safe = safe.replace(form, (key) => key.startsWith("[") ? key : mark("key", key));
  safe = safe.replace(IBAN, (found) => (found.match(/\d/g)?.length ?? 0) >= 8 ? mark("iban", found) : found);
  safe = safe.replace(
    TOKEN,
    (token) => /\d/.test(token) && /[A-Za-z]/.test(token) ? mark("key", token) : token,
  );
  safe = safe.replace(BIRTH, (date) => mark("date", date));
  for (const form of [IP4, IP6]) {
    safe = safe.replace(form, (ip) => /\d/.test(ip) || ip.length > 6 ? mark("ip", ip) : ip);
  }
  for (const form of [STREETS, STREETS_BEFORE, STREETS_JOINED]) {
    safe = safe.replace(form, (address) => mark("address", address));
  }
  safe = safe.replace(DIGITS, (run) => {
    const digits = run.replace(/\P{Nd}/gu, "");
    if (digits.length >= 13 && digits.length <= 19 && luhn(digits)) return mark("card", digits);
    return mark(
      /^[+(]/.test(run) || (digits.length >= 9 && digits.length <= 15) ? "phone" : "number",
      digits,
    );
  });
  safe = safe.replace(POSTAL, (code) => `${mark("address", code)} `);
  safe = safe.replace(GREETING, (_, greeting: string, name: string) => `${greeting} ${mark("name", name)}`);
  for (const name of namesOf(people)) safe = replaceWord(safe, name, () => mark("name", name));
  // What has a form that only logs know.
  return redactText(safe);
}

/** Words of names in headers, longest first; of an address those before the @. */
function namesOf(people: readonly (string | null)[]): string[] {
  const found = new Set<string>();
  for (const person of people) {
    const local = person?.includes("@") ? person.slice(0, person.lastIndexOf("@")) : person;
    for (const word of (local ?? "").split(/[^\p{L}'’-]+/u)) {
      if (word.length >= 2 && word.length <= 40 && !NO_NAMES.has(word.toLowerCase())) found.add(word);
    }
  }
  return [...found].sort((a, b) => b.length - a.length).slice(0, 20);
}

/** Words before an @ that mean no person. */
const NO_NAMES = new Set(
  ("info,mail,support,help,sales,team,office,contact,hello,service,admin,billing,alert,alerts,monitor,monitoring,noreply,reply,no-reply,customer,shop,web," +
    "test,the,and,von,van,der,bot,system,status,security,news,post,the,company,kontakt,hilfe,ventas,soporte,contacto,vendas,suporte,ajuda,aide")
    .split(","),
);

/** Of scripts that part no words. */
const UNPARTED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]/u;

function replaceWord(text: string, word: string, mark: () => string): string {
  if (UNPARTED.test(word)) return text.replaceAll(word, mark);
  // Two letters are somebody's name as they are written there, and otherwise words such as "an" and "do".
  const isShort = word.length === 2;
  const lower = isShort ? text : text.toLowerCase(), wanted = isShort ? word : word.toLowerCase();
  // Lower case may have another length; then positions do not fit, and the net below has to do.
  if (lower.length !== text.length) return text.replaceAll(word, mark);
  let result = "", end = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
    const isWord = !LETTER.test(text[at - 1] ?? " ") && !LETTER.test(text[at + wanted.length] ?? " ");
    if (!isWord || text[at - 1] === "[") continue;
    result += text.slice(end, at) + mark();
    end = at + wanted.length;
  }
  return result + text.slice(end);
}

const LETTER = /[\p{L}\p{N}]/u;
const AT = /[@\uff20\ufe6b]|\s?[[(](?:at|arroba|arobase)[\])]\s?/gi;
const LOCAL = /[^\s<>()[\],;:"]/;
const HOST = /[\p{L}\p{N}.-]/u;

/** Marks e-mail addresses and handles, from each @ to both sides. */
function markAddresses(text: string, mark: (kind: Mark, value: string) => string): string {
  let result = "", end = 0;
  for (const at of text.matchAll(AT)) {
    if (at.index < end) continue;
    let from = at.index, to = at.index + at[0].length;
    while (from > end && at.index - from < 100 && LOCAL.test(text[from - 1])) from--;
    while (to < text.length && to - at.index < 280 && HOST.test(text[to])) to++;
    while (to > at.index + at[0].length && /[.-]/.test(text[to - 1])) to--;
    if (to === at.index + at[0].length) continue;
    result += text.slice(end, from) + mark("email", text.slice(from, to));
    end = to;
  }
  return result + text.slice(end);
}

/** Without what stands below a closing: it holds name, post and numbers, and says nothing. */
function withoutSignature(text: string): string {
  const dashes = text.search(/^-- ?$/m);
  const cut = dashes > 0 ? text.slice(0, dashes) : text;
  let end = cut.length;
  for (const found of cut.matchAll(CLOSING)) {
    // Few lines below: more of them are another part of the mail.
    const below = cut.slice(found.index + found[0].length);
    if (below.split("\n").filter((line) => line.trim() !== "").length <= 6) {
      end = found.index + found[0].length;
      break;
    }
  }
  return cut.slice(0, end);
}

/** The check digit of payment cards. Source: ISO/IEC 7812-1. */
function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    sum += i % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
}
