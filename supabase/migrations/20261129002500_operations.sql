-- Running it: what is thrown away and when, what the clock does, and the proofs that nothing was lost.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Retention ---------------------------------------------------------------------------------------

-- The one list of what is kept for how long. In days; `otherwise` without the setting, null for ever. A row's condition is about
-- x, $1 is the instant before which it is old. Ids grow with time, so those of a table with an id are read from their beginning.
create function private.retentions() returns table (
  what text, relation text, id text, setting text, otherwise integer, at_least integer, condition text, change text
)
language sql immutable set search_path = '' as $$
  select v.what, v.relation, v.id, 'retention.' || v.setting, v.otherwise, v.at_least, v.condition, v.change
  from (values
    -- A provider repeats for up to 7 days, and what is purged would be taken for new.
    ('webhook_events', 'public.webhook_events', null, 'event_days', 30, 8, 'x.received_at < $1', null),
    ('delivery_attempts', 'public.delivery_attempts', null, 'event_days', 30, 8, 'x.at < $1', null),
    ('raw', 'public.messages', 'id', 'raw_days', 90, 2, 'x.native is not null', 'native = null'),
    ('words', 'public.messages', 'id', 'word_days', null, 1,
      '(x.text is not null or x.choice is not null or x.referral is not null or x.native is not null)',
      'text = null, choice = null, referral = null, native = null'),
    ('messages', 'public.messages', 'id', 'message_days', null, 2, 'true', null),
    ('routing_decisions', 'public.routing_decisions', 'message_id', 'decision_days', 90, 2, 'true', null),
    ('deliveries', 'public.deliveries', 'id', 'delivery_days', 90, 2,
      '(x.state = ''delivered'' or x.state = ''dead'' and x.dropped_reason is not null)', null),
    ('service_events', 'public.service_events', 'id', 'delivery_days', 90, 2,
      'not exists (select from public.deliveries d where d.event_id = x.id)', null),
    ('outbound_messages', 'public.outbound_messages', 'id', 'outbound_days', 90, 2, 'x.state in (''sent'', ''failed'')', null),
    ('attributions', 'public.attributions', 'message_id', 'attribution_days', null, 2, 'true', null),
    ('notifications', 'public.notifications', 'id', 'notification_days', 90, 2, 'x.state in (''delivered'', ''dead'')', null),
    ('announcements', 'public.announcements', 'id', 'announcement_days', 365, 2, 'x.state <> ''sending''', null),
    ('campaign_recipients', 'public.campaign_recipients', null, 'campaign_days', 365, 2,
      'x.campaign_id in (select c.id from public.campaigns c where c.state <> ''sending'' and c.id < private.uuid_v7_from($1))', null),
    ('campaign_tickets', 'private.campaign_tickets', null, 'campaign_days', 365, 2,
      'x.campaign_id in (select c.id from public.campaigns c where c.state <> ''sending'' and c.id < private.uuid_v7_from($1))', null),
    ('campaigns', 'public.campaigns', 'id', 'campaign_days', 365, 2,
      'x.state <> ''sending'' and not exists (select from public.campaign_recipients r where r.campaign_id = x.id)
        and not exists (select from private.campaign_tickets t where t.campaign_id = x.id)', null),
    ('reports', 'public.reports', 'id', 'report_days', 400, 2, 'true', null),
    ('thread_decisions', 'public.thread_decisions', 'id', 'decision_days', 90, 2, 'true', null),
    ('account_events', 'public.account_events', 'id', 'account_event_days', 400, 8, 'true', null),
    ('contacts', 'public.contacts', 'id', 'contact_days', 365, 2, 'x.updated_at < $1', null),
    ('book_names', 'private.book_names', null, 'contact_days', 365, 2, 'x.at < $1', null),
    ('cron', 'cron.job_run_details', null, 'cron_days', 3, 1, 'x.start_time < $1', null),
    ('feedback', 'public.feedback', 'id', 'feedback_days', 365, 2, 'true', null),
    ('mailbox_starts', 'private.mailbox_starts', null, null, 1, 1, 'x.expires_at < $1', null),
    ('presence', 'private.conversation_presence', null, null, 1, 1, 'x.at < $1', null),
    ('invitations', 'public.team_invitations', null, null, 30, 30, 'x.expires_at < $1', null),
    ('metric_keys', 'private.metric_keys', null, null, 8, 8, 'x.at < $1', null),
    ('erased_keys', 'private.erased_keys', null, null, 8, 8, 'x.at < $1', null),
    ('mail_senders', 'private.mail_senders', null, null, 2, 2, 'x.message_id is null and x.created_at < $1', null),
    ('email_events', 'public.email_events', null, 'mail_event_days', 180, 31, 'x.created_at < $1', null),
    ('email_opens', 'public.email_opens', null, 'mail_event_days', 180, 31, 'x.at < $1', null),
    ('email_clicks', 'public.email_clicks', null, 'mail_event_days', 180, 31, 'x.at < $1', null),
    -- Links in mails that people keep go on to work.
    ('mail_link_sets', 'private.mail_link_sets', null, null, 400, 400,
      'x.used_at < $1 and not exists (select from private.mail_tickets t where t.link_set = x.id)', null),
    ('media_files', 'public.media_files', 'message_id', 'media_days', 30, 1, 'x.state <> ''pending''', null),
    ('text_files', 'public.text_files', 'id', 'media_days', 30, 1, 'x.next_attempt_at is null', null),
    ('media_uploads', 'public.media_uploads', null, 'upload_days', 30, 1, 'x.used_at < $1', null)
  ) as v (what, relation, id, setting, otherwise, at_least, condition, change)
$$;
comment on function private.retentions() is
  'What is kept for how long: relation, the column of its time-ordered id if it has one, setting with the days, days without it (null: for ever), the least that may be set, which rows, and what changes in them (null: they are deleted). Clicks, limits, measurements and metrics of flags have purges of their own.';

create function private.kept_days(p_setting text, p_otherwise integer, p_at_least integer) returns integer
language sql stable set search_path = '' as $$
  select greatest(p_at_least, coalesce((select s.value::integer from public.settings s where s.key = p_setting), p_otherwise))
  where coalesce((select s.value::integer from public.settings s where s.key = p_setting), p_otherwise) is not null
$$;
comment on function private.kept_days(text, integer, integer) is 'Days by a setting, else otherwise; null for ever.';

-- Failure policy: kept. What is under way or was given up and not dropped needs its message whole.
create function private.message_is_done(p_message public.messages) returns boolean
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return not exists (
      select from public.deliveries d where d.message_id = p_message.id
        and (d.state in ('pending', 'leased') or d.state = 'dead' and d.dropped_reason is null))
    and not exists (
      select from public.outbound_messages o where o.message_id = p_message.id and o.state in ('queued', 'leased'))
    and (p_message.direction = 'out' or exists (
      select from public.conversations c where c.id = p_message.conversation_id and p_message.seq <= c.routed_seq));
end $$;
comment on function private.message_is_done(public.messages) is 'Whether nothing is left to be done with a message.';

-- A contact that messages hang on is never one of these, also not by a message that comes in this moment: who inserts a
-- conversation holds its contact, who inserts a message the conversation, and what is held is left alone.
create function private.purge_contacts(p_ids uuid[]) returns bigint
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_held uuid[] := array(select c.id from public.contacts c where c.id = any (p_ids) order by c.id for update skip locked);
  v_conversations uuid[] := array(
    select c.id from public.conversations c where c.contact_id = any (v_held) order by c.id for update skip locked);
  v_count bigint;
begin
  delete from public.contacts x
  where x.id = any (v_held)
    and not exists (select from public.contacts m where m.merged_into = x.id)
    and not exists (
      select from public.conversations c where c.contact_id = x.id and (c.id <> all (v_conversations) or c.opted_out_at is not null
        or exists (select from public.messages m where m.conversation_id = c.id)
        or exists (select from public.outbound_messages o where o.conversation_id = c.id)))
    and not exists (select from public.attributions a where a.contact_id = x.id)
    and not exists (select from public.segment_members s where s.subject_id = x.id::text)
    and not exists (select from public.settings s where s.metadata -> 'target_user_ids' ? x.id::text);
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function private.purge_contacts(uuid[]) is 'Deletes those of these contacts that nothing hangs on: no message, opt-out, attribution, target or merged contact.';

create function private.purge_slice(
  p_what text, p_relation text, p_id text, p_condition text, p_change text, p_from uuid, p_before timestamptz, p_limit integer,
  out looked bigint, out done bigint, out last uuid
)
language plpgsql volatile set search_path = '' as $$
declare
  v_rows text := format('select x.ctid as place, %s as id from %s x where %s', coalesce('x.' || p_id, 'null::uuid'), p_relation,
    concat_ws(' and ', p_condition,
      case when p_id is not null then format('x.%1$I >= coalesce($3, ''00000000-0000-0000-0000-000000000000'') and x.%1$I < private.uuid_v7_from($1)', p_id) end,
      case when p_relation = 'public.messages' then 'private.message_is_done(x)' end))
    || case when p_id is not null then ' order by x.' || p_id else '' end || ' limit $2';
begin
  if p_what = 'contacts' then
    execute format('select count(*), (array_agg(r.id order by r.id desc))[1], private.purge_contacts(array_agg(r.id)) from (%s) r', v_rows)
    into looked, last, done using p_before, p_limit, p_from;
    return;
  end if;
  v_rows := v_rows || ' for update skip locked';
  execute format('with old as materialized (%s), changed as (%s returning 1)
      select (select count(*) from old), (select count(*) from changed), (select (array_agg(o.id order by o.id desc))[1] from old o)', v_rows,
    case when p_change is null then format('delete from %s t using old where t.ctid = old.place', p_relation)
      else format('update %s t set %s from old where t.ctid = old.place', p_relation, p_change) end)
  into looked, done, last using p_before, p_limit, p_from;
end $$;
comment on function private.purge_slice(text, text, text, text, text, uuid, timestamptz, integer) is 'One slice of one retention: how many rows it looked at and did, and the last of their ids.';

-- Slice by slice, a minute apart, so that nothing waits for it for long; a retention that has nothing left to do sleeps for
-- an hour. 10,000 a minute keep up with 160 updates a second.
create function private.purge(p_now timestamptz, p_limit integer default 10000) returns jsonb
language plpgsql volatile set search_path = '' set lock_timeout = '1s' as $$
declare
  v_kept record;
  v_looked bigint;
  v_done bigint;
  v_last uuid;
  v_from uuid;
  v_error text;
  v_before timestamptz;
  v_counts jsonb := '{}';
begin
  if not exists (
      select from private.retentions() r left join private.purges p on p.what = r.what
      where coalesce(p.due_at, '-infinity') <= p_now and to_regclass(r.relation) is not null
        and private.kept_days(r.setting, r.otherwise, r.at_least) is not null)
    or not pg_try_advisory_xact_lock(hashtext('gatelink.purge')) then
    return v_counts;
  end if;
  for v_kept in
    select r.*, p.reached, p.began_at, private.kept_days(r.setting, r.otherwise, r.at_least) as days
    from private.retentions() r left join private.purges p on p.what = r.what
    where coalesce(p.due_at, '-infinity') <= p_now and to_regclass(r.relation) is not null
  loop
    v_before := p_now - make_interval(days => v_kept.days);
    continue when v_before is null;
    v_from := case when v_kept.began_at > p_now - interval '7 days' then v_kept.reached end;
    v_done := 0;
    v_error := null;
    begin
      select s.looked, s.done, s.last into v_looked, v_done, v_last
      from private.purge_slice(v_kept.what, v_kept.relation, v_kept.id, v_kept.condition, v_kept.change,
        case when v_kept.change is not null or v_kept.what = 'contacts' then v_from end, v_before, p_limit) s;
    exception when others then
      -- The next minute is as good, and the others need not wait for it. Health tells.
      v_error := sqlstate;
    end;
    insert into private.purges as p (what, due_at, reached, began_at, rows, error)
    values (v_kept.what, case when v_error is null and v_looked < p_limit then p_now + interval '1 hour' else p_now end,
      case when v_error is not null then v_kept.reached when v_looked < p_limit or v_kept.change is null and v_kept.what <> 'contacts'
        then private.uuid_v7_from(v_before) else v_last end,
      p_now, coalesce(v_done, 0), v_error)
    on conflict on constraint purges_pkey do update set due_at = excluded.due_at, error = excluded.error, rows = p.rows + excluded.rows,
      -- Where rows are deleted it never goes back, though they be kept for longer from now on.
      reached = case when v_kept.change is null and v_kept.what <> 'contacts' then greatest(p.reached, excluded.reached) else excluded.reached end,
      began_at = case when v_from is null then p_now else p.began_at end;
    v_counts := v_counts || jsonb_build_object(v_kept.what, coalesce(v_done, 0));
  end loop;
  insert into private.storage_days (day, bytes) values ((p_now at time zone 'UTC')::date, pg_database_size(current_database()))
  on conflict on constraint storage_days_pkey do nothing;
  perform public.add_counts((
    select coalesce(jsonb_agg(jsonb_build_object('name', 'purged', 'label', c.key, 'n', c.value::bigint)), '[]')
    from jsonb_each_text(v_counts) as c (key, value)));
  return v_counts;
end $$;
comment on function private.purge(timestamptz, integer) is
  'Purges what is older than its retention, at most p_limit rows of each that is due, and says how many of which. For the clock.';

-- The clock ---------------------------------------------------------------------------------------

-- An idle project must not call: each call is paid for. So the clock asks here first, as the pipeline would claim. What has
-- been due for more than a minute was not taken in spite of twenty calls (a kill switch, credentials that are missing): the
-- heartbeat is enough for it. A change of the configuration may let go what waited long.
create function private.pipeline_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_revision bigint;
  v_after timestamptz;
begin
  select r.revision, case when r.changed_at > p_now - interval '1 minute' then '-infinity' else p_now - interval '1 minute' end
  into v_revision, v_after from private.config_now() r;
  return exists (
    select from (select distinct s.channel from public.senders s) k
    where private.on_for_anybody(private.router_flag(k.channel)) and (
      exists (select from public.conversations c
        where c.channel = k.channel and c.unrouted_since > v_after and c.held_revision is null)
      or v_after = '-infinity' and (
        exists (select from public.conversations c
          where c.channel = k.channel and c.unrouted_since is not null and c.held_revision < v_revision)
        or exists (select from public.conversations c
          where c.channel = k.channel and c.unrouted_since is not null and c.held_revision > v_revision))
      or exists (
        select from (
          select d.id, greatest(d.circuit_open_until, case when d.rate_per_second is not null
            then d.rate_tat - make_interval(secs => ((d.rate_burst - 1) / d.rate_per_second)::double precision) end) as opens_at
          from public.destinations d where d.state = 'active') d
        where coalesce(d.opens_at <= p_now, true) and (exists (
          select from private.delivery_lanes l
          where l.destination_id = d.id and l.channel = k.channel and l.due_at <= p_now and l.lease is null
            and l.due_at > case when d.opens_at > v_after then '-infinity' else v_after end)
        or exists (
          select from private.delivery_lanes l
          where l.destination_id = d.id and l.channel = k.channel and l.due_at <= p_now and l.lease is not null
            and l.due_at > case when d.opens_at > v_after then '-infinity' else v_after end)))))
  or exists (
    select from (
      select n.channel, n.id, greatest(n.held_until,
        n.send_tat - make_interval(secs => ((greatest(1, n.max_per_second / 10) - 1) / (n.max_per_second * 0.9))::double precision)) as opens_at
      from public.senders n
      where n.state = 'active' and private.on_for_anybody(private.send_flag(n.channel))) n
    cross join lateral (
      select l.conversation_id from private.outbound_lanes l
      where l.channel = n.channel and l.number_id = n.id and l.due_at <= p_now
        and l.due_at > case when n.opens_at > v_after then '-infinity' else v_after end
      order by l.due_at limit 100) l
    join public.conversations c on c.id = l.conversation_id
    -- Whom the flag holds back is asked about again every few seconds.
    cross join lateral private.evaluate_flag(private.send_flag(n.channel), c.contact_id::text) flag
    where coalesce(n.opens_at <= p_now, true) and flag.value);
end $$;
comment on function private.pipeline_is_due(timestamptz) is
  'Whether a call of wa-router would find something to decide, deliver or send that has become due within a minute, or since the configuration changed within one. For the clock.';

create function private.notifications_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from public.notifications n
    where n.state in ('pending', 'leased') and n.next_attempt_at <= p_now
      and n.next_attempt_at > p_now - interval '10 minutes')
    or private.status_posts_are_due(p_now)
