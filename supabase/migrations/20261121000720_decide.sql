set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The router's first step in SQL: what waits to be decided, and what was decided.

-- Whom nobody has held, and who was held at another configuration: stretches of one index, each read from its beginning, so
-- that it costs what is taken, however many are held.
create function private.unrouted(p_revision bigint, p_limit integer) returns uuid[]
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (
  select array_agg(w.id) from (
    (select c.id, c.unrouted_since from public.conversations c
    where c.unrouted_since is not null and c.held_revision is null
    order by c.held_revision, c.unrouted_since limit p_limit)
    union all
    (select c.id, c.unrouted_since from public.conversations c
    where c.unrouted_since is not null and c.held_revision < p_revision
    order by c.held_revision, c.unrouted_since limit p_limit)
    union all
    (select c.id, c.unrouted_since from public.conversations c
    where c.unrouted_since is not null and c.held_revision > p_revision
    order by c.held_revision, c.unrouted_since limit p_limit)
    order by unrouted_since limit p_limit
  ) w);
end $$;
comment on function private.unrouted(bigint, integer) is 'The conversations that wait longest for the router, but those held back at this configuration revision; null for none. Of those held at another one the longest held come first.';
revoke execute on function private.unrouted(bigint, integer) from public, anon, authenticated;
grant execute on function private.unrouted(bigint, integer) to service_role;

create function public.claim_unrouted(p_revision bigint, p_conversations integer, p_each integer default 20) returns jsonb
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_ids uuid[] := private.unrouted(p_revision, p_conversations);
begin
  return (
  select coalesce(jsonb_agg(item order by since), '[]')
  from (
    select c.unrouted_since as since, jsonb_build_object(
      'id', c.id, 'channel', c.channel, 'number_id', c.number_id, 'contact_id', c.contact_id,
      'phone', (
        select i.value from public.contact_identities i
        where i.contact_id = c.contact_id and i.kind = 'phone' and i.valid_to is null limit 1),
      'sticky_route_id', c.sticky_route_id, 'sticky_until', c.sticky_until,
      'messages', waiting.messages) as item
    from public.conversations c
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', m.id, 'seq', m.seq, 'type', m.type, 'text', m.text, 'choice', m.choice,
        'referral', m.referral, 'link_token', m.link_token, 'created_at', m.created_at) order by m.seq), '[]') as messages
      from (
        select * from public.messages m
        where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in'
          and not exists (select from public.routing_decisions d where d.message_id = m.id)
        order by m.seq limit p_each
      ) m
    ) waiting
    where c.id = any (v_ids) and c.unrouted_since is not null
  ) items);
end $$;
comment on function public.claim_unrouted(bigint, integer, integer) is 'The conversations that wait longest for the router, each with its oldest undecided messages in order. Takes no lease: deciding twice is harmless, record_decisions keeps the first. Leaves out conversations held back at this configuration revision.';
revoke execute on function public.claim_unrouted(bigint, integer, integer) from public, anon, authenticated;
grant execute on function public.claim_unrouted(bigint, integer, integer) to service_role;

create function public.record_decisions(p_revision bigint, p_conversations jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_decided integer;
  v_deliveries integer;
begin
  -- The conversation's lock first, always in the order of ids, as ingest_updates takes it.
  perform from public.conversations
  where id in (select (c ->> 'id')::uuid from jsonb_array_elements(p_conversations) c)
  order by id for update;

  with decided as (
    insert into public.routing_decisions (message_id, route_id, route_name, reason, destination_ids, contact, explanation, revision)
    select d.message_id, r.id, d.route_name, d.reason, coalesce(d.destination_ids, '{}'), d.contact, d.explanation, p_revision
    from jsonb_array_elements(p_conversations) c
    cross join jsonb_to_recordset(c -> 'decisions') as d (
      message_id uuid, route_id uuid, route_name text, reason text, destination_ids uuid[], contact text, explanation jsonb)
    join public.messages m on m.id = d.message_id
    left join public.routes r on r.id = d.route_id
    on conflict (message_id) do nothing
    returning message_id, destination_ids
  ), created as (
    insert into public.deliveries (message_id, destination_id, conversation_id, seq)
    select m.id, t.id, m.conversation_id, m.seq
    from decided
    join public.messages m on m.id = decided.message_id
    cross join unnest(decided.destination_ids) as wanted (id)
    join public.destinations t on t.id = wanted.id
    order by m.seq
    returning destination_id, conversation_id
  ), lanes as (
    insert into private.delivery_lanes as l (destination_id, conversation_id, due_at)
    select distinct destination_id, conversation_id, now() from created
    order by destination_id, conversation_id
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at where l.due_at is null
  )
  select (select count(*) from decided), (select count(*) from created) into v_decided, v_deliveries;

  update public.conversations c
  set routed_seq = greatest(c.routed_seq, w.through_seq),
    sticky_route_id = w.sticky_route_id,
    sticky_until = w.sticky_until,
    held_revision = case when w.held then p_revision end,
    unrouted_since = case when w.held then c.unrouted_since else (
      select min(m.created_at) from public.messages m
      where m.conversation_id = c.id and m.direction = 'in' and m.seq > greatest(c.routed_seq, w.through_seq)
        and not exists (select from public.routing_decisions d where d.message_id = m.id)) end
  from jsonb_to_recordset(p_conversations) as w (
    id uuid, held boolean, through_seq bigint, sticky_route_id uuid, sticky_until timestamptz)
  where c.id = w.id;

  return jsonb_build_object('decided', v_decided, 'deliveries', v_deliveries);
end $$;
comment on function public.record_decisions(bigint, jsonb) is 'Writes what the router decided for some conversations: [{id, held, through_seq, sticky_route_id, sticky_until, decisions: [{message_id, route_id, route_name, reason, destination_ids, contact, explanation}]}]. The first decision on a message stands. Makes the deliveries and wakes their lanes, all in one transaction.';
revoke execute on function public.record_decisions(bigint, jsonb) from public, anon, authenticated;
grant execute on function public.record_decisions(bigint, jsonb) to service_role;
