-- What people see in the panel of destinations, routes, flags and rollouts, which no table tells: figures, what waits and
-- what could not be delivered.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Destinations and dead letters -------------------------------------------------------------------

create function private.delivery_subject(p_delivery public.deliveries)
returns table (message_id uuid, conversation_id uuid, type text)
language plpgsql stable set search_path = '' as $$
begin
  if p_delivery.event_id is null then
    return query select m.id, m.conversation_id, m.type from public.messages m where m.id = p_delivery.message_id;
  else
    return query select e.message_id, e.conversation_id, e.type from public.service_events e where e.id = p_delivery.event_id;
  end if;
end $$;
comment on function private.delivery_subject(public.deliveries) is 'What a delivery is about: a message that came in, with its type, or an event, with its type and the message and conversation that it concerns, null for none.';

create function private.attempt_view(p_attempt public.delivery_attempts, p_delivery public.deliveries, p_words boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('delivery_id', p_delivery.id, 'message_id', m.id,
    'last_four', private.contact_last_four(c.contact_id), 'type', about.type, 'attempt', p_attempt.attempt, 'outcome', p_attempt.outcome,
    'status', p_attempt.status, 'latency_ms', p_attempt.latency_ms, 'error', p_attempt.error,
    'answer', case when p_words then left(private.quoted(p_attempt.answer, c.contact_id), 2000) end, 'at', p_attempt.at)
  from private.delivery_subject(p_delivery) about
  left join public.messages m on m.id = about.message_id
  left join public.conversations c on c.id = about.conversation_id
$$;
comment on function private.attempt_view(public.delivery_attempts, public.deliveries, boolean) is
  'An attempt as people see it in a log: {delivery_id, message_id, last_four, type (of the message, or of another event), attempt, outcome, status, latency_ms, error, answer, at}; the answer only with p_words, without ids and cut to 2,000 characters.';

-- Bounded: the latest 500 deliveries of the last day say how a destination does, however much goes to it.
create function public.destination_health(
  p_now timestamptz default now(), p_filter jsonb default '{}', p_limit integer default null
) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', d.id, 'name', d.name, 'url', d.url, 'version', d.version, 'updated_at', d.updated_at, 'updated_by', d.updated_by,
      'state', private.shown_state(d.state, d.circuit_open_until),
      'circuit_open_until', d.circuit_open_until, 'paused_because', d.paused_because, 'failure_policy', d.failure_policy,
      'events', to_jsonb(d.events), 'format', d.format, 'when_taken', d.when_taken,
      'timeout_ms', d.timeout_ms, 'rate_per_second', d.rate_per_second,
      'retry_seconds', coalesce(to_jsonb(d.retry_seconds), private.default_retry_seconds()),
      'secrets', (
        select jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at) order by s.created_at desc)
        from private.destination_secrets s
        where s.destination_id = d.id and (s.expires_at is null or s.expires_at > p_now)),
      'headers', (
        select coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'key', split_part(h.sealed, '.', 2), 'set_at', h.set_at,
          'set_by', h.set_by) order by h.name), '[]')
        from private.destination_headers h where h.destination_id = d.id),
      'routes', (
        select coalesce(jsonb_agg(r.name order by r.priority, r.id), '[]')
        from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = d.id),
      'open', queue.open, 'oldest_at', queue.oldest_at,
      'dead', (
        select count(*) from public.deliveries x
        where x.destination_id = d.id and x.state = 'dead' and x.dropped_reason is null),
      'attempts', tried.attempts, 'delivered', tried.delivered, 'p50_ms', tried.p50_ms, 'p95_ms', tried.p95_ms,
      'last_failure', (
        select private.attempt_view(failed.a, failed.y, v_words)
        from (
          select a, x.y
          from (
            select y from public.deliveries y
            where y.destination_id = d.id and y.created_at > p_now - interval '1 day'
            order by y.created_at desc limit 500
          ) x
          join public.delivery_attempts a on a.delivery_id = (x.y).id
          where a.outcome <> 'delivered' order by a.at desc limit 1
        ) failed))
      order by d.name), '[]')
    from (
      select * from public.destinations n
      where n.removed_at is null
        and (p_filter ->> 'name' is null or n.name = p_filter ->> 'name')
        and (p_filter ->> 'after' is null or n.name > p_filter ->> 'after')
        and (p_filter ->> 'state' is null or private.shown_state(n.state, n.circuit_open_until) = p_filter ->> 'state')
        and (p_filter ->> 'search' is null or strpos(lower(n.name || ' ' || n.url), lower(p_filter ->> 'search')) > 0)
      order by n.name limit p_limit
    ) d
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
comment on function public.destination_health(timestamptz, jsonb, integer) is
  'Each destination with its state (active, paused, circuit_open), queue (open, oldest_at), the waits between attempts (retry_seconds: its own or those of the setting; null for the built-in ones), dead letters not dropped, routes to it, metadata of its secrets, and how the latest 500 deliveries of the last day went: {attempts, delivered, p50_ms, p95_ms, last_failure: an entry of delivery_log, or null}. Its answer is null for viewers. Filter: any of name, state, search (part of the name or URL) and after (the name of the last of the page before); at most p_limit, all without it. For viewers and secret keys.';

