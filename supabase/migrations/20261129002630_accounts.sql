-- Several accounts: whose numbers they are, which credentials each has, what the provider reports of them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.sender_accounts (
  channel text not null default 'whatsapp',
  id text not null check (id <> ''),
  name text check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  state text not null default 'active' constraint sender_accounts_state_known check (state in ('active', 'restricted', 'banned')),
  state_at timestamptz,
  state_until timestamptz,
  state_why text,
  created_at timestamptz not null default now(),
  constraint sender_accounts_pkey primary key (channel, id)
);
comment on table public.sender_accounts is 'Accounts at the provider that senders belong to (senders.account): for WhatsApp, Meta''s WhatsApp Business Accounts.';
comment on constraint sender_accounts_pkey on public.sender_accounts is 'An id is unique within its channel.';
comment on column public.sender_accounts.channel is 'The channel.';
comment on column public.sender_accounts.id is 'The provider''s id of it: Meta''s WABA id.';
comment on column public.sender_accounts.name is 'The team''s name of it, which selects its credentials: acme uses WHATSAPP_ACCESS_TOKEN_ACME and WHATSAPP_APP_SECRET_ACME. Null for those without a suffix.';
comment on column public.sender_accounts.state is 'What the provider reports: active, restricted (some messages are refused) or banned (nothing is sent).';
comment on column public.sender_accounts.state_at is 'When the provider reported it; null if it never did.';
comment on column public.sender_accounts.state_until is 'When a restriction ends, if the provider said so.';
comment on column public.sender_accounts.state_why is 'The provider''s word for the reason.';
comment on column public.sender_accounts.created_at is 'When it was first seen or named.';
alter table public.sender_accounts enable row level security;
revoke all on public.sender_accounts from public, anon, authenticated, service_role;
grant select on public.sender_accounts to authenticated, service_role;
grant insert, update on public.sender_accounts to service_role;
create policy sender_accounts_read on public.sender_accounts for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy sender_accounts_read on public.sender_accounts is 'Every role of the team may see the accounts.';

create table public.sender_states (
  channel text not null,
  sender_id text not null,
  name text,
  quality text,
  messaging_limit text,
  status text,
  told_at timestamptz,
  checked_at timestamptz,
  constraint sender_states_pkey primary key (channel, sender_id),
  constraint sender_states_sender foreign key (channel, sender_id) references public.senders (channel, id) on delete cascade
);
comment on table public.sender_states is 'What the provider reports of senders, by webhooks and when gatelink numbers doctor asks.';
comment on constraint sender_states_pkey on public.sender_states is 'One row per sender.';
comment on constraint sender_states_sender on public.sender_states is 'It goes with its sender.';
comment on column public.sender_states.channel is 'The channel.';
comment on column public.sender_states.sender_id is 'The sender (senders.id).';
comment on column public.sender_states.name is 'The verified name that people see.';
comment on column public.sender_states.quality is 'green, yellow, red or unknown: how people rate what they get.';
comment on column public.sender_states.messaging_limit is 'How many people may be written to in 24 hours, in the provider''s spelling: TIER_1K.';
comment on column public.sender_states.status is 'The provider''s word for its state, in lower case: connected, flagged, banned, pending, …';
comment on column public.sender_states.told_at is 'When a webhook last reported something.';
comment on column public.sender_states.checked_at is 'When the provider was last asked.';
alter table public.sender_states enable row level security;
revoke all on public.sender_states from public, anon, authenticated, service_role;
grant select on public.sender_states to authenticated, service_role;
grant insert, update on public.sender_states to service_role;
create policy sender_states_read on public.sender_states for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy sender_states_read on public.sender_states is 'Every role of the team may see how the senders do.';

