-- The way back from 20261121003100_flag_metrics.sql. It drops the outcomes; what rollouts decided by them is in
-- rollout_events.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.purge_flag_metrics(timestamptz, integer);
drop function public.record_outcomes(jsonb, text[]);
drop function private.record_evaluations(text[], timestamptz);
drop function private.record_outcomes(jsonb, timestamptz);
drop function private.add_histograms(integer[], integer[]);
drop table public.flag_metrics;
drop function private.latency_edges();
