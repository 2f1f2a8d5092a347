set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Who is it? Identities, their changes, and merges.

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
    -- attempt is fenced off and made again, under the same webhook-id. Empty ones come along asleep: what was given up
    -- there may be retried.
    insert into private.delivery_lanes as l (destination_id, conversation_id, due_at)
    select destination_id, v_pair.keep_id, case when due_at is not null then p_at end from private.delivery_lanes
    where conversation_id = v_pair.other_id
    on conflict (destination_id, conversation_id) do update
      set due_at = excluded.due_at, lease = null where excluded.due_at is not null;
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
