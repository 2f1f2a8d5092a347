-- The way back from 20261121005620_panel_routes.sql. It drops what routes were before: export it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.move_route(uuid, integer, uuid);
drop function private.is_fallback(jsonb);
drop function public.set_route(uuid, integer, jsonb);
drop function private.route_at(uuid, integer);
drop function private.record_route(uuid);
drop table public.route_history;
