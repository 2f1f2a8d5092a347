set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What came in and went out: every webhook update once, and the messages of each conversation in order.

-- ---------------------------------------------------------------------------
-- webhook_events
-- ---------------------------------------------------------------------------
create table public.webhook_events (
  provider text not null default 'whatsapp',
  dedupe_key text not null,
  field text not null,
  kind text not null check (kind in ('message', 'echo', 'status', 'identity', 'other')),
  number_id text,
  raw jsonb,
  received_at timestamptz not null default now(),
  constraint webhook_events_pkey primary key (provider, dedupe_key)
);
comment on table public.webhook_events is 'Every update that was acknowledged, once. What is not understood lives here too. Rows older than the retention are purged; it exceeds the provider''s retry time by far.';
comment on constraint webhook_events_pkey on public.webhook_events is 'The idempotency of the intake: a repeated update conflicts here and is answered as a duplicate.';
comment on column public.webhook_events.provider is 'Who sent it, for example whatsapp.';
comment on column public.webhook_events.dedupe_key is 'The same for each repetition of an update and for nothing else.';
comment on column public.webhook_events.field is 'The webhook field that it came under; unknown where there was none.';
comment on column public.webhook_events.kind is 'What it was understood as: message, echo, status, identity or other.';
comment on column public.webhook_events.number_id is 'The business number it concerns, if any.';
comment on column public.webhook_events.raw is 'The update as it came; null where the message''s row (messages.native) keeps it.';
comment on column public.webhook_events.received_at is 'When it was stored.';
create index webhook_events_received_idx on public.webhook_events using brin (received_at);
comment on index public.webhook_events_received_idx is 'Range scans by time for purge and reports; BRIN, since rows arrive in this order.';
alter table public.webhook_events enable row level security;
revoke all on public.webhook_events from public, anon, authenticated;
grant select on public.webhook_events to authenticated;
grant select, insert, update, delete on public.webhook_events to service_role;
create policy "operators read webhook events" on public.webhook_events for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read webhook events" on public.webhook_events is 'Raw updates hold personal data: operators and admins only.';

-- ---------------------------------------------------------------------------
-- messages
-- ---------------------------------------------------------------------------
create table public.messages (
  id uuid primary key default private.uuid_v7(),
  seq bigint generated always as identity,
  channel text not null default 'whatsapp',
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  direction text not null check (direction in ('in', 'out')),
  provider_id text,
  type text not null,
  text text,
  choice text,
  reply_to text,
  link_token text,
  referral jsonb,
  forwarded boolean not null default false,
  native jsonb,
  status text not null,
  status_rank smallint not null default 0,
  status_at jsonb not null default '{}',
  pricing jsonb,
  error jsonb,
  traceparent text,
  sent_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table public.messages is 'Messages of both directions. seq is given under the lock of the conversation, so within a conversation it is the order of acceptance.';
comment on column public.messages.id is 'UUID v7; for an outbound message also the id that wa-send answers.';
comment on column public.messages.seq is 'Order of acceptance within a conversation.';
comment on column public.messages.channel is 'The channel that carried it.';
comment on column public.messages.conversation_id is 'Its conversation.';
comment on column public.messages.direction is 'in: from the person; out: from the business.';
comment on column public.messages.provider_id is 'The provider''s id (wamid…); null for an outbound message not sent yet.';
comment on column public.messages.type is 'text, image, interactive, … as the provider names it.';
comment on column public.messages.text is 'The words, whatever the type: body, caption, title of the chosen button, emoji.';
comment on column public.messages.choice is 'Id of the chosen button or list row, or the quick reply''s payload.';
comment on column public.messages.reply_to is 'provider_id of the message that this one answers.';
comment on column public.messages.link_token is 'Deep-link token carried in the text.';
comment on column public.messages.referral is 'The ad or post that the person came from.';
comment on column public.messages.forwarded is 'Whether the person forwarded it.';
comment on column public.messages.native is 'The message as the provider gave it, or as it is given to the provider.';
comment on column public.messages.status is 'in: received; out: queued, sent, delivered, read, played, failed or deleted. Never goes back.';
comment on column public.messages.status_rank is 'Rank of status; a status of a lower rank only adds its time.';
comment on column public.messages.status_at is 'When each status was reached, by name.';
comment on column public.messages.pricing is 'What the provider charged, as it tells with the status.';
comment on column public.messages.error is 'Why it failed, as the provider tells.';
comment on column public.messages.traceparent is 'W3C trace context of the request that brought it, or that a reply goes on with; null where there was none: its trace is its id then.';
comment on column public.messages.sent_at is 'The provider''s time of the message.';
comment on column public.messages.created_at is 'When we stored it.';
create index messages_conversation_idx on public.messages (conversation_id, seq);
comment on index public.messages_conversation_idx is 'A conversation in order; what the router has yet to decide.';
create index messages_provider_id_idx on public.messages (provider_id) where provider_id is not null;
comment on index public.messages_provider_id_idx is 'Finds the message that a status is about.';
create index messages_trace_idx on public.messages (substr(traceparent, 4, 32)) where traceparent is not null;
comment on index public.messages_trace_idx is 'Finds the messages of a trace that began elsewhere. Nearly all messages have none, and no entry.';
alter table public.messages enable row level security;
revoke all on public.messages from public, anon, authenticated;
grant select on public.messages to authenticated;
grant select, insert, update, delete on public.messages to service_role;
create policy "operators read messages" on public.messages for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read messages" on public.messages is 'What people write is personal data: operators and admins only.';
