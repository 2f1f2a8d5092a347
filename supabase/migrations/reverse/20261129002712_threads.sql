-- The way back from 20261129002712_threads.sql. It drops threads and who has which number in them: export them first.
-- Conversations and messages stay.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002712';

drop function public.end_thread(uuid);
drop function public.open_thread(uuid, uuid, uuid, text);
drop function private.thread_view(public.threads, boolean);
drop function private.add_leg(uuid, uuid, text, text);
drop function private.front_desk(uuid);
drop function private.pick_number(uuid, uuid[], text, text[]);
drop table public.thread_legs;
drop table public.threads;
drop function private.sits_on(uuid);
