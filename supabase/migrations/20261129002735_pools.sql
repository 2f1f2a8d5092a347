-- Masked messaging: how near the pools of numbers are to their end, and those who are told of it in time.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table private.pool_states (
  org_id uuid constraint pool_states_pkey primary key references public.orgs (id) on delete cascade,
  numbers integer not null,
  draining integer not null,
  needed integer not null,
  closed integer not null,
  state text not null constraint pool_states_state_known check (state in ('ok', 'warning', 'exhausted')),
  since timestamptz not null,
  told text constraint pool_states_told_known check (told in ('warning', 'exhausted')),
  at timestamptz not null
) with (fillfactor = 50);
comment on table private.pool_states is 'How each organisation''s pool was when the clock last looked, and what was told of it.';
comment on constraint pool_states_pkey on private.pool_states is 'An organisation has one pool.';
comment on column private.pool_states.org_id is 'The organisation.';
comment on column private.pool_states.numbers is 'Numbers that may be lent.';
comment on column private.pool_states.draining is 'Numbers that are lent no more and are still in use.';
comment on column private.pool_states.needed is 'The most live threads of one person.';
comment on column private.pool_states.closed is 'Of the numbers, those that the person with fewest left cannot be given.';
comment on column private.pool_states.state is 'ok, warning from four fifths on, or exhausted.';
comment on column private.pool_states.since is 'Since when it has been so.';
comment on column private.pool_states.told is 'The worst that was told of it and still holds; null where nothing is to be known.';
comment on column private.pool_states.at is 'When the clock looked.';
alter table private.pool_states enable row level security;
revoke all on private.pool_states from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.pool_states to service_role;

create table private.pool_days (
  org_id uuid not null references public.orgs (id) on delete cascade,
  day date not null,
  closed integer not null,
  constraint pool_days_pkey primary key (org_id, day)
);
comment on table private.pool_days is 'How full each pool was on each of the last sixty days: from it follows how long the numbers last.';
comment on constraint pool_days_pkey on private.pool_days is 'One figure a day.';
comment on column private.pool_days.org_id is 'The organisation.';
comment on column private.pool_days.day is 'The day (UTC).';
comment on column private.pool_days.closed is 'As in pool_states, at the end of the day.';
alter table private.pool_days enable row level security;
revoke all on private.pool_days from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.pool_days to service_role;

-- Figures -----------------------------------------------------------------------------------------

-- All legs are counted, for which reading in order is the shortest way, also where a caller forbids it.
create function private.pools(p_org uuid, p_now timestamptz)
returns table (org_id uuid, numbers integer, draining integer, needed integer, closed integer)
language sql stable set search_path = '' set jit = off set enable_seqscan = on as $$
  with pool as (
    select n.org_id, n.channel, n.number_id, n.state, n.state = 'active' and s.state = 'active' as lendable
    from public.org_numbers n join public.senders s on s.channel = n.channel and s.id = n.number_id
    where n.class = 'pool' and (p_org is null or n.org_id = p_org)
  ), people as (
    -- What one person meets, live or in quarantine, is closed to that person; the worst placed decides. A thread on a number
    -- that drains goes on, and takes a number that can be lent when it is opened again.
    select p.org_id, count(distinct l.number_id) filter (where l.ended_at is null and p.state <> 'out') as live,
      count(distinct l.number_id) filter (where p.lendable) as closed
    from public.thread_legs l join pool p on p.channel = l.channel and p.number_id = l.number_id
    where l.ended_at is null or l.quarantined_until > p_now
    group by p.org_id, l.contact_id
  )
  select n.org_id, n.lendable::integer, n.draining::integer, coalesce(w.live, 0)::integer, coalesce(w.closed, 0)::integer
  from (
    select p.org_id, count(*) filter (where p.lendable) as lendable, count(*) filter (where p.state = 'draining') as draining
    from pool p group by p.org_id) n
  left join (select x.org_id, max(x.live) as live, max(x.closed) as closed from people x group by x.org_id) w on w.org_id = n.org_id
$$;
comment on function private.pools(uuid, timestamptz) is
  'The pool of an organisation, or of each that has one: numbers that may be lent (their sender is active too), those that drain, the most live threads of one person, and how many of the numbers are closed to the person with fewest left, with quarantine.';

create function private.pool_state(p_numbers integer, p_closed integer) returns text
language sql immutable set search_path = '' as $$
  select case when p_closed >= p_numbers then 'exhausted' when p_closed >= 0.8 * p_numbers then 'warning' else 'ok' end
$$;
comment on function private.pool_state(integer, integer) is 'ok; warning from 80 % on; exhausted where somebody has no number left, or there is none.';

