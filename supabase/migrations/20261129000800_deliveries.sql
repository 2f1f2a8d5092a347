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
language sql stable set search_path = '' as $$
  select s.value::jsonb from public.settings s where s.key = 'forward.retry_seconds'
$$;
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
-- ensure that, and valid_to is compared in a form that rules out the index of all current ids.
create function private.claimed_deliveries(p_ids uuid[], p_leases uuid[]) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  -- Asked once: hardly ever is there one.
  v_meta boolean := exists (select from public.destinations t where t.format = 'meta');
  v_claimed jsonb;
begin
  v_claimed := (
    select jsonb_agg(jsonb_build_object(
      'delivery_id', d.id, 'lease', claimed.lease, 'attempt', d.attempt, 'resent', d.resent, 'destination_id', d.destination_id,
      'message', jsonb_build_object(
        'id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'text',
          case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
        'reply_to', m.reply_to, 'referral', m.referral, 'forwarded', m.forwarded, 'provider_id', m.provider_id,
        'native', m.native, 'flow', private.flow_of(m.type, m.native),
        'author', case when known.ids ? 'group' then private.author_of(m.id, c.number_id) end, 'sent_at', m.sent_at, 'created_at', m.created_at),
      'traceparent', m.traceparent,
      'link', came.origin -> 'link', 'attribution', came.origin -> 'attribution',
      'conversation', jsonb_build_object('id', c.id, 'number_id', c.number_id)
        || case when c.taken_until > clock_timestamp() then jsonb_build_object('taken_over',
          jsonb_build_object('by', c.taken_by, 'since', c.taken_at, 'until', c.taken_until)) else '{}' end,
      'contact', jsonb_build_object('id', p.id, 'name', p.name, 'identities', known.ids))
      || case when v_meta then jsonb_build_object('sender', private.sender_of(c.channel, c.number_id)) else '{}' end
      || case when m.channel = 'email' and exists (select from private.inboxes i where i.destination_id = d.destination_id)
        then jsonb_build_object('mail', private.mail_to_forward(m.id, m.native, c.number_id, p.id)) else '{}' end order by d.seq)
    from unnest(p_ids, p_leases) as claimed (id, lease)
    cross join lateral (select * from public.deliveries d where d.id = claimed.id limit 1) d
    cross join lateral (select * from public.messages m where m.id = d.message_id limit 1) m
    cross join lateral (select * from public.conversations c where c.id = d.conversation_id limit 1) c
    cross join lateral (select * from public.contacts p where p.id = c.contact_id limit 1) p
    cross join lateral (
      select coalesce(jsonb_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from c.number_id, i.id), '{}') as ids
      from public.contact_identities i where i.contact_id = p.id and coalesce(i.valid_to, 'infinity') = 'infinity') known
    left join lateral (
      select private.message_link(a.message_id) as origin from public.attributions a
      where a.message_id = case m.type when 'edit' then private.edited_message(m.id) else m.id end limit 1) came on true);
  -- In a statement of its own, because a team may take these tables back.
  if exists (select from public.destinations t where t.kind = 'telegram') then
    v_claimed := private.with_cards(v_claimed);
  end if;
  return v_claimed;
end $$;
comment on function private.claimed_deliveries(uuid[], uuid[]) is 'Those of the deliveries just claimed that are messages, each with its lease, in the form that the edge functions expect; null for none.';

