-- The way back from 20261129002440_invitations.sql. Open invitations are forgotten; invite again after the way forward.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002440';

drop function public.accept_invitation();
drop function public.revoke_invitation(uuid);
drop function public.settle_invitation(uuid, uuid);
drop function public.start_invitation(text, text, text);
drop function private.record_invitation(public.team_invitations, text, text);
drop table public.team_invitations;
