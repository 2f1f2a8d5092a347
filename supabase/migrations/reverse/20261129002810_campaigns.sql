-- The way back from 20261129002810_campaigns.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002810';

drop trigger tell_campaign on public.email_replies;
drop trigger tell_campaign_again on public.email_events;
drop trigger tell_campaign on public.email_events;
drop trigger tell_campaign on public.messages;
drop function private.campaign_reply();
drop function private.campaign_event();
drop function private.campaign_status();
drop function private.campaign_access(public.email_events, boolean);
drop function private.tell_campaign(uuid, text[], integer);
drop function private.campaign_bit(text);
drop function private.campaign_mail(jsonb);
drop function private.campaign_words(public.campaigns, jsonb, text);
drop function private.fill_in(text, jsonb, boolean);
drop function private.placeholder();
drop table private.campaign_news;
drop table private.campaign_counts;
drop table public.campaign_recipients;
drop table public.campaigns;
