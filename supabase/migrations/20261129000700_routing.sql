-- Which messages go to which services: routes and their history, undecided messages, and decisions.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.routes (
  id uuid primary key default private.uuid_v7(),
  name text not null constraint routes_name_key unique check (length(name) between 1 and 100),
  priority integer not null default 100,
  condition jsonb not null check (jsonb_typeof(condition) = 'object' and condition ? 'type'),
  mode text not null default 'first' check (mode in ('first', 'all')),
  flag_key text check (flag_key <> ''),
  sticky_minutes integer check (sticky_minutes between 1 and 43200),
  active boolean not null default true,
  channels text[] not null default '{whatsapp}'
    check (cardinality(channels) between 1 and 20 and array_position(channels, null) is null),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by text not null default private.actor()
);
comment on table public.routes is 'Which messages go where. The first route whose condition matches decides, by priority, then age.';
comment on constraint routes_name_key on public.routes is 'People and explanations refer to a route by its name.';
comment on column public.routes.id is 'UUID v7: also the order of routes of one priority.';
comment on column public.routes.name is 'The name used in explanations.';
comment on column public.routes.priority is 'Smaller comes first.';
comment on column public.routes.condition is 'Typed condition, checked by the functions'' schema when written through them.';
comment on column public.routes.mode is 'first: to the first of its destinations that is not paused; all: to each of them.';
comment on column public.routes.flag_key is 'The route applies only if this flag is on for the contact; null for always.';
comment on column public.routes.sticky_minutes is 'How long the conversation stays with this route after each match; null if it does not.';
comment on column public.routes.active is 'An inactive route matches nothing.';
comment on column public.routes.channels is 'The channels whose messages it may take. Only WhatsApp by default, so that a fallback does not receive e-mail by accident.';
comment on column public.routes.version is 'Incremented by each change.';
comment on column public.routes.created_at is 'When it was added.';
comment on column public.routes.updated_at is 'When it was last changed.';
comment on column public.routes.updated_by is 'Who last changed it.';
alter table public.routes enable row level security;
revoke all on public.routes from public, anon, authenticated;
grant select on public.routes to authenticated;
grant select, insert, update, delete on public.routes to service_role;
create policy "team reads routes" on public.routes for select to authenticated
  using ((select private.has_role('operator')) or ((select private.has_role('viewer')) and not jsonb_path_exists(condition, '$.**.phones')));
comment on policy "team reads routes" on public.routes is 'Every role may see the routes; only operators see routes for people''s numbers.';
create trigger routes_revision after insert or update or delete or truncate on public.routes
  for each statement execute function private.bump_config_revision();
comment on trigger routes_revision on public.routes is 'Makes the edge functions reload the configuration.';

create table public.route_destinations (
  route_id uuid not null references public.routes (id) on delete cascade,
  destination_id uuid not null references public.destinations (id) on delete restrict,
  position smallint not null,
  constraint route_destinations_pkey primary key (route_id, destination_id)
);
comment on table public.route_destinations is 'The destinations of a route, in order.';
comment on constraint route_destinations_pkey on public.route_destinations is 'A route has a destination once.';
comment on column public.route_destinations.route_id is 'The route.';
comment on column public.route_destinations.destination_id is 'The destination; it cannot be deleted while a route uses it.';
comment on column public.route_destinations.position is 'Order among the route''s destinations, from 1.';
create index route_destinations_destination_idx on public.route_destinations (destination_id);
comment on index public.route_destinations_destination_idx is 'Routes of a destination; serves the foreign key.';
alter table public.route_destinations enable row level security;
revoke all on public.route_destinations from public, anon, authenticated;
grant select on public.route_destinations to authenticated;
grant select, insert, update, delete on public.route_destinations to service_role;
create policy "team reads route destinations" on public.route_destinations for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads route destinations" on public.route_destinations is 'Every role may see the routes.';
-- Under the lock that the foreign key takes anyway: a concurrent removal of the destination waits, or came first.
create function private.require_present_destination() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_kind text;
  v_events text[];
