-- The way back from 20261129002920_provider_circuits.sql. It drops what was learnt of providers.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002920';

drop function
  private.enter_circuit(text, timestamptz),
  public.enter_circuit(text),
  private.leave_circuit(text, boolean, integer, timestamptz),
  public.leave_circuit(text, boolean, integer);
drop table private.provider_circuits;
