-- The team by name, and how fast numbers send.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.list_team() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('user_id', m.user_id, 'email', u.email, 'role', m.role,
      'approvals', m.approvals, 'created_at', m.created_at) order by u.email), '[]')
    from public.team_members m join auth.users u on u.id = m.user_id);
end $$;
comment on function public.list_team() is
  'The team: [{user_id, email, role, approvals, created_at}]. Its members know each other''s addresses; histories name people by user_id. For viewers and secret keys.';
revoke execute on function public.list_team() from public, anon;
grant execute on function public.list_team() to authenticated, service_role;

create function public.add_team_member(p_email text, p_role text, p_approvals text[] default null)
returns public.team_members
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid;
begin
  perform private.require_role('admin');
  select u.id into v_user from auth.users u where lower(u.email) = lower(trim(p_email)) order by u.created_at limit 1;
  if v_user is null then
    raise exception 'nobody has signed up as %', p_email using errcode = 'GL404',
      hint = 'Invite them in Supabase (Authentication, Users) first; then add them here.';
  end if;
  if exists (select from public.team_members m where m.user_id = v_user) then
    raise exception '% is in the team already', p_email using errcode = 'GL409', hint = 'Change the role instead.';
  end if;
  return public.set_team_member(v_user, p_role, p_approvals);
end $$;
comment on function public.add_team_member(text, text, text[]) is
  'Adds whoever signs in with this address to the team. For admins and secret keys. Errors: 42501 not allowed, GL404 no such user, GL409 a member already, 23514 unknown role or approval.';
revoke execute on function public.add_team_member(text, text, text[]) from public, anon;
grant execute on function public.add_team_member(text, text, text[]) to authenticated, service_role;

create function public.set_number_pace(p_id text, p_max_per_second integer, p_pair_seconds numeric, p_pair_burst integer)
returns public.wa_numbers
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_number public.wa_numbers;
begin
  perform private.require_role('operator');
  update public.wa_numbers n
  set max_per_second = p_max_per_second, pair_seconds = p_pair_seconds, pair_burst = p_pair_burst
  where n.id = p_id returning n.* into v_number;
  if v_number.id is null then
    raise exception 'there is no number %', p_id using errcode = 'GL404';
  end if;
  return v_number;
end $$;
comment on function public.set_number_pace(text, integer, numeric, integer) is
  'How fast a business number sends: messages a second in all (1 to 1,000), seconds between two to the same person, and how many of these may go at once. For operators and secret keys. Errors: 42501 not allowed, GL404 no such number, 23514 a value that cannot be.';
revoke execute on function public.set_number_pace(text, integer, numeric, integer) from public, anon;
grant execute on function public.set_number_pace(text, integer, numeric, integer) to authenticated, service_role;
