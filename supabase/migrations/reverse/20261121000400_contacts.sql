drop table public.conversations;
drop table public.contact_identities;
drop table public.contacts;
drop table public.wa_numbers;
