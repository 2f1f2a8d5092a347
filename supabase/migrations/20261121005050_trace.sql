-- One message's story. A trace that began elsewhere stands with the message; else its id is the message's own, which is as
-- long as W3C wants one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.outbound_events(p_message public.messages) returns table (at timestamptz, what text, detail text)
language sql stable set search_path = '' as $$
  select p_message.created_at, 'queued', format('%s %s', p_message.type, p_message.id)
  union all
  select o.updated_at, case o.state when 'queued' then 'waits' when 'leased' then 'is being sent' else o.state end,
    concat_ws(', ', case when o.attempt > 0 then format('attempt %s', o.attempt) end,
      case when o.used_fallback then 'as the template, for the window was closed' end,
      case when o.state = 'queued' then 'due at ' || to_char(o.next_attempt_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end,
      case when o.error is not null then 'Meta: ' || coalesce(o.error ->> 'code', '') end)
  from public.outbound_messages o where o.message_id = p_message.id and (o.state <> 'queued' or o.attempt > 0)
  union all
  select (s.value #>> '{}')::timestamptz, 'status ' || s.key, null
  from jsonb_each(p_message.status_at) as s (key, value) where jsonb_typeof(s.value) = 'string'
$$;
comment on function private.outbound_events(public.messages) is
  'What became of a message that goes out: queued, sent or failed with Meta''s code, and its statuses, each with its time.';
revoke execute on function private.outbound_events(public.messages) from public, anon, authenticated;
grant execute on function private.outbound_events(public.messages) to service_role;

create function private.inbound_events(p_message public.messages) returns table (at timestamptz, what text, detail text)
language sql stable set search_path = '' as $$
  select p_message.sent_at, 'written', 'the time that Meta gave it' where p_message.sent_at is not null
  union all
  select p_message.created_at, 'stored', format('%s, message %s of all', p_message.type, p_message.seq)
  union all
  select d.decided_at, 'decided', concat_ws(', ', d.reason, 'route ' || d.route_name,
    (select 'to ' || string_agg(coalesce(t.name, w.id::text), ' and ' order by w.i)
      from unnest(d.destination_ids) with ordinality as w (id, i) left join public.destinations t on t.id = w.id))
  from public.routing_decisions d where d.message_id = p_message.id
  union all
  select a.at, case a.outcome when 'delivered' then 'delivered' when 'dead' then 'given up' else 'will be tried again' end,
    concat_ws(', ', t.name, 'attempt ' || a.attempt, 'HTTP ' || a.status, a.latency_ms || ' ms', a.error)
  from public.deliveries x
  join public.destinations t on t.id = x.destination_id
  join public.delivery_attempts a on a.delivery_id = x.id
  where x.message_id = p_message.id
  union all
  select greatest(x.next_attempt_at, x.updated_at), case x.state when 'pending' then 'waits' else 'is being delivered' end,
    concat_ws(', ', t.name, case when t.state = 'paused' then 'which is paused'
      when t.circuit_open_until is not null then 'which keeps failing' end)
  from public.deliveries x join public.destinations t on t.id = x.destination_id
  where x.message_id = p_message.id and x.state in ('pending', 'leased')
  union all
  select e.at, 'reply ' || e.what, e.detail
  from public.deliveries x
  cross join generate_series(0, 10) as n (i)
  join public.outbound_messages o on o.idempotency_key = 'reply:' || x.id || ':' || n.i
  join public.messages m on m.id = o.message_id
  cross join lateral private.outbound_events(m) e
  where x.message_id = p_message.id
$$;
comment on function private.inbound_events(public.messages) is
  'What became of a message that came in: written, stored, decided, each call of a service, and the replies that it led to.';
revoke execute on function private.inbound_events(public.messages) from public, anon, authenticated;
grant execute on function private.inbound_events(public.messages) to service_role;

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
    'provider_id', v_message.provider_id,
    'conversation_id', v_message.conversation_id, 'direction', v_message.direction, 'type', v_message.type,
    'status', v_message.status,
    'events', (
      select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'what', e.what, 'detail', nullif(e.detail, '')) order by e.at), '[]')
      from (
        select * from private.inbound_events(v_message) where v_message.direction = 'in'
        union all
        select * from private.outbound_events(v_message) where v_message.direction = 'out') e));
end $$;
comment on function public.trace_message(text) is
  'The story of the message with this id, ours (also without hyphens), the provider''s, or that of a trace, of which it is the first message: {id, trace_id, others (ids of up to 50 other messages of the trace), provider_id, conversation_id, direction, type, status, events: [{at, what, detail}]} in the order of time; null when there is none. Holds no words and no numbers of people. For viewers and secret keys.';
revoke execute on function public.trace_message(text) from public, anon;
grant execute on function public.trace_message(text) to authenticated, service_role;
