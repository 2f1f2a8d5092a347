-- What became of people with a flag on and off: outcomes by flag, arm and minute. The guard of rollouts reads them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A limit on p95 has to be one of these: "slower than 400 ms" can then be counted exactly.
create function private.latency_edges() returns integer[]
language sql immutable parallel safe set search_path = '' as $$
  select array[5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000,
    5000, 7500, 10000, 15000, 20000, 30000]
$$;
comment on function private.latency_edges() is
  'The edges of the latency histogram in milliseconds, as in _shared/rollouts/latency.ts.';
revoke execute on function private.latency_edges() from public, anon, authenticated;
grant execute on function private.latency_edges() to service_role;

create table public.flag_metrics (
  flag_key text not null,
  minute timestamptz not null,
  arm text not null constraint flag_metrics_arm_known check (arm in ('on', 'off')),
  n integer not null,
  failed integer not null,
  timed integer not null,
  ms bigint not null,
  le integer[] not null,
  constraint flag_metrics_pkey primary key (flag_key, minute, arm),
  constraint flag_metrics_counts check (0 <= failed and failed <= n and 0 <= timed and timed <= n and ms >= 0),
  constraint flag_metrics_histogram check (cardinality(le) = 27)
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
create index flag_metrics_minute_idx on public.flag_metrics using brin (minute);
comment on index public.flag_metrics_minute_idx is 'Purge by age.';
alter table public.flag_metrics enable row level security;
revoke all on public.flag_metrics from anon, authenticated, service_role, public;
grant select on public.flag_metrics to authenticated;
grant select, insert, update, delete on public.flag_metrics to service_role;
create policy flag_metrics_read on public.flag_metrics for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy flag_metrics_read on public.flag_metrics is 'Counts only: the whole team reads them.';

create function private.add_histograms(p_a integer[], p_b integer[]) returns integer[]
language sql immutable strict parallel safe set search_path = '' as $$
  select array(select a + b from unnest(p_a, p_b) with ordinality as u (a, b, i) order by i)
$$;
comment on function private.add_histograms(integer[], integer[]) is 'The sum of two histograms, count by count.';
revoke execute on function private.add_histograms(integer[], integer[]) from public, anon, authenticated;
grant execute on function private.add_histograms(integer[], integer[]) to service_role;

-- The guard reads a minute 20 seconds after its end and decides by what it read. What comes later than 10 seconds counts
-- in the minute that is open then, so that a minute once read never changes, and evidence can be recomputed for ever.
-- A clock that runs ahead cannot write into the future either.
create function private.record_outcomes(p_outcomes jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.flag_metrics as m (flag_key, minute, arm, n, failed, timed, ms, le)
  select o.flag, g.minute, o.arm, sum(o.n), sum(o.failed), sum(o.timed), sum(o.ms), (
    select array_agg(t.total order by t.i) from (
      select e.i, sum(e.count::integer)::integer as total
      from unnest(array_agg(o.le)) as h (le), jsonb_array_elements_text(h.le) with ordinality as e (count, i)
      group by e.i) t)
  from jsonb_to_recordset(p_outcomes) as o (flag text, arm text, minute bigint, n integer, failed integer, timed integer,
    ms bigint, le jsonb)
  cross join lateral (
    select least(greatest(to_timestamp(o.minute * 60.0), date_trunc('minute', p_now - interval '10 seconds')),
      date_trunc('minute', p_now)) as minute
  ) g
  group by o.flag, g.minute, o.arm
  order by 1, 2, 3
  on conflict on constraint flag_metrics_pkey do update
    set n = m.n + excluded.n, failed = m.failed + excluded.failed, timed = m.timed + excluded.timed,
      ms = m.ms + excluded.ms, le = private.add_histograms(m.le, excluded.le)
$$;
comment on function private.record_outcomes(jsonb, timestamptz) is 'The outcomes part of record_outcomes, with the time given.';
revoke execute on function private.record_outcomes(jsonb, timestamptz) from public, anon, authenticated;
grant execute on function private.record_outcomes(jsonb, timestamptz) to service_role;

create function private.record_evaluations(p_flags text[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.flag_evaluations as e (flag_key, first_at, last_at)
  select distinct f.key, p_now, p_now from unnest(p_flags) as f (key) order by f.key
  on conflict on constraint flag_evaluations_pkey do update
    set last_at = excluded.last_at where e.last_at < excluded.last_at - interval '50 minutes'
$$;
comment on function private.record_evaluations(text[], timestamptz) is
  'Notes that these flags were asked for. A flag''s row changes once an hour at most.';
revoke execute on function private.record_evaluations(text[], timestamptz) from public, anon, authenticated;
grant execute on function private.record_evaluations(text[], timestamptz) to service_role;

create function public.record_outcomes(p_outcomes jsonb, p_evaluated text[] default '{}') returns void
language sql volatile set search_path = '' as $$
  select private.record_evaluations(p_evaluated, clock_timestamp());
  select private.record_outcomes(p_outcomes, clock_timestamp());
$$;
comment on function public.record_outcomes(jsonb, text[]) is
  'Adds a group of outcomes [{flag, arm, minute (since 1970), n, failed, timed, ms, le}], and notes the flags that were asked for. For secret keys.';
revoke execute on function public.record_outcomes(jsonb, text[]) from public, anon, authenticated;
grant execute on function public.record_outcomes(jsonb, text[]) to service_role;

create function private.purge_flag_metrics(p_now timestamptz, p_limit integer default 100000) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  -- More than the longest stage of the built-in plans, whose evidence is kept in rollout_events anyway.
  delete from public.flag_metrics m where ctid = any (array(
    select ctid from public.flag_metrics o where o.minute < p_now - interval '60 days' limit p_limit));
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.purge_flag_metrics(timestamptz, integer) is
  'Deletes outcomes older than 60 days, at most p_limit a call, and says how many. For the clock.';
revoke execute on function private.purge_flag_metrics(timestamptz, integer) from public, anon, authenticated;
