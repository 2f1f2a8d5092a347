-- Storms: when more mails wait for a chat than Telegram takes, those of one kind are shown by one card with a counter.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.card_storms (
  destination_id uuid not null references public.destinations (id) on delete cascade,
  pattern bytea not null,
  leader uuid not null references public.deliveries (id) on delete cascade,
  last_at timestamptz not null,
  constraint card_storms_pkey primary key (destination_id, pattern)
);
comment on table private.card_storms is 'What comes to a chat faster than it can be shown, by the kind of mail.';
comment on constraint card_storms_pkey on private.card_storms is 'One card at a time for each kind.';
comment on column private.card_storms.destination_id is 'The destination that leads to the chat.';
comment on column private.card_storms.pattern is 'SHA-256 of what mails of the kind have in common: address, subject without numbers, and of people the sender.';
comment on column private.card_storms.leader is 'The delivery whose card shows the others.';
comment on column private.card_storms.last_at is 'When the last mail of the kind came.';
create index card_storms_leader_idx on private.card_storms (leader);
comment on index private.card_storms_leader_idx is 'For the removal of a delivery.';
alter table private.card_storms enable row level security;
revoke all on private.card_storms from public, anon, authenticated;
grant select, insert, update, delete on private.card_storms to service_role;

create table public.card_folds (
  delivery_id uuid primary key references public.deliveries (id) on delete cascade,
  leader uuid not null references public.deliveries (id) on delete cascade,
  at timestamptz not null default now()
);
comment on table public.card_folds is 'Deliveries without a card of their own: another one''s card counts and names them.';
comment on column public.card_folds.delivery_id is 'The delivery.';
comment on column public.card_folds.leader is 'The delivery whose card shows it.';
comment on column public.card_folds.at is 'Since when.';
create index card_folds_leader_idx on public.card_folds (leader, at);
comment on index public.card_folds_leader_idx is 'What a card shows besides its own mail, latest last.';
alter table public.card_folds enable row level security;
revoke all on public.card_folds from public, anon, authenticated;
grant select on public.card_folds to authenticated;
grant select, insert, update, delete on public.card_folds to service_role;
create policy "team reads folds" on public.card_folds for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads folds" on public.card_folds is 'They say where a message was shown.';

