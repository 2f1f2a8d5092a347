-- Attribution of clicks: by a message with the token of a click, an ad's referral, a contact who has just clicked, or an
-- app's first open; and what routing and services learn of it.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.attributions (
  message_id uuid primary key references public.messages (id) on delete cascade,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  code text collate "C" references public.links (code),
  token text collate "C",
  confidence text not null constraint attributions_confidence_known check (confidence in ('exact', 'referral', 'contact', 'low')),
  reason text not null constraint attributions_reason_known
    check (reason in ('first', 'ad', 'clicked', 'repeated', 'reused', 'forwarded', 'expired')),
  first_touch boolean not null,
  clicked_at timestamptz,
  user_id text,
  ctwa_clid text,
  referral jsonb,
  created_at timestamptz not null default clock_timestamp(),
  constraint attributions_lead_back check (code is not null or referral is not null)
);
comment on table public.attributions is 'Which link or ad a message came from. Written once, never changed: the first touch of a contact stays the first.';
comment on column public.attributions.message_id is 'The message.';
comment on column public.attributions.contact_id is 'Who wrote it.';
comment on column public.attributions.code is 'The link; null for an ad of Meta''s.';
comment on column public.attributions.token is 'The token that it carried, or of the click that it is taken to follow.';
comment on column public.attributions.confidence is 'exact: the first message with this token. referral: Meta says which ad. contact: the contact clicked, or had used the token, within the setting deeplinks.contact_hours (24). low: a token that was forwarded, used before by somebody else, or too old.';
comment on column public.attributions.reason is 'first, ad, clicked, repeated (same person again), reused (another person), forwarded or expired.';
comment on column public.attributions.first_touch is 'Whether it is the contact''s first.';
comment on column public.attributions.clicked_at is 'When the link was clicked.';
comment on column public.attributions.user_id is 'The audience user that the link named.';
comment on column public.attributions.ctwa_clid is 'Click id of the ad.';
comment on column public.attributions.referral is 'The referral as Meta gave it.';
comment on column public.attributions.created_at is 'When it was written.';
create unique index attributions_exact_idx on public.attributions (token) where confidence = 'exact';
comment on index public.attributions_exact_idx is 'A token counts as exact once, however many messages carry it at the same moment.';
create index attributions_token_idx on public.attributions (token) where token is not null;
comment on index public.attributions_token_idx is 'Finds whether a click has been attributed.';
create index attributions_contact_idx on public.attributions (contact_id, created_at);
comment on index public.attributions_contact_idx is 'A contact''s touches in order; serves the foreign key.';
create index attributions_link_idx on public.attributions (code, created_at);
comment on index public.attributions_link_idx is 'The attributions of a link; serves the foreign key.';
alter table public.attributions enable row level security;
revoke all on public.attributions from public, anon, authenticated;
-- Not the audience user, nor what the provider says of the ad's click: they name a person elsewhere.
grant select (message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, created_at)
  on public.attributions to authenticated;
grant select, insert, delete on public.attributions to service_role;
create policy "team reads attributions" on public.attributions for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads attributions" on public.attributions is 'The granted columns identify nobody: every role may read.';

-- A visitor may be faster than the group in which the click is written.
create table private.unknown_tokens (
  message_id uuid primary key references public.messages (id) on delete cascade,
  at timestamptz not null default clock_timestamp()
);
comment on table private.unknown_tokens is 'Messages with a token that no click has (yet): checked again for ten minutes.';
comment on column private.unknown_tokens.message_id is 'The message.';
comment on column private.unknown_tokens.at is 'When it came.';
alter table private.unknown_tokens enable row level security;
revoke all on private.unknown_tokens from public, anon, authenticated;
grant select, insert, delete on private.unknown_tokens to service_role;

-- Attribution -------------------------------------------------------------------------------------

create function private.attribution_window(p_key text, p_default integer) returns interval
language sql stable set search_path = '' as $$
  select make_interval(hours => coalesce((
    select s.value::integer from public.settings s where s.key = p_key and s.value ~ '^[0-9]{1,5}$'), p_default))
$$;
comment on function private.attribution_window(text, integer) is 'A time span from a setting in whole hours, else the default.';

