-- Identities that mail is sent as, and what ties a message to its identity.
--
-- Safe to run again, also statement by statement (psql -f), and after the rollback that drops what it makes: identities come
-- back from private.inboxes. So it makes no function, and each statement allows for what is there.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table if not exists public.email_identities (
  id uuid constraint email_identities_pkey primary key default private.uuid_v7(),
  user_id text,
  from_email text not null constraint email_identities_from_email_key unique
    constraint email_identities_from_email_check check (from_email ~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$'),
  display_name text constraint email_identities_display_name_check check (display_name !~ '[[:cntrl:]]' and length(display_name) <= 200),
  forward_to text constraint email_identities_forward_to_check check (forward_to ~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$'),
  is_default boolean not null default false,
  provider text not null default 'sendgrid' constraint email_identities_provider_check check (provider in ('sendgrid', 'resend', 'google', 'microsoft')),
  verified_at timestamptz,
  state text not null default 'unverified' constraint email_identities_state_check check (state in ('unverified', 'active', 'paused')),
  created_at timestamptz not null default now()
);
comment on table public.email_identities is 'Whom mail is sent as, and where the answers are forwarded to. Sender, destination and private.inboxes follow by trigger.';
comment on constraint email_identities_pkey on public.email_identities is 'Messages name their identity by it.';
comment on constraint email_identities_from_email_key on public.email_identities is 'An address is one identity''s.';
comment on column public.email_identities.id is 'UUID v7.';
comment on column public.email_identities.user_id is 'The team''s own id of the user who sends as this identity; null for none.';
comment on column public.email_identities.from_email is 'The address that mail is sent from, in lower case. It cannot change.';
comment on column public.email_identities.display_name is 'The name beside the address.';
comment on column public.email_identities.forward_to is 'The inbox that answers go to; null while no address has been confirmed.';
comment on column public.email_identities.is_default is 'Whether users without an identity of their own send as this one.';
comment on column public.email_identities.provider is 'Who carries its mail: sendgrid, resend, or its own mailbox at google or microsoft.';
comment on column public.email_identities.verified_at is 'When the address was proved to be the user''s; null before.';
comment on column public.email_identities.state is 'unverified (nothing is sent), active, or paused: what is queued, and answers to forward, wait.';
comment on column public.email_identities.created_at is 'When it was added.';
create index if not exists email_identities_user_idx on public.email_identities (user_id) where user_id is not null;
comment on index public.email_identities_user_idx is 'The identities of a user.';
alter table public.email_identities enable row level security;
revoke all on public.email_identities from public, anon, authenticated;
grant select on public.email_identities to authenticated;
grant select, insert, update, delete on public.email_identities to service_role;
drop policy if exists "operators read identities" on public.email_identities;
create policy "operators read identities" on public.email_identities for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read identities" on public.email_identities is 'Where answers go are addresses of people of the team: operators and admins only.';
drop trigger if exists tidy on public.email_identities;
create trigger tidy before insert or update on public.email_identities
  for each row execute function private.tidy_identity();
comment on trigger tidy on public.email_identities is 'Addresses are compared in lower case.';
drop trigger if exists sync on public.email_identities;
create trigger sync after insert or update or delete on public.email_identities
  for each row execute function private.sync_identity();
comment on trigger sync on public.email_identities is 'The pipeline works with its own copy.';

insert into public.email_identities (id, user_id, from_email, display_name, forward_to, is_default, provider, verified_at, state, created_at)
select i.identity, i.user_id, i.from_email, i.display_name, i.forward_to, i.is_default, i.provider, i.verified_at, i.state, i.created_at
from private.inboxes i
on conflict do nothing;

alter table public.messages
  add column if not exists sender_identity_id uuid,
  add column if not exists from_email text,
  add column if not exists message_id_header text;
comment on column public.messages.sender_identity_id is 'The identity that a mail of ours was sent as; null for other messages, and where that identity was removed.';
comment on column public.messages.from_email is 'The address that a mail of ours was sent from.';
comment on column public.messages.message_id_header is 'The Message-ID that a mail of ours carries, <id@domain>, by which answers name it.';
-- Each file is one transaction, in which no index is made concurrently; the time limits above bound the lock.
-- squawk-ignore require-concurrent-index-creation
create index if not exists messages_sender_identity_idx on public.messages (sender_identity_id) where sender_identity_id is not null;
comment on index public.messages_sender_identity_idx is 'Mails of an identity; serves the foreign key.';
-- There is no "if not exists" for a constraint. The column is new, so that there is nothing to check but nulls.
alter table public.messages
  drop constraint if exists messages_sender_identity_id_fkey;
alter table public.messages
  add constraint messages_sender_identity_id_fkey foreign key (sender_identity_id) references public.email_identities (id)
    on delete set null not valid;
-- squawk-ignore constraint-missing-not-valid
alter table public.messages validate constraint messages_sender_identity_id_fkey;
comment on constraint messages_sender_identity_id_fkey on public.messages is 'An identity that is removed leaves its mails.';
-- squawk-ignore require-concurrent-index-creation
create index if not exists messages_created_idx on public.messages using brin (created_at);
comment on index public.messages_created_idx is 'Counts by day; BRIN, since rows arrive in this order.';

insert into private.own_migrations (version) values ('20261129002470') on conflict do nothing;
