-- The way back from 20261129002716_relay.sql. It drops decisions, findings and the owner inbox: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002716';

do $$
begin
  if exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname = ''gatelink_release_numbers''';
  end if;
end $$;

drop function public.undo_backfill(uuid);
drop function public.backfill_threads(uuid, integer);
drop function public.messages_proof(uuid);
drop function public.messages_diagnostics(uuid);
drop function private.release_numbers(timestamptz);
drop function public.review_finding(uuid, uuid, integer, boolean, text);
drop function public.finish_inbox(uuid, uuid, text);
drop function public.record_decision(jsonb, jsonb);
drop function private.count_decision(uuid, uuid, jsonb);
drop function public.thread_facts(uuid, timestamptz);
drop function public.relay_facts(text, text, timestamptz);
drop function private.relay_facts(public.org_numbers, uuid, text, timestamptz);
drop function private.thread_facts(uuid, timestamptz);
drop function private.leg_view(public.thread_legs);
drop table public.policy_findings;
drop table public.thread_decisions;
