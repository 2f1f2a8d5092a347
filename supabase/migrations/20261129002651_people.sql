-- People whom the team recognises in several contacts (two numbers, a number and a mail address): merged by hand, and split again.
-- Nothing moves. Each contact keeps its ids and conversations, so that an answer goes to the number that asked; what they share is
-- the person: opt-outs, export and erasure. So undoing a merge leaves what there was.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.contact_merges (
  id uuid constraint contact_merges_pkey primary key default private.uuid_v7(),
  kept_id uuid not null references public.contacts (id) on delete cascade,
  other_id uuid not null references public.contacts (id) on delete cascade,
  reason text not null,
  merged_at timestamptz not null default clock_timestamp(),
  merged_by text not null default private.actor(),
  undone_at timestamptz,
  undone_by text,
  opt_outs jsonb not null default '[]',
  constraint contact_merges_two check (kept_id <> other_id),
  constraint contact_merges_undone_whole check ((undone_at is null) = (undone_by is null))
);
comment on table public.contact_merges is 'Contacts that the team merged by hand because they are one person, and merges that were undone.';
comment on constraint contact_merges_pkey on public.contact_merges is 'A merge''s id.';
comment on column public.contact_merges.id is 'UUID v7, in the order of merging.';
comment on column public.contact_merges.kept_id is 'The contact under which the team knows the person.';
comment on column public.contact_merges.other_id is 'The contact that is the same person.';
comment on column public.contact_merges.reason is 'How one knows, in the words of whoever merged them.';
comment on column public.contact_merges.merged_at is 'When.';
comment on column public.contact_merges.merged_by is 'Who: a user id, or the database role.';
comment on column public.contact_merges.undone_at is 'When it was undone; null while they are one.';
comment on column public.contact_merges.undone_by is 'Who undid it.';
comment on column public.contact_merges.opt_outs is 'Opt-outs that conversations got from the person''s others, [{id, before: [opted_out_at, opt_told_at], after}], in order: undoing takes them back.';
create index contact_merges_kept_idx on public.contact_merges (kept_id);
comment on index public.contact_merges_kept_idx is 'Who was merged into a contact.';
create index contact_merges_other_idx on public.contact_merges (other_id);
comment on index public.contact_merges_other_idx is 'What a contact was merged into.';
create index contact_merges_active_idx on public.contact_merges (id) where undone_at is null;
comment on index public.contact_merges_active_idx is 'Whether anybody is merged at all: nearly always nobody.';
alter table public.contact_merges enable row level security;
revoke all on public.contact_merges from public, anon, authenticated, service_role;
grant select on public.contact_merges to authenticated, service_role;
create policy contact_merges_read on public.contact_merges for select to authenticated using ((select private.has_role('viewer')));
comment on policy contact_merges_read on public.contact_merges is 'The whole team sees who was merged, by whom and why.';

create function private.same_person(p_contacts uuid[]) returns uuid[]
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  if not exists (select from public.contact_merges m where m.undone_at is null) then
    return p_contacts;
  end if;
  return array(
    with recursive reached (id) as (
      select unnest(p_contacts)
      union
      select next.id from reached r cross join lateral (
        select m.other_id as id from public.contact_merges m where m.kept_id = r.id and m.undone_at is null
        union all
        select m.kept_id from public.contact_merges m where m.other_id = r.id and m.undone_at is null
        union all
        -- What the provider proved to be one contact meanwhile.
        select c.id from public.contacts c where c.merged_into = r.id
        union all
        select c.merged_into from public.contacts c where c.id = r.id and c.merged_into is not null) next
    )
    select c.id from reached r join public.contacts c on c.id = r.id where c.merged_into is null order by c.id);
end $$;
comment on function private.same_person(uuid[]) is 'These contacts and those that the team merged with them, in the order of their age.';

-- The newest word of the person counts, whichever contact said it, as between contacts that the provider proved to be one.
create function private.share_opt_outs(p_contacts uuid[], p_merge uuid) returns void
language plpgsql set search_path = '' as $$
begin
  perform from public.conversations c where c.contact_id = any (p_contacts) order by c.id for update;
  with told as (
    select distinct on (c.channel, c.number_id) c.channel, c.number_id, c.opted_out_at, c.opt_told_at
    from public.conversations c where c.contact_id = any (p_contacts) and c.opt_told_at is not null
    order by c.channel, c.number_id, c.opt_told_at desc, c.opted_out_at desc nulls last
  ), changed as (
    select c.id, c.opted_out_at as before_out, c.opt_told_at as before_told, t.opted_out_at, t.opt_told_at
    from public.conversations c join told t on t.channel = c.channel and t.number_id = c.number_id
    where c.contact_id = any (p_contacts)
      and (c.opted_out_at is distinct from t.opted_out_at or c.opt_told_at is distinct from t.opt_told_at)
  ), noted as (
    update public.contact_merges m set opt_outs = m.opt_outs || (
      select jsonb_agg(jsonb_build_object('id', x.id, 'before', jsonb_build_array(x.before_out, x.before_told),
        'after', jsonb_build_array(x.opted_out_at, x.opt_told_at)) order by x.id) from changed x)
    where m.id = p_merge and exists (select from changed)
  )
  update public.conversations c set opted_out_at = x.opted_out_at, opt_told_at = x.opt_told_at from changed x where c.id = x.id;
