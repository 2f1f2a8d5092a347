-- Masked messaging: bookings, and the windows in which a sitter may write to a client.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.bookings (
  id uuid constraint bookings_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  external_id text not null constraint bookings_external_length check (char_length(external_id) between 1 and 200),
  client_id uuid not null references public.contacts (id) on delete cascade,
  -- What the clocks on the wall show; the zone beside it makes an instant of it.
  -- squawk-ignore prefer-timestamp-tz
  starts_local timestamp not null,
  -- squawk-ignore prefer-timestamp-tz
  ends_local timestamp not null,
  zone text not null,
  repeats text not null default 'none' constraint bookings_repeats_known check (repeats in ('none', 'daily', 'weekly')),
  cancelled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint bookings_external_key unique (org_id, external_id),
  constraint bookings_in_order check (ends_local > starts_local and ends_local < starts_local + interval '60 days')
);
comment on table public.bookings is 'Bookings of clients, as the organisation''s own system tells them. Without prices: nothing of billing is kept.';
comment on constraint bookings_pkey on public.bookings is 'Windows refer to it.';
comment on constraint bookings_external_key on public.bookings is 'A booking is told again by its own id.';
comment on constraint bookings_in_order on public.bookings is 'A booking ends after it starts, within sixty days.';
comment on column public.bookings.id is 'UUID v7.';
comment on column public.bookings.org_id is 'The organisation.';
comment on column public.bookings.external_id is 'Its id in the organisation''s own system.';
comment on column public.bookings.client_id is 'The client.';
comment on column public.bookings.starts_local is 'When it starts, by the clocks on the wall in its zone.';
comment on column public.bookings.ends_local is 'When it ends, by the same clocks.';
comment on column public.bookings.zone is 'Its IANA time zone.';
comment on column public.bookings.repeats is 'none, daily or weekly. One booking row is one visit all the same.';
comment on column public.bookings.cancelled_at is 'When it was cancelled.';
comment on column public.bookings.created_at is 'When it was first told.';
create index bookings_client_idx on public.bookings (client_id, org_id);
comment on index public.bookings_client_idx is 'Whether a client is recurring; serves the foreign key.';
alter table public.bookings enable row level security;

create table public.assignment_windows (
  id uuid constraint assignment_windows_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  booking_id uuid not null references public.bookings (id) on delete cascade,
  member_id uuid not null references public.org_members (id) on delete cascade,
  client_id uuid not null references public.contacts (id) on delete cascade,
  opens_at timestamptz not null,
  closes_at timestamptz not null,
  cancelled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint assignment_windows_once unique (booking_id, member_id),
  constraint assignment_windows_in_order check (closes_at > opens_at)
);
comment on table public.assignment_windows is 'When a sitter may write to a client: a booking''s time with the organisation''s buffers, as instants. From opens_at on, before closes_at.';
comment on constraint assignment_windows_pkey on public.assignment_windows is 'In the order in which they were made.';
comment on constraint assignment_windows_once on public.assignment_windows is 'A sitter is assigned to a booking once, however often it is told.';
comment on constraint assignment_windows_in_order on public.assignment_windows is 'A window is never empty.';
comment on column public.assignment_windows.id is 'UUID v7.';
comment on column public.assignment_windows.org_id is 'The organisation.';
comment on column public.assignment_windows.booking_id is 'The booking.';
comment on column public.assignment_windows.member_id is 'The sitter.';
comment on column public.assignment_windows.client_id is 'The booking''s client.';
comment on column public.assignment_windows.opens_at is 'The booking''s start less the buffer before it.';
comment on column public.assignment_windows.closes_at is 'The booking''s end and the buffer after it.';
comment on column public.assignment_windows.cancelled_at is 'When the sitter was unassigned, or the booking cancelled: the window is closed from then on.';
comment on column public.assignment_windows.created_at is 'When the sitter was assigned.';
create index assignment_windows_pair_idx on public.assignment_windows (member_id, client_id, closes_at);
comment on index public.assignment_windows_pair_idx is 'The windows of a sitter and a client; each text is judged by them. Serves the foreign key.';
create index assignment_windows_client_idx on public.assignment_windows (client_id, closes_at);
comment on index public.assignment_windows_client_idx is 'The windows of a client; serves the foreign key.';
create index assignment_windows_org_idx on public.assignment_windows (org_id, closes_at);
comment on index public.assignment_windows_org_idx is 'Windows of an organisation to come; serves the foreign key.';
alter table public.assignment_windows enable row level security;

-- Who sees what -----------------------------------------------------------------------------------

create function private.is_member(p_member uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from public.org_members m where m.id = p_member and m.user_id = (select auth.uid()))
$$;
comment on function private.is_member(uuid) is 'Whether the signed-in user is this member. It tells the caller only about the caller.';

