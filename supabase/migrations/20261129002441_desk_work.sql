-- Conversations as work: what nobody has read, who waits longest for a person, and who else is looking.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Of the moment, and worth nothing after a crash.
create unlogged table private.conversation_presence (
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  user_id uuid not null references public.team_members (user_id) on delete cascade,
  at timestamptz not null,
  constraint conversation_presence_pkey primary key (conversation_id, user_id)
);
comment on table private.conversation_presence is 'Who of the team had a conversation open last, and when. Half a minute later they are taken to have left.';
comment on constraint conversation_presence_pkey on private.conversation_presence is 'One row per conversation and member.';
comment on column private.conversation_presence.conversation_id is 'The conversation.';
comment on column private.conversation_presence.user_id is 'The member of the team.';
comment on column private.conversation_presence.at is 'When they were last seen there.';
create index conversation_presence_user_idx on private.conversation_presence (user_id);
comment on index private.conversation_presence_user_idx is 'Serves the foreign key.';
alter table private.conversation_presence enable row level security;
revoke all on private.conversation_presence from public, anon, authenticated;
grant select, insert, update, delete on private.conversation_presence to service_role;

create function public.look_at_conversation(p_conversation_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user uuid := (select auth.uid());
begin
  perform private.require_role('viewer');
  if v_user is not null then
    insert into private.conversation_presence as p (conversation_id, user_id, at)
    select c.id, v_user, clock_timestamp() from public.conversations c where c.id = p_conversation_id
    on conflict on constraint conversation_presence_pkey do update set at = excluded.at;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('user_id', p.user_id, 'at', p.at) order by p.at desc), '[]')
    from private.conversation_presence p
    where p.conversation_id = p_conversation_id and p.user_id is distinct from v_user
      and p.at > clock_timestamp() - interval '30 seconds');
end $$;
comment on function public.look_at_conversation(uuid) is
  'Says that the caller has a conversation open, and who else of the team had within half a minute: [{user_id, at}]. For viewers and secret keys, which are nobody.';

create function private.unanswered_since(p_conversation_id uuid) returns timestamptz
language sql stable set search_path = '' as $$
  select min(m.created_at) from public.messages m
  where m.conversation_id = p_conversation_id and m.direction = 'in' and m.seq > coalesce((
    select max(o.seq) from public.messages o where o.conversation_id = p_conversation_id and o.direction = 'out'), 0)
$$;
comment on function private.unanswered_since(uuid) is 'Since when a person waits for an answer: the first message after the last one that went out; null if none came.';

-- What services answer is no work of people's: a conversation is theirs once somebody has it or looks after it.
create function public.list_conversation_work(p_which text, p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  if p_which is null or p_which not in ('unread', 'waiting') then
    raise exception 'there is work that is unread and waiting' using errcode = 'GL422';
  end if;
  return (
    with held as (
      select k.conversation_id as id from public.conversation_desk k where k.assigned_to is not null
      union
      select c.id from public.conversations c where c.taken_until > clock_timestamp()
    ), work as (
      select c, l.m, private.unanswered_since(c.id) as since,
        exists (
          select from public.messages n where n.conversation_id = c.id and n.direction = 'in'
            and n.seq > coalesce((select k.read_seq from public.conversation_desk k where k.conversation_id = c.id), 0)) as unread
      from held
      join public.conversations c on c.id = held.id
      cross join lateral (select m from public.messages m where m.conversation_id = c.id order by m.seq desc limit 1) l
    ), wanted as (
      select w.* from work w
      where case p_which when 'unread' then w.unread else w.since is not null end
      order by w.since nulls last, (w.c).id limit least(greatest(coalesce(p_limit, 100), 1), 200)
    )
    select coalesce(jsonb_agg(private.conversation_view(w.c, w.m, v_words)
      || jsonb_build_object('waiting_since', w.since, 'unread', w.unread) order by w.since nulls last, (w.c).id), '[]')
    from wanted w);
end $$;
comment on function public.list_conversation_work(text, integer) is
  'Conversations that somebody of the team has taken over or looks after: those in which something is unread, or those in which the person waits for an answer (waiting), who waits longest first; at most 200. As list_conversations, each with waiting_since and unread. For viewers and secret keys. Errors: 42501 not allowed, GL422 another list.';

call private.close_functions();
grant execute on function
  private.unanswered_since(uuid)
  to service_role;
grant execute on function
  public.look_at_conversation(uuid),
  public.list_conversation_work(text, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002441');
