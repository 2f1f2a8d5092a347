-- Flags: whether one is on for an id, how people change one, and how the clock does. supabase/functions/_shared/flags
-- decides the same in TypeScript; tests/database/flags_test.ts and tests/database/rollout_flags_test.ts hold the two to the same answers,
-- bit by bit.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Evaluation --------------------------------------------------------------------------------------

-- Products of two 32-bit numbers do not fit a bigint, so each multiplication takes the two halves of
-- one factor by themselves: k * c = (k & 65535) * c + (((k >> 16) * c & 65535) << 16), modulo 2^32.
create function private.murmur3_32(p_bytes bytea, p_seed bigint default 0) returns bigint
language plpgsql immutable strict parallel safe set search_path = '' as $$
declare
  v_length int := octet_length(p_bytes);
  v_tail int := v_length & 3;
  h bigint := p_seed & 4294967295;
  k bigint;
  i int := 0;
begin
  while i < v_length - v_tail loop
    k := get_byte(p_bytes, i) | (get_byte(p_bytes, i + 1) << 8) | (get_byte(p_bytes, i + 2) << 16)
      | (get_byte(p_bytes, i + 3)::bigint << 24);
    k := (((k & 65535) * 3432918353 + (((k >> 16) * 3432918353 & 65535) << 16)) & 4294967295);
    k := ((k << 15) | (k >> 17)) & 4294967295;
    h := h # (((k & 65535) * 461845907 + (((k >> 16) * 461845907 & 65535) << 16)) & 4294967295);
    h := ((((h << 13) | (h >> 19)) & 4294967295) * 5 + 3864292196) & 4294967295;
    i := i + 4;
  end loop;
  if v_tail > 0 then
    k := get_byte(p_bytes, i);
    if v_tail > 1 then k := k | (get_byte(p_bytes, i + 1) << 8); end if;
    if v_tail > 2 then k := k | (get_byte(p_bytes, i + 2) << 16); end if;
    k := (((k & 65535) * 3432918353 + (((k >> 16) * 3432918353 & 65535) << 16)) & 4294967295);
    k := ((k << 15) | (k >> 17)) & 4294967295;
    h := h # (((k & 65535) * 461845907 + (((k >> 16) * 461845907 & 65535) << 16)) & 4294967295);
  end if;
  h := h # v_length;
  h := h # (h >> 16);
  h := (((h & 65535) * 2246822507 + (((h >> 16) * 2246822507 & 65535) << 16)) & 4294967295);
  h := h # (h >> 13);
  h := (((h & 65535) * 3266489909 + (((h >> 16) * 3266489909 & 65535) << 16)) & 4294967295);
  return h # (h >> 16);
end $$;
comment on function private.murmur3_32(bytea, bigint) is
  'MurmurHash3 x86 32-bit, as an unsigned number (0 to 2^32 - 1).';

create function private.flag_bucket(p_salt text, p_id text) returns int
language sql stable strict parallel safe set search_path = '' as $$
  select (private.murmur3_32(convert_to(p_salt || p_id, 'UTF8')) * 10000 >> 32)::int
$$;
comment on function private.flag_bucket(text, text) is
  'The bucket, 0 to 9999, of an id under a salt: floor(murmur3_32(UTF-8 of salt || id) * 10000 / 2^32). The salt does not change with the percentage, so whoever is in at 10 % is in at 25 %.';

create function private.evaluate_flag_alone(
  p_key text, p_targeting_id text, out value boolean, out reason text, out error_code text
)
language plpgsql stable set search_path = '' as $$
declare
  v_setting public.settings;
  v_id text := private.subject_id(nullif(p_targeting_id, ''));
  v_threshold int;
begin
  value := false;
  select * into v_setting from public.settings s where s.key = p_key;
  if not found then
    reason := 'ERROR';
    error_code := 'FLAG_NOT_FOUND';
    return;
  end if;
  if v_setting.value <> 'true' then
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
comment on function private.evaluate_flag_alone(text, text) is
  'evaluate_flag as if the flag had no prerequisites.';

