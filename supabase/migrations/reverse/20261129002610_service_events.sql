-- The way back from 20261129002610_service_events.sql. It drops the events and their deliveries, also those that wait, and
-- every subscription to them: destinations receive messages alone, as before.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002610';

update public.destinations set events = '{message.received}' where events <> '{message.received}'::text[];
delete from public.deliveries where event_id is not null;
alter table public.deliveries drop constraint deliveries_event_id_fkey;
revoke usage on sequence public.messages_seq_seq from service_role;
drop function private.note_updates(private.inbound_update[], private.inbound_update[], uuid[], private.inbound_update[], uuid[]);
drop function private.update_events(private.inbound_update[], uuid[]);
drop function private.move_events(uuid, uuid);
drop function private.claimed_events(uuid[], uuid[]);
drop function private.tell_pipeline();
drop function private.note_events(private.noted_event[]);
drop function private.account_lane(text, text);
drop table public.service_events;
