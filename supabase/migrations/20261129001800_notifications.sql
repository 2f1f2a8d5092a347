-- Who is told of rollouts and of what fails: signed webhooks, Slack-compatible ones, mail addresses and PagerDuty, from a queue that outlives an outage of the other side.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.notification_endpoints (
  id uuid constraint notification_endpoints_pkey primary key default private.uuid_v7(),
  name text not null constraint notification_endpoints_name_key unique check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  kind text not null constraint notification_endpoints_kind_known check (kind in ('webhook', 'slack', 'email', 'pagerduty')),
  host text not null,
  events text[] not null constraint notification_endpoints_events_known check (
    events <@ array['started', 'advanced', 'held', 'paged', 'paused', 'resumed', 'rolled_back', 'completed', 'failing', 'recovered',
      'incident_opened', 'incident_updated', 'incident_acknowledged', 'incident_escalated', 'incident_resolved', 'report', 'notice',
      'template_paused', 'template_disabled', 'template_rejected', 'template_category_changed', 'template_category_announced',
      'number_quality', 'number_limit', 'account_alert', 'account_restricted', 'account_banned', 'account_reinstated', 'mailbox_reauthorise']),
  state text not null default 'active' constraint notification_endpoints_state_known check (state in ('active', 'paused')),
  created_at timestamptz not null default now(),
  created_by text not null default private.actor(),
  constraint notification_endpoints_pages check (kind <> 'pagerduty' or events <@ array['paged', 'rolled_back', 'completed', 'failing', 'recovered',
    'incident_opened', 'incident_acknowledged', 'incident_escalated', 'incident_resolved'])
);
comment on table public.notification_endpoints is
  'Who is told of rollouts and of what fails. The address itself, which with Slack and PagerDuty is the secret, is in private.notification_addresses.';
comment on constraint notification_endpoints_pages on public.notification_endpoints is 'PagerDuty is told only of what opens, acknowledges or resolves an incident there.';
comment on constraint notification_endpoints_pkey on public.notification_endpoints is 'An endpoint''s id.';
comment on constraint notification_endpoints_name_key on public.notification_endpoints is 'An endpoint is named by people.';
comment on column public.notification_endpoints.id is 'UUID v7.';
comment on column public.notification_endpoints.name is 'Short name: lower-case letters, digits, - and _.';
comment on column public.notification_endpoints.kind is
  'webhook: a JSON event signed by Standard Webhooks; slack: {"text": …}, as Slack, Mattermost and others take it; email: a mail, from the default identity; pagerduty: an event of an incident (Events API v2).';
comment on column public.notification_endpoints.host is 'Host of its address, for people to recognise; of a mail address what follows the @; pagerduty.com.';
comment on column public.notification_endpoints.events is 'What it is told of: kinds of rollout_events, failing and recovered of the parts of health, steps of incidents, reports, notices of rollouts, and what the provider reports of templates, numbers and accounts (account_events.kind with an underscore), and mailboxes whose access ended.';
comment on column public.notification_endpoints.state is 'active, or paused: what happens meanwhile is not told later.';
comment on column public.notification_endpoints.created_at is 'When it was added.';
comment on column public.notification_endpoints.created_by is 'Who added it.';
alter table public.notification_endpoints enable row level security;
revoke all on public.notification_endpoints
  from anon, authenticated, service_role, public;
grant select on public.notification_endpoints to authenticated, service_role;
create policy notification_endpoints_read on public.notification_endpoints for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy notification_endpoints_read on public.notification_endpoints is 'The team sees who is told; addresses are elsewhere.';

