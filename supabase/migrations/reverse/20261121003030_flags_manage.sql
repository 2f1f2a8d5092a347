-- The way back from 20261121003030_flags_manage.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.remove_flag_targets(text, bigint, text[], text[], text[], text);
drop function public.add_flag_targets(text, bigint, text[], text[], text[], text);
drop function private.text_array(jsonb);
drop function public.set_flag(text, jsonb, bigint, text);
drop function private.without_start(jsonb);
drop function private.flag_needs_itself(text);
drop function private.flag_at(text, bigint);
