-- Campaigns: a mail to many people, each once, with placeholders, a pace, and figures that are counted as things happen.
-- A recipient is one row; its message is made when its turn comes, and has no copy of the words.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Tables ------------------------------------------------------------------------------------------

create table public.campaigns (
  id uuid constraint campaigns_pkey primary key default private.uuid_v7(),
  name text not null constraint campaigns_name check (char_length(btrim(name)) between 1 and 120),
  from_email text not null,
  subject text not null constraint campaigns_subject check (char_length(btrim(subject)) between 1 and 900 and subject !~ '[\r\n]'),
  html text constraint campaigns_html check (char_length(html) between 1 and 2000000),
  text text constraint campaigns_text check (char_length(text) between 1 and 2000000),
  flag_key text,
  otherwise jsonb constraint campaigns_otherwise check (otherwise is null or flag_key is not null),
  track text constraint campaigns_track check (track in ('off', 'aggregate', 'individual')),
  per_minute integer not null default 600 constraint campaigns_per_minute check (per_minute between 6 and 12000),
  bounce_limit numeric not null default 0.05 constraint campaigns_bounce_limit check (bounce_limit > 0 and bounce_limit <= 1),
  complaint_limit numeric not null default 0.001 constraint campaigns_complaint_limit check (complaint_limit > 0 and complaint_limit <= 1),
  start_at timestamptz not null default '-infinity',
  state text not null default 'draft' constraint campaigns_state_known check (state in ('draft', 'sending', 'stopped', 'cancelled', 'done')),
  version bigint not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null default private.actor(),
  started_at timestamptz,
  stopped_at timestamptz,
  stopped_by text,
  stopped_because text constraint campaigns_stopped_because check (char_length(stopped_because) <= 500),
  finished_at timestamptz,
  constraint campaigns_words check (html is not null or text is not null)
) with (fillfactor = 80);
comment on table public.campaigns is 'Mails to many people. Written by functions for people, and by the clock.';
comment on constraint campaigns_pkey on public.campaigns is 'A campaign''s id, which its mails carry as campaign_id.';
comment on constraint campaigns_words on public.campaigns is 'It has an HTML part, a text part or both.';
comment on constraint campaigns_otherwise on public.campaigns is 'Only a flag tells who gets the other words.';
comment on column public.campaigns.id is 'UUID v7.';
comment on column public.campaigns.name is 'What the team calls it. Recipients do not see it.';
comment on column public.campaigns.from_email is 'The identity that sends it (senders.id of channel email).';
comment on column public.campaigns.subject is 'The subject, with placeholders {{name}} or {{name|otherwise}}.';
comment on column public.campaigns.html is 'The HTML part, with placeholders; values are escaped. Null for a mail of text alone.';
comment on column public.campaigns.text is 'The text part, with placeholders; null for HTML alone.';
comment on column public.campaigns.flag_key is 'A flag that is asked for each recipient; null for everybody.';
comment on column public.campaigns.otherwise is 'What those without the flag get instead, any of {subject, html, text}; null if they get nothing and are left out.';
comment on column public.campaigns.track is 'How opens and clicks are tracked: off, aggregate or individual; null for the setting email.track_campaigns (aggregate without it). The consent of a recipient may make it less.';
comment on column public.campaigns.per_minute is 'How many messages are made in a minute at most. The pace of the identity and of the provider apply as well.';
comment on column public.campaigns.bounce_limit is 'The share of bounces among what was sent above which it stops by itself.';
comment on column public.campaigns.complaint_limit is 'The share of complaints among what was delivered above which it stops by itself.';
comment on column public.campaigns.start_at is 'When it begins, once it was started.';
comment on column public.campaigns.state is 'draft, sending, stopped (may go on), cancelled (may not) or done (each recipient had its turn).';
comment on column public.campaigns.version is 'Grows with each change that people make. Give the version you read.';
comment on column public.campaigns.created_at is 'When it was made.';
comment on column public.campaigns.created_by is 'Who made it: a user id, or the database role.';
comment on column public.campaigns.started_at is 'When it was first started.';
comment on column public.campaigns.stopped_at is 'When it was stopped last.';
comment on column public.campaigns.stopped_by is 'Who stopped it; limits if it stopped by itself.';
comment on column public.campaigns.stopped_because is 'Why.';
comment on column public.campaigns.finished_at is 'When the last recipient had its turn.';
create index campaigns_sending_idx on public.campaigns (start_at) where state = 'sending';
comment on index public.campaigns_sending_idx is 'What the clock has to send.';
alter table public.campaigns enable row level security;
revoke all on public.campaigns from anon, authenticated, service_role, public;
grant select on public.campaigns to authenticated, service_role;
create policy campaigns_read on public.campaigns for select to authenticated using ((select private.has_role('viewer')));
comment on policy campaigns_read on public.campaigns is 'The whole team sees what is sent.';

