-- The way back from 20261121003580_rollout_guard.sql. Flags stay as they stand; nothing moves them any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.advance_rollouts(timestamptz);
drop function private.guard_rollout(uuid, timestamptz);
drop function private.guard_by_hand(public.rollouts, public.settings, timestamptz);
drop function private.hold_message(text, jsonb, jsonb);
drop function private.alarm_message(text, text, jsonb);