-- Of addresses that machines write to, mails of all senders are of one kind; two people who write the same are two.
create function private.card_pattern(p_native jsonb) returns bytea
language sql immutable set search_path = '' as $$
  select sha256(convert_to(concat_ws(E'\n', a.address, regexp_replace(lower(left(coalesce(p_native ->> 'subject', ''), 300)), '[0-9]+', '#', 'g'),
    case when a.address ~ '^[^.@]+\.[^.@]+\.(alert|incident|security|deploy|report)@' then '' else lower(p_native #>> '{from,address}') end), 'UTF8'))
  from (select regexp_replace(lower(coalesce(p_native ->> 'recipient', '')), '\+[^@]*', '') as address) a
$$;
comment on function private.card_pattern(jsonb) is 'What mails have in common that one card may show: the address, the subject without numbers, and the sender unless machines write to that address.';

create function private.is_urgent_address(p_address text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_address ~* '^[^.@]+\.[^.@]+\.(alert|incident|security)(\+[^@]*)?@', false)
$$;
comment on function private.is_urgent_address(text) is 'Whether mails to this address come before others when a chat cannot take all.';

-- The caller holds the destination's row. Lanes that somebody else holds are left for the next time: whoever settles has
-- lanes and waits for the destination.
create function private.fold_cards(p_destination public.destinations, p_now timestamptz) returns timestamptz
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
declare
  v_tat timestamptz := p_destination.rate_tat;
  v_free integer := p_destination.rate_burst - ceil(greatest(0, extract(epoch from coalesce(v_tat, p_now) - p_now) * p_destination.rate_per_second))::integer;
  v_crowded boolean;
  v_lanes uuid[];
  v_mail record;
  v_storm private.card_storms;
  v_folded uuid[] := '{}';
  v_leaders uuid[] := '{}';
  v_leader uuid;
begin
  select count(*) > greatest(v_free, 0) into v_crowded from (
    select from public.deliveries d where d.destination_id = p_destination.id and d.state in ('pending', 'leased') limit greatest(v_free, 0) + 1) w;
  if not v_crowded and not exists (
    select from private.card_storms s where s.destination_id = p_destination.id and s.last_at > p_now - interval '2 minutes') then
    return v_tat;
  end if;
  v_lanes := array(
    select l.conversation_id from private.delivery_lanes l
    where l.destination_id = p_destination.id and l.channel = 'email' and l.due_at <= p_now and l.lease is null
    order by l.due_at limit 500 for update skip locked);
  for v_mail in
    select d.id, private.card_pattern(m.native) as pattern
    from unnest(v_lanes) as lane (conversation_id)
    cross join lateral (
      select x.id, x.message_id, x.seq from public.deliveries x
      where x.destination_id = p_destination.id and x.conversation_id = lane.conversation_id and x.state = 'pending' and x.attempt = 0 and x.resent = 0
        and x.message_id is not null
      order by x.seq limit 500) d
    join public.messages m on m.id = d.message_id
    where m.native is not null
    order by d.seq limit 500
  loop
    select * into v_storm from private.card_storms s where s.destination_id = p_destination.id and s.pattern = v_mail.pattern;
    if v_storm.leader = v_mail.id then
      continue;
    elsif v_storm.leader is not null and v_storm.last_at > p_now - interval '10 minutes' and exists (
      select from public.deliveries d left join public.cards c on c.delivery_id = d.id
      where d.id = v_storm.leader and d.created_at > p_now - interval '1 hour' and d.state <> 'dead'
        and (d.state <> 'delivered' or c.state in ('open', 'acknowledged', 'snoozed'))) then
      v_folded := v_folded || v_mail.id;
      v_leaders := v_leaders || v_storm.leader;
      update private.card_storms s set last_at = p_now where s.destination_id = p_destination.id and s.pattern = v_mail.pattern;
    elsif v_crowded then
      insert into private.card_storms as s (destination_id, pattern, leader, last_at) values (p_destination.id, v_mail.pattern, v_mail.id, p_now)
      on conflict (destination_id, pattern) do update set leader = excluded.leader, last_at = excluded.last_at;
    end if;
  end loop;
  if v_folded <> '{}' then
    insert into public.card_folds (delivery_id, leader, at)
    select f.id, f.leader, p_now from unnest(v_folded, v_leaders) as f (id, leader)
    on conflict (delivery_id) do update set leader = excluded.leader, at = excluded.at;
    update public.deliveries d set state = 'delivered', delivered_at = p_now, updated_at = p_now where d.id = any (v_folded);
    perform private.release_lane(p_destination.id, c.id) from (
      select distinct d.conversation_id as id from public.deliveries d where d.id = any (v_folded)) c;
    perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'telegram_cards', 'label', 'folded', 'n', cardinality(v_folded))));
    -- A counter is brought up to date every three seconds at most, and an edit counts as a card does.
    for v_leader in
      select c.delivery_id from public.cards c
      where c.delivery_id = any (v_leaders) and (c.edit_due_at is null or c.edit_lease is not null) order by c.delivery_id for update
    loop
      update public.cards c set edit_lease = null, edit_due_at = greatest(p_now + interval '3 seconds',
        v_tat - make_interval(secs => ((p_destination.rate_burst - 1) / p_destination.rate_per_second)::double precision))
      where c.delivery_id = v_leader;
      v_tat := greatest(coalesce(v_tat, p_now), p_now) + make_interval(secs => (1 / p_destination.rate_per_second)::double precision);
    end loop;
  end if;
  if v_crowded then
    -- Urgent ones first: a lane's place is the time since which it is due.
    update private.delivery_lanes l set due_at = l.due_at - interval '1 hour'
    from unnest(v_lanes) as lane (conversation_id)
    cross join lateral (
      select x.message_id from public.deliveries x
      where x.destination_id = p_destination.id and x.conversation_id = lane.conversation_id and x.state in ('pending', 'leased')
      order by x.seq limit 1) head
    join public.messages m on m.id = head.message_id
    where l.destination_id = p_destination.id and l.conversation_id = lane.conversation_id and l.due_at > p_now - interval '30 minutes'
      and l.due_at <= p_now and private.is_urgent_address(m.native ->> 'recipient');
  end if;
  if v_tat is distinct from p_destination.rate_tat then
    update public.destinations d set rate_tat = v_tat where d.id = p_destination.id;
  end if;
  return v_tat;
end $$;
comment on function private.fold_cards(public.destinations, timestamptz) is 'While more waits for a chat than may go, has one card stand for mails of a kind, until two minutes without any; the first of each kind goes as it would. Moves urgent ones forward. Returns when the chat''s pace allows the next one, as rate_tat.';

create function private.folds_of(p_leader uuid) returns jsonb
language sql stable set search_path = '' as $$
  select case when count(*) > 0 then jsonb_build_object('count', count(*), 'last_at', max(f.at), 'latest', (
    select jsonb_agg(jsonb_build_object('at', l.at, 'subject', left(l.subject, 200)) order by l.at desc, l.seq desc)
    from (
      select x.at, m.native ->> 'subject' as subject, m.seq
      from public.card_folds x join public.deliveries d on d.id = x.delivery_id join public.messages m on m.id = d.message_id
      where x.leader = p_leader and m.native is not null order by x.at desc, m.seq desc limit 5) l)) end
  from public.card_folds f where f.leader = p_leader
$$;
comment on function private.folds_of(uuid) is 'What the card of a delivery shows besides its own mail: {count, last_at, latest: [{at, subject}], at most 5}; null for nothing.';

create function private.with_folds(p_items jsonb, p_path text[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(case when f.folds is null then e.value else jsonb_set(e.value, p_path, f.folds) end order by e.place), '[]')
    from jsonb_array_elements(p_items) with ordinality as e (value, place)
    cross join lateral (select private.folds_of((e.value ->> 'delivery_id')::uuid) as folds) f);
end $$;
comment on function private.with_folds(jsonb, text[]) is 'Deliveries or edits of cards, by delivery_id, with what their cards show besides at this path; unchanged without.';

create function private.note_folds(p_delivery_id uuid) returns void
language sql volatile set search_path = '' as $$
  update public.cards c set edit_due_at = clock_timestamp() + interval '3 seconds'
  where c.delivery_id = p_delivery_id and c.edit_due_at is null and exists (
    select from public.card_folds f join public.deliveries d on d.id = f.leader where f.leader = p_delivery_id and f.at > d.updated_at)
$$;
comment on function private.note_folds(uuid) is 'A card that was just sent counts on from what came while it was under way.';

create function private.unfold() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_lane record;
begin
  if tg_table_name = 'card_folds' then
    update public.cards c set edit_due_at = clock_timestamp(), edit_lease = null where c.delivery_id = old.leader;
    if not found and old.at > clock_timestamp() - interval '1 day' and not exists (select from public.deliveries d where d.id = old.leader) then
      -- The card that named it was erased: it gets one of its own.
      select d.destination_id, d.conversation_id into v_lane from public.deliveries d where d.id = old.delivery_id;
      perform from private.delivery_lanes l where l.destination_id = v_lane.destination_id and l.conversation_id = v_lane.conversation_id for update;
      update public.deliveries d set state = 'pending', delivered_at = null, next_attempt_at = clock_timestamp(), updated_at = clock_timestamp()
      where d.id = old.delivery_id and d.state = 'delivered';
      perform private.release_lane(v_lane.destination_id, v_lane.conversation_id) where not exists (
        select from private.delivery_lanes l
        where l.destination_id = v_lane.destination_id and l.conversation_id = v_lane.conversation_id and l.lease is not null);
    end if;
  elsif tg_table_name = 'messages' then
    delete from public.card_folds f using public.deliveries d where d.message_id = new.id and f.delivery_id = d.id;
  else
    delete from public.card_folds f where f.delivery_id = new.id;
  end if;
  return null;
end $$;
comment on function private.unfold() is 'Trigger: a mail whose words went, or that is sent again, is no longer named by another one''s card, and that card is brought up to date.';
create trigger unfold after delete on public.card_folds for each row execute function private.unfold();
comment on trigger unfold on public.card_folds is 'What is gone here goes from chats.';
create trigger unfold after update of text, native on public.messages for each row
  when (new.text is null and new.native is null and (old.text is not null or old.native is not null))
  execute function private.unfold();
comment on trigger unfold on public.messages is 'Words that are gone are shown nowhere.';
create trigger unfold after update of resent on public.deliveries for each row
  when (new.resent > old.resent) execute function private.unfold();
comment on trigger unfold on public.deliveries is 'What is sent again has a card of its own.';

create function public.card_mails(p_token text, p_limit integer default 1000) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_card public.cards;
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  if p_limit is null or p_limit not between 1 and 10000 then
    raise exception 'no such limit: %', p_limit using errcode = 'GL422', hint = 'It is 1 to 10000.';
  end if;
  select * into v_card from public.cards c where c.token = p_token;
  if v_card.delivery_id is null then
    raise exception 'there is no such card' using errcode = 'GL404', hint = 'Its name stands on the card, behind the counter.';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('message_id', m.id, 'at', m.created_at, 'from', m.native #>> '{from,address}',
      'to', m.native ->> 'recipient', 'subject', m.native ->> 'subject', 'text', left(m.text, 500)) order by m.created_at, m.seq), '[]')
    from (
      select v_card.delivery_id as id union all
      (select f.delivery_id from public.card_folds f where f.leader = v_card.delivery_id order by f.at limit p_limit)) x
    join public.deliveries d on d.id = x.id join public.messages m on m.id = d.message_id);
end $$;
comment on function public.card_mails(text, integer) is 'Every message that a card stands for, its own first: [{message_id, at, from, to, subject, text (its first 500 characters)}], by the name of the card. For operators and secret keys. Errors: 42501, GL404, GL422.';

create function private.purge_storms(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_purged integer;
begin
  delete from private.card_storms s where s.last_at < p_now - interval '1 day';
  get diagnostics v_purged = row_count;
  return v_purged;
end $$;
comment on function private.purge_storms(timestamptz) is 'Forgets storms that are over. Returns how many.';

call private.close_functions();
grant execute on function public.card_mails(text, integer) to authenticated, service_role;
grant execute on function
  private.card_pattern(jsonb),
  private.is_urgent_address(text),
  private.fold_cards(public.destinations, timestamptz),
  private.folds_of(uuid),
  private.with_folds(jsonb, text[]),
  private.note_folds(uuid),
  private.purge_storms(timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002903');
