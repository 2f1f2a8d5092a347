-- For whoever looks into a fault: where messages go, what fails by which code, what waits and why; and one message's story.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What is going on --------------------------------------------------------------------------------

create function private.waiting_because(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with known as materialized (
    select k.channel, private.router_flag(k.channel) as flag, private.on_for_anybody(private.router_flag(k.channel)) as routed
    from (select distinct s.channel from public.senders s) k
  )
  select coalesce(jsonb_agg(jsonb_build_object('queue', w.queue, 'name', w.name, 'n', w.n, 'oldest_seconds', w.age,
    'because', w.because, 'at', to_char(w.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'per_second', w.per_second::text, 'flag', w.flag, 'code', w.code) order by w.age desc nulls last), '[]')
  from (
    select 'router' as queue, null as name, sum(u.n) as n, max(u.age) as age,
      case when u.off then 'flag_off' else 'not_reached' end as because,
      null::timestamptz as at, null::numeric as per_second, case when u.off then u.flag end as flag, null as code
    from (
      select c.channel, private.router_flag(c.channel) as flag, count(*) as n,
        round(extract(epoch from p_now - min(c.unrouted_since))) as age,
        c.held_revision is not null
          or not coalesce((select k.routed from known k where k.channel = c.channel), false) as off
      from public.conversations c where c.unrouted_since is not null
      group by c.channel, c.held_revision is not null
    ) u
    group by u.channel, u.flag, u.off
    union all
    select 'destination', d.name, q.n, q.age, why.because,
      case why.because when 'circuit_open' then d.circuit_open_until when 'retry' then lane.due_at end,
      case when why.because = 'rate' then d.rate_per_second end, case when why.because = 'flag_off' then lane.flag end, null
    from public.destinations d
    cross join lateral (
      select count(*) as n, round(extract(epoch from p_now - min(x.created_at))) as age
      from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
    cross join lateral (
      select min(first.due_at) filter (where known.routed) as due_at, min(known.flag) filter (where not known.routed) as flag
      from known
      cross join lateral (select private.lane_due_at(d.id, known.channel) as due_at) first
      where first.due_at is not null) lane
    cross join lateral (select private.shown_state(d.state, d.circuit_open_until) as state) shown
    cross join lateral (select case
      when shown.state <> 'active' then shown.state
      when lane.due_at is null and lane.flag is not null then 'flag_off'
      when lane.due_at > p_now then 'retry'
      when d.rate_per_second is not null then 'rate'
      else 'due' end as because) why
    where q.n > 0
    union all
    select 'number', n.id, q.n, q.age, why.because,
      case why.because when 'paced' then lane.due_at when 'held' then n.held_until end, null,
      case when why.because = 'flag_off' then private.send_flag(n.channel) end,
      case when why.because = 'held' then n.held_code end
    from public.senders n
    cross join lateral (
      select count(*) as n, round(extract(epoch from p_now - min(o.created_at))) as age
      from public.outbound_messages o where o.channel = n.channel and o.number_id = n.id and o.state in ('queued', 'leased')) q
    left join lateral (
      select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) lane on true
    cross join lateral (select case
      when not private.on_for_anybody(private.send_flag(n.channel)) then 'flag_off'
      when n.state = 'paused' then 'paused'
      when n.held_since is not null then 'held'
      when n.send_tat > p_now + interval '1 second' then 'number_paced'
      when lane.due_at > p_now then 'paced'
      else 'due' end as because) why
    where q.n > 0
  ) w
  where w.n > 0
$$;
comment on function private.waiting_because(timestamptz) is 'What waits and why, the longest first, in codes that _shared/contract/words/waiting.ts puts into words: [{queue: router | destination | number, name, n, oldest_seconds, because, at, per_second, flag, code}].';

create function private.recent_errors(p_from timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('where', e.place, 'code', e.code, 'n', e.n, 'last_at', e.last_at) order by e.n desc, e.place, e.code), '[]')
  from (
    select split_part(m.label, ' ', 1) as place, split_part(m.label, ' ', 2) as code, sum(m.n) as n, max(m.last_at) as last_at
    from public.measurements m
    where m.name = 'request' and m.minute >= p_from and split_part(m.label, ' ', 2) >= '400'
    group by 1, 2
    union all
    select 'Graph API', m.label, sum(m.n), max(m.last_at)
    from public.measurements m where m.name = 'graph' and m.label <> 'sent' and m.minute >= p_from
    group by m.label
    union all
    select 'Statuses', split_part(m.label, ' ', 2), sum(m.n), max(m.last_at)
    from public.measurements m where m.name = 'failed' and m.minute >= p_from
    group by m.label
    union all
    select d.name, split_part(split_part(a.error, ':', 1), ' ', 1) || coalesce(' ' || a.status, ''), count(*), max(a.at)
    from public.delivery_attempts a
    join public.deliveries x on x.id = a.delivery_id
    join public.destinations d on d.id = x.destination_id
    where a.at >= p_from and a.outcome <> 'delivered'
    group by 1, 2
  ) e
$$;
comment on function private.recent_errors(timestamptz) is
  'What failed since then, by place (function, Graph API, statuses of what was sent, destination) and code (status, disabled where a kill switch refused, Meta''s code, our word and the status): [{where, code, n, last_at}].';

create function private.diagnostics(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'at', p_now,
    'since', p_now - interval '1 hour',
    'routes', (
      select coalesce(jsonb_agg(jsonb_build_object('route', r.route_name, 'reason', r.reason, 'n', r.n, 'last_at', r.last_at) order by r.n desc, r.route_name), '[]')
      from (
        select d.route_name, d.reason, count(*) as n, max(d.decided_at) as last_at
        from public.routing_decisions d where d.decided_at >= p_now - interval '1 hour'
        group by d.route_name, d.reason) r),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('destination', t.name, 'outcome', t.outcome, 'n', t.n, 'last_at', t.last_at) order by t.n desc, t.name), '[]')
      from (
        select split_part(m.label, ' ', 1) as name, split_part(m.label, ' ', 2) as outcome, sum(m.n) as n, max(m.last_at) as last_at
        from public.measurements m where m.name = 'destination' and m.minute >= p_now - interval '1 hour'
        group by 1, 2) t),
    'decisions', (
      select coalesce(jsonb_agg(jsonb_build_object('at', d.decided_at, 'message_id', d.message_id, 'contact', d.contact,
        'route', d.route_name, 'reason', d.reason, 'destinations', (
          select coalesce(jsonb_agg(coalesce(t.name, w.id::text) order by w.i), '[]')
          from unnest(d.destination_ids) with ordinality as w (id, i) left join public.destinations t on t.id = w.id),
        'explanation', d.explanation, 'revision', d.revision) order by d.decided_at desc), '[]')
      from (select * from public.routing_decisions x order by x.decided_at desc limit 50) d),
    'flags', (
      select coalesce(jsonb_agg(jsonb_build_object('key', s.key, 'on', s.value = 'true',
        'percentage', s.metadata -> 'rollout_percentage',
        'targets', case jsonb_typeof(s.metadata -> 'target_user_ids') when 'array' then jsonb_array_length(s.metadata -> 'target_user_ids') else 0 end,
        'version', s.version, 'updated_at', s.updated_at, 'updated_by', s.updated_by) order by s.key), '[]')
      from public.settings s where s.key like '%.enabled'),
    'errors', private.recent_errors(p_now - interval '1 hour'),
    'waiting', private.waiting_because(p_now))
