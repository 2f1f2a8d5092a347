-- The way back from 20261129000400_people.sql. It drops the contacts and their conversations: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000400';

drop function private.learn_told(private.told_ids[]);
drop type private.told_ids;
drop function private.learn_identities(uuid, text, text, private.identity[], timestamptz);
drop function private.lock_contacts();
drop function private.resolve_contact(text, private.identity[], text, timestamptz, text, uuid);
drop function private.whatsapp_contact(private.identity[], timestamptz, text, uuid);
drop function private.merge_contacts(uuid, uuid, timestamptz);
drop function private.current_ids(uuid, text);
drop function private.hold_identity(uuid, text, text, text, timestamptz, text, boolean);
drop function private.are_apart(uuid, uuid, text);
drop function private.ids_at(uuid, text, text);
drop function private.is_scoped(text);
drop function private.identity_holder(text, text, text);
drop function private.spellings(text, text);
drop function private.identity_before(private.identity[], text);
drop function private.identity_value(private.identity[], text);
drop type private.identity;
drop function public.remove_number(text);
drop function public.set_number_pace(text, integer, numeric, integer);
drop function private.send_flag(text);
drop function private.router_flag(text);
drop function private.channel_policy(text);
drop table public.conversations;
drop function private.keep_opt_out();
drop function private.erased_opt_out(text, text, text, text);
drop table private.erased_opt_outs;
drop function private.keyed_hash(text);
drop table private.hash_key;
drop table public.contact_identities;
drop table public.contacts;
drop view public.wa_numbers;
drop table public.senders;