-- Failure policy: closed. A prerequisite that is missing, undecided or more than eight flags away (in a circle they all
-- are) is not on. Each is asked once, however many ways lead to it.
create function private.prerequisites_on(p_key text, p_targeting_id text) returns boolean
language sql stable set search_path = '' as $$
  with recursive needed (key, depth) as (
    select p_key, 0
    union
    select name #>> '{}', n.depth + 1
    from needed n join public.settings s on s.key = n.key,
      jsonb_path_query(s.metadata, 'strict $.prerequisites[*] ? (@.type() == "string")', '{}', true) as name
    where n.depth <= 8
  )
  select not exists (select from needed where depth > 8) and not exists (
    select from (select distinct key from needed where depth > 0) n
    where not (select e.value from private.evaluate_flag_alone(n.key, p_targeting_id) e))
$$;
comment on function private.prerequisites_on(text, text) is
  'Whether all that a flag needs, directly and through others, is on for the same id.';

-- Failure policy: closed. Whatever cannot be decided is off, with the code that says why.
create function private.evaluate_flag(
  p_key text, p_targeting_id text, out value boolean, out reason text, out error_code text
)
language plpgsql stable set search_path = '' as $$
begin
  select e.value, e.reason, e.error_code into value, reason, error_code
  from private.evaluate_flag_alone(p_key, p_targeting_id) e;
  -- Few flags have any, and following them takes longer than all the rest.
  if reason <> 'DISABLED' and error_code is distinct from 'FLAG_NOT_FOUND'
    and exists (select from public.settings s where s.key = p_key and s.metadata ? 'prerequisites')
    and not private.prerequisites_on(p_key, p_targeting_id) then
    value := false;
    reason := 'DISABLED';
    error_code := null;
  end if;
end $$;
comment on function private.evaluate_flag(text, text) is
  'Whether a flag is on for an id, and why (OpenFeature''s reasons DISABLED, TARGETING_MATCH, STATIC, SPLIT, ERROR with error_code FLAG_NOT_FOUND or TARGETING_KEY_MISSING). Order: off, prerequisites, target id, segment, percentage. Knows nothing of the kill switches in the environment.';

create function private.on_for_everybody(p_key text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.settings s
    where s.key = p_key and s.value = 'true' and not s.metadata ? 'prerequisites'
      and case when s.metadata ? 'rollout_percentage' then round((s.metadata ->> 'rollout_percentage')::numeric * 100) = 10000
        else not s.metadata ?| array['target_user_ids', 'target_segments'] end);
end $$;
comment on function private.on_for_everybody(text) is
  'Whether a flag is on whoever is asked about, so that nobody need be; false where it has prerequisites, which are on or off for each.';

create function private.on_for_anybody(p_key text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.settings s
    where s.key = p_key and s.value = 'true' and (
      case when s.metadata ? 'rollout_percentage' then round((s.metadata ->> 'rollout_percentage')::numeric * 100) > 0
        else not s.metadata ?| array['target_user_ids', 'target_segments'] end
      or jsonb_array_length(s.metadata -> 'target_user_ids') > 0
      or exists (
        select from jsonb_array_elements_text(s.metadata -> 'target_segments') as segment (key)
        -- One look into the index for each, however long the planner guesses the list, and full the segment, to be: with "="
        -- the order would be one of subject_id alone, which another index has, and it would read everybody.
        cross join lateral (
          select m.segment_key from public.segment_members m where m.segment_key >= segment.key order by m.segment_key limit 1) member
        where member.segment_key = segment.key)))
$$;
comment on function private.on_for_anybody(text) is
  'Whether a flag may be on for anybody at all: what it holds back for everybody is not taken, the queues of a channel for one. As onForAnybody in _shared/flags/evaluate.ts, it asks no prerequisites.';

-- For people: versioned writes, each with its history ---------------------------------------------

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

