-- The queue to the services. A lane is the queue of one conversation to one destination: it is leased as a
-- whole, so order within a conversation holds by construction while conversations proceed in parallel.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.deliveries (
  id uuid primary key default private.uuid_v7(),
  message_id uuid references public.messages (id) on delete cascade,
  event_id uuid,
  destination_id uuid not null references public.destinations (id) on delete restrict,
  conversation_id uuid not null,
  seq bigint not null,
  state text not null default 'pending' check (state in ('pending', 'leased', 'delivered', 'dead')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  last_error text,
  dropped_reason text,
  delivered_at timestamptz,
  wakes boolean not null default false,
  woken integer,
  resent integer not null default 0,
  resent_for uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint deliveries_once_key unique (message_id, destination_id),
  constraint deliveries_subject_known check ((message_id is null) <> (event_id is null))
) with (fillfactor = 80);
comment on constraint deliveries_subject_known on public.deliveries is 'A message that came in, or another event.';
comment on table public.deliveries is 'One row per message, or other event, and destination. The id is the webhook-id that the service sees, the same at each attempt.';
comment on constraint deliveries_once_key on public.deliveries is 'A message is delivered to a destination once.';
comment on column public.deliveries.id is 'UUID v7; sent as webhook-id.';
comment on column public.deliveries.message_id is 'The message that came in; null for another event.';
comment on column public.deliveries.event_id is 'The event (service_events.id); null for a message that came in.';
comment on column public.deliveries.destination_id is 'The destination.';
comment on column public.deliveries.conversation_id is 'The conversation, or what stands for it where an event concerns a whole account (private.account_lane); together with the destination it identifies the lane. Not a foreign key: deleting the conversation deletes the message or event, and with it this row.';
comment on column public.deliveries.seq is 'messages.seq, or that of an event, which has the same sequence: the order within the lane.';
comment on column public.deliveries.state is 'pending, leased (under way), delivered, or dead (given up or dropped; can be retried by hand).';
comment on column public.deliveries.attempt is 'Attempts started.';
comment on column public.deliveries.next_attempt_at is 'When it is due, if it is the first of its lane.';
comment on column public.deliveries.last_error is 'Why the last attempt failed, as a short code and sentence.';
comment on column public.deliveries.dropped_reason is 'Why a person dropped it; null otherwise.';
comment on column public.deliveries.delivered_at is 'When a 2xx answer was settled.';
comment on column public.deliveries.wakes is 'True if it failed and waits: it becomes due at once when its destination answers again.';
comment on column public.deliveries.woken is 'The attempt after which it was made due early. The next wait is then kept in full; otherwise a delivery that fails on its own would use up its attempts while others succeed.';
comment on column public.deliveries.resent_for is 'The key that the last resend was asked under, so that the same again resends nothing twice.';
comment on column public.deliveries.resent is 'How often a person resent it after it had been delivered; the event tells the service.';
comment on column public.deliveries.created_at is 'When the router decided on it.';
comment on column public.deliveries.updated_at is 'When its state last changed.';
create index deliveries_open_idx on public.deliveries (destination_id, conversation_id, seq)
  where state in ('pending', 'leased');
comment on index public.deliveries_open_idx is 'The first open delivery of a lane.';
create unique index deliveries_event_idx on public.deliveries (event_id, destination_id) where event_id is not null;
comment on index public.deliveries_event_idx is 'An event is delivered to a destination once. Also serves the foreign key.';
create index deliveries_wakes_idx on public.deliveries (destination_id) where wakes and state = 'pending';
comment on index public.deliveries_wakes_idx is 'Deliveries to make due when a destination answers again.';
create index deliveries_dead_idx on public.deliveries (updated_at) where state = 'dead';
comment on index public.deliveries_dead_idx is 'Dead letters, newest first.';
create index deliveries_dead_destination_idx on public.deliveries (destination_id, updated_at, id) where state = 'dead';
comment on index public.deliveries_dead_destination_idx is 'Dead letters of a destination, page by page.';
create index deliveries_destination_idx on public.deliveries (destination_id, created_at);
comment on index public.deliveries_destination_idx is 'Counts of a destination; serves the foreign key.';
alter table public.deliveries enable row level security;
revoke all on public.deliveries from public, anon, authenticated;
grant select on public.deliveries to authenticated;
grant select, insert, update, delete on public.deliveries to service_role;
create policy "team reads deliveries" on public.deliveries for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads deliveries" on public.deliveries is 'Holds no personal data: every role may read.';

create table public.delivery_attempts (
  delivery_id uuid not null references public.deliveries (id) on delete cascade,
  attempt integer not null,
  outcome text not null check (outcome in ('delivered', 'retry', 'dead')),
  status integer,
  latency_ms integer,
  error text,
  answer text check (length(answer) <= 20480),
  left_out jsonb,
  at timestamptz not null default now(),
  constraint delivery_attempts_pkey primary key (delivery_id, attempt)
);
comment on table public.delivery_attempts is 'The result of each attempt.';
comment on constraint delivery_attempts_pkey on public.delivery_attempts is 'An attempt is settled once.';
comment on column public.delivery_attempts.delivery_id is 'The delivery.';
comment on column public.delivery_attempts.attempt is 'Counted from 1; a gap is an attempt whose function died before settling it.';
comment on column public.delivery_attempts.outcome is 'delivered, retry or dead.';
comment on column public.delivery_attempts.status is 'HTTP status of the response; null if there was none.';
comment on column public.delivery_attempts.latency_ms is 'Milliseconds until the whole response was read.';
comment on column public.delivery_attempts.error is 'Code and description of the failure; for a delivered one, why its replies are not used.';
comment on column public.delivery_attempts.answer is 'The response, truncated to 20 KB.';
comment on column public.delivery_attempts.left_out is 'Replies in the response that were not sent, and why: [{reply (its position, from 1; absent for all), why}]; null for none.';
comment on column public.delivery_attempts.at is 'When it was settled.';
create index delivery_attempts_at_idx on public.delivery_attempts using brin (at);
comment on index public.delivery_attempts_at_idx is 'Purge by age.';
alter table public.delivery_attempts enable row level security;
revoke all on public.delivery_attempts from public, anon, authenticated;
-- Without the response: a service may quote whole numbers in it. message_story returns it without them.
grant select (delivery_id, attempt, outcome, status, latency_ms, error, left_out, at) on public.delivery_attempts to authenticated;
grant select, insert, update, delete on public.delivery_attempts to service_role;
create policy "operators read attempts" on public.delivery_attempts for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read attempts" on public.delivery_attempts is 'Operators and admins may see the result of each call of a service.';

create table private.delivery_lanes (
  destination_id uuid not null,
  conversation_id uuid not null,
  channel text not null default 'whatsapp',
  due_at timestamptz,
  lease uuid,
  constraint delivery_lanes_pkey primary key (conversation_id, destination_id)
) with (fillfactor = 70);
comment on table private.delivery_lanes is 'The queue of one conversation to one destination: when it is due, and its lease.';
comment on constraint delivery_lanes_pkey on private.delivery_lanes is 'One lane per destination and conversation. The conversation comes first, so that this also finds its lanes.';
comment on column private.delivery_lanes.destination_id is 'The destination. Not a foreign key: the lane''s deliveries have one, and an empty lane does nothing.';
comment on column private.delivery_lanes.conversation_id is 'The conversation, or what stands for it where events concern a whole account. Not a foreign key for that reason; a trigger deletes the lanes of a conversation with it.';
comment on column private.delivery_lanes.channel is 'The conversation''s channel: lanes of a channel that is switched off are not claimed.';
comment on column private.delivery_lanes.due_at is 'When its first open delivery may be tried; while leased, when the lease ends; null when empty.';
comment on column private.delivery_lanes.lease is 'Fencing token of the current lease: a result with another token is too late.';
create index delivery_lanes_due_idx on private.delivery_lanes (destination_id, channel, due_at)
  where due_at is not null and lease is null;
comment on index private.delivery_lanes_due_idx is 'Due lanes of a destination on a channel, oldest first; those of a channel that is off are not read. Without leased lanes: a lane that is leased as soon as it has something leaves no dead entry for each claim to skip until the next vacuum.';
create index delivery_lanes_leased_idx on private.delivery_lanes (destination_id, channel, due_at) where lease is not null;
comment on index private.delivery_lanes_leased_idx is 'Leases by their end: expired ones are claimed again.';
alter table private.delivery_lanes enable row level security;
revoke all on private.delivery_lanes from public, anon, authenticated;
grant select, insert, update, delete on private.delivery_lanes to service_role;

create function private.forget_lanes() returns trigger
language plpgsql set search_path = '' as $$
begin
  delete from private.delivery_lanes l where l.conversation_id = old.id;
  return null;
end $$;
comment on function private.forget_lanes() is 'Trigger, after delete of conversations: deletes their delivery lanes.';
create trigger forget_lanes after delete on public.conversations
  for each row execute function private.forget_lanes();
comment on trigger forget_lanes on public.conversations is 'A lane ends with its conversation.';

-- Claiming: leases on due lanes, within pause, circuit and rate -----------------------------------

create function private.lane_due_at(p_destination_id uuid, p_channel text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return least(
    (select l.due_at from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = p_channel and l.due_at is not null and l.lease is null
    order by l.due_at limit 1),
    (select l.due_at from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = p_channel and l.due_at is not null and l.lease is not null
    order by l.due_at limit 1));
end $$;
comment on function private.lane_due_at(uuid, text) is 'When the first lane of a destination on a channel is due or its lease expires; null if nothing waits.';

create function private.default_retry_seconds() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select s.value::jsonb from public.settings s where s.key = 'forward.retry_seconds');
end $$;
comment on function private.default_retry_seconds() is 'The setting forward.retry_seconds, a JSON list of waits in seconds; null if it is not set.';

-- A lane is due when its first open delivery is; empty lanes sleep. The caller holds the lane's lock from an
-- earlier statement: within one statement the snapshot could be older than the lock, and a delivery that was
-- committed between the two would never be woken.
create function private.release_lane(p_destination_id uuid, p_conversation_id uuid) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off set enable_sort = off as $$
begin
  update private.delivery_lanes l
  set lease = null, due_at = (
    select d.next_attempt_at from public.deliveries d
    where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and d.state in ('pending', 'leased')
    order by d.destination_id, d.conversation_id, d.seq limit 1)
  where l.destination_id = p_destination_id and l.conversation_id = p_conversation_id;
end $$;
comment on function private.release_lane(uuid, uuid) is 'Ends a lane''s lease and makes it due with its first open delivery.';

create function private.is_due(p_destination_id uuid, p_channels text[], p_expired boolean, p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = any (p_channels) and l.due_at <= p_now and l.lease is null)
  or p_expired and exists (
    select from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = any (p_channels) and l.due_at <= p_now and l.lease is not null);
end $$;
comment on function private.is_due(uuid, text[], boolean, timestamptz) is 'Whether a destination has a due lane of these channels or, with p_expired, one whose lease has expired.';

create function private.sender_of(p_channel text, p_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('id', s.id, 'address', s.address, 'account', s.account)
    from public.senders s where s.channel = p_channel and s.id = p_id);
end $$;
comment on function private.sender_of(text, text) is 'A sender as the provider''s own webhook names it: {id, address, account}; null if it is unknown.';

-- Each look-up is a probe of one index, whatever the statistics say at that moment: "limit 1" and the caller's loops
-- ensure that, and valid_to is compared in a form that rules out the index of all current ids. As json, which costs a
-- third less to build than jsonb.
create function private.claimed_deliveries(p_ids uuid[], p_leases uuid[]) returns json
language plpgsql stable set search_path = '' as $$
declare
  -- Asked once: hardly ever is there one.
  v_meta boolean := exists (select from public.destinations t where t.format = 'meta');
  v_claimed json;
begin
  v_claimed := (
    select json_agg(case when v_meta or m.channel = 'email' then private.with_extras(told.delivery, d.destination_id, m.id, v_meta) else told.delivery end order by d.seq)
    from unnest(p_ids, p_leases) as claimed (id, lease)
    cross join lateral (select * from public.deliveries d where d.id = claimed.id limit 1) d
    cross join lateral (select * from public.messages m where m.id = d.message_id limit 1) m
    cross join lateral (select * from public.conversations c where c.id = d.conversation_id limit 1) c
    cross join lateral (select * from public.contacts p where p.id = c.contact_id limit 1) p
    cross join lateral (
      select coalesce(json_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from c.number_id, i.id), '{}') as ids,
        coalesce(bool_or(i.kind = 'group'), false) as is_group
      from public.contact_identities i where i.contact_id = p.id and coalesce(i.valid_to, 'infinity') = 'infinity') known
    left join lateral (
      select private.message_link(a.message_id) as origin from public.attributions a
      where a.message_id = case m.type when 'edit' then private.edited_message(m.id) else m.id end limit 1) came on true
    cross join lateral (
      select json_build_object(
        'delivery_id', d.id, 'lease', claimed.lease, 'attempt', d.attempt, 'resent', d.resent, 'destination_id', d.destination_id,
        'message', json_build_object(
          'id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'text',
            case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
          'reply_to', m.reply_to, 'referral', m.referral, 'forwarded', m.forwarded, 'provider_id', m.provider_id,
          'native', m.native, 'flow', case m.type when 'interactive' then private.flow_of(m.type, m.native) end,
          'author', case when known.is_group then private.author_of(m.id, c.number_id) end, 'sent_at', m.sent_at, 'created_at', m.created_at),
        'traceparent', m.traceparent,
        'link', came.origin -> 'link', 'attribution', came.origin -> 'attribution',
        'conversation', case when c.taken_until > clock_timestamp() then json_build_object('id', c.id, 'number_id', c.number_id,
            'taken_over', json_build_object('by', c.taken_by, 'since', c.taken_at, 'until', c.taken_until))
          else json_build_object('id', c.id, 'number_id', c.number_id) end,
        'contact', json_build_object('id', p.id, 'name', p.name, 'identities', known.ids)) as delivery
    ) told);
  -- In a statement of its own, because a team may take these tables back.
  if exists (select from public.destinations t where t.kind = 'telegram') then
    v_claimed := private.with_cards(v_claimed::jsonb);
  end if;
  return v_claimed;
