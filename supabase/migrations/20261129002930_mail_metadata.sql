-- What became of mails, for a file: the way of each, and nothing of what it says or whose it is.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A page reads a bounded stretch of messages, however few of them are mails.
create function public.export_mail_metadata(p_since timestamptz, p_after uuid default null, p_limit integer default 2000) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_limit integer := least(greatest(coalesce(p_limit, 2000), 1), 5000);
  v_page jsonb;
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  with scanned as materialized (
    select m.id, m.channel, m.direction, m.created_at, m.native from public.messages m
    where m.id > coalesce(p_after, private.uuid_v7_from(coalesce(p_since, clock_timestamp() - interval '30 days')))
    order by m.id limit v_limit
  )
  select jsonb_build_object(
    'next', case when (select count(*) from scanned) = v_limit then (select s.id from scanned s order by s.id desc limit 1) end,
    'mails', coalesce(jsonb_agg(jsonb_build_object(
      'id', s.id, 'received_at', s.created_at,
      'domain', a.parts[1], 'scope', a.parts[2], 'type', a.parts[3],
      'kind', s.native ->> 'kind', 'verdict', s.native ->> 'verdict', 'verified', s.native -> 'verified',
      'files', case jsonb_typeof(s.native -> 'attachments') when 'array' then jsonb_array_length(s.native -> 'attachments') else 0 end,
      'route', r.route_name, 'reason', r.reason,
      'deliveries', (
        select coalesce(jsonb_agg(jsonb_build_object('destination', t.name, 'kind', t.kind, 'state', d.state, 'attempts', d.attempt,
          'delivered_at', d.delivered_at, 'chat', c.chat_id, 'card', c.state) order by d.id), '[]')
        from public.deliveries d join public.destinations t on t.id = d.destination_id
        left join public.cards c on c.delivery_id = d.id where d.message_id = s.id)) order by s.id), '[]'))
  into v_page
  from scanned s
  cross join lateral (
    -- The parts as routes read them: an address of another form has none.
    select case when l.name ~ '^[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32}){0,2}$' then string_to_array(l.name, '.') end as parts
    from (select split_part(split_part(lower(coalesce(s.native ->> 'recipient', '')), '@', 1), '+', 1) as name) l) a
  left join public.routing_decisions r on r.message_id = s.id
  where s.channel = 'email' and s.direction = 'in';
  return v_page;
end $$;
comment on function public.export_mail_metadata(timestamptz, uuid, integer) is
  'Mails that came in since a time (30 days ago unless given), without sender, subject and text: {mails: [{id, received_at, domain, scope, type, kind, verdict, verified, files, route, reason, deliveries: [{destination, kind, state, attempts, delivered_at, chat, card}]}], next: where the following page begins (p_after), null at the end}. A page reads p_limit messages of every channel (2000, at most 5000), so it may have no mails. For operators and secret keys. Errors: 42501 not allowed.';

call private.close_functions();
grant execute on function public.export_mail_metadata(timestamptz, uuid, integer) to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002930');