create table public.campaign_recipients (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  id bigint generated always as identity,
  address text not null,
  fields jsonb not null default '{}',
  state text not null default 'pending' constraint campaign_recipients_state_known check (state in ('pending', 'queued', 'left_out')),
  arm text constraint campaign_recipients_arm_known check (arm in ('on', 'off')),
  why text,
  next_at timestamptz not null default '-infinity',
  message_id uuid,
  told integer not null default 0,
  at timestamptz,
  constraint campaign_recipients_pkey primary key (campaign_id, id),
  constraint campaign_recipients_once unique (address, campaign_id)
) with (fillfactor = 80);
comment on table public.campaign_recipients is 'Who gets a campaign, one row each. The message is made when the recipient''s turn comes.';
comment on constraint campaign_recipients_pkey on public.campaign_recipients is 'The list of a campaign in the order in which it was added.';
comment on constraint campaign_recipients_once on public.campaign_recipients is 'An address gets a campaign once. Also finds what a person got, for export and erasure.';
comment on column public.campaign_recipients.campaign_id is 'The campaign.';
comment on column public.campaign_recipients.id is 'Grows.';
comment on column public.campaign_recipients.address is 'The address, in lower case.';
comment on column public.campaign_recipients.fields is 'Values of the placeholders, by name.';
comment on column public.campaign_recipients.state is 'pending, queued (its message is in outbound_messages) or left_out.';
comment on column public.campaign_recipients.arm is 'What the flag of the campaign said when its turn came; null without a flag.';
comment on column public.campaign_recipients.why is 'Why one was left out: suppressed, not_in_arm, or what the queue refused. Of one that is pending, why it waits.';
comment on column public.campaign_recipients.next_at is 'When one that waits is tried again.';
comment on column public.campaign_recipients.message_id is 'The message. Not a reference: the record outlives it.';
comment on column public.campaign_recipients.told is 'What has been counted of it, as bits: see private.campaign_bit.';
comment on column public.campaign_recipients.at is 'When it was queued or left out.';
create index campaign_recipients_pending_idx on public.campaign_recipients (campaign_id, next_at, id) where state = 'pending';
comment on index public.campaign_recipients_pending_idx is 'Who is next.';
create index campaign_recipients_queued_idx on public.campaign_recipients (campaign_id, at) where state = 'queued';
comment on index public.campaign_recipients_queued_idx is 'Who was last.';
create unique index campaign_recipients_message_idx on public.campaign_recipients (message_id) where message_id is not null;
comment on index public.campaign_recipients_message_idx is 'The recipient of a message.';
alter table public.campaign_recipients enable row level security;
-- Whole addresses: the functions for people show them, cut for viewers.
revoke all on public.campaign_recipients from anon, authenticated, service_role, public;
grant select, insert, update, delete on public.campaign_recipients to service_role;

create table private.campaign_counts (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  hour timestamptz not null,
  what text not null,
  n bigint not null,
  constraint campaign_counts_pkey primary key (campaign_id, hour, what)
) with (fillfactor = 80);
comment on table private.campaign_counts is 'What happened in campaigns, by hour. Written by the clock and by who adds recipients.';
comment on constraint campaign_counts_pkey on private.campaign_counts is 'The figures of a campaign lie beside each other.';
comment on column private.campaign_counts.campaign_id is 'The campaign.';
comment on column private.campaign_counts.hour is 'The beginning of the hour; -infinity for links and clients, which are not counted by hour.';
comment on column private.campaign_counts.what is
  'recipients, queued, left_out:<why>; the names of private.campaign_bit, each recipient once, and the same after off: of those without the flag; opens:<verdict> and clicks:<verdict>, each time; link:<verdict>:<link> and client:<verdict>:<client>.';
