-- The way back from 20261129002802_mail_accesses.sql. It drops no data. Mails are sent untracked, and links of tracked ones
-- lead nowhere until it comes back.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002802';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_judge_accesses''';
  end if;
end $$;

drop trigger join_consents on public.contacts;
drop function private.join_consents();
drop trigger judge_again on public.email_events;
drop function public.mail_accesses(uuid);
drop function public.withdraw_tracking(uuid);
drop function public.ticket_message(bigint);
drop function public.set_tracking_consent(text, text, text, uuid);
drop function private.write_consent(uuid, text, text, uuid);
drop function private.withdraw_tracking(uuid[], uuid);
drop function private.judge_again();
drop function public.settle_accesses(jsonb);
drop function public.accesses_to_judge(integer);
drop function private.accesses_are_due();
drop function public.record_accesses(uuid, text);
drop function public.mail_link_sets(bigint[]);
drop function public.ticket_key();
drop function public.track_mails(jsonb);
drop function private.track_mail(jsonb, timestamptz);
drop function private.link_set_of(text[], timestamptz);
