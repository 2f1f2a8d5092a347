-- Received and sent messages: every webhook update once, and the messages of each conversation in order.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.webhook_events (
  provider text not null default 'whatsapp',
  dedupe_key text not null,
  field text not null,
  kind text not null check (kind in ('message', 'echo', 'status', 'identity', 'past_message', 'past_echo', 'name', 'other')),
  number_id text,
  raw jsonb,
  received_at timestamptz not null default now(),
  constraint webhook_events_pkey primary key (provider, dedupe_key)
);
comment on table public.webhook_events is 'Every acknowledged update, once, including those that are not understood. Rows older than the retention are purged; it is far longer than any provider retries.';
comment on constraint webhook_events_pkey on public.webhook_events is 'Makes the intake idempotent: a repeated update conflicts here and is answered as a duplicate.';
comment on column public.webhook_events.provider is 'The provider that sent it, for example whatsapp.';
comment on column public.webhook_events.dedupe_key is 'Equal for repetitions of one update, and for nothing else.';
comment on column public.webhook_events.field is 'The webhook field it came under; unknown if there was none.';
comment on column public.webhook_events.kind is 'How it was understood: message, echo, status, identity, past_message and past_echo (imported), name (of a person in the business''s address book) or other.';
comment on column public.webhook_events.number_id is 'The business number it concerns, if any.';
comment on column public.webhook_events.raw is 'The update as received; null if the message''s row (messages.native) has it.';
comment on column public.webhook_events.received_at is 'When it was stored.';
create index webhook_events_received_idx on public.webhook_events using brin (received_at);
comment on index public.webhook_events_received_idx is 'Range scans by time, for purging and reports; BRIN, because rows arrive in this order.';
alter table public.webhook_events enable row level security;
-- No policy and no grant for people: the table holds whole numbers or texts, and direct reads would not be audited.
-- The panel's functions return what may be seen of it.
revoke all on public.webhook_events from public, anon, authenticated;
grant select, insert, update, delete on public.webhook_events to service_role;

