-- Opens and clicks of tracked mails: giving tickets, recording, judging again, withdrawing consent, reading.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Sending: the ticket of a mail -------------------------------------------------------------------

create function private.link_set_of(p_links text[], p_now timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
  v_hash bytea := sha256(convert_to(array_to_json(p_links)::text, 'UTF8'));
  v_found record;
begin
  if p_links = '{}' then
    return null;
  end if;
  select s.id, s.used_at into v_found from private.mail_link_sets s where s.hash = v_hash;
  if v_found.id is null then
    insert into private.mail_link_sets (hash, links, used_at) values (v_hash, p_links, p_now)
    on conflict (hash) do update set used_at = excluded.used_at returning id into v_found;
  elsif v_found.used_at < p_now - interval '1 day' then
    update private.mail_link_sets s set used_at = p_now where s.id = v_found.id;
  end if;
  return v_found.id;
end $$;
comment on function private.link_set_of(text[], timestamptz) is 'The number of these links, which are stored once; null for none.';

create function private.track_mail(p_mail jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_message record;
  v_ticket private.mail_tickets;
  v_mode text;
  v_links bigint;
begin
  select m.id, m.native, c.contact_id, c.number_id into v_message
  from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = (p_mail ->> 'message')::uuid and m.channel = 'email' and m.direction = 'out';
  v_mode := coalesce(p_mail ->> 'mode', (select s.value from public.settings s where s.key = 'email.track'), 'off');
  if v_message.id is null or v_mode = 'off' or not (
    select f.value from private.evaluate_flag('email_tracking.enabled',
      private.token_arm(v_message.native ->> 'user_id', private.inbox_for(null, v_message.number_id))) f) then
    return null;
  end if;
  select * into v_ticket from private.mail_tickets t where t.message_id = v_message.id;
  v_mode := private.tracking_mode(v_message.contact_id, private.uuid_in(v_message.native ->> 'campaign_id'),
    case when private.tracking_rank(v_ticket.mode) < private.tracking_rank(v_mode) then v_ticket.mode else v_mode end);
  if v_mode = 'off' then
    return null;
  end if;
  v_links := private.link_set_of(array(
    select l.url from jsonb_array_elements_text(p_mail -> 'links') with ordinality as l (url, place) order by l.place), p_now);
  insert into private.mail_tickets as t (message_id, contact_id, campaign_id, link_set, mode, created_at)
  values (v_message.id, v_message.contact_id, private.uuid_in(v_message.native ->> 'campaign_id'), v_links, v_mode, p_now)
  on conflict (message_id) do update set link_set = excluded.link_set, mode = excluded.mode
  returning * into v_ticket;
  return jsonb_build_object('mail', v_ticket.id, 'links', coalesce(v_ticket.link_set, 0), 'mode', v_ticket.mode,
    'key', (select k.key from private.ticket_key k));
end $$;
comment on function private.track_mail(jsonb, timestamptz) is 'The ticket of a mail that is about to be sent, as far as flag and consent allow; null where they do not.';

create function public.track_mails(p_mails jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_answers jsonb := '[]';
  v_mail jsonb;
begin
  perform private.refuse_older_code();
  if not exists (
    select from public.flag_evaluations e where e.flag_key = 'email_tracking.enabled' and e.last_at > v_now - interval '50 minutes') then
    perform private.record_evaluations('{email_tracking.enabled}', v_now);
  end if;
  for v_mail in select e.item from jsonb_array_elements(p_mails) with ordinality as e (item, place) order by e.place loop
    v_answers := v_answers || jsonb_build_array(private.track_mail(v_mail, v_now));
  end loop;
  return v_answers;
end $$;
comment on function public.track_mails(jsonb) is 'Gives mails that are about to be sent their tickets: [{message, mode (off, aggregate, individual; null: the setting email.track, else off), links: [addresses]}] -> in the order given {mail, links, mode, key}, or null for one that is not to be tracked: the flag email_tracking.enabled is off, or the person does not allow it. The same again for the same mail. For secret keys.';

create function public.ticket_key() returns text
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (select k.key from private.ticket_key k);
end $$;
comment on function public.ticket_key() is 'The key that seals tickets, 64 hex digits. For secret keys.';

create function public.mail_link_sets(p_ids bigint[]) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'links', to_jsonb(s.links)) order by s.id), '[]')
    from private.mail_link_sets s where s.id = any (p_ids));
