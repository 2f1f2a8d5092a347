/**
 * The Supabase project that the functions belong to: its URL and secret key, as its APIs want them.
 *
 * @module
 */
import { env } from "./env.ts";

/** Where the project's APIs are, and the key that opens them. */
export interface Project {
  /** Without a trailing slash. */
  readonly url: string;
  /** A secret key, or the legacy service role key. */
  readonly key: string;
}

/** The project of the environment. @throws {Problem} `config_invalid` */
export function project(): Project {
  const { SUPABASE_URL, SUPABASE_SECRET_KEYS } = env("SUPABASE_URL", "SUPABASE_SECRET_KEYS");
  return { url: SUPABASE_URL, key: SUPABASE_SECRET_KEYS.default ?? Object.values(SUPABASE_SECRET_KEYS)[0] };
}

/**
 * The headers that authorise a call. `sb_` keys go in `apikey` only, because they are no JWT; a legacy key is
 * one and must also be sent as a bearer token.
 */
export function keyHeaders(key: string): Record<string, string> {
  return key.startsWith("sb_") ? { apikey: key } : { apikey: key, authorization: `Bearer ${key}` };
}
