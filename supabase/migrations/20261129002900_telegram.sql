-- Telegram: the chats that the bot is in, and the destinations that lead there.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.telegram_chats (
  id bigint primary key,
  kind text not null constraint telegram_chats_kind_known check (kind in ('private', 'group', 'supergroup', 'channel')),
  title text check (length(title) <= 255),
  is_forum boolean not null default false,
  state text not null default 'member' constraint telegram_chats_state_known check (state in ('member', 'left')),
  moved_to bigint,
  added_by uuid references public.team_members (user_id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table public.telegram_chats is 'The groups that the bot was added to, and private chats of members of the team. Cards go to no others.';
create index telegram_chats_added_by_idx on public.telegram_chats (added_by) where added_by is not null;
comment on index public.telegram_chats_added_by_idx is 'For the removal of a member.';
comment on column public.telegram_chats.id is 'Telegram''s id of the chat. Of a person''s private chat it is the person''s own id.';
comment on column public.telegram_chats.kind is 'private, group, supergroup or channel.';
comment on column public.telegram_chats.title is 'Its title; null for private chats, whose title would be a person''s name.';
comment on column public.telegram_chats.is_forum is 'Whether it has topics.';
comment on column public.telegram_chats.state is 'member while the bot may write there, left once it was removed or blocked.';
comment on column public.telegram_chats.moved_to is 'The id of the supergroup that the group became; null for all others.';
comment on column public.telegram_chats.added_by is 'The member of the team who added the bot; null if it was somebody who is not linked. Anybody can add a bot to a group of theirs.';
comment on column public.telegram_chats.created_at is 'When the bot was added.';
comment on column public.telegram_chats.updated_at is 'When Telegram last said something of the chat itself.';
alter table public.telegram_chats enable row level security;
revoke all on public.telegram_chats from public, anon, authenticated;
grant select on public.telegram_chats to authenticated;
grant select, insert, update, delete on public.telegram_chats to service_role;
create policy "team reads chats" on public.telegram_chats for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads chats" on public.telegram_chats is 'The team chooses from them where cards go.';

create table private.telegram_targets (
  destination_id uuid primary key references public.destinations (id) on delete cascade,
  chat_id bigint not null references public.telegram_chats (id),
  topic_id bigint check (topic_id > 0)
);
comment on table private.telegram_targets is 'Where the destinations of kind telegram lead.';
create unique index telegram_targets_chat_key on private.telegram_targets (chat_id, coalesce(topic_id, 0));
comment on index private.telegram_targets_chat_key is 'One destination for each topic, so that its pace is one.';
comment on column private.telegram_targets.destination_id is 'The destination.';
comment on column private.telegram_targets.chat_id is 'The chat.';
comment on column private.telegram_targets.topic_id is 'The topic of a forum; null for a chat without topics, and for the topic General.';
alter table private.telegram_targets enable row level security;
revoke all on private.telegram_targets from public, anon, authenticated;
grant select, insert, update, delete on private.telegram_targets to service_role;

-- Telegram takes about 20 messages a minute in a group, and one a second from one person to the bot.
create function public.add_telegram_destination(p_name text, p_chat_id bigint, p_topic_id bigint default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_chat public.telegram_chats;
  v_id uuid;
  v_url text := 'telegram:' || p_chat_id || coalesce('/' || p_topic_id, '');
begin
  perform private.require_role('operator');
  select * into v_chat from public.telegram_chats c where c.id = p_chat_id for share;
  if v_chat.id is null then
    raise exception 'the bot is in no chat %', p_chat_id using errcode = 'GL404',
      hint = 'Add the bot to the chat, then: gatelink telegram chats';
  end if;
  if v_chat.state <> 'member' or v_chat.moved_to is not null then
    raise exception 'the bot cannot write in chat %', p_chat_id using errcode = 'GL409', hint = case when v_chat.moved_to is null
      then 'Add the bot to the chat again.' else format('The group became a supergroup with the id %s.', v_chat.moved_to) end;
  end if;
  if p_topic_id is not null and not v_chat.is_forum then
    raise exception 'chat % has no topics', p_chat_id using errcode = 'GL422', hint = 'Leave the topic out.';
  end if;
  if exists (select from public.destinations d where d.name = p_name and d.removed_at is null) then
    raise exception 'a destination named % exists already', p_name using errcode = 'GL409', hint = 'Choose another name.';
  end if;
  if exists (
    select from private.telegram_targets t where t.chat_id = p_chat_id and t.topic_id is not distinct from p_topic_id) then
    raise exception 'a destination leads to % already', v_url using errcode = 'GL409',
      hint = 'Several routes may lead to one destination: gatelink destinations list';
  end if;
  insert into public.destinations (name, kind, url, timeout_ms, rate_per_second, rate_burst, failure_policy)
  values (p_name, 'telegram', v_url, 15000, case v_chat.kind when 'private' then 1 else 0.25 end, 5,
    '{"403": "pause", "401": "pause"}')
  returning id into v_id;
  insert into private.telegram_targets (destination_id, chat_id, topic_id) values (v_id, p_chat_id, p_topic_id);
  return jsonb_build_object('id', v_id, 'name', p_name, 'url', v_url, 'state', 'active');
end $$;
comment on function public.add_telegram_destination(text, bigint, bigint) is 'Adds a destination of kind telegram: messages that routes send there appear in the chat, or in a topic of it, as cards. Returns {id, name, url, state}. For operators and secret keys. Errors: 42501, GL404 the bot is not in the chat, GL409 it cannot write there, or name or chat are taken, GL422 a topic in a chat without topics.';

create function private.forget_target() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from private.telegram_targets t where t.destination_id = new.id;
  return null;
end $$;
comment on function private.forget_target() is 'Trigger, after a destination was removed: its chat may have another one.';
create trigger forget_target after update of removed_at on public.destinations for each row
  when (new.removed_at is not null and new.kind = 'telegram') execute function private.forget_target();
comment on trigger forget_target on public.destinations is 'A removed destination leads nowhere.';

-- Telegram's limit is the group's: topics of a forum share it.
create function private.share_pace() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_chat text := split_part(new.url, '/', 1);
  v_count integer;
begin
  select count(*) into v_count from public.destinations d
  where d.kind = 'telegram' and d.removed_at is null and split_part(d.url, '/', 1) = v_chat;
  if v_count > 0 and v_chat like 'telegram:-%' then
    update public.destinations d set rate_per_second = 0.25 / v_count, rate_burst = greatest(1, 5 / v_count)
    where d.kind = 'telegram' and d.removed_at is null and split_part(d.url, '/', 1) = v_chat;
  end if;
  return null;
end $$;
comment on function private.share_pace() is 'Trigger, after a destination of kind telegram was added, moved or removed: those of one group share its pace.';
create trigger share_pace after insert or update of url, removed_at on public.destinations for each row
  when (new.kind = 'telegram') execute function private.share_pace();
comment on trigger share_pace on public.destinations is 'About 20 messages a minute in a group, however many topics lead there.';

create function public.list_telegram_chats() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'kind', c.kind, 'by_team', c.added_by is not null, 'title', c.title, 'is_forum', c.is_forum, 'state', c.state, 'moved_to', c.moved_to,
      'destinations', (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'topic_id', t.topic_id, 'state', d.state,
          'paused_because', d.paused_because) order by d.name), '[]')
        from private.telegram_targets t join public.destinations d on d.id = t.destination_id where t.chat_id = c.id))
      order by c.state = 'left', c.title nulls last, c.id), '[]')
    from (
      select x.* from public.telegram_chats x
      order by exists (select from private.telegram_targets t where t.chat_id = x.id) desc, x.added_by is null, x.state = 'left', x.updated_at desc
      limit 1000) c);
