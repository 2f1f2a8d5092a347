-- Which flags look done with: when each was asked for, and since when it has not changed.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.flag_evaluations (
  flag_key text constraint flag_evaluations_pkey primary key,
  first_at timestamptz not null,
  last_at timestamptz not null
);
comment on table public.flag_evaluations is 'When a flag was first and last asked for, to the hour: what no code asks for can go.';
comment on constraint flag_evaluations_pkey on public.flag_evaluations is 'One row a flag.';
comment on column public.flag_evaluations.flag_key is 'The flag. It may not exist: somebody asks for it all the same.';
comment on column public.flag_evaluations.first_at is 'When it was first asked for.';
comment on column public.flag_evaluations.last_at is 'When it was last asked for; up to an hour behind.';
alter table public.flag_evaluations enable row level security;
revoke all on public.flag_evaluations from anon, authenticated, service_role, public;
grant select on public.flag_evaluations to authenticated;
grant select, insert, update on public.flag_evaluations to service_role;
create policy flag_evaluations_read on public.flag_evaluations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy flag_evaluations_read on public.flag_evaluations is 'The whole team sees which flags are in use.';

create function public.stale_flags(p_now timestamptz default now())
returns table (key text, why text, since timestamptz)
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return query
    select s.key, w.why, w.since
    from public.settings s
    left join public.flag_evaluations e on e.flag_key = s.key
    cross join lateral (
      select 'fully_on', s.updated_at
      where s.value = 'true' and not s.metadata ? 'schedule' and s.updated_at <= p_now - interval '30 days'
        and coalesce((s.metadata ->> 'rollout_percentage')::numeric,
          case when s.metadata ? 'target_user_ids' or s.metadata ? 'target_segments' then 0 else 100 end) = 100
      union all
      -- A new flag is one that nothing has been deployed for yet.
      select 'never_evaluated', m.at
      from (select max(h.changed_at) as at from public.settings_history h where h.key = s.key and h.before is null) m
      where e.flag_key is null and m.at <= p_now - interval '7 days'
      union all
      select 'not_evaluated', e.last_at where e.last_at <= p_now - interval '30 days'
    ) as w (why, since)
    where s.key like '%.enabled'
    order by s.key, w.why;
end $$;
comment on function public.stale_flags(timestamptz) is
  'Flags that look done with, and since when: fully_on (on for everybody, unchanged for 30 days), never_evaluated (made 7 days ago or earlier, and nobody has ever asked for it), not_evaluated (nobody has for 30 days). For viewers and secret keys.';
revoke execute on function public.stale_flags(timestamptz) from public, anon;
grant execute on function public.stale_flags(timestamptz) to authenticated, service_role;
