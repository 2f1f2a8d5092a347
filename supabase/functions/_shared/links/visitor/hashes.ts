/**
 * Visitors without their addresses: hashes under a key that changes each day and is thrown away.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { sipHash, type SipKey, sipKey } from "../../crypto/siphash.ts";

/** Keys by day, "2026-11-21" to hex, as `refresh_links` gives them. */
export type VisitorKeys = Readonly<Record<string, string>>;

const utf8 = new TextEncoder();
const scratch = new Uint8Array(2048);

let lastDay = -1, lastDate = "";

/** The day (UTC) of an instant in Unix milliseconds. */
export function dayOf(now: number): string {
  const day = Math.floor(now / 86_400_000);
  if (day !== lastDay) {
    lastDay = day;
    lastDate = new Date(day * 86_400_000).toISOString().slice(0, 10);
  }
  return lastDate;
}

/** Prepared keys: today's, yesterday's around midnight, and the cookies'. */
const prepared = new Map<string, SipKey>();
const MAX_PREPARED = 8;

/**
 * What tells apart those whose parts differ, on one day: the SipHash of the parts under the day's key, as 16 digits of
 * hex. Undefined when the day's key is not known: better nobody told apart than an address kept.
 */
export function hashOf(keys: VisitorKeys, now: number, ...parts: string[]): string | undefined {
  const key = keys[dayOf(now)];
  return key === undefined ? undefined : keyedHash(key, parts);
}

/** The SipHash of the parts, one to a line, under a key in hex, as 16 digits of hex. */
export function keyedHash(key: string, parts: readonly string[]): string {
  let length = 0;
  for (const part of parts) {
    if (length > 0 && length < scratch.length) scratch[length++] = 10; // a line feed, which no part holds
    length += write(part, length);
  }
  return sipHash(prepared.get(key) ?? prepare(key), scratch, length);
}

function prepare(key: string): SipKey {
  if (prepared.size >= MAX_PREPARED) prepared.clear();
  const made = sipKey(key);
  prepared.set(key, made);
  return made;
}

/** Writes a text in UTF-8, cut where the room ends; what is ASCII, which is all but ill-made headers, without a call. */
function write(text: string, at: number): number {
  const length = Math.min(text.length, scratch.length - at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return utf8.encodeInto(text, scratch.subarray(at)).written;
    scratch[at + i] = unit;
  }
  return length;
}

/**
 * The network that a trusted address stands for, as one client: an IPv4 address, or the /64 of an IPv6 one, which is
 * what one subscriber gets. Undefined for what is no address.
 */
export function networkOf(address: string): string | undefined {
  return prefixOf(address, 4);
}

/**
 * Whom an address stands for where each new client would be a gift: the /48 of an IPv6 one, since who has one has 65,536
 * networks. Undefined for what is no address.
 */
export function siteOf(address: string): string | undefined {
  return prefixOf(address, 3);
}

/** An IPv4 address, or so many groups of an IPv6 one. */
function prefixOf(address: string, groups: number): string | undefined {
  try {
    const parsed = ipaddr.process(address.trim());
    return parsed.kind() === "ipv4"
      ? parsed.toString()
      : parsed.toNormalizedString().split(":").slice(0, groups).join(":");
  } catch {
    return undefined;
  }
}

/** Whether an address belongs to one subscriber: not private, not shared by carrier-grade NAT, not reserved. */
export function isOwnAddress(address: string): boolean {
  try {
    return ipaddr.process(address.trim()).range() === "unicast";
  } catch {
    return false;
  }
}
