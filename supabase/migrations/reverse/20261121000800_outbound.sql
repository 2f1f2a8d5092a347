set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.release_outbound_lane(uuid);
drop function private.pair_allows_at(timestamptz, text);
drop table private.outbound_lanes;
drop table public.outbound_messages;
