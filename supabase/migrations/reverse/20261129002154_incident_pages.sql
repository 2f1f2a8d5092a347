-- The way back from 20261129002154_incident_pages.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002154';

drop function public.settle_status_posts(jsonb);
drop function public.claim_status_posts(integer, integer);
drop function private.status_posts_are_due(timestamptz);
drop function public.status_page();
drop function private.status_page(timestamptz);
drop function public.read_incident(bigint);
drop function public.list_incidents(boolean, integer, jsonb);
drop function private.incident_rank(public.incidents);
