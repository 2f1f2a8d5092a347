-- E-mail for people at the panel and the command line: identities, suppressions, figures, one mail.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Identities, for people --------------------------------------------------------------------------

create table private.identity_checks (
  identity uuid not null,
  what text not null check (what in ('from', 'forward')),
  address text not null,
  hash bytea,
  attempts integer not null default 0,
  sent_at timestamptz,
  expires_at timestamptz,
  constraint identity_checks_pkey primary key (identity, what)
);
comment on table private.identity_checks is 'Addresses that are yet to be confirmed by a code that was mailed there.';
comment on constraint identity_checks_pkey on private.identity_checks is 'An identity has one address to confirm of each kind.';
comment on column private.identity_checks.identity is 'email_identities.id. Not a reference: that table may be dropped.';
comment on column private.identity_checks.what is 'from (the address is the user''s) or forward (answers may go there).';
comment on column private.identity_checks.address is 'The address, in lower case.';
comment on column private.identity_checks.hash is 'Keyed hash of the code; null while none was sent.';
comment on column private.identity_checks.attempts is 'Wrong codes so far; after five a new one is needed.';
comment on column private.identity_checks.sent_at is 'When the code was made.';
comment on column private.identity_checks.expires_at is 'Until when it holds.';
alter table private.identity_checks enable row level security;
revoke all on private.identity_checks from public, anon, authenticated;
grant select, insert, update, delete on private.identity_checks to service_role;

create function private.without_local_part(p_address text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case when p_address is not null then left(p_address, 1) || '…@' || split_part(p_address, '@', 2) end;
end $$;
comment on function private.without_local_part(text) is 'An address as those see it who may not see it whole: its first character and its domain.';

create function private.require_identities() returns void
language plpgsql stable set search_path = '' as $$
begin
  if to_regclass('public.email_identities') is null then
    raise exception 'there is no table of identities' using errcode = 'GL404',
      hint = 'It was taken back: apply add_email_identities_and_msg_link again.';
  end if;
end $$;
comment on function private.require_identities() is 'Refuses (GL404) while email_identities is dropped: identities are used as they were, and cannot be changed.';

create function private.identity_json(p_inbox private.inboxes, p_whole boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_pending text := (select k.address from private.identity_checks k where k.identity = p_inbox.identity and k.what = 'forward');
begin
  return jsonb_build_object('id', p_inbox.identity, 'user_id', p_inbox.user_id, 'from_email', p_inbox.from_email,
    'display_name', p_inbox.display_name,
    'forward_to', case when p_whole then p_inbox.forward_to else private.without_local_part(p_inbox.forward_to) end,
    'forward_to_confirm', case when p_whole then v_pending else private.without_local_part(v_pending) end,
    'is_default', p_inbox.is_default, 'provider', p_inbox.provider, 'state', p_inbox.state, 'verified_at', p_inbox.verified_at,
    'destination', (select d.name from public.destinations d where d.id = p_inbox.destination_id), 'created_at', p_inbox.created_at);
end $$;
comment on function private.identity_json(private.inboxes, boolean) is 'An identity as people see it, the addresses that answers go to whole or cut.';

create function private.changed_identity(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select private.identity_json(i, true) from private.inboxes i where i.identity = p_id);
end $$;
comment on function private.changed_identity(uuid) is 'What functions that change an identity answer.';

create function public.list_identities(p_filter jsonb default '{}', p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.identity_json(i, private.sees_whole()) order by i.is_default desc, i.from_email), '[]')
    from (
      select * from private.inboxes x
      where (p_filter ->> 'after' is null or (not x.is_default, x.from_email) > (
          select not a.is_default, a.from_email from private.inboxes a where a.from_email = p_filter ->> 'after'))
        and (p_filter ->> 'search' is null
          or strpos(lower(concat_ws(' ', x.from_email, x.display_name, x.user_id)), lower(p_filter ->> 'search')) > 0)
      order by x.is_default desc, x.from_email limit p_limit) i);
