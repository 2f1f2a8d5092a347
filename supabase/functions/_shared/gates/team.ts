/**
 * Management access: holders of a secret key, and members of the team.
 *
 * The Data API validates a signed-in user's token with the project's Auth, hosted and local alike. The role
 * comes from the team's table, so removing a member takes effect immediately.
 *
 * Failure policy: closed.
 *
 * @module
 */
import { env } from "../config/env.ts";
import type { Result } from "../contract/sql.ts";
import { TEAM_ROLES, type TeamRole } from "../contract/states.ts";
import { createRpc, DbError, type RpcEndpoint } from "../db/client.ts";
import { type ApiKey, bearerOf, requireKey } from "./keys.ts";
import { Problem } from "../http/problem.ts";

/** Returns the recorded author of the request: `key:<name>` or a user's id. */
export type Authorise = (headers: Headers, role: TeamRole) => Promise<string>;

/**
 * Creates an {@linkcode Authorise}. It throws `unauthorized` without a valid key or token, and `forbidden`
 * for a publishable key alone and for users without the role.
 */
export function createAuthorise(request: RpcEndpoint["fetch"] = globalThis.fetch): Authorise {
  return async (headers, role) => {
    const token = bearerOf(headers);
    const key = keyOf(headers, token);
    if (key?.kind === "secret") return `key:${key.name}`;
    if (token === undefined) throw new Problem(key === undefined ? "unauthorized" : "forbidden");
    const member = await whoIs(token, request);
    if (member === null || TEAM_ROLES.indexOf(member.role) < TEAM_ROLES.indexOf(role)) {
      throw new Problem("forbidden", { detail: `This needs the team role ${role} or a secret key.` });
    }
    return member.user_id;
  };
}

/** The key of a request; it may be missing if there is a user's token. */
function keyOf(headers: Headers, token: string | undefined): ApiKey | undefined {
  try {
    return requireKey(headers, { kind: "any", bearer: true });
  } catch (error) {
    if (token !== undefined && error instanceof Problem && error.code === "unauthorized") return undefined;
    throw error;
  }
}

async function whoIs(token: string, request: NonNullable<RpcEndpoint["fetch"]>): Promise<Result<"whoami">> {
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
    return await asUser("whoami", {});
  } catch (cause) {
    // A token that is malformed, expired or of another project; and one of nobody, who may not ask.
    if (cause instanceof DbError) throw new Problem("unauthorized", { cause });
    throw cause;
  }
}
