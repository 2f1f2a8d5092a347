set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop table private.delivery_lanes;
drop table public.delivery_attempts;
drop table public.deliveries;
