-- Flags and rollouts by the clock, and whom an outbound message is for: what the functions count outcomes by.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text)
language sql immutable set search_path = '' as $$
  values
    ('gatelink_drain', 3, 'http', 'wa-router'),
    ('gatelink_purge', 3600, 'sql', 'select private.purge(now())'),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())'),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())'),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())'),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())'),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())'),
    ('gatelink_notify', 30, 'http', 'flags'),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())')
$$;

-- Beside seconds and hours there are minutes now.
create or replace function private.schedule_clock() returns integer
language plpgsql set search_path = '' as $$
declare
  v_job record;
  v_count integer := 0;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    return 0;
  end if;
  for v_job in select * from private.clock_jobs() loop
    execute format('select cron.schedule(%L, %L, %L)', v_job.name,
      case when v_job.every_seconds < 60 then v_job.every_seconds || ' seconds'
        when v_job.every_seconds < 3600 then format('*/%s * * * *', v_job.every_seconds / 60) else '0 * * * *' end,
      case v_job.kind when 'sql' then v_job.target else format('select private.call_function(%L)', v_job.target) end);
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
-- Where there is no pg_cron this schedules nothing.
select private.schedule_clock();

create or replace function public.claim_outbound(p_limit integer, p_lease_seconds integer default 60) returns jsonb
language sql set search_path = '' as $$
  select c.claim || jsonb_build_object('messages', (
    select coalesce(jsonb_agg(e.message || jsonb_build_object('contact_id', v.contact_id) order by e.i), '[]')
    from jsonb_array_elements(c.claim -> 'messages') with ordinality as e (message, i)
    join public.outbound_messages o on o.id = (e.message ->> 'id')::uuid
    join public.conversations v on v.id = o.conversation_id))
  from (select private.claim_outbound(p_limit, p_lease_seconds, clock_timestamp()) as claim) c
$$;
comment on function public.claim_outbound(integer, integer) is 'Leases up to p_limit conversations with something to send, within the pace of pair and number and where the flag wa_send.enabled is on for the contact, and answers {messages: [{id, lease, attempt, number_id, to, message, contact_id}], next_due_ms}.';
