set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.settle_deliveries(jsonb);
drop function private.settle_deliveries(jsonb, timestamptz);
drop function private.enqueue_message(public.conversations, jsonb, timestamptz);
drop function private.window_fallback();
alter table public.settings drop constraint settings_wa_send_window_fallback;
