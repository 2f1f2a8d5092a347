-- Incidents: what went wrong, how severe it is, who has it in hand, and who is called when nobody has.
-- Severities and kinds stand in _shared/contract/incidents.ts too, and a test holds both.

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

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.incident_severities(),
  private.incident_kinds(),
  private.stops_launch(text, text),
  private.just_launched(timestamptz, text),
  private.escalate_incidents(timestamptz)
  to service_role;
grant execute on function
  public.set_escalation(text, jsonb)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002150');
