-- What outcomes do not tell of a rollout: what people say (complaints and ratings), what they do (business metrics), and
-- the kill switches that are set in the environment of the functions. The guard asks private.rollout_signals;
-- _shared/rollouts/signals.ts judges alike, and tests/database/signals_test.ts holds the two to each other.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Kill switches -----------------------------------------------------------------------------------

create table private.kill_switches (
  flag_key text constraint kill_switches_pkey primary key,
  since timestamptz not null,
  seen_at timestamptz not null
) with (fillfactor = 50);
comment on table private.kill_switches is 'Flags whose kill switch the functions found set in their environment, which the database cannot read.';
comment on constraint kill_switches_pkey on private.kill_switches is 'A flag has one switch.';
comment on column private.kill_switches.flag_key is 'The flag.';
comment on column private.kill_switches.since is 'When it was first found set.';
comment on column private.kill_switches.seen_at is 'When it was last found set: the functions say it again every minute.';
alter table private.kill_switches enable row level security;
revoke all on private.kill_switches from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.kill_switches to service_role;

create function private.report_kill_switches(p_flags text[], p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  delete from private.kill_switches k where k.flag_key <> all (p_flags);
  insert into private.kill_switches as k (flag_key, since, seen_at)
  select distinct f.key, p_now, p_now from unnest(p_flags) as f (key) where exists (select from public.settings s where s.key = f.key)
  order by f.key
  on conflict on constraint kill_switches_pkey do update
    set seen_at = excluded.seen_at, since = case when k.seen_at < p_now - interval '10 minutes' then p_now else k.since end;
end $$;
comment on function private.report_kill_switches(text[], timestamptz) is 'report_kill_switches with the time given.';

create function public.report_kill_switches(p_flags text[]) returns void
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.report_kill_switches(p_flags, clock_timestamp());
$$;
comment on function public.report_kill_switches(text[]) is
  'Which flags'' kill switches are set in the environment of the functions; all others are not. For secret keys.';

-- Who has not said it again for ten minutes does not run any more, or has no switch set.
create function private.killed_since(p_flag_key text, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select k.since from private.kill_switches k where k.flag_key = p_flag_key and k.seen_at > p_now - interval '10 minutes'
$$;
comment on function private.killed_since(text, timestamptz) is 'Since when a flag''s kill switch is set; null where it is not, as far as the functions said within ten minutes.';

create function public.list_kill_switches() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('flag_key', k.flag_key, 'since', k.since) order by k.flag_key), '[]')
    from private.kill_switches k where k.seen_at > clock_timestamp() - interval '10 minutes');
end $$;
comment on function public.list_kill_switches() is 'Flags whose kill switch is set in the environment: [{flag_key, since}]. For viewers and secret keys.';

-- Failure policy: closed. Nobody has the feature, so nothing that is seen of a stage says anything.
create function private.refuse_killed() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if private.killed_since(new.flag_key, greatest(clock_timestamp(), new.stage_started_at, new.finished_at)) is not null then
    raise exception 'the kill switch of % is set: nobody has it, and its rollout stays where it is', new.flag_key using errcode = 'GL409',
      hint = 'Unset the variable (docs/flags.md, Kill switches), or roll back.';
  end if;
  return new;
end $$;
comment on function private.refuse_killed() is 'Trigger, before update of rollouts: none goes on or is completed while its flag''s kill switch is set (GL409).';
create trigger refuse_killed before update on public.rollouts for each row
  when (new.state = 'completed' and old.state <> 'completed' or new.state in ('running', 'paused') and old.stage > 0 and new.stage > old.stage)
  execute function private.refuse_killed();
comment on trigger refuse_killed on public.rollouts is 'No rollout goes on whose feature nobody has, by whichever door.';

-- What a person had -------------------------------------------------------------------------------

create function private.arm_of(p_flag_key text, p_subject_id text, p_now timestamptz, out arm text, out by_share boolean)
language plpgsql stable set search_path = '' as $$
declare
  v_found record;
begin
  select e.value, e.reason, s.value as set_to into v_found
  from public.settings s cross join lateral private.evaluate_flag(s.key, p_subject_id) e where s.key = p_flag_key;
  by_share := false;
  if not found then
    return;
  elsif v_found.set_to <> 'true' or private.killed_since(p_flag_key, p_now) is not null then
    arm := 'off';
  elsif v_found.reason not in ('DISABLED', 'ERROR') then
    arm := case when v_found.value then 'on' else 'off' end;
    by_share := v_found.reason = 'SPLIT';
  end if;
end $$;
comment on function private.arm_of(text, text, timestamptz) is
  'Whether somebody has the feature of a flag, on or off; null where that says nothing, as armOf() in _shared/rollouts/observe.ts. by_share: by the percentage, and not by a list.';

-- What people say ---------------------------------------------------------------------------------

