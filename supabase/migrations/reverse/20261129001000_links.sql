-- The way back from 20261129001000_links.sql. It drops the links, and every printed code leads nowhere: export them
-- first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001000';

drop function public.list_links(jsonb, integer);
drop function private.links_with(text[]);
drop function private.link_words();
drop function private.link_texts();
drop function private.tag_words(text[]);
drop function public.delete_link(text, text);
drop function public.update_link(text, integer, jsonb, text);
drop function public.find_link(text);
drop function public.create_links(jsonb, text);
drop function private.link_columns();
drop function private.link_outcomes(jsonb, text[]);
drop function private.link_view(public.links);
drop function public.take_uses(jsonb);
drop function public.guessed_links();
drop function public.settle_password_attempt(text, text, boolean);
drop function private.settle_password_attempt(text, text, boolean, timestamptz);
drop function public.take_password_attempt(text, text);
drop function private.take_password_attempt(text, text, timestamptz);
drop function private.guess_wait(integer, boolean);
drop function private.is_guessed_at(text, timestamptz);
drop function public.record_orphans(jsonb);
drop function private.is_misprint(text);
drop function public.refresh_links(text);
drop function private.team_zone();
drop function public.get_links(text[], integer);
drop function private.new_link_code();
drop function private.reserved_link_codes();
drop function private.personal_links();
drop trigger links_changed on public.links;
drop function private.mark_link_changed();
drop table public.orphan_visits;
drop table private.cookie_key;
drop table private.visitor_keys;
drop table public.link_guesses;
drop table private.link_guessers;
drop table private.link_passwords;
drop table public.links;
