-- How often and how fast, by the minute and since the beginning: what overview() shows and metrics() exports.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.latency_buckets() returns double precision[]
language sql immutable parallel safe set search_path = '' as $$
  select array[1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000,
    10000, 30000, 60000, 300000]::double precision[]
$$;
comment on function private.latency_buckets() is
  'Upper bounds of the buckets of measurements.counts in milliseconds, as in _shared/db/measurements.ts. One bucket more is for what took longer.';
revoke execute on function private.latency_buckets() from public, anon, authenticated;
grant execute on function private.latency_buckets() to service_role;

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
  'request (label: function and status), destination (label: name and outcome), routed, graph (label: result), messages (label: in or out), updates (label: field and kind), clicks (label: verdict and target).';
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
revoke execute on function private.add_histograms(bigint[], bigint[]) from public, anon, authenticated;
grant execute on function private.add_histograms(bigint[], bigint[]) to service_role;

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
revoke execute on function private.add_measurements(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.add_measurements(jsonb, timestamptz) to service_role;

create function public.add_measurements(p_measurements jsonb) returns void
language sql volatile set search_path = '' as $$
  select private.add_measurements(p_measurements, clock_timestamp())
$$;
comment on function public.add_measurements(jsonb) is
  'Adds a group of measurements [{name, label, n, ms, counts}], each series once, to the minute that is open and to the total. For secret keys.';
revoke execute on function public.add_measurements(jsonb) from public, anon, authenticated;
grant execute on function public.add_measurements(jsonb) to service_role;

-- What the rows themselves tell need not be counted on the way of a webhook: the clock counts each minute once it is over.
create function private.uuid_v7_from(p_at timestamptz) returns uuid
language sql immutable parallel safe set search_path = '' as $$
  select encode(substr(int8send(floor(extract(epoch from p_at) * 1000)::bigint), 3) || '\x70008000000000000000'::bytea, 'hex')::uuid
$$;
comment on function private.uuid_v7_from(timestamptz) is 'The smallest UUID version 7 of that millisecond: ids of rows made since then are at or above it.';
revoke execute on function private.uuid_v7_from(timestamptz) from public, anon, authenticated;
grant execute on function private.uuid_v7_from(timestamptz) to service_role;

create function private.count_messages(p_from timestamptz, p_to timestamptz)
returns table (minute timestamptz, direction text, n bigint)
language sql stable set search_path = '' as $$
  select date_trunc('minute', m.created_at), m.direction, count(*)
  from public.messages m
  where m.id >= private.uuid_v7_from(p_from - interval '20 seconds')
    and m.id < private.uuid_v7_from(p_to + interval '20 seconds')
    and m.created_at >= p_from and m.created_at < p_to
  group by 1, 2
$$;
comment on function private.count_messages(timestamptz, timestamptz) is
  'Messages by minute and direction, found by their ids, which begin with the time. For minutes of which nothing is missing yet.';
revoke execute on function private.count_messages(timestamptz, timestamptz) from public, anon, authenticated;
grant execute on function private.count_messages(timestamptz, timestamptz) to service_role;

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
revoke execute on function private.sample_minutes(timestamptz) from public, anon, authenticated;

create function private.purge_measurements(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  delete from public.measurements where minute > '-infinity' and minute < p_now - interval '25 hours';
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.purge_measurements(timestamptz) is
  'Deletes minutes older than a day; the totals stay. For the clock.';
revoke execute on function private.purge_measurements(timestamptz) from public, anon, authenticated;

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
revoke execute on function private.histogram_quantile(bigint[], double precision) from public, anon, authenticated;
grant execute on function private.histogram_quantile(bigint[], double precision) to service_role;

create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())'),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())'),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())'),
    ('gatelink_notify', 30, 'http', 'flags'),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())'),
    ('gatelink_sample_minutes', 60, 'sql', 'select private.sample_minutes(clock_timestamp())'),
    ('gatelink_purge_measurements', 3600, 'sql', 'select private.purge_measurements(now())')
$$;
-- Where there is no pg_cron this schedules nothing.
select private.schedule_clock();
