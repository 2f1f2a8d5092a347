/**
 * Values of the header fields that hold addresses, ids and dates.
 *
 * @module
 */
import { addressParser } from "postal-mime";
import { cleanLine, firstOf } from "./charset.ts";
import { words } from "./header.ts";
import type { MailAddress } from "./types.ts";

/** Octets of an address in a path (RFC 5321 4.5.3.1.3), and room for the former system's long ones. */
const MOST_ADDRESS = 320;
const MOST_NAME = 200;

/** The addresses of a header, groups flattened. What holds no `@` is no address. */
export function addressesOf(value: string, most: number): MailAddress[] {
  let parsed: { name?: string; address?: string }[] = [];
  try {
    parsed = addressParser(value, { flatten: true }) as { name?: string; address?: string }[];
  } catch {
    // No address can be read then: the mail is from nobody, and never verified.
  }
  const found: MailAddress[] = [];
  for (const { name, address } of parsed) {
    const normal = normalAddress(address ?? "");
    if (normal === undefined) continue;
    found.push({ address: normal, name: firstOf(words(name ?? ""), MOST_NAME) });
    if (found.length >= most) break;
  }
  return found;
}

/**
 * An address in the form in which addresses are compared: lower-cased, the domain in ASCII. Undefined for what is none.
 * The local part is lower-cased too: no system in use tells addresses apart by it (RFC 5321 2.4 advises against).
 */
export function normalAddress(text: string): string | undefined {
  const clean = cleanLine(text);
  const at = clean.lastIndexOf("@");
  if (at < 1 || clean.length > MOST_ADDRESS || /[\s<>]/.test(clean)) return undefined;
  const domain = asciiDomain(clean.slice(at + 1));
  return domain === undefined ? undefined : `${clean.slice(0, at).toLowerCase()}@${domain}`;
}

/** A domain in lower-case ASCII (RFC 5891), without a final dot; undefined for what is none. */
export function asciiDomain(text: string): string | undefined {
  const domain = text.trim().replace(/\.$/, "").toLowerCase();
  if (/^[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?$/.test(domain)) return domain;
  // Address literals are no domains of anybody.
  if (/^[\x20-\x7e]*$/.test(domain) || domain.length > 255 || /[:/?#@\\]/.test(domain)) return undefined;
  return URL.parse(`http://${domain}`)?.hostname;
}

/** The part after the last `@`; "" for what is no address. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? "" : address.slice(at + 1);
}

/** Characters of one Message-ID. RFC 5322 allows a line, and nobody needs one. */
const MOST_ID = 500;

/**
 * Message-IDs without angle brackets, in their order. A thread of years may have hundreds: half of `most` from the
 * beginning and half from the end tell where it began and what is answered.
 */
export function idsOf(value: string, most: number): { ids: string[]; cut: boolean } {
  const ids: string[] = [];
  for (let at = value.indexOf("<"); at >= 0; at = value.indexOf("<", at + 1)) {
    const end = value.indexOf(">", at);
    if (end < 0) break;
    const id = cleanLine(value.slice(at + 1, end)).replaceAll(" ", "");
    if (id !== "" && id.length <= MOST_ID && !id.includes("<")) ids.push(id);
    at = end;
  }
  // Some mailers leave the brackets out.
  const bare = ids.length === 0 ? /^[^\s<>@]{1,250}@[^\s<>@]{1,250}$/.exec(value.trim())?.[0] : undefined;
  if (bare !== undefined) ids.push(bare);
  if (ids.length <= most) return { ids, cut: false };
  const half = Math.floor(most / 2);
  return { ids: [...ids.slice(0, most - half), ...(half > 0 ? ids.slice(-half) : [])], cut: true };
}

/** A date as ISO 8601; null for what cannot be read, or is no date of a mail. */
export function dateOf(value: string): string | null {
  // Comments such as "(CET)" are for people.
  const time = Date.parse(firstOf(value, 100).replace(/\([^()]{0,60}\)/g, "").trim());
  const year = new Date(time).getUTCFullYear();
  return Number.isNaN(time) || year < 1980 || year > 9999 ? null : new Date(time).toISOString();
}
