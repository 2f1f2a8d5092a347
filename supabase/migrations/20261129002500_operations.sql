-- Running it: what is thrown away and when, what the clock does, and the proofs that nothing was lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Purge -------------------------------------------------------------------------------------------

-- An hour's run has to delete what an hour brought: the limit is that of 140 updates a second, and takes seconds.
create function private.purge(p_now timestamptz, p_limit integer default 500000) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_days integer := greatest(8, coalesce((select s.value::integer from public.settings s where s.key = 'retention.event_days'), 30));
  v_events integer;
  v_attempts integer;
begin
  -- At least 8 days: a provider repeats for up to 7, and what is purged would be taken for new.
  with old as (
    select provider, dedupe_key from public.webhook_events
    where received_at < p_now - make_interval(days => v_days) limit p_limit
  ), gone as (
    delete from public.webhook_events e using old
    where e.provider = old.provider and e.dedupe_key = old.dedupe_key returning 1
  )
  select count(*) into v_events from gone;
  with old as (
    select delivery_id, attempt from public.delivery_attempts
    where at < p_now - make_interval(days => v_days) limit p_limit
  ), gone as (
    delete from public.delivery_attempts a using old
    where a.delivery_id = old.delivery_id and a.attempt = old.attempt returning 1
  )
  select count(*) into v_attempts from gone;
  perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'purged', 'label', 'webhook_events', 'n', v_events)));
  return jsonb_build_object('webhook_events', v_events, 'delivery_attempts', v_attempts);
end $$;
comment on function private.purge(timestamptz, integer) is 'Deletes webhook events and delivery attempts older than the setting retention.event_days (30; at least 8), at most p_limit of each a call. Messages are kept.';

-- The clock ---------------------------------------------------------------------------------------

create function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())'),
    ('gatelink_tidy_destinations', 60, 'sql', 'select private.tidy_destinations(now())'),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())'),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())'),
    ('gatelink_notify', 30, 'http', 'flags'),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())'),
    ('gatelink_sample_minutes', 60, 'sql', 'select private.sample_minutes(clock_timestamp())'),
    ('gatelink_purge_measurements', 3600, 'sql', 'select private.purge_measurements(now())')
$$;
comment on function private.clock_jobs() is 'What runs by the clock, once for pg_cron and the local stack: sql is run, http is a POST to that function with a secret key.';

-- On a hosted project: pg_cron runs the jobs, pg_net posts, the address and key come from Vault. Where these
-- extensions do not exist (plain Postgres, the local stack) nothing is scheduled here.
create function private.schedule_clock() returns integer
language plpgsql set search_path = '' as $$
declare
  v_job record;
  v_count integer := 0;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    return 0;
  end if;
  for v_job in select * from private.clock_jobs() loop
    execute format('select cron.schedule(%L, %L, %L)', v_job.name,
      case when v_job.every_seconds < 60 then v_job.every_seconds || ' seconds'
        when v_job.every_seconds < 3600 then format('*/%s * * * *', v_job.every_seconds / 60) else '0 * * * *' end,
      case v_job.kind when 'sql' then v_job.target else format('select private.call_function(%L)', v_job.target) end);
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
comment on function private.schedule_clock() is 'Schedules clock_jobs in pg_cron; answers how many, 0 where there is no pg_cron. Repeating it changes nothing.';

create function private.call_function(p_name text) returns void
language plpgsql set search_path = '' as $$
declare
  v_url text;
  v_key text;
begin
  execute 'select decrypted_secret from vault.decrypted_secrets where name = ''gatelink_url''' into v_url;
  execute 'select decrypted_secret from vault.decrypted_secrets where name = ''gatelink_secret_key''' into v_key;
  if v_url is null or v_key is null then
    raise exception 'the Vault secrets gatelink_url and gatelink_secret_key are not set: see docs/deploy.md';
  end if;
  execute 'select net.http_post(url := $1, headers := $2, body := $3, timeout_milliseconds := 5000)'
  using rtrim(v_url, '/') || '/functions/v1/' || p_name,
    jsonb_build_object('content-type', 'application/json', 'apikey', v_key), '{}'::jsonb;
end $$;
comment on function private.call_function(text) is 'Posts to one of our functions by pg_net, with address and key from Vault (gatelink_url, gatelink_secret_key).';

