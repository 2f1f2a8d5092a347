-- Templates of WhatsApp: as Meta has them, synchronised by the clock and by webhooks, and sent from the panel.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.wa_templates (
  account text not null,
  name text not null,
  language text not null,
  id text,
  category text,
  status text not null,
  quality text,
  parameter_format text not null default 'positional' check (parameter_format in ('positional', 'named')),
  components jsonb not null default '[]' check (jsonb_typeof(components) = 'array'),
  reason text,
  told_at timestamptz,
  synced_at timestamptz,
  found jsonb not null default '{}' check (jsonb_typeof(found) = 'object'),
  constraint wa_templates_pkey primary key (account, name, language)
);
comment on table public.wa_templates is 'Templates of WhatsApp accounts, as Meta last described them.';
comment on constraint wa_templates_pkey on public.wa_templates is 'A template has one row per language.';
comment on column public.wa_templates.account is 'Meta''s WABA id (sender_accounts.id).';
comment on column public.wa_templates.name is 'The template''s name.';
comment on column public.wa_templates.language is 'The language''s code.';
comment on column public.wa_templates.id is 'Meta''s id.';
comment on column public.wa_templates.category is 'marketing, utility or authentication.';
comment on column public.wa_templates.status is 'approved (only these are sent), pending, rejected, paused, disabled, or another word of Meta''s in lower case.';
comment on column public.wa_templates.quality is 'green, yellow, red or unknown: how people rate it.';
comment on column public.wa_templates.parameter_format is 'Whether its variables are numbered or have names.';
comment on column public.wa_templates.components is 'Meta''s components: header, body, footer, buttons.';
comment on column public.wa_templates.reason is 'Why it was rejected or disabled, in Meta''s words.';
comment on column public.wa_templates.told_at is 'When a webhook last reported something of it, by Meta''s clock.';
comment on column public.wa_templates.synced_at is 'When Meta was last asked; null for one that was just created here.';
comment on column public.wa_templates.found is '{status, category} that a synchronisation found to have changed and that still holds: a webhook that reports the same comes too late.';
create index wa_templates_name_idx on public.wa_templates (name, language);
comment on index public.wa_templates_name_idx is 'Checks before a send.';
create index wa_templates_id_idx on public.wa_templates (id);
comment on index public.wa_templates_id_idx is 'Webhooks that name a template by its id.';
alter table public.wa_templates enable row level security;
revoke all on public.wa_templates from public, anon, authenticated, service_role;
grant select on public.wa_templates to authenticated, service_role;
grant insert, update, delete on public.wa_templates to service_role;
create policy wa_templates_read on public.wa_templates for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy wa_templates_read on public.wa_templates is 'Every role of the team may see the templates.';

create table private.template_syncs (
  account text constraint template_syncs_pkey primary key,
  due_at timestamptz not null,
  started_at timestamptz,
  synced_at timestamptz,
  failed integer not null default 0,
  error text
);
comment on table private.template_syncs is 'When the templates of each account are fetched from Meta.';
comment on constraint template_syncs_pkey on private.template_syncs is 'One row per account.';
comment on column private.template_syncs.account is 'Meta''s WABA id.';
comment on column private.template_syncs.due_at is 'When it is next due; while one runs, when another may be started.';
comment on column private.template_syncs.started_at is 'When fetching them last began: what they say is that old.';
comment on column private.template_syncs.synced_at is 'When they were last fetched.';
comment on column private.template_syncs.failed is 'How often it has failed since.';
comment on column private.template_syncs.error is 'Why the last one failed, in Meta''s words; null if it did not.';
alter table private.template_syncs enable row level security;
revoke all on private.template_syncs from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.template_syncs to service_role;

-- Synchronising -----------------------------------------------------------------------------------

create function private.template_accounts() returns setof text
language sql stable set search_path = '' as $$
  select distinct s.account from public.senders s where s.channel = 'whatsapp' and s.account is not null
