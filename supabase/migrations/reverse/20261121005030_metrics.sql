-- The way back from 20261121005030_metrics.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.metrics();
