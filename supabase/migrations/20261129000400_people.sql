-- Who writes to whom: senders of ours, people with their identities over time, and conversations.

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
comment on table public.senders is 'Whom we write as: numbers, addresses and bots of all channels, and how fast each may send. A WhatsApp number that first shows up in a signed webhook is added by itself.';
comment on constraint senders_pkey on public.senders is 'An id is one sender''s within its channel.';
comment on column public.senders.channel is 'The channel that it sends on, for example whatsapp.';
comment on column public.senders.id is 'How the provider names it: for WhatsApp Meta''s phone_number_id. conversations.number_id refers to it.';
comment on column public.senders.address is 'As people see it: a number as they dial it (digits only), an e-mail address, a bot''s name.';
comment on column public.senders.class is 'What it is for, where a channel tells its senders apart; null where it does not.';
comment on column public.senders.provider is 'Who carries its messages, for example whatsapp (Meta itself).';
comment on column public.senders.account is 'The provider''s account that it belongs to and its templates with it, as webhooks tell: for WhatsApp Meta''s WABA id; null while none has.';
comment on column public.senders.credentials is 'Name of the secret that it sends with, in the functions'' environment; null for the channel''s own. Never the secret itself.';
comment on column public.senders.state is 'active, or paused by a person: what it has to send waits.';
comment on column public.senders.max_per_second is 'Messages a second it may send: for WhatsApp 80, 1,000 when upgraded, 20 in coexistence.';
comment on column public.senders.pair_seconds is 'Seconds between two messages to the same person that the provider sustains (Meta: error 131056 beyond it); 0 where it has no such limit.';
comment on column public.senders.pair_burst is 'Messages to the same person that may go at once before pair_seconds applies.';
comment on column public.senders.send_tat is 'GCRA state of max_per_second: the theoretical arrival time of the next message.';
comment on column public.senders.held_since is 'Since when a fault of the account (its token, its payment, a restriction) keeps everything of this sender from going; null while nothing does.';
comment on column public.senders.held_code is 'The provider''s code of that fault.';
comment on column public.senders.held_until is 'When the next one message tries whether it was repaired.';
comment on column public.senders.held_probes is 'How often that was tried.';
comment on column public.senders.org is 'The organisation that it belongs to; null where there is only one.';
comment on column public.senders.created_at is 'When it was first seen or added.';
alter table public.senders enable row level security;
revoke all on public.senders from public, anon, authenticated;
grant select on public.senders to authenticated;
grant select, insert, update, delete on public.senders to service_role;
create policy "team reads senders" on public.senders for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads senders" on public.senders is 'Every role of the team may see whom we write as.';

-- What it gives a new row beside these columns are the defaults of senders: the channel is WhatsApp.
create view public.wa_numbers with (security_invoker = true) as
  select id, address as display_number, max_per_second, pair_seconds, pair_burst, send_tat, created_at
  from public.senders where channel = 'whatsapp'
  with local check option;
