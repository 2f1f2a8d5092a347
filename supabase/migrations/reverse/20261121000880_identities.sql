set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.lock_contacts();
drop function private.resolve_contact(text, text, text, text, text, text, text, text, timestamptz);
drop function private.merge_contacts(uuid, uuid, timestamptz);
drop function private.hold_identity(uuid, text, text, text, timestamptz);
drop function private.identity_holder(text, text, text);