$$;
comment on function private.diagnostics(timestamptz) is 'diagnostics with a given time.';

create function public.diagnostics() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return private.diagnostics(clock_timestamp());
end $$;
comment on function public.diagnostics() is
  'What is going on, over the last hour: {at, since, routes: [{route, reason, n, last_at}], destinations: [{destination, outcome, n, last_at}], decisions: the last 50, redacted, flags, errors: [{where, code, n, last_at}], waiting: [{queue, name, n, oldest_seconds, because, at, per_second, flag}]}. Holds no personal data. For viewers and secret keys.';

-- One message's story -----------------------------------------------------------------------------

-- A trace that began elsewhere stands with the message; else its id is the message's own, which is as long as W3C wants
-- one.

create function private.outbound_events(p_message public.messages) returns table (at timestamptz, what text, figures jsonb)
language sql stable set search_path = '' as $$
  select p_message.created_at, case when p_message.seq < 0 then 'imported' else 'queued' end,
    jsonb_build_object('type', p_message.type, 'id', p_message.id)
  union all
  select o.updated_at, case o.state when 'queued' then 'waits' when 'leased' then 'sending' else o.state end,
    jsonb_build_object('attempt', o.attempt, 'fallback', o.used_fallback,
      'due_at', case when o.state = 'queued' then to_char(o.next_attempt_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end,
      'error', case when o.error is not null then coalesce(o.error ->> 'code', '') end)
  from public.outbound_messages o where o.message_id = p_message.id and (o.state <> 'queued' or o.attempt > 0 or o.first_try is not null)
  union all
  select (o.first_try ->> 'at')::timestamptz, 'tried_once', jsonb_build_object('error', o.first_try -> 'code')
  from public.outbound_messages o where o.message_id = p_message.id and o.first_try is not null
  union all
  select (s.value #>> '{}')::timestamptz, 'status', jsonb_build_object('status', s.key)
  from jsonb_each(p_message.status_at) as s (key, value) where jsonb_typeof(s.value) = 'string'
$$;
comment on function private.outbound_events(public.messages) is
  'What became of a message that goes out: queued (or imported), sent or failed with Meta''s code, and its statuses, each with its time, in codes that _shared/contract/words/story.ts puts into words.';

create function private.inbound_events(p_message public.messages)
returns table (at timestamptz, reply boolean, what text, figures jsonb)
language sql stable set search_path = '' as $$
  select p_message.sent_at, false, 'written', '{}'::jsonb where p_message.sent_at is not null
  union all
  select p_message.created_at, false, case when p_message.seq < 0 then 'imported' else 'stored' end,
    jsonb_build_object('type', p_message.type, 'seq', p_message.seq)
  union all
  select d.decided_at, false, 'decided', jsonb_build_object('reason', d.reason, 'route', d.route_name, 'destinations', (
    select coalesce(jsonb_agg(coalesce(t.name, w.id::text) order by w.i), '[]')
    from unnest(d.destination_ids) with ordinality as w (id, i) left join public.destinations t on t.id = w.id))
  from public.routing_decisions d where d.message_id = p_message.id
  union all
  select a.at, false, case a.outcome when 'delivered' then 'delivered' when 'dead' then 'given_up' else 'tried' end,
    jsonb_build_object('destination', t.name, 'attempt', a.attempt, 'status', a.status, 'latency_ms', a.latency_ms, 'error', a.error)
  from public.deliveries x
  join public.destinations t on t.id = x.destination_id
  join public.delivery_attempts a on a.delivery_id = x.id
  where x.message_id = p_message.id
  union all
  select a.at, false, 'left_out', jsonb_build_object('destination', t.name, 'reply', l.item -> 'reply', 'why', l.item ->> 'why')
  from public.deliveries x
  join public.destinations t on t.id = x.destination_id
  join public.delivery_attempts a on a.delivery_id = x.id
  cross join lateral jsonb_array_elements(a.left_out) as l (item)
  where x.message_id = p_message.id and a.left_out is not null
  union all
  select greatest(x.next_attempt_at, x.updated_at), false,
    case x.state when 'pending' then 'delivery_waits' else 'delivering' end,
    jsonb_build_object('destination', t.name, 'state', private.shown_state(t.state, t.circuit_open_until))
  from public.deliveries x join public.destinations t on t.id = x.destination_id
  where x.message_id = p_message.id and x.state in ('pending', 'leased')
  union all
  select e.at, true, e.what, e.figures
  from public.deliveries x
  cross join generate_series(0, 10) as n (i)
  join public.outbound_messages o on o.idempotency_key = 'reply:' || x.id || ':' || n.i and o.channel = p_message.channel
  join public.messages m on m.id = o.message_id
  cross join lateral private.outbound_events(m) e
  where x.message_id = p_message.id
$$;
comment on function private.inbound_events(public.messages) is
  'What became of a message that came in: written, stored (or imported, and then decided by nobody), decided, each call of a service, and the replies that it led to, in codes that _shared/contract/words/story.ts puts into words.';

create function public.trace_message(p_message text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_message public.messages;
  v_trace text;
begin
  perform private.require_role('viewer');
  if p_message ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$' then
    select * into v_message from public.messages m where m.id = p_message::uuid;
    if not found then
      select * into v_message from public.messages m
      where m.traceparent is not null and substr(m.traceparent, 4, 32) = lower(replace(p_message, '-', ''))
      order by m.seq limit 1;
    end if;
  else
    select * into v_message from public.messages m where m.provider_id = p_message order by m.seq limit 1;
  end if;
  if v_message.id is null then
    return null;
  end if;
  v_trace := coalesce(substr(v_message.traceparent, 4, 32), replace(v_message.id::text, '-', ''));
  return jsonb_build_object(
    'id', v_message.id, 'trace_id', v_trace, 'others', (
      select coalesce(jsonb_agg(o.id order by o.seq), '[]')
      from (
        select m.id, m.seq from public.messages m
        where m.traceparent is not null and substr(m.traceparent, 4, 32) = v_trace and m.id <> v_message.id
        union
        select m.id, m.seq from public.messages m where m.id = v_trace::uuid and m.id <> v_message.id
        order by seq limit 50
      ) o),
    'conversation_id', v_message.conversation_id, 'direction', v_message.direction, 'type', v_message.type,
    'status', v_message.status,
    'events', (
      select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'reply', e.reply, 'what', e.what, 'figures', e.figures) order by e.at), '[]')
      from (
        select * from private.inbound_events(v_message) where v_message.direction = 'in'
        union all
        select o.at, false, o.what, o.figures from private.outbound_events(v_message) o where v_message.direction = 'out') e));
end $$;
comment on function public.trace_message(text) is
  'The story of the message with this id, ours (also without hyphens), the provider''s, or that of a trace, of which it is the first message: {id, trace_id, others (ids of up to 50 other messages of the trace), conversation_id, direction, type, status, events: [{at, reply, what, figures}]} in the order of time; null if there is none. Holds no words and no numbers of people. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.waiting_because(timestamptz),
  private.recent_errors(timestamptz),
  private.diagnostics(timestamptz),
  private.outbound_events(public.messages),
  private.inbound_events(public.messages)
  to service_role;
grant execute on function
  public.diagnostics(),
  public.trace_message(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002300');