create function private.chat_of(p_url text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('chat_id', split_part(substr(p_url, 10), '/', 1)::bigint, 'topic_id', nullif(split_part(p_url, '/', 2), '')::bigint)
$$;
comment on function private.chat_of(text) is 'The config of a destination of kind telegram, from its URL: {chat_id, topic_id}.';

create function private.claimed_destinations(p_ids uuid[], p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
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
language sql immutable set search_path = '' as $$
  select greatest(0, (p_left + p_busy + 1) / 2 - p_busy)
$$;
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
      from (select private.lane_due_at(d.id, on_channel.name) as due_at) lane
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
) returns jsonb
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
  v_deliveries jsonb;
  v_events jsonb;
begin
  for v_destination in
    select * from public.destinations d
    where d.state = 'active' and (d.circuit_open_until is null or d.circuit_open_until <= p_now)
    order by random() -- so that none is always first when places are few
  loop
    exit when v_left <= 0;
    -- Limits are decided under the row's lock; destinations without limits need not wait for anybody.
    if v_destination.rate_per_second is not null or v_destination.circuit_open_until is not null then
      continue when not private.is_due(v_destination.id, p_channels, p_expired, p_now);
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
  v_deliveries := case when v_ids = '{}' then '[]' else coalesce(private.claimed_deliveries(v_ids, v_leases), '[]') end;
  if jsonb_array_length(v_deliveries) < cardinality(v_ids) then
    v_events := private.claimed_events(v_ids, v_leases);
  end if;
  return jsonb_build_object(
    'deliveries', v_deliveries,
    'destinations', case when v_used = '{}' then '[]' else private.claimed_destinations(v_used, p_now) end,
    'next_due_ms', private.next_delivery_ms(p_channels, p_now))
    || case when v_events is null then '{}' else jsonb_build_object('events', v_events) end;
end $$;
comment on function private.claim_deliveries(integer, integer, jsonb, text[], timestamptz, boolean, integer) is 'claim_deliveries with a given time, whether to look for expired leases, and how many of the caller''s places to fill if not all.';

create function public.claim_deliveries(
  p_limit integer, p_lease_seconds integer default 60, p_busy jsonb default '{}', p_channels text[] default '{whatsapp}'
) returns jsonb
language sql set search_path = '' as $$
  select private.refuse_older_code();
  select private.claim_deliveries(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp())
$$;
comment on function public.claim_deliveries(integer, integer, jsonb, text[]) is 'Leases up to p_limit due lanes of these channels, given how many per destination (by id) the caller has under way, and returns {deliveries, events, destinations, next_due_ms}: the first open delivery of each lane with its message, those of other events (absent if there are none), the destinations with their secrets, and when the next lane is due. Honours pause, circuit and rate.';

-- Deciding: what the router decided becomes deliveries -------------------------------------------

create type private.new_delivery as (message_id uuid, destination_id uuid, conversation_id uuid, channel text, seq bigint, event_id uuid);
comment on type private.new_delivery is 'A delivery that is about to be created: of a message, or of an event.';

create function private.open_places(p_new private.new_delivery[], p_claim jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_destination record;
  v_left integer := (p_claim ->> 'limit')::integer;
  v_free integer := greatest(v_left, (p_claim ->> 'free')::integer);
  v_places integer;
  v_open jsonb := '{}';
begin
  for v_destination in
    select n.destination_id as id, count(distinct n.conversation_id)::integer as lanes
    from unnest(p_new) n
    join public.destinations d on d.id = n.destination_id
    where d.state = 'active' and d.circuit_open_until is null and d.rate_per_second is null
    group by n.destination_id order by random()
  loop
    v_places := least(v_left, v_destination.lanes,
      private.places_for(v_free, coalesce((p_claim #>> array['busy', v_destination.id::text])::integer, 0)));
    v_open := v_open || jsonb_build_object(v_destination.id, v_places);
    v_left := v_left - v_places;
    v_free := v_free - v_places;
  end loop;
  return v_open;
end $$;
comment on function private.open_places(private.new_delivery[], jsonb) is 'How many of these deliveries may start at once, by destination: those whose rate and circuit can be judged without the row''s lock, within the caller''s places {limit, free, busy}.';

-- A lane that has nothing else is leased in the same statement, so that what can start at once is written once and settled once.
create function private.make_deliveries(p_new private.new_delivery[], p_claim jsonb, p_now timestamptz) returns private.claim
language plpgsql set search_path = '' as $$
declare
  v_claim private.claim;
  v_open jsonb := case when p_claim is null then '{}' else private.open_places(p_new, p_claim) end;
  v_lease_end timestamptz := p_now + make_interval(secs => coalesce((p_claim ->> 'lease_seconds')::integer, 0));
begin
  with lanes as (
    select n.destination_id, n.conversation_id, n.channel, min(n.seq) as first,
      row_number() over (partition by n.destination_id order by min(n.seq)) <= coalesce((v_open ->> n.destination_id::text)::integer, 0)
        and p_claim -> 'channels' ? n.channel as begins
    from unnest(p_new) n group by n.destination_id, n.conversation_id, n.channel
  ), woken as (
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at, lease)
    select n.destination_id, n.conversation_id, n.channel, case when n.begins then v_lease_end else p_now end,
      case when n.begins then gen_random_uuid() end
    from lanes n order by n.destination_id, n.conversation_id
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at, lease = excluded.lease where l.due_at is null
    returning destination_id, conversation_id, lease
  ), made as (
    insert into public.deliveries (message_id, event_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, created_at, updated_at)
    select n.message_id, n.event_id, n.destination_id, n.conversation_id, n.seq,
      case when w.lease is not null then 'leased' else 'pending' end, (w.lease is not null)::integer, p_now, p_now, p_now
    from unnest(p_new) n
    join lanes f on f.destination_id = n.destination_id and f.conversation_id = n.conversation_id
    left join woken w on w.destination_id = n.destination_id and w.conversation_id = n.conversation_id and n.seq = f.first
    order by n.seq
    returning id, destination_id, conversation_id, state
  )
  select array_agg(m.id), array_agg(w.lease) into v_claim.delivery_ids, v_claim.leases
  from made m join woken w on w.destination_id = m.destination_id and w.conversation_id = m.conversation_id
  where m.state = 'leased';
  return v_claim;
end $$;
comment on function private.make_deliveries(private.new_delivery[], jsonb, timestamptz) is 'Creates deliveries and wakes their lanes; claims those that may start at once within the caller''s places {limit, free, lease_seconds, busy, channels}. The caller holds the conversations'' locks.';

-- The planner can only guess the length of a list, and for nested lists guesses a hundred times a hundred. Here and wherever
-- a list is settled, each item is therefore looked up by index.
create function public.record_decisions(p_revision bigint, p_conversations jsonb, p_claim jsonb default null) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_decided integer;
  v_new private.new_delivery[];
  v_claim private.claim;
begin
  perform private.refuse_older_code();
  -- The conversation's lock first, always in the order of ids, as ingest_updates takes it.
  perform from public.conversations
  where id in (select (c ->> 'id')::uuid from jsonb_array_elements(p_conversations) c)
  order by id for update;

  with decided as (
    insert into public.routing_decisions (message_id, route_id, route_name, reason, destination_ids, contact, explanation, revision)
    select d.message_id, r.id, d.route_name, d.reason, coalesce(d.destination_ids, '{}'), d.contact, d.explanation, p_revision
    from jsonb_array_elements(p_conversations) c
    cross join jsonb_to_recordset(c -> 'decisions') as d (
      message_id uuid, route_id uuid, route_name text, reason text, destination_ids uuid[], contact text, explanation jsonb)
    join public.messages m on m.id = d.message_id
    left join public.routes r on r.id = d.route_id
    on conflict (message_id) do nothing
    returning message_id, destination_ids
  )
  select (select count(*) from decided), (
    select array_agg((m.id, t.id, m.conversation_id, m.channel, m.seq, null)::private.new_delivery order by m.seq)
    from decided
    join public.messages m on m.id = decided.message_id
    cross join unnest(decided.destination_ids) as wanted (id)
    join public.destinations t on t.id = wanted.id)
  into v_decided, v_new;
  if v_new is not null then
    v_claim := private.make_deliveries(v_new, p_claim, v_now);
  end if;

  update public.conversations c
  set routed_seq = greatest(c.routed_seq, w.through_seq),
    sticky_route_id = w.sticky_route_id,
    sticky_until = w.sticky_until,
    held_revision = case when w.held then p_revision end,
    unrouted_since = case when w.held then c.unrouted_since else (
      select min(m.created_at) from public.messages m
      where m.conversation_id = c.id and m.direction = 'in' and m.seq > greatest(c.routed_seq, w.through_seq)
        and not exists (select from public.routing_decisions d where d.message_id = m.id)) end
  from jsonb_to_recordset(p_conversations) as w (
    id uuid, held boolean, through_seq bigint, sticky_route_id uuid, sticky_until timestamptz)
  where c.id = w.id;

  return jsonb_build_object('decided', v_decided, 'deliveries', coalesce(cardinality(v_new), 0))
    || case when v_claim.delivery_ids is null then '{}' else jsonb_build_object('claim', jsonb_build_object(
      'deliveries', private.claimed_deliveries(v_claim.delivery_ids, v_claim.leases),
      'destinations', private.claimed_destinations(array(select distinct n.destination_id from unnest(v_new) n), v_now))) end;
end $$;
comment on function public.record_decisions(bigint, jsonb, jsonb) is 'Records the router''s decisions for conversations: [{id, held, through_seq, sticky_route_id, sticky_until, decisions: [{message_id, route_id, route_name, reason, destination_ids, contact, explanation}]}]. The first decision on a message stands. Creates the deliveries and wakes their lanes, all in one transaction. With p_claim {limit, free, lease_seconds, busy, channels} those that can start at once are claimed for the caller: claim {deliveries, destinations}, as returned by claim_deliveries.';

-- Settling: the outcome of an attempt; the response may contain replies ---------------------------

-- Does not wait for the lanes' locks: their holders are settling, claiming or moving the lane, and may be waiting for this
-- destination's row.
create function private.wake_deliveries(p_destination_id uuid, p_limit integer, p_now timestamptz) returns boolean
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[];
begin
  with locked as materialized (
    select l.conversation_id from public.deliveries d
    join private.delivery_lanes l on l.destination_id = d.destination_id and l.conversation_id = d.conversation_id
    where d.destination_id = p_destination_id and d.wakes and d.state = 'pending' and l.lease is null
    limit p_limit for update of l skip locked
  )
  select array_agg(conversation_id) into v_lanes from locked;
  update public.deliveries d set next_attempt_at = least(d.next_attempt_at, p_now), wakes = false, woken = d.attempt
  where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.wakes and d.state = 'pending';
  perform private.release_lane(p_destination_id, conversation_id) from unnest(v_lanes) as conversation_id;
  return coalesce(cardinality(v_lanes), 0) >= p_limit;
end $$;
comment on function private.wake_deliveries(uuid, integer, timestamptz) is 'Makes failed deliveries of a destination that answers again due, up to a limit; returns whether there may be more.';

-- Ten failures in a row open the circuit: for 30 s, doubled each time the probe fails, at most an hour. Failures of
-- deliveries that were under way when it opened do not count.
create function private.settle_circuit(
  p_destination_id uuid, p_failures integer, p_succeeded boolean, p_failed_leases uuid[], p_now timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  v_opens boolean;
begin
  if p_succeeded then
    update public.destinations
    set circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false
    where id = p_destination_id
      and (circuit_failures > 0 or circuit_trips > 0 or circuit_open_until is not null or circuit_waking);
    -- A thousand at once; each success adds the next, so that a service that fails again has not cost every delivery an attempt.
    if (found or p_failures > 0) and private.wake_deliveries(p_destination_id, 1000, p_now) then
      update public.destinations set circuit_waking = true where id = p_destination_id;
    end if;
  elsif p_failures > 0 then
    update public.destinations set circuit_failures = circuit_failures + p_failures
    where id = p_destination_id
    returning case when circuit_open_until is null then circuit_failures >= 10
      else circuit_probe = any (p_failed_leases) end into v_opens;
    if v_opens then
      update public.destinations
      set circuit_trips = circuit_trips + 1, circuit_probe = null,
        circuit_open_until = p_now + least(interval '1 hour', interval '30 seconds' * power(2, least(circuit_trips, 7)))
      where id = p_destination_id;
    end if;
  end if;
end $$;
comment on function private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz) is 'Updates a destination''s circuit after attempts: any success closes it and makes failed deliveries due, ten failures in a row open it, and the failure of its probe opens it again.';

create type private.settlement as (
  delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text, retry_after_ms bigint,
  replies jsonb, left_out jsonb, wakes boolean, destination_id uuid, conversation_id uuid, attempt integer
);
comment on type private.settlement is 'The outcome of an attempt, with the delivery''s lane and the number of the attempt.';

-- Without a sort, the first open delivery of a lane is read by its own index only. So nothing here orders a table: lists are
-- sorted, and looked up one by one.
create function private.settle_deliveries(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_results private.settlement[];
  v_settled private.settlement[];
  v_replying boolean := jsonb_path_exists(p_results, '$[*].replies[0]');
  v_queued jsonb := '{"replies": 0, "left_out": []}';
begin
  select array_agg((r.delivery_id, r.lease, r.outcome, r.status, r.latency_ms, r.error, r.answer, coalesce(r.retry_after_ms, 0),
    r.replies, r.left_out, r.wakes, d.destination_id, d.conversation_id, d.attempt)::private.settlement
    order by d.destination_id, d.conversation_id)
  into v_results
  from jsonb_to_recordset(p_results) as r (
    delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text,
    retry_after_ms bigint, replies jsonb, left_out jsonb, wakes boolean)
  cross join lateral (
    select d.destination_id, d.conversation_id, d.attempt from public.deliveries d where d.id = r.delivery_id limit 1) d;
  -- Locks in the order that record_decisions takes them: conversations, then lanes.
  if v_replying then
    perform from unnest(array(
      select distinct r.conversation_id from unnest(v_results) r where jsonb_array_length(coalesce(r.replies, '[]')) > 0 order by 1)) as wanted (id)
    cross join lateral (select from public.conversations c where c.id = wanted.id for update) c;
  end if;
  select array_agg(r) into v_settled from unnest(v_results) r
  cross join lateral (
    select from private.delivery_lanes l
    where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id
      -- With "=" the planner could also choose the index of all leases.
      and l.lease is not distinct from r.lease for update) l;

  -- put_back: the service was not called. It is not an attempt, and says nothing about the service.
  insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, error, answer, left_out, at)
  select r.delivery_id, r.attempt, r.outcome, r.status, r.latency_ms, r.error, r.answer, r.left_out, p_now
  from unnest(v_settled) r where r.outcome <> 'put_back'
  on conflict (delivery_id, attempt) do nothing;
  update public.deliveries d
  set state = case r.outcome when 'delivered' then 'delivered' when 'dead' then 'dead' else 'pending' end,
    attempt = d.attempt - (r.outcome = 'put_back')::integer,
    delivered_at = case when r.outcome = 'delivered' then p_now end,
    next_attempt_at = p_now + make_interval(secs => r.retry_after_ms / 1000.0),
    wakes = case when r.outcome = 'put_back' then d.wakes else r.outcome = 'retry' and coalesce(r.wakes, true)
      and coalesce(r.status not in (400, 413, 415, 422, 429), true) and coalesce(d.attempt >= d.woken + 2, true) end,
    last_error = case r.outcome when 'put_back' then d.last_error when 'delivered' then null else r.error end, updated_at = p_now
  from unnest(v_settled) r where d.id = r.delivery_id;
  if jsonb_path_exists(p_results, '$[*] ? (@.outcome == "put_back")') then
    update public.destinations d
    set circuit_probe = null, circuit_open_until = p_now + make_interval(secs => r.retry_after_ms / 1000.0)
    from unnest(v_settled) r where r.outcome = 'put_back' and d.id = r.destination_id and d.circuit_probe = r.lease;
    -- Telegram's limits are the chat's: what else waits for it waits as long.
    update public.destinations d
    set rate_tat = greatest(d.rate_tat, p_now + make_interval(secs => (r.ms / 1000.0 + (d.rate_burst - 1) / d.rate_per_second)::double precision))
    from (
      select split_part(t.url, '/', 1) as chat, max(x.retry_after_ms) as ms
      from unnest(v_settled) x join public.destinations t on t.id = x.destination_id
      where x.outcome = 'put_back' and t.kind = 'telegram' group by 1) r
    where split_part(d.url, '/', 1) = r.chat and d.kind = 'telegram' and d.rate_per_second is not null and r.ms > 0;
  end if;
  if v_replying then
    v_queued := private.queue_replies(v_settled, p_now);
  end if;
  if exists (
    select from unnest(v_settled) r
    cross join lateral (select from private.inboxes i where i.destination_id = r.destination_id limit 1) i) then
    perform private.note_forwards(v_settled, p_now);
  end if;
  -- Like release_lane, and for the same reason in a separate statement.
  update private.delivery_lanes l
  set lease = null, due_at = (
    select d.next_attempt_at from public.deliveries d
    where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and d.state in ('pending', 'leased')
    order by d.destination_id, d.conversation_id, d.seq limit 1)
  from unnest(v_settled) r
  where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id;

  -- Results that were fenced off also say something about the service.
  perform private.settle_circuit(per.destination_id, per.failures, per.succeeded, per.failed_leases, p_now)
  from (
    select r.destination_id, count(*) filter (where r.outcome in ('retry', 'dead'))::integer as failures,
      bool_or(r.outcome = 'delivered') as succeeded,
      array_agg(r.lease) filter (where r.outcome in ('retry', 'dead')) as failed_leases
    from unnest(v_results) r
    group by r.destination_id order by r.destination_id
  ) per;
  -- Only if asked: the statement alone would count as a change of the configuration.
  if jsonb_path_exists(p_results, '$[*] ? (@.pause == true)') then
    update public.destinations t
    set state = 'paused', paused_because = asked.because, version = t.version + 1, updated_at = p_now, updated_by = private.actor()
    from (
      select r.destination_id, min(r.error) as because
      from jsonb_to_recordset(p_results) as p (delivery_id uuid, pause boolean)
      join unnest(v_results) r on r.delivery_id = p.delivery_id
      where p.pause group by r.destination_id
    ) asked
    where t.id = asked.destination_id and t.state = 'active';
  end if;
  return jsonb_build_object('settled', coalesce(cardinality(v_settled), 0),
    'fenced', jsonb_array_length(p_results) - coalesce(cardinality(v_settled), 0)) || v_queued;
end $$;
comment on function private.settle_deliveries(jsonb, timestamptz) is 'settle_deliveries with a given time.';

create function private.claim_also(p_claim jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
  return private.claim_deliveries((p_claim ->> 'limit')::integer, (p_claim ->> 'lease_seconds')::integer, p_claim -> 'busy',
    array(select jsonb_array_elements_text(p_claim -> 'channels')), p_now, coalesce((p_claim ->> 'expired')::boolean, true), (p_claim ->> 'free')::integer);
end $$;
comment on function private.claim_also(jsonb, timestamptz) is 'claim_deliveries for the caller of another function, from its argument {limit, free, lease_seconds, busy, channels, expired}.';

-- Outcomes are recorded whoever reports them: outdated code merely gets no new work.
create function public.settle_deliveries(p_results jsonb, p_claim jsonb default null) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_settled jsonb := private.settle_deliveries(p_results, clock_timestamp());
begin
  if p_claim is null then
    return v_settled;
  end if;
  begin
    perform private.refuse_older_code();
  exception when sqlstate 'GL503' then
    return v_settled;
  end;
  return v_settled || jsonb_build_object('claim', private.claim_also(p_claim, clock_timestamp()));
end $$;
comment on function public.settle_deliveries(jsonb, jsonb) is 'Records the outcome of attempts [{delivery_id, lease, outcome (delivered, retry, dead, put_back: the service was not called), status, latency_ms, error, answer, retry_after_ms, replies, left_out [{reply, why}], wakes (false if it must not be made due early), pause (true pauses the destination)}]: attempt, delivery, lane, circuit and queued replies in one transaction. A result whose lease is not the lane''s current one is fenced off. Returns {settled, fenced, replies, left_out: [{delivery_id, replies: [{reply, why}]}]}, left_out being the replies forbidden by window, opt-out or flag. With p_claim {limit, free, lease_seconds, busy, channels, expired} it also returns claim, like claim_deliveries.';

-- Management of waiting deliveries and dead letters ------------------------------------------------

create function private.lock_lanes(p_ids uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform from private.delivery_lanes l
  join public.deliveries d on d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
  where d.id = any (p_ids) order by l.destination_id, l.conversation_id for update of l;
  perform private.give_up_forwards(d.destination_id, d.conversation_id, now())
  from public.deliveries d join public.destinations t on t.id = d.destination_id and t.kind = 'inbox'
  where d.id = any (p_ids) and d.state = 'leased';
  -- The holder of an expired lease has died. A paused destination is not claimed, so nobody else would end the lease.
  with over as (
    update private.delivery_lanes l set lease = null
    from public.deliveries d
    where d.id = any (p_ids) and d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and l.lease is not null and l.due_at <= now()
    returning l.destination_id, l.conversation_id
  )
  update public.deliveries d set state = 'pending'
  from over where d.destination_id = over.destination_id and d.conversation_id = over.conversation_id and d.state = 'leased';
end $$;
comment on function private.lock_lanes(uuid[]) is 'Locks the lanes of these deliveries in the common order, and ends expired leases on them.';

create function private.release_lanes(p_ids uuid[]) returns void
language sql volatile set search_path = '' as $$
  -- A leased lane is released, and woken, by its holder.
  select private.release_lane(l.destination_id, l.conversation_id)
  from private.delivery_lanes l
  where l.lease is null and (l.destination_id, l.conversation_id) in (
    select d.destination_id, d.conversation_id from public.deliveries d where d.id = any (p_ids))
$$;
comment on function private.release_lanes(uuid[]) is 'Makes the lanes of these deliveries due with their first open delivery. The caller holds their locks.';

create function private.begin_again(p_ids uuid[]) returns void
language sql volatile set search_path = '' as $$
  -- Attempts start over; the results of earlier ones stay readable under negative numbers.
  update public.delivery_attempts a
  set attempt = (select least(0, min(b.attempt)) from public.delivery_attempts b where b.delivery_id = a.delivery_id) - a.attempt
  where a.delivery_id = any (p_ids) and a.attempt > 0
$$;
comment on function private.begin_again(uuid[]) is 'Gives these deliveries a full schedule of attempts and keeps the results of earlier ones.';

create function public.retry_deliveries(p_ids uuid[]) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_dead uuid[];
  v_waiting uuid[];
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  with retried as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), dropped_reason = null, woken = null, updated_at = now()
    where id = any (p_ids) and state = 'dead'
      and destination_id in (select t.id from public.destinations t where t.removed_at is null)
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_dead from retried;
  perform private.begin_again(v_dead);
  v_waiting := array(select d.id from public.deliveries d where d.id = any (p_ids) and d.state = 'pending' and d.id <> all (v_dead));
  -- A delivery that waits behind another cannot start before it.
  update public.deliveries d set next_attempt_at = now(), wakes = false, woken = null
  where d.state = 'pending' and d.next_attempt_at > now() and (d.id = any (v_waiting) or d.id in (
    select head.id from public.deliveries w
    cross join lateral (
      select h.id from public.deliveries h
      where h.destination_id = w.destination_id and h.conversation_id = w.conversation_id and h.state in ('pending', 'leased')
      order by h.seq limit 1) head
    where w.id = any (v_waiting)));
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_dead || v_waiting, 'retried');
  return cardinality(v_dead) + cardinality(v_waiting);
end $$;
comment on function public.retry_deliveries(uuid[]) is 'Makes deliveries due now, under the same webhook-id: dead ones pending again with a full schedule of attempts, waiting ones with the attempts they have left, and also those they wait behind. Returns how many. A destination that is paused, or whose circuit is open, still waits.';

create function public.skip_deliveries(p_ids uuid[]) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_skipped uuid[];
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  with skipped as (
    update public.deliveries
    set state = 'dead', wakes = false, last_error = concat_ws(' ', last_error, '(skipped)'), updated_at = now()
    where id = any (p_ids) and state = 'pending'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_skipped from skipped;
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_skipped, 'skipped');
  return cardinality(v_skipped);
end $$;
comment on function public.skip_deliveries(uuid[]) is 'Turns waiting deliveries into dead letters, so that those behind them continue. Returns how many. If retried later, they arrive after what was delivered in the meantime.';

create function public.drop_deliveries(p_ids uuid[], p_reason text) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_dropped uuid[];
begin
  perform private.require_role('operator');
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'dropping needs a reason' using errcode = 'GL422';
  end if;
  if exists (
    select from public.deliveries d join public.conversations c on c.id = d.conversation_id
    where d.id = any (p_ids) and private.without_ids(p_reason, c.contact_id) <> p_reason) then
    raise exception 'the reason names a contact' using errcode = 'GL422',
      hint = 'The whole team reads it: leave out the number, the address and the id.';
  end if;
  perform private.lock_lanes(p_ids);
  with dropped as (
    update public.deliveries
    set state = 'dead', wakes = false, dropped_reason = p_reason || ' (' || private.actor() || ')', updated_at = now()
    where id = any (p_ids) and (state = 'pending' or state = 'dead' and dropped_reason is null)
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_dropped from dropped;
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_dropped, 'dropped', p_reason);
  return cardinality(v_dropped);
end $$;
comment on function public.drop_deliveries(uuid[], text) is 'Permanently closes waiting and dead deliveries, recording the reason and who gave it; the rows stay. Returns how many. Errors: 42501 not allowed, GL422 no reason, or one that names a contact.';

-- One page per call, oldest first: deliveries made due by one call may be delivered, and found again, before the next.
create function public.resend_deliveries(
  p_destination text, p_from timestamptz, p_to timestamptz, p_after uuid default null, p_limit integer default 1000,
  p_key uuid default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_destination uuid;
  v_page uuid[];
  v_ids uuid[];
begin
  perform private.require_role('operator');
  v_destination := private.destination_named(p_destination);
  if p_from is null or p_to is null or p_from >= p_to then
    raise exception 'a range begins before it ends' using errcode = 'GL422';
  end if;
  v_page := array(
    select d.id from public.deliveries d
    where d.destination_id = v_destination and d.created_at >= p_from and d.created_at < p_to
      and (p_after is null or (d.created_at, d.id) > ((select a.created_at from public.deliveries a where a.id = p_after), p_after))
      and d.state = 'delivered' and (p_key is null or d.resent_for is distinct from p_key)
    order by d.created_at, d.id limit least(greatest(p_limit, 1), 1000));
  perform private.lock_lanes(v_page);
  with again as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), delivered_at = null, woken = null, resent = resent + 1,
      resent_for = p_key, updated_at = now()
    where id = any (v_page) and state = 'delivered'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_ids from again;
  perform private.begin_again(v_ids);
  perform private.release_lanes(v_ids);
  return jsonb_build_object('resent', cardinality(v_ids),
    'after', case when cardinality(v_page) = least(greatest(p_limit, 1), 1000) then v_page[cardinality(v_page)] end);
end $$;
comment on function public.resend_deliveries(text, timestamptz, timestamptz, uuid, integer, uuid) is
  'Resends what was delivered to a destination and decided from p_from until before p_to: under the same webhook-id, in the order of each conversation, marked by data.resent in the event. Returns {resent, after}: how many, and what to pass as p_after for the rest; null if that was all. With p_key, what was last resent under the same key is left out, so that asking again after a lost answer resends nothing twice. For operators and secret keys. Errors: 42501 not allowed, GL404 no such destination, GL422 no range.';

create function public.set_destination_state(p_name text, p_state text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
  v_row public.destinations;
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  -- Resuming also closes the circuit and makes waiting deliveries due at once, because a person has checked.
  if p_state = 'active' then
    perform from private.delivery_lanes l
    where l.destination_id = v_id and l.lease is null and l.due_at > now() order by l.conversation_id for update;
    update public.deliveries set next_attempt_at = now(), wakes = false, woken = null
    where destination_id = v_id and state = 'pending' and next_attempt_at > now();
    update private.delivery_lanes l set due_at = now()
    where l.destination_id = v_id and l.lease is null and l.due_at > now();
  end if;
  update public.destinations
  set state = p_state, paused_because = null, version = version + 1, updated_at = now(), updated_by = private.actor(),
    circuit_failures = case when p_state = 'active' then 0 else circuit_failures end,
    circuit_trips = case when p_state = 'active' then 0 else circuit_trips end,
    circuit_probe = case when p_state = 'active' then null else circuit_probe end,
    circuit_waking = circuit_waking and p_state <> 'active',
    circuit_open_until = case when p_state = 'active' then null else circuit_open_until end
  where id = v_id
  returning * into v_row;
  return jsonb_build_object('id', v_row.id, 'name', v_row.name, 'url', v_row.url, 'state', v_row.state);
end $$;
comment on function public.set_destination_state(text, text) is 'Pauses (paused) or resumes (active) a destination; its queue is kept, and becomes due at once when it is resumed. GL404 if there is no such destination.';

-- The row stays, because past deliveries refer to it; name, secrets and queue are gone.
create function public.remove_destination(p_name text, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
  v_routes text;
  v_open uuid[];
  v_dead uuid[];
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  if exists (select from public.destinations d where d.id = v_id and d.kind = 'inbox') then
    raise exception '% belongs to an identity', p_name using errcode = 'GL409', hint = 'Remove the identity.';
  end if;
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  perform private.lock_lanes(v_open);
  perform from public.destinations d where d.id = v_id for update;
  select string_agg(r.name, ', ' order by r.priority, r.id) into v_routes
  from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = v_id;
  if v_routes is not null then
    raise exception 'routes lead to %: %', p_name, v_routes using errcode = 'GL409',
      hint = 'Give these routes another destination, or remove them, first.';
  end if;
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  v_dead := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state = 'dead' and d.dropped_reason is null);
  if cardinality(v_open) + cardinality(v_dead) > 0 and coalesce(trim(p_reason), '') = '' then
    raise exception '% deliveries to % wait, and % are dead letters', cardinality(v_open), p_name, cardinality(v_dead)
      using errcode = 'GL409', hint = 'Give a reason to drop them with, or let them be delivered first.';
  end if;
  -- Deliveries under way are fenced off by their lease.
  update private.delivery_lanes set lease = null, due_at = null
  where destination_id = v_id and (lease is not null or due_at is not null);
  update public.deliveries set state = 'pending' where id = any (v_open) and state = 'leased';
  if cardinality(v_open) + cardinality(v_dead) > 0 then
    perform public.drop_deliveries(v_open || v_dead, p_reason);
  end if;
  delete from private.destination_secrets where destination_id = v_id;
  update public.destinations
  set state = 'paused', removed_at = clock_timestamp(), paused_because = null, version = version + 1,
    circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false,
    updated_at = clock_timestamp(), updated_by = private.actor()
  where id = v_id;
  return jsonb_build_object('id', v_id, 'name', p_name, 'dropped', cardinality(v_open) + cardinality(v_dead));
end $$;
comment on function public.remove_destination(text, text) is
  'Removes a destination that no route leads to, with its secrets; past deliveries keep its name, which another may use. With a reason, waiting deliveries and dead letters are dropped too. Returns {id, name, dropped}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such destination, GL409 routes lead there, it belongs to an identity, or deliveries wait or are dead and no reason is given, GL422 a reason that names a contact.';

create function private.tidy_destinations(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  -- A successful delivery closes a circuit. With none left to try, and routes using their spare, it would stay open.
  update public.destinations d
  set circuit_open_until = null, circuit_probe = null, circuit_trips = 0, circuit_failures = 9
  where d.circuit_open_until <= p_now and not exists (
    select from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased'));
  -- The failed deliveries may wait for hours while new messages go to the spare: one of them probes early.
  perform private.wake_deliveries(d.id, 1, p_now) from public.destinations d
  where d.circuit_open_until <= p_now and d.state = 'active' and not exists (
    select from private.delivery_lanes l where l.destination_id = d.id and l.due_at <= p_now);
  -- The router may have chosen it by a configuration seconds old: such deliveries are given up, not left waiting.
  update public.deliveries d
  set state = 'dead', wakes = false, last_error = 'removed: the destination was removed', updated_at = p_now
  from public.destinations t
  where t.removed_at is not null and d.destination_id = t.id and d.state in ('pending', 'leased');
end $$;
comment on function private.tidy_destinations(timestamptz) is 'Run by the clock: closes circuits whose wait is over and that no delivery can probe, so that the next message tries; lets one delivery probe early if all wait for later; gives up deliveries that were decided while their destination was being removed.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.default_retry_seconds(),
  private.release_lane(uuid, uuid),
  private.lane_due_at(uuid, text),
  private.is_due(uuid, text[], boolean, timestamptz),
  private.sender_of(text, text),
  private.claimed_deliveries(uuid[], uuid[]),
  private.chat_of(text),
  private.claimed_destinations(uuid[], timestamptz),
  private.claim_lanes(public.destinations, integer, integer, text[], boolean, timestamptz),
  private.places_for(integer, integer),
  private.next_delivery_ms(text[], timestamptz),
  private.claim_deliveries(integer, integer, jsonb, text[], timestamptz, boolean, integer),
  private.claim_also(jsonb, timestamptz),
  private.open_places(private.new_delivery[], jsonb),
  private.make_deliveries(private.new_delivery[], jsonb, timestamptz),
  public.record_decisions(bigint, jsonb, jsonb),
  public.claim_deliveries(integer, integer, jsonb, text[]),
  private.wake_deliveries(uuid, integer, timestamptz),
  private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz),
  private.lock_lanes(uuid[]),
  private.release_lanes(uuid[]),
  private.begin_again(uuid[]),
  private.tidy_destinations(timestamptz),
  private.settle_deliveries(jsonb, timestamptz),
  public.settle_deliveries(jsonb, jsonb)
  to service_role;
grant execute on function
  public.retry_deliveries(uuid[]),
  public.skip_deliveries(uuid[]),
  public.resend_deliveries(text, timestamptz, timestamptz, uuid, integer, uuid),
  public.set_destination_state(text, text),
  public.remove_destination(text, text),
  public.drop_deliveries(uuid[], text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000800');
