-- The way back from 20261129002831_environments.sql. It drops no data. Ramps are watched by their outcomes alone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002831';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_environments''';
  end if;
end $$;

drop function private.watch_environments(timestamptz);
drop function public.environment_watch();
drop function private.environment_watch(timestamptz);
drop function private.environment_series(timestamptz);
drop function private.environment_limits();
