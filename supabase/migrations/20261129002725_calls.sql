-- Calls to masked numbers: what is known of a call when it comes in.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.call_facts(p_number text, p_from text) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_number text;
  v_facts jsonb;
begin
  perform private.refuse_older_code();
  select n.number_id into v_number
  from public.org_numbers n join public.senders s on s.channel = n.channel and s.id = n.number_id
  where n.channel = 'sms' and s.address = p_number order by n.number_id limit 1;
  v_facts := public.relay_facts(v_number, p_from);
  if v_facts is null then
    return null;
  end if;
  return v_facts || jsonb_build_object('numberId', v_number,
    'countries', (select o.countries from public.orgs o where o.id = (v_facts ->> 'orgId')::uuid),
    'phones', (
      select coalesce(jsonb_object_agg(l.value ->> 'id', i.value order by i.id), '{}')
      from jsonb_array_elements(coalesce(v_facts #> '{thread,legs}', '[]')) as l (value)
      join public.contact_identities i on i.contact_id = (l.value ->> 'contactId')::uuid
        and i.channel = 'sms' and i.kind = 'phone' and i.valid_to is null),
    'desk', (
      select i.value from public.org_members m
      join public.contact_identities i on i.contact_id = m.contact_id and i.channel = 'sms' and i.kind = 'phone' and i.valid_to is null
      where m.org_id = (v_facts ->> 'orgId')::uuid and m.role in ('owner', 'admin')
      order by m.role = 'owner' desc, m.created_at, m.id limit 1));
end $$;
comment on function public.call_facts(text, text) is
  'What is known of a call from a phone (digits; empty if withheld) to one of our numbers (digits): the members of relay_facts, numberId, countries of the organisation, phones by leg, and desk: the phone of its owner, else of an admin, null without one. Null for a number of no organisation. For secret keys.';

call private.close_functions();
grant execute on function public.call_facts(text, text) to service_role;

insert into private.own_migrations (version) values ('20261129002725');
