-- Flags beyond a percentage: segments, prerequisites, schedules, versioned writes for people, and which flags went stale.
-- supabase/functions/_shared/flags decides the same in TypeScript; tests/flags_test.ts and tests/rollout_flags_test.ts
-- hold the two to the same answers.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Metadata of flags -------------------------------------------------------------------------------

-- Not validated for rows from before: that would hold up every reader of settings, and evaluation leaves out what it
-- cannot understand.
alter table public.settings
  add constraint settings_target_segments check (
    case when not metadata ? 'target_segments' then true
      when jsonb_typeof(metadata -> 'target_segments') <> 'array' then false
      else not jsonb_path_exists(metadata, 'strict $.target_segments[*] ? (@.type() != "string")') end) not valid,
  add constraint settings_prerequisites check (
    case when not metadata ? 'prerequisites' then true
      when jsonb_typeof(metadata -> 'prerequisites') <> 'array' then false
      else not jsonb_path_exists(metadata, 'strict $.prerequisites[*] ? (@.type() != "string")') end) not valid,
  -- The cast lets no instant in that the clock could not read later.
  add constraint settings_schedule check (
    case when not metadata ? 'schedule' then true
      when jsonb_typeof(metadata -> 'schedule') <> 'object' then false
      when (metadata -> 'schedule') - array['on_at', 'off_at'] <> '{}' then false
      when jsonb_path_exists(metadata, 'strict $.schedule.* ? (@.type() != "string")') then false
      else concat(metadata #>> '{schedule,on_at}', metadata #>> '{schedule,off_at}')
          ~ '^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)){0,2}$'
        and (metadata #>> '{schedule,on_at}')::timestamptz is distinct from 'infinity'
        and (metadata #>> '{schedule,off_at}')::timestamptz is distinct from 'infinity' end) not valid,
  add constraint settings_type check (
    not metadata ? 'type' or metadata ->> 'type' in ('boolean', 'string', 'number', 'object')) not valid;
comment on column public.settings.metadata is
  'For flags: rollout_percentage (number 0 to 100 in steps of 0.01), target_user_ids (array of strings: on for these whatever the percentage), target_segments (array of keys of segments: likewise for their members), prerequisites (array of flags that have to be on for the same id), schedule ({on_at, off_at}: when the clock turns it on or off), salt (string, default the key), description, launched_at, type (string, number or object: a value that OpenFeature clients may read, not a switch). Without rollout_percentage a flag that is true is on for everybody, or only for its targets where target_user_ids or target_segments is present.';

-- Segments ----------------------------------------------------------------------------------------

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
comment on constraint segment_history_pkey on public.segment_history is 'A change makes a version.';
comment on column public.segment_history.segment_key is 'The segment. It may have been removed since.';
comment on column public.segment_history.version is 'The version that this change made.';
comment on column public.segment_history.added is 'Who came in.';
comment on column public.segment_history.removed is 'Who went out.';
comment on column public.segment_history.changed_at is 'When.';
comment on column public.segment_history.changed_by is 'Who: a user id, or the database role.';
comment on column public.segment_history.reason is 'Why, as in settings_history.';

alter table public.segments enable row level security;
alter table public.segment_members enable row level security;
alter table public.segment_history enable row level security;
revoke all on public.segments, public.segment_members, public.segment_history from anon, authenticated, service_role, public;
grant select on public.segments, public.segment_members, public.segment_history to authenticated, service_role;
create policy segments_read on public.segments for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segments_read on public.segments is 'The whole team reads which segments there are.';
create policy segment_members_read on public.segment_members for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segment_members_read on public.segment_members is 'Ids only, no names or numbers: the whole team reads them.';
create policy segment_history_read on public.segment_history for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy segment_history_read on public.segment_history is 'The whole team reads who changed a segment, and why.';

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
revoke execute on function private.record_members() from public, anon, authenticated;

create trigger record_added after insert on public.segment_members referencing new table as changed
  for each statement execute function private.record_members();
comment on trigger record_added on public.segment_members is 'Version and history of who came in.';
create trigger record_removed after delete on public.segment_members referencing old table as changed
  for each statement execute function private.record_members();
comment on trigger record_removed on public.segment_members is 'Version and history of who went out.';
create trigger refuse_others before update or truncate on public.segment_members
  for each statement execute function private.refuse_change();
comment on trigger refuse_others on public.segment_members is 'People are added and removed, so that the history has them.';
create trigger append_only before update or delete or truncate on public.segment_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.segment_history is 'Nobody rewrites history.';
create trigger bump_config_revision after insert or update or delete or truncate on public.segments
  for each statement execute function private.bump_config_revision();
comment on trigger bump_config_revision on public.segments is
  'Tells the functions at the edge to read the configuration again; a change of members changes the segment''s row.';

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
revoke execute on function private.follow_merge() from public, anon, authenticated;
create trigger follow_merge after update of merged_into on public.contacts
  for each row when (new.merged_into is not null and new.merged_into is distinct from old.merged_into)
  execute function private.follow_merge();
comment on trigger follow_merge on public.contacts is 'Who was targeted stays targeted.';

create function private.config_segments() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(s.key, coalesce(m.ids, '[]')), '{}')
  from public.segments s
  left join (
    select m.segment_key, jsonb_agg(m.subject_id order by m.subject_id) as ids
    from public.segment_members m group by m.segment_key
  ) m on m.segment_key = s.key
$$;
comment on function private.config_segments() is 'All segments as {key: [subject ids]}: the segments part of load_config.';
revoke execute on function private.config_segments() from public, anon, authenticated;
grant execute on function private.config_segments() to service_role;

create or replace function public.load_config(p_revision bigint default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_revision bigint;
begin
  select revision into v_revision from private.config_revision;
  if v_revision = p_revision then
    return jsonb_build_object('revision', v_revision, 'unchanged', true);
  end if;
  return jsonb_build_object(
    'revision', v_revision,
    'settings', private.config_settings(),
    'segments', private.config_segments(),
    'routes', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', r.id, 'name', r.name, 'priority', r.priority, 'condition', r.condition, 'mode', r.mode,
        'destination_ids', (
          select coalesce(jsonb_agg(d.destination_id order by d.position), '[]') from public.route_destinations d
          where d.route_id = r.id),
        'flag_key', r.flag_key, 'sticky_minutes', r.sticky_minutes, 'active', r.active) order by r.priority, r.id), '[]')
      from public.routes r),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name, 'url', d.url, 'state', d.state) order by d.name), '[]')
      from public.destinations d),
    'allowlist', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a));
