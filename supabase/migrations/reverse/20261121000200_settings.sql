-- The way back from 20261121000200_settings.sql. It drops the settings and their history: export both first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.evaluate_flag(text, text);
drop function private.flag_bucket(text, text);
drop function private.murmur3_32(bytea, bigint);

drop function private.config_settings();
drop function public.set_setting(text, text, jsonb, bigint, text);
drop function private.given_reason(text);
drop table public.settings_history;
drop table public.settings;
drop function private.record_setting();
drop function private.stamp_setting();
drop function private.refuse_change();
