-- The intake, step by step: statuses, the people of updates, their conversations and messages, what is withdrawn, and
-- opt-outs.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create type private.status_subject as (place bigint, message_id uuid, conversation_id uuid);
comment on type private.status_subject is 'A message of ours that a status is about, with the status''s place among the updates.';

create function private.subjects_of(p_updates private.inbound_update[]) returns private.status_subject[]
language plpgsql stable set search_path = '' as $$
begin
  -- By our own id if the provider returns it, else by the provider's id.
  return array(
    select row(u.ordinality, m.id, m.conversation_id)::private.status_subject
    from unnest(p_updates) with ordinality as u
    -- Without a pattern: one of this length takes seven times as long.
    cross join lateral (
      select case when translate(u.callback, '123456789abcdef', '000000000000000') = '00000000-0000-0000-0000-000000000000'
        then u.callback::uuid end as id offset 0) named
    cross join lateral (
      (select m.id, m.conversation_id from public.messages m
      where m.id = named.id and m.direction = 'out' and m.channel = u.channel limit 1)
      union all
      (select m.id, m.conversation_id from public.messages m
      where m.provider_id = u.provider_id and m.direction = 'out' and m.channel = u.channel and m.id is distinct from named.id limit 10)) m
    where u.kind = 'status'
    order by u.ordinality);
end $$;
comment on function private.subjects_of(private.inbound_update[]) is 'Our messages that statuses are about, in the order of the statuses.';

create function private.apply_statuses(p_updates private.inbound_update[], p_subjects private.status_subject[]) returns boolean
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
  select array_agg(s.message_id order by s.ordinality), array_agg(s.place order by s.ordinality) into v_about, v_places
  from unnest(p_subjects) with ordinality as s;
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
  -- One lock order: conversations, lanes, messages. Events go into the lanes of their conversations, which include those of
  -- opt-outs.
  if v_wanted then
    perform from public.conversations c
    where c.id in (select m.conversation_id from public.messages m where m.id = any (v_ids)) order by c.id for update;
  end if;
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
comment on function private.apply_statuses(private.inbound_update[], private.status_subject[]) is 'Advances outbound messages by rank, never back, and records the time of each status. A status of a message that is not ours stays in webhook_events only. Returns whether a lane that waited for one may continue.';

create function private.learn_recipients(p_updates private.inbound_update[], p_subjects private.status_subject[]) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.learn_told(array(
    select row(c.contact_id, c.channel, c.number_id, u.identities, min(least(coalesce(u.at, now()), now())))::private.told_ids
    from unnest(p_subjects) with ordinality as s
    join unnest(p_updates) with ordinality as u on u.ordinality = s.place
    cross join lateral (
      select c.contact_id, c.channel, c.number_id from public.conversations c where c.id = s.conversation_id limit 1) c
    -- The first that it is about.
    where cardinality(u.identities) > 0 and s.place is distinct from p_subjects[s.ordinality - 1].place
    group by c.contact_id, c.channel, c.number_id, u.identities));
end $$;
comment on function private.learn_recipients(private.inbound_update[], private.status_subject[]) is 'Records new ids that the statuses of our messages report for their recipients.';

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
  v_ids uuid[] := private.uuids_v7(cardinality(p_updates));
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
      id, channel, conversation_id, direction, provider_id, type, text, choice, reply_to, link_token, referral, forwarded, native,
      status, status_rank, error, traceparent, sent_at, created_at)
    select v_ids[row_number() over (order by coalesce(p.at, v_now), p.ord)], p.channel, p.conversation,
      case when p.kind = 'message' then 'in' else 'out' end, p.provider_id, coalesce(p.type, 'unknown'),
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

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.subjects_of(private.inbound_update[]),
  private.apply_statuses(private.inbound_update[], private.status_subject[]),
  private.find_contacts(private.inbound_update[]),
  private.make_newcomers(private.inbound_update[]),
  private.learn_recipients(private.inbound_update[], private.status_subject[]),
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
  private.apply_opt_outs(private.inbound_update[], uuid[])
  to service_role;

insert into private.own_migrations (version) values ('20261129000510');
