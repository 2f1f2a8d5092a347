-- Incidents: what the team and the public read of them, and what is posted to Statuspage.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Reading -----------------------------------------------------------------------------------------

create function private.incident_rank(p_incident public.incidents) returns text
language sql immutable set search_path = '' as $$
  select case when p_incident.status = 'resolved' then 'resolved' else 'open ' || p_incident.severity end
$$;
comment on function private.incident_rank(public.incidents) is 'What incidents are listed by before their number: open ones by severity, then the resolved ones.';

create function public.list_incidents(p_open boolean default null, p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_after public.incidents;
begin
  perform private.require_role('viewer');
  select * into v_after from public.incidents x where x.number = (p_filter ->> 'after')::bigint;
  return (
    select coalesce(jsonb_agg(to_jsonb(i) - 'escalates_from' order by private.incident_rank(i), i.number desc), '[]')
    from (
      select * from public.incidents x where (x.status <> 'resolved') = coalesce(p_open, x.status <> 'resolved')
        and (v_after.number is null or (private.incident_rank(x), -x.number) > (private.incident_rank(v_after), -v_after.number))
        and (p_filter ->> 'search' is null or strpos(lower(concat_ws(' ', '#' || x.number, x.title, x.flag_key, x.component, x.kind)),
          lower(p_filter ->> 'search')) > 0)
      order by private.incident_rank(x), x.number desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) i);
end $$;
comment on function public.list_incidents(boolean, integer, jsonb) is
  'Incidents, the open ones (p_open true), the resolved ones (false) or both: open and severe ones first, then the latest. Filter: any of search (part of the title, number, flag, component or kind) and after (the number of the last of the page before); at most 500. For viewers and secret keys.';

create function public.read_incident(p_number bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_incident public.incidents;
begin
  perform private.require_role('viewer');
  select * into v_incident from public.incidents i where i.number = p_number;
  if v_incident.id is null then
    raise exception 'there is no incident %', p_number using errcode = 'GL404', hint = 'gatelink incident list';
  end if;
  return to_jsonb(v_incident) - 'escalates_from' || jsonb_build_object(
    'updates', (
      select jsonb_agg(to_jsonb(u) - 'incident_id' order by u.at, u.id) from public.incident_updates u where u.incident_id = v_incident.id),
    'rollback', (select to_jsonb(b) - 'steps' from public.rollback_events b where b.id = v_incident.rollback_id),
    'rollout', (
      select jsonb_build_object('id', r.id, 'flag_key', r.flag_key, 'state', r.state, 'finished_at', r.finished_at)
      from public.rollouts r where r.id = v_incident.rollout_id));
end $$;
comment on function public.read_incident(bigint) is
  'An incident with its updates, oldest first, and the way back that was taken: {…, updates, rollback, rollout}. For viewers and secret keys. GL404 where there is none.';

-- The public page ---------------------------------------------------------------------------------

-- Failure policy: closed. What is not named here does not leave: no note, no author, no id, no flag.
create function private.status_page(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'incidents', (
      select coalesce(jsonb_agg(jsonb_build_object('number', i.number, 'title', i.title, 'severity', i.severity, 'status', i.status,
        'opened_at', i.opened_at, 'resolved_at', i.resolved_at, 'updates', (
          select coalesce(jsonb_agg(jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text) order by u.at desc, u.id desc), '[]')
          from (
            select * from public.incident_updates x where x.incident_id = i.id and x.public order by x.at desc, x.id desc limit 50) u))
        order by i.resolved_at desc nulls first, i.number desc), '[]')
      from (
        select * from public.incidents x
        where x.public and (x.resolved_at is null or x.resolved_at > p_now - interval '14 days')
        order by x.resolved_at desc nulls first, x.number desc limit 50) i),
    'templates', (
      select coalesce(jsonb_object_agg(substr(s.key, 19), s.value), '{}') from public.settings s where s.key like 'incident\_template.status\_%'))
$$;
comment on function private.status_page(timestamptz) is
  'Public incidents, open or resolved within 14 days, with their public updates, latest first; and the team''s own texts for the status page.';

-- In plpgsql, which looks names up when it runs: health comes in a later file.
create function public.status_page() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.status_page(clock_timestamp()) || jsonb_build_object('at', clock_timestamp(), 'components', (
    select jsonb_agg(jsonb_build_object('component', e.item -> 'component', 'status', e.item -> 'status') order by e.place)
    from jsonb_array_elements(private.health(clock_timestamp())) with ordinality as e (item, place)
    where e.item ->> 'component' <> 'config'));
end $$;
comment on function public.status_page() is
  'What the public status page is made of: {at, components: [{component, status}], incidents: [{number, title, severity, status, opened_at, resolved_at, updates: [{at, status, text}]}], templates}. For secret keys.';

create function private.status_posts_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= p_now and p.next_attempt_at > p_now - interval '10 minutes')
$$;
comment on function private.status_posts_are_due(timestamptz) is 'Whether something for Statuspage has become due within ten minutes. For the clock.';

