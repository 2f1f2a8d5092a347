set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop table public.conversations;
drop table public.contact_identities;
drop table public.contacts;
drop table public.wa_numbers;
