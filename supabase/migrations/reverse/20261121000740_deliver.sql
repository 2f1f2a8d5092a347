set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.drop_deliveries(uuid[], text);
drop function public.retry_deliveries(uuid[]);
drop function private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz);
drop function public.claim_deliveries(integer, integer, jsonb);
drop function private.claim_deliveries(integer, integer, jsonb, timestamptz);
drop function private.claim_lanes(public.destinations, integer, integer, timestamptz);
drop function private.release_lane(uuid, uuid);
drop function private.default_retry_seconds();
alter table public.settings drop constraint settings_forward_retry_seconds;
