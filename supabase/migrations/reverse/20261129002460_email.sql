-- The way back from 20261129002460_email.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002460';

drop function private.count_mails(jsonb, jsonb, timestamptz);
drop function private.mail_to_send(uuid, text, jsonb);
drop function private.dress_mails(private.queued[], timestamptz);
drop function private.thread_headers(uuid);
drop function private.first_and_last(text[]);
drop function private.mail_domain(jsonb, text);
drop function private.token_arm(text, private.inboxes);
drop function private.reply_token_of(uuid);
drop function private.make_reply_token(uuid, timestamptz);
drop function private.new_reply_token();
drop function private.has_mail_columns();
drop function private.inbox_for(text, text);
drop function private.sync_identity();
drop function private.tidy_identity();
drop table private.inboxes;
