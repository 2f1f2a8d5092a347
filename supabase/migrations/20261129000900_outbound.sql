-- Outbound messages: the queue to the providers. The database paces each pair and sender, so that neither a restart nor
-- a second isolate can exceed the limits.

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
language sql immutable set search_path = '' as $$
  select coalesce(p_message ->> 'type' in ('image', 'video', 'audio', 'document', 'sticker')
    or p_message #>> '{interactive,header,type}' in ('image', 'video', 'document')
    or jsonb_path_exists(p_message, '$.template.components[*].** ? (@.type == "image" || @.type == "video" || @.type == "document")'), false)
$$;
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

create function private.queue_lane(p_conversation_id uuid, p_channel text, p_number_id text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at)
  values (p_conversation_id, p_channel, p_number_id, p_now)
  on conflict (conversation_id) do update
    set due_at = greatest(excluded.due_at, private.pair_allows_at(l.pair_tat, l.channel, l.number_id), l.waits_until)
    where l.due_at is null or (l.lease is null and l.due_at > excluded.due_at);
end $$;
comment on function private.queue_lane(uuid, text, text, timestamptz) is 'Makes a lane due for a message that was queued. What is due later may be a receipt that messages need not wait for, or vice versa; if not, the claim finds nothing and the lane keeps waiting.';

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
  perform private.queue_lane(q.conversation_id, q.channel, q.number_id, p_now)
  from (select distinct q.conversation_id, q.channel, q.number_id from unnest(p_messages) q where q.id = any (v_queued) order by 1) q;
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
  v_queued integer := coalesce(cardinality(private.queue_messages(v_plain, p_now)), 0);
  v_one private.settlement;
  v_each record;
  v_left_out jsonb := '[]';
begin
  for v_one in
    select r.* from unnest(p_settled) r
    where r.outcome = 'delivered' and jsonb_array_length(coalesce(r.replies, '[]')) > 0
      and not exists (select from unnest(v_plain) q where q.key = 'reply:' || r.delivery_id || ':1')
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
  perform private.queue_lane(v_queued.conversation_id, v_queued.channel, v_queued.number_id, p_now);
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

-- Accepting messages from services: recipient, sender, permission and request rate --------------------------------

create function private.identities_of(p_item jsonb) returns private.identity[]
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select array_agg(row(e.item ->> 'kind', e.item ->> 'value', null)::private.identity order by e.place)
    from jsonb_array_elements(p_item -> 'identities') with ordinality as e (item, place));
end $$;
comment on function private.identities_of(jsonb) is 'The recipient of an outbound message, by its identities [{kind, value}]; null for nobody.';

