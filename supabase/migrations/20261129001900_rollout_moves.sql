-- How a rollout moves: what is written down and told of it, its evidence, and what people do.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What happens is written down, and told -----------------------------------------------------------

create function private.log_rollout(
  p_rollout public.rollouts, p_at timestamptz, p_kind text, p_figures jsonb default '{}', p_verdict text default null, p_rule text default null,
  p_evidence jsonb default null, p_reason text default null, p_tell boolean default true
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event public.rollout_events;
begin
  insert into public.rollout_events (rollout_id, at, kind, stage, verdict, rule, figures, evidence, rollout_version, setting_version, reason)
  values (p_rollout.id, p_at, p_kind, p_rollout.stage, p_verdict, p_rule, p_figures, p_evidence, p_rollout.version,
    p_rollout.setting_version, private.given_reason(p_reason))
  returning * into v_event;
  if p_tell then
    perform private.notify(v_event);
  end if;
end $$;
comment on function private.log_rollout(public.rollouts, timestamptz, text, jsonb, text, text, jsonb, text, boolean) is
  'Writes an event of a rollout as it now stands, and tells those who want to know.';

create function private.rollout_told(p_id uuid, p_stage integer, p_kind text, p_rule text, p_since timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.rollout_events e
    where e.rollout_id = p_id and e.at > p_since and e.stage = p_stage and e.kind = p_kind and e.rule = p_rule)
$$;
comment on function private.rollout_told(uuid, integer, text, text, timestamptz) is
  'Whether such an event was written since then: nobody wants the same page every minute.';

-- The evidence of a verdict: what it was made from, to be computed again --------------------------

create function private.rollout_stage(p_rollout public.rollouts) returns public.rollout_stages
language sql stable set search_path = '' as $$
  select s from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage
$$;
comment on function private.rollout_stage(public.rollouts) is 'The stage that a rollout is in.';

create function private.epoch_ms(p_at timestamptz) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select floor(extract(epoch from p_at) * 1000)::bigint
$$;
comment on function private.epoch_ms(timestamptz) is 'An instant in milliseconds since 1970.';

-- A minute is read 20 seconds after its end: the functions send what they counted every 5 seconds.
create function private.closed_minute(p_now timestamptz) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select (private.epoch_ms(p_now) - 20000) / 60000 - 1
$$;
comment on function private.closed_minute(timestamptz) is 'The last minute, since 1970, of which all outcomes are in.';

-- The guard's last words on a stage: the minutes since the last event that holds evidence, and what they come to.
create function private.rollout_evidence(
  p_rollout public.rollouts, p_to bigint, p_now timestamptz, p_taken private.guard_taken default null, p_signals jsonb default null
)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_stage public.rollout_stages := private.rollout_stage(p_rollout);
  v_watch jsonb := private.guard_watch(v_stage, (p_rollout.checkpoint ->> 'minute')::bigint + 1 < private.sharp_until(v_stage));
  v_criteria jsonb := private.guard_criteria(v_stage);
  v_taken private.guard_taken := p_taken;
begin
  -- What the guard has just taken in is all of it when it began where the last evidence ended.
  if (v_taken).state is null or p_rollout.guard <> p_rollout.checkpoint then
    v_taken := private.guard_take(p_rollout.flag_key, v_watch, (v_criteria ->> 'p95_ms')::integer, p_rollout.checkpoint, p_to);
  end if;
  return jsonb_build_object('guard', 2, 'stage', p_rollout.stage, 'watch', v_watch, 'criteria', v_criteria,
    'started_ms', private.epoch_ms(p_rollout.stage_started_at), 'now_ms', private.epoch_ms(p_now),
    'before', p_rollout.checkpoint, 'minutes', v_taken.minutes, 'path', v_taken.path, 'after', v_taken.state,
    'signals', coalesce(p_signals, private.rollout_signals(p_rollout, v_stage, p_now)),
    'alarm', v_taken.alarm, 'progress', case when v_taken.alarm is null then private.guard_progress(v_criteria, v_taken.state,
      private.epoch_ms(p_rollout.stage_started_at), private.epoch_ms(p_now)) end);
end $$;
comment on function private.rollout_evidence(public.rollouts, bigint, timestamptz, private.guard_taken, jsonb) is
  'The evidence of a verdict up to the minute p_to: what replay() in _shared/rollouts/replay.ts recomputes it from. p_taken is what came of taking those minutes into rollouts.guard, where that was done already; p_signals, what people and business metrics say.';

-- What a move is made of: the flag, the rollout and its stages in one transaction -----------------

create function private.stage_figures(p_stage public.rollout_stages) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('stage', p_stage.name, 'percentage', trim_scale(p_stage.percentage))
    || case when p_stage.users is not null
      then jsonb_build_object('users', cardinality(p_stage.chosen), 'of_users', p_stage.users) else '{}' end
$$;
comment on function private.stage_figures(public.rollout_stages) is 'What an event tells of the stage that began with it.';

create function private.choose_users(p_rollout public.rollouts, p_stage public.rollout_stages, p_now timestamptz) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  -- Who was chosen stays chosen, whoever came since.
  v_chosen text[] := coalesce((
    select s.chosen from public.rollout_stages s
    where s.rollout_id = p_rollout.id and s.position <= p_stage.position and s.chosen <> '{}' order by s.position desc limit 1), '{}');
  v_salt text := coalesce((select s.metadata ->> 'salt' from public.settings s where s.key = p_rollout.flag_key), p_rollout.flag_key);
begin
  v_chosen := v_chosen || array(
    select c.id
    from (
      select distinct m.subject_id as id from public.segment_members m where m.segment_key = any (p_stage.among)
      union
      select l.id from (
        -- A hash for each: not for millions.
        select x.contact_id::text as id
        from public.conversations x join public.contacts k on k.id = x.contact_id and k.merged_into is null
        where p_stage.among = '{}' and x.last_inbound_at > p_now - interval '90 days'
        order by x.last_inbound_at desc limit 50000) l
    ) c
    where c.id <> all (v_chosen)
    order by private.murmur3_32(convert_to(v_salt || c.id, 'UTF8')), c.id
    limit greatest(0, p_stage.users - cardinality(v_chosen)));
  return v_chosen;
end $$;
comment on function private.choose_users(public.rollouts, public.rollout_stages, timestamptz) is
  'Who is chosen for a stage of so many users: those of the stages before, and the next by the hash that percentages go by, so that they are the first who have it at a percentage too. Without segments, of the 50,000 people who wrote last. Fewer where there are not so many.';

-- The people of earlier stages keep the feature.
create function private.enter_stage(p_rollout public.rollouts, p_position integer, p_now timestamptz) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts := p_rollout;
  v_stage public.rollout_stages;
  v_flag public.settings;
  v_users text[] := '{}';
begin
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_position;
  if v_stage.users is not null then
    -- Before the flag is locked: it takes a moment, and the way back must not wait for it.
    v_users := private.choose_users(p_rollout, v_stage, p_now);
    update public.rollout_stages s set chosen = v_users where s.rollout_id = p_rollout.id and s.position = p_position;
  end if;
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  perform set_config('gatelink.gates', 'rollout', true);
  v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata
    || jsonb_build_object('rollout_percentage', trim_scale(v_stage.percentage))
    || case when v_stage.user_ids || v_users <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_stage.user_ids || v_users) order by 1))) else '{}' end
    || case when v_stage.segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(v_stage.segments) order by 1))) else '{}' end,
    v_flag.version, format('rollout %s: stage %s, %s', p_rollout.id, p_position, v_stage.name));
  perform set_config('gatelink.gates', '', true);
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

