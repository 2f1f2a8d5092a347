-- The way back from 20261129002492_rollout_notices.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002492';

drop function private.tell_notices(timestamptz);
drop function public.list_notices(uuid);
drop function public.schedule_notices(uuid, timestamptz, jsonb);
drop function private.schedule_notices(uuid, timestamptz, jsonb, timestamptz);
drop function private.notices_of(uuid);
drop function private.refuse_notices(jsonb);
drop function private.template_notices(text);
drop table public.rollout_notices;
