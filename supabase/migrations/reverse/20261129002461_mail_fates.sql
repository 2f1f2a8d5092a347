-- The way back from 20261129002461_mail_fates.sql. It drops what became of mails, who gets none, and which files are kept: remove the
-- files first (claim_storage_purges), and export the suppressions.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002461';

drop function public.settle_storage_purges(jsonb);
drop function public.claim_storage_purges(integer);
drop function private.storage_purges_are_due(timestamptz);
drop function public.note_storage_objects(jsonb);
drop function private.keep_objects(jsonb, timestamptz, timestamptz);
drop function private.storage_days();
drop function private.mail_refusal(public.conversations, jsonb);
drop function private.suppress(text, text, text, text, timestamptz);
drop function private.suppression_of(text, boolean);
drop table public.storage_objects;
drop table private.erased_suppressions;
drop table public.suppressions;
drop table private.mail_senders;
drop table public.email_events;
drop table public.email_replies;
