-- The way back from 20261129002420_search.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002420';

drop function public.search_everything(text, integer);
drop function private.search_people(text, text[], integer);
drop function private.contacts_at(text);
drop function private.search_things(text[], integer);
drop function private.links_of_words(text[]);
drop function private.search_hit(text, text, text, text, text, bigint, integer, uuid);
drop function private.name_query(text[]);
drop function private.search_rank(text, text, text[]);
-- squawk-ignore require-concurrent-index-deletion
drop index public.contacts_name_idx;