-- The channels are named, since an index on identities begins with them.
create function private.same_person(p_contact_id uuid) returns uuid[]
language sql stable set search_path = '' as $$
  with live as (
    select coalesce(c.merged_into, c.id) as id from public.contacts c where c.id = p_contact_id
  ), roots as (
    select l.id from live l
    union
    select o.contact_id
    from live l
    join public.contact_identities k on k.contact_id = l.id and k.kind = 'phone' and k.valid_to is null
    cross join (select distinct s.channel from public.senders s) s
    join public.contact_identities o on o.channel = s.channel and o.kind = 'phone' and o.valid_to is null
      and o.value = any (private.spellings('phone', k.value))
  )
  select array(
    select r.id from roots r
    union
    select c.id from roots r join public.contacts c on c.merged_into = r.id)
$$;
comment on function private.same_person(uuid) is 'The contacts that are one person with a contact: merged ones, and those with the same phone number on another channel.';

-- Whichever of the two comes first, it is the one that was attributed.
create function private.is_attributed_otherwise(p_message public.messages) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.messages m join public.attributions a on a.message_id = m.id
    where p_message.type = 'edit' and m.provider_id = p_message.reply_to and m.conversation_id = p_message.conversation_id)
  or exists (
    select from public.messages m join public.attributions a on a.message_id = m.id
    where m.type = 'edit' and m.conversation_id = p_message.conversation_id and m.id <> p_message.id
      and m.reply_to = case p_message.type when 'edit' then p_message.reply_to else p_message.provider_id end)
$$;
comment on function private.is_attributed_otherwise(public.messages) is 'Whether the message that this one edits, or another edit of it, is already attributed: a message and its edits count as one.';

create function private.attribute_message(p_message public.messages) returns void
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_click public.clicks;
  v_contact uuid;
  v_person uuid[];
  v_first boolean;
  v_before public.attributions;
  v_reason text;
begin
  if p_message.link_token is not null then
    select * into v_click from public.clicks c where c.token = p_message.link_token;
  end if;
  if v_click.code is null and p_message.referral is null then
    -- Somebody's invention, or a click that is not written yet.
    insert into private.unknown_tokens (message_id) values (p_message.id) on conflict (message_id) do nothing;
    return;
  end if;
  if private.is_attributed_otherwise(p_message) then
    return;
  end if;
  select c.contact_id into v_contact from public.conversations c where c.id = p_message.conversation_id;
  v_person := private.same_person(v_contact);
  v_first := not exists (select from public.attributions a where a.contact_id = any (v_person));

  if v_click.code is not null and not p_message.forwarded
    and v_click.at > p_message.created_at - private.attribution_window('deeplinks.token_hours', 720) then
    insert into public.attributions (
      message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id, ctwa_clid, referral)
    values (p_message.id, v_contact, v_click.code, v_click.token, 'exact', 'first', v_first, v_click.at, v_click.user_id,
      p_message.referral ->> 'ctwa_clid', p_message.referral)
    on conflict do nothing;
    if found then
      return;
    end if;
  end if;
  if v_click.code is not null then
    select * into v_before from public.attributions a where a.token = v_click.token and a.confidence = 'exact';
    v_reason := case
      when p_message.forwarded then 'forwarded'
      when v_before.message_id is null then 'expired'
      when v_before.contact_id = any (v_person)
        and v_before.created_at > p_message.created_at - private.attribution_window('deeplinks.contact_hours', 24) then 'repeated'
      else 'reused' end;
  end if;
  insert into public.attributions (
    message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id, ctwa_clid, referral)
  values (p_message.id, v_contact, v_click.code, v_click.token,
    case v_reason when 'repeated' then 'contact' else case when v_reason is null then 'referral' else 'low' end end,
    coalesce(v_reason, 'ad'), v_first, v_click.at, v_click.user_id, p_message.referral ->> 'ctwa_clid', p_message.referral)
  on conflict do nothing;
end $$;
comment on function private.attribute_message(public.messages) is 'Writes where a message came from, by its token, else by its referral. The first message with a token makes it exact; what carries it later, or forwarded, or too late (setting deeplinks.token_hours, 720) is written down as that. A message and its edits are attributed once.';

-- In the transaction that stores the message. The trigger's condition keeps it away from every other message, which
-- pay a comparison of two nulls.
create function private.attribute_new_message() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  perform private.attribute_message(new);
  return null;
