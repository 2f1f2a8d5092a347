/**
 * The key gate: identifies callers by the project's own API keys.
 *
 * Supabase's `sb_…` keys are sent in the `apikey` header. Clients of a standard that supports bearer tokens
 * only (OpenFeature's OFREP) may send one as such where the function allows it.
 *
 * Failure policy: closed. Without a key, with an unknown key, or without keys to compare with, the request is
 * refused.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { Problem } from "../http/problem.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";

/** A key that a caller sent. */
export interface ApiKey {
  /** The team's services have a secret key; everybody who has the app has a publishable one. */
  kind: "secret" | "publishable";
  /** Its name in the project, such as "default". Safe for logs and rate limits. */
  name: string;
}

/** Options of {@linkcode requireKey}. */
export interface KeyOptions {
  /** "secret" refuses publishable keys. @default {"secret"} */
  kind?: "secret" | "any";
  /**
   * Also accepts a key as `X-API-Key` or `Authorization: Bearer`, as OFREP clients send it. @default {false}
   */
  bearer?: boolean;
}

/**
 * The key of a request.
 *
 * @throws {Problem} `unauthorized` without a valid key, `forbidden` for a publishable key where a secret one
 *   is needed, `config_invalid` if the project's keys are not in the environment.
 */
export function requireKey(headers: Headers, { kind = "secret", bearer = false }: KeyOptions = {}): ApiKey {
  const shown = shownKey(headers, bearer);
  const { SUPABASE_SECRET_KEYS } = env("SUPABASE_SECRET_KEYS");
  const secret = shown === undefined ? undefined : findKey(SUPABASE_SECRET_KEYS, shown);
  if (secret !== undefined) return { kind: "secret", name: secret };
  // Without publishable keys (a deployment that has none) only secret ones let anybody in.
  const publishable = shown === undefined ? undefined : findKey(publishableKeys(kind), shown);
  if (publishable === undefined) {
    throw new Problem("unauthorized", {
      headers: bearer ? { "www-authenticate": 'Bearer realm="gatelink", ApiKey realm="gatelink"' } : {},
    });
  }
  if (kind === "secret") throw new Problem("forbidden", { detail: "A secret key is required here." });
  return { kind: "publishable", name: publishable };
}

/** The key in a request, not yet compared with anything. */
function shownKey(headers: Headers, bearer: boolean): string | undefined {
  const apikey = headers.get("apikey");
  if (apikey !== null && apikey !== "") return apikey;
  if (!bearer) return undefined;
  const xApiKey = headers.get("x-api-key");
  if (xApiKey !== null && xApiKey !== "") return xApiKey;
  return bearerOf(headers);
}

/** The bearer token of a request (RFC 6750), a key or a user's token; undefined without one. */
export function bearerOf(headers: Headers): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** The publishable keys. They may be missing where they only affect the wording of a refusal. */
function publishableKeys(kind: "secret" | "any"): Readonly<Record<string, string>> {
  try {
    return env("SUPABASE_PUBLISHABLE_KEYS").SUPABASE_PUBLISHABLE_KEYS;
  } catch (error) {
    if (kind === "any") throw error;
    return {};
  }
}

/** Name of the key that equals `shown`. Every key is compared in full, even after a match. */
function findKey(keys: Readonly<Record<string, string>>, shown: string): string | undefined {
  let found: string | undefined;
  for (const [name, key] of Object.entries(keys)) {
    if (timingSafeEqual(key, shown)) found = name;
  }
  return found;
}
