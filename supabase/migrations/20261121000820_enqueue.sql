set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Into the outbound queue: window, opt-out and idempotency; and the settling of deliveries, whose answers may hold
-- replies.

-- A typing error must be told: every settling of a reply after the window would fail for it.
alter table public.settings add constraint settings_wa_send_window_fallback check (
  case when key = 'wa_send.window_fallback' then coalesce(value::jsonb ->> 'type', '') = 'template' else true end) not valid;
comment on constraint settings_wa_send_window_fallback on public.settings is 'A template message as JSON: nothing else may go when the window is closed.';

create function private.window_fallback() returns jsonb
language sql stable set search_path = '' as $$
  select s.value::jsonb from public.settings s where s.key = 'wa_send.window_fallback'
$$;
comment on function private.window_fallback() is 'The setting wa_send.window_fallback: the template message that goes instead when the window is closed; null when it is not set.';
revoke execute on function private.window_fallback() from public, anon, authenticated;
grant execute on function private.window_fallback() to service_role;

-- The window: Meta lets a business write freely for 24 hours after the person last wrote; after that only
-- templates. Who has opted out gets no templates, and nothing else unless they wrote again since.
create function private.enqueue_message(p_conversation public.conversations, p_item jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_message jsonb := p_item -> 'message';
  v_key text := p_item ->> 'idempotency_key';
  -- A repetition is another request of the same caller, and may be of another trace.
  v_hash text := md5((p_item - array['idempotency_key', 'traceparent'])::text);
  v_fallback boolean := false;
  v_receipt boolean := v_message ->> 'type' = 'read';
  v_existing public.outbound_messages;
  v_id uuid := private.uuid_v7();
begin
  if v_key is not null then
    select * into v_existing from public.outbound_messages where idempotency_key = v_key;
    if found then
      if v_existing.request_hash is distinct from v_hash then
        return jsonb_build_object('error', 'idempotency_conflict');
      end if;
      return jsonb_build_object('id', v_existing.id, 'status', v_existing.state, 'repeated', true);
    end if;
  end if;

  if not v_receipt then
    if p_conversation.opted_out_at is not null
      and (v_message ->> 'type' = 'template' or p_conversation.opted_out_at >= coalesce(p_conversation.last_inbound_at, '-infinity')) then
      return jsonb_build_object('error', 'opted_out');
    end if;
    if v_message ->> 'type' <> 'template'
      and coalesce(p_conversation.last_inbound_at, '-infinity') <= p_now - interval '24 hours' then
      v_message := coalesce(p_item -> 'fallback', private.window_fallback());
      if v_message is null then
        return jsonb_build_object('error', 'window_closed', 'window_closed_at', p_conversation.last_inbound_at + interval '24 hours');
      end if;
      if p_conversation.opted_out_at is not null then
        return jsonb_build_object('error', 'opted_out');
      end if;
      v_fallback := true;
    end if;
    insert into public.messages (id, channel, conversation_id, direction, type, text, reply_to, native, status, traceparent, created_at)
    values (v_id, p_conversation.channel, p_conversation.id, 'out', v_message ->> 'type',
      case when v_fallback then null else p_item ->> 'text' end,
      v_message #>> '{context,message_id}', v_message, 'queued', p_item ->> 'traceparent', p_now);
  end if;

  insert into public.outbound_messages (
    id, channel, conversation_id, number_id, message_id, payload, recipient, idempotency_key, request_hash, used_fallback,
    next_attempt_at, created_at)
  values (v_id, p_conversation.channel, p_conversation.id, p_conversation.number_id,
    case when not v_receipt then v_id end, case when v_receipt then v_message end,
    p_item ->> 'to', v_key, v_hash, v_fallback, p_now, p_now)
  on conflict (idempotency_key) do nothing;
  if not found then
    -- Somebody else committed the same key in this moment: theirs is the message.
    delete from public.messages where id = v_id;
    return private.enqueue_message(p_conversation, p_item, p_now);
  end if;

  insert into private.outbound_lanes as l (conversation_id, number_id, due_at)
  values (p_conversation.id, p_conversation.number_id, p_now)
  on conflict (conversation_id) do update
    set due_at = greatest(excluded.due_at, private.pair_allows_at(l.pair_tat, l.number_id)) where l.due_at is null;
  update public.conversations set last_message_at = p_now where id = p_conversation.id;
  return jsonb_build_object('id', v_id, 'status', 'queued') || case when v_fallback then '{"used_fallback": true}' else '{}' end::jsonb;
end $$;
comment on function private.enqueue_message(public.conversations, jsonb, timestamptz) is 'Queues one message {message, text, to, idempotency_key, fallback, traceparent} in a conversation whose lock the caller holds. Answers {id, status} or {error}: opted_out, window_closed, idempotency_conflict.';
revoke execute on function private.enqueue_message(public.conversations, jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.enqueue_message(public.conversations, jsonb, timestamptz) to service_role;

-- ---------------------------------------------------------------------------
-- Settle deliveries
-- ---------------------------------------------------------------------------
create function private.settle_deliveries(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_result record;
  v_reply record;
  v_conversation public.conversations;
  v_settled integer := 0;
  v_replies integer := 0;
  v_refused integer := 0;
  v_answer jsonb;
begin
  -- Locks in the order that record_decisions takes them: conversations, then lanes.
  perform from public.conversations
  where id in (
    select d.conversation_id from jsonb_to_recordset(p_results) as r (delivery_id uuid, replies jsonb)
    join public.deliveries d on d.id = r.delivery_id where jsonb_array_length(coalesce(r.replies, '[]')) > 0)
  order by id for update;
  perform from private.delivery_lanes l
  join jsonb_to_recordset(p_results) as r (lease uuid) on r.lease = l.lease
  order by l.destination_id, l.conversation_id for update of l;

  for v_result in
    select r.*, d.destination_id, d.conversation_id, d.attempt
    from jsonb_to_recordset(p_results) as r (
      delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text,
      retry_after_ms bigint, replies jsonb)
    join public.deliveries d on d.id = r.delivery_id
    join private.delivery_lanes l
      on l.destination_id = d.destination_id and l.conversation_id = d.conversation_id and l.lease = r.lease
    order by d.destination_id, d.conversation_id
  loop
    insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, error, answer, at)
    values (v_result.delivery_id, v_result.attempt, v_result.outcome, v_result.status, v_result.latency_ms,
      v_result.error, v_result.answer, p_now)
    on conflict (delivery_id, attempt) do nothing;
    update public.deliveries
    set state = case v_result.outcome when 'delivered' then 'delivered' when 'dead' then 'dead' else 'pending' end,
      delivered_at = case when v_result.outcome = 'delivered' then p_now end,
      next_attempt_at = p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0),
      last_error = v_result.error, updated_at = p_now
    where id = v_result.delivery_id;
    if v_result.outcome = 'delivered' then
      for v_reply in select * from jsonb_array_elements(coalesce(v_result.replies, '[]')) with ordinality as e (item, n) loop
        select * into v_conversation from public.conversations where id = v_result.conversation_id;
        v_answer := private.enqueue_message(v_conversation,
          v_reply.item || jsonb_build_object('idempotency_key', 'reply:' || v_result.delivery_id || ':' || v_reply.n), p_now);
        v_replies := v_replies + (v_answer ? 'id')::integer;
        v_refused := v_refused + (v_answer ? 'error')::integer;
      end loop;
    end if;
    perform private.release_lane(v_result.destination_id, v_result.conversation_id);
    v_settled := v_settled + 1;
  end loop;

  perform private.settle_circuit(per.destination_id, per.failures, per.succeeded, per.failed_leases, p_now)
  from (
    select d.destination_id, count(*) filter (where r.outcome <> 'delivered')::integer as failures,
      bool_or(r.outcome = 'delivered') as succeeded,
      array_agg(r.lease) filter (where r.outcome <> 'delivered') as failed_leases
    from jsonb_to_recordset(p_results) as r (delivery_id uuid, lease uuid, outcome text)
    join public.deliveries d on d.id = r.delivery_id
    group by d.destination_id order by d.destination_id
  ) per;
  return jsonb_build_object('settled', v_settled, 'fenced', jsonb_array_length(p_results) - v_settled,
    'replies', v_replies, 'replies_refused', v_refused);
end $$;
comment on function private.settle_deliveries(jsonb, timestamptz) is 'settle_deliveries with the time given.';
revoke execute on function private.settle_deliveries(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.settle_deliveries(jsonb, timestamptz) to service_role;

create function public.settle_deliveries(p_results jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.settle_deliveries(p_results, clock_timestamp())
$$;
comment on function public.settle_deliveries(jsonb) is 'Writes the outcome of attempts [{delivery_id, lease, outcome (delivered, retry, dead), status, latency_ms, error, answer, retry_after_ms, replies}]: attempt, delivery, lane, circuit and queued replies in one transaction. A result whose lease is not the lane''s current one is fenced off.';
revoke execute on function public.settle_deliveries(jsonb) from public, anon, authenticated;
grant execute on function public.settle_deliveries(jsonb) to service_role;
