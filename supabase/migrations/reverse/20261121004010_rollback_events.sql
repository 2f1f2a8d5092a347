-- The way back from 20261121004010_rollback_events.sql. It drops the record of ways back taken: export it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.switch_off(text, text);
drop function public.record_rollback(jsonb);
drop table public.rollback_events;
