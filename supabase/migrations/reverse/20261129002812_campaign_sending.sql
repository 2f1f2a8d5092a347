-- The way back from 20261129002812_campaign_sending.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002812';

drop function private.send_campaigns(timestamptz);
drop function private.campaign_fault(public.campaigns);
drop function private.send_campaign_to(public.campaigns, bigint[], timestamptz);
drop function private.take_pace(text, numeric, integer, timestamptz);
drop function private.count_campaign_news(timestamptz, integer);
drop function private.campaign_link(uuid, bigint, smallint);
drop function private.stands_in(text, text);
drop function private.recount_accesses(uuid, bigint, bigint, timestamptz);
