-- The way back from 20261129002601_graph_front.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002601';

drop function public.outbound_outcome(uuid);
