-- What is counted by the minute: how often and how fast the functions answer, and what became of people with a flag on
-- and off. overview() shows it, metrics() exports it, and the guard of rollouts decides by the flags' part.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Measurements of the functions -------------------------------------------------------------------

create function private.latency_buckets() returns double precision[]
language sql immutable parallel safe set search_path = '' as $$
  select array[1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000,
    10000, 30000, 60000, 300000]::double precision[]
$$;
comment on function private.latency_buckets() is
  'Upper bounds of the buckets of measurements.counts in milliseconds, as in _shared/db/measurements.ts. One bucket more is for what took longer.';

create table public.measurements (
  name text not null,
  label text not null default '',
  minute timestamptz not null,
  n bigint not null,
  ms double precision not null default 0,
  counts bigint[] not null default '{}',
  last_at timestamptz not null,
  constraint measurements_pkey primary key (name, label, minute),
  constraint measurements_counts check (n >= 0 and ms >= 0 and cardinality(counts) in (0, 28))
) with (fillfactor = 70);
comment on table public.measurements is
  'What happened and how long it took: a row a minute for a day, and one since the beginning. Added up in the functions and sent in groups, or sampled by the clock; for people to look at, nothing is decided by it.';
comment on constraint measurements_pkey on public.measurements is 'One row a series and minute.';
comment on column public.measurements.name is
  'request (label: slug and status), destination (label: name and outcome), replies (not used; label: destination and why), routed, graph (label: result), messages (label: in or out), updates (label: field and kind), clicks (label: verdict and target), memory (label: environment; ms are megabytes of the process), database_errors (label: environment).';
comment on column public.measurements.label is 'Which kind of it; of several words, separated by a space. Never personal data.';
comment on column public.measurements.minute is 'The minute''s beginning; -infinity in the row that adds up everything since the beginning.';
comment on column public.measurements.n is 'How many.';
comment on column public.measurements.ms is 'Milliseconds of all of them; 0 where nothing is timed.';
comment on column public.measurements.counts is
  'How many took at most private.latency_buckets()[i] ms and longer than the bucket before; the last for longer still. Empty where nothing is timed.';
comment on column public.measurements.last_at is 'When the row last grew.';
create index measurements_minute_idx on public.measurements (minute);
comment on index public.measurements_minute_idx is 'The last minutes of everything; purge by age.';
alter table public.measurements enable row level security;
revoke all on public.measurements from anon, authenticated, service_role, public;
grant select on public.measurements to authenticated;
grant select, insert, update, delete on public.measurements to service_role;
create policy measurements_read on public.measurements for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy measurements_read on public.measurements is 'Counts only: the whole team reads them.';

create function private.add_histograms(p_a bigint[], p_b bigint[]) returns bigint[]
language sql immutable strict parallel safe set search_path = '' as $$
  select array(select a + b from unnest(p_a, p_b) with ordinality as u (a, b, i) order by i)
$$;
comment on function private.add_histograms(bigint[], bigint[]) is 'The sum of two histograms, count by count.';

