-- Announcements: a text or a template to many people by WhatsApp, through the ordinary queue; to whom a feature is on, to
-- segments, to everybody who wrote lately, or to whom a feature failed. Each person gets one once, whatever is repeated.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.announcements (
  id uuid constraint announcements_pkey primary key default private.uuid_v7(),
  name text not null constraint announcements_name check (char_length(btrim(name)) between 1 and 120),
  audience jsonb not null constraint announcements_audience check (jsonb_typeof(audience) = 'object'),
  text text constraint announcements_text check (char_length(btrim(text)) between 1 and 4096),
  template jsonb constraint announcements_template check (template ->> 'type' = 'template'),
  number_id text,
  per_minute integer not null default 300 constraint announcements_per_minute check (per_minute between 6 and 6000),
  state text not null default 'draft' constraint announcements_state_known check (state in ('draft', 'sending', 'stopped', 'done')),
  unreachable integer not null default 0,
  version bigint not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default private.actor(),
  started_at timestamptz,
  started_by text,
  stopped_at timestamptz,
  stopped_by text,
  stopped_because text constraint announcements_stopped_because check (char_length(stopped_because) <= 500),
  finished_at timestamptz,
  constraint announcements_words check (text is not null or template is not null)
) with (fillfactor = 80);
comment on table public.announcements is
  'Messages to many people. Written by create_announcement, start_announcement, stop_announcement and delete_announcement alone, and by the clock.';
comment on constraint announcements_pkey on public.announcements is 'An announcement''s id.';
comment on constraint announcements_words on public.announcements is 'It says something.';
comment on column public.announcements.id is 'UUID v7.';
comment on column public.announcements.name is 'What the team calls it. Nobody else reads it.';
comment on column public.announcements.audience is
  'Whom it is for: {kind: flag, flag_key, days, targets_only}, {kind: segments, segments}, {kind: wrote, days} or {kind: affected, flag_key, since}. Who that was when it was made is in announcement_recipients.';
comment on column public.announcements.text is 'What people read who wrote within the last 24 hours; null where all get the template.';
comment on column public.announcements.template is 'The template message for everybody else, as wa-send takes it; null where nobody else gets anything.';
comment on column public.announcements.number_id is 'The sender (senders.id); null for the number that a person has last used.';
comment on column public.announcements.per_minute is 'How many are queued in a minute at most.';
comment on column public.announcements.state is 'draft, sending, stopped (may be resumed) or done.';
comment on column public.announcements.unreachable is 'How many of the audience are known by an id alone that is no contact''s.';
comment on column public.announcements.version is 'Grows with each change that people make. Give the version you read.';
comment on column public.announcements.created_at is 'When it was made.';
comment on column public.announcements.created_by is 'Who made it: a user id, or the database role.';
comment on column public.announcements.started_at is 'When it was first started.';
comment on column public.announcements.started_by is 'Who started it last.';
comment on column public.announcements.stopped_at is 'When it was stopped last.';
comment on column public.announcements.stopped_by is 'Who stopped it.';
comment on column public.announcements.stopped_because is 'Why.';
comment on column public.announcements.finished_at is 'When the last one was queued.';
create index announcements_sending_idx on public.announcements (started_at) where state = 'sending';
comment on index public.announcements_sending_idx is 'What the clock has to send.';
alter table public.announcements enable row level security;
revoke all on public.announcements from anon, authenticated, service_role, public;
grant select on public.announcements to authenticated, service_role;
create policy announcements_read on public.announcements for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy announcements_read on public.announcements is 'The whole team sees what is announced.';

create table public.announcement_recipients (
  announcement_id uuid not null references public.announcements (id) on delete cascade,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  state text not null default 'pending' constraint announcement_recipients_state_known check (state in ('pending', 'queued', 'left_out')),
  why text,
  next_at timestamptz not null default '-infinity',
  message_id uuid,
  at timestamptz,
  constraint announcement_recipients_pkey primary key (announcement_id, contact_id)
) with (fillfactor = 80);
comment on table public.announcement_recipients is 'Who gets an announcement: the audience as it was when the announcement was made.';
comment on constraint announcement_recipients_pkey on public.announcement_recipients is 'A person once an announcement.';
comment on column public.announcement_recipients.announcement_id is 'The announcement.';
comment on column public.announcement_recipients.contact_id is 'The person.';
comment on column public.announcement_recipients.state is 'pending, queued (its message is in outbound_messages) or left_out.';
comment on column public.announcement_recipients.why is
  'Why one was left out: opted_out, window_closed, group, merged (the same person is in it already) or what the queue refused. Of one that is pending, why it waits: feature_off or sender_held.';
