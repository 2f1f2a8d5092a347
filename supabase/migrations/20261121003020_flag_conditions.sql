-- Flags beyond a percentage: segments, prerequisites, schedules. supabase/functions/_shared/flags decides the same in
-- TypeScript; tests/database/flags_test.ts and tests/database/rollout_flags_test.ts hold the two to the same answers.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

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
