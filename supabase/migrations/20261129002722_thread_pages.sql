-- Masked messaging in the app: what owners and sitters read of threads, and what they write.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Reading -----------------------------------------------------------------------------------------

create function private.client_label(p_client uuid, p_whole boolean) returns text
language sql stable set search_path = '' as $$
  select coalesce(case when p_whole or length(regexp_replace(c.name, '[^0-9]', '', 'g')) < 6 then c.name end, case when p_whole then '…' || right(private.address_of(c.id, c.channel, null), 4) end)
  from public.contacts c where c.id = p_client
$$;
comment on function private.client_label(uuid, boolean) is 'A person by name; without one the last four digits of the phone, for owners. For others a name that is a phone number is none.';

create function private.window_status(p_thread public.threads, p_member uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('state', case when w.closes_at is not null then 'active' when w.next_at is not null then 'upcoming' else 'none' end,
    'at', coalesce(w.closes_at, w.next_at), 'next_at', case when w.closes_at is not null then w.next_at end,
    'zone', (select o.zone from public.orgs o where o.id = p_thread.org_id))
  from (
    select max(x.closes_at) filter (where x.opens_at <= p_now) as closes_at, min(x.opens_at) filter (where x.opens_at > p_now) as next_at
    from public.assignment_windows x
    where x.client_id = p_thread.client_id and x.org_id = p_thread.org_id and x.cancelled_at is null and x.closes_at > p_now
      and (p_member is null or x.member_id = p_member)) w
$$;
comment on function private.window_status(public.threads, uuid, timestamptz) is 'The open window of a thread, else the next one: {state (active, upcoming, none), at (when it closes, or opens), next_at (when the one after an open one opens), zone}; of one sitter, or of any.';

create function private.thread_row(p_thread public.threads, p_member uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_thread.id, 'org_id', p_thread.org_id, 'client', private.client_label(p_thread.client_id, p_member is null),
    'number_class', p_thread.number_class, 'message_number_id', p_thread.message_number_id, 'state', p_thread.state,
    'recurring', p_thread.recurring, 'window', private.window_status(p_thread, p_member, p_now),
    'last_at', case when p_member is null then p_thread.last_at else coalesce(last.at, p_thread.opened_at) end, 'last_text', left(last.text, 200),
    'waiting', case when p_member is null then (
      select count(*) from public.thread_decisions d
      where d.thread_id = p_thread.id and d.done_at is null and (d.outcome = 'owner_inbox' or d.outcome = 'blocked' or d.reason = 'off')) else 0 end)
  from (select 1) one
  left join lateral (
    select d.at, coalesce(m.text, d.text) as text
    from public.thread_decisions d left join public.messages m on m.id = d.message_id
    where d.thread_id = p_thread.id and (p_member is null or d.outcome = 'leg')
    order by d.id desc limit 1) last on true
$$;
comment on function private.thread_row(public.threads, uuid, timestamptz) is 'A thread as lists and its page show it, to the owner, or to a sitter (org_members.id).';

create function private.sitter_sees(p_thread public.threads, p_member uuid, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select p_thread.state = 'live'
    and exists (
      select from public.thread_legs l join public.org_members m on m.contact_id = l.contact_id and m.org_id = p_thread.org_id
      where l.thread_id = p_thread.id and l.role = 'sitter' and l.ended_at is null and m.id = p_member)
    and exists (
      select from public.assignment_windows w
      where w.member_id = p_member and w.client_id = p_thread.client_id and w.cancelled_at is null and w.closes_at > p_now)
$$;
comment on function private.sitter_sees(public.threads, uuid, timestamptz) is 'Whether a sitter sees a thread: live, on it, with a window that is open or to come.';

create function private.threads_of_owner(p_org uuid, p_filter jsonb, p_limit integer) returns setof public.threads
language sql stable set search_path = '' set jit = off set enable_seqscan = off as $$
  select t.* from public.threads t
  where t.org_id = p_org and t.state = coalesce(p_filter ->> 'state', 'live')
    and (t.last_at, t.id) < (coalesce((p_filter #>> '{before,at}')::timestamptz, 'infinity'),
      coalesce((p_filter #>> '{before,id}')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    and (p_filter ->> 'search' is null or exists (
      select from public.contacts c
      where c.id = t.client_id and (strpos(lower(c.name), lower(p_filter ->> 'search')) > 0
        -- Only last digits are looked up for it.
        or c.name is null and p_filter ->> 'search' ~ '^…?[0-9]{1,4}$'
          and strpos(private.client_label(c.id, true), p_filter ->> 'search') > 0)))
  order by t.last_at desc, t.id desc limit p_limit
$$;
comment on function private.threads_of_owner(uuid, jsonb, integer) is
  'Threads of an organisation as list_threads filters them, the last written in first. A search goes through the organisation''s threads in that order until it has enough.';

-- From the windows that are open or to come: a sitter has some dozens of them, and an organisation thousands of threads.
create function private.threads_of_sitter(p_org uuid, p_member uuid, p_filter jsonb, p_limit integer, p_now timestamptz) returns setof public.threads
language sql stable set search_path = '' set jit = off set enable_seqscan = off as $$
  select (x.thread).* from (
    select t as thread, coalesce(last.at, t.opened_at) as last_at
    from (
      select distinct w.client_id from public.assignment_windows w
      where w.member_id = p_member and w.cancelled_at is null and w.closes_at > p_now) c
    join public.threads t on t.client_id = c.client_id and t.org_id = p_org and t.state = coalesce(p_filter ->> 'state', 'live')
    left join lateral (
      select d.at from public.thread_decisions d
      where d.thread_id = t.id and d.outcome = 'leg' order by d.id desc limit 1) last on true
    where private.sitter_sees(t, p_member, p_now)
      and (p_filter ->> 'search' is null or strpos(lower(private.client_label(t.client_id, false)), lower(p_filter ->> 'search')) > 0)) x
  where (x.last_at, (x.thread).id) < (coalesce((p_filter #>> '{before,at}')::timestamptz, 'infinity'),
    coalesce((p_filter #>> '{before,id}')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
  order by x.last_at desc, (x.thread).id desc limit p_limit
$$;
comment on function private.threads_of_sitter(uuid, uuid, jsonb, integer, timestamptz) is
  'Threads that a sitter sees, as list_threads filters them, the last heard first.';

create function public.list_threads(p_org uuid, p_member uuid default null, p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform private.refuse_older_code();
  if p_member is null then
    return (
      select coalesce(jsonb_agg(private.thread_row(t, null, v_now) order by t.last_at desc, t.id desc), '[]')
      from private.threads_of_owner(p_org, p_filter, least(p_limit, 200)) t);
  end if;
  return (
    select coalesce(jsonb_agg(r.item order by (r.item ->> 'last_at')::timestamptz desc, (r.item ->> 'id')::uuid desc), '[]')
    from private.threads_of_sitter(p_org, p_member, p_filter, least(p_limit, 200), v_now) t
    cross join lateral private.thread_row(t, p_member, v_now) as r (item));
end $$;
comment on function public.list_threads(uuid, uuid, jsonb, integer) is 'Threads of an organisation, the last written in first; of a sitter (org_members.id) those that the sitter sees. Filter: state (live if absent), search (part of the client''s name or last digits), before: {at (last_at), id} of the last of the page before; 200 at most. For secret keys.';

create function public.read_thread(p_org uuid, p_thread uuid, p_member uuid default null, p_before uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_thread public.threads;
begin
  perform private.refuse_older_code();
  select * into v_thread from public.threads t where t.id = p_thread and t.org_id = p_org;
  if not found or p_member is not null and not private.sitter_sees(v_thread, p_member, clock_timestamp()) then
    return null;
  end if;
  return jsonb_build_object('thread', private.thread_row(v_thread, p_member, clock_timestamp()),
    'number', case when p_member is null then (
      select s.address from public.senders s where s.channel = v_thread.channel and s.id = v_thread.message_number_id) end,
    'people', case when p_member is null then private.thread_people(v_thread, clock_timestamp()) else '[]' end, 'entries', (
    select coalesce(jsonb_agg(private.thread_entry(d, p_member) order by d.id desc), '[]') from (
      select * from public.thread_decisions d
      -- Equality would let the planner walk the texts of all threads by id, until it has enough of this one.
      where d.thread_id >= p_thread and (d.thread_id, d.id) < (p_thread, coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        and d.reason <> 'keyword'
        -- A sitter sees what was heard, and what became of the own words.
        and (p_member is null or d.outcome = 'leg' or d.from_role = 'sitter' and d.contact_id = (
          select m.contact_id from public.org_members m where m.id = p_member))
      order by d.thread_id desc, d.id desc limit least(p_limit, 200)) d));
end $$;
comment on function public.read_thread(uuid, uuid, uuid, uuid, integer) is 'A thread with its texts, the newest first, before one of them (p_before, its id): {thread, number, people, entries}; to a sitter (org_members.id) what was heard, and the sitter''s own, without number and people. Null if there is none, or the sitter does not see it. For secret keys.';

create function private.thread_people(p_thread public.threads, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('role', l.role, 'name', private.client_label(l.contact_id, true),
      'last4', right(private.address_of(c.id, c.channel, null), 4), 'app_only', l.number_id is null,
      'opted_out', exists (
        select from public.conversations c
        where c.contact_id = l.contact_id and c.channel = l.channel and c.number_id = l.number_id and c.opted_out_at is not null),
      'window', case when m.id is not null then private.window_status(p_thread, m.id, p_now) end) order by l.role, l.opened_at, l.id), '[]')
  from public.thread_legs l
  join public.contacts c on c.id = l.contact_id
  left join public.org_members m on l.role = 'sitter' and m.contact_id = l.contact_id and m.org_id = p_thread.org_id
  where l.thread_id = p_thread.id and l.ended_at is null
$$;
comment on function private.thread_people(public.threads, timestamptz) is 'Who is on a thread, for owners: [{role, name, last4, app_only, opted_out, window (of a sitter)}].';

create function private.thread_entry(p_decision public.thread_decisions, p_member uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_decision.id, 'at', p_decision.at, 'from_role', p_decision.from_role, 'text', coalesce(m.text, p_decision.text),
    'mine', mine.is_so, 'writer', case p_decision.from_role when 'sitter' then private.client_label(p_decision.contact_id, p_member is null) end,
    'media', case when jsonb_typeof(m.native -> 'media') = 'array' then jsonb_array_length(m.native -> 'media') else 0 end,
    'files_of', case when m.direction = 'in' and jsonb_typeof(m.native -> 'media') = 'array' then m.id end,
    'outcome', p_decision.outcome, 'reason', p_decision.reason,
    -- What was found in the words of others is for the owner.
    'types', case when p_member is null or mine.is_so then p_decision.types else '{}' end,
    'done', p_decision.done_at is not null, 'force_reason', case when p_member is null then p_decision.force_reason end,
    'forced_role', (select b.from_role from public.thread_decisions b where b.id = p_decision.forces),
    'status', case m.direction when 'out' then m.status when 'in' then (
      select c.status from public.thread_legs l
      join public.outbound_messages o on o.channel = 'sms' and o.idempotency_key = 'relay:' || m.id || ':' || l.id
      join public.messages c on c.id = o.message_id
      where l.thread_id = p_decision.thread_id order by c.status_rank nulls first limit 1) end)
  from (
    select case when p_member is null then p_decision.from_role = 'owner'
      else coalesce(p_decision.contact_id = (select x.contact_id from public.org_members x where x.id = p_member), false) end as is_so) mine
  left join public.messages m on m.id = p_decision.message_id
$$;
comment on function private.thread_entry(public.thread_decisions, uuid) is 'A decision as a thread''s page shows it to the owner, or to a sitter (org_members.id): the words, who wrote them, where they went, and how far the copies came. Of a text that was let pass also why, and who wrote it first.';

create function private.inbox_entry(p_decision public.thread_decisions) returns jsonb
language sql stable set search_path = '' as $$
  select private.thread_entry(p_decision, null) || jsonb_build_object('org_id', p_decision.org_id, 'thread_id', p_decision.thread_id,
    'client', (select private.client_label(t.client_id, true) from public.threads t where t.id = p_decision.thread_id),
    'from', case when p_decision.from_last4 <> '' then '…' || p_decision.from_last4 end, 'number_class', p_decision.number_class, 'findings', (
      select coalesce(jsonb_agg(jsonb_build_object('ord', f.ord, 'type', f.type, 'rule', f.rule, 'redacted', f.redacted, 'was_right', f.was_right)
        order by f.ord), '[]')
      from public.policy_findings f where f.decision_id = p_decision.id))
$$;
comment on function private.inbox_entry(public.thread_decisions) is 'A decision as the owner''s pages show it outside of its thread: thread_entry, with the client, the last four digits of who wrote, and what was found.';

create function public.owner_inbox(p_org uuid, p_before uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(private.inbox_entry(d) order by d.id desc), '[]')
    from (
      select * from public.thread_decisions d
      where d.org_id = p_org and d.done_at is null and (d.outcome = 'owner_inbox' or d.outcome = 'blocked' or d.reason = 'off')
        and d.id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      order by d.id desc limit least(p_limit, 200)) d);
end $$;
comment on function public.owner_inbox(uuid, uuid, integer) is 'What waits for the owner, the newest first, before one of them (p_before, its id): texts nobody could be found for, blocked ones, and what came while messaging was off. For secret keys.';

-- Writing -----------------------------------------------------------------------------------------

create function public.member_contact(p_member uuid) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (select m.contact_id from public.org_members m where m.id = p_member);
end $$;
comment on function public.member_contact(uuid) is 'The phone of a member, as a contact; null for one who only uses the pages. For secret keys.';

create function public.blocked_text(p_org uuid, p_decision uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select jsonb_build_object('thread_id', d.thread_id, 'from_role', d.from_role, 'text', coalesce(m.text, d.text), 'message_id', d.message_id,
      'media', case when jsonb_typeof(m.native -> 'media') = 'array' then jsonb_array_length(m.native -> 'media') else 0 end)
    from public.thread_decisions d left join public.messages m on m.id = d.message_id
    where d.id = p_decision and d.org_id = p_org and d.outcome = 'blocked');
end $$;
comment on function public.blocked_text(uuid, uuid) is 'A blocked text that an owner may let pass: {thread_id, from_role, text, message_id, media}; null if there is none. For secret keys.';

create function private.send_in_thread(p_send jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_thread public.threads;
  v_before public.thread_decisions;
  v_copies record;
  v_sent uuid;
  v_legs uuid[] := array(select value::uuid from jsonb_array_elements_text(coalesce(p_send -> 'legs', '[]')));
  v_outcome text := p_send ->> 'outcome';
  v_reason text := p_send ->> 'reason';
  v_id uuid;
begin
  select * into v_thread from public.threads t
  where t.id = (p_send ->> 'thread_id')::uuid and t.org_id = (p_send ->> 'org_id')::uuid;
  if not found then
    raise exception 'there is no such thread' using errcode = 'GL404';
  end if;
  if p_send ? 'key' then
    select * into v_before from public.thread_decisions d where d.org_id = v_thread.org_id and d.key = p_send ->> 'key';
    if found then
      return jsonb_build_object('decision_id', v_before.id, 'outcome', v_before.outcome, 'reason', v_before.reason, 'types', v_before.types,
        'repeated', true);
    end if;
  end if;
  if v_outcome = 'leg' then
    -- Conversations before their thread, as record_relays takes them: those that are there in the order of ids, then new ones.
    perform from public.conversations c where c.id = any (private.conversations_of_legs(v_legs)) order by c.id for update;
    v_copies := private.queue_to_legs(v_thread.id, v_legs, p_send -> 'message', private.uuid_v7()::text, p_now);
  end if;
  -- What changed since, changes no more: what was queued for nothing goes with the transaction.
  select * into v_thread from public.threads t where t.id = v_thread.id for no key update;
  if not found or p_send ? 'key' and exists (
      select from public.thread_decisions d where d.org_id = v_thread.org_id and d.key = p_send ->> 'key') then
    raise exception 'the thread was erased, or the text was sent, in this moment' using errcode = 'serialization_failure';
  end if;
  if v_outcome = 'leg' then
    if v_thread.state <> 'live' or cardinality(v_legs) <> (
        select count(*) from public.thread_legs l where l.id = any (v_legs) and l.thread_id = v_thread.id and l.ended_at is null)
      or p_send ? 'member_id' and (not private.sitter_sees(v_thread, (p_send ->> 'member_id')::uuid, p_now)
        or private.window_status(v_thread, (p_send ->> 'member_id')::uuid, p_now) ->> 'state' <> 'active') then
      raise exception 'the thread has changed' using errcode = 'GL409', hint = 'Read it again.';
    end if;
    if v_copies.reached = 0 then
      -- A blocked text is let pass once: it stays in the inbox until it can go.
      if p_send ? 'forces' then
        raise exception 'the text could not be queued: %', coalesce(v_copies.error, 'nobody is there') using errcode = 'GL409';
      end if;
      v_outcome := 'held';
      v_reason := coalesce(v_copies.error, 'no_sitter');
    end if;
    v_sent := v_copies.first;
  end if;
  v_id := public.record_decision(p_send || jsonb_build_object('outcome', v_outcome, 'reason', v_reason, 'message_id', v_sent,
      'number_class', v_thread.number_class, 'contact_id', (
        select m.contact_id from public.org_members m where m.id = (p_send ->> 'member_id')::uuid))
    || case when v_sent is null then jsonb_build_object('kept_text', nullif(p_send #>> '{message,text}', '')) else '{}' end,
    coalesce(p_send -> 'findings', '[]'));
  return jsonb_build_object('decision_id', v_id, 'outcome', v_outcome, 'reason', v_reason, 'types', coalesce(p_send -> 'types', '[]'), 'repeated', false);
end $$;
comment on function private.send_in_thread(jsonb, timestamptz) is 'send_in_thread with a given time.';

create function public.send_in_thread(p_send jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.send_in_thread(p_send, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.send_in_thread(jsonb) is 'Writes down a text from the app as it was decided, and queues it to the legs, in one transaction, once for each key: a decision as record_decision takes it, with member_id (the sitter who writes; absent for the owner), legs, message and findings. Returns {decision_id, outcome, reason, types, repeated}. For secret keys. Errors: GL404 no such thread or blocked text, GL409 the thread has changed since it was read, 23505 a blocked text was let pass already.';

call private.close_functions();
grant execute on function
  private.client_label(uuid, boolean),
  private.window_status(public.threads, uuid, timestamptz),
  private.thread_row(public.threads, uuid, timestamptz),
  private.threads_of_owner(uuid, jsonb, integer),
  private.threads_of_sitter(uuid, uuid, jsonb, integer, timestamptz),
  private.sitter_sees(public.threads, uuid, timestamptz),
  private.thread_people(public.threads, timestamptz),
  private.thread_entry(public.thread_decisions, uuid),
  private.inbox_entry(public.thread_decisions),
  private.send_in_thread(jsonb, timestamptz),
  public.list_threads(uuid, uuid, jsonb, integer),
  public.read_thread(uuid, uuid, uuid, uuid, integer),
  public.owner_inbox(uuid, uuid, integer),
  public.member_contact(uuid),
  public.blocked_text(uuid, uuid),
  public.send_in_thread(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129002722');
