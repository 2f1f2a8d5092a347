-- What goes out: the queue to the providers, paced for each pair and sender in the database, so that neither a
-- restart nor a second isolate can exceed it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.outbound_messages (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp',
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  number_id text not null,
  message_id uuid references public.messages (id) on delete cascade,
  payload jsonb,
  recipient text,
  idempotency_key text,
  request_hash text,
  state text not null default 'queued' check (state in ('queued', 'leased', 'sent', 'failed')),
  attempt integer not null default 0,
  deferred integer not null default 0,
  tried_at timestamptz,
  aside boolean not null default false,
  next_attempt_at timestamptz not null default now(),
  error jsonb,
  fallback jsonb,
  used_fallback boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint outbound_messages_idempotency_key unique (idempotency_key, channel)
) with (fillfactor = 80);
comment on table public.outbound_messages is 'The queue to the provider. Its message is a row of messages with the same id; a read receipt has none.';
comment on constraint outbound_messages_idempotency_key on public.outbound_messages is 'A request with the same key on the same channel is the same message.';
comment on column public.outbound_messages.id is 'UUID v7; answered by wa-send and given to the provider as its callback data.';
comment on column public.outbound_messages.channel is 'The channel that carries it.';
comment on column public.outbound_messages.conversation_id is 'The conversation; also the lane.';
comment on column public.outbound_messages.number_id is 'The sender (senders.id), for WhatsApp the business number.';
comment on column public.outbound_messages.message_id is 'Its message; null for a read receipt.';
comment on column public.outbound_messages.payload is 'What is sent, where no message''s native keeps it.';
comment on column public.outbound_messages.recipient is 'The id that it is addressed to.';
comment on column public.outbound_messages.idempotency_key is 'The caller''s key, or reply:<delivery>:<n>.';
comment on column public.outbound_messages.request_hash is 'Hash of the request, to tell a repetition from another request under the same key.';
comment on column public.outbound_messages.state is 'queued, leased (under way), sent (the provider took it) or failed (given up).';
comment on column public.outbound_messages.attempt is 'Attempts begun, without those that were put off.';
comment on column public.outbound_messages.deferred is 'How often it was put off for what is no fault of its own: a pace, a fault of the account.';
comment on column public.outbound_messages.tried_at is 'When it was first tried; null before.';
comment on column public.outbound_messages.aside is 'Whether it has stepped aside: the next ones of its conversation no longer wait for it.';
comment on column public.outbound_messages.next_attempt_at is 'When it is due, if it is the first of its lane.';
comment on column public.outbound_messages.error is 'What the provider answered last, if it refused.';
comment on column public.outbound_messages.fallback is 'The template that goes instead where the window is closed, if the caller gave one.';
comment on column public.outbound_messages.used_fallback is 'Whether the template went instead, because the window was closed.';
comment on column public.outbound_messages.created_at is 'When it was queued.';
comment on column public.outbound_messages.updated_at is 'When its state last changed.';
create index outbound_messages_open_idx on public.outbound_messages (conversation_id, id)
  where state in ('queued', 'leased');
comment on index public.outbound_messages_open_idx is 'The first open message of a lane.';
create index outbound_messages_aside_idx on public.outbound_messages (conversation_id, next_attempt_at)
  where aside and state in ('queued', 'leased');
comment on index public.outbound_messages_aside_idx is 'What has stepped aside in a lane.';
create index outbound_messages_conversation_idx on public.outbound_messages (conversation_id);
comment on index public.outbound_messages_conversation_idx is 'What was sent in a conversation; serves the foreign key and merges.';
create index outbound_messages_message_idx on public.outbound_messages (message_id);
comment on index public.outbound_messages_message_idx is 'The queue row of a message; serves the foreign key.';
create index outbound_messages_failed_idx on public.outbound_messages (updated_at) where state = 'failed';
comment on index public.outbound_messages_failed_idx is 'What could not be sent, latest first.';
alter table public.outbound_messages enable row level security;
-- No policy and no grant for people: it holds whole numbers or words, and whoever could read it directly could do so
-- unrecorded. The panel's functions give what may be seen of it.
revoke all on public.outbound_messages from public, anon, authenticated;
grant select, insert, update, delete on public.outbound_messages to service_role;

