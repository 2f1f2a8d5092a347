/**
 * The team's own networks and browsers, whose visits do not count as clicks of visitors.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { timingSafeEqual } from "../../crypto/timing_safe_equal.ts";
import { keyedHash, networkOf } from "./hashes.ts";

/** Parameter with which a member of the team marks a browser as the team's: the word of the setting, or `off`. */
export const OWN_PARAM = "gl_own";

/** The cookie of such a browser. */
const OWN_COOKIE = "gl_own";
const COOKIE = /(?:^|;\s*)gl_own=([0-9a-f]{16})(?:;|$)/;

/** The value of the cookie. It names no person; another word or key makes it void. */
function markOf(cookieKey: string, ownKey: string): string {
  return keyedHash(cookieKey, ["own", ownKey]);
}

/** The cookie that a visit with the parameter `gl_own` sets; undefined for another value than the word or `off`. */
export function ownCookie(cookieKey: string, ownKey: string, param: string): string | undefined {
  const attributes = "Path=/; SameSite=Lax; HttpOnly";
  if (param === "off") return `${OWN_COOKIE}=; ${attributes}; Max-Age=0`;
  if (cookieKey === "" || !timingSafeEqual(ownKey, param)) return undefined;
  return `${OWN_COOKIE}=${markOf(cookieKey, ownKey)}; ${attributes}; Max-Age=31536000`;
}

/** Whether a browser with these cookies was marked. */
export function isMarked(cookieKey: string, ownKey: string, cookies: string | null): boolean {
  const mark = cookies === null || cookieKey === "" ? undefined : COOKIE.exec(cookies)?.[1];
  return mark !== undefined && timingSafeEqual(markOf(cookieKey, ownKey), mark);
}

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

let lastText = "", lastNetworks: readonly Network[] = [];

/**
 * Whether an address is in one of these networks, `203.0.113.0/24, 2001:db8:1::/48, 198.51.100.7` (the setting
 * `deeplinks.own_networks`). Invalid networks are ignored.
 */
export function isInNetworks(text: string, address: string): boolean {
  if (text !== lastText) {
    lastText = text;
    lastNetworks = text.split(/[\s,]+/).flatMap(networksOf);
  }
  if (lastNetworks.length === 0) return false;
  // For an IPv6 address, the subscriber's network is what counts.
  const network = networkOf(address);
  if (network === undefined) return false;
  const ip = ipaddr.process(network.includes(":") ? `${network}::` : network);
  return lastNetworks.some(([range, bits]) =>
    range.kind() === ip.kind() && ip.match(range as ipaddr.IPv4 & ipaddr.IPv6, bits)
  );
}

function networksOf(text: string): Network[] {
  try {
    if (text.includes("/")) {
      const [range, bits] = ipaddr.parseCIDR(text);
      return [[range, range.kind() === "ipv6" ? Math.min(bits, 64) : bits]];
    }
    const ip = ipaddr.process(text);
    return [[ip, ip.kind() === "ipv6" ? 64 : 32]];
  } catch {
    return [];
  }
}