$$;
comment on function private.notifications_are_due(timestamptz) is
  'Whether a notification, or a post to Statuspage, has become due within ten minutes. For the clock.';

create function private.clock_jobs() returns table (name text, every_seconds integer, kind text, target text, due text)
language sql stable set search_path = '' as $$
  select j.name, j.every_seconds, j.kind, j.target, j.due from (values
    ('gatelink_drain', 3, 'http', 'wa-router', 'private.pipeline_is_due(now())'),
    ('gatelink_heartbeat', 30, 'http', 'wa-router', null),
    ('gatelink_notify', 30, 'http', 'flags', 'private.notifications_are_due(now())'),
    ('gatelink_sync_templates', 60, 'http', 'wa-router/templates/sync', 'private.templates_are_due(now())'),
    ('gatelink_purge_storage', 30, 'http', 'email-webhook', 'private.storage_purges_are_due(now())'),
    ('gatelink_judge_accesses', 30, 'http', 'email-track', 'private.accesses_are_due()'),
    ('gatelink_media', 5, 'http', 'wa-media/worker', 'private.media_is_due(now())'),
    ('gatelink_check_texts', 30, 'http', 'sms-webhook/check', 'private.text_check_is_due(now())'),
    ('gatelink_cards', 5, 'http', 'telegram-webhook/edit', 'private.cards_are_due(now())'),
    ('gatelink_analyses', 5, 'http', 'telegram-webhook/edit', 'private.analyses_are_due(now())'),
    ('gatelink_chat_replies', 2, 'http', 'telegram-webhook/replies', 'private.chat_replies_are_due(now())'),
    ('gatelink_oncall', 3, 'http', 'oncall-webhook/work', 'private.oncall_is_due(now())'),
    ('gatelink_text_files', 5, 'http', 'sms-webhook/files', 'private.text_files_are_due(now())'),
    ('gatelink_read_mailboxes', 30, 'http', 'mailboxes', 'private.mailboxes_are_due(now())'),
    ('gatelink_watch', 60, 'sql', 'select private.watch(now())', null),
    ('gatelink_escalate', 60, 'sql', 'select private.escalate_incidents(now())', null),
    ('gatelink_reports', 60, 'sql', 'select private.write_reports(now())', null),
    ('gatelink_notices', 60, 'sql', 'select private.tell_notices(now())', null),
    ('gatelink_announce', 10, 'sql', 'select private.send_announcements(now())', null),
    ('gatelink_campaigns', 2, 'sql', 'select private.send_campaigns(now())', null),
    ('gatelink_purge', 60, 'sql', 'select private.purge(now())', null),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())', null),
    ('gatelink_purge_telegram', 3600, 'sql', 'select private.purge_telegram(now())', null),
    ('gatelink_purge_oncall', 3600, 'sql', 'select private.purge_oncall(now())', null),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())', null),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())', null),
    ('gatelink_release_conversations', 60, 'sql', 'select private.release_conversations(now())', null),
    ('gatelink_release_numbers', 300, 'sql', 'select private.release_numbers(now())', null),
    ('gatelink_watch_pools', 300, 'sql', 'select private.watch_pools(now())', null),
    ('gatelink_org_topics', 60, 'sql', 'select private.note_org_topics(now())', null),
    ('gatelink_org_notices', 60, 'http', 'sms-webhook/notices', 'private.org_notices_are_due(now())'),
    ('gatelink_tidy_destinations', 60, 'sql', 'select private.tidy_destinations(now())', null),
    ('gatelink_judge_analyses', 300, 'sql', 'select private.judge_analyses(now())', null),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())', null),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())', null),
    ('gatelink_environments', 60, 'sql', 'select private.watch_environments(now())', null),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())', null),
    ('gatelink_sample_minutes', 60, 'sql', 'select private.sample_minutes(clock_timestamp())', null),
    ('gatelink_purge_measurements', 3600, 'sql', 'select private.purge_measurements(now())', null)
  ) as j (name, every_seconds, kind, target, due)
  -- A later migration makes these tables, and a team may take them back.
  where (j.name <> 'gatelink_campaigns' or to_regprocedure('private.send_campaigns(timestamptz)') is not null)
    and (j.name <> 'gatelink_media' or to_regclass('public.media_files') is not null)
    and (j.name <> 'gatelink_release_numbers' or to_regclass('public.policy_findings') is not null)
    and (j.name not in ('gatelink_org_topics', 'gatelink_org_notices') or to_regclass('private.org_topics') is not null)
    and (j.name <> 'gatelink_environments' or to_regprocedure('private.watch_environments(timestamptz)') is not null)
    and (j.name <> 'gatelink_watch_pools' or to_regclass('private.pool_states') is not null)
    and (j.name <> 'gatelink_judge_accesses' or to_regprocedure('private.accesses_are_due()') is not null)
    and (j.name <> 'gatelink_read_mailboxes' or to_regclass('private.mailbox_reads') is not null)
    and (j.name <> 'gatelink_check_texts' or to_regclass('private.text_checks') is not null)
    and (j.name not in ('gatelink_cards', 'gatelink_purge_telegram') or to_regclass('private.card_clears') is not null)
    and (j.name not in ('gatelink_analyses', 'gatelink_judge_analyses') or to_regclass('public.analyses') is not null)
    and (j.name <> 'gatelink_chat_replies' or to_regprocedure('private.chat_replies_are_due(timestamptz)') is not null)
    and (j.name not in ('gatelink_oncall', 'gatelink_purge_oncall') or to_regclass('private.oncall_pages') is not null)
    and (j.name <> 'gatelink_text_files' or to_regclass('public.text_files') is not null)
