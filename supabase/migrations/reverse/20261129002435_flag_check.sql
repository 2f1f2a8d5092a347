-- The way back from 20261129002435_flag_check.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002435';

drop function public.check_flag(text, text);
drop function private.flag_explained(text, text);
