-- Texts (SMS and MMS): our numbers, and the comparison with the provider's list. Twilio repeats a webhook once, within
-- 15 seconds; whatever is lost then is found in its list, or never.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Numbers -----------------------------------------------------------------------------------------

-- Twilio, "Understanding Twilio rate limits and message queues": 1 segment a second for US and Canadian long codes that
-- are not registered, 3 for toll-free numbers, 100 for short codes, 10 for long codes elsewhere.
create function private.text_pace(p_number text) returns integer
language sql immutable set search_path = '' as $$
  select case
    when p_number ~ '^[0-9]{3,8}$' then 100
    when p_number ~ '^18(00|33|44|55|66|77|88)[0-9]{7}$' then 3
    when p_number ~ '^1[0-9]{10}$' then 1
    when p_number ~ '^[1-9][0-9]{8,14}$' then 10
    else 1 end
$$;
comment on function private.text_pace(text) is 'Segments per second that a number may send by default, by its kind: US and Canadian long code, toll-free, short code, other.';

create function private.tidy_text_number() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  if new.max_per_second = (private.channel_policy('sms')).max_per_second then
    new.max_per_second := private.text_pace(new.id);
  end if;
  new.address := coalesce(new.address, new.id);
  return new;
end $$;
comment on function private.tidy_text_number() is 'Trigger, before insert of senders of channel sms: the pace of the number''s kind, unless another is given.';
create trigger tidy_text_number before insert on public.senders
  for each row when (new.channel = 'sms') execute function private.tidy_text_number();
comment on trigger tidy_text_number on public.senders is 'A number that first appears in a webhook gets the pace of its kind.';

create function private.text_number_json(p_sender public.senders) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('number', p_sender.id, 'provider', p_sender.provider, 'account', p_sender.account, 'class', p_sender.class, 'state', p_sender.state,
    'max_per_second', p_sender.max_per_second, 'held_since', p_sender.held_since, 'held_code', p_sender.held_code,
    'waiting', (
      select count(*) from private.outbound_lanes l
      where l.channel = 'sms' and l.number_id = p_sender.id and l.due_at is not null),
    'created_at', p_sender.created_at);
end $$;
comment on function private.text_number_json(public.senders) is 'A number as people see it.';

create function public.list_text_numbers() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.text_number_json(s) order by s.id), '[]') from public.senders s where s.channel = 'sms');
end $$;
comment on function public.list_text_numbers() is 'Our numbers for texts: [{number, provider, account (of the provider; null: the main one), class, state, max_per_second (segments), held_since, held_code, waiting (conversations with something to send), created_at}]. For viewers and secret keys.';

