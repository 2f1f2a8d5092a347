-- Clicks: a row each, written in groups after the visitor has been answered; counts that do not wait for each other;
-- one row a link and day for as long as anybody may want to know.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

-- No foreign key to links, whose rows are never removed: the check would cost a third of the insert.
create table public.clicks (
  code text collate "C" not null,
  at timestamptz not null,
  verdict text not null constraint clicks_verdict_known check (verdict in ('human', 'bot', 'preview', 'prefetch', 'own')),
  reason text,
  target text not null constraint clicks_target_known check (target in ('web', 'app', 'store', 'whatsapp', 'fallback', 'preview')),
  platform text not null,
  country text,
  referrer text,
  visitor bigint,
  user_id text,
  token text collate "C",
  fingerprint bigint,
  rule smallint,
  claimed_at timestamptz,
  claimed_by bigint,
  visits integer not null default 1,
  qr boolean
);
comment on table public.clicks is 'One row per redirected visit, up to 60 an hour for one visitor and link; further visits count on the last row. No IP address is kept. Purged after the setting retention.click_days (90); click_days stays.';
comment on column public.clicks.code is 'The link.';
comment on column public.clicks.at is 'When the visit was answered.';
comment on column public.clicks.verdict is 'human, bot, preview (a messenger, or a HEAD), prefetch (a browser, ahead of a tap) or own (a human in one of the networks of the setting deeplinks.own_networks, or in a browser marked by the word of deeplinks.own_key).';
comment on column public.clicks.reason is 'Why the visitor was judged a program; null for a human.';
comment on column public.clicks.target is 'Where it went: web, app, store, whatsapp, fallback (the link could not be used) or preview (a page about the link).';
comment on column public.clicks.platform is 'ios, android, windows, macos, linux or other.';
comment on column public.clicks.country is 'Two letters, if a proxy reported it.';
comment on column public.clicks.referrer is 'Host of the page that it came from.';
comment on column public.clicks.visitor is 'Keyed hash of address and browser under the day''s key: tells visitors of one day apart, and nothing else. Null also for browsers that ask for privacy (Sec-GPC).';
comment on column public.clicks.user_id is 'The audience user that the link named (?u=).';
comment on column public.clicks.token is 'The token passed on with the visit, in the text of a chat or to an app, to be recognised later.';
comment on column public.clicks.fingerprint is 'Keyed hash of network and device, if the link allows it: to match an app''s first open.';
comment on column public.clicks.rule is 'Which of the link''s targets took the visit, from 0; null if none did.';
comment on column public.clicks.claimed_at is 'When an app''s first open claimed it.';
comment on column public.clicks.claimed_by is 'Keyed hash of the network and program that claimed it by fingerprint, under the day''s key: so that it gets the same answer again.';
comment on column public.clicks.visits is 'How many visits the row counts.';
comment on column public.clicks.qr is 'True if the QR code was scanned (?src=qr), else null.';
create index clicks_link_idx on public.clicks (code, at);
comment on index public.clicks_link_idx is 'A link''s clicks by time.';
create index clicks_at_idx on public.clicks using brin (at);
comment on index public.clicks_at_idx is 'Roll-up and purge by time; rows arrive in this order.';
create unique index clicks_token_idx on public.clicks (token) where token is not null;
comment on index public.clicks_token_idx is 'The click that a message or an app brings back.';
create index clicks_user_idx on public.clicks (user_id, at) where user_id is not null and token is not null;
comment on index public.clicks_user_idx is 'Finds whether a contact who writes has just clicked.';
create index clicks_fingerprint_idx on public.clicks (fingerprint, at) where fingerprint is not null;
comment on index public.clicks_fingerprint_idx is 'Candidates for an app''s first open.';
alter table public.clicks enable row level security;
revoke all on public.clicks from public, anon, authenticated;
grant select on public.clicks to authenticated;
grant select, insert, update, delete on public.clicks to service_role;
create policy "operators read clicks" on public.clicks for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read clicks" on public.clicks is 'A token identifies a person until it is used: operators and admins only.';