-- By delivery, for attempts have no index by destination: each attempt would have to write it. A page reads a bounded number
-- of deliveries, so that a filter that matches nothing costs no more; the next one goes on from there.
create function public.delivery_log(p_destination text, p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
  v_id uuid;
  v_limit constant integer := least(greatest(p_limit, 1), 200);
  v_examined constant integer := 2000;
  v_failed constant boolean := coalesce(p_filter ->> 'outcome', '') = 'failed';
  v_error constant text := lower(p_filter ->> 'error');
  v_since timestamptz := coalesce((p_filter ->> 'since')::timestamptz, '-infinity');
  v_until timestamptz := coalesce((p_filter ->> 'until')::timestamptz, 'infinity');
  v_before_at timestamptz := coalesce((p_filter ->> 'before_at')::timestamptz, 'infinity');
  v_before_id uuid := coalesce((p_filter ->> 'before_id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_delivery public.deliveries;
  v_attempts jsonb := '[]';
  v_next jsonb;
  v_read integer := 0;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  v_id := private.destination_named(p_destination);
  for v_delivery in
    select d.* from public.deliveries d
    where d.destination_id = v_id
      and d.created_at <= v_before_at and (d.created_at, d.id) < (v_before_at, v_before_id)
      -- What is attempted now may have been created as long ago as the built-in schedule retries.
      and d.created_at < v_until and d.created_at > v_since - interval '28 hours'
    order by d.created_at desc, d.id desc limit v_examined
  loop
    v_read := v_read + 1;
    v_attempts := v_attempts || coalesce((
      select jsonb_agg(private.attempt_view(a, v_delivery, v_words) order by a.at desc, a.attempt desc)
      from public.delivery_attempts a
      where a.delivery_id = v_delivery.id and (not v_failed or a.outcome <> 'delivered') and a.at >= v_since and a.at < v_until
        and (v_error is null or strpos(lower(coalesce(a.error, '') || ' ' || coalesce(a.status::text, '')), v_error) > 0)), '[]');
    if jsonb_array_length(v_attempts) >= v_limit or v_read = v_examined then
      v_next := jsonb_build_object('at', v_delivery.created_at, 'id', v_delivery.id);
      exit;
    end if;
  end loop;
  return jsonb_build_object('attempts', v_attempts, 'next', v_next);
end $$;
comment on function public.delivery_log(text, jsonb, integer) is
  'The attempts of a destination, those of its newest deliveries first: {attempts: [{delivery_id, message_id, last_four, type, attempt (negative: before a retry by hand), outcome, status, latency_ms, error, answer, at}], next: {at, id} of the last delivery that was read, null at the end}. Filter: any of outcome (failed), error (part of the error or of the status), since and until (of the attempts), and before_at with before_id, which are next of the page before. A page ends after p_limit attempts, at most 200 and those of the last delivery, or after 2,000 deliveries, so that it may be empty and yet have a next. Answers are null for viewers. For viewers and secret keys. Errors: GL404 no such destination.';

create function private.destination_figures(p_destination text, p_from timestamptz, p_to timestamptz) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_id uuid := private.destination_named(p_destination);
  v_step constant interval := case when p_to - p_from <= interval '1 hour' then interval '1 minute'
    when p_to - p_from <= interval '6 hours' then interval '5 minutes' else interval '15 minutes' end;
  v_from constant timestamptz := date_bin(v_step, p_from, 'epoch') + case when date_bin(v_step, p_from, 'epoch') = p_from then interval '0' else v_step end;
begin
  return jsonb_build_object(
    'seconds', extract(epoch from v_step)::integer,
    'points', (
      select coalesce(jsonb_agg(jsonb_build_object('at', s.at, 'delivered', coalesce(m.delivered, 0), 'failed', coalesce(m.failed, 0)) order by s.at), '[]')
      from generate_series(v_from, p_to - interval '1 microsecond', v_step) as s (at)
      left join (
        select date_bin(v_step, x.minute, 'epoch') as at,
          sum(x.n) filter (where split_part(x.label, ' ', 2) = 'delivered') as delivered,
          sum(x.n) filter (where split_part(x.label, ' ', 2) <> 'delivered') as failed
        from public.measurements x
        where x.name = 'destination' and x.minute >= v_from and x.minute < p_to
          and x.label in (p_destination || ' delivered', p_destination || ' retry', p_destination || ' dead')
        group by 1
      ) m on m.at = s.at),
    'errors', (
      select coalesce(jsonb_agg(jsonb_build_object('error', e.error, 'status', e.status, 'n', e.n, 'last_at', e.last_at) order by e.n desc, e.last_at desc), '[]')
      from (
        select split_part(a.error, ':', 1) as error, a.status, count(*) as n, max(a.at) as last_at
        from (
          select x.id from public.deliveries x
          where x.destination_id = v_id and x.created_at > v_from - interval '28 hours' and x.created_at < p_to
          order by x.created_at desc limit 5000
        ) latest
        join public.delivery_attempts a on a.delivery_id = latest.id
        where a.outcome <> 'delivered' and a.at >= v_from and a.at < p_to
        group by 1, 2 order by count(*) desc limit 20
      ) e));
end $$;
comment on function private.destination_figures(text, timestamptz, timestamptz) is 'How a destination did from then to before then, as destination_figures answers it.';

create function public.destination_figures(p_destination text, p_hours integer default 24, p_now timestamptz default now()) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.destination_figures(p_destination, p_now - make_interval(hours => least(greatest(p_hours, 1), 24)), p_now);
end $$;
comment on function public.destination_figures(text, integer, timestamptz) is
  'How a destination did over some hours (1 to 24): {seconds: the length of a point, points: [{at, delivered, failed}], errors: [{error (its code), status, n, last_at}] of its latest 5,000 deliveries, the most frequent first, at most 20}. For viewers and secret keys. Errors: GL404 no such destination.';

create function public.list_dead_letters(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_found jsonb;
begin
  perform private.require_role('viewer');
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(jsonb_build_object(''id'', d.id, ''message_id'', about.message_id,
        ''conversation_id'', about.conversation_id, ''last_four'', private.contact_last_four(c.contact_id), ''destination'', t.name,
        ''type'', about.type, ''attempt'', d.attempt, ''last_error'', d.last_error, ''dropped_reason'', d.dropped_reason,
        ''created_at'', d.created_at, ''updated_at'', d.updated_at) order by d.updated_at desc, d.id desc), ''[]'')
     from (select d as row from public.deliveries d where d.state = ''dead'' and %s
       order by d.updated_at desc, d.id desc limit $2) first
     cross join lateral (select (first.row).*) d
     join public.destinations t on t.id = d.destination_id
     cross join lateral private.delivery_subject(first.row) about
     left join public.conversations c on c.id = about.conversation_id',
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
  'Deliveries given up, latest first: [{id, message_id, conversation_id and last_four (null for events that concern none), destination, type (of the message, or of another event), attempt, last_error, dropped_reason, created_at, updated_at}]. Filter: any of destination (name), error (words of it), dropped (true: those that a person dropped), and before_at with before_id, which are updated_at and id of the last of the page before; at most 200. For viewers and secret keys.';

create function public.list_waiting(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_id constant uuid := (select d.id from public.destinations d where d.name = p_filter ->> 'before_destination' and d.removed_at is null);
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'message_id', about.message_id, 'lane', l.conversation_id,
      'conversation_id', about.conversation_id, 'last_four', private.contact_last_four(c.contact_id), 'destination', t.name,
      'type', about.type, 'state', d.state, 'attempt', d.attempt, 'last_error', d.last_error,
      'next_attempt_at', d.next_attempt_at, 'created_at', d.created_at, 'due_at', l.due_at,
      'behind', (
        select count(*) - 1 from public.deliveries x
        where x.destination_id = d.destination_id and x.conversation_id = d.conversation_id and x.state in ('pending', 'leased')))
      order by l.due_at desc, l.conversation_id desc, l.destination_id desc), '[]')
    from (
      select l.destination_id, l.conversation_id, l.due_at
      from (
        select * from private.delivery_lanes w where w.due_at is not null and w.lease is null
        union all
        select * from private.delivery_lanes w where w.lease is not null) l
      where l.destination_id in (
        select x.id from public.destinations x where x.name = coalesce(p_filter ->> 'destination', x.name))
        and (v_id is null or (l.due_at, l.conversation_id, l.destination_id) < (
          (p_filter ->> 'before_at')::timestamptz, (p_filter ->> 'before_lane')::uuid, v_id))
      order by l.due_at desc, l.conversation_id desc, l.destination_id desc limit least(greatest(p_limit, 1), 200)
    ) l
    cross join lateral (
      select y as row from public.deliveries y
      where y.destination_id = l.destination_id and y.conversation_id = l.conversation_id and y.state in ('pending', 'leased')
      order by y.seq limit 1
    ) first
    cross join lateral (select (first.row).*) d
    join public.destinations t on t.id = d.destination_id
    cross join lateral private.delivery_subject(first.row) about
    left join public.conversations c on c.id = about.conversation_id);
