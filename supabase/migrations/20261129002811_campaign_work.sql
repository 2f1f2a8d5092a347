-- Campaigns: made, filled, started and stopped by people, sent by the clock.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- What people see ---------------------------------------------------------------------------------

create function private.campaign_view(p_campaign public.campaigns) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_counts jsonb := private.campaign_totals(p_campaign.id);
  v_sent numeric := nullif((v_counts ->> 'sent')::numeric, 0);
  v_delivered numeric := nullif((v_counts ->> 'delivered')::numeric, 0);
begin
  return to_jsonb(p_campaign) - 'html' - 'text' || jsonb_build_object(
    'start_at', case when isfinite(p_campaign.start_at) then p_campaign.start_at end,
    'counts', v_counts,
    'rates', jsonb_build_object(
      'delivered', round(coalesce((v_counts ->> 'delivered')::numeric, 0) / v_sent, 4),
      'bounced', round(coalesce((v_counts ->> 'bounced')::numeric, 0) / v_sent, 4),
      'complained', round(coalesce((v_counts ->> 'complained')::numeric, 0) / v_delivered, 4),
      'unsubscribed', round(coalesce((v_counts ->> 'unsubscribed')::numeric, 0) / v_delivered, 4),
      'replied', round(coalesce((v_counts ->> 'replied')::numeric, 0) / v_delivered, 4)));
end $$;
comment on function private.campaign_view(public.campaigns) is 'A campaign with its figures: {…, counts: {what: n}, rates: {delivered, bounced (of what was sent), complained, unsubscribed, replied (of what was delivered)}; null where nothing was}.';

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
    raise exception 'the campaign is %', v_campaign.state
      using errcode = 'GL409', hint = 'A draft is started, what is being sent is stopped, what is stopped goes on or is cancelled.';
  end if;
  return v_campaign;
end $$;
comment on function private.campaign_at(uuid, bigint, text[]) is 'Locks a campaign that is at this version and in one of these states; GL404, GL409 or GL422 when it is not.';

-- For people --------------------------------------------------------------------------------------

