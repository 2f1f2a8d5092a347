-- Masked messaging: owners and sitters are told by themselves when a part of messaging begins or ends for their organisation.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table private.org_topics (
  org_id uuid not null references public.orgs (id) on delete cascade,
  topic text not null constraint org_topics_topic_known check (topic in ('messaging', 'threads', 'sitters')),
  is_on boolean not null,
  since timestamptz not null,
  constraint org_topics_pkey primary key (org_id, topic)
) with (fillfactor = 50);
comment on table private.org_topics is 'What of messaging an organisation has, and since when: kept for organisations whose members are told.';
comment on constraint org_topics_pkey on private.org_topics is 'A part is on or off.';
comment on column private.org_topics.org_id is 'The organisation.';
comment on column private.org_topics.topic is 'messaging (messaging_v1), threads (proactive_thread_creation) or sitters (sitter_messages_v1); the latter two need the first.';
comment on column private.org_topics.is_on is 'Whether its flag was on for the organisation when the clock last looked.';
comment on column private.org_topics.since is 'Since when.';
alter table private.org_topics enable row level security;
revoke all on private.org_topics from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.org_topics to service_role;

create table public.org_notices (
  id uuid constraint org_notices_pkey primary key default private.uuid_v7(),
  org_id uuid not null references public.orgs (id) on delete cascade,
  member_id uuid not null references public.org_members (id) on delete cascade,
  topic text not null constraint org_notices_topic_known check (topic in ('messaging', 'threads', 'sitters')),
  begins boolean not null,
  since timestamptz not null,
  way text not null constraint org_notices_way_known check (way in ('text', 'mail', 'none')),
  why text constraint org_notices_why_form check (why ~ '^[a-z0-9_]{1,60}$'),
  at timestamptz not null default clock_timestamp(),
  constraint org_notices_once unique (member_id, topic, since)
);
comment on table public.org_notices is 'Which members were told that a part of messaging began or ended for their organisation, and how. The words are in the message.';
comment on constraint org_notices_pkey on public.org_notices is 'In the order in which they were told.';
comment on constraint org_notices_once on public.org_notices is 'Each is told of a change once.';
comment on column public.org_notices.id is 'UUID v7.';
comment on column public.org_notices.org_id is 'The organisation.';
comment on column public.org_notices.member_id is 'Who.';
comment on column public.org_notices.topic is 'messaging, threads or sitters.';
comment on column public.org_notices.begins is 'Whether it began; false for an end.';
comment on column public.org_notices.since is 'When it began or ended, as the clock saw it.';
comment on column public.org_notices.way is 'text (from the front desk), mail, or none.';
comment on column public.org_notices.why is 'Why not: opted_out, no_address, or what the queue refused.';
comment on column public.org_notices.at is 'When.';
create index org_notices_org_idx on public.org_notices (org_id);
comment on index public.org_notices_org_idx is 'The notices of an organisation; serves the foreign key.';
alter table public.org_notices enable row level security;
revoke all on public.org_notices from public, anon, authenticated;
grant select on public.org_notices to authenticated;
grant select, insert, update, delete on public.org_notices to service_role;
create policy "the team and owners read notices" on public.org_notices for select to authenticated
  using ((select private.has_role('viewer')) or private.manages_org(org_id));
comment on policy "the team and owners read notices" on public.org_notices is 'Who of the organisation was told, by member.';

-- What there is to tell ---------------------------------------------------------------------------

