-- What people see of destinations and of what could not be delivered.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Bounded: the latest 500 deliveries of the last day say how a destination does, however much goes to it.
create function public.destination_health(p_now timestamptz default now()) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', d.id, 'name', d.name, 'url', d.url, 'version', d.version, 'updated_at', d.updated_at, 'updated_by', d.updated_by,
      'state', case when d.state = 'paused' then 'paused' when d.circuit_open_until is not null then 'circuit_open' else 'active' end,
      'circuit_open_until', d.circuit_open_until, 'timeout_ms', d.timeout_ms, 'rate_per_second', d.rate_per_second,
      'secrets', (
        select jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at) order by s.created_at desc)
        from private.destination_secrets s
        where s.destination_id = d.id and (s.expires_at is null or s.expires_at > p_now)),
      'routes', (
        select coalesce(jsonb_agg(r.name order by r.priority, r.id), '[]')
        from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = d.id),
      'open', queue.open, 'oldest_at', queue.oldest_at,
      'dead', (
        select count(*) from public.deliveries x
        where x.destination_id = d.id and x.state = 'dead' and x.dropped_reason is null),
      'attempts', tried.attempts, 'delivered', tried.delivered, 'p50_ms', tried.p50_ms, 'p95_ms', tried.p95_ms)
      order by d.name), '[]')
    from public.destinations d
    cross join lateral (
      select count(*) as open, min(x.created_at) as oldest_at
      from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) queue
    cross join lateral (
      select count(*) as attempts, count(*) filter (where a.outcome = 'delivered') as delivered,
        round(percentile_cont(0.5) within group (order by a.latency_ms)::numeric) as p50_ms,
        round(percentile_cont(0.95) within group (order by a.latency_ms)::numeric) as p95_ms
      from (
        select x.id from public.deliveries x
        where x.destination_id = d.id and x.created_at > p_now - interval '1 day'
        order by x.created_at desc limit 500
      ) latest
      join public.delivery_attempts a on a.delivery_id = latest.id) tried);
end $$;
comment on function public.destination_health(timestamptz) is
  'Each destination with its state (active, paused, circuit_open), queue (open, oldest_at), dead letters not dropped, routes to it, metadata of its secrets, and how the latest 500 deliveries of the last day went: {attempts, delivered, p50_ms, p95_ms}. For viewers and secret keys.';
revoke execute on function public.destination_health(timestamptz) from public, anon;
grant execute on function public.destination_health(timestamptz) to authenticated, service_role;

create function public.list_dead_letters(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_found jsonb;
begin
  perform private.require_role('viewer');
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(jsonb_build_object(''id'', d.id, ''message_id'', d.message_id,
        ''conversation_id'', d.conversation_id, ''last_four'', private.contact_last_four(c.contact_id), ''destination'', t.name,
        ''type'', m.type, ''attempt'', d.attempt, ''last_error'', d.last_error, ''dropped_reason'', d.dropped_reason,
        ''created_at'', d.created_at, ''updated_at'', d.updated_at) order by d.updated_at desc, d.id desc), ''[]'')
     from (select * from public.deliveries d where d.state = ''dead'' and %s
       order by d.updated_at desc, d.id desc limit $2) d
     join public.destinations t on t.id = d.destination_id
     join public.messages m on m.id = d.message_id
     join public.conversations c on c.id = d.conversation_id',
    concat_ws(' and ',
      case when p_filter ->> 'dropped' = 'true' then 'd.dropped_reason is not null' else 'd.dropped_reason is null' end,
      case when p_filter ? 'destination' then
        'd.destination_id = (select x.id from public.destinations x where x.name = $1 ->> ''destination'')' end,
      case when p_filter ? 'error' then 'strpos(lower(d.last_error), lower($1 ->> ''error'')) > 0' end,
      case when p_filter ? 'before_id' then
        '(d.updated_at, d.id) < (($1 ->> ''before_at'')::timestamptz, ($1 ->> ''before_id'')::uuid)' end))
  using p_filter, least(greatest(p_limit, 1), 200) into v_found;
  return v_found;
end $$;
comment on function public.list_dead_letters(jsonb, integer) is
  'Deliveries given up, latest first: [{id, message_id, conversation_id, last_four, destination, type, attempt, last_error, dropped_reason, created_at, updated_at}]. Filter: any of destination (name), error (words of it), dropped (true: those that a person dropped), and before_at with before_id, which are updated_at and id of the last of the page before; at most 200. For viewers and secret keys.';
revoke execute on function public.list_dead_letters(jsonb, integer) from public, anon;
grant execute on function public.list_dead_letters(jsonb, integer) to authenticated, service_role;