end $$;
comment on function private.claimed_deliveries(uuid[], uuid[]) is 'Those of the deliveries just claimed that are messages, each with its lease, in the form that the edge functions expect; null for none.';

create function private.with_extras(p_delivery json, p_destination_id uuid, p_message_id uuid, p_meta boolean) returns json
language plpgsql stable set search_path = '' as $$
begin
  return (
    select p_delivery::jsonb
      || case when p_meta then jsonb_build_object('sender', private.sender_of(c.channel, c.number_id)) else '{}' end
      || case when m.channel = 'email' and exists (select from private.inboxes i where i.destination_id = p_destination_id)
        then jsonb_build_object('mail', private.mail_to_forward(m.id, m.native, c.number_id, c.contact_id)) else '{}' end
    from public.messages m join public.conversations c on c.id = m.conversation_id where m.id = p_message_id);
end $$;
comment on function private.with_extras(json, uuid, uuid, boolean) is 'A claimed delivery with what few destinations need: p_meta adds the sender as Meta''s webhooks name it; a mail to an inbox gets the parts of its forward.';

create function private.chat_of(p_url text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('chat_id', split_part(substr(p_url, 10), '/', 1)::bigint, 'topic_id', nullif(split_part(p_url, '/', 2), '')::bigint)
$$;
comment on function private.chat_of(text) is 'The config of a destination of kind telegram, from its URL: {chat_id, topic_id}.';

create function private.claimed_destinations(p_ids uuid[], p_now timestamptz) returns json
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(json_agg(json_build_object(
      'id', d.id, 'name', d.name, 'kind', d.kind, 'url', d.url, 'format', d.format, 'config', case d.kind when 'inbox' then private.inbox_config(d.id) when 'telegram' then private.chat_of(d.url) end,
      'timeout_ms', d.timeout_ms, 'retry_seconds', coalesce(to_jsonb(d.retry_seconds), private.default_retry_seconds()),
      'failure_policy', d.failure_policy, 'headers', private.headers_of(d.id),
      'secrets', (
        select coalesce(jsonb_agg(s.secret order by s.created_at desc), '[]') from private.destination_secrets s
        where s.destination_id = d.id and (s.expires_at is null or s.expires_at > p_now)))), '[]')
    from public.destinations d where d.id = any (p_ids));
