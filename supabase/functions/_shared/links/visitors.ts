/**
 * Visitors without their addresses: hashes under a key that changes each day and is thrown away.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { sha256Hex } from "../whatsapp/hmac.ts";

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

/**
 * What tells apart those whose parts differ, on one day: the first 64 bits of the SHA-256 of the day's key and the
 * parts, as 16 digits of hex. (HMAC would hash twice to keep others from going on from a hash; nobody can from a
 * quarter of one.) Undefined when the day's key is not known: better nobody told apart than an address kept.
 */
export function hashOf(keys: VisitorKeys, now: number, ...parts: string[]): string | undefined {
  const key = keys[dayOf(now)];
  if (key === undefined) return undefined;
  const { written } = utf8.encodeInto(`${key}\n${parts.join("\n")}`, scratch);
  return sha256Hex(scratch.subarray(0, written)).slice(0, 16);
}

/**
 * The network that a trusted address stands for, as one client: an IPv4 address, or the /64 of an IPv6 one, which is
 * what one subscriber gets. Undefined for what is no address.
 */
export function networkOf(address: string): string | undefined {
  try {
    const parsed = ipaddr.process(address.trim());
    return parsed.kind() === "ipv4"
      ? parsed.toString()
      : parsed.toNormalizedString().split(":").slice(0, 4).join(":");
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
