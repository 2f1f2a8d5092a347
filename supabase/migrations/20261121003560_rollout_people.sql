-- People plan a rollout, start it, and move it where they know better than the guard.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.create_rollout(p_flag_key text, p_plan jsonb, p_reason text default null) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_plan jsonb := p_plan;
  v_faults text[];
  v_segment text;
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  if p_plan ? 'template' then
    if not private.object_keys_within(p_plan, array['template', 'user_ids', 'segments']) then
      raise exception 'beside template only user_ids and segments may be given' using errcode = 'GL422';
    end if;
    v_plan := private.rollout_template(p_plan ->> 'template', p_plan -> 'user_ids', p_plan -> 'segments');
    if v_plan is null then
      raise exception 'there is no template %', p_plan ->> 'template' using errcode = 'GL422', hint = 'standard or canary';
    end if;
  end if;
  v_faults := private.rollout_plan_faults(v_plan);
  if v_faults <> '{}' then
    raise exception 'the plan cannot be followed: %', array_to_string(v_faults, '; ') using errcode = 'GL422';
  end if;
  if p_flag_key is null or p_flag_key not like '%.enabled' or not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404', hint = 'Make it first, off: set_flag.';
  end if;
  select k.key into v_segment from jsonb_array_elements(v_plan -> 'stages') s, jsonb_array_elements_text(s -> 'segments') as k (key)
  where not exists (select from public.segments g where g.key = k.key) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  insert into public.rollouts (flag_key, plan) values (p_flag_key, coalesce(v_plan ->> 'name', 'custom')) returning * into v_rollout;
  insert into public.rollout_stages (rollout_id, position, name, percentage, user_ids, segments, hold_minutes, min_samples,
    overdue_minutes, advance_when, roll_back_when)
  select v_rollout.id, s.i, s.stage ->> 'name', (s.stage ->> 'percentage')::numeric, private.text_array(s.stage -> 'user_ids'),
    private.text_array(s.stage -> 'segments'), (s.stage ->> 'hold_minutes')::integer, (s.stage ->> 'min_samples')::integer,
    (s.stage ->> 'overdue_minutes')::integer, s.stage -> 'advance_when', s.stage -> 'roll_back_when'
  from jsonb_array_elements(v_plan -> 'stages') with ordinality as s (stage, i);
  perform private.log_rollout(v_rollout, clock_timestamp(), 'created', format('a rollout of %s by the plan %s was made', p_flag_key, v_rollout.plan),
    p_reason => p_reason, p_tell => false);
  return v_rollout;
end $$;
comment on function public.create_rollout(text, jsonb, text) is
  'Plans a rollout of a flag, not yet started: {template: standard or canary, user_ids, segments}, or a plan {name, stages}. For operators and secret keys. Errors: GL422 with what is wrong with the plan, GL404 no such flag or segment.';
revoke execute on function public.create_rollout(text, jsonb, text) from public, anon;
grant execute on function public.create_rollout(text, jsonb, text) to authenticated, service_role;

