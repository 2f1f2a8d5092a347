-- Before the start: how long the stages of a plan will take, and how soon the guard would catch what goes wrong.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.recent_traffic(
  p_flag_key text, p_late_ms integer, p_now timestamptz,
  out per_minute double precision, out failure_rate double precision, out late_rate double precision
)
language sql stable set search_path = '' as $$
  with recent as (
    select m.* from public.flag_metrics m
    where m.flag_key = p_flag_key and m.minute > p_now - interval '7 days' and m.minute <= p_now
  ), arms as (
    -- How it fares without the flag, where anybody has been without it; else how it fares.
    select * from recent where arm = 'off' or not exists (select from recent r where r.arm = 'off')
  )
  select (select sum(n) / greatest(1, date_part('epoch', p_now - min(minute)) / 60) from recent),
    (select sum(failed)::double precision / nullif(sum(n), 0) from arms),
    (select sum(timed - le[array_position(private.latency_edges(), p_late_ms)])::double precision / nullif(sum(timed), 0) from arms)
$$;
comment on function private.recent_traffic(text, integer, timestamptz) is
  'A flag''s outcomes a minute over the last 7 days, both arms, and which share failed or took longer than p_late_ms; null where nothing was counted.';
revoke execute on function private.recent_traffic(text, integer, timestamptz) from public, anon, authenticated;

create function private.samples_needed(p_rate double precision, p_limit double precision) returns bigint
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  v_low bigint := 0;
  v_high bigint := 1;
  v_middle bigint;
begin
  if p_rate >= p_limit then
    return null;
  end if;
  while not private.surely_below(ceil(p_rate * v_high)::bigint, v_high, p_limit) loop
    v_low := v_high;
    v_high := v_high * 2;
    if v_high > 100000000 then
      return null;
    end if;
  end loop;
  while v_high - v_low > 1 loop
    v_middle := (v_low + v_high) / 2;
    if private.surely_below(ceil(p_rate * v_middle)::bigint, v_middle, p_limit) then
      v_high := v_middle;
    else
      v_low := v_middle;
    end if;
  end loop;
  return v_high;
end $$;
comment on function private.samples_needed(double precision, double precision) is
  'How many outcomes it takes until a rate is surely below a limit, failures coming as they usually do; null where it never is.';
revoke execute on function private.samples_needed(double precision, double precision) from public, anon, authenticated;

-- S grows by its drift each minute, on average. Two minutes more: a minute has to end, and the clock has to come.
create function private.minutes_to_catch(
  p_on double precision, p_off double precision, p_normal double precision, p_limit double precision, p_failing double precision
) returns integer
language sql immutable parallel safe set search_path = '' as $$
  select case when max(d.drift) > 0 then ceil(10.819778 / max(d.drift))::integer + 2 end
  from (
    select case when p_off * 20 >= p_on and p_off > 0
      then p_on * p_failing * ln(a.r) + (p_on * p_failing + p_off * p_normal) * ln((p_on + p_off) / (a.r * p_on + p_off))
      else p_on * (p_failing * ln(a.capped) + (1 - p_failing) * ln((1 - a.capped * p_limit) / (1 - p_limit))) end as drift
    from (
      select r, least(r, 0.95::double precision / p_limit) as capped from unnest(array[1.5, 2, 3, 5, 10]::double precision[]) r
    ) a
  ) d
$$;
comment on function private.minutes_to_catch(double precision, double precision, double precision, double precision, double precision) is
  'In how many minutes the guard rolls back, usually, when p_failing of p_on outcomes a minute fail with the flag and p_normal of p_off without it; null for never.';
revoke execute on function private.minutes_to_catch(double precision, double precision, double precision, double precision, double precision)
  from public, anon, authenticated;