end $$;
comment on function public.load_config(bigint) is 'What the functions at the edge keep in memory: {revision, settings, segments, routes, destinations, allowlist}, or {revision, unchanged: true} when the caller has that revision.';

-- Evaluation --------------------------------------------------------------------------------------

-- Failure policy: closed. A prerequisite that is missing, undecided or (in a circle) being asked already is not on.
create function private.evaluate_flag_within(
  p_key text, p_targeting_id text, p_asked text[], out value boolean, out reason text, out error_code text
)
language plpgsql stable set search_path = '' as $$
declare
  v_setting public.settings;
  v_id text := nullif(p_targeting_id, '');
  v_threshold int;
begin
  value := false;
  select * into v_setting from public.settings s where s.key = p_key;
  if not found then
    reason := 'ERROR';
    error_code := 'FLAG_NOT_FOUND';
    return;
  end if;
  if v_setting.value <> 'true' or p_key = any (p_asked) or exists (
    select from jsonb_path_query(v_setting.metadata, 'strict $.prerequisites[*] ? (@.type() == "string")', '{}', true) as needed
    where not (select e.value from private.evaluate_flag_within(needed #>> '{}', v_id, p_asked || p_key) e)) then
    reason := 'DISABLED';
    return;
  end if;
  if v_setting.metadata -> 'target_user_ids' ? v_id or exists (
    select from jsonb_path_query(v_setting.metadata, 'strict $.target_segments[*] ? (@.type() == "string")', '{}', true) as segment
    join public.segment_members m on m.segment_key = segment #>> '{}' and m.subject_id = v_id) then
    value := true;
    reason := 'TARGETING_MATCH';
    return;
  end if;
  v_threshold := case
    when v_setting.metadata ? 'rollout_percentage'
      then round((v_setting.metadata ->> 'rollout_percentage')::numeric * 100)
    when v_setting.metadata ? 'target_user_ids' or v_setting.metadata ? 'target_segments' then 0
    else 10000 end;
  if v_threshold in (0, 10000) then
    value := v_threshold = 10000;
    reason := 'STATIC';
  elsif v_id is null then
    reason := 'ERROR';
    error_code := 'TARGETING_KEY_MISSING';
  else
    value := private.flag_bucket(coalesce(v_setting.metadata ->> 'salt', p_key), v_id) < v_threshold;
    reason := 'SPLIT';
  end if;
end $$;
comment on function private.evaluate_flag_within(text, text, text[]) is
  'evaluate_flag while the flags p_asked are being asked, whose prerequisite this one is.';
revoke execute on function private.evaluate_flag_within(text, text, text[]) from public, anon, authenticated;
grant execute on function private.evaluate_flag_within(text, text, text[]) to service_role;

create or replace function private.evaluate_flag(
  p_key text, p_targeting_id text, out value boolean, out reason text, out error_code text
)
language plpgsql stable set search_path = '' as $$
begin
  select e.value, e.reason, e.error_code into value, reason, error_code
  from private.evaluate_flag_within(p_key, p_targeting_id, '{}') e;
end $$;
comment on function private.evaluate_flag(text, text) is
  'Whether a flag is on for an id, and why (OpenFeature''s reasons DISABLED, TARGETING_MATCH, STATIC, SPLIT, ERROR with error_code FLAG_NOT_FOUND or TARGETING_KEY_MISSING). Order: off, prerequisites, target id, segment, percentage. Knows nothing of the kill switches in the environment.';

-- Writing, for people -----------------------------------------------------------------------------

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
  return array(select distinct id from unnest(v_ids) as i (id) order by id);
end $$;
comment on function private.subject_ids(text[], text[]) is
  'Ids and phone numbers (written in any way) as ids, each once, in order. GL404 for a number that nobody has, GL422 for an empty id.';
revoke execute on function private.subject_ids(text[], text[]) from public, anon, authenticated;

create function private.flag_at(p_key text, p_expected_version bigint) returns public.settings
language plpgsql stable set search_path = '' as $$
declare
  v_flag public.settings;
begin
  if p_key is null or p_key not like '%.enabled' then
    raise exception 'the key of a flag ends in .enabled' using errcode = 'GL422';
  end if;
  select * into v_flag from public.settings s where s.key = p_key;
  if v_flag.version is distinct from p_expected_version then
    raise exception 'setting % is at version %, not %', p_key, coalesce(v_flag.version, 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_flag;
end $$;
comment on function private.flag_at(text, bigint) is
  'A flag that is at this version; GL409 when it is not, GL422 when the key is not one of a flag.';
revoke execute on function private.flag_at(text, bigint) from public, anon, authenticated;

create function private.flag_needs_itself(p_key text) returns boolean
language sql stable set search_path = '' as $$
  with recursive needed (key) as (
    select p.key from public.settings s, jsonb_array_elements_text(s.metadata -> 'prerequisites') as p (key)
    where s.key = p_key
    union
    select p.key from needed n join public.settings s on s.key = n.key,
      jsonb_array_elements_text(s.metadata -> 'prerequisites') as p (key)
  )
  select exists (select from needed where key = p_key)
$$;
comment on function private.flag_needs_itself(text) is 'Whether a flag''s prerequisites lead back to it.';
revoke execute on function private.flag_needs_itself(text) from public, anon, authenticated;

create function public.set_flag(
  p_key text, p_changes jsonb, p_expected_version bigint, p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag public.settings;
  v_metadata jsonb;
  v_name text;
  v_schedule jsonb;
begin
  perform private.require_role('operator');
  if jsonb_typeof(p_changes) is distinct from 'object' then
    raise exception 'the changes must be an object' using errcode = 'GL422';
  end if;
  select k into v_name from jsonb_object_keys(p_changes) k
  where k not in ('on', 'percentage', 'prerequisites', 'on_at', 'off_at', 'description', 'launched_at') limit 1;
  if v_name is not null or (p_changes ? 'on' and jsonb_typeof(p_changes -> 'on') <> 'boolean') then
    raise exception '% cannot be set', coalesce(v_name, 'on to anything but true and false') using errcode = 'GL422',
      hint = 'on (boolean), percentage, prerequisites, on_at, off_at, description, launched_at; null takes one away.';
  end if;
  if coalesce(p_expected_version, -1) <> 0 then
    v_flag := private.flag_at(p_key, p_expected_version);
  elsif p_key is null or p_key not like '%.enabled' then
    raise exception 'the key of a flag ends in .enabled' using errcode = 'GL422';
  end if;
  v_metadata := coalesce(v_flag.metadata, '{}');
  -- In brackets: minus binds more tightly than ||.
  v_schedule := (coalesce(v_metadata -> 'schedule', '{}') || jsonb_strip_nulls(p_changes - array['on', 'percentage', 'prerequisites', 'description', 'launched_at']))
    - array(select k from jsonb_each(p_changes) as c (k, v) where v = 'null');
  v_metadata := v_metadata - 'schedule'
    || (p_changes - array['on', 'percentage', 'on_at', 'off_at'])
    || case when p_changes ? 'percentage' then jsonb_build_object('rollout_percentage', p_changes -> 'percentage') else '{}' end
    || case when v_schedule <> '{}' then jsonb_build_object('schedule', v_schedule) else '{}' end;
  v_metadata := v_metadata - array(
    select case k when 'percentage' then 'rollout_percentage' else k end
    from jsonb_each(p_changes) as c (k, v) where v = 'null' and k <> 'launched_at');
  v_flag := public.set_setting(p_key, coalesce((p_changes ->> 'on'), v_flag.value, 'false'), v_metadata, p_expected_version, p_reason);
  if private.flag_needs_itself(p_key) then
    raise exception 'the prerequisites of % lead back to it', p_key using errcode = 'GL422',
      hint = 'Take one of the flags between out of the circle.';
  end if;
  return v_flag;
end $$;
comment on function public.set_flag(text, jsonb, bigint, text) is
  'Changes a flag that still is at the version the caller read, or makes one (version 0), off unless told. Changes: on, percentage (0 to 100), prerequisites ([keys]), on_at and off_at (ISO times with zone), description, launched_at; null takes one away. For operators and secret keys. Errors: GL409 somebody else was faster, GL422 what cannot be, 23514 with the constraint''s name.';
revoke execute on function public.set_flag(text, jsonb, bigint, text) from public, anon;
grant execute on function public.set_flag(text, jsonb, bigint, text) to authenticated, service_role;

create function private.text_array(p_list jsonb) returns text[]
language sql immutable set search_path = '' as $$
  select array(select jsonb_array_elements_text(p_list))
$$;
comment on function private.text_array(jsonb) is 'A JSON array of strings as an array of text; empty for null.';
revoke execute on function private.text_array(jsonb) from public, anon, authenticated;

create function public.add_flag_targets(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}',
  p_segments text[] default '{}', p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag public.settings;
  v_ids text[];
  v_segment text;
begin
  perform private.require_role('operator');
  v_flag := private.flag_at(p_key, p_expected_version);
  v_ids := private.subject_ids(p_user_ids, p_phones);
  select k into v_segment from unnest(p_segments) k where not exists (select from public.segments s where s.key = k) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  return public.set_setting(p_key, v_flag.value, v_flag.metadata
    || case when v_ids <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_ids) order by 1))) else '{}' end
    || case when p_segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(p_segments) order by 1))) else '{}' end,
    p_expected_version, p_reason);
