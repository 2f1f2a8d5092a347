-- Flags for people: versioned writes, each with its history.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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

-- Off must stay off until a person says otherwise: a start that was scheduled before is called off with it.
create function private.without_start(p_metadata jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_metadata -> 'schedule' ? 'on_at' and p_metadata -> 'schedule' ? 'off_at' then p_metadata #- '{schedule,on_at}'
    when p_metadata -> 'schedule' ? 'on_at' then p_metadata - 'schedule'
    else p_metadata end
$$;
comment on function private.without_start(jsonb) is 'The metadata of a flag that no clock turns on: as given, without schedule.on_at.';
revoke execute on function private.without_start(jsonb) from public, anon, authenticated;

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
  if p_changes ->> 'on' = 'false' and not p_changes ? 'on_at' then
    v_metadata := private.without_start(v_metadata);
  end if;
  v_flag := public.set_setting(p_key, coalesce((p_changes ->> 'on'), v_flag.value, 'false'), v_metadata, p_expected_version, p_reason);
  select n.key into v_name from jsonb_array_elements_text(nullif(p_changes -> 'prerequisites', 'null')) as n (key)
  where not exists (select from public.settings s where s.key = n.key and s.key like '%.enabled') limit 1;
  if v_name is not null then
    raise exception 'there is no flag % to need', v_name using errcode = 'GL422',
      hint = 'Make it first: until it is on, the flag that needs it is off for everybody.';
  end if;
  select t.name into v_name from unnest(array['on_at', 'off_at']) as t (name)
  where (p_changes ->> t.name)::timestamptz < now() - interval '1 minute' limit 1;
  if v_name is not null then
    raise exception '% is in the past: %', v_name, p_changes ->> v_name using errcode = 'GL422',
      hint = 'Set it on or off now, or name a time to come.';
  end if;
  if private.flag_needs_itself(p_key) then
    raise exception 'the prerequisites of % lead back to it', p_key using errcode = 'GL422',
      hint = 'Take one of the flags between out of the circle.';
  end if;
  return v_flag;
end $$;
comment on function public.set_flag(text, jsonb, bigint, text) is
  'Changes a flag that still is at the version the caller read, or makes one (version 0), off unless told. Changes: on, percentage (0 to 100), prerequisites ([keys of flags that exist]), on_at and off_at (ISO times with zone, not past), description, launched_at; null takes one away, and so does on: false with an on_at that is not given anew. For operators and secret keys. Errors: GL409 somebody else was faster, GL422 what cannot be, 23514 with the constraint''s name.';
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