end $$;
comment on function private.attribute_new_message() is 'Trigger, after insert of messages with a token or referral: private.attribute_message.';
create trigger attribute after insert on public.messages for each row
  when (new.direction = 'in' and (new.link_token is not null or new.referral is not null))
  execute function private.attribute_new_message();
comment on trigger attribute on public.messages is 'Ties a message to the link or ad that it came from.';

-- Whoever clicked as a known contact (?u= the contact's id) and then writes without the token has edited it away.
-- Probes of indexes, whatever the statistics say at that moment: the tables that are looked into may be large.
create function private.attribute_waiting(p_conversations uuid[], p_now timestamptz) returns void
language plpgsql volatile set search_path = ''
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  -- Nearly always there is none.
  if exists (select from private.unknown_tokens) then
    perform private.attribute_message(m)
    from private.unknown_tokens u
    cross join lateral (select * from public.messages m where m.id = u.message_id limit 1) m
    where exists (select from public.clicks c where c.token = m.link_token)
    order by m.seq;
    delete from private.unknown_tokens u
    where u.at < p_now - interval '10 minutes' or exists (select from public.attributions a where a.message_id = u.message_id);
  end if;
  -- The same applies to clicks of known contacts.
  if not exists (select from public.clicks k where k.user_id is not null and k.token is not null limit 1) then
    return;
  end if;

  insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id)
  select m.id, c.contact_id, k.code, k.token, 'contact', 'clicked',
    not exists (select from public.attributions a where a.contact_id = any (p.contacts)), k.at, k.user_id
  from public.conversations c
  cross join lateral (select private.same_person(c.contact_id) as contacts offset 0) p
  cross join lateral (
    select k.* from public.clicks k
    where k.user_id = any (p.contacts::text[]) and k.token is not null and k.target = 'whatsapp'
      and k.at > p_now - private.attribution_window('deeplinks.contact_hours', 24)
    order by k.at desc limit 1) k
  cross join lateral (
    select m.id from public.messages m
    where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in' and m.created_at >= k.at
      and m.link_token is null and m.referral is null
    order by m.seq limit 1) m
  where c.id = any (p_conversations)
    and not exists (select from public.attributions a where a.token = k.token)
  on conflict (message_id) do nothing;
end $$;
comment on function private.attribute_waiting(uuid[], timestamptz) is 'Attributes messages whose click was written after them, and ties the first waiting message of these conversations to the latest link that their contact clicked within the setting deeplinks.contact_hours, if that click has not come back otherwise.';

-- What routing and services learn of the link that a message came from ----------------------------

-- As _shared/contract/link_tokens.ts reads them: a test holds the two to each other.
create function private.without_tokens(p_text text) returns text
language sql immutable set search_path = '' as $$
  select btrim(
    regexp_replace(
      p_text,
      format(
        -- As we write it; then as it may arrive: in brackets with blanks within the token, or without brackets; with
        -- another sign than the colon, or none, before a closing bracket.
        '[\s%1$s]*(?:\[ref:[a-z2-7]{16}\]'
          '|%%5Bref%%3A[a-z2-7]{16}%%5D'
          '|[%2$s]?[\s%1$s]*(?<![0-9a-zａ-ｚ０-９])[rｒ][eｅ][fｆ](?:[.．]?[\s%1$s]*[:：﹕︓∶׃꞉]'
          '(?=[\s%1$s]*(?:[a-zａ-ｚ][\s%1$s]*){0,15}[2-7２-７])'
          '(?:(?:[\s%1$s]*[a-z2-7ａ-ｚ２-７]){16}[\s%1$s]*[%2$s]'
          '|[\s%1$s]*(?:[a-z2-7ａ-ｚ２-７][%1$s]*){16}(?![0-9a-zａ-ｚ０-９]))'
          '|[\s%1$s;.=-]{1,3}(?=[a-zａ-ｚ]{0,15}[2-7２-７])[a-z2-7ａ-ｚ２-７]{16}[\s%1$s]*[%2$s]))[%1$s]*',
        E'\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff',
        '][(){}<>«»‹›⁅⁆〈〉《》「」『』【】〔〕〖〗〘〙〚〛﹙﹚﹛﹜﹝﹞（）［］｛｝＜＞｟｠｢｣'),
      '', 'gi'),
    E' \n\r\t')