create table public.account_events (
  id uuid constraint account_events_pkey primary key default private.uuid_v7(),
  channel text not null,
  account text not null,
  sender_id text,
  kind text not null check (kind ~ '^(template|number|account)\.[a-z_]+$'),
  subject text,
  data jsonb not null default '{}',
  at timestamptz not null
);
comment on table public.account_events is 'What the provider reported of accounts, their senders and their templates, once each. Written in the transaction that stores the webhook.';
comment on constraint account_events_pkey on public.account_events is 'An event''s id.';
comment on column public.account_events.id is 'UUID v7, in the order in which they were stored.';
comment on column public.account_events.channel is 'The channel.';
comment on column public.account_events.account is 'The account (sender_accounts.id).';
comment on column public.account_events.sender_id is 'The sender that it is about (senders.id), if it is about one that is known.';
comment on column public.account_events.kind is 'template.approved, template.rejected, template.paused, template.disabled, template.deleted, template.flagged, template.quality, template.category_changed, template.category_announced, number.quality, number.limit, number.name, number.history_complete, number.history_declined, number.history_failed, account.alert, account.restricted, account.banned, account.reinstated.';
comment on column public.account_events.subject is 'The template''s name and language, or the number as dialled; null for the account.';
comment on column public.account_events.data is 'The provider''s details.';
comment on column public.account_events.at is 'When it happened, by the provider''s clock.';
create index account_events_account_idx on public.account_events (channel, account, id);
comment on index public.account_events_account_idx is 'The newest events of an account.';
alter table public.account_events enable row level security;
revoke all on public.account_events from public, anon, authenticated, service_role;
grant select on public.account_events to authenticated, service_role;
grant insert, delete on public.account_events to service_role;
create policy account_events_read on public.account_events for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy account_events_read on public.account_events is 'Every role of the team may see what the provider reported.';

-- Credentials -------------------------------------------------------------------------------------

create function private.credentials_of(p_channel text, p_account text) returns text
language sql stable set search_path = '' as $$
  select 'WHATSAPP_ACCESS_TOKEN_' || upper(a.name) from public.sender_accounts a
  where a.channel = p_channel and a.id = p_account and p_channel = 'whatsapp' and a.name is not null
$$;
comment on function private.credentials_of(text, text) is 'Name of the environment variable with the token of an account; null for the default one.';

