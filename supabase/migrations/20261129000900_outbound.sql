-- Outbound messages: the queue to the providers, and what comes into it. The database paces each pair and
-- sender, so that neither a restart nor a second isolate can exceed the limits.

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
  state text not null default 'queued' check (state in ('queued', 'leased', 'sent', 'failed', 'unknown')),
  attempt integer not null default 0,
  deferred integer not null default 0,
  tried_at timestamptz,
  aside boolean not null default false,
  next_attempt_at timestamptz not null default now(),
  error jsonb,
  fallback jsonb,
  used_fallback boolean not null default false,
  first_try jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint outbound_messages_idempotency_key unique (idempotency_key, channel)
) with (fillfactor = 80);
comment on table public.outbound_messages is 'The queue to the provider. Each entry has a row in messages with the same id, except read receipts.';
comment on constraint outbound_messages_idempotency_key on public.outbound_messages is 'Requests with the same key on the same channel are the same message.';
comment on column public.outbound_messages.id is 'UUID v7; returned by wa-send and passed to the provider as callback data.';
comment on column public.outbound_messages.channel is 'The channel that carries it.';
comment on column public.outbound_messages.conversation_id is 'The conversation; also the lane.';
comment on column public.outbound_messages.number_id is 'The sender (senders.id); for WhatsApp, the business number.';
comment on column public.outbound_messages.message_id is 'Its message; null for a read receipt.';
comment on column public.outbound_messages.payload is 'What is sent, unless the message''s native column has it.';
comment on column public.outbound_messages.recipient is 'The id it is addressed to.';
comment on column public.outbound_messages.idempotency_key is 'The caller''s key, or reply:<delivery>:<n>.';
comment on column public.outbound_messages.request_hash is 'Hash of the request, to distinguish a repetition from another request with the same key.';
comment on column public.outbound_messages.state is 'queued, leased (under way), sent (accepted by the provider), failed (given up), or unknown (the answer was lost, and the provider must not be called twice).';
comment on column public.outbound_messages.attempt is 'Attempts started, except those that were deferred.';
comment on column public.outbound_messages.deferred is 'How often it was deferred for a reason outside the message: a rate limit, or a fault of the account.';
comment on column public.outbound_messages.tried_at is 'When it was first tried; null before that.';
comment on column public.outbound_messages.aside is 'Whether it has been set aside: later messages of its conversation no longer wait for it.';
comment on column public.outbound_messages.next_attempt_at is 'When it is due, if it is the first of its lane.';
comment on column public.outbound_messages.error is 'The provider''s last answer, if it refused.';
comment on column public.outbound_messages.fallback is 'The template to send instead if the window is closed, if the caller gave one.';
comment on column public.outbound_messages.used_fallback is 'Whether the template was sent instead, because the window was closed.';
comment on column public.outbound_messages.first_try is 'Of a text that is sent a second time: {provider_id, code, at} of the first try, which failed; null for all others.';
comment on column public.outbound_messages.created_at is 'When it was queued.';
comment on column public.outbound_messages.updated_at is 'When its state last changed.';
create index outbound_messages_open_idx on public.outbound_messages (conversation_id, id)
  where state in ('queued', 'leased');
comment on index public.outbound_messages_open_idx is 'The first open message of a lane.';
create index outbound_messages_aside_idx on public.outbound_messages (conversation_id, next_attempt_at)
  where aside and state in ('queued', 'leased');
comment on index public.outbound_messages_aside_idx is 'The messages of a lane that have been set aside.';
create index outbound_messages_conversation_idx on public.outbound_messages (conversation_id);
comment on index public.outbound_messages_conversation_idx is 'The sent messages of a conversation; serves the foreign key and merges.';
create index outbound_messages_message_idx on public.outbound_messages (message_id);
comment on index public.outbound_messages_message_idx is 'The queue row of a message; serves the foreign key.';
create index outbound_messages_failed_idx on public.outbound_messages (updated_at) where state = 'failed';
comment on index public.outbound_messages_failed_idx is 'Messages that could not be sent, newest first.';
create index outbound_messages_unknown_idx on public.outbound_messages (updated_at) where state = 'unknown';
comment on index public.outbound_messages_unknown_idx is 'Of what nobody knows whether it went.';
alter table public.outbound_messages enable row level security;
-- No policy and no grant for people: the table holds whole numbers or texts, and direct reads would not be audited.
-- The panel's functions return what may be seen of it.
revoke all on public.outbound_messages from public, anon, authenticated;
grant select, insert, update, delete on public.outbound_messages to service_role;

