-- Answers that the team gives from a chat, or from the command line, in the thread of the message that a card shows. They
-- wait ten seconds, in which they can be undone, and leave by the queue that everything leaves by.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.chat_replies (
  id uuid constraint chat_replies_pkey primary key default private.uuid_v7(),
  token text collate "C" not null constraint chat_replies_token_key unique default private.new_reply_token(),
  message_id uuid not null references public.messages (id) on delete cascade,
  thread uuid not null,
  source text not null constraint chat_replies_source_known check (source in ('chat', 'cli')),
  user_id uuid references auth.users (id) on delete set null,
  by text not null,
  state text not null constraint chat_replies_state_known check (state in ('asked', 'waiting', 'leaving', 'left', 'undone', 'refused')),
  reason text,
  text text,
  files jsonb not null default '[]',
  recipient text not null,
  sender_id text not null,
  due_at timestamptz,
  files_due_at timestamptz,
  out_id uuid constraint chat_replies_out_key unique references public.messages (id) on delete set null,
  out_status text,
  settled_at timestamptz,
  decided_by uuid references auth.users (id) on delete set null,
  version integer not null default 1,
  chat_id bigint,
  topic_id bigint,
  ask_id bigint,
  media_group text,
  note_id bigint,
  edit_due_at timestamptz,
  edit_lease uuid,
  key uuid,
  created_at timestamptz not null,
  constraint chat_replies_ask_key unique (chat_id, ask_id),
  constraint chat_replies_key_key unique (key, by)
) with (fillfactor = 80);
comment on table public.chat_replies is 'Answers of the team to what cards show: written in the chat, or with gatelink email reply. What became of one that left is told by its message.';
comment on constraint chat_replies_pkey on public.chat_replies is 'Names an answer.';
comment on constraint chat_replies_token_key on public.chat_replies is 'A press of a button names an answer by it.';
comment on constraint chat_replies_out_key on public.chat_replies is 'The answer that became a message; serves the foreign key.';
comment on constraint chat_replies_ask_key on public.chat_replies is 'What somebody wrote in a chat is one answer, however often Telegram reports it.';
comment on constraint chat_replies_key_key on public.chat_replies is 'A request of somebody with the same key is the same answer.';
comment on column public.chat_replies.id is 'UUID v7.';
comment on column public.chat_replies.token is 'Names it in the buttons of its note. No secret: who may press is asked at each press.';
comment on column public.chat_replies.message_id is 'The message that is answered.';
comment on column public.chat_replies.thread is 'The thread of that message, or its conversation: answers are counted by it. Not a reference.';
comment on column public.chat_replies.source is 'chat (Telegram) or cli (the command line).';
comment on column public.chat_replies.user_id is 'The member who wrote it; null for a secret key, and for somebody whose account was deleted.';
comment on column public.chat_replies.by is 'Who wrote it: a user''s id, or the database role.';
comment on column public.chat_replies.state is 'asked (it waits until its author confirms it), waiting (for its time), leaving (somebody queues it), left, undone or refused.';
comment on column public.chat_replies.reason is 'Why it was refused, or what its author is asked about.';
comment on column public.chat_replies.text is 'Its words, until it leaves or is given up: then its message has them.';
comment on column public.chat_replies.files is 'Its files until then: [{file_id, name, type, size, bucket, path}]; bucket and path once they were fetched.';
comment on column public.chat_replies.recipient is 'The address that it goes to.';
comment on column public.chat_replies.sender_id is 'The sender that it goes from (senders.id).';
comment on column public.chat_replies.due_at is 'When it leaves; while it is leaving, when that is tried again; while it is asked, until when it can be confirmed.';
comment on column public.chat_replies.files_due_at is 'When its files are fetched, or whoever fetches them is given up; null if there is nothing to fetch.';
comment on column public.chat_replies.out_id is 'The message that it became.';
comment on column public.chat_replies.out_status is 'The status of that message, as its note shows it.';
comment on column public.chat_replies.settled_at is 'When nothing more was to be expected; null while something is.';
comment on column public.chat_replies.decided_by is 'Who undid or confirmed it.';
comment on column public.chat_replies.version is 'Incremented by each change of its state; a press names the version that it saw.';
comment on column public.chat_replies.chat_id is 'The chat in which it was written; null for the command line.';
comment on column public.chat_replies.topic_id is 'The topic in which it was written; null for none.';
comment on column public.chat_replies.ask_id is 'Telegram''s id of what was written.';
comment on column public.chat_replies.media_group is 'Telegram''s id of the album that it is a part of.';
comment on column public.chat_replies.note_id is 'Telegram''s id of our note about it, which has the button.';
comment on column public.chat_replies.edit_due_at is 'When its note is to be written or brought up to date, or the lease ends; null while it is.';
comment on column public.chat_replies.edit_lease is 'Of whoever writes the note at the moment.';
comment on column public.chat_replies.key is 'The caller''s key.';
comment on column public.chat_replies.created_at is 'When it was written.';
create index chat_replies_message_idx on public.chat_replies (message_id);
comment on index public.chat_replies_message_idx is 'The answers to a message; serves the foreign key.';
create index chat_replies_thread_idx on public.chat_replies (thread, created_at);
comment on index public.chat_replies_thread_idx is 'The answers of an hour in a thread.';
create index chat_replies_by_idx on public.chat_replies (by, created_at);
comment on index public.chat_replies_by_idx is 'The answers of an hour of somebody.';
create index chat_replies_user_idx on public.chat_replies (user_id) where user_id is not null;
comment on index public.chat_replies_user_idx is 'For the removal of a user.';
create index chat_replies_decided_idx on public.chat_replies (decided_by) where decided_by is not null;
comment on index public.chat_replies_decided_idx is 'For the removal of a user.';
create index chat_replies_note_idx on public.chat_replies (chat_id, note_id) where note_id is not null;
comment on index public.chat_replies_note_idx is 'Finds the answer whose note somebody answers.';
create unique index chat_replies_album_key on public.chat_replies (chat_id, media_group) where media_group is not null;
comment on index public.chat_replies_album_key is 'An album is one answer.';
create index chat_replies_due_idx on public.chat_replies (due_at) where state in ('asked', 'waiting', 'leaving');
comment on index public.chat_replies_due_idx is 'Answers that are to leave. Nearly always empty.';
create index chat_replies_files_idx on public.chat_replies (files_due_at) where files_due_at is not null;
comment on index public.chat_replies_files_idx is 'Answers whose files are to be fetched.';
create index chat_replies_edit_idx on public.chat_replies (edit_due_at) where edit_due_at is not null;
comment on index public.chat_replies_edit_idx is 'Notes to be written or brought up to date.';
create index chat_replies_open_idx on public.chat_replies (created_at) where state = 'left' and settled_at is null;
comment on index public.chat_replies_open_idx is 'Answers of which more is to be told.';
alter table public.chat_replies enable row level security;
-- No policy and no grant for people: the rows have addresses and words.
revoke all on public.chat_replies from public, anon, authenticated;
grant select, insert, update, delete on public.chat_replies to service_role;

