-- The way back from 20261129001100_clicks.sql. It drops the clicks and their counts: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129001100';

drop function private.purge_clicks(timestamptz, integer);
drop function private.roll_up_clicks(timestamptz, integer);
drop function private.roll_up_day(date, integer);
drop function private.add_up(jsonb[]);
drop function private.first_day_in(text);
drop function private.click_days_kept();
drop function private.link_days_in(text, date, date, text);
drop function private.link_days(text, date, date);
drop function private.click_groups(text, timestamptz, timestamptz, text, integer);
drop function private.rule_name(smallint, text);
drop function public.record_repeats(uuid, integer, text);
drop function public.record_clicks(uuid, integer, text);
drop function private.count_clicks(integer, private.click[]);
drop function private.write_clicks(private.click[]);
drop function private.read_clicks(text);
drop type private.click;
drop table private.click_batches;
drop table public.click_days;
drop table public.click_counts;
drop table public.clicks;
