-- Deep links: their table, creating and changing them, how the edge functions read them, and how an isolate learns of
-- changes.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

-- The code is the key: it is what visits, clicks and attributions name, it never changes, and a row is never
-- removed, so a code is never given to another link. In "C" collation, which compares bytes and nothing else.
create table public.links (
  code text collate "C" primary key
    constraint links_code_form check (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
  external_id text constraint links_external_id_length check (length(external_id) between 1 and 200),
  request_hash text not null,
  title text constraint links_title_length check (length(title) between 1 and 120),
  note text constraint links_note_length check (length(note) between 1 and 500),
  default_url text,
  targets jsonb not null default '[]' constraint links_targets_array check (jsonb_typeof(targets) = 'array'),
  whatsapp jsonb constraint links_whatsapp_object check (jsonb_typeof(whatsapp) = 'object'),
  starts_at timestamptz,
  expires_at timestamptz,
  expired_url text,
  confirm boolean not null default false,
  max_uses integer constraint links_max_uses_positive check (max_uses > 0),
  uses integer not null default 0,
  taken integer not null default 0,
  utm jsonb not null default '{}' constraint links_utm_object check (jsonb_typeof(utm) = 'object'),
  campaign text generated always as (utm ->> 'campaign') stored,
  pass_query boolean not null default false,
  tags text[] not null default '{}',
  flag_key text constraint links_flag_key_filled check (flag_key <> ''),
  preview jsonb constraint links_preview_object check (jsonb_typeof(preview) = 'object'),
  fingerprint boolean not null default false,
  state text not null default 'active' constraint links_state_known
    check (state in ('active', 'disabled', 'blocked', 'deleted')),
  version integer not null default 1,
  member_versions jsonb not null default '{}' constraint links_member_versions_object
    check (jsonb_typeof(member_versions) = 'object'),
  changed_in xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default private.actor(),
  updated_at timestamptz not null default clock_timestamp(),
  updated_by text not null default private.actor(),
  constraint links_lead_somewhere check (default_url is not null or whatsapp is not null)
) with (fillfactor = 90);
comment on table public.links is 'Links. Where one leads is decided for each visit by _shared/links; every address in here passed the allowlist when it was written and passes it again at each visit.';
comment on column public.links.code is 'The last part of the address, lower case. Never changes and is never used again.';
comment on column public.links.external_id is 'The caller''s own id of it: creating it again answers this link. Unique among those not deleted.';
comment on column public.links.request_hash is 'Hash of the request that made it, to tell a repetition from another request under the same external id.';
comment on column public.links.title is 'The team''s name for it. Never given to an isolate, and so never to a visitor.';
comment on column public.links.note is 'The team''s free text. Never given to an isolate, and so never to a visitor.';
comment on column public.links.default_url is 'Where visits go that no target takes, and all visits while the link''s flag is off.';
comment on column public.links.targets is 'Rules in order, [{when, url | app | whatsapp}]: the first whose conditions hold decides.';
comment on column public.links.whatsapp is 'Chat that a visit opens if no target takes it: {phone_number_id, text}. Takes precedence over default_url.';
comment on column public.links.starts_at is 'The link works from this time on; null for no limit.';
comment on column public.links.expires_at is 'The link stops working at this time; null for no limit.';
comment on column public.links.expired_url is 'Where a visit goes while the link cannot be used, instead of an error.';
comment on column public.links.max_uses is 'Maximum number of human visits; null for no limit.';
comment on column public.links.uses is 'Uses so far. Counted only if max_uses is set.';
comment on column public.links.taken is 'How many the last take was granted: how the one statement that takes tells its caller.';
comment on column public.links.utm is 'Campaign parameters added to web targets: any of source, medium, campaign, term, content.';
comment on column public.links.campaign is 'utm.campaign, for lists and routes.';
comment on column public.links.confirm is 'Whether people must press a button to continue, so that programs that scan links use nothing up.';
comment on column public.links.pass_query is 'Whether the parameters of a visit are handed on to a web target.';
comment on column public.links.tags is 'Words of the team''s, for lists and routes.';
comment on column public.links.flag_key is 'A flag besides deeplinks.enabled that has to be on for the visitor; while it is off the visit goes to default_url.';
comment on column public.links.preview is 'What messengers show for the link: any of title, description, image.';
comment on column public.links.fingerprint is 'Whether an app''s first open may be matched by network and device, which is a guess.';
comment on column public.links.state is 'active, disabled (by the team, can be undone), blocked (abuse), or deleted (kept so that the code is not used again; can be restored).';
comment on column public.links.version is 'Grows with each change made by people.';
comment on column public.links.member_versions is 'The version in which each member was last changed, {member: version}; absent for one as it was made. Tells whether two changes are of the same member.';
comment on column public.links.changed_in is 'Transaction that last changed it; tells isolates what to reload, see refresh_links.';
comment on column public.links.created_at is 'When it was made.';
comment on column public.links.created_by is 'Who made it: a user id, or the name of a key or role.';
comment on column public.links.updated_at is 'When it was last changed.';
comment on column public.links.updated_by is 'Who last changed it.';
create unique index links_external_id_idx on public.links (external_id) where state <> 'deleted' and external_id is not null;
comment on index public.links_external_id_idx is 'Makes creation idempotent; deleting a link frees its external id.';
create index links_changed_idx on public.links (changed_in);
comment on index public.links_changed_idx is 'Links that changed since an isolate last asked.';
create index links_newest_idx on public.links (created_at, code);
comment on index public.links_newest_idx is 'Lists, newest first, page by page.';
create index links_told_idx on public.links (created_at, code) where title is not null or note is not null;
comment on index public.links_told_idx is 'Lists by a part of title or note: only links that have one are looked at.';
create index links_tags_idx on public.links using gin (tags);
comment on index public.links_tags_idx is 'Lists by tag.';
create index links_campaign_idx on public.links (campaign, created_at) where campaign is not null;
comment on index public.links_campaign_idx is 'Lists by campaign.';
alter table public.links enable row level security;
revoke all on public.links from public, anon, authenticated;
grant select on public.links to authenticated;
grant select, insert, update on public.links to service_role;
create policy "team reads links" on public.links for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads links" on public.links is 'Every role may see the links; passwords are elsewhere.';

create function private.personal_links() returns table (relation text, columns text[], tied text, erased text)
language sql immutable set search_path = '' as $$
  values
    -- Services make links for one person each, by an id of theirs.
    ('public.links', '{external_id}'::text[], 'private.tombstone(t.external_id, $1, false) <> t.external_id', 'set external_id = null'),
    ('public.links', '{title,note}', '', 'words'),
    ('public.links', '{default_url,targets,whatsapp,expired_url,utm,tags,preview}', '', 'ids')
$$;
comment on function private.personal_links() is 'The personal data in links, in the form of private.personal_data().';

create table private.link_passwords (
  code text collate "C" primary key references public.links (code) on delete cascade,
  hash text not null
);
comment on table private.link_passwords is 'Passwords of links, hashed. Never given to an isolate but to check one attempt.';
comment on column private.link_passwords.code is 'The link.';
comment on column private.link_passwords.hash is 'scrypt$N$r$p$salt$key, the last two in base64.';
alter table private.link_passwords enable row level security;
revoke all on private.link_passwords from public, anon, authenticated;
grant select, insert, update, delete on private.link_passwords to service_role;

-- Unlogged: after a server crash it starts empty, like the rate limits.
create unlogged table private.link_guessers (
  code text collate "C" not null,
  client text not null,
  guesses integer not null,
  at timestamptz not null,
  free_at timestamptz not null,
  allowed boolean not null,
  constraint link_guessers_pkey primary key (code, client)
) with (fillfactor = 70);
comment on table private.link_guessers is 'Networks that have guessed at a link''s password today, and when each may guess again. No row: at once.';
comment on constraint link_guessers_pkey on private.link_guessers is 'One row a link and network.';
comment on column private.link_guessers.code is 'The link.';
comment on column private.link_guessers.client is 'Keyed hash of the network under the day''s key.';
comment on column private.link_guessers.guesses is 'Wrong guesses, with those that are being looked at.';
comment on column private.link_guessers.at is 'When the last of them was taken.';
comment on column private.link_guessers.free_at is 'When the next one is.';
comment on column private.link_guessers.allowed is 'Whether the last one was: how the one statement that takes tells its caller.';
create index link_guessers_at_idx on private.link_guessers using brin (at);
comment on index private.link_guessers_at_idx is 'Purge by age.';
alter table private.link_guessers enable row level security;
revoke all on private.link_guessers from public, anon, authenticated;
grant select, insert, update, delete on private.link_guessers to service_role;

create table public.link_guesses (
  code text collate "C" not null references public.links (code) on delete cascade,
  hour timestamptz not null,
  wrong integer not null,
  constraint link_guesses_pkey primary key (code, hour)
) with (fillfactor = 70);
comment on table public.link_guesses is 'How many wrong passwords a link was given, by the hour; never which. Purged with the clicks.';
comment on constraint link_guesses_pkey on public.link_guesses is 'One count a link and hour.';
comment on column public.link_guesses.code is 'The link.';
comment on column public.link_guesses.hour is 'The hour''s beginning.';
comment on column public.link_guesses.wrong is 'How many.';
create index link_guesses_hour_idx on public.link_guesses (hour);
comment on index public.link_guesses_hour_idx is 'Which links are being guessed at now; purge by age.';
alter table public.link_guesses enable row level security;
revoke all on public.link_guesses from public, anon, authenticated;
grant select on public.link_guesses to authenticated;
grant select, insert, update, delete on public.link_guesses to service_role;
create policy "team reads link guesses" on public.link_guesses for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads link guesses" on public.link_guesses is 'Counts only: every role may read.';

create table private.visitor_keys (
  day date primary key,
  key text not null default encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
);
comment on table private.visitor_keys is 'Keys of the visitor hashes, one per day. Once a key is purged, its hashes can no longer be attributed to anyone.';
comment on column private.visitor_keys.day is 'The day, in the team''s zone.';
comment on column private.visitor_keys.key is '32 bytes in hex, 244 of their bits from the server''s strong random source.';
alter table private.visitor_keys enable row level security;
revoke all on private.visitor_keys from public, anon, authenticated;
grant select, insert, delete on private.visitor_keys to service_role;

create table private.cookie_key (
  one boolean primary key default true constraint one_row check (one),
  key text not null default encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
);
comment on table private.cookie_key is 'The key that authenticates visitors'' cookies. Deleting it makes every visitor a new one.';
comment on column private.cookie_key.one is 'There is one.';
comment on constraint one_row on private.cookie_key is 'One row.';
comment on column private.cookie_key.key is '32 bytes in hex, 244 of their bits from the server''s strong random source.';
alter table private.cookie_key enable row level security;
revoke all on private.cookie_key from public, anon, authenticated;
grant select, insert, delete on private.cookie_key to service_role;

create table public.orphan_visits (
  day date not null,
  code text collate "C" not null,
  visits bigint not null,
  constraint orphan_visits_pkey primary key (day, code)
) with (fillfactor = 70);
comment on table public.orphan_visits is 'Visits of codes that no link has. In clear only what is one slip away from a link''s code, at most 10,000 a day; whatever else people put there may name a person or be a secret, and counts under its kind: (e-mail address), (number), (secret), (other).';
comment on constraint orphan_visits_pkey on public.orphan_visits is 'One count a day and code.';
comment on column public.orphan_visits.day is 'The day (UTC).';
comment on column public.orphan_visits.code is 'The requested code if it is a misprint of a link''s, else its kind in brackets, which no code contains.';
comment on column public.orphan_visits.visits is 'How often.';
alter table public.orphan_visits enable row level security;
revoke all on public.orphan_visits from public, anon, authenticated;
grant select on public.orphan_visits to authenticated;
grant select, insert, update, delete on public.orphan_visits to service_role;
create policy "team reads orphan visits" on public.orphan_visits for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads orphan visits" on public.orphan_visits is 'Holds no personal data: every role may read.';

-- Whatever column is added is compared. Not at a change of uses or taken: an isolate need not read a link again because
-- somebody visited it. A generated column has no value yet before an update; it follows from another.
create function private.mark_link_changed() returns trigger
language plpgsql volatile set search_path = '' as $$
declare
  v_before public.links := old;
begin
  v_before.uses := new.uses;
  v_before.taken := new.taken;
  v_before.campaign := new.campaign;
  if v_before is distinct from new then
    new.changed_in := pg_current_xact_id();
    new.member_versions := new.member_versions || (
      select coalesce(jsonb_object_agg(n.key, new.version), '{}')
      from jsonb_each(to_jsonb(new)) n
      join private.link_columns() c on c.name = quote_ident(n.key)
      where n.value is distinct from to_jsonb(old) -> n.key);
  end if;
  return new;
end $$;
comment on function private.mark_link_changed() is 'Trigger, before an update: sets changed_in where anything but uses and taken becomes another, and member_versions of what does.';
create trigger links_changed before update on public.links
  for each row execute function private.mark_link_changed();
comment on trigger links_changed on public.links is 'Tells isolates to read the link again, also after an update by hand, and which members were changed.';

-- Codes -------------------------------------------------------------------------------------------

create function private.reserved_link_codes() returns text[]
language sql immutable set search_path = '' as $$
  select array[
    'admin', 'api', 'app', 'apps', 'assets', 'auth', 'bulk', 'claim', 'deeplinks', 'diagnostics', 'export', 'favicon',
    'flags', 'functions', 'health', 'import', 'index', 'l', 'link', 'links', 'login', 'logout', 'metrics', 'new', 'null',
    'qr', 'rest', 'robots', 'simulator', 'sitemap', 'static', 'stats', 'status', 'storage', 'undefined', 'wa-router',
    'wa-send', 'wa-webhook', 'well-known', 'www']
$$;
comment on function private.reserved_link_codes() is 'Codes that no link gets: words used in our addresses, and words that people or proxies request by mistake.';

-- 31 letters and digits without 0, 1, i, l, o: about 8.5 * 10^11 codes. Two bytes a character leave no bias to speak of.
create function private.new_link_code() returns text
language sql volatile set search_path = '' as $$
  select string_agg(
    substr('23456789abcdefghjkmnpqrstuvwxyz', (get_byte(r.bytes, 2 * i) * 256 + get_byte(r.bytes, 2 * i + 1)) % 31 + 1, 1),
    '')
  from (select sha256(uuid_send(gen_random_uuid())) as bytes) r, generate_series(0, 7) i
$$;
comment on function private.new_link_code() is 'A random code of 8 characters without look-alikes, from the server''s strong random source. It may be taken: the caller looks.';

-- Read by the edge functions ----------------------------------------------------------------------

create function private.team_zone() returns text
language sql stable set search_path = '' as $$
  select coalesce((select s.value from public.settings s where s.key = 'team.zone'), 'UTC')
$$;
comment on function private.team_zone() is 'The time zone whose days figures follow: the setting team.zone (UTC).';

-- What stands at its default is left out: an isolate keeps thousands of these. (In plpgsql, which keeps its plan.)
create function public.get_links(p_codes text[], p_ahead integer default 0) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'code', l.code, 'default_url', l.default_url, 'targets', nullif(l.targets, '[]'), 'whatsapp', l.whatsapp,
    'starts_at', (extract(epoch from l.starts_at) * 1000)::bigint,
    'expires_at', (extract(epoch from l.expires_at) * 1000)::bigint,
    'expired_url', l.expired_url, 'max_uses', l.max_uses,
    'used_up', case when l.uses >= l.max_uses then true end, 'confirm', nullif(l.confirm, false),
    'utm', nullif(l.utm, '{}'), 'pass_query', nullif(l.pass_query, false),
    'flag_key', l.flag_key, 'preview', l.preview, 'fingerprint', nullif(l.fingerprint, false),
    'state', nullif(l.state, 'active'),
    'password', (select true from private.link_passwords p where p.code = l.code)))), '[]')
  from (
    select * from public.links a where a.code = any (p_codes)
    -- Links that were made together are visited together, and lie together: a few pages hold them, where those of nearby
    -- codes lie anywhere.
    union all
    (select * from public.links b
    where (b.created_at, b.code) > ((select c.created_at from public.links c where c.code = p_codes[1]), p_codes[1]) and b.code <> all (p_codes)
    order by b.created_at, b.code limit (p_ahead + 1) / 2)
    union all
    (select * from public.links b
    where (b.created_at, b.code) < ((select c.created_at from public.links c where c.code = p_codes[1]), p_codes[1]) and b.code <> all (p_codes)
    order by b.created_at desc, b.code desc limit p_ahead / 2)
  ) l);