create function public.create_campaign(p_campaign jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_made public.campaigns;
  v_from text := coalesce(lower(p_campaign ->> 'from'), (private.inbox_for(null, null)).from_email);
begin
  perform private.require_role('operator');
  if not private.object_keys_within(p_campaign, array['name', 'from', 'subject', 'html', 'text', 'flag_key', 'per_minute', 'bounce_limit', 'complaint_limit', 'start_at'])
    or exists (
      select from jsonb_each(p_campaign) e
      where e.key in ('name', 'from', 'subject', 'html', 'text', 'flag_key', 'start_at') and jsonb_typeof(e.value) not in ('string', 'null'))
    or p_campaign ? 'per_minute' and not private.is_number(p_campaign -> 'per_minute', 6, 60000, 0)
    or p_campaign ->> 'start_at' is not null and not pg_input_is_valid(p_campaign ->> 'start_at', 'timestamptz') then
    raise exception 'this cannot be a campaign' using errcode = 'GL422',
      hint = '{name, from, subject, html, text, flag_key, per_minute (6 to 60000), bounce_limit, complaint_limit, start_at}; html, text or both';
  elsif not exists (select from public.senders s where s.channel = 'email' and s.id = v_from) then
    raise exception 'there is no such identity' using errcode = 'GL404', hint = 'gatelink email identities list';
  elsif p_campaign ->> 'flag_key' is not null and not exists (
    select from public.settings s where s.key = p_campaign ->> 'flag_key' and s.key like '%.enabled') then
    raise exception 'there is no flag %', p_campaign ->> 'flag_key' using errcode = 'GL404', hint = 'gatelink flags list';
  elsif regexp_replace(concat_ws(' ', p_campaign ->> 'subject', p_campaign ->> 'html', p_campaign ->> 'text'), private.placeholder(), '', 'g') ~ '\{\{' then
    raise exception 'a placeholder is not understood' using errcode = 'GL422',
      hint = '{{name}} or {{name|otherwise}}; a name is of lower-case letters, digits and _.';
  end if;
  insert into public.campaigns (name, from_email, subject, html, text, flag_key, per_minute, bounce_limit, complaint_limit, start_at)
  values (btrim(coalesce(p_campaign ->> 'name', '')), v_from, btrim(coalesce(p_campaign ->> 'subject', '')), p_campaign ->> 'html',
    p_campaign ->> 'text', p_campaign ->> 'flag_key', coalesce((p_campaign ->> 'per_minute')::integer, 600),
    coalesce((p_campaign ->> 'bounce_limit')::numeric, 0.05), coalesce((p_campaign ->> 'complaint_limit')::numeric, 0.001),
    coalesce((p_campaign ->> 'start_at')::timestamptz, '-infinity'))
  returning * into v_made;
  return private.campaign_view(v_made);
end $$;
comment on function public.create_campaign(jsonb) is
  'Makes a draft {name, from (an identity; the default one without), subject, html, text, flag_key, per_minute, bounce_limit, complaint_limit, start_at} and answers it. For operators and secret keys. Errors: 42501, GL404 no such identity or flag, GL422 and 23514 what cannot be.';

-- Repeating a chunk adds nobody twice, so an upload that broke off is just begun again.
create function public.add_campaign_recipients(p_id uuid, p_recipients jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_given integer;
  v_fit integer;
  v_added integer;
  v_suppressed integer;
  v_now timestamptz := clock_timestamp();
begin
  perform private.require_role('operator');
  if jsonb_typeof(p_recipients) <> 'array' or jsonb_array_length(p_recipients) > 20000 then
    raise exception 'recipients are a list of at most 20000' using errcode = 'GL422', hint = '[{to, fields: {name: value}}]';
  end if;
  perform from public.campaigns c where c.id = p_id and c.state in ('draft', 'stopped') for share;
  if not found then
    if exists (select from public.campaigns c where c.id = p_id) then
      raise exception 'recipients are added to a draft, or while it is stopped' using errcode = 'GL409';
    end if;
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  end if;
  with given as (
    select lower(btrim(g.recipient ->> 'to')) as address, g.recipient -> 'fields' as fields
    from jsonb_array_elements(p_recipients) as g (recipient)
  ), fit as materialized (
    select g.address, case when jsonb_typeof(g.fields) = 'object' then g.fields else '{}' end as fields
    from given g where g.address ~ '^[^@[:space:]<>]{1,64}@[^@[:space:]<>]{1,185}$'
  ), added as (
    insert into public.campaign_recipients (campaign_id, address, fields)
    select p_id, f.address, f.fields from fit f
    on conflict on constraint campaign_recipients_once do nothing
    returning address
  )
  select (select count(*) from given), (select count(*) from fit), count(*),
    count(*) filter (where exists (select from public.suppressions s where s.address = a.address))
  into v_given, v_fit, v_added, v_suppressed from added a;
  perform private.count_campaign(p_id, 'recipients', v_added, v_now);
  return jsonb_build_object('added', v_added, 'duplicates', v_fit - v_added, 'invalid', v_given - v_fit, 'suppressed', v_suppressed);
end $$;
comment on function public.add_campaign_recipients(uuid, jsonb) is
  'Adds recipients [{to, fields: {name: value}}], at most 20000 at once, to a draft or while it is stopped: {added, duplicates (they were there), invalid (no address), suppressed (of those added: they will be left out)}. For operators and secret keys. Errors: 42501, GL404, GL409, GL422.';

create function public.test_campaign(p_id uuid, p_to text, p_fields jsonb default '{}') returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
  v_message jsonb;
  v_to text := lower(btrim(p_to));
  v_answer jsonb;
begin
  perform private.require_role('operator');
  select * into v_campaign from public.campaigns c where c.id = p_id;
  if v_campaign.id is null then
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  elsif coalesce(v_to, '') !~ '^[^@[:space:]<>]{1,64}@[^@[:space:]<>]{1,185}$' then
    raise exception 'this is no address' using errcode = 'GL422';
  end if;
  v_message := private.campaign_message(v_campaign, p_fields, false);
  v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'email', 'to', v_to,
    'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_to)), 'number_id', v_campaign.from_email,
    'message', v_message, 'text', coalesce(v_message ->> 'text', v_message ->> 'subject'))), clock_timestamp()) -> 0;
  if v_answer ? 'error' then
    raise exception 'the test cannot be sent: %', v_answer ->> 'error' using errcode = 'GL409';
  end if;
  return jsonb_build_object('message_id', v_answer -> 'id');
