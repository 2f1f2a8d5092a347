-- The way back from 20261121005020_health.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.health();
revoke execute on function private.health(timestamptz), private.database_health(), private.queue_health(timestamptz),
  private.clock_health(timestamptz), private.graph_health(timestamptz), private.functions_health(timestamptz),
  private.config_health(), private.waiting(timestamptz), private.overdue_seconds(timestamptz) from service_role;
