set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The way in for messages that services send: who, from which number, whether it may go, and how fast one may ask.

create function private.send_conversation(p_item jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_contact uuid;
  v_number text := p_item ->> 'number_id';
  v_conversation uuid;
begin
  -- A receipt names the message that was read, and that has a conversation.
  if p_item #>> '{message,type}' = 'read' then
    select m.conversation_id into v_conversation from public.messages m
    where m.provider_id = p_item #>> '{message,message_id}' and m.direction = 'in' order by m.seq desc limit 1;
    return case when v_conversation is null then '{"error": "unknown_message"}'
      else jsonb_build_object('id', v_conversation) end;
  end if;

  v_contact := coalesce(private.identity_holder('whatsapp', 'phone', p_item ->> 'phone'),
    private.identity_holder('whatsapp', 'bsuid', p_item ->> 'bsuid'));
  if v_number is null and v_contact is not null then
    select c.number_id into v_number from public.conversations c
    where c.contact_id = v_contact order by c.last_message_at desc nulls last limit 1;
  end if;
  if v_number is null then
    select case when count(*) = 1 then min(n.id) end into v_number from public.wa_numbers n;
    if v_number is null then
      return '{"error": "from_required"}';
    end if;
  elsif not exists (select from public.wa_numbers n where n.id = v_number) then
    return '{"error": "unknown_number"}';
  end if;

  if v_contact is null then
    perform private.lock_contacts();
    v_contact := private.resolve_contact('whatsapp', p_item ->> 'phone', p_item ->> 'bsuid', null, null, null, null, null, now());
  end if;
  insert into public.conversations (number_id, contact_id) values (v_number, v_contact)
  on conflict (channel, number_id, contact_id) do nothing;
  select c.id into v_conversation from public.conversations c
  where c.channel = 'whatsapp' and c.number_id = v_number and c.contact_id = v_contact;
  return jsonb_build_object('id', v_conversation);
end $$;
comment on function private.send_conversation(jsonb) is 'The conversation that a message to send belongs to, made if need be: {id} or {error}: from_required (several numbers and no earlier conversation), unknown_number, unknown_message.';
revoke execute on function private.send_conversation(jsonb) from public, anon, authenticated;
grant execute on function private.send_conversation(jsonb) to service_role;

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
    if not (select value from private.evaluate_flag('wa_send.enabled', v_conversation.contact_id::text)) then
      v_answers := v_answers || jsonb_build_object('error', 'feature_off', 'rate', v_rate);
      continue;
    end if;
    v_answers := v_answers || (private.enqueue_message(v_conversation, v_item - 'limit', p_now) || jsonb_build_object('rate', v_rate));
  end loop;
  return v_answers;
end $$;
comment on function private.enqueue_outbound(jsonb, timestamptz) is 'enqueue_outbound with the time given.';
revoke execute on function private.enqueue_outbound(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.enqueue_outbound(jsonb, timestamptz) to service_role;

create function public.enqueue_outbound(p_items jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.enqueue_outbound(p_items, clock_timestamp())
$$;
comment on function public.enqueue_outbound(jsonb) is 'Queues messages [{phone or bsuid, to, number_id, message, text, idempotency_key, fallback, traceparent, limit: {key, per_second, burst}}], each answered for itself in its place: {id, status, rate} or {error, rate}. Rate of the key, flag (wa_send.enabled for the contact), window, opt-out and idempotency are decided in the same transaction.';
revoke execute on function public.enqueue_outbound(jsonb) from public, anon, authenticated;
grant execute on function public.enqueue_outbound(jsonb) to service_role;
