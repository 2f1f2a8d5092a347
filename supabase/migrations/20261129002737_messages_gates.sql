-- Masked messaging: what its plan asks for before the next step, as conditions that the rollout's guard and its start evaluate.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Failure policy: closed. What is missing is found before anybody else gets the feature.
create function private.messages_faults(p_flag_key text, p_orgs uuid[] default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_org uuid;
  v_proof jsonb := public.messages_proof(null);
  v_found jsonb;
begin
  if (v_proof ->> 'conversations_without_thread')::bigint = 0
    and jsonb_array_length(v_proof -> 'without_number') + jsonb_array_length(v_proof -> 'without_client')
      + jsonb_array_length(v_proof -> 'orgs_without_front_desk') = 0 then
    return null;
  end if;
  -- Something is missing somewhere: of an organisation that has the feature?
  for v_org in select o.id from public.orgs o where (p_orgs is null or o.id = any (p_orgs)) and (select e.value from private.evaluate_flag(p_flag_key, 'org:' || o.id) e) order by o.id loop
    v_proof := public.messages_proof(v_org);
    v_found := jsonb_build_object('org', v_org, 'without_number', jsonb_array_length(v_proof -> 'without_number'),
      'without_client', jsonb_array_length(v_proof -> 'without_client'), 'without_front_desk', jsonb_array_length(v_proof -> 'orgs_without_front_desk'),
      'without_thread', (v_proof ->> 'conversations_without_thread')::bigint);
    if exists (select from jsonb_each(v_found - 'org') f where f.value <> '0') then
      return v_found;
    end if;
  end loop;
  return null;
end $$;
comment on function private.messages_faults(text, uuid[]) is
  'What messages_proof finds missing of the first organisation, or of these, that has a flag: {org, without_number, without_client, without_front_desk, without_thread}; null where thread counts are as they should be.';

create function private.step_before(p_flag_key text) returns text
language sql immutable set search_path = '' as $$
  select case p_flag_key when 'proactive_thread_creation.enabled' then 'messaging_v1.enabled'
    when 'sitter_messages_v1.enabled' then 'proactive_thread_creation.enabled' end
$$;
comment on function private.step_before(text) is 'The flag whose step comes before in the plan of masked messaging; null for any other flag.';

-- Failure policy: closed. Where nothing was decided in the day, nothing says that it is stable.
create function private.step_stability(p_flag_key text, p_targets text[], p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_before text := private.step_before(p_flag_key);
  v_since timestamptz := p_now - interval '24 hours';
  v_orgs uuid[];
  v_missing text;
  v_changed timestamptz;
  v_failed bigint;
  v_n record;
  v_faults jsonb;
begin
  if v_before is null then
    return null;
  end if;
  v_orgs := array(
    select o.id from public.orgs o where cardinality(p_targets) = 0 or 'org:' || o.id = any (p_targets) order by o.id);
  select t.id into v_missing from (
    select unnest(p_targets) as id union all select 'org:' || o from unnest(v_orgs) o where cardinality(p_targets) = 0) t
  where not coalesce((select e.value from private.evaluate_flag(v_before, t.id) e), false) order by t.id limit 1;
  if v_missing is not null or cardinality(v_orgs) = 0 then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', 'off', 'figures', jsonb_build_object('target', v_missing));
  end if;
  select max(h.changed_at) into v_changed from public.settings_history h
  where h.key = v_before and h.changed_at > v_since and (h.before ->> 'value' is distinct from h.after ->> 'value'
    or h.before #> '{metadata,target_user_ids}' is distinct from h.after #> '{metadata,target_user_ids}'
    or h.before #> '{metadata,rollout_percentage}' is distinct from h.after #> '{metadata,rollout_percentage}');
  if v_changed is not null then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', 'changed', 'figures',
      jsonb_build_object('hours', floor(extract(epoch from p_now - v_changed) / 3600)));
  end if;
  select coalesce(sum(m.failed), 0) into v_failed from public.flag_metrics m where m.flag_key = v_before and m.arm = 'on' and m.minute >= v_since;
  if v_failed > 0 then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', 'failures', 'figures', jsonb_build_object('failed', v_failed));
  end if;
  if private.incident_in_the_way(v_before) is not null then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', 'incident', 'figures',
      jsonb_build_object('incident', private.incident_in_the_way(v_before)));
  end if;
  v_faults := private.messages_faults(v_before, v_orgs);
  if v_faults is not null then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', 'proof', 'figures', v_faults);
  end if;
  select count(*) as decided, count(*) filter (where d.outcome = 'owner_inbox') as inbox, count(*) filter (where d.outcome = 'blocked') as blocked,
    count(*) filter (where d.reason = 'no_active_window' and d.from_role = 'sitter') as no_window
  into v_n from unnest(v_orgs) as o (id)
  join lateral (
    select x.outcome, x.reason, x.from_role from public.thread_decisions x
    where x.org_id = o.id and x.id >= private.uuid_v7_from(v_since) and x.at <= p_now and x.reason <> 'off') d on true;
  if v_n.decided = 0 or v_n.inbox >= 0.3 * v_n.decided or v_n.blocked >= 0.1 * v_n.decided or v_n.no_window >= 0.1 * v_n.decided then
    return jsonb_build_object('flag', v_before, 'stable', false, 'because', case when v_n.decided = 0 then 'no_data' else 'share' end,
      'figures', to_jsonb(v_n));
  end if;
  return jsonb_build_object('flag', v_before, 'stable', true, 'because', 'stable', 'figures', to_jsonb(v_n));
end $$;
comment on function private.step_stability(text, text[], timestamptz) is
  'Whether the step before a flag of masked messaging has been stable for 24 hours for these targets (org:<id>; none: every organisation): {flag (of that step), stable, because: off, changed, failures, incident, proof, no_data, share or stable, figures}; null for any other flag.';

create function public.messages_steps(p_targets text[] default '{}') returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select jsonb_agg(jsonb_build_object('step', s.step) || private.step_stability(s.step, p_targets, clock_timestamp()) order by s.place)
    from (values (1, 'proactive_thread_creation.enabled'), (2, 'sitter_messages_v1.enabled')) as s (place, step));
end $$;
comment on function public.messages_steps(text[]) is
  'For the second and third step of masked messaging, whether the one before has been stable for 24 hours for these organisations (org:<id>; none: every one): [{step, flag, stable, because, figures}]. For secret keys.';

call private.close_functions();
grant execute on function
  private.messages_faults(text, uuid[]),
  private.step_before(text),
  private.step_stability(text, text[], timestamptz),
  public.messages_steps(text[])
  to service_role;

insert into private.own_migrations (version) values ('20261129002737');
