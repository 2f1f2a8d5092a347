/**
 * Identifies visitors without storing their addresses: hashes under a key that changes each day and is discarded.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { sipHash, type SipKey, sipKey } from "../../crypto/siphash.ts";

/** Keys per day of a time zone, "2026-11-21" to hex, as `refresh_links` returns them. */
export interface VisitorKeys {
  readonly zone: string;
  readonly days: Readonly<Record<string, string>>;
}

const utf8 = new TextEncoder();
const scratch = new Uint8Array(2048);

/** Days begin, and clocks change, at quarter hours of UTC in every zone. */
const QUARTER_MS = 900_000;
let lastQuarter = -1, lastZone = "", lastDate = "";

/** The day of an instant in Unix milliseconds, in a time zone; in UTC if the runtime does not know the zone. */
export function dayOf(now: number, zone: string): string {
  const quarter = Math.floor(now / QUARTER_MS);
  if (quarter !== lastQuarter || zone !== lastZone) {
    lastQuarter = quarter;
    lastZone = zone;
    lastDate = dayIn(quarter * QUARTER_MS, zone);
  }
  return lastDate;
}

function dayIn(at: number, zone: string): string {
  try {
    const parts = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    }).formatToParts(at);
    const part = (type: string) => parts.find((one) => one.type === type)!.value;
    return `${part("year")}-${part("month")}-${part("day")}`;
  } catch {
    return new Date(at).toISOString().slice(0, 10);
  }
}

/** Prepared keys: today's, yesterday's around midnight, and that of the cookies. */
const prepared = new Map<string, SipKey>();
const MAX_PREPARED = 8;

/**
 * A hash that distinguishes different parts on one day: the SipHash of the parts under the day's key, as 16 hex digits.
 * Undefined if the day's key is unknown: it is better not to distinguish visitors than to store an address.
 */
export function hashOf(keys: VisitorKeys, now: number, ...parts: string[]): string | undefined {
  const key = keys.days[dayOf(now, keys.zone)];
  return key === undefined ? undefined : keyedHash(key, parts);
}

/** The SipHash of the parts, one per line, under a key in hex, as 16 hex digits. */
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

/**
 * Writes a text in UTF-8, truncated to the available room. ASCII, which is everything except malformed headers, is
 * written without a call.
 */
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
 * The network of a trusted address, as one client: an IPv4 address, or the /64 of an IPv6 one, which is what one
 * subscriber gets. Undefined for an invalid address.
 */
export function networkOf(address: string): string | undefined {
  return prefixOf(address, 4);
}

/**
 * The site of an address, for limits that must not be avoided with new networks: the /48 of an IPv6 address, whose
 * holder has 65,536 networks. Undefined for an invalid address.
 */
export function siteOf(address: string): string | undefined {
  return prefixOf(address, 3);
}

/** An address, with a port as some proxies add: `203.0.113.7:4711`, `[2001:db8::1]:4711`; in quotes, and with a zone. */
const WITH_PORT = /^"?(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)"?$/;

/** @throws if the address is invalid */
function parsed(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const text = address.trim();
  const [, six, four] = WITH_PORT.exec(text) ?? [];
  const ip = ipaddr.process(six ?? four ?? text);
  // A translator's address stands for an IPv4 address, its last 32 bits (RFC 6052, section 2.1).
  return ip instanceof ipaddr.IPv6 && ip.match(TRANSLATED) ? new ipaddr.IPv4(ip.toByteArray().slice(12)) : ip;
}

/** The well-known prefix of NAT64, under which everybody would be one network. */
const TRANSLATED: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("64:ff9b::"), 96];

/** An IPv4 address, or the first `groups` groups of an IPv6 one. */
function prefixOf(address: string, groups: number): string | undefined {
  try {
    const ip = parsed(address);
    return ip.kind() === "ipv4"
      ? ip.toString()
      : ip.toNormalizedString().split(":").slice(0, groups).join(":");
  } catch {
    return undefined;
  }
}

/** Whether an address belongs to one subscriber: not private, not shared by carrier-grade NAT, not reserved. */
export function isOwnAddress(address: string): boolean {
  try {
    return parsed(address).range() === "unicast";
  } catch {
    return false;
  }
}