comment on column private.campaign_counts.n is 'How many.';
alter table private.campaign_counts enable row level security;
revoke all on private.campaign_counts from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.campaign_counts to service_role;

create table private.campaign_tickets (
  ticket bigint constraint campaign_tickets_pkey primary key,
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  told integer not null
) with (fillfactor = 80);
comment on table private.campaign_tickets is 'Which opens and clicks of a tracked mail have been counted. Not whose mail it is: with aggregate tracking nobody keeps that.';
comment on constraint campaign_tickets_pkey on private.campaign_tickets is 'A mail counts once.';
comment on column private.campaign_tickets.ticket is 'The number of the mail (email_opens.ticket).';
comment on column private.campaign_tickets.campaign_id is 'The campaign.';
comment on column private.campaign_tickets.told is 'What has been counted, as bits: see private.campaign_bit.';
create index campaign_tickets_campaign_idx on private.campaign_tickets (campaign_id);
comment on index private.campaign_tickets_campaign_idx is 'The purge; serves the foreign key.';
alter table private.campaign_tickets enable row level security;
revoke all on private.campaign_tickets from public, anon, authenticated;
grant select, insert, update, delete on private.campaign_tickets to service_role;

create table private.campaign_news (
  id bigint generated always as identity constraint campaign_news_pkey primary key,
  campaign_id uuid not null,
  recipient_id bigint,
  ticket bigint,
  what text not null,
  verdict text,
  link smallint,
  client text,
  n integer not null default 1,
  at timestamptz not null default clock_timestamp()
);
comment on table private.campaign_news is 'What happened with messages of campaigns and is not counted yet. Only inserted into where mails are sent and events come in, so that no such transaction waits for another; the clock counts.';
comment on constraint campaign_news_pkey on private.campaign_news is 'In this order they are counted.';
comment on column private.campaign_news.id is 'Grows.';
comment on column private.campaign_news.campaign_id is 'The campaign.';
comment on column private.campaign_news.recipient_id is 'The recipient (campaign_recipients.id); null of a mail that is tracked in aggregate.';
comment on column private.campaign_news.ticket is 'The number of a mail that we track ourselves; null for what providers tell.';
comment on column private.campaign_news.what is 'sent, delivered, bounced, complained, unsubscribed, replied or failed; open or click; or judged, when a verdict was corrected.';
comment on column private.campaign_news.verdict is 'Of an open or a click.';
comment on column private.campaign_news.link is 'Of a click: its number in the mail; null where it is not known.';
comment on column private.campaign_news.client is 'Of an open or a click: the program; null where it is not known.';
comment on column private.campaign_news.n is '1, or -1 to take one back.';
comment on column private.campaign_news.at is 'When.';
alter table private.campaign_news enable row level security;
revoke all on private.campaign_news from public, anon, authenticated;
grant select, insert, update, delete on private.campaign_news to service_role;

-- Words -------------------------------------------------------------------------------------------

create function private.placeholder() returns text
language sql immutable set search_path = '' as $$
  select '\{\{ ?([a-z][a-z0-9_]{0,63}) ?(?:\|([^{}|]{0,200}))?\}\}'
$$;
comment on function private.placeholder() is 'The pattern of a placeholder: {{name}}, or {{name|otherwise}}.';

