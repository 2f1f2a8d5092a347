-- Mailboxes: accounts at Google and Microsoft that identities send as and whose answers are read, connected by OAuth 2.0.
--
-- Tokens are sealed before they get here, with keys that the database does not have. They are refreshed by whoever needs one
-- first, under a lease: two that refreshed at once would end each other's refresh token.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.mailboxes (
  id uuid constraint mailboxes_pkey primary key default private.uuid_v7(),
  identity uuid not null constraint mailboxes_identity_key unique
    constraint mailboxes_identity_fkey references private.inboxes (identity) on delete cascade,
  provider text not null constraint mailboxes_provider_known check (provider in ('google', 'microsoft')),
  address text not null constraint mailboxes_address_lower check (address = lower(address)),
  state text not null default 'active' constraint mailboxes_state_known check (state in ('active', 'reauthorise')),
  state_at timestamptz not null,
  error text,
  takes text not null default 'replies' constraint mailboxes_takes_known check (takes in ('replies', 'all')),
  scopes text[] not null default '{}',
  connected_at timestamptz not null,
  connected_by text not null,
  refreshed_at timestamptz not null,
  constraint mailboxes_account_key unique (provider, address)
);
comment on table public.mailboxes is 'Accounts at Google and Microsoft that identities send as and whose answers are read. Their tokens are in private.mailbox_tokens.';
comment on constraint mailboxes_pkey on public.mailboxes is 'A connected account.';
comment on constraint mailboxes_identity_key on public.mailboxes is 'An identity has one mailbox.';
comment on constraint mailboxes_identity_fkey on public.mailboxes is 'It goes with its identity. private.inboxes outlives email_identities.';
comment on constraint mailboxes_account_key on public.mailboxes is 'An account serves one identity.';
comment on column public.mailboxes.id is 'UUID v7.';
comment on column public.mailboxes.identity is 'The identity (email_identities.id).';
comment on column public.mailboxes.provider is 'google or microsoft.';
comment on column public.mailboxes.address is 'The account''s own address, in lower case. The identity may send as an alias of it.';
comment on column public.mailboxes.state is 'active, or reauthorise: the provider ended our access, and a person has to connect it again.';
comment on column public.mailboxes.state_at is 'Since when.';
comment on column public.mailboxes.error is 'The provider''s word for why access ended; null while active.';
comment on column public.mailboxes.takes is 'What is taken from it: replies to what we sent, or all that comes in.';
comment on column public.mailboxes.scopes is 'What the person granted.';
comment on column public.mailboxes.connected_at is 'When it was last connected.';
comment on column public.mailboxes.connected_by is 'Who connected it.';
comment on column public.mailboxes.refreshed_at is 'When the provider last gave an access token.';
alter table public.mailboxes enable row level security;
revoke all on public.mailboxes from public, anon, authenticated, service_role;
grant select on public.mailboxes to authenticated;
grant select, insert, update, delete on public.mailboxes to service_role;
create policy mailboxes_read on public.mailboxes for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy mailboxes_read on public.mailboxes is 'Addresses of the team''s own mailboxes, without tokens: every role may read.';

create table private.mailbox_tokens (
  mailbox_id uuid constraint mailbox_tokens_pkey primary key
    constraint mailbox_tokens_mailbox references public.mailboxes (id) on delete cascade,
  access text not null constraint mailbox_tokens_access_sealed check (access ~ '^v1\.'),
  refresh text not null constraint mailbox_tokens_refresh_sealed check (refresh ~ '^v1\.'),
  version integer not null default 1,
  refresh_at timestamptz not null,
  expires_at timestamptz not null,
  lease uuid,
  lease_until timestamptz,
  failures integer not null default 0,
  next_at timestamptz
);
comment on table private.mailbox_tokens is 'Tokens of mailboxes, sealed (AES-GCM) with keys of the functions'' environment.';
comment on constraint mailbox_tokens_pkey on private.mailbox_tokens is 'A mailbox has one pair of tokens.';
comment on constraint mailbox_tokens_mailbox on private.mailbox_tokens is 'They go with their mailbox.';
comment on column private.mailbox_tokens.mailbox_id is 'The mailbox.';
comment on column private.mailbox_tokens.access is 'The access token, sealed.';
comment on column private.mailbox_tokens.refresh is 'The refresh token, sealed. Microsoft gives a new one each time.';
comment on column private.mailbox_tokens.version is 'Grows with each new access token: whoever had one refused says which.';
comment on column private.mailbox_tokens.refresh_at is 'From when on it is refreshed: after 80 % of its life.';
comment on column private.mailbox_tokens.expires_at is 'When the access token ends, by our clock.';
comment on column private.mailbox_tokens.lease is 'Who refreshes it now.';
comment on column private.mailbox_tokens.lease_until is 'Afterwards another may.';
comment on column private.mailbox_tokens.failures is 'Refreshes in a row to which the provider gave no answer of use.';
comment on column private.mailbox_tokens.next_at is 'After a failure, when it is tried again.';
alter table private.mailbox_tokens enable row level security;
revoke all on private.mailbox_tokens from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.mailbox_tokens to service_role;

