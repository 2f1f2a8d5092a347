-- Circuits of providers that are asked behind a card: isolates come and go, so what one learnt is kept here.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.provider_circuits (
  provider text primary key constraint provider_circuits_provider check (provider ~ '^[a-z][a-z0-9_]{0,39}$'),
  failures integer not null default 0,
  recent_ms integer[] not null default '{}',
  open_until timestamptz,
  open_seconds integer not null default 30 check (open_seconds between 30 and 600),
  probe_until timestamptz,
  changed_at timestamptz not null default now()
);
comment on table private.provider_circuits is 'Whether providers that are asked behind a card may be asked at the moment.';
comment on column private.provider_circuits.provider is 'Its name in the code, such as openai.';
comment on column private.provider_circuits.failures is 'Failures in a row while it is closed.';
comment on column private.provider_circuits.recent_ms is 'Milliseconds of the last calls, at most 20, the newest last.';
comment on column private.provider_circuits.open_until is 'Until when nothing is asked; then one call probes. Null while it is closed.';
comment on column private.provider_circuits.open_seconds is 'For how long it opens the next time: 30 s, doubled by each probe that fails, to 10 minutes.';
comment on column private.provider_circuits.probe_until is 'Until when a probe is under way; null for none.';
comment on column private.provider_circuits.changed_at is 'When it last opened or closed.';
alter table private.provider_circuits enable row level security;
revoke all on private.provider_circuits from public, anon, authenticated;
grant select, insert, update, delete on private.provider_circuits to service_role;

create function private.enter_circuit(p_provider text, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  -- A probe that never came back gives way to the next one.
  update private.provider_circuits c set probe_until = p_now + interval '15 seconds'
  where c.provider = p_provider and c.open_until <= p_now and (c.probe_until is null or c.probe_until <= p_now);
  return found or not exists (select from private.provider_circuits c where c.provider = p_provider and c.open_until is not null);
end $$;
comment on function private.enter_circuit(text, timestamptz) is 'enter_circuit with a given time.';

create function public.enter_circuit(p_provider text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.enter_circuit(p_provider, clock_timestamp());
end $$;
comment on function public.enter_circuit(text) is 'Whether a provider may be asked now. While its circuit is open: false, except for one caller once it has been open long enough, whose call is the probe. leave_circuit follows each true. For secret keys.';

create function private.leave_circuit(p_provider text, p_ok boolean, p_ms integer, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_circuit private.provider_circuits;
  v_recent integer[];
  v_slow boolean;
begin
  insert into private.provider_circuits (provider, changed_at) values (p_provider, p_now) on conflict (provider) do nothing;
  select * into v_circuit from private.provider_circuits c where c.provider = p_provider for update;
  if v_circuit.open_until is not null then
    if v_circuit.probe_until is null then
      -- Began before it opened.
      return;
    elsif p_ok then
      update private.provider_circuits c
      set failures = 0, recent_ms = '{}', open_until = null, open_seconds = 30, probe_until = null, changed_at = p_now
      where c.provider = p_provider;
    else
      update private.provider_circuits c
      set open_seconds = least(600, c.open_seconds * 2), open_until = p_now + make_interval(secs => least(600, c.open_seconds * 2)), probe_until = null
      where c.provider = p_provider;
    end if;
    return;
  end if;
  v_recent := (v_circuit.recent_ms || greatest(0, p_ms))[greatest(1, cardinality(v_circuit.recent_ms) - 18):];
  v_slow := cardinality(v_recent) >= 20 and (
    select percentile_disc(0.95) within group (order by r.ms) from unnest(v_recent) as r (ms)) > 3000;
  if v_slow or not p_ok and v_circuit.failures + 1 >= 5 then
    update private.provider_circuits c
    set failures = 0, recent_ms = '{}', open_seconds = 30, open_until = p_now + interval '30 seconds', probe_until = null, changed_at = p_now
    where c.provider = p_provider;
  else
    update private.provider_circuits c
    set failures = case when p_ok then 0 else c.failures + 1 end, recent_ms = v_recent where c.provider = p_provider;
  end if;
end $$;
comment on function private.leave_circuit(text, boolean, integer, timestamptz) is 'leave_circuit with a given time.';

create function public.leave_circuit(p_provider text, p_ok boolean, p_ms integer) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.leave_circuit(p_provider, p_ok, p_ms, clock_timestamp());
end $$;
comment on function public.leave_circuit(text, boolean, integer) is 'A provider answered, or failed, after so many milliseconds. Five failures in a row, or a 95th percentile above 3 s over the last 20 calls, open its circuit for 30 s; each probe that fails doubles that, to 10 minutes. For secret keys.';

call private.close_functions();
grant execute on function
  private.enter_circuit(text, timestamptz),
  public.enter_circuit(text),
  private.leave_circuit(text, boolean, integer, timestamptz),
  public.leave_circuit(text, boolean, integer)
  to service_role;

insert into private.own_migrations (version) values ('20261129002920');
