/**
 * Validation of the Host header, before anything parses a URL.
 *
 * @module
 */
import { Problem } from "./problem.ts";

/** A name or address with an optional port (RFC 9112, section 3.2); it cannot start a path or a query. */
const HOST = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%-]{1,253})(?::\d{0,5})?$/;

/** Hosts that have passed; there are few. */
const known = new Set<string>();
const MAX_KNOWN = 100;
/** The last that has passed: comparing costs less than looking up. */
let last: string | undefined;

/**
 * Refuses a request whose Host header is invalid: its URL could not be parsed, or would be a different one.
 *
 * @throws {Problem} `invalid_host`, as RFC 9112 (3.2) requires.
 */
export function requireHost(headers: { get(name: string): string | null }): void {
  const host = headers.get("host");
  if (host === null || host === last) return;
  if (known.has(host)) {
    last = host;
    return;
  }
  if (!HOST.test(host) || !URL.canParse(`http://${host}/`)) throw new Problem("invalid_host");
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(host);
}
