-- The way back from 20261129002470_add_email_identities_and_msg_link.sql. Sending, and forwarding of answers, go on by
-- private.inboxes, which keeps the identities.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002470';

-- squawk-ignore require-concurrent-index-deletion
drop index public.messages_created_idx;
alter table public.messages
  drop column sender_identity_id,
  drop column from_email,
  drop column message_id_header;
drop table public.email_identities;
