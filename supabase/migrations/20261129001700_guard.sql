-- The guard of rollouts, the pure part: whether few failures are few enough, what a stage's minutes say, and whether it has
-- shown enough. _shared/rollouts/{confidence,series,guard,progress}.ts say what is done and why, and do the same;
-- tests/database/rollout_guard_test.ts holds the two to the same last digit.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Confidence: binomial, in the same steps as _shared/rollouts/confidence.ts -----------------------

create function private.ln_factorial(p_n bigint) returns double precision
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  v_product double precision := 1;
  n double precision := p_n;
begin
  if p_n <= 20 then
    for i in 2..p_n loop
      v_product := v_product * i;
    end loop;
    return ln(v_product);
  end if;
  return (n + 0.5::double precision) * ln(n) - n + 0.9189385332046727::double precision
    + 1 / (12 * n) - 1 / (360 * n * n * n);
end $$;
comment on function private.ln_factorial(bigint) is 'ln(n!), by Stirling''s series beyond 20.';

create function private.chance_of_so_few(p_k bigint, p_n bigint, p_rate double precision) returns bigint
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  k double precision := p_k;
  n double precision := p_n;
  v_exponent double precision;
  v_term double precision;
  v_sum double precision;
  i double precision;
begin
  if k >= n * p_rate then
    return 1000000;
  end if;
  v_exponent := private.ln_factorial(p_n) - private.ln_factorial(p_k) - private.ln_factorial(p_n - p_k) + k * ln(p_rate)
    + (n - k) * ln(1 - p_rate);
  if v_exponent < -700 then
    return 0;
  end if;
  v_term := exp(v_exponent);
  v_sum := v_term;
  i := k;
  while i > 0 and v_term > v_sum * 1e-10::double precision loop
    v_term := v_term * i * (1 - p_rate) / ((n - i + 1) * p_rate);
    v_sum := v_sum + v_term;
    i := i - 1;
  end loop;
  return round(v_sum * 1000000);
end $$;
comment on function private.chance_of_so_few(bigint, bigint, double precision) is
  'The chance of k or fewer failures among n at a rate, in millionths; a million where k is no fewer than expected.';

create function private.surely_below(p_failed bigint, p_n bigint, p_limit double precision) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select p_n > 0 and private.chance_of_so_few(p_failed, p_n, p_limit) < 50000
$$;
comment on function private.surely_below(bigint, bigint, double precision) is
  'Whether a rate is below a limit with 95 % confidence (its one-sided Clopper-Pearson upper bound is).';

-- The sequential tests, in whole millionths, with the few fractions in the same order -------------

create type private.guard_tally as (n bigint, k bigint, q bigint, m bigint);
comment on type private.guard_tally is
  'How one thing lies over the minutes of an arm: outcomes, failures among them, the sum of k^2 / n in millionths, minutes.';

create type private.guard_quiet as ("on" bigint, off bigint, failed bigint);
comment on type private.guard_quiet is
  'Outcomes of both arms, and failures without the flag, since somebody with the flag last failed.';

create type private.guard_suspicion as (calm bigint, suspect bigint, lasting bigint, certain bigint);
comment on type private.guard_suspicion is
  'Since which minutes S of a comparison is where it is: see Suspicion in series.ts.';

create type private.guard_series as (
  "on" private.guard_tally, off private.guard_tally, quiet private.guard_quiet, absolute bigint[], relative bigint[], trouble bigint,
  relation private.guard_suspicion, shared bigint, rose bigint
);
comment on type private.guard_series is
  'One thing watched, failures or slow ones: tallies of both arms, what is not yet in S, S of the five alternatives of both tests, S of the arm without the flag, how long the comparison has been where it is, and since when the other arm has been in trouble.';

create type private.guard_places as (n bigint, v bigint, vv bigint);
comment on type private.guard_places is 'Latencies of an arm by their places among the edges: how many, the sum, the sum of the squares.';

create type private.guard_places_of_both as ("on" private.guard_places, off private.guard_places);
comment on type private.guard_places_of_both is 'The places of both arms.';

create type private.guard_shift as (
  "on" private.guard_places, off private.guard_places, quiet private.guard_places_of_both, s bigint[], relation private.guard_suspicion
);
comment on type private.guard_shift is 'Whether people with the flag wait longer: see Shift in shift.ts.';

create function private.guard_suspects(
  p_suspicion private.guard_suspicion, p_minute bigint, p_before bigint, p_after bigint, p_absolute bigint
)
returns private.guard_suspicion
language sql immutable parallel safe set search_path = '' as $$
  select row(
    case when least(p_before, p_after) < 1000000 then p_minute else p_suspicion.calm end,
    case when p_after < 3688879 or p_absolute < 1000000 then 0 when p_suspicion.suspect = 0 then p_minute else p_suspicion.suspect end,
    case when p_after < 4605170 or p_absolute < 10819778 then 0 when p_suspicion.lasting = 0 then p_minute else p_suspicion.lasting end,
    case when p_after < 10819778 then 0 when p_suspicion.certain = 0 then p_minute else p_suspicion.certain end
  )::private.guard_suspicion
$$;
comment on function private.guard_suspects(private.guard_suspicion, bigint, bigint, bigint, bigint) is
  'Notes S of a comparison after a minute, what it was before, and S of the absolute test.';

