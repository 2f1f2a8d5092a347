-- Masked messaging: threads between a client and sitters, and which number each of them has in it. The one rule: a person
-- meets a number in one live thread alone. The unique index thread_legs_pair_idx decides it, also between two at once.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.threads (
  id uuid constraint threads_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  client_id uuid not null references public.contacts (id) on delete cascade,
  sitter_id uuid references public.org_members (id) on delete cascade,
  channel text not null default 'sms',
  message_number_id text not null,
  number_class text not null constraint threads_class_known check (number_class in ('front_desk', 'sitter', 'pool')),
  recurring boolean not null default false,
  recurring_why text,
  opened_by text not null constraint threads_opened_known check (opened_by in ('first_message', 'assignment', 'owner', 'backfill')),
  state text not null default 'live' constraint threads_state_known check (state in ('live', 'ended')),
  opened_at timestamptz not null default now(),
  ended_at timestamptz,
  last_at timestamptz not null default now(),
  constraint threads_number_fkey foreign key (channel, message_number_id) references public.org_numbers (channel, number_id) on delete cascade,
  constraint threads_ended_whole check ((state = 'ended') = (ended_at is not null)),
  constraint threads_sitter_of_class check ((number_class = 'sitter') = (sitter_id is not null))
);
comment on table public.threads is 'Threads between a client and sitters, each with exactly one number.';
comment on constraint threads_pkey on public.threads is 'messages.thread_id refers to it.';
comment on constraint threads_number_fkey on public.threads is 'A thread has a number at any time.';
comment on constraint threads_ended_whole on public.threads is 'An ended thread has the time.';
comment on constraint threads_sitter_of_class on public.threads is 'A thread on a sitter''s number is that sitter''s; any other is the client''s, with whichever sitters join it.';
comment on column public.threads.id is 'UUID v7.';
comment on column public.threads.org_id is 'The organisation.';
comment on column public.threads.client_id is 'The client.';
comment on column public.threads.sitter_id is 'The sitter whose own number it is on; null on other classes.';
comment on column public.threads.channel is 'The channel of the number.';
comment on column public.threads.message_number_id is 'The number of the thread (senders.id): what the client sees, and what the sitter sees.';
comment on column public.threads.number_class is 'The class that the number had when the thread was opened.';
comment on column public.threads.recurring is 'Whether the client was recurring when this was last looked at.';
comment on column public.threads.recurring_why is 'Why: weekly or daily (a booking repeats), count (so many bookings); null for a client who is not.';
comment on column public.threads.opened_by is 'What opened it: first_message, assignment (of a sitter to a booking), owner, or backfill (of threads from before).';
comment on column public.threads.state is 'live or ended.';
comment on column public.threads.opened_at is 'When it was opened.';
comment on column public.threads.ended_at is 'When it was ended.';
comment on column public.threads.last_at is 'When a text of it was last decided, else when it was opened: the order of lists.';
create unique index threads_live_idx on public.threads (org_id, client_id, number_class, sitter_id) nulls not distinct where state = 'live';
comment on index public.threads_live_idx is 'A client has one live thread a class, and one a sitter on sitters'' own numbers: it is opened twice in no way.';
create index threads_client_idx on public.threads (client_id);
comment on index public.threads_client_idx is 'The threads of a client; serves the foreign key.';
create index threads_sitter_idx on public.threads (sitter_id) where sitter_id is not null;
comment on index public.threads_sitter_idx is 'Serves the foreign key.';
create index threads_number_idx on public.threads (channel, message_number_id);
comment on index public.threads_number_idx is 'The threads of a number; serves the foreign key.';
create index threads_org_idx on public.threads (org_id, state, number_class);
comment on index public.threads_org_idx is 'Counts live threads by class; serves the foreign key.';
create index threads_last_idx on public.threads (org_id, state, last_at, id);
comment on index public.threads_last_idx is 'The threads of an organisation, the last written in first.';
alter table public.threads enable row level security;

