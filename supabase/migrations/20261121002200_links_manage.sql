-- Making and keeping links. The functions at the edge check what they are given (form, allowlist) and who asks; these
-- keep what must hold whoever else writes in the same moment.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.whoami() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('user_id', m.user_id, 'role', m.role)
  from public.team_members m where m.user_id = (select auth.uid())
$$;
comment on function public.whoami() is 'The signed-in user as a member of the team, {user_id, role}; null for a stranger. How a function at the edge learns what a caller''s token is worth.';
revoke execute on function public.whoami() from public, anon;
grant execute on function public.whoami() to authenticated, service_role;

create function private.link_view(p_link public.links) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_strip_nulls(to_jsonb(p_link) - array['request_hash', 'taken', 'changed_in', 'campaign'])
    || jsonb_build_object('password', exists (select from private.link_passwords p where p.code = p_link.code))
$$;
comment on function private.link_view(public.links) is 'A link as its owners see it; of a password only whether there is one.';
revoke execute on function private.link_view(public.links) from public, anon, authenticated;
grant execute on function private.link_view(public.links) to service_role;

-- ---------------------------------------------------------------------------
-- Create
-- ---------------------------------------------------------------------------
create function private.link_outcomes(p_links jsonb, p_made text[]) returns table (ord bigint, outcome jsonb)
language sql stable set search_path = '' as $$
  select g.ord, case
    when p_made[g.ord] is not null then jsonb_build_object('status', 201, 'code', p_made[g.ord])
    -- The same external id: the same link, if it was the same request. Whether it was the same password only who knows
    -- the password can tell.
    when e.code is not null and e.request_hash = g.item ->> 'request_hash' then jsonb_build_object('status', 200, 'code', e.code)
      || case when g.item ? 'password_hash' then jsonb_build_object('password_hash', (
        select p.hash from private.link_passwords p where p.code = e.code)) else '{}' end
    when e.code is not null then jsonb_build_object('status', 409, 'error', 'external_id_taken')
    when g.item ->> 'code' = any (private.reserved_link_codes()) then jsonb_build_object('status', 422, 'error', 'code_reserved')
    when c.code is not null then jsonb_build_object('status', 409, 'error', 'code_taken')
    end
  from jsonb_array_elements(p_links) with ordinality as g (item, ord)
  left join public.links e on e.external_id = g.item ->> 'external_id' and e.state <> 'deleted'
  left join public.links c on c.code = (g.item ->> 'code') collate "C"
$$;
comment on function private.link_outcomes(jsonb, text[]) is 'What is known about each of some links to be made: {status, code | error, password_hash}, null for one that can be made now. p_made: the codes of those made so far, by place.';
revoke execute on function private.link_outcomes(jsonb, text[]) from public, anon, authenticated;
grant execute on function private.link_outcomes(jsonb, text[]) to service_role;