end $$;
comment on function public.get_links(text[], integer) is 'The links with these codes as _shared/links reads them, [{code, …}] in any order; codes that no link has are left out. Besides, up to p_ahead others: those that were made just before and after the first of the codes. For secret keys.';

-- A transaction that was still running when p_since was given has at least that number, so nothing is missed
-- however long it runs; what was told already may be told again. Numbers that are too large for this server (a
-- restored backup) make the caller begin anew. Almost always nothing has changed, which the planner cannot know:
-- without the setting it would read all links to find that out.
create function public.refresh_links(p_since text default null) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_zone text := private.team_zone();
  v_day date := (clock_timestamp() at time zone v_zone)::date;
  v_answer jsonb;
begin
  perform private.refuse_older_code();
  -- The next day's key is there before midnight.
  if (select count(*) from private.visitor_keys k where k.day in (v_day, v_day + 1)) < 2 then
    insert into private.visitor_keys (day) values (v_day), (v_day + 1) on conflict (day) do nothing;
  end if;
  if not exists (select from private.cookie_key) then
    insert into private.cookie_key default values on conflict (one) do nothing;
  end if;
  select jsonb_build_object(
    'since', pg_snapshot_xmin(pg_current_snapshot())::text,
    'changed', case
      when p_since is null or p_since::xid8 > pg_snapshot_xmax(pg_current_snapshot()) then null
      else (
        select case when count(*) <= 1000 then coalesce(jsonb_agg(c.code), '[]') end
        from (select l.code from public.links l where l.changed_in >= p_since::xid8 limit 1001) c) end,
    'numbers', (
      select coalesce(jsonb_object_agg(n.id, regexp_replace(n.display_number, '[^0-9]', '', 'g')), '{}')
      from public.wa_numbers n where n.display_number ~ '[0-9]'),
    'zone', v_zone,
    'visitor_keys', (
      select jsonb_object_agg(k.day, k.key) from private.visitor_keys k where k.day between v_day - 1 and v_day + 1),
    'cookie_key', (select c.key from private.cookie_key c))
  into v_answer;
  return v_answer;
