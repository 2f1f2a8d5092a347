-- The intake as a whole, and what people do from the provider's app, which comes in too.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Takeovers ---------------------------------------------------------------------------------------

create function private.takeover_minutes() returns integer
language sql stable set search_path = '' as $$
  select coalesce((select s.value::integer from public.settings s where s.key = 'takeover.minutes'), 60)
$$;
comment on function private.takeover_minutes() is 'The setting takeover.minutes, 60 without it: for how long a conversation belongs to the person who answered in it. With 0, an answer takes nothing over.';

create function private.take_over(
  p_conversations uuid[], p_by text, p_at timestamptz, p_until timestamptz, p_now timestamptz, p_extend boolean default true
) returns integer
language plpgsql set search_path = '' as $$
declare
  v_events private.noted_event[];
  v_count integer;
begin
  if p_until <= p_now or p_conversations = '{}' then
    return 0;
  end if;
  perform from public.conversations c where c.id = any (p_conversations) order by c.id for update;
  if private.is_subscribed() then
    select array_agg(('conversation.taken_over', c.channel, c.id, null, c.number_id, null, p_at,
      jsonb_build_object('takeover', jsonb_build_object('by', p_by, 'since', p_at, 'until', p_until)), null, null)::private.noted_event order by c.id)
    into v_events
    from public.conversations c
    where c.id = any (p_conversations) and (coalesce(c.taken_until, '-infinity') <= p_now or c.taken_by <> p_by);
  end if;
  update public.conversations c
  set taken_at = case when c.taken_until > p_now and c.taken_by = p_by then c.taken_at else p_at end, taken_by = p_by,
    taken_until = case when p_extend and c.taken_until > p_until then c.taken_until else p_until end
  where c.id = any (p_conversations);
  get diagnostics v_count = row_count;
  if v_events is not null then
    perform private.note_events(v_events);
  end if;
  return v_count;
end $$;
comment on function private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean) is 'Gives conversations to a person until a time; with p_extend a takeover that lasts longer stays. Returns how many.';

-- Whoever answers in the WhatsApp Business app has the conversation, as one who answers in the panel.
create function private.take_over_by_echoes(p_updates private.inbound_update[], p_contacts uuid[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_minutes integer := private.takeover_minutes();
begin
  if v_minutes = 0 then
    return;
  end if;
  perform private.take_over(array_agg(latest.id order by latest.id), 'app', v_now, latest.at + make_interval(mins => v_minutes), v_now)
  from (
    select c.id, max(least(coalesce(u.at, v_now), v_now)) as at
    from unnest(p_updates) with ordinality as u
    join public.conversations c on c.channel = u.channel and c.number_id = u.sender_id and c.contact_id = p_contacts[u.ordinality]
    where u.kind = 'echo' group by c.id
  ) latest
  group by latest.at;
end $$;
comment on function private.take_over_by_echoes(private.inbound_update[], uuid[]) is 'Takes over the conversations in which somebody answered elsewhere; updates with their contacts, already stored.';

create function private.refuse_erased(p_updates private.inbound_update[], p_outcomes text) returns text
language plpgsql set search_path = '' as $$
declare
  v_outcomes text := p_outcomes;
  v_update record;
begin
  for v_update in
    select u.provider, u.key, u.ord from unnest(p_updates) u
    where substr(p_outcomes, u.ord, 1) = 's' and exists (
      select from private.erased_keys e
      where e.hash in (private.keyed_hash(u.provider || ' ' || u.key),
          case when u.kind = 'status' then private.keyed_hash('message ' || u.channel || ' ' || u.provider_id) end,
          case when u.kind = 'status' then private.keyed_hash('message ' || u.channel || ' ' || u.callback) end)
        and e.at > now() - interval '8 days')
  loop
    delete from public.webhook_events w where w.provider = v_update.provider and w.dedupe_key = v_update.key;
    v_outcomes := overlay(v_outcomes placing 'd' from v_update.ord for 1);
  end loop;
  return v_outcomes;
end $$;
comment on function private.refuse_erased(private.inbound_update[], text) is 'Removes updates of erased people from those just stored: repetitions, and statuses of messages to them. Returns the outcomes with d for these.';

create function private.opt_words(p_what text) returns text[]
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(
    (select array(select lower(btrim(w.word)) from jsonb_array_elements_text(s.value::jsonb) as w (word))
    from public.settings s where s.key = 'opt_out.' || p_what || '_words'),
    case p_what when 'stop' then array['stop', 'stop promotions', 'unsubscribe'] else array['start', 'resume', 'subscribe'] end);
end $$;
comment on function private.opt_words(text) is 'The words by which people opt out (stop) or in again (start), from the settings opt_out.stop_words and opt_out.start_words, in lower case.';

create function private.opt_said(p_body text, p_choice text, p_stop text[], p_start text[]) returns text
language sql immutable set search_path = '' as $$
  select case
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_stop) or lower(p_choice) = any (p_stop) then 'out'
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_start) or lower(p_choice) = any (p_start) then 'in' end
$$;
comment on function private.opt_said(text, text, text[], text[]) is 'Whether a message consists of just a word that opts the person out or in; for a button also its payload.';

