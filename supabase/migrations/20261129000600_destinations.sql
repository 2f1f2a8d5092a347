-- The services that receive messages, their secrets, and the allowlist of hosts that messages may go to.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- The allowlist -----------------------------------------------------------------------------------

create table public.destination_allowlist (
  pattern text not null check (
    pattern ~ '^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[0-9]{1,5})?$'
    or pattern in ('localhost', '127.0.0.1', '[::1]')
  ),
  purpose text not null check (purpose in ('forward', 'redirect')),
  created_at timestamptz not null default now(),
  created_by text not null default private.actor(),
  constraint destination_allowlist_pkey primary key (pattern, purpose)
);
comment on table public.destination_allowlist is 'Hosts that messages may be forwarded to and links may redirect to. Nothing goes anywhere else.';
comment on constraint destination_allowlist_pkey on public.destination_allowlist is 'One row per pattern and purpose.';
comment on column public.destination_allowlist.pattern is 'Lower-case ASCII host, or *.host for every name below it (not the host itself); with a port only if it is not 443.';
comment on column public.destination_allowlist.purpose is 'forward (messages to services) or redirect (targets of links).';
comment on column public.destination_allowlist.created_at is 'When it was allowed.';
comment on column public.destination_allowlist.created_by is 'Who allowed it.';
alter table public.destination_allowlist enable row level security;
revoke all on public.destination_allowlist from public, anon, authenticated;
grant select on public.destination_allowlist to authenticated;
grant select, insert, update, delete on public.destination_allowlist to service_role;
create policy "team reads allowlist" on public.destination_allowlist for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads allowlist" on public.destination_allowlist is 'Every role may see which hosts are allowed.';
create trigger destination_allowlist_revision after insert or update or delete on public.destination_allowlist
  for each statement execute function private.bump_config_revision();
comment on trigger destination_allowlist_revision on public.destination_allowlist is 'Makes the edge functions reload the configuration.';

create trigger refuse_truncate before truncate on public.destination_allowlist
  for each statement execute function private.refuse_change();
comment on trigger refuse_truncate on public.destination_allowlist is 'Truncating would leave no history; delete instead.';

create table public.allowlist_history (
  id uuid primary key default private.uuid_v7(),
  pattern text not null,
  purpose text not null,
  change text not null constraint allowlist_history_change_known check (change in ('added', 'removed')),
  at timestamptz not null default clock_timestamp(),
  by text not null default private.actor()
);
comment on table public.allowlist_history is
  'Who added or removed which host, and when. Written by trigger; append-only and kept permanently: it holds no customer data.';
comment on column public.allowlist_history.id is 'UUID v7, in the order of the changes.';
comment on column public.allowlist_history.pattern is 'The host pattern.';
comment on column public.allowlist_history.purpose is 'forward or redirect.';
comment on column public.allowlist_history.change is 'added or removed.';
comment on column public.allowlist_history.at is 'When it was changed.';
comment on column public.allowlist_history.by is 'Who changed it: a user id, or the database role.';
alter table public.allowlist_history enable row level security;
revoke all on public.allowlist_history from anon, authenticated, service_role, public;
grant select on public.allowlist_history to authenticated, service_role;
create policy allowlist_history_read on public.allowlist_history for select to authenticated
  using ((select private.has_role('admin')));
comment on policy allowlist_history_read on public.allowlist_history is 'Admins are accountable for where messages may go.';
create trigger append_only before update or delete or truncate on public.allowlist_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.allowlist_history is 'History cannot be changed.';

create function private.record_allowlist() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  if tg_op = 'UPDATE' and (new.pattern, new.purpose) = (old.pattern, old.purpose) then
    return null;
  end if;
  if tg_op <> 'INSERT' then
    insert into public.allowlist_history (pattern, purpose, change) values (old.pattern, old.purpose, 'removed');
  end if;
  if tg_op <> 'DELETE' then
    insert into public.allowlist_history (pattern, purpose, change) values (new.pattern, new.purpose, 'added');
  end if;
  return null;
end $$;
comment on function private.record_allowlist() is 'Trigger, after insert, update or delete of destination_allowlist: writes allowlist_history.';
create trigger record after insert or update or delete on public.destination_allowlist
  for each row execute function private.record_allowlist();
comment on trigger record on public.destination_allowlist is 'Records each change in the history.';