create table public.click_counts (
  code text collate "C" not null,
  day date not null,
  slot smallint not null,
  human bigint not null default 0,
  bot bigint not null default 0,
  preview bigint not null default 0,
  prefetch bigint not null default 0,
  own bigint not null default 0,
  constraint click_counts_pkey primary key (code, day, slot)
) with (fillfactor = 70);
comment on table public.click_counts is 'Clicks of a link and day, in as many slots as isolates count, so that none waits for another. The value is the sum over the slots. Rolled up into click_days when the day is over.';
comment on constraint click_counts_pkey on public.click_counts is 'One row a link, day and slot.';
comment on column public.click_counts.code is 'The link.';
comment on column public.click_counts.day is 'The day, in the team''s zone.';
comment on column public.click_counts.slot is 'Chosen by the isolate, 0 to 15.';
comment on column public.click_counts.human is 'By humans.';
comment on column public.click_counts.bot is 'By bots.';
comment on column public.click_counts.preview is 'By previews.';
comment on column public.click_counts.prefetch is 'By browsers ahead of a tap.';
comment on column public.click_counts.own is 'By the team.';
alter table public.click_counts enable row level security;
revoke all on public.click_counts from public, anon, authenticated;
grant select on public.click_counts to authenticated;
grant select, insert, update, delete on public.click_counts to service_role;
create policy "team reads click counts" on public.click_counts for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads click counts" on public.click_counts is 'Holds no personal data: every role may read.';

create table public.click_days (
  code text collate "C" not null,
  day date not null,
  human bigint not null,
  bot bigint not null,
  preview bigint not null,
  prefetch bigint not null,
  visitors bigint not null,
  platforms jsonb not null,
  countries jsonb not null,
  referrers jsonb not null,
  targets jsonb not null,
  own bigint not null default 0,
  rules jsonb not null default '{}',
  sources jsonb not null default '{}',
  constraint click_days_pkey primary key (code, day)
);
comment on table public.click_days is 'The permanent daily summary of a link''s clicks.';
comment on constraint click_days_pkey on public.click_days is 'One row a link and day.';
comment on column public.click_days.code is 'The link.';
comment on column public.click_days.day is 'The day, in the team''s zone as it was then.';
comment on column public.click_days.human is 'Clicks by humans.';
comment on column public.click_days.bot is 'By bots.';
comment on column public.click_days.preview is 'By previews.';
comment on column public.click_days.prefetch is 'By browsers ahead of a tap.';
comment on column public.click_days.visitors is 'Distinct humans of that day, as far as an address could be trusted.';
comment on column public.click_days.platforms is 'Clicks by humans for each platform.';
comment on column public.click_days.countries is 'Clicks by humans for each country.';
comment on column public.click_days.referrers is 'Clicks by humans for each referring host, the 50 most frequent.';
comment on column public.click_days.targets is 'Clicks by humans for each kind of target.';
comment on column public.click_days.own is 'By the team.';
comment on column public.click_days.rules is 'Clicks by humans for each of the link''s targets, by its number from 0; default for none, fallback and preview as in clicks.target.';
comment on column public.click_days.sources is 'Clicks by humans for qr (the QR code) and link.';
alter table public.click_days enable row level security;
revoke all on public.click_days from public, anon, authenticated;
grant select on public.click_days to authenticated;
grant select, insert, update, delete on public.click_days to service_role;
create policy "team reads click days" on public.click_days for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads click days" on public.click_days is 'Holds no personal data: every role may read.';

create table private.click_batches (
  id uuid primary key,
  at timestamptz not null default clock_timestamp()
);
comment on table private.click_batches is 'Batches of clicks that were written: one whose answer was lost is sent again, and must not count twice.';
comment on column private.click_batches.id is 'Chosen by the isolate.';
comment on column private.click_batches.at is 'When it was written.';
create index click_batches_at_idx on private.click_batches using brin (at);
comment on index private.click_batches_at_idx is 'Purge by age.';
alter table private.click_batches enable row level security;
revoke all on private.click_batches from public, anon, authenticated;
grant select, insert, delete on private.click_batches to service_role;

