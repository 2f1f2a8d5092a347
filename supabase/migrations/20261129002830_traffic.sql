-- Two environments, blue and green, and the share of traffic that each gets.
--
-- The split is the flag green.enabled: its percentage is green's share, and its buckets keep a visitor on one side. So a
-- ramp is a rollout, and what holds for flags (history, versions, incidents, kill switch) holds for traffic.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.green_share() returns numeric
language sql stable set search_path = '' as $$
  select case when s.value = 'true' then coalesce((s.metadata ->> 'rollout_percentage')::numeric, 100) else 0 end
  from (select 1) as one left join public.settings s on s.key = 'green.enabled'
$$;
comment on function private.green_share() is 'Percentage of visitors that green.enabled sends to green; 0 while it is off or not there.';

create function private.traffic_split() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'blue', 100 - g.share, 'green', g.share, 'version', coalesce(s.version, 0), 'changed_at', s.updated_at,
    'changed_by', s.updated_by, 'reason', h.reason, 'rollout', r.under_way)
  from (select private.green_share() as share) g
  left join public.settings s on s.key = 'green.enabled'
  left join public.settings_history h on h.key = s.key and h.version = s.version
  left join lateral (
    select jsonb_build_object('id', r.id, 'plan', r.plan, 'state', r.state, 'stage', t.name, 'version', r.version,
      'since', r.stage_started_at, 'waits_because', r.hold_reason) as under_way
    from public.rollouts r left join public.rollout_stages t on t.rollout_id = r.id and t.position = r.stage
    where r.flag_key = 'green.enabled' and r.state in ('running', 'paused')) r on true
$$;
comment on function private.traffic_split() is 'traffic_split for every caller.';

create function public.traffic_split() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return private.traffic_split();
end $$;
comment on function public.traffic_split() is
  'The split: {blue, green (percentages), version (0: never set), changed_at, changed_by, reason, rollout: {id, plan, state, stage, version, since, waits_because} or null}. For viewers and secret keys.';

create function public.set_traffic(p_environment text, p_percentage numeric, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_green numeric := case p_environment when 'green' then p_percentage when 'blue' then 100 - p_percentage end;
  v_flag public.settings;
  v_rollout public.rollouts;
  v_reason text := coalesce(private.given_reason(p_reason), format('%s %% of traffic to %s', trim_scale(p_percentage), p_environment));
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  if v_green is null or v_green not between 0 and 100 or v_green <> round(v_green, 2) then
    raise exception 'no such split: % %% to %', coalesce(trim_scale(p_percentage)::text, 'null'), coalesce(p_environment, 'null')
      using errcode = 'GL422', hint = 'The environment is blue or green, the percentage 0 to 100 in steps of 0.01.';
  end if;
  begin
    select * into v_flag from public.settings s where s.key = 'green.enabled' for update;
    if v_flag.key is null then
      v_flag := public.set_flag('green.enabled',
        '{"percentage": 0, "description": "Visitors who get the green environment; the others get blue."}', 0, v_reason);
    end if;
    if v_green > 0 then
      perform public.set_flag('green.enabled', jsonb_build_object('on', true, 'percentage', v_green), v_flag.version, v_reason);
    else
      select * into v_rollout from public.rollouts r where r.flag_key = 'green.enabled' and r.state in ('running', 'paused');
      if v_rollout.id is not null then
        perform public.roll_back_rollout(v_rollout.id, v_rollout.version, v_reason);
      elsif v_flag.value = 'true' or (v_flag.metadata ->> 'rollout_percentage')::numeric is distinct from 0 then
        perform public.set_flag('green.enabled', '{"on": false, "percentage": 0}', v_flag.version, v_reason);
      end if;
    end if;
  exception when lock_not_available then
    perform private.refuse_locked('the split of traffic', array['public.settings', 'public.rollouts'], private.without_database('green.enabled'));
  end;
  return private.traffic_split();
end $$;
comment on function public.set_traffic(text, numeric, text) is
  'Sends this percentage of visitors to blue or green, and the others to the other one; answers as traffic_split does. All to blue ends a ramp as rolled back; another split by hand pauses it. For operators and secret keys. Errors: GL422 no such split, GL409 an incident of green.enabled is open and green would get everybody, GL423 after 1 s where another transaction holds the split, with who.';

-- Figures of both ---------------------------------------------------------------------------------

create function private.environment_figures(p_minutes integer, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with asked as (
    select case when split_part(m.label, ' ', 1) like '%-green' then 'green' else 'blue' end as environment,
      split_part(m.label, ' ', 2) as status, m.n, m.ms, m.counts
    from public.measurements m
    where m.name = 'request' and m.minute > '-infinity' and m.minute > p_now - make_interval(mins => p_minutes) and m.minute <= p_now
      and split_part(m.label, ' ', 1) not in ('gateway', 'gateway-green') and split_part(m.label, ' ', 2) <> 'disabled'
  ), counted as (
    select e.name as environment, coalesce(sum(a.n), 0) as requests,
      coalesce(sum(a.n) filter (where a.status ~ '^5'), 0) as failed,
      coalesce(sum(a.n) filter (where a.status ~ '^4'), 0) as refused, sum(a.ms) as ms
    from (values ('blue'), ('green')) as e (name) left join asked a on a.environment = e.name
    group by e.name
  ), timed as (
    select b.environment, array_agg(b.n order by b.i) as counts
    from (
      select a.environment, u.i, sum(u.n)::bigint as n
      from asked a cross join lateral unnest(a.counts) with ordinality as u (n, i) group by 1, 2) b
    group by 1
  )
  select jsonb_build_object(
    'window_minutes', p_minutes,
    'error_rate', sum(c.failed)::double precision / nullif(sum(c.requests), 0)::double precision,
    'environments', jsonb_object_agg(c.environment, jsonb_build_object(
      'requests', c.requests, 'failed', c.failed, 'refused', c.refused,
      'error_rate', c.failed::double precision / nullif(c.requests, 0)::double precision,
      'mean_ms', round((c.ms / nullif(c.requests, 0)::double precision)::numeric, 1),
      'p99_ms', round(private.histogram_quantile(t.counts, 0.99)::numeric, 1))))
  from counted c left join timed t using (environment)
$$;
comment on function private.environment_figures(integer, timestamptz) is 'traffic_figures with the time given.';

create function public.traffic_figures(p_minutes integer default 5) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  if p_minutes is null or p_minutes not between 1 and 1440 then
    raise exception 'the window must be 1 to 1440 minutes' using errcode = 'GL422';
  end if;
  return private.environment_figures(p_minutes, clock_timestamp());
end $$;
comment on function public.traffic_figures(integer) is
  'Requests of the last minutes by environment: {window_minutes, error_rate, environments: {blue, green: {requests, failed (5xx), refused (4xx), error_rate, mean_ms, p99_ms}}}; null where nothing was asked. Stopped by a kill switch does not count. For viewers and secret keys.';

call private.close_functions();
grant execute on function public.traffic_split(), public.set_traffic(text, numeric, text), public.traffic_figures(integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002830');
