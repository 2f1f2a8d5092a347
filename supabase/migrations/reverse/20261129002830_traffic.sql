-- The way back from 20261129002830_traffic.sql. It drops no data: the flag green.enabled stays, and functions that know
-- nothing of it send everybody to blue.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002830';

drop function public.traffic_figures(integer);
drop function private.environment_figures(integer, timestamptz);
drop function public.set_traffic(text, numeric, text);
drop function public.traffic_split();
drop function private.traffic_split();
drop function private.green_share();
