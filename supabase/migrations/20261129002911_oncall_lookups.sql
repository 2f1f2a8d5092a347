-- Who is on call, behind the card: what providers said and when, and cards that are to mention the person.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.oncall_answers (
  schedule_id uuid constraint oncall_answers_pkey primary key references public.oncall_schedules (id) on delete cascade,
  people jsonb,
  answered_at timestamptz,
  ends_at timestamptz,
  fault text,
  fault_at timestamptz,
  trouble text constraint oncall_answers_trouble_known check (trouble in ('gap', 'silent')),
  told_at timestamptz
);
comment on table private.oncall_answers is 'The last answer about each schedule, which serves as long as there is no newer one.';
comment on constraint oncall_answers_pkey on private.oncall_answers is 'One answer a schedule.';
comment on column private.oncall_answers.schedule_id is 'The schedule.';
comment on column private.oncall_answers.people is 'Who is on call, as the provider names them: [{id, name, email}]; null while there was no answer, and for rotas.';
comment on column private.oncall_answers.answered_at is 'When it was answered.';
comment on column private.oncall_answers.ends_at is 'When somebody else is on call, as far as the provider said.';
comment on column private.oncall_answers.fault is 'Why there was no answer last time; null after one.';
comment on column private.oncall_answers.fault_at is 'When that was.';
comment on column private.oncall_answers.trouble is 'gap: nobody was on call at the last card; silent: there was no answer; null for neither.';
comment on column private.oncall_answers.told_at is 'When the owner was told of it.';
alter table private.oncall_answers enable row level security;
revoke all on private.oncall_answers from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_answers to service_role;

create table private.oncall_circuits (
  source text constraint oncall_circuits_pkey primary key,
  failures integer not null default 0,
  open_until timestamptz,
  open_ms integer not null default 30000
);
comment on table private.oncall_circuits is 'Providers that fail are left alone for a while: here, because isolates come and go.';
comment on constraint oncall_circuits_pkey on private.oncall_circuits is 'One circuit a provider.';
comment on column private.oncall_circuits.source is 'The provider.';
comment on column private.oncall_circuits.failures is 'Failures in a row.';
comment on column private.oncall_circuits.open_until is 'Until when it is not asked; then one call probes. Null while it is asked.';
comment on column private.oncall_circuits.open_ms is 'How long it is left alone next time: doubled at each failed probe, to ten minutes.';
alter table private.oncall_circuits enable row level security;
revoke all on private.oncall_circuits from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_circuits to service_role;

create table private.oncall_pages (
  delivery_id uuid constraint oncall_pages_pkey primary key references public.cards (delivery_id) on delete cascade,
  schedule_id uuid not null references public.oncall_schedules (id) on delete cascade,
  state text not null default 'waiting' constraint oncall_pages_state_known check (state in ('waiting', 'paging', 'done')),
  due_at timestamptz,
  lease uuid,
  attempts integer not null default 0,
  people jsonb,
  outcome text,
  paged_at timestamptz,
  created_at timestamptz not null
);
comment on table private.oncall_pages is 'Cards that are to mention who is on call. The card itself is there already and waits for nothing.';
comment on constraint oncall_pages_pkey on private.oncall_pages is 'A card once.';
comment on column private.oncall_pages.delivery_id is 'The card.';
comment on column private.oncall_pages.schedule_id is 'Its schedule.';
comment on column private.oncall_pages.state is 'waiting (for the answer), paging (the person is to be called by a short message), done.';
comment on column private.oncall_pages.due_at is 'When it is due, or its lease ends; null once it is done.';
comment on column private.oncall_pages.lease is 'Of whoever looks it up at the moment.';
comment on column private.oncall_pages.attempts is 'Leases so far.';
comment on column private.oncall_pages.people is 'Who is called: [{name, telegram_id}].';
comment on column private.oncall_pages.outcome is 'found, unlinked, stale, empty or failed; null until it is known.';
comment on column private.oncall_pages.paged_at is 'When somebody was called by a message.';
comment on column private.oncall_pages.created_at is 'When the card was sent.';
create index oncall_pages_due_idx on private.oncall_pages (due_at) where due_at is not null;
comment on index private.oncall_pages_due_idx is 'What is due. Nearly always empty.';
create index oncall_pages_schedule_idx on private.oncall_pages (schedule_id, paged_at);
comment on index private.oncall_pages_schedule_idx is 'Who was called lately; serves the foreign key.';
alter table private.oncall_pages enable row level security;
revoke all on private.oncall_pages from public, anon, authenticated;
grant select, insert, update, delete on private.oncall_pages to service_role;

