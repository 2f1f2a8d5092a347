-- The way back from 20261129000910_accepting.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000910';

drop function public.enqueue_outbound(jsonb);
drop function private.enqueue_outbound(jsonb, timestamptz);
drop function private.take_for(uuid, jsonb, timestamptz);
drop function private.unmake_conversation(public.conversations, text);
drop function public.set_opt_out(text, boolean, text, text);
drop function private.set_opt_out(text, boolean, text, text, timestamptz);
drop function private.send_conversation(jsonb);
drop function private.recipient(text, private.identity[]);
drop function private.address_of(uuid, text, text);
drop function private.identities_of(jsonb);
