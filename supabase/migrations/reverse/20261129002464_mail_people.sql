-- The way back from 20261129002464_mail_people.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002464';

drop function public.mail_to_show(uuid, text);
drop function public.trace_mail(uuid);
drop function public.email_overview(integer);
drop function private.email_days(timestamptz, timestamptz);
drop function private.mail_facts(jsonb);
drop function public.find_suppression(text);
drop function public.list_suppressions(timestamptz, integer, integer, text);
drop function public.lift_suppression(text, text);
drop function public.add_suppression(text, text, text);
drop function public.check_identity(uuid, text, text);
drop function public.begin_identity_check(uuid, text);
drop function public.remove_identity(uuid);
drop function public.set_identity(uuid, jsonb);
drop function private.has_mailbox(uuid, text);
drop function public.add_identity(text, jsonb);
drop function private.ask_forward(uuid, text);
drop function private.sees_whole();
drop function public.list_identities(jsonb, integer);
drop function private.changed_identity(uuid);
drop function private.identity_json(private.inboxes, boolean);
drop function private.require_identities();
drop function private.without_local_part(text);
drop table private.identity_checks;
