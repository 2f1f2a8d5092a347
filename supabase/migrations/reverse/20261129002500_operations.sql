-- The way back from 20261129002500_operations.sql. Nothing runs by the clock any more: messages wait until somebody
-- calls wa-router.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002500';

do $$
declare
  v_name text;
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    for v_name in select name from private.clock_jobs() loop
      execute format('select cron.unschedule(jobid) from cron.job where jobname = %L', v_name);
    end loop;
  end if;
end $$;

drop function public.status();
drop function public.reconcile();
drop function private.reconcile_counts();
drop function private.call_function(text);
drop function private.schedule_clock();
drop function private.clock_jobs();
drop function private.notifications_are_due(timestamptz);
drop function private.pipeline_is_due(timestamptz);
drop function private.purge(timestamptz, integer);
drop function private.purge_slice(text, text, text, text, text, uuid, timestamptz, integer);
drop function private.purge_contacts(uuid[]);
drop function private.message_is_done(public.messages);
drop function private.kept_days(text, integer, integer);
drop function private.retentions();
