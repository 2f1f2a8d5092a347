-- The way back from 20261121003700_rollout_clock.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    perform cron.unschedule(j.jobid) from cron.job j
    where j.jobname in ('gatelink_flag_schedules', 'gatelink_guard', 'gatelink_notify', 'gatelink_purge_flag_metrics');
  end if;
end $$;

create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())')
$$;
