-- The sequential tests of the guard of rollouts. _shared/rollouts/series.ts says what is done and why, and does the same: in
-- whole millionths, with the few fractions in the same order. tests/rollout_guard_test.ts holds the two to the same last
-- digit.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create type private.guard_tally as (n bigint, k bigint, q bigint, m bigint);
comment on type private.guard_tally is
  'How one thing lies over the minutes of an arm: outcomes, failures among them, the sum of k^2 / n in millionths, minutes.';
create type private.guard_quiet as ("on" bigint, off bigint, failed bigint);
comment on type private.guard_quiet is
  'Outcomes of both arms, and failures without the flag, since somebody with the flag last failed.';
create type private.guard_series as (
  "on" private.guard_tally, off private.guard_tally, quiet private.guard_quiet, absolute bigint[], relative bigint[], trouble bigint
);
comment on type private.guard_series is
  'One thing watched, failures or slow ones: tallies of both arms, what is not yet in S, S of the five alternatives of both tests, S of the arm without the flag.';

-- What S of the alternatives 1.5, 2, 3, 5, 10 and (for trouble) 2 moves by, in millionths: for a failure and for a success.
create function private.guard_logs(p_rate double precision, out failure bigint[], out success bigint[])
language sql immutable parallel safe set search_path = '' as $$
  select array_agg(round(ln(a.r) * 1000000)::bigint order by a.i),
    array_agg(round(ln((1 - a.r * p_rate) / (1 - p_rate)) * 1000000)::bigint order by a.i)
  from (
    select i, least(r, 0.95::double precision / p_rate) as r
    from unnest(array[1.5, 2, 3, 5, 10, 2]::double precision[]) with ordinality as u (r, i)
  ) a
$$;
comment on function private.guard_logs(double precision) is
  'The steps of the absolute tests at an allowed rate: logarithms of likelihood ratios, in millionths.';
revoke execute on function private.guard_logs(double precision) from public, anon, authenticated;

create function private.guard_scatter(p_tally private.guard_tally) returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select case when (p_tally).k = 0 or (p_tally).k = (p_tally).n or (p_tally).m < 2 then 1000
    else greatest(1000, floor(1000 * (
        ((p_tally).q / 1000000::double precision - (p_tally).k::double precision * (p_tally).k / (p_tally).n)
        / ((p_tally).k::double precision / (p_tally).n * (1 - (p_tally).k::double precision / (p_tally).n)) + 10)
      / ((p_tally).m - 1 + 10))::bigint) end
$$;
comment on function private.guard_scatter(private.guard_tally) is
  'How much more the minutes scatter than independent outcomes would, in thousandths, at least 1000. See scatter() in series.ts.';
revoke execute on function private.guard_scatter(private.guard_tally) from public, anon, authenticated;

-- Written out: a loop over the alternatives would take most of the time.
create function private.guard_move(
  p_series private.guard_series, p_failure bigint[], p_success bigint[], p_on bigint, p_on_k bigint, p_off bigint, p_off_k bigint,
  p_scatter bigint
) returns private.guard_series
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  s private.guard_series := p_series;
  c_most constant bigint := 2 * 4605170;
  c_lr constant bigint[] := array[405465, 693147, 1098612, 1609438, 2302585];
  v_ok bigint := p_on - p_on_k;
  v_k bigint := p_on_k + p_off_k;
  v_n double precision := p_on + p_off;
begin
  s.absolute := array[
    greatest(0, s.absolute[1] + (p_on_k * p_failure[1] + v_ok * p_success[1]) * 1000 / p_scatter),
    greatest(0, s.absolute[2] + (p_on_k * p_failure[2] + v_ok * p_success[2]) * 1000 / p_scatter),
    greatest(0, s.absolute[3] + (p_on_k * p_failure[3] + v_ok * p_success[3]) * 1000 / p_scatter),
    greatest(0, s.absolute[4] + (p_on_k * p_failure[4] + v_ok * p_success[4]) * 1000 / p_scatter),
    greatest(0, s.absolute[5] + (p_on_k * p_failure[5] + v_ok * p_success[5]) * 1000 / p_scatter)];
  s.trouble := least(c_most, greatest(0,
    s.trouble + (p_off_k * p_failure[6] + (p_off - p_off_k) * p_success[6]) * 1000 / p_scatter));
  if p_on > 0 and p_off > 0 and v_k > 0 then
    s.relative := array[
      greatest(0, s.relative[1] + (p_on_k * c_lr[1] + v_k * round(ln(v_n / (1.5::double precision * p_on + p_off)) * 1000000)::bigint) * 1000 / p_scatter),
      greatest(0, s.relative[2] + (p_on_k * c_lr[2] + v_k * round(ln(v_n / (2::double precision * p_on + p_off)) * 1000000)::bigint) * 1000 / p_scatter),
      greatest(0, s.relative[3] + (p_on_k * c_lr[3] + v_k * round(ln(v_n / (3::double precision * p_on + p_off)) * 1000000)::bigint) * 1000 / p_scatter),
      greatest(0, s.relative[4] + (p_on_k * c_lr[4] + v_k * round(ln(v_n / (5::double precision * p_on + p_off)) * 1000000)::bigint) * 1000 / p_scatter),
      greatest(0, s.relative[5] + (p_on_k * c_lr[5] + v_k * round(ln(v_n / (10::double precision * p_on + p_off)) * 1000000)::bigint) * 1000 / p_scatter)];
  end if;
  return s;
end $$;
comment on function private.guard_move(private.guard_series, bigint[], bigint[], bigint, bigint, bigint, bigint, bigint) is
  'Moves each S by outcomes and failures with the flag and without it. See move() in series.ts.';
revoke execute on function private.guard_move(private.guard_series, bigint[], bigint[], bigint, bigint, bigint, bigint, bigint)
  from public, anon, authenticated;

create function private.guard_test(
  p_series private.guard_series, p_failure bigint[], p_success bigint[], p_on private.guard_tally, p_off private.guard_tally
) returns private.guard_series
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  s private.guard_series := p_series;
  v_scatter bigint;
begin
  s."on" := row((s."on").n + p_on.n, (s."on").k + p_on.k, (s."on").q + p_on.q, (s."on").m + p_on.m);
  s.off := row((s.off).n + p_off.n, (s.off).k + p_off.k, (s.off).q + p_off.q, (s.off).m + p_off.m);
  if p_on.k = 0 then
    s.quiet := row((s.quiet)."on" + p_on.n, (s.quiet).off + p_off.n, (s.quiet).failed + p_off.k);
    return s;
  end if;
  v_scatter := greatest(private.guard_scatter(s."on"), private.guard_scatter(s.off));
  s := private.guard_move(s, p_failure, p_success, (s.quiet)."on", 0, (s.quiet).off, (s.quiet).failed, v_scatter);
  s.quiet := row(0, 0, 0);
  return private.guard_move(s, p_failure, p_success, p_on.n, p_on.k, p_off.n, p_off.k, v_scatter);
end $$;
comment on function private.guard_test(private.guard_series, bigint[], bigint[], private.guard_tally, private.guard_tally) is
  'Takes a span of both arms into a series: S moves where somebody with the flag failed. See test() in series.ts.';
revoke execute on function private.guard_test(private.guard_series, bigint[], bigint[], private.guard_tally, private.guard_tally)
  from public, anon, authenticated;