create function public.start_rollout(p_id uuid, p_expected_version bigint, p_reason text default null, p_gates jsonb default null)
returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_stage public.rollout_stages;
  v_flag public.settings;
  v_now numeric;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['draft']);
  select * into v_flag from public.settings s where s.key = v_rollout.flag_key for update;
  if v_flag.key is null then
    raise exception 'there is no flag %', v_rollout.flag_key using errcode = 'GL404';
  elsif exists (select from public.rollouts r where r.flag_key = v_rollout.flag_key and r.state in ('running', 'paused')) then
    raise exception 'another rollout of % is under way', v_rollout.flag_key using errcode = 'GL409';
  end if;
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_id and s.position = 1;
  v_now := case when v_flag.value <> 'true' then 0 else coalesce((v_flag.metadata ->> 'rollout_percentage')::numeric,
    case when v_flag.metadata ? 'target_user_ids' or v_flag.metadata ? 'target_segments' then 0 else 100 end) end;
  if v_now > v_stage.percentage then
    raise exception '% is on for % already, and the first stage would take it away from some', v_flag.key, private.percent(v_now)
      using errcode = 'GL409', hint = 'Turn it off first, or begin with a larger stage.';
  end if;
  v_rollout := private.enter_stage(v_rollout, 1, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'started', format('the rollout by the plan %s began with %s (%s)',
    v_rollout.plan, v_stage.name, private.percent(v_stage.percentage)), p_evidence => p_gates, p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.start_rollout(uuid, bigint, text, jsonb) is
  'Starts a rollout: sets the flag to the first stage. p_gates is kept with the event: what the launch gates said, or who overrode them. For operators and secret keys. Errors: GL409 stale version, not a draft, another one under way, or the flag is on for more people already; GL404.';
revoke execute on function public.start_rollout(uuid, bigint, text, jsonb) from public, anon;
grant execute on function public.start_rollout(uuid, bigint, text, jsonb) to authenticated, service_role;

create function public.pause_rollout(p_id uuid, p_expected_version bigint, p_reason text default null) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running']);
  update public.rollouts r set state = 'paused', hold_reason = 'paused', version = r.version + 1 where r.id = p_id returning r.* into v_rollout;
  perform private.log_rollout(v_rollout, clock_timestamp(), 'paused', format('paused at %s', (private.rollout_stage(v_rollout)).name), p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.pause_rollout(uuid, bigint, text) is
  'Keeps a rollout where it is. The guard still watches, and rolls back. For operators and secret keys. Errors: GL409 stale version or not running, GL404.';
revoke execute on function public.pause_rollout(uuid, bigint, text) from public, anon;
grant execute on function public.pause_rollout(uuid, bigint, text) to authenticated, service_role;

create function public.resume_rollout(p_id uuid, p_expected_version bigint, p_reason text default null) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['paused']);
  v_rollout := private.enter_stage(v_rollout, v_rollout.stage, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'resumed', format('resumed: %s begins anew', (private.rollout_stage(v_rollout)).name),
    p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.resume_rollout(uuid, bigint, text) is
  'Goes on with a paused rollout: the flag is set to its stage again, and the stage begins anew. For operators and secret keys. Errors: GL409 stale version or not paused, GL404.';
revoke execute on function public.resume_rollout(uuid, bigint, text) from public, anon;
grant execute on function public.resume_rollout(uuid, bigint, text) to authenticated, service_role;

create function public.advance_rollout(p_id uuid, p_expected_version bigint, p_reason text) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'going on before the guard does needs a reason' using errcode = 'GL422';
  end if;
  return private.next_stage(v_rollout, clock_timestamp(),
    private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp()), null, 'by_hand', p_reason);
end $$;
comment on function public.advance_rollout(uuid, bigint, text) is
  'Goes on to the next stage (completes after the last) before the guard does; what it had seen is kept. One that is paused stays paused there. For operators and secret keys. Errors: GL409 stale version or not under way, GL422 no reason, GL404.';
revoke execute on function public.advance_rollout(uuid, bigint, text) from public, anon;
grant execute on function public.advance_rollout(uuid, bigint, text) to authenticated, service_role;

create function public.roll_back_rollout(p_id uuid, p_expected_version bigint, p_reason text) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_evidence jsonb;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
  v_evidence := private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
  v_rollout := private.end_rollout(v_rollout, 'rolled_back', clock_timestamp());
  perform private.log_rollout(v_rollout, clock_timestamp(), 'rolled_back', 'rolled back by hand: the flag is off', null, 'by_hand', v_evidence, p_reason);
  return v_rollout;
end $$;
comment on function public.roll_back_rollout(uuid, bigint, text) is
  'Turns the flag off and ends the rollout. For operators and secret keys. Errors: GL409 stale version or not under way, GL404.';
revoke execute on function public.roll_back_rollout(uuid, bigint, text) from public, anon;
grant execute on function public.roll_back_rollout(uuid, bigint, text) to authenticated, service_role;

create function public.complete_rollout(p_id uuid, p_expected_version bigint, p_reason text) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_evidence jsonb;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'completing before the guard does needs a reason' using errcode = 'GL422';
  end if;
  v_evidence := private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
  v_rollout := private.end_rollout(v_rollout, 'completed', clock_timestamp());
  perform private.log_rollout(v_rollout, clock_timestamp(), 'completed', 'completed by hand: on for everybody', null, 'by_hand', v_evidence, p_reason);
  return v_rollout;
end $$;
comment on function public.complete_rollout(uuid, bigint, text) is
  'Turns the flag on for everybody and ends the rollout, whatever stages are left. For operators and secret keys. Errors: GL409 stale version or not under way, GL422 no reason, GL404.';
revoke execute on function public.complete_rollout(uuid, bigint, text) from public, anon;
grant execute on function public.complete_rollout(uuid, bigint, text) to authenticated, service_role;
