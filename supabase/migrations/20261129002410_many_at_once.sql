-- Many at once: the views that people save of a list, and what is done to all deliveries that match a filter.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Saved views -------------------------------------------------------------------------------------

create table public.saved_views (
  id uuid constraint saved_views_pkey primary key default private.uuid_v7(),
  page text not null constraint saved_views_page check (page ~ '^(/[a-z]{1,30}){1,4}$'),
  name text not null constraint saved_views_name check (char_length(btrim(name)) between 1 and 60),
  search text not null constraint saved_views_search check (char_length(search) between 1 and 2000),
  shared boolean not null default false,
  created_by uuid not null references public.team_members (user_id) on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  constraint saved_views_once unique (created_by, page, name)
);
comment on table public.saved_views is
  'Filters of a list of the panel under a name, for a person or the whole team. Written by save_view and remove_view alone.';
comment on constraint saved_views_pkey on public.saved_views is 'A view''s id.';
comment on constraint saved_views_once on public.saved_views is 'Saving under a name that one has replaces that view. Serves the foreign key too.';
comment on column public.saved_views.id is 'UUID v7.';
comment on column public.saved_views.page is 'Path of the list: /links.';
comment on column public.saved_views.name is 'What its author calls it.';
comment on column public.saved_views.search is 'The filters, as in the address: state=on&q=router.';
comment on column public.saved_views.shared is 'Whether the whole team sees it.';
comment on column public.saved_views.created_by is 'Its author; it is deleted with the member.';
comment on column public.saved_views.created_at is 'When it was saved first.';
create index saved_views_shared_idx on public.saved_views (page) where shared;
comment on index public.saved_views_shared_idx is 'The team''s views of a list.';
alter table public.saved_views enable row level security;
revoke all on public.saved_views from anon, authenticated, service_role, public;
grant select on public.saved_views to authenticated, service_role;
create policy saved_views_read on public.saved_views for select to authenticated
  using ((shared or created_by = (select auth.uid())) and (select private.has_role('viewer')));
comment on policy saved_views_read on public.saved_views is 'One''s own, and those that are shared.';

