-- The way back from 20261121005610_panel_deliveries.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.list_dead_letters(jsonb, integer);
drop function public.destination_health(timestamptz);
