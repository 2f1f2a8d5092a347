-- Who changed what, where no other history tells: one table, one trigger, one function.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.change_history (
  id uuid constraint change_history_pkey primary key default private.uuid_v7(),
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  name text not null,
  ref text,
  change text not null,
  version bigint,
  n integer not null default 1,
  before jsonb,
  after jsonb,
  reason text,
  by text not null default private.actor()
);
comment on table private.change_history is
  'Changes of destinations, links, routes, segments, senders, endpoints, announcements, campaigns, identities, suppressions and invitations, and what people did with deliveries: all that no history of its own tells. Append-only. Read through list_audit.';
comment on constraint change_history_pkey on private.change_history is 'One row a change.';
comment on column private.change_history.id is 'UUID v7.';
comment on column private.change_history.at is 'When.';
comment on column private.change_history.kind is 'What it is: destination, link, route, segment, number, endpoint, announcement, campaign, identity, suppression, delivery, invitation.';
comment on column private.change_history.name is 'Its name, as people call it; of a mail address its first letter and the domain.';
comment on column private.change_history.ref is 'The id or code by which it is opened; null where that is the name.';
comment on column private.change_history.change is 'added, changed, removed, credentials, or of deliveries retried, skipped, dropped, resent; of invitations resent, accepted.';
comment on column private.change_history.version is 'The version that the change made, where the thing has versions.';
comment on column private.change_history.n is 'Of how many: links that were made at once, deliveries.';
comment on column private.change_history.before is 'The members that changed as they were; null of what was added. Secrets and credentials are never among them.';
comment on column private.change_history.after is 'The same as they became; null of what was removed.';
comment on column private.change_history.reason is 'Why, in the words of whoever did it.';
comment on column private.change_history.by is 'Who: a user id, or the database role.';
create index change_history_at_idx on private.change_history (at);
comment on index private.change_history_at_idx is 'Newest first.';
create index change_history_by_idx on private.change_history (by, at);
comment on index private.change_history_by_idx is 'What one person changed.';
create index change_history_kind_idx on private.change_history (kind, at);
comment on index private.change_history_kind_idx is 'What was changed of one kind.';
alter table private.change_history enable row level security;
revoke all on private.change_history from public, anon, authenticated, service_role;
grant select on private.change_history to service_role;
create trigger append_only before update or delete or truncate on private.change_history
  for each statement execute function private.refuse_change();
comment on trigger append_only on private.change_history is 'Nobody rewrites history.';

create function private.is_erasing() returns boolean
language sql stable set search_path = '' as $$
  select exists (select from public.erasures e where e.transaction = pg_current_xact_id_if_assigned() and e.at = now())
$$;
comment on function private.is_erasing() is 'Whether this transaction erases a person: what it deletes is no change by anybody.';

-- plpgsql, because deliveries come later.
create function private.record_deliveries(p_ids uuid[], p_change text, p_reason text default null) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into private.change_history (kind, name, change, n, reason)
  select 'delivery', d.name, p_change, count(*), p_reason
  from public.deliveries x join public.destinations d on d.id = x.destination_id
  where x.id = any (p_ids) group by d.name;
end $$;
comment on function private.record_deliveries(uuid[], text, text) is 'Records what somebody did with deliveries, a row a destination. For functions that run as their owner.';

-- Only what changed is kept: a row of the history stays as small as the change.
create function private.record_change() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
  v_new jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
  v_row jsonb := case when tg_op = 'DELETE' then v_old else v_new end;
  v_before jsonb;
  v_after jsonb;
  v_change text;
begin
  if private.is_erasing() then
    return coalesce(new, old);
  end if;
  select jsonb_object_agg(c.name, v_old -> c.name), jsonb_object_agg(c.name, v_new -> c.name) into v_before, v_after
  from unnest(tg_argv[3:]) as c (name)
  where v_old -> c.name is distinct from v_new -> c.name;
  v_change := case
    when tg_op = 'INSERT' then 'added'
    when tg_op = 'DELETE' or v_old ->> 'removed_at' is null and v_new ->> 'removed_at' is not null then 'removed'
    when v_after is null then 'credentials'
    else 'changed' end;
  if v_change = 'credentials' and v_old -> 'version' is not distinct from v_new -> 'version' then
    return coalesce(new, old);
  end if;
  insert into private.change_history (kind, name, ref, change, version, before, after, by)
  values (tg_argv[0], v_row ->> tg_argv[1], v_row ->> nullif(tg_argv[2], ''), v_change, (v_row ->> 'version')::bigint,
    case when tg_op <> 'INSERT' then jsonb_strip_nulls(v_before) end, case when tg_op <> 'DELETE' then jsonb_strip_nulls(v_after) end,
    coalesce(case when v_change <> 'removed' then v_new ->> 'updated_by' end, private.actor()));
  return coalesce(new, old);
end $$;
comment on function private.record_change() is
  'Trigger, after a change of a row: records it, with the columns that it is given. Arguments: kind, the column with the name, the column with the ref or an empty text, then the columns. A new version without a change of these is one of credentials.';

call private.close_functions();
grant execute on function private.is_erasing() to service_role;

insert into private.own_migrations (version) values ('20261129000150');
