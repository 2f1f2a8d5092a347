-- The way back from 20261129002463_mail_deliveries.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002463';

drop function public.resolve_unknown(uuid, text, text);
drop function public.list_unknown(integer, jsonb);
drop function private.give_up_leases(text, text, timestamptz);
drop function public.ingest_mail_events(jsonb);
drop function private.ingest_mail_events(jsonb, timestamptz);
drop function private.was_blocked(uuid, timestamptz);
drop function private.mail_status(text);
drop function private.event_words(jsonb);
drop function private.without_addresses(jsonb);
drop function private.note_forwards(private.settlement[], timestamptz);
drop function private.give_up_forwards(uuid, uuid, timestamptz);
drop function private.sends_once(text);
drop function private.mail_to_forward(uuid, jsonb, text, uuid);
drop function private.inbox_config(uuid);
drop function private.forward_was_reported(uuid, timestamptz);
