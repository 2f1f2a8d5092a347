-- The way back from 20261129002152_incident_changes.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002152';

drop trigger open_incident on public.rollout_events;
drop trigger link_incident on public.rollback_events;
drop trigger refuse_launch_at_end on public.settings;
drop trigger refuse_launch on public.settings;
drop trigger refuse_launch on public.rollouts;
drop function private.incident_of_part(text, jsonb, timestamptz);
drop function public.resolve_incident(bigint, bigint, text, text);
drop function private.resolve_incident(bigint, bigint, text, text, timestamptz);
drop function public.acknowledge_incident(bigint);
drop function private.acknowledge_incident(bigint, timestamptz);
drop function public.update_incident(bigint, bigint, jsonb, text, text);
drop function private.change_incident(bigint, bigint, jsonb, text, text, timestamptz);
drop function private.incident_at(bigint, bigint);
drop function private.open_for_rollback();
drop function public.open_incident(text, text, text, text, text, boolean, text, text);
drop function private.open_incident(text, text, text, text, text, boolean, text, text, text, uuid, timestamptz);
drop function private.link_rollback();
drop function private.refuse_launch();
drop function private.launches(public.settings, public.settings);
drop function private.take_back(public.incidents, timestamptz);
drop function private.incident_in_the_way(text);
