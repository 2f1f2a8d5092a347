-- Campaigns for people: made, filled, tested, started, stopped and read.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What people see ---------------------------------------------------------------------------------

create function private.campaign_totals(p_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.what, t.n), '{}') from (
    select c.what, sum(c.n)::bigint as n from private.campaign_counts c
    where c.campaign_id = p_id and c.hour > '-infinity' group by c.what having sum(c.n) <> 0) t
$$;
comment on function private.campaign_totals(uuid) is 'What was counted in a campaign, {what: n}.';

create function private.campaign_waits(p_campaign public.campaigns, p_now timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_sender public.senders;
begin
  if p_campaign.state <> 'sending' then
    return null;
  elsif p_campaign.start_at > p_now then
    return 'start_at';
  end if;
  select * into v_sender from public.senders s where s.channel = 'email' and s.id = p_campaign.from_email;
  return case when v_sender.id is null then 'sender_gone' when v_sender.state <> 'active' then 'sender_paused'
    when v_sender.held_since is not null then 'sender_held'
    when not private.on_for_anybody(private.send_flag('email')) then 'feature_off'
    when (private.inbox_for(null, p_campaign.from_email)).state = 'unverified' then 'identity_unverified' end;
end $$;
comment on function private.campaign_waits(public.campaigns, timestamptz) is
  'Why a campaign that is being sent makes no messages: start_at (it begins later), sender_gone, sender_paused, sender_held (the provider refuses its account), feature_off (email_send.enabled) or identity_unverified; null if it makes them.';

create function private.campaign_view(p_campaign public.campaigns) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_counts jsonb := private.campaign_totals(p_campaign.id);
  v_sent numeric := nullif((v_counts ->> 'sent')::numeric, 0);
  v_delivered numeric := nullif((v_counts ->> 'delivered')::numeric, 0);
begin
  return to_jsonb(p_campaign) - array['html', 'text', 'otherwise'] || jsonb_build_object(
    'start_at', case when isfinite(p_campaign.start_at) then p_campaign.start_at end,
    'waits', private.campaign_waits(p_campaign, clock_timestamp()),
    'counts', v_counts,
    'rates', jsonb_build_object(
      'delivered', round(coalesce((v_counts ->> 'delivered')::numeric, 0) / v_sent, 4),
      'bounced', round(coalesce((v_counts ->> 'bounced')::numeric, 0) / v_sent, 4),
      'complained', round(coalesce((v_counts ->> 'complained')::numeric, 0) / v_delivered, 4),
      'unsubscribed', round(coalesce((v_counts ->> 'unsubscribed')::numeric, 0) / v_delivered, 4),
      'replied', round(coalesce((v_counts ->> 'replied')::numeric, 0) / v_delivered, 4),
      'opened', round(coalesce((v_counts ->> 'opened_human')::numeric, 0) / v_delivered, 4),
      'clicked', round(coalesce((v_counts ->> 'clicked_human')::numeric, 0) / v_delivered, 4),
      'clicked_of_opened', round(coalesce((v_counts ->> 'clicked_human')::numeric, 0) / nullif((v_counts ->> 'opened_human')::numeric, 0), 4)));
end $$;
comment on function private.campaign_view(public.campaigns) is
  'A campaign with its figures: {…, waits, counts: {what: n}, rates: {delivered, bounced (of what was sent), complained, unsubscribed, replied, opened and clicked (people alone; of what was delivered), clicked_of_opened}; null where nothing was}.';

create function private.campaign_at(p_id uuid, p_expected_version bigint, p_states text[]) returns public.campaigns
language plpgsql volatile set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
  select * into v_campaign from public.campaigns c where c.id = p_id for update;
  if v_campaign.id is null then
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  elsif p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  elsif v_campaign.version <> p_expected_version then
    raise exception 'the campaign is at version %, not %', v_campaign.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  elsif v_campaign.state <> all (p_states) then
    raise exception 'the campaign is %', case v_campaign.state when 'sending' then 'being sent' when 'draft' then 'a draft' else v_campaign.state end
      using errcode = 'GL409', hint = 'A draft is started, what is being sent is stopped, what is stopped goes on or is cancelled.';
  end if;
  return v_campaign;
end $$;
comment on function private.campaign_at(uuid, bigint, text[]) is 'Locks a campaign that is at this version and in one of these states; GL404, GL409 or GL422 when it is not.';

-- For people --------------------------------------------------------------------------------------

create function private.refuse_campaign(p_campaign jsonb, p_keys text[]) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_other jsonb := nullif(p_campaign -> 'otherwise', 'null');
begin
  if not private.object_keys_within(p_campaign, p_keys)
    or exists (
      select from jsonb_each(p_campaign) e
      where e.key in ('name', 'from', 'subject', 'html', 'text', 'flag_key', 'track', 'start_at') and jsonb_typeof(e.value) not in ('string', 'null'))
    or p_campaign ? 'per_minute' and not private.is_number(p_campaign -> 'per_minute', 6, 12000, 0)
    or exists (
      select from jsonb_each(p_campaign) e
      where e.key in ('bounce_limit', 'complaint_limit') and not private.is_number(e.value, 0, 1, 6))
    or p_campaign ->> 'start_at' is not null and not pg_input_is_valid(p_campaign ->> 'start_at', 'timestamptz')
    or v_other is not null and (not private.object_keys_within(v_other, array['subject', 'html', 'text'])
      or exists (select from jsonb_each(v_other) e where jsonb_typeof(e.value) <> 'string')) then
    raise exception 'this cannot be a campaign' using errcode = 'GL422',
      hint = '{name, from, subject, html, text, flag_key, otherwise: {subject, html, text}, track (off, aggregate or individual), per_minute (6 to 12000), bounce_limit, complaint_limit, start_at}; html, text or both';
  elsif p_campaign ->> 'flag_key' is not null and not exists (
    select from public.settings s where s.key = p_campaign ->> 'flag_key' and s.key like '%.enabled') then
    raise exception 'there is no flag %', p_campaign ->> 'flag_key' using errcode = 'GL404', hint = 'gatelink flags list';
  elsif regexp_replace(concat_ws(' ', p_campaign ->> 'subject', p_campaign ->> 'html', p_campaign ->> 'text',
      v_other ->> 'subject', v_other ->> 'html', v_other ->> 'text'), private.placeholder(), '', 'g') ~ '\{\{' then
    raise exception 'a placeholder is not understood' using errcode = 'GL422',
      hint = '{{name}} or {{name|otherwise}}; a name consists of lower-case letters, digits and _.';
  end if;
end $$;
comment on function private.refuse_campaign(jsonb, text[]) is 'GL422 where members of a campaign cannot be or are none of these, GL404 where its flag is not there.';

create function public.create_campaign(p_campaign jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_made public.campaigns;
  v_from text := coalesce(lower(p_campaign ->> 'from'), (private.inbox_for(null, null)).from_email);
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  perform private.refuse_campaign(p_campaign, array['name', 'from', 'subject', 'html', 'text', 'flag_key', 'otherwise', 'track', 'per_minute',
    'bounce_limit', 'complaint_limit', 'start_at']);
  if not exists (select from public.senders s where s.channel = 'email' and s.id = v_from) then
    raise exception 'there is no such identity' using errcode = 'GL404', hint = 'gatelink email identities list';
  end if;
  insert into public.campaigns (name, from_email, subject, html, text, flag_key, otherwise, track, per_minute, bounce_limit, complaint_limit, start_at)
  values (btrim(coalesce(p_campaign ->> 'name', '')), v_from, btrim(coalesce(p_campaign ->> 'subject', '')), p_campaign ->> 'html',
    p_campaign ->> 'text', p_campaign ->> 'flag_key', nullif(p_campaign -> 'otherwise', 'null'), p_campaign ->> 'track', coalesce((p_campaign ->> 'per_minute')::integer, 600),
    coalesce((p_campaign ->> 'bounce_limit')::numeric, 0.05), coalesce((p_campaign ->> 'complaint_limit')::numeric, 0.001),
    coalesce((p_campaign ->> 'start_at')::timestamptz, '-infinity'))
  returning * into v_made;
  return private.campaign_view(v_made);
end $$;
comment on function public.create_campaign(jsonb) is
  'Makes a draft {name, from (an identity; the default one without), subject, html, text, flag_key, otherwise: {subject, html, text} (for those without the flag, who get nothing without it), track (off, aggregate or individual; the setting email.track_campaigns without), per_minute, bounce_limit, complaint_limit, start_at} and answers it. For operators and secret keys. Errors: 42501, GL404 no such identity or flag, GL422 and 23514 what cannot be.';

-- Repeating a chunk adds nobody twice, so an upload that broke off is just begun again.
create function public.add_campaign_recipients(p_id uuid, p_recipients jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' set jit = off as $$
declare
  v_given integer;
  v_fit integer;
  v_added integer;
  v_suppressed integer;
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  if jsonb_typeof(p_recipients) <> 'array' or jsonb_array_length(p_recipients) > 20000 then
    raise exception 'recipients are a list of at most 20000' using errcode = 'GL422', hint = '[{to, fields: {name: value}}]';
  end if;
  perform from public.campaigns c where c.id = p_id and c.state in ('draft', 'stopped') for share;
  if not found then
    if exists (select from public.campaigns c where c.id = p_id) then
      raise exception 'recipients are added to a draft, or while it is stopped' using errcode = 'GL409', hint = 'gatelink campaign stop';
    end if;
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  end if;
  v_given := jsonb_array_length(p_recipients);
  -- Bounded repetitions would cost more than all the rest.
  with fit as materialized (
    select lower(btrim(g."to")) as address, case when jsonb_typeof(g.fields) = 'object' then g.fields else '{}' end as fields
    from jsonb_to_recordset(p_recipients) as g ("to" text, fields jsonb)
    where btrim(g."to") ~ '^[^@[:space:]<>]+@[^@[:space:]<>]+$' and length(g."to") <= 250 and strpos(btrim(g."to"), '@') <= 65
  ), added as (
    insert into public.campaign_recipients (campaign_id, address, fields)
    select p_id, f.address, f.fields from fit f
    on conflict on constraint campaign_recipients_once do nothing
    returning address
  )
  select (select count(*) from fit), count(*), count(*) filter (where exists (select from public.suppressions s where s.address = a.address))
  into v_fit, v_added, v_suppressed from added a;
  -- Last, because uploads beside this one wait for the row.
  insert into private.campaign_counts as c (campaign_id, hour, what, n)
  select p_id, date_trunc('hour', clock_timestamp(), 'UTC'), 'recipients', v_added where v_added > 0
  on conflict on constraint campaign_counts_pkey do update set n = c.n + excluded.n;
  return jsonb_build_object('added', v_added, 'duplicates', v_fit - v_added, 'invalid', v_given - v_fit, 'suppressed', v_suppressed);
end $$;
comment on function public.add_campaign_recipients(uuid, jsonb) is
  'Adds recipients [{to, fields: {name: value}}], at most 20000 at once, to a draft or while it is stopped: {added, duplicates (they were there), invalid (no address), suppressed (of those added: they will be left out)}. For operators and secret keys. Errors: 42501, GL404, GL409, GL422.';

create function public.test_campaign(p_id uuid, p_to text, p_fields jsonb default '{}', p_otherwise boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
  v_message jsonb;
  v_to text := lower(btrim(p_to));
  v_answer jsonb;
  v_track text;
begin
  perform private.require_role('operator');
  select * into v_campaign from public.campaigns c where c.id = p_id;
  if v_campaign.id is null then
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  elsif coalesce(v_to, '') !~ '^[^@[:space:]<>]{1,64}@[^@[:space:]<>]{1,185}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  -- As the campaign's mails; the mail itself is none of them.
  v_track := coalesce(v_campaign.track, (select s.value from public.settings s where s.key = 'email.track_campaigns'), 'aggregate');
  v_message := private.campaign_words(v_campaign, coalesce(p_fields, '{}'), case when p_otherwise then 'off' end) || jsonb_strip_nulls(jsonb_build_object('type', 'email', 'bulk', true, 'track', v_track));
  v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'email', 'to', v_to,
    'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_to)), 'number_id', v_campaign.from_email,
    'message', v_message, 'text', coalesce(v_message ->> 'text', v_message ->> 'subject'))), clock_timestamp()) -> 0;
  if v_answer ? 'error' then
    raise exception 'the test cannot be sent: %', v_answer ->> 'error' using errcode = 'GL409';
  end if;
  return jsonb_build_object('message_id', v_answer -> 'id');
end $$;
comment on function public.test_campaign(uuid, text, jsonb, boolean) is
  'Sends the mail of a campaign to one address, with these values of its placeholders; p_otherwise sends what those without the flag get. It is counted nowhere. Answers {message_id}. For operators and secret keys. Errors: 42501, GL404, GL409 it may not be sent (suppressed, feature_off, …), GL422 no address.';

create function public.start_campaign(p_id uuid, p_expected_version bigint, p_changes jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  perform private.refuse_campaign(p_changes, array['per_minute', 'bounce_limit', 'complaint_limit', 'start_at']);
  v_campaign := private.campaign_at(p_id, p_expected_version, array['draft', 'stopped']);
  if not exists (select from public.campaign_recipients r where r.campaign_id = p_id and r.state = 'pending') then
    raise exception 'there is nobody to send it to' using errcode = 'GL409', hint = 'gatelink campaign add';
  end if;
  update public.campaigns c
  set state = 'sending', started_at = coalesce(c.started_at, clock_timestamp()), version = c.version + 1,
    stopped_because = null, stopped_by = null,
    per_minute = coalesce((p_changes ->> 'per_minute')::integer, c.per_minute),
    bounce_limit = coalesce((p_changes ->> 'bounce_limit')::numeric, c.bounce_limit),
    complaint_limit = coalesce((p_changes ->> 'complaint_limit')::numeric, c.complaint_limit),
    start_at = coalesce((p_changes ->> 'start_at')::timestamptz, c.start_at)
  where c.id = p_id returning c.* into v_campaign;
  return private.campaign_view(v_campaign);
end $$;
comment on function public.start_campaign(uuid, bigint, jsonb) is
  'Sends a draft from its start_at on, or goes on with one that was stopped, if it is at the version that was read; p_changes {per_minute, bounce_limit, complaint_limit, start_at} apply from then on. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, it is under way or over, or nobody is left, GL422 and 23514 what cannot be.';

create function public.stop_campaign(p_id uuid, p_expected_version bigint, p_reason text default null, p_cancel boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
  perform private.refuse_older_code();
  perform private.require_role('operator');
  perform private.campaign_at(p_id, p_expected_version, case when p_cancel then array['draft', 'sending', 'stopped'] else array['sending'] end);
  update public.campaigns c
  set state = case when p_cancel then 'cancelled' else 'stopped' end, stopped_at = clock_timestamp(), stopped_by = private.actor(),
    stopped_because = private.given_reason(p_reason), version = c.version + 1
  where c.id = p_id returning c.* into v_campaign;
  return private.campaign_view(v_campaign);
end $$;
comment on function public.stop_campaign(uuid, bigint, text, boolean) is
  'Stops a campaign; with p_cancel for good. What is queued already, ten seconds'' worth at most, still goes. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, or it is not under way.';

create function public.list_campaigns(p_limit integer default 50, p_filter jsonb default '{}') returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.campaign_view(c) order by c.id desc), '[]')
    from (
      select * from public.campaigns x
      where (p_filter ->> 'before' is null or x.id < (p_filter ->> 'before')::uuid)
        and (p_filter ->> 'search' is null or strpos(lower(concat_ws(' ', x.name, x.subject)), lower(p_filter ->> 'search')) > 0)
      order by x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 200)) c);
