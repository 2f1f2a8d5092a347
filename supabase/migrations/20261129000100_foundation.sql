-- What every later migration stands on: the private schema, ids, the team and its roles, the
-- revision number by which the edge functions notice that configuration changed, and which version a database has.

-- Rather fail and be run again than queue everybody behind a lock.
set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables and functions of this project are opened one by one. Supabase projects older than 2026 give
-- anon and authenticated everything that is created in public; this takes that back for what comes.
-- (PUBLIC's right to execute functions can only be revoked for all schemas at once, which would reach
-- into whatever else lives in the project: private.close_functions takes it from ours.)
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;
create schema private;
comment on schema private is 'Helpers of Gatelink. Not exposed by the Data API.';
-- Policies run as the caller and call private.has_role, so these two need to look names up in here.
grant usage on schema private to authenticated, service_role;

-- Each migration that creates functions ends with a call of this, followed by grants by name. Failure policy: closed.
-- What belongs to somebody else in public is left alone: only what was made in this transaction, or in a savepoint of it,
-- is ours for sure, so a call that finds nothing of the kind (a runner that takes each statement for itself) must not pass
-- for one that closed. A function that was replaced keeps its grants.
create procedure private.close_functions()
language plpgsql set search_path = '' as $$
declare
  v_here xid8 := pg_catalog.pg_current_xact_id();
  v_function record;
  v_count integer := 0;
begin
  for v_function in
    select p.oid::regprocedure as name, exists (
      select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
      where a.grantee = 0) as open
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private')
      -- What we see of a transaction that is under way is our own; a savepoint's comes after its transaction.
      and case when age(p.xmin) <= age(v_here::xid) then
        pg_catalog.pg_xact_status((v_here::text::bigint + age(v_here::xid) - age(p.xmin))::text::xid8) = 'in progress' end
      and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    if v_function.open then
      execute format('revoke execute on routine %s from public, anon, authenticated', v_function.name);
    end if;
    v_count := v_count + 1;
  end loop;
  if v_count = 0 then
    raise exception 'no function was made in this transaction'
      using hint = 'A migration runs in one transaction, and closes its functions at its end.';
  end if;
end $$;
comment on procedure private.close_functions() is
  'Revokes execution of the functions that this transaction created from public, anon and authenticated. Called at the end of a migration that creates functions, before its grants.';

-- Ids ---------------------------------------------------------------------------------------------

-- RFC 9562, version 7, method 3: 48 bits of Unix milliseconds, then the microseconds as a 12-bit
-- fraction, so that ids made in one batch stay in order; the last 62 random bits, variant included,
-- are those of a version 4 id.
create function private.uuid_v7() returns uuid
language plpgsql volatile parallel safe set search_path = '' as $$
declare
  v_micros bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint;
begin
  return encode(
    int8send((v_micros / 1000 << 16) | (7 << 12) | (v_micros % 1000 * 4096 / 1000))
      || substr(uuid_send(gen_random_uuid()), 9),
    'hex')::uuid;
end $$;
comment on function private.uuid_v7() is
  'A new UUID version 7 (RFC 9562): sorts by the time it was made, to the microsecond within one session.';

-- One call for a list costs a fifth of one for each of its rows.
create function private.uuids_v7(p_count integer) returns uuid[]
language plpgsql volatile parallel safe set search_path = '' as $$
declare
  v_micros bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint;
begin
  return array(
    select encode(
      int8send(((v_micros + n) / 1000 << 16) | (7 << 12) | ((v_micros + n) % 1000 * 4096 / 1000))
        || substr(uuid_send(gen_random_uuid()), 9),
      'hex')::uuid
    from generate_series(0, p_count - 1) n);
end $$;
comment on function private.uuids_v7(integer) is
  'So many new UUIDs version 7 (RFC 9562), ascending: each counts as made a microsecond after the one before.';

