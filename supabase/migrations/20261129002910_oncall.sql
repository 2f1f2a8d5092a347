-- On call: schedules, and a rota of our own for teams that have no provider for it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table private.oncall_people (
  id uuid constraint oncall_people_pkey primary key default private.uuid_v7(),
  name text not null check (char_length(btrim(name)) between 1 and 100),
  email text constraint oncall_people_email_key unique check (email = lower(email) and email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(email) <= 254),
  atlassian_id text constraint oncall_people_atlassian_key unique check (char_length(atlassian_id) between 1 and 128),
  created_at timestamptz not null default now()
);
comment on table private.oncall_people is 'People who can be on call: of the team''s rotas, and those whom a provider names without an address.';
comment on constraint oncall_people_pkey on private.oncall_people is 'A person''s id.';
comment on constraint oncall_people_email_key on private.oncall_people is 'An address is one person''s.';
comment on constraint oncall_people_atlassian_key on private.oncall_people is 'An account is one person''s.';
comment on column private.oncall_people.id is 'UUID v7.';
comment on column private.oncall_people.name is 'As cards name the person.';
comment on column private.oncall_people.email is 'In lower case. It leads to the member of the team, and so to Telegram.';
comment on column private.oncall_people.atlassian_id is 'Account id at Atlassian, which Jira Service Management names instead of an address.';
comment on column private.oncall_people.created_at is 'When the person was added.';
alter table private.oncall_people enable row level security;
revoke all on private.oncall_people from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_people to service_role;

create table public.oncall_schedules (
  id uuid constraint oncall_schedules_pkey primary key default private.uuid_v7(),
  name text not null constraint oncall_schedules_name_key unique check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  source text not null default 'rota' constraint oncall_schedules_source_known check (source in ('rota', 'pagerduty', 'opsgenie', 'jsm')),
  external_id text check (char_length(external_id) between 1 and 128),
  zone text not null default 'UTC',
  destination_id uuid references public.destinations (id) on delete set null,
  scopes text[] check (cardinality(scopes) between 1 and 50),
  types text[] check (cardinality(types) between 1 and 50),
  opens_incidents boolean not null default false,
  owner uuid references public.team_members (user_id) on delete set null,
  created_at timestamptz not null default now(),
  constraint oncall_schedules_external check ((source = 'rota') = (external_id is null)),
  constraint oncall_schedules_opens check (not opens_incidents or source <> 'rota')
);
comment on table public.oncall_schedules is 'Schedules of who is on call, and the cards that mention the person.';
comment on constraint oncall_schedules_pkey on public.oncall_schedules is 'A schedule''s id.';
comment on constraint oncall_schedules_name_key on public.oncall_schedules is 'A schedule is named by people.';
comment on constraint oncall_schedules_external on public.oncall_schedules is 'A rota is kept here, everything else there.';
comment on constraint oncall_schedules_opens on public.oncall_schedules is 'Only a provider has incidents.';
comment on column public.oncall_schedules.id is 'UUID v7.';
comment on column public.oncall_schedules.name is 'Short name: lower-case letters, digits, - and _.';
comment on column public.oncall_schedules.source is 'Who knows: rota (the layers and overrides here), pagerduty, opsgenie, or jsm (Jira Service Management).';
comment on column public.oncall_schedules.external_id is 'The provider''s id of the schedule; null for a rota.';
comment on column public.oncall_schedules.zone is 'IANA time zone of a rota.';
comment on column public.oncall_schedules.destination_id is 'The chat whose cards mention who is on call: where messages go whether or not somebody is. Null for none.';
comment on column public.oncall_schedules.scopes is 'Only cards of mails to addresses of these scopes; null for all.';
comment on column public.oncall_schedules.types is 'Only cards of mails to addresses of these types, such as alert; null for all.';
comment on column public.oncall_schedules.opens_incidents is 'Whether each card opens an incident at the provider, which follows the card and the card follows.';
comment on column public.oncall_schedules.owner is 'Who is told when nobody is on call, or the provider does not answer.';
comment on column public.oncall_schedules.created_at is 'When it was added.';
create index oncall_schedules_destination_idx on public.oncall_schedules (destination_id) where destination_id is not null;
comment on index public.oncall_schedules_destination_idx is 'Finds the schedule of a card; serves the foreign key.';
create index oncall_schedules_owner_idx on public.oncall_schedules (owner) where owner is not null;
comment on index public.oncall_schedules_owner_idx is 'For the removal of a member.';
alter table public.oncall_schedules enable row level security;
revoke all on public.oncall_schedules from public, anon, authenticated;
grant select on public.oncall_schedules to authenticated;
grant select, insert, update, delete on public.oncall_schedules to service_role;
create policy "team reads schedules" on public.oncall_schedules for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads schedules" on public.oncall_schedules is 'Who is on call is no secret within the team.';

