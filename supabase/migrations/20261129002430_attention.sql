-- What the panel tells people to do: what needs somebody now, and the first steps of a new installation.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What needs somebody -----------------------------------------------------------------------------

create function private.missing_approvals(p_flag_key text) returns text[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(r.role order by r.place), '{}')
  from unnest(array['engineering', 'security', 'product', 'cto']) with ordinality as r (role, place)
  join public.settings s on s.key = p_flag_key
  cross join lateral (select s.metadata -> 'approvers' as list) a
  where (r.role = 'engineering' or jsonb_typeof(a.list) is distinct from 'array' or a.list ? r.role
      or exists (
        select from jsonb_array_elements(a.list) e
        where coalesce(e #>> '{}', '') not in ('engineering', 'security', 'product', 'cto')))
    and not exists (
      select from public.gate_approvals g
      where g.flag_key = p_flag_key and g.gate = 'approval' and g.role = r.role and g.applies and g.revoked_at is null)
$$;
comment on function private.missing_approvals(text) is
  'Roles that have to approve the launch of a flag, as approversOf() in _shared/rollouts/sign_offs.ts says, and have not.';

create function private.attention(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('kind', x.kind, 'id', x.id, 'state', x.state, 'n', x.n, 'since', x.since,
    'urgent', x.urgent, 'figures', x.figures) order by x.urgent desc, x.place, x.since nulls last, x.id), '[]')
  from (
    select 1 as place, 'incident' as kind, i.number::text as id,
      case when i.acknowledged_at is null then 'unacknowledged' else 'acknowledged' end as state, null::bigint as n, i.opened_at as since,
      i.acknowledged_at is null and i.severity <> 'P2' as urgent, jsonb_build_object('title', i.title, 'severity', i.severity) as figures
    from public.incidents i where i.status <> 'resolved'
    union all
    select 2, 'destination', t.name, t.state, nullif(t.waiting, 0), null, true,
      jsonb_strip_nulls(jsonb_build_object('n', t.n, 'error', t.error))
    from private.troubled_destinations(p_now) t where t.state <> 'gave_up'
    union all
    select 3, 'sender', s.id, 'held', null, s.held_since, true, jsonb_build_object('channel', s.channel, 'code', s.held_code)
    from public.senders s where s.held_since is not null
    union all
    -- What is told of its destinations and accounts above is not told twice.
    select 4, 'health', h.item ->> 'component', h.item ->> 'status', null, p.since, h.item ->> 'status' = 'down',
      jsonb_build_object('because', h.item -> 'because', 'figures', h.item -> 'figures')
    from jsonb_array_elements(private.health(p_now)) as h (item)
    left join private.part_states p on p.component = h.item ->> 'component'
    where h.item ->> 'status' <> 'healthy'
      and not (h.item ->> 'component' = 'queue' and h.item ->> 'because' = 'stopped')
      and not (h.item ->> 'component' = 'senders' and h.item ->> 'because' in ('held', 'unknown'))
    union all
    select 5, 'dead_letters', d.name, 'dead', g.n, g.since, false, '{}'
    from (
      select x.destination_id, count(*) as n, min(x.updated_at) as since from public.deliveries x
      where x.state = 'dead' and x.dropped_reason is null and x.last_error not like 'unknown\_outcome%'
      group by x.destination_id) g
    join public.destinations d on d.id = g.destination_id
    union all
    select 6, 'unknown', 'outcomes', 'unknown', count(*), min(u.since), false, '{}'
    from (
      select o.updated_at as since from public.outbound_messages o where o.state = 'unknown'
      union all
      select d.updated_at from public.deliveries d
      where d.state = 'dead' and d.last_error like 'unknown\_outcome%' and d.dropped_reason is null) u
    where u.since <= p_now - interval '15 minutes' having count(*) > 0
    union all
    select 7, 'signature', r.id::text, 'draft', null, r.created_at, false,
      jsonb_build_object('flag', r.flag_key, 'roles', to_jsonb(m.roles))
    from public.rollouts r cross join lateral private.missing_approvals(r.flag_key) as m (roles)
    where r.state = 'draft' and cardinality(m.roles) > 0
    union all
    select 8, 'endpoint', e.name, 'failing', count(*), min(n.created_at), false,
      jsonb_build_object('error', (array_agg(n.last_error order by n.created_at desc))[1])
    from public.notification_endpoints e join public.notifications n on n.endpoint_id = e.id
    where e.state = 'active' and n.state = 'dead' and n.created_at >= p_now - interval '1 day'
      and not exists (
        select from public.notifications l where l.endpoint_id = e.id and l.delivered_at > n.created_at)
    group by e.name
  ) x
$$;
comment on function private.attention(timestamptz) is 'attention with the time given.';

create function public.attention() returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
begin
  perform private.require_role('viewer');
  return private.attention(clock_timestamp());
end $$;
comment on function public.attention() is
  'What needs somebody, the most urgent first: [{kind: incident | destination | sender | health | dead_letters | unknown | signature | endpoint, id, state, n, since, urgent, figures}]. Open incidents, destinations in trouble, accounts that are held, parts that are not healthy, dead letters by destination, messages of which nobody knows whether they went, launches that wait for a signature, endpoints that could not be told within a day. For viewers and secret keys.';

-- The first steps ---------------------------------------------------------------------------------

-- Figures since the beginning, so that no retention takes a step back.
create function public.first_steps() returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
begin
  perform private.require_role('viewer');
  return (
    with sums as materialized (
      select m.name, m.label, m.n from public.measurements m where m.minute = '-infinity'
    )
    select jsonb_agg(jsonb_build_object('step', s.step, 'done', s.done) order by s.place)
    from (values
      (1, 'clock', exists (select from sums x where x.name = 'messages' and x.label = 'in')),
      (2, 'webhook', exists (select from sums x where x.name = 'updates' and x.n > 0) or exists (select from public.webhook_events)),
      (3, 'destination', exists (select from public.destinations d where d.kind <> 'inbox' and d.removed_at is null)),
      (4, 'route', exists (select from public.routes r join public.route_destinations d on d.route_id = r.id where r.active)),
      (5, 'delivered', exists (select from sums x where x.name = 'destination' and x.label like '% delivered' and x.n > 0)
        or exists (select from public.deliveries d where d.state = 'delivered')),
      (6, 'reply', exists (select from public.outbound_messages o where o.state = 'sent')
        or exists (select from sums x where x.name not in ('request', 'routed', 'destination', 'replies', 'messages', 'updates', 'clicks', 'failed')
          and x.label = 'sent' and x.n > 0)),
      (7, 'link', exists (select from public.links l where l.state <> 'deleted')),
      (8, 'click', exists (select from sums x where x.name = 'clicks' and x.n > 0) or exists (select from public.click_counts)),
      (9, 'member', (select count(*) from public.team_members) > 1),
      (10, 'endpoint', exists (select from public.notification_endpoints e where e.state = 'active'))
    ) as s (place, step, done));
end $$;
comment on function public.first_steps() is
  'How far a new installation is: [{step: clock | webhook | destination | route | delivered | reply | link | click | member | endpoint, done}], in order. For viewers and secret keys.';

call private.close_functions();
grant execute on function
  private.missing_approvals(text),
  private.attention(timestamptz)
  to service_role;
grant execute on function
  public.attention(),
  public.first_steps()
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002430');
