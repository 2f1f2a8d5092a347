/**
 * Access for people of organisations, who sign in with Supabase Auth, and for holders of a secret key.
 *
 * The Data API validates the token. Membership comes from the table, so removing somebody takes effect
 * immediately.
 *
 * Failure policy: closed.
 *
 * @module
 */
import { env } from "../config/env.ts";
import type { Result } from "../contract/sql.ts";
import { createRpc, DbError, type RpcEndpoint } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import { bearerOf, requireKey } from "./keys.ts";

/** Who calls: a service of the team, or a person with the organisations they are in. */
export type OrgCaller =
  | { readonly kind: "key"; readonly by: string }
  | { readonly kind: "person"; readonly orgs: Result<"my_orgs"> };

/** Identifies the caller. */
export type IdentifyOrgCaller = (headers: Headers) => Promise<OrgCaller>;

/**
 * Creates an {@linkcode IdentifyOrgCaller}. It throws `unauthorized` without a secret key or a valid token,
 * and `forbidden` for a publishable key alone.
 */
export function createOrgGate(request: RpcEndpoint["fetch"] = globalThis.fetch): IdentifyOrgCaller {
  return async (headers) => {
    const token = bearerOf(headers);
    let publishable = false;
    try {
      const key = requireKey(headers, { kind: "any", bearer: true });
      if (key.kind === "secret") return { kind: "key", by: `key:${key.name}` };
      publishable = true;
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "unauthorized" || token === undefined) throw error;
    }
    if (token === undefined) throw new Problem(publishable ? "forbidden" : "unauthorized");
    return { kind: "person", orgs: await orgsOf(token, request) };
  };
}

async function orgsOf(
  token: string,
  request: NonNullable<RpcEndpoint["fetch"]>,
): Promise<Result<"my_orgs">> {
  const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEYS } = env("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEYS");
  const asUser = createRpc({
    endpoint: () => ({ url: SUPABASE_URL, key: Object.values(SUPABASE_PUBLISHABLE_KEYS)[0] }),
    fetch: (url, init) =>
      request(url, {
        ...init,
        headers: { ...init.headers as Record<string, string>, authorization: `Bearer ${token}` },
      }),
  });
  try {
    return await asUser("my_orgs", {});
  } catch (cause) {
    // A token that is malformed, expired or of another project; and one of nobody, who may not ask.
    if (cause instanceof DbError) throw new Problem("unauthorized", { cause });
    throw cause;
  }
}