create function private.uuid_v7_from(p_at timestamptz) returns uuid
language sql immutable parallel safe set search_path = '' as $$
  select encode(substr(int8send(floor(extract(epoch from p_at) * 1000)::bigint), 3) || '\x70008000000000000000'::bytea, 'hex')::uuid
$$;
comment on function private.uuid_v7_from(timestamptz) is 'The smallest UUID version 7 of that millisecond: ids of rows made since then are at or above it.';

-- The one place in SQL that says when two ids mean the same person; subjectId() in _shared/flags/subject.ts is its like.
create function private.subject_id(p_id text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return case when p_id ~ '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$' then lower(p_id) else p_id end;
end $$;
comment on function private.subject_id(text) is
  'The id of a person as flags keep and compare it: a UUID in lower case, any other id as it is, for its letters may matter to whoever made it.';

-- Who holds a lock --------------------------------------------------------------------------------

-- Statements contain user data. The part before the first literal, parameter, comment or number names only tables and
-- columns, and is enough to find who runs it.
create function private.statement_in_brief(p_query text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select nullif(btrim(left(regexp_replace(regexp_replace(p_query, '\s+', ' ', 'g'), '(''|\$|--|/\*|[0-9]{3}).*$', '…'), 160)), '')
$$;
comment on function private.statement_in_brief(text) is
  'The beginning of a statement, at most 160 characters, without any value in it: it ends before the first literal, parameter, comment or number of three digits.';

-- Takes no lock itself and reads no table of ours, so that it answers whatever is locked. Whoever holds a row's lock holds
-- one on its table; who waits for somebody else is not the cause.
create function private.lock_holders(p_relations text[]) returns jsonb
language sql volatile security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('pid', h.pid, 'role', a.usename, 'state', a.state,
    'seconds', floor(extract(epoch from clock_timestamp() - a.xact_start))::integer,
    'statement', private.statement_in_brief(a.query)) order by a.xact_start, h.pid), '[]')
  from (
    select distinct l.pid from pg_catalog.pg_locks l
    where l.granted and l.locktype = 'relation' and l.mode <> 'AccessShareLock' and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and l.relation in (
        select to_regclass(t.name)::oid from unnest(p_relations) as t (name)
        union all
        select c.oid from pg_catalog.pg_class c
        where p_relations is null and c.relkind in ('r', 'p') and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace))
  ) h
  left join pg_catalog.pg_stat_activity a on a.pid = h.pid
  where cardinality(pg_blocking_pids(h.pid)) = 0
    and coalesce(a.xact_start < clock_timestamp() - interval '0.5 seconds', true)
$$;
comment on function private.lock_holders(text[]) is
  'Transactions that have held a lock on one of these tables, null for any of ours, for half a second or more and are not waiting themselves, oldest first: [{pid, role, state, seconds, statement}]. The statement is abbreviated, without values. Security definer, because few roles may see other roles'' sessions in pg_stat_activity.';

-- A change of a flag also writes its history and the configuration's revision: if nobody holds the most likely tables, it is
-- one of those.
create function private.lock_holders_or_any(p_relations text[]) returns jsonb
language sql volatile set search_path = '' as $$
  select coalesce(nullif(private.lock_holders(p_relations), '[]'), private.lock_holders(null))
$$;
comment on function private.lock_holders_or_any(text[]) is
  'lock_holders() of these tables; if there are none, of any table of ours.';

