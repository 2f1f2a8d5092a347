-- Masked messaging: texts to the numbers of organisations, from the router's hands to the other side's phone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.masked_waiting(p_conversations uuid[]) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('conversation_id', c.id, 'org_id', o.id, 'countries', to_jsonb(o.countries), 'zone', o.zone,
      'own_numbers', (
        select coalesce(jsonb_agg(s.address order by s.address), '[]')
        from public.org_numbers d join public.senders s on s.channel = d.channel and s.id = d.number_id
        where d.org_id = o.id and (d.class = 'front_desk' or d.number_id = n.number_id)),
      'earlier', (
        select coalesce(jsonb_agg(e.text order by e.seq), '[]') from (
          -- The newest first, and no further: what was written before these fifty, ten minutes do not reach.
          select m.text, m.seq from (
            select b.* from public.messages b where b.conversation_id = c.id and b.seq < waiting.first order by b.seq desc limit 50) m
          where m.direction = 'in' and m.text is not null and m.created_at > waiting.since - interval '10 minutes'
          order by m.seq desc limit 3) e),
      'messages', waiting.messages)), '[]')
    from public.conversations c
    join public.org_numbers n on n.channel = c.channel and n.number_id = c.number_id
    join public.orgs o on o.id = n.org_id
    cross join lateral (
      select i.value as phone from (select 1) one left join lateral (
        select x.value from public.contact_identities x
        where x.contact_id = c.contact_id and x.kind = 'phone' and x.valid_to is null order by x.id desc limit 1) i on true) who
    cross join lateral (
      select min(m.seq) as first, min(m.created_at) as since, jsonb_agg(jsonb_build_object(
        'id', m.id, 'at', m.created_at, 'text', m.text, 'keyword', m.native ->> 'keyword', 'is_group', m.native ? 'group',
        'is_phone', who.phone is not null,
        'media', case when jsonb_typeof(m.native -> 'media') = 'array' then (
          select coalesce(jsonb_agg(f.file -> 'type' order by f.place), '[]')
          from jsonb_array_elements(m.native -> 'media') with ordinality as f (file, place)) else '[]' end)
        || (private.relay_facts(n, c.contact_id, who.phone, m.created_at) - 'orgId') order by m.seq) as messages
      from (
        select * from public.messages m
        where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in'
          and not exists (select from public.routing_decisions d where d.message_id = m.id)
        order by m.seq limit 20) m
      -- Here and not outside, where it would have the facts read twice.
      having count(*) > 0) waiting
    where c.id = any (p_conversations) and c.channel = 'sms');
end $$;
comment on function public.masked_waiting(uuid[]) is 'Of these conversations those with a number of an organisation, each with its undecided texts in order and what relay() asks of each: [{conversation_id, org_id, countries, zone, own_numbers, earlier, messages}]. For secret keys.';

create function private.queue_text(p_contact uuid, p_number text, p_message jsonb, p_key text, p_now timestamptz) returns jsonb
language sql volatile set search_path = '' as $$
  select private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'sms', 'number_id', p_number,
    'identities', jsonb_build_array(jsonb_build_object('kind', 'contact', 'value', p_contact)),
    'message', p_message, 'text', nullif(p_message ->> 'text', ''), 'idempotency_key', p_key)), p_now) -> 0
$$;
comment on function private.queue_text(uuid, text, jsonb, text, timestamptz) is 'Queues a text to a person from a number, once for each key. Returns {id, status} or {error}, as enqueue_outbound.';

create function private.queue_to_legs(
  p_thread uuid, p_legs uuid[], p_message jsonb, p_key text, p_now timestamptz, out reached integer, out queued integer, out first uuid, out error text
) language plpgsql volatile set search_path = '' as $$
declare
  v_leg record;
  v_answer jsonb;
begin
  reached := 0;
  queued := 0;
  for v_leg in
    select l.id, l.contact_id, l.number_id from public.thread_legs l where l.id = any (p_legs) order by l.id
  loop
    -- Who has no number in the thread reads it in the app.
    if v_leg.number_id is not null then
      v_answer := private.queue_text(v_leg.contact_id, v_leg.number_id, p_message, 'relay:' || p_key || ':' || v_leg.id, p_now);
      error := coalesce(v_answer ->> 'error', error);
      continue when v_answer ? 'error';
      queued := queued + 1;
      first := coalesce(first, (v_answer ->> 'id')::uuid);
      update public.messages m set thread_id = p_thread where m.id = (v_answer ->> 'id')::uuid;
    end if;
    reached := reached + 1;
  end loop;
end $$;
comment on function private.queue_to_legs(uuid, uuid[], jsonb, text, timestamptz) is 'Queues a text to each of these legs of a thread, once for each key: how many people it reaches, how many texts wait, the first of them, and why one could not be queued.';

