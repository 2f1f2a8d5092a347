-- E-mail: the identities that mail is sent as and forwarded to, what became of each mail, and who gets none.
--
-- email_identities, reply_tokens and three columns of messages come with the next two files, which a team may take back by
-- plain SQL (drop column, drop table, no cascade) while mail flows. So nothing here depends on them: what sending, resolving
-- and forwarding need of an identity is kept in private.inboxes, functions have bodies of text, and each use of one of these
-- objects asks for it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Identities, as the pipeline needs them ----------------------------------------------------------

create table private.inboxes (
  destination_id uuid constraint inboxes_pkey primary key references public.destinations (id) on delete cascade,
  identity uuid not null constraint inboxes_identity_key unique,
  from_email text not null constraint inboxes_from_email_key unique check (from_email = lower(from_email)),
  display_name text,
  user_id text,
  forward_to text,
  is_default boolean not null default false,
  provider text not null,
  state text not null,
  verified_at timestamptz,
  created_at timestamptz not null
);
comment on table private.inboxes is 'Each identity as the pipeline uses it, written by the trigger of email_identities. It outlives that table: after the rollback of the reply tokens, mail is sent and forwarded by it.';
comment on constraint inboxes_pkey on private.inboxes is 'A destination of kind inbox forwards for one identity.';
comment on constraint inboxes_identity_key on private.inboxes is 'An identity has one inbox.';
comment on constraint inboxes_from_email_key on private.inboxes is 'Finds the identity of a conversation, whose number_id is the address.';
comment on column private.inboxes.destination_id is 'The destination of kind inbox.';
comment on column private.inboxes.identity is 'email_identities.id. Not a reference: that table may be dropped.';
comment on column private.inboxes.from_email is 'The address that mail is sent from, in lower case; also senders.id of channel email.';
comment on column private.inboxes.display_name is 'The name beside the address.';
comment on column private.inboxes.user_id is 'The team''s own id of the user who sends as this identity; null for none.';
comment on column private.inboxes.forward_to is 'Where replies go; null while nobody has confirmed an address.';
comment on column private.inboxes.is_default is 'Whether users without an identity send as this one.';
comment on column private.inboxes.provider is 'Who carries its mail: sendgrid, resend, or its own mailbox at google or microsoft.';
comment on column private.inboxes.state is 'unverified, active or paused.';
comment on column private.inboxes.verified_at is 'When the address was proved to be the user''s.';
comment on column private.inboxes.created_at is 'When the identity was added.';
create index inboxes_user_idx on private.inboxes (user_id) where user_id is not null;
comment on index private.inboxes_user_idx is 'The identities of a user.';
alter table private.inboxes enable row level security;
revoke all on private.inboxes from public, anon, authenticated;
grant select, insert, update, delete on private.inboxes to service_role;

create function private.tidy_identity() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.from_email := lower(btrim(new.from_email));
  new.forward_to := lower(nullif(btrim(new.forward_to), ''));
  if tg_op = 'UPDATE' and (new.id, new.from_email) is distinct from (old.id, old.from_email) then
    raise exception 'the address of an identity cannot change' using errcode = 'GL409',
      hint = 'Its conversations are known by it: add another identity, and remove this one.';
  end if;
  -- Whoever may write the table says with either that the address is the user's.
  if new.state = 'active' then
    new.verified_at := coalesce(new.verified_at, clock_timestamp());
  elsif new.state = 'unverified' and new.verified_at is not null then
    new.state := 'active';
  end if;
  return new;
end $$;
comment on function private.tidy_identity() is 'Trigger, before insert or update of email_identities: addresses in lower case; an identity that is verified is active; refuses another address (GL409).';

create function private.sync_identity() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_policy record := private.channel_policy('email');
  v_destination uuid;
  v_name text;
  -- A pause of ours, which a resumption ends; one by a person or by the circuit stays.
  v_because text := 'the identity is paused';
