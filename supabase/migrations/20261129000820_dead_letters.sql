-- The queue to the services in the hands of the team: waiting deliveries, dead letters, and the state of destinations.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Management of waiting deliveries and dead letters ------------------------------------------------

create function private.lock_lanes(p_ids uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform from private.delivery_lanes l
  join public.deliveries d on d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
  where d.id = any (p_ids) order by l.destination_id, l.conversation_id for update of l;
  perform private.give_up_forwards(d.destination_id, d.conversation_id, now())
  from public.deliveries d join public.destinations t on t.id = d.destination_id and t.kind = 'inbox'
  where d.id = any (p_ids) and d.state = 'leased';
  -- The holder of an expired lease has died. A paused destination is not claimed, so nobody else would end the lease.
  with over as (
    update private.delivery_lanes l set lease = null
    from public.deliveries d
    where d.id = any (p_ids) and d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and l.lease is not null and l.due_at <= now()
    returning l.destination_id, l.conversation_id
  )
  update public.deliveries d set state = 'pending'
  from over where d.destination_id = over.destination_id and d.conversation_id = over.conversation_id and d.state = 'leased';
end $$;
comment on function private.lock_lanes(uuid[]) is 'Locks the lanes of these deliveries in the common order, and ends expired leases on them.';

create function private.release_lanes(p_ids uuid[]) returns void
language sql volatile set search_path = '' as $$
  -- A leased lane is released, and woken, by its holder.
  select private.release_lane(l.destination_id, l.conversation_id)
  from private.delivery_lanes l
  where l.lease is null and (l.destination_id, l.conversation_id) in (
    select d.destination_id, d.conversation_id from public.deliveries d where d.id = any (p_ids))
$$;
comment on function private.release_lanes(uuid[]) is 'Makes the lanes of these deliveries due with their first open delivery. The caller holds their locks.';

create function private.begin_again(p_ids uuid[]) returns void
language sql volatile set search_path = '' as $$
  -- Attempts start over; the results of earlier ones stay readable under negative numbers.
  update public.delivery_attempts a
  set attempt = (select least(0, min(b.attempt)) from public.delivery_attempts b where b.delivery_id = a.delivery_id) - a.attempt
  where a.delivery_id = any (p_ids) and a.attempt > 0
$$;
comment on function private.begin_again(uuid[]) is 'Gives these deliveries a full schedule of attempts and keeps the results of earlier ones.';

create function public.retry_deliveries(p_ids uuid[]) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_dead uuid[];
  v_waiting uuid[];
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  with retried as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), dropped_reason = null, woken = null, updated_at = now()
    where id = any (p_ids) and state = 'dead'
      and destination_id in (select t.id from public.destinations t where t.removed_at is null)
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_dead from retried;
  perform private.begin_again(v_dead);
  v_waiting := array(select d.id from public.deliveries d where d.id = any (p_ids) and d.state = 'pending' and d.id <> all (v_dead));
  -- A delivery that waits behind another cannot start before it.
  update public.deliveries d set next_attempt_at = now(), wakes = false, woken = null
  where d.state = 'pending' and d.next_attempt_at > now() and (d.id = any (v_waiting) or d.id in (
    select head.id from public.deliveries w
    cross join lateral (
      select h.id from public.deliveries h
      where h.destination_id = w.destination_id and h.conversation_id = w.conversation_id and h.state in ('pending', 'leased')
      order by h.seq limit 1) head
    where w.id = any (v_waiting)));
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_dead || v_waiting, 'retried');
  return cardinality(v_dead) + cardinality(v_waiting);
end $$;
comment on function public.retry_deliveries(uuid[]) is 'Makes deliveries due now, under the same webhook-id: dead ones pending again with a full schedule of attempts, waiting ones with the attempts they have left, and also those they wait behind. Returns how many. A destination that is paused, or whose circuit is open, still waits.';

create function public.skip_deliveries(p_ids uuid[]) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_skipped uuid[];
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  with skipped as (
    update public.deliveries
    set state = 'dead', wakes = false, last_error = concat_ws(' ', last_error, '(skipped)'), updated_at = now()
    where id = any (p_ids) and state = 'pending'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_skipped from skipped;
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_skipped, 'skipped');
  return cardinality(v_skipped);
end $$;
comment on function public.skip_deliveries(uuid[]) is 'Turns waiting deliveries into dead letters, so that those behind them continue. Returns how many. If retried later, they arrive after what was delivered in the meantime.';