create function private.org_flag(p_key text, p_org uuid, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select case when not exists (select from public.settings s where s.key = p_key) then null
    when private.killed_since(p_key, p_now) is not null then false
    else (select e.value from private.evaluate_flag(p_key, 'org:' || p_org) e) end
$$;
comment on function private.org_flag(text, uuid, timestamptz) is
  'Whether a flag is on for an organisation, by its setting and kill switch; null without a setting, where only the functions'' environment knows.';

create function private.note_org_topics(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  insert into private.org_topics as t (org_id, topic, is_on, since)
  select f.id, x.topic, x.is_on, p_now
  from (
    select o.id, private.org_flag('messaging_v1.enabled', o.id, p_now) as core,
      private.org_flag('proactive_thread_creation.enabled', o.id, p_now) as proactive, private.org_flag('sitter_messages_v1.enabled', o.id, p_now) as sitter
    from public.orgs o where o.tell_members) f
  cross join lateral (values ('messaging', f.core), ('threads', f.core and f.proactive), ('sitters', f.core and f.sitter)) as x (topic, is_on)
  where x.is_on is not null order by f.id, x.topic
  on conflict on constraint org_topics_pkey do update set is_on = excluded.is_on, since = excluded.since where t.is_on <> excluded.is_on;
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.note_org_topics(timestamptz) is
  'Looks at the flags of messaging for each organisation whose members are told, and writes down what changed; says how many. For the clock.';

-- Five minutes: a flag that is switched on and off again tells nobody. Who was never told of a beginning is told of no end,
-- and whoever joins later is told what there is.
create function private.due_org_notices(p_now timestamptz, p_member uuid default null)
returns table (org_id uuid, org text, member_id uuid, topic text, begins boolean, since timestamptz)
language sql stable set search_path = '' as $$
  select t.org_id, o.name, m.id, t.topic, t.is_on, t.since
  from private.org_topics t
  join public.orgs o on o.id = t.org_id and o.tell_members
  join public.org_members m on m.org_id = t.org_id and (m.role = 'sitter') = (t.topic = 'sitters') and (p_member is null or m.id = p_member)
  left join lateral (
    select n.begins, n.way from public.org_notices n
    where n.member_id = m.id and n.topic = t.topic order by n.since desc limit 1) last on true
  where t.since <= p_now - interval '5 minutes'
    and case when t.is_on then last.begins is distinct from true else last.begins and last.way <> 'none' end
$$;
comment on function private.due_org_notices(timestamptz, uuid) is
  'Who is to be told what now: owners and admins of messaging and threads, sitters of what sitters have; of one member, or of all.';

create function private.org_notices_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (select from private.due_org_notices(p_now))
$$;
comment on function private.org_notices_are_due(timestamptz) is 'Whether a member of an organisation is to be told something. For the clock.';

create function public.org_notices_due(p_limit integer default 100) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('org_id', d.org_id, 'org', d.org, 'member_id', d.member_id, 'topic', d.topic, 'begins', d.begins,
      'since', d.since, 'prefix', d.prefix) order by d.since, d.member_id, d.topic), '[]')
    from (
      select x.*, (
        select left(i.value, 4) from public.org_members m
        join public.contact_identities i on i.contact_id = m.contact_id and i.kind = 'phone' and i.valid_to is null
        where m.id = x.member_id order by i.id desc limit 1) as prefix
      from private.due_org_notices(clock_timestamp()) x order by x.since, x.member_id, x.topic limit least(p_limit, 500)) d);
end $$;
comment on function public.org_notices_due(integer) is
  'Which members are to be told what: [{org_id, org (its name), member_id, topic, begins, since, prefix (the first four digits of the phone, for the language; null without one)}]. For secret keys.';

-- Telling -----------------------------------------------------------------------------------------

-- The address that a member signs in with. Failure policy: closed; where Auth's table cannot be read there is no mail.
create function private.member_mail(p_member uuid) returns text
language plpgsql stable set search_path = '' as $$
begin
  return (select nullif(lower(u.email), '') from public.org_members m join auth.users u on u.id = m.user_id where m.id = p_member);
exception when insufficient_privilege then
  return null;
end $$;
comment on function private.member_mail(uuid) is 'The mail address that a member signs in with; null without one.';