end $$;
comment on function public.add_flag_targets(text, bigint, text[], text[], text[], text) is
  'Turns a flag on, whatever its percentage, for people (by id, or by phone number, kept as the contact''s id) and segments. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 no such person or segment, GL422.';
revoke execute on function public.add_flag_targets(text, bigint, text[], text[], text[], text) from public, anon;
grant execute on function public.add_flag_targets(text, bigint, text[], text[], text[], text) to authenticated, service_role;

-- The lists stay, be they empty: taking the last tester off must not open the feature to everybody.
create function public.remove_flag_targets(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}',
  p_segments text[] default '{}', p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag public.settings;
  v_metadata jsonb;
begin
  perform private.require_role('operator');
  v_flag := private.flag_at(p_key, p_expected_version);
  v_metadata := v_flag.metadata;
  if v_metadata ? 'target_user_ids' then
    v_metadata := jsonb_set(v_metadata, '{target_user_ids}',
      (v_metadata -> 'target_user_ids') - private.subject_ids(p_user_ids, p_phones));
  end if;
  if v_metadata ? 'target_segments' then
    v_metadata := jsonb_set(v_metadata, '{target_segments}', (v_metadata -> 'target_segments') - coalesce(p_segments, '{}'));
  end if;
  return public.set_setting(p_key, v_flag.value, v_metadata, p_expected_version, p_reason);
