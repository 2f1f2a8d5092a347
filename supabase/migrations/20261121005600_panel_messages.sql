-- What people see of conversations and do in them. Phone numbers and other ids come out of the database redacted to
-- their last four characters, words for operators only; seeing a contact whole, and writing to one, is recorded.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- ---------------------------------------------------------------------------
-- What the redaction would be worth nothing without
-- ---------------------------------------------------------------------------
-- These hold whole numbers (identities, recipients, messages as the provider gives them), and whoever could read them
-- directly could do so unrecorded. The functions below give what may be seen of them.
drop policy "operators read identities" on public.contact_identities;
drop policy "operators read webhook events" on public.webhook_events;
drop policy "operators read messages" on public.messages;
drop policy "operators read outbound" on public.outbound_messages;
revoke select on public.contact_identities, public.webhook_events, public.messages, public.outbound_messages
  from authenticated;

-- ---------------------------------------------------------------------------
-- contact_acts
-- ---------------------------------------------------------------------------
create table public.contact_acts (
  id uuid primary key default private.uuid_v7(),
  act text not null constraint contact_acts_act_known check (act in ('revealed', 'replied')),
  contact_id uuid not null,
  message_id uuid,
  reason text,
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor(),
  constraint contact_acts_revealed_with_reason check (act <> 'revealed' or coalesce(trim(reason), '') <> '')
);
comment on table public.contact_acts is
  'What people of the team did with a contact: saw it whole, wrote to it. Append-only; holds no personal data of the contact''s.';
comment on column public.contact_acts.id is 'UUID v7.';
comment on column public.contact_acts.act is 'revealed: number and name were shown whole. replied: a message was queued.';
comment on column public.contact_acts.contact_id is 'The contact. Not a reference: the record outlives the contact.';
comment on column public.contact_acts.message_id is 'The message that was queued, for replied.';
comment on column public.contact_acts.reason is 'Why, in the words of whoever did it.';
comment on column public.contact_acts.at is 'When.';
comment on column public.contact_acts.by is 'Who: a user id, or the database role.';
create index contact_acts_contact_idx on public.contact_acts (contact_id, at);
comment on index public.contact_acts_contact_idx is 'What was done with a contact.';
create index contact_acts_message_idx on public.contact_acts (message_id) where message_id is not null;
comment on index public.contact_acts_message_idx is 'Who wrote a message.';
alter table public.contact_acts enable row level security;
revoke all on public.contact_acts from anon, authenticated, service_role, public;
grant select on public.contact_acts to authenticated, service_role;
create policy contact_acts_read on public.contact_acts for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy contact_acts_read on public.contact_acts is 'The whole team sees who looked at whom, and why.';
create trigger append_only before update or delete or truncate on public.contact_acts
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.contact_acts is 'Nobody rewrites history.';

-- ---------------------------------------------------------------------------
-- Helpers
-- ---------------------------------------------------------------------------
-- Failure policy: closed, as private.require_role, which asks the same.
create function private.may(p_role text) returns boolean
language sql stable set search_path = '' as $$
  select private.caller() = current_user or pg_has_role(private.caller(), 'service_role', 'usage')
    or (private.caller() = 'authenticated' and private.has_role(p_role))
$$;
comment on function private.may(text) is
  'Whether private.require_role would let the caller through: for functions that give a higher role more.';
revoke execute on function private.may(text) from public, anon, authenticated;
grant execute on function private.may(text) to service_role;

create function private.contact_last_four(p_contact_id uuid) returns text
language sql stable set search_path = '' as $$
  select right(i.value, 4) from public.contact_identities i
  where i.contact_id = p_contact_id and i.valid_to is null
  order by array_position(array['phone', 'username', 'bsuid', 'parent_bsuid'], i.kind), i.id limit 1
$$;
comment on function private.contact_last_four(uuid) is
  'A contact redacted: the last four digits of the phone number, or characters of another id; null when it has none.';
revoke execute on function private.contact_last_four(uuid) from public, anon, authenticated;
grant execute on function private.contact_last_four(uuid) to service_role;

