-- Changing a route and moving it in the order, by version, and what it was before.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.route_history (
  route_id uuid not null,
  version integer not null,
  name text not null,
  priority integer not null,
  condition jsonb not null,
  mode text not null,
  destinations text[] not null,
  flag_key text,
  sticky_minutes integer,
  active boolean not null,
  changed_at timestamptz not null,
  changed_by text not null,
  constraint route_history_pkey primary key (route_id, version)
);
comment on table public.route_history is
  'What a route was at each of its versions, from the first change on. Append-only; outlives the route.';
comment on constraint route_history_pkey on public.route_history is 'A version is written once.';
comment on column public.route_history.route_id is 'The route. Not a reference: the history outlives it.';
comment on column public.route_history.version is 'Which version this was.';
comment on column public.route_history.name is 'Its name.';
comment on column public.route_history.priority is 'Its priority.';
comment on column public.route_history.condition is 'Its condition.';
comment on column public.route_history.mode is 'Its mode.';
comment on column public.route_history.destinations is 'Names of its destinations, in order.';
comment on column public.route_history.flag_key is 'Its flag.';
comment on column public.route_history.sticky_minutes is 'Its stickiness.';
comment on column public.route_history.active is 'Whether it was active.';
comment on column public.route_history.changed_at is 'Since when it was so.';
comment on column public.route_history.changed_by is 'Who made it so.';
alter table public.route_history enable row level security;
revoke all on public.route_history from anon, authenticated, service_role, public;
grant select on public.route_history to authenticated, service_role;
create policy route_history_read on public.route_history for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy route_history_read on public.route_history is 'Every role may see who changed which route.';
create trigger append_only before update or delete or truncate on public.route_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.route_history is 'Nobody rewrites history.';

create function private.record_route(p_id uuid) returns void
language sql volatile set search_path = '' as $$
  insert into public.route_history (route_id, version, name, priority, condition, mode, destinations, flag_key,
    sticky_minutes, active, changed_at, changed_by)
  select r.id, r.version, r.name, r.priority, r.condition, r.mode, array(
      select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
      where x.route_id = r.id order by x.position),
    r.flag_key, r.sticky_minutes, r.active, r.updated_at, r.updated_by
  from public.routes r where r.id = p_id
  on conflict on constraint route_history_pkey do nothing
$$;
comment on function private.record_route(uuid) is 'Writes a route''s version of now into its history, unless it is there.';
revoke execute on function private.record_route(uuid) from public, anon, authenticated;

-- Under its row's lock. What is changed by whoever read another version would undo the change between.
create function private.route_at(p_id uuid, p_version integer) returns public.routes
language plpgsql volatile set search_path = '' as $$
declare
  v_route public.routes;
begin
  select * into v_route from public.routes r where r.id = p_id for update;
  if not found then
    raise exception 'there is no such route' using errcode = 'GL404';
  end if;
  if v_route.version is distinct from p_version then
    raise exception 'route % is at version %, not %', v_route.name, v_route.version, p_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_route;
end $$;
comment on function private.route_at(uuid, integer) is 'Locks a route that is at this version and answers it. GL404 when there is none, GL409 when somebody was faster.';
revoke execute on function private.route_at(uuid, integer) from public, anon, authenticated;