end $$;
comment on function public.list_waiting(jsonb, integer) is
  'Deliveries that wait, the first of each conversation and destination, those that wait longest from now on first: [{id, lane, message_id, conversation_id and last_four (null for events that concern none), destination, type (of the message, or of another event), state, attempt, last_error, next_attempt_at, created_at, due_at, behind: how many wait behind it}]. Filter: any of destination (name), and before_at, before_lane and before_destination, which are due_at, lane and destination of the last of the page before; at most 200. For viewers and secret keys.';

-- Routes ------------------------------------------------------------------------------------------

create function private.destinations_of(p_route uuid) returns text[]
language sql stable set search_path = '' as $$
  select array(
    select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
    where x.route_id = p_route order by x.position)
$$;
comment on function private.destinations_of(uuid) is 'The names of a route''s destinations, in order.';

create function public.list_routes(p_filter jsonb default '{}', p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  -- As the table's policy has it; asked once, not for each route.
  v_all boolean := private.may('operator');
begin
  perform private.require_role('viewer');
  return (
    with placed as (
      select r.id, row_number() over (order by r.is_fallback, r.priority, r.id) as place,
        lag(r.id) over same as above, lead(r.id) over same as below, lead(r.id, 2) over same as beyond
      from (select x.id, x.priority, coalesce(x.condition ->> 'type' = 'default', false) as is_fallback from public.routes x
        where v_all or not jsonb_path_exists(x.condition, '$.**.phones')) r
      window same as (partition by r.is_fallback order by r.priority, r.id)
    ), page as (
      select p.* from placed p join public.routes r on r.id = p.id
      where (p_filter ->> 'after' is null or p.place > coalesce(
          (select a.place from placed a where a.id = (p_filter ->> 'after')::uuid), 0))
        and (p_filter ->> 'id' is null or r.id = (p_filter ->> 'id')::uuid)
        and (p_filter ->> 'active' is null or r.active = (p_filter ->> 'active')::boolean)
        and (p_filter ->> 'destination' is null or (p_filter ->> 'destination') = any (private.destinations_of(r.id)))
        and (p_filter ->> 'search' is null or strpos(lower(concat_ws(' ', r.name, r.flag_key, r.channels, r.condition,
          private.destinations_of(r.id))), lower(p_filter ->> 'search')) > 0)
      order by p.place limit least(greatest(p_limit, 1), 1000)
    )
    select coalesce(jsonb_agg(to_jsonb(r) - 'created_at' || jsonb_build_object('destinations', private.destinations_of(r.id),
      'place', p.place, 'above', p.above, 'below', p.below, 'beyond', p.beyond) order by p.place), '[]')
    from page p join public.routes r on r.id = p.id);
end $$;
comment on function public.list_routes(jsonb, integer) is
  'Routes in the order in which the router tries them: the row, with destinations (names), place (from 1, among all), and the ids of its neighbours among routes that it can trade places with: above, below, and beyond that one; null for none. Filter: any of id, search (part of name, flag, destinations, channels or condition), active, destination (name), after (id of the last of the page before); at most 1,000. Only operators and secret keys see routes for phone numbers. For viewers and secret keys.';

-- Flags and rollouts ------------------------------------------------------------------------------

create function public.list_flags(p_filter jsonb default '{}', p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_on_first boolean := coalesce((p_filter ->> 'on_first')::boolean, false);
  v_after public.settings;
begin
  perform private.require_role('viewer');
  v_after.key := p_filter ->> 'after';
  v_after.value := coalesce(p_filter ->> 'after_value', (select s.value from public.settings s where s.key = v_after.key));
  return (
    select coalesce(jsonb_agg(jsonb_build_object('key', f.key, 'value', f.value, 'metadata', f.metadata, 'version', f.version,
      'updated_at', f.updated_at, 'updated_by', f.updated_by)
      order by case when v_on_first then f.value = 'true' end desc, f.key), '[]')
    from (
      select * from public.settings s
      where s.key like '%.enabled'
        and (v_after.key is null or case when v_on_first and (s.value = 'true') <> (v_after.value = 'true') then s.value <> 'true'
          else s.key > v_after.key end)
        and (p_filter ->> 'state' is null or (s.value = 'true') = (p_filter ->> 'state' = 'on'))
        and (p_filter ->> 'segment' is null or s.metadata @> jsonb_build_object('target_segments', jsonb_build_array(p_filter ->> 'segment')))
        and (p_filter ->> 'search' is null
          or strpos(lower(concat_ws(' ', s.key, s.metadata ->> 'description')), lower(p_filter ->> 'search')) > 0)
      order by case when v_on_first then s.value = 'true' end desc, s.key
      limit least(greatest(p_limit, 1), 1000)) f);
end $$;
comment on function public.list_flags(jsonb, integer) is
  'Flags by key: [{key, value, metadata, version, updated_at, updated_by}]. Filter: any of search (part of the key or description), state (on, off), segment (one that the flag targets), on_first (those that are on before the others), after (key of the last of the page before; with on_first also after_value, its value); at most 1,000. For viewers and secret keys.';

create function public.count_contacts(p_now timestamptz default now()) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select jsonb_build_object('contacts', count(*),
      'recent', (
        select count(distinct c.contact_id) from public.conversations c where c.last_inbound_at >= p_now - interval '7 days'))
    from public.contacts c where c.merged_into is null);
end $$;
comment on function public.count_contacts(timestamptz) is
  'How many people there are, so that a percentage can be shown as people: {contacts, recent: those who wrote within 7 days}. For viewers, who may not read the contacts themselves, and secret keys.';

create function public.name_contacts(p_ids text[]) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'last_four', private.contact_last_four(coalesce(c.merged_into, c.id)),
      'name', case when v_words then coalesce(into_.name, c.name) end)), '[]')
    from public.contacts c left join public.contacts into_ on into_.id = c.merged_into
    where c.id = any (array(
      select asked.id::uuid from unnest(p_ids[1:500]) as asked (id)
      where asked.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')));
end $$;
comment on function public.name_contacts(text[]) is
  'Who the contacts of these ids are, redacted, so that a list of targets shows people: [{id, last_four, name}], for the first 500 ids, without those that are no contact. The name is null for viewers. For viewers and secret keys.';

create function public.plan_of_template(p_name text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.rollout_template(p_name, null, null);
end $$;
comment on function public.plan_of_template(text) is
  'A built-in plan (standard, canary, replies, masking, mail-routing, mail-analysis, dynamic-routing, mail-replies) as {name, stages}, to begin a plan of one''s own with; the first stage of standard, masking and mail-replies still needs user_ids or segments. Null for another name. For viewers and secret keys.';

create function public.watch_rollout(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('viewer');
  select * into v_rollout from public.rollouts r where r.id = p_id;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.state not in ('running', 'paused') then
    return null;
  end if;
  return private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
end $$;
comment on function public.watch_rollout(uuid) is
  'What the guard sees of a rollout at this moment, in the form of the evidence of an event: the minutes since its last event, and S after each. Null for one that is not under way. For viewers and secret keys. Errors: GL404.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.destinations_of(uuid),
  private.delivery_subject(public.deliveries),
  private.attempt_view(public.delivery_attempts, public.deliveries, boolean)
  to service_role;
grant execute on function
  public.destination_health(timestamptz, jsonb, integer),
  public.list_dead_letters(jsonb, integer),
  public.list_waiting(jsonb, integer),
  public.list_routes(jsonb, integer),
  public.list_flags(jsonb, integer),
  public.delivery_log(text, jsonb, integer),
  public.destination_figures(text, integer, timestamptz),
  public.name_contacts(text[]),
  public.count_contacts(timestamptz),
  public.plan_of_template(text),
  public.watch_rollout(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002405');