revoke all on public.bookings, public.assignment_windows from public, anon, authenticated;
grant select on public.bookings, public.assignment_windows to authenticated;
grant select, insert, update, delete on public.bookings, public.assignment_windows to service_role;
create policy "the team and owners read bookings" on public.bookings for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id));
comment on policy "the team and owners read bookings" on public.bookings is 'A sitter sees windows, and no bookings.';
create policy "the team, owners and the sitter read windows" on public.assignment_windows for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id) or private.is_member(member_id));
comment on policy "the team, owners and the sitter read windows" on public.assignment_windows is 'A sitter sees their own windows alone.';

-- Times -------------------------------------------------------------------------------------------

-- Postgres takes the later instant where clocks show a time twice, and a time that they leave out moves behind later ones.
create function private.instant_of(p_local timestamp, p_zone text, p_end boolean) returns timestamptz
language sql stable set search_path = '' as $$
  with offsets (before, after) as (
    select (probe.early at time zone p_zone) - (probe.early at time zone 'UTC'), (probe.late at time zone p_zone) - (probe.late at time zone 'UTC')
    from (select (p_local - interval '1 day') at time zone 'UTC', (p_local + interval '1 day') at time zone 'UTC') as probe (early, late)
  ), instants (before, after) as (
    select (p_local - o.before) at time zone 'UTC', (p_local - o.after) at time zone 'UTC' from offsets o
  )
  select case
    when i.before at time zone p_zone = p_local and i.after at time zone p_zone = p_local then
      case when p_end then greatest(i.before, i.after) else least(i.before, i.after) end
    when i.after at time zone p_zone = p_local then i.after
    -- Also in the gap: by the old offset, it is as much later as the clocks leave out.
    else i.before end
  from instants i
$$;
comment on function private.instant_of(timestamp, text, boolean) is
  'The instant of a time on the wall in a zone. A time that occurs twice: the first of them, the second for the end of something. A time that the clocks leave out: as much later as they leave out.';

create function private.window_of(p_starts timestamp, p_ends timestamp, p_zone text, p_before integer, p_after integer) returns tstzrange
language sql stable set search_path = '' as $$
  select tstzrange(s.at - make_interval(mins => p_before), case when e.at > s.at then e.at else s.at + (p_ends - p_starts) end
    + make_interval(mins => p_after), '[)')
  from (select private.instant_of(p_starts, p_zone, false)) s (at), (select private.instant_of(p_ends, p_zone, true)) e (at)
$$;
comment on function private.window_of(timestamp, timestamp, text, integer, integer) is
  'The window of a booking with its buffers in minutes, which are added to instants: a change of clocks does not stretch them. A booking that starts within the hour that the clocks leave out keeps its length.';

create function private.window_state(p_window public.assignment_windows, p_at timestamptz) returns text
language sql immutable set search_path = '' as $$
  select case when p_window.cancelled_at <= p_at or p_window.closes_at <= p_at then 'past'
    when p_window.opens_at > p_at then 'upcoming' else 'active' end
$$;
comment on function private.window_state(public.assignment_windows, timestamptz) is 'upcoming, active or past.';

-- Bookings and assignments ------------------------------------------------------------------------

