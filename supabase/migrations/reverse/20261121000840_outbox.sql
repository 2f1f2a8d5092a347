set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.settle_outbound(jsonb);
drop function private.settle_outbound(jsonb, timestamptz);
drop function public.claim_outbound(integer, integer);
drop function private.claim_outbound(integer, integer, timestamptz);
