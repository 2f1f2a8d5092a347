-- The way back from 20261129000920_sending.sql.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000920';

drop function public.settle_outbound(jsonb, jsonb);
drop function private.settle_outbound(jsonb, timestamptz);
drop function private.hold_sender(private.sending, timestamptz);
drop type private.sending;
drop function private.learn_answered(jsonb, timestamptz);
drop function public.claim_outbound(integer, integer, jsonb, text[]);
drop function private.claim_outbound(integer, integer, jsonb, text[], timestamptz, integer);
drop type private.sending_turn;
drop function public.answer_category(uuid, jsonb);
drop function private.opt_out_doubt(text, text, jsonb, timestamptz);
