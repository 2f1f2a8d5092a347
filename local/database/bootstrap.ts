/**
 * Creates on a bare Postgres what a Supabase project has before the first migration: the three roles, the
 * schema auth with its tables and functions, the table of storage's buckets. Every statement leaves existing
 * objects unchanged.
 */
import { getAuthSchemaSql } from "@supabase/lite";
import type { Sql } from "postgres";
import { UserError } from "../../lib/user_error.ts";

/** Oldest major version of Postgres that the migrations run on. */
export const OLDEST_POSTGRES = 15;

/**
 * Policies read these settings; the Data API sets them for each request, tests set them directly. As Supabase
 * defines them.
 */
const AUTH_FUNCTIONS = `
create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;
create or replace function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;
create or replace function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;
create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
grant usage on schema auth to anon, authenticated, service_role;
grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt() to anon, authenticated, service_role;
`;

/** Roles belong to the whole server, so a start on another database may be creating them at the same time. */
const ROLES = `
do $$ begin create role anon nologin noinherit; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role authenticated nologin noinherit; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role service_role nologin noinherit bypassrls; exception when duplicate_object or unique_violation then null; end $$;
grant anon, authenticated, service_role to current_user;
grant usage on schema public to anon, authenticated, service_role;
`;

/** What a migration makes buckets with; local/storage/ reads them. */
const STORAGE = `
create schema if not exists storage;
create table if not exists storage.buckets (
  id text primary key,
  name text not null unique,
  public boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
`;

/** Where a project has its extensions. */
const EXTENSIONS = `create schema if not exists extensions`;

/**
 * Prepares the database that `sql` is connected to.
 * @throws UserError if its version is too old or the user may not create roles.
 */
export async function bootstrap(sql: Sql): Promise<void> {
  const [{ version }] = await sql`select current_setting('server_version_num')::int as version`;
  if (version < OLDEST_POSTGRES * 10_000) {
    throw new UserError(
      `This needs Postgres ${OLDEST_POSTGRES} or newer, and the database runs ${
        Math.floor(version / 10_000)
      }.`,
    );
  }
  const [{ allowed }] = await sql`
    select rolsuper or (rolcreaterole and rolbypassrls) as allowed from pg_roles where rolname = current_user`;
  if (!allowed) {
    throw new UserError(
      `The database user must be a superuser, or have CREATEROLE and BYPASSRLS, to create roles and schemas.`,
    );
  }
  await sql.unsafe(ROLES);
  await sql.unsafe(EXTENSIONS);
  const [{ exists, buckets }] = await sql`
    select to_regclass('auth.users') is not null as exists, to_regclass('storage.buckets') is not null as buckets`;
  if (!buckets) await sql.unsafe(STORAGE);
  if (exists) return;
  await sql.begin(async (sql) => {
    await sql.unsafe(getAuthSchemaSql());
    await sql.unsafe(AUTH_FUNCTIONS);
  });
}