-- In one order, so that two processes that send at the same time wait instead of deadlocking.
create function private.add_measurements(p_measurements jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.measurements as m (name, label, minute, n, ms, counts, last_at)
  select i.name, coalesce(i.label, ''), w.minute, i.n, i.ms, i.counts, p_now
  from jsonb_to_recordset(p_measurements) as i (name text, label text, n bigint, ms double precision, counts bigint[])
  cross join lateral (values ('-infinity'::timestamptz), (date_trunc('minute', p_now))) as w (minute)
  order by 1, 2, 3
  on conflict on constraint measurements_pkey do update
    set n = m.n + excluded.n, ms = m.ms + excluded.ms, counts = private.add_histograms(m.counts, excluded.counts),
      last_at = excluded.last_at
$$;
comment on function private.add_measurements(jsonb, timestamptz) is 'add_measurements with the time given.';

create function public.add_measurements(p_measurements jsonb) returns void
language sql volatile set search_path = '' as $$
  select private.add_measurements(p_measurements, clock_timestamp())
$$;
comment on function public.add_measurements(jsonb) is
  'Adds a group of measurements [{name, label, n, ms, counts}], each series once, to the minute that is open and to the total. For secret keys.';

-- What the rows themselves tell need not be counted on the way of a webhook: the clock counts each minute once it is over.
create function private.count_messages(p_from timestamptz, p_to timestamptz)
returns table (minute timestamptz, direction text, n bigint)
language plpgsql stable set search_path = '' as $$
declare
  -- Once: within the conditions, a bitmap scan calls the function again for each row of its pages.
  v_first constant uuid := private.uuid_v7_from(p_from - interval '20 seconds');
  v_end constant uuid := private.uuid_v7_from(p_to + interval '20 seconds');
begin
  return query
  select c.minute, c.direction, count(*)
  from (
    select date_trunc('minute', m.created_at) as minute, m.direction from public.messages m where m.id >= v_first and m.id < v_end
  ) c
  -- By the minute, which has no index: the one on created_at returns every page written since the last vacuum.
  where c.minute >= p_from and c.minute < p_to
  group by c.minute, c.direction;
end $$;
comment on function private.count_messages(timestamptz, timestamptz) is
  'Messages of whole minutes from the first to before the second, by minute and direction, found by their ids, which begin with the time. For minutes of which nothing is missing yet.';

-- 20 seconds after its end a minute is complete: what takes longer to commit is an outage.
create function private.sample_minutes(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_from timestamptz;
  v_to timestamptz := date_trunc('minute', p_now - interval '20 seconds');
begin
  -- Two clocks at once would count twice.
  perform pg_advisory_xact_lock(hashtext('gatelink.sample_minutes'));
  select max(m.minute) + interval '1 minute' into v_from
  from public.measurements m where m.name = 'messages' and m.label = 'in' and m.minute > '-infinity';
  v_from := coalesce(v_from, v_to - interval '1 minute');
  -- After an outage: an hour at a time.
  v_to := least(v_to, v_from + interval '1 hour');
  if v_from >= v_to then
    return 0;
  end if;
  with counted (name, label, minute, n) as (
    select 'messages', d.direction, g.minute, coalesce(c.n, 0)
    from generate_series(v_from, v_to - interval '1 minute', interval '1 minute') as g (minute)
    cross join (values ('in'), ('out')) as d (direction)
    left join private.count_messages(v_from, v_to) c on c.minute = g.minute and c.direction = d.direction
    union all
    select 'updates', e.field || ' ' || e.kind, date_trunc('minute', e.received_at), count(*)
    from public.webhook_events e where e.received_at >= v_from and e.received_at < v_to
    group by 2, 3
    union all
    select 'clicks', c.verdict || ' ' || c.target, date_trunc('minute', c.at), count(*)
    from public.clicks c where c.at >= v_from and c.at < v_to
    group by 2, 3
  )
  insert into public.measurements as m (name, label, minute, n, last_at)
  select c.name, c.label, w.minute, sum(c.n), p_now
  from counted c cross join lateral (values ('-infinity'::timestamptz), (c.minute)) as w (minute)
  group by 1, 2, 3 order by 1, 2, 3
  on conflict on constraint measurements_pkey do update set n = m.n + excluded.n, last_at = excluded.last_at;
  return (extract(epoch from v_to - v_from) / 60)::integer;
end $$;
comment on function private.sample_minutes(timestamptz) is
  'Counts the messages, updates and clicks of the minutes that are over since the last call, and says how many minutes. For the clock.';

create function private.purge_measurements(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  delete from public.measurements where minute > '-infinity' and minute < p_now - interval '49 hours';
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.purge_measurements(timestamptz) is
  'Deletes minutes older than two days, so that a day can be compared with the one before; the totals stay. For the clock.';

-- Linear within a bucket, as Prometheus' histogram_quantile.
create function private.histogram_quantile(p_counts bigint[], p_quantile double precision) returns double precision
language sql immutable strict parallel safe set search_path = '' as $$
  with buckets as (
    select b.i, b.n, sum(b.n) over (order by b.i) as upto, sum(b.n) over () as total
    from unnest(p_counts) with ordinality as b (n, i)
  ), edges as (
    select private.latency_buckets() as le
  )
  select case when b.i > cardinality(e.le) then e.le[cardinality(e.le)]
    else coalesce(e.le[b.i - 1], 0)
      + (e.le[b.i] - coalesce(e.le[b.i - 1], 0)) * ((p_quantile * b.total - (b.upto - b.n)) / b.n)::double precision end
  from buckets b cross join edges e
  where b.n > 0 and b.upto >= p_quantile * b.total
  order by b.i limit 1
$$;
comment on function private.histogram_quantile(bigint[], double precision) is
  'The quantile (0 to 1) of a histogram of measurements in milliseconds, linear within its bucket; null for an empty one. What took longer than the last bound counts as that.';

-- Outcomes of flags -------------------------------------------------------------------------------

create table public.flag_evaluations (
  flag_key text constraint flag_evaluations_pkey primary key,
  first_at timestamptz not null,
  last_at timestamptz not null
);
comment on table public.flag_evaluations is 'When a flag was first and last asked for, to the hour: what no code asks for can go.';
comment on constraint flag_evaluations_pkey on public.flag_evaluations is 'One row a flag.';
comment on column public.flag_evaluations.flag_key is 'The flag. It may not exist: somebody asks for it all the same.';
comment on column public.flag_evaluations.first_at is 'When it was first asked for.';
comment on column public.flag_evaluations.last_at is 'When it was last asked for; up to an hour behind.';
alter table public.flag_evaluations enable row level security;
revoke all on public.flag_evaluations from anon, authenticated, service_role, public;
grant select on public.flag_evaluations to authenticated;
grant select, insert, update on public.flag_evaluations to service_role;
create policy flag_evaluations_read on public.flag_evaluations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy flag_evaluations_read on public.flag_evaluations is 'The whole team sees which flags are in use.';

-- A limit on p95 has to be one of these: "slower than 400 ms" can then be counted exactly.
create function private.latency_edges() returns integer[]
language sql immutable parallel safe set search_path = '' as $$
  select array[5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000,
    5000, 7500, 10000, 15000, 20000, 30000]
$$;
comment on function private.latency_edges() is
  'The edges of the latency histogram in milliseconds, as in _shared/rollouts/latency.ts.';

-- About the logarithm of each latency, added up: what the guard compares both arms by.
create function private.latency_places(p_timed integer, p_le integer[], p_squares boolean) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(sum((p_timed - e.count)::bigint * case when p_squares then 2 * e.i - 1 else 1 end), 0)::bigint
  from unnest(p_le) with ordinality as e (count, i)
$$;
comment on function private.latency_places(integer, integer[], boolean) is
  'Of how many edges each timed outcome was slower than, the sum, or the sum of the squares; from a cumulative histogram. See scores() in _shared/rollouts/minutes.ts.';

create table public.flag_metrics (
  flag_key text not null,
  minute timestamptz not null,
  arm text not null constraint flag_metrics_arm_known check (arm in ('on', 'off')),
  n integer not null,
  failed integer not null,
  timed integer not null,
  ms bigint not null,
  le integer[] not null,
  failed_again integer not null default 0,
  slow_again integer[] not null default '{}',
  score bigint generated always as (private.latency_places(timed, le, false)) stored,
  score2 bigint generated always as (private.latency_places(timed, le, true)) stored,
  constraint flag_metrics_pkey primary key (flag_key, minute, arm),
  constraint flag_metrics_counts check (0 <= failed and failed <= n and 0 <= timed and timed <= n and ms >= 0
    and 0 <= failed_again and failed_again <= failed),
  constraint flag_metrics_histogram check (cardinality(le) = 27 and cardinality(slow_again) in (0, 27))
) with (fillfactor = 70);
comment on table public.flag_metrics is
  'Outcomes by flag, arm and minute; at most one a person and minute, the first. Counted in the functions, sent in groups.';
comment on constraint flag_metrics_pkey on public.flag_metrics is 'A minute of a flag''s arm; both arms lie beside each other.';
comment on column public.flag_metrics.flag_key is 'The flag.';
comment on column public.flag_metrics.minute is 'The minute''s beginning.';
comment on column public.flag_metrics.arm is 'on or off: what the flag said for the person.';
comment on column public.flag_metrics.n is 'Outcomes.';
comment on column public.flag_metrics.failed is 'Failures among them.';
comment on column public.flag_metrics.timed is 'Outcomes whose time is known.';
comment on column public.flag_metrics.ms is 'Milliseconds of all that were timed.';
comment on column public.flag_metrics.le is
  'Cumulative histogram of those: how many took at most private.latency_edges()[i] ms.';
comment on column public.flag_metrics.failed_again is
  'Failures among them of people who had failed in this stage of a rollout before.';
comment on column public.flag_metrics.slow_again is
  'How many took longer than private.latency_edges()[i] ms and were of people who had taken that long in this stage before; empty for none.';
comment on column public.flag_metrics.score is 'Of how many edges each timed outcome was slower than, the sum.';
comment on column public.flag_metrics.score2 is 'The sum of the squares.';
create index flag_metrics_minute_idx on public.flag_metrics using brin (minute);
comment on index public.flag_metrics_minute_idx is 'Purge by age.';
alter table public.flag_metrics enable row level security;
revoke all on public.flag_metrics from anon, authenticated, service_role, public;
grant select on public.flag_metrics to authenticated;
grant select, insert, update, delete on public.flag_metrics to service_role;
create policy flag_metrics_read on public.flag_metrics for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy flag_metrics_read on public.flag_metrics is 'Counts only: the whole team reads them.';

create table private.flag_sufferers (
  flag_key text not null,
  subject_id text not null,
  failed boolean not null,
  place smallint not null,
  at timestamptz not null,
  constraint flag_sufferers_pkey primary key (flag_key, subject_id)
) with (fillfactor = 70);
comment on table private.flag_sufferers is
  'Who failed, or waited long, in the stage of a rollout that is under way: at most 10,000 a flag, for the guard to count each once. Gone when the rollout is over.';
comment on constraint flag_sufferers_pkey on private.flag_sufferers is 'A person once a flag.';
comment on column private.flag_sufferers.flag_key is 'The flag.';
comment on column private.flag_sufferers.subject_id is 'The id that the flag was asked with.';
comment on column private.flag_sufferers.failed is 'Whether it failed for this person.';
comment on column private.flag_sufferers.place is 'The longest that it took: of how many of private.latency_edges() it was slower than.';
comment on column private.flag_sufferers.at is 'When last; before the stage began counts as never.';
alter table private.flag_sufferers enable row level security;
revoke all on private.flag_sufferers from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.flag_sufferers to service_role;

create table private.affected_people (
  flag_key text not null,
  subject_id text not null,
  failures integer not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint affected_people_pkey primary key (flag_key, subject_id)
) with (fillfactor = 70);
comment on table private.affected_people is
  'For whom a feature failed that they had: at most 100,000 a flag, the first ones, for 60 days after the last failure. Whom to write to afterwards.';
comment on constraint affected_people_pkey on private.affected_people is 'A person once a flag.';
comment on column private.affected_people.flag_key is 'The flag.';
comment on column private.affected_people.subject_id is 'The id that the flag was asked with.';
comment on column private.affected_people.failures is 'In how many minutes it failed.';
comment on column private.affected_people.first_at is 'The minute of the first failure.';
comment on column private.affected_people.last_at is 'The minute of the last one.';
create index affected_people_last_idx on private.affected_people (flag_key, last_at);
comment on index private.affected_people_last_idx is 'Whom a flag failed for since some time.';
alter table private.affected_people enable row level security;
revoke all on private.affected_people from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.affected_people to service_role;

create function private.add_histograms(p_a integer[], p_b integer[]) returns integer[]
language sql immutable strict parallel safe set search_path = '' as $$
  select array(select a + b from unnest(p_a, p_b) with ordinality as u (a, b, i) order by i)
$$;
comment on function private.add_histograms(integer[], integer[]) is 'The sum of two histograms, count by count.';

-- What a person had is the arm that the outcome counts in: who failed without the feature was not affected by it.
create function private.record_affected(p_outcomes jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  with failed as (
    select o.flag, p.person ->> 0 as subject_id, count(distinct o.minute) as failures, min(m.at) as first_at, max(m.at) as last_at
    from jsonb_to_recordset(p_outcomes) as o (flag text, arm text, minute bigint, people jsonb)
    cross join lateral (select least(to_timestamp(o.minute * 60.0), p_now) as at) m
    cross join lateral jsonb_array_elements(o.people) as p (person)
    where o.arm = 'on' and (p.person ->> 1)::boolean and char_length(p.person ->> 0) <= 200
    group by 1, 2
  ), full_flags as materialized (
    select f.flag from (select distinct flag from failed) f
    where (select count(*) from (select from private.affected_people k where k.flag_key = f.flag limit 100000) many) = 100000
  )
  insert into private.affected_people as a (flag_key, subject_id, failures, first_at, last_at)
  select f.flag, f.subject_id, f.failures, f.first_at, f.last_at from failed f
  where f.flag not in (select flag from full_flags)
    or exists (select from private.affected_people k where k.flag_key = f.flag and k.subject_id = f.subject_id)
  order by 1, 2
  on conflict on constraint affected_people_pkey do update
    set failures = a.failures + excluded.failures, first_at = least(a.first_at, excluded.first_at),
      last_at = greatest(a.last_at, excluded.last_at)
$$;
comment on function private.record_affected(jsonb, timestamptz) is 'Remembers for whom a feature failed that they had.';

-- The guard reads a minute 20 seconds after its end and decides by what it read. What comes later than 10 seconds counts
-- in the minute that is open then, so that a minute once read never changes, and evidence can be recomputed for ever.
-- A clock that runs ahead cannot write into the future either.
-- Who failed or waited long in the stage that is under way is remembered: what the same person meets again says nothing
-- new, whatever they try. In plpgsql, which looks names up when it runs: rollouts come in the next file.
create function private.record_outcomes(p_outcomes jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  with sums as (
    select o.*, least(greatest(to_timestamp(o.minute * 60.0), date_trunc('minute', p_now - interval '10 seconds')),
      date_trunc('minute', p_now)) as at
    from jsonb_to_recordset(p_outcomes) as o (flag text, arm text, minute bigint, n integer, failed integer, timed integer,
      ms bigint, le jsonb, people jsonb)
  ), met as (
    select s.flag, s.arm, s.at, p.person ->> 0 as subject_id, (p.person ->> 1)::boolean as failed, (p.person ->> 2)::smallint as place,
      coalesce(k.failed, false) as had_failed, coalesce(k.place, 0) as had_place
    from sums s
    join public.rollouts r on r.flag_key = s.flag and r.state in ('running', 'paused')
    cross join lateral jsonb_array_elements(s.people) as p (person)
    left join private.flag_sufferers k on k.flag_key = s.flag and k.subject_id = p.person ->> 0 and k.at >= r.stage_started_at
  ), remembered as (
    insert into private.flag_sufferers as k (flag_key, subject_id, failed, place, at)
    select m.flag, m.subject_id, bool_or(m.failed or m.had_failed), max(greatest(m.place, m.had_place)), p_now
    from met m
    where char_length(m.subject_id) <= 200 and (
      select count(*) from (select from private.flag_sufferers f where f.flag_key = m.flag limit 10000) many) < 10000
    group by m.flag, m.subject_id
    order by 1, 2
    on conflict on constraint flag_sufferers_pkey do update set failed = excluded.failed, place = excluded.place, at = excluded.at
  ), again as (
    select m.flag, m.at, m.arm, count(*) filter (where m.failed and m.had_failed)::integer as failed,
      array(select count(*) filter (where least(x.place, x.had_place) >= i)::integer
        from generate_series(1, 27) i, met x where x.flag = m.flag and x.at = m.at and x.arm = m.arm group by i order by i) as slow
    from met m group by m.flag, m.at, m.arm
  )
  insert into public.flag_metrics as m (flag_key, minute, arm, n, failed, timed, ms, le, failed_again, slow_again)
  select s.flag, s.at, s.arm, sum(s.n), sum(s.failed), sum(s.timed), sum(s.ms), (
    select array_agg(t.total order by t.i) from (
      select e.i, sum(e.count::integer)::integer as total
      from unnest(array_agg(s.le)) as h (le), jsonb_array_elements_text(h.le) with ordinality as e (count, i)
      group by e.i) t),
    coalesce(max(a.failed), 0), coalesce(max(a.slow), '{}')
  from sums s left join again a on a.flag = s.flag and a.at = s.at and a.arm = s.arm
  group by s.flag, s.at, s.arm
  order by 1, 2, 3
  on conflict on constraint flag_metrics_pkey do update
    set n = m.n + excluded.n, failed = m.failed + excluded.failed, timed = m.timed + excluded.timed,
      ms = m.ms + excluded.ms, le = private.add_histograms(m.le, excluded.le), failed_again = m.failed_again + excluded.failed_again,
      slow_again = case when m.slow_again = '{}' then excluded.slow_again when excluded.slow_again = '{}' then m.slow_again
        else private.add_histograms(m.slow_again, excluded.slow_again) end;
  perform private.record_affected(p_outcomes, p_now);
end $$;
comment on function private.record_outcomes(jsonb, timestamptz) is 'The outcomes part of record_outcomes, with the time given.';

create function private.record_evaluations(p_flags text[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.flag_evaluations as e (flag_key, first_at, last_at)
  select distinct f.key, p_now, p_now from unnest(p_flags) as f (key) order by f.key
  on conflict on constraint flag_evaluations_pkey do update
    set last_at = excluded.last_at where e.last_at < excluded.last_at - interval '50 minutes'
$$;
comment on function private.record_evaluations(text[], timestamptz) is
  'Notes that these flags were asked for. A flag''s row changes once an hour at most.';

create function public.record_outcomes(p_outcomes jsonb, p_evaluated text[] default '{}') returns void
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.record_evaluations(p_evaluated, clock_timestamp());
  select private.record_outcomes(p_outcomes, clock_timestamp());
$$;
comment on function public.record_outcomes(jsonb, text[]) is
  'Adds a group of outcomes [{flag, arm, minute (since 1970), n, failed, timed, ms, le, people: [[id, whether it failed, of how many edges it was slower]]}], and notes the flags that were asked for. For secret keys.';

create function private.purge_flag_metrics(p_now timestamptz, p_limit integer default 100000) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  delete from private.affected_people a where a.last_at < p_now - interval '60 days';
  -- More than the longest stage of the built-in plans, whose evidence is kept in rollout_events anyway.
  delete from private.flag_sufferers s where s.at < p_now - interval '60 days' or not exists (
    select from public.rollouts r where r.flag_key = s.flag_key and r.state in ('running', 'paused'));
  delete from private.metric_people p where not exists (
    select from public.rollouts r where r.id = p.rollout_id and r.state in ('running', 'paused'));
  delete from public.flag_metrics m where ctid = any (array(
    select ctid from public.flag_metrics o where o.minute < p_now - interval '60 days' limit p_limit));
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.purge_flag_metrics(timestamptz, integer) is
  'Deletes outcomes older than 60 days, at most p_limit a call, and says how many; whom a feature failed for longer ago; and who suffered, and whose metrics were counted, in rollouts that are over. For the clock.';

-- Flags that look done with -----------------------------------------------------------------------

create function private.stale_flags(p_now timestamptz)
returns table (key text, why text, since timestamptz)
language plpgsql stable set search_path = '' as $$
declare
  v_unchanged interval := make_interval(days => coalesce((select s.value::integer from public.settings s where s.key = 'flags.stale_days'), 30));
begin
  return query
    select s.key, w.why, w.since
    from public.settings s
    left join public.flag_evaluations e on e.flag_key = s.key
    cross join lateral (
      select 'fully_on', s.updated_at
      where s.value = 'true' and not s.metadata ? 'schedule' and s.updated_at <= p_now - v_unchanged
        and coalesce((s.metadata ->> 'rollout_percentage')::numeric,
          case when s.metadata ? 'target_user_ids' or s.metadata ? 'target_segments' then 0 else 100 end) = 100
      union all
      select 'fully_off', s.updated_at
      where not s.metadata ? 'schedule' and s.updated_at <= p_now - v_unchanged
        and not exists (select from public.rollouts r where r.flag_key = s.key and r.state in ('draft', 'running', 'paused'))
        and (s.value <> 'true' or (s.metadata ->> 'rollout_percentage')::numeric = 0
          and coalesce(s.metadata -> 'target_user_ids', '[]') = '[]' and coalesce(s.metadata -> 'target_segments', '[]') = '[]')
      union all
      -- What was launched is to be taken out of the code; what should have ended is still on.
      select 'past_end', e.at
      from (
        select case when pg_input_is_valid(s.metadata ->> 'launched_at', 'timestamptz') then (s.metadata ->> 'launched_at')::timestamptz + v_unchanged end
        union all
        select (s.metadata #>> '{schedule,off_at}')::timestamptz + interval '1 hour' where s.value = 'true') e (at)
      where e.at <= p_now
      union all
      -- A new flag is one that nothing has been deployed for yet.
      select 'never_evaluated', m.at
      from (select max(h.changed_at) as at from public.settings_history h where h.key = s.key and h.before is null) m
      where e.flag_key is null and m.at <= p_now - interval '7 days'
      union all
      select 'not_evaluated', e.last_at where e.last_at <= p_now - v_unchanged
    ) as w (why, since)
    where s.key like '%.enabled'
    order by s.key, w.why;
end $$;
comment on function private.stale_flags(timestamptz) is 'stale_flags for whoever may.';

create function public.stale_flags(p_now timestamptz default now())
returns table (key text, why text, since timestamptz)
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return query select * from private.stale_flags(p_now);
end $$;
comment on function public.stale_flags(timestamptz) is
  'Flags that look done with, and since when: fully_on (on for everybody, unchanged for 30 days: the setting flags.stale_days), fully_off (the same, off for everybody), past_end (launched that long ago and still there, or still on an hour after its scheduled end), never_evaluated (made 7 days ago or earlier, and nobody has ever asked for it), not_evaluated (nobody has for 30 days). For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.latency_buckets(),
  private.add_histograms(bigint[], bigint[]),
  private.add_measurements(jsonb, timestamptz),
  public.add_measurements(jsonb),
  private.count_messages(timestamptz, timestamptz),
  private.histogram_quantile(bigint[], double precision),
  private.latency_edges(),
  private.latency_places(integer, integer[], boolean),
  private.add_histograms(integer[], integer[]),
  private.record_affected(jsonb, timestamptz),
  private.record_outcomes(jsonb, timestamptz),
  private.record_evaluations(text[], timestamptz),
  public.record_outcomes(jsonb, text[])
  to service_role;
grant execute on function
  public.stale_flags(timestamptz)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001500');
