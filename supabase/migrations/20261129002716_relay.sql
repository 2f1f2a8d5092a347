-- Masked messaging: what is known when a text is taken, what was decided about it and why, and what the owner looks at.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.thread_decisions (
  id uuid constraint thread_decisions_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  thread_id uuid references public.threads (id) on delete cascade,
  contact_id uuid references public.contacts (id) on delete cascade,
  message_id uuid,
  from_role text not null constraint thread_decisions_role_known check (from_role in ('client', 'sitter', 'owner', 'unknown')),
  from_last4 text constraint thread_decisions_from_short check (from_last4 ~ '^[0-9]{0,4}$'),
  number_last4 text constraint thread_decisions_number_short check (number_last4 ~ '^[0-9]{0,4}$'),
  number_class text constraint thread_decisions_class_known check (number_class in ('front_desk', 'sitter', 'pool')),
  outcome text not null constraint thread_decisions_outcome_known check (outcome in ('leg', 'owner_inbox', 'held', 'blocked')),
  reason text not null constraint thread_decisions_reason_form check (reason ~ '^[a-z_]{1,40}$'),
  types text[] not null default '{}',
  forces uuid references public.thread_decisions (id) on delete cascade,
  force_reason text constraint thread_decisions_force_length check (char_length(force_reason) between 1 and 500),
  text text constraint thread_decisions_text_length check (char_length(text) between 1 and 1600),
  key text constraint thread_decisions_key_length check (char_length(key) between 1 and 255),
  done_at timestamptz,
  done_by text,
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor(),
  constraint thread_decisions_forced_once unique (forces),
  constraint thread_decisions_key_once unique (org_id, key),
  constraint thread_decisions_text_of_app check (text is null or message_id is null),
  constraint thread_decisions_force_whole check ((forces is null) = (force_reason is null))
);
comment on table public.thread_decisions is 'Where each text went and why: one row a text, and one more when an owner lets a blocked one pass. Of numbers there are last fours.';
comment on constraint thread_decisions_pkey on public.thread_decisions is 'In the order in which they were made.';
comment on constraint thread_decisions_forced_once on public.thread_decisions is 'A blocked text is let pass once.';
comment on constraint thread_decisions_force_whole on public.thread_decisions is 'Who lets a text pass says why.';
comment on constraint thread_decisions_key_once on public.thread_decisions is 'A repeated request writes nothing again.';
comment on constraint thread_decisions_text_of_app on public.thread_decisions is 'Words are kept where no message has them.';
comment on column public.thread_decisions.id is 'UUID v7.';
comment on column public.thread_decisions.org_id is 'The organisation.';
comment on column public.thread_decisions.thread_id is 'The thread; null if none was known.';
comment on column public.thread_decisions.contact_id is 'Who wrote; null for somebody without a contact, and for the owner.';
comment on column public.thread_decisions.message_id is 'The text, where it was stored as a message. Not a foreign key: messages may be purged before.';
comment on column public.thread_decisions.from_role is 'client, sitter, owner, or unknown.';
comment on column public.thread_decisions.from_last4 is 'Last four digits of the number it came from.';
comment on column public.thread_decisions.number_last4 is 'Last four digits of our number.';
comment on column public.thread_decisions.number_class is 'The class of our number.';
comment on column public.thread_decisions.outcome is 'leg: relayed; owner_inbox; held; blocked.';
comment on column public.thread_decisions.reason is 'Why: the rule of relay().';
comment on column public.thread_decisions.types is 'Of a text with findings: their types, also where it was relayed with a warning.';
comment on column public.thread_decisions.forces is 'The blocked decision that an owner overrode with this one.';
comment on column public.thread_decisions.force_reason is 'Why.';
comment on column public.thread_decisions.text is 'What was written in the app and not sent: an owner may let it pass.';
comment on column public.thread_decisions.key is 'The idempotency key of whoever wrote in the app.';
comment on column public.thread_decisions.done_at is 'When somebody dealt with it in the owner inbox.';
comment on column public.thread_decisions.done_by is 'Who.';
comment on column public.thread_decisions.at is 'When it was decided.';
comment on column public.thread_decisions.by is 'Who had it decided.';
create index thread_decisions_org_idx on public.thread_decisions (org_id, id);
comment on index public.thread_decisions_org_idx is 'The latest decisions of an organisation; serves the foreign key.';
create index thread_decisions_inbox_idx on public.thread_decisions (org_id, id)
  where done_at is null and (outcome = 'owner_inbox' or outcome = 'blocked' or reason = 'off');
