-- The way back from 20261129002727_text_statuses.sql. It drops no data. Texts that wait for their second try are still sent.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002727';

drop function private.apply_text_statuses(uuid[], timestamptz);
drop function private.try_text_again(uuid, timestamptz);
drop function private.is_unregistered(text);
drop function private.may_arrive_later(text);
