-- The way back from 20261121003040_flag_schedules.sql. What is scheduled no longer happens.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.apply_flag_schedules(timestamptz);
