-- Campaigns that are being sent: their next messages, what became of the last ones, and limits that stop them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Counting ----------------------------------------------------------------------------------------

create function private.recount_accesses(p_campaign_id uuid, p_recipient_id bigint, p_ticket bigint, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_recipient public.campaign_recipients;
  v_was integer;
  v_told integer;
begin
  select * into v_recipient from public.campaign_recipients r
  where case when p_recipient_id is not null then r.campaign_id = p_campaign_id and r.id = p_recipient_id
    else r.message_id = (select t.message_id from private.mail_tickets t where t.id = p_ticket) end
  for update;
  -- Who follows a link has seen the mail, whether its images were loaded or not.
  select bit_or(case a.kind when 'click' then 640 else 128 end | case when a.verdict <> 'human' then 0 when a.kind = 'click' then 1280 else 256 end)
  into v_told
  from (
    select 'open' as kind, o.verdict from public.email_opens o where o.ticket = p_ticket
    union all
    select 'click', c.verdict from public.email_clicks c where c.ticket = p_ticket and c.link > 0
    union all
    select e.event_type, e.metadata ->> 'verdict' from public.email_events e
    where p_ticket is null and e.message_id = v_recipient.message_id and e.event_type in ('open', 'click') and e.metadata ? 'verdict') a;
  -- Events are kept for a time: without them the figures stay as they are.
  if v_told is null then
    return;
  end if;
  v_was := case when p_ticket is null then v_recipient.told & 1920 else (select t.told from private.campaign_tickets t where t.ticket = p_ticket) end;
  insert into private.campaign_counts as c (campaign_id, hour, what, n)
  select p_campaign_id, date_trunc('hour', p_now, 'UTC'), a.prefix || b.what, case when v_told & b.bit > 0 then 1 else -1 end
  from (values ('opened', 128), ('opened_human', 256), ('clicked', 512), ('clicked_human', 1024)) as b (what, bit)
  cross join (select '' as prefix union all select 'off:' where v_recipient.arm = 'off') a
  where (v_told # v_was) & b.bit > 0
  on conflict on constraint campaign_counts_pkey do update set n = c.n + excluded.n;
  update private.campaign_tickets t set told = v_told where t.ticket = p_ticket and t.told <> v_told;
  update public.campaign_recipients r set told = r.told & 127 | v_told
  where p_recipient_id is not null and r.campaign_id = p_campaign_id and r.id = p_recipient_id and r.told & 1920 <> v_told;
end $$;
comment on function private.recount_accesses(uuid, bigint, bigint, timestamptz) is 'Counts the opens and clicks of a mail anew by the verdicts as they are now: by its ticket, or those that the provider told of a recipient.';

create function private.stands_in(p_html text, p_link text) returns boolean
language sql immutable set search_path = '' as $$
  select exists (select from unnest(array['"', chr(39), '?', '#', ' ', '>']) as after (sign)
    where strpos(p_html, p_link || after.sign) > 0 or strpos(p_html, replace(p_link, '&', '&amp;') || after.sign) > 0)
$$;
comment on function private.stands_in(text, text) is 'Whether an address stands in HTML as it is, with an end after it.';

create function private.campaign_link(p_campaign_id uuid, p_ticket bigint, p_link smallint) returns text
language plpgsql stable set search_path = '' as $$
declare
  -- What follows the path may be made for one person.
  v_link text := regexp_replace((
    select s.links[p_link] from private.mail_tickets t join private.mail_link_sets s on s.id = t.link_set where t.id = p_ticket), '[?#].*$', '');
  v_host text := substring(v_link from '^[A-Za-z]+://[^/]*');
  v_html text;
begin
  if v_link is null then
    return null;
  end if;
  select concat_ws(' ', c.html, c.otherwise ->> 'html') into v_html from public.campaigns c where c.id = p_campaign_id;
  -- What does not stand so in the campaign's words was made with a recipient's values, and may name one.
  return case when private.stands_in(v_html, v_link) then left(v_link, 300)
    when strpos(v_html, v_host || '/') > 0 then left(v_host, 300) || '/…' else 'other' end;
end $$;
comment on function private.campaign_link(uuid, bigint, smallint) is
  'A link of a campaign''s mail as figures name it: without query and fragment, and of a path or host that was made with a recipient''s values only what the campaign''s words hold; null where it is not known.';

-- One at a time, so that no two wait for each other's rows.
create function private.count_campaign_news(p_now timestamptz, p_limit integer default 20000) returns integer
language plpgsql volatile set search_path = '' set jit = off as $$
declare
  v_gone integer;
  v_judged jsonb;
begin
  if not exists (select from private.campaign_news) or not pg_try_advisory_xact_lock(hashtext('gatelink.campaign_news')) then
    return 0;
  end if;
  with gone as materialized (
    delete from private.campaign_news w
    where w.id in (select x.id from private.campaign_news x order by x.id limit p_limit for update skip locked)
    returning w.*
  ), once as materialized (
    select g.campaign_id, g.recipient_id, g.ticket, w.what, private.campaign_bit(w.what) as bit, date_trunc('hour', min(g.at), 'UTC') as hour
    from gone g
    cross join lateral unnest(case g.what when 'open' then array['opened', case g.verdict when 'human' then 'opened_human' end]
      when 'click' then array['opened', 'clicked'] || case g.verdict when 'human' then array['opened_human', 'clicked_human'] end
      else array[g.what] end) as w (what)
    where g.n > 0 and private.campaign_bit(w.what) is not null
    group by g.campaign_id, g.recipient_id, g.ticket, w.what
  ), was as materialized (
    select r.campaign_id, r.id, r.told, r.arm, s.bits
    from (select o.campaign_id, o.recipient_id, bit_or(o.bit) as bits from once o where o.recipient_id is not null group by o.campaign_id, o.recipient_id) s
    join public.campaign_recipients r on r.campaign_id = s.campaign_id and r.id = s.recipient_id
    order by r.campaign_id, r.id for update of r
  ), marked as (
    update public.campaign_recipients r set told = w.told | w.bits
    from was w where r.campaign_id = w.campaign_id and r.id = w.id and w.told | w.bits <> w.told
  ), seen as materialized (
    select s.campaign_id, s.ticket, s.bits, coalesce(t.told, 0) as told, r.arm
    from (select o.campaign_id, o.ticket, bit_or(o.bit) as bits from once o where o.ticket is not null group by o.campaign_id, o.ticket) s
    left join private.campaign_tickets t on t.ticket = s.ticket
    left join private.mail_tickets m on m.id = s.ticket
    left join public.campaign_recipients r on r.message_id = m.message_id
    where exists (select from public.campaigns k where k.id = s.campaign_id)
  ), kept as (
    insert into private.campaign_tickets as t (ticket, campaign_id, told)
    select s.ticket, s.campaign_id, s.bits from seen s where s.told | s.bits <> s.told
    on conflict on constraint campaign_tickets_pkey do update set told = t.told | excluded.told
  ), added as (
    select o.campaign_id, o.hour, a.prefix || o.what as what, count(*) as n
    from once o
    left join was w on o.ticket is null and w.campaign_id = o.campaign_id and w.id = o.recipient_id
    left join seen s on s.ticket = o.ticket
    cross join lateral (select '' as prefix union all select 'off:' where coalesce(w.arm, s.arm) = 'off') a
    where coalesce(w.told, s.told) & o.bit = 0
    group by 1, 2, 3
    union all
    select g.campaign_id, e.hour, e.what, sum(g.n)
    from gone g
    cross join lateral (values (date_trunc('hour', g.at, 'UTC'), g.what || 's:' || g.verdict),
      ('-infinity', 'client:' || g.verdict || ':' || g.client),
      ('-infinity', case when g.what = 'click' then 'link:' || g.verdict || ':' || private.campaign_link(g.campaign_id, g.ticket, g.link) end)) as e (hour, what)
    where g.what in ('open', 'click') and e.what is not null
    group by 1, 2, 3
  ), counted as (
    insert into private.campaign_counts as c (campaign_id, hour, what, n)
    select a.campaign_id, a.hour,
      -- A link for each person would have a figure for each person.
      case when a.what like 'link:%' and not exists (
          select from private.campaign_counts x where x.campaign_id = a.campaign_id and x.hour = '-infinity' and x.what = a.what)
        and (select count(*) from (
          select from private.campaign_counts x where x.campaign_id = a.campaign_id and x.hour = '-infinity' and x.what like 'link:%' limit 600) l) = 600
        then substring(a.what from '^link:[a-z]+:') || 'other' else a.what end, sum(a.n)
    from added a
    where exists (select from public.campaigns k where k.id = a.campaign_id)
    group by 1, 2, 3
    on conflict on constraint campaign_counts_pkey do update set n = c.n + excluded.n
  )
  select count(*), jsonb_agg(distinct jsonb_build_array(g.campaign_id, g.recipient_id, g.ticket)) filter (where g.what = 'judged')
  into v_gone, v_judged from gone g;
  if v_judged is not null then
    perform private.recount_accesses((j.key ->> 0)::uuid, (j.key ->> 1)::bigint, (j.key ->> 2)::bigint, p_now)
    from jsonb_array_elements(v_judged) as j (key);
  end if;
  return v_gone;
end $$;
comment on function private.count_campaign_news(timestamptz, integer) is 'Counts what happened in campaigns, at most p_limit notes of it, and says how many. For the clock.';

-- Sending -----------------------------------------------------------------------------------------

create function private.take_pace(p_key text, p_per_minute numeric, p_wanted integer, p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_burst integer := greatest(1, floor(p_per_minute / 6));
  v_some integer;
begin
  if p_wanted <= 0 then
    return 0;
  end if;
  v_some := least(p_wanted, (select t.remaining from private.take_rate(p_key, p_per_minute / 60, v_burst, 0, p_now) t));
  if v_some > 0 then
    perform private.take_rate(p_key, p_per_minute / 60, v_burst, v_some, p_now);
  end if;
  return v_some;
end $$;
comment on function private.take_pace(text, numeric, integer, timestamptz) is 'Takes up to p_wanted from a limit of p_per_minute, ten seconds'' worth of which may go at once, and says how many.';

create function private.send_campaign_to(p_campaign public.campaigns, p_ids bigint[], p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_lean public.campaigns := p_campaign;
  v_ids bigint[] := '{}';
  v_items jsonb := '[]';
  v_answers jsonb;
  v_recipient public.campaign_recipients;
  v_arm text;
  v_words jsonb;
  v_counts jsonb;
begin
  v_lean.html := null;
  v_lean.otherwise := case when p_campaign.otherwise ? 'html' then p_campaign.otherwise || '{"html": null}' else p_campaign.otherwise end;
  for v_recipient in
    select * from public.campaign_recipients r where r.campaign_id = p_campaign.id and r.id = any (p_ids) and r.state = 'pending' order by r.id
  loop
    v_arm := case when p_campaign.flag_key is not null then case when (
      select f.value from private.evaluate_flag(p_campaign.flag_key, coalesce(v_recipient.fields ->> 'user_id', v_recipient.address)) f)
      then 'on' else 'off' end end;
    v_ids := v_ids || v_recipient.id;
    if v_arm = 'off' and p_campaign.otherwise is null then
      v_items := v_items || '{"error": "not_in_arm", "arm": "off"}'::jsonb;
      continue;
    end if;
    v_words := private.campaign_words(v_lean, v_recipient.fields, v_arm);
    -- The key makes it one mail, whatever is repeated.
    v_items := v_items || jsonb_build_object('channel', 'email', 'to', v_recipient.address,
      'identities', jsonb_build_array(jsonb_build_object('kind', 'email', 'value', v_recipient.address)),
      'number_id', p_campaign.from_email, 'idempotency_key', format('campaign:%s:%s', p_campaign.id, v_recipient.id),
      'message', jsonb_strip_nulls(jsonb_build_object('type', 'email', 'subject', v_words -> 'subject', 'bulk', true,
        'campaign_id', p_campaign.id, 'fields', v_recipient.fields, 'arm', v_arm, 'track', p_campaign.track)),
      'text', coalesce(v_words ->> 'text', v_words ->> 'subject'));
  end loop;
  v_answers := private.enqueue_outbound((select coalesce(jsonb_agg(i.item order by i.place), '[]')
    from jsonb_array_elements(v_items) with ordinality as i (item, place) where not i.item ? 'error'), p_now);
  with asked as (
    select v_ids[i.place] as id, i.item, count(*) filter (where not i.item ? 'error') over (order by i.place) as nth
    from jsonb_array_elements(v_items) with ordinality as i (item, place)
  ), answered as (
    select a.id, coalesce(a.item ->> 'arm', a.item #>> '{message,arm}') as arm, case when a.item ? 'error' then a.item else v_answers -> (a.nth::integer - 1) end as answer
    from asked a
  ), became as (
    select a.id, a.arm, a.answer ->> 'error' as why, (a.answer ->> 'id')::uuid as message_id,
      coalesce(a.answer ->> 'error' in ('feature_off', 'identity_unverified'), false) as waits
    from answered a
  ), written as (
    update public.campaign_recipients r
    set state = case when b.waits then 'pending' when b.why is null then 'queued' else 'left_out' end, arm = b.arm, why = b.why,
      message_id = b.message_id, next_at = case when b.waits then p_now + interval '1 minute' else r.next_at end,
      at = case when not b.waits then p_now end
    from became b where r.campaign_id = p_campaign.id and r.id = b.id
    returning case when b.waits then null when b.why is null then 'queued' else 'left_out:' || b.why end as what
  )
  select coalesce(jsonb_object_agg(w.what, w.n), '{}') into v_counts
  from (select x.what, count(*) as n from written x where x.what is not null group by x.what) w;
  insert into private.campaign_counts as c (campaign_id, hour, what, n)
  select p_campaign.id, date_trunc('hour', p_now, 'UTC'), k.key, k.value::bigint from jsonb_each_text(v_counts) k
  on conflict on constraint campaign_counts_pkey do update set n = c.n + excluded.n;
  return v_counts;
end $$;
comment on function private.send_campaign_to(public.campaigns, bigint[], timestamptz) is
  'Makes the messages of these recipients, or writes down why not, and says what became of how many: {queued, left_out:<why>}. Who waits (sending is off, or the identity is not verified) is asked again in a minute.';

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

-- Failure policy: what goes wrong with one recipient is written down and leaves the others alone. What waits too long for a lock
-- is tried again at the next turn.
create function private.send_campaigns(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' set lock_timeout = '1s' set jit = off as $$
declare
  -- A turn that makes contacts holds up all others who do (private.lock_contacts): 150 take a quarter of a second.
  v_most integer := 400;
  v_most_new integer := 150;
  v_share integer;
  v_paces jsonb;
  v_campaign public.campaigns;
  v_provider text;
  v_fault text;
  v_open integer;
  v_some integer;
  v_ids bigint[];
  v_id bigint;
  v_count integer := 0;
begin
  perform private.count_campaign_news(p_now);
  select greatest(v_most / greatest(count(*), 1), 20) into v_share from public.campaigns c where c.state = 'sending' and c.start_at <= p_now;
  select s.value::jsonb into v_paces from public.settings s where s.key = 'campaigns.provider_per_minute';
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
    continue when private.campaign_waits(v_campaign, p_now) is not null;
    -- What the queue still holds of it: a sender that is slower than the campaign has ten seconds' worth waiting, not all of it.
    v_some := least(greatest(1, v_campaign.per_minute / 6), v_share);
    select count(*) into v_open from (
      select r.message_id from public.campaign_recipients r
      where r.campaign_id = v_campaign.id and r.state = 'queued' order by r.at desc limit greatest(1, v_campaign.per_minute / 6)) l
    -- By key: joined, the index of all open messages may be read for each.
    where (select o.state from public.outbound_messages o where o.id = l.message_id) in ('queued', 'leased');
    v_ids := array(
      select r.id from public.campaign_recipients r
      where r.campaign_id = v_campaign.id and r.state = 'pending' and r.next_at <= p_now
      order by r.next_at, r.id limit greatest(least(v_some, greatest(1, v_campaign.per_minute / 6) - v_open), 0));
    if cardinality(v_ids) > v_most_new and exists (
      select from public.campaign_recipients r
      where r.campaign_id = v_campaign.id and r.id = any (v_ids) and private.identity_holder('email', 'email', r.address) is null) then
      v_ids := v_ids[:v_most_new];
    end if;
    v_provider := coalesce((private.inbox_for(null, v_campaign.from_email)).provider, 'sendgrid');
    v_some := cardinality(v_ids);
    if v_paces ? v_provider then
      v_some := private.take_pace('campaigns:' || v_provider, (v_paces ->> v_provider)::numeric, v_some, p_now);
    end if;
    v_ids := v_ids[:private.take_pace('campaign:' || v_campaign.id, v_campaign.per_minute, v_some, p_now)];
    begin
      v_count := v_count + coalesce((private.send_campaign_to(v_campaign, v_ids, p_now) ->> 'queued')::integer, 0);
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        null;
      when others then
        foreach v_id in array v_ids loop
          begin
            v_count := v_count + coalesce((private.send_campaign_to(v_campaign, array[v_id], p_now) ->> 'queued')::integer, 0);
          exception when others then
            update public.campaign_recipients r set next_at = p_now + interval '10 minutes', why = 'failed ' || sqlstate
            where r.campaign_id = v_campaign.id and r.id = v_id;
            raise warning 'campaign %: a message could not be made: %', v_campaign.id, sqlerrm;
          end;
        end loop;
    end;
    update public.campaigns c set state = 'done', finished_at = p_now
    where c.id = v_campaign.id
      and not exists (select from public.campaign_recipients r where r.campaign_id = c.id and r.state = 'pending');
  end loop;
  return v_count;
end $$;
comment on function private.send_campaigns(timestamptz) is
  'Counts what happened in campaigns, stops those beyond their limits, and makes the next messages of those that are being sent, within their pace and that of their provider (setting campaigns.provider_per_minute). Says how many. For the clock.';

call private.close_functions();
grant execute on function
  private.recount_accesses(uuid, bigint, bigint, timestamptz),
  private.stands_in(text, text),
  private.campaign_link(uuid, bigint, smallint),
  private.count_campaign_news(timestamptz, integer),
  private.take_pace(text, numeric, integer, timestamptz),
  private.send_campaign_to(public.campaigns, bigint[], timestamptz),
  private.campaign_fault(public.campaigns),
  private.send_campaigns(timestamptz)
  to service_role;

insert into private.own_migrations (version) values ('20261129002812');

-- The clock was scheduled before there was its job.
do $$
begin
  perform private.schedule_clock();
end $$;
