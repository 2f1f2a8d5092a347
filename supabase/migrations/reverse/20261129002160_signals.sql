-- The way back from 20261129002160_signals.sql. It drops what people said of features and the business metrics: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002160';

drop function private.rollout_signals(public.rollouts, public.rollout_stages, timestamptz);
drop function private.signals_say(jsonb, jsonb);
drop function private.fall_s(double precision, double precision, bigint, bigint);
drop function private.signals_seen(public.rollouts, public.rollout_stages, timestamptz);
drop function private.signals_asked(public.rollout_stages, boolean);
drop function public.list_metrics(integer);
drop trigger count_conversion on public.attributions;
drop function private.count_conversion();
drop function public.record_metrics(jsonb);
drop function private.record_metrics(jsonb, timestamptz);
drop table private.metric_people;
drop table private.metric_keys;
drop table public.metric_days;
drop table public.business_metrics;
drop function private.hear_feedback(timestamptz);
drop table private.feedback_heard;
drop function private.feedback_said(text, text[], text[]);
drop function private.feedback_words(text);
drop function public.list_feedback(text, integer);
drop function public.add_feedback(text, text, text, integer, text, uuid);
drop function public.record_feedback(jsonb);
drop function private.record_feedback(jsonb, timestamptz);
drop function private.keep_feedback(private.said_feedback, text, timestamptz);
drop type private.said_feedback;
drop table public.rollout_feedback;
drop table public.feedback;
drop function private.arm_of(text, text, timestamptz);
drop trigger refuse_killed on public.rollouts;
drop function private.refuse_killed();
drop function public.list_kill_switches();
drop function private.killed_since(text, timestamptz);
drop function public.report_kill_switches(text[]);
drop function private.report_kill_switches(text[], timestamptz);
drop table private.kill_switches;