create function private.conversations_of_legs(p_legs uuid[]) returns uuid[]
language sql stable set search_path = '' set jit = off set enable_seqscan = off as $$
  -- Each limit says that it is one row, which a join of lists of unknown length does not: it would read all conversations.
  select array(
    select distinct k.id from unnest(p_legs) as leg (id)
    cross join lateral (select * from public.thread_legs x where x.id = leg.id limit 1) l
    cross join lateral (
      select c.id from public.conversations c
      where c.channel = l.channel and c.number_id = l.number_id and c.contact_id = l.contact_id limit 1) k)
$$;
comment on function private.conversations_of_legs(uuid[]) is 'The conversations of these legs of threads, as far as there are any.';

-- Whether everything that a decision rests on still is as it was: else it is made again. Nobody hears a stranger because
-- somebody was taken off a thread a moment before.
create function private.legs_stand(p_thread uuid, p_writer uuid, p_number text, p_legs uuid[]) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
      select from public.threads t
      join public.thread_legs l on l.thread_id = t.id and l.contact_id = p_writer and l.number_id = p_number and l.ended_at is null
      where t.id = p_thread and t.state = 'live')
    and cardinality(p_legs) = (
      select count(*) from public.thread_legs l where l.id = any (p_legs) and l.thread_id = p_thread and l.ended_at is null);
end $$;
comment on function private.legs_stand(uuid, uuid, text, uuid[]) is 'Whether a thread is live, its writer still meets this number in it, and these legs of it are live.';

create function private.open_for(p_org uuid, p_client uuid, p_now timestamptz) returns uuid
language plpgsql volatile set search_path = '' as $$
begin
  if exists (select from public.org_members m where m.org_id = p_org and m.contact_id = p_client) then
    return null;
  end if;
  return (public.open_thread(p_org, p_client, (
    select w.member_id from public.assignment_windows w
    where w.org_id = p_org and w.client_id = p_client and w.cancelled_at is null and w.closes_at > p_now
    order by w.opens_at, w.id limit 1), 'first_message') ->> 'thread_id')::uuid;
end $$;
comment on function private.open_for(uuid, uuid, timestamptz) is 'The thread of somebody who writes to the front desk for the first time: with the sitter whose window comes first, else with the owner. Null for members.';