-- Failure policy: closed. Deliberately stricter than the URL standard: anything unrecognised is refused.
-- The edge functions check again at each delivery (_shared/delivery/allowlist.ts).
create function private.destination_permitted(p_url text, p_purpose text default 'forward') returns boolean
language plpgsql stable set search_path = '' as $$
declare
  v_part text[];
  v_host text;
  v_port text;
begin
  v_part := regexp_match(p_url, '^(https?)://([a-z0-9.-]+|\[::1\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?$', 'i');
  if v_part is null or p_url ~ '[\\#]' then
    return false;
  end if;
  v_host := lower(v_part[2]);
  v_port := v_part[3];
  if v_host in ('localhost', '127.0.0.1', '[::1]') then
    return p_purpose = 'forward'
      and exists (select from public.settings s where s.key = 'forward.allow_loopback' and s.value = 'true')
      and exists (select from public.destination_allowlist a where a.purpose = p_purpose and a.pattern = v_host);
  end if;
  if lower(v_part[1]) <> 'https' or v_host !~ '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$' then
    return false;
  end if;
  v_port := case when v_port is null or v_port::integer = 443 then '' else ':' || v_port::integer end;
  return exists (
    select from public.destination_allowlist a
    where a.purpose = p_purpose
      and (a.pattern = v_host || v_port
        or (a.pattern like '*.%' and right(v_host || v_port, length(a.pattern) - 1) = substr(a.pattern, 2))));
end $$;
comment on function private.destination_permitted(text, text) is 'Whether the allowlist permits storing a URL for a purpose: https, a matching host pattern, no credentials, no IP literal; loopback only if the setting forward.allow_loopback is on.';

