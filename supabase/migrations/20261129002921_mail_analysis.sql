-- What mails say: mood, urgency and a summary, found out behind the card. Nothing here can hold up a card or take its place.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.analyses (
  message_id uuid primary key references public.messages (id) on delete cascade,
  state text not null default 'queued' constraint analyses_state_known check (state in ('queued', 'done', 'given_up')),
  source text constraint analyses_source_known check (source in ('model', 'rules')),
  sentiment text constraint analyses_sentiment_known check (sentiment in ('positive', 'neutral', 'negative')),
  urgency text constraint analyses_urgency_known check (urgency in ('critical', 'high', 'normal', 'low')),
  summary text check (length(summary) <= 200),
  confidence real check (confidence between 0 and 1),
  rules_version text,
  model text check (length(model) <= 100),
  latency_ms integer,
  fault text check (length(fault) <= 40),
  is_asking boolean not null default false,
  attempts smallint not null default 0,
  due_at timestamptz default now(),
  lease uuid,
  created_at timestamptz not null default now(),
  done_at timestamptz,
  judged_at timestamptz
) with (fillfactor = 80);
comment on table public.analyses is 'What was found out about mails that are shown as cards. It may raise attention; it never lowers it, and decides of no delivery.';
comment on column public.analyses.message_id is 'The mail.';
comment on column public.analyses.state is 'queued, done, or given_up: its words are gone, or nobody came to it within ten minutes.';
comment on column public.analyses.source is 'Whose word the mood is: a model''s, or that of the rules and the classifier that come with the code.';
comment on column public.analyses.sentiment is 'positive, neutral or negative; null if that is not clear enough.';
comment on column public.analyses.urgency is 'critical, high, normal or low, the more urgent one of what rules and model say; null if that is not clear.';
comment on column public.analyses.summary is 'The model''s, in one line, without addresses, numbers and links; null without one.';
comment on column public.analyses.confidence is 'Of the classifier, 0 to 1; null of a model.';
comment on column public.analyses.rules_version is 'Version of rules and classifier.';
comment on column public.analyses.model is 'Name of the model that was asked; null for none.';
comment on column public.analyses.latency_ms is 'From the question to the model''s answer, in milliseconds; of rules from the claim to the result.';
comment on column public.analyses.fault is 'Why the model gave nothing usable, in one word; null if it was not asked, or did.';
comment on column public.analyses.is_asking is 'Whether the card asks what is right, because somebody pressed that it is wrong.';
comment on column public.analyses.attempts is 'How often somebody took it up.';
comment on column public.analyses.due_at is 'When it is taken up, or its lease ends; null once it is over.';
comment on column public.analyses.lease is 'Of whoever works on it.';
comment on column public.analyses.created_at is 'When the card was sent.';
comment on column public.analyses.done_at is 'When it was done.';
comment on column public.analyses.judged_at is 'When it was counted for rollouts as right or wrong; null if it was not (yet).';
create index analyses_due_idx on public.analyses (due_at) where due_at is not null;
comment on index public.analyses_due_idx is 'What is to be analysed. Nearly always empty.';
create index analyses_done_idx on public.analyses (done_at) where state = 'done';
comment on index public.analyses_done_idx is 'For the accuracy of the last weeks.';
create index analyses_unjudged_idx on public.analyses (done_at) where state = 'done' and source = 'model' and judged_at is null;
comment on index public.analyses_unjudged_idx is 'Those of the model that are to be counted for rollouts.';
alter table public.analyses enable row level security;
revoke all on public.analyses from public, anon, authenticated;
grant select on public.analyses to authenticated;
grant select, insert, update, delete on public.analyses to service_role;
create policy "team reads analyses" on public.analyses for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads analyses" on public.analyses is 'They are shown on cards.';