create function private.refuse_locked(p_what text, p_relations text[], p_instead text) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_holders jsonb := private.lock_holders_or_any(p_relations);
begin
  raise exception '% is locked by %', p_what, coalesce((
      select string_agg(format('process %s (%s), for %s s%s', h ->> 'pid', coalesce(h ->> 'role', 'role not known'),
        coalesce(h ->> 'seconds', '?'), coalesce(': ' || (h ->> 'statement'), '')), '; ')
      from jsonb_array_elements(v_holders) h), 'another transaction')
    using errcode = 'GL423', detail = v_holders::text,
      hint = p_instead || case when v_holders = '[]' then ''
        else format(' Or end that process: select pg_terminate_backend(%s).', v_holders #>> '{0,pid}') end;
end $$;
comment on function private.refuse_locked(text, text[], text) is
  'Raises GL423: what is locked, by which process and role, for how long and by which statement (detail: lock_holders), and what to do instead.';

create function public.who_blocks() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return private.lock_holders_or_any(array['public.settings', 'public.settings_history', 'public.rollouts', 'public.rollout_stages',
    'public.rollout_events', 'public.segments', 'public.segment_members']);
end $$;
comment on function public.who_blocks() is
  'Transactions that have held locks on the tables of flags and rollouts, or if there are none on any table of ours, for half a second or more, oldest first: [{pid, role, state, seconds, statement}]. Does not wait for these locks. For operators and secret keys.';

-- Histories ---------------------------------------------------------------------------------------

create function private.refuse_change() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and exists (
    select from public.erasures e where e.transaction = pg_current_xact_id_if_assigned() and e.at = now()) then
    return null;
  end if;
  raise exception '% on %.% is refused: it would leave a gap in the history',
    lower(tg_op), tg_table_schema, tg_table_name using errcode = '42501';
end $$;
comment on function private.refuse_change() is
  'Trigger, before update, delete or truncate: refuses it to every role, the owner included, with 42501. Keeps histories append-only, but for the tombstones of an erasure, whose transaction is written down.';

-- The team ----------------------------------------------------------------------------------------

create table public.team_members (
  user_id uuid primary key references auth.users (id) on delete cascade,
  role text not null constraint team_members_role_known check (role in ('viewer', 'operator', 'admin')),
  approvals text[] not null default '{}'
    constraint team_members_approvals_known
    check (approvals <@ array['engineering', 'security', 'product', 'cto']),
  created_at timestamptz not null default now()
);
comment on table public.team_members is
  'Who of the signed-in users works with Gatelink. Everybody else sees nothing. Read at each request, so a removal takes effect at once.';
comment on column public.team_members.user_id is 'The user in Supabase Auth.';
comment on column public.team_members.role is
  'viewer reads, operator also runs (flags, routes, retries), admin also manages the team. Each includes the one before.';
comment on column public.team_members.approvals is
  'Launch gates this person may sign: any of engineering, security, product, cto. Independent of the role.';
comment on column public.team_members.created_at is 'When the person joined the team.';
alter table public.team_members enable row level security;
revoke all on public.team_members from anon, authenticated, service_role, public;
grant select on public.team_members to authenticated, service_role;

create function private.has_role(p_role text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.team_members m
    where m.user_id = (select auth.uid())
      and array_position(array['viewer', 'operator', 'admin'], m.role)
        >= array_position(array['viewer', 'operator', 'admin'], p_role))
$$;
comment on function private.has_role(text) is
  'Whether the signed-in user has this role (viewer < operator < admin) or a higher one. False for strangers and for unknown roles. Definer, because callers of a policy need not read team_members.';

create policy team_members_read on public.team_members for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy team_members_read on public.team_members is 'The team sees who is in it.';

-- Inside a definer function current_user is its owner; the setting "role" still says who asked.
create function private.caller() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('role', true), 'none'), session_user)
$$;
comment on function private.caller() is
  'The database role that asked, also inside SECURITY DEFINER functions: anon, authenticated, service_role, or the role that connected.';

create function private.actor() returns text
language sql stable set search_path = '' as $$
  select coalesce((select auth.uid())::text, private.caller())
$$;
comment on function private.actor() is
  'Who is written down as the author of a change: the id of the signed-in user, else the database role.';

-- Failure policy: closed. Only the owner, roles that have service_role's rights, and team members of
-- sufficient role come through; any other role, also one that we do not know, is refused.
create function private.require_role(p_role text) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  v_caller text := private.caller();
begin
  if v_caller = current_user or pg_has_role(v_caller, 'service_role', 'usage')
    or (v_caller = 'authenticated' and private.has_role(p_role)) then
    return;
  end if;
  raise exception 'this needs the team role % or a secret key', p_role using errcode = '42501';
