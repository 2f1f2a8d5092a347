-- The way back from 20261129000800_deliveries.sql. It drops the queue to the services: what waits in it is not
-- delivered any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000800';

drop function public.claim_deliveries(integer, integer, jsonb, text[]);
drop function private.claim_deliveries(integer, integer, jsonb, text[], timestamptz, boolean, integer);
drop function private.next_delivery_ms(text[], timestamptz);
drop function private.places_for(integer, integer);
drop function private.claim_lanes(public.destinations, integer, integer, text[], boolean, timestamptz);
drop type private.claim;
drop function private.claimed_destinations(uuid[], timestamptz);
drop function private.chat_of(text);
drop function private.claimed_deliveries(uuid[], uuid[]);
drop function private.with_extras(json, uuid, uuid, boolean);
drop function private.sender_of(text, text);
drop function private.is_due(uuid, text[], boolean, timestamptz);
drop function private.release_lane(uuid, uuid);
drop function private.lane_due_at(uuid, text);
drop function private.default_retry_seconds();
drop trigger forget_lanes on public.conversations;
drop function private.forget_lanes();
drop table private.delivery_lanes;
drop table public.delivery_attempts;
drop table public.deliveries;