end $$;
comment on function private.share_opt_outs(uuid[], uuid) is 'Gives all conversations of a person with a sender the newest opt-out or opt-in among them, and notes with a merge what each had.';

create function private.share_opt_word() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_contacts uuid[];
  v_merge uuid;
begin
  if not exists (select from public.contact_merges m where m.undone_at is null) then
    return null;
  end if;
  v_contacts := private.same_person(array[new.contact_id]);
  if cardinality(v_contacts) > 1 then
    select m.id into v_merge from public.contact_merges m
    where m.undone_at is null and (m.kept_id = any (v_contacts) or m.other_id = any (v_contacts)) order by m.id desc limit 1;
    perform private.share_opt_outs(v_contacts, v_merge);
  end if;
  return null;
end $$;
comment on function private.share_opt_word() is 'Trigger, after a person opted out or in again: it counts for the contacts that the team merged, too.';
create trigger share_opt_word after insert or update of opt_told_at on public.conversations
  for each row when (pg_trigger_depth() < 1) execute function private.share_opt_word();
comment on trigger share_opt_word on public.conversations is 'Merged contacts share their opt-outs.';

create function private.merge_view(p_merge public.contact_merges) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', p_merge.id, 'kept_id', p_merge.kept_id, 'kept', private.contact_last_four(p_merge.kept_id),
    'other_id', p_merge.other_id, 'other', private.contact_last_four(p_merge.other_id), 'reason', p_merge.reason,
    'merged_at', p_merge.merged_at, 'merged_by', p_merge.merged_by, 'undone_at', p_merge.undone_at, 'undone_by', p_merge.undone_by)
$$;
comment on function private.merge_view(public.contact_merges) is 'A merge, with the last four characters of its contacts.';