comment on column public.announcement_recipients.next_at is 'When one that waits is tried again.';
comment on column public.announcement_recipients.message_id is 'The message. Not a reference: the record outlives it.';
comment on column public.announcement_recipients.at is 'When it was queued or left out.';
create index announcement_recipients_pending_idx on public.announcement_recipients (announcement_id, next_at) where state = 'pending';
comment on index public.announcement_recipients_pending_idx is 'Who is next.';
create index announcement_recipients_queued_idx on public.announcement_recipients (announcement_id, at) where state = 'queued';
comment on index public.announcement_recipients_queued_idx is 'Who was last.';
create index announcement_recipients_contact_idx on public.announcement_recipients (contact_id);
comment on index public.announcement_recipients_contact_idx is 'What a person got; serves the foreign key.';
alter table public.announcement_recipients enable row level security;
revoke all on public.announcement_recipients from anon, authenticated, service_role, public;
grant select on public.announcement_recipients to authenticated, service_role;
create policy announcement_recipients_read on public.announcement_recipients for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy announcement_recipients_read on public.announcement_recipients is 'Ids of contacts, as conversations show them.';

-- Whom ---------------------------------------------------------------------------------------------

create function private.contact_of_subject(p_subject_id text) returns uuid
language sql stable set search_path = '' as $$
  select coalesce(c.merged_into, c.id) from public.contacts c
  where case when pg_input_is_valid(p_subject_id, 'uuid') then c.id = p_subject_id::uuid else false end
$$;
comment on function private.contact_of_subject(text) is
  'The contact that an id of flags means, or whom that turned out to be; null for ids of other systems.';

create function private.wrote_within(p_days integer, p_now timestamptz) returns table (contact_id uuid)
language sql stable set search_path = '' as $$
  select distinct coalesce(c.merged_into, c.id)
  from public.conversations v join public.contacts c on c.id = v.contact_id
  where v.channel = 'whatsapp' and v.last_inbound_at > p_now - make_interval(days => p_days)
$$;
comment on function private.wrote_within(integer, timestamptz) is 'Contacts on WhatsApp who wrote within so many days.';

