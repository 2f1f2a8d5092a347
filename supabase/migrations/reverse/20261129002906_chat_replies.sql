-- The way back from 20261129002906_chat_replies.sql. It drops who answered from chats; the answers stay as messages.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002906';

drop table public.chat_replies;
drop function
  private.clear_chat_reply(),
  private.count_chat_reply(text),
  private.reply_target(uuid, timestamptz),
  private.answer_subject(text),
  private.may_reply(bigint),
  private.reply_rate(text, uuid, timestamptz),
  private.reply_refusal(text),
  private.refuse_chat_reply(jsonb, text, boolean, timestamptz),
  private.chat_reply_files(jsonb),
  private.write_chat_reply(jsonb, timestamptz),
  private.edit_chat_reply(jsonb, timestamptz),
  private.press_chat_reply(jsonb, timestamptz),
  private.end_chat_reply(uuid, text, text, uuid, timestamptz),
  private.take_chat_reply(jsonb, timestamptz);
