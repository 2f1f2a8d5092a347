-- Whether few failures are few enough: binomial confidence, in the same steps as _shared/rollouts/confidence.ts.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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