create function public.claim_status_posts(p_limit integer default 10, p_lease_seconds integer default 60) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  with due as (
    select p.update_id from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= clock_timestamp()
      and not exists (
        select from private.status_posts o
        where o.incident_id = p.incident_id and o.update_id < p.update_id and o.state in ('pending', 'leased'))
    order by p.next_attempt_at limit p_limit
    for update skip locked
  ), leased as (
    update private.status_posts p
    set state = 'leased', lease = gen_random_uuid(), attempt = p.attempt + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where p.update_id = due.update_id
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', l.update_id, 'lease', l.lease, 'attempt', l.attempt,
    'incident', jsonb_build_object('id', i.id, 'title', i.title, 'severity', i.severity, 'status_page_id', i.status_page_id),
    'update', jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text),
    'template', (select s.value from public.settings s where s.key = 'incident_template.status_' || u.status)) order by l.update_id), '[]')
  from leased l join public.incidents i on i.id = l.incident_id join public.incident_updates u on u.id = l.update_id
$$;
comment on function public.claim_status_posts(integer, integer) is
  'Leases public updates that are due on Statuspage, of each incident the oldest: [{id, lease, attempt, incident: {id, title, severity, status_page_id}, update: {at, status, text}, template}]. For secret keys.';

create function public.settle_status_posts(p_results jsonb) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_result record;
  v_incident uuid;
  v_count integer := 0;
begin
  for v_result in
    select * from jsonb_to_recordset(p_results) as r (id uuid, lease uuid, outcome text, status_page_id text, error text, retry_after_ms bigint)
  loop
    if v_result.outcome = 'skipped' then
      delete from private.status_posts p where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    else
      update private.status_posts p
      set state = case v_result.outcome when 'retry' then 'pending' else v_result.outcome end, lease = null, last_error = v_result.error,
        next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
      where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    end if;
    if found then
      v_count := v_count + 1;
      update public.incidents i set status_page_id = v_result.status_page_id
      where i.id = v_incident and v_result.status_page_id is not null and i.status_page_id is distinct from v_result.status_page_id;
    end if;
  end loop;
  return v_count;
end $$;
comment on function public.settle_status_posts(jsonb) is
  'Writes the outcome of posts [{id, lease, outcome (delivered, retry, dead, skipped: no page is configured), status_page_id, error, retry_after_ms}] and says how many counted; a result whose lease is over does not. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.incident_rank(public.incidents),
  private.status_page(timestamptz),
  public.status_page(),
  private.status_posts_are_due(timestamptz),
  public.claim_status_posts(integer, integer),
  public.settle_status_posts(jsonb)
  to service_role;
grant execute on function
  public.list_incidents(boolean, integer, jsonb),
  public.read_incident(bigint)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002154');
