-- What a sender exchanged before it was connected here: for WhatsApp, the chats and the address book of the business's app
-- (coexistence). Imported messages are routed to nobody, open no window, take no conversation over and tell no service; a word
-- by which a person opted out counts, at the time when it was written.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.imports (
  channel text not null,
  number_id text not null,
  state text not null default 'importing' check (state in ('importing', 'complete', 'declined', 'failed')),
  phase integer,
  progress integer not null default 0 check (progress between 0 and 100),
  messages bigint not null default 0,
  error text,
  began_at timestamptz not null default now(),
  at timestamptz not null default now(),
  constraint imports_pkey primary key (channel, number_id)
);
comment on table public.imports is 'The import of messages that a sender exchanged before it was connected here: for WhatsApp, the chats of the business''s app.';
comment on constraint imports_pkey on public.imports is 'One row per sender.';
comment on column public.imports.channel is 'The channel.';
comment on column public.imports.number_id is 'The sender (senders.id).';
comment on column public.imports.state is 'importing, complete, declined (the business does not share them) or failed.';
comment on column public.imports.phase is 'The provider''s phase: for WhatsApp 0 (the last day), 1 (up to 90 days) and 2 (up to 180 days).';
comment on column public.imports.progress is 'How much the provider has sent, in percent.';
comment on column public.imports.messages is 'How many messages were imported.';
comment on column public.imports.error is 'Why it was declined or failed, by the provider''s code and words.';
comment on column public.imports.began_at is 'When its first part came.';
comment on column public.imports.at is 'When its latest part came.';
alter table public.imports enable row level security;
revoke all on public.imports from public, anon, authenticated, service_role;
grant select on public.imports to authenticated, service_role;
grant insert, update, delete on public.imports to service_role;
create policy imports_read on public.imports for select to authenticated using ((select private.has_role('viewer')));
comment on policy imports_read on public.imports is 'Every role of the team may see how an import is doing.';

create table private.book_names (
  channel text not null,
  number_id text not null,
  kind text not null,
  value text not null,
  name text,
  at timestamptz not null,
  constraint book_names_pkey primary key (channel, number_id, kind, value)
);
comment on table private.book_names is 'What the business calls people in its address book. A person''s own profile name is kept above it.';
comment on constraint book_names_pkey on private.book_names is 'A person has one name in an address book.';
comment on column private.book_names.channel is 'The channel.';
comment on column private.book_names.number_id is 'The sender (senders.id) whose address book it is.';
comment on column private.book_names.kind is 'Kind of the person''s id there, as in contact_identities.';
comment on column private.book_names.value is 'The person''s id.';
comment on column private.book_names.name is 'The name; null since the person was removed from the address book.';
comment on column private.book_names.at is 'When the provider reported it, by its clock.';
alter table private.book_names enable row level security;
revoke all on private.book_names from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.book_names to service_role;

create sequence private.imported_seq;
comment on sequence private.imported_seq is 'Keeps imported messages of the same second apart.';
grant usage on sequence private.imported_seq to service_role;

-- Ids and order -----------------------------------------------------------------------------------

-- Before every message that came in, whose seq is above 0, and within what a number in JSON can hold (2^53): 32 bits of
-- seconds, and 20 bits that keep messages of the same second in the order in which they came.
create function private.imported_position(p_at timestamptz) returns bigint
language sql volatile set search_path = '' as $$
  select -9007199254740991 + (least(greatest(extract(epoch from p_at), 0), 4294967295)::bigint << 20) + (nextval('private.imported_seq') & 1048575)
$$;
comment on function private.imported_position(timestamptz) is 'messages.seq of an imported message that was written at this time.';

-- Lists of conversations go by the ids of messages, and so does retention: by the time of writing, not of the import.
create function private.imported_id(p_at timestamptz) returns uuid
language sql volatile set search_path = '' as $$
  select encode(substr(uuid_send(private.uuid_v7_from(p_at)), 1, 6)
    || set_byte(substr(uuid_send(gen_random_uuid()), 7), 0, get_byte(uuid_send(gen_random_uuid()), 6) & 15 | 112), 'hex')::uuid
