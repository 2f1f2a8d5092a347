-- The way back from 20261121000640_routes.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.remove_route(uuid);
drop function public.add_route(text[], jsonb, integer, jsonb);
drop table public.routing_decisions;
drop table public.route_destinations;
drop table public.routes;
