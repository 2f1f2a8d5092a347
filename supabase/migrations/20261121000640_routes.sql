-- Which messages go to which services, and what was decided.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.routes (
  id uuid primary key default private.uuid_v7(),
  name text not null constraint routes_name_key unique check (length(name) between 1 and 100),
  priority integer not null default 100,
  condition jsonb not null check (jsonb_typeof(condition) = 'object' and condition ? 'type'),
  mode text not null default 'first' check (mode in ('first', 'all')),
  flag_key text check (flag_key <> ''),
  sticky_minutes integer check (sticky_minutes between 1 and 43200),
  active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by text not null default private.actor()
);
comment on table public.routes is 'Which messages go where. The first route by priority, then age, whose condition matches decides.';
comment on constraint routes_name_key on public.routes is 'A route is named by people and explanations.';
comment on column public.routes.id is 'UUID v7: also the order of routes of one priority.';
comment on column public.routes.name is 'What explanations call it.';
comment on column public.routes.priority is 'Smaller comes first.';
comment on column public.routes.condition is 'Typed condition, checked by the functions'' schema when written through them.';
comment on column public.routes.mode is 'first: to the first of its destinations that is not paused; all: to each of them.';
comment on column public.routes.flag_key is 'The route counts only where this flag is on for the contact; null for always.';
comment on column public.routes.sticky_minutes is 'Keeps the conversation with this route for so long after each match; null for not.';
comment on column public.routes.active is 'A route that is not active matches nothing.';
comment on column public.routes.version is 'Grows with each change.';
comment on column public.routes.created_at is 'When it was added.';
comment on column public.routes.updated_at is 'When it was last changed.';
comment on column public.routes.updated_by is 'Who last changed it.';
alter table public.routes enable row level security;
revoke all on public.routes from public, anon, authenticated;
grant select on public.routes to authenticated;
grant select, insert, update, delete on public.routes to service_role;
create policy "team reads routes" on public.routes for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads routes" on public.routes is 'Every role may see the routes.';
create trigger routes_revision after insert or update or delete or truncate on public.routes
  for each statement execute function private.bump_config_revision();
comment on trigger routes_revision on public.routes is 'Tells the functions at the edge to read the configuration again.';

create table public.route_destinations (
  route_id uuid not null references public.routes (id) on delete cascade,
  destination_id uuid not null references public.destinations (id) on delete restrict,
  position smallint not null,
  constraint route_destinations_pkey primary key (route_id, destination_id)
);
comment on table public.route_destinations is 'The destinations of a route, in order.';
comment on constraint route_destinations_pkey on public.route_destinations is 'A route names a destination once.';
comment on column public.route_destinations.route_id is 'The route.';
comment on column public.route_destinations.destination_id is 'The destination; one that a route needs cannot be deleted.';
comment on column public.route_destinations.position is 'Order among the route''s destinations, from 1.';
create index route_destinations_destination_idx on public.route_destinations (destination_id);
comment on index public.route_destinations_destination_idx is 'Routes of a destination; serves the foreign key.';
alter table public.route_destinations enable row level security;
revoke all on public.route_destinations from public, anon, authenticated;
grant select on public.route_destinations to authenticated;
grant select, insert, update, delete on public.route_destinations to service_role;
create policy "team reads route destinations" on public.route_destinations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads route destinations" on public.route_destinations is 'Every role may see the routes.';
create trigger route_destinations_revision after insert or update or delete or truncate on public.route_destinations
  for each statement execute function private.bump_config_revision();
comment on trigger route_destinations_revision on public.route_destinations is 'Tells the functions at the edge to read the configuration again.';

create table public.routing_decisions (
  message_id uuid primary key references public.messages (id) on delete cascade,
  route_id uuid references public.routes (id) on delete set null,
  route_name text,
  reason text not null check (reason in ('matched', 'sticky', 'default', 'no_match')),
  destination_ids uuid[] not null default '{}',
  contact text check (length(contact) <= 8),
  explanation jsonb not null default '[]',
  revision bigint not null,
  decided_at timestamptz not null default now()
);
comment on table public.routing_decisions is 'One row a routed message: which route, why, and why not the others. Holds no personal data.';
comment on column public.routing_decisions.message_id is 'The message; decided once and for all.';
comment on column public.routing_decisions.route_id is 'The route that took it; null when none matched or the route was removed since.';
comment on column public.routing_decisions.route_name is 'The route''s name at that time.';
comment on column public.routing_decisions.reason is 'matched, sticky (the conversation stayed), default (a fallback), or no_match.';
comment on column public.routing_decisions.destination_ids is 'Where it was sent.';
comment on column public.routing_decisions.contact is 'The contact, redacted: the last four digits of the number at most.';
comment on column public.routing_decisions.explanation is 'A list of {route, name, matched, why}, in the order asked.';
comment on column public.routing_decisions.revision is 'Revision of the configuration that decided.';
comment on column public.routing_decisions.decided_at is 'When.';
create index routing_decisions_route_idx on public.routing_decisions (route_id) where route_id is not null;
comment on index public.routing_decisions_route_idx is 'Counts by route; serves the foreign key.';
create index routing_decisions_recent_idx on public.routing_decisions (decided_at);
comment on index public.routing_decisions_recent_idx is 'The latest decisions.';
alter table public.routing_decisions enable row level security;
revoke all on public.routing_decisions from public, anon, authenticated;
grant select on public.routing_decisions to authenticated;
grant select, insert, update, delete on public.routing_decisions to service_role;
create policy "team reads decisions" on public.routing_decisions for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads decisions" on public.routing_decisions is 'Redacted by construction: every role may read.';

create function public.add_route(
  p_destinations text[], p_condition jsonb, p_priority integer default 100, p_options jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.routes;
begin
  perform private.require_role('operator');
  if coalesce(cardinality(p_destinations), 0) = 0 then
    raise exception 'a route needs at least one destination' using errcode = 'GL422';
  end if;
  insert into public.routes (name, priority, condition, mode, flag_key, sticky_minutes)
  values (coalesce(p_options ->> 'name', left(array_to_string(p_destinations, '+'), 80) || '-' || substr(gen_random_uuid()::text, 1, 4)),
    p_priority, p_condition, coalesce(p_options ->> 'mode', 'first'), p_options ->> 'flag_key',
    (p_options ->> 'sticky_minutes')::integer)
  returning * into v_row;
  insert into public.route_destinations (route_id, destination_id, position)
  select v_row.id, private.destination_named(d.name), d.position
  from unnest(p_destinations) with ordinality as d (name, position);
  return to_jsonb(v_row) || jsonb_build_object('destinations', to_jsonb(p_destinations));
end $$;
comment on function public.add_route(text[], jsonb, integer, jsonb) is 'Adds a route to destinations by name. Options: name, mode (first, all), flag_key, sticky_minutes. GL404 for an unknown destination.';
revoke execute on function public.add_route(text[], jsonb, integer, jsonb) from public, anon;
grant execute on function public.add_route(text[], jsonb, integer, jsonb) to authenticated, service_role;

create function public.remove_route(p_id uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  delete from public.routes where id = p_id;
  return found;
end $$;
comment on function public.remove_route(uuid) is 'Removes a route; its past decisions stay. False when there was none.';
revoke execute on function public.remove_route(uuid) from public, anon;
grant execute on function public.remove_route(uuid) to authenticated, service_role;