create function public.set_route(p_id uuid, p_version integer, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_route public.routes;
  v_destinations text[];
begin
  perform private.require_role('operator');
  v_route := private.route_at(p_id, p_version);
  if exists (select from jsonb_object_keys(p_changes) k
    where k not in ('name', 'condition', 'mode', 'flag_key', 'sticky_minutes', 'active', 'destinations')) then
    raise exception 'a route has name, condition, mode, flag_key, sticky_minutes, active and destinations to change'
      using errcode = 'GL422';
  end if;
  if p_changes ? 'destinations' then
    v_destinations := array(select jsonb_array_elements_text(p_changes -> 'destinations'));
    if cardinality(v_destinations) = 0 then
      raise exception 'a route needs at least one destination' using errcode = 'GL422';
    end if;
  end if;
  perform private.record_route(p_id);
  v_route := jsonb_populate_record(v_route, p_changes - 'destinations');
  update public.routes r
  set name = v_route.name, condition = v_route.condition, mode = v_route.mode, flag_key = v_route.flag_key,
    sticky_minutes = v_route.sticky_minutes, active = v_route.active,
    version = r.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
  where r.id = p_id returning r.* into v_route;
  if v_destinations is not null then
    delete from public.route_destinations x where x.route_id = p_id;
    insert into public.route_destinations (route_id, destination_id, position)
    select p_id, private.destination_named(d.name), min(d.position)
    from unnest(v_destinations) with ordinality as d (name, position) group by d.name;
  end if;
  perform private.record_route(p_id);
  return to_jsonb(v_route);
end $$;
comment on function public.set_route(uuid, integer, jsonb) is
  'Changes a route that still is at the version the caller read: any of name, condition, mode, flag_key, sticky_minutes, active, destinations (names). Answers the route. Both versions stand in route_history. For operators and secret keys. Errors: 42501 not allowed, GL404 no such route or destination, GL409 somebody else was faster, GL422 an unknown member or no destination, 23505 name taken, 23514 a value that cannot be.';
revoke execute on function public.set_route(uuid, integer, jsonb) from public, anon;
grant execute on function public.set_route(uuid, integer, jsonb) to authenticated, service_role;

create function private.is_fallback(p_condition jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select p_condition ->> 'type' = 'default'
$$;
comment on function private.is_fallback(jsonb) is 'Whether a route with this condition is asked after all others, whatever its priority.';
revoke execute on function private.is_fallback(jsonb) from public, anon, authenticated;

-- One at a time: two moves at once would each count on an order that the other changes. A move takes a number between
-- its neighbours; where there is none, all are numbered anew in steps of ten.
create function public.move_route(p_id uuid, p_version integer, p_before uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_route public.routes;
  v_next public.routes;
  v_order uuid[];
  v_place integer;
  v_above integer;
  v_below integer;
  v_changed uuid[];
begin
  perform private.require_role('operator');
  lock table public.routes in share row exclusive mode;
  v_route := private.route_at(p_id, p_version);
  if p_before is not null then
    select * into v_next from public.routes r where r.id = p_before;
    if not found then
      raise exception 'there is no such route to come before' using errcode = 'GL404';
    end if;
    if private.is_fallback(v_next.condition) is distinct from private.is_fallback(v_route.condition) then
      raise exception 'routes with the condition default are asked after all others' using errcode = 'GL422';
    end if;
  end if;
  v_order := array(
    select r.id from public.routes r
    where r.id <> p_id and private.is_fallback(r.condition) = private.is_fallback(v_route.condition)
    order by r.priority, r.id);
  v_place := coalesce(array_position(v_order, p_before), cardinality(v_order) + 1);
  select r.priority into v_above from public.routes r where r.id = v_order[v_place - 1];
  select r.priority into v_below from public.routes r where r.id = v_order[v_place];
  v_above := coalesce(v_above, v_below - 20, v_route.priority - 10);
  v_below := coalesce(v_below, v_above + 20);
  if v_below - v_above >= 2 then
    v_order := array[p_id];
    v_above := v_above + (v_below - v_above) / 2 - 10;
  else
    v_order := v_order[:v_place - 1] || p_id || v_order[v_place:];
    v_above := 0;
  end if;
  v_changed := array(
    select r.id from unnest(v_order) with ordinality as o (id, place) join public.routes r on r.id = o.id
    where r.priority <> v_above + 10 * o.place);
  perform private.record_route(id) from unnest(v_changed) as id;
  update public.routes r
  set priority = v_above + 10 * array_position(v_order, r.id), version = r.version + 1, updated_at = clock_timestamp(),
    updated_by = private.actor()
  where r.id = any (v_changed);
  perform private.record_route(id) from unnest(v_changed) as id;
  return (
    select jsonb_agg(jsonb_build_object('id', r.id, 'priority', r.priority, 'version', r.version) order by r.priority, r.id)
    from public.routes r);
end $$;
comment on function public.move_route(uuid, integer, uuid) is
  'Puts a route, if it still is at the version the caller read, right before another one, or last with null; routes with the condition default move among themselves. Answers the new order of all, [{id, priority, version}]: others may get another priority too. For operators and secret keys. Errors: 42501 not allowed, GL404 no such route, GL409 somebody else was faster, GL422 a fallback before what is none.';
revoke execute on function public.move_route(uuid, integer, uuid) from public, anon;
grant execute on function public.move_route(uuid, integer, uuid) to authenticated, service_role;
