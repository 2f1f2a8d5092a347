-- The way back from 20261129002651_people.sql. Who was merged by hand is forgotten; shared opt-outs stay, and nobody gets more than before.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002651';

drop trigger share_opt_word on public.conversations;
drop function public.read_person(uuid);
drop function public.split_contact(uuid, text);
drop function public.undo_merge(uuid, text);
drop function private.undo_merge(public.contact_merges, text);
drop function public.merge_people(uuid, uuid, text);
drop function private.merge_view(public.contact_merges);
drop function private.share_opt_word();
drop function private.share_opt_outs(uuid[], uuid);
drop function private.same_person(uuid[]);
drop table public.contact_merges;
