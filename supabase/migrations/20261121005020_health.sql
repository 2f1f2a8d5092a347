-- What /health/detailed asks.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.health() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('at', clock_timestamp(), 'has', public.schema_version(), 'revision', r.revision,
    'queue', private.waiting(clock_timestamp()), 'components', private.health(clock_timestamp()))
  from private.config_revision r
$$;
comment on function public.health() is
  'How each part does: {at, has: the newest migration applied, revision of the configuration, queue: what waits, components: [{component, status: healthy | degraded | down, why}]}. For secret keys.';
revoke execute on function public.health() from public, anon, authenticated;
grant execute on function public.health() to service_role;

grant execute on function private.health(timestamptz), private.database_health(), private.queue_health(timestamptz),
  private.clock_health(timestamptz), private.graph_health(timestamptz), private.functions_health(timestamptz),
  private.config_health(), private.waiting(timestamptz), private.overdue_seconds(timestamptz) to service_role;
