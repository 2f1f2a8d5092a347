/** The people and keys that call the database, as the Data API presents them. */
import type { Sql, TransactionSql } from "postgres";

/** A caller: a database role, and the user id of the token if somebody is signed in. */
export interface Caller {
  role: "anon" | "authenticated" | "service_role";
  sub?: string;
}

export const ANON: Caller = { role: "anon" };
export const SERVICE: Caller = { role: "service_role" };

/**
 * A new user of Supabase Auth with a confirmed address; a team member if a team role is given, else a
 * stranger.
 */
export async function signedIn(sql: Sql, teamRole?: "viewer" | "operator" | "admin"): Promise<Caller> {
  const sub = crypto.randomUUID();
  await sql`
    insert into auth.users (id, email, email_confirmed_at) values (${sub}, ${`${sub}@example.com`}, now())`;
  if (teamRole) await sql`insert into public.team_members (user_id, role) values (${sub}, ${teamRole})`;
  return { role: "authenticated", sub };
}

/** Runs statements in one transaction as the Data API would for this caller, and commits. */
export function as<T>(sql: Sql, caller: Caller, run: (sql: TransactionSql) => Promise<T>): Promise<T> {
  return sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', ${JSON.stringify(caller)}, true)`;
    await sql.unsafe(`set local role ${caller.role}`);
    return await run(sql);
  }) as Promise<T>;
}

/** The SQLSTATE of a refusal; undefined if it was allowed. */
export async function refusal(run: Promise<unknown>): Promise<string | undefined> {
  try {
    await run;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}
