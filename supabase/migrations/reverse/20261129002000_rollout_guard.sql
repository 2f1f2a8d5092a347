-- The way back from 20261129002000_rollout_guard.sql. Flags stay as they stand; nothing moves them any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002000';

drop function public.forecast_rollout(text, jsonb, numeric, numeric, timestamptz);
drop function private.forecast_stage(jsonb, text, double precision, double precision, timestamptz);
drop function private.minutes_to_catch(double precision, double precision, double precision, double precision, double precision);
drop function private.samples_needed(double precision, double precision);
drop function private.recent_traffic(text, integer, timestamptz);
drop function private.advance_rollouts(timestamptz);
drop function private.guard_health(timestamptz);
drop function private.guard_skipped(uuid, timestamptz);
drop table private.guard_skips;
drop function private.guard_rollout(uuid, timestamptz);
drop function private.guard_first_day_ends(public.rollouts, public.rollout_stages, timestamptz);
drop function private.guard_holds(public.rollouts, text, bigint, timestamptz, private.guard_taken, jsonb);
drop function private.guard_alarms(public.rollouts, bigint, timestamptz, boolean);
drop function private.proof_of(text);
drop function private.guard_by_hand(public.rollouts, public.settings, timestamptz);
drop function private.hold_figures(text, jsonb, jsonb);
drop function private.alarm_figures(text, jsonb);