create function private.guard_blames(
  p_suspicion private.guard_suspicion, p_minute bigint, p_s bigint, p_enough bigint, p_troubled boolean, p_trouble bigint, p_rose bigint
)
returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select (p_troubled or p_rose <> p_minute) and ((not p_troubled and p_trouble < 1609438 and p_suspicion.lasting > 0 and p_minute - p_suspicion.lasting >= 10)
    or (p_s >= p_enough and p_suspicion.certain > 0 and p_minute - p_suspicion.certain >= case when p_troubled then 10 else 5 end)
    or (p_s >= p_enough and not p_troubled and p_s < p_enough + 5500000 and p_suspicion.suspect > 0
      and p_minute - p_suspicion.suspect >= 5 and p_minute - p_suspicion.calm <= 15))
$$;
comment on function private.guard_blames(private.guard_suspicion, bigint, bigint, bigint, boolean, bigint, bigint) is
  'Whether S of a comparison blames the flag, and has for longer than the other arm may be late. See blames() in series.ts.';

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

-- One function, and the arms and alternatives written out: a call for the scatter of each arm alone would cost a tenth more.
create function private.guard_test(
  p_series private.guard_series, p_failure bigint[], p_success bigint[], p_minute bigint,
  p_on private.guard_tally, p_off private.guard_tally
) returns private.guard_series
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  c_most constant bigint := 2 * 4605170;
  c_lr constant bigint[] := array[405465, 693147, 1098612, 1609438, 2302585];
  c_million constant double precision := 1000000;
  v_series private.guard_series := p_series;
  v_with private.guard_tally := p_series."on";
  v_without private.guard_tally := p_series.off;
  v_on bigint := (p_series.quiet)."on";
  v_on_k bigint := 0;
  v_off bigint := (p_series.quiet).off;
  v_off_k bigint := (p_series.quiet).failed;
  v_ok bigint;
  v_k bigint;
  v_scatter bigint;
  v_n double precision;
  v_before bigint;
  v_healthier bigint;