create table private.outbound_lanes (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  channel text not null default 'whatsapp',
  number_id text not null,
  due_at timestamptz,
  lease uuid,
  pair_tat timestamptz,
  waits_for uuid,
  waits_until timestamptz
) with (fillfactor = 70);
comment on table private.outbound_lanes is 'The queue of one conversation to the provider, with the pacing of its pair.';
comment on column private.outbound_lanes.conversation_id is 'The conversation: sender and person.';
comment on column private.outbound_lanes.channel is 'The sender''s channel.';
comment on column private.outbound_lanes.number_id is 'The sender (senders.id).';
comment on column private.outbound_lanes.due_at is 'When its first open message may be sent; while leased, when the lease ends; null when empty.';
comment on column private.outbound_lanes.lease is 'Fencing token of the current lease.';
comment on column private.outbound_lanes.pair_tat is 'GCRA state of the pair''s limit: the theoretical arrival time of the next message.';
comment on column private.outbound_lanes.waits_for is 'A media message that the provider has accepted but not yet sent (outbound_messages.id): later messages would overtake it. Null if there is none.';
comment on column private.outbound_lanes.waits_until is 'Until when the lane waits for its status.';
create index outbound_lanes_due_idx on private.outbound_lanes (channel, number_id, due_at) where due_at is not null;
comment on index private.outbound_lanes_due_idx is 'Due lanes of a sender, oldest first.';
create index outbound_lanes_waits_idx on private.outbound_lanes (waits_for) where waits_for is not null;
comment on index private.outbound_lanes_waits_idx is 'The lane that waits for a status of a message; there is hardly ever one.';
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
comment on function private.pair_allows_at(timestamptz, text, text) is 'Earliest time of a pair''s next message, given its theoretical arrival time; null if the pair is new.';

create function private.release_outbound_lanes(p_conversations uuid[]) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off set enable_sort = off as $$
begin
  update private.outbound_lanes l
  set lease = null, due_at = (
    select greatest(min(first.next_attempt_at), private.pair_allows_at(l.pair_tat, l.channel, l.number_id), l.waits_until)
    from (
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and not o.aside and o.message_id is not null
      order by o.conversation_id, o.id limit 1)
      union all
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and not o.aside and o.message_id is null
      order by o.conversation_id, o.id limit 1)
      union all
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and o.aside
      order by o.conversation_id, o.next_attempt_at limit 1)
    ) first
    having count(*) > 0)
  where l.conversation_id = any (p_conversations);
end $$;
comment on function private.release_outbound_lanes(uuid[]) is 'Ends the leases of lanes and makes each due with its first open message, or one that was set aside, as soon as the pair''s limit and any pending media allow. The caller holds the lanes'' locks from an earlier statement (see release_lane).';

-- Providers take time to process media, and a text that is handed over afterwards overtakes them.
create function private.is_media(p_message jsonb) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(p_message ->> 'type' in ('image', 'video', 'audio', 'document', 'sticker')
    or p_message #>> '{interactive,header,type}' in ('image', 'video', 'document')
    or jsonb_path_exists(p_message, '$.template.components[*].** ? (@.type == "image" || @.type == "video" || @.type == "document")'), false);
end $$;
comment on function private.is_media(jsonb) is 'Whether an outbound message contains a file, alone or as the header of another type.';

