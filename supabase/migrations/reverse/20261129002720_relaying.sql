-- The way back from 20261129002720_relaying.sql: texts to numbers of organisations are stored and go nowhere.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002720';

drop function public.record_relays(bigint, jsonb);
drop function public.masked_waiting(uuid[]);
drop function private.record_relays(bigint, jsonb, timestamptz);
drop function private.record_relay(public.conversations, jsonb, timestamptz);
drop function private.open_for(uuid, uuid, timestamptz);
drop function private.legs_stand(uuid, uuid, text, uuid[]);
drop function private.conversations_of_legs(uuid[]);
drop function private.queue_to_legs(uuid, uuid[], jsonb, text, timestamptz);
drop function private.queue_text(uuid, text, jsonb, text, timestamptz);
