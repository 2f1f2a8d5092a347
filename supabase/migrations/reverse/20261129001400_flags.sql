-- The way back from 20261129001400_flags.sql. Flags stay as they stand, and what is scheduled no longer happens.
-- Nothing in the database evaluates them any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001400';

drop function private.apply_flag_schedules(timestamptz);
drop function public.switch_off(text, text);
drop function public.remove_flag_targets(text, bigint, text[], text[], text[], text);
drop function public.add_flag_targets(text, bigint, text[], text[], text[], text);
drop function private.text_array(jsonb);
drop function public.set_flag(text, jsonb, bigint, text);
drop trigger off_stays_off on public.settings;
drop function private.call_off_start();
drop function private.without_start(jsonb);
drop function private.flag_needs_itself(text);
drop function private.flag_at(text, bigint);
drop function private.on_for_anybody(text);
drop function private.on_for_everybody(text);
drop function private.evaluate_flag(text, text);
drop function private.prerequisites_on(text, text);
drop function private.evaluate_flag_alone(text, text);
drop function private.flag_bucket(text, text);
drop function private.murmur3_32(bytea, bigint);
