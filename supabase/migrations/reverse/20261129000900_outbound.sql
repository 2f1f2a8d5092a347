-- The way back from 20261129000900_outbound.sql. It drops the queue to the provider: what waits in it is not sent any
-- more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000900';

drop function private.send_fallback(uuid, timestamptz);
drop function private.queue_again(uuid, timestamptz);
drop function private.queue_replies(private.settlement[], timestamptz);
drop function private.queue_each_reply(private.settlement, timestamptz);
drop function private.plain_replies(private.settlement[], timestamptz);
drop function private.queue_messages(private.queued[], timestamptz);
drop type private.queued;
drop function private.enqueue_message(public.conversations, jsonb, timestamptz);
drop function private.send_refusal(public.conversations, jsonb, timestamptz);
drop function private.opt_out_stops(text, text, jsonb, timestamptz);
drop function private.template_category(text, text, jsonb, timestamptz);
drop function private.queue_lanes(uuid[], text[], text[], timestamptz);
drop function private.window_fallback();
drop function private.free_lanes(uuid[]);
drop function private.is_media(jsonb);
drop function private.release_outbound_lanes(uuid[]);
drop function private.pair_allows_at(timestamptz, text, text);
drop table private.outbound_lanes;
drop table public.outbound_messages;
