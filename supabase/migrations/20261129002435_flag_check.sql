-- Whether a flag is on for somebody, and why: for people who are asked why a customer has a feature, or has not.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.flag_explained(p_key text, p_targeting_id text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('on', e.value, 'reason', e.reason, 'error_code', e.error_code,
    -- The share from which on it is on for this id.
    'place', round((1 + private.flag_bucket(coalesce(s.metadata ->> 'salt', s.key), i.id)) / 100.0, 2),
    'percentage', case when s.metadata ? 'rollout_percentage' then (s.metadata ->> 'rollout_percentage')::numeric
      when s.metadata ? 'target_user_ids' or s.metadata ? 'target_segments' then 0 else 100 end,
    'listed', coalesce(s.metadata -> 'target_user_ids' ? i.id, false),
    'segments', (
      select coalesce(jsonb_agg(m.segment_key order by m.segment_key), '[]')
      from jsonb_path_query(s.metadata, 'strict $.target_segments[*] ? (@.type() == "string")', '{}', true) as segment
      join public.segment_members m on m.segment_key = segment #>> '{}' and m.subject_id = i.id),
    'missing', (
      select coalesce(jsonb_agg(n.key order by n.key), '[]')
      from (
        select distinct name #>> '{}' as key
        from jsonb_path_query(s.metadata, 'strict $.prerequisites[*] ? (@.type() == "string")', '{}', true) as name) n
      where not (select x.value from private.evaluate_flag(n.key, p_targeting_id) x)),
    'is_on', s.value = 'true', 'killed_since', private.killed_since(s.key, clock_timestamp()))
  from public.settings s
  cross join private.evaluate_flag(p_key, p_targeting_id) e
  cross join lateral (select private.subject_id(nullif(p_targeting_id, '')) as id) i
  where s.key = p_key
$$;
comment on function private.flag_explained(text, text) is 'What evaluate_flag says of an id, and all that it decides by; null where there is no such flag.';

create function public.check_flag(p_key text, p_person text) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_person text := left(trim(p_person), 500);
  v_names boolean;
  v_contacts uuid[] := '{}';
begin
  perform private.require_role('viewer');
  v_names := private.may('operator');
  if p_key not like '%.enabled' or not exists (select from public.settings s where s.key = p_key) then
    raise exception 'there is no flag %', p_key using errcode = 'GL404';
  elsif coalesce(v_person, '') = '' then
    raise exception 'say for whom' using errcode = 'GL422';
  end if;
  if v_person ~ '^[0-9]{4}$' then
    v_contacts := array(
      select i.contact_id from public.contact_identities i
      where right(i.value, 4) = v_person and length(i.value) >= 4 and i.kind = 'phone' and i.valid_to is null
      order by i.id desc limit 10);
  elsif v_person ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    v_contacts := array(select c.id from public.contacts c where c.id = v_person::uuid);
  elsif v_names then
    v_contacts := private.contacts_at(v_person);
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', p.id, 'last_four', p.last_four, 'name', p.name, 'has_written', p.has_written)
      || private.flag_explained(p_key, p.id) order by p.id), '[]')
    from (
      select c.id::text as id, private.contact_last_four(c.id) as last_four, case when v_names then c.name end as name, true as has_written
      from public.contacts c where c.id = any (v_contacts)
      union all
      -- An id of the team's own app, or of somebody who never wrote. A number that nobody has is no id of anybody.
      select v_person, null, null, false
      where cardinality(v_contacts) = 0 and v_person !~ '^[0-9]{4}$' and not (v_person ~ '^[-+(). 0-9]+$' and length(v_person) >= 7)
        and v_person !~ '@') p);
end $$;
comment on function public.check_flag(text, text) is
  'Whether a flag is on for somebody, and why, by the same evaluation as everywhere: [{id, last_four, name, has_written, on, reason, error_code, place: the percentage from which on it is on for them, percentage, listed, segments, missing: prerequisites that are not on for them, is_on, killed_since}]. p_person: a contact''s id, the last four digits of a phone number, which several people may have, an id of your app, or for operators a whole number, address or user name. Empty where nobody is found. For viewers and secret keys. Errors: GL404 no such flag, GL422 nobody given.';

call private.close_functions();
grant execute on function private.flag_explained(text, text) to service_role;
grant execute on function public.check_flag(text, text) to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002435');
