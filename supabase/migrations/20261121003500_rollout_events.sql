-- What happens to a rollout is written down, and told with what to do.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.rollout_advice(p_kind text, p_rule text) returns text
language sql immutable set search_path = '' as $$
  select case
    when p_kind = 'started' then 'Tell who is on call. The guard looks every minute; pause it if you see something that it cannot.'
    when p_kind = 'advanced' then 'Nothing, unless people complain: then pause or roll back.'
    when p_kind = 'resumed' then 'Nothing: the stage began anew.'
    when p_kind = 'paused' then 'Find out what is wrong, then resume or roll back. The guard still rolls back by itself.'
    when p_kind = 'completed' then 'Let it stand for some days, then take the flag out of the code and mark it as launched in docs/flags.md.'
    when p_kind = 'held' then case p_rule
      when 'no_data' then 'Nobody met the feature lately, or outcomes no longer arrive: see whether the functions run and the feature is used.'
      when 'samples' then 'Wait: there is too little traffic for this stage. Advance by hand if you know enough.'
      when 'error_rate' then 'Look at the failures with the flag on. Wait for more outcomes, mend it, or roll back.'
      else 'Look at what is slow with the flag on. Wait for more outcomes, mend it, or roll back.' end
    when p_kind = 'paged' then case
      when p_rule = 'overdue' then 'The stage lasts longer than planned: decide whether to advance by hand, to wait or to roll back.'
      when p_rule = 'flag_changed_by_hand' then 'The rollout is paused. Resume it to set the stage''s percentage again, or roll back.'
      when p_rule = 'guard_failed' then 'The guard cannot judge this rollout, and nothing moves until it can: see the message, pause or roll back by hand.'
      when p_rule in ('error_rate_unclear', 'p95_unclear') then 'There is too little without the flag to compare with: look at the failures with the flag on, and pause or roll back by hand if it is the flag. The stage begins anew.'
      else 'It happens without the flag too, so turning it off would not help: look at the database, the provider and the services. The rollout waits, and the stage begins anew.' end
    when p_kind = 'rolled_back' then 'The flag is off. Look into the evidence and the logs, mend it, and begin again with a new rollout.'
    else '' end
$$;
comment on function private.rollout_advice(text, text) is 'What to do now, in a sentence, for whoever is told of an event.';
revoke execute on function private.rollout_advice(text, text) from public, anon, authenticated;

create function private.log_rollout(
  p_rollout public.rollouts, p_at timestamptz, p_kind text, p_message text, p_verdict text default null, p_rule text default null,
  p_evidence jsonb default null, p_reason text default null, p_tell boolean default true
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event public.rollout_events;
begin
  insert into public.rollout_events (rollout_id, at, kind, stage, verdict, rule, message, evidence, rollout_version, setting_version, reason)
  values (p_rollout.id, p_at, p_kind, p_rollout.stage, p_verdict, p_rule, p_message, p_evidence, p_rollout.version,
    p_rollout.setting_version, private.given_reason(p_reason))
  returning * into v_event;
  if p_tell then
    perform private.notify(v_event, private.rollout_advice(p_kind, p_rule));
  end if;
end $$;
comment on function private.log_rollout(public.rollouts, timestamptz, text, text, text, text, jsonb, text, boolean) is
  'Writes an event of a rollout as it now stands, and tells those who want to know.';
revoke execute on function private.log_rollout(public.rollouts, timestamptz, text, text, text, text, jsonb, text, boolean)
  from public, anon, authenticated;

create function private.rollout_told(p_id uuid, p_stage integer, p_kind text, p_rule text, p_since timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.rollout_events e
    where e.rollout_id = p_id and e.at > p_since and e.stage = p_stage and e.kind = p_kind and e.rule = p_rule)
$$;
comment on function private.rollout_told(uuid, integer, text, text, timestamptz) is
  'Whether such an event was written since then: nobody wants the same page every minute.';
revoke execute on function private.rollout_told(uuid, integer, text, text, timestamptz) from public, anon, authenticated;
