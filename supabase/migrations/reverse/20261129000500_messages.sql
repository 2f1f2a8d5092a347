-- The way back from 20261129000500_messages.sql. It drops the messages and what else came in: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000500';

drop function public.ingest_updates(jsonb);
drop function private.ingest_updates(jsonb);
drop function private.refuse_erased(private.inbound_update[], text);
drop function private.take_over_by_echoes(private.inbound_update[], uuid[]);
drop function private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean);
drop function private.takeover_minutes();
drop function private.apply_opt_outs(private.inbound_update[], uuid[]);
drop function private.withdraw_messages(private.inbound_update[]);
drop function private.store_messages(private.inbound_update[], uuid[]);
drop function private.find_conversations(private.inbound_update[], uuid[]);
drop function private.assign_contacts(private.inbound_update[]);
drop function private.merged(uuid[]);
drop function private.make_newcomers(private.inbound_update[]);
drop function private.find_contacts(private.inbound_update[]);
drop function private.learn_recipients(private.inbound_update[]);
drop function private.flow_of(text, jsonb);
drop function private.group_of(uuid);
drop function private.author_of(uuid, text);
drop function private.keep_authors(private.inbound_update[], uuid[], uuid[]);
drop function private.assign_authors(private.inbound_update[]);
drop function private.apply_statuses(private.inbound_update[]);
drop function private.is_about_group(private.identity[]);
drop function private.drop_echoes(uuid[]);
drop function public.tell_accounts(jsonb);
drop function private.opt_said(text, text, text[], text[]);
drop function private.opt_words(text);
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