create function private.address_of(p_contact_id uuid, p_channel text, p_sender_id text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_kinds text[] := case p_channel when 'whatsapp' then array['group', 'phone', 'bsuid', 'parent_bsuid']
    when 'email' then array['email'] when 'telegram' then array['telegram'] else array['phone'] end;
begin
  return (
    select i.value from public.contact_identities i
    where i.contact_id = p_contact_id and i.valid_to is null and i.kind = any (v_kinds)
    order by array_position(v_kinds, i.kind), i.dialled, (i.sender_id is not distinct from p_sender_id) desc, i.id desc limit 1);
end $$;
comment on function private.address_of(uuid, text, text) is 'The address at which a sender can write to a person; null if there is none.';

-- An id that nobody has any more leads to the person who had it last, if they now have another of its kind.
create function private.recipient(p_channel text, p_identities private.identity[]) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_id private.identity;
  v_contact uuid;
begin
  foreach v_id in array coalesce(p_identities, '{}') loop
    v_contact := case when v_id.kind = 'contact' then (
        select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_id.value::uuid and c.channel = p_channel)
      else private.identity_holder(p_channel, v_id.kind, v_id.value) end;
    if v_contact is not null then
      return v_contact;
    end if;
  end loop;
  foreach v_id in array coalesce(p_identities, '{}') loop
    select i.contact_id into v_contact
    from unnest(private.spellings(v_id.kind, v_id.value)) as s (value)
    cross join lateral (
      select k.contact_id, k.valid_to, k.id from public.contact_identities k
      where k.channel = p_channel and k.kind = v_id.kind and k.value = s.value and k.valid_to is not null
      order by k.valid_to desc, k.id desc limit 1) i
    order by i.valid_to desc, i.id desc limit 1;
    if exists (
      select from public.contact_identities k where k.contact_id = v_contact and k.kind = v_id.kind and k.valid_to is null) then
      return v_contact;
    end if;
  end loop;
  return null;
end $$;
comment on function private.recipient(text, private.identity[]) is 'The known contact that an outbound message is for; null if nobody is known by these ids.';

create function private.send_conversation(p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_channel text := coalesce(p_item ->> 'channel', 'whatsapp');
  v_identities private.identity[] := private.identities_of(p_item);
  v_contact uuid;
  v_number text := p_item ->> 'number_id';
  v_place record;
  v_conversation uuid;
  v_address text;
  v_made text;
begin
  -- A receipt names the message that was read, which has a conversation.
  if p_item #>> '{message,type}' = 'read' then
    select m.conversation_id into v_conversation from public.messages m
    where m.provider_id = p_item #>> '{message,message_id}' and m.channel = v_channel and m.direction = 'in' order by m.seq desc limit 1;
    return case when v_conversation is null then '{"error": "unknown_message"}'
      else jsonb_build_object('id', v_conversation) end;
  end if;

  v_contact := private.recipient(v_channel, v_identities);
  if v_channel = 'email' then
    if p_item #>> '{message,reply_to_message}' is not null then
      select c.number_id, c.contact_id into v_place
      from public.messages m join public.conversations c on c.id = m.conversation_id
      where m.id = private.uuid_in(p_item #>> '{message,reply_to_message}') and m.channel = 'email';
      if not found then
        return '{"error": "unknown_message"}';
      end if;
      v_number := coalesce(v_number, v_place.number_id);
      v_contact := case when v_identities is null then v_place.contact_id else v_contact end;
    end if;
    v_number := coalesce(lower(v_number), (private.inbox_for(p_item ->> 'user_id', null)).from_email);
  end if;
  if v_number is null and v_contact is not null then
    select c.number_id into v_number from public.conversations c
    where c.contact_id = v_contact and c.channel = v_channel and c.last_message_at is not null
      and exists (select from public.senders n where n.channel = c.channel and n.id = c.number_id)
    order by c.last_message_at desc limit 1;
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
    if p_item ->> 'to' is null then
      return '{"error": "unknown_recipient"}';
    end if;
    -- Do not create a contact only to refuse the message.
    if private.opt_out_stops(v_channel, v_number, p_item -> 'message', now()) and exists (
      select from unnest(v_identities) i where private.erased_opt_out(v_channel, v_number, i.kind, i.value) is not null) then
      return '{"error": "opted_out"}';
    end if;
    perform private.lock_contacts();
    v_contact := private.resolve_contact(v_channel, v_identities, null, now(), v_number);
    v_made := 'contact';
  elsif p_item ->> 'to' is null or not exists (
    select from unnest(v_identities) i where private.identity_holder(v_channel, i.kind, i.value) = v_contact) then
    v_address := private.address_of(v_contact, v_channel, v_number);
    if v_address is null then
      return '{"error": "unknown_recipient"}';
    end if;
  end if;
  select c.id into v_conversation from public.conversations c
  where c.channel = v_channel and c.number_id = v_number and c.contact_id = v_contact;
  if not found then
    insert into public.conversations (channel, number_id, contact_id) values (v_channel, v_number, v_contact)
    on conflict (channel, number_id, contact_id) do nothing
    returning id into v_conversation;
    if found then
      v_made := coalesce(v_made, 'conversation');
    else
      select c.id into v_conversation from public.conversations c
      where c.channel = v_channel and c.number_id = v_number and c.contact_id = v_contact;
    end if;
  end if;
  return jsonb_strip_nulls(jsonb_build_object('id', v_conversation, 'address', v_address, 'made', v_made));
end $$;
comment on function private.send_conversation(jsonb) is 'The conversation of an outbound message, created if needed: {id, address (where to send it, if not to), made (contact or conversation, if it was created)} or {error}: from_required (several numbers and no earlier conversation), unknown_number, unknown_message, unknown_recipient, opted_out (by a person who has since been erased).';

create function private.unmake_conversation(p_conversation public.conversations, p_made text) returns void
language plpgsql set search_path = '' as $$
begin
  if p_made is not null then
    delete from public.conversations c where c.id = p_conversation.id;
  end if;
  if p_made = 'contact' then
    delete from public.contacts c where c.id = p_conversation.contact_id;
  end if;
end $$;
comment on function private.unmake_conversation(public.conversations, text) is 'Deletes what send_conversation created for a message that was refused, in the same transaction, so that nobody has seen it.';

create function private.set_opt_out(p_to text, p_opted_out boolean, p_number_id text, p_channel text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_given text := case when p_to ~ '@' then lower(btrim(p_to)) else btrim(p_to) end;
  v_digits text := case when v_given ~ '^\+?[0-9][0-9 ().-]*$' then regexp_replace(v_given, '[^0-9]', '', 'g') end;
  v_identity private.identity;
  v_contact uuid;
  v_numbers text[] := array(
    select s.id from public.senders s where s.channel = p_channel and (p_number_id is null or s.id = p_number_id) order by s.id);
begin
  if v_numbers = '{}' then
    raise exception 'there is no such sender' using errcode = 'GL404',
      hint = 'A sender of ours on this channel (senders.id); without one all that there are.';
  end if;
  select i.contact_id into v_contact from public.contact_identities i
  where i.channel = p_channel and i.value = any (private.spellings('phone', v_digits) || v_given) and i.valid_to is null
  order by i.kind = 'phone' desc, i.id limit 1;
  if v_contact is null then
    -- This also applies to people who are not known yet.
    v_identity := case when v_digits ~ '^[1-9][0-9]{5,14}$' then row('phone', v_digits, null)::private.identity
      when v_given ~ '^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$' then row('bsuid', v_given, null)::private.identity
      when v_given ~ '^[^@\s]+@[^@\s]+$' then row('email', lower(v_given), null)::private.identity end;
    if v_identity is null then
      raise exception 'who has opted out? Give a phone number or an id' using errcode = 'GL422',
        hint = 'A phone number with its country code, a business-scoped user id, or the id of somebody who is known on this channel.';
    end if;
    perform private.lock_contacts();
    v_contact := private.resolve_contact(p_channel, array[v_identity], null, p_now, v_numbers[1]);
  end if;
  perform private.keep_opt_words(array(
    select row(p_channel, n.id, v_contact, p_opted_out, p_now, null, null)::private.opt_word from unnest(v_numbers) as n (id)));
  return jsonb_build_object('contact_id', v_contact, 'opted_out', p_opted_out, 'numbers', to_jsonb(v_numbers));
end $$;
comment on function private.set_opt_out(text, boolean, text, text, timestamptz) is 'set_opt_out with a given time.';

create function public.set_opt_out(
  p_to text, p_opted_out boolean default true, p_number_id text default null, p_channel text default 'whatsapp'
) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.set_opt_out(p_to, p_opted_out, p_number_id, p_channel, clock_timestamp());
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.set_opt_out(text, boolean, text, text) is
  'Records a service''s report that a person has opted out (or, with false, in again), by phone number or id, for one sender or for all on the channel. The channel''s policy says what it blocks: on WhatsApp, marketing templates. Returns {contact_id, opted_out, numbers}. For secret keys. Errors: GL404 no such sender, GL422 no person can have this id.';

create function private.take_for(p_conversation uuid, p_takeover jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  -- Asked for in words, it also begins where an answer takes nothing over.
  v_minutes integer := coalesce((p_takeover ->> 'minutes')::integer, nullif(private.takeover_minutes(), 0), 60);
begin
  perform private.take_over(array[p_conversation], coalesce(p_takeover ->> 'by', private.actor()), p_now,
    p_now + make_interval(mins => v_minutes), p_now, not p_takeover ? 'minutes');
  return (
    select jsonb_build_object('conversation_id', c.id, 'by', c.taken_by, 'since', c.taken_at, 'until', c.taken_until)
    from public.conversations c where c.id = p_conversation);
end $$;
comment on function private.take_for(uuid, jsonb, timestamptz) is 'Takes a conversation over with a message that a person sent through the API: {by, minutes}. Returns {conversation_id, by, since, until}. The caller holds its lock.';

create function private.enqueue_outbound(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_item jsonb;
  v_found jsonb;
  v_rate jsonb;
  v_answer jsonb;
  v_conversation public.conversations;
  v_answers jsonb := '[]';
begin
  -- Before the first conversation's lock, which transactions that create contacts wait for.
  if exists (
    select from jsonb_array_elements(p_items) as e (item)
    where e.item ? 'to' and private.recipient(coalesce(e.item ->> 'channel', 'whatsapp'), private.identities_of(e.item)) is null) then
    perform private.lock_contacts();
  end if;
  for v_item in select * from jsonb_array_elements(p_items) loop
    v_rate := null;
    if v_item ? 'limit' then
      v_rate := public.take_rate(v_item #>> '{limit,key}', (v_item #>> '{limit,per_second}')::numeric, (v_item #>> '{limit,burst}')::integer);
      if not (v_rate ->> 'allowed')::boolean then
        v_answers := v_answers || jsonb_build_object('error', 'rate_limited', 'rate', v_rate);
        continue;
      end if;
    end if;
    if v_item ->> 'channel' = 'email' then
      -- Needed again when it goes.
      v_item := jsonb_set(v_item, '{message}', (v_item -> 'message')
        || jsonb_strip_nulls(jsonb_build_object('user_id', v_item -> 'user_id', 'send_domain', v_item -> 'send_domain')));
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
      v_answer := '{"error": "feature_off"}';
    else
      v_answer := private.enqueue_message(v_conversation,
        v_item - 'limit' || case when v_found ? 'address' then jsonb_build_object('address', v_found -> 'address') else '{}' end, p_now);
    end if;
    if v_answer ? 'error' or v_answer ? 'repeated' then
      perform private.unmake_conversation(v_conversation, v_found ->> 'made');
    elsif v_item ? 'takeover' then
      v_answer := v_answer || jsonb_build_object('taken_over', private.take_for(v_conversation.id, v_item -> 'takeover', p_now));
    end if;
    v_answers := v_answers || (v_answer || jsonb_build_object('rate', v_rate));
  end loop;
  return v_answers;
end $$;
comment on function private.enqueue_outbound(jsonb, timestamptz) is 'enqueue_outbound with a given time.';

-- A person who is erased while a message to them is queued becomes a new contact, as in ingest_updates.
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
comment on function public.enqueue_outbound(jsonb) is 'Queues messages [{channel (whatsapp if absent), user_id and send_domain (for a mail: who sends it, and the domain of its Message-ID), identities [{kind, value}; kind contact is our own id], to (if absent, an address of the person that the ids identify), number_id, message, text, idempotency_key, fallback, takeover: {by, minutes} (a person wrote it, who then has the conversation), traceparent, limit: {key, per_second, burst}}], and returns a result for each, in its place: {id, status, taken_over, rate} or {error, rate}. Rate of the key, flag (the channel''s, wa_send.enabled for WhatsApp, for the contact), window, opt-out and idempotency are decided in the same transaction.';

-- Sending: claiming within the limits of pair and sender, and settling ----------------------------

create function private.opt_out_doubt(p_channel text, p_number_id text, p_message jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_stops boolean := private.opt_out_stops(p_channel, p_number_id, p_message, p_now);
begin
  return case when v_stops then '{"opted_out": true}'
    when not v_stops then '{}'
    else jsonb_build_object('ask', jsonb_build_object('name', p_message #>> '{template,name}', 'account', (
      select s.account from public.senders s where s.channel = p_channel and s.id = p_number_id))) end;
end $$;
comment on function private.opt_out_doubt(text, text, jsonb, timestamptz) is 'What to do before sending a message to a person who has opted out: {opted_out: true}, do not send it; {ask: {name, account}}, ask the provider about the template; {}, nothing.';

create function public.answer_category(p_message_id uuid, p_found jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_asked record;
begin
  perform private.refuse_older_code();
  select o.channel, o.number_id, s.account, m.native into v_asked
  from public.outbound_messages o
  join public.messages m on m.id = o.message_id
  join public.senders s on s.channel = o.channel and s.id = o.number_id
  where o.id = p_message_id and s.account is not null and m.type = 'template';
  if found then
    -- In whole seconds, like the provider's times: its report within the same second is newer. For every match of the name.
    insert into private.template_categories as t (channel, account, name, language, template_id, category, at)
    select distinct on (f.language) v_asked.channel, v_asked.account, v_asked.native #>> '{template,name}', f.language, f.id, lower(f.category),
      date_trunc('second', clock_timestamp())
    from (
      select r.language, r.id, r.category from jsonb_to_recordset(p_found) as r (language text, id text, category text)
      union all
      select v_asked.native #>> '{template,language,code}', null, null) f
    where f.language is not null
    order by f.language, f.category nulls last
    on conflict on constraint template_categories_pkey do update
      set category = excluded.category, at = excluded.at, template_id = coalesce(excluded.template_id, t.template_id)
      where excluded.category is not null and excluded.at >= t.at or t.category is null;
  end if;
  return jsonb_build_object('opted_out',
    coalesce(private.opt_out_stops(v_asked.channel, v_asked.number_id, v_asked.native, clock_timestamp()), true));
end $$;
comment on function public.answer_category(uuid, jsonb) is 'Records the provider''s answer about the template of a queued message [{id, language, category}], including that it knows none, and returns whether this blocks the message: {opted_out}.';

create function private.claim_outbound(
  p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_number public.senders;
  v_flag text;
  -- So that it is evaluated once and not for each.
  v_everybody boolean;
  v_limit integer;
  v_left integer := p_limit;
  -- Under way by channel, those of this claim with them.
  v_busy jsonb := p_busy;
  v_shared boolean := cardinality(p_channels) > 1;
  v_under_way integer;
  v_burst integer;
  v_rate numeric;
  v_claimed jsonb;
  v_words bigint;
  v_empty uuid[];
  v_all jsonb := '[]';
begin
  for v_number in
    select n.* from public.senders n
    where n.channel = any (p_channels) and n.state = 'active' and (n.held_until is null or n.held_until <= p_now) and exists (
      select from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at <= p_now)
    order by n.send_tat nulls first -- the most recent sender comes last, so that none is always first when places are few
    for update of n skip locked
  loop
    exit when v_left <= 0;
    v_under_way := coalesce((v_busy ->> v_number.channel)::integer, 0);
    v_flag := private.send_flag(v_number.channel);
    v_everybody := private.on_for_everybody(v_flag);
    -- A burst of a tenth of a second, the rest at nine tenths of the rate: no second exceeds the limit.
    v_burst := greatest(1, v_number.max_per_second / 10);
    v_rate := v_number.max_per_second * 0.9;
    v_limit := least(v_left, v_burst - ceil(greatest(0,
      extract(epoch from coalesce(v_number.send_tat, p_now) - p_now) * v_rate))::integer);
    -- Of several channels each gets half of the places that the others leave: however many hang, the next still finds some.
    if v_shared then
      v_limit := least(v_limit, (v_left + v_under_way + 1) / 2 - v_under_way);
    end if;
    -- For a held sender, a single message tests whether the fault has been repaired.
    if v_number.held_since is not null then
      v_limit := least(v_limit, 1);
    end if;
    continue when v_limit <= 0;
    if private.sends_once(v_number.provider) then
      perform private.give_up_leases(v_number.channel, v_number.id, p_now);
    end if;
    with due as (
      select l.conversation_id from private.outbound_lanes l
      where l.channel = v_number.channel and l.number_id = v_number.id and l.due_at <= p_now
      order by l.due_at limit v_limit
      for update skip locked
    ), asked as (
      select due.conversation_id, c.contact_id, c.opted_out_at,
        v_everybody or (select flag.value from private.evaluate_flag(v_flag, c.contact_id::text) flag) as allowed
      from due
      join public.conversations c on c.id = due.conversation_id
    ), held as (
      -- Off for this contact: a service's reply waits, and the flag is evaluated again later.
      update private.outbound_lanes l set due_at = p_now + interval '5 seconds', lease = null
      from asked where not asked.allowed and l.conversation_id = asked.conversation_id
    ), heads as (
      select asked.conversation_id, asked.contact_id, asked.opted_out_at, head.id, head.message_id
      from asked
      left join lateral (
        -- Messages never wait for a read receipt, which has no rate limit.
        select first.id, first.message_id
        from (
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and not o.aside
            and o.message_id is not null
          order by o.conversation_id, o.id limit 1)
          union all
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and not o.aside
            and o.message_id is null
          order by o.conversation_id, o.id limit 1)
          union all
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and o.aside
          order by o.conversation_id, o.next_attempt_at limit 1)
        ) first
        where first.next_attempt_at <= p_now
        order by first.message_id is null, first.id limit 1
      ) head on true
      where asked.allowed
    ), leased as (
      update private.outbound_lanes l
      set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid(), waits_for = null, waits_until = null,
        pair_tat = case when heads.message_id is null then l.pair_tat
          else greatest(coalesce(l.pair_tat, p_now), p_now) + make_interval(secs => v_number.pair_seconds::double precision) end
      from heads where heads.id is not null and l.conversation_id = heads.conversation_id
      returning heads.id, heads.contact_id, heads.opted_out_at, l.lease
    ), begun as (
      update public.outbound_messages o
      set state = 'leased', attempt = o.attempt + 1, tried_at = coalesce(o.tried_at, p_now), updated_at = p_now
      from leased where o.id = leased.id
      returning o.id, o.conversation_id, o.attempt, o.deferred, o.channel, o.number_id, o.recipient, o.message_id, o.payload,
        leased.contact_id, leased.opted_out_at, leased.lease
    )
    select (select array_agg(heads.conversation_id) from heads where heads.id is null),
      jsonb_agg(jsonb_build_object('id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'deferred', b.deferred, 'channel', b.channel, 'number_id', b.number_id,
        'credentials', v_number.credentials, 'contact_id', b.contact_id, 'to', b.recipient,
        -- No typing indicator after the message has been sent.
        'message', case when b.payload ? 'typing_indicator' and exists (
            select from public.outbound_messages w
            where w.conversation_id = b.conversation_id and w.id > b.id and w.message_id is not null and w.state = 'sent')
          then b.payload - 'typing_indicator' else coalesce(b.payload, m.native) end,
        'traceparent', m.traceparent) || case
          -- The person may have opted out while it waited. Receipts are not affected.
          when b.opted_out_at is not null and b.message_id is not null
            then private.opt_out_doubt(b.channel, b.number_id, m.native, p_now)
          when b.channel = 'email' and private.suppression_of(b.recipient, coalesce((m.native ->> 'bulk')::boolean, false)) is not null
            then '{"opted_out": true}'
          else '{}' end || case b.channel when 'email' then jsonb_build_object('mail', private.mail_to_send(b.id, b.number_id, m.native))
          when 'sms' then jsonb_build_object('sms', jsonb_build_object('provider', v_number.provider))
          else '{}' end order by b.id),
      -- Carriers pace texts by segments.
      count(b.message_id) + coalesce(sum((m.native ->> 'segments')::integer - 1)
        filter (where b.channel = 'sms' and m.native ->> 'segments' ~ '^[1-9][0-9]?$'), 0)
    into v_empty, v_claimed, v_words
    from begun b left join public.messages m on m.id = b.message_id;
    if v_empty is not null then
      perform private.release_outbound_lanes(v_empty);
    end if;
    if v_claimed is not null then
      v_all := v_all || v_claimed;
      v_left := v_left - jsonb_array_length(v_claimed);
      v_busy := v_busy || jsonb_build_object(v_number.channel, v_under_way + jsonb_array_length(v_claimed));
      update public.senders
      set send_tat = greatest(coalesce(send_tat, p_now), p_now)
        + make_interval(secs => (v_words / v_rate)::double precision),
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
    -- A channel that has used its half waits for its sends under way, and must not hide when the others are due.
    where n.channel = any (p_channels) and n.state = 'active'
      and (not v_shared or v_left > coalesce((v_busy ->> n.channel)::integer, 0))));
end $$;
comment on function private.claim_outbound(integer, integer, jsonb, text[], timestamptz) is 'claim_outbound with a given time.';

create function public.claim_outbound(
  p_limit integer, p_lease_seconds integer default 60, p_busy jsonb default '{}', p_channels text[] default '{whatsapp}'
) returns jsonb
language sql set search_path = '' as $$
  select private.refuse_older_code();
  select private.claim_outbound(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp())
$$;
comment on function public.claim_outbound(integer, integer, jsonb, text[]) is 'Leases up to p_limit conversations with something to send on the channels that the caller is ready for, given how many of each channel (by name) it has under way, within the limits of pair and sender and if the channel''s flag (wa_send.enabled for WhatsApp) is on for the contact, and returns {messages: [{id, lease, attempt, deferred, channel, number_id, credentials (senders.credentials), contact_id, to, message, traceparent, for a mail also mail (see private.mail_to_send), for a text sms: {provider}, and, if the person has opted out, opted_out: true (do not send it) or ask: {name, account} (ask the provider about the template, see answer_category)}], next_due_ms}. A single channel may take every place; of several, each gets half of those that the others leave.';

create function private.learn_answered(p_results jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_told record;
  v_locked boolean := false;
begin
  for v_told in
    select c.contact_id, c.channel, c.number_id, r.identities
    from jsonb_to_recordset(p_results) as r (id uuid, identities private.identity[])
    join public.outbound_messages o on o.id = r.id
    join public.conversations c on c.id = o.conversation_id
    where cardinality(r.identities) > 0 and private.is_news(c.contact_id, r.identities)
    order by r.id
  loop
    if not v_locked then
      perform private.lock_contacts();
      v_locked := true;
    end if;
    perform private.learn_identities(v_told.contact_id, v_told.channel, v_told.number_id, v_told.identities, p_now);
  end loop;
end $$;
comment on function private.learn_answered(jsonb, timestamptz) is 'Records new ids that the provider''s answers report for recipients.';

create type private.sending as (
  id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text,
  conversation_id uuid, channel text, number_id text, message_id uuid
);
comment on type private.sending is 'The provider''s answer to a message, with its conversation and sender.';

create function private.hold_sender(p_sending private.sending, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_until timestamptz := p_now + make_interval(secs => p_sending.retry_after_ms / 1000.0);
begin
  if p_sending.put_off = 'back' then
    -- It did not test a held sender: the next test may be made at once.
    update public.senders set held_until = v_until, held_probes = greatest(0, held_probes - 1)
    where channel = p_sending.channel and id = p_sending.number_id and held_since is not null;
  elsif p_sending.put_off = 'held' and p_sending.scope in ('number', 'account') then
    update public.senders
    set held_since = coalesce(held_since, p_now), held_code = p_sending.error ->> 'code',
      held_until = p_now + least(interval '5 minutes', interval '5 seconds' * 2 ^ least(held_probes, 10))
    where channel = p_sending.channel and id = p_sending.number_id;
    if p_sending.scope = 'account' then
      -- Skipped if locked: a sender that is claiming now learns of the fault itself.
      with beside as (
        select o.channel, o.id from public.senders s
        join public.senders o on o.channel = s.channel and o.account = s.account and o.id <> s.id
        where s.channel = p_sending.channel and s.id = p_sending.number_id and o.held_since is null
        order by o.id for update of o skip locked
      )
      update public.senders o
      set held_since = p_now, held_code = p_sending.error ->> 'code', held_until = p_now + interval '5 seconds', held_probes = 0
      from beside where o.channel = beside.channel and o.id = beside.id;
    end if;
  elsif p_sending.put_off = 'throttle' and p_sending.scope = 'number' then
    update public.senders set send_tat = greatest(coalesce(send_tat, p_now), v_until)
    where channel = p_sending.channel and id = p_sending.number_id;
  end if;
end $$;
comment on function private.hold_sender(private.sending, timestamptz) is 'Records the effect of a deferred message on its sender; a fault of the account holds all senders of that account, and no other.';

create function private.settle_outbound(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_settled private.sending[];
  v_wanted boolean := private.is_subscribed();
begin
  -- First, because it may need the contacts' lock. What a fenced-off worker reports also counts.
  perform private.learn_answered(p_results, p_now);
  -- Opt-outs belong to the conversation, which is locked before its lane.
  if exists (select from jsonb_to_recordset(p_results) as r (outcome text, error jsonb) where r.outcome = 'failed' and r.error ? 'code') then
    perform private.keep_opt_words(array(
      select distinct row(c.channel, c.number_id, c.contact_id, true, p_now, null, null)::private.opt_word
      from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
      join public.outbound_messages o on o.id = r.id
      join public.conversations c on c.id = o.conversation_id
      where r.outcome = 'failed' and r.error ->> 'code' = any ((private.channel_policy(o.channel)).opt_out_codes)));
  end if;
  if v_wanted then
    perform from public.conversations c
    where c.id in (
      select o.conversation_id from jsonb_to_recordset(p_results) as r (id uuid, outcome text)
      join public.outbound_messages o on o.id = r.id where r.outcome = 'failed')
    order by c.id for update;
  end if;
  perform from jsonb_to_recordset(p_results) as r (id uuid, lease uuid)
  join public.outbound_messages o on o.id = r.id
  join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
  order by l.conversation_id for update of l;
  select coalesce(array_agg((r.id, r.lease, r.outcome, r.provider_id, r.error, coalesce(r.retry_after_ms, 0), r.put_off, r.scope,
    o.conversation_id, o.channel, o.number_id, o.message_id)::private.sending order by o.conversation_id), '{}')
  into v_settled
  from jsonb_to_recordset(p_results) as r (
    id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text)
  join public.outbound_messages o on o.id = r.id
  join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease;

  -- A status that arrived before the answer stays. In the order of ids, as apply_statuses locks them.
  perform from public.messages m
  where m.id = any (array(select r.message_id from unnest(v_settled) r where r.outcome <> 'retry')) order by m.id for update;
  update public.messages m
  set provider_id = coalesce(m.provider_id, r.provider_id),
    status = case when m.status_rank > 0 then m.status when r.outcome = 'sent' then 'accepted'
      when r.outcome in ('failed', 'unknown') then r.outcome else m.status end,
    status_rank = case when m.status_rank = 0 and r.outcome = 'failed' then 2 else m.status_rank end,
    error = case when r.outcome = 'failed' then r.error else m.error end
  from unnest(v_settled) r where m.id = r.message_id and r.outcome <> 'retry';
  perform private.drop_echoes(array(
    select r.message_id from unnest(v_settled) r where r.provider_id is not null and r.message_id is not null));
  update public.outbound_messages o
  set state = case when o.state = 'sent' then 'sent' when r.outcome = 'retry' then 'queued' else r.outcome end,
    attempt = o.attempt - (r.put_off is not null)::integer,
    deferred = o.deferred + coalesce(r.put_off <> 'back', false)::integer,
    tried_at = case when r.put_off = 'back' and o.attempt = 1 then null else o.tried_at end,
    -- A message that the provider keeps refusing must not block the chat: the person waits for the next ones.
    aside = case when r.put_off is null
      then o.attempt >= 3 or o.tried_at + interval '30 seconds' < p_now + make_interval(secs => r.retry_after_ms / 1000.0)
      else o.aside or (r.put_off = 'held' and r.scope = 'pair') end,
    error = case when r.put_off = 'back' then o.error else r.error end, updated_at = p_now,
    next_attempt_at = p_now + make_interval(secs => r.retry_after_ms / 1000.0)
  from unnest(v_settled) r where o.id = r.id;
  perform private.hold_sender(r, p_now) from unnest(v_settled) r where r.put_off is not null;
  perform private.send_fallback(r.id, p_now) from unnest(v_settled) r
  where r.outcome = 'failed' and r.error ->> 'code' = (private.channel_policy(r.channel)).window_code;
  -- What never went gets no status.
  if v_wanted then
    perform private.note_events(array(
      select ('message.failed', r.channel, r.conversation_id, m.id, r.number_id, null, p_now, jsonb_build_object('error', jsonb_build_array(r.error)),
        null, null)::private.noted_event
      from unnest(v_settled) r join public.messages m on m.id = r.message_id
      where r.outcome = 'failed' and m.status = 'failed'));
  end if;
  -- A status that arrived before the answer proves that it was sent.
  update private.outbound_lanes l set waits_for = media.id, waits_until = p_now + policy.media_wait
  from (
    select m.id, r.conversation_id, r.channel from unnest(v_settled) r join public.messages m on m.id = r.message_id
    where r.outcome = 'sent' and m.status_rank = 0 and private.is_media(m.native)) media
  cross join lateral private.channel_policy(media.channel) policy
  where policy.media_wait is not null and l.conversation_id = media.conversation_id;
  perform private.release_outbound_lanes(array(select r.conversation_id from unnest(v_settled) r));
  -- An answer about the message itself shows that the account works again; opted-out people were not written to.
  if exists (select from public.senders s where s.held_since is not null) then
    with well as (
      select s.channel, s.id, s.account, s.held_code from public.senders s
      -- Of a text, only a receipt shows that carriers take it.
      where s.held_since is not null and not (s.channel = 'sms' and coalesce(s.held_code, '') in ('30032', '30034', '40010')) and exists (
        select from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
        join public.outbound_messages o on o.id = r.id
        where r.outcome in ('sent', 'failed') and coalesce(r.error ->> 'code', '') <> 'opted_out' and o.channel = s.channel and o.number_id = s.id)
    ), freed as (
      update public.senders s set held_since = null, held_code = null, held_until = null, held_probes = 0
      from well where s.channel = well.channel and s.id = well.id
    ), beside as (
      -- What held them for the same reason is probably over: each tests it at once.
      select o.channel, o.id from public.senders o
      where o.held_since is not null
        and exists (select from well where well.channel = o.channel and well.account = o.account and well.held_code = o.held_code)
        and not exists (select from well where well.channel = o.channel and well.id = o.id)
      order by o.id for update skip locked
    )
    update public.senders o set held_until = p_now, held_probes = 0
    from beside where o.channel = beside.channel and o.id = beside.id;
  end if;
  -- Given up when its lease ended, and known after all.
  if cardinality(v_settled) < jsonb_array_length(p_results) then
    with known as (
      update public.outbound_messages o
      set state = r.outcome, error = case r.outcome when 'failed' then r.error end, updated_at = p_now
      from jsonb_to_recordset(p_results) as r (id uuid, outcome text, provider_id text, error jsonb)
      where o.id = r.id and o.state = 'unknown' and r.outcome in ('sent', 'failed')
        and not exists (select from unnest(v_settled) s where s.id = r.id)
      returning o.message_id, r.outcome, r.provider_id, r.error
    )
    update public.messages m
    set provider_id = coalesce(m.provider_id, k.provider_id), status = case k.outcome when 'sent' then 'accepted' else 'failed' end,
      status_rank = case k.outcome when 'failed' then 2 else m.status_rank end, error = case k.outcome when 'failed' then k.error else m.error end
    from known k where m.id = k.message_id and m.status_rank = 0;
  end if;
  return jsonb_build_object('settled', cardinality(v_settled), 'fenced', jsonb_array_length(p_results) - cardinality(v_settled))
    || case when current_setting('gatelink.told', true) = 'true' then '{"told": true}' else '{}' end::jsonb;
end $$;
comment on function private.settle_outbound(jsonb, timestamptz) is 'settle_outbound with a given time.';

create function public.settle_outbound(p_results jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.settle_outbound(p_results, clock_timestamp())
$$;
comment on function public.settle_outbound(jsonb) is 'Records the provider''s answers [{id, lease, outcome (sent, retry, failed, or unknown: the answer was lost, and the provider must not be called again), provider_id, identities (of the person, as the provider knows them), error, retry_after_ms, put_off (throttle, held, back: the provider was not called), scope (number, account, pair)}]. A deferred send does not count as an attempt; a held sender waits until a single message gets through. A result whose lease is not the lane''s current one is fenced off.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.pair_allows_at(timestamptz, text, text),
  private.release_outbound_lanes(uuid[]),
  private.is_media(jsonb),
  private.free_lanes(uuid[]),
  private.window_fallback(),
  private.queue_lane(uuid, text, text, timestamptz),
  private.template_category(text, text, jsonb, timestamptz),
  private.opt_out_stops(text, text, jsonb, timestamptz),
  private.opt_out_doubt(text, text, jsonb, timestamptz),
  public.answer_category(uuid, jsonb),
  private.send_refusal(public.conversations, jsonb, timestamptz),
  private.queue_messages(private.queued[], timestamptz),
  private.plain_replies(private.settlement[], timestamptz),
  private.queue_each_reply(private.settlement, timestamptz),
  private.queue_replies(private.settlement[], timestamptz),
  private.queue_again(uuid, timestamptz),
  private.enqueue_message(public.conversations, jsonb, timestamptz),
  private.send_fallback(uuid, timestamptz),
  private.identities_of(jsonb),
  private.address_of(uuid, text, text),
  private.recipient(text, private.identity[]),
  private.send_conversation(jsonb),
  private.unmake_conversation(public.conversations, text),
  private.set_opt_out(text, boolean, text, text, timestamptz),
  public.set_opt_out(text, boolean, text, text),
  private.take_for(uuid, jsonb, timestamptz),
  private.enqueue_outbound(jsonb, timestamptz),
  public.enqueue_outbound(jsonb),
  private.claim_outbound(integer, integer, jsonb, text[], timestamptz),
  public.claim_outbound(integer, integer, jsonb, text[]),
  private.learn_answered(jsonb, timestamptz),
  private.hold_sender(private.sending, timestamptz),
  private.settle_outbound(jsonb, timestamptz),
  public.settle_outbound(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000900');