end $$;
comment on function public.list_campaigns(integer, jsonb) is
  'Campaigns with their figures, latest first, at most 200. Filter: any of search (part of the name or subject) and before (the id of the last of the page before). For viewers and secret keys.';

create function public.read_campaign(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_campaign public.campaigns;
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  select * into v_campaign from public.campaigns c where c.id = p_id;
  if v_campaign.id is null then
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  end if;
  return private.campaign_view(v_campaign) || jsonb_build_object('html', v_campaign.html, 'text', v_campaign.text, 'otherwise', v_campaign.otherwise,
    'hours', (
      select coalesce(jsonb_agg(jsonb_build_object('hour', h.hour, 'counts', h.counts) order by h.hour), '[]')
      from (
        select k.hour, jsonb_object_agg(k.what, k.n) as counts from private.campaign_counts k
        where k.campaign_id = p_id and k.hour > '-infinity' group by k.hour order by k.hour limit 1000) h),
    'links', (
      select coalesce(jsonb_agg(jsonb_build_object('link', l.link, 'clicks', l.n, 'human', l.human) order by l.human desc, l.n desc, l.link), '[]')
      from (
        select substr(k.what, length(split_part(k.what, ':', 2)) + 7) as link, sum(k.n) as n, coalesce(sum(k.n) filter (where k.what like 'link:human:%'), 0) as human
        from private.campaign_counts k where k.campaign_id = p_id and k.hour = '-infinity' and k.what like 'link:%' group by 1
        having sum(k.n) > 0 order by 3 desc, 2 desc, 1 limit 200) l),
    'clients', (
      select coalesce(jsonb_agg(jsonb_build_object('client', l.client, 'events', l.n, 'human', l.human) order by l.human desc, l.n desc, l.client), '[]')
      from (
        select substr(k.what, length(split_part(k.what, ':', 2)) + 9) as client, sum(k.n) as n, coalesce(sum(k.n) filter (where k.what like 'client:human:%'), 0) as human
        from private.campaign_counts k where k.campaign_id = p_id and k.hour = '-infinity' and k.what like 'client:%' group by 1
        having sum(k.n) > 0 order by 3 desc, 2 desc, 1 limit 50) l));
end $$;
comment on function public.read_campaign(uuid) is
  'A campaign with its words and figures: {…, html, text, otherwise, hours: [{hour, counts}], links: [{link, clicks, human}], clients: [{client, events, human}]}. For viewers and secret keys. GL404 where there is none.';

create function public.list_campaign_recipients(p_id uuid, p_after bigint default 0, p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.sees_whole();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'address', case when v_whole then r.address else private.without_local_part(r.address) end,
      'state', r.state, 'arm', r.arm, 'why', r.why, 'message_id', r.message_id, 'at', r.at, 'sent', r.told & 1 > 0, 'delivered', r.told & 2 > 0,
      'bounced', r.told & 4 > 0, 'complained', r.told & 8 > 0, 'unsubscribed', r.told & 16 > 0, 'replied', r.told & 32 > 0,
      'failed', r.told & 64 > 0, 'opened', r.told & 128 > 0, 'opened_human', r.told & 256 > 0, 'clicked', r.told & 512 > 0,
      'clicked_human', r.told & 1024 > 0) order by r.id), '[]')
    from (
      select * from public.campaign_recipients x where x.campaign_id = p_id and x.id > coalesce(p_after, 0)
      order by x.campaign_id, x.id limit least(greatest(coalesce(p_limit, 100), 1), 5000)) r);