end $$;
comment on function private.require_role(text) is
  'Raises 42501 unless the caller holds a secret key (service_role), owns the database, or is signed in as a team member of this role or a higher one. First line of each function that people call.';

create table public.team_history (
  id uuid primary key default private.uuid_v7(),
  user_id uuid not null,
  email text,
  change text not null constraint team_history_change_known check (change in ('added', 'changed', 'removed')),
  before jsonb,
  after jsonb,
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor()
);
comment on table public.team_history is
  'Who gave whom which role, and when. Written by trigger; append-only and kept permanently: it names team members, not customers.';
comment on column public.team_history.id is 'UUID v7: the order of the changes.';
comment on column public.team_history.user_id is 'Whose role it is. Not a reference: the history outlives the account.';
comment on column public.team_history.email is 'Their address at that time, in case the account is deleted.';
comment on column public.team_history.change is 'added, changed or removed; also removed if the account was deleted.';
comment on column public.team_history.before is 'role and approvals before; null for who was added.';
comment on column public.team_history.after is 'role and approvals after; null for who was removed.';
comment on column public.team_history.at is 'When.';
comment on column public.team_history.by is 'Who changed it: a user id, or the database role (that of Supabase Auth if an account was deleted).';
create index team_history_user_idx on public.team_history (user_id, id);
comment on index public.team_history_user_idx is 'What became of one person; their last known address.';
alter table public.team_history enable row level security;
revoke all on public.team_history from anon, authenticated, service_role, public;
grant select on public.team_history to authenticated, service_role;
create policy team_history_read on public.team_history for select to authenticated
  using ((select private.has_role('admin')));
comment on policy team_history_read on public.team_history is 'Admins answer for who is in the team.';
create trigger append_only before update or delete or truncate on public.team_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.team_history is 'Nobody rewrites history.';

create function private.can_sign_in(p_user_id uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from auth.users u
    where u.id = p_user_id and u.email_confirmed_at is not null and u.deleted_at is null
      and (u.banned_until is null or u.banned_until <= now()))
$$;
comment on function private.can_sign_in(uuid) is
  'Whether an account has confirmed its address and is neither banned nor deleted: whoever typed somebody else''s address into a sign-up form has not.';

-- On the table and not in the functions, so that it holds for every way: plain SQL, and the cascade when an account is
-- deleted in Supabase Auth. Failure policy: closed. A ban goes through, also that of the last admin, for it may be what
-- stops a thief; and an admin who is banned is none of those who count, so that the last one who can sign in stays.
create function private.guard_team() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    -- Of an account that does not exist the reference tells.
    if exists (select from auth.users u where u.id = new.user_id) and not private.can_sign_in(new.user_id) then
      raise exception 'this account cannot sign in: its address is not confirmed, or it is banned' using errcode = 'GL422',
        hint = 'They open the link in the mail that Supabase sent them; then add them.';
    end if;
    return new;
  end if;
  if tg_op = 'UPDATE' and new.user_id <> old.user_id then
    raise exception 'a membership cannot go to somebody else: remove one and add the other' using errcode = '23514';
  end if;
  if old.role = 'admin' and (tg_op = 'DELETE' or new.role is distinct from 'admin') then
    -- One at a time, so that two admins cannot demote each other at the same moment: the second sees the first change.
    perform pg_advisory_xact_lock(hashtext('gatelink.team'));
    if not exists (
      select from public.team_members m
      where m.user_id <> old.user_id and m.role = 'admin' and private.can_sign_in(m.user_id)) then
      raise exception 'the last admin cannot be removed' using errcode = 'GL409',
        hint = 'Make somebody else admin first, whose account is confirmed and not banned.';
    end if;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;
comment on function private.guard_team() is
  'Trigger, before insert, update or delete of team_members: admits only confirmed accounts (GL422), and keeps one admin who can sign in (GL409).';
