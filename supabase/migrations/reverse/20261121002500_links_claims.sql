-- The way back from 20261121002500_links_claims.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    perform cron.unschedule(j.jobid) from cron.job j where j.jobname in ('gatelink_roll_up_clicks', 'gatelink_purge_clicks');
  end if;
end $$;
create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())')
$$;
create or replace function public.link_stats(p_code text, p_from date, p_to date) returns jsonb
language sql stable set search_path = '' as $$
  with days as materialized (select * from private.link_days(p_code, p_from, p_to))
  select jsonb_build_object(
    'code', l.code, 'uses', l.uses, 'max_uses', l.max_uses, 'from', p_from, 'to', p_to,
    'clicks', (
      select jsonb_build_object('human', coalesce(sum(d.human), 0), 'bot', coalesce(sum(d.bot), 0),
        'preview', coalesce(sum(d.preview), 0), 'prefetch', coalesce(sum(d.prefetch), 0)) from days d),
    'visitors', (select coalesce(sum(d.visitors), 0) from days d),
    'days', (
      select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'human', d.human, 'bot', d.bot, 'preview', d.preview,
        'prefetch', d.prefetch, 'visitors', d.visitors) order by d.day), '[]') from days d),
    'platforms', (select private.add_up(array_agg(d.platforms)) from days d),
    'countries', (select private.add_up(array_agg(d.countries)) from days d),
    'referrers', (select private.add_up(array_agg(d.referrers)) from days d),
    'targets', (select private.add_up(array_agg(d.targets)) from days d))
  from public.links l where l.code = p_code
$$;
comment on function public.link_stats(text, date, date) is 'A link''s clicks from day to day (UTC), both included: {code, uses, max_uses, from, to, clicks, visitors (a visitor counts once a day), days, platforms, countries, referrers, targets}; null when there is no such link. For secret keys.';

drop function private.link_attributions(text, date, date);
drop function public.claim_click(text, text[]);
