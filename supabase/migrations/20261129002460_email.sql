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
comment on column private.inboxes.provider is 'Who carries its mail: sendgrid or resend.';
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

create function private.new_reply_token() returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_uuid bytea := uuid_send(gen_random_uuid());
  -- Without the bytes that hold version and variant: 80 bits of the server's strong random source.
  v_bits bit(80) := ('x' || encode(substr(v_uuid, 1, 6) || substr(v_uuid, 11, 4), 'hex'))::bit(80);
begin
  return (
    select string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', substring(v_bits from 1 + 5 * i for 5)::bit(5)::integer + 1, 1), '' order by i)
    from generate_series(0, 15) i);
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
begin
  return jsonb_build_object(
    'from', jsonb_build_object('address', p_number_id, 'name', coalesce(v_inbox.display_name, '')), 'identity', v_inbox.identity,
    'user_id', coalesce(p_native ->> 'user_id', v_inbox.user_id), 'provider', coalesce(v_inbox.provider, 'sendgrid'),
    'token', private.reply_token_of(p_id), 'campaign_id', p_native ->> 'campaign_id',
    'message_id_header', format('<%s@%s>', p_id, private.mail_domain(p_native, p_number_id)),
    'in_reply_to', p_native ->> 'in_reply_to', 'references', coalesce(p_native -> 'references', '[]'),
    'bulk', coalesce((p_native ->> 'bulk')::boolean, false)) || case when p_native ? 'relay' then '{"relay": true}' else '{}' end::jsonb;
end $$;
comment on function private.mail_to_send(uuid, text, jsonb) is 'What the channel needs to compose a mail beside its message: {from, identity, user_id, provider, token (null: the address with the message''s id), campaign_id, message_id_header, in_reply_to, references, bulk, relay}.';

-- What became of mails ----------------------------------------------------------------------------

create table public.email_replies (
  message_id uuid constraint email_replies_pkey primary key references public.messages (id) on delete cascade,
  reply_to uuid,
  via text not null check (via in ('token', 'legacy', 'references', 'none')),
  arm text check (arm in ('on', 'off')),
  identity uuid,
  campaign_id uuid,
  verified boolean not null,
  is_recipient boolean not null,
  forward_wanted boolean not null,
  forwarded_at timestamptz,
  failed_at timestamptz,
  reply_ts timestamptz not null default now()
);
comment on table public.email_replies is 'Answers of people to what we sent, one row each. Automatic mail, bounces and forgeries are not among them: email_events has those.';
comment on constraint email_replies_pkey on public.email_replies is 'An answer is counted once.';
comment on column public.email_replies.message_id is 'The answer.';
comment on column public.email_replies.reply_to is 'The message that it answers. Not a reference: the answer outlives it.';
comment on column public.email_replies.via is 'How it found its message: token, legacy (the address that holds the message''s id), references (headers), or none.';
comment on column public.email_replies.arm is 'Whether the answered message was sent with a reply token (on) or the legacy address (off); null where it answers none.';
comment on column public.email_replies.identity is 'The identity that it is for (email_identities.id). Not a reference: that table may be dropped.';
comment on column public.email_replies.campaign_id is 'The campaign of the answered message.';
comment on column public.email_replies.verified is 'Whether SPF or DKIM prove the domain of From.';
comment on column public.email_replies.is_recipient is 'Whether whom we wrote to answers, and not somebody else who knows the address.';
comment on column public.email_replies.forward_wanted is 'Whether it was to be forwarded.';
comment on column public.email_replies.forwarded_at is 'When the provider took the forward; null before.';
comment on column public.email_replies.failed_at is 'When its forward was given up, or found no inbox; null otherwise.';
comment on column public.email_replies.reply_ts is 'When it came in.';
create index email_replies_ts_idx on public.email_replies (reply_ts);
comment on index public.email_replies_ts_idx is 'Counts by day, and the purge.';
create index email_replies_reply_to_idx on public.email_replies (reply_to) where reply_to is not null;
comment on index public.email_replies_reply_to_idx is 'The answers to a message.';
alter table public.email_replies enable row level security;
revoke all on public.email_replies from public, anon, authenticated;
grant select on public.email_replies to authenticated;
grant select, insert, update, delete on public.email_replies to service_role;
create policy "team reads replies" on public.email_replies for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads replies" on public.email_replies is 'Holds no personal data of its own: every role may read.';

create table public.email_events (
  id bigint generated always as identity constraint email_events_pkey primary key,
  event_type text not null check (event_type ~ '^[a-z][a-z_]{0,31}$'),
  message_id uuid,
  mail_id uuid,
  identity uuid,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now()
);
comment on table public.email_events is 'What happened with mails: reply, auto_reply, bounce, loop and other kinds of mail that came in, forward and relay, and what providers tell (processed, delivered, deferred, dropped, complaint, open, click).';
comment on constraint email_events_pkey on public.email_events is 'The order in which they were stored.';
comment on column public.email_events.id is 'Grows.';
comment on column public.email_events.event_type is 'What happened.';
comment on column public.email_events.message_id is 'The message of ours that it is about. Not a reference: figures outlive it.';
comment on column public.email_events.mail_id is 'The mail that came in, where one did.';
comment on column public.email_events.identity is 'The identity (email_identities.id).';
comment on column public.email_events.metadata is 'via, verdict, reasons, code and the like: words of the system, no addresses.';
comment on column public.email_events.created_at is 'When it was stored.';
create index email_events_created_idx on public.email_events (created_at);
comment on index public.email_events_created_idx is 'Counts of a period, and the purge.';
create index email_events_message_idx on public.email_events (message_id) where message_id is not null;
comment on index public.email_events_message_idx is 'What happened with a message.';
create index email_events_mail_idx on public.email_events (mail_id) where mail_id is not null;
comment on index public.email_events_mail_idx is 'What happened with a mail that came in.';
alter table public.email_events enable row level security;
revoke all on public.email_events from public, anon, authenticated;
grant select on public.email_events to authenticated;
grant select, insert, update, delete on public.email_events to service_role;
create policy "team reads mail events" on public.email_events for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads mail events" on public.email_events is 'Holds no personal data of its own: every role may read.';

create table private.mail_senders (
  id uuid constraint mail_senders_pkey primary key,
  message_id uuid references public.messages (id) on delete cascade,
  conversation_id uuid,
  address text not null,
  recipient text not null,
  text_hash text,
  created_at timestamptz not null
);
comment on table private.mail_senders is 'Who wrote which mail to which address of ours, and when: how fast two machines answer each other, and what somebody wrote in other people''s conversations.';
comment on constraint mail_senders_pkey on private.mail_senders is 'A mail has one sender.';
comment on column private.mail_senders.id is 'Of the mail; that of its message, where it became one.';
comment on column private.mail_senders.message_id is 'The message; null of a loop, which becomes none.';
comment on column private.mail_senders.conversation_id is 'The conversation that it belongs to; null if none. Not a reference: the row goes with its message, or after days.';
comment on column private.mail_senders.address is 'The address in From, in lower case.';
comment on column private.mail_senders.recipient is 'The address of ours that it came to, in lower case.';
comment on column private.mail_senders.text_hash is 'Hash of the text, for the same text again; null where none was given.';
comment on column private.mail_senders.created_at is 'When it came.';
create index mail_senders_pair_idx on private.mail_senders (address, recipient, created_at);
comment on index private.mail_senders_pair_idx is 'How much an address wrote to one of ours of late; and all that somebody wrote.';
create index mail_senders_conversation_idx on private.mail_senders (conversation_id, address, created_at) where conversation_id is not null;
comment on index private.mail_senders_conversation_idx is 'How much an address wrote in a conversation of late.';
create index mail_senders_message_idx on private.mail_senders (message_id) where message_id is not null;
comment on index private.mail_senders_message_idx is 'Who wrote a message; serves the foreign key.';
create index mail_senders_loops_idx on private.mail_senders (created_at) where message_id is null;
comment on index private.mail_senders_loops_idx is 'Loops by age, for the purge.';
alter table private.mail_senders enable row level security;
revoke all on private.mail_senders from public, anon, authenticated;
grant select, insert, update, delete on private.mail_senders to service_role;

-- Who gets no mail --------------------------------------------------------------------------------