create function private.pool_days_left(p_org uuid, p_numbers integer, p_closed integer, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
  select case when p_closed >= p_numbers then 0
    when p_closed > d.closed then (p_numbers - p_closed) * (t.day - d.day) / (p_closed - d.closed) end
  from (values ((p_now at time zone 'UTC')::date)) as t (day)
  left join lateral (
    select x.day, x.closed from private.pool_days x
    where x.org_id = p_org and x.day between t.day - 30 and t.day - 1 order by x.day limit 1) d on true
$$;
comment on function private.pool_days_left(uuid, integer, integer, timestamptz) is
  'In how many days a pool is exhausted, by its growth over the last 30 days or as long as is known; 0 if it is, null where it does not grow or nobody knows yet.';

create function private.pool_forecast(p_org uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('numbers', p.numbers, 'draining', p.draining, 'needed', p.needed, 'closed', p.closed,
    'share', case when p.numbers = 0 then 1 else round(p.closed::numeric / p.numbers, 4) end,
    'state', private.pool_state(p.numbers, p.closed), 'days_left', private.pool_days_left(p_org, p.numbers, p.closed, p_now),
    'exhausted_count', (select coalesce(sum(c.value), 0) from public.counters c where c.name = 'masking_pool_exhausted' and c.label = p_org::text))
  from (
    select coalesce(x.numbers, 0) as numbers, coalesce(x.draining, 0) as draining, coalesce(x.needed, 0) as needed, coalesce(x.closed, 0) as closed
    from (select 1) one left join private.pools(p_org, p_now) x on true) p
$$;
comment on function private.pool_forecast(uuid, timestamptz) is 'pool_forecast with the time given.';

create function public.pool_forecast(p_org uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.pool_forecast(p_org, clock_timestamp());
end $$;
comment on function public.pool_forecast(uuid) is
  'How near an organisation''s pool is to its end: {numbers that may be lent, draining, needed (most live threads of one person), closed (of the numbers, to the person with fewest left, with quarantine), share, state (ok; warning from 80 %; exhausted), days_left (by the growth of up to 30 days; null where it does not grow), exhausted_count}. For secret keys.';

create function public.list_pools() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('org_id', o.id, 'name', o.name) || private.pool_forecast(o.id, clock_timestamp()) order by o.name), '[]')
    from (
      select x.id, x.name from public.orgs x
      where exists (select from public.org_numbers n where n.org_id = x.id and n.class = 'pool') order by x.name limit 500) o);
end $$;
comment on function public.list_pools() is
  'The pools of organisations by their names, 500 at most: [{org_id, name, and what pool_forecast says}]. For secret keys.';

-- Alarms ------------------------------------------------------------------------------------------

-- Told once when it gets worse. What was told holds until the pool has been better for ten minutes: a thread more or less
-- at the limit tells nobody again.
create function private.watch_pools(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_pool record;
  v_state text;
  v_was private.pool_states;
  v_told integer := 0;
  v_day date := (p_now at time zone 'UTC')::date;
  v_part jsonb;
begin
  if not pg_try_advisory_xact_lock(hashtext('gatelink.watch_pools')) then
    return 0;
  end if;
  for v_pool in select p.*, o.name from private.pools(null, p_now) p join public.orgs o on o.id = p.org_id order by p.org_id loop
    v_state := private.pool_state(v_pool.numbers, v_pool.closed);
    insert into private.pool_states as s (org_id, numbers, draining, needed, closed, state, since, at)
    values (v_pool.org_id, v_pool.numbers, v_pool.draining, v_pool.needed, v_pool.closed, v_state, p_now, p_now)
    on conflict on constraint pool_states_pkey do update set numbers = excluded.numbers, draining = excluded.draining, needed = excluded.needed,
      closed = excluded.closed, since = case when s.state = excluded.state then s.since else p_now end, state = excluded.state, at = p_now
    returning * into v_was;
    insert into private.pool_days as d (org_id, day, closed) values (v_pool.org_id, v_day, v_pool.closed)
    on conflict on constraint pool_days_pkey do update set closed = excluded.closed where d.closed <> excluded.closed;
    v_part := jsonb_build_object('component', 'pool', 'status', case v_state when 'exhausted' then 'down' when 'warning' then 'degraded' else 'healthy' end,
      'because', v_state, 'figures', jsonb_build_object('org', v_pool.org_id, 'name', v_pool.name, 'numbers', v_pool.numbers,
        'draining', v_pool.draining, 'closed', v_pool.closed,
        'days_left', private.pool_days_left(v_pool.org_id, v_pool.numbers, v_pool.closed, p_now)));
    if v_state = 'exhausted' and v_was.told is distinct from 'exhausted' or v_state = 'warning' and v_was.told is null then
      update private.pool_states s set told = v_state where s.org_id = v_pool.org_id;
      v_told := v_told + private.notify('failing', v_part, p_now);
    elsif v_was.told is not null and v_state is distinct from v_was.told and v_was.since <= p_now - interval '10 minutes' then
      update private.pool_states s set told = nullif(v_state, 'ok') where s.org_id = v_pool.org_id;
      if v_state = 'ok' then
        v_told := v_told + private.notify('recovered', v_part, p_now);
      end if;
    end if;
  end loop;
  delete from private.pool_states s where s.at < p_now;
  delete from private.pool_days d where d.day < v_day - 60;
  return v_told;
end $$;
comment on function private.watch_pools(timestamptz) is
  'Looks at each organisation''s pool, keeps the day''s figure, and queues for those who are told of failing parts: that it is four fifths full, that it is exhausted, that it is well again; each once. Says how many notifications. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.pools(uuid, timestamptz),
  private.pool_state(integer, integer),
  private.pool_days_left(uuid, integer, integer, timestamptz),
  private.pool_forecast(uuid, timestamptz),
  public.pool_forecast(uuid),
  public.list_pools(),
  private.watch_pools(timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002735');

-- The clock was scheduled before there was its job.
do $$
begin
  perform private.schedule_clock();
end $$;
