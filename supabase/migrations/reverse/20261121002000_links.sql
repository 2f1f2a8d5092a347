-- The way back from 20261121002000_links.sql. It drops the links, and every printed code leads nowhere: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.take_uses(jsonb);
drop function public.return_password_attempt(text, text);
drop function public.take_password_attempt(text, text);
drop function public.record_orphans(jsonb);
drop function public.refresh_links(text);
drop function public.get_links(text[], integer);
drop table public.orphan_visits;
drop table private.visitor_keys;
drop function private.new_link_code();
drop function private.reserved_link_codes();
drop table private.link_passwords;
drop table public.links;
drop function private.mark_link_changed();