create table public.feedback (
  id uuid constraint feedback_pkey primary key default private.uuid_v7(),
  at timestamptz not null,
  kind text not null constraint feedback_kind_known check (kind in ('complaint', 'rating')),
  subject_id text not null constraint feedback_subject check (char_length(subject_id) between 1 and 200),
  rating smallint constraint feedback_rating check (rating between 1 and 5),
  positive boolean not null,
  text text constraint feedback_text check (char_length(btrim(text)) between 1 and 2000),
  source text not null constraint feedback_source_known check (source in ('api', 'team', 'chat')),
  message_id uuid constraint feedback_message_key unique,
  key text constraint feedback_key_key unique,
  actor text not null default private.actor(),
  constraint feedback_positive check (case kind when 'complaint' then not positive and rating is null else positive = (coalesce(rating, 5) >= 4) end)
);
comment on table public.feedback is 'What people say of features: complaints and ratings, each from one person. Written by record_feedback, add_feedback and the guard.';
comment on constraint feedback_pkey on public.feedback is 'An id.';
comment on constraint feedback_positive on public.feedback is 'A complaint is not positive; a rating is from 4 on, and one without a number is praise.';
comment on column public.feedback.id is 'UUID v7.';
comment on column public.feedback.at is 'When it was said.';
comment on column public.feedback.kind is 'complaint, or rating.';
comment on column public.feedback.subject_id is 'Who said it: the id that flags are asked with.';
comment on column public.feedback.rating is '1 to 5; null for a complaint, and for praise in words.';
comment on column public.feedback.positive is 'Whether it is praise: a rating of 4 or 5, or a word.';
comment on column public.feedback.text is 'What was said, where somebody wrote it down.';
comment on column public.feedback.source is 'api: a service; team: a person of the team; chat: a word in a conversation.';
comment on column public.feedback.message_id is 'The message, of a word in a chat or where the team read it.';
comment on column public.feedback.key is 'Keyed hash of the caller''s idempotency key, in hex.';
comment on column public.feedback.actor is 'Who wrote it down: a user id, or the database role.';
create index feedback_subject_idx on public.feedback (subject_id);
comment on index public.feedback_subject_idx is 'What somebody said, for export and erasure.';
alter table public.feedback enable row level security;
revoke all on public.feedback from anon, authenticated, service_role, public;
-- No policy and no grant for people: it holds ids and words; list_feedback shows what may be seen.
grant select, insert, delete on public.feedback to service_role;

create table public.rollout_feedback (
  rollout_id uuid not null references public.rollouts (id) on delete restrict,
  feedback_id uuid not null references public.feedback (id) on delete cascade,
  stage integer not null,
  arm text not null constraint rollout_feedback_arm_known check (arm in ('on', 'off')),
  constraint rollout_feedback_pkey primary key (rollout_id, feedback_id)
);
comment on table public.rollout_feedback is 'Which rollouts feedback counts for: those that were under way, or completed within 7 days, and what the person had.';
comment on constraint rollout_feedback_pkey on public.rollout_feedback is 'Feedback counts once a rollout.';
comment on column public.rollout_feedback.rollout_id is 'The rollout.';
comment on column public.rollout_feedback.feedback_id is 'The feedback.';
comment on column public.rollout_feedback.stage is 'The stage that it was in.';
comment on column public.rollout_feedback.arm is 'on or off: whether the person had the feature.';
create index rollout_feedback_feedback_idx on public.rollout_feedback (feedback_id);
comment on index public.rollout_feedback_feedback_idx is 'Serves the foreign key.';
alter table public.rollout_feedback enable row level security;
revoke all on public.rollout_feedback from anon, authenticated, service_role, public;
grant select on public.rollout_feedback to authenticated;
grant select, insert, delete on public.rollout_feedback to service_role;
create policy rollout_feedback_read on public.rollout_feedback for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollout_feedback_read on public.rollout_feedback is 'Whom it came from is not in it: the whole team sees how much there is.';

-- A type of its own: a team may have columns of its own in the table.
create type private.said_feedback as (
  id uuid, at timestamptz, kind text, subject_id text, rating smallint, positive boolean, text text, source text, message_id uuid, key text
);
comment on type private.said_feedback is 'A row of public.feedback that is to be written.';

-- What the caller says of the arm is not asked for.
create function private.keep_feedback(p_feedback private.said_feedback, p_flag_key text, p_now timestamptz, out kept boolean, out concerns integer)
language plpgsql volatile set search_path = '' as $$
begin
  concerns := 0;
  insert into public.feedback (id, at, kind, subject_id, rating, positive, text, source, message_id, key)
  select p_feedback.*
  on conflict do nothing;
  kept := found;
  if kept then
    insert into public.rollout_feedback (rollout_id, feedback_id, stage, arm)
    select r.id, p_feedback.id, r.stage, a.arm
    from public.rollouts r cross join lateral private.arm_of(r.flag_key, p_feedback.subject_id, p_now) a
    where r.flag_key = coalesce(p_flag_key, r.flag_key) and a.arm is not null
      and (r.state in ('running', 'paused') or r.state = 'completed' and r.finished_at > p_now - interval '7 days');
    get diagnostics concerns = row_count;
  end if;
end $$;
comment on function private.keep_feedback(private.said_feedback, text, timestamptz) is
  'Writes feedback down, once a key and message, and for which rollouts it counts: of one flag, or of all that the person says something about.';