create trigger guard before insert or update or delete on public.team_members
  for each row execute function private.guard_team();
comment on trigger guard on public.team_members is 'Confirmed accounts alone, and always an admin.';
create trigger refuse_truncate before truncate on public.team_members
  for each statement execute function private.refuse_change();
comment on trigger refuse_truncate on public.team_members is 'Truncating would leave no history and no admin.';

create function private.record_team() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid := coalesce(new.user_id, old.user_id);
begin
  if tg_op = 'UPDATE' and (new.role, new.approvals) is not distinct from (old.role, old.approvals) then
    return null;
  end if;
  insert into public.team_history (user_id, email, change, before, after)
  values (v_user,
    -- An account that is being deleted no longer exists at this point.
    coalesce((select u.email from auth.users u where u.id = v_user),
      (select h.email from public.team_history h where h.user_id = v_user order by h.id desc limit 1)),
    case tg_op when 'INSERT' then 'added' when 'UPDATE' then 'changed' else 'removed' end,
    case when tg_op <> 'INSERT' then jsonb_build_object('role', old.role, 'approvals', old.approvals) end,
    case when tg_op <> 'DELETE' then jsonb_build_object('role', new.role, 'approvals', new.approvals) end);
  return null;
end $$;
comment on function private.record_team() is 'Trigger, after insert, update or delete of team_members: writes team_history.';
create trigger record after insert or update or delete on public.team_members
  for each row execute function private.record_team();
comment on trigger record on public.team_members is 'A row of history for each change.';

create function public.set_team_member(p_user_id uuid, p_role text, p_approvals text[] default null)
returns public.team_members
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_member public.team_members;
begin
  perform private.require_role('admin');
  -- First of all, because who is in the team already need not be able to sign in to be given less.
  update public.team_members m set role = p_role, approvals = coalesce(p_approvals, m.approvals)
  where m.user_id = p_user_id returning m.* into v_member;
  if not found then
    insert into public.team_members as m (user_id, role, approvals)
    values (p_user_id, p_role, coalesce(p_approvals, '{}'))
    on conflict (user_id) do update
      set role = excluded.role, approvals = coalesce(p_approvals, m.approvals)
    returning * into v_member;
  end if;
  return v_member;
end $$;
comment on function public.set_team_member(uuid, text, text[]) is
  'Adds a user to the team or changes the role; null keeps the approvals. For admins and secret keys. Errors: 42501 not allowed, GL409 last admin, GL422 an account that cannot sign in, 23503 no such user, 23514 unknown role or approval.';

-- Addresses are compared as people read them, so several accounts may fit; only whoever proved that the address is
-- theirs counts.
create function public.add_team_member(p_email text, p_role text, p_approvals text[] default null)
returns public.team_members
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_known uuid[];
  v_confirmed uuid[];
begin
  perform private.require_role('admin');
  select array_agg(u.id), array_agg(u.id) filter (where private.can_sign_in(u.id)) into v_known, v_confirmed
  from auth.users u where lower(u.email) = lower(trim(p_email)) and u.deleted_at is null;
  if v_known is null then
    raise exception 'nobody has signed up as %', p_email using errcode = 'GL404',
      hint = 'Invite them in Supabase (Authentication, Users) first; then add them here.';
  elsif v_confirmed is null then
    raise exception '% cannot sign in: the address is not confirmed, or the account is banned', p_email using errcode = 'GL422',
      hint = 'They open the link in the mail that Supabase sent them; then add them.';
  elsif cardinality(v_confirmed) > 1 then
    raise exception '% accounts have confirmed the address %', cardinality(v_confirmed), p_email using errcode = 'GL300',
      hint = 'Delete all but one in Supabase (Authentication, Users), or add one by its id: select public.set_team_member(id, role).';
  elsif exists (select from public.team_members m where m.user_id = v_confirmed[1]) then
    raise exception '% is in the team already', p_email using errcode = 'GL409', hint = 'Change the role instead.';
  end if;
  return public.set_team_member(v_confirmed[1], p_role, p_approvals);
