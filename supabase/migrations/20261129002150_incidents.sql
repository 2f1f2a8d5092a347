-- Incidents: what went wrong, how severe it is, who has it in hand; who is called when nobody has; what the public reads;
-- and what an open incident stops. Severities and kinds stand in _shared/contract/incidents.ts too, and a test holds both.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Severities and kinds ----------------------------------------------------------------------------

create function private.incident_severities() returns table (severity text, acknowledge_minutes integer, repeat_minutes integer)
language sql immutable parallel safe set search_path = '' as $$
  values ('P0', 5, 30), ('P1', 15, 60), ('P2', null, null)
$$;
comment on function private.incident_severities() is
  'Severities from the worst: minutes until somebody must have acknowledged, and between two calls of the last of the escalation; null where nobody is woken.';

create function private.incident_kinds() returns table (kind text, severity text)
language sql immutable parallel safe set search_path = '' as $$
  values ('error_rate', 'P0'), ('security', 'P0'), ('performance', 'P1'), ('critical_bug', 'P1'), ('complaints', 'P1'), ('flag_stuck', 'P0'),
    ('release', 'P0'), ('data', 'P0'), ('outage', 'P1'), ('bug', 'P2'), ('confusion', 'P2'), ('other', 'P2')
$$;
comment on function private.incident_kinds() is 'Kinds of incidents, and the severity of each unless somebody says otherwise: the decision matrix.';

create function private.stops_launch(p_kind text, p_severity text) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select p_severity in ('P0', 'P1') or p_kind in ('security', 'critical_bug')
$$;
comment on function private.stops_launch(text, text) is
  'Whether such an incident takes a rollout back and stands in the way of a launch: P0, P1, and of any severity a matter of security or a critical bug.';

-- Tables ------------------------------------------------------------------------------------------

create table public.incidents (
  id uuid constraint incidents_pkey primary key default private.uuid_v7(),
  number bigint not null generated always as identity constraint incidents_number_key unique,
  title text not null constraint incidents_title check (char_length(btrim(title)) between 1 and 200),
  kind text not null constraint incidents_kind_known check (kind in ('error_rate', 'security', 'performance', 'critical_bug', 'complaints',
    'flag_stuck', 'release', 'data', 'outage', 'bug', 'confusion', 'other')),
  severity text not null constraint incidents_severity_known check (severity in ('P0', 'P1', 'P2')),
  status text not null default 'investigating'
    constraint incidents_status_known check (status in ('investigating', 'identified', 'monitoring', 'resolved')),
  flag_key text constraint incidents_flag check (flag_key like '%.enabled'),
  component text constraint incidents_component check (component ~ '^[a-z][a-z0-9 _-]{0,59}$'),
  public boolean not null default false,
  cause text constraint incidents_cause check (char_length(cause) between 1 and 200),
  rollout_id uuid references public.rollouts (id) on delete restrict,
  rollback_id uuid references public.rollback_events (id) on delete restrict,
  opened_at timestamptz not null,
  opened_by text not null default private.actor(),
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz,
  resolved_by text,
  escalated integer not null default 0,
  escalates_from timestamptz not null,
  escalate_at timestamptz,
  status_page_id text constraint incidents_status_page_id check (char_length(status_page_id) <= 100),
  version bigint not null default 1,
  constraint incidents_resolved check ((status = 'resolved') = (resolved_at is not null))
) with (fillfactor = 80);
comment on table public.incidents is
  'What went wrong. Written by open_incident, update_incident, acknowledge_incident and resolve_incident alone, and by the system for what the guard took back and for parts that are down. Never deleted.';
