-- The evidence of a verdict on a rollout: what it was made from, to be computed again.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.rollout_stage(p_rollout public.rollouts) returns public.rollout_stages
language sql stable set search_path = '' as $$
  select s from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage
$$;
comment on function private.rollout_stage(public.rollouts) is 'The stage that a rollout is in.';
revoke execute on function private.rollout_stage(public.rollouts) from public, anon, authenticated;

create function private.epoch_ms(p_at timestamptz) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select floor(extract(epoch from p_at) * 1000)::bigint
$$;
comment on function private.epoch_ms(timestamptz) is 'An instant in milliseconds since 1970.';
revoke execute on function private.epoch_ms(timestamptz) from public, anon, authenticated;

-- A minute is read 20 seconds after its end: the functions send what they counted every 5 seconds.
create function private.closed_minute(p_now timestamptz) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select (private.epoch_ms(p_now) - 20000) / 60000 - 1
$$;
comment on function private.closed_minute(timestamptz) is 'The last minute, since 1970, of which all outcomes are in.';
revoke execute on function private.closed_minute(timestamptz) from public, anon, authenticated;

-- The guard's last words on a stage: the minutes since the last event that holds evidence, and what they come to.
create function private.rollout_evidence(p_rollout public.rollouts, p_to bigint, p_now timestamptz, p_taken private.guard_taken default null)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_stage public.rollout_stages := private.rollout_stage(p_rollout);
  v_watch jsonb := private.guard_watch(v_stage);
  v_criteria jsonb := private.guard_criteria(v_stage);
  v_taken private.guard_taken := p_taken;
begin
  -- What the guard has just taken in is all of it when it began where the last evidence ended.
  if (v_taken).state is null or p_rollout.guard <> p_rollout.checkpoint then
    v_taken := private.guard_take(p_rollout.flag_key, v_watch, (v_criteria ->> 'p95_ms')::integer, p_rollout.checkpoint, p_to);
  end if;
  return jsonb_build_object('guard', 1, 'stage', p_rollout.stage, 'watch', v_watch, 'criteria', v_criteria,
    'started_ms', private.epoch_ms(p_rollout.stage_started_at), 'now_ms', private.epoch_ms(p_now),
    'before', p_rollout.checkpoint, 'minutes', v_taken.minutes, 'path', v_taken.path, 'after', v_taken.state,
    'alarm', v_taken.alarm, 'progress', case when v_taken.alarm is null then private.guard_progress(v_criteria, v_taken.state,
      private.epoch_ms(p_rollout.stage_started_at), private.epoch_ms(p_now)) end);
end $$;
comment on function private.rollout_evidence(public.rollouts, bigint, timestamptz, private.guard_taken) is
  'The evidence of a verdict up to the minute p_to: what replay() in _shared/rollouts/replay.ts recomputes it from. p_taken is what came of taking those minutes into rollouts.guard, where that was done already.';
revoke execute on function private.rollout_evidence(public.rollouts, bigint, timestamptz, private.guard_taken) from public, anon, authenticated;