create function private.end_rollout(p_rollout public.rollouts, p_state text, p_now timestamptz) returns public.rollouts
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_flag public.settings;
begin
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  if p_state = 'completed' then
    perform set_config('gatelink.gates', 'rollout', true);
    v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata || jsonb_build_object('rollout_percentage', 100,
      'launched_at', to_jsonb(p_now)), v_flag.version, format('rollout %s: completed', p_rollout.id));
    perform set_config('gatelink.gates', '', true);
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
    perform private.log_rollout(v_rollout, p_now, 'advanced', private.stage_figures(v_stage)
      || jsonb_build_object('paused', v_rollout.state = 'paused'), p_verdict, p_rule, p_evidence, p_reason);
  else
    v_rollout := private.end_rollout(p_rollout, 'completed', p_now);
    perform private.log_rollout(v_rollout, p_now, 'completed', '{}', p_verdict, p_rule, p_evidence, p_reason);
  end if;
  return v_rollout;
end $$;
comment on function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text) is
  'Takes a rollout whose row the caller has locked to its next stage, or completes it after the last. One that is paused stays paused.';

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

-- People plan a rollout, start it, and move it where they know better than the guard --------------

create function public.create_rollout(p_flag_key text, p_plan jsonb, p_reason text default null, p_id uuid default null)
returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_plan jsonb := p_plan;
  v_faults text[];
  v_segment text;
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  -- Who names the id asks again after a lost answer.
  select r.* into v_rollout from public.rollouts r where r.id = p_id;
  if v_rollout.id is not null then
    if v_rollout.flag_key <> p_flag_key then
      raise exception 'this rollout has been created already, for %', v_rollout.flag_key using errcode = 'GL409';
    end if;
    return v_rollout;
  end if;
  if p_plan ? 'template' then
    if not private.object_keys_within(p_plan, array['template', 'user_ids', 'segments']) then
      raise exception 'beside template only user_ids and segments may be given' using errcode = 'GL422';
    end if;
    v_plan := private.rollout_template(p_plan ->> 'template', p_plan -> 'user_ids', p_plan -> 'segments');
    if v_plan is null then
      raise exception 'there is no template %', p_plan ->> 'template' using errcode = 'GL422', hint = 'standard, canary, replies or masking';
    end if;
  end if;
  v_faults := private.rollout_plan_faults(v_plan);
  if v_faults <> '{}' then
    raise exception 'the plan cannot be followed: %', array_to_string(v_faults, '; ') using errcode = 'GL422';
  end if;
  if p_flag_key is null or p_flag_key not like '%.enabled' or not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404', hint = 'Make it first, off: set_flag.';
  end if;
  select k.key into v_segment from jsonb_array_elements(v_plan -> 'stages') s,
    jsonb_array_elements_text(coalesce(s -> 'segments', '[]') || coalesce(s -> 'among', '[]')) as k (key)
  where not exists (select from public.segments g where g.key = k.key) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  insert into public.rollouts (id, flag_key, plan) values (coalesce(p_id, private.uuid_v7()), p_flag_key, coalesce(v_plan ->> 'name', 'custom'))
  returning * into v_rollout;
  insert into public.rollout_stages (rollout_id, position, name, percentage, user_ids, segments, users, among, hold_minutes, min_samples,
    overdue_minutes, advance_when, roll_back_when, first_day, metrics)
  select v_rollout.id, s.i, s.stage ->> 'name', (s.stage ->> 'percentage')::numeric, private.text_array(s.stage -> 'user_ids'),
    private.text_array(s.stage -> 'segments'), (s.stage ->> 'users')::integer, private.text_array(s.stage -> 'among'),
    (s.stage ->> 'hold_minutes')::integer, (s.stage ->> 'min_samples')::integer,
    (s.stage ->> 'overdue_minutes')::integer, s.stage -> 'advance_when', s.stage -> 'roll_back_when',
    s.stage -> 'first_day', coalesce(s.stage -> 'metrics', '[]')
  from jsonb_array_elements(v_plan -> 'stages') with ordinality as s (stage, i);
  perform private.log_rollout(v_rollout, clock_timestamp(), 'created',
    jsonb_build_object('flag', p_flag_key, 'plan', v_rollout.plan), p_reason => p_reason, p_tell => false);
  return v_rollout;