end $$;
comment on function public.list_identities(jsonb, integer) is 'The identities that mail is sent as: [{id, user_id, from_email, display_name, forward_to, forward_to_confirm (an address that waits for its code), is_default, provider, state, verified_at, destination, created_at}]. Filter: any of search (part of the address, name or user) and after (the address of the last of the page before); at most p_limit, all without it. Viewers get addresses of inboxes cut. For viewers and secret keys.';

create function private.sees_whole() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return private.caller() not in ('anon', 'authenticated') or private.has_role('operator');
end $$;
comment on function private.sees_whole() is 'Whether whoever asks may see addresses whole.';

create function private.ask_forward(p_id uuid, p_address text) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_address text := lower(btrim(p_address));
begin
  if v_address !~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  if exists (select from private.inboxes i where i.from_email = v_address) then
    raise exception 'answers cannot go to an identity' using errcode = 'GL422', hint = 'Mail would go round: give the inbox of a person.';
  end if;
  insert into private.identity_checks as k (identity, what, address) values (p_id, 'forward', v_address)
  on conflict (identity, what) do update set address = excluded.address, hash = null, attempts = 0, sent_at = null, expires_at = null
  where k.address <> excluded.address;
end $$;
comment on function private.ask_forward(uuid, text) is 'Notes where answers shall go, once somebody there has confirmed it. GL422 for no address, or one of ours.';

