-- The way back from 20261129000150_history.sql. What it recorded is gone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000150';

drop function private.record_change();
drop function private.record_deliveries(uuid[], text, text);
drop function private.is_erasing();
drop table private.change_history;
