-- The way back from 20261129002430_attention.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002430';

drop function public.first_steps();
drop function public.attention();
drop function private.attention(timestamptz);
drop function private.missing_approvals(text);
