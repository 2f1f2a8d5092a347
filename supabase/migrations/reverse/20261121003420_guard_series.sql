-- The way back from 20261121003420_guard_series.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.guard_test(private.guard_series, bigint[], bigint[], private.guard_tally, private.guard_tally);
drop function private.guard_logs(double precision);
drop type private.guard_series;
drop type private.guard_quiet;
drop type private.guard_tally;
