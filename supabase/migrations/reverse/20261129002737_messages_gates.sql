-- The way back from 20261129002737_messages_gates.sql: rollouts of masked messaging ask for no proof and for no stable step before.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002737';

drop function public.messages_steps(text[]);
drop function private.step_stability(text, text[], timestamptz);
drop function private.step_before(text);
drop function private.messages_faults(text, uuid[]);
