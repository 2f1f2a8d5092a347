-- The way back from 20261129002100_launch.sql. It drops the sign-offs and the record of ways back taken: export them
-- first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002100';

drop function public.launch_facts(text);
drop function private.open_doors();
drop function private.reads_whole_tables(text);
drop function private.hot_queries();
drop function public.record_rollback(jsonb);
drop table public.rollback_events;
drop function public.revoke_gate(text, text, text, text);
drop function public.sign_gate(text, text, text, text, boolean, text);
drop table public.gate_approvals;