create table private.oncall_layers (
  id uuid constraint oncall_layers_pkey primary key default private.uuid_v7(),
  schedule_id uuid not null references public.oncall_schedules (id) on delete cascade,
  people uuid[] not null check (cardinality(people) between 1 and 50),
  unit text not null constraint oncall_layers_unit_known check (unit in ('day', 'week')),
  every integer not null check (every between 1 and 52),
  starts_on date not null,
  handover time not null,
  days smallint[] check (days <@ '{1,2,3,4,5,6,7}' and cardinality(days) between 1 and 7),
  from_time time,
  until_time time,
  constraint oncall_layers_times check ((from_time is null) = (until_time is null))
);
comment on table private.oncall_layers is 'Layers of a rota: people who take turns. A later layer comes before an earlier one while it is in force.';
comment on constraint oncall_layers_pkey on private.oncall_layers is 'A layer''s id; layers are ordered by it.';
comment on constraint oncall_layers_times on private.oncall_layers is 'Both ends or none.';
comment on column private.oncall_layers.id is 'UUID v7.';
comment on column private.oncall_layers.schedule_id is 'The schedule.';
comment on column private.oncall_layers.people is 'Whose turn it is, one after the other, again and again: ids of private.oncall_people.';
comment on column private.oncall_layers.unit is 'day or week.';
comment on column private.oncall_layers.every is 'How many of them a turn lasts.';
comment on column private.oncall_layers.starts_on is 'The day of the first turn, in the schedule''s zone; nobody is on call before.';
comment on column private.oncall_layers.handover is 'When a turn begins, by the clock on the wall: across both changes of the clock.';
comment on column private.oncall_layers.days is 'ISO days of the week (1 is Monday) on which it is in force; null for all.';
comment on column private.oncall_layers.from_time is 'From when on these days; null for the whole day.';
comment on column private.oncall_layers.until_time is 'Until when; up to from_time it is on the next day.';
create index oncall_layers_schedule_idx on private.oncall_layers (schedule_id);
comment on index private.oncall_layers_schedule_idx is 'The layers of a schedule; serves the foreign key.';
alter table private.oncall_layers enable row level security;
revoke all on private.oncall_layers from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_layers to service_role;

