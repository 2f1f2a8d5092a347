-- Incidents: how one is opened and changed, and what it does to rollouts.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What an incident does to rollouts ---------------------------------------------------------------

create function private.incident_in_the_way(p_flag_key text) returns bigint
language sql stable set search_path = '' as $$
  select i.number from public.incidents i
  where i.status <> 'resolved' and private.stops_launch(i.kind, i.severity) and coalesce(i.flag_key, p_flag_key) = p_flag_key
  order by i.severity, i.opened_at limit 1
$$;
comment on function private.incident_in_the_way(text) is
  'The number of the worst open incident that stops a feature: of its own flag, or of no one''s; null where there is none.';

-- Failure policy: an incident is open whether or not the rollout could be taken back; the note says that it could not.
create function private.take_back(p_incident public.incidents, p_now timestamptz) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_incident public.incidents := p_incident;
  v_reason text := left(format('incident %s: %s', p_incident.number, p_incident.title), 500);
begin
  if p_incident.flag_key is null or not private.stops_launch(p_incident.kind, p_incident.severity) then
    return v_incident;
  end if;
  begin
    select * into v_rollout from public.rollouts r
    where r.flag_key = p_incident.flag_key and r.state in ('running', 'paused') for update;
    if found then
      perform public.roll_back_rollout(v_rollout.id, v_rollout.version, v_reason);
      update public.incidents i set rollout_id = v_rollout.id where i.id = p_incident.id returning i.* into v_incident;
      perform private.write_incident(v_incident, 'taken_back', p_now, null,
        jsonb_build_object('rollout_id', jsonb_build_object('from', p_incident.rollout_id, 'to', v_rollout.id)));
      perform private.notify_incident(v_incident, 'incident_taken_back', format('The rollout of %s is rolled back: the flag is off.', p_incident.flag_key), p_now);
    end if;
  exception when others then
    perform private.write_incident(v_incident, 'noted', p_now,
      format('The rollout of %s could not be taken back (%s): take the flag itself back.', p_incident.flag_key, sqlstate));
  end;
  return v_incident;
end $$;
comment on function private.take_back(public.incidents, timestamptz) is
  'Takes the rollout under way of an incident''s flag back, where the incident is one that does.';

-- On for everybody again is no launch: a brake that was pulled may be let go. Nor is a switch of the gateway itself: what is
-- down may need it to come up.
create function private.launches(p_new public.settings, p_old public.settings) returns boolean
language sql stable set search_path = '' as $$
  select p_new.value = 'true' and (
    coalesce(p_new.metadata ->> 'launched_at', '') <> '' and coalesce(p_old.metadata ->> 'launched_at', '') = ''
    or private.opens_to_everybody('true', p_new.metadata)
      and not (coalesce(p_old.value, '') = 'true' and private.opens_to_everybody('true', p_old.metadata))
      and not (p_new.key ~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$' and not p_new.metadata ? 'rollout_percentage'
        and private.opens_to_everybody('true', coalesce(p_old.metadata, '{}')))
      and not (private.opens_to_everybody('true', coalesce(p_old.metadata, '{"target_user_ids": []}')) and exists (
        select from public.settings_history h
        where h.key = p_new.key and h.version <= p_old.version and h.after ->> 'value' = 'true'
          and private.opens_to_everybody('true', h.after -> 'metadata'))))
$$;
comment on function private.launches(public.settings, public.settings) is
  'Whether a flag is launched by being written so: marked as launched, or on for everybody, new or where it was on for fewer or had never been on for everybody. The second is the row before, null for none.';

create function private.refuse_launch() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_number bigint;
begin
  if tg_table_name = 'rollouts' then
    if new.state = 'completed' and old.state <> 'completed' or new.state in ('running', 'paused') and new.stage <> old.stage and exists (
      select from public.rollout_stages s where s.rollout_id = new.id and s.position = new.stage and s.percentage = 100) then
      v_number := private.incident_in_the_way(new.flag_key);
    end if;
  elsif new.key like '%.enabled' and private.launches(new, case when tg_op = 'UPDATE' then old end) then
    v_number := private.incident_in_the_way(new.key);
  end if;
  if v_number is not null then
    raise exception 'incident % is open: nothing is launched meanwhile', v_number using errcode = 'GL409',
      hint = format('gatelink incident show %s: resolve it, or say that it is less severe.', v_number);
  end if;
  return new;
end $$;
comment on function private.refuse_launch() is
  'Trigger, before insert or update, and of settings at the end of the transaction too: a rollout is not completed nor taken to 100 %, and a flag not marked as launched, nor made or raised to be on for everybody, while a severe incident is open (GL409).';