create function private.conversation_view(p_conversation public.conversations, p_last public.messages, p_words boolean)
returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_conversation.id, 'number_id', p_conversation.number_id,
    'number', (select n.display_number from public.wa_numbers n where n.id = p_conversation.number_id),
    'contact', jsonb_build_object('id', p_conversation.contact_id,
      'last_four', private.contact_last_four(p_conversation.contact_id),
      'name', case when p_words then (select c.name from public.contacts c where c.id = p_conversation.contact_id) end),
    'window_closes_at', p_conversation.last_inbound_at + interval '24 hours',
    'opted_out_at', p_conversation.opted_out_at, 'unrouted_since', p_conversation.unrouted_since,
    'last', case when p_last.id is not null then jsonb_build_object('id', p_last.id, 'direction', p_last.direction,
      'type', p_last.type, 'text', case when p_words then left(p_last.text, 200) end, 'status', p_last.status,
      'created_at', p_last.created_at) end)
$$;
comment on function private.conversation_view(public.conversations, public.messages, boolean) is
  'A conversation as people see it in a list, with its latest message; names and words only with p_words.';
revoke execute on function private.conversation_view(public.conversations, public.messages, boolean) from public, anon, authenticated;
grant execute on function private.conversation_view(public.conversations, public.messages, boolean) to service_role;

-- ---------------------------------------------------------------------------
-- Conversations
-- ---------------------------------------------------------------------------
-- Newest first needs no index on conversations, which every message would have to keep: ids of messages grow with time,
-- so this walks their key backwards and keeps of each conversation its latest.
create function public.list_conversations(p_before uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(private.conversation_view(c, x.m, v_words) order by (x.m).id desc), '[]')
    from (
      select m from public.messages m
      where m.id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and not exists (
          select from public.messages n where n.conversation_id = m.conversation_id and n.seq > m.seq)
      order by m.id desc limit least(greatest(p_limit, 1), 200)
    ) x
    join public.conversations c on c.id = (x.m).conversation_id);
end $$;
comment on function public.list_conversations(uuid, integer) is
  'Conversations with their latest message, newest first: [{id, number_id, number, contact: {id, last_four, name}, window_closes_at, opted_out_at, unrouted_since, last: {id, direction, type, text, status, created_at}}]. p_before is last.id of the page before; at most 200. Name and text are null for viewers. For viewers and secret keys.';
revoke execute on function public.list_conversations(uuid, integer) from public, anon;
grant execute on function public.list_conversations(uuid, integer) to authenticated, service_role;

create function public.search_conversations(p_query text, p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_words boolean;
  v_query text := trim(p_query);
  v_id uuid := case when v_query ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then v_query::uuid end;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    with hits as (
      select 'message' as found, m.conversation_id, m.id as message_id from public.messages m
      where m.id = v_id or m.provider_id = v_query
      union all
      select 'conversation', c.id, null from public.conversations c where c.id = v_id
      union all
      select 'contact', c.id, null from public.contact_identities i
      join public.conversations c on c.contact_id = i.contact_id
      where v_query ~ '^[0-9]{4}$' and right(i.value, 4) = v_query and length(i.value) >= 4 and i.kind = 'phone' and i.valid_to is null
      union all
      (select 'link', m.conversation_id, a.message_id from public.attributions a
        join public.messages m on m.id = a.message_id
        where a.code = lower(v_query) collate "C" order by a.created_at desc limit 200)
    ), each as (
      select distinct on (h.conversation_id) h.* from hits h
      order by h.conversation_id, array_position(array['message', 'conversation', 'link', 'contact'], h.found), h.message_id desc
    )
    select coalesce(jsonb_agg(y.view order by y.at desc), '[]')
    from (
      select private.conversation_view(c, l.m, v_words)
          || jsonb_build_object('found', e.found, 'message_id', e.message_id) as view,
        coalesce((l.m).id, c.id) as at
      from each e
      join public.conversations c on c.id = e.conversation_id
      left join lateral (
        select m from public.messages m where m.conversation_id = c.id order by m.seq desc limit 1) l on true
      order by 2 desc limit least(greatest(p_limit, 1), 200)
    ) y);
end $$;
comment on function public.search_conversations(text, integer) is
  'Conversations by the id of a message (ours or WhatsApp''s), of the conversation, the code of the link that a message came from, or the last four digits of the phone number. As list_conversations, newest first, each with found (message, conversation, link or contact) and the message_id that was found. For viewers and secret keys.';
revoke execute on function public.search_conversations(text, integer) from public, anon;
grant execute on function public.search_conversations(text, integer) to authenticated, service_role;