end $$;
comment on function private.claimed_destinations(uuid[], timestamptz) is 'What edge functions need to deliver to destinations, including secrets and encrypted headers.';

create type private.claim as (delivery_ids uuid[], leases uuid[], empty uuid[]);
comment on type private.claim is 'Claimed deliveries with their leases, and conversations whose lanes turned out to have no open delivery.';

create function private.claim_lanes(
  p_destination public.destinations, p_limit integer, p_lease_seconds integer, p_channels text[], p_expired boolean, p_now timestamptz
) returns private.claim
language plpgsql set search_path = '' as $$
declare
  v_limit integer := p_limit;
  v_claim private.claim;
  v_count integer;
begin
  if p_destination.circuit_open_until is not null then
    v_limit := 1; -- half open: one delivery probes
  end if;
  if p_destination.kind = 'telegram' and p_destination.rate_per_second is not null and to_regclass('public.card_folds') is not null then
    p_destination.rate_tat := private.fold_cards(p_destination, p_now);
  end if;
  if p_destination.rate_per_second is not null then
    -- GCRA: how many more deliveries conform now.
    v_limit := least(v_limit, p_destination.rate_burst - ceil(greatest(0,
      extract(epoch from coalesce(p_destination.rate_tat, p_now) - p_now) * p_destination.rate_per_second))::integer);
  end if;
  if v_limit <= 0 then
    return v_claim;
  end if;

  if p_destination.kind = 'inbox' and p_expired then
    perform private.give_up_forwards(p_destination.id, null, p_now);
  end if;
  -- Channel by channel, so that each is read from its start. Locks beyond the limit are released at the commit.
  with ready as materialized (
    select first.* from unnest(p_channels) as on_channel (name)
    cross join lateral (
      select l.conversation_id, l.due_at from private.delivery_lanes l
      where l.destination_id = p_destination.id and l.channel = on_channel.name and l.due_at <= p_now and l.lease is null
      order by l.due_at limit v_limit
      for update skip locked) first
  ), over as materialized (
    select first.* from unnest(p_channels) as on_channel (name)
    cross join lateral (
      select l.conversation_id, l.due_at from private.delivery_lanes l
      where p_expired and l.destination_id = p_destination.id and l.channel = on_channel.name and l.due_at <= p_now and l.lease is not null
      order by l.due_at limit v_limit
      for update skip locked) first
  ), due as (
    select either.conversation_id from (select * from ready union all select * from over) either order by either.due_at limit v_limit
  ), heads as (
    select due.conversation_id, head.id
    from due
    left join lateral (
      select d.id from public.deliveries d
      where d.destination_id = p_destination.id and d.conversation_id = due.conversation_id
        and d.state in ('pending', 'leased')
      order by d.seq limit 1
    ) head on true
  ), leased as (
    update private.delivery_lanes l
    set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid()
    from heads
    where heads.id is not null
      and l.destination_id = p_destination.id and l.conversation_id = heads.conversation_id
    returning heads.id as delivery_id, l.lease
  ), begun as (
    update public.deliveries d
    set state = 'leased', attempt = d.attempt + 1, updated_at = p_now
    from leased where d.id = leased.delivery_id
    returning d.id, leased.lease
  )
  select (select array_agg(b.id) from begun b), (select array_agg(b.lease) from begun b),
    (select array_agg(heads.conversation_id) from heads where heads.id is null)
  into v_claim;

  -- A lane without an open delivery in that snapshot: look again in a fresh one, now holding its lock, because its
  -- delivery may have been committed in the meantime.
  if v_claim.empty is not null then
    perform private.release_lane(p_destination.id, conversation_id) from unnest(v_claim.empty) as conversation_id;
  end if;

  v_count := cardinality(v_claim.delivery_ids);
  if p_destination.rate_per_second is not null and v_count > 0 then
    update public.destinations
    set rate_tat = greatest(coalesce(rate_tat, p_now), p_now) + make_interval(secs => (v_count / rate_per_second)::double precision)
    where id = p_destination.id;
  end if;
  return v_claim;
