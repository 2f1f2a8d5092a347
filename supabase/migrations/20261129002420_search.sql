-- Search over everything that the panel shows: one call for its palette.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Words of names, by their beginnings, in any language: no stemming. Each file is one transaction, in which no index is
-- made concurrently; the time limits above bound the lock.
-- squawk-ignore require-concurrent-index-creation
create index contacts_name_idx on public.contacts using gin (to_tsvector('pg_catalog.simple', name)) where name is not null;
comment on index public.contacts_name_idx is 'People by the beginnings of the words of their names.';

create function private.search_rank(p_title text, p_about text, p_words text[]) returns integer
language sql immutable set search_path = '' as $$
  select case
    when exists (
      select from unnest(p_words) as w (word) where strpos(lower(concat_ws(' ', p_title, p_about)), w.word) = 0) then null
    when lower(p_title) = array_to_string(p_words, ' ') then 0
    when starts_with(lower(p_title), p_words[1]) then 1
    when not exists (select from unnest(p_words) as w (word) where strpos(lower(p_title), w.word) = 0) then 2
    else 3 end
$$;
comment on function private.search_rank(text, text, text[]) is
  'How well something matches lower-case words: 0 its title is them, 1 its title begins with the first, 2 its title holds all of them, 3 the title and what is told of it do; null where a word is in neither.';