create function private.clear_chat_reply() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.card_clears (chat_id, message_id, is_file) values (old.chat_id, old.note_id, false) on conflict do nothing;
  return null;
end $$;
comment on function private.clear_chat_reply() is 'Trigger, after an answer was deleted: its note names the recipient, and is removed from the chat.';
create trigger clear_chat_reply after delete on public.chat_replies for each row
  when (old.note_id is not null) execute function private.clear_chat_reply();
comment on trigger clear_chat_reply on public.chat_replies is 'What is erased here is erased there.';

create function private.count_chat_reply(p_outcome text) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'chat_replies', 'label', p_outcome, 'n', 1)));
end $$;
comment on function private.count_chat_reply(text) is 'Counts an answer by its outcome.';

-- Who may answer, to whom, and from which sender --------------------------------------------------

create function private.reply_target(p_message_id uuid, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_message public.messages;
  v_conversation public.conversations;
  v_inbox private.inboxes;
  v_to text;
  v_domain text;
begin
  select * into v_message from public.messages m where m.id = p_message_id and m.direction = 'in';
  select * into v_conversation from public.conversations c where c.id = v_message.conversation_id;
  if v_conversation.id is null or v_message.native is null then
    return '{"error": "gone"}';
  end if;
  if v_message.channel in ('whatsapp', 'sms') then
    v_to := private.address_of(v_conversation.contact_id, v_message.channel, v_conversation.number_id);
    return case when v_to is null then '{"error": "sender"}'
      when coalesce(v_conversation.last_inbound_at, '-infinity') <= p_now - (private.channel_policy(v_message.channel)).reply_window then '{"error": "window"}'
      else jsonb_build_object('channel', v_message.channel, 'to', v_to, 'from', v_conversation.number_id, 'contact_id', v_conversation.contact_id,
        'thread', v_conversation.id) end;
  elsif v_message.channel <> 'email' then
    return '{"error": "channel"}';
  end if;
  v_to := lower(v_message.native #>> '{from,address}');
  v_domain := split_part(v_to, '@', 2);
  -- A bounce has no sender in its envelope.
  if coalesce(v_to, '') = '' then
    return '{"error": "sender"}';
  elsif v_domain in (lower(split_part(v_message.native ->> 'recipient', '@', 2)), lower(v_message.native ->> 'send_domain'))
    or exists (select from private.inboxes i where i.from_email = v_to) then
    return '{"error": "own"}';
  elsif private.suppression_of(v_to, false) is not null then
    return '{"error": "suppressed"}';
  end if;
  -- As who was written to; an address that nobody sends as answers as the default identity.
  select i.* into v_inbox from private.inboxes i where i.from_email = lower(v_message.native ->> 'recipient') and i.state = 'active';
  if v_inbox.identity is null then
    select i.* into v_inbox from private.inboxes i where i.from_email = v_conversation.number_id and i.state = 'active';
  end if;
  if v_inbox.identity is null then
    v_inbox := private.inbox_for(null, null);
  end if;
  if v_inbox.identity is null or v_inbox.state <> 'active' then
    return '{"error": "identity"}';
  end if;
  return jsonb_build_object('channel', 'email', 'to', v_to, 'from', v_inbox.from_email, 'thread', coalesce(v_message.thread_id, v_message.id),
    'to_name', nullif(btrim(regexp_replace(left(v_message.native #>> '{from,name}', 200), '[[:cntrl:]]+', ' ', 'g')), ''),
    'signature', nullif(btrim(v_inbox.display_name), ''), 'send_domain', v_message.native ->> 'send_domain',
    'subject', private.answer_subject(v_message.native ->> 'subject'),
    'asks', case
      when v_message.native -> 'automatic' = 'true' or v_message.native ->> 'kind' not in ('reply', 'new_mail', 'calendar', 'unsubscribe')
      then 'automatic' end);
end $$;
comment on function private.reply_target(uuid, timestamptz) is 'Where an answer to a message goes: {channel, to, from (senders.id), thread, contact_id (not of a mail), of a mail also to_name, signature, send_domain, subject, asks (why its author is asked first: automatic)}, or {error}: gone, channel, sender (nobody can be written to), own (an address of our own domains), suppressed, identity, window.';

create function private.answer_subject(p_subject text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_subject text := btrim(left(regexp_replace(coalesce(p_subject, ''), '[[:cntrl:]]+', ' ', 'g'), 880));
begin
  return case when v_subject ~* '^(re|aw|sv|antw|rif|odp|vs)\s?:' then v_subject else btrim('Re: ' || v_subject) end;
end $$;
comment on function private.answer_subject(text) is 'The subject of an answer: Re: once, in the sender''s words, without line breaks.';

create function private.may_reply(p_telegram_id bigint, out user_id uuid, out name text)
language plpgsql stable set search_path = '' as $$
begin
  select p.user_id, p.name into may_reply.user_id, may_reply.name
  from public.telegram_people p join public.team_members m on m.user_id = p.user_id
  where p.telegram_id = p_telegram_id and m.role in ('operator', 'admin');
end $$;
comment on function private.may_reply(bigint) is 'The member of the team who is this person in Telegram and may write to people; null for anybody else.';

create function private.reply_rate(p_by text, p_thread uuid, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
begin
  -- Two answers at once are counted one after the other: always the person first.
  perform pg_advisory_xact_lock(hashtextextended('chat_reply by ' || p_by, 0));
  perform pg_advisory_xact_lock(hashtextextended('chat_reply in ' || p_thread, 0));
  return case
    when (select count(*) from public.chat_replies r
      where r.by = p_by and r.created_at > p_now - interval '1 hour' and r.state not in ('undone', 'refused')) >= 10 then 'rate_person'
    when (select count(*) from public.chat_replies r
      where r.thread = p_thread and r.created_at > p_now - interval '1 hour' and r.state not in ('undone', 'refused')) >= 30 then 'rate_thread' end;
end $$;
comment on function private.reply_rate(text, uuid, timestamptz) is 'Whether somebody has written too much: rate_person (10 answers within an hour), rate_thread (30 in a thread); null if not. Undone ones do not count.';

create function private.reply_refusal(p_error text) returns text
language sql immutable set search_path = '' as $$
  select case p_error
    when 'gone' then 'The message of this card is not kept any more.'
    when 'card' then 'Answer a card to write to its sender: this message belongs to none.'
    when 'channel' then 'Nobody can be answered on this channel from here.'
    when 'sender' then 'Its sender cannot be answered: it has no address.'
    when 'own' then 'It came from an address of ours. Such mails are not answered, because answers would go round in circles.'
    when 'suppressed' then 'This address gets no mail: it bounced, complained or was suppressed.'
    when 'identity' then 'There is no active identity to write as: gatelink email identities list'
    when 'window' then 'The person last wrote more than 24 hours ago: WhatsApp takes templates only.'
    when 'right' then 'Only operators of the team may answer from here, once they are linked: gatelink telegram link'
    when 'nobody' then 'Anonymous admins and channels cannot answer from here: nobody could say who it was. Write as yourself.'
    when 'off' then 'Answers from here are switched off.'
    when 'content' then 'This cannot go as a message. Write a text, or send a file.'
    when 'too_long' then 'This is too long for a text: at most 1,600 characters.'
    when 'file_channel' then 'Files go with mails only.'
    when 'file_size' then 'Files of more than 20 MB cannot be fetched from Telegram, and a mail has at most 20 MB of them.'
    when 'file' then 'A file could not be fetched from Telegram.'
    when 'late' then 'It could not be queued for two hours. Write it again.'
    when 'late_file' then 'This file came too late to go with the others.'
    when 'rate_person' then 'You have sent 10 answers within an hour. Wait a little.'
    when 'rate_thread' then 'This thread has had 30 answers within an hour. Wait a little.'
    when 'opted_out' then 'The person has opted out.'
    when 'feature_off' then 'Sending on this channel is switched off.'
    else 'It was refused: ' || p_error || '.' end
$$;
comment on function private.reply_refusal(text) is 'A refusal of an answer in words, for who wrote it.';

-- What somebody wrote in a chat -------------------------------------------------------------------

create function private.refuse_chat_reply(p_update jsonb, p_error text, p_once boolean, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.count_chat_reply('refused_' || p_error);
  -- Whoever chats below a card in spite of it is told once an hour.
  if p_once and not (select t.allowed from private.take_rate(
      format('chat_reply:%s:%s', p_update #>> '{chat,id}', p_update ->> 'from'), 1.0 / 3600, 1, 1, p_now) t) then
    return '{}';
  end if;
  return jsonb_build_object('alert', true, 'answer', case when p_error in ('right', 'nobody', 'card') then '' else 'Nothing was sent. ' end
    || private.reply_refusal(p_error));
end $$;
comment on function private.refuse_chat_reply(jsonb, text, boolean, timestamptz) is 'What is said to somebody whose answer is refused: {answer, alert}; with p_once nothing if something was said within an hour.';

create function private.chat_reply_files(p_files jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_sizes numeric := (select coalesce(sum((f.item ->> 'size')::numeric), 0) from jsonb_array_elements(p_files) as f (item));
begin
  return case when v_sizes > 20000000 then 'file_size' end;
end $$;
comment on function private.chat_reply_files(jsonb) is 'Why files cannot go with a mail: file_size; null if they can.';

create function private.write_chat_reply(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_chat bigint := (p_update #>> '{chat,id}')::bigint;
  v_to bigint := (p_update ->> 'to')::bigint;
  v_who record;
  v_message uuid;
  v_target jsonb;
  v_text text := btrim(replace(p_update ->> 'text', E'\r\n', E'\n'), E' \n\r\t');
  v_files jsonb := case when p_update ? 'file' then jsonb_build_array(p_update -> 'file') else '[]' end;
  v_album public.chat_replies;
  v_error text;
  v_asks text;
begin
  select d.message_id into v_message from public.cards c join public.deliveries d on d.id = c.delivery_id
  where c.message_ids @> array[v_to] and c.chat_id = v_chat limit 1;
  if v_message is null then
    select r.message_id into v_message from public.chat_replies r where r.chat_id = v_chat and r.note_id = v_to limit 1;
  end if;
  select * into v_who from private.may_reply((p_update ->> 'from')::bigint);
  if v_message is null then
    -- Among people who talk, other bots' messages are answered too: only who may write is told.
    return case when v_who.user_id is null then '{}' else private.refuse_chat_reply(p_update, 'card', true, p_now) end;
  elsif coalesce((p_update ->> 'nobody')::boolean, false) then
    return private.refuse_chat_reply(p_update, 'nobody', true, p_now);
  elsif v_who.user_id is null then
    return private.refuse_chat_reply(p_update, 'right', true, p_now);
  elsif coalesce((p_update ->> 'off')::boolean, false)
    or not (select f.value from private.evaluate_flag('email_replies.enabled', v_who.user_id::text) f) then
    return private.refuse_chat_reply(p_update, 'off', true, p_now);
  end if;
  v_target := private.reply_target(v_message, p_now);
  v_error := v_target ->> 'error';
  if v_error is null then
    v_error := private.reply_rate(v_who.user_id::text, (v_target ->> 'thread')::uuid, p_now);
    -- The rest of an album is no further answer.
    if p_update ? 'media_group' then
      select * into v_album from public.chat_replies r where r.chat_id = v_chat and r.media_group = p_update ->> 'media_group' for update;
      if v_album.id is not null then
        v_error := case when v_album.state not in ('asked', 'waiting') then 'late_file' else private.chat_reply_files(v_album.files || v_files) end;
      end if;
    end if;
  end if;
  v_error := coalesce(v_error, case
    when coalesce(v_text, '') = '' and v_files = '[]' then 'content'
    when v_target ->> 'channel' <> 'email' and v_files <> '[]' then 'file_channel'
    when v_target ->> 'channel' = 'sms' and char_length(v_text) > 1600 then 'too_long'
    else private.chat_reply_files(v_files) end);
  if v_error is not null then
    return private.refuse_chat_reply(p_update, v_error, false, p_now);
  end if;
  if v_album.id is not null then
    update public.chat_replies r
    set files = r.files || v_files, text = concat_ws(E'\n', nullif(r.text, ''), nullif(v_text, '')), edit_due_at = greatest(r.edit_due_at, p_now), edit_lease = null,
      files_due_at = case r.state when 'waiting' then p_now end
    where r.id = v_album.id;
    return '{"replies": true}';
  end if;
  v_asks := v_target ->> 'asks';
  insert into public.chat_replies (message_id, thread, source, user_id, by, state, reason, text, files, recipient, sender_id, due_at, files_due_at,
    chat_id, topic_id, ask_id, media_group, edit_due_at, created_at)
  values (v_message, (v_target ->> 'thread')::uuid, 'chat', v_who.user_id, v_who.user_id::text, case when v_asks is null then 'waiting' else 'asked' end, v_asks,
    coalesce(v_text, ''), v_files, v_target ->> 'to', v_target ->> 'from',
    p_now + case when v_asks is null then interval '10 seconds' else interval '10 minutes' end, case when v_asks is null and v_files <> '[]' then p_now end,
    v_chat, (p_update ->> 'topic')::bigint, (p_update ->> 'message_id')::bigint, p_update ->> 'media_group',
    -- The other parts of an album come within a second.
    p_now + case when p_update ? 'media_group' then interval '1 second' else interval '0' end, p_now)
  on conflict do nothing;
  if not found then
    return '{}';
  end if;
  perform private.count_chat_reply(case when v_asks is null then 'queued' else 'asked' end);
  return '{"replies": true}';
end $$;
comment on function private.write_chat_reply(jsonb, timestamptz) is 'Somebody answers a message of the bot''s. Card, right, flag, loops and rates are decided here; what may go waits ten seconds.';

create function private.edit_chat_reply(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_reply public.chat_replies;
begin
  select * into v_reply from public.chat_replies r
  where r.chat_id = (p_update #>> '{chat,id}')::bigint and r.ask_id = (p_update ->> 'message_id')::bigint;
  if v_reply.id is null or v_reply.state in ('undone', 'refused')
    or not (select t.allowed from private.take_rate(format('chat_reply_edit:%s', v_reply.id), 1.0 / 3600, 1, 1, p_now) t) then
    return '{}';
  end if;
  perform private.count_chat_reply('edited');
  return jsonb_build_object('answer', case when v_reply.state in ('asked', 'waiting')
    then 'An edit changes nothing: what you wrote first goes. Undo it and write again.'
    else 'An edit changes nothing: what you wrote first has left.' end);
end $$;
comment on function private.edit_chat_reply(jsonb, timestamptz) is 'Somebody edited what went, or is about to go, as an answer: nothing goes again, and the person is told, once.';

create function private.press_chat_reply(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_who record;
  v_reply public.chat_replies;
  v_message bigint := (p_update ->> 'message_id')::bigint;
begin
  select * into v_who from private.may_reply((p_update ->> 'from')::bigint);
  if v_who.user_id is null then
    return '{"answer": "Only operators of the team may press, once they are linked: gatelink telegram link", "alert": true}';
  end if;
  select * into v_reply from public.chat_replies r
  where r.token = p_update ->> 'card' and r.chat_id = (p_update #>> '{chat,id}')::bigint
    and (r.note_id is null and (p_update ->> 'is_ours')::boolean or r.note_id = v_message) for update;
  if v_reply.id is null then
    return '{"answer": "This answer is not known here (any more).", "alert": true}';
  elsif v_reply.state in ('leaving', 'left') then
    return '{"answer": "Too late: it has left.", "alert": true}';
  elsif v_reply.state not in ('asked', 'waiting') or v_reply.version is distinct from (p_update ->> 'version')::integer then
    return '{"answer": "It has changed. Look again.", "alert": true}';
  elsif p_update ->> 'action' = 'sendnow' and v_reply.user_id is distinct from v_who.user_id then
    return '{"answer": "Only who wrote it can say that it goes.", "alert": true}';
  elsif p_update ->> 'action' = 'sendnow' and v_reply.state = 'asked' then
    update public.chat_replies r
    set state = 'waiting', reason = null, due_at = p_now + interval '10 seconds', files_due_at = case when r.files <> '[]' then p_now end,
      decided_by = v_who.user_id, version = r.version + 1, note_id = v_message, edit_due_at = p_now, edit_lease = null
    where r.id = v_reply.id;
    perform private.count_chat_reply('queued');
    return '{"answer": "It leaves in 10 s.", "alert": false, "replies": true}';
  elsif p_update ->> 'action' = 'unsend' then
    perform private.end_chat_reply(v_reply.id, 'undone', null, v_who.user_id, p_now);
    return '{"answer": "Nothing was sent.", "alert": false, "replies": true}';
  end if;
  return '{"answer": "It has changed. Look again.", "alert": true}';
end $$;
comment on function private.press_chat_reply(jsonb, timestamptz) is 'A button of a note was pressed: unsend by anybody who may write, sendnow by the author. The right is asked now. Undo and departure both change the state of one row: whichever comes first counts.';

create function private.end_chat_reply(p_id uuid, p_state text, p_reason text, p_by uuid, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_replies r
  set state = p_state, reason = p_reason, decided_by = coalesce(p_by, r.decided_by), text = null, files = '[]', due_at = null, files_due_at = null,
    settled_at = p_now, version = r.version + 1, edit_due_at = case when r.chat_id is not null then p_now end, edit_lease = null
  -- One that is leaving may be in the queue already: only who puts it there may still refuse it.
  where r.id = p_id and (r.state in ('asked', 'waiting') or r.state = 'leaving' and p_state = 'refused');
  if found then
    perform private.count_chat_reply(case when p_reason is null then p_state when p_reason = 'unconfirmed' then 'expired' else 'refused_' || p_reason end);
    return true;
  end if;
  return false;
end $$;
comment on function private.end_chat_reply(uuid, text, text, uuid, timestamptz) is 'An answer will not go: undone by somebody, or refused. False if it has left, or was ended before.';

create function private.take_chat_reply(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  return case p_update ->> 'kind'
    when 'reply' then private.write_chat_reply(p_update, p_now)
    when 'edited' then private.edit_chat_reply(p_update, p_now)
    else private.press_chat_reply(p_update, p_now) end;
end $$;
comment on function private.take_chat_reply(jsonb, timestamptz) is 'Does what an update says of an answer: kind reply {chat, from, nobody (an anonymous admin or a channel), off (the kill switch is set), message_id, to (the message that is answered), topic, text, media_group, file: {file_id, name, type, size}}, edited {chat, message_id}, or reply_press {chat, from, card, action (unsend, sendnow), version, message_id, is_ours}. Returns {answer, alert, replies}.';

call private.close_functions();
grant execute on function
  private.count_chat_reply(text),
  private.reply_target(uuid, timestamptz),
  private.answer_subject(text),
  private.may_reply(bigint),
  private.reply_rate(text, uuid, timestamptz),
  private.reply_refusal(text),
  private.refuse_chat_reply(jsonb, text, boolean, timestamptz),
  private.chat_reply_files(jsonb),
  private.write_chat_reply(jsonb, timestamptz),
  private.edit_chat_reply(jsonb, timestamptz),
  private.press_chat_reply(jsonb, timestamptz),
  private.end_chat_reply(uuid, text, text, uuid, timestamptz),
  private.take_chat_reply(jsonb, timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002906');
