-- What people see in the panel of conversations and do in them. Phone numbers and other ids come out of the database
-- redacted to their last four characters, words for operators only; seeing a contact whole or a provider's id of a
-- message, which may hold the number, and writing to a contact, is recorded.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.contact_acts (
  id uuid primary key default private.uuid_v7(),
  act text not null constraint contact_acts_act_known check (act in ('revealed', 'replied', 'resent', 'exported', 'resolved', 'merged', 'split')),
  contact_id uuid not null,
  message_id uuid,
  reason text,
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor(),
  constraint contact_acts_revealed_with_reason check (act <> 'revealed' or coalesce(trim(reason), '') <> '')
);
comment on table public.contact_acts is
  'What people of the team did with a contact: saw it whole, wrote to it, took all that there is of it. Append-only; holds no personal data of the contact''s, in the reason neither, and an erasure takes the contact out of it.';
comment on column public.contact_acts.id is 'UUID v7.';
comment on column public.contact_acts.act is 'revealed: number and name were shown whole, or the provider''s id of a message. replied: a message was queued. resent: one that had failed was queued again. exported: all that there is of the person was given out. resolved: it was said of a message whether it went. merged: it was said to be one person with another contact. split: that was undone.';
comment on column public.contact_acts.contact_id is 'The contact. Not a reference: the record outlives the contact.';
comment on column public.contact_acts.message_id is 'The message that was queued, for replied and resent; that whose provider''s id was shown, for revealed.';
comment on column public.contact_acts.reason is 'Why, in the words of whoever did it.';
comment on column public.contact_acts.at is 'When.';
comment on column public.contact_acts.by is 'Who: a user id, or the database role.';
create index contact_acts_contact_idx on public.contact_acts (contact_id, at);
comment on index public.contact_acts_contact_idx is 'What was done with a contact.';
create index contact_acts_at_idx on public.contact_acts (at);
comment on index public.contact_acts_at_idx is 'Newest first.';
create index contact_acts_seen_idx on public.contact_acts (at) where act <> 'replied';
comment on index public.contact_acts_seen_idx is 'Newest first, without replies, which are most of them.';
create index contact_acts_by_idx on public.contact_acts (by, at);
comment on index public.contact_acts_by_idx is 'What one person did.';
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

-- Helpers -----------------------------------------------------------------------------------------

-- Failure policy: closed, as private.require_role, which asks the same.
create function private.may(p_role text) returns boolean
language sql stable set search_path = '' as $$
  select private.caller() = current_user or pg_has_role(private.caller(), 'service_role', 'usage')
    or (private.caller() = 'authenticated' and private.has_role(p_role))
$$;
comment on function private.may(text) is
  'Whether private.require_role would let the caller through: for functions that give a higher role more.';

create function private.contact_last_four(p_contact_id uuid) returns text
language sql stable set search_path = '' as $$
  select case i.kind when 'email' then substring(i.value from '@[^@]*$') else right(i.value, least(4, length(i.value) / 2)) end
  from public.contact_identities i
  where i.contact_id = p_contact_id and i.valid_to is null
  order by array_position(array['phone', 'email', 'username', 'bsuid', 'parent_bsuid'], i.kind), i.dialled, i.id limit 1
$$;
comment on function private.contact_last_four(uuid) is
  'A contact redacted: the last four digits of the phone number, @ and the domain of the mail address, or four characters of another id, of a short one half; null when it has none.';

-- What services and people write may quote the ids of the very person it is about: a number with or without separators,
-- other ids as they stand, and WhatsApp's ids of messages, in which the number stands in base64.
create function private.without_ids(p_text text, p_contact_id uuid) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_text text := regexp_replace(p_text, 'wamid\.[[:alnum:]+/=_-]+', 'wamid.…', 'g');
  v_id text;
begin
  for v_id in
    select i.value from public.contact_identities i where i.contact_id = p_contact_id and length(i.value) >= 5
    union
    -- As it stands within an id of a message, whose first three bytes come before it.
    select left(encode(convert_to(i.value, 'UTF8'), 'base64'), length(i.value) * 4 / 3) from public.contact_identities i
    where i.contact_id = p_contact_id and i.kind = 'phone' and length(i.value) >= 5
  loop
    v_text := regexp_replace(v_text,
      case when v_id ~ '^[0-9]+$' then regexp_replace(v_id, '(.)(?=.)', '\1[^[:alnum:]]{0,3}', 'g')
        else regexp_replace(v_id, '([^[:alnum:]])', '\\\1', 'g') end,
      '…', 'gi');
  end loop;
  return v_text;
