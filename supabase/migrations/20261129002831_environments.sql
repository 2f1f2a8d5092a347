-- During a ramp: what the guard of rollouts cannot see in outcomes. Errors of the database, memory that grows, connections,
-- and the warnings before the limits.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The figures of plans: back if the database fails for green, or green's memory grows by more than 10 MB a minute for ten
-- minutes; told if more than 0.5 % fail or the mean is above 200 ms for ten minutes, or 80 % of the connections are in use.
create function private.environment_limits() returns jsonb
language sql immutable set search_path = '' as $$
  select '{"minutes": 10, "database_minutes": 5, "min_requests": 200, "error_rate": 0.005, "mean_ms": 200, "memory_growth_mb": 10,
    "connections": 0.8}'::jsonb
$$;
comment on function private.environment_limits() is 'Limits of environment_watch, and the minutes that it looks at.';

create function private.environment_series(p_now timestamptz) returns table (
  environment text, requests bigint, failed bigint, mean_ms double precision, database_errors bigint, memory_mb double precision,
  memory_growth_mb double precision, memory_minutes integer
)
language sql stable set search_path = '' as $$
  with l as (
    select private.environment_limits() as limits
  ), m as (
    select m.name, m.label, m.minute, m.n, m.ms,
      case when m.name = 'request' and split_part(m.label, ' ', 1) like '%-green' or m.name <> 'request' and m.label = 'green'
        then 'green' else 'blue' end as environment,
      split_part(m.label, ' ', 2) as status
    from public.measurements m cross join l
    where m.name in ('request', 'memory', 'database_errors') and m.minute > '-infinity' and m.minute <= p_now
      and m.minute > p_now - make_interval(mins => (l.limits ->> 'minutes')::integer + 1)
      and split_part(m.label, ' ', 1) not in ('gateway', 'gateway-green')
  ), memory as (
    select m.environment, m.minute, m.ms / nullif(m.n, 0) as mb from m where m.name = 'memory'
  )
  select e.name,
    (select coalesce(sum(m.n), 0)::bigint from m where m.environment = e.name and m.name = 'request' and m.status <> 'disabled'),
    (select coalesce(sum(m.n), 0)::bigint from m where m.environment = e.name and m.name = 'request' and m.status ~ '^5'),
    (select sum(m.ms) / nullif(sum(m.n), 0) from m where m.environment = e.name and m.name = 'request' and m.status <> 'disabled'),
    (select coalesce(sum(m.n), 0)::bigint from m cross join l where m.environment = e.name and m.name = 'database_errors'
      and m.minute > p_now - make_interval(mins => (l.limits ->> 'database_minutes')::integer)),
    (select y.mb from memory y where y.environment = e.name order by y.minute desc limit 1),
    (select regr_slope(y.mb, extract(epoch from y.minute) / 60) from memory y where y.environment = e.name),
    (select count(*)::integer from memory y where y.environment = e.name)
  from (values ('blue'), ('green')) as e (name)
$$;
comment on function private.environment_series(timestamptz) is
  'What both environments did in the last minutes: requests, failures, mean latency, errors of the database, memory of a process and how fast it grows in MB a minute.';

