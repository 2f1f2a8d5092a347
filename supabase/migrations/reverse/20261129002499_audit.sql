-- The way back from 20261129002499_audit.sql. What was recorded stays in private.change_history.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002499';

drop function public.test_notification_endpoint(text);
drop function public.list_audit(jsonb, integer);
drop function private.audit_sources();
drop function private.audited_route(public.route_history);
drop function private.without_numbers(jsonb);
drop function private.audited_setting(jsonb);
drop trigger record_removed on public.suppressions;
drop trigger record_added on public.suppressions;
drop function private.record_suppression();
drop trigger record_change on public.links;
drop function private.record_link_change();
drop trigger record_new on public.links;
drop function private.record_new_links();
drop trigger record_removed on public.routes;
drop trigger record_added on public.routes;
drop function private.record_route_change();
drop trigger record_change on private.inboxes;
drop trigger record on private.inboxes;
drop trigger record_change on public.announcements;
drop trigger record on public.announcements;
drop trigger record_change on public.notification_endpoints;
drop trigger record on public.notification_endpoints;
drop trigger record_change on public.senders;
drop trigger record on public.senders;
drop trigger record_change on public.segments;
drop trigger record on public.segments;
drop trigger record_change on public.destinations;
drop trigger record on public.destinations;
