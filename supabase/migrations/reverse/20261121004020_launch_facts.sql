-- The way back from 20261121004020_launch_facts.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.launch_facts(text);
drop function private.reads_whole_tables(text);
drop function private.hot_queries();