comment on index public.thread_decisions_inbox_idx is 'What waits in the owner inbox, and what came while messaging was off.';
create index thread_decisions_thread_idx on public.thread_decisions (thread_id, id) where thread_id is not null;
comment on index public.thread_decisions_thread_idx is 'The decisions of a thread; serves the foreign key.';
create index thread_decisions_waiting_idx on public.thread_decisions (thread_id)
  where done_at is null and (outcome = 'owner_inbox' or outcome = 'blocked' or reason = 'off');
comment on index public.thread_decisions_waiting_idx is 'How much of a thread waits in the owner inbox.';
create index thread_decisions_contact_idx on public.thread_decisions (contact_id, at) where contact_id is not null;
comment on index public.thread_decisions_contact_idx is 'What somebody was told of lately; serves the foreign key.';
alter table public.thread_decisions enable row level security;

create table public.policy_findings (
  decision_id uuid not null references public.thread_decisions (id) on delete cascade,
  ord smallint not null,
  org_id uuid not null references public.orgs (id) on delete cascade,
  type text not null constraint policy_findings_type_known check (type in ('phone', 'email', 'social', 'payment', 'off_platform', 'url')),
  rule text not null constraint policy_findings_rule_form check (rule ~ '^[a-z_.]{1,60}$'),
  score real not null constraint policy_findings_score_share check (score between 0 and 1),
  redacted text not null constraint policy_findings_redacted_short check (char_length(redacted) <= 60),
  was_right boolean,
  reviewed_by text,
  reviewed_at timestamptz,
  constraint policy_findings_pkey primary key (decision_id, ord),
  constraint policy_findings_review_whole check ((was_right is null) = (reviewed_at is null))
);
comment on table public.policy_findings is 'What detection found in a text: type, rule and the match with all but two characters replaced. Never the match itself.';
comment on constraint policy_findings_pkey on public.policy_findings is 'The findings of a decision in order.';
comment on constraint policy_findings_review_whole on public.policy_findings is 'A review has its time.';
comment on column public.policy_findings.decision_id is 'The decision.';
comment on column public.policy_findings.ord is 'Place among its findings.';
comment on column public.policy_findings.org_id is 'The organisation.';
comment on column public.policy_findings.type is 'phone, email, social, payment, off_platform or url.';
comment on column public.policy_findings.rule is 'The rule that found it.';
comment on column public.policy_findings.score is 'How sure the rule is.';
comment on column public.policy_findings.redacted is 'The match, all but its last two letters or digits replaced.';
comment on column public.policy_findings.was_right is 'What a person said of it: false for a false alarm; null while nobody has looked.';
comment on column public.policy_findings.reviewed_by is 'Who.';
comment on column public.policy_findings.reviewed_at is 'When.';
create index policy_findings_review_idx on public.policy_findings (org_id, decision_id) where was_right is null;
comment on index public.policy_findings_review_idx is 'Findings to review.';
create index policy_findings_org_idx on public.policy_findings (org_id);
comment on index public.policy_findings_org_idx is 'Serves the foreign key.';
alter table public.policy_findings enable row level security;

revoke all on public.thread_decisions, public.policy_findings from public, anon, authenticated;
grant select on public.thread_decisions, public.policy_findings to authenticated;
grant select, insert, update, delete on public.thread_decisions, public.policy_findings to service_role;
create policy "the team and owners read decisions" on public.thread_decisions for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id));
comment on policy "the team and owners read decisions" on public.thread_decisions is 'A sitter sees no inbox and no decisions.';
create policy "the team and owners read findings" on public.policy_findings for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id));
comment on policy "the team and owners read findings" on public.policy_findings is 'Whoever reviews false alarms.';

-- Facts -------------------------------------------------------------------------------------------

