-- The way back from 20261129001200_attribution.sql. It drops the attributions: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001200';

drop function public.link_stats(text, date, date, text);
drop function private.link_attributions(text, timestamptz, timestamptz);
drop function public.claim_click(text, text[], text[]);
drop function private.message_link(uuid);
drop function private.edited_message(uuid);
drop function private.without_tokens(text);
drop function private.attribute_waiting(uuid[], timestamptz);
drop trigger attribute on public.messages;
drop function private.attribute_new_message();
drop function private.attribute_message(public.messages);
drop function private.is_attributed_otherwise(public.messages);
drop function private.same_person(uuid);
drop function private.attribution_window(text, integer);
drop table private.unknown_tokens;
drop table public.attributions;