-- Writing -----------------------------------------------------------------------------------------

-- A type of its own: a team may have columns of its own in the table.
create type private.click as (
  code text collate "C", at timestamptz, verdict text, reason text, target text, platform text, country text, referrer text,
  visitor bigint, user_id text, token text collate "C", fingerprint bigint, rule smallint, visits integer, qr boolean
);
comment on type private.click is 'A row of public.clicks as isolates write it.';

-- Lines of text rather than JSON, which costs three times as much to take apart; rows in an array, which is read twice.
create function private.read_clicks(p_lines text) returns private.click[]
language sql stable set search_path = '' as $$
  select array_agg(row(
    f.field[1], to_timestamp(f.field[2]::float8 / 1000), coalesce(f.field[5], 'human'), f.field[7], coalesce(f.field[6], 'web'),
    f.field[3], f.field[8], f.field[9], ('x' || f.field[4])::bit(64)::bigint, f.field[12], f.field[11],
    ('x' || f.field[10])::bit(64)::bigint, f.field[13]::smallint, coalesce(f.field[15]::integer, 1), f.field[14]::boolean)::private.click)
  from (
    -- Once a line, and not once for each use of it.
    select string_to_array(c.line, ' ', '') as field from string_to_table(p_lines, E'\n') as c (line) offset 0
  ) f
$$;
comment on function private.read_clicks(text) is 'Reads rows of clicks from lines. A click is a line, its fields with a space between two of them, empty where it has none: code, time (Unix milliseconds), platform, visitor (16 digits of hex), verdict (human), target (web), reason, country, referrer, fingerprint (16 digits of hex), token, user, rule, 1 for a QR code, visits (1).';

