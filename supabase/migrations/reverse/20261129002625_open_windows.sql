-- The way back from 20261129002625_open_windows.sql. Windows that were recorded stay open until their time.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002625';

drop function public.open_window(text, timestamptz, text);
drop function private.open_window(text, timestamptz, text, timestamptz);
