-- Masked messaging: people of an organisation and clients by what others know them by, an e-mail address and a phone.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.org_contact(p_phone text, p_name text default null) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_phone text := regexp_replace(p_phone, '[^0-9]', '', 'g');
begin
  perform private.refuse_older_code();
  if p_phone !~ '^\+[0-9 ().-]{7,30}$' or v_phone !~ '^[1-9][0-9]{6,14}$' then
    raise exception 'a phone is written with its country code' using errcode = 'GL422', hint = 'For example +12025550143.';
  end if;
  perform private.lock_contacts();
  return private.resolve_contact('sms', array[('phone', v_phone, null)::private.identity], nullif(trim(p_name), ''), now(), null);
end $$;
comment on function public.org_contact(text, text) is
  'The contact with this phone (+12025550143), made if there is none, for bookings and members; with a name it is called so from then on. For secret keys. Errors: GL422 no phone.';

-- Definer, because nobody else may read who has which address.
create function public.set_org_person(p_org uuid, p_role text, p_person jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_email text := lower(trim(p_person ->> 'email'));
  v_known uuid[];
  v_users uuid[];
begin
  perform private.refuse_older_code();
  if not exists (select from public.orgs o where o.id = p_org) then
    raise exception 'there is no such organisation' using errcode = 'GL404';
  end if;
  if v_email is null and p_person ->> 'phone' is null then
    raise exception 'a person has an e-mail address, a phone, or both' using errcode = 'GL422';
  end if;
  if v_email is not null then
    select array_agg(u.id), array_agg(u.id) filter (where private.can_sign_in(u.id)) into v_known, v_users
    from auth.users u where lower(u.email) = v_email and u.deleted_at is null;
    if v_known is null then
      raise exception 'nobody has signed up as %', v_email using errcode = 'GL404',
        hint = 'Invite them in Supabase (Authentication, Users) first.';
    elsif v_users is null then
      raise exception '% cannot sign in: the address is not confirmed, or the account is banned', v_email using errcode = 'GL422',
        hint = 'They open the link in the mail that Supabase sent them; then add them.';
    elsif cardinality(v_users) > 1 then
      raise exception '% accounts have confirmed the address %', cardinality(v_users), v_email using errcode = 'GL300',
        hint = 'Delete all but one in Supabase (Authentication, Users), or add one by its id with set_org_member.';
    end if;
  end if;
  return public.set_org_member(p_org, p_role, v_users[1],
    case when p_person ->> 'phone' is not null then public.org_contact(p_person ->> 'phone', p_person ->> 'name') end);
end $$;
comment on function public.set_org_person(uuid, text, jsonb) is
  'Adds somebody to an organisation, or changes role, account or phone of one who is in it: {email (of a confirmed account), phone (+12025550143), name}; one of the first two. Returns what set_org_member does. For secret keys. Errors: GL404 no such organisation or account, GL300 several accounts, GL422 no phone, or an account that cannot sign in, 23505 another member has the phone or account, 23514 unknown role.';

create function public.list_org_people(p_org uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'role', m.role, 'email', u.email, 'name', c.name,
        'last4', right(private.address_of(c.id, c.channel, null), 4)) order by m.role, m.id), '[]')
    from public.org_members m
    left join auth.users u on u.id = m.user_id
    left join public.contacts c on c.id = m.contact_id
    where m.org_id = p_org);
end $$;
comment on function public.list_org_people(uuid) is 'People of an organisation: [{id, role, email (of who signs in), name, last4 (of the phone)}]. For secret keys.';

call private.close_functions();
grant execute on function
  public.org_contact(text, text),
  public.set_org_person(uuid, text, jsonb),
  public.list_org_people(uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002731');
