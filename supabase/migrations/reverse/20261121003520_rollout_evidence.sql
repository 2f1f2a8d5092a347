-- The way back from 20261121003520_rollout_evidence.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.rollout_evidence(public.rollouts, bigint, timestamptz, private.guard_taken);
drop function private.closed_minute(timestamptz);
drop function private.epoch_ms(timestamptz);
drop function private.rollout_stage(public.rollouts);