end $$;
comment on function public.remove_flag_targets(text, bigint, text[], text[], text[], text) is
  'Takes people and segments off a flag''s targets; who was none is no error. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has, GL422.';
revoke execute on function public.remove_flag_targets(text, bigint, text[], text[], text[], text) from public, anon;
grant execute on function public.remove_flag_targets(text, bigint, text[], text[], text[], text) to authenticated, service_role;

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
revoke execute on function private.segment_at(text, bigint) from public, anon, authenticated;

create function public.set_segment(p_key text, p_description text, p_expected_version bigint) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  if p_expected_version = 0 then
    -- One that was removed and comes back carries on counting, as settings do.
    insert into public.segments (key, description, version)
    values (p_key, coalesce(p_description, ''), 1 + coalesce(
      (select max(h.version) from public.segment_history h where h.segment_key = p_key), 0))
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
  'Makes a segment (version 0) or changes its description. For operators and secret keys. Errors: GL409 somebody else was faster, 23514 a key that cannot be.';
revoke execute on function public.set_segment(text, text, bigint) from public, anon;
grant execute on function public.set_segment(text, text, bigint) to authenticated, service_role;

-- Every isolate of every function holds the members in memory.
create function public.add_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(p_reason, ''), true);
  insert into public.segment_members (segment_key, subject_id)
  select p_key, id from unnest(private.subject_ids(p_user_ids, p_phones)) as i (id)
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', '', true);
  if (select count(*) from public.segment_members m where m.segment_key = p_key) > 10000 then
    raise exception 'a segment has at most 10000 members' using errcode = 'GL422',
      hint = 'Use a percentage for larger groups.';
  end if;
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.add_segment_members(text, bigint, text[], text[], text) is
  'Adds people to a segment, by id or by phone number (kept as the contact''s id); who is in it already is no error. At most 10,000. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has, GL422.';
