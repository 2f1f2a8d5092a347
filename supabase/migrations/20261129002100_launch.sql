-- Launch gates, and the ways back: who has signed what, the record of each way back that was taken, and what only the
-- database knows about whether a feature may go live. The checks themselves are in cli/gates*.ts: most look at more than
-- the database.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Launch gates ------------------------------------------------------------------------------------

create table public.gate_approvals (
  id uuid primary key default private.uuid_v7(),
  flag_key text not null constraint gate_approvals_flag check (flag_key like '%.enabled'),
  gate text not null constraint gate_approvals_gate check (gate ~ '^[a-z][a-z_]{1,60}$'),
  role text not null constraint gate_approvals_role check (role in ('engineering', 'security', 'product', 'cto')),
  applies boolean not null,
  note text,
  signed_by uuid not null,
  signed_as text not null,
  signed_with text not null constraint gate_approvals_signed_with check (signed_with in ('session', 'secret_key')),
  signed_at timestamptz not null default now(),
  revoked_at timestamptz,
  revoked_by text,
  revoked_because text,
  constraint gate_approvals_not_applicable_says_why check (applies or coalesce(note, '') <> '')
);
comment on table public.gate_approvals is
  'Sign-offs of launch gates by people, one row each. Written by sign_gate and revoke_gate alone; a row is never deleted.';
comment on column public.gate_approvals.id is 'Key.';
comment on column public.gate_approvals.flag_key is 'The feature, by its flag. The flag may have been deleted since.';
comment on column public.gate_approvals.gate is
  'What was signed: approval (the launch as a whole, for the role), or a gate of the checklist such as smoke_tests.';
comment on column public.gate_approvals.role is 'The role in which it was signed.';
comment on column public.gate_approvals.applies is 'False: signed as not applicable; note says why.';
comment on column public.gate_approvals.note is 'What the person had to say.';
comment on column public.gate_approvals.signed_by is 'The user. Not a reference: a sign-off outlives the account.';
comment on column public.gate_approvals.signed_as is 'The user''s address when it was signed, for people who read it later.';
comment on column public.gate_approvals.signed_with is
  'session: the person was signed in. secret_key: a holder of a secret key signed for the person.';
comment on column public.gate_approvals.signed_at is 'When.';
comment on column public.gate_approvals.revoked_at is 'When it was taken back; null while it stands.';
comment on column public.gate_approvals.revoked_by is 'Who took it back: a user id, or the database role.';
comment on column public.gate_approvals.revoked_because is 'Why.';
create unique index gate_approvals_once_idx on public.gate_approvals (flag_key, gate, role, signed_by) where revoked_at is null;
comment on index public.gate_approvals_once_idx is 'A person signs once in a role.';
alter table public.gate_approvals enable row level security;
revoke all on public.gate_approvals from anon, authenticated, service_role, public;
grant select on public.gate_approvals to authenticated, service_role;
create policy gate_approvals_read on public.gate_approvals for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy gate_approvals_read on public.gate_approvals is 'The whole team sees who signed what.';

-- Failure policy: closed. Whoever is not known to hold the approval does not sign, secret key or not.
create function public.sign_gate(
  p_flag_key text, p_role text, p_gate text default 'approval', p_note text default null,
  p_applies boolean default true, p_signer text default null
) returns public.gate_approvals
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid := (select auth.uid());
  v_email text;
  v_with text := 'session';
  v_signed public.gate_approvals;
