-- The way back from 20261129002725_calls.sql. It drops no data. Older functions refuse calls.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002725';

drop function public.call_facts(text, text);
