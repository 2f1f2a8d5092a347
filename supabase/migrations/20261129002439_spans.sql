-- What happened from one time to another: charts that are zoomed, the span before beside them, and the messages behind a spike.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.traffic(p_minutes integer, p_until timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.per_minute(least(greatest(coalesce(p_minutes, 60), 1), 1440), least(p_until, clock_timestamp()));
end $$;
comment on function public.traffic(integer, timestamptz) is
  'Messages in and out of each minute up to the one that p_until is in, at most 1440, oldest first: [{minute, in, out}]. Minutes are kept for two days. For viewers and secret keys.';

create function public.destination_span(p_destination text, p_from timestamptz, p_to timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  if p_from is null or p_to is null or p_to <= p_from or p_to - p_from > interval '1 day' then
    raise exception 'a span ends after it begins, and within a day' using errcode = 'GL422';
  end if;
  return private.destination_figures(p_destination, p_from, p_to);
end $$;
comment on function public.destination_span(text, timestamptz, timestamptz) is
  'As destination_figures, from p_from to before p_to, at most a day. For viewers and secret keys. Errors: GL404 no such destination, GL422 no such span.';

create function private.is_in_trouble(p_message public.messages) returns boolean
language sql stable set search_path = '' as $$
  select case p_message.direction when 'out' then p_message.status = 'failed'
    else exists (select from public.deliveries d where d.message_id = p_message.id and d.state <> 'delivered')
      or not exists (select from public.routing_decisions r where r.message_id = p_message.id and r.reason <> 'no_match') end
$$;
comment on function private.is_in_trouble(public.messages) is
  'Whether a sent message failed, or one that came in has no route, is not decided yet, or is not delivered everywhere.';

-- A page reads a bounded number of messages, so that a filter that few match costs no more; the next one goes on from there.
create function public.messages_in_span(p_from timestamptz, p_to timestamptz, p_filter jsonb default '{}', p_limit integer default 50)
returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
  v_limit constant integer := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_examined constant integer := 2000;
  v_direction constant text := p_filter ->> 'direction';
  v_link constant text := lower(p_filter ->> 'link');
  v_trouble constant boolean := coalesce(p_filter ->> 'trouble', '') = 'true';
  v_before uuid := coalesce((p_filter ->> 'before')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  -- Here and not in the conditions, where it may be called for each row.
  v_first constant uuid := private.uuid_v7_from(p_from - interval '20 seconds');
  v_end constant uuid := private.uuid_v7_from(p_to + interval '20 seconds');
  v_message public.messages;
  v_read integer := 0;
  v_found jsonb := '[]';
  v_next uuid;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  for v_message in
    select m.* from public.messages m
    where m.id >= v_first and m.id < v_end
      and m.id < v_before and m.created_at >= p_from and m.created_at < p_to
      and (v_direction is null or m.direction = v_direction)
      and (v_link is null or exists (
        select from public.attributions a where a.message_id = m.id and a.code = v_link collate "C"))
    order by m.id desc limit v_examined
  loop
    v_read := v_read + 1;
    if not v_trouble or private.is_in_trouble(v_message) then
      v_found := v_found || (
        select private.message_view(v_message, c.contact_id, v_words)
          || jsonb_build_object('conversation', private.conversation_view(c, null::public.messages, v_words))
        from public.conversations c where c.id = v_message.conversation_id);
    end if;
    if jsonb_array_length(v_found) >= v_limit or v_read = v_examined then
      v_next := v_message.id;
      exit;
    end if;
  end loop;
  return jsonb_build_object('messages', v_found, 'next', v_next);
end $$;
comment on function public.messages_in_span(timestamptz, timestamptz, jsonb, integer) is
  'Messages stored from p_from to before p_to, newest first: {messages: [as conversation_messages, each with its conversation], next: the id to pass as before for the page after, null at the end}. Filter: any of direction (in or out), trouble (true: failed, without a route, not decided yet or not delivered everywhere), link (a code that they came from), before. A page ends after p_limit messages, at most 200, or after 2,000 were looked at, so that it may be empty and yet have a next. Words are null for viewers. For viewers and secret keys.';

call private.close_functions();
grant execute on function
  private.is_in_trouble(public.messages)
  to service_role;
grant execute on function
  public.traffic(integer, timestamptz),
  public.destination_span(text, timestamptz, timestamptz),
  public.messages_in_span(timestamptz, timestamptz, jsonb, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002439');
