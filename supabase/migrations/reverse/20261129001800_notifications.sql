-- The way back from 20261129001800_notifications.sql. What was not yet told is not told any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001800';

drop function public.remove_notification_endpoint(text);
drop function public.set_notification_state(text, text);
drop function public.add_notification_endpoint(text, text, text, text[]);
drop function public.settle_notifications(jsonb);
drop function public.claim_notifications(integer, integer);
drop function private.page_subject(jsonb);
drop function private.notify(text, jsonb, timestamptz);
drop function private.notify(public.rollout_events);
drop table public.notifications;
drop table private.notification_addresses;
drop table public.notification_endpoints;