end $$;
comment on function public.mail_link_sets(bigint[]) is 'Where the links of tracked mails lead: [{id, links}]; without those that are no more. For secret keys.';

-- Recording: lines of text, as clicks of links ----------------------------------------------------

create function public.record_accesses(p_batch uuid, p_accesses text) returns void
language plpgsql volatile set search_path = '' set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  perform private.refuse_older_code();
  insert into private.click_batches (id) values (p_batch) on conflict (id) do nothing;
  if not found then
    return;
  end if;
  with given as (
    select f.field[1] as kind, f.field[2]::bigint as ticket, to_timestamp(f.field[3]::float8 / 1000) as at, f.field[4]::smallint as link,
      f.field[5] as verdict, f.field[6] as client, f.field[7] as signs, replace(f.field[8], ',', ' ') as reasons
    from (
      -- Once a line, and not once for each use of it.
      select string_to_array(a.line, ' ', '') as field from string_to_table(p_accesses, E'\n') as a (line) offset 0
    ) f
  ), locked as materialized (
    -- Whoever withdraws consent or erases a person waits until this batch is stored, or this batch sees that it was done.
    select t.id, t.message_id, t.campaign_id, t.mode, t.delivered_at from private.mail_tickets t
    where t.id = any (array(select g.ticket from given g)) order by t.id for key share
  ), known as (
    -- Consent once more: it may have been withdrawn since the mail was sent.
    select g.*, case when t.mode = 'individual' then t.message_id end as message_id, t.campaign_id,
      -- Nothing that becomes known later makes a machine a person; and an image that is loaded long after the delivery is
      -- judged once. Of campaigns all are, which counts them.
      t.campaign_id is null and g.kind = 'o' and (g.verdict = 'machine' or g.at > t.delivered_at + interval '3 minutes') as judged
    from given g join locked t on t.id = g.ticket
    where t.mode <> 'off'
  ), opened as (
    insert into public.email_opens (ticket, message_id, campaign_id, at, verdict, reasons, client, signs, judged)
    select k.ticket, k.message_id, k.campaign_id, k.at, k.verdict, k.reasons, k.client, k.signs, coalesce(k.judged, false)
    from known k where k.kind = 'o'
  )
  insert into public.email_clicks (ticket, message_id, campaign_id, at, link, verdict, reasons, client, signs, judged)
  select k.ticket, k.message_id, k.campaign_id, k.at, k.link, k.verdict, k.reasons, k.client, k.signs, false
  from known k where k.kind = 'c';
end $$;
comment on function public.record_accesses(uuid, text) is 'Writes a batch of opens and clicks of tracked mails, once however often the batch is sent; nothing of a mail whose person withdrew consent. An access is a line, its fields with a space between two of them: o or c, ticket, time (Unix milliseconds), link (empty for an open), verdict, client, signs, reasons with commas. For secret keys.';

-- Judging: with all that is known of a mail -------------------------------------------------------

create function private.accesses_are_due() returns boolean
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return exists (select from public.email_opens o where not o.judged) or exists (select from public.email_clicks c where not c.judged);
end $$;
comment on function private.accesses_are_due() is 'Whether opens or clicks are to be judged. For the clock.';

create function public.accesses_to_judge(p_limit integer default 200) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  perform private.refuse_older_code();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('ticket', d.ticket,
      'delivered_at', (
        select floor(extract(epoch from t.delivered_at) * 1000) from private.mail_tickets t where t.id = d.ticket),
      'accesses', (
        select jsonb_agg(jsonb_build_object('kind', a.kind, 'id', a.id, 'at', floor(extract(epoch from a.at) * 1000), 'link', a.link,
          'signs', a.signs, 'verdict', a.verdict, 'reasons', a.reasons, 'judged', a.judged) order by a.at, a.kind, a.id)
        from (
          (select 'open' as kind, o.id, o.at, null::smallint as link, o.signs, o.verdict, o.reasons, o.judged
          from public.email_opens o where o.ticket = d.ticket order by o.judged, o.id desc limit 1000)
          union all
          (select 'click', c.id, c.at, c.link, c.signs, c.verdict, c.reasons, c.judged
          from public.email_clicks c where c.ticket = d.ticket order by c.judged, c.id desc limit 1000)) a)) order by d.ticket), '[]')
    from (
      select u.ticket from (
        (select o.ticket from public.email_opens o where not o.judged order by o.ticket limit p_limit)
        union
        (select c.ticket from public.email_clicks c where not c.judged order by c.ticket limit p_limit)) u
      order by u.ticket limit p_limit) d);
