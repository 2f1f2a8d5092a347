-- The way back from 20261129001600_rollouts.sql. It drops the rollouts with their evidence: export them first. Flags
-- stay as they stand.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001600';

drop function private.rollout_template(text, jsonb, jsonb);
drop function private.mail_template(text, jsonb, jsonb);
drop function private.rollout_plan_faults(jsonb);
drop function private.rollout_stage_faults(jsonb);
drop function private.rollout_metric_is_sound(jsonb);
drop function private.object_keys_within(jsonb, text[]);
drop function private.is_edge(jsonb);
drop function private.is_text_list(jsonb, integer);
drop function private.is_number(jsonb, numeric, numeric, integer);
drop table public.rollout_events;
drop function private.event_message(text, text, jsonb);
drop table public.rollout_stages;
drop table public.rollouts;