comment on view public.wa_numbers is 'The senders of WhatsApp, business phone numbers (Meta''s phone_number_id), to read and to write. An insert that may meet a known one says "on conflict do nothing": an id is unique within its channel, so "on conflict (id)" finds no constraint.';
comment on column public.wa_numbers.id is 'Meta''s phone_number_id.';
comment on column public.wa_numbers.display_number is 'The number as people dial it, digits only.';
comment on column public.wa_numbers.max_per_second is 'Messages a second Meta lets this number send: 80, 1,000 when upgraded, 20 in coexistence.';
comment on column public.wa_numbers.pair_seconds is 'Seconds between two messages to the same person that Meta sustains (error 131056 beyond it).';
comment on column public.wa_numbers.pair_burst is 'Messages to the same person that may go at once before pair_seconds applies.';
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
comment on table public.contact_identities is 'Under which ids a person is or was known on a channel. Nothing is overwritten: a changed id is closed by valid_to.';
comment on column public.contact_identities.id is 'Order in which identities were learnt.';
comment on column public.contact_identities.contact_id is 'The person.';
comment on column public.contact_identities.channel is 'The channel that the id belongs to.';
comment on column public.contact_identities.kind is 'phone (digits with the country code, on every channel), email (lower-cased), telegram (its user id), username, bsuid (WhatsApp''s business-scoped user id), parent_bsuid, group (several people who write in one conversation); a channel may have kinds of its own.';
comment on column public.contact_identities.value is 'The id, exactly as the channel or the caller gives it: numbers are not "fixed up".';
comment on column public.contact_identities.sender_id is 'The sender of ours that learnt it. Ids that a provider gives each of its customers apart (bsuid, parent_bsuid) say nothing beyond that customer''s senders, so a person has several of them side by side; null where no sender is known.';
comment on column public.contact_identities.dialled is 'A further spelling of a number: the provider takes it, and calls the person by another one.';
comment on column public.contact_identities.valid_from is 'Since when the person is known by it.';
comment on column public.contact_identities.valid_to is 'Until when; null while it is current.';
create unique index contact_identities_current_idx on public.contact_identities (channel, kind, value)
  where valid_to is null;
comment on index public.contact_identities_current_idx is 'An id belongs to at most one person at a time; the look-up of every inbound message.';
create index contact_identities_past_idx on public.contact_identities (channel, kind, value) where valid_to is not null;
comment on index public.contact_identities_past_idx is 'Finds who was known by an id that nobody has any more.';
create index contact_identities_contact_idx on public.contact_identities (contact_id, kind);
comment on index public.contact_identities_contact_idx is 'A person''s ids.';
-- The length keeps it out of the plans of look-ups by the whole number, for which it would be read from end to end.
create index contact_identities_last_four_idx on public.contact_identities (right(value, 4))
  where kind = 'phone' and valid_to is null and length(value) >= 4;
comment on index public.contact_identities_last_four_idx is 'Search by the last four digits.';
alter table public.contact_identities enable row level security;
-- No policy and no grant for people: it holds whole numbers or words, and whoever could read it directly could do so
-- unrecorded. The panel's functions give what may be seen of it.
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
  unrouted_since timestamptz,
  held_revision bigint,
  routed_seq bigint not null default 0,
  created_at timestamptz not null default now(),
  constraint conversations_pair_key unique (contact_id, channel, number_id)
) with (fillfactor = 70);
comment on table public.conversations is 'One row a contact and sender of ours. Its row lock is what puts the messages of a conversation in order.';
comment on constraint conversations_pair_key on public.conversations is 'One conversation for each sender of ours and person. The person first: the look-up of every message compares least, and a person''s conversations are found by it too.';
comment on column public.conversations.id is 'UUID v7.';
comment on column public.conversations.channel is 'The channel of both sides.';
comment on column public.conversations.number_id is 'The sender of ours (senders.id), for WhatsApp the business number.';
comment on column public.conversations.contact_id is 'The person.';
comment on column public.conversations.last_inbound_at is 'When the person last wrote: opens the 24-hour customer service window.';
comment on column public.conversations.last_message_at is 'When either side last wrote.';
comment on column public.conversations.opted_out_at is 'Since when the person has opted out, of what the channel''s policy says (WhatsApp: marketing templates); null if they have not.';
comment on column public.conversations.opt_told_at is 'When the last word about that was said, either way; an older one that comes later changes nothing.';
comment on column public.conversations.sticky_route_id is 'Route that keeps this conversation until sticky_until.';
comment on column public.conversations.sticky_until is 'End of the stickiness.';
comment on column public.conversations.unrouted_since is 'Since when a message waits for the router; null when none does.';
comment on column public.conversations.held_revision is 'Configuration revision at which the router''s flag said no for this contact: not asked again until the configuration changes.';
comment on column public.conversations.routed_seq is 'messages.seq up to which the router has decided.';
comment on column public.conversations.created_at is 'When the conversation began.';
create index conversations_unrouted_idx on public.conversations (channel, held_revision, unrouted_since) where unrouted_since is not null;
comment on index public.conversations_unrouted_idx is 'The router''s queue: conversations of a channel with something to decide, those held back apart by revision, each oldest first.';
alter table public.conversations enable row level security;
revoke all on public.conversations from public, anon, authenticated;
grant select on public.conversations to authenticated;
grant select, insert, update, delete on public.conversations to service_role;
create policy "team reads conversations" on public.conversations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads conversations" on public.conversations is 'Holds no personal data of its own: every role may read.';