create function private.refuse_audience(p_audience jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_kind text := p_audience ->> 'kind';
  v_unknown text;
begin
  if not coalesce(case v_kind
      when 'flag' then private.object_keys_within(p_audience, array['kind', 'flag_key', 'days', 'targets_only'])
        and (not p_audience ? 'days' or private.is_number(p_audience -> 'days', 1, 365, 0))
        and (not p_audience ? 'targets_only' or jsonb_typeof(p_audience -> 'targets_only') = 'boolean')
      when 'segments' then private.object_keys_within(p_audience, array['kind', 'segments'])
        and private.is_text_list(p_audience -> 'segments', 20) and jsonb_array_length(p_audience -> 'segments') > 0
      when 'wrote' then private.object_keys_within(p_audience, array['kind', 'days'])
        and private.is_number(p_audience -> 'days', 1, 365, 0)
      when 'affected' then private.object_keys_within(p_audience, array['kind', 'flag_key', 'since'])
        and (not p_audience ? 'since' or jsonb_typeof(p_audience -> 'since') = 'string' and pg_input_is_valid(p_audience ->> 'since', 'timestamptz'))
    end, false) then
    raise exception 'this cannot be an audience' using errcode = 'GL422',
      hint = '{kind: flag, flag_key, days (1 to 365), targets_only}, {kind: segments, segments}, {kind: wrote, days} or {kind: affected, flag_key, since}';
  end if;
  if v_kind in ('flag', 'affected') and not exists (select from public.settings s where s.key = p_audience ->> 'flag_key' and s.key like '%.enabled') then
    raise exception 'there is no flag %', coalesce(p_audience ->> 'flag_key', 'without a key') using errcode = 'GL404', hint = 'gatelink flags list';
  elsif v_kind = 'segments' then
    select k.key into v_unknown from jsonb_array_elements_text(p_audience -> 'segments') as k (key)
    where not exists (select from public.segments s where s.key = k.key) limit 1;
    if v_unknown is not null then
      raise exception 'there is no segment %', v_unknown using errcode = 'GL404', hint = 'gatelink flags segments list';
    end if;
  end if;
end $$;
comment on function private.refuse_audience(jsonb) is 'GL422 where an audience cannot be one, GL404 where its flag or a segment is not there.';

-- A percentage has no list of people: of those who wrote lately each is asked about, as wa-send and wa-router ask.
create function private.audience(p_audience jsonb, p_now timestamptz) returns table (subject_id text, contact_id uuid)
language plpgsql stable set search_path = '' as $$
declare
  v_flag text := p_audience ->> 'flag_key';
  v_days integer := coalesce((p_audience ->> 'days')::integer, 30);
  v_everybody boolean;
begin
  case p_audience ->> 'kind'
    when 'segments' then
      return query select distinct m.subject_id, private.contact_of_subject(m.subject_id) from public.segment_members m
        where m.segment_key in (select jsonb_array_elements_text(p_audience -> 'segments'));
    when 'wrote' then
      return query select w.contact_id::text, w.contact_id from private.wrote_within(v_days, p_now) w;
    when 'affected' then
      return query select a.subject_id, private.contact_of_subject(a.subject_id) from private.affected_people a
        where a.flag_key = v_flag and a.last_at >= coalesce((p_audience ->> 'since')::timestamptz, '-infinity');
    else
      return query
        select t.id, private.contact_of_subject(t.id) from (
          select jsonb_array_elements_text(coalesce(s.metadata -> 'target_user_ids', '[]')) from public.settings s where s.key = v_flag
          union
          select m.subject_id from public.settings s
          cross join lateral jsonb_array_elements_text(coalesce(s.metadata -> 'target_segments', '[]')) as k (key)
          join public.segment_members m on m.segment_key = k.key
          where s.key = v_flag) t (id);
      if not coalesce((p_audience ->> 'targets_only')::boolean, false) then
        v_everybody := private.on_for_everybody(v_flag);
        return query select w.contact_id::text, w.contact_id from private.wrote_within(v_days, p_now) w
          where v_everybody or (select e.value from private.evaluate_flag(v_flag, w.contact_id::text) e);
      end if;
  end case;
end $$;
comment on function private.audience(jsonb, timestamptz) is
  'Who an audience is now, by the ids that it names them with, and the contact of each; somebody may be there twice.';

-- Failure policy: closed. Who has opted out on any of our numbers gets no announcement of any kind.
create function private.announcement_way(
  p_contact_id uuid, p_number_id text, p_text boolean, p_template boolean, p_now timestamptz, out number_id text, out way text
)
language plpgsql stable set search_path = '' as $$
declare
  v_last timestamptz;
begin
  if exists (select from public.conversations c where c.contact_id = p_contact_id and c.channel = 'whatsapp' and c.opted_out_at is not null) then
    way := 'opted_out';
  elsif exists (select from public.contact_identities i where i.contact_id = p_contact_id and i.kind = 'group' and i.valid_to is null) then
    way := 'group';
  else
    select c.number_id, c.last_inbound_at into number_id, v_last from public.conversations c
    where c.contact_id = p_contact_id and c.channel = 'whatsapp' and c.number_id = coalesce(p_number_id, c.number_id)
    order by c.last_inbound_at desc nulls last, c.last_message_at desc nulls last limit 1;
    number_id := coalesce(p_number_id, number_id);
    way := case
      when p_text and coalesce(v_last, '-infinity') > p_now - (private.channel_policy('whatsapp')).reply_window then 'text'
      when p_template then 'template' else 'window_closed' end;
  end if;
end $$;
comment on function private.announcement_way(uuid, text, boolean, boolean, timestamptz) is
  'How a person gets an announcement: text, template, or not: opted_out, group, window_closed; and from which number, null where none is known.';

-- What people see of one ---------------------------------------------------------------------------

create function private.announcement_view(p_announcement public.announcements, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(p_announcement) || jsonb_build_object(
    'people', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id),
    'pending', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.state = 'pending'),
    'queued', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.state = 'queued'),
    'left_out', (
      select coalesce(jsonb_object_agg(w.why, w.n), '{}') from (
        select r.why, count(*) as n from public.announcement_recipients r
        where r.announcement_id = p_announcement.id and r.state = 'left_out' group by r.why) w),
    'waits', (
      select coalesce(jsonb_object_agg(w.why, w.n), '{}') from (
        select r.why, count(*) as n from public.announcement_recipients r
        where r.announcement_id = p_announcement.id and r.state = 'pending' and r.why is not null group by r.why) w),
    'statuses', (
      select coalesce(jsonb_object_agg(w.status, w.n), '{}') from (
        select coalesce(m.status, 'purged') as status, count(*) as n
        from public.announcement_recipients r left join public.messages m on m.id = r.message_id
        where r.announcement_id = p_announcement.id and r.state = 'queued' group by 1) w),
    'would', case when p_announcement.state in ('draft', 'stopped') then (
      select coalesce(jsonb_object_agg(w.way, w.n), '{}') from (
        select y.way, count(*) as n from public.announcement_recipients r
        cross join lateral private.announcement_way(r.contact_id, p_announcement.number_id, p_announcement.text is not null,
          p_announcement.template is not null, p_now) y
        where r.announcement_id = p_announcement.id and r.state = 'pending' group by y.way) w) end)