create function public.set_booking(p_org uuid, p_external_id text, p_booking jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_zone text := coalesce(p_booking ->> 'zone', (select o.zone from public.orgs o where o.id = p_org));
  v_booking public.bookings;
begin
  perform private.refuse_older_code();
  if v_zone is null then
    raise exception 'there is no such organisation' using errcode = 'GL404';
  end if;
  if not private.is_zone(v_zone) then
    raise exception 'zone is an IANA time zone, such as Europe/Berlin' using errcode = 'GL422';
  end if;
  insert into public.bookings as b (org_id, external_id, client_id, starts_local, ends_local, zone, repeats, cancelled_at)
  values (p_org, p_external_id, (p_booking ->> 'client_id')::uuid, (p_booking ->> 'starts_local')::timestamp,
    (p_booking ->> 'ends_local')::timestamp, v_zone, coalesce(p_booking ->> 'repeats', 'none'),
    case when (p_booking ->> 'cancelled')::boolean then now() end)
  on conflict on constraint bookings_external_key do update set client_id = excluded.client_id, starts_local = excluded.starts_local,
    ends_local = excluded.ends_local, zone = excluded.zone, repeats = excluded.repeats,
    cancelled_at = case when excluded.cancelled_at is not null then coalesce(b.cancelled_at, excluded.cancelled_at) end
  returning * into v_booking;
  -- Windows are made anew with it.
  update public.assignment_windows w
  set client_id = v_booking.client_id, opens_at = lower(r.during), closes_at = upper(r.during),
    cancelled_at = coalesce(w.cancelled_at, v_booking.cancelled_at)
  from (select private.window_of(v_booking.starts_local, v_booking.ends_local, v_booking.zone, o.before_minutes, o.after_minutes) as during
    from public.orgs o where o.id = p_org) r
  where w.booking_id = v_booking.id;
  return to_jsonb(v_booking);
end $$;
comment on function public.set_booking(uuid, text, jsonb) is
  'Adds or changes a booking by the organisation''s own id of it: {client_id, starts_local, ends_local (2026-12-24T18:00:00, by the clocks in its zone), zone, repeats (none, daily, weekly), cancelled}. Its windows follow. Returns the row. For secret keys. Errors: GL404 no such organisation, GL422 unknown zone, 22007 invalid time, 23503 no such client, 23514 invalid value.';

create function private.classify_client(p_org uuid, p_client uuid) returns text
language sql stable set search_path = '' as $$
  select case when bool_or(b.repeats = 'weekly') then 'weekly' when bool_or(b.repeats = 'daily') then 'daily'
    when count(*) >= (select o.recurring_from from public.orgs o where o.id = p_org) then 'count' end
  from (select b.repeats from public.bookings b where b.client_id = p_client and b.org_id = p_org and b.cancelled_at is null limit 1000) b
$$;
comment on function private.classify_client(uuid, uuid) is 'Why a client counts as recurring: weekly, daily or count; null for one who does not.';

create function public.assign_sitter(p_booking uuid, p_member uuid, p_proactive boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_booking public.bookings;
  v_window record;
  v_during tstzrange;
  v_why text;
  v_thread jsonb;
begin
  perform private.refuse_older_code();
  select * into v_booking from public.bookings b where b.id = p_booking for update;
  if not found or v_booking.cancelled_at is not null then
    raise exception 'there is no such booking, or it is cancelled' using errcode = 'GL404';
  end if;
  if not exists (select from public.org_members m where m.id = p_member and m.org_id = v_booking.org_id and m.role = 'sitter') then
    raise exception 'there is no such sitter in the organisation' using errcode = 'GL404';
  end if;
  select private.window_of(v_booking.starts_local, v_booking.ends_local, v_booking.zone, o.before_minutes, o.after_minutes) into v_during
  from public.orgs o where o.id = v_booking.org_id;
  insert into public.assignment_windows as w (org_id, booking_id, member_id, client_id, opens_at, closes_at)
  values (v_booking.org_id, p_booking, p_member, v_booking.client_id, lower(v_during), upper(v_during))
  on conflict on constraint assignment_windows_once do update set client_id = excluded.client_id, opens_at = excluded.opens_at,
    closes_at = excluded.closes_at, cancelled_at = null
  returning w.id, w.opens_at, w.closes_at, w.xmax = 0 as created into v_window;
  v_why := private.classify_client(v_booking.org_id, v_booking.client_id);
  if p_proactive and v_why is not null then
    v_thread := public.open_thread(v_booking.org_id, v_booking.client_id, p_member, 'assignment');
    update public.threads t set recurring = true, recurring_why = v_why
    where t.id = (v_thread ->> 'thread_id')::uuid and t.recurring_why is distinct from v_why;
  end if;
  return jsonb_build_object('window_id', v_window.id, 'opens_at', v_window.opens_at, 'closes_at', v_window.closes_at, 'created', v_window.created,
    'recurring', v_why is not null, 'recurring_why', v_why, 'thread', v_thread);
end $$;
comment on function public.assign_sitter(uuid, uuid, boolean) is
  'Assigns a sitter to a booking: makes the window, and with p_proactive, for a recurring client, the thread and its numbers, in one transaction; told again it changes nothing. Returns {window_id, opens_at, closes_at, created, recurring, recurring_why, thread: what open_thread returns, or null}. For secret keys. Errors: GL404 no such booking or sitter, GL409 as open_thread.';

create function public.unassign_sitter(p_booking uuid, p_member uuid) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update public.assignment_windows w set cancelled_at = now()
  where w.booking_id = p_booking and w.member_id = p_member and w.cancelled_at is null;
  return found;
end $$;
comment on function public.unassign_sitter(uuid, uuid) is
  'Takes a sitter off a booking: the window closes at once, the thread and its numbers stay for the grace time. False if the sitter was not on it. For secret keys.';

call private.close_functions();
grant execute on function private.is_member(uuid) to authenticated, service_role;
grant execute on function
  private.instant_of(timestamp, text, boolean),
  private.window_of(timestamp, timestamp, text, integer, integer),
  private.window_state(public.assignment_windows, timestamptz),
  private.classify_client(uuid, uuid),
  public.set_booking(uuid, text, jsonb),
  public.assign_sitter(uuid, uuid, boolean),
  public.unassign_sitter(uuid, uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002714');
