/**
 * The URLs that messages may be sent to: https, to a host that a person allowed.
 *
 * `private.destination_permitted` applies the same rules in SQL, more strictly, when a destination is stored.
 * Both are tested with one table of cases, `tests/cases/allowlist.json`.
 *
 * @module
 */

/**
 * Names of this machine. Usable only if the setting `forward.allow_loopback` is on and the host is allowed.
 */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Longest URL, in characters. */
export const MAX_URL = 2000;

/** A parsed host pattern. */
export interface Pattern {
  /** The stored form: lower-case ASCII, without port 443. */
  readonly text: string;
  /** Host in ASCII; for a wildcard the part after `*.`. */
  readonly host: string;
  /** Whether it matches every name below `host`, at any depth, but not `host` itself. */
  readonly wildcard: boolean;
  /** The only port. A loopback pattern has none and matches every port, because local services use any. */
  readonly port?: number;
}

/** The compiled allowlist; `compileAllowlist` creates it once per load of the configuration. */
export interface Allowlist {
  readonly patterns: readonly Pattern[];
  /**
   * The registrable domain of a host ("example.co.uk"), null if it has none. Loaded only if there is a
   * wildcard.
   */
  readonly domainOf?: (host: string) => string | null;
}

/** Why a URL is refused. */
export type Refusal =
  /** Not an absolute URL, or too long. */
  | "malformed"
  /** Control characters, white space or back-slashes. */
  | "characters"
  /** Anything but https (http on loopback). */
  | "scheme"
  /** A user or password before the host. */
  | "credentials"
  /** A part after "#", which is never sent. */
  | "fragment"
  /** The host is an IP address, in any notation. */
  | "ip_literal"
  /** The host is not a plain DNS name: a single label, a trailing dot, an underscore, … */
  | "host"
  /** This machine, which is not allowed here. */
  | "loopback"
  /** No pattern names this host and port. */
  | "not_allowed";

/** Result of {@linkcode permit}. */
export type Permission =
  | { readonly ok: true; readonly url: URL; readonly loopback: boolean }
  | { readonly ok: false; readonly code: Refusal; readonly why: string };

/** Result of parsing a pattern. */
export type PatternCheck =
  | { readonly ok: true; readonly pattern: Pattern }
  | { readonly ok: false; readonly why: string };

