-- The way back from 20261129002650_imports.sql. Imported messages stay, before all others of their conversations.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002650';

drop function public.list_imports();
drop function private.apply_history_news(text, jsonb, timestamptz);
drop function private.apply_names(private.inbound_update[]);
drop function private.import_messages(private.inbound_update[], uuid[]);
drop function private.drop_imported(private.inbound_update[]);
drop function private.imported_id(timestamptz);
drop function private.imported_position(timestamptz);
drop sequence private.imported_seq;
drop table private.book_names;
drop table public.imports;
