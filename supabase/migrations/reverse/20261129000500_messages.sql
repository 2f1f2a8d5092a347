-- The way back from 20261129000500_messages.sql. It drops the messages and what else came in: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000500';

drop function private.is_about_group(private.identity[]);
drop function private.drop_echoes(uuid[]);
drop function public.tell_accounts(jsonb);
drop function private.apply_templates(private.inbound_update[]);
drop function private.keep_opt_words(private.opt_word[]);
drop type private.noted_event;
drop type private.opt_word;
drop type private.inbound_update;
drop table private.template_categories;
drop table private.erased_keys;
drop table public.message_authors;
drop table public.messages;
drop table public.webhook_events;
