-- The way back from 20261121003400_confidence.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function private.surely_below(bigint, bigint, double precision);
drop function private.chance_of_so_few(bigint, bigint, double precision);
drop function private.ln_factorial(bigint);
