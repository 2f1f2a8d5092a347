-- The way back from 20261129002439_spans.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002439';

drop function public.messages_in_span(timestamptz, timestamptz, jsonb, integer);
drop function private.is_in_trouble(public.messages);
drop function public.destination_span(text, timestamptz, timestamptz);
drop function public.traffic(integer, timestamptz);