end $$;
comment on function public.list_telegram_chats() is 'The chats that the bot is or was in, at most 1,000, with the destinations that lead there. For every role.';

create function public.move_telegram_chat(p_from bigint, p_to bigint) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_moved integer;
begin
  perform private.refuse_older_code();
  insert into public.telegram_chats as c (id, kind, title, is_forum)
  select p_to, 'supergroup', o.title, o.is_forum from public.telegram_chats o where o.id = p_from
  on conflict (id) do update set state = 'member', title = coalesce(c.title, excluded.title), updated_at = clock_timestamp();
  update public.telegram_chats c set moved_to = p_to, updated_at = clock_timestamp() where c.id = p_from and c.moved_to is distinct from p_to;
  update private.telegram_targets t set chat_id = p_to
  where t.chat_id = p_from and not exists (
    select from private.telegram_targets o where o.chat_id = p_to and o.topic_id is not distinct from t.topic_id);
  get diagnostics v_moved = row_count;
  update public.destinations d
  set url = 'telegram:' || t.chat_id || coalesce('/' || t.topic_id, '')
  from private.telegram_targets t where t.destination_id = d.id and t.chat_id = p_to
    and d.url is distinct from 'telegram:' || t.chat_id || coalesce('/' || t.topic_id, '');
  return v_moved;
