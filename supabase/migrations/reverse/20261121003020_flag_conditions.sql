-- The way back from 20261121003020_flag_conditions.sql. Prerequisites, segments and schedules stay in the flags' metadata,
-- where nothing reads them any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Failure policy: closed. What was on only together with another flag, or for a segment alone, would now be on for more
-- people than anybody wanted.
select set_config('gatelink.reason', 'prerequisites and segments were taken back', true);
update public.settings s set value = 'false'
where s.value = 'true' and (
  jsonb_array_length(coalesce(s.metadata -> 'prerequisites', '[]')) > 0
  or (s.metadata ? 'target_segments' and not s.metadata ? 'rollout_percentage' and not s.metadata ? 'target_user_ids'));
select set_config('gatelink.reason', '', true);

create or replace function private.evaluate_flag(
  p_key text, p_targeting_id text, out value boolean, out reason text, out error_code text
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
  if v_setting.value <> 'true' then
    reason := 'DISABLED';
    return;
  end if;
  if v_setting.metadata -> 'target_user_ids' ? v_id then
    value := true;
    reason := 'TARGETING_MATCH';
    return;
  end if;
  v_threshold := case
    when v_setting.metadata ? 'rollout_percentage'
      then round((v_setting.metadata ->> 'rollout_percentage')::numeric * 100)
    when v_setting.metadata ? 'target_user_ids' then 0
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
comment on function private.evaluate_flag(text, text) is
  'Whether a flag is on for an id, and why (OpenFeature''s reasons DISABLED, TARGETING_MATCH, STATIC, SPLIT, ERROR with error_code FLAG_NOT_FOUND or TARGETING_KEY_MISSING). Order: off, target id, percentage. Knows nothing of the kill switches in the environment.';
drop function private.evaluate_flag_within(text, text, text[]);

alter table public.settings
  drop constraint settings_target_segments,
  drop constraint settings_prerequisites,
  drop constraint settings_schedule,
  drop constraint settings_type;
comment on column public.settings.metadata is
  'For flags: rollout_percentage (number 0 to 100 in steps of 0.01), target_user_ids (array of strings: on for these whatever the percentage), salt (string, default the key), launched_at. Without rollout_percentage a flag that is true is on for everybody, or only for target_user_ids where that key is present.';
