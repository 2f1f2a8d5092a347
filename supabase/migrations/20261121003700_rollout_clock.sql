-- Flags and rollouts by the clock.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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

-- Where there is no pg_cron this schedules nothing.
select private.schedule_clock();
