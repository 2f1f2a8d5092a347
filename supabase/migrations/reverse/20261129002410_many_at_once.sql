-- The way back from 20261129002410_many_at_once.sql. Saved views go with it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002410';

drop function public.check_links(jsonb, text);
drop function public.change_matching_deliveries(text, text, jsonb, timestamptz, text, integer);
drop function public.count_matching_deliveries(text, jsonb);
drop function private.matching_deliveries(text, jsonb, timestamptz, integer);
drop function public.remove_view(uuid);
drop function public.save_view(text, text, text, boolean);
drop table public.saved_views;