-- What stays of whom was erased -------------------------------------------------------------------

create table private.hash_key (
  only_row boolean primary key default true constraint hash_key_only_row check (only_row),
  key bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);
comment on table private.hash_key is 'One row: the key of the hashes that stand for people who were erased. Without it they tell nothing.';
comment on column private.hash_key.only_row is 'Always true; the key that allows no second row.';
comment on column private.hash_key.key is '32 bytes, 244 of their bits from the server''s strong random source.';
alter table private.hash_key enable row level security;
revoke all on private.hash_key from public, anon, authenticated, service_role;
grant select on private.hash_key to service_role;
insert into private.hash_key default values;

create function private.keyed_hash(p_value text) returns bytea
language sql stable set search_path = '' as $$
  select sha256(k.key || sha256(k.key || convert_to(p_value, 'UTF8'))) from private.hash_key k
$$;
comment on function private.keyed_hash(text) is 'Stands for a text that is not kept: the same for the same text, and of no use without private.hash_key.';

create table private.erased_opt_outs (
  identity bytea not null,
  channel text not null,
  number_id text not null,
  opted_out_at timestamptz not null,
  constraint erased_opt_outs_pkey primary key (identity, channel, number_id)
);
comment on table private.erased_opt_outs is 'Opt-outs of people who were erased: nobody may write to them for that.';
comment on constraint erased_opt_outs_pkey on private.erased_opt_outs is 'An id opts out of a sender once.';
comment on column private.erased_opt_outs.identity is 'Keyed hash of kind and value of an id that the person had.';
comment on column private.erased_opt_outs.channel is 'The channel.';
comment on column private.erased_opt_outs.number_id is 'The sender of ours (senders.id) that may not write.';
comment on column private.erased_opt_outs.opted_out_at is 'Since when.';
alter table private.erased_opt_outs enable row level security;
revoke all on private.erased_opt_outs from public, anon, authenticated, service_role;
grant select, delete on private.erased_opt_outs to service_role;