$$;
comment on function private.without_tokens(text) is 'A message''s words without link tokens, all of them, and the white space before each; also without one that a keyboard or a person has written otherwise.';

create function private.edited_message(p_edit_id uuid) returns uuid
language sql stable set search_path = '' as $$
  select coalesce(
    (select m.id from public.messages m
      where m.provider_id = e.reply_to and m.conversation_id = e.conversation_id
        and exists (select from public.attributions a where a.message_id = m.id) limit 1),
    e.id)
  from public.messages e where e.id = p_edit_id
$$;
comment on function private.edited_message(uuid) is 'The message that an edit edits, if that is attributed; else the edit itself.';

create function private.message_link(p_message_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'link', (
      select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags,
        'campaign', l.campaign, 'utm', l.utm))
      from public.links l where l.code = a.code),
    'attribution', jsonb_strip_nulls(jsonb_build_object('confidence', a.confidence, 'reason', a.reason,
      'first_touch', a.first_touch, 'clicked_at', a.clicked_at, 'user_id', a.user_id, 'token', a.token,
      'ctwa_clid', a.ctwa_clid)))
  from public.attributions a where a.message_id = p_message_id
$$;
comment on function private.message_link(uuid) is 'Where a message came from, {link, attribution}; link is null for an ad. Null when nothing is known.';

-- An app's first open -----------------------------------------------------------------------------

-- Whoever asks again within an hour gets the same answer: an app cannot know whether its answer was lost on the way. By a
-- token that is whoever has it, by a fingerprint the same program in the same network.
create function public.claim_click(p_token text, p_fingerprints text[] default null, p_claimers text[] default null) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_repeated timestamptz := v_now - interval '1 hour';
  v_claimers bigint[] := array(select ('x' || c)::bit(64)::bigint from unnest(p_claimers) c);
  v_click public.clicks;
  v_confidence text := 'exact';
begin
  perform private.refuse_older_code();
  if p_token is not null then
    update public.clicks c set claimed_at = coalesce(c.claimed_at, v_now)
    where c.token = p_token and case when c.claimed_at is null
        then c.at > v_now - private.attribution_window('deeplinks.token_hours', 720) else c.claimed_at > v_repeated end
    returning c.* into v_click;
    if not found then
      return jsonb_build_object('error', case
        when exists (select from public.clicks c where c.token = p_token and c.claimed_at is not null) then 'claimed'
        else 'unknown' end);
    end if;
  else
    v_confidence := 'fingerprint';
    select c.* into v_click from public.clicks c
    where c.fingerprint = any (select ('x' || f)::bit(64)::bigint from unnest(p_fingerprints) f)
      and c.at > v_now - private.attribution_window('deeplinks.fingerprint_hours', 1) - interval '1 hour'
      and c.claimed_at > v_repeated and c.claimed_by = any (v_claimers)
    order by c.claimed_at desc limit 1;
    if not found then
      -- Several links or people in the same network and on the same kind of device: no guess is better than a wrong one.
      update public.clicks c set claimed_at = v_now, claimed_by = v_claimers[1]
      where c.token = (
          select (array_agg(x.token order by x.at desc))[1] from public.clicks x
          where x.fingerprint = any (select ('x' || f)::bit(64)::bigint from unnest(p_fingerprints) f)
            and x.at > v_now - private.attribution_window('deeplinks.fingerprint_hours', 1)
            and x.claimed_at is null
          having count(distinct x.code) = 1 and count(distinct coalesce(x.user_id, '')) = 1)
        and c.claimed_at is null
      returning c.* into v_click;
      if not found then
        return jsonb_build_object('error', 'unknown');
      end if;
    end if;
  end if;
  return (
    select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'confidence', v_confidence, 'clicked_at', v_click.at,
      'user_id', v_click.user_id, 'url', l.default_url, 'app_url', l.targets -> v_click.rule -> 'app' ->> 'url',
      'link', jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags, 'utm', l.utm)))
    from public.links l where l.code = v_click.code);
end $$;
comment on function public.claim_click(text, text[], text[]) is 'Ties an app''s first open to a click, each click once: by its token (exact), else by fingerprints (16 digits of hex) of a click within the setting deeplinks.fingerprint_hours (1) if only one link and one person is in question. For an hour the same token, or one of the claimers (16 digits of hex) with the same fingerprint, gets the same answer. Returns {code, confidence, clicked_at, user_id, url, app_url, link} or {error}: claimed, unknown. For secret keys.';

