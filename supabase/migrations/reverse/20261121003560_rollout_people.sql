-- The way back from 20261121003560_rollout_people.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.complete_rollout(uuid, bigint, text);
drop function public.roll_back_rollout(uuid, bigint, text);
drop function public.advance_rollout(uuid, bigint, text);
drop function public.resume_rollout(uuid, bigint, text);
drop function public.pause_rollout(uuid, bigint, text);
drop function public.start_rollout(uuid, bigint, text, jsonb);
drop function public.create_rollout(text, jsonb, text);
