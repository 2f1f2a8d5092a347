-- Incidents at providers that follow cards, and cards that follow them.
--
-- No event is sent on as such. For each card there is the state that the provider is to have and the one that it is known to
-- have; what differs is told. What a provider says sets both, so nothing that came from there can go back.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.oncall_mirrors (
  key text constraint oncall_mirrors_pkey primary key check (key ~ '^gatelink:[a-z2-7]{16}$'),
  delivery_id uuid not null constraint oncall_mirrors_card_key unique references public.cards (delivery_id) on delete cascade,
  schedule_id uuid not null references public.oncall_schedules (id) on delete cascade,
  wanted text not null constraint oncall_mirrors_wanted_known check (wanted in ('open', 'acknowledged', 'resolved')),
  told text constraint oncall_mirrors_told_known check (told in ('open', 'acknowledged', 'resolved')),
  changed_at timestamptz not null,
  heard_at timestamptz,
  due_at timestamptz,
  lease uuid,
  attempts integer not null default 0,
  last_error text,
  created_at timestamptz not null
);
comment on table private.oncall_mirrors is 'Incidents at providers, one a card: the state that each is to have, and the one that it has.';
comment on constraint oncall_mirrors_pkey on private.oncall_mirrors is 'The provider''s name of the incident: repeating an event changes nothing.';
comment on constraint oncall_mirrors_card_key on private.oncall_mirrors is 'A card has one incident.';
comment on column private.oncall_mirrors.key is 'gatelink: and the card''s token: dedup_key at PagerDuty, alias at Opsgenie and Jira Service Management.';
comment on column private.oncall_mirrors.delivery_id is 'The card.';
comment on column private.oncall_mirrors.schedule_id is 'The schedule whose provider has the incident.';
comment on column private.oncall_mirrors.wanted is 'The state that it is to have: that of the card.';
comment on column private.oncall_mirrors.told is 'The state that the provider is known to have; null before the incident is opened.';
comment on column private.oncall_mirrors.changed_at is 'When the card last changed here.';
comment on column private.oncall_mirrors.heard_at is 'When the last change happened that the provider told of.';
comment on column private.oncall_mirrors.due_at is 'When it is told, or its lease ends; null while there is nothing to tell.';
comment on column private.oncall_mirrors.lease is 'Of whoever tells it at the moment.';
comment on column private.oncall_mirrors.attempts is 'Attempts since the provider last took something.';
comment on column private.oncall_mirrors.last_error is 'Why the last attempt failed.';
comment on column private.oncall_mirrors.created_at is 'When the card was sent.';
create index oncall_mirrors_due_idx on private.oncall_mirrors (due_at) where due_at is not null;
comment on index private.oncall_mirrors_due_idx is 'What is due. Nearly always empty.';
create index oncall_mirrors_schedule_idx on private.oncall_mirrors (schedule_id);
comment on index private.oncall_mirrors_schedule_idx is 'Serves the foreign key.';
alter table private.oncall_mirrors enable row level security;
revoke all on private.oncall_mirrors from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_mirrors to service_role;

create table private.oncall_news (
  source text not null,
  event_id text not null check (length(event_id) <= 300),
  at timestamptz not null,
  constraint oncall_news_pkey primary key (source, event_id)
);
comment on table private.oncall_news is 'Ids of the webhooks of the last days: a provider repeats for a day, and signs no time.';
comment on constraint oncall_news_pkey on private.oncall_news is 'An event once.';
comment on column private.oncall_news.source is 'The provider.';
comment on column private.oncall_news.event_id is 'The provider''s id of the event.';
comment on column private.oncall_news.at is 'When it came.';
create index oncall_news_at_idx on private.oncall_news (at);
comment on index private.oncall_news_at_idx is 'For their purge.';
alter table private.oncall_news enable row level security;
revoke all on private.oncall_news from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_news to service_role;

-- From the card -----------------------------------------------------------------------------------

create function private.incident_state(p_card_state text) returns text
language sql immutable set search_path = '' as $$
  select case p_card_state when 'open' then 'open' when 'acknowledged' then 'acknowledged' when 'snoozed' then 'acknowledged' else 'resolved' end
$$;
comment on function private.incident_state(text) is 'The state of an incident whose card has this state.';