$$;
comment on function private.imported_id(timestamptz) is 'A UUID v7 of this time.';

-- Messages ----------------------------------------------------------------------------------------

-- What comes in is routed even if the app's history brought it before. Nearly always nothing was imported lately.
create function private.drop_imported(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (select from public.imports i where i.at > now() - interval '8 days') then
    delete from public.messages gone
    where gone.id in (
      select m.id from unnest(p_updates) u
      cross join lateral (
        select m.id, m.channel, m.seq from public.messages m where m.provider_id = u.provider_id limit 10) m
      where m.channel = u.channel and m.seq < 0);
  end if;
end $$;
comment on function private.drop_imported(private.inbound_update[]) is 'Deletes the imported form of messages that have now come in by themselves.';

-- Chunks come in any order and again; a file comes before or after the placeholder in its thread. So a message that is there
-- already stays, unless it stands for a file that has now come.
create function private.import_messages(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_conversations uuid[] := private.find_conversations(p_updates, p_contacts);
  v_known uuid[];
  v_counts record;
begin
  if exists (
    select from unnest(p_contacts) with ordinality as c (id, place) where c.id is not null and v_conversations[c.place] is null) then
    insert into public.senders (channel, id, address, provider, max_per_second, pair_seconds)
    select distinct on (u.channel, u.sender_id) u.channel, u.sender_id, u.sender_display, u.provider, p.max_per_second, p.pair_seconds
    from unnest(p_updates) u cross join lateral private.channel_policy(u.channel) p
    order by u.channel, u.sender_id
    on conflict (channel, id) do nothing;
    insert into public.conversations (channel, number_id, contact_id)
    select distinct u.channel, u.sender_id, p_contacts[u.ordinality] from unnest(p_updates) with ordinality as u
    where v_conversations[u.ordinality] is null and p_contacts[u.ordinality] is not null
    order by 1, 2, 3
    on conflict (channel, number_id, contact_id) do nothing;
    v_conversations := private.find_conversations(p_updates, p_contacts);
  end if;
  -- A file may not say whose it is; its placeholder does.
  v_conversations := array(
    select coalesce(v_conversations[u.ordinality], (
      select m.conversation_id from public.messages m
      where m.provider_id = u.provider_id and m.channel = u.channel limit 1))
    from unnest(p_updates) with ordinality as u order by u.ordinality);
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;

  -- After the locks: another batch may have brought the same.
  v_known := array(
    select (
      select m.id from public.messages m where m.provider_id = u.provider_id and m.channel = u.channel order by m.seq desc limit 1)
    from unnest(p_updates) with ordinality as u order by u.ordinality);
  update public.messages m
  set type = file.type, text = coalesce(file.body, m.text), reply_to = coalesce(file.reply_to, m.reply_to), native = file.raw,
    forwarded = m.forwarded or coalesce(file.forwarded, false)
  from (
    select distinct on (v_known[u.ordinality]) v_known[u.ordinality] as id, u.type, u.body, u.reply_to, u.raw, u.forwarded
    from unnest(p_updates) with ordinality as u
    where v_known[u.ordinality] is not null and u.type is distinct from 'media_placeholder'
    order by v_known[u.ordinality], u.ord
  ) file
  where m.id = file.id and m.seq < 0 and m.type = 'media_placeholder' and m.status <> 'deleted' and file.type is not null;

  with placed as (
    -- Placeholder and file of one batch are one message; with the direction and status that the thread gives.
    select distinct on (u.provider_id, case when u.provider_id is null then u.ord end)
      u.channel, u.sender_id, v_conversations[u.ordinality] as conversation, p_contacts[u.ordinality] is not null as attributed,
      first_value(u.kind) over one as kind, first_value(u.status) over one as status, first_value(u.rank) over one as rank,
      u.type, u.provider_id, u.body, u.choice, u.reply_to, u.forwarded, u.raw, u.error, least(coalesce(u.at, v_now), v_now) as at, u.ord
    from unnest(p_updates) with ordinality as u
    where v_known[u.ordinality] is null
    window one as (partition by u.provider_id, case when u.provider_id is null then u.ord end order by u.status is null, u.ord)
    order by u.provider_id, case when u.provider_id is null then u.ord end, u.type is not distinct from 'media_placeholder', u.ord
  ), whole as (
    select p.*, earlier.raw as file,
      exists (
        select from public.messages r
        where r.type = 'revoke' and r.reply_to = p.provider_id and r.conversation_id = p.conversation
          and (r.direction = 'in') = (p.kind = 'past_message')) as withdrawn
    from placed p
    -- A file that came first, and did not say whose it is.
    left join lateral (
      select w.raw from public.webhook_events w
      where p.type = 'media_placeholder' and w.provider = 'whatsapp' and w.dedupe_key = 'hm:' || p.sender_id || ':' || p.provider_id
        and w.raw is not null limit 1) earlier on true
    where p.attributed and p.conversation is not null
  ), stored as (
    insert into public.messages (
      id, seq, channel, conversation_id, direction, provider_id, type, text, choice, reply_to, forwarded, native, status, status_rank, error,
      sent_at, created_at)
    overriding system value
    select private.imported_id(w.at), private.imported_position(w.at), w.channel, w.conversation,
      case w.kind when 'past_message' then 'in' else 'out' end, w.provider_id, coalesce(w.file ->> 'type', w.type, 'unknown'),
      case when not w.withdrawn then coalesce(w.body, w.file #>> array[w.file ->> 'type', 'caption']) end,
      case when not w.withdrawn then w.choice end, w.reply_to, coalesce(w.forwarded, false),
      case when not w.withdrawn then coalesce(w.file, w.raw) end,
      case when w.withdrawn then 'deleted' when w.kind = 'past_message' then 'received' else coalesce(w.status, 'sent') end,
      case when w.withdrawn then 6 when w.kind = 'past_message' then 0 else coalesce(w.rank, 1) end,
      w.error, w.at, v_now
    from whole w order by w.at, w.ord
    returning conversation_id, channel, sent_at
  ), touched as (
    -- Old chats do not come before those in which somebody writes now, and no window opens.
    update public.conversations c set last_message_at = greatest(c.last_message_at, latest.at)
    from (select s.conversation_id, max(s.sent_at) as at from stored s group by s.conversation_id) latest
    where c.id = latest.conversation_id
    returning c.id, c.channel, c.number_id
  )
  insert into public.imports as i (channel, number_id, messages, began_at, at)
  select t.channel, t.number_id, count(*), v_now, v_now
  from stored s join touched t on t.id = s.conversation_id group by t.channel, t.number_id order by 1, 2
  on conflict on constraint imports_pkey do update set messages = i.messages + excluded.messages;
  if exists (select from unnest(p_updates) u where u.type = 'revoke') then
    perform private.withdraw_messages(p_updates);
  end if;
end $$;
comment on function private.import_messages(private.inbound_update[], uuid[]) is 'Stores messages that were written before their sender was connected, each with its contact; null for a file whose person is not named. Messages that are there already stay as they are.';

-- Names -------------------------------------------------------------------------------------------

create function private.apply_names(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_added private.inbound_update[] := array(select u from unnest(p_updates) u where u.choice = 'add' and u.body is not null order by u.ord);
begin
  perform private.lock_contacts();
  if cardinality(v_added) > 0 then
    perform private.assign_contacts(v_added);
  end if;
  with told as (
    select distinct on (u.channel, u.sender_id, i.kind, i.value)
      u.channel, u.sender_id, i.kind, i.value, case u.choice when 'add' then u.body end as name, coalesce(u.at, now()) as at
    from unnest(p_updates) u
    cross join lateral (
      select i.kind, i.value from unnest(u.identities) with ordinality as i
      where i.value is not null and i.kind in ('phone', 'bsuid') order by i.ordinality limit 1) i
    where u.choice = 'remove' or u.body is not null
    order by u.channel, u.sender_id, i.kind, i.value, u.at desc nulls last, u.ord desc
  ), before as (
    select t.channel, t.sender_id, t.kind, t.value, b.name from told t
    left join private.book_names b on b.channel = t.channel and b.number_id = t.sender_id and b.kind = t.kind and b.value = t.value
  ), kept as (
    insert into private.book_names as b (channel, number_id, kind, value, name, at)
    select t.channel, t.sender_id, t.kind, t.value, t.name, t.at from told t order by 1, 2, 3, 4
    -- The provider does not keep the order: what is older than what is known changes nothing.
    on conflict on constraint book_names_pkey do update set name = excluded.name, at = excluded.at where b.at <= excluded.at
    returning b.channel, b.number_id, b.kind, b.value, b.name
  )
  update public.contacts c set name = k.name, updated_at = now()
  from kept k join before o on o.channel = k.channel and o.sender_id = k.number_id and o.kind = k.kind and o.value = k.value
  where c.id = private.identity_holder(k.channel, k.kind, k.value)
    and (c.name is null or c.name = o.name) and c.name is distinct from k.name;
end $$;
comment on function private.apply_names(private.inbound_update[]) is 'Records how the business names people in its address book: body the name, choice add (also of an edit) or remove. The name is the contact''s as long as the person has given none. Takes the contacts'' lock.';

-- Progress ----------------------------------------------------------------------------------------

create function private.apply_history_news(p_channel text, p_news jsonb, p_at timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_before public.imports;
  v_anew boolean;
  v_progress integer := coalesce((p_news ->> 'progress')::integer, 0);
  v_error text := case when p_news ? 'error' then concat_ws(': ', p_news #>> '{error,code}', p_news #>> '{error,title}') end;
  v_state text;
begin
  select * into v_before from public.imports i where i.channel = p_channel and i.number_id = p_news ->> 'number' for update;
  -- A number that is connected anew, a day after its import ended, is imported anew.
  v_anew := coalesce(v_before.state <> 'importing' and v_before.at < p_at - interval '1 day', true);
  if not v_anew then
    v_progress := greatest(v_progress, v_before.progress);
  end if;
  v_state := case when p_news #>> '{error,code}' = '2593109' then 'declined' when v_error is not null then 'failed'
    when v_progress = 100 then 'complete' else 'importing' end;
  insert into public.imports as i (channel, number_id, state, phase, progress, error, began_at, at)
  values (p_channel, p_news ->> 'number', v_state, (p_news ->> 'phase')::integer, v_progress, v_error, p_at, p_at)
  on conflict on constraint imports_pkey do update set
    state = excluded.state, progress = excluded.progress, error = excluded.error,
    phase = case when v_anew then excluded.phase else greatest(i.phase, excluded.phase) end,
    began_at = case when v_anew then p_at else least(i.began_at, p_at) end, at = greatest(i.at, p_at);
  if v_state <> 'importing' and v_state is distinct from v_before.state then
    perform private.record_account_event(p_channel, p_news ->> 'account', p_news ->> 'number', 'number.history_' || v_state,
      regexp_replace(p_news ->> 'address', '[^0-9]', '', 'g'),
      jsonb_strip_nulls(jsonb_build_object('error', v_error)), p_at);
  end if;
end $$;
comment on function private.apply_history_news(text, jsonb, timestamptz) is 'Records how far an import is, {number, account, address, phase, progress, error: {code, title}} (_shared/channels/whatsapp/inbound/history.ts), and its end as an event of the account. Parts may come in any order.';

create function public.list_imports() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('channel', i.channel, 'number_id', i.number_id, 'state', i.state, 'phase', i.phase,
      'progress', i.progress, 'messages', i.messages, 'error', i.error, 'began_at', i.began_at, 'at', i.at) order by i.at desc), '[]')
    from (select * from public.imports i order by i.at desc limit 1000) i);
end $$;
comment on function public.list_imports() is
  'The imports of what senders exchanged before they were connected, latest first: [{channel, number_id, state (importing, complete, declined, failed), phase, progress (percent), messages, error, began_at, at}]. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.imported_position(timestamptz),
  private.imported_id(timestamptz),
  private.drop_imported(private.inbound_update[]),
  private.import_messages(private.inbound_update[], uuid[]),
  private.apply_names(private.inbound_update[]),
  private.apply_history_news(text, jsonb, timestamptz)
  to service_role;
grant execute on function public.list_imports() to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002650');
