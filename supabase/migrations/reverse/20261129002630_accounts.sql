-- The way back from 20261129002630_accounts.sql. Names of accounts, and what was reported of them, go with it; numbers of named
-- accounts use the default credentials again.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002630';

drop function public.record_number_check(jsonb);
drop function public.numbers_to_check();
drop function public.list_numbers();
drop function private.numbers();
drop function private.apply_news(private.inbound_update[]);
drop function private.apply_number_news(text, jsonb, timestamptz);
drop function private.apply_account_news(text, jsonb, timestamptz);
drop function private.record_account_event(text, text, text, text, text, jsonb, timestamptz);
drop function private.notify_account(public.account_events);
drop function public.name_account(text, text);
drop function private.resume_senders(text, text, text[], timestamptz);
drop trigger sender_gets_account on public.senders;
drop function private.sender_gets_account();
drop function public.number_credentials(text);
drop function private.credentials_of(text, text);
drop table public.account_events;
drop table public.sender_states;
drop table public.sender_accounts;
update public.senders set credentials = null where channel = 'whatsapp';