begin
  v_with := row(v_with.n + p_on.n, v_with.k + p_on.k, v_with.q + p_on.q, v_with.m + p_on.m);
  v_without := row(v_without.n + p_off.n, v_without.k + p_off.k, v_without.q + p_off.q, v_without.m + p_off.m);
  v_series."on" := v_with;
  v_series.off := v_without;
  if p_on.k = 0 then
    v_series.quiet := row(v_on + p_on.n, v_off + p_off.n, v_off_k + p_off.k);
    return v_series;
  end if;
  v_series.quiet := row(0, 0, 0);
  -- The scatter of both arms in thousandths, at least 1000: see scatter() in series.ts.
  v_scatter := greatest(1000,
    case when v_with.k > 0 and v_with.k < v_with.n and v_with.m >= 2 then
      floor(1000 * ((v_with.q / c_million - v_with.k::double precision * v_with.k / v_with.n)
        / (v_with.k::double precision / v_with.n * (1 - v_with.k::double precision / v_with.n)) + 10) / (v_with.m - 1 + 10))::bigint end,
    case when v_without.k > 0 and v_without.k < v_without.n and v_without.m >= 2 then
      floor(1000 * ((v_without.q / c_million - v_without.k::double precision * v_without.k / v_without.n)
        / (v_without.k::double precision / v_without.n * (1 - v_without.k::double precision / v_without.n)) + 10) / (v_without.m - 1 + 10))::bigint end);
  -- First what was quiet, then this minute.
  loop
    v_ok := v_on - v_on_k;
    v_series.absolute := array[
      greatest(0, v_series.absolute[1] + (v_on_k * p_failure[1] + v_ok * p_success[1]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[2] + (v_on_k * p_failure[2] + v_ok * p_success[2]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[3] + (v_on_k * p_failure[3] + v_ok * p_success[3]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[4] + (v_on_k * p_failure[4] + v_ok * p_success[4]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[5] + (v_on_k * p_failure[5] + v_ok * p_success[5]) * 1000 / v_scatter)];
    v_series.trouble := least(c_most, greatest(0,
      v_series.trouble + v_off_k * p_failure[6] + (v_off - v_off_k) * p_success[6]));
    v_k := v_on_k + v_off_k;
    if v_on > 0 and v_off > 0 and v_k > 0 then
      v_n := v_on + v_off;
      v_series.relative := array[
        greatest(0, v_series.relative[1] + (v_on_k * c_lr[1] + v_k * round(ln(v_n / (1.5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[2] + (v_on_k * c_lr[2] + v_k * round(ln(v_n / (2::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[3] + (v_on_k * c_lr[3] + v_k * round(ln(v_n / (3::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[4] + (v_on_k * c_lr[4] + v_k * round(ln(v_n / (5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[5] + (v_on_k * c_lr[5] + v_k * round(ln(v_n / (10::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter)];
    end if;
    -- What the flag seemed to do alone, the other arm does too, and may only have been late to say so.
    if v_series.trouble >= 4605170 and v_series.shared = 0 then
      v_series.shared := p_minute;
      v_series.relative := array[0, 0, 0, 0, 0];
    elsif v_series.trouble = 0 then
      v_series.shared := 0;
    end if;
    exit when v_on_k > 0;
    v_before := greatest(v_series.relative[1], v_series.relative[2], v_series.relative[3], v_series.relative[4], v_series.relative[5]);
    v_healthier := v_series.trouble;
    v_on := p_on.n;
    v_on_k := p_on.k;
    v_off := p_off.n;
    v_off_k := p_off.k;
  end loop;
  if v_series.trouble > v_healthier then
    v_series.rose := p_minute;
  end if;
  v_series.relation := private.guard_suspects(v_series.relation, p_minute, v_before,
    greatest(v_series.relative[1], v_series.relative[2], v_series.relative[3], v_series.relative[4], v_series.relative[5]),
    greatest(v_series.absolute[1], v_series.absolute[2], v_series.absolute[3], v_series.absolute[4], v_series.absolute[5]));
  return v_series;
end $$;
comment on function private.guard_test(private.guard_series, bigint[], bigint[], bigint, private.guard_tally, private.guard_tally) is
  'Takes a span of both arms into a series: S moves where somebody with the flag failed. See test() in series.ts.';

create function private.guard_compare(
  p_shift private.guard_shift, p_minute bigint, p_on private.guard_places, p_off private.guard_places, p_moves boolean,
  p_absolute bigint
) returns private.guard_shift
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  v_shift private.guard_shift := p_shift;
  v_with private.guard_places := p_shift."on";
  v_without private.guard_places := p_shift.off;
  a private.guard_places := (p_shift.quiet)."on";
  b private.guard_places := (p_shift.quiet).off;
  c_nothing constant private.guard_places := row(0, 0, 0);
  v_spread double precision;
  v_apart double precision;
  v_weight double precision;
  v_before bigint;
  v_healthier bigint;
begin
  v_with := row(v_with.n + p_on.n, v_with.v + p_on.v, v_with.vv + p_on.vv);
  v_without := row(v_without.n + p_off.n, v_without.v + p_off.v, v_without.vv + p_off.vv);
  a := row(a.n + p_on.n, a.v + p_on.v, a.vv + p_on.vv);
  b := row(b.n + p_off.n, b.v + p_off.v, b.vv + p_off.vv);
  v_shift."on" := v_with;
  v_shift.off := v_without;
  if not p_moves then
    v_shift.quiet := row(a, b);
    return v_shift;
  end if;
  v_shift.quiet := row(c_nothing, c_nothing);
  if a.n = 0 or b.n = 0 then
    return v_shift;
  end if;
  v_spread := v_with.vv - v_with.v::double precision * v_with.v / v_with.n
    + (v_without.vv - v_without.v::double precision * v_without.v / v_without.n);
  v_apart := (a.v::double precision / a.n - b.v::double precision / b.n)
    / sqrt(greatest(1::double precision, v_spread / greatest(1, v_with.n + v_without.n - 2)));
  v_weight := a.n::double precision * b.n / (a.n + b.n);
  v_before := greatest(v_shift.s[1], v_shift.s[2]);
  v_shift.s := array[
    greatest(0, v_shift.s[1] + floor(v_weight * (0.5::double precision * v_apart - 0.125::double precision) * 1000000 + 0.5::double precision)::bigint),
    greatest(0, v_shift.s[2] + floor(v_weight * (1::double precision * v_apart - 0.5::double precision) * 1000000 + 0.5::double precision)::bigint)];
  v_shift.relation := private.guard_suspects(v_shift.relation, p_minute, v_before, greatest(v_shift.s[1], v_shift.s[2]), p_absolute);
  return v_shift;
end $$;
comment on function private.guard_compare(private.guard_shift, bigint, private.guard_places, private.guard_places, boolean, bigint) is
  'Takes the latencies of a span of both arms into a comparison. See compare() in shift.ts.';

-- What is watched and asked for -------------------------------------------------------------------

-- On the first day of a stage its tighter triggers are watched, until the minute that private.sharp_until says.
create function private.guard_watch(p_stage public.rollout_stages, p_sharp boolean) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'control', p_stage.percentage < 100,
    'error_rate', coalesce(case when p_sharp then p_stage.first_day -> 'error_rate_above' end, p_stage.roll_back_when -> 'error_rate_above'),
    'p95_ms', coalesce(case when p_sharp then p_stage.first_day -> 'p95_ms_above' end, p_stage.roll_back_when -> 'p95_ms_above'),
    'plain', case when p_stage.roll_back_when ? 'plain' then jsonb_build_object(
      'minutes', p_stage.roll_back_when #> '{plain,minutes}',
      'min_samples', p_stage.roll_back_when #> '{plain,min_samples}',
      'error_rate', p_stage.roll_back_when #> '{plain,error_rate_above}',
      'mean_ms', p_stage.roll_back_when #> '{plain,mean_ms_above}') end,
    'no_errors', coalesce(p_stage.advance_when -> 'no_errors' = 'true', false))
    || case when p_stage.first_day is not null then jsonb_build_object('sharp', p_sharp) else '{}' end
$$;
comment on function private.guard_watch(public.rollout_stages, boolean) is 'What the guard watches during a stage: on its first day (p_sharp) by its tighter triggers, where it has some.';

create function private.sharp_until(p_stage public.rollout_stages) returns bigint
language sql immutable set search_path = '' as $$
  select case when p_stage.first_day is not null then floor(extract(epoch from p_stage.entered_at) / 60)::bigint + 1440 else 0 end
$$;
comment on function private.sharp_until(public.rollout_stages) is 'The first minute since 1970 that is judged by the usual triggers of a stage again; 0 where it has no others.';

create function private.guard_criteria(p_stage public.rollout_stages) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('hold_minutes', p_stage.hold_minutes, 'min_samples', p_stage.min_samples,
    'error_rate', p_stage.advance_when -> 'error_rate_below', 'p95_ms', p_stage.advance_when -> 'p95_ms_below',
    'percentage', case when p_stage.percentage > 0 and p_stage.percentage < 100 then trim_scale(p_stage.percentage) end)
$$;
comment on function private.guard_criteria(public.rollout_stages) is 'What a stage asks for before the next one.';

-- The minutes -------------------------------------------------------------------------------------

create function private.guard_begin(p_minute bigint) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('minute', p_minute - 1, 'since', p_minute, 'window', p_minute, 'heard', 0,
    'seen', '{"n": 0, "failed": 0, "timed": 0, "late": 0}'::jsonb, 'arms', '{"on": 0, "off": 0, "busiest": 0, "silent": 0, "told": 0, "alone": 0}'::jsonb,
    'broken', 0, 'errors', series.empty, 'slow', series.empty, 'shift', '{"on": {"n": 0, "v": 0, "vv": 0},
      "off": {"n": 0, "v": 0, "vv": 0}, "quiet": {"on": {"n": 0, "v": 0, "vv": 0}, "off": {"n": 0, "v": 0, "vv": 0}},
      "s": [0, 0], "relation": {"calm": 0, "suspect": 0, "lasting": 0, "certain": 0}}'::jsonb)
  from (select '{"on": {"n": 0, "k": 0, "q": 0, "m": 0}, "off": {"n": 0, "k": 0, "q": 0, "m": 0},
    "quiet": {"on": 0, "off": 0, "failed": 0}, "absolute": [0, 0, 0, 0, 0], "relative": [0, 0, 0, 0, 0],
    "trouble": 0, "relation": {"calm": 0, "suspect": 0, "lasting": 0, "certain": 0}, "shared": 0, "rose": 0}'::jsonb as empty) series
$$;
comment on function private.guard_begin(bigint) is 'What the guard remembers at the beginning of a stage whose first whole minute this is.';

create function private.guard_relax(p_state jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select p_state || jsonb_build_object('errors', b.state -> 'errors', 'slow', b.state -> 'slow', 'shift', b.state -> 'shift')
  from (select private.guard_begin(0) as state) b
$$;
comment on function private.guard_relax(jsonb) is
  'What the guard remembers once other limits hold: what it has seen, and no S, which was measured by the limits before. See relax() in guard.ts.';

create function private.robust_ms(p_ms bigint, p_timed integer, p_le integer[], p_slow_again integer[], p_limit double precision)
returns bigint
language sql immutable parallel safe set search_path = '' as $$
  select least(p_ms, trunc(sum((least(e.edge, 3 * p_limit) - e.before) * e.slower))::bigint)
  from (
    select t.edge, coalesce(lag(t.edge) over w, 0) as before,
      case when t.i = 1 then p_timed else p_timed - lag(t.count) over w - coalesce(lag(t.again) over w, 0) end as slower
    from unnest(private.latency_edges(), p_le, p_slow_again) with ordinality as t (edge, count, again, i)
    window w as (order by t.i)
  ) e
  where least(e.edge, 3 * p_limit) > e.before
$$;
comment on function private.robust_ms(bigint, integer, integer[], integer[], double precision) is
  'Milliseconds of a minute''s outcomes for a mean that few slow ones do not move. See robustMs() in minutes.ts; the caller asks only where the mean is above the limit.';

-- In one pass over the index. A day has 1,440 minutes and few in which somebody with the flag fails: those between are added
-- up here, not one by one in a loop.
create function private.guard_spans(
  p_flag_key text, p_slow integer, p_late integer, p_plain integer, p_mean double precision, p_from bigint, p_to bigint
)
returns table (
  minute bigint, on_n bigint, on_failed bigint, on_timed bigint, on_slow bigint, on_late bigint, on_ms bigint,
  off_n bigint, off_failed bigint, off_timed bigint, off_slow bigint, off_ms bigint, heard bigint,
  on_minutes bigint, on_timed_minutes bigint, off_minutes bigint, off_timed_minutes bigint, off_failed_q bigint, off_slow_q bigint,
  on_again bigint, on_slow_again bigint, off_again bigint, off_slow_again bigint, on_score bigint, on_score2 bigint, off_score bigint,
  off_score2 bigint, busiest bigint, unheard bigint, told bigint, alone bigint
)
-- plpgsql keeps the plan. A flag's minutes lie one on a page, in the order of the index: a bitmap of them would only cost.
language plpgsql stable set search_path = '' set jit = off set enable_bitmapscan = off as $$
#variable_conflict use_column
begin
  return query
  select date_part('epoch', max(s.minute))::bigint / 60, coalesce(sum(s.on_n), 0), coalesce(sum(s.on_failed), 0),
    coalesce(sum(s.on_timed), 0), coalesce(sum(s.on_slow), 0), coalesce(sum(s.on_late), 0), coalesce(sum(s.on_ms), 0)::bigint,
    coalesce(sum(s.off_n), 0), coalesce(sum(s.off_failed), 0), coalesce(sum(s.off_timed), 0), coalesce(sum(s.off_slow), 0),
    coalesce(sum(s.off_ms), 0)::bigint,
    coalesce(date_part('epoch', max(s.heard))::bigint / 60, 0),
    count(s.on_n), count(nullif(s.on_timed, 0)), count(s.off_n), count(nullif(s.off_timed, 0)),
    coalesce(sum((s.off_failed - s.off_again)::bigint * (s.off_failed - s.off_again) * 1000000 / s.off_n)
      filter (where s.off_failed > s.off_again), 0)::bigint,
    coalesce(sum((s.off_slow - s.off_slow_again)::bigint * (s.off_slow - s.off_slow_again) * 1000000 / s.off_timed)
      filter (where s.off_slow > s.off_slow_again), 0)::bigint,
    coalesce(sum(s.on_again), 0), coalesce(sum(s.on_slow_again), 0), coalesce(sum(s.off_again), 0), coalesce(sum(s.off_slow_again), 0),
    coalesce(sum(s.on_score), 0)::bigint, coalesce(sum(s.on_score2), 0)::bigint, coalesce(sum(s.off_score), 0)::bigint,
    coalesce(sum(s.off_score2), 0)::bigint, max(coalesce(s.on_n, 0) + coalesce(s.off_n, 0))::bigint,
    coalesce(max(s.off_so_far) - max(s.off_so_far) filter (where s.heard is not null), sum(s.off_n), 0)::bigint,
    coalesce(date_part('epoch', max(s.told))::bigint / 60, 0),
    coalesce(max(s.on_so_far) - max(s.on_so_far) filter (where s.told is not null), sum(s.on_n), 0)::bigint
  from (
    -- Odd in a minute in which somebody with the flag failed or was slow, even in those between.
    select coalesce(a.minute, b.minute) as minute, a.minute as heard, b.minute as told, a.n as on_n, a.failed as on_failed, a.timed as on_timed, a.slow as on_slow,
      a.late as on_late, a.ms as on_ms, a.again as on_again, a.slow_again as on_slow_again, a.score as on_score, a.score2 as on_score2,
      b.n as off_n, b.failed as off_failed, b.timed as off_timed, b.slow as off_slow, b.ms as off_ms, b.again as off_again,
      b.slow_again as off_slow_again, b.score as off_score, b.score2 as off_score2,
      sum(coalesce(b.n, 0)) over (order by coalesce(a.minute, b.minute)) as off_so_far,
      sum(coalesce(a.n, 0)) over (order by coalesce(a.minute, b.minute)) as on_so_far,
      2 * count(*) filter (where a.moves or p_plain is not null) over (order by coalesce(a.minute, b.minute))
        - coalesce(a.moves or p_plain is not null, false)::integer as span
    from (
      select o.*, o.failed > 0 or o.slow > 0 as moves
      from (
        select m.minute, m.n, m.failed, m.timed, coalesce(m.timed - m.le[p_slow], 0) as slow,
          coalesce(m.timed - m.le[p_late], 0) as late,
          case when p_plain is null then null when m.ms > p_mean * m.timed
            then private.robust_ms(m.ms, m.timed, m.le, m.slow_again, p_mean) else m.ms end as ms,
          m.failed_again as again, coalesce(m.slow_again[p_slow], 0) as slow_again,
          case when p_slow is not null then m.score end as score, case when p_slow is not null then m.score2 end as score2
        from public.flag_metrics m
        where m.flag_key = p_flag_key and m.arm = 'on' and m.n > 0
          and m.minute >= to_timestamp(p_from * 60.0) and m.minute <= to_timestamp(p_to * 60.0)
        offset 0
      ) o
    ) a
    full join (
      select m.minute, m.n, m.failed, m.timed, coalesce(m.timed - m.le[p_slow], 0) as slow,
        case when p_plain is null then null when m.ms > p_mean * m.timed
          then private.robust_ms(m.ms, m.timed, m.le, m.slow_again, p_mean) else m.ms end as ms,
        m.failed_again as again, coalesce(m.slow_again[p_slow], 0) as slow_again,
        case when p_slow is not null then m.score end as score, case when p_slow is not null then m.score2 end as score2
      from public.flag_metrics m
      where m.flag_key = p_flag_key and m.arm = 'off' and m.n > 0
        and m.minute >= to_timestamp(p_from * 60.0) and m.minute <= to_timestamp(p_to * 60.0)
      offset 0
    ) b on b.minute = a.minute
  ) s
  group by s.span
  order by 1;
end $$;
comment on function private.guard_spans(text, integer, integer, integer, double precision, bigint, bigint) is
  'A flag''s minutes in spans, as rows of evidence have them (see SpanRow in replay.ts): a minute in which somebody with the flag failed or was slower than edge p_slow is one of its own, and so is each where plain thresholds are watched (p_plain, with the mean p_mean; milliseconds are added up only then).';

create type private.guard_seen as (n bigint, failed bigint, timed bigint, late bigint);
comment on type private.guard_seen is 'Outcomes with the flag on since the stage began or began anew: all, failed, timed, and slower than the stage asks for.';

create type private.guard_arms as ("on" bigint, off bigint, busiest bigint, silent bigint, told bigint, alone bigint);
comment on type private.guard_arms is
  'Outcomes of both arms since the stage began, those of the busiest minute, and those without the flag since somebody with it was last heard of.';

create type private.guard_state as (
  minute bigint, since bigint, "window" bigint, heard bigint, seen private.guard_seen, arms private.guard_arms, broken bigint,
  errors private.guard_series, slow private.guard_series, shift private.guard_shift
);
comment on type private.guard_state is
  'What the guard remembers, as rollouts.guard has it: the last minute taken in, the minute from which seen counts, the one from which plain thresholds look, the last one with an outcome, both arms, the one since which the mean is above its threshold, and what is watched. See State in guard.ts.';

create type private.guard_taken as (state jsonb, alarm jsonb, minutes jsonb, path jsonb);
comment on type private.guard_taken is
  'What became of minutes: the state after them, the alarm {verdict, rule, minute} that they ended in, the spans as they were read, the path of S.';

-- The sequential tests, after a minute that moved S. Errors and slow ones are judged alike: the flag's own fault first,
-- then what plain thresholds say, then what happens with the flag on, whoever is to blame.
create function private.guard_judge(
  p_errors private.guard_series, p_slow private.guard_series, p_shift private.guard_shift, p_minute bigint, p_failed boolean, p_slowed boolean,
  p_control boolean, inout verdict text, inout rule text
)
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  c_alarm constant bigint := 10819778;
  c_supported constant bigint := 6907755;
  c_unsupported constant bigint := 12206073;
  c_longer constant bigint := 11512925;
  c_seems constant bigint := 2302585;
  c_unclear constant bigint := 4 * 10819778;
  c_trouble constant bigint := 4605170;
  c_names constant text[] := array['error_rate', 'p95'];
  v_series private.guard_series[] := array[p_errors, p_slow];
  v_moved boolean[] := array[p_failed, p_slowed];
  v_troubled boolean := p_errors.shared > 0 or p_slow.shared > 0;
  v_absolute bigint[];
  v_s bigint;
  v_enough bigint;
  v_one private.guard_series;
begin
  for i in 1..2 loop
    v_one := v_series[i];
    v_absolute[i] := (select max(t.s) from unnest(v_one.absolute) as t (s));
    continue when not p_control or not v_moved[i];
    v_s := (select max(t.s) from unnest(v_one.relative) as t (s));
    v_enough := case when v_troubled then 2 * c_alarm when v_absolute[i] >= c_alarm then c_supported
      when v_absolute[i] >= c_seems then c_alarm else c_unsupported end;
    if private.guard_blames(v_one.relation, p_minute, v_s, v_enough, v_troubled, v_one.trouble, v_one.rose) then
      verdict := 'roll_back';
      rule := c_names[i] || '_relative';
      return;
    end if;
  end loop;
  if p_control and p_slowed and v_absolute[2] >= c_seems then
    v_s := greatest(p_shift.s[1], p_shift.s[2]);
    v_enough := case when v_troubled then 2 * c_alarm else c_longer end;
    if private.guard_blames(p_shift.relation, p_minute, v_s, v_enough, v_troubled, p_slow.trouble, 0) then
      verdict := 'roll_back';
      rule := 'p95_relative';
      return;
    end if;
  end if;
  if verdict is not null then
    return;
  end if;
  for i in 1..2 loop
    v_one := v_series[i];
    continue when v_absolute[i] < c_alarm;
    if not p_control then
      verdict := 'roll_back';
      rule := c_names[i] || '_absolute';
      return;
    elsif (v_one.off).n * 20 < (v_one."on").n then
      verdict := 'page';
      rule := c_names[i] || '_no_control';
      return;
    elsif v_one.trouble >= c_trouble or v_absolute[i] >= c_unclear then
      verdict := 'page';
      rule := c_names[i] || case when v_one.trouble >= c_trouble then '_absolute' else '_unclear' end;
      return;
    end if;
  end loop;
end $$;
comment on function private.guard_judge(private.guard_series, private.guard_series, private.guard_shift, bigint, boolean, boolean, boolean, text, text) is
  'What the sequential tests say: roll_back or page, and the rule; given which of them moved, and what plain thresholds said, which comes second.';

create function private.guard_take(p_flag_key text, p_watch jsonb, p_late_ms integer, p_state jsonb, p_to bigint)
returns private.guard_taken
language plpgsql stable set search_path = '' as $$
declare
  c_alarm constant bigint := 10819778;
  -- Below it no test has anything to say.
  c_lasting constant bigint := 4605170;
  c_zeros constant bigint[] := array[0, 0, 0, 0, 0];
  v_control boolean := (p_watch ->> 'control')::boolean;
  v_rate double precision := (p_watch ->> 'error_rate')::double precision;
  v_edge integer := array_position(private.latency_edges(), (p_watch ->> 'p95_ms')::integer);
  v_no_errors boolean := (p_watch ->> 'no_errors')::boolean;
  v_plain integer := (p_watch #>> '{plain,minutes}')::integer;
  v_plain_samples bigint := (p_watch #>> '{plain,min_samples}')::bigint;
  v_plain_rate double precision := (p_watch #>> '{plain,error_rate}')::double precision;
  v_plain_ms double precision := (p_watch #>> '{plain,mean_ms}')::double precision;
  v_state private.guard_state := jsonb_populate_record(null::private.guard_state, p_state);
  v_seen private.guard_seen := v_state.seen;
  v_errors private.guard_series := v_state.errors;
  v_slow private.guard_series := v_state.slow;
  v_shift private.guard_shift := v_state.shift;
  v_arms private.guard_arms := v_state.arms;
  v_failed boolean;
  v_slowed boolean;
  v_error_logs record;
  v_slow_logs record;
  v_span record;
  v_moved boolean;
  -- S of the alternative that it is largest for.
  v_errors_absolute bigint;
  v_errors_relative bigint;
  v_slow_absolute bigint;
  v_slow_relative bigint;
  v_verdict text;
  v_rule text;
  v_said text;
  v_said_rule text;
  v_minutes jsonb[] := '{}';
  v_path jsonb[] := '{}';
begin
  select * into v_error_logs from private.guard_logs(v_rate);
  select * into v_slow_logs from private.guard_logs(0.05);

  for v_span in
    -- With what the plain thresholds say of both arms over the last minutes.
    select t.*,
      case when t.w_on_n >= v_plain_samples and t.w_on_failed > v_plain_rate * t.w_on_n then 'error_rate_plain'
        when t.w_on_timed >= v_plain_samples and t.w_on_ms > v_plain_ms * t.w_on_timed then 'mean_plain' end as plain_rule,
      v_control and (coalesce(t.w_off_n >= v_plain_samples and t.w_off_failed > v_plain_rate * t.w_off_n, false)
        or t.w_off_n * 20 < t.w_on_n) as errors_shared,
      v_control and (coalesce(t.w_off_timed >= v_plain_samples and t.w_off_ms > v_plain_ms * t.w_off_timed, false)
        or t.w_off_n * 20 < t.w_on_n) as mean_shared
    from (
      select g.*, sum(g.on_n) over w as w_on_n, sum(g.on_failed - g.on_again) over w as w_on_failed,
        sum(g.on_timed) over w as w_on_timed, sum(g.on_ms) over w as w_on_ms, sum(g.off_n) over w as w_off_n,
        sum(g.off_failed - g.off_again) over w as w_off_failed, sum(g.off_timed) over w as w_off_timed, sum(g.off_ms) over w as w_off_ms
      from private.guard_spans(p_flag_key, v_edge, array_position(private.latency_edges(), p_late_ms), v_plain, v_plain_ms,
        greatest(v_state."window", v_state.minute - coalesce(v_plain, 0) + 1), p_to) g
      window w as (order by g.minute range between coalesce(v_plain, 1) - 1 preceding and current row)
    ) t
    order by t.minute
  loop
    v_minutes := v_minutes || jsonb_build_array(v_span.minute, v_span.on_n, v_span.on_failed, v_span.on_timed, v_span.on_slow,
      v_span.on_late, v_span.on_ms, v_span.off_n, v_span.off_failed, v_span.off_timed, v_span.off_slow, v_span.off_ms,
      v_span.heard, v_span.on_minutes, v_span.on_timed_minutes, v_span.off_minutes, v_span.off_timed_minutes,
      v_span.off_failed_q, v_span.off_slow_q, v_span.on_again, v_span.on_slow_again, v_span.off_again, v_span.off_slow_again,
      v_span.on_score, v_span.on_score2, v_span.off_score, v_span.off_score2, v_span.busiest, v_span.unheard, v_span.told,
      v_span.alone);
    continue when v_span.minute <= v_state.minute;
    v_state.minute := v_span.minute;
    v_state.heard := greatest(v_state.heard, v_span.heard);
    v_seen := row(v_seen.n + v_span.on_n, v_seen.failed + v_span.on_failed, v_seen.timed + v_span.on_timed,
      v_seen.late + v_span.on_late);
    v_arms := row(v_arms."on" + v_span.on_n, v_arms.off + v_span.off_n, greatest(v_arms.busiest, v_span.busiest),
      case when v_span.heard > 0 then v_span.unheard else v_arms.silent + v_span.unheard end,
      greatest(v_arms.told, v_span.told), case when v_span.told > 0 then v_span.alone else v_arms.alone + v_span.alone end);
    v_failed := false;
    v_slowed := false;
    if v_rate is not null then
      v_failed := v_span.on_failed > v_span.on_again;
      v_errors := private.guard_test(v_errors, v_error_logs.failure, v_error_logs.success, v_span.minute,
        row(v_span.on_n, v_span.on_failed - v_span.on_again,
          case when v_failed then (v_span.on_failed - v_span.on_again) * (v_span.on_failed - v_span.on_again) * 1000000 / v_span.on_n else 0 end,
          v_span.on_minutes),
        row(v_span.off_n, v_span.off_failed - v_span.off_again, v_span.off_failed_q, v_span.off_minutes));
    end if;
    if v_edge is not null then
      v_slowed := v_span.on_slow > v_span.on_slow_again;
      v_slow := private.guard_test(v_slow, v_slow_logs.failure, v_slow_logs.success, v_span.minute,
        row(v_span.on_timed, v_span.on_slow - v_span.on_slow_again,
          case when v_slowed then (v_span.on_slow - v_span.on_slow_again) * (v_span.on_slow - v_span.on_slow_again) * 1000000 / v_span.on_timed else 0 end,
          v_span.on_timed_minutes),
        row(v_span.off_timed, v_span.off_slow - v_span.off_slow_again, v_span.off_slow_q, v_span.off_timed_minutes));
      v_shift := private.guard_compare(v_shift, v_span.minute, row(v_span.on_timed, v_span.on_score, v_span.on_score2),
        row(v_span.off_timed, v_span.off_score, v_span.off_score2), v_slowed,
        greatest(v_slow.absolute[1], v_slow.absolute[2], v_slow.absolute[3], v_slow.absolute[4], v_slow.absolute[5]));
      if v_slow.shared = v_span.minute then
        v_shift.s := array[0, 0];
        v_shift.relation := row(0, 0, 0, 0);
      end if;
    end if;
    v_moved := v_failed or v_slowed;
    v_errors_absolute := greatest(v_errors.absolute[1], v_errors.absolute[2], v_errors.absolute[3], v_errors.absolute[4], v_errors.absolute[5]);
    v_errors_relative := greatest(v_errors.relative[1], v_errors.relative[2], v_errors.relative[3], v_errors.relative[4], v_errors.relative[5]);
    v_slow_absolute := greatest(v_slow.absolute[1], v_slow.absolute[2], v_slow.absolute[3], v_slow.absolute[4], v_slow.absolute[5]);
    v_slow_relative := greatest(v_slow.relative[1], v_slow.relative[2], v_slow.relative[3], v_slow.relative[4], v_slow.relative[5]);
    v_path := v_path || jsonb_build_array(v_span.minute, v_errors_absolute, v_errors_relative, v_slow_absolute, v_slow_relative);

    v_rule := v_span.plain_rule;
    v_verdict := case when v_rule is null then null
      when case v_rule when 'error_rate_plain' then v_span.errors_shared else v_span.mean_shared end then 'page' else 'roll_back' end;
    if v_moved and greatest(v_errors_absolute, v_errors_relative, v_slow_absolute, v_slow_relative, v_shift.s[1], v_shift.s[2]) >= c_lasting then
      select j.verdict, j.rule into v_said, v_said_rule from private.guard_judge(v_errors, v_slow, v_shift, v_span.minute, v_failed, v_slowed, v_control, null, null) j;
    else
      v_said := null;
      v_said_rule := null;
    end if;
    -- The flag's own fault comes first, and is decided before a mean is looked at.
    if v_said = 'roll_back' and v_said_rule like '%\_relative' then
      v_verdict := v_said;
      v_rule := v_said_rule;
    else
      -- A mean has to stay above its threshold for as long as the other arm may be late.
      if v_rule is null then
        v_state.broken := 0;
      elsif v_rule = 'mean_plain' and v_verdict = 'roll_back' then
        if v_state.broken = 0 then
          v_state.broken := v_span.minute;
        end if;
        if v_control and v_span.minute - v_state.broken < 5 then
          v_verdict := null;
          v_rule := null;
        end if;
      end if;
      if v_verdict is null then
        v_verdict := v_said;
        v_rule := v_said_rule;
      end if;
    end if;
    exit when v_verdict = 'roll_back';
    -- The stage begins anew behind an incident, and behind what it must be free of.
    if v_verdict is not null or (v_no_errors and v_span.on_failed > 0)
      or (v_moved and greatest(v_errors_absolute, v_slow_absolute) >= c_alarm) then
      v_state.since := v_span.minute + 1;
      v_seen := row(0, 0, 0, 0);
    end if;
    if v_verdict is not null then
      v_errors.absolute := c_zeros;
      v_slow.absolute := c_zeros;
      v_state."window" := v_state.since;
      v_state.broken := 0;
      exit;
    end if;
  end loop;

  v_state.seen := v_seen;
  v_state.errors := v_errors;
  v_state.slow := v_slow;
  v_state.arms := v_arms;
  v_state.shift := v_shift;
  return row(to_jsonb(v_state),
    case when v_verdict is not null then jsonb_build_object('verdict', v_verdict, 'rule', v_rule, 'minute', v_state.minute) end,
    to_jsonb(v_minutes), to_jsonb(v_path));
end $$;
comment on function private.guard_take(text, jsonb, integer, jsonb, bigint) is
  'Takes a flag''s minutes after state.minute up to p_to into the state, up to the first alarm. The spans hold the last minutes before state.minute too, where plain thresholds need them. See take() in guard.ts.';

create function private.guard_progress(p_criteria jsonb, p_state jsonb, p_started_ms bigint, p_now_ms bigint) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_hold bigint := (p_criteria ->> 'hold_minutes')::bigint;
  v_n bigint := (p_state #>> '{seen,n}')::bigint;
  v_heard bigint := (p_state ->> 'heard')::bigint;
  v_arms private.guard_arms := jsonb_populate_record(null::private.guard_arms, p_state -> 'arms');
  v_all bigint := v_arms."on" + v_arms.off;
  v_reason text;
begin
  v_reason := case
    when v_heard > 0 and (p_state ->> 'minute')::bigint - v_heard >= 5 and v_arms.off > v_arms.silent
      and v_arms.silent * v_arms."on" >= 12 * (v_arms.off - v_arms.silent) then 'silent'
    when jsonb_typeof(p_criteria -> 'percentage') = 'number' and v_arms.told > 0 and (p_state ->> 'minute')::bigint - v_arms.told >= 5
      and v_arms."on" > v_arms.alone and v_arms.alone * v_arms.off >= 12 * (v_arms."on" - v_arms.alone) then 'control_silent'
    when jsonb_typeof(p_criteria -> 'percentage') = 'number' and v_all > 0 and p_now_ms - p_started_ms >= 10 * 60000
      and private.chance_of_so_few(v_arms."on" * v_arms.busiest / v_all, v_arms.busiest,
        (p_criteria ->> 'percentage')::double precision / 100) < case when v_arms."on" = 0 then 1000 else 10 end then 'sample_ratio'
    when p_now_ms - greatest(p_started_ms, (p_state ->> 'since')::bigint * 60000) < v_hold * 60000 then 'hold_time'
    when v_n = 0 or p_now_ms - (p_state ->> 'heard')::bigint * 60000 > greatest(30, v_hold / 4.0) * 60000 then 'no_data'
    when v_n < (p_criteria ->> 'min_samples')::bigint then 'samples'
    when jsonb_typeof(p_criteria -> 'error_rate') = 'number' and not private.surely_below(
      (p_state #>> '{seen,failed}')::bigint, v_n, (p_criteria ->> 'error_rate')::double precision) then 'error_rate'
    when jsonb_typeof(p_criteria -> 'p95_ms') = 'number' and not private.surely_below(
      (p_state #>> '{seen,late}')::bigint, (p_state #>> '{seen,timed}')::bigint, 0.05) then 'p95' end;
  return case when v_reason is null then '{"verdict": "advance"}' else jsonb_build_object('verdict', 'hold', 'reason', v_reason) end;
end $$;
comment on function private.guard_progress(jsonb, jsonb, bigint, bigint) is
  'Whether a stage has shown what it was to show: {verdict: advance}, or {verdict: hold, reason: silent, control_silent, sample_ratio, hold_time, no_data, samples, error_rate or p95}. See progress() in progress.ts.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();

insert into private.own_migrations (version) values ('20261129001700');
