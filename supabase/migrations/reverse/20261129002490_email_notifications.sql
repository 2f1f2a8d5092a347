-- The way back from 20261129002490_email_notifications.sql. Endpoints of kind email stay, and nothing is sent to them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002490';

drop function public.mail_notification(uuid, uuid, text, text);
drop function private.mail_notification(uuid, uuid, text, text, timestamptz);
drop function private.notification_sender();
drop function private.last_notification_mail(uuid, timestamptz);