create table public.suppressions (
  address text not null check (address = lower(address) and address ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  scope text not null default 'all' check (scope in ('all', 'bulk')),
  reason text not null check (reason ~ '^[a-z][a-z_]{0,31}$'),
  source text not null check (source ~ '^[a-z][a-z0-9_]{0,31}$'),
  since timestamptz not null default now(),
  by text not null default private.actor(),
  constraint suppressions_pkey primary key (address, scope)
);
comment on table public.suppressions is 'Addresses that get no mail, whoever sends.';
comment on constraint suppressions_pkey on public.suppressions is 'Asked for each mail, when it is queued and when it goes.';
comment on column public.suppressions.address is 'In lower case.';
comment on column public.suppressions.scope is 'all, or bulk: mail to one person still goes.';
comment on column public.suppressions.reason is 'bounce, complaint, unsubscribe, dropped, manual and the like; the first stays.';
comment on column public.suppressions.source is 'Who told: a provider, mail (the person, by a mail), or team.';
comment on column public.suppressions.since is 'Since when.';
comment on column public.suppressions.by is 'Which user or role wrote it.';
create index suppressions_since_idx on public.suppressions (since, address, scope);
comment on index public.suppressions_since_idx is 'The list, newest first, page by page.';
alter table public.suppressions enable row level security;
revoke all on public.suppressions from public, anon, authenticated;
grant select, insert, update, delete on public.suppressions to service_role;

create table private.erased_suppressions (
  hash bytea not null,
  scope text not null,
  reason text not null,
  since timestamptz not null,
  constraint erased_suppressions_pkey primary key (hash, scope)
);
comment on table private.erased_suppressions is 'Suppressions of people who were erased: they get no mail for that.';
comment on constraint erased_suppressions_pkey on private.erased_suppressions is 'Asked by the hash of an address.';
comment on column private.erased_suppressions.hash is 'Keyed hash of the address.';
comment on column private.erased_suppressions.scope is 'all or bulk.';
comment on column private.erased_suppressions.reason is 'Why.';
comment on column private.erased_suppressions.since is 'Since when.';
alter table private.erased_suppressions enable row level security;
revoke all on private.erased_suppressions from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.erased_suppressions to service_role;

create function private.suppression_of(p_address text, p_bulk boolean) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_reason text;
begin
  select s.reason into v_reason from public.suppressions s
  where s.address = lower(p_address) and (s.scope = 'all' or p_bulk) limit 1;
  if not found and exists (select from private.erased_suppressions) then
    select s.reason into v_reason from private.erased_suppressions s
    where s.hash = private.keyed_hash('email ' || lower(p_address)) and (s.scope = 'all' or p_bulk) limit 1;
  end if;
  return v_reason;
end $$;
comment on function private.suppression_of(text, boolean) is 'Why an address gets no mail, or no bulk mail; null where it does.';

create function private.suppress(p_address text, p_scope text, p_reason text, p_source text, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  if p_address is null or lower(p_address) !~ '^[^@[:space:]]+@[^@[:space:]]+$' then
    return false;
  end if;
  insert into public.suppressions (address, scope, reason, source, since)
  values (lower(p_address), case p_scope when 'bulk' then 'bulk' else 'all' end,
    case when p_reason ~ '^[a-z][a-z_]{0,31}$' then p_reason else 'other' end, p_source, p_now)
  on conflict (address, scope) do nothing;
  return found;
end $$;
comment on function private.suppress(text, text, text, text, timestamptz) is 'Puts an address on the list; false where it stands there, or is none.';

create function private.mail_refusal(p_conversation public.conversations, p_message jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_bulk boolean := coalesce((p_message ->> 'bulk')::boolean, false);
begin
  if exists (
    select from public.contact_identities i
    where i.contact_id = p_conversation.contact_id and i.kind = 'email' and i.valid_to is null
      and private.suppression_of(i.value, v_bulk) is not null) then
    return 'suppressed';
  end if;
  if exists (select from private.inboxes i where i.from_email = p_conversation.number_id and i.state = 'unverified') then
    return 'identity_unverified';
  end if;
  return null;
end $$;
comment on function private.mail_refusal(public.conversations, jsonb) is 'Why a mail may not go in a conversation: suppressed (the address gets no mail, or no bulk mail), identity_unverified; null where it may.';

-- Files in object storage -------------------------------------------------------------------------

create table public.storage_objects (
  bucket text not null check (bucket ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  path text not null check (length(path) between 1 and 512),
  kind text not null check (kind in ('raw', 'attachment', 'media')),
  place integer,
  bytes bigint not null check (bytes >= 0),
  of_message boolean not null,
  message_id uuid references public.messages (id) on delete set null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  constraint storage_objects_pkey primary key (bucket, path)
);
comment on table public.storage_objects is 'Files that we keep in object storage: raw mails, attachments, media. What is past its time, or whose message is gone, is removed by the clock.';
comment on constraint storage_objects_pkey on public.storage_objects is 'A file is named by bucket and path.';
comment on column public.storage_objects.bucket is 'The bucket; private.';
comment on column public.storage_objects.path is 'Where in it. Made of ids and numbers, never of names that a stranger gave.';
comment on column public.storage_objects.kind is 'raw (a whole mail), attachment (of a mail) or media (a file of WhatsApp).';
comment on column public.storage_objects.place is 'Number of the attachment in its message; null for others.';
comment on column public.storage_objects.bytes is 'Its size.';
comment on column public.storage_objects.of_message is 'Whether it belongs to a message: without it, it is to be removed.';
comment on column public.storage_objects.message_id is 'The message.';
comment on column public.storage_objects.expires_at is 'When it is to be removed.';
comment on column public.storage_objects.created_at is 'When we heard of it.';
create index storage_objects_message_idx on public.storage_objects (message_id) where message_id is not null;
comment on index public.storage_objects_message_idx is 'The files of a message; serves the foreign key.';
create index storage_objects_expires_idx on public.storage_objects (expires_at);
comment on index public.storage_objects_expires_idx is 'What is past its time.';
create index storage_objects_orphans_idx on public.storage_objects (bucket, path) where of_message and message_id is null;
comment on index public.storage_objects_orphans_idx is 'Whose message is gone.';
alter table public.storage_objects enable row level security;
revoke all on public.storage_objects from public, anon, authenticated;
grant select, insert, update, delete on public.storage_objects to service_role;

create function private.storage_days() returns integer
language plpgsql stable set search_path = '' as $$
begin
  return greatest(1, coalesce((select s.value::integer from public.settings s where s.key = 'retention.mail_days'), 30));
end $$;
comment on function private.storage_days() is 'Days for which raw mails and attachments are kept: the setting retention.mail_days, else 30.';

create function private.keep_objects(p_objects jsonb, p_expires_at timestamptz, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.storage_objects as s (bucket, path, kind, place, bytes, of_message, message_id, expires_at, created_at)
  select distinct on (o.bucket, o.path) o.bucket, o.path, o.kind, o.index, coalesce(o.bytes, 0), o.message_id is not null, o.message_id,
    p_expires_at, p_now
  from jsonb_to_recordset(p_objects) as o (bucket text, path text, kind text, index integer, bytes bigint, message_id uuid)
  order by o.bucket, o.path
  on conflict (bucket, path) do update set kind = excluded.kind, place = excluded.place, bytes = excluded.bytes,
    of_message = excluded.of_message or s.of_message, message_id = coalesce(excluded.message_id, s.message_id),
    expires_at = greatest(excluded.expires_at, s.expires_at);
end $$;
comment on function private.keep_objects(jsonb, timestamptz, timestamptz) is 'Notes files [{bucket, path, kind, index, bytes, message_id}]; without a message_id, of no message yet.';

create function public.note_storage_objects(p_objects jsonb) returns integer
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.keep_objects((select jsonb_agg(o.file - 'message_id') from jsonb_array_elements(p_objects) as o (file)), clock_timestamp() + interval '1 day', clock_timestamp());
  return jsonb_array_length(p_objects);
end $$;
comment on function public.note_storage_objects(jsonb) is 'Notes files [{bucket, path, kind, index, bytes}] that are about to be uploaded: they are removed after a day unless a message comes to own them. Answers how many. For secret keys.';

create function private.storage_purges_are_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.storage_objects o where o.expires_at <= p_now)
    or exists (select from public.storage_objects o where o.of_message and o.message_id is null);
end $$;
comment on function private.storage_purges_are_due(timestamptz) is 'Whether there are files to remove. For the clock.';

create function public.claim_storage_purges(p_limit integer default 100) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('bucket', d.bucket, 'path', d.path)), '[]')
    from (
      (select o.bucket, o.path from public.storage_objects o where o.of_message and o.message_id is null limit p_limit)
      union
      (select o.bucket, o.path from public.storage_objects o where o.expires_at <= clock_timestamp() order by o.expires_at limit p_limit)
      limit p_limit
    ) d);
end $$;
comment on function public.claim_storage_purges(integer) is 'Files to remove, [{bucket, path}]. Takes no lease: removing twice is harmless. For secret keys.';

create function public.settle_storage_purges(p_objects jsonb) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  perform private.refuse_older_code();
  delete from public.storage_objects o
  using jsonb_to_recordset(p_objects) as r (bucket text, path text)
  where o.bucket = r.bucket and o.path = r.path
    and (o.expires_at <= clock_timestamp() or o.of_message and o.message_id is null);
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function public.settle_storage_purges(jsonb) is 'Forgets files [{bucket, path}] that were removed; one that a message came to own meanwhile stays noted. Answers how many. For secret keys.';

-- Resolving: which message a mail answers, and who writes ------------------------------------------

create function private.uuid_in(p_text text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  return substring(lower(p_text) from '^<?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(@|$)')::uuid;
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
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
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
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
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
begin
  select * into v_found from private.answered_mail(p_mail);
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
    'last_hour', (
      select count(*) from private.lately_from(v_from, v_conversation, lower(p_mail ->> 'recipient'), p_now) l
      where l.created_at > p_now - interval '1 hour'),
    'same_text', (
      select count(*) from private.lately_from(v_from, v_conversation, lower(p_mail ->> 'recipient'), p_now) l
      where l.text_hash = p_mail ->> 'text_hash'
        and l.created_at > p_now - make_interval(secs => least(coalesce((p_mail ->> 'text_seconds')::integer, 60), 86400))),
    'suppressed', coalesce(private.suppression_of(v_from, false) is not null, false));
end $$;
comment on function private.resolve_mail(jsonb, timestamptz) is 'resolve_mails for one mail, with the time given.';

create function public.resolve_mails(p_mails jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
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
  inbox private.inboxes, seq bigint, verdict text, code text, sent uuid, token text
);
comment on type private.mail is 'A mail as the intake works on it. kept: message (it becomes a message of the person), relay (a message of ours), event (nothing but that it came).';

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
  select m.id, m.direction, m.conversation_id, c.contact_id, c.number_id into v_place
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

create function private.store_mail(p_mail private.mail, p_now timestamptz) returns private.mail
language plpgsql set search_path = '' as $$
declare
  v_mail private.mail := p_mail;
  v_item jsonb := p_mail.item;
  v_answered record;
  v_forward boolean := coalesce((v_item ->> 'forward')::boolean, false);
  v_arm text;
  v_subject text;
  v_counts jsonb := '[]';
  v_outcome jsonb := '[]';
begin
  select a.provider_id, a.thread_id, a.native into v_answered from public.messages a where a.id = v_mail.answered;
  if v_forward and (v_mail.inbox).forward_to is null then
    v_forward := false;
    v_mail.code := coalesce(v_mail.code, 'unknown_identity');
    v_mail.verdict := case v_mail.verdict when 'forward' then 'store' else v_mail.verdict end;
  elsif v_forward and (v_mail.inbox).state = 'paused' then
    v_mail.code := coalesce(v_mail.code, 'identity_paused');
  end if;
  insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, reply_to, native, status, traceparent,
    thread_id, sent_at, created_at)
  values (v_mail.id, 'email', v_mail.conversation_id, 'in', v_item ->> 'message_id', 'email', v_item ->> 'text', v_answered.provider_id,
    coalesce(nullif(v_item -> 'mail', 'null'), '{}') || jsonb_build_object(
      'subject', v_item -> 'subject', 'from', v_item -> 'from', 'recipient', v_item -> 'recipient', 'message_id', v_item -> 'message_id',
      'in_reply_to', v_item -> 'in_reply_to', 'references', coalesce(nullif(v_item -> 'references', 'null'), '[]'), 'kind', v_item -> 'kind',
      'verdict', v_mail.verdict, 'reasons', coalesce(nullif(v_item -> 'reasons', 'null'), '[]'), 'via', v_item -> 'via',
      'verified', coalesce((v_item ->> 'verified')::boolean, false), 'automatic', coalesce((v_item ->> 'automatic')::boolean, false),
      'is_recipient', coalesce((v_item ->> 'is_recipient')::boolean, false), 'text_full', v_item -> 'text_full',
      'answers', v_mail.answered, 'send_domain', v_item -> 'send_domain', 'key', v_item -> 'key'),
    'received', v_item ->> 'traceparent', coalesce(v_answered.thread_id, v_mail.answered, v_mail.id),
    case when (v_item ->> 'at')::timestamptz <= p_now then (v_item ->> 'at')::timestamptz else p_now end, p_now)
  returning seq into v_mail.seq;
  if (v_item ->> 'counted')::boolean then
    v_arm := private.reply_arm(v_item ->> 'via', v_mail.answered, v_mail.direction, v_answered.native);
    insert into public.email_replies (message_id, reply_to, via, arm, identity, campaign_id, verified, is_recipient, forward_wanted, failed_at, reply_ts)
    values (v_mail.id, v_mail.answered, coalesce(v_item ->> 'via', 'none'), v_arm, (v_mail.inbox).identity, private.uuid_in(v_answered.native ->> 'campaign_id'),
      coalesce((v_item ->> 'verified')::boolean, false), coalesce((v_item ->> 'is_recipient')::boolean, false),
      coalesce((v_item ->> 'forward')::boolean, false), case when (v_item ->> 'forward')::boolean and not v_forward then p_now end, p_now);
    v_subject := private.token_arm(v_answered.native ->> 'user_id', v_mail.inbox);
    -- An identity without an inbox fails its user, who counts once, however many write.
    if not v_forward then
      v_outcome := private.reply_outcome(v_arm, v_subject, coalesce((v_item ->> 'forward')::boolean, false), null, p_now);
    end if;
    select jsonb_agg(jsonb_build_object('name', c.name, 'subject', v_subject)) into v_counts
    from (values ('reply.received', true), ('reply.legacy', v_item ->> 'via' = 'legacy'), ('reply.to_forward', (v_item ->> 'forward')::boolean),
        ('reply.threaded', exists (
          select from jsonb_array_elements_text(coalesce(nullif(v_item -> 'references', 'null'), '[]') || coalesce(nullif(v_item -> 'in_reply_to', 'null'), '[]')) r
          where private.uuid_in(r) is not null)))
      as c (name, counts)
    where c.counts;
  end if;
  if v_forward and private.forward_reply_to() = 'token' and private.answers_by_token(v_mail.inbox) then
    v_mail.token := private.make_reply_token(v_mail.id, p_now);
  end if;
  v_mail.item := v_item || jsonb_build_object('forward', v_forward, 'counts', v_counts, 'outcomes', v_outcome);
  return v_mail;
