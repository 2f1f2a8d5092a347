-- The way back from 20261121003010_segments_manage.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.remove_segment(text, bigint, text);
drop function public.remove_segment_members(text, bigint, text[], text[], text);
drop function public.add_segment_members(text, bigint, text[], text[], text);
drop function public.set_segment(text, text, bigint);
drop function private.segment_at(text, bigint);
drop function private.subject_ids(text[], text[]);