-- Off must stay off until a person says otherwise: a start that was scheduled before is called off with it.
create function private.without_start(p_metadata jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_metadata -> 'schedule' ? 'on_at' and p_metadata -> 'schedule' ? 'off_at' then p_metadata #- '{schedule,on_at}'
    when p_metadata -> 'schedule' ? 'on_at' then p_metadata - 'schedule'
    else p_metadata end
$$;
comment on function private.without_start(jsonb) is 'The metadata of a flag that no clock turns on: as given, without schedule.on_at.';

-- Plain SQL too, and whatever door is made later. Not where the same write says when to turn it on again: the clock's
-- off_at, and set_flag with an on_at.
create function private.call_off_start() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  if new.metadata #> '{schedule,on_at}' = old.metadata #> '{schedule,on_at}' and (old.value = 'true' or new.metadata = old.metadata)
    and coalesce(current_setting('gatelink.start', true), '') <> 'stays' then
    new.metadata := private.without_start(new.metadata);
  end if;
  return new;
end $$;
comment on function private.call_off_start() is
  'Trigger, before a flag is set to off: forgets when the clock would turn it on, unless gatelink.start is stays in this transaction.';
create trigger off_stays_off before update of value on public.settings
  for each row when (new.value = 'false' and new.metadata -> 'schedule' ? 'on_at') execute function private.call_off_start();
comment on trigger off_stays_off on public.settings is 'Off cancels a scheduled start, whoever writes it.';

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
  where k not in ('on', 'percentage', 'prerequisites', 'on_at', 'off_at', 'description', 'launched_at', 'client') limit 1;
  if v_name is not null or (p_changes ? 'on' and jsonb_typeof(p_changes -> 'on') <> 'boolean') then
    raise exception '% cannot be set', coalesce(v_name, 'on to anything but true and false') using errcode = 'GL422',
      hint = 'on (boolean), percentage, prerequisites, on_at, off_at, description, launched_at, client (boolean); null takes one away.';
  end if;
  if coalesce(p_expected_version, -1) <> 0 then
    v_flag := private.flag_at(p_key, p_expected_version);
  elsif p_key is null or p_key not like '%.enabled' then
    raise exception 'the key of a flag ends in .enabled' using errcode = 'GL422';
  end if;
  v_metadata := coalesce(v_flag.metadata, '{}');
  -- In brackets: minus binds more tightly than ||.
  v_schedule := (coalesce(v_metadata -> 'schedule', '{}') || jsonb_strip_nulls(p_changes - array['on', 'percentage', 'prerequisites', 'description', 'launched_at', 'client']))
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
  if p_changes ? 'on_at' then
    perform set_config('gatelink.start', 'stays', true);
  end if;
  v_flag := public.set_setting(p_key, coalesce((p_changes ->> 'on'), v_flag.value, 'false'), v_metadata, p_expected_version, p_reason);
  perform set_config('gatelink.start', '', true);
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
  'Changes a flag that still is at the version the caller read, or makes one (version 0), off unless told. Changes: on, percentage (0 to 100), prerequisites ([keys of flags that exist]), on_at and off_at (ISO times with zone, not past), description, launched_at, client (whether apps with a publishable key may read it); null takes one away, and so does on: false with an on_at that is not given anew. For operators and secret keys. Errors: GL409 somebody else was faster, GL422 what cannot be, or no reason where the flag is on for everybody from now on, 23514 with the constraint''s name.';

create function private.text_array(p_list jsonb) returns text[]
language sql immutable set search_path = '' as $$
  select array(select jsonb_array_elements_text(p_list))
$$;
comment on function private.text_array(jsonb) is 'A JSON array of strings as an array of text; empty for null.';

create function public.add_flag_targets(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}',
  p_segments text[] default '{}', p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag public.settings;
  v_ids text[];
  v_segment text;
  v_metadata jsonb;
begin
  perform private.require_role('operator');
  v_flag := private.flag_at(p_key, p_expected_version);
  v_ids := private.subject_ids(p_user_ids, p_phones);
  select k into v_segment from unnest(p_segments) k where not exists (select from public.segments s where s.key = k) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  v_metadata := v_flag.metadata
    || case when v_ids <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_ids) order by 1))) else '{}' end
    || case when p_segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(p_segments) order by 1))) else '{}' end;
  -- Lists only grow here: as long as before, they are the same.
  if jsonb_array_length(v_metadata -> 'target_user_ids') is not distinct from jsonb_array_length(v_flag.metadata -> 'target_user_ids')
    and jsonb_array_length(v_metadata -> 'target_segments') is not distinct from jsonb_array_length(v_flag.metadata -> 'target_segments') then
    return v_flag;
  end if;
  return public.set_setting(p_key, v_flag.value, v_metadata, p_expected_version, p_reason);
