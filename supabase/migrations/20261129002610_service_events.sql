-- Events for services besides the messages that come in: what became of sent messages, and what happened to contacts,
-- conversations, templates, numbers and accounts. An event is kept only if a destination wants it, and becomes
-- deliveries in the transaction in which it happened.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.service_events (
  id uuid primary key default private.uuid_v7(),
  seq bigint not null,
  type text not null check (type ~ '^[a-z]{1,32}\.[a-z_]{1,32}$'),
  channel text not null,
  conversation_id uuid references public.conversations (id) on delete cascade,
  message_id uuid references public.messages (id) on delete cascade,
  number_id text,
  account text,
  at timestamptz not null,
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  field text,
  native jsonb,
  created_at timestamptz not null default clock_timestamp()
);
comment on table public.service_events is 'Events that at least one destination subscribed to when they happened, besides the messages that came in.';
comment on column public.service_events.id is 'UUID v7.';
comment on column public.service_events.seq is 'Place among the messages and events of its lane, from the sequence of messages.seq.';
comment on column public.service_events.type is 'Such as message.delivered or template.paused.';
comment on column public.service_events.channel is 'The channel.';
comment on column public.service_events.conversation_id is 'The conversation; null where it concerns a whole account or number.';
comment on column public.service_events.message_id is 'The sent message that it is about; null for others.';
comment on column public.service_events.number_id is 'The sender (senders.id); null if it concerns none, or an unknown one.';
comment on column public.service_events.account is 'The provider''s account, where it concerns one; for WhatsApp, Meta''s WABA id.';
comment on column public.service_events.at is 'When it happened, by the provider''s clock if it reported it.';
comment on column public.service_events.detail is 'Members of the event''s data in our own names, such as template or takeover.';
comment on column public.service_events.field is 'The provider''s name for that kind of report (Meta''s webhook field); null without native.';
comment on column public.service_events.native is 'What the provider reported, as received; null for what happened here.';
comment on column public.service_events.created_at is 'When it was stored.';
create index service_events_conversation_idx on public.service_events (conversation_id) where conversation_id is not null;
comment on index public.service_events_conversation_idx is 'The events of a conversation; serves the foreign key, merges and erasure.';
create index service_events_message_idx on public.service_events (message_id) where message_id is not null;
comment on index public.service_events_message_idx is 'The events of a message; serves the foreign key.';
alter table public.service_events enable row level security;
-- No policy and no grant for people: what the provider reported may hold whole numbers.
revoke all on public.service_events from public, anon, authenticated;
grant select, insert, update, delete on public.service_events to service_role;
grant usage on sequence public.messages_seq_seq to service_role;

-- The column is new, and null in every row.
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
alter table public.deliveries add constraint deliveries_event_id_fkey
  foreign key (event_id) references public.service_events (id) on delete cascade;

create function private.account_lane(p_channel text, p_account text) returns uuid
language sql immutable set search_path = '' as $$
  select md5('account ' || p_channel || ' ' || coalesce(p_account, ''))::uuid
$$;
comment on function private.account_lane(text, text) is 'What stands for a conversation in the lane of events that concern a whole account.';