end $$;
comment on function public.create_rollout(text, jsonb, text, uuid) is
  'Plans a rollout of a flag, not yet started: {template: standard, canary, replies or masking, user_ids, segments}, or a plan {name, stages}; the same p_id again is the same rollout. For operators and secret keys. Errors: GL422 with what is wrong with the plan, GL404 no such flag or segment.';

-- Failure policy: closed. Gates that nobody has looked at, and open ones, are passed for a reason only.
create function private.start_gates(p_gates jsonb, p_reason text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_gates jsonb := case when jsonb_typeof(p_gates -> 'gates') = 'array' then p_gates -> 'gates' end;
  v_asked boolean := coalesce(jsonb_path_exists(v_gates, '$[*] ? (@.status == "passed" || @.status == "not_applicable" || @.status == "open")'), false);
  v_open text := (select string_agg(g ->> 'id', ', ') from jsonb_array_elements(v_gates) g
    where coalesce(g ->> 'status', '') not in ('passed', 'not_applicable', 'not_checked'));
  v_override text := nullif(btrim(p_gates ->> 'override'), '');
begin
  if not v_asked or v_open is not null then
    v_override := coalesce(v_override, private.given_reason(p_reason));
    if v_override is null then
      raise exception '%', case when v_asked then 'launch gates are open: ' || v_open else 'the launch gates were not asked' end
        using errcode = 'GL422', hint = 'Close them, or give a reason to start none the less; it is kept with the rollout.';
    end if;
  end if;
  return coalesce(nullif(p_gates, 'null'), '{}') || jsonb_build_object('gates', v_gates, 'override', v_override, 'asked', v_asked);
end $$;
comment on function private.start_gates(jsonb, text) is
  'What is kept of the launch gates with a start: {gates, override, asked}. GL422 where they were not asked, or one is open, and there is neither an override nor a reason.';

-- A later migration makes what it asks, and a team may take it back. Failure policy: closed, as start_gates.
create function private.step_gate(p_flag_key text, p_targets text[], p_gates jsonb, p_reason text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_step jsonb;
begin
  if to_regprocedure('private.step_stability(text, text[], timestamptz)') is not null then
    v_step := private.step_stability(p_flag_key, p_targets, p_now);
  end if;
  if v_step is null then
    return '{}';
  end if;
  if not (v_step ->> 'stable')::boolean and coalesce(nullif(btrim(p_gates ->> 'override'), ''), private.given_reason(p_reason)) is null then
    raise exception 'the step before, %, has not been stable for 24 hours: %', v_step ->> 'flag', v_step ->> 'because'
      using errcode = 'GL422', detail = (v_step -> 'figures')::text, hint = 'gatelink messages steps says what is in the way. Or give a reason to start none the less; it is kept with the rollout.';
  end if;
  return jsonb_build_object('step', v_step);
end $$;
comment on function private.step_gate(text, text[], jsonb, text, timestamptz) is
  'What is kept with the start of a rollout of masked messaging about the step before: {step}; nothing of other flags. GL422 where that has not been stable for 24 hours, and there is neither an override nor a reason.';

create function public.start_rollout(p_id uuid, p_expected_version bigint, p_reason text default null, p_gates jsonb default null)
returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_stage public.rollout_stages;
  v_flag public.settings;
  v_gates jsonb;
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
    raise exception '% is on for % %% already, and the first stage would take it away from some', v_flag.key, trim_scale(v_now)
      using errcode = 'GL409', hint = 'Turn it off first, or begin with a larger stage.';
  end if;
  v_gates := private.start_gates(p_gates, p_reason);
  v_gates := v_gates || private.step_gate(v_rollout.flag_key, v_stage.user_ids, p_gates, p_reason, clock_timestamp());
  v_rollout := private.enter_stage(v_rollout, 1, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'started', jsonb_build_object('plan', v_rollout.plan)
    || private.stage_figures(private.rollout_stage(v_rollout)), p_evidence => v_gates, p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.start_rollout(uuid, bigint, text, jsonb) is
  'Starts a rollout: sets the flag to the first stage. p_gates, {gates: [{id, status, detail}], override}, is kept with the event. For operators and secret keys. Errors: GL422 the gates were not asked or one is open, or the step before in its plan has not been stable for 24 hours, and no reason is given, GL409 stale version, not a draft, another one under way, or the flag is on for more people already; GL404.';

create function public.pause_rollout(p_id uuid, p_expected_version bigint, p_reason text default null) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running']);
  update public.rollouts r set state = 'paused', hold_reason = 'paused', version = r.version + 1 where r.id = p_id returning r.* into v_rollout;
  perform private.log_rollout(v_rollout, clock_timestamp(), 'paused',
    jsonb_build_object('stage', (private.rollout_stage(v_rollout)).name), p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.pause_rollout(uuid, bigint, text) is
  'Keeps a rollout where it is. The guard still watches, and rolls back. For operators and secret keys. Errors: GL409 stale version or not running, GL404.';

create function public.resume_rollout(p_id uuid, p_expected_version bigint, p_reason text default null) returns public.rollouts
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['paused']);
  v_rollout := private.enter_stage(v_rollout, v_rollout.stage, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'resumed',
    jsonb_build_object('stage', (private.rollout_stage(v_rollout)).name), p_reason => p_reason);
  return v_rollout;
end $$;
comment on function public.resume_rollout(uuid, bigint, text) is
  'Goes on with a paused rollout: the flag is set to its stage again, and the stage begins anew. For operators and secret keys. Errors: GL409 stale version or not paused, GL404.';

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

create function public.roll_back_rollout(p_id uuid, p_expected_version bigint, p_reason text) returns public.rollouts
language plpgsql volatile security definer set search_path = '' set lock_timeout = '800ms' as $$
declare
  v_rollout public.rollouts;
  v_evidence jsonb;
  v_flag text := (select r.flag_key from public.rollouts r where r.id = p_id);
begin
  perform private.require_role('operator');
  begin
    v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
    v_evidence := private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
    v_rollout := private.end_rollout(v_rollout, 'rolled_back', clock_timestamp());
    perform private.log_rollout(v_rollout, clock_timestamp(), 'rolled_back', '{}', null, 'by_hand', v_evidence, p_reason);
  exception when lock_not_available then
    perform private.refuse_locked('the rollout of ' || v_flag, array['public.settings', 'public.rollouts', 'public.rollout_stages'],
      private.without_database(v_flag));
  end;
  return v_rollout;
end $$;
comment on function public.roll_back_rollout(uuid, bigint, text) is
  'Turns the flag off and ends the rollout. For operators and secret keys. Errors: GL409 stale version or not under way, GL404, GL423 within 2 s where another transaction holds a row of it, with who.';

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
  perform private.log_rollout(v_rollout, clock_timestamp(), 'completed', '{"early": true}', null, 'by_hand', v_evidence, p_reason);
  return v_rollout;
end $$;
comment on function public.complete_rollout(uuid, bigint, text) is
  'Turns the flag on for everybody and ends the rollout, whatever stages are left. For operators and secret keys. Errors: GL409 stale version or not under way, GL422 no reason, GL404.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.create_rollout(text, jsonb, text, uuid),
  public.start_rollout(uuid, bigint, text, jsonb),
  public.pause_rollout(uuid, bigint, text),
  public.resume_rollout(uuid, bigint, text),
  public.advance_rollout(uuid, bigint, text),
  public.roll_back_rollout(uuid, bigint, text),
  public.complete_rollout(uuid, bigint, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001900');