create function private.erased_opt_out(p_channel text, p_number_id text, p_kind text, p_value text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  -- Nearly always there is none: a hash is made only where there are some to be found.
  if not exists (select from private.erased_opt_outs) then
    return null;
  end if;
  return (
    select max(o.opted_out_at) from private.erased_opt_outs o
    where o.identity in (select private.keyed_hash(p_kind || ' ' || spelled) from unnest(private.spellings(p_kind, p_value)) spelled)
      and o.channel = p_channel and o.number_id = p_number_id);
end $$;
comment on function private.erased_opt_out(text, text, text, text) is 'Since when somebody who was erased wanted nothing from a sender, by an id of theirs; null for nobody.';

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
comment on function private.keep_opt_out() is 'Trigger, before insert of conversations: whoever had opted out before being erased still has.';
create trigger keep_opt_out before insert on public.conversations
  for each row execute function private.keep_opt_out();
comment on trigger keep_opt_out on public.conversations is 'An erasure takes no opt-out back.';

-- What a channel allows ---------------------------------------------------------------------------

-- Failure policy: closed. A channel that this does not know keeps an opt-out until the person takes it back, and its
-- senders begin slowly. What a channel's own code says of itself is held to this by a test.
create function private.channel_policy(
  p_channel text, out reply_window interval, out opt_out text, out max_per_second integer, out pair_seconds numeric,
  out window_code text, out opt_out_code text, out media_wait interval
)
language sql immutable set search_path = '' as $$
  select case p_channel when 'whatsapp' then interval '24 hours' end,
    case p_channel when 'whatsapp' then 'until_resumed' when 'email' then 'suppression' when 'telegram' then 'none'
      else 'until_start' end,
    case p_channel when 'whatsapp' then 80 else 1 end,
    case p_channel when 'whatsapp' then 6 else 1 end,
    case p_channel when 'whatsapp' then '131047' end,
    case p_channel when 'whatsapp' then '131050' end,
    case p_channel when 'whatsapp' then interval '10 seconds' end
$$;
comment on function private.channel_policy(text) is 'What a channel allows. reply_window: how long after the person last wrote one may write freely; null for always. opt_out, what conversations.opted_out_at stops: until_resumed (marketing templates alone, until the person resumes them), until_start and suppression (everything, until the person''s START or until the address is taken off the list), none (nothing: the channel does not deliver). max_per_second and pair_seconds: what a sender has that a first webhook makes; its row says what it has now. window_code: with which code the provider says that the window is closed, opt_out_code: that the person has opted out; null for none. media_wait: how long what comes after media waits for a status of it; null where it need not.';

create function private.router_flag(p_channel text) returns text
language sql immutable set search_path = '' as $$
  select case p_channel when 'whatsapp' then 'wa_router.enabled' else p_channel || '_router.enabled' end
$$;
comment on function private.router_flag(text) is 'The flag that deciding and forwarding of a channel stand under; the same as routerFlag in _shared/pipeline/routed.ts.';

create function private.send_flag(p_channel text) returns text
language sql immutable set search_path = '' as $$
  select case p_channel when 'whatsapp' then 'wa_send.enabled' else p_channel || '_send.enabled' end
$$;
comment on function private.send_flag(text) is 'The flag that sending on a channel stands under.';

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
  'How fast a business number sends: messages a second in all (1 to 1,000), seconds between two to the same person, and how many of these may go at once. For operators and secret keys. Errors: 42501 not allowed, GL404 no such number, 23514 a value that cannot be.';

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
  'Takes a business number away: nothing is sent from it any more, and whoever leaves out the sender need not choose between it and others. Its conversations stay. A webhook of it adds it again. For admins and secret keys. Errors: 42501 not allowed, GL404 no such number, GL409 messages wait to be sent from it.';

-- Who is it? Identities, their changes, and merges ------------------------------------------------

create type private.identity as (kind text, value text, previous text);
comment on type private.identity is 'An id that an update gives of a person: its kind as in contact_identities, the id, and the one that it replaces where the person''s change is what the update tells. Value or previous may be null.';

-- plpgsql, here and in what follows, also for one statement: it keeps the plan, where a function in SQL is planned anew
-- at each call.
create function private.identity_value(p_identities private.identity[], p_kind text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return (select i.value from unnest(p_identities) i where i.kind = p_kind limit 1);
end $$;
comment on function private.identity_value(private.identity[], text) is 'The id of this kind among those given; null when there is none.';

create function private.identity_before(p_identities private.identity[], p_kind text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return (select i.previous from unnest(p_identities) i where i.kind = p_kind limit 1);
end $$;
comment on function private.identity_before(private.identity[], text) is 'What the id of this kind replaces; null when it replaces none.';

-- Meta spells some mobile numbers otherwise than people dial them: Brazil's without the ninth digit, Mexico's with a 1,
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
comment on function private.spellings(text, text) is 'Every spelling of an id, itself among them, in the same order for each of them: of a phone number those with and without the digit that is dialled and not shown, or the other way round.';

create function private.identity_holder(p_channel text, p_kind text, p_value text) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  return (
    select i.contact_id
    -- One at a time: before Postgres 17 a list may be a filter behind the index, which then reads everybody.
    from unnest(private.spellings(p_kind, p_value)) as s (value)
    cross join lateral (
      select k.contact_id from public.contact_identities k
      where k.channel = p_channel and k.kind = p_kind and k.value = s.value and k.valid_to is null limit 1) i
    order by s.value <> p_value limit 1);
end $$;
comment on function private.identity_holder(text, text, text) is 'Who is known by this id now, however a number is spelled; null when nobody is.';

create function private.is_scoped(p_kind text) returns boolean
language sql immutable set search_path = '' as $$
  select p_kind in ('bsuid', 'parent_bsuid')
$$;
comment on function private.is_scoped(text) is 'Whether a provider gives ids of this kind to each of its customers apart: a person may have several, and two people never the same.';

-- Which of our senders belong to one customer of the provider nobody tells. An id holds where it was learnt, and where
-- the person has written since and was called by no other.
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
comment on function private.ids_at(uuid, text, text) is 'The ids of a kind that a person has at a sender of ours, at any where none is given; null for none.';

create function private.are_apart(p_one uuid, p_other uuid, p_kind text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.contact_identities i
    where i.contact_id in (p_one, p_other) and i.kind = p_kind and i.valid_to is null
      and not private.ids_at(p_one, p_kind, i.sender_id) && private.ids_at(p_other, p_kind, i.sender_id));
end $$;
comment on function private.are_apart(uuid, uuid, text) is 'Whether two contacts have different ids of this kind at one sender of ours, and so are two people.';

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
  -- Whoever held it, and what this person held in its place, becomes history. Other spellings of a number remain.
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
comment on function private.hold_identity(uuid, text, text, text, timestamptz, text, boolean) is 'Makes an id the current one of its kind for a person, as told to a sender of ours; what it replaces is closed, not deleted. With p_beside a number replaces none: it is how the provider spells one that we know.';

create function private.current_ids(p_contact_id uuid, p_sender_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from p_sender_id, i.id), '{}')
    from public.contact_identities i where i.contact_id = p_contact_id and i.valid_to is null);
end $$;
comment on function private.current_ids(uuid, text) is 'A person''s ids {kind: value} as a sender of ours knows them: of several of a kind the one that was told to this sender, as the provider spells it.';

create function private.merge_contacts(p_keep uuid, p_other uuid, p_at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_pair record;
  v_undecided bigint;
begin
  -- The other's current ids move over, but for kinds of which the kept contact has a current one. Ids of several
  -- customers of a provider, and spellings of one number, are there side by side.
  update public.contact_identities i
  set valid_to = case when k.value = any (private.spellings(i.kind, i.value)) then null else greatest(p_at, i.valid_from) end,
    dialled = i.kind = 'phone'
  from public.contact_identities k
  where i.contact_id = p_other and i.valid_to is null and not private.is_scoped(i.kind)
    and k.contact_id = p_keep and k.channel = i.channel and k.kind = i.kind and k.valid_to is null and not k.dialled;
  update public.contact_identities set contact_id = p_keep where contact_id = p_other;

  -- Locks in the order of everybody: conversations, lanes, then messages.
  perform from public.conversations where contact_id in (p_keep, p_other) order by id for update;
  perform from private.delivery_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.destination_id, l.conversation_id for update;
  perform from private.outbound_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.conversation_id for update;
  for v_pair in
    select o.id as other_id, k.id as keep_id, o.routed_seq, o.unrouted_since, o.last_inbound_at, o.last_message_at, o.opted_out_at, o.opt_told_at
    from public.conversations o
    left join public.conversations k on k.contact_id = p_keep and k.channel = o.channel and k.number_id = o.number_id
    where o.contact_id = p_other
  loop
    if v_pair.keep_id is null then
      update public.conversations set contact_id = p_keep where id = v_pair.other_id;
      continue;
    end if;
    -- What is decided stays decided, also where the decision was purged since.
    select min(m.seq) into v_undecided
    from public.conversations c join public.messages m on m.conversation_id = c.id and m.seq > c.routed_seq
    where c.id in (v_pair.keep_id, v_pair.other_id) and m.direction = 'in'
      and not exists (select from public.routing_decisions d where d.message_id = m.id);
    update public.deliveries d set conversation_id = v_pair.keep_id
    from public.messages m where m.conversation_id = v_pair.other_id and d.message_id = m.id;
    update public.messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    update public.outbound_messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    -- The other's lanes wake the kept ones. A lease on either is broken, so that no two work on one lane: its
    -- attempt is fenced off and made again, under the same webhook-id. Empty ones come along asleep: what was given up
    -- there may be retried.
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
      routed_seq = coalesce(v_undecided - 1, greatest(routed_seq, v_pair.routed_seq))
    where id = v_pair.keep_id;
    delete from public.conversations where id = v_pair.other_id;
  end loop;
  update public.contacts set merged_into = p_keep, updated_at = p_at where id = p_other or merged_into = p_other;
end $$;
comment on function private.merge_contacts(uuid, uuid, timestamptz) is 'Two contacts are one person: identities, conversations, messages and queues of the other go to the kept one; the other stays as a row that points to it.';

-- The business-scoped user id tells persons apart; a phone number can change hands. So two contacts are merged
-- when an update names both and they have no different user ids at one sender of ours; otherwise the number has moved
-- to the person who writes from it now. A notice of change (the previous id is given) is the person's own word.
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
      -- Known by number only so far, or the same user id: it is this person. Another user id: the number moved.
      if v_notice or v_suits then
        v_contact := v_other;
      end if;
    elsif v_other <> v_contact then
      -- Through a notice the previous user id is over; the new one must survive the merge.
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
comment on function private.whatsapp_contact(private.identity[], timestamptz, text, uuid) is 'The known contact that WhatsApp''s ids name, merged where they prove two to be one; null when they name nobody. p_known is whom the update is about by what we know ourselves. The caller holds the contacts'' lock.';

-- On any other channel, and of a group, the first id says who it is, and only it: what comes with it (a username) may
-- have changed hands.
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
comment on function private.resolve_contact(text, private.identity[], text, timestamptz, text, uuid) is 'The person that these ids, told to a sender of ours, name on a channel, made, moved or merged as needed; p_known is whom they are told of, where we know. The caller holds the contacts'' lock (private.lock_contacts).';

create function private.lock_contacts() returns void
language sql set search_path = '' as $$
  select pg_advisory_xact_lock(hashtext('gatelink.contacts'))
$$;
comment on function private.lock_contacts() is 'Lets one transaction at a time make, change or merge contacts. Messages of known people do not need it.';

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
  -- What was written to remains theirs, also where it was another contact's until now.
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, dialled, valid_from)
  select v_contact, p_channel, 'phone', w.value, p_sender_id, true, p_at from unnest(v_written) as w (value)
  where v_contact = (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_known)
  on conflict (channel, kind, value) where valid_to is null do nothing;
end $$;
comment on function private.learn_identities(uuid, text, text, private.identity[], timestamptz) is 'Keeps what the provider told of the person that a message of ours went to: whoever has these ids is the same one. The caller holds the contacts'' lock.';

-- What they were known by once is not learnt again: the provider may tell late of a message to a number since given up.
create function private.is_news(p_contact_id uuid, p_identities private.identity[]) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from unnest(p_identities) told
    where told.value is not null and not exists (
      select from public.contact_identities i
      where i.contact_id = p_contact_id and i.kind = told.kind and i.value = told.value));
end $$;
comment on function private.is_news(uuid, private.identity[]) is 'Whether there is an id among these that this contact never had.';

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
  private.is_news(uuid, private.identity[])
  to service_role;
grant execute on function
  public.set_number_pace(text, integer, numeric, integer),
  public.remove_number(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000400');