create function public.drop_deliveries(p_ids uuid[], p_reason text) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  v_dropped uuid[];
begin
  perform private.require_role('operator');
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'dropping needs a reason' using errcode = 'GL422';
  end if;
  if exists (
    select from public.deliveries d join public.conversations c on c.id = d.conversation_id
    where d.id = any (p_ids) and private.without_ids(p_reason, c.contact_id) <> p_reason) then
    raise exception 'the reason names a contact' using errcode = 'GL422',
      hint = 'The whole team reads it: leave out the number, the address and the id.';
  end if;
  perform private.lock_lanes(p_ids);
  with dropped as (
    update public.deliveries
    set state = 'dead', wakes = false, dropped_reason = p_reason || ' (' || private.actor() || ')', updated_at = now()
    where id = any (p_ids) and (state = 'pending' or state = 'dead' and dropped_reason is null)
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_dropped from dropped;
  perform private.release_lanes(p_ids);
  perform private.record_deliveries(v_dropped, 'dropped', p_reason);
  return cardinality(v_dropped);
end $$;
comment on function public.drop_deliveries(uuid[], text) is 'Permanently closes waiting and dead deliveries, recording the reason and who gave it; the rows stay. Returns how many. Errors: 42501 not allowed, GL422 no reason, or one that names a contact.';

-- One page per call, oldest first: deliveries made due by one call may be delivered, and found again, before the next.
create function public.resend_deliveries(
  p_destination text, p_from timestamptz, p_to timestamptz, p_after uuid default null, p_limit integer default 1000,
  p_key uuid default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_destination uuid;
  v_page uuid[];
  v_ids uuid[];
begin
  perform private.require_role('operator');
  v_destination := private.destination_named(p_destination);
  if p_from is null or p_to is null or p_from >= p_to then
    raise exception 'a range begins before it ends' using errcode = 'GL422';
  end if;
  v_page := array(
    select d.id from public.deliveries d
    where d.destination_id = v_destination and d.created_at >= p_from and d.created_at < p_to
      and (p_after is null or (d.created_at, d.id) > ((select a.created_at from public.deliveries a where a.id = p_after), p_after))
      and d.state = 'delivered' and (p_key is null or d.resent_for is distinct from p_key)
    order by d.created_at, d.id limit least(greatest(p_limit, 1), 1000));
  perform private.lock_lanes(v_page);
  with again as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), delivered_at = null, woken = null, resent = resent + 1,
      resent_for = p_key, updated_at = now()
    where id = any (v_page) and state = 'delivered'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_ids from again;
  perform private.begin_again(v_ids);
  perform private.release_lanes(v_ids);
  return jsonb_build_object('resent', cardinality(v_ids),
    'after', case when cardinality(v_page) = least(greatest(p_limit, 1), 1000) then v_page[cardinality(v_page)] end);
end $$;
comment on function public.resend_deliveries(text, timestamptz, timestamptz, uuid, integer, uuid) is
  'Resends what was delivered to a destination and decided from p_from until before p_to: under the same webhook-id, in the order of each conversation, marked by data.resent in the event. Returns {resent, after}: how many, and what to pass as p_after for the rest; null if that was all. With p_key, what was last resent under the same key is left out, so that asking again after a lost answer resends nothing twice. For operators and secret keys. Errors: 42501 not allowed, GL404 no such destination, GL422 no range.';

create function public.set_destination_state(p_name text, p_state text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
  v_row public.destinations;
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  -- Resuming also closes the circuit and makes waiting deliveries due at once, because a person has checked.
  if p_state = 'active' then
    perform from private.delivery_lanes l
    where l.destination_id = v_id and l.lease is null and l.due_at > now() order by l.conversation_id for update;
    update public.deliveries set next_attempt_at = now(), wakes = false, woken = null
    where destination_id = v_id and state = 'pending' and next_attempt_at > now();
    update private.delivery_lanes l set due_at = now()
    where l.destination_id = v_id and l.lease is null and l.due_at > now();
  end if;
  update public.destinations
  set state = p_state, paused_because = null, version = version + 1, updated_at = now(), updated_by = private.actor(),
    circuit_failures = case when p_state = 'active' then 0 else circuit_failures end,
    circuit_trips = case when p_state = 'active' then 0 else circuit_trips end,
    circuit_probe = case when p_state = 'active' then null else circuit_probe end,
    circuit_waking = circuit_waking and p_state <> 'active',
    circuit_open_until = case when p_state = 'active' then null else circuit_open_until end
  where id = v_id
  returning * into v_row;
  return jsonb_build_object('id', v_row.id, 'name', v_row.name, 'url', v_row.url, 'state', v_row.state);
end $$;
comment on function public.set_destination_state(text, text) is 'Pauses (paused) or resumes (active) a destination; its queue is kept, and becomes due at once when it is resumed. GL404 if there is no such destination.';

-- The row stays, because past deliveries refer to it; name, secrets and queue are gone.
create function public.remove_destination(p_name text, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
  v_routes text;
  v_open uuid[];
  v_dead uuid[];
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  if exists (select from public.destinations d where d.id = v_id and d.kind = 'inbox') then
    raise exception '% belongs to an identity', p_name using errcode = 'GL409', hint = 'Remove the identity.';
  end if;
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  perform private.lock_lanes(v_open);
  perform from public.destinations d where d.id = v_id for update;
  select string_agg(r.name, ', ' order by r.priority, r.id) into v_routes
  from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = v_id;
  if v_routes is not null then
    raise exception 'routes lead to %: %', p_name, v_routes using errcode = 'GL409',
      hint = 'Give these routes another destination, or remove them, first.';
  end if;
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  v_dead := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state = 'dead' and d.dropped_reason is null);
  if cardinality(v_open) + cardinality(v_dead) > 0 and coalesce(trim(p_reason), '') = '' then
    raise exception '% deliveries to % wait, and % are dead letters', cardinality(v_open), p_name, cardinality(v_dead)
      using errcode = 'GL409', hint = 'Give a reason to drop them with, or let them be delivered first.';
  end if;
  -- Deliveries under way are fenced off by their lease.
  update private.delivery_lanes set lease = null, due_at = null
  where destination_id = v_id and (lease is not null or due_at is not null);
  update public.deliveries set state = 'pending' where id = any (v_open) and state = 'leased';
  if cardinality(v_open) + cardinality(v_dead) > 0 then
    perform public.drop_deliveries(v_open || v_dead, p_reason);
  end if;
  delete from private.destination_secrets where destination_id = v_id;
  update public.destinations
  set state = 'paused', removed_at = clock_timestamp(), paused_because = null, version = version + 1,
    circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false,
    updated_at = clock_timestamp(), updated_by = private.actor()
  where id = v_id;
  return jsonb_build_object('id', v_id, 'name', p_name, 'dropped', cardinality(v_open) + cardinality(v_dead));
end $$;
comment on function public.remove_destination(text, text) is
  'Removes a destination that no route leads to, with its secrets; past deliveries keep its name, which another may use. With a reason, waiting deliveries and dead letters are dropped too. Returns {id, name, dropped}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such destination, GL409 routes lead there, it belongs to an identity, or deliveries wait or are dead and no reason is given, GL422 a reason that names a contact.';

create function private.tidy_destinations(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  -- A successful delivery closes a circuit. With none left to try, and routes using their spare, it would stay open.
  update public.destinations d
  set circuit_open_until = null, circuit_probe = null, circuit_trips = 0, circuit_failures = 9
  where d.circuit_open_until <= p_now and not exists (
    select from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased'));
  -- The failed deliveries may wait for hours while new messages go to the spare: one of them probes early.
  perform private.wake_deliveries(d.id, 1, p_now) from public.destinations d
  where d.circuit_open_until <= p_now and d.state = 'active' and not exists (
    select from private.delivery_lanes l where l.destination_id = d.id and l.due_at <= p_now);
  -- The router may have chosen it by a configuration seconds old: such deliveries are given up, not left waiting.
  update public.deliveries d
  set state = 'dead', wakes = false, last_error = 'removed: the destination was removed', updated_at = p_now
  from public.destinations t
  where t.removed_at is not null and d.destination_id = t.id and d.state in ('pending', 'leased');
end $$;
comment on function private.tidy_destinations(timestamptz) is 'Run by the clock: closes circuits whose wait is over and that no delivery can probe, so that the next message tries; lets one delivery probe early if all wait for later; gives up deliveries that were decided while their destination was being removed.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.lock_lanes(uuid[]),
  private.release_lanes(uuid[]),
  private.begin_again(uuid[]),
  private.tidy_destinations(timestamptz)
  to service_role;
grant execute on function
  public.retry_deliveries(uuid[]),
  public.skip_deliveries(uuid[]),
  public.resend_deliveries(text, timestamptz, timestamptz, uuid, integer, uuid),
  public.set_destination_state(text, text),
  public.remove_destination(text, text),
  public.drop_deliveries(uuid[], text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000820');
