-- The way back from 20261129002911_oncall_lookups.sql. Cards mention nobody from then on; schedules stay.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002911';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname in (''gatelink_oncall'', ''gatelink_purge_oncall'')';
  end if;
end $$;

drop trigger ask_oncall on public.cards;
drop function
  public.who_is_on_call(text, timestamptz),
  public.list_oncall(),
  private.purge_oncall(timestamptz),
  private.oncall_is_due(timestamptz),
  public.settle_oncall_ping(uuid, uuid, bigint),
  public.settle_oncall_page(uuid, uuid, jsonb),
  private.settle_oncall_page(uuid, uuid, jsonb, timestamptz),
  private.record_oncall(uuid, boolean, timestamptz),
  private.tell_oncall_trouble(public.oncall_schedules, text, timestamptz),
  public.settle_oncall_lookup(uuid, jsonb, timestamptz, text),
  private.settle_oncall_lookup(uuid, jsonb, timestamptz, text, timestamptz),
  public.begin_oncall_lookup(text),
  private.begin_oncall_lookup(text, timestamptz),
  public.claim_oncall_pages(integer, boolean),
  private.claim_oncall_pages(integer, boolean, timestamptz),
  private.with_oncall_awaited(jsonb),
  private.with_oncall(jsonb),
  private.oncall_known(public.oncall_schedules, timestamptz),
  private.oncall_answer(public.oncall_schedules, timestamptz, boolean),
  private.oncall_resolved(jsonb),
  private.ask_oncall(),
  private.card_schedule(uuid, timestamptz),
  private.dynamic_routing_is_on(uuid, text, timestamptz),
  private.mail_address_part(text, integer);
drop table private.oncall_pages, private.oncall_circuits, private.oncall_answers;