end $$;
comment on function public.test_campaign(uuid, text, jsonb) is
  'Sends the mail of a campaign to one address, with these values of its placeholders; it is counted nowhere. Answers {message_id}. For operators and secret keys. Errors: 42501, GL404, GL409 it may not be sent (suppressed, feature_off, …), GL422 no address.';

create function public.start_campaign(p_id uuid, p_expected_version bigint) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
  perform private.require_role('operator');
  v_campaign := private.campaign_at(p_id, p_expected_version, array['draft', 'stopped']);
  if not exists (select from public.campaign_recipients r where r.campaign_id = p_id and r.state = 'pending') then
    raise exception 'there is nobody to send it to' using errcode = 'GL409', hint = 'gatelink campaign recipients';
  end if;
  update public.campaigns c
  set state = 'sending', started_at = coalesce(c.started_at, clock_timestamp()), version = c.version + 1,
    stopped_because = null, stopped_by = null
  where c.id = p_id returning c.* into v_campaign;
  return private.campaign_view(v_campaign);
end $$;
comment on function public.start_campaign(uuid, bigint) is
  'Sends a draft from its start_at on, or goes on with one that was stopped, if it is at the version that was read. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, it is under way or over, or nobody is left.';

create function public.stop_campaign(p_id uuid, p_expected_version bigint, p_reason text default null, p_cancel boolean default false) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
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

create function public.list_campaigns(p_limit integer default 50, p_before uuid default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.campaign_view(c) order by c.id desc), '[]')
    from (
      select * from public.campaigns x where p_before is null or x.id < p_before
      order by x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 200)) c);
end $$;
comment on function public.list_campaigns(integer, uuid) is 'Campaigns with their figures, latest first, at most 200; p_before is the id of the last of the page before. For viewers and secret keys.';

create function public.read_campaign(p_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_campaign public.campaigns;
begin
  perform private.require_role('viewer');
  select * into v_campaign from public.campaigns c where c.id = p_id;
  if v_campaign.id is null then
    raise exception 'there is no such campaign' using errcode = 'GL404', hint = 'gatelink campaign list';
  end if;
  return private.campaign_view(v_campaign) || jsonb_build_object('html', v_campaign.html, 'text', v_campaign.text, 'hours', (
    select coalesce(jsonb_agg(jsonb_build_object('hour', h.hour, 'counts', h.counts) order by h.hour), '[]')
    from (
      select n.hour, jsonb_object_agg(n.what, n.n) as counts
      from (
        select k.hour, k.what, sum(k.n)::bigint as n from private.campaign_counts k where k.campaign_id = p_id group by k.hour, k.what) n
      group by n.hour order by n.hour limit 1000) h));
end $$;
comment on function public.read_campaign(uuid) is 'A campaign with its words, its figures, and what happened in which hour: {…, html, text, hours: [{hour, counts}]}. For viewers and secret keys. GL404 where there is none.';

create function public.list_campaign_recipients(p_id uuid, p_after bigint default 0, p_limit integer default 100) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.sees_whole();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'address', case when v_whole then r.address else private.without_local_part(r.address) end,
      'state', r.state, 'why', r.why, 'message_id', r.message_id, 'at', r.at, 'sent', r.told & 1 > 0, 'delivered', r.told & 2 > 0,
      'bounced', r.told & 4 > 0, 'complained', r.told & 8 > 0, 'unsubscribed', r.told & 16 > 0, 'replied', r.told & 32 > 0,
      'failed', r.told & 64 > 0) order by r.id), '[]')
    from (
      select * from public.campaign_recipients x where x.campaign_id = p_id and x.id > coalesce(p_after, 0)
      order by x.campaign_id, x.id limit least(greatest(coalesce(p_limit, 100), 1), 5000)) r);