end $$;
comment on function public.add_team_member(text, text, text[]) is
  'Adds the user who has confirmed this address to the team. For admins and secret keys. Errors: 42501 not allowed, GL300 several accounts have confirmed it, GL404 no such user, GL409 already a member, GL422 no account that can sign in has confirmed it, 23514 unknown role or approval.';

create function public.remove_team_member(p_user_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('admin');
  delete from public.team_members where user_id = p_user_id;
  return found;
end $$;
comment on function public.remove_team_member(uuid) is
  'Takes a user off the team; false when there was none. For admins and secret keys. Errors: 42501 not allowed, GL409 last admin.';

create function public.list_team(p_filter jsonb default '{}', p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('user_id', t.user_id, 'email', t.email, 'role', t.role,
      'approvals', t.approvals, 'created_at', t.created_at, 'can_sign_in', private.can_sign_in(t.user_id)) order by t.email, t.user_id), '[]')
    from (
      select m.user_id, u.email, m.role, m.approvals, m.created_at
      from public.team_members m join auth.users u on u.id = m.user_id
      where (p_filter ->> 'after' is null or (u.email is null, u.email, m.user_id) > (
          select a.email is null, a.email, a.id from auth.users a where a.id = (p_filter ->> 'after')::uuid)
          or u.email is null and m.user_id > (p_filter ->> 'after')::uuid and exists (
            select from auth.users a where a.id = (p_filter ->> 'after')::uuid and a.email is null))
        and (p_filter ->> 'search' is null
          or strpos(lower(concat_ws(' ', coalesce(u.email, m.user_id::text), m.role)), lower(p_filter ->> 'search')) > 0)
      order by u.email, m.user_id limit p_limit) t);
end $$;
comment on function public.list_team(jsonb, integer) is
  'The team by address: [{user_id, email, role, approvals, created_at, can_sign_in}]. Filter: any of search (part of the address or role) and after (user_id of the last of the page before); at most p_limit, all without it. Its members know each other''s addresses; histories name people by user_id. For viewers and secret keys.';

create function public.whoami() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('user_id', m.user_id, 'role', m.role)
  from public.team_members m where m.user_id = (select auth.uid())
$$;
comment on function public.whoami() is 'The signed-in user as a member of the team, {user_id, role}; null for others. Edge functions use it to check a caller''s token.';

-- Erasures ----------------------------------------------------------------------------------------

create table public.erasures (
  id uuid not null,
  part integer not null,
  at timestamptz not null default now(),
  by text not null default private.actor(),
  transaction xid8 not null default pg_current_xact_id(),
  counts jsonb not null default '{}',
  done boolean not null default false,
  constraint erasures_pkey primary key (id, part)
);
comment on table public.erasures is
  'People who were erased: when, by whom and how many rows of which table, never who it was. Written by erase_contact alone; update, delete and truncate are refused to every role.';
comment on constraint erasures_pkey on public.erasures is 'Of a person with many messages the parts are counted.';
comment on column public.erasures.id is 'The erasure''s id; reveals nothing about the person.';
comment on column public.erasures.part is 'From 1.';
comment on column public.erasures.at is 'When its transaction began.';
comment on column public.erasures.by is 'Who erased: a user id, or the database role.';
comment on column public.erasures.transaction is 'Its transaction: the only one in which tombstones may be written into histories.';
comment on column public.erasures.counts is 'Rows that were deleted or changed, by table.';
comment on column public.erasures.done is 'Whether the erasure is complete; otherwise more parts follow.';
alter table public.erasures enable row level security;
revoke all on public.erasures from anon, authenticated, service_role, public;
grant select on public.erasures to authenticated, service_role;
create policy erasures_read on public.erasures for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy erasures_read on public.erasures is 'The whole team sees that a person was erased, and by whom.';

create trigger append_only before update or delete or truncate on public.erasures
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.erasures is 'Nobody rewrites history.';