create function public.number_credentials(p_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (select jsonb_build_object('credentials', s.credentials) from public.senders s where s.channel = 'whatsapp' and s.id = p_id);
end $$;
comment on function public.number_credentials(text) is 'Which credentials a WhatsApp number uses: {credentials (senders.credentials; null for the default)}; null for a number that is not known. For secret keys.';

create function private.sender_gets_account() returns trigger
language plpgsql set search_path = '' as $$
begin
  if new.channel = 'whatsapp' and new.account is not null then
    new.credentials := private.credentials_of(new.channel, new.account);
  end if;
  return new;
end $$;
comment on function private.sender_gets_account() is 'Trigger: a sender that is assigned to an account gets the account''s credentials.';
create trigger sender_gets_account before insert or update of account on public.senders
  for each row execute function private.sender_gets_account();
comment on trigger sender_gets_account on public.senders is 'Numbers use the credentials of their account.';

create function private.resume_senders(p_channel text, p_account text, p_codes text[], p_now timestamptz) returns void
language sql set search_path = '' as $$
  update public.senders s set held_since = null, held_code = null, held_until = null, held_probes = 0
  where s.channel = p_channel and s.account = p_account and s.held_code = any (p_codes)
$$;
comment on function private.resume_senders(text, text, text[], timestamptz) is 'Ends what held the senders of an account for one of these reasons.';

create function public.name_account(p_id text, p_name text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_account public.sender_accounts;
begin
  perform private.require_role('admin');
  if p_name is not null and p_name !~ '^[a-z][a-z0-9_]{0,39}$' then
    raise exception 'this cannot be the name of an account' using errcode = 'GL422',
      hint = 'A lower-case letter, then up to 39 letters, digits and _: acme uses WHATSAPP_ACCESS_TOKEN_ACME.';
  end if;
  if not exists (select from public.senders s where s.channel = 'whatsapp' and s.account = p_id)
    and not exists (select from public.sender_accounts a where a.channel = 'whatsapp' and a.id = p_id)
    and p_id !~ '^[0-9]{5,32}$' then
    raise exception 'there is no account %', p_id using errcode = 'GL404', hint = 'gatelink numbers list shows the accounts.';
  end if;
  insert into public.sender_accounts as a (channel, id, name) values ('whatsapp', p_id, p_name)
  on conflict on constraint sender_accounts_pkey do update set name = excluded.name
  returning * into v_account;
  update public.senders s set credentials = private.credentials_of(s.channel, s.account)
  where s.channel = 'whatsapp' and s.account = p_id;
  -- Faults of the token before.
  perform private.resume_senders('whatsapp', p_id, array['0', '3', '10', '190', '200', '401', 'not_ready', 'unreadable'], clock_timestamp());
  return jsonb_build_object('id', v_account.id, 'name', v_account.name, 'numbers', (
    select coalesce(jsonb_agg(s.id order by s.id), '[]') from public.senders s where s.channel = 'whatsapp' and s.account = p_id));
end $$;
comment on function public.name_account(text, text) is
  'Names a WhatsApp account by its WABA id, so that its numbers use the credentials of that name (acme: WHATSAPP_ACCESS_TOKEN_ACME, WHATSAPP_APP_SECRET_ACME); null for the default ones. Returns {id, name, numbers}. For admins and secret keys. Errors: 42501 not allowed, GL404 no such account, GL422 not a name.';

-- What the provider reports -----------------------------------------------------------------------

create function private.notify_account(p_event public.account_events) returns void
language sql volatile set search_path = '' as $$
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, clock_timestamp(), jsonb_build_object('kind', replace(p_event.kind, '.', '_'), 'at', p_event.at, 'account_event',
    jsonb_build_object('id', p_event.id, 'account', p_event.account, 'account_name', (
        select a.name from public.sender_accounts a where a.channel = p_event.channel and a.id = p_event.account),
      'sender_id', p_event.sender_id, 'subject', p_event.subject, 'data', p_event.data))
  from public.notification_endpoints e
  where e.state = 'active' and replace(p_event.kind, '.', '_') = any (e.events)
$$;
comment on function private.notify_account(public.account_events) is 'Queues what happened to an account for everybody who wants to be told of its kind.';

create function private.record_account_event(
  p_channel text, p_account text, p_sender_id text, p_kind text, p_subject text, p_data jsonb, p_at timestamptz
) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_event public.account_events;
begin
  insert into public.account_events (channel, account, sender_id, kind, subject, data, at)
  values (p_channel, p_account, p_sender_id, p_kind, p_subject, coalesce(p_data, '{}'), p_at) returning * into v_event;
  perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'account_events', 'label', p_kind, 'n', 1)));
  perform private.notify_account(v_event);
end $$;
comment on function private.record_account_event(text, text, text, text, text, jsonb, timestamptz) is 'Stores an event of an account, and queues it for those who are told.';