comment on constraint incidents_pkey on public.incidents is 'An incident''s id.';
comment on constraint incidents_number_key on public.incidents is 'An incident is named by its number.';
comment on constraint incidents_resolved on public.incidents is 'What is resolved says since when.';
comment on column public.incidents.id is 'UUID v7.';
comment on column public.incidents.number is 'What people call it by.';
comment on column public.incidents.title is 'What is wrong, in a line. Everybody reads it where the incident is public.';
comment on column public.incidents.kind is 'Line of the decision matrix: private.incident_kinds().';
comment on column public.incidents.severity is 'P0, P1 or P2.';
comment on column public.incidents.status is 'investigating, identified, monitoring (mended, being watched) or resolved.';
comment on column public.incidents.flag_key is 'The feature that is concerned, by its flag; null where it is none, or not one.';
comment on column public.incidents.component is 'The part that is concerned, as health names it; null where it is none.';
comment on column public.incidents.public is 'Whether it stands on the status page.';
comment on column public.incidents.cause is 'Of one that the system opened: because of what. There is one open incident a cause at most.';
comment on column public.incidents.rollout_id is 'The rollout that was taken back because of it, or because of which it was opened.';
comment on column public.incidents.rollback_id is 'The way back that was taken with gatelink rollback.';
comment on column public.incidents.opened_at is 'When it was opened.';
comment on column public.incidents.opened_by is 'Who opened it: a user id, or the database role (the clock''s for the system).';
comment on column public.incidents.acknowledged_at is 'Since when somebody has it in hand; null while nobody does.';
comment on column public.incidents.acknowledged_by is 'Who has it in hand.';
comment on column public.incidents.resolved_at is 'When it was over.';
comment on column public.incidents.resolved_by is 'Who said so.';
comment on column public.incidents.escalated is 'How many steps of the escalation have been taken.';
comment on column public.incidents.escalates_from is
  'From when the minutes of the escalation count: when it was opened, last opened again, or earlier where it escalates at once.';
comment on column public.incidents.escalate_at is 'When the next step of the escalation is due; null where none is.';
comment on column public.incidents.status_page_id is 'What Statuspage calls it; null where it is not there.';
comment on column public.incidents.version is 'Grows with each change. Give the version you read to update_incident and resolve_incident.';
create unique index incidents_cause_idx on public.incidents (cause) where status <> 'resolved';
comment on index public.incidents_cause_idx is 'One open incident a cause.';
create index incidents_open_idx on public.incidents (severity, opened_at) where status <> 'resolved';
comment on index public.incidents_open_idx is 'The open ones.';
create index incidents_escalate_idx on public.incidents (escalate_at) where escalate_at is not null;
comment on index public.incidents_escalate_idx is 'Whose escalation is due.';
create index incidents_public_idx on public.incidents (resolved_at) where public;
comment on index public.incidents_public_idx is 'Those of the status page.';
create index incidents_rollout_idx on public.incidents (rollout_id) where rollout_id is not null;
comment on index public.incidents_rollout_idx is 'Serves the foreign key.';
create index incidents_rollback_idx on public.incidents (rollback_id) where rollback_id is not null;
comment on index public.incidents_rollback_idx is 'Serves the foreign key.';
alter table public.incidents enable row level security;
revoke all on public.incidents from anon, authenticated, service_role, public;
grant select on public.incidents to authenticated, service_role;
grant update (status_page_id) on public.incidents to service_role;
create policy incidents_read on public.incidents for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy incidents_read on public.incidents is 'The whole team sees what is wrong.';

create table public.incident_updates (
  id uuid constraint incident_updates_pkey primary key default private.uuid_v7(),
  incident_id uuid not null references public.incidents (id) on delete restrict,
  at timestamptz not null,
  kind text not null constraint incident_updates_kind_known check (kind in (
    'opened', 'noted', 'published', 'changed', 'acknowledged', 'escalated', 'taken_back', 'resolved')),
  status text not null,
  public boolean not null default false,
  text text constraint incident_updates_text check (char_length(btrim(text)) between 1 and 5000),
  changes jsonb not null default '{}' constraint incident_updates_changes check (jsonb_typeof(changes) = 'object'),
  version bigint not null,
  actor text not null default private.actor()
);
comment on table public.incident_updates is
  'All that happened to an incident: notes for the team, and what the public reads. Only grows: update, delete and truncate are refused to every role.';
comment on constraint incident_updates_pkey on public.incident_updates is 'An update''s id.';
comment on column public.incident_updates.id is 'UUID v7.';
comment on column public.incident_updates.incident_id is 'The incident.';
comment on column public.incident_updates.at is 'When.';
comment on column public.incident_updates.kind is
  'opened, noted (for the team), published (for the public), changed, acknowledged, escalated, taken_back (a way back was taken), resolved.';