create function private.ingest_updates(p_updates jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_all private.inbound_update[];
  v_new private.inbound_update[];
  v_messages private.inbound_update[];
  v_others private.inbound_update[];
  v_statuses private.inbound_update[];
  v_contacts uuid[];
  v_other_contacts uuid[];
  v_outcomes text;
  v_stored bigint;
  -- Whether all are messages of senders, as nearly always: sorting updates by kind is not cheap.
  v_plain boolean;
  v_echoes boolean;
  v_revokes boolean;
  v_one private.inbound_update;
  v_address text;
  v_stop text[] := private.opt_words('stop');
  v_start text[] := private.opt_words('start');
  v_words text[] := v_stop || v_start;
  -- Including the punctuation around a word. Most messages are longer.
  v_longest integer := 4 + coalesce((select max(octet_length(w.word)) from unnest(v_words) as w (word)), 0);
  v_opts boolean;
  v_news boolean;
  v_events boolean;
  v_freed boolean := false;
  -- Messages in groups, each with its author.
  v_groups boolean;
  v_authors uuid[];
  -- What was written before the sender was connected here, and what the business calls people; a later migration takes them.
  v_past private.inbound_update[];
  v_past_contacts uuid[];
  v_names private.inbound_update[];
  v_subjects private.status_subject[];
  v_counts jsonb;
  v_imports boolean := to_regprocedure('private.import_messages(private.inbound_update[],uuid[])') is not null;
begin
  select array_agg((u.ordinality, u.key, u.channel, u.provider, u.field, u.kind, u.sender_id, u.sender_display, u.at, u.identities,
    u.name, u.provider_id, u.type, u.body, u.choice, u.reply_to, u.token, u.referral,
    u.forwarded, u.status, u.rank, u.error, u.pricing, u.callback, said.opt, u.traceparent, u.news, u.event, u.raw, u.author, u.author_name)::private.inbound_update order by u.ordinality),
    bool_and((u.kind in ('message', 'echo')) is true and u.sender_id is not null),
    bool_or(u.kind = 'echo'), bool_or(u.type = 'revoke'), bool_or(said.opt is not null), bool_or(u.news is not null),
    bool_or(u.event is not null or u.kind = 'identity'), bool_or(u.author is not null)
  into v_all, v_plain, v_echoes, v_revokes, v_opts, v_news, v_events, v_groups
  from rows from (jsonb_to_recordset(p_updates) as (
    key text, channel text, provider text, field text, kind text, sender_id text, sender_display text, at timestamptz,
    identities private.identity[], name text,
    provider_id text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
    status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, traceparent text, news jsonb, event jsonb, raw jsonb, author private.identity[], author_name text)) with ordinality as u
  -- Typed, or tapped on a template. The check that nearly every message needs is inlined, because a function call costs
  -- more than the rest; and evaluated once (offset 0), though it is used twice.
  cross join lateral (
    select case
      -- The provider has its own words for opting in; those of the team that end messages still count.
      when u.opt = 'none' then private.opt_said(u.body, null, v_stop, '{}')
      when u.opt is not null then u.opt
      -- Who says stop in a group says it to the others.
      when u.author is not null then null
      when u.kind not in ('message', 'past_message') or u.type not in ('text', 'button') then null
      when octet_length(u.body) <= v_longest and lower(btrim(u.body, E' \t\n\r.!"''')) = any (v_words) or lower(u.choice) = any (v_words)
        then private.opt_said(u.body, u.choice, v_stop, v_start) end as opt
    offset 0) said;
  if v_all is null then
    return '{"outcomes": ""}';
  end if;

  -- A sender's address may change. One random update per batch is checked: this costs next to nothing however large the
  -- batch is, and also reaches senders with little traffic.
  v_one := v_all[1 + floor(random() * cardinality(v_all))::integer];

  -- Each update once. In the order of keys, so that two batches with the same updates wait instead of deadlocking;
  -- the second learns that it has a duplicate only when the first has committed.
  with first_of_key as (
    select distinct on (u.key, u.provider) u.ord, u.provider, u.key, u.field, u.kind, u.sender_id, u.raw,
      u.sender_id is not null and (u.kind in ('message', 'echo')
        or u.kind in ('past_message', 'past_echo') and v_imports and cardinality(u.identities) > 0) as in_message
    from unnest(v_all) u order by u.key, u.provider, u.ord
  ), stored as (
    insert into public.webhook_events (provider, dedupe_key, field, kind, number_id, raw)
    select f.provider, f.key, coalesce(f.field, 'unknown'), f.kind, f.sender_id,
      case when not coalesce(f.in_message, false) then f.raw end
    from first_of_key f order by f.key, f.provider
    on conflict (provider, dedupe_key) do nothing
    returning provider, dedupe_key
  ), new_ones as (
    select f.ord from stored join first_of_key f on f.key = stored.dedupe_key and f.provider = stored.provider
  )
  select string_agg(case when n.ord is not null then 's' else 'd' end, '' order by place), count(n.ord),
    (select s.address from public.senders s where s.channel = v_one.channel and s.id = v_one.sender_id)
  into v_outcomes, v_stored, v_address
  from generate_series(1, cardinality(v_all)) place left join new_ones n on n.ord = place;
  -- In a separate statement: the previous one may have waited for an erasure.
  if v_stored > 0 and exists (select from private.erased_keys) then
    v_outcomes := private.refuse_erased(v_all, v_outcomes);
    v_stored := length(replace(v_outcomes, 'd', ''));
  end if;

  v_counts := jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_all)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', v_stored),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_all) - v_stored));
  if v_stored = 0 then
    perform public.add_counts(v_counts);
    return jsonb_build_object('outcomes', v_outcomes);
  end if;

  v_new := v_all;
  if v_stored < cardinality(v_all) then
    v_new := array(select u from unnest(v_all) u where substr(v_outcomes, u.ord::int, 1) = 's' order by u.ord);
  end if;
  if v_plain then
    v_messages := v_new;
  else
    select array_agg(u order by u.ord) filter (where u.kind in ('message', 'echo') and u.sender_id is not null),
      array_agg(u order by u.ord) filter (where u.kind in ('identity', 'other') and cardinality(u.identities) > 0),
      array_agg(u order by u.ord) filter (where u.kind = 'status'),
      array_agg(u order by u.ord) filter (where u.kind in ('past_message', 'past_echo') and u.sender_id is not null and v_imports),
      array_agg(u order by u.ord) filter (where u.kind = 'name' and u.sender_id is not null and v_imports)
    into v_messages, v_others, v_statuses, v_past, v_names
    from unnest(v_new) u;
  end if;
  if v_echoes then
    -- The echo of one of our messages is that message.
    v_messages := nullif(array(
      select u from unnest(v_messages) u
      where u.kind <> 'echo' or not exists (
        select from public.messages m
        where m.provider_id = u.provider_id and m.channel = u.channel and m.direction = 'out' and m.seq > 0)
      order by u.ord), '{}');
  end if;
  -- Everything that may need the contacts' lock comes before the first conversation's lock.
  if v_messages is not null then
    v_contacts := private.assign_contacts(v_messages);
    if array_position(v_contacts, null) is not null then
      -- Messages that identify nobody are stored too, under one contact per channel.
      with nobody as (
        select u.channel, private.uuid_v7() as id from unnest(v_messages) with ordinality as u
        where v_contacts[u.ordinality] is null group by u.channel
      ), made as (
        insert into public.contacts (id, channel) select n.id, n.channel from nobody n
      )
      select array_agg(coalesce(v_contacts[u.ordinality], n.id) order by u.ordinality) into v_contacts
      from unnest(v_messages) with ordinality as u left join nobody n on n.channel = u.channel;
    end if;
  end if;
  if v_others is not null then
    v_other_contacts := private.assign_contacts(v_others);
  end if;
  if v_groups and v_messages is not null then
    v_authors := private.assign_authors(v_messages);
  end if;
  if v_names is not null then
    perform private.apply_names(v_names);
  end if;
  if v_past is not null then
    v_past_contacts := private.assign_contacts(v_past);
  end if;
  if v_statuses is not null then
    v_subjects := private.subjects_of(v_statuses);
    perform private.learn_recipients(v_statuses, v_subjects);
  end if;
  if v_past is not null then
    v_past_contacts := private.merged(v_past_contacts);
    -- Those of both kinds at once, in the common order.
    perform from public.conversations c where c.contact_id = any (v_past_contacts || v_contacts) order by c.id for update;
  end if;
  if v_messages is not null then
    if not v_plain then
      v_contacts := private.merged(v_contacts);
    end if;
    perform private.store_messages(v_messages, v_contacts);
    if v_authors is not null then
      perform private.keep_authors(v_messages, v_contacts, v_authors);
    end if;
    if v_imports then
      perform private.drop_imported(v_messages);
    end if;
    if v_echoes then
      perform private.take_over_by_echoes(v_messages, v_contacts);
    end if;
    if v_revokes then
      perform private.withdraw_messages(v_messages);
    end if;
    if v_opts then
      perform private.apply_opt_outs(v_messages, v_contacts);
    end if;
  end if;
  if v_past is not null then
    perform private.import_messages(v_past, v_past_contacts);
    if v_opts then
      perform private.apply_opt_outs(v_past, v_past_contacts);
    end if;
  end if;
  if v_others is not null and v_opts then
    perform private.apply_opt_outs(v_others, private.merged(v_other_contacts));
  end if;
  if v_news then
    perform private.apply_templates(array_agg(u order by u.ord)) from unnest(v_new) u where u.news is not null having count(*) > 0;
    if to_regprocedure('private.apply_news(private.inbound_update[])') is not null then
      perform private.apply_news(array_agg(u order by u.ord)) from unnest(v_new) u where u.news is not null having count(*) > 0;
    end if;
  end if;
  if v_events and private.is_subscribed() then
    perform private.note_updates(v_new, v_messages, v_contacts, v_others, private.merged(v_other_contacts));
  end if;
  if v_statuses is not null then
    if v_past is not null or v_echoes then
      -- Some may be about messages that have just come in.
      v_subjects := private.subjects_of(v_statuses);
    end if;
    v_freed := private.apply_statuses(v_statuses, v_subjects);
  end if;
  if v_one.sender_display is not null and v_one.sender_display is distinct from v_address then
    update public.senders s set address = v_one.sender_display where s.channel = v_one.channel and s.id = v_one.sender_id;
  end if;
  -- Last, because other batches wait for these rows until the commit.
  perform public.add_counts(v_counts);
  return jsonb_build_object('outcomes', v_outcomes) || case when v_freed then '{"freed": true}' else '{}' end::jsonb
    -- Set by private.tell_pipeline().
    || case when current_setting('gatelink.told', true) = 'true' then '{"told": true}' else '{}' end::jsonb;
end $$;
comment on function private.ingest_updates(jsonb) is 'One attempt of ingest_updates; fails if a person in the batch is erased at the same moment.';

-- A person who is erased while their message arrives becomes a new contact: the foreign key reports that the conversation
-- is gone, and the second attempt no longer finds the person.
create function public.ingest_updates(p_updates jsonb) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.ingest_updates(p_updates);
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.ingest_updates(jsonb) is 'Stores a batch of normalised updates in one transaction: raw events once each, contacts, conversations, messages in order, statuses by rank, counts. Returns {"outcomes": "sd…"}: for each update, in the given order, s (stored) or d (duplicate); freed: true if a status released a waiting message; and told: true if events for services were queued.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.opt_words(text),
  private.opt_said(text, text, text[], text[]),
  private.takeover_minutes(),
  private.take_over(uuid[], text, timestamptz, timestamptz, timestamptz, boolean),
  private.take_over_by_echoes(private.inbound_update[], uuid[]),
  private.refuse_erased(private.inbound_update[], text),
  private.ingest_updates(jsonb),
  public.ingest_updates(jsonb)
  to service_role;

insert into private.own_migrations (version) values ('20261129000520');
