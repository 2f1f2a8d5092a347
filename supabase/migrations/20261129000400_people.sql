-- Our senders, the people they write to (with their identities over time), and conversations.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.senders (
  channel text not null default 'whatsapp' check (channel ~ '^[a-z][a-z0-9_]{0,31}$'),
  id text not null check (id <> ''),
  address text,
  class text check (class <> ''),
  provider text not null default 'whatsapp' check (provider <> ''),
  account text check (account <> ''),
  credentials text check (credentials ~ '^[A-Z][A-Z0-9_]{0,99}$'),
  state text not null default 'active' check (state in ('active', 'paused')),
  max_per_second integer not null default 80 check (max_per_second between 1 and 1000),
  pair_seconds numeric not null default 6 check (pair_seconds >= 0),
  pair_burst integer not null default 45 check (pair_burst >= 1),
  send_tat timestamptz,
  held_since timestamptz,
  held_code text,
  held_until timestamptz,
  held_probes integer not null default 0,
  org uuid,
  created_at timestamptz not null default now(),
  constraint senders_pkey primary key (channel, id)
) with (fillfactor = 80);
comment on table public.senders is 'The numbers, addresses and bots that we send from, on all channels, and how fast each may send. A WhatsApp number that first appears in a signed webhook is added automatically.';
comment on constraint senders_pkey on public.senders is 'An id is unique within its channel.';
comment on column public.senders.channel is 'The channel it sends on, for example whatsapp.';
comment on column public.senders.id is 'The provider''s id of it: for WhatsApp, Meta''s phone_number_id. conversations.number_id refers to it.';
comment on column public.senders.address is 'What people see: a number as dialled (digits only), an e-mail address or a bot''s name.';
comment on column public.senders.class is 'Its purpose, on channels whose senders differ in purpose; null elsewhere.';
comment on column public.senders.provider is 'The provider that carries its messages, for example whatsapp (Meta itself).';
comment on column public.senders.account is 'The provider''s account that owns it and its templates, as reported by webhooks: for WhatsApp, Meta''s WABA id. Null until a webhook has reported it.';
comment on column public.senders.credentials is 'Name of the environment variable of the functions that holds its credentials; null for the channel''s default. Never the secret itself.';
comment on column public.senders.state is 'active, or paused by a person: its messages wait.';
comment on column public.senders.max_per_second is 'Messages it may send per second: for WhatsApp 80, 1,000 when upgraded, 20 in coexistence.';
comment on column public.senders.pair_seconds is 'Sustained interval, in seconds, between messages to the same person that the provider allows (Meta answers error 131056 beyond it); 0 where there is no such limit.';
comment on column public.senders.pair_burst is 'Messages to the same person that may be sent at once before pair_seconds applies.';
comment on column public.senders.send_tat is 'GCRA state of max_per_second: the theoretical arrival time of the next message.';
comment on column public.senders.held_since is 'When a fault of the account (token, payment, a restriction) began to block everything from this sender; null while nothing blocks it.';
comment on column public.senders.held_code is 'The provider''s error code of that fault.';
comment on column public.senders.held_until is 'When a single message next tests whether the fault has been repaired.';
comment on column public.senders.held_probes is 'How many such tests have been made.';
comment on column public.senders.org is 'The organisation it belongs to; null if there is only one.';
comment on column public.senders.created_at is 'When it was first seen or added.';
alter table public.senders enable row level security;
revoke all on public.senders from public, anon, authenticated;
grant select on public.senders to authenticated;
grant select, insert, update, delete on public.senders to service_role;
create policy "team reads senders" on public.senders for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads senders" on public.senders is 'Every role of the team may see the senders.';

-- The other columns of a new row get the defaults of senders: the channel is WhatsApp.
create view public.wa_numbers with (security_invoker = true) as
  select id, address as display_number, max_per_second, pair_seconds, pair_burst, send_tat, created_at
  from public.senders where channel = 'whatsapp'
  with local check option;
comment on view public.wa_numbers is 'The WhatsApp senders: business phone numbers (Meta''s phone_number_id); readable and writable. To insert a number that may exist, use "on conflict do nothing": ids are unique per channel, so "on conflict (id)" matches no constraint.';
comment on column public.wa_numbers.id is 'Meta''s phone_number_id.';
comment on column public.wa_numbers.display_number is 'The number as dialled, digits only.';
comment on column public.wa_numbers.max_per_second is 'Messages per second that Meta lets this number send: 80, 1,000 when upgraded, 20 in coexistence.';
comment on column public.wa_numbers.pair_seconds is 'Sustained interval, in seconds, between messages to the same person that Meta allows (error 131056 beyond it).';
comment on column public.wa_numbers.pair_burst is 'Messages to the same person that may be sent at once before pair_seconds applies.';
comment on column public.wa_numbers.send_tat is 'GCRA state of max_per_second: the theoretical arrival time of the next message.';
comment on column public.wa_numbers.created_at is 'When the number was first seen or added.';
revoke all on public.wa_numbers from public, anon, authenticated;
grant select on public.wa_numbers to authenticated;
grant select, insert, update, delete on public.wa_numbers to service_role;

