-- What the functions count, and how often somebody may do something.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Counters ----------------------------------------------------------------------------------------

-- A counter's rows are its slots: each database session adds to one of sixteen, so that sessions which
-- count the same thing at the same time do not wait for each other. Readers add up the slots.
create table public.counters (
  name text not null,
  label text not null default '',
  slot smallint not null,
  value bigint not null,
  constraint counters_pkey primary key (name, label, slot),
  constraint counters_value_not_negative check (value >= 0)
) with (fillfactor = 70);
comment on table public.counters is
  'How often things happened since the beginning. The value of a counter is the sum over its slots. For people to look at: nothing is decided by it.';
comment on column public.counters.name is 'What is counted, such as wa_webhook_refused.';
comment on column public.counters.label is 'Which kind of it, such as signature_invalid. Never personal data.';
comment on column public.counters.slot is 'Which of the sixteen parts of the counter, 0 to 15.';
comment on column public.counters.value is 'This part''s count.';
alter table public.counters enable row level security;
revoke all on public.counters from anon, authenticated, service_role, public;
grant select on public.counters to authenticated;
grant select, insert, update on public.counters to service_role;
create policy counters_read on public.counters for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy counters_read on public.counters is 'The team sees the counters.';

-- Ordered, so that two sessions that share a slot take its rows in the same order and cannot deadlock.
create function public.add_counts(p_counts jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.counters as c (name, label, slot, value)
  select i.name, coalesce(i.label, ''), pg_backend_pid() % 16, sum(i.n)
  from jsonb_to_recordset(p_counts) as i (name text, label text, n bigint)
  where i.n > 0
  group by i.name, coalesce(i.label, '')
  order by 1, 2
  on conflict on constraint counters_pkey do update set value = c.value + excluded.value;
end $$;
comment on function public.add_counts(jsonb) is
  'Adds a group of counts, [{name, label, n}, …]. A label left out is the empty one; n below 1 adds nothing. For secret keys.';

-- Rate limits -------------------------------------------------------------------------------------

-- Unlogged: after a server crash every limit starts afresh, which loses no message.
create unlogged table public.rate_limits (
  key text constraint rate_limits_pkey primary key,
  tat timestamptz not null,
  allowed boolean not null,
  constraint rate_limits_key_short check (length(key) between 1 and 200)
) with (fillfactor = 50);
comment on table public.rate_limits is
  'State of the rate limits. A row whose tat is in the past is equivalent to no row.';
comment on column public.rate_limits.key is 'What is limited, such as send:<contact id>. Ids, never phone numbers.';
comment on column public.rate_limits.tat is 'Theoretical arrival time of the next take; see private.gcra.';
comment on column public.rate_limits.allowed is
  'Whether the last take was allowed: how the one statement that takes tells its caller.';
alter table public.rate_limits enable row level security;
revoke all on public.rate_limits from anon, authenticated, service_role, public;
grant select, insert, update, delete on public.rate_limits to service_role;

-- The generic cell rate algorithm (ATM Forum TM 4.0, I.371; as in brandur's throttled): one instant a
-- limit, the theoretical arrival time (tat) at which everything taken so far would have arrived had it
-- come evenly. Taking moves it on by the cost; it may run ahead of now by no more than the burst takes.
-- In whole microseconds, the interval between two takes rounded up: rather a millionth too slow than
-- ever too much.
create function private.gcra(
  p_tat timestamptz,
  p_now timestamptz,
  p_rate numeric,
  p_burst integer,
  p_cost integer,
  out allowed boolean,
  out tat timestamptz,
  out remaining integer,
  out reset_ms bigint,
  out retry_after_ms bigint
)
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  v_each bigint;
  v_most bigint;
  v_ahead bigint;
begin
  if p_rate is null or p_rate <= 0 or p_burst is null or p_burst < 1 or p_cost is null or p_cost < 0 then
    raise exception 'a limit needs a rate above 0, a burst of at least 1 and a cost of at least 0, not %, %, %',
      p_rate, p_burst, p_cost using errcode = 'invalid_parameter_value';
  end if;
  v_each := ceil(1000000 / p_rate);
  v_most := v_each * p_burst;
  v_ahead := greatest(coalesce(extract(epoch from p_tat - p_now) * 1000000, 0), 0);
  allowed := v_ahead + v_each * p_cost <= v_most;
  if allowed then
    v_ahead := v_ahead + v_each * p_cost;
    retry_after_ms := 0;
  elsif p_cost <= p_burst then
    retry_after_ms := (v_ahead + v_each * p_cost - v_most + 999) / 1000;
  end if;
  tat := p_now + v_ahead * interval '1 microsecond';
  remaining := greatest(v_most - v_ahead, 0) / v_each;
  reset_ms := (v_ahead + 999) / 1000;
end $$;
comment on function private.gcra(timestamptz, timestamptz, numeric, integer, integer) is
  'Decides one take of p_cost from a limit of p_rate a second with bursts of p_burst, and when nothing was taken before p_tat is null. Cost 0 looks without taking. allowed; tat to be kept; remaining, what could be taken at once now; reset_ms, until all of the burst is free; retry_after_ms, 0 when allowed, null when the cost is above the burst and so never will be. Error 22023 for a limit that cannot be.';

-- One statement decides and keeps: the row's lock puts concurrent takes of a key in order, and each
-- decides on what the one before left.
create function private.take_rate(
  p_key text,
  p_rate numeric,
  p_burst integer,
  p_cost integer,
  p_now timestamptz,
  out allowed boolean,
  out remaining integer,
  out reset_ms bigint,
  out retry_after_ms bigint
)
language plpgsql volatile set search_path = '' as $$
declare
  v_row public.rate_limits;
begin
  insert into public.rate_limits as r (key, tat, allowed)
  select p_key, g.tat, g.allowed from private.gcra(null, p_now, p_rate, p_burst, p_cost) g
  on conflict on constraint rate_limits_pkey do update
    set (tat, allowed) =
      (select g.tat, g.allowed from private.gcra(r.tat, p_now, p_rate, p_burst, p_cost) g)
  returning r.* into v_row;
  allowed := v_row.allowed;
  -- What was allowed has been paid for already; what was refused is asked again to learn when.
  select g.remaining, g.reset_ms, g.retry_after_ms into remaining, reset_ms, retry_after_ms
  from private.gcra(v_row.tat, p_now, p_rate, p_burst, case when allowed then 0 else p_cost end) g;
end $$;
comment on function private.take_rate(text, numeric, integer, integer, timestamptz) is
  'Takes p_cost from the limit p_key at p_now, all or nothing; for functions that limit in the same round trip as their work. Results as private.gcra gives them.';

create function public.take_rate(p_key text, p_rate numeric, p_burst integer, p_cost integer default 1)
returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select jsonb_build_object(
    'allowed', t.allowed, 'limit', p_burst, 'remaining', t.remaining,
    'reset_ms', t.reset_ms, 'retry_after_ms', t.retry_after_ms)
  from private.take_rate(p_key, p_rate, p_burst, p_cost, clock_timestamp()) t
$$;
comment on function public.take_rate(text, numeric, integer, integer) is
  'Takes p_cost from the limit p_key of p_rate a second with bursts of p_burst: {allowed, limit, remaining, reset_ms, retry_after_ms}. retry_after_ms is null when the cost is above the burst. For secret keys.';

create function private.purge_rate_limits(p_now timestamptz) returns bigint
language sql volatile set search_path = '' as $$
  with gone as (delete from public.rate_limits r where r.tat < p_now returning 1)
  select count(*) from gone
$$;
comment on function private.purge_rate_limits(timestamptz) is
  'Deletes the limits that are fully replenished at p_now, and returns how many. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.add_counts(jsonb),
  private.gcra(timestamptz, timestamptz, numeric, integer, integer),
  private.take_rate(text, numeric, integer, integer, timestamptz),
  public.take_rate(text, numeric, integer, integer),
  private.purge_rate_limits(timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129000300');