end $$;
comment on function public.accesses_to_judge(integer) is 'Mails of which something new is known: [{ticket, delivered_at (Unix milliseconds, null if nobody said), accesses: [{kind (open, click), id, at, link, signs, verdict, reasons, judged}]}]. For secret keys.';

create function public.settle_accesses(p_verdicts jsonb) returns integer
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_opens integer;
  v_clicks integer;
  v_free bigint[];
begin
  perform private.refuse_older_code();
  -- A mail that somebody else holds stays due: its delivery is being told just now, or its person withdraws consent.
  v_free := array(
    select t.id from private.mail_tickets t
    where t.id = any (array(select v.ticket from jsonb_to_recordset(p_verdicts) as v (ticket bigint)))
    order by t.id for share skip locked);
  with given as (
    select v.id, v.verdict, v.reasons, v.delivered_at
    from jsonb_to_recordset(p_verdicts) as v (kind text, id bigint, verdict text, reasons text, delivered_at numeric)
    where v.kind = 'open' order by v.id
  )
  update public.email_opens o set verdict = g.verdict, reasons = g.reasons, judged = g.delivered_at is not distinct from (
    select floor(extract(epoch from t.delivered_at) * 1000) from private.mail_tickets t where t.id = o.ticket)
  from given g
  where o.id = g.id and o.corrected_by is null and (o.ticket = any (v_free) or not exists (select from private.mail_tickets t where t.id = o.ticket));
  get diagnostics v_opens = row_count;
  with given as (
    select v.id, v.verdict, v.reasons, v.delivered_at
    from jsonb_to_recordset(p_verdicts) as v (kind text, id bigint, verdict text, reasons text, delivered_at numeric)
    where v.kind = 'click' order by v.id
  )
  update public.email_clicks c set verdict = g.verdict, reasons = g.reasons, judged = g.delivered_at is not distinct from (
    select floor(extract(epoch from t.delivered_at) * 1000) from private.mail_tickets t where t.id = c.ticket)
  from given g
  where c.id = g.id and c.corrected_by is null and (c.ticket = any (v_free) or not exists (select from private.mail_tickets t where t.id = c.ticket));
  get diagnostics v_clicks = row_count;
  return v_opens + v_clicks;
end $$;
comment on function public.settle_accesses(jsonb) is 'Writes verdicts that were made with all that is known of a mail: [{kind, id, ticket, delivered_at (as it was given to judge), verdict, reasons}]. A mail whose delivery was told in the meantime is judged again; what a person corrected stays. Answers how many. For secret keys.';

-- A scanner looks at the moment of the delivery, and the provider tells of that seconds later.
create function private.judge_again() returns trigger
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_ticket bigint;
begin
  update private.mail_tickets t
  set delivered_at = coalesce((select (m.status_at ->> 'delivered')::timestamptz from public.messages m where m.id = t.message_id), new.created_at)
  where t.message_id = new.message_id returning t.id into v_ticket;
  if v_ticket is not null then
    update public.email_opens o set judged = false where o.ticket = v_ticket and o.judged and o.verdict <> 'machine' and o.corrected_by is null;
    update public.email_clicks c set judged = false where c.ticket = v_ticket and c.judged and c.verdict <> 'machine' and c.corrected_by is null;
  end if;
  return null;
end $$;
comment on function private.judge_again() is 'Trigger, after insert into email_events: a mail''s accesses are judged again once it is known when it was delivered.';
create trigger judge_again after insert on public.email_events
  for each row when (new.event_type = 'delivered' and new.message_id is not null) execute function private.judge_again();
comment on trigger judge_again on public.email_events is 'Whoever looks within seconds of the delivery is a machine.';

-- Consent -----------------------------------------------------------------------------------------

