-- The way back from 20261129002150_incidents.sql. It drops all incidents and what was said of them: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002150';

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