comment on column public.incident_updates.status is 'The incident''s status after it.';
comment on column public.incident_updates.public is 'Whether the status page shows it; no other row ever leaves the team.';
comment on column public.incident_updates.text is 'The words. Of a public row without any, the template of its status.';
comment on column public.incident_updates.changes is 'What changed: {field: {from, to}}, of a title {detail: what it was}; of an escalation {step, role}.';
comment on column public.incident_updates.version is 'The version of the incident that it made.';
comment on column public.incident_updates.actor is 'Who: a user id, or the database role. Never shown to the public.';
create index incident_updates_incident_idx on public.incident_updates (incident_id, at);
comment on index public.incident_updates_incident_idx is 'An incident''s history; serves the foreign key.';
create index incident_updates_at_idx on public.incident_updates (at);
comment on index public.incident_updates_at_idx is 'What happened lately, over all incidents.';
alter table public.incident_updates enable row level security;
revoke all on public.incident_updates from anon, authenticated, service_role, public;
grant select on public.incident_updates to authenticated, service_role;
create policy incident_updates_read on public.incident_updates for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy incident_updates_read on public.incident_updates is 'The whole team sees what was done.';
create trigger append_only before update or delete or truncate on public.incident_updates
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.incident_updates is 'Nobody rewrites history.';

create table public.escalation_steps (
  severity text not null constraint escalation_steps_severity_known check (severity in ('P0', 'P1', 'P2')),
  after_minutes integer not null constraint escalation_steps_after check (after_minutes between 0 and 10080),
  role text not null constraint escalation_steps_role check (char_length(btrim(role)) between 1 and 60),
  endpoint_id uuid references public.notification_endpoints (id) on delete set null,
  constraint escalation_steps_pkey primary key (severity, after_minutes)
);
comment on table public.escalation_steps is
  'Who is called when nobody acknowledges an incident, after how many minutes. Written by set_escalation.';
comment on constraint escalation_steps_pkey on public.escalation_steps is 'The order of a severity''s steps.';
comment on column public.escalation_steps.severity is 'Of which severity.';
comment on column public.escalation_steps.after_minutes is 'Minutes since the incident was opened.';
comment on column public.escalation_steps.role is 'Who is called, in the team''s words.';
comment on column public.escalation_steps.endpoint_id is
  'Where; null for every endpoint that is told of incident_escalated. It becomes null when the endpoint is removed, so that the step still reaches somebody.';
create index escalation_steps_endpoint_idx on public.escalation_steps (endpoint_id);
comment on index public.escalation_steps_endpoint_idx is 'Serves the foreign key.';
alter table public.escalation_steps enable row level security;
revoke all on public.escalation_steps from anon, authenticated, service_role, public;
grant select on public.escalation_steps to authenticated, service_role;
create policy escalation_steps_read on public.escalation_steps for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy escalation_steps_read on public.escalation_steps is 'The whole team sees who is called.';
insert into public.escalation_steps (severity, after_minutes, role) values
  ('P0', 5, 'engineering lead'), ('P0', 15, 'product manager'), ('P0', 30, 'CTO'),
  ('P1', 15, 'engineering lead'), ('P1', 60, 'CTO');

