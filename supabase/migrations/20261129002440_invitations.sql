-- Colleagues who are invited by mail: who, as what, until when. Supabase Auth sends the mail and keeps its secret; the function
-- wa-router asks it to.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.team_invitations (
  id uuid constraint team_invitations_pkey primary key default private.uuid_v7(),
  email text not null constraint team_invitations_email_form check (email = lower(email) and email ~ '^[^\s@]+@[^\s@]+$' and length(email) <= 254),
  user_id uuid constraint team_invitations_user_fkey references auth.users (id) on delete cascade,
  role text not null constraint team_invitations_role_known check (role in ('viewer', 'operator', 'admin')),
  invited_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  sends integer not null default 0,
  expires_at timestamptz not null
);
comment on table public.team_invitations is
  'Who is invited to the team and has not come yet. A row goes when its person comes, when it is revoked, or a month after it expired; private.change_history keeps what happened.';
comment on column public.team_invitations.id is 'UUID v7.';
comment on column public.team_invitations.email is 'Where the invitation goes, in lower case.';
comment on column public.team_invitations.user_id is 'The account that Supabase Auth made for the address: only that one can accept. Null until the mail is sent.';
comment on column public.team_invitations.role is 'The role that accepting gives.';
comment on column public.team_invitations.invited_by is 'Who invited: a user id, or key: and the name of a secret key.';
comment on column public.team_invitations.created_at is 'When it was first asked for.';
comment on column public.team_invitations.sent_at is 'When Supabase Auth last took the mail; null if it never did.';
comment on column public.team_invitations.sends is 'How often it was sent.';
comment on column public.team_invitations.expires_at is 'From then on it cannot be accepted, unless it is sent again.';
create unique index team_invitations_email_key on public.team_invitations (email);
comment on index public.team_invitations_email_key is 'One invitation an address: asking again sends it again.';
create index team_invitations_user_idx on public.team_invitations (user_id);
comment on index public.team_invitations_user_idx is 'Whom somebody who signs in for the first time is; serves the foreign key.';
alter table public.team_invitations enable row level security;
revoke all on public.team_invitations from public, anon, authenticated, service_role;
grant select on public.team_invitations to authenticated, service_role;
create policy team_invitations_read on public.team_invitations for select to authenticated
  using ((select private.has_role('admin')));
comment on policy team_invitations_read on public.team_invitations is 'Admins answer for who is in the team.';

create function private.record_invitation(p_invitation public.team_invitations, p_change text, p_by text default null) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into private.change_history (kind, name, ref, change, after, by)
  values ('invitation', private.without_local_part((p_invitation).email), (p_invitation).id::text, p_change,
    jsonb_build_object('role', (p_invitation).role), coalesce(p_by, private.actor()));
end $$;
comment on function private.record_invitation(public.team_invitations, text, text) is
  'Records what happened to an invitation, by the first letter and the domain of the address. For functions that run as their owner.';

create function public.start_invitation(p_email text, p_role text, p_by text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_email text := lower(trim(p_email));
  v_row public.team_invitations;
begin
  perform private.refuse_older_code();
  -- Whoever has proved that the address is theirs needs no mail.
  if exists (select from auth.users u where lower(u.email) = v_email and private.can_sign_in(u.id)) then
    raise exception 'somebody has an account with this address already' using errcode = 'GL409', hint = 'Add them: they need no invitation.';
  end if;
  insert into public.team_invitations as i (email, role, invited_by, expires_at)
  values (v_email, p_role, p_by, clock_timestamp() + interval '7 days')
  on conflict (email) do update
    set role = excluded.role, invited_by = excluded.invited_by, expires_at = excluded.expires_at
  returning * into v_row;
  return jsonb_build_object('id', v_row.id, 'email', v_row.email, 'role', v_row.role, 'expires_at', v_row.expires_at);
end $$;
comment on function public.start_invitation(text, text, text) is
  'Notes whom p_by invites as what, for seven days; asked again, with the role and the days anew. Returns {id, email, role, expires_at}. Only for the function wa-router, which has checked that p_by is an admin. Errors: GL409 somebody who can sign in has the address, 23514 unknown role or no address.';

create function public.settle_invitation(p_id uuid, p_user_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_row public.team_invitations;
begin
  perform private.refuse_older_code();
  update public.team_invitations i
  set user_id = p_user_id, sent_at = clock_timestamp(), sends = i.sends + 1
  where i.id = p_id returning * into v_row;
  if v_row.id is null then
    return false;
  end if;
  perform private.record_invitation(v_row, case v_row.sends when 1 then 'added' else 'resent' end, v_row.invited_by);
  return true;
end $$;
comment on function public.settle_invitation(uuid, uuid) is
  'Notes that Supabase Auth took the mail of an invitation, and for which account; false if it was revoked meanwhile. Only for the function wa-router.';

create function public.revoke_invitation(p_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_row public.team_invitations;
begin
  perform private.require_role('admin');
  delete from public.team_invitations i where i.id = p_id returning * into v_row;
  if v_row.id is null then
    return false;
  end if;
  perform private.record_invitation(v_row, 'removed');
  return true;
end $$;
comment on function public.revoke_invitation(uuid) is
  'Takes an invitation back: the link in its mail leads into no team any more. False if there is none of that id. For admins and secret keys. Errors: 42501 not allowed.';

create function public.accept_invitation() returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid := (select auth.uid());
  v_row public.team_invitations;
begin
  if v_user is null then
    raise exception 'nobody is signed in' using errcode = '42501';
  end if;
  delete from public.team_invitations i
  using auth.users u
  where i.user_id = v_user and u.id = v_user and lower(u.email) = i.email and i.expires_at > clock_timestamp()
    and private.can_sign_in(v_user)
  returning i.* into v_row;
  if v_row.id is null then
    return null;
  end if;
  insert into public.team_members (user_id, role) values (v_user, v_row.role) on conflict (user_id) do nothing;
  perform private.record_invitation(v_row, 'accepted');
  return jsonb_build_object('role', v_row.role);
end $$;
comment on function public.accept_invitation() is
  'Joins the team as the invitation of the signed-in account says: {role}; null if there is none, it has expired, or the account has another address now. For signed-in people. Errors: 42501 nobody is signed in.';

call private.close_functions();
grant execute on function
  public.start_invitation(text, text, text),
  public.settle_invitation(uuid, uuid)
  to service_role;
grant execute on function
  public.revoke_invitation(uuid)
  to authenticated, service_role;
grant execute on function public.accept_invitation() to authenticated;

insert into private.own_migrations (version) values ('20261129002440');
