-- Conversations that a person takes over from the services: who has which and until when, who it is assigned to, notes of
-- the team, what has been read, and replies that are used again and again. The takeover itself stands in conversations,
-- where the router reads it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.conversation_desk (
  conversation_id uuid constraint conversation_desk_pkey primary key references public.conversations (id) on delete cascade,
  assigned_to uuid references public.team_members (user_id) on delete set null,
  read_seq bigint not null default 0,
  updated_at timestamptz not null default now(),
  updated_by text not null default private.actor()
);
comment on table public.conversation_desk is 'What the team keeps about a conversation: to whom it is assigned, and how far it has been read.';
comment on constraint conversation_desk_pkey on public.conversation_desk is 'One row per conversation, from the first time that somebody reads or assigns it.';
comment on column public.conversation_desk.conversation_id is 'The conversation.';
comment on column public.conversation_desk.assigned_to is 'The member of the team who looks after it; null for nobody.';
comment on column public.conversation_desk.read_seq is 'messages.seq up to which somebody of the team has read it; 0 for unread.';
comment on column public.conversation_desk.updated_at is 'When it was last changed.';
comment on column public.conversation_desk.updated_by is 'Who changed it.';
create index conversation_desk_assigned_idx on public.conversation_desk (assigned_to) where assigned_to is not null;
comment on index public.conversation_desk_assigned_idx is 'The conversations of a member; serves the foreign key.';
alter table public.conversation_desk enable row level security;
-- No policy and no grant for people: the functions below return what may be seen of it.
revoke all on public.conversation_desk from public, anon, authenticated;
grant select, insert, update, delete on public.conversation_desk to service_role;

create table public.conversation_notes (
  id uuid constraint conversation_notes_pkey primary key default private.uuid_v7(),
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  text text not null constraint conversation_notes_text_length check (char_length(text) between 1 and 4000),
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor()
);
comment on table public.conversation_notes is 'Notes of the team about a conversation. The person never sees them.';
comment on constraint conversation_notes_pkey on public.conversation_notes is 'In the order in which they were written.';
comment on column public.conversation_notes.id is 'UUID v7.';
comment on column public.conversation_notes.conversation_id is 'The conversation.';
comment on column public.conversation_notes.text is 'The note.';
comment on column public.conversation_notes.at is 'When it was written.';
comment on column public.conversation_notes.by is 'Who wrote it.';
create index conversation_notes_conversation_idx on public.conversation_notes (conversation_id, id);
comment on index public.conversation_notes_conversation_idx is 'The notes of a conversation in order; serves the foreign key.';
alter table public.conversation_notes enable row level security;
-- No policy and no grant for people: notes name people.
revoke all on public.conversation_notes from public, anon, authenticated;
grant select, insert, update, delete on public.conversation_notes to service_role;

create table public.canned_replies (
  name text constraint canned_replies_pkey primary key constraint canned_replies_name_form check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  text text not null constraint canned_replies_text_length check (char_length(text) between 1 and 4096),
  updated_at timestamptz not null default clock_timestamp(),
  updated_by text not null default private.actor()
);
comment on table public.canned_replies is 'Replies that the team uses again and again. {{name}} in one stands for the person''s name.';
comment on constraint canned_replies_pkey on public.canned_replies is 'A reply is chosen by its name.';
comment on column public.canned_replies.name is 'Short name: lower-case letters, digits, - and _.';
comment on column public.canned_replies.text is 'The text.';
comment on column public.canned_replies.updated_at is 'When it was last changed.';
comment on column public.canned_replies.updated_by is 'Who changed it.';
alter table public.canned_replies enable row level security;
-- No policy and no grant for people: the functions below return them.
revoke all on public.canned_replies from public, anon, authenticated;
grant select, insert, update, delete on public.canned_replies to service_role;

-- Take over and release ---------------------------------------------------------------------------