end $$;
comment on function public.move_telegram_chat(bigint, bigint) is 'A group became a supergroup, whose id is another: destinations lead there from now on, in one transaction. Returns how many moved; repeating it changes nothing. Messages of before stay where they were, under the old id. For secret keys.';

create table public.cards (
  delivery_id uuid primary key references public.deliveries (id) on delete cascade,
  token text collate "C" not null unique check (token ~ '^[a-z2-7]{16}$'),
  chat_id bigint not null,
  topic_id bigint,
  message_ids bigint[] not null check (cardinality(message_ids) between 1 and 10),
  state text not null default 'open' constraint cards_state_known check (state in ('open', 'acknowledged', 'snoozed', 'resolved', 'spam')),
  holder uuid references auth.users (id) on delete set null,
  snoozed_until timestamptz,
  version integer not null default 1,
  changed_at timestamptz,
  oncall jsonb,
  edit_due_at timestamptz,
  edit_lease uuid,
  created_at timestamptz not null default now()
) with (fillfactor = 80);
comment on table public.cards is 'Messages in Telegram chats that stand for deliveries, with what people pressed.';
comment on column public.cards.delivery_id is 'The delivery that it shows.';
comment on column public.cards.token is 'Names it in its buttons. It is no secret: it locates, and who may press is asked at each press.';
comment on column public.cards.chat_id is 'The chat it was sent to; that chat''s id of then.';
comment on column public.cards.topic_id is 'The topic it was sent to; null for none.';
comment on column public.cards.message_ids is 'Telegram''s ids of its parts. The first has the buttons.';
comment on column public.cards.state is 'open, acknowledged (somebody takes care), snoozed, resolved or spam.';
comment on column public.cards.holder is 'Who takes care; null for nobody.';
comment on column public.cards.snoozed_until is 'When it is open again; null unless snoozed.';
comment on column public.cards.version is 'Incremented by each change; a press names the version that it saw.';
comment on column public.cards.changed_at is 'When somebody last pressed; null if nobody has.';
comment on column public.cards.oncall is 'Who is on call, as the card says it: {schedule, outcome, at, people [{name, telegram_id}]}; null while that is not looked up.';
comment on column public.cards.edit_due_at is 'When the message in the chat is to be brought up to date, or its lease ends; null while it is.';
comment on column public.cards.edit_lease is 'Of whoever edits it at the moment.';
comment on column public.cards.created_at is 'When it was sent.';
create index cards_message_idx on public.cards (chat_id, (message_ids[1]));
comment on index public.cards_message_idx is 'Finds the card that somebody presses.';
create index cards_parts_idx on public.cards using gin (message_ids);
comment on index public.cards_parts_idx is 'Finds the card that somebody answers, by any of its messages.';
create index cards_edit_idx on public.cards (edit_due_at) where edit_due_at is not null;
comment on index public.cards_edit_idx is 'Cards to be brought up to date. Nearly always empty.';
create index cards_snoozed_idx on public.cards (snoozed_until) where state = 'snoozed';
comment on index public.cards_snoozed_idx is 'Cards to be opened again.';
create index cards_holder_idx on public.cards (holder) where holder is not null;
comment on index public.cards_holder_idx is 'For the removal of a user.';
alter table public.cards enable row level security;
revoke all on public.cards from public, anon, authenticated;
grant select on public.cards to authenticated;
grant select, insert, update, delete on public.cards to service_role;
create policy "team reads cards" on public.cards for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads cards" on public.cards is 'They say where a message went and who takes care.';