-- In PL/pgSQL, and with the leg and the state of its window written out: a function of SQL with settings of its own is planned
-- anew at each call, which costs more than all that is read here. The settings are the callers'.
create function private.thread_facts(p_thread uuid, p_at timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('id', t.id, 'numberClass', t.number_class, 'live', t.state = 'live',
      'legs', (
        select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'threadId', l.thread_id, 'contactId', l.contact_id, 'role', l.role,
          'numberId', l.number_id, 'optedOut', exists (
            select from public.conversations c
            where c.contact_id = l.contact_id and c.channel = l.channel and c.number_id = l.number_id and c.opted_out_at is not null))
          order by l.opened_at, l.id), '[]')
        from public.thread_legs l where l.thread_id = t.id and l.ended_at is null),
      'windows', (
        select coalesce(jsonb_agg(jsonb_build_object('legId', l.id,
          'state', case when w.cancelled_at <= p_at then 'past' when w.opens_at > p_at then 'upcoming' else 'active' end, 'from', w.opens_at)
          order by w.opens_at, w.id), '[]')
        from public.thread_legs l
        join public.org_members m on m.contact_id = l.contact_id and m.org_id = t.org_id
        join public.assignment_windows w on w.member_id = m.id and w.client_id = t.client_id and w.closes_at > p_at
        where l.thread_id = t.id and l.role = 'sitter' and l.ended_at is null))
    from public.threads t where t.id = p_thread);
end $$;
comment on function private.thread_facts(uuid, timestamptz) is 'A thread with its live legs and the windows that are not over, as relay() takes it.';

create function private.relay_facts(p_number public.org_numbers, p_contact uuid, p_from text, p_at timestamptz) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_legs jsonb := '[]';
  v_past uuid;