create table public.thread_legs (
  id uuid constraint thread_legs_pkey primary key default private.uuid_v7(),
  thread_id uuid not null references public.threads (id) on delete cascade,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  role text not null constraint thread_legs_role_known check (role in ('client', 'sitter')),
  channel text not null default 'sms',
  number_id text,
  opened_at timestamptz not null default now(),
  ended_at timestamptz,
  quarantined_until timestamptz,
  constraint thread_legs_quarantine_after_end check (quarantined_until is null or ended_at is not null)
);
comment on table public.thread_legs is 'The people of a thread, and the number through which each is reached.';
comment on constraint thread_legs_pkey on public.thread_legs is 'Windows are judged for a leg.';
comment on constraint thread_legs_quarantine_after_end on public.thread_legs is 'A live leg has no quarantine.';
comment on column public.thread_legs.id is 'UUID v7.';
comment on column public.thread_legs.thread_id is 'The thread.';
comment on column public.thread_legs.contact_id is 'The person.';
comment on column public.thread_legs.role is 'client or sitter.';
comment on column public.thread_legs.channel is 'The channel of the number.';
comment on column public.thread_legs.number_id is 'The number through which the person writes and is written to; null for one who reads in the app alone: a sitter with an own number, from whose phone nobody could tell which client is meant.';
comment on column public.thread_legs.opened_at is 'From when on.';
comment on column public.thread_legs.ended_at is 'When the person lost the number; null while it is live.';
comment on column public.thread_legs.quarantined_until is 'Until when the person is given this number in no other thread.';
create unique index thread_legs_pair_idx on public.thread_legs (contact_id, channel, number_id) where ended_at is null and number_id is not null;
comment on index public.thread_legs_pair_idx is 'A person meets a number in one live thread alone. Each text is looked up here.';
create unique index thread_legs_person_idx on public.thread_legs (thread_id, contact_id) where ended_at is null;
comment on index public.thread_legs_person_idx is 'A person is in a thread once; the legs of a thread.';
create index thread_legs_past_idx on public.thread_legs (contact_id, channel, number_id, ended_at);
comment on index public.thread_legs_past_idx is 'Late texts: who once had a number, and in which thread. Also its quarantine; serves the foreign key.';
create index thread_legs_thread_idx on public.thread_legs (thread_id);
comment on index public.thread_legs_thread_idx is 'Serves the foreign key.';
create index thread_legs_number_idx on public.thread_legs (channel, number_id) where ended_at is null and number_id is not null;
comment on index public.thread_legs_number_idx is 'Whether a number that drains is free.';
alter table public.thread_legs enable row level security;
-- No policy and no grant for people: who is behind a number is for nobody to read.
revoke all on public.thread_legs from public, anon, authenticated;
grant select, insert, update, delete on public.thread_legs to service_role;

-- Who sees what -----------------------------------------------------------------------------------

-- Definer, because callers of a policy need not read thread_legs.
create function private.sits_on(p_thread uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.thread_legs l
    join public.threads t on t.id = l.thread_id
    join public.org_members m on m.contact_id = l.contact_id and m.org_id = t.org_id and m.role = 'sitter'
    where l.thread_id = p_thread and l.role = 'sitter' and l.ended_at is null and m.user_id = (select auth.uid()))
$$;
comment on function private.sits_on(uuid) is 'Whether the signed-in user is a sitter of a thread. It tells the caller only about the caller.';

revoke all on public.threads from public, anon, authenticated;
grant select on public.threads to authenticated;
grant select, insert, update, delete on public.threads to service_role;
create policy "the team, owners and its sitters read threads" on public.threads for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id) or private.sits_on(id));
comment on policy "the team, owners and its sitters read threads" on public.threads is 'A sitter sees threads with a live leg of their own; who is behind a number is in thread_legs.';

-- Numbers -----------------------------------------------------------------------------------------

create function private.pick_number(p_org uuid, p_contacts uuid[], p_like text, p_not text[]) returns text
language sql stable set search_path = '' as $$
  select n.number_id
  from public.org_numbers n
  join public.senders s on s.channel = n.channel and s.id = n.number_id and s.state = 'active'
  where n.org_id = p_org and n.class = 'pool' and n.state = 'active' and n.channel = 'sms' and n.number_id <> all (p_not)
    and not exists (
      select from public.thread_legs l
      where l.contact_id = any (p_contacts) and l.channel = n.channel and l.number_id = n.number_id
        and (l.ended_at is null or l.quarantined_until > now()))
  -- Of the same area if possible, then of the same country: the first digits say both.
  order by left(s.address, 5) is distinct from left(p_like, 5), left(s.address, 2) is distinct from left(p_like, 2), n.last_used_at nulls first, n.number_id
  limit 1
