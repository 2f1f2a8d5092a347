-- Rollouts: a plan is data, checked here and in _shared/rollouts/plan.ts; position and events are rows.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.rollouts (
  id uuid constraint rollouts_pkey primary key default private.uuid_v7(),
  flag_key text not null constraint rollouts_flag_key check (flag_key like '%.enabled'),
  plan text not null,
  state text not null default 'draft'
    constraint rollouts_state_known check (state in ('draft', 'running', 'paused', 'completed', 'rolled_back')),
  stage integer not null default 0,
  stage_started_at timestamptz,
  hold_reason text,
  setting_version bigint,
  guard jsonb,
  checkpoint jsonb,
  checkpoint_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  created_by text not null default private.actor(),
  started_at timestamptz,
  finished_at timestamptz
) with (fillfactor = 70);
comment on table public.rollouts is 'How a flag goes live: which plan, where it stands, and what the guard remembers.';
comment on constraint rollouts_pkey on public.rollouts is 'A rollout is named by its id.';
comment on column public.rollouts.id is 'UUID v7.';
comment on column public.rollouts.flag_key is 'The flag. It may be removed after the launch; the rollout stays as its record.';
comment on column public.rollouts.plan is 'Name of the plan: standard, canary, replies, masking, or what the plan calls itself.';
comment on column public.rollouts.state is
  'draft (not started), running, paused (stays where it is; the guard still watches), completed, rolled_back.';
comment on column public.rollouts.stage is 'Position of the stage, from 1; 0 before the start.';
comment on column public.rollouts.stage_started_at is 'When the stage began.';
comment on column public.rollouts.hold_reason is
  'Why the last verdict was to hold: silent, control_silent, sample_ratio, hold_time, no_data, samples, error_rate, p95, paused, kill_switch, incident, proof (something that messages_proof finds is missing), overdue, or a signal: complaints, people, guardrail, guardrail_unclear, goal, share, ratings, feedback.';
comment on column public.rollouts.setting_version is
  'Version of the flag that the rollout last wrote or accepted: another one means that somebody else wrote.';
comment on column public.rollouts.guard is 'What the guard has added up; see _shared/rollouts/guard.ts.';
comment on column public.rollouts.checkpoint is
  'The same at the last event that holds evidence: the next event''s evidence begins there.';
comment on column public.rollouts.checkpoint_at is 'When that was.';
comment on column public.rollouts.version is
  'Grows with each change that people or the guard make. Give the version you read to the functions that change it.';
comment on column public.rollouts.created_at is 'When it was planned.';
comment on column public.rollouts.created_by is 'Who planned it: a user id, or the database role.';
comment on column public.rollouts.started_at is 'When it was started.';
comment on column public.rollouts.finished_at is 'When it was completed or rolled back.';
create unique index rollouts_one_running_idx on public.rollouts (flag_key) where state in ('running', 'paused');
comment on index public.rollouts_one_running_idx is 'A flag has one rollout under way at most.';
create index rollouts_flag_idx on public.rollouts (flag_key, created_at);
comment on index public.rollouts_flag_idx is 'A flag''s rollouts.';
alter table public.rollouts enable row level security;
revoke all on public.rollouts from anon, authenticated, service_role, public;
grant select on public.rollouts to authenticated, service_role;
create policy rollouts_read on public.rollouts for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollouts_read on public.rollouts is 'The whole team follows the rollouts.';

create table public.rollout_stages (
  rollout_id uuid not null references public.rollouts (id) on delete restrict,
  position integer not null,
  name text not null,
  percentage numeric(5, 2) not null,
  user_ids text[] not null default '{}',
  segments text[] not null default '{}',
  users integer constraint rollout_stages_users check (users between 1 and 10000),
  among text[] not null default '{}',
  chosen text[] not null default '{}',
  hold_minutes integer not null,
  min_samples integer not null,
  overdue_minutes integer,
  advance_when jsonb not null,
  roll_back_when jsonb not null,
  first_day jsonb,
  metrics jsonb not null default '[]',
  entered_at timestamptz,
  left_at timestamptz,
  constraint rollout_stages_pkey primary key (rollout_id, position)
);
comment on table public.rollout_stages is 'The stages of a rollout''s plan, and when it was in them.';
comment on constraint rollout_stages_pkey on public.rollout_stages is 'The order of a rollout''s stages.';
comment on column public.rollout_stages.rollout_id is 'The rollout.';
comment on column public.rollout_stages.position is 'From 1.';
comment on column public.rollout_stages.name is 'What people call it.';
comment on column public.rollout_stages.percentage is 'How many have the flag, in percent.';
comment on column public.rollout_stages.user_ids is 'Who has it besides; they keep it in the stages after.';
comment on column public.rollout_stages.segments is 'Segments that have it besides; they keep it in the stages after.';
comment on column public.rollout_stages.users is 'How many people have it besides, chosen when the stage begins; null for none. Those of earlier stages are among them, and they keep it in the stages after.';
comment on column public.rollout_stages.among is 'Segments among whose members they are chosen; empty: among the people who wrote within 90 days.';
comment on column public.rollout_stages.chosen is 'Who was chosen, in the order in which they are: by the hash that percentages go by.';
comment on column public.rollout_stages.hold_minutes is 'How long it lasts at least.';
comment on column public.rollout_stages.min_samples is 'How many outcomes it needs at least.';
comment on column public.rollout_stages.overdue_minutes is 'After how long somebody is to look; null for never.';
comment on column public.rollout_stages.advance_when is
  'Success criteria: no_errors, error_rate_below, p95_ms_below, complaints_at_most, positive_share_above with min_ratings.';