begin
  if v_user is null then
    perform private.require_role('admin');
    v_with := 'secret_key';
    select u.id into v_user from auth.users u where lower(u.email) = lower(p_signer);
    if v_user is null then
      raise exception 'there is no user %', coalesce(p_signer, '(no name given)') using errcode = 'GL404',
        hint = 'A secret key signs for a person: name one of the team by the address they sign in with.';
    end if;
  elsif p_signer is not null then
    raise exception 'whoever is signed in signs as themselves' using errcode = 'GL403';
  end if;
  if not exists (
    select from public.team_members m where m.user_id = v_user and p_role = any (m.approvals)) then
    raise exception 'this person may not sign as %', p_role using errcode = 'GL403',
      hint = 'An admin gives the approval: set_team_member(user, role, approvals).';
  end if;
  if not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  end if;
  -- Of a gate that is checked a signature would be kept, and would close nothing.
  if p_applies and p_gate not in ('approval', 'code_review', 'security_review', 'documentation', 'dashboards', 'smoke_tests',
    'edge_cases', 'on_call', 'status_page', 'communication')
    and not (p_flag_key = 'green.enabled' and p_gate in ('green_staging', 'green_load', 'green_security', 'green_team_told',
      'green_functionality', 'green_figures_reviewed', 'green_logs_reviewed', 'green_business', 'green_success_told',
      'green_status_updated', 'green_documentation', 'green_success_documented')) then
    raise exception '% is not signed: it is checked, or there is no such gate', p_gate using errcode = 'GL422',
      hint = 'It closes when what it looks at is well; where it does not apply, sign it as not applicable.';
  end if;
  -- Four signatures are four people, or they say nothing. What an approval's waiver is called makes no difference.
  if exists (
    select from public.gate_approvals g
    where g.flag_key = p_flag_key and g.signed_by = v_user and g.role <> p_role and g.revoked_at is null
      and regexp_replace(g.gate, '^approval_.*', 'approval') = regexp_replace(p_gate, '^approval_.*', 'approval'))
    and not exists (select from public.settings s where s.key = 'gates.one_person_many_roles' and s.value = 'true') then
    raise exception 'this person has signed % of % in another role', p_gate, p_flag_key using errcode = 'GL403',
      hint = 'Each role is to be another person. Where one has to stand for several, the setting gates.one_person_many_roles says so.';
  end if;
  select u.email into v_email from auth.users u where u.id = v_user;
  -- Whoever finds that a gate does not apply need not take their signature back by hand; the other way round they say why.
  if not p_applies then
    update public.gate_approvals g
    set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = 'signed as not applicable instead'
    where g.flag_key = p_flag_key and g.gate = p_gate and g.role = p_role and g.signed_by = v_user and g.applies and g.revoked_at is null;
  end if;
  insert into public.gate_approvals (flag_key, gate, role, applies, note, signed_by, signed_as, signed_with)
  values (p_flag_key, p_gate, p_role, p_applies, nullif(p_note, ''), v_user, coalesce(v_email, v_user::text), v_with)
  on conflict (flag_key, gate, role, signed_by) where revoked_at is null do nothing
  returning * into v_signed;
  if v_signed.id is null then
    raise exception '% has signed % of % as % already', coalesce(v_email, v_user::text), p_gate, p_flag_key, p_role
      using errcode = 'GL409', hint = 'Take it back first to sign anew.';
  end if;
  return v_signed;
end $$;
comment on function public.sign_gate(text, text, text, text, boolean, text) is
  'Signs a gate of a flag in a role, as the signed-in person or, with a secret key, for p_signer (an address). The person must hold that approval. As not applicable (p_applies false, with a note) it takes the place of the person''s plain signature. Answers the row. Errors: GL403 may not sign, or has in another role (unless the setting gates.one_person_many_roles is true), GL404 no such user or flag, GL409 signed already, GL422 a gate that is checked or not there, 23514 a name that cannot be one.';

