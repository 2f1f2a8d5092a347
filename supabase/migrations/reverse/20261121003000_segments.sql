-- The way back from 20261121003000_segments.sql. It drops the segments with their history: export them first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create or replace function public.load_config(p_revision bigint default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_revision bigint;
begin
  select revision into v_revision from private.config_revision;
  if v_revision = p_revision then
    return jsonb_build_object('revision', v_revision, 'unchanged', true);
  end if;
  return jsonb_build_object(
    'revision', v_revision,
    'settings', private.config_settings(),
    'routes', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', r.id, 'name', r.name, 'priority', r.priority, 'condition', r.condition, 'mode', r.mode,
        'destination_ids', (
          select coalesce(jsonb_agg(d.destination_id order by d.position), '[]') from public.route_destinations d
          where d.route_id = r.id),
        'flag_key', r.flag_key, 'sticky_minutes', r.sticky_minutes, 'active', r.active) order by r.priority, r.id), '[]')
      from public.routes r),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name, 'url', d.url, 'state', d.state) order by d.name), '[]')
      from public.destinations d),
    'allowlist', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a));
end $$;
comment on function public.load_config(bigint) is 'What the functions at the edge keep in memory: {revision, settings, routes, destinations, allowlist}, or {revision, unchanged: true} when the caller has that revision.';
drop function private.config_segments();

drop trigger follow_merge on public.contacts;
drop function private.follow_merge();
drop table public.segment_history;
drop table public.segment_members;
drop table public.segments;
drop function private.record_members();
