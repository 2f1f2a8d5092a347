-- The way back from 20261121005630_panel_settings.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.set_number_pace(text, integer, numeric, integer);
drop function public.add_team_member(text, text, text[]);
drop function public.list_team();
