-- Reports: how a rollout does, every two hours on its first day and daily in its first week, and once a week all features,
-- trends and what is left to be tidied up. Figures alone, kept and sent to those who are told of reports.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Table -------------------------------------------------------------------------------------------

create table public.reports (
  id uuid constraint reports_pkey primary key default private.uuid_v7(),
  kind text not null constraint reports_kind_known check (kind in ('first_day', 'daily', 'weekly')),
  rollout_id uuid references public.rollouts (id) on delete cascade,
  flag_key text,
  period_from timestamptz not null,
  due_at timestamptz not null,
  figures jsonb not null,
  look text[] not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint reports_once unique nulls not distinct (kind, rollout_id, due_at),
  constraint reports_of_rollout check ((kind = 'weekly') = (rollout_id is null))
);
comment on table public.reports is 'Reports as they were when they were due. Written by the clock.';
comment on constraint reports_pkey on public.reports is 'A report''s id.';
comment on constraint reports_once on public.reports is 'One report a time.';
comment on constraint reports_of_rollout on public.reports is 'The weekly one is about everything.';
comment on column public.reports.id is 'UUID v7.';
comment on column public.reports.kind is 'first_day (of a rollout or a launch, every two hours), daily (in its first week) or weekly (about everything).';
comment on column public.reports.rollout_id is 'The rollout; null for the weekly one.';
comment on column public.reports.flag_key is 'Its flag.';
comment on column public.reports.period_from is 'From when it counts.';
comment on column public.reports.due_at is 'Until when it counts, which is when it was due.';
comment on column public.reports.figures is 'What it says; _shared/contract/words/reports.ts makes sentences of it.';
comment on column public.reports.look is
  'What somebody should look at: silent, error_rate, p95, worse, paged, incident, complaints, debt; empty where all is well.';
comment on column public.reports.created_at is 'When it was written.';
create index reports_rollout_idx on public.reports (rollout_id) where rollout_id is not null;
comment on index public.reports_rollout_idx is 'Serves the foreign key.';
create index reports_flag_idx on public.reports (flag_key, due_at);
comment on index public.reports_flag_idx is 'A feature''s reports.';
alter table public.reports enable row level security;
revoke all on public.reports from anon, authenticated, service_role, public;
grant select on public.reports to authenticated, service_role;
create policy reports_read on public.reports for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy reports_read on public.reports is 'Figures only: the whole team reads them.';

-- Figures -----------------------------------------------------------------------------------------

create function private.le_quantile(p_timed bigint, p_le bigint[], p_quantile double precision) returns integer
language sql immutable parallel safe set search_path = '' as $$
  with edges as (
    select e.i, e.upto, (private.latency_edges())[e.i] as edge,
      coalesce(lag(e.upto) over (order by e.i), 0) as before, coalesce((private.latency_edges())[e.i - 1], 0) as edge_before
    from unnest(p_le) with ordinality as e (upto, i)
  )
  select case when p_timed > 0 then coalesce((
    select round(edge_before + (edge - edge_before) * ((p_quantile * p_timed - before) / greatest(upto - before, 1)))::integer
    from edges where upto >= p_quantile * p_timed order by i limit 1), (private.latency_edges())[27]) end
$$;
comment on function private.le_quantile(bigint, bigint[], double precision) is
  'The quantile (0 to 1) of a cumulative histogram of flag_metrics in milliseconds, linear between two edges; null where nothing was timed. What took longer than the last edge counts as that.';

