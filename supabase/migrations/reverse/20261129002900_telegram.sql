-- The way back from 20261129002900_telegram.sql. Destinations of kind telegram are removed, with what waits for them; cards in
-- the chats stay as they are, and their buttons do nothing.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002900';

delete from public.route_destinations x using public.destinations d where d.id = x.destination_id and d.kind = 'telegram';
delete from private.delivery_lanes l using public.destinations d where d.id = l.destination_id and d.kind = 'telegram';
delete from public.deliveries x using public.destinations d where d.id = x.destination_id and d.kind = 'telegram';
delete from public.destinations d where d.kind = 'telegram';
drop trigger forget_target on public.destinations;
drop trigger share_pace on public.destinations;
drop trigger card_again on public.deliveries;
drop trigger clear_cards on public.messages;
drop function
  private.forget_target(),
  private.share_pace(),
  private.card_again(),
  private.clear_cards(),
  private.card_token(uuid),
  private.with_cards(jsonb),
  public.add_telegram_destination(text, bigint, bigint),
  public.list_telegram_chats(),
  public.move_telegram_chat(bigint, bigint),
  public.note_card(uuid, bigint, bigint[], bigint);
drop table public.cards, private.telegram_targets, public.telegram_chats;