revoke execute on function public.add_segment_members(text, bigint, text[], text[], text) from public, anon;
grant execute on function public.add_segment_members(text, bigint, text[], text[], text) to authenticated, service_role;

create function public.remove_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(p_reason, ''), true);
  delete from public.segment_members m
  where m.segment_key = p_key and m.subject_id = any (private.subject_ids(p_user_ids, p_phones));
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.remove_segment_members(text, bigint, text[], text[], text) is
  'Takes people out of a segment; who was not in it is no error. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has.';
revoke execute on function public.remove_segment_members(text, bigint, text[], text[], text) from public, anon;
grant execute on function public.remove_segment_members(text, bigint, text[], text[], text) to authenticated, service_role;

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
  perform set_config('gatelink.reason', coalesce(p_reason, ''), true);
  delete from public.segment_members m where m.segment_key = p_key;
  perform set_config('gatelink.reason', '', true);
  delete from public.segments s where s.key = p_key;
  return found;
end $$;
comment on function public.remove_segment(text, bigint, text) is
  'Removes a segment that no flag targets; its history stays. False when there was none (version null). For operators and secret keys. Errors: GL409 a flag targets it, or somebody else was faster.';
revoke execute on function public.remove_segment(text, bigint, text) from public, anon;
grant execute on function public.remove_segment(text, bigint, text) to authenticated, service_role;

