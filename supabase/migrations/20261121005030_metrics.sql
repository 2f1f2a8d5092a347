-- What the function metrics prints.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.metrics() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'revision', (select r.revision from private.config_revision r),
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
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('name', d.name,
        'state', case when d.state = 'paused' then 'paused' when d.circuit_open_until is not null then 'circuit_open' else 'active' end,
        'open', q.n, 'oldest_seconds', q.oldest_seconds, 'dead', dead.n) order by d.name), '[]')
      from public.destinations d
      cross join lateral (
        select count(*) as n, coalesce(round(extract(epoch from clock_timestamp() - min(x.created_at))), 0) as oldest_seconds
        from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
      cross join lateral (
        select count(*) as n from public.deliveries x
        where x.state = 'dead' and x.dropped_reason is null and x.destination_id = d.id) dead),
    'flags', (
      select coalesce(jsonb_agg(jsonb_build_object('key', s.key, 'on', s.value = 'true', 'percentage', s.metadata -> 'rollout_percentage')
        order by s.key), '[]')
      from public.settings s where s.key like '%.enabled'),
    'rollouts', (
      -- The latest of each flag.
      select coalesce(jsonb_agg(jsonb_build_object('flag', r.flag_key, 'state', r.state, 'stage', r.stage,
        'percentage', coalesce(s.percentage, 0), 'hold_reason', r.hold_reason,
        'finished_at', extract(epoch from r.finished_at)) order by r.flag_key), '[]')
      from (select distinct on (x.flag_key) x.* from public.rollouts x order by x.flag_key, x.created_at desc) r
      left join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage))
$$;
comment on function public.metrics() is
  'Everything that the function metrics prints, as it stands now. For secret keys.';
revoke execute on function public.metrics() from public, anon, authenticated;
grant execute on function public.metrics() to service_role;
