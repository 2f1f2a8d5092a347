-- Settings: flags and other values that change while the system runs, with their history, versioned
-- writes, and flag evaluation in SQL. supabase/functions/_shared/flags evaluates the same rules in
-- TypeScript; tests/database/flags_test.ts holds the two to the same answers, bit by bit.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.refuse_change() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  raise exception '% on %.% is refused: it would leave a gap in the history',
    lower(tg_op), tg_table_schema, tg_table_name using errcode = '42501';
end $$;
comment on function private.refuse_change() is
  'Trigger, before update, delete or truncate: refuses it to every role, the owner included, with 42501. Keeps histories append-only.';
revoke execute on function private.refuse_change() from public, anon, authenticated;

-- Tables ------------------------------------------------------------------------------------------

create table public.settings (
  key text primary key constraint settings_key_length check (char_length(key) between 1 and 200),
  value text not null,
  metadata jsonb not null default '{}'
    constraint settings_metadata_object check (jsonb_typeof(metadata) = 'object'),
  version bigint not null,
  updated_at timestamptz not null,
  updated_by text not null,
  -- A typing error must be told, not read as off.
  constraint settings_enabled_true_or_false check (key not like '%.enabled' or value in ('true', 'false')),
  -- A JSON number and nothing else: "25" in quotes or null would be one more thing to guess about.
  constraint settings_rollout_percentage check (
    case when not metadata ? 'rollout_percentage' then true
      when jsonb_typeof(metadata -> 'rollout_percentage') <> 'number' then false
      else (metadata ->> 'rollout_percentage')::numeric between 0 and 100
        and scale(trim_scale((metadata ->> 'rollout_percentage')::numeric)) <= 2 end),
  constraint settings_target_user_ids check (
    case when not metadata ? 'target_user_ids' then true
      when jsonb_typeof(metadata -> 'target_user_ids') <> 'array' then false
      else not jsonb_path_exists(metadata, 'strict $.target_user_ids[*] ? (@.type() != "string")') end),
  constraint settings_salt check (not metadata ? 'salt' or jsonb_typeof(metadata -> 'salt') = 'string')
);
comment on table public.settings is
  'Flags and other values read by the running system within seconds of a change. Plain INSERT and UPDATE work; a trigger fills version, updated_at, updated_by and writes settings_history.';
comment on column public.settings.key is 'Name. A flag ends in .enabled and takes only true and false.';
comment on column public.settings.value is 'A flag is on when this is exactly true; any other text is off.';
comment on column public.settings.metadata is
  'For flags: rollout_percentage (number 0 to 100 in steps of 0.01), target_user_ids (array of strings: on for these whatever the percentage), salt (string, default the key), launched_at. Without rollout_percentage a flag that is true is on for everybody, or only for target_user_ids where that key is present.';
comment on column public.settings.version is
  'Counts the writes of this key, deletes included. Give the version you read to set_setting.';
comment on column public.settings.updated_at is 'When this row was last written.';
comment on column public.settings.updated_by is 'Who wrote it: a user id, or the database role.';

create table public.settings_history (
  key text not null,
  version bigint not null,
  before jsonb,
  after jsonb,
  changed_at timestamptz not null,
  changed_by text not null,
  reason text,
  primary key (key, version)
);
comment on table public.settings_history is
  'Every change of a setting. Written by trigger; update, delete and truncate are refused to every role.';
comment on column public.settings_history.key is 'The setting. It may have been deleted since.';
comment on column public.settings_history.version is 'The version that this change made.';
comment on column public.settings_history.before is 'value and metadata before; null when the setting was created.';
comment on column public.settings_history.after is 'value and metadata after; null when the setting was deleted.';
comment on column public.settings_history.changed_at is 'When.';
comment on column public.settings_history.changed_by is 'Who: a user id, or the database role.';
comment on column public.settings_history.reason is
  'Why, from set_setting or, in plain SQL, from select set_config(''gatelink.reason'', ''…'', true) in the same transaction.';
create index settings_history_changed_at on public.settings_history (changed_at);
comment on index public.settings_history_changed_at is 'What changed lately, over all settings.';

alter table public.settings enable row level security;
alter table public.settings_history enable row level security;
revoke all on public.settings, public.settings_history from anon, authenticated, service_role, public;
grant select on public.settings, public.settings_history to authenticated, service_role;
create policy settings_read on public.settings for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy settings_read on public.settings is 'The whole team reads settings: nothing in them is secret.';
create policy settings_history_read on public.settings_history for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy settings_history_read on public.settings_history is 'The whole team reads who changed what and why.';

-- Writing -----------------------------------------------------------------------------------------

create function private.stamp_setting() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and new.key <> old.key then
    raise exception 'a setting cannot be renamed: its history would break' using errcode = '23514';
  end if;
  -- A key that was deleted and comes back carries on counting, so a version read before the deletion
  -- never fits what is there now.
  new.version := 1 + case tg_op when 'UPDATE' then old.version
    else coalesce((select max(h.version) from public.settings_history h where h.key = new.key), 0) end;
  new.updated_at := clock_timestamp();
  new.updated_by := private.actor();
  return new;