create function private.name_query(p_words text[]) returns tsquery
language sql immutable set search_path = '' as $$
  -- Quoted, so that nothing of a word is read as an operator.
  select to_tsquery('pg_catalog.simple', string_agg(
    format('''%s'':*', replace(replace(w.word, '\', '\\'), '''', '''''')), ' & '))
  from unnest(p_words) as w (word)
$$;
comment on function private.name_query(text[]) is 'Names of which some word begins with each of these words.';

create function private.search_hit(
  p_kind text, p_id text, p_title text, p_about text, p_state text, p_version bigint, p_rank integer, p_message_id uuid default null
) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('kind', p_kind, 'id', p_id, 'title', p_title, 'about', p_about, 'state', p_state,
    'version', p_version, 'rank', p_rank, 'message_id', p_message_id)
$$;
comment on function private.search_hit(text, text, text, text, text, bigint, integer, uuid) is 'One hit of search_everything.';

create function private.links_of_words(p_words text[]) returns setof public.links
language plpgsql stable set search_path = '' as $$
begin
  if coalesce(cardinality(p_words), 0) = 0 then
    return;
  end if;
  -- The index knows no word of less than three characters: then the newest are looked through, so that a search ends in time.
  return query execute format(
    'select * from %s where state <> ''deleted'' and %s order by created_at desc, code desc limit 200',
    case when exists (select from unnest(p_words) as w (word) where length(w.word) > 2) then 'public.links'
      else '(select * from public.links order by created_at desc, code desc limit 20000) newest' end,
    private.links_with(p_words));
end $$;
comment on function private.links_of_words(text[]) is
  'The newest 200 links that hold all these words; of words that have less than three characters, among the newest 20,000.';

-- Each kind is limited for itself: a thousand links of a campaign must not hide the flag of the same name.
create function private.search_things(p_words text[], p_limit integer) returns setof jsonb
language plpgsql stable set search_path = '' set jit = off as $$
declare
  v_first text collate "C" := p_words[1];
begin
  return query
  (select private.search_hit('flag', s.key, s.key, s.metadata ->> 'description', case s.value when 'true' then 'on' else 'off' end, s.version, r.rank)
  from public.settings s
  cross join lateral private.search_rank(s.key, s.metadata ->> 'description', p_words) as r (rank)
  where s.key like '%.enabled' and r.rank is not null order by r.rank, s.value desc, s.key limit p_limit)
  union all
  (select private.search_hit('rollout', x.id::text, x.flag_key, x.plan, x.state, x.version, x.rank)
  from (
    select distinct on (o.flag_key) o.id, o.flag_key, o.plan, o.state, o.version, r.rank from public.rollouts o
    cross join lateral private.search_rank(o.flag_key, o.plan, p_words) as r (rank)
    where r.rank is not null order by o.flag_key, o.created_at desc) x
  order by x.rank, x.state not in ('running', 'paused'), x.flag_key limit p_limit)
  union all
  (select private.search_hit('incident', i.number::text, '#' || i.number || ' ' || i.title, i.severity || ' ' || i.status,
    case when i.status = 'resolved' then 'resolved' when i.acknowledged_at is null then 'unacknowledged' else 'acknowledged' end,
    i.version, r.rank)
  from public.incidents i
  cross join lateral private.search_rank('#' || i.number || ' ' || i.title, concat_ws(' ', i.severity, i.status, i.component, i.flag_key), p_words) as r (rank)
  where r.rank is not null order by i.status = 'resolved', r.rank, i.number desc limit p_limit)
  union all
  (select private.search_hit('destination', d.name, d.name, substring(d.url from '^https?://([^/?#]*)'),
    private.shown_state(d.state, d.circuit_open_until), d.version, r.rank)
  from public.destinations d
  cross join lateral private.search_rank(d.name, substring(d.url from '^https?://([^/?#]*)'), p_words) as r (rank)
  where d.removed_at is null and r.rank is not null order by r.rank, d.name limit p_limit)
  union all
  (select private.search_hit('route', t.id::text, t.name, t.leads, case when t.active then 'on' else 'off' end, t.version, r.rank)
  from (
    select o.id, o.name, o.active, o.version, o.priority, concat_ws(', ', (
      select string_agg(d.name, ', ' order by x.position) from public.route_destinations x
      join public.destinations d on d.id = x.destination_id where x.route_id = o.id), o.flag_key) as leads
    from public.routes o) t
  cross join lateral private.search_rank(t.name, t.leads, p_words) as r (rank)
  where r.rank is not null order by r.rank, t.priority, t.name limit p_limit)
  union all
  (select private.search_hit('segment', s.key, s.key, nullif(s.description, ''), null, s.version, r.rank)
  from public.segments s
  cross join lateral private.search_rank(s.key, s.description, p_words) as r (rank)
  where r.rank is not null order by r.rank, s.key limit p_limit)
  union all
  (select private.search_hit('announcement', a.id::text, a.name, null, a.state, a.version, r.rank)
  from public.announcements a
  cross join lateral private.search_rank(a.name, null, p_words) as r (rank)
  where r.rank is not null order by r.rank, a.created_at desc limit p_limit)
  union all
  (select private.search_hit('number', n.id, coalesce(n.address, n.id), n.channel, case when n.held_since is null then n.state else 'held' end, null, r.rank)
  from public.senders n
  cross join lateral private.search_rank(coalesce(n.address, n.id), concat_ws(' ', n.channel, n.id), p_words) as r (rank)
  where r.rank is not null order by r.rank, n.channel, n.id limit p_limit)
  union all
  (select private.search_hit('setting', s.key, s.key, left(s.value, 80), null, s.version, r.rank)
  from public.settings s
  cross join lateral private.search_rank(s.key, null, p_words) as r (rank)
  where s.key not like '%.enabled' and cardinality(p_words) > 0 and r.rank is not null order by r.rank, s.key limit p_limit)
  union all
  (select private.search_hit('link', l.code, coalesce(l.title, l.code), l.about, l.state, l.version, l.rank)
  from (
    select distinct on (c.code) c.code, c.title, c.about, c.state, c.version, c.created_at, r.rank
    from (
      (select k.code, k.title, k.note, coalesce(k.default_url, k.whatsapp ->> 'text') as about, k.state, k.version, k.created_at, null::integer as held
      from public.links k where k.code >= v_first and k.code < v_first || '~' order by k.code limit 100)
      union all
      (select k.code, k.title, k.note, coalesce(k.default_url, k.whatsapp ->> 'text'), k.state, k.version, k.created_at, 3
      from private.links_of_words(p_words) k)) c
    cross join lateral (
      -- What holds them in a tag or in an address of a rule comes last.
      select coalesce(min(x.rank), c.held) as rank from (
        select private.search_rank(c.code, null, p_words) as rank
        union all select private.search_rank(coalesce(c.title, ''), concat_ws(' ', c.code, c.note, c.about), p_words)) x) r
    where c.state <> 'deleted' and r.rank is not null and cardinality(p_words) > 0) l
  order by l.rank, l.created_at desc, l.code limit p_limit);
end $$;
comment on function private.search_things(text[], integer) is
  'What holds all these lower-case words, at most so many of each kind, as hits of search_everything; without words, what is there to be acted on. Of links the newest 200 that hold the words are ranked, and those whose code begins with the first.';

create function private.contacts_at(p_query text) returns uuid[]
language plpgsql stable set search_path = '' set jit = off as $$
declare
  v_digits text := regexp_replace(p_query, '[^0-9]', '', 'g');
  v_values text[] := array[lower(p_query), ltrim(lower(p_query), '@')];
begin
  if p_query ~ '^[-+(). 0-9]+$' and length(v_digits) between 7 and 15 then
    v_values := private.spellings('phone', v_digits);
  end if;
  return array(
    select distinct i.contact_id from (select distinct n.channel from public.senders n) k
    cross join unnest(v_values) as s (value)
    cross join unnest(array['phone', 'email', 'username']) as o (kind)
    cross join lateral (
      select c.contact_id from public.contact_identities c
      where c.channel = k.channel and c.kind = o.kind and c.value = s.value and c.valid_to is null limit 1) i);
end $$;
comment on function private.contacts_at(text) is 'Contacts by a whole phone number, however it is written, mail address or user name.';

-- By a whole number or address for those who know it already, by words of the name for those who may see names.
create function private.search_people(p_query text, p_words text[], p_limit integer) returns setof jsonb
language plpgsql stable set search_path = '' set jit = off as $$
declare
  v_contacts uuid[] := private.contacts_at(p_query);
begin
  return query
  select private.search_hit('conversation', v.id::text, v.name, private.contact_last_four(v.contact_id), v.channel, null, v.rank)
  from (
    select c.id, c.contact_id, c.channel, p.name, p.rank, c.last_inbound_at
    from (
      select k.id, k.name, 0 as rank from public.contacts k where k.id = any (v_contacts)
      union
      (select k.id, k.name, coalesce(private.search_rank(k.name, null, p_words), 3) from public.contacts k
      where k.name is not null and to_tsvector('pg_catalog.simple', k.name) @@ private.name_query(p_words) limit 200)) p
    join public.conversations c on c.contact_id = p.id
    order by p.rank, c.last_inbound_at desc nulls last limit p_limit) v;
end $$;
comment on function private.search_people(text, text[], integer) is
  'Conversations of people by a whole phone number, mail address or user name, or by the beginnings of the words of their names, as hits of search_everything.';

create function public.search_everything(p_query text, p_limit integer default 6) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_names boolean;
  v_query text := left(trim(p_query), 200);
  v_words text[];
  v_limit integer := least(greatest(coalesce(p_limit, 6), 1), 50);
begin
  perform private.require_role('viewer');
  v_names := private.may('operator');
  v_words := (regexp_split_to_array(lower(v_query), '\s+'))[1:8];
  if coalesce(v_query, '') = '' then
    v_words := '{}';
  end if;
  return (
    with hits as (
      select t.hit from private.search_things(v_words, v_limit) as t (hit)
      union all
      select private.search_hit('conversation', c.item ->> 'id', c.item #>> '{contact,name}', c.item #>> '{contact,last_four}',
        c.item ->> 'channel', null, 0, (c.item ->> 'message_id')::uuid)
      from jsonb_array_elements(
        case when cardinality(v_words) = 1 then public.search_conversations(v_query, v_limit) else '[]' end) as c (item)
      union all
      select p.hit from private.search_people(v_query, v_words, v_limit) as p (hit)
      where v_names and cardinality(v_words) > 0
    ), each as (
      select distinct on (h.hit ->> 'kind', h.hit ->> 'id') h.hit from hits h
      order by h.hit ->> 'kind', h.hit ->> 'id', (h.hit ->> 'rank')::integer
    )
    select coalesce(jsonb_agg(e.hit order by (e.hit ->> 'rank')::integer, e.hit ->> 'kind', e.hit ->> 'title', e.hit ->> 'id'), '[]')
    from each e);
end $$;
comment on function public.search_everything(text, integer) is
  'Whatever holds all words of a query, best first, at most p_limit (50) of each kind: [{kind: flag | rollout | incident | destination | route | segment | announcement | number | setting | link | conversation, id, title, about, state, version, rank: 0 (is it) to 3, message_id}]. Conversations are found as by search_conversations, and by operators also by a whole phone number or address, or by a name; title is then the name, null for viewers, and about the last four characters. An empty query answers what there is of each kind, without settings, links and conversations. For viewers and secret keys.';

call private.close_functions();
grant execute on function
  private.search_rank(text, text, text[]),
  private.name_query(text[]),
  private.search_hit(text, text, text, text, text, bigint, integer, uuid),
  private.links_of_words(text[]),
  private.search_things(text[], integer),
  private.contacts_at(text),
  private.search_people(text, text[], integer)
  to service_role;
grant execute on function
  public.search_everything(text, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002420');
