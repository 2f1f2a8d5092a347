-- The way back from 20261129002820_mailboxes.sql. Tokens are forgotten; identities that send through a mailbox keep their mail
-- until they are given another provider. Revoke the access in the accounts' own settings.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002820';

drop function public.settle_mailbox_token(jsonb);
drop function private.settle_mailbox_token(jsonb, timestamptz);
drop function private.notify_mailbox(public.mailboxes, timestamptz);
drop function public.take_mailbox_token(uuid, integer);
drop function private.take_mailbox_token(uuid, integer, timestamptz);
drop function public.disconnect_mailbox(uuid);
drop function public.set_mailbox(uuid, text);
drop function public.list_mailboxes();
drop function private.mailbox_reading(uuid);
drop function public.connect_mailbox(jsonb);
drop function private.connect_mailbox(jsonb, timestamptz);
drop function private.mailbox_json(public.mailboxes);
drop function private.mailbox_identity(uuid, text, text[], text[], text, timestamptz);
drop function public.take_mailbox_start(text);
drop function public.begin_mailbox(jsonb);
drop table private.mailbox_starts;
drop table private.mailbox_tokens;
drop table public.mailboxes;