create table private.mailbox_starts (
  state_hash text constraint mailbox_starts_pkey primary key check (state_hash ~ '^[0-9a-f]{64}$'),
  provider text not null check (provider in ('google', 'microsoft')),
  identity uuid,
  verifier text not null check (verifier ~ '^v1\.'),
  return_to text,
  started_by text not null,
  expires_at timestamptz not null
);
comment on table private.mailbox_starts is 'Connections under way: a person is at the provider and comes back within minutes.';
comment on constraint mailbox_starts_pkey on private.mailbox_starts is 'A state is used once.';
comment on column private.mailbox_starts.state_hash is 'SHA-256 of the state parameter, which only the person''s browser has.';
comment on column private.mailbox_starts.provider is 'Where the person is.';
comment on column private.mailbox_starts.identity is 'The identity to connect; null: the one with the account''s address, or a new one.';
comment on column private.mailbox_starts.verifier is 'The PKCE verifier (RFC 7636), sealed.';
comment on column private.mailbox_starts.return_to is 'The page that the person comes back to; null without one.';
comment on column private.mailbox_starts.started_by is 'Who began.';
comment on column private.mailbox_starts.expires_at is 'Until when the state counts.';
create index mailbox_starts_expires_idx on private.mailbox_starts (expires_at);
comment on index private.mailbox_starts_expires_idx is 'The purge.';
alter table private.mailbox_starts enable row level security;
revoke all on private.mailbox_starts from public, anon, authenticated, service_role;
grant select, insert, delete, update on private.mailbox_starts to service_role;

-- Connecting --------------------------------------------------------------------------------------