create function public.add_identity(p_from_email text, p_options jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  perform private.require_identities();
  if lower(btrim(p_from_email)) !~ '^[^@[:space:]]{1,64}@[^@[:space:]]{1,255}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  if exists (select from public.email_identities i where i.from_email = lower(btrim(p_from_email))) then
    raise exception 'this identity exists already' using errcode = 'GL409';
  end if;
  insert into public.email_identities (user_id, from_email, display_name, provider, is_default)
  values (nullif(p_options ->> 'user_id', ''), p_from_email, nullif(p_options ->> 'display_name', ''), coalesce(p_options ->> 'provider', 'sendgrid'),
    not exists (select from public.email_identities i where i.is_default))
  returning id into v_id;
  insert into private.identity_checks (identity, what, address) values (v_id, 'from', lower(btrim(p_from_email)));
  if p_options ->> 'forward_to' is not null then
    perform private.ask_forward(v_id, p_options ->> 'forward_to');
  end if;
  return private.changed_identity(v_id);
end $$;
comment on function public.add_identity(text, jsonb) is 'Adds an identity, {user_id, display_name, forward_to, provider}; unverified, until a code that is mailed there comes back, and with nowhere to forward to until the same has happened there. The first one is the default. For operators and secret keys. Errors: 42501 not allowed, 23514 a value that cannot be, GL404 the table was taken back, GL409 it exists, GL422 no address.';

create function private.has_mailbox(p_identity uuid, p_provider text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  -- A later migration makes the table.
  if to_regclass('public.mailboxes') is null then
    return false;
  end if;
  return exists (select from public.mailboxes m where m.identity = p_identity and m.provider = p_provider);
end $$;
comment on function private.has_mailbox(uuid, text) is 'Whether an identity''s mailbox at this provider is connected.';

create function public.set_identity(p_id uuid, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_odd text := (select string_agg(k, ', ') from jsonb_object_keys(p_changes) k
    where k not in ('user_id', 'display_name', 'forward_to', 'is_default', 'state', 'provider'));
begin
  perform private.require_role('operator');
  perform private.require_identities();
  if v_odd is not null then
    raise exception 'an identity has no %', v_odd using errcode = 'GL422';
  end if;
  if p_changes ->> 'state' not in ('active', 'paused') then
    raise exception 'an identity is active or paused' using errcode = 'GL422';
  end if;
  if p_changes ->> 'state' = 'active' and exists (select from public.email_identities i where i.id = p_id and i.verified_at is null) then
    raise exception 'the address is not verified' using errcode = 'GL409', hint = 'Mail its code first, and enter it.';
  end if;
  if p_changes ->> 'provider' in ('google', 'microsoft') and not private.has_mailbox(p_id, p_changes ->> 'provider') then
    raise exception 'it has no mailbox there' using errcode = 'GL409', hint = 'Connect its mailbox, and it sends through it.';
  end if;
  if (p_changes ->> 'is_default')::boolean then
    update public.email_identities i set is_default = false where i.is_default and i.id <> p_id;
  end if;
  update public.email_identities i
  set user_id = case when p_changes ? 'user_id' then nullif(p_changes ->> 'user_id', '') else i.user_id end,
    display_name = case when p_changes ? 'display_name' then nullif(p_changes ->> 'display_name', '') else i.display_name end,
    forward_to = case when p_changes ? 'forward_to' and p_changes ->> 'forward_to' is null then null else i.forward_to end,
    is_default = coalesce((p_changes ->> 'is_default')::boolean, i.is_default),
    state = coalesce(p_changes ->> 'state', i.state), provider = coalesce(p_changes ->> 'provider', i.provider)
  where i.id = p_id;
  if not found then
    raise exception 'there is no such identity' using errcode = 'GL404';
  end if;
  if p_changes ->> 'forward_to' is not null and lower(btrim(p_changes ->> 'forward_to')) is distinct from (
      select i.forward_to from public.email_identities i where i.id = p_id) then
    perform private.ask_forward(p_id, p_changes ->> 'forward_to');
  elsif p_changes ? 'forward_to' then
    delete from private.identity_checks k where k.identity = p_id and k.what = 'forward';
  end if;
  return private.changed_identity(p_id);
end $$;
comment on function public.set_identity(uuid, jsonb) is 'Changes an identity, {user_id, display_name, forward_to, is_default, state (active, paused), provider}. Another forward_to takes effect once it is confirmed; null ends forwarding at once. For operators and secret keys. Errors: 42501 not allowed, 23514 a value that cannot be, GL404 no such identity, or the table was taken back, GL409 not verified, or no mailbox connected at this provider, GL422 no such member, state or address.';

create function public.remove_identity(p_id uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  perform private.require_identities();
  delete from public.email_identities i where i.id = p_id;
  if not found then
    raise exception 'there is no such identity' using errcode = 'GL404';
  end if;
  delete from private.identity_checks k where k.identity = p_id;
end $$;
comment on function public.remove_identity(uuid) is 'Removes an identity. Its conversations stay; answers that still come are kept and go nowhere. For operators and secret keys. Errors: 42501 not allowed, GL404 no such identity, or the table was taken back, GL409 messages wait to be sent as it.';

create function public.begin_identity_check(p_id uuid, p_what text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_check private.identity_checks;
  v_now timestamptz := clock_timestamp();
  v_code text := lpad((('x' || encode(substr(uuid_send(gen_random_uuid()), 11, 6), 'hex'))::bit(48)::bigint % 100000000)::text, 8, '0');
begin
  perform private.refuse_older_code();
  select * into v_check from private.identity_checks k where k.identity = p_id and k.what = p_what for update;
  if not found then
    raise exception 'there is nothing to confirm' using errcode = 'GL404';
  end if;
  if v_check.sent_at > v_now - interval '1 minute' then
    raise exception 'a code was sent less than a minute ago' using errcode = 'GL429';
  end if;
  update private.identity_checks k
  set hash = private.keyed_hash(p_id::text || ' ' || p_what || ' ' || v_code), attempts = 0, sent_at = v_now, expires_at = v_now + interval '30 minutes'
  where k.identity = p_id and k.what = p_what;
  return jsonb_build_object('code', v_code, 'to', v_check.address, 'expires_at', v_now + interval '30 minutes');
end $$;
comment on function public.begin_identity_check(uuid, text) is 'Makes a code that confirms the address of an identity (from), or where its answers go (forward): {code, to, expires_at}. For the function that mails it alone. Errors: GL404 nothing to confirm, GL429 within a minute of the last.';

-- Failure policy: closed. Five wrong codes end it, for whoever tries; hashes are compared, whose time tells nothing of the code.
create function public.check_identity(p_id uuid, p_what text, p_code text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_check private.identity_checks;
  v_ok boolean;
begin
  perform private.require_role('operator');
  perform private.require_identities();
  select * into v_check from private.identity_checks k where k.identity = p_id and k.what = p_what for update;
  if not found then
    raise exception 'there is nothing to confirm' using errcode = 'GL404';
  end if;
  if v_check.hash is null or v_check.expires_at <= clock_timestamp() or v_check.attempts >= 5 then
    return '{"ok": false, "left": 0}';
  end if;
  v_ok := v_check.hash = private.keyed_hash(p_id::text || ' ' || p_what || ' ' || btrim(p_code));
  if not v_ok then
    update private.identity_checks k set attempts = k.attempts + 1 where k.identity = p_id and k.what = p_what;
    return jsonb_build_object('ok', false, 'left', 4 - v_check.attempts);
  end if;
  delete from private.identity_checks k where k.identity = p_id and k.what = p_what;
  update public.email_identities i
  set verified_at = case p_what when 'from' then clock_timestamp() else i.verified_at end,
    forward_to = case p_what when 'forward' then v_check.address else i.forward_to end
  where i.id = p_id;
  return '{"ok": true, "left": 0}';
end $$;
comment on function public.check_identity(uuid, text, text) is 'Confirms an address by the code that was mailed there: {ok, left}, with how many tries are left. Codes hold for 30 minutes and five tries. For operators and secret keys. Errors: 42501 not allowed, GL404 nothing to confirm, or the table was taken back.';

-- Suppressions, for people ------------------------------------------------------------------------

create function public.add_suppression(p_address text, p_reason text default 'manual', p_scope text default 'all') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  if lower(btrim(p_address)) !~ '^[^@[:space:]]+@[^@[:space:]]+$' or p_scope not in ('all', 'bulk') or p_reason !~ '^[a-z][a-z_]{0,31}$' then
    raise exception 'an address, a reason in one word, and all or bulk' using errcode = 'GL422';
  end if;
  return jsonb_build_object('added', private.suppress(btrim(p_address), p_scope, p_reason, 'team', clock_timestamp()));
end $$;
comment on function public.add_suppression(text, text, text) is 'Puts an address on the list of those that get no mail, or no bulk mail: {added}, false where it stands there. For operators and secret keys. Errors: 42501 not allowed, GL422 no address, reason or scope.';

create function public.lift_suppression(p_address text, p_scope text default 'all') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  perform private.require_role('operator');
  delete from public.suppressions s where s.address = lower(btrim(p_address)) and s.scope = p_scope;
  get diagnostics v_count = row_count;
  if exists (select from private.erased_suppressions) then
    delete from private.erased_suppressions s where s.hash = private.keyed_hash('email ' || lower(btrim(p_address))) and s.scope = p_scope;
    if found then
      v_count := 1;
    end if;
  end if;
  return jsonb_build_object('lifted', v_count > 0);
end $$;
comment on function public.lift_suppression(text, text) is 'Takes an address off the list: {lifted}, false where it was not on it. For operators and secret keys. Errors: 42501 not allowed.';

-- A page goes on by time and by how many of that very moment came before: an import writes thousands at one, and the address
-- itself, which would order them, is not for viewers.
create function public.list_suppressions(
  p_before timestamptz default null, p_limit integer default 50, p_same integer default null, p_search text default null
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('address', private.without_local_part(s.address),
      'scope', s.scope, 'reason', s.reason, 'source', s.source, 'since', s.since, 'same', s.same)
      order by s.since desc, s.address desc, s.scope desc), '[]')
    from (
      select y.*, case when y.since = p_before then p_same else 0 end
        + row_number() over (partition by y.since order by y.address desc, y.scope desc) as same
      from (
        select * from public.suppressions x
        where (p_before is null or x.since < p_before or p_same is not null and x.since = p_before)
          and (p_search is null
            or strpos(concat_ws(' ', private.without_local_part(x.address), x.reason, x.source), lower(p_search)) > 0)
        order by x.since desc, x.address desc, x.scope desc
        limit least(greatest(p_limit, 1), 500) offset coalesce(p_same, 0)) y) s);
end $$;
comment on function public.list_suppressions(timestamptz, integer, integer, text) is 'Addresses that get no mail, newest first: [{address (its first character and domain), scope, reason, source, since, same: its place among those of that moment, from 1}]. The next page takes since and same of the last as p_before and p_same. With p_search those with this in what is shown of the address, in the reason or source; at most 500. For viewers and secret keys.';

create function public.find_suppression(p_address text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('scope', s.scope, 'reason', s.reason, 'source', s.source, 'since', s.since) order by s.scope), '[]')
    from public.suppressions s where s.address = lower(btrim(p_address)));
end $$;
comment on function public.find_suppression(text) is 'Why an address gets no mail: [{scope, reason, source, since}], empty where it does. For operators and secret keys.';

-- Figures -----------------------------------------------------------------------------------------

create function private.mail_facts(p_native jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object('kind', p_native -> 'kind', 'verified', p_native -> 'verified', 'subject', p_native -> 'subject',
    'recipient', p_native -> 'recipient', 'from', p_native #> '{from,address}', 'via', p_native -> 'via');
end $$;
comment on function private.mail_facts(jsonb) is 'What conditions of routes ask of a mail: {kind, verified, subject, recipient, from, via}.';

create function private.email_days(p_from timestamptz, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_tokens jsonb := '{}';
begin
  if to_regclass('public.reply_tokens') is not null then
    select coalesce(jsonb_object_agg(t.day, t.n), '{}') into v_tokens from (
      select (r.created_at at time zone 'UTC')::date as day, count(*) as n from public.reply_tokens r where r.created_at > p_from group by 1) t;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'tokens', coalesce((v_tokens ->> d.day::text)::bigint, 0),
      'replies', coalesce(r.n, 0), 'token', coalesce(r.token, 0), 'legacy', coalesce(r.legacy, 0), 'references', coalesce(r.refs, 0),
      'forwarded', coalesce(r.forwarded, 0), 'failed', coalesce(r.failed, 0)) order by d.day), '[]')
    from (
      select g::date as day
      from generate_series((p_from at time zone 'UTC')::date, (p_now at time zone 'UTC')::date, interval '1 day') g) d
    left join (
      select (e.reply_ts at time zone 'UTC')::date as day, count(*) as n, count(*) filter (where e.via = 'token') as token,
        count(*) filter (where e.via = 'legacy') as legacy, count(*) filter (where e.via = 'references') as refs,
        count(e.forwarded_at) as forwarded, count(e.failed_at) filter (where e.forwarded_at is null) as failed
      from public.email_replies e where e.reply_ts > p_from and e.reply_ts <= p_now group by 1) r on r.day = d.day);
end $$;
comment on function private.email_days(timestamptz, timestamptz) is 'By day (UTC): tokens made, and replies by how they found their message and what became of their forwards.';

create function public.email_overview(p_days integer default 7) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_from timestamptz := v_now - make_interval(days => least(greatest(p_days, 1), 90));
  v_tokened bigint := 0;
begin
  perform private.require_role('viewer');
  if to_regclass('public.reply_tokens') is not null then
    select count(*) into v_tokened from public.outbound_messages o
    where o.channel = 'email' and o.created_at > v_from and o.id >= private.uuid_v7_from(v_from)
      and exists (select from public.reply_tokens r where r.message_id = o.id);
  end if;
  return (
    select jsonb_build_object('since', v_from, 'at', v_now,
      'days', private.email_days(v_from, v_now),
      'replies', (
        select jsonb_build_object('all', count(*), 'token', count(*) filter (where r.via = 'token'), 'legacy', count(*) filter (where r.via = 'legacy'),
          'references', count(*) filter (where r.via = 'references'), 'none', count(*) filter (where r.via = 'none'),
          'unverified', count(*) filter (where not r.verified), 'other_sender', count(*) filter (where not r.is_recipient),
          'forward_wanted', count(*) filter (where r.forward_wanted), 'forwarded', count(r.forwarded_at),
          'failed', count(r.failed_at) filter (where r.forwarded_at is null),
          'waiting', count(*) filter (where r.forward_wanted and r.forwarded_at is null and r.failed_at is null))
        from public.email_replies r where r.reply_ts > v_from),
      'identities', (
        select coalesce(jsonb_agg(jsonb_build_object('id', x.identity, 'from_email', i.from_email, 'replies', x.n, 'forward_wanted', x.wanted,
          'forwarded', x.forwarded, 'failed', x.failed) order by x.n desc, x.identity), '[]')
        from (
          select r.identity, count(*) as n, count(*) filter (where r.forward_wanted) as wanted, count(r.forwarded_at) as forwarded,
            count(r.failed_at) filter (where r.forwarded_at is null) as failed
          from public.email_replies r where r.reply_ts > v_from group by r.identity order by count(*) desc limit 100) x
        left join private.inboxes i on i.identity = x.identity),
      'campaigns', (
        select coalesce(jsonb_agg(jsonb_build_object('id', x.campaign_id, 'replies', x.n, 'people', x.people) order by x.n desc, x.campaign_id), '[]')
        from (
          select r.campaign_id, count(*) as n, count(distinct r.reply_to) as people from public.email_replies r
          where r.reply_ts > v_from and r.campaign_id is not null group by r.campaign_id order by count(*) desc limit 100) x),
      'events', (
        select coalesce(jsonb_object_agg(e.event_type, e.n), '{}') from (
          select x.event_type, count(*) as n from public.email_events x where x.created_at > v_from group by x.event_type) e),
      'sent', (
        select jsonb_build_object('all', count(*), 'token', v_tokened, 'unknown', count(*) filter (where o.state = 'unknown'),
          'failed', count(*) filter (where o.state = 'failed'), 'waiting', count(*) filter (where o.state in ('queued', 'leased')))
        from public.outbound_messages o
        where o.channel = 'email' and o.created_at > v_from and o.id >= private.uuid_v7_from(v_from)),
      'unknown_overdue', (
        (select count(*) from public.outbound_messages o where o.state = 'unknown' and o.updated_at <= v_now - interval '15 minutes')
        + (select count(*) from public.deliveries d where d.state = 'dead' and d.last_error like 'unknown_outcome%' and d.dropped_reason is null
          and d.updated_at <= v_now - interval '15 minutes')),
      'suppressions', (select count(*) from public.suppressions s where s.since > v_from)));
end $$;
comment on function public.email_overview(integer) is 'E-mail over some days (1 to 90): {since, at, days, replies (by via, and what became of their forwards), identities, campaigns, events, sent (with reply token or without), unknown_overdue (of which a person has to say whether they went), suppressions}. Holds no addresses of people. For viewers and secret keys.';

create function public.trace_mail(p_message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  if not exists (select from public.messages m where m.id = p_message_id and m.channel = 'email') then
    raise exception 'there is no such mail' using errcode = 'GL404';
  end if;
  return (
    select jsonb_build_object('id', m.id, 'direction', m.direction, 'at', m.created_at, 'kind', m.native -> 'kind', 'verdict', m.native -> 'verdict',
      'reasons', private.without_addresses(m.native -> 'reasons'), 'via', m.native -> 'via', 'verified', m.native -> 'verified',
      'automatic', m.native -> 'automatic', 'is_recipient', m.native -> 'is_recipient', 'answers', m.native -> 'answers', 'thread_id', m.thread_id,
      'attachments', (
        select count(*) from public.storage_objects o where o.message_id = m.id and o.kind = 'attachment'),
      'identity', (
        select i.identity from private.inboxes i join public.conversations c on c.number_id = i.from_email where c.id = m.conversation_id),
      'forward', (
        select jsonb_build_object('delivery_id', d.id, 'destination', t.name, 'state', d.state, 'attempt', d.attempt, 'error', d.last_error, 'delivered_at', d.delivered_at)
        from public.deliveries d join public.destinations t on t.id = d.destination_id and t.kind = 'inbox' where d.message_id = m.id),
      'events', (
        select coalesce(jsonb_agg(jsonb_build_object('event', e.event_type, 'at', e.created_at, 'metadata', e.metadata) order by e.id), '[]')
        from public.email_events e where e.message_id = m.id or e.mail_id = m.id))
    from public.messages m where m.id = p_message_id);
end $$;
comment on function public.trace_mail(uuid) is 'What became of a mail and why: {id, direction, at, kind, verdict, reasons, via, verified, automatic, is_recipient, answers, thread_id, attachments (how many), identity, forward, events}. Holds no words and no addresses. For viewers and secret keys. Errors: 42501 not allowed, GL404 no such mail.';

create function public.mail_to_show(p_message_id uuid, p_by text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_message public.messages;
begin
  perform private.refuse_older_code();
  select * into v_message from public.messages m where m.id = p_message_id and m.channel = 'email';
  if not found then
    raise exception 'there is no such mail' using errcode = 'GL404';
  end if;
  if p_by not like 'key:%' and not exists (
    select from public.contact_acts a
    where a.message_id = p_message_id and a.act = 'revealed' and a.by = p_by and a.at > clock_timestamp() - interval '1 hour') then
    raise exception 'whoever reads a mail whole says why first' using errcode = 'GL403';
  end if;
  return jsonb_build_object('id', v_message.id, 'native', coalesce(v_message.native, '{}'), 'text', v_message.text,
    'objects', (
      select coalesce(jsonb_agg(jsonb_build_object('bucket', o.bucket, 'path', o.path, 'kind', o.kind, 'index', o.place) order by o.kind, o.place), '[]')
      from public.storage_objects o where o.message_id = v_message.id));
end $$;
comment on function public.mail_to_show(uuid, text) is 'A mail whole, for the function that shows it to p_by: {id, native, text, objects: [{bucket, path, kind, index}]}. A person must have said why within the last hour (reveal_message, on record in contact_acts); keys need not. For secret keys. Errors: GL403 nobody said why, GL404 no such mail.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.without_local_part(text),
  private.require_identities(),
  private.identity_json(private.inboxes, boolean),
  private.changed_identity(uuid),
  private.sees_whole(),
  private.ask_forward(uuid, text),
  private.has_mailbox(uuid, text),
  public.begin_identity_check(uuid, text),
  public.mail_to_show(uuid, text),
  private.mail_facts(jsonb),
  private.email_days(timestamptz, timestamptz)
  to service_role;
grant execute on function
  public.list_identities(jsonb, integer),
  public.add_identity(text, jsonb),
  public.set_identity(uuid, jsonb),
  public.remove_identity(uuid),
  public.check_identity(uuid, text, text),
  public.add_suppression(text, text, text),
  public.lift_suppression(text, text),
  public.list_suppressions(timestamptz, integer, integer, text),
  public.find_suppression(text),
  public.email_overview(integer),
  public.trace_mail(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002464');
