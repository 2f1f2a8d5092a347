/**
 * Networks from which mail security services look at the links of mails.
 *
 * A network alone proves nothing: services that isolate browsers show pages to people from the same networks, so an
 * access from here is in doubt, and needs a second sign to be a machine's. Image proxies are another matter: opens are
 * never judged by their network, because Gmail, Yahoo and Outlook load images for people.
 *
 * @module
 */
import ipaddr from "ipaddr.js";

/**
 * Ranges that the services publish for their own mail servers and scanners.
 *
 * Sources: Proofpoint, "Proofpoint Essentials Connection Details" and its announcements (AS22843, AS26211); Mimecast,
 * "Data Centers and URLs" (AS30031); Barracuda, "IP Ranges Used for Configuration" (AS15324); Microsoft, "Office 365 URLs
 * and IP Address Ranges", ids 9 and 10 (Exchange Online Protection).
 */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  proofpoint: [
    "67.231.144.0/20",
    "148.163.128.0/19",
    "185.132.180.0/22",
    "185.183.28.0/22",
    "205.220.160.0/19",
    "208.84.64.0/22",
  ],
  mimecast: [
    "41.74.192.0/20",
    "63.128.21.0/24",
    "91.220.42.0/24",
    "103.13.69.0/24",
    "146.101.78.0/24",
    "180.189.28.0/24",
    "185.58.84.0/22",
    "195.130.217.0/24",
    "205.139.110.0/23",
    "207.211.30.0/23",
    "216.205.24.0/24",
  ],
  barracuda: ["64.235.144.0/20", "209.222.80.0/21"],
  microsoft: ["40.92.0.0/15", "40.94.0.0/16", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"],
};

/** Networks as ranges of 32-bit numbers. */
const networks = Object.entries(RANGES).flatMap(([service, ranges]) =>
  ranges.map((range) => {
    const [ip, bits] = ipaddr.IPv4.parseCIDR(range);
    const first = numberOf(ip.toString())!;
    return { service, first, last: first + 2 ** (32 - bits) - 1 };
  })
);

/** An IPv4 address in dots as a number; undefined for any other text. */
function numberOf(address: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (parts === null) return undefined;
  let number = 0;
  for (let i = 1; i <= 4; i++) {
    const part = Number(parts[i]);
    if (part > 255) return undefined;
    number = number * 256 + part;
  }
  return number;
}

/** An IPv4 address in any of the forms that proxies write, in dots. */
function dotted(address: string): string | undefined {
  try {
    const ip = ipaddr.process(address);
    return ip.kind() === "ipv4" ? ip.toString() : undefined;
  } catch {
    return undefined;
  }
}

/** The service whose network an address is in; undefined for any other address, and for what is none. Hot. */
export function scannerOf(address: string): string | undefined {
  const number = numberOf(address) ?? numberOf(dotted(address) ?? "");
  if (number === undefined) return undefined;
  for (const { service, first, last } of networks) if (number >= first && number <= last) return service;
  return undefined;
}