$$;
comment on function private.clock_jobs() is
  'What runs by the clock, once for pg_cron and the local stack: sql is run, http is a POST to that function with a secret key, where due, an expression of SQL, is true or there is none.';

-- On a hosted project: pg_cron runs the jobs, pg_net posts, the address and key come from Vault. Where these
-- extensions do not exist (plain Postgres, the local stack) nothing is scheduled here.
create function private.schedule_clock() returns integer
language plpgsql set search_path = '' as $$
declare
  v_job record;
  v_count integer := 0;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    return 0;
  end if;
  for v_job in select * from private.clock_jobs() loop
    execute format('select cron.schedule(%L, %L, %L)', v_job.name,
      case when v_job.every_seconds < 60 then v_job.every_seconds || ' seconds'
        when v_job.every_seconds < 3600 then format('*/%s * * * *', v_job.every_seconds / 60) else '0 * * * *' end,
      case v_job.kind when 'sql' then v_job.target
        else format('select private.call_function(%L)', v_job.target) || coalesce(' where ' || v_job.due, '') end);
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
comment on function private.schedule_clock() is 'Schedules clock_jobs in pg_cron; answers how many, 0 where there is no pg_cron. Repeating it changes nothing.';

create function private.call_function(p_name text) returns void
language plpgsql set search_path = '' as $$
declare
  v_url text;
  v_key text;
