-- The way back from 20261129002710_orgs.sql. It drops organisations, their people and which numbers are theirs: export them
-- first. The senders themselves stay.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002710';

drop function public.my_orgs();
drop function public.set_org_number(uuid, text, text, uuid, text);
drop function public.set_org_member(uuid, text, uuid, uuid);
drop function public.set_org(uuid, jsonb);
drop table public.org_numbers;
drop table public.org_members;
drop table public.orgs;
drop function private.manages_org(uuid);
drop function private.org_role(uuid);
drop function private.is_zone(text);