create table private.status_posts (
  update_id uuid constraint status_posts_pkey primary key references public.incident_updates (id) on delete cascade,
  incident_id uuid not null references public.incidents (id) on delete cascade,
  state text not null default 'pending' constraint status_posts_state_known check (state in ('pending', 'leased', 'delivered', 'dead')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null,
  lease uuid,
  last_error text
) with (fillfactor = 80);
comment on table private.status_posts is
  'Public updates that are to be on Statuspage too: of an incident one at a time, in their order. Where no page is configured, nothing stays here.';
comment on constraint status_posts_pkey on private.status_posts is 'An update is posted once.';
comment on column private.status_posts.update_id is 'The update.';
comment on column private.status_posts.incident_id is 'Its incident.';
comment on column private.status_posts.state is 'pending, leased (under way), delivered, or dead (given up).';
comment on column private.status_posts.attempt is 'Attempts begun.';
comment on column private.status_posts.next_attempt_at is 'When it is due; while leased, when the lease ends.';
comment on column private.status_posts.lease is 'Fencing token of the current lease.';
comment on column private.status_posts.last_error is 'Why the last attempt failed, as a short code.';
create index status_posts_due_idx on private.status_posts (next_attempt_at) where state in ('pending', 'leased');
comment on index private.status_posts_due_idx is 'What is due, oldest first.';
create index status_posts_incident_idx on private.status_posts (incident_id, update_id);
comment on index private.status_posts_incident_idx is 'The order of an incident''s posts; serves the foreign key.';
alter table private.status_posts enable row level security;
revoke all on private.status_posts from anon, authenticated, service_role, public;
grant select, update, delete on private.status_posts to service_role;

-- Telling -----------------------------------------------------------------------------------------

create function private.notify_incident(
  p_incident public.incidents, p_kind text, p_text text, p_at timestamptz, p_role text default null, p_endpoint_id uuid default null
) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_at, jsonb_build_object('kind', p_kind, 'at', p_at, 'text', p_text, 'role', p_role,
    'incident', jsonb_build_object('number', p_incident.number, 'title', p_incident.title, 'kind', p_incident.kind,
      'severity', p_incident.severity, 'status', p_incident.status, 'flag_key', p_incident.flag_key, 'component', p_incident.component,
      'opened_at', p_incident.opened_at),
    'template', (
      select s.value from public.settings s
      where s.key = case p_kind when 'incident_escalated' then 'incident_template.escalation'
        when 'incident_taken_back' then 'incident_template.rollback_notice' else 'incident_template.incident_channel' end))
  from public.notification_endpoints e
  where e.state = 'active'
    and (e.id = p_endpoint_id or (p_endpoint_id is null and case p_kind when 'incident_taken_back' then 'incident_updated' else p_kind end = any (e.events)));
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.notify_incident(public.incidents, text, text, timestamptz, text, uuid) is
  'Queues a step of an incident for everybody who wants to be told of its kind, or for one endpoint, and says for how many. A way back that was taken counts as an update.';

create function private.write_incident(
  p_incident public.incidents, p_kind text, p_at timestamptz, p_text text default null, p_changes jsonb default '{}', p_public boolean default false
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid;
begin
  insert into public.incident_updates (incident_id, at, kind, status, public, text, changes, version)
  values (p_incident.id, p_at, p_kind, p_incident.status, p_public, p_text, p_changes, p_incident.version)
  returning id into v_id;
  if p_public then
    insert into private.status_posts (update_id, incident_id, next_attempt_at) values (v_id, p_incident.id, p_at);
  end if;
end $$;
comment on function private.write_incident(public.incidents, text, timestamptz, text, jsonb, boolean) is
  'Writes what happened to an incident as it now stands; what is public is posted to Statuspage too.';

-- Escalation --------------------------------------------------------------------------------------

create function private.just_launched(p_now timestamptz, p_flag_key text default null) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.rollouts r
    where r.state = 'completed' and r.finished_at > p_now - interval '24 hours' and r.flag_key = coalesce(p_flag_key, r.flag_key))
$$;
comment on function private.just_launched(timestamptz, text) is
  'Whether this flag, or any, was launched within the last 24 hours: then alarms are told and escalated at once.';

create function private.next_escalation(p_incident public.incidents, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select case when p_incident.acknowledged_at is not null or p_incident.status = 'resolved' or s.steps = 0 then null
    when p_incident.escalated < s.steps then p_incident.escalates_from + make_interval(mins => s.after[p_incident.escalated + 1])
    else p_now + make_interval(mins => v.repeat_minutes) end
  from private.incident_severities() v
  cross join lateral (
    select count(*) as steps, array_agg(e.after_minutes order by e.after_minutes) as after
    from public.escalation_steps e where e.severity = v.severity) s
  where v.severity = p_incident.severity
$$;
comment on function private.next_escalation(public.incidents, timestamptz) is
  'When somebody else is called: the next step, after the last one again and again; null where nobody is.';

-- Failure policy: what goes wrong with one incident leaves the others alone, and is tried again a minute later.
create function private.escalate_incidents(p_now timestamptz) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_incident public.incidents;
  v_step public.escalation_steps;
  v_count integer := 0;
begin
  for v_incident in
    select * from public.incidents i where i.escalate_at <= p_now order by i.escalate_at for update skip locked
  loop
    begin
      select * into v_step from (
        select e.*, row_number() over (order by e.after_minutes) as place from public.escalation_steps e where e.severity = v_incident.severity) e
      where e.place <= v_incident.escalated + 1 order by e.place desc limit 1;
      update public.incidents i set escalated = i.escalated + 1, version = i.version + 1 where i.id = v_incident.id returning i.* into v_incident;
      update public.incidents i set escalate_at = private.next_escalation(v_incident, p_now) where i.id = v_incident.id returning i.* into v_incident;
      if v_step.role is not null then
        perform private.write_incident(v_incident, 'escalated', p_now, null, jsonb_build_object('step', v_incident.escalated, 'role', v_step.role));
        perform private.notify_incident(v_incident, 'incident_escalated', null, p_now, v_step.role, (
          select e.id from public.notification_endpoints e where e.id = v_step.endpoint_id and e.state = 'active'));
        v_count := v_count + 1;
      end if;
    exception when others then
      raise warning 'incident % could not be escalated: % (%)', v_incident.number, sqlerrm, sqlstate;
    end;
  end loop;
  return v_count;
end $$;
comment on function private.escalate_incidents(timestamptz) is
  'Calls the next person of each incident that nobody acknowledged in time, and says of how many. A step whose endpoint is paused reaches everybody who is told of escalations. For the clock.';

create function public.set_escalation(p_severity text, p_steps jsonb) returns setof public.escalation_steps
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_unknown text;
begin
  perform private.require_role('admin');
  if not exists (select from private.incident_severities() s where s.severity = p_severity) then
    raise exception 'there is no severity %', p_severity using errcode = 'GL422', hint = 'P0, P1 or P2';
  elsif jsonb_typeof(p_steps) is distinct from 'array' or jsonb_array_length(p_steps) > 10
    or exists (select from jsonb_array_elements(p_steps) s where not private.object_keys_within(s, array['after_minutes', 'role', 'endpoint'])
      or not private.is_number(s -> 'after_minutes', 0, 10080, 0) or coalesce(btrim(s ->> 'role'), '') = '') then
    raise exception 'steps are a list of at most 10 {after_minutes, role, endpoint}' using errcode = 'GL422',
      hint = 'after_minutes: 0 to 10080; role: who is called; endpoint: the name of one that is told, or left out for all.';
  end if;
  select s ->> 'endpoint' into v_unknown from jsonb_array_elements(p_steps) s
  where s ->> 'endpoint' is not null
    and not exists (select from public.notification_endpoints e where e.name = s ->> 'endpoint') limit 1;
  if v_unknown is not null then
    raise exception 'there is no endpoint named %', v_unknown using errcode = 'GL404', hint = 'gatelink rollout notify list';
  elsif (select count(distinct s -> 'after_minutes') < count(*) from jsonb_array_elements(p_steps) s) then
    raise exception 'two steps are due at the same minute' using errcode = 'GL422';
  end if;
  -- Two at once would both find nothing to delete, and the second would meet the steps of the first.
  perform pg_advisory_xact_lock(hashtext('gatelink.escalation'));
  delete from public.escalation_steps e where e.severity = p_severity;
  insert into public.escalation_steps (severity, after_minutes, role, endpoint_id)
  select p_severity, (s ->> 'after_minutes')::integer, btrim(s ->> 'role'),
    (select e.id from public.notification_endpoints e where e.name = s ->> 'endpoint')
  from jsonb_array_elements(p_steps) s;
  return query select * from public.escalation_steps e where e.severity = p_severity order by e.after_minutes;
end $$;
comment on function public.set_escalation(text, jsonb) is
  'Says who is called when nobody acknowledges an incident of this severity: [{after_minutes, role, endpoint: its name, left out for all}]; an empty list for nobody. Incidents that are open keep the time of their next step. For admins and secret keys. Errors: 42501 not allowed, GL422 what cannot be, GL404 no such endpoint.';

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

-- Reading -----------------------------------------------------------------------------------------

create function private.incident_rank(p_incident public.incidents) returns text
language sql immutable set search_path = '' as $$
  select case when p_incident.status = 'resolved' then 'resolved' else 'open ' || p_incident.severity end
$$;
comment on function private.incident_rank(public.incidents) is 'What incidents are listed by before their number: open ones by severity, then the resolved ones.';

create function public.list_incidents(p_open boolean default null, p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_after public.incidents;
begin
  perform private.require_role('viewer');
  select * into v_after from public.incidents x where x.number = (p_filter ->> 'after')::bigint;
  return (
    select coalesce(jsonb_agg(to_jsonb(i) - 'escalates_from' order by private.incident_rank(i), i.number desc), '[]')
    from (
      select * from public.incidents x where (x.status <> 'resolved') = coalesce(p_open, x.status <> 'resolved')
        and (v_after.number is null or (private.incident_rank(x), -x.number) > (private.incident_rank(v_after), -v_after.number))
        and (p_filter ->> 'search' is null or strpos(lower(concat_ws(' ', '#' || x.number, x.title, x.flag_key, x.component, x.kind)),
          lower(p_filter ->> 'search')) > 0)
      order by private.incident_rank(x), x.number desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) i);
end $$;
comment on function public.list_incidents(boolean, integer, jsonb) is
  'Incidents, the open ones (p_open true), the resolved ones (false) or both: open and severe ones first, then the latest. Filter: any of search (part of the title, number, flag, component or kind) and after (the number of the last of the page before); at most 500. For viewers and secret keys.';

create function public.read_incident(p_number bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  perform private.require_role('viewer');
  select * into v_incident from public.incidents i where i.number = p_number;
  if v_incident.id is null then
    raise exception 'there is no incident %', p_number using errcode = 'GL404', hint = 'gatelink incident list';
  end if;
  return to_jsonb(v_incident) - 'escalates_from' || jsonb_build_object(
    'updates', (
      select jsonb_agg(to_jsonb(u) - 'incident_id' order by u.at, u.id) from public.incident_updates u where u.incident_id = v_incident.id),
    'rollback', (select to_jsonb(b) - 'steps' from public.rollback_events b where b.id = v_incident.rollback_id),
    'rollout', (
      select jsonb_build_object('id', r.id, 'flag_key', r.flag_key, 'state', r.state, 'finished_at', r.finished_at)
      from public.rollouts r where r.id = v_incident.rollout_id));
end $$;
comment on function public.read_incident(bigint) is
  'An incident with its updates, oldest first, and the way back that was taken: {…, updates, rollback, rollout}. For viewers and secret keys. GL404 where there is none.';

-- The public page ---------------------------------------------------------------------------------

-- Failure policy: closed. What is not named here does not leave: no note, no author, no id, no flag.
create function private.status_page(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'incidents', (
      select coalesce(jsonb_agg(jsonb_build_object('number', i.number, 'title', i.title, 'severity', i.severity, 'status', i.status,
        'opened_at', i.opened_at, 'resolved_at', i.resolved_at, 'updates', (
          select coalesce(jsonb_agg(jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text) order by u.at desc, u.id desc), '[]')
          from (
            select * from public.incident_updates x where x.incident_id = i.id and x.public order by x.at desc, x.id desc limit 50) u))
        order by i.resolved_at desc nulls first, i.number desc), '[]')
      from (
        select * from public.incidents x
        where x.public and (x.resolved_at is null or x.resolved_at > p_now - interval '14 days')
        order by x.resolved_at desc nulls first, x.number desc limit 50) i),
    'templates', (
      select coalesce(jsonb_object_agg(substr(s.key, 19), s.value), '{}') from public.settings s where s.key like 'incident\_template.status\_%'))
$$;
comment on function private.status_page(timestamptz) is
  'Public incidents, open or resolved within 14 days, with their public updates, latest first; and the team''s own texts for the status page.';

-- In plpgsql, which looks names up when it runs: health comes in a later file.
create function public.status_page() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.status_page(clock_timestamp()) || jsonb_build_object('at', clock_timestamp(), 'components', (
    select jsonb_agg(jsonb_build_object('component', e.item -> 'component', 'status', e.item -> 'status') order by e.place)
    from jsonb_array_elements(private.health(clock_timestamp())) with ordinality as e (item, place)
    where e.item ->> 'component' <> 'config'));
end $$;
comment on function public.status_page() is
  'What the public status page is made of: {at, components: [{component, status}], incidents: [{number, title, severity, status, opened_at, resolved_at, updates: [{at, status, text}]}], templates}. For secret keys.';

create function private.status_posts_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= p_now and p.next_attempt_at > p_now - interval '10 minutes')
$$;
comment on function private.status_posts_are_due(timestamptz) is 'Whether something for Statuspage has become due within ten minutes. For the clock.';

create function public.claim_status_posts(p_limit integer default 10, p_lease_seconds integer default 60) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  with due as (
    select p.update_id from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= clock_timestamp()
      and not exists (
        select from private.status_posts o
        where o.incident_id = p.incident_id and o.update_id < p.update_id and o.state in ('pending', 'leased'))
    order by p.next_attempt_at limit p_limit
    for update skip locked
  ), leased as (
    update private.status_posts p
    set state = 'leased', lease = gen_random_uuid(), attempt = p.attempt + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where p.update_id = due.update_id
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', l.update_id, 'lease', l.lease, 'attempt', l.attempt,
    'incident', jsonb_build_object('id', i.id, 'title', i.title, 'severity', i.severity, 'status_page_id', i.status_page_id),
    'update', jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text),
    'template', (select s.value from public.settings s where s.key = 'incident_template.status_' || u.status)) order by l.update_id), '[]')
  from leased l join public.incidents i on i.id = l.incident_id join public.incident_updates u on u.id = l.update_id