-- Schedules ---------------------------------------------------------------------------------------

create function private.apply_flag_schedules(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_flag public.settings;
  v_due record;
  v_count integer := 0;
begin
  for v_flag in
    select * from public.settings s where s.metadata ? 'schedule' order by s.key for update skip locked
  loop
    for v_due in
      select d.name, d.at, d.value
      from (values ('on_at', (v_flag.metadata #>> '{schedule,on_at}')::timestamptz, 'true'),
        ('off_at', (v_flag.metadata #>> '{schedule,off_at}')::timestamptz, 'false')) as d (name, at, value)
      where d.at <= p_now order by d.at, d.value desc
    loop
      v_flag.metadata := v_flag.metadata #- array['schedule', v_due.name];
      v_flag := public.set_setting(v_flag.key, v_due.value,
        case when v_flag.metadata -> 'schedule' = '{}' then v_flag.metadata - 'schedule' else v_flag.metadata end,
        v_flag.version, format('scheduled: %s %s', v_due.name, v_due.at));
      v_count := v_count + 1;
    end loop;
  end loop;
  return v_count;
end $$;
comment on function private.apply_flag_schedules(timestamptz) is
  'Turns flags on and off whose schedule''s time has come, each by a versioned write with its history, and says how many times. For the clock.';
revoke execute on function private.apply_flag_schedules(timestamptz) from public, anon, authenticated;

-- Stale flags -------------------------------------------------------------------------------------

create table public.flag_evaluations (
  flag_key text constraint flag_evaluations_pkey primary key,
  first_at timestamptz not null,
  last_at timestamptz not null
);
comment on table public.flag_evaluations is 'When a flag was first and last asked for, to the hour: what no code asks for can go.';
comment on constraint flag_evaluations_pkey on public.flag_evaluations is 'One row a flag.';
comment on column public.flag_evaluations.flag_key is 'The flag. It may not exist: somebody asks for it all the same.';
comment on column public.flag_evaluations.first_at is 'When it was first asked for.';
comment on column public.flag_evaluations.last_at is 'When it was last asked for; up to an hour behind.';
alter table public.flag_evaluations enable row level security;
revoke all on public.flag_evaluations from anon, authenticated, service_role, public;
grant select on public.flag_evaluations to authenticated;
grant select, insert, update on public.flag_evaluations to service_role;
create policy flag_evaluations_read on public.flag_evaluations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy flag_evaluations_read on public.flag_evaluations is 'The whole team sees which flags are in use.';

create function public.stale_flags(p_now timestamptz default now())
returns table (key text, why text, since timestamptz)
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return query
    select s.key, w.why, w.since
    from public.settings s
    left join public.flag_evaluations e on e.flag_key = s.key
    cross join lateral (
      select 'fully_on', s.updated_at
      where s.value = 'true' and not s.metadata ? 'schedule' and s.updated_at <= p_now - interval '30 days'
        and coalesce((s.metadata ->> 'rollout_percentage')::numeric,
          case when s.metadata ? 'target_user_ids' or s.metadata ? 'target_segments' then 0 else 100 end) = 100
      union all
      select 'never_evaluated', (select min(h.changed_at) from public.settings_history h where h.key = s.key)
      where e.flag_key is null
      union all
      select 'not_evaluated', e.last_at where e.last_at <= p_now - interval '30 days'
    ) as w (why, since)
    where s.key like '%.enabled'
    order by s.key, w.why;
end $$;
comment on function public.stale_flags(timestamptz) is
  'Flags that look done with, and since when: fully_on (on for everybody, unchanged for 30 days), never_evaluated (nobody has ever asked for it), not_evaluated (nobody has for 30 days). For viewers and secret keys.';
revoke execute on function public.stale_flags(timestamptz) from public, anon;
grant execute on function public.stale_flags(timestamptz) to authenticated, service_role;