-- A provider mails about its incidents: those mails become cards, and must not become incidents.
create function private.is_of_provider(p_text text, p_native jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_native #>> '{from,address}', '') ~* '[@.](pagerduty\.com|opsgenie\.(com|net)|atlassian\.(com|net))$'
    or concat_ws(' ', p_text, p_native ->> 'subject', p_native ->> 'text_full') ~ 'gatelink:[a-z2-7]{16}'
$$;
comment on function private.is_of_provider(text, jsonb) is 'Whether a message is a provider''s own about an incident, by its sender or by the key of one of ours.';

create function private.open_mirror() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
begin
  if not exists (select from public.oncall_schedules s where s.opens_incidents) then
    return null;
  end if;
  v_schedule := private.card_schedule(new.delivery_id, clock_timestamp());
  if v_schedule.opens_incidents and not exists (
    select from public.deliveries d join public.messages m on m.id = d.message_id
    where d.id = new.delivery_id and private.is_of_provider(m.text, m.native)) then
    insert into private.oncall_mirrors (key, delivery_id, schedule_id, wanted, changed_at, due_at, created_at)
    values ('gatelink:' || new.token, new.delivery_id, v_schedule.id, private.incident_state(new.state), clock_timestamp(), clock_timestamp(), clock_timestamp())
    on conflict do nothing;
  end if;
  return null;
exception when others then
  raise warning 'an incident could not be opened for a card: % (%)', sqlerrm, sqlstate;
  return null;
end $$;
comment on function private.open_mirror() is 'Trigger, after a card was sent: its schedule''s provider gets an incident. Mails of the provider''s own get none.';
create trigger open_mirror after insert on public.cards for each row execute function private.open_mirror();
comment on trigger open_mirror on public.cards is 'Behind the card, never before it.';

create function private.change_mirror() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update private.oncall_mirrors m
  set wanted = private.incident_state(new.state), changed_at = clock_timestamp(), attempts = 0, lease = null,
    due_at = case when m.told is distinct from private.incident_state(new.state) then clock_timestamp() end
  where m.delivery_id = new.delivery_id and m.wanted <> private.incident_state(new.state);
  return null;
end $$;
comment on function private.change_mirror() is 'Trigger, after the state of a card changed: the incident is to follow. What the provider told of changes nothing here, for it was written there first.';
create trigger change_mirror after update of state on public.cards for each row
  when (new.state <> old.state) execute function private.change_mirror();
comment on trigger change_mirror on public.cards is 'Incidents follow cards.';

create function private.claim_oncall_events(p_limit integer, p_is_on boolean, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_events jsonb;
begin
  -- What was closed before it was opened, and what is too late to call anybody, is never opened.
  update private.oncall_mirrors m set told = m.wanted, due_at = null, lease = null
  where m.key in (
    select x.key from private.oncall_mirrors x
    where x.due_at <= p_now and x.told is null and (x.wanted = 'resolved' or x.created_at < p_now - interval '15 minutes')
    order by x.due_at limit 1000 for update skip locked);
  update private.oncall_mirrors m set due_at = null, lease = null, last_error = coalesce(m.last_error, 'given up')
  where m.key in (
    select x.key from private.oncall_mirrors x where x.due_at <= p_now and x.attempts >= 60 order by x.due_at limit 1000 for update skip locked);
  if not p_is_on then
    update private.oncall_mirrors m set due_at = p_now + interval '60 seconds', lease = null
    where m.key in (select x.key from private.oncall_mirrors x where x.due_at <= p_now order by x.due_at limit 1000 for update skip locked);
    return '[]';
  end if;
  with due as (
    update private.oncall_mirrors m set due_at = p_now + interval '60 seconds', lease = gen_random_uuid(), attempts = m.attempts + 1
    where m.key in (
      select x.key from private.oncall_mirrors x where x.due_at <= p_now order by x.due_at limit p_limit for update skip locked)
    returning m.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('key', d.key, 'lease', d.lease, 'source', s.source,
    'action', case when d.told is null or d.told = 'resolved' or d.wanted = 'open' then 'trigger'
      when d.wanted = 'resolved' then 'resolve' else 'acknowledge' end,
    'told', case when d.told is null or d.told = 'resolved' then 'open' else d.wanted end,
    'summary', coalesce(nullif(m.native ->> 'subject', ''), nullif(left(m.text, 300), ''), '(' || m.type || ')'),
    'about', coalesce(m.native ->> 'recipient', m.channel))), '[]')
  into v_events
  from due d join public.oncall_schedules s on s.id = d.schedule_id
  join public.deliveries y on y.id = d.delivery_id join public.messages m on m.id = y.message_id;
  return v_events;
end $$;
comment on function private.claim_oncall_events(integer, boolean, timestamptz) is 'claim_oncall_events with a given time.';

create function public.claim_oncall_events(p_limit integer, p_is_on boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_oncall_events(p_limit, p_is_on, clock_timestamp());
end $$;
comment on function public.claim_oncall_events(integer, boolean) is 'Leases up to p_limit incidents for a minute whose provider is to be told something: [{key, lease, source, action (trigger, acknowledge, resolve), told (the state after it), summary, about}]; with p_is_on false (the kill switch) they wait. For secret keys.';

create function public.settle_oncall_event(p_key text, p_lease uuid, p_outcome text, p_told text, p_error text default null, p_retry_ms bigint default null) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  update private.oncall_mirrors m
  set told = case p_outcome when 'sent' then p_told else m.told end, lease = null, last_error = left(p_error, 200),
    attempts = case p_outcome when 'sent' then 0 else m.attempts end,
    due_at = case p_outcome
      when 'sent' then case when m.wanted <> p_told then v_now end
      when 'retry' then case when m.attempts < 40 then v_now + make_interval(secs => greatest(coalesce(p_retry_ms, 0) / 1000.0, least(5 * 2 ^ least(m.attempts, 10), 1800))) end end
  where m.key = p_key and m.lease = p_lease;
  return found;
end $$;
comment on function public.settle_oncall_event(text, uuid, text, text, text, bigint) is 'What became of an event: sent, retry (after p_retry_ms or longer, for most of a day) or dead. False if the lease is over, because the card or the incident changed meanwhile. For secret keys.';

-- From the provider -------------------------------------------------------------------------------

create function private.hear_oncall(p_source text, p_news jsonb, p_now timestamptz) returns text
language plpgsql set search_path = '' as $$
declare
  v_mirror private.oncall_mirrors;
  v_card public.cards;
  v_state text := p_news ->> 'state';
  v_at timestamptz := least((p_news ->> 'at')::timestamptz, p_now);
  v_next text;
begin
  insert into private.oncall_news (source, event_id, at) values (p_source, left(p_news ->> 'id', 300), p_now) on conflict do nothing;
  if not found then
    return 'repeated';
  end if;
  -- The card before its incident, as whoever presses takes them.
  select * into v_card from public.cards c
  where c.delivery_id = (select m.delivery_id from private.oncall_mirrors m where m.key = p_news ->> 'key') for update;
  select m.* into v_mirror from private.oncall_mirrors m join public.oncall_schedules s on s.id = m.schedule_id
  where m.key = p_news ->> 'key' and s.source in (p_source, case p_source when 'opsgenie' then 'jsm' end) for update of m;
  -- Events come in any order, and echoes of what we told are no news. A later press in the chat counts more.
  if v_mirror.key is null or v_at < v_mirror.heard_at or v_at < v_mirror.changed_at
    or v_at = v_mirror.heard_at and array_position(array['open', 'acknowledged', 'resolved'], v_state) < array_position(array['open', 'acknowledged', 'resolved'], v_mirror.told) or v_state = v_mirror.told then
    return 'ignored';
  end if;
  update private.oncall_mirrors m
  set told = v_state, wanted = v_state, heard_at = v_at, due_at = null, lease = null, attempts = 0, last_error = null where m.key = v_mirror.key;
  if private.incident_state(v_card.state) = v_state then
    return 'taken';
  end if;
  v_next := v_state;
  update public.cards c
  set state = v_next, holder = case v_next when 'open' then null else c.holder end, snoozed_until = null, version = c.version + 1,
    changed_at = p_now, edit_due_at = p_now, edit_lease = null
  where c.delivery_id = v_card.delivery_id;
  insert into public.card_presses (delivery_id, action, outcome, state_before, holder_before, version, by_name, at)
  values (v_card.delivery_id, case v_next when 'open' then 'undo' when 'acknowledged' then 'ack' else 'resolve' end, 'done', v_card.state, v_card.holder,
    v_card.version + 1, left(coalesce(nullif(btrim(p_news ->> 'by'), ''), 'Somebody'), 150) || case p_source when 'pagerduty' then ' in PagerDuty' else ' at Atlassian' end, p_now);
  return 'taken';
end $$;
comment on function private.hear_oncall(text, jsonb, timestamptz) is 'hear_oncall with a given time.';

create function public.hear_oncall(p_source text, p_news jsonb) returns text
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.hear_oncall(p_source, p_news, clock_timestamp());
end $$;
comment on function public.hear_oncall(text, jsonb) is 'A provider says that an incident of ours changed {id, key, state (open, acknowledged, resolved), at, by}: the card follows. Each once, whatever the order. Returns taken, repeated, or ignored (older than what is known, no news, or none of ours). For secret keys.';

-- Both have work for one run.
create or replace function private.oncall_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from private.oncall_pages p where p.due_at <= p_now) or exists (select from private.oncall_mirrors m where m.due_at <= p_now);
end $$;

create or replace function private.purge_oncall(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_purged integer;
begin
  delete from private.oncall_overrides o where upper(o.during) < p_now - interval '90 days';
  get diagnostics v_purged = row_count;
  delete from private.oncall_news n where n.at < p_now - interval '7 days';
  return v_purged;
end $$;

call private.close_functions();
grant execute on function
  private.incident_state(text),
  private.is_of_provider(text, jsonb),
  private.claim_oncall_events(integer, boolean, timestamptz),
  public.claim_oncall_events(integer, boolean),
  public.settle_oncall_event(text, uuid, text, text, text, bigint),
  private.hear_oncall(text, jsonb, timestamptz),
  public.hear_oncall(text, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002912');
