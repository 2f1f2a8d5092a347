-- The way back from 20261129002455_storage.sql. The buckets stay, with the mails in them: Supabase lets nobody delete
-- objects by SQL. Empty and remove them in the dashboard (Storage) if they are not wanted any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002455';
