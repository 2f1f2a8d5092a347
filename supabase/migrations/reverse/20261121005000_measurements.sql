-- The way back from 20261121005000_measurements.sql. What was measured goes with it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    perform cron.unschedule(j.jobid) from cron.job j
    where j.jobname in ('gatelink_sample_minutes', 'gatelink_purge_measurements');
  end if;
end $$;

create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())'),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())'),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())'),
    ('gatelink_notify', 30, 'http', 'flags'),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())')
$$;

drop function private.histogram_quantile(bigint[], double precision);
drop function private.purge_measurements(timestamptz);
drop function private.sample_minutes(timestamptz);
drop function private.count_messages(timestamptz, timestamptz);
drop function private.uuid_v7_from(timestamptz);
drop function public.add_measurements(jsonb);
drop function private.add_measurements(jsonb, timestamptz);
drop function private.add_histograms(bigint[], bigint[]);
drop table public.measurements;
drop function private.latency_buckets();