begin
  select d.kind, d.events into v_kind, v_events
  from public.destinations d where d.id = new.destination_id and d.removed_at is null for key share;
  if not found then
    raise exception 'there is no such destination' using errcode = 'GL404', hint = 'gatelink destinations list shows them.';
  end if;
  -- What is forwarded to an inbox needs more than a message, and is decided where a mail is stored.
  if v_kind = 'inbox' then
    raise exception 'routes lead to services and chats, not to an inbox' using errcode = 'GL422',
      hint = 'Answers to mails are forwarded to the inbox of their identity without a route.';
  end if;
  if not v_events && '{message.received,message.*,*}' then
    raise exception 'this destination receives no messages' using errcode = 'GL422',
      hint = 'Add message.received to its events first.';
  end if;
  return new;
end $$;
comment on function private.require_present_destination() is 'Trigger, before insert or update of route_destinations: refuses a destination that was removed (GL404), is no service, or does not receive messages (GL422).';
create trigger present_destination before insert or update of destination_id on public.route_destinations
  for each row execute function private.require_present_destination();
comment on trigger present_destination on public.route_destinations is 'No route may lead to a removed destination, or to an inbox.';
create trigger route_destinations_revision after insert or update or delete or truncate on public.route_destinations
  for each statement execute function private.bump_config_revision();
comment on trigger route_destinations_revision on public.route_destinations is 'Makes the edge functions reload the configuration.';

create table public.routing_decisions (
  message_id uuid primary key references public.messages (id) on delete cascade,
  route_id uuid references public.routes (id) on delete set null,
  route_name text,
  reason text not null check (reason in ('matched', 'sticky', 'default', 'no_match', 'kept', 'taken_over', 'masked')),
  destination_ids uuid[] not null default '{}',
  contact text check (length(contact) <= 8),
  explanation jsonb not null default '[]',
  revision bigint not null,
  decided_at timestamptz not null default now()
);
comment on table public.routing_decisions is 'One row per routed message: which route, why, and why not the others. Holds no personal data.';
comment on column public.routing_decisions.message_id is 'The message; it is decided only once.';
comment on column public.routing_decisions.route_id is 'The route that took it; null if none matched or the route has been removed since.';
comment on column public.routing_decisions.route_name is 'The route''s name at that time.';
comment on column public.routing_decisions.reason is 'matched, sticky (the conversation stayed), default (a fallback), no_match, kept (routes were not evaluated: an automatic mail, a bounce, a forgery), taken_over (a person had the conversation, and none of the route''s destinations receives such messages), or masked (a text to an organisation''s number: thread_decisions says where it went).';
comment on column public.routing_decisions.destination_ids is 'The destinations it was sent to.';
comment on column public.routing_decisions.contact is 'The contact, redacted: at most the last four digits of the number.';
comment on column public.routing_decisions.explanation is 'A list of {route, name, matched, why}, in the order of evaluation.';
comment on column public.routing_decisions.revision is 'Revision of the configuration used for the decision.';
comment on column public.routing_decisions.decided_at is 'When it was decided.';
create index routing_decisions_route_idx on public.routing_decisions (route_id) where route_id is not null;
comment on index public.routing_decisions_route_idx is 'Counts by route; serves the foreign key.';
create index routing_decisions_recent_idx on public.routing_decisions (decided_at);
comment on index public.routing_decisions_recent_idx is 'The latest decisions.';
alter table public.routing_decisions enable row level security;
revoke all on public.routing_decisions from public, anon, authenticated;
grant select on public.routing_decisions to authenticated;
grant select, insert, update, delete on public.routing_decisions to service_role;
create policy "team reads decisions" on public.routing_decisions for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads decisions" on public.routing_decisions is 'Redacted by construction: every role may read.';

create table public.route_history (
  route_id uuid not null,
  version integer not null,
  name text not null,
  priority integer not null,
  condition jsonb not null,
  mode text not null,
  destinations text[] not null,
  flag_key text,
  sticky_minutes integer,
  active boolean not null,
  channels text[] not null,
  changed_at timestamptz not null,
  changed_by text not null,
  constraint route_history_pkey primary key (route_id, version)
);
comment on table public.route_history is
  'Each version of a route, from the first change on. Append-only; it outlives the route.';