end $$;
comment on function public.refresh_links(text) is 'What an isolate needs to keep its links current: {since, changed, numbers, zone, visitor_keys, cookie_key}. zone is that of the days of visitor_keys. changed lists the codes of links made or changed since the `since` of an earlier answer; null when all have to be read again. numbers: phone_number_id to the number as people dial it. For secret keys.';

-- Visits of unknown codes ------------------------------------------------------------------------

-- One slip: a character too many, too few, wrong, or two that changed places; or the end is missing, at most half of it.
-- Each code that could have been meant is looked up in the key of links: some 80 for each character.
create function private.is_misprint(p_code text) returns boolean
language sql stable set search_path = '' set jit = off set enable_seqscan = off as $$
  select exists (
    select from public.links l where l.code = any (array(
      select v.code
      from generate_series(1, length(p_code) + 1) as i
      cross join lateral (
        select left(p_code, i - 1) || substr(p_code, i + 1) as code where i <= length(p_code)
        union all
        select left(p_code, i - 1) || substr(p_code, i + 1, 1) || substr(p_code, i, 1) || substr(p_code, i + 2)
        where i < length(p_code)
        union all
        select left(p_code, i - 1) || c || substr(p_code, i + w)
        from string_to_table('abcdefghijklmnopqrstuvwxyz0123456789-_', null) as c, generate_series(0, 1) as w
        where w = 0 or i <= length(p_code)) v)))
  or exists (
    select from public.links l
    where l.code > p_code collate "C" and l.code < (p_code || '~') collate "C"
      and length(p_code) >= 4 and length(l.code) <= 2 * length(p_code))
