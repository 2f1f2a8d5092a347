-- Telegram: who of the team is who there, and what people press on cards.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.telegram_people (
  user_id uuid primary key references public.team_members (user_id) on delete cascade,
  telegram_id bigint not null unique,
  name text not null check (length(name) between 1 and 200),
  linked_at timestamptz not null default now()
);
comment on table public.telegram_people is 'Who of the team is who in Telegram. Only they may press, and their role is asked at each press.';
comment on column public.telegram_people.user_id is 'The member of the team.';
comment on column public.telegram_people.telegram_id is 'Telegram''s id of the person. Names there change hands; ids do not.';
comment on column public.telegram_people.name is 'The first name that the person had there, for cards.';
comment on column public.telegram_people.linked_at is 'When the person opened the link.';
alter table public.telegram_people enable row level security;
revoke all on public.telegram_people from public, anon, authenticated;
grant select on public.telegram_people to authenticated;
grant select, insert, update, delete on public.telegram_people to service_role;
create policy "team reads people" on public.telegram_people for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads people" on public.telegram_people is 'The team sees who may press.';

create table private.telegram_links (
  token_hash bytea primary key,
  user_id uuid not null unique references public.team_members (user_id) on delete cascade,
  expires_at timestamptz not null
);
comment on table private.telegram_links is 'Links by which members of the team prove who they are in Telegram: for 10 minutes, once.';
comment on column private.telegram_links.token_hash is 'SHA-256 of the token, which only the link holds.';
comment on column private.telegram_links.user_id is 'Whose link it is; a newer one replaces it.';
comment on column private.telegram_links.expires_at is 'Until when it can be opened.';
alter table private.telegram_links enable row level security;
revoke all on private.telegram_links from public, anon, authenticated;
grant select, insert, update, delete on private.telegram_links to service_role;

create table private.telegram_updates (
  update_id bigint primary key,
  received_at timestamptz not null
);
comment on table private.telegram_updates is 'Ids of the updates of the last days: nothing is done twice. Telegram repeats for about a day what was not acknowledged.';
comment on column private.telegram_updates.update_id is 'Telegram''s id. It may jump, also downwards after a week of silence.';
comment on column private.telegram_updates.received_at is 'When it came.';
create index telegram_updates_received_idx on private.telegram_updates (received_at);
comment on index private.telegram_updates_received_idx is 'For their purge.';
alter table private.telegram_updates enable row level security;
revoke all on private.telegram_updates from public, anon, authenticated;
grant select, insert, update, delete on private.telegram_updates to service_role;

create table public.card_presses (
  id uuid primary key default private.uuid_v7(),
  delivery_id uuid not null references public.cards (delivery_id) on delete cascade,
  user_id uuid references auth.users (id) on delete set null,
  action text not null check (action in ('ack', 'mine', 'snooze', 'resolve', 'spam', 'wake', 'undo')),
  outcome text not null check (outcome in ('done', 'stale', 'refused')),
  state_before text not null,
  holder_before uuid,
  version integer not null,
  by_name text check (char_length(by_name) between 1 and 200),
  at timestamptz not null default now()
);
comment on table public.card_presses is 'What members of the team pressed on cards, also in vain. Append-only in practice: nothing changes a row.';
comment on column public.card_presses.id is 'UUID v7.';
comment on column public.card_presses.delivery_id is 'The card.';
comment on column public.card_presses.user_id is 'Who pressed; null for the clock, which ends a snooze, and for somebody whose account was deleted.';
comment on column public.card_presses.action is 'The button.';
comment on column public.card_presses.outcome is 'done, stale (somebody was faster) or refused (not possible in that state).';
comment on column public.card_presses.state_before is 'The state of the card when it was pressed.';
comment on column public.card_presses.holder_before is 'Who took care then.';
comment on column public.card_presses.version is 'The version of the card that it led to; of those in vain, the current one.';
comment on column public.card_presses.by_name is 'Who did it at a provider of on-call schedules, in its words; null for what was pressed here.';
comment on column public.card_presses.at is 'When.';
create index card_presses_card_idx on public.card_presses (delivery_id, version);
comment on index public.card_presses_card_idx is 'The presses of a card.';
create index card_presses_user_idx on public.card_presses (user_id) where user_id is not null;
comment on index public.card_presses_user_idx is 'For the removal of a user.';
alter table public.card_presses enable row level security;
revoke all on public.card_presses from public, anon, authenticated;
grant select on public.card_presses to authenticated;
grant select, insert, update, delete on public.card_presses to service_role;
create policy "team reads presses" on public.card_presses for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads presses" on public.card_presses is 'Who did what is the team''s.';

