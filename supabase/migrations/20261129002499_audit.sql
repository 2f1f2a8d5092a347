-- All that people and the guard did, as one list: the histories of each subject beside private.change_history, and the
-- triggers that fill that.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What had no history -----------------------------------------------------------------------------

-- Deliveries change a destination's row all the time; only what people change has another version or state.
create trigger record after insert on public.destinations for each row
  execute function private.record_change('destination', 'name', '', 'url', 'state', 'timeout_ms', 'rate_per_second', 'rate_burst', 'retry_seconds', 'failure_policy', 'events', 'format', 'when_taken');
comment on trigger record on public.destinations is 'Who added it.';
create trigger record_change after update of state, version, removed_at on public.destinations for each row
  when (old.version is distinct from new.version or old.state is distinct from new.state or old.removed_at is distinct from new.removed_at)
  execute function private.record_change('destination', 'name', '', 'url', 'state', 'paused_because', 'timeout_ms', 'rate_per_second', 'rate_burst', 'retry_seconds', 'failure_policy', 'events', 'format', 'when_taken');
comment on trigger record_change on public.destinations is 'Who changed it, and how.';

create trigger record after insert or delete on public.segments for each row
  execute function private.record_change('segment', 'key', '', 'description');
comment on trigger record on public.segments is 'Who added and removed it; its members have a history of their own.';
create trigger record_change after update of description on public.segments for each row
  when (old.description is distinct from new.description)
  execute function private.record_change('segment', 'key', '', 'description');
comment on trigger record_change on public.segments is 'Who described it otherwise.';

-- Each message that is sent writes send_tat.
create trigger record after insert or delete on public.senders for each row
  execute function private.record_change('number', 'id', '', 'channel', 'address', 'state', 'max_per_second', 'pair_seconds', 'pair_burst');
comment on trigger record on public.senders is 'When it was first seen, and who removed it.';
create trigger record_change after update of state, max_per_second, pair_seconds, pair_burst on public.senders for each row
  when ((old.state, old.max_per_second, old.pair_seconds, old.pair_burst) is distinct from (new.state, new.max_per_second, new.pair_seconds, new.pair_burst))
  execute function private.record_change('number', 'id', '', 'state', 'max_per_second', 'pair_seconds', 'pair_burst');
comment on trigger record_change on public.senders is 'Who changed its pace.';

create trigger record after insert or delete on public.notification_endpoints for each row
  execute function private.record_change('endpoint', 'name', '', 'kind', 'host', 'events', 'state');
comment on trigger record on public.notification_endpoints is 'Who added and removed it.';
create trigger record_change after update of state, events on public.notification_endpoints for each row
  execute function private.record_change('endpoint', 'name', '', 'events', 'state');
comment on trigger record_change on public.notification_endpoints is 'Who paused and resumed it.';

create trigger record after insert or delete on public.announcements for each row
  execute function private.record_change('announcement', 'name', 'id', 'state');
comment on trigger record on public.announcements is 'Who wrote and deleted it.';
create trigger record_change after update of state on public.announcements for each row
  when (old.state is distinct from new.state)
  execute function private.record_change('announcement', 'name', 'id', 'state');
comment on trigger record_change on public.announcements is 'Who started and stopped it.';

create trigger record after insert or delete on private.inboxes for each row
  execute function private.record_change('identity', 'from_email', '', 'provider', 'state', 'is_default');
comment on trigger record on private.inboxes is 'Who added and removed the identity.';
create trigger record_change after update of provider, state, is_default on private.inboxes for each row
  execute function private.record_change('identity', 'from_email', '', 'provider', 'state', 'is_default');
comment on trigger record_change on private.inboxes is 'Who changed the identity.';

-- With the services that a route leads to, which are rows of their own: written after it, and gone before it.
create function private.record_route_change() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_route public.routes := case when tg_op = 'DELETE' then old else new end;
  v_is jsonb;