$$;
comment on function private.template_accounts() is 'The accounts whose templates are synchronised: those with a number.';

create function private.templates_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from private.template_accounts() as a (account)
    left join private.template_syncs y on y.account = a.account
    where coalesce(y.due_at, '-infinity') <= p_now)
$$;
comment on function private.templates_are_due(timestamptz) is 'Whether the templates of an account are to be fetched. For the clock.';

create function private.templates_due_now(p_account text) returns void
language sql volatile set search_path = '' as $$
  insert into private.template_syncs as y (account, due_at) values (p_account, clock_timestamp())
  on conflict on constraint template_syncs_pkey do update set due_at = least(y.due_at, excluded.due_at)
$$;
comment on function private.templates_due_now(text) is 'Makes the templates of an account due: Meta reported something whose whole is not known.';

create function private.template_sync_ends(p_started_at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select p_started_at + interval '5 minutes'
$$;
comment on function private.template_sync_ends(timestamptz) is 'How long whoever fetches templates has for it. While somebody does, template_syncs.due_at is that time, or earlier if there was reason to fetch them again.';

create function public.claim_template_syncs(p_all boolean default false) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_claimed jsonb;
begin
  perform private.refuse_older_code();
  with claimed as (
    insert into private.template_syncs as y (account, due_at, started_at)
    select a.account, private.template_sync_ends(v_now), v_now from private.template_accounts() as a (account) order by 1
    on conflict on constraint template_syncs_pkey do update set due_at = excluded.due_at, started_at = excluded.started_at where p_all or y.due_at <= v_now
    returning y.account
  )
  select jsonb_agg(jsonb_build_object('account', c.account, 'credentials', private.credentials_of('whatsapp', c.account)) order by c.account)
  into v_claimed from claimed c;
  return coalesce(v_claimed, '[]');
end $$;
comment on function public.claim_template_syncs(boolean) is 'Claims the accounts whose templates are due, or all, for five minutes: [{account, credentials}]. For secret keys.';

create function public.fail_template_sync(p_account text, p_error text) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  update private.template_syncs y
  set failed = y.failed + 1, error = left(p_error, 500), due_at = clock_timestamp() + least(interval '6 hours', interval '5 minutes' * 2 ^ least(y.failed, 10))
  where y.account = p_account;
end $$;
comment on function public.fail_template_sync(text, text) is 'Records that the templates of an account could not be fetched, and when to try again: after 5 minutes, then less often. For secret keys.';

create function private.found_change(p_account text, p_template jsonb, p_type text, p_data jsonb, p_at timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.record_account_event('whatsapp', p_account, null, p_type, (p_template ->> 'name') || ' ' || (p_template ->> 'language'),
    jsonb_strip_nulls(jsonb_build_object('template_id', p_template -> 'id') || p_data), p_at);
  if private.is_subscribed() then
    perform private.note_events(array[(p_type, 'whatsapp', null, null, null, p_account, p_at, jsonb_build_object('template',
      jsonb_strip_nulls(jsonb_build_object('account', p_account, 'id', p_template -> 'id', 'name', p_template -> 'name',
        'language', p_template -> 'language', 'category', p_template -> 'category') || p_data)), null, null)::private.noted_event]);
  end if;
end $$;
comment on function private.found_change(text, jsonb, text, jsonb, timestamptz) is 'Records and tells what a synchronisation found to have happened to a template: {reason} or {category, previous_category}.';

-- What a webhook did not say (the field is not subscribed, or it was lost) is said now, once.
create function public.store_templates(p_account text, p_templates jsonb, p_whole boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := date_trunc('second', clock_timestamp());
  -- A webhook that came while they were fetched is newer than they are.
  v_as_of timestamptz := coalesce(case when p_whole then (
    select date_trunc('second', y.started_at) from private.template_syncs y where y.account = p_account) end, v_now);
  v_one record;
  v_found jsonb;
  -- Whether Meta said something else than a webhook of that time: which is newer is asked again soon.
  v_doubt boolean := false;
  v_stored integer := 0;
  v_removed integer := 0;
begin
  perform private.refuse_older_code();
  perform pg_advisory_xact_lock(hashtext('gatelink.templates ' || p_account));
  for v_one in
    select r.id, r.name, r.language, r.parameter_format, r.components, to_jsonb(r) - 'components' as template,
      case when told.later then t.status else r.status end as status, case when told.later then t.category else r.category end as category,
      told.later and r.status is distinct from t.status as doubt,
      case when told.later then t.quality else r.quality end as quality, case when told.later then t.reason else r.reason end as reason,
      t.status as old_status, t.category as old_category, t.synced_at as old_at, coalesce(t.found, '{}') as found
    from jsonb_to_recordset(p_templates) as r (
      id text, name text, language text, category text, status text, quality text, parameter_format text, components jsonb, reason text)
    left join public.wa_templates t on t.account = p_account and t.name = r.name and t.language = r.language
    cross join lateral (select coalesce(p_whole and t.told_at >= v_as_of, false) as later) told
    where r.name is not null and r.language is not null
      -- What was changed here while they were fetched is newer than they are.
      and not coalesce(p_whole and t.synced_at > v_as_of, false)
    order by r.name, r.language
  loop
    v_found := v_one.found;
    v_doubt := v_doubt or v_one.doubt;
    if v_one.old_at is not null and v_one.status is distinct from v_one.old_status then
      v_found := v_found - 'status';
      if v_one.status in ('paused', 'disabled', 'rejected', 'approved') then
        perform private.found_change(p_account, v_one.template, 'template.' || v_one.status, jsonb_build_object('reason', v_one.reason), v_now);
        v_found := v_found || jsonb_build_object('status', v_one.status);
      end if;
    end if;
    if v_one.old_at is not null and v_one.category is distinct from v_one.old_category then
      perform private.found_change(p_account, v_one.template, 'template.category_changed',
        jsonb_build_object('category', v_one.category, 'previous_category', v_one.old_category), v_now);
      v_found := v_found || jsonb_build_object('category', v_one.category);
    end if;
    insert into public.wa_templates as t (account, name, language, id, category, status, quality, parameter_format, components, reason, synced_at, found)
    values (p_account, v_one.name, v_one.language, v_one.id, v_one.category, v_one.status, v_one.quality,
      coalesce(v_one.parameter_format, 'positional'), coalesce(v_one.components, '[]'), v_one.reason, v_as_of, v_found)
    on conflict on constraint wa_templates_pkey do update set id = excluded.id, category = excluded.category, status = excluded.status,
      quality = excluded.quality, parameter_format = excluded.parameter_format, components = excluded.components, reason = excluded.reason,
      synced_at = excluded.synced_at, found = excluded.found,
      -- What was done here is newer than what a webhook told before.
      told_at = case when p_whole then t.told_at end;
    v_stored := v_stored + 1;
  end loop;
  insert into private.template_categories as c (channel, account, name, language, template_id, category, at)
  select 'whatsapp', p_account, r.name, r.language, r.id, r.category, v_as_of
  from jsonb_to_recordset(p_templates) as r (id text, name text, language text, category text)
  where r.name is not null and r.language is not null and r.category is not null order by r.name, r.language
  on conflict on constraint template_categories_pkey do update set category = excluded.category, at = excluded.at, template_id = excluded.template_id
  where excluded.at >= c.at;
  if p_whole then
    delete from public.wa_templates t
    where t.account = p_account and (t.synced_at <= v_as_of) is not false and not exists (
      select from jsonb_to_recordset(p_templates) as r (name text, language text) where r.name = t.name and r.language = t.language);
    get diagnostics v_removed = row_count;
    insert into private.template_syncs as y (account, due_at, synced_at)
    values (p_account, v_now + case when v_doubt then interval '1 minute' else interval '6 hours' end, v_now)
    on conflict on constraint template_syncs_pkey do update
      -- Due meanwhile stays due.
      set due_at = case when y.due_at < private.template_sync_ends(y.started_at) then y.due_at else excluded.due_at end,
        synced_at = excluded.synced_at, failed = 0, error = null;
  else
    -- Meta may have decided before this was written: the webhook that said so came too early.
    perform private.templates_due_now(p_account);
  end if;
  return jsonb_build_object('stored', v_stored, 'removed', v_removed);
end $$;
comment on function public.store_templates(text, jsonb, boolean) is
  'Stores templates of an account as Meta describes them [{id, name, language, category, status, quality, parameter_format, components, reason}]; if these are all, the others are removed; if not, the account is due, since Meta may have decided meanwhile. A pause, a rejection, an approval and a change of category that no webhook reported become account_events and events for services, once. Returns {stored, removed}. For secret keys.';

create function public.remove_template(p_account text, p_name text, p_language text) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_found boolean;
begin
  perform private.refuse_older_code();
  delete from public.wa_templates t where t.account = p_account and t.name = p_name and t.language = p_language;
  v_found := found;
  -- Who is fetching them may have it still.
  update private.template_syncs y set due_at = clock_timestamp()
  where y.account = p_account and y.due_at = private.template_sync_ends(y.started_at);
  return v_found;
end $$;
comment on function public.remove_template(text, text, text) is 'Removes a template that was deleted at Meta; false if there was none. For secret keys.';

create function private.was_found(p_account text, p_type text, p_template jsonb) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.wa_templates t
    where t.account = p_account and (t.id = p_template ->> 'id' or t.name = p_template ->> 'name' and t.language = p_template ->> 'language')
      and (p_type = 'template.' || (t.found ->> 'status')
        or p_type = 'template.category_changed' and lower(p_template ->> 'category') = t.found ->> 'category'))
$$;
comment on function private.was_found(text, text, jsonb) is 'Whether a synchronisation found this change of a template {id, name, language, category} before its webhook came.';

create function private.without_found(p_events private.noted_event[]) returns private.noted_event[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(row(e.type, e.channel, e.conversation_id, e.message_id, e.number_id, e.account, e.at, e.detail, e.field,
    e.native)::private.noted_event order by e.ordinality), '{}')
  from unnest(p_events) with ordinality as e
  where e.type not like 'template.%' or not private.was_found(e.account, e.type, e.detail -> 'template')
$$;
comment on function private.without_found(private.noted_event[]) is 'These events without those of templates that a synchronisation has told already.';

create function private.apply_template_news(p_channel text, p_news jsonb, p_at timestamptz) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_known boolean;
begin
  if p_channel <> 'whatsapp' then
    return true;
  end if;
  if p_news ->> 'status' = 'deleted' then
    delete from public.wa_templates t
    where t.account = p_news ->> 'account' and (t.id = p_news ->> 'id' or t.name = p_news ->> 'name' and t.language = p_news ->> 'language');
    return true;
  end if;
  update public.wa_templates t
  set status = coalesce(p_news ->> 'status', t.status), quality = coalesce(p_news ->> 'quality', t.quality),
    category = coalesce(lower(p_news ->> 'category'), t.category),
    reason = case when p_news ->> 'status' is not null then p_news ->> 'reason' else t.reason end, told_at = p_at,
    found = t.found - case when p_news ->> 'status' <> t.status then 'status' else '' end
      - case when lower(p_news ->> 'category') <> t.category then 'category' else '' end
  where t.account = p_news ->> 'account' and coalesce(greatest(t.told_at, t.synced_at), '-infinity') <= p_at
    and (t.id = p_news ->> 'id' or t.name = p_news ->> 'name' and t.language = p_news ->> 'language');
  v_known := found or exists (
    select from public.wa_templates t where t.account = p_news ->> 'account' and (t.id = p_news ->> 'id'
      or t.name = p_news ->> 'name' and t.language = p_news ->> 'language'));
  -- Its components may have changed, or it is new.
  if not v_known or p_news ->> 'status' is null and p_news ->> 'quality' is null and p_news ->> 'kind' is null
    or p_news ->> 'status' = 'approved' then
    perform private.templates_due_now(p_news ->> 'account');
  end if;
  return not private.was_found(p_news ->> 'account', p_news ->> 'kind', p_news);
end $$;
comment on function private.apply_template_news(text, jsonb, timestamptz) is 'Records what was reported of a template; what is not known makes the account''s templates due. False if a synchronisation has told the same already.';

-- Sending -----------------------------------------------------------------------------------------

create function private.template_refusal(p_channel text, p_number_id text, p_message jsonb) returns text
language sql stable set search_path = '' as $$
  select 'template_not_sendable'
  from public.senders s
  join public.wa_templates t on t.account = s.account and t.name = p_message #>> '{template,name}' and t.language = p_message #>> '{template,language,code}'
  where p_channel = 'whatsapp' and s.channel = p_channel and s.id = p_number_id and t.status not in ('approved', 'flagged')
$$;
comment on function private.template_refusal(text, text, jsonb) is 'template_not_sendable if Meta would refuse a template because of its status (paused, rejected, …); null if it may go, as far as is known.';

create function public.known_templates(p_names text[]) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('account', t.account, 'name', t.name, 'language', t.language, 'category', t.category,
      'status', t.status, 'parameter_format', t.parameter_format, 'components', t.components, 'numbers', (
        select coalesce(jsonb_agg(s.id order by s.id), '[]') from public.senders s where s.channel = 'whatsapp' and s.account = t.account))
      order by t.name, t.language, t.account), '[]')
    from public.wa_templates t where t.name = any (p_names));
