-- Mail in: how much of it comes here while a former system takes the rest, and which addresses are written to.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The share is the flag mail_routing.enabled: its percentage is ours, and its buckets keep a thread on one side. So a ramp is
-- a rollout, and what holds for flags (history, versions, incidents, kill switch) holds for mail.
create function private.mail_weight() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'weight', case when s.value = 'true' then coalesce((s.metadata ->> 'rollout_percentage')::numeric, 100) else 0 end,
    'version', coalesce(s.version, 0), 'changed_at', s.updated_at, 'changed_by', s.updated_by, 'reason', h.reason, 'rollout', r.under_way)
  from (select 1) as one
  left join public.settings s on s.key = 'mail_routing.enabled'
  left join public.settings_history h on h.key = s.key and h.version = s.version
  left join lateral (
    select jsonb_build_object('id', r.id, 'plan', r.plan, 'state', r.state, 'stage', t.name, 'version', r.version,
      'since', r.stage_started_at, 'waits_because', r.hold_reason) as under_way
    from public.rollouts r left join public.rollout_stages t on t.rollout_id = r.id and t.position = r.stage
    where r.flag_key = 'mail_routing.enabled' and r.state in ('running', 'paused')) r on true
$$;
comment on function private.mail_weight() is 'mail_weight for every caller.';

create function public.mail_weight() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return private.mail_weight();
end $$;
comment on function public.mail_weight() is
  'The share of mail that comes here, the rest goes to the former system: {weight (percentage), version (0: never set), changed_at, changed_by, reason, rollout: {id, plan, state, stage, version, since, waits_because} or null}. For viewers and secret keys.';

create function public.set_mail_weight(p_percentage numeric, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' set lock_timeout = '1s' as $$
declare
  v_flag public.settings;
  v_rollout public.rollouts;
  v_reason text := coalesce(private.given_reason(p_reason), format('%s %% of mail', trim_scale(p_percentage)));
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  if p_percentage is null or p_percentage not between 0 and 100 or p_percentage <> round(p_percentage, 2) then
    raise exception 'no such share: % %%', coalesce(trim_scale(p_percentage)::text, 'null')
      using errcode = 'GL422', hint = 'The percentage is 0 to 100 in steps of 0.01.';
  end if;
  begin
    select * into v_flag from public.settings s where s.key = 'mail_routing.enabled' for update;
    if v_flag.key is null then
      v_flag := public.set_flag('mail_routing.enabled',
        '{"percentage": 0, "description": "Threads of mail that come here; the others go to the former system."}', 0, v_reason);
    end if;
    if p_percentage > 0 then
      perform public.set_flag('mail_routing.enabled', jsonb_build_object('on', true, 'percentage', p_percentage), v_flag.version, v_reason);
    else
      select * into v_rollout from public.rollouts r where r.flag_key = 'mail_routing.enabled' and r.state in ('running', 'paused');
      if v_rollout.id is not null then
        perform public.roll_back_rollout(v_rollout.id, v_rollout.version, v_reason);
      elsif v_flag.value = 'true' or (v_flag.metadata ->> 'rollout_percentage')::numeric is distinct from 0 then
        perform public.set_flag('mail_routing.enabled', '{"on": false, "percentage": 0}', v_flag.version, v_reason);
      end if;
    end if;
  exception when lock_not_available then
    perform private.refuse_locked('the share of mail', array['public.settings', 'public.rollouts'], private.without_database('mail_routing.enabled'));
  end;
  return private.mail_weight();
end $$;
comment on function public.set_mail_weight(numeric, text) is
  'Has this percentage of the threads of mail come here, and the others go to the former system; answers as mail_weight does. 0 ends a ramp as rolled back; another share by hand pauses it. For operators and secret keys. Errors: GL422 no such share, GL409 an incident of mail_routing.enabled is open and everything would come here, GL423 after 1 s where another transaction holds the share, with who.';

-- Addresses ---------------------------------------------------------------------------------------

create function private.names_address(p_condition jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select jsonb_path_exists(p_condition, '$.** ? (@.type == "address" || @.type == "email" && exists (@.identities))')
$$;
comment on function private.names_address(jsonb) is 'Whether a route with this condition was made for certain addresses.';

create function private.mail_addresses(p_days integer, p_limit integer, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    with mails as (
      select lower(m.native ->> 'recipient') as address, d.decided_at, d.reason, d.route_name,
        not coalesce(private.names_address(r.condition), false) as is_unknown
      from (
        select x.* from public.routing_decisions x
        where x.decided_at > p_now - make_interval(days => p_days) order by x.decided_at desc limit 50000) d
      join public.messages m on m.id = d.message_id
      left join public.routes r on r.id = d.route_id
      where m.channel = 'email' and m.native ->> 'kind' = 'new_mail' and m.native ->> 'recipient' like '%@%'
    ), named as (
      select regexp_replace(split_part(x.address, '@', 1), '\+.*$', '') as local, split_part(x.address, '@', 2) as host, x.* from mails x
    ), counted as (
      select n.local || '@' || n.host as address, min(n.local) as local, count(*)::integer as mails,
        count(*) filter (where n.is_unknown)::integer as unknown, max(n.decided_at) as last_at,
        array_agg(distinct n.route_name) filter (where n.route_name is not null) as routes
      from named n where n.local <> '' group by 1
      order by count(*) filter (where n.is_unknown) desc, count(*) desc, 1 limit p_limit
    ), parted as (
      select c.*, case when c.local ~ '^[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32}){0,2}$' then string_to_array(c.local, '.') else '{}' end as parts
      from counted c
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'address', p.address, 'domain', p.parts[1], 'scope', p.parts[2], 'type', p.parts[3], 'mails', p.mails, 'unknown', p.unknown,
      'routes', coalesce(to_jsonb(p.routes), '[]'), 'last_at', p.last_at)
      order by p.unknown desc, p.mails desc, p.address), '[]')
    from parted p);
end $$;
comment on function private.mail_addresses(integer, integer, timestamptz) is 'mail_addresses with the time given.';

create function public.mail_addresses(p_days integer default 30, p_limit integer default 200) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  if p_days is null or p_days not between 1 and 90 or p_limit is null or p_limit not between 1 and 1000 then
    raise exception 'no such window: % days, at most % addresses', p_days, p_limit using errcode = 'GL422',
      hint = 'The days are 1 to 90, the addresses 1 to 1000.';
  end if;
  return private.mail_addresses(p_days, p_limit, clock_timestamp());
end $$;
comment on function public.mail_addresses(integer, integer) is
  'Addresses of ours that new mails were sent to in the last days, most unknown first: [{address, domain, scope, type, mails, unknown, routes, last_at}], of the latest 50,000 decisions. unknown: mails that no route took which was made for certain addresses. For viewers and secret keys. Errors: GL422.';

call private.close_functions();
grant execute on function
  public.mail_weight(),
  public.set_mail_weight(numeric, text),
  public.mail_addresses(integer, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002902');
