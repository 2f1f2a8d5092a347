-- The way back from 20261129002441_desk_work.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002441';

drop function public.list_conversation_work(text, integer);
drop function private.unanswered_since(uuid);
drop function public.look_at_conversation(uuid);
drop table private.conversation_presence;