create trigger refuse_launch before update on public.rollouts for each row execute function private.refuse_launch();
comment on trigger refuse_launch on public.rollouts is 'No launch during an incident, by whichever door.';
create trigger refuse_launch before insert or update on public.settings for each row execute function private.refuse_launch();
comment on trigger refuse_launch on public.settings is 'No launch during an incident, by whichever door.';
-- An incident that was opened since the row was written, and nobody waits for a lock: neither who opens one may.
create constraint trigger refuse_launch_at_end after insert or update on public.settings deferrable initially deferred
  for each row when (new.key like '%.enabled' and new.value = 'true') execute function private.refuse_launch();
comment on trigger refuse_launch_at_end on public.settings is 'Nor by a transaction that began before the incident did.';

-- A way back that was taken belongs to the incident because of which it was.
create function private.link_rollback() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  begin
  for v_incident in
    update public.incidents i set rollback_id = new.id, version = i.version + 1
    where i.status <> 'resolved' and i.rollback_id is null and new.ok
      and (new.level in (1, 2) and i.flag_key in (new.target, new.target || '.enabled') or new.reason ~ format('\mincident #?%s\M', i.number))
    returning i.*
  loop
    perform private.write_incident(v_incident, 'taken_back', new.recorded_at, null,
      jsonb_build_object('rollback_id', jsonb_build_object('from', null, 'to', new.id), 'level', new.level));
    perform private.notify_incident(v_incident, 'incident_taken_back',
      format('Way back %s was taken (%s), and verified.', new.level, new.target), new.recorded_at);
  end loop;
  exception when others then
    -- That a way back was taken is written down whatever becomes of the incident.
    raise warning 'the way back % could not be linked with an incident: %', new.id, sqlerrm;
  end;
  return null;
end $$;
comment on function private.link_rollback() is
  'Trigger, after insert of rollback_events: links a way back that worked with open incidents of its flag, and with the one that its reason names.';
create trigger link_incident after insert on public.rollback_events for each row execute function private.link_rollback();
comment on trigger link_incident on public.rollback_events is 'An incident knows which way back was taken.';

-- Opening -----------------------------------------------------------------------------------------

create function private.open_incident(
  p_title text, p_kind text, p_severity text, p_flag_key text, p_component text, p_public boolean, p_cause text, p_text text,
  p_public_text text, p_rollout_id uuid, p_now timestamptz
) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_incident public.incidents;
  v_kind text := coalesce(p_kind, 'other');
  v_first integer;
begin
  -- Asked first, for each number that an insert takes is gone.
  if exists (select from public.incidents i where i.cause = p_cause and i.status <> 'resolved') then
    return null;
  end if;
  insert into public.incidents (title, kind, severity, status, flag_key, component, public, cause, rollout_id, opened_at, escalates_from)
  values (btrim(p_title), v_kind,
    coalesce(p_severity, (select k.severity from private.incident_kinds() k where k.kind = v_kind), 'P2'),
    case when p_rollout_id is null then 'investigating' else 'identified' end,
    p_flag_key, p_component, p_public, p_cause, p_rollout_id, p_now, p_now)
  on conflict (cause) where status <> 'resolved' do nothing
  returning * into v_incident;
  if v_incident.id is null then
    return null;
  end if;
  -- The first day after a launch nobody waits for the first step.
  if private.just_launched(p_now, p_flag_key) then
    select min(e.after_minutes) into v_first from public.escalation_steps e where e.severity = v_incident.severity;
    v_incident.escalates_from := p_now - make_interval(mins => coalesce(v_first, 0));
  end if;
  update public.incidents i
  set escalates_from = v_incident.escalates_from, escalate_at = private.next_escalation(v_incident, p_now)
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'opened', p_now, p_text);
  if p_public then
    perform private.write_incident(v_incident, 'published', p_now, p_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_incident, 'incident_opened', coalesce(p_text, p_public_text), p_now);
  v_incident := private.take_back(v_incident, p_now);
  perform private.escalate_incidents(p_now);
  select * into v_incident from public.incidents i where i.id = v_incident.id;
  return v_incident;
end $$;
comment on function private.open_incident(text, text, text, text, text, boolean, text, text, text, uuid, timestamptz) is
  'Opens an incident: writes it down, tells of it, takes the rollout of its flag back where it is severe, and escalates at once on the first day after a launch. Null where an incident of this cause is open.';