create table public.contacts (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp' check (channel <> ''),
  name text,
  merged_into uuid references public.contacts (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.contacts is 'One row per person. When two rows turn out to be one person they are merged: the newer row points to the older one and stays as history.';
comment on column public.contacts.id is 'UUID v7; also the targeting key for flags.';
comment on column public.contacts.channel is 'The channel this person uses, for example whatsapp.';
comment on column public.contacts.name is 'Profile name, as last reported by the channel.';
comment on column public.contacts.merged_into is 'The older contact that turned out to be the same person; null for a live contact.';
comment on column public.contacts.created_at is 'When the person was first seen.';
comment on column public.contacts.updated_at is 'When name or merge last changed.';
create index contacts_merged_into_idx on public.contacts (merged_into) where merged_into is not null;
comment on index public.contacts_merged_into_idx is 'Finds the contacts that were merged into one; serves the foreign key.';
alter table public.contacts enable row level security;
revoke all on public.contacts from public, anon, authenticated;
grant select on public.contacts to authenticated;
grant select, insert, update, delete on public.contacts to service_role;
create policy "operators read contacts" on public.contacts for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read contacts" on public.contacts is 'Names are personal data: operators and admins only.';

create table public.contact_identities (
  id bigint generated always as identity primary key,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  channel text not null default 'whatsapp' check (channel <> ''),
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,31}$'),
  value text not null check (value <> ''),
  sender_id text,
  dialled boolean not null default false,
  valid_from timestamptz not null default now(),
  valid_to timestamptz
);
comment on table public.contact_identities is 'The ids by which a person is or was known on a channel. Nothing is overwritten: when an id changes, valid_to closes the old row.';
comment on column public.contact_identities.id is 'The order in which identities were learnt.';
comment on column public.contact_identities.contact_id is 'The person.';
comment on column public.contact_identities.channel is 'The channel of the id.';
comment on column public.contact_identities.kind is 'phone (digits with the country code, on every channel), email (lower-cased), telegram (its user id), username, bsuid (WhatsApp''s business-scoped user id), parent_bsuid, group (several people in one conversation); channels may add their own kinds.';
comment on column public.contact_identities.value is 'The id, exactly as the channel or the caller gave it: numbers are not normalised.';
comment on column public.contact_identities.sender_id is 'The sender that learnt it. Some ids (bsuid, parent_bsuid) are scoped to one customer of the provider and mean nothing to the senders of another, so a person may have several at once. Null if no sender is known.';
comment on column public.contact_identities.dialled is 'True for an alternative spelling of a number: the provider accepts it but reports the person under another one.';
comment on column public.contact_identities.valid_from is 'When the person became known by it.';
comment on column public.contact_identities.valid_to is 'When it stopped being current; null while it is.';
create unique index contact_identities_current_idx on public.contact_identities (channel, kind, value)
  where valid_to is null;
comment on index public.contact_identities_current_idx is 'An id belongs to at most one person at a time. Every inbound message is looked up here.';
create index contact_identities_past_idx on public.contact_identities (channel, kind, value) where valid_to is not null;
comment on index public.contact_identities_past_idx is 'Finds the person who was known by an id that nobody has any more.';
create index contact_identities_contact_idx on public.contact_identities (contact_id, kind);
comment on index public.contact_identities_contact_idx is 'A person''s ids.';
-- The length keeps the planner from using it for look-ups by the whole number, which would read the whole index.
create index contact_identities_last_four_idx on public.contact_identities (right(value, 4))
  where kind = 'phone' and valid_to is null and length(value) >= 4;
comment on index public.contact_identities_last_four_idx is 'Search by the last four digits.';
alter table public.contact_identities enable row level security;
-- No policy and no grant for people: the table holds whole numbers or texts, and direct reads would not be audited.
-- The panel's functions return what may be seen of it.
revoke all on public.contact_identities from public, anon, authenticated;
grant select, insert, update, delete on public.contact_identities to service_role;

create table public.conversations (
  id uuid primary key default private.uuid_v7(),
  channel text not null default 'whatsapp' check (channel <> ''),
  number_id text not null,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  last_inbound_at timestamptz,
  last_message_at timestamptz,
  opted_out_at timestamptz,
  opt_told_at timestamptz,
  sticky_route_id uuid,
  sticky_until timestamptz,
  taken_at timestamptz,
  taken_until timestamptz,
  taken_by text,
  unrouted_since timestamptz,
  held_revision bigint,
  routed_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  constraint conversations_pair_key unique (contact_id, channel, number_id),
  constraint conversations_taken_whole check ((taken_until is null) = (taken_at is null) and (taken_until is null) = (taken_by is null))
) with (fillfactor = 70);
comment on table public.conversations is 'One row per contact and sender. Its row lock puts the messages of a conversation in order.';
comment on constraint conversations_pair_key on public.conversations is 'One conversation per sender and person. The person comes first: look-ups then compare least, and it also finds all conversations of a person.';
comment on column public.conversations.id is 'UUID v7.';
comment on column public.conversations.channel is 'The channel of the sender and the person.';
comment on column public.conversations.number_id is 'The sender (senders.id); for WhatsApp, the business number.';
comment on column public.conversations.contact_id is 'The person.';
comment on column public.conversations.last_inbound_at is 'When the person last wrote. This opens the 24-hour customer service window.';
comment on column public.conversations.last_message_at is 'When either side last wrote.';
comment on column public.conversations.opted_out_at is 'When the person opted out of what the channel''s policy names (WhatsApp: marketing templates); null if they have not.';
comment on column public.conversations.opt_told_at is 'When the person last opted out or in. An older request that arrives later changes nothing.';
comment on column public.conversations.sticky_route_id is 'The route that keeps this conversation until sticky_until.';
comment on column public.conversations.sticky_until is 'When the conversation stops being sticky.';
comment on constraint conversations_taken_whole on public.conversations is 'A takeover has a beginning, an end and somebody who made it.';
comment on column public.conversations.taken_at is 'When a person took the conversation over; null while services have it.';
comment on column public.conversations.taken_until is 'When it goes back to the services by itself.';
comment on column public.conversations.taken_by is 'Who took it over: a user id of the team, app (an answer in the WhatsApp Business app), or the caller of the API.';
comment on column public.conversations.unrouted_since is 'How long a message has been waiting for the router: the time it began; null if none waits.';
comment on column public.conversations.held_revision is 'Configuration revision at which the router''s flag was off for this contact. The flag is not evaluated again until the configuration changes.';
comment on column public.conversations.routed_seq is 'messages.seq up to which the router has decided.';
comment on column public.conversations.created_at is 'When the conversation began.';
create index conversations_taken_idx on public.conversations (taken_until) where taken_until is not null;
comment on index public.conversations_taken_idx is 'Conversations that a person has, those that go back first.';
create index conversations_unrouted_idx on public.conversations (channel, held_revision, unrouted_since) where unrouted_since is not null;
comment on index public.conversations_unrouted_idx is 'The router''s queue: conversations of a channel with undecided messages, oldest first; those held back are kept apart by revision.';
alter table public.conversations enable row level security;
revoke all on public.conversations from public, anon, authenticated;
grant select on public.conversations to authenticated;
grant select, insert, update, delete on public.conversations to service_role;
create policy "team reads conversations" on public.conversations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads conversations" on public.conversations is 'Holds no personal data of its own: every role may read.';

-- What remains of erased people -------------------------------------------------------------------

create table private.hash_key (
  only_row boolean primary key default true constraint hash_key_only_row check (only_row),
  key bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);
comment on table private.hash_key is 'One row: the key of the hashes that stand for erased people. Without it the hashes reveal nothing.';
comment on column private.hash_key.only_row is 'Always true; as primary key it prevents a second row.';
comment on column private.hash_key.key is '32 bytes, 244 of their bits from the server''s strong random source.';
alter table private.hash_key enable row level security;
revoke all on private.hash_key from public, anon, authenticated, service_role;
grant select on private.hash_key to service_role;
insert into private.hash_key default values;

create function private.keyed_hash(p_value text) returns bytea
language sql stable set search_path = '' as $$
  select sha256(k.key || sha256(k.key || convert_to(p_value, 'UTF8'))) from private.hash_key k
$$;
comment on function private.keyed_hash(text) is 'A keyed hash in place of a text that is not kept: equal texts give equal hashes, and it is useless without private.hash_key.';

create table private.erased_opt_outs (
  identity bytea not null,
  channel text not null,
  number_id text not null,
  opted_out_at timestamptz not null,
  constraint erased_opt_outs_pkey primary key (identity, channel, number_id)
);
comment on table private.erased_opt_outs is 'Opt-outs of people who were erased, so that erasing them does not allow anyone to write to them again.';
comment on constraint erased_opt_outs_pkey on private.erased_opt_outs is 'One row per identity and sender.';
comment on column private.erased_opt_outs.identity is 'Keyed hash of the kind and value of one of the person''s ids.';
comment on column private.erased_opt_outs.channel is 'The channel.';
comment on column private.erased_opt_outs.number_id is 'The sender (senders.id) that must not write.';
comment on column private.erased_opt_outs.opted_out_at is 'When the person opted out.';
alter table private.erased_opt_outs enable row level security;
revoke all on private.erased_opt_outs from public, anon, authenticated, service_role;
grant select, delete on private.erased_opt_outs to service_role;

create function private.erased_opt_out(p_channel text, p_number_id text, p_kind text, p_value text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  -- The table is nearly always empty: compute the hash only if it is not.
  if not exists (select from private.erased_opt_outs) then
    return null;
  end if;
  return (
    select max(o.opted_out_at) from private.erased_opt_outs o
    where o.identity in (select private.keyed_hash(p_kind || ' ' || spelled) from unnest(private.spellings(p_kind, p_value)) spelled)
      and o.channel = p_channel and o.number_id = p_number_id);
end $$;
comment on function private.erased_opt_out(text, text, text, text) is 'When an erased person with this id opted out of a sender; null if none did.';

create function private.keep_opt_out() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  if exists (select from private.erased_opt_outs) then
    new.opted_out_at := coalesce(new.opted_out_at, (
      select max(private.erased_opt_out(new.channel, new.number_id, i.kind, i.value)) from public.contact_identities i
      where i.contact_id = new.contact_id and i.valid_to is null));
    new.opt_told_at := coalesce(new.opt_told_at, new.opted_out_at);
  end if;
  return new;
end $$;
comment on function private.keep_opt_out() is 'Trigger, before insert of conversations: restores the opt-out of a person who was erased.';
create trigger keep_opt_out before insert on public.conversations
  for each row execute function private.keep_opt_out();
comment on trigger keep_opt_out on public.conversations is 'Erasing a person does not cancel their opt-out.';

-- What a channel allows ---------------------------------------------------------------------------

-- Failure policy: closed. On an unknown channel an opt-out holds until the person revokes it, and senders start slowly.
-- A test compares each channel's own code with this function.
create function private.channel_policy(
  p_channel text, out reply_window interval, out opt_out text, out max_per_second integer, out pair_seconds numeric,
  out window_code text, out opt_out_codes text[], out media_wait interval
)
language plpgsql immutable set search_path = '' as $$
begin
  reply_window := case p_channel when 'whatsapp' then interval '24 hours' end;
  opt_out := case p_channel when 'whatsapp' then 'until_resumed' when 'email' then 'suppression' when 'telegram' then 'none'
    else 'until_start' end;
  max_per_second := case p_channel when 'whatsapp' then 80 when 'email' then 10 else 1 end;
  pair_seconds := case p_channel when 'whatsapp' then 6 when 'sms' then 0 else 1 end;
  window_code := case p_channel when 'whatsapp' then '131047' end;
  -- Twilio's and Telnyx's for texts.
  opt_out_codes := case p_channel when 'whatsapp' then array['131050'] when 'sms' then array['21610', '40300'] end;
  media_wait := case p_channel when 'whatsapp' then interval '10 seconds' end;
end $$;
comment on function private.channel_policy(text) is 'What a channel allows. reply_window: how long after the person''s last message free-form replies are allowed; null for always. opt_out, what conversations.opted_out_at blocks: until_resumed (only marketing templates, until the person resumes them), until_start and suppression (everything, until the person sends START, or until the address leaves the suppression list), none (nothing: the channel does not deliver opt-outs). max_per_second and pair_seconds: initial values for a sender created by a webhook; its row holds the current values. window_code and opt_out_codes: the providers'' error codes for a closed window and for an opted-out person; null for none. media_wait: how long the messages after a media message wait for its status; null if they do not wait.';

create function private.router_flag(p_channel text) returns text
language sql immutable set search_path = '' as $$
  select case p_channel when 'whatsapp' then 'wa_router.enabled' else p_channel || '_router.enabled' end
$$;
comment on function private.router_flag(text) is 'The flag that controls routing and forwarding on a channel; the same as routerFlag in _shared/pipeline/routed.ts.';

create function private.send_flag(p_channel text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case p_channel when 'whatsapp' then 'wa_send.enabled' else p_channel || '_send.enabled' end;
end $$;
comment on function private.send_flag(text) is 'The flag that controls sending on a channel.';

-- Business numbers --------------------------------------------------------------------------------

create function public.set_number_pace(p_id text, p_max_per_second integer, p_pair_seconds numeric, p_pair_burst integer)
returns public.wa_numbers
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_number public.wa_numbers;
begin
  perform private.require_role('operator');
  update public.wa_numbers n
  set max_per_second = p_max_per_second, pair_seconds = p_pair_seconds, pair_burst = p_pair_burst
  where n.id = p_id returning n.* into v_number;
  if v_number.id is null then
    raise exception 'there is no number %', p_id using errcode = 'GL404';
  end if;
  return v_number;
end $$;
comment on function public.set_number_pace(text, integer, numeric, integer) is
  'Sets how fast a business number sends: messages per second in total (1 to 1,000), seconds between messages to the same person, and how many of these may be sent at once. For operators and secret keys. Errors: 42501 not allowed, GL404 no such number, 23514 invalid value.';

create function public.remove_number(p_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('admin');
  if exists (
    select from private.outbound_lanes l where l.channel = 'whatsapp' and l.number_id = p_id and l.due_at is not null) then
    raise exception 'messages wait to be sent from number %', p_id using errcode = 'GL409',
      hint = 'Let them go, or pause the number.';
  end if;
  delete from public.wa_numbers n where n.id = p_id;
  if not found then
    raise exception 'there is no number %', p_id using errcode = 'GL404';
  end if;
end $$;
comment on function public.remove_number(text) is
  'Removes a business number: nothing more is sent from it, and it no longer counts when a caller omits the sender. Its conversations stay. A webhook for it adds it again. For admins and secret keys. Errors: 42501 not allowed, GL404 no such number, GL409 messages are waiting to be sent from it.';

-- Identities, their changes, and merges -----------------------------------------------------------

create type private.identity as (kind text, value text, previous text);
comment on type private.identity is 'An id of a person in an update: its kind as in contact_identities, the id, and, if the update reports a change, the id it replaces. Value or previous may be null.';

-- plpgsql, here and below, even for a single statement: it caches the plan, while a SQL function is planned at each call.
create function private.identity_value(p_identities private.identity[], p_kind text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return (select i.value from unnest(p_identities) i where i.kind = p_kind limit 1);
end $$;
comment on function private.identity_value(private.identity[], text) is 'The id of this kind in the list; null if there is none.';

create function private.identity_before(p_identities private.identity[], p_kind text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return (select i.previous from unnest(p_identities) i where i.kind = p_kind limit 1);
end $$;
comment on function private.identity_before(private.identity[], text) is 'The id that the one of this kind replaces; null if it replaces none.';

-- Meta spells some mobile numbers differently from how people dial them: Brazil's without the ninth digit, Mexico's with a 1,
-- Argentina's with a 9 after the country code. Each spelling of one number is that number; which one goes out is for
-- whoever writes it to say.
create function private.spellings(p_kind text, p_value text) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when p_kind <> 'phone' or p_value !~ '^5[245]' then array[p_value]
    when p_value ~ '^55[1-9][0-9]9?[6-9][0-9]{7}$' then array[left(p_value, 4) || right(p_value, 8), left(p_value, 4) || '9' || right(p_value, 8)]
    when p_value ~ '^521?[2-9][0-9]{9}$' then array['52' || right(p_value, 10), '521' || right(p_value, 10)]
    when p_value ~ '^549?[1-3][0-9]{9}$' then array['54' || right(p_value, 10), '549' || right(p_value, 10)]
    else array[p_value] end;
end $$;
comment on function private.spellings(text, text) is 'Every spelling of an id, including itself, always in the same order: for a phone number, with and without the digit that only one of dialling and display has.';

create function private.identity_holder(p_channel text, p_kind text, p_value text) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  return (
    select i.contact_id
    -- One at a time: before Postgres 17 a list may be applied as a filter after the index scan, which then reads every row.
    from unnest(private.spellings(p_kind, p_value)) as s (value)
    cross join lateral (
      select k.contact_id from public.contact_identities k
      where k.channel = p_channel and k.kind = p_kind and k.value = s.value and k.valid_to is null limit 1) i
    order by s.value <> p_value limit 1);
end $$;
comment on function private.identity_holder(text, text, text) is 'The person currently known by this id, whatever the spelling of a number; null if there is none.';

create function private.is_scoped(p_kind text) returns boolean
language sql immutable set search_path = '' as $$
  select p_kind in ('bsuid', 'parent_bsuid')
$$;
comment on function private.is_scoped(text) is 'Whether ids of this kind are scoped to one customer of the provider: a person may have several, and two people never share one.';

-- No provider reports which of our senders belong to the same customer. An id holds for the sender that learnt it, and
-- for senders the person has written to since without being given another id.
create function private.ids_at(p_contact_id uuid, p_kind text, p_sender_id text) returns text[]
language plpgsql stable set search_path = '' as $$
begin
  return (
    select array_agg(i.value) from public.contact_identities i
    where i.contact_id = p_contact_id and i.kind = p_kind and i.valid_to is null
      and (p_sender_id is null or i.sender_id is null or i.sender_id = p_sender_id or (
        not exists (
          select from public.contact_identities k
          where k.contact_id = i.contact_id and k.kind = i.kind and k.valid_to is null and k.sender_id = p_sender_id)
        and exists (
          select from public.conversations c
          where c.contact_id = i.contact_id and c.channel = i.channel and c.number_id = p_sender_id
            and c.last_inbound_at > i.valid_from))));
end $$;
comment on function private.ids_at(uuid, text, text) is 'A person''s ids of one kind at a sender, or at any sender if none is given; null if there are none.';

create function private.are_apart(p_one uuid, p_other uuid, p_kind text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.contact_identities i
    where i.contact_id in (p_one, p_other) and i.kind = p_kind and i.valid_to is null
      and not private.ids_at(p_one, p_kind, i.sender_id) && private.ids_at(p_other, p_kind, i.sender_id));
end $$;
comment on function private.are_apart(uuid, uuid, text) is 'Whether two contacts have different ids of this kind at the same sender, and so are two people.';

create function private.hold_identity(
  p_contact_id uuid, p_channel text, p_kind text, p_value text, p_at timestamptz, p_sender_id text, p_beside boolean
) returns void
language plpgsql set search_path = '' as $$
begin
  if p_value is null or exists (
    select from public.contact_identities i
    where i.channel = p_channel and i.kind = p_kind and i.value = p_value and i.valid_to is null and i.contact_id = p_contact_id) then
    return;
  end if;
  -- Closes the id for its previous holder, and the id this person had before. Other spellings of a number remain.
  update public.contact_identities i
  set valid_to = case when old.stays then null else greatest(p_at, i.valid_from) end, dialled = old.stays
  from (
    select o.id, o.contact_id = p_contact_id
      and (p_beside and p_kind = 'phone' or o.value = any (private.spellings(p_kind, p_value))) as stays
    from public.contact_identities o
    where o.channel = p_channel and o.kind = p_kind and o.valid_to is null
      and (o.value = p_value or (o.contact_id = p_contact_id
        and (not private.is_scoped(p_kind) or o.value = any (private.ids_at(p_contact_id, p_kind, p_sender_id)))))
  ) old
  where i.id = old.id;
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, valid_from)
  values (p_contact_id, p_channel, p_kind, p_value, p_sender_id, p_at);
end $$;
comment on function private.hold_identity(uuid, text, text, text, timestamptz, text, boolean) is 'Makes an id the person''s current one of its kind, as reported to a sender; the id it replaces is closed, not deleted. With p_beside a number replaces none: it is the provider''s spelling of one we know.';

create function private.current_ids(p_contact_id uuid, p_sender_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from p_sender_id, i.id), '{}')
    from public.contact_identities i where i.contact_id = p_contact_id and i.valid_to is null);
end $$;
comment on function private.current_ids(uuid, text) is 'A person''s ids {kind: value} as a sender knows them: of several of one kind, the one reported to this sender, in the provider''s spelling.';

create function private.merge_contacts(p_keep uuid, p_other uuid, p_at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_pair record;
  v_undecided bigint;
begin
  -- The other's current ids move over, except for kinds of which the kept contact has a current one. Ids scoped to
  -- different customers, and spellings of one number, coexist.
  update public.contact_identities i
  set valid_to = case when k.value = any (private.spellings(i.kind, i.value)) then null else greatest(p_at, i.valid_from) end,
    dialled = i.kind = 'phone'
  from public.contact_identities k
  where i.contact_id = p_other and i.valid_to is null and not private.is_scoped(i.kind)
    and k.contact_id = p_keep and k.channel = i.channel and k.kind = i.kind and k.valid_to is null and not k.dialled;
  update public.contact_identities set contact_id = p_keep where contact_id = p_other;

  -- Locks in the common order: conversations, lanes, then messages.
  perform from public.conversations where contact_id in (p_keep, p_other) order by id for update;
  perform from private.delivery_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.destination_id, l.conversation_id for update;
  perform from private.outbound_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.conversation_id for update;
  for v_pair in
    select o.id as other_id, k.id as keep_id, o.routed_seq, o.unrouted_since, o.last_inbound_at, o.last_message_at, o.opted_out_at, o.opt_told_at,
      o.taken_at, o.taken_until, o.taken_by
    from public.conversations o
    left join public.conversations k on k.contact_id = p_keep and k.channel = o.channel and k.number_id = o.number_id
    where o.contact_id = p_other
  loop
    if v_pair.keep_id is null then
      update public.conversations set contact_id = p_keep where id = v_pair.other_id;
      continue;
    end if;
    -- What is decided stays decided, even if the decision has been purged since.
    select min(m.seq) into v_undecided
    from public.conversations c join public.messages m on m.conversation_id = c.id and m.seq > c.routed_seq
    where c.id in (v_pair.keep_id, v_pair.other_id) and m.direction = 'in'
      and not exists (select from public.routing_decisions d where d.message_id = m.id);
    update public.deliveries d set conversation_id = v_pair.keep_id
    from public.messages m where m.conversation_id = v_pair.other_id and d.message_id = m.id;
    if to_regclass('public.service_events') is not null then
      perform private.move_events(v_pair.other_id, v_pair.keep_id);
    end if;
    update public.messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    update public.outbound_messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    -- The other's lanes wake the kept ones. A lease on either is broken, so that no two workers share a lane: its
    -- attempt is fenced off and repeated under the same webhook-id. Empty lanes move without being woken: deliveries
    -- that were given up there may be retried.
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at)
    select destination_id, v_pair.keep_id, channel, case when due_at is not null then p_at end from private.delivery_lanes
    where conversation_id = v_pair.other_id
    on conflict (destination_id, conversation_id) do update
      set due_at = excluded.due_at, lease = null where excluded.due_at is not null;
    delete from private.delivery_lanes where conversation_id = v_pair.other_id;
    insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at, pair_tat, waits_for, waits_until)
    select v_pair.keep_id, channel, number_id, greatest(p_at, waits_until), pair_tat, waits_for, waits_until
    from private.outbound_lanes where conversation_id = v_pair.other_id
    on conflict (conversation_id) do update
      set due_at = greatest(excluded.due_at, l.waits_until), lease = null, pair_tat = greatest(l.pair_tat, excluded.pair_tat),
        waits_for = coalesce(l.waits_for, excluded.waits_for), waits_until = greatest(l.waits_until, excluded.waits_until);
    delete from private.outbound_lanes where conversation_id = v_pair.other_id;
    update public.conversations
    set unrouted_since = least(unrouted_since, v_pair.unrouted_since),
      held_revision = null,
      last_inbound_at = greatest(last_inbound_at, v_pair.last_inbound_at),
      last_message_at = greatest(last_message_at, v_pair.last_message_at),
      opted_out_at = case when opt_told_at is null then coalesce(v_pair.opted_out_at, opted_out_at)
        when v_pair.opt_told_at > opt_told_at then v_pair.opted_out_at
        when v_pair.opt_told_at = opt_told_at then greatest(opted_out_at, v_pair.opted_out_at) else opted_out_at end,
      opt_told_at = greatest(opt_told_at, v_pair.opt_told_at),
      taken_at = case when v_pair.taken_until > coalesce(taken_until, '-infinity') then v_pair.taken_at else taken_at end,
      taken_by = case when v_pair.taken_until > coalesce(taken_until, '-infinity') then v_pair.taken_by else taken_by end,
      taken_until = greatest(taken_until, v_pair.taken_until),
      routed_seq = coalesce(v_undecided - 1, greatest(routed_seq, v_pair.routed_seq))
    where id = v_pair.keep_id;
    delete from public.conversations where id = v_pair.other_id;
  end loop;
  update public.contacts set merged_into = p_keep, updated_at = p_at where id = p_other or merged_into = p_other;
end $$;
comment on function private.merge_contacts(uuid, uuid, timestamptz) is 'Merges two contacts that are one person: identities, conversations, messages and queues of the other move to the kept one; the other stays as a row that points to it.';

-- The business-scoped user id identifies a person; a phone number can change hands. So two contacts are merged
-- when an update names both and they have no different user ids at one sender of ours; otherwise the number has moved
-- to the person who writes from it now. A change notice (which gives the previous id) comes from the person.
create function private.whatsapp_contact(
  p_identities private.identity[], p_at timestamptz, p_sender_id text, p_known uuid
) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_phone text := private.identity_value(p_identities, 'phone');
  v_bsuid text := private.identity_value(p_identities, 'bsuid');
  v_parent_bsuid text := private.identity_value(p_identities, 'parent_bsuid');
  v_prev_phone text := private.identity_before(p_identities, 'phone');
  v_prev_bsuid text := private.identity_before(p_identities, 'bsuid');
  v_contact uuid := coalesce(
    private.identity_holder('whatsapp', 'bsuid', v_prev_bsuid), private.identity_holder('whatsapp', 'phone', v_prev_phone),
    private.identity_holder('whatsapp', 'bsuid', v_bsuid), private.identity_holder('whatsapp', 'parent_bsuid', v_parent_bsuid));
  v_notice boolean := v_prev_bsuid is not null or v_prev_phone is not null;
  v_other uuid;
  v_other_bsuids text[];
  v_suits boolean;
  v_keep uuid;
begin
  for v_other in
    select distinct holder from unnest(array[
      private.identity_holder('whatsapp', 'bsuid', v_bsuid), private.identity_holder('whatsapp', 'parent_bsuid', v_parent_bsuid),
      private.identity_holder('whatsapp', 'phone', v_phone), p_known,
      case when v_phone is null and v_bsuid is null and v_parent_bsuid is null
        then private.identity_holder('whatsapp', 'username', private.identity_value(p_identities, 'username')) end]) as holder
    where holder is not null order by holder
  loop
    v_other_bsuids := private.ids_at(v_other, 'bsuid', p_sender_id);
    v_suits := v_bsuid is null or v_other_bsuids is null or v_bsuid = any (v_other_bsuids);
    if v_contact is null then
      -- Only known by number so far, or the same user id: the same person. Another user id: the number has moved.
      if v_notice or v_suits then
        v_contact := v_other;
      end if;
    elsif v_other <> v_contact then
      -- After a notice the previous user id is obsolete; the new one must survive the merge.
      if v_notice and v_bsuid = any (v_other_bsuids) then
        update public.contact_identities i set valid_to = greatest(p_at, i.valid_from)
        where i.contact_id = v_contact and i.kind = 'bsuid' and i.valid_to is null
          and i.value = any (private.ids_at(v_contact, 'bsuid', p_sender_id));
      end if;
      if v_suits and not private.are_apart(v_contact, v_other, 'bsuid') then
        v_keep := least(v_contact, v_other); -- ids sort by age
        perform private.merge_contacts(v_keep, case when v_keep = v_contact then v_other else v_contact end, p_at);
        v_contact := v_keep;
      end if;
    end if;
  end loop;
  return v_contact;
end $$;
comment on function private.whatsapp_contact(private.identity[], timestamptz, text, uuid) is 'The known contact that WhatsApp''s ids identify, merged if they prove two to be one; null if they identify nobody. p_known is the contact that we already know the update to be about. The caller holds the contacts'' lock.';

-- On other channels, and for groups, only the first id identifies the contact: the ids that come with it (a username)
-- may have changed hands.
create function private.resolve_contact(
  p_channel text, p_identities private.identity[], p_name text, p_at timestamptz, p_sender_id text, p_known uuid default null
) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_contact uuid := case when p_channel = 'whatsapp' and p_identities[1].kind <> 'group'
    then private.whatsapp_contact(p_identities, p_at, p_sender_id, p_known)
    else coalesce(private.identity_holder(p_channel, p_identities[1].kind, p_identities[1].previous),
      private.identity_holder(p_channel, p_identities[1].kind, p_identities[1].value), p_known) end;
begin
  if v_contact is null then
    insert into public.contacts (channel, name) values (p_channel, p_name) returning id into v_contact;
  elsif p_name is not null then
    update public.contacts set name = p_name, updated_at = p_at where id = v_contact and name is distinct from p_name;
  end if;
  update public.contact_identities i set valid_to = greatest(p_at, i.valid_from)
  from unnest(p_identities) as told
  where i.contact_id = v_contact and i.kind = told.kind and i.value = told.previous and i.valid_to is null;
  perform private.hold_identity(v_contact, p_channel, i.kind, i.value, p_at, p_sender_id, p_known is not null)
  from unnest(p_identities) with ordinality as i order by i.ordinality;
  return v_contact;
end $$;
comment on function private.resolve_contact(text, private.identity[], text, timestamptz, text, uuid) is 'The person whom these ids, reported to a sender, identify on a channel; creates, moves or merges contacts as needed. p_known is the contact they are about, if known. The caller holds the contacts'' lock (private.lock_contacts).';

create function private.lock_contacts() returns void
language sql set search_path = '' as $$
  select pg_advisory_xact_lock(hashtext('gatelink.contacts'))
$$;
comment on function private.lock_contacts() is 'Lets one transaction at a time create, change or merge contacts. Messages from known people do not need it.';

create function private.learn_identities(
  p_contact_id uuid, p_channel text, p_sender_id text, p_identities private.identity[], p_at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  v_known uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_written text[] := array(
    select i.value from public.contact_identities i
    where i.contact_id = v_known and i.kind = 'phone' and i.valid_to is null);
  v_contact uuid := private.resolve_contact(p_channel, p_identities, null, p_at, p_sender_id, v_known);
begin
  -- The address we wrote to stays theirs, even if it belonged to another contact until now.
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, dialled, valid_from)
  select v_contact, p_channel, 'phone', w.value, p_sender_id, true, p_at from unnest(v_written) as w (value)
  where v_contact = (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_known)
  on conflict (channel, kind, value) where valid_to is null do nothing;
end $$;
comment on function private.learn_identities(uuid, text, text, private.identity[], timestamptz) is 'Records the ids that the provider reported for the recipient of one of our messages: whoever has these ids is that person. The caller holds the contacts'' lock.';

create type private.told_ids as (contact_id uuid, channel text, number_id text, identities private.identity[], at timestamptz);
comment on type private.told_ids is 'Ids by which a provider names a contact to one of our senders, and when it did.';

-- A former id is not learnt again: the provider may report late about a message to a number that was given up since.
create function private.learn_told(p_told private.told_ids[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_told private.told_ids;
  v_locked boolean := false;
begin
  for v_told in
    select t.* from unnest(p_told) with ordinality as t
    where exists (
      select from unnest(t.identities) told
      where told.value is not null and not exists (
        select from public.contact_identities i
        where i.contact_id = t.contact_id and i.kind = told.kind and i.value = told.value))
    order by t.ordinality
  loop
    if not v_locked then
      perform private.lock_contacts();
      v_locked := true;
    end if;
    perform private.learn_identities(v_told.contact_id, v_told.channel, v_told.number_id, v_told.identities, v_told.at);
  end loop;
end $$;
comment on function private.learn_told(private.told_ids[]) is 'Records ids that their contacts never had.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.keyed_hash(text),
  private.erased_opt_out(text, text, text, text),
  private.keep_opt_out(),
  private.channel_policy(text),
  private.router_flag(text),
  private.send_flag(text),
  private.identity_value(private.identity[], text),
  private.identity_before(private.identity[], text),
  private.spellings(text, text),
  private.identity_holder(text, text, text),
  private.is_scoped(text),
  private.ids_at(uuid, text, text),
  private.are_apart(uuid, uuid, text),
  private.hold_identity(uuid, text, text, text, timestamptz, text, boolean),
  private.current_ids(uuid, text),
  private.merge_contacts(uuid, uuid, timestamptz),
  private.whatsapp_contact(private.identity[], timestamptz, text, uuid),
  private.resolve_contact(text, private.identity[], text, timestamptz, text, uuid),
  private.lock_contacts(),
  private.learn_identities(uuid, text, text, private.identity[], timestamptz),
  private.learn_told(private.told_ids[])
  to service_role;
grant execute on function
  public.set_number_pace(text, integer, numeric, integer),
  public.remove_number(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000400');
