set local lock_timeout = '5s';
set local statement_timeout = '60s';
drop function public.enqueue_outbound(jsonb);
drop function private.enqueue_outbound(jsonb, timestamptz);
drop function private.send_conversation(jsonb);
