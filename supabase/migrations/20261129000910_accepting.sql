-- Outbound messages: what services, operators and campaigns hand in. Who the recipient is, from which sender it goes,
-- whether it may go, and at which rate.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.identities_of(jsonb),
  private.address_of(uuid, text, text),
  private.recipient(text, private.identity[]),
  private.send_conversation(jsonb),
  private.unmake_conversation(public.conversations, text),
  private.set_opt_out(text, boolean, text, text, timestamptz),
  public.set_opt_out(text, boolean, text, text),
  private.take_for(uuid, jsonb, timestamptz),
  private.enqueue_outbound(jsonb, timestamptz),
  public.enqueue_outbound(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000910');
