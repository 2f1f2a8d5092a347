-- The way back from 20261129001500_measurements.sql. What was measured goes with it; what rollouts decided by the
-- outcomes of flags is in rollout_events.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001500';

drop function public.stale_flags(timestamptz);
drop function private.stale_flags(timestamptz);
drop function private.purge_flag_metrics(timestamptz, integer);
drop function public.record_outcomes(jsonb, text[]);
drop function private.record_evaluations(text[], timestamptz);
drop function private.record_outcomes(jsonb, timestamptz);
drop function private.record_affected(jsonb, timestamptz);
drop function private.add_histograms(integer[], integer[]);
drop table private.affected_people;
drop table private.flag_sufferers;
drop table public.flag_metrics;
drop function private.latency_places(integer, integer[], boolean);
drop function private.latency_edges();
drop table public.flag_evaluations;
drop function private.histogram_quantile(bigint[], double precision);
drop function private.purge_measurements(timestamptz);
drop function private.sample_minutes(timestamptz);
drop function private.count_messages(timestamptz, timestamptz);
drop function public.add_measurements(jsonb);
drop function private.add_measurements(jsonb, timestamptz);
drop function private.add_histograms(bigint[], bigint[]);
drop table public.measurements;
drop function private.latency_buckets();
