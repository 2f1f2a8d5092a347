-- The way back from 20261129002180_reports.sql. Reports that were written go with it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002180';

drop function public.report_now(text);
drop function private.report_now(text, timestamptz);
drop function public.read_report(uuid);
drop function public.list_reports(text, integer, uuid);
drop function private.write_reports(timestamptz);
drop function private.write_report(public.reports, timestamptz);
drop function private.report_slot(timestamptz, timestamptz);
drop function private.weekly_report(timestamptz, timestamptz);
drop function private.rollout_report(public.rollouts, timestamptz, timestamptz);
drop function private.report_signals(uuid, timestamptz, timestamptz);
drop function private.outcome_figures(text, text, timestamptz, timestamptz);
drop function private.le_quantile(bigint, bigint[], double precision);
drop table public.reports;