-- The revision of the configuration ---------------------------------------------------------------

create table private.config_revision (
  only_row boolean primary key default true constraint config_revision_only_row check (only_row),
  revision bigint not null default (date_part('epoch', clock_timestamp()) * 1000)::bigint,
  changed_at timestamptz not null default clock_timestamp(),
  installed_at timestamptz not null default clock_timestamp()
);
comment on table private.config_revision is
  'One row: the number that changes with every committed change of configuration.';
comment on column private.config_revision.only_row is 'Always true; as primary key it prevents a second row.';
comment on column private.config_revision.revision is
  'Grows. At least the Unix milliseconds of the last change, so that a restored backup or a rollback never shows a number again that stood for something else.';
comment on column private.config_revision.changed_at is
  'When it last increased: what a flag or a pause held back until then may be due at once.';
comment on column private.config_revision.installed_at is
  'When the schema was installed: what has not run since may not be due yet.';
alter table private.config_revision enable row level security;
revoke all on private.config_revision from anon, authenticated, service_role, public;
grant select on private.config_revision to service_role;

insert into private.config_revision default values;

create table private.config_changes (
  id bigint generated always as identity constraint config_changes_pkey primary key,
  at timestamptz not null default clock_timestamp()
);
comment on table private.config_changes is
  'Changes of configuration that came while another transaction held the row of config_revision: one row each, until a later change takes them into it.';
comment on constraint config_changes_pkey on private.config_changes is 'Rows are only counted.';
comment on column private.config_changes.id is 'In the order in which they were made, not committed.';
comment on column private.config_changes.at is 'When.';
alter table private.config_changes enable row level security;
revoke all on private.config_changes from anon, authenticated, service_role, public;
grant select on private.config_changes to service_role;

-- Nobody waits here: a transaction that somebody forgot must not keep every flag from being turned off. What is committed
-- only grows, and each commit adds at least one to row and rows together, so their sum is another number after each.
create function private.bump_config_revision() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_taken bigint;
begin
  perform from private.config_revision r for update skip locked;
  if not found then
    insert into private.config_changes default values;
    return null;
  end if;
  with taken as (delete from private.config_changes returning 1)
  select count(*) into v_taken from taken;
  update private.config_revision
  set revision = greatest(revision + v_taken + 1, (date_part('epoch', clock_timestamp()) * 1000)::bigint), changed_at = clock_timestamp();
  return null;
end $$;
comment on function private.bump_config_revision() is
  'Trigger, after insert, update, delete or truncate, for each statement, on every table that load_config reads. Waits for no other transaction.';

create function private.config_now(out revision bigint, out changed_at timestamptz)
language sql stable set search_path = '' as $$
  select r.revision + c.n, greatest(r.changed_at, c.at)
  from private.config_revision r cross join (select count(*) as n, max(c.at) as at from private.config_changes c) c
$$;
comment on function private.config_now() is
  'The revision of the configuration as this snapshot sees it, and when it last increased: committed states have distinct numbers, later ones larger.';

-- The schema's version ----------------------------------------------------------------------------

-- A project may have migrations of somebody else's: a table of its own, made in the dashboard or by another repository.
-- Each of ours writes itself in here, and its reverse takes it out again.
create table private.own_migrations (
  version text collate "C" constraint own_migrations_pkey primary key
    constraint own_migrations_version_form check (version ~ '^[0-9]{14}$')
);
comment on table private.own_migrations is
  'Which of the migrations on record (supabase_migrations.schema_migrations) are Gatelink''s: the others belong to the project and are neither checked nor rolled back.';
comment on constraint own_migrations_pkey on private.own_migrations is 'A migration is applied once.';
comment on column private.own_migrations.version is 'Of the migration.';
alter table private.own_migrations enable row level security;
revoke all on private.own_migrations from anon, authenticated, service_role, public;
grant select on private.own_migrations to service_role;