do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_cron')
    and exists (select from pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_cron;
    create extension if not exists pg_net;
    perform private.schedule_clock();
  end if;
end $$;

-- Proofs ------------------------------------------------------------------------------------------

-- One statement over all, so that the proof is of one snapshot.
create function private.reconcile_counts() returns table (
  received numeric, stored numeric, duplicates numeric, purged numeric, events bigint, event_messages bigint,
  messages bigint, decided bigint, undecided bigint, forgotten bigint, unmatched bigint, wanted numeric,
  deliveries bigint, pending bigint, leased bigint, delivered bigint, dead bigint, stuck bigint, queued_stuck bigint
)
language sql stable set search_path = '' as $$
  with counted as (
    select coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'received'), 0) as received,
      coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'stored'), 0) as stored,
      coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'duplicate'), 0) as duplicates,
      coalesce(sum(value) filter (where name = 'purged' and label = 'webhook_events'), 0) as purged
    from public.counters
  ), kept as (
    select count(*) as events,
      count(*) filter (where kind = 'message' and number_id is not null) as event_messages
    from public.webhook_events
  ), inbound as (
    select count(*) as messages, count(d.message_id) as decided,
      count(*) filter (where d.message_id is null) as undecided,
      count(*) filter (where d.message_id is null and (c.unrouted_since is null or m.seq <= c.routed_seq)) as forgotten,
      count(*) filter (where d.reason = 'no_match') as unmatched,
      coalesce(sum(cardinality(d.destination_ids)), 0) as wanted
    from public.messages m
    join public.conversations c on c.id = m.conversation_id
    left join public.routing_decisions d on d.message_id = m.id
    where m.direction = 'in'
  ), queue as (
    select count(*) as deliveries,
      count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'leased') as leased,
      count(*) filter (where state = 'delivered') as delivered, count(*) filter (where state = 'dead') as dead,
      count(*) filter (where state in ('pending', 'leased') and not exists (
        select from private.delivery_lanes l
        where l.destination_id = d.destination_id and l.conversation_id = d.conversation_id and l.due_at is not null)) as stuck
    from public.deliveries d
  ), outgoing as (
    select count(*) filter (where state in ('queued', 'leased') and not exists (
        select from private.outbound_lanes l where l.conversation_id = o.conversation_id and l.due_at is not null)) as stuck
    from public.outbound_messages o
  )
  select c.received, c.stored, c.duplicates, c.purged, k.events, k.event_messages,
    i.messages, i.decided, i.undecided, i.forgotten, i.unmatched, i.wanted,
    q.deliveries, q.pending, q.leased, q.delivered, q.dead, q.stuck, o.stuck
  from counted c, kept k, inbound i, queue q, outgoing o
$$;
comment on function private.reconcile_counts() is 'One row: what was received, kept, decided, delivered and is stuck, in one snapshot.';

create function public.reconcile() returns jsonb
language sql stable set search_path = '' as $$
  with counts as materialized (
    select * from private.reconcile_counts()
  ), checks (name, ok, expected, found) as (
    select 'received = stored + duplicates', received = stored + duplicates, received, stored + duplicates from counts
    union all
    select 'stored = events kept + events purged', stored = events + purged, stored, events + purged from counts
    union all
    select 'inbound messages = message events', purged > 0 or messages = event_messages, event_messages, messages from counts
    union all
    select 'inbound messages = decided + waiting', forgotten = 0, messages, messages - forgotten from counts
    union all
    select 'deliveries = destinations decided', deliveries = wanted, wanted, deliveries from counts
    union all
    select 'deliveries = pending + leased + delivered + dead', deliveries = pending + leased + delivered + dead, deliveries,
      pending + leased + delivered + dead from counts
    union all
    select 'each open delivery has a lane that will wake', stuck = 0, 0, stuck from counts
    union all
    select 'each queued outbound message has a lane that will wake', queued_stuck = 0, 0, queued_stuck from counts
  )
  select jsonb_build_object(
    'ok', (select bool_and(ok) from checks),
    'checks', (select jsonb_agg(jsonb_build_object('name', name, 'ok', ok, 'expected', expected, 'found', found)) from checks),
    'updates', (select jsonb_build_object('received', received, 'stored', stored, 'duplicates', duplicates, 'purged', purged) from counts),
    'messages', (select jsonb_build_object('inbound', messages, 'decided', decided, 'waiting', undecided, 'unmatched', unmatched) from counts),
    'deliveries', (select jsonb_build_object('total', deliveries, 'pending', pending, 'leased', leased, 'delivered', delivered, 'dead', dead) from counts))
$$;
comment on function public.reconcile() is 'Proves in one snapshot that nothing was lost: {ok, checks: [{name, ok, expected, found}], updates, messages, deliveries}.';

create function public.status() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return jsonb_build_object(
    'revision', (select revision from private.config_revision),
    'unrouted', (
      select jsonb_build_object('conversations', count(*), 'held_by_flag', count(*) filter (where held_revision is not null),
        'oldest_seconds', round(extract(epoch from now() - min(unrouted_since))))
      from public.conversations where unrouted_since is not null),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', d.name, 'url', d.url,
        'state', case when d.state = 'paused' then 'paused' when d.circuit_open_until is not null then 'circuit_open' else 'active' end,
        'circuit_open_until', d.circuit_open_until,
        'open', q.open, 'oldest_seconds', q.oldest_seconds,
        'dead', (
          select count(*) from public.deliveries x
          where x.state = 'dead' and x.dropped_reason is null and x.destination_id = d.id)) order by d.name), '[]')
      from public.destinations d
      cross join lateral (
        select count(*) as open, round(extract(epoch from now() - min(x.created_at))) as oldest_seconds
        from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
      where d.removed_at is null),
    'outbound', (
      select jsonb_build_object('open', count(*), 'oldest_seconds', round(extract(epoch from now() - min(created_at))))
      from public.outbound_messages where state in ('queued', 'leased')),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', name, 'label', label, 'value', total) order by name, label), '[]')
      from (select c.name, c.label, sum(c.value) as total from public.counters c group by c.name, c.label) t));
end $$;
comment on function public.status() is 'What waits and why: unrouted conversations, each destination''s state and queue, outbound queue, counters. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.purge(timestamptz, integer),
  private.clock_jobs(),
  private.reconcile_counts(),
  public.reconcile()
  to service_role;
grant execute on function
  public.status()
  to authenticated, service_role;
