-- The way back from 20261129002438_link_search.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002438';

drop function public.link_clicks(text[]);
do $$
declare
  v_made boolean := obj_description(to_regclass('public.links_words_idx'), 'pg_class') like '% Made with its extension.';
begin
  drop index if exists public.links_words_idx;
  if v_made then
    drop extension pg_trgm;
  end if;
exception when dependent_objects_still_exist or insufficient_privilege then
  -- Others came to use it.
  drop index if exists public.links_words_idx;
end $$;