begin
  select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'threadId', l.thread_id, 'contactId', l.contact_id, 'role', l.role,
    'numberId', l.number_id, 'optedOut', exists (
      select from public.conversations c
      where c.contact_id = l.contact_id and c.channel = l.channel and c.number_id = l.number_id and c.opted_out_at is not null))), '[]')
  into v_legs from public.thread_legs l
  where l.contact_id = p_contact and l.channel = p_number.channel and l.number_id = p_number.number_id and l.ended_at is null;
  if v_legs = '[]' then
    select l.thread_id into v_past from public.thread_legs l
    where l.contact_id = p_contact and l.channel = p_number.channel and l.number_id = p_number.number_id and l.ended_at is not null
    order by l.ended_at desc limit 1;
  end if;
  return jsonb_build_object('orgId', p_number.org_id, 'contactId', p_contact, 'numberClass', p_number.class,
    'fromOurs', exists (select from public.senders s where s.channel = p_number.channel and s.address = p_from),
    'senderLegs', v_legs, 'pastThreadId', v_past,
    'thread', case when jsonb_array_length(v_legs) = 1 then private.thread_facts((v_legs #>> '{0,threadId}')::uuid, p_at) end);
end $$;
comment on function private.relay_facts(public.org_numbers, uuid, text, timestamptz) is
  'What is known of a text from a person, whose address is p_from, to a number of an organisation at a time, as relay() takes it.';

create function public.relay_facts(p_number_id text, p_from text, p_at timestamptz default null) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_number public.org_numbers;
  v_contact uuid;
begin
  perform private.refuse_older_code();
  select * into v_number from public.org_numbers n where n.channel = 'sms' and n.number_id = p_number_id;
  if not found then
    return null;
  end if;
  select i.contact_id into v_contact from public.contact_identities i
  where i.channel = 'sms' and i.kind = 'phone' and i.value = p_from and i.valid_to is null;
  return private.relay_facts(v_number, v_contact, p_from, coalesce(p_at, clock_timestamp()));
end $$;
comment on function public.relay_facts(text, text, timestamptz) is
  'What is known of a text from a phone (digits) to one of our numbers at a time (now without one): {orgId, contactId, numberClass, fromOurs, senderLegs, pastThreadId, thread}, the facts of relay(); null for a number of no organisation. For secret keys.';

create function public.thread_facts(p_thread uuid, p_at timestamptz default null) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select private.thread_facts(t.id, coalesce(p_at, clock_timestamp())) || jsonb_build_object('orgId', t.org_id, 'clientId', t.client_id)
    from public.threads t where t.id = p_thread);
end $$;
comment on function public.thread_facts(uuid, timestamptz) is
  'A thread that is open in the app, with legs and windows: {id, orgId, clientId, numberClass, live, legs, windows}; null if there is none. For secret keys.';

-- Decisions ---------------------------------------------------------------------------------------

create function private.count_decisions(p_org uuid, p_decisions jsonb) returns void
language plpgsql volatile set search_path = '' set jit = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_subject text := 'org:' || p_org;
  v_decision jsonb;
  v_first boolean := true;
  v_failed boolean;
  v_outcomes jsonb;
begin
  perform public.add_counts((
    select coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'label', p_org, 'n', c.n) order by c.name), '[]') from (
      select m.name, count(*) as n
      from jsonb_array_elements(p_decisions) as e (decision)
      cross join lateral (values ('masking_' || (e.decision ->> 'outcome'), true), ('masking_sitter_no_window',
        e.decision ->> 'reason' = 'no_active_window' and e.decision ->> 'from_role' = 'sitter')) as m (name, counts)
      where m.counts group by m.name) c));
  -- Failure policy: open. A text counts more than its figure.
  begin
    -- Messaging that is off has decided nothing.
    for v_decision in
      select e.decision from jsonb_array_elements(p_decisions) with ordinality as e (decision, place)
      where e.decision ->> 'reason' <> 'off' order by e.place
    loop
      v_failed := v_decision ->> 'reason' = 'no_client';
      -- Of an organisation one outcome a minute counts, and each failure: the guard counts subjects, and the row of a minute is
      -- hot. Those that are written at once are of one minute.
      continue when not (v_first or v_failed);
      v_first := false;
      select jsonb_agg(jsonb_build_object('flag', r.flag_key, 'arm', a.arm, 'minute', floor(extract(epoch from v_now) / 60)::bigint, 'n', 1,
          'failed', v_failed::integer, 'timed', 0, 'ms', 0, 'le', to_jsonb(array_fill(0, array[27])),
          'people', case when v_failed and a.arm = 'on' then jsonb_build_array(jsonb_build_array(v_subject, true, 0)) else '[]' end))
      into v_outcomes
      from public.rollouts r cross join lateral private.arm_of(r.flag_key, v_subject, v_now) a
      where r.state in ('running', 'paused') and a.arm is not null
        and (r.flag_key = 'messaging_v1.enabled' or r.flag_key = 'proactive_thread_creation.enabled' and v_decision ? 'thread_id'
          or r.flag_key = 'sitter_messages_v1.enabled' and v_decision ->> 'from_role' = 'sitter')
        and (v_failed or coalesce((select d.at from public.thread_decisions d
          where d.org_id >= p_org and (d.org_id, d.id) < (p_org, (v_decision ->> 'id')::uuid) order by d.org_id desc, d.id desc limit 1),
          '-infinity') < date_trunc('minute', v_now));
      if v_outcomes is not null then
        perform private.record_outcomes(v_outcomes, v_now);
      end if;
    end loop;
    if v_first then
      return;
    end if;
    perform private.record_metrics((
      select jsonb_agg(jsonb_build_object('name', m.name, 'subject', v_subject) order by e.place)
      from jsonb_array_elements(p_decisions) with ordinality as e (decision, place)
      cross join lateral (values ('text.decided', true), ('text.owner_inbox', e.decision ->> 'outcome' = 'owner_inbox'),
        ('text.blocked', e.decision ->> 'outcome' = 'blocked'),
        ('text.no_window', e.decision ->> 'reason' = 'no_active_window' and e.decision ->> 'from_role' = 'sitter')) as m (name, counts)
      where m.counts and e.decision ->> 'reason' <> 'off'), v_now);
  exception when others then
    raise warning 'decisions could not be counted: % (%)', sqlerrm, sqlstate;
  end;
end $$;
comment on function private.count_decisions(uuid, jsonb) is
  'Counts decisions of an organisation that were written at once, in their order, as record_decision takes them and with their id: for metrics, and for rollouts by organisation the business metrics text.decided, text.owner_inbox, text.blocked and text.no_window (a sitter outside of every window), and an outcome of the flags that are rolled out; a failure where a thread has lost its client.';