$$;
comment on function private.pick_number(uuid, uuid[], text, text[]) is
  'A number of the pool that none of these people meets in a live thread or in quarantine, near to a number if possible, the least recently used first; null if there is none. p_not names those that were lost to somebody at the same moment.';

create function private.front_desk(p_org uuid) returns text
language sql stable set search_path = '' as $$
  select n.number_id from public.org_numbers n where n.org_id = p_org and n.class = 'front_desk' and n.state = 'active' order by n.created_at, n.number_id limit 1
$$;
comment on function private.front_desk(uuid) is 'The organisation''s public number; null if it has none.';

create function private.add_leg(p_thread uuid, p_contact uuid, p_role text, p_number text) returns void
language sql volatile set search_path = '' as $$
  insert into public.thread_legs (thread_id, contact_id, role, number_id) values (p_thread, p_contact, p_role, p_number)
$$;
comment on function private.add_leg(uuid, uuid, text, text) is 'Adds somebody to a thread. unique_violation if the person meets the number elsewhere, or is in the thread.';

-- Threads -----------------------------------------------------------------------------------------

-- A thread is locked after the conversations of its people, and for changes of its values alone: messages refer to it.
-- Clients are taken one after the other, so that a thread is never opened twice; what two clients of one sitter race for is
-- a number, and the unique index lets one of them win.
create function public.open_thread(p_org uuid, p_client uuid, p_sitter uuid default null, p_opened_by text default 'first_message') returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_member public.org_members;
  v_thread public.threads;
  v_number text;
  v_class text := 'pool';
  v_tried text[] := '{}';
  v_own text;
  v_like text;
  v_contacts uuid[];
begin
  perform private.refuse_older_code();
  if not exists (select from public.orgs o where o.id = p_org) then
    raise exception 'there is no such organisation' using errcode = 'GL404';
  end if;
  if p_sitter is not null then
    select * into v_member from public.org_members m where m.id = p_sitter and m.org_id = p_org and m.role = 'sitter';
    if not found then
      raise exception 'there is no such sitter in the organisation' using errcode = 'GL404';
    end if;
    if v_member.contact_id = p_client then
      raise exception 'client and sitter have the same phone' using errcode = 'GL409', hint = 'Give the sitter another phone, or let the front desk answer.';
    end if;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('gatelink.thread.' || p_org || p_client, 0));
  if p_sitter is not null then
    select n.number_id into v_own from public.org_numbers n where n.member_id = p_sitter and n.state = 'active';
    v_class := case when v_own is null then 'pool' else 'sitter' end;
  else
    v_class := 'front_desk';
  end if;
  -- The client's live thread with this sitter: on the sitter's own number, or the one from the pool, which sitters join.
  select * into v_thread from public.threads t
  where t.org_id = p_org and t.client_id = p_client and t.state = 'live'
    and case when p_sitter is null then true
      else t.sitter_id = p_sitter or t.number_class = 'pool' and (v_class = 'pool' or exists (
        select from public.thread_legs l where l.thread_id = t.id and l.contact_id = v_member.contact_id and l.ended_at is null)) end
  order by t.sitter_id = p_sitter desc nulls last, t.number_class = 'pool' desc, t.opened_at limit 1 for no key update;
  if found and (p_sitter is null or v_member.contact_id is null or exists (
      select from public.thread_legs l where l.thread_id = v_thread.id and l.contact_id = v_member.contact_id and l.ended_at is null)) then
    return private.thread_view(v_thread, false);
  end if;
  if v_thread.id is not null then
    -- A sitter joins: the number is the client's, and must be new to the sitter too.
    begin
      if exists (
          select from public.thread_legs l
          where l.contact_id = v_member.contact_id and l.number_id = v_thread.message_number_id
            and l.thread_id <> v_thread.id and l.quarantined_until > now()) then
        raise unique_violation;
      end if;
      perform private.add_leg(v_thread.id, v_member.contact_id, 'sitter', v_thread.message_number_id);
      return private.thread_view(v_thread, false);
    exception when unique_violation then
      -- The sitter meets this number with another client: reads this thread in the app alone.
      perform private.add_leg(v_thread.id, v_member.contact_id, 'sitter', null);
      return private.thread_view(v_thread, false);
    end;
  end if;
  select i.value into v_like from public.contact_identities i
  where i.contact_id = p_client and i.kind = 'phone' and i.valid_to is null order by i.id limit 1;
  v_contacts := array_remove(array[p_client, v_member.contact_id], null);
  loop
    v_number := case v_class when 'sitter' then v_own when 'pool' then private.pick_number(p_org, v_contacts, v_like, v_tried)
      else private.front_desk(p_org) end;
    if v_number is null and v_class = 'pool' then
      -- Exhausted: the owner is in between. Never a number that is in use.
      perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'masking_pool_exhausted', 'label', p_org, 'n', 1)));
      v_class := 'front_desk';
      select * into v_thread from public.threads t
      where t.org_id = p_org and t.client_id = p_client and t.state = 'live' and t.number_class = 'front_desk' for no key update;
      if found then
        if v_member.contact_id is not null and not exists (
            select from public.thread_legs l where l.thread_id = v_thread.id and l.contact_id = v_member.contact_id and l.ended_at is null) then
          perform private.add_leg(v_thread.id, v_member.contact_id, 'sitter', null);
        end if;
        return private.thread_view(v_thread, false) || '{"exhausted": true}';
      end if;
      continue;
    end if;
    if v_number is null then
      raise exception 'the organisation has no number for this' using errcode = 'GL409',
        hint = 'Add numbers of class pool, and one of class front_desk for when they are exhausted.';
    end if;
    if v_class <> 'pool' then
      -- The same number means the same people again: an ended thread does not keep it for its grace time.
      update public.thread_legs l set ended_at = clock_timestamp()
      from public.threads t
      where t.id = l.thread_id and t.org_id = p_org and t.state = 'ended' and l.role = 'client'
        and l.contact_id = p_client and l.channel = 'sms' and l.number_id = v_number and l.ended_at is null;
    end if;
    begin
      insert into public.threads (org_id, client_id, sitter_id, message_number_id, number_class, opened_by)
      values (p_org, p_client, case when v_class = 'sitter' then p_sitter end, v_number, v_class, p_opened_by)
      returning * into v_thread;
      perform private.add_leg(v_thread.id, p_client, 'client', v_number);
      if v_member.contact_id is not null then
        -- On an own number, and at the front desk, the sitter reads in the app alone.
        perform private.add_leg(v_thread.id, v_member.contact_id, 'sitter', case when v_class = 'pool' then v_number end);
      end if;
      update public.org_numbers n set last_used_at = clock_timestamp() where n.channel = 'sms' and n.number_id = v_number;
      return private.thread_view(v_thread, true) || jsonb_build_object('exhausted', v_class = 'front_desk' and p_sitter is not null);
    exception when unique_violation then
      if v_class <> 'pool' then
        raise exception 'the client already writes to this number in another thread' using errcode = 'GL409';
      end if;
      v_tried := v_tried || v_number;
    end;
  end loop;
