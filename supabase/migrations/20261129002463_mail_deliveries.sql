-- E-mail that goes on: forwards to inboxes, what providers tell of mails that we sent, and what nobody knows whether it went.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Forwards ----------------------------------------------------------------------------------------

create function private.inbox_config(p_destination_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('identity', i.identity, 'from_email', i.from_email, 'display_name', i.display_name, 'user_id', i.user_id,
      'forward_to', i.forward_to, 'is_default', i.is_default, 'verified', i.verified_at is not null, 'provider', i.provider)
    from private.inboxes i where i.destination_id = p_destination_id);
end $$;
comment on function private.inbox_config(uuid) is 'What the adapter of kind inbox needs of a destination: {identity, from_email, display_name, user_id, forward_to, is_default, verified, provider}; null for another kind.';

create function private.mail_to_forward(p_message_id uuid, p_native jsonb, p_number_id text, p_contact_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_token text := private.reply_token_of(p_message_id);
  v_answered uuid := private.uuid_in(p_native ->> 'answers');
begin
  return jsonb_build_object(
    'token', v_token, 'reply_to', case when private.forward_reply_to() = 'sender' then 'sender' when v_token is not null then 'token' else 'legacy' end,
    'message_id_header', format('<%s@%s>', p_message_id, private.mail_domain(p_native, p_number_id)),
    'answered', (
      select jsonb_build_object('message_id_header', format('<%s@%s>', m.id, private.mail_domain(m.native, p_number_id)),
        'subject', m.native ->> 'subject')
      from public.messages m where m.id = v_answered),
    'contact', jsonb_build_object('address', coalesce(private.address_of(p_contact_id, 'email', p_number_id), ''),
      'name', coalesce((select c.name from public.contacts c where c.id = p_contact_id), '')),
    'from', jsonb_build_object('address', coalesce(p_native #>> '{from,address}', ''), 'name', coalesce(p_native #>> '{from,name}', '')), 'other_sender', not exists (
      select from public.contact_identities i
      where i.contact_id = p_contact_id and i.kind = 'email' and i.valid_to is null and i.value = lower(p_native #>> '{from,address}')),
    'kind', coalesce(p_native ->> 'kind', 'reply'), 'objects', (
      select coalesce(jsonb_agg(jsonb_build_object('bucket', o.bucket, 'path', o.path, 'kind', o.kind, 'index', o.place) order by o.place nulls first), '[]')
      from public.storage_objects o where o.message_id = p_message_id));
end $$;
comment on function private.mail_to_forward(uuid, jsonb, text, uuid) is 'What the adapter of kind inbox needs to forward a mail beside the message: {token, reply_to (token, legacy, sender), message_id_header, answered, contact, from, other_sender, kind, objects}.';

-- A provider that must not be asked twice: what became of a call that nobody came back from, nobody knows.
create function private.sends_once(p_provider text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_provider in ('sendgrid', 'google', 'microsoft', 'twilio', 'telnyx');
end $$;
comment on function private.sends_once(text) is 'Whether a message must not be handed to this provider again while it is not known what became of the first time: it has no idempotency keys.';

create function private.forward_was_reported(p_message_id uuid, p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.email_events e
    where e.mail_id = p_message_id and e.metadata ->> 'forward' = 'true' and e.created_at > p_now - interval '10 minutes'
      and e.event_type in ('processed', 'sent', 'deferred', 'delivered'));
end $$;
comment on function private.forward_was_reported(uuid, timestamptz) is 'Whether the provider reported the forward of a mail of late: its report may come before the answer that was lost, while the forward still counts as under way.';

create function private.give_up_forwards(p_destination_id uuid, p_conversation_id uuid, p_now timestamptz) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[];
  v_reported uuid[];
begin
  if not exists (select from private.inboxes i where i.destination_id = p_destination_id and private.sends_once(i.provider)) then
    return;
  end if;
  v_lanes := array(
    select l.conversation_id from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = 'email' and l.lease is not null and l.due_at <= p_now
      and (p_conversation_id is null or l.conversation_id = p_conversation_id)
    order by l.due_at limit 1000 for update skip locked);
  if v_lanes = '{}' then
    return;
  end if;
  update public.deliveries d
  set state = 'dead', wakes = false, last_error = 'unknown_outcome: whoever sent it did not come back', updated_at = p_now
  where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.state = 'leased'
    and not private.forward_was_reported(d.message_id, p_now);
  with reported as (
    update public.deliveries d
    set state = 'delivered', delivered_at = p_now, last_error = null, updated_at = p_now
    where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.state = 'leased'
    returning d.id
  )
  select array_agg(r.id) into v_reported from reported r;
  perform private.note_forwards(array(
    select jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', r.id, 'destination_id', p_destination_id, 'outcome', 'delivered'))
    from unnest(v_reported) as r (id)), p_now);
  perform private.release_lane(p_destination_id, conversation_id) from unnest(v_lanes) as conversation_id;
end $$;
comment on function private.give_up_forwards(uuid, uuid, timestamptz) is 'Forwards whose lease is over, at a provider that must not be asked twice, become dead letters with unknown_outcome, unless the provider reported them, and what comes after them goes on.';

create function private.note_forwards(p_settled private.settlement[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_forward record;
  v_reply record;
  v_counts jsonb := '[]';
  v_outcomes jsonb := '[]';
begin
  for v_forward in
    select s.delivery_id, d.message_id, d.attempt > 1 as tried, s.outcome, s.error, i.identity, m.native, m.created_at, to_jsonb(i) as inbox,
      (select c.contact_id::text from public.conversations c where c.id = m.conversation_id) as contact_id, coalesce(s.error like 'unknown_outcome%', false) as unknown
    from unnest(p_settled) s
    cross join lateral (select i.* from private.inboxes i where i.destination_id = s.destination_id limit 1) i
    cross join lateral (select x.message_id, x.attempt from public.deliveries x where x.id = s.delivery_id limit 1) d
    cross join lateral (select x.native, x.created_at, x.conversation_id from public.messages x where x.id = d.message_id limit 1) m
    where s.outcome in ('delivered', 'dead') or s.outcome = 'retry' and d.attempt = 1
  loop
    -- A reply counts once: by its first attempt, as what is given up after a day would come too late for the guard.
    if v_forward.outcome = 'retry' then
      v_outcomes := v_outcomes || coalesce((
        select private.reply_outcome(r.arm, v_forward.contact_id, true, null, p_now)
        from public.email_replies r where r.message_id = v_forward.message_id and r.forwarded_at is null and r.failed_at is null), '[]');
      continue;
    end if;
    -- The provider's report was faster than its answer.
    if v_forward.unknown and private.forward_was_reported(v_forward.message_id, p_now) then
      update public.deliveries d set state = 'delivered', delivered_at = p_now, last_error = null
      where d.id = v_forward.delivery_id and d.state = 'dead';
      v_forward.outcome := 'delivered';
      v_forward.error := null;
      v_forward.unknown := false;
    end if;
    insert into public.email_events (event_type, message_id, mail_id, identity, metadata, created_at)
    values (case when v_forward.outcome = 'delivered' then 'forward' when v_forward.unknown then 'forward_unknown' else 'forward_failed' end,
      private.uuid_in(v_forward.native ->> 'answers'), v_forward.message_id, v_forward.identity,
      jsonb_strip_nulls(jsonb_build_object('code', split_part(v_forward.error, ':', 1))), p_now);
    continue when v_forward.unknown;
    update public.email_replies r
    set forwarded_at = case when v_forward.outcome = 'delivered' then p_now end,
      failed_at = case when v_forward.outcome = 'dead' then p_now end
    where r.message_id = v_forward.message_id and r.forwarded_at is null and (r.failed_at is null or v_forward.outcome = 'delivered')
    returning r.arm, r.reply_to into v_reply;
    if not found then
      continue;
    end if;
    if not v_forward.tried then
      -- Under the person whose reply it is: of one identity's replies, each that fails is another person's.
      v_outcomes := v_outcomes || private.reply_outcome(v_reply.arm, v_forward.contact_id, v_forward.outcome = 'dead', case when v_forward.outcome = 'delivered'
          then round(extract(epoch from p_now - v_forward.created_at) * 1000)::bigint end, p_now);
    end if;
    if v_forward.outcome = 'delivered' then
      v_counts := v_counts || jsonb_build_object('name', 'reply.forwarded', 'subject', coalesce(
        (select a.native ->> 'user_id' from public.messages a where a.id = v_reply.reply_to), v_forward.inbox ->> 'user_id', v_forward.inbox ->> 'identity'));
    end if;
  end loop;
  perform private.count_mails(v_counts, v_outcomes, p_now);
end $$;
comment on function private.note_forwards(private.settlement[], timestamptz) is 'Writes down which forwards went and which were given up: the reply, the events, and the outcome for the guard.';

-- What providers tell of mails that we sent -------------------------------------------------------

-- The team reads events: no address of a person stands there, whatever a provider or a reason says.
create function private.without_addresses(p_list jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(regexp_replace(e.item, '[^[:space:]@<>"(),;:]+@[^[:space:]@<>"(),;:]+', '…', 'g') order by e.place), '[]')
    from jsonb_array_elements_text(case jsonb_typeof(p_list) when 'array' then p_list else '[]' end) with ordinality as e (item, place));
end $$;
comment on function private.without_addresses(jsonb) is 'A list of sentences with … in place of each mail address.';

create function private.event_words(p_metadata jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(e.key, e.value), '{}')
    from jsonb_each(case jsonb_typeof(p_metadata) when 'object' then p_metadata else '{}' end) e
    where e.key in ('attempt', 'bounce', 'class', 'classification', 'code', 'machine', 'reasons', 'status', 'url_offset', 'verdict')
      and jsonb_typeof(e.value) in ('string', 'number', 'boolean') and e.value::text !~ '@' and length(e.value::text) <= 100);
end $$;
comment on function private.event_words(jsonb) is 'What of an event''s metadata is kept where the team reads it: short words of the system.';

create function private.mail_status(p_event text, out status text, out rank smallint)
language sql immutable set search_path = '' as $$
  select case when p_event in ('processed', 'sent') then 'sent' when p_event in ('bounce', 'blocked', 'dropped') then 'failed'
      when p_event = 'delivered' then 'delivered' end,
    case when p_event in ('processed', 'sent') then 1 when p_event in ('bounce', 'blocked', 'dropped') then 2
      when p_event = 'delivered' then 3 end::smallint
$$;
comment on function private.mail_status(text) is 'Which status of a message an event tells, and its rank; null for an event that tells none.';

create function private.was_blocked(p_contact_id uuid, p_now timestamptz) returns bigint
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return (
    select count(distinct m.id)
    from public.conversations c
    cross join lateral (
      select x.id from public.messages x where x.conversation_id = c.id order by x.seq desc limit 100) m
    join public.email_events e on e.message_id = m.id and e.event_type = 'blocked' and e.created_at > p_now - interval '7 days'
    where c.contact_id = p_contact_id and c.channel = 'email');
end $$;
comment on function private.was_blocked(uuid, timestamptz) is 'How many of the latest mails to a person were refused for now, or for a reason that is not the address, within 7 days.';

create function private.ingest_mail_events(p_events jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_answer jsonb;
  v_event record;
  v_about record;
  v_found record;
  v_delivery uuid;
  v_address text;
begin
  -- Once each, and moving messages forward by rank, is what every channel's statuses get.
  v_answer := private.ingest_updates((
    select coalesce(jsonb_agg(jsonb_build_object(
      'key', e.item ->> 'key', 'channel', 'email', 'provider', e.item ->> 'provider', 'field', 'event', 'kind',
        case when s.status is null or private.uuid_in(e.item ->> 'delivery') is not null then 'other' else 'status' end,
      'at', e.item -> 'at', 'provider_id', e.item -> 'provider_id', 'callback', e.item -> 'message', 'status', s.status, 'rank', s.rank,
      'error', case when s.status = 'failed' then coalesce(nullif(e.item -> 'error', 'null'), jsonb_build_object('code', e.item ->> 'event')) end,
      'raw', coalesce(e.item -> 'raw', 'null')) order by e.place), '[]')
    from jsonb_array_elements(p_events) with ordinality as e (item, place)
    cross join lateral private.mail_status(e.item ->> 'event') s));
  for v_event in
    select e.item, e.place from jsonb_array_elements(p_events) with ordinality as e (item, place)
    where substr(v_answer ->> 'outcomes', e.place::integer, 1) = 's' order by e.item ->> 'address', e.place
  loop
    v_delivery := private.uuid_in(v_event.item ->> 'delivery');
    select m.id, c.contact_id, c.number_id, o.recipient into v_about
    from (
      (select x.id, x.conversation_id from public.messages x
      where x.id = private.uuid_in(v_event.item ->> 'message') and x.channel = 'email' limit 1)
      union all
      (select x.id, x.conversation_id from public.messages x
      where x.provider_id = v_event.item ->> 'provider_id' and x.channel = 'email' and x.direction = 'out' limit 1)
      limit 1) m
    join public.conversations c on c.id = m.conversation_id
    left join public.outbound_messages o on o.id = m.id;
    if v_delivery is not null then
      -- Who settles it meanwhile sees this report, or this sees what was settled.
      perform private.lock_lanes(array[v_delivery]);
    end if;
    select i.identity, i.destination_id, d.message_id, d.state, d.last_error into v_found
    from public.deliveries d left join private.inboxes i on i.destination_id = d.destination_id where d.id = v_delivery;
    insert into public.email_events (event_type, message_id, mail_id, identity, metadata, created_at)
    values (case when v_event.item ->> 'event' ~ '^[a-z][a-z_]{0,31}$' then v_event.item ->> 'event' else 'other' end,
      v_about.id, v_found.message_id, coalesce(v_found.identity, (select i.identity from private.inboxes i where i.from_email = v_about.number_id)),
      private.event_words(v_event.item -> 'metadata') || case when v_delivery is not null then '{"forward": true}' else '{}' end::jsonb, p_now);
    if jsonb_typeof(v_event.item -> 'suppress') = 'object' and v_delivery is null then
      perform private.suppress(coalesce(nullif(v_event.item ->> 'address', ''), v_about.recipient,
          private.address_of(v_about.contact_id, 'email', v_about.number_id)),
        v_event.item #>> '{suppress,scope}', v_event.item #>> '{suppress,reason}', v_event.item ->> 'provider', p_now);
    end if;
    v_address := lower(coalesce(nullif(v_event.item ->> 'address', ''), v_about.recipient, private.address_of(v_about.contact_id, 'email', v_about.number_id)));
    -- One refusal says something of a server or of us; three in a week, of the address.
    if v_event.item ->> 'event' = 'blocked' and v_delivery is null and private.was_blocked(v_about.contact_id, p_now) >= 3 then
      perform private.suppress(v_address, 'all', 'bounce', v_event.item ->> 'provider', p_now);
    end if;
    if v_event.item ->> 'event' = 'resubscribe' then
      delete from public.suppressions s where s.address = v_address and s.scope = 'bulk' and s.reason = 'unsubscribe';
    end if;
    -- A forward of which nobody knew: the provider has it.
    if v_found.state = 'dead' and v_found.last_error like 'unknown_outcome%' and v_event.item ->> 'event' in ('processed', 'sent', 'deferred', 'delivered') then
      update public.deliveries d set state = 'delivered', delivered_at = p_now, last_error = null, updated_at = p_now
      where d.id = v_delivery and d.state = 'dead';
      if found then
        perform private.note_forwards(array[
          jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', v_delivery, 'destination_id', v_found.destination_id, 'outcome', 'delivered'))], p_now);
      end if;
    end if;
  end loop;
  return v_answer;
end $$;
comment on function private.ingest_mail_events(jsonb, timestamptz) is 'ingest_mail_events with the time given.';

create function public.ingest_mail_events(p_events jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.ingest_mail_events(p_events, clock_timestamp());
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.ingest_mail_events(jsonb) is 'Stores what a provider tells of mails that we sent, each once: [{provider, key, event, at, message (our id of it), delivery (of a forward), provider_id, address, error, suppress: {reason, scope}, metadata, raw}]. Moves statuses forward by rank, suppresses addresses (also what was blocked three times in 7 days), lifts what was unsubscribed in bulk and is subscribed again, and settles messages and forwards of which it was not known whether they went. Answers {outcomes: "sd…", freed}. For secret keys.';

-- What nobody knows whether it went ---------------------------------------------------------------

-- Waits for nobody, as claim_outbound: where a status of the message is being recorded, the lane keeps its lease.
create function private.give_up_leases(p_channel text, p_number_id text, p_now timestamptz) returns void
language plpgsql set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_lanes uuid[] := array(
    select l.conversation_id from private.outbound_lanes l
    where l.channel = p_channel and l.number_id = p_number_id and l.lease is not null and l.due_at <= p_now
    order by l.due_at limit 1000 for update skip locked);
  v_locked uuid[];
begin
  if v_lanes = '{}' then
    return;
  end if;
  v_locked := array(
    select m.id from public.outbound_messages o
    join public.messages m on m.id = o.message_id
    where o.conversation_id = any (v_lanes) and o.state = 'leased'
    order by m.id for update of m skip locked);
  update public.outbound_messages o
  set state = 'unknown', error = '{"code": "lost", "message": "whoever sent it did not come back"}', updated_at = p_now
  where o.conversation_id = any (v_lanes) and o.state = 'leased' and (o.message_id is null or o.message_id = any (v_locked));
  update public.messages m set status = 'unknown' where m.id = any (v_locked) and m.status_rank = 0;
  perform private.release_outbound_lanes(array(
    select lane from unnest(v_lanes) as lane
    where not exists (select from public.outbound_messages o where o.conversation_id = lane and o.state = 'leased')));
end $$;
comment on function private.give_up_leases(text, text, timestamptz) is 'Messages of a sender whose lease is over, at a provider that must not be asked twice, become unknown, and what comes after them goes on.';

create function public.list_unknown(p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', u.id, 'what', u.what, 'channel', u.channel, 'sender', u.sender, 'contact_id', u.contact_id,
      'since', u.since, 'overdue', u.since <= clock_timestamp() - interval '15 minutes') order by u.since, u.id), '[]')
    from (
      (select o.id, 'message' as what, o.channel, o.number_id as sender, c.contact_id, o.updated_at as since
      from public.outbound_messages o join public.conversations c on c.id = o.conversation_id
      where o.state = 'unknown' and (p_filter ->> 'after_id' is null
        or (o.updated_at, o.id) > ((p_filter ->> 'after_at')::timestamptz, (p_filter ->> 'after_id')::uuid))
      order by o.updated_at, o.id limit least(greatest(p_limit, 1), 200))
      union all
      (select d.id, 'forward', 'email', c.number_id, c.contact_id, d.updated_at
      from public.deliveries d join public.conversations c on c.id = d.conversation_id
      where d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null and (p_filter ->> 'after_id' is null
        or (d.updated_at, d.id) > ((p_filter ->> 'after_at')::timestamptz, (p_filter ->> 'after_id')::uuid))
      order by d.updated_at, d.id limit least(greatest(p_limit, 1), 200))
      order by since, id limit least(greatest(p_limit, 1), 200)) u);
end $$;
comment on function public.list_unknown(integer, jsonb) is 'Messages and forwards of which nobody knows whether they went, the oldest first: [{id, what (message, forward), channel, sender, contact_id, since, overdue (15 minutes without a word of the provider: a person decides)}]. Filter: after_at with after_id, which are since and id of the last of the page before; at most 200. For viewers and secret keys.';

create function public.resolve_unknown(p_id uuid, p_how text, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_conversation uuid;
  v_contact uuid;
  v_now timestamptz := clock_timestamp();
  v_destination uuid;
begin
  perform private.require_role('operator');
  if p_how is null or p_how not in ('sent', 'resend', 'drop') then
    raise exception 'an unknown message is sent, resend or drop' using errcode = 'GL422';
  end if;
  if p_how = 'drop' and coalesce(trim(p_reason), '') = '' then
    raise exception 'dropping needs a reason' using errcode = 'GL422';
  end if;
  select o.conversation_id, c.contact_id into v_conversation, v_contact
  from public.outbound_messages o join public.conversations c on c.id = o.conversation_id where o.id = p_id and o.state = 'unknown';
  if found then
    if private.without_ids(p_reason, v_contact) is distinct from p_reason then
      raise exception 'the reason names a contact' using errcode = 'GL422', hint = 'The whole team reads it: leave out the number, the address and the id.';
    end if;
    perform from public.conversations c where c.id = v_conversation for update;
    perform from private.outbound_lanes l where l.conversation_id = v_conversation for update;
    perform from public.messages m where m.id = p_id for update;
    if not exists (select from public.outbound_messages o where o.id = p_id and o.state = 'unknown') then
      raise exception 'it is not unknown any more' using errcode = 'GL409';
    end if;
    if p_how = 'resend' then
      perform private.queue_again(p_id, v_now);
    else
      update public.outbound_messages o
      set state = case p_how when 'sent' then 'sent' else 'failed' end,
        error = case p_how when 'sent' then null else jsonb_build_object('code', 'dropped', 'message', p_reason) end, updated_at = v_now
      where o.id = p_id;
      update public.messages m
      set status = case p_how when 'sent' then 'sent' else 'failed' end, status_rank = case p_how when 'sent' then 1 else 2 end,
        error = case p_how when 'sent' then null else jsonb_build_object('code', 'dropped', 'message', p_reason) end
      where m.id = p_id and m.status_rank = 0;
    end if;
    insert into public.contact_acts (act, contact_id, message_id, reason) values (case p_how when 'resend' then 'resent' else 'resolved' end, v_contact, p_id, p_reason);
    return jsonb_build_object('id', p_id, 'what', 'message', 'status', (select o.state from public.outbound_messages o where o.id = p_id));
  end if;
  select d.destination_id into v_destination from public.deliveries d
  where d.id = p_id and d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null;
  if not found then
    raise exception 'nothing of this id is unknown' using errcode = 'GL404';
  end if;
  if p_how = 'resend' then
    perform public.retry_deliveries(array[p_id]);
  elsif p_how = 'drop' then
    perform public.drop_deliveries(array[p_id], p_reason);
  else
    perform private.lock_lanes(array[p_id]);
    update public.deliveries d set state = 'delivered', delivered_at = v_now, last_error = null, updated_at = v_now where d.id = p_id and d.state = 'dead';
    perform private.note_forwards(array[
      jsonb_populate_record(null::private.settlement, jsonb_build_object('delivery_id', p_id, 'destination_id', v_destination, 'outcome', 'delivered'))], v_now);
  end if;
  return jsonb_build_object('id', p_id, 'what', 'forward', 'status', (select d.state from public.deliveries d where d.id = p_id));
end $$;
comment on function public.resolve_unknown(uuid, text, text) is 'A person decides about a message or forward of which nobody knows whether it went: it was sent, it is sent again (resend), or it is dropped, with a reason. Answers {id, what, status}. For operators and secret keys. Errors: 42501 not allowed, GL404 nothing of this id is unknown, GL409 the provider told meanwhile, GL422 no such way, no reason, or one that names the contact.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.forward_was_reported(uuid, timestamptz),
  private.inbox_config(uuid),
  private.mail_to_forward(uuid, jsonb, text, uuid),
  private.sends_once(text),
  private.give_up_forwards(uuid, uuid, timestamptz),
  private.note_forwards(private.settlement[], timestamptz),
  private.without_addresses(jsonb),
  private.event_words(jsonb),
  private.mail_status(text),
  private.was_blocked(uuid, timestamptz),
  private.ingest_mail_events(jsonb, timestamptz),
  public.ingest_mail_events(jsonb),
  private.give_up_leases(text, text, timestamptz)
  to service_role;
grant execute on function
  public.list_unknown(integer, jsonb),
  public.resolve_unknown(uuid, text, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002463');