begin
  if not private.is_erasing() then
    v_is := jsonb_build_object('priority', v_route.priority, 'condition', v_route.condition, 'mode', v_route.mode,
      'flag_key', v_route.flag_key, 'sticky_minutes', v_route.sticky_minutes, 'active', v_route.active, 'channels', v_route.channels,
      'destinations', array(
        select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
        where x.route_id = v_route.id order by x.position));
    insert into private.change_history (kind, name, ref, change, version, before, after, by)
    values ('route', v_route.name, v_route.id::text, case tg_op when 'DELETE' then 'removed' else 'added' end, v_route.version,
      case tg_op when 'DELETE' then v_is end, case tg_op when 'INSERT' then v_is end,
      case tg_op when 'DELETE' then private.actor() else v_route.updated_by end);
  end if;
  return v_route;
end $$;
comment on function private.record_route_change() is 'Trigger: records a route that was added or removed, whole. Its versions are in route_history.';
create constraint trigger record_added after insert on public.routes deferrable initially deferred for each row
  execute function private.record_route_change();
comment on trigger record_added on public.routes is 'Who added it, with its services, which come after it.';
create trigger record_removed before delete on public.routes for each row
  execute function private.record_route_change();
comment on trigger record_removed on public.routes is 'Who removed it, with its services, which go before it.';

-- Links that services make are traffic, as messages are; what people make is told once a call.
create function private.record_new_links() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into private.change_history (kind, name, ref, change, n, after, by)
  select 'link', min(m.code), case count(*) when 1 then min(m.code) end, 'added', count(*),
    jsonb_build_object('codes', to_jsonb((array_agg(m.code order by m.code))[1:20])), m.created_by
  from made m
  where m.created_by ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  group by m.created_by;
  return null;
end $$;
comment on function private.record_new_links() is 'Trigger, after insert of links: records how many a person made at once, and the first twenty codes.';
create trigger record_new after insert on public.links referencing new table as made for each statement
  execute function private.record_new_links();
comment on trigger record_new on public.links is 'What people made.';

create function private.record_link_change() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old jsonb := to_jsonb(old);
  v_new jsonb := to_jsonb(new);
  v_before jsonb;
  v_after jsonb;
begin
  if private.is_erasing() then
    return null;
  end if;
  select jsonb_object_agg(n.key, v_old -> n.key), jsonb_object_agg(n.key, n.value) into v_before, v_after
  from jsonb_each(v_new) n
  where n.value is distinct from v_old -> n.key
    and n.key not in ('version', 'member_versions', 'changed_in', 'updated_at', 'updated_by', 'uses', 'taken', 'campaign', 'request_hash');
  -- What a service changes in its own links is traffic, but for who takes one away.
  if old.state is not distinct from new.state
    and new.updated_by !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    return null;
  end if;
  insert into private.change_history (kind, name, ref, change, version, before, after, by)
  values ('link', coalesce(new.title, new.code), new.code,
    case when new.state = 'deleted' and old.state <> 'deleted' then 'removed' when v_after is null then 'credentials' else 'changed' end,
    new.version, v_before, v_after, new.updated_by);
  return null;
end $$;
comment on function private.record_link_change() is 'Trigger, after update of links: records changes by people, and by anybody which link was turned off, on, deleted or restored.';
-- Not for each visit.
create trigger record_change after update on public.links for each row
  when (old.version is distinct from new.version or old.state is distinct from new.state)
  execute function private.record_link_change();
comment on trigger record_change on public.links is 'Who changed it, and how.';

create function private.record_suppression() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_row public.suppressions := case when tg_op = 'DELETE' then old else new end;
begin
  if not private.is_erasing() then
    insert into private.change_history (kind, name, change, after, before)
    values ('suppression', private.without_local_part(v_row.address), case tg_op when 'DELETE' then 'removed' else 'added' end,
      case tg_op when 'INSERT' then jsonb_build_object('scope', v_row.scope, 'reason', v_row.reason) end,
      case tg_op when 'DELETE' then jsonb_build_object('scope', v_row.scope, 'reason', v_row.reason) end);
  end if;
  return null;
end $$;
comment on function private.record_suppression() is 'Trigger: records a suppression that the team added, or that anybody lifted, by the first letter and the domain of the address.';
create trigger record_added after insert on public.suppressions for each row when (new.source = 'team')
  execute function private.record_suppression();
