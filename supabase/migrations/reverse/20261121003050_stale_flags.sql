-- The way back from 20261121003050_stale_flags.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.stale_flags(timestamptz);
drop table public.flag_evaluations;
