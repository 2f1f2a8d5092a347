/**
 * Where a host name leads: only to addresses of the public internet.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { orAborted } from "./abort.ts";

/** Looks up the addresses of one family; `Deno.resolveDns` fits. Throws an error named `NotFound` for none. */
export type ResolveDns = (
  host: string,
  type: "A" | "AAAA",
  options?: { signal?: AbortSignal },
) => Promise<string[]>;

/** What became of a host name. */
export type Resolution =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly code: "dns" | "address"; readonly why: string };

/** Longest wait for DNS, in milliseconds. */
export const DNS_TIMEOUT_MS = 5000;

// Azure's metadata and DNS: a public address by the registries, answered inside each of its virtual machines. Those of
// the other clouds lie in ranges refused anyway: 169.254.169.254 (link-local), fd00:ec2::254 and fd20:ce::254 (unique
// local), 100.100.100.200 (CGNAT), 192.0.0.192 (reserved).
const AZURE = "168.63.129.16";
const GLOBAL_V6 = ipaddr.parseCIDR("2000::/3");

/**
 * Names the special range that an address lies in, null for a public one.
 *
 * Failure policy: closed. Public is what no register calls special; for IPv6 only 2000::/3, the one block that is given
 * out. Addresses that hold another one (IPv4-mapped, NAT64, 6to4, Teredo) are refused whatever they hold: no service
 * publishes them, and each network decides for itself where they lead.
 * Source: the IANA special-purpose registries, through ipaddr.js.
 */
export function specialRange(address: string): string | null {
  // parse() also takes octal, hexadecimal and short forms; a resolver answers none of them.
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address)) return "invalid";
  if (address === AZURE) return "metadata";
  const ip = ipaddr.parse(address);
  const range = ip.range();
  if (range !== "unicast") return range;
  return ip.kind() === "ipv4" || ip.match(GLOBAL_V6) ? null : "unassigned";
}

/**
 * Resolves a host and refuses it unless **every** address, IPv4 and IPv6, is public: a client is free to take any.
 *
 * Failure policy: closed. No address, no answer within {@link DNS_TIMEOUT_MS}, or a family that could not be asked:
 * refused, and the delivery is tried again later as after any failure.
 */
export async function resolvePublic(
  host: string,
  resolveDns: ResolveDns = Deno.resolveDns,
  timeoutMs: number = DNS_TIMEOUT_MS,
): Promise<Resolution> {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  const ask = async (type: "A" | "AAAA"): Promise<string[]> => {
    try {
      return await orAborted(resolveDns(host, type, { signal }), signal);
    } catch (error) {
      if (error instanceof Error && error.name === "NotFound") return []; // a host of one family is usual
      throw error;
    }
  };
  try {
    const addresses = (await Promise.all([ask("A"), ask("AAAA")])).flat();
    if (addresses.length === 0) return { ok: false, code: "dns", why: "the host has no address" };
    for (const address of addresses) {
      const range = specialRange(address);
      if (range !== null) {
        return { ok: false, code: "address", why: `an address of the host is not public: ${range}` };
      }
    }
    return { ok: true, addresses };
  } catch {
    return { ok: false, code: "dns", why: "DNS did not answer" };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Remembers good answers for a few seconds and joins questions that are under way, so that a busy destination costs
 * one look-up in `ttlMs` and not one a delivery. Refusals are never remembered.
 *
 * The address may change within that time as it may between any check and the connection after it: see
 * docs/security.md for what that can and cannot do.
 */
export function rememberResolutions(
  resolve: (host: string) => Promise<Resolution>,
  { ttlMs = 5000, size = 500, now = () => performance.now() }: {
    /** Milliseconds a good answer lasts. */
    ttlMs?: number;
    /** Hosts kept, the oldest answer dropped first. */
    size?: number;
    now?: () => number;
  } = {},
): (host: string) => Promise<Resolution> {
  const known = new Map<string, { until: number; answer: Promise<Resolution> }>();
  return async (host) => {
    const entry = known.get(host);
    if (entry !== undefined && now() < entry.until) return await entry.answer;
    known.delete(host);
    const fresh = { until: now() + ttlMs, answer: resolve(host) };
    known.set(host, fresh);
    if (known.size > size) known.delete(known.keys().next().value!);
    const forget = () => known.get(host) === fresh && known.delete(host);
    try {
      const resolution = await fresh.answer;
      if (!resolution.ok) forget();
      return resolution;
    } catch (error) {
      forget();
      throw error;
    }
  };
}
