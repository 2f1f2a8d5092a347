-- Launch gates: what only the database knows about whether a feature may go live. The checks themselves are in
-- cli/gates*.ts: most look at more than the database.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The statements that run for each message, click or request, by the function they stand in. Written with values,
-- for EXPLAIN; what counts is which columns are compared and in which order is read.
create function private.hot_queries() returns table (name text, statement text)
language sql immutable set search_path = '' as $$
  values
    ('ingest_updates: was it here before', 'select from public.webhook_events where provider = ''whatsapp'' and dedupe_key = ''x'''),
    ('ingest_updates: whose identity', 'select from public.contact_identities where channel = ''whatsapp'' and kind = ''phone'' and value = ''1'' and valid_to is null'),
    ('ingest_updates: the message of a status', 'select from public.messages where provider_id = ''x'''),
    ('claim_unrouted: who waits longest', 'select from public.conversations where unrouted_since is not null and held_revision is null order by held_revision, unrouted_since limit 10'),
    ('claim_unrouted: what waits in it', 'select from public.messages where conversation_id = ''00000000-0000-0000-0000-000000000000'' and seq > 1 order by seq limit 20'),
    ('claim_deliveries: due lanes', 'select from private.delivery_lanes where destination_id = ''00000000-0000-0000-0000-000000000000'' and due_at <= now() order by due_at limit 10'),
    ('claim_deliveries: the first of a lane', 'select from public.deliveries where destination_id = ''00000000-0000-0000-0000-000000000000'' and conversation_id = ''00000000-0000-0000-0000-000000000000'' and state in (''pending'', ''leased'') order by seq limit 1'),
    ('claim_outbound: due lanes', 'select from private.outbound_lanes where number_id = ''1'' and due_at <= now() order by due_at limit 10'),
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
revoke execute on function private.hot_queries() from public, anon, authenticated;
grant execute on function private.hot_queries() to service_role;

-- A small table is rightly read whole. With sequential scans switched off the planner takes one only where there is
-- no other way, however small the table is today.
create function private.reads_whole_tables(p_statement text) returns text[]
language plpgsql volatile set search_path = '' set enable_seqscan = off as $$
declare
  v_plan jsonb;
begin
  execute 'explain (format json) ' || p_statement into v_plan;
  return coalesce((
    select array_agg(distinct node ->> 'Relation Name')
    from jsonb_path_query(v_plan, '$.** ? (@."Node Type" == "Seq Scan")') node), '{}');
end $$;
comment on function private.reads_whole_tables(text) is
  'The tables that a query can only read from one end to the other, because no index serves it. Plans it and runs nothing.';
revoke execute on function private.reads_whole_tables(text) from public, anon, authenticated;
grant execute on function private.reads_whole_tables(text) to service_role;

create function public.launch_facts(p_flag_key text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_versions jsonb := 'null';
begin
  perform private.require_role('viewer');
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute 'select jsonb_agg(version order by version) from supabase_migrations.schema_migrations' into v_versions;
  end if;
  return jsonb_build_object(
    'flag', (
      select jsonb_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      from public.settings s where s.key = p_flag_key),
    'approvals', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.signed_at), '[]') from public.gate_approvals a
      where a.flag_key = p_flag_key and a.revoked_at is null),
    'migrations', v_versions,
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
        and (0::oid = any (p.polroles) or (select r.oid from pg_catalog.pg_roles r where r.rolname = 'anon') = any (p.polroles))),
    'plans', (
      select jsonb_agg(jsonb_build_object('query', q.name, 'reads_whole', private.reads_whole_tables(q.statement)))
      from private.hot_queries() q),
    'allowlist', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a),
    'rolled_back_at', (
      select max(r.finished_at) from public.rollouts r where r.flag_key = p_flag_key and r.state = 'rolled_back'),
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
      from pg_catalog.pg_stat_archiver s));
end $$;
comment on function public.launch_facts(text) is
  'What the database knows about whether a flag may go live, in one snapshot: {flag, approvals, migrations, without_rls, open_to_anon, policies_for_anon, plans, allowlist, rolled_back_at, under_way, evaluated_at, outcomes, told, tables, operators, archive}. Volatile, because it plans queries. For viewers and secret keys.';
revoke execute on function public.launch_facts(text) from public, anon;
grant execute on function public.launch_facts(text) to authenticated, service_role;
