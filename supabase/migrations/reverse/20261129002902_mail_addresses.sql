-- The way back from 20261129002902_mail_addresses.sql. It drops no data: the flag mail_routing.enabled stays. The Worker then
-- uses the last share that it read, and after a restart gives all mail to the former system, if there is one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002902';

drop function public.mail_addresses(integer, integer);
drop function private.mail_addresses(integer, integer, timestamptz);
drop function private.names_address(jsonb);
drop function public.set_mail_weight(numeric, text);
drop function public.mail_weight();
drop function private.mail_weight();
