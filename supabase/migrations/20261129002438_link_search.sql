-- Links by a part of anything that people remember of them, and how often each was visited, for lists.

set local lock_timeout = '5s';
set local statement_timeout = '10min';

-- Trigrams find a part of a text among millions. Every Supabase project has the extension, and so has Postgres with its usual
-- additions; without it, a search reads the links from the newest on.
do $$
declare
  v_schema name;
  v_made boolean := false;
begin
  if not exists (select from pg_available_extensions where name = 'pg_trgm') then
    return;
  end if;
  if not exists (select from pg_extension where extname = 'pg_trgm') then
    create schema if not exists extensions;
    create extension pg_trgm with schema extensions;
    v_made := true;
  end if;
  select n.nspname into v_schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm';
  execute format('create index links_words_idx on public.links using gin ((%s) %I.gin_trgm_ops)', private.link_words(), v_schema);
  execute format('comment on index public.links_words_idx is %L', 'A part of code, title, note, address, text or tags, of any link.'
    -- Tells the way back.
    || case when v_made then ' Made with its extension.' else '' end);
end $$;

create function public.link_clicks(p_codes text[]) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_week date := (clock_timestamp() at time zone private.team_zone())::date - 6;
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_object_agg(c.code, jsonb_build_object('all', coalesce(n.all_days, 0), 'week', coalesce(n.week, 0))), '{}')
    from (select distinct u.code from unnest(p_codes[1:1000]) as u (code) where u.code is not null) c
    cross join lateral (
      select sum(d.human) as all_days, sum(d.human) filter (where d.day >= v_week) as week
      from (
        select x.day, x.human from public.click_days x where x.code = c.code
        union all
        -- Not yet rolled up, or late.
        select x.day, x.human from public.click_counts x where x.code = c.code) d) n);
end $$;
comment on function public.link_clicks(text[]) is
  'How often people visited links, {code: {all, week: today and the six days before, in the team''s zone}}; of at most 1000 codes. For viewers and secret keys.';

call private.close_functions();
grant execute on function
  public.link_clicks(text[])
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002438');
