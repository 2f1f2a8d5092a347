-- Reply tokens: the local part of the address that answers to a mail go to.
--
-- Safe to run again, also statement by statement (psql -f), and after the rollback that drops the table. It has no expires_at:
-- a team that wants tokens to end adds that column (docs/plans.md), and functions read it where it is there.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table if not exists public.reply_tokens (
  token text collate "C" constraint reply_tokens_pkey primary key
    constraint reply_tokens_token_check check (token ~ '^[a-z0-9]{8,64}$'),
  message_id uuid not null constraint reply_tokens_message_id_fkey references public.messages (id) on delete cascade,
  created_at timestamptz not null default now()
);
comment on table public.reply_tokens is 'Which message an answer belongs to, by the address that it was sent to. A token finds a message; it proves nothing about who writes.';
comment on constraint reply_tokens_pkey on public.reply_tokens is 'The look-up of every answer. In bytes: a token is no word of a language.';
comment on column public.reply_tokens.token is 'Local part of the Reply-To address: 16 characters of a-z and 2-7, 80 random bits.';
comment on column public.reply_tokens.message_id is 'The message that it stands for: one that we sent, or one that came in and was forwarded.';
comment on column public.reply_tokens.created_at is 'When it was made.';
create index if not exists reply_tokens_message_idx on public.reply_tokens (message_id);
comment on index public.reply_tokens_message_idx is 'The token of a message; serves the foreign key.';
create index if not exists reply_tokens_created_idx on public.reply_tokens (created_at);
comment on index public.reply_tokens_created_idx is 'Counts by day.';
alter table public.reply_tokens enable row level security;
-- No policy and no grant for people: whoever has a token can write into the conversation.
revoke all on public.reply_tokens from public, anon, authenticated;
grant select, insert, update, delete on public.reply_tokens to service_role;

insert into private.own_migrations (version) values ('20261129002480') on conflict do nothing;
