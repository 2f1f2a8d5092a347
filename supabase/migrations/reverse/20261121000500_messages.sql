drop table public.messages;
drop table public.webhook_events;
