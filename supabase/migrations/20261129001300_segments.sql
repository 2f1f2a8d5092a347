-- Segments: named lists of people, for flags to target.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.segments (
  key text constraint segments_pkey primary key
    constraint segments_key_form check (key ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  description text not null default '',
  version bigint not null default 1,
  updated_at timestamptz not null default now(),
  updated_by text not null default private.actor()
);
comment on table public.segments is 'Named lists of people, for flags to target: beta testers, the team.';
comment on constraint segments_pkey on public.segments is 'A segment is named by flags and plans.';
comment on column public.segments.key is 'Name: lower-case letters, digits, dot, - and _.';
comment on column public.segments.description is 'Who is in it, and why.';
comment on column public.segments.version is 'Counts the changes, of its members too. Give the version you read to the functions that change it.';
comment on column public.segments.updated_at is 'When it or its members last changed.';
comment on column public.segments.updated_by is 'Who changed it: a user id, or the database role.';
alter table public.segments enable row level security;
revoke all on public.segments from anon, authenticated, service_role, public;
grant select on public.segments to authenticated, service_role;
create policy segments_read on public.segments for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segments_read on public.segments is 'The whole team reads which segments there are.';
create trigger bump_config_revision after insert or update or delete or truncate on public.segments
  for each statement execute function private.bump_config_revision();
comment on trigger bump_config_revision on public.segments is
  'Tells the edge functions to read the configuration again; a change of members changes the segment''s row.';

create table public.segment_members (
  segment_key text not null references public.segments (key) on delete restrict,
  subject_id text not null constraint segment_members_subject_length check (char_length(subject_id) between 1 and 200),
  added_at timestamptz not null default now(),
  added_by text not null default private.actor(),
  constraint segment_members_pkey primary key (segment_key, subject_id)
);
comment on table public.segment_members is 'Who is in a segment. Plain INSERT and DELETE work; a trigger moves the segment''s version and writes segment_history.';
comment on constraint segment_members_pkey on public.segment_members is 'A person is in a segment once.';
comment on column public.segment_members.segment_key is 'The segment.';
comment on column public.segment_members.subject_id is 'The id that flags are asked with: a contact''s id, or an id of a service''s own.';
comment on column public.segment_members.added_at is 'Since when.';
comment on column public.segment_members.added_by is 'Who added the person.';
create index segment_members_subject_idx on public.segment_members (subject_id);
comment on index public.segment_members_subject_idx is 'A person''s segments, for contacts that turn out to be one person.';
alter table public.segment_members enable row level security;
revoke all on public.segment_members from anon, authenticated, service_role, public;
grant select on public.segment_members to authenticated, service_role;
create policy segment_members_read on public.segment_members for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segment_members_read on public.segment_members is 'Ids only, no names or numbers: the whole team reads them.';
create trigger refuse_others before update or truncate on public.segment_members
  for each statement execute function private.refuse_change();
comment on trigger refuse_others on public.segment_members is 'People are added and removed, so that the history has them.';

create table public.segment_history (
  segment_key text not null,
  version bigint not null,
  added text[] not null default '{}',
  removed text[] not null default '{}',
  changed_at timestamptz not null,
  changed_by text not null,
  reason text,
  constraint segment_history_pkey primary key (segment_key, version)
);
comment on table public.segment_history is 'Every change of a segment''s members. Written by trigger; update, delete and truncate are refused to every role.';
comment on constraint segment_history_pkey on public.segment_history is 'Each change creates a version.';
comment on column public.segment_history.segment_key is 'The segment. It may have been removed since.';
comment on column public.segment_history.version is 'The version that this change made.';
comment on column public.segment_history.added is 'Who came in.';
comment on column public.segment_history.removed is 'Who went out.';
comment on column public.segment_history.changed_at is 'When.';
comment on column public.segment_history.changed_by is 'Who: a user id, or the database role.';
comment on column public.segment_history.reason is 'Why, as in settings_history.';
alter table public.segment_history enable row level security;
revoke all on public.segment_history from anon, authenticated, service_role, public;
grant select on public.segment_history to authenticated, service_role;
create policy segment_history_read on public.segment_history for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segment_history_read on public.segment_history is 'The whole team reads who changed a segment, and why.';
create trigger append_only before update or delete or truncate on public.segment_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.segment_history is 'Nobody rewrites history.';

-- Bounds ------------------------------------------------------------------------------------------

create function private.admit_member() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  new.subject_id := private.subject_id(new.subject_id);
  return new;
end $$;
comment on function private.admit_member() is 'Trigger, before insert of segment_members: writes the id as flags compare it.';
create trigger admit before insert on public.segment_members
  for each row execute function private.admit_member();
comment on trigger admit on public.segment_members is 'One way to write an id.';

-- Every isolate of every function holds the members in memory.
create function private.bound_members() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_key text;
begin
  select c.segment_key into v_key from (select distinct a.segment_key from added a) c
  where (select count(*) from public.segment_members m where m.segment_key = c.segment_key) > 10000 limit 1;
  if v_key is not null then
    raise exception 'a segment has at most 10000 members, and % would have more', v_key using errcode = 'GL422',
      hint = 'Use a percentage for larger groups.';
  end if;
  if exists (select from added) then
    perform private.refuse_too_many(0);
  end if;
  return null;
end $$;
comment on function private.bound_members() is
  'Trigger, after insert of segment_members: GL422 where a segment has more than 10,000 members, or all targets together are more than the functions can hold.';
create trigger bound after insert on public.segment_members referencing new table as added
  for each statement execute function private.bound_members();
comment on trigger bound on public.segment_members is 'Refuses more members than the functions can load.';

-- History, and people who turn out to be one ------------------------------------------------------

-- The history keeps the versions of a segment that was removed, each once.
create function private.continue_segment() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  new.version := greatest(new.version, 1 + coalesce(
    (select max(h.version) from public.segment_history h where h.segment_key = new.key), 0));
  return new;
end $$;
comment on function private.continue_segment() is
  'Trigger, before insert of segments: a segment that was removed and added again continues its version numbers, as settings do.';
create trigger continue before insert on public.segments
  for each row execute function private.continue_segment();
comment on trigger continue on public.segments is 'Each version is used once.';

create function private.record_members() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_key text;
  v_ids text[];
  v_version bigint;
begin
  for v_key, v_ids in
    select c.segment_key, array_agg(c.subject_id order by c.subject_id) from changed c
    group by c.segment_key order by c.segment_key
  loop
    update public.segments s
    set version = s.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
    where s.key = v_key returning s.version into v_version;
    insert into public.segment_history (segment_key, version, added, removed, changed_at, changed_by, reason)
    values (v_key, v_version, case when tg_op = 'INSERT' then v_ids else '{}' end,
      case when tg_op = 'DELETE' then v_ids else '{}' end, clock_timestamp(), private.actor(),
      nullif(current_setting('gatelink.reason', true), ''));
  end loop;
  return null;
end $$;
comment on function private.record_members() is
  'Trigger, after insert or delete of segment_members: moves each segment''s version and writes segment_history.';
create trigger record_added after insert on public.segment_members referencing new table as changed
  for each statement execute function private.record_members();
comment on trigger record_added on public.segment_members is 'Records added members in version and history.';
create trigger record_removed after delete on public.segment_members referencing old table as changed
  for each statement execute function private.record_members();
comment on trigger record_removed on public.segment_members is 'Records removed members in version and history.';

-- A target that was given by phone is kept as the contact's id, and the contact may turn out to be an older one. Only
-- adds: the younger id may still be on its way in a message.
create function private.follow_merge() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_reason text := current_setting('gatelink.reason', true);
begin
  perform set_config('gatelink.reason', format('contact %s turned out to be contact %s', new.id, new.merged_into), true);
  update public.settings s
  set metadata = jsonb_set(s.metadata, '{target_user_ids}', s.metadata -> 'target_user_ids' || to_jsonb(new.merged_into::text))
  where s.metadata -> 'target_user_ids' ? new.id::text and not s.metadata -> 'target_user_ids' ? new.merged_into::text;
  insert into public.segment_members (segment_key, subject_id)
  select m.segment_key, new.merged_into::text from public.segment_members m where m.subject_id = new.id::text
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', coalesce(v_reason, ''), true);
  return null;
end $$;
comment on function private.follow_merge() is
  'Trigger, after a contact is merged into another: flags and segments that had the one have the other too.';
create trigger follow_merge after update of merged_into on public.contacts
  for each row when (new.merged_into is not null and new.merged_into is distinct from old.merged_into)
  execute function private.follow_merge();
comment on trigger follow_merge on public.contacts is 'Who was targeted stays targeted.';

create function private.config_segments() returns json
language sql stable set search_path = '' as $$
  select coalesce(json_object_agg(s.key, coalesce(m.ids, '[]')), '{}')
  from public.segments s
  left join (
    select m.segment_key, json_agg(m.subject_id order by m.subject_id) as ids
    from public.segment_members m group by m.segment_key
  ) m on m.segment_key = s.key
$$;
comment on function private.config_segments() is 'All segments as {key: [subject ids]}: the segments part of load_config.';

-- For people: versioned writes, by id or by phone number ------------------------------------------

-- A phone number is personal data and changes hands; what is kept is the person's id.
create function private.subject_ids(p_user_ids text[], p_phones text[]) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  v_ids text[] := coalesce(p_user_ids, '{}');
  v_phone text;
  v_contact uuid;
begin
  if exists (select from unnest(v_ids) as i (id) where i.id is null or char_length(i.id) not between 1 and 200) then
    raise exception 'a user id has 1 to 200 characters' using errcode = 'GL422';
  end if;
  foreach v_phone in array coalesce(p_phones, '{}') loop
    v_contact := private.identity_holder('whatsapp', 'phone', regexp_replace(v_phone, '[^0-9]', '', 'g'));
    if v_contact is null then
      raise exception 'nobody is known by the number that ends in %', right(v_phone, 4) using errcode = 'GL404',
        hint = 'A person becomes known with the first message. Let them write once, or give the contact''s id.';
    end if;
    v_ids := v_ids || v_contact::text;
  end loop;
  return array(select distinct private.subject_id(i.id) as id from unnest(v_ids) as i (id) order by 1);
end $$;
comment on function private.subject_ids(text[], text[]) is
  'Ids and phone numbers (written in any way) as ids, each once, in order. GL404 for a number that nobody has, GL422 for an empty id.';

create function private.segment_at(p_key text, p_expected_version bigint) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_version bigint;
begin
  select version into v_version from public.segments s where s.key = p_key for update;
  if v_version is distinct from p_expected_version then
    raise exception 'segment % is at version %, not %', p_key, coalesce(v_version, 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
end $$;
comment on function private.segment_at(text, bigint) is 'Locks a segment that is at this version; GL409 when it is not.';

create function public.set_segment(p_key text, p_description text, p_expected_version bigint) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  if p_expected_version = 0 then
    insert into public.segments (key, description) values (p_key, coalesce(p_description, ''))
    on conflict (key) do nothing returning * into v_segment;
  end if;
  if v_segment.key is null then
    perform private.segment_at(p_key, p_expected_version);
    update public.segments
    set description = coalesce(p_description, description), version = version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
    where key = p_key returning * into v_segment;
  end if;
  return v_segment;
end $$;
comment on function public.set_segment(text, text, bigint) is
  'Creates a segment (version 0) or changes its description. For operators and secret keys. Errors: GL409 it was changed in the meantime, 23514 invalid key.';

create function public.add_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  insert into public.segment_members (segment_key, subject_id)
  select p_key, id from unnest(private.subject_ids(p_user_ids, p_phones)) as i (id)
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.add_segment_members(text, bigint, text[], text[], text) is
  'Adds people to a segment, by id or by phone number (stored as the contact''s id); existing members are not an error. At most 10,000. For operators and secret keys. Errors: GL409 it was changed in the meantime, GL404 a number that nobody has, GL422.';

create function public.remove_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m
  where m.segment_key = p_key and m.subject_id = any (private.subject_ids(p_user_ids, p_phones));
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.remove_segment_members(text, bigint, text[], text[], text) is
  'Removes people from a segment; people who are not members are not an error. For operators and secret keys. Errors: GL409 it was changed in the meantime, GL404 a number that nobody has.';

create function public.remove_segment(p_key text, p_expected_version bigint, p_reason text default null) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag text;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  select s.key into v_flag from public.settings s where s.metadata -> 'target_segments' ? p_key limit 1;
  if v_flag is not null then
    raise exception 'segment % is a target of %', p_key, v_flag using errcode = 'GL409',
      hint = 'Take it off the flag first.';
  end if;
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m where m.segment_key = p_key;
  perform set_config('gatelink.reason', '', true);
  delete from public.segments s where s.key = p_key;
  return found;
end $$;
comment on function public.remove_segment(text, bigint, text) is
  'Removes a segment that no flag targets; its history stays. False if it did not exist (version null). For operators and secret keys. Errors: GL409 a flag targets it, or it was changed in the meantime.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.config_segments()
  to service_role;
grant execute on function
  public.set_segment(text, text, bigint),
  public.add_segment_members(text, bigint, text[], text[], text),
  public.remove_segment_members(text, bigint, text[], text[], text),
  public.remove_segment(text, bigint, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001300');
