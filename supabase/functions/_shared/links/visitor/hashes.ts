/**
 * Visitors without their addresses: hashes under a key that changes each day and is thrown away.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { sipHash, type SipKey, sipKey } from "../../crypto/siphash.ts";

/** Keys of the days of a time zone, "2026-11-21" to hex, as `refresh_links` gives them. */
export interface VisitorKeys {
  readonly zone: string;
  readonly days: Readonly<Record<string, string>>;
}

const utf8 = new TextEncoder();
const scratch = new Uint8Array(2048);

/** Days begin, and clocks are changed, at quarters of an hour of UTC, whatever the zone. */
const QUARTER_MS = 900_000;
let lastQuarter = -1, lastZone = "", lastDate = "";

/** The day of an instant in Unix milliseconds, in a time zone; in UTC where the runtime does not know the zone. */
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

/** Prepared keys: today's, yesterday's around midnight, and the cookies'. */
const prepared = new Map<string, SipKey>();
const MAX_PREPARED = 8;

/**
 * What tells apart those whose parts differ, on one day: the SipHash of the parts under the day's key, as 16 digits of
 * hex. Undefined when the day's key is not known: better nobody told apart than an address kept.
 */
export function hashOf(keys: VisitorKeys, now: number, ...parts: string[]): string | undefined {
  const key = keys.days[dayOf(now, keys.zone)];
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

/** An address, with a port as some proxies give one: `203.0.113.7:4711`, `[2001:db8::1]:4711`; and with a zone. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/;

/** @throws for what is no address */
function parsed(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const text = address.trim();
  const [, six, four] = WITH_PORT.exec(text) ?? [];
  return ipaddr.process(six ?? four ?? text);
}

/** An IPv4 address, or so many groups of an IPv6 one. */
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
