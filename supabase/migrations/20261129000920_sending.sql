-- Outbound messages: what leaves. A sender claims within the limits of pair and number, and settles what the provider said.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Sending: claiming within the limits of pair and sender, and settling ----------------------------

create function private.opt_out_doubt(p_channel text, p_number_id text, p_message jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_stops boolean := private.opt_out_stops(p_channel, p_number_id, p_message, p_now);
begin
  return case when v_stops then '{"opted_out": true}'
    when not v_stops then '{}'
    else jsonb_build_object('ask', jsonb_build_object('name', p_message #>> '{template,name}', 'account', (
      select s.account from public.senders s where s.channel = p_channel and s.id = p_number_id))) end;
end $$;
comment on function private.opt_out_doubt(text, text, jsonb, timestamptz) is 'What to do before sending a message to a person who has opted out: {opted_out: true}, do not send it; {ask: {name, account}}, ask the provider about the template; {}, nothing.';

create function public.answer_category(p_message_id uuid, p_found jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_asked record;
begin
  perform private.refuse_older_code();
  select o.channel, o.number_id, s.account, m.native into v_asked
  from public.outbound_messages o
  join public.messages m on m.id = o.message_id
  join public.senders s on s.channel = o.channel and s.id = o.number_id
  where o.id = p_message_id and s.account is not null and m.type = 'template';
  if found then
    -- In whole seconds, like the provider's times: its report within the same second is newer. For every match of the name.
    insert into private.template_categories as t (channel, account, name, language, template_id, category, at)
    select distinct on (f.language) v_asked.channel, v_asked.account, v_asked.native #>> '{template,name}', f.language, f.id, lower(f.category),
      date_trunc('second', clock_timestamp())
    from (
      select r.language, r.id, r.category from jsonb_to_recordset(p_found) as r (language text, id text, category text)
      union all
      select v_asked.native #>> '{template,language,code}', null, null) f
    where f.language is not null
    order by f.language, f.category nulls last
    on conflict on constraint template_categories_pkey do update
      set category = excluded.category, at = excluded.at, template_id = coalesce(excluded.template_id, t.template_id)
      where excluded.category is not null and excluded.at >= t.at or t.category is null;
  end if;
  return jsonb_build_object('opted_out',
    coalesce(private.opt_out_stops(v_asked.channel, v_asked.number_id, v_asked.native, clock_timestamp()), true));
end $$;
comment on function public.answer_category(uuid, jsonb) is 'Records the provider''s answer about the template of a queued message [{id, language, category}], including that it knows none, and returns whether this blocks the message: {opted_out}.';

create type private.sending_turn as (
  channel text, number_id text, provider text, account text, credentials text, pair_seconds double precision, rate numeric,
  places integer, flag text, everybody boolean
);
comment on type private.sending_turn is 'A sender that has something due: how many of its lanes may be leased (places), its pace, and the flag that controls it.';

-- Waits for nobody: who claims may be settling, and hold the locks that others wait for. What is locked is left to the next claim.
create function private.claim_outbound(
  p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamptz, p_free integer default null
) returns json
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_sort = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  -- All that have something due, and those that are served together.
  v_due private.sending_turn[];
  v_turns private.sending_turn[];
  v_turn private.sending_turn;
  v_next integer := 1;
  v_flag text;
  -- So that it is evaluated once and not for each.
  v_everybody boolean;
  v_left integer := p_limit;
  -- Of these, what the turns leave.
  v_open integer;
  -- Free places that the claim may not fill. They count in what a channel gets.
  v_beside integer := greatest(0, p_free - p_limit);
  -- Under way by channel, those of this claim with them; and with what the turns may lease.
  v_busy jsonb := p_busy;
  v_expected jsonb;
  v_shared boolean := cardinality(p_channels) > 1;
  v_under_way integer;
  v_claimed json[];
  v_taken jsonb;
  v_empty uuid[];
  v_all json[] := '{}';
begin
  select array_agg((s.channel, s.id, s.provider, s.account, s.credentials, s.pair_seconds, s.max_per_second * 0.9, s.places, null, null)::private.sending_turn)
  into v_due
  from (
    select n.channel, n.id, n.provider, n.account, n.credentials, n.pair_seconds, n.max_per_second,
      -- A burst of a tenth of a second, the rest at nine tenths of the rate: no second exceeds the limit. For a held sender,
      -- a single message tests whether the fault has been repaired.
      least(lanes.n, greatest(1, n.max_per_second / 10)
        - ceil(greatest(0, extract(epoch from coalesce(n.send_tat, p_now) - p_now) * n.max_per_second * 0.9))::integer,
        case when n.held_since is not null then 1 end) as places
    from public.senders n
    cross join lateral (
      select count(*)::integer as n from (
        select from private.outbound_lanes l
        where l.channel = n.channel and l.number_id = n.id and l.due_at <= p_now order by l.due_at limit p_limit) l) lanes
    where n.channel = any (p_channels) and n.state = 'active' and (n.held_until is null or n.held_until <= p_now) and lanes.n > 0
    order by n.send_tat nulls first -- the most recent sender comes last, so that none is always first when places are few
    for no key update of n skip locked) s
  where s.places > 0;

  -- One statement serves as many senders as there are places for. If it leases fewer, because a contact's flag is off or
  -- somebody else has the lane, the senders that are left get the rest.
  while v_left > 0 and v_next <= cardinality(v_due) loop
    v_turns := '{}';
    v_open := v_left;
    v_expected := v_busy;
    while v_open > 0 and v_next <= cardinality(v_due) loop
      v_turn := v_due[v_next];
      v_next := v_next + 1;
      v_under_way := coalesce((v_expected ->> v_turn.channel)::integer, 0);
      -- Of several channels each gets half of the places that the others leave: however many hang, the next still finds some.
      v_turn.places := least(v_turn.places, v_open, case when v_shared then (v_open + v_beside + v_under_way + 1) / 2 - v_under_way end);
      continue when v_turn.places <= 0;
      if v_flag is distinct from private.send_flag(v_turn.channel) then
        v_flag := private.send_flag(v_turn.channel);
        v_everybody := private.on_for_everybody(v_flag);
      end if;
      v_turn.flag := v_flag;
      v_turn.everybody := v_everybody;
      if private.sends_once(v_turn.provider) then
        perform private.give_up_leases(v_turn.channel, v_turn.number_id, p_now);
      end if;
      v_turns := v_turns || v_turn;
      v_open := v_open - v_turn.places;
      v_expected := v_expected || jsonb_build_object(v_turn.channel, v_under_way + v_turn.places);
    end loop;
    exit when v_turns = '{}';

    with due as (
      select turn, l.conversation_id
      from unnest(v_turns) as turn
      cross join lateral (
        select l.conversation_id from private.outbound_lanes l
        where l.channel = turn.channel and l.number_id = turn.number_id and l.due_at <= p_now
          -- What could not be given up.
          and (l.lease is null or not private.sends_once(turn.provider))
        order by l.due_at limit turn.places
        for update skip locked) l
    ), asked as (
      select due.turn, due.conversation_id, c.contact_id, c.opted_out_at,
        (due.turn).everybody or (select flag.value from private.evaluate_flag((due.turn).flag, c.contact_id::text) flag) as allowed
      from due
      join public.conversations c on c.id = due.conversation_id
    ), held as (
      -- Off for this contact: a service's reply waits, and the flag is evaluated again later.
      update private.outbound_lanes l set due_at = p_now + interval '5 seconds', lease = null
      from asked where not asked.allowed and l.conversation_id = asked.conversation_id
    ), heads as (
      select asked.turn, asked.conversation_id, asked.contact_id, asked.opted_out_at, head.id
      from asked
      left join lateral (
        -- Messages never wait for a read receipt, which has no rate limit.
        select first.id
        from (
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and not o.aside
            and o.message_id is not null
          order by o.conversation_id, o.id limit 1)
          union all
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and not o.aside
            and o.message_id is null
          order by o.conversation_id, o.id limit 1)
          union all
          (select o.id, o.message_id, o.next_attempt_at from public.outbound_messages o
          where o.conversation_id = asked.conversation_id and o.state in ('queued', 'leased') and o.aside
          order by o.conversation_id, o.next_attempt_at limit 1)
        ) first
        where first.next_attempt_at <= p_now
        order by first.message_id is null, first.id limit 1
      ) head on true
      where asked.allowed
    ), free as (
      -- Whoever has it is recording a status of it.
      select heads.turn, heads.conversation_id, heads.contact_id, heads.opted_out_at, o.id, o.message_id
      from heads
      -- By key: joined, all open messages, or the whole table, may be read for each.
      cross join lateral (
        select o.id, o.message_id, o.state from public.outbound_messages o where o.id = heads.id limit 1 for update skip locked) o
      where o.state in ('queued', 'leased')
    ), leased as (
      update private.outbound_lanes l
      set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid(), waits_for = null, waits_until = null,
        pair_tat = case when free.message_id is null then l.pair_tat
          else greatest(coalesce(l.pair_tat, p_now), p_now) + make_interval(secs => (free.turn).pair_seconds) end
      from free where l.conversation_id = free.conversation_id
      returning free.turn, free.id, free.contact_id, free.opted_out_at, l.lease
    ), begun as (
      update public.outbound_messages o
      set state = 'leased', attempt = o.attempt + 1, tried_at = coalesce(o.tried_at, p_now), updated_at = p_now
      from leased where o.id = leased.id
      returning leased.turn, o.id, o.conversation_id, o.attempt, o.deferred, o.channel, o.number_id, o.recipient, o.message_id, o.payload,
        leased.contact_id, leased.opted_out_at, leased.lease
    ), told as materialized (
      select b.turn, b.id,
        -- Carriers pace texts by segments.
        case when b.message_id is null then 0
          when b.channel = 'sms' and m.native ->> 'segments' ~ '^[1-9][0-9]?$' then (m.native ->> 'segments')::integer else 1 end as words,
        json_build_object('id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'deferred', b.deferred, 'channel', b.channel, 'number_id', b.number_id,
          'credentials', (b.turn).credentials, 'contact_id', b.contact_id, 'to', b.recipient,
          -- No typing indicator after the message has been sent.
          'message', case when b.payload ? 'typing_indicator' and exists (
              select from public.outbound_messages w
              where w.conversation_id = b.conversation_id and w.id > b.id and w.message_id is not null and w.state = 'sent')
            then b.payload - 'typing_indicator' else coalesce(b.payload, m.native) end,
          'traceparent', m.traceparent) as message,
        case
          -- The person may have opted out while it waited. Receipts are not affected.
          when b.opted_out_at is not null and b.message_id is not null
            then private.opt_out_doubt(b.channel, b.number_id, m.native, p_now)
          when b.channel = 'email' and private.suppression_of(b.recipient, coalesce((m.native ->> 'bulk')::boolean, false)) is not null
            then '{"opted_out": true}'
          else '{}' end || case b.channel when 'email' then jsonb_build_object('mail', private.mail_to_send(b.id, b.number_id, m.native))
          when 'sms' then jsonb_build_object('sms', jsonb_build_object('provider', (b.turn).provider, 'account', (b.turn).account))
          else '{}' end as more
      from begun b left join public.messages m on m.id = b.message_id
    ), paced as (
      update public.senders s
      set send_tat = greatest(coalesce(s.send_tat, p_now), p_now) + make_interval(secs => (sent.words / sent.rate)::double precision),
        held_until = case when s.held_since is not null then p_now + make_interval(secs => p_lease_seconds) end,
        held_probes = s.held_probes + (s.held_since is not null)::integer
      from (
        select (t.turn).channel, (t.turn).number_id, (t.turn).rate, sum(t.words) as words from told t group by 1, 2, 3) sent
      where s.channel = sent.channel and s.id = sent.number_id
    )
    select (select array_agg(heads.conversation_id) from heads where heads.id is null),
      coalesce(array_agg(case when t.more = '{}' then t.message else (t.message::jsonb || t.more)::json end order by t.id), '{}'),
      case when v_shared then (
        select jsonb_object_agg(c.channel, coalesce((v_busy ->> c.channel)::integer, 0) + c.n)
        from (select (t.turn).channel, count(*) as n from told t group by 1) c) end
    into v_empty, v_claimed, v_taken
    from told t;
    if v_empty is not null then
      perform private.release_outbound_lanes(v_empty);
    end if;
    v_all := v_all || v_claimed;
    v_left := v_left - cardinality(v_claimed);
    v_busy := v_busy || coalesce(v_taken, '{}');
  end loop;
  return json_build_object('messages', v_all, 'next_due_ms', (
    select ceil(extract(epoch from min(greatest(l.due_at, n.held_until,
      n.send_tat - make_interval(secs => ((greatest(1, n.max_per_second / 10) - 1) / (n.max_per_second * 0.9))::double precision))) - p_now) * 1000)::bigint
    from public.senders n
    cross join lateral (
      select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) l
    -- A channel that has used its half waits for its sends under way, and must not hide when the others are due.
    where n.channel = any (p_channels) and n.state = 'active'
      and (not v_shared or v_left + v_beside > coalesce((v_busy ->> n.channel)::integer, 0))));
