-- The way back from 20261129002400_panel.sql. It drops the record of who looked at contacts: export it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002400';

drop function public.resend_message(uuid);
drop function public.reply_in_conversation(uuid, text, uuid);
drop function private.text_message(text);
drop function public.reveal_message(uuid, text);
drop function public.reveal_contact(uuid, text);
drop function public.message_story(uuid);
drop function public.conversation_messages(uuid, bigint, integer);
drop function private.message_view(public.messages, uuid, boolean);
drop function private.deliveries_view(uuid);
drop function public.search_conversations(text, integer, jsonb);
drop function public.list_conversations(uuid, integer);
drop function private.conversation_view(public.conversations, public.messages, boolean);
drop function private.error_view(jsonb, uuid, boolean);
drop function private.error_code(jsonb);
drop function private.reason_about(text, uuid);
drop function private.quoted(text, uuid);
drop function private.without_ids(text, uuid);
drop function private.contact_last_four(uuid);
drop function private.may(text);
drop table public.contact_acts;