comment on column public.rollout_stages.roll_back_when is
  'Triggers: error_rate_above and p95_ms_above by sequential test, plain thresholds over the last minutes, complaints_above.';
comment on column public.rollout_stages.first_day is
  'Tighter triggers for the first 24 hours of the stage, in the place of those of roll_back_when: error_rate_above, p95_ms_above, complaints_above. Null for none.';
comment on column public.rollout_stages.metrics is
  'What business metrics may do: [{name, max_fall, max_rise, then, min_people, by, at_least_per_day, of, share_above, share_below, back_below, back_above, at_most_per_hour}].';
comment on column public.rollout_stages.entered_at is 'When it began; null before.';
comment on column public.rollout_stages.left_at is 'When it ended; null before.';
alter table public.rollout_stages enable row level security;
revoke all on public.rollout_stages from anon, authenticated, service_role, public;
grant select on public.rollout_stages to authenticated, service_role;
create policy rollout_stages_read on public.rollout_stages for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollout_stages_read on public.rollout_stages is 'The whole team follows the rollouts.';

-- Notifications, the panel and the command line have sentences: contract/words/rollouts.ts.
create function private.event_message(p_kind text, p_rule text, p_figures jsonb) returns text
language sql immutable parallel safe set search_path = '' as $$
  select p_kind || coalesce(': ' || p_rule, '')
    || coalesce((select ' (' || string_agg(f.key || ' ' || f.value::text, ', ' order by f.key) || ')' from jsonb_each(p_figures) f
      where jsonb_typeof(f.value) = 'number'), '')
$$;
comment on function private.event_message(text, text, jsonb) is 'An event of a rollout in one line, for people who read the table: kind, rule and numbers, no names.';

create table public.rollout_events (
  id uuid constraint rollout_events_pkey primary key default private.uuid_v7(),
  rollout_id uuid not null references public.rollouts (id) on delete restrict,
  at timestamptz not null,
  kind text not null constraint rollout_events_kind_known check (kind in (
    'created', 'started', 'advanced', 'held', 'checked', 'paged', 'paused', 'resumed', 'rolled_back', 'completed')),
  stage integer not null,
  verdict text constraint rollout_events_verdict_known check (verdict in ('advance', 'hold', 'roll_back', 'page')),
  rule text,
  figures jsonb not null default '{}',
  message text generated always as (private.event_message(kind, rule, figures)) stored,
  evidence jsonb,
  rollout_version bigint not null,
  setting_version bigint,
  actor text not null default private.actor(),
  reason text
);
comment on table public.rollout_events is
  'All that happened to a rollout, with the evidence. Only grows: update, delete and truncate are refused to every role.';
comment on constraint rollout_events_pkey on public.rollout_events is 'An event is named by its id.';
comment on column public.rollout_events.id is 'UUID v7.';
comment on column public.rollout_events.rollout_id is 'The rollout.';
comment on column public.rollout_events.at is 'When it was decided.';
comment on column public.rollout_events.kind is
  'created, started, advanced, held (should have gone on and could not), checked (a record of what the guard saw), paged, paused, resumed, rolled_back, completed.';
comment on column public.rollout_events.stage is 'The stage in which it happened, from 1; 0 before the start.';
comment on column public.rollout_events.verdict is 'What the guard said; null where a person acted.';
comment on column public.rollout_events.rule is 'By which rule, such as error_rate_relative or samples.';
comment on column public.rollout_events.figures is
  'What belongs to the event: names, numbers and limits. _shared/contract/words/rollouts.ts makes a sentence of it with kind, rule and verdict.';
comment on column public.rollout_events.message is 'Kind, rule and the numbers of figures in one line.';
comment on column public.rollout_events.evidence is
  'What the verdict can be recomputed from: {guard, stage, watch, criteria, started_ms, now_ms, before, minutes, path, after, alarm, progress}; of a start, what the launch gates said.';
