-- The way back from 20261121002200_links_manage.sql. Links stay and go on to work; nobody can make or change one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.link_stats(text, date, date);
drop function public.list_links(jsonb, integer);
drop function public.delete_link(text, text);
drop function public.update_link(text, integer, jsonb, text);
drop function public.find_link(text);
drop function public.create_links(jsonb, text);
drop function private.link_outcomes(jsonb, text[]);
drop function private.link_view(public.links);
drop function public.whoami();