create function public.link_telegram(p_email text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid;
  v_token text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  v_expires timestamptz := clock_timestamp() + interval '10 minutes';
begin
  -- For another person, only who may also give roles: the link carries that person's rights.
  perform private.require_role(case when p_email is null then 'operator' else 'admin' end);
  select m.user_id into v_user from public.team_members m left join auth.users u on u.id = m.user_id
  where case when p_email is null then m.user_id = auth.uid() else lower(u.email) = lower(p_email) end;
  if v_user is null then
    raise exception 'nobody of the team has this address' using errcode = 'GL404', hint = 'Name a member of the team: gatelink telegram link EMAIL';
  end if;
  insert into private.telegram_links as l (token_hash, user_id, expires_at)
  values (sha256(convert_to(v_token, 'UTF8')), v_user, v_expires)
  on conflict (user_id) do update set token_hash = excluded.token_hash, expires_at = excluded.expires_at;
  return jsonb_build_object('token', v_token, 'expires_at', v_expires);
end $$;
comment on function public.link_telegram(text) is 'A token by which a member of the team proves to the bot who the person is: /start TOKEN, once, within 10 minutes. Without an address for the signed-in operator, with one for any member, by admins and secret keys. Returns {token, expires_at}. Errors: 42501, GL404.';

create function private.keep_chat(p_chat jsonb, p_from bigint, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_id bigint := (p_chat ->> 'id')::bigint;
  v_state text := coalesce(p_chat ->> 'state', 'member');
  -- Who added the bot: only a change of its membership says so.
  v_by uuid := case when p_chat ? 'state' then (
    select m.user_id from public.telegram_people p join public.team_members m on m.user_id = p.user_id where p.telegram_id = p_from) end;
begin
  insert into public.telegram_chats as c (id, kind, title, is_forum, state, added_by, created_at, updated_at)
  values (v_id, p_chat ->> 'kind', left(p_chat ->> 'title', 255), coalesce((p_chat ->> 'is_forum')::boolean, false), v_state, v_by, p_now, p_now)
  on conflict (id) do update
  set kind = excluded.kind, title = excluded.title, is_forum = excluded.is_forum, state = excluded.state, added_by = coalesce(excluded.added_by, c.added_by), updated_at = excluded.updated_at
  where (c.kind, c.title, c.is_forum, c.state) is distinct from (excluded.kind, excluded.title, excluded.is_forum, excluded.state)
    or excluded.added_by is not null and c.added_by is distinct from excluded.added_by;
  if v_state = 'left' then
    update public.destinations d set state = 'paused', paused_because = 'the bot was removed from the chat', version = version + 1,
      updated_at = p_now, updated_by = private.actor()
    from private.telegram_targets t where t.destination_id = d.id and t.chat_id = v_id and d.state = 'active';
  elsif p_chat ? 'state' then
    -- What a person paused stays paused.
    update public.destinations d set state = 'active', paused_because = null, version = version + 1,
      updated_at = p_now, updated_by = private.actor()
    from private.telegram_targets t
    where t.destination_id = d.id and t.chat_id = v_id and d.state = 'paused' and d.paused_because is not null and d.removed_at is null;
  end if;
end $$;
comment on function private.keep_chat(jsonb, bigint, timestamptz) is 'Keeps what Telegram says of a chat. Only a change of the bot''s own membership has a state; it pauses and resumes the destinations that lead there.';

create function private.open_link(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_user uuid;
begin
  delete from private.telegram_links l
  where l.token_hash = sha256(convert_to(p_update ->> 'token', 'UTF8')) and l.expires_at > p_now returning l.user_id into v_user;
  if v_user is null then
    return jsonb_build_object('answer', 'This link is not valid (any more). Ask for a new one: it is valid for 10 minutes, once.', 'alert', true);
  end if;
  delete from public.telegram_people p where p.telegram_id = (p_update ->> 'from')::bigint and p.user_id <> v_user;
  insert into public.telegram_people as p (user_id, telegram_id, name, linked_at)
  values (v_user, (p_update ->> 'from')::bigint, coalesce(nullif(btrim(left(p_update ->> 'name', 60)), ''), 'Somebody'), p_now)
  on conflict (user_id) do update set telegram_id = excluded.telegram_id, name = excluded.name, linked_at = excluded.linked_at;
  perform private.keep_chat(p_update -> 'chat' || '{"state": "member"}', (p_update ->> 'from')::bigint, p_now);
  return '{"answer": "You are linked. Your buttons work wherever this bot posts.", "alert": false}';
end $$;
comment on function private.open_link(jsonb, timestamptz) is 'A person opened the link of a member of the team: from now on they are the same. One account of Telegram''s is one member.';

create function private.lock_cards(p_message_id uuid) returns void
language sql volatile set search_path = '' as $$
  select from public.cards c
  where c.delivery_id in (select d.id from public.deliveries d where d.message_id = p_message_id) order by c.delivery_id for update
$$;
comment on function private.lock_cards(uuid) is 'Locks all cards of a message, in one order: people press on several at once what changes all.';
create function private.rate_card(p_card public.cards, p_user_id uuid, p_is_useful boolean, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_kept record;
begin
  if p_card.state <> 'resolved' then
    return jsonb_build_object('alert', true, 'answer', format('The card is %s.', p_card.state));
  end if;
  select k.* into v_kept
  from public.deliveries d
  join public.conversations v on v.id = d.conversation_id
  cross join lateral private.keep_feedback(row(private.uuid_v7(), p_now, 'rating', private.subject_id(v.contact_id::text), case when p_is_useful then 5 else 1 end,
    p_is_useful, null, 'team', null, encode(private.keyed_hash(format('card %s %s', d.id, p_user_id)), 'hex'))::private.said_feedback,
    'telegram_cards.enabled', p_now) k
  where d.id = p_card.delivery_id;
  return jsonb_build_object('alert', false, 'answer', case when v_kept.kept then 'Thank you.' else 'You have said so already.' end);
end $$;
comment on function private.rate_card(public.cards, uuid, boolean, timestamptz) is 'Somebody says whether a resolved card was useful: a rating of the flag telegram_cards.enabled (5 or 1) of the person whose message it shows, once a card and member.';

create function private.note_pressed_card(p_token text, p_chat_id bigint, p_message_id bigint) returns void
language plpgsql set search_path = '' as $$
declare
  v_delivery record;
begin
  perform from public.cards c where c.token = p_token;
  if found then
    return;
  end if;
  select d.id, t.topic_id into v_delivery
  from private.telegram_targets t
  join public.deliveries d on d.destination_id = t.destination_id and d.state in ('pending', 'leased')
  where t.chat_id = p_chat_id and d.attempt > 0 and private.card_token(d.id) = p_token limit 1;
  if found then
    perform public.note_card(v_delivery.id, p_chat_id, array[p_message_id], v_delivery.topic_id);
  end if;
end $$;
comment on function private.note_pressed_card(text, bigint, bigint) is 'Somebody pressed on a message of the bot''s: if it is the card of a delivery that is under way, it was sent, though whoever sent it has not come back to say so, or Telegram''s answer to that was lost.';

create function private.press_card(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_person record;
  v_card public.cards;
  v_action text := p_update ->> 'action';
  v_message bigint := (p_update ->> 'message_id')::bigint;
  v_last record;
  v_state text;
  v_holder uuid;
begin
  select p.user_id, p.name into v_person
  from public.telegram_people p join public.team_members m on m.user_id = p.user_id
  where p.telegram_id = (p_update ->> 'from')::bigint and m.role in ('operator', 'admin');
  if v_person.user_id is null then
    return '{"answer": "Only operators of the team may press, once they are linked: gatelink telegram link", "alert": true}';
  end if;
  if (p_update ->> 'is_ours')::boolean then
    perform private.note_pressed_card(p_update ->> 'card', (p_update #>> '{chat,id}')::bigint, v_message);
  end if;
  if v_action in ('wrong', 'back') or v_action like 'is\_%' then
    perform private.lock_cards((
      select d.message_id from public.cards c join public.deliveries d on d.id = c.delivery_id where c.token = p_update ->> 'card'));
  end if;
  select * into v_card from public.cards c
  where c.token = p_update ->> 'card' and c.chat_id = (p_update #>> '{chat,id}')::bigint for update;
  if v_card.message_ids[1] is distinct from v_message then
    -- A second card of the same delivery, sent after a lost answer, becomes the one that follows; both go in the end.
    if not coalesce((p_update ->> 'is_ours')::boolean, false) or exists (
      select from public.cards x where x.chat_id = v_card.chat_id and x.delivery_id <> v_card.delivery_id and x.message_ids @> array[v_message]) then
      v_card := null;
    else
      update public.cards c set message_ids = (v_message || array_remove(c.message_ids, v_message))[1:10]
      where c.delivery_id = v_card.delivery_id;
    end if;
  end if;
  if v_card.delivery_id is null then
    return '{"answer": "This card is not known here (any more).", "alert": true}';
  end if;
  select a.*, coalesce(p.name, a.by_name, 'Somebody') as name into v_last
  from public.card_presses a left join public.telegram_people p on p.user_id = a.user_id
  where a.delivery_id = v_card.delivery_id and a.version = v_card.version and a.outcome = 'done';

  -- A later migration brings what is found out about mails.
  if v_action in ('wrong', 'back') or v_action like 'is\_%' then
    return case when to_regclass('public.analyses') is null then '{"answer": "Nothing is known of this mail.", "alert": true}'
      else private.label_card(v_card, v_person.user_id, v_action, p_now) end;
  end if;

  if v_action in ('useful', 'useless') then
    return private.rate_card(v_card, v_person.user_id, v_action = 'useful', p_now);
  end if;

  v_state := v_card.state;
  v_holder := v_card.holder;
  if v_card.version is distinct from (p_update ->> 'version')::integer then
    insert into public.card_presses (delivery_id, user_id, action, outcome, state_before, holder_before, version, at)
    values (v_card.delivery_id, v_person.user_id, v_action, 'stale', v_card.state, v_card.holder, v_card.version, p_now);
    -- Who was faster is passed over by the edits while this holds the card.
    return jsonb_build_object('alert', true, 'edits', v_card.edit_due_at is not null, 'answer', case when v_last.id is null then 'The card has changed. Look again.' else
      format('%s was faster, %s ago: the card is %s.', case when v_last.user_id = v_person.user_id then 'You' else v_last.name end,
        private.in_words(greatest(p_now - v_last.at, interval '0')), v_card.state) end);
  end if;

  case v_action
    when 'ack' then
      if v_card.state = 'open' then v_state := 'acknowledged'; v_holder := v_person.user_id; end if;
    when 'mine' then
      if v_card.state = 'acknowledged' and v_card.holder is distinct from v_person.user_id then v_holder := v_person.user_id; end if;
    when 'snooze' then
      if v_card.state in ('open', 'acknowledged') then v_state := 'snoozed'; end if;
    when 'wake' then
      if v_card.state = 'snoozed' then v_state := case when v_card.holder is null then 'open' else 'acknowledged' end; end if;
    when 'resolve' then
      if v_card.state in ('open', 'acknowledged', 'snoozed') then v_state := 'resolved'; v_holder := v_person.user_id; end if;
    when 'spam' then
      if v_card.state in ('open', 'acknowledged', 'snoozed') then v_state := 'spam'; v_holder := v_person.user_id; end if;
    when 'undo' then
      if v_last.user_id = v_person.user_id and v_last.at > p_now - interval '10 minutes' then
        v_state := v_last.state_before;
        v_holder := (select m.user_id from public.team_members m where m.user_id = v_last.holder_before);
        if v_holder is null and v_state = 'acknowledged' then v_state := 'open'; end if;
        -- A snooze that is come back to would have no end.
        if v_state = 'snoozed' then v_state := case when v_holder is null then 'open' else 'acknowledged' end; end if;
      end if;
  end case;
  if (v_state, v_holder) is not distinct from (v_card.state, v_card.holder) then
    insert into public.card_presses (delivery_id, user_id, action, outcome, state_before, holder_before, version, at)
    values (v_card.delivery_id, v_person.user_id, v_action, 'refused', v_card.state, v_card.holder, v_card.version, p_now);
    return jsonb_build_object('alert', true, 'edits', v_card.edit_due_at is not null, 'answer', case v_action
      when 'undo' then 'Only who pressed last can undo it, within 10 minutes.'
      when 'mine' then 'It is yours already.' else format('The card is %s.', v_card.state) end);
  end if;
  update public.cards c
  set state = v_state, holder = v_holder, version = c.version + 1, changed_at = p_now, edit_due_at = p_now, edit_lease = null,
    snoozed_until = case v_state when 'snoozed' then p_now + interval '1 hour' end
  where c.delivery_id = v_card.delivery_id;
  insert into public.card_presses (delivery_id, user_id, action, outcome, state_before, holder_before, version, at)
  values (v_card.delivery_id, v_person.user_id, v_action, 'done', v_card.state, v_card.holder, v_card.version + 1, p_now);
  return jsonb_build_object('alert', false, 'edits', true, 'answer', case v_action
    when 'ack' then 'You take care of it.' when 'mine' then 'It is yours.' when 'snooze' then 'Snoozed for an hour.'
    when 'resolve' then 'Resolved.' when 'spam' then 'Marked as spam.' when 'wake' then 'Open again.' else 'Undone.' end);
end $$;
comment on function private.press_card(jsonb, timestamptz) is 'A button was pressed. The right is asked now, the version decides between two, and each press of the team is written down. Cards are found by token, chat and message: one that was forwarded elsewhere has no working buttons.';

create function private.in_words(p_time interval) returns text
language sql immutable set search_path = '' as $$
  select case when p_time < interval '1 minute' then extract(epoch from p_time)::integer || ' s'
    when p_time < interval '1 hour' then floor(extract(epoch from p_time) / 60)::integer || ' min'
    else floor(extract(epoch from p_time) / 3600)::integer || ' h' end
$$;
comment on function private.in_words(interval) is 'A time that has passed, roughly: 4 s, 12 min, 3 h.';

create function private.take_telegram_update(p_update jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_taken jsonb := '{"is_new": true, "answer": null, "alert": false, "edits": false, "replies": false}';
begin
  insert into private.telegram_updates (update_id, received_at) values ((p_update ->> 'update_id')::bigint, p_now)
  on conflict (update_id) do nothing;
  if not found then
    return v_taken || '{"is_new": false}';
  end if;
  if p_update ->> 'kind' = 'moved' then
    perform public.move_telegram_chat((p_update #>> '{chat,id}')::bigint, (p_update ->> 'to')::bigint);
    return v_taken;
  end if;
  -- Anybody may write to a bot: of private chats those are kept whose person is of the team.
  if p_update ? 'chat' and (p_update #>> '{chat,kind}' <> 'private' or exists (
    select from public.telegram_people p where p.telegram_id = (p_update #>> '{chat,id}')::bigint)) then
    perform private.keep_chat(p_update -> 'chat', (p_update ->> 'from')::bigint, p_now);
  end if;
  begin
    -- A later migration has the answers from chats, and a team may take it back.
    if p_update ->> 'kind' in ('reply', 'edited', 'reply_press') then
      if to_regclass('public.chat_replies') is null then
        return v_taken;
      end if;
      return v_taken || private.take_chat_reply(p_update, p_now);
    end if;
    return v_taken || case p_update ->> 'kind'
      when 'start' then private.open_link(p_update, p_now)
      when 'press' then private.press_card(p_update, p_now)
      else '{}' end;
  exception when integrity_constraint_violation then
    -- Somebody left, or a card went, in this moment. An error would hold back every update behind this one for a day.
    return v_taken || '{"answer": "That was not possible. Look again.", "alert": true}';
  end;
end $$;
comment on function private.take_telegram_update(jsonb, timestamptz) is 'take_telegram_update with a given time.';

create function public.take_telegram_update(p_update jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.take_telegram_update(p_update, clock_timestamp());
end $$;
comment on function public.take_telegram_update(jsonb) is 'Does once what an update of Telegram''s says, in one transaction: {update_id, kind (chat, moved, start, press, reply, edited, reply_press, other), chat, from, name, token, card, action, version, message_id, to, and of an answer those of private.take_chat_reply}. Returns {is_new, answer, alert, edits, replies (answers from chats wait for work)}. For secret keys.';

create function private.claim_card_edits(p_limit integer, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_edits jsonb;
begin
  with woken as (
    update public.cards c
    set state = case when c.holder is null then 'open' else 'acknowledged' end, snoozed_until = null, version = c.version + 1,
      changed_at = null, edit_due_at = p_now, edit_lease = null
    where c.delivery_id in (
      select x.delivery_id from public.cards x where x.state = 'snoozed' and x.snoozed_until <= p_now
      order by x.snoozed_until limit 100 for update skip locked)
    returning c.delivery_id, c.holder, c.version
  )
  insert into public.card_presses (delivery_id, action, outcome, state_before, holder_before, version, at)
  select w.delivery_id, 'wake', 'done', 'snoozed', w.holder, w.version, p_now from woken w;
  with due as (
    update public.cards c set edit_due_at = p_now + interval '60 seconds', edit_lease = gen_random_uuid()
    where c.delivery_id in (
      select x.delivery_id from public.cards x where x.edit_due_at <= p_now order by x.edit_due_at limit p_limit for update skip locked)
    returning c.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'delivery_id', c.delivery_id, 'lease', c.edit_lease, 'token', c.token, 'version', c.version, 'chat_id', c.chat_id, 'topic_id', c.topic_id,
    'message_id', c.message_ids[1], 'state', c.state, 'at', c.changed_at, 'until', c.snoozed_until,
    'is_woken', coalesce(a.user_id is null and a.action = 'wake', false),
    'by', coalesce((select p.name from public.telegram_people p
      where p.user_id = case c.state when 'snoozed' then a.user_id else coalesce(c.holder, a.user_id) end), a.by_name),
    'oncall', c.oncall,
    'message', jsonb_build_object('channel', m.channel, 'type', m.type, 'text',
      case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'native', m.native,
      'contact', jsonb_build_object('name', p.name, 'identities', (
        select coalesce(jsonb_object_agg(i.kind, i.value order by i.id), '{}') from public.contact_identities i
        where i.contact_id = p.id and i.valid_to is null))))), '[]')
  into v_edits
  from due c
  join public.deliveries d on d.id = c.delivery_id
  join public.messages m on m.id = d.message_id
  join public.conversations v on v.id = d.conversation_id
  join public.contacts p on p.id = v.contact_id
  left join public.card_presses a on a.delivery_id = c.delivery_id and a.version = c.version and a.outcome = 'done';
  if to_regclass('public.card_folds') is not null then
    v_edits := private.with_folds(v_edits, '{folded}');
  end if;
  if to_regclass('private.oncall_answers') is not null then
    v_edits := private.with_oncall_awaited(v_edits);
  end if;
  if to_regclass('public.analyses') is not null then
    v_edits := private.with_analyses(v_edits);
  end if;
  return v_edits;
end $$;
comment on function private.claim_card_edits(integer, timestamptz) is 'claim_card_edits with a given time.';

create function public.claim_card_edits(p_limit integer) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_card_edits(p_limit, clock_timestamp());
end $$;
comment on function public.claim_card_edits(integer) is 'Ends snoozes that are over, and leases up to p_limit cards for a minute whose message in the chat is to be brought up to date: with state, version, who pressed, and the message that the card shows. For secret keys.';

create function public.settle_card_edit(p_delivery_id uuid, p_lease uuid, p_retry_ms bigint default null) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  -- A press in between took the lease away and made it due again.
  update public.cards c
  set edit_due_at = clock_timestamp() + make_interval(secs => p_retry_ms / 1000.0), edit_lease = null
  where c.delivery_id = p_delivery_id and c.edit_lease = p_lease;
  return found;
end $$;
comment on function public.settle_card_edit(uuid, uuid, bigint) is 'The message of a card is up to date, or is tried again after p_retry_ms. False if the card has changed meanwhile. For secret keys.';

-- A card shows what a person wrote. With the message, by an erasure or at the end of its retention, it goes from the chat too.
create table private.card_clears (
  chat_id bigint not null,
  message_id bigint not null,
  is_file boolean not null,
  noted_at timestamptz not null default now(),
  due_at timestamptz not null default now(),
  constraint card_clears_pkey primary key (chat_id, message_id)
);
comment on table private.card_clears is 'Messages in chats that are to be removed, because what they show was.';
comment on constraint card_clears_pkey on private.card_clears is 'One row a message.';
comment on column private.card_clears.chat_id is 'The chat.';
comment on column private.card_clears.message_id is 'Telegram''s id of the message.';
comment on column private.card_clears.is_file is 'Whether it is the file behind a card.';
comment on column private.card_clears.noted_at is 'Since when.';
comment on column private.card_clears.due_at is 'When it is tried, or when whoever tries it is given up.';
create index card_clears_due_idx on private.card_clears (due_at);
comment on index private.card_clears_due_idx is 'What is due. Nearly always empty.';
alter table private.card_clears enable row level security;
revoke all on private.card_clears from public, anon, authenticated;
grant select, insert, update, delete on private.card_clears to service_role;

create function private.clear_card() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.card_clears (chat_id, message_id, is_file)
  select old.chat_id, m.id, m.place > 1 from unnest(old.message_ids) with ordinality as m (id, place)
  on conflict do nothing;
  return null;
end $$;
comment on function private.clear_card() is 'Trigger, after a card was deleted: its messages are removed from the chat.';
create trigger clear_card after delete on public.cards for each row execute function private.clear_card();
comment on trigger clear_card on public.cards is 'What is erased here is erased there.';

create function public.claim_card_clears(p_limit integer) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_clears jsonb;
begin
  perform private.refuse_older_code();
  with due as (
    update private.card_clears c set due_at = clock_timestamp() + interval '60 seconds'
    where (c.chat_id, c.message_id) in (
      select x.chat_id, x.message_id from private.card_clears x where x.due_at <= clock_timestamp()
      order by x.due_at limit p_limit for update skip locked)
    returning c.chat_id, c.message_id, c.is_file
  )
  select coalesce(jsonb_agg(jsonb_build_object('chat_id', d.chat_id, 'message_id', d.message_id, 'is_file', d.is_file)), '[]') into v_clears from due d;
  return v_clears;
end $$;
comment on function public.claim_card_clears(integer) is 'Leases up to p_limit messages in chats for a minute that are to be removed: [{chat_id, message_id, is_file}]. For secret keys.';

create function public.settle_card_clear(p_chat_id bigint, p_message_id bigint, p_retry_ms bigint default null) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if p_retry_ms is null then
    delete from private.card_clears c where c.chat_id = p_chat_id and c.message_id = p_message_id;
  else
    update private.card_clears c set due_at = clock_timestamp() + make_interval(secs => p_retry_ms / 1000.0)
    where c.chat_id = p_chat_id and c.message_id = p_message_id;
  end if;
end $$;
comment on function public.settle_card_clear(bigint, bigint, bigint) is 'A message is removed from its chat, or cannot be; or it is tried again after p_retry_ms. For secret keys.';

create function public.pause_telegram_chat(p_chat_id bigint, p_ms bigint) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_ms / 1000.0);
begin
  update public.cards c set edit_due_at = v_until where c.chat_id = p_chat_id and c.edit_due_at < v_until and c.edit_lease is null;
  update private.card_clears c set due_at = v_until where c.chat_id = p_chat_id and c.due_at < v_until;
  update public.destinations d
  set rate_tat = greatest(d.rate_tat, v_until + make_interval(secs => ((d.rate_burst - 1) / d.rate_per_second)::double precision))
  where d.kind = 'telegram' and d.rate_per_second is not null and split_part(d.url, '/', 1) = 'telegram:' || p_chat_id;
end $$;
comment on function public.pause_telegram_chat(bigint, bigint) is 'Telegram wants nothing to go to a chat for so many milliseconds: neither cards nor edits nor removals do. For secret keys.';

create function private.cards_are_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.cards c where c.edit_due_at <= p_now)
    or exists (select from public.cards c where c.state = 'snoozed' and c.snoozed_until <= p_now)
    or exists (select from private.card_clears c where c.due_at <= p_now);
end $$;
comment on function private.cards_are_due(timestamptz) is 'Whether a card is to be brought up to date, or to be removed. For the clock.';

create function private.purge_telegram(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_purged integer;
begin
  delete from private.telegram_updates u where u.update_id in (
    select x.update_id from private.telegram_updates x where x.received_at < p_now - interval '7 days' order by x.received_at limit 5000);
  get diagnostics v_purged = row_count;
  if to_regclass('private.card_storms') is not null then
    perform private.purge_storms(p_now);
  end if;
  delete from private.telegram_links l where l.expires_at < p_now;
  -- Nobody lets the bot in again after so long.
  delete from private.card_clears c where c.noted_at < p_now - interval '30 days';
  delete from public.telegram_chats c
  where c.updated_at < p_now - interval '30 days' and (c.state = 'left' or c.added_by is null)
    and not exists (select from private.telegram_targets t where t.chat_id = c.id);
  return v_purged;
end $$;
comment on function private.purge_telegram(timestamptz) is 'Forgets ids of updates after 7 days, which is longer than Telegram repeats, links that are over, removals that did not come about within 30 days, and chats that nothing leads to and the bot has left or nobody of the team added it to. Returns how many ids.';

call private.close_functions();
grant execute on function public.link_telegram(text) to authenticated, service_role;
grant execute on function
  private.keep_chat(jsonb, bigint, timestamptz),
  private.open_link(jsonb, timestamptz),
  private.lock_cards(uuid),
  private.rate_card(public.cards, uuid, boolean, timestamptz),
  private.note_pressed_card(text, bigint, bigint),
  private.press_card(jsonb, timestamptz),
  private.in_words(interval),
  private.take_telegram_update(jsonb, timestamptz),
  public.take_telegram_update(jsonb),
  private.claim_card_edits(integer, timestamptz),
  public.claim_card_edits(integer),
  public.settle_card_edit(uuid, uuid, bigint),
  public.claim_card_clears(integer),
  public.settle_card_clear(bigint, bigint, bigint),
  public.pause_telegram_chat(bigint, bigint),
  private.cards_are_due(timestamptz)
  to service_role;

-- The clock was scheduled before there were these jobs.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002901');