begin
  execute 'select decrypted_secret from vault.decrypted_secrets where name = ''gatelink_url''' into v_url;
  execute 'select decrypted_secret from vault.decrypted_secrets where name = ''gatelink_secret_key''' into v_key;
  if v_url is null or v_key is null then
    raise exception 'the Vault secrets gatelink_url and gatelink_secret_key are not set: see docs/deploy.md';
  end if;
  execute 'select net.http_post(url := $1, headers := $2, body := $3, timeout_milliseconds := 5000)'
  using rtrim(v_url, '/') || '/functions/v1/' || p_name,
    jsonb_build_object('content-type', 'application/json', 'apikey', v_key), '{}'::jsonb;
end $$;
comment on function private.call_function(text) is 'Posts to one of our functions by pg_net, with address and key from Vault (gatelink_url, gatelink_secret_key).';

do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_cron')
    and exists (select from pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_cron;
    create extension if not exists pg_net;
    perform private.schedule_clock();
  end if;
end $$;

-- Proofs ------------------------------------------------------------------------------------------

-- One statement over all, so that the proof is of one snapshot.
create function private.reconcile_counts() returns table (
  received numeric, stored numeric, duplicates numeric, purged numeric, messages_purged numeric, events bigint, event_messages bigint,
  messages bigint, decided bigint, undecided bigint, forgotten bigint, unmatched bigint, wanted numeric,
  deliveries bigint, pending bigint, leased bigint, delivered bigint, dead bigint, compared bigint, stuck bigint, queued_stuck bigint
)
language sql stable set search_path = '' as $$
  with gone as (
    -- Decisions and deliveries of older messages may have been purged.
    select coalesce((select p.reached from private.purges p where p.what = 'routing_decisions'), '00000000-0000-0000-0000-000000000000') as decided,
      coalesce((select p.reached from private.purges p where p.what = 'deliveries'), '00000000-0000-0000-0000-000000000000') as delivered
  ), counted as (
    select coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'received'), 0) as received,
      coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'stored'), 0) as stored,
      coalesce(sum(value) filter (where name = 'webhook_updates' and label = 'duplicate'), 0) as duplicates,
      coalesce(sum(value) filter (where name = 'purged' and label = 'webhook_events'), 0) as purged,
      coalesce(sum(value) filter (where name = 'purged' and label = 'messages'), 0) as messages_purged
    from public.counters
  ), kept as (
    select count(*) as events,
      count(*) filter (where kind = 'message' and number_id is not null) as event_messages
    from public.webhook_events
  ), inbound as (
    select count(*) as messages, count(d.message_id) as decided,
      count(*) filter (where d.message_id is null) as undecided,
      count(*) filter (where d.message_id is null and (c.unrouted_since is null or m.seq <= c.routed_seq) and m.id >= g.decided) as forgotten,
      count(*) filter (where d.reason = 'no_match') as unmatched,
      coalesce(sum(cardinality(d.destination_ids)) filter (where m.id >= greatest(g.decided, g.delivered)), 0) as wanted
    from gone g cross join public.messages m
    join public.conversations c on c.id = m.conversation_id
    left join public.routing_decisions d on d.message_id = m.id
    -- What was imported is routed to nobody.
    where m.direction = 'in' and m.seq > 0
  ), queue as (
    select count(*) as deliveries,
      count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'leased') as leased,
      count(*) filter (where state = 'delivered') as delivered, count(*) filter (where state = 'dead') as dead,
      -- What is forwarded to an inbox, no route decided.
      count(*) filter (where d.message_id >= greatest(g.decided, g.delivered)
        and d.destination_id not in (select t.id from public.destinations t where t.kind = 'inbox')) as compared,
      count(*) filter (where state in ('pending', 'leased') and not exists (
        select from private.delivery_lanes l
        where l.destination_id = d.destination_id and l.conversation_id = d.conversation_id and l.due_at is not null)) as stuck
    from gone g cross join public.deliveries d
  ), outgoing as (
    select count(*) filter (where state in ('queued', 'leased') and not exists (
        select from private.outbound_lanes l where l.conversation_id = o.conversation_id and l.due_at is not null)) as stuck
    from public.outbound_messages o
  )
  select c.received, c.stored, c.duplicates, c.purged, c.messages_purged, k.events, k.event_messages,
    i.messages, i.decided, i.undecided, i.forgotten, i.unmatched, i.wanted,
    q.deliveries, q.pending, q.leased, q.delivered, q.dead, q.compared, q.stuck, o.stuck
  from counted c, kept k, inbound i, queue q, outgoing o
