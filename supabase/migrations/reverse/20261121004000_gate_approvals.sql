-- The way back from 20261121004000_gate_approvals.sql. It drops the sign-offs: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.revoke_gate(text, text, text, text);
drop function public.sign_gate(text, text, text, text, boolean, text);
drop table public.gate_approvals;
alter table public.settings drop constraint settings_approvers;