create function private.write_decision(p_decision jsonb, p_findings jsonb) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid;
  v_org uuid := (p_decision ->> 'org_id')::uuid;
  v_outcome text := p_decision ->> 'outcome';
begin
  if p_decision ? 'forces' and not exists (
      select from public.thread_decisions d where d.id = (p_decision ->> 'forces')::uuid and d.org_id = v_org and d.outcome = 'blocked') then
    raise exception 'there is no such blocked text' using errcode = 'GL404';
  end if;
  insert into public.thread_decisions (org_id, thread_id, contact_id, message_id, from_role, from_last4, number_last4, number_class,
    outcome, reason, types, forces, force_reason, text, key, by)
  values (v_org, (p_decision ->> 'thread_id')::uuid, (p_decision ->> 'contact_id')::uuid, (p_decision ->> 'message_id')::uuid,
    p_decision ->> 'from_role', right(p_decision ->> 'from_last4', 4), right(p_decision ->> 'number_last4', 4), p_decision ->> 'number_class',
    v_outcome, p_decision ->> 'reason',
    array(select jsonb_array_elements_text(coalesce(p_decision -> 'types', '[]'))), (p_decision ->> 'forces')::uuid,
    p_decision ->> 'force_reason', p_decision ->> 'kept_text', p_decision ->> 'key', coalesce(p_decision ->> 'by', private.actor()))
  returning id into v_id;
  update public.threads t set last_at = greatest(t.last_at, clock_timestamp()) where t.id = (p_decision ->> 'thread_id')::uuid;
  insert into public.policy_findings (decision_id, ord, org_id, type, rule, score, redacted)
  select v_id, f.ord, v_org, f.value ->> 'type', f.value ->> 'rule', (f.value ->> 'score')::real, f.value ->> 'redacted'
  from jsonb_array_elements(p_findings) with ordinality as f (value, ord) limit 20;
  if p_decision ? 'forces' then
    update public.thread_decisions d set done_at = now(), done_by = coalesce(p_decision ->> 'by', private.actor())
    where d.id = (p_decision ->> 'forces')::uuid;
  end if;
  return v_id;
end $$;
comment on function private.write_decision(jsonb, jsonb) is 'record_decision without counting it.';

create function public.record_decision(p_decision jsonb, p_findings jsonb default '[]') returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.refuse_older_code();
  v_id := private.write_decision(p_decision, p_findings);
  perform private.count_decisions((p_decision ->> 'org_id')::uuid, jsonb_build_array(p_decision || jsonb_build_object('id', v_id)));
  return v_id;
end $$;
comment on function public.record_decision(jsonb, jsonb) is
  'Writes down a decision with its findings, and counts it: {org_id, thread_id, contact_id, message_id, from_role, from_last4, number_last4, number_class, outcome, reason, types, forces, force_reason, kept_text, key, by}, findings [{type, rule, score, redacted}]. forces names a blocked decision that an owner overrides. Returns the id. For secret keys. Errors: GL404 no such blocked text, 23505 it was let pass already, 23514 invalid value.';