create table private.outbound_lanes (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  channel text not null default 'whatsapp',
  number_id text not null,
  due_at timestamptz,
  lease uuid,
  pair_tat timestamptz
) with (fillfactor = 70);
comment on table private.outbound_lanes is 'The queue of one conversation to the provider, with the pace of its pair.';
comment on column private.outbound_lanes.conversation_id is 'The conversation: sender and person.';
comment on column private.outbound_lanes.channel is 'The sender''s channel.';
comment on column private.outbound_lanes.number_id is 'The sender (senders.id).';
comment on column private.outbound_lanes.due_at is 'When its first open message may go; while leased, when the lease ends; null when empty.';
comment on column private.outbound_lanes.lease is 'Fencing token of the current lease.';
comment on column private.outbound_lanes.pair_tat is 'GCRA state of the pair''s pace: theoretical arrival time of the next message.';
create index outbound_lanes_due_idx on private.outbound_lanes (channel, number_id, due_at) where due_at is not null;
comment on index private.outbound_lanes_due_idx is 'What a sender has to send, oldest first.';
alter table private.outbound_lanes enable row level security;
revoke all on private.outbound_lanes from public, anon, authenticated;
grant select, insert, update, delete on private.outbound_lanes to service_role;

-- Lanes -------------------------------------------------------------------------------------------

-- When the pair's next message conforms to GCRA.
create function private.pair_allows_at(p_tat timestamptz, p_channel text, p_number_id text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return (
    select p_tat - make_interval(secs => (n.pair_seconds * (n.pair_burst - 1))::double precision)
    from public.senders n where n.channel = p_channel and n.id = p_number_id);
end $$;
comment on function private.pair_allows_at(timestamptz, text, text) is 'Earliest time of the next message of a pair whose theoretical arrival time is given; null when the pair is fresh.';

create function private.release_outbound_lane(p_conversation_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update private.outbound_lanes l
  set lease = null, due_at = (
    select greatest(min(first.next_attempt_at), private.pair_allows_at(l.pair_tat, l.channel, l.number_id))
    from (
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and not o.aside
      order by o.id limit 1)
      union all
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and o.aside
      order by o.next_attempt_at limit 1)
    ) first
    having count(*) > 0)
  where l.conversation_id = p_conversation_id;
end $$;
comment on function private.release_outbound_lane(uuid) is 'Ends a lane''s lease and makes it due with its first open message, or one that has stepped aside, not before the pair''s pace allows. The caller holds the lane''s lock from an earlier statement (see release_lane).';

-- Into the queue: window, opt-out and idempotency -------------------------------------------------

create function private.window_fallback() returns jsonb
language sql stable set search_path = '' as $$
  select s.value::jsonb from public.settings s where s.key = 'wa_send.window_fallback'
$$;
comment on function private.window_fallback() is 'The setting wa_send.window_fallback: the template message that goes instead when the window is closed; null when it is not set.';

create function private.queue_lane(p_conversation_id uuid, p_channel text, p_number_id text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at)
  values (p_conversation_id, p_channel, p_number_id, p_now)
  on conflict (conversation_id) do update
    set due_at = greatest(excluded.due_at, private.pair_allows_at(l.pair_tat, l.channel, l.number_id)) where l.due_at is null;
end $$;
comment on function private.queue_lane(uuid, text, text, timestamptz) is 'Makes a lane due for a message that was queued, where it is not due anyway.';