end $$;
comment on function public.known_templates(text[]) is 'Templates by name, in all languages and accounts, with the numbers of their accounts. For secret keys.';

create function public.template_by_id(p_id text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('account', t.account, 'credentials', private.credentials_of('whatsapp', t.account),
      'template', jsonb_build_object('id', t.id, 'name', t.name, 'language', t.language, 'category', t.category, 'status', t.status,
        'quality', t.quality, 'parameter_format', t.parameter_format, 'components', t.components, 'reason', t.reason))), '[]')
    from public.wa_templates t where t.id = p_id);
end $$;
comment on function public.template_by_id(text) is 'The template with this id of Meta''s, and its account''s credentials: [{account, credentials, template}], at most one. For secret keys.';

create function public.list_templates(p_filter jsonb default '{}', p_limit integer default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return jsonb_build_object(
    'templates', (
      select coalesce(jsonb_agg(jsonb_build_object('account', t.account, 'account_name', a.name, 'name', t.name, 'language', t.language, 'id', t.id,
        'category', t.category, 'status', t.status, 'quality', t.quality, 'parameter_format', t.parameter_format, 'components', t.components,
        'reason', t.reason, 'told_at', t.told_at, 'synced_at', t.synced_at) order by t.name, t.language, t.account), '[]')
      from (
        select * from public.wa_templates x
        where (p_filter -> 'after' is null
            or (x.name, x.language, x.account) > (p_filter #>> '{after,name}', p_filter #>> '{after,language}', p_filter #>> '{after,account}'))
          and x.account = coalesce(p_filter ->> 'account', x.account) and x.name = coalesce(p_filter ->> 'name', x.name)
          and x.language = coalesce(p_filter ->> 'language', x.language)
          and (p_filter ->> 'search' is null
            or strpos(lower(concat_ws(' ', x.name, x.language, x.category, x.status)), lower(p_filter ->> 'search')) > 0)
        order by x.name, x.language, x.account limit p_limit) t
      left join public.sender_accounts a on a.channel = 'whatsapp' and a.id = t.account),
    'syncs', (
      select coalesce(jsonb_agg(jsonb_build_object('account', x.account, 'account_name', a.name, 'synced_at', y.synced_at, 'error', y.error,
        'numbers', (select jsonb_agg(s.id order by s.id) from public.senders s where s.channel = 'whatsapp' and s.account = x.account)) order by x.account), '[]')
      from private.template_accounts() as x (account)
      left join private.template_syncs y on y.account = x.account
      left join public.sender_accounts a on a.channel = 'whatsapp' and a.id = x.account));
end $$;
comment on function public.list_templates(jsonb, integer) is 'Templates by name with their languages, status, quality and components, and when each account''s were last fetched. Filter: any of search (part of name, language, category or status), account, name, language, and after: {name, language, account} of the last of the page before; at most p_limit templates, all without it. For viewers and secret keys.';

create function public.send_template(p_conversation_id uuid, p_message jsonb, p_key uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_conversation public.conversations;
  v_to text;
  v_answer jsonb;
begin
  perform private.require_role('operator');
  if p_message ->> 'type' is distinct from 'template' or coalesce(p_message #>> '{template,name}', '') = ''
    or coalesce(p_message #>> '{template,language,code}', '') = '' or octet_length(p_message::text) > 65536 then
    raise exception 'this is not a template message' using errcode = 'GL422', hint = '{type: template, template: {name, language: {code}, components}}';
  end if;
  select * into v_conversation from public.conversations c where c.id = p_conversation_id for update;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404';
  end if;
  if v_conversation.channel <> 'whatsapp' then
    return jsonb_build_object('error', 'channel_unsupported', 'channel', v_conversation.channel);
  end if;
  if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  v_to := private.address_of(v_conversation.contact_id, v_conversation.channel, v_conversation.number_id);
  if v_to is null then
    return '{"error": "nobody"}';
  end if;
  v_answer := private.enqueue_message(v_conversation, jsonb_build_object('to', v_to, 'idempotency_key', 'panel:' || p_key,
    'text', '[' || (p_message #>> '{template,name}') || ']', 'message', p_message), clock_timestamp());
  if v_answer ? 'id' and not v_answer ? 'repeated' then
    insert into public.contact_acts (act, contact_id, message_id)
    values ('replied', v_conversation.contact_id, (v_answer ->> 'id')::uuid);
    perform private.take_over(array[p_conversation_id], private.actor(), clock_timestamp(),
      clock_timestamp() + make_interval(mins => private.takeover_minutes()), clock_timestamp());
  end if;
  return v_answer;
end $$;
comment on function public.send_template(uuid, jsonb, uuid) is
  'Queues a template to the person of a conversation on WhatsApp, whether the window is open or not; the same p_key is the same message. Returns {id, status} or {error}: channel_unsupported, feature_off, nobody, opted_out, template_not_sendable, idempotency_conflict. Who wrote is in contact_acts, and has the conversation, as after a reply. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation, GL422 not a template message.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.template_accounts(),
  private.templates_are_due(timestamptz),
  private.templates_due_now(text),
  private.template_sync_ends(timestamptz),
  public.claim_template_syncs(boolean),
  public.fail_template_sync(text, text),
  private.found_change(text, jsonb, text, jsonb, timestamptz),
  public.store_templates(text, jsonb, boolean),
  public.remove_template(text, text, text),
  private.was_found(text, text, jsonb),
  private.without_found(private.noted_event[]),
  private.apply_template_news(text, jsonb, timestamptz),
  private.template_refusal(text, text, jsonb),
  public.known_templates(text[]),
  public.template_by_id(text)
  to service_role;
grant execute on function
  public.list_templates(jsonb, integer),
  public.send_template(uuid, jsonb, uuid)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002640');