create function private.takeover_view(p_conversation public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select case when p_conversation.taken_until > clock_timestamp() then jsonb_build_object('by', p_conversation.taken_by,
    'since', p_conversation.taken_at, 'until', p_conversation.taken_until) end
$$;
comment on function private.takeover_view(public.conversations) is 'Who has a conversation: {by, since, until}; null while the services have it.';

create function private.conversation_at(p_id uuid) returns public.conversations
language plpgsql volatile set search_path = '' as $$
declare
  v_conversation public.conversations;
begin
  select * into v_conversation from public.conversations c where c.id = p_id for update;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404', hint = 'gatelink conversations list shows the latest.';
  end if;
  return v_conversation;
end $$;
comment on function private.conversation_at(uuid) is 'Locks and returns a conversation. GL404 if there is none.';

create function public.take_conversation(p_conversation_id uuid, p_minutes integer default null, p_by text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_minutes integer := coalesce(p_minutes, nullif(private.takeover_minutes(), 0), 60);
  v_by text := private.actor();
  v_conversation public.conversations;
begin
  perform private.require_role('operator');
  if v_minutes not between 1 and 43200 then
    raise exception 'a takeover lasts 1 to 43200 minutes' using errcode = 'GL422', hint = 'Take the conversation again before it ends.';
  end if;
  if p_by is not null and (select auth.uid()) is null then
    if p_by !~ '^[A-Za-z0-9@._:-]{1,100}$' then
      raise exception 'by has 1 to 100 letters, digits, @ . _ : or -' using errcode = 'GL422';
    end if;
    v_by := p_by;
  end if;
  perform private.conversation_at(p_conversation_id);
  perform private.take_over(array[p_conversation_id], v_by, v_now, v_now + make_interval(mins => v_minutes), v_now, false);
  select * into v_conversation from public.conversations c where c.id = p_conversation_id;
  return jsonb_build_object('id', p_conversation_id, 'taken_over', private.takeover_view(v_conversation));
end $$;
comment on function public.take_conversation(uuid, integer, text) is
  'Takes a conversation over from the services, for some minutes (1 to 43200; the setting takeover.minutes without them): messages that come in meanwhile go only to destinations with when_taken mark. Taking it again sets the new end. p_by names who has it, for secret keys; people are named by themselves. Returns {id, taken_over: {by, since, until}}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 invalid value.';

create function private.release(p_ids uuid[], p_why text) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_events private.noted_event[];
  v_count integer;
begin
  select array_agg(('conversation.released', c.channel, c.id, null, c.number_id, null,
    case when p_why = 'time' then c.taken_until else clock_timestamp() end,
    jsonb_build_object('takeover', jsonb_build_object('by', c.taken_by, 'since', c.taken_at, 'until', c.taken_until, 'released', p_why)),
    null, null)::private.noted_event order by c.taken_until, c.id)
  into v_events
  from public.conversations c where c.id = any (p_ids) and c.taken_until is not null;
  update public.conversations c set taken_at = null, taken_until = null, taken_by = null
  where c.id = any (p_ids) and c.taken_until is not null;
  get diagnostics v_count = row_count;
  if v_events is not null and private.is_subscribed() then
    perform private.note_events(v_events);
  end if;
  return v_count;
end $$;
comment on function private.release(uuid[], text) is 'Gives conversations back to the services: by hand, or because the time is over. The caller holds their locks. Returns how many somebody had.';

create function public.release_conversation(p_conversation_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  perform private.conversation_at(p_conversation_id);
  return jsonb_build_object('id', p_conversation_id, 'released', private.release(array[p_conversation_id], 'hand') > 0);
end $$;
comment on function public.release_conversation(uuid) is
  'Gives a conversation back to the services; what came in meanwhile stays with the person. Returns {id, released: false if nobody had it}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation.';

-- A conversation is the services' again at its time, whether this has run or not: this tells them, and clears the row.
create function private.release_conversations(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_due uuid[] := array(
    select c.id from public.conversations c where c.taken_until <= p_now order by c.taken_until limit 1000);
begin
  if v_due = '{}' then
    return 0;
  end if;
  return private.release(array(
    select c.id from public.conversations c where c.id = any (v_due) and c.taken_until <= p_now order by c.id for update skip locked), 'time');
end $$;
comment on function private.release_conversations(timestamptz) is 'Run by the clock: releases the conversations whose takeover is over. Returns how many.';

-- The desk: assigned, read, notes -----------------------------------------------------------------

create function private.desk_view(p_conversation public.conversations, p_words boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_conversation.id, 'taken_over', private.takeover_view(p_conversation),
    'assigned_to', k.assigned_to,
    'unread', exists (
      select from public.messages m
      where m.conversation_id = p_conversation.id and m.direction = 'in' and m.seq > coalesce(k.read_seq, 0)),
    'notes', case when p_words then (
      select coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'text', n.text, 'at', n.at, 'by', n.by) order by n.id), '[]')
      from public.conversation_notes n where n.conversation_id = p_conversation.id) else '[]' end)
  from (select 1) as one (row) left join public.conversation_desk k on k.conversation_id = p_conversation.id
$$;
comment on function private.desk_view(public.conversations, boolean) is 'What the team keeps about a conversation; notes only with p_words.';

create function public.list_desks(p_conversation_ids uuid[]) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.desk_view(c, private.may('operator')) order by c.id), '[]')
    from public.conversations c where c.id = any (p_conversation_ids[1:200]));