create table private.notification_addresses (
  endpoint_id uuid constraint notification_addresses_pkey primary key
    references public.notification_endpoints (id) on delete cascade,
  url text not null check (length(url) <= 2000),
  secret text not null check (secret ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$')
);
comment on table private.notification_addresses is 'Where notifications go, and what signs them.';
comment on constraint notification_addresses_pkey on private.notification_addresses is 'One address an endpoint.';
comment on column private.notification_addresses.endpoint_id is 'The endpoint.';
comment on column private.notification_addresses.url is 'Passed the allowlist when stored, and passes it again at each delivery. Slack''s hold a token. mailto: and the address, of kind email; pagerduty: and the integration key.';
comment on column private.notification_addresses.secret is 'Signs by Standard Webhooks; Slack does not look at the signature, and a mail and PagerDuty have none.';
alter table private.notification_addresses enable row level security;
revoke all on private.notification_addresses
  from anon, authenticated, service_role, public;
grant select on private.notification_addresses to service_role;

create table public.notifications (
  id uuid constraint notifications_pkey primary key default private.uuid_v7(),
  endpoint_id uuid not null references public.notification_endpoints (id) on delete cascade,
  event_id uuid references public.rollout_events (id) on delete cascade,
  payload jsonb not null,
  state text not null default 'pending'
    constraint notifications_state_known check (state in ('pending', 'leased', 'delivered', 'dead')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null,
  lease uuid,
  last_error text,
  created_at timestamptz not null default clock_timestamp(),
  delivered_at timestamptz,
  message_id uuid
) with (fillfactor = 80);
comment on table public.notifications is 'What is to be told to whom. Not in order: each stands for itself and says when it happened.';
comment on constraint notifications_pkey on public.notifications is 'Sent as webhook-id, the same at each attempt.';
comment on column public.notifications.id is 'UUID v7.';
comment on column public.notifications.endpoint_id is 'Who is told.';
comment on column public.notifications.event_id is 'The event of a rollout; null where it is about something else: a part of health, an incident, a report, an account.';
comment on column public.notifications.payload is 'What happened, in codes and figures: _shared/rollouts/notify.ts makes the body of it.';
comment on column public.notifications.state is 'pending, leased (under way), delivered, or dead (given up).';
comment on column public.notifications.attempt is 'Attempts begun.';
comment on column public.notifications.next_attempt_at is 'When it is due; while leased, when the lease ends.';
comment on column public.notifications.lease is 'Fencing token of the current lease: a result that carries another one comes too late.';
comment on column public.notifications.last_error is 'Why the last attempt failed, as a short code and sentence; superseded: not sent, because PagerDuty was to get a later step instead.';
comment on column public.notifications.created_at is 'When it was queued.';
comment on column public.notifications.delivered_at is 'When a 2xx answer came, or its mail was queued.';
comment on column public.notifications.message_id is 'The mail, of an endpoint of kind email. Not a reference: the record outlives it.';
create index notifications_due_idx on public.notifications (next_attempt_at) where state in ('pending', 'leased');
comment on index public.notifications_due_idx is 'What is due, oldest first.';
create index notifications_endpoint_idx on public.notifications (endpoint_id);
comment on index public.notifications_endpoint_idx is 'Serves the foreign key.';
create index notifications_event_idx on public.notifications (event_id);
comment on index public.notifications_event_idx is 'Who was told of an event; serves the foreign key.';
alter table public.notifications enable row level security;
revoke all on public.notifications
  from anon, authenticated, service_role, public;
grant select on public.notifications to authenticated, service_role;
grant insert, update on public.notifications to service_role;
create policy notifications_read on public.notifications for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy notifications_read on public.notifications is 'The team sees what was told and whether it arrived.';

-- Writing -----------------------------------------------------------------------------------------

create function private.notify(p_event public.rollout_events) returns void
language sql volatile set search_path = '' as $$
  insert into public.notifications (endpoint_id, event_id, next_attempt_at, payload)
  select e.id, p_event.id, p_event.at, jsonb_build_object('kind', p_event.kind, 'at', p_event.at, 'event_id', p_event.id,
    'rollout_id', r.id, 'flag', r.flag_key, 'plan', r.plan, 'state', r.state,
    'stage', case when s.position is not null then
      jsonb_build_object('position', s.position, 'name', s.name, 'percentage', s.percentage) end,
    'verdict', p_event.verdict, 'rule', p_event.rule, 'figures', p_event.figures, 'actor', p_event.actor,
    'reason', p_event.reason)
  from public.rollouts r
  cross join public.notification_endpoints e
  left join public.rollout_stages s on s.rollout_id = r.id and s.position = p_event.stage
  where r.id = p_event.rollout_id and e.state = 'active' and p_event.kind = any (e.events)
$$;
comment on function private.notify(public.rollout_events) is 'Queues an event of a rollout for everybody who wants to be told of its kind.';

create function private.notify(p_kind text, p_part jsonb, p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', p_kind, 'at', p_now, 'part',
    jsonb_build_object('component', p_part -> 'component', 'status', p_part -> 'status', 'because', p_part -> 'because', 'figures', p_part -> 'figures'))
  from public.notification_endpoints e
  where e.state = 'active' and p_kind = any (e.events);
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.notify(text, jsonb, timestamptz) is
  'Queues how a part of health does, failing or recovered, for everybody who wants to be told, and says for how many.';

create function private.page_subject(p_payload jsonb) returns text
language sql immutable set search_path = '' as $$
  select coalesce('incident:' || (p_payload #>> '{incident,number}'), 'rollout:' || (p_payload ->> 'rollout_id'),
    'component:' || (p_payload #>> '{part,component}') || coalesce(':' || case p_payload #>> '{part,component}'
      when 'pool' then p_payload #>> '{part,figures,name}' when 'on_call' then p_payload #>> '{part,figures,schedule}' end, ''))
$$;
comment on function private.page_subject(jsonb) is 'What a notification is about, the same for all its steps: incident:7, rollout:<id> or component:queue. Null for a test.';

create function public.claim_notifications(p_limit integer default 20, p_lease_seconds integer default 60) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  -- The last step says it all: nobody is woken for what is over, and PagerDuty never opens again what was resolved.
  update public.notifications n
  set state = 'delivered', lease = null, last_error = 'superseded'
  from public.notification_endpoints e
  where e.id = n.endpoint_id and e.kind = 'pagerduty'
    and (n.state = 'pending' or n.state = 'leased' and n.next_attempt_at <= clock_timestamp())
    and exists (
      select from public.notifications later
      where later.endpoint_id = n.endpoint_id and later.state in ('pending', 'leased') and (later.created_at, later.id) > (n.created_at, n.id)
        and private.page_subject(later.payload) = private.page_subject(n.payload));
  with due as (
    select n.id from public.notifications n
    where n.state in ('pending', 'leased') and n.next_attempt_at <= clock_timestamp()
      -- A step of a page waits while an earlier one is under way.
      and not exists (
        select from public.notification_endpoints e
        join public.notifications earlier on earlier.endpoint_id = e.id
        where e.id = n.endpoint_id and e.kind = 'pagerduty' and earlier.state = 'leased' and (earlier.created_at, earlier.id) < (n.created_at, n.id)
          and private.page_subject(earlier.payload) = private.page_subject(n.payload))
    order by n.next_attempt_at limit p_limit
    for update skip locked
  ), leased as (
    update public.notifications n
    set state = 'leased', lease = gen_random_uuid(), attempt = n.attempt + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where n.id = due.id
    returning n.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'lease', l.lease, 'attempt', l.attempt, 'kind', e.kind,
    'url', a.url, 'secret', a.secret, 'subject', private.page_subject(l.payload), 'payload', l.payload) order by l.id), '[]')
  from leased l
  join public.notification_endpoints e on e.id = l.endpoint_id
  join private.notification_addresses a on a.endpoint_id = l.endpoint_id
$$;
comment on function public.claim_notifications(integer, integer) is
  'Leases notifications that are due: [{id, lease, attempt, kind, url, secret, subject (what it is about; null for a test), payload}]. Of PagerDuty''s that wait, the last of a subject alone. For secret keys.';

create function public.settle_notifications(p_results jsonb) returns integer
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_count integer;
begin
  update public.notifications n
  set state = case when r.outcome in ('retry', 'put_back') then 'pending' else r.outcome end, lease = null,
    attempt = n.attempt - (r.outcome = 'put_back')::integer,
    last_error = case r.outcome when 'put_back' then n.last_error else r.error end,
    delivered_at = case when r.outcome = 'delivered' then clock_timestamp() end,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(r.retry_after_ms, 0) / 1000.0)
  from jsonb_to_recordset(p_results) as r (id uuid, lease uuid, outcome text, error text, retry_after_ms bigint)
  where n.id = r.id and n.lease = r.lease;
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function public.settle_notifications(jsonb) is
  'Writes the outcome of attempts [{id, lease, outcome (delivered, retry, dead, put_back: nobody was called), error, retry_after_ms}] and says how many counted; a result whose lease is over does not. For secret keys.';

-- For people --------------------------------------------------------------------------------------

create function public.add_notification_endpoint(
  p_name text, p_kind text, p_url text,
  p_events text[] default array['started', 'advanced', 'held', 'paged', 'rolled_back', 'completed', 'failing', 'recovered',
    'incident_opened', 'incident_updated', 'incident_acknowledged', 'incident_escalated', 'incident_resolved', 'report', 'notice',
    'template_paused', 'template_disabled', 'template_rejected', 'template_category_changed', 'template_category_announced',
    'number_quality', 'number_limit', 'account_alert', 'account_restricted', 'account_banned', 'account_reinstated', 'mailbox_reauthorise']
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_endpoint public.notification_endpoints;
  v_secret text := private.new_webhook_secret();
  v_url text := case p_kind when 'email' then 'mailto:' || lower(regexp_replace(btrim(p_url), '^mailto:', '', 'i'))
    when 'pagerduty' then 'pagerduty:' || regexp_replace(btrim(p_url), '^pagerduty:', '', 'i') else p_url end;
  v_events text[] := p_events;
begin
  perform private.require_role('operator');
  if p_kind = 'email' then
    if v_url !~ '^mailto:[^][@[:space:][:cntrl:],;:<>()?&%"\\]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+$' or length(v_url) > 261 then
      raise exception 'this is no mail address' using errcode = 'GL422', hint = 'Such as team@example.com.';
    end if;
  elsif p_kind = 'pagerduty' then
    if coalesce(v_url, '') !~ '^pagerduty:[A-Za-z0-9_-]{20,64}$' then
      raise exception 'this is no integration key' using errcode = 'GL422', hint = 'PagerDuty shows it at the service: Integrations, Events API v2.';
    end if;
    v_events := array(
      select e.event from unnest(p_events) with ordinality as e (event, place)
      where e.event in ('paged', 'rolled_back', 'completed', 'failing', 'recovered', 'incident_opened', 'incident_acknowledged', 'incident_escalated',
        'incident_resolved') order by e.place);
    if v_events = '{}' then
      raise exception 'PagerDuty is told of none of these events' using errcode = 'GL422',
        hint = 'Of paged, rolled_back, completed, failing, recovered, incident_opened, incident_acknowledged, incident_escalated and incident_resolved.';
    end if;
  elsif not coalesce(private.destination_permitted(p_url, 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host for forward first.';
  end if;
  insert into public.notification_endpoints (name, kind, host, events)
  values (p_name, p_kind, case p_kind when 'email' then split_part(v_url, '@', 2) when 'pagerduty' then 'pagerduty.com' else substring(p_url from '^[a-zA-Z]+://([^/?]+)') end, v_events)
  on conflict (name) do nothing returning * into v_endpoint;
  if v_endpoint.id is null then
    raise exception 'an endpoint named % exists already', p_name using errcode = 'GL409', hint = 'Choose another name.';
  end if;
  insert into private.notification_addresses (endpoint_id, url, secret) values (v_endpoint.id, v_url, v_secret);
  return jsonb_build_object('id', v_endpoint.id, 'name', v_endpoint.name, 'kind', v_endpoint.kind, 'host', v_endpoint.host,
    'events', to_jsonb(v_endpoint.events)) || case when p_kind = 'webhook' then jsonb_build_object('secret', v_secret) else '{}' end;
end $$;
comment on function public.add_notification_endpoint(text, text, text, text[]) is
  'Tells somebody of rollouts and of what fails: kind webhook (answers the signing secret, which is not shown again), slack, email with a mail address, or pagerduty with the integration key of a service (of p_events it gets those that it is for). For operators and secret keys. Errors: GL403 the allowlist refuses, GL409 the name is taken, GL422 no mail address, no integration key or no event for PagerDuty, 23514 what cannot be.';

create function public.set_notification_state(p_name text, p_state text) returns public.notification_endpoints
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_endpoint public.notification_endpoints;
begin
  perform private.require_role('operator');
  update public.notification_endpoints set state = p_state where name = p_name returning * into v_endpoint;
  if v_endpoint.id is null then
    raise exception 'there is no endpoint named %', p_name using errcode = 'GL404', hint = 'gatelink rollout notify list';
  end if;
  return v_endpoint;
end $$;
comment on function public.set_notification_state(text, text) is
  'Pauses (paused) or resumes (active) an endpoint. For operators and secret keys. GL404 when there is none of that name.';

create function public.remove_notification_endpoint(p_name text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  delete from public.notification_endpoints where name = p_name;
  return found;
end $$;
comment on function public.remove_notification_endpoint(text) is
  'Removes an endpoint with its queue; false when there was none. For operators and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.notify(text, jsonb, timestamptz),
  private.page_subject(jsonb),
  public.claim_notifications(integer, integer),
  public.settle_notifications(jsonb)
  to service_role;
grant execute on function
  public.add_notification_endpoint(text, text, text, text[]),
  public.set_notification_state(text, text),
  public.remove_notification_endpoint(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001800');