create function private.withdraw_tracking(p_contacts uuid[], p_campaign_id uuid) returns void
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_tickets bigint[];
begin
  -- In the order in which opens and clicks are recorded.
  perform from private.mail_tickets t
  where t.contact_id = any (p_contacts) and (p_campaign_id is null or t.campaign_id = p_campaign_id) order by t.id for update;
  with less as (
    update private.mail_tickets t
    set mode = private.tracking_mode(t.contact_id, t.campaign_id, t.mode)
    where t.contact_id = any (p_contacts) and (p_campaign_id is null or t.campaign_id = p_campaign_id)
      and private.tracking_mode(t.contact_id, t.campaign_id, t.mode) <> t.mode
    returning t.id
  )
  select coalesce(array_agg(l.id), '{}') into v_tickets from less l;
  update public.email_opens o set message_id = null where o.ticket = any (v_tickets) and o.message_id is not null;
  update public.email_clicks c set message_id = null where c.ticket = any (v_tickets) and c.message_id is not null;
  if to_regclass('public.campaign_recipients') is not null then
    -- What is not counted yet first: counted, it would show the recipient once more.
    update private.campaign_news n set recipient_id = null where n.ticket = any (v_tickets) and n.recipient_id is not null;
    update public.campaign_recipients r set told = r.told & 127
    from private.mail_tickets t where t.id = any (v_tickets) and r.message_id = t.message_id and r.told & 127 <> r.told;
  end if;
end $$;
comment on function private.withdraw_tracking(uuid[], uuid) is 'Applies a person''s consent to mails that were sent before: of these no more is kept from now on than is allowed, and what was kept of whose it was goes.';

create function private.write_consent(p_contact_id uuid, p_mode text, p_source text, p_campaign_id uuid) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_root uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_contacts uuid[] := array(select c.id from public.contacts c where c.id = v_root or c.merged_into = v_root order by c.id);
begin
  if v_root is null then
    raise exception 'there is no such contact' using errcode = 'GL404';
  end if;
  -- What was said of the contacts that turned out to be one person is said again now.
  delete from public.tracking_consents t
  where t.contact_id = any (v_contacts) and t.contact_id <> v_root and t.campaign_id is not distinct from p_campaign_id;
  if p_campaign_id is null and exists (select from private.erased_declines) then
    delete from private.erased_declines d where d.hash = any (private.decline_hashes(v_contacts));
  end if;
  insert into public.tracking_consents as t (contact_id, campaign_id, mode, source, at)
  values (v_root, p_campaign_id, p_mode, p_source, clock_timestamp())
  on conflict on constraint tracking_consents_once do update
    set mode = excluded.mode, source = excluded.source, at = excluded.at, by = excluded.by
    where (t.mode, t.source) is distinct from (excluded.mode, excluded.source);
  perform private.withdraw_tracking(v_contacts, p_campaign_id);
end $$;
comment on function private.write_consent(uuid, text, text, uuid) is 'Writes what a person allows, and applies it to mails that were sent before.';

-- Two contacts turn out to be one person: the stricter of their answers is the person's, also for mails that were sent before.
create function private.join_consents() returns trigger
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.tracking_consents as t (contact_id, campaign_id, mode, source, at, by)
  select new.merged_into, o.campaign_id, o.mode, o.source, o.at, o.by from public.tracking_consents o where o.contact_id = new.id
  on conflict on constraint tracking_consents_once do update
    set mode = excluded.mode, source = excluded.source, at = excluded.at, by = excluded.by
    where private.tracking_rank(excluded.mode) < private.tracking_rank(t.mode);
  delete from public.tracking_consents o where o.contact_id = new.id;
  perform private.withdraw_tracking(array(
    select c.id from public.contacts c where c.id = new.merged_into or c.merged_into = new.merged_into order by c.id), null);
  return null;
end $$;
comment on function private.join_consents() is 'Trigger, after a contact is merged into another: the stricter consent counts for both.';
create trigger join_consents after update of merged_into on public.contacts
  for each row when (new.merged_into is not null and new.merged_into is distinct from old.merged_into)
  execute function private.join_consents();
comment on trigger join_consents on public.contacts is 'A merge never allows more than either of the two did.';

create function public.set_tracking_consent(p_person text, p_mode text, p_source text default 'team', p_campaign_id uuid default null) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_contact uuid;
begin
  perform private.require_role('operator');
  if p_mode is null or p_mode not in ('off', 'aggregate', 'individual') or p_source is null or p_source !~ '^[a-z][a-z0-9_]{0,31}$' then
    raise exception 'consent is off, aggregate or individual, and its source a word' using errcode = 'GL422';
  end if;
  v_contact := coalesce(
    (select c.id from public.contacts c where c.id = private.uuid_in(p_person)),
    (select i.contact_id from public.contact_identities i
    where i.channel = 'email' and i.kind = 'email' and i.value = lower(btrim(p_person)) and i.valid_to is null limit 1));
  perform private.write_consent(v_contact, p_mode, p_source, p_campaign_id);
  return jsonb_build_object('contact_id', v_contact, 'mode', p_mode, 'campaign_id', p_campaign_id);
