-- Notices of a rollout: its communication plan as a schedule. Who is to be told what on which day, counted from day 0; the
-- clock tells those who listen for it when it is due, with how the rollout does where the plan wants that.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.rollout_notices (
  rollout_id uuid not null references public.rollouts (id) on delete cascade,
  position integer not null,
  day integer not null constraint rollout_notices_day check (day between -90 and 400),
  to_whom text not null constraint rollout_notices_to_whom check (char_length(to_whom) between 1 and 100),
  text text not null constraint rollout_notices_text check (char_length(text) between 1 and 1000),
  report boolean not null,
  due_at timestamptz not null,
  state text not null default 'planned' constraint rollout_notices_state_known check (state in ('planned', 'told', 'skipped')),
  at timestamptz,
  constraint rollout_notices_pkey primary key (rollout_id, position)
);
comment on table public.rollout_notices is 'Who is to be told what of a rollout, and when. Written by schedule_notices and the clock.';
comment on constraint rollout_notices_pkey on public.rollout_notices is 'The notices of a rollout in their order.';
comment on column public.rollout_notices.rollout_id is 'The rollout.';
comment on column public.rollout_notices.position is 'From 1.';
comment on column public.rollout_notices.day is 'Days after day 0; before it if negative.';
comment on column public.rollout_notices.to_whom is 'Who is to be told, in words.';
comment on column public.rollout_notices.text is 'What they are to be told.';
comment on column public.rollout_notices.report is 'Whether it says how the rollout does.';
comment on column public.rollout_notices.due_at is 'When it is due.';
comment on column public.rollout_notices.state is 'planned, told (queued for those who listen), or skipped: its time was over when it was planned, or the rollout was rolled back.';
comment on column public.rollout_notices.at is 'When it was told or skipped; null before.';
create index rollout_notices_due_idx on public.rollout_notices (due_at) where state = 'planned';
comment on index public.rollout_notices_due_idx is 'What is due next.';
alter table public.rollout_notices enable row level security;
revoke all on public.rollout_notices from anon, authenticated, service_role, public;
grant select on public.rollout_notices to authenticated, service_role;
create policy rollout_notices_read on public.rollout_notices for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollout_notices_read on public.rollout_notices is 'The whole team sees who is told what, and when.';

create function private.template_notices(p_plan text) returns jsonb
language sql immutable set search_path = '' as $$
  select case p_plan when 'replies' then '[
    {"day": -7, "to": "Engineering", "text": "Brief the team on the changes."},
    {"day": -1, "to": "Support", "text": "Train the team on the new system."},
    {"day": 0, "to": "All teams", "text": "Reply tokens are being deployed. Users notice nothing."},
    {"day": 1, "to": "Leadership", "text": "Status of the first day.", "report": true},
    {"day": 7, "to": "All teams", "text": "Report of the first week.", "report": true},
    {"day": 14, "to": "Users", "text": "Optional: publish a blog post about the improved threads."},
    {"day": 30, "to": "Users", "text": "Announce the management of identities: gatelink announce create."}
  ]'::jsonb when 'masking' then '[
    {"day": -1, "to": "Support", "text": "The four common issues, and what to look at: docs/messages-support.md."},
    {"day": 0, "to": "Owners", "text": "Messaging begins for the pilot: clients and sitters write to numbers of the business."},
    {"day": 0, "to": "Sitters", "text": "Tell the sitters of the pilot when they may write, and that contact details are held back."},
    {"day": 1, "to": "Engineering", "text": "Status of the first day of the pilot.", "report": true},
    {"day": 7, "to": "Leadership", "text": "Report of the pilot. Messaging begins for everybody once the stage has passed.", "report": true},
    {"day": 7, "to": "Owners and sitters", "text": "Messaging is about to begin for everybody: gatelink announce create."},
    {"day": 14, "to": "Engineering", "text": "Review false alarms of detection, and the buffers of windows.", "report": true}
  ]'::jsonb end
$$;
comment on function private.template_notices(text) is 'The communication plan that belongs to a built-in plan: [{day, to, text, report}]; null for none.';