end $$;
comment on function private.claim_lanes(public.destinations, integer, integer, text[], boolean, timestamptz) is 'Leases due lanes of one destination and these channels within its rate and circuit, with p_expired also those whose lease has expired, and returns the first open delivery of each.';

-- Half of the places that the others leave free: however many destinations hang, the next one still finds some.
create function private.places_for(p_left integer, p_busy integer) returns integer
language plpgsql immutable set search_path = '' as $$
begin
  return greatest(0, (p_left + p_busy + 1) / 2 - p_busy);
end $$;
comment on function private.places_for(integer, integer) is 'How many deliveries to a destination may be claimed, given how many the caller has under way and how many places are free.';

create function private.next_delivery_ms(p_channels text[], p_now timestamptz) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (
    select ceil(extract(epoch from min(next.due_at) - p_now) * 1000)::bigint
    from public.destinations d
    cross join unnest(p_channels) as on_channel (name)
    cross join lateral (
      select greatest(lane.due_at, d.circuit_open_until, case when d.rate_per_second is not null
        then d.rate_tat - make_interval(secs => ((d.rate_burst - 1) / d.rate_per_second)::double precision) end) as due_at
      -- As lane_due_at, without a call for each destination and channel.
      from (select least(
        (select l.due_at from private.delivery_lanes l
        where l.destination_id = d.id and l.channel = on_channel.name and l.due_at is not null and l.lease is null
        order by l.due_at limit 1),
        (select l.due_at from private.delivery_lanes l
        where l.destination_id = d.id and l.channel = on_channel.name and l.due_at is not null and l.lease is not null
        order by l.due_at limit 1)) as due_at) lane
      where lane.due_at is not null
    ) next
    where d.state = 'active');