create function private.record_feedback(p_feedback jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_item record;
  v_kept record;
  v_accepted integer := 0;
  v_repeated integer := 0;
begin
  for v_item in
    select * from jsonb_to_recordset(p_feedback) as f (kind text, subject text, rating smallint, text text, flag text, key text)
  loop
    select * into v_kept from private.keep_feedback(row(private.uuid_v7(), p_now, v_item.kind, private.subject_id(v_item.subject), v_item.rating,
      v_item.kind = 'rating' and v_item.rating >= 4, nullif(btrim(v_item.text), ''), 'api', null,
      encode(private.keyed_hash('feedback ' || v_item.key), 'hex'))::private.said_feedback, v_item.flag, p_now);
    if v_kept.kept then
      v_accepted := v_accepted + 1;
    else
      v_repeated := v_repeated + 1;
    end if;
  end loop;
  return jsonb_build_object('accepted', v_accepted, 'repeated', v_repeated);
end $$;
comment on function private.record_feedback(jsonb, timestamptz) is 'record_feedback with the time given.';

create function public.record_feedback(p_feedback jsonb) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.record_feedback(p_feedback, clock_timestamp());
$$;
comment on function public.record_feedback(jsonb) is
  'Writes down what people say [{kind: complaint or rating, subject, rating (1 to 5), text, flag (left out: every feature under way), key}]: {accepted, repeated: known by their key}. What a person had, the flag says. For secret keys. 23514 for what cannot be.';

create function public.add_feedback(
  p_kind text, p_person text, p_flag_key text default null, p_rating integer default null, p_text text default null, p_message_id uuid default null
) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_id uuid := private.uuid_v7();
  v_person text := btrim(p_person);
  v_kept record;
begin
  perform private.require_role('operator');
  if p_kind is null or p_kind not in ('complaint', 'rating') or (p_kind = 'rating') <> (p_rating is not null) then
    raise exception 'feedback is a complaint, or a rating of 1 to 5' using errcode = 'GL422', hint = 'p_kind: complaint or rating; p_rating';
  elsif p_flag_key is not null and not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  elsif p_message_id is not null then
    select c.contact_id::text into v_person from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = p_message_id and m.direction = 'in';
    if v_person is null then
      raise exception 'there is no message % of somebody''s', p_message_id using errcode = 'GL404';
    end if;
  elsif coalesce(v_person, '') = '' then
    raise exception 'who said it?' using errcode = 'GL422', hint = 'A phone number, or the id that flags are asked with.';
  elsif v_person ~ '^\+[0-9][0-9 ().-]*$' then
    v_person := (private.subject_ids('{}', array[v_person]))[1];
  end if;
  select * into v_kept from private.keep_feedback(row(v_id, v_now, p_kind, private.subject_id(v_person), p_rating, coalesce(p_rating >= 4, false),
    private.given_reason(p_text), 'team', p_message_id, null)::private.said_feedback, p_flag_key, v_now);
  if not v_kept.kept then
    raise exception 'this message is written down already' using errcode = 'GL409';
  end if;
  return jsonb_build_object('id', v_id, 'counts_for', (
    select coalesce(jsonb_agg(jsonb_build_object('flag_key', r.flag_key, 'rollout_id', r.id, 'stage', f.stage, 'arm', f.arm) order by r.flag_key), '[]')
    from public.rollout_feedback f join public.rollouts r on r.id = f.rollout_id where f.feedback_id = v_id));
end $$;
comment on function public.add_feedback(text, text, text, integer, text, uuid) is
  'Writes down what somebody told the team: a complaint, or a rating of 1 to 5, of a person (a phone number with +, or an id) or the writer of a message. Answers {id, counts_for: [{flag_key, rollout_id, stage, arm}]}. For operators and secret keys. Errors: 42501, GL404 no such flag, number or message, GL409 the message is written down already, GL422 what cannot be.';

create function public.list_feedback(p_flag_key text default null, p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.may('operator');
  return (
    select coalesce(jsonb_agg(x.item order by x.id desc), '[]')
    from (
      select f.id, jsonb_build_object('id', f.id, 'at', f.at, 'kind', f.kind, 'rating', f.rating, 'positive', f.positive, 'source', f.source,
        -- As of contacts: of an address its host, of anything else four characters, and never all of them.
        'who', coalesce(substring(f.subject_id from '@[^@]*$'), right(f.subject_id, least(4, char_length(f.subject_id) / 2))), 'text', case when v_whole then f.text end, 'message_id', f.message_id, 'counts_for', (
          select coalesce(jsonb_agg(jsonb_build_object('flag_key', r.flag_key, 'rollout_id', r.id, 'stage', o.stage, 'arm', o.arm)
            order by r.flag_key), '[]')
          from public.rollout_feedback o join public.rollouts r on r.id = o.rollout_id where o.feedback_id = f.id)) as item
      from public.feedback f
      where p_flag_key is null or exists (
        select from public.rollout_feedback o join public.rollouts r on r.id = o.rollout_id
        where o.feedback_id = f.id and r.flag_key = p_flag_key)
      order by f.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) x);
end $$;
comment on function public.list_feedback(text, integer) is
  'The latest feedback, of all or of a flag''s rollouts: [{id, at, kind, rating, positive, source, who: the last characters of the id, text: for operators, message_id, counts_for}]. For viewers and secret keys.';

-- A word in a chat --------------------------------------------------------------------------------

create function private.feedback_words(p_what text) returns text[]
language sql stable set search_path = '' as $$
  select coalesce(
    (select array(select lower(w.word) from jsonb_array_elements_text(s.value::jsonb) as w (word))
    from public.settings s where s.key = format('feedback.%s_words', p_what)),
    case p_what when 'complaint' then array['complaint', 'beschwerde', 'reclamación', 'réclamation', 'reclamação', 'reclamo', 'malalamiko', 'شكوى', 'शिकायत']
      else array['praise', 'lob', 'elogio', 'éloge', 'sifa', 'ثناء', 'तारीफ़'] end)
$$;
comment on function private.feedback_words(text) is 'The words by which people complain (complaint) or praise, by the settings feedback.complaint_words and feedback.praise_words, in lower case.';

create function private.feedback_said(p_text text, p_complaint text[], p_praise text[], out kind text, out rating smallint)
language plpgsql immutable set search_path = '' as $$
declare
  v_text text := lower(btrim(p_text, E' \t\n\r.!"'''));
begin
  if v_text ~ '^[1-5] ?/ ?5$' then
    kind := 'rating';
    rating := left(v_text, 1)::smallint;
  -- The word, or what begins with it: "Complaint: the total is wrong".
  elsif exists (select from unnest(p_complaint) w where v_text = w or starts_with(v_text, w) and substr(v_text, char_length(w) + 1, 1) ~ '[^[:alnum:]]') then
    kind := 'complaint';
  elsif exists (select from unnest(p_praise) w where v_text = w or starts_with(v_text, w) and substr(v_text, char_length(w) + 1, 1) ~ '[^[:alnum:]]') then
    kind := 'rating';
  end if;
end $$;
comment on function private.feedback_said(text, text[], text[]) is
  'What a message says: a complaint or praise that begins with one of the words, or a rating such as 4/5; nulls for anything else.';

create table private.feedback_heard (
  only_row boolean constraint feedback_heard_pkey primary key default true constraint feedback_heard_only_row check (only_row),
  up_to timestamptz not null default '-infinity'
);
comment on table private.feedback_heard is 'Up to when the messages were looked at for words of feedback.';
comment on constraint feedback_heard_pkey on private.feedback_heard is 'One row.';
comment on column private.feedback_heard.only_row is 'Always true; the key that allows no second row.';
comment on column private.feedback_heard.up_to is 'Messages of before were looked at.';
alter table private.feedback_heard enable row level security;
revoke all on private.feedback_heard from anon, authenticated, service_role, public;
grant select, update on private.feedback_heard to service_role;
insert into private.feedback_heard default values;

-- Off the way of a webhook: once a minute, and only while a rollout is there that it could say something of. A minute is
-- looked at 20 seconds after its end; what takes longer to commit is an outage.
create function private.hear_feedback(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_from timestamptz;
  v_to timestamptz := p_now - interval '20 seconds';
  v_first uuid;
  v_end constant uuid := private.uuid_v7_from(v_to + interval '20 seconds');
  v_complaint text[];
  v_praise text[];
  v_longest integer;
  v_said record;
  v_count integer := 0;
begin
  if not exists (
    select from public.rollouts r
    where r.state in ('running', 'paused') or r.state = 'completed' and r.finished_at > p_now - interval '7 days') then
    return 0;
  end if;
  select greatest(h.up_to, p_now - interval '10 minutes') into v_from from private.feedback_heard h for update skip locked;
  if not found or v_from >= v_to then
    return 0;
  end if;
  -- Here and not in the conditions, where it may be called for each row.
  v_first := private.uuid_v7_from(v_from - interval '20 seconds');
  v_complaint := private.feedback_words('complaint');
  v_praise := private.feedback_words('praise');
  for v_said in
    select m.id, m.created_at, c.contact_id, m.text, s.kind, s.rating
    from public.messages m join public.conversations c on c.id = m.conversation_id
    cross join lateral private.feedback_said(left(m.text, 200), v_complaint, v_praise) s
    where m.id >= v_first and m.id < v_end
      and m.created_at >= v_from and m.created_at < v_to and m.direction = 'in' and m.type in ('text', 'button') and s.kind is not null
    order by m.id
  loop
    v_count := v_count + (select k.kept::integer from private.keep_feedback(row(private.uuid_v7(), v_said.created_at, v_said.kind,
      coalesce((select x.merged_into from public.contacts x where x.id = v_said.contact_id), v_said.contact_id)::text, v_said.rating,
      v_said.kind = 'rating' and coalesce(v_said.rating, 5) >= 4, null, 'chat', v_said.id, null)::private.said_feedback, null, p_now) k);
  end loop;
  update private.feedback_heard h set up_to = v_to;
  return v_count;
end $$;
comment on function private.hear_feedback(timestamptz) is
  'Writes down what people said of features in their chats since it last looked, at most ten minutes ago, and says how often. For the clock.';

-- What people do: business metrics ----------------------------------------------------------------

create table public.business_metrics (
  name text constraint business_metrics_pkey primary key constraint business_metrics_name check (name ~ '^[a-z][a-z0-9_.]{0,59}$'),
  created_at timestamptz not null
);
comment on table public.business_metrics is 'Names of business metrics: at most 100, each by its first use.';
comment on constraint business_metrics_pkey on public.business_metrics is 'A metric is named.';
comment on column public.business_metrics.name is 'Such as checkout.completed; link.converted is counted by the gateway itself.';
comment on column public.business_metrics.created_at is 'When it was first counted.';
alter table public.business_metrics enable row level security;
revoke all on public.business_metrics from anon, authenticated, service_role, public;
grant select on public.business_metrics to authenticated;
grant select, insert on public.business_metrics to service_role;
create policy business_metrics_read on public.business_metrics for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy business_metrics_read on public.business_metrics is 'The whole team sees what is counted.';

create table public.metric_days (
  name text not null references public.business_metrics (name) on delete restrict,
  day date not null,
  slot smallint not null,
  n bigint not null,
  value double precision not null,
  constraint metric_days_pkey primary key (name, day, slot)
) with (fillfactor = 70);
comment on table public.metric_days is 'Business metrics by day (UTC). In 16 slots, so that those who count at the same time do not wait for each other: add them up.';
comment on constraint metric_days_pkey on public.metric_days is 'A slot of a metric''s day; serves the foreign key.';
comment on column public.metric_days.name is 'The metric.';
comment on column public.metric_days.day is 'The day, UTC.';
comment on column public.metric_days.slot is '0 to 15.';
comment on column public.metric_days.n is 'How often.';
comment on column public.metric_days.value is 'The sum of the values.';
alter table public.metric_days enable row level security;
revoke all on public.metric_days from anon, authenticated, service_role, public;
grant select on public.metric_days to authenticated;
grant select, insert, update on public.metric_days to service_role;
create policy metric_days_read on public.metric_days for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy metric_days_read on public.metric_days is 'Sums only: the whole team reads them.';

create table private.metric_keys (
  key bytea constraint metric_keys_pkey primary key,
  at timestamptz not null
);
comment on table private.metric_keys is 'What was counted already, by the keyed hash of the caller''s idempotency key: for 8 days.';
comment on constraint metric_keys_pkey on private.metric_keys is 'Once a key.';
comment on column private.metric_keys.key is 'Keyed hash of the metric''s name and the key.';
comment on column private.metric_keys.at is 'When it was counted.';
create index metric_keys_at_idx on private.metric_keys using brin (at);
comment on index private.metric_keys_at_idx is 'Purge by age.';
alter table private.metric_keys enable row level security;
revoke all on private.metric_keys from anon, authenticated, service_role, public;
grant select, insert, delete on private.metric_keys to service_role;

create table private.metric_people (
  rollout_id uuid not null references public.rollouts (id) on delete cascade,
  stage integer not null,
  name text not null,
  subject_id text not null,
  arm text not null constraint metric_people_arm_known check (arm in ('on', 'off')),
  by_share boolean not null,
  n integer not null,
  value double precision not null,
  constraint metric_people_pkey primary key (rollout_id, stage, name, subject_id)
) with (fillfactor = 80);
comment on table private.metric_people is
  'Who did what a stage of a rollout under way asks about, and what they had: each person counts once. Gone when the rollout is over.';
comment on constraint metric_people_pkey on private.metric_people is 'A person once a stage and metric.';
comment on column private.metric_people.rollout_id is 'The rollout.';
comment on column private.metric_people.stage is 'Its stage.';
comment on column private.metric_people.name is 'The metric.';
comment on column private.metric_people.subject_id is 'Who: the id that flags are asked with.';
comment on column private.metric_people.arm is 'on or off: what the flag said when they first did it.';
comment on column private.metric_people.by_share is 'Whether by the percentage: only these people are compared with each other.';
comment on column private.metric_people.n is 'How often.';
comment on column private.metric_people.value is 'The sum of the values.';
alter table private.metric_people enable row level security;
revoke all on private.metric_people from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.metric_people to service_role;

create function private.record_metrics(p_metrics jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_new text[] := array(
    select distinct m.name from jsonb_to_recordset(p_metrics) as m (name text)
    where not exists (select from public.business_metrics b where b.name = m.name) order by 1);
  v_given integer := jsonb_array_length(p_metrics);
  v_counted integer;
begin
  if exists (select from unnest(v_new) as u (name) where coalesce(u.name, '') !~ '^[a-z][a-z0-9_.]{0,59}$') then
    raise exception 'a business metric cannot be named so' using errcode = 'GL422',
      hint = '1 to 60 lower-case letters, digits, dots and underscores, beginning with a letter.';
  elsif v_new <> '{}' then
    perform pg_advisory_xact_lock(hashtext('gatelink.business_metrics'));
    insert into public.business_metrics (name, created_at) select u.name, p_now from unnest(v_new) as u (name) on conflict do nothing;
    if (select count(*) from public.business_metrics) > 100 then
      raise exception 'there are 100 business metrics already, and % would be more', v_new[1] using errcode = 'GL422',
        hint = 'A name stands for a kind of event, not for one: what differs belongs in the value or the key.';
    end if;
  end if;
  with given as (
    select m.name, private.subject_id(m.subject) as subject, coalesce(m.value, 1) as value, m.place,
      case when m.key is not null then private.keyed_hash('metric ' || m.name || ' ' || (m.key)) end as key
    from rows from (jsonb_to_recordset(p_metrics) as (name text, subject text, value double precision, key text)) with ordinality
      as m (name, subject, value, key, place)
  ), fresh as (
    insert into private.metric_keys (key, at)
    select distinct g.key, p_now from given g where g.key is not null order by g.key
    on conflict on constraint metric_keys_pkey do nothing returning key
  ), counted as materialized (
    select g.* from given g where g.key is null
    union all
    (select distinct on (g.key) g.* from given g join fresh f on f.key = g.key order by g.key, g.place)
  ), days as (
    insert into public.metric_days as d (name, day, slot, n, value)
    select c.name, (p_now at time zone 'UTC')::date, pg_backend_pid() % 16, count(*), sum(c.value) from counted c group by c.name order by c.name
    on conflict on constraint metric_days_pkey do update set n = d.n + excluded.n, value = d.value + excluded.value
  ), people as (
    insert into private.metric_people as p (rollout_id, stage, name, subject_id, arm, by_share, n, value)
    select r.id, r.stage, t.name, t.subject, a.arm, a.by_share, t.n, t.value
    from (
      select c.name, c.subject, count(*)::integer as n, sum(c.value) as value from counted c where c.subject is not null group by c.name, c.subject) t
    join public.rollouts r on r.state in ('running', 'paused')
    join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage and (s.metrics @> jsonb_build_array(jsonb_build_object('name', t.name)) or s.metrics @> jsonb_build_array(jsonb_build_object('of', t.name)))
    cross join lateral private.arm_of(r.flag_key, t.subject, p_now) a
    where a.arm is not null
    order by r.id, t.name, t.subject
    on conflict on constraint metric_people_pkey do update set n = p.n + excluded.n, value = p.value + excluded.value
  )
  select count(*) into v_counted from counted;
  return jsonb_build_object('accepted', v_counted, 'repeated', v_given - v_counted);
end $$;
comment on function private.record_metrics(jsonb, timestamptz) is 'record_metrics with the time given.';

create function public.record_metrics(p_metrics jsonb) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.record_metrics(p_metrics, clock_timestamp());
$$;
comment on function public.record_metrics(jsonb) is
  'Counts business metrics [{name, subject, value (1 unless given), key}], each key once in 8 days: {accepted, repeated}. Under which flags, and what the person had, the rollouts under way say. For secret keys. GL422 for a name that cannot be, or more than 100 of them.';

-- A link that brought somebody to write: failure policy open, for the message counts more than its figure.
create function private.count_conversion() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  perform private.record_metrics(jsonb_build_array(jsonb_build_object('name', 'link.converted', 'subject', new.contact_id,
    'key', new.message_id)), clock_timestamp());
  return null;
exception when others then
  raise warning 'a conversion could not be counted: % (%)', sqlerrm, sqlstate;
  return null;
end $$;
comment on function private.count_conversion() is 'Trigger, after insert of attributions: counts the business metric link.converted, for the first message that came from a click.';
create trigger count_conversion after insert on public.attributions for each row
  when (new.code is not null and (new.confidence = 'exact' or new.reason = 'clicked')) execute function private.count_conversion();
comment on trigger count_conversion on public.attributions is 'Conversions of links are a business metric.';

create function public.list_metrics(p_days integer default 14) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', b.name, 'since', b.created_at, 'n', t.n, 'value', t.value, 'days', t.days) order by b.name), '[]')
    from public.business_metrics b
    cross join lateral (
      select coalesce(sum(d.n), 0) as n, coalesce(sum(d.value), 0) as value,
        coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'n', d.n, 'value', d.value) order by d.day), '[]') as days
      from (
        select x.day, sum(x.n) as n, sum(x.value) as value from public.metric_days x
        where x.name = b.name and x.day > (clock_timestamp() at time zone 'UTC')::date - least(greatest(coalesce(p_days, 14), 1), 400)
        group by x.day) d) t);
