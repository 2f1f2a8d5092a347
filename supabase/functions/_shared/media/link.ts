/**
 * Signed addresses of files: whoever has one gets this one file, without a key, for a limited time.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import { Problem } from "../http/problem.ts";

/** A signed address. */
export interface MediaLink {
  readonly url: string;
  /** ISO time after which it is refused. */
  readonly expiresAt: string;
}

/** Minutes for which an address is valid, where the setting `media.url_minutes` names none. */
export const DEFAULT_MINUTES = 60;

const utf8 = new TextEncoder();

/**
 * The signature of an address. The project's secret key is used through a key derived from it, so that a signature of
 * something else can never pass for one of these.
 */
function signatureOf(secret: string, id: string, expires: number): string {
  return hmacSha256(
    hmacSha256(secret, utf8.encode("gatelink media link 1")),
    utf8.encode(`${id}\n${expires}`),
  );
}

/**
 * Signs an address.
 *
 * @param base URL of the function that serves files, without a trailing slash.
 * @param id The file: the id of its message, of an upload, or the provider's.
 * @param now Milliseconds since 1970.
 */
export function signLink(
  { base, secret, id, now, minutes, query = "" }: {
    base: string;
    secret: string;
    id: string;
    now: number;
    minutes: number;
    query?: string;
  },
): MediaLink {
  const expires = Math.floor(now / 1000) + minutes * 60;
  return {
    url: `${base}/${id}?${query}expires=${expires}&signature=${signatureOf(secret, id, expires)}`,
    expiresAt: new Date(expires * 1000).toISOString(),
  };
}

/**
 * Whether a query holds a valid signature for this file.
 *
 * Failure policy: closed. Each key is compared in full; an address stays valid while the key that signed it does.
 */
export function holdsLink(
  query: URLSearchParams,
  id: string,
  secrets: readonly string[],
  now: number,
): "valid" | "expired" | "invalid" {
  const given = query.get("signature") ?? "";
  const text = query.get("expires") ?? "";
  if (!/^\d{1,12}$/.test(text)) return "invalid";
  const expires = Number(text);
  const matches = secrets.filter((secret) => timingSafeEqual(signatureOf(secret, id, expires), given));
  if (matches.length === 0) return "invalid";
  return expires * 1000 > now ? "valid" : "expired";
}

/**
 * Lets a request with a signed address in.
 *
 * Failure policy: closed, as {@linkcode holdsLink}.
 * @throws {Problem} `forbidden`, which says whether it has expired.
 */
export function requireLink(
  query: URLSearchParams,
  id: string,
  secrets: readonly string[],
  now: number,
): void {
  const held = holdsLink(query, id, secrets, now);
  if (held === "valid") return;
  throw new Problem("forbidden", {
    detail: held === "expired"
      ? "This address has expired. Ask with a key, or use the address of a newer event."
      : "This address is not signed by this installation.",
  });
}