end $$;
comment on function public.list_campaign_recipients(uuid, bigint, integer) is
  'A page of the recipients of a campaign after an id: [{id, address (cut for viewers), state, arm, why, message_id, at, sent, delivered, bounced, complained, unsubscribed, replied, failed, opened, opened_human, clicked, clicked_human}]; at most 5000. For viewers and secret keys.';

-- On record ---------------------------------------------------------------------------------------

create trigger record after insert or delete on public.campaigns for each row
  execute function private.record_change('campaign', 'name', 'id', 'state');
comment on trigger record on public.campaigns is 'Who made it.';
create trigger record_change after update of state on public.campaigns for each row
  when (old.state is distinct from new.state)
  execute function private.record_change('campaign', 'name', 'id', 'state', 'per_minute', 'bounce_limit', 'complaint_limit', 'stopped_because');
comment on trigger record_change on public.campaigns is 'Who started and stopped it.';

call private.close_functions();
grant execute on function
  private.campaign_totals(uuid),
  private.campaign_waits(public.campaigns, timestamptz),
  private.campaign_view(public.campaigns),
  private.campaign_at(uuid, bigint, text[]),
  private.refuse_campaign(jsonb, text[])
  to service_role;
grant execute on function
  public.create_campaign(jsonb),
  public.add_campaign_recipients(uuid, jsonb),
  public.test_campaign(uuid, text, jsonb, boolean),
  public.start_campaign(uuid, bigint, jsonb),
  public.stop_campaign(uuid, bigint, text, boolean),
  public.list_campaigns(integer, jsonb),
  public.read_campaign(uuid),
  public.list_campaign_recipients(uuid, bigint, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002811');