comment on trigger record_added on public.suppressions is 'Who of the team said that somebody gets no mail.';
create trigger record_removed after delete on public.suppressions for each row
  execute function private.record_suppression();
comment on trigger record_removed on public.suppressions is 'Who lifted it.';

-- The list ----------------------------------------------------------------------------------------

create function private.audited_setting(p_state jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_state is not null then jsonb_build_object('value', p_state -> 'value')
    || (coalesce(p_state -> 'metadata', '{}') - 'target_user_ids')
    || case when p_state #> '{metadata,target_user_ids}' is null then '{}'
      else jsonb_build_object('people', jsonb_array_length(p_state #> '{metadata,target_user_ids}')) end end
$$;
comment on function private.audited_setting(jsonb) is
  'A state of a setting for the list: its value beside the members of its metadata, and how many people it targets instead of whom.';

create function private.without_numbers(p_route jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when jsonb_path_exists(coalesce(p_route, '{}'), '$.condition.**.phones') then p_route - 'condition' else p_route end
$$;
comment on function private.without_numbers(jsonb) is
  'A route for the list, without a condition that names people''s numbers: those are shown where who looks is recorded, or by the route itself.';

create function private.audited_route(p_route public.route_history) returns jsonb
language sql immutable set search_path = '' as $$
  select private.without_numbers(jsonb_build_object(
    'name', (p_route).name, 'priority', (p_route).priority, 'condition', (p_route).condition, 'mode', (p_route).mode,
    'destinations', (p_route).destinations, 'flag_key', (p_route).flag_key, 'sticky_minutes', (p_route).sticky_minutes,
    'active', (p_route).active, 'channels', (p_route).channels))
$$;
comment on function private.audited_route(public.route_history) is 'A version of a route for the list.';

-- Each source answers the same columns.
create function private.audit_sources() returns table (role text, kinds text[], source text)
language sql immutable set search_path = '' as $$
  values
    ('viewer', '{flag}'::text[], $s$
      select 'setting ' || h.key || ' ' || h.version as id, h.changed_at as at,
        'flag' as kind, h.key as name, h.key as ref, c.change,
        h.version, 1 as n, h.changed_by as who, h.reason as why, private.audited_setting(h.before) as before,
        private.audited_setting(h.after) as after, c.figures
      from public.settings_history h cross join lateral private.setting_change(h.before, h.after) c
      where h.key like '%.enabled' $s$),
    ('viewer', '{setting}', $s$
      select 'setting ' || h.key || ' ' || h.version as id, h.changed_at as at,
        'setting' as kind, h.key as name, h.key as ref, c.change,
        h.version, 1 as n, h.changed_by as who, h.reason as why, private.audited_setting(h.before) as before,
        private.audited_setting(h.after) as after, c.figures
      from public.settings_history h cross join lateral private.setting_change(h.before, h.after) c
      where h.key not like '%.enabled' $s$),
    ('viewer', '{rollout}', $s$
      select 'rollout ' || e.id, e.at, 'rollout', r.flag_key, r.id::text, e.kind, e.rollout_version, 1, e.actor, e.reason, null, null,
        jsonb_build_object('rule', e.rule, 'verdict', e.verdict, 'figures', e.figures)
      from public.rollout_events e join public.rollouts r on r.id = e.rollout_id where e.kind <> 'checked' $s$),
    ('viewer', '{signature}', $s$
      select 'signed ' || a.id, a.signed_at, 'signature', a.flag_key, a.flag_key, case when a.applies then 'signed' else 'waived' end, null, 1,
        a.signed_by::text, a.note, null, null, jsonb_build_object('gate', a.gate, 'role', a.role)
      from public.gate_approvals a $s$),
    ('viewer', '{signature}', $s$
      select 'revoked ' || a.id, a.revoked_at, 'signature', a.flag_key, a.flag_key, 'revoked', null, 1,
        a.revoked_by, a.revoked_because, null, null, jsonb_build_object('gate', a.gate, 'role', a.role)
      from public.gate_approvals a where a.revoked_at is not null $s$),
    ('viewer', '{rollback}', $s$
      select 'rollback ' || b.id, b.recorded_at, 'rollback', b.target, null, case when b.ok then 'verified' else 'not_verified' end, null, 1,
        b.recorded_by, b.reason, null, null, jsonb_build_object('level', b.level)
      from public.rollback_events b $s$),
    ('viewer', '{incident}', $s$
      select 'incident ' || u.id, u.at, 'incident', '#' || i.number || ' ' || i.title, i.number::text, u.kind, u.version, 1, u.actor, u.text, null,
        nullif(u.changes, '{}'), jsonb_build_object('title', i.title, 'severity', i.severity, 'status', u.status)
      from public.incident_updates u join public.incidents i on i.id = u.incident_id $s$),
    ('viewer', '{route}', $s$
      select 'route ' || h.route_id || ' ' || h.version, h.changed_at, 'route', h.name, h.route_id::text, 'changed', h.version, 1, h.changed_by, null,
        case when b.route_id is not null then private.audited_route(b) end, private.audited_route(h), jsonb_build_object('active', h.active)
      from public.route_history h
      left join public.route_history b on b.route_id = h.route_id and b.version = h.version - 1
      where h.version > 1 $s$),
    ('viewer', '{segment}', $s$
      select 'members ' || h.segment_key || ' ' || h.version, h.changed_at, 'segment', h.segment_key, h.segment_key, 'members', h.version,
        cardinality(h.added) + cardinality(h.removed), h.changed_by, h.reason, null, null,
        jsonb_build_object('added', cardinality(h.added), 'removed', cardinality(h.removed))
      from public.segment_history h $s$),
    ('viewer', '{reply}', $s$
      select 'contact ' || a.id, a.at, 'reply',
        coalesce('···· ' || private.contact_last_four(a.contact_id), 'a contact'), a.message_id::text, a.act, null, 1, a.by, a.reason, null, null, '{}'::jsonb
      from public.contact_acts a where a.act = 'replied' and ($8 is null or a.contact_id = any ($8)) $s$),
    ('viewer', '{contact}', $s$
      select 'contact ' || a.id, a.at, 'contact',
        coalesce('···· ' || private.contact_last_four(a.contact_id), 'a contact'), a.message_id::text, a.act, null, 1, a.by, a.reason, null, null, '{}'::jsonb
      from public.contact_acts a where a.act <> 'replied' and ($8 is null or a.contact_id = any ($8)) $s$),
    ('viewer', '{contact}', $s$
      select 'erasure ' || e.id, e.at, 'contact', 'a contact', null, 'erased', null, 1, e.by, null, null, null, '{}'::jsonb
      from public.erasures e where e.part = 1 $s$),
    ('viewer', null, $s$
      select 'change ' || c.id, c.at, c.kind, c.name, coalesce(c.ref, c.name), c.change, c.version, c.n, c.by, c.reason,
        private.without_numbers(c.before), private.without_numbers(c.after), '{}'::jsonb
      from private.change_history c $s$),
    ('admin', '{team}', $s$
      select 'team ' || t.id, t.at, 'team', coalesce(t.email, t.user_id::text), t.user_id::text, t.change, null, 1, t.by, null, t.before, t.after, '{}'::jsonb
      from public.team_history t $s$),
    ('admin', '{allowlist}', $s$
      select 'host ' || a.id, a.at, 'allowlist', a.pattern, a.pattern, a.change, null, 1, a.by, null, null, null,
        jsonb_build_object('purpose', a.purpose)
      from public.allowlist_history a $s$)
$$;
comment on function private.audit_sources() is 'The histories that list_audit joins, each as a query, the least role that reads it, and of what kinds it tells, null for many. $8 are the contacts of the name that is searched for, null for any.';

create function public.list_audit(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_query text;
  v_answer jsonb;
  v_before timestamptz := coalesce((p_filter ->> 'before')::timestamptz, 'infinity');
  v_limit integer := least(greatest(coalesce(p_limit, 50), 1), 1000);
  v_name text := nullif(lower(trim(p_filter ->> 'name')), '');
  v_contacts uuid[];
  v_kinds text[] := case when jsonb_typeof(p_filter -> 'kinds') = 'array' then array(select jsonb_array_elements_text(p_filter -> 'kinds')) end;
begin
  perform private.require_role('viewer');
  -- What a contact is called is looked up: asking it of each act would take longer than anybody waits.
  if v_name ~ '^[· ]*[0-9]{4}$' then
    v_contacts := array(
      select i.contact_id from public.contact_identities i
      where i.kind = 'phone' and i.valid_to is null and length(i.value) >= 4 and right(i.value, 4) = right(v_name, 4));
  elsif v_name is not null then
    v_contacts := array(
      select i.contact_id from public.contact_identities i
      where i.valid_to is null and strpos(lower('···· ' || case i.kind when 'email' then substring(i.value from '@[^@]*$') else right(i.value, least(4, length(i.value) / 2)) end), v_name) > 0);
  end if;
  -- Each source answers a page of its own, by its index where it has one; the newest of all are the page.
  select string_agg(format($q$
    (select s.id, s.at, s.kind, s.name, s.ref, s.change, s.version::bigint, s.n::integer, s.who, s.why::text, s.before::jsonb, s.after::jsonb, s.figures
    from (%s) s (id, at, kind, name, ref, change, version, n, who, why, before, after, figures)
    where s.at <= $1 and (s.at, s.id collate "C") < ($1, $2 collate "C") and s.at >= $3
      and ($4 is null or s.kind = any ($4)) and ($5 is null or s.who = $5)
      and ($6 is null or strpos(lower(s.name), $6) > 0) and ($9 is null or s.ref = $9)
    order by s.at desc, s.id collate "C" desc limit $7)$q$, a.source), ' union all ') into v_query
  from private.audit_sources() a where private.may(a.role) and (v_kinds is null or a.kinds is null or a.kinds && v_kinds);
  execute format($q$
    select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'at', x.at, 'kind', x.kind, 'name', x.name, 'ref', x.ref, 'change', x.change,
      'version', x.version, 'n', x.n, 'who', x.who, 'why', x.why, 'before', x.before, 'after', x.after, 'figures', x.figures)
      order by x.at desc, x.id collate "C" desc), '[]')
    from (select * from (%s) u order by u.at desc, u.id collate "C" desc limit $7) x$q$, v_query)
  into v_answer
  using v_before, coalesce(p_filter ->> 'before_id', ''), coalesce((p_filter ->> 'since')::timestamptz, '-infinity'),
    v_kinds, nullif(p_filter ->> 'who', ''), v_name, v_limit, v_contacts, nullif(p_filter ->> 'ref', '');
  return v_answer;
end $$;
comment on function public.list_audit(jsonb, integer) is
  'All that people and the guard did, newest first, at most 1000: [{id, at, kind: flag | setting | rollout | signature | rollback | incident | route | destination | link | segment | number | endpoint | announcement | campaign | identity | suppression | delivery | invitation | contact | reply, and for admins team | allowlist, name, ref, change, version, n, who, why, before, after, figures}]. p_filter: {kinds: [...], who, name: a part of it, ref: exactly, since, before and before_id: at and id of the last of the page before}. For viewers and secret keys.';

-- Notifications -----------------------------------------------------------------------------------

create function public.test_notification_endpoint(p_name text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_endpoint uuid;
  v_id uuid;
begin
  perform private.require_role('operator');
  select e.id into v_endpoint from public.notification_endpoints e where e.name = p_name;
  if v_endpoint is null then
    raise exception 'there is no endpoint named %', p_name using errcode = 'GL404', hint = 'gatelink rollout notify list';
  end if;
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  values (v_endpoint, clock_timestamp(), jsonb_build_object('kind', 'test', 'at', clock_timestamp(), 'endpoint', p_name))
  returning id into v_id;
  return jsonb_build_object('id', v_id);
end $$;
comment on function public.test_notification_endpoint(text) is
  'Queues a test for an endpoint, whatever events it wants and whether it is paused; the table notifications says what became of it. Returns {id}. For operators and secret keys. GL404 when there is none of that name.';

call private.close_functions();
grant execute on function
  private.audited_setting(jsonb),
  private.without_numbers(jsonb),
  private.audited_route(public.route_history),
  private.audit_sources()
  to service_role;
grant execute on function
  public.list_audit(jsonb, integer),
  public.test_notification_endpoint(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002499');