-- ---------------------------------------------------------------------------
-- Messages
-- ---------------------------------------------------------------------------
create function private.deliveries_view(p_message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'destination', t.name, 'state', d.state, 'attempt', d.attempt,
    'next_attempt_at', case when d.state = 'pending' then d.next_attempt_at end, 'last_error', d.last_error,
    'dropped_reason', d.dropped_reason, 'delivered_at', d.delivered_at) order by t.name), '[]')
  from public.deliveries d join public.destinations t on t.id = d.destination_id where d.message_id = p_message_id
$$;
comment on function private.deliveries_view(uuid) is 'Where a message goes to and how far that is, without the attempts.';
revoke execute on function private.deliveries_view(uuid) from public, anon, authenticated;
grant execute on function private.deliveries_view(uuid) to service_role;

create function private.message_view(p_message public.messages, p_words boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_message.id, 'seq', p_message.seq, 'direction', p_message.direction,
    'type', p_message.type, 'provider_id', p_message.provider_id,
    'text', case when p_words then p_message.text end, 'choice', case when p_words then p_message.choice end,
    'status', p_message.status, 'status_at', p_message.status_at, 'error', p_message.error,
    'sent_at', p_message.sent_at, 'created_at', p_message.created_at,
    'link', (select a.code from public.attributions a where a.message_id = p_message.id),
    'route', (
      select jsonb_build_object('name', r.route_name, 'reason', r.reason)
      from public.routing_decisions r where r.message_id = p_message.id),
    'deliveries', private.deliveries_view(p_message.id))
$$;
comment on function private.message_view(public.messages, boolean) is
  'A message as people see it in its conversation; its words only with p_words.';
revoke execute on function private.message_view(public.messages, boolean) from public, anon, authenticated;
grant execute on function private.message_view(public.messages, boolean) to service_role;

create function public.conversation_messages(p_conversation_id uuid, p_before bigint default null, p_limit integer default 100)
returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select jsonb_build_object('conversation', private.conversation_view(c, null::public.messages, v_words), 'messages', (
      select coalesce(jsonb_agg(private.message_view(x.m, v_words) order by (x.m).seq desc), '[]')
      from (
        select m from public.messages m
        where m.conversation_id = c.id and m.seq < coalesce(p_before, 9223372036854775807)
        order by m.seq desc limit least(greatest(p_limit, 1), 500)
      ) x))
    from public.conversations c where c.id = p_conversation_id);
end $$;
comment on function public.conversation_messages(uuid, bigint, integer) is
  'A conversation and its messages, newest first: {conversation, messages: [{id, seq, direction, type, provider_id, text, choice, status, status_at, error, sent_at, created_at, link, route: {name, reason}, deliveries}]}; null when there is none. p_before is the seq of the last of the page before; at most 500. Words are null for viewers. For viewers and secret keys.';
revoke execute on function public.conversation_messages(uuid, bigint, integer) from public, anon;
grant execute on function public.conversation_messages(uuid, bigint, integer) to authenticated, service_role;

create function public.message_story(p_message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select private.message_view(m, v_words) || jsonb_build_object(
      'conversation', private.conversation_view(c, null::public.messages, v_words),
      'pricing', m.pricing,
      'attribution', (
        select jsonb_build_object('code', a.code, 'confidence', a.confidence, 'reason', a.reason,
          'first_touch', a.first_touch, 'clicked_at', a.clicked_at)
        from public.attributions a where a.message_id = m.id),
      'decision', (
        select jsonb_build_object('route_id', r.route_id, 'name', r.route_name, 'reason', r.reason,
          'explanation', r.explanation, 'decided_at', r.decided_at)
        from public.routing_decisions r where r.message_id = m.id),
      'outbound', (
        select jsonb_build_object('state', o.state, 'attempt', o.attempt, 'error', o.error,
          'next_attempt_at', case when o.state = 'queued' then o.next_attempt_at end, 'used_fallback', o.used_fallback)
        from public.outbound_messages o where o.message_id = m.id),
      'written_by', (select x.by from public.contact_acts x where x.message_id = m.id and x.act = 'replied'),
      'attempts', (
        select coalesce(jsonb_agg(jsonb_build_object('delivery_id', a.delivery_id, 'attempt', a.attempt,
          'outcome', a.outcome, 'status', a.status, 'latency_ms', a.latency_ms, 'error', a.error,
          'answer', case when v_words then left(a.answer, 2000) end, 'at', a.at) order by a.at, a.attempt), '[]')
        from public.deliveries d join public.delivery_attempts a on a.delivery_id = d.id where d.message_id = m.id))
    from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = p_message_id);
