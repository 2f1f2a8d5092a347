/**
 * The team's own networks, whose visits do not count as clicks of visitors.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { networkOf } from "./hashes.ts";

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