-- Which card is whose -----------------------------------------------------------------------------

-- The grammar of addresses is that of routes: domain.scope.type, of two parts domain.scope.
create function private.mail_address_part(p_recipient text, p_part integer) returns text
language sql immutable set search_path = '' as $$
  select case when cardinality(a.parts) between 1 and 3 then a.parts[p_part] end
  from (select string_to_array(lower(split_part(split_part(p_recipient, '@', 1), '+', 1)), '.') as parts) a
$$;
comment on function private.mail_address_part(text, integer) is 'A part of a mail address: 1 domain, 2 scope, 3 type; null where there is none.';

create function private.dynamic_routing_is_on(p_contact_id uuid, p_type text, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select private.killed_since('dynamic_routing.enabled', p_now) is null
    and ((select e.value from private.evaluate_flag('dynamic_routing.enabled', p_contact_id::text) e)
      or (select e.value and e.reason = 'TARGETING_MATCH' from private.evaluate_flag('dynamic_routing.enabled', 'type:' || p_type) e))
$$;
comment on function private.dynamic_routing_is_on(uuid, text, timestamptz) is 'Whether cards of this person, or of mails to addresses of this type, mention who is on call: the flag names types as targets, type:alert.';

create function private.card_schedule(p_delivery_id uuid, p_now timestamptz) returns public.oncall_schedules
language sql stable set search_path = '' as $$
  select s.*
  from public.deliveries d
  join public.messages m on m.id = d.message_id
  join public.conversations v on v.id = d.conversation_id
  join public.oncall_schedules s on s.destination_id = d.destination_id
  cross join lateral (select case when m.channel = 'email' then m.native ->> 'recipient' end as recipient) a
  where d.id = p_delivery_id
    and (s.scopes is null or private.mail_address_part(a.recipient, 2) = any (s.scopes))
    and (s.types is null or private.mail_address_part(a.recipient, 3) = any (s.types))
    and private.dynamic_routing_is_on(v.contact_id, coalesce(private.mail_address_part(a.recipient, 3), ''), p_now)
  order by s.scopes is null, s.types is null, s.created_at, s.id limit 1
$$;
comment on function private.card_schedule(uuid, timestamptz) is 'The schedule of a card: of those of its chat the one that names scope and type most closely; none where the flag is off.';

-- Failure policy: open. A card that mentions nobody is better than none.
create function private.ask_oncall() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
begin
  if not exists (select from public.oncall_schedules) then
    return null;
  end if;
  v_schedule := private.card_schedule(new.delivery_id, clock_timestamp());
  if v_schedule.id is not null then
    insert into private.oncall_pages (delivery_id, schedule_id, due_at, created_at)
    values (new.delivery_id, v_schedule.id, clock_timestamp(), clock_timestamp()) on conflict do nothing;
  end if;
  return null;
exception when others then
  raise warning 'who is on call for a card cannot be asked: % (%)', sqlerrm, sqlstate;
  return null;
end $$;
comment on function private.ask_oncall() is 'Trigger, after a card was sent: notes that it is to mention who is on call.';
create trigger ask_oncall after insert on public.cards for each row execute function private.ask_oncall();
comment on trigger ask_oncall on public.cards is 'Looked up behind the card, never before it.';

-- Answers -----------------------------------------------------------------------------------------

create function private.oncall_resolved(p_people jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(private.oncall_shown(
    coalesce(x.person ->> 'name', p.name, split_part(x.person ->> 'email', '@', 1), x.person ->> 'id', '?'), coalesce(x.person ->> 'email', p.email))
    order by x.place), '[]')
  from jsonb_array_elements(p_people) with ordinality as x (person, place)
  left join private.oncall_people p on case when x.person ->> 'email' is null then p.atlassian_id = x.person ->> 'id' else p.email = lower(x.person ->> 'email') end
$$;
comment on function private.oncall_resolved(jsonb) is 'People as a provider names them [{id, name, email}], as cards do: [{name, email, telegram_id}].';

create function private.oncall_answer(p_schedule public.oncall_schedules, p_now timestamptz, p_any_age boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_answer private.oncall_answers;
begin
  if p_schedule.source = 'rota' then
    return jsonb_build_object('at', p_now, 'is_stale', false, 'people', (
      select coalesce(jsonb_agg(private.oncall_shown(p.name, p.email)), '[]') from private.oncall_people p where p.id = private.rota_person(p_schedule.id, p_now)));
  end if;
  select * into v_answer from private.oncall_answers a where a.schedule_id = p_schedule.id and a.people is not null;
  if v_answer.schedule_id is null
    or not p_any_age and (v_answer.answered_at < p_now - interval '60 seconds' or v_answer.ends_at <= p_now or v_answer.fault is not null) then
    return null;
  end if;
  return jsonb_build_object('at', v_answer.answered_at, 'people', private.oncall_resolved(v_answer.people),
    'is_stale', v_answer.fault is not null or coalesce(v_answer.ends_at <= p_now, false) or v_answer.answered_at < p_now - interval '5 minutes');
end $$;
comment on function private.oncall_answer(public.oncall_schedules, timestamptz, boolean) is 'Who is on call {people [{name, email, telegram_id}], at, is_stale}: by the rota, or by what the provider said within a minute, or of any age. Null where it has to be asked.';

create function private.oncall_known(p_schedule public.oncall_schedules, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('at', a.answer -> 'at', 'people', (
    select jsonb_agg(jsonb_build_object('name', e.person -> 'name', 'telegram_id', e.person -> 'telegram_id') order by e.place)
    from jsonb_array_elements(a.answer -> 'people') with ordinality as e (person, place)))
  from (values (private.oncall_answer(p_schedule, p_now, false))) as a (answer)
  where p_schedule.id is not null and a.answer -> 'people' <> '[]'
$$;
comment on function private.oncall_known(public.oncall_schedules, timestamptz) is 'Who is on call {at, people [{name, telegram_id}]}, where that is known without asking: by the rota, or by an answer of the last minute. Null for nobody, and where it has to be asked.';

-- Failure policy of both: open. The card goes without.
create function private.with_oncall(p_deliveries jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  if not exists (select from public.oncall_schedules) then
    return p_deliveries;
  end if;
  return (
    select coalesce(jsonb_agg(case when k.known is null then e.value else jsonb_set(e.value, '{card,oncall}', k.known) end order by e.place), '[]')
    from jsonb_array_elements(p_deliveries) with ordinality as e (value, place)
    cross join lateral (
      select case when e.value #> '{card,is_sent}' = 'false'
        then private.oncall_known(private.card_schedule((e.value ->> 'delivery_id')::uuid, v_now), v_now) end as known) k);
exception when others then
  raise warning 'who is on call is not known for the cards of a claim: % (%)', sqlerrm, sqlstate;
  return p_deliveries;
end $$;
comment on function private.with_oncall(jsonb) is 'Claimed deliveries, whose cards get oncall as private.oncall_known has it.';

create function private.with_oncall_awaited(p_edits jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  return (
    select coalesce(jsonb_agg(case when k.known is null then e.value
      else jsonb_set(e.value, '{oncall}', k.known || jsonb_build_object('schedule', k.schedule, 'outcome', 'named')) end order by e.place), '[]')
    from jsonb_array_elements(p_edits) with ordinality as e (value, place)
    left join lateral (
      select s.name as schedule, private.oncall_known(s, v_now) as known
      from private.oncall_pages p join public.oncall_schedules s on s.id = p.schedule_id
      where e.value -> 'oncall' = 'null' and p.delivery_id = (e.value ->> 'delivery_id')::uuid and p.state = 'waiting') k on true);
exception when others then
  raise warning 'who is on call is not known for edits of cards: % (%)', sqlerrm, sqlstate;
  return p_edits;
end $$;
comment on function private.with_oncall_awaited(jsonb) is 'Edits of cards; those that come before the lookup name the person as the card did at first.';

create function private.claim_oncall_pages(p_limit integer, p_is_on boolean, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_pages jsonb;
begin
  if not p_is_on then
    update private.oncall_pages p set state = 'done', due_at = null, lease = null
    where p.delivery_id in (select x.delivery_id from private.oncall_pages x where x.due_at <= p_now order by x.due_at limit 1000 for update skip locked);
    return '[]';
  end if;
  -- Whoever looks it up never comes back: not for ever.
  update private.oncall_pages p set state = 'done', outcome = coalesce(p.outcome, 'failed'), due_at = null, lease = null
  where p.delivery_id in (
    select x.delivery_id from private.oncall_pages x where x.due_at <= p_now and x.created_at < p_now - interval '1 hour'
    order by x.due_at limit 1000 for update skip locked);
  with due as (
    update private.oncall_pages p set due_at = p_now + interval '60 seconds', lease = gen_random_uuid(), attempts = p.attempts + 1
    where p.delivery_id in (
      select x.delivery_id from private.oncall_pages x where x.due_at <= p_now order by x.due_at limit p_limit for update skip locked)
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('delivery_id', d.delivery_id, 'lease', d.lease, 'state', d.state,
    'schedule', jsonb_build_object('id', s.id, 'name', s.name, 'source', s.source, 'external_id', s.external_id),
    'answer', case d.state when 'waiting' then private.oncall_answer(s, p_now, false) end, 'people', coalesce(d.people, '[]'),
    'chat_id', c.chat_id, 'topic_id', c.topic_id, 'message_id', c.message_ids[1])), '[]')
  into v_pages
  from due d join public.oncall_schedules s on s.id = d.schedule_id join public.cards c on c.delivery_id = d.delivery_id;
  return v_pages;
end $$;
comment on function private.claim_oncall_pages(integer, boolean, timestamptz) is 'claim_oncall_pages with a given time.';

create function public.claim_oncall_pages(p_limit integer, p_is_on boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_oncall_pages(p_limit, p_is_on, clock_timestamp());
end $$;
comment on function public.claim_oncall_pages(integer, boolean) is 'Leases up to p_limit cards for a minute that are to mention who is on call, with the answer where it is known; with p_is_on false (the kill switch) those that are due mention nobody. For secret keys.';

create function private.begin_oncall_lookup(p_source text, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_circuit private.oncall_circuits;
begin
  select * into v_circuit from private.oncall_circuits c where c.source = p_source for update;
  if v_circuit.open_until > p_now then
    return false;
  end if;
  -- One call probes; the others wait for what becomes of it.
  update private.oncall_circuits c set open_until = p_now + interval '10 seconds' where c.source = p_source and c.open_until is not null;
  return true;
end $$;
comment on function private.begin_oncall_lookup(text, timestamptz) is 'begin_oncall_lookup with a given time.';

create function public.begin_oncall_lookup(p_source text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.begin_oncall_lookup(p_source, clock_timestamp());
end $$;
comment on function public.begin_oncall_lookup(text) is 'Whether a provider may be asked: not while its circuit is open. For secret keys.';

create function private.settle_oncall_lookup(
  p_schedule_id uuid, p_people jsonb, p_ends_at timestamptz, p_fault text, p_now timestamptz
) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_schedule public.oncall_schedules;
begin
  select * into v_schedule from public.oncall_schedules s where s.id = p_schedule_id;
  if v_schedule.id is null then
    return null;
  end if;
  if p_people is not null then
    insert into private.oncall_answers as a (schedule_id, people, answered_at, ends_at) values (p_schedule_id, p_people, p_now, p_ends_at)
    on conflict (schedule_id) do update
    set people = excluded.people, answered_at = excluded.answered_at, ends_at = excluded.ends_at, fault = null, fault_at = null;
    delete from private.oncall_circuits c where c.source = v_schedule.source;
  else
    insert into private.oncall_answers as a (schedule_id, fault, fault_at) values (p_schedule_id, left(p_fault, 200), p_now)
    on conflict (schedule_id) do update set fault = excluded.fault, fault_at = excluded.fault_at;
    if p_fault <> 'circuit_open' then
      insert into private.oncall_circuits as c (source, failures) values (v_schedule.source, 1)
      on conflict (source) do update set failures = c.failures + 1,
        open_until = case when c.failures + 1 >= 5 then p_now + make_interval(secs => c.open_ms / 1000.0) end,
        open_ms = case when c.failures + 1 >= 5 then least(c.open_ms * 2, 600000) else c.open_ms end
      -- A probe's turn is 10 s. While it is open for longer, what fails began before it opened.
      where c.open_until is null or c.open_until <= p_now + interval '10 seconds';
    end if;
  end if;
  return private.oncall_answer(v_schedule, p_now, true);
end $$;
comment on function private.settle_oncall_lookup(uuid, jsonb, timestamptz, text, timestamptz) is 'settle_oncall_lookup with a given time.';

create function public.settle_oncall_lookup(p_schedule_id uuid, p_people jsonb default null, p_ends_at timestamptz default null, p_fault text default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  return private.settle_oncall_lookup(p_schedule_id, p_people, p_ends_at, p_fault, clock_timestamp());
end $$;
comment on function public.settle_oncall_lookup(uuid, jsonb, timestamptz, text) is 'Keeps what a provider answered [{id, name, email}], or why it did not; five failures in a row open its circuit for 30 s, doubled to ten minutes. Returns who is on call as far as is known, from an older answer if need be; null for not at all. For secret keys.';

create function private.tell_oncall_trouble(p_schedule public.oncall_schedules, p_trouble text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_was private.oncall_answers;
  v_part jsonb := jsonb_build_object('component', 'on_call', 'status', case when p_trouble is null then 'healthy' else 'degraded' end,
    'because', coalesce(p_trouble, 'covered'), 'figures', jsonb_build_object('schedule', p_schedule.name, 'source', p_schedule.source));
begin
  insert into private.oncall_answers as a (schedule_id) values (p_schedule.id) on conflict (schedule_id) do nothing;
  select * into v_was from private.oncall_answers a where a.schedule_id = p_schedule.id for update;
  if v_was.trouble is not distinct from p_trouble and (p_trouble is null or v_was.told_at > p_now - interval '1 hour') then
    return null;
  end if;
  update private.oncall_answers a set trouble = p_trouble, told_at = case when p_trouble is not null then p_now end where a.schedule_id = p_schedule.id;
  perform private.notify(case when p_trouble is null then 'recovered' else 'failing' end, v_part, p_now);
  return case when p_trouble is not null then (
    select jsonb_build_object('telegram_id', t.telegram_id, 'trouble', p_trouble, 'schedule', p_schedule.name)
    from public.telegram_people t where t.user_id = p_schedule.owner) end;
end $$;
comment on function private.tell_oncall_trouble(public.oncall_schedules, text, timestamptz) is 'Nobody is on call (gap), or it is not known who (silent), or all is well (null): endpoints that are told of failing parts are told once, and again after an hour. Returns the owner {telegram_id, trouble, schedule}, who is to be told now; null otherwise.';

create function private.settle_oncall_page(p_delivery_id uuid, p_lease uuid, p_answer jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_page private.oncall_pages;
  v_schedule public.oncall_schedules;
  v_card public.cards;
  v_people jsonb := coalesce(p_answer -> 'people', '[]');
  v_linked jsonb;
  v_outcome text;
  v_pages boolean;
  v_owner jsonb;
begin
  -- The card before what belongs to it, as its removal takes them.
  select * into v_card from public.cards c where c.delivery_id = p_delivery_id for update;
  select * into v_page from private.oncall_pages p where p.delivery_id = p_delivery_id and p.lease = p_lease and p.state = 'waiting' for update;
  if v_page.delivery_id is null then
    return null;
  end if;
  select * into v_schedule from public.oncall_schedules s where s.id = v_page.schedule_id;
  select coalesce(jsonb_agg(e), '[]') into v_linked from jsonb_array_elements(v_people) e where e ->> 'telegram_id' is not null;
  v_outcome := case when p_answer is null then 'failed' when v_people = '[]' then 'empty' when v_linked = '[]' then 'unlinked'
    when (p_answer ->> 'is_stale')::boolean then 'stale' else 'found' end;
  v_owner := private.tell_oncall_trouble(v_schedule, case v_outcome when 'empty' then 'gap' when 'failed' then 'silent' end, p_now);
  -- Of many cards at once one calls; what is old, or in hand already, calls nobody.
  v_pages := v_linked <> '[]' and v_card.state = 'open' and v_page.created_at > p_now - interval '15 minutes' and not exists (
    select from private.oncall_pages o join public.cards c on c.delivery_id = o.delivery_id
    where o.schedule_id = v_page.schedule_id and o.paged_at > p_now - interval '60 seconds' and c.chat_id = v_card.chat_id);
  update private.oncall_pages p
  set outcome = v_outcome, people = v_linked, state = case when v_pages then 'paging' else 'done' end,
    paged_at = case when v_pages then p_now end, due_at = case when v_pages then p.due_at end, lease = case when v_pages then p.lease end
  where p.delivery_id = p_delivery_id;
  update public.cards c
  set oncall = jsonb_build_object('schedule', v_schedule.name, 'outcome', v_outcome, 'at', p_answer -> 'at', 'people', (
      select coalesce(jsonb_agg(jsonb_build_object('name', e -> 'name', 'telegram_id', e -> 'telegram_id')), '[]') from jsonb_array_elements(v_people) e)),
    edit_due_at = p_now, edit_lease = null
  where c.delivery_id = p_delivery_id;
  perform private.record_oncall(p_delivery_id, v_outcome in ('found', 'stale'), p_now);
  return jsonb_build_object('outcome', v_outcome, 'pages', v_pages, 'people', v_linked, 'owner', v_owner);
end $$;
comment on function private.settle_oncall_page(uuid, uuid, jsonb, timestamptz) is 'settle_oncall_page with a given time.';

-- Failure policy: open. The card counts more than its figure.
create function private.record_oncall(p_delivery_id uuid, p_is_right boolean, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.record_metrics((
    select jsonb_agg(jsonb_build_object('name', n.name, 'subject', v.contact_id, 'key', p_delivery_id))
    from public.deliveries d join public.conversations v on v.id = d.conversation_id
    cross join (values ('oncall.asked', true), ('oncall.right', p_is_right)) as n (name, counts)
    where d.id = p_delivery_id and n.counts), p_now);
exception when others then
  raise warning 'a lookup of who is on call could not be counted: % (%)', sqlerrm, sqlstate;
end $$;
comment on function private.record_oncall(uuid, boolean, timestamptz) is 'Counts the business metrics oncall.asked and, where the card names somebody who can be reached in Telegram, oncall.right.';

create function public.settle_oncall_page(p_delivery_id uuid, p_lease uuid, p_answer jsonb default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  return private.settle_oncall_page(p_delivery_id, p_lease, p_answer, clock_timestamp());
end $$;
comment on function public.settle_oncall_page(uuid, uuid, jsonb) is 'A card is to mention who is on call, as settle_oncall_lookup and claim_oncall_pages give the answer (null: it is not known). Returns {outcome (found, unlinked, stale, empty, failed), pages (whether a message is to call people), people, owner (who is to be told of a gap: {telegram_id, trouble, schedule})}; null if the lease is over. For secret keys.';

create function public.settle_oncall_ping(p_delivery_id uuid, p_lease uuid, p_retry_ms bigint default null) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  update private.oncall_pages p
  set state = case when p_retry_ms is null or p.attempts >= 10 then 'done' else p.state end,
    due_at = case when p_retry_ms is not null and p.attempts < 10 then clock_timestamp() + make_interval(secs => p_retry_ms / 1000.0) end, lease = null
  where p.delivery_id = p_delivery_id and p.lease = p_lease;
  return found;
end $$;
comment on function public.settle_oncall_ping(uuid, uuid, bigint) is 'Who is on call was called by a message, or is after p_retry_ms, ten times at most. For secret keys.';

create function private.oncall_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from private.oncall_pages p where p.due_at <= p_now);
end $$;
comment on function private.oncall_is_due(timestamptz) is 'Whether a card is to mention who is on call. For the clock.';

create function private.purge_oncall(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_purged integer;
begin
  delete from private.oncall_overrides o where upper(o.during) < p_now - interval '90 days';
  get diagnostics v_purged = row_count;
  return v_purged;
end $$;
comment on function private.purge_oncall(timestamptz) is 'Forgets overrides 90 days after they ended. Returns how many.';

-- For people --------------------------------------------------------------------------------------

create function public.who_is_on_call(p_schedule text default null, p_at timestamptz default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform private.require_role('viewer');
  if p_schedule is not null then
    perform private.oncall_schedule(p_schedule);
  end if;
  if p_at is not null and exists (select from public.oncall_schedules s where s.name = p_schedule and s.source <> 'rota') then
    raise exception 'only of a rota is it known who is on call at another time' using errcode = 'GL422', hint = 'Look it up at the provider.';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('schedule', s.name, 'source', s.source, 'people', coalesce(x.answer -> 'people', '[]'),
      'known', x.answer is not null, 'at', x.answer -> 'at', 'is_stale', coalesce((x.answer ->> 'is_stale')::boolean, false), 'fault', a.fault,
      'until', case s.source when 'rota' then (
          select case when r.until < coalesce(p_at, v_now) + interval '28 days' then r.until end
          from private.rota_shifts(s.id, coalesce(p_at, v_now), coalesce(p_at, v_now) + interval '28 days') r order by r.since limit 1)
        else a.ends_at end) order by s.name), '[]')
    from public.oncall_schedules s
    left join private.oncall_answers a on a.schedule_id = s.id
    cross join lateral (select private.oncall_answer(s, coalesce(p_at, v_now), true) as answer) x
    where (p_schedule is null or s.name = p_schedule) and (p_at is null or s.source = 'rota'));
end $$;
comment on function public.who_is_on_call(text, timestamptz) is 'Who is on call, of one schedule or all, now or (rotas alone) at another time: [{schedule, source, people [{name, email, telegram_id}], known, at (when that was said), is_stale, fault, until}]. For every role. Errors: 42501, GL404, GL422.';

create function public.list_oncall() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', s.name, 'source', s.source, 'external_id', s.external_id, 'zone', s.zone,
      'destination', d.name, 'scopes', s.scopes, 'types', s.types, 'opens_incidents', s.opens_incidents, 'owner', u.email,
      'layers', (
        select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'unit', l.unit, 'every', l.every, 'starts_on', l.starts_on,
          'handover', to_char(l.handover, 'HH24:MI'), 'days', l.days, 'from', to_char(l.from_time, 'HH24:MI'), 'until', to_char(l.until_time, 'HH24:MI'),
          'people', (select coalesce(jsonb_agg(p.name order by x.place), '[]') from unnest(l.people) with ordinality as x (id, place)
            join private.oncall_people p on p.id = x.id)) order by l.id), '[]')
        from private.oncall_layers l where l.schedule_id = s.id),
      'overrides', (
        select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'person', p.name, 'from', lower(o.during), 'until', upper(o.during)) order by lower(o.during)), '[]')
        from private.oncall_overrides o join private.oncall_people p on p.id = o.person_id where o.schedule_id = s.id and upper(o.during) > v_now),
      'shifts', case s.source when 'rota' then (
        select coalesce(jsonb_agg(jsonb_build_object('person', p.name, 'from', r.since, 'until', r.until) order by r.since), '[]')
        from private.rota_shifts(s.id, v_now, v_now + interval '14 days') r left join private.oncall_people p on p.id = r.person_id) else '[]' end)
      order by s.name), '[]')
    from public.oncall_schedules s
    left join public.destinations d on d.id = s.destination_id
    left join auth.users u on u.id = s.owner);
end $$;
comment on function public.list_oncall() is 'The schedules with their layers, overrides that are not over, and who is on call in the next 14 days (person null: nobody). For every role.';

call private.close_functions();
grant execute on function public.who_is_on_call(text, timestamptz), public.list_oncall() to authenticated, service_role;
grant execute on function
  private.mail_address_part(text, integer),
  private.dynamic_routing_is_on(uuid, text, timestamptz),
  private.card_schedule(uuid, timestamptz),
  private.oncall_resolved(jsonb),
  private.oncall_answer(public.oncall_schedules, timestamptz, boolean),
  private.oncall_known(public.oncall_schedules, timestamptz),
  private.with_oncall(jsonb),
  private.with_oncall_awaited(jsonb),
  private.claim_oncall_pages(integer, boolean, timestamptz),
  public.claim_oncall_pages(integer, boolean),
  private.begin_oncall_lookup(text, timestamptz),
  public.begin_oncall_lookup(text),
  private.settle_oncall_lookup(uuid, jsonb, timestamptz, text, timestamptz),
  public.settle_oncall_lookup(uuid, jsonb, timestamptz, text),
  private.tell_oncall_trouble(public.oncall_schedules, text, timestamptz),
  private.settle_oncall_page(uuid, uuid, jsonb, timestamptz),
  private.record_oncall(uuid, boolean, timestamptz),
  public.settle_oncall_page(uuid, uuid, jsonb),
  public.settle_oncall_ping(uuid, uuid, bigint),
  private.oncall_is_due(timestamptz)
  to service_role;

-- The clock was scheduled before there were these jobs.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002911');
