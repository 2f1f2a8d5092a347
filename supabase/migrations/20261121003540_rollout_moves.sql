-- What a move of a rollout is made of: the flag, the rollout and its stages in one transaction.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.percent(p_percentage numeric) returns text
language sql immutable parallel safe set search_path = '' as $$
  select trim_scale(p_percentage) || ' %'
$$;
comment on function private.percent(numeric) is 'A percentage for people: 12.5 %.';
revoke execute on function private.percent(numeric) from public, anon, authenticated;

-- The people of earlier stages keep the feature.
create function private.enter_stage(p_rollout public.rollouts, p_position integer, p_now timestamptz) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts := p_rollout;
  v_stage public.rollout_stages;
  v_flag public.settings;
begin
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_position;
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata
    || jsonb_build_object('rollout_percentage', trim_scale(v_stage.percentage))
    || case when v_stage.user_ids <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_stage.user_ids) order by 1))) else '{}' end
    || case when v_stage.segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(v_stage.segments) order by 1))) else '{}' end,
    v_flag.version, format('rollout %s: stage %s, %s', p_rollout.id, p_position, v_stage.name));
  update public.rollout_stages s set left_at = p_now where s.rollout_id = p_rollout.id and s.position = p_rollout.stage and p_position <> p_rollout.stage;
  update public.rollout_stages s set entered_at = p_now where s.rollout_id = p_rollout.id and s.position = p_position;
  update public.rollouts r
  set state = 'running', stage = p_position, stage_started_at = p_now, hold_reason = 'hold_time', setting_version = v_flag.version,
    guard = b.state, checkpoint = b.state, checkpoint_at = p_now, version = r.version + 1, started_at = coalesce(r.started_at, p_now)
  -- The minute in which the flag changes belongs to neither stage.
  from (select private.guard_begin(private.epoch_ms(p_now) / 60000 + 1) as state) b
  where r.id = p_rollout.id
  returning r.* into v_rollout;
  return v_rollout;
end $$;
comment on function private.enter_stage(public.rollouts, integer, timestamptz) is
  'Sets the flag to a stage of a rollout whose row the caller has locked, and begins the stage.';
revoke execute on function private.enter_stage(public.rollouts, integer, timestamptz) from public, anon, authenticated;

create function private.end_rollout(p_rollout public.rollouts, p_state text, p_now timestamptz) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_flag public.settings;
begin
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  if p_state = 'completed' then
    v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata || jsonb_build_object('rollout_percentage', 100,
      'launched_at', to_jsonb(p_now)), v_flag.version, format('rollout %s: completed', p_rollout.id));
  elsif v_flag.value = 'true' or v_flag.metadata -> 'schedule' ? 'on_at' then
    -- The percentage too: whoever turns the flag on again begins with nobody but the targets. Off already, and the clock
    -- would turn it on again: with nobody watching.
    v_flag := public.set_setting(v_flag.key, 'false', private.without_start(v_flag.metadata) || '{"rollout_percentage": 0}', v_flag.version,
      format('rollout %s: rolled back', p_rollout.id));
  end if;
  update public.rollout_stages s set left_at = p_now where s.rollout_id = p_rollout.id and s.position = p_rollout.stage;
  update public.rollouts r
  set state = p_state, finished_at = p_now, hold_reason = null, setting_version = coalesce(v_flag.version, r.setting_version), version = r.version + 1
  where r.id = p_rollout.id returning r.* into v_rollout;
  return v_rollout;
end $$;
comment on function private.end_rollout(public.rollouts, text, timestamptz) is
  'Ends a rollout whose row the caller has locked: completed (on for everybody, launched) or rolled_back (off).';
revoke execute on function private.end_rollout(public.rollouts, text, timestamptz) from public, anon, authenticated;

create function private.next_stage(
  p_rollout public.rollouts, p_now timestamptz, p_evidence jsonb, p_verdict text, p_rule text, p_reason text
) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_stage public.rollout_stages;
begin
  if exists (select from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage + 1) then
    v_rollout := private.enter_stage(p_rollout, p_rollout.stage + 1, p_now);
    -- Somebody paused it and somebody moves it on by hand: that is no leave for the guard to go on by itself.
    if p_rollout.state = 'paused' then
      update public.rollouts r set state = 'paused', hold_reason = 'paused' where r.id = p_rollout.id returning r.* into v_rollout;
    end if;
    v_stage := private.rollout_stage(v_rollout);
    perform private.log_rollout(v_rollout, p_now, 'advanced',
      format('%s (%s) began%s', v_stage.name, private.percent(v_stage.percentage), case v_rollout.state when 'paused' then ', and it stays paused' else '' end),
      p_verdict, p_rule, p_evidence, p_reason);
  else
    v_rollout := private.end_rollout(p_rollout, 'completed', p_now);
    perform private.log_rollout(v_rollout, p_now, 'completed', 'completed: on for everybody', p_verdict, p_rule, p_evidence, p_reason);
  end if;
  return v_rollout;
end $$;
comment on function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text) is
  'Takes a rollout whose row the caller has locked to its next stage, or completes it after the last. One that is paused stays paused.';
revoke execute on function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text) from public, anon, authenticated;

create function private.rollout_at(p_id uuid, p_expected_version bigint, p_states text[]) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  select * into v_rollout from public.rollouts r where r.id = p_id for update;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.version is distinct from p_expected_version then
    raise exception 'rollout % is at version %, not %', p_id, v_rollout.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  elsif v_rollout.state <> all (p_states) then
    raise exception 'rollout % is %', p_id, v_rollout.state using errcode = 'GL409',
      hint = 'This needs it to be ' || array_to_string(p_states, ' or ') || '.';
  end if;
  return v_rollout;
end $$;
comment on function private.rollout_at(uuid, bigint, text[]) is
  'Locks a rollout that is at this version and in one of these states; GL404 or GL409 when it is not.';
revoke execute on function private.rollout_at(uuid, bigint, text[]) from public, anon, authenticated;
