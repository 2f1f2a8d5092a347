set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What goes out: the queue to the provider, paced for each pair and number in the database, so that neither a
-- restart nor a second isolate can exceed it.

-- ---------------------------------------------------------------------------
-- outbound_messages and their lanes
-- ---------------------------------------------------------------------------
create table public.outbound_messages (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp',
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  number_id text not null,
  message_id uuid references public.messages (id) on delete cascade,
  payload jsonb,
  recipient text,
  idempotency_key text constraint outbound_messages_idempotency_key unique,
  request_hash text,
  state text not null default 'queued' check (state in ('queued', 'leased', 'sent', 'failed')),
  attempt integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  error jsonb,
  used_fallback boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.outbound_messages is 'The queue to the provider. Its message is a row of messages with the same id; a read receipt has none.';
comment on constraint outbound_messages_idempotency_key on public.outbound_messages is 'A request with the same key is the same message.';
comment on column public.outbound_messages.id is 'UUID v7; answered by wa-send and given to the provider as its callback data.';
comment on column public.outbound_messages.channel is 'The channel that carries it.';
comment on column public.outbound_messages.conversation_id is 'The conversation; also the lane.';
comment on column public.outbound_messages.number_id is 'The business number that sends.';
comment on column public.outbound_messages.message_id is 'Its message; null for a read receipt.';
comment on column public.outbound_messages.payload is 'What is sent, where no message''s native keeps it.';
comment on column public.outbound_messages.recipient is 'The id that it is addressed to.';
comment on column public.outbound_messages.idempotency_key is 'The caller''s key, or reply:<delivery>:<n>.';
comment on column public.outbound_messages.request_hash is 'Hash of the request, to tell a repetition from another request under the same key.';
comment on column public.outbound_messages.state is 'queued, leased (under way), sent (the provider took it) or failed (given up).';
comment on column public.outbound_messages.attempt is 'Attempts begun.';
comment on column public.outbound_messages.next_attempt_at is 'When it is due, if it is the first of its lane.';
comment on column public.outbound_messages.error is 'What the provider answered last, if it refused.';
comment on column public.outbound_messages.used_fallback is 'Whether the template went instead, because the window was closed.';
comment on column public.outbound_messages.created_at is 'When it was queued.';
comment on column public.outbound_messages.updated_at is 'When its state last changed.';
create index outbound_messages_open_idx on public.outbound_messages (conversation_id, id)
  where state in ('queued', 'leased');
comment on index public.outbound_messages_open_idx is 'The first open message of a lane.';
create index outbound_messages_conversation_idx on public.outbound_messages (conversation_id);
comment on index public.outbound_messages_conversation_idx is 'What was sent in a conversation; serves the foreign key and merges.';
create index outbound_messages_message_idx on public.outbound_messages (message_id);
comment on index public.outbound_messages_message_idx is 'The queue row of a message; serves the foreign key.';
create index outbound_messages_failed_idx on public.outbound_messages (updated_at) where state = 'failed';
comment on index public.outbound_messages_failed_idx is 'What could not be sent, latest first.';
alter table public.outbound_messages enable row level security;
revoke all on public.outbound_messages from public, anon, authenticated;
grant select on public.outbound_messages to authenticated;
grant select, insert, update, delete on public.outbound_messages to service_role;
create policy "operators read outbound" on public.outbound_messages for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read outbound" on public.outbound_messages is 'Recipients and words are personal data: operators and admins only.';

create table private.outbound_lanes (
  conversation_id uuid primary key references public.conversations (id) on delete cascade,
  number_id text not null,
  due_at timestamptz,
  lease uuid,
  pair_tat timestamptz
) with (fillfactor = 70);
comment on table private.outbound_lanes is 'The queue of one conversation to the provider, with the pace of its pair.';
comment on column private.outbound_lanes.conversation_id is 'The conversation: business number and person.';
comment on column private.outbound_lanes.number_id is 'The business number.';
comment on column private.outbound_lanes.due_at is 'When its first open message may go; while leased, when the lease ends; null when empty.';
comment on column private.outbound_lanes.lease is 'Fencing token of the current lease.';
comment on column private.outbound_lanes.pair_tat is 'GCRA state of the pair''s pace: theoretical arrival time of the next message.';
create index outbound_lanes_due_idx on private.outbound_lanes (number_id, due_at) where due_at is not null;
comment on index private.outbound_lanes_due_idx is 'What a number has to send, oldest first.';
alter table private.outbound_lanes enable row level security;
revoke all on private.outbound_lanes from public, anon, authenticated;
grant select, insert, update, delete on private.outbound_lanes to service_role;

-- When the pair's next message conforms to GCRA.
create function private.pair_allows_at(p_tat timestamptz, p_number_id text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return (
    select p_tat - make_interval(secs => (n.pair_seconds * (n.pair_burst - 1))::double precision)
    from public.wa_numbers n where n.id = p_number_id);
end $$;
comment on function private.pair_allows_at(timestamptz, text) is 'Earliest time of the next message of a pair whose theoretical arrival time is given; null when the pair is fresh.';
revoke execute on function private.pair_allows_at(timestamptz, text) from public, anon, authenticated;
grant execute on function private.pair_allows_at(timestamptz, text) to service_role;

create function private.release_outbound_lane(p_conversation_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  update private.outbound_lanes l
  set lease = null, due_at = (
    select greatest(o.next_attempt_at, private.pair_allows_at(l.pair_tat, l.number_id)) from public.outbound_messages o
    where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased')
    order by o.id limit 1)
  where l.conversation_id = p_conversation_id;
end $$;
comment on function private.release_outbound_lane(uuid) is 'Ends a lane''s lease and makes it due with its first open message, not before the pair''s pace allows. The caller holds the lane''s lock from an earlier statement (see release_lane).';
revoke execute on function private.release_outbound_lane(uuid) from public, anon, authenticated;
grant execute on function private.release_outbound_lane(uuid) to service_role;
