-- Masked messaging: organisations, their people and their numbers. A client and a worker of an organisation text each
-- other through numbers that are nobody's own. The domain's words: the owner runs the business, a sitter works for it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create function private.is_zone(p_zone text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  -- Only names with a change of clocks in them: `CET` and `-03` are no places.
  if p_zone !~ '^([A-Z][A-Za-z_+-]+(/[A-Za-z0-9_+-]+){1,2}|UTC)$' then
    return false;
  end if;
  perform now() at time zone p_zone;
  return true;
exception when invalid_parameter_value then
  return false;
end $$;
comment on function private.is_zone(text) is 'Whether a text is an IANA time zone by place, such as Europe/Berlin, or UTC.';

create table public.orgs (
  id uuid constraint orgs_pkey primary key default private.uuid_v7(),
  name text not null constraint orgs_name_key unique constraint orgs_name_length check (char_length(name) between 1 and 120),
  zone text not null default 'UTC',
  countries text[] not null default '{US}' constraint orgs_countries_form check (array_to_string(countries, ' ') ~ '^[A-Z]{2}( [A-Z]{2}){0,29}$'),
  before_minutes integer not null default 60 constraint orgs_before_bounded check (before_minutes between 0 and 1440),
  after_minutes integer not null default 60 constraint orgs_after_bounded check (after_minutes between 0 and 1440),
  grace_hours integer not null default 72 constraint orgs_grace_bounded check (grace_hours between 0 and 2160),
  quarantine_days integer not null default 90 constraint orgs_quarantine_bounded check (quarantine_days between 0 and 730),
  recurring_from integer not null default 3 constraint orgs_recurring_bounded check (recurring_from between 1 and 1000),
  tell_members boolean not null default false,
  created_at timestamptz not null default now()
);
comment on table public.orgs is 'Organisations whose clients and workers text each other through masked numbers, and their settings.';
comment on constraint orgs_pkey on public.orgs is 'Flags are asked with org:<id>.';
comment on constraint orgs_name_key on public.orgs is 'An organisation is told by its name.';
comment on column public.orgs.id is 'UUID v7.';
comment on column public.orgs.name is 'Its name.';
comment on column public.orgs.zone is 'IANA time zone of bookings that name none.';
comment on column public.orgs.countries is 'Countries whose national phone numbers detection looks for.';
comment on column public.orgs.before_minutes is 'How long before a booking its window opens.';
comment on column public.orgs.after_minutes is 'How long after a booking its window closes.';
comment on column public.orgs.grace_hours is 'How long after the last window, or the end of a thread, its people keep the number.';
comment on column public.orgs.quarantine_days is 'How long afterwards they are given the number in no other thread: they may still write to it.';
comment on column public.orgs.recurring_from is 'From how many bookings on a client counts as recurring, besides those with a weekly one.';
comment on column public.orgs.tell_members is 'Whether owners and sitters are told by themselves when a part of messaging begins or ends for the organisation.';
comment on column public.orgs.created_at is 'When it was added.';
alter table public.orgs enable row level security;

create table public.org_members (
  id uuid constraint org_members_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  role text not null constraint org_members_role_known check (role in ('owner', 'admin', 'sitter')),
  user_id uuid references auth.users (id) on delete set null,
  contact_id uuid references public.contacts (id) on delete set null,
  created_at timestamptz not null default now(),
  constraint org_members_user_key unique (org_id, user_id),
  constraint org_members_contact_key unique (org_id, contact_id)
);
comment on table public.org_members is 'People of an organisation. Each sees their organisation alone, and a sitter their own threads alone.';
comment on constraint org_members_pkey on public.org_members is 'Windows refer to a member.';
comment on constraint org_members_user_key on public.org_members is 'A user is in an organisation once.';
comment on constraint org_members_contact_key on public.org_members is 'A phone is of one member.';
comment on column public.org_members.id is 'UUID v7.';
comment on column public.org_members.org_id is 'The organisation.';
comment on column public.org_members.role is 'owner and admin see everything of the organisation; a sitter writes to clients within assignment windows.';
comment on column public.org_members.user_id is 'The user in Supabase Auth who signs in as this member; null for one who only texts.';
comment on column public.org_members.contact_id is 'The phone of the member; null for one who only uses the pages, or who was erased.';
comment on column public.org_members.created_at is 'When the member was added.';
create index org_members_user_idx on public.org_members (user_id) where user_id is not null;
comment on index public.org_members_user_idx is 'What somebody is who signs in; serves the foreign key.';
create index org_members_contact_idx on public.org_members (contact_id) where contact_id is not null;
comment on index public.org_members_contact_idx is 'Serves the foreign key.';
alter table public.org_members enable row level security;

create table public.org_numbers (
  channel text not null default 'sms',
  number_id text not null,
  org_id uuid not null references public.orgs (id) on delete cascade,
  class text not null constraint org_numbers_class_known check (class in ('front_desk', 'sitter', 'pool')),
  member_id uuid references public.org_members (id) on delete cascade,
  state text not null default 'active' constraint org_numbers_state_known check (state in ('active', 'draining', 'out')),
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  constraint org_numbers_pkey primary key (channel, number_id),
  constraint org_numbers_sender_fkey foreign key (channel, number_id) references public.senders (channel, id) on delete cascade,
  constraint org_numbers_member_for_sitter check ((class = 'sitter') = (member_id is not null))
);
comment on table public.org_numbers is 'Numbers of an organisation by class.';
comment on constraint org_numbers_pkey on public.org_numbers is 'A number is of one organisation.';
comment on constraint org_numbers_sender_fkey on public.org_numbers is 'Numbers are senders.';
comment on constraint org_numbers_member_for_sitter on public.org_numbers is 'A number of class sitter belongs to a member, and no other does.';
comment on column public.org_numbers.channel is 'The channel of the sender.';
comment on column public.org_numbers.number_id is 'The sender (senders.id).';
comment on column public.org_numbers.org_id is 'The organisation.';
comment on column public.org_numbers.class is 'front_desk: the business''s public number; sitter: one sitter''s, for all of that sitter''s clients; pool: lent to threads.';
comment on column public.org_numbers.member_id is 'The sitter whose number it is.';
comment on column public.org_numbers.state is 'active; draining: no new threads, out once its last one is over; out: the provider refuses it, or it has drained.';
comment on column public.org_numbers.last_used_at is 'When it was last lent to a thread. The least recently used is taken first.';
comment on column public.org_numbers.created_at is 'When it was added.';
create index org_numbers_pick_idx on public.org_numbers (org_id, class, last_used_at nulls first) where state = 'active';
comment on index public.org_numbers_pick_idx is 'The numbers that may be lent, least recently used first.';
create index org_numbers_org_idx on public.org_numbers (org_id);
comment on index public.org_numbers_org_idx is 'The numbers of an organisation; serves the foreign key.';
create unique index org_numbers_member_idx on public.org_numbers (member_id) where member_id is not null;
comment on index public.org_numbers_member_idx is 'A sitter has one number at most; serves the foreign key.';
alter table public.org_numbers enable row level security;

-- Who sees what -----------------------------------------------------------------------------------

-- Definer, because callers of a policy need not read org_members.
create function private.org_role(p_org uuid) returns text
language sql stable security definer set search_path = '' as $$
  select m.role from public.org_members m where m.org_id = p_org and m.user_id = (select auth.uid())
$$;
comment on function private.org_role(uuid) is 'What the signed-in user is in an organisation: owner, admin or sitter; null for a stranger. It tells the caller only about the caller.';

create function private.manages_org(p_org uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.org_members m
    where m.org_id = p_org and m.user_id = (select auth.uid()) and m.role in ('owner', 'admin'))
$$;
comment on function private.manages_org(uuid) is 'Whether the signed-in user is owner or admin of an organisation. It tells the caller only about the caller.';

create function public.my_orgs() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('org_id', m.org_id, 'member_id', m.id, 'role', m.role, 'name', o.name, 'zone', o.zone) order by o.name), '[]')
  from public.org_members m join public.orgs o on o.id = m.org_id where m.user_id = (select auth.uid())
