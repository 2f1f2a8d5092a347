-- Masked messaging in the app: what detection found, for the owner to review, and what a text from the app is judged by.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.list_findings(p_org uuid, p_reviewed boolean default false, p_before uuid default null, p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return jsonb_build_object(
    'open', (select count(*) from public.policy_findings f where f.org_id = p_org and f.was_right is null),
    'right', (select count(*) from public.policy_findings f where f.org_id = p_org and f.was_right),
    'false_alarms', (select count(*) from public.policy_findings f where f.org_id = p_org and not f.was_right),
    'texts', (
      select coalesce(jsonb_agg(private.inbox_entry(d) order by d.id desc), '[]')
      from (
        select distinct f.decision_id from public.policy_findings f
        where f.org_id = p_org and (f.was_right is not null) = p_reviewed and (p_before is null or f.decision_id < p_before)
        order by f.decision_id desc limit least(p_limit, 200)) found
      join public.thread_decisions d on d.id = found.decision_id));
end $$;
comment on function public.list_findings(uuid, boolean, uuid, integer) is 'Texts with findings that nobody has reviewed, or with reviewed ones, the newest first, before one of them (p_before, its id): {open, right, false_alarms, texts}; the three count findings. For secret keys.';

create function public.text_ground(p_org uuid, p_thread uuid, p_member uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select jsonb_build_object('countries', to_jsonb(o.countries),
      'own_numbers', (
        select coalesce(jsonb_agg(s.address order by s.address), '[]')
        from public.org_numbers n join public.senders s on s.channel = n.channel and s.id = n.number_id
        where n.org_id = o.id and (n.class = 'front_desk' or n.number_id = t.message_number_id)),
      'earlier', (
        select coalesce(jsonb_agg(e.words order by e.id), '[]') from (
          select d.id, coalesce(m.text, d.text) as words
          from public.thread_decisions d left join public.messages m on m.id = d.message_id
          where d.thread_id = t.id and d.from_role = 'sitter'
            and d.contact_id = (select x.contact_id from public.org_members x where x.id = p_member)
            and d.at > clock_timestamp() - interval '10 minutes' and coalesce(m.text, d.text) is not null
          order by d.id desc limit 3) e))
    from public.threads t join public.orgs o on o.id = t.org_id where t.id = p_thread and t.org_id = p_org);
end $$;
comment on function public.text_ground(uuid, uuid, uuid) is 'What detection reads a text of a sitter (org_members.id) from the app by: {countries, own_numbers (phones of the organisation that a text may name), earlier (what the same sitter wrote there within ten minutes before, oldest first)}; null if there is no such thread. For secret keys.';

call private.close_functions();
grant execute on function
  public.list_findings(uuid, boolean, uuid, integer),
  public.text_ground(uuid, uuid, uuid)
  to service_role;

insert into private.own_migrations (version) values ('20261129002730');
