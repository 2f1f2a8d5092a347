-- The way back from 20261129000510_intake_steps.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000510';

drop function private.apply_opt_outs(private.inbound_update[], uuid[]);
drop function private.withdraw_messages(private.inbound_update[]);
drop function private.store_messages(private.inbound_update[], uuid[]);
drop function private.find_conversations(private.inbound_update[], uuid[]);
drop function private.assign_contacts(private.inbound_update[]);
drop function private.merged(uuid[]);
drop function private.make_newcomers(private.inbound_update[]);
drop function private.find_contacts(private.inbound_update[]);
drop function private.learn_recipients(private.inbound_update[], private.status_subject[]);
drop function private.flow_of(text, jsonb);
drop function private.group_of(uuid);
drop function private.author_of(uuid, text);
drop function private.keep_authors(private.inbound_update[], uuid[], uuid[]);
drop function private.assign_authors(private.inbound_update[]);
drop function private.apply_statuses(private.inbound_update[], private.status_subject[]);
drop function private.subjects_of(private.inbound_update[]);
drop type private.status_subject;
