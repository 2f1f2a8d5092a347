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

create function private.apply_statuses(p_updates private.inbound_update[]) returns boolean
language plpgsql set search_path = '' as $$
declare
  -- The message that each update is about, by the update's place.
  v_about uuid[];
  v_places bigint[];
  v_ids uuid[];
  v_unnamed uuid[];
  v_wanted boolean := private.is_subscribed();
  v_events private.noted_event[];
  v_window_closed boolean := exists (
    select from unnest(p_updates) u where u.status = 'failed'
      and u.error #>> '{0,code}' = (private.channel_policy(u.channel)).window_code);
  v_opted_out boolean := exists (
    select from unnest(p_updates) u where u.status = 'failed'
      and u.error #>> '{0,code}' = any ((private.channel_policy(u.channel)).opt_out_codes) and not private.is_about_group(u.identities));
  v_texts boolean := exists (select from unnest(p_updates) u where u.kind = 'status' and u.channel = 'sms');
  -- A later migration makes what follows from them, and a team may take it back.
  v_texts_ended boolean := v_texts and to_regprocedure('private.apply_text_statuses(uuid[],timestamptz)') is not null and exists (
    select from unnest(p_updates) u where u.kind = 'status' and u.channel = 'sms' and u.status in ('failed', 'delivered'));
begin
  -- By our own id if the provider returns it, else by the provider's id.
  select array_agg(m.id), array_agg(u.ordinality) into v_about, v_places
  from unnest(p_updates) with ordinality as u
  cross join lateral (
    (select m.id from public.messages m
    where m.id = case when u.callback ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then u.callback::uuid end
      and m.direction = 'out' and m.channel = u.channel limit 1)
    union
    (select m.id from public.messages m
    where m.provider_id = u.provider_id and m.direction = 'out' and m.channel = u.channel limit 10)) m
  where u.kind = 'status';
  if v_texts and v_about is not null then
    -- What is tried a second time is not judged by the first try any more, unless that arrived after all.
    select array_agg(a.id order by a.n), array_agg(a.place order by a.n) into v_about, v_places
    from unnest(v_about, v_places) with ordinality as a (id, place, n)
    join unnest(p_updates) with ordinality as u on u.ordinality = a.place
    where u.channel <> 'sms' or u.status in ('delivered', 'read') or not exists (
      select from public.outbound_messages o where o.id = a.id and o.first_try ->> 'provider_id' = u.provider_id);
  end if;
  if v_about is null then
    return false;
  end if;
  v_ids := array(select distinct id from unnest(v_about) as id order by id);
  if v_opted_out then
    perform private.keep_opt_words(array(
      select row(word.channel, word.number_id, word.contact_id, true, word.at, null, null)::private.opt_word
      from (
        select distinct on (c.id) c.channel, c.number_id, c.contact_id, coalesce(u.at, now()) as at
        from unnest(v_about, v_places) as about (id, place)
        join unnest(p_updates) with ordinality as u on u.ordinality = about.place
        join public.messages m on m.id = about.id
        join public.conversations c on c.id = m.conversation_id
        where u.status = 'failed' and u.error #>> '{0,code}' = any ((private.channel_policy(u.channel)).opt_out_codes)
          and not private.is_about_group(u.identities)
        order by c.id, u.at desc nulls last) word));
  end if;
  -- One lock order: conversations, lanes, messages. Events go into the lanes of their conversations.
  if v_wanted then
    perform from public.conversations c
    where c.id in (select m.conversation_id from public.messages m where m.id = any (v_ids)) order by c.id for update;
  end if;
  -- The lanes that wait for one of these messages, and those of messages sent again.
  perform from private.outbound_lanes l where l.waits_for = any (v_ids) order by l.conversation_id for update;
  if v_window_closed or v_texts_ended then
    perform from private.outbound_lanes l
    where l.conversation_id in (select o.conversation_id from public.outbound_messages o where o.id = any (v_ids))
    order by l.conversation_id for update;
  end if;
  perform from public.messages where id = any (v_ids) order by id for update;
  if v_wanted then
    select array_agg(told.event order by told.place) into v_events
    from (
      select distinct on (m.id, u.status) about.place,
        ('message.' || u.status, m.channel, m.conversation_id, m.id, u.sender_id, null, coalesce(u.at, now()),
          jsonb_strip_nulls(jsonb_build_object('error', u.error, 'pricing', u.pricing)), u.field, u.raw)::private.noted_event as event
      from unnest(v_about, v_places) as about (id, place)
      join unnest(p_updates) with ordinality as u on u.ordinality = about.place
      join public.messages m on m.id = about.id
      where u.rank > 0 and not m.status_at ? u.status
      order by m.id, u.status, about.place
    ) told;
  end if;
  v_unnamed := array(select m.id from public.messages m where m.id = any (v_ids) and m.provider_id is null);
  update public.messages m
  set status = case when best.rank > m.status_rank then best.status
      -- Of rank 0: the provider has it, whatever became of its answer.
      when m.status in ('queued', 'unknown') then 'accepted' else m.status end,
    status_rank = greatest(m.status_rank, best.rank),
    status_at = best.times || m.status_at,
    pricing = coalesce(best.pricing, m.pricing),
    -- Where two final statuses have one rank, the first stands, with its error.
    error = case when greatest(m.status_rank, best.rank) > 2 then null
      when best.rank > m.status_rank or best.status = m.status then coalesce(best.error, m.error) else m.error end,
    provider_id = coalesce(m.provider_id, best.provider_id)
  from (
    select about.id,
      (array_agg(u.status order by u.rank desc, about.place))[1] as status, max(u.rank) as rank,
      jsonb_object_agg(u.status, coalesce(u.at, now()) order by u.at desc) as times,
      (array_agg(u.pricing order by u.rank desc) filter (where u.pricing is not null))[1] as pricing,
      (array_agg(u.error order by u.rank desc, about.place) filter (where u.error is not null))[1] as error,
      max(u.provider_id) as provider_id
    from unnest(v_about, v_places) as about (id, place)
    join unnest(p_updates) with ordinality as u on u.ordinality = about.place
    where u.status is not null and u.rank is not null
    group by about.id
  ) best
  where m.id = best.id;
  if cardinality(v_unnamed) > 0 then
    perform private.drop_echoes(v_unnamed);
  end if;
  -- A status proves that the provider accepted the message, even if the sender died before recording it.
  update public.outbound_messages o set state = 'sent', updated_at = now()
  where o.id = any (v_ids) and o.state in ('queued', 'leased', 'unknown');
  if v_window_closed then
    perform private.send_fallback(m.id, now()) from public.messages m
    where m.id = any (v_ids) and m.status = 'failed' and m.error #>> '{0,code}' = (private.channel_policy(m.channel)).window_code;
  end if;
  if v_texts_ended then
    perform private.apply_text_statuses(array(select m.id from public.messages m where m.id = any (v_ids) and m.channel = 'sms'), now());
  end if;
  if v_events is not null then
    -- What is sent again, as a template or a second time, has not failed.
    perform private.note_events(array(
      select v_events[place] from generate_subscripts(v_events, 1) as place
      join public.messages m on m.id = (v_events[place]).message_id
      where (v_events[place]).type <> 'message.failed' or m.status_rank > 0 order by place));
  end if;
  return private.free_lanes(v_ids);
end $$;
comment on function private.apply_statuses(private.inbound_update[]) is 'Advances outbound messages by rank, never back, and records the time of each status. A status of a message that is not ours stays in webhook_events only. Returns whether a lane that waited for one may continue.';

create function private.learn_recipients(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_told record;
  v_locked boolean := false;
begin
  for v_told in
    select c.contact_id, c.channel, c.number_id, u.identities, min(least(coalesce(u.at, now()), now())) as at
    from unnest(p_updates) u
    cross join lateral (
      (select m.conversation_id from public.messages m
      where m.id = case when u.callback ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then u.callback::uuid end
        and m.direction = 'out' and m.channel = u.channel)
      union all
      (select m.conversation_id from public.messages m
      where m.provider_id = u.provider_id and m.direction = 'out' and m.channel = u.channel)
      limit 1) ours
    join public.conversations c on c.id = ours.conversation_id
    where u.kind = 'status' and cardinality(u.identities) > 0 and private.is_news(c.contact_id, u.identities)
    group by c.contact_id, c.channel, c.number_id, u.identities
  loop
    if not v_locked then
      perform private.lock_contacts();
      v_locked := true;
    end if;
    perform private.learn_identities(v_told.contact_id, v_told.channel, v_told.number_id, v_told.identities, v_told.at);
  end loop;
end $$;
comment on function private.learn_recipients(private.inbound_update[]) is 'Records new ids that the statuses of our messages report for their recipients.';

-- The following runs for every message, and its plans may have been made while the tables were empty. "limit 1" keeps
-- each look-up an index probe, whatever the statistics say at that moment; ingest_updates sets, for everything that it
-- calls, that plans are generic and sequential scans the last resort.
create function private.find_contacts(p_updates private.inbound_update[]) returns uuid[]
language plpgsql stable set search_path = '' as $$
declare
  v_contacts uuid[];
begin
  select array_agg(case when u.name is null or u.name = c.name then c.id end order by u.ordinality)
  into v_contacts
  from unnest(p_updates) with ordinality as u
  left join lateral (
    select array_agg(held.contact_id) as holders, bool_or(k.previous is not null) as changed
    from unnest(u.identities) k
    left join lateral (
      select i.contact_id from public.contact_identities i
      where i.channel = u.channel and i.kind = k.kind and i.value = k.value and i.valid_to is null limit 1) held on true
  ) ids on true
  left join lateral (
    select p.id, p.name from public.contacts p
    where p.id = ids.holders[1] and ids.holders[1] = all (ids.holders) and not ids.changed limit 1) c on true;
  return v_contacts;
end $$;
comment on function private.find_contacts(private.inbound_update[]) is 'The contact of each update, in its place, if every id and the name are unchanged and no change is announced; null otherwise.';

create function private.make_newcomers(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
begin
  with people as (
    select private.uuid_v7() as id, u.channel, u.identities, min(u.sender_id) as sender_id, coalesce(min(u.at), now()) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name
    from unnest(p_updates) u
    group by u.channel, u.identities
  ), ids as (
    select p.id, p.channel, k.kind, k.value, k.spellings, k.previous, p.sender_id, p.at,
      count(*) over (partition by p.channel, k.kind, k.spellings[1]) as claims
    from people p
    cross join lateral (
      select i.kind, i.value, private.spellings(i.kind, i.value) as spellings, false as previous
      from unnest(p.identities) i where i.value is not null
      union all
      select i.kind, i.previous, private.spellings(i.kind, i.previous), true from unnest(p.identities) i where i.previous is not null) k
  ), plain as (
    select ids.id from ids
    left join lateral (
      select k.id from unnest(ids.spellings) as s (value)
      cross join lateral (
        select k.id from public.contact_identities k
        where k.channel = ids.channel and k.kind = ids.kind and k.value = s.value and k.valid_to is null limit 1) k
      limit 1) i on true
    group by ids.id
    having max(ids.claims) = 1 and not bool_or(ids.previous) and count(i.id) = 0
  ), made as (
    insert into public.contacts (id, channel, name)
    select p.id, p.channel, p.name from people p join plain on plain.id = p.id
  )
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, valid_from)
  select ids.id, ids.channel, ids.kind, ids.value, ids.sender_id, least(ids.at, now()) from ids join plain on plain.id = ids.id;
end $$;
comment on function private.make_newcomers(private.inbound_update[]) is 'Creates the contacts of updates whose ids nobody has and no other update of the batch combines differently.';

create function private.merged(p_contacts uuid[]) returns uuid[]
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = found.id)
    from unnest(p_contacts) with ordinality as found (id, place) order by found.place);
end $$;
comment on function private.merged(uuid[]) is 'Replaces each contact, in its place, by the one it was merged into.';

create function private.assign_contacts(p_updates private.inbound_update[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_contacts uuid[] := private.find_contacts(p_updates);
  v_row record;
  v_place bigint;
  v_contact uuid;
begin
  if array_position(v_contacts, null) is null then
    return v_contacts;
  end if;
  perform private.lock_contacts();
  perform private.make_newcomers(p_updates);
  -- The others, neither clearly known nor clearly new: one by one, in the order of the batch.
  v_contacts := private.find_contacts(p_updates);
  for v_row in
    select u.channel, u.sender_id, u.identities, min(u.at) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name,
      array_agg(u.ordinality) as places
    from unnest(p_updates) with ordinality as u
    where v_contacts[u.ordinality] is null and cardinality(u.identities) > 0
    group by u.channel, u.sender_id, u.identities
    order by min(u.ord)
  loop
    v_contact := private.resolve_contact(v_row.channel, v_row.identities, v_row.name, least(coalesce(v_row.at, now()), now()), v_row.sender_id);
    foreach v_place in array v_row.places loop
      v_contacts[v_place] := v_contact;
    end loop;
  end loop;
  -- A later update may have merged the contact of an earlier one.
  return private.merged(v_contacts);
end $$;
comment on function private.assign_contacts(private.inbound_update[]) is 'Finds, creates or merges the contact of each update, in its place; null for an update that identifies nobody.';

create function private.find_conversations(p_updates private.inbound_update[], p_contacts uuid[]) returns uuid[]
language plpgsql stable set search_path = '' as $$
begin
  return array(
    select (
      select c.id from public.conversations c
      where c.channel = u.channel and c.number_id = u.sender_id and c.contact_id = p_contacts[u.ordinality] limit 1)
    from unnest(p_updates) with ordinality as u
    order by u.ordinality);
end $$;
comment on function private.find_conversations(private.inbound_update[], uuid[]) is 'The conversation of each update, in its place; null if there is none yet.';

create function private.store_messages(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_conversations uuid[] := private.find_conversations(p_updates, p_contacts);
begin
  if array_position(v_conversations, null) is not null then
    insert into public.senders (channel, id, address, provider, max_per_second, pair_seconds)
    select distinct on (u.channel, u.sender_id) u.channel, u.sender_id, u.sender_display, u.provider, p.max_per_second, p.pair_seconds
    from unnest(p_updates) u cross join lateral private.channel_policy(u.channel) p
    order by u.channel, u.sender_id
    on conflict (channel, id) do nothing;
    insert into public.conversations (channel, number_id, contact_id)
    select distinct u.channel, u.sender_id, p_contacts[u.ordinality] from unnest(p_updates) with ordinality as u
    where v_conversations[u.ordinality] is null
    order by 1, 2, 3
    on conflict (channel, number_id, contact_id) do nothing;
    v_conversations := private.find_conversations(p_updates, p_contacts);
  end if;

  -- Lock the conversations, always in the order of ids. Until the commit nobody else can add to them, so messages.seq,
  -- assigned below, is the order in which messages are acknowledged.
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;

  with placed as (
    select u.channel, u.kind, u.type, u.provider_id, u.body, u.choice, u.reply_to, u.token, u.referral, u.forwarded, u.raw, u.error, u.traceparent, u.at, u.ord,
      v_conversations[u.ordinality] as conversation,
      -- Its revoke may have arrived first.
      exists (
        select from public.messages r
        where r.type = 'revoke' and r.reply_to = case when u.type = 'edit' then u.reply_to else u.provider_id end
          and r.conversation_id = v_conversations[u.ordinality] and (r.direction = 'in') = (u.kind = 'message')) as withdrawn
    from unnest(p_updates) with ordinality as u
  ), stored as (
    insert into public.messages (
      channel, conversation_id, direction, provider_id, type, text, choice, reply_to, link_token, referral, forwarded, native,
      status, status_rank, error, traceparent, sent_at, created_at)
    select p.channel, p.conversation, case when p.kind = 'message' then 'in' else 'out' end, p.provider_id, coalesce(p.type, 'unknown'),
      case when not p.withdrawn then p.body end, case when not p.withdrawn then p.choice end, p.reply_to,
      case when not p.withdrawn then p.token end, case when not p.withdrawn then p.referral end, coalesce(p.forwarded, false),
      case when not p.withdrawn then p.raw end,
      case when p.withdrawn then 'deleted' when p.kind = 'message' then 'received' else 'sent' end,
      case when p.withdrawn then 6 when p.kind = 'message' then 0 else 1 end,
      p.error, p.traceparent, p.at, v_now
    from placed p
    order by coalesce(p.at, v_now), p.ord
  )
  update public.conversations c
  set last_inbound_at = greatest(c.last_inbound_at, latest.inbound_at),
    last_message_at = v_now,
    unrouted_since = case when latest.inbound then coalesce(c.unrouted_since, v_now) else c.unrouted_since end
  from (
    select p.conversation,
      bool_or(p.kind = 'message') as inbound,
      -- The window opens by the provider's clock, but never later than now by ours.
      max(least(coalesce(p.at, v_now), v_now)) filter (where p.kind = 'message' and p.type is distinct from 'system') as inbound_at
    from placed p group by p.conversation
  ) latest
  where c.id = latest.conversation;
end $$;
comment on function private.store_messages(private.inbound_update[], uuid[]) is 'Stores senders, conversations and messages of updates, all of them messages or echoes of a sender, each with its contact.';

create function private.assign_authors(p_updates private.inbound_update[]) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_update private.inbound_update;
  v_authors private.inbound_update[] := '{}';
begin
  foreach v_update in array p_updates loop
    v_update.identities := v_update.author;
    v_update.name := v_update.author_name;
    v_authors := v_authors || v_update;
  end loop;
  return private.assign_contacts(v_authors);
end $$;
comment on function private.assign_authors(private.inbound_update[]) is 'The contact of each message''s author, in its place; null for messages outside groups. Takes the contacts'' lock if one is new.';

create function private.keep_authors(p_updates private.inbound_update[], p_contacts uuid[], p_authors uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.message_authors (message_id, contact_id)
  select m.id, author.id from unnest(p_updates) with ordinality as u
  join unnest(private.merged(p_authors)) with ordinality as author (id, place) on author.place = u.ordinality
  join public.messages m on m.provider_id = u.provider_id and m.channel = u.channel and m.direction = 'in' and m.seq > 0
  join public.conversations c on c.id = m.conversation_id and c.contact_id = p_contacts[u.ordinality] and c.number_id = u.sender_id
  where author.id is not null order by m.id
  on conflict do nothing;
end $$;
comment on function private.keep_authors(private.inbound_update[], uuid[], uuid[]) is 'Records who wrote messages in groups that have just been stored, each with its group''s contact and its author.';

create function private.author_of(p_message_id uuid, p_sender_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('id', p.id, 'name', p.name, 'identities', private.current_ids(p.id, p_sender_id))
    from public.message_authors a join public.contacts w on w.id = a.contact_id
    join public.contacts p on p.id = coalesce(w.merged_into, w.id)
    where a.message_id = p_message_id);
end $$;
comment on function private.author_of(uuid, text) is 'Who of a group wrote a message, {id, name, identities}, as a sender knows them; null if nobody is known.';

create function private.group_of(p_contact_id uuid) returns text
language plpgsql stable set search_path = '' as $$
begin
  return (
    select i.value from public.contact_identities i
    where i.contact_id = p_contact_id and i.kind = 'group' and coalesce(i.valid_to, 'infinity') = 'infinity' limit 1);
end $$;
comment on function private.group_of(uuid) is 'The provider''s id of the group that a contact stands for; null for a person.';

-- WhatsApp has the answers in a string; nothing else has such a member.
create function private.flow_of(p_type text, p_native jsonb) returns text
language sql immutable set search_path = '' as $$
  select case p_type when 'interactive' then p_native #>> '{interactive,nfm_reply,response_json}' end
$$;
comment on function private.flow_of(text, jsonb) is 'The answers of a Flow, as the provider sends them; null for other messages.';

-- Only its author can withdraw a message, and only in its own conversation.
create function private.withdraw_messages(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_ids uuid[];
begin
  select array_agg(m.id) into v_ids
  from unnest(p_updates) u
  join public.messages r on r.provider_id = u.provider_id and r.channel = u.channel and r.type = 'revoke'
  cross join lateral (
    select o.id from public.messages o
    where o.provider_id = r.reply_to and o.conversation_id = r.conversation_id and o.direction = r.direction
    union
    select e.id from public.messages e
    where e.type = 'edit' and e.reply_to = r.reply_to and e.conversation_id = r.conversation_id and e.direction = r.direction) m
  where u.type = 'revoke';
  perform from public.messages m where m.id = any (v_ids) order by m.id for update;
  update public.messages m
  set text = null, choice = null, link_token = null, referral = null, native = null, status = 'deleted', status_rank = 6
  where m.id = any (v_ids);
end $$;
comment on function private.withdraw_messages(private.inbound_update[]) is 'Removes the text of the messages that these updates withdraw, and of their edits.';

-- There may be no conversation yet: a person who opts out first must not be written to. Locks as in store_messages:
-- contacts, then conversations in the order of ids.
create function private.apply_opt_outs(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_words private.opt_word[];
begin
  select array_agg(row(latest.channel, latest.sender_id, latest.contact_id, latest.opt = 'out', latest.at,
    latest.field, latest.native)::private.opt_word)
  into v_words
  from (
    select distinct on (p_contacts[u.ordinality], u.channel, u.sender_id)
      p_contacts[u.ordinality] as contact_id, u.channel, u.sender_id, u.opt, coalesce(u.at, now()) as at,
      -- A word in a message is delivered as that message.
      case when u.kind = 'other' then u.field end as field, case when u.kind = 'other' then u.raw end as native
    from unnest(p_updates) with ordinality as u
    where u.opt is not null and u.sender_id is not null and p_contacts[u.ordinality] is not null
    order by p_contacts[u.ordinality], u.channel, u.sender_id, u.at desc nulls last, u.ord desc
  ) latest;
  if v_words is null then
    return;
  end if;
  insert into public.senders (channel, id, address, provider, max_per_second, pair_seconds)
  select distinct on (u.channel, u.sender_id) u.channel, u.sender_id, u.sender_display, u.provider, p.max_per_second, p.pair_seconds
  from unnest(p_updates) u cross join lateral private.channel_policy(u.channel) p
  where u.opt is not null and u.sender_id is not null
  order by u.channel, u.sender_id
  on conflict (channel, id) do nothing;
  perform private.keep_opt_words(v_words);
end $$;
comment on function private.apply_opt_outs(private.inbound_update[], uuid[]) is 'Records the opt-outs and opt-ins in updates, each with its contact.';

-- Takeovers ---------------------------------------------------------------------------------------

create function private.takeover_minutes() returns integer
language sql stable set search_path = '' as $$
  select coalesce((select s.value::integer from public.settings s where s.key = 'takeover.minutes'), 60)
$$;
comment on function private.takeover_minutes() is 'The setting takeover.minutes, 60 without it: for how long a conversation belongs to the person who answered in it. With 0, an answer takes nothing over.';

create function private.take_over(
  p_conversations uuid[], p_by text, p_at timestamptz, p_until timestamptz, p_now timestamptz, p_extend boolean default true
) returns integer
language plpgsql set search_path = '' as $$
declare
  v_events private.noted_event[];
  v_count integer;
begin
  if p_until <= p_now or p_conversations = '{}' then
    return 0;
  end if;
  perform from public.conversations c where c.id = any (p_conversations) order by c.id for update;
  if private.is_subscribed() then
    select array_agg(('conversation.taken_over', c.channel, c.id, null, c.number_id, null, p_at,
      jsonb_build_object('takeover', jsonb_build_object('by', p_by, 'since', p_at, 'until', p_until)), null, null)::private.noted_event order by c.id)
    into v_events
    from public.conversations c
    where c.id = any (p_conversations) and (coalesce(c.taken_until, '-infinity') <= p_now or c.taken_by <> p_by);
  end if;
  update public.conversations c
  set taken_at = case when c.taken_until > p_now and c.taken_by = p_by then c.taken_at else p_at end, taken_by = p_by,
    taken_until = case when p_extend and c.taken_until > p_until then c.taken_until else p_until end
  where c.id = any (p_conversations);
  get diagnostics v_count = row_count;
  if v_events is not null then
    perform private.note_events(v_events);
  end if;
  return v_count;
end $$;
comment on function private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean) is 'Gives conversations to a person until a time; with p_extend a takeover that lasts longer stays. Returns how many.';

-- Whoever answers in the WhatsApp Business app has the conversation, as one who answers in the panel.
create function private.take_over_by_echoes(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_minutes integer := private.takeover_minutes();
begin
  if v_minutes = 0 then
    return;
  end if;
  perform private.take_over(array_agg(latest.id order by latest.id), 'app', v_now, latest.at + make_interval(mins => v_minutes), v_now)
  from (
    select c.id, max(least(coalesce(u.at, v_now), v_now)) as at
    from unnest(p_updates) with ordinality as u
    join public.conversations c on c.channel = u.channel and c.number_id = u.sender_id and c.contact_id = p_contacts[u.ordinality]
    where u.kind = 'echo' group by c.id
  ) latest
  group by latest.at;
end $$;
comment on function private.take_over_by_echoes(private.inbound_update[], uuid[]) is 'Takes over the conversations in which somebody answered elsewhere; updates with their contacts, already stored.';

create function private.refuse_erased(p_updates private.inbound_update[], p_outcomes text) returns text
language plpgsql set search_path = '' as $$
declare
  v_outcomes text := p_outcomes;
  v_update record;
begin
  for v_update in
    select u.provider, u.key, u.ord from unnest(p_updates) u
    where substr(p_outcomes, u.ord, 1) = 's' and exists (
      select from private.erased_keys e
      where e.hash in (private.keyed_hash(u.provider || ' ' || u.key),
          case when u.kind = 'status' then private.keyed_hash('message ' || u.channel || ' ' || u.provider_id) end,
          case when u.kind = 'status' then private.keyed_hash('message ' || u.channel || ' ' || u.callback) end)
        and e.at > now() - interval '8 days')
  loop
    delete from public.webhook_events w where w.provider = v_update.provider and w.dedupe_key = v_update.key;
    v_outcomes := overlay(v_outcomes placing 'd' from v_update.ord for 1);
  end loop;
  return v_outcomes;
end $$;
comment on function private.refuse_erased(private.inbound_update[], text) is 'Removes updates of erased people from those just stored: repetitions, and statuses of messages to them. Returns the outcomes with d for these.';

create function private.opt_words(p_what text) returns text[]
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(
    (select array(select lower(btrim(w.word)) from jsonb_array_elements_text(s.value::jsonb) as w (word))
    from public.settings s where s.key = 'opt_out.' || p_what || '_words'),
    case p_what when 'stop' then array['stop', 'stop promotions', 'unsubscribe'] else array['start', 'resume', 'subscribe'] end);
end $$;
comment on function private.opt_words(text) is 'The words by which people opt out (stop) or in again (start), from the settings opt_out.stop_words and opt_out.start_words, in lower case.';

create function private.opt_said(p_body text, p_choice text, p_stop text[], p_start text[]) returns text
language sql immutable set search_path = '' as $$
  select case
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_stop) or lower(p_choice) = any (p_stop) then 'out'
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_start) or lower(p_choice) = any (p_start) then 'in' end
$$;
comment on function private.opt_said(text, text, text[], text[]) is 'Whether a message consists of just a word that opts the person out or in; for a button also its payload.';

create function private.ingest_updates(p_updates jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_all private.inbound_update[];
  v_new private.inbound_update[];
  v_messages private.inbound_update[];
  v_others private.inbound_update[];
  v_statuses private.inbound_update[];
  v_contacts uuid[];
  v_other_contacts uuid[];
  v_outcomes text;
  v_stored bigint;
  -- Whether all are messages of senders, as nearly always: sorting updates by kind is not cheap.
  v_plain boolean;
  v_echoes boolean;
  v_revokes boolean;
  v_one private.inbound_update;
  v_address text;
  v_stop text[] := private.opt_words('stop');
  v_start text[] := private.opt_words('start');
  v_words text[] := v_stop || v_start;
  -- Including the punctuation around a word. Most messages are longer.
  v_longest integer := 4 + coalesce((select max(octet_length(w.word)) from unnest(v_words) as w (word)), 0);
  v_opts boolean;
  v_news boolean;
  v_events boolean;
  v_freed boolean := false;
  -- Messages in groups, each with its author.
  v_groups boolean;
  v_authors uuid[];
  -- What was written before the sender was connected here, and what the business calls people; a later migration takes them.
  v_past private.inbound_update[];
  v_past_contacts uuid[];
  v_names private.inbound_update[];
  v_imports boolean := to_regprocedure('private.import_messages(private.inbound_update[],uuid[])') is not null;
begin
  select array_agg((e.ord, u.key, u.channel, u.provider, u.field, u.kind, u.sender_id, u.sender_display, u.at, u.identities,
    u.name, u.provider_id, u.type, u.body, u.choice, u.reply_to, u.token, u.referral,
    u.forwarded, u.status, u.rank, u.error, u.pricing, u.callback, said.opt, u.traceparent, u.news, u.event, u.raw, u.author, u.author_name)::private.inbound_update order by e.ord),
    bool_and((u.kind in ('message', 'echo')) is true and u.sender_id is not null),
    bool_or(u.kind = 'echo'), bool_or(u.type = 'revoke'), bool_or(said.opt is not null), bool_or(u.news is not null),
    bool_or(u.event is not null or u.kind = 'identity'), bool_or(u.author is not null)
  into v_all, v_plain, v_echoes, v_revokes, v_opts, v_news, v_events, v_groups
  from jsonb_array_elements(p_updates) with ordinality as e (item, ord)
  cross join lateral jsonb_to_record(e.item) as u (
    key text, channel text, provider text, field text, kind text, sender_id text, sender_display text, at timestamptz,
    identities private.identity[], name text,
    provider_id text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
    status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, traceparent text, news jsonb, event jsonb, raw jsonb, author private.identity[], author_name text)
  -- Typed, or tapped on a template. The check that nearly every message needs is inlined, because a function call costs
  -- more than the rest; and evaluated once (offset 0), though it is used twice.
  cross join lateral (
    select case
      -- The provider has its own words for opting in; those of the team that end messages still count.
      when u.opt = 'none' then private.opt_said(u.body, null, v_stop, '{}')
      when u.opt is not null then u.opt
      -- Who says stop in a group says it to the others.
      when u.author is not null then null
      when u.kind not in ('message', 'past_message') or u.type not in ('text', 'button') then null
      when octet_length(u.body) <= v_longest and lower(btrim(u.body, E' \t\n\r.!"''')) = any (v_words) or lower(u.choice) = any (v_words)
        then private.opt_said(u.body, u.choice, v_stop, v_start) end as opt
    offset 0) said;
  if v_all is null then
    return '{"outcomes": ""}';
  end if;

  -- A sender's address may change. One random update per batch is checked: this costs next to nothing however large the
  -- batch is, and also reaches senders with little traffic.
  v_one := v_all[1 + floor(random() * cardinality(v_all))::integer];

  -- Each update once. In the order of keys, so that two batches with the same updates wait instead of deadlocking;
  -- the second learns that it has a duplicate only when the first has committed.
  with first_of_key as (
    select distinct on (u.key, u.provider) u.ord, u.provider, u.key, u.field, u.kind, u.sender_id, u.raw,
      u.sender_id is not null and (u.kind in ('message', 'echo')
        or u.kind in ('past_message', 'past_echo') and v_imports and cardinality(u.identities) > 0) as in_message
    from unnest(v_all) u order by u.key, u.provider, u.ord
  ), stored as (
    insert into public.webhook_events (provider, dedupe_key, field, kind, number_id, raw)
    select f.provider, f.key, coalesce(f.field, 'unknown'), f.kind, f.sender_id,
      case when not coalesce(f.in_message, false) then f.raw end
    from first_of_key f order by f.key, f.provider
    on conflict (provider, dedupe_key) do nothing
    returning provider, dedupe_key
  ), new_ones as (
    select f.ord from stored join first_of_key f on f.key = stored.dedupe_key and f.provider = stored.provider
  )
  select string_agg(case when n.ord is not null then 's' else 'd' end, '' order by place), count(n.ord),
    (select s.address from public.senders s where s.channel = v_one.channel and s.id = v_one.sender_id)
  into v_outcomes, v_stored, v_address
  from generate_series(1, cardinality(v_all)) place left join new_ones n on n.ord = place;
  -- In a separate statement: the previous one may have waited for an erasure.
  if v_stored > 0 and exists (select from private.erased_keys) then
    v_outcomes := private.refuse_erased(v_all, v_outcomes);
    v_stored := length(replace(v_outcomes, 'd', ''));
  end if;

  perform public.add_counts(jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_all)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', v_stored),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_all) - v_stored)));
  if v_stored = 0 then
    return jsonb_build_object('outcomes', v_outcomes);
  end if;

  v_new := v_all;
  if v_stored < cardinality(v_all) then
    v_new := array(select u from unnest(v_all) u where substr(v_outcomes, u.ord::int, 1) = 's' order by u.ord);
  end if;
  if v_plain then
    v_messages := v_new;
  else
    select array_agg(u order by u.ord) filter (where u.kind in ('message', 'echo') and u.sender_id is not null),
      array_agg(u order by u.ord) filter (where u.kind in ('identity', 'other') and cardinality(u.identities) > 0),
      array_agg(u order by u.ord) filter (where u.kind = 'status'),
      array_agg(u order by u.ord) filter (where u.kind in ('past_message', 'past_echo') and u.sender_id is not null and v_imports),
      array_agg(u order by u.ord) filter (where u.kind = 'name' and u.sender_id is not null and v_imports)
    into v_messages, v_others, v_statuses, v_past, v_names
    from unnest(v_new) u;
  end if;
  if v_echoes then
    -- The echo of one of our messages is that message.
    v_messages := nullif(array(
      select u from unnest(v_messages) u
      where u.kind <> 'echo' or not exists (
        select from public.messages m
        where m.provider_id = u.provider_id and m.channel = u.channel and m.direction = 'out' and m.seq > 0)
      order by u.ord), '{}');
  end if;
  -- Everything that may need the contacts' lock comes before the first conversation's lock.
  if v_messages is not null then
    v_contacts := private.assign_contacts(v_messages);
    if array_position(v_contacts, null) is not null then
      -- Messages that identify nobody are stored too, under one contact per channel.
      with nobody as (
        select u.channel, private.uuid_v7() as id from unnest(v_messages) with ordinality as u
        where v_contacts[u.ordinality] is null group by u.channel
      ), made as (
        insert into public.contacts (id, channel) select n.id, n.channel from nobody n
      )
      select array_agg(coalesce(v_contacts[u.ordinality], n.id) order by u.ordinality) into v_contacts
      from unnest(v_messages) with ordinality as u left join nobody n on n.channel = u.channel;
    end if;
  end if;
  if v_others is not null then
    v_other_contacts := private.assign_contacts(v_others);
  end if;
  if v_groups and v_messages is not null then
    v_authors := private.assign_authors(v_messages);
  end if;
  if v_names is not null then
    perform private.apply_names(v_names);
  end if;
  if v_past is not null then
    v_past_contacts := private.assign_contacts(v_past);
  end if;
  if v_statuses is not null then
    perform private.learn_recipients(v_statuses);
  end if;
  if v_past is not null then
    v_past_contacts := private.merged(v_past_contacts);
    -- Those of both kinds at once, in the common order.
    perform from public.conversations c where c.contact_id = any (v_past_contacts || v_contacts) order by c.id for update;
  end if;
  if v_messages is not null then
    if not v_plain then
      v_contacts := private.merged(v_contacts);
    end if;
    perform private.store_messages(v_messages, v_contacts);
    if v_authors is not null then
      perform private.keep_authors(v_messages, v_contacts, v_authors);
    end if;
    if v_imports then
      perform private.drop_imported(v_messages);
    end if;
    if v_echoes then
      perform private.take_over_by_echoes(v_messages, v_contacts);
    end if;
    if v_revokes then
      perform private.withdraw_messages(v_messages);
    end if;
    if v_opts then
      perform private.apply_opt_outs(v_messages, v_contacts);
    end if;
  end if;
  if v_past is not null then
    perform private.import_messages(v_past, v_past_contacts);
    if v_opts then
      perform private.apply_opt_outs(v_past, v_past_contacts);
    end if;
  end if;
  if v_others is not null and v_opts then
    perform private.apply_opt_outs(v_others, private.merged(v_other_contacts));
  end if;
  if v_news then
    perform private.apply_templates(array_agg(u order by u.ord)) from unnest(v_new) u where u.news is not null having count(*) > 0;
    if to_regprocedure('private.apply_news(private.inbound_update[])') is not null then
      perform private.apply_news(array_agg(u order by u.ord)) from unnest(v_new) u where u.news is not null having count(*) > 0;
    end if;
  end if;
  if v_events and private.is_subscribed() then
    perform private.note_updates(v_new, v_messages, v_contacts, v_others, private.merged(v_other_contacts));
  end if;
  if v_statuses is not null then
    v_freed := private.apply_statuses(v_statuses);
  end if;
  if v_one.sender_display is not null and v_one.sender_display is distinct from v_address then
    update public.senders s set address = v_one.sender_display where s.channel = v_one.channel and s.id = v_one.sender_id;
  end if;
  return jsonb_build_object('outcomes', v_outcomes) || case when v_freed then '{"freed": true}' else '{}' end::jsonb
    -- Set by private.tell_pipeline().
    || case when current_setting('gatelink.told', true) = 'true' then '{"told": true}' else '{}' end::jsonb;
end $$;
comment on function private.ingest_updates(jsonb) is 'One attempt of ingest_updates; fails if a person in the batch is erased at the same moment.';

-- A person who is erased while their message arrives becomes a new contact: the foreign key reports that the conversation
-- is gone, and the second attempt no longer finds the person.
create function public.ingest_updates(p_updates jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.ingest_updates(p_updates);
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.ingest_updates(jsonb) is 'Stores a batch of normalised updates in one transaction: raw events once each, contacts, conversations, messages in order, statuses by rank, counts. Returns {"outcomes": "sd…"}: for each update, in the given order, s (stored) or d (duplicate); freed: true if a status released a waiting message; and told: true if events for services were queued.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.drop_echoes(uuid[]),
  private.keep_opt_words(private.opt_word[]),
  private.opt_words(text),
  private.opt_said(text, text, text[], text[]),
  private.apply_templates(private.inbound_update[]),
  public.tell_accounts(jsonb),
  private.is_about_group(private.identity[]),
  private.apply_statuses(private.inbound_update[]),
  private.find_contacts(private.inbound_update[]),
  private.make_newcomers(private.inbound_update[]),
  private.learn_recipients(private.inbound_update[]),
  private.merged(uuid[]),
  private.assign_contacts(private.inbound_update[]),
  private.find_conversations(private.inbound_update[], uuid[]),
  private.store_messages(private.inbound_update[], uuid[]),
  private.assign_authors(private.inbound_update[]),
  private.keep_authors(private.inbound_update[], uuid[], uuid[]),
  private.author_of(uuid, text),
  private.group_of(uuid),
  private.flow_of(text, jsonb),
  private.withdraw_messages(private.inbound_update[]),
  private.apply_opt_outs(private.inbound_update[], uuid[]),
  private.takeover_minutes(),
  private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean),
  private.take_over_by_echoes(private.inbound_update[], uuid[]),
  private.refuse_erased(private.inbound_update[], text),
  private.ingest_updates(jsonb),
  public.ingest_updates(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000500');
