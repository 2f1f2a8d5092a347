-- The queue to the services: what the router decided comes into it, and what services answered is settled.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Deciding: what the router decided becomes deliveries -------------------------------------------

create type private.new_delivery as (message_id uuid, destination_id uuid, conversation_id uuid, channel text, seq bigint, event_id uuid);
comment on type private.new_delivery is 'A delivery that is about to be created: of a message, or of an event.';

create function private.open_places(p_new private.new_delivery[], p_claim jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_destination record;
  v_left integer := (p_claim ->> 'limit')::integer;
  v_free integer := greatest(v_left, (p_claim ->> 'free')::integer);
  v_places integer;
  v_open jsonb := '{}';
begin
  for v_destination in
    select n.destination_id as id, count(distinct n.conversation_id)::integer as lanes
    from unnest(p_new) n
    join public.destinations d on d.id = n.destination_id
    where d.state = 'active' and d.circuit_open_until is null and d.rate_per_second is null
    group by n.destination_id order by random()
  loop
    v_places := least(v_left, v_destination.lanes,
      private.places_for(v_free, coalesce((p_claim #>> array['busy', v_destination.id::text])::integer, 0)));
    v_open := v_open || jsonb_build_object(v_destination.id, v_places);
    v_left := v_left - v_places;
    v_free := v_free - v_places;
  end loop;
  return v_open;
end $$;
comment on function private.open_places(private.new_delivery[], jsonb) is 'How many of these deliveries may start at once, by destination: those whose rate and circuit can be judged without the row''s lock, within the caller''s places {limit, free, busy}.';

-- A lane that has nothing else is leased in the same statement, so that what can start at once is written once and settled once.
create function private.make_deliveries(p_new private.new_delivery[], p_claim jsonb, p_now timestamptz) returns private.claim
language plpgsql set search_path = ''
-- The lists are joined by hash: the callers forbid it for what has an index, and nested loops compare each with each.
set jit = off set enable_hashjoin = on set enable_nestloop = off as $$
declare
  v_claim private.claim;
  v_open jsonb := case when p_claim is null then '{}' else private.open_places(p_new, p_claim) end;
  v_lease_end timestamptz := p_now + make_interval(secs => coalesce((p_claim ->> 'lease_seconds')::integer, 0));
  v_ids uuid[] := private.uuids_v7(cardinality(p_new));
begin
  with placed as (
    select v_ids[n.ordinality] as id, n.message_id, n.event_id, n.destination_id, n.conversation_id, n.channel, n.seq,
      n.seq = min(n.seq) over (partition by n.destination_id, n.conversation_id) as is_first
    from unnest(p_new) with ordinality as n
  ), lanes as (
    select p.destination_id, p.conversation_id, p.channel,
      row_number() over (partition by p.destination_id order by p.seq) <= coalesce((v_open ->> p.destination_id::text)::integer, 0)
        and p_claim -> 'channels' ? p.channel as begins
    from placed p where p.is_first
  ), woken as (
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at, lease)
    select n.destination_id, n.conversation_id, n.channel, case when n.begins then v_lease_end else p_now end,
      case when n.begins then gen_random_uuid() end
    from lanes n order by n.destination_id, n.conversation_id
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at, lease = excluded.lease where l.due_at is null
    returning destination_id, conversation_id, lease
  ), begun as (
    select p.id, w.lease from placed p
    join woken w on w.destination_id = p.destination_id and w.conversation_id = p.conversation_id
    where p.is_first and w.lease is not null
  ), made as (
    insert into public.deliveries (id, message_id, event_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, created_at, updated_at)
    select p.id, p.message_id, p.event_id, p.destination_id, p.conversation_id, p.seq,
      case when b.id is not null then 'leased' else 'pending' end, (b.id is not null)::integer, p_now, p_now, p_now
    from placed p left join begun b on b.id = p.id
    order by p.seq
  )
  select array_agg(b.id), array_agg(b.lease) into v_claim.delivery_ids, v_claim.leases from begun b;
  return v_claim;
end $$;
comment on function private.make_deliveries(private.new_delivery[], jsonb, timestamptz) is 'Creates deliveries and wakes their lanes; claims those that may start at once within the caller''s places {limit, free, lease_seconds, busy, channels}. The caller holds the conversations'' locks.';

-- The planner can only guess the length of a list, and for nested lists guesses a hundred times a hundred. Here and wherever
-- a list is settled, each item is therefore looked up by index.
create function public.record_decisions(p_revision bigint, p_conversations jsonb, p_claim jsonb default null) returns json
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_decided integer;
  v_new private.new_delivery[];
  v_claim private.claim;
begin
  perform private.refuse_older_code();
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
  )
  select (select count(*) from decided), (
    select array_agg((m.id, t.id, m.conversation_id, m.channel, m.seq, null)::private.new_delivery order by m.seq)
    from decided
    join public.messages m on m.id = decided.message_id
    cross join unnest(decided.destination_ids) as wanted (id)
    join public.destinations t on t.id = wanted.id)
  into v_decided, v_new;
  if v_new is not null then
    v_claim := private.make_deliveries(v_new, p_claim, v_now);
  end if;

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

  if v_claim.delivery_ids is null then
    return json_build_object('decided', v_decided, 'deliveries', coalesce(cardinality(v_new), 0));
  end if;
  return json_build_object('decided', v_decided, 'deliveries', cardinality(v_new), 'claim', json_build_object(
    'deliveries', private.claimed_deliveries(v_claim.delivery_ids, v_claim.leases),
    'destinations', private.claimed_destinations(array(select distinct n.destination_id from unnest(v_new) n), v_now)));
end $$;
comment on function public.record_decisions(bigint, jsonb, jsonb) is 'Records the router''s decisions for conversations: [{id, held, through_seq, sticky_route_id, sticky_until, decisions: [{message_id, route_id, route_name, reason, destination_ids, contact, explanation}]}]. The first decision on a message stands. Creates the deliveries and wakes their lanes, all in one transaction. With p_claim {limit, free, lease_seconds, busy, channels} those that can start at once are claimed for the caller: claim {deliveries, destinations}, as returned by claim_deliveries.';

-- Settling: the outcome of an attempt; the response may contain replies ---------------------------

-- Does not wait for the lanes' locks: their holders are settling, claiming or moving the lane, and may be waiting for this
-- destination's row.
create function private.wake_deliveries(p_destination_id uuid, p_limit integer, p_now timestamptz) returns boolean
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[];
begin
  with locked as materialized (
    select l.conversation_id from public.deliveries d
    join private.delivery_lanes l on l.destination_id = d.destination_id and l.conversation_id = d.conversation_id
    where d.destination_id = p_destination_id and d.wakes and d.state = 'pending' and l.lease is null
    limit p_limit for update of l skip locked
  )
  select array_agg(conversation_id) into v_lanes from locked;
  update public.deliveries d set next_attempt_at = least(d.next_attempt_at, p_now), wakes = false, woken = d.attempt
  where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.wakes and d.state = 'pending';
  perform private.release_lane(p_destination_id, conversation_id) from unnest(v_lanes) as conversation_id;
  return coalesce(cardinality(v_lanes), 0) >= p_limit;
end $$;
comment on function private.wake_deliveries(uuid, integer, timestamptz) is 'Makes failed deliveries of a destination that answers again due, up to a limit; returns whether there may be more.';

-- Ten failures in a row open the circuit: for 30 s, doubled each time the probe fails, at most an hour. Failures of
-- deliveries that were under way when it opened do not count.
create function private.settle_circuit(
  p_destination_id uuid, p_failures integer, p_succeeded boolean, p_failed_leases uuid[], p_now timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  v_opens boolean;
begin
  if p_succeeded then
    update public.destinations
    set circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false
    where id = p_destination_id
      and (circuit_failures > 0 or circuit_trips > 0 or circuit_open_until is not null or circuit_waking);
    -- A thousand at once; each success adds the next, so that a service that fails again has not cost every delivery an attempt.
    if (found or p_failures > 0) and private.wake_deliveries(p_destination_id, 1000, p_now) then
      update public.destinations set circuit_waking = true where id = p_destination_id;
    end if;
  elsif p_failures > 0 then
    update public.destinations set circuit_failures = circuit_failures + p_failures
    where id = p_destination_id
    returning case when circuit_open_until is null then circuit_failures >= 10
      else circuit_probe = any (p_failed_leases) end into v_opens;
    if v_opens then
      update public.destinations
      set circuit_trips = circuit_trips + 1, circuit_probe = null,
        circuit_open_until = p_now + least(interval '1 hour', interval '30 seconds' * power(2, least(circuit_trips, 7)))
      where id = p_destination_id;
    end if;
  end if;
end $$;
comment on function private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz) is 'Updates a destination''s circuit after attempts: any success closes it and makes failed deliveries due, ten failures in a row open it, and the failure of its probe opens it again.';

create type private.settlement as (
  delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text, retry_after_ms bigint,
  replies jsonb, left_out jsonb, wakes boolean, destination_id uuid, conversation_id uuid, attempt integer
);
comment on type private.settlement is 'The outcome of an attempt, with the delivery''s lane and the number of the attempt.';

-- Without a sort, the first open delivery of a lane is read by its own index only. So nothing here orders a table: lists are
-- sorted, and looked up one by one.
create function private.settle_deliveries(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_results private.settlement[];
  v_settled private.settlement[];
  v_replying boolean := jsonb_path_exists(p_results, '$[*].replies[0]');
  v_queued jsonb := '{"replies": 0, "left_out": []}';
begin
  select array_agg((r.delivery_id, r.lease, r.outcome, r.status, r.latency_ms, r.error, r.answer, coalesce(r.retry_after_ms, 0),
    r.replies, r.left_out, r.wakes, d.destination_id, d.conversation_id, d.attempt)::private.settlement
    order by d.destination_id, d.conversation_id)
  into v_results
  from jsonb_to_recordset(p_results) as r (
    delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text,
    retry_after_ms bigint, replies jsonb, left_out jsonb, wakes boolean)
  cross join lateral (
    select d.destination_id, d.conversation_id, d.attempt from public.deliveries d where d.id = r.delivery_id limit 1) d;
  -- Locks in the order that record_decisions takes them: conversations, then lanes.
  if v_replying then
    perform from unnest(array(
      select distinct r.conversation_id from unnest(v_results) r where jsonb_array_length(coalesce(r.replies, '[]')) > 0 order by 1)) as wanted (id)
    cross join lateral (select from public.conversations c where c.id = wanted.id for update) c;
  end if;
  select array_agg(r) into v_settled from unnest(v_results) r
  cross join lateral (
    select from private.delivery_lanes l
    where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id
      -- With "=" the planner could also choose the index of all leases.
      and l.lease is not distinct from r.lease for update) l;

  -- put_back: the service was not called. It is not an attempt, and says nothing about the service.
  insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, error, answer, left_out, at)
  select r.delivery_id, r.attempt, r.outcome, r.status, r.latency_ms, r.error, r.answer, r.left_out, p_now
  from unnest(v_settled) r where r.outcome <> 'put_back'
  on conflict (delivery_id, attempt) do nothing;
  update public.deliveries d
  set state = case r.outcome when 'delivered' then 'delivered' when 'dead' then 'dead' else 'pending' end,
    attempt = d.attempt - (r.outcome = 'put_back')::integer,
    delivered_at = case when r.outcome = 'delivered' then p_now end,
    next_attempt_at = p_now + make_interval(secs => r.retry_after_ms / 1000.0),
    wakes = case when r.outcome = 'put_back' then d.wakes else r.outcome = 'retry' and coalesce(r.wakes, true)
      and coalesce(r.status not in (400, 413, 415, 422, 429), true) and coalesce(d.attempt >= d.woken + 2, true) end,
    last_error = case r.outcome when 'put_back' then d.last_error when 'delivered' then null else r.error end, updated_at = p_now
  from unnest(v_settled) r where d.id = r.delivery_id;
  if jsonb_path_exists(p_results, '$[*] ? (@.outcome == "put_back")') then
    update public.destinations d
    set circuit_probe = null, circuit_open_until = p_now + make_interval(secs => r.retry_after_ms / 1000.0)
    from unnest(v_settled) r where r.outcome = 'put_back' and d.id = r.destination_id and d.circuit_probe = r.lease;
    -- Telegram's limits are the chat's: what else waits for it waits as long.
    update public.destinations d
    set rate_tat = greatest(d.rate_tat, p_now + make_interval(secs => (r.ms / 1000.0 + (d.rate_burst - 1) / d.rate_per_second)::double precision))
    from (
      select split_part(t.url, '/', 1) as chat, max(x.retry_after_ms) as ms
      from unnest(v_settled) x join public.destinations t on t.id = x.destination_id
      where x.outcome = 'put_back' and t.kind = 'telegram' group by 1) r
    where split_part(d.url, '/', 1) = r.chat and d.kind = 'telegram' and d.rate_per_second is not null and r.ms > 0;
  end if;
  if v_replying then
    v_queued := private.queue_replies(v_settled, p_now);
  end if;
  if exists (
    select from unnest(v_settled) r
    cross join lateral (select from private.inboxes i where i.destination_id = r.destination_id limit 1) i) then
    perform private.note_forwards(v_settled, p_now);
  end if;
  -- Like release_lane, and for the same reason in a separate statement.
  update private.delivery_lanes l
  set lease = null, due_at = (
    select d.next_attempt_at from public.deliveries d
    where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and d.state in ('pending', 'leased')
    order by d.destination_id, d.conversation_id, d.seq limit 1)
  from unnest(v_settled) r
  where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id;

  -- Results that were fenced off also say something about the service.
  perform private.settle_circuit(per.destination_id, per.failures, per.succeeded, per.failed_leases, p_now)
  from (
    select r.destination_id, count(*) filter (where r.outcome in ('retry', 'dead'))::integer as failures,
      bool_or(r.outcome = 'delivered') as succeeded,
      array_agg(r.lease) filter (where r.outcome in ('retry', 'dead')) as failed_leases
    from unnest(v_results) r
    group by r.destination_id order by r.destination_id
  ) per;
  -- Only if asked: the statement alone would count as a change of the configuration.
  if jsonb_path_exists(p_results, '$[*] ? (@.pause == true)') then
    update public.destinations t
    set state = 'paused', paused_because = asked.because, version = t.version + 1, updated_at = p_now, updated_by = private.actor()
    from (
      select r.destination_id, min(r.error) as because
      from jsonb_to_recordset(p_results) as p (delivery_id uuid, pause boolean)
      join unnest(v_results) r on r.delivery_id = p.delivery_id
      where p.pause group by r.destination_id
    ) asked
    where t.id = asked.destination_id and t.state = 'active';
  end if;
  return jsonb_build_object('settled', coalesce(cardinality(v_settled), 0),
    'fenced', jsonb_array_length(p_results) - coalesce(cardinality(v_settled), 0)) || v_queued;
end $$;
comment on function private.settle_deliveries(jsonb, timestamptz) is 'settle_deliveries with a given time.';

create function private.claim_also(p_claim jsonb, p_now timestamptz) returns json
language plpgsql set search_path = '' as $$
begin
  return private.claim_deliveries((p_claim ->> 'limit')::integer, (p_claim ->> 'lease_seconds')::integer, p_claim -> 'busy',
    array(select jsonb_array_elements_text(p_claim -> 'channels')), p_now, coalesce((p_claim ->> 'expired')::boolean, true), (p_claim ->> 'free')::integer);
end $$;
comment on function private.claim_also(jsonb, timestamptz) is 'claim_deliveries for the caller of another function, from its argument {limit, free, lease_seconds, busy, channels, expired}.';

-- Outcomes are recorded whoever reports them: outdated code merely gets no new work.
create function public.settle_deliveries(p_results jsonb, p_claim jsonb default null) returns json
language plpgsql set search_path = '' as $$
declare
  v_settled jsonb := private.settle_deliveries(p_results, clock_timestamp());
  v_claim json;
begin
  if p_claim is null then
    return v_settled;
  end if;
  begin
    perform private.refuse_older_code();
    v_claim := private.claim_also(p_claim, clock_timestamp());
  -- What has happened is recorded even if nothing can be claimed; whoever claims next sees why.
  exception when others or query_canceled then
    return v_settled;
  end;
  return json_build_object('settled', v_settled -> 'settled', 'fenced', v_settled -> 'fenced', 'replies', v_settled -> 'replies',
    'left_out', v_settled -> 'left_out', 'claim', v_claim);
end $$;
comment on function public.settle_deliveries(jsonb, jsonb) is 'Records the outcome of attempts [{delivery_id, lease, outcome (delivered, retry, dead, put_back: the service was not called), status, latency_ms, error, answer, retry_after_ms, replies, left_out [{reply, why}], wakes (false if it must not be made due early), pause (true pauses the destination)}]: attempt, delivery, lane, circuit and queued replies in one transaction. A result whose lease is not the lane''s current one is fenced off. Returns {settled, fenced, replies, left_out: [{delivery_id, replies: [{reply, why}]}]}, left_out being the replies forbidden by window, opt-out or flag. With p_claim {limit, free, lease_seconds, busy, channels, expired} it also returns claim, like claim_deliveries.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.claim_also(jsonb, timestamptz),
  private.open_places(private.new_delivery[], jsonb),
  private.make_deliveries(private.new_delivery[], jsonb, timestamptz),
  public.record_decisions(bigint, jsonb, jsonb),
  private.wake_deliveries(uuid, integer, timestamptz),
  private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz),
  private.settle_deliveries(jsonb, timestamptz),
  public.settle_deliveries(jsonb, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000810');
