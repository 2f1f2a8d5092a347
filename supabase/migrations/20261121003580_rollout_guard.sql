-- Once a minute the guard judges each rollout under way, and acts on it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.alarm_message(p_rule text, p_verdict text, p_watch jsonb) returns text
language sql immutable set search_path = '' as $$
  select case p_rule
      when 'error_rate_relative' then 'more fail with the flag on than without it'
      when 'p95_relative' then format('more take longer than %s ms with the flag on than without it', p_watch ->> 'p95_ms')
      when 'error_rate_plain' then format('more than %s %% failed within %s minutes', trim_scale((p_watch #>> '{plain,error_rate}')::numeric * 100), p_watch #>> '{plain,minutes}')
      when 'mean_plain' then format('the mean was above %s ms for %s minutes', p_watch #>> '{plain,mean_ms}', p_watch #>> '{plain,minutes}')
      when 'error_rate_absolute' then format('more than %s %% fail', trim_scale((p_watch ->> 'error_rate')::numeric * 100))
      when 'error_rate_unclear' then format('more than %s %% fail with the flag on, and it is not clear whether it is the flag',
        trim_scale((p_watch ->> 'error_rate')::numeric * 100))
      when 'p95_unclear' then format('the p95 is above %s ms with the flag on, and it is not clear whether it is the flag', p_watch ->> 'p95_ms')
      else format('the p95 is above %s ms', p_watch ->> 'p95_ms') end
    || case when p_rule in ('error_rate_unclear', 'p95_unclear') then ''
      when p_verdict = 'page' then ', with the flag and without it: a shared incident, the flag is not to blame'
      else ': the flag is off' end
$$;
comment on function private.alarm_message(text, text, jsonb) is 'An alarm of the guard in a sentence.';
revoke execute on function private.alarm_message(text, text, jsonb) from public, anon, authenticated;

create function private.hold_message(p_reason text, p_state jsonb, p_criteria jsonb) returns text
language sql immutable set search_path = '' as $$
  select 'the stage has lasted long enough, but ' || case p_reason
    when 'no_data' then 'nobody has met the feature lately'
    when 'samples' then format('there are %s outcomes of %s', p_state #>> '{seen,n}', p_criteria ->> 'min_samples')
    when 'error_rate' then format('%s of %s failed, which is not surely below %s %%', p_state #>> '{seen,failed}', p_state #>> '{seen,n}',
      trim_scale((p_criteria ->> 'error_rate')::numeric * 100))
    else format('%s of %s took longer than %s ms, which is not surely below 5 %%', p_state #>> '{seen,late}', p_state #>> '{seen,timed}',
      p_criteria ->> 'p95_ms') end
$$;
comment on function private.hold_message(text, jsonb, jsonb) is 'Why a stage that could be over is not, in a sentence.';
revoke execute on function private.hold_message(text, jsonb, jsonb) from public, anon, authenticated;

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
    perform private.log_rollout(v_rollout, p_now, 'rolled_back', 'rolled back: the flag was turned off by hand', null, rule,
      private.rollout_evidence(p_rollout, private.closed_minute(p_now), p_now));
  elsif (p_flag.metadata ->> 'rollout_percentage')::numeric is distinct from v_percentage and p_rollout.state = 'running' then
    rule := 'flag_changed_by_hand';
    update public.rollouts r set state = 'paused', hold_reason = 'paused', setting_version = p_flag.version, version = r.version + 1
    where r.id = p_rollout.id returning r.* into v_rollout;
    perform private.log_rollout(v_rollout, p_now, 'paged', format('paused: the flag was set to %s by hand, the stage has %s',
      coalesce(private.percent((p_flag.metadata ->> 'rollout_percentage')::numeric), 'its targets alone'), private.percent(v_percentage)), 'page', rule);
  else
    update public.rollouts r set setting_version = p_flag.version where r.id = p_rollout.id;
  end if;
  return rule;
end $$;
comment on function private.guard_by_hand(public.rollouts, public.settings, timestamptz) is
  'What follows when somebody else wrote a rollout''s flag: off ends the rollout, another percentage pauses it, anything else is accepted. Answers the rule, null where nothing follows.';
revoke execute on function private.guard_by_hand(public.rollouts, public.settings, timestamptz) from public, anon, authenticated;

create function private.guard_rollout(p_id uuid, p_now timestamptz, out verdict text, out rule text)
language plpgsql volatile set search_path = '' as $$
declare
  r public.rollouts;
  v_flag public.settings;
  v_stage public.rollout_stages;
  v_watch jsonb;
  v_criteria jsonb;
  v_taken private.guard_taken;
  v_state jsonb;
  v_evidence jsonb;
  v_progress jsonb;
  v_to bigint := private.closed_minute(p_now);
  v_reason text;
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
  v_watch := private.guard_watch(v_stage);
  v_criteria := private.guard_criteria(v_stage);
  -- Several times where a shared incident ended the minutes early; each time the stage begins anew behind it.
  loop
    v_taken := private.guard_take(r.flag_key, v_watch, (v_criteria ->> 'p95_ms')::integer, r.guard, v_to);
    v_state := v_taken.state;
    exit when v_taken.alarm is null;
    verdict := v_taken.alarm ->> 'verdict';
    rule := v_taken.alarm ->> 'rule';
    v_evidence := private.rollout_evidence(r, (v_taken.alarm ->> 'minute')::bigint, p_now, v_taken);
    if verdict = 'roll_back' then
      r := private.end_rollout(r, 'rolled_back', p_now);
      perform private.log_rollout(r, p_now, 'rolled_back', private.alarm_message(rule, verdict, v_watch), verdict, rule, v_evidence);
      return;
    end if;
    update public.rollouts o set guard = v_state, checkpoint = v_state, checkpoint_at = p_now,
      hold_reason = case when o.state = 'running' then 'hold_time' else o.hold_reason end
    where o.id = p_id returning o.* into r;
    perform private.log_rollout(r, p_now, 'paged', private.alarm_message(rule, verdict, v_watch), verdict, rule, v_evidence,
      p_tell => not private.rollout_told(p_id, r.stage, 'paged', rule, p_now - interval '1 hour'));
  end loop;
  -- The minutes after the last incident are in no evidence yet.
  v_evidence := null;

  v_progress := private.guard_progress(v_criteria, v_state, private.epoch_ms(r.stage_started_at), private.epoch_ms(p_now));
  if v_progress ->> 'verdict' = 'advance' and r.state = 'running' then
    verdict := 'advance';
    rule := 'criteria_met';
    perform private.next_stage(r, p_now, private.rollout_evidence(r, v_to, p_now, v_taken), verdict, rule, null);
    return;
  end if;

  v_reason := case when r.state = 'paused' then 'paused'
    when p_now >= v_stage.entered_at + make_interval(mins => v_stage.overdue_minutes) then 'overdue'
    else v_progress ->> 'reason' end;
  if verdict is null then
    verdict := 'hold';
    rule := v_reason;
  end if;
  update public.rollouts o set guard = v_state, hold_reason = v_reason where o.id = p_id;
  if v_reason is distinct from r.hold_reason and v_reason not in ('hold_time', 'paused')
    and not private.rollout_told(p_id, r.stage, case v_reason when 'overdue' then 'paged' else 'held' end, v_reason, p_now - interval '1 hour') then
    verdict := case v_reason when 'overdue' then 'page' else 'hold' end;
    rule := v_reason;
    v_evidence := private.rollout_evidence(r, v_to, p_now, v_taken);
    perform private.log_rollout(r, p_now, case v_reason when 'overdue' then 'paged' else 'held' end,
      case v_reason when 'overdue' then format('%s has lasted longer than %s hours', v_stage.name, trim_scale(v_stage.overdue_minutes / 60.0))
        else private.hold_message(v_reason, v_state, v_criteria) end,
      verdict, rule, v_evidence);
  elsif r.checkpoint_at <= p_now - interval '6 hours' then
    v_evidence := private.rollout_evidence(r, v_to, p_now, v_taken);
    perform private.log_rollout(r, p_now, 'checked', format('holds: %s', v_reason), 'hold', v_reason, v_evidence, p_tell => false);
  end if;
  if v_evidence is not null then
    update public.rollouts o set checkpoint = v_state, checkpoint_at = p_now where o.id = p_id;
  end if;
end $$;
comment on function private.guard_rollout(uuid, timestamptz) is
  'Judges one rollout and acts on it: verdict advance, hold, roll_back or page, and the rule. Nothing when somebody else has it in hand.';
revoke execute on function private.guard_rollout(uuid, timestamptz) from public, anon, authenticated;

-- Failure policy: what goes wrong with one rollout is undone, told, and leaves the others alone.
create function private.advance_rollouts(p_now timestamptz default clock_timestamp())
returns table (rollout_id uuid, flag_key text, verdict text, rule text)
language plpgsql volatile set search_path = '' as $$
declare
  r public.rollouts;
begin
  for r in select * from public.rollouts o where o.state in ('running', 'paused') order by o.id loop
    rollout_id := r.id;
    flag_key := r.flag_key;
    begin
      select g.verdict, g.rule into verdict, rule from private.guard_rollout(r.id, p_now) g;
    exception when others then
      verdict := 'page';
      rule := 'guard_failed';
      if not private.rollout_told(r.id, r.stage, 'paged', 'guard_failed', p_now - interval '1 hour') then
        perform private.log_rollout(r, p_now, 'paged', format('the guard failed: %s (%s)', sqlerrm, sqlstate), verdict, rule);
      end if;
    end;
    if verdict is not null then
      return next;
    end if;
  end loop;
end $$;
comment on function private.advance_rollouts(timestamptz) is
  'Judges every rollout under way and acts on it, each for itself, all or nothing. For the clock, once a minute.';
revoke execute on function private.advance_rollouts(timestamptz) from public, anon, authenticated;