end $$;
comment on function public.list_campaign_recipients(uuid, bigint, integer) is
  'A page of the recipients of a campaign after an id: [{id, address (cut for viewers), state, why, message_id, at, sent, delivered, bounced, complained, unsubscribed, replied, failed}]; at most 5000. For viewers and secret keys.';

-- Sending -----------------------------------------------------------------------------------------

create function private.send_campaign_to(p_campaign public.campaigns, p_recipient public.campaign_recipients, p_now timestamptz) returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_message jsonb;
  v_answer jsonb;
  v_why text;
  v_waits boolean;
begin
  if p_campaign.flag_key is not null
    and not (select f.value from private.evaluate_flag(p_campaign.flag_key, coalesce(p_recipient.fields ->> 'user_id', p_recipient.address)) f) then
    v_why := 'not_in_arm';
  else
    v_message := private.campaign_message(p_campaign, p_recipient.fields, true);
    -- The key makes it one mail, whatever is repeated.
    v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_build_object('channel', 'email', 'to', p_recipient.address,
      'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', p_recipient.address)),
      'number_id', p_campaign.from_email, 'idempotency_key', format('campaign:%s:%s', p_campaign.id, p_recipient.id),
      'message', v_message, 'text', coalesce(v_message ->> 'text', v_message ->> 'subject'))), p_now) -> 0;
    v_why := v_answer ->> 'error';
  end if;
  v_waits := coalesce(v_why in ('feature_off', 'identity_unverified'), false);
  update public.campaign_recipients r
  set state = case when v_waits then 'pending' when v_why is null then 'queued' else 'left_out' end, why = v_why,
    message_id = (v_answer ->> 'id')::uuid, next_at = case when v_waits then p_now + interval '1 minute' else r.next_at end,
    at = case when not v_waits then p_now end
  where r.id = p_recipient.id;
  return case when v_waits then 'waits' when v_why is null then 'queued' else 'left_out:' || v_why end;
end $$;
comment on function private.send_campaign_to(public.campaigns, public.campaign_recipients, timestamptz) is
  'Makes the message of a recipient, or writes down why not: queued, left_out:<why>, or waits (sending is off, or the identity is not verified).';

-- A handful of early bounces says nothing: the shares count from 100 that were sent, complaints from two on.
create function private.campaign_fault(p_campaign public.campaigns) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_counts jsonb := private.campaign_totals(p_campaign.id);
  v_sent numeric := coalesce((v_counts ->> 'sent')::numeric, 0);
  v_delivered numeric := coalesce((v_counts ->> 'delivered')::numeric, 0);
  v_bounced numeric := coalesce((v_counts ->> 'bounced')::numeric, 0);
  v_complained numeric := coalesce((v_counts ->> 'complained')::numeric, 0);
begin
  return case
    when v_sent >= 100 and v_bounced > v_sent * p_campaign.bounce_limit then format('%s of %s bounced', v_bounced, v_sent)
    when v_delivered >= 100 and v_complained >= 2 and v_complained > v_delivered * p_campaign.complaint_limit
      then format('%s of %s complained', v_complained, v_delivered) end;
end $$;
comment on function private.campaign_fault(public.campaigns) is 'Why a campaign must stop by its limits; null if it need not.';

