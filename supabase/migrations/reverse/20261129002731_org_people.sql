-- The way back from 20261129002731_org_people.sql: people of organisations are added by their ids.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002731';

drop function public.list_org_people(uuid);
drop function public.set_org_person(uuid, text, jsonb);
drop function public.org_contact(text, text);
