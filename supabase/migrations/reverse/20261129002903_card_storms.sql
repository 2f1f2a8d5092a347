-- The way back from 20261129002903_card_storms.sql. Mails that a card of another one stands for stay delivered; which card it
-- was is forgotten, and cards show no counter once they are brought up to date.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002903';

drop trigger unfold on public.deliveries;
drop trigger unfold on public.messages;
drop function public.card_mails(text, integer);
drop function private.purge_storms(timestamptz);
drop function private.note_folds(uuid);
drop function private.with_folds(jsonb, text[]);
drop function private.folds_of(uuid);
drop function private.fold_cards(public.destinations, timestamptz);
drop function private.is_urgent_address(text);
drop function private.card_pattern(jsonb);
drop table public.card_folds;
drop table private.card_storms;
drop function private.unfold();
