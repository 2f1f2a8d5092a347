-- Campaigns: a mail to many people, each once, with placeholders, a pace, and figures that are counted as things happen.
-- A recipient is one row; its message is made when its turn comes. Whoever bounces or complains too often stops a campaign.

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
  per_minute integer not null default 600 constraint campaigns_per_minute check (per_minute between 6 and 60000),
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
comment on table public.campaigns is 'Mails to many people. Written by the functions of this file alone, and by the clock.';
comment on constraint campaigns_pkey on public.campaigns is 'A campaign''s id, which its mails carry as campaign_id.';
comment on constraint campaigns_words on public.campaigns is 'It says something.';
comment on column public.campaigns.id is 'UUID v7.';
comment on column public.campaigns.name is 'What the team calls it. No recipient reads it.';
comment on column public.campaigns.from_email is 'The identity that sends it (senders.id of channel email).';
comment on column public.campaigns.subject is 'The subject, with placeholders {{name}} or {{name|otherwise}}.';
comment on column public.campaigns.html is 'The HTML part, with placeholders; values are escaped. Null for a mail of text alone.';
comment on column public.campaigns.text is 'The text part, with placeholders; null for HTML alone.';
comment on column public.campaigns.flag_key is 'A flag that is asked for each recipient; who does not have it gets nothing and is counted as left out. Null for everybody.';
comment on column public.campaigns.per_minute is 'How many messages are made in a minute at most. The pace of the identity applies as well.';
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
  id bigint generated always as identity constraint campaign_recipients_pkey primary key,
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  address text not null,
  fields jsonb not null default '{}',
  state text not null default 'pending' constraint campaign_recipients_state_known check (state in ('pending', 'queued', 'left_out')),
  why text,
  next_at timestamptz not null default '-infinity',
  message_id uuid,
  told integer not null default 0,
  at timestamptz,
  constraint campaign_recipients_once unique (campaign_id, address)
) with (fillfactor = 80);
comment on table public.campaign_recipients is 'Who gets a campaign, one row each. The message is made when the recipient''s turn comes.';
comment on constraint campaign_recipients_pkey on public.campaign_recipients is 'The order in which they were added.';
comment on constraint campaign_recipients_once on public.campaign_recipients is 'An address gets a campaign once.';
comment on column public.campaign_recipients.id is 'Grows.';
comment on column public.campaign_recipients.campaign_id is 'The campaign.';
comment on column public.campaign_recipients.address is 'The address, in lower case.';
comment on column public.campaign_recipients.fields is 'Values of the placeholders, by name.';
comment on column public.campaign_recipients.state is 'pending, queued (its message is in outbound_messages) or left_out.';
comment on column public.campaign_recipients.why is 'Why one was left out: suppressed, not_in_arm, cancelled, or what the queue refused. Of one that is pending, why it waits.';
comment on column public.campaign_recipients.next_at is 'When one that waits is tried again.';
comment on column public.campaign_recipients.message_id is 'The message. Not a reference: the record outlives it.';
comment on column public.campaign_recipients.told is 'What has been counted of it, as bits: 1 sent, 2 delivered, 4 bounced, 8 complained, 16 unsubscribed, 32 replied, 64 failed.';
comment on column public.campaign_recipients.at is 'When it was queued or left out.';
create index campaign_recipients_pending_idx on public.campaign_recipients (campaign_id, next_at, id) where state = 'pending';
comment on index public.campaign_recipients_pending_idx is 'Who is next.';
create index campaign_recipients_queued_idx on public.campaign_recipients (campaign_id, at) where state = 'queued';
comment on index public.campaign_recipients_queued_idx is 'Who was last.';
create unique index campaign_recipients_message_idx on public.campaign_recipients (message_id) where message_id is not null;
comment on index public.campaign_recipients_message_idx is 'The recipient of a message.';
create index campaign_recipients_page_idx on public.campaign_recipients (campaign_id, id);
comment on index public.campaign_recipients_page_idx is 'The list, page by page.';
create index campaign_recipients_address_idx on public.campaign_recipients (address);
comment on index public.campaign_recipients_address_idx is 'What a person got, for export and erasure.';
alter table public.campaign_recipients enable row level security;
-- Whole addresses: the functions of this file show them, cut for viewers.
revoke all on public.campaign_recipients from anon, authenticated, service_role, public;
grant select, insert, update, delete on public.campaign_recipients to service_role;

create table private.campaign_counts (
  id bigint generated always as identity constraint campaign_counts_pkey primary key,
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  hour timestamptz not null,
  what text not null,
  n bigint not null
);
comment on table private.campaign_counts is 'What happened in campaigns, by hour. Each transaction adds rows of its own, so none waits for another; the clock adds rows up.';
comment on constraint campaign_counts_pkey on private.campaign_counts is 'The order in which they were added.';
comment on column private.campaign_counts.id is 'Grows.';
comment on column private.campaign_counts.campaign_id is 'The campaign.';
comment on column private.campaign_counts.hour is 'The beginning of the hour.';
comment on column private.campaign_counts.what is 'recipients, duplicates, invalid, queued, left_out:<why>, sent, delivered, bounced, complained, unsubscribed, replied or failed.';
comment on column private.campaign_counts.n is 'How many.';
create index campaign_counts_campaign_idx on private.campaign_counts (campaign_id, hour, what);
comment on index private.campaign_counts_campaign_idx is 'The figures of a campaign; serves the foreign key.';
alter table private.campaign_counts enable row level security;
revoke all on private.campaign_counts from anon, authenticated, service_role, public;
grant select, insert, update, delete on private.campaign_counts to service_role;

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