create function private.free_lanes(p_ids uuid[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_lanes uuid[];
  v_freed boolean;
begin
  -- The holder of a lock is about to wait, or to make the lane due; the lane never waits beyond its limit.
  with free as (
    select l.conversation_id from private.outbound_lanes l where l.waits_for = any (p_ids) for update skip locked
  ), freed as (
    update private.outbound_lanes l set waits_for = null, waits_until = null
    from free where l.conversation_id = free.conversation_id
    returning l.conversation_id, l.due_at, l.lease
  )
  select array_agg(f.conversation_id) filter (where f.due_at is not null and f.lease is null) into v_lanes from freed f;
  if v_lanes is null then
    return false;
  end if;
  perform private.release_outbound_lanes(v_lanes);
  select bool_or(l.due_at is not null) into v_freed from private.outbound_lanes l where l.conversation_id = any (v_lanes);
  return v_freed;
end $$;
comment on function private.free_lanes(uuid[]) is 'Ends the wait of lanes for these messages, which have received a status. Returns whether something may be sent now.';

-- Into the queue: window, opt-out and idempotency -------------------------------------------------

create function private.window_fallback() returns jsonb
language sql stable set search_path = '' as $$
  select s.value::jsonb from public.settings s where s.key = 'wa_send.window_fallback'
$$;
comment on function private.window_fallback() is 'The setting wa_send.window_fallback: the template message to send instead when the window is closed; null if it is not set.';

create function private.queue_lanes(p_conversations uuid[], p_channels text[], p_numbers text[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at)
  select distinct q.conversation_id, q.channel, q.number_id, p_now
  from unnest(p_conversations, p_channels, p_numbers) as q (conversation_id, channel, number_id) order by 1
  on conflict (conversation_id) do update
    set due_at = greatest(excluded.due_at, private.pair_allows_at(l.pair_tat, l.channel, l.number_id), l.waits_until)
    where l.due_at is null or (l.lease is null and l.due_at > excluded.due_at);
end $$;
comment on function private.queue_lanes(uuid[], text[], text[], timestamptz) is 'Makes lanes due for messages that were queued, each given by its conversation, channel and sender. What is due later may be a receipt that messages need not wait for, or vice versa; if not, the claim finds nothing and the lane keeps waiting.';

-- The provider's category of a template, from webhooks or by asking. If the provider knows none, the category stated in the
-- message counts. That answer is trusted for an hour, because the template may be created in the meantime.
create function private.template_category(p_channel text, p_number_id text, p_message jsonb, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_stated text := coalesce(lower(p_message ->> 'category'), 'marketing');
  v_account text := (select s.account from public.senders s where s.channel = p_channel and s.id = p_number_id);
  v_known private.template_categories;
begin
  if v_account is null or p_message #>> '{template,name}' is null then
    return v_stated;
  end if;
  select * into v_known from private.template_categories t
  where t.channel = p_channel and t.account = v_account
    and t.name = p_message #>> '{template,name}' and t.language = p_message #>> '{template,language,code}';
  return case when v_known.category is not null then v_known.category
    when v_known.at > p_now - interval '1 hour' then v_stated end;
end $$;
comment on function private.template_category(text, text, jsonb, timestamptz) is 'The category of a template message: the provider''s, else the one stated in the message, else marketing; null if the provider must be asked first.';

-- Failure policy: closed. A template counts as marketing unless it is known to be something else.
create function private.opt_out_stops(p_channel text, p_number_id text, p_message jsonb, p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  case (private.channel_policy(p_channel)).opt_out
    when 'none' then return false;
    when 'until_resumed' then
      return p_message ->> 'type' = 'template'
        and private.template_category(p_channel, p_number_id, p_message, p_now) not in ('utility', 'authentication');
    else return true;
  end case;
end $$;
comment on function private.opt_out_stops(text, text, jsonb, timestamptz) is 'Whether an opt-out blocks a message: on WhatsApp marketing templates, on other channels by their policy. Null if the provider must be asked for the category first, which the queue does.';

-- The window, if the channel has one (private.channel_policy): Meta allows free-form messages for 24 hours after the
-- person last wrote; after that only templates.
create function private.send_refusal(p_conversation public.conversations, p_message jsonb, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_window interval := (private.channel_policy(p_conversation.channel)).reply_window;
begin
  if p_conversation.opted_out_at is not null
    and private.opt_out_stops(p_conversation.channel, p_conversation.number_id, p_message, p_now) then
    return 'opted_out';
  end if;
  if p_message ->> 'type' = 'template' and to_regprocedure('private.template_refusal(text,text,jsonb)') is not null
    and private.template_refusal(p_conversation.channel, p_conversation.number_id, p_message) is not null then
    return 'template_not_sendable';
  end if;
  if p_message ->> 'type' <> 'template' and coalesce(p_conversation.last_inbound_at, '-infinity') <= p_now - v_window then
    return 'window_closed';
  end if;
  return case when p_conversation.channel = 'email' then private.mail_refusal(p_conversation, p_message) end;
end $$;
comment on function private.send_refusal(public.conversations, jsonb, timestamptz) is 'Why a message may not be sent in a conversation now: opted_out, window_closed or template_not_sendable, for a mail also suppressed or identity_unverified; null if it may, as far as is known.';

create type private.queued as (
  id uuid, conversation_id uuid, channel text, number_id text, message jsonb, text text, recipient text, key text, hash text, traceparent text,
  fallback jsonb, used_fallback boolean
);
comment on type private.queued is 'A message that may be sent: its recipient, its content and its idempotency key.';

create function private.queue_messages(p_messages private.queued[], p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_queued uuid[];
begin
  if p_messages is null then
    return '{}';
  end if;
  insert into public.messages (id, channel, conversation_id, direction, type, text, reply_to, native, status, traceparent, created_at)
  select q.id, q.channel, q.conversation_id, 'out', q.message ->> 'type', case when q.used_fallback then null else q.text end,
    coalesce(q.message #>> '{context,message_id}', q.message #>> '{reaction,message_id}'), q.message, 'queued', q.traceparent, p_now
  from unnest(p_messages) q where q.message ->> 'type' <> 'read';
  with made as (
    insert into public.outbound_messages (
      id, channel, conversation_id, number_id, message_id, payload, recipient, idempotency_key, request_hash, fallback, used_fallback,
      next_attempt_at, created_at)
    select q.id, q.channel, q.conversation_id, q.number_id, case when q.message ->> 'type' <> 'read' then q.id end,
      case when q.message ->> 'type' = 'read' then q.message end, q.recipient, q.key, q.hash, q.fallback, q.used_fallback, p_now, p_now
    from unnest(p_messages) q
    on conflict (idempotency_key, channel) do nothing
    returning id
  )
  select coalesce(array_agg(m.id), '{}') into v_queued from made m;
  if cardinality(v_queued) < cardinality(p_messages) then
    -- Another transaction has just committed the same key: its message counts.
    delete from public.messages m where m.id in (select q.id from unnest(p_messages) q where q.id <> all (v_queued));
  end if;
  if exists (select from unnest(p_messages) q where q.channel = 'email') then
    perform private.dress_mails(array(select q from unnest(p_messages) q where q.channel = 'email' and q.id = any (v_queued)), p_now);
  end if;
  perform private.queue_lanes(array_agg(q.conversation_id), array_agg(q.channel), array_agg(q.number_id), p_now)
  from unnest(p_messages) q where q.id = any (v_queued);
  update public.conversations c set last_message_at = p_now
  from (select distinct q.conversation_id as id from unnest(p_messages) q where q.id = any (v_queued)) told where c.id = told.id;
  return v_queued;
end $$;
comment on function private.queue_messages(private.queued[], timestamptz) is 'Queues messages in conversations whose locks the caller holds. Returns the ids of those that were queued: those whose key was not taken.';

create function private.enqueue_message(p_conversation public.conversations, p_item jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_message jsonb := p_item -> 'message';
  v_key text := p_item ->> 'idempotency_key';
  -- A repetition is another request of the same caller, and may belong to another trace.
  v_hash text := md5((p_item - array['idempotency_key', 'traceparent', 'address'])::text);
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
    -- A service's reply may name any message: a receipt must only go to the person who wrote that message.
    if not exists (
      select from public.messages m
      where m.provider_id = v_message ->> 'message_id' and m.conversation_id = p_conversation.id and m.direction = 'in') then
      return '{"error": "unknown_message"}';
    end if;
  else
    v_refusal := private.send_refusal(p_conversation, v_message, p_now);
    if v_refusal = 'window_closed' then
      v_message := coalesce(p_item -> 'fallback', private.window_fallback());
      if v_message is null then
        return jsonb_build_object('error', 'window_closed', 'window_closed_at',
          p_conversation.last_inbound_at + (private.channel_policy(p_conversation.channel)).reply_window);
      end if;
      v_refusal := private.send_refusal(p_conversation, v_message, p_now);
      v_fallback := true;
    end if;
    if v_refusal is not null then
      return jsonb_build_object('error', v_refusal);
    end if;
  end if;

  if private.queue_messages(array[(v_id, p_conversation.id, p_conversation.channel, p_conversation.number_id, v_message, p_item ->> 'text',
      coalesce(p_item ->> 'address', p_item ->> 'to'), v_key, v_hash, p_item ->> 'traceparent', p_item -> 'fallback', v_fallback)::private.queued],
      p_now) = '{}' then
    return private.enqueue_message(p_conversation, p_item, p_now);
  end if;
  return jsonb_build_object('id', v_id, 'status', 'queued') || case when v_fallback then '{"used_fallback": true}' else '{}' end::jsonb;
end $$;
comment on function private.enqueue_message(public.conversations, jsonb, timestamptz) is 'Queues one message {message, text, to, idempotency_key, fallback, traceparent, address (where to send it, if not to)} in a conversation whose lock the caller holds. Returns {id, status} or {error}: opted_out, suppressed, identity_unverified, window_closed, unknown_message, idempotency_conflict.';

-- Nearly all replies are new, within the window, not opted out of, and not receipts. Checked for all at once, because this
-- costs more than the rest of a settlement.
create function private.plain_replies(p_settled private.settlement[], p_now timestamptz) returns private.queued[]
language plpgsql set search_path = '' as $$
begin
  return (
    with replies as (
      select r.delivery_id, e.n, e.item, c.row as conversation, 'reply:' || r.delivery_id || ':' || e.n as key
      from unnest(p_settled) r
      cross join lateral jsonb_array_elements(r.replies) with ordinality as e (item, n)
      cross join lateral (select c as row from public.conversations c where c.id = r.conversation_id limit 1) c
      where r.outcome = 'delivered' and jsonb_typeof(r.replies) = 'array'
    ), asked as (
      -- Not "not exists": for many rows the planner would hash the whole table.
      select *, bool_and((item #>> '{message,type}' <> 'read' and private.send_refusal(conversation, item -> 'message', p_now) is null
          and (
            select o.id from public.outbound_messages o
            where o.idempotency_key = replies.key and o.channel = (conversation).channel limit 1) is null) is true)
        over (partition by delivery_id order by n rows between unbounded preceding and unbounded following) as plain
      from replies
    )
    select array_agg((private.uuid_v7(), (conversation).id, (conversation).channel, (conversation).number_id, item -> 'message', item ->> 'text',
      coalesce(item ->> 'address', item ->> 'to'), key, md5((item - array['idempotency_key', 'traceparent', 'address'])::text),
      item ->> 'traceparent', item -> 'fallback', false)::private.queued)
    from asked where plain);
end $$;
comment on function private.plain_replies(private.settlement[], timestamptz) is 'The replies to deliveries, in order, where all replies may be sent as they are; null for none. The others are checked one by one.';

create function private.queue_each_reply(p_settled private.settlement, p_now timestamptz, out queued integer, out refused jsonb)
language plpgsql set search_path = '' as $$
declare
  v_reply record;
  v_conversation public.conversations;
  v_answer jsonb;
begin
  queued := 0;
  for v_reply in select * from jsonb_array_elements(p_settled.replies) with ordinality as e (item, n) loop
    select * into v_conversation from public.conversations where id = p_settled.conversation_id;
    v_answer := private.enqueue_message(v_conversation,
      v_reply.item || jsonb_build_object('idempotency_key', 'reply:' || p_settled.delivery_id || ':' || v_reply.n), p_now);
    queued := queued + (v_answer ? 'id')::integer;
    if v_answer ? 'error' then
      refused := coalesce(refused, '[]') || jsonb_build_object('reply', coalesce((v_reply.item ->> 'place')::bigint, v_reply.n), 'why', v_answer ->> 'error');
    end if;
  end loop;
  if refused is not null then
    update public.delivery_attempts a set left_out = coalesce(a.left_out, '[]') || refused
    where a.delivery_id = p_settled.delivery_id and a.attempt = p_settled.attempt;
  end if;
end $$;
comment on function private.queue_each_reply(private.settlement, timestamptz) is 'Queues the replies of a service to a delivery, each checked on its own. Returns how many, and those that window, opt-out or flag forbid [{reply, why}], null for none. The caller holds the conversation''s lock.';

create function private.queue_replies(p_settled private.settlement[], p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_plain private.queued[] := private.plain_replies(p_settled, p_now);
  v_keys text[] := array(select q.key from unnest(v_plain) q);
  v_queued integer := coalesce(cardinality(private.queue_messages(v_plain, p_now)), 0);
  v_one private.settlement;
  v_each record;
  v_left_out jsonb := '[]';
begin
  for v_one in
    select r.* from unnest(p_settled) r
    where r.outcome = 'delivered' and jsonb_array_length(coalesce(r.replies, '[]')) > 0
      and 'reply:' || r.delivery_id || ':1' <> all (v_keys)
  loop
    v_each := private.queue_each_reply(v_one, p_now);
    v_queued := v_queued + v_each.queued;
    if v_each.refused is not null then
      v_left_out := v_left_out || jsonb_build_object('delivery_id', v_one.delivery_id, 'replies', v_each.refused);
    end if;
  end loop;
  return jsonb_build_object('replies', v_queued, 'left_out', v_left_out);
end $$;
comment on function private.queue_replies(private.settlement[], timestamptz) is 'Queues the replies of services to deliveries in conversations whose locks the caller holds: {replies (how many), left_out: [{delivery_id, replies: [{reply, why}]}]}.';

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
  perform private.queue_lanes(array[v_queued.conversation_id], array[v_queued.channel], array[v_queued.number_id], p_now);
end $$;
comment on function private.queue_again(uuid, timestamptz) is 'Queues a failed message again, as if it had never been tried. The caller holds the lane''s lock.';

-- The provider decides whether the window is open: our clock, or a message that never arrived, may mislead us.
create function private.send_fallback(p_id uuid, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_queued public.outbound_messages;
  v_fallback jsonb;
begin
  select * into v_queued from public.outbound_messages o where o.id = p_id for update;
  v_fallback := coalesce(v_queued.fallback, private.window_fallback());
  if v_fallback is null or v_queued.used_fallback or v_queued.message_id is null or (
      select private.send_refusal(c, v_fallback, p_now) from public.conversations c
      where c.id = v_queued.conversation_id) is not null then
    return false;
  end if;
  update public.messages set type = v_fallback ->> 'type', text = null, native = v_fallback where id = p_id;
  update public.outbound_messages set used_fallback = true where id = p_id;
  perform private.queue_again(p_id, p_now);
  return true;
end $$;
comment on function private.send_fallback(uuid, timestamptz) is 'Sends the fallback, once, in place of a message that the provider refused because the window is closed. False if there is none, or the person has opted out. The caller holds the lane''s lock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.pair_allows_at(timestamptz, text, text),
  private.release_outbound_lanes(uuid[]),
  private.is_media(jsonb),
  private.free_lanes(uuid[]),
  private.window_fallback(),
  private.queue_lanes(uuid[], text[], text[], timestamptz),
  private.template_category(text, text, jsonb, timestamptz),
  private.opt_out_stops(text, text, jsonb, timestamptz),
  private.send_refusal(public.conversations, jsonb, timestamptz),
  private.queue_messages(private.queued[], timestamptz),
  private.plain_replies(private.settlement[], timestamptz),
  private.queue_each_reply(private.settlement, timestamptz),
  private.queue_replies(private.settlement[], timestamptz),
  private.queue_again(uuid, timestamptz),
  private.enqueue_message(public.conversations, jsonb, timestamptz),
  private.send_fallback(uuid, timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129000900');