$$;
comment on function private.is_misprint(text) is 'Whether this code, which no link has, is one typo away from a link''s, or the first half of one.';

-- Of a group so many new codes are looked at, each short enough: the others count as (other).
create function public.record_orphans(p_visits jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_day date := (clock_timestamp() at time zone 'UTC')::date;
  v_room integer := least(20, 10000 - (select count(*) from public.orphan_visits o where o.day = v_day));
  v_limited jsonb;
begin
  perform private.refuse_older_code();
  insert into public.orphan_visits as o (day, code, visits)
  select v_day, case
      when e.code like '(%' or e.known then e.code
      when e.place <= v_room and length(e.code) <= 40 and private.is_misprint(e.code) then e.code
      else '(other)' end,
    sum(e.visits)
  from (
    select w.code, w.visits, k.known, row_number() over (partition by w.code like '(%', k.known order by w.visits desc, w.code) as place
    from (
      select v.code collate "C" as code, count(*) as visits from jsonb_to_recordset(p_visits) as v (code text)
      group by v.code) w
    cross join lateral (
      select exists (select from public.orphan_visits x where x.day = v_day and x.code = w.code) as known) k
  ) e
  group by 2
  order by 2
  on conflict on constraint orphan_visits_pkey do update set visits = o.visits + excluded.visits;

  -- Each unknown code costs its client one; in the order of keys, so that two batches wait instead of deadlocking.
  select jsonb_agg(jsonb_build_object('client', c.client, 'retry_after_ms', t.retry_after_ms)) into v_limited
  from (
    select v.client, least(count(distinct v.which), 20)::integer as cost
    from jsonb_to_recordset(p_visits) as v (client text, which integer)
    where v.client is not null group by v.client order by v.client) c
  cross join lateral private.take_rate('orphan:' || c.client, 0.2, 20, c.cost, clock_timestamp()) t
  where not t.allowed;
  return coalesce(v_limited, '[]');
end $$;
comment on function public.record_orphans(jsonb) is 'Counts visits of unknown codes [{code, which, client}] and takes each from its client''s limit (bursts of 20, then one in 5 seconds, over all isolates). code is what may be kept of it if it is a misprint, or its kind in brackets; which tells apart the codes of one call; client is a keyed hash, or absent where no address can be trusted. Answers whom to refuse, [{client, retry_after_ms}]. For secret keys.';

-- Guesses at passwords ----------------------------------------------------------------------------

create function private.is_guessed_at(p_code text, p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(sum(g.wrong), 0) >= 20 from public.link_guesses g
  where g.code = p_code and g.hour >= date_trunc('hour', p_now - interval '1 hour')
$$;
comment on function private.is_guessed_at(text, timestamptz) is 'Whether a link received so many wrong passwords in this hour and the previous one (20) that somebody must be guessing.';

create function private.guess_wait(p_guesses integer, p_attacked boolean) returns interval
language sql immutable parallel safe set search_path = '' as $$
  select case
    when p_attacked then least(60 * 2 ^ least(p_guesses - 1, 20), 3600)
    when p_guesses < 5 then 0
    else least(10 * 2 ^ least(p_guesses - 5, 20), 3600) end * interval '1 second'
$$;
comment on function private.guess_wait(integer, boolean) is 'How long a network waits after its nth wrong guess at a link: five are free, then 10 seconds, doubling up to an hour; while the link is guessed at, a minute after the first, doubling likewise.';

-- Whoever guesses waits, and nobody else: a network that has not guessed is looked at however many others do. What that
-- leaves is one guess a day for each network that somebody has. Taken before and settled after, since whoever looks first
-- and pays later could guess a thousand times at once.
create function private.take_password_attempt(p_code text, p_client text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_hash text;
  v_attacked boolean;
  v_row private.link_guessers;
  v_retry bigint := 0;
begin
  select p.hash into v_hash from private.link_passwords p where p.code = p_code;
  if v_hash is null then
    return jsonb_build_object('allowed', false, 'retry_after_ms', 0);
  end if;
  if p_client is null then
    -- Callers cannot be distinguished: one budget for all.
    select t.retry_after_ms into v_retry
    from private.take_rate('link_password:' || p_code, 1 / 60.0, 20, 1, p_now) t;
  else
    v_attacked := private.is_guessed_at(p_code, p_now);
    insert into private.link_guessers as g (code, client, guesses, at, free_at, allowed)
    values (p_code, p_client, 1, p_now, p_now + private.guess_wait(1, v_attacked), true)
    on conflict on constraint link_guessers_pkey do update
      set (guesses, at, free_at, allowed) = (
        select case when g.free_at <= p_now then g.guesses + 1 else g.guesses end,
          case when g.free_at <= p_now then p_now else g.at end,
          case when g.free_at <= p_now then p_now + private.guess_wait(g.guesses + 1, v_attacked) else g.free_at end,
          g.free_at <= p_now)
    returning g.* into v_row;
    if not v_row.allowed then
      v_retry := greatest(1, ceil(extract(epoch from v_row.free_at - p_now) * 1000));
    end if;
  end if;
  return jsonb_build_object('allowed', v_retry = 0, 'retry_after_ms', v_retry,
    'hash', case when v_retry = 0 then v_hash end);
end $$;
comment on function private.take_password_attempt(text, text, timestamptz) is 'take_password_attempt with a given time.';

-- Failure policy: closed. The hash leaves the database only for an attempt that is allowed.
create function public.take_password_attempt(p_code text, p_client text default null) returns jsonb
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.take_password_attempt(p_code, p_client, clock_timestamp())
$$;
comment on function public.take_password_attempt(text, text) is 'Takes one guess at a link''s password: {allowed, retry_after_ms, hash}. client is a keyed hash of the network, which waits longer after each wrong guess (private.guess_wait); without it all share 20 at once and one a minute. Has to be settled (settle_password_attempt). For secret keys.';

create function private.settle_password_attempt(p_code text, p_client text, p_right boolean, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not p_right then
    insert into public.link_guesses as g (code, hour, wrong) values (p_code, date_trunc('hour', p_now), 1)
    on conflict on constraint link_guesses_pkey do update set wrong = g.wrong + 1;
  elsif p_client is null then
    update public.rate_limits r set tat = r.tat - interval '1 minute' where r.key = 'link_password:' || p_code;
  else
    -- Not forgotten, if there were wrong ones: the guesser may sit behind the same address.
    update private.link_guessers g set guesses = g.guesses - 1, free_at = p_now
    where g.code = p_code and g.client = p_client and g.guesses > 1;
    delete from private.link_guessers g where g.code = p_code and g.client = p_client and g.guesses <= 1 and not found;
  end if;
end $$;
comment on function private.settle_password_attempt(text, text, boolean, timestamptz) is 'settle_password_attempt with a given time.';

create function public.settle_password_attempt(p_code text, p_client text, p_right boolean) returns void
language sql volatile set search_path = '' as $$
  select private.refuse_older_code();
  select private.settle_password_attempt(p_code, p_client, p_right, clock_timestamp())
$$;
comment on function public.settle_password_attempt(text, text, boolean) is 'Tells how a guess that take_password_attempt took has ended: a right one is given back, a wrong one counted for the team. For secret keys.';

create function public.guessed_links() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('code', g.code, 'wrong', g.wrong) order by g.wrong desc, g.code), '[]')
    from (
      select x.code, sum(x.wrong) as wrong from public.link_guesses x
      where x.hour >= date_trunc('hour', clock_timestamp() - interval '1 hour')
      group by x.code having private.is_guessed_at(x.code, clock_timestamp())) g);
end $$;
comment on function public.guessed_links() is 'Links whose passwords somebody is guessing at, [{code, wrong: wrong passwords in this hour and the one before}], most first. For viewers and secret keys.';

-- Limited uses ------------------------------------------------------------------------------------

-- One statement takes: the row's lock puts concurrent takes in order, each reads what the one before left. In the
-- order of codes, so that two batches wait instead of deadlocking.
create function public.take_uses(p_wanted jsonb) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_row record;
  v_granted integer;
  v_answer jsonb := '{}';
begin
  perform private.refuse_older_code();
  for v_row in select w.key collate "C" as code, w.value::integer as n from jsonb_each_text(p_wanted) w order by 1 loop
    update public.links l
    set taken = greatest(0, least(v_row.n, coalesce(l.max_uses - l.uses, v_row.n))),
      uses = l.uses + greatest(0, least(v_row.n, coalesce(l.max_uses - l.uses, v_row.n)))
    where l.code = v_row.code
    returning l.taken into v_granted;
    v_answer := v_answer || jsonb_build_object(v_row.code, coalesce(v_granted, 0));
  end loop;
  return v_answer;
end $$;
comment on function public.take_uses(jsonb) is 'Takes uses of links, {code: how many}, and answers how many of them were granted, {code: n}: never more than max_uses over all time. For secret keys.';

-- Making and keeping links ------------------------------------------------------------------------

-- The edge functions check what they are given (form, allowlist) and who asks; these keep what must hold whoever
-- else writes in the same moment.

create function private.link_view(p_link public.links) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_strip_nulls(to_jsonb(p_link) - array['request_hash', 'taken', 'changed_in', 'campaign', 'member_versions'])
    || jsonb_build_object('password', exists (select from private.link_passwords p where p.code = p_link.code))
$$;
comment on function private.link_view(public.links) is 'A link as its owners see it; of a password only whether there is one.';

create function private.link_outcomes(p_links jsonb, p_made text[]) returns table (ord bigint, outcome jsonb)
language sql stable set search_path = '' as $$
  select g.ord, case
    when p_made[g.ord] is not null then jsonb_build_object('status', 201, 'code', p_made[g.ord])
    -- The same external id: the same link, if it was the same request. Whether it was the same password only who knows
    -- the password can tell.
    when e.code is not null and e.request_hash = g.item ->> 'request_hash' then jsonb_build_object('status', 200, 'code', e.code)
      || case when g.item ? 'password_hash' then jsonb_build_object('password_hash', (
        select p.hash from private.link_passwords p where p.code = e.code)) else '{}' end
    when e.code is not null then jsonb_build_object('status', 409, 'error', 'external_id_taken')
    when g.item ->> 'code' = any (private.reserved_link_codes()) then jsonb_build_object('status', 422, 'error', 'code_reserved')
    when c.code is not null then jsonb_build_object('status', 409, 'error', 'code_taken')
    end
  from jsonb_array_elements(p_links) with ordinality as g (item, ord)
  left join public.links e on e.external_id = g.item ->> 'external_id' and e.state <> 'deleted'
  left join public.links c on c.code = (g.item ->> 'code') collate "C"
$$;
comment on function private.link_outcomes(jsonb, text[]) is 'What is known about each of some links to be made: {status, code | error, password_hash}, null for one that can be made now. p_made: the codes of those made so far, by place.';

create function private.link_columns() returns table (name text, missing text)
language sql stable set search_path = '' as $$
  select quote_ident(a.attname), coalesce(pg_get_expr(d.adbin, d.adrelid), 'null')
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = 'public.links'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and a.attname <> all ('{code,request_hash,uses,taken,version,member_versions,changed_in,created_at,created_by,updated_at,updated_by}')
  order by a.attnum
$$;
comment on function private.link_columns() is 'Columns of links that people write, and what stands in each where nothing is given: every column but those of our own, so that one that is added is written.';

-- What is open is inserted; whom a conflict kept out (within the batch, with somebody else, or a random code that was
-- taken) is looked at again. Each turn settles all but those.
create function public.create_links(p_links jsonb, p_actor text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_made text[] := array_fill(null::text, array[jsonb_array_length(p_links)]);
  v_open bigint[];
  v_row record;
  v_insert text := (
    select format($sql$
      with open as (
        select g.ord, coalesce(g.item ->> 'code', private.new_link_code()) as new_code, g.item ->> 'password_hash' as password_hash,
          g.item ->> 'request_hash' as new_hash, l.*
        from jsonb_array_elements($1) with ordinality as g (item, ord)
        cross join lateral jsonb_populate_record(null::public.links, g.item - '{code,request_hash,state}'::text[]) as l
        where g.ord = any ($2)
      ), first_of as (
        -- Within the batch the first of an external id or code goes first.
        select distinct on (coalesce('x' || o.external_id, 'n' || o.ord)) o.* from open o
        order by coalesce('x' || o.external_id, 'n' || o.ord), o.ord
      ), made as (
        insert into public.links (code, request_hash, created_by, updated_by, %s)
        select f.new_code, f.new_hash, $3, $3, %s
        from (select distinct on (f.new_code) f.* from first_of f order by f.new_code, f.ord) f
        order by f.new_code
        on conflict do nothing
        returning code
      ), with_password as (
        insert into private.link_passwords (code, hash)
        select m.code, f.password_hash from made m join first_of f on f.new_code = m.code where f.password_hash is not null
      )
      select min(f.ord) as ord, m.code from made m join first_of f on f.new_code = m.code group by m.code
    $sql$, string_agg(c.name, ', '), string_agg(format('coalesce(f.%s, %s)', c.name, c.missing), ', '))
    from private.link_columns() c);
begin
  perform private.refuse_older_code();
  for v_turn in 1..10 loop
    select array_agg(o.ord order by o.ord) into v_open
    from private.link_outcomes(p_links, v_made) o where o.outcome is null;
    exit when v_open is null;
    for v_row in execute v_insert using p_links, v_open, p_actor
    loop
      v_made[v_row.ord] := v_row.code;
    end loop;
  end loop;
  return (
    select coalesce(jsonb_agg(coalesce(o.outcome, '{"status": 503, "error": "no_code_found"}') order by o.ord), '[]')
    from private.link_outcomes(p_links, v_made) o);
end $$;
comment on function public.create_links(jsonb, text) is 'Creates links that have been checked, on behalf of p_actor, and returns for each, in order, {status, code | error}: 201 created; 200 created before with this external_id and request_hash (with a password, also its current password_hash, for comparison); 409 external_id_taken or code_taken; 422 code_reserved. For secret keys.';

create function public.find_link(p_code text) returns jsonb
language sql stable set search_path = '' as $$
  select private.refuse_older_code();
  select private.link_view(l) || jsonb_build_object('member_versions', l.member_versions)
  from public.links l where l.code = p_code
$$;
comment on function public.find_link(text) is 'A link as its owners see it, even if deleted, with the version in which each member was last changed (member_versions); null if there is none. For secret keys.';

-- The whole of it, as checked before: the caller has read version p_version and changed what it wants changed.
create function public.update_link(p_code text, p_version integer, p_link jsonb, p_actor text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_link public.links;
begin
  perform private.refuse_older_code();
  execute (
    select format(
      'update public.links l set (%s) = row(%s), version = l.version + 1, updated_at = clock_timestamp(), updated_by = $4
       from jsonb_populate_record(null::public.links, $3) f
       where l.code = $1 and l.version = $2 returning l.*',
      string_agg(c.name, ', '),
      string_agg(format('coalesce(f.%s, %s)', c.name, case c.name when 'state' then 'l.state' else c.missing end), ', '))
    from private.link_columns() c)
  into v_link using p_code, p_version, p_link, p_actor;
  if v_link.code is null then
    return null;
  end if;
  -- A key password_hash that is null takes the password away; without the key it stays.
  if p_link ? 'password_hash' then
    delete from private.link_passwords p where p.code = p_code;
    insert into private.link_passwords (code, hash)
    select p_code, p_link ->> 'password_hash' where p_link ->> 'password_hash' is not null;
    update public.links l set member_versions = l.member_versions || jsonb_build_object('password', l.version) where l.code = p_code;
  end if;
  return private.link_view(v_link);
end $$;
comment on function public.update_link(text, integer, jsonb, text) is 'Writes a link if it still is at the version the caller read, and answers it; null when it is not. A deleted one is restored by writing another state. 23505 when the external id is another link''s. For secret keys.';

create function public.delete_link(p_code text, p_actor text) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update public.links l
  set state = 'deleted', version = l.version + 1, updated_at = clock_timestamp(), updated_by = p_actor
  where l.code = p_code and l.state <> 'deleted';
  return found;
end $$;
comment on function public.delete_link(text, text) is 'Deletes a link for its visitors; clicks and password stay, so that update_link can restore it, and the code is never given to another link. False when there was none. For secret keys.';

create function private.tag_words(p_tags text[]) returns text
language sql immutable parallel safe set search_path = '' as $$
  select array_to_string(p_tags, ' ')
$$;
comment on function private.tag_words(text[]) is 'Tags in one text. Immutable, which array_to_string is for texts though not for everything.';

-- As text, because the index of 20261129002438_link_search.sql serves exactly this expression: a function of our own, called for
-- each row that is compared, would cost several times as much.
create function private.link_texts() returns text
language sql immutable set search_path = '' as $$
  select $e$(code collate "default") || ' ' || coalesce(title, '') || ' ' || coalesce(note, '') || ' '
    || coalesce(default_url, '') || ' ' || coalesce(whatsapp ->> 'text', '') || ' '
    || coalesce(jsonb_path_query_array(targets, '$[*].url')::text, '')$e$
$$;
comment on function private.link_texts() is 'The expression, over columns of links, of what a search looks through besides tags: code, title, note, addresses and the text of a chat.';

create function private.link_words() returns text
language sql immutable set search_path = '' as $$
  select format('lower(%s || '' '' || private.tag_words(tags))', private.link_texts())
$$;
comment on function private.link_words() is 'The expression, over columns of links, that a search looks through: link_texts() and tags, in lower case.';

create function private.links_with(p_words text[]) returns text
language sql immutable set search_path = '' as $$
  -- The index knows no word of less than three characters; each link is compared then, as cheaply as may be.
  select string_agg(
    case when length(w.word) > 2 then format('%s like %L', private.link_words(), p.pattern)
      else format('(lower(%s) like %L or tags @> array[%L]::text[])', private.link_texts(), p.pattern, w.word) end, ' and ')
  from unnest(p_words[1:8]) as w (word)
  cross join lateral (select '%' || regexp_replace(lower(w.word), '([\\%_])', '\\\1', 'g') || '%' as pattern) p
  where w.word <> ''
$$;
comment on function private.links_with(text[]) is 'The condition, over columns of links, for those that hold each of these words in link_words(); null without words. At most eight are looked at.';

create function public.list_links(p_filter jsonb default '{}', p_limit integer default 50) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_links jsonb;
begin
  perform private.refuse_older_code();
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(private.link_view(x.l) order by x.created_at desc, x.code desc), ''[]'')
     from (select l, l.created_at, l.code from public.links l where %s order by l.created_at desc, l.code desc limit $2) x',
    concat_ws(' and ',
      case when p_filter ? 'state' then 'l.state = $1 ->> ''state''' else 'l.state <> ''deleted''' end,
      case when p_filter ? 'search' then private.links_with(regexp_split_to_array(p_filter ->> 'search', '\s+')) end,
      case when p_filter ? 'code' then 'l.code = $1 ->> ''code''' end,
      case when p_filter ? 'external_id' then 'l.external_id = $1 ->> ''external_id''' end,
      case when p_filter ? 'title' then 'l.title is not null and strpos(lower(l.title), lower($1 ->> ''title'')) > 0' end,
      case when p_filter ? 'note' then 'l.note is not null and strpos(lower(l.note), lower($1 ->> ''note'')) > 0' end,
      case when p_filter ? 'tag' then 'l.tags @> array(select jsonb_array_elements_text($1 -> ''tag''))' end,
      case when p_filter ? 'campaign' then 'l.campaign = $1 ->> ''campaign''' end,
      case when p_filter ? 'after_code' then
        '(l.created_at, l.code) < (($1 ->> ''after_at'')::timestamptz, ($1 ->> ''after_code'') collate "C")' end))
  using p_filter, p_limit into v_links;
  return v_links;
end $$;
comment on function public.list_links(jsonb, integer) is 'Links, newest first, at most p_limit. Filter: any of code, external_id, tag (a list: links with all of them), campaign, title and note (a part of it, in any case), search (words, each a part of code, title, note, address, text or tags), state (without it all but deleted ones), and after_at with after_code, which are created_at and code of the last one of the page before. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.personal_links(),
  private.reserved_link_codes(),
  private.new_link_code(),
  private.team_zone(),
  public.get_links(text[], integer),
  public.refresh_links(text),
  private.is_misprint(text),
  public.record_orphans(jsonb),
  private.is_guessed_at(text, timestamptz),
  private.guess_wait(integer, boolean),
  private.take_password_attempt(text, text, timestamptz),
  public.take_password_attempt(text, text),
  private.settle_password_attempt(text, text, boolean, timestamptz),
  public.settle_password_attempt(text, text, boolean),
  public.take_uses(jsonb),
  private.link_view(public.links),
  private.link_outcomes(jsonb, text[]),
  private.link_columns(),
  public.create_links(jsonb, text),
  public.find_link(text),
  public.update_link(text, integer, jsonb, text),
  public.delete_link(text, text),
  private.tag_words(text[]),
  private.link_texts(),
  private.link_words(),
  private.links_with(text[]),
  public.list_links(jsonb, integer)
  to service_role;
grant execute on function public.guessed_links() to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129001000');
