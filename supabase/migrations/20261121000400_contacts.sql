set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Who writes to whom: business numbers, people with their identities over time, and conversations.

-- ---------------------------------------------------------------------------
-- wa_numbers
-- ---------------------------------------------------------------------------
create table public.wa_numbers (
  id text primary key check (id <> ''),
  display_number text,
  max_per_second integer not null default 80 check (max_per_second between 1 and 1000),
  pair_seconds numeric not null default 6 check (pair_seconds > 0),
  pair_burst integer not null default 45 check (pair_burst >= 1),
  send_tat timestamptz,
  created_at timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.wa_numbers is 'Business phone numbers (Meta''s phone_number_id) and how fast each may send. A number that first shows up in a signed webhook is added by itself.';
comment on column public.wa_numbers.id is 'Meta''s phone_number_id.';
comment on column public.wa_numbers.display_number is 'The number as people dial it, digits only.';
comment on column public.wa_numbers.max_per_second is 'Messages a second Meta lets this number send: 80, 1,000 when upgraded, 20 in coexistence.';
comment on column public.wa_numbers.pair_seconds is 'Seconds between two messages to the same person that Meta sustains (error 131056 beyond it).';
comment on column public.wa_numbers.pair_burst is 'Messages to the same person that may go at once before pair_seconds applies.';
comment on column public.wa_numbers.send_tat is 'GCRA state of max_per_second: the theoretical arrival time of the next message.';
comment on column public.wa_numbers.created_at is 'When the number was first seen or added.';
alter table public.wa_numbers enable row level security;
revoke all on public.wa_numbers from public, anon, authenticated;
grant select on public.wa_numbers to authenticated;
grant select, insert, update, delete on public.wa_numbers to service_role;
create policy "team reads numbers" on public.wa_numbers for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads numbers" on public.wa_numbers is 'Every role of the team may see the business numbers.';

-- ---------------------------------------------------------------------------
-- contacts
-- ---------------------------------------------------------------------------
create table public.contacts (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp' check (channel <> ''),
  name text,
  merged_into uuid references public.contacts (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.contacts is 'One row a person. Two rows found to be one person are merged: the younger points to the older and keeps its row as history.';
comment on column public.contacts.id is 'UUID v7; also the targeting id that flags are asked with.';
comment on column public.contacts.channel is 'Where this person writes from, for example whatsapp.';
comment on column public.contacts.name is 'Profile name as last told by the channel.';
comment on column public.contacts.merged_into is 'The older contact that turned out to be the same person; null for a live contact.';
comment on column public.contacts.created_at is 'When the person was first seen.';
comment on column public.contacts.updated_at is 'When name or merge last changed.';
create index contacts_merged_into_idx on public.contacts (merged_into) where merged_into is not null;
comment on index public.contacts_merged_into_idx is 'Finds what was merged into a contact; serves the foreign key.';
alter table public.contacts enable row level security;
revoke all on public.contacts from public, anon, authenticated;
grant select on public.contacts to authenticated;
grant select, insert, update, delete on public.contacts to service_role;
create policy "operators read contacts" on public.contacts for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read contacts" on public.contacts is 'Names are personal data: operators and admins only.';

-- ---------------------------------------------------------------------------
-- contact_identities
-- ---------------------------------------------------------------------------
create table public.contact_identities (
  id bigint generated always as identity primary key,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  channel text not null default 'whatsapp' check (channel <> ''),
  kind text not null check (kind in ('phone', 'bsuid', 'parent_bsuid', 'username')),
  value text not null check (value <> ''),
  valid_from timestamptz not null default now(),
  valid_to timestamptz
);
comment on table public.contact_identities is 'Under which ids a person is or was known: phone, business-scoped user id, its parent, username. Nothing is overwritten: a changed id is closed by valid_to.';
comment on column public.contact_identities.id is 'Order in which identities were learnt.';
comment on column public.contact_identities.contact_id is 'The person.';
comment on column public.contact_identities.channel is 'The channel that the id belongs to.';
comment on column public.contact_identities.kind is 'phone, bsuid (business-scoped user id), parent_bsuid or username.';
comment on column public.contact_identities.value is 'The id, exactly as the channel gives it: numbers are not "fixed up".';
comment on column public.contact_identities.valid_from is 'Since when the person is known by it.';
comment on column public.contact_identities.valid_to is 'Until when; null while it is current.';
create unique index contact_identities_current_idx on public.contact_identities (channel, kind, value)
  where valid_to is null;
comment on index public.contact_identities_current_idx is 'An id belongs to at most one person at a time; the look-up of every inbound message.';
create index contact_identities_contact_idx on public.contact_identities (contact_id, kind);
comment on index public.contact_identities_contact_idx is 'A person''s ids.';
-- The length keeps it out of the plans of look-ups by the whole number, for which it would be read from end to end.
create index contact_identities_last_four_idx on public.contact_identities (right(value, 4))
  where kind = 'phone' and valid_to is null and length(value) >= 4;
comment on index public.contact_identities_last_four_idx is 'Search by the last four digits.';
alter table public.contact_identities enable row level security;
revoke all on public.contact_identities from public, anon, authenticated;
grant select on public.contact_identities to authenticated;
grant select, insert, update, delete on public.contact_identities to service_role;
create policy "operators read identities" on public.contact_identities for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read identities" on public.contact_identities is 'Phone numbers are personal data: operators and admins only.';

-- ---------------------------------------------------------------------------
-- conversations
-- ---------------------------------------------------------------------------
create table public.conversations (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp' check (channel <> ''),
  number_id text not null,
  contact_id uuid not null references public.contacts (id) on delete cascade,
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
comment on table public.conversations is 'One row a contact and business number. Its row lock is what puts the messages of a conversation in order.';
comment on constraint conversations_pair_key on public.conversations is 'One conversation for each business number and person.';
comment on column public.conversations.id is 'UUID v7.';
comment on column public.conversations.channel is 'The channel of both sides.';
comment on column public.conversations.number_id is 'The business number (wa_numbers.id).';
comment on column public.conversations.contact_id is 'The person.';
comment on column public.conversations.last_inbound_at is 'When the person last wrote: opens the 24-hour customer service window.';
comment on column public.conversations.last_message_at is 'When either side last wrote.';
comment on column public.conversations.opted_out_at is 'Since when the person wants no business-initiated messages; null if they may be sent.';
comment on column public.conversations.sticky_route_id is 'Route that keeps this conversation until sticky_until.';
comment on column public.conversations.sticky_until is 'End of the stickiness.';
comment on column public.conversations.unrouted_since is 'Since when a message waits for the router; null when none does.';
comment on column public.conversations.held_revision is 'Configuration revision at which the router''s flag said no for this contact: not asked again until the configuration changes.';
comment on column public.conversations.routed_seq is 'messages.seq up to which the router has decided.';
comment on column public.conversations.created_at is 'When the conversation began.';
create index conversations_contact_idx on public.conversations (contact_id);
comment on index public.conversations_contact_idx is 'A person''s conversations.';
create index conversations_unrouted_idx on public.conversations (held_revision, unrouted_since) where unrouted_since is not null;
comment on index public.conversations_unrouted_idx is 'The router''s queue: conversations with something to decide, those held back apart by revision, each oldest first.';
alter table public.conversations enable row level security;
revoke all on public.conversations from public, anon, authenticated;
grant select on public.conversations to authenticated;
grant select, insert, update, delete on public.conversations to service_role;
create policy "team reads conversations" on public.conversations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads conversations" on public.conversations is 'Holds no personal data of its own: every role may read.';