end $$;
comment on function private.without_ids(text, uuid) is
  'A text with … for each id of this contact, past ones too, and for WhatsApp''s ids of messages.';

-- Anybody's, where it can be told from an order's number: with a + before it, or an @ in it.
create function private.quoted(p_text text, p_contact_id uuid) returns text
language sql stable set search_path = '' as $$
  select regexp_replace(regexp_replace(private.without_ids(p_text, p_contact_id),
    '[^[:space:]"<>(),;:@]+(@|%40)(?=[[:alnum:]])', '…\1', 'g'),
    '\+[0-9]([^[:alnum:]]{0,3}[0-9]){6,}', '+…', 'g')
$$;
comment on function private.quoted(text, uuid) is
  'What a service or a provider wrote about a message of this contact, for operators: without the contact''s ids, and without numbers and mail addresses of others as far as they show.';

create function private.reason_about(p_reason text, p_contact_id uuid) returns text
language plpgsql stable set search_path = '' as $$
begin
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'revealing a contact needs a reason' using errcode = 'GL422';
  elsif private.without_ids(p_reason, p_contact_id) <> p_reason then
    raise exception 'the reason names the contact' using errcode = 'GL422',
      hint = 'The whole team reads it: leave out the number, the address and the id.';
  end if;
  return trim(p_reason);
end $$;
comment on function private.reason_about(text, uuid) is
  'The reason for looking at a contact, without the blanks around it. GL422 for none, and for one that holds what only those who look may see.';

-- The provider's words may quote whom a message went to. Its code cannot, as long as it is as short as codes are.
create function private.error_code(p_error jsonb) returns text
language sql immutable set search_path = '' as $$
  select substring(case jsonb_typeof(p_error) when 'array' then p_error -> 0 else p_error end ->> 'code'
    from '^(?:[[:alnum:]_.-]{1,9}|[a-z_]{1,40})$')
$$;
comment on function private.error_code(jsonb) is
  'The code of an error as a provider tells it, or of the first of several; null when it has none, or one that is too long to be one.';