create function public.begin_mailbox(p_start jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_identity uuid := private.uuid_in(p_start ->> 'identity');
  v_address text;
begin
  perform private.refuse_older_code();
  if p_start ->> 'identity' is not null then
    select i.from_email into v_address from private.inboxes i where i.identity = v_identity;
    if v_address is null then
      raise exception 'there is no such identity' using errcode = 'GL404';
    end if;
  end if;
  insert into private.mailbox_starts (state_hash, provider, identity, verifier, return_to, started_by, expires_at)
  values (p_start ->> 'state_hash', p_start ->> 'provider', v_identity, p_start ->> 'verifier', p_start ->> 'return_to',
    p_start ->> 'by', clock_timestamp() + interval '10 minutes');
  return jsonb_build_object('address', v_address);
end $$;
comment on function public.begin_mailbox(jsonb) is 'Notes that somebody goes to a provider to connect a mailbox: {state_hash, provider, identity, verifier (sealed), return_to, by}. Answers {address: what the identity sends as, null without one}. For secret keys. Errors: GL404 no such identity.';

create function public.take_mailbox_start(p_state_hash text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_start private.mailbox_starts;
begin
  perform private.refuse_older_code();
  delete from private.mailbox_starts s where s.state_hash = p_state_hash returning * into v_start;
  if not found or v_start.expires_at <= clock_timestamp() then
    return null;
  end if;
  return jsonb_build_object('provider', v_start.provider, 'identity', v_start.identity, 'verifier', v_start.verifier,
    'return_to', v_start.return_to, 'by', v_start.started_by);
end $$;
comment on function public.take_mailbox_start(text) is 'What belongs to a state, once: {provider, identity, verifier, return_to, by}; null where it is unknown, was used or is older than 10 minutes. For secret keys.';

-- Failure policy: closed. An address that the provider does not vouch for, such as one that an admin of any organisation at
-- Microsoft wrote into an account, is confirmed by a code; and nobody's identity is taken over by it.
create function private.mailbox_identity(
  p_asked uuid, p_provider text, p_addresses text[], p_proved text[], p_name text, p_now timestamptz
) returns uuid
language plpgsql volatile set search_path = '' as $$
declare
  v_inbox private.inboxes;
  v_proved boolean;
  v_verified_at timestamptz;
begin
  perform private.require_identities();
  if p_asked is not null then
    select * into v_inbox from private.inboxes i where i.identity = p_asked;
    if not found then
      raise exception 'there is no such identity' using errcode = 'GL404';
    elsif v_inbox.from_email <> all (p_addresses) then
      raise exception 'this account is %, and the identity sends as %', p_addresses[1], v_inbox.from_email using errcode = 'GL409',
        hint = 'Sign in with the account that the address belongs to, or make it an alias of this one there.';
    end if;
  else
    select * into v_inbox from private.inboxes i where i.from_email = p_addresses[1];
    if found and p_addresses[1] <> all (p_proved) then
      raise exception 'an identity sends as % already, and the provider does not vouch for this account''s address', p_addresses[1]
        using errcode = 'GL409', hint = 'Name the identity when you begin.';
    end if;
  end if;
  v_proved := coalesce(v_inbox.from_email, p_addresses[1]) = any (p_proved);
  if v_inbox.identity is null then
    insert into public.email_identities (from_email, display_name, provider, verified_at, is_default)
    values (p_addresses[1], nullif(left(regexp_replace(p_name, '[[:cntrl:]]', '', 'g'), 200), ''), p_provider,
      case when v_proved then p_now end, not exists (select from public.email_identities i where i.is_default))
    returning id, verified_at into v_inbox.identity, v_verified_at;
  else
    update public.email_identities i set provider = p_provider, verified_at = coalesce(i.verified_at, case when v_proved then p_now end)
    where i.id = v_inbox.identity returning i.verified_at into v_verified_at;
  end if;
  if v_verified_at is null then
    insert into private.identity_checks (identity, what, address)
    values (v_inbox.identity, 'from', coalesce(v_inbox.from_email, p_addresses[1]))
    on conflict (identity, what) do nothing;
  else
    delete from private.identity_checks k where k.identity = v_inbox.identity and k.what = 'from';
  end if;
  return v_inbox.identity;
end $$;
comment on function private.mailbox_identity(uuid, text, text[], text[], text, timestamptz) is 'The identity that an account is connected to, which sends through it from now on; a new one where none has its address. It counts as verified if its address is proved, else once a code that is mailed there comes back. GL404 for one that is gone, GL409 for one with another address, or one that was not asked for and whose address is not proved.';

create function private.connect_mailbox(p_mailbox jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_provider text := p_mailbox ->> 'provider';
  v_addresses text[] := array(select distinct on (a.place) lower(a.address)
    from jsonb_array_elements_text(p_mailbox -> 'addresses') with ordinality as a (address, place) order by a.place);
  v_proved text[] := array(select lower(a.address) from jsonb_array_elements_text(p_mailbox -> 'proved') as a (address));
  v_identity uuid := private.mailbox_identity(private.uuid_in(p_mailbox ->> 'identity'), v_provider, v_addresses, v_proved,
    p_mailbox ->> 'name', p_now);
  v_other uuid := (select m.identity from public.mailboxes m where m.provider = v_provider and m.address = v_addresses[1]);
  v_id uuid;
begin
  if v_other <> v_identity then
    raise exception 'this account is connected to another identity' using errcode = 'GL409', hint = 'Disconnect it there first.';
  end if;
  insert into public.mailboxes as m (identity, provider, address, state_at, scopes, connected_at, connected_by, refreshed_at)
  values (v_identity, v_provider, v_addresses[1], p_now,
    array(select s from jsonb_array_elements_text(p_mailbox -> 'scopes') s), p_now, p_mailbox ->> 'by', p_now)
  on conflict on constraint mailboxes_identity_key do update set provider = excluded.provider, address = excluded.address,
    state = 'active', state_at = case when m.state = 'active' then m.state_at else p_now end, error = null,
    scopes = excluded.scopes, connected_at = p_now, connected_by = excluded.connected_by, refreshed_at = p_now
  returning m.id into v_id;
  insert into private.mailbox_tokens as t (mailbox_id, access, refresh, refresh_at, expires_at)
  values (v_id, p_mailbox ->> 'access', p_mailbox ->> 'refresh',
    p_now + 0.8 * make_interval(secs => (p_mailbox ->> 'expires_in')::double precision),
    p_now + make_interval(secs => (p_mailbox ->> 'expires_in')::double precision))
  on conflict on constraint mailbox_tokens_pkey do update set access = excluded.access, refresh = excluded.refresh, version = t.version + 1,
    refresh_at = excluded.refresh_at, expires_at = excluded.expires_at, lease = null, lease_until = null, failures = 0, next_at = null;
  -- What waited for it goes at once.
  update public.senders s set held_since = null, held_code = null, held_until = null, held_probes = 0
  where s.channel = 'email' and s.id = (select i.from_email from private.inboxes i where i.identity = v_identity);
  return (select private.mailbox_json(m) from public.mailboxes m where m.id = v_id);
end $$;
comment on function private.connect_mailbox(jsonb, timestamptz) is 'connect_mailbox with the time given.';

create function public.connect_mailbox(p_mailbox jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.connect_mailbox(p_mailbox, clock_timestamp());
end $$;
comment on function public.connect_mailbox(jsonb) is 'Connects an account: {provider, identity (null: by address), addresses (the account''s own first, then aliases), proved (those that the provider vouches for), name, scopes, access, refresh (both sealed), expires_in (seconds), by}. The identity sends through it from now on. Answers the mailbox as list_mailboxes does. For secret keys. Errors: GL404 no such identity, or their table was taken back, GL409 the identity has another address, the account another identity, or its address is not proved and an identity that was not named has it.';

create function private.mailbox_json(p_mailbox public.mailboxes) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select jsonb_build_object('id', p_mailbox.id, 'identity', p_mailbox.identity, 'from_email', i.from_email, 'sends', i.provider = p_mailbox.provider,
      'provider', p_mailbox.provider, 'address', p_mailbox.address, 'state', p_mailbox.state, 'state_at', p_mailbox.state_at,
      'error', p_mailbox.error, 'takes', p_mailbox.takes, 'scopes', to_jsonb(p_mailbox.scopes), 'connected_at', p_mailbox.connected_at,
      'connected_by', p_mailbox.connected_by, 'refreshed_at', p_mailbox.refreshed_at, 'failures', t.failures,
      'keys', (
        select jsonb_agg(distinct k.name order by k.name)
        from unnest(array[substring(t.access from '^v1\.([a-z][a-z0-9-]*)\.'), substring(t.refresh from '^v1\.([a-z][a-z0-9-]*)\.')]) as k (name)),
      'reading', to_jsonb(r.found))
    from private.inboxes i
    left join private.mailbox_tokens t on t.mailbox_id = p_mailbox.id
    left join lateral (select private.mailbox_reading(p_mailbox.id) as found) r on true
    where i.identity = p_mailbox.identity);
end $$;
comment on function private.mailbox_json(public.mailboxes) is 'A mailbox as people see it. keys are the names of the keys that its tokens are sealed with.';

create function private.mailbox_reading(p_mailbox_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_reading jsonb;
begin
  -- The next migration makes the table.
  if to_regclass('private.mailbox_reads') is not null then
    select jsonb_build_object('read_at', r.read_at, 'failures', r.failures, 'error', r.error, 'resynced_at', r.resynced_at) into v_reading
    from private.mailbox_reads r where r.mailbox_id = p_mailbox_id;
  end if;
  return v_reading;
end $$;
comment on function private.mailbox_reading(uuid) is 'How far a mailbox was read: {read_at, failures, error, resynced_at}; null before the first time.';

create function public.list_mailboxes() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return (select coalesce(jsonb_agg(private.mailbox_json(m) order by m.state desc, m.address, m.id), '[]') from public.mailboxes m);
end $$;
comment on function public.list_mailboxes() is 'Connected mailboxes, those that need somebody first: [{id, identity, from_email, sends (whether the identity sends through it), provider, address, state (active, reauthorise), state_at, error, takes (replies, all), scopes, connected_at, connected_by, refreshed_at, failures (of the refresh, in a row), keys (names of the keys that its tokens are sealed with), reading: {read_at, failures, error, resynced_at}}]. For viewers and secret keys.';

create function public.set_mailbox(p_id uuid, p_takes text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('admin');
  if p_takes is null or p_takes not in ('replies', 'all') then
    raise exception 'a mailbox gives replies or all' using errcode = 'GL422';
  end if;
  update public.mailboxes m set takes = p_takes where m.id = p_id;
  if not found then
    raise exception 'there is no such mailbox' using errcode = 'GL404';
  end if;
  return (select private.mailbox_json(m) from public.mailboxes m where m.id = p_id);
end $$;
comment on function public.set_mailbox(uuid, text) is 'What is taken from a mailbox: replies to what we sent, or all that comes in. Answers the mailbox as list_mailboxes does. For admins and secret keys. Errors: 42501 not allowed, GL404 no such mailbox, GL422 neither.';

create function public.disconnect_mailbox(p_id uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_mailbox record;
begin
  perform private.refuse_older_code();
  select m.provider, m.address, t.refresh into v_mailbox
  from public.mailboxes m left join private.mailbox_tokens t on t.mailbox_id = m.id where m.id = p_id for update of m;
  if not found then
    raise exception 'there is no such mailbox' using errcode = 'GL404';
  end if;
  delete from public.mailboxes m where m.id = p_id;
  return jsonb_build_object('provider', v_mailbox.provider, 'address', v_mailbox.address, 'refresh', v_mailbox.refresh);
end $$;
comment on function public.disconnect_mailbox(uuid) is 'Forgets a mailbox and its tokens; mail of its identity waits until it sends another way. Answers {provider, address, refresh (sealed)}, for the function that ends the access at the provider. For secret keys. Errors: GL404 no such mailbox.';

-- Tokens ------------------------------------------------------------------------------------------

create function private.take_mailbox_token(p_identity uuid, p_refused integer, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_mailbox public.mailboxes;
  v_token private.mailbox_tokens;
  v_about jsonb;
begin
  select * into v_mailbox from public.mailboxes m where m.identity = p_identity;
  if not found then
    return '{"state": "none"}';
  end if;
  v_about := jsonb_build_object('mailbox', v_mailbox.id, 'provider', v_mailbox.provider, 'address', v_mailbox.address);
  if v_mailbox.state = 'reauthorise' then
    return v_about || '{"state": "reauthorise"}';
  end if;
  -- All that comes at once is decided one after the other: one refreshes, the others have or await what it gets.
  select * into v_token from private.mailbox_tokens t where t.mailbox_id = v_mailbox.id for update;
  if v_token.version is distinct from p_refused and p_now < v_token.refresh_at then
    return v_about || jsonb_build_object('state', 'ready', 'access', v_token.access, 'version', v_token.version);
  end if;
  if coalesce(v_token.lease_until <= p_now, true) and coalesce(v_token.next_at <= p_now, true) then
    update private.mailbox_tokens t set lease = gen_random_uuid(), lease_until = p_now + interval '60 seconds'
    where t.mailbox_id = v_mailbox.id returning t.* into v_token;
    return v_about || jsonb_build_object('state', 'refresh', 'lease', v_token.lease, 'refresh', v_token.refresh, 'version', v_token.version);
  end if;
  -- Refreshed early so that this one serves meanwhile; 30 s for clocks that differ and calls that last.
  if v_token.version is distinct from p_refused and p_now < v_token.expires_at - interval '30 seconds' then
    return v_about || jsonb_build_object('state', 'ready', 'access', v_token.access, 'version', v_token.version);
  end if;
  return v_about || jsonb_build_object('state', 'wait', 'retry_after_ms',
    greatest(1000, ceil(1000 * extract(epoch from coalesce(v_token.next_at, p_now) - p_now))));
end $$;
comment on function private.take_mailbox_token(uuid, integer, timestamptz) is 'take_mailbox_token with the time given.';

create function public.take_mailbox_token(p_identity uuid, p_refused integer default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.take_mailbox_token(p_identity, p_refused, clock_timestamp());
end $$;
comment on function public.take_mailbox_token(uuid, integer) is 'An access token of an identity''s mailbox; p_refused is the version of one that the provider refused. Answers {mailbox, provider, address, state}: ready {access (sealed), version}; refresh {lease, refresh (sealed), version}: the caller alone refreshes it, within 60 seconds, and settles; wait {retry_after_ms}: somebody else does; reauthorise: a person has to connect it again; or {state: none} without a mailbox. For secret keys.';

create function private.notify_mailbox(p_mailbox public.mailboxes, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', 'mailbox_reauthorise', 'at', p_now, 'mailbox', jsonb_build_object('id', p_mailbox.id,
    'provider', p_mailbox.provider, 'address', p_mailbox.address, 'error', p_mailbox.error))
  from public.notification_endpoints e
  where e.state = 'active' and 'mailbox_reauthorise' = any (e.events)
$$;
comment on function private.notify_mailbox(public.mailboxes, timestamptz) is 'Queues that a mailbox has to be connected again for everybody who wants to be told.';

create function private.settle_mailbox_token(p_settled jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid := (p_settled ->> 'mailbox')::uuid;
  v_token private.mailbox_tokens;
  v_mailbox public.mailboxes;
  v_life interval := make_interval(secs => coalesce((p_settled ->> 'expires_in')::double precision, 0));
begin
  select * into v_mailbox from public.mailboxes m where m.id = v_id for update;
  select * into v_token from private.mailbox_tokens t where t.mailbox_id = v_id for update;
  if v_token.lease is distinct from (p_settled ->> 'lease')::uuid then
    -- Whoever took over, or connected it anew, has tokens that count.
    return '{"settled": false}';
  end if;
  perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'oauth_refresh',
    'label', v_mailbox.provider || ' ' || (p_settled ->> 'outcome'), 'n', 1)));
  case p_settled ->> 'outcome'
    when 'refreshed' then
      update private.mailbox_tokens t
      set access = p_settled ->> 'access', refresh = coalesce(p_settled ->> 'refresh', t.refresh), version = t.version + 1,
        refresh_at = p_now + 0.8 * v_life, expires_at = p_now + v_life, lease = null, lease_until = null, failures = 0, next_at = null
      where t.mailbox_id = v_id returning t.* into v_token;
      update public.mailboxes m set refreshed_at = p_now where m.id = v_id;
      return jsonb_build_object('settled', true, 'version', v_token.version);
    when 'revoked' then
      update private.mailbox_tokens t set lease = null, lease_until = null, failures = t.failures + 1 where t.mailbox_id = v_id;
      update public.mailboxes m set state = 'reauthorise', state_at = p_now, error = left(p_settled ->> 'error', 200)
      where m.id = v_id returning * into v_mailbox;
      update public.senders s set held_since = coalesce(s.held_since, p_now), held_code = 'mailbox_reauthorise', held_until = p_now + interval '5 minutes'
      from private.inboxes i
      where i.identity = v_mailbox.identity and i.provider = v_mailbox.provider and s.channel = 'email' and s.id = i.from_email;
      perform private.notify_mailbox(v_mailbox, p_now);
    else
      update private.mailbox_tokens t
      set lease = null, lease_until = null, failures = t.failures + 1,
        next_at = p_now + greatest(make_interval(secs => coalesce((p_settled ->> 'retry_after_ms')::double precision, 0) / 1000),
          least(interval '5 minutes', interval '2 seconds' * 2 ^ least(t.failures, 8)))
      where t.mailbox_id = v_id;
  end case;
  return '{"settled": true}';
end $$;
comment on function private.settle_mailbox_token(jsonb, timestamptz) is 'settle_mailbox_token with the time given.';

create function public.settle_mailbox_token(p_settled jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  return private.settle_mailbox_token(p_settled, clock_timestamp());
end $$;
comment on function public.settle_mailbox_token(jsonb) is 'Ends a refresh: {mailbox, lease, outcome: refreshed {access, refresh (both sealed; refresh only if it changed), expires_in}, revoked {error}: a person has to connect it again, who is told; or failed {retry_after_ms}}. Answers {settled, version}: not settled where the lease was over and somebody else took it. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.begin_mailbox(jsonb),
  public.take_mailbox_start(text),
  private.mailbox_identity(uuid, text, text[], text[], text, timestamptz),
  private.connect_mailbox(jsonb, timestamptz),
  public.connect_mailbox(jsonb),
  private.mailbox_json(public.mailboxes),
  private.mailbox_reading(uuid),
  public.disconnect_mailbox(uuid),
  private.take_mailbox_token(uuid, integer, timestamptz),
  public.take_mailbox_token(uuid, integer),
  private.notify_mailbox(public.mailboxes, timestamptz),
  private.settle_mailbox_token(jsonb, timestamptz),
  public.settle_mailbox_token(jsonb)
  to service_role;
grant execute on function
  public.list_mailboxes(),
  public.set_mailbox(uuid, text)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002820');