create function public.save_view(p_page text, p_name text, p_search text, p_shared boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_by constant uuid := auth.uid();
  v_view public.saved_views;
begin
  perform private.require_role(case when p_shared then 'operator' else 'viewer' end);
  if v_by is null then
    raise exception 'views belong to people' using errcode = 'GL422', hint = 'Sign in to the panel.';
  end if;
  -- An id in a filter would be read by the whole team.
  if p_name ~ '[0-9]{7}' or p_search ~ '[0-9]{7}' then
    raise exception 'a view cannot contain a phone number' using errcode = 'GL422', hint = 'Search for its last four digits.';
  end if;
  if (select count(*) from public.saved_views x where x.created_by = v_by and x.page = p_page and x.name <> btrim(p_name)) >= 50 then
    raise exception 'you have 50 views of this list' using errcode = 'GL422', hint = 'Remove one first.';
  end if;
  insert into public.saved_views as w (page, name, search, shared, created_by) values (p_page, btrim(p_name), p_search, p_shared, v_by)
  on conflict on constraint saved_views_once do update set search = excluded.search, shared = excluded.shared
  returning * into v_view;
  return to_jsonb(v_view);
end $$;
comment on function public.save_view(text, text, text, boolean) is
  'Saves the filters of a list under a name for whoever asks, or with p_shared for the whole team; replaces their view of that name. Returns the view. For viewers; sharing for operators. Errors: GL422 a phone number, or more than 50 of one list; 23514 a name or filter that is empty or too long.';

create function public.remove_view(p_id uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  delete from public.saved_views x
  where x.id = p_id and (x.created_by = auth.uid() or x.shared and private.may('admin'));
  return found;
end $$;
comment on function public.remove_view(uuid) is 'Removes a view of one''s own, or as an admin one that is shared. Returns whether there was one. For viewers and secret keys.';

-- Deliveries that match ---------------------------------------------------------------------------

-- Only what was as it is before the beginning: what is tried again meanwhile, and fails again, is not taken again.
create function private.matching_deliveries(p_list text, p_filter jsonb, p_before timestamptz, p_limit integer) returns uuid[]
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_ids uuid[];
begin
  if p_list not in ('dead', 'waiting') then
    raise exception 'the lists are dead and waiting' using errcode = 'GL422';
  end if;
  -- Each filter that is absent falls away before it is planned.
  execute format('select array(select d.id from public.deliveries d where %s order by %s limit $3)',
    concat_ws(' and ',
      case p_list when 'dead' then 'd.state = ''dead'' and d.dropped_reason is null and d.updated_at < $2'
        else 'd.state = ''pending'' and d.next_attempt_at > clock_timestamp() and d.updated_at < $2' end,
      case when p_filter ? 'destination' then
        'd.destination_id = (select x.id from public.destinations x where x.name = $1 ->> ''destination'' and x.removed_at is null)'
      else 'd.destination_id in (select x.id from public.destinations x where x.removed_at is null)' end,
      case when p_filter ? 'error' then 'strpos(lower(d.last_error), lower($1 ->> ''error'')) > 0' end),
    case p_list when 'dead' then 'd.updated_at, d.id' else 'd.seq' end)
  using p_filter, p_before, p_limit into v_ids;
  return v_ids;
end $$;
comment on function private.matching_deliveries(text, jsonb, timestamptz, integer) is
  'Ids of the deliveries of a list (dead: not dropped; waiting: for a time that has not come) that match a filter {destination, error} and have not changed since a time, at most so many.';

create function public.count_matching_deliveries(p_list text, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_before constant timestamptz := clock_timestamp();
begin
  perform private.require_role('viewer');
  return jsonb_build_object('count', cardinality(private.matching_deliveries(p_list, p_filter, v_before, 1000000)), 'before', v_before);
end $$;
comment on function public.count_matching_deliveries(text, jsonb) is
  'How many deliveries of a list (dead, waiting) match a filter {destination, error}, at most a million, and the time for change_matching_deliveries: {count, before}. For viewers and secret keys.';

create function public.change_matching_deliveries(
  p_act text, p_list text, p_filter jsonb, p_before timestamptz, p_reason text default null, p_limit integer default 500
) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_ids uuid[];
begin
  perform private.require_role('operator');
  if p_act not in ('retry', 'drop') then
    raise exception 'deliveries are retried or dropped' using errcode = 'GL422';
  end if;
  v_ids := private.matching_deliveries(p_list, p_filter, p_before, least(greatest(p_limit, 1), 1000));
  if cardinality(v_ids) > 0 then
    if p_act = 'retry' then
      perform public.retry_deliveries(v_ids);
    else
      perform public.drop_deliveries(v_ids, p_reason);
    end if;
  end if;
  return cardinality(v_ids);
end $$;
comment on function public.change_matching_deliveries(text, text, jsonb, timestamptz, text, integer) is
  'Retries, or drops with a reason, the next deliveries of a list (dead, waiting) that match a filter {destination, error} and have not changed since p_before, at most p_limit (1,000). Returns how many: 0 says that all are done. Asked again after a lost answer, it goes on. For operators and secret keys. Errors: those of retry_deliveries and drop_deliveries; GL422 another act or list.';

-- Links that would be made ------------------------------------------------------------------------

-- They are made, and taken back: so what this says is what happens.
create function public.check_links(p_links jsonb, p_actor text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_made jsonb;
begin
  perform private.refuse_older_code();
  begin
    v_made := public.create_links(p_links, p_actor);
    raise exception 'checked' using errcode = 'GL000';
  exception when sqlstate 'GL000' then
    null;
  end;
  return v_made;
end $$;
comment on function public.check_links(jsonb, text) is 'What create_links would answer; no link is made. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  public.save_view(text, text, text, boolean),
  public.remove_view(uuid),
  public.count_matching_deliveries(text, jsonb),
  public.change_matching_deliveries(text, text, jsonb, timestamptz, text, integer)
  to authenticated, service_role;

grant execute on function public.check_links(jsonb, text) to service_role;

insert into private.own_migrations (version) values ('20261129002410');
