-- The way back from 20261129002811_campaign_work.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002811';

drop function private.send_campaigns(timestamptz);
drop function private.campaign_fault(public.campaigns);
drop function private.send_campaign_to(public.campaigns, public.campaign_recipients, timestamptz);
drop function public.list_campaign_recipients(uuid, bigint, integer);
drop function public.read_campaign(uuid);
drop function public.list_campaigns(integer, uuid);
drop function public.stop_campaign(uuid, bigint, text, boolean);
drop function public.start_campaign(uuid, bigint);
drop function public.test_campaign(uuid, text, jsonb);
drop function public.add_campaign_recipients(uuid, jsonb);
drop function public.create_campaign(jsonb);
drop function private.campaign_at(uuid, bigint, text[]);
drop function private.campaign_view(public.campaigns);
