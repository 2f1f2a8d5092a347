-- The way back from 20261129001300_segments.sql. It drops the segments with their history: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001300';

drop function public.remove_segment(text, bigint, text);
drop function public.remove_segment_members(text, bigint, text[], text[], text);
drop function public.add_segment_members(text, bigint, text[], text[], text);
drop function public.set_segment(text, text, bigint);
drop function private.segment_at(text, bigint);
drop function private.subject_ids(text[], text[]);
drop function private.config_segments();
drop trigger follow_merge on public.contacts;
drop function private.follow_merge();
drop trigger record_removed on public.segment_members;
drop trigger record_added on public.segment_members;
drop function private.record_members();
drop trigger continue on public.segments;
drop function private.continue_segment();
drop table public.segment_history;
drop trigger bound on public.segment_members;
drop function private.bound_members();
drop trigger admit on public.segment_members;
drop function private.admit_member();
drop table public.segment_members;
drop table public.segments;