$$;
comment on function private.announcement_view(public.announcements, timestamptz) is
  'An announcement with its figures: {…, people, pending, queued, left_out: {why: n}, waits: {why: n}, statuses: {status: n}, would: {text, template, opted_out, group, window_closed: n}; null while it is sent}.';

create function private.announcement_at(p_id uuid, p_expected_version bigint, p_states text[]) returns public.announcements
language plpgsql volatile set search_path = '' as $$
declare
  v_announcement public.announcements;
begin
  select * into v_announcement from public.announcements a where a.id = p_id for update;
  if v_announcement.id is null then
    raise exception 'there is no such announcement' using errcode = 'GL404', hint = 'gatelink announce list';
  elsif p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  elsif v_announcement.version <> p_expected_version then
    raise exception 'the announcement is at version %, not %', v_announcement.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  elsif v_announcement.state <> all (p_states) then
    raise exception 'the announcement is %', case v_announcement.state when 'sending' then 'being sent' when 'draft' then 'a draft' else v_announcement.state end
      using errcode = 'GL409', hint = 'A draft is started or deleted, what is being sent is stopped, what is stopped goes on.';
  end if;
  return v_announcement;
end $$;
comment on function private.announcement_at(uuid, bigint, text[]) is
  'Locks an announcement that is at this version and in one of these states; GL404 or GL409 when it is not.';

-- For people ---------------------------------------------------------------------------------------

