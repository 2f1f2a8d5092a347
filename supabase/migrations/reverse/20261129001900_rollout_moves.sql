-- The way back from 20261129001900_rollout_moves.sql. Rollouts stay where they are; nobody can move one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001900';

drop function public.complete_rollout(uuid, bigint, text);
drop function public.roll_back_rollout(uuid, bigint, text);
drop function public.advance_rollout(uuid, bigint, text);
drop function public.resume_rollout(uuid, bigint, text);
drop function public.pause_rollout(uuid, bigint, text);
drop function public.start_rollout(uuid, bigint, text, jsonb);
drop function private.step_gate(text, text[], jsonb, text, timestamptz);
drop function private.start_gates(jsonb, text);
drop function public.create_rollout(text, jsonb, text, uuid);
drop function private.rollout_at(uuid, bigint, text[]);
drop function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text);
drop function private.end_rollout(public.rollouts, text, timestamptz);
drop function private.enter_stage(public.rollouts, integer, timestamptz);
drop function private.choose_users(public.rollouts, public.rollout_stages, timestamptz);
drop function private.stage_figures(public.rollout_stages);
drop function private.rollout_evidence(public.rollouts, bigint, timestamptz, private.guard_taken, jsonb);
drop function private.closed_minute(timestamptz);
drop function private.epoch_ms(timestamptz);
drop function private.rollout_stage(public.rollouts);
drop function private.rollout_told(uuid, integer, text, text, timestamptz);
drop function private.log_rollout(public.rollouts, timestamptz, text, jsonb, text, text, jsonb, text, boolean);