create function private.forecast_stage(p_stage jsonb, p_flag_key text, p_per_minute double precision, p_failure_rate double precision, p_now timestamptz)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  t record;
  v_share double precision := (p_stage ->> 'percentage')::double precision / 100;
  v_per_minute double precision;
  v_limit double precision := (p_stage #>> '{roll_back_when,error_rate_above}')::double precision;
  v_below double precision := (p_stage #>> '{advance_when,error_rate_below}')::double precision;
  v_samples bigint := (p_stage ->> 'min_samples')::bigint;
  v_hold bigint := (p_stage ->> 'hold_minutes')::bigint;
  v_needed bigint;
  v_passes boolean := true;
  v_on double precision;
  v_off double precision;
  v_wait bigint;
begin
  select * into t from private.recent_traffic(p_flag_key, (p_stage #>> '{advance_when,p95_ms_below}')::integer, p_now);
  v_per_minute := coalesce(p_per_minute, t.per_minute);
  -- What nobody has measured is taken for a tenth of what the stage asks for: a tenth of the trigger may be all of that.
  t.failure_rate := coalesce(p_failure_rate, t.failure_rate, coalesce(v_below, v_limit, 0.01) / 10);
  if v_below is not null then
    v_needed := private.samples_needed(t.failure_rate, v_below);
    v_passes := v_needed is not null;
    v_samples := greatest(v_samples, v_needed);
  end if;
  if p_stage #> '{advance_when,p95_ms_below}' is not null then
    v_needed := private.samples_needed(coalesce(t.late_rate, 0.005), 0.05);
    v_passes := v_passes and v_needed is not null;
    v_samples := greatest(v_samples, v_needed);
  end if;
  -- Who is in a list, and how often they come, is not known beforehand.
  v_on := nullif(v_per_minute * v_share, 0);
  v_off := v_per_minute - v_on;
  v_wait := ceil(v_samples / v_on);
  return jsonb_build_object('name', p_stage -> 'name', 'percentage', p_stage -> 'percentage', 'hold_minutes', v_hold,
    'per_minute', round(v_on::numeric, 2), 'samples_needed', v_samples, 'minutes_for_samples', v_wait,
    'minutes', greatest(v_hold, v_wait), 'passes', v_passes,
    'caught_after_minutes', case when v_limit is not null and v_on is not null then jsonb_build_object(
      '2x', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, least(2 * v_limit, 0.95)),
      '5x', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, least(5 * v_limit, 0.95)),
      '20%', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, greatest(0.2, least(2 * v_limit, 0.95)))) end);
end $$;
comment on function private.forecast_stage(jsonb, text, double precision, double precision, timestamptz) is 'The forecast for one stage of a plan.';
revoke execute on function private.forecast_stage(jsonb, text, double precision, double precision, timestamptz) from public, anon, authenticated;

create function public.forecast_rollout(
  p_flag_key text, p_plan jsonb, p_per_minute numeric default null, p_failure_rate numeric default null, p_now timestamptz default now()
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_plan jsonb := p_plan;
  v_faults text[];
  t record;
  v_stages jsonb;
begin
  perform private.require_role('viewer');
  if p_plan ? 'template' then
    -- Who is internal makes no difference here.
    v_plan := private.rollout_template(p_plan ->> 'template', coalesce(p_plan -> 'user_ids', '["-"]'), p_plan -> 'segments');
  end if;
  v_faults := private.rollout_plan_faults(v_plan);
  if v_faults <> '{}' then
    raise exception 'the plan cannot be followed: %', array_to_string(v_faults, '; ') using errcode = 'GL422';
  end if;
  select * into t from private.recent_traffic(p_flag_key, null, p_now);
  select jsonb_agg(private.forecast_stage(s.stage, p_flag_key, p_per_minute::double precision, p_failure_rate::double precision, p_now) order by s.i)
  into v_stages from jsonb_array_elements(v_plan -> 'stages') with ordinality as s (stage, i);
  return jsonb_build_object('flag', p_flag_key, 'plan', coalesce(v_plan ->> 'name', 'custom'),
    'per_minute', round(coalesce(p_per_minute, t.per_minute::numeric), 2), 'failure_rate', round(coalesce(p_failure_rate, t.failure_rate::numeric), 6),
    'traffic', case when p_per_minute is not null then 'given' when t.per_minute is not null then 'measured' else 'unknown' end,
    'stages', v_stages, 'minutes', (select sum((s ->> 'minutes')::bigint) from jsonb_array_elements(v_stages) s),
    'passes', (select bool_and((s ->> 'passes')::boolean) from jsonb_array_elements(v_stages) s));
end $$;
comment on function public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz) is
  'How a plan (as create_rollout takes it) would go for a flag, by the traffic of the last 7 days or by what is given: for each stage the outcomes a minute and needed, how long it takes, whether it can pass at today''s failure rate (passes), and after how many minutes the guard rolls back what fails at 2x and 5x the allowed rate, or at 20 %. For viewers and secret keys. GL422 with what is wrong with the plan.';
revoke execute on function public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz) from public, anon;
grant execute on function public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz) to authenticated, service_role;
