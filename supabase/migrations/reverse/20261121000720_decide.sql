set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.record_decisions(bigint, jsonb);
drop function public.claim_unrouted(bigint, integer, integer);
drop function private.unrouted(bigint, integer);