create function public.open_incident(
  p_title text, p_kind text default 'other', p_severity text default null, p_flag_key text default null, p_component text default null,
  p_public boolean default false, p_note text default null, p_public_text text default null
) returns public.incidents
language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
begin
  perform private.require_role('operator');
  if p_flag_key is not null and not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  elsif p_public_text is not null and not coalesce(p_public, false) then
    raise exception 'words for the public need a public incident' using errcode = 'GL422', hint = 'p_public: true';
  end if;
  return private.open_incident(p_title, p_kind, p_severity, p_flag_key, p_component, coalesce(p_public, false), null,
    private.given_reason(p_note), private.given_reason(p_public_text), null, clock_timestamp());
end $$;
comment on function public.open_incident(text, text, text, text, text, boolean, text, text) is
  'Opens an incident of a kind of the decision matrix, which says how severe it is unless p_severity does. Severe ones (P0, P1, security, critical_bug) take the rollout under way of their flag back and stop launches. p_note is for the team, p_public_text for the status page. For operators and secret keys. Errors: 42501 not allowed, GL404 no such flag, GL422 or 23514 what cannot be.';

-- What the guard took back by itself is an incident that nobody has seen yet; how severe, the last 15 minutes tell.
create function private.open_for_rollback() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag text;
  v_rate double precision;
  v_slow boolean := new.rule like 'p95%' or new.rule = 'mean_plain';
begin
  select r.flag_key into v_flag from public.rollouts r where r.id = new.rollout_id;
  select sum(m.failed)::double precision / nullif(sum(m.n), 0) into v_rate from public.flag_metrics m
  where m.flag_key = v_flag and m.arm = 'on' and m.minute > new.at - interval '15 minutes';
  perform private.open_incident(
    format('%s was taken back by the guard: %s', v_flag, case when v_slow then 'it became slow' when new.rule = 'complaints' then 'people complained'
      when new.rule = 'guardrail' then format('%s fell', new.figures ->> 'metric')
      when new.rule in ('share', 'too_many') then format('%s is outside of its limits', new.figures ->> 'metric') when new.rule = 'database_errors' then 'its database calls failed'
      when new.rule = 'memory_growth' then 'its memory grew' else 'too many failed' end),
    case when v_slow or new.rule = 'memory_growth' then 'performance' when new.rule = 'complaints' then 'complaints' when new.rule in ('guardrail', 'share', 'too_many') then 'other' else 'error_rate' end,
    case when not v_slow and v_rate > 0.05 then 'P0' else 'P1' end,
    v_flag, null, false, format('rollout:%s', new.rollout_id), null, null, new.rollout_id, new.at);
  return null;
exception when others then
  -- The flag is off, and that stands: the incident is told, the rollback is told as well.
  raise warning 'no incident could be opened for rollout %: % (%)', new.rollout_id, sqlerrm, sqlstate;
  return null;
end $$;
comment on function private.open_for_rollback() is
  'Trigger, after insert of rollout_events: opens an incident where the guard rolled back, P0 where more than 5 % failed, else P1; once a rollout.';
create trigger open_incident after insert on public.rollout_events
  for each row when (new.kind = 'rolled_back' and new.verdict = 'roll_back') execute function private.open_for_rollback();
comment on trigger open_incident on public.rollout_events is 'Somebody has to look why it was taken back.';

-- Changing ----------------------------------------------------------------------------------------

create function private.incident_at(p_number bigint, p_expected_version bigint) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  select * into v_incident from public.incidents i where i.number = p_number for update;
  if v_incident.id is null then
    raise exception 'there is no incident %', p_number using errcode = 'GL404', hint = 'gatelink incident list';
  elsif p_expected_version is not null and v_incident.version <> p_expected_version then
    raise exception 'incident % is at version %, not %', p_number, v_incident.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_incident;
end $$;
comment on function private.incident_at(bigint, bigint) is 'Locks an incident that is at this version (null: at any); GL404 or GL409 when it is not.';

create function private.change_incident(
  p_number bigint, p_expected_version bigint, p_changes jsonb, p_note text, p_public_text text, p_now timestamptz
) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_was public.incidents := private.incident_at(p_number, p_expected_version);
  v_now public.incidents;
  v_changes jsonb;
  v_note text := private.given_reason(p_note);
  v_public_text text := private.given_reason(p_public_text);