create function private.apply_account_news(p_channel text, p_news jsonb, p_at timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_account text := p_news ->> 'account';
  v_state text := p_news ->> 'state';
begin
  -- The provider does not keep the order: what is older than what is known changes nothing.
  update public.sender_accounts a
  set state = v_state, state_at = p_at, state_until = (p_news ->> 'until')::timestamptz, state_why = p_news ->> 'why'
  where a.channel = p_channel and a.id = v_account and v_state is not null and coalesce(a.state_at, '-infinity') <= p_at;
  if not found then
    return;
  end if;
  if v_state = 'banned' then
    update public.senders s
    set held_since = coalesce(s.held_since, p_at), held_code = 'account_banned', held_until = clock_timestamp() + interval '5 minutes'
    where s.channel = p_channel and s.account = v_account;
  else
    perform private.resume_senders(p_channel, v_account, array['account_banned', '131031', '368'], p_at);
  end if;
end $$;
comment on function private.apply_account_news(text, jsonb, timestamptz) is 'Records the state of an account: a ban holds all its senders at once, and ends with it.';

create function private.apply_number_news(p_channel text, p_news jsonb, p_at timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.sender_states as t (channel, sender_id, name, quality, messaging_limit, told_at)
  select s.channel, s.id, p_news ->> 'name', p_news ->> 'quality', p_news ->> 'limit', p_at
  from public.senders s
  where s.channel = p_channel and s.account = p_news ->> 'account'
    and (p_news ->> 'address' is null or regexp_replace(s.address, '[^0-9]', '', 'g') = p_news ->> 'address')
  order by s.id
  on conflict on constraint sender_states_pkey do update set name = coalesce(excluded.name, t.name),
    quality = coalesce(excluded.quality, t.quality), messaging_limit = coalesce(excluded.messaging_limit, t.messaging_limit), told_at = excluded.told_at
  where greatest(t.told_at, t.checked_at) is null or greatest(t.told_at, t.checked_at) <= excluded.told_at
$$;
comment on function private.apply_number_news(text, jsonb, timestamptz) is 'Records what was reported of a number, or of every number of an account.';

create function private.apply_news(p_updates private.inbound_update[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_one record;
  v_new boolean;
begin
  for v_one in
    select u.channel, u.news, coalesce(u.at, clock_timestamp()) as at from unnest(p_updates) u
    where u.news ->> 'account' is not null order by u.at nulls last, u.ord
  loop
    insert into public.sender_accounts (channel, id) values (v_one.channel, v_one.news ->> 'account')
    on conflict on constraint sender_accounts_pkey do nothing;
    v_new := true;
    case v_one.news ->> 'what'
      when 'account' then perform private.apply_account_news(v_one.channel, v_one.news, v_one.at);
      when 'number' then perform private.apply_number_news(v_one.channel, v_one.news, v_one.at);
      else
        -- Templates and imports have migrations of their own.
        if v_one.news ->> 'what' = 'history' and to_regprocedure('private.apply_history_news(text,jsonb,timestamptz)') is not null then
          perform private.apply_history_news(v_one.channel, v_one.news, v_one.at);
        end if;
        if v_one.news ->> 'what' = 'template' and to_regprocedure('private.apply_template_news(text,jsonb,timestamptz)') is not null then
          v_new := private.apply_template_news(v_one.channel, v_one.news, v_one.at);
        end if;
    end case;
    if v_new and v_one.news ->> 'kind' is not null then
      perform private.record_account_event(v_one.channel, v_one.news ->> 'account', (
          select s.id from public.senders s
          where s.channel = v_one.channel and s.account = v_one.news ->> 'account'
            and regexp_replace(s.address, '[^0-9]', '', 'g') = v_one.news ->> 'address' limit 1),
        v_one.news ->> 'kind', case v_one.news ->> 'what'
          when 'template' then coalesce(v_one.news ->> 'name' || ' ' || (v_one.news ->> 'language'), (
            select t.name || ' ' || t.language from private.template_categories t
            where t.channel = v_one.channel and t.account = v_one.news ->> 'account' and t.template_id = v_one.news ->> 'id' limit 1))
          else v_one.news ->> 'address' end,
        coalesce(v_one.news -> 'data', '{}') || jsonb_strip_nulls(jsonb_build_object('reason', v_one.news -> 'reason', 'why', v_one.news -> 'why',
          'until', v_one.news -> 'until', 'quality', v_one.news -> 'quality', 'limit', v_one.news -> 'limit',
          'category', lower(v_one.news ->> 'category'), 'template_id', v_one.news -> 'id')), v_one.at);
    end if;
  end loop;
end $$;
comment on function private.apply_news(private.inbound_update[]) is 'Records what updates report of accounts, numbers and templates, {what, account, kind, …} (_shared/channels/whatsapp/inbound/news.ts), oldest first.';

-- Numbers, for people and for the check ------------------------------------------------------------

create function private.numbers() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'accounts', (
      select coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'name', a.name, 'state', coalesce(a.state, 'active'), 'state_at', a.state_at,
        'state_until', a.state_until, 'state_why', a.state_why,
        'events', (
          select coalesce(jsonb_agg(jsonb_build_object('kind', e.kind, 'subject', e.subject, 'data', e.data, 'at', e.at) order by e.id desc), '[]')
          from (select * from public.account_events e where e.channel = 'whatsapp' and e.account = x.id order by e.id desc limit 5) e))
        order by x.id), '[]')
      from (
        select s.account as id from public.senders s where s.channel = 'whatsapp' and s.account is not null
        union select a.id from public.sender_accounts a where a.channel = 'whatsapp') x
      left join public.sender_accounts a on a.channel = 'whatsapp' and a.id = x.id),
    'numbers', (
      select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'address', s.address, 'account', s.account, 'credentials', s.credentials,
        'state', s.state, 'held_since', s.held_since, 'held_code', s.held_code, 'name', t.name, 'quality', t.quality,
        'messaging_limit', t.messaging_limit, 'status', t.status, 'told_at', t.told_at, 'checked_at', t.checked_at,
        'max_per_second', s.max_per_second, 'pair_seconds', s.pair_seconds, 'pair_burst', s.pair_burst, 'created_at', s.created_at,
        'waiting', (
          select count(*) from (
            select from private.outbound_lanes l where l.channel = s.channel and l.number_id = s.id and l.due_at is not null limit 1000) l))
        order by s.account, s.id), '[]')
      from public.senders s left join public.sender_states t on t.channel = s.channel and t.sender_id = s.id
      where s.channel = 'whatsapp'));