create function private.write_clicks(p_clicks private.click[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.clicks (
    code, at, verdict, reason, target, platform, country, referrer, visitor, user_id, token, fingerprint, rule, visits, qr)
  select c.* from unnest(p_clicks) c;
end $$;
comment on function private.write_clicks(private.click[]) is 'Writes rows of clicks.';

-- In the order of links: two isolates that share a slot wait instead of deadlocking.
create function private.count_clicks(p_slot integer, p_clicks private.click[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_zone text := private.team_zone();
begin
  insert into public.click_counts as n (code, day, slot, human, bot, preview, prefetch, own)
  select c.code collate "C", (c.at at time zone v_zone)::date, (p_slot & 15)::smallint,
    coalesce(sum(c.visits) filter (where c.verdict = 'human'), 0), coalesce(sum(c.visits) filter (where c.verdict = 'bot'), 0),
    coalesce(sum(c.visits) filter (where c.verdict = 'preview'), 0), coalesce(sum(c.visits) filter (where c.verdict = 'prefetch'), 0),
    coalesce(sum(c.visits) filter (where c.verdict = 'own'), 0)
  from unnest(p_clicks) c
  group by 1, 2 order by 1, 2
  on conflict on constraint click_counts_pkey do update
    set human = n.human + excluded.human, bot = n.bot + excluded.bot,
      preview = n.preview + excluded.preview, prefetch = n.prefetch + excluded.prefetch, own = n.own + excluded.own;
end $$;
comment on function private.count_clicks(integer, private.click[]) is 'Adds the visits of clicks to the counts of their links and days in a slot.';

create function public.record_clicks(p_batch uuid, p_slot integer, p_clicks text) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_clicks private.click[];
begin
  perform private.refuse_older_code();
  insert into private.click_batches (id) values (p_batch) on conflict (id) do nothing;
  if not found then
    return;
  end if;
  v_clicks := private.read_clicks(p_clicks);
  perform private.write_clicks(v_clicks);
  perform private.count_clicks(p_slot, v_clicks);
end $$;
comment on function public.record_clicks(uuid, integer, text) is 'Writes a batch of clicks and counts them, once however often the batch is sent. Lines as private.read_clicks takes them. For secret keys.';

-- In one order: two batches wait instead of deadlocking. A row whose batch was lost is written with what counts on it. The
-- clock counts rows by the minute, so what counts on one is measured here. Plans as for a large table, also before there
-- are statistics.
create function public.record_repeats(p_batch uuid, p_slot integer, p_repeats text) returns void
language plpgsql volatile set search_path = ''
set jit = off set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_repeats private.click[];
  v_rows tid[];
  v_visits integer[];
  v_lost private.click[];
begin
  perform private.refuse_older_code();
  insert into private.click_batches (id) values (p_batch) on conflict (id) do nothing;
  if not found then
    return;
  end if;
  v_repeats := private.read_clicks(p_repeats);
  -- Locked first, and changed by a statement that sees them as they are then.
  select array_agg(c.id), array_agg((r.click).visits), array_agg(r.click) filter (where c.id is null)
  into v_rows, v_visits, v_lost
  from (select u as click from unnest(v_repeats) u order by u.code, u.at) r
  left join lateral (
    -- Two rows of the same moment are as good as each other.
    select c.ctid as id from public.clicks c
    where c.code = (r.click).code and c.at = (r.click).at and c.verdict = (r.click).verdict
      and c.visitor is not distinct from (r.click).visitor and c.token is not distinct from (r.click).token
    limit 1 for update
  ) c on true;
  update public.clicks c set visits = c.visits + f.visits
  from (
    select v.id, sum(v.visits)::integer as visits from unnest(v_rows, v_visits) v (id, visits) where v.id is not null group by v.id
  ) f
  where c.ctid = f.id;
  perform private.write_clicks(v_lost);
  perform private.count_clicks(p_slot, v_repeats);
  perform private.add_measurements((
    select jsonb_agg(jsonb_build_object('name', 'clicks', 'label', m.label, 'n', m.n, 'ms', 0, 'counts', '[]'::jsonb))
    from (
      select r.verdict || ' ' || r.target as label, sum(r.visits) as n from unnest(v_repeats) r group by 1) m), clock_timestamp());
end $$;
comment on function public.record_repeats(uuid, integer, text) is 'Counts further visits on rows of clicks, once however often the batch is sent. Lines as private.read_clicks takes them: the row, and how many visits. For secret keys.';

-- Reading -----------------------------------------------------------------------------------------

create function private.rule_name(p_rule smallint, p_target text) returns text
language sql immutable set search_path = '' as $$
  select coalesce(p_rule::text, case when p_target in ('fallback', 'preview') then p_target else 'default' end)
$$;
comment on function private.rule_name(smallint, text) is 'The label of a click in figures by rule: the number of the target that took it, else default, fallback or preview.';

create function private.click_groups(p_code text, p_from timestamptz, p_to timestamptz, p_by text, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(g.name, g.n), '{}') from (
    select coalesce(case p_by when 'platform' then c.platform when 'country' then c.country when 'target' then c.target
      when 'rule' then private.rule_name(c.rule, c.target) when 'source' then case when c.qr then 'qr' else 'link' end else c.referrer end, '') as name, sum(c.visits) as n
    from public.clicks c
    where c.code = p_code and c.at >= p_from and c.at < p_to and c.verdict = 'human'
    group by 1 order by 2 desc, 1 limit p_limit) g
$$;
comment on function private.click_groups(text, timestamptz, timestamptz, text, integer) is 'A link''s human clicks from p_from to before p_to by platform, country, target, rule, source or referrer: {value: n}, the empty text for unknown.';

-- A day without slots is read from its roll-up. One with slots counts them on top of what was rolled up before (nothing,
-- but for clicks that came late), and reads the rest from the clicks themselves.
create function private.link_days(p_code text, p_from date, p_to date) returns table (
  day date, human bigint, bot bigint, preview bigint, prefetch bigint, visitors bigint,
  platforms jsonb, countries jsonb, referrers jsonb, targets jsonb, own bigint, rules jsonb, sources jsonb)
language sql stable set search_path = '' as $$
  select d.day, d.human, d.bot, d.preview, d.prefetch, d.visitors, d.platforms, d.countries, d.referrers, d.targets,
    d.own, d.rules, d.sources
  from public.click_days d
  where d.code = p_code and d.day between p_from and p_to
    and not exists (select from public.click_counts n where n.code = d.code and n.day = d.day)
  union all
  select n.day, n.human + coalesce(d.human, 0), n.bot + coalesce(d.bot, 0), n.preview + coalesce(d.preview, 0),
    n.prefetch + coalesce(d.prefetch, 0), (
      select count(distinct c.visitor) from public.clicks c
      where c.code = p_code and c.at >= b.starts and c.at < b.ends and c.verdict = 'human'),
    private.click_groups(p_code, b.starts, b.ends, 'platform', 10), private.click_groups(p_code, b.starts, b.ends, 'country', 300),
    private.click_groups(p_code, b.starts, b.ends, 'referrer', 50), private.click_groups(p_code, b.starts, b.ends, 'target', 10),
    n.own + coalesce(d.own, 0), private.click_groups(p_code, b.starts, b.ends, 'rule', 100), private.click_groups(p_code, b.starts, b.ends, 'source', 2)
  from (
    select n.day, sum(n.human)::bigint as human, sum(n.bot)::bigint as bot, sum(n.preview)::bigint as preview,
      sum(n.prefetch)::bigint as prefetch, sum(n.own)::bigint as own
    from public.click_counts n where n.code = p_code and n.day between p_from and p_to group by n.day) n
  left join public.click_days d on d.code = p_code and d.day = n.day
  cross join lateral (
    select n.day::timestamp at time zone private.team_zone() as starts, (n.day + 1)::timestamp at time zone private.team_zone() as ends) b
$$;
comment on function private.link_days(text, date, date) is 'A link''s days with clicks in the team''s zone, first and last included.';

-- Another zone's days are not those of the counts: only the clicks themselves say when each was.
create function private.link_days_in(p_code text, p_from date, p_to date, p_zone text) returns table (
  day date, human bigint, bot bigint, preview bigint, prefetch bigint, visitors bigint,
  platforms jsonb, countries jsonb, referrers jsonb, targets jsonb, own bigint, rules jsonb, sources jsonb)
language sql stable set search_path = '' as $$
  select n.day, n.human, n.bot, n.preview, n.prefetch, n.visitors,
    private.click_groups(p_code, b.starts, b.ends, 'platform', 10), private.click_groups(p_code, b.starts, b.ends, 'country', 300),
    private.click_groups(p_code, b.starts, b.ends, 'referrer', 50), private.click_groups(p_code, b.starts, b.ends, 'target', 10),
    n.own, private.click_groups(p_code, b.starts, b.ends, 'rule', 100), private.click_groups(p_code, b.starts, b.ends, 'source', 2)
  from (
    select (c.at at time zone p_zone)::date as day,
      coalesce(sum(c.visits) filter (where c.verdict = 'human'), 0)::bigint as human,
      coalesce(sum(c.visits) filter (where c.verdict = 'bot'), 0)::bigint as bot,
      coalesce(sum(c.visits) filter (where c.verdict = 'preview'), 0)::bigint as preview,
      coalesce(sum(c.visits) filter (where c.verdict = 'prefetch'), 0)::bigint as prefetch,
      coalesce(sum(c.visits) filter (where c.verdict = 'own'), 0)::bigint as own,
      count(distinct c.visitor) filter (where c.verdict = 'human') as visitors
    from public.clicks c
    where c.code = p_code and c.at >= p_from::timestamp at time zone p_zone and c.at < (p_to + 1)::timestamp at time zone p_zone
    group by 1) n
  cross join lateral (
    select n.day::timestamp at time zone p_zone as starts, (n.day + 1)::timestamp at time zone p_zone as ends) b
$$;
comment on function private.link_days_in(text, date, date, text) is 'A link''s days with clicks in a zone, first and last included, as far back as clicks are kept. A visitor whose hash changes within such a day, at midnight of the team''s zone, counts twice.';

create function private.click_days_kept() returns integer
language sql stable set search_path = '' as $$
  select greatest(2, coalesce((select s.value::integer from public.settings s where s.key = 'retention.click_days'), 90))
$$;
comment on function private.click_days_kept() is 'For how many days before today clicks are kept: the setting retention.click_days (90), at least 2.';

create function private.first_day_in(p_zone text) returns date
language sql stable set search_path = '' as $$
  select (k.since at time zone p_zone + interval '1 day' - interval '1 microsecond')::date
  from (
    select ((clock_timestamp() at time zone private.team_zone())::date - private.click_days_kept())::timestamp
      at time zone private.team_zone() as since) k
$$;
comment on function private.first_day_in(text) is 'The first day in a zone of which all clicks are kept.';

-- Roll-up and purge -------------------------------------------------------------------------------

create function private.add_up(p_groups jsonb[]) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(s.key, s.n), '{}') from (
    select e.key, sum(e.value::bigint) as n from unnest(p_groups) g, jsonb_each_text(g) e group by e.key) s
$$;
comment on function private.add_up(jsonb[]) is 'Sums objects of counts by key.';

-- Day by day, all links of one at once: the clicks of a day lie together, and are read once. Slots are taken away as they
-- are added, so nothing counts twice; a click that comes late makes its day be done again.
create function private.roll_up_day(p_day date, p_limit integer) returns bigint
language plpgsql volatile set search_path = '' set work_mem = '32MB' as $$
declare
  v_from timestamptz := p_day::timestamp at time zone private.team_zone();
  v_to timestamptz := (p_day + 1)::timestamp at time zone private.team_zone();
  v_done bigint;
begin
  with over as (
    select distinct n.code from public.click_counts n where n.day = p_day order by n.code limit p_limit
  ), gone as (
    -- What is taken away is what is added, also of a row that somebody counted in a moment ago.
    delete from public.click_counts n using over where n.code = over.code and n.day = p_day
    returning n.code, n.human, n.bot, n.preview, n.prefetch, n.own
  ), counted as (
    select g.code, sum(g.human)::bigint as human, sum(g.bot)::bigint as bot, sum(g.preview)::bigint as preview,
      sum(g.prefetch)::bigint as prefetch, sum(g.own)::bigint as own
    from gone g group by g.code
  ), humans as (
    select c.code, c.visitor, c.platform, c.country, c.referrer, c.target,
      private.rule_name(c.rule, c.target) as rule, case when c.qr then 'qr' else 'link' end as source, c.visits
    from public.clicks c join over on over.code = c.code
    where c.at >= v_from and c.at < v_to and c.verdict = 'human'
  ), visitors as (
    select h.code, count(distinct h.visitor) as visitors from humans h group by h.code
  ), named as (
    -- Of these columns one is grouped by, and the others are null.
    select h.code, grouping(h.platform, h.country, h.referrer, h.target, h.rule, h.source) as kind,
      coalesce(h.platform, h.country, h.referrer, h.target, h.rule, h.source, '') collate "C" as name, sum(h.visits) as n
    from humans h
    group by grouping sets ((h.code, h.platform), (h.code, h.country), (h.code, h.referrer), (h.code, h.target), (h.code, h.rule),
      (h.code, h.source))
  ), ranked as (
    select n.*, row_number() over (partition by n.code, n.kind order by n.n desc, n.name) as place from named n
  ), groups as (
    select r.code, jsonb_object_agg(r.name, r.n) filter (where r.kind = 31) as platforms,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 47) as countries,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 55) as referrers,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 59) as targets,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 61) as rules,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 62) as sources
    from ranked r
    where r.place <= case r.kind when 47 then 300 when 55 then 50 when 61 then 100 else 10 end
    group by r.code
  ), summed as (
    insert into public.click_days as d (
      code, day, human, bot, preview, prefetch, visitors, platforms, countries, referrers, targets,
      own, rules, sources)
    select c.code, p_day, c.human, c.bot, c.preview, c.prefetch, coalesce(v.visitors, 0), coalesce(g.platforms, '{}'),
      coalesce(g.countries, '{}'), coalesce(g.referrers, '{}'), coalesce(g.targets, '{}'), c.own, coalesce(g.rules, '{}'), coalesce(g.sources, '{}')
    from counted c
    left join visitors v on v.code = c.code
    left join groups g on g.code = c.code
    on conflict on constraint click_days_pkey do update
      set human = d.human + excluded.human, bot = d.bot + excluded.bot, preview = d.preview + excluded.preview,
        prefetch = d.prefetch + excluded.prefetch, visitors = excluded.visitors, platforms = excluded.platforms,
        countries = excluded.countries, referrers = excluded.referrers, targets = excluded.targets,
        own = d.own + excluded.own, rules = excluded.rules, sources = excluded.sources
    returning 1
  )
  select count(*) into v_done from summed;
  return v_done;
