-- The way back from 20261129002462_mail_intake.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002462';

drop function public.ingest_mails(jsonb);
drop function private.ingest_mails(jsonb, timestamptz);
drop function private.note_mails(private.mail[], timestamptz);
drop function private.mail_counts(private.mail[]);
drop function private.make_reply_tokens(uuid[], timestamptz);
drop function private.answers_by_token(private.inboxes);
drop function private.forward_reply_to();
drop function private.store_mails(private.mail[], timestamptz);
drop function private.relay_mail(private.mail, timestamptz);
drop function private.reply_outcome(text, text, boolean, bigint, timestamptz);
drop function private.place_mails(private.mail[]);
drop function private.read_mail(jsonb, bigint);
drop function private.reply_arm(text, uuid, text, jsonb);
drop function public.resolve_mails(jsonb);
drop function private.resolve_mail(jsonb, timestamptz);
drop function private.lately_from(text, uuid, text, timestamptz);
drop function private.answered_mail(jsonb);
drop function private.uuid_in(text);
drop type private.mail;