-- 80 bits of a hash of an id that is random itself: the same for each attempt, without a row before the first one.
create function private.card_token(p_delivery_id uuid) returns text
language sql immutable set search_path = '' as $$
  select string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', 1 + get_byte(h.bytes, i) % 32, 1), '' order by i)
  from (select sha256(convert_to('card ' || p_delivery_id, 'UTF8')) as bytes) h, generate_series(0, 15) i
$$;
comment on function private.card_token(uuid) is 'The token of a delivery''s card: 16 characters of base32.';

create function private.with_cards(p_deliveries jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_deliveries jsonb;
begin
  v_deliveries := (
    select jsonb_agg(e.value || case when t.destination_id is null then '{}' else jsonb_build_object('card', jsonb_build_object(
      'token', private.card_token((e.value ->> 'delivery_id')::uuid),
      'is_sent', exists (select from public.cards c where c.delivery_id = (e.value ->> 'delivery_id')::uuid))) end order by e.place)
    from jsonb_array_elements(p_deliveries) with ordinality as e (value, place)
    left join private.telegram_targets t on t.destination_id = (e.value ->> 'destination_id')::uuid);
  if v_deliveries is not null and to_regclass('public.card_folds') is not null then
    v_deliveries := private.with_folds(v_deliveries, '{card,folded}');
  end if;
  if v_deliveries is not null and to_regclass('private.oncall_answers') is not null then
    v_deliveries := private.with_oncall(v_deliveries);
  end if;
  return v_deliveries;
end $$;
comment on function private.with_cards(jsonb) is 'Claimed deliveries, those to chats with card {token, is_sent, folded, oncall}. is_sent: it was sent, and whoever sent it did not come back to say so.';

create function public.note_card(p_delivery_id uuid, p_chat_id bigint, p_message_ids bigint[], p_topic_id bigint default null) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform from public.deliveries d where d.id = p_delivery_id for key share;
  if not found then
    -- Erased while it was sent.
    insert into private.card_clears (chat_id, message_id, is_file)
    select p_chat_id, m.id, m.place > 1 from unnest(p_message_ids) with ordinality as m (id, place) on conflict do nothing;
    return;
  end if;
  insert into public.cards as c (delivery_id, token, chat_id, topic_id, message_ids)
  values (p_delivery_id, private.card_token(p_delivery_id), p_chat_id, p_topic_id, p_message_ids)
  on conflict (delivery_id) do update set message_ids = (
    select array_agg(m.id order by m.place) from (
      select x.id, min(x.place) as place from unnest(c.message_ids || excluded.message_ids) with ordinality as x (id, place) group by x.id) m)
  where c.chat_id = excluded.chat_id;
  if to_regclass('public.card_folds') is not null then
    perform private.note_folds(p_delivery_id);
  end if;
end $$;
comment on function public.note_card(uuid, bigint, bigint[], bigint) is 'Keeps where a card is, its first message first; called again, adds further messages. For secret keys.';

create function private.card_again() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.cards c where c.delivery_id = new.id;
  return null;
end $$;
comment on function private.card_again() is 'Trigger, after somebody had a delivery sent again: its card is another one, and the former goes from the chat.';
create trigger card_again after update of resent on public.deliveries for each row
  when (new.resent > old.resent) execute function private.card_again();
comment on trigger card_again on public.deliveries is 'A card is there once.';

create function private.clear_cards() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.cards c using public.deliveries d where d.message_id = new.id and c.delivery_id = d.id;
  return null;
end $$;
comment on function private.clear_cards() is 'Trigger, after the words of a message were removed: withdrawn by who wrote them, or at the end of their retention.';
create trigger clear_cards after update of text, native on public.messages for each row
  when (new.text is null and new.native is null and (old.text is not null or old.native is not null))
  execute function private.clear_cards();
comment on trigger clear_cards on public.messages is 'What is gone here goes from chats.';

call private.close_functions();
grant execute on function
  public.add_telegram_destination(text, bigint, bigint),
  public.list_telegram_chats()
  to authenticated, service_role;
grant execute on function
  private.card_token(uuid),
  private.with_cards(jsonb),
  public.move_telegram_chat(bigint, bigint),
  public.note_card(uuid, bigint, bigint[], bigint)
  to service_role;

insert into private.own_migrations (version) values ('20261129002900');