end $$;
comment on function private.roll_up_day(date, integer) is 'Turns the counts of a day into click_days, at most p_limit links, and returns how many.';

create function private.roll_up_clicks(p_now timestamptz, p_limit integer default 200000) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
  v_day date;
  v_done bigint;
  v_count bigint := 0;
begin
  loop
    select min(n.day) into v_day from public.click_counts n where n.day < (p_now at time zone private.team_zone())::date;
    exit when v_day is null or v_count >= p_limit;
    v_done := private.roll_up_day(v_day, (p_limit - v_count)::integer);
    v_count := v_count + v_done;
    exit when v_done = 0;
  end loop;
  return v_count;
end $$;
comment on function private.roll_up_clicks(timestamptz, integer) is 'Turns the counts of days before p_now''s into click_days, at most p_limit links and days per call, and returns how many. For the clock.';

create function private.purge_clicks(p_now timestamptz, p_limit integer default 100000) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_zone text := private.team_zone();
  v_today date := (p_now at time zone v_zone)::date;
  v_days integer := private.click_days_kept();
  v_clicks bigint;
begin
  -- A day that is not rolled up yet keeps its clicks.
  with gone as (
    delete from public.clicks c where c.ctid = any (array(
      select x.ctid from public.clicks x
      where x.at < (v_today - v_days)::timestamp at time zone v_zone
        and x.at < coalesce((select min(n.day) from public.click_counts n)::timestamp at time zone v_zone, 'infinity')
      limit p_limit)) returning 1)
  select count(*) into v_clicks from gone;
  delete from private.click_batches b where b.at < p_now - interval '1 day';
  delete from private.visitor_keys k where k.day < v_today - 1;
  delete from public.orphan_visits o where o.day < v_today - v_days;
  delete from public.link_guesses g where g.hour < (v_today - v_days)::timestamp at time zone 'UTC';
  delete from private.link_guessers g where g.at < p_now - interval '1 day';
  return jsonb_build_object('clicks', v_clicks);
end $$;
comment on function private.purge_clicks(timestamptz, integer) is 'Deletes clicks older than the setting retention.click_days (90; at least 2), at most p_limit a call, and keys of visitors'' hashes once their next day is over. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.read_clicks(text),
  private.write_clicks(private.click[]),
  private.count_clicks(integer, private.click[]),
  public.record_clicks(uuid, integer, text),
  public.record_repeats(uuid, integer, text),
  private.rule_name(smallint, text),
  private.click_groups(text, timestamptz, timestamptz, text, integer),
  private.link_days(text, date, date),
  private.link_days_in(text, date, date, text),
  private.click_days_kept(),
  private.first_day_in(text),
  private.add_up(jsonb[]),
  private.roll_up_day(date, integer),
  private.roll_up_clicks(timestamptz, integer),
  private.purge_clicks(timestamptz, integer)
  to service_role;

insert into private.own_migrations (version) values ('20261129001100');
