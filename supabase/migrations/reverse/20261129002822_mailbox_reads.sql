-- The way back from 20261129002822_mailbox_reads.sql. Mailboxes are not read any more; a later run reads them from then on.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002822';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_read_mailboxes''';
  end if;
end $$;

drop function public.settle_mailbox_reading(jsonb);
drop function private.settle_mailbox_reading(jsonb, timestamptz);
drop function public.claim_mailbox_readings(integer);
drop function private.claim_mailbox_readings(integer, timestamptz);
drop function private.unknown_mails(text, timestamptz);
drop function private.mailboxes_are_due(timestamptz);
drop trigger read_from_now on public.mailboxes;
drop function private.mailbox_gets_read();
drop table private.mailbox_reads;
