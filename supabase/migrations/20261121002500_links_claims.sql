-- An app's first open, figures of what came back, and what the clock does for links.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- ---------------------------------------------------------------------------
-- An app's first open
-- ---------------------------------------------------------------------------
create function public.claim_click(p_token text, p_fingerprints text[] default null) returns jsonb
language plpgsql volatile set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_click public.clicks;
  v_confidence text := 'exact';
begin
  if p_token is not null then
    update public.clicks c set claimed_at = v_now
    where c.token = p_token and c.claimed_at is null
      and c.at > v_now - private.attribution_window('deeplinks.token_hours', 720)
    returning c.* into v_click;
    if not found then
      return jsonb_build_object('error', case
        when exists (select from public.clicks c where c.token = p_token and c.claimed_at is not null) then 'claimed'
        else 'unknown' end);
    end if;
  else
    -- Several links in the same network and on the same kind of device: no guess is better than a wrong one.
    v_confidence := 'fingerprint';
    update public.clicks c set claimed_at = v_now
    where c.token = (
        select (array_agg(x.token order by x.at desc))[1] from public.clicks x
        where x.fingerprint = any (select ('x' || f)::bit(64)::bigint from unnest(p_fingerprints) f)
          and x.at > v_now - private.attribution_window('deeplinks.fingerprint_hours', 1)
          and x.claimed_at is null
        having count(distinct x.code) = 1)
      and c.claimed_at is null
    returning c.* into v_click;
    if not found then
      return jsonb_build_object('error', 'unknown');
    end if;
  end if;
  return (
    select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'confidence', v_confidence, 'clicked_at', v_click.at,
      'user_id', v_click.user_id, 'url', l.default_url, 'app_url', l.targets -> v_click.rule -> 'app' ->> 'url',
      'link', jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags, 'utm', l.utm)))
    from public.links l where l.code = v_click.code);
end $$;
comment on function public.claim_click(text, text[]) is 'Ties an app''s first open to a click, each click once: by its token (exact), else by fingerprints (16 digits of hex) of a click within the setting deeplinks.fingerprint_hours (1) if only one link is in question. Answers {code, confidence, clicked_at, user_id, url, app_url, link} or {error}: claimed, unknown. For secret keys.';
revoke execute on function public.claim_click(text, text[]) from public, anon, authenticated;
grant execute on function public.claim_click(text, text[]) to service_role;

-- ---------------------------------------------------------------------------
-- Figures and the clock
-- ---------------------------------------------------------------------------
create function private.link_attributions(p_code text, p_from date, p_to date) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('total', coalesce(sum(g.n), 0), 'first_touch', coalesce(sum(g.first_n), 0),
    'by_confidence', coalesce(jsonb_object_agg(g.confidence, g.n), '{}'))
  from (
    select a.confidence, count(*) as n, count(*) filter (where a.first_touch) as first_n
    from public.attributions a
    where a.code = p_code and a.created_at >= p_from::timestamp at time zone 'UTC'
      and a.created_at < (p_to + 1)::timestamp at time zone 'UTC'
    group by a.confidence) g
$$;
comment on function private.link_attributions(text, date, date) is 'Messages that a link brought from day to day (UTC): {total, first_touch, by_confidence}.';
revoke execute on function private.link_attributions(text, date, date) from public, anon, authenticated;
grant execute on function private.link_attributions(text, date, date) to service_role;

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
    'attributions', private.link_attributions(p_code, p_from, p_to),
    'conversations', (
      select count(distinct m.conversation_id)
      from public.attributions a
      join public.messages m on m.id = a.message_id
      where a.code = p_code and a.created_at >= p_from::timestamp at time zone 'UTC'
        and a.created_at < (p_to + 1)::timestamp at time zone 'UTC'),
    'platforms', (select private.add_up(array_agg(d.platforms)) from days d),
    'countries', (select private.add_up(array_agg(d.countries)) from days d),
    'referrers', (select private.add_up(array_agg(d.referrers)) from days d),
    'targets', (select private.add_up(array_agg(d.targets)) from days d))
  from public.links l where l.code = p_code
$$;
comment on function public.link_stats(text, date, date) is 'A link''s clicks from day to day (UTC), both included: {code, uses, max_uses, from, to, clicks, visitors (a visitor counts once a day), days, attributions (of messages), conversations (that those belong to), platforms, countries, referrers, targets}; null when there is no such link. For secret keys.';

create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())')
$$;
-- Where there is no pg_cron this schedules nothing.
select private.schedule_clock();