comment on constraint route_history_pkey on public.route_history is 'One row per version.';
comment on column public.route_history.route_id is 'The route. Not a foreign key: the history outlives it.';
comment on column public.route_history.version is 'The version.';
comment on column public.route_history.name is 'Its name.';
comment on column public.route_history.priority is 'Its priority.';
comment on column public.route_history.condition is 'Its condition.';
comment on column public.route_history.mode is 'Its mode.';
comment on column public.route_history.destinations is 'Names of its destinations, in order.';
comment on column public.route_history.flag_key is 'Its flag.';
comment on column public.route_history.sticky_minutes is 'Its stickiness.';
comment on column public.route_history.active is 'Whether it was active.';
comment on column public.route_history.channels is 'Its channels.';
comment on column public.route_history.changed_at is 'When it became so.';
comment on column public.route_history.changed_by is 'Who changed it.';
alter table public.route_history enable row level security;
revoke all on public.route_history from anon, authenticated, service_role, public;
grant select on public.route_history to authenticated, service_role;
create policy route_history_read on public.route_history for select to authenticated
  using ((select private.has_role('operator')) or ((select private.has_role('viewer')) and not jsonb_path_exists(condition, '$.**.phones')));
comment on policy route_history_read on public.route_history is 'Every role may see who changed which route; only operators see routes for people''s numbers.';
create trigger append_only before update or delete or truncate on public.route_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on public.route_history is 'History cannot be changed.';

-- Conditions, checked where they are written -------------------------------------------------------

