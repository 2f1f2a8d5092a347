-- The way back from 20261129000820_dead_letters.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000820';

drop function private.tidy_destinations(timestamptz);
drop function public.remove_destination(text, text);
drop function public.set_destination_state(text, text);
drop function public.resend_deliveries(text, timestamptz, timestamptz, uuid, integer, uuid);
drop function public.drop_deliveries(uuid[], text);
drop function public.skip_deliveries(uuid[]);
drop function public.retry_deliveries(uuid[]);
drop function private.begin_again(uuid[]);
drop function private.release_lanes(uuid[]);
drop function private.lock_lanes(uuid[]);
