-- The way back from 20261121002300_links_attribution.sql. It drops the attributions: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.attribute_waiting(uuid[], timestamptz);
drop trigger attribute on public.messages;
drop function private.attribute_new_message();
drop function private.attribute_message(public.messages);
drop function private.attribution_window(text, integer);
drop table private.unknown_tokens;
drop table public.attributions;