create function private.texts_fault(p_list jsonb, p_path text, p_form text default '', p_said text default '') returns text
language sql immutable set search_path = '' as $$
  select case
    when jsonb_typeof(p_list) is distinct from 'array' then p_path || ': must be a list'
    when jsonb_array_length(p_list) not between 1 and 1000 then p_path || ': has 1 to 1000 entries'
    else (
      select min(p_path || '[' || e.i - 1 || ']: ' || case
        when jsonb_typeof(e.item) <> 'string' then 'must be a text'
        when char_length(e.item #>> '{}') > 500 then 'at most 500 characters'
        when e.item #>> '{}' !~ '\S' then 'must not be empty'
        else p_said end)
      from jsonb_array_elements(p_list) with ordinality as e (item, i)
      where jsonb_typeof(e.item) <> 'string' or char_length(e.item #>> '{}') > 500 or e.item #>> '{}' !~ '\S'
        or e.item #>> '{}' !~ p_form)
    end
$$;
comment on function private.texts_fault(jsonb, text, text, text) is 'Why a value is not a list of texts of this form, with the position of the fault; null if it is one.';

-- The same checks as parseCondition in _shared/contract/routing/condition.ts: one must not store what the other cannot use.
-- It cannot check two things: whether a regular expression is valid for RE2, and the router's list of time zones. What
-- slips through matches nothing, and health names the route.
create function private.condition_fault(p_condition jsonb, p_path text default '', p_depth integer default 1) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_type text := p_condition ->> 'type';
  v_at text := case when p_path = '' then '' else p_path || '.' end;
  v_known text[] := case v_type
    when 'any' then '{of}' when 'all' then '{of}' when 'not' then '{of}' when 'default' then '{}' when 'channel' then '{in}'
    when 'message_type' then '{in}' when 'text' then '{match,value,values,case_sensitive}' when 'choice' then '{ids}'
    when 'referral' then '{source_id,source_type,ctwa}' when 'link_token' then '{present}'
    when 'link' then '{codes,tags,campaigns}' when 'number' then '{ids}' when 'contacts' then '{ids,phones}'
    when 'email' then '{kinds,verified,identities,subjects}' when 'address' then '{domains,scopes,types}'
    when 'group' then '{ids}' when 'flow' then '{tokens,field,values}'
    when 'time' then '{days,from,to,zone}' end;
  v_key text;
  v_fault text;
begin
  if jsonb_typeof(p_condition) is distinct from 'object' then
    return coalesce(nullif(p_path, ''), 'condition') || ': must be an object';
  elsif p_depth > 8 then
    return p_path || ': is nested more than 8 deep';
  elsif p_depth = 1 and (select count(*) from jsonb_path_query(p_condition, 'strict $.** ? (@.type() == "object")')) > 100 then
    return 'condition: more than 100 conditions in one';
  elsif p_depth = 1 and (
    select sum(case jsonb_typeof(t -> 'values') when 'array' then jsonb_array_length(t -> 'values') else 1 end)
    from jsonb_path_query(p_condition, 'strict $.** ? (@.type() == "object" && @.match == "regex")') t) > 20 then
    return 'condition: more than 20 regular expressions in one condition';
  elsif v_known is null or jsonb_typeof(p_condition -> 'type') <> 'string' then
    return v_at || 'type: must be one of any, all, not, default, message_type, text, choice, referral, link_token, link, number, contacts, group, flow, email, address, time, channel';
  end if;
  select min(k) into v_key from jsonb_object_keys(p_condition) k where k <> 'type' and k <> all (v_known);
  if v_key is not null then
    return v_at || v_key || ': is not known';
  end if;

  if v_type = 'not' then
    return private.condition_fault(p_condition -> 'of', v_at || 'of', p_depth + 1);
  elsif v_type = 'all' or (v_type = 'any' and p_condition ? 'of') then
    if jsonb_typeof(p_condition -> 'of') is distinct from 'array' or jsonb_array_length(p_condition -> 'of') = 0 then
      return v_at || 'of: must be a list of conditions, and not empty';
    end if;
    return (
      select f.fault from jsonb_array_elements(p_condition -> 'of') with ordinality as e (item, i)
      cross join lateral private.condition_fault(e.item, v_at || 'of[' || e.i - 1 || ']', p_depth + 1) as f (fault)
      where f.fault is not null order by e.i limit 1);
  elsif v_type in ('channel', 'message_type') then
    return private.texts_fault(p_condition -> 'in', v_at || 'in');
  elsif v_type in ('choice', 'number') then
    return private.texts_fault(p_condition -> 'ids', v_at || 'ids');
  elsif v_type = 'text' then
    if p_condition ->> 'match' is null or p_condition ->> 'match' not in ('exact', 'prefix', 'keywords', 'regex') then
      return v_at || 'match: must be one of exact, prefix, keywords, regex';
    elsif p_condition ? 'case_sensitive' and jsonb_typeof(p_condition -> 'case_sensitive') <> 'boolean' then
      return v_at || 'case_sensitive: must be true or false';
    elsif (p_condition ? 'value') = (p_condition ? 'values') then
      return coalesce(nullif(p_path, ''), 'condition') || ': needs either "value" or "values"';
    elsif p_condition ? 'value' then
      v_fault := private.texts_fault(jsonb_build_array(p_condition -> 'value'), v_at || 'value');
      return replace(v_fault, 'value[0]', 'value');
    end if;
    return private.texts_fault(p_condition -> 'values', v_at || 'values');
  elsif v_type = 'referral' then
    if p_condition ? 'ctwa' and jsonb_typeof(p_condition -> 'ctwa') <> 'boolean' then
      return v_at || 'ctwa: must be true or false';
    end if;
    foreach v_key in array array['source_id', 'source_type'] loop
      if p_condition ? v_key then
        v_fault := coalesce(v_fault, replace(
          private.texts_fault(jsonb_build_array(p_condition -> v_key), v_at || v_key), v_key || '[0]', v_key));
      end if;
    end loop;
    return v_fault;
  elsif v_type = 'group' then
    return case when p_condition ? 'ids' then private.texts_fault(p_condition -> 'ids', v_at || 'ids') end;
  elsif v_type = 'flow' then
    if (p_condition ? 'field') <> (p_condition ? 'values') then
      return coalesce(nullif(p_path, ''), 'condition') || ': needs "field" and "values" together';
    end if;
    return coalesce(
      case when p_condition ? 'tokens' then private.texts_fault(p_condition -> 'tokens', v_at || 'tokens') end,
      case when p_condition ? 'field' then replace(private.texts_fault(jsonb_build_array(p_condition -> 'field'), v_at || 'field'), 'field[0]', 'field') end,
      case when p_condition ? 'values' then private.texts_fault(p_condition -> 'values', v_at || 'values') end);
  elsif v_type = 'link_token' then
    return case when jsonb_typeof(p_condition -> 'present') is distinct from 'boolean' then v_at || 'present: must be true or false' end;
  elsif v_type in ('link', 'contacts', 'email', 'address') then
    if p_condition ? 'verified' and jsonb_typeof(p_condition -> 'verified') <> 'boolean' then
      return v_at || 'verified: must be true or false';
    elsif v_type <> 'email' and not p_condition ?| v_known then
      return coalesce(nullif(p_path, ''), 'condition') || ': needs ' || array_to_string(v_known, ', ');
    end if;
    foreach v_key in array array_remove(v_known, 'verified') loop
      if p_condition ? v_key then
        v_fault := coalesce(v_fault, private.texts_fault(p_condition -> v_key, v_at || v_key,
          case v_type || ' ' || v_key when 'contacts ids' then '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
            when 'contacts phones' then '^\+?[0-9](?:[ ().-]*[0-9]){4,14}[ ().-]*$'
            when 'email kinds' then '^(reply|calendar|new_mail)$' when 'email identities' then '^[!-?A-~]{1,64}@[!-?A-~]{1,255}$'
            else case v_type when 'address' then '^[A-Za-z0-9-]{1,32}$' else '' end end,
          case v_key when 'ids' then 'is not a contact''s id' when 'phones' then 'is not a phone number with its country code'
            when 'kinds' then 'is not reply, calendar or new_mail' when 'identities' then 'is not an address'
            else 'is not a part of an address' end));
      end if;
    end loop;
    return v_fault;
  elsif v_type = 'time' then
    if p_condition ? 'days' then
      v_fault := private.texts_fault(p_condition -> 'days', v_at || 'days', '^(mon|tue|wed|thu|fri|sat|sun)$', 'is not a day like mon');
    end if;
    return coalesce(v_fault, case
      when jsonb_typeof(coalesce(p_condition -> 'from', '""')) <> 'string'
        or coalesce(p_condition ->> 'from', '00:00') !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' then v_at || 'from: is not a time like "09:00"'
      when jsonb_typeof(coalesce(p_condition -> 'to', '""')) <> 'string'
        or coalesce(p_condition ->> 'to', '24:00') !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' then v_at || 'to: is not a time like "17:00"'
      when jsonb_typeof(p_condition -> 'zone') is distinct from 'string'
        or p_condition ->> 'zone' !~ '^[+-][0-9]{2}:?[0-9]{2}$' and not exists (
          select from pg_catalog.pg_timezone_names n where lower(n.name) = lower(p_condition ->> 'zone'))
        then v_at || 'zone: is not a time zone like "Europe/Berlin"'
      when coalesce(p_condition ->> 'from', '00:00') = coalesce(p_condition ->> 'to', '24:00')
        then coalesce(nullif(p_path, ''), 'condition') || ': is empty: "from" and "to" are the same' end);
  end if;
  return null;
end $$;
comment on function private.condition_fault(jsonb, text, integer) is 'Why a condition cannot be used, with the position of the fault; null if the database finds none.';

create function private.require_condition() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_fault text;
begin
  if private.caller() <> (select r.rolname from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner where c.oid = tg_relid) then
    v_fault := private.condition_fault(new.condition);
    if v_fault is not null then
      raise exception 'the condition cannot be used: %', v_fault using errcode = '23514', hint = 'docs/routing.md has every condition.';
    end if;
  end if;
  return new;
end $$;
comment on function private.require_condition() is 'Trigger, before insert or update of a route''s condition: refuses one that could not be used (23514). Does not apply to the table''s owner, who migrates and restores.';
create trigger usable_condition before insert or update of condition on public.routes
  for each row execute function private.require_condition();
comment on trigger usable_condition on public.routes is 'Refuses a condition that could never match when it is written.';

-- Management of routes ----------------------------------------------------------------------------

create function private.record_route(p_id uuid) returns void
language sql volatile set search_path = '' as $$
  insert into public.route_history (route_id, version, name, priority, condition, mode, destinations, flag_key,
    sticky_minutes, active, channels, changed_at, changed_by)
  select r.id, r.version, r.name, r.priority, r.condition, r.mode, array(
      select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
      where x.route_id = r.id order by x.position),
    r.flag_key, r.sticky_minutes, r.active, r.channels, r.updated_at, r.updated_by
  from public.routes r where r.id = p_id
  on conflict on constraint route_history_pkey do nothing
$$;
comment on function private.record_route(uuid) is 'Records a route''s current version in its history, unless it is already there.';

create function public.add_route(
  p_destinations text[], p_condition jsonb, p_priority integer default 100, p_options jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.routes;
begin
  perform private.require_role('operator');
  if coalesce(cardinality(p_destinations), 0) = 0 then
    raise exception 'a route needs at least one destination' using errcode = 'GL422';
  end if;
  -- Who names the id asks again after a lost answer.
  select r.* into v_row from public.routes r where r.id = (p_options ->> 'id')::uuid;
  if v_row.id is not null then
    if v_row.condition is distinct from p_condition or (p_options ? 'name' and v_row.name <> p_options ->> 'name')
      or p_destinations <> array(select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
        where x.route_id = v_row.id order by x.position) then
      raise exception 'this route has been added already, as %', v_row.name using errcode = 'GL409',
        hint = 'Change that one.';
    end if;
    return to_jsonb(v_row) || jsonb_build_object('destinations', to_jsonb(p_destinations));
  end if;
  insert into public.routes (id, name, priority, condition, mode, flag_key, sticky_minutes, channels)
  values (coalesce((p_options ->> 'id')::uuid, private.uuid_v7()),
    coalesce(p_options ->> 'name', left(array_to_string(p_destinations, '+'), 80) || '-' || substr(gen_random_uuid()::text, 1, 4)),
    p_priority, p_condition, coalesce(p_options ->> 'mode', 'first'), p_options ->> 'flag_key',
    (p_options ->> 'sticky_minutes')::integer,
    case when jsonb_typeof(p_options -> 'channels') = 'array'
      then array(select jsonb_array_elements_text(p_options -> 'channels')) else '{whatsapp}' end)
  returning * into v_row;
  insert into public.route_destinations (route_id, destination_id, position)
  select v_row.id, private.destination_named(d.name), d.position
  from unnest(p_destinations) with ordinality as d (name, position);
  return to_jsonb(v_row) || jsonb_build_object('destinations', to_jsonb(p_destinations));
end $$;
comment on function public.add_route(text[], jsonb, integer, jsonb) is 'Adds a route to destinations by name. Options: id (a UUID of the caller''s; the same again is the same route), name, mode (first, all), flag_key, sticky_minutes, channels (["whatsapp"] if absent). GL404 for an unknown destination, GL409 if the id is another route''s, GL422 if there is no destination, 23514 for an invalid condition.';

create function public.remove_route(p_id uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require_role('operator');
  delete from public.routes where id = p_id;
  return found;
end $$;
comment on function public.remove_route(uuid) is 'Removes a route; its past decisions stay. False if it did not exist.';

-- Under its row's lock. A change based on an older version would undo the changes since.
create function private.route_at(p_id uuid, p_version integer) returns public.routes
language plpgsql volatile set search_path = '' as $$
declare
  v_route public.routes;
begin
  select * into v_route from public.routes r where r.id = p_id for update;
  if not found then
    raise exception 'there is no such route' using errcode = 'GL404';
  end if;
  if v_route.version is distinct from p_version then
    raise exception 'route % is at version %, not %', v_route.name, v_route.version, p_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_route;
end $$;
comment on function private.route_at(uuid, integer) is 'Locks and returns a route if it is at this version. GL404 if it does not exist, GL409 if it was changed in the meantime.';

create function public.set_route(p_id uuid, p_version integer, p_changes jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_route public.routes;
  v_destinations text[];
begin
  perform private.require_role('operator');
  v_route := private.route_at(p_id, p_version);
  if exists (select from jsonb_object_keys(p_changes) k
    where k not in ('name', 'condition', 'mode', 'flag_key', 'sticky_minutes', 'active', 'channels', 'destinations')) then
    raise exception 'a route has name, condition, mode, flag_key, sticky_minutes, active, channels and destinations to change'
      using errcode = 'GL422';
  end if;
  if p_changes ? 'destinations' then
    v_destinations := array(select jsonb_array_elements_text(p_changes -> 'destinations'));
    if cardinality(v_destinations) = 0 then
      raise exception 'a route needs at least one destination' using errcode = 'GL422';
    end if;
  end if;
  perform private.record_route(p_id);
  v_route := jsonb_populate_record(v_route, p_changes - 'destinations');
  update public.routes r
  set name = v_route.name, condition = v_route.condition, mode = v_route.mode, flag_key = v_route.flag_key,
    sticky_minutes = v_route.sticky_minutes, active = v_route.active, channels = v_route.channels,
    version = r.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
  where r.id = p_id returning r.* into v_route;
  if v_destinations is not null then
    delete from public.route_destinations x where x.route_id = p_id;
    insert into public.route_destinations (route_id, destination_id, position)
    select p_id, private.destination_named(d.name), min(d.position)
    from unnest(v_destinations) with ordinality as d (name, position) group by d.name;
  end if;
  perform private.record_route(p_id);
  return to_jsonb(v_route);
end $$;
comment on function public.set_route(uuid, integer, jsonb) is
  'Changes a route that is still at the version the caller read: any of name, condition, mode, flag_key, sticky_minutes, active, channels, destinations (names). Returns the route. Both versions are in route_history. For operators and secret keys. Errors: 42501 not allowed, GL404 no such route or destination, GL409 it was changed in the meantime, GL422 an unknown member or no destination, 23505 name taken, 23514 invalid value or condition.';

create function private.is_fallback(p_condition jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select p_condition ->> 'type' = 'default'
$$;
comment on function private.is_fallback(jsonb) is 'Whether a route with this condition is evaluated after all others, whatever its priority.';

-- One at a time: two concurrent moves would each rely on an order that the other changes. A move takes a number between
-- its neighbours; if there is none, all are renumbered in steps of ten.
create function public.move_route(p_id uuid, p_version integer, p_before uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_route public.routes;
  v_next public.routes;
  v_order uuid[];
  v_place integer;
  v_above integer;
  v_below integer;
  v_changed uuid[];
begin
  perform private.require_role('operator');
  lock table public.routes in share row exclusive mode;
  v_route := private.route_at(p_id, p_version);
  if p_before is not null then
    select * into v_next from public.routes r where r.id = p_before;
    if not found then
      raise exception 'there is no such route to come before' using errcode = 'GL404';
    end if;
    if private.is_fallback(v_next.condition) is distinct from private.is_fallback(v_route.condition) then
      raise exception 'routes with the condition default are asked after all others' using errcode = 'GL422';
    end if;
  end if;
  v_order := array(
    select r.id from public.routes r
    where r.id <> p_id and private.is_fallback(r.condition) = private.is_fallback(v_route.condition)
    order by r.priority, r.id);
  v_place := coalesce(array_position(v_order, p_before), cardinality(v_order) + 1);
  select r.priority into v_above from public.routes r where r.id = v_order[v_place - 1];
  select r.priority into v_below from public.routes r where r.id = v_order[v_place];
  v_above := coalesce(v_above, v_below - 20, v_route.priority - 10);
  v_below := coalesce(v_below, v_above + 20);
  if v_below - v_above >= 2 then
    v_order := array[p_id];
    v_above := v_above + (v_below - v_above) / 2 - 10;
  else
    v_order := v_order[:v_place - 1] || p_id || v_order[v_place:];
    v_above := 0;
  end if;
  v_changed := array(
    select r.id from unnest(v_order) with ordinality as o (id, place) join public.routes r on r.id = o.id
    where r.priority <> v_above + 10 * o.place);
  perform private.record_route(id) from unnest(v_changed) as id;
  update public.routes r
  set priority = v_above + 10 * array_position(v_order, r.id), version = r.version + 1, updated_at = clock_timestamp(),
    updated_by = private.actor()
  where r.id = any (v_changed);
  perform private.record_route(id) from unnest(v_changed) as id;
  return (
    select jsonb_agg(jsonb_build_object('id', r.id, 'priority', r.priority, 'version', r.version) order by r.priority, r.id)
    from public.routes r);
end $$;
comment on function public.move_route(uuid, integer, uuid) is
  'Moves a route that is still at the version the caller read directly before another one, or to the end with null; routes with the condition default move among themselves. Returns the new order of all, [{id, priority, version}]: the priority of others may change too. For operators and secret keys. Errors: 42501 not allowed, GL404 no such route, GL409 it was changed in the meantime, GL422 a fallback before a route that is not one.';

-- Deciding: the router's first step ---------------------------------------------------------------

-- Conversations that are not held, and those held at another configuration: ranges of one index, each read from its
-- start, so that the cost depends on what is taken, not on how many are held.
create function private.unrouted(p_revision bigint, p_limit integer, p_channels text[]) returns uuid[]
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return (
  select array_agg(w.id) from (
    select first.id from unnest(p_channels) as on_channel (name)
    cross join lateral (
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision is null
      order by c.held_revision, c.unrouted_since limit p_limit)
      union all
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision < p_revision
      order by c.held_revision, c.unrouted_since limit p_limit)
      union all
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision > p_revision
      order by c.held_revision, c.unrouted_since limit p_limit)
    ) first
    order by first.unrouted_since limit p_limit
  ) w);
end $$;
comment on function private.unrouted(bigint, integer, text[]) is 'The conversations of these channels that have waited longest for the router, except those held back at this configuration revision; null for none. Of those held at another revision, the longest held come first.';

create function public.claim_unrouted(
  p_revision bigint, p_conversations integer, p_each integer default 20, p_channels text[] default '{whatsapp}'
) returns json
language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_ids uuid[] := private.unrouted(p_revision, p_conversations, p_channels);
begin
  perform private.refuse_older_code();
  perform private.attribute_waiting(v_ids, clock_timestamp());
  return (
  select coalesce(json_agg(item order by since), '[]')
  from (
    select c.unrouted_since as since, json_build_object(
      'id', c.id, 'channel', c.channel, 'number_id', c.number_id, 'contact_id', c.contact_id,
      'phone', known.phone, 'group', case c.channel when 'whatsapp' then known.group_id end,
      'email', case c.channel when 'email' then private.address_of(c.contact_id, c.channel, c.number_id) end,
      'sticky_route_id', c.sticky_route_id, 'sticky_until', c.sticky_until, 'taken_until', c.taken_until,
      'messages', waiting.messages) as item
    from public.conversations c
    cross join lateral (
      select (array_agg(i.value order by i.dialled, i.id desc) filter (where i.kind = 'phone'))[1] as phone,
        max(i.value) filter (where i.kind = 'group') as group_id
      from public.contact_identities i where i.contact_id = c.contact_id and coalesce(i.valid_to, 'infinity') = 'infinity') known
    cross join lateral (
      select coalesce(json_agg(json_build_object(
        'id', m.id, 'seq', m.seq, 'type', m.type, 'text',
        case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
        'referral', m.referral, 'link_token', m.link_token, 'flow', case m.type when 'interactive' then private.flow_of(m.type, m.native) end,
        'mail', case c.channel when 'email' then private.mail_facts(m.native) end,
        'link', (
          select private.message_link(a.message_id) -> 'link' from public.attributions a
          where a.message_id = case m.type when 'edit' then private.edited_message(m.id) else m.id end), 'created_at', m.created_at) order by m.seq), '[]') as messages
      from (
        select * from public.messages m
        where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in'
          and not exists (select from public.routing_decisions d where d.message_id = m.id)
        order by m.seq limit p_each
      ) m
    ) waiting
    where c.id = any (v_ids) and c.unrouted_since is not null
  ) items);
end $$;
comment on function public.claim_unrouted(bigint, integer, integer, text[]) is 'The conversations of these channels that have waited longest for the router, each with its oldest undecided messages in order. Takes no lease: deciding twice is harmless, because record_decisions keeps the first. Attributes messages that could not be attributed on arrival. Leaves out conversations held back at this configuration revision.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.texts_fault(jsonb, text, text, text),
  private.condition_fault(jsonb, text, integer),
  private.unrouted(bigint, integer, text[]),
  public.claim_unrouted(bigint, integer, integer, text[])
  to service_role;
grant execute on function
  public.add_route(text[], jsonb, integer, jsonb),
  public.remove_route(uuid),
  public.set_route(uuid, integer, jsonb),
  public.move_route(uuid, integer, uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129000700');