create function private.campaign_message(p_campaign public.campaigns, p_fields jsonb, p_of_campaign boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_strip_nulls(jsonb_build_object('type', 'email',
    'subject', left(regexp_replace(private.fill_in(p_campaign.subject, p_fields, false), '[\r\n]+', ' ', 'g'), 900),
    'html', private.fill_in(p_campaign.html, p_fields, true), 'text', private.fill_in(p_campaign.text, p_fields, false),
    'bulk', true, 'campaign_id', case when p_of_campaign then p_campaign.id end))
$$;
comment on function private.campaign_message(public.campaigns, jsonb, boolean) is 'The mail that a recipient with these fields gets; without the campaign''s id for a test, which is counted nowhere.';

-- Counting ----------------------------------------------------------------------------------------

create function private.count_campaign(p_campaign_id uuid, p_what text, p_n bigint, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into private.campaign_counts (campaign_id, hour, what, n)
  select p_campaign_id, date_trunc('hour', p_now, 'UTC'), p_what, p_n where p_n > 0
$$;
comment on function private.count_campaign(uuid, text, bigint, timestamptz) is 'Counts something in a campaign.';

create function private.tell_campaign(p_message_id uuid, p_what text[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_what text;
  v_bit integer;
  v_campaign uuid;
begin
  foreach v_what in array p_what loop
    v_bit := 1 << array_position(array['sent', 'delivered', 'bounced', 'complained', 'unsubscribed', 'replied', 'failed'], v_what) - 1;
    update public.campaign_recipients r set told = r.told | v_bit
    where r.message_id = p_message_id and r.told & v_bit = 0
    returning r.campaign_id into v_campaign;
    exit when not found and not exists (select from public.campaign_recipients r where r.message_id = p_message_id);
    if v_campaign is not null then
      perform private.count_campaign(v_campaign, v_what, 1, clock_timestamp());
    end if;
    v_campaign := null;
  end loop;
end $$;
comment on function private.tell_campaign(uuid, text[]) is 'Counts what became of a message in its campaign, each thing once a recipient; nothing for a message of no campaign.';

create function private.campaign_status() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.status in ('sent', 'delivered', 'read') then
    perform private.tell_campaign(new.id, '{sent}');
  elsif new.status = 'failed' then
    perform private.tell_campaign(new.id, '{failed}');
  end if;
  return null;
end $$;
comment on function private.campaign_status() is 'Trigger of messages: counts what was sent and what failed in its campaign.';
create trigger tell_campaign after update of status on public.messages for each row
  when (new.channel = 'email' and new.direction = 'out' and new.status is distinct from old.status)
  execute function private.campaign_status();
comment on trigger tell_campaign on public.messages is 'Figures of campaigns.';

create function private.campaign_event() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell_campaign(new.message_id, case new.event_type when 'delivered' then '{sent,delivered}' when 'bounce' then '{sent,bounced}'
    when 'complaint' then '{complained}' else '{unsubscribed}' end::text[]);
  return null;
end $$;
comment on function private.campaign_event() is 'Trigger of email_events: counts what the provider tells in its campaign.';
create trigger tell_campaign after insert on public.email_events for each row
  when (new.message_id is not null and new.event_type in ('delivered', 'bounce', 'complaint', 'unsubscribe'))
  execute function private.campaign_event();
comment on trigger tell_campaign on public.email_events is 'Figures of campaigns.';

create function private.campaign_reply() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.tell_campaign(new.reply_to, '{replied}');
  return null;
end $$;
comment on function private.campaign_reply() is 'Trigger of email_replies: counts an answer in its campaign.';
create trigger tell_campaign after insert on public.email_replies for each row
  when (new.reply_to is not null)
  execute function private.campaign_reply();
comment on trigger tell_campaign on public.email_replies is 'Figures of campaigns.';

create function private.campaign_totals(p_id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.what, t.n), '{}') from (
    select c.what, sum(c.n)::bigint as n from private.campaign_counts c where c.campaign_id = p_id group by c.what) t
$$;
comment on function private.campaign_totals(uuid) is 'What was counted in a campaign, {what: n}.';

create function private.fold_campaign_counts() returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_campaign uuid;
begin
  for v_campaign in
    select c.id from public.campaigns c
    where c.created_at > now() - interval '400 days' and (select count(*) from (
      select from private.campaign_counts k where k.campaign_id = c.id limit 10001) k) > 10000
  loop
    with gone as (
      delete from private.campaign_counts k where k.campaign_id = v_campaign returning k.hour, k.what, k.n
    )
    insert into private.campaign_counts (campaign_id, hour, what, n)
    select v_campaign, g.hour, g.what, sum(g.n) from gone g group by g.hour, g.what order by 2, 3;
  end loop;
end $$;
comment on function private.fold_campaign_counts() is 'Adds up the counts of campaigns that have many rows. What is counted meanwhile is not touched.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.placeholder(),
  private.fill_in(text, jsonb, boolean),
  private.campaign_message(public.campaigns, jsonb, boolean),
  private.count_campaign(uuid, text, bigint, timestamptz),
  private.tell_campaign(uuid, text[]),
  private.campaign_totals(uuid),
  private.fold_campaign_counts()
  to service_role;

insert into private.own_migrations (version) values ('20261129002810');