create function public.set_text_number(p_number text, p_changes jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_number text := regexp_replace(p_number, '[^0-9]', '', 'g');
  v_sender public.senders;
begin
  perform private.require_role('operator');
  if p_number !~ '^\+?[0-9][0-9 ().-]{2,30}$' or v_number !~ '^[0-9]{3,15}$' then
    raise exception 'a number has 3 to 15 digits, with its country code' using errcode = 'GL422', hint = 'For example +12025550100.';
  end if;
  if coalesce(p_changes ->> 'provider', 'twilio') not in ('twilio', 'telnyx') then
    raise exception 'the provider is twilio or telnyx' using errcode = 'GL422', hint = 'Without one, twilio.';
  end if;
  if p_changes ->> 'account' !~ '^[A-Za-z0-9-]{1,64}$' then
    raise exception 'an account is named by its id at the provider' using errcode = 'GL422', hint = 'At Twilio AC and 32 hexadecimal digits.';
  end if;
  insert into public.senders as s (channel, id, provider, account, class, state, max_per_second, pair_seconds)
  select 'sms', v_number, coalesce(p_changes ->> 'provider', 'twilio'), p_changes ->> 'account', p_changes ->> 'class', coalesce(p_changes ->> 'state', 'active'),
    coalesce((p_changes ->> 'max_per_second')::integer, p.max_per_second), p.pair_seconds
  from private.channel_policy('sms') p
  on conflict (channel, id) do update
    set provider = coalesce(p_changes ->> 'provider', s.provider),
      account = case when p_changes ? 'account' then p_changes ->> 'account' else s.account end,
      class = case when p_changes ? 'class' then p_changes ->> 'class' else s.class end,
      state = coalesce(p_changes ->> 'state', s.state),
      max_per_second = coalesce((p_changes ->> 'max_per_second')::integer, s.max_per_second)
  returning * into v_sender;
  return private.text_number_json(v_sender);
end $$;
comment on function public.set_text_number(text, jsonb) is 'Adds a number for texts, or changes one: {provider (twilio, telnyx), account (of the provider; null: the main one), class, state (active, paused), max_per_second (segments)}; absent members stay as they are, or get their defaults. Answers the number as list_text_numbers does. For operators and secret keys. Errors: 42501 not allowed, GL422 no number, provider or account, 23514 invalid value.';

-- Failure policy: closed. Who may sign for one account cannot bring texts for the numbers of another.
create function public.text_account(p_number text, p_account text default null) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_account text;
begin
  perform private.refuse_older_code();
  insert into public.senders (channel, id, provider, account, max_per_second, pair_seconds)
  select 'sms', p_number, 'twilio', p_account, p.max_per_second, p.pair_seconds from private.channel_policy('sms') p
  where not exists (select from public.senders s where s.channel = 'sms' and s.id = p_number)
  on conflict (channel, id) do nothing;
  select s.account into v_account from public.senders s where s.channel = 'sms' and s.id = p_number;
  return v_account;
end $$;
comment on function public.text_account(text, text) is 'The provider''s account that has a number (digits), null for the main one. A number that first appears gets p_account. For secret keys.';

create function public.number_of_text(p_message uuid default null, p_provider_id text default null) returns text
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return coalesce(
    (select o.number_id from public.outbound_messages o where o.id = p_message and o.channel = 'sms'),
    (select c.number_id from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.provider_id = p_provider_id and m.channel = 'sms' and m.direction = 'out' limit 1));
end $$;
comment on function public.number_of_text(uuid, text) is 'Our number (digits) that a text of ours goes from, by our id, else by the provider''s; null if there is no such text. For secret keys.';

create function public.remove_text_number(p_number text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_number text := regexp_replace(p_number, '[^0-9]', '', 'g');
begin
  perform private.require_role('admin');
  if exists (select from private.outbound_lanes l where l.channel = 'sms' and l.number_id = v_number and l.due_at is not null) then
    raise exception 'texts wait to be sent from this number' using errcode = 'GL409', hint = 'Let them go, or pause the number.';
  end if;
  delete from public.senders s where s.channel = 'sms' and s.id = v_number;
  if not found then
    raise exception 'there is no such number' using errcode = 'GL404', hint = 'list_text_numbers lists those that there are.';
  end if;
end $$;
comment on function public.remove_text_number(text) is 'Removes a number for texts: nothing more is sent from it. Its conversations stay; a webhook for it adds it again. For admins and secret keys. Errors: 42501 not allowed, GL404 no such number, GL409 texts wait to be sent from it.';

-- The comparison ----------------------------------------------------------------------------------

create table private.text_checks (
  provider text not null check (provider in ('twilio', 'telnyx')),
  last_text_at timestamptz,
  checked_until timestamptz,
  next_at timestamptz not null default now(),
  next_deep_at timestamptz not null default now(),
  lease_until timestamptz,
  failures integer not null default 0,
  last_error text,
  recovered bigint not null default 0,
  constraint text_checks_pkey primary key (provider)
);
comment on table private.text_checks is 'How far what a provider has was compared with what we have. One row for each provider with a list.';
comment on constraint text_checks_pkey on private.text_checks is 'One row per provider.';
comment on column private.text_checks.provider is 'The provider.';
comment on column private.text_checks.last_text_at is 'When a text last came or was queued, to the minute. While texts are expected, the list is read each minute.';
comment on column private.text_checks.checked_until is 'Up to when the list was read; null before the first time.';
comment on column private.text_checks.next_at is 'When it is read next.';
comment on column private.text_checks.next_deep_at is 'When it is next read back for hours, for statuses that come late.';
comment on column private.text_checks.lease_until is 'Until when somebody reads it now.';
comment on column private.text_checks.failures is 'Failures in a row.';
comment on column private.text_checks.last_error is 'Why the last reading failed, in our words.';
comment on column private.text_checks.recovered is 'Updates that came by the list and by no webhook.';
alter table private.text_checks enable row level security;
revoke all on private.text_checks from public, anon, authenticated, service_role;
grant select, insert, update on private.text_checks to service_role;
insert into private.text_checks (provider) values ('twilio'), ('telnyx');

-- Most texts change nothing, and none waits for another one's transaction.
create function private.note_text() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- Whose number it is does not matter: a provider without one of ours is not asked.
  with stale as (
    select c.provider from private.text_checks c
    where c.last_text_at is null or c.last_text_at < new.created_at - interval '1 minute'
    for update skip locked
  )
  update private.text_checks c set last_text_at = new.created_at, next_at = least(c.next_at, new.created_at + interval '1 minute')
  from stale where c.provider = stale.provider;
  return null;
end $$;
comment on function private.note_text() is 'Trigger, after insert of messages of channel sms: texts are expected from now on.';
create trigger note_text after insert on public.messages
  for each row when (new.channel = 'sms') execute function private.note_text();
comment on trigger note_text on public.messages is 'Whoever wrote or was written to may write again, and be lost.';

create function private.text_check_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from private.text_checks c
    where c.next_at <= p_now and coalesce(c.lease_until, '-infinity') <= p_now
      and exists (select from public.senders s where s.channel = 'sms' and s.provider = c.provider and s.state = 'active'));
end $$;
comment on function private.text_check_is_due(timestamptz) is 'Whether a provider''s list is to be read: only where a number of ours is at it. For the clock.';

create function private.claim_text_check(p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_check private.text_checks;
  v_numbers text[];
  v_deep boolean;
  v_unknown timestamptz;
  v_since timestamptz;
begin
  select * into v_check from private.text_checks c
  where c.next_at <= p_now and coalesce(c.lease_until, '-infinity') <= p_now
    and exists (select from public.senders s where s.channel = 'sms' and s.provider = c.provider and s.state = 'active')
  order by c.next_at limit 1 for update skip locked;
  if not found then
    return null;
  end if;
  v_numbers := array(
    select s.id from public.senders s where s.channel = 'sms' and s.provider = v_check.provider and s.state = 'active' order by s.id);
  v_deep := v_check.next_deep_at <= p_now;
  -- What nobody knows whether it went is looked up, too.
  select min(coalesce(o.tried_at, o.created_at)) into v_unknown
  from public.outbound_messages o
  where o.state = 'unknown' and o.channel = 'sms' and o.number_id = any (v_numbers) and o.updated_at > p_now - interval '2 hours' and not coalesce(o.error ? 'listed', false);
  v_since := greatest(p_now - interval '7 days', least(
    coalesce(v_check.checked_until, p_now - interval '1 day') - interval '3 minutes',
    v_unknown - interval '2 minutes',
    case when v_deep then p_now - interval '6 hours' end));
  update private.text_checks c
  set lease_until = p_now + interval '3 minutes', next_deep_at = case when v_deep then p_now + interval '1 hour' else c.next_deep_at end
  where c.provider = v_check.provider;
  return jsonb_build_object('provider', v_check.provider, 'since', v_since, 'numbers', to_jsonb(v_numbers), 'began', p_now);
end $$;
comment on function private.claim_text_check(timestamptz) is 'claim_text_check with a given time.';

create function public.claim_text_check() returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_text_check(clock_timestamp());
end $$;
comment on function public.claim_text_check() is 'Begins a comparison with a provider''s list, if one is due: {provider, since (read back to here), numbers (of ours), began}; null if none is. Back to where the last one ended, with some minutes over; once an hour for six hours, because carriers report late. Whoever does not settle it loses it after three minutes. For secret keys.';

create function private.settle_text_check(p_result jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_failed boolean := p_result ? 'error';
  v_began timestamptz := (p_result ->> 'began')::timestamptz;
begin
  update private.text_checks c
  set lease_until = null,
    checked_until = case when v_failed then c.checked_until
      -- What a list was cut off at is read again for a day. A list that is too long all the time must not be read whole for ever.
      when (p_result ->> 'cut')::boolean and c.checked_until > v_began - interval '1 day' then c.checked_until
      when (p_result ->> 'cut')::boolean and c.checked_until is null then v_began - interval '23 hours'
      else greatest(c.checked_until, v_began) end,
    failures = case when v_failed then c.failures + 1 else 0 end,
    last_error = left(p_result ->> 'error', 500),
    recovered = c.recovered + coalesce((p_result ->> 'recovered')::bigint, 0),
    next_at = p_now + case
      when v_failed then least(interval '15 minutes', interval '30 seconds' * 2 ^ least(c.failures, 6))
      when c.last_text_at > p_now - interval '1 day' then interval '1 minute'
      -- Nobody has written for a day; a stranger may.
      else interval '15 minutes' end
  where c.provider = p_result ->> 'provider';
end $$;
comment on function private.settle_text_check(jsonb, timestamptz) is 'settle_text_check with a given time.';

create function public.settle_text_check(p_result jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.settle_text_check(p_result, clock_timestamp());
end $$;
comment on function public.settle_text_check(jsonb) is 'Ends a comparison: {provider, began, recovered (updates that no webhook had brought), cut (the list did not reach back to since: for a day it is read again from there)}, and error where it, or a part of it, could not be read; after an error it is repeated, later each time. For secret keys.';

-- Failure policy: closed. A text that the provider does not have is not sent again by itself: a person decides.
create function private.find_sent_texts(p_texts jsonb, p_since timestamptz, p_complete boolean, p_provider text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_ids uuid[];
  v_found text[];
  v_absent integer := 0;
begin
  -- A status that carries our id settles it without us: a minute for it to come.
  v_ids := array(
    select o.id from public.outbound_messages o
    where o.state = 'unknown' and o.channel = 'sms' and o.updated_at <= p_now - interval '1 minute'
      and exists (select from public.senders s where s.channel = 'sms' and s.id = o.number_id and s.provider = p_provider)
      and coalesce(o.tried_at, o.created_at) > p_since and not coalesce(o.error ? 'listed', false)
    order by o.updated_at limit 500);
  if v_ids = '{}' then
    return '{"found": [], "absent": 0}';
  end if;
  perform from public.messages m where m.id = any (v_ids) order by m.id for update;
  with ours as (
    select o.id, o.number_id, o.recipient, m.native ->> 'text' as body, coalesce(o.tried_at, o.created_at) as tried_at,
      -- That the first of two tries went says nothing of the second.
      o.first_try ->> 'provider_id' as first_id,
      row_number() over (partition by o.number_id, o.recipient, m.native ->> 'text' order by o.tried_at, o.id) as n
    from public.outbound_messages o join public.messages m on m.id = o.id
    where o.id = any (v_ids) and o.state = 'unknown'
  ), theirs as (
    select t.provider_id, t."from", t."to", t.body, t.at,
      row_number() over (partition by t."from", t."to", t.body order by t.at, t.provider_id) as n
    from jsonb_to_recordset(p_texts) as t (provider_id text, "from" text, "to" text, body text, at timestamptz, ours uuid)
    where t.ours is null and not exists (select from public.messages m where m.provider_id = t.provider_id and m.channel = 'sms')
      -- Its clock and ours may differ.
      and exists (
        select from ours
        where ours.number_id = t."from" and ours.recipient = t."to" and ours.body = t.body
          and t.provider_id is distinct from ours.first_id
          and t.at between ours.tried_at - interval '2 minutes' and ours.tried_at + interval '10 minutes')
  ), pairs as (
    select ours.id, theirs.provider_id from ours join theirs
      on theirs."from" = ours.number_id and theirs."to" = ours.recipient and theirs.body = ours.body and theirs.n = ours.n
    union
    -- One provider gives our id back.
    select ours.id, min(t.provider_id) from ours
    join jsonb_to_recordset(p_texts) as t (provider_id text, ours uuid) on t.ours = ours.id and t.provider_id is distinct from ours.first_id
    group by ours.id
  ), settled as (
    update public.outbound_messages o set state = 'sent', error = null, updated_at = p_now from pairs where o.id = pairs.id
  ), named as (
    update public.messages m
    set provider_id = pairs.provider_id, status = case when m.status_rank = 0 then 'accepted' else m.status end
    from pairs where m.id = pairs.id
  )
  select coalesce(array_agg(pairs.provider_id order by pairs.provider_id), '{}') into v_found from pairs;
  if p_complete then
    update public.outbound_messages o
    set error = o.error || '{"listed": false, "details": "the provider does not have it"}'
    where o.id = any (v_ids) and o.state = 'unknown';
    get diagnostics v_absent = row_count;
  end if;
  return jsonb_build_object('found', to_jsonb(v_found), 'absent', v_absent);
end $$;
comment on function private.find_sent_texts(jsonb, timestamptz, boolean, text, timestamptz) is 'find_sent_texts with a given time.';

create function public.find_sent_texts(p_texts jsonb, p_since timestamptz, p_complete boolean, p_provider text) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.find_sent_texts(p_texts, p_since, p_complete, p_provider, clock_timestamp());
end $$;
comment on function public.find_sent_texts(jsonb, timestamptz, boolean, text) is 'Settles texts of the numbers of p_provider (twilio, telnyx) of which nobody knows whether they went, by its list [{provider_id, from, to, body, at, ours (our id, where it gives it back)}] back to p_since: a text with our id, or of the same number to the same person with the same words, at about that time, is it. Answers {found (their provider ids), absent (how many)}; absent ones, if the list was read whole, stay unknown with error.listed = false. For secret keys.';

create function public.known_texts(p_ids text[]) returns text[]
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return array(
    select distinct m.provider_id from public.messages m
    where m.provider_id = any (p_ids) and m.channel = 'sms' and m.direction = 'in');
end $$;
comment on function public.known_texts(text[]) is 'Which of these ids of a provider are texts that came in and are stored. For secret keys.';

-- Files of texts ----------------------------------------------------------------------------------

create function public.find_text_media(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  -- A later migration keeps files in our storage, and a team may take it back.
  if to_regclass('public.text_files') is null then
    return (
      select jsonb_build_object('provider', m.native -> 'provider', 'media', (
          select jsonb_agg(n.file || '{"stored": null}' order by n.place) from jsonb_array_elements(m.native -> 'media') with ordinality as n (file, place)))
      from public.messages m
      where m.id = p_id and m.channel = 'sms' and m.direction = 'in' and m.type = 'mms' and m.status <> 'deleted'
        and jsonb_typeof(m.native -> 'media') = 'array');
  end if;
  return (
    select jsonb_build_object('provider', coalesce(m.native ->> 'provider', f.provider), 'media', f.media)
    from public.messages m
    cross join lateral (
      select min(coalesce(t.provider, m.native ->> 'provider')) as provider,
        jsonb_agg(jsonb_build_object('url', case when t.at_provider is distinct from 'deleted' then coalesce(n.file ->> 'url', t.url) end,
          'type', case when t.state = 'stored' then t.mime_type else n.file ->> 'type' end, 'size', coalesce(to_jsonb(t.bytes), n.file -> 'size'),
          'stored', (
            select jsonb_build_object('path', o.path, 'bytes', o.bytes) from public.storage_objects o
            where o.bucket = 'sms-media' and o.path = t.path and o.message_id = m.id and o.expires_at > clock_timestamp()))
          order by coalesce(n.place - 1, t.place)) as media
      from jsonb_array_elements(case when jsonb_typeof(m.native -> 'media') = 'array' then m.native -> 'media' else '[]' end)
        with ordinality as n (file, place)
      full join (select * from public.text_files x where x.message_id = m.id) t on t.place = n.place - 1
    ) f
    where m.id = p_id and m.channel = 'sms' and m.direction = 'in' and m.status <> 'deleted' and f.media is not null);
end $$;
comment on function public.find_text_media(uuid) is 'The files of a text that came in: {provider, media: [{url (at the provider; null if it was deleted there), type, size, stored {path, bytes} (in our storage, or null)}]}; null if there is no such text, or nothing is known of its files any more. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.text_pace(text),
  private.tidy_text_number(),
  private.text_number_json(public.senders),
  private.note_text(),
  private.text_check_is_due(timestamptz),
  private.claim_text_check(timestamptz),
  public.claim_text_check(),
  private.settle_text_check(jsonb, timestamptz),
  public.settle_text_check(jsonb),
  private.find_sent_texts(jsonb, timestamptz, boolean, text, timestamptz),
  public.find_sent_texts(jsonb, timestamptz, boolean, text),
  public.known_texts(text[]),
  public.text_account(text, text),
  public.number_of_text(uuid, text),
  public.find_text_media(uuid)
  to service_role;
grant execute on function
  public.list_text_numbers(),
  public.set_text_number(text, jsonb),
  public.remove_text_number(text)
  to authenticated, service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002700');