end $$;
comment on function public.add_flag_targets(text, bigint, text[], text[], text[], text) is
  'Turns a flag on, whatever its percentage, for people (by id, or by phone number, kept as the contact''s id) and segments; whoever is one already makes no new version. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 no such person or segment, GL422.';

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
  if v_metadata = v_flag.metadata then
    return v_flag;
  end if;
  return public.set_setting(p_key, v_flag.value, v_metadata, p_expected_version, p_reason);
end $$;
comment on function public.remove_flag_targets(text, bigint, text[], text[], text[], text) is
  'Takes people and segments off a flag''s targets; who was none is no error and makes no new version. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has, GL422.';

-- Off asks for no version: whoever pulls the brake must win against somebody who keeps writing the flag.
create function public.switch_off(p_key text, p_reason text) returns bigint
language plpgsql volatile security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_before text := current_setting('gatelink.reason', true);
  v_version bigint;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  begin
    update public.settings set value = 'false', metadata = private.without_start(metadata)
    where key = p_key and (value <> 'false' or metadata -> 'schedule' ? 'on_at') returning version into v_version;
  exception when lock_not_available then
    perform private.refuse_locked('the flag ' || p_key, array['public.settings'], private.without_database(p_key));
  end;
  perform set_config('gatelink.reason', coalesce(v_before, ''), true);
  return v_version;
end $$;
comment on function public.switch_off(text, text) is
  'Turns a flag off whatever version it is at, forgets when the clock would turn it on, and answers the new version; null when it is off already, with no such time, or not there. The rest of the flag stays as it is. For operators and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks, GL423 after 1 s where another transaction holds the flag, with who.';

-- By the clock ------------------------------------------------------------------------------------

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
      begin
        v_flag.metadata := v_flag.metadata #- array['schedule', v_due.name];
        perform set_config('gatelink.start', 'stays', true);
        v_flag := public.set_setting(v_flag.key, v_due.value,
          case when v_flag.metadata -> 'schedule' = '{}' then v_flag.metadata - 'schedule' else v_flag.metadata end,
          v_flag.version, format('scheduled: %s %s', v_due.name, v_due.at));
        v_count := v_count + 1;
      exception when others then
        -- The others need not wait for it; the next minute tries again.
        raise warning 'the schedule of % could not be followed: %', v_flag.key, sqlerrm;
        exit;
      end;
    end loop;
  end loop;
  perform set_config('gatelink.start', '', true);
  return v_count;
end $$;
comment on function private.apply_flag_schedules(timestamptz) is
  'Turns flags on and off whose schedule''s time has come, each by a versioned write with its history, and says how many times. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.murmur3_32(bytea, bigint),
  private.flag_bucket(text, text),
  private.evaluate_flag_alone(text, text),
  private.prerequisites_on(text, text),
  private.evaluate_flag(text, text),
  private.on_for_everybody(text),
  private.on_for_anybody(text)
  to service_role;
grant execute on function
  public.set_flag(text, jsonb, bigint, text),
  public.add_flag_targets(text, bigint, text[], text[], text[], text),
  public.remove_flag_targets(text, bigint, text[], text[], text[], text),
  public.switch_off(text, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001400');
