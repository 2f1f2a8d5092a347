-- The way back from 20261129002300_diagnostics.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002300';

drop function public.trace_message(text);
drop function private.inbound_events(public.messages);
drop function private.outbound_events(public.messages);
drop function public.diagnostics();
drop function private.diagnostics(timestamptz);
drop function private.recent_errors(timestamptz);
drop function private.waiting_because(timestamptz);