create function private.error_view(p_error jsonb, p_contact_id uuid, p_words boolean) returns jsonb
language sql stable set search_path = '' as $$
  select case when p_error is not null then jsonb_build_object('code', private.error_code(p_error),
    'message', case when p_words then private.quoted(
      coalesce(e.one ->> 'details', e.one #>> '{error_data,details}', e.one ->> 'message', e.one ->> 'title'), p_contact_id) end) end
  from (select case jsonb_typeof(p_error) when 'array' then p_error -> 0 else p_error end as one) e
$$;
comment on function private.error_view(jsonb, uuid, boolean) is
  'What a provider told of a message that failed, {code, message}: its words only with p_words, and without the ids of the contact.';

create function private.conversation_view(p_conversation public.conversations, p_last public.messages, p_words boolean)
returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_conversation.id, 'channel', p_conversation.channel, 'number_id', p_conversation.number_id,
    'number', (select n.address from public.senders n where n.channel = p_conversation.channel and n.id = p_conversation.number_id),
    'contact', jsonb_build_object('id', p_conversation.contact_id,
      'last_four', private.contact_last_four(p_conversation.contact_id),
      'group', p_conversation.channel = 'whatsapp' and private.group_of(p_conversation.contact_id) is not null,
      'name', case when p_words then (select c.name from public.contacts c where c.id = p_conversation.contact_id) end),
    'window_closes_at', p_conversation.last_inbound_at + (private.channel_policy(p_conversation.channel)).reply_window,
    'opted_out_at', p_conversation.opted_out_at, 'unrouted_since', p_conversation.unrouted_since,
    'taken_over', case when p_conversation.taken_until > clock_timestamp() then jsonb_build_object('by', p_conversation.taken_by,
      'since', p_conversation.taken_at, 'until', p_conversation.taken_until) end,
    'last', case when p_last.id is not null then jsonb_build_object('id', p_last.id, 'direction', p_last.direction,
      'type', p_last.type, 'text', case when p_words then left(p_last.text, 200) end, 'status', p_last.status,
      'created_at', case when p_last.seq < 0 then coalesce(p_last.sent_at, p_last.created_at) else p_last.created_at end) end)
$$;
comment on function private.conversation_view(public.conversations, public.messages, boolean) is
  'A conversation as people see it in a list, with its latest message (an imported one with the time at which it was written); names and words only with p_words.';

-- Conversations -----------------------------------------------------------------------------------

-- Newest first needs no index on conversations, which every message would have to keep: ids of messages grow with time,
-- so this walks their key backwards and keeps of each conversation its latest.
create function public.list_conversations(p_before uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off set enable_sort = off as $$
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
  'Conversations with their latest message, newest first: [{id, channel, number_id, number, contact: {id, last_four, group (whether it is a group), name}, window_closes_at, opted_out_at, unrouted_since, taken_over: {by, since, until} or null, last: {id, direction, type, text, status, created_at}}]. p_before is last.id of the page before; at most 200. Name and text are null for viewers. For viewers and secret keys.';

-- Of a link that brought many, a page reads the index of its attributions no further than it has to.
create function public.search_conversations(p_query text, p_limit integer default 50, p_before jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
  v_query text := trim(p_query);
  v_code text collate "C" := lower(v_query);
  v_id uuid := case when v_query ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then v_query::uuid end;
  v_limit integer := least(greatest(p_limit, 1), 200);
  v_before timestamptz := coalesce((p_before ->> 'at')::timestamptz, 'infinity');
  v_before_id uuid := coalesce((p_before ->> 'id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    with whole as (
      select 'message' as found, m.conversation_id, m.id as message_id from public.messages m
      where m.id = v_id or m.provider_id = v_query
      union all
      select 'conversation', c.id, null from public.conversations c where c.id = v_id
      union all
      select 'contact', c.id, null from public.contact_identities i
      join public.conversations c on c.contact_id = i.contact_id
      where v_query ~ '^[0-9]{4}$' and right(i.value, 4) = v_query and length(i.value) >= 4 and i.kind = 'phone' and i.valid_to is null
        and not exists (
          select from public.attributions a join public.messages m on m.id = a.message_id
          where a.contact_id = c.contact_id and a.code = v_code and m.conversation_id = c.id)
    ), hits as (
      select h.found, h.conversation_id, h.message_id, coalesce(c.last_message_at, c.created_at) as at
      from whole h join public.conversations c on c.id = h.conversation_id
      union all
      -- A conversation is found once: by its latest message that came from the link.
      (select 'link', m.conversation_id, a.message_id, a.created_at
      from public.attributions a join public.messages m on m.id = a.message_id
      where a.code = v_code and a.created_at <= v_before and (a.created_at, m.conversation_id) < (v_before, v_before_id)
        and not exists (
          select from public.attributions b join public.messages n on n.id = b.message_id
          where b.contact_id = a.contact_id and b.code = v_code and n.conversation_id = m.conversation_id
            and (b.created_at, b.message_id) > (a.created_at, a.message_id))
      order by a.created_at desc, m.conversation_id desc limit v_limit)
    ), each as (
      select distinct on (h.conversation_id) h.* from hits h
      order by h.conversation_id, array_position(array['message', 'conversation', 'link', 'contact'], h.found), h.message_id desc
    ), page as (
      select e.* from each e where (e.at, e.conversation_id) < (v_before, v_before_id)
      order by e.at desc, e.conversation_id desc limit v_limit
    )
    select coalesce(jsonb_agg(private.conversation_view(c, l.m, v_words)
      || jsonb_build_object('found', p.found, 'message_id', p.message_id, 'at', p.at) order by p.at desc, p.conversation_id desc), '[]')
    from page p
    join public.conversations c on c.id = p.conversation_id
    left join lateral (
      select m from public.messages m where m.conversation_id = c.id order by m.seq desc limit 1) l on true);
end $$;
comment on function public.search_conversations(text, integer, jsonb) is
  'Conversations by the id of a message (ours or WhatsApp''s), of the conversation, the code of the link that a message came from, or the last four digits of the phone number. As list_conversations, newest first, at most 200, each with found (message, conversation, link or contact), the message_id that was found, and at: when that message came from the link, else when either side last wrote. p_before: {at, id} of the last of the page before. For viewers and secret keys.';

-- Messages ----------------------------------------------------------------------------------------

create function private.deliveries_view(p_message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'destination', t.name, 'state', d.state, 'attempt', d.attempt,
    'next_attempt_at', case when d.state = 'pending' then d.next_attempt_at end, 'last_error', d.last_error,
    'dropped_reason', d.dropped_reason, 'delivered_at', d.delivered_at) order by t.name), '[]')
  from public.deliveries d join public.destinations t on t.id = d.destination_id where d.message_id = p_message_id
$$;
comment on function private.deliveries_view(uuid) is 'Where a message goes to and how far that is, without the attempts.';

create function private.message_view(p_message public.messages, p_contact_id uuid, p_words boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_message.id, 'seq', p_message.seq, 'direction', p_message.direction,
    'type', p_message.type,
    'text', case when p_words then p_message.text end, 'choice', case when p_words then p_message.choice end,
    'status', p_message.status, 'status_at', p_message.status_at,
    'error', private.error_view(p_message.error, p_contact_id, p_words),
    'sent_at', p_message.sent_at, 'created_at', p_message.created_at, 'imported', p_message.seq < 0,
    'author', (
      select jsonb_build_object('id', a.contact_id, 'last_four', private.contact_last_four(coalesce(w.merged_into, w.id)), 'name', case when p_words then w.name end)
      from public.message_authors a join public.contacts w on w.id = a.contact_id where a.message_id = p_message.id),
    'link', (select a.code from public.attributions a where a.message_id = p_message.id),
    'route', (
      select jsonb_build_object('name', r.route_name, 'reason', r.reason)
      from public.routing_decisions r where r.message_id = p_message.id),
    'deliveries', private.deliveries_view(p_message.id),
    'mail', case p_message.channel when 'email' then jsonb_build_object(
      'subject', case when p_words then p_message.native ->> 'subject' end, 'thread_id', p_message.thread_id,
      'kind', p_message.native ->> 'kind', 'verdict', p_message.native ->> 'verdict', 'via', p_message.native ->> 'via',
      'verified', p_message.native -> 'verified' = 'true', 'automatic', p_message.native -> 'automatic' = 'true',
      'other_sender', p_message.direction = 'in' and p_message.native -> 'is_recipient' = 'false'
        and p_message.native ->> 'kind' in ('reply', 'spoof') and p_message.native ->> 'answers' is not null,
      'relayed', p_message.native ? 'relay',
      'attachments', case jsonb_typeof(p_message.native -> 'attachments') when 'array' then jsonb_array_length(p_message.native -> 'attachments')
        else 0 end) end)
$$;
comment on function private.message_view(public.messages, uuid, boolean) is
  'A message of this contact as people see it in its conversation, by our id alone; its words only with p_words.';

create function public.conversation_messages(p_conversation_id uuid, p_before bigint default null, p_limit integer default 100)
returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select jsonb_build_object('conversation', private.conversation_view(c, null::public.messages, v_words), 'messages', (
      select coalesce(jsonb_agg(private.message_view(x.m, c.contact_id, v_words) order by (x.m).seq desc), '[]')
      from (
        select m from public.messages m
        where m.conversation_id = c.id and m.seq < coalesce(p_before, 9223372036854775807)
        order by m.seq desc limit least(greatest(p_limit, 1), 500)
      ) x))
    from public.conversations c where c.id = p_conversation_id);
end $$;
comment on function public.conversation_messages(uuid, bigint, integer) is
  'A conversation and its messages, newest first: {conversation, messages: [{id, seq, direction, type, text, choice, status, status_at, error: {code, message}, sent_at, created_at, imported, author: {id, last_four, name} of a group, link, route: {name, reason}, deliveries, mail: {subject, thread_id, kind, verdict, via, verified, automatic, other_sender, relayed, attachments}, null for other channels}]}; null if there is none. p_before is the seq of the last of the page before; at most 500. Words are null for viewers. For viewers and secret keys.';

create function public.message_story(p_message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select private.message_view(m, c.contact_id, v_words) || jsonb_build_object(
      'conversation', private.conversation_view(c, null::public.messages, v_words),
      'attribution', (
        select jsonb_build_object('code', a.code, 'confidence', a.confidence, 'reason', a.reason,
          'first_touch', a.first_touch, 'clicked_at', a.clicked_at)
        from public.attributions a where a.message_id = m.id),
      'decision', (
        select jsonb_build_object('route_id', r.route_id, 'name', r.route_name, 'reason', r.reason,
          'explanation', r.explanation, 'decided_at', r.decided_at)
        from public.routing_decisions r where r.message_id = m.id),
      'outbound', (
        select jsonb_build_object('state', o.state, 'attempt', o.attempt,
          'error', private.error_view(o.error, c.contact_id, v_words),
          'next_attempt_at', case when o.state = 'queued' then o.next_attempt_at end, 'used_fallback', o.used_fallback,
          'first_try', case when o.first_try is not null then jsonb_build_object('code', o.first_try -> 'code', 'at', o.first_try -> 'at') end)
        from public.outbound_messages o where o.message_id = m.id),
      'written_by', (select x.by from public.contact_acts x where x.message_id = m.id and x.act = 'replied'),
      'attempts', (
        select coalesce(jsonb_agg(jsonb_build_object('delivery_id', a.delivery_id, 'attempt', a.attempt,
          'outcome', a.outcome, 'status', a.status, 'latency_ms', a.latency_ms, 'error', a.error,
          'answer', case when v_words then left(private.quoted(a.answer, c.contact_id), 2000) end, 'at', a.at) order by a.at, a.attempt), '[]')
        from public.deliveries d join public.delivery_attempts a on a.delivery_id = d.id where d.message_id = m.id))
    from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = p_message_id);
end $$;
comment on function public.message_story(uuid) is
  'All that is known of one message: as conversation_messages gives it, with conversation, attribution, decision (with its explanation), outbound, written_by and attempts (answers without the contact''s ids and cut to 2,000 characters); null if there is none. Words and answers are null for viewers. For viewers and secret keys.';

-- What operators do -------------------------------------------------------------------------------

create function public.reveal_contact(p_contact_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_reason text;
begin
  perform private.require_role('operator');
  v_reason := private.reason_about(p_reason, p_contact_id);
  if not exists (select from public.contacts c where c.id = p_contact_id) then
    raise exception 'there is no such contact' using errcode = 'GL404';
  end if;
  insert into public.contact_acts (act, contact_id, reason) values ('revealed', p_contact_id, v_reason);
  return (
    select jsonb_build_object('id', c.id, 'name', c.name, 'identities', (
      select coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'valid_from', i.valid_from,
        'valid_to', i.valid_to) order by i.valid_to desc nulls first, i.id), '[]')
      from public.contact_identities i where i.contact_id = c.id))
    from public.contacts c where c.id = p_contact_id);