end $$;
comment on function public.list_metrics(integer) is 'Business metrics of the last days (1 to 400): [{name, since, n, value, days: [{day, n, value}]}]. For viewers and secret keys.';

-- What it all says of a stage ---------------------------------------------------------------------

create function private.signals_asked(p_stage public.rollout_stages, p_sharp boolean) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'complaints_above', coalesce(case when p_sharp then p_stage.first_day -> 'complaints_above' end, p_stage.roll_back_when -> 'complaints_above'),
    'complaints_at_most', p_stage.advance_when -> 'complaints_at_most',
    'positive_share_above', p_stage.advance_when -> 'positive_share_above',
    'min_ratings', p_stage.advance_when -> 'min_ratings',
    'share', case when p_stage.percentage > 0 and p_stage.percentage < 100 then trim_scale(p_stage.percentage) end,
    'metrics', p_stage.metrics)
$$;
comment on function private.signals_asked(public.rollout_stages, boolean) is 'What a stage asks of complaints, ratings and business metrics; on its first day by its tighter triggers.';

-- For at most three times what half of the people reach at most: one large order says no more than a few.
create function private.signals_seen(p_rollout public.rollouts, p_stage public.rollout_stages, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'complaints', (
      select count(distinct f.subject_id) from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'on' and f.kind = 'complaint'),
    'complaints_without', (
      select count(distinct f.subject_id) from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'off' and f.kind = 'complaint'),
    'ratings', l.ratings, 'positive', l.positive,
    'metrics', (
      select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'on', t.on_people, 'off', t.off_people, 'on_weight', t.on_weight,
        'off_weight', t.off_weight, 'per_day', t.per_day, 'n', t.n + h.n, 'of_n', t.of_n + h.of_n)
        || case when t.is_hourly then jsonb_build_object('last_hour', h.last_hour) else '{}' end order by t.place), '[]')
      from (
        select m.place, m.name, m.base, m.is_hourly,
          count(*) filter (where p.arm = 'on' and p.by_share) as on_people, count(*) filter (where p.arm = 'off' and p.by_share) as off_people,
          coalesce(sum(w.weight) filter (where p.arm = 'on' and p.by_share), 0)::bigint as on_weight,
          coalesce(sum(w.weight) filter (where p.arm = 'off' and p.by_share), 0)::bigint as off_weight,
          round((coalesce(sum(case when m.by = 'value' then p.value else p.n end) filter (where p.arm = 'on'), 0)
            / greatest(1, extract(epoch from p_now - p_stage.entered_at) / 86400))::numeric, 3) as per_day,
          coalesce(sum(p.n) filter (where p.arm = 'on'), 0) as n, (
            select coalesce(sum(o.n), 0) from private.metric_people o
            where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.name = m.base and o.arm = 'on') as of_n
        from (
          select e.place, e.item ->> 'name' as name, e.item ->> 'by' as by, e.item ->> 'of' as base, e.item ? 'at_most_per_hour' as is_hourly
          from jsonb_array_elements(p_stage.metrics) with ordinality as e (item, place)) m
        left join private.metric_people p on p.rollout_id = p_rollout.id and p.stage = p_rollout.stage and p.name = m.name
        left join lateral (
          select percentile_disc(0.5) within group (order by x.value) as half from private.metric_people x
          where m.by = 'value' and x.rollout_id = p_rollout.id and x.stage = p_rollout.stage and x.name = m.name and x.by_share and x.value > 0) h on true
        left join lateral (
          select case when p.subject_id is null then 0 when m.by is distinct from 'value' then 1000
            when p.value <= 0 or h.half is null then 0
            else round((1000 * least(p.value, 3 * h.half) / (3 * h.half))::numeric)::bigint end as weight) w on true
        group by m.place, m.name, m.base, m.is_hourly) t
      -- What the functions count by minute, of whoever has the feature: under the name, or the name and a reason.
      cross join lateral (
        select coalesce(sum(c.n) filter (where c.name = t.name), 0) as n, coalesce(sum(c.n) filter (where c.name = t.base), 0) as of_n,
          coalesce(sum(c.n) filter (where c.name = t.name and c.minute > p_now - interval '1 hour'), 0) as last_hour
        from (
          select split_part(f.label, ' ', 1) as name, f.minute, f.n from public.measurements f
          where f.name = 'happened' and f.minute >= date_trunc('minute', p_stage.entered_at) and f.minute <= p_now) c) h))
  from (
    select count(*) as ratings, count(*) filter (where x.positive) as positive
    from (
      select distinct on (f.subject_id) f.positive from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'on' and f.kind = 'rating'
      order by f.subject_id, f.at desc, f.id desc) x) l
