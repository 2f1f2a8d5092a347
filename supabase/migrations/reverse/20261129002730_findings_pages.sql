-- The way back from 20261129002730_findings_pages.sql: findings are read by SQL alone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002730';

drop function public.text_ground(uuid, uuid, uuid);
drop function public.list_findings(uuid, boolean, uuid, integer);
