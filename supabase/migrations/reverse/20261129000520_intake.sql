-- The way back from 20261129000520_intake.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000520';

drop function public.ingest_updates(jsonb);
drop function private.ingest_updates(jsonb);
drop function private.refuse_erased(private.inbound_update[], text);
drop function private.take_over_by_echoes(private.inbound_update[], uuid[]);
drop function private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean);
drop function private.takeover_minutes();
drop function private.opt_said(text, text, text[], text[]);
drop function private.opt_words(text);