begin
  if tg_op = 'DELETE' then
    if exists (
      select from private.outbound_lanes l where l.channel = 'email' and l.number_id = old.from_email and l.due_at is not null) then
      raise exception 'messages wait to be sent as %', old.from_email using errcode = 'GL409',
        hint = 'Let them go, or pause the identity.';
    end if;
    update public.destinations d
    set state = 'paused', removed_at = clock_timestamp(), paused_because = null, version = version + 1,
      updated_at = clock_timestamp(), updated_by = private.actor()
    from private.inboxes i where i.identity = old.id and d.id = i.destination_id;
    delete from private.inboxes i where i.identity = old.id;
    delete from public.senders s where s.channel = 'email' and s.id = old.from_email;
    return null;
  end if;

  insert into public.senders as s (channel, id, address, provider, state, max_per_second, pair_seconds)
  values ('email', new.from_email, new.from_email, new.provider, case new.state when 'paused' then 'paused' else 'active' end,
    v_policy.max_per_second, v_policy.pair_seconds)
  on conflict (channel, id) do update set provider = excluded.provider, state = excluded.state
  where (s.provider, s.state) is distinct from (excluded.provider, excluded.state);

  select d.id into v_destination from public.destinations d where d.url = 'inbox:' || new.id and d.removed_at is null;
  if v_destination is null then
    v_name := 'inbox-' || coalesce(nullif(btrim(left(regexp_replace(split_part(new.from_email, '@', 1), '[^a-z0-9]+', '-', 'g'), 40), '-'), ''), 'mail');
    if exists (select from public.destinations d where d.name = v_name and d.removed_at is null) then
      v_name := v_name || '-' || right(replace(new.id::text, '-', ''), 8);
    end if;
    insert into public.destinations (name, kind, url, timeout_ms) values (v_name, 'inbox', 'inbox:' || new.id, 30000)
    returning id into v_destination;
  end if;
  if new.state = 'paused' then
    update public.destinations d set state = 'paused', paused_because = v_because, version = version + 1,
      updated_at = clock_timestamp(), updated_by = private.actor()
    where d.id = v_destination and d.state = 'active';
  else
    update public.destinations d set state = 'active', paused_because = null, version = version + 1,
      updated_at = clock_timestamp(), updated_by = private.actor()
    where d.id = v_destination and d.state = 'paused' and d.paused_because = v_because;
  end if;
  insert into private.inboxes as i (destination_id, identity, from_email, display_name, user_id, forward_to, is_default, provider,
    state, verified_at, created_at)
  values (v_destination, new.id, new.from_email, new.display_name, new.user_id, new.forward_to, new.is_default, new.provider,
    new.state, new.verified_at, new.created_at)
  on conflict (identity) do update set destination_id = excluded.destination_id, display_name = excluded.display_name,
    user_id = excluded.user_id, forward_to = excluded.forward_to, is_default = excluded.is_default, provider = excluded.provider,
    state = excluded.state, verified_at = excluded.verified_at;
  return null;
end $$;
comment on function private.sync_identity() is 'Trigger, after insert, update or delete of email_identities: keeps the sender, the destination of kind inbox and private.inboxes in step. Definer, for whoever writes an identity need not be able to write destinations. GL409 where messages wait to be sent as an identity that is removed.';

create function private.inbox_for(p_user_id text, p_from_email text) returns private.inboxes
language plpgsql stable set search_path = '' as $$
declare
  v_inbox private.inboxes;
begin
  if p_from_email is not null then
    select * into v_inbox from private.inboxes i where i.from_email = p_from_email;
    return v_inbox;
  end if;
  select * into v_inbox from private.inboxes i
  where i.user_id = p_user_id order by i.state = 'active' desc, i.is_default desc, i.created_at, i.identity limit 1;
  if v_inbox.identity is null then
    select * into v_inbox from private.inboxes i
    order by i.is_default desc, i.state = 'active' desc, i.created_at, i.identity limit 1;
  end if;
  return v_inbox;
end $$;
comment on function private.inbox_for(text, text) is 'The identity to send as: the one with this address; else the user''s, an active one and their default first; else the default one; null where there is none at all.';

-- What the plan's migrations add, where it is there -----------------------------------------------

create function private.has_mail_columns() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return to_regclass('public.email_identities') is not null and (
    select count(*) = 3 from pg_catalog.pg_attribute a
    where a.attrelid = 'public.messages'::regclass and not a.attisdropped
      and a.attname in ('sender_identity_id', 'from_email', 'message_id_header'));
end $$;
comment on function private.has_mail_columns() is 'Whether messages has the columns of add_email_identities_and_msg_link, and the table that they refer to exists.';

-- Two letters of base64 for each of ours, so that five of their six random bits count.
create function private.new_reply_token() returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_uuid bytea := uuid_send(gen_random_uuid());
begin
  -- Without the bytes of version and variant, which are not random.
  return translate(encode(substr(v_uuid, 1, 6) || substr(v_uuid, 10, 6), 'base64'),
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
    'abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz234567');
end $$;
comment on function private.new_reply_token() is 'A new reply token: 80 random bits as 16 characters of a-z and 2-7 (base32), which every mail server takes as a local part.';

