-- Whether things are well: in one call for the panel, for /health/detailed, and as the function metrics prints it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Health ------------------------------------------------------------------------------------------

-- Each component is healthy, degraded (somebody should look) or down (it does not do its work), and says because of what,
-- in a code with figures that _shared/contract/words/health.ts puts into words.
create function private.database_health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'database',
    'status', case when c.used < 0.9 * c.most then 'healthy' else 'degraded' end,
    'because', 'connections', 'figures', jsonb_build_object('used', c.used, 'most', c.most))
  from (
    select (select sum(d.numbackends) from pg_catalog.pg_stat_database d) as used,
      current_setting('max_connections')::integer as most
  ) c
$$;
comment on function private.database_health() is 'The database: degraded when nine tenths of its connections are in use.';

create function private.waiting(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'unrouted', (
      select jsonb_build_object('n', count(*), 'held', count(*) filter (where held_revision is not null),
        'oldest_seconds', round(extract(epoch from p_now - min(unrouted_since)))::integer)
      from public.conversations where unrouted_since is not null),
    'deliveries', (
      select jsonb_build_object('n', count(*), 'oldest_seconds', round(extract(epoch from p_now - min(created_at)))::integer)
      from public.deliveries where state in ('pending', 'leased')),
    'outbound', (
      select jsonb_build_object('n', count(*), 'oldest_seconds', round(extract(epoch from p_now - min(created_at)))::integer)
      from public.outbound_messages where state in ('queued', 'leased')))
$$;
comment on function private.waiting(timestamptz) is
  'What waits: {unrouted: {n conversations, held by a flag among them, oldest_seconds}, deliveries: {n, oldest_seconds}, outbound: {n, oldest_seconds}}. oldest_seconds is null where nothing waits.';

-- What waits for its time (a retry, a pause, a pace) is no fault, nor what the flag of its channel holds back from
-- everybody; what is due and is not taken is.
create function private.overdue_seconds(p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
  with known as materialized (
    select k.channel, private.on_for_anybody(private.router_flag(k.channel)) as routed,
      private.on_for_anybody(private.send_flag(k.channel)) as sent
    from (select distinct s.channel from public.senders s) k
  )
  select greatest(0, extract(epoch from p_now - least(
    (select min(first.unrouted_since) from known
      cross join lateral (
        select c.unrouted_since from public.conversations c
        where c.channel = known.channel and c.unrouted_since is not null and c.held_revision is null
        order by c.held_revision, c.unrouted_since limit 1) first
      where known.routed),
    (select min(first.due_at) from public.destinations d
      cross join known
      -- As lane_due_at, without a call for each of thousands of destinations.
      cross join lateral (select least(
        (select l.due_at from private.delivery_lanes l
        where l.destination_id = d.id and l.channel = known.channel and l.due_at is not null and l.lease is null
        order by l.due_at limit 1),
        (select l.due_at from private.delivery_lanes l
        where l.destination_id = d.id and l.channel = known.channel and l.due_at is not null and l.lease is not null
        order by l.due_at limit 1)) as due_at) first
      where known.routed and d.state = 'active' and d.circuit_open_until is null and d.rate_per_second is null),
    (select min(first.due_at) from public.senders n
      cross join lateral (
        select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
        order by l.due_at limit 1) first
      where n.state = 'active' and n.held_since is null and n.channel in (select known.channel from known where known.sent)),
    p_now)))::integer
$$;
comment on function private.overdue_seconds(timestamptz) is
  'For how long the oldest thing in the queues has been due that nothing holds back: no flag of a contact or a whole channel, pause, circuit or rate.';

-- What its own people cannot see, because each call looks well from there, and what nobody may find before the morning.
create function private.troubled_destinations(p_now timestamptz)
returns table (name text, state text, n bigint, error text, waiting bigint)
language sql stable set search_path = '' as $$
  with troubled as (
    select d.id, d.name, private.shown_state(d.state, d.circuit_open_until) as state, null::bigint as n, d.paused_because as error
    from public.destinations d
    where private.shown_state(d.state, d.circuit_open_until) <> 'active'
      and exists (select from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased'))
    union all
    select d.id, d.name, 'failing', d.circuit_failures, (
      select x.last_error from public.deliveries x where x.destination_id = d.id and x.wakes and x.state = 'pending' limit 1)
    from public.destinations d
    where d.state = 'active' and d.circuit_open_until is null and d.circuit_failures >= 3
    union all
    select d.id, d.name, 'gave_up', gone.n, null
    -- Read once for all: asked of each destination, it may be read for each.
    from (
      select x.destination_id, count(*) as n from public.deliveries x
      where x.state = 'dead' and x.dropped_reason is null and x.updated_at >= p_now - interval '1 hour'
      group by x.destination_id) gone
    join public.destinations d on d.id = gone.destination_id
    where d.removed_at is null
  )
  -- Counted for the few that are in trouble, and no further than a person would read.
  select t.name, t.state, t.n, t.error, (
    select count(*) from (
      select from public.deliveries x where x.destination_id = t.id and x.state in ('pending', 'leased') limit 10000) x)
  from troubled t
  union all
  select split_part(m.label, ' ', 1), 'replies', sum(m.n)::bigint, split_part(m.label, ' ', 2), 0
  from public.measurements m
  where m.name = 'replies' and m.minute >= p_now - interval '1 hour'
  group by m.label
$$;
comment on function private.troubled_destinations(timestamptz) is
  'Services that somebody should look at: paused or circuit_open with a queue (error: what it answered, where that paused it), failing (three times in a row or more; error: how), gave_up (n dead letters within the hour), replies (n answers within the hour whose replies were not used; error: why, a word). waiting: messages that wait for it, counted up to 10,000.';

create function private.queue_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  -- Once, and not for each place that names it.
  with q as materialized (
    select private.overdue_seconds(p_now) as overdue, (
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'name', t.name, 'state', t.state, 'n', t.n, 'error', t.error, 'waiting', nullif(t.waiting, 0)))
        order by t.name, t.state)
      from private.troubled_destinations(p_now) t) as stopped
  )
  select jsonb_build_object('component', 'queue',
    'status', case when q.overdue >= 600 then 'down' when q.overdue >= 60 or q.stopped is not null then 'degraded' else 'healthy' end,
    'because', case when q.overdue >= 60 then 'overdue' when q.stopped is not null then 'stopped' else 'taken' end,
    'figures', jsonb_strip_nulls(jsonb_build_object(
      'seconds', case when q.overdue >= 60 then q.overdue end, 'destinations', q.stopped)))
  from q
