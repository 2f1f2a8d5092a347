-- The way back from 20261129002600_media.sql. The bucket stays, with its files: Supabase lets nobody delete objects by
-- SQL. Those of messages and uploads are noted in storage_objects and removed in their time.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002600';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_media''';
  end if;
end $$;

drop trigger queue_media on public.messages;
drop function public.note_provider_media(uuid, text, text);
drop function public.upload_to_send(uuid, text);
drop function public.remove_media_upload(uuid);
drop function public.add_media_upload(jsonb);
drop function private.keep_upload(public.media_uploads, timestamptz);
drop function public.find_media(uuid);
drop function private.stored_media(text);
drop function public.settle_media(uuid, uuid, text, text, bigint, text, bigint);
drop function public.claim_media(integer, integer);
drop function private.media_is_due(timestamptz);
drop function private.queue_media();
drop function private.media_part(text, jsonb);
drop function private.media_days(text);
drop table public.media_provider_ids;
drop table public.media_uploads;
drop table public.media_files;
