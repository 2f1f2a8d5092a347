-- The way back from 20261129002901_telegram_presses.sql. It drops who is who in Telegram, and what was pressed.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002901';

do $$
begin
  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobid) from cron.job where jobname in (''gatelink_cards'', ''gatelink_purge_telegram'')';
  end if;
end $$;

drop trigger clear_card on public.cards;
drop function
  private.clear_card(),
  public.claim_card_clears(integer),
  public.settle_card_clear(bigint, bigint, bigint),
  public.pause_telegram_chat(bigint, bigint),
  public.link_telegram(text),
  private.take_telegram_update(jsonb, timestamptz),
  public.take_telegram_update(jsonb),
  private.rate_card(public.cards, uuid, boolean, timestamptz),
  private.press_card(jsonb, timestamptz),
  private.note_pressed_card(text, bigint, bigint),
  private.lock_cards(uuid),
  private.in_words(interval),
  private.open_link(jsonb, timestamptz),
  private.keep_chat(jsonb, bigint, timestamptz),
  private.claim_card_edits(integer, timestamptz),
  public.claim_card_edits(integer),
  public.settle_card_edit(uuid, uuid, bigint),
  private.cards_are_due(timestamptz),
  private.purge_telegram(timestamptz);
drop table private.card_clears, public.card_presses, private.telegram_updates, private.telegram_links, public.telegram_people;