end $$;
comment on function private.next_delivery_ms(text[], timestamptz) is 'Milliseconds until the next lane of these channels is due or a lease expires; null for none.';

-- p_expired: lanes whose worker did not return. The index of leases is read from its start, where the last minutes' leases
-- leave dead entries until the next vacuum: once a second is often enough.
create function private.claim_deliveries(
  p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamptz,
  p_expired boolean default true, p_free integer default null
) returns json
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_destination public.destinations;
  v_claim private.claim;
  v_ids uuid[] := '{}';
  v_leases uuid[] := '{}';
  v_used uuid[] := '{}';
  v_left integer := p_limit;
  v_free integer := greatest(p_limit, p_free);
  v_events jsonb;
begin
  for v_destination in
    select * from public.destinations d
    where d.state = 'active' and (d.circuit_open_until is null or d.circuit_open_until <= p_now)
    order by random() -- so that none is always first when places are few
  loop
    exit when v_left <= 0;
    continue when not private.is_due(v_destination.id, p_channels, p_expired, p_now);
    -- Limits are decided under the row's lock; destinations without limits need not wait for anybody.
    if v_destination.rate_per_second is not null or v_destination.circuit_open_until is not null then
      select * into v_destination from public.destinations d where d.id = v_destination.id for update skip locked;
      continue when not found;
      if v_destination.circuit_open_until is not null then
        continue when v_destination.circuit_open_until > p_now;
      end if;
    end if;
    v_claim := private.claim_lanes(v_destination,
      least(v_left, private.places_for(v_free, coalesce((p_busy ->> v_destination.id::text)::integer, 0))),
      p_lease_seconds, p_channels, p_expired, p_now);
    if v_claim.delivery_ids is not null then
      if v_destination.circuit_open_until is not null then
        -- The probe excludes all others until it is settled or its lease ends.
        update public.destinations
        set circuit_open_until = p_now + make_interval(secs => p_lease_seconds), circuit_probe = v_claim.leases[1]
        where id = v_destination.id;
      end if;
      v_ids := v_ids || v_claim.delivery_ids;
      v_leases := v_leases || v_claim.leases;
      v_used := v_used || v_destination.id;
      v_left := v_left - cardinality(v_claim.delivery_ids);
      v_free := v_free - cardinality(v_claim.delivery_ids);
    end if;
  end loop;
  if v_ids = '{}' then
    return json_build_object('deliveries', '[]'::json, 'destinations', '[]'::json, 'next_due_ms', private.next_delivery_ms(p_channels, p_now));
  end if;
  if exists (select from unnest(v_ids) as claimed (id)
    cross join lateral (select d.message_id from public.deliveries d where d.id = claimed.id limit 1) d where d.message_id is null) then
    return json_build_object('deliveries', coalesce(private.claimed_deliveries(v_ids, v_leases), '[]'),
      'events', private.claimed_events(v_ids, v_leases),
      'destinations', private.claimed_destinations(v_used, p_now), 'next_due_ms', private.next_delivery_ms(p_channels, p_now));
  end if;
  return json_build_object('deliveries', coalesce(private.claimed_deliveries(v_ids, v_leases), '[]'),
    'destinations', private.claimed_destinations(v_used, p_now), 'next_due_ms', private.next_delivery_ms(p_channels, p_now));
