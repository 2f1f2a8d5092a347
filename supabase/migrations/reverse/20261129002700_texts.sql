-- The way back from 20261129002700_texts.sql. Numbers, conversations and texts stay; what is lost between Twilio and us is
-- not found any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002700';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_check_texts''';
  end if;
end $$;

drop trigger note_text on public.messages;
drop trigger tidy_text_number on public.senders;
drop function public.find_text_media(uuid);
drop function public.number_of_text(uuid, text);
drop function public.text_account(text, text);
drop function public.known_texts(text[]);
drop function public.find_sent_texts(jsonb, timestamptz, boolean, text);
drop function private.find_sent_texts(jsonb, timestamptz, boolean, text, timestamptz);
drop function public.settle_text_check(jsonb);
drop function private.settle_text_check(jsonb, timestamptz);
drop function public.claim_text_check();
drop function private.claim_text_check(timestamptz);
drop function private.text_check_is_due(timestamptz);
drop function private.note_text();
drop table private.text_checks;
drop function public.remove_text_number(text);
drop function public.set_text_number(text, jsonb);
drop function public.list_text_numbers();
drop function private.text_number_json(public.senders);
drop function private.tidy_text_number();
drop function private.text_pace(text);
