-- E-mail that comes in: which message it answers, and all that is stored of it in one transaction.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Resolving: which message a mail answers, and who writes ------------------------------------------

-- Without a pattern: one of this length takes ten times as long.
create function private.uuid_in(p_text text) returns uuid
language plpgsql immutable set search_path = '' as $$
declare
  v_text text := case when starts_with(p_text, '<') then substr(p_text, 2) else p_text end;
begin
  if translate(left(v_text, 36), '123456789abcdefABCDEF', repeat('0', 21)) = '00000000-0000-0000-0000-000000000000'
    and substr(v_text, 37, 1) in ('', '@') then
    return left(v_text, 36)::uuid;
  end if;
  return null;
end $$;
comment on function private.uuid_in(text) is 'The id that a Message-ID of ours begins with, or an id itself; null for any other text.';

create function private.answered_mail(p_mail jsonb, out via text, out token text, out message_id uuid)
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_array_length(coalesce(nullif(p_mail -> 'tokens', 'null'), '[]')) > 0 and to_regclass('public.reply_tokens') is not null then
    select 'token', found.token, found.message_id into via, token, message_id
    from jsonb_array_elements_text(p_mail -> 'tokens') with ordinality as given (token, place)
    cross join lateral (
      select r.token, r.message_id from public.reply_tokens r
      where r.token = lower(given.token) and coalesce((to_jsonb(r) ->> 'expires_at')::timestamptz > clock_timestamp(), true) limit 1) found
    order by given.place limit 1;
  end if;
  if message_id is null then
    select 'legacy', found.id into via, message_id
    from jsonb_array_elements(coalesce(nullif(p_mail -> 'legacy', 'null'), '[]')) with ordinality as given (address, place)
    cross join lateral (
      select m.id from public.messages m where m.id = private.uuid_in(given.address ->> 'message') and m.channel = 'email' limit 1) found
    order by given.place limit 1;
  end if;
  if message_id is null then
    select 'references', found.id into via, message_id
    from jsonb_array_elements_text(coalesce(nullif(p_mail -> 'references', 'null'), '[]')) with ordinality as given (id, place)
    cross join lateral (
      (select m.id from public.messages m where m.id = private.uuid_in(given.id) and m.channel = 'email' limit 1)
      union all
      -- Some providers give a Message-ID of their own.
      (select m.id from public.messages m
      where private.uuid_in(given.id) is null and m.provider_id in (given.id, btrim(given.id, '<>'))
        and m.channel = 'email' and m.direction = 'out' limit 1)
      limit 1) found
    where given.place <= 40
    order by given.place limit 1;
  end if;
  via := coalesce(via, 'none');
end $$;
comment on function private.answered_mail(jsonb) is 'Which message of ours a mail answers: by a token in its addresses, by the id in a legacy address, by In-Reply-To and References; none. The first that finds a message.';

create function private.lately_from(p_address text, p_conversation_id uuid, p_recipient text, p_now timestamptz)
returns table (text_hash text, created_at timestamptz)
language plpgsql stable set search_path = '' as $$
begin
  -- Each mail of ours has an address of its own to answer to: what belongs together is the conversation.
  if p_conversation_id is not null then
    return query
    select s.text_hash, s.created_at from private.mail_senders s
    where s.conversation_id = p_conversation_id and s.address = p_address and s.created_at > p_now - interval '1 day'
    order by s.created_at desc limit 1000;
  else
    return query
    select s.text_hash, s.created_at from private.mail_senders s
    where s.address = p_address and s.recipient = p_recipient and s.created_at > p_now - interval '1 day'
    order by s.created_at desc limit 1000;
  end if;
end $$;
comment on function private.lately_from(text, uuid, text, timestamptz) is 'The latest 1,000 mails of a day that an address wrote in a conversation, or to an address of ours if there is no conversation.';

