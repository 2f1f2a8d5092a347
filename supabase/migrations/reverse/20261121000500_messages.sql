set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop table public.messages;
drop table public.webhook_events;
