-- E-mail: what became of each mail, who gets none, and the files that are kept of mails.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.suppression_of(text, boolean),
  private.suppress(text, text, text, text, timestamptz),
  private.mail_refusal(public.conversations, jsonb),
  private.storage_days(),
  private.keep_objects(jsonb, timestamptz, timestamptz),
  public.note_storage_objects(jsonb),
  private.storage_purges_are_due(timestamptz),
  public.claim_storage_purges(integer),
  public.settle_storage_purges(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002461');