$$;
comment on function private.queue_health(timestamptz) is
  'The queues: degraded when something is overdue by a minute or a destination is in trouble, down at ten minutes.';

-- Why the calls of the clock do not arrive, as far as pg_cron, pg_net and the Vault tell.
create function private.clock_fault() returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_fault text;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    return null;
  end if;
  if to_regclass('vault.decrypted_secrets') is not null then
    execute 'select ''no_secret'' where (select count(*) from vault.decrypted_secrets where name in (''gatelink_url'', ''gatelink_secret_key'') and decrypted_secret <> '''') < 2'
    into v_fault;
  end if;
  if v_fault is null and to_regclass('net.http_request_queue') is not null then
    execute 'select ''not_sent'' where exists (select from net.http_request_queue)' into v_fault;
  end if;
  if v_fault is null and to_regclass('net._http_response') is not null then
    execute 'select case when status_code is null then ''no_answer'' when status_code >= 400 then ''status '' || status_code end from net._http_response order by created desc limit 1'
    into v_fault;
  end if;
  return coalesce(v_fault, 'not_sent');
end $$;
comment on function private.clock_fault() is
  'Why a call of the clock has not arrived: no_secret (the Vault lacks address or key), not_sent (pg_net sends nothing), no_answer, or status and which; null without pg_cron. Definer, for Vault and pg_net are the owner''s.';

-- Its half of SQL by its job of every minute, its half of HTTP by the last call of wa-router, which it makes twice a minute.
-- Without pg_cron whoever calls is not known, and a call that never came is no sign.
create function private.clock_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'clock',
    'status', case when t.age <= 150 and (t.http_age < 60 or t.http_age is null) then 'healthy'
      when t.age <= 600 and (t.http_age <= 600 or t.http_age is null) then 'degraded' else 'down' end,
    'because', case when t.age <= 150 and t.http_age >= 60 then 'unheard'
      when t.has_run then 'ran' when t.age <= 150 then 'starting' else 'never' end,
    'figures', jsonb_build_object('seconds', t.age) || case when t.http_age is null then '{}' else jsonb_build_object('http_seconds', t.http_age)
      || case when t.http_age >= 60 then jsonb_build_object('fault', private.clock_fault()) else '{}' end end)
  from (
    select r.last_at is not null as has_run,
      greatest(0, round(extract(epoch from p_now - coalesce(r.last_at, i.installed_at))))::integer as age,
      greatest(0, round(extract(epoch from p_now - case when h.last_at is null and private.clock_fault() is not null
        -- It has two minutes to begin.
        then i.installed_at + interval '2 minutes' else h.last_at end)))::integer as http_age
    from private.config_revision i
    left join public.measurements r on r.name = 'messages' and r.label = 'in' and r.minute = '-infinity'
    cross join lateral (
      select max(m.last_at) as last_at from public.measurements m
      where m.name = 'request' and m.label in ('wa-router 202', 'wa-router disabled') and m.minute = '-infinity') h
  ) t
$$;
comment on function private.clock_health(timestamptz) is
  'The clock: degraded when two runs of its job of every minute were missed or none of its calls came for a minute, down after ten. In a new installation minutes are counted from its beginning.';

create function private.graph_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'graph',
    'status', case when g.failed = 0 then 'healthy' when g.sent > 0 then 'degraded' when g.failed < 3 then 'degraded' else 'down' end,
    'because', 'calls', 'figures', jsonb_build_object('failed', g.failed, 'calls', g.sent + g.failed,
      'success_seconds', round(extract(epoch from p_now - g.last_success))),
    'last_success', g.last_success)
  from (
    select coalesce(sum(m.n) filter (where m.minute > '-infinity' and m.label = 'sent'), 0) as sent,
      coalesce(sum(m.n) filter (where m.minute > '-infinity' and m.label <> 'sent'), 0) as failed,
      max(m.last_at) filter (where m.label = 'sent' and m.minute = '-infinity') as last_success
    from public.measurements m
    where m.name = 'graph' and (m.minute >= p_now - interval '15 minutes' or m.minute = '-infinity')
  ) g
$$;
comment on function private.graph_health(timestamptz) is
  'Meta''s Graph API as our sends saw it: degraded when one failed in the last quarter of an hour, down when at least three did and none succeeded.';

-- A few failures are people without WhatsApp; many beside what goes out are a fault that nobody sees by sending.
create function private.senders_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'senders',
    'status', case when s.held is null then case when f.many or u.n > 0 then 'degraded' else 'healthy' end
      when jsonb_array_length(s.held) < s.n then 'degraded' else 'down' end,
    'because', case when s.held is not null then 'held' when u.n > 0 then 'unknown' when f.codes is not null then 'failing' else 'sending' end,
    'figures', case when s.held is not null then jsonb_build_object('held', s.held)
      when u.n > 0 then jsonb_build_object('unknown', u.n, 'oldest_seconds', floor(extract(epoch from p_now - u.since))::integer)
      when f.codes is not null then jsonb_build_object('failed', f.n, 'codes', f.codes)
      else jsonb_build_object('senders', s.n) end)
  from (
    select count(*) as n, jsonb_agg(jsonb_build_object('channel', n.channel, 'id', n.id, 'code', n.held_code,
      'seconds', round(extract(epoch from p_now - n.held_since))::integer) order by n.channel, n.id)
      filter (where n.held_since is not null) as held
    from public.senders n
  ) s
  cross join (
    select sum(c.n) as n, jsonb_agg(jsonb_build_object('channel', split_part(c.label, ' ', 1), 'code', split_part(c.label, ' ', 2), 'n', c.n)
      order by c.n desc, c.label) as codes,
      sum(c.n) >= 5 and sum(c.n) >= 0.1 * coalesce((select sum(m.n) from public.measurements m
        where m.name not in ('request', 'routed', 'destination', 'replies', 'messages', 'updates', 'clicks', 'failed') and m.label = 'sent'
          and m.minute >= p_now - interval '15 minutes'), 0) as many
    from (
      select m.label, sum(m.n) as n from public.measurements m
      where m.name = 'failed' and m.minute >= p_now - interval '15 minutes' group by m.label
    ) c
  ) f
  cross join (
    -- An event of the provider settles nearly all within minutes.
    select count(*) as n, min(x.updated_at) as since from (
      select o.updated_at from public.outbound_messages o where o.state = 'unknown'
      union all
      select d.updated_at from public.deliveries d
      where d.state = 'dead' and d.last_error like 'unknown\_outcome%' and d.dropped_reason is null) x
    where x.updated_at <= p_now - interval '15 minutes'
  ) u
$$;
comment on function private.senders_health(timestamptz) is
  'Whom we write as: degraded where a fault of the account holds one of them, or where at least five messages and a tenth of what was sent failed later in a quarter of an hour, as their statuses say, or where a person has to say of messages whether they went; down where all are held.';

-- One function is judged by itself: what a busy one answers says nothing about a quiet one. What a kill switch refuses
-- ("disabled" in place of a status) is the operator's will and counts as no request.
create function private.functions_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'functions',
    'status', case
      when bool_or(f.failed >= 5 and f.failed >= 0.5 * f.n) then 'down'
      when bool_or(f.n >= 3 and f.failed >= 0.01 * f.n) then 'degraded'
      else 'healthy' end,
    'because', case when bool_or(f.failed > 0) then 'failing' else 'answering' end,
    'figures', case when bool_or(f.failed > 0)
      then jsonb_build_object('functions', jsonb_agg(jsonb_build_object('name', f.name, 'failed', f.failed, 'requests', f.n)
        order by f.failed / f.n desc, f.name) filter (where f.failed > 0))
      else jsonb_build_object('requests', coalesce(sum(f.n), 0)) end)
  from (
    select split_part(m.label, ' ', 1) as name, sum(m.n) as n,
      coalesce(sum(m.n) filter (where split_part(m.label, ' ', 2) like '5%'), 0) as failed
    from public.measurements m
    where m.name = 'request' and m.minute >= p_now - interval '10 minutes' and split_part(m.label, ' ', 2) <> 'disabled'
    group by 1
  ) f
$$;
comment on function private.functions_health(timestamptz) is
  'The functions by what each answered in ten minutes, the worst decides: degraded when one in a hundred of at least three were errors of ours (5xx), down when at least five and half were. What a kill switch refused is left out.';

create function private.config_health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'config',
    'status', case when c.faults is null then 'healthy' else 'degraded' end,
    'because', case when c.faults is null then 'revision' else 'faults' end,
    'figures', case when c.faults is null
      then jsonb_build_object('revision', (select r.revision from private.config_now() r))
      else jsonb_build_object('faults', c.faults) || case when c.faults ? 'unknown_flags' then jsonb_build_object('unknown_flags', (
        select jsonb_agg(distinct r.flag_key) from public.routes r
        where r.active and r.flag_key is not null and not exists (select from public.settings s where s.key = r.flag_key))) else '{}' end end)
  from (
    select jsonb_agg(f.fault) as faults
    from (values
      (not exists (select from public.routes r
          join public.route_destinations rd on rd.route_id = r.id
          join public.destinations d on d.id = rd.destination_id and d.state = 'active' where r.active),
        'no_route'),
      (not exists (select from public.settings s where s.key = 'wa_router.enabled' and s.value = 'true'),
        'router_off'),
      (not exists (select from public.settings s where s.key = 'wa_send.enabled' and s.value = 'true'),
        'send_off'),
      -- A typing error, or a flag that was removed: such a route takes nothing, and says so nowhere else.
      (exists (select from public.routes r
          where r.active and r.flag_key is not null and not exists (select from public.settings s where s.key = r.flag_key)),
        'unknown_flags')
    ) as f (holds, fault) where f.holds
  ) c
$$;
comment on function private.config_health() is
  'The configuration: degraded where messages have nowhere to go, a flag stops all routing or sending, or an active route names a flag that does not exist.';

create table private.purges (
  what text constraint purges_pkey primary key,
  due_at timestamptz not null,
  reached uuid,
  began_at timestamptz not null,
  rows bigint not null default 0,
  error text
);
comment on table private.purges is 'How far each retention has come.';
comment on constraint purges_pkey on private.purges is 'One row a retention.';
comment on column private.purges.what is 'Which of private.retentions().';
comment on column private.purges.due_at is 'When it is asked again.';
comment on column private.purges.reached is 'The first id that has not been looked at, or, where rows are deleted, that has been kept.';
comment on column private.purges.began_at is 'Since when it walks on; after a week it begins anew, for what had to stay the last time.';
comment on column private.purges.rows is 'Rows deleted or changed so far.';
comment on column private.purges.error is 'Why it did not come further the last time: an SQLSTATE, no words. Null where it did.';
alter table private.purges enable row level security;
revoke all on private.purges from public, anon, authenticated, service_role;
grant select on private.purges to service_role;

create table private.storage_days (
  day date constraint storage_days_pkey primary key,
  bytes bigint not null
);
comment on table private.storage_days is 'How large the database was on each day: from it follows how long its room lasts.';
comment on constraint storage_days_pkey on private.storage_days is 'One size a day.';
comment on column private.storage_days.day is 'The day (UTC).';
comment on column private.storage_days.bytes is 'Size of the database at the first purge of that day.';
alter table private.storage_days enable row level security;
revoke all on private.storage_days from public, anon, authenticated, service_role;
grant select on private.storage_days to service_role;

create function private.storage_health(p_now timestamptz, p_bytes bigint default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_bytes bigint := coalesce(p_bytes, pg_database_size(current_database()));
  v_limit bigint := 1048576 * coalesce((select s.value::bigint from public.settings s where s.key = 'storage.limit_mb'), 500);
  v_today date := (p_now at time zone 'UTC')::date;
  v_per_day bigint;
  v_days_left bigint;
  v_failing jsonb;
begin
  select (v_bytes - d.bytes) / (v_today - d.day) into v_per_day
  from private.storage_days d where d.day between v_today - 30 and v_today - 1 order by d.day limit 1;
  if v_bytes >= v_limit then
    v_days_left := 0;
  elsif v_per_day > 0 then
    v_days_left := (v_limit - v_bytes) / v_per_day;
  end if;
  select jsonb_agg(jsonb_build_object('what', p.what, 'error', p.error) order by p.what) into v_failing
  from private.purges p where p.error is not null;
  return jsonb_build_object('component', 'storage',
    'status', case when v_bytes >= 0.8 * v_limit or v_days_left < 14 or v_failing is not null then 'degraded' else 'healthy' end,
    'because', case when v_failing is not null then 'purge_fails' else 'used' end,
    'figures', jsonb_build_object('mb', v_bytes / 1048576, 'limit_mb', v_limit / 1048576, 'days_left', v_days_left, 'failing', v_failing),
    'bytes', v_bytes, 'limit_bytes', v_limit, 'bytes_per_day', v_per_day, 'days_left', v_days_left,
    'tables', (
      select jsonb_agg(jsonb_build_object('table', t.name, 'bytes', t.bytes) order by t.bytes desc, t.name)
      from (
        select format('%I.%I', n.nspname, c.relname) as name, pg_total_relation_size(c.oid) as bytes
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and (n.nspname in ('public', 'private') or n.nspname = 'cron' and c.relname = 'job_run_details')) t));
end $$;
comment on function private.storage_health(timestamptz, bigint) is
  'The room: size of the database (or the one given) and of each table, and in how many days, by the growth of the last 30, it meets the setting storage.limit_mb (500); null where it does not grow or nobody knows yet. Degraded from 80 % on, below 14 days, or when a purge fails.';

create function private.health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_array(private.database_health(), private.queue_health(p_now), private.clock_health(p_now),
    private.graph_health(p_now), private.senders_health(p_now),
    private.functions_health(p_now), private.config_health(), private.storage_health(p_now),
    private.guard_health(p_now))
$$;
comment on function private.health(timestamptz) is 'Every component as {component, status: healthy | degraded | down, because, figures}.';

create function public.health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('at', clock_timestamp(), 'has', public.schema_version(),
    'applied', private.applied_migrations(), 'breaks', private.breaking_version(), 'revision', r.revision,
    'queue', private.waiting(clock_timestamp()), 'components', private.health(clock_timestamp()))
  from private.config_now() r
$$;
comment on function public.health() is
  'How each part does: {at, has: the newest of our migrations applied, applied: all of ours, null where nobody keeps a record, breaks: the newest one that older code must not run on, revision of the configuration, queue: what waits, components: [{component, status: healthy | degraded | down, because, figures}]}. For secret keys.';

create table private.write_probe (
  only_row boolean constraint write_probe_pkey primary key default true constraint write_probe_only_row check (only_row),
  at timestamptz not null default 'epoch'
) with (fillfactor = 50);
comment on table private.write_probe is 'One row that a health check writes, to see whether the database takes writes.';
comment on constraint write_probe_pkey on private.write_probe is 'One row.';
comment on column private.write_probe.only_row is 'Always true; the key that allows no second row.';
comment on column private.write_probe.at is 'When it was last written.';
alter table private.write_probe enable row level security;
revoke all on private.write_probe from public, anon, authenticated, service_role;
grant select, update on private.write_probe to service_role;
insert into private.write_probe default values;

-- A database that is full or read-only still reads well, and takes no message. The update is refused by one that is
-- read-only whether there is a row to change or not; the row changes once in 10 seconds, however many ask.
create function public.schema_state() returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  update private.write_probe set at = clock_timestamp() where at < clock_timestamp() - interval '10 seconds';
  return jsonb_build_object('has', public.schema_version(), 'applied', private.applied_migrations(), 'breaks', private.breaking_version(),
    'clock', private.clock_health(clock_timestamp()), 'senders', private.senders_health(clock_timestamp()));
end $$;
comment on function public.schema_state() is
  'What the health check asks: {has: the newest of our migrations applied, applied: all of ours, both null when nobody kept a record; breaks: the newest one that older code must not run on, null when there is none; clock and senders: as in health}. Fails where the database takes no writes. For secret keys.';

-- Alarms ------------------------------------------------------------------------------------------

create table private.part_states (
  component text constraint part_states_pkey primary key,
  status text not null constraint part_states_status_known check (status in ('healthy', 'degraded', 'down')),
  since timestamptz not null,
  told text constraint part_states_told_known check (told in ('degraded', 'down'))
);
comment on table private.part_states is 'Parts that are not healthy, or have just become so: what those who are told of them know.';
comment on constraint part_states_pkey on private.part_states is 'A part of health is named by its word.';
comment on column private.part_states.component is 'The part, as health names it.';
comment on column private.part_states.status is 'How it did when it was last looked at.';
comment on column private.part_states.since is 'Since when it has been healthy, or not.';
comment on column private.part_states.told is 'The worst that was told of it since it was last healthy; null where nothing was.';
alter table private.part_states enable row level security;
revoke all on private.part_states from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.part_states to service_role;

-- Two minutes degraded is told, on the first day after a launch as well as down at once; well for five minutes is told too. What the team has set (config) it knows.
create function private.watch(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_part jsonb;
  v_status text;
  v_was private.part_states;
  v_told integer := 0;
  v_patience interval := case when private.just_launched(p_now) then '0' else '2 minutes' end;
begin
  if not pg_try_advisory_xact_lock(hashtext('gatelink.watch')) then
    return 0;
  end if;
  for v_part in select e.item from jsonb_array_elements(private.health(p_now)) as e (item) where e.item ->> 'component' <> 'config' loop
    v_status := v_part ->> 'status';
    select * into v_was from private.part_states s where s.component = v_part ->> 'component';
    if not found then
      continue when v_status = 'healthy';
      insert into private.part_states (component, status, since) values (v_part ->> 'component', v_status, p_now)
      returning * into v_was;
    elsif v_was.status <> v_status then
      update private.part_states s
      set status = v_status, since = case when 'healthy' in (v_was.status, v_status) then p_now else s.since end
      where s.component = v_was.component returning * into v_was;
    end if;
    if v_status = 'healthy' then
      if v_was.told is null then
        delete from private.part_states s where s.component = v_was.component;
      elsif v_was.since <= p_now - interval '5 minutes' then
        delete from private.part_states s where s.component = v_was.component;
        v_told := v_told + private.notify('recovered', v_part, p_now);
        perform private.incident_of_part('recovered', v_part, p_now);
      end if;
    elsif v_status is distinct from v_was.told and v_was.told is distinct from 'down'
      and (v_status = 'down' or v_was.since <= p_now - v_patience) then
      update private.part_states s set told = v_status where s.component = v_was.component;
      v_told := v_told + private.notify('failing', v_part, p_now);
    end if;
    -- What is down for a moment, as after a start, is no incident.
    if v_status <> 'healthy' and v_was.since <= p_now - v_patience then
      perform private.incident_of_part('failing', v_part, p_now);
    end if;
  end loop;
  return v_told;
end $$;
comment on function private.watch(timestamptz) is
  'Looks at each part of health and queues what there is to tell of it, once; says how many notifications. For the clock, and for isolates where the clock is dead.';

create function public.watch() returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.watch(clock_timestamp());
  perform private.escalate_incidents(clock_timestamp());
  return exists (
      select from public.notifications n where n.state in ('pending', 'leased') and n.next_attempt_at <= clock_timestamp())
    or private.status_posts_are_due(clock_timestamp());
end $$;
comment on function public.watch() is
  'Looks at each part of health and at who is to be called of incidents, and says whether a notification is due. For secret keys.';

-- Traffic -----------------------------------------------------------------------------------------

create function private.per_minute(p_minutes integer, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with wanted as (
    select g.minute from generate_series(
      date_trunc('minute', p_now) - make_interval(mins => p_minutes - 1), date_trunc('minute', p_now), interval '1 minute') as g (minute)
  ), sampled as (
    select m.minute, m.label as direction, m.n from public.measurements m
    where m.name = 'messages' and m.minute in (select w.minute from wanted w)
  ), counted as (
    -- What the clock has not sampled yet.
    select c.* from private.count_messages(
      greatest((select min(w.minute) from wanted w), (select max(s.minute) + interval '1 minute' from sampled s)),
      p_now + interval '1 minute') c
  ), known as (
    select * from sampled union all select * from counted
  )
  select jsonb_agg(jsonb_build_object('minute', w.minute,
    'in', coalesce((select sum(k.n) from known k where k.minute = w.minute and k.direction = 'in'), 0),
    'out', coalesce((select sum(k.n) from known k where k.minute = w.minute and k.direction = 'out'), 0)) order by w.minute)
  from wanted w
$$;
comment on function private.per_minute(integer, timestamptz) is
  'Messages in and out of each of the last minutes, oldest first: [{minute, in, out}]. The last minute is not over.';

create function private.functions_since(p_from timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with requests as materialized (
    select split_part(m.label, ' ', 1) as name, split_part(m.label, ' ', 2) like '5%' as failed, m.n, m.counts
    from public.measurements m where m.name = 'request' and m.minute >= p_from
  ), histograms as (
    select b.name, array_agg(b.n order by b.i) as counts
    from (
      select r.name, c.i, sum(c.n)::bigint as n from requests r cross join lateral unnest(r.counts) with ordinality as c (n, i)
      group by r.name, c.i
    ) b group by b.name
  ), totals as (
    select r.name, sum(r.n) as requests, coalesce(sum(r.n) filter (where r.failed), 0) as errors from requests r group by r.name
  )
  select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'requests', t.requests, 'errors', t.errors,
    'p50_ms', round(private.histogram_quantile(h.counts, 0.5)::numeric, 1),
    'p95_ms', round(private.histogram_quantile(h.counts, 0.95)::numeric, 1),
    'p99_ms', round(private.histogram_quantile(h.counts, 0.99)::numeric, 1)) order by t.name), '[]')
  from totals t left join histograms h on h.name = t.name
$$;
comment on function private.functions_since(timestamptz) is
  'Requests, errors (5xx, but for what a kill switch refused) and latency of each function since then: [{name, requests, errors, p50_ms, p95_ms, p99_ms}].';

-- What became of a setting. Whoever turned it off ought to know of the start that went with it; the clock's own turning on
-- takes the time away as well.
create function private.setting_change(p_before jsonb, p_after jsonb, out change text, out figures jsonb)
language sql immutable set search_path = '' as $$
  select c.change, jsonb_strip_nulls(jsonb_build_object(
    'from', case c.change when 'value' then to_jsonb(left(p_before ->> 'value', 80))
      when 'percentage' then coalesce(p_before #> '{metadata,rollout_percentage}', '100') end,
    'to', case when c.change in ('set', 'value') then to_jsonb(left(p_after ->> 'value', 80))
      when c.change = 'percentage' then coalesce(p_after #> '{metadata,rollout_percentage}', '100') end,
    'start_taken_away', case when p_after ->> 'value' = 'false' and p_before #> '{metadata,schedule,on_at}' is not null
      and p_after #> '{metadata,schedule,on_at}' is null then true end))
  from (
    select case when p_after is null then 'removed'
      when p_before is null then 'set'
      when p_before ->> 'value' is distinct from p_after ->> 'value' then 'value'
      when p_before #> '{metadata,rollout_percentage}' is distinct from p_after #> '{metadata,rollout_percentage}' then 'percentage'
      when p_before #> '{metadata,schedule}' is distinct from p_after #> '{metadata,schedule}' then 'schedule'
      else 'metadata' end as change
  ) c
$$;
comment on function private.setting_change(jsonb, jsonb) is
  'What became of a setting, from rows of settings_history: change (removed, set, value, percentage, schedule, metadata) and figures {from, to, start_taken_away}.';

create function private.recent_changes(p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('at', c.at, 'kind', c.kind, 'name', c.name, 'change', c.change,
    'figures', c.figures, 'who', c.who, 'why', c.why) order by c.at desc), '[]')
  from (
    (select h.changed_at as at, 'setting' as kind, h.key as name, s.change, s.figures, h.changed_by as who, h.reason as why
    from public.settings_history h cross join lateral private.setting_change(h.before, h.after) s
    order by h.changed_at desc limit p_limit)
    union all
    (select e.at, 'rollout', r.flag_key, e.kind, jsonb_build_object('rule', e.rule, 'verdict', e.verdict, 'figures', e.figures), e.actor, coalesce(e.reason, e.rule)
    from public.rollout_events e join public.rollouts r on r.id = e.rollout_id
    where e.kind <> 'checked' order by e.id desc limit p_limit)
    union all
    (select b.recorded_at, 'rollback', b.target, case when b.ok then 'verified' else 'not_verified' end,
      jsonb_build_object('level', b.level), b.recorded_by, b.reason
    from public.rollback_events b order by b.recorded_at desc limit p_limit)
    union all
    (select u.at, 'incident', i.number::text, u.kind, jsonb_build_object('title', i.title, 'severity', i.severity, 'status', u.status),
      u.actor, u.text
    from public.incident_updates u join public.incidents i on i.id = u.incident_id order by u.id desc limit p_limit)
    union all
    -- Of these the latest change of each: what is asked first is where a message goes now, and since when.
    (select r.updated_at, 'route', r.name, case when r.version = 1 then 'added' else 'changed' end,
      jsonb_build_object('active', r.active), r.updated_by, null
    from public.routes r order by r.updated_at desc limit p_limit)
    union all
    (select d.updated_at, 'destination', d.name,
      case when d.removed_at is not null then 'removed' when d.state = 'paused' then 'paused' when d.version = 1 then 'added' else 'active' end, '{}', d.updated_by, null
    from public.destinations d order by d.updated_at desc limit p_limit)
    union all
    (select s.updated_at, 'segment', s.key, case when h.version is null then 'set' else 'members' end,
      case when h.version is null then '{}' else
        jsonb_build_object('added', cardinality(h.added), 'removed', cardinality(h.removed)) end, s.updated_by, h.reason
    from public.segments s left join public.segment_history h on h.segment_key = s.key and h.version = s.version
    order by s.updated_at desc limit p_limit)
    order by at desc limit p_limit
  ) c
$$;
comment on function private.recent_changes(integer) is
  'The latest changes of settings, moves of rollouts, ways back and steps of incidents, and the latest of each route, destination and segment, latest first, in codes that _shared/contract/words/changes.ts puts into words: [{at, kind: setting | rollout | rollback | incident | route | destination | segment, name, change, figures, who, why}].';

-- The overview ------------------------------------------------------------------------------------

create function private.overview(p_minutes integer, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'at', p_now,
    'health', private.health(p_now),
    'per_minute', private.per_minute(p_minutes, p_now),
    'functions', private.functions_since(date_trunc('minute', p_now) - make_interval(mins => p_minutes - 1)),
    'queue', private.waiting(p_now),
    'dead_letters', (
      select count(*) from public.deliveries d where d.state = 'dead' and d.dropped_reason is null),
    'incidents', (
      select coalesce(jsonb_agg(jsonb_build_object('number', i.number, 'title', i.title, 'kind', i.kind, 'severity', i.severity,
        'status', i.status, 'flag_key', i.flag_key, 'component', i.component, 'public', i.public, 'opened_at', i.opened_at,
        'acknowledged_at', i.acknowledged_at, 'version', i.version) order by i.severity, i.number desc), '[]')
      from public.incidents i where i.status <> 'resolved'),
    'rollouts', (
      select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'flag_key', r.flag_key, 'state', r.state, 'stage', r.stage,
        'stage_name', s.name, 'percentage', s.percentage, 'hold_reason', r.hold_reason, 'killed_since', private.killed_since(r.flag_key, p_now))
        order by r.flag_key), '[]')
      from public.rollouts r left join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage
      where r.state in ('running', 'paused')),
    'changes', private.recent_changes(20))
$$;
comment on function private.overview(integer, timestamptz) is 'overview with the time given.';

create function public.overview(p_minutes integer default 60) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.overview(least(greatest(coalesce(p_minutes, 60), 1), 1440), clock_timestamp());
end $$;
comment on function public.overview(integer) is
  'Whether things are well, over the last minutes (1 to 1440): {at, health: [{component, status, because, figures}], per_minute: [{minute, in, out}], functions: [{name, requests, errors, p50_ms, p95_ms, p99_ms}], queue: {unrouted, deliveries, outbound: {n, oldest_seconds}}, dead_letters, incidents: those that are open [{number, title, kind, severity, status, flag_key, component, public, opened_at, acknowledged_at, version}], rollouts: [{id, flag_key, state, stage, stage_name, percentage, hold_reason, killed_since}], changes: [{at, kind, name, change, figures, who, why}]}. For viewers and secret keys.';

-- Metrics -----------------------------------------------------------------------------------------

create function private.largest(p_list jsonb) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(max(t.s::bigint), 0) from jsonb_array_elements_text(p_list) as t (s)
$$;
comment on function private.largest(jsonb) is 'The largest of a JSON list of whole numbers; 0 for none.';

-- A later migration makes the table, and a team may take it back.
create function private.pools_seen() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if to_regclass('private.pool_states') is null then
    return '[]';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('org', s.org_id, 'numbers', s.numbers, 'draining', s.draining, 'needed', s.needed,
      'closed', s.closed) order by s.org_id), '[]')
    from private.pool_states s);
end $$;
comment on function private.pools_seen() is 'The pools of numbers of organisations, as the clock last saw them: [{org, numbers, draining, needed, closed}].';

-- A later migration makes what they read.
create function private.ai_accuracy_seen() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_seen jsonb;
begin
  if to_regprocedure('private.analysis_accuracy(timestamptz)') is null then
    return '[]';
  end if;
  execute 'select coalesce(jsonb_agg(jsonb_build_object(''source'', a.found -> ''source'', ''ratio'', a.found -> ''ratio'') order by a.found ->> ''source''), ''[]'')
    from jsonb_array_elements(private.analysis_accuracy(clock_timestamp())) as a (found)' into v_seen;
  return v_seen;
end $$;
comment on function private.ai_accuracy_seen() is 'How right people found analyses of mails, by source: [{source, ratio}]; only sources with samples.';

create function private.chats_seen() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if to_regclass('public.card_presses') is null then
    return '{"reached": 0, "active": 0, "linked": 0, "acting": 0}';
  end if;
  return (
    with acted as (
      -- Enough to know who they are, and never more to read than that.
      select p.user_id, p.delivery_id from public.card_presses p
      where p.id >= private.uuid_v7_from(clock_timestamp() - interval '30 days') and p.user_id is not null and p.outcome = 'done'
      order by p.id desc limit 20000)
    select jsonb_build_object(
      'reached', (
        select count(*) from (select distinct t.chat_id from private.telegram_targets t) t
        where (select c.created_at from public.cards c where c.chat_id = t.chat_id order by c.message_ids[1] desc limit 1)
          > clock_timestamp() - interval '30 days'),
      'active', (select count(distinct c.chat_id) from acted a join public.cards c on c.delivery_id = a.delivery_id),
      'linked', (select count(*) from public.telegram_people),
      'acting', (select count(distinct a.user_id) from acted a)));
end $$;
comment on function private.chats_seen() is 'Who uses cards, within 30 days: {reached: chats with a card, active: those in which somebody acted, linked: people of the team, acting: those who acted}.';

create function public.metrics() returns jsonb
language sql stable set search_path = '' as $$
  select private.refuse_older_code();
  select jsonb_build_object(
    'revision', (select r.revision from private.config_now() r),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'label', c.label, 'value', c.value) order by c.name, c.label), '[]')
      from (select k.name, k.label, sum(k.value) as value from public.counters k group by k.name, k.label) c),
    'measurements', (
      select coalesce(jsonb_agg(jsonb_build_object('name', m.name, 'label', m.label, 'n', m.n, 'ms', m.ms, 'counts', m.counts)
        order by m.name, m.label), '[]')
      from public.measurements m where m.minute = '-infinity'),
    'clock_at', (
      select extract(epoch from m.last_at) from public.measurements m
      where m.name = 'messages' and m.label = 'in' and m.minute = '-infinity'),
    'health', private.health(clock_timestamp()),
    'queue', private.waiting(clock_timestamp()),
    'overdue_seconds', private.overdue_seconds(clock_timestamp()),
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('channel', s.channel, 'sender', s.id, 'code', coalesce(s.held_code, ''))
        order by s.channel, s.id), '[]')
      from public.senders s where s.held_since is not null),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('name', d.name,
        'state', private.shown_state(d.state, d.circuit_open_until),
        'open', q.n, 'oldest_seconds', q.oldest_seconds, 'dead', dead.n) order by d.name), '[]')
      from public.destinations d
      cross join lateral (
        select count(*) as n, coalesce(round(extract(epoch from clock_timestamp() - min(x.created_at))), 0) as oldest_seconds
        from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
      cross join lateral (
        select count(*) as n from public.deliveries x
        where x.state = 'dead' and x.dropped_reason is null and x.destination_id = d.id) dead
      where d.removed_at is null),
    'incidents', (
      select jsonb_agg(jsonb_build_object('severity', s.severity, 'open', o.n, 'unacknowledged_seconds', o.seconds) order by s.severity)
      from private.incident_severities() s
      cross join lateral (
        select count(*) as n, coalesce(round(extract(epoch from clock_timestamp()
          - min(i.opened_at) filter (where i.acknowledged_at is null))), 0) as seconds
        from public.incidents i where i.severity = s.severity and i.status <> 'resolved') o),
    'links_guessed', jsonb_array_length(public.guessed_links()),
    'pools', private.pools_seen(),
    'ai_accuracy', private.ai_accuracy_seen(),
    'chats', private.chats_seen(),
    'business', (
      select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'n', d.n, 'value', d.value) order by d.name), '[]')
      from (select x.name, sum(x.n) as n, sum(x.value) as value from public.metric_days x group by x.name) d),
    'flags', (
      select coalesce(jsonb_agg(jsonb_build_object('key', s.key, 'on', s.value = 'true', 'percentage', s.metadata -> 'rollout_percentage')
        order by s.key), '[]')
      from public.settings s where s.key like '%.enabled'),
    'rollouts', (
      -- The latest of each flag.
      select coalesce(jsonb_agg(jsonb_build_object('flag', r.flag_key, 'state', r.state, 'stage', r.stage,
        'percentage', coalesce(s.percentage, 0), 'hold_reason', r.hold_reason,
        'finished_at', extract(epoch from r.finished_at),
        -- S of each test while it is under way, the largest over its alternatives, in millionths.
        's', case when r.state in ('running', 'paused') then jsonb_build_object(
          'errors', private.largest(r.guard #> '{errors,absolute}'), 'errors_relative', private.largest(r.guard #> '{errors,relative}'),
          'slow', private.largest(r.guard #> '{slow,absolute}'), 'slow_relative', private.largest(r.guard #> '{slow,relative}'),
          'longer', private.largest(r.guard #> '{shift,s}')) end,
        'killed', private.killed_since(r.flag_key, clock_timestamp()) is not null,
        'signals', case when r.state in ('running', 'paused') then (
          select jsonb_build_object('complaints', x.seen -> 'complaints', 'ratings', x.seen -> 'ratings', 'positive', x.seen -> 'positive',
            'metrics', (
              select coalesce(jsonb_agg(jsonb_build_object('name', m.item -> 'name', 'on', m.item -> 'on', 'off', m.item -> 'off',
                'per_day', m.item -> 'per_day', 's', case when a.item ? 'max_fall' and s.percentage > 0 and s.percentage < 100
                  then private.fall_s((s.percentage / 100)::double precision, (a.item ->> 'max_fall')::double precision,
                    (m.item ->> 'on_weight')::bigint, (m.item ->> 'off_weight')::bigint) end) order by m.place), '[]')
              from jsonb_array_elements(x.seen -> 'metrics') with ordinality as m (item, place)
              join jsonb_array_elements(s.metrics) with ordinality as a (item, place) on a.place = m.place))
          from (select private.signals_seen(r, s, clock_timestamp()) as seen) x) end,
        'verdict', (
          select jsonb_build_object('verdict', e.verdict, 'rule', e.rule, 'at', extract(epoch from e.at))
          from public.rollout_events e where e.rollout_id = r.id and e.verdict is not null order by e.at desc, e.id desc limit 1)
        ) order by r.flag_key), '[]')
      from (select distinct on (x.flag_key) x.* from public.rollouts x order by x.flag_key, x.created_at desc) r
      left join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage))
$$;
comment on function public.metrics() is
  'Everything that the function metrics prints, as it stands now. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.database_health(),
  private.waiting(timestamptz),
  private.overdue_seconds(timestamptz),
  private.troubled_destinations(timestamptz),
  private.queue_health(timestamptz),
  private.clock_fault(),
  private.clock_health(timestamptz),
  private.graph_health(timestamptz),
  private.senders_health(timestamptz),
  private.functions_health(timestamptz),
  private.config_health(),
  private.storage_health(timestamptz, bigint),
  private.health(timestamptz),
  public.health(),
  public.schema_state(),
  private.watch(timestamptz),
  public.watch(),
  private.largest(jsonb),
  private.pools_seen(),
  private.ai_accuracy_seen(),
  private.chats_seen(),
  public.metrics()
  to service_role;
grant execute on function
  public.overview(integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002200');
