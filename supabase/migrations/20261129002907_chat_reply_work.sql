-- Answers from chats: their departure, their notes, their files, what became of them; and answers from the command line.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.settle_chat_replies(p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_reply record;
begin
  for v_reply in
    select r.id, r.user_id, r.created_at, m.status, m.id as out_id, m.status in ('delivered', 'read', 'played') as arrived,
      m.status = 'failed' as failed
    from public.chat_replies r left join public.messages m on m.id = r.out_id
    where r.state = 'left' and r.settled_at is null
      and (m.status is distinct from r.out_status or r.created_at < p_now - interval '3 days')
    order by r.created_at limit 100 for update of r skip locked
  loop
    update public.chat_replies r
    set out_status = v_reply.status, edit_due_at = case when r.chat_id is not null then p_now end, edit_lease = null,
      settled_at = case when v_reply.arrived or v_reply.failed or v_reply.out_id is null or v_reply.created_at < p_now - interval '3 days' then p_now end
    where r.id = v_reply.id;
    continue when not coalesce(v_reply.arrived or v_reply.failed, false);
    perform private.count_chat_reply(case when v_reply.failed then 'failed' else 'delivered' end);
    -- For the guard of a rollout. Failure policy: open.
    begin
      perform private.record_outcomes(jsonb_build_array(jsonb_build_object(
        'flag', 'email_replies.enabled', 'arm', 'on', 'minute', floor(extract(epoch from p_now) / 60)::bigint, 'n', 1,
        'failed', v_reply.failed::integer, 'timed', 0, 'ms', 0, 'le', (select jsonb_agg(0) from unnest(private.latency_edges())),
        'people', case when v_reply.failed then jsonb_build_array(jsonb_build_array(v_reply.user_id, true, 0)) else '[]' end)), p_now);
    exception when others then
      raise warning 'an answer could not be counted: % (%)', sqlerrm, sqlstate;
    end;
  end loop;
end $$;
comment on function private.settle_chat_replies(timestamptz) is 'Learns what became of answers that left, from their messages; after three days nothing more is expected.';

create function private.claim_chat_replies(p_limit integer, p_on boolean, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_sends jsonb;
  v_files jsonb;
  v_notes jsonb;
begin
  perform private.end_chat_reply(x.id, case when p_on and x.state = 'asked' then 'undone' else 'refused' end,
    case when x.state = 'leaving' then 'late' when not p_on then 'off' when x.state = 'asked' then 'unconfirmed' else 'file' end, null, p_now)
  from (
    select r.id, r.state from public.chat_replies r
    where r.state in ('asked', 'waiting') and (not p_on or r.state = 'asked' and r.due_at <= p_now)
      -- Whoever fetches or queues it never comes back: not for ever.
      or r.state = 'waiting' and r.files_due_at <= p_now and r.created_at < p_now - interval '45 minutes'
      or r.state = 'leaving' and r.due_at <= p_now and r.created_at < p_now - interval '2 hours'
    order by r.due_at limit 100 for update skip locked) x;
  -- What was leaving when it was switched off waits: it may be in the queue already.
  update public.chat_replies r set due_at = p_now + interval '60 seconds'
  where not p_on and r.id in (
    select x.id from public.chat_replies x where x.state = 'leaving' and x.due_at <= p_now order by x.due_at limit 100 for update skip locked);
  perform private.settle_chat_replies(p_now);
  -- In a transaction of its own, so that an undo finds either the one state or the other. Who does not come back from
  -- sending is followed by another; the queue knows the answer by its key.
  with due as (
    update public.chat_replies r set state = 'leaving', due_at = p_now + interval '30 seconds', version = r.version + case r.state when 'waiting' then 1 else 0 end
    where p_on and r.id in (
      select x.id from public.chat_replies x
      where x.state in ('waiting', 'leaving') and x.due_at <= p_now and x.files_due_at is null
      order by x.due_at limit p_limit for update skip locked)
    returning r.id
  )
  select coalesce(jsonb_agg(d.id), '[]') into v_sends from due d;
  with due as (
    update public.chat_replies r set files_due_at = p_now + interval '60 seconds'
    where r.id in (
      select x.id from public.chat_replies x where x.files_due_at <= p_now and x.state = 'waiting'
      order by x.files_due_at limit 3 for update skip locked)
    returning r.id, r.files
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'files', d.files)), '[]') into v_files from due d;
  with due as (
    update public.chat_replies r set edit_due_at = p_now + interval '60 seconds', edit_lease = gen_random_uuid()
    where r.id in (
      select x.id from public.chat_replies x where x.edit_due_at <= p_now order by x.edit_due_at limit p_limit for update skip locked)
    returning r.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', d.id, 'lease', d.edit_lease, 'chat_id', d.chat_id, 'topic_id', d.topic_id, 'ask_id', d.ask_id, 'note_id', d.note_id,
    'token', d.token, 'version', d.version, 'state', d.state, 'channel', m.channel, 'to', d.recipient, 'from', d.sender_id,
    'asks', case d.state when 'asked' then d.reason end,
    'refused', case d.state when 'refused' then private.reply_refusal(d.reason) end,
    'expired', d.reason is not distinct from 'unconfirmed', 'files', jsonb_array_length(d.files), 'status', d.out_status, 'error', private.error_code(o.error),
    'by', (select p.name from public.telegram_people p where p.user_id = d.decided_by))), '[]') into v_notes
  from due d join public.messages m on m.id = d.message_id left join public.messages o on o.id = d.out_id;
  return jsonb_build_object('sends', v_sends, 'files', v_files, 'notes', v_notes);
