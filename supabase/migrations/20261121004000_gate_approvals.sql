-- Launch gates: who has signed what.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A misspelt role would be one that nobody has to ask. (Not validated for rows from before: that would hold up every
-- reader of settings, and what cannot be understood asks for all four.)
alter table public.settings add constraint settings_approvers check (
  case when not metadata ? 'approvers' then true
    when jsonb_typeof(metadata -> 'approvers') <> 'array' then false
    else metadata -> 'approvers' <@ '["engineering", "security", "product", "cto"]' end) not valid;
comment on constraint settings_approvers on public.settings is
  'metadata.approvers: who has to approve the launch of a flag, any of engineering, security, product, cto.';

create table public.gate_approvals (
  id uuid primary key default private.uuid_v7(),
  flag_key text not null constraint gate_approvals_flag check (flag_key like '%.enabled'),
  gate text not null constraint gate_approvals_gate check (gate ~ '^[a-z][a-z_]{1,60}$'),
  role text not null constraint gate_approvals_role check (role in ('engineering', 'security', 'product', 'cto')),
  applies boolean not null,
  note text,
  signed_by uuid not null,
  signed_as text not null,
  signed_with text not null constraint gate_approvals_signed_with check (signed_with in ('session', 'secret_key')),
  signed_at timestamptz not null default now(),
  revoked_at timestamptz,
  revoked_by text,
  revoked_because text,
  constraint gate_approvals_not_applicable_says_why check (applies or coalesce(note, '') <> '')
);
comment on table public.gate_approvals is
  'Sign-offs of launch gates by people, one row each. Written by sign_gate and revoke_gate alone; a row is never deleted.';
comment on column public.gate_approvals.id is 'Key.';
comment on column public.gate_approvals.flag_key is 'The feature, by its flag. The flag may have been deleted since.';
comment on column public.gate_approvals.gate is
  'What was signed: approval (the launch as a whole, for the role), or a gate of the checklist such as smoke_tests.';
comment on column public.gate_approvals.role is 'The role in which it was signed.';
comment on column public.gate_approvals.applies is 'False: signed as not applicable; note says why.';
comment on column public.gate_approvals.note is 'What the person had to say.';
comment on column public.gate_approvals.signed_by is 'The user. Not a reference: a sign-off outlives the account.';
comment on column public.gate_approvals.signed_as is 'The user''s address when it was signed, for people who read it later.';
comment on column public.gate_approvals.signed_with is
  'session: the person was signed in. secret_key: a holder of a secret key signed for the person.';
comment on column public.gate_approvals.signed_at is 'When.';
comment on column public.gate_approvals.revoked_at is 'When it was taken back; null while it stands.';
comment on column public.gate_approvals.revoked_by is 'Who took it back: a user id, or the database role.';
comment on column public.gate_approvals.revoked_because is 'Why.';
create unique index gate_approvals_once_idx on public.gate_approvals (flag_key, gate, role, signed_by) where revoked_at is null;
comment on index public.gate_approvals_once_idx is 'A person signs once in a role.';
alter table public.gate_approvals enable row level security;
revoke all on public.gate_approvals from anon, authenticated, service_role, public;
grant select on public.gate_approvals to authenticated, service_role;
create policy gate_approvals_read on public.gate_approvals for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy gate_approvals_read on public.gate_approvals is 'The whole team sees who signed what.';

-- Failure policy: closed. Whoever is not known to hold the approval does not sign, secret key or not.
create function public.sign_gate(
  p_flag_key text, p_role text, p_gate text default 'approval', p_note text default null,
  p_applies boolean default true, p_signer text default null
) returns public.gate_approvals
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid := (select auth.uid());
  v_email text;
  v_with text := 'session';
  v_signed public.gate_approvals;
begin
  if v_user is null then
    perform private.require_role('admin');
    v_with := 'secret_key';
    select u.id into v_user from auth.users u where lower(u.email) = lower(p_signer);
    if v_user is null then
      raise exception 'there is no user %', coalesce(p_signer, '(no name given)') using errcode = 'GL404',
        hint = 'A secret key signs for a person: name one of the team by the address they sign in with.';
    end if;
  elsif p_signer is not null then
    raise exception 'whoever is signed in signs as themselves' using errcode = 'GL403';
  end if;
  if not exists (
    select from public.team_members m where m.user_id = v_user and p_role = any (m.approvals)) then
    raise exception 'this person may not sign as %', p_role using errcode = 'GL403',
      hint = 'An admin gives the approval: set_team_member(user, role, approvals).';
  end if;
  if not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  end if;
  -- Of a gate that is checked a signature would be kept, and would close nothing.
  if p_applies and p_gate not in ('approval', 'code_review', 'security_review', 'documentation', 'dashboards', 'smoke_tests',
    'edge_cases', 'on_call', 'status_page', 'communication') then
    raise exception '% is not signed: it is checked, or there is no such gate', p_gate using errcode = 'GL422',
      hint = 'It closes when what it looks at is well; where it does not apply, sign it as not applicable.';
  end if;
  select u.email into v_email from auth.users u where u.id = v_user;
  -- Whoever finds that a gate does not apply need not take their signature back by hand; the other way round they say why.
  if not p_applies then
    update public.gate_approvals g
    set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = 'signed as not applicable instead'
    where g.flag_key = p_flag_key and g.gate = p_gate and g.role = p_role and g.signed_by = v_user and g.applies and g.revoked_at is null;
  end if;
  insert into public.gate_approvals (flag_key, gate, role, applies, note, signed_by, signed_as, signed_with)
  values (p_flag_key, p_gate, p_role, p_applies, nullif(p_note, ''), v_user, coalesce(v_email, v_user::text), v_with)
  on conflict (flag_key, gate, role, signed_by) where revoked_at is null do nothing
  returning * into v_signed;
  if v_signed.id is null then
    raise exception '% has signed % of % as % already', coalesce(v_email, v_user::text), p_gate, p_flag_key, p_role
      using errcode = 'GL409', hint = 'Take it back first to sign anew.';
  end if;
  return v_signed;
end $$;
comment on function public.sign_gate(text, text, text, text, boolean, text) is
  'Signs a gate of a flag in a role, as the signed-in person or, with a secret key, for p_signer (an address). The person must hold that approval. As not applicable (p_applies false, with a note) it takes the place of the person''s plain signature. Answers the row. Errors: GL403 may not sign, GL404 no such user or flag, GL409 signed already, GL422 a gate that is checked or not there, 23514 a name that cannot be one.';
revoke execute on function public.sign_gate(text, text, text, text, boolean, text) from public, anon;
grant execute on function public.sign_gate(text, text, text, text, boolean, text) to authenticated, service_role;

create function public.revoke_gate(p_flag_key text, p_role text, p_gate text, p_because text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_revoked integer;
begin
  perform private.require_role('operator');
  if coalesce(p_because, '') = '' then
    raise exception 'a sign-off is not taken back without a reason' using errcode = 'GL422';
  end if;
  update public.gate_approvals
  set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = p_because
  where flag_key = p_flag_key and role = p_role and gate = p_gate and revoked_at is null;
  get diagnostics v_revoked = row_count;
  return v_revoked;
end $$;
comment on function public.revoke_gate(text, text, text, text) is
  'Takes back what was signed of a gate in a role, and answers how many sign-offs that were. For operators and secret keys: stopping a launch is nobody''s privilege. Errors: 42501 not allowed, GL422 no reason.';
revoke execute on function public.revoke_gate(text, text, text, text) from public, anon;
grant execute on function public.revoke_gate(text, text, text, text) to authenticated, service_role;
