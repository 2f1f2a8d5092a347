-- The way back from 20261129002811_campaign_work.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002811';

drop trigger record_change on public.campaigns;
drop trigger record on public.campaigns;
drop function public.list_campaign_recipients(uuid, bigint, integer);
drop function public.read_campaign(uuid);
drop function public.list_campaigns(integer, jsonb);
drop function public.stop_campaign(uuid, bigint, text, boolean);
drop function public.start_campaign(uuid, bigint, jsonb);
drop function public.test_campaign(uuid, text, jsonb, boolean);
drop function public.add_campaign_recipients(uuid, jsonb);
drop function public.create_campaign(jsonb);
drop function private.refuse_campaign(jsonb, text[]);
drop function private.campaign_at(uuid, bigint, text[]);
drop function private.campaign_view(public.campaigns);
drop function private.campaign_waits(public.campaigns, timestamptz);
drop function private.campaign_totals(uuid);