create function public.revoke_gate(p_flag_key text, p_role text, p_gate text, p_because text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_revoked integer;
begin
  perform private.require_role('operator');
  if coalesce(p_because, '') = '' then
    raise exception 'a sign-off is not taken back without a reason' using errcode = 'GL422';
  end if;
  update public.gate_approvals
  set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = p_because
  where flag_key = p_flag_key and role = p_role and gate = p_gate and revoked_at is null;
  get diagnostics v_revoked = row_count;
  return v_revoked;
end $$;
comment on function public.revoke_gate(text, text, text, text) is
  'Takes back what was signed of a gate in a role, and answers how many sign-offs that were. For operators and secret keys: stopping a launch is nobody''s privilege. Errors: 42501 not allowed, GL422 no reason.';

-- Ways back ---------------------------------------------------------------------------------------

create table public.rollback_events (
  id uuid primary key default private.uuid_v7(),
  level smallint not null constraint rollback_events_level check (level between 1 and 4),
  target text not null,
  reason text not null,
  ok boolean not null,
  steps jsonb not null constraint rollback_events_steps check (jsonb_typeof(steps) = 'array'),
  took_ms integer not null,
  began_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null
);
comment on table public.rollback_events is
  'Each way back that was taken with gatelink rollback, successful or not. Append-only. Level 4 over this very table leaves no row.';
comment on column public.rollback_events.id is 'Key.';
comment on column public.rollback_events.level is '1 flag, 2 environment, 3 code, 4 database.';
comment on column public.rollback_events.target is 'What was taken back: a flag, a variable, the commit or the migration gone back to.';
comment on column public.rollback_events.reason is 'Why, in the words of whoever did it.';
comment on column public.rollback_events.ok is 'Whether it was verified to have taken effect.';
comment on column public.rollback_events.steps is 'What was done and seen: [{what, ok, ms, detail?}].';
comment on column public.rollback_events.took_ms is 'From the first step until it was verified, in milliseconds.';
comment on column public.rollback_events.began_at is 'By the clock of the machine that did it.';
comment on column public.rollback_events.recorded_at is 'By the clock of the database.';
comment on column public.rollback_events.recorded_by is 'Who: a user id, or the database role.';
create index rollback_events_recorded_idx on public.rollback_events (recorded_at);
comment on index public.rollback_events_recorded_idx is 'What was taken back lately.';
alter table public.rollback_events enable row level security;
revoke all on public.rollback_events from anon, authenticated, service_role, public;
grant select on public.rollback_events to authenticated, service_role;
create policy rollback_events_read on public.rollback_events for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollback_events_read on public.rollback_events is 'The whole team sees what was taken back and why.';
create trigger append_only before update or delete or truncate on public.rollback_events
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.rollback_events is 'Nobody rewrites history.';

create function public.record_rollback(p_event jsonb) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by)
  values (
    (p_event ->> 'level')::smallint, p_event ->> 'target', private.given_reason(p_event ->> 'reason'), (p_event ->> 'ok')::boolean,
    p_event -> 'steps', round((p_event ->> 'took_ms')::numeric), (p_event ->> 'began_at')::timestamptz, private.actor())
  returning id into v_id;
  return v_id;
end $$;
comment on function public.record_rollback(jsonb) is
  'Writes down a way back that was taken: {level, target, reason, ok, steps, took_ms, began_at}. Answers its id. For operators and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks, 23502 and 23514 for what is missing or cannot be.';

-- What only the database knows --------------------------------------------------------------------

-- The statements that run for each message, click or request, by the function they stand in. Written with values,
-- for EXPLAIN; what counts is which columns are compared and in which order is read.
create function private.hot_queries() returns table (name text, statement text)
language sql immutable set search_path = '' as $$
  values
    ('ingest_updates: was it here before', 'select from public.webhook_events where provider = ''whatsapp'' and dedupe_key = ''x'''),
    ('ingest_updates: whose identity', 'select from public.contact_identities where channel = ''whatsapp'' and kind = ''phone'' and value = ''1'' and valid_to is null'),
    ('ingest_updates: the message of a status', 'select from public.messages where provider_id = ''x'' and channel = ''whatsapp'''),
    ('claim_unrouted: who waits longest', 'select from public.conversations where channel = ''whatsapp'' and unrouted_since is not null and held_revision is null order by held_revision, unrouted_since limit 10'),
    ('claim_unrouted: what waits in it', 'select from public.messages where conversation_id = ''00000000-0000-0000-0000-000000000000'' and seq > 1 order by seq limit 20'),
    ('claim_deliveries: due lanes', 'select from private.delivery_lanes where destination_id = ''00000000-0000-0000-0000-000000000000'' and channel = ''whatsapp'' and due_at <= now() and lease is null order by due_at limit 10'),
    ('claim_deliveries: the first of a lane', 'select from public.deliveries where destination_id = ''00000000-0000-0000-0000-000000000000'' and conversation_id = ''00000000-0000-0000-0000-000000000000'' and state in (''pending'', ''leased'') order by seq limit 1'),
    ('claim_outbound: due lanes', 'select from private.outbound_lanes where channel = ''whatsapp'' and number_id = ''1'' and due_at <= now() order by due_at limit 10'),
    ('take_rate', 'select from public.rate_limits where key = ''x'''),
    ('get_links', 'select from public.links where code = ''x'''),
    ('link_stats', 'select from public.clicks where code = ''x'' and at > now()'),
    ('attribution: the click of a token', 'select from public.clicks where token = ''x'''),
    ('record_outcomes', 'select from public.flag_metrics where flag_key = ''x'' and minute = now() and arm = ''on'''),
    ('advance_rollouts: the minutes of a stage', 'select from public.flag_metrics where flag_key = ''x'' and minute > now()'),
    ('claim_notifications', 'select from public.notifications where state in (''pending'', ''leased'') and next_attempt_at <= now() order by next_attempt_at limit 20')
$$;
comment on function private.hot_queries() is
  'The queries that run for each message, click or request, for the launch gate that looks at their plans.';