end $$;
comment on function private.store_mail(private.mail, timestamptz) is 'Stores a mail as a message of the person, with what is counted of it. The caller holds the conversation''s lock, and makes the forward.';

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

create function private.note_mails(p_mails private.mail[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_objects jsonb;
  v_tokens integer;
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
  v_tokens := (select count(*) from unnest(p_mails) m where m.token is not null);
  if v_tokens > 0 then
    perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'reply_tokens', 'label', 'created', 'n', v_tokens)));
  end if;
end $$;
comment on function private.note_mails(private.mail[], timestamptz) is 'What is noted of each mail of a batch, in a statement for all: who wrote, its files, its event, the tokens that were made.';

create function private.ingest_mails(p_mails jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_mails private.mail[];
  v_mail private.mail;
  v_stored integer[];
  v_place integer;
  v_conversations uuid[];
  v_deliveries private.new_delivery[];
  v_route boolean;
  v_counts jsonb := '[]';
  v_outcomes jsonb := '[]';
  v_answers jsonb := '[]';
begin
  select array_agg(private.read_mail(e.item, e.ord) order by e.ord) into v_mails
  from jsonb_array_elements(p_mails) with ordinality as e (item, ord);
  if v_mails is null then
    return v_answers;
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
    if v_place <> all (v_stored) then
      v_mail := v_mails[v_place];
      v_mail.kept := 'duplicate';
      v_mails[v_place] := v_mail;
    end if;
  end loop;
  perform public.add_counts(jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_mails)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', cardinality(v_stored)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_mails) - cardinality(v_stored))));

  v_mails := private.place_mails(v_mails);
  v_conversations := array(select distinct m.conversation_id from unnest(v_mails) m where m.kept in ('message', 'relay') order by 1);
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;
  if (select count(*) from public.conversations c where c.id = any (v_conversations)) < cardinality(v_conversations) then
    raise exception 'a person was erased in this moment' using errcode = 'serialization_failure';
  end if;

  for v_place in 1 .. cardinality(v_mails) loop
    v_mail := v_mails[v_place];
    if v_mail.kept = 'message' then
      v_mail := private.store_mail(v_mail, p_now);
      v_counts := v_counts || (v_mail.item -> 'counts');
      v_outcomes := v_outcomes || (v_mail.item -> 'outcomes');
      if (v_mail.item ->> 'forward')::boolean then
        v_deliveries := v_deliveries || (v_mail.id, (v_mail.inbox).destination_id, v_mail.conversation_id, 'email', v_mail.seq, null)::private.new_delivery;
      end if;
      v_route := v_mail.verdict = 'forward' or v_mail.item ->> 'kind' = 'new_mail';
      if not v_route then
        insert into public.routing_decisions (message_id, reason, revision, decided_at)
        values (v_mail.id, 'kept', (select r.revision from private.config_revision r), p_now);
      end if;
      update public.conversations c
      set last_inbound_at = greatest(c.last_inbound_at, p_now), last_message_at = p_now,
        unrouted_since = case when v_route then coalesce(c.unrouted_since, p_now) else c.unrouted_since end,
        routed_seq = case when not v_route and c.unrouted_since is null then greatest(c.routed_seq, v_mail.seq) else c.routed_seq end
      where c.id = v_mail.conversation_id;
    elsif v_mail.kept = 'relay' then
      v_mail := private.relay_mail(v_mail, p_now);
    end if;
    if v_mail.kept <> 'duplicate' then
      perform private.suppress(s.address, s.scope, s.reason, 'mail', p_now)
      from jsonb_to_recordset(coalesce(nullif(v_mail.item -> 'suppress', 'null'), '[]')) as s (address text, scope text, reason text);
    end if;
    v_mails[v_place] := v_mail;
    v_answers := v_answers || (jsonb_build_object('message_id', case when v_mail.kept in ('message', 'relay') then v_mail.id end)
      || jsonb_strip_nulls(jsonb_build_object(
      'outcome', case v_mail.kept when 'duplicate' then 'duplicate' else 'stored' end,
      'via', coalesce(v_mail.item ->> 'via', 'none'), 'verdict', v_mail.verdict,
      'forward_to', case when v_mail.kept = 'message' and (v_mail.item ->> 'forward')::boolean then (v_mail.inbox).forward_to end,
      'relayed', case when v_mail.kept = 'relay' and coalesce(v_mail.code, 'gone') = 'gone' then true end,
      'code', v_mail.code)));
  end loop;
  perform private.note_mails(v_mails, p_now);
  if v_deliveries is not null then
    perform private.make_deliveries(v_deliveries, null, p_now);
  end if;
  perform private.count_mails(v_counts, v_outcomes, p_now);
  return v_answers;
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

-- Forwards ----------------------------------------------------------------------------------------

create function private.inbox_config(p_destination_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('identity', i.identity, 'from_email', i.from_email, 'display_name', i.display_name, 'user_id', i.user_id,
      'forward_to', i.forward_to, 'is_default', i.is_default, 'verified', i.verified_at is not null, 'provider', i.provider)
    from private.inboxes i where i.destination_id = p_destination_id);
end $$;
comment on function private.inbox_config(uuid) is 'What the adapter of kind inbox needs of a destination: {identity, from_email, display_name, user_id, forward_to, is_default, verified, provider}; null for another kind.';

create function private.mail_to_forward(p_message_id uuid, p_native jsonb, p_number_id text, p_contact_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_token text := private.reply_token_of(p_message_id);
  v_answered uuid := private.uuid_in(p_native ->> 'answers');
begin
  return jsonb_build_object(
    'token', v_token, 'reply_to', case when private.forward_reply_to() = 'sender' then 'sender' when v_token is not null then 'token' else 'legacy' end,
    'message_id_header', format('<%s@%s>', p_message_id, private.mail_domain(p_native, p_number_id)),
    'answered', (
      select jsonb_build_object('message_id_header', format('<%s@%s>', m.id, private.mail_domain(m.native, p_number_id)),
        'subject', m.native ->> 'subject')
      from public.messages m where m.id = v_answered),
    'contact', jsonb_build_object('address', coalesce(private.address_of(p_contact_id, 'email', p_number_id), ''),
      'name', coalesce((select c.name from public.contacts c where c.id = p_contact_id), '')),
    'from', jsonb_build_object('address', coalesce(p_native #>> '{from,address}', ''), 'name', coalesce(p_native #>> '{from,name}', '')), 'other_sender', not exists (
      select from public.contact_identities i
      where i.contact_id = p_contact_id and i.kind = 'email' and i.valid_to is null and i.value = lower(p_native #>> '{from,address}')),
    'kind', coalesce(p_native ->> 'kind', 'reply'), 'objects', (
      select coalesce(jsonb_agg(jsonb_build_object('bucket', o.bucket, 'path', o.path, 'kind', o.kind, 'index', o.place) order by o.place nulls first), '[]')
      from public.storage_objects o where o.message_id = p_message_id));
end $$;
comment on function private.mail_to_forward(uuid, jsonb, text, uuid) is 'What the adapter of kind inbox needs to forward a mail beside the message: {token, reply_to (token, legacy, sender), message_id_header, answered, contact, from, other_sender, kind, objects}.';

-- A provider that must not be asked twice: what became of a call that nobody came back from, nobody knows.
create function private.sends_once(p_provider text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_provider in ('sendgrid', 'twilio', 'telnyx');
end $$;
comment on function private.sends_once(text) is 'Whether a message must not be handed to this provider again while it is not known what became of the first time: it has no idempotency keys.';

create function private.forward_was_reported(p_message_id uuid, p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.email_events e
    where e.mail_id = p_message_id and e.metadata ->> 'forward' = 'true' and e.created_at > p_now - interval '10 minutes'
      and e.event_type in ('processed', 'sent', 'deferred', 'delivered'));
end $$;
comment on function private.forward_was_reported(uuid, timestamptz) is 'Whether the provider reported the forward of a mail of late: its report may come before the answer that was lost, while the forward still counts as under way.';

create function private.give_up_forwards(p_destination_id uuid, p_conversation_id uuid, p_now timestamptz) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[];
  v_reported uuid[];
begin
  if not exists (select from private.inboxes i where i.destination_id = p_destination_id and private.sends_once(i.provider)) then
    return;
  end if;
  v_lanes := array(
    select l.conversation_id from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = 'email' and l.lease is not null and l.due_at <= p_now
      and (p_conversation_id is null or l.conversation_id = p_conversation_id)
    order by l.due_at limit 1000 for update skip locked);
  if v_lanes = '{}' then
    return;
  end if;
  update public.deliveries d
  set state = 'dead', wakes = false, last_error = 'unknown_outcome: whoever sent it did not come back', updated_at = p_now
  where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.state = 'leased'
    and not private.forward_was_reported(d.message_id, p_now);
  with reported as (
    update public.deliveries d
    set state = 'delivered', delivered_at = p_now, last_error = null, updated_at = p_now
    where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.state = 'leased'
    returning d.id
  )
  select array_agg(r.id) into v_reported from reported r;
  perform private.note_forwards(array(
    select jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', r.id, 'destination_id', p_destination_id, 'outcome', 'delivered'))
    from unnest(v_reported) as r (id)), p_now);
  perform private.release_lane(p_destination_id, conversation_id) from unnest(v_lanes) as conversation_id;
end $$;
comment on function private.give_up_forwards(uuid, uuid, timestamptz) is 'Forwards whose lease is over, at a provider that must not be asked twice, become dead letters with unknown_outcome, unless the provider reported them, and what comes after them goes on.';

create function private.note_forwards(p_settled private.settlement[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_forward record;
  v_reply record;
  v_counts jsonb := '[]';
  v_outcomes jsonb := '[]';
begin
  for v_forward in
    select s.delivery_id, d.message_id, d.attempt > 1 as tried, s.outcome, s.error, i.identity, m.native, m.created_at, to_jsonb(i) as inbox,
      (select c.contact_id::text from public.conversations c where c.id = m.conversation_id) as contact_id, coalesce(s.error like 'unknown_outcome%', false) as unknown
    from unnest(p_settled) s
    cross join lateral (select i.* from private.inboxes i where i.destination_id = s.destination_id limit 1) i
    cross join lateral (select x.message_id, x.attempt from public.deliveries x where x.id = s.delivery_id limit 1) d
    cross join lateral (select x.native, x.created_at, x.conversation_id from public.messages x where x.id = d.message_id limit 1) m
    where s.outcome in ('delivered', 'dead') or s.outcome = 'retry' and d.attempt = 1
  loop
    -- A reply counts once: by its first attempt, as what is given up after a day would come too late for the guard.
    if v_forward.outcome = 'retry' then
      v_outcomes := v_outcomes || coalesce((
        select private.reply_outcome(r.arm, v_forward.contact_id, true, null, p_now)
        from public.email_replies r where r.message_id = v_forward.message_id and r.forwarded_at is null and r.failed_at is null), '[]');
      continue;
    end if;
    -- The provider's report was faster than its answer.
    if v_forward.unknown and private.forward_was_reported(v_forward.message_id, p_now) then
      update public.deliveries d set state = 'delivered', delivered_at = p_now, last_error = null
      where d.id = v_forward.delivery_id and d.state = 'dead';
      v_forward.outcome := 'delivered';
      v_forward.error := null;
      v_forward.unknown := false;
    end if;
    insert into public.email_events (event_type, message_id, mail_id, identity, metadata, created_at)
    values (case when v_forward.outcome = 'delivered' then 'forward' when v_forward.unknown then 'forward_unknown' else 'forward_failed' end,
      private.uuid_in(v_forward.native ->> 'answers'), v_forward.message_id, v_forward.identity,
      jsonb_strip_nulls(jsonb_build_object('code', split_part(v_forward.error, ':', 1))), p_now);
    continue when v_forward.unknown;
    update public.email_replies r
    set forwarded_at = case when v_forward.outcome = 'delivered' then p_now end,
      failed_at = case when v_forward.outcome = 'dead' then p_now end
    where r.message_id = v_forward.message_id and r.forwarded_at is null and (r.failed_at is null or v_forward.outcome = 'delivered')
    returning r.arm, r.reply_to into v_reply;
    if not found then
      continue;
    end if;
    if not v_forward.tried then
      -- Under the person whose reply it is: of one identity's replies, each that fails is another person's.
      v_outcomes := v_outcomes || private.reply_outcome(v_reply.arm, v_forward.contact_id, v_forward.outcome = 'dead', case when v_forward.outcome = 'delivered'
          then round(extract(epoch from p_now - v_forward.created_at) * 1000)::bigint end, p_now);
    end if;
    if v_forward.outcome = 'delivered' then
      v_counts := v_counts || jsonb_build_object('name', 'reply.forwarded', 'subject', coalesce(
        (select a.native ->> 'user_id' from public.messages a where a.id = v_reply.reply_to), v_forward.inbox ->> 'user_id', v_forward.inbox ->> 'identity'));
    end if;
  end loop;
  perform private.count_mails(v_counts, v_outcomes, p_now);
end $$;
comment on function private.note_forwards(private.settlement[], timestamptz) is 'Writes down which forwards went and which were given up: the reply, the events, and the outcome for the guard.';

-- What providers tell of mails that we sent -------------------------------------------------------

-- The team reads events: no address of a person stands there, whatever a provider or a reason says.
create function private.without_addresses(p_list jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(regexp_replace(e.item, '[^[:space:]@<>"(),;:]+@[^[:space:]@<>"(),;:]+', '…', 'g') order by e.place), '[]')
    from jsonb_array_elements_text(case jsonb_typeof(p_list) when 'array' then p_list else '[]' end) with ordinality as e (item, place));
end $$;
comment on function private.without_addresses(jsonb) is 'A list of sentences with … in place of each mail address.';

create function private.event_words(p_metadata jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    from jsonb_each(case jsonb_typeof(p_metadata) when 'object' then p_metadata else '{}' end) e
    where e.key in ('attempt', 'bounce', 'class', 'classification', 'code', 'machine', 'status', 'url_offset')
      and jsonb_typeof(e.value) in ('string', 'number', 'boolean') and e.value::text !~ '@' and length(e.value::text) <= 100);
end $$;
comment on function private.event_words(jsonb) is 'What of an event''s metadata is kept where the team reads it: short words of the system.';

create function private.mail_status(p_event text, out status text, out rank smallint)
language sql immutable set search_path = '' as $$
  select case when p_event in ('processed', 'sent') then 'sent' when p_event in ('bounce', 'blocked', 'dropped') then 'failed'
      when p_event = 'delivered' then 'delivered' end,
    case when p_event in ('processed', 'sent') then 1 when p_event in ('bounce', 'blocked', 'dropped') then 2
      when p_event = 'delivered' then 3 end::smallint
$$;
comment on function private.mail_status(text) is 'Which status of a message an event tells, and its rank; null for an event that tells none.';

create function private.was_blocked(p_contact_id uuid, p_now timestamptz) returns bigint
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return (
    select count(distinct m.id)
    from public.conversations c
    cross join lateral (
      select x.id from public.messages x where x.conversation_id = c.id order by x.seq desc limit 100) m
    join public.email_events e on e.message_id = m.id and e.event_type = 'blocked' and e.created_at > p_now - interval '7 days'
    where c.contact_id = p_contact_id and c.channel = 'email');
end $$;
comment on function private.was_blocked(uuid, timestamptz) is 'How many of the latest mails to a person were refused for now, or for a reason that is not the address, within 7 days.';

create function private.ingest_mail_events(p_events jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_answer jsonb;
  v_event record;
  v_about record;
  v_found record;
  v_delivery uuid;
  v_address text;
begin
  -- Once each, and moving messages forward by rank, is what every channel's statuses get.
  v_answer := private.ingest_updates((
    select coalesce(jsonb_agg(jsonb_build_object(
      'key', e.item ->> 'key', 'channel', 'email', 'provider', e.item ->> 'provider', 'field', 'event', 'kind',
        case when s.status is null or private.uuid_in(e.item ->> 'delivery') is not null then 'other' else 'status' end,
      'at', e.item -> 'at', 'provider_id', e.item -> 'provider_id', 'callback', e.item -> 'message', 'status', s.status, 'rank', s.rank,
      'error', case when s.status = 'failed' then coalesce(nullif(e.item -> 'error', 'null'), jsonb_build_object('code', e.item ->> 'event')) end,
      'raw', coalesce(e.item -> 'raw', 'null')) order by e.place), '[]')
    from jsonb_array_elements(p_events) with ordinality as e (item, place)
    cross join lateral private.mail_status(e.item ->> 'event') s));
  for v_event in
    select e.item, e.place from jsonb_array_elements(p_events) with ordinality as e (item, place)
    where substr(v_answer ->> 'outcomes', e.place::integer, 1) = 's' order by e.item ->> 'address', e.place
  loop
    v_delivery := private.uuid_in(v_event.item ->> 'delivery');
    select m.id, c.contact_id, c.number_id, o.recipient into v_about
    from (
      (select x.id, x.conversation_id from public.messages x
      where x.id = private.uuid_in(v_event.item ->> 'message') and x.channel = 'email' limit 1)
      union all
      (select x.id, x.conversation_id from public.messages x
      where x.provider_id = v_event.item ->> 'provider_id' and x.channel = 'email' and x.direction = 'out' limit 1)
      limit 1) m
    join public.conversations c on c.id = m.conversation_id
    left join public.outbound_messages o on o.id = m.id;
    if v_delivery is not null then
      -- Who settles it meanwhile sees this report, or this sees what was settled.
      perform private.lock_lanes(array[v_delivery]);
    end if;
    select i.identity, i.destination_id, d.message_id, d.state, d.last_error into v_found
    from public.deliveries d left join private.inboxes i on i.destination_id = d.destination_id where d.id = v_delivery;
    insert into public.email_events (event_type, message_id, mail_id, identity, metadata, created_at)
    values (case when v_event.item ->> 'event' ~ '^[a-z][a-z_]{0,31}$' then v_event.item ->> 'event' else 'other' end,
      v_about.id, v_found.message_id, coalesce(v_found.identity, (select i.identity from private.inboxes i where i.from_email = v_about.number_id)),
      private.event_words(v_event.item -> 'metadata') || case when v_delivery is not null then '{"forward": true}' else '{}' end::jsonb, p_now);
    if jsonb_typeof(v_event.item -> 'suppress') = 'object' and v_delivery is null then
      perform private.suppress(coalesce(nullif(v_event.item ->> 'address', ''), v_about.recipient,
          private.address_of(v_about.contact_id, 'email', v_about.number_id)),
        v_event.item #>> '{suppress,scope}', v_event.item #>> '{suppress,reason}', v_event.item ->> 'provider', p_now);
    end if;
    v_address := lower(coalesce(nullif(v_event.item ->> 'address', ''), v_about.recipient, private.address_of(v_about.contact_id, 'email', v_about.number_id)));
    -- One refusal says something of a server or of us; three in a week, of the address.
    if v_event.item ->> 'event' = 'blocked' and v_delivery is null and private.was_blocked(v_about.contact_id, p_now) >= 3 then
      perform private.suppress(v_address, 'all', 'bounce', v_event.item ->> 'provider', p_now);
    end if;
    if v_event.item ->> 'event' = 'resubscribe' then
      delete from public.suppressions s where s.address = v_address and s.scope = 'bulk' and s.reason = 'unsubscribe';
    end if;
    -- A forward of which nobody knew: the provider has it.
    if v_found.state = 'dead' and v_found.last_error like 'unknown_outcome%' and v_event.item ->> 'event' in ('processed', 'sent', 'deferred', 'delivered') then
      update public.deliveries d set state = 'delivered', delivered_at = p_now, last_error = null, updated_at = p_now
      where d.id = v_delivery and d.state = 'dead';
      if found then
        perform private.note_forwards(array[
          jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', v_delivery, 'destination_id', v_found.destination_id, 'outcome', 'delivered'))], p_now);
      end if;
    end if;
  end loop;
  return v_answer;
end $$;
comment on function private.ingest_mail_events(jsonb, timestamptz) is 'ingest_mail_events with the time given.';

create function public.ingest_mail_events(p_events jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.ingest_mail_events(p_events, clock_timestamp());
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.ingest_mail_events(jsonb) is 'Stores what a provider tells of mails that we sent, each once: [{provider, key, event, at, message (our id of it), delivery (of a forward), provider_id, address, error, suppress: {reason, scope}, metadata, raw}]. Moves statuses forward by rank, suppresses addresses (also what was blocked three times in 7 days), lifts what was unsubscribed in bulk and is subscribed again, and settles messages and forwards of which it was not known whether they went. Answers {outcomes: "sd…", freed}. For secret keys.';

-- What nobody knows whether it went ---------------------------------------------------------------

create function private.give_up_leases(p_channel text, p_number_id text, p_now timestamptz) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[] := array(
    select l.conversation_id from private.outbound_lanes l
    where l.channel = p_channel and l.number_id = p_number_id and l.lease is not null and l.due_at <= p_now
    order by l.due_at limit 1000 for update skip locked);
  v_ids uuid[];
begin
  if v_lanes = '{}' then
    return;
  end if;
  with given_up as (
    update public.outbound_messages o
    set state = 'unknown', error = '{"code": "lost", "message": "whoever sent it did not come back"}', updated_at = p_now
    where o.conversation_id = any (v_lanes) and o.state = 'leased'
    returning o.message_id
  )
  select array_agg(g.message_id order by g.message_id) into v_ids from given_up g;
  perform from public.messages m where m.id = any (v_ids) order by m.id for update;
  update public.messages m set status = 'unknown' where m.id = any (v_ids) and m.status_rank = 0;
  perform private.release_outbound_lanes(v_lanes);
end $$;
comment on function private.give_up_leases(text, text, timestamptz) is 'Messages of a sender whose lease is over, at a provider that must not be asked twice, become unknown, and what comes after them goes on.';

create function public.list_unknown(p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', u.id, 'what', u.what, 'channel', u.channel, 'sender', u.sender, 'contact_id', u.contact_id,
      'since', u.since, 'overdue', u.since <= clock_timestamp() - interval '15 minutes') order by u.since, u.id), '[]')
    from (
      (select o.id, 'message' as what, o.channel, o.number_id as sender, c.contact_id, o.updated_at as since
      from public.outbound_messages o join public.conversations c on c.id = o.conversation_id
      where o.state = 'unknown' and (p_filter ->> 'after_id' is null
        or (o.updated_at, o.id) > ((p_filter ->> 'after_at')::timestamptz, (p_filter ->> 'after_id')::uuid))
      order by o.updated_at, o.id limit least(greatest(p_limit, 1), 200))
      union all
      (select d.id, 'forward', 'email', c.number_id, c.contact_id, d.updated_at
      from public.deliveries d join public.conversations c on c.id = d.conversation_id
      where d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null and (p_filter ->> 'after_id' is null
        or (d.updated_at, d.id) > ((p_filter ->> 'after_at')::timestamptz, (p_filter ->> 'after_id')::uuid))
      order by d.updated_at, d.id limit least(greatest(p_limit, 1), 200))
      order by since, id limit least(greatest(p_limit, 1), 200)) u);
end $$;
comment on function public.list_unknown(integer, jsonb) is 'Messages and forwards of which nobody knows whether they went, the oldest first: [{id, what (message, forward), channel, sender, contact_id, since, overdue (15 minutes without a word of the provider: a person decides)}]. Filter: after_at with after_id, which are since and id of the last of the page before; at most 200. For viewers and secret keys.';

create function public.resolve_unknown(p_id uuid, p_how text, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_conversation uuid;
  v_contact uuid;
  v_now timestamptz := clock_timestamp();
  v_destination uuid;
begin
  perform private.require_role('operator');
  if p_how is null or p_how not in ('sent', 'resend', 'drop') then
    raise exception 'an unknown message is sent, resend or drop' using errcode = 'GL422';
  end if;
  if p_how = 'drop' and coalesce(trim(p_reason), '') = '' then
    raise exception 'dropping needs a reason' using errcode = 'GL422';
  end if;
  select o.conversation_id, c.contact_id into v_conversation, v_contact
  from public.outbound_messages o join public.conversations c on c.id = o.conversation_id where o.id = p_id and o.state = 'unknown';
  if found then
    if private.without_ids(p_reason, v_contact) is distinct from p_reason then
      raise exception 'the reason names a contact' using errcode = 'GL422', hint = 'The whole team reads it: leave out the number, the address and the id.';
    end if;
    perform from public.conversations c where c.id = v_conversation for update;
    perform from private.outbound_lanes l where l.conversation_id = v_conversation for update;
    perform from public.messages m where m.id = p_id for update;
    if not exists (select from public.outbound_messages o where o.id = p_id and o.state = 'unknown') then
      raise exception 'it is not unknown any more' using errcode = 'GL409';
    end if;
    if p_how = 'resend' then
      perform private.queue_again(p_id, v_now);
    else
      update public.outbound_messages o
      set state = case p_how when 'sent' then 'sent' else 'failed' end,
        error = case p_how when 'sent' then null else jsonb_build_object('code', 'dropped', 'message', p_reason) end, updated_at = v_now
      where o.id = p_id;
      update public.messages m
      set status = case p_how when 'sent' then 'sent' else 'failed' end, status_rank = case p_how when 'sent' then 1 else 2 end,
        error = case p_how when 'sent' then null else jsonb_build_object('code', 'dropped', 'message', p_reason) end
      where m.id = p_id and m.status_rank = 0;
    end if;
    insert into public.contact_acts (act, contact_id, message_id, reason) values (case p_how when 'resend' then 'resent' else 'resolved' end, v_contact, p_id, p_reason);
    return jsonb_build_object('id', p_id, 'what', 'message', 'status', (select o.state from public.outbound_messages o where o.id = p_id));
  end if;
  select d.destination_id into v_destination from public.deliveries d
  where d.id = p_id and d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null;
  if not found then
    raise exception 'nothing of this id is unknown' using errcode = 'GL404';
  end if;
  if p_how = 'resend' then
    perform public.retry_deliveries(array[p_id]);
  elsif p_how = 'drop' then
    perform public.drop_deliveries(array[p_id], p_reason);
  else
    perform private.lock_lanes(array[p_id]);
    update public.deliveries d set state = 'delivered', delivered_at = v_now, last_error = null, updated_at = v_now where d.id = p_id and d.state = 'dead';
    perform private.note_forwards(array[
      jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', p_id, 'destination_id', v_destination, 'outcome', 'delivered'))], v_now);
  end if;
  return jsonb_build_object('id', p_id, 'what', 'forward', 'status', (select d.state from public.deliveries d where d.id = p_id));
end $$;
comment on function public.resolve_unknown(uuid, text, text) is 'A person decides about a message or forward of which nobody knows whether it went: it was sent, it is sent again (resend), or it is dropped, with a reason. Answers {id, what, status}. For operators and secret keys. Errors: 42501 not allowed, GL404 nothing of this id is unknown, GL409 the provider told meanwhile, GL422 no such way, no reason, or one that names the contact.';

-- Identities, for people --------------------------------------------------------------------------

create table private.identity_checks (
  identity uuid not null,
  what text not null check (what in ('from', 'forward')),
  address text not null,
  hash bytea,
  attempts integer not null default 0,
  sent_at timestamptz,
  expires_at timestamptz,
  constraint identity_checks_pkey primary key (identity, what)
);
comment on table private.identity_checks is 'Addresses that are yet to be confirmed by a code that was mailed there.';
comment on constraint identity_checks_pkey on private.identity_checks is 'An identity has one address to confirm of each kind.';
comment on column private.identity_checks.identity is 'email_identities.id. Not a reference: that table may be dropped.';
comment on column private.identity_checks.what is 'from (the address is the user''s) or forward (answers may go there).';
comment on column private.identity_checks.address is 'The address, in lower case.';
comment on column private.identity_checks.hash is 'Keyed hash of the code; null while none was sent.';
comment on column private.identity_checks.attempts is 'Wrong codes so far; after five a new one is needed.';
comment on column private.identity_checks.sent_at is 'When the code was made.';
comment on column private.identity_checks.expires_at is 'Until when it holds.';
alter table private.identity_checks enable row level security;
revoke all on private.identity_checks from public, anon, authenticated;
grant select, insert, update, delete on private.identity_checks to service_role;

create function private.without_local_part(p_address text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case when p_address is not null then left(p_address, 1) || '…@' || split_part(p_address, '@', 2) end;
end $$;
comment on function private.without_local_part(text) is 'An address as those see it who may not see it whole: its first character and its domain.';

create function private.require_identities() returns void
language plpgsql stable set search_path = '' as $$
begin
  if to_regclass('public.email_identities') is null then
    raise exception 'there is no table of identities' using errcode = 'GL404',
      hint = 'It was taken back: apply add_email_identities_and_msg_link again.';
  end if;
end $$;
comment on function private.require_identities() is 'Refuses (GL404) while email_identities is dropped: identities are used as they were, and cannot be changed.';

create function private.identity_json(p_inbox private.inboxes, p_whole boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_pending text := (select k.address from private.identity_checks k where k.identity = p_inbox.identity and k.what = 'forward');
begin
  return jsonb_build_object('id', p_inbox.identity, 'user_id', p_inbox.user_id, 'from_email', p_inbox.from_email,
    'display_name', p_inbox.display_name,
    'forward_to', case when p_whole then p_inbox.forward_to else private.without_local_part(p_inbox.forward_to) end,
    'forward_to_confirm', case when p_whole then v_pending else private.without_local_part(v_pending) end,
    'is_default', p_inbox.is_default, 'provider', p_inbox.provider, 'state', p_inbox.state, 'verified_at', p_inbox.verified_at,
    'destination', (select d.name from public.destinations d where d.id = p_inbox.destination_id), 'created_at', p_inbox.created_at);
end $$;
comment on function private.identity_json(private.inboxes, boolean) is 'An identity as people see it, the addresses that answers go to whole or cut.';

create function private.changed_identity(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select private.identity_json(i, true) from private.inboxes i where i.identity = p_id);
end $$;
comment on function private.changed_identity(uuid) is 'What functions that change an identity answer.';

create function public.list_identities(p_filter jsonb default '{}', p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.identity_json(i, private.sees_whole()) order by i.is_default desc, i.from_email), '[]')
    from (
      select * from private.inboxes x
      where (p_filter ->> 'after' is null or (not x.is_default, x.from_email) > (
          select not a.is_default, a.from_email from private.inboxes a where a.from_email = p_filter ->> 'after'))
        and (p_filter ->> 'search' is null
          or strpos(lower(concat_ws(' ', x.from_email, x.display_name, x.user_id)), lower(p_filter ->> 'search')) > 0)
      order by x.is_default desc, x.from_email limit p_limit) i);
end $$;
comment on function public.list_identities(jsonb, integer) is 'The identities that mail is sent as: [{id, user_id, from_email, display_name, forward_to, forward_to_confirm (an address that waits for its code), is_default, provider, state, verified_at, destination, created_at}]. Filter: any of search (part of the address, name or user) and after (the address of the last of the page before); at most p_limit, all without it. Viewers get addresses of inboxes cut. For viewers and secret keys.';

create function private.sees_whole() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return private.caller() not in ('anon', 'authenticated') or private.has_role('operator');
end $$;
comment on function private.sees_whole() is 'Whether whoever asks may see addresses whole.';

create function private.ask_forward(p_id uuid, p_address text) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_address text := lower(btrim(p_address));
begin
  if v_address !~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  if exists (select from private.inboxes i where i.from_email = v_address) then
    raise exception 'answers cannot go to an identity' using errcode = 'GL422', hint = 'Mail would go round: give the inbox of a person.';
  end if;
  insert into private.identity_checks as k (identity, what, address) values (p_id, 'forward', v_address)
  on conflict (identity, what) do update set address = excluded.address, hash = null, attempts = 0, sent_at = null, expires_at = null
  where k.address <> excluded.address;
end $$;
comment on function private.ask_forward(uuid, text) is 'Notes where answers shall go, once somebody there has confirmed it. GL422 for no address, or one of ours.';

create function public.add_identity(p_from_email text, p_options jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  perform private.require_identities();
  if lower(btrim(p_from_email)) !~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  if exists (select from public.email_identities i where i.from_email = lower(btrim(p_from_email))) then
    raise exception 'this identity exists already' using errcode = 'GL409';
  end if;
  insert into public.email_identities (user_id, from_email, display_name, provider, is_default)
  values (nullif(p_options ->> 'user_id', ''), p_from_email, nullif(p_options ->> 'display_name', ''), coalesce(p_options ->> 'provider', 'sendgrid'),
    not exists (select from public.email_identities i where i.is_default))
  returning id into v_id;
  insert into private.identity_checks (identity, what, address) values (v_id, 'from', lower(btrim(p_from_email)));
  if p_options ->> 'forward_to' is not null then
    perform private.ask_forward(v_id, p_options ->> 'forward_to');
  end if;
  return private.changed_identity(v_id);
end $$;
comment on function public.add_identity(text, jsonb) is 'Adds an identity, {user_id, display_name, forward_to, provider}; unverified, until a code that is mailed there comes back, and with nowhere to forward to until the same has happened there. The first one is the default. For operators and secret keys. Errors: 42501 not allowed, 23514 a value that cannot be, GL404 the table was taken back, GL409 it exists, GL422 no address.';

create function public.set_identity(p_id uuid, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_odd text := (select string_agg(k, ', ') from jsonb_object_keys(p_changes) k
    where k not in ('user_id', 'display_name', 'forward_to', 'is_default', 'state', 'provider'));
begin
  perform private.require_role('operator');
  perform private.require_identities();
  if v_odd is not null then
    raise exception 'an identity has no %', v_odd using errcode = 'GL422';
  end if;
  if p_changes ->> 'state' not in ('active', 'paused') then
    raise exception 'an identity is active or paused' using errcode = 'GL422';
  end if;
  if p_changes ->> 'state' = 'active' and exists (select from public.email_identities i where i.id = p_id and i.verified_at is null) then
    raise exception 'the address is not verified' using errcode = 'GL409', hint = 'Mail its code first, and enter it.';
  end if;
  if (p_changes ->> 'is_default')::boolean then
    update public.email_identities i set is_default = false where i.is_default and i.id <> p_id;
  end if;
  update public.email_identities i
  set user_id = case when p_changes ? 'user_id' then nullif(p_changes ->> 'user_id', '') else i.user_id end,
    display_name = case when p_changes ? 'display_name' then nullif(p_changes ->> 'display_name', '') else i.display_name end,
    forward_to = case when p_changes ? 'forward_to' and p_changes ->> 'forward_to' is null then null else i.forward_to end,
    is_default = coalesce((p_changes ->> 'is_default')::boolean, i.is_default),
    state = coalesce(p_changes ->> 'state', i.state), provider = coalesce(p_changes ->> 'provider', i.provider)
  where i.id = p_id;
  if not found then
    raise exception 'there is no such identity' using errcode = 'GL404';
  end if;
  if p_changes ->> 'forward_to' is not null and lower(btrim(p_changes ->> 'forward_to')) is distinct from (
      select i.forward_to from public.email_identities i where i.id = p_id) then
    perform private.ask_forward(p_id, p_changes ->> 'forward_to');
  elsif p_changes ? 'forward_to' then
    delete from private.identity_checks k where k.identity = p_id and k.what = 'forward';
  end if;
  return private.changed_identity(p_id);
end $$;
comment on function public.set_identity(uuid, jsonb) is 'Changes an identity, {user_id, display_name, forward_to, is_default, state (active, paused), provider}. Another forward_to takes effect once it is confirmed; null ends forwarding at once. For operators and secret keys. Errors: 42501 not allowed, 23514 a value that cannot be, GL404 no such identity, or the table was taken back, GL409 not verified, GL422 no such member, state or address.';

create function public.remove_identity(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  perform private.require_identities();
  delete from public.email_identities i where i.id = p_id;
  if not found then
    raise exception 'there is no such identity' using errcode = 'GL404';
  end if;
  delete from private.identity_checks k where k.identity = p_id;
end $$;
comment on function public.remove_identity(uuid) is 'Removes an identity. Its conversations stay; answers that still come are kept and go nowhere. For operators and secret keys. Errors: 42501 not allowed, GL404 no such identity, or the table was taken back, GL409 messages wait to be sent as it.';

create function public.begin_identity_check(p_id uuid, p_what text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_check private.identity_checks;
  v_now timestamptz := clock_timestamp();
  v_code text := lpad((('x' || encode(substr(uuid_send(gen_random_uuid()), 11, 6), 'hex'))::bit(48)::bigint % 100000000)::text, 8, '0');
begin
  perform private.refuse_older_code();
  select * into v_check from private.identity_checks k where k.identity = p_id and k.what = p_what for update;
  if not found then
    raise exception 'there is nothing to confirm' using errcode = 'GL404';
  end if;
  if v_check.sent_at > v_now - interval '1 minute' then
    raise exception 'a code was sent less than a minute ago' using errcode = 'GL429';
  end if;
  update private.identity_checks k
  set hash = private.keyed_hash(p_id::text || ' ' || p_what || ' ' || v_code), attempts = 0, sent_at = v_now, expires_at = v_now + interval '30 minutes'
  where k.identity = p_id and k.what = p_what;
  return jsonb_build_object('code', v_code, 'to', v_check.address, 'expires_at', v_now + interval '30 minutes');
end $$;
comment on function public.begin_identity_check(uuid, text) is 'Makes a code that confirms the address of an identity (from), or where its answers go (forward): {code, to, expires_at}. For the function that mails it alone. Errors: GL404 nothing to confirm, GL429 within a minute of the last.';

-- Failure policy: closed. Five wrong codes end it, for whoever tries; hashes are compared, whose time tells nothing of the code.
create function public.check_identity(p_id uuid, p_what text, p_code text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_check private.identity_checks;
  v_ok boolean;
begin
  perform private.require_role('operator');
  perform private.require_identities();
  select * into v_check from private.identity_checks k where k.identity = p_id and k.what = p_what for update;
  if not found then
    raise exception 'there is nothing to confirm' using errcode = 'GL404';
  end if;
  if v_check.hash is null or v_check.expires_at <= clock_timestamp() or v_check.attempts >= 5 then
    return '{"ok": false, "left": 0}';
  end if;
  v_ok := v_check.hash = private.keyed_hash(p_id::text || ' ' || p_what || ' ' || btrim(p_code));
  if not v_ok then
    update private.identity_checks k set attempts = k.attempts + 1 where k.identity = p_id and k.what = p_what;
    return jsonb_build_object('ok', false, 'left', 4 - v_check.attempts);
  end if;
  delete from private.identity_checks k where k.identity = p_id and k.what = p_what;
  update public.email_identities i
  set verified_at = case p_what when 'from' then clock_timestamp() else i.verified_at end,
    forward_to = case p_what when 'forward' then v_check.address else i.forward_to end
  where i.id = p_id;
  return '{"ok": true, "left": 0}';
end $$;
comment on function public.check_identity(uuid, text, text) is 'Confirms an address by the code that was mailed there: {ok, left}, with how many tries are left. Codes hold for 30 minutes and five tries. For operators and secret keys. Errors: 42501 not allowed, GL404 nothing to confirm, or the table was taken back.';

-- Suppressions, for people ------------------------------------------------------------------------

create function public.add_suppression(p_address text, p_reason text default 'manual', p_scope text default 'all') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  if lower(btrim(p_address)) !~ '^[^@[:space:]]+@[^@[:space:]]+$' or p_scope not in ('all', 'bulk') or p_reason !~ '^[a-z][a-z_]{0,31}$' then
    raise exception 'an address, a reason in one word, and all or bulk' using errcode = 'GL422';
  end if;
  return jsonb_build_object('added', private.suppress(btrim(p_address), p_scope, p_reason, 'team', clock_timestamp()));
end $$;
comment on function public.add_suppression(text, text, text) is 'Puts an address on the list of those that get no mail, or no bulk mail: {added}, false where it stands there. For operators and secret keys. Errors: 42501 not allowed, GL422 no address, reason or scope.';

create function public.lift_suppression(p_address text, p_scope text default 'all') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  perform private.require_role('operator');
  delete from public.suppressions s where s.address = lower(btrim(p_address)) and s.scope = p_scope;
  get diagnostics v_count = row_count;
  if exists (select from private.erased_suppressions) then
    delete from private.erased_suppressions s where s.hash = private.keyed_hash('email ' || lower(btrim(p_address))) and s.scope = p_scope;
    if found then
      v_count := 1;
    end if;
  end if;
  return jsonb_build_object('lifted', v_count > 0);
end $$;
comment on function public.lift_suppression(text, text) is 'Takes an address off the list: {lifted}, false where it was not on it. For operators and secret keys. Errors: 42501 not allowed.';

-- A page goes on by time and by how many of that very moment came before: an import writes thousands at one, and the address
-- itself, which would order them, is not for viewers.
create function public.list_suppressions(
  p_before timestamptz default null, p_limit integer default 50, p_same integer default null, p_search text default null
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('address', private.without_local_part(s.address),
      'scope', s.scope, 'reason', s.reason, 'source', s.source, 'since', s.since, 'same', s.same)
      order by s.since desc, s.address desc, s.scope desc), '[]')
    from (
      select y.*, case when y.since = p_before then p_same else 0 end
        + row_number() over (partition by y.since order by y.address desc, y.scope desc) as same
      from (
        select * from public.suppressions x
        where (p_before is null or x.since < p_before or p_same is not null and x.since = p_before)
          and (p_search is null
            or strpos(concat_ws(' ', private.without_local_part(x.address), x.reason, x.source), lower(p_search)) > 0)
        order by x.since desc, x.address desc, x.scope desc
        limit least(greatest(p_limit, 1), 500) offset coalesce(p_same, 0)) y) s);
end $$;
comment on function public.list_suppressions(timestamptz, integer, integer, text) is 'Addresses that get no mail, newest first: [{address (its first character and domain), scope, reason, source, since, same: its place among those of that moment, from 1}]. The next page takes since and same of the last as p_before and p_same. With p_search those with this in what is shown of the address, in the reason or source; at most 500. For viewers and secret keys.';

create function public.find_suppression(p_address text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('scope', s.scope, 'reason', s.reason, 'source', s.source, 'since', s.since) order by s.scope), '[]')
    from public.suppressions s where s.address = lower(btrim(p_address)));
end $$;
comment on function public.find_suppression(text) is 'Why an address gets no mail: [{scope, reason, source, since}], empty where it does. For operators and secret keys.';

-- Figures -----------------------------------------------------------------------------------------

create function private.mail_facts(p_native jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object('kind', p_native -> 'kind', 'verified', p_native -> 'verified', 'subject', p_native -> 'subject',
    'recipient', p_native -> 'recipient', 'from', p_native #> '{from,address}', 'via', p_native -> 'via');
end $$;
comment on function private.mail_facts(jsonb) is 'What conditions of routes ask of a mail: {kind, verified, subject, recipient, from, via}.';

create function private.email_days(p_from timestamptz, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_tokens jsonb := '{}';
begin
  if to_regclass('public.reply_tokens') is not null then
    select coalesce(jsonb_object_agg(t.day, t.n), '{}') into v_tokens from (
      select (r.created_at at time zone 'UTC')::date as day, count(*) as n from public.reply_tokens r where r.created_at > p_from group by 1) t;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'tokens', coalesce((v_tokens ->> d.day::text)::bigint, 0),
      'replies', coalesce(r.n, 0), 'token', coalesce(r.token, 0), 'legacy', coalesce(r.legacy, 0), 'references', coalesce(r.refs, 0),
      'forwarded', coalesce(r.forwarded, 0), 'failed', coalesce(r.failed, 0)) order by d.day), '[]')
    from (
      select g::date as day
      from generate_series((p_from at time zone 'UTC')::date, (p_now at time zone 'UTC')::date, interval '1 day') g) d
    left join (
      select (e.reply_ts at time zone 'UTC')::date as day, count(*) as n, count(*) filter (where e.via = 'token') as token,
        count(*) filter (where e.via = 'legacy') as legacy, count(*) filter (where e.via = 'references') as refs,
        count(e.forwarded_at) as forwarded, count(e.failed_at) filter (where e.forwarded_at is null) as failed
      from public.email_replies e where e.reply_ts > p_from and e.reply_ts <= p_now group by 1) r on r.day = d.day);
end $$;
comment on function private.email_days(timestamptz, timestamptz) is 'By day (UTC): tokens made, and replies by how they found their message and what became of their forwards.';

create function public.email_overview(p_days integer default 7) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_from timestamptz := v_now - make_interval(days => least(greatest(p_days, 1), 90));
  v_tokened bigint := 0;
begin
  perform private.require_role('viewer');
  if to_regclass('public.reply_tokens') is not null then
    select count(*) into v_tokened from public.outbound_messages o
    where o.channel = 'email' and o.created_at > v_from and o.id >= private.uuid_v7_from(v_from)
      and exists (select from public.reply_tokens r where r.message_id = o.id);
  end if;
  return (
    select jsonb_build_object('since', v_from, 'at', v_now,
      'days', private.email_days(v_from, v_now),
      'replies', (
        select jsonb_build_object('all', count(*), 'token', count(*) filter (where r.via = 'token'), 'legacy', count(*) filter (where r.via = 'legacy'),
          'references', count(*) filter (where r.via = 'references'), 'none', count(*) filter (where r.via = 'none'),
          'unverified', count(*) filter (where not r.verified), 'other_sender', count(*) filter (where not r.is_recipient),
          'forward_wanted', count(*) filter (where r.forward_wanted), 'forwarded', count(r.forwarded_at),
          'failed', count(r.failed_at) filter (where r.forwarded_at is null),
          'waiting', count(*) filter (where r.forward_wanted and r.forwarded_at is null and r.failed_at is null))
        from public.email_replies r where r.reply_ts > v_from),
      'identities', (
        select coalesce(jsonb_agg(jsonb_build_object('id', x.identity, 'from_email', i.from_email, 'replies', x.n, 'forward_wanted', x.wanted,
          'forwarded', x.forwarded, 'failed', x.failed) order by x.n desc, x.identity), '[]')
        from (
          select r.identity, count(*) as n, count(*) filter (where r.forward_wanted) as wanted, count(r.forwarded_at) as forwarded,
            count(r.failed_at) filter (where r.forwarded_at is null) as failed
          from public.email_replies r where r.reply_ts > v_from group by r.identity order by count(*) desc limit 100) x
        left join private.inboxes i on i.identity = x.identity),
      'campaigns', (
        select coalesce(jsonb_agg(jsonb_build_object('id', x.campaign_id, 'replies', x.n, 'people', x.people) order by x.n desc, x.campaign_id), '[]')
        from (
          select r.campaign_id, count(*) as n, count(distinct r.reply_to) as people from public.email_replies r
          where r.reply_ts > v_from and r.campaign_id is not null group by r.campaign_id order by count(*) desc limit 100) x),
      'events', (
        select coalesce(jsonb_object_agg(e.event_type, e.n), '{}') from (
          select x.event_type, count(*) as n from public.email_events x where x.created_at > v_from group by x.event_type) e),
      'sent', (
        select jsonb_build_object('all', count(*), 'token', v_tokened, 'unknown', count(*) filter (where o.state = 'unknown'),
          'failed', count(*) filter (where o.state = 'failed'), 'waiting', count(*) filter (where o.state in ('queued', 'leased')))
        from public.outbound_messages o
        where o.channel = 'email' and o.created_at > v_from and o.id >= private.uuid_v7_from(v_from)),
      'unknown_overdue', (
        (select count(*) from public.outbound_messages o where o.state = 'unknown' and o.updated_at <= v_now - interval '15 minutes')
        + (select count(*) from public.deliveries d where d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null
          and d.updated_at <= v_now - interval '15 minutes')),
      'suppressions', (select count(*) from public.suppressions s where s.since > v_from)));
end $$;
comment on function public.email_overview(integer) is 'E-mail over some days (1 to 90): {since, at, days, replies (by via, and what became of their forwards), identities, campaigns, events, sent (with reply token or without), unknown_overdue (of which a person has to say whether they went), suppressions}. Holds no addresses of people. For viewers and secret keys.';

create function public.trace_mail(p_message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  if not exists (select from public.messages m where m.id = p_message_id and m.channel = 'email') then
    raise exception 'there is no such mail' using errcode = 'GL404';
  end if;
  return (
    select jsonb_build_object('id', m.id, 'direction', m.direction, 'at', m.created_at, 'kind', m.native -> 'kind', 'verdict', m.native -> 'verdict',
      'reasons', private.without_addresses(m.native -> 'reasons'), 'via', m.native -> 'via', 'verified', m.native -> 'verified',
      'automatic', m.native -> 'automatic', 'is_recipient', m.native -> 'is_recipient', 'answers', m.native -> 'answers', 'thread_id', m.thread_id,
      'attachments', (
        select count(*) from public.storage_objects o where o.message_id = m.id and o.kind = 'attachment'),
      'identity', (
        select i.identity from private.inboxes i join public.conversations c on c.number_id = i.from_email where c.id = m.conversation_id),
      'forward', (
        select jsonb_build_object('delivery_id', d.id, 'destination', t.name, 'state', d.state, 'attempt', d.attempt, 'error', d.last_error, 'delivered_at', d.delivered_at)
        from public.deliveries d join public.destinations t on t.id = d.destination_id and t.kind = 'inbox' where d.message_id = m.id),
      'events', (
        select coalesce(jsonb_agg(jsonb_build_object('event', e.event_type, 'at', e.created_at, 'metadata', e.metadata) order by e.id), '[]')
        from public.email_events e where e.message_id = m.id or e.mail_id = m.id))
    from public.messages m where m.id = p_message_id);
end $$;
comment on function public.trace_mail(uuid) is 'What became of a mail and why: {id, direction, at, kind, verdict, reasons, via, verified, automatic, is_recipient, answers, thread_id, attachments (how many), identity, forward, events}. Holds no words and no addresses. For viewers and secret keys. Errors: 42501 not allowed, GL404 no such mail.';

create function public.mail_to_show(p_message_id uuid, p_by text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_message public.messages;
begin
  perform private.refuse_older_code();
  select * into v_message from public.messages m where m.id = p_message_id and m.channel = 'email';
  if not found then
    raise exception 'there is no such mail' using errcode = 'GL404';
  end if;
  if p_by not like 'key:%' and not exists (
    select from public.contact_acts a
    where a.message_id = p_message_id and a.act = 'revealed' and a.by = p_by and a.at > clock_timestamp() - interval '1 hour') then
    raise exception 'whoever reads a mail whole says why first' using errcode = 'GL403';
  end if;
  return jsonb_build_object('id', v_message.id, 'native', coalesce(v_message.native, '{}'), 'text', v_message.text,
    'objects', (
      select coalesce(jsonb_agg(jsonb_build_object('bucket', o.bucket, 'path', o.path, 'kind', o.kind, 'index', o.place) order by o.kind, o.place), '[]')
      from public.storage_objects o where o.message_id = v_message.id));
end $$;
comment on function public.mail_to_show(uuid, text) is 'A mail whole, for the function that shows it to p_by: {id, native, text, objects: [{bucket, path, kind, index}]}. A person must have said why within the last hour (reveal_message, on record in contact_acts); keys need not. For secret keys. Errors: GL403 nobody said why, GL404 no such mail.';

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
  private.suppression_of(text, boolean),
  private.suppress(text, text, text, text, timestamptz),
  private.mail_refusal(public.conversations, jsonb),
  private.storage_days(),
  private.keep_objects(jsonb, timestamptz, timestamptz),
  public.note_storage_objects(jsonb),
  private.storage_purges_are_due(timestamptz),
  public.claim_storage_purges(integer),
  public.settle_storage_purges(jsonb),
  private.uuid_in(text),
  private.answered_mail(jsonb),
  private.lately_from(text, uuid, text, timestamptz),
  private.forward_was_reported(uuid, timestamptz),
  private.resolve_mail(jsonb, timestamptz),
  public.resolve_mails(jsonb),
  private.read_mail(jsonb, bigint),
  private.place_mails(private.mail[]),
  private.reply_arm(text, uuid, text, jsonb),
  private.count_mails(jsonb, jsonb, timestamptz),
  private.reply_outcome(text, text, boolean, bigint, timestamptz),
  private.relay_mail(private.mail, timestamptz),
  private.store_mail(private.mail, timestamptz),
  private.forward_reply_to(),
  private.answers_by_token(private.inboxes),
  private.note_mails(private.mail[], timestamptz),
  private.ingest_mails(jsonb, timestamptz),
  public.ingest_mails(jsonb),
  private.inbox_config(uuid),
  private.mail_to_forward(uuid, jsonb, text, uuid),
  private.sends_once(text),
  private.give_up_forwards(uuid, uuid, timestamptz),
  private.note_forwards(private.settlement[], timestamptz),
  private.without_addresses(jsonb),
  private.event_words(jsonb),
  private.mail_status(text),
  private.was_blocked(uuid, timestamptz),
  private.ingest_mail_events(jsonb, timestamptz),
  public.ingest_mail_events(jsonb),
  private.give_up_leases(text, text, timestamptz),
  private.without_local_part(text),
  private.identity_json(private.inboxes, boolean),
  private.changed_identity(uuid),
  private.sees_whole(),
  private.ask_forward(uuid, text),
  public.begin_identity_check(uuid, text),
  public.mail_to_show(uuid, text),
  private.mail_facts(jsonb),
  private.email_days(timestamptz, timestamptz)
  to service_role;
grant execute on function
  public.list_unknown(integer, jsonb),
  public.resolve_unknown(uuid, text, text),
  public.list_identities(jsonb, integer),
  public.add_identity(text, jsonb),
  public.set_identity(uuid, jsonb),
  public.remove_identity(uuid),
  public.check_identity(uuid, text, text),
  public.add_suppression(text, text, text),
  public.lift_suppression(text, text),
  public.list_suppressions(timestamptz, integer, integer, text),
  public.find_suppression(text),
  public.email_overview(integer),
  public.trace_mail(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002460');