create function private.create_announcement(p_announcement jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_template jsonb := nullif(p_announcement -> 'template', 'null');
  v_number text := p_announcement ->> 'number_id';
  v_made public.announcements;
begin
  if not private.object_keys_within(p_announcement, array['name', 'audience', 'text', 'template', 'number_id', 'per_minute'])
    or exists (select from jsonb_each(p_announcement) e where e.key in ('name', 'text', 'number_id') and jsonb_typeof(e.value) not in ('string', 'null'))
    or p_announcement ? 'per_minute' and not private.is_number(p_announcement -> 'per_minute', 6, 6000, 0) then
    raise exception 'this cannot be an announcement' using errcode = 'GL422',
      hint = '{name, audience, text, template, number_id, per_minute (6 to 6000)}; a text, a template or both';
  elsif v_template is not null and not (private.object_keys_within(v_template, array['name', 'language', 'category', 'parameters'])
    and coalesce(v_template ->> 'name', '') ~ '^[a-z0-9_]+$' and char_length(v_template ->> 'name') <= 512 and coalesce(v_template ->> 'language', '') ~ '^[A-Za-z_]{2,15}$'
    and coalesce(v_template ->> 'category', 'marketing') in ('marketing', 'utility')
    and private.is_text_list(coalesce(v_template -> 'parameters', '[]'), 20)) then
    raise exception 'this cannot be a template' using errcode = 'GL422',
      hint = '{name: as WhatsApp knows it, language: such as en or pt_BR, category: marketing or utility, parameters: the texts of its body}';
  elsif v_number is not null and not exists (select from public.senders s where s.channel = 'whatsapp' and s.id = v_number) then
    raise exception 'there is no such sender' using errcode = 'GL404', hint = 'A number of ours (wa_numbers.phone_number_id).';
  end if;
  perform private.refuse_audience(p_announcement -> 'audience');
  insert into public.announcements (name, audience, text, template, number_id, per_minute, created_at)
  values (btrim(coalesce(p_announcement ->> 'name', '')), p_announcement -> 'audience', p_announcement ->> 'text',
    case when v_template is not null then jsonb_build_object('type', 'template', 'template',
      jsonb_build_object('name', v_template -> 'name', 'language', jsonb_build_object('code', v_template -> 'language'))
      || case when coalesce(v_template -> 'parameters', '[]') <> '[]' then jsonb_build_object('components', jsonb_build_array(
        jsonb_build_object('type', 'body', 'parameters', (
          select jsonb_agg(jsonb_build_object('type', 'text', 'text', p.value) order by p.place)
          from jsonb_array_elements(v_template -> 'parameters') with ordinality as p (value, place))))) else '{}' end)
      || case when v_template ->> 'category' is not null then jsonb_build_object('category', v_template -> 'category') else '{}' end end,
    v_number, coalesce((p_announcement ->> 'per_minute')::integer, 300), p_now)
  returning * into v_made;
  with people as materialized (
    select * from private.audience(v_made.audience, p_now)
  ), named as (
    insert into public.announcement_recipients (announcement_id, contact_id)
    select distinct v_made.id, p.contact_id from people p join public.contacts c on c.id = p.contact_id and c.channel = 'whatsapp'
    returning contact_id
  )
  update public.announcements a set unreachable = (
    select count(distinct p.subject_id) from people p where not exists (select from named n where n.contact_id = p.contact_id))
  where a.id = v_made.id returning a.* into v_made;
  return private.announcement_view(v_made, p_now);
end $$;
comment on function private.create_announcement(jsonb, timestamptz) is 'create_announcement with the time given.';

create function public.create_announcement(p_announcement jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return private.create_announcement(p_announcement, clock_timestamp());
end $$;
comment on function public.create_announcement(jsonb) is
  'Makes the draft of an announcement {name, audience, text, template: {name, language, category, parameters}, number_id, per_minute}, with its audience as it is now, and answers it with the counts of who would get what. Nothing is sent. Who wrote within 24 hours gets the text if there is one, everybody else the template; who has opted out gets nothing. For operators and secret keys. Errors: 42501, GL404 no such flag, segment or sender, GL422 and 23514 what cannot be.';

create function public.start_announcement(p_id uuid, p_expected_version bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('operator');
  v_announcement := private.announcement_at(p_id, p_expected_version, array['draft', 'stopped']);
  if not exists (select from public.announcement_recipients r where r.announcement_id = p_id and r.state = 'pending') then
    raise exception 'there is nobody to send it to' using errcode = 'GL409', hint = 'Make another one: its audience may have people by now.';
  end if;
  update public.announcements a
  set state = 'sending', started_at = coalesce(a.started_at, clock_timestamp()), started_by = private.actor(), version = a.version + 1
  where a.id = p_id returning a.* into v_announcement;
  return private.announcement_view(v_announcement, clock_timestamp());
end $$;
comment on function public.start_announcement(uuid, bigint) is
  'Sends a draft, or goes on with one that was stopped, if it is at the version that was read: the clock queues so many a minute. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, it is under way or done, or nobody is left.';

create function public.stop_announcement(p_id uuid, p_expected_version bigint, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('operator');
  v_announcement := private.announcement_at(p_id, p_expected_version, array['sending']);
  update public.announcements a
  set state = 'stopped', stopped_at = clock_timestamp(), stopped_by = private.actor(), stopped_because = private.given_reason(p_reason),
    version = a.version + 1
  where a.id = p_id returning a.* into v_announcement;
  return private.announcement_view(v_announcement, clock_timestamp());
end $$;
comment on function public.stop_announcement(uuid, bigint, text) is
  'Stops an announcement: what is queued already, ten seconds'' worth at most, still goes. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, or it is not under way.';

create function public.delete_announcement(p_id uuid, p_expected_version bigint) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  perform private.announcement_at(p_id, p_expected_version, array['draft']);
  delete from public.announcements a where a.id = p_id;
  return found;
end $$;
comment on function public.delete_announcement(uuid, bigint) is
  'Deletes a draft, with its list of people. What was sent stays on record. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, or it is no draft.';

create function public.list_announcements(p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.announcement_view(a, clock_timestamp()) order by a.id desc), '[]')
    from (
      select * from public.announcements x
      where (p_filter ->> 'before' is null or x.id < (p_filter ->> 'before')::uuid)
        and (p_filter ->> 'search' is null or strpos(lower(concat_ws(' ', x.name, x.audience ->> 'flag_key')), lower(p_filter ->> 'search')) > 0)
      order by x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) a);
end $$;
comment on function public.list_announcements(integer, jsonb) is 'Announcements with their figures, latest first. Filter: any of search (part of the name or flag) and before (the id of the last of the page before); at most 500. For viewers and secret keys.';

create function public.read_announcement(p_id uuid, p_after uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('viewer');
  select * into v_announcement from public.announcements a where a.id = p_id;
  if v_announcement.id is null then
    raise exception 'there is no such announcement' using errcode = 'GL404', hint = 'gatelink announce list';
  end if;
  return private.announcement_view(v_announcement, clock_timestamp()) || jsonb_build_object('recipients', (
    select coalesce(jsonb_agg(jsonb_build_object('contact_id', r.contact_id, 'last_four', private.contact_last_four(r.contact_id),
      'state', r.state, 'why', r.why, 'message_id', r.message_id, 'at', r.at,
      'status', (select m.status from public.messages m where m.id = r.message_id)) order by r.contact_id), '[]')
    from (
      select * from public.announcement_recipients x
      where x.announcement_id = p_id and (p_after is null or x.contact_id > p_after)
      order by x.contact_id limit least(greatest(coalesce(p_limit, 50), 1), 1000)) r));
end $$;
comment on function public.read_announcement(uuid, uuid, integer) is
  'An announcement with its figures and a page of its people after a contact''s id: {…, recipients: [{contact_id, last_four, state, why, message_id, at, status}]}. For viewers and secret keys. GL404 where there is none.';

-- Ids of other systems may be addresses or numbers: viewers see the end of those.
create function public.list_affected(
  p_flag_key text, p_since timestamptz default null, p_offset integer default 0, p_limit integer default 100
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_since timestamptz := coalesce(p_since, '-infinity');
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.may('operator');
  if not exists (select from public.settings s where s.key = p_flag_key)
    and not exists (select from private.affected_people a where a.flag_key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404', hint = 'gatelink flags list';
  end if;
  return jsonb_build_object('flag_key', p_flag_key, 'since', p_since,
    'people', (select count(*) from private.affected_people a where a.flag_key = p_flag_key and a.last_at >= v_since),
    'contacts', (
      select count(distinct private.contact_of_subject(a.subject_id)) from private.affected_people a where a.flag_key = p_flag_key and a.last_at >= v_since),
    'failures', (
      select coalesce(sum(m.failed), 0) from public.flag_metrics m
      where m.flag_key = p_flag_key and m.arm = 'on' and m.minute >= v_since and m.failed > 0),
    'rows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'subject_id', case when v_whole or k.id is not null then a.subject_id else '…' || right(a.subject_id, least(4, length(a.subject_id) / 2)) end,
        'contact_id', k.id, 'last_four', private.contact_last_four(k.id), 'failures', a.failures, 'first_at', a.first_at, 'last_at', a.last_at)
        order by a.last_at desc, a.subject_id), '[]')
      from (
        select * from private.affected_people x
        where x.flag_key = p_flag_key and x.last_at >= v_since
        order by x.last_at desc, x.subject_id
        offset greatest(coalesce(p_offset, 0), 0)
        limit least(greatest(coalesce(p_limit, 100), 1), 1000)) a
      cross join lateral (select private.contact_of_subject(a.subject_id) as id) k));
end $$;
comment on function public.list_affected(text, timestamptz, integer, integer) is
  'For whom a feature failed that they had, latest first, and since when: {flag_key, since, people, contacts: how many of them can be written to, failures: how many were counted, more than the list has where it is full, rows: [{subject_id, contact_id, last_four, failures: in how many minutes, first_at, last_at}]}. Numbers are shown by reveal_contact alone. For viewers and secret keys. GL404 where there is no such flag.';

-- Sending ------------------------------------------------------------------------------------------

-- The key of the queue is the person's, so that whoever was sent to before a merge, or before this transaction was lost,
-- is not sent to again.
create function private.send_announcement_to(p_announcement public.announcements, p_contact_id uuid, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_contact uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_way record;
  v_sender public.senders;
  v_answer jsonb;
  v_why text;
  v_waits boolean := false;
begin
  if v_contact <> p_contact_id and exists (
    select from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.contact_id = v_contact) then
    v_why := 'merged';
  else
    select * into v_way from private.announcement_way(v_contact, p_announcement.number_id, p_announcement.text is not null,
      p_announcement.template is not null, p_now);
    if v_way.way in ('opted_out', 'group', 'window_closed') then
      v_why := v_way.way;
    else
      select * into v_sender from public.senders s where s.channel = 'whatsapp' and s.id = v_way.number_id;
      if v_sender.held_since is not null or v_sender.state <> 'active' then
        v_why := 'sender_held';
        v_waits := true;
      else
        v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
          'channel', 'whatsapp', 'identities', jsonb_build_array(jsonb_build_object('kind', 'contact', 'value', v_contact)),
          'number_id', v_way.number_id, 'idempotency_key', format('announcement:%s:%s', p_announcement.id, v_contact),
          'text', case when v_way.way = 'text' then p_announcement.text end,
          'message', case when v_way.way = 'text'
            then jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', p_announcement.text)) else p_announcement.template end,
          'fallback', case when v_way.way = 'text' then p_announcement.template end))), p_now) -> 0;
        v_why := v_answer ->> 'error';
        v_waits := v_why = 'feature_off';
      end if;
    end if;
  end if;
  update public.announcement_recipients r
  set state = case when v_waits then 'pending' when v_why is null then 'queued' else 'left_out' end, why = v_why,
    message_id = (v_answer ->> 'id')::uuid, next_at = case when v_waits then p_now + interval '1 minute' else r.next_at end,
    at = case when not coalesce(v_waits, false) then p_now end
  where r.announcement_id = p_announcement.id and r.contact_id = p_contact_id;
  return case when v_waits then 'waits' when v_why is null then 'queued' else 'left_out' end;