create function private.outcome_figures(p_flag_key text, p_arm text, p_from timestamptz, p_to timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('n', s.n, 'failed', s.failed,
    'error_rate', case when s.n > 0 then round(s.failed::numeric / s.n, 5) end,
    'p50_ms', private.le_quantile(s.timed, s.le, 0.5), 'p95_ms', private.le_quantile(s.timed, s.le, 0.95),
    'p99_ms', private.le_quantile(s.timed, s.le, 0.99))
  from (
    select coalesce(sum(m.n), 0)::bigint as n, coalesce(sum(m.failed), 0)::bigint as failed, coalesce(sum(m.timed), 0)::bigint as timed,
      array[sum(m.le[1]), sum(m.le[2]), sum(m.le[3]), sum(m.le[4]), sum(m.le[5]), sum(m.le[6]), sum(m.le[7]), sum(m.le[8]),
      sum(m.le[9]), sum(m.le[10]), sum(m.le[11]), sum(m.le[12]), sum(m.le[13]), sum(m.le[14]), sum(m.le[15]), sum(m.le[16]),
      sum(m.le[17]), sum(m.le[18]), sum(m.le[19]), sum(m.le[20]), sum(m.le[21]), sum(m.le[22]), sum(m.le[23]), sum(m.le[24]),
      sum(m.le[25]), sum(m.le[26]), sum(m.le[27])] as le
    from public.flag_metrics m
    where m.flag_key = p_flag_key and m.arm = p_arm and m.minute >= p_from and m.minute < p_to) s
$$;
comment on function private.outcome_figures(text, text, timestamptz, timestamptz) is
  'Outcomes of an arm in a time: {n, failed, error_rate, p50_ms, p95_ms, p99_ms}; a rate of none, and quantiles of what was not timed, are null.';

-- Signals come with a migration of their own; without it there are none.
create function private.report_signals(p_rollout_id uuid, p_from timestamptz, p_to timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('complaints', said.complaints, 'ratings', said.ratings, 'positive', said.positive, 'metrics', counted.metrics)
  from (
    select count(distinct f.subject_id) filter (where f.kind = 'complaint') as complaints,
      count(*) filter (where f.kind = 'rating') as ratings, count(*) filter (where f.kind = 'rating' and f.positive) as positive
    from public.feedback f
    where f.at >= p_from and f.at < p_to and (p_rollout_id is null or exists (
      select from public.rollout_feedback o where o.feedback_id = f.id and o.rollout_id = p_rollout_id and o.arm = 'on'))
  ) said
  cross join lateral (
    select greatest(date_trunc('day', p_to) - date_trunc('day', p_from), interval '1 day') as days
  ) span
  cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'n', d.n, 'before', d.before) order by d.name), '[]') as metrics
    from (
      select m.name, coalesce(sum(m.n) filter (where m.day >= (p_to - span.days)::date), 0) as n,
        coalesce(sum(m.n) filter (where m.day < (p_to - span.days)::date), 0) as before
      from public.metric_days m
      where m.day >= (p_to - 2 * span.days)::date and m.day < p_to::date group by m.name) d
  ) counted
$$;
comment on function private.report_signals(uuid, timestamptz, timestamptz) is
  'What people said in a time (of a rollout: those who had the feature), and business metrics of its days (whole ones, UTC) and as many before: {complaints, ratings, positive, metrics: [{name, n, before}]}.';

create function private.rollout_report(p_rollout public.rollouts, p_from timestamptz, p_to timestamptz, out figures jsonb, out look text[])
language plpgsql stable set search_path = '' as $$
declare
  v_stage public.rollout_stages;
  v_on jsonb := private.outcome_figures(p_rollout.flag_key, 'on', p_from, p_to);
  v_signals jsonb := private.report_signals(p_rollout.id, p_from, p_to);
  v_before jsonb := private.outcome_figures(p_rollout.flag_key, 'on', p_from - (p_to - p_from), p_from);
  v_paged bigint;
  v_open bigint;
  v_opened bigint;
