-- The way back from 20261129002170_announcements.sql. What is queued already still goes; who got what is dropped: export it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002170';

drop function private.send_announcements(timestamptz);
drop function private.send_announcement_to(public.announcements, uuid, timestamptz);
drop function public.list_affected(text, timestamptz, integer, integer);
drop function public.read_announcement(uuid, uuid, integer);
drop function public.list_announcements(integer, jsonb);
drop function public.delete_announcement(uuid, bigint);
drop function public.stop_announcement(uuid, bigint, text);
drop function public.start_announcement(uuid, bigint);
drop function public.create_announcement(jsonb);
drop function private.create_announcement(jsonb, timestamptz);
drop function private.announcement_at(uuid, bigint, text[]);
drop function private.announcement_view(public.announcements, timestamptz);
drop function private.announcement_way(uuid, text, boolean, boolean, timestamptz);
drop function private.audience(jsonb, timestamptz);
drop function private.refuse_audience(jsonb);
drop function private.wrote_within(integer, timestamptz);
drop function private.contact_of_subject(text);
drop table public.announcement_recipients;
drop table public.announcements;