create function public.merge_people(p_keep uuid, p_other uuid, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_keep uuid;
  v_other uuid;
  v_reason text;
  v_merge public.contact_merges;
begin
  perform private.require_role('operator');
  perform private.lock_contacts();
  select coalesce(c.merged_into, c.id) into v_keep from public.contacts c where c.id = p_keep;
  select coalesce(c.merged_into, c.id) into v_other from public.contacts c where c.id = p_other;
  if v_keep is null or v_other is null then
    raise exception 'there is no such contact' using errcode = 'GL404', hint = 'gatelink conversations list shows the contacts'' ids.';
  elsif v_other = any (private.same_person(array[v_keep])) then
    raise exception 'they are one person already' using errcode = 'GL409', hint = 'gatelink contact merges shows who is.';
  elsif private.group_of(v_keep) is not null or private.group_of(v_other) is not null then
    raise exception 'a group cannot be merged' using errcode = 'GL422', hint = 'Only contacts of people can be one person.';
  end if;
  v_reason := private.without_ids(private.reason_about(p_reason, v_keep), v_other);
  insert into public.contact_merges (kept_id, other_id, reason) values (v_keep, v_other, v_reason) returning * into v_merge;
  perform private.share_opt_outs(private.same_person(array[v_keep]), v_merge.id);
  insert into public.contact_acts (act, contact_id, reason) values ('merged', v_keep, v_reason), ('merged', v_other, v_reason);
  return private.merge_view(v_merge);
end $$;
comment on function public.merge_people(uuid, uuid, text) is
  'Says that two contacts are one person: opt-outs, export and erasure of one are those of the other; ids and conversations stay where they are, and answers go where they were asked. Who did it, when and why is in contact_acts. Returns {id, kept_id, kept, other_id, other, reason, merged_at, merged_by, undone_at, undone_by}. For operators and secret keys. Errors: 42501 not allowed, GL404 no such contact, GL409 one person already, GL422 a group, or no reason.';

create function private.undo_merge(p_merge public.contact_merges, p_reason text) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_one record;
  v_own jsonb := '{}';
  v_has jsonb;
begin
  update public.contact_merges m set undone_at = clock_timestamp(), undone_by = private.actor() where m.id = p_merge.id;
  -- The latest first; what a person has said since stays.
  for v_one in
    select o.item ->> 'id' as id, o.item -> 'before' as before,
      (o.item #>> '{after,0}')::timestamptz as after_out, (o.item #>> '{after,1}')::timestamptz as after_told
    from jsonb_array_elements(p_merge.opt_outs) with ordinality as o (item, place) order by o.place desc
  loop
    v_has := coalesce(v_own -> v_one.id, (
      select jsonb_build_array(c.opted_out_at, c.opt_told_at) from public.conversations c where c.id = v_one.id::uuid));
    if v_has is not null and (v_has ->> 0)::timestamptz is not distinct from v_one.after_out
      and (v_has ->> 1)::timestamptz is not distinct from v_one.after_told then
      v_own := v_own || jsonb_build_object(v_one.id, v_one.before);
    end if;
  end loop;
  -- In one statement: share_opt_word then finds all of them as they were, and not one with the word that the others still have.
  update public.conversations c set opted_out_at = (o.value ->> 0)::timestamptz, opt_told_at = (o.value ->> 1)::timestamptz
  from jsonb_each(v_own) o where c.id = o.key::uuid;
  insert into public.contact_acts (act, contact_id, reason) values ('split', p_merge.kept_id, p_reason), ('split', p_merge.other_id, p_reason);
end $$;
comment on function private.undo_merge(public.contact_merges, text) is 'Undoes a merge that is not undone.';

create function public.undo_merge(p_id uuid, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_merge public.contact_merges;
begin
  perform private.require_role('operator');
  perform private.lock_contacts();
  select * into v_merge from public.contact_merges m where m.id = p_id for update;
  if v_merge.id is null then
    raise exception 'there is no such merge' using errcode = 'GL404', hint = 'gatelink contact merges shows the ids.';
  elsif v_merge.undone_at is not null then
    raise exception 'it is undone already' using errcode = 'GL409', hint = 'gatelink contact merges shows which are not.';
  end if;
  perform private.undo_merge(v_merge, private.without_ids(private.without_ids(nullif(trim(p_reason), ''), v_merge.kept_id), v_merge.other_id));
  return (select private.merge_view(m) from public.contact_merges m where m.id = p_id);
end $$;
comment on function public.undo_merge(uuid, text) is
  'Undoes a merge by hand: the two are as they were, with what each has said since. Returns the merge. For operators and secret keys. Errors: 42501 not allowed, GL404 no such merge, GL409 undone already.';

create function public.split_contact(p_contact_id uuid, p_reason text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_merge public.contact_merges;
  v_undone jsonb := '[]';
begin
  perform private.require_role('operator');
  perform private.lock_contacts();
  for v_merge in
    select * from public.contact_merges m
    where m.undone_at is null and p_contact_id in (m.kept_id, m.other_id) order by m.id desc for update
  loop
    v_undone := v_undone || jsonb_build_array(public.undo_merge(v_merge.id, p_reason));
  end loop;
  if v_undone = '[]' then
    raise exception 'the contact is merged with nobody' using errcode = 'GL404', hint = 'gatelink contact merges shows who is.';
  end if;
  return v_undone;
end $$;
comment on function public.split_contact(uuid, text) is
  'Undoes all merges by hand of a contact, the latest first. Returns them. For operators and secret keys. Errors: 42501 not allowed, GL404 merged with nobody.';

create function public.read_person(p_contact_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_words boolean;
  v_contacts uuid[];
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  v_contacts := private.same_person(array[p_contact_id]);
  return (
    select jsonb_build_object(
      'contacts', (
        select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'channel', c.channel, 'last_four', private.contact_last_four(c.id),
          'name', case when v_words then c.name end, 'conversations', (
            select coalesce(jsonb_agg(v.id order by v.last_message_at desc nulls last), '[]')
            from (select * from public.conversations v where v.contact_id = c.id order by v.last_message_at desc nulls last limit 20) v)) order by c.id), '[]')
        from public.contacts c where c.id = any (v_contacts)),
      'merges', (
        select coalesce(jsonb_agg(private.merge_view(m) order by m.id desc), '[]')
        from (
          select * from public.contact_merges m where m.kept_id = any (v_contacts) or m.other_id = any (v_contacts) order by m.id desc limit 50) m)));
end $$;
comment on function public.read_person(uuid) is
  'The contacts that the team knows to be one person with this one, {contacts: [{id, channel, last_four, name, conversations (ids, the latest 20)}], merges: the latest 50, also those that were undone}. Names are null for viewers. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.same_person(uuid[]),
  private.share_opt_outs(uuid[], uuid),
  private.share_opt_word()
  to service_role;
grant update (opt_outs) on public.contact_merges to service_role;
grant execute on function
  public.merge_people(uuid, uuid, text),
  public.undo_merge(uuid, text),
  public.split_contact(uuid, text),
  public.read_person(uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002651');
