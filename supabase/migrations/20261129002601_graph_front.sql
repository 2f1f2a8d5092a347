-- What clients of Meta's Graph API are answered about a message that they send through us.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.outbound_outcome(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select jsonb_build_object('state', o.state, 'error', o.error, 'provider_id', m.provider_id,
      'phone', (
        select i.value from public.contact_identities i
        where i.contact_id = c.contact_id and i.kind = 'phone' and i.valid_to is null order by i.id limit 1),
      'bsuid', (
        select i.value from public.contact_identities i
        where i.contact_id = c.contact_id and i.kind = 'bsuid' and i.valid_to is null order by i.id limit 1))
    from public.outbound_messages o join public.conversations c on c.id = o.conversation_id
    left join public.messages m on m.id = o.message_id
    where o.id = p_id);
end $$;
comment on function public.outbound_outcome(uuid) is 'What became of a queued message so far: {state, error (the provider''s), provider_id, phone, bsuid (of the recipient)}. For secret keys.';

call private.close_functions();
grant execute on function public.outbound_outcome(uuid) to service_role;

insert into private.own_migrations (version) values ('20261129002601');
