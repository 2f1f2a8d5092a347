-- The way back from 20261129000200_settings.sql. It drops the settings and their history: export both first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000200';

drop function public.load_config(bigint);
drop function private.config_settings();
drop function public.set_setting(text, text, jsonb, bigint, text);
drop function private.without_database(text);
drop function private.require_flag_key(text);
drop function private.given_reason(text);
drop trigger record on public.settings;
drop function private.record_setting();
drop function private.opens_to_everybody(text, jsonb);
drop trigger stamp on public.settings;
drop function private.stamp_setting();
drop function private.refuse_too_many(bigint, text);
drop function private.apps_fault(text);
drop table public.settings_history;
drop table public.settings;
