-- The way back from 20261129000300_limits.sql. The counts are lost; limits begin anew.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000300';

drop function private.purge_rate_limits(timestamptz);
drop function public.take_rate(text, numeric, integer, integer);
drop function private.take_rate(text, numeric, integer, integer, timestamptz);
drop function private.gcra(timestamptz, timestamptz, numeric, integer, integer);
drop table public.rate_limits;
drop function public.add_counts(jsonb);
drop table public.counters;
