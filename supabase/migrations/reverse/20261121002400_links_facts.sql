-- The way back from 20261121002400_links_facts.sql: claims as they were.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function public.claim_unrouted(p_revision bigint, p_conversations integer, p_each integer default 20) returns jsonb
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

create or replace function private.claim_lanes(p_destination public.destinations, p_limit integer, p_lease_seconds integer, p_now timestamptz)
returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_limit integer := p_limit;
  v_empty uuid[];
  v_claimed jsonb;
begin
  if p_destination.circuit_open_until is not null then
    v_limit := 1; -- half open: one delivery probes
  end if;
  if p_destination.rate_per_second is not null then
    -- GCRA: how many more arrivals conform now.
    v_limit := least(v_limit, p_destination.rate_burst - ceil(greatest(0,
      extract(epoch from coalesce(p_destination.rate_tat, p_now) - p_now) * p_destination.rate_per_second))::integer);
  end if;
  if v_limit <= 0 then
    return '[]';
  end if;

  with due as (
    select l.conversation_id from private.delivery_lanes l
    where l.destination_id = p_destination.id and l.due_at <= p_now
    order by l.due_at limit v_limit
    for update skip locked
  ), heads as (
    select due.conversation_id, head.id
    from due
    left join lateral (
      select d.id from public.deliveries d
      where d.destination_id = p_destination.id and d.conversation_id = due.conversation_id
        and d.state in ('pending', 'leased')
      order by d.seq limit 1
    ) head on true
  ), leased as (
    update private.delivery_lanes l
    set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid()
    from heads
    where heads.id is not null
      and l.destination_id = p_destination.id and l.conversation_id = heads.conversation_id
    returning heads.id as delivery_id, l.lease
  ), begun as (
    update public.deliveries d
    set state = 'leased', attempt = d.attempt + 1, updated_at = p_now
    from leased where d.id = leased.delivery_id
    returning d.id, d.message_id, d.conversation_id, d.attempt, d.seq, leased.lease
  )
  select (select array_agg(heads.conversation_id) from heads where heads.id is null), jsonb_agg(jsonb_build_object(
    'delivery_id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'destination_id', p_destination.id,
    'message', jsonb_build_object(
      'id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'text', m.text, 'choice', m.choice,
      'reply_to', m.reply_to, 'referral', m.referral, 'forwarded', m.forwarded, 'provider_id', m.provider_id,
      'native', m.native, 'sent_at', m.sent_at, 'created_at', m.created_at),
    'traceparent', m.traceparent,
    'conversation', jsonb_build_object('id', c.id, 'number_id', c.number_id),
    'contact', jsonb_build_object('id', p.id, 'name', p.name, 'identities', (
      select coalesce(jsonb_object_agg(i.kind, i.value), '{}') from public.contact_identities i
      where i.contact_id = p.id and i.valid_to is null))) order by b.seq)
  into v_empty, v_claimed
  from begun b
  join public.messages m on m.id = b.message_id
  join public.conversations c on c.id = b.conversation_id
  join public.contacts p on p.id = c.contact_id;

  -- A lane without an open delivery in that snapshot: look again in a fresh one, its lock in hand, since its
  -- delivery may have been committed meanwhile.
  if v_empty is not null then
    perform private.release_lane(p_destination.id, conversation_id) from unnest(v_empty) as conversation_id;
  end if;

  if p_destination.rate_per_second is not null and v_claimed is not null then
    update public.destinations
    set rate_tat = greatest(coalesce(rate_tat, p_now), p_now)
      + make_interval(secs => (jsonb_array_length(v_claimed) / rate_per_second)::double precision)
    where id = p_destination.id;
  end if;
  return coalesce(v_claimed, '[]');
end $$;

drop function private.message_link(uuid);
drop function private.without_tokens(text);
