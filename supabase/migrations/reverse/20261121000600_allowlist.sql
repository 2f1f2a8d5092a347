-- The way back from 20261121000600_allowlist.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.disallow_host(text, text);
drop function public.allow_host(text, text);
drop function private.destination_permitted(text, text);
drop table public.destination_allowlist;