create function private.record_relay(p_conversation public.conversations, p_relay jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_message uuid := (p_relay ->> 'message_id')::uuid;
  v_org uuid := (p_relay ->> 'org_id')::uuid;
  v_thread uuid := (p_relay ->> 'thread_id')::uuid;
  v_outcome text := p_relay ->> 'outcome';
  v_reason text := p_relay ->> 'reason';
  v_copies record;
  v_answer jsonb;
  v_queued integer := 0;
  v_decision uuid;
begin
  if (p_relay ->> 'opens')::boolean then
    v_thread := private.open_for(v_org, p_conversation.contact_id, p_now);
  end if;
  if v_outcome = 'leg' then
    v_copies := private.queue_to_legs(v_thread, array(select value::uuid from jsonb_array_elements_text(p_relay -> 'legs')),
      p_relay -> 'message', v_message::text, p_now);
    v_queued := v_copies.queued;
    -- Nothing is lost: what could go to nobody waits for the owner.
    if v_copies.reached = 0 then
      v_outcome := 'owner_inbox';
      v_reason := coalesce(v_copies.error, 'no_sitter');
    end if;
  end if;
  if p_relay ? 'notice' and not exists (
      select from public.thread_decisions d
      where d.contact_id = p_conversation.contact_id and d.reason = v_reason and d.at > p_now - interval '1 hour') then
    v_answer := private.queue_text(p_conversation.contact_id, p_conversation.number_id, p_relay -> 'notice', 'relay-notice:' || v_message, p_now);
    v_queued := v_queued + case when v_answer ? 'error' then 0 else 1 end;
  end if;
  update public.messages m set thread_id = v_thread where m.id = v_message and v_thread is not null;
  v_decision := private.write_decision(p_relay || jsonb_build_object('thread_id', v_thread, 'contact_id', p_conversation.contact_id,
      'outcome', v_outcome, 'reason', v_reason,
      'number_last4', right(regexp_replace(coalesce((
        select s.address from public.senders s where s.channel = p_conversation.channel and s.id = p_conversation.number_id), ''), '[^0-9]', '', 'g'), 4),
      'from_last4', right(regexp_replace(coalesce(private.address_of(p_conversation.contact_id, p_conversation.channel, p_conversation.number_id), ''), '[^0-9]', '', 'g'), 4)),
    coalesce(p_relay -> 'findings', '[]'));
  return jsonb_build_object('message_id', v_message, 'org_id', v_org, 'thread_id', v_thread, 'outcome', v_outcome, 'reason', v_reason,
    'queued', v_queued, 'decision_id', v_decision, 'from_role', p_relay -> 'from_role');
end $$;
comment on function private.record_relay(public.conversations, jsonb, timestamptz) is 'Writes one decision on a text with what follows from it: the copies to the other legs, words to the writer (of one reason once an hour), the thread of a first message. The caller holds the conversation''s lock and has asked legs_stand. Counts nothing: the caller counts all decisions at once. Returns {message_id, org_id, thread_id, outcome, reason, queued, decision_id, from_role}.';

create function private.record_relays(p_revision bigint, p_conversations jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_item jsonb;
  v_relay jsonb;
  v_conversation public.conversations;
  v_relayed jsonb := '[]';
  v_stale jsonb := '[]';
  v_decisions jsonb;
  v_through bigint;
  v_seq bigint;
  v_decided jsonb := '[]';
  v_ids uuid[];
begin
  -- The locks first and in the order of ids, as ingest_updates takes them: of those who write and of those who are written to.
  -- Then their threads, which everybody takes after conversations.
  v_ids := private.conversations_of_legs(array(
    select leg.id::uuid from jsonb_array_elements(p_conversations) i
    cross join jsonb_array_elements(i -> 'relays') r
    cross join jsonb_array_elements_text(coalesce(r -> 'legs', '[]')) as leg (id)))
    || array(select (i ->> 'id')::uuid from jsonb_array_elements(p_conversations) i);
  perform from public.conversations c where c.id = any (v_ids) order by c.id for update;
  v_ids := array(
    select (r ->> 'thread_id')::uuid from jsonb_array_elements(p_conversations) i cross join jsonb_array_elements(i -> 'relays') r);
  perform from public.threads t where t.id = any (v_ids) order by t.id for no key update;
  for v_item in select * from jsonb_array_elements(p_conversations) loop
    select * into v_conversation from public.conversations c where c.id = (v_item ->> 'id')::uuid;
    continue when not found;
    v_decisions := '[]';
    v_through := null;
    for v_relay in select * from jsonb_array_elements(v_item -> 'relays') loop
      select m.seq into v_seq from public.messages m
      where m.id = (v_relay ->> 'message_id')::uuid and not exists (select from public.routing_decisions d where d.message_id = m.id);
      -- Somebody else decided it, or it was withdrawn.
      continue when not found;
      if v_relay ->> 'outcome' = 'leg' and not private.legs_stand((v_relay ->> 'thread_id')::uuid, v_conversation.contact_id,
          v_conversation.number_id, array(select value::uuid from jsonb_array_elements_text(v_relay -> 'legs'))) then
        v_stale := v_stale || to_jsonb(v_conversation.id);
        exit;
      end if;
      v_relayed := v_relayed || private.record_relay(v_conversation, v_relay, p_now);
      v_decisions := v_decisions || jsonb_build_object('message_id', v_relay -> 'message_id', 'reason', 'masked', 'destination_ids', '[]'::jsonb,
        'explanation', '[]'::jsonb);
      v_through := v_seq;
    end loop;
    v_decided := v_decided || jsonb_build_object('id', v_conversation.id, 'held', false, 'through_seq', v_through,
      'sticky_route_id', v_conversation.sticky_route_id, 'sticky_until', v_conversation.sticky_until, 'decisions', v_decisions);
  end loop;
  perform public.record_decisions(p_revision, v_decided);
  -- Last and in one order, because everybody counts in the same rows.
  perform private.count_decisions(o.org, o.decisions) from (
    select (e.relayed ->> 'org_id')::uuid as org,
      jsonb_agg(e.relayed || jsonb_build_object('id', e.relayed -> 'decision_id') order by e.place) as decisions
    from jsonb_array_elements(v_relayed) with ordinality as e (relayed, place) group by 1 order by 1) o;
  return jsonb_build_object('decided', jsonb_array_length(v_relayed), 'stale', v_stale,
    'queued', (select coalesce(sum((r ->> 'queued')::integer), 0) from jsonb_array_elements(v_relayed) r),
    'relayed', (select coalesce(jsonb_agg(r - '{queued,decision_id,from_role}'::text[]), '[]') from jsonb_array_elements(v_relayed) r));
end $$;
comment on function private.record_relays(bigint, jsonb, timestamptz) is 'record_relays with a given time.';

create function public.record_relays(p_revision bigint, p_conversations jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.record_relays(p_revision, p_conversations, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.record_relays(bigint, jsonb) is 'Records where texts to numbers of organisations go, and queues the copies, in one transaction: [{id, relays: [{message_id, org_id, thread_id, from_role, number_class, outcome, reason, types, findings, legs, message, notice, opens}]}]. A decision whose legs have changed since is not recorded: its conversation is in stale, and waits on. The first decision on a text stands. Returns {decided, queued, stale, relayed: [{message_id, org_id, thread_id, outcome, reason}]}. For secret keys.';

call private.close_functions();
grant execute on function
  private.queue_text(uuid, text, jsonb, text, timestamptz),
  private.queue_to_legs(uuid, uuid[], jsonb, text, timestamptz),
  private.conversations_of_legs(uuid[]),
  private.legs_stand(uuid, uuid, text, uuid[]),
  private.open_for(uuid, uuid, timestamptz),
  private.record_relay(public.conversations, jsonb, timestamptz),
  private.record_relays(bigint, jsonb, timestamptz),
  public.masked_waiting(uuid[]),
  public.record_relays(bigint, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002720');
