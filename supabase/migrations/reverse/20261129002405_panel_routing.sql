-- The way back from 20261129002405_panel_routing.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002405';

drop function public.watch_rollout(uuid);
drop function public.plan_of_template(text);
drop function public.list_flags(jsonb, integer);
drop function public.name_contacts(text[]);
drop function public.count_contacts(timestamptz);
drop function public.list_routes(jsonb, integer);
drop function private.destinations_of(uuid);
drop function public.list_waiting(jsonb, integer);
drop function public.list_dead_letters(jsonb, integer);
drop function public.destination_figures(text, integer, timestamptz);
drop function private.destination_figures(text, timestamptz, timestamptz);
drop function public.delivery_log(text, jsonb, integer);
drop function public.destination_health(timestamptz, jsonb, integer);
drop function private.attempt_view(public.delivery_attempts, public.deliveries, boolean);
drop function private.delivery_subject(public.deliveries);