$$;
comment on function private.reconcile_counts() is 'One row: what was received, kept, decided, delivered and is stuck, in one snapshot.';

create function public.reconcile() returns jsonb
language sql stable set search_path = '' as $$
  with counts as materialized (
    select * from private.reconcile_counts()
  ), checks (name, ok, expected, found) as (
    select 'received = stored + duplicates', received = stored + duplicates, received, stored + duplicates from counts
    union all
    select 'stored = events kept + events purged', stored = events + purged, stored, events + purged from counts
    union all
    select 'inbound messages = message events', purged > 0 or messages_purged > 0 or messages = event_messages, event_messages, messages from counts
    union all
    select 'inbound messages = decided + waiting', forgotten = 0, messages, messages - forgotten from counts
    union all
    select 'deliveries = destinations decided', compared = wanted, wanted, compared from counts
    union all
    select 'deliveries = pending + leased + delivered + dead', deliveries = pending + leased + delivered + dead, deliveries,
      pending + leased + delivered + dead from counts
    union all
    select 'each open delivery has a lane that will wake', stuck = 0, 0, stuck from counts
    union all
    select 'each queued outbound message has a lane that will wake', queued_stuck = 0, 0, queued_stuck from counts
  )
  select jsonb_build_object(
    'ok', (select bool_and(ok) from checks),
    'checks', (select jsonb_agg(jsonb_build_object('name', name, 'ok', ok, 'expected', expected, 'found', found)) from checks),
    'updates', (select jsonb_build_object('received', received, 'stored', stored, 'duplicates', duplicates, 'purged', purged) from counts),
    'messages', (select jsonb_build_object('inbound', messages, 'decided', decided, 'waiting', undecided, 'unmatched', unmatched) from counts),
    'deliveries', (select jsonb_build_object('total', deliveries, 'pending', pending, 'leased', leased, 'delivered', delivered, 'dead', dead) from counts))