end $$;
comment on function private.numbers() is 'Accounts and numbers of WhatsApp, as list_numbers returns them.';

create function public.list_numbers() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return private.numbers();
end $$;
comment on function public.list_numbers() is
  'WhatsApp''s accounts with their state and latest events, and the numbers with their account, limits, quality, what holds them, and how many conversations wait (at most 1,000 are counted). For viewers and secret keys.';

create function public.numbers_to_check() returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.numbers();
end $$;
comment on function public.numbers_to_check() is 'The accounts and numbers that wa-router asks Meta about, as list_numbers returns them. For secret keys.';

create function public.record_number_check(p_found jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  -- The provider says which account a number belongs to, before its first webhook too.
  insert into public.sender_accounts (channel, id)
  select distinct 'whatsapp', r.account from jsonb_to_recordset(p_found) as r (account text) where r.account is not null order by 2
  on conflict on constraint sender_accounts_pkey do nothing;
  perform from public.senders s where s.channel = 'whatsapp' order by s.id for update;
  update public.senders s set account = r.account, address = coalesce(s.address, r.address)
  from jsonb_to_recordset(p_found) as r (id text, account text, address text)
  where s.channel = 'whatsapp' and s.id = r.id and r.account is not null and s.account is distinct from r.account;
  insert into public.sender_states as t (channel, sender_id, name, quality, messaging_limit, status, checked_at)
  select s.channel, s.id, r.name, lower(r.quality), r.messaging_limit, lower(r.status), clock_timestamp()
  from jsonb_to_recordset(p_found) as r (id text, name text, quality text, messaging_limit text, status text)
  join public.senders s on s.channel = 'whatsapp' and s.id = r.id
  order by s.id
  on conflict on constraint sender_states_pkey do update set name = coalesce(excluded.name, t.name), quality = coalesce(excluded.quality, t.quality),
    messaging_limit = coalesce(excluded.messaging_limit, t.messaging_limit), status = excluded.status, checked_at = excluded.checked_at;
end $$;
comment on function public.record_number_check(jsonb) is 'Records what the provider said of numbers when it was asked [{id, account, address, name, quality, messaging_limit, status}]; unknown numbers are left out. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.credentials_of(text, text),
  public.number_credentials(text),
  private.sender_gets_account(),
  private.resume_senders(text, text, text[], timestamptz),
  private.notify_account(public.account_events),
  private.record_account_event(text, text, text, text, text, jsonb, timestamptz),
  private.apply_account_news(text, jsonb, timestamptz),
  private.apply_number_news(text, jsonb, timestamptz),
  private.apply_news(private.inbound_update[]),
  private.numbers(),
  public.numbers_to_check(),
  public.record_number_check(jsonb)
  to service_role;
grant execute on function
  public.name_account(text, text),
  public.list_numbers()
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002630');