end $$;
comment on function private.claim_chat_replies(integer, boolean, timestamptz) is 'claim_chat_replies with a given time.';

create function public.claim_chat_replies(p_limit integer, p_on boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_chat_replies(p_limit, p_on, clock_timestamp());
end $$;
comment on function public.claim_chat_replies(integer, boolean) is 'What is to be done for answers from chats, leased to the caller: {sends (ids, for send_chat_reply), files: [{id, files}] to fetch, notes to write or bring up to date in chats}. With p_on false, while the kill switch is set, everything that waits is refused. For secret keys.';

create function private.note_chat_author() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.contact_acts (act, contact_id, message_id, by)
  select 'replied', c.contact_id, m.id, new."by"
  from public.messages m join public.conversations c on c.id = m.conversation_id where m.id = new.out_id;
  return null;
end $$;
comment on function private.note_chat_author() is 'Trigger, after an answer became a message: keeps who wrote it. Definer, because nobody may write contact_acts otherwise.';
create trigger note_chat_author after update of state on public.chat_replies for each row
  when (new.state = 'left' and old.state <> 'left') execute function private.note_chat_author();
comment on trigger note_chat_author on public.chat_replies is 'The panel shows who wrote an answer.';

create function private.send_chat_reply(p_id uuid, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_reply public.chat_replies;
  v_target jsonb;
  v_text text;
  v_answer jsonb;
  v_error text;
begin
  select * into v_reply from public.chat_replies r where r.id = p_id and r.state = 'leaving';
  if v_reply.id is null then
    return 'gone';
  end if;
  v_target := private.reply_target(v_reply.message_id, p_now);
  v_error := v_target ->> 'error';
  if v_reply."by" ~ '^[0-9a-f]{8}-' and not exists (
    select from public.team_members m where m.user_id = v_reply.user_id and m.role in ('operator', 'admin')) then
    v_error := 'right';
  elsif v_error is null and (v_target ->> 'to') <> v_reply.recipient then
    v_error := 'sender';
  end if;
  if v_error is null then
    v_text := v_reply.text;
    if v_target ->> 'channel' = 'email' then
      v_text := btrim(v_text || coalesce(E'\n\n-- \n' || (v_target ->> 'signature'), ''), E'\n');
    end if;
    v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object(
      'channel', v_target ->> 'channel', 'to', v_reply.recipient, 'number_id', v_target ->> 'from', 'idempotency_key', 'chat_reply:' || v_reply.id,
      'text', v_text, 'message', case v_target ->> 'channel'
        when 'sms' then private.text_message(v_text)
        when 'whatsapp' then jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', v_text))
        else jsonb_strip_nulls(jsonb_build_object('type', 'email', 'subject', v_target ->> 'subject', 'text', v_text, 'reply_to_message', v_reply.message_id,
          'to_name', v_target ->> 'to_name', 'send_domain', v_target ->> 'send_domain', 'attachments', case when v_reply.files <> '[]' then (
            select jsonb_agg(f.item - 'file_id' || jsonb_build_object('index', f.place - 1) order by f.place)
            from jsonb_array_elements(v_reply.files) with ordinality as f (item, place)) end)) end)
      || case v_target ->> 'channel' when 'email' then jsonb_build_object('identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_reply.recipient)))
        else jsonb_build_object('identities', jsonb_build_array(jsonb_build_object('kind', 'contact', 'value', v_target ->> 'contact_id')),
          'takeover', jsonb_build_object('by', v_reply."by")) end), p_now) -> 0;
    v_error := v_answer ->> 'error';
  end if;
  if v_error is not null then
    perform private.end_chat_reply(p_id, 'refused', v_error, null, p_now);
    return v_error;
  end if;
  update public.chat_replies r
  set state = 'left', out_id = (v_answer ->> 'id')::uuid, out_status = 'queued', text = null, files = '[]', due_at = null, version = r.version + 1,
    edit_due_at = case when r.chat_id is not null then p_now end, edit_lease = null
  where r.id = p_id and r.state = 'leaving';
  if found then
    perform private.count_chat_reply('left');
  end if;
  return 'left';
end $$;
comment on function private.send_chat_reply(uuid, timestamptz) is 'One attempt of send_chat_reply.';

create function public.send_chat_reply(p_id uuid) returns text
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.send_chat_reply(p_id, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.send_chat_reply(uuid) is 'Queues an answer whose time has come, in the thread of the message that it answers; right, recipient and window are asked again. Returns left, gone (it was erased or ended), or why it was refused. For secret keys.';

create function public.settle_chat_note(p_id uuid, p_lease uuid, p_note_id bigint default null, p_retry_ms bigint default null) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  -- Also where it changed meanwhile: the note is there.
  update public.chat_replies r
  set note_id = coalesce(p_note_id, r.note_id), edit_lease = case when r.edit_lease = p_lease then null else r.edit_lease end,
    edit_due_at = case when r.edit_lease = p_lease then clock_timestamp() + make_interval(secs => p_retry_ms / 1000.0) else r.edit_due_at end
  where r.id = p_id;
  if not found and p_note_id is not null then
    return false;
  end if;
  return true;
end $$;
comment on function public.settle_chat_note(uuid, uuid, bigint, bigint) is 'The note of an answer is up to date, at p_note_id if it is new, or is tried again after p_retry_ms. False if the answer was erased meanwhile: a new note is to be removed. For secret keys.';

create function public.settle_chat_files(p_id uuid, p_files jsonb, p_error text default null, p_retry_ms bigint default null) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform private.refuse_older_code();
  if p_error is not null then
    perform private.end_chat_reply(p_id, 'refused', p_error, null, v_now);
  elsif p_retry_ms is not null then
    update public.chat_replies r set files_due_at = v_now + make_interval(secs => p_retry_ms / 1000.0)
    where r.id = p_id and r.state = 'waiting' and r.created_at > v_now - interval '30 minutes';
    if not found then
      perform private.end_chat_reply(p_id, 'refused', 'file', null, v_now);
    end if;
  else
    -- Another part of the album may have come meanwhile.
    update public.chat_replies r
    set files = coalesce((
        select jsonb_agg(coalesce((select p.item from jsonb_array_elements(p_files) as p (item) where p.item ->> 'file_id' = f.item ->> 'file_id' limit 1), f.item) order by f.place)
        from jsonb_array_elements(r.files) with ordinality as f (item, place)), '[]'),
      files_due_at = case when exists (
        select from jsonb_array_elements(r.files) as f (item)
        where f.item ->> 'file_id' not in (select p.item ->> 'file_id' from jsonb_array_elements(p_files) as p (item))) then v_now end
    where r.id = p_id and r.state = 'waiting';
  end if;
end $$;
comment on function public.settle_chat_files(uuid, jsonb, text, bigint) is 'The files of an answer were fetched: p_files with bucket and path; or they cannot be (p_error), or are tried again after p_retry_ms, for half an hour. For secret keys.';

create function private.chat_replies_are_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
      select from public.chat_replies r
      where r.due_at <= p_now and (r.state in ('asked', 'leaving') or r.state = 'waiting' and r.files_due_at is null))
    or exists (select from public.chat_replies r where r.files_due_at <= p_now)
    or exists (select from public.chat_replies r where r.edit_due_at <= p_now)
    or exists (
      select from public.chat_replies r left join public.messages m on m.id = r.out_id
      where r.state = 'left' and r.settled_at is null and (m.status is distinct from r.out_status or r.created_at < p_now - interval '3 days'));
end $$;
comment on function private.chat_replies_are_due(timestamptz) is 'Whether something is to be done for an answer. For the clock.';

-- From the command line ---------------------------------------------------------------------------

create function private.thread_message(p_thread text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_id uuid := case when p_thread ~ '^[0-9a-fA-F-]{36}$' then private.uuid_in(p_thread) end;
  v_message public.messages;
begin
  if v_id is null and p_thread ~ '^[a-z2-7]{16}$' then
    select d.message_id into v_id from public.cards c join public.deliveries d on d.id = c.delivery_id where c.token = p_thread;
  end if;
  if v_id is null then
    v_id := (private.answered_mail(jsonb_build_object('tokens', jsonb_build_array(p_thread), 'references', jsonb_build_array(p_thread)))).message_id;
  end if;
  select * into v_message from public.messages m where m.id = v_id;
  if v_message.id is null then
    -- The thread of a mail that is gone, or a conversation.
    return coalesce(
      (select m.id from public.messages m where m.thread_id = v_id and m.direction = 'in' order by m.seq desc limit 1),
      (select m.id from public.messages m where m.conversation_id = v_id and m.direction = 'in' order by m.seq desc limit 1));
  end if;
  return coalesce((
    select m.id from public.messages m where m.thread_id = v_message.thread_id and m.direction = 'in' order by m.seq desc limit 1),
    case v_message.direction when 'in' then v_message.id end);
end $$;
comment on function private.thread_message(text) is 'The latest message of a person in a thread, which is named by an id of a message, thread or conversation, a reply token, a card''s token or a Message-ID of ours; null if there is none.';

create function public.reply_in_thread(p_thread text, p_text text, p_key uuid default null, p_anyway boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_by text := private.actor();
  v_message uuid;
  v_target jsonb;
  v_error text;
  v_reply public.chat_replies;
begin
  perform private.require_role('operator');
  if coalesce(btrim(p_text, E' \n\r\t'), '') = '' or char_length(p_text) > 20000 then
    raise exception 'an answer has 1 to 20,000 characters' using errcode = 'GL422';
  end if;
  v_message := private.thread_message(btrim(p_thread));
  if v_message is null then
    raise exception 'nobody has written in such a thread' using errcode = 'GL404', hint = 'An id of a message, of its thread or conversation, or a reply token.';
  end if;
  select * into v_reply from public.chat_replies r where r.key = p_key and r.by = v_by;
  if v_reply.id is null then
    v_target := private.reply_target(v_message, v_now);
    v_error := coalesce(v_target ->> 'error',
      case when not (select f.value from private.evaluate_flag('email_replies.enabled', v_by) f) then 'off'
        when v_target ->> 'channel' = 'sms' and char_length(p_text) > 1600 then 'too_long'
        when v_target ->> 'channel' = 'whatsapp' and char_length(p_text) > 4096 then 'content'
        when v_target ? 'asks' and v_target ->> 'asks' is not null and not p_anyway then 'automatic' end,
      private.reply_rate(v_by, (v_target ->> 'thread')::uuid, v_now));
    if v_error is not null then
      perform private.count_chat_reply('refused_' || v_error);
      return jsonb_build_object('error', v_error, 'words', case v_error
        when 'automatic' then 'A machine or a list wrote the last mail. Say that the answer goes all the same.' else private.reply_refusal(v_error) end);
    end if;
    insert into public.chat_replies (message_id, thread, source, user_id, by, state, text, recipient, sender_id, due_at, key, created_at)
    values (v_message, (v_target ->> 'thread')::uuid, 'cli', (select u.id from auth.users u where u.id = auth.uid()), v_by, 'waiting',
      btrim(replace(p_text, E'\r\n', E'\n'), E' \n\r\t'), v_target ->> 'to', v_target ->> 'from', v_now + interval '10 seconds', p_key, v_now)
    on conflict on constraint chat_replies_key_key do nothing returning * into v_reply;
    if v_reply.id is not null then
      perform private.count_chat_reply('queued');
    else
      -- The same request, a moment before.
      select * into v_reply from public.chat_replies r where r.key = p_key and r.by = v_by;
    end if;
  end if;
  return jsonb_build_object('id', v_reply.id, 'state', v_reply.state, 'due_at', v_reply.due_at, 'message_id', v_reply.message_id,
    'to', v_reply.recipient, 'from', v_reply.sender_id);
end $$;
comment on function public.reply_in_thread(text, text, uuid, boolean) is 'Answers the last message of a person in a thread, ten seconds from now: {id, state, due_at, message_id, to, from}, or {error, words}; the same p_key is the same answer. p_anyway: also where a machine or a list wrote. Counts as an answer from the chat does. For operators and secret keys. Errors: 42501, GL404 no such thread, GL422 no words or too many.';

create function public.undo_chat_reply(p_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_state text;
begin
  perform private.require_role('operator');
  if private.end_chat_reply(p_id, 'undone', null, (select u.id from auth.users u where u.id = auth.uid()), clock_timestamp()) then
    return '{"state": "undone"}';
  end if;
  select r.state into v_state from public.chat_replies r where r.id = p_id;
  if v_state is null then
    raise exception 'there is no such answer' using errcode = 'GL404';
  end if;
  return jsonb_build_object('state', v_state);
end $$;
comment on function public.undo_chat_reply(uuid) is 'Undoes an answer that waits: {state: undone}; any other state says that it was too late. For operators and secret keys. Errors: 42501, GL404.';

call private.close_functions();
grant execute on function
  public.reply_in_thread(text, text, uuid, boolean),
  public.undo_chat_reply(uuid)
  to authenticated, service_role;
grant execute on function
  private.settle_chat_replies(timestamptz),
  private.claim_chat_replies(integer, boolean, timestamptz),
  public.claim_chat_replies(integer, boolean),
  private.send_chat_reply(uuid, timestamptz),
  public.send_chat_reply(uuid),
  public.settle_chat_note(uuid, uuid, bigint, bigint),
  public.settle_chat_files(uuid, jsonb, text, bigint),
  private.chat_replies_are_due(timestamptz),
  private.thread_message(text)
  to service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002907');