-- The template is cut once, and values are put between its pieces: a value that looks like a placeholder stays as it is.
create function private.fill_in(p_template text, p_fields jsonb, p_html boolean) returns text
language sql immutable set search_path = '' as $$
  with pieces as (
    select p.piece, p.n from unnest(pg_catalog.regexp_split_to_array(p_template, private.placeholder())) with ordinality as p (piece, n)
  ), names as (
    select coalesce(nullif(p_fields ->> m.found[1], ''), m.found[2], '') as value, m.n
    from pg_catalog.regexp_matches(p_template, private.placeholder(), 'g') with ordinality as m (found, n)
  )
  select string_agg(pieces.piece || coalesce(case when p_html
      then replace(replace(replace(replace(replace(names.value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;')
      else names.value end, ''), '' order by pieces.n)
  from pieces left join names on names.n = pieces.n
$$;
comment on function private.fill_in(text, jsonb, boolean) is 'A template with the values of its placeholders, which are escaped for HTML; null for null.';

-- Only whoever sends knows the address to unsubscribe.
create function private.campaign_words(p_campaign public.campaigns, p_fields jsonb, p_arm text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_fields jsonb := p_fields || '{"unsubscribe_url": "{{unsubscribe_url}}"}';
  v_other jsonb := case when p_arm = 'off' then coalesce(p_campaign.otherwise, '{}') else '{}' end;
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'subject', left(regexp_replace(private.fill_in(coalesce(v_other ->> 'subject', p_campaign.subject), v_fields, false), '[\r\n]+', ' ', 'g'), 900),
    'html', private.fill_in(case when v_other ? 'html' or v_other ? 'text' then v_other ->> 'html' else p_campaign.html end, v_fields, true),
    'text', private.fill_in(case when v_other ? 'html' or v_other ? 'text' then v_other ->> 'text' else p_campaign.text end, v_fields, false)));
end $$;
comment on function private.campaign_words(public.campaigns, jsonb, text) is
  'What a recipient with these fields gets, {subject, html, text}; with arm off what those without the flag get. {{unsubscribe_url}} is filled in by whoever sends.';

create function private.campaign_mail(p_native jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select private.campaign_words(c, p_native -> 'fields', p_native ->> 'arm') - 'subject'
    from public.campaigns c where c.id = (p_native ->> 'campaign_id')::uuid);
end $$;
comment on function private.campaign_mail(jsonb) is 'HTML and text of a message of a campaign, {html, text}, made anew from its fields, since each message would be a copy; null if the campaign is gone.';

-- What became of them -----------------------------------------------------------------------------

create function private.campaign_bit(p_what text) returns integer
language sql immutable set search_path = '' as $$
  select case p_what when 'sent' then 1 when 'delivered' then 2 when 'bounced' then 4 when 'complained' then 8 when 'unsubscribed' then 16
    when 'replied' then 32 when 'failed' then 64 when 'opened' then 128 when 'opened_human' then 256 when 'clicked' then 512
    when 'clicked_human' then 1024 end
$$;
comment on function private.campaign_bit(text) is 'The bit of campaign_recipients.told for what counts once a recipient; null for what counts each time.';

create function private.tell_campaign(p_message_id uuid, p_what text[], p_verdict text default null, p_n integer default 1) returns void
language plpgsql volatile set search_path = '' as $$
begin
  insert into private.campaign_news (campaign_id, recipient_id, what, verdict, n)
  select r.campaign_id, r.id, w.what, p_verdict, p_n
  from public.campaign_recipients r cross join unnest(p_what) as w (what)
  where r.message_id = p_message_id;
end $$;
comment on function private.tell_campaign(uuid, text[], text, integer) is 'Notes what became of a message for the figures of its campaign; nothing for a message of none.';

create function private.campaign_status() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell_campaign(new.id, case when new.status = 'failed' then '{failed}' else '{sent}' end::text[]);
  return null;
end $$;
comment on function private.campaign_status() is 'Trigger of messages: what was sent and what failed.';
create trigger tell_campaign after update of status on public.messages for each row
  when (new.channel = 'email' and new.direction = 'out' and new.status is distinct from old.status
    and new.status in ('sent', 'delivered', 'read', 'failed'))
  execute function private.campaign_status();
comment on trigger tell_campaign on public.messages is 'Figures of campaigns.';

-- What we track ourselves we know better than a provider, and it would count twice.
create function private.campaign_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.event_type not in ('open', 'click') then
    perform private.tell_campaign(new.message_id, case new.event_type when 'delivered' then '{sent,delivered}' when 'bounce' then '{sent,bounced}'
      when 'complaint' then '{complained}' else '{unsubscribed}' end::text[]);
  elsif not exists (select from private.mail_tickets t where t.message_id = new.message_id) then
    if tg_op = 'UPDATE' then
      perform private.tell_campaign(new.message_id, array[old.event_type], coalesce(old.metadata ->> 'verdict', 'unsure'), -1);
      perform private.tell_campaign(new.message_id, '{judged}');
    end if;
    perform private.tell_campaign(new.message_id, array[new.event_type], coalesce(new.metadata ->> 'verdict', 'unsure'));
  end if;
  return null;
end $$;
comment on function private.campaign_event() is 'Trigger of email_events: what the provider tells, and verdicts that are corrected.';
create trigger tell_campaign after insert on public.email_events for each row
  when (new.message_id is not null and new.event_type in ('delivered', 'bounce', 'complaint', 'unsubscribe', 'open', 'click'))
  execute function private.campaign_event();
comment on trigger tell_campaign on public.email_events is 'Figures of campaigns.';
create trigger tell_campaign_again after update of metadata on public.email_events for each row
  when (new.message_id is not null and new.event_type in ('open', 'click') and new.metadata is distinct from old.metadata)
  execute function private.campaign_event();
comment on trigger tell_campaign_again on public.email_events is 'Figures follow verdicts.';

create function private.campaign_opens() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.campaign_news (campaign_id, recipient_id, ticket, what, verdict, client, at)
  select s.campaign_id, r.id, s.ticket, 'open', s.verdict, s.client, s.at
  from seen s left join public.campaign_recipients r on r.message_id = s.message_id
  where s.campaign_id is not null;
  return null;
end $$;
comment on function private.campaign_opens() is 'Trigger of email_opens: opens of tracked mails.';
create trigger tell_campaign after insert on public.email_opens referencing new table as seen for each statement
  execute function private.campaign_opens();
comment on trigger tell_campaign on public.email_opens is 'Figures of campaigns.';

create function private.campaign_clicks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.campaign_news (campaign_id, recipient_id, ticket, what, verdict, link, client, at)
  select s.campaign_id, r.id, s.ticket, 'click', s.verdict, s.link, s.client, s.at
  from seen s left join public.campaign_recipients r on r.message_id = s.message_id
  -- People do not see the first.
  where s.campaign_id is not null and s.link > 0;
  return null;
end $$;
comment on function private.campaign_clicks() is 'Trigger of email_clicks: clicks in tracked mails.';
create trigger tell_campaign after insert on public.email_clicks referencing new table as seen for each statement
  execute function private.campaign_clicks();
comment on trigger tell_campaign on public.email_clicks is 'Figures of campaigns.';

create function private.campaign_verdicts() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.campaign_news (campaign_id, recipient_id, ticket, what, verdict, link, client, n, at)
  select w.campaign_id, r.id, w.ticket, c.what, c.verdict, (to_jsonb(w) ->> 'link')::smallint, w.client, c.n, w.at
  from was w join seen s on s.id = w.id
  left join public.campaign_recipients r on r.message_id = s.message_id
  cross join lateral (values (tg_argv[0], w.verdict, -1), (tg_argv[0], s.verdict, 1), ('judged', null, 1)) as c (what, verdict, n)
  where w.campaign_id is not null and s.verdict <> w.verdict and to_jsonb(w) ->> 'link' is distinct from '0';
  return null;
end $$;
comment on function private.campaign_verdicts() is 'Trigger of email_opens and email_clicks: verdicts that are corrected. Its argument is open or click.';
create trigger tell_campaign_again after update on public.email_opens referencing old table as was new table as seen for each statement
  execute function private.campaign_verdicts('open');
comment on trigger tell_campaign_again on public.email_opens is 'Figures follow verdicts.';
create trigger tell_campaign_again after update on public.email_clicks referencing old table as was new table as seen for each statement
  execute function private.campaign_verdicts('click');
comment on trigger tell_campaign_again on public.email_clicks is 'Figures follow verdicts.';

create function private.campaign_reply() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell_campaign(new.reply_to, '{replied}');
  return null;
end $$;
comment on function private.campaign_reply() is 'Trigger of email_replies: an answer.';
create trigger tell_campaign after insert on public.email_replies for each row
  when (new.reply_to is not null)
  execute function private.campaign_reply();
comment on trigger tell_campaign on public.email_replies is 'Figures of campaigns.';

call private.close_functions();
grant execute on function
  private.placeholder(),
  private.fill_in(text, jsonb, boolean),
  private.campaign_words(public.campaigns, jsonb, text),
  private.campaign_mail(jsonb),
  private.campaign_bit(text),
  private.tell_campaign(uuid, text[], text, integer)
  to service_role;

insert into private.own_migrations (version) values ('20261129002810');
