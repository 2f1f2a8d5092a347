/**
 * Signatures of Twilio's webhooks.
 *
 * `X-Twilio-Signature` is base64 of an HMAC over the address that was configured at Twilio, followed by name and value
 * of each parameter of the form, in the order of the names. Twilio never signs the address that the function sees behind
 * a proxy.
 *
 * Sources: Twilio, "Security" (twilio.com/docs/usage/security), "Webhook shared keys" and "Webhook rules" (public beta,
 * 2026); how the official libraries treat ports and repeated parameters (twilio-node `webhooks.ts`).
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { sha256Hex } from "../../../crypto/sha256.ts";
import { timingSafeEqual } from "../../../crypto/timing_safe_equal.ts";

/** Header of the signature. */
export const SIGNATURE_HEADER = "x-twilio-signature";
/** Header that names key and algorithm, where a Webhook Rule signs: `key=…,algorithm=HMAC_SHA256`. */
export const SETTINGS_HEADER = "x-twilio-webhooks-signature-settings";

/** What signs. */
export interface TwilioSecrets {
  /** Auth tokens; two are valid while they are rotated, and subaccounts have their own. */
  readonly tokens: readonly string[];
  /** Shared keys of Webhook Rules. */
  readonly sharedKeys: readonly string[];
}

/** What was signed. */
export interface SignedRequest {
  /** Each form that the configured address may have been signed in; see {@linkcode signedUrls}. */
  readonly urls: readonly string[];
  /** The query of the request, without the question mark. */
  readonly query: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Longer signatures are none: SHA-1 gives 28 characters, SHA-256 44. */
const LONGEST = 64;
/** Parameters of a form at most. Twilio sends some fifty, with ten files and a group a hundred. */
const MAX_PARAMETERS = 500;

/**
 * Whether Twilio sent a request.
 *
 * Failure policy: closed. Where the header of a Webhook Rule stands, auth tokens do not count: falling back to SHA-1
 * would make the rule worthless.
 *
 * @param parameters Of the request, for a caller that asks about several accounts; see {@linkcode signedParameters}.
 */
export function verifyTwilio(
  request: SignedRequest,
  secrets: TwilioSecrets,
  parameters: string | undefined = signedParameters(request),
): boolean {
  const { urls, headers } = request;
  const given = headers.get(SIGNATURE_HEADER)?.trim() ?? "";
  if (given === "" || given.length > LONGEST) return false;
  const signer = signerOf(headers.get(SETTINGS_HEADER), secrets);
  if (signer === undefined) return false;
  if (parameters === undefined) return false;
  let valid = false;
  for (const key of signer.keys) {
    if (key === "") continue;
    for (const url of urls) {
      const expected = createHmac(signer.algorithm, key).update(url).update(parameters).digest("base64");
      if (timingSafeEqual(expected, given)) valid = true;
    }
  }
  return valid;
}

/** What Twilio would send in the header, for tests and the simulator. */
export function signTwilio(
  url: string,
  form: string,
  key: string,
  algorithm: "sha1" | "sha256" = "sha1",
): string {
  return createHmac(algorithm, key).update(url).update(joined(new URLSearchParams(form))).digest("base64");
}

function signerOf(
  settings: string | null,
  { tokens, sharedKeys }: TwilioSecrets,
): { algorithm: "sha1" | "sha256"; keys: readonly string[] } | undefined {
  if (settings === null) return { algorithm: "sha1", keys: tokens };
  const algorithm = settings.split(",").map((part) => part.trim()).find((part) =>
    part.startsWith("algorithm=")
  );
  return algorithm === "algorithm=HMAC_SHA256" ? { algorithm: "sha256", keys: sharedKeys } : undefined;
}

/** The hash of a JSON body stands in the query, which is signed. */
const BODY_HASH = /(?:^|&)bodySHA256=([0-9a-fA-F]{64})(?:&|$)/;

/**
 * What follows the address under the signature; undefined for a body that is not what was signed, or has more parameters
 * than any webhook. Nothing for JSON, whose hash is in the address, and for GET, whose parameters are.
 */
export function signedParameters({ query, headers, bytes }: SignedRequest): string | undefined {
  const hash = BODY_HASH.exec(query)?.[1].toLowerCase();
  if (hash !== undefined) {
    return timingSafeEqual(sha256Hex(bytes), hash) ? "" : undefined;
  }
  if (bytes.length === 0) return "";
  if (/^\s*application\/json\b/i.test(headers.get("content-type") ?? "")) return undefined;
  const form = new URLSearchParams(new TextDecoder().decode(bytes));
  return form.size > MAX_PARAMETERS ? undefined : joined(form);
}

/** Names in the order of their bytes; a parameter that occurs several times as the sorted set of its values. */
function joined(form: URLSearchParams): string {
  const values = new Map<string, Set<string>>();
  for (const [name, value] of form) {
    const known = values.get(name);
    if (known === undefined) values.set(name, new Set([value]));
    else known.add(value);
  }
  return [...values.keys()].sort()
    .map((name) => [...values.get(name) ?? []].sort().map((value) => name + value).join("")).join("");
}

const PARTS = /^(https?):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(#.*)?$/i;

/**
 * Every form in which the configured address of a request may have been signed: as it is configured, with the port of
 * its scheme, and without any port; each without its fragment (`#rc=5`, Twilio's connection overrides) and with it, since
 * Twilio does not document whether that is signed.
 *
 * @param configured The address of the function as it is configured at Twilio; user and password belong to it.
 * @param below The path of the request below the function's own address, such as `/status`, as it came.
 * @param query Of the request, without the question mark.
 */
export function signedUrls(configured: string, below: string, query: string): string[] {
  const parts = PARTS.exec(configured.trim());
  if (parts === null) return [];
  const [, scheme, authority, path = "", ownQuery = "", fragment = ""] = parts;
  const at = authority.lastIndexOf("@") + 1;
  const [user, host] = [authority.slice(0, at), authority.slice(at)];
  const bare = host.replace(/:\d{1,5}$/, "");
  const asked = query !== "" ? query : ownQuery;
  const rest = `${path}${below}${asked === "" ? "" : `?${asked}`}`;
  const hosts = new Set([host, bare, `${bare}:${scheme.toLowerCase() === "https" ? 443 : 80}`]);
  return [...hosts].flatMap((each) => {
    const url = `${scheme}://${user}${each}${rest}`;
    return fragment === "" ? [url] : [url, url + fragment];
  });
}