comment on column public.rollout_events.rollout_version is 'The version of the rollout that it made.';
comment on column public.rollout_events.setting_version is 'The version of the flag after it.';
comment on column public.rollout_events.actor is 'Who acted: a user id, or the database role (the clock''s for the guard).';
comment on column public.rollout_events.reason is 'Why, where a person acted.';
create index rollout_events_rollout_idx on public.rollout_events (rollout_id, at);
comment on index public.rollout_events_rollout_idx is 'A rollout''s history; serves the foreign key.';
create index rollout_events_at_idx on public.rollout_events (at) where kind <> 'checked';
comment on index public.rollout_events_at_idx is 'What happened lately, over all rollouts.';
alter table public.rollout_events enable row level security;
revoke all on public.rollout_events from anon, authenticated, service_role, public;
grant select on public.rollout_events to authenticated, service_role;
create policy rollout_events_read on public.rollout_events for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollout_events_read on public.rollout_events is 'The whole team follows the rollouts.';
create trigger append_only before update or delete or truncate on public.rollout_events
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.rollout_events is 'Nobody rewrites evidence.';

-- Plans -------------------------------------------------------------------------------------------

create function private.is_number(p_value jsonb, p_from numeric, p_to numeric, p_scale integer default 1000) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(jsonb_typeof(p_value) = 'number' and (p_value #>> '{}')::numeric between p_from and p_to
    and scale(trim_scale((p_value #>> '{}')::numeric)) <= p_scale, false)
$$;
comment on function private.is_number(jsonb, numeric, numeric, integer) is
  'Whether a JSON value is a number of this range with at most so many decimals.';

create function private.is_text_list(p_value jsonb, p_most integer) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select case when jsonb_typeof(p_value) <> 'array' then false
    else jsonb_array_length(p_value) <= p_most and not exists (
      select from jsonb_array_elements(p_value) e
      where jsonb_typeof(e) <> 'string' or char_length(e #>> '{}') not between 1 and 200) end
$$;
comment on function private.is_text_list(jsonb, integer) is
  'Whether a JSON value is a list of at most so many strings of 1 to 200 characters.';

create function private.is_edge(p_value jsonb) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(jsonb_typeof(p_value) = 'number'
    and (p_value #>> '{}')::numeric = any (private.latency_edges()::numeric[]), false)
$$;
comment on function private.is_edge(jsonb) is 'Whether a JSON value is one of the latencies that are counted exactly.';

create function private.object_keys_within(p_value jsonb, p_keys text[]) returns boolean
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(jsonb_typeof(p_value) = 'object' and p_value - p_keys = '{}', false)
$$;
comment on function private.object_keys_within(jsonb, text[]) is 'Whether a JSON value is an object with no other members than these.';

create function private.rollout_metric_is_sound(p_metric jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select private.object_keys_within(p_metric,
      array['name', 'max_fall', 'max_rise', 'then', 'min_people', 'by', 'at_least_per_day', 'of', 'share_above', 'share_below', 'back_below',
        'back_above', 'at_most_per_hour'])
    and coalesce(p_metric ->> 'name' ~ '^[a-z][a-z0-9_.]{0,59}$', false) and jsonb_typeof(p_metric -> 'name') = 'string'
    and (p_metric ? 'max_fall' or p_metric ? 'max_rise' or p_metric ? 'at_least_per_day' or p_metric ? 'of' or p_metric ? 'at_most_per_hour')
    and (not p_metric ? 'max_fall' or private.is_number(p_metric -> 'max_fall', 0, 0.9))
    and (not p_metric ? 'max_rise' or private.is_number(p_metric -> 'max_rise', 0, 9))
    and (p_metric ? 'max_fall' or p_metric ? 'max_rise') >= (p_metric ? 'then' or p_metric ? 'min_people')
    and (p_metric ? 'of') = (p_metric ? 'share_above' or p_metric ? 'share_below' or p_metric ? 'back_below' or p_metric ? 'back_above')
    and (not p_metric ? 'of' or coalesce(p_metric ->> 'of' ~ '^[a-z][a-z0-9_.]{0,59}$', false) and jsonb_typeof(p_metric -> 'of') = 'string')
    and (not p_metric ? 'share_above' or private.is_number(p_metric -> 'share_above', 0, 0.9999))
    and (not p_metric ? 'share_below' or private.is_number(p_metric -> 'share_below', 0.0001, 1))
    and (not p_metric ? 'back_below' or private.is_number(p_metric -> 'back_below', 0.0001, 0.9999)
      and coalesce(p_metric -> 'back_below' <= p_metric -> 'share_above', true))
    and (not p_metric ? 'back_above' or private.is_number(p_metric -> 'back_above', 0.0001, 0.9999)
      and coalesce(p_metric -> 'back_above' >= p_metric -> 'share_below', true))
    and (not p_metric ? 'at_most_per_hour' or private.is_number(p_metric -> 'at_most_per_hour', 0, 1000000, 0))
    and (not p_metric ? 'then' or p_metric -> 'then' in ('"roll_back"', '"hold"'))
    and (not p_metric ? 'min_people' or private.is_number(p_metric -> 'min_people', 0, 10000000, 0))
    and (not p_metric ? 'by' or p_metric -> 'by' in ('"people"', '"value"'))
    and (not p_metric ? 'at_least_per_day' or private.is_number(p_metric -> 'at_least_per_day', 0, 1000000000))
$$;
comment on function private.rollout_metric_is_sound(jsonb) is 'Whether a stage of a plan can ask for this of a business metric.';

-- One row a rule: where it applies, what it says, and whether it is broken there.
create function private.rollout_stage_faults(p_stage jsonb) returns setof text
language sql immutable set search_path = '' as $$
  select f.fault
  from (select p_stage -> 'advance_when' as go, p_stage -> 'roll_back_when' as back,
    p_stage #> '{roll_back_when,plain}' as plain,
    p_stage -> 'first_day' as day) s
  cross join lateral (values
    (private.object_keys_within(p_stage, array['name', 'percentage', 'user_ids', 'segments', 'users', 'among', 'hold_minutes', 'min_samples',
      'overdue_minutes', 'advance_when', 'roll_back_when', 'first_day', 'metrics']), 'a stage has other members than it may'),
    (coalesce(jsonb_typeof(p_stage -> 'name') = 'string' and char_length(p_stage ->> 'name') between 1 and 60, false),
      'name: 1 to 60 characters'),
    (private.is_number(p_stage -> 'percentage', 0, 100, 2), 'percentage: 0 to 100 in steps of 0.01'),
    (not p_stage ? 'user_ids' or private.is_text_list(p_stage -> 'user_ids', 1000), 'user_ids: at most 1000 ids'),
    (not p_stage ? 'segments' or private.is_text_list(p_stage -> 'segments', 20), 'segments: at most 20 keys'),
    (p_stage -> 'percentage' <> '0' or p_stage ? 'users' or coalesce(p_stage -> 'user_ids', '[]') <> '[]' or coalesce(p_stage -> 'segments', '[]') <> '[]',
      'percentage: a stage at 0 % needs user_ids, segments or users'),
    (not p_stage ? 'users' or private.is_number(p_stage -> 'users', 1, 10000, 0), 'users: 1 to 10000'),
    (not p_stage ? 'users' or p_stage -> 'percentage' = '0', 'users: a stage of so many people has percentage 0'),
    (not p_stage ? 'among' or private.is_text_list(p_stage -> 'among', 20), 'among: at most 20 keys of segments'),
    (not p_stage ? 'among' or p_stage ? 'users', 'among: only with users'),
    (private.is_number(p_stage -> 'hold_minutes', 1, 129600, 0), 'hold_minutes: 1 to 129600'),
    (private.is_number(p_stage -> 'min_samples', 0, 10000000, 0), 'min_samples: 0 to 10000000'),
    (not p_stage ? 'overdue_minutes' or (private.is_number(p_stage -> 'overdue_minutes', 1, 259200, 0)
      and p_stage -> 'overdue_minutes' > p_stage -> 'hold_minutes'), 'overdue_minutes: more than hold_minutes, at most 259200'),
    (private.object_keys_within(s.go, array['no_errors', 'error_rate_below', 'p95_ms_below', 'complaints_at_most', 'positive_share_above', 'min_ratings']),
      'advance_when: no_errors, error_rate_below, p95_ms_below, complaints_at_most, positive_share_above, min_ratings'),
    (not coalesce(s.go ? 'complaints_at_most', false) or private.is_number(s.go -> 'complaints_at_most', 0, 10000, 0),
      'advance_when.complaints_at_most: 0 to 10000'),
    (not coalesce(s.go ? 'positive_share_above', false) or private.is_number(s.go -> 'positive_share_above', 0, 0.99),
      'advance_when.positive_share_above: 0 to 0.99'),
    (not coalesce(s.go ? 'min_ratings', false) or private.is_number(s.go -> 'min_ratings', 1, 10000, 0),
      'advance_when.min_ratings: 1 to 10000'),
    (coalesce(s.go ? 'positive_share_above' = s.go ? 'min_ratings', true),
      'advance_when.min_ratings: together with positive_share_above'),
    (coalesce(s.go -> 'complaints_at_most' <= s.back -> 'complaints_above', true),
      'advance_when.complaints_at_most: not above roll_back_when.complaints_above'),
    (not coalesce(s.go ? 'no_errors', false) or s.go -> 'no_errors' = 'true', 'advance_when.no_errors: true, or left out'),
    (not coalesce(s.go ? 'error_rate_below', false) or private.is_number(s.go -> 'error_rate_below', 0.00001, 0.99),
      'advance_when.error_rate_below: 0.00001 to 0.99'),
    (not coalesce(s.go ? 'p95_ms_below', false) or private.is_edge(s.go -> 'p95_ms_below'),
      'advance_when.p95_ms_below: one of the latencies that are counted'),
    (private.object_keys_within(s.back, array['error_rate_above', 'p95_ms_above', 'plain', 'complaints_above']) and s.back - 'complaints_above' <> '{}',
      'roll_back_when: at least one of error_rate_above, p95_ms_above, plain'),
    (not coalesce(s.back ? 'complaints_above', false) or private.is_number(s.back -> 'complaints_above', 0, 10000, 0),
      'roll_back_when.complaints_above: 0 to 10000'),
    (not p_stage ? 'first_day' or private.object_keys_within(s.day, array['error_rate_above', 'p95_ms_above', 'complaints_above']) and s.day <> '{}',
      'first_day: at least one of error_rate_above, p95_ms_above, complaints_above'),
    (not coalesce(s.day ? 'error_rate_above', false) or private.is_number(s.day -> 'error_rate_above', 0.00001, 0.5)
      and coalesce(s.day -> 'error_rate_above' <= s.back -> 'error_rate_above', false),
      'first_day.error_rate_above: not above roll_back_when.error_rate_above, which must be there'),
    (not coalesce(s.day ? 'p95_ms_above', false) or private.is_edge(s.day -> 'p95_ms_above')
      and coalesce(s.day -> 'p95_ms_above' <= s.back -> 'p95_ms_above', false),
      'first_day.p95_ms_above: one of the latencies that are counted, not above roll_back_when.p95_ms_above, which must be there'),
    (not coalesce(s.day ? 'complaints_above', false) or private.is_number(s.day -> 'complaints_above', 0, 10000, 0)
      and coalesce(s.day -> 'complaints_above' <= s.back -> 'complaints_above', false),
      'first_day.complaints_above: not above roll_back_when.complaints_above, which must be there'),
    (case when not p_stage ? 'metrics' then true when jsonb_typeof(p_stage -> 'metrics') <> 'array' then false
      else jsonb_array_length(p_stage -> 'metrics') between 1 and 10 and not exists (
        select from jsonb_array_elements(p_stage -> 'metrics') m where private.rollout_metric_is_sound(m) is not true) end,
      'metrics: 1 to 10 of {name, max_fall, max_rise, at_least_per_day, at_most_per_hour, or of with share_above, share_below, back_below or back_above; then (roll_back or hold), min_people, by (people or value)}'),
    (not p_stage ? 'metrics' or (p_stage -> 'percentage' > '0' and p_stage -> 'percentage' < '100')
      or not jsonb_path_exists(p_stage, 'lax $.metrics[*] ? (exists(@.max_fall) || exists(@.max_rise))'),
      'metrics: max_fall and max_rise need people with and without the feature: a percentage between 0 and 100'),
    (not coalesce(s.back ? 'error_rate_above', false) or private.is_number(s.back -> 'error_rate_above', 0.00001, 0.5),
      'roll_back_when.error_rate_above: 0.00001 to 0.5'),
    (not coalesce(s.back ? 'p95_ms_above', false) or private.is_edge(s.back -> 'p95_ms_above'),
      'roll_back_when.p95_ms_above: one of the latencies that are counted'),
    (not coalesce(s.back ? 'plain', false) or (
      private.object_keys_within(s.plain, array['minutes', 'min_samples', 'error_rate_above', 'mean_ms_above'])
      and private.is_number(s.plain -> 'minutes', 1, 60, 0) and private.is_number(s.plain -> 'min_samples', 1, 1000000, 0)
      and (s.plain ? 'error_rate_above' or s.plain ? 'mean_ms_above')
      and (not s.plain ? 'error_rate_above' or private.is_number(s.plain -> 'error_rate_above', 0.00001, 0.99))
      and (not s.plain ? 'mean_ms_above' or private.is_number(s.plain -> 'mean_ms_above', 1, 60000))),
      'roll_back_when.plain: minutes (1 to 60), min_samples, and error_rate_above or mean_ms_above'),
    (coalesce(s.go -> 'error_rate_below' <= s.back -> 'error_rate_above', true),
      'advance_when.error_rate_below: not above roll_back_when.error_rate_above'),
    (coalesce(s.go -> 'p95_ms_below' <= s.back -> 'p95_ms_above', true),
      'advance_when.p95_ms_below: not above roll_back_when.p95_ms_above')
  ) as f (kept, fault)
  where f.kept is not true
$$;
comment on function private.rollout_stage_faults(jsonb) is 'What is wrong with one stage of a plan; nothing when it is sound.';

create function private.rollout_plan_faults(p_plan jsonb) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  v_faults text[];
begin
  if not private.object_keys_within(p_plan, array['name', 'stages'])
    or (p_plan ? 'name' and not coalesce(jsonb_typeof(p_plan -> 'name') = 'string' and char_length(p_plan ->> 'name') between 1 and 60, false))
    or jsonb_typeof(p_plan -> 'stages') is distinct from 'array'
    or jsonb_array_length(p_plan -> 'stages') not between 1 and 20 then
    return array['a plan has a name of 1 to 60 characters, or none, and 1 to 20 stages'];
  end if;
  select array_agg(format('stages.%s: %s', s.i - 1, f.fault) order by s.i) into v_faults
  from jsonb_array_elements(p_plan -> 'stages') with ordinality as s (stage, i), private.rollout_stage_faults(s.stage) as f (fault);
  if v_faults is not null then
    return v_faults;
  end if;
  select array_agg(r.fault) into v_faults
  from (
    select count(distinct s.stage ->> 'name') = count(*) as names,
      bool_and(s.percentage >= s.before) as grows, max(s.percentage) = 100 as ends, bool_and(s.users > s.fewer) as more,
      bool_and(s.users is null or s.before = 0) as first
    from (
      select e.stage, (e.stage ->> 'percentage')::numeric as percentage,
        lag((e.stage ->> 'percentage')::numeric, 1, 0) over (order by e.i) as before, (e.stage ->> 'users')::integer as users,
        max((e.stage ->> 'users')::integer) over (order by e.i rows between unbounded preceding and 1 preceding) as fewer
      from jsonb_array_elements(p_plan -> 'stages') with ordinality as e (stage, i)
    ) s
  ) p
  cross join lateral (values
    (p.names, 'stages: two stages have the same name'),
    (p.grows, 'stages: percentages must not decrease'),
    (p.ends, 'stages: the last stage must be 100 %'),
    (coalesce(p.more, true), 'stages: users must grow'),
    (coalesce(p.first, true), 'stages: users come before percentages')
  ) as r (kept, fault)
  where r.kept is not true;
  return coalesce(v_faults, '{}');
end $$;
comment on function private.rollout_plan_faults(jsonb) is
  'What is wrong with a plan {name, stages: [{name, percentage, user_ids, segments, users, among, hold_minutes, min_samples, overdue_minutes, advance_when, roll_back_when, first_day, metrics}]}; empty when it is sound. See docs/rollouts.md.';

-- The plan of mails to chats in its phases, each under the flag of its own feature.
create function private.mail_template(p_name text, p_user_ids jsonb, p_segments jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('name', p_name, 'stages', jsonb_agg(
    jsonb_build_object('name', t.name, 'percentage', t.percentage, 'hold_minutes', t.days * 1440, 'min_samples', t.samples,
      'overdue_minutes', 2 * t.days * 1440, 'advance_when', t.go, 'roll_back_when', t.back)
      || case when t.metrics is not null then jsonb_build_object('metrics', t.metrics) else '{}' end
      || case when t.percentage = 0 then jsonb_strip_nulls(jsonb_build_object('user_ids', coalesce(p_user_ids,
        case when p_segments is null and p_name = 'dynamic-routing' then '["type:alert", "type:incident"]'::jsonb end),
        'segments', p_segments)) else '{}' end
    order by t.i))
  from (values
    -- Delivery above 99.9 %, back below 99.5 % or at more than five routing errors an hour. Mail that goes to the former system
    -- is not seen here, so nothing is compared.
    ('mail-routing', 1, '10 %', 10, 4, 300, '{"p95_ms_below": 5000}'::jsonb,
      '{"error_rate_above": 0.005}'::jsonb, '[{"name": "mail.route_failed", "at_most_per_hour": 5}, {"name": "mail.card_failed", "of": "mail.card", "share_below": 0.001, "back_above": 0.005}]'::jsonb),
    ('mail-routing', 2, '50 %', 50, 3, 300, '{"p95_ms_below": 5000}', '{"error_rate_above": 0.005}',
      '[{"name": "mail.route_failed", "at_most_per_hour": 5}, {"name": "mail.card_failed", "of": "mail.card", "share_below": 0.001, "back_above": 0.005}]'),
    ('mail-routing', 3, '100 %', 100, 4, 300, '{"p95_ms_below": 5000}', '{"error_rate_above": 0.005}',
      '[{"name": "mail.route_failed", "at_most_per_hour": 5}, {"name": "mail.card_failed", "of": "mail.card", "share_below": 0.001, "back_above": 0.005}]'),
    -- Less than 3 s, back above 10 s; right in more than 85 %, back below 70 %, of the model alone.
    ('mail-analysis', 1, '25 %', 25, 2, 60, '{"p95_ms_below": 3000}', '{"p95_ms_above": 10000, "complaints_above": 0}',
      '[{"name": "analysis.right", "of": "analysis.judged", "share_above": 0.85, "back_below": 0.7}]'),
    ('mail-analysis', 2, '100 %', 100, 4, 60, '{"p95_ms_below": 3000}', '{"p95_ms_above": 10000, "complaints_above": 0}',
      '[{"name": "analysis.right", "of": "analysis.judged", "share_above": 0.85, "back_below": 0.7}]'),
    ('mail-analysis', 3, 'accuracy', 100, 3, 60, '{"p95_ms_below": 3000}', '{"p95_ms_above": 10000, "complaints_above": 0}',
      '[{"name": "analysis.right", "of": "analysis.judged", "share_above": 0.85, "back_below": 0.7}]'),
    -- Right in more than 95 %, back below 80 %. The first targets are types of addresses, not people.
    ('dynamic-routing', 1, 'critical alerts', 0, 3, 20, '{"complaints_at_most": 0}', '{"error_rate_above": 0.5, "complaints_above": 2}',
      '[{"name": "oncall.right", "of": "oncall.asked", "share_above": 0.95, "back_below": 0.8}]'),
    ('dynamic-routing', 2, 'everybody', 100, 5, 60, '{"complaints_at_most": 0}', '{"error_rate_above": 0.5, "complaints_above": 2}',
      '[{"name": "oncall.right", "of": "oncall.asked", "share_above": 0.95, "back_below": 0.8}]'),
    -- Back if more than 10 % fail, or at a complaint: what was sent cannot be taken back.
    ('mail-replies', 1, 'pilot', 0, 3, 20, '{"error_rate_below": 0.1, "complaints_at_most": 0}', '{"error_rate_above": 0.1, "complaints_above": 0}', null),
    ('mail-replies', 2, 'everybody', 100, 5, 100, '{"error_rate_below": 0.1, "complaints_at_most": 0}',
      '{"error_rate_above": 0.1, "complaints_above": 0}', null),
    ('mail-replies', 3, 'threading', 100, 3, 100, '{"error_rate_below": 0.1, "complaints_at_most": 0}',
      '{"error_rate_above": 0.1, "complaints_above": 0}', null)
  ) as t (plan, i, name, percentage, days, samples, go, back, metrics)
  where t.plan = p_name having count(*) > 0
$$;
comment on function private.mail_template(text, jsonb, jsonb) is
  'A plan of a phase of mails to chats: mail-routing (10, 50, 100 % in 11 days at least), mail-analysis (25, 100 % and its accuracy, 9 days), dynamic-routing (alerts and incidents unless other targets are given, then everybody, 8 days), mail-replies (the ids or segments given, everybody, 11 days). Null for another name.';

create function private.rollout_template(p_name text, p_user_ids jsonb, p_segments jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case p_name
    when 'standard' then jsonb_build_object('name', 'standard', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.name, 'percentage', t.percentage, 'hold_minutes', t.hold, 'min_samples', t.samples,
          'advance_when', t.go, 'roll_back_when', t.back)
        || case when t.overdue is not null then jsonb_build_object('overdue_minutes', t.overdue) else '{}' end
        || case when t.day is not null then jsonb_build_object('first_day', t.day) else '{}' end
        || case when t.i = 1 then jsonb_strip_nulls(jsonb_build_object('user_ids', p_user_ids, 'segments', p_segments)) else '{}' end
        order by t.i)
      from (values
        (1, 'internal', 0, 1440, 60, null, '{"no_errors": true, "p95_ms_below": 500}'::jsonb,
          '{"error_rate_above": 0.05, "p95_ms_above": 1000}'::jsonb, null::jsonb),
        (2, 'beta', 10, 5760, 300, null, '{"error_rate_below": 0.01, "p95_ms_below": 500}',
          '{"error_rate_above": 0.02, "complaints_above": 5}', '{"error_rate_above": 0.01, "complaints_above": 3}'),
        (3, '25 %', 25, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (4, '50 %', 50, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (5, '75 %', 75, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (6, '100 %', 100, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (7, 'full', 100, 4320, 600, null, '{"error_rate_below": 0.005, "p95_ms_below": 400}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', null)
      ) as t (i, name, percentage, hold, samples, overdue, go, back, day)))
    when 'canary' then jsonb_build_object('name', 'canary', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.percentage || ' %', 'percentage', t.percentage, 'hold_minutes', t.hold,
          'min_samples', 3000, 'advance_when', '{"error_rate_below": 0.001}'::jsonb,
          'roll_back_when', '{"error_rate_above": 0.01, "plain": {"minutes": 5, "min_samples": 20, "mean_ms_above": 500}}'::jsonb)
        order by t.percentage)
      from (values (1, 30), (5, 30), (10, 30), (25, 60), (50, 60), (100, 120)) as t (percentage, hold)))
    when 'replies' then jsonb_build_object('name', 'replies', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.name, 'percentage', t.percentage, 'hold_minutes', t.days * 1440, 'min_samples', t.samples,
          'overdue_minutes', 2 * t.days * 1440, 'advance_when', t.go,
          'roll_back_when', '{"error_rate_above": 0.05, "p95_ms_above": 2000, "complaints_above": 2}'::jsonb, 'metrics', t.metrics)
        order by t.i)
      from (values
        (1, '10 %', 10, 1, 60, '{"error_rate_below": 0.05, "p95_ms_below": 1000, "complaints_at_most": 0}'::jsonb, m.compared),
        (2, '25 %', 25, 1, 60, '{"error_rate_below": 0.05, "p95_ms_below": 1000, "complaints_at_most": 0}', m.compared),
        (3, '50 %', 50, 2, 60, '{"error_rate_below": 0.05, "p95_ms_below": 1000, "complaints_at_most": 0}', m.compared),
        (4, 'week 1', 100, 3, 60, '{"error_rate_below": 0.05, "p95_ms_below": 1000, "complaints_at_most": 0}', m.week),
        (5, 'month 1', 100, 23, 300, '{"error_rate_below": 0.01, "p95_ms_below": 1000, "positive_share_above": 0.5, "min_ratings": 5}', m.month)
      ) as t (i, name, percentage, days, samples, go, metrics)))
    when 'masking' then jsonb_build_object('name', 'masking', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.name, 'percentage', t.percentage, 'hold_minutes', t.days * 1440, 'min_samples', 0,
          'overdue_minutes', 2 * t.days * 1440, 'advance_when', '{"no_errors": true, "complaints_at_most": 0}'::jsonb,
          'roll_back_when', '{"error_rate_above": 0.05, "complaints_above": 2}'::jsonb, 'metrics', m.masking)
        || case when t.i = 1 then jsonb_strip_nulls(jsonb_build_object('user_ids', p_user_ids, 'segments', p_segments)) else '{}' end
        order by t.i)
      from (values (1, 'pilot', 0, 7), (2, 'everybody', 100, 1)) as t (i, name, percentage, days)))
    else private.mail_template(p_name, p_user_ids, p_segments)
  end
  from (values (
    '[{"name": "reply.forwarded", "max_fall": 0.1, "then": "roll_back", "min_people": 0, "by": "value"},
      {"name": "support.ticket", "max_rise": 0.01, "min_people": 0}]'::jsonb,
    '[{"name": "mail.tokened", "of": "mail.sent", "share_above": 0.95},
      {"name": "reply.forwarded", "of": "reply.to_forward", "share_above": 0.9}]'::jsonb,
    '[{"name": "reply.legacy", "of": "reply.received", "share_below": 0.1},
      {"name": "reply.forwarded", "of": "reply.to_forward", "share_above": 0.9}]'::jsonb,
    '[{"name": "text.owner_inbox", "of": "text.decided", "share_below": 0.3},
      {"name": "text.blocked", "of": "text.decided", "share_below": 0.1},
      {"name": "text.no_window", "of": "text.decided", "share_below": 0.1}]'::jsonb)) as m (compared, week, month, masking)
$$;
comment on function private.rollout_template(text, jsonb, jsonb) is
  'A built-in plan: standard (internal, beta 10 %, 25, 50, 75, 100 %, full: 17 days at least) for which the ids or segments of the internal stage are given, canary (1, 5, 10, 25, 50, 100 % in 5.5 hours at least), or replies (for email_reply_tokens.enabled: 10, 25, 50, 100 % in the first week, and the rest of a month at 100 %), or masking (for the flags of masked messaging: the organisations whose ids, org:<id>, are given for 7 days, then everybody), or one of mail_template. Null for another name.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.rollout_plan_faults(jsonb),
  private.mail_template(text, jsonb, jsonb),
  private.rollout_template(text, jsonb, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129001600');