$$;
comment on function private.signals_seen(public.rollouts, public.rollout_stages, timestamptz) is
  'What people with the feature said in a stage, each counted once (of ratings their latest), and what both arms did: {complaints, complaints_without, ratings, positive, metrics: [{name, on, off: people by the percentage, on_weight, off_weight: the same or their values, in thousandths, per_day, n: with the feature, of_n: the same of the metric that it is a share of, last_hour: how often it happened in the last hour, where a stage limits that}]}.';

create function private.fall_s(p_share double precision, p_max_fall double precision, p_on bigint, p_off bigint) returns bigint
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  r double precision;
  q double precision := p_share * (1 - p_max_fall) / (p_share * (1 - p_max_fall) + (1 - p_share));
  q_r double precision;
  v_s bigint := 0;
begin
  foreach r in array array[0.9, 0.75, 0.5, 0.25]::double precision[] loop
    q_r := r * q / (r * q + (1 - q));
    v_s := greatest(v_s, (p_on * round(ln(q_r / q) * 1000000)::bigint + p_off * round(ln((1 - q_r) / (1 - q)) * 1000000)::bigint) / 1000 - 1386294);
  end loop;
  return v_s;
end $$;
comment on function private.fall_s(double precision, double precision, bigint, bigint) is
  'The evidence, in millionths, that fewer with the flag do something than a fall of max_fall allows: see fallS() in signals.ts.';