end $$;
comment on function public.reveal_contact(uuid, text) is
  'A contact whole, {id, name, identities: [{kind, value, valid_from, valid_to}]}, and who looked, when and why in contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such contact, GL422 no reason, or one that names the contact.';

create function public.reveal_message(p_message_id uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_message public.messages;
  v_contact uuid;
  v_reason text;
begin
  perform private.require_role('operator');
  select * into v_message from public.messages m where m.id = p_message_id;
  select c.contact_id into v_contact from public.conversations c where c.id = v_message.conversation_id;
  v_reason := private.reason_about(p_reason, v_contact);
  if v_contact is null then
    raise exception 'there is no such message' using errcode = 'GL404';
  end if;
  insert into public.contact_acts (act, contact_id, message_id, reason) values ('revealed', v_contact, p_message_id, v_reason);
  return jsonb_build_object('id', v_message.id, 'provider_id', v_message.provider_id, 'error', v_message.error);
end $$;
comment on function public.reveal_message(uuid, text) is
  'How the provider names a message, in which the number of the person may stand, and its error in the provider''s own words, {id, provider_id, error}; who looked, when and why is in contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such message, GL422 no reason, or one that names the contact.';

-- 3GPP TS 23.038. A character that two segments would share may make one more of them; paces can bear that.
create function private.text_message(p_text text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_plain boolean := translate(p_text,
    E'@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€',
    '') = '';
  v_units integer := char_length(p_text) + case when v_plain
    then char_length(p_text) - char_length(translate(p_text, E'\f^{}\\[~]|€', ''))
    -- Characters beyond U+FFFF have four bytes, and two units of UTF-16.
    else (select count(*) from regexp_split_to_table(p_text, '') as c where octet_length(c) = 4) end;
begin
  return jsonb_build_object('type', 'text', 'text', p_text, 'encoding', case when v_plain then 'GSM-7' else 'UCS-2' end, 'segments', case
    when v_plain and v_units <= 160 or not v_plain and v_units <= 70 then 1
    when v_plain then ceil(v_units / 153.0) else ceil(v_units / 67.0) end);
end $$;
comment on function private.text_message(text) is 'A text (SMS) as services send it: {type, text, encoding, segments}.';

-- A person who writes freely wants those words to arrive: the template that services may fall back to does not go out
-- in their place.
create function public.reply_in_conversation(p_conversation_id uuid, p_text text, p_key uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_conversation public.conversations;
  v_window interval;
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
  -- What is queued below is a message as Meta wants it, or a text: no other channel could send it.
  if v_conversation.channel not in ('whatsapp', 'sms') then
    return jsonb_build_object('error', 'channel_unsupported', 'channel', v_conversation.channel);
  end if;
  if v_conversation.channel = 'sms' and char_length(p_text) > 1600 then
    raise exception 'a text has at most 1600 characters' using errcode = 'GL422';
  end if;
  if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  v_window := (private.channel_policy(v_conversation.channel)).reply_window;
  if coalesce(v_conversation.last_inbound_at, '-infinity') <= clock_timestamp() - v_window then
    return jsonb_build_object('error', 'window_closed', 'window_closed_at', v_conversation.last_inbound_at + v_window);
  end if;
  v_to := private.address_of(v_conversation.contact_id, v_conversation.channel, v_conversation.number_id);
  if v_to is null then
    return '{"error": "nobody"}';
  end if;
  v_answer := private.enqueue_message(v_conversation, jsonb_build_object('to', v_to, 'text', p_text,
    'idempotency_key', 'panel:' || p_key,
    'message', case v_conversation.channel when 'sms' then private.text_message(p_text)
      else jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', p_text)) end), clock_timestamp());
  if v_answer ? 'id' and not v_answer ? 'repeated' then
    insert into public.contact_acts (act, contact_id, message_id)
    values ('replied', v_conversation.contact_id, (v_answer ->> 'id')::uuid);
    perform private.take_over(array[p_conversation_id], private.actor(), clock_timestamp(),
      clock_timestamp() + make_interval(mins => private.takeover_minutes()), clock_timestamp());
  end if;
  return v_answer;
end $$;
comment on function public.reply_in_conversation(uuid, text, uuid) is
  'Queues a text to the person of a conversation, on WhatsApp within the 24 hours after they last wrote, on sms at any time; the same p_key is the same message. Returns {id, status} or {error}: channel_unsupported (with channel: neither of these), opted_out (on sms), window_closed (with window_closed_at), feature_off, nobody (no id that can be written to), idempotency_conflict. Who wrote is in contact_acts, and has the conversation for the minutes of the setting takeover.minutes. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 no words or too many.';

create function public.resend_message(p_message_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_message public.messages;
  v_conversation public.conversations;
  v_refusal text;
begin
  perform private.require_role('operator');
  select c.* into v_conversation from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = p_message_id and m.direction = 'out' for update of c;
  if not found then
    raise exception 'there is no such message of ours' using errcode = 'GL404';
  end if;
  perform from private.outbound_lanes l where l.conversation_id = v_conversation.id for update;
  select * into v_message from public.messages m where m.id = p_message_id for update;
  if v_message.status <> 'failed' or not exists (select from public.outbound_messages o where o.id = p_message_id and o.state in ('failed', 'sent')) then
    raise exception 'only a message that failed can be sent again' using errcode = 'GL409';
  end if;
  if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  v_refusal := private.send_refusal(v_conversation, coalesce(v_message.native, jsonb_build_object('type', v_message.type)), clock_timestamp());
  if v_refusal = 'window_closed' and private.send_fallback(p_message_id, clock_timestamp()) then
    v_refusal := null;
  elsif v_refusal is null then
    perform private.queue_again(p_message_id, clock_timestamp());
  else
    return jsonb_build_object('error', v_refusal);
  end if;
  insert into public.contact_acts (act, contact_id, message_id) values ('resent', v_conversation.contact_id, p_message_id);
  return jsonb_build_object('id', p_message_id, 'status', 'queued');
end $$;
comment on function public.resend_message(uuid) is
  'Sends a message that failed again, with the same content and under the same id, as a new first attempt; recorded in contact_acts. Returns {id, status}, or {error}: window_closed (and no fallback), opted_out, feature_off. For operators and secret keys. Errors: GL404, GL409.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.may(text),
  private.contact_last_four(uuid),
  private.without_ids(text, uuid),
  private.quoted(text, uuid),
  private.reason_about(text, uuid),
  private.error_code(jsonb),
  private.error_view(jsonb, uuid, boolean),
  private.conversation_view(public.conversations, public.messages, boolean),
  private.deliveries_view(uuid),
  private.message_view(public.messages, uuid, boolean)
  to service_role;
grant execute on function
  public.list_conversations(uuid, integer),
  public.search_conversations(text, integer, jsonb),
  public.conversation_messages(uuid, bigint, integer),
  public.message_story(uuid),
  public.reveal_contact(uuid, text),
  public.reveal_message(uuid, text),
  public.reply_in_conversation(uuid, text, uuid),
  public.resend_message(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002400');
