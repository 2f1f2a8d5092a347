-- The record of each way back that was taken, and the brake: a flag off at once.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.rollback_events (
  id uuid primary key default private.uuid_v7(),
  level smallint not null constraint rollback_events_level check (level between 1 and 4),
  target text not null,
  reason text not null,
  ok boolean not null,
  steps jsonb not null constraint rollback_events_steps check (jsonb_typeof(steps) = 'array'),
  took_ms integer not null,
  began_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null
);
comment on table public.rollback_events is
  'Each way back that was taken with gatelink rollback, successful or not. Append-only. Level 4 over this very table leaves no row.';
comment on column public.rollback_events.id is 'Key.';
comment on column public.rollback_events.level is '1 flag, 2 environment, 3 code, 4 database.';
comment on column public.rollback_events.target is 'What was taken back: a flag, a variable, the commit or the migration gone back to.';
comment on column public.rollback_events.reason is 'Why, in the words of whoever did it.';
comment on column public.rollback_events.ok is 'Whether it was verified to have taken effect.';
comment on column public.rollback_events.steps is 'What was done and seen: [{what, ok, ms, detail?}].';
comment on column public.rollback_events.took_ms is 'From the first step until it was verified, in milliseconds.';
comment on column public.rollback_events.began_at is 'By the clock of the machine that did it.';
comment on column public.rollback_events.recorded_at is 'By the clock of the database.';
comment on column public.rollback_events.recorded_by is 'Who: a user id, or the database role.';
create index rollback_events_recorded_idx on public.rollback_events (recorded_at);
comment on index public.rollback_events_recorded_idx is 'What was taken back lately.';
alter table public.rollback_events enable row level security;
revoke all on public.rollback_events from anon, authenticated, service_role, public;
grant select on public.rollback_events to authenticated, service_role;
create policy rollback_events_read on public.rollback_events for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy rollback_events_read on public.rollback_events is 'The whole team sees what was taken back and why.';
create trigger append_only before update or delete or truncate on public.rollback_events
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.rollback_events is 'Nobody rewrites history.';

create function public.record_rollback(p_event jsonb) returns uuid
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by)
  values (
    (p_event ->> 'level')::smallint, p_event ->> 'target', private.given_reason(p_event ->> 'reason'), (p_event ->> 'ok')::boolean,
    p_event -> 'steps', round((p_event ->> 'took_ms')::numeric), (p_event ->> 'began_at')::timestamptz, private.actor())
  returning id into v_id;
  return v_id;
end $$;
comment on function public.record_rollback(jsonb) is
  'Writes down a way back that was taken: {level, target, reason, ok, steps, took_ms, began_at}. Answers its id. For operators and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks, 23502 and 23514 for what is missing or cannot be.';
revoke execute on function public.record_rollback(jsonb) from public, anon;
grant execute on function public.record_rollback(jsonb) to authenticated, service_role;

-- Off asks for no version: whoever pulls the brake must win against somebody who keeps writing the flag.
create function public.switch_off(p_key text, p_reason text) returns bigint
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_before text := current_setting('gatelink.reason', true);
  v_version bigint;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  update public.settings set value = 'false', metadata = private.without_start(metadata)
  where key = p_key and (value <> 'false' or metadata -> 'schedule' ? 'on_at') returning version into v_version;
  perform set_config('gatelink.reason', coalesce(v_before, ''), true);
  return v_version;
end $$;
comment on function public.switch_off(text, text) is
  'Turns a flag off whatever version it is at, forgets when the clock would turn it on, and answers the new version; null when it is off already, with no such time, or not there. The rest of the flag stays as it is. For operators and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks.';
revoke execute on function public.switch_off(text, text) from public, anon;
grant execute on function public.switch_off(text, text) to authenticated, service_role;
