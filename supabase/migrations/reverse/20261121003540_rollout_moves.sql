-- The way back from 20261121003540_rollout_moves.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.rollout_at(uuid, bigint, text[]);
drop function private.next_stage(public.rollouts, timestamptz, jsonb, text, text, text);
drop function private.end_rollout(public.rollouts, text, timestamptz);
drop function private.enter_stage(public.rollouts, integer, timestamptz);
drop function private.percent(numeric);