create function private.resolve_mail(p_mail jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_from text := lower(nullif(p_mail ->> 'from', ''));
  v_found record;
  v_message record;
  v_inbox private.inboxes;
  v_conversation uuid;
  v_to text;
  v_contact_address text;
  v_contact boolean := false;
  v_domain text;
  v_last_hour bigint;
  v_same_text bigint;
begin
  v_found := private.answered_mail(p_mail);
  -- Always, for a record without a row has no columns.
  select m.id, m.direction, m.conversation_id, m.native, m.sent_at, m.created_at, c.contact_id, c.number_id, o.recipient into v_message
  from public.messages m join public.conversations c on c.id = m.conversation_id
  left join public.outbound_messages o on o.id = m.id
  where m.id = v_found.message_id;
  if v_message.id is not null then
    v_inbox := private.inbox_for(null, v_message.number_id);
    v_conversation := v_message.conversation_id;
    v_contact := exists (
      select from public.contact_identities i
      where i.channel = 'email' and i.kind = 'email' and i.value = v_from and i.valid_to is null and i.contact_id = v_message.contact_id);
    v_contact_address := private.address_of(v_message.contact_id, 'email', v_message.number_id);
    v_to := coalesce(case when v_message.direction = 'out' then v_message.recipient end, v_contact_address);
    v_domain := private.mail_domain(v_message.native, v_message.number_id);
  else
    select i.* into v_inbox from private.inboxes i where i.from_email = lower(p_mail ->> 'recipient');
    select c.id into v_conversation
    from public.contact_identities i join public.conversations c on c.contact_id = i.contact_id
    where i.channel = 'email' and i.kind = 'email' and i.value = v_from and i.valid_to is null
      and c.channel = 'email' and c.number_id = v_inbox.from_email limit 1;
  end if;
  select count(*) filter (where l.created_at > p_now - interval '1 hour'),
    count(*) filter (where l.text_hash = p_mail ->> 'text_hash'
      and l.created_at > p_now - make_interval(secs => least(coalesce((p_mail ->> 'text_seconds')::integer, 60), 86400)))
  into v_last_hour, v_same_text
  from private.lately_from(v_from, v_conversation, lower(p_mail ->> 'recipient'), p_now) l;
  return jsonb_build_object(
    'via', v_found.via, 'token', v_found.token,
    'own', exists (select from public.messages m where m.id = private.uuid_in(p_mail ->> 'message_id') and m.channel = 'email'),
    'message', case when v_message.id is not null then jsonb_build_object(
      'id', v_message.id, 'direction', v_message.direction, 'conversation_id', v_conversation, 'contact_id', v_message.contact_id,
      'to', case v_message.direction when 'in' then v_inbox.forward_to else v_to end, 'contact', v_contact_address, 'subject', v_message.native ->> 'subject', 'campaign_id', v_message.native ->> 'campaign_id',
      'user_id', coalesce(v_message.native ->> 'user_id', v_inbox.user_id), 'message_id_header', format('<%s@%s>', v_message.id, v_domain),
      'references', coalesce(v_message.native -> 'references', '[]'), 'sent_at', coalesce(v_message.sent_at, v_message.created_at)) end,
    'identity', case when v_inbox.identity is not null then jsonb_build_object(
      'id', v_inbox.identity, 'from_email', v_inbox.from_email, 'display_name', v_inbox.display_name, 'user_id', v_inbox.user_id,
      'forward_to', v_inbox.forward_to, 'verified', v_inbox.verified_at is not null, 'state', v_inbox.state) end,
    'sender', jsonb_build_object(
      'known', v_contact or exists (
        select from public.contact_identities i where i.channel = 'email' and i.kind = 'email' and i.value = v_from and i.valid_to is null),
      'is_recipient', coalesce(v_message.direction = 'out' and (v_contact or v_from = lower(v_to)), false),
      'is_contact', v_contact, 'is_owner', coalesce(v_from = v_inbox.forward_to, false)),
    'from_is_ours', exists (select from private.inboxes i where i.from_email = v_from),
    'last_hour', v_last_hour, 'same_text', v_same_text,
    'suppressed', coalesce(private.suppression_of(v_from, false) is not null, false));
end $$;
comment on function private.resolve_mail(jsonb, timestamptz) is 'resolve_mails for one mail, with the time given.';

create function public.resolve_mails(p_mails jsonb) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(private.resolve_mail(e.item, clock_timestamp()) order by e.place), '[]')
    from jsonb_array_elements(p_mails) with ordinality as e (item, place));
end $$;
comment on function public.resolve_mails(jsonb) is 'What we know of mails that came in, before it is judged what to do with them; changes nothing. [{tokens, legacy: [{message, user, campaign}], references, message_id, from, recipient, text_hash, text_seconds}] -> [{via, token, own (the Message-ID is one that we gave), message, identity, sender: {known, is_recipient, is_contact, is_owner}, from_is_ours, last_hour (mails of From in this conversation; to this recipient, if there is none), same_text (of these in the last text_seconds, 60 by default, with the same text_hash), suppressed}], in the order given. For secret keys.';

