-- What the panel shows of flags and rollouts, and no table tells to those who look.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.count_contacts(p_now timestamptz default now()) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select jsonb_build_object('contacts', count(*),
      'recent', (
        select count(distinct c.contact_id) from public.conversations c where c.last_inbound_at >= p_now - interval '7 days'))
    from public.contacts c where c.merged_into is null);
end $$;
comment on function public.count_contacts(timestamptz) is
  'How many people there are, so that a percentage can be shown as people: {contacts, recent: those who wrote within 7 days}. For viewers, who may not read the contacts themselves, and secret keys.';
revoke execute on function public.count_contacts(timestamptz) from public, anon;
grant execute on function public.count_contacts(timestamptz) to authenticated, service_role;

create function public.plan_of_template(p_name text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.rollout_template(p_name, null, null);
end $$;
comment on function public.plan_of_template(text) is
  'A built-in plan (standard, canary) as {name, stages}, to begin a plan of one''s own with; the first stage of standard still needs user_ids or segments. Null for another name. For viewers and secret keys.';
revoke execute on function public.plan_of_template(text) from public, anon;
grant execute on function public.plan_of_template(text) to authenticated, service_role;

create function public.watch_rollout(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('viewer');
  select * into v_rollout from public.rollouts r where r.id = p_id;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.state not in ('running', 'paused') then
    return null;
  end if;
  return private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
end $$;
comment on function public.watch_rollout(uuid) is
  'What the guard sees of a rollout at this moment, in the form of the evidence of an event: the minutes since its last event, and S after each. Null for one that is not under way. For viewers and secret keys. Errors: GL404.';
revoke execute on function public.watch_rollout(uuid) from public, anon;
grant execute on function public.watch_rollout(uuid) to authenticated, service_role;
