-- The guard of rollouts, the pure part: sequential tests over the minutes of a stage, and whether it has shown enough.
-- supabase/functions/_shared/rollouts/guard.ts says what is done and why, and does the same: in whole millionths, with the
-- few fractions in the same order. tests/rollout_guard_test.ts holds the two to the same last digit.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Enough, surely ----------------------------------------------------------------------------------

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
revoke execute on function private.ln_factorial(bigint) from public, anon, authenticated;

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
revoke execute on function private.chance_of_so_few(bigint, bigint, double precision) from public, anon, authenticated;

create function private.surely_below(p_failed bigint, p_n bigint, p_limit double precision) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select p_n > 0 and private.chance_of_so_few(p_failed, p_n, p_limit) < 50000
$$;
comment on function private.surely_below(bigint, bigint, double precision) is
  'Whether a rate is below a limit with 95 % confidence (its one-sided Clopper-Pearson upper bound is).';
revoke execute on function private.surely_below(bigint, bigint, double precision) from public, anon, authenticated;

-- What is watched and asked for -------------------------------------------------------------------

create function private.guard_watch(p_stage public.rollout_stages) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'control', p_stage.percentage < 100,
    'error_rate', p_stage.roll_back_when -> 'error_rate_above',
    'p95_ms', p_stage.roll_back_when -> 'p95_ms_above',
    'plain', case when p_stage.roll_back_when ? 'plain' then jsonb_build_object(
      'minutes', p_stage.roll_back_when #> '{plain,minutes}',
      'min_samples', p_stage.roll_back_when #> '{plain,min_samples}',
      'error_rate', p_stage.roll_back_when #> '{plain,error_rate_above}',
      'mean_ms', p_stage.roll_back_when #> '{plain,mean_ms_above}') end,
    'no_errors', coalesce(p_stage.advance_when -> 'no_errors' = 'true', false))
$$;
comment on function private.guard_watch(public.rollout_stages) is 'What the guard watches during a stage.';
revoke execute on function private.guard_watch(public.rollout_stages) from public, anon, authenticated;

create function private.guard_criteria(p_stage public.rollout_stages) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('hold_minutes', p_stage.hold_minutes, 'min_samples', p_stage.min_samples,
    'error_rate', p_stage.advance_when -> 'error_rate_below', 'p95_ms', p_stage.advance_when -> 'p95_ms_below')
$$;
comment on function private.guard_criteria(public.rollout_stages) is 'What a stage asks for before the next one.';
revoke execute on function private.guard_criteria(public.rollout_stages) from public, anon, authenticated;

create function private.guard_begin(p_minute bigint) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('minute', p_minute - 1, 'since', p_minute, 'window', p_minute, 'heard', 0,
    'seen', '{"n": 0, "failed": 0, "timed": 0, "late": 0}'::jsonb, 'errors', series.empty, 'slow', series.empty)
  from (select '{"on": {"n": 0, "k": 0, "q": 0, "m": 0}, "off": {"n": 0, "k": 0, "q": 0, "m": 0},
    "absolute": [0, 0, 0, 0, 0], "relative": [0, 0, 0, 0, 0], "trouble": 0}'::jsonb as empty) series
$$;
comment on function private.guard_begin(bigint) is 'What the guard remembers at the beginning of a stage whose first whole minute this is.';
revoke execute on function private.guard_begin(bigint) from public, anon, authenticated;

create function private.bigints(p_list jsonb) returns bigint[]
language sql immutable parallel safe set search_path = '' as $$
  select array_agg(e.value::bigint order by e.i) from jsonb_array_elements_text(p_list) with ordinality as e (value, i)
$$;
comment on function private.bigints(jsonb) is 'A JSON array of whole numbers as an array.';
revoke execute on function private.bigints(jsonb) from public, anon, authenticated;

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

-- The loop -----------------------------------------------------------------------------------------