create function private.refuse_notices(p_notices jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(p_notices) is distinct from 'array' or jsonb_array_length(p_notices) not between 1 and 50
    or exists (
      select from jsonb_array_elements(p_notices) n
      where not (private.object_keys_within(n, array['day', 'to', 'text', 'report']) and private.is_number(n -> 'day', -90, 400, 0)
        and jsonb_typeof(n -> 'to') = 'string' and char_length(n ->> 'to') between 1 and 100
        and jsonb_typeof(n -> 'text') = 'string' and char_length(n ->> 'text') between 1 and 1000
        and jsonb_typeof(coalesce(n -> 'report', 'false')) = 'boolean') is true) then
    raise exception 'notices are 1 to 50 of {day (-90 to 400), to (1 to 100 characters), text (1 to 1000), report (true or false)}'
      using errcode = 'GL422', hint = 'Only the plans replies and masking have notices of their own.';
  end if;
end $$;
comment on function private.refuse_notices(jsonb) is 'GL422 where these cannot be notices.';

create function private.schedule_notices(p_id uuid, p_day_0 timestamptz, p_notices jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_rollout public.rollouts;
  v_notices jsonb;
begin
  select * into v_rollout from public.rollouts r where r.id = p_id for update;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.state = 'rolled_back' then
    raise exception 'rollout % was rolled back', p_id using errcode = 'GL409', hint = 'Plan the notices of a new one.';
  elsif p_day_0 is null or p_day_0 not between p_now - interval '400 days' and p_now + interval '400 days' then
    raise exception 'day 0 is a time within 400 days' using errcode = 'GL422';
  end if;
  v_notices := coalesce(nullif(p_notices, 'null'), private.template_notices(v_rollout.plan));
  perform private.refuse_notices(v_notices);
  delete from public.rollout_notices n where n.rollout_id = p_id and n.state <> 'told';
  -- What somebody was told stays told, whatever the new day 0.
  insert into public.rollout_notices (rollout_id, position, day, to_whom, text, report, due_at, state, at)
  select p_id, coalesce((select max(t.position) from public.rollout_notices t where t.rollout_id = p_id), 0) + row_number() over (order by n.day, n.place),
    n.day, n.to_whom, n.text, n.report, n.due_at,
    case when n.due_at < p_now - interval '1 day' then 'skipped' else 'planned' end, case when n.due_at < p_now - interval '1 day' then p_now end
  from (
    select (e.item ->> 'day')::integer as day, e.item ->> 'to' as to_whom, e.item ->> 'text' as text,
      coalesce((e.item ->> 'report')::boolean, false) as report, p_day_0 + make_interval(days => (e.item ->> 'day')::integer) as due_at, e.place
    from jsonb_array_elements(v_notices) with ordinality as e (item, place)) n
  where not exists (
    select from public.rollout_notices t where t.rollout_id = p_id and t.day = n.day and t.to_whom = n.to_whom and t.text = n.text);
  return private.notices_of(p_id);
end $$;
comment on function private.schedule_notices(uuid, timestamptz, jsonb, timestamptz) is 'schedule_notices with the time given.';

create function private.notices_of(p_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('day', n.day, 'to', n.to_whom, 'text', n.text, 'report', n.report, 'due_at', n.due_at,
    'state', n.state, 'at', n.at) order by n.due_at, n.position), '[]')
  from public.rollout_notices n where n.rollout_id = p_id
$$;
comment on function private.notices_of(uuid) is 'The notices of a rollout in the order of their time.';

create function public.schedule_notices(p_id uuid, p_day_0 timestamptz, p_notices jsonb default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return private.schedule_notices(p_id, p_day_0, p_notices, clock_timestamp());
end $$;
comment on function public.schedule_notices(uuid, timestamptz, jsonb) is
  'Schedules who is told what of a rollout: [{day (from day 0, may be negative), to, text, report (true: with how the rollout does)}], left out those of the built-in plan; what was told already stays, what is over is skipped. Answers the notices, as list_notices. For operators and secret keys. Errors: GL404 no such rollout, GL409 it was rolled back, GL422 what cannot be, or a plan without notices.';

create function public.list_notices(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.notices_of(p_id);
end $$;
comment on function public.list_notices(uuid) is 'The notices of a rollout: [{day, to, text, report, due_at, state (planned, told, skipped), at}]. For viewers and secret keys.';

-- Failure policy: a report that cannot be made leaves the notice without one.
create function private.tell_notices(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_notice record;
  v_report jsonb;
  v_count integer := 0;
begin
  for v_notice in
    select n.rollout_id, n.position, n.day, n.to_whom, n.text, n.report, n.due_at, r.flag_key, r.plan, r.state, r.started_at
    from public.rollout_notices n join public.rollouts r on r.id = n.rollout_id
    where n.state = 'planned' and n.due_at <= p_now
    order by n.due_at, n.position limit 100 for update of n skip locked
  loop
    -- What was taken back is told by its rollback.
    if v_notice.state = 'rolled_back' then
      update public.rollout_notices n set state = 'skipped', at = p_now
      where n.rollout_id = v_notice.rollout_id and n.position = v_notice.position;
      continue;
    end if;
    v_report := null;
    if v_notice.report and v_notice.started_at is not null then
      begin
        v_report := private.report_now(v_notice.flag_key, p_now);
      exception when others then
        raise warning 'the report of a notice of rollout % could not be made: % (%)', v_notice.rollout_id, sqlerrm, sqlstate;
      end;
    end if;
    insert into public.notifications (endpoint_id, next_attempt_at, payload)
    select e.id, p_now, jsonb_build_object('kind', 'notice', 'at', v_notice.due_at, 'notice', jsonb_build_object(
      'rollout_id', v_notice.rollout_id, 'flag', v_notice.flag_key, 'plan', v_notice.plan, 'state', v_notice.state, 'day', v_notice.day,
      'to', v_notice.to_whom, 'text', v_notice.text, 'report', v_report))
    from public.notification_endpoints e where e.state = 'active' and 'notice' = any (e.events);
    update public.rollout_notices n set state = 'told', at = p_now
    where n.rollout_id = v_notice.rollout_id and n.position = v_notice.position;
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
comment on function private.tell_notices(timestamptz) is 'Queues the notices that are due for those who listen for them, and says how many. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.schedule_notices(uuid, timestamptz, jsonb),
  public.list_notices(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002492');