end $$;
comment on function public.set_tracking_consent(text, text, text, uuid) is 'Writes what somebody (the id of a contact, or an e-mail address) allows when mails are tracked: {contact_id, mode, campaign_id}. Counts for mails that were sent before, too. For operators and secret keys. Errors: 42501 not allowed, GL404 no such contact, GL422 no such mode.';

create function public.ticket_message(p_ticket bigint) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return (select t.message_id from private.mail_tickets t where t.id = p_ticket);
end $$;
comment on function public.ticket_message(bigint) is 'The mail of a ticket; null for none. For secret keys.';

create function public.withdraw_tracking(p_message_id uuid) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_contact uuid;
begin
  perform private.refuse_older_code();
  select c.contact_id into v_contact from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = p_message_id and m.channel = 'email' and m.direction = 'out';
  if v_contact is null then
    return false;
  end if;
  perform private.write_consent(v_contact, 'off', 'link', null);
  return true;
end $$;
comment on function public.withdraw_tracking(uuid) is 'Whoever got this mail wants no tracking any more; false where there is no such mail. For secret keys.';

-- Reading -----------------------------------------------------------------------------------------

create function public.mail_accesses(p_message_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_ticket private.mail_tickets;
  v_links text[];
begin
  perform private.require_role('viewer');
  if not exists (select from public.messages m where m.id = p_message_id and m.channel = 'email') then
    raise exception 'there is no such mail' using errcode = 'GL404';
  end if;
  select * into v_ticket from private.mail_tickets t where t.message_id = p_message_id;
  select s.links into v_links from private.mail_link_sets s where s.id = v_ticket.link_set;
  return jsonb_build_object('message_id', p_message_id, 'tracked', coalesce(v_ticket.mode, 'off'),
    -- An address may name a person: those who see no whole addresses see its host.
    'links', (
      select coalesce(jsonb_agg(jsonb_build_object('n', l.n, 'url',
        case when private.sees_whole() then l.url else substring(l.url from '^[A-Za-z]+://[^/?#]+') end) order by l.n), '[]')
      from unnest(v_links) with ordinality as l (url, n)),
    'opens', (
      select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'at', o.at, 'verdict', o.verdict, 'reasons', o.reasons, 'client', o.client, 'corrected_by', o.corrected_by) order by o.at, o.id), '[]')
      from (select * from public.email_opens x where x.ticket = v_ticket.id and x.message_id = p_message_id order by x.id desc limit 500) o),
    'clicks', (
      select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'at', c.at, 'link', c.link, 'verdict', c.verdict, 'reasons', c.reasons, 'client', c.client,
        'corrected_by', c.corrected_by) order by c.at, c.id), '[]')
      from (select * from public.email_clicks x where x.ticket = v_ticket.id and x.message_id = p_message_id order by x.id desc limit 500) c));
end $$;
comment on function public.mail_accesses(uuid) is 'Who looked at a mail and followed its links, people and machines: {message_id, tracked (off, aggregate, individual), links: [{n, url (its host for viewers)}], opens: [{id, at, verdict, reasons, client, corrected_by}], clicks: [{id, at, link, verdict, reasons, client, corrected_by}]}; the last 500 of each. Of a mail that is tracked in aggregate nothing is told here. For viewers and secret keys. Errors: 42501 not allowed, GL404 no such mail.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.link_set_of(text[], timestamptz),
  private.track_mail(jsonb, timestamptz),
  public.track_mails(jsonb),
  public.ticket_key(),
  public.mail_link_sets(bigint[]),
  public.record_accesses(uuid, text),
  private.accesses_are_due(),
  public.accesses_to_judge(integer),
  public.settle_accesses(jsonb),
  private.judge_again(),
  private.withdraw_tracking(uuid[], uuid),
  private.write_consent(uuid, text, text, uuid),
  private.join_consents(),
  public.ticket_message(bigint),
  public.withdraw_tracking(uuid)
  to service_role;
grant execute on function
  public.set_tracking_consent(text, text, text, uuid),
  public.mail_accesses(uuid)
  to authenticated, service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002802');