-- Written out for errors and slowness one after the other: a function for each step would take most of the time. f and g
-- are first the scatter of both arms in thousandths (at least 1000, see scatter() in guard.ts).
create function private.guard_take(
  p_flag_key text, p_watch jsonb, p_late_ms integer, p_state jsonb, p_to bigint, p_trace boolean,
  out state jsonb, out alarm jsonb, out minutes jsonb, out path jsonb
)
language plpgsql stable set search_path = '' as $$
declare
  c_alarm constant bigint := 10819778;
  c_trouble constant bigint := 4605170;
  c_lr constant bigint[] := array[405465, 693147, 1098612, 1609438, 2302585];
  c_million constant double precision := 1000000;
  c_zeros constant bigint[] := array[0, 0, 0, 0, 0];
  v_control boolean := (p_watch ->> 'control')::boolean;
  v_rate double precision := (p_watch ->> 'error_rate')::double precision;
  v_slow integer := array_position(private.latency_edges(), (p_watch ->> 'p95_ms')::integer);
  v_late integer := array_position(private.latency_edges(), p_late_ms);
  v_no_errors boolean := (p_watch ->> 'no_errors')::boolean;
  v_plain integer := (p_watch #>> '{plain,minutes}')::integer;
  v_plain_samples bigint := (p_watch #>> '{plain,min_samples}')::bigint;
  v_plain_rate double precision := (p_watch #>> '{plain,error_rate}')::double precision;
  v_plain_ms double precision := (p_watch #>> '{plain,mean_ms}')::double precision;
  v_minute bigint := (p_state ->> 'minute')::bigint;
  v_since bigint := (p_state ->> 'since')::bigint;
  v_window bigint := (p_state ->> 'window')::bigint;
  v_heard bigint := (p_state ->> 'heard')::bigint;
  v_n bigint := (p_state #>> '{seen,n}')::bigint;
  v_failed bigint := (p_state #>> '{seen,failed}')::bigint;
  v_timed bigint := (p_state #>> '{seen,timed}')::bigint;
  v_late_seen bigint := (p_state #>> '{seen,late}')::bigint;
  -- Errors: tallies with the flag on and off, S.
  e_on_n bigint := (p_state #>> '{errors,on,n}')::bigint;
  e_on_k bigint := (p_state #>> '{errors,on,k}')::bigint;
  e_on_q bigint := (p_state #>> '{errors,on,q}')::bigint;
  e_on_m bigint := (p_state #>> '{errors,on,m}')::bigint;
  e_off_n bigint := (p_state #>> '{errors,off,n}')::bigint;
  e_off_k bigint := (p_state #>> '{errors,off,k}')::bigint;
  e_off_q bigint := (p_state #>> '{errors,off,q}')::bigint;
  e_off_m bigint := (p_state #>> '{errors,off,m}')::bigint;
  e_abs bigint[] := private.bigints(p_state #> '{errors,absolute}');
  e_rel bigint[] := private.bigints(p_state #> '{errors,relative}');
  e_trouble bigint := (p_state #>> '{errors,trouble}')::bigint;
  e_f bigint[];
  e_s bigint[];
  -- Slowness: likewise.
  s_on_n bigint := (p_state #>> '{slow,on,n}')::bigint;
  s_on_k bigint := (p_state #>> '{slow,on,k}')::bigint;
  s_on_q bigint := (p_state #>> '{slow,on,q}')::bigint;
  s_on_m bigint := (p_state #>> '{slow,on,m}')::bigint;
  s_off_n bigint := (p_state #>> '{slow,off,n}')::bigint;
  s_off_k bigint := (p_state #>> '{slow,off,k}')::bigint;
  s_off_q bigint := (p_state #>> '{slow,off,q}')::bigint;
  s_off_m bigint := (p_state #>> '{slow,off,m}')::bigint;
  s_abs bigint[] := private.bigints(p_state #> '{slow,absolute}');
  s_rel bigint[] := private.bigints(p_state #> '{slow,relative}');
  s_trouble bigint := (p_state #>> '{slow,trouble}')::bigint;
  s_f bigint[];
  s_s bigint[];
  m record;
  k bigint;
  f bigint;
  g bigint;
  t double precision;
  -- The last minutes for the plain thresholds, a ring: minute, then n, failed, timed, ms with the flag on and off.
  w bigint[] := array_fill(0::bigint, array[9 * coalesce(v_plain, 0)]);
  w_first integer := 0;
  w_count integer := 0;
  w_at integer;
  w_on_n bigint := 0;
  w_on_failed bigint := 0;
  w_on_timed bigint := 0;
  w_on_ms bigint := 0;
  w_off_n bigint := 0;
  w_off_failed bigint := 0;
  w_off_timed bigint := 0;
  w_off_ms bigint := 0;
  v_verdict text;
  v_rule text;
  v_minutes jsonb[] := '{}';
  v_path jsonb[] := '{}';
begin
  if v_rate is not null then
    select l.failure, l.success into e_f, e_s from private.guard_logs(v_rate) l;
  end if;
  if v_slow is not null then
    select l.failure, l.success into s_f, s_s from private.guard_logs(0.05) l;
  end if;

  for m in
    select date_part('epoch', minute)::bigint / 60 as minute,
      coalesce(a.n, 0)::bigint as on_n, coalesce(a.failed, 0)::bigint as on_failed, coalesce(a.timed, 0)::bigint as on_timed,
      coalesce(a.timed - a.le[v_slow], 0)::bigint as on_slow, coalesce(a.timed - a.le[v_late], 0)::bigint as on_late,
      coalesce(a.ms, 0) as on_ms,
      coalesce(b.n, 0)::bigint as off_n, coalesce(b.failed, 0)::bigint as off_failed, coalesce(b.timed, 0)::bigint as off_timed,
      coalesce(b.timed - b.le[v_slow], 0)::bigint as off_slow, coalesce(b.ms, 0) as off_ms
    from (
      select * from public.flag_metrics o where o.flag_key = p_flag_key and o.arm = 'on'
        and o.minute >= to_timestamp((greatest(v_window, v_minute - coalesce(v_plain, 0) + 1)) * 60.0)
        and o.minute <= to_timestamp(p_to * 60.0)
    ) a
    full join (
      select * from public.flag_metrics o where o.flag_key = p_flag_key and o.arm = 'off'
        and o.minute >= to_timestamp((greatest(v_window, v_minute - coalesce(v_plain, 0) + 1)) * 60.0)
        and o.minute <= to_timestamp(p_to * 60.0)
    ) b using (minute)
    order by minute
  loop
    if p_trace then
      v_minutes := v_minutes || jsonb_build_array(m.minute, m.on_n, m.on_failed, m.on_timed, m.on_slow, m.on_late, m.on_ms,
        m.off_n, m.off_failed, m.off_timed, m.off_slow, m.off_ms);
    end if;
    if v_plain is not null then
      while w_count > 0 and w[9 * w_first + 1] <= m.minute - v_plain loop
        w_on_n := w_on_n - w[9 * w_first + 2];
        w_on_failed := w_on_failed - w[9 * w_first + 3];
        w_on_timed := w_on_timed - w[9 * w_first + 4];
        w_on_ms := w_on_ms - w[9 * w_first + 5];
        w_off_n := w_off_n - w[9 * w_first + 6];
        w_off_failed := w_off_failed - w[9 * w_first + 7];
        w_off_timed := w_off_timed - w[9 * w_first + 8];
        w_off_ms := w_off_ms - w[9 * w_first + 9];
        w_first := (w_first + 1) % v_plain;
        w_count := w_count - 1;
      end loop;
      w_at := 9 * ((w_first + w_count) % v_plain);
      w_count := w_count + 1;
      w[w_at + 1] := m.minute;
      w[w_at + 2] := m.on_n;
      w[w_at + 3] := m.on_failed;
      w[w_at + 4] := m.on_timed;
      w[w_at + 5] := m.on_ms;
      w[w_at + 6] := m.off_n;
      w[w_at + 7] := m.off_failed;
      w[w_at + 8] := m.off_timed;
      w[w_at + 9] := m.off_ms;
      w_on_n := w_on_n + m.on_n;
      w_on_failed := w_on_failed + m.on_failed;
      w_on_timed := w_on_timed + m.on_timed;
      w_on_ms := w_on_ms + m.on_ms;
      w_off_n := w_off_n + m.off_n;
      w_off_failed := w_off_failed + m.off_failed;
      w_off_timed := w_off_timed + m.off_timed;
      w_off_ms := w_off_ms + m.off_ms;
    end if;
    continue when m.minute <= v_minute;

    v_minute := m.minute;
    if m.on_n > 0 then
      v_heard := m.minute;
      v_n := v_n + m.on_n;
      v_failed := v_failed + m.on_failed;
      v_timed := v_timed + m.on_timed;
      v_late_seen := v_late_seen + m.on_late;
    end if;

    -- Errors. A minute without any leaves an S of 0 at 0.
    if v_rate is not null then
      k := m.on_failed;
      if m.on_n > 0 then
        e_on_n := e_on_n + m.on_n;
        e_on_m := e_on_m + 1;
        if k > 0 then
          e_on_k := e_on_k + k;
          e_on_q := e_on_q + k * k * 1000000 / m.on_n;
        end if;
      end if;
      if m.off_n > 0 then
        e_off_n := e_off_n + m.off_n;
        e_off_m := e_off_m + 1;
        if m.off_failed > 0 then
          e_off_k := e_off_k + m.off_failed;
          e_off_q := e_off_q + m.off_failed * m.off_failed * 1000000 / m.off_n;
        end if;
      end if;
      if k > 0 or m.off_failed > 0 or e_trouble > 0 or e_abs <> c_zeros then
        f := case when e_on_k = 0 or e_on_k = e_on_n or e_on_m < 2 then 1000
          else greatest(1000, floor(1000 * ((e_on_q / c_million - e_on_k::double precision * e_on_k / e_on_n)
            / (e_on_k::double precision / e_on_n * (1 - e_on_k::double precision / e_on_n)) + 10) / (e_on_m - 1 + 10))::bigint) end;
        g := case when e_off_k = 0 or e_off_k = e_off_n or e_off_m < 2 then 1000
          else greatest(1000, floor(1000 * ((e_off_q / c_million - e_off_k::double precision * e_off_k / e_off_n)
            / (e_off_k::double precision / e_off_n * (1 - e_off_k::double precision / e_off_n)) + 10) / (e_off_m - 1 + 10))::bigint) end;
        if k > 0 or e_abs <> c_zeros then
          e_abs := array[
            greatest(0, e_abs[1] + (k * e_f[1] + (m.on_n - k) * e_s[1]) * 1000 / f),
            greatest(0, e_abs[2] + (k * e_f[2] + (m.on_n - k) * e_s[2]) * 1000 / f),
            greatest(0, e_abs[3] + (k * e_f[3] + (m.on_n - k) * e_s[3]) * 1000 / f),
            greatest(0, e_abs[4] + (k * e_f[4] + (m.on_n - k) * e_s[4]) * 1000 / f),
            greatest(0, e_abs[5] + (k * e_f[5] + (m.on_n - k) * e_s[5]) * 1000 / f)];
        end if;
        e_trouble := least(2 * c_trouble, greatest(0,
          e_trouble + (m.off_failed * e_f[6] + (m.off_n - m.off_failed) * e_s[6]) * 1000 / g));
        if k + m.off_failed > 0 and m.on_n > 0 and m.off_n > 0 then
          f := greatest(f, g);
          g := k + m.off_failed;
          t := m.on_n + m.off_n;
          e_rel := array[
            greatest(0, e_rel[1] + (k * c_lr[1] + g * round(ln(t / (1.5::double precision * m.on_n + m.off_n)) * 1000000)::bigint) * 1000 / f),
            greatest(0, e_rel[2] + (k * c_lr[2] + g * round(ln(t / (2::double precision * m.on_n + m.off_n)) * 1000000)::bigint) * 1000 / f),
            greatest(0, e_rel[3] + (k * c_lr[3] + g * round(ln(t / (3::double precision * m.on_n + m.off_n)) * 1000000)::bigint) * 1000 / f),
            greatest(0, e_rel[4] + (k * c_lr[4] + g * round(ln(t / (5::double precision * m.on_n + m.off_n)) * 1000000)::bigint) * 1000 / f),
            greatest(0, e_rel[5] + (k * c_lr[5] + g * round(ln(t / (10::double precision * m.on_n + m.off_n)) * 1000000)::bigint) * 1000 / f)];
        end if;
      end if;
    end if;

    -- Slowness.
    if v_slow is not null then
      k := m.on_slow;
      if m.on_timed > 0 then
        s_on_n := s_on_n + m.on_timed;
        s_on_m := s_on_m + 1;
        if k > 0 then
          s_on_k := s_on_k + k;
          s_on_q := s_on_q + k * k * 1000000 / m.on_timed;
        end if;
      end if;
      if m.off_timed > 0 then
        s_off_n := s_off_n + m.off_timed;
        s_off_m := s_off_m + 1;
        if m.off_slow > 0 then
          s_off_k := s_off_k + m.off_slow;
          s_off_q := s_off_q + m.off_slow * m.off_slow * 1000000 / m.off_timed;
        end if;
      end if;
      if k > 0 or m.off_slow > 0 or s_trouble > 0 or s_abs <> c_zeros then
        f := case when s_on_k = 0 or s_on_k = s_on_n or s_on_m < 2 then 1000
          else greatest(1000, floor(1000 * ((s_on_q / c_million - s_on_k::double precision * s_on_k / s_on_n)
            / (s_on_k::double precision / s_on_n * (1 - s_on_k::double precision / s_on_n)) + 10) / (s_on_m - 1 + 10))::bigint) end;
        g := case when s_off_k = 0 or s_off_k = s_off_n or s_off_m < 2 then 1000
          else greatest(1000, floor(1000 * ((s_off_q / c_million - s_off_k::double precision * s_off_k / s_off_n)
            / (s_off_k::double precision / s_off_n * (1 - s_off_k::double precision / s_off_n)) + 10) / (s_off_m - 1 + 10))::bigint) end;
        if k > 0 or s_abs <> c_zeros then
          s_abs := array[
            greatest(0, s_abs[1] + (k * s_f[1] + (m.on_timed - k) * s_s[1]) * 1000 / f),
            greatest(0, s_abs[2] + (k * s_f[2] + (m.on_timed - k) * s_s[2]) * 1000 / f),
            greatest(0, s_abs[3] + (k * s_f[3] + (m.on_timed - k) * s_s[3]) * 1000 / f),
            greatest(0, s_abs[4] + (k * s_f[4] + (m.on_timed - k) * s_s[4]) * 1000 / f),
            greatest(0, s_abs[5] + (k * s_f[5] + (m.on_timed - k) * s_s[5]) * 1000 / f)];
        end if;
        s_trouble := least(2 * c_trouble, greatest(0,
          s_trouble + (m.off_slow * s_f[6] + (m.off_timed - m.off_slow) * s_s[6]) * 1000 / g));
        if k + m.off_slow > 0 and m.on_timed > 0 and m.off_timed > 0 then
          f := greatest(f, g);
          g := k + m.off_slow;
          t := m.on_timed + m.off_timed;
          s_rel := array[
            greatest(0, s_rel[1] + (k * c_lr[1] + g * round(ln(t / (1.5::double precision * m.on_timed + m.off_timed)) * 1000000)::bigint) * 1000 / f),
            greatest(0, s_rel[2] + (k * c_lr[2] + g * round(ln(t / (2::double precision * m.on_timed + m.off_timed)) * 1000000)::bigint) * 1000 / f),
            greatest(0, s_rel[3] + (k * c_lr[3] + g * round(ln(t / (3::double precision * m.on_timed + m.off_timed)) * 1000000)::bigint) * 1000 / f),
            greatest(0, s_rel[4] + (k * c_lr[4] + g * round(ln(t / (5::double precision * m.on_timed + m.off_timed)) * 1000000)::bigint) * 1000 / f),
            greatest(0, s_rel[5] + (k * c_lr[5] + g * round(ln(t / (10::double precision * m.on_timed + m.off_timed)) * 1000000)::bigint) * 1000 / f)];
        end if;
      end if;
    end if;

    if p_trace then
      v_path := v_path || jsonb_build_array(m.minute, greatest(e_abs[1], e_abs[2], e_abs[3], e_abs[4], e_abs[5]),
        greatest(e_rel[1], e_rel[2], e_rel[3], e_rel[4], e_rel[5]), greatest(s_abs[1], s_abs[2], s_abs[3], s_abs[4], s_abs[5]),
        greatest(s_rel[1], s_rel[2], s_rel[3], s_rel[4], s_rel[5]));
    end if;

    -- Alarms: the flag's own fault first.
    if v_control then
      f := case when e_trouble >= c_trouble or s_trouble >= c_trouble then 2 * c_alarm else c_alarm end;
      if greatest(e_rel[1], e_rel[2], e_rel[3], e_rel[4], e_rel[5]) >= f then
        v_verdict := 'roll_back';
        v_rule := 'error_rate_relative';
        exit;
      elsif greatest(s_rel[1], s_rel[2], s_rel[3], s_rel[4], s_rel[5]) >= f then
        v_verdict := 'roll_back';
        v_rule := 'p95_relative';
        exit;
      end if;
    end if;
    if v_plain is not null then
      if w_on_n >= v_plain_samples and w_on_failed > v_plain_rate * w_on_n then
        v_verdict := case when v_control and w_off_n >= v_plain_samples and w_off_failed > v_plain_rate * w_off_n
          then 'page' else 'roll_back' end;
        v_rule := 'error_rate_plain';
      elsif w_on_timed >= v_plain_samples and w_on_ms > v_plain_ms * w_on_timed then
        v_verdict := case when v_control and w_off_timed >= v_plain_samples and w_off_ms > v_plain_ms * w_off_timed
          then 'page' else 'roll_back' end;
        v_rule := 'mean_plain';
      end if;
    end if;
    if v_verdict is null and greatest(e_abs[1], e_abs[2], e_abs[3], e_abs[4], e_abs[5]) >= c_alarm then
      v_verdict := case when v_control and e_off_n * 20 >= e_on_n then 'page' else 'roll_back' end;
      v_rule := 'error_rate_absolute';
    end if;
    if v_verdict is null and greatest(s_abs[1], s_abs[2], s_abs[3], s_abs[4], s_abs[5]) >= c_alarm then
      v_verdict := case when v_control and s_off_n * 20 >= s_on_n then 'page' else 'roll_back' end;
      v_rule := 'p95_absolute';
    end if;
    exit when v_verdict = 'roll_back';
    if v_verdict = 'page' or (v_no_errors and m.on_failed > 0) then
      v_since := m.minute + 1;
      v_n := 0;
      v_failed := 0;
      v_timed := 0;
      v_late_seen := 0;
      e_abs := c_zeros;
      s_abs := c_zeros;
      if v_verdict = 'page' then
        v_window := v_since;
        exit;
      end if;
    end if;
  end loop;

  state := jsonb_build_object('minute', v_minute, 'since', v_since, 'window', v_window, 'heard', v_heard,
    'seen', jsonb_build_object('n', v_n, 'failed', v_failed, 'timed', v_timed, 'late', v_late_seen),
    'errors', jsonb_build_object('on', jsonb_build_object('n', e_on_n, 'k', e_on_k, 'q', e_on_q, 'm', e_on_m),
      'off', jsonb_build_object('n', e_off_n, 'k', e_off_k, 'q', e_off_q, 'm', e_off_m),
      'absolute', to_jsonb(e_abs), 'relative', to_jsonb(e_rel), 'trouble', e_trouble),
    'slow', jsonb_build_object('on', jsonb_build_object('n', s_on_n, 'k', s_on_k, 'q', s_on_q, 'm', s_on_m),
      'off', jsonb_build_object('n', s_off_n, 'k', s_off_k, 'q', s_off_q, 'm', s_off_m),
      'absolute', to_jsonb(s_abs), 'relative', to_jsonb(s_rel), 'trouble', s_trouble));
  if v_verdict is not null then
    alarm := jsonb_build_object('verdict', v_verdict, 'rule', v_rule, 'minute', v_minute);
  end if;
  if p_trace then
    minutes := to_jsonb(v_minutes);
    path := to_jsonb(v_path);
  end if;
end $$;
comment on function private.guard_take(text, jsonb, integer, jsonb, bigint, boolean) is
  'Takes a flag''s minutes after state.minute up to p_to into the state, up to the first alarm {verdict, rule, minute}. With p_trace it gives the minutes as it read them (the last ones before state.minute too, where plain thresholds need them) and the path of S. See take() in guard.ts.';
revoke execute on function private.guard_take(text, jsonb, integer, jsonb, bigint, boolean) from public, anon, authenticated;

create function private.guard_progress(p_criteria jsonb, p_state jsonb, p_started_ms bigint, p_now_ms bigint) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_hold bigint := (p_criteria ->> 'hold_minutes')::bigint;
  v_n bigint := (p_state #>> '{seen,n}')::bigint;
  v_reason text;
begin
  v_reason := case
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
  'Whether a stage has shown what it was to show: {verdict: advance}, or {verdict: hold, reason: hold_time, no_data, samples, error_rate or p95}. See progress() in guard.ts.';
revoke execute on function private.guard_progress(jsonb, jsonb, bigint, bigint) from public, anon, authenticated;