create function private.signals_say(p_asked jsonb, p_seen jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_share double precision := (p_asked ->> 'share')::double precision / 100;
  v_complaints bigint := (p_seen ->> 'complaints')::bigint;
  v_ratings bigint := (p_seen ->> 'ratings')::bigint;
  v_metric record;
  v_s bigint;
  v_figures jsonb;
  v_page jsonb;
  v_few jsonb;
  v_unclear jsonb;
  v_goal jsonb;
  v_share_off jsonb;
  v_changed record;
begin
  if v_complaints > (p_asked ->> 'complaints_above')::bigint then
    return jsonb_build_object('verdict', 'roll_back', 'rule', 'complaints',
      'figures', jsonb_build_object('complaints', v_complaints, 'complaints_above', p_asked -> 'complaints_above'));
  end if;
  for v_metric in
    select a.item as asked, s.item as seen
    from jsonb_array_elements(p_asked -> 'metrics') with ordinality as a (item, place)
    join jsonb_array_elements(p_seen -> 'metrics') with ordinality as s (item, place) on s.place = a.place
    order by a.place
  loop
    for v_changed in
      select c.s, c.figures
      from (values
        (1, case when v_metric.asked ? 'max_fall' then private.fall_s(v_share, (v_metric.asked ->> 'max_fall')::double precision,
            (v_metric.seen ->> 'on_weight')::bigint, (v_metric.seen ->> 'off_weight')::bigint) end,
          jsonb_build_object('max_fall', v_metric.asked -> 'max_fall')),
        -- A rise with the feature is a fall without it.
        (2, case when v_metric.asked ? 'max_rise' then private.fall_s(1 - v_share,
            (v_metric.asked ->> 'max_rise')::double precision / (1 + (v_metric.asked ->> 'max_rise')::double precision),
            (v_metric.seen ->> 'off_weight')::bigint, (v_metric.seen ->> 'on_weight')::bigint) end,
          jsonb_build_object('max_rise', v_metric.asked -> 'max_rise'))) as c (place, s, figures)
      where c.s is not null and v_share is not null order by c.place
    loop
      v_s := v_changed.s;
      v_figures := jsonb_build_object('metric', v_metric.asked -> 'name', 'on', v_metric.seen -> 'on', 'off', v_metric.seen -> 'off', 's', v_s)
        || v_changed.figures;
      if v_s >= 6907755 and v_metric.asked ->> 'then' = 'roll_back' then
        return jsonb_build_object('verdict', 'roll_back', 'rule', 'guardrail', 'figures', v_figures);
      elsif v_s >= 6907755 then
        v_page := coalesce(v_page, v_figures);
      elsif (v_metric.seen ->> 'on')::bigint + (v_metric.seen ->> 'off')::bigint < coalesce((v_metric.asked ->> 'min_people')::bigint, 20) then
        v_few := coalesce(v_few, v_figures || jsonb_build_object('min_people', coalesce((v_metric.asked ->> 'min_people')::bigint, 20)));
      elsif v_s >= 2302585 then
        v_unclear := coalesce(v_unclear, v_figures);
      end if;
    end loop;
    if (v_metric.seen ->> 'last_hour')::bigint > (v_metric.asked ->> 'at_most_per_hour')::bigint then
      return jsonb_build_object('verdict', 'roll_back', 'rule', 'too_many', 'figures', jsonb_build_object('metric', v_metric.asked -> 'name',
        'last_hour', v_metric.seen -> 'last_hour', 'at_most_per_hour', v_metric.asked -> 'at_most_per_hour'));
    end if;
    -- Certain enough that chance does not make it: 20 of the other one, and the bound of 95 %.
    if v_metric.asked ? 'of' and (v_metric.seen ->> 'of_n')::bigint >= 20 and (
      private.surely_below(least((v_metric.seen ->> 'n')::bigint, (v_metric.seen ->> 'of_n')::bigint), (v_metric.seen ->> 'of_n')::bigint, (v_metric.asked ->> 'back_below')::double precision)
      or private.surely_below(greatest((v_metric.seen ->> 'of_n')::bigint - (v_metric.seen ->> 'n')::bigint, 0), (v_metric.seen ->> 'of_n')::bigint,
        1 - (v_metric.asked ->> 'back_above')::double precision)) then
      return jsonb_build_object('verdict', 'roll_back', 'rule', 'share', 'figures', jsonb_build_object('metric', v_metric.asked -> 'name',
        'of', v_metric.asked -> 'of', 'n', v_metric.seen -> 'n', 'of_n', v_metric.seen -> 'of_n')
        || jsonb_strip_nulls(jsonb_build_object('back_below', v_metric.asked -> 'back_below', 'back_above', v_metric.asked -> 'back_above')));
    end if;
    if v_metric.asked ? 'of' and (v_metric.asked ? 'share_above' or v_metric.asked ? 'share_below') and ((v_metric.seen ->> 'of_n')::bigint = 0
      or coalesce((v_metric.seen ->> 'n')::bigint <= (v_metric.asked ->> 'share_above')::double precision * (v_metric.seen ->> 'of_n')::bigint, false)
      or coalesce((v_metric.seen ->> 'n')::bigint >= (v_metric.asked ->> 'share_below')::double precision * (v_metric.seen ->> 'of_n')::bigint, false)) then
      v_share_off := coalesce(v_share_off, jsonb_build_object('metric', v_metric.asked -> 'name', 'of', v_metric.asked -> 'of',
        'n', v_metric.seen -> 'n', 'of_n', v_metric.seen -> 'of_n')
        || jsonb_strip_nulls(jsonb_build_object('share_above', v_metric.asked -> 'share_above', 'share_below', v_metric.asked -> 'share_below')));
    end if;
    if (v_metric.seen ->> 'per_day')::numeric < (v_metric.asked ->> 'at_least_per_day')::numeric then
      v_goal := coalesce(v_goal, jsonb_build_object('metric', v_metric.asked -> 'name', 'per_day', v_metric.seen -> 'per_day',
        'at_least_per_day', v_metric.asked -> 'at_least_per_day'));
    end if;
  end loop;
  return case
    when v_page is not null then jsonb_build_object('verdict', 'page', 'rule', 'guardrail', 'figures', v_page)
    when v_complaints > (p_asked ->> 'complaints_at_most')::bigint then jsonb_build_object('verdict', 'hold', 'rule', 'complaints',
      'figures', jsonb_build_object('complaints', v_complaints, 'complaints_at_most', p_asked -> 'complaints_at_most'))
    when v_few is not null then jsonb_build_object('verdict', 'hold', 'rule', 'people', 'figures', v_few)
    when v_unclear is not null then jsonb_build_object('verdict', 'hold', 'rule', 'guardrail_unclear', 'figures', v_unclear)
    when v_goal is not null then jsonb_build_object('verdict', 'hold', 'rule', 'goal', 'figures', v_goal)
    when v_share_off is not null then jsonb_build_object('verdict', 'hold', 'rule', 'share', 'figures', v_share_off)
    when v_ratings < (p_asked ->> 'min_ratings')::bigint then jsonb_build_object('verdict', 'hold', 'rule', 'ratings',
      'figures', jsonb_build_object('ratings', v_ratings, 'min_ratings', p_asked -> 'min_ratings'))
    when (p_seen ->> 'positive')::bigint <= (p_asked ->> 'positive_share_above')::double precision * v_ratings
      then jsonb_build_object('verdict', 'hold', 'rule', 'feedback', 'figures', jsonb_build_object('positive', p_seen -> 'positive',
        'ratings', v_ratings, 'positive_share_above', p_asked -> 'positive_share_above')) end;
end $$;
comment on function private.signals_say(jsonb, jsonb) is
  'What signals mean: {verdict: roll_back, page or hold, rule, figures}; null where nothing is in the way. See signalsSay() in signals.ts.';

create function private.rollout_signals(p_rollout public.rollouts, p_stage public.rollout_stages, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_asked jsonb := private.signals_asked(p_stage, private.epoch_ms(p_now) / 60000 < private.sharp_until(p_stage));
  v_seen jsonb := private.signals_seen(p_rollout, p_stage, p_now);
begin
  return jsonb_build_object('asked', v_asked, 'seen', v_seen, 'said', private.signals_say(v_asked, v_seen));
end $$;
comment on function private.rollout_signals(public.rollouts, public.rollout_stages, timestamptz) is
  'What people and business metrics say of the stage that a rollout is in: {asked, seen, said}.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.report_kill_switches(text[], timestamptz),
  public.report_kill_switches(text[]),
  private.killed_since(text, timestamptz),
  private.arm_of(text, text, timestamptz),
  private.keep_feedback(private.said_feedback, text, timestamptz),
  private.record_feedback(jsonb, timestamptz),
  public.record_feedback(jsonb),
  private.record_metrics(jsonb, timestamptz),
  public.record_metrics(jsonb),
  private.count_conversion(),
  private.signals_seen(public.rollouts, public.rollout_stages, timestamptz),
  private.fall_s(double precision, double precision, bigint, bigint)
  to service_role;
grant execute on function
  public.list_kill_switches(),
  public.add_feedback(text, text, text, integer, text, uuid),
  public.list_feedback(text, integer),
  public.list_metrics(integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002160');