create table private.oncall_overrides (
  id uuid constraint oncall_overrides_pkey primary key default private.uuid_v7(),
  schedule_id uuid not null references public.oncall_schedules (id) on delete cascade,
  person_id uuid not null references private.oncall_people (id) on delete cascade,
  during tstzrange not null check (not isempty(during) and not lower_inf(during) and not upper_inf(during)),
  created_by text not null default private.actor(),
  created_at timestamptz not null default clock_timestamp()
);
comment on table private.oncall_overrides is 'Who takes over from whoever the layers say, and when. Of two that overlap the later one counts.';
comment on constraint oncall_overrides_pkey on private.oncall_overrides is 'An override''s id; the greatest counts.';
comment on column private.oncall_overrides.id is 'UUID v7.';
comment on column private.oncall_overrides.schedule_id is 'The schedule.';
comment on column private.oncall_overrides.person_id is 'Who takes over.';
comment on column private.oncall_overrides.during is 'From when until when.';
comment on column private.oncall_overrides.created_by is 'Who said so.';
comment on column private.oncall_overrides.created_at is 'When.';
create index oncall_overrides_schedule_idx on private.oncall_overrides (schedule_id);
comment on index private.oncall_overrides_schedule_idx is 'The overrides of a schedule; serves the foreign key.';
create index oncall_overrides_person_idx on private.oncall_overrides (person_id);
comment on index private.oncall_overrides_person_idx is 'Serves the foreign key.';
create index oncall_overrides_end_idx on private.oncall_overrides (upper(during));
comment on index private.oncall_overrides_end_idx is 'For their purge.';
alter table private.oncall_overrides enable row level security;
revoke all on private.oncall_overrides from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_overrides to service_role;

-- Whose turn it is --------------------------------------------------------------------------------

-- Turns are compared as moments, not by the clock on the wall, which shows an hour twice in autumn: nobody's turn ends twice.
create function private.layer_person(p_layer private.oncall_layers, p_zone text, p_at timestamptz) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_today date := (p_at at time zone p_zone)::date;
  v_days integer := p_layer.every * case p_layer.unit when 'week' then 7 else 1 end;
  v_turn integer := floor((v_today - p_layer.starts_on)::numeric / v_days);
begin
  if (p_layer.starts_on + v_turn * v_days + p_layer.handover) at time zone p_zone > p_at then
    v_turn := v_turn - 1;
  end if;
  if v_turn < 0 then
    return null;
  end if;
  if (p_layer.days is not null or p_layer.from_time is not null) and not exists (
    select from generate_series(-1, 1) as o (days)
    where (p_layer.days is null or extract(isodow from v_today + o.days)::smallint = any (p_layer.days))
      and p_at >= (v_today + o.days + coalesce(p_layer.from_time, '00:00')) at time zone p_zone
      and p_at < (v_today + o.days + case when coalesce(p_layer.until_time, '00:00') > coalesce(p_layer.from_time, '00:00') then 0 else 1 end
        + coalesce(p_layer.until_time, '00:00')) at time zone p_zone) then
    return null;
  end if;
  return p_layer.people[1 + v_turn % cardinality(p_layer.people)];
end $$;
comment on function private.layer_person(private.oncall_layers, text, timestamptz) is 'Whose turn it is in a layer at a time; null while the layer is not in force.';

create function private.rota_person(p_schedule_id uuid, p_at timestamptz) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_zone text := (select s.zone from public.oncall_schedules s where s.id = p_schedule_id);
  v_layer private.oncall_layers;
  v_person uuid := (
    select o.person_id from private.oncall_overrides o where o.schedule_id = p_schedule_id and o.during @> p_at order by o.id desc limit 1);
begin
  if v_person is not null then
    return v_person;
  end if;
  for v_layer in select * from private.oncall_layers l where l.schedule_id = p_schedule_id order by l.id desc loop
    v_person := private.layer_person(v_layer, v_zone, p_at);
    if exists (select from private.oncall_people p where p.id = v_person) then
      return v_person;
    end if;
  end loop;
  return null;
end $$;
comment on function private.rota_person(uuid, timestamptz) is 'Who is on call by a rota at a time: the last override, else the last layer that is in force; null for nobody.';

create function private.rota_shifts(p_schedule_id uuid, p_from timestamptz, p_until timestamptz)
returns table (person_id uuid, since timestamptz, until timestamptz)
language plpgsql stable set search_path = '' as $$
declare
  v_zone text := (select s.zone from public.oncall_schedules s where s.id = p_schedule_id);
  v_at timestamptz;
  v_next uuid;