create function private.note_events(p_events private.noted_event[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_new private.new_delivery[];
begin
  with noted as materialized (
    select private.uuid_v7() as id, nextval('public.messages_seq_seq') as seq, e.*, wanted.by
    from unnest(p_events) with ordinality as e
    cross join lateral (
      select array_agg(d.id order by d.id) as by from public.destinations d
      where d.events <> '{message.received}'::text[] and d.removed_at is null and d.kind = 'http' and private.is_wanted(d.events, e.type)
        -- In Meta's form there is only what Meta reported.
        and (d.format <> 'meta' or e.native is not null)) wanted
    where wanted.by is not null
    order by e.ordinality
  ), kept as (
    insert into public.service_events (id, seq, type, channel, conversation_id, message_id, number_id, account, at, detail, field, native)
    select n.id, n.seq, n.type, n.channel, n.conversation_id, n.message_id, n.number_id, n.account, n.at, coalesce(n.detail, '{}'), n.field, n.native
    from noted n
  )
  select array_agg((null, to_.id, coalesce(n.conversation_id, private.account_lane(n.channel, n.account)), n.channel, n.seq, n.id)::private.new_delivery
    order by n.seq)
  into v_new
  from noted n cross join unnest(n.by) as to_ (id);
  if v_new is null then
    return false;
  end if;
  perform private.make_deliveries(v_new, null, clock_timestamp());
  perform private.tell_pipeline();
  return true;
end $$;
comment on function private.note_events(private.noted_event[]) is 'Keeps those events that a destination subscribed to, and queues a delivery of each to each such destination. False if nobody wants any. The caller holds the locks of their conversations.';

-- The answer of the functions that store events says so, and the pipeline delivers at once instead of at the clock's next
-- call. Through a setting of the transaction: between the two lie functions with answers of their own.
create function private.tell_pipeline() returns void
language plpgsql set search_path = '' as $$
begin
  perform set_config('gatelink.told', 'true', true);
end $$;
comment on function private.tell_pipeline() is 'Remembers, until the end of the transaction, that events wait for their delivery.';

create function private.claimed_events(p_ids uuid[], p_leases uuid[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'delivery_id', d.id, 'lease', claimed.lease, 'attempt', d.attempt, 'resent', d.resent, 'destination_id', d.destination_id,
      'traceparent', null,
      'event', jsonb_build_object('id', e.id, 'seq', e.seq, 'type', e.type, 'channel', e.channel, 'at', e.at, 'created_at', e.created_at,
        'detail', e.detail, 'field', e.field, 'native', e.native),
      'sender', coalesce(private.sender_of(e.channel, e.number_id),
        jsonb_build_object('id', e.number_id, 'address', null, 'account', null)) || case when e.account is null then '{}' else jsonb_build_object('account', e.account) end,
      'message', (
        select jsonb_build_object('id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'provider_id', m.provider_id)
        from public.messages m where m.id = e.message_id),
      'conversation', case when c.id is not null then jsonb_build_object('id', c.id, 'number_id', c.number_id) end,
      'contact', (
        select jsonb_build_object('id', p.id, 'name', p.name, 'identities', private.current_ids(p.id, c.number_id))
        from public.contacts p where p.id = c.contact_id)) order by d.seq)
    from unnest(p_ids, p_leases) as claimed (id, lease)
    join public.deliveries d on d.id = claimed.id
    join public.service_events e on e.id = d.event_id
    left join public.conversations c on c.id = e.conversation_id);
end $$;
comment on function private.claimed_events(uuid[], uuid[]) is 'Those of the deliveries just claimed that are events, each with its lease, in the form that the edge functions expect; null for none.';

create function private.move_events(p_from uuid, p_to uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update public.deliveries d set conversation_id = p_to
  from public.service_events e where e.conversation_id = p_from and d.event_id = e.id;
  update public.service_events e set conversation_id = p_to where e.conversation_id = p_from;
end $$;
comment on function private.move_events(uuid, uuid) is 'Moves the events of a conversation into the one that it is merged into.';

create function private.update_events(p_updates private.inbound_update[], p_contacts uuid[]) returns private.noted_event[]
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select (coalesce(u.event ->> 'type', 'contact.changed_number'), u.channel, c.id, null, coalesce(c.number_id, u.sender_id, named.id),
      coalesce(u.event ->> 'account', named.account), coalesce(u.at, now()),
      coalesce(u.event -> 'detail', jsonb_build_object('change', jsonb_build_object('previous', phone.previous, 'phone', phone.value))),
      u.field, u.raw)::private.noted_event
    from unnest(p_updates) with ordinality as u
    -- The provider names a number by what people dial.
    left join lateral (
      select s.id, s.account from public.senders s
      where s.channel = u.channel and s.address = u.event #>> '{detail,number,address}' limit 1) named on true
    left join lateral (
      select i.value, i.previous from unnest(u.identities) i
      where u.kind = 'identity' and i.kind = 'phone' and i.value is not null and i.previous is not null limit 1) phone on true
    left join lateral (
      select o.id, o.number_id from public.conversations o
      where o.contact_id = p_contacts[u.ordinality] and o.channel = u.channel
      order by o.number_id = u.sender_id desc nulls last, o.last_message_at desc nulls last limit 1) c on true
    where (u.event is not null or phone.value is not null)
      -- What is about a person goes with the person's conversation.
      and (c.id is not null or split_part(u.event ->> 'type', '.', 1) in ('template', 'number', 'account'))
    order by u.ordinality);
end $$;
comment on function private.update_events(private.inbound_update[], uuid[]) is 'What updates report besides messages and statuses, each update with its contact, if it has one.';

create function private.note_updates(
  p_updates private.inbound_update[], p_messages private.inbound_update[], p_contacts uuid[],
  p_others private.inbound_update[], p_other_contacts uuid[]
) returns void
language plpgsql set search_path = '' as $$
declare
  v_events private.noted_event[] := private.update_events(p_messages, p_contacts) || private.update_events(p_others, p_other_contacts)
    || private.update_events(array(
      select u from unnest(p_updates) u where u.kind = 'other' and coalesce(cardinality(u.identities), 0) = 0 order by u.ord), null);
begin
  -- Templates have a migration of their own.
  if to_regprocedure('private.without_found(private.noted_event[])') is not null
    and exists (select from unnest(v_events) e where e.type like 'template.%') then
    v_events := private.without_found(v_events);
  end if;
  if v_events = '{}' then
    return;
  end if;
  perform from public.conversations c
  where c.id in (select e.conversation_id from unnest(v_events) e) order by c.id for update;
  perform private.note_events(v_events);
end $$;
comment on function private.note_updates(private.inbound_update[], private.inbound_update[], uuid[], private.inbound_update[], uuid[]) is 'Notes what a batch of updates reports besides messages and statuses: its messages and its other updates about people, each with its contact, and the rest.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.account_lane(text, text),
  private.note_events(private.noted_event[]),
  private.tell_pipeline(),
  private.claimed_events(uuid[], uuid[]),
  private.move_events(uuid, uuid),
  private.update_events(private.inbound_update[], uuid[]),
  private.note_updates(private.inbound_update[], private.inbound_update[], uuid[], private.inbound_update[], uuid[])
  to service_role;

insert into private.own_migrations (version) values ('20261129002610');