-- Storing: one transaction for a mail and all that follows from it --------------------------------

create type private.mail as (
  ord integer, id uuid, item jsonb, kept text, sender text, answered uuid, direction text, conversation_id uuid, contact_id uuid,
  inbox private.inboxes, verdict text, code text, sent uuid, reply_to text, thread_id uuid, campaign_id uuid, subject text, arm text,
  counted boolean, forward boolean
);
comment on type private.mail is 'A mail as the intake works on it. kept: message (it becomes a message of the person), relay (a message of ours), event (nothing but that it came). reply_to, thread_id, campaign_id, arm: of the answered message. subject: whom it counts for. forward: whether it goes to the inbox.';

create function private.reply_arm(p_via text, p_answered uuid, p_direction text, p_native jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  return case
    when p_answered is null or p_direction <> 'out' then null
    when p_native ? 'reply_arm' then p_native ->> 'reply_arm'
    when p_via = 'token' then 'on'
    when p_via = 'legacy' then 'off'
    when private.reply_token_of(p_answered) is not null then 'on' else 'off' end;
end $$;
comment on function private.reply_arm(text, uuid, text, jsonb) is 'Whether the message that was answered was sent with a reply token (on) or without one (off), as it says itself, also if its token is gone; null where nothing of ours was answered.';

create function private.read_mail(p_item jsonb, p_ord bigint) returns private.mail
language plpgsql volatile set search_path = '' as $$
declare
  v_mail private.mail;
  v_place record;
begin
  v_mail.ord := p_ord;
  v_mail.id := private.uuid_v7();
  v_mail.item := p_item;
  v_mail.verdict := coalesce(p_item ->> 'verdict', 'store');
  select m.id, m.direction, m.conversation_id, m.provider_id, m.thread_id, m.native, c.contact_id, c.number_id into v_place
  from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = private.uuid_in(p_item ->> 'message') and m.channel = 'email';
  v_mail.answered := v_place.id;
  v_mail.direction := v_place.direction;
  if v_place.id is null and p_item ->> 'message' is not null then
    v_mail.code := 'gone';
  end if;
  -- One after the other: a row that any of the three may find takes twice as long.
  select i into v_mail.inbox from private.inboxes i where i.from_email = v_place.number_id;
  if (v_mail.inbox).identity is null then
    select i into v_mail.inbox from private.inboxes i where i.identity = private.uuid_in(p_item ->> 'identity');
  end if;
  if (v_mail.inbox).identity is null then
    select i into v_mail.inbox from private.inboxes i where i.from_email = lower(p_item ->> 'recipient');
  end if;
  -- Only an answer in a conversation can be relayed to whom it is with.
  v_mail.kept := case
    when v_mail.verdict = 'loop' or p_item #>> '{from,address}' is null then 'event'
    -- Nobody's mail that answers nothing has no conversation to stand in.
    when p_item #>> '{from,address}' = '' and v_place.id is null then 'event'
    when (p_item ->> 'relay')::boolean and v_mail.direction = 'in' then 'relay'
    else 'message' end;
  v_mail.counted := v_mail.kept = 'message' and coalesce((p_item ->> 'counted')::boolean, false);
  v_mail.forward := v_mail.kept = 'message' and coalesce((p_item ->> 'forward')::boolean, false);
  v_mail.reply_to := v_place.provider_id;
  v_mail.thread_id := v_place.thread_id;
  if v_mail.counted then
    v_mail.arm := private.reply_arm(p_item ->> 'via', v_mail.answered, v_mail.direction, v_place.native);
    v_mail.campaign_id := private.uuid_in(v_place.native ->> 'campaign_id');
    v_mail.subject := private.token_arm(v_place.native ->> 'user_id', v_mail.inbox);
  end if;
  if v_mail.kept <> 'event' then
    v_mail.conversation_id := v_place.conversation_id;
    v_mail.contact_id := v_place.contact_id;
    v_mail.sender := coalesce(v_place.number_id, (v_mail.inbox).from_email, '@' || coalesce(nullif(split_part(lower(p_item ->> 'recipient'), '@', 2), ''), 'nowhere'));
  end if;
  return v_mail;
end $$;
comment on function private.read_mail(jsonb, bigint) is 'A mail of a batch, with what the tables say of the message that it answers.';

-- Before the first conversation is locked, which those who make contacts wait for.
create function private.place_mails(p_mails private.mail[]) returns private.mail[]
language plpgsql set search_path = '' as $$
declare
  v_mails private.mail[] := p_mails;
  v_strangers private.inbound_update[];
  v_contacts uuid[];
  v_mail private.mail;
  v_contact uuid;
  v_conversation uuid;
begin
  select array_agg(jsonb_populate_record(null::private.inbound_update, jsonb_build_object(
      'ord', m.ord, 'channel', 'email', 'provider', m.item ->> 'provider', 'kind', 'message', 'sender_id', m.sender,
      'name', nullif(m.item #>> '{from,name}', ''),
      'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', lower(m.item #>> '{from,address}'))))) order by m.ord)
  into v_strangers
  from unnest(v_mails) m where m.kept = 'message' and m.conversation_id is null;
  if v_strangers is null then
    return v_mails;
  end if;
  v_contacts := private.assign_contacts(v_strangers);
  for v_at in 1 .. cardinality(v_strangers) loop
    v_mail := v_mails[(v_strangers[v_at]).ord];
    v_contact := v_contacts[v_at];
    insert into public.conversations (channel, number_id, contact_id) values ('email', v_mail.sender, v_contact)
    on conflict (contact_id, channel, number_id) do nothing;
    select c.id into v_conversation from public.conversations c
    where c.contact_id = v_contact and c.channel = 'email' and c.number_id = v_mail.sender;
    v_mail.contact_id := v_contact;
    v_mail.conversation_id := v_conversation;
    v_mails[v_mail.ord] := v_mail;
  end loop;
  return v_mails;
end $$;
comment on function private.place_mails(private.mail[]) is 'Finds or makes contact and conversation of the mails that answer nothing of ours.';

create function private.reply_outcome(p_arm text, p_subject text, p_failed boolean, p_ms bigint, p_now timestamptz) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  if p_arm is null or p_subject is null then
    return '[]';
  end if;
  return jsonb_build_array(jsonb_build_object(
    'flag', 'email_reply_tokens.enabled', 'arm', p_arm, 'minute', floor(extract(epoch from p_now) / 60)::bigint, 'n', 1,
    'failed', p_failed::integer, 'timed', (p_ms is not null)::integer, 'ms', coalesce(p_ms, 0),
    'le', (select jsonb_agg((p_ms is not null and p_ms <= e.edge)::integer order by e.edge) from unnest(private.latency_edges()) as e (edge)),
    'people', case when p_failed or p_ms > 250 then jsonb_build_array(jsonb_build_array(p_subject, p_failed, (
      select count(*) from unnest(private.latency_edges()) as e (edge) where p_ms > e.edge))) else '[]' end));
end $$;
comment on function private.reply_outcome(text, text, boolean, bigint, timestamptz) is 'What became of a reply as an outcome of email_reply_tokens.enabled for the guard, as record_outcomes takes it: failed, or handed over after so many milliseconds. An empty list where the arm is not known.';

create function private.relay_mail(p_mail private.mail, p_now timestamptz) returns private.mail
language plpgsql set search_path = '' as $$
declare
  v_mail private.mail := p_mail;
  v_item jsonb := p_mail.item;
  v_conversation public.conversations;
  v_to text;
  v_message jsonb;
begin
  select * into v_conversation from public.conversations c where c.id = v_mail.conversation_id;
  -- To whom the forwarded mail was from, who need not be the conversation's contact.
  v_to := coalesce((select s.address from private.mail_senders s where s.message_id = v_mail.answered),
    private.address_of(v_conversation.contact_id, 'email', v_conversation.number_id));
  v_message := jsonb_build_object('type', 'email', 'subject', v_item -> 'subject', 'text', v_item -> 'text', 'text_full', v_item -> 'text_full',
    'reply_to_message', v_mail.answered, 'send_domain', v_item -> 'send_domain',
    'relay', jsonb_build_object('objects', coalesce(v_item -> 'objects', '[]'), 'mail', coalesce(v_item -> 'mail', '{}')));
  v_mail.code := case when v_to is null then 'unknown_recipient'
    when private.suppression_of(v_to, false) is not null then 'suppressed'
    else coalesce(private.send_refusal(v_conversation, v_message, p_now), v_mail.code) end;
  perform private.queue_messages(array[(v_mail.id, v_conversation.id, 'email', v_conversation.number_id, v_message, v_item ->> 'text', v_to,
    'relay:' || (v_item ->> 'provider') || ':' || md5(v_item ->> 'key'), md5(v_item ->> 'key'), v_item ->> 'traceparent', null, false)::private.queued], p_now);
  v_mail.sent := v_mail.id;
  -- Kept, and shown as what it is: the owner has written, and it does not go.
  if v_mail.code is not null and v_mail.code <> 'gone' then
    update public.outbound_messages o set state = 'failed', error = jsonb_build_object('code', v_mail.code), updated_at = p_now where o.id = v_mail.id;
    update public.messages m set status = 'failed', status_rank = 2, error = jsonb_build_object('code', v_mail.code) where m.id = v_mail.id;
    perform from private.outbound_lanes l where l.conversation_id = v_conversation.id for update;
    perform private.release_outbound_lanes(array[v_conversation.id]);
  end if;
  return v_mail;
end $$;
comment on function private.relay_mail(private.mail, timestamptz) is 'Queues the answer of an identity''s owner as a mail to the person whose mail was forwarded. One that may not go is kept as failed, with its code. The caller holds the conversation''s lock.';

create function private.store_mails(p_mails private.mail[], p_now timestamptz) returns private.new_delivery[]
language plpgsql set search_path = '' as $$
declare
  v_deliveries private.new_delivery[];
begin
  with stored as (
    insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, reply_to, native, status, traceparent,
      thread_id, sent_at, created_at)
    select m.id, 'email', m.conversation_id, 'in', m.item ->> 'message_id', 'email', m.item ->> 'text', m.reply_to,
      coalesce(nullif(m.item -> 'mail', 'null'), '{}') || jsonb_build_object(
        'subject', m.item -> 'subject', 'from', m.item -> 'from', 'recipient', m.item -> 'recipient', 'message_id', m.item -> 'message_id',
        'in_reply_to', m.item -> 'in_reply_to', 'references', coalesce(nullif(m.item -> 'references', 'null'), '[]'), 'kind', m.item -> 'kind',
        'verdict', m.verdict, 'reasons', coalesce(nullif(m.item -> 'reasons', 'null'), '[]'), 'via', m.item -> 'via',
        'verified', coalesce((m.item ->> 'verified')::boolean, false), 'automatic', coalesce((m.item ->> 'automatic')::boolean, false),
        'is_recipient', coalesce((m.item ->> 'is_recipient')::boolean, false), 'text_full', m.item -> 'text_full',
        'answers', m.answered, 'send_domain', m.item -> 'send_domain', 'key', m.item -> 'key'),
      'received', m.item ->> 'traceparent', coalesce(m.thread_id, m.answered, m.id),
      case when (m.item ->> 'at')::timestamptz <= p_now then (m.item ->> 'at')::timestamptz else p_now end, p_now
    from unnest(p_mails) m where m.kept = 'message' order by m.ord
    returning id, seq
  ), replied as (
    insert into public.email_replies (message_id, reply_to, via, arm, identity, campaign_id, verified, is_recipient, forward_wanted, failed_at, reply_ts)
    select m.id, m.answered, coalesce(m.item ->> 'via', 'none'), m.arm, (m.inbox).identity, m.campaign_id,
      coalesce((m.item ->> 'verified')::boolean, false), coalesce((m.item ->> 'is_recipient')::boolean, false),
      coalesce((m.item ->> 'forward')::boolean, false), case when (m.item ->> 'forward')::boolean and not m.forward then p_now end, p_now
    from unnest(p_mails) m where m.kept = 'message' and m.counted order by m.ord
  ), placed as (
    select s.id, s.seq, m.conversation_id, (m.inbox).destination_id, m.forward, m.verdict = 'forward' or (m.item ->> 'kind' = 'new_mail') is true as routed
    from unnest(p_mails) m join stored s on s.id = m.id
  ), kept as (
    insert into public.routing_decisions (message_id, reason, revision, decided_at)
    select p.id, 'kept', (select r.revision from private.config_revision r), p_now from placed p where not p.routed order by p.seq
  ), touched as (
    update public.conversations c
    set last_inbound_at = greatest(c.last_inbound_at, p_now), last_message_at = p_now,
      unrouted_since = case when t.first_routed is null then c.unrouted_since else coalesce(c.unrouted_since, p_now) end,
      routed_seq = case when c.unrouted_since is null then greatest(c.routed_seq, t.kept_seq) else c.routed_seq end
    from (
      -- What is kept goes beside the queue, unless it stands behind one that is routed.
      select p.conversation_id, min(p.first_routed) as first_routed,
        max(p.seq) filter (where not p.routed and (p.first_routed is null or p.seq < p.first_routed)) as kept_seq
      from (select q.*, min(q.seq) filter (where q.routed) over (partition by q.conversation_id) as first_routed from placed q) p
      group by p.conversation_id) t
    where c.id = t.conversation_id
  )
  select array_agg((p.id, p.destination_id, p.conversation_id, 'email', p.seq, null)::private.new_delivery order by p.seq)
  into v_deliveries from placed p where p.forward;
  perform private.suppress(s.address, s.scope, s.reason, 'mail', p_now)
  from unnest(p_mails) m
  cross join jsonb_to_recordset(coalesce(nullif(m.item -> 'suppress', 'null'), '[]')) as s (address text, scope text, reason text)
  where m.kept <> 'duplicate';
  return v_deliveries;
end $$;
comment on function private.store_mails(private.mail[], timestamptz) is 'Stores mails as messages of people, in their order, with what is counted and suppressed of each; leaves relays and duplicates alone. Returns the forwards, which the caller makes; the caller holds the conversations'' locks.';

create function private.forward_reply_to() returns text
language plpgsql stable set search_path = '' as $$
begin
  return case (select s.value from public.settings s where s.key = 'email.forward_reply_to') when 'sender' then 'sender' else 'token' end;
end $$;
comment on function private.forward_reply_to() is 'The setting email.forward_reply_to, whom the owner of an identity answers: token (us, who relay it; the default) or sender (the person, past us).';

create function private.answers_by_token(p_inbox private.inboxes) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return (select f.value from private.evaluate_flag('email_reply_tokens.enabled', private.token_arm(null, p_inbox)) f);
end $$;
comment on function private.answers_by_token(private.inboxes) is 'Whether email_reply_tokens.enabled is on for an identity.';

-- All at once, for one by one costs as much as the messages; one by one where that fails.
create function private.make_reply_tokens(p_message_ids uuid[], p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_made integer := 0;
  v_id uuid;
begin
  if p_message_ids = '{}' or to_regclass('public.reply_tokens') is null then
    return 0;
  end if;
  begin
    insert into public.reply_tokens (token, message_id, created_at)
    select private.new_reply_token(), u.id, p_now from unnest(p_message_ids) as u (id);
    get diagnostics v_made = row_count;
    return v_made;
  exception when integrity_constraint_violation or undefined_table or undefined_column then
    foreach v_id in array p_message_ids loop
      v_made := v_made + (private.make_reply_token(v_id, p_now) is not null)::integer;
    end loop;
  end;
  return v_made;
end $$;
comment on function private.make_reply_tokens(uuid[], timestamptz) is 'Gives messages reply tokens, as make_reply_token does; returns how many, which the caller counts.';

create function private.mail_counts(p_mails private.mail[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'subject', m.subject)), '[]')
    from unnest(p_mails) m
    cross join lateral (values ('reply.received', true), ('reply.legacy', m.item ->> 'via' = 'legacy'), ('reply.to_forward', (m.item ->> 'forward')::boolean),
        ('reply.threaded', exists (
          select from jsonb_array_elements_text(coalesce(nullif(m.item -> 'references', 'null'), '[]') || coalesce(nullif(m.item -> 'in_reply_to', 'null'), '[]')) r
          where private.uuid_in(r) is not null)))
      as c (name, counts)
    where m.kept = 'message' and m.counted and c.counts);
end $$;
comment on function private.mail_counts(private.mail[]) is 'The business metrics of a batch, as count_mails takes them.';

create function private.note_mails(p_mails private.mail[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_objects jsonb;
begin
  insert into private.mail_senders (id, message_id, conversation_id, address, recipient, text_hash, created_at)
  select m.id, case m.kept when 'message' then m.id end, m.conversation_id, lower(m.item #>> '{from,address}'),
    coalesce(lower(m.item ->> 'recipient'), ''), m.item ->> 'text_hash', p_now
  from unnest(p_mails) m where m.kept <> 'duplicate' and nullif(m.item #>> '{from,address}', '') is not null;
  select jsonb_agg(o.file || jsonb_build_object('message_id', case when m.kept <> 'event' then m.id end)) into v_objects
  from unnest(p_mails) m cross join jsonb_array_elements(coalesce(nullif(m.item -> 'objects', 'null'), '[]')) as o (file)
  where m.kept <> 'duplicate';
  if v_objects is not null then
    perform private.keep_objects(v_objects, p_now + make_interval(days => private.storage_days()), p_now);
  end if;
  insert into public.email_events (event_type, message_id, mail_id, identity, metadata, created_at)
  select case when (m.item ->> 'counted')::boolean and m.kept = 'message' then 'reply'
      when m.kept = 'relay' then 'relay'
      when m.item ->> 'kind' ~ '^[a-z][a-z_]{0,31}$' and m.item ->> 'kind' <> 'reply' then m.item ->> 'kind' else 'mail' end,
    m.answered, case when m.kept <> 'event' then m.id end, (m.inbox).identity,
    jsonb_strip_nulls(jsonb_build_object('via', m.item -> 'via', 'kind', m.item -> 'kind', 'verdict', m.verdict,
      'reasons', private.without_addresses(m.item -> 'reasons'), 'verified', m.item -> 'verified', 'code', m.code)), p_now
  from unnest(p_mails) m where m.kept <> 'duplicate' order by m.ord;
end $$;
comment on function private.note_mails(private.mail[], timestamptz) is 'What is noted of each mail of a batch, in a statement for all: who wrote, its files, its event.';

create function private.ingest_mails(p_mails jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_mails private.mail[];
  v_mail private.mail;
  v_stored integer[];
  v_place integer;
  v_conversations uuid[];
  v_deliveries private.new_delivery[];
  v_from integer := 1;
  v_for_everybody boolean;
  v_tokens integer := 0;
  v_outcomes jsonb := '[]';
begin
  select array_agg(private.read_mail(e.item, e.ord) order by e.ord) into v_mails
  from jsonb_array_elements(p_mails) with ordinality as e (item, ord);
  if v_mails is null then
    return '[]';
  end if;
  -- In the order of keys, as ingest_updates: two batches with the same mail wait instead of deadlocking.
  with first_of_key as (
    select distinct on (m.item ->> 'key', m.item ->> 'provider') m.ord, m.item, m.kept, m.sender
    from unnest(v_mails) m order by m.item ->> 'key', m.item ->> 'provider', m.ord
  ), stored as (
    insert into public.webhook_events (provider, dedupe_key, field, kind, number_id, raw, received_at)
    select f.item ->> 'provider', f.item ->> 'key', coalesce(f.item ->> 'field', 'inbound'), case f.kept when 'message' then 'message' else 'other' end,
      f.sender, case when f.kept <> 'message' then coalesce(f.item -> 'mail', '{}') || jsonb_build_object('from', f.item -> 'from',
        'recipient', f.item -> 'recipient', 'message_id', f.item -> 'message_id', 'reasons', f.item -> 'reasons') end, p_now
    from first_of_key f order by f.item ->> 'key', f.item ->> 'provider'
    on conflict (provider, dedupe_key) do nothing
    returning provider, dedupe_key
  )
  select coalesce(array_agg(f.ord order by f.ord), '{}') into v_stored
  from stored s join first_of_key f on f.item ->> 'key' = s.dedupe_key and f.item ->> 'provider' = s.provider;
  -- In a statement of its own: what that one waited for may have been an erasure.
  if v_stored <> '{}' and exists (select from private.erased_keys) then
    foreach v_place in array v_stored loop
      v_mail := v_mails[v_place];
      if exists (
        select from private.erased_keys e
        where e.hash = private.keyed_hash((v_mail.item ->> 'provider') || ' ' || (v_mail.item ->> 'key')) and e.at > p_now - interval '8 days') then
        delete from public.webhook_events w where w.provider = v_mail.item ->> 'provider' and w.dedupe_key = v_mail.item ->> 'key';
        v_stored := array_remove(v_stored, v_place);
      end if;
    end loop;
  end if;
  for v_place in 1 .. cardinality(v_mails) loop
    v_mail := v_mails[v_place];
    if v_place <> all (v_stored) then
      v_mail.kept := 'duplicate';
      v_mail.forward := false;
    elsif v_mail.forward and (v_mail.inbox).forward_to is null then
      v_mail.forward := false;
      v_mail.code := coalesce(v_mail.code, 'unknown_identity');
      v_mail.verdict := case v_mail.verdict when 'forward' then 'store' else v_mail.verdict end;
    elsif v_mail.forward and (v_mail.inbox).state = 'paused' then
      v_mail.code := coalesce(v_mail.code, 'identity_paused');
    else
      continue;
    end if;
    v_mails[v_place] := v_mail;
  end loop;

  v_mails := private.place_mails(v_mails);
  v_conversations := array(select distinct m.conversation_id from unnest(v_mails) m where m.kept in ('message', 'relay') order by 1);
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;
  if (select count(*) from public.conversations c where c.id = any (v_conversations)) < cardinality(v_conversations) then
    raise exception 'a person was erased in this moment' using errcode = 'serialization_failure';
  end if;

  for v_place in 1 .. cardinality(v_mails) loop
    v_mail := v_mails[v_place];
    if v_mail.kept = 'relay' then
      -- What came before it in this batch comes before it, and may have suppressed whom it goes to.
      v_deliveries := v_deliveries || private.store_mails(v_mails[v_from:v_place - 1], p_now);
      v_from := v_place;
      v_mails[v_place] := private.relay_mail(v_mail, p_now);
    elsif v_mail.kept = 'message' and v_mail.counted and not v_mail.forward then
      -- An identity without an inbox fails its user, who counts once, however many write.
      v_outcomes := v_outcomes || private.reply_outcome(v_mail.arm, v_mail.subject, coalesce((v_mail.item ->> 'forward')::boolean, false), null, p_now);
    end if;
  end loop;
  v_deliveries := v_deliveries || private.store_mails(v_mails[v_from:], p_now);
  perform private.note_mails(v_mails, p_now);
  if v_deliveries is not null then
    if private.forward_reply_to() = 'token' then
      v_for_everybody := private.on_for_everybody('email_reply_tokens.enabled');
      v_tokens := private.make_reply_tokens(array(
        select m.id from unnest(v_mails) m where m.forward and (v_for_everybody or private.answers_by_token(m.inbox)) order by m.ord), p_now);
    end if;
    perform private.make_deliveries(v_deliveries, null, p_now);
  end if;
  perform public.add_counts(jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_mails)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', cardinality(v_stored)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_mails) - cardinality(v_stored)),
    jsonb_build_object('name', 'reply_tokens', 'label', 'created', 'n', v_tokens)));
  perform private.count_mails(private.mail_counts(v_mails), v_outcomes, p_now);
  return (
    select jsonb_agg(jsonb_build_object('message_id', case when m.kept in ('message', 'relay') then m.id end)
      || jsonb_strip_nulls(jsonb_build_object(
        'outcome', case m.kept when 'duplicate' then 'duplicate' else 'stored' end,
        'via', coalesce(m.item ->> 'via', 'none'), 'verdict', m.verdict,
        'forward_to', case when m.forward then (m.inbox).forward_to end,
        'relayed', case when m.kept = 'relay' and coalesce(m.code, 'gone') = 'gone' then true end,
        'code', m.code)) order by m.ord)
    from unnest(v_mails) m);
end $$;
comment on function private.ingest_mails(jsonb, timestamptz) is 'One attempt of ingest_mails; fails where a person of the batch is erased in this moment.';

create function public.ingest_mails(p_mails jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.ingest_mails(p_mails, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.ingest_mails(jsonb) is 'Stores mails that were judged, each once by provider and key, with all that follows in one transaction: contact, conversation, message, the reply that is counted, files, suppressions, the forward as a delivery to the identity''s inbox, or the relay as a message to the person. Answers, in the order given, {outcome (stored, duplicate), message_id, via, verdict, forward_to, relayed, code (unknown_identity: nowhere to forward to; identity_paused; suppressed, unknown_recipient: not relayed; gone: the answered message is no more)}. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.uuid_in(text),
  private.answered_mail(jsonb),
  private.lately_from(text, uuid, text, timestamptz),
  private.resolve_mail(jsonb, timestamptz),
  public.resolve_mails(jsonb),
  private.read_mail(jsonb, bigint),
  private.place_mails(private.mail[]),
  private.reply_arm(text, uuid, text, jsonb),
  private.reply_outcome(text, text, boolean, bigint, timestamptz),
  private.relay_mail(private.mail, timestamptz),
  private.store_mails(private.mail[], timestamptz),
  private.forward_reply_to(),
  private.answers_by_token(private.inboxes),
  private.make_reply_tokens(uuid[], timestamptz),
  private.mail_counts(private.mail[]),
  private.note_mails(private.mail[], timestamptz),
  private.ingest_mails(jsonb, timestamptz),
  public.ingest_mails(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002462');