create table public.messages (
  id uuid primary key default private.uuid_v7(),
  seq bigint generated always as identity,
  channel text not null default 'whatsapp',
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  direction text not null check (direction in ('in', 'out')),
  provider_id text,
  type text not null,
  text text,
  choice text,
  reply_to text,
  link_token text,
  referral jsonb,
  forwarded boolean not null default false,
  native jsonb,
  status text not null,
  status_rank smallint not null default 0,
  status_at jsonb not null default '{}',
  pricing jsonb,
  error jsonb,
  traceparent text,
  thread_id uuid,
  sent_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table public.messages is 'Messages in both directions. seq is assigned under the conversation''s lock, so within a conversation it is the order of acceptance.';
comment on column public.messages.id is 'UUID v7; for an outbound message also the id that wa-send returns. Of an imported message the time in it is that of writing.';
comment on column public.messages.seq is 'Order of acceptance within a conversation. Negative, by the time of writing, for messages imported from before the sender was connected: these are before all others, and routed to nobody.';
comment on column public.messages.channel is 'The channel that carried it.';
comment on column public.messages.conversation_id is 'Its conversation.';
comment on column public.messages.direction is 'in: from the person; out: from the business.';
comment on column public.messages.provider_id is 'The provider''s id (WhatsApp''s wamid…), unique within its channel; null for an outbound message that has not been sent.';
comment on column public.messages.type is 'text, image, interactive, …, the provider''s term.';
comment on column public.messages.text is 'The text, whatever the type: body, caption, title of the chosen button, emoji. Null if there is none, or if its author withdrew the message.';
comment on column public.messages.choice is 'Id of the chosen button or list row, or the payload of the quick reply.';
comment on column public.messages.reply_to is 'provider_id of the message that this one answers, edits, withdraws (type revoke) or reacts to.';
comment on column public.messages.link_token is 'The deep-link token in the text.';
comment on column public.messages.referral is 'The ad or post the person came from.';
comment on column public.messages.forwarded is 'Whether the person forwarded it.';
comment on column public.messages.native is 'The message as received from, or sent to, the provider; null once it was withdrawn.';
comment on column public.messages.status is 'in: received, or deleted; out: queued, unknown (nobody knows whether it was sent), sent, delivered, read, played, failed or deleted. Never goes back.';
comment on column public.messages.status_rank is 'Rank of the status; a status of a lower rank only adds its time.';
comment on column public.messages.status_at is 'When each status was reached, by name.';
comment on column public.messages.pricing is 'What the provider charged, as reported with the status.';
comment on column public.messages.error is 'Why it failed, as reported by the provider.';
comment on column public.messages.traceparent is 'W3C trace context of the request that brought it, or that a reply continues; null if there was none: its id is then its trace id.';
comment on column public.messages.thread_id is 'The thread it belongs to, on channels that have threads within a conversation; null elsewhere. Not a foreign key, so that the tables of threads can be removed.';
comment on column public.messages.sent_at is 'When it was sent, by the provider''s clock.';
comment on column public.messages.created_at is 'When we stored it.';
create index messages_conversation_idx on public.messages (conversation_id, seq);
comment on index public.messages_conversation_idx is 'A conversation in order, and its messages that the router has yet to decide.';
create index messages_provider_id_idx on public.messages (provider_id) where provider_id is not null;
comment on index public.messages_provider_id_idx is 'Finds the message that a status is about. Without the channel: two channels hardly ever use the same id, and a wider index costs every message.';
create index messages_changes_idx on public.messages (reply_to) where type in ('edit', 'revoke');
comment on index public.messages_changes_idx is 'Finds the edits and withdrawals of a message, which may arrive before the message itself.';
create index messages_trace_idx on public.messages (substr(traceparent, 4, 32)) where traceparent is not null;
comment on index public.messages_trace_idx is 'Finds the messages of a trace that began elsewhere. Nearly all messages have none and no entry here.';
create index messages_thread_idx on public.messages (thread_id, seq) where thread_id is not null;
comment on index public.messages_thread_idx is 'A thread in order. Messages outside threads have no entry.';
alter table public.messages enable row level security;
-- No policy and no grant for people: the table holds whole numbers or texts, and direct reads would not be audited.
-- The panel's functions return what may be seen of it.
revoke all on public.messages from public, anon, authenticated;
grant select, insert, update, delete on public.messages to service_role;

create table public.message_authors (
  message_id uuid constraint message_authors_pkey primary key references public.messages (id) on delete cascade,
  contact_id uuid not null references public.contacts (id) on delete cascade
);
comment on table public.message_authors is 'Who of a group wrote a message in it. In a conversation with one person nobody else writes, and there is no row.';
comment on constraint message_authors_pkey on public.message_authors is 'A message has one author.';
comment on column public.message_authors.message_id is 'The message.';
comment on column public.message_authors.contact_id is 'Its author; after a merge the contact that was merged.';
create index message_authors_contact_idx on public.message_authors (contact_id);
comment on index public.message_authors_contact_idx is 'What a person wrote in groups; serves the foreign key.';
alter table public.message_authors enable row level security;
revoke all on public.message_authors from public, anon, authenticated, service_role;
grant select, insert, delete on public.message_authors to service_role;

create table private.erased_keys (
  hash bytea constraint erased_keys_pkey primary key,
  at timestamptz not null default now()
);
comment on table private.erased_keys is 'Updates of erased people: if the provider repeats one, it must not recreate the person. Kept for 8 days, longer than any provider repeats.';
comment on constraint erased_keys_pkey on private.erased_keys is 'Looks up what was erased, by its hash.';
comment on column private.erased_keys.hash is 'Keyed hash of an update''s provider and dedupe key, or of the channel and ids (ours and the provider''s) of a sent message whose statuses may still arrive.';
comment on column private.erased_keys.at is 'When it was erased.';
alter table private.erased_keys enable row level security;
revoke all on private.erased_keys from public, anon, authenticated, service_role;
grant select on private.erased_keys to service_role;

create table private.template_categories (
  channel text not null,
  account text not null,
  name text not null,
  language text not null,
  template_id text,
  category text,
  at timestamptz not null,
  constraint template_categories_pkey primary key (channel, account, name, language)
);
comment on table private.template_categories is 'Categories of templates, as reported by the provider or fetched from it: an opt-out covers only marketing.';
comment on constraint template_categories_pkey on private.template_categories is 'A template has one category per language.';
comment on column private.template_categories.channel is 'The channel.';
comment on column private.template_categories.account is 'The provider''s account that owns it (senders.account).';
comment on column private.template_categories.name is 'The template''s name.';
comment on column private.template_categories.language is 'The language''s code.';
comment on column private.template_categories.template_id is 'The provider''s id, which some of its notices use; null if it was not reported.';
comment on column private.template_categories.category is 'marketing, utility, authentication, …; null if the provider was asked and had none.';
comment on column private.template_categories.at is 'When it was reported (by the provider''s clock) or fetched.';
alter table private.template_categories enable row level security;
revoke all on private.template_categories from public, anon, authenticated, service_role;
grant select, insert, update on private.template_categories to service_role;

-- The intake --------------------------------------------------------------------------------------

-- A batch of updates becomes events, contacts, conversations, messages and statuses in one transaction.

create type private.inbound_update as (
  ord integer, key text, channel text, provider text, field text, kind text, sender_id text, sender_display text, at timestamptz,
  identities private.identity[], name text,
  provider_id text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
  status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, traceparent text, news jsonb, event jsonb, raw jsonb,
  author private.identity[], author_name text
);
comment on type private.inbound_update is 'One update during intake: its place in the batch (from 1) and the result of the channel''s parser (_shared/channels/*/inbound).';

-- An echo that arrived before the provider's answer was stored as a separate message, unknown to the queue.
create function private.drop_echoes(p_ids uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  with dropped as (
  delete from public.messages gone
  where gone.id in (
    select e.id from unnest(p_ids) as ours (id)
    cross join lateral (select m.provider_id, m.channel from public.messages m where m.id = ours.id limit 1) m
    cross join lateral (
      select e.id, e.channel, e.direction from public.messages e where e.provider_id = m.provider_id limit 10) e
    where e.channel = m.channel and e.direction = 'out' and e.id <> ours.id
      and not exists (select from public.outbound_messages o where o.message_id = e.id))
  returning gone.conversation_id, gone.created_at
  )
  -- Nobody had answered in the app.
  update public.conversations c set taken_at = null, taken_until = null, taken_by = null
  from dropped d where c.id = d.conversation_id and c.taken_by = 'app' and c.taken_at >= d.created_at;
end $$;
comment on function private.drop_echoes(uuid[]) is 'Deletes the echoes of these messages of ours, whose provider ids have just become known, and undoes the takeovers that they began.';

create type private.opt_word as (
  channel text, number_id text, contact_id uuid, opted_out boolean, at timestamptz, field text, native jsonb
);
comment on type private.opt_word is 'A person''s opt-out of a sender''s messages, or opt-in again, its time, and the provider''s report of it if it is one of its own.';

create type private.noted_event as (
  type text, channel text, conversation_id uuid, message_id uuid, number_id text, account text, at timestamptz, detail jsonb, field text, native jsonb
);
comment on type private.noted_event is 'Something that services may want to know, before it is known whether one does.';

create function private.keep_opt_words(p_words private.opt_word[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_events private.noted_event[];
begin
  insert into public.conversations (channel, number_id, contact_id)
  select distinct w.channel, w.number_id, w.contact_id from unnest(p_words) w
  where not exists (
    select from public.conversations c
    where c.channel = w.channel and c.number_id = w.number_id and c.contact_id = w.contact_id)
  order by 1, 2, 3
  on conflict (channel, number_id, contact_id) do nothing;
  perform from public.conversations c
  where c.id in (
    select o.id from unnest(p_words) w join public.conversations o
      on o.channel = w.channel and o.number_id = w.number_id and o.contact_id = w.contact_id)
  order by c.id for update;
  if private.is_subscribed() then
    select array_agg((case when w.opted_out then 'contact.opted_out' else 'contact.opted_in' end, c.channel, c.id, null, c.number_id, null,
      w.at, '{}', w.field, w.native)::private.noted_event order by c.id)
    into v_events
    from unnest(p_words) w join public.conversations c
      on c.channel = w.channel and c.number_id = w.number_id and c.contact_id = w.contact_id
    where w.at >= coalesce(c.opt_told_at, '-infinity') and (c.opted_out_at is not null) <> w.opted_out;
  end if;
  update public.conversations c
  set opted_out_at = case when w.opted_out then w.at end, opt_told_at = w.at
  from unnest(p_words) w
  where c.channel = w.channel and c.number_id = w.number_id and c.contact_id = w.contact_id
    -- The newer one wins, by the provider's whole seconds; within one second, the one that arrived later.
    and w.at >= coalesce(c.opt_told_at, '-infinity');
  if v_events is not null then
    perform private.note_events(v_events);
  end if;
  if exists (select from private.erased_opt_outs) then
    delete from private.erased_opt_outs o
    using unnest(p_words) w join public.contact_identities i on i.contact_id = w.contact_id
    where not w.opted_out and i.valid_to is null and o.channel = w.channel and o.number_id = w.number_id
      and o.opted_out_at <= w.at
      and o.identity in (select private.keyed_hash(i.kind || ' ' || spelled) from unnest(private.spellings(i.kind, i.value)) spelled);
  end if;
end $$;
comment on function private.keep_opt_words(private.opt_word[]) is 'Records opt-outs and opt-ins, at most one per conversation, unless they are older than what is known; creates missing conversations.';

create function private.apply_templates(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.template_categories as t (channel, account, name, language, template_id, category, at)
  select distinct on (u.channel, u.news ->> 'account', u.news ->> 'name', u.news ->> 'language')
    u.channel, u.news ->> 'account', u.news ->> 'name', u.news ->> 'language', u.news ->> 'id',
    lower(u.news ->> 'category'), coalesce(u.at, now())
  from unnest(p_updates) u
  where u.news ->> 'category' is not null and u.news ->> 'name' is not null and u.news ->> 'language' is not null
  order by u.channel, u.news ->> 'account', u.news ->> 'name', u.news ->> 'language', u.at desc nulls last, u.ord desc
  on conflict on constraint template_categories_pkey do update
    set category = excluded.category, at = excluded.at, template_id = coalesce(excluded.template_id, t.template_id)
    where t.category is null or excluded.at >= t.at;
  update private.template_categories t
  set category = lower(latest.news ->> 'category'), at = latest.at
  from (
    select distinct on (u.channel, u.news ->> 'account', u.news ->> 'id') u.channel, u.news, coalesce(u.at, now()) as at
    from unnest(p_updates) u
    where u.news ->> 'category' is not null and (u.news ->> 'name' is null or u.news ->> 'language' is null)
    order by u.channel, u.news ->> 'account', u.news ->> 'id', u.at desc nulls last, u.ord desc
  ) latest
  where t.channel = latest.channel and t.account = latest.news ->> 'account' and t.template_id = latest.news ->> 'id'
    and latest.at >= t.at;
end $$;
comment on function private.apply_templates(private.inbound_update[]) is 'Records the template categories that updates report, {account, id, name, language, category}, by name and language, or without these by id. The newer one wins.';

create function public.tell_accounts(p_senders jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.refuse_older_code();
  insert into public.senders as s (channel, id, address, provider, account, max_per_second, pair_seconds)
  select distinct on (r.channel, r.id) r.channel, r.id, r.address, r.provider, r.account, p.max_per_second, p.pair_seconds
  from jsonb_to_recordset(p_senders) as r (channel text, id text, address text, provider text, account text)
  cross join lateral private.channel_policy(r.channel) p
  order by r.channel, r.id
  on conflict (channel, id) do update set account = excluded.account where s.account is distinct from excluded.account;
end $$;
comment on function public.tell_accounts(jsonb) is 'Records the accounts that senders belong to, [{channel, id, address, provider, account}], as reported by webhooks, and adds unknown senders.';

-- That one of a group refuses marketing says nothing of the others.
create function private.is_about_group(p_identities private.identity[]) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_identities[1].kind = 'group', false)
$$;
comment on function private.is_about_group(private.identity[]) is 'Whether the identities of an update are those of a group.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.drop_echoes(uuid[]),
  private.keep_opt_words(private.opt_word[]),
  private.apply_templates(private.inbound_update[]),
  public.tell_accounts(jsonb),
  private.is_about_group(private.identity[])
  to service_role;

insert into private.own_migrations (version) values ('20261129000500');
