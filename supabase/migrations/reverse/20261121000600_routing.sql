set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.remove_route(uuid);
drop function public.add_route(text[], jsonb, integer, jsonb);
drop function public.rotate_destination_secret(text, integer);
drop function public.set_destination_state(text, text);
drop function private.destination_named(text);
drop function public.add_destination(text, text, jsonb);
drop function private.new_webhook_secret();
drop function public.disallow_host(text, text);
drop function public.allow_host(text, text);
drop function private.destination_permitted(text, text);
drop table public.routing_decisions;
drop table public.route_destinations;
drop table public.routes;
drop table private.destination_secrets;
drop table public.destinations;
drop table public.destination_allowlist;
