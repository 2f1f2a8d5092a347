-- Flags that the clock turns on and off.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.apply_flag_schedules(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_flag public.settings;
  v_due record;
  v_count integer := 0;
begin
  for v_flag in
    select * from public.settings s where s.metadata ? 'schedule' order by s.key for update skip locked
  loop
    for v_due in
      select d.name, d.at, d.value
      from (values ('on_at', (v_flag.metadata #>> '{schedule,on_at}')::timestamptz, 'true'),
        ('off_at', (v_flag.metadata #>> '{schedule,off_at}')::timestamptz, 'false')) as d (name, at, value)
      where d.at <= p_now order by d.at, d.value desc
    loop
      v_flag.metadata := v_flag.metadata #- array['schedule', v_due.name];
      v_flag := public.set_setting(v_flag.key, v_due.value,
        case when v_flag.metadata -> 'schedule' = '{}' then v_flag.metadata - 'schedule' else v_flag.metadata end,
        v_flag.version, format('scheduled: %s %s', v_due.name, v_due.at));
      v_count := v_count + 1;
    end loop;
  end loop;
  return v_count;
end $$;
comment on function private.apply_flag_schedules(timestamptz) is
  'Turns flags on and off whose schedule''s time has come, each by a versioned write with its history, and says how many times. For the clock.';
revoke execute on function private.apply_flag_schedules(timestamptz) from public, anon, authenticated;
