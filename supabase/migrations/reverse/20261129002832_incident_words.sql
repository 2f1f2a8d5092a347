-- The way back from 20261129002832_incident_words.sql. It drops no data: what was said stays with its incident.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002832';

drop function public.say_incident(bigint, text, text);
drop function private.say_incident(bigint, text, text, timestamptz);
