/**
 * Recognises the addresses of this installation's own links: a link must not lead to itself, nor in a circle.
 *
 * @module
 */
import { codeOf } from "../visitor/code.ts";
import type { Visit } from "../visitor/visit.ts";

/** The code of the link that an address leads to: empty for the root of the links, undefined for other addresses. */
export type OwnCode = (url: string) => string | undefined;

/** Maximum number of links that a visit may pass through. */
export const MAX_HOPS = 5;

/** Parameter that counts the links that a visit has passed through. */
export const HOPS = "gl_hop";

/** Path prefixes of a code on a host that serves the function. */
const OWN_PATHS = ["/functions/v1/deeplinks", "/deeplinks", "/l"];

/**
 * Creates the function that recognises the installation's own addresses.
 *
 * @param domain The link domain, with its path if it has one.
 * @param hosts Other hosts (with their port) that serve the function.
 */
export function createOwnCode(domain: string | undefined, hosts: readonly string[]): OwnCode {
  const slash = domain?.indexOf("/") ?? -1;
  const host = domain === undefined ? undefined : slash < 0 ? domain : domain.slice(0, slash);
  const paths = domain === undefined ? OWN_PATHS : [...OWN_PATHS, slash < 0 ? "" : domain.slice(slash)];
  const all = new Set(host === undefined ? hosts : [host, ...hosts]);
  return (url) => {
    if (!/^https?:/i.test(url) || !URL.canParse(url)) return undefined;
    const { host: given, pathname } = new URL(url);
    if (!all.has(given)) return undefined;
    for (const path of given === host ? paths : OWN_PATHS) {
      const rest = pathname.slice(path.length);
      if (!pathname.startsWith(path) || (rest !== "" && !rest.startsWith("/"))) continue;
      const parts = rest.split("/").filter((part) => part !== "");
      return parts.length > 1 ? undefined : codeOf(parts[0] ?? "");
    }
  };
}

/** Addresses of a link as written or stored. */
interface Written {
  readonly default_url?: string | undefined;
  readonly expired_url?: string | undefined;
  readonly targets?:
    | readonly {
      readonly url?: string | undefined;
      readonly store?: string | undefined;
      readonly app?: { readonly url: string; readonly fallback?: string | undefined } | undefined;
    }[]
    | undefined;
}

/** An address in a link that leads to another link, or to itself. */
export interface OwnAddress {
  /** Such as `targets[0].url`. */
  readonly path: string;
  readonly code: string;
}

/** The addresses of a link that lead to links of this installation. */
export function ownAddresses(
  { default_url, expired_url, targets = [] }: Written,
  ownCode: OwnCode,
): OwnAddress[] {
  const all: [string, string | undefined][] = [["default_url", default_url], ["expired_url", expired_url]];
  targets.forEach(({ url, store, app }, index) => {
    const path = `targets[${index}]`;
    all.push([`${path}.url`, url], [`${path}.store`, store]);
    all.push([`${path}.app.url`, app?.url], [`${path}.app.fallback`, app?.fallback]);
  });
  return all.flatMap(([path, url]) => {
    const code = url === undefined ? undefined : ownCode(url);
    return code === undefined || code === "" ? [] : [{ path, code }];
  });
}

/**
 * Whether a visit may continue to a place: not back to this same link, and not through more than `MAX_HOPS` links.
 * Circles are refused when they are written; this stops those that arose otherwise, such as by a change of the link
 * domain.
 */
export function leadsOn(
  { own }: { readonly own: string | undefined },
  link: { readonly code: string },
  visit: Visit,
): boolean {
  return own === undefined || (own !== link.code && hopsOf(visit) < MAX_HOPS);
}

/** The address of another link, with one more link counted. */
export function withHop(url: string, visit: Visit): string {
  const whole = new URL(url);
  whole.searchParams.set(HOPS, String(hopsOf(visit) + 1));
  return whole.href;
}

function hopsOf(visit: Visit): number {
  const hops = Number(visit.param(HOPS) ?? 0);
  return Number.isInteger(hops) && hops >= 0 ? hops : MAX_HOPS;
}
