-- Settings: flags and other values that change while the system runs, with their history and versioned writes; and
-- the configuration as the edge functions read it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.settings (
  key text primary key constraint settings_key_length check (char_length(key) between 1 and 200),
  value text not null,
  metadata jsonb not null default '{}'
    constraint settings_metadata_object check (jsonb_typeof(metadata) = 'object'),
  version bigint not null,
  updated_at timestamptz not null,
  updated_by text not null,
  -- Nobody could name such a flag, and the kill switch of feature.enabled would be that of all features.
  constraint settings_flag_key check (key not like '%.enabled' or (key ~ '^[^[:cntrl:][:space:].][^[:cntrl:]]*\.enabled$' and key <> 'feature.enabled')),
  -- A typo must be reported, not read as off.
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
  -- Every isolate of every function holds all of this in memory, and reads it again after each change.
  constraint settings_target_user_ids_count check (
    jsonb_typeof(metadata -> 'target_user_ids') is distinct from 'array' or jsonb_array_length(metadata -> 'target_user_ids') <= 20000),
  constraint settings_target_user_ids_length check (
    not jsonb_path_exists(metadata, 'lax $.target_user_ids[*] ? (@ like_regex "^.{201}" flag "s")')),
  constraint settings_value_size check (octet_length(value) <= 100000),
  constraint settings_metadata_size check (octet_length((metadata - 'target_user_ids')::text) <= 100000),
  constraint settings_client check (
    case when not metadata ? 'client' then true
      when jsonb_typeof(metadata -> 'client') <> 'boolean' then false
      -- Flags of the gateway's own features must not be exposed; OWN in _shared/flags/ofrep.ts is the same list.
      else metadata ->> 'client' = 'false' or key !~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$' end),
  constraint settings_salt check (not metadata ? 'salt' or jsonb_typeof(metadata -> 'salt') = 'string'),
  constraint settings_target_segments check (
    case when not metadata ? 'target_segments' then true
      when jsonb_typeof(metadata -> 'target_segments') <> 'array' then false
      else not jsonb_path_exists(metadata, 'strict $.target_segments[*] ? (@.type() != "string")') end),
  constraint settings_prerequisites check (
    case when not metadata ? 'prerequisites' then true
      when jsonb_typeof(metadata -> 'prerequisites') <> 'array' then false
      else not jsonb_path_exists(metadata, 'strict $.prerequisites[*] ? (@.type() != "string")') end),
  -- The cast refuses times that the clock could not read later.
  constraint settings_schedule check (
    case when not metadata ? 'schedule' then true
      when jsonb_typeof(metadata -> 'schedule') <> 'object' then false
      when (metadata -> 'schedule') - array['on_at', 'off_at'] <> '{}' then false
      when jsonb_path_exists(metadata, 'strict $.schedule.* ? (@.type() != "string")') then false
      else concat(metadata #>> '{schedule,on_at}', metadata #>> '{schedule,off_at}')
          ~ '^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)){0,2}$'
        and (metadata #>> '{schedule,on_at}')::timestamptz is distinct from 'infinity'
        and (metadata #>> '{schedule,off_at}')::timestamptz is distinct from 'infinity' end),
  constraint settings_type check (
    not metadata ? 'type' or metadata ->> 'type' in ('boolean', 'string', 'number', 'object')),
  -- With a misspelt role, nobody would have to approve.
  constraint settings_approvers check (
    case when not metadata ? 'approvers' then true
      when jsonb_typeof(metadata -> 'approvers') <> 'array' then false
      else metadata -> 'approvers' <@ '["engineering", "security", "product", "cto"]' end),
  -- A misspelt key would have no effect, and nothing would be purged. Bounds: private.retentions, and clicks.
  constraint settings_retention check (
    case when key not like 'retention.%' then true
      when value !~ '^[0-9]{1,5}$' then false
      else value::integer >= case key when 'retention.event_days' then 8 when 'retention.account_event_days' then 8 when 'retention.word_days' then 1 when 'retention.cron_days' then 1
          when 'retention.mail_days' then 1 when 'retention.media_days' then 1 when 'retention.upload_days' then 1 when 'retention.mail_event_days' then 31 else 2 end
        and key in ('retention.event_days', 'retention.click_days', 'retention.raw_days', 'retention.word_days', 'retention.message_days',
          'retention.decision_days', 'retention.delivery_days', 'retention.outbound_days', 'retention.attribution_days',
          'retention.notification_days', 'retention.announcement_days', 'retention.campaign_days', 'retention.account_event_days', 'retention.report_days', 'retention.contact_days', 'retention.cron_days', 'retention.feedback_days', 'retention.mail_days', 'retention.mail_event_days',
          'retention.media_days', 'retention.upload_days') end),
  -- A text with an unknown placeholder must be refused when it is written, not in the middle of an incident.
  constraint settings_incident_template check (
    case when key not like 'incident\_template.%' then true
      when value !~ '\S' or char_length(value) > 2000 then false
      when key in ('incident_template.incident_channel', 'incident_template.escalation', 'incident_template.rollback_notice')
        then regexp_replace(value, '\{\{(number|title|severity|status|kind|flag|component|opened_at|text|way_back|role|next_update)\}\}', '', 'g')
          !~ '\{\{|\}\}'
      when key in ('incident_template.emergency_rollback', 'incident_template.planned_rollback')
        then regexp_replace(value, '\{\{(number|title|severity|status|kind|flag|component|opened_at|text|way_back|role|next_update|system|outcome|timestamp|impact|minutes|reason|phase_[123]|incident_commander|technical_lead)\}\}', '', 'g')
          !~ '\{\{|\}\}'
      when key in ('incident_template.status_investigating', 'incident_template.status_identified', 'incident_template.status_monitoring',
        'incident_template.status_resolved', 'incident_template.affected_users', 'incident_template.announcement_beta',
        'incident_template.announcement_all')
        then regexp_replace(value, '\{\{(number|title|severity|status|flag|opened_at|text|next_update)\}\}', '', 'g') !~ '\{\{|\}\}'
      else false end),
  constraint settings_one_person_many_roles check (key <> 'gates.one_person_many_roles' or value in ('true', 'false')),
  constraint settings_stale_days check (key <> 'flags.stale_days' or value ~ '^[1-9][0-9]{0,2}$'),
  constraint settings_own_networks check (
    case when key = 'deeplinks.own_networks' then array_remove(regexp_split_to_array(value, E'[\\s,]+'), '')::inet[] is not null else true end),
  constraint settings_own_key check (key <> 'deeplinks.own_key' or value ~ '^([A-Za-z0-9_-]{8,100})?$'),
  -- The second part refuses an unknown zone: each click would fail because of it.
  constraint settings_team_zone check (
    case when key <> 'team.zone' then true
      when value !~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$' then false
      else timestamptz 'epoch' at time zone value is not null end),
  constraint settings_media check (
    case key when 'media.store' then value in ('true', 'false') when 'media.max_mb' then value ~ '^([1-9][0-9]?|100)$'
      when 'media.url_minutes' then value ~ '^[1-9][0-9]{0,3}$' else true end),
  constraint settings_texts check (
    case key when 'texts.files' then value in ('move', 'copy', 'leave') when 'texts.second_try' then value in ('true', 'false')
      else true end),
  constraint settings_campaign_pace check (
    case when key <> 'campaigns.provider_per_minute' then true
      when jsonb_typeof(value::jsonb) <> 'object' then false
      else not jsonb_path_exists(value::jsonb, 'strict $.* ? (@.type() != "number" || @ < 6 || @ > 1000000)') end),
  constraint settings_tracking check (key not in ('email.track', 'email.track_campaigns', 'email.track_unasked') or value in ('off', 'aggregate', 'individual')),
  constraint settings_storage_limit check (key <> 'storage.limit_mb' or value ~ '^[1-9][0-9]{0,8}$'),
  -- A typo must be refused: a claim that failed because of it would stop every delivery,
  constraint settings_forward_retry_seconds check (
    key <> 'forward.retry_seconds' or value ~ '^\[ *[0-9]+(\.[0-9]+)?( *, *[0-9]+(\.[0-9]+)?){0,19} *\]$'),
  -- and every settling of a reply after the window.
  constraint settings_wa_send_window_fallback check (
    case when key = 'wa_send.window_fallback' then coalesce(value::jsonb ->> 'type', '') = 'template' else true end),
  constraint settings_takeover_minutes check (key <> 'takeover.minutes' or value ~ '^(0|[1-9][0-9]{0,3}|[1-3][0-9]{4}|4[0-2][0-9]{3}|43[01][0-9]{2}|43200)$'),
  constraint settings_opt_out_words check (
    case when key not in ('opt_out.stop_words', 'opt_out.start_words') then true
      when jsonb_typeof(value::jsonb) <> 'array' then false
      else not jsonb_path_exists(value::jsonb, 'strict $[*] ? (@.type() != "string")') end),
  -- An empty word would be said by every message.
  constraint settings_feedback_words check (
    case when key not in ('feedback.complaint_words', 'feedback.praise_words') then true
      when jsonb_typeof(value::jsonb) <> 'array' then false
      when jsonb_array_length(value::jsonb) > 100 then false
      else not jsonb_path_exists(value::jsonb, 'strict $[*] ? (@.type() != "string")')
        and not jsonb_path_exists(value::jsonb, 'lax $[*] ? (!(@ like_regex "^\\S(.{0,58}\\S)?$"))') end)
);
comment on table public.settings is
  'Flags and other values read by the running system within seconds of a change. Plain INSERT and UPDATE work; a trigger fills version, updated_at, updated_by and writes settings_history.';
comment on constraint settings_forward_retry_seconds on public.settings is 'A JSON list of 1 to 20 waits in seconds.';
comment on constraint settings_wa_send_window_fallback on public.settings is 'A template message as JSON: nothing else may go when the window is closed.';
comment on constraint settings_incident_template on public.settings is 'A text of at most 2000 characters for a template that there is, with no other placeholders than it may have: _shared/contract/incidents.ts.';
comment on constraint settings_takeover_minutes on public.settings is 'Minutes from 0 to 43200 (30 days).';
comment on constraint settings_opt_out_words on public.settings is 'A JSON list of words; an empty one for none.';
comment on constraint settings_feedback_words on public.settings is 'A JSON list of at most 100 words of 1 to 60 characters, without blanks around them; an empty one for none.';
comment on constraint settings_flag_key on public.settings is
  'The key of a flag has a name before .enabled, without control characters. feature.enabled is none: FEATURE_ENABLED stops every feature.';
comment on constraint settings_one_person_many_roles on public.settings is 'true or false: whether one person may sign a gate in several roles.';
comment on constraint settings_retention on public.settings is 'Days, a whole number, at least what the retention needs; and a retention that there is.';
comment on constraint settings_stale_days on public.settings is '1 to 999 days until a flag that does not change looks done with.';
comment on constraint settings_own_key on public.settings is 'A word of 8 to 100 letters, digits, - and _, or none.';
comment on constraint settings_own_networks on public.settings is 'Addresses and networks, such as 203.0.113.0/24, 2001:db8:1::/48.';
comment on constraint settings_team_zone on public.settings is 'The name of a time zone, such as Europe/Berlin.';
comment on constraint settings_campaign_pace on public.settings is 'Mails a minute by provider, {"sendgrid": 6000}.';
comment on constraint settings_tracking on public.settings is 'off, aggregate or individual.';
comment on constraint settings_storage_limit on public.settings is 'Megabytes, a whole number above 0.';
comment on constraint settings_target_user_ids_count on public.settings is 'A flag names at most 20,000 people; a segment or a percentage is for more.';
comment on constraint settings_target_user_ids_length on public.settings is 'An id has at most 200 characters.';
comment on constraint settings_value_size on public.settings is 'A value has at most 100,000 bytes.';
comment on constraint settings_metadata_size on public.settings is 'Metadata without target_user_ids have at most 100,000 bytes.';
comment on constraint settings_client on public.settings is
  'metadata.client: true or false, whether apps with a publishable key may read the flag; never true for a flag of the gateway''s own.';
comment on constraint settings_approvers on public.settings is
  'metadata.approvers: who has to approve the launch of a flag, any of engineering, security, product, cto.';
comment on column public.settings.key is 'Name. A flag ends in .enabled and takes only true and false.';
comment on column public.settings.value is 'A flag is on when this is exactly true; any other text is off.';
comment on column public.settings.metadata is
  'For flags: rollout_percentage (number 0 to 100 in steps of 0.01), target_user_ids (array of strings: on for these whatever the percentage), target_segments (array of keys of segments: likewise for their members), prerequisites (array of flags that have to be on for the same id), schedule ({on_at, off_at}: when the clock turns it on or off), salt (string, default the key), client (boolean: whether apps with a publishable key may read it, default false), description, launched_at, type (string, number or object: a value that OpenFeature clients may read, not a switch). Without rollout_percentage a flag that is true is on for everybody, or only for its targets where target_user_ids or target_segments is present.';
comment on column public.settings.version is
  'Counts the writes of this key, deletes included. Give the version you read to set_setting.';
comment on column public.settings.updated_at is 'When this row was last written.';
comment on column public.settings.updated_by is 'Who wrote it: a user id, or the database role.';
alter table public.settings enable row level security;
revoke all on public.settings from anon, authenticated, service_role, public;
grant select on public.settings to authenticated, service_role;
create policy settings_read on public.settings for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy settings_read on public.settings is 'The whole team reads settings: nothing in them is secret.';
create trigger bump_config_revision after insert or update or delete on public.settings
  for each statement execute function private.bump_config_revision();
comment on trigger bump_config_revision on public.settings is 'Tells the edge functions to read the configuration again.';
create trigger refuse_truncate before truncate on public.settings
  for each statement execute function private.refuse_change();
comment on trigger refuse_truncate on public.settings is 'Truncating would leave no history; delete instead.';

create table public.settings_history (
  key text not null,
  version bigint not null,
  before jsonb,
  after jsonb,
  changed_at timestamptz not null,
  changed_by text not null,
  reason text,
  gates text constraint settings_history_gates_known check (gates in ('rollout', 'not_asked')),
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
comment on column public.settings_history.gates is
  'For a change that turns a flag on for everybody, now or by schedule: rollout (its start checked the launch gates, or states why not) or not_asked. Null for every other change.';
create index settings_history_changed_at on public.settings_history (changed_at);
comment on index public.settings_history_changed_at is 'What changed lately, over all settings.';
create index settings_history_others_idx on public.settings_history (changed_at) where key not like '%.enabled';
comment on index public.settings_history_others_idx is 'What changed lately besides flags.';
create index settings_history_by_idx on public.settings_history (changed_by, changed_at);
comment on index public.settings_history_by_idx is 'What one person changed.';
alter table public.settings_history enable row level security;
revoke all on public.settings_history from anon, authenticated, service_role, public;
grant select on public.settings_history to authenticated, service_role;
create policy settings_history_read on public.settings_history for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy settings_history_read on public.settings_history is 'The whole team reads who changed what and why.';
create trigger append_only before update or delete or truncate on public.settings_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.settings_history is 'Nobody rewrites history.';

-- Writing -----------------------------------------------------------------------------------------

-- In plpgsql, for segments come in a later file.
create function private.refuse_too_many(p_more bigint, p_except_flag text default null) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_count bigint := p_more;
begin
  v_count := v_count + (
    select coalesce(sum(jsonb_array_length(s.metadata -> 'target_user_ids')), 0) from public.settings s
    where jsonb_typeof(s.metadata -> 'target_user_ids') = 'array' and s.key is distinct from p_except_flag);
  if to_regclass('public.segment_members') is not null then
    v_count := v_count + (select count(*) from public.segment_members);
  end if;
  if v_count > 100000 then
    raise exception 'flags and segments together name at most 100000 people, and this would make them %', v_count using errcode = 'GL422',
      hint = 'Every function holds all of them in memory. Remove segments that no flag targets any more, or use a percentage.';
  end if;
end $$;
comment on function private.refuse_too_many(bigint, text) is
  'Raises GL422 when all targets of flags (but those of p_except_flag, which is being written) and all members of segments, with p_more added, are more than 100,000.';

-- `_shared/links/model/apps.ts` says the same; a test holds both to one table of cases.
create function private.apps_fault(p_value text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_value jsonb;
  v_app jsonb;
  v_at text;
begin
  begin
    v_value := p_value::jsonb;
  exception when data_exception then
    return 'the value is not JSON';
  end;
  if jsonb_typeof(v_value) <> 'object' or v_value - array['ios', 'android'] <> '{}'
    or exists (select from jsonb_each(v_value) e where jsonb_typeof(e.value) <> 'array') then
    return 'the value must be an object with the lists ios and android, and nothing else';
  end if;
  for v_app, v_at in
    select e.value, format('ios[%s]', e.ordinality - 1)
    from jsonb_array_elements(v_value -> 'ios') with ordinality e
  loop
    if jsonb_typeof(v_app) <> 'object' or v_app - array['app_id', 'paths'] <> '{}' then
      return v_at || ' must be an object with app_id and, where wanted, paths';
    elsif jsonb_typeof(v_app -> 'app_id') is distinct from 'string'
      or v_app ->> 'app_id' !~ '^[A-Z0-9]{10}(\.[A-Za-z0-9-]{1,100}){1,10}$' then
      return v_at || '.app_id must be the team id of ten capitals and digits, a dot and the bundle id, like ABCDE12345.com.example.app';
    elsif v_app ? 'paths' and (jsonb_typeof(v_app -> 'paths') <> 'array' or v_app -> 'paths' = '[]'
      or jsonb_path_exists(v_app -> 'paths', 'strict $[*] ? (@.type() != "string")')
      or exists (select from jsonb_array_elements_text(v_app -> 'paths') p where p !~ '^!?[/*][!-~]*$')) then
      return v_at || '.paths must be a list of paths that begin with / or *, after a ! to exclude one';
    end if;
  end loop;
  for v_app, v_at in
    select e.value, format('android[%s]', e.ordinality - 1)
    from jsonb_array_elements(v_value -> 'android') with ordinality e
  loop
    if jsonb_typeof(v_app) <> 'object' or v_app - array['package', 'sha256'] <> '{}' then
      return v_at || ' must be an object with package and sha256';
    elsif jsonb_typeof(v_app -> 'package') is distinct from 'string'
      or v_app ->> 'package' !~ '^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$' then
      return v_at || '.package must be like com.example.app';
    elsif jsonb_typeof(v_app -> 'sha256') is distinct from 'array' or v_app -> 'sha256' = '[]'
      or jsonb_path_exists(v_app -> 'sha256', 'strict $[*] ? (@.type() != "string")')
      or exists (select from jsonb_array_elements_text(v_app -> 'sha256') p where p !~ '^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$') then
      return v_at || '.sha256 must list fingerprints of 32 pairs of hex digits with colons between them, like 14:6D:E9:…';
    end if;
  end loop;
  return null;
end $$;
comment on function private.apps_fault(text) is 'What is wrong with a value of the setting deeplinks.apps; null for nothing.';

create function private.stamp_setting() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and new.key <> old.key then
    raise exception 'a setting cannot be renamed: its history would break' using errcode = '23514';
  end if;
  -- Apple and Google do not report what is wrong with their file: links would simply open no app.
  if new.key = 'deeplinks.apps' and private.apps_fault(new.value) is not null then
    raise exception 'the setting deeplinks.apps is wrong: %', private.apps_fault(new.value) using errcode = '23514',
      hint = 'docs/deploy.md, Apps, shows one that is right.';
  end if;
  -- A key that was deleted and added again continues its version numbers, so a version read before the deletion
  -- never matches the new row.
  new.version := 1 + case tg_op when 'UPDATE' then old.version
    else coalesce((select max(h.version) from public.settings_history h where h.key = new.key), 0) end;
  new.updated_at := clock_timestamp();
  new.updated_by := private.actor();
  if new.metadata -> 'client' = 'true' and (tg_op = 'INSERT' or old.metadata -> 'client' is distinct from 'true')
    and new.key ~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$' then
    raise exception '% is one of the gateway''s own flags, which no app may read', new.key using errcode = 'GL422',
      hint = 'Give the app a flag of its own that says what it needs to know.';
  end if;
  -- Unchanged lists are not checked again: a rollback must not depend on what was accepted before.
  if jsonb_typeof(new.metadata -> 'target_user_ids') = 'array'
    and (tg_op = 'INSERT' or new.metadata -> 'target_user_ids' is distinct from old.metadata -> 'target_user_ids') then
    if exists (select from jsonb_array_elements_text(new.metadata -> 'target_user_ids') as i (id) where i.id <> private.subject_id(i.id)) then
      new.metadata := jsonb_set(new.metadata, '{target_user_ids}', (
        select to_jsonb(array_agg(i.id order by i.first)) from (
          select private.subject_id(e.id) as id, min(e.place) as first
          from jsonb_array_elements_text(new.metadata -> 'target_user_ids') with ordinality as e (id, place) group by 1) i));
    end if;
    if jsonb_array_length(new.metadata -> 'target_user_ids') > 20000 then
      raise exception 'a flag has at most 20000 target ids, and % would have %', new.key, jsonb_array_length(new.metadata -> 'target_user_ids')
        using errcode = 'GL422', hint = 'Target segments of up to 10000 members each, or use a percentage.';
    end if;
    perform private.refuse_too_many(jsonb_array_length(new.metadata -> 'target_user_ids'), new.key);
  end if;
  return new;
end $$;
comment on function private.stamp_setting() is
  'Trigger, before insert or update of settings: fills version, updated_at and updated_by, whatever the statement says, writes target ids as flags compare them, keeps all targets together within what the functions can hold, and refuses a wrong deeplinks.apps.';
create trigger stamp before insert or update on public.settings
  for each row execute function private.stamp_setting();
comment on trigger stamp on public.settings is 'Version, time and author of each write.';

create function private.opens_to_everybody(p_value text, p_metadata jsonb) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select coalesce((p_value = 'true' or p_metadata -> 'schedule' ? 'on_at')
    and case when p_metadata ? 'rollout_percentage' then (p_metadata ->> 'rollout_percentage')::numeric = 100
      else not p_metadata ?| array['target_user_ids', 'target_segments'] end, false)
$$;
comment on function private.opens_to_everybody(text, jsonb) is
  'Whether a flag with this value and metadata is on for everybody, or will be when the clock turns it on; its prerequisites aside.';

create function private.record_setting() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.settings_history (key, version, before, after, changed_at, changed_by, reason, gates)
  values (
    coalesce(new.key, old.key),
    coalesce(new.version, old.version + 1),
    case when tg_op <> 'INSERT' then jsonb_build_object('value', old.value, 'metadata', old.metadata) end,
    case when tg_op <> 'DELETE' then jsonb_build_object('value', new.value, 'metadata', new.metadata) end,
    coalesce(new.updated_at, clock_timestamp()),
    private.actor(),
    nullif(current_setting('gatelink.reason', true), ''),
    case when new.key like '%.enabled' and private.opens_to_everybody(new.value, new.metadata)
      and not private.opens_to_everybody(old.value, old.metadata)
      then coalesce(nullif(current_setting('gatelink.gates', true), ''), 'not_asked') end);
  return null;
end $$;
comment on function private.record_setting() is
  'Trigger, after insert, update or delete of settings: writes settings_history.';
create trigger record after insert or update or delete on public.settings
  for each row execute function private.record_setting();
comment on trigger record on public.settings is 'A row of history for each write.';

create function private.given_reason(p_reason text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if btrim(p_reason, E' \t\n\r') = '' then
    raise exception 'a reason must say something' using errcode = 'GL422', hint = 'Say why, or leave it out (null).';
  end if;
  return btrim(p_reason, E' \t\n\r');
end $$;
comment on function private.given_reason(text) is 'A reason without the blanks around it; null for none. GL422 for one of blanks alone.';

create function private.without_database(p_key text) returns text
language sql immutable set search_path = '' as $$
  select case when p_key like '%.enabled'
    then format('Turn it off without the database: gatelink rollback 2 %s --why "…".', p_key) else 'Try again when it is over.' end
$$;
comment on function private.without_database(text) is 'What to do about a setting that cannot be written now, in a sentence.';

create function private.require_flag_key(p_key text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if p_key like '%.enabled' and p_key !~ '^[a-z0-9][a-z0-9._-]*\.enabled$' or p_key = 'feature.enabled' then
    raise exception '% cannot be the key of a flag', p_key using errcode = 'GL422',
      hint = 'Lower case letters, digits, dots, dashes and underscores before .enabled, and not feature.enabled: that switch stops everything.';
  end if;
end $$;
comment on function private.require_flag_key(text) is
  'Refuses a new flag whose key the command line or a kill switch could not use: GL422. Plain SQL may still create it, for OpenFeature clients that use such a key.';

create function public.set_setting(
  p_key text, p_value text, p_metadata jsonb, p_expected_version bigint, p_reason text default null
) returns public.settings
language plpgsql volatile security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_reason text := current_setting('gatelink.reason', true);
  v_setting public.settings;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), v_reason, ''), true);
  if p_expected_version = 0 then
    perform private.require_flag_key(p_key);
    insert into public.settings (key, value, metadata) values (p_key, p_value, coalesce(p_metadata, '{}'))
    on conflict (key) do nothing returning * into v_setting;
  else
    begin
      update public.settings set value = p_value, metadata = coalesce(p_metadata, metadata)
      where key = p_key and version = p_expected_version returning * into v_setting;
    exception when lock_not_available then
      perform private.refuse_locked('the setting ' || p_key, array['public.settings'], private.without_database(p_key));
    end;
  end if;
  perform set_config('gatelink.reason', coalesce(v_reason, ''), true);
  if v_setting.key is null then
    raise exception 'setting % is at version %, not %', p_key,
      coalesce((select s.version from public.settings s where s.key = p_key), 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  if exists (
    select from public.settings_history h
    where h.key = p_key and h.version = v_setting.version and h.gates = 'not_asked' and h.reason is null) then
    raise exception '% for everybody without its launch gates needs a reason', p_key using errcode = 'GL422',
      hint = 'Say why, or plan a rollout: create_rollout. Both are kept.';
  end if;
  return v_setting;
end $$;
comment on function public.set_setting(text, text, jsonb, bigint, text) is
  'Writes a setting if it is still at the version the caller read (0: it must not exist yet) and returns the new row. Null keeps the metadata. For operators and secret keys. Errors: 42501 not allowed, GL409 it was changed in the meantime, GL422 an invalid key for a flag, a blank reason, no reason for a flag that is now on for everybody, or too many targets, GL423 another transaction (named in the error) holds the row, 23514 invalid value, with the constraint''s name.';

-- Reading -----------------------------------------------------------------------------------------

-- In json and not jsonb: jsonb_agg of values that hold 20,000 elements takes 10 s, json_agg 10 ms (Postgres 17).
create function private.config_settings() returns json
language sql stable set search_path = '' as $$
  select coalesce(
    json_agg(
      json_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      order by s.key),
    '[]')
  from public.settings s
$$;
comment on function private.config_settings() is
  'All settings as [{key, value, metadata, version}]: the settings part of load_config.';

-- In plpgsql, which looks names up when it runs: segments, routes and destinations come in later files. The caller waits
-- for 2 s; what went on waiting for a lock behind its back would keep the connections that the ways back need.
create function public.load_config(p_revision bigint default null) returns json
language plpgsql stable set search_path = '' set lock_timeout = '1500ms' as $$
declare
  v_revision bigint;
begin
  perform private.refuse_older_code();
  select c.revision into v_revision from private.config_now() c;
  if v_revision = p_revision then
    return json_build_object('revision', v_revision, 'unchanged', true);
  end if;
  return json_build_object(
    'revision', v_revision,
    'settings', private.config_settings(),
    'segments', private.config_segments(),
    'routes', (
      select coalesce(json_agg(json_build_object(
        'id', r.id, 'name', r.name, 'priority', r.priority, 'condition', r.condition, 'mode', r.mode,
        'destination_ids', (
          select coalesce(json_agg(d.destination_id order by d.position), '[]') from public.route_destinations d
          where d.route_id = r.id),
        'flag_key', r.flag_key, 'sticky_minutes', r.sticky_minutes, 'active', r.active,
        'channels', r.channels) order by r.priority, r.id), '[]')
      from public.routes r),
    'destinations', (
      select coalesce(json_agg(json_build_object('id', d.id, 'name', d.name, 'kind', d.kind, 'url', d.url, 'state', d.state,
        'circuit_open', d.circuit_trips > 0, 'when_taken', d.when_taken) order by d.name), '[]')
      from public.destinations d where d.removed_at is null),
    'allowlist', (
      select coalesce(json_agg(json_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a));
end $$;
comment on function public.load_config(bigint) is 'What the edge functions keep in memory: {revision, settings, segments, routes, destinations, allowlist}, or {revision, unchanged: true} when the caller has that revision.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.refuse_too_many(bigint, text),
  private.config_settings(),
  public.load_config(bigint)
  to service_role;
grant execute on function
  public.set_setting(text, text, jsonb, bigint, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000200');