-- A small table is rightly read whole, and sorted. With sequential scans and sorts switched off the planner takes one only
-- where there is no other way, however small the table is today. Who sorts has read all that there is to sort: an index
-- that serves the condition alone, such as the channel's, is none for the first few.
create function private.reads_whole_tables(p_statement text) returns text[]
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
declare
  v_plan jsonb;
begin
  execute 'explain (format json) ' || p_statement into v_plan;
  return coalesce((
    select array_agg(distinct name #>> '{}')
    from (
      select jsonb_path_query(v_plan, '$.** ? (@."Node Type" == "Seq Scan")."Relation Name"')
      union all
      select jsonb_path_query(v_plan, '$.** ? (@."Node Type" == "Sort").**."Relation Name"')) found (name)), '{}');
end $$;
comment on function private.reads_whole_tables(text) is
  'The tables that a query can only read from one end to the other, because no index serves it or its order. Plans it and runs nothing.';

create function private.open_doors() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'without_rls', (
      select coalesce(jsonb_agg(c.oid::regclass::text order by 1), '[]')
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relrowsecurity),
    'open_to_anon', (
      select coalesce(jsonb_agg(name order by name), '[]') from (
        select c.oid::regclass::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
          and has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate')
          and not c.relrowsecurity
        union all
        select p.oid::regprocedure::text
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('public', 'private') and has_function_privilege('anon', p.oid, 'execute')
          and not exists (
            select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')) x),
    'policies_for_anon', (
      select coalesce(jsonb_agg(format('%I on %s', p.polname, p.polrelid::regclass) order by 1), '[]')
      from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'private')
        and (0::oid = any (p.polroles) or (select r.oid from pg_catalog.pg_roles r where r.rolname = 'anon') = any (p.polroles))))
$$;
comment on function private.open_doors() is
  'What of our schemas strangers could reach: {without_rls, open_to_anon, policies_for_anon}, each a list of names; all empty where nothing is.';

create function public.launch_facts(p_flag_key text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return jsonb_build_object(
    'flag', (
      select jsonb_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      from public.settings s where s.key = p_flag_key),
    'approvals', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.signed_at), '[]') from public.gate_approvals a
      where a.flag_key = p_flag_key and a.revoked_at is null),
    'migrations', to_jsonb(private.applied_migrations()),
    'plans', (
      select jsonb_agg(jsonb_build_object('query', q.name, 'reads_whole', private.reads_whole_tables(q.statement)))
      from private.hot_queries() q),
    'allowlist', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a),
    -- Each ramp to green is of another release: what was signed for the one before says nothing of this one.
    'rolled_back_at', (
      select max(r.finished_at) from public.rollouts r
      where r.flag_key = p_flag_key and (r.state = 'rolled_back' or r.state = 'completed' and r.flag_key = 'green.enabled')),
    'under_way', exists (
      select from public.rollouts r where r.flag_key = p_flag_key and r.state in ('running', 'paused')),
    'evaluated_at', (select e.last_at from public.flag_evaluations e where e.flag_key = p_flag_key),
    'outcomes', (select coalesce(sum(m.n), 0) from public.flag_metrics m where m.flag_key = p_flag_key),
    'told', (
      select coalesce(jsonb_agg(e.name order by e.name), '[]') from public.notification_endpoints e
      where e.state = 'active' and e.events @> array['paged', 'rolled_back']),
    'tables', (
      select jsonb_agg(c.relname order by c.relname)
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition),
    'operators', (select count(*) from public.team_members m where m.role in ('operator', 'admin')),
    'archive', (
      select jsonb_build_object(
        'mode', current_setting('archive_mode'), 'last_at', s.last_archived_time, 'failing',
        coalesce(s.last_failed_time > s.last_archived_time, false))
      from pg_catalog.pg_stat_archiver s))
    || private.open_doors();
end $$;
comment on function public.launch_facts(text) is
  'What the database knows about whether a flag may go live, in one snapshot: {flag, approvals, migrations, without_rls, open_to_anon, policies_for_anon, plans, allowlist, rolled_back_at, under_way, evaluated_at, outcomes, told, tables, operators, archive}. Volatile, because it plans queries. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.hot_queries(),
  private.reads_whole_tables(text)
  to service_role;
grant execute on function
  public.sign_gate(text, text, text, text, boolean, text),
  public.revoke_gate(text, text, text, text),
  public.record_rollback(jsonb),
  public.launch_facts(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002100');
