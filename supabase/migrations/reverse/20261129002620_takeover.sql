-- The way back from 20261129002620_takeover.sql. It drops notes, assignments, what has been read, and canned replies: export
-- them first. Conversations that somebody has go back to the services at their time.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002620';

drop function public.remove_canned_reply(text);
drop function public.set_canned_reply(text, text);
drop function public.list_canned_replies();
drop function public.remove_conversation_note(uuid);
drop function public.add_conversation_note(uuid, text);
drop function public.set_conversation_desk(uuid, jsonb);
drop function public.list_desk_conversations(text, integer);
drop function public.list_desks(uuid[]);
drop function private.desk_view(public.conversations, boolean);
drop function private.release_conversations(timestamptz);
drop function public.release_conversation(uuid);
drop function private.release(uuid[], text);
drop function public.take_conversation(uuid, integer, text);
drop function private.conversation_at(uuid);
drop function private.takeover_view(public.conversations);
drop table public.canned_replies;
drop table public.conversation_notes;
drop table public.conversation_desk;