$$;
comment on function public.my_orgs() is 'The organisations of the signed-in user: [{org_id, member_id, role, name, zone}]. Edge functions use it to check a caller''s token. It tells the caller only about the caller.';

revoke all on public.orgs, public.org_members, public.org_numbers from public, anon, authenticated;
grant select on public.orgs, public.org_members, public.org_numbers to authenticated;
grant select, insert, update, delete on public.orgs, public.org_members, public.org_numbers to service_role;
create policy "the team and members read orgs" on public.orgs for select to authenticated
  using ((select private.has_role('viewer')) or private.org_role(id) is not null);
comment on policy "the team and members read orgs" on public.orgs is 'Settings name nobody.';
create policy "the team, owners and oneself read members" on public.org_members for select to authenticated
  using ((select private.has_role('viewer')) or user_id = (select auth.uid()) or private.manages_org(org_id));
comment on policy "the team, owners and oneself read members" on public.org_members is 'A sitter sees no other sitter.';
create policy "the team and owners read numbers" on public.org_numbers for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id));
comment on policy "the team and owners read numbers" on public.org_numbers is 'A sitter does not see which numbers there are.';

-- Changes -----------------------------------------------------------------------------------------

create function public.set_org(p_id uuid, p_config jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_org public.orgs;
begin
  perform private.refuse_older_code();
  if p_config ? 'zone' and not private.is_zone(p_config ->> 'zone') then
    raise exception 'zone is an IANA time zone, such as Europe/Berlin' using errcode = 'GL422';
  end if;
  if p_id is null then
    insert into public.orgs (name) values (p_config ->> 'name') returning * into v_org;
  else
    select * into v_org from public.orgs o where o.id = p_id for update;
    if not found then
      raise exception 'there is no such organisation' using errcode = 'GL404';
    end if;
  end if;
  update public.orgs o set
    name = coalesce(p_config ->> 'name', o.name),
    zone = coalesce(p_config ->> 'zone', o.zone),
    countries = case when p_config ? 'countries' then array(select jsonb_array_elements_text(p_config -> 'countries')) else o.countries end,
    before_minutes = coalesce((p_config ->> 'before_minutes')::integer, o.before_minutes),
    after_minutes = coalesce((p_config ->> 'after_minutes')::integer, o.after_minutes),
    grace_hours = coalesce((p_config ->> 'grace_hours')::integer, o.grace_hours),
    quarantine_days = coalesce((p_config ->> 'quarantine_days')::integer, o.quarantine_days),
    recurring_from = coalesce((p_config ->> 'recurring_from')::integer, o.recurring_from),
    tell_members = coalesce((p_config ->> 'tell_members')::boolean, o.tell_members)
  where o.id = v_org.id returning * into v_org;
  return to_jsonb(v_org);
end $$;
comment on function public.set_org(uuid, jsonb) is
  'Adds an organisation (p_id null; name is required) or changes one: {name, zone, countries, before_minutes, after_minutes, grace_hours, quarantine_days, recurring_from, tell_members}. What is left out stays. Returns the row. For secret keys. Errors: GL404 no such organisation, GL422 unknown zone, 23505 the name is taken, 23514 invalid value.';

create function public.set_org_member(p_org uuid, p_role text, p_user_id uuid default null, p_contact_id uuid default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_member public.org_members;
begin
  perform private.refuse_older_code();
  select * into v_member from public.org_members m
  where m.org_id = p_org and (m.user_id = p_user_id or m.contact_id = p_contact_id)
  order by m.user_id = p_user_id desc nulls last limit 1 for update;
  if found then
    update public.org_members m
    set role = p_role, user_id = coalesce(p_user_id, m.user_id), contact_id = coalesce(p_contact_id, m.contact_id)
    where m.id = v_member.id returning * into v_member;
  else
    insert into public.org_members (org_id, role, user_id, contact_id) values (p_org, p_role, p_user_id, p_contact_id)
    returning * into v_member;
  end if;
  return to_jsonb(v_member);
end $$;
comment on function public.set_org_member(uuid, text, uuid, uuid) is
  'Adds somebody to an organisation, or changes role, user or phone of one who is in it. Returns the row. For secret keys. Errors: 23503 no such organisation, user or contact, 23505 another member has the phone or user, 23514 unknown role.';

create function public.set_org_number(p_org uuid, p_number_id text, p_class text, p_member uuid default null, p_state text default 'active') returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_number public.org_numbers;
begin
  perform private.refuse_older_code();
  insert into public.org_numbers as n (org_id, number_id, class, member_id, state) values (p_org, p_number_id, p_class, p_member, p_state)
  on conflict on constraint org_numbers_pkey do update set class = excluded.class, member_id = excluded.member_id, state = excluded.state
  where n.org_id = p_org
  returning * into v_number;
  if v_number.number_id is null then
    raise exception 'the number belongs to another organisation' using errcode = 'GL409';
  end if;
  update public.senders s set class = p_class, org = p_org where s.channel = v_number.channel and s.id = p_number_id;
  return to_jsonb(v_number);
end $$;
comment on function public.set_org_number(uuid, text, text, uuid, text) is
  'Gives an organisation one of the senders of SMS, or changes its class or state (active, draining, out). Returns the row. For secret keys. Errors: GL409 it belongs to another organisation, 23503 no such sender, 23514 invalid class or state.';

call private.close_functions();
grant execute on function private.org_role(uuid), private.manages_org(uuid), public.my_orgs() to authenticated, service_role;
grant execute on function
  private.is_zone(text),
  public.set_org(uuid, jsonb),
  public.set_org_member(uuid, text, uuid, uuid),
  public.set_org_number(uuid, text, text, uuid, text)
  to service_role;

insert into private.own_migrations (version) values ('20261129002710');
