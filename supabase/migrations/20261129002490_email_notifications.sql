-- Notifications by mail: endpoints of kind email, whose mails go out as any other, from an identity.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- How the last mail to an endpoint does, if it does not do well.
create function private.last_notification_mail(p_endpoint_id uuid, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
  select case
    when (m.status = 'failed' or o.state in ('failed', 'unknown')) and o.created_at > p_now - interval '6 hours' then 'failed'
    when o.state in ('queued', 'leased') and o.created_at < p_now - interval '2 minutes' then 'waits' end
  from public.notifications n
  join public.outbound_messages o on o.id = n.message_id
  left join public.messages m on m.id = o.message_id
  where n.endpoint_id = p_endpoint_id and n.message_id is not null
  order by n.id desc limit 1
$$;
comment on function private.last_notification_mail(uuid, timestamptz) is 'What became of the last mail to an endpoint of kind email: failed (refused, bounced or lost, within 6 hours) or waits (for more than two minutes); null if neither.';

create function private.notification_sender() returns text
language sql stable set search_path = '' as $$
  select i.from_email from private.inboxes i
  left join public.senders s on s.channel = 'email' and s.id = i.from_email
  where i.state = 'active'
  order by s.held_since is not null, i.is_default desc, i.created_at, i.from_email limit 1
$$;
comment on function private.notification_sender() is 'The identity that notifications are sent as: the default one, or another one while its account is held; null if there is none.';

-- Failure policy: a notification waits while mail does not go out, a day at most. One about a component that fails is given
-- up at once if the last mail to this address did not go: otherwise each mail that fails would be a reason for the next.
create function private.mail_notification(p_id uuid, p_lease uuid, p_subject text, p_text text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_told record;
  v_sender text := private.notification_sender();
  v_last text;
  v_answer jsonb;
begin
  select n.endpoint_id, n.message_id, substr(a.url, length('mailto:') + 1) as address,
    n.payload ? 'part' or coalesce(n.payload #>> '{incident,component}', '') <> '' as of_component
  into v_told
  from public.notifications n join private.notification_addresses a on a.endpoint_id = n.endpoint_id
  where n.id = p_id and n.lease = p_lease and a.url like 'mailto:%';
  if not found then
    return '{"outcome": "retry", "error": "gone: somebody else has it"}';
  elsif v_told.message_id is not null then
    return '{"outcome": "delivered"}';
  end if;
  v_last := private.last_notification_mail(v_told.endpoint_id, p_now);
  if v_told.of_component and v_last is not null then
    return '{"outcome": "dead", "error": "mail_fails: the last mail to this address did not go"}';
  elsif v_last = 'waits' then
    return '{"outcome": "retry", "error": "mail_waits: the last mail to this address has not gone yet"}';
  elsif v_sender is null then
    return '{"outcome": "retry", "error": "no_identity: no identity is active that it could be sent as"}';
  end if;
  v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'email', 'to', v_told.address,
    'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_told.address)), 'number_id', v_sender,
    'message', jsonb_build_object('type', 'email', 'subject', p_subject, 'text', p_text, 'automatic', true), 'text', p_text,
    'idempotency_key', 'notification:' || p_id)), p_now) -> 0;
  if v_answer ? 'error' then
    return jsonb_build_object('outcome', case v_answer ->> 'error' when 'suppressed' then 'dead' else 'retry' end,
      'error', (v_answer ->> 'error') || ': the mail could not be queued');
  end if;
  update public.notifications n set message_id = (v_answer ->> 'id')::uuid where n.id = p_id;
  return '{"outcome": "delivered"}';
end $$;
comment on function private.mail_notification(uuid, uuid, text, text, timestamptz) is 'mail_notification with the time given.';

create function public.mail_notification(p_id uuid, p_lease uuid, p_subject text, p_text text) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.mail_notification(p_id, p_lease, p_subject, p_text, clock_timestamp());
end $$;
comment on function public.mail_notification(uuid, uuid, text, text) is
  'Queues the mail of a notification that was claimed: {outcome: delivered (queued), retry or dead, error}; settle_notifications writes it down. It goes from the default identity, as any mail: paced, not to addresses that get no mail, and while email_send.enabled is on. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.last_notification_mail(uuid, timestamptz),
  private.notification_sender(),
  private.mail_notification(uuid, uuid, text, text, timestamptz),
  public.mail_notification(uuid, uuid, text, text)
  to service_role;

insert into private.own_migrations (version) values ('20261129002490');