-- The record is the supabase CLI's and is there wherever migrations were applied by it or by the local stack. SECURITY
-- DEFINER because the API's roles may not read it, and only our versions get out.
create function private.applied_migrations() returns text[]
language plpgsql stable security definer set search_path = '' as $$
declare
  v_versions text[];
begin
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute 'select coalesce(array_agg(o.version order by o.version), ''{}'') from private.own_migrations o join supabase_migrations.schema_migrations m on m.version = o.version'
    into v_versions;
  end if;
  return v_versions;
end $$;
comment on function private.applied_migrations() is
  'Versions of Gatelink''s migrations that were applied and are on record, oldest first; null if there is no record.';

create function public.schema_version() returns text
language plpgsql stable set search_path = '' as $$
declare
  v_versions text[] := private.applied_migrations();
begin
  return v_versions[cardinality(v_versions)];
end $$;
comment on function public.schema_version() is
  'Version of the newest of Gatelink''s migrations that was applied, null if there is no record. For secret keys: the health check compares it with what the code needs.';

-- Which code may run on it --------------------------------------------------------------------------

-- Migrations only add, so code of an earlier version works on. One that cannot keep to that writes its own version in
-- here, and its reverse takes it out again: see CONTRIBUTING.
create table private.schema_breaks (
  version text collate "C" constraint schema_breaks_pkey primary key
    constraint schema_breaks_version_form check (version ~ '^[0-9]{14}$'),
  why text not null constraint schema_breaks_why_given check (why <> ''),
  at timestamptz not null default now()
);
comment on table private.schema_breaks is
  'Migrations that older code must not run on: functions whose own schema is older than the newest of these are refused, and answer 503.';
comment on constraint schema_breaks_pkey on private.schema_breaks is 'A migration breaks once.';
comment on column private.schema_breaks.version is 'Of the migration.';
comment on column private.schema_breaks.why is 'What older code would do wrong.';
comment on column private.schema_breaks.at is 'When it was applied.';
alter table private.schema_breaks enable row level security;
revoke all on private.schema_breaks from anon, authenticated, service_role, public;
grant select on private.schema_breaks to service_role;

create function private.breaking_version() returns text
language sql stable set search_path = '' as $$
  select max(b.version) from private.schema_breaks b
$$;
comment on function private.breaking_version() is
  'Version of the newest migration that older code must not run on; null if there is none.';

-- In the transaction of the call itself: whoever was told a moment ago that it fits must not store what means something
-- else now. Failure policy: closed for code that says which version it is, which all of the functions do; open for whoever
-- says nothing (people, the CLI, the clock), for they run no code of an earlier version.
create function private.refuse_older_code() returns void
language plpgsql stable set search_path = '' as $$
declare
  v_code text := nullif(current_setting('request.headers', true), '')::json ->> 'x-gatelink-schema';
  v_breaks text;
begin
  if v_code is null then
    return;
  end if;
  select max(b.version) into v_breaks from private.schema_breaks b;
  if v_code < v_breaks then
    raise exception 'code for migration % must not run on a database with migration %', v_code, v_breaks
      using errcode = 'GL503', hint = 'Deploy the functions of the version that made it.';
  end if;
end $$;
comment on function private.refuse_older_code() is
  'First line of each function that the edge functions call with a secret key: raises GL503 for code whose header x-gatelink-schema is older than the newest of schema_breaks. The Data API passes headers as request.headers.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.uuid_v7(),
  private.uuids_v7(integer),
  private.uuid_v7_from(timestamptz),
  private.caller(),
  private.actor(),
  private.require_role(text),
  private.can_sign_in(uuid),
  private.subject_id(text),
  private.config_now(),
  private.applied_migrations(),
  public.schema_version(),
  private.breaking_version(),
  private.refuse_older_code()
  to service_role;
grant execute on function
  private.has_role(text),
  public.who_blocks(),
  public.set_team_member(uuid, text, text[]),
  public.add_team_member(text, text, text[]),
  public.remove_team_member(uuid),
  public.list_team(jsonb, integer),
  public.whoami()
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000100');
