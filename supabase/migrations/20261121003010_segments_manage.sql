-- Segments for people: versioned writes, by id or by phone number.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A phone number is personal data and changes hands; what is kept is the person's id.
create function private.subject_ids(p_user_ids text[], p_phones text[]) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  v_ids text[] := coalesce(p_user_ids, '{}');
  v_phone text;
  v_contact uuid;
begin
  if exists (select from unnest(v_ids) as i (id) where i.id is null or char_length(i.id) not between 1 and 200) then
    raise exception 'a user id has 1 to 200 characters' using errcode = 'GL422';
  end if;
  foreach v_phone in array coalesce(p_phones, '{}') loop
    v_contact := private.identity_holder('whatsapp', 'phone', regexp_replace(v_phone, '[^0-9]', '', 'g'));
    if v_contact is null then
      raise exception 'nobody is known by the number that ends in %', right(v_phone, 4) using errcode = 'GL404',
        hint = 'A person becomes known with the first message. Let them write once, or give the contact''s id.';
    end if;
    v_ids := v_ids || v_contact::text;
  end loop;
  return array(select distinct id from unnest(v_ids) as i (id) order by id);
end $$;
comment on function private.subject_ids(text[], text[]) is
  'Ids and phone numbers (written in any way) as ids, each once, in order. GL404 for a number that nobody has, GL422 for an empty id.';
revoke execute on function private.subject_ids(text[], text[]) from public, anon, authenticated;

create function private.segment_at(p_key text, p_expected_version bigint) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_version bigint;
begin
  select version into v_version from public.segments s where s.key = p_key for update;
  if v_version is distinct from p_expected_version then
    raise exception 'segment % is at version %, not %', p_key, coalesce(v_version, 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
end $$;
comment on function private.segment_at(text, bigint) is 'Locks a segment that is at this version; GL409 when it is not.';
revoke execute on function private.segment_at(text, bigint) from public, anon, authenticated;

create function public.set_segment(p_key text, p_description text, p_expected_version bigint) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  if p_expected_version = 0 then
    -- One that was removed and comes back carries on counting, as settings do.
    insert into public.segments (key, description, version)
    values (p_key, coalesce(p_description, ''), 1 + coalesce(
      (select max(h.version) from public.segment_history h where h.segment_key = p_key), 0))
    on conflict (key) do nothing returning * into v_segment;
  end if;
  if v_segment.key is null then
    perform private.segment_at(p_key, p_expected_version);
    update public.segments
    set description = coalesce(p_description, description), version = version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
    where key = p_key returning * into v_segment;
  end if;
  return v_segment;
end $$;
comment on function public.set_segment(text, text, bigint) is
  'Makes a segment (version 0) or changes its description. For operators and secret keys. Errors: GL409 somebody else was faster, 23514 a key that cannot be.';
revoke execute on function public.set_segment(text, text, bigint) from public, anon;
grant execute on function public.set_segment(text, text, bigint) to authenticated, service_role;

-- Every isolate of every function holds the members in memory.
create function public.add_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  insert into public.segment_members (segment_key, subject_id)
  select p_key, id from unnest(private.subject_ids(p_user_ids, p_phones)) as i (id)
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', '', true);
  if (select count(*) from public.segment_members m where m.segment_key = p_key) > 10000 then
    raise exception 'a segment has at most 10000 members' using errcode = 'GL422',
      hint = 'Use a percentage for larger groups.';
  end if;
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.add_segment_members(text, bigint, text[], text[], text) is
  'Adds people to a segment, by id or by phone number (kept as the contact''s id); who is in it already is no error. At most 10,000. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has, GL422.';
revoke execute on function public.add_segment_members(text, bigint, text[], text[], text) from public, anon;
grant execute on function public.add_segment_members(text, bigint, text[], text[], text) to authenticated, service_role;

create function public.remove_segment_members(
  p_key text, p_expected_version bigint, p_user_ids text[] default '{}', p_phones text[] default '{}', p_reason text default null
) returns public.segments
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m
  where m.segment_key = p_key and m.subject_id = any (private.subject_ids(p_user_ids, p_phones));
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $$;
comment on function public.remove_segment_members(text, bigint, text[], text[], text) is
  'Takes people out of a segment; who was not in it is no error. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 a number that nobody has.';
revoke execute on function public.remove_segment_members(text, bigint, text[], text[], text) from public, anon;
grant execute on function public.remove_segment_members(text, bigint, text[], text[], text) to authenticated, service_role;

create function public.remove_segment(p_key text, p_expected_version bigint, p_reason text default null) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_flag text;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  select s.key into v_flag from public.settings s where s.metadata -> 'target_segments' ? p_key limit 1;
  if v_flag is not null then
    raise exception 'segment % is a target of %', p_key, v_flag using errcode = 'GL409',
      hint = 'Take it off the flag first.';
  end if;
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m where m.segment_key = p_key;
  perform set_config('gatelink.reason', '', true);
  delete from public.segments s where s.key = p_key;
  return found;
end $$;
comment on function public.remove_segment(text, bigint, text) is
  'Removes a segment that no flag targets; its history stays. False when there was none (version null). For operators and secret keys. Errors: GL409 a flag targets it, or somebody else was faster.';
revoke execute on function public.remove_segment(text, bigint, text) from public, anon;
grant execute on function public.remove_segment(text, bigint, text) to authenticated, service_role;