begin
  if not private.object_keys_within(p_changes, array['title', 'kind', 'severity', 'status', 'flag_key', 'component', 'public', 'rollback_id']) then
    raise exception 'an incident has title, kind, severity, status, flag_key, component, public and rollback_id to be changed' using errcode = 'GL422';
  elsif exists (
    select from jsonb_each(p_changes) c
    where case when c.key = 'public' then jsonb_typeof(c.value) <> 'boolean'
      when c.key in ('flag_key', 'component', 'rollback_id') and c.value = 'null' then false
      else jsonb_typeof(c.value) <> 'string' or c.key = 'rollback_id' and not pg_input_is_valid(c.value #>> '{}', 'uuid') end) then
    raise exception 'the changes of an incident are texts, but public is true or false' using errcode = 'GL422',
      hint = 'flag_key, component and rollback_id (a UUID) may be null.';
  elsif p_changes ->> 'status' = 'resolved' then
    raise exception 'an incident is resolved by resolve_incident' using errcode = 'GL422';
  elsif p_changes ->> 'flag_key' is not null and not exists (select from public.settings s where s.key = p_changes ->> 'flag_key') then
    raise exception 'there is no flag %', p_changes ->> 'flag_key' using errcode = 'GL404';
  end if;
  v_now := jsonb_populate_record(v_was, p_changes);
  v_now.title := btrim(v_now.title);
  -- Opened again: it counts from now.
  if v_was.status = 'resolved' and p_changes ? 'status' then
    v_now.resolved_at := null;
    v_now.resolved_by := null;
    v_now.escalates_from := p_now;
  end if;
  -- A title may name a person: it stands where an erasure finds it.
  select jsonb_object_agg(k.key, case k.key when 'title' then jsonb_build_object('detail', v_was.title)
    else jsonb_build_object('from', to_jsonb(v_was) -> k.key, 'to', to_jsonb(v_now) -> k.key) end) into v_changes
  from jsonb_object_keys(p_changes) as k (key)
  where to_jsonb(v_was) -> k.key is distinct from to_jsonb(v_now) -> k.key;
  if v_changes is null and v_note is null and v_public_text is null then
    return v_was;
  elsif v_public_text is not null and not v_now.public then
    raise exception 'incident % is not public', p_number using errcode = 'GL422', hint = 'Make it public in the same call: {"public": true}.';
  end if;
  update public.incidents i
  set title = v_now.title, kind = v_now.kind, severity = v_now.severity, status = v_now.status, flag_key = v_now.flag_key,
    component = v_now.component, public = v_now.public, rollback_id = v_now.rollback_id, resolved_at = v_now.resolved_at,
    resolved_by = v_now.resolved_by, escalates_from = v_now.escalates_from, version = i.version + 1
  where i.id = v_was.id returning i.* into v_now;
  if v_changes ? 'severity' or v_was.status = 'resolved' and v_now.status <> 'resolved' then
    update public.incidents i set escalated = 0, escalate_at = private.next_escalation(jsonb_populate_record(v_now, '{"escalated": 0}'), p_now)
    where i.id = v_now.id returning i.* into v_now;
  end if;
  if v_changes is not null then
    perform private.write_incident(v_now, 'changed', p_now, v_note, v_changes);
  elsif v_note is not null then
    perform private.write_incident(v_now, 'noted', p_now, v_note);
  end if;
  if v_now.public and (v_public_text is not null or v_changes ?| array['status', 'public']) then
    perform private.write_incident(v_now, 'published', p_now, v_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_now, 'incident_updated', coalesce(v_note, v_public_text), p_now);
  if v_changes ?| array['severity', 'kind', 'flag_key'] then
    v_now := private.take_back(v_now, p_now);
  end if;
  return v_now;
end $$;
comment on function private.change_incident(bigint, bigint, jsonb, text, text, timestamptz) is 'update_incident with the time given.';

create function public.update_incident(
  p_number bigint, p_expected_version bigint, p_changes jsonb default '{}', p_note text default null, p_public_text text default null
) returns public.incidents
language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
begin
  perform private.require_role('operator');
  if p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  end if;
  return private.change_incident(p_number, p_expected_version, coalesce(p_changes, '{}'), p_note, p_public_text, clock_timestamp());
end $$;
comment on function public.update_incident(bigint, bigint, jsonb, text, text) is
  'Changes an incident if it still is at the version that was read: {title, kind, severity, status, flag_key, component, public, rollback_id}, a note for the team, words for the status page. One that becomes severe takes the rollout of its flag back. A status given to a resolved one opens it again. For operators and secret keys. Errors: 42501, GL404 no such incident or flag, GL409 somebody else was faster, GL422 and 23514 what cannot be.';

create function private.acknowledge_incident(p_number bigint, p_now timestamptz) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_incident public.incidents := private.incident_at(p_number, null);
begin
  if v_incident.acknowledged_at is not null or v_incident.status = 'resolved' then
    return v_incident;
  end if;
  update public.incidents i
  set acknowledged_at = p_now, acknowledged_by = private.actor(), escalate_at = null, version = i.version + 1
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'acknowledged', p_now);
  perform private.notify_incident(v_incident, 'incident_acknowledged', null, p_now);
  return v_incident;
end $$;
comment on function private.acknowledge_incident(bigint, timestamptz) is 'acknowledge_incident with the time given.';

create function public.acknowledge_incident(p_number bigint) returns public.incidents
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return private.acknowledge_incident(p_number, clock_timestamp());
end $$;
comment on function public.acknowledge_incident(bigint) is
  'Says that somebody has an incident in hand: nobody else is called. Whoever was first stays; once more changes nothing, so no version is asked for. For operators and secret keys. Errors: 42501, GL404.';

create function private.resolve_incident(p_number bigint, p_expected_version bigint, p_note text, p_public_text text, p_now timestamptz)
returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_incident public.incidents := private.incident_at(p_number, p_expected_version);
  v_note text := private.given_reason(p_note);
  v_public_text text := private.given_reason(p_public_text);
  v_was text := v_incident.status;
begin
  if v_was = 'resolved' then
    raise exception 'incident % is resolved', p_number using errcode = 'GL409', hint = 'To reopen it, give it a status: gatelink incident update.';
  elsif v_public_text is not null and not v_incident.public then
    raise exception 'incident % is not public', p_number using errcode = 'GL422';
  end if;
  update public.incidents i
  set status = 'resolved', resolved_at = p_now, resolved_by = private.actor(), escalate_at = null, version = i.version + 1
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'resolved', p_now, v_note, jsonb_build_object('status', jsonb_build_object('from', v_was, 'to', 'resolved')));
  if v_incident.public then
    perform private.write_incident(v_incident, 'published', p_now, v_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_incident, 'incident_resolved', coalesce(v_note, v_public_text), p_now);
  return v_incident;