create table public.analysis_labels (
  message_id uuid not null references public.analyses (message_id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  sentiment text constraint analysis_labels_sentiment_known check (sentiment in ('positive', 'neutral', 'negative')),
  urgency text constraint analysis_labels_urgency_known check (urgency in ('critical', 'high', 'normal', 'low')),
  at timestamptz not null default now(),
  constraint analysis_labels_pkey primary key (message_id, user_id)
);
comment on table public.analysis_labels is 'What people of the team say a mail really was. Accuracy is measured by it.';
comment on constraint analysis_labels_pkey on public.analysis_labels is 'One word a person.';
comment on column public.analysis_labels.message_id is 'The mail.';
comment on column public.analysis_labels.user_id is 'Who says so.';
comment on column public.analysis_labels.sentiment is 'The right mood; null if the person said nothing of it.';
comment on column public.analysis_labels.urgency is 'The right urgency; null if the person said nothing of it.';
comment on column public.analysis_labels.at is 'When the person last said something.';
create index analysis_labels_user_idx on public.analysis_labels (user_id);
comment on index public.analysis_labels_user_idx is 'For the removal of a user.';
alter table public.analysis_labels enable row level security;
revoke all on public.analysis_labels from public, anon, authenticated;
grant select on public.analysis_labels to authenticated;
grant select, insert, update, delete on public.analysis_labels to service_role;
create policy "team reads labels" on public.analysis_labels for select to authenticated using ((select private.has_role('viewer')));
comment on policy "team reads labels" on public.analysis_labels is 'Who corrected what is the team''s.';

create function private.queue_analysis() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_message record;
begin
  -- Failure policy: open. The card is in the chat already, and nothing that comes behind it may undo that.
  begin
    select m.id, c.contact_id into v_message
    from public.deliveries d join public.messages m on m.id = d.message_id join public.conversations c on c.id = m.conversation_id
    where d.id = new.delivery_id and m.channel = 'email' and m.direction = 'in';
    if v_message.id is not null and (
      select f.value from private.evaluate_flag('mail_analysis.enabled', v_message.contact_id::text) f) then
      insert into public.analyses as a (message_id) values (v_message.id) on conflict (message_id) do nothing;
      -- Another chat has the same mail, and what is known of it is shown here too.
      if not found then
        update public.cards c set edit_due_at = clock_timestamp()
        where c.delivery_id = new.delivery_id and exists (
          select from public.analyses a where a.message_id = v_message.id and a.state = 'done');
      end if;
    end if;
  exception when others then
    raise warning 'a mail could not be queued for analysis: % (%)', sqlerrm, sqlstate;
  end;
  return null;
end $$;
comment on function private.queue_analysis() is 'Trigger, after a card was sent: the mail that it shows is analysed, while mail_analysis.enabled is on for who wrote it.';
create trigger queue_analysis after insert on public.cards for each row execute function private.queue_analysis();
comment on trigger queue_analysis on public.cards is 'The card comes first, what is found out about it later.';

create function private.forget_analysis() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.analyses a
  set summary = null, state = case a.state when 'queued' then 'given_up' else a.state end, due_at = null, lease = null
  where a.message_id = new.id and (a.summary is not null or a.due_at is not null);
  return null;
end $$;
comment on function private.forget_analysis() is 'Trigger, after the words of a message were removed: its summary goes too. Figures stay.';
create trigger forget_analysis after update of text, native on public.messages for each row
  when (new.text is null and new.native is null and (old.text is not null or old.native is not null))
  execute function private.forget_analysis();
comment on trigger forget_analysis on public.messages is 'A summary is made of the words.';

create function private.analyses_are_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.analyses a where a.due_at <= p_now);
end $$;
comment on function private.analyses_are_due(timestamptz) is 'Whether a mail is to be analysed. For the clock.';

create function private.claim_analyses(p_limit integer, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_claimed jsonb;
begin
  -- What is said of a card after so long helps nobody, and would come in a crowd.
  update public.analyses a set state = 'given_up', due_at = null, lease = null
  where a.message_id in (
    select x.message_id from public.analyses x
    where x.due_at <= p_now and (x.created_at < p_now - interval '10 minutes' or x.attempts >= 3)
    order by x.due_at limit 500 for update skip locked);
  with due as (
    update public.analyses a set due_at = p_now + interval '30 seconds', lease = gen_random_uuid(), attempts = a.attempts + 1
    where a.message_id in (
      select x.message_id from public.analyses x where x.due_at <= p_now order by x.due_at limit p_limit for update skip locked)
    returning a.message_id, a.lease
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'message_id', d.message_id, 'lease', d.lease, 'subject', m.native ->> 'subject', 'text', m.text, 'text_full', m.native ->> 'text_full',
    'recipient', m.native ->> 'recipient', 'sender', m.native #> '{from}', 'automatic', coalesce((m.native ->> 'automatic')::boolean, false),
    'kind', m.native ->> 'kind') order by d.message_id), '[]')
  into v_claimed
  from due d join public.messages m on m.id = d.message_id;
  return v_claimed;
end $$;
comment on function private.claim_analyses(integer, timestamptz) is 'claim_analyses with a given time.';

