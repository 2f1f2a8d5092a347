-- The guard at work: once a minute it judges each rollout under way, and acts on it; and what it would do, told before the start.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Once a minute -----------------------------------------------------------------------------------

create function private.alarm_figures(p_rule text, p_watch jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when p_rule = 'error_rate_relative' then '{}'
    when p_rule = 'error_rate_plain' then jsonb_build_object('error_rate', p_watch #> '{plain,error_rate}', 'minutes', p_watch #> '{plain,minutes}')
    when p_rule = 'mean_plain' then jsonb_build_object('mean_ms', p_watch #> '{plain,mean_ms}', 'minutes', p_watch #> '{plain,minutes}')
    when p_rule like 'p95%' then jsonb_build_object('p95_ms', p_watch -> 'p95_ms')
    else jsonb_build_object('error_rate', p_watch -> 'error_rate') end
$$;
comment on function private.alarm_figures(text, jsonb) is 'The limits that an alarm of the guard was about.';

create function private.hold_figures(p_reason text, p_state jsonb, p_criteria jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case p_reason
    when 'silent' then jsonb_build_object('minutes', (p_state ->> 'minute')::bigint - (p_state ->> 'heard')::bigint,
      'expected', (p_state #>> '{arms,silent}')::bigint * (p_state #>> '{arms,on}')::bigint
        / greatest(1, (p_state #>> '{arms,off}')::bigint - (p_state #>> '{arms,silent}')::bigint))
    when 'control_silent' then jsonb_build_object('minutes', (p_state ->> 'minute')::bigint - (p_state #>> '{arms,told}')::bigint,
      'expected', (p_state #>> '{arms,alone}')::bigint * (p_state #>> '{arms,off}')::bigint
        / greatest(1, (p_state #>> '{arms,on}')::bigint - (p_state #>> '{arms,alone}')::bigint))
    when 'sample_ratio' then jsonb_build_object('on', p_state #> '{arms,on}', 'off', p_state #> '{arms,off}', 'percentage', p_criteria -> 'percentage')
    when 'samples' then jsonb_build_object('n', p_state #> '{seen,n}', 'min_samples', p_criteria -> 'min_samples')
    when 'error_rate' then jsonb_build_object('failed', p_state #> '{seen,failed}', 'n', p_state #> '{seen,n}', 'error_rate', p_criteria -> 'error_rate')
    when 'p95' then jsonb_build_object('late', p_state #> '{seen,late}', 'timed', p_state #> '{seen,timed}', 'p95_ms', p_criteria -> 'p95_ms')
    else '{}' end
$$;
comment on function private.hold_figures(text, jsonb, jsonb) is 'The counts and limits for which a stage that could be over is not.';

-- A later migration makes what it asks, and a team may take it back.
create function private.proof_of(p_flag_key text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if p_flag_key not in ('messaging_v1.enabled', 'proactive_thread_creation.enabled', 'sitter_messages_v1.enabled')
    or to_regprocedure('private.messages_faults(text, uuid[])') is null then
    return null;
  end if;
  return private.messages_faults(p_flag_key);
end $$;
comment on function private.proof_of(text) is
  'Of a flag of masked messaging, what its organisations lack (messages_faults): while that is so, its rollout does not go on. Null where nothing is missing, and for any other flag.';

-- Somebody wrote the flag. Off is off: what a person does in an emergency stands.
create function private.guard_by_hand(p_rollout public.rollouts, p_flag public.settings, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_percentage numeric := (private.rollout_stage(p_rollout)).percentage;
  v_rollout public.rollouts;
  rule text;
begin
  if p_flag.key is null or p_flag.value <> 'true' then
    rule := 'flag_off_by_hand';
    v_rollout := private.end_rollout(p_rollout, 'rolled_back', p_now);
    perform private.log_rollout(v_rollout, p_now, 'rolled_back', '{}', null, rule,
      private.rollout_evidence(p_rollout, private.closed_minute(p_now), p_now));
  elsif (p_flag.metadata ->> 'rollout_percentage')::numeric is distinct from v_percentage and p_rollout.state = 'running' then
    rule := 'flag_changed_by_hand';
    update public.rollouts r set state = 'paused', hold_reason = 'paused', setting_version = p_flag.version, version = r.version + 1
    where r.id = p_rollout.id returning r.* into v_rollout;
    perform private.log_rollout(v_rollout, p_now, 'paged', jsonb_build_object('percentage', trim_scale(v_percentage),
      'set_to', p_flag.metadata -> 'rollout_percentage'), 'page', rule);
  else
    update public.rollouts r set setting_version = p_flag.version where r.id = p_rollout.id;
  end if;
  return rule;
end $$;
comment on function private.guard_by_hand(public.rollouts, public.settings, timestamptz) is
  'What follows when somebody else wrote a rollout''s flag: off ends the rollout, another percentage pauses it, anything else is accepted. Answers the rule, null where nothing follows.';

-- Several times where a shared incident ended the minutes early; each time the stage begins anew behind it.
create function private.guard_alarms(
  inout rollout public.rollouts, p_to bigint, p_now timestamptz, p_sharp boolean, out taken private.guard_taken, out verdict text, out rule text
)
language plpgsql volatile set search_path = '' as $$
declare
  v_stage public.rollout_stages := private.rollout_stage(rollout);
  v_watch jsonb := private.guard_watch(v_stage, p_sharp);
  v_late_ms integer := (v_stage.advance_when ->> 'p95_ms_below')::integer;
  v_evidence jsonb;
begin
  loop
    taken := private.guard_take(rollout.flag_key, v_watch, v_late_ms, rollout.guard, p_to);
    exit when taken.alarm is null;
    verdict := taken.alarm ->> 'verdict';
    rule := taken.alarm ->> 'rule';
    v_evidence := private.rollout_evidence(rollout, (taken.alarm ->> 'minute')::bigint, p_now, taken);
    if verdict = 'roll_back' then
      rollout := private.end_rollout(rollout, 'rolled_back', p_now);
      perform private.log_rollout(rollout, p_now, 'rolled_back', private.alarm_figures(rule, v_watch), verdict, rule, v_evidence);
      return;
    end if;
    update public.rollouts o set guard = taken.state, checkpoint = taken.state, checkpoint_at = p_now,
      hold_reason = case when o.state = 'running' then 'hold_time' else o.hold_reason end
    where o.id = rollout.id returning o.* into rollout;
    perform private.log_rollout(rollout, p_now, 'paged', private.alarm_figures(rule, v_watch), verdict, rule, v_evidence,
      p_tell => not private.rollout_told(rollout.id, rollout.stage, 'paged', rule, p_now - interval '1 hour'));
  end loop;
end $$;
comment on function private.guard_alarms(public.rollouts, bigint, timestamptz, boolean) is
  'Takes the minutes up to p_to into a rollout whose row the caller has locked, and acts on each alarm: rolls back, or pages and goes on. Answers the rollout after it, what was taken since the last alarm, and the last verdict with its rule, null where there was none.';

-- Who stays where they are says why: at once where somebody is to know of it, and else every six hours.
create function private.guard_holds(
  p_rollout public.rollouts, p_reason text, p_to bigint, p_now timestamptz, p_taken private.guard_taken, p_signals jsonb
)
returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_stage public.rollout_stages := private.rollout_stage(p_rollout);
  v_kind text := case when p_reason in ('overdue', 'silent', 'control_silent', 'sample_ratio', 'kill_switch', 'guardrail') then 'paged' else 'held' end;
  v_verdict text;
begin
  update public.rollouts o set guard = p_taken.state, hold_reason = p_reason where o.id = p_rollout.id;
  if p_reason is distinct from p_rollout.hold_reason and p_reason not in ('hold_time', 'paused')
    and not private.rollout_told(p_rollout.id, p_rollout.stage, v_kind, p_reason, p_now - interval '1 hour') then
    v_verdict := case v_kind when 'paged' then 'page' else 'hold' end;
    perform private.log_rollout(p_rollout, p_now, v_kind,
      case when p_reason = 'overdue' then jsonb_build_object('stage', v_stage.name, 'overdue_minutes', v_stage.overdue_minutes)
        when p_reason = p_signals #>> '{said,rule}' then p_signals #> '{said,figures}'
        when p_reason = 'proof' then private.proof_of(p_rollout.flag_key)
        else private.hold_figures(p_reason, p_taken.state, private.guard_criteria(v_stage)) end,
      v_verdict, p_reason, private.rollout_evidence(p_rollout, p_to, p_now, p_taken, p_signals));
  elsif p_rollout.checkpoint_at <= p_now - interval '6 hours' then
    perform private.log_rollout(p_rollout, p_now, 'checked', '{}', 'hold', p_reason, private.rollout_evidence(p_rollout, p_to, p_now, p_taken, p_signals),
      p_tell => false);
  else
    return null;
  end if;
  update public.rollouts o set checkpoint = p_taken.state, checkpoint_at = p_now where o.id = p_rollout.id;
  return v_verdict;
end $$;
comment on function private.guard_holds(public.rollouts, text, bigint, timestamptz, private.guard_taken, jsonb) is
  'Keeps a rollout whose row the caller has locked where it is, for a reason, with its evidence where it is due. Answers hold or page where somebody is told of it, else null.';

-- The last minutes of the first day are judged by its limits, and written down, before the others hold: no evidence is of both.
create function private.guard_first_day_ends(p_rollout public.rollouts, p_stage public.rollout_stages, p_now timestamptz)
returns table (rollout public.rollouts, verdict text, rule text)
language plpgsql volatile set search_path = '' as $$
declare
  v_to bigint := private.sharp_until(p_stage) - 1;
  v_alarms record;
  v_state jsonb;
begin
  select * into v_alarms from private.guard_alarms(p_rollout, v_to, p_now, true);
  rollout := v_alarms.rollout;
  verdict := v_alarms.verdict;
  rule := v_alarms.rule;
  if verdict is distinct from 'roll_back' then
    -- Up to its last minute, whether anybody was heard of in it or not.
    v_state := (v_alarms.taken).state;
    perform private.log_rollout(rollout, p_now, 'checked', '{}', null, 'first_day_over',
      private.rollout_evidence(rollout, v_to, p_now, v_alarms.taken), p_tell => false);
    v_state := private.guard_relax(v_state) || jsonb_build_object('minute', greatest((v_state ->> 'minute')::bigint, v_to));
    update public.rollouts o set guard = v_state, checkpoint = v_state, checkpoint_at = p_now
    where o.id = p_rollout.id returning o.* into rollout;
  end if;
  return next;
end $$;
comment on function private.guard_first_day_ends(public.rollouts, public.rollout_stages, timestamptz) is
  'Ends the first day of a stage for the guard: takes its minutes by the tighter limits, and begins S anew for the others. Answers the rollout after it, and an alarm''s verdict and rule.';

create function private.guard_rollout(p_id uuid, p_now timestamptz, out verdict text, out rule text)
language plpgsql volatile set search_path = '' as $$
declare
  r public.rollouts;
  v_flag public.settings;
  v_stage public.rollout_stages;
  v_alarms record;
  v_taken private.guard_taken;
  v_progress jsonb;
  v_to bigint := private.closed_minute(p_now);
  v_reason text;
  v_told text;
  v_signals jsonb;
  v_said text;
begin
  select * into r from public.rollouts o where o.id = p_id and o.state in ('running', 'paused') for update skip locked;
  if not found then
    return;
  end if;
  select * into v_flag from public.settings s where s.key = r.flag_key;
  if v_flag.version is distinct from r.setting_version then
    rule := private.guard_by_hand(r, v_flag, p_now);
    if rule is not null then
      verdict := case rule when 'flag_off_by_hand' then 'roll_back' else 'page' end;
      return;
    end if;
    r.setting_version := v_flag.version;
  end if;

  v_stage := private.rollout_stage(r);
  if v_stage.first_day is not null and (r.guard ->> 'minute')::bigint + 1 < private.sharp_until(v_stage) and v_to >= private.sharp_until(v_stage) then
    select * into v_alarms from private.guard_first_day_ends(r, v_stage, p_now);
    verdict := v_alarms.verdict;
    rule := v_alarms.rule;
    if verdict = 'roll_back' then
      return;
    end if;
    r := v_alarms.rollout;
  end if;
  select * into v_alarms from private.guard_alarms(r, v_to, p_now, (r.guard ->> 'minute')::bigint + 1 < private.sharp_until(v_stage));
  verdict := coalesce(v_alarms.verdict, verdict);
  rule := coalesce(v_alarms.rule, rule);
  if verdict = 'roll_back' then
    return;
  end if;
  r := v_alarms.rollout;
  v_taken := v_alarms.taken;
  v_signals := private.rollout_signals(r, v_stage, p_now);
  v_said := v_signals #>> '{said,verdict}';
  if v_said = 'roll_back' then
    verdict := v_said;
    rule := v_signals #>> '{said,rule}';
    perform private.log_rollout(private.end_rollout(r, 'rolled_back', p_now), p_now, 'rolled_back', v_signals #> '{said,figures}', verdict, rule,
      private.rollout_evidence(r, v_to, p_now, v_taken, v_signals));
    return;
  end if;
  v_progress := private.guard_progress(private.guard_criteria(v_stage), v_taken.state, private.epoch_ms(r.stage_started_at),
    private.epoch_ms(p_now));
  v_reason := case when r.state = 'paused' then 'paused'
    when private.killed_since(r.flag_key, p_now) is not null then 'kill_switch'
    when v_said = 'page' then v_signals #>> '{said,rule}'
    when v_progress ->> 'verdict' = 'advance' and private.incident_in_the_way(r.flag_key) is not null then 'incident'
    when v_progress ->> 'verdict' = 'advance' and v_said is null and private.proof_of(r.flag_key) is not null then 'proof'
    when v_progress ->> 'verdict' = 'advance' then v_signals #>> '{said,rule}' end;
  if v_progress ->> 'verdict' = 'advance' and v_reason is null then
    verdict := 'advance';
    rule := 'criteria_met';
    perform private.next_stage(r, p_now, private.rollout_evidence(r, v_to, p_now, v_taken, v_signals), verdict, rule, null);
    return;
  end if;

  v_reason := case when v_reason in ('kill_switch', 'paused', 'incident', 'guardrail') then v_reason
    when v_progress ->> 'reason' in ('silent', 'control_silent', 'sample_ratio') then v_progress ->> 'reason'
    when p_now >= v_stage.entered_at + make_interval(mins => v_stage.overdue_minutes) then 'overdue'
    else coalesce(v_reason, v_progress ->> 'reason') end;
  v_told := private.guard_holds(r, v_reason, v_to, p_now, v_taken, v_signals);
  if v_told is not null or verdict is null then
    verdict := coalesce(v_told, 'hold');
    rule := v_reason;
  end if;
end $$;
comment on function private.guard_rollout(uuid, timestamptz) is
  'Judges one rollout and acts on it: verdict advance, hold, roll_back or page, and the rule. Nothing when somebody else has it in hand.';

-- No reference to the rollout: checking one would wait for the very lock that this is about.
create table private.guard_skips (
  rollout_id uuid constraint guard_skips_pkey primary key,
  since timestamptz not null,
  at timestamptz not null,
  holders jsonb not null
);
comment on table private.guard_skips is 'Rollouts that the guard could not judge the last time, for another transaction held a lock: health tells of them.';
comment on constraint guard_skips_pkey on private.guard_skips is 'A rollout is skipped since a time.';
comment on column private.guard_skips.rollout_id is 'The rollout.';
comment on column private.guard_skips.since is 'When it was first skipped.';
comment on column private.guard_skips.at is 'When it was last skipped.';
comment on column private.guard_skips.holders is 'Who held locks then, as private.lock_holders tells it.';
alter table private.guard_skips enable row level security;
revoke all on private.guard_skips from anon, authenticated, service_role, public;
grant select on private.guard_skips to service_role;

create function private.guard_skipped(p_id uuid, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into private.guard_skips as s (rollout_id, since, at, holders)
  values (p_id, p_now, p_now, private.lock_holders(array['public.settings', 'public.rollouts', 'public.rollout_stages']))
  on conflict on constraint guard_skips_pkey do update set at = excluded.at, holders = excluded.holders;
exception when lock_not_available then
  -- Another run of the guard writes down the same.
  null;
end $$;
comment on function private.guard_skipped(uuid, timestamptz) is 'Writes down that a rollout could not be judged for a lock, and who holds one.';

create function private.guard_health(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('component', 'guard',
    'status', case when s.skipped is null then 'healthy' when s.seconds >= 300 then 'down' else 'degraded' end,
    'because', case when s.skipped is null then 'watching' else 'locked' end,
    'figures', case when s.skipped is null then jsonb_build_object('rollouts', s.n) else jsonb_build_object('skipped', s.skipped) end)
  from (
    select count(*) as n, max(extract(epoch from p_now - k.since)) as seconds,
      jsonb_agg(jsonb_build_object('flag', r.flag_key, 'seconds', floor(extract(epoch from p_now - k.since))::integer, 'by', k.holders)
        order by k.since, r.flag_key) filter (where k.rollout_id is not null) as skipped
    from public.rollouts r
    -- What it has not met again for ten minutes it has judged since, or it does not run, which the clock tells.
    left join private.guard_skips k on k.rollout_id = r.id and k.at > p_now - interval '10 minutes'
    where r.state in ('running', 'paused')
  ) s
$$;
comment on function private.guard_health(timestamptz) is
  'The guard of rollouts: degraded while another transaction''s lock keeps it from judging one, down after five minutes of that.';

-- Failure policy: what goes wrong with one rollout is undone, told, and leaves the others alone. One that is locked is
-- passed over, and tried again the next minute.
create function private.advance_rollouts(p_now timestamptz default clock_timestamp())
returns table (rollout_id uuid, flag_key text, verdict text, rule text)
language plpgsql volatile set search_path = '' set lock_timeout = '300ms' as $$
declare
  r public.rollouts;
begin
  begin
    perform private.hear_feedback(p_now);
  exception when others then
    raise warning 'what people wrote could not be looked at: % (%)', sqlerrm, sqlstate;
  end;
  for r in select * from public.rollouts o where o.state in ('running', 'paused') order by o.id loop
    rollout_id := r.id;
    flag_key := r.flag_key;
    begin
      select g.verdict, g.rule into verdict, rule from private.guard_rollout(r.id, p_now) g;
      if verdict is null and exists (select from public.rollouts o where o.id = r.id and o.state in ('running', 'paused')) then
        raise lock_not_available;
      end if;
      -- What would be refused at the end of the transaction is this rollout's matter, and not that of the others.
      set constraints public.refuse_launch_at_end immediate;
      set constraints public.refuse_launch_at_end deferred;
      delete from private.guard_skips s where s.rollout_id = r.id;
    exception when lock_not_available or sqlstate 'GL423' then
      verdict := 'hold';
      rule := 'locked';
      perform private.guard_skipped(r.id, p_now);
    when others then
      verdict := 'page';
      rule := 'guard_failed';
      if not private.rollout_told(r.id, r.stage, 'paged', 'guard_failed', p_now - interval '1 hour') then
        perform private.log_rollout(r, p_now, 'paged', jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate), verdict, rule);
      end if;
    end;
    if verdict is not null then
      return next;
    end if;
  end loop;
end $$;
comment on function private.advance_rollouts(timestamptz) is
  'Judges every rollout under way and acts on it, each for itself, all or nothing. For the clock, once a minute.';

-- Before the start: how long the stages of a plan will take, and how soon the guard would catch what goes wrong ---

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

-- S grows by its drift each minute, on average. Two minutes more: a minute has to end, and the clock has to come.
create function private.minutes_to_catch(
  p_on double precision, p_off double precision, p_normal double precision, p_limit double precision, p_failing double precision
) returns integer
language sql immutable parallel safe set search_path = '' as $$
  -- With a control blame waits for as long as the control may be late: see aged() in series.ts.
  select case when m.drift <= 0 then null
    when p_off = 0 then ceil(10.819778 / m.drift)
    when greatest(6.907755, 3.688879 + 5 * m.drift) < 12.407755 and 6.907755 / m.drift <= 15
      then ceil(greatest(6.907755 / m.drift, 3.688879 / m.drift + 5))
    else ceil(10.819778 / m.drift + 5) end::integer + 2
  from (select max(d.drift) as drift from (
    select case when p_off * 20 >= p_on and p_off > 0
      then p_on * p_failing * ln(a.r) + (p_on * p_failing + p_off * p_normal) * ln((p_on + p_off) / (a.r * p_on + p_off))
      else p_on * (p_failing * ln(a.capped) + (1 - p_failing) * ln((1 - a.capped * p_limit) / (1 - p_limit))) end as drift
    from (
      select r, least(r, 0.95::double precision / p_limit) as capped from unnest(array[1.5, 2, 3, 5, 10]::double precision[]) r
    ) a
  ) d) m
$$;
comment on function private.minutes_to_catch(double precision, double precision, double precision, double precision, double precision) is
  'In how many minutes the guard rolls back, usually, when p_failing of p_on outcomes a minute fail with the flag and p_normal of p_off without it; null for never.';

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

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.guard_health(timestamptz)
  to service_role;
grant execute on function
  public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002000');
