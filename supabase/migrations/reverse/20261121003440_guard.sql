-- The way back from 20261121003440_guard.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.guard_progress(jsonb, jsonb, bigint, bigint);
drop function private.guard_take(text, jsonb, integer, jsonb, bigint);
drop type private.guard_taken;
drop function private.guard_spans(text, integer, integer, integer, bigint, bigint);
drop function private.guard_begin(bigint);
drop function private.guard_criteria(public.rollout_stages);
drop function private.guard_watch(public.rollout_stages);
