-- What routing and services get to know of the link that a message came from.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.without_tokens(p_text text) returns text
language sql immutable set search_path = '' as $$
  select btrim(regexp_replace(p_text, '\s*\[ref:[a-z2-7]{16}\]', '', 'g'), E' \n\r\t')
$$;
comment on function private.without_tokens(text) is 'A message''s words without link tokens, all of them, and the white space before each.';
revoke execute on function private.without_tokens(text) from public, anon, authenticated;
grant execute on function private.without_tokens(text) to service_role;

create function private.message_link(p_message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'link', (
      select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags,
        'campaign', l.campaign, 'utm', l.utm))
      from public.links l where l.code = a.code),
    'attribution', jsonb_strip_nulls(jsonb_build_object('confidence', a.confidence, 'reason', a.reason,
      'first_touch', a.first_touch, 'clicked_at', a.clicked_at, 'user_id', a.user_id, 'token', a.token,
      'ctwa_clid', a.ctwa_clid)))
  from public.attributions a where a.message_id = p_message_id
$$;
comment on function private.message_link(uuid) is 'Where a message came from, {link, attribution}; link is null for an ad. Null when nothing is known.';
revoke execute on function private.message_link(uuid) from public, anon, authenticated;
grant execute on function private.message_link(uuid) to service_role;

-- As in the migration decide, with the link's facts, the words without the token, and the contacts' own clicks.
create or replace function public.claim_unrouted(p_revision bigint, p_conversations integer, p_each integer default 20) returns jsonb
language plpgsql volatile set search_path = '' set enable_seqscan = off as $$
declare
  v_ids uuid[] := private.unrouted(p_revision, p_conversations);
begin
  perform private.attribute_waiting(v_ids, clock_timestamp());
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
        'id', m.id, 'seq', m.seq, 'type', m.type, 'text',
        case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
        'referral', m.referral, 'link_token', m.link_token,
        'link', (
          select private.message_link(a.message_id) -> 'link' from public.attributions a where a.message_id = m.id), 'created_at', m.created_at) order by m.seq), '[]') as messages
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
comment on function public.claim_unrouted(bigint, integer, integer) is 'The conversations that wait longest for the router, each with its oldest undecided messages in order. Takes no lease: deciding twice is harmless, record_decisions keeps the first. Attributes messages that could not be when they came. Leaves out conversations held back at this configuration revision.';

-- As in the migration deliver, with link and attribution beside the message, and the words without the token.
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
      'id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'text',
        case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
      'reply_to', m.reply_to, 'referral', m.referral, 'forwarded', m.forwarded, 'provider_id', m.provider_id,
      'native', m.native, 'sent_at', m.sent_at, 'created_at', m.created_at),
    'traceparent', m.traceparent,
    'link', came.origin -> 'link', 'attribution', came.origin -> 'attribution',
    'conversation', jsonb_build_object('id', c.id, 'number_id', c.number_id),
    'contact', jsonb_build_object('id', p.id, 'name', p.name, 'identities', (
      select coalesce(jsonb_object_agg(i.kind, i.value), '{}') from public.contact_identities i
      where i.contact_id = p.id and i.valid_to is null))) order by b.seq)
  into v_empty, v_claimed
  from begun b
  join public.messages m on m.id = b.message_id
  join public.conversations c on c.id = b.conversation_id
  join public.contacts p on p.id = c.contact_id
  left join lateral (
    select private.message_link(a.message_id) as origin from public.attributions a where a.message_id = m.id) came on true;

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
