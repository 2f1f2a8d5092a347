-- The sequential tests of the guard of rollouts. _shared/rollouts/series.ts says what is done and why, and does the same: in
-- whole millionths, with the few fractions in the same order. tests/database/rollout_guard_test.ts holds the two to the same last
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
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  r double precision;
begin
  foreach r in array array[1.5, 2, 3, 5, 10, 2]::double precision[] loop
    r := least(r, 0.95::double precision / p_rate);
    failure := failure || round(ln(r) * 1000000)::bigint;
    success := success || round(ln((1 - r * p_rate) / (1 - p_rate)) * 1000000)::bigint;
  end loop;
end $$;
comment on function private.guard_logs(double precision) is
  'The steps of the absolute tests at an allowed rate: logarithms of likelihood ratios, in millionths.';
revoke execute on function private.guard_logs(double precision) from public, anon, authenticated;

-- One function, and the alternatives written out: calls and loops would take most of the time.
create function private.guard_test(
  p_series private.guard_series, p_failure bigint[], p_success bigint[], p_on private.guard_tally, p_off private.guard_tally
) returns private.guard_series
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  c_most constant bigint := 2 * 4605170;
  c_lr constant bigint[] := array[405465, 693147, 1098612, 1609438, 2302585];
  c_million constant double precision := 1000000;
  s private.guard_series := p_series;
  a private.guard_tally := p_series."on";
  b private.guard_tally := p_series.off;
  q private.guard_quiet := p_series.quiet;
  v_on bigint := q."on";
  v_on_k bigint := 0;
  v_off bigint := q.off;
  v_off_k bigint := q.failed;
  v_ok bigint;
  v_k bigint;
  v_scatter bigint;
  v_n double precision;
begin
  a := row(a.n + p_on.n, a.k + p_on.k, a.q + p_on.q, a.m + p_on.m);
  b := row(b.n + p_off.n, b.k + p_off.k, b.q + p_off.q, b.m + p_off.m);
  s."on" := a;
  s.off := b;
  if p_on.k = 0 then
    s.quiet := row(v_on + p_on.n, v_off + p_off.n, v_off_k + p_off.k);
    return s;
  end if;
  s.quiet := row(0, 0, 0);
  -- The scatter of both arms in thousandths, at least 1000: see scatter() in series.ts.
  v_scatter := greatest(1000,
    case when a.k > 0 and a.k < a.n and a.m >= 2 then floor(1000 * ((a.q / c_million - a.k::double precision * a.k / a.n)
      / (a.k::double precision / a.n * (1 - a.k::double precision / a.n)) + 10) / (a.m - 1 + 10))::bigint end,
    case when b.k > 0 and b.k < b.n and b.m >= 2 then floor(1000 * ((b.q / c_million - b.k::double precision * b.k / b.n)
      / (b.k::double precision / b.n * (1 - b.k::double precision / b.n)) + 10) / (b.m - 1 + 10))::bigint end);
  -- First what was quiet, then this minute.
  loop
    v_ok := v_on - v_on_k;
    s.absolute := array[
      greatest(0, s.absolute[1] + (v_on_k * p_failure[1] + v_ok * p_success[1]) * 1000 / v_scatter),
      greatest(0, s.absolute[2] + (v_on_k * p_failure[2] + v_ok * p_success[2]) * 1000 / v_scatter),
      greatest(0, s.absolute[3] + (v_on_k * p_failure[3] + v_ok * p_success[3]) * 1000 / v_scatter),
      greatest(0, s.absolute[4] + (v_on_k * p_failure[4] + v_ok * p_success[4]) * 1000 / v_scatter),
      greatest(0, s.absolute[5] + (v_on_k * p_failure[5] + v_ok * p_success[5]) * 1000 / v_scatter)];
    s.trouble := least(c_most, greatest(0,
      s.trouble + (v_off_k * p_failure[6] + (v_off - v_off_k) * p_success[6]) * 1000 / v_scatter));
    v_k := v_on_k + v_off_k;
    if v_on > 0 and v_off > 0 and v_k > 0 then
      v_n := v_on + v_off;
      s.relative := array[
        greatest(0, s.relative[1] + (v_on_k * c_lr[1] + v_k * round(ln(v_n / (1.5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, s.relative[2] + (v_on_k * c_lr[2] + v_k * round(ln(v_n / (2::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, s.relative[3] + (v_on_k * c_lr[3] + v_k * round(ln(v_n / (3::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, s.relative[4] + (v_on_k * c_lr[4] + v_k * round(ln(v_n / (5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, s.relative[5] + (v_on_k * c_lr[5] + v_k * round(ln(v_n / (10::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter)];
    end if;
    exit when v_on_k > 0;
    v_on := p_on.n;
    v_on_k := p_on.k;
    v_off := p_off.n;
    v_off_k := p_off.k;
  end loop;
  return s;
end $$;
comment on function private.guard_test(private.guard_series, bigint[], bigint[], private.guard_tally, private.guard_tally) is
  'Takes a span of both arms into a series: S moves where somebody with the flag failed. See test() in series.ts.';
revoke execute on function private.guard_test(private.guard_series, bigint[], bigint[], private.guard_tally, private.guard_tally)
  from public, anon, authenticated;
