/**
 * The part of pg_cron that a team's own SQL uses, where the extension does not exist: `cron.schedule`, `cron.unschedule`
 * and `cron.job`, run by the stack's clock. A hosted project has the extension itself.
 *
 * Differences: schedules have five fields (minute, hour, day of month, month, day of week; `*`, lists, ranges, steps; in
 * UTC), no seconds and no names, and `cron.job_run_details` is not kept.
 *
 * @module
 */
import type { Sql } from "postgres";

const CRON = `
create schema cron;
comment on schema cron is 'Stands in for pg_cron on a local stack.';
create table cron.job (
  jobid bigint generated always as identity primary key,
  jobname text unique,
  schedule text not null,
  command text not null,
  active boolean not null default true,
  ran_at timestamptz not null default now()
);
create function cron.field_matches(p_field text, p_value integer, p_least integer, p_most integer) returns boolean
language plpgsql immutable set search_path = '' as $$
declare
  v_item text;
  v_part text[];
  v_from integer;
  v_to integer;
begin
  foreach v_item in array string_to_array(p_field, ',') loop
    v_part := regexp_match(v_item, '^(?:(\\*)|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?$');
    if v_part is null then
      raise exception 'invalid schedule: %', p_field using errcode = '22023';
    end if;
    v_from := case when v_part[1] is not null then p_least else v_part[2]::integer end;
    v_to := case when v_part[1] is not null or v_part[3] is null and v_part[4] is not null then p_most else coalesce(v_part[3], v_part[2])::integer end;
    if v_from < p_least or v_to > p_most or v_to < v_from or v_part[4]::integer = 0 then
      raise exception 'invalid schedule: %', p_field using errcode = '22023';
    end if;
    if p_value between v_from and v_to and (p_value - v_from) % coalesce(v_part[4]::integer, 1) = 0 then
      return true;
    end if;
  end loop;
  return false;
end $$;
create function cron.matches(p_schedule text, p_minute timestamptz) returns boolean
language plpgsql immutable set search_path = '' as $$
declare
  v_field text[] := regexp_split_to_array(btrim(p_schedule), '\\s+');
  v_at timestamp := p_minute at time zone 'UTC';
  v_day boolean;
  v_weekday boolean;
begin
  if cardinality(v_field) <> 5 then
    raise exception 'invalid schedule: %', p_schedule using errcode = '22023', hint = 'The local stack knows schedules of five fields.';
  end if;
  v_day := cron.field_matches(v_field[3], extract(day from v_at)::integer, 1, 31);
  v_weekday := cron.field_matches(v_field[5], extract(dow from v_at)::integer, 0, 7)
    or cron.field_matches(v_field[5], 7, 0, 7) and extract(dow from v_at) = 0 and v_field[5] <> '*';
  return cron.field_matches(v_field[1], extract(minute from v_at)::integer, 0, 59)
    and cron.field_matches(v_field[2], extract(hour from v_at)::integer, 0, 23)
    and cron.field_matches(v_field[4], extract(month from v_at)::integer, 1, 12)
    -- As cron does: where both are given, either is enough.
    and case when v_field[3] <> '*' and v_field[5] <> '*' then v_day or v_weekday else v_day and v_weekday end;
end $$;
create function cron.schedule(p_name text, p_schedule text, p_command text) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_id bigint;
begin
  perform cron.matches(p_schedule, now());
  insert into cron.job as j (jobname, schedule, command) values (p_name, p_schedule, p_command)
  on conflict (jobname) do update set schedule = excluded.schedule, command = excluded.command, active = true
  returning j.jobid into v_id;
  return v_id;
end $$;
create function cron.schedule(p_schedule text, p_command text) returns bigint
language sql set search_path = '' as $$
  select cron.schedule(null, p_schedule, p_command)
$$;
create function cron.unschedule(p_name text) returns boolean
language plpgsql set search_path = '' as $$
begin
  delete from cron.job j where j.jobname = p_name;
  if not found then
    raise exception 'could not find valid entry for job ''%''', p_name using errcode = 'P0001';
  end if;
  return true;
end $$;
-- A job that missed several of its minutes runs once.
create procedure cron.run_due(p_now timestamptz)
language plpgsql as $$
declare
  v_job record;
begin
  for v_job in
    select j.jobid, j.jobname, j.command from cron.job j
    where j.active and exists (
      select from generate_series(greatest(date_trunc('minute', j.ran_at) + interval '1 minute', date_trunc('minute', p_now) - interval '1 day'),
        date_trunc('minute', p_now), interval '1 minute') minute
      where cron.matches(j.schedule, minute))
    order by j.jobid
  loop
    update cron.job j set ran_at = p_now where j.jobid = v_job.jobid;
    begin
      execute v_job.command;
    exception when others then
      raise warning 'job % failed: %', coalesce(v_job.jobname, v_job.jobid::text), sqlerrm;
    end;
  end loop;
end $$;`;

/** The clock's job that runs what `cron.schedule` was given; its statement. */
export const RUN_CRON = "call cron.run_due(now())";

/** Makes the stand-in, unless there is a schema `cron`: the extension's, or the one that an earlier start made. */
export async function provideCron(sql: Sql): Promise<void> {
  const [{ there }] = await sql`select to_regnamespace('cron') is not null as there`;
  if (!there) await sql.begin((sql) => sql.unsafe(CRON));
}