create function public.finish_inbox(p_org uuid, p_decision uuid, p_by text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update public.thread_decisions d set done_at = now(), done_by = p_by
  where d.id = p_decision and d.org_id = p_org and d.done_at is null;
  return found;
end $$;
comment on function public.finish_inbox(uuid, uuid, text) is 'Takes a text out of the owner inbox; false if it is not in it. For secret keys.';

create function public.review_finding(p_org uuid, p_decision uuid, p_ord integer, p_was_right boolean, p_by text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update public.policy_findings f set was_right = p_was_right, reviewed_by = p_by, reviewed_at = now()
  where f.decision_id = p_decision and f.ord = p_ord and f.org_id = p_org;
  return found;
end $$;
comment on function public.review_finding(uuid, uuid, integer, boolean, text) is
  'What a person says of a finding: right, or a false alarm. False if there is none. For secret keys.';

-- Looking after it --------------------------------------------------------------------------------

create function private.release_numbers(p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_legs integer;
  v_numbers integer;
begin
  with over as (
    select l.id, o.quarantine_days
    from public.thread_legs l
    join public.threads t on t.id = l.thread_id
    join public.orgs o on o.id = t.org_id
    where l.ended_at is null and (
      t.ended_at <= p_now - make_interval(hours => o.grace_hours)
      -- A sitter whose last window is long over, and who has none to come.
      or l.role = 'sitter' and t.number_class = 'pool' and l.opened_at <= p_now - make_interval(hours => o.grace_hours) and not exists (
        select from public.org_members m
        join public.assignment_windows w on w.member_id = m.id and w.client_id = t.client_id
        where m.contact_id = l.contact_id and m.org_id = t.org_id
          and least(w.closes_at, w.cancelled_at) > p_now - make_interval(hours => o.grace_hours)))
    order by l.id limit 1000 for update of l skip locked
  )
  update public.thread_legs l set ended_at = p_now,
    quarantined_until = case when l.number_id is not null then p_now + make_interval(days => over.quarantine_days) end
  from over where over.id = l.id;
  get diagnostics v_legs = row_count;
  update public.org_numbers n set state = 'out'
  where n.state = 'draining' and not exists (
    select from public.thread_legs l where l.channel = n.channel and l.number_id = n.number_id and l.ended_at is null);
  get diagnostics v_numbers = row_count;
  return jsonb_build_object('legs', v_legs, 'numbers', v_numbers);
end $$;
comment on function private.release_numbers(timestamptz) is
  'Takes numbers from people whose thread has ended, or whose last window is over, longer ago than the grace time, and puts these pairs in quarantine; takes numbers out that have drained. At most a thousand people a call. Returns {legs, numbers}. For the clock.';

create function public.messages_diagnostics(p_org uuid) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_count jsonb;
  v_pool jsonb;
begin
  perform private.refuse_older_code();
  if not exists (select from public.orgs o where o.id = p_org) then
    return null;
  end if;
  select coalesce(jsonb_object_agg(c.name, c.n), '{}') into v_count from (
    select c.name, sum(c.value) as n from public.counters c
    where c.name in ('masking_leg', 'masking_blocked', 'masking_owner_inbox', 'masking_held', 'masking_sitter_no_window') and c.label = p_org::text
    group by c.name) c;
  -- A later migration makes it, and a team may take it back.
  if to_regprocedure('public.pool_forecast(uuid)') is not null then
    v_pool := public.pool_forecast(p_org);
  end if;
  return jsonb_build_object(
    'threads', (
      select jsonb_build_object('front_desk', count(*) filter (where t.number_class = 'front_desk'),
        'sitter', count(*) filter (where t.number_class = 'sitter'), 'pool', count(*) filter (where t.number_class = 'pool'))
      from public.threads t where t.org_id = p_org and t.state = 'live'),
    'relayed', coalesce((v_count ->> 'masking_leg')::bigint, 0),
    'antiPoachingBlocked', coalesce((v_count ->> 'masking_blocked')::bigint, 0),
    'ownerInboxRouted', coalesce((v_count ->> 'masking_owner_inbox')::bigint, 0),
    'held', coalesce((v_count ->> 'masking_held')::bigint, 0),
    'sitterNoActiveWindow', coalesce((v_count ->> 'masking_sitter_no_window')::bigint, 0),
    'pool', v_pool,
    'decisions', (
      select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'at', d.at, 'orgId', d.org_id, 'threadId', d.thread_id, 'fromRole', d.from_role,
        'from', case when d.from_last4 <> '' then '…' || d.from_last4 end, 'number', case when d.number_last4 <> '' then '…' || d.number_last4 end,
        'numberClass', d.number_class, 'outcome', d.outcome, 'reason', d.reason, 'types', d.types) order by d.id desc), '[]')
      from (
        -- Not by equality, with which the planner may walk the decisions of all organisations by id.
        select * from public.thread_decisions d where d.org_id >= p_org and d.org_id <= p_org order by d.org_id desc, d.id desc limit 50) d));
end $$;
comment on function public.messages_diagnostics(uuid) is
  'How masked messaging of an organisation is doing: {threads by class, relayed, antiPoachingBlocked, ownerInboxRouted, held, sitterNoActiveWindow (all since the beginning), pool (null without pool_forecast), decisions: the last fifty, redacted}; null if there is no such organisation. For secret keys.';