end $$;
comment on function public.open_thread(uuid, uuid, uuid, text) is
  'The live thread of a client with a sitter (org_members.id), opened if there is none: on the sitter''s own number, else on one of the pool that is new to both, else, with the pool exhausted, on the front desk''s. Without a sitter: any live thread of the client, else one at the front desk. A sitter joins the client''s thread of the pool. Returns {thread_id, created, number_id, number_class, exhausted}. For secret keys. Errors: GL404 no such organisation or sitter, GL409 no number at all, or client and sitter have one phone.';

create function private.thread_view(p_thread public.threads, p_created boolean) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('thread_id', p_thread.id, 'created', p_created, 'number_id', p_thread.message_number_id,
    'number_class', p_thread.number_class, 'exhausted', false)
$$;
comment on function private.thread_view(public.threads, boolean) is 'A thread as open_thread returns it.';

create function public.end_thread(p_thread uuid) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update public.threads t set state = 'ended', ended_at = now() where t.id = p_thread and t.state = 'live';
  return found;
end $$;
comment on function public.end_thread(uuid) is
  'Ends a thread; false if it was not live. Its people keep the number for the grace time of the organisation: what they write meanwhile goes to the owner inbox. For secret keys.';

call private.close_functions();
grant execute on function private.sits_on(uuid) to authenticated, service_role;
grant execute on function
  private.pick_number(uuid, uuid[], text, text[]),
  private.front_desk(uuid),
  private.add_leg(uuid, uuid, text, text),
  private.thread_view(public.threads, boolean),
  public.open_thread(uuid, uuid, uuid, text),
  public.end_thread(uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002712');