-- Figures -----------------------------------------------------------------------------------------

create function private.link_attributions(p_code text, p_from timestamptz, p_to timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('total', coalesce(sum(g.n), 0), 'first_touch', coalesce(sum(g.first_n), 0),
    'by_confidence', coalesce(jsonb_object_agg(g.confidence, g.n), '{}'))
  from (
    select a.confidence, count(*) as n, count(*) filter (where a.first_touch) as first_n
    from public.attributions a
    where a.code = p_code and a.created_at >= p_from and a.created_at < p_to
    group by a.confidence) g
$$;
comment on function private.link_attributions(text, timestamptz, timestamptz) is 'Messages that a link brought from p_from to before p_to: {total, first_touch, by_confidence}.';

create function public.link_stats(p_code text, p_from date, p_to date, p_zone text default null) returns jsonb
language sql stable set search_path = '' as $$
  select private.refuse_older_code();
  with zoned as (
    select coalesce(p_zone, private.team_zone()) as zone, coalesce(p_zone <> private.team_zone(), false) as is_other
  ), asked as materialized (
    select z.zone, z.is_other, f.day, f.day::timestamp at time zone z.zone as starts, (p_to + 1)::timestamp at time zone z.zone as ends
    from zoned z
    cross join lateral (
      select case when z.is_other then greatest(p_from, private.first_day_in(z.zone)) else p_from end as day) f
  ), days as materialized (
    select d.* from asked q cross join lateral private.link_days(p_code, q.day, p_to) d where not q.is_other
    union all
    select d.* from asked q cross join lateral private.link_days_in(p_code, q.day, p_to, q.zone) d where q.is_other
  )
  select jsonb_build_object(
    'code', l.code, 'uses', l.uses, 'max_uses', l.max_uses, 'zone', q.zone, 'from', q.day, 'to', p_to,
    'clicks', (
      select jsonb_build_object('human', coalesce(sum(d.human), 0), 'bot', coalesce(sum(d.bot), 0),
        'preview', coalesce(sum(d.preview), 0), 'prefetch', coalesce(sum(d.prefetch), 0), 'own', coalesce(sum(d.own), 0)) from days d),
    'visitors', (select coalesce(sum(d.visitors), 0) from days d),
    'days', (
      select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'human', d.human, 'bot', d.bot, 'preview', d.preview,
        'prefetch', d.prefetch, 'own', d.own, 'visitors', d.visitors) order by d.day), '[]') from days d),
    'attributions', private.link_attributions(p_code, q.starts, q.ends),
    'conversations', (
      select count(distinct m.conversation_id)
      from public.attributions a
      join public.messages m on m.id = a.message_id
      where a.code = p_code and a.created_at >= q.starts and a.created_at < q.ends),
    'platforms', (select private.add_up(array_agg(d.platforms)) from days d),
    'countries', (select private.add_up(array_agg(d.countries)) from days d),
    'referrers', (select private.add_up(array_agg(d.referrers)) from days d),
    'targets', (select private.add_up(array_agg(d.targets)) from days d),
    'rules', (select private.add_up(array_agg(d.rules)) from days d),
    'sources', (select private.add_up(array_agg(d.sources)) from days d))
  from public.links l cross join asked q where l.code = p_code
$$;
comment on function public.link_stats(text, date, date, text) is 'A link''s clicks from day to day, both included, in the zone p_zone, without it the team''s: {code, uses, max_uses, zone, from, to, clicks, visitors (a visitor counts once a day), days, attributions (of messages), conversations (that those belong to), platforms, countries, referrers, targets, rules, sources}; null when there is no such link. Days of another zone than the team''s are counted from the clicks: from is then not before the first day of which all are kept. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.attribution_window(text, integer),
  private.same_person(uuid),
  private.is_attributed_otherwise(public.messages),
  private.attribute_message(public.messages),
  private.attribute_new_message(),
  private.attribute_waiting(uuid[], timestamptz),
  private.without_tokens(text),
  private.edited_message(uuid),
  private.message_link(uuid),
  public.claim_click(text, text[], text[]),
  private.link_attributions(text, timestamptz, timestamptz),
  public.link_stats(text, date, date, text)
  to service_role;

insert into private.own_migrations (version) values ('20261129001200');
