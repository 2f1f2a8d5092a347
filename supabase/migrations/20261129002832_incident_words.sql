-- Words about an incident that go out as they are: the notices of a rollback plan, to the team's channels and the public.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.say_incident(p_number bigint, p_text text, p_public_text text, p_now timestamptz) returns public.incidents
language plpgsql volatile set search_path = '' as $$
declare
  v_incident public.incidents := private.incident_at(p_number, null);
  v_text text := private.given_reason(p_text);
  v_public_text text := private.given_reason(p_public_text);
begin
  if v_text is null then
    raise exception 'nothing is said' using errcode = 'GL422', hint = 'p_text';
  elsif v_public_text is not null and not v_incident.public then
    raise exception 'incident % is not public', p_number using errcode = 'GL422',
      hint = format('gatelink incident update %s --public shows it on the status page.', p_number);
  end if;
  update public.incidents i set version = i.version + 1 where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'noted', p_now, v_text);
  if v_public_text is not null then
    perform private.write_incident(v_incident, 'published', p_now, v_public_text, p_public => true);
  end if;
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', 'incident_updated', 'at', p_now, 'text', v_text, 'role', null, 'template', '{{text}}',
    'incident', jsonb_build_object('number', v_incident.number, 'title', v_incident.title, 'kind', v_incident.kind,
      'severity', v_incident.severity, 'status', v_incident.status, 'flag_key', v_incident.flag_key, 'component', v_incident.component,
      'opened_at', v_incident.opened_at))
  from public.notification_endpoints e where e.state = 'active' and 'incident_updated' = any (e.events);
  return v_incident;
end $$;
comment on function private.say_incident(bigint, text, text, timestamptz) is 'say_incident with the time given.';

create function public.say_incident(p_number bigint, p_text text, p_public_text text default null) returns public.incidents
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return private.say_incident(p_number, p_text, p_public_text, clock_timestamp());
end $$;
comment on function public.say_incident(bigint, text, text) is
  'Sends a text about an incident, as it is, to everybody who is notified of incident_updated, and keeps it as a note; p_public_text goes to the status page besides. Changes nothing else of it, so no version is asked for. For operators and secret keys. Errors: 42501, GL404 no such incident, GL422 no text, or a public one of an incident that is not public, 23514 a text that is too long.';

call private.close_functions();
grant execute on function public.say_incident(bigint, text, text) to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002832');
