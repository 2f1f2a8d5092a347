-- The way back from 20261129000100_foundation.sql. It drops the team: who may come in has to be set again. The default
-- privileges stay revoked. They touch nothing that exists, and giving anon the next table by default is nothing to go
-- back to.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.refuse_older_code();
drop function private.breaking_version();
drop table private.schema_breaks;
drop function public.schema_version();
drop function private.applied_migrations();
drop table private.own_migrations;
drop function private.config_now();
drop function private.bump_config_revision();
drop table private.config_changes;
drop table private.config_revision;
drop table public.erasures;
drop function public.whoami();
drop function public.list_team(jsonb, integer);
drop function public.remove_team_member(uuid);
drop function public.add_team_member(text, text, text[]);
drop function public.set_team_member(uuid, text, text[]);
drop trigger record on public.team_members;
drop trigger guard on public.team_members;
drop function private.record_team();
drop function private.guard_team();
drop function private.can_sign_in(uuid);
drop table public.team_history;
drop function private.require_role(text);
drop function private.actor();
drop function private.caller();
drop policy team_members_read on public.team_members;
drop function private.has_role(text);
drop table public.team_members;
drop function private.refuse_change();
drop function public.who_blocks();
drop function private.refuse_locked(text, text[], text);
drop function private.lock_holders_or_any(text[]);
drop function private.lock_holders(text[]);
drop function private.statement_in_brief(text);
drop function private.subject_id(text);
drop function private.uuid_v7_from(timestamptz);
drop function private.uuids_v7(integer);
drop function private.uuid_v7();
drop procedure private.close_functions();
drop schema private;