create function private.make_reply_token(p_message_id uuid, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_token text;
begin
  if to_regclass('public.reply_tokens') is null then
    return null;
  end if;
  begin
    insert into public.reply_tokens (token, message_id, created_at) values (private.new_reply_token(), p_message_id, p_now)
    returning token into v_token;
  exception when integrity_constraint_violation or undefined_table or undefined_column then
    -- The message goes all the same, with the address that needs no row.
    perform public.add_counts('[{"name": "reply_tokens", "label": "failed", "n": 1}]');
  end;
  return v_token;
end $$;
comment on function private.make_reply_token(uuid, timestamptz) is 'Gives a message a reply token. The caller counts it. Null where the table is gone or the token could not be stored, which is counted here: the address is then the one that holds the message''s id (VERP).';

create function private.reply_token_of(p_message_id uuid) returns text
language plpgsql stable set search_path = '' as $$
begin
  if to_regclass('public.reply_tokens') is null then
    return null;
  end if;
  -- In no order: where sorts are ruled out, as in claims, the index of all tokens by time would be read for it.
  return (
    select found.token
    from (
      select r.token, (to_jsonb(r) ->> 'expires_at')::timestamptz as ends from public.reply_tokens r
      where r.message_id = p_message_id limit 10) found
    where coalesce(found.ends > clock_timestamp(), true) limit 1);
end $$;
comment on function private.reply_token_of(uuid) is 'The token by which replies to a message come back; null for none. One that is past its expires_at, a column that a team may add, is none.';

create function private.token_arm(p_user_id text, p_inbox private.inboxes) returns text
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(p_user_id, p_inbox.user_id, p_inbox.identity::text);
end $$;
comment on function private.token_arm(text, private.inboxes) is 'The id that email_reply_tokens.enabled is asked with: the user who sends, else the identity.';

-- Threads -----------------------------------------------------------------------------------------

create function private.mail_domain(p_native jsonb, p_number_id text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(nullif(p_native ->> 'send_domain', ''), nullif(split_part(p_number_id, '@', 2), ''), 'localhost');
end $$;
comment on function private.mail_domain(jsonb, text) is 'The domain of the Message-IDs that we give: SEND_DOMAIN as the message was queued or came in with it, else the domain of the identity.';

create function private.first_and_last(p_ids text[]) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  return case when cardinality(p_ids) <= 40 then p_ids else p_ids[:20] || p_ids[cardinality(p_ids) - 19:] end;
end $$;
comment on function private.first_and_last(text[]) is 'References of a mail, kept to the first and the last 20.';

-- All of a transaction at once, at its end: its rows are locked in one order, and not for long.
-- Failure policy: open. A mail counts more than its figure.
create function private.count_mails(p_metrics jsonb, p_outcomes jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if p_outcomes <> '[]' then
    perform private.record_outcomes(p_outcomes, p_now);
  end if;
  if p_metrics <> '[]' then
    perform private.record_metrics(p_metrics, p_now);
  end if;
exception when others then
  raise warning 'mails could not be counted: % (%)', sqlerrm, sqlstate;
end $$;
comment on function private.count_mails(jsonb, jsonb, timestamptz) is 'Counts outcomes of replies, and business metrics of mails [{name, subject}]: mail.sent, mail.tokened, reply.received, reply.legacy, reply.threaded (its headers name a Message-ID of ours), reply.to_forward, reply.forwarded; each under the id that email_reply_tokens.enabled was asked with.';

create function private.thread_headers(p_parent_id uuid, out in_reply_to text, out "references" text[], out thread_id uuid)
language plpgsql stable set search_path = '' as $$
declare
  v_parent record;
begin
  select m.id, m.direction, m.native, m.thread_id, c.number_id into v_parent
  from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = p_parent_id and m.channel = 'email';
  if not found then
    return;
  end if;
  in_reply_to := case when v_parent.direction = 'in' then v_parent.native ->> 'message_id'
    else format('<%s@%s>', v_parent.id, private.mail_domain(v_parent.native, v_parent.number_id)) end;
  "references" := private.first_and_last(array(
    select r from jsonb_array_elements_text(case jsonb_typeof(v_parent.native -> 'references') when 'array' then v_parent.native -> 'references' else '[]' end) r)
    || array_remove(array[in_reply_to], null));
  thread_id := coalesce(v_parent.thread_id, v_parent.id);
end $$;
comment on function private.thread_headers(uuid) is 'In-Reply-To, References (RFC 5322 3.6.4: the parent''s and its Message-ID) and the thread of an answer to a mail; all null for none.';

-- Out: what a queued mail gets beside its message --------------------------------------------------

create function private.dress_mails(p_messages private.queued[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_queued private.queued;
  v_inbox private.inboxes;
  v_thread record;
  v_columns boolean := private.has_mail_columns();
  v_tokens integer := 0;
  v_subject text;
  v_on boolean;
  v_token text;
  v_counts jsonb := '[]';
  v_outcomes jsonb := '[]';
begin
  -- Looked at first: the row that says so would be locked until the commit.
  if not exists (
    select from public.flag_evaluations e where e.flag_key = 'email_reply_tokens.enabled' and e.last_at > p_now - interval '50 minutes') then
    perform private.record_evaluations('{email_reply_tokens.enabled}', p_now);
  end if;
  foreach v_queued in array coalesce(p_messages, '{}') loop
    v_inbox := private.inbox_for(null, v_queued.number_id);
    v_thread := private.thread_headers(case when v_queued.message ->> 'reply_to_message' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then (v_queued.message ->> 'reply_to_message')::uuid end);
    v_subject := private.token_arm(v_queued.message ->> 'user_id', v_inbox);
    v_on := (select f.value from private.evaluate_flag('email_reply_tokens.enabled', v_subject) f);
    v_token := case when v_on then private.make_reply_token(v_queued.id, p_now) end;
    update public.messages m
    set thread_id = coalesce(v_thread.thread_id, m.id),
      native = m.native || jsonb_strip_nulls(jsonb_build_object('in_reply_to', v_thread.in_reply_to, 'references', to_jsonb(v_thread."references"),
        'reply_arm', case when v_token is null then 'off' else 'on' end))
    where m.id = v_queued.id;
    if jsonb_typeof(v_queued.message -> 'attachments') = 'array' then
      perform private.keep_objects((
          select jsonb_agg(a.file || jsonb_build_object('kind', 'attachment', 'bytes', a.file -> 'size', 'message_id', v_queued.id))
          from jsonb_array_elements(v_queued.message -> 'attachments') as a (file) where a.file ->> 'path' is not null),
        p_now + make_interval(days => private.storage_days()), p_now);
    end if;
    if v_columns then
      execute 'update public.messages m set from_email = $2, message_id_header = $3, sender_identity_id = (
          select e.id from public.email_identities e where e.id = $4) where m.id = $1'
      using v_queued.id, v_queued.number_id,
        format('<%s@%s>', v_queued.id, private.mail_domain(v_queued.message, v_queued.number_id)), v_inbox.identity;
    end if;
    -- Our own notifications are nobody's mail.
    continue when v_queued.message ? 'automatic';
    v_counts := v_counts || jsonb_build_object('name', 'mail.sent', 'subject', v_subject);
    if v_token is not null then
      v_tokens := v_tokens + 1;
      v_counts := v_counts || jsonb_build_object('name', 'mail.tokened', 'subject', v_subject);
    elsif v_on and to_regclass('public.reply_tokens') is not null then
      v_outcomes := v_outcomes || private.reply_outcome('on', v_subject, true, null, p_now);
    end if;
  end loop;
  perform private.count_mails(v_counts, v_outcomes, p_now);
  if v_tokens > 0 then
    perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'reply_tokens', 'label', 'created', 'n', v_tokens)));
  end if;
end $$;
comment on function private.dress_mails(private.queued[], timestamptz) is 'Gives mails that were just queued their thread, their stored attachments, the columns that name identity and Message-ID, and a reply token where email_reply_tokens.enabled is on for the sender.';

create function private.mail_to_send(p_id uuid, p_number_id text, p_native jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_inbox private.inboxes := private.inbox_for(null, p_number_id);
  v_words jsonb := '{}';
begin
  -- plpgsql, because campaigns come later, and a team may take them back.
  if p_native ? 'fields' and to_regprocedure('private.campaign_mail(jsonb)') is not null then
    v_words := coalesce(private.campaign_mail(p_native), '{}');
  end if;
  return v_words || jsonb_build_object(
    'from', jsonb_build_object('address', p_number_id, 'name', coalesce(v_inbox.display_name, '')), 'identity', v_inbox.identity,
    'user_id', coalesce(p_native ->> 'user_id', v_inbox.user_id), 'provider', coalesce(v_inbox.provider, 'sendgrid'),
    'token', private.reply_token_of(p_id), 'campaign_id', p_native ->> 'campaign_id',
    'message_id_header', format('<%s@%s>', p_id, private.mail_domain(p_native, p_number_id)),
    'in_reply_to', p_native ->> 'in_reply_to', 'references', coalesce(p_native -> 'references', '[]'),
    'bulk', coalesce((p_native ->> 'bulk')::boolean, false)) || case when p_native ? 'relay' then '{"relay": true}' else '{}' end::jsonb;
end $$;
comment on function private.mail_to_send(uuid, text, jsonb) is 'What the channel needs to compose a mail beside its message: {from, identity, user_id, provider, token (null: the address with the message''s id), campaign_id, message_id_header, in_reply_to, references, bulk, relay, and of a campaign html and text}.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.tidy_identity(),
  private.inbox_for(text, text),
  private.has_mail_columns(),
  private.new_reply_token(),
  private.make_reply_token(uuid, timestamptz),
  private.reply_token_of(uuid),
  private.token_arm(text, private.inboxes),
  private.mail_domain(jsonb, text),
  private.first_and_last(text[]),
  private.thread_headers(uuid),
  private.dress_mails(private.queued[], timestamptz),
  private.mail_to_send(uuid, text, jsonb),
  private.count_mails(jsonb, jsonb, timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002460');
