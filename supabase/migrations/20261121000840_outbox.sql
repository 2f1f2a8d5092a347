set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Out of the outbound queue: what may go now, within the pace of pair and number, and what became of it.

create function private.claim_outbound(p_limit integer, p_lease_seconds integer, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_number public.wa_numbers;
  v_limit integer;
  v_left integer := p_limit;
  v_burst integer;
  v_rate numeric;
  v_claimed jsonb;
  v_empty uuid[];
  v_all jsonb := '[]';
begin
  for v_number in
    select n.* from public.wa_numbers n
    where exists (select from private.outbound_lanes l where l.number_id = n.id and l.due_at <= p_now)
    order by n.id
    for update of n skip locked
  loop
    exit when v_left <= 0;
    -- A tenth of a second's worth may go at once, the rest at nine tenths of the rate: no second sees more than the limit.
    v_burst := greatest(1, v_number.max_per_second / 10);
    v_rate := v_number.max_per_second * 0.9;
    v_limit := least(v_left, v_burst - ceil(greatest(0,
      extract(epoch from coalesce(v_number.send_tat, p_now) - p_now) * v_rate))::integer);
    continue when v_limit <= 0;
    with due as (
      select l.conversation_id from private.outbound_lanes l
      where l.number_id = v_number.id and l.due_at <= p_now
      order by l.due_at limit v_limit
      for update skip locked
    ), asked as (
      select due.conversation_id, c.contact_id, flag.value as allowed
      from due
      join public.conversations c on c.id = due.conversation_id
      cross join lateral private.evaluate_flag('wa_send.enabled', c.contact_id::text) flag
    ), held as (
      -- Off for this contact: what a service replied waits, and is asked about again.
      update private.outbound_lanes l set due_at = p_now + interval '5 seconds', lease = null
      from asked where not asked.allowed and l.conversation_id = asked.conversation_id
    ), heads as (
      select asked.conversation_id, asked.contact_id, head.id
      from asked
      left join lateral (
        select o.id from public.outbound_messages o
        where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased')
        order by o.id limit 1
      ) head on true
      where asked.allowed
    ), leased as (
      update private.outbound_lanes l
      set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid(),
        pair_tat = greatest(coalesce(l.pair_tat, p_now), p_now) + make_interval(secs => v_number.pair_seconds::double precision)
      from heads where heads.id is not null and l.conversation_id = heads.conversation_id
      returning heads.id, heads.contact_id, l.lease
    ), begun as (
      update public.outbound_messages o
      set state = 'leased', attempt = o.attempt + 1, updated_at = p_now
      from leased where o.id = leased.id
      returning o.id, o.attempt, o.number_id, o.recipient, o.message_id, o.payload, leased.contact_id, leased.lease
    )
    select (select array_agg(heads.conversation_id) from heads where heads.id is null),
      jsonb_agg(jsonb_build_object('id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'number_id', b.number_id,
        'contact_id', b.contact_id, 'to', b.recipient, 'message', coalesce(b.payload, m.native),
        'traceparent', m.traceparent) order by b.id)
    into v_empty, v_claimed
    from begun b left join public.messages m on m.id = b.message_id;
    if v_empty is not null then
      perform private.release_outbound_lane(conversation_id) from unnest(v_empty) as conversation_id;
    end if;
    if v_claimed is not null then
      v_all := v_all || v_claimed;
      v_left := v_left - jsonb_array_length(v_claimed);
      update public.wa_numbers
      set send_tat = greatest(coalesce(send_tat, p_now), p_now)
        + make_interval(secs => (jsonb_array_length(v_claimed) / v_rate)::double precision)
      where id = v_number.id;
    end if;
  end loop;
  return jsonb_build_object('messages', v_all, 'next_due_ms', (
    select ceil(extract(epoch from min(greatest(l.due_at,
      n.send_tat - make_interval(secs => ((greatest(1, n.max_per_second / 10) - 1) / (n.max_per_second * 0.9))::double precision))) - p_now) * 1000)::bigint
    from public.wa_numbers n
    cross join lateral (
      select l.due_at from private.outbound_lanes l where l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) l));
end $$;
comment on function private.claim_outbound(integer, integer, timestamptz) is 'claim_outbound with the time given.';
revoke execute on function private.claim_outbound(integer, integer, timestamptz) from public, anon, authenticated;
grant execute on function private.claim_outbound(integer, integer, timestamptz) to service_role;

create function public.claim_outbound(p_limit integer, p_lease_seconds integer default 60) returns jsonb
language sql set search_path = '' as $$
  select private.claim_outbound(p_limit, p_lease_seconds, clock_timestamp())
$$;
comment on function public.claim_outbound(integer, integer) is 'Leases up to p_limit conversations with something to send, within the pace of pair and number and where the flag wa_send.enabled is on for the contact, and answers {messages: [{id, lease, attempt, number_id, contact_id, to, message, traceparent}], next_due_ms}.';
revoke execute on function public.claim_outbound(integer, integer) from public, anon, authenticated;
grant execute on function public.claim_outbound(integer, integer) to service_role;

create function private.settle_outbound(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_result record;
  v_settled integer := 0;
begin
  perform from private.outbound_lanes l
  join jsonb_to_recordset(p_results) as r (lease uuid) on r.lease = l.lease
  order by l.conversation_id for update of l;
  for v_result in
    select r.*, o.conversation_id, o.number_id, o.message_id
    from jsonb_to_recordset(p_results) as r (
      id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, throttled text)
    join public.outbound_messages o on o.id = r.id
    join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
    order by o.conversation_id
  loop
    -- A status may have overtaken the answer: it stays.
    update public.messages
    set provider_id = coalesce(provider_id, v_result.provider_id),
      status = case when status_rank > 0 then status when v_result.outcome = 'sent' then 'accepted'
        when v_result.outcome = 'failed' then 'failed' else status end,
      status_rank = case when status_rank = 0 and v_result.outcome = 'failed' then 5 else status_rank end,
      error = case when v_result.outcome = 'failed' then v_result.error else error end
    where id = v_result.message_id and v_result.outcome <> 'retry';
    update public.outbound_messages
    set state = case when state = 'sent' then 'sent' when v_result.outcome = 'retry' then 'queued' else v_result.outcome end,
      error = v_result.error, updated_at = p_now,
      next_attempt_at = p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
    where id = v_result.id;
    if v_result.throttled = 'number' then
      update public.wa_numbers
      set send_tat = greatest(coalesce(send_tat, p_now), p_now + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0))
      where id = v_result.number_id;
    end if;
    perform private.release_outbound_lane(v_result.conversation_id);
    v_settled := v_settled + 1;
  end loop;
  return jsonb_build_object('settled', v_settled, 'fenced', jsonb_array_length(p_results) - v_settled);
end $$;
comment on function private.settle_outbound(jsonb, timestamptz) is 'settle_outbound with the time given.';
revoke execute on function private.settle_outbound(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.settle_outbound(jsonb, timestamptz) to service_role;

create function public.settle_outbound(p_results jsonb) returns jsonb
language sql set search_path = '' as $$
  select private.settle_outbound(p_results, clock_timestamp())
$$;
comment on function public.settle_outbound(jsonb) is 'Writes what the provider answered [{id, lease, outcome (sent, retry, failed), provider_id, error, retry_after_ms, throttled (number)}]. A result whose lease is not the lane''s current one is fenced off.';
revoke execute on function public.settle_outbound(jsonb) from public, anon, authenticated;
grant execute on function public.settle_outbound(jsonb) to service_role;
