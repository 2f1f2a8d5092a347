-- The way back from 20261129002930_mail_metadata.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002930';

drop function public.export_mail_metadata(timestamptz, uuid, integer);
