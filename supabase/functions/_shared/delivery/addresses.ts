/**
 * Resolves host names, only to addresses of the public internet.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { orAborted } from "./abort.ts";

/**
 * Looks up the addresses of one family; compatible with `Deno.resolveDns`. Throws an error named `NotFound`
 * if there are none.
 */
export type ResolveDns = (
  host: string,
  type: "A" | "AAAA",
  options?: { signal?: AbortSignal },
) => Promise<string[]>;

/** Result of resolving a host name. */
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
 * Names the special range of an address; null for a public one.
 *
 * Failure policy: closed. An address is public if no registry lists it as special; for IPv6 only within
 * 2000::/3, the only block that is allocated. Addresses that embed another one (IPv4-mapped, NAT64, 6to4,
 * Teredo) are always refused: no service publishes them, and each network decides where they lead. Source:
 * the IANA special-purpose registries, through ipaddr.js.
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
 * Time that the slower family gets after the other one has returned addresses, in milliseconds, so that a
 * resolver that drops one type of query does not delay every delivery.
 */
export const SECOND_FAMILY_MS = 1000;

type Family = "A" | "AAAA";
type Asked = { readonly addresses: readonly string[] } | { readonly failed: "unanswered" | "refused" };

const FAMILIES: readonly Family[] = ["A", "AAAA"];
const NAMES: Record<Family, string> = { A: "IPv4 (A)", AAAA: "IPv6 (AAAA)" };

/**
 * Resolves a host and refuses it unless **every** address found, IPv4 and IPv6, is public: a client may use
 * any of them.
 *
 * If one family cannot be queried, the other one counts: resolvers that drop or refuse AAAA are common, and
 * the connection cannot get an answer from them either.
 *
 * Failure policy: closed. Without an address, or without an answer within {@link DNS_TIMEOUT_MS}, the host is
 * refused, and the delivery is tried again later as after any failure. The reason names the result of each
 * family.
 */
export async function resolvePublic(
  host: string,
  resolveDns: ResolveDns = Deno.resolveDns,
  timeoutMs: number = DNS_TIMEOUT_MS,
  secondFamilyMs: number = SECOND_FAMILY_MS,
): Promise<Resolution> {
  const controller = new AbortController();
  const { signal } = controller;
  const timers = [setTimeout(() => controller.abort(), timeoutMs)];
  const ask = async (family: Family): Promise<Asked> => {
    try {
      const addresses = await orAborted(resolveDns(host, family, { signal }), signal);
      if (addresses.length > 0) timers.push(setTimeout(() => controller.abort(), secondFamilyMs));
      return { addresses };
    } catch (error) {
      if (error instanceof Error && error.name === "NotFound") return { addresses: [] }; // a host of one family is usual
      return { failed: signal.aborted ? "unanswered" : "refused" };
    }
  };
  const asked = await Promise.all(FAMILIES.map(ask));
  timers.forEach(clearTimeout);
  const addresses: string[] = [];
  for (const [i, one] of asked.entries()) {
    if ("failed" in one) continue;
    for (const address of one.addresses) {
      const range = specialRange(address);
      if (range !== null) {
        return {
          ok: false,
          code: "address",
          why: `an ${NAMES[FAMILIES[i]]} address of the host is not public: ${range}`,
        };
      }
    }
    addresses.push(...one.addresses);
  }
  if (addresses.length > 0) return { ok: true, addresses };
  if (asked.every((one) => "addresses" in one)) {
    return { ok: false, code: "dns", why: "the host has no address, neither IPv4 (A) nor IPv6 (AAAA)" };
  }
  const words = asked.map((one, i) =>
    `${NAMES[FAMILIES[i]]}: ${
      "addresses" in one
        ? "no address"
        : one.failed === "unanswered"
        ? "no answer from DNS in time"
        : "DNS failed"
    }`
  );
  return { ok: false, code: "dns", why: words.join(", ") };
}

/**
 * Caches good answers for a few seconds and shares running queries, so that a busy destination costs one
 * look-up per `ttlMs` instead of one per delivery. Refusals are never cached.
 *
 * The address may change within that time, as it may between any check and its connection: docs/security.md
 * says what that can and cannot do.
 */
export function rememberResolutions(
  resolve: (host: string) => Promise<Resolution>,
  { ttlMs = 5000, size = 500, now = () => performance.now() }: {
    /** Time to live of a good answer, in milliseconds. */
    ttlMs?: number;
    /** Most hosts in the cache; the oldest answer is dropped first. */
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