create function public.allow_host(p_pattern text, p_purpose text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.destination_allowlist;
begin
  perform private.require_role('admin');
  insert into public.destination_allowlist (pattern, purpose) values (lower(p_pattern), p_purpose)
  on conflict (pattern, purpose) do nothing;
  select * into v_row from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return to_jsonb(v_row);
end $$;
comment on function public.allow_host(text, text) is 'Adds a host pattern to the allowlist for forward or redirect; for admins. Repeating it changes nothing. 23514 for an invalid pattern.';

create function public.disallow_host(p_pattern text, p_purpose text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require_role('admin');
  delete from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return found;
end $$;
comment on function public.disallow_host(text, text) is 'Removes a host pattern from the allowlist; false if it was not there. Takes effect within 5 seconds.';

-- Destinations ------------------------------------------------------------------------------------

create function private.is_failure_policy(p_policy jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select jsonb_typeof(p_policy) = 'object' and not exists (
    select from jsonb_each(case jsonb_typeof(p_policy) when 'object' then p_policy else '{}' end) e
    where e.key !~ '^([345][0-9]{2}|else)$' or e.value not in ('"hold"', '"aside"', '"pause"'))
$$;
comment on function private.is_failure_policy(jsonb) is
  'Whether this is a valid failure policy, such as {"404": "aside", "else": "hold"}: keys are a status from 300 to 599, or else; hold makes the conversation wait, aside gives up the delivery after its second attempt, pause pauses the destination.';

create function private.is_subscription(p_events text[]) returns boolean
language sql immutable set search_path = '' as $$
  select cardinality(p_events) between 1 and 50 and array_position(p_events, null) is null
    and not exists (select from unnest(p_events) as e (name) where e.name !~ '^(\*|[a-z]{1,32}\.(\*|[a-z_]{1,32}))$')
$$;
comment on function private.is_subscription(text[]) is
  'Whether this is a list of event types: each a name such as message.received, a family such as template.*, or * for all.';

create table public.destinations (
  id uuid primary key default private.uuid_v7(),
  name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  kind text not null default 'http' check (kind in ('http', 'inbox', 'telegram')),
  url text not null check (length(url) <= 2000),
  state text not null default 'active' check (state in ('active', 'paused')),
  timeout_ms integer not null default 15000 check (timeout_ms between 100 and 30000),
  rate_per_second numeric check (rate_per_second > 0 and rate_per_second <= 10000),
  rate_burst integer not null default 10 check (rate_burst >= 1),
  rate_tat timestamptz,
  retry_seconds numeric[] check (cardinality(retry_seconds) between 1 and 20 and 0 <= all (retry_seconds)),
  circuit_failures integer not null default 0,
  circuit_open_until timestamptz,
  circuit_trips integer not null default 0,
  circuit_probe uuid,
  circuit_waking boolean not null default false,
  failure_policy jsonb not null default '{}' check (private.is_failure_policy(failure_policy)),
  events text[] not null default '{message.received}' constraint destinations_events_known check (private.is_subscription(events)),
  format text not null default 'gatelink' constraint destinations_format_known check (format in ('gatelink', 'meta')),
  when_taken text not null default 'skip' constraint destinations_when_taken_known check (when_taken in ('skip', 'mark')),
  paused_because text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by text not null default private.actor(),
  removed_at timestamptz check (removed_at is null or state = 'paused')
) with (fillfactor = 70);
comment on table public.destinations is 'Services that receive messages. Their secrets are in private.destination_secrets.';
create unique index destinations_name_key on public.destinations (name) where removed_at is null;
comment on index public.destinations_name_key is 'People and the command line use the name; the name of a removed destination can be reused.';
comment on column public.destinations.id is 'UUID v7.';
comment on column public.destinations.name is 'Short name: lower-case letters, digits, - and _.';
comment on column public.destinations.kind is 'How it is reached: http is a signed POST to its URL, inbox is a mail to the inbox that an identity''s answers are forwarded to (private.inboxes), telegram is a card in a chat (private.telegram_targets).';
comment on column public.destinations.url is 'Where messages are posted. Checked against the allowlist when stored and at each delivery. For kind inbox: inbox: and the id of the identity; for kind telegram: telegram: and the chat, with its topic after a slash.';
comment on column public.destinations.state is 'active, or paused: its queue waits.';
comment on column public.destinations.timeout_ms is 'Maximum time for a response, including its body, in milliseconds.';
comment on column public.destinations.rate_per_second is 'Maximum deliveries per second; null for no limit.';
comment on column public.destinations.rate_burst is 'Deliveries that may be made at once within rate_per_second.';
comment on column public.destinations.rate_tat is 'GCRA state of the rate: the theoretical arrival time of the next delivery.';
comment on column public.destinations.retry_seconds is 'Waits between attempts, in seconds; null for the setting forward.retry_seconds or, without it, the built-in schedule in docs/architecture.md.';
comment on column public.destinations.circuit_failures is 'Consecutive failed attempts.';
comment on column public.destinations.circuit_open_until is 'While in the future, the circuit is open and the queue waits; once past, one delivery probes. Null while closed.';
comment on column public.destinations.circuit_trips is 'How often in a row the circuit has opened; each time doubles the wait.';
comment on column public.destinations.circuit_probe is 'Lease of the delivery that probes an open circuit: only its failure opens the circuit again.';
comment on column public.destinations.circuit_waking is 'True while it answers again but some deliveries that failed before have yet to be made due.';
comment on column public.destinations.failure_policy is 'What a failure does to the conversation, by status, with else for all others: hold, aside or pause. Statuses that it does not list follow the built-in policy: aside for 400, 413, 415 and 422, pause for 410, hold for the rest.';
comment on column public.destinations.events is 'The types of events that it receives: names, families such as template.*, or *. Which messages it receives, the routes decide.';
comment on column public.destinations.format is 'gatelink: our events, signed by Standard Webhooks; meta: the body of Meta''s own webhook, which is also signed as Meta signs it.';
comment on column public.destinations.when_taken is 'What happens to messages of a conversation that a person has taken over: skip (it does not get them) or mark (it gets them, marked).';
comment on column public.destinations.paused_because is 'The response that paused it; null if a person paused it or it is active.';
comment on column public.destinations.version is 'Incremented by each change that a person makes.';
comment on column public.destinations.created_at is 'When it was added.';
comment on column public.destinations.updated_at is 'When a person last changed it.';
comment on column public.destinations.updated_by is 'Who last changed it.';
comment on column public.destinations.removed_at is 'When it was removed; null otherwise. The row stays, because past deliveries refer to it.';
-- Nearly always empty: asked on the way of every status.
create index destinations_subscribed_idx on public.destinations (id) where events <> '{message.received}'::text[];
comment on index public.destinations_subscribed_idx is 'The destinations that receive more than messages.';
create index destinations_meta_idx on public.destinations (id) where format = 'meta';
comment on index public.destinations_meta_idx is 'The destinations that get Meta''s own bodies.';
alter table public.destinations enable row level security;
revoke all on public.destinations from public, anon, authenticated;
grant select on public.destinations to authenticated;
grant select, insert, update, delete on public.destinations to service_role;
create policy "team reads destinations" on public.destinations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads destinations" on public.destinations is 'Every role may see the services; their secrets are elsewhere.';
-- Only columns that people change: circuit and rate state change with the traffic and are not configuration.
create trigger destinations_revision after insert or delete or truncate or update of name, url, state, version, removed_at
  on public.destinations for each statement execute function private.bump_config_revision();
comment on trigger destinations_revision on public.destinations is 'Makes the edge functions reload the configuration.';

create function private.shown_state(p_state text, p_circuit_open_until timestamptz) returns text
language sql immutable set search_path = '' as $$
  select case when p_state = 'active' and p_circuit_open_until is not null then 'circuit_open' else p_state end
$$;
comment on function private.shown_state(text, timestamptz) is
  'The displayed state of a destination: active, paused, or circuit_open for an active one that gets only probes. The same as shownDestinationState() of the contract.';

-- Applies to every way a URL is written, except by the owner of the tables, who migrates and restores. Each delivery checks again.
create function private.require_permitted_url() returns trigger
language plpgsql set search_path = '' as $$
begin
  if new.kind <> 'http' then
    if new.url !~ (case new.kind when 'inbox' then '^inbox:[0-9a-f-]{36}$' else '^telegram:-?[0-9]{1,16}(/[0-9]{1,10})?$' end) then
      raise exception 'a destination of kind % has no address of its own', new.kind using errcode = 'GL403',
        hint = case new.kind when 'inbox' then 'Change the identity that it forwards for.' else 'Add a destination for the other chat.' end;
    end if;
    return new;
  end if;
  if private.caller() <> (select r.rolname from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner where c.oid = tg_relid)
    and not coalesce(private.destination_permitted(new.url, 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  return new;
end $$;
comment on function private.require_permitted_url() is 'Trigger, before insert or update of url or kind: refuses a URL that the allowlist does not permit, of kind inbox any but inbox: and an id, and of kind telegram any but telegram: and a chat (GL403).';
create trigger permitted_url before insert or update of url, kind on public.destinations
  for each row execute function private.require_permitted_url();
comment on trigger permitted_url on public.destinations is 'Checks the allowlist at every write.';

-- Opening and closing a circuit is configuration: routes of mode first depend on it. Deferred to the end of the
-- transaction, so that the revision's lock is the last one that a settlement takes.
create constraint trigger destinations_circuit_revision after update on public.destinations
  deferrable initially deferred for each row when ((old.circuit_trips > 0) is distinct from (new.circuit_trips > 0))
  execute function private.bump_config_revision();
comment on trigger destinations_circuit_revision on public.destinations is 'Makes the edge functions reload the configuration when a circuit opens or closes.';

create table private.destination_secrets (
  destination_id uuid not null references public.destinations (id) on delete cascade,
  secret text not null check (secret ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  constraint destination_secrets_pkey primary key (destination_id, secret)
);
comment on table private.destination_secrets is 'Signing secrets as in Standard Webhooks; several during a rotation. Shown once, when created.';
comment on constraint destination_secrets_pkey on private.destination_secrets is 'Finds the secrets of a destination.';
comment on column private.destination_secrets.destination_id is 'The destination.';
comment on column private.destination_secrets.secret is 'whsec_ followed by 32 random bytes in base64.';
comment on column private.destination_secrets.created_at is 'When it was created.';
comment on column private.destination_secrets.expires_at is 'End of the overlap after a rotation; null for the current one.';
alter table private.destination_secrets enable row level security;
revoke all on private.destination_secrets from public, anon, authenticated;
grant select, insert, update, delete on private.destination_secrets to service_role;

create table private.destination_headers (
  destination_id uuid not null references public.destinations (id) on delete cascade,
  name text not null check (name ~ '^[a-z0-9!#$%&''*+.^_|~-]{1,64}$'),
  sealed text not null check (sealed ~ '^v1\.[a-z][a-z0-9-]{0,31}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$' and length(sealed) <= 12000),
  set_at timestamptz not null default now(),
  set_by text not null,
  constraint destination_headers_pkey primary key (destination_id, name)
);
comment on table private.destination_headers is 'Custom headers of a destination, such as authorization. Encrypted by the functions with a key that the database does not have.';
comment on constraint destination_headers_pkey on private.destination_headers is 'One row per destination and header.';
comment on column private.destination_headers.destination_id is 'The destination.';
comment on column private.destination_headers.name is 'The header''s name in lower case.';
comment on column private.destination_headers.sealed is 'Version (v1), key name, IV and ciphertext; see _shared/crypto/seal.ts.';
comment on column private.destination_headers.set_at is 'When it was set.';
comment on column private.destination_headers.set_by is 'Who set it: a user id, or key: and the name of a secret key.';
alter table private.destination_headers enable row level security;
revoke all on private.destination_headers from public, anon, authenticated;
grant select, insert, update, delete on private.destination_headers to service_role;

-- As with a redirect to another host: credentials for one host are not meant for another.
create function private.forget_headers() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from private.destination_headers h where h.destination_id = new.id;
  return null;
end $$;
comment on function private.forget_headers() is 'Trigger, after a destination moved to another host or was removed: deletes its custom headers.';
create trigger forget_headers after update of url, removed_at on public.destinations for each row
  when (new.removed_at is not null
    or lower(substring(old.url from '^[^/]*//[^/?]*')) is distinct from lower(substring(new.url from '^[^/]*//[^/?]*')))
  execute function private.forget_headers();
comment on trigger forget_headers on public.destinations is 'Credentials are sent only to the host they were set for.';

-- Management --------------------------------------------------------------------------------------

create function private.new_webhook_secret() returns text
language sql volatile set search_path = '' as $$
  select 'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64')
$$;
comment on function private.new_webhook_secret() is 'A Standard Webhooks secret: 32 bytes, 244 of their bits from the server''s strong random source.';

create function public.add_destination(p_name text, p_url text, p_options jsonb default '{}') returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
  v_secret text := coalesce(p_options ->> 'secret', private.new_webhook_secret());
begin
  perform private.require_role('operator');
  if not private.destination_permitted(p_url, 'forward') then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  -- Who names the secret asks again after a lost answer.
  select d.id into v_id from public.destinations d
  where d.name = p_name and d.removed_at is null and d.url = p_url and p_options ? 'secret' and exists (
    select from private.destination_secrets s where s.destination_id = d.id and s.secret = v_secret and s.expires_at is null);
  if v_id is not null then
    return jsonb_build_object('id', v_id, 'name', p_name, 'url', p_url, 'state', 'active', 'secret', v_secret);
  end if;
  if exists (select from public.destinations where name = p_name and removed_at is null) then
    raise exception 'a destination named % exists already', p_name using errcode = 'GL409',
      hint = 'Choose another name.';
  end if;
  insert into public.destinations (name, url, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy, events, format, when_taken)
  values (p_name, p_url, coalesce((p_options ->> 'timeout_ms')::integer, 15000),
    (p_options ->> 'rate_per_second')::numeric, coalesce((p_options ->> 'rate_burst')::integer, 10),
    case when jsonb_typeof(p_options -> 'retry_seconds') = 'array'
      then array(select jsonb_array_elements_text(p_options -> 'retry_seconds')::numeric) end,
    coalesce(nullif(p_options -> 'failure_policy', 'null'), '{}'),
    case when jsonb_typeof(p_options -> 'events') = 'array'
      then array(select jsonb_array_elements_text(p_options -> 'events')) else '{message.received}' end,
    coalesce(p_options ->> 'format', 'gatelink'), coalesce(p_options ->> 'when_taken', 'skip'))
  returning id into v_id;
  insert into private.destination_secrets (destination_id, secret) values (v_id, v_secret);
  return jsonb_build_object('id', v_id, 'name', p_name, 'url', p_url, 'state', 'active', 'secret', v_secret);
end $$;
comment on function public.add_destination(text, text, jsonb) is 'Adds a service. Options: secret, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy, events, format, when_taken. Returns its signing secret, which is not shown again; the same name, URL and secret again are the same destination. GL403 if the allowlist refuses the URL, GL409 if the name is taken.';

create function private.is_wanted(p_events text[], p_type text) returns boolean
language sql immutable set search_path = '' as $$
  select p_events && array[p_type, split_part(p_type, '.', 1) || '.*', '*']
$$;
comment on function private.is_wanted(text[], text) is 'Whether a destination''s list of events includes this type.';

create function private.is_subscribed() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.destinations d where d.events <> '{message.received}'::text[]);
end $$;
comment on function private.is_subscribed() is 'Whether any destination receives more than messages. Asked wherever an event may arise, so that none costs anything while nobody wants it.';

create function private.destination_named(p_name text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_id uuid;
begin
  select id into v_id from public.destinations where name = p_name and removed_at is null;
  if v_id is null then
    raise exception 'there is no destination named %', p_name using errcode = 'GL404',
      hint = 'gatelink destinations list shows them.';
  end if;
  return v_id;
end $$;
comment on function private.destination_named(text) is 'The id of a destination by name; GL404 if there is none.';

create function public.set_destination(p_name text, p_version integer, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_row public.destinations;
begin
  perform private.require_role('operator');
  select * into v_row from public.destinations d where d.id = private.destination_named(p_name) for update;
  if v_row.version is distinct from p_version then
    raise exception 'destination % is at version %, not %', p_name, v_row.version, p_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  if jsonb_typeof(p_changes) is distinct from 'object' or exists (select from jsonb_object_keys(p_changes) k
    where k not in ('url', 'timeout_ms', 'rate_per_second', 'rate_burst', 'retry_seconds', 'failure_policy', 'events', 'format', 'when_taken')) then
    raise exception 'a destination has url, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy, events, format and when_taken to change'
      using errcode = 'GL422';
  end if;
  if p_changes ? 'url' and not coalesce(private.destination_permitted(p_changes ->> 'url', 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  v_row := jsonb_populate_record(v_row, p_changes);
  if p_changes ? 'events' and not v_row.events && '{message.received,message.*,*}' and exists (
    select from public.route_destinations x where x.destination_id = v_row.id) then
    raise exception 'routes lead to %', p_name using errcode = 'GL409',
      hint = 'Keep message.received among its events, or give these routes another destination first.';
  end if;
  update public.destinations d
  set url = v_row.url, timeout_ms = v_row.timeout_ms, rate_per_second = v_row.rate_per_second, rate_burst = v_row.rate_burst,
    rate_tat = case when v_row.rate_per_second is not distinct from d.rate_per_second then d.rate_tat end,
    retry_seconds = v_row.retry_seconds, failure_policy = v_row.failure_policy,
    events = v_row.events, format = v_row.format, when_taken = v_row.when_taken,
    version = d.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
  where d.id = v_row.id returning d.* into v_row;
  return jsonb_build_object('id', v_row.id, 'name', v_row.name, 'url', v_row.url, 'state', v_row.state,
    'timeout_ms', v_row.timeout_ms, 'rate_per_second', v_row.rate_per_second, 'rate_burst', v_row.rate_burst,
    'retry_seconds', to_jsonb(v_row.retry_seconds), 'failure_policy', v_row.failure_policy,
    'events', to_jsonb(v_row.events), 'format', v_row.format, 'when_taken', v_row.when_taken, 'version', v_row.version);
end $$;
comment on function public.set_destination(text, integer, jsonb) is
  'Changes a destination that is still at the version the caller read: any of url, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy, events, format, when_taken; null resets rate_per_second and retry_seconds. Waiting deliveries use the new values. Returns the destination. For operators and secret keys. Errors: 42501 not allowed, GL403 the allowlist refuses the URL, GL404 no such destination, GL409 it was changed in the meantime, or routes lead to it and message.received is not among the new events, GL422 an unknown member, 23502 and 23514 invalid value.';

create function public.rotate_destination_secret(p_name text, p_overlap_hours integer default 24) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_id uuid;
  v_secret text := private.new_webhook_secret();
  v_until timestamptz := now() + make_interval(hours => p_overlap_hours);
begin
  perform private.require_role('operator');
  if p_overlap_hours is null or p_overlap_hours not between 0 and 168 then
    raise exception 'an overlap of % hours', coalesce(p_overlap_hours::text, 'null') using errcode = 'GL422',
      hint = 'The old secret signs too for 0 to 168 hours.';
  end if;
  v_id := private.destination_named(p_name);
  delete from private.destination_secrets where destination_id = v_id and expires_at <= now();
  update private.destination_secrets set expires_at = least(expires_at, v_until) where destination_id = v_id;
  insert into private.destination_secrets (destination_id, secret) values (v_id, v_secret);
  update public.destinations set version = version + 1, updated_at = now(), updated_by = private.actor() where id = v_id;
  return jsonb_build_object('name', p_name, 'secret', v_secret, 'old_secret_signs_until', v_until);
end $$;
comment on function public.rotate_destination_secret(text, integer) is 'Creates a new signing secret; during the overlap, 0 to 168 hours (GL422), deliveries carry the signatures of both. Returns the new one, which is not shown again.';

create function private.headers_of(p_destination_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (select jsonb_object_agg(h.name, h.sealed) from private.destination_headers h where h.destination_id = p_destination_id);
end $$;
comment on function private.headers_of(uuid) is 'The custom headers of a destination, {name: sealed}; null for none.';

create function public.set_destination_headers(p_name text, p_headers jsonb, p_by text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.refuse_older_code();
  v_id := private.destination_named(p_name);
  perform from public.destinations d where d.id = v_id for update;
  delete from private.destination_headers h where h.destination_id = v_id and p_headers ? h.name;
  insert into private.destination_headers (destination_id, name, sealed, set_by)
  select v_id, e.key, e.value, p_by from jsonb_each_text(p_headers) e where e.value is not null;
  if (select count(*) from private.destination_headers h where h.destination_id = v_id) > 20 then
    raise exception 'a destination has at most 20 headers of its own' using errcode = 'GL422';
  end if;
  update public.destinations set version = version + 1, updated_at = now(), updated_by = p_by where id = v_id;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'key', split_part(h.sealed, '.', 2), 'set_at', h.set_at,
      'set_by', h.set_by) order by h.name), '[]')
    from private.destination_headers h where h.destination_id = v_id);
end $$;
comment on function public.set_destination_headers(text, jsonb, text) is 'Sets custom headers of a destination, {name: sealed value, or null to remove it}; the others stay. Returns all, [{name, key: name of the key, set_at, set_by}]. Only for the function wa-router, which encrypts them. Errors: GL404 no such destination, GL422 more than 20.';

create function public.sealed_headers() returns jsonb
language sql stable set search_path = '' as $$
  select private.refuse_older_code();
  select coalesce(jsonb_agg(jsonb_build_object('destination_id', h.destination_id, 'name', h.name, 'sealed', h.sealed)
    order by h.destination_id, h.name), '[]')
  from private.destination_headers h
$$;
comment on function public.sealed_headers() is 'Every encrypted header, [{destination_id, name, sealed}], for re-encryption with another key. Only for the function wa-router.';

create function public.reseal_headers(p_headers jsonb) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_count integer;
begin
  perform private.refuse_older_code();
  -- A header that was set in the meantime is newer.
  update private.destination_headers h set sealed = r.after
  from jsonb_to_recordset(p_headers) as r (destination_id uuid, name text, before text, after text)
  where h.destination_id = r.destination_id and h.name = r.name and h.sealed = r.before;
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function public.reseal_headers(jsonb) is 'Replaces encrypted headers, [{destination_id, name, before, after}], that have not changed. Returns how many. Only for the function wa-router.';

create function public.destination_to_test(p_name text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_id uuid;
begin
  perform private.refuse_older_code();
  v_id := private.destination_named(p_name);
  if exists (select from public.destinations d where d.id = v_id and d.kind <> 'http') then
    raise exception '% is no service', p_name using errcode = 'GL404';
  end if;
  return (
    select jsonb_build_object('id', d.id, 'url', d.url, 'timeout_ms', d.timeout_ms, 'format', d.format, 'headers', private.headers_of(d.id), 'secrets', (
      select coalesce(jsonb_agg(s.secret order by s.created_at desc), '[]') from private.destination_secrets s
      where s.destination_id = d.id and (s.expires_at is null or s.expires_at > now())))
    from public.destinations d where d.id = v_id);
end $$;
comment on function public.destination_to_test(text) is 'What a signed test of a destination needs: {id, url, timeout_ms, format, headers (encrypted), secrets}. GL404 if there is no service of that name. Only for the function wa-router: people never see a secret twice.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.destination_permitted(text, text),
  private.is_failure_policy(jsonb),
  private.is_subscription(text[]),
  private.is_wanted(text[], text),
  private.is_subscribed(),
  private.shown_state(text, timestamptz),
  private.new_webhook_secret(),
  private.destination_named(text),
  private.headers_of(uuid),
  public.set_destination_headers(text, jsonb, text),
  public.sealed_headers(),
  public.reseal_headers(jsonb),
  public.destination_to_test(text)
  to service_role;
grant execute on function
  public.allow_host(text, text),
  public.disallow_host(text, text),
  public.add_destination(text, text, jsonb),
  public.set_destination(text, integer, jsonb),
  public.rotate_destination_secret(text, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000600');