-- Failure policy: closed. Who has opted out of the front desk's texts is told nothing, by mail neither. A text that cannot go
-- for now is no reason for a mail.
create function private.tell_member(p_notice jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_due record;
  v_contact uuid;
  v_desk text;
  v_mail text;
  v_sender text;
  v_answer jsonb;
  v_way text := 'none';
  v_why text := 'no_address';
  v_key text;
begin
  perform pg_advisory_xact_lock(hashtextextended('gatelink.org_notice.' || (p_notice ->> 'member_id'), 0));
  select * into v_due from private.due_org_notices(p_now, (p_notice ->> 'member_id')::uuid) d
  where d.topic = p_notice ->> 'topic' and d.since = (p_notice ->> 'since')::timestamptz;
  if not found then
    return null;
  end if;
  v_key := concat_ws(':', 'org-notice', v_due.member_id, v_due.topic, extract(epoch from v_due.since));
  select m.contact_id into v_contact from public.org_members m where m.id = v_due.member_id;
  v_desk := private.front_desk(v_due.org_id);
  -- Before anything else that may be refused for now: nobody is mailed because texts are off who does not want them.
  if exists (
    select from public.conversations c
    where c.contact_id = v_contact and c.channel = 'sms' and c.number_id = v_desk and c.opted_out_at is not null) then
    v_why := 'opted_out';
  elsif v_contact is not null and v_desk is not null then
    v_answer := private.queue_text(v_contact, v_desk, p_notice -> 'message', v_key, p_now);
    v_way := case when v_answer ? 'error' then 'none' else 'text' end;
    v_why := v_answer ->> 'error';
  end if;
  if v_way = 'none' and coalesce(v_why, '') not in ('opted_out', 'feature_off', 'rate_limited') then
    v_mail := private.member_mail(v_due.member_id);
    v_sender := private.notification_sender();
    if v_mail is not null and v_sender is not null then
      v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'email', 'to', v_mail,
        'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_mail)), 'number_id', v_sender,
        'message', jsonb_build_object('type', 'email', 'subject', p_notice -> 'subject', 'text', p_notice -> 'mail', 'automatic', true),
        'text', p_notice -> 'mail', 'idempotency_key', v_key)), p_now) -> 0;
      v_way := case when v_answer ? 'error' then 'none' else 'mail' end;
      v_why := v_answer ->> 'error';
    end if;
  end if;
  -- Sending is off for now, or too much goes out: later, for a day.
  if v_way = 'none' and v_why in ('feature_off', 'rate_limited') and v_due.since > p_now - interval '1 day' then
    return null;
  end if;
  insert into public.org_notices (org_id, member_id, topic, begins, since, way, why, at)
  values (v_due.org_id, v_due.member_id, v_due.topic, v_due.begins, v_due.since, v_way, case when v_way = 'none' then v_why end, p_now);
  return jsonb_build_object('org_id', v_due.org_id, 'member_id', v_due.member_id, 'topic', v_due.topic, 'way', v_way,
    'why', case when v_way = 'none' then v_why end);
end $$;
comment on function private.tell_member(jsonb, timestamptz) is
  'Tells one member, if that is still to be done: by a text from the front desk to the member''s phone, else by mail from the default identity, else not, with the reason. Null where nothing was to be done, or later.';

create function private.tell_members(p_notices jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_notice jsonb;
  v_told jsonb;
  v_all jsonb := '[]';
begin
  for v_notice in select n.value from jsonb_array_elements(p_notices) n order by n.value ->> 'member_id', n.value ->> 'topic' loop
    v_told := private.tell_member(v_notice, p_now);
    v_all := v_all || case when v_told is null then '[]' else jsonb_build_array(v_told) end;
  end loop;
  return v_all;
end $$;
comment on function private.tell_members(jsonb, timestamptz) is 'tell_members with the time given.';

create function public.tell_members(p_notices jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.tell_members(p_notices, clock_timestamp());
end $$;
comment on function public.tell_members(jsonb) is
  'Tells members of organisations what org_notices_due named: [{member_id, topic, since, subject, mail, message}]. Each once. Returns of those told, or not to be told: [{org_id, member_id, topic, way (text, mail, none), why}]. For secret keys.';

create function public.list_org_notices(p_org uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select jsonb_build_object('tell_members', o.tell_members,
      'topics', (
        select coalesce(jsonb_agg(jsonb_build_object('topic', t.topic, 'is_on', t.is_on, 'since', t.since) order by t.since, t.topic), '[]')
        from private.org_topics t where t.org_id = o.id),
      'due', (select count(*) from private.due_org_notices(clock_timestamp()) d where d.org_id = o.id),
      'notices', (
        select coalesce(jsonb_agg(jsonb_build_object('at', n.at, 'member_id', n.member_id, 'role', n.role, 'topic', n.topic, 'begins', n.begins,
          'way', n.way, 'why', n.why) order by n.id desc), '[]')
        from (
          select x.*, m.role from public.org_notices x join public.org_members m on m.id = x.member_id
          where x.org_id = o.id order by x.id desc limit 200) n))
    from public.orgs o where o.id = p_org);
end $$;
comment on function public.list_org_notices(uuid) is
  'What members of an organisation were told: {tell_members, topics: [{topic, is_on, since}], due: how many are to be told now, notices: the last 200, [{at, member_id, role, topic, begins, way, why}]}; null if there is no such organisation. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.org_flag(text, uuid, timestamptz),
  private.note_org_topics(timestamptz),
  private.due_org_notices(timestamptz, uuid),
  private.org_notices_are_due(timestamptz),
  private.member_mail(uuid),
  private.tell_member(jsonb, timestamptz),
  private.tell_members(jsonb, timestamptz),
  public.org_notices_due(integer),
  public.tell_members(jsonb),
  public.list_org_notices(uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002736');

-- The clock was scheduled before there were its jobs.
do $$
begin
  perform private.schedule_clock();
end $$;