end $$;
comment on function private.stamp_setting() is
  'Trigger, before insert or update of settings: fills version, updated_at and updated_by, whatever the statement says.';
revoke execute on function private.stamp_setting() from public, anon, authenticated;

create function private.record_setting() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.settings_history (key, version, before, after, changed_at, changed_by, reason)
  values (
    coalesce(new.key, old.key),
    coalesce(new.version, old.version + 1),
    case when tg_op <> 'INSERT' then jsonb_build_object('value', old.value, 'metadata', old.metadata) end,
    case when tg_op <> 'DELETE' then jsonb_build_object('value', new.value, 'metadata', new.metadata) end,
    coalesce(new.updated_at, clock_timestamp()),
    private.actor(),
    nullif(current_setting('gatelink.reason', true), ''));
  return null;
end $$;
comment on function private.record_setting() is
  'Trigger, after insert, update or delete of settings: writes settings_history.';
revoke execute on function private.record_setting() from public, anon, authenticated;

create trigger stamp before insert or update on public.settings
  for each row execute function private.stamp_setting();
comment on trigger stamp on public.settings is 'Version, time and author of each write.';
create trigger record after insert or update or delete on public.settings
  for each row execute function private.record_setting();
comment on trigger record on public.settings is 'A row of history for each write.';
create trigger bump_config_revision after insert or update or delete on public.settings
  for each statement execute function private.bump_config_revision();
comment on trigger bump_config_revision on public.settings is 'Tells the functions at the edge to read the configuration again.';
create trigger refuse_truncate before truncate on public.settings
  for each statement execute function private.refuse_change();
comment on trigger refuse_truncate on public.settings is 'A truncate would leave no history: delete instead.';
create trigger append_only before update or delete or truncate on public.settings_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.settings_history is 'Nobody rewrites history.';

create function private.given_reason(p_reason text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if btrim(p_reason, E' \t\n\r') = '' then
    raise exception 'a reason must say something' using errcode = 'GL422', hint = 'Say why, or leave it out (null).';
  end if;
  return btrim(p_reason, E' \t\n\r');
end $$;
comment on function private.given_reason(text) is 'A reason without the blanks around it; null for none. GL422 for one of blanks alone.';
revoke execute on function private.given_reason(text) from public, anon, authenticated;

create function public.set_setting(
  p_key text, p_value text, p_metadata jsonb, p_expected_version bigint, p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_reason text := current_setting('gatelink.reason', true);
  v_setting public.settings;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), v_reason, ''), true);
  if p_expected_version = 0 then
    insert into public.settings (key, value, metadata) values (p_key, p_value, coalesce(p_metadata, '{}'))
    on conflict (key) do nothing returning * into v_setting;
  else
    update public.settings set value = p_value, metadata = coalesce(p_metadata, metadata)
    where key = p_key and version = p_expected_version returning * into v_setting;
  end if;
  perform set_config('gatelink.reason', coalesce(v_reason, ''), true);
  if v_setting.key is null then
    raise exception 'setting % is at version %, not %', p_key,
      coalesce((select s.version from public.settings s where s.key = p_key), 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_setting;
end $$;
comment on function public.set_setting(text, text, jsonb, bigint, text) is
  'Writes a setting if it still is at the version the caller read (0: it must not exist yet) and answers the new row. Metadata null leaves it as it is. For operators and secret keys. Errors: 42501 not allowed, GL409 somebody else was faster, GL422 a reason of blanks, 23514 a value that cannot be, with the constraint''s name.';
revoke execute on function public.set_setting(text, text, jsonb, bigint, text) from public, anon;
grant execute on function public.set_setting(text, text, jsonb, bigint, text) to authenticated, service_role;

create function private.config_settings() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      order by s.key),
    '[]')
  from public.settings s
$$;
comment on function private.config_settings() is
  'All settings as [{key, value, metadata, version}]: the settings part of load_config.';
revoke execute on function private.config_settings() from public, anon, authenticated;
grant execute on function private.config_settings() to service_role;

-- Flags -------------------------------------------------------------------------------------------

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
revoke execute on function private.murmur3_32(bytea, bigint) from public, anon, authenticated;
grant execute on function private.murmur3_32(bytea, bigint) to service_role;

create function private.flag_bucket(p_salt text, p_id text) returns int
language sql stable strict parallel safe set search_path = '' as $$
  select (private.murmur3_32(convert_to(p_salt || p_id, 'UTF8')) * 10000 >> 32)::int
$$;
comment on function private.flag_bucket(text, text) is
  'The bucket, 0 to 9999, of an id under a salt: floor(murmur3_32(UTF-8 of salt || id) * 10000 / 2^32). The salt does not change with the percentage, so whoever is in at 10 % is in at 25 %.';
revoke execute on function private.flag_bucket(text, text) from public, anon, authenticated;
grant execute on function private.flag_bucket(text, text) to service_role;

-- Failure policy: closed. Whatever cannot be decided is off, with the code that says why.
create function private.evaluate_flag(
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
revoke execute on function private.evaluate_flag(text, text) from public, anon, authenticated;
grant execute on function private.evaluate_flag(text, text) to service_role;