end $$;
comment on function public.list_desks(uuid[]) is
  'What the team keeps about conversations, at most 200: [{id, taken_over: {by, since, until} or null, assigned_to, unread, notes: [{id, text, at, by}]}], without those that do not exist. Notes are empty for viewers. For viewers and secret keys.';

create function public.list_desk_conversations(p_which text, p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
  v_ids uuid[];
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  v_ids := case p_which
    when 'mine' then array(select k.conversation_id from public.conversation_desk k where k.assigned_to = (select auth.uid()))
    when 'taken_over' then array(
      select c.id from public.conversations c where c.taken_until > clock_timestamp() order by c.taken_until desc limit 1000) end;
  if v_ids is null then
    raise exception 'there are lists mine and taken_over' using errcode = 'GL422';
  end if;
  return (
    select coalesce(jsonb_agg(private.conversation_view(x.c, x.m, v_words) order by (x.c).last_message_at desc nulls last), '[]')
    from (
      select c, l.m from public.conversations c
      left join lateral (
        select m from public.messages m where m.conversation_id = c.id order by m.seq desc limit 1) l on true
      where c.id = any (v_ids) order by c.last_message_at desc nulls last limit least(greatest(p_limit, 1), 200)
    ) x);
end $$;
comment on function public.list_desk_conversations(text, integer) is
  'The conversations that are assigned to the caller (mine), or that somebody has taken over (taken_over), those with the latest message first; at most 200. As list_conversations. For viewers and secret keys. Errors: 42501 not allowed, GL422 another list.';

create function public.set_conversation_desk(p_conversation_id uuid, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_assigned uuid := (p_changes ->> 'assigned_to')::uuid;
  v_read bigint;
begin
  perform private.require_role('operator');
  if jsonb_typeof(p_changes) is distinct from 'object' or exists (
    select from jsonb_object_keys(p_changes) k where k not in ('assigned_to', 'unread'))
    or p_changes ? 'unread' and jsonb_typeof(p_changes -> 'unread') <> 'boolean' then
    raise exception 'a conversation has assigned_to and unread to change' using errcode = 'GL422';
  end if;
  if v_assigned is not null and not exists (
    select from public.team_members t where t.user_id = v_assigned and t.role in ('operator', 'admin')) then
    raise exception 'only operators and admins look after conversations' using errcode = 'GL422';
  end if;
  perform from public.conversations c where c.id = p_conversation_id for key share;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404', hint = 'gatelink conversations list shows the latest.';
  end if;
  -- Up to what has been stored, not to what the caller saw: marking as read means the conversation.
  v_read := case when p_changes -> 'unread' = 'false' then greatest(0, (
    select max(m.seq) from public.messages m where m.conversation_id = p_conversation_id))
    when p_changes -> 'unread' = 'true' then 0 end;
  insert into public.conversation_desk as k (conversation_id, assigned_to, read_seq)
  values (p_conversation_id, v_assigned, coalesce(v_read, 0))
  on conflict on constraint conversation_desk_pkey do update set
    assigned_to = case when p_changes ? 'assigned_to' then v_assigned else k.assigned_to end,
    read_seq = coalesce(v_read, k.read_seq), updated_at = clock_timestamp(), updated_by = private.actor();
  return (select private.desk_view(c, true) from public.conversations c where c.id = p_conversation_id);
end $$;
comment on function public.set_conversation_desk(uuid, jsonb) is
  'Changes what the team keeps about a conversation: assigned_to (a user id of an operator or admin, or null) and unread (false: all of it has been read; true: none). Returns it as list_desks does. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 invalid value.';

create function public.add_conversation_note(p_conversation_id uuid, p_text text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_note public.conversation_notes;
begin
  perform private.require_role('operator');
  if coalesce(trim(p_text), '') = '' or char_length(p_text) > 4000 then
    raise exception 'a note has 1 to 4000 characters' using errcode = 'GL422';
  end if;
  perform from public.conversations c where c.id = p_conversation_id for key share;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404', hint = 'gatelink conversations list shows the latest.';
  end if;
  insert into public.conversation_notes (conversation_id, text) values (p_conversation_id, p_text) returning * into v_note;
  return to_jsonb(v_note) - 'conversation_id';
end $$;
comment on function public.add_conversation_note(uuid, text) is
  'Adds a note to a conversation, which only the team sees. Returns {id, text, at, by}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 no words or too many.';

create function public.remove_conversation_note(p_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  delete from public.conversation_notes n where n.id = p_id;
  return found;
end $$;
comment on function public.remove_conversation_note(uuid) is 'Removes a note; false if there was none. For operators and secret keys.';

-- Canned replies ----------------------------------------------------------------------------------

create function public.list_canned_replies() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', r.name, 'text', r.text, 'updated_at', r.updated_at, 'updated_by', r.updated_by)
      order by r.name), '[]')
    from public.canned_replies r);
end $$;
comment on function public.list_canned_replies() is 'The canned replies by name, [{name, text, updated_at, updated_by}]. For operators and secret keys.';

create function public.set_canned_reply(p_name text, p_text text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  if (select count(*) from public.canned_replies r where r.name <> p_name) >= 500 then
    raise exception 'there are 500 canned replies already' using errcode = 'GL409', hint = 'Remove one first.';
  end if;
  insert into public.canned_replies as r (name, text) values (p_name, p_text)
  on conflict on constraint canned_replies_pkey do update
    set text = excluded.text, updated_at = clock_timestamp(), updated_by = private.actor();
  return (
    select jsonb_build_object('name', r.name, 'text', r.text, 'updated_at', r.updated_at, 'updated_by', r.updated_by)
    from public.canned_replies r where r.name = p_name);
end $$;
comment on function public.set_canned_reply(text, text) is
  'Adds or changes a canned reply. Returns {name, text, updated_at, updated_by}. For operators and secret keys. Errors: 42501 not allowed, GL409 there are 500 already, 23514 invalid name or text.';

create function public.remove_canned_reply(p_name text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  delete from public.canned_replies r where r.name = p_name;
  return found;
end $$;
comment on function public.remove_canned_reply(text) is 'Removes a canned reply; false if there was none. For operators and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.takeover_view(public.conversations),
  private.conversation_at(uuid),
  private.release(uuid[], text),
  private.release_conversations(timestamptz),
  private.desk_view(public.conversations, boolean)
  to service_role;
grant execute on function
  public.take_conversation(uuid, integer, text),
  public.release_conversation(uuid),
  public.list_desks(uuid[]),
  public.list_desk_conversations(text, integer),
  public.set_conversation_desk(uuid, jsonb),
  public.add_conversation_note(uuid, text),
  public.remove_conversation_note(uuid),
  public.list_canned_replies(),
  public.set_canned_reply(text, text),
  public.remove_canned_reply(text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002620');
