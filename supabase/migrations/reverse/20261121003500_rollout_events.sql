-- The way back from 20261121003500_rollout_events.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.rollout_told(uuid, integer, text, text, timestamptz);
drop function private.log_rollout(public.rollouts, timestamptz, text, text, text, text, jsonb, text, boolean);
drop function private.rollout_advice(text, text);
