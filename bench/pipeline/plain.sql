-- The limit that `bench pipeline` stands beside: the tables that one text message touched at af42a22, by their columns and
-- indexes then. Frozen: what the product's tables become changes nothing here.

create schema bench_plain;

create function bench_plain.uuid_v7() returns uuid
language plpgsql volatile parallel safe set search_path = '' as $$
declare
  v_micros bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint;
begin
  return encode(
    int8send((v_micros / 1000 << 16) | (7 << 12) | (v_micros % 1000 * 4096 / 1000))
      || substr(uuid_send(gen_random_uuid()), 9),
    'hex')::uuid;
end $$;

create table bench_plain.contacts (
  id uuid primary key default bench_plain.uuid_v7()
);

create table bench_plain.conversations (
  id uuid primary key default bench_plain.uuid_v7(),
  channel text not null default 'whatsapp' check (channel <> ''),
  number_id text not null,
  contact_id uuid not null references bench_plain.contacts (id) on delete cascade,
  last_inbound_at timestamptz,
  last_message_at timestamptz,
  opted_out_at timestamptz,
  sticky_route_id uuid,
  sticky_until timestamptz,
  unrouted_since timestamptz,
  held_revision bigint,
  routed_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  constraint conversations_pair_key unique (channel, number_id, contact_id)
) with (fillfactor = 70);
create index conversations_contact_idx on bench_plain.conversations (contact_id);
create index conversations_unrouted_idx on bench_plain.conversations (held_revision, unrouted_since)
  where unrouted_since is not null;

create table bench_plain.webhook_events (
  provider text not null default 'whatsapp',
  dedupe_key text not null,
  field text not null,
  kind text not null check (kind in ('message', 'echo', 'status', 'identity', 'other')),
  number_id text,
  raw jsonb,
  received_at timestamptz not null default now(),
  constraint webhook_events_pkey primary key (provider, dedupe_key)
);
create index webhook_events_received_idx on bench_plain.webhook_events using brin (received_at);

create table bench_plain.messages (
  id uuid primary key default bench_plain.uuid_v7(),
  seq bigint generated always as identity,
  channel text not null default 'whatsapp',
  conversation_id uuid not null references bench_plain.conversations (id) on delete cascade,
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
create index messages_conversation_idx on bench_plain.messages (conversation_id, seq);
create index messages_provider_id_idx on bench_plain.messages (provider_id) where provider_id is not null;
create index messages_trace_idx on bench_plain.messages (substr(traceparent, 4, 32)) where traceparent is not null;

insert into bench_plain.contacts select from generate_series(1, 3000);
insert into bench_plain.conversations (number_id, contact_id) select '1', c.id from bench_plain.contacts c;
