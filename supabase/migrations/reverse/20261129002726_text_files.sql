-- The way back from 20261129002726_text_files.sql. The bucket stays, with its files: Supabase lets nobody delete objects by
-- SQL. They are noted in storage_objects and removed in their time. What was deleted at the provider is in our storage alone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002726';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_text_files''';
  end if;
end $$;

drop trigger queue_text_files on public.messages;
drop function public.settle_text_file(uuid, uuid, text, jsonb);
drop function public.claim_text_file(integer);
drop function private.text_files_are_due(timestamptz);
drop function private.queue_text_files();
drop table public.text_files;
drop function private.orphan_text_file();
