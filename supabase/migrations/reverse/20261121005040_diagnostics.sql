-- The way back from 20261121005040_diagnostics.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.diagnostics();
drop function private.diagnostics(timestamptz);
drop function private.recent_errors(timestamptz);
drop function private.waiting_because(timestamptz);