end $$;
comment on function private.send_announcement_to(public.announcements, uuid, timestamptz) is
  'Queues an announcement for a person, or writes down why not: queued, left_out or waits (sending is off for the person, or the sender is held).';

-- Failure policy: what goes wrong with one person is written down and leaves the others alone. Replies of services wait
-- behind no more than what is queued here at once.
create function private.send_announcements(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' set lock_timeout = '1s' as $$
declare
  v_announcement public.announcements;
  v_contact uuid;
  v_batch integer;
  v_open integer;
  v_became text;
  v_count integer := 0;
begin
  for v_announcement in
    select * from public.announcements a where a.state = 'sending' order by a.started_at for update skip locked
  loop
    v_batch := greatest(1, v_announcement.per_minute / 6);
    select count(*) into v_open from (
      select r.message_id from public.announcement_recipients r
      where r.announcement_id = v_announcement.id and r.state = 'queued' order by r.at desc limit v_batch) l
    -- By key: joined, the index of all open messages may be read for each.
    where (select o.state from public.outbound_messages o where o.id = l.message_id) in ('queued', 'leased');
    for v_contact in
      select r.contact_id from public.announcement_recipients r
      where r.announcement_id = v_announcement.id and r.state = 'pending' and r.next_at <= p_now
      order by r.next_at, r.contact_id limit v_batch - v_open
    loop
      begin
        v_became := private.send_announcement_to(v_announcement, v_contact, p_now);
      exception when others then
        v_became := 'left_out';
        update public.announcement_recipients r
        set next_at = p_now + interval '10 minutes', why = 'failed ' || sqlstate
        where r.announcement_id = v_announcement.id and r.contact_id = v_contact;
        raise warning 'announcement % could not be queued for a person: %', v_announcement.id, sqlerrm;
      end;
      v_count := v_count + (v_became = 'queued')::integer;
    end loop;
    update public.announcements a set state = 'done', finished_at = p_now
    where a.id = v_announcement.id
      and not exists (select from public.announcement_recipients r where r.announcement_id = a.id and r.state = 'pending');
  end loop;
  return v_count;
end $$;
comment on function private.send_announcements(timestamptz) is
  'Queues the next people of each announcement that is being sent: a sixth of what may go in a minute, less what the queue still holds of it. Says how many. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.create_announcement(jsonb),
  public.start_announcement(uuid, bigint),
  public.stop_announcement(uuid, bigint, text),
  public.delete_announcement(uuid, bigint),
  public.list_announcements(integer, jsonb),
  public.read_announcement(uuid, uuid, integer),
  public.list_affected(text, timestamptz, integer, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002170');