$$;
comment on function public.reconcile() is 'Proves in one snapshot that nothing was lost: {ok, checks: [{name, ok, expected, found}], updates, messages, deliveries}.';

create function public.status() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return jsonb_build_object(
    'revision', (select revision from private.config_now()),
    'unrouted', (
      select jsonb_build_object('conversations', count(*), 'held_by_flag', count(*) filter (where held_revision is not null),
        'oldest_seconds', round(extract(epoch from now() - min(unrouted_since))))
      from public.conversations where unrouted_since is not null),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'name', d.name, 'url', d.url,
        'state', private.shown_state(d.state, d.circuit_open_until),
        'circuit_open_until', d.circuit_open_until,
        'open', coalesce(q.open, 0), 'oldest_seconds', q.oldest_seconds, 'dead', coalesce(g.dead, 0)) order by d.name), '[]')
      from public.destinations d
      -- Read once for all: asked of each destination, they may be read for each.
      left join (
        select x.destination_id, count(*) as open, round(extract(epoch from now() - min(x.created_at))) as oldest_seconds
        from public.deliveries x where x.state in ('pending', 'leased') group by x.destination_id) q on q.destination_id = d.id
      left join (
        select x.destination_id, count(*) as dead
        from public.deliveries x where x.state = 'dead' and x.dropped_reason is null group by x.destination_id) g on g.destination_id = d.id
      where d.removed_at is null),
    'outbound', (
      select jsonb_build_object('open', count(*), 'oldest_seconds', round(extract(epoch from now() - min(created_at))))
      from public.outbound_messages where state in ('queued', 'leased')),
    'kill_switches', public.list_kill_switches(),
    'rollouts', (
      select coalesce(jsonb_agg(jsonb_build_object('flag_key', r.flag_key, 'state', r.state, 'stage', s.name, 'hold_reason', r.hold_reason,
        'killed_since', private.killed_since(r.flag_key, now()), 'signals', private.signals_seen(r, s, now())) order by r.flag_key), '[]')
      from public.rollouts r join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage
      where r.state in ('running', 'paused')),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', name, 'label', label, 'value', total) order by name, label), '[]')
      from (select c.name, c.label, sum(c.value) as total from public.counters c group by c.name, c.label) t));
end $$;
comment on function public.status() is 'What waits and why: unrouted conversations, each destination''s state and queue, outbound queue, kill switches that are set, rollouts under way and why they wait, counters. For viewers and secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.retentions(),
  private.kept_days(text, integer, integer),
  private.purge(timestamptz, integer),
  private.pipeline_is_due(timestamptz),
  private.notifications_are_due(timestamptz),
  private.clock_jobs(),
  private.reconcile_counts(),
  public.reconcile()
  to service_role;
grant execute on function
  public.status()
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002500');