create function private.environment_watch(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with l as (
    select private.environment_limits() as limits
  ), b as (
    select * from private.environment_series(p_now) s where s.environment = 'blue'
  ), g as (
    select * from private.environment_series(p_now) s where s.environment = 'green'
  ), c as (
    select count(*) as used, current_setting('max_connections')::integer as most from pg_catalog.pg_stat_activity a where a.backend_type = 'client backend'
  ), found (place, rule, verdict, figures) as (
    -- In both it is nobody's fault: then going back would not help.
    select 1, 'database_errors', case when b.database_errors > 0 then 'page' else 'roll_back' end,
      jsonb_build_object('green', g.database_errors, 'blue', b.database_errors)
    from b cross join g where g.database_errors > 0
    union all
    select 2, 'memory_growth', case when b.memory_growth_mb > (l.limits ->> 'memory_growth_mb')::float8 then 'page' else 'roll_back' end,
      jsonb_build_object('green', round(g.memory_growth_mb::numeric, 1), 'blue', round(b.memory_growth_mb::numeric, 1), 'minutes', g.memory_minutes)
    from b cross join g cross join l
    where g.memory_growth_mb > (l.limits ->> 'memory_growth_mb')::float8 and g.memory_minutes >= (l.limits ->> 'minutes')::integer
    union all
    select 3, 'connections', 'page', jsonb_build_object('used', c.used, 'most', c.most)
    from c cross join l where c.used > c.most * (l.limits ->> 'connections')::float8
    union all
    select 4, 'elevated_errors', 'page', jsonb_build_object('failed', g.failed, 'n', g.requests, 'error_rate', l.limits -> 'error_rate')
    from b cross join g cross join l
    where g.requests >= (l.limits ->> 'min_requests')::integer and g.failed > g.requests * (l.limits ->> 'error_rate')::float8
      and g.failed::float8 / g.requests > coalesce(b.failed::float8 / nullif(b.requests, 0), 0)
    union all
    select 5, 'elevated_latency', 'page', jsonb_build_object('mean', round(g.mean_ms::numeric), 'mean_ms', l.limits -> 'mean_ms')
    from b cross join g cross join l
    where g.requests >= (l.limits ->> 'min_requests')::integer and g.mean_ms > (l.limits ->> 'mean_ms')::float8
      and g.mean_ms > coalesce(b.mean_ms, 0)
  )
  select jsonb_build_object(
    'minutes', l.limits -> 'minutes',
    'connections', jsonb_build_object('used', c.used, 'most', c.most, 'share', round(c.used::numeric / c.most, 3)),
    'environments', (
      -- The platform tells a function nothing of its CPU; of memory nothing is known where nothing came in.
      select jsonb_object_agg(s.environment, jsonb_build_object(
        'requests', s.requests, 'failed', s.failed, 'mean_ms', round(s.mean_ms::numeric, 1), 'database_errors', s.database_errors,
        'memory_mb', round(s.memory_mb::numeric, 1), 'memory_growth_mb', round(s.memory_growth_mb::numeric, 1), 'cpu', null))
      from (select * from b union all select * from g) s),
    'findings', (
      select coalesce(jsonb_agg(jsonb_build_object('rule', f.rule, 'verdict', f.verdict, 'figures', f.figures) order by f.place), '[]')
      from found f))
  from l cross join c
$$;
comment on function private.environment_watch(timestamptz) is
  'What a ramp has to be taken back or people told for: {minutes, connections, environments, findings: [{rule, verdict, figures}]}; null is not known.';

create function public.environment_watch() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.environment_watch(clock_timestamp());
end $$;
comment on function public.environment_watch() is
  'What is watched of both environments besides outcomes: {minutes, connections: {used, most, share}, environments: {blue, green: {requests, failed, mean_ms, database_errors, memory_mb, memory_growth_mb, cpu}}, findings: [{rule, verdict, figures}]}; null is not known. For viewers and secret keys.';

-- Failure policy: where another transaction holds the ramp for more than a second, it is tried again the next minute.
create function private.watch_environments(p_now timestamptz) returns text
language plpgsql volatile set search_path = '' set lock_timeout = '1s' as $$
declare
  r public.rollouts;
  v_findings jsonb;
  v_finding jsonb;
begin
  if not exists (select from public.rollouts o where o.flag_key = 'green.enabled' and o.state in ('running', 'paused')) then
    return null;
  end if;
  v_findings := private.environment_watch(p_now) -> 'findings';
  -- The row is locked only to act: the guard, which runs in the same second, would pass over what is locked.
  if v_findings = '[]' then
    return null;
  end if;
  select * into r from public.rollouts o
  where o.flag_key = 'green.enabled' and o.state in ('running', 'paused') for update;
  if not found then
    return null;
  end if;
  for v_finding in select f from jsonb_array_elements(v_findings) f loop
    if v_finding ->> 'verdict' = 'roll_back' then
      perform private.log_rollout(private.end_rollout(r, 'rolled_back', p_now), p_now, 'rolled_back', v_finding -> 'figures', 'roll_back',
        v_finding ->> 'rule');
      return v_finding ->> 'rule';
    elsif not private.rollout_told(r.id, r.stage, 'paged', v_finding ->> 'rule', p_now - interval '1 hour') then
      perform private.log_rollout(r, p_now, 'paged', v_finding -> 'figures', 'page', v_finding ->> 'rule');
    end if;
  end loop;
  return null;
end $$;
comment on function private.watch_environments(timestamptz) is
  'Takes a ramp back, or tells people, by what environment_watch finds: the same at most once an hour and stage. Answers the rule by which it was taken back. For the clock, once a minute.';

call private.close_functions();
grant execute on function public.environment_watch() to authenticated, service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002831');
