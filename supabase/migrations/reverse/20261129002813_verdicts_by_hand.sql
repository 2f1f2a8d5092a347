-- The way back from 20261129002813_verdicts_by_hand.sql. It drops no data: verdicts that were corrected stay so.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002813';

drop function public.correct_access(uuid, text, bigint, text);
