-- The way back from 20261129002735_pools.sql: nobody is told of a pool that is nearly used up, and
-- messages_diagnostics says nothing of it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002735';

do $$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_watch_pools''';
  end if;
end $$;

drop function private.watch_pools(timestamptz);
drop function public.list_pools();
drop function public.pool_forecast(uuid);
drop function private.pool_forecast(uuid, timestamptz);
drop function private.pool_days_left(uuid, integer, integer, timestamptz);
drop function private.pool_state(integer, integer);
drop function private.pools(uuid, timestamptz);
drop table private.pool_days;
drop table private.pool_states;