-- What is open is inserted; whom a conflict kept out (within the batch, with somebody else, or a random code that was
-- taken) is looked at again. Each turn settles all but those.
create function public.create_links(p_links jsonb, p_actor text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_made text[] := array_fill(null::text, array[jsonb_array_length(p_links)]);
  v_open bigint[];
  v_row record;
begin
  for v_turn in 1..10 loop
    select array_agg(o.ord order by o.ord) into v_open
    from private.link_outcomes(p_links, v_made) o where o.outcome is null;
    exit when v_open is null;
    for v_row in
      with open as (
        select g.ord, coalesce(g.item ->> 'code', private.new_link_code()) as code, l.*
        from jsonb_array_elements(p_links) with ordinality as g (item, ord)
        cross join lateral jsonb_to_record(g.item) as l (
          external_id text, request_hash text, default_url text, targets jsonb, whatsapp jsonb, starts_at timestamptz,
          expires_at timestamptz, expired_url text, max_uses integer, utm jsonb, pass_query boolean, tags text[],
          flag_key text, preview jsonb, fingerprint boolean, password_hash text)
        where g.ord = any (v_open)
      ), first_of as (
        -- Within the batch the first of an external id or code goes first.
        select distinct on (coalesce('x' || o.external_id, 'n' || o.ord)) o.* from open o
        order by coalesce('x' || o.external_id, 'n' || o.ord), o.ord
      ), made as (
        insert into public.links (
          code, external_id, request_hash, default_url, targets, whatsapp, starts_at, expires_at, expired_url, max_uses,
          utm, pass_query, tags, flag_key, preview, fingerprint, created_by, updated_by)
        select f.code, f.external_id, f.request_hash, f.default_url, coalesce(f.targets, '[]'), f.whatsapp, f.starts_at,
          f.expires_at, f.expired_url, f.max_uses, coalesce(f.utm, '{}'), coalesce(f.pass_query, false),
          coalesce(f.tags, '{}'), f.flag_key, f.preview, coalesce(f.fingerprint, false), p_actor, p_actor
        from (select distinct on (f.code) f.* from first_of f order by f.code, f.ord) f
        order by f.code
        on conflict do nothing
        returning code
      ), with_password as (
        insert into private.link_passwords (code, hash)
        select m.code, f.password_hash from made m join first_of f on f.code = m.code where f.password_hash is not null
      )
      select min(f.ord) as ord, m.code from made m join first_of f on f.code = m.code group by m.code
    loop
      v_made[v_row.ord] := v_row.code;
    end loop;
  end loop;
  return (
    select coalesce(jsonb_agg(coalesce(o.outcome, '{"status": 503, "error": "no_code_found"}') order by o.ord), '[]')
    from private.link_outcomes(p_links, v_made) o);
end $$;
comment on function public.create_links(jsonb, text) is 'Makes links that were checked before, in the name of p_actor, and answers for each in order {status, code | error}: 201 made; 200 made before with this external_id and request_hash, for one with a password with the password_hash that it has now, to be compared; 409 external_id_taken or code_taken; 422 code_reserved. For secret keys.';
revoke execute on function public.create_links(jsonb, text) from public, anon, authenticated;
grant execute on function public.create_links(jsonb, text) to service_role;

-- ---------------------------------------------------------------------------
-- Change
-- ---------------------------------------------------------------------------
create function public.find_link(p_code text) returns jsonb
language sql stable set search_path = '' as $$
  select private.link_view(l) from public.links l where l.code = p_code and l.state <> 'deleted'
$$;
comment on function public.find_link(text) is 'A link as its owners see it, null when there is none or it was deleted. For secret keys.';
revoke execute on function public.find_link(text) from public, anon, authenticated;
grant execute on function public.find_link(text) to service_role;

-- The whole of it, as checked before: the caller has read version p_version and changed what it wants changed.
create function public.update_link(p_code text, p_version integer, p_link jsonb, p_actor text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_link public.links;
begin
  update public.links l
  set external_id = n.external_id, default_url = n.default_url, targets = coalesce(n.targets, '[]'),
    whatsapp = n.whatsapp, starts_at = n.starts_at, expires_at = n.expires_at, expired_url = n.expired_url,
    max_uses = n.max_uses, utm = coalesce(n.utm, '{}'), pass_query = coalesce(n.pass_query, false),
    tags = coalesce(n.tags, '{}'), flag_key = n.flag_key, preview = n.preview,
    fingerprint = coalesce(n.fingerprint, false), state = coalesce(n.state, l.state),
    version = l.version + 1, updated_at = clock_timestamp(), updated_by = p_actor
  from jsonb_to_record(p_link) as n (
    external_id text, default_url text, targets jsonb, whatsapp jsonb, starts_at timestamptz, expires_at timestamptz,
    expired_url text, max_uses integer, utm jsonb, pass_query boolean, tags text[], flag_key text, preview jsonb,
    fingerprint boolean, state text)
  where l.code = p_code and l.version = p_version and l.state <> 'deleted'
  returning l.* into v_link;
  if v_link.code is null then
    return null;
  end if;
  -- A key password_hash that is null takes the password away; without the key it stays.
  if p_link ? 'password_hash' then
    delete from private.link_passwords p where p.code = p_code;
    insert into private.link_passwords (code, hash)
    select p_code, p_link ->> 'password_hash' where p_link ->> 'password_hash' is not null;
  end if;
  return private.link_view(v_link);
end $$;
comment on function public.update_link(text, integer, jsonb, text) is 'Writes a link if it still is at the version the caller read, and answers it; null when it is not. 23505 when the external id is another link''s. For secret keys.';
revoke execute on function public.update_link(text, integer, jsonb, text) from public, anon, authenticated;
grant execute on function public.update_link(text, integer, jsonb, text) to service_role;

create function public.delete_link(p_code text, p_actor text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  update public.links l
  set state = 'deleted', version = l.version + 1, updated_at = clock_timestamp(), updated_by = p_actor
  where l.code = p_code and l.state <> 'deleted';
  return found;
end $$;
comment on function public.delete_link(text, text) is 'Deletes a link for its visitors; clicks stay, and the code is never used again. False when there was none. For secret keys.';
revoke execute on function public.delete_link(text, text) from public, anon, authenticated;
grant execute on function public.delete_link(text, text) to service_role;

-- ---------------------------------------------------------------------------
-- Lists and figures
-- ---------------------------------------------------------------------------
create function public.list_links(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_links jsonb;
begin
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(private.link_view(x.l) order by x.created_at desc, x.code desc), ''[]'')
     from (select l, l.created_at, l.code from public.links l where %s order by l.created_at desc, l.code desc limit $2) x',
    concat_ws(' and ',
      case when p_filter ? 'state' then 'l.state = $1 ->> ''state''' else 'l.state <> ''deleted''' end,
      case when p_filter ? 'code' then 'l.code = $1 ->> ''code''' end,
      case when p_filter ? 'external_id' then 'l.external_id = $1 ->> ''external_id''' end,
      case when p_filter ? 'tag' then 'l.tags @> array[$1 ->> ''tag'']' end,
      case when p_filter ? 'campaign' then 'l.campaign = $1 ->> ''campaign''' end,
      case when p_filter ? 'after_code' then
        '(l.created_at, l.code) < (($1 ->> ''after_at'')::timestamptz, ($1 ->> ''after_code'') collate "C")' end))
  using p_filter, p_limit into v_links;
  return v_links;
end $$;
comment on function public.list_links(jsonb, integer) is 'Links, newest first, at most p_limit. Filter: any of code, external_id, tag, campaign, state (without it all but deleted ones), and after_at with after_code, which are created_at and code of the last one of the page before. For secret keys.';
revoke execute on function public.list_links(jsonb, integer) from public, anon, authenticated;
grant execute on function public.list_links(jsonb, integer) to service_role;

create function public.link_stats(p_code text, p_from date, p_to date) returns jsonb
language sql stable set search_path = '' as $$
  with days as materialized (select * from private.link_days(p_code, p_from, p_to))
  select jsonb_build_object(
    'code', l.code, 'uses', l.uses, 'max_uses', l.max_uses, 'from', p_from, 'to', p_to,
    'clicks', (
      select jsonb_build_object('human', coalesce(sum(d.human), 0), 'bot', coalesce(sum(d.bot), 0),
        'preview', coalesce(sum(d.preview), 0), 'prefetch', coalesce(sum(d.prefetch), 0)) from days d),
    'visitors', (select coalesce(sum(d.visitors), 0) from days d),
    'days', (
      select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'human', d.human, 'bot', d.bot, 'preview', d.preview,
        'prefetch', d.prefetch, 'visitors', d.visitors) order by d.day), '[]') from days d),
    'platforms', (select private.add_up(array_agg(d.platforms)) from days d),
    'countries', (select private.add_up(array_agg(d.countries)) from days d),
    'referrers', (select private.add_up(array_agg(d.referrers)) from days d),
    'targets', (select private.add_up(array_agg(d.targets)) from days d))
  from public.links l where l.code = p_code
$$;
comment on function public.link_stats(text, date, date) is 'A link''s clicks from day to day (UTC), both included: {code, uses, max_uses, from, to, clicks, visitors (a visitor counts once a day), days, platforms, countries, referrers, targets}; null when there is no such link. For secret keys.';
revoke execute on function public.link_stats(text, date, date) from public, anon, authenticated;
grant execute on function public.link_stats(text, date, date) to service_role;