-- Failure policy: what goes wrong with one recipient is written down and leaves the others alone.
create function private.send_campaigns(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' set lock_timeout = '1s' as $$
declare
  v_campaign public.campaigns;
  v_recipient public.campaign_recipients;
  v_sender public.senders;
  v_fault text;
  v_batch integer;
  v_open integer;
  v_became text;
  v_counts jsonb;
  v_count integer := 0;
begin
  perform private.fold_campaign_counts();
  for v_campaign in
    select * from public.campaigns c where c.state = 'sending' and c.start_at <= p_now order by c.start_at, c.id for update skip locked
  loop
    v_fault := private.campaign_fault(v_campaign);
    if v_fault is not null then
      update public.campaigns c set state = 'stopped', stopped_at = p_now, stopped_by = 'limits', stopped_because = v_fault, version = c.version + 1
      where c.id = v_campaign.id;
      perform private.notify('failing', jsonb_build_object('component', 'campaign', 'status', 'down', 'because', v_campaign.name || ' stopped: ' || v_fault, 'figures', '{}'::jsonb), p_now);
      continue;
    end if;
    select * into v_sender from public.senders s where s.channel = 'email' and s.id = v_campaign.from_email;
    continue when v_sender.id is null or v_sender.held_since is not null or v_sender.state <> 'active';
    v_batch := least(greatest(1, v_campaign.per_minute / 6), 2000);
    v_counts := '{}';
    select count(*) into v_open from (
      select r.message_id from public.campaign_recipients r
      where r.campaign_id = v_campaign.id and r.state = 'queued' order by r.at desc limit v_batch) l
    join public.outbound_messages o on o.id = l.message_id and o.state in ('queued', 'leased');
    for v_recipient in
      select * from public.campaign_recipients r
      where r.campaign_id = v_campaign.id and r.state = 'pending' and r.next_at <= p_now
      order by r.next_at, r.id limit v_batch - v_open
    loop
      begin
        v_became := private.send_campaign_to(v_campaign, v_recipient, p_now);
      exception when others then
        v_became := 'waits';
        update public.campaign_recipients r set next_at = p_now + interval '10 minutes', why = 'failed ' || sqlstate where r.id = v_recipient.id;
        raise warning 'campaign %: a message could not be made: %', v_campaign.id, sqlerrm;
      end;
      if v_became <> 'waits' then
        v_counts := v_counts || jsonb_build_object(v_became, coalesce((v_counts ->> v_became)::integer, 0) + 1);
      end if;
      v_count := v_count + (v_became = 'queued')::integer;
    end loop;
    perform private.count_campaign(v_campaign.id, k.key, k.value::bigint, p_now) from jsonb_each_text(v_counts) k;
    update public.campaigns c set state = 'done', finished_at = p_now
    where c.id = v_campaign.id
      and not exists (select from public.campaign_recipients r where r.campaign_id = c.id and r.state = 'pending');
  end loop;
  return v_count;
end $$;
comment on function private.send_campaigns(timestamptz) is
  'Makes the next messages of each campaign that is being sent: a sixth of what may go in a minute, less what the queue still holds of it; stops those beyond their limits. Says how many. For the clock.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.campaign_view(public.campaigns),
  private.campaign_at(uuid, bigint, text[]),
  private.send_campaign_to(public.campaigns, public.campaign_recipients, timestamptz),
  private.campaign_fault(public.campaigns),
  private.send_campaigns(timestamptz)
  to service_role;
grant execute on function
  public.create_campaign(jsonb),
  public.add_campaign_recipients(uuid, jsonb),
  public.test_campaign(uuid, text, jsonb),
  public.start_campaign(uuid, bigint),
  public.stop_campaign(uuid, bigint, text, boolean),
  public.list_campaigns(integer, uuid),
  public.read_campaign(uuid),
  public.list_campaign_recipients(uuid, bigint, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002811');

-- The clock was scheduled before there was its job.
do $$
begin
  perform private.schedule_clock();
end $$;
