-- The way back from 20261129002200_overview.sql. Nothing is lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002200';

drop function public.metrics();
drop function private.pools_seen();
drop function private.ai_accuracy_seen();
drop function private.chats_seen();
drop function private.largest(jsonb);
drop function public.overview(integer);
drop function private.overview(integer, timestamptz);
drop function private.recent_changes(integer);
drop function private.setting_change(jsonb, jsonb);
drop function private.functions_since(timestamptz);
drop function private.per_minute(integer, timestamptz);
drop function public.watch();
drop function private.watch(timestamptz);
drop table private.part_states;
drop function public.schema_state();
drop table private.write_probe;
drop function public.health();
drop function private.health(timestamptz);
drop function private.storage_health(timestamptz, bigint);
drop table private.storage_days;
drop table private.purges;
drop function private.config_health();
drop function private.functions_health(timestamptz);
drop function private.senders_health(timestamptz);
drop function private.graph_health(timestamptz);
drop function private.clock_health(timestamptz);
drop function private.clock_fault();
drop function private.queue_health(timestamptz);
drop function private.troubled_destinations(timestamptz);
drop function private.overdue_seconds(timestamptz);
drop function private.waiting(timestamptz);
drop function private.database_health();