end $$;
comment on function private.claim_deliveries(integer, integer, jsonb, text[], timestamptz, boolean, integer) is 'claim_deliveries with a given time, whether to look for expired leases, and how many of the caller''s places to fill if not all.';

create function public.claim_deliveries(
  p_limit integer, p_lease_seconds integer default 60, p_busy jsonb default '{}', p_channels text[] default '{whatsapp}'
) returns json
language plpgsql set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_deliveries(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp());
end $$;
comment on function public.claim_deliveries(integer, integer, jsonb, text[]) is 'Leases up to p_limit due lanes of these channels, given how many per destination (by id) the caller has under way, and returns {deliveries, events, destinations, next_due_ms}: the first open delivery of each lane with its message, those of other events (absent if there are none), the destinations with their secrets, and when the next lane is due. Honours pause, circuit and rate.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.default_retry_seconds(),
  private.release_lane(uuid, uuid),
  private.lane_due_at(uuid, text),
  private.is_due(uuid, text[], boolean, timestamptz),
  private.sender_of(text, text),
  private.claimed_deliveries(uuid[], uuid[]),
  private.with_extras(json, uuid, uuid, boolean),
  private.chat_of(text),
  private.claimed_destinations(uuid[], timestamptz),
  private.claim_lanes(public.destinations, integer, integer, text[], boolean, timestamptz),
  private.places_for(integer, integer),
  private.next_delivery_ms(text[], timestamptz),
  private.claim_deliveries(integer, integer, jsonb, text[], timestamptz, boolean, integer),
  public.claim_deliveries(integer, integer, jsonb, text[])
  to service_role;

insert into private.own_migrations (version) values ('20261129000800');