end $$;
comment on function public.message_story(uuid) is
  'All that is known of one message: as conversation_messages gives it, with conversation, pricing, attribution, decision (with its explanation), outbound, written_by and attempts (answers cut to 2,000 characters); null when there is none. Words and answers are null for viewers. For viewers and secret keys.';
revoke execute on function public.message_story(uuid) from public, anon;
grant execute on function public.message_story(uuid) to authenticated, service_role;

-- ---------------------------------------------------------------------------
-- What operators do
-- ---------------------------------------------------------------------------
create function public.reveal_contact(p_contact_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'revealing a contact needs a reason' using errcode = 'GL422';
  end if;
  if not exists (select from public.contacts c where c.id = p_contact_id) then
    raise exception 'there is no such contact' using errcode = 'GL404';
  end if;
  insert into public.contact_acts (act, contact_id, reason) values ('revealed', p_contact_id, trim(p_reason));
  return (
    select jsonb_build_object('id', c.id, 'name', c.name, 'identities', (
      select coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'valid_from', i.valid_from,
        'valid_to', i.valid_to) order by i.valid_to desc nulls first, i.id), '[]')
      from public.contact_identities i where i.contact_id = c.id))
    from public.contacts c where c.id = p_contact_id);
end $$;
comment on function public.reveal_contact(uuid, text) is
  'A contact whole, {id, name, identities: [{kind, value, valid_from, valid_to}]}, and who looked, when and why in contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such contact, GL422 no reason.';
revoke execute on function public.reveal_contact(uuid, text) from public, anon;
grant execute on function public.reveal_contact(uuid, text) to authenticated, service_role;

-- A person who writes freely wants those words to arrive: the template that services may fall back to does not go out
-- in their place.
create function public.reply_in_conversation(p_conversation_id uuid, p_text text, p_key uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_conversation public.conversations;
  v_to text;
  v_answer jsonb;
begin
  perform private.require_role('operator');
  if coalesce(trim(p_text), '') = '' or char_length(p_text) > 4096 then
    raise exception 'a reply has 1 to 4096 characters' using errcode = 'GL422';
  end if;
  select * into v_conversation from public.conversations c where c.id = p_conversation_id for update;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404';
  end if;
  if not (select value from private.evaluate_flag('wa_send.enabled', v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  if coalesce(v_conversation.last_inbound_at, '-infinity') <= clock_timestamp() - interval '24 hours' then
    return jsonb_build_object('error', 'window_closed', 'window_closed_at', v_conversation.last_inbound_at + interval '24 hours');
  end if;
  select i.value into v_to from public.contact_identities i
  where i.contact_id = v_conversation.contact_id and i.valid_to is null and i.kind in ('phone', 'bsuid', 'parent_bsuid')
  order by array_position(array['phone', 'bsuid', 'parent_bsuid'], i.kind) limit 1;
  if v_to is null then
    return '{"error": "nobody"}';
  end if;
  v_answer := private.enqueue_message(v_conversation, jsonb_build_object('to', v_to, 'text', p_text,
    'idempotency_key', 'panel:' || p_key,
    'message', jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', p_text))), clock_timestamp());
  if v_answer ? 'id' and not v_answer ? 'repeated' then
    insert into public.contact_acts (act, contact_id, message_id)
    values ('replied', v_conversation.contact_id, (v_answer ->> 'id')::uuid);
  end if;
  return v_answer;
end $$;
comment on function public.reply_in_conversation(uuid, text, uuid) is
  'Queues a text to the person of a conversation, within the 24 hours after they last wrote; the same p_key is the same message. Answers {id, status} or {error}: window_closed (with window_closed_at), opted_out, feature_off, nobody (no id that can be written to), idempotency_conflict. Who wrote is in contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 no words or too many.';
revoke execute on function public.reply_in_conversation(uuid, text, uuid) from public, anon;
grant execute on function public.reply_in_conversation(uuid, text, uuid) to authenticated, service_role;
