-- The way back from 20261129002921_mail_analysis.sql. It drops what was found out about mails, and what people corrected; cards
-- that show it stay as they are.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002921';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname in (''gatelink_analyses'', ''gatelink_judge_analyses'')';
  end if;
end $$;

drop trigger queue_analysis on public.cards;
drop trigger forget_analysis on public.messages;
drop function
  private.queue_analysis(),
  private.forget_analysis(),
  private.analyses_are_due(timestamptz),
  private.claim_analyses(integer, timestamptz),
  public.claim_analyses(integer),
  private.settle_analysis(uuid, uuid, jsonb, timestamptz),
  public.settle_analysis(uuid, uuid, jsonb),
  private.with_analyses(jsonb),
  private.label_card(public.cards, uuid, text, timestamptz),
  private.analysis_gate(timestamptz),
  private.analysis_accuracy(),
  private.analysis_accuracy(timestamptz),
  private.judge_analyses(timestamptz),
  public.analysis_report();
drop table public.analysis_labels, public.analyses;