$$;
comment on function public.claim_status_posts(integer, integer) is
  'Leases public updates that are due on Statuspage, of each incident the oldest: [{id, lease, attempt, incident: {id, title, severity, status_page_id}, update: {at, status, text}, template}]. For secret keys.';

create function public.settle_status_posts(p_results jsonb) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_result record;
  v_incident uuid;
  v_count integer := 0;
begin
  for v_result in
    select * from jsonb_to_recordset(p_results) as r (id uuid, lease uuid, outcome text, status_page_id text, error text, retry_after_ms bigint)
  loop
    if v_result.outcome = 'skipped' then
      delete from private.status_posts p where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    else
      update private.status_posts p
      set state = case v_result.outcome when 'retry' then 'pending' else v_result.outcome end, lease = null, last_error = v_result.error,
        next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
      where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    end if;
    if found then
      v_count := v_count + 1;
      update public.incidents i set status_page_id = v_result.status_page_id
      where i.id = v_incident and v_result.status_page_id is not null and i.status_page_id is distinct from v_result.status_page_id;
    end if;
  end loop;
  return v_count;
end $$;
comment on function public.settle_status_posts(jsonb) is
  'Writes the outcome of posts [{id, lease, outcome (delivered, retry, dead, skipped: no page is configured), status_page_id, error, retry_after_ms}] and says how many counted; a result whose lease is over does not. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.incident_severities(),
  private.incident_rank(public.incidents),
  private.incident_kinds(),
  private.stops_launch(text, text),
  private.incident_in_the_way(text),
  private.just_launched(timestamptz, text),
  private.escalate_incidents(timestamptz),
  private.incident_of_part(text, jsonb, timestamptz),
  private.status_page(timestamptz),
  public.status_page(),
  private.status_posts_are_due(timestamptz),
  public.claim_status_posts(integer, integer),
  public.settle_status_posts(jsonb)
  to service_role;
grant execute on function
  public.set_escalation(text, jsonb),
  public.open_incident(text, text, text, text, text, boolean, text, text),
  public.update_incident(bigint, bigint, jsonb, text, text),
  public.acknowledge_incident(bigint),
  public.resolve_incident(bigint, bigint, text, text),
  public.list_incidents(boolean, integer, jsonb),
  public.read_incident(bigint)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002150');
