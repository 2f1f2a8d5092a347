-- The way back from 20261121003400_guard.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.guard_progress(jsonb, jsonb, bigint, bigint);
drop function private.guard_take(text, jsonb, integer, jsonb, bigint, boolean);
drop function private.guard_logs(double precision);
drop function private.bigints(jsonb);
drop function private.guard_begin(bigint);
drop function private.guard_criteria(public.rollout_stages);
drop function private.guard_watch(public.rollout_stages);
drop function private.surely_below(bigint, bigint, double precision);
drop function private.chance_of_so_few(bigint, bigint, double precision);
drop function private.ln_factorial(bigint);