create function public.messages_proof(p_org uuid default null) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return jsonb_build_object(
    'threads', (select count(*) from public.threads t where (p_org is null or t.org_id = p_org)),
    'without_number', (
      select coalesce(jsonb_agg(t.id), '[]') from (
        select t.id from public.threads t
        left join public.org_numbers n on n.channel = t.channel and n.number_id = t.message_number_id and n.org_id = t.org_id
        where (p_org is null or t.org_id = p_org) and n.number_id is null order by t.id limit 100) t),
    'without_client', (
      select coalesce(jsonb_agg(t.id), '[]') from (
        select t.id from public.threads t
        where t.state = 'live' and (p_org is null or t.org_id = p_org) and not exists (
          select from public.thread_legs l where l.thread_id = t.id and l.role = 'client' and l.ended_at is null
            and l.number_id = t.message_number_id) order by t.id limit 100) t),
    'orgs_without_front_desk', (
      select coalesce(jsonb_agg(o.id), '[]') from (
        select o.id from public.orgs o
        where (p_org is null or o.id = p_org) and private.front_desk(o.id) is null order by o.id limit 100) o),
    'conversations_without_thread', (
      select count(*) from public.conversations c
      join public.org_numbers n on n.channel = c.channel and n.number_id = c.number_id
      where c.channel = 'sms' and n.class = 'front_desk' and (p_org is null or n.org_id = p_org) and not exists (
        select from public.threads t where t.client_id = c.contact_id and t.org_id = n.org_id)
        and not exists (select from public.org_members m where m.org_id = n.org_id and m.contact_id = c.contact_id)));
end $$;
comment on function public.messages_proof(uuid) is
  'What is missing for masked messaging, of one organisation or of all: {threads, without_number, without_client, orgs_without_front_desk: ids, a hundred at most, conversations_without_thread: how many}. For secret keys.';

create function public.backfill_threads(p_org uuid, p_limit integer default 500) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_contact uuid;
  v_count integer := 0;
begin
  perform private.refuse_older_code();
  for v_contact in
    select distinct c.contact_id from public.conversations c
    join public.org_numbers n on n.channel = c.channel and n.number_id = c.number_id
    where n.org_id = p_org and n.class = 'front_desk' and not exists (
        select from public.threads t where t.org_id = p_org and t.client_id = c.contact_id)
      and not exists (select from public.org_members m where m.org_id = p_org and m.contact_id = c.contact_id)
    order by 1 limit least(p_limit, 5000)
  loop
    perform public.open_thread(p_org, v_contact, null, 'backfill');
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
comment on function public.backfill_threads(uuid, integer) is
  'Opens threads at the front desk for people who wrote to it before there were threads; none for members, and none twice. Returns how many; repeat it until it returns 0. The way back is undo_backfill. For secret keys.';

create function public.undo_backfill(p_org uuid) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  perform private.refuse_older_code();
  delete from public.threads t where t.org_id = p_org and t.opened_by = 'backfill' and not exists (
    select from public.thread_decisions d where d.thread_id = t.id);
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function public.undo_backfill(uuid) is 'Removes threads that backfill_threads opened and nobody has used since. Returns how many. For secret keys.';

call private.close_functions();
grant execute on function
  private.thread_facts(uuid, timestamptz),
  private.release_numbers(timestamptz),
  private.relay_facts(public.org_numbers, uuid, text, timestamptz),
  private.count_decisions(uuid, jsonb),
  private.write_decision(jsonb, jsonb),
  public.relay_facts(text, text, timestamptz),
  public.thread_facts(uuid, timestamptz),
  public.record_decision(jsonb, jsonb),
  public.finish_inbox(uuid, uuid, text),
  public.review_finding(uuid, uuid, integer, boolean, text),
  public.messages_diagnostics(uuid),
  public.messages_proof(uuid),
  public.backfill_threads(uuid, integer),
  public.undo_backfill(uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002716');

-- The clock was scheduled before there was its job.
do $$
begin
  perform private.schedule_clock();
end $$;
