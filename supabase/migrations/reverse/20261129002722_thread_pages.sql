-- The way back from 20261129002722_thread_pages.sql: threads are read and written in by SQL alone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002722';

drop function public.send_in_thread(jsonb);
drop function private.send_in_thread(jsonb, timestamptz);
drop function public.blocked_text(uuid, uuid);
drop function public.member_contact(uuid);
drop function public.owner_inbox(uuid, uuid, integer);
drop function public.read_thread(uuid, uuid, uuid, uuid, integer);
drop function public.list_threads(uuid, uuid, jsonb, integer);
drop function private.threads_of_sitter(uuid, uuid, jsonb, integer, timestamptz);
drop function private.threads_of_owner(uuid, jsonb, integer);
drop function private.thread_entry(public.thread_decisions);
drop function private.sitter_sees(public.threads, uuid, timestamptz);
drop function private.thread_row(public.threads, uuid, timestamptz);
drop function private.window_status(public.threads, uuid, timestamptz);
drop function private.client_label(uuid, boolean);