begin
  person_id := private.rota_person(p_schedule_id, p_from);
  since := p_from;
  for v_at in
    select x.at from (
      select lower(o.during) as at from private.oncall_overrides o where o.schedule_id = p_schedule_id
      union select upper(o.during) from private.oncall_overrides o where o.schedule_id = p_schedule_id
      union
      select (d.day::date + t.time) at time zone v_zone
      from private.oncall_layers l
      cross join generate_series((p_from at time zone v_zone)::date - 1, (p_until at time zone v_zone)::date + 1, interval '1 day') as d (day)
      cross join lateral (values (l.handover), (coalesce(l.from_time, '00:00')), (coalesce(l.until_time, '00:00'))) as t (time)
      where l.schedule_id = p_schedule_id) x
    where x.at > p_from and x.at < p_until order by 1
  loop
    v_next := private.rota_person(p_schedule_id, v_at);
    if v_next is distinct from person_id then
      until := v_at;
      return next;
      person_id := v_next;
      since := v_at;
    end if;
  end loop;
  until := p_until;
  return next;
end $$;
comment on function private.rota_shifts(uuid, timestamptz, timestamptz) is 'Who is on call when between two times, gaps with person_id null.';

create function private.oncall_shown(p_name text, p_email text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('name', coalesce(t.name, p_name, split_part(p_email, '@', 1)), 'email', p_email, 'telegram_id', t.telegram_id)
  from (values (true)) as one (row)
  -- From the team, which is small, to its users: a project may have a million others.
  left join lateral (
    select p.name, p.telegram_id
    from public.team_members m join public.telegram_people p on p.user_id = m.user_id
    where exists (select from auth.users u where u.id = m.user_id and lower(u.email) = lower(p_email) offset 0)) t on true
  order by t.telegram_id limit 1
$$;
comment on function private.oncall_shown(text, text) is 'A person who is on call, as cards name them: {name, email, telegram_id}. The address leads to the member of the team; who is linked is named as in Telegram.';

-- For people --------------------------------------------------------------------------------------

create function private.oncall_person(p_given jsonb) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_email text := lower(btrim(p_given ->> 'email'));
  v_name text := coalesce(nullif(btrim(p_given ->> 'name'), ''), split_part(v_email, '@', 1));
  v_atlassian text := nullif(btrim(p_given ->> 'atlassian_id'), '');
  v_id uuid;
begin
  if coalesce(v_name, '') = '' then
    raise exception 'a person on call has a name or an address' using errcode = 'GL422', hint = 'ana@example.com, or "Ana <ana@example.com>"';
  end if;
  select p.id into v_id from private.oncall_people p
  where case when v_email is not null then p.email = v_email else p.email is null and lower(p.name) = lower(v_name) end;
  if v_id is not null then
    update private.oncall_people p
    set name = coalesce(nullif(btrim(p_given ->> 'name'), ''), p.name), atlassian_id = coalesce(v_atlassian, p.atlassian_id) where p.id = v_id
    returning p.id into v_id;
  end if;
  -- Nobody knows them, or they were removed while this waited for them.
  if v_id is null then
    insert into private.oncall_people (name, email, atlassian_id) values (v_name, v_email, v_atlassian) returning id into v_id;
  end if;
  return v_id;
end $$;
comment on function private.oncall_person(jsonb) is 'The id of a person {name, email, atlassian_id}, who is added or brought up to date: by address, else by name.';

create function private.oncall_schedule(p_name text) returns public.oncall_schedules
language plpgsql stable set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
begin
  select * into v_schedule from public.oncall_schedules s where s.name = p_name;
  if v_schedule.id is null then
    raise exception 'there is no schedule named %', p_name using errcode = 'GL404', hint = 'gatelink oncall list';
  end if;
  return v_schedule;
end $$;
comment on function private.oncall_schedule(text) is 'The schedule of a name. GL404.';

create function private.add_oncall_layer(p_schedule public.oncall_schedules, p_layer jsonb) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid;
  v_handover time := coalesce((p_layer ->> 'handover')::time, '09:00');
  -- Before the hour of handover it is still the turn of before.
  v_day date := (clock_timestamp() at time zone p_schedule.zone - v_handover)::date;
begin
  if jsonb_typeof(p_layer -> 'people') is distinct from 'array' then
    raise exception 'a layer has people' using errcode = 'GL422', hint = '--people ana@example.com ben@example.com';
  end if;
  if p_schedule.source <> 'rota' then
    raise exception 'the schedule % is kept by %', p_schedule.name, p_schedule.source using errcode = 'GL409', hint = 'Change it there.';
  end if;
  insert into private.oncall_layers (schedule_id, people, unit, every, starts_on, handover, days, from_time, until_time)
  values (p_schedule.id,
    -- Two layers may name the same people in another order.
    array(select p.id from (
      select x.place, private.oncall_person(x.person) as id
      from jsonb_array_elements(p_layer -> 'people') with ordinality as x (person, place)
      order by lower(btrim(x.person ->> 'email')), lower(btrim(x.person ->> 'name')), x.place offset 0) p order by p.place),
    coalesce(p_layer ->> 'unit', 'week'), coalesce((p_layer ->> 'every')::integer, 1),
    coalesce((p_layer ->> 'starts_on')::date, case p_layer ->> 'unit' when 'day' then v_day else v_day - extract(isodow from v_day)::integer + 1 end),
    v_handover,
    case when jsonb_typeof(p_layer -> 'days') = 'array' then array(select d::smallint from jsonb_array_elements_text(p_layer -> 'days') d) end,
    (p_layer ->> 'from')::time, (p_layer ->> 'until')::time)
  returning id into v_id;
  return v_id;
end $$;
comment on function private.add_oncall_layer(public.oncall_schedules, jsonb) is 'Adds a layer to a rota; without a day it begins with the present turn.';

create function public.add_oncall(p_schedule jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
  v_given record;
  v_destination uuid;
  v_owner uuid;
begin
  perform private.require_role('operator');
  select * into v_given from jsonb_to_record(p_schedule) as x (
    name text, source text, external_id text, zone text, destination text, scopes text[], types text[], opens_incidents boolean, owner text, layer jsonb);
  select * into v_schedule from public.oncall_schedules s where s.name = v_given.name for update;
  if v_given.zone is not null and not private.is_zone(v_given.zone) then
    raise exception 'zone is an IANA time zone, such as Europe/Berlin' using errcode = 'GL422', hint = 'Such names are in pg_timezone_names.';
  end if;
  if v_given.destination is not null then
    select d.id into v_destination from public.destinations d where d.name = v_given.destination and d.kind = 'telegram' and d.removed_at is null;
    if v_destination is null then
      raise exception 'no chat is a destination named %', v_given.destination using errcode = 'GL404', hint = 'gatelink telegram chats';
    end if;
  end if;
  if v_given.owner is not null then
    select m.user_id into v_owner from public.team_members m join auth.users u on u.id = m.user_id where lower(u.email) = lower(v_given.owner);
    if v_owner is null then
      raise exception 'nobody of the team has the address %', v_given.owner using errcode = 'GL404', hint = 'The address that a member of the team signs in with.';
    end if;
  end if;
  if v_schedule.id is null then
    insert into public.oncall_schedules (name, source, external_id, zone, destination_id, scopes, types, opens_incidents, owner)
    values (v_given.name, coalesce(v_given.source, 'rota'), v_given.external_id, coalesce(v_given.zone, 'UTC'), v_destination, v_given.scopes,
      v_given.types, coalesce(v_given.opens_incidents, false), v_owner)
    returning * into v_schedule;
  elsif coalesce(v_given.source, v_schedule.source) <> v_schedule.source
    or coalesce(v_given.external_id, v_schedule.external_id) is distinct from v_schedule.external_id then
    raise exception 'the schedule % is kept by %', v_schedule.name, coalesce(v_schedule.source || ' ' || v_schedule.external_id, 'a rota')
      using errcode = 'GL409', hint = 'To have somebody else keep it, remove it first: gatelink oncall remove ' || v_schedule.name;
  elsif num_nonnulls(v_given.zone, v_destination, v_given.scopes, v_given.types, v_given.opens_incidents, v_owner, v_given.layer) = 0 then
    raise exception 'a schedule named % exists already', v_given.name using errcode = 'GL409',
      hint = 'Say what to change, such as --chat or --owner; --people adds a layer.';
  else
    update public.oncall_schedules s
    set zone = coalesce(v_given.zone, s.zone), destination_id = coalesce(v_destination, s.destination_id),
      scopes = coalesce(v_given.scopes, s.scopes), types = coalesce(v_given.types, s.types),
      opens_incidents = coalesce(v_given.opens_incidents, s.opens_incidents), owner = coalesce(v_owner, s.owner)
    where s.id = v_schedule.id
    returning * into v_schedule;
  end if;
  if v_given.layer is not null then
    perform private.add_oncall_layer(v_schedule, v_given.layer);
  end if;
  return jsonb_build_object('id', v_schedule.id, 'name', v_schedule.name, 'source', v_schedule.source,
    'layers', (select count(*) from private.oncall_layers l where l.schedule_id = v_schedule.id));
end $$;
comment on function public.add_oncall(jsonb) is 'Adds a schedule {name, source, external_id, zone, destination, scopes, types, opens_incidents, owner (address), layer}, or a layer {people [{name, email, atlassian_id}], unit, every, starts_on, handover, days, from, until} to a rota that exists; what else is given of a schedule that exists is changed. Returns {id, name, source, layers}. For operators and secret keys. Errors: 42501, GL404, GL409, GL422, 23514.';

create function public.set_oncall_person(p_person jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  v_id := private.oncall_person(p_person);
  return (select jsonb_build_object('id', p.id, 'name', p.name, 'email', p.email, 'atlassian_id', p.atlassian_id)
    from private.oncall_people p where p.id = v_id);
end $$;
comment on function public.set_oncall_person(jsonb) is 'Keeps a person {name, email, atlassian_id} who can be on call: needed where the provider names accounts instead of addresses. Returns {id, name, email, atlassian_id}. For operators and secret keys. Errors: 42501, GL422, 23505 the account is another person''s.';

-- The person is locked first, whom whoever puts them into a layer holds (private.oncall_person): no layer keeps somebody who
-- is gone. Then layer by layer in their order, so that two who remove people wait instead of emptying a layer together.
create function public.remove_oncall_person(p_person jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_email text := lower(btrim(p_person ->> 'email'));
  v_name text := lower(btrim(p_person ->> 'name'));
  v_person private.oncall_people;
  v_alone record;
  v_layers integer;
begin
  perform private.require_role('operator');
  select * into v_person from private.oncall_people p
  where case when v_email is not null then p.email = v_email else p.email is null and lower(p.name) = v_name end
  for update;
  if v_person.id is null then
    raise exception 'nobody of that name or address can be on call' using errcode = 'GL404', hint = 'gatelink oncall list';
  end if;
  perform from private.oncall_layers l where v_person.id = any (l.people) order by l.id for update;
  select l.id, s.name into v_alone
  from private.oncall_layers l join public.oncall_schedules s on s.id = l.schedule_id
  where l.people <@ array[v_person.id] order by l.id limit 1;
  if v_alone.id is not null then
    raise exception '% is the only one of a layer of the schedule %', v_person.name, v_alone.name using errcode = 'GL409',
      hint = format('Add others first (gatelink oncall add %s --people ...), then remove the layer: gatelink oncall remove %s %s', v_alone.name, v_alone.name, v_alone.id);
  end if;
  update private.oncall_layers l set people = array_remove(l.people, v_person.id) where v_person.id = any (l.people);
  get diagnostics v_layers = row_count;
  delete from private.oncall_people p where p.id = v_person.id;
  return jsonb_build_object('id', v_person.id, 'name', v_person.name, 'layers', v_layers);
end $$;
comment on function public.remove_oncall_person(jsonb) is 'Forgets a person {email} or, without an address, {name} who could be on call: out of all layers, whose turns are dealt anew among the others, and with their overrides. Returns {id, name, layers}. For operators and secret keys. Errors: 42501, GL404, GL409 a layer would have nobody left.';

create function public.override_oncall(p_schedule text, p_person jsonb, p_from timestamptz, p_until timestamptz) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
  v_override private.oncall_overrides;
begin
  perform private.require_role('operator');
  v_schedule := private.oncall_schedule(p_schedule);
  if v_schedule.source <> 'rota' then
    raise exception 'the schedule % is kept by %', v_schedule.name, v_schedule.source using errcode = 'GL409', hint = 'Override it there.';
  end if;
  if p_until is null or p_until <= coalesce(p_from, clock_timestamp()) or p_until > coalesce(p_from, clock_timestamp()) + interval '1 year' then
    raise exception 'an override ends after it begins, within a year' using errcode = 'GL422', hint = 'Without --from it begins now, so --until lies ahead. For longer, change the layers: gatelink oncall add.';
  end if;
  if (select count(*) from private.oncall_overrides o where o.schedule_id = v_schedule.id and upper(o.during) > clock_timestamp()) >= 500 then
    raise exception 'there are 500 overrides already' using errcode = 'GL422', hint = 'Change the layers.';
  end if;
  insert into private.oncall_overrides (schedule_id, person_id, during)
  values (v_schedule.id, private.oncall_person(p_person), tstzrange(coalesce(p_from, clock_timestamp()), p_until))
  returning * into v_override;
  return jsonb_build_object('id', v_override.id, 'schedule', v_schedule.name, 'from', lower(v_override.during), 'until', upper(v_override.during),
    'person', (select p.name from private.oncall_people p where p.id = v_override.person_id));
end $$;
comment on function public.override_oncall(text, jsonb, timestamptz, timestamptz) is 'Somebody {name, email} is on call from p_from (null: now) until p_until, whatever the layers say. Returns {id, schedule, from, until, person}. For operators and secret keys. Errors: 42501, GL404, GL409 a provider keeps the schedule, GL422.';

create function public.remove_oncall(p_schedule text, p_id uuid default null) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
begin
  perform private.require_role('operator');
  v_schedule := private.oncall_schedule(p_schedule);
  if p_id is null then
    delete from public.oncall_schedules s where s.id = v_schedule.id;
    return 'schedule';
  end if;
  delete from private.oncall_overrides o where o.schedule_id = v_schedule.id and o.id = p_id;
  if found then
    return 'override';
  end if;
  delete from private.oncall_layers l where l.schedule_id = v_schedule.id and l.id = p_id;
  if found then
    return 'layer';
  end if;
  raise exception 'schedule % has no layer and no override %', p_schedule, p_id using errcode = 'GL404', hint = 'gatelink oncall list';
end $$;
comment on function public.remove_oncall(text, uuid) is 'Removes a schedule, or of it the layer or override with this id; says which: schedule, layer, override. For operators and secret keys. Errors: 42501, GL404.';

call private.close_functions();
grant execute on function
  public.add_oncall(jsonb),
  public.set_oncall_person(jsonb),
  public.remove_oncall_person(jsonb),
  public.override_oncall(text, jsonb, timestamptz, timestamptz),
  public.remove_oncall(text, uuid)
  to authenticated, service_role;
grant execute on function
  private.layer_person(private.oncall_layers, text, timestamptz),
  private.rota_person(uuid, timestamptz),
  private.rota_shifts(uuid, timestamptz, timestamptz),
  private.oncall_shown(text, text),
  private.oncall_person(jsonb),
  private.oncall_schedule(text),
  private.add_oncall_layer(public.oncall_schedules, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002910');
