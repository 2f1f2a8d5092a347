-- The way back from 20261129000700_routing.sql. It drops the routes, what they were before, and what was decided:
-- export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000700';

drop function public.claim_unrouted(bigint, integer, integer, text[]);
drop function private.unrouted(bigint, integer, text[]);
drop function public.move_route(uuid, integer, uuid);
drop function private.is_fallback(jsonb);
drop function public.set_route(uuid, integer, jsonb);
drop function private.route_at(uuid, integer);
drop function public.remove_route(uuid);
drop function public.add_route(text[], jsonb, integer, jsonb);
drop function private.record_route(uuid);
drop table public.route_history;
drop table public.routing_decisions;
drop table public.route_destinations;
drop function private.require_present_destination();
drop table public.routes;
drop function private.require_condition();
drop function private.condition_fault(jsonb, text, integer);
drop function private.texts_fault(jsonb, text, text, text);
