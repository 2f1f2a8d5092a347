-- The way back from 20261129002736_org_notices.sql: members of organisations are told nothing by themselves.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002736';

do $$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname in (''gatelink_org_topics'', ''gatelink_org_notices'')';
  end if;
end $$;

drop function public.list_org_notices(uuid);
drop function public.tell_members(jsonb);
drop function private.tell_members(jsonb, timestamptz);
drop function private.tell_member(jsonb, timestamptz);
drop function private.member_mail(uuid);
drop function public.org_notices_due(integer);
drop function private.org_notices_are_due(timestamptz);
drop function private.due_org_notices(timestamptz, uuid);
drop function private.note_org_topics(timestamptz);
drop function private.org_flag(text, uuid, timestamptz);
drop table public.org_notices;
drop table private.org_topics;
