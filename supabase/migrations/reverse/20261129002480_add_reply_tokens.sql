-- The way back from 20261129002480_add_reply_tokens.sql. Answers to addresses with a token are found by their headers then.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002480';

drop table public.reply_tokens;
