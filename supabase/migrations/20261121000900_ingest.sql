set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The intake: a batch of updates becomes events, contacts, conversations, messages and statuses in one transaction.

-- ---------------------------------------------------------------------------
-- Who is it? Identities, their changes, and merges
-- ---------------------------------------------------------------------------
-- plpgsql, here and in what follows, also for one statement: it keeps the plan, where a function in SQL is planned anew
-- at each call.
create function private.identity_holder(p_channel text, p_kind text, p_value text) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  return (
    select i.contact_id from public.contact_identities i
    where i.channel = p_channel and i.kind = p_kind and i.value = p_value and i.valid_to is null);
end $$;
comment on function private.identity_holder(text, text, text) is 'Who is known by this id now; null when nobody is.';
revoke execute on function private.identity_holder(text, text, text) from public, anon, authenticated;
grant execute on function private.identity_holder(text, text, text) to service_role;

create function private.hold_identity(p_contact_id uuid, p_channel text, p_kind text, p_value text, p_at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  if p_value is null or private.identity_holder(p_channel, p_kind, p_value) is not distinct from p_contact_id then
    return;
  end if;
  -- Whoever held it, and what this person held of the kind, becomes history.
  update public.contact_identities set valid_to = greatest(p_at, valid_from)
  where channel = p_channel and kind = p_kind and valid_to is null
    and (value = p_value or contact_id = p_contact_id);
  insert into public.contact_identities (contact_id, channel, kind, value, valid_from)
  values (p_contact_id, p_channel, p_kind, p_value, p_at);
end $$;
comment on function private.hold_identity(uuid, text, text, text, timestamptz) is 'Makes an id the current one of its kind for a person; what it replaces is closed, not deleted.';
revoke execute on function private.hold_identity(uuid, text, text, text, timestamptz) from public, anon, authenticated;
grant execute on function private.hold_identity(uuid, text, text, text, timestamptz) to service_role;

create function private.merge_contacts(p_keep uuid, p_other uuid, p_at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_pair record;
begin
  -- The other's current ids move over, but for kinds of which the kept contact has a current one.
  update public.contact_identities i set valid_to = greatest(p_at, i.valid_from)
  where i.contact_id = p_other and i.valid_to is null and exists (
    select from public.contact_identities k
    where k.contact_id = p_keep and k.channel = i.channel and k.kind = i.kind and k.valid_to is null);
  update public.contact_identities set contact_id = p_keep where contact_id = p_other;

  perform from public.conversations where contact_id in (p_keep, p_other) order by id for update;
  for v_pair in
    select o.id as other_id, k.id as keep_id, o.unrouted_since, o.last_inbound_at, o.last_message_at, o.opted_out_at
    from public.conversations o
    left join public.conversations k on k.contact_id = p_keep and k.channel = o.channel and k.number_id = o.number_id
    where o.contact_id = p_other
  loop
    if v_pair.keep_id is null then
      update public.conversations set contact_id = p_keep where id = v_pair.other_id;
      continue;
    end if;
    update public.messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    update public.deliveries set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    update public.outbound_messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    -- The other's lanes wake the kept ones. A lease on either is broken, so that no two work on one lane: its
    -- attempt is fenced off and made again, under the same webhook-id.
    insert into private.delivery_lanes as l (destination_id, conversation_id, due_at)
    select destination_id, v_pair.keep_id, p_at from private.delivery_lanes
    where conversation_id = v_pair.other_id and due_at is not null
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at, lease = null;
    delete from private.delivery_lanes where conversation_id = v_pair.other_id;
    insert into private.outbound_lanes as l (conversation_id, number_id, due_at, pair_tat)
    select v_pair.keep_id, number_id, p_at, pair_tat from private.outbound_lanes where conversation_id = v_pair.other_id
    on conflict (conversation_id) do update
      set due_at = excluded.due_at, lease = null, pair_tat = greatest(l.pair_tat, excluded.pair_tat);
    delete from private.outbound_lanes where conversation_id = v_pair.other_id;
    update public.conversations
    set unrouted_since = least(unrouted_since, v_pair.unrouted_since),
      held_revision = null,
      last_inbound_at = greatest(last_inbound_at, v_pair.last_inbound_at),
      last_message_at = greatest(last_message_at, v_pair.last_message_at),
      opted_out_at = greatest(opted_out_at, v_pair.opted_out_at),
      routed_seq = least(routed_seq, coalesce((
        select min(m.seq) - 1 from public.messages m
        where m.conversation_id = v_pair.keep_id and m.direction = 'in'
          and not exists (select from public.routing_decisions d where d.message_id = m.id)), routed_seq))
    where id = v_pair.keep_id;
    delete from public.conversations where id = v_pair.other_id;
  end loop;
  update public.contacts set merged_into = p_keep, updated_at = p_at where id = p_other or merged_into = p_other;
end $$;
comment on function private.merge_contacts(uuid, uuid, timestamptz) is 'Two contacts are one person: identities, conversations, messages and queues of the other go to the kept one; the other stays as a row that points to it.';
revoke execute on function private.merge_contacts(uuid, uuid, timestamptz) from public, anon, authenticated;
grant execute on function private.merge_contacts(uuid, uuid, timestamptz) to service_role;

-- The business-scoped user id tells persons apart; a phone number can change hands. So two contacts are merged
-- when an update names both and they have no different user ids; otherwise the number has moved to the person
-- who writes from it now. A notice of change (the previous id is given) is the person's own word.
create function private.resolve_contact(
  p_channel text, p_phone text, p_bsuid text, p_parent_bsuid text, p_username text, p_name text,
  p_prev_phone text, p_prev_bsuid text, p_at timestamptz
) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_contact uuid := coalesce(
    private.identity_holder(p_channel, 'bsuid', p_prev_bsuid), private.identity_holder(p_channel, 'phone', p_prev_phone),
    private.identity_holder(p_channel, 'bsuid', p_bsuid), private.identity_holder(p_channel, 'parent_bsuid', p_parent_bsuid));
  v_notice boolean := p_prev_bsuid is not null or p_prev_phone is not null;
  v_other uuid;
  v_bsuid text;
  v_other_bsuid text;
  v_keep uuid;
begin
  for v_other in
    select distinct holder from unnest(array[
      private.identity_holder(p_channel, 'bsuid', p_bsuid), private.identity_holder(p_channel, 'parent_bsuid', p_parent_bsuid),
      private.identity_holder(p_channel, 'phone', p_phone),
      case when p_phone is null and p_bsuid is null and p_parent_bsuid is null
        then private.identity_holder(p_channel, 'username', p_username) end]) as holder
    where holder is not null order by holder
  loop
    select i.value into v_other_bsuid from public.contact_identities i
    where i.contact_id = v_other and i.kind = 'bsuid' and i.valid_to is null;
    if v_contact is null then
      -- Known by number only so far, or the same user id: it is this person. Another user id: the number moved.
      if v_notice or p_bsuid is null or v_other_bsuid is null or v_other_bsuid = p_bsuid then
        v_contact := v_other;
      end if;
    elsif v_other <> v_contact then
      select i.value into v_bsuid from public.contact_identities i
      where i.contact_id = v_contact and i.kind = 'bsuid' and i.valid_to is null;
      if v_bsuid is null or v_other_bsuid is null or v_bsuid = v_other_bsuid
        or (v_notice and v_other_bsuid is not distinct from p_bsuid) then
        v_keep := least(v_contact, v_other); -- ids sort by age
        -- Through a notice the previous user id is over; the new one must survive the merge.
        if v_notice and v_other_bsuid is not null and v_bsuid is distinct from v_other_bsuid then
          update public.contact_identities set valid_to = greatest(p_at, valid_from)
          where contact_id = v_contact and kind = 'bsuid' and valid_to is null;
        end if;
        perform private.merge_contacts(v_keep, case when v_keep = v_contact then v_other else v_contact end, p_at);
        v_contact := v_keep;
      end if;
    end if;
  end loop;

  if v_contact is null then
    insert into public.contacts (channel, name) values (p_channel, p_name) returning id into v_contact;
  elsif p_name is not null then
    update public.contacts set name = p_name, updated_at = p_at where id = v_contact and name is distinct from p_name;
  end if;
  perform private.hold_identity(v_contact, p_channel, 'phone', p_phone, p_at);
  perform private.hold_identity(v_contact, p_channel, 'bsuid', p_bsuid, p_at);
  perform private.hold_identity(v_contact, p_channel, 'parent_bsuid', p_parent_bsuid, p_at);
  perform private.hold_identity(v_contact, p_channel, 'username', p_username, p_at);
  return v_contact;
end $$;
comment on function private.resolve_contact(text, text, text, text, text, text, text, text, timestamptz) is 'The person that these ids name, made, moved or merged as needed. The caller holds the contacts'' lock (private.lock_contacts).';
revoke execute on function private.resolve_contact(text, text, text, text, text, text, text, text, timestamptz) from public, anon, authenticated;
grant execute on function private.resolve_contact(text, text, text, text, text, text, text, text, timestamptz) to service_role;

create function private.lock_contacts() returns void
language sql set search_path = '' as $$
  select pg_advisory_xact_lock(hashtext('gatelink.contacts'))
$$;
comment on function private.lock_contacts() is 'Lets one transaction at a time make, change or merge contacts. Messages of known people do not need it.';
revoke execute on function private.lock_contacts() from public, anon, authenticated;
grant execute on function private.lock_contacts() to service_role;

-- ---------------------------------------------------------------------------
-- The batch
-- ---------------------------------------------------------------------------
create type private.inbound_update as (
  ord integer, key text, field text, kind text, number_id text, number_display text, at timestamptz,
  phone text, bsuid text, parent_bsuid text, username text, name text, prev_phone text, prev_bsuid text,
  wamid text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
  status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, raw jsonb
);
comment on type private.inbound_update is 'One update as the intake works on it: its place in the batch (from 1) and what _shared/whatsapp/updates.ts makes.';

create function private.apply_statuses(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_ids uuid[];
begin
  -- By our own id where the provider gives it back, else by the provider's id. Locks in one order: messages first.
  select array_agg(found.id order by found.id) into v_ids from (
    select m.id from unnest(p_updates) u join public.messages m
      on m.id = case when u.callback ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then u.callback::uuid end
    where u.kind = 'status' and m.direction = 'out'
    union
    select m.id from unnest(p_updates) u join public.messages m on m.provider_id = u.wamid
    where u.kind = 'status' and m.direction = 'out'
  ) found;
  if v_ids is null then
    return;
  end if;
  perform from public.messages where id = any (v_ids) order by id for update;
  update public.messages m
  set status = case when best.rank > m.status_rank then best.status else m.status end,
    status_rank = greatest(m.status_rank, best.rank),
    status_at = best.times || m.status_at,
    pricing = coalesce(best.pricing, m.pricing),
    error = coalesce(best.error, m.error),
    provider_id = coalesce(m.provider_id, best.wamid)
  from (
    select t.id,
      (array_agg(u.status order by u.rank desc))[1] as status, max(u.rank) as rank,
      jsonb_object_agg(u.status, u.at order by u.at desc) as times,
      (array_agg(u.pricing order by u.rank desc) filter (where u.pricing is not null))[1] as pricing,
      (array_agg(u.error order by u.rank desc) filter (where u.error is not null))[1] as error,
      max(u.wamid) as wamid
    from public.messages t
    join unnest(p_updates) u on u.kind = 'status' and u.status is not null and u.rank is not null
      and (u.callback = t.id::text or u.wamid = t.provider_id)
    where t.id = any (v_ids)
    group by t.id
  ) best
  where m.id = best.id;
  -- A status proves that the provider took it, also where the sender died before it could say so.
  update public.outbound_messages o set state = 'sent', updated_at = now()
  where o.id = any (v_ids) and o.state in ('queued', 'leased');
end $$;
comment on function private.apply_statuses(private.inbound_update[]) is 'Moves outbound messages forward by rank, never back, and keeps the time of each status. A status of a message that is not ours stays in webhook_events only.';
revoke execute on function private.apply_statuses(private.inbound_update[]) from public, anon, authenticated;
grant execute on function private.apply_statuses(private.inbound_update[]) to service_role;

-- These functions run for every message, and their plans may have been made while the tables were empty. "limit 1"
-- keeps each look-up a probe of its index, whatever the statistics say at that moment; the settings keep it generic.
create function private.find_contacts(p_updates private.inbound_update[]) returns uuid[]
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
  v_contacts uuid[];
begin
  select array_agg(case
      when (u.phone is null or phone.contact_id = c.id) and (u.bsuid is null or bsuid.contact_id = c.id)
        and (u.parent_bsuid is null or parent.contact_id = c.id) and (u.username is null or handle.contact_id = c.id)
        and (u.name is null or u.name = c.name) and u.prev_phone is null and u.prev_bsuid is null then c.id
    end order by u.ordinality)
  into v_contacts
  from unnest(p_updates) with ordinality as u
  left join lateral (
    select i.contact_id from public.contact_identities i
    where i.channel = 'whatsapp' and i.kind = 'phone' and i.value = u.phone and i.valid_to is null limit 1) phone on true
  left join lateral (
    select i.contact_id from public.contact_identities i
    where i.channel = 'whatsapp' and i.kind = 'bsuid' and i.value = u.bsuid and i.valid_to is null limit 1) bsuid on true
  left join lateral (
    select i.contact_id from public.contact_identities i
    where i.channel = 'whatsapp' and i.kind = 'parent_bsuid' and i.value = u.parent_bsuid and i.valid_to is null limit 1) parent on true
  left join lateral (
    select i.contact_id from public.contact_identities i
    where i.channel = 'whatsapp' and i.kind = 'username' and i.value = u.username and i.valid_to is null limit 1) handle on true
  left join lateral (
    select p.id, p.name from public.contacts p
    where p.id = coalesce(phone.contact_id, bsuid.contact_id, parent.contact_id, handle.contact_id) limit 1) c on true;
  return v_contacts;
end $$;
comment on function private.find_contacts(private.inbound_update[]) is 'The contact of each update, in its place, where every id and the name are as we know them and no change is announced; null elsewhere.';
revoke execute on function private.find_contacts(private.inbound_update[]) from public, anon, authenticated;
grant execute on function private.find_contacts(private.inbound_update[]) to service_role;

create function private.make_newcomers(p_updates private.inbound_update[]) returns void
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan as $$
begin
  with people as (
    select private.uuid_v7() as id, u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid,
      coalesce(min(u.at), now()) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name
    from unnest(p_updates) u
    group by u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid
  ), ids as (
    select p.id, k.kind, k.value, p.at, k.previous, count(*) over (partition by k.kind, k.value) as claims
    from people p
    cross join lateral (values
      ('phone', p.phone, false), ('bsuid', p.bsuid, false), ('parent_bsuid', p.parent_bsuid, false),
      ('username', p.username, false), ('phone', p.prev_phone, true), ('bsuid', p.prev_bsuid, true)) as k (kind, value, previous)
    where k.value is not null
  ), plain as (
    select ids.id from ids
    left join lateral (
      select k.id from public.contact_identities k
      where k.channel = 'whatsapp' and k.kind = ids.kind and k.value = ids.value and k.valid_to is null limit 1) i on true
    group by ids.id
    having max(ids.claims) = 1 and not bool_or(ids.previous) and count(i.id) = 0
  ), made as (
    insert into public.contacts (id, channel, name)
    select p.id, 'whatsapp', p.name from people p join plain on plain.id = p.id
  )
  insert into public.contact_identities (contact_id, channel, kind, value, valid_from)
  select ids.id, 'whatsapp', ids.kind, ids.value, least(ids.at, now()) from ids join plain on plain.id = ids.id;
end $$;
comment on function private.make_newcomers(private.inbound_update[]) is 'Makes the contacts of those updates whose ids nobody has and no other update of the batch claims differently.';
revoke execute on function private.make_newcomers(private.inbound_update[]) from public, anon, authenticated;
grant execute on function private.make_newcomers(private.inbound_update[]) to service_role;

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
  -- Whoever is not plainly known or plainly new: one by one, in the order of the batch.
  v_contacts := private.find_contacts(p_updates);
  for v_row in
    select u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid, min(u.at) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name,
      array_agg(u.ordinality) as places
    from unnest(p_updates) with ordinality as u
    where v_contacts[u.ordinality] is null
      and coalesce(u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid) is not null
    group by u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid
    order by min(u.ord)
  loop
    v_contact := private.resolve_contact('whatsapp', v_row.phone, v_row.bsuid, v_row.parent_bsuid, v_row.username,
      v_row.name, v_row.prev_phone, v_row.prev_bsuid, least(coalesce(v_row.at, now()), now()));
    foreach v_place in array v_row.places loop
      v_contacts[v_place] := v_contact;
    end loop;
  end loop;
  -- A later one may have merged what an earlier one found.
  return array(
    select (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = found.id)
    from unnest(v_contacts) with ordinality as found (id, place) order by found.place);
end $$;
comment on function private.assign_contacts(private.inbound_update[]) is 'Finds, makes or merges the contact of each update, in its place; null for one that names nobody.';
revoke execute on function private.assign_contacts(private.inbound_update[]) from public, anon, authenticated;
grant execute on function private.assign_contacts(private.inbound_update[]) to service_role;

create function private.find_conversations(p_updates private.inbound_update[], p_contacts uuid[]) returns uuid[]
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
begin
  return array(
    select (
      select c.id from public.conversations c
      where c.channel = 'whatsapp' and c.number_id = u.number_id and c.contact_id = p_contacts[u.ordinality] limit 1)
    from unnest(p_updates) with ordinality as u
    order by u.ordinality);
end $$;
comment on function private.find_conversations(private.inbound_update[], uuid[]) is 'The conversation of each update, in its place; null where there is none yet.';
revoke execute on function private.find_conversations(private.inbound_update[], uuid[]) from public, anon, authenticated;
grant execute on function private.find_conversations(private.inbound_update[], uuid[]) to service_role;

create function private.store_messages(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_conversations uuid[] := private.find_conversations(p_updates, p_contacts);
begin
  if array_position(v_conversations, null) is not null then
    insert into public.wa_numbers (id, display_number)
    select distinct on (u.number_id) u.number_id, u.number_display from unnest(p_updates) u
    order by u.number_id
    on conflict (id) do nothing;
    insert into public.conversations (number_id, contact_id)
    select distinct u.number_id, p_contacts[u.ordinality] from unnest(p_updates) with ordinality as u
    where v_conversations[u.ordinality] is null
    order by 1, 2
    on conflict (channel, number_id, contact_id) do nothing;
    v_conversations := private.find_conversations(p_updates, p_contacts);
  end if;

  -- The conversations' locks, always in the order of ids. From here to the commit nobody else can add to them,
  -- so messages.seq, given below, is the order in which they are acknowledged.
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;

  with placed as (
    select u.kind, u.type, u.wamid, u.body, u.choice, u.reply_to, u.token, u.referral, u.forwarded, u.raw, u.error, u.at, u.ord,
      v_conversations[u.ordinality] as conversation
    from unnest(p_updates) with ordinality as u
  ), stored as (
    insert into public.messages (
      conversation_id, direction, provider_id, type, text, choice, reply_to, link_token, referral, forwarded, native,
      status, status_rank, error, sent_at, created_at)
    select p.conversation, case when p.kind = 'message' then 'in' else 'out' end, p.wamid, coalesce(p.type, 'unknown'),
      p.body, p.choice, p.reply_to, p.token, p.referral, coalesce(p.forwarded, false), p.raw,
      case when p.kind = 'message' then 'received' else 'sent' end, case when p.kind = 'message' then 0 else 1 end,
      p.error, p.at, v_now
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
      -- The provider's clock opens the window, never beyond ours.
      max(least(coalesce(p.at, v_now), v_now)) filter (where p.kind = 'message' and p.type is distinct from 'system') as inbound_at
    from placed p group by p.conversation
  ) latest
  where c.id = latest.conversation;
end $$;
comment on function private.store_messages(private.inbound_update[], uuid[]) is 'Numbers, conversations and messages of updates that all are messages or echoes of a number, each with its contact.';
revoke execute on function private.store_messages(private.inbound_update[], uuid[]) from public, anon, authenticated;
grant execute on function private.store_messages(private.inbound_update[], uuid[]) to service_role;

create function private.apply_opt_outs(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
begin
  update public.conversations c
  set opted_out_at = case when latest.opt = 'out' then latest.at end
  from (
    select distinct on (p_contacts[u.ordinality], u.number_id)
      p_contacts[u.ordinality] as contact_id, u.number_id, u.opt, coalesce(u.at, now()) as at
    from unnest(p_updates) with ordinality as u where u.opt is not null
    order by p_contacts[u.ordinality], u.number_id, u.at desc nulls last, u.ord desc
  ) latest
  where c.channel = 'whatsapp' and c.contact_id = latest.contact_id and c.number_id = latest.number_id;
end $$;
comment on function private.apply_opt_outs(private.inbound_update[], uuid[]) is 'Writes down who wants no business-initiated messages any more, or wants them again.';
revoke execute on function private.apply_opt_outs(private.inbound_update[], uuid[]) from public, anon, authenticated;
grant execute on function private.apply_opt_outs(private.inbound_update[], uuid[]) to service_role;

create function public.ingest_updates(p_updates jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  v_all private.inbound_update[];
  v_new private.inbound_update[];
  v_messages private.inbound_update[];
  v_others private.inbound_update[];
  v_contacts uuid[];
  v_nobody uuid;
  v_outcomes text;
begin
  select array_agg((e.ord, u.key, u.field, u.kind, u.number_id, u.number_display, u.at, u.phone, u.bsuid, u.parent_bsuid,
    u.username, u.name, u.prev_phone, u.prev_bsuid, u.wamid, u.type, u.body, u.choice, u.reply_to, u.token, u.referral,
    u.forwarded, u.status, u.rank, u.error, u.pricing, u.callback, u.opt, u.raw)::private.inbound_update order by e.ord)
  into v_all
  from jsonb_array_elements(p_updates) with ordinality as e (item, ord)
  cross join lateral jsonb_to_record(e.item) as u (
    key text, field text, kind text, number_id text, number_display text, at timestamptz,
    phone text, bsuid text, parent_bsuid text, username text, name text, prev_phone text, prev_bsuid text,
    wamid text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
    status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, raw jsonb);
  if v_all is null then
    return '{"outcomes": ""}';
  end if;

  -- Each update once. In the order of keys, so that two batches with the same updates wait instead of deadlocking;
  -- the one that comes second learns that it has a duplicate only when the first has committed.
  with first_of_key as (
    select distinct on (u.key) u.ord, u.key, u.field, u.kind, u.number_id, u.raw from unnest(v_all) u order by u.key, u.ord
  ), stored as (
    insert into public.webhook_events (dedupe_key, field, kind, number_id, raw)
    select f.key, coalesce(f.field, 'unknown'), f.kind, f.number_id,
      case when f.kind in ('message', 'echo') and f.number_id is not null then null else f.raw end
    from first_of_key f order by f.key
    on conflict (provider, dedupe_key) do nothing
    returning dedupe_key
  ), new_ones as (
    select f.ord from stored join first_of_key f on f.key = stored.dedupe_key
  )
  select array_agg(u order by u.ord) filter (where n.ord is not null),
    string_agg(case when n.ord is not null then 's' else 'd' end, '' order by u.ord)
  into v_new, v_outcomes
  from unnest(v_all) u left join new_ones n on n.ord = u.ord;

  perform public.add_counts(jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_all)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', coalesce(cardinality(v_new), 0)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_all) - coalesce(cardinality(v_new), 0))));
  if v_new is null then
    return jsonb_build_object('outcomes', v_outcomes);
  end if;

  select array_agg(u order by u.ord) filter (where u.kind in ('message', 'echo') and u.number_id is not null),
    array_agg(u order by u.ord) filter (where u.kind in ('identity', 'other')
      and coalesce(u.phone, u.bsuid, u.parent_bsuid, u.username, u.prev_phone, u.prev_bsuid) is not null)
  into v_messages, v_others
  from unnest(v_new) u;
  if v_messages is not null then
    v_contacts := private.assign_contacts(v_messages);
    if array_position(v_contacts, null) is not null then
      -- Messages that name nobody are kept all the same, under a contact of their own.
      insert into public.contacts (channel) values ('whatsapp') returning id into v_nobody;
      v_contacts := array_replace(v_contacts, null, v_nobody);
    end if;
    perform private.store_messages(v_messages, v_contacts);
  end if;
  if v_others is not null then
    perform private.apply_opt_outs(v_others, private.assign_contacts(v_others));
  end if;
  perform private.apply_statuses(array_agg(u order by u.ord)) from unnest(v_new) u where u.kind = 'status' having count(*) > 0;
  return jsonb_build_object('outcomes', v_outcomes);
end $$;
comment on function public.ingest_updates(jsonb) is 'Stores a batch of normalised updates in one transaction: raw events once each, contacts, conversations, messages in order, statuses by rank, counts. Answers {"outcomes": "sd…"}: for each update in the order given s (stored) or d (duplicate).';
revoke execute on function public.ingest_updates(jsonb) from public, anon, authenticated;
grant execute on function public.ingest_updates(jsonb) to service_role;
