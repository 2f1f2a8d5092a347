-- The way back from 20261129002150_incidents.sql. It drops all incidents and what was said of them: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002150';

drop trigger open_incident on public.rollout_events;
drop trigger link_incident on public.rollback_events;
drop trigger refuse_launch_at_end on public.settings;
drop trigger refuse_launch on public.settings;
drop trigger refuse_launch on public.rollouts;
drop function public.settle_status_posts(jsonb);
drop function public.claim_status_posts(integer, integer);
drop function private.status_posts_are_due(timestamptz);
drop function public.status_page();
drop function private.status_page(timestamptz);
drop function public.read_incident(bigint);
drop function public.list_incidents(boolean, integer, jsonb);
drop function private.incident_rank(public.incidents);
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
drop function public.set_escalation(text, jsonb);
drop function private.escalate_incidents(timestamptz);
drop function private.next_escalation(public.incidents, timestamptz);
drop function private.just_launched(timestamptz, text);
drop function private.write_incident(public.incidents, text, timestamptz, text, jsonb, boolean);
drop function private.notify_incident(public.incidents, text, text, timestamptz, text, uuid);
drop table private.status_posts;
drop table public.escalation_steps;
drop table public.incident_updates;
drop table public.incidents;
drop function private.stops_launch(text, text);
drop function private.incident_kinds();
drop function private.incident_severities();