create function public.claim_analyses(p_limit integer) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_analyses(p_limit, clock_timestamp());
end $$;
comment on function public.claim_analyses(integer) is 'Leases up to p_limit mails for 30 s that are to be analysed: [{message_id, lease, subject, text, text_full, recipient, sender, automatic, kind}]. Gives up those whose card is older than ten minutes, and those taken up three times. For secret keys.';

create function private.settle_analysis(p_message_id uuid, p_lease uuid, p_result jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_shown boolean;
  v_calls jsonb;
begin
  update public.analyses a
  set state = 'done', source = p_result ->> 'source', sentiment = p_result ->> 'sentiment', urgency = p_result ->> 'urgency',
    summary = case when exists (select from public.messages m where m.id = p_message_id and (m.text is not null or m.native is not null))
      then p_result ->> 'summary' end,
    confidence = (p_result ->> 'confidence')::real, rules_version = p_result ->> 'rules_version', model = p_result ->> 'model',
    latency_ms = (p_result ->> 'latency_ms')::integer, fault = p_result ->> 'fault', due_at = null, lease = null, done_at = p_now
  where a.message_id = p_message_id and a.lease = p_lease and a.state = 'queued'
  returning coalesce(a.sentiment, a.urgency, a.summary) is not null into v_shown;
  if v_shown is not true then
    return '[]';
  end if;
  perform private.lock_cards(p_message_id);
  with shown as (
    update public.cards c set edit_due_at = p_now, edit_lease = null
    where c.delivery_id in (select d.id from public.deliveries d where d.message_id = p_message_id)
    returning c.chat_id, c.topic_id, c.message_ids[1] as message_id, c.state
  )
  -- Who has seen to it already needs no second call. Calls take from what a chat may get in a minute: whoever writes many mails
  -- that sound urgent would hold up the cards of others. Those without a call have their mark.
  select coalesce(jsonb_agg(jsonb_build_object('chat_id', s.chat_id, 'topic_id', s.topic_id, 'message_id', s.message_id))
    filter (where case when s.state = 'open' and coalesce((p_result ->> 'rises')::boolean, false)
      then (select t.allowed from private.take_rate(format('analysis_call:%s', s.chat_id), 0.05, 3, 1, p_now) t) end), '[]')
  into v_calls from shown s;
  return v_calls;
end $$;
comment on function private.settle_analysis(uuid, uuid, jsonb, timestamptz) is 'settle_analysis with a given time.';

create function public.settle_analysis(p_message_id uuid, p_lease uuid, p_result jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  return private.settle_analysis(p_message_id, p_lease, p_result, clock_timestamp());
end $$;
comment on function public.settle_analysis(uuid, uuid, jsonb) is 'Keeps what was found out about a mail: {source, sentiment, urgency, summary, confidence, rules_version, model, latency_ms, fault, rises}, and has its cards brought up to date. Returns the open cards that are to be called attention to, because rises says that it is more urgent than its address says: [{chat_id, topic_id, message_id}]. A lease that is over changes nothing. For secret keys.';

create function private.with_analyses(p_edits jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(e.value || jsonb_build_object('analysis', case when a.state = 'done' then jsonb_build_object(
      'sentiment', coalesce(l.sentiment, a.sentiment), 'urgency', coalesce(l.urgency, a.urgency), 'summary', a.summary,
      'is_asking', a.is_asking, 'is_corrected', l.message_id is not null) end) order by e.place), '[]')
    from jsonb_array_elements(p_edits) with ordinality as e (value, place)
    join public.deliveries d on d.id = (e.value ->> 'delivery_id')::uuid
    left join public.analyses a on a.message_id = d.message_id
    left join lateral (
      select x.message_id, (array_agg(x.sentiment order by x.at desc) filter (where x.sentiment is not null))[1] as sentiment,
        (array_agg(x.urgency order by x.at desc) filter (where x.urgency is not null))[1] as urgency
      from public.analysis_labels x where x.message_id = a.message_id group by x.message_id) l on true);
end $$;
comment on function private.with_analyses(jsonb) is 'Edits of cards with analysis: {sentiment, urgency, summary, is_asking, is_corrected}, null where nothing is known. People''s word goes before the analysis''.';

create function private.label_card(p_card public.cards, p_user uuid, p_action text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_message uuid := (select d.message_id from public.deliveries d where d.id = p_card.delivery_id);
  v_label text := split_part(p_action, '_', 2);
begin
  perform from public.analyses a where a.message_id = v_message and a.state = 'done' for update;
  if not found then
    return '{"alert": true, "answer": "Nothing is known of this mail (any more)."}';
  end if;
  update public.analyses a set is_asking = p_action = 'wrong' where a.message_id = v_message;
  if p_action like 'is\_%' then
    insert into public.analysis_labels as l (message_id, user_id, sentiment, urgency, at)
    values (v_message, p_user, case when v_label in ('positive', 'neutral', 'negative') then v_label end,
      case when v_label in ('critical', 'high', 'normal', 'low') then v_label end, p_now)
    on conflict (message_id, user_id) do update
    set sentiment = coalesce(excluded.sentiment, l.sentiment), urgency = coalesce(excluded.urgency, l.urgency), at = excluded.at;
  end if;
  update public.cards c set edit_due_at = p_now, edit_lease = null
  where c.delivery_id in (select d.id from public.deliveries d where d.message_id = v_message);
  return jsonb_build_object('alert', false, 'edits', true, 'answer', case p_action
    when 'wrong' then 'What is right?' when 'back' then 'Nothing changed.' else 'Thank you, noted.' end);
end $$;
comment on function private.label_card(public.cards, uuid, text, timestamptz) is 'Somebody pressed on a card that its analysis is wrong (wrong), what is right (is_negative, is_high, …), or changed his mind (back). All cards of the mail show it.';

create function private.analysis_accuracy(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  -- From what people did, which is little, and never from all that was analysed: metrics ask this each time.
  with handled as (
    select l.message_id from public.analysis_labels l where l.sentiment is not null
    union
    select d.message_id from public.card_presses p join public.deliveries d on d.id = p.delivery_id
    where p.id >= private.uuid_v7_from(p_now - interval '31 days') and p.outcome = 'done' and p.user_id is not null
  ), judged as (
    select a.source, coalesce(l.sentiment, a.sentiment) = a.sentiment as is_right
    from handled h
    -- One row, so that none but theirs are read.
    cross join lateral (select * from public.analyses x where x.message_id = h.message_id limit 1) a
    left join lateral (
      select x.sentiment from public.analysis_labels x where x.message_id = a.message_id and x.sentiment is not null order by x.at desc limit 1) l on true
    where a.state = 'done' and a.done_at > p_now - interval '30 days' and a.done_at <= p_now and a.sentiment is not null
  ), counted as (
    select j.source, count(*)::double precision as n, count(*) filter (where j.is_right)::double precision as k from judged j group by j.source
  ), bounded as (
    -- Wilson's interval at 95 %.
    select c.source, c.n, c.k, (c.k / c.n + 1.9207 / c.n) / (1 + 3.8415 / c.n) as middle,
      1.96 / (1 + 3.8415 / c.n) * sqrt(c.k / c.n * (1 - c.k / c.n) / c.n + 0.9604 / (c.n * c.n)) as half
    from counted c
  )
  select coalesce(jsonb_agg(jsonb_build_object('source', b.source, 'ratio', b.k / b.n, 'n', b.n, 'right', b.k,
    'low', round(greatest(0, b.middle - b.half)::numeric, 4), 'high', round(least(1, b.middle + b.half)::numeric, 4)) order by b.source), '[]')
  from bounded b
$$;
comment on function private.analysis_accuracy(timestamptz) is 'analysis_accuracy at a given time.';

create function private.analysis_accuracy() returns jsonb
language sql stable set search_path = '' as $$
  select private.analysis_accuracy(now())
$$;
comment on function private.analysis_accuracy() is 'How often the mood that analyses found in the last 30 days was right, by source: [{source, ratio, n, right, low, high}] with Wilson''s interval at 95 %; a source without samples is absent. An analysis is judged once somebody of the team handled its card or said what is right, and right unless said otherwise: who does not look counts as right.';

create function private.analysis_gate(p_now timestamptz) returns text
language sql stable set search_path = '' as $$
  select coalesce((
    select case when (m.value ->> 'n')::double precision < 50 then 'wait' when (m.value ->> 'ratio')::double precision > 0.85 then 'pass'
      when (m.value ->> 'ratio')::double precision < 0.70 then 'fail' else 'wait' end
    from jsonb_array_elements(private.analysis_accuracy(p_now)) as m (value) where m.value ->> 'source' = 'model'), 'wait')
$$;
comment on function private.analysis_gate(timestamptz) is 'Whether the model is accurate enough for its rollout to go on: pass (above 85 %), fail (below 70 %: back), or wait; at least 50 judged mails are asked for. What rules found does not count.';

create function private.judge_analyses(p_now timestamptz) returns integer
language plpgsql volatile set search_path = '' as $$
declare
  v_judged jsonb;
begin
  with open as materialized (
    select a.message_id, a.sentiment from public.analyses a
    where a.state = 'done' and a.source = 'model' and a.judged_at is null and a.sentiment is not null
      and a.done_at > p_now - interval '7 days'
      -- Before the limit: most mails are never handled, and must not stand before those that are.
      and (exists (select from public.analysis_labels x where x.message_id = a.message_id and x.sentiment is not null) or exists (
        select from public.deliveries d join public.card_presses p on p.delivery_id = d.id
        where d.message_id = a.message_id and p.outcome = 'done' and p.user_id is not null and p.at < p_now - interval '15 minutes'))
    order by a.done_at limit 2000
  ), handled as (
    select o.message_id, (
        select min(p.at) from public.deliveries d join public.card_presses p on p.delivery_id = d.id
        where d.message_id = o.message_id and p.outcome = 'done' and p.user_id is not null) as at, l.at as label_at,
      coalesce(l.sentiment, o.sentiment) = o.sentiment as is_right
    from open o
    left join lateral (
      select x.sentiment, x.at from public.analysis_labels x
      where x.message_id = o.message_id and x.sentiment is not null order by x.at desc limit 1) l on true
  ), judged as (
    -- Who handles a mail first may correct it afterwards.
    update public.analyses a set judged_at = p_now from handled h
    where a.message_id = h.message_id and (h.label_at is not null or h.at < p_now - interval '15 minutes')
    returning a.message_id, h.is_right
  )
  select jsonb_agg(jsonb_build_object('name', m.name, 'subject', c.contact_id, 'key', j.message_id) order by j.message_id, m.name) into v_judged
  from judged j join public.messages x on x.id = j.message_id join public.conversations c on c.id = x.conversation_id
  cross join lateral (values ('analysis.judged', true), ('analysis.right', j.is_right)) as m (name, counts)
  where m.counts;
  if v_judged is null then
    return 0;
  end if;
  perform private.record_metrics(v_judged, p_now);
  return jsonb_array_length(v_judged);
end $$;
comment on function private.judge_analyses(timestamptz) is 'Counts for rollouts what the model found: analysis.judged, and analysis.right, once each mail; fifteen minutes after somebody of the team handled its card, or once it was corrected. Returns how many events. For the clock.';

create function public.analysis_report() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform private.require_role('viewer');
  return jsonb_build_object('gate', private.analysis_gate(now()), 'accuracy', private.analysis_accuracy(now()), 'analyses', (
    select coalesce(jsonb_agg(jsonb_build_object('source', g.source, 'n', g.n, 'sentiment', g.sentiment, 'urgency', g.urgency,
      'faults', g.faults, 'ms', g.ms) order by g.source), '[]')
    from (
      select a.source, count(*) as n, count(a.sentiment) as sentiment, count(a.urgency) as urgency, count(a.fault) as faults,
        round(percentile_cont(0.95) within group (order by a.latency_ms)) as ms
      from public.analyses a where a.state = 'done' and a.done_at > now() - interval '30 days' group by a.source) g), 'given_up', (
    select count(*) from public.analyses a where a.state = 'given_up' and a.created_at > now() - interval '30 days'), 'circuit', (
    select jsonb_build_object('open_until', c.open_until, 'failures', c.failures) from private.provider_circuits c where c.provider = 'openai'));
end $$;
comment on function public.analysis_report() is 'How analyses of the last 30 days did: {gate (pass, fail, wait), accuracy: [{source, ratio, n, right, low, high}], analyses: [{source, n, sentiment, urgency (how many had one), faults, ms (95th percentile)}], given_up, circuit}. For viewers and secret keys.';

call private.close_functions();
grant execute on function public.analysis_report() to authenticated, service_role;
grant execute on function
  private.analyses_are_due(timestamptz),
  private.claim_analyses(integer, timestamptz),
  public.claim_analyses(integer),
  private.settle_analysis(uuid, uuid, jsonb, timestamptz),
  public.settle_analysis(uuid, uuid, jsonb),
  private.with_analyses(jsonb),
  private.label_card(public.cards, uuid, text, timestamptz),
  private.analysis_accuracy(timestamptz),
  private.analysis_accuracy(),
  private.analysis_gate(timestamptz),
  private.judge_analyses(timestamptz)
  to service_role;

-- The clock was scheduled before there were these jobs.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002921');