// Scheme, authority, rest, as they stand: the URL parser forgives too much (`https:\\host`, `https:host`, "ex%61mple").
const FULL_URL = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)(?:[/?#].*)?$/i;
// deno-lint-ignore no-control-regex
const UNWANTED = /[\u0000-\u0020\u007f-\u00a0\\\u2028\u2029]/;
const DNS_NAME = /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/**
 * Whether a URL may be called.
 *
 * Failure policy: closed. Anything that cannot be parsed is refused, and a wildcard without the public suffix
 * list matches nothing. Does not check where the name leads; `addresses.ts` does.
 */
export function permit(url: string, allowlist: Allowlist, options: { allowLoopback: boolean }): Permission {
  if (url.length > MAX_URL) return refuse("malformed", `is longer than ${MAX_URL} characters`);
  if (UNWANTED.test(url)) return refuse("characters", "has control characters, spaces or back-slashes");
  const [, scheme, authority] = FULL_URL.exec(url) ?? [];
  if (authority === undefined) {
    return refuse("malformed", "is not written in full, like https://api.example.com/hook");
  }
  if (authority.includes("@")) return refuse("credentials", "holds a user or password");
  if (authority.includes("%")) return refuse("host", "has a host with percent signs");
  if (!URL.canParse(url)) {
    // Numbers that overflow an address ("https://4294967296") end here too.
    return refuse("malformed", "is not a URL");
  }
  const parsed = new URL(url);
  if (url.includes("#")) return refuse("fragment", 'has a part after "#"');
  const loopback = LOOPBACK.has(parsed.hostname);
  if (loopback && !options.allowLoopback) return refuse("loopback", "leads to this machine");
  if (parsed.protocol !== "https:" && !(loopback && parsed.protocol === "http:")) {
    return refuse("scheme", `is ${scheme.toLowerCase()}, not https`);
  }
  if (!loopback) {
    if (IPV4.test(parsed.hostname) || parsed.hostname.startsWith("[")) {
      return refuse("ip_literal", "names an address instead of a host");
    }
    if (!DNS_NAME.test(parsed.hostname)) return refuse("host", "has a host that is no plain DNS name");
  } else if (!authority.toLowerCase().startsWith(parsed.hostname)) {
    return refuse("ip_literal", "names this machine in disguise");
  }
  const port = parsed.port === "" ? 443 : Number(parsed.port);
  if (!allowlist.patterns.some((pattern) => matches(pattern, parsed.hostname, port, allowlist.domainOf))) {
    return refuse("not_allowed", "is not on the allowlist");
  }
  return { ok: true, url: parsed, loopback };
}

/**
 * Parses a host pattern: `api.example.com`, `*.example.com`, either with `:port`, or one of the loopback
 * hosts.
 */
export function parsePattern(input: string): PatternCheck {
  const no = (why: string): PatternCheck => ({ ok: false, why });
  const given = input.trim();
  if (LOOPBACK.has(given.toLowerCase())) {
    const host = given.toLowerCase();
    return { ok: true, pattern: { text: host, host, wildcard: false } };
  }
  const [, star, name, portText] = /^(\*\.)?([^*:/?#@%\\\s[\]]+)(?::([0-9]{1,5}))?$/.exec(given) ?? [];
  if (name === undefined || !URL.canParse(`https://${name}/`)) {
    return no("is not a host like api.example.com or *.example.com, with :port where it is not 443");
  }
  const host = new URL(`https://${name}/`).hostname; // lower case, IDN as xn--
  if (LOOPBACK.has(host) || IPV4.test(host)) return no("is an address, not a host name");
  if (!DNS_NAME.test(host)) return no("is not a DNS name of at least two labels");
  const port = portText === undefined ? 443 : Number(portText);
  if (port < 1 || port > 65535) return no("has a port beyond 65535");
  const wildcard = star !== undefined;
  const text = `${wildcard ? "*." : ""}${host}${port === 443 ? "" : `:${port}`}`;
  return { ok: true, pattern: { text, host, wildcard, port } };
}

/**
 * Parses a pattern that a person wants to add, and checks it against the public suffix list: `*.co.uk` and
 * `*.github.io` would allow anybody's hosts. Store the `text` of the result.
 */
export async function checkPattern(input: string): Promise<PatternCheck> {
  const read = parsePattern(input);
  if (!read.ok || !read.pattern.wildcard) return read;
  const domainOf = await loadDomainOf();
  if (domainOf(read.pattern.host) === null) {
    return { ok: false, why: `covers the hosts of anybody: ${read.pattern.host} is a public suffix` };
  }
  return read;
}

/**
 * Compiles stored patterns. The public suffix list (about 30 ms to load) is loaded only if a pattern is a
 * wildcard.
 *
 * Failure policy: an invalid pattern (stored by hand) allows nothing.
 */
export async function compileAllowlist(patterns: readonly string[]): Promise<Allowlist> {
  const read = patterns.map(parsePattern).flatMap((check) => check.ok ? [check.pattern] : []);
  return read.some((pattern) => pattern.wildcard)
    ? { patterns: read, domainOf: await loadDomainOf() }
    : { patterns: read };
}

async function loadDomainOf(): Promise<(host: string) => string | null> {
  const { getDomain } = await import("tldts");
  const options = {
    allowPrivateDomains: true,
    extractHostname: false,
    detectIp: false,
    validateHostname: false,
  };
  return (host) => getDomain(host, options);
}

function matches(pattern: Pattern, host: string, port: number, domainOf: Allowlist["domainOf"]): boolean {
  if (pattern.port !== undefined && pattern.port !== port) return false;
  if (!pattern.wildcard) return pattern.host === host;
  if (!host.endsWith(`.${pattern.host}`)) return false;
  // A wildcard stays with one owner: `*.amazonaws.com` must not reach somebody's bucket below s3.amazonaws.com.
  const domain = domainOf?.(pattern.host) ?? null;
  return domain !== null && domain === domainOf?.(host);
}

function refuse(code: Refusal, why: string): Permission {
  return { ok: false, code, why };
}
