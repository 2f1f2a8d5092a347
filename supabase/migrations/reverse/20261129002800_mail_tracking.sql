-- The way back from 20261129002800_mail_tracking.sql. It drops opens, clicks and consents, which you may want to export
-- first. Links of mails that were sent lead nowhere from then on.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002800';

drop table public.email_clicks;
drop table public.email_opens;
drop table private.mail_tickets;
drop table private.mail_link_sets;
drop table private.ticket_key;
drop function private.tracking_mode(uuid, uuid, text);
drop function private.tracking_rank(text);
drop function private.decline_hashes(uuid[]);
drop table private.erased_declines;
drop table public.tracking_consents;
