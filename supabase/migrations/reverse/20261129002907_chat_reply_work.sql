-- The way back from 20261129002907_chat_reply_work.sql. Answers that wait stay; they do not leave.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002907';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_chat_replies''';
  end if;
end $$;

drop trigger note_chat_author on public.chat_replies;
drop function
  private.note_chat_author(),
  private.settle_chat_replies(timestamptz),
  private.claim_chat_replies(integer, boolean, timestamptz),
  public.claim_chat_replies(integer, boolean),
  private.send_chat_reply(uuid, timestamptz),
  public.send_chat_reply(uuid),
  public.settle_chat_note(uuid, uuid, bigint, bigint),
  public.settle_chat_files(uuid, jsonb, text, bigint),
  private.chat_replies_are_due(timestamptz),
  private.thread_message(text),
  public.reply_in_thread(text, text, uuid, boolean),
  public.undo_chat_reply(uuid);
