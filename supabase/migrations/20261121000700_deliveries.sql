set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The queue to the services. A lane is the queue of one conversation to one destination: it is leased as a
-- whole, so order within a conversation holds by construction while conversations run side by side.

-- ---------------------------------------------------------------------------
-- deliveries and their attempts
-- ---------------------------------------------------------------------------
create table public.deliveries (
  id uuid primary key default private.uuid_v7(),
  message_id uuid not null references public.messages (id) on delete cascade,
  destination_id uuid not null references public.destinations (id) on delete restrict,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  seq bigint not null,
  state text not null default 'pending' check (state in ('pending', 'leased', 'delivered', 'dead')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  last_error text,
  dropped_reason text,
  delivered_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint deliveries_once_key unique (message_id, destination_id)
) with (fillfactor = 80);
comment on table public.deliveries is 'One row a message and destination. The id is the webhook-id that the service sees, the same at each attempt.';
comment on constraint deliveries_once_key on public.deliveries is 'A message goes to a destination once.';
comment on column public.deliveries.id is 'UUID v7; sent as webhook-id.';
comment on column public.deliveries.message_id is 'The message.';
comment on column public.deliveries.destination_id is 'The destination.';
comment on column public.deliveries.conversation_id is 'The message''s conversation; with the destination it names the lane.';
comment on column public.deliveries.seq is 'messages.seq: the order within the lane.';
comment on column public.deliveries.state is 'pending, leased (under way), delivered, or dead (given up or dropped; can be retried by hand).';
comment on column public.deliveries.attempt is 'Attempts begun.';
comment on column public.deliveries.next_attempt_at is 'When it is due, if it is the first of its lane.';
comment on column public.deliveries.last_error is 'Why the last attempt failed, as a short code and sentence.';
comment on column public.deliveries.dropped_reason is 'Why a person dropped it; null otherwise.';
comment on column public.deliveries.delivered_at is 'When a 2xx answer was settled.';
comment on column public.deliveries.created_at is 'When it was decided.';
comment on column public.deliveries.updated_at is 'When its state last changed.';
create index deliveries_open_idx on public.deliveries (destination_id, conversation_id, seq)
  where state in ('pending', 'leased');
comment on index public.deliveries_open_idx is 'The first open delivery of a lane.';
create index deliveries_dead_idx on public.deliveries (updated_at) where state = 'dead';
comment on index public.deliveries_dead_idx is 'Dead letters, latest first.';
create index deliveries_dead_destination_idx on public.deliveries (destination_id, updated_at, id) where state = 'dead';
comment on index public.deliveries_dead_destination_idx is 'Dead letters of a destination, page by page.';
create index deliveries_conversation_idx on public.deliveries (conversation_id);
comment on index public.deliveries_conversation_idx is 'Deliveries of a conversation; serves the foreign key and merges.';
create index deliveries_destination_idx on public.deliveries (destination_id, created_at);
comment on index public.deliveries_destination_idx is 'Counts of a destination; serves the foreign key.';
alter table public.deliveries enable row level security;
revoke all on public.deliveries from public, anon, authenticated;
grant select on public.deliveries to authenticated;
grant select, insert, update, delete on public.deliveries to service_role;
create policy "team reads deliveries" on public.deliveries for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads deliveries" on public.deliveries is 'Holds no personal data: every role may read.';

create table public.delivery_attempts (
  delivery_id uuid not null references public.deliveries (id) on delete cascade,
  attempt integer not null,
  outcome text not null check (outcome in ('delivered', 'retry', 'dead')),
  status integer,
  latency_ms integer,
  error text,
  answer text check (length(answer) <= 20480),
  at timestamptz not null default now(),
  constraint delivery_attempts_pkey primary key (delivery_id, attempt)
);
comment on table public.delivery_attempts is 'What each attempt met.';
comment on constraint delivery_attempts_pkey on public.delivery_attempts is 'An attempt is settled once.';
comment on column public.delivery_attempts.delivery_id is 'The delivery.';
comment on column public.delivery_attempts.attempt is 'From 1; a gap is an attempt whose function died before it could settle.';
comment on column public.delivery_attempts.outcome is 'delivered, retry or dead.';
comment on column public.delivery_attempts.status is 'HTTP status of the answer; null when there was none.';
comment on column public.delivery_attempts.latency_ms is 'Until the whole answer, in milliseconds.';
comment on column public.delivery_attempts.error is 'Code and sentence of the failure.';
comment on column public.delivery_attempts.answer is 'The answer, cut to 20 KB.';
comment on column public.delivery_attempts.at is 'When it was settled.';
create index delivery_attempts_at_idx on public.delivery_attempts using brin (at);
comment on index public.delivery_attempts_at_idx is 'Purge by age.';
alter table public.delivery_attempts enable row level security;
revoke all on public.delivery_attempts from public, anon, authenticated;
grant select on public.delivery_attempts to authenticated;
grant select, insert, update, delete on public.delivery_attempts to service_role;
create policy "operators read attempts" on public.delivery_attempts for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read attempts" on public.delivery_attempts is 'Answers of services may hold personal data: operators and admins only.';

create table private.delivery_lanes (
  destination_id uuid not null references public.destinations (id) on delete cascade,
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  due_at timestamptz,
  lease uuid,
  constraint delivery_lanes_pkey primary key (destination_id, conversation_id)
) with (fillfactor = 70);
comment on table private.delivery_lanes is 'The queue of one conversation to one destination: when it is due, and who works on it.';
comment on constraint delivery_lanes_pkey on private.delivery_lanes is 'One lane for each destination and conversation.';
comment on column private.delivery_lanes.destination_id is 'The destination.';
comment on column private.delivery_lanes.conversation_id is 'The conversation.';
comment on column private.delivery_lanes.due_at is 'When its first open delivery may be tried; while leased, when the lease ends; null when empty.';
comment on column private.delivery_lanes.lease is 'Fencing token of the current lease: a result that carries another one comes too late.';
create index delivery_lanes_due_idx on private.delivery_lanes (destination_id, due_at) where due_at is not null;
comment on index private.delivery_lanes_due_idx is 'What is due at a destination, oldest first.';
create index delivery_lanes_conversation_idx on private.delivery_lanes (conversation_id);
comment on index private.delivery_lanes_conversation_idx is 'Lanes of a conversation; serves the foreign key and merges.';
alter table private.delivery_lanes enable row level security;
revoke all on private.delivery_lanes from public, anon, authenticated;
grant select, insert, update, delete on private.delivery_lanes to service_role;
