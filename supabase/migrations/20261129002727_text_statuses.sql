-- What follows from the failures of texts that carriers report: one second try of what another try may bring to the person,
-- and a hold of numbers that carriers take nothing from.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Twilio, "Error and warning dictionary"; Telnyx, "Messaging error codes". 30003: the handset is off or away; 30008: the
-- carrier does not say why. Telnyx: 40004 rejected for an unknown reason, 40006 the recipient's carrier is away.
create function private.may_arrive_later(p_code text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_code in ('30003', '30008', '40004', '40006'), false)
$$;
comment on function private.may_arrive_later(text) is 'Whether a text that failed with this error may arrive if it is sent once more.';

-- 30032: a toll-free number that is not verified; 30034 and 40010: a US number in no approved 10DLC campaign.
create function private.is_unregistered(p_code text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_code in ('30032', '30034', '40010'), false)
$$;
comment on function private.is_unregistered(text) is 'Whether carriers take no text from the number that got this error, until somebody registers it.';

-- Failure policy: closed. A text that may have grown old, or that the person does not want, is not sent again.
create function private.try_text_again(p_id uuid, p_now timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  -- A phone that was off is on again, and nobody waits for the text yet who has given up.
  v_due timestamptz := p_now + interval '5 minutes';
  v_queued public.outbound_messages;
  v_message public.messages;
begin
  if exists (select from public.settings s where s.key = 'texts.second_try' and s.value = 'false') then
    return false;
  end if;
  select * into v_queued from public.outbound_messages o where o.id = p_id for update;
  select * into v_message from public.messages m where m.id = p_id;
  if v_queued.state <> 'sent' or v_queued.first_try is not null or v_message.status <> 'failed'
    or v_due > v_queued.created_at + (case when v_message.native ->> 'validity_seconds' ~ '^[0-9]{1,6}$'
      then make_interval(secs => (v_message.native ->> 'validity_seconds')::double precision) else interval '1 hour' end)
    -- Who was taken off a thread hears nothing of it any more.
    or v_queued.idempotency_key ~ '^relay:.*:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and not exists (
      select from public.thread_legs l where l.id = right(v_queued.idempotency_key, 36)::uuid and l.ended_at is null)
    or (select private.send_refusal(c, v_message.native, p_now) from public.conversations c where c.id = v_message.conversation_id) is not null then
    return false;
  end if;
  update public.outbound_messages o
  set state = 'queued', attempt = 0, deferred = 0, tried_at = null, error = null, next_attempt_at = v_due, updated_at = p_now,
    -- What is written meanwhile does not wait for it.
    aside = true,
    first_try = jsonb_build_object('provider_id', v_message.provider_id, 'code', v_message.error #>> '{0,code}', 'at', p_now)
  where o.id = p_id;
  update public.messages m
  set provider_id = null, status = 'queued', status_rank = 0, error = null, status_at = m.status_at - 'failed' where m.id = p_id;
  perform private.queue_lanes(array[v_queued.conversation_id], array[v_queued.channel], array[v_queued.number_id], v_due);
  return true;
end $$;
comment on function private.try_text_again(uuid, timestamptz) is 'Queues a text that failed once more, in five minutes: never twice, not if the person has opted out or left the thread, and not if it will be older by then than its validity_seconds, without them an hour. A receipt that it was delivered after all ends that. The setting texts.second_try = false turns it off. The caller holds the locks of lane and message.';

create function private.apply_text_statuses(p_ids uuid[], p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.try_text_again(m.id, p_now)
  from public.messages m
  where m.id = any (p_ids) and m.status = 'failed' and private.may_arrive_later(m.error #>> '{0,code}');
  -- Senders in the order in which settle_outbound takes them.
  perform from public.senders s
  where exists (
    select from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = any (p_ids) and c.channel = s.channel and c.number_id = s.id
      and (m.status = 'failed' and private.is_unregistered(m.error #>> '{0,code}')
        or m.status = 'delivered' and s.channel = 'sms' and private.is_unregistered(s.held_code)))
  order by s.channel, s.id for no key update;
  -- The provider accepts what the carriers then refuse, so each test costs a text.
  update public.senders s
  set held_since = coalesce(s.held_since, p_now), held_code = refused.code,
    held_until = p_now + least(interval '1 hour', interval '5 minutes' * 2 ^ least(s.held_probes, 5))
  from (
    select c.channel, c.number_id, min(m.error #>> '{0,code}') as code
    from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = any (p_ids) and m.status = 'failed' and private.is_unregistered(m.error #>> '{0,code}')
    group by c.channel, c.number_id) refused
  where s.channel = refused.channel and s.id = refused.number_id;
  update public.senders s set held_since = null, held_code = null, held_until = null, held_probes = 0
  where s.channel = 'sms' and private.is_unregistered(s.held_code) and exists (
    select from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = any (p_ids) and m.status = 'delivered' and c.channel = s.channel and c.number_id = s.id);
end $$;
comment on function private.apply_text_statuses(uuid[], timestamptz) is 'What follows from statuses of texts that were just recorded: second tries, and numbers that are held because carriers take nothing from them, until one of their texts is delivered. The caller holds the locks of lanes and messages.';

call private.close_functions();
grant execute on function
  private.may_arrive_later(text),
  private.is_unregistered(text),
  private.try_text_again(uuid, timestamptz),
  private.apply_text_statuses(uuid[], timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002727');