-- The window, where the channel has one (private.channel_policy): Meta lets a business write freely for 24 hours after
-- the person last wrote; after that only templates. Who has opted out gets, on WhatsApp, no templates, and nothing else
-- unless they wrote again since; on other channels nothing at all, until they opt in again.
create function private.send_refusal(p_conversation public.conversations, p_type text, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_window interval;
  v_opt_out text;
begin
  select p.reply_window, p.opt_out into v_window, v_opt_out from private.channel_policy(p_conversation.channel) p;
  if p_conversation.opted_out_at is not null and v_opt_out <> 'none'
    and (v_opt_out <> 'until_resumed' or p_type = 'template' or p_conversation.opted_out_at >= coalesce(p_conversation.last_inbound_at, '-infinity')) then
    return 'opted_out';
  end if;
  if p_type <> 'template' and coalesce(p_conversation.last_inbound_at, '-infinity') <= p_now - v_window then
    return 'window_closed';
  end if;
  return null;
end $$;
comment on function private.send_refusal(public.conversations, text, timestamptz) is 'Why a message of a type may not go in a conversation now: opted_out, window_closed; null where it may.';

create function private.enqueue_message(p_conversation public.conversations, p_item jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_message jsonb := p_item -> 'message';
  v_key text := p_item ->> 'idempotency_key';
  -- A repetition is another request of the same caller, and may be of another trace.
  v_hash text := md5((p_item - array['idempotency_key', 'traceparent'])::text);
  v_fallback boolean := false;
  v_receipt boolean := v_message ->> 'type' = 'read';
  v_refusal text;
  v_existing public.outbound_messages;
  v_id uuid := private.uuid_v7();
begin
  if v_key is not null then
    select * into v_existing from public.outbound_messages
    where idempotency_key = v_key and channel = p_conversation.channel;
    if found then
      if v_existing.request_hash is distinct from v_hash then
        return jsonb_build_object('error', 'idempotency_conflict');
      end if;
      return jsonb_build_object('id', v_existing.id, 'status', v_existing.state, 'repeated', true);
    end if;
  end if;

  if v_receipt then
    -- A service's reply may name any message: it tells a person that theirs was read, and nobody else.
    if not exists (
      select from public.messages m
      where m.provider_id = v_message ->> 'message_id' and m.conversation_id = p_conversation.id and m.direction = 'in') then
      return '{"error": "unknown_message"}';
    end if;
  else
    v_refusal := private.send_refusal(p_conversation, v_message ->> 'type', p_now);
    if v_refusal = 'window_closed' then
      v_message := coalesce(p_item -> 'fallback', private.window_fallback());
      if v_message is null then
        return jsonb_build_object('error', 'window_closed', 'window_closed_at',
          p_conversation.last_inbound_at + (private.channel_policy(p_conversation.channel)).reply_window);
      end if;
      v_refusal := private.send_refusal(p_conversation, v_message ->> 'type', p_now);
      v_fallback := true;
    end if;
    if v_refusal is not null then
      return jsonb_build_object('error', v_refusal);
    end if;
    insert into public.messages (id, channel, conversation_id, direction, type, text, reply_to, native, status, traceparent, created_at)
    values (v_id, p_conversation.channel, p_conversation.id, 'out', v_message ->> 'type',
      case when v_fallback then null else p_item ->> 'text' end,
      v_message #>> '{context,message_id}', v_message, 'queued', p_item ->> 'traceparent', p_now);
  end if;

  insert into public.outbound_messages (
    id, channel, conversation_id, number_id, message_id, payload, recipient, idempotency_key, request_hash, fallback, used_fallback,
    next_attempt_at, created_at)
  values (v_id, p_conversation.channel, p_conversation.id, p_conversation.number_id,
    case when not v_receipt then v_id end, case when v_receipt then v_message end,
    p_item ->> 'to', v_key, v_hash, p_item -> 'fallback', v_fallback, p_now, p_now)
  on conflict (idempotency_key, channel) do nothing;
  if not found then
    -- Somebody else committed the same key in this moment: theirs is the message.
    delete from public.messages where id = v_id;
    return private.enqueue_message(p_conversation, p_item, p_now);
  end if;

  perform private.queue_lane(p_conversation.id, p_conversation.channel, p_conversation.number_id, p_now);
  update public.conversations set last_message_at = p_now where id = p_conversation.id;
  return jsonb_build_object('id', v_id, 'status', 'queued') || case when v_fallback then '{"used_fallback": true}' else '{}' end::jsonb;
end $$;
comment on function private.enqueue_message(public.conversations, jsonb, timestamptz) is 'Queues one message {message, text, to, idempotency_key, fallback, traceparent} in a conversation whose lock the caller holds. Answers {id, status} or {error}: opted_out, window_closed, unknown_message, idempotency_conflict.';

create function private.queue_again(p_id uuid, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_queued public.outbound_messages;
begin
  update public.messages set provider_id = null, status = 'queued', status_rank = 0, error = null where id = p_id;
  update public.outbound_messages
  set state = 'queued', attempt = 0, deferred = 0, tried_at = null, aside = false, error = null,
    next_attempt_at = p_now, updated_at = p_now
  where id = p_id returning * into v_queued;
  perform private.queue_lane(v_queued.conversation_id, v_queued.channel, v_queued.number_id, p_now);
end $$;
comment on function private.queue_again(uuid, timestamptz) is 'Queues a message that has failed anew, as if it had never been tried. The caller holds the lane''s lock.';

-- The provider's word about the window is the last one: a clock of ours, or a message that never came, may mislead us.
create function private.send_fallback(p_id uuid, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_queued public.outbound_messages;
  v_fallback jsonb;
begin
  select * into v_queued from public.outbound_messages o where o.id = p_id for update;
  v_fallback := coalesce(v_queued.fallback, private.window_fallback());
  if v_fallback is null or v_queued.used_fallback or v_queued.message_id is null or (
      select private.send_refusal(c, v_fallback ->> 'type', p_now) from public.conversations c
      where c.id = v_queued.conversation_id) is not null then
    return false;
  end if;
  update public.messages set type = v_fallback ->> 'type', text = null, native = v_fallback where id = p_id;
  update public.outbound_messages set used_fallback = true where id = p_id;
  perform private.queue_again(p_id, p_now);
  return true;
end $$;
comment on function private.send_fallback(uuid, timestamptz) is 'Sends the fallback in place of a message that the provider refused because the window is closed, once. False where there is none, or the person has opted out. The caller holds the lane''s lock.';

-- The way in for messages that services send: who, from which number, whether it may go, and how fast one may ask ---

create function private.identities_of(p_item jsonb) returns private.identity[]
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select array_agg(row(e.item ->> 'kind', e.item ->> 'value', null)::private.identity order by e.place)
    from jsonb_array_elements(p_item -> 'identities') with ordinality as e (item, place));
end $$;
comment on function private.identities_of(jsonb) is 'Whom a message to send is for, by its identities [{kind, value}]; null for nobody.';

create function private.send_conversation(p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_channel text := coalesce(p_item ->> 'channel', 'whatsapp');
  v_identities private.identity[] := private.identities_of(p_item);
  v_contact uuid;
  v_number text := p_item ->> 'number_id';
  v_conversation uuid;
begin
  -- A receipt names the message that was read, and that has a conversation.
  if p_item #>> '{message,type}' = 'read' then
    select m.conversation_id into v_conversation from public.messages m
    where m.provider_id = p_item #>> '{message,message_id}' and m.channel = v_channel and m.direction = 'in' order by m.seq desc limit 1;
    return case when v_conversation is null then '{"error": "unknown_message"}'
      else jsonb_build_object('id', v_conversation) end;
  end if;

  select private.identity_holder(v_channel, i.kind, i.value) into v_contact
  from unnest(v_identities) with ordinality as i
  where private.identity_holder(v_channel, i.kind, i.value) is not null order by i.ordinality limit 1;
  if v_number is null and v_contact is not null then
    select c.number_id into v_number from public.conversations c
    where c.contact_id = v_contact and c.channel = v_channel order by c.last_message_at desc nulls last limit 1;
  end if;
  if v_number is null then
    select case when count(*) = 1 then min(n.id) end into v_number from public.senders n where n.channel = v_channel;
    if v_number is null then
      return '{"error": "from_required"}';
    end if;
  elsif not exists (select from public.senders n where n.channel = v_channel and n.id = v_number) then
    return '{"error": "unknown_number"}';
  end if;

  if v_contact is null then
    -- Nobody is made anew to be told no.
    if (private.channel_policy(v_channel)).opt_out <> 'none' and exists (
      select from unnest(v_identities) i where private.erased_opt_out(v_channel, v_number, i.kind, i.value) is not null) then
      return '{"error": "opted_out"}';
    end if;
    perform private.lock_contacts();
    v_contact := private.resolve_contact(v_channel, v_identities, null, now());
  end if;
  insert into public.conversations (channel, number_id, contact_id) values (v_channel, v_number, v_contact)
  on conflict (channel, number_id, contact_id) do nothing;
  select c.id into v_conversation from public.conversations c
  where c.channel = v_channel and c.number_id = v_number and c.contact_id = v_contact;
  return jsonb_build_object('id', v_conversation);
end $$;
comment on function private.send_conversation(jsonb) is 'The conversation that a message to send belongs to, made if need be: {id} or {error}: from_required (several numbers and no earlier conversation), unknown_number, unknown_message, opted_out (by somebody who was erased since).';

create function private.enqueue_outbound(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_rate jsonb;
  v_conversation public.conversations;
  v_answers jsonb := '[]';
begin
  for v_item in select * from jsonb_array_elements(p_items) loop
    v_rate := null;
    if v_item ? 'limit' then
      v_rate := public.take_rate(v_item #>> '{limit,key}', (v_item #>> '{limit,per_second}')::numeric, (v_item #>> '{limit,burst}')::integer);
      if not (v_rate ->> 'allowed')::boolean then
        v_answers := v_answers || jsonb_build_object('error', 'rate_limited', 'rate', v_rate);
        continue;
      end if;
    end if;
    v_found := private.send_conversation(v_item);
    if v_found ? 'error' then
      v_answers := v_answers || (v_found || jsonb_build_object('rate', v_rate));
      continue;
    end if;
    select * into v_conversation from public.conversations c where c.id = (v_found ->> 'id')::uuid for update;
    if not found then
      raise exception 'a person was erased in this moment' using errcode = 'serialization_failure';
    end if;
    if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
      v_answers := v_answers || jsonb_build_object('error', 'feature_off', 'rate', v_rate);
      continue;
    end if;
    v_answers := v_answers || (private.enqueue_message(v_conversation, v_item - 'limit', p_now) || jsonb_build_object('rate', v_rate));
  end loop;
  return v_answers;
end $$;
comment on function private.enqueue_outbound(jsonb, timestamptz) is 'enqueue_outbound with the time given.';

-- Who is erased while they are written to becomes known anew, as in ingest_updates.
create function public.enqueue_outbound(p_items jsonb) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.enqueue_outbound(p_items, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.enqueue_outbound(jsonb) is 'Queues messages [{channel (whatsapp if absent), identities [{kind, value}], to, number_id, message, text, idempotency_key, fallback, traceparent, limit: {key, per_second, burst}}], each answered for itself in its place: {id, status, rate} or {error, rate}. Rate of the key, flag (the channel''s, wa_send.enabled for WhatsApp, for the contact), window, opt-out and idempotency are decided in the same transaction.';

-- Out of the queue: what may go now, within the pace of pair and number, and what became of it ----

create function private.claim_outbound(
  p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_number public.senders;
  v_flag text;
  v_limit integer;
  v_left integer := p_limit;
  -- Under way by channel, those of this claim with them.
  v_busy jsonb := p_busy;
  v_shared boolean := cardinality(p_channels) > 1;
  v_under_way integer;
  v_burst integer;
  v_rate numeric;
  v_claimed jsonb;
  v_empty uuid[];
  v_all jsonb := '[]';
begin
  for v_number in
    select n.* from public.senders n
    where n.channel = any (p_channels) and n.state = 'active' and (n.held_until is null or n.held_until <= p_now) and exists (
      select from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at <= p_now)
    order by n.send_tat nulls first -- who has sent last comes last, so that nobody is always first when places are few
    for update of n skip locked
  loop
    exit when v_left <= 0;
    v_under_way := coalesce((v_busy ->> v_number.channel)::integer, 0);
    v_flag := private.send_flag(v_number.channel);
    -- A tenth of a second's worth may go at once, the rest at nine tenths of the rate: no second sees more than the limit.
    v_burst := greatest(1, v_number.max_per_second / 10);
    v_rate := v_number.max_per_second * 0.9;
    v_limit := least(v_left, v_burst - ceil(greatest(0,
      extract(epoch from coalesce(v_number.send_tat, p_now) - p_now) * v_rate))::integer);
    -- Beside others a channel has half of the places that they leave: however many hang, the next one still finds some.
    if v_shared then
      v_limit := least(v_limit, (v_left + v_under_way + 1) / 2 - v_under_way);
    end if;
    -- Of one that is held a single message tries whether that was repaired.
    if v_number.held_since is not null then
      v_limit := least(v_limit, 1);
    end if;
    continue when v_limit <= 0;
    with due as (
      select l.conversation_id from private.outbound_lanes l
      where l.channel = v_number.channel and l.number_id = v_number.id and l.due_at <= p_now
      order by l.due_at limit v_limit
      for update skip locked
    ), asked as (
      select due.conversation_id, c.contact_id, flag.value as allowed
      from due
      join public.conversations c on c.id = due.conversation_id
      cross join lateral private.evaluate_flag(v_flag, c.contact_id::text) flag
    ), held as (
      -- Off for this contact: what a service replied waits, and is asked about again.
      update private.outbound_lanes l set due_at = p_now + interval '5 seconds', lease = null
      from asked where not asked.allowed and l.conversation_id = asked.conversation_id
    ), heads as (
      select asked.conversation_id, asked.contact_id, head.id
      from asked
      left join lateral (
        select first.id
        from (
          (select o.id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and not o.aside
          order by o.id limit 1)
          union all
          (select o.id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and o.aside
          order by o.next_attempt_at limit 1)
        ) first
        where first.next_attempt_at <= p_now
        order by first.id limit 1
      ) head on true
      where asked.allowed
    ), leased as (
      update private.outbound_lanes l
      set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid(),
        pair_tat = greatest(coalesce(l.pair_tat, p_now), p_now) + make_interval(secs => v_number.pair_seconds::double precision)
      from heads where heads.id is not null and l.conversation_id = heads.conversation_id
      returning heads.id, heads.contact_id, l.lease
    ), begun as (
      update public.outbound_messages o
      set state = 'leased', attempt = o.attempt + 1, tried_at = coalesce(o.tried_at, p_now), updated_at = p_now
      from leased where o.id = leased.id
      returning o.id, o.attempt, o.deferred, o.channel, o.number_id, o.recipient, o.message_id, o.payload, leased.contact_id, leased.lease
    )
    select (select array_agg(heads.conversation_id) from heads where heads.id is null),
      jsonb_agg(jsonb_build_object('id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'deferred', b.deferred, 'channel', b.channel, 'number_id', b.number_id,
        'contact_id', b.contact_id, 'to', b.recipient, 'message', coalesce(b.payload, m.native),
        'traceparent', m.traceparent) order by b.id)
    into v_empty, v_claimed
    from begun b left join public.messages m on m.id = b.message_id;
    if v_empty is not null then
      perform private.release_outbound_lane(conversation_id) from unnest(v_empty) as conversation_id;
    end if;
    if v_claimed is not null then
      v_all := v_all || v_claimed;
      v_left := v_left - jsonb_array_length(v_claimed);
      v_busy := v_busy || jsonb_build_object(v_number.channel, v_under_way + jsonb_array_length(v_claimed));
      update public.senders
      set send_tat = greatest(coalesce(send_tat, p_now), p_now)
        + make_interval(secs => (jsonb_array_length(v_claimed) / v_rate)::double precision),
        held_until = case when held_since is not null then p_now + make_interval(secs => p_lease_seconds) end,
        held_probes = held_probes + (held_since is not null)::integer
      where channel = v_number.channel and id = v_number.id;
    end if;
  end loop;
  return jsonb_build_object('messages', v_all, 'next_due_ms', (
    select ceil(extract(epoch from min(greatest(l.due_at, n.held_until,
      n.send_tat - make_interval(secs => ((greatest(1, n.max_per_second / 10) - 1) / (n.max_per_second * 0.9))::double precision))) - p_now) * 1000)::bigint
    from public.senders n
    cross join lateral (
      select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) l
    -- A channel that has its half waits for what it has under way, and must not hide when the others are due.
    where n.channel = any (p_channels) and n.state = 'active'
      and (not v_shared or v_left > coalesce((v_busy ->> n.channel)::integer, 0))));
end $$;
comment on function private.claim_outbound(integer, integer, jsonb, text[], timestamptz) is 'claim_outbound with the time given.';

create function public.claim_outbound(
  p_limit integer, p_lease_seconds integer default 60, p_busy jsonb default '{}', p_channels text[] default '{whatsapp}'
) returns jsonb
language sql set search_path = '' as $$
  select private.refuse_older_code();
  select private.claim_outbound(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp())
$$;
comment on function public.claim_outbound(integer, integer, jsonb, text[]) is 'Leases up to p_limit conversations with something to send on the channels that the caller is ready for, given how many of each channel (by name) it has under way, within the pace of pair and sender and where the channel''s flag (wa_send.enabled for WhatsApp) is on for the contact, and answers {messages: [{id, lease, attempt, deferred, channel, number_id, contact_id, to, message, traceparent}], next_due_ms}. One channel alone may take every place; of several each has half of those that the others leave.';

create function private.settle_outbound(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_result record;
  v_settled integer := 0;
begin
  perform from jsonb_to_recordset(p_results) as r (id uuid, lease uuid)
  join public.outbound_messages o on o.id = r.id
  join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
  order by l.conversation_id for update of l;
  for v_result in
    select r.*, o.conversation_id, o.channel, o.number_id, o.message_id
    from jsonb_to_recordset(p_results) as r (
      id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text)
    join public.outbound_messages o on o.id = r.id
    join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
    order by o.conversation_id
  loop
    -- A status may have overtaken the answer: it stays.
    update public.messages
    set provider_id = coalesce(provider_id, v_result.provider_id),
      status = case when status_rank > 0 then status when v_result.outcome = 'sent' then 'accepted'
        when v_result.outcome = 'failed' then 'failed' else status end,
      status_rank = case when status_rank = 0 and v_result.outcome = 'failed' then 2 else status_rank end,
      error = case when v_result.outcome = 'failed' then v_result.error else error end
    where id = v_result.message_id and v_result.outcome <> 'retry';
    update public.outbound_messages
    set state = case when state = 'sent' then 'sent' when v_result.outcome = 'retry' then 'queued' else v_result.outcome end,
      attempt = attempt - (v_result.put_off is not null)::integer,
      deferred = deferred + coalesce(v_result.put_off <> 'back', false)::integer,
      tried_at = case when v_result.put_off = 'back' and attempt = 1 then null else tried_at end,
      -- What the provider keeps refusing does not hold the chat up: a person waits for what comes after it.
      aside = case when v_result.put_off is null
        then attempt >= 3 or tried_at + interval '30 seconds' < p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
        else aside or (v_result.put_off = 'held' and v_result.scope = 'pair') end,
      error = case when v_result.put_off = 'back' then error else v_result.error end, updated_at = p_now,
      next_attempt_at = p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
    where id = v_result.id;
    if v_result.put_off = 'back' then
      -- It was no probe of a sender that is held: the next one may be at once.
      update public.senders
      set held_until = p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0), held_probes = greatest(0, held_probes - 1)
      where channel = v_result.channel and id = v_result.number_id and held_since is not null;
    elsif v_result.put_off = 'held' and v_result.scope = 'number' then
      update public.senders
      set held_since = coalesce(held_since, p_now), held_code = v_result.error ->> 'code',
        held_until = p_now + least(interval '5 minutes', interval '30 seconds' * 2 ^ least(held_probes, 10))
      where channel = v_result.channel and id = v_result.number_id;
    elsif v_result.put_off = 'throttle' and v_result.scope = 'number' then
      update public.senders
      set send_tat = greatest(coalesce(send_tat, p_now), p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0))
      where channel = v_result.channel and id = v_result.number_id;
    end if;
    if v_result.outcome = 'failed' and v_result.error ->> 'code' = (private.channel_policy(v_result.channel)).window_code then
      perform private.send_fallback(v_result.id, p_now);
    end if;
    perform private.release_outbound_lane(v_result.conversation_id);
    v_settled := v_settled + 1;
  end loop;
  -- An answer about the message itself says that the account is well again.
  update public.senders s
  set held_since = null, held_code = null, held_until = null, held_probes = 0
  where s.held_since is not null and exists (
    select from jsonb_to_recordset(p_results) as r (id uuid, outcome text)
    join public.outbound_messages o on o.id = r.id
    where r.outcome in ('sent', 'failed') and o.channel = s.channel and o.number_id = s.id);
  return jsonb_build_object('settled', v_settled, 'fenced', jsonb_array_length(p_results) - v_settled);
end $$;
comment on function private.settle_outbound(jsonb, timestamptz) is 'settle_outbound with the time given.';

create function public.settle_outbound(p_results jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.settle_outbound(p_results, clock_timestamp())
$$;
comment on function public.settle_outbound(jsonb) is 'Writes what the provider answered [{id, lease, outcome (sent, retry, failed), provider_id, error, retry_after_ms, put_off (throttle, held, back: the provider was not called), scope (number, pair)}]. What was put off is no attempt; a sender that is held waits until a single message gets through. A result whose lease is not the lane''s current one is fenced off.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.pair_allows_at(timestamptz, text, text),
  private.release_outbound_lane(uuid),
  private.window_fallback(),
  private.queue_lane(uuid, text, text, timestamptz),
  private.send_refusal(public.conversations, text, timestamptz),
  private.queue_again(uuid, timestamptz),
  private.enqueue_message(public.conversations, jsonb, timestamptz),
  private.send_fallback(uuid, timestamptz),
  private.identities_of(jsonb),
  private.send_conversation(jsonb),
  private.enqueue_outbound(jsonb, timestamptz),
  public.enqueue_outbound(jsonb),
  private.claim_outbound(integer, integer, jsonb, text[], timestamptz),
  public.claim_outbound(integer, integer, jsonb, text[]),
  private.settle_outbound(jsonb, timestamptz),
  public.settle_outbound(jsonb)
  to service_role;
