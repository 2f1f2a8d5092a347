-- The way back from 20261129000810_settling.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000810';

drop function public.settle_deliveries(jsonb, jsonb);
drop function private.claim_also(jsonb, timestamptz);
drop function private.settle_deliveries(jsonb, timestamptz);
drop type private.settlement;
drop function private.settle_circuit(uuid, integer, boolean, uuid[], timestamptz);
drop function private.wake_deliveries(uuid, integer, timestamptz);
drop function public.record_decisions(bigint, jsonb, jsonb);
drop function private.make_deliveries(private.new_delivery[], jsonb, timestamptz);
drop function private.open_places(private.new_delivery[], jsonb);
drop type private.new_delivery;