begin
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage;
  select count(*) into v_paged from public.rollout_events e
  where e.rollout_id = p_rollout.id and e.kind = 'paged' and e.at >= p_from and e.at < p_to;
  select count(*) filter (where i.status <> 'resolved'), count(*) filter (where i.opened_at >= p_from and i.opened_at < p_to)
  into v_open, v_opened
  from public.incidents i
  where coalesce(i.flag_key, p_rollout.flag_key) = p_rollout.flag_key and (i.status <> 'resolved' or i.opened_at >= p_from);
  figures := jsonb_build_object('state', p_rollout.state, 'plan', p_rollout.plan, 'hold_reason', p_rollout.hold_reason,
    'stage', case when v_stage.position is not null then
      jsonb_build_object('position', v_stage.position, 'name', v_stage.name, 'percentage', v_stage.percentage) end,
    'on', v_on, 'off', private.outcome_figures(p_rollout.flag_key, 'off', p_from, p_to), 'before', v_before,
    'pages', v_paged, 'incidents_opened', v_opened, 'incidents_open', v_open) || v_signals;
  look := array_remove(array[
    case when (v_on ->> 'n')::bigint = 0 then 'silent' end,
    case when (v_on ->> 'error_rate')::numeric > (v_stage.roll_back_when ->> 'error_rate_above')::numeric then 'error_rate' end,
    case when (v_on ->> 'p95_ms')::numeric > (v_stage.roll_back_when ->> 'p95_ms_above')::numeric then 'p95' end,
    case when (v_on ->> 'n')::bigint >= 100 and (v_before ->> 'n')::bigint >= 100
      and (v_on ->> 'error_rate')::numeric > 2 * (v_before ->> 'error_rate')::numeric + 0.005 then 'worse' end,
    case when v_paged > 0 then 'paged' end,
    case when v_open > 0 then 'incident' end,
    case when (v_signals ->> 'complaints')::bigint > 0 then 'complaints' end], null);
end $$;
comment on function private.rollout_report(public.rollouts, timestamptz, timestamptz) is
  'How a rollout did in a time, with as long before it, and what somebody should look at.';

create function private.weekly_report(p_from timestamptz, p_to timestamptz, out figures jsonb, out look text[])
language plpgsql stable set search_path = '' as $$
declare
  v_features jsonb;
  v_signals jsonb := private.report_signals(null, p_from, p_to);
  v_debt jsonb;
  v_open bigint;
begin
  with used as (
    select m.flag_key, m.minute >= p_from as now, coalesce(sum(m.n) filter (where m.arm = 'on'), 0) as had, sum(m.n) as n
    from public.flag_metrics m where m.minute >= p_from - (p_to - p_from) and m.minute < p_to
    group by 1, 2
  ), features as (
    select s.key, s.value, s.metadata,
      round(n.had::numeric / nullif(n.n, 0), 5) as adoption, round(b.had::numeric / nullif(b.n, 0), 5) as adoption_before,
      private.outcome_figures(s.key, 'on', p_from, p_to) as now, private.outcome_figures(s.key, 'on', p_from - (p_to - p_from), p_from) as before
    from public.settings s
    left join used n on n.flag_key = s.key and n.now
    left join used b on b.flag_key = s.key and not b.now
    where s.key like '%.enabled' and (n.n is not null or b.n is not null)
  )
  select coalesce(jsonb_agg(jsonb_build_object('flag_key', f.key, 'on', f.value = 'true', 'percentage', f.metadata -> 'rollout_percentage',
    'adoption', f.adoption, 'adoption_before', f.adoption_before, 'now', f.now, 'before', f.before,
    'worse', coalesce((f.now ->> 'n')::bigint >= 100 and (f.before ->> 'n')::bigint >= 100
      and ((f.now ->> 'error_rate')::numeric > 2 * (f.before ->> 'error_rate')::numeric + 0.005
        or (f.now ->> 'p95_ms')::numeric > 1.5 * (f.before ->> 'p95_ms')::numeric), false)) order by f.key), '[]')
  into v_features from features f;
  select coalesce(jsonb_agg(jsonb_build_object('flag_key', d.key, 'why', d.why, 'since', d.since) order by d.key, d.why), '[]')
  into v_debt from private.stale_flags(p_to) d;
  select count(*) into v_open from public.incidents i where i.status <> 'resolved';
  figures := jsonb_build_object('features', v_features, 'debt', v_debt,
    'incidents_opened', (select count(*) from public.incidents i where i.opened_at >= p_from and i.opened_at < p_to),
    'incidents_resolved', (select count(*) from public.incidents i where i.resolved_at >= p_from and i.resolved_at < p_to),
    'incidents_open', v_open,
    'rollouts', (
      select jsonb_build_object(
        'started', count(*) filter (where r.started_at >= p_from and r.started_at < p_to),
        'completed', count(*) filter (where r.state = 'completed' and r.finished_at >= p_from and r.finished_at < p_to),
        'rolled_back', count(*) filter (where r.state = 'rolled_back' and r.finished_at >= p_from and r.finished_at < p_to),
        'under_way', count(*) filter (where r.state in ('running', 'paused')))
      from public.rollouts r)) || v_signals;
  look := array_remove(array[
    case when jsonb_path_exists(v_features, '$[*] ? (@.worse == true)') then 'worse' end,
    case when v_open > 0 then 'incident' end,
    case when (v_signals ->> 'complaints')::bigint > 0 then 'complaints' end,
    case when v_debt <> '[]' then 'debt' end], null);
