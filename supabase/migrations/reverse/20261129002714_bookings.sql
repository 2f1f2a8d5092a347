-- The way back from 20261129002714_bookings.sql. It drops bookings and windows: the organisation's own system has them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002714';

drop function public.unassign_sitter(uuid, uuid);
drop function public.assign_sitter(uuid, uuid, boolean);
drop function private.classify_client(uuid, uuid);
drop function public.set_booking(uuid, text, jsonb);
drop function private.window_state(public.assignment_windows, timestamptz);
drop function private.window_of(timestamp, timestamp, text, integer, integer);
drop function private.instant_of(timestamp, text, boolean);
drop table public.assignment_windows;
drop table public.bookings;
drop function private.is_member(uuid);