end $$;
comment on function private.claim_outbound(integer, integer, jsonb, text[], timestamptz, integer) is 'claim_outbound with a given time, and how many places are free if the claim may not fill all.';

create function public.claim_outbound(
  p_limit integer, p_lease_seconds integer default 60, p_busy jsonb default '{}', p_channels text[] default '{whatsapp}'
) returns json
language plpgsql set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_outbound(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp());
end $$;
comment on function public.claim_outbound(integer, integer, jsonb, text[]) is 'Leases up to p_limit conversations with something to send on the channels that the caller is ready for, given how many of each channel (by name) it has under way, within the limits of pair and sender and if the channel''s flag (wa_send.enabled for WhatsApp) is on for the contact, and returns {messages: [{id, lease, attempt, deferred, channel, number_id, credentials (senders.credentials), contact_id, to, message, traceparent, for a mail also mail (see private.mail_to_send), for a text sms: {provider, account (null: the main one)}, and, if the person has opted out, opted_out: true (do not send it) or ask: {name, account} (ask the provider about the template, see answer_category)}], next_due_ms}. A single channel may take every place; of several, each gets half of those that the others leave.';

create function private.learn_answered(p_results jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  perform private.learn_told(array(
    select row(c.contact_id, c.channel, c.number_id, r.identities, p_now)::private.told_ids
    from jsonb_to_recordset(p_results) as r (id uuid, identities private.identity[])
    join public.outbound_messages o on o.id = r.id
    join public.conversations c on c.id = o.conversation_id
    where cardinality(r.identities) > 0
    order by r.id));
end $$;
comment on function private.learn_answered(jsonb, timestamptz) is 'Records new ids that the provider''s answers report for recipients.';

create type private.sending as (
  id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text,
  conversation_id uuid, channel text, number_id text, message_id uuid
);
comment on type private.sending is 'The provider''s answer to a message, with its conversation and sender.';

create function private.hold_sender(p_sending private.sending, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_until timestamptz := p_now + make_interval(secs => p_sending.retry_after_ms / 1000.0);
begin
  if p_sending.put_off = 'back' then
    -- It did not test a held sender: the next test may be made at once.
    update public.senders set held_until = v_until, held_probes = greatest(0, held_probes - 1)
    where channel = p_sending.channel and id = p_sending.number_id and held_since is not null;
  elsif p_sending.put_off = 'held' and p_sending.scope in ('number', 'account') then
    update public.senders
    set held_since = coalesce(held_since, p_now), held_code = p_sending.error ->> 'code',
      held_until = p_now + least(interval '5 minutes', interval '5 seconds' * 2 ^ least(held_probes, 10))
    where channel = p_sending.channel and id = p_sending.number_id;
    if p_sending.scope = 'account' then
      -- Skipped if locked: a sender that is claiming now learns of the fault itself.
      with beside as (
        select o.channel, o.id from public.senders s
        join public.senders o on o.channel = s.channel and o.account = s.account and o.id <> s.id
        where s.channel = p_sending.channel and s.id = p_sending.number_id and o.held_since is null
        order by o.id for update of o skip locked
      )
      update public.senders o
      set held_since = p_now, held_code = p_sending.error ->> 'code', held_until = p_now + interval '5 seconds', held_probes = 0
      from beside where o.channel = beside.channel and o.id = beside.id;
    end if;
  elsif p_sending.put_off = 'throttle' and p_sending.scope = 'number' then
    update public.senders set send_tat = greatest(coalesce(send_tat, p_now), v_until)
    where channel = p_sending.channel and id = p_sending.number_id;
  end if;
end $$;
comment on function private.hold_sender(private.sending, timestamptz) is 'Records the effect of a deferred message on its sender; a fault of the account holds all senders of that account, and no other.';

create function private.settle_outbound(p_results jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan
set jit = off set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_settled private.sending[];
  -- Conversations whose message waits again.
  v_over uuid[];
  -- Given up when the lease ended, and known after all.
  v_late uuid[] := '{}';
  v_media uuid[];
  -- Nearly all are sent, and what follows from others costs nothing then.
  v_failed boolean := jsonb_path_exists(p_results, '$[*] ? (@.outcome == "failed")');
  v_put_off boolean := jsonb_path_exists(p_results, '$[*] ? (@.put_off != null)');
  v_wanted boolean := v_failed and private.is_subscribed();
begin
  -- First, because it may need the contacts' lock. What a fenced-off worker reports also counts.
  perform private.learn_answered(p_results, p_now);
  -- Events and opt-outs belong to the conversation, which is locked before its lane. Those of the events include the others.
  if v_wanted then
    perform from public.conversations c
    where c.id in (
      select o.conversation_id from jsonb_to_recordset(p_results) as r (id uuid, outcome text)
      join public.outbound_messages o on o.id = r.id where r.outcome = 'failed')
    order by c.id for update;
  end if;
  if v_failed then
    perform private.keep_opt_words(array(
      select distinct row(c.channel, c.number_id, c.contact_id, true, p_now, null, null)::private.opt_word
      from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
      join public.outbound_messages o on o.id = r.id
      join public.conversations c on c.id = o.conversation_id
      where r.outcome = 'failed' and r.error ->> 'code' = any ((private.channel_policy(o.channel)).opt_out_codes)));
  end if;
  select coalesce(array_agg(held.sending), '{}') into v_settled
  from (
    select (r.id, r.lease, r.outcome, r.provider_id, r.error, coalesce(r.retry_after_ms, 0), r.put_off, r.scope,
      o.conversation_id, o.channel, o.number_id, o.message_id)::private.sending as sending
    from jsonb_to_recordset(p_results) as r (
      id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text)
    join public.outbound_messages o on o.id = r.id
    join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
    order by l.conversation_id for update of l
  ) held;
  -- A status that came before this answer made it be sent again, as a template or a second time: what the answer tells is over.
  -- By each message's key: joined, the index of all open messages would be read for each.
  v_over := array(
    select r.conversation_id from unnest(v_settled) r
    where (select o.state from public.outbound_messages o where o.id = r.id) = 'queued');
  if v_over <> '{}' then
    v_settled := array(select r from unnest(v_settled) r where r.conversation_id <> all (v_over));
  end if;

  if cardinality(v_settled) < jsonb_array_length(p_results) then
    v_late := array(
      select r.id from jsonb_to_recordset(p_results) as r (id uuid, outcome text)
      where r.outcome in ('sent', 'failed') and not exists (select from unnest(v_settled) s where s.id = r.id)
        and (select o.state from public.outbound_messages o where o.id = r.id) = 'unknown');
  end if;
  -- A status that arrived before the answer stays. In the order of ids, as apply_statuses locks them.
  perform from public.messages m
  where m.id = any (array(select r.message_id from unnest(v_settled) r where r.outcome <> 'retry') || v_late) order by m.id for update;
  with named as (
    update public.messages m
    set provider_id = coalesce(m.provider_id, r.provider_id),
      status = case when m.status_rank > 0 then m.status when r.outcome = 'sent' then 'accepted'
        when r.outcome in ('failed', 'unknown') then r.outcome else m.status end,
      status_rank = case when m.status_rank = 0 and r.outcome = 'failed' then 2 else m.status_rank end,
      error = case when r.outcome = 'failed' then r.error else m.error end
    from unnest(v_settled) r where m.id = r.message_id and r.outcome <> 'retry'
    returning m.id, m.native, r.outcome = 'sent' and m.status_rank = 0 as waits
  )
  -- A status that arrived before the answer proves that it was sent.
  select array_agg(n.id) into v_media from named n where n.waits and private.is_media(n.native);
  perform private.drop_echoes(array(
    select r.message_id from unnest(v_settled) r where r.provider_id is not null and r.message_id is not null));
  update public.outbound_messages o
  set state = case when o.state = 'sent' then 'sent' when r.outcome = 'retry' then 'queued' else r.outcome end,
    attempt = o.attempt - (r.put_off is not null)::integer,
    deferred = o.deferred + coalesce(r.put_off <> 'back', false)::integer,
    tried_at = case when r.put_off = 'back' and o.attempt = 1 then null else o.tried_at end,
    -- A message that the provider keeps refusing must not block the chat: the person waits for the next ones.
    aside = case when r.put_off is null
      then o.attempt >= 3 or o.tried_at + interval '30 seconds' < p_now + make_interval(secs => r.retry_after_ms / 1000.0)
      else o.aside or (r.put_off = 'held' and r.scope = 'pair') end,
    error = case when r.put_off = 'back' then o.error else r.error end, updated_at = p_now,
    next_attempt_at = p_now + make_interval(secs => r.retry_after_ms / 1000.0)
  from unnest(v_settled) r where o.id = r.id;
  -- All senders that this may change, in one order: results name them in any.
  if v_put_off or exists (select from public.senders s where s.held_since is not null) then
    perform from public.senders s
    where (s.channel, s.id) in (
        select o.channel, o.number_id from jsonb_to_recordset(p_results) as r (id uuid) join public.outbound_messages o on o.id = r.id)
      and (s.held_since is not null or exists (
        select from unnest(v_settled) r where r.put_off is not null and r.channel = s.channel and r.number_id = s.id))
    order by s.channel, s.id for no key update;
  end if;
  if v_put_off then
    perform private.hold_sender(r, p_now) from unnest(v_settled) r where r.put_off is not null;
  end if;
  if v_failed then
    perform private.send_fallback(r.id, p_now) from unnest(v_settled) r
    where r.outcome = 'failed' and r.error ->> 'code' = (private.channel_policy(r.channel)).window_code;
  end if;
  -- What never went gets no status.
  if v_wanted then
    perform private.note_events(array(
      select ('message.failed', r.channel, r.conversation_id, m.id, r.number_id, null, p_now, jsonb_build_object('error', jsonb_build_array(r.error)),
        null, null)::private.noted_event
      from unnest(v_settled) r join public.messages m on m.id = r.message_id
      where r.outcome = 'failed' and m.status = 'failed'));
  end if;
  if v_media is not null then
    update private.outbound_lanes l set waits_for = r.message_id, waits_until = p_now + policy.media_wait
    from unnest(v_settled) r
    cross join lateral private.channel_policy(r.channel) policy
    where r.message_id = any (v_media) and policy.media_wait is not null and l.conversation_id = r.conversation_id;
  end if;
  perform private.release_outbound_lanes(array(select r.conversation_id from unnest(v_settled) r) || v_over);
  -- An answer about the message itself shows that the account works again; opted-out people were not written to.
  if exists (select from public.senders s where s.held_since is not null) then
    with well as (
      select s.channel, s.id, s.account, s.held_code from public.senders s
      -- Of a text, only a receipt shows that carriers take it.
      where s.held_since is not null and not (s.channel = 'sms' and coalesce(s.held_code, '') in ('30032', '30034', '40010')) and exists (
        select from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
        join public.outbound_messages o on o.id = r.id
        where r.outcome in ('sent', 'failed') and coalesce(r.error ->> 'code', '') <> 'opted_out' and o.channel = s.channel and o.number_id = s.id)
    ), freed as (
      update public.senders s set held_since = null, held_code = null, held_until = null, held_probes = 0
      from well where s.channel = well.channel and s.id = well.id
    ), beside as (
      -- What held them for the same reason is probably over: each tests it at once.
      select o.channel, o.id from public.senders o
      where o.held_since is not null
        and exists (select from well where well.channel = o.channel and well.account = o.account and well.held_code = o.held_code)
        and not exists (select from well where well.channel = o.channel and well.id = o.id)
      order by o.id for update skip locked
    )
    update public.senders o set held_until = p_now, held_probes = 0
    from beside where o.channel = beside.channel and o.id = beside.id;
  end if;
  if v_late <> '{}' then
    with known as (
      update public.outbound_messages o
      set state = r.outcome, error = case r.outcome when 'failed' then r.error end, updated_at = p_now
      from jsonb_to_recordset(p_results) as r (id uuid, outcome text, provider_id text, error jsonb)
      where o.id = r.id and o.id = any (v_late) and o.state = 'unknown' and r.outcome in ('sent', 'failed')
      returning o.message_id, r.outcome, r.provider_id, r.error
    )
    update public.messages m
    set provider_id = coalesce(m.provider_id, k.provider_id), status = case k.outcome when 'sent' then 'accepted' else 'failed' end,
      status_rank = case k.outcome when 'failed' then 2 else m.status_rank end, error = case k.outcome when 'failed' then k.error else m.error end
    from known k where m.id = k.message_id and m.status_rank = 0;
  end if;
  return jsonb_build_object('settled', cardinality(v_settled) + cardinality(v_over),
      'fenced', jsonb_array_length(p_results) - cardinality(v_settled) - cardinality(v_over))
    || case when current_setting('gatelink.told', true) = 'true' then '{"told": true}' else '{}' end::jsonb;
end $$;
comment on function private.settle_outbound(jsonb, timestamptz) is 'settle_outbound with a given time.';

-- No deadlock: settling takes its locks in the order of all others, and claiming, which comes after it, waits for none.
--
-- Failure policy: outcomes are recorded whoever reports them, and whatever becomes of the claim. Outdated code merely gets no
-- new work; an error is met by the next claim_outbound, which tells it. So is a claim that exceeds the time limit of the whole
-- call: what was not recorded would be sent again.
create function public.settle_outbound(p_results jsonb, p_claim jsonb default null) returns json
language plpgsql set search_path = '' as $$
declare
  v_settled jsonb := private.settle_outbound(p_results, clock_timestamp());
  v_claim json;
begin
  if p_claim is null then
    return v_settled;
  end if;
  begin
    perform private.refuse_older_code();
    v_claim := private.claim_outbound((p_claim ->> 'limit')::integer, (p_claim ->> 'lease_seconds')::integer, p_claim -> 'busy',
      array(select jsonb_array_elements_text(p_claim -> 'channels')), clock_timestamp(), (p_claim ->> 'free')::integer);
  exception when others or query_canceled then
    return v_settled;
  end;
  if v_settled ? 'told' then
    return json_build_object('settled', v_settled -> 'settled', 'fenced', v_settled -> 'fenced', 'told', true, 'claim', v_claim);
  end if;
  return json_build_object('settled', v_settled -> 'settled', 'fenced', v_settled -> 'fenced', 'claim', v_claim);
end $$;
comment on function public.settle_outbound(jsonb, jsonb) is 'Records the provider''s answers [{id, lease, outcome (sent, retry, failed, or unknown: the answer was lost, and the provider must not be called again), provider_id, identities (of the person, as the provider knows them), error, retry_after_ms, put_off (throttle, held, back: the provider was not called), scope (number, account, pair)}]. A deferred send does not count as an attempt; a held sender waits until a single message gets through. A result whose lease is not the lane''s current one is fenced off. With p_claim {limit, free (places of the caller, of which the claim may fill limit; if absent, limit), lease_seconds, busy, channels} it also returns claim, like claim_outbound; absent if nothing could be claimed.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.opt_out_doubt(text, text, jsonb, timestamptz),
  public.answer_category(uuid, jsonb),
  private.claim_outbound(integer, integer, jsonb, text[], timestamptz, integer),
  public.claim_outbound(integer, integer, jsonb, text[]),
  private.learn_answered(jsonb, timestamptz),
  private.hold_sender(private.sending, timestamptz),
  private.settle_outbound(jsonb, timestamptz),
  public.settle_outbound(jsonb, jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000920');