end $$;
comment on function private.resolve_incident(bigint, bigint, text, text, timestamptz) is 'resolve_incident with the time given, at any version where that is null.';

create function public.resolve_incident(p_number bigint, p_expected_version bigint, p_note text default null, p_public_text text default null)
returns public.incidents
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  if p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  end if;
  return private.resolve_incident(p_number, p_expected_version, p_note, p_public_text, clock_timestamp());
end $$;
comment on function public.resolve_incident(bigint, bigint, text, text) is
  'Ends an incident if it still is at the version that was read: p_note is for the team, p_public_text for the status page. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster or it is resolved, GL422.';

-- A part of the system that is down, as private.watch tells of it.
create function private.incident_of_part(p_kind text, p_part jsonb, p_now timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_component text := p_part ->> 'component';
  v_incident public.incidents;
begin
  if p_kind = 'failing' then
    if p_part ->> 'status' = 'down' or private.just_launched(p_now) then
      perform private.open_incident(format('%s is %s', v_component, p_part ->> 'status'), 'outage', null, null, v_component, false,
        format('health:%s', v_component), null, null, null, p_now);
    end if;
    -- What failed after it was said to be mended is not mended. What somebody has said since the failure stands.
    select * into v_incident from public.incidents i
    where i.cause = format('health:%s', v_component) and i.status = 'monitoring' and (
      select max(u.at) from public.incident_updates u where u.incident_id = i.id and u.changes ? 'status') < (
      select s.since from private.part_states s where s.component = v_component);
    if found then
      perform private.change_incident(v_incident.number, null, '{"status": "investigating"}', 'It fails again.', null, p_now);
    end if;
    return;
  end if;
  select * into v_incident from public.incidents i where i.cause = format('health:%s', v_component) and i.status <> 'resolved' for update;
  if found and v_incident.acknowledged_at is null then
    perform private.resolve_incident(v_incident.number, null, 'It does well again, by itself.', null, p_now);
  elsif found then
    perform private.change_incident(v_incident.number, null, '{"status": "monitoring"}', 'It does well again.', null, p_now);
  end if;
exception when others then
  raise warning 'no incident could be kept for %: % (%)', v_component, sqlerrm, sqlstate;
end $$;
comment on function private.incident_of_part(text, jsonb, timestamptz) is
  'Opens an incident for a part of health that has been down for two minutes (on the first day after a launch: that is down or degraded), once; one that is monitored and fails again is investigated again. When it recovers, resolves it, or where somebody has it in hand says so.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.incident_in_the_way(text),
  private.incident_of_part(text, jsonb, timestamptz)
  to service_role;
grant execute on function
  public.open_incident(text, text, text, text, text, boolean, text, text),
  public.update_incident(bigint, bigint, jsonb, text, text),
  public.acknowledge_incident(bigint),
  public.resolve_incident(bigint, bigint, text, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002152');