end $$;
comment on function private.weekly_report(timestamptz, timestamptz) is
  'Adoption (the share of outcomes of people who had a feature) and how each feature did, beside the time before; flags that look done with; incidents and rollouts.';

-- The rhythm ---------------------------------------------------------------------------------------

create function private.report_slot(p_since timestamptz, p_now timestamptz, out kind text, out due_at timestamptz, out period_from timestamptz)
language plpgsql immutable set search_path = '' as $$
declare
  v_hours double precision := extract(epoch from p_now - p_since) / 3600;
begin
  if v_hours >= 48 and v_hours < 192 then
    kind := 'daily';
    due_at := p_since + make_interval(days => least(7, floor(v_hours / 24))::integer);
    period_from := due_at - interval '1 day';
  elsif v_hours >= 2 and v_hours < 48 then
    kind := 'first_day';
    due_at := p_since + make_interval(hours => least(24, 2 * floor(v_hours / 2))::integer);
    period_from := due_at - interval '2 hours';
  end if;
end $$;
comment on function private.report_slot(timestamptz, timestamptz) is
  'The report about something that began then that was due last: every two hours on the first day, daily until the seventh; null where none was.';

create function private.write_report(p_report public.reports, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.reports (kind, rollout_id, flag_key, period_from, due_at, figures, look, created_at)
  values (p_report.kind, p_report.rollout_id, p_report.flag_key, p_report.period_from, p_report.due_at, p_report.figures, p_report.look, p_now)
  on conflict on constraint reports_once do nothing
  returning * into p_report;
  if p_report.id is null then
    return false;
  end if;
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', 'report', 'at', p_report.due_at, 'report', to_jsonb(p_report) - 'created_at')
  from public.notification_endpoints e where e.state = 'active' and 'report' = any (e.events);
  return true;
end $$;
comment on function private.write_report(public.reports, timestamptz) is 'Keeps a report and queues it for those who are told; false where it was written before.';

-- Failure policy: what goes wrong with one report leaves the others alone, and is tried again a minute later.
create function private.write_reports(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_report public.reports;
  v_slot record;
  v_zone text := private.team_zone();
  v_count integer := 0;
begin
  for v_rollout in
    select * from public.rollouts r
    where r.state in ('running', 'paused') and r.started_at > p_now - interval '8 days'
      or r.state = 'completed' and r.finished_at > p_now - interval '8 days'
    order by r.id
  loop
    v_slot := private.report_slot(coalesce(v_rollout.finished_at, v_rollout.started_at), p_now);
    continue when v_slot.kind is null or exists (
      select from public.reports x where x.kind = v_slot.kind and x.rollout_id = v_rollout.id and x.due_at = v_slot.due_at);
    begin
      v_report := null;
      v_report.kind := v_slot.kind;
      v_report.rollout_id := v_rollout.id;
      v_report.flag_key := v_rollout.flag_key;
      v_report.period_from := v_slot.period_from;
      v_report.due_at := v_slot.due_at;
      select f.figures, f.look into v_report.figures, v_report.look
      from private.rollout_report(v_rollout, v_slot.period_from, v_slot.due_at) f;
      v_count := v_count + private.write_report(v_report, p_now)::integer;
    exception when others then
      raise warning 'the report about rollout % could not be written: % (%)', v_rollout.id, sqlerrm, sqlstate;
    end;
  end loop;

  v_report := null;
  v_report.kind := 'weekly';
  v_report.due_at := (date_trunc('week', (p_now - interval '8 hours') at time zone v_zone) + interval '8 hours') at time zone v_zone;
  v_report.period_from := (v_report.due_at at time zone v_zone - interval '7 days') at time zone v_zone;
  if exists (select from private.config_revision c where c.installed_at < v_report.due_at)
    and not exists (select from public.reports x where x.kind = 'weekly' and x.due_at = v_report.due_at) then
    select f.figures, f.look into v_report.figures, v_report.look from private.weekly_report(v_report.period_from, v_report.due_at) f;
    v_count := v_count + private.write_report(v_report, p_now)::integer;
  end if;
  return v_count;
end $$;
comment on function private.write_reports(timestamptz) is
  'Writes the reports that are due: of rollouts that began or were completed within a week, and on Mondays at 8 in the team''s zone the weekly one. Says how many. For the clock.';

-- For people ---------------------------------------------------------------------------------------

create function public.list_reports(p_flag_key text default null, p_limit integer default 50, p_before uuid default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(to_jsonb(r) order by r.due_at desc, r.id desc), '[]')
    from (
      select * from public.reports x where (p_flag_key is null or x.flag_key = p_flag_key)
        and (p_before is null or (x.due_at, x.id) < (select b.due_at, b.id from public.reports b where b.id = p_before))
      order by x.due_at desc, x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) r);
end $$;
comment on function public.list_reports(text, integer, uuid) is
  'Reports, latest first, of one flag''s rollouts or all: [{id, kind, rollout_id, flag_key, period_from, due_at, figures, look, created_at}], at most 500; with p_before, the id of the last of the page before, the next. For viewers and secret keys.';

create function public.read_report(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report public.reports;
begin
  perform private.require_role('viewer');
  select * into v_report from public.reports r where r.id = p_id;
  if v_report.id is null then
    raise exception 'there is no such report' using errcode = 'GL404', hint = 'gatelink report list';
  end if;
  return to_jsonb(v_report);
end $$;
comment on function public.read_report(uuid) is 'One report, as list_reports gives it. For viewers and secret keys. GL404 where there is none.';

create function private.report_now(p_flag_key text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_from timestamptz;
  v_figures jsonb;
  v_look text[];
begin
  if p_flag_key is null then
    v_from := p_now - interval '7 days';
    select f.figures, f.look into v_figures, v_look from private.weekly_report(v_from, p_now) f;
  else
    select * into v_rollout from public.rollouts r
    where r.flag_key = p_flag_key and r.started_at is not null order by r.started_at desc limit 1;
    if v_rollout.id is null then
      raise exception 'no rollout of % has been started', p_flag_key using errcode = 'GL404', hint = 'gatelink rollout list';
    end if;
    v_from := p_now - interval '2 hours';
    select f.figures, f.look into v_figures, v_look from private.rollout_report(v_rollout, v_from, p_now) f;
  end if;
  return jsonb_build_object('id', null, 'kind', case when p_flag_key is null then 'weekly' else 'first_day' end, 'rollout_id', v_rollout.id,
    'flag_key', p_flag_key, 'period_from', v_from, 'due_at', p_now, 'figures', v_figures, 'look', to_jsonb(v_look), 'created_at', p_now);
end $$;
comment on function private.report_now(text, timestamptz) is 'report_now with the time given.';

create function public.report_now(p_flag_key text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.report_now(p_flag_key, clock_timestamp());
end $$;
comment on function public.report_now(text) is
  'The report that would be written now, kept nowhere: of a flag''s last rollout about the last two hours, without a flag the weekly one about the last seven days. For viewers and secret keys. GL404 where no rollout of the flag was started.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.list_reports(text, integer, uuid),
  public.read_report(uuid),
  public.report_now(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002180');
