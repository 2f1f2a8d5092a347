-- The way back from 20261129002450_personal_data.sql. It takes away how people are given out and erased; nothing of
-- theirs.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002450';

drop function public.erase_contact(text, uuid, integer);
drop function private.erase_part(text, uuid, integer);
drop function private.erase_rows(private.person);
drop function private.cited(private.person);
drop function private.out_of_reach();
drop function public.export_contact(text);
drop function private.exported_row(text, text[]);
drop function private.tie(text, text[], text, text);
drop function private.text_of(text[]);
drop function private.personal_data();
drop function private.without_targets(jsonb, text[]);
drop function private.tombstone(jsonb, private.person, boolean);
drop function private.tombstone(text[], private.person, boolean);
drop function private.tombstone(text, private.person, boolean);
drop function private.mentions(text, private.person);
drop function private.holds(text, text[]);
drop function private.messages_of(private.person, integer);
drop function private.with_messages(private.person, uuid[]);
drop function private.find_person(text);
drop function private.person_of(uuid[], text);
drop function private.encoded_forms(text);
drop function private.pattern_of(text, text);
drop type private.person;
