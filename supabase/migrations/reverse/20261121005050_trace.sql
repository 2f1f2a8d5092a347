-- The way back from 20261121005050_trace.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.trace_message(text);
drop function private.inbound_events(public.messages);
drop function private.outbound_events(public.messages);
