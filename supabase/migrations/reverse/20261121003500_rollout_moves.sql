-- The way back from 20261121003500_rollout_moves.sql. Flags stay as they stand; nothing moves them any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.advance_rollouts(timestamptz);
drop function private.guard_rollout(uuid, timestamptz);
drop function private.guard_by_hand(public.rollouts, public.settings, timestamptz);
drop function private.hold_message(text, jsonb, jsonb);
drop function private.alarm_message(text, text, jsonb);
drop function public.complete_rollout(uuid, bigint, text);
drop function public.roll_back_rollout(uuid, bigint, text);
drop function public.advance_rollout(uuid, bigint, text);
drop function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text);
drop function public.resume_rollout(uuid, bigint, text);
drop function public.pause_rollout(uuid, bigint, text);
drop function public.start_rollout(uuid, bigint, text, jsonb);
drop function private.rollout_at(uuid, bigint, text[]);
drop function public.create_rollout(text, jsonb, text);
drop function private.end_rollout(public.rollouts, text, timestamptz);
drop function private.enter_stage(public.rollouts, integer, timestamptz);
drop function private.percent(numeric);
drop function private.closed_minute(timestamptz);
drop function private.rollout_evidence(public.rollouts, bigint, timestamptz);
drop function private.epoch_ms(timestamptz);
drop function private.rollout_stage(public.rollouts);
drop function private.rollout_told(uuid, integer, text, text, timestamptz);
drop function private.log_rollout(public.rollouts, timestamptz, text, text, text, text, jsonb, text, boolean);
drop function private.rollout_advice(text, text);
