-- What the migrations come to: made from the catalog by `deno task schema`, held to them by tests/contracts/schema_sql_test.ts.
-- To be read, in the order of names, and not to be run: what makes a database is supabase/migrations.

-- Helpers of Gatelink. Not exposed by the Data API.
create schema private;
grant usage on schema private to authenticated, service_role;

-- Types -------------------------------------------------------------------------------------------

-- Claimed deliveries with their leases, and conversations whose lanes turned out to have no open delivery.
create type private.claim as (
  delivery_ids uuid[],
  leases uuid[],
  empty uuid[]
);

-- Outcomes of both arms since the stage began, those of the busiest minute, and those without the flag since somebody
-- with it was last heard of.
create type private.guard_arms as (
  "on" bigint,
  off bigint,
  busiest bigint,
  silent bigint
);

-- Latencies of an arm by their places among the edges: how many, the sum, the sum of the squares.
create type private.guard_places as (
  n bigint,
  v bigint,
  vv bigint
);

-- The places of both arms.
create type private.guard_places_of_both as (
  "on" private.guard_places,
  off private.guard_places
);

-- Outcomes of both arms, and failures without the flag, since somebody with the flag last failed.
create type private.guard_quiet as (
  "on" bigint,
  off bigint,
  failed bigint
);

-- Outcomes with the flag on since the stage began or began anew: all, failed, timed, and slower than the stage asks
-- for.
create type private.guard_seen as (
  n bigint,
  failed bigint,
  timed bigint,
  late bigint
);

-- One thing watched, failures or slow ones: tallies of both arms, what is not yet in S, S of the five alternatives of
-- both tests, S of the arm without the flag, how long the comparison has been where it is, and since when the other
-- arm has been in trouble.
create type private.guard_series as (
  "on" private.guard_tally,
  off private.guard_tally,
  quiet private.guard_quiet,
  absolute bigint[],
  relative bigint[],
  trouble bigint,
  relation private.guard_suspicion,
  shared bigint
);

-- Whether people with the flag wait longer: see Shift in shift.ts.
create type private.guard_shift as (
  "on" private.guard_places,
  off private.guard_places,
  quiet private.guard_places_of_both,
  s bigint[],
  relation private.guard_suspicion
);

-- What the guard remembers, as rollouts.guard has it: the last minute taken in, the minute from which seen counts,
-- the one from which plain thresholds look, the last one with an outcome, both arms, the one since which the mean is
-- above its threshold, and what is watched. See State in guard.ts.
create type private.guard_state as (
  minute bigint,
  since bigint,
  "window" bigint,
  heard bigint,
  seen private.guard_seen,
  arms private.guard_arms,
  broken bigint,
  errors private.guard_series,
  slow private.guard_series,
  shift private.guard_shift
);

-- Since which minutes S of a comparison is where it is: see Suspicion in series.ts.
create type private.guard_suspicion as (
  calm bigint,
  suspect bigint,
  certain bigint
);

-- What became of minutes: the state after them, the alarm {verdict, rule, minute} that they ended in, the spans as
-- they were read, the path of S.
create type private.guard_taken as (
  state jsonb,
  alarm jsonb,
  minutes jsonb,
  path jsonb
);

-- How one thing lies over the minutes of an arm: outcomes, failures among them, the sum of k^2 / n in millionths,
-- minutes.
create type private.guard_tally as (
  n bigint,
  k bigint,
  q bigint,
  m bigint
);

-- An id of a person in an update: its kind as in contact_identities, the id, and, if the update reports a change, the
-- id it replaces. Value or previous may be null.
create type private.identity as (
  kind text,
  value text,
  previous text
);

-- One update during intake: its place in the batch (from 1) and the result of the channel's parser
-- (_shared/channels/*/inbound).
create type private.inbound_update as (
  ord integer,
  key text,
  channel text,
  provider text,
  field text,
  kind text,
  sender_id text,
  sender_display text,
  at timestamp with time zone,
  identities private.identity[],
  name text,
  provider_id text,
  type text,
  body text,
  choice text,
  reply_to text,
  token text,
  referral jsonb,
  forwarded boolean,
  status text,
  rank smallint,
  error jsonb,
  pricing jsonb,
  callback text,
  opt text,
  traceparent text,
  template jsonb,
  raw jsonb
);

-- A delivery that is about to be created.
create type private.new_delivery as (
  message_id uuid,
  destination_id uuid,
  conversation_id uuid,
  channel text,
  seq bigint
);

-- A person's opt-out of a sender's messages, or opt-in again, and its time.
create type private.opt_word as (
  channel text,
  number_id text,
  contact_id uuid,
  opted_out boolean,
  at timestamp with time zone
);

-- Somebody: contacts, their conversations, messages of these (all, or those that are worked on) with their provider's
-- ids and link tokens; subjects, the ids that flags are asked with; needles, texts that the raw form of an update
-- about them would hold; ids and words, patterns of what names them for sure, and of that or their names.
create type private.person as (
  contacts uuid[],
  conversations uuid[],
  messages uuid[],
  provider_ids text[],
  tokens text[],
  subjects text[],
  needles text[],
  ids text,
  words text
);

-- A message that may be sent: its recipient, its content and its idempotency key.
create type private.queued as (
  id uuid,
  conversation_id uuid,
  channel text,
  number_id text,
  message jsonb,
  text text,
  recipient text,
  key text,
  hash text,
  traceparent text,
  fallback jsonb,
  used_fallback boolean
);

-- The provider's answer to a message, with its conversation and sender.
create type private.sending as (
  id uuid,
  lease uuid,
  outcome text,
  provider_id text,
  error jsonb,
  retry_after_ms bigint,
  put_off text,
  scope text,
  conversation_id uuid,
  channel text,
  number_id text,
  message_id uuid
);

-- The outcome of an attempt, with the delivery's lane and the number of the attempt.
create type private.settlement as (
  delivery_id uuid,
  lease uuid,
  outcome text,
  status integer,
  latency_ms integer,
  error text,
  answer text,
  retry_after_ms bigint,
  replies jsonb,
  left_out jsonb,
  wakes boolean,
  destination_id uuid,
  conversation_id uuid,
  attempt integer
);

-- Tables ------------------------------------------------------------------------------------------

-- Who added or removed which host, and when. Written by trigger; append-only and kept permanently: it holds no
-- customer data.
create table public.allowlist_history (
  -- UUID v7, in the order of the changes.
  id uuid default private.uuid_v7() not null,
  -- The host pattern.
  pattern text not null,
  -- forward or redirect.
  purpose text not null,
  -- added or removed.
  change text not null,
  -- When it was changed.
  at timestamp with time zone default clock_timestamp() not null,
  -- Who changed it: a user id, or the database role.
  by text default private.actor() not null,
  constraint allowlist_history_pkey PRIMARY KEY (id),
  constraint allowlist_history_change_known CHECK ((change = ANY (ARRAY['added'::text, 'removed'::text])))
);
alter table public.allowlist_history enable row level security;
grant select on public.allowlist_history to authenticated, service_role;
-- Admins are accountable for where messages may go.
create policy allowlist_history_read on public.allowlist_history for select to authenticated
  using (( SELECT private.has_role('admin'::text) AS has_role));
-- History cannot be changed.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.allowlist_history FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Who gets an announcement: the audience as it was when the announcement was made.
create table public.announcement_recipients (
  -- The announcement.
  announcement_id uuid not null,
  -- The person.
  contact_id uuid not null,
  -- pending, queued (its message is in outbound_messages) or left_out.
  state text default 'pending'::text not null,
  -- Why one was left out: opted_out, window_closed, group, merged (the same person is in it already) or what the
  -- queue refused. Of one that is pending, why it waits: feature_off or sender_held.
  why text,
  -- When one that waits is tried again.
  next_at timestamp with time zone default '-infinity'::timestamp with time zone not null,
  -- The message. Not a reference: the record outlives it.
  message_id uuid,
  -- When it was queued or left out.
  at timestamp with time zone,
  -- A person once an announcement.
  constraint announcement_recipients_pkey PRIMARY KEY (announcement_id, contact_id),
  constraint announcement_recipients_announcement_id_fkey FOREIGN KEY (announcement_id) REFERENCES announcements(id) ON DELETE CASCADE,
  constraint announcement_recipients_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contacts(id) ON DELETE CASCADE,
  constraint announcement_recipients_state_known CHECK ((state = ANY (ARRAY['pending'::text, 'queued'::text, 'left_out'::text])))
) with (fillfactor=80);
-- What a person got; serves the foreign key.
create INDEX announcement_recipients_contact_idx ON public.announcement_recipients USING btree (contact_id);
-- Who is next.
create INDEX announcement_recipients_pending_idx ON public.announcement_recipients USING btree (announcement_id, next_at) WHERE (state = 'pending'::text);
-- Who was last.
create INDEX announcement_recipients_queued_idx ON public.announcement_recipients USING btree (announcement_id, at) WHERE (state = 'queued'::text);
alter table public.announcement_recipients enable row level security;
grant select on public.announcement_recipients to authenticated, service_role;
-- Ids of contacts, as conversations show them.
create policy announcement_recipients_read on public.announcement_recipients for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Messages to many people. Written by create_announcement, start_announcement, stop_announcement and
-- delete_announcement alone, and by the clock.
create table public.announcements (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- What the team calls it. Nobody else reads it.
  name text not null,
  -- Whom it is for: {kind: flag, flag_key, days, targets_only}, {kind: segments, segments}, {kind: wrote, days} or
  -- {kind: affected, flag_key, since}. Who that was when it was made is in announcement_recipients.
  audience jsonb not null,
  -- What people read who wrote within the last 24 hours; null where all get the template.
  text text,
  -- The template message for everybody else, as wa-send takes it; null where nobody else gets anything.
  template jsonb,
  -- The sender (senders.id); null for the number that a person has last used.
  number_id text,
  -- How many are queued in a minute at most.
  per_minute integer default 300 not null,
  -- draft, sending, stopped (may be resumed) or done.
  state text default 'draft'::text not null,
  -- How many of the audience are known by an id alone that is no contact's.
  unreachable integer default 0 not null,
  -- Grows with each change that people make. Give the version you read.
  version bigint default 1 not null,
  -- When it was made.
  created_at timestamp with time zone default clock_timestamp() not null,
  -- Who made it: a user id, or the database role.
  created_by text default private.actor() not null,
  -- When it was first started.
  started_at timestamp with time zone,
  -- Who started it last.
  started_by text,
  -- When it was stopped last.
  stopped_at timestamp with time zone,
  -- Who stopped it.
  stopped_by text,
  -- Why.
  stopped_because text,
  -- When the last one was queued.
  finished_at timestamp with time zone,
  -- An announcement's id.
  constraint announcements_pkey PRIMARY KEY (id),
  constraint announcements_audience CHECK ((jsonb_typeof(audience) = 'object'::text)),
  constraint announcements_name CHECK (((char_length(btrim(name)) >= 1) AND (char_length(btrim(name)) <= 120))),
  constraint announcements_per_minute CHECK (((per_minute >= 6) AND (per_minute <= 6000))),
  constraint announcements_state_known CHECK ((state = ANY (ARRAY['draft'::text, 'sending'::text, 'stopped'::text, 'done'::text]))),
  constraint announcements_stopped_because CHECK ((char_length(stopped_because) <= 500)),
  constraint announcements_template CHECK (((template ->> 'type'::text) = 'template'::text)),
  constraint announcements_text CHECK (((char_length(btrim(text)) >= 1) AND (char_length(btrim(text)) <= 4096))),
  -- It says something.
  constraint announcements_words CHECK (((text IS NOT NULL) OR (template IS NOT NULL)))
) with (fillfactor=80);
-- What the clock has to send.
create INDEX announcements_sending_idx ON public.announcements USING btree (started_at) WHERE (state = 'sending'::text);
alter table public.announcements enable row level security;
grant select on public.announcements to authenticated, service_role;
-- The whole team sees what is announced.
create policy announcements_read on public.announcements for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Which link or ad a message came from. Written once, never changed: the first touch of a contact stays the first.
create table public.attributions (
  -- The message.
  message_id uuid not null,
  -- Who wrote it.
  contact_id uuid not null,
  -- The link; null for an ad of Meta's.
  code text collate "C",
  -- The token that it carried, or of the click that it is taken to follow.
  token text collate "C",
  -- exact: the first message with this token. referral: Meta says which ad. contact: the contact clicked, or had used
  -- the token, within the setting deeplinks.contact_hours (24). low: a token that was forwarded, used before by
  -- somebody else, or too old.
  confidence text not null,
  -- first, ad, clicked, repeated (same person again), reused (another person), forwarded or expired.
  reason text not null,
  -- Whether it is the contact's first.
  first_touch boolean not null,
  -- When the link was clicked.
  clicked_at timestamp with time zone,
  -- The audience user that the link named.
  user_id text,
  -- Click id of the ad.
  ctwa_clid text,
  -- The referral as Meta gave it.
  referral jsonb,
  -- When it was written.
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint attributions_pkey PRIMARY KEY (message_id),
  constraint attributions_code_fkey FOREIGN KEY (code) REFERENCES links(code),
  constraint attributions_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contacts(id) ON DELETE CASCADE,
  constraint attributions_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE,
  constraint attributions_confidence_known CHECK ((confidence = ANY (ARRAY['exact'::text, 'referral'::text, 'contact'::text, 'low'::text]))),
  constraint attributions_lead_back CHECK (((code IS NOT NULL) OR (referral IS NOT NULL))),
  constraint attributions_reason_known CHECK ((reason = ANY (ARRAY['first'::text, 'ad'::text, 'clicked'::text, 'repeated'::text, 'reused'::text, 'forwarded'::text, 'expired'::text])))
);
-- A contact's touches in order; serves the foreign key.
create INDEX attributions_contact_idx ON public.attributions USING btree (contact_id, created_at);
-- A token counts as exact once, however many messages carry it at the same moment.
create UNIQUE INDEX attributions_exact_idx ON public.attributions USING btree (token) WHERE (confidence = 'exact'::text);
-- The attributions of a link; serves the foreign key.
create INDEX attributions_link_idx ON public.attributions USING btree (code, created_at);
-- Finds whether a click has been attributed.
create INDEX attributions_token_idx ON public.attributions USING btree (token) WHERE (token IS NOT NULL);
alter table public.attributions enable row level security;
grant select, insert, delete on public.attributions to service_role;
-- The granted columns identify nobody: every role may read.
create policy "team reads attributions" on public.attributions for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Conversions of links are a business metric.
create TRIGGER count_conversion AFTER INSERT ON public.attributions FOR EACH ROW WHEN (((new.code IS NOT NULL) AND ((new.confidence = 'exact'::text) OR (new.reason = 'clicked'::text)))) EXECUTE FUNCTION private.count_conversion();

-- Names of business metrics: at most 100, each by its first use.
create table public.business_metrics (
  -- Such as checkout.completed; link.converted is counted by the gateway itself.
  name text not null,
  -- When it was first counted.
  created_at timestamp with time zone not null,
  -- A metric is named.
  constraint business_metrics_pkey PRIMARY KEY (name),
  constraint business_metrics_name CHECK ((name ~ '^[a-z][a-z0-9_.]{0,59}$'::text))
);
alter table public.business_metrics enable row level security;
grant select on public.business_metrics to authenticated;
grant select, insert on public.business_metrics to service_role;
-- The whole team sees what is counted.
create policy business_metrics_read on public.business_metrics for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Clicks of a link and day, in as many slots as isolates count, so that none waits for another. The value is the sum
-- over the slots. Rolled up into click_days when the day is over.
create table public.click_counts (
  -- The link.
  code text collate "C" not null,
  -- The day, in the team's zone.
  day date not null,
  -- Chosen by the isolate, 0 to 15.
  slot smallint not null,
  -- By humans.
  human bigint default 0 not null,
  -- By bots.
  bot bigint default 0 not null,
  -- By previews.
  preview bigint default 0 not null,
  -- By browsers ahead of a tap.
  prefetch bigint default 0 not null,
  -- By the team.
  own bigint default 0 not null,
  -- One row a link, day and slot.
  constraint click_counts_pkey PRIMARY KEY (code, day, slot)
) with (fillfactor=70);
alter table public.click_counts enable row level security;
grant select on public.click_counts to authenticated;
grant select, insert, update, delete on public.click_counts to service_role;
-- Holds no personal data: every role may read.
create policy "team reads click counts" on public.click_counts for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- The permanent daily summary of a link's clicks.
create table public.click_days (
  -- The link.
  code text collate "C" not null,
  -- The day, in the team's zone as it was then.
  day date not null,
  -- Clicks by humans.
  human bigint not null,
  -- By bots.
  bot bigint not null,
  -- By previews.
  preview bigint not null,
  -- By browsers ahead of a tap.
  prefetch bigint not null,
  -- Distinct humans of that day, as far as an address could be trusted.
  visitors bigint not null,
  -- Clicks by humans for each platform.
  platforms jsonb not null,
  -- Clicks by humans for each country.
  countries jsonb not null,
  -- Clicks by humans for each referring host, the 50 most frequent.
  referrers jsonb not null,
  -- Clicks by humans for each kind of target.
  targets jsonb not null,
  -- By the team.
  own bigint default 0 not null,
  -- Clicks by humans for each of the link's targets, by its number from 0; default for none, fallback and preview as
  -- in clicks.target.
  rules jsonb default '{}'::jsonb not null,
  -- Clicks by humans for qr (the QR code) and link.
  sources jsonb default '{}'::jsonb not null,
  -- One row a link and day.
  constraint click_days_pkey PRIMARY KEY (code, day)
);
alter table public.click_days enable row level security;
grant select on public.click_days to authenticated;
grant select, insert, update, delete on public.click_days to service_role;
-- Holds no personal data: every role may read.
create policy "team reads click days" on public.click_days for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- One row per redirected visit, up to 60 an hour for one visitor and link; further visits count on the last row. No
-- IP address is kept. Purged after the setting retention.click_days (90); click_days stays.
create table public.clicks (
  -- The link.
  code text collate "C" not null,
  -- When the visit was answered.
  at timestamp with time zone not null,
  -- human, bot, preview (a messenger, or a HEAD), prefetch (a browser, ahead of a tap) or own (a human in one of the
  -- networks of the setting deeplinks.own_networks, or in a browser marked by the word of deeplinks.own_key).
  verdict text not null,
  -- Why the visitor was judged a program; null for a human.
  reason text,
  -- Where it went: web, app, store, whatsapp, fallback (the link could not be used) or preview (a page about the
  -- link).
  target text not null,
  -- ios, android, windows, macos, linux or other.
  platform text not null,
  -- Two letters, if a proxy reported it.
  country text,
  -- Host of the page that it came from.
  referrer text,
  -- Keyed hash of address and browser under the day's key: tells visitors of one day apart, and nothing else. Null
  -- also for browsers that ask for privacy (Sec-GPC).
  visitor bigint,
  -- The audience user that the link named (?u=).
  user_id text,
  -- The token passed on with the visit, in the text of a chat or to an app, to be recognised later.
  token text collate "C",
  -- Keyed hash of network and device, if the link allows it: to match an app's first open.
  fingerprint bigint,
  -- Which of the link's targets took the visit, from 0; null if none did.
  rule smallint,
  -- When an app's first open claimed it.
  claimed_at timestamp with time zone,
  -- Keyed hash of the network and program that claimed it by fingerprint, under the day's key: so that it gets the
  -- same answer again.
  claimed_by bigint,
  -- How many visits the row counts.
  visits integer default 1 not null,
  -- True if the QR code was scanned (?src=qr), else null.
  qr boolean,
  constraint clicks_target_known CHECK ((target = ANY (ARRAY['web'::text, 'app'::text, 'store'::text, 'whatsapp'::text, 'fallback'::text, 'preview'::text]))),
  constraint clicks_verdict_known CHECK ((verdict = ANY (ARRAY['human'::text, 'bot'::text, 'preview'::text, 'prefetch'::text, 'own'::text])))
);
-- Roll-up and purge by time; rows arrive in this order.
create INDEX clicks_at_idx ON public.clicks USING brin (at);
-- Candidates for an app's first open.
create INDEX clicks_fingerprint_idx ON public.clicks USING btree (fingerprint, at) WHERE (fingerprint IS NOT NULL);
-- A link's clicks by time.
create INDEX clicks_link_idx ON public.clicks USING btree (code, at);
-- The click that a message or an app brings back.
create UNIQUE INDEX clicks_token_idx ON public.clicks USING btree (token) WHERE (token IS NOT NULL);
-- Finds whether a contact who writes has just clicked.
create INDEX clicks_user_idx ON public.clicks USING btree (user_id, at) WHERE ((user_id IS NOT NULL) AND (token IS NOT NULL));
alter table public.clicks enable row level security;
grant select on public.clicks to authenticated;
grant select, insert, update, delete on public.clicks to service_role;
-- A token identifies a person until it is used: operators and admins only.
create policy "operators read clicks" on public.clicks for select to authenticated
  using (( SELECT private.has_role('operator'::text) AS has_role));

-- What people of the team did with a contact: saw it whole, wrote to it, took all that there is of it. Append-only;
-- holds no personal data of the contact's, in the reason neither, and an erasure takes the contact out of it.
create table public.contact_acts (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- revealed: number and name were shown whole, or the provider's id of a message. replied: a message was queued.
  -- resent: one that had failed was queued again. exported: all that there is of the person was given out.
  act text not null,
  -- The contact. Not a reference: the record outlives the contact.
  contact_id uuid not null,
  -- The message that was queued, for replied and resent; that whose provider's id was shown, for revealed.
  message_id uuid,
  -- Why, in the words of whoever did it.
  reason text,
  -- When.
  at timestamp with time zone default clock_timestamp() not null,
  -- Who: a user id, or the database role.
  by text default private.actor() not null,
  constraint contact_acts_pkey PRIMARY KEY (id),
  constraint contact_acts_act_known CHECK ((act = ANY (ARRAY['revealed'::text, 'replied'::text, 'resent'::text, 'exported'::text]))),
  constraint contact_acts_revealed_with_reason CHECK (((act <> 'revealed'::text) OR (COALESCE(TRIM(BOTH FROM reason), ''::text) <> ''::text)))
);
-- What was done with a contact.
create INDEX contact_acts_contact_idx ON public.contact_acts USING btree (contact_id, at);
-- Who wrote a message.
create INDEX contact_acts_message_idx ON public.contact_acts USING btree (message_id) WHERE (message_id IS NOT NULL);
alter table public.contact_acts enable row level security;
grant select on public.contact_acts to authenticated, service_role;
-- The whole team sees who looked at whom, and why.
create policy contact_acts_read on public.contact_acts for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.contact_acts FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- The ids by which a person is or was known on a channel. Nothing is overwritten: when an id changes, valid_to closes
-- the old row.
create table public.contact_identities (
  -- The order in which identities were learnt.
  id bigint generated always as identity not null,
  -- The person.
  contact_id uuid not null,
  -- The channel of the id.
  channel text default 'whatsapp'::text not null,
  -- phone (digits with the country code, on every channel), email (lower-cased), telegram (its user id), username,
  -- bsuid (WhatsApp's business-scoped user id), parent_bsuid, group (several people in one conversation); channels
  -- may add their own kinds.
  kind text not null,
  -- The id, exactly as the channel or the caller gave it: numbers are not normalised.
  value text not null,
  -- The sender that learnt it. Some ids (bsuid, parent_bsuid) are scoped to one customer of the provider and mean
  -- nothing to the senders of another, so a person may have several at once. Null if no sender is known.
  sender_id text,
  -- True for an alternative spelling of a number: the provider accepts it but reports the person under another one.
  dialled boolean default false not null,
  -- When the person became known by it.
  valid_from timestamp with time zone default now() not null,
  -- When it stopped being current; null while it is.
  valid_to timestamp with time zone,
  constraint contact_identities_pkey PRIMARY KEY (id),
  constraint contact_identities_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contacts(id) ON DELETE CASCADE,
  constraint contact_identities_channel_check CHECK ((channel <> ''::text)),
  constraint contact_identities_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,31}$'::text)),
  constraint contact_identities_value_check CHECK ((value <> ''::text))
);
-- A person's ids.
create INDEX contact_identities_contact_idx ON public.contact_identities USING btree (contact_id, kind);
-- An id belongs to at most one person at a time. Every inbound message is looked up here.
create UNIQUE INDEX contact_identities_current_idx ON public.contact_identities USING btree (channel, kind, value) WHERE (valid_to IS NULL);
-- Search by the last four digits.
create INDEX contact_identities_last_four_idx ON public.contact_identities USING btree ("right"(value, 4)) WHERE ((kind = 'phone'::text) AND (valid_to IS NULL) AND (length(value) >= 4));
-- Finds the person who was known by an id that nobody has any more.
create INDEX contact_identities_past_idx ON public.contact_identities USING btree (channel, kind, value) WHERE (valid_to IS NOT NULL);
alter table public.contact_identities enable row level security;
grant select, insert, update, delete on public.contact_identities to service_role;

-- One row per person. When two rows turn out to be one person they are merged: the newer row points to the older one
-- and stays as history.
create table public.contacts (
  -- UUID v7; also the targeting key for flags.
  id uuid default private.uuid_v7() not null,
  -- The channel this person uses, for example whatsapp.
  channel text default 'whatsapp'::text not null,
  -- Profile name, as last reported by the channel.
  name text,
  -- The older contact that turned out to be the same person; null for a live contact.
  merged_into uuid,
  -- When the person was first seen.
  created_at timestamp with time zone default now() not null,
  -- When name or merge last changed.
  updated_at timestamp with time zone default now() not null,
  constraint contacts_pkey PRIMARY KEY (id),
  constraint contacts_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES contacts(id) ON DELETE SET NULL,
  constraint contacts_channel_check CHECK ((channel <> ''::text))
);
-- Finds the contacts that were merged into one; serves the foreign key.
create INDEX contacts_merged_into_idx ON public.contacts USING btree (merged_into) WHERE (merged_into IS NOT NULL);
alter table public.contacts enable row level security;
grant select on public.contacts to authenticated;
grant select, insert, update, delete on public.contacts to service_role;
-- Names are personal data: operators and admins only.
create policy "operators read contacts" on public.contacts for select to authenticated
  using (( SELECT private.has_role('operator'::text) AS has_role));
-- Who was targeted stays targeted.
create TRIGGER follow_merge AFTER UPDATE OF merged_into ON public.contacts FOR EACH ROW WHEN (((new.merged_into IS NOT NULL) AND (new.merged_into IS DISTINCT FROM old.merged_into))) EXECUTE FUNCTION private.follow_merge();

-- One row per contact and sender. Its row lock puts the messages of a conversation in order.
create table public.conversations (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- The channel of the sender and the person.
  channel text default 'whatsapp'::text not null,
  -- The sender (senders.id); for WhatsApp, the business number.
  number_id text not null,
  -- The person.
  contact_id uuid not null,
  -- When the person last wrote. This opens the 24-hour customer service window.
  last_inbound_at timestamp with time zone,
  -- When either side last wrote.
  last_message_at timestamp with time zone,
  -- When the person opted out of what the channel's policy names (WhatsApp: marketing templates); null if they have
  -- not.
  opted_out_at timestamp with time zone,
  -- When the person last opted out or in. An older request that arrives later changes nothing.
  opt_told_at timestamp with time zone,
  -- The route that keeps this conversation until sticky_until.
  sticky_route_id uuid,
  -- When the conversation stops being sticky.
  sticky_until timestamp with time zone,
  -- How long a message has been waiting for the router: the time it began; null if none waits.
  unrouted_since timestamp with time zone,
  -- Configuration revision at which the router's flag was off for this contact. The flag is not evaluated again until
  -- the configuration changes.
  held_revision bigint,
  -- messages.seq up to which the router has decided.
  routed_seq bigint default 0 not null,
  -- When the conversation began.
  created_at timestamp with time zone default now() not null,
  constraint conversations_pkey PRIMARY KEY (id),
  -- One conversation per sender and person. The person comes first: look-ups then compare least, and it also finds
  -- all conversations of a person.
  constraint conversations_pair_key UNIQUE (contact_id, channel, number_id),
  constraint conversations_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES contacts(id) ON DELETE CASCADE,
  constraint conversations_channel_check CHECK ((channel <> ''::text))
) with (fillfactor=70);
-- The router's queue: conversations of a channel with undecided messages, oldest first; those held back are kept
-- apart by revision.
create INDEX conversations_unrouted_idx ON public.conversations USING btree (channel, held_revision, unrouted_since) WHERE (unrouted_since IS NOT NULL);
alter table public.conversations enable row level security;
grant select on public.conversations to authenticated;
grant select, insert, update, delete on public.conversations to service_role;
-- Holds no personal data of its own: every role may read.
create policy "team reads conversations" on public.conversations for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Erasing a person does not cancel their opt-out.
create TRIGGER keep_opt_out BEFORE INSERT ON public.conversations FOR EACH ROW EXECUTE FUNCTION private.keep_opt_out();

-- How often things happened since the beginning. The value of a counter is the sum over its slots. For people to look
-- at: nothing is decided by it.
create table public.counters (
  -- What is counted, such as wa_webhook_refused.
  name text not null,
  -- Which kind of it, such as signature_invalid. Never personal data.
  label text default ''::text not null,
  -- Which of the sixteen parts of the counter, 0 to 15.
  slot smallint not null,
  -- This part's count.
  value bigint not null,
  constraint counters_pkey PRIMARY KEY (name, label, slot),
  constraint counters_value_not_negative CHECK ((value >= 0))
) with (fillfactor=70);
alter table public.counters enable row level security;
grant select on public.counters to authenticated;
grant select, insert, update on public.counters to service_role;
-- The team sees the counters.
create policy counters_read on public.counters for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- One row per message and destination. The id is the webhook-id that the service sees, the same at each attempt.
create table public.deliveries (
  -- UUID v7; sent as webhook-id.
  id uuid default private.uuid_v7() not null,
  -- The message.
  message_id uuid not null,
  -- The destination.
  destination_id uuid not null,
  -- The message's conversation; together with the destination it identifies the lane. Not a foreign key: deleting the
  -- conversation deletes the message, and with it this row.
  conversation_id uuid not null,
  -- messages.seq: the order within the lane.
  seq bigint not null,
  -- pending, leased (under way), delivered, or dead (given up or dropped; can be retried by hand).
  state text default 'pending'::text not null,
  -- Attempts started.
  attempt integer default 0 not null,
  -- When it is due, if it is the first of its lane.
  next_attempt_at timestamp with time zone default now() not null,
  -- Why the last attempt failed, as a short code and sentence.
  last_error text,
  -- Why a person dropped it; null otherwise.
  dropped_reason text,
  -- When a 2xx answer was settled.
  delivered_at timestamp with time zone,
  -- True if it failed and waits: it becomes due at once when its destination answers again.
  wakes boolean default false not null,
  -- The attempt after which it was made due early. The next wait is then kept in full; otherwise a delivery that
  -- fails on its own would use up its attempts while others succeed.
  woken integer,
  -- How often a person resent it after it had been delivered; the event tells the service.
  resent integer default 0 not null,
  -- When the router decided on it.
  created_at timestamp with time zone default now() not null,
  -- When its state last changed.
  updated_at timestamp with time zone default now() not null,
  constraint deliveries_pkey PRIMARY KEY (id),
  -- A message is delivered to a destination once.
  constraint deliveries_once_key UNIQUE (message_id, destination_id),
  constraint deliveries_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE RESTRICT,
  constraint deliveries_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE,
  constraint deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'leased'::text, 'delivered'::text, 'dead'::text])))
) with (fillfactor=80);
-- Dead letters of a destination, page by page.
create INDEX deliveries_dead_destination_idx ON public.deliveries USING btree (destination_id, updated_at, id) WHERE (state = 'dead'::text);
-- Dead letters, newest first.
create INDEX deliveries_dead_idx ON public.deliveries USING btree (updated_at) WHERE (state = 'dead'::text);
-- Counts of a destination; serves the foreign key.
create INDEX deliveries_destination_idx ON public.deliveries USING btree (destination_id, created_at);
-- The first open delivery of a lane.
create INDEX deliveries_open_idx ON public.deliveries USING btree (destination_id, conversation_id, seq) WHERE (state = ANY (ARRAY['pending'::text, 'leased'::text]));
-- Deliveries to make due when a destination answers again.
create INDEX deliveries_wakes_idx ON public.deliveries USING btree (destination_id) WHERE (wakes AND (state = 'pending'::text));
alter table public.deliveries enable row level security;
grant select on public.deliveries to authenticated;
grant select, insert, update, delete on public.deliveries to service_role;
-- Holds no personal data: every role may read.
create policy "team reads deliveries" on public.deliveries for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- The result of each attempt.
create table public.delivery_attempts (
  -- The delivery.
  delivery_id uuid not null,
  -- Counted from 1; a gap is an attempt whose function died before settling it.
  attempt integer not null,
  -- delivered, retry or dead.
  outcome text not null,
  -- HTTP status of the response; null if there was none.
  status integer,
  -- Milliseconds until the whole response was read.
  latency_ms integer,
  -- Code and description of the failure; for a delivered one, why its replies are not used.
  error text,
  -- The response, truncated to 20 KB.
  answer text,
  -- Replies in the response that were not sent, and why: [{reply (its position, from 1; absent for all), why}]; null
  -- for none.
  left_out jsonb,
  -- When it was settled.
  at timestamp with time zone default now() not null,
  -- An attempt is settled once.
  constraint delivery_attempts_pkey PRIMARY KEY (delivery_id, attempt),
  constraint delivery_attempts_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES deliveries(id) ON DELETE CASCADE,
  constraint delivery_attempts_answer_check CHECK ((length(answer) <= 20480)),
  constraint delivery_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'retry'::text, 'dead'::text])))
);
-- Purge by age.
create INDEX delivery_attempts_at_idx ON public.delivery_attempts USING brin (at);
alter table public.delivery_attempts enable row level security;
grant select, insert, update, delete on public.delivery_attempts to service_role;
-- Operators and admins may see the result of each call of a service.
create policy "operators read attempts" on public.delivery_attempts for select to authenticated
  using (( SELECT private.has_role('operator'::text) AS has_role));

-- Hosts that messages may be forwarded to and links may redirect to. Nothing goes anywhere else.
create table public.destination_allowlist (
  -- Lower-case ASCII host, or *.host for every name below it (not the host itself); with a port only if it is not
  -- 443.
  pattern text not null,
  -- forward (messages to services) or redirect (targets of links).
  purpose text not null,
  -- When it was allowed.
  created_at timestamp with time zone default now() not null,
  -- Who allowed it.
  created_by text default private.actor() not null,
  -- One row per pattern and purpose.
  constraint destination_allowlist_pkey PRIMARY KEY (pattern, purpose),
  constraint destination_allowlist_pattern_check CHECK (((pattern ~ '^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[0-9]{1,5})?$'::text) OR (pattern = ANY (ARRAY['localhost'::text, '127.0.0.1'::text, '[::1]'::text])))),
  constraint destination_allowlist_purpose_check CHECK ((purpose = ANY (ARRAY['forward'::text, 'redirect'::text])))
);
alter table public.destination_allowlist enable row level security;
grant select on public.destination_allowlist to authenticated;
grant select, insert, update, delete on public.destination_allowlist to service_role;
-- Every role may see which hosts are allowed.
create policy "team reads allowlist" on public.destination_allowlist for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Makes the edge functions reload the configuration.
create TRIGGER destination_allowlist_revision AFTER INSERT OR DELETE OR UPDATE ON public.destination_allowlist FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();
-- Records each change in the history.
create TRIGGER record AFTER INSERT OR DELETE OR UPDATE ON public.destination_allowlist FOR EACH ROW EXECUTE FUNCTION private.record_allowlist();
-- Truncating would leave no history; delete instead.
create TRIGGER refuse_truncate BEFORE TRUNCATE ON public.destination_allowlist FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Services that receive messages. Their secrets are in private.destination_secrets.
create table public.destinations (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- Short name: lower-case letters, digits, - and _.
  name text not null,
  -- How it is reached: http is a signed POST to its URL.
  kind text default 'http'::text not null,
  -- Where messages are posted. Checked against the allowlist when stored and at each delivery.
  url text not null,
  -- active, or paused: its queue waits.
  state text default 'active'::text not null,
  -- Maximum time for a response, including its body, in milliseconds.
  timeout_ms integer default 15000 not null,
  -- Maximum deliveries per second; null for no limit.
  rate_per_second numeric,
  -- Deliveries that may be made at once within rate_per_second.
  rate_burst integer default 10 not null,
  -- GCRA state of the rate: the theoretical arrival time of the next delivery.
  rate_tat timestamp with time zone,
  -- Waits between attempts, in seconds; null for the setting forward.retry_seconds or, without it, the built-in
  -- schedule in docs/architecture.md.
  retry_seconds numeric[],
  -- Consecutive failed attempts.
  circuit_failures integer default 0 not null,
  -- While in the future, the circuit is open and the queue waits; once past, one delivery probes. Null while closed.
  circuit_open_until timestamp with time zone,
  -- How often in a row the circuit has opened; each time doubles the wait.
  circuit_trips integer default 0 not null,
  -- Lease of the delivery that probes an open circuit: only its failure opens the circuit again.
  circuit_probe uuid,
  -- True while it answers again but some deliveries that failed before have yet to be made due.
  circuit_waking boolean default false not null,
  -- What a failure does to the conversation, by status, with else for all others: hold, aside or pause. Statuses that
  -- it does not list follow the built-in policy: aside for 400, 413, 415 and 422, pause for 410, hold for the rest.
  failure_policy jsonb default '{}'::jsonb not null,
  -- The response that paused it; null if a person paused it or it is active.
  paused_because text,
  -- Incremented by each change that a person makes.
  version integer default 1 not null,
  -- When it was added.
  created_at timestamp with time zone default now() not null,
  -- When a person last changed it.
  updated_at timestamp with time zone default now() not null,
  -- Who last changed it.
  updated_by text default private.actor() not null,
  -- When it was removed; null otherwise. The row stays, because past deliveries refer to it.
  removed_at timestamp with time zone,
  constraint destinations_pkey PRIMARY KEY (id),
  constraint destinations_check CHECK (((removed_at IS NULL) OR (state = 'paused'::text))),
  constraint destinations_failure_policy_check CHECK (private.is_failure_policy(failure_policy)),
  constraint destinations_kind_check CHECK ((kind = 'http'::text)),
  constraint destinations_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
  constraint destinations_rate_burst_check CHECK ((rate_burst >= 1)),
  constraint destinations_rate_per_second_check CHECK (((rate_per_second > (0)::numeric) AND (rate_per_second <= (10000)::numeric))),
  constraint destinations_retry_seconds_check CHECK ((((cardinality(retry_seconds) >= 1) AND (cardinality(retry_seconds) <= 20)) AND ((0)::numeric <= ALL (retry_seconds)))),
  constraint destinations_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text]))),
  constraint destinations_timeout_ms_check CHECK (((timeout_ms >= 100) AND (timeout_ms <= 30000))),
  constraint destinations_url_check CHECK ((length(url) <= 2000)),
  constraint destinations_circuit_revision TRIGGER DEFERRABLE INITIALLY DEFERRED
) with (fillfactor=70);
-- People and the command line use the name; the name of a removed destination can be reused.
create UNIQUE INDEX destinations_name_key ON public.destinations USING btree (name) WHERE (removed_at IS NULL);
alter table public.destinations enable row level security;
grant select on public.destinations to authenticated;
grant select, insert, update, delete on public.destinations to service_role;
-- Every role may see the services; their secrets are elsewhere.
create policy "team reads destinations" on public.destinations for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Makes the edge functions reload the configuration when a circuit opens or closes.
create CONSTRAINT TRIGGER destinations_circuit_revision AFTER UPDATE ON public.destinations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.circuit_trips > 0) IS DISTINCT FROM (new.circuit_trips > 0))) EXECUTE FUNCTION private.bump_config_revision();
-- Makes the edge functions reload the configuration.
create TRIGGER destinations_revision AFTER INSERT OR DELETE OR UPDATE OF name, url, state, version, removed_at OR TRUNCATE ON public.destinations FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();
-- Credentials are sent only to the host they were set for.
create TRIGGER forget_headers AFTER UPDATE OF url, removed_at ON public.destinations FOR EACH ROW WHEN (((new.removed_at IS NOT NULL) OR (lower("substring"(old.url, '^[^/]*//[^/?]*'::text)) IS DISTINCT FROM lower("substring"(new.url, '^[^/]*//[^/?]*'::text))))) EXECUTE FUNCTION private.forget_headers();
-- Checks the allowlist at every write.
create TRIGGER permitted_url BEFORE INSERT OR UPDATE OF url ON public.destinations FOR EACH ROW EXECUTE FUNCTION private.require_permitted_url();

-- People who were erased: when, by whom and how many rows of which table, never who it was. Written by erase_contact
-- alone; update, delete and truncate are refused to every role.
create table public.erasures (
  -- The erasure's id; reveals nothing about the person.
  id uuid not null,
  -- From 1.
  part integer not null,
  -- When its transaction began.
  at timestamp with time zone default now() not null,
  -- Who erased: a user id, or the database role.
  by text default private.actor() not null,
  -- Its transaction: the only one in which tombstones may be written into histories.
  transaction xid8 default pg_current_xact_id() not null,
  -- Rows that were deleted or changed, by table.
  counts jsonb default '{}'::jsonb not null,
  -- Whether the erasure is complete; otherwise more parts follow.
  done boolean default false not null,
  -- Of a person with many messages the parts are counted.
  constraint erasures_pkey PRIMARY KEY (id, part)
);
alter table public.erasures enable row level security;
grant select on public.erasures to authenticated, service_role;
-- The whole team sees that a person was erased, and by whom.
create policy erasures_read on public.erasures for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.erasures FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Who is called when nobody acknowledges an incident, after how many minutes. Written by set_escalation.
create table public.escalation_steps (
  -- Of which severity.
  severity text not null,
  -- Minutes since the incident was opened.
  after_minutes integer not null,
  -- Who is called, in the team's words.
  role text not null,
  -- Where; null for every endpoint that is told of incident_escalated. It becomes null when the endpoint is removed,
  -- so that the step still reaches somebody.
  endpoint_id uuid,
  -- The order of a severity's steps.
  constraint escalation_steps_pkey PRIMARY KEY (severity, after_minutes),
  constraint escalation_steps_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES notification_endpoints(id) ON DELETE SET NULL,
  constraint escalation_steps_after CHECK (((after_minutes >= 0) AND (after_minutes <= 10080))),
  constraint escalation_steps_role CHECK (((char_length(btrim(role)) >= 1) AND (char_length(btrim(role)) <= 60))),
  constraint escalation_steps_severity_known CHECK ((severity = ANY (ARRAY['P0'::text, 'P1'::text, 'P2'::text])))
);
-- Serves the foreign key.
create INDEX escalation_steps_endpoint_idx ON public.escalation_steps USING btree (endpoint_id);
alter table public.escalation_steps enable row level security;
grant select on public.escalation_steps to authenticated, service_role;
-- The whole team sees who is called.
create policy escalation_steps_read on public.escalation_steps for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- What people say of features: complaints and ratings, each from one person. Written by record_feedback, add_feedback
-- and the guard.
create table public.feedback (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- When it was said.
  at timestamp with time zone not null,
  -- complaint, or rating.
  kind text not null,
  -- Who said it: the id that flags are asked with.
  subject_id text not null,
  -- 1 to 5; null for a complaint, and for praise in words.
  rating smallint,
  -- Whether it is praise: a rating of 4 or 5, or a word.
  positive boolean not null,
  -- What was said, where somebody wrote it down.
  text text,
  -- api: a service; team: a person of the team; chat: a word in a conversation.
  source text not null,
  -- The message, of a word in a chat or where the team read it.
  message_id uuid,
  -- Keyed hash of the caller's idempotency key, in hex.
  key text,
  -- Who wrote it down: a user id, or the database role.
  actor text default private.actor() not null,
  -- An id.
  constraint feedback_pkey PRIMARY KEY (id),
  constraint feedback_key_key UNIQUE (key),
  constraint feedback_message_key UNIQUE (message_id),
  constraint feedback_kind_known CHECK ((kind = ANY (ARRAY['complaint'::text, 'rating'::text]))),
  -- A complaint is not positive; a rating is from 4 on, and one without a number is praise.
  constraint feedback_positive CHECK (
  CASE kind
      WHEN 'complaint'::text THEN ((NOT positive) AND (rating IS NULL))
      ELSE (positive = (COALESCE((rating)::integer, 5) >= 4))
  END),
  constraint feedback_rating CHECK (((rating >= 1) AND (rating <= 5))),
  constraint feedback_source_known CHECK ((source = ANY (ARRAY['api'::text, 'team'::text, 'chat'::text]))),
  constraint feedback_subject CHECK (((char_length(subject_id) >= 1) AND (char_length(subject_id) <= 200))),
  constraint feedback_text CHECK (((char_length(btrim(text)) >= 1) AND (char_length(btrim(text)) <= 2000)))
);
-- What somebody said, for export and erasure.
create INDEX feedback_subject_idx ON public.feedback USING btree (subject_id);
alter table public.feedback enable row level security;
grant select, insert, delete on public.feedback to service_role;

-- When a flag was first and last asked for, to the hour: what no code asks for can go.
create table public.flag_evaluations (
  -- The flag. It may not exist: somebody asks for it all the same.
  flag_key text not null,
  -- When it was first asked for.
  first_at timestamp with time zone not null,
  -- When it was last asked for; up to an hour behind.
  last_at timestamp with time zone not null,
  -- One row a flag.
  constraint flag_evaluations_pkey PRIMARY KEY (flag_key)
);
alter table public.flag_evaluations enable row level security;
grant select on public.flag_evaluations to authenticated;
grant select, insert, update on public.flag_evaluations to service_role;
-- The whole team sees which flags are in use.
create policy flag_evaluations_read on public.flag_evaluations for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Outcomes by flag, arm and minute; at most one a person and minute, the first. Counted in the functions, sent in
-- groups.
create table public.flag_metrics (
  -- The flag.
  flag_key text not null,
  -- The minute's beginning.
  minute timestamp with time zone not null,
  -- on or off: what the flag said for the person.
  arm text not null,
  -- Outcomes.
  n integer not null,
  -- Failures among them.
  failed integer not null,
  -- Outcomes whose time is known.
  timed integer not null,
  -- Milliseconds of all that were timed.
  ms bigint not null,
  -- Cumulative histogram of those: how many took at most private.latency_edges()[i] ms.
  le integer[] not null,
  -- Failures among them of people who had failed in this stage of a rollout before.
  failed_again integer default 0 not null,
  -- How many took longer than private.latency_edges()[i] ms and were of people who had taken that long in this stage
  -- before; empty for none.
  slow_again integer[] default '{}'::integer[] not null,
  -- Of how many edges each timed outcome was slower than, the sum.
  score bigint generated always as (private.latency_places(timed, le, false)) stored,
  -- The sum of the squares.
  score2 bigint generated always as (private.latency_places(timed, le, true)) stored,
  -- A minute of a flag's arm; both arms lie beside each other.
  constraint flag_metrics_pkey PRIMARY KEY (flag_key, minute, arm),
  constraint flag_metrics_arm_known CHECK ((arm = ANY (ARRAY['on'::text, 'off'::text]))),
  constraint flag_metrics_counts CHECK (((0 <= failed) AND (failed <= n) AND (0 <= timed) AND (timed <= n) AND (ms >= 0) AND (0 <= failed_again) AND (failed_again <= failed))),
  constraint flag_metrics_histogram CHECK (((cardinality(le) = 27) AND (cardinality(slow_again) = ANY (ARRAY[0, 27]))))
) with (fillfactor=70);
-- Purge by age.
create INDEX flag_metrics_minute_idx ON public.flag_metrics USING brin (minute);
alter table public.flag_metrics enable row level security;
grant select on public.flag_metrics to authenticated;
grant select, insert, update, delete on public.flag_metrics to service_role;
-- Counts only: the whole team reads them.
create policy flag_metrics_read on public.flag_metrics for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Sign-offs of launch gates by people, one row each. Written by sign_gate and revoke_gate alone; a row is never
-- deleted.
create table public.gate_approvals (
  -- Key.
  id uuid default private.uuid_v7() not null,
  -- The feature, by its flag. The flag may have been deleted since.
  flag_key text not null,
  -- What was signed: approval (the launch as a whole, for the role), or a gate of the checklist such as smoke_tests.
  gate text not null,
  -- The role in which it was signed.
  role text not null,
  -- False: signed as not applicable; note says why.
  applies boolean not null,
  -- What the person had to say.
  note text,
  -- The user. Not a reference: a sign-off outlives the account.
  signed_by uuid not null,
  -- The user's address when it was signed, for people who read it later.
  signed_as text not null,
  -- session: the person was signed in. secret_key: a holder of a secret key signed for the person.
  signed_with text not null,
  -- When.
  signed_at timestamp with time zone default now() not null,
  -- When it was taken back; null while it stands.
  revoked_at timestamp with time zone,
  -- Who took it back: a user id, or the database role.
  revoked_by text,
  -- Why.
  revoked_because text,
  constraint gate_approvals_pkey PRIMARY KEY (id),
  constraint gate_approvals_flag CHECK ((flag_key ~~ '%.enabled'::text)),
  constraint gate_approvals_gate CHECK ((gate ~ '^[a-z][a-z_]{1,60}$'::text)),
  constraint gate_approvals_not_applicable_says_why CHECK ((applies OR (COALESCE(note, ''::text) <> ''::text))),
  constraint gate_approvals_role CHECK ((role = ANY (ARRAY['engineering'::text, 'security'::text, 'product'::text, 'cto'::text]))),
  constraint gate_approvals_signed_with CHECK ((signed_with = ANY (ARRAY['session'::text, 'secret_key'::text])))
);
-- A person signs once in a role.
create UNIQUE INDEX gate_approvals_once_idx ON public.gate_approvals USING btree (flag_key, gate, role, signed_by) WHERE (revoked_at IS NULL);
alter table public.gate_approvals enable row level security;
grant select on public.gate_approvals to authenticated, service_role;
-- The whole team sees who signed what.
create policy gate_approvals_read on public.gate_approvals for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- All that happened to an incident: notes for the team, and what the public reads. Only grows: update, delete and
-- truncate are refused to every role.
create table public.incident_updates (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- The incident.
  incident_id uuid not null,
  -- When.
  at timestamp with time zone not null,
  -- opened, noted (for the team), published (for the public), changed, acknowledged, escalated, taken_back (a way
  -- back was taken), resolved.
  kind text not null,
  -- The incident's status after it.
  status text not null,
  -- Whether the status page shows it; no other row ever leaves the team.
  public boolean default false not null,
  -- The words. Of a public row without any, the template of its status.
  text text,
  -- What changed: {field: {from, to}}, of a title {detail: what it was}; of an escalation {step, role}.
  changes jsonb default '{}'::jsonb not null,
  -- The version of the incident that it made.
  version bigint not null,
  -- Who: a user id, or the database role. Never shown to the public.
  actor text default private.actor() not null,
  -- An update's id.
  constraint incident_updates_pkey PRIMARY KEY (id),
  constraint incident_updates_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incidents(id) ON DELETE RESTRICT,
  constraint incident_updates_changes CHECK ((jsonb_typeof(changes) = 'object'::text)),
  constraint incident_updates_kind_known CHECK ((kind = ANY (ARRAY['opened'::text, 'noted'::text, 'published'::text, 'changed'::text, 'acknowledged'::text, 'escalated'::text, 'taken_back'::text, 'resolved'::text]))),
  constraint incident_updates_text CHECK (((char_length(btrim(text)) >= 1) AND (char_length(btrim(text)) <= 5000)))
);
-- An incident's history; serves the foreign key.
create INDEX incident_updates_incident_idx ON public.incident_updates USING btree (incident_id, at);
alter table public.incident_updates enable row level security;
grant select on public.incident_updates to authenticated, service_role;
-- The whole team sees what was done.
create policy incident_updates_read on public.incident_updates for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.incident_updates FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- What went wrong. Written by open_incident, update_incident, acknowledge_incident and resolve_incident alone, and by
-- the system for what the guard took back and for parts that are down. Never deleted.
create table public.incidents (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- What people call it by.
  number bigint generated always as identity not null,
  -- What is wrong, in a line. Everybody reads it where the incident is public.
  title text not null,
  -- Line of the decision matrix: private.incident_kinds().
  kind text not null,
  -- P0, P1 or P2.
  severity text not null,
  -- investigating, identified, monitoring (mended, being watched) or resolved.
  status text default 'investigating'::text not null,
  -- The feature that is concerned, by its flag; null where it is none, or not one.
  flag_key text,
  -- The part that is concerned, as health names it; null where it is none.
  component text,
  -- Whether it stands on the status page.
  public boolean default false not null,
  -- Of one that the system opened: because of what. There is one open incident a cause at most.
  cause text,
  -- The rollout that was taken back because of it, or because of which it was opened.
  rollout_id uuid,
  -- The way back that was taken with gatelink rollback.
  rollback_id uuid,
  -- When it was opened.
  opened_at timestamp with time zone not null,
  -- Who opened it: a user id, or the database role (the clock's for the system).
  opened_by text default private.actor() not null,
  -- Since when somebody has it in hand; null while nobody does.
  acknowledged_at timestamp with time zone,
  -- Who has it in hand.
  acknowledged_by text,
  -- When it was over.
  resolved_at timestamp with time zone,
  -- Who said so.
  resolved_by text,
  -- How many steps of the escalation have been taken.
  escalated integer default 0 not null,
  -- From when the minutes of the escalation count: when it was opened, last opened again, or earlier where it
  -- escalates at once.
  escalates_from timestamp with time zone not null,
  -- When the next step of the escalation is due; null where none is.
  escalate_at timestamp with time zone,
  -- What Statuspage calls it; null where it is not there.
  status_page_id text,
  -- Grows with each change. Give the version you read to update_incident and resolve_incident.
  version bigint default 1 not null,
  -- An incident's id.
  constraint incidents_pkey PRIMARY KEY (id),
  -- An incident is named by its number.
  constraint incidents_number_key UNIQUE (number),
  constraint incidents_rollback_id_fkey FOREIGN KEY (rollback_id) REFERENCES rollback_events(id) ON DELETE RESTRICT,
  constraint incidents_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE RESTRICT,
  constraint incidents_cause CHECK (((char_length(cause) >= 1) AND (char_length(cause) <= 200))),
  constraint incidents_component CHECK ((component ~ '^[a-z][a-z0-9 _-]{0,59}$'::text)),
  constraint incidents_flag CHECK ((flag_key ~~ '%.enabled'::text)),
  constraint incidents_kind_known CHECK ((kind = ANY (ARRAY['error_rate'::text, 'security'::text, 'performance'::text, 'critical_bug'::text, 'complaints'::text, 'flag_stuck'::text, 'release'::text, 'data'::text, 'outage'::text, 'bug'::text, 'confusion'::text, 'other'::text]))),
  -- What is resolved says since when.
  constraint incidents_resolved CHECK (((status = 'resolved'::text) = (resolved_at IS NOT NULL))),
  constraint incidents_severity_known CHECK ((severity = ANY (ARRAY['P0'::text, 'P1'::text, 'P2'::text]))),
  constraint incidents_status_known CHECK ((status = ANY (ARRAY['investigating'::text, 'identified'::text, 'monitoring'::text, 'resolved'::text]))),
  constraint incidents_status_page_id CHECK ((char_length(status_page_id) <= 100)),
  constraint incidents_title CHECK (((char_length(btrim(title)) >= 1) AND (char_length(btrim(title)) <= 200)))
) with (fillfactor=80);
-- One open incident a cause.
create UNIQUE INDEX incidents_cause_idx ON public.incidents USING btree (cause) WHERE (status <> 'resolved'::text);
-- Whose escalation is due.
create INDEX incidents_escalate_idx ON public.incidents USING btree (escalate_at) WHERE (escalate_at IS NOT NULL);
-- The open ones.
create INDEX incidents_open_idx ON public.incidents USING btree (severity, opened_at) WHERE (status <> 'resolved'::text);
-- Those of the status page.
create INDEX incidents_public_idx ON public.incidents USING btree (resolved_at) WHERE public;
-- Serves the foreign key.
create INDEX incidents_rollback_idx ON public.incidents USING btree (rollback_id) WHERE (rollback_id IS NOT NULL);
-- Serves the foreign key.
create INDEX incidents_rollout_idx ON public.incidents USING btree (rollout_id) WHERE (rollout_id IS NOT NULL);
alter table public.incidents enable row level security;
grant select on public.incidents to authenticated, service_role;
-- The whole team sees what is wrong.
create policy incidents_read on public.incidents for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- How many wrong passwords a link was given, by the hour; never which. Purged with the clicks.
create table public.link_guesses (
  -- The link.
  code text collate "C" not null,
  -- The hour's beginning.
  hour timestamp with time zone not null,
  -- How many.
  wrong integer not null,
  -- One count a link and hour.
  constraint link_guesses_pkey PRIMARY KEY (code, hour),
  constraint link_guesses_code_fkey FOREIGN KEY (code) REFERENCES links(code) ON DELETE CASCADE
) with (fillfactor=70);
-- Which links are being guessed at now; purge by age.
create INDEX link_guesses_hour_idx ON public.link_guesses USING btree (hour);
alter table public.link_guesses enable row level security;
grant select on public.link_guesses to authenticated;
grant select, insert, update, delete on public.link_guesses to service_role;
-- Counts only: every role may read.
create policy "team reads link guesses" on public.link_guesses for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Links. Where one leads is decided for each visit by _shared/links; every address in here passed the allowlist when
-- it was written and passes it again at each visit.
create table public.links (
  -- The last part of the address, lower case. Never changes and is never used again.
  code text collate "C" not null,
  -- The caller's own id of it: creating it again answers this link. Unique among those not deleted.
  external_id text,
  -- Hash of the request that made it, to tell a repetition from another request under the same external id.
  request_hash text not null,
  -- The team's name for it. Never given to an isolate, and so never to a visitor.
  title text,
  -- The team's free text. Never given to an isolate, and so never to a visitor.
  note text,
  -- Where visits go that no target takes, and all visits while the link's flag is off.
  default_url text,
  -- Rules in order, [{when, url | app | whatsapp}]: the first whose conditions hold decides.
  targets jsonb default '[]'::jsonb not null,
  -- Chat that a visit opens if no target takes it: {phone_number_id, text}. Takes precedence over default_url.
  whatsapp jsonb,
  -- The link works from this time on; null for no limit.
  starts_at timestamp with time zone,
  -- The link stops working at this time; null for no limit.
  expires_at timestamp with time zone,
  -- Where a visit goes while the link cannot be used, instead of an error.
  expired_url text,
  -- Whether people must press a button to continue, so that programs that scan links use nothing up.
  confirm boolean default false not null,
  -- Maximum number of human visits; null for no limit.
  max_uses integer,
  -- Uses so far. Counted only if max_uses is set.
  uses integer default 0 not null,
  -- How many the last take was granted: how the one statement that takes tells its caller.
  taken integer default 0 not null,
  -- Campaign parameters added to web targets: any of source, medium, campaign, term, content.
  utm jsonb default '{}'::jsonb not null,
  -- utm.campaign, for lists and routes.
  campaign text generated always as ((utm ->> 'campaign'::text)) stored,
  -- Whether the parameters of a visit are handed on to a web target.
  pass_query boolean default false not null,
  -- Words of the team's, for lists and routes.
  tags text[] default '{}'::text[] not null,
  -- A flag besides deeplinks.enabled that has to be on for the visitor; while it is off the visit goes to
  -- default_url.
  flag_key text,
  -- What messengers show for the link: any of title, description, image.
  preview jsonb,
  -- Whether an app's first open may be matched by network and device, which is a guess.
  fingerprint boolean default false not null,
  -- active, disabled (by the team, can be undone), blocked (abuse), or deleted (kept so that the code is not used
  -- again; can be restored).
  state text default 'active'::text not null,
  -- Grows with each change made by people.
  version integer default 1 not null,
  -- The version in which each member was last changed, {member: version}; absent for one as it was made. Tells
  -- whether two changes are of the same member.
  member_versions jsonb default '{}'::jsonb not null,
  -- Transaction that last changed it; tells isolates what to reload, see refresh_links.
  changed_in xid8 default pg_current_xact_id() not null,
  -- When it was made.
  created_at timestamp with time zone default clock_timestamp() not null,
  -- Who made it: a user id, or the name of a key or role.
  created_by text default private.actor() not null,
  -- When it was last changed.
  updated_at timestamp with time zone default clock_timestamp() not null,
  -- Who last changed it.
  updated_by text default private.actor() not null,
  constraint links_pkey PRIMARY KEY (code),
  constraint links_code_form CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text)),
  constraint links_external_id_length CHECK (((length(external_id) >= 1) AND (length(external_id) <= 200))),
  constraint links_flag_key_filled CHECK ((flag_key <> ''::text)),
  constraint links_lead_somewhere CHECK (((default_url IS NOT NULL) OR (whatsapp IS NOT NULL))),
  constraint links_max_uses_positive CHECK ((max_uses > 0)),
  constraint links_member_versions_object CHECK ((jsonb_typeof(member_versions) = 'object'::text)),
  constraint links_note_length CHECK (((length(note) >= 1) AND (length(note) <= 500))),
  constraint links_preview_object CHECK ((jsonb_typeof(preview) = 'object'::text)),
  constraint links_state_known CHECK ((state = ANY (ARRAY['active'::text, 'disabled'::text, 'blocked'::text, 'deleted'::text]))),
  constraint links_targets_array CHECK ((jsonb_typeof(targets) = 'array'::text)),
  constraint links_title_length CHECK (((length(title) >= 1) AND (length(title) <= 120))),
  constraint links_utm_object CHECK ((jsonb_typeof(utm) = 'object'::text)),
  constraint links_whatsapp_object CHECK ((jsonb_typeof(whatsapp) = 'object'::text))
) with (fillfactor=90);
-- Lists by campaign.
create INDEX links_campaign_idx ON public.links USING btree (campaign, created_at) WHERE (campaign IS NOT NULL);
-- Links that changed since an isolate last asked.
create INDEX links_changed_idx ON public.links USING btree (changed_in);
-- Makes creation idempotent; deleting a link frees its external id.
create UNIQUE INDEX links_external_id_idx ON public.links USING btree (external_id) WHERE ((state <> 'deleted'::text) AND (external_id IS NOT NULL));
-- Lists, newest first, page by page.
create INDEX links_newest_idx ON public.links USING btree (created_at, code);
-- Lists by tag.
create INDEX links_tags_idx ON public.links USING gin (tags);
-- Lists by a part of title or note: only links that have one are looked at.
create INDEX links_told_idx ON public.links USING btree (created_at, code) WHERE ((title IS NOT NULL) OR (note IS NOT NULL));
alter table public.links enable row level security;
grant select on public.links to authenticated;
grant select, insert, update on public.links to service_role;
-- Every role may see the links; passwords are elsewhere.
create policy "team reads links" on public.links for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Tells isolates to read the link again, also after an update by hand, and which members were changed.
create TRIGGER links_changed BEFORE UPDATE ON public.links FOR EACH ROW EXECUTE FUNCTION private.mark_link_changed();

-- What happened and how long it took: a row a minute for a day, and one since the beginning. Added up in the
-- functions and sent in groups, or sampled by the clock; for people to look at, nothing is decided by it.
create table public.measurements (
  -- request (label: function and status), destination (label: name and outcome), replies (not used; label:
  -- destination and why), routed, graph (label: result), messages (label: in or out), updates (label: field and
  -- kind), clicks (label: verdict and target).
  name text not null,
  -- Which kind of it; of several words, separated by a space. Never personal data.
  label text default ''::text not null,
  -- The minute's beginning; -infinity in the row that adds up everything since the beginning.
  minute timestamp with time zone not null,
  -- How many.
  n bigint not null,
  -- Milliseconds of all of them; 0 where nothing is timed.
  ms double precision default 0 not null,
  -- How many took at most private.latency_buckets()[i] ms and longer than the bucket before; the last for longer
  -- still. Empty where nothing is timed.
  counts bigint[] default '{}'::bigint[] not null,
  -- When the row last grew.
  last_at timestamp with time zone not null,
  -- One row a series and minute.
  constraint measurements_pkey PRIMARY KEY (name, label, minute),
  constraint measurements_counts CHECK (((n >= 0) AND (ms >= (0)::double precision) AND (cardinality(counts) = ANY (ARRAY[0, 28]))))
) with (fillfactor=70);
-- The last minutes of everything; purge by age.
create INDEX measurements_minute_idx ON public.measurements USING btree (minute);
alter table public.measurements enable row level security;
grant select on public.measurements to authenticated;
grant select, insert, update, delete on public.measurements to service_role;
-- Counts only: the whole team reads them.
create policy measurements_read on public.measurements for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Messages in both directions. seq is assigned under the conversation's lock, so within a conversation it is the
-- order of acceptance.
create table public.messages (
  -- UUID v7; for an outbound message also the id that wa-send returns.
  id uuid default private.uuid_v7() not null,
  -- Order of acceptance within a conversation.
  seq bigint generated always as identity not null,
  -- The channel that carried it.
  channel text default 'whatsapp'::text not null,
  -- Its conversation.
  conversation_id uuid not null,
  -- in: from the person; out: from the business.
  direction text not null,
  -- The provider's id (WhatsApp's wamid…), unique within its channel; null for an outbound message that has not been
  -- sent.
  provider_id text,
  -- text, image, interactive, …, the provider's term.
  type text not null,
  -- The text, whatever the type: body, caption, title of the chosen button, emoji. Null if there is none, or if its
  -- author withdrew the message.
  text text,
  -- Id of the chosen button or list row, or the payload of the quick reply.
  choice text,
  -- provider_id of the message that this one answers, edits, withdraws (type revoke) or reacts to.
  reply_to text,
  -- The deep-link token in the text.
  link_token text,
  -- The ad or post the person came from.
  referral jsonb,
  -- Whether the person forwarded it.
  forwarded boolean default false not null,
  -- The message as received from, or sent to, the provider; null once it was withdrawn.
  native jsonb,
  -- in: received, or deleted; out: queued, sent, delivered, read, played, failed or deleted. Never goes back.
  status text not null,
  -- Rank of the status; a status of a lower rank only adds its time.
  status_rank smallint default 0 not null,
  -- When each status was reached, by name.
  status_at jsonb default '{}'::jsonb not null,
  -- What the provider charged, as reported with the status.
  pricing jsonb,
  -- Why it failed, as reported by the provider.
  error jsonb,
  -- W3C trace context of the request that brought it, or that a reply continues; null if there was none: its id is
  -- then its trace id.
  traceparent text,
  -- The thread it belongs to, on channels that have threads within a conversation; null elsewhere. Not a foreign key,
  -- so that the tables of threads can be removed.
  thread_id uuid,
  -- When it was sent, by the provider's clock.
  sent_at timestamp with time zone,
  -- When we stored it.
  created_at timestamp with time zone default now() not null,
  constraint messages_pkey PRIMARY KEY (id),
  constraint messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE,
  constraint messages_direction_check CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text])))
);
-- Finds the edits and withdrawals of a message, which may arrive before the message itself.
create INDEX messages_changes_idx ON public.messages USING btree (reply_to) WHERE (type = ANY (ARRAY['edit'::text, 'revoke'::text]));
-- A conversation in order, and its messages that the router has yet to decide.
create INDEX messages_conversation_idx ON public.messages USING btree (conversation_id, seq);
-- Finds the message that a status is about. Without the channel: two channels hardly ever use the same id, and a
-- wider index costs every message.
create INDEX messages_provider_id_idx ON public.messages USING btree (provider_id) WHERE (provider_id IS NOT NULL);
-- A thread in order. Messages outside threads have no entry.
create INDEX messages_thread_idx ON public.messages USING btree (thread_id, seq) WHERE (thread_id IS NOT NULL);
-- Finds the messages of a trace that began elsewhere. Nearly all messages have none and no entry here.
create INDEX messages_trace_idx ON public.messages USING btree (substr(traceparent, 4, 32)) WHERE (traceparent IS NOT NULL);
alter table public.messages enable row level security;
grant select, insert, update, delete on public.messages to service_role;
-- Ties a message to the link or ad that it came from.
create TRIGGER attribute AFTER INSERT ON public.messages FOR EACH ROW WHEN (((new.direction = 'in'::text) AND ((new.link_token IS NOT NULL) OR (new.referral IS NOT NULL)))) EXECUTE FUNCTION private.attribute_new_message();

-- Business metrics by day (UTC). In 16 slots, so that those who count at the same time do not wait for each other:
-- add them up.
create table public.metric_days (
  -- The metric.
  name text not null,
  -- The day, UTC.
  day date not null,
  -- 0 to 15.
  slot smallint not null,
  -- How often.
  n bigint not null,
  -- The sum of the values.
  value double precision not null,
  -- A slot of a metric's day; serves the foreign key.
  constraint metric_days_pkey PRIMARY KEY (name, day, slot),
  constraint metric_days_name_fkey FOREIGN KEY (name) REFERENCES business_metrics(name) ON DELETE RESTRICT
) with (fillfactor=70);
alter table public.metric_days enable row level security;
grant select on public.metric_days to authenticated;
grant select, insert, update on public.metric_days to service_role;
-- Sums only: the whole team reads them.
create policy metric_days_read on public.metric_days for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Who is told of rollouts and of what fails. The address itself, which with Slack is the secret, is in
-- private.notification_addresses.
create table public.notification_endpoints (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- Short name: lower-case letters, digits, - and _.
  name text not null,
  -- webhook: a JSON event signed by Standard Webhooks; slack: {"text": …}, as Slack, Mattermost and others take it.
  kind text not null,
  -- Host of its address, for people to recognise.
  host text not null,
  -- What it is told of: kinds of rollout_events, failing and recovered of the parts of health, steps of incidents,
  -- and reports.
  events text[] not null,
  -- active, or paused: what happens meanwhile is not told later.
  state text default 'active'::text not null,
  -- When it was added.
  created_at timestamp with time zone default now() not null,
  -- Who added it.
  created_by text default private.actor() not null,
  -- An endpoint's id.
  constraint notification_endpoints_pkey PRIMARY KEY (id),
  -- An endpoint is named by people.
  constraint notification_endpoints_name_key UNIQUE (name),
  constraint notification_endpoints_events_known CHECK ((events <@ ARRAY['started'::text, 'advanced'::text, 'held'::text, 'paged'::text, 'paused'::text, 'resumed'::text, 'rolled_back'::text, 'completed'::text, 'failing'::text, 'recovered'::text, 'incident_opened'::text, 'incident_updated'::text, 'incident_acknowledged'::text, 'incident_escalated'::text, 'incident_resolved'::text, 'report'::text])),
  constraint notification_endpoints_kind_known CHECK ((kind = ANY (ARRAY['webhook'::text, 'slack'::text]))),
  constraint notification_endpoints_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
  constraint notification_endpoints_state_known CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text])))
);
alter table public.notification_endpoints enable row level security;
grant select on public.notification_endpoints to authenticated, service_role;
-- The team sees who is told; addresses are elsewhere.
create policy notification_endpoints_read on public.notification_endpoints for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- What is to be told to whom. Not in order: each stands for itself and says when it happened.
create table public.notifications (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- Who is told.
  endpoint_id uuid not null,
  -- The event of a rollout; null where it is about a part of health, an incident or a report.
  event_id uuid,
  -- What happened, in codes and figures: _shared/rollouts/notify.ts makes the body of it.
  payload jsonb not null,
  -- pending, leased (under way), delivered, or dead (given up).
  state text default 'pending'::text not null,
  -- Attempts begun.
  attempt integer default 0 not null,
  -- When it is due; while leased, when the lease ends.
  next_attempt_at timestamp with time zone not null,
  -- Fencing token of the current lease: a result that carries another one comes too late.
  lease uuid,
  -- Why the last attempt failed, as a short code and sentence.
  last_error text,
  -- When it was queued.
  created_at timestamp with time zone default clock_timestamp() not null,
  -- When a 2xx answer came.
  delivered_at timestamp with time zone,
  -- Sent as webhook-id, the same at each attempt.
  constraint notifications_pkey PRIMARY KEY (id),
  constraint notifications_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES notification_endpoints(id) ON DELETE CASCADE,
  constraint notifications_event_id_fkey FOREIGN KEY (event_id) REFERENCES rollout_events(id) ON DELETE CASCADE,
  constraint notifications_state_known CHECK ((state = ANY (ARRAY['pending'::text, 'leased'::text, 'delivered'::text, 'dead'::text])))
) with (fillfactor=80);
-- What is due, oldest first.
create INDEX notifications_due_idx ON public.notifications USING btree (next_attempt_at) WHERE (state = ANY (ARRAY['pending'::text, 'leased'::text]));
-- Serves the foreign key.
create INDEX notifications_endpoint_idx ON public.notifications USING btree (endpoint_id);
-- Who was told of an event; serves the foreign key.
create INDEX notifications_event_idx ON public.notifications USING btree (event_id);
alter table public.notifications enable row level security;
grant select on public.notifications to authenticated;
grant select, insert, update on public.notifications to service_role;
-- The team sees what was told and whether it arrived.
create policy notifications_read on public.notifications for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Visits of codes that no link has. In clear only what is one slip away from a link's code, at most 10,000 a day;
-- whatever else people put there may name a person or be a secret, and counts under its kind: (e-mail address),
-- (number), (secret), (other).
create table public.orphan_visits (
  -- The day (UTC).
  day date not null,
  -- The requested code if it is a misprint of a link's, else its kind in brackets, which no code contains.
  code text collate "C" not null,
  -- How often.
  visits bigint not null,
  -- One count a day and code.
  constraint orphan_visits_pkey PRIMARY KEY (day, code)
) with (fillfactor=70);
alter table public.orphan_visits enable row level security;
grant select on public.orphan_visits to authenticated;
grant select, insert, update, delete on public.orphan_visits to service_role;
-- Holds no personal data: every role may read.
create policy "team reads orphan visits" on public.orphan_visits for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- The queue to the provider. Each entry has a row in messages with the same id, except read receipts.
create table public.outbound_messages (
  -- UUID v7; returned by wa-send and passed to the provider as callback data.
  id uuid default private.uuid_v7() not null,
  -- The channel that carries it.
  channel text default 'whatsapp'::text not null,
  -- The conversation; also the lane.
  conversation_id uuid not null,
  -- The sender (senders.id); for WhatsApp, the business number.
  number_id text not null,
  -- Its message; null for a read receipt.
  message_id uuid,
  -- What is sent, unless the message's native column has it.
  payload jsonb,
  -- The id it is addressed to.
  recipient text,
  -- The caller's key, or reply:<delivery>:<n>.
  idempotency_key text,
  -- Hash of the request, to distinguish a repetition from another request with the same key.
  request_hash text,
  -- queued, leased (under way), sent (accepted by the provider) or failed (given up).
  state text default 'queued'::text not null,
  -- Attempts started, except those that were deferred.
  attempt integer default 0 not null,
  -- How often it was deferred for a reason outside the message: a rate limit, or a fault of the account.
  deferred integer default 0 not null,
  -- When it was first tried; null before that.
  tried_at timestamp with time zone,
  -- Whether it has been set aside: later messages of its conversation no longer wait for it.
  aside boolean default false not null,
  -- When it is due, if it is the first of its lane.
  next_attempt_at timestamp with time zone default now() not null,
  -- The provider's last answer, if it refused.
  error jsonb,
  -- The template to send instead if the window is closed, if the caller gave one.
  fallback jsonb,
  -- Whether the template was sent instead, because the window was closed.
  used_fallback boolean default false not null,
  -- When it was queued.
  created_at timestamp with time zone default now() not null,
  -- When its state last changed.
  updated_at timestamp with time zone default now() not null,
  constraint outbound_messages_pkey PRIMARY KEY (id),
  -- Requests with the same key on the same channel are the same message.
  constraint outbound_messages_idempotency_key UNIQUE (idempotency_key, channel),
  constraint outbound_messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE,
  constraint outbound_messages_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE,
  constraint outbound_messages_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'leased'::text, 'sent'::text, 'failed'::text])))
) with (fillfactor=80);
-- The messages of a lane that have been set aside.
create INDEX outbound_messages_aside_idx ON public.outbound_messages USING btree (conversation_id, next_attempt_at) WHERE (aside AND (state = ANY (ARRAY['queued'::text, 'leased'::text])));
-- The sent messages of a conversation; serves the foreign key and merges.
create INDEX outbound_messages_conversation_idx ON public.outbound_messages USING btree (conversation_id);
-- Messages that could not be sent, newest first.
create INDEX outbound_messages_failed_idx ON public.outbound_messages USING btree (updated_at) WHERE (state = 'failed'::text);
-- The queue row of a message; serves the foreign key.
create INDEX outbound_messages_message_idx ON public.outbound_messages USING btree (message_id);
-- The first open message of a lane.
create INDEX outbound_messages_open_idx ON public.outbound_messages USING btree (conversation_id, id) WHERE (state = ANY (ARRAY['queued'::text, 'leased'::text]));
alter table public.outbound_messages enable row level security;
grant select, insert, update, delete on public.outbound_messages to service_role;

-- State of the rate limits. A row whose tat is in the past is equivalent to no row.
create unlogged table public.rate_limits (
  -- What is limited, such as send:<contact id>. Ids, never phone numbers.
  key text not null,
  -- Theoretical arrival time of the next take; see private.gcra.
  tat timestamp with time zone not null,
  -- Whether the last take was allowed: how the one statement that takes tells its caller.
  allowed boolean not null,
  constraint rate_limits_pkey PRIMARY KEY (key),
  constraint rate_limits_key_short CHECK (((length(key) >= 1) AND (length(key) <= 200)))
) with (fillfactor=50);
alter table public.rate_limits enable row level security;
grant select, insert, update, delete on public.rate_limits to service_role;

-- Reports as they were when they were due. Written by the clock.
create table public.reports (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- first_day (of a rollout or a launch, every two hours), daily (in its first week) or weekly (about everything).
  kind text not null,
  -- The rollout; null for the weekly one.
  rollout_id uuid,
  -- Its flag.
  flag_key text,
  -- From when it counts.
  period_from timestamp with time zone not null,
  -- Until when it counts, which is when it was due.
  due_at timestamp with time zone not null,
  -- What it says; _shared/contract/words/reports.ts makes sentences of it.
  figures jsonb not null,
  -- What somebody should look at: silent, error_rate, p95, worse, paged, incident, complaints, debt; empty where all
  -- is well.
  look text[] not null,
  -- When it was written.
  created_at timestamp with time zone default clock_timestamp() not null,
  -- A report's id.
  constraint reports_pkey PRIMARY KEY (id),
  -- One report a time.
  constraint reports_once UNIQUE NULLS NOT DISTINCT (kind, rollout_id, due_at),
  constraint reports_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE CASCADE,
  constraint reports_kind_known CHECK ((kind = ANY (ARRAY['first_day'::text, 'daily'::text, 'weekly'::text]))),
  -- The weekly one is about everything.
  constraint reports_of_rollout CHECK (((kind = 'weekly'::text) = (rollout_id IS NULL)))
);
-- A feature's reports.
create INDEX reports_flag_idx ON public.reports USING btree (flag_key, due_at);
-- Serves the foreign key.
create INDEX reports_rollout_idx ON public.reports USING btree (rollout_id) WHERE (rollout_id IS NOT NULL);
alter table public.reports enable row level security;
grant select on public.reports to authenticated, service_role;
-- Figures only: the whole team reads them.
create policy reports_read on public.reports for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Each way back that was taken with gatelink rollback, successful or not. Append-only. Level 4 over this very table
-- leaves no row.
create table public.rollback_events (
  -- Key.
  id uuid default private.uuid_v7() not null,
  -- 1 flag, 2 environment, 3 code, 4 database.
  level smallint not null,
  -- What was taken back: a flag, a variable, the commit or the migration gone back to.
  target text not null,
  -- Why, in the words of whoever did it.
  reason text not null,
  -- Whether it was verified to have taken effect.
  ok boolean not null,
  -- What was done and seen: [{what, ok, ms, detail?}].
  steps jsonb not null,
  -- From the first step until it was verified, in milliseconds.
  took_ms integer not null,
  -- By the clock of the machine that did it.
  began_at timestamp with time zone not null,
  -- By the clock of the database.
  recorded_at timestamp with time zone default clock_timestamp() not null,
  -- Who: a user id, or the database role.
  recorded_by text not null,
  constraint rollback_events_pkey PRIMARY KEY (id),
  constraint rollback_events_level CHECK (((level >= 1) AND (level <= 4))),
  constraint rollback_events_steps CHECK ((jsonb_typeof(steps) = 'array'::text))
);
-- What was taken back lately.
create INDEX rollback_events_recorded_idx ON public.rollback_events USING btree (recorded_at);
alter table public.rollback_events enable row level security;
grant select on public.rollback_events to authenticated, service_role;
-- The whole team sees what was taken back and why.
create policy rollback_events_read on public.rollback_events for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.rollback_events FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();
-- An incident knows which way back was taken.
create TRIGGER link_incident AFTER INSERT ON public.rollback_events FOR EACH ROW EXECUTE FUNCTION private.link_rollback();

-- All that happened to a rollout, with the evidence. Only grows: update, delete and truncate are refused to every
-- role.
create table public.rollout_events (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- The rollout.
  rollout_id uuid not null,
  -- When it was decided.
  at timestamp with time zone not null,
  -- created, started, advanced, held (should have gone on and could not), checked (a record of what the guard saw),
  -- paged, paused, resumed, rolled_back, completed.
  kind text not null,
  -- The stage in which it happened, from 1; 0 before the start.
  stage integer not null,
  -- What the guard said; null where a person acted.
  verdict text,
  -- By which rule, such as error_rate_relative or samples.
  rule text,
  -- What belongs to the event: names, numbers and limits. _shared/contract/words/rollouts.ts makes a sentence of it
  -- with kind, rule and verdict.
  figures jsonb default '{}'::jsonb not null,
  -- What the verdict can be recomputed from: {guard, stage, watch, criteria, started_ms, now_ms, before, minutes,
  -- path, after, alarm, progress}; of a start, what the launch gates said.
  evidence jsonb,
  -- The version of the rollout that it made.
  rollout_version bigint not null,
  -- The version of the flag after it.
  setting_version bigint,
  -- Who acted: a user id, or the database role (the clock's for the guard).
  actor text default private.actor() not null,
  -- Why, where a person acted.
  reason text,
  -- An event is named by its id.
  constraint rollout_events_pkey PRIMARY KEY (id),
  constraint rollout_events_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE RESTRICT,
  constraint rollout_events_kind_known CHECK ((kind = ANY (ARRAY['created'::text, 'started'::text, 'advanced'::text, 'held'::text, 'checked'::text, 'paged'::text, 'paused'::text, 'resumed'::text, 'rolled_back'::text, 'completed'::text]))),
  constraint rollout_events_verdict_known CHECK ((verdict = ANY (ARRAY['advance'::text, 'hold'::text, 'roll_back'::text, 'page'::text])))
);
-- A rollout's history; serves the foreign key.
create INDEX rollout_events_rollout_idx ON public.rollout_events USING btree (rollout_id, at);
alter table public.rollout_events enable row level security;
grant select on public.rollout_events to authenticated, service_role;
-- The whole team follows the rollouts.
create policy rollout_events_read on public.rollout_events for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites evidence.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.rollout_events FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();
-- Somebody has to look why it was taken back.
create TRIGGER open_incident AFTER INSERT ON public.rollout_events FOR EACH ROW WHEN (((new.kind = 'rolled_back'::text) AND (new.verdict = 'roll_back'::text))) EXECUTE FUNCTION private.open_for_rollback();

-- Which rollouts feedback counts for: those that were under way, or completed within 7 days, and what the person had.
create table public.rollout_feedback (
  -- The rollout.
  rollout_id uuid not null,
  -- The feedback.
  feedback_id uuid not null,
  -- The stage that it was in.
  stage integer not null,
  -- on or off: whether the person had the feature.
  arm text not null,
  -- Feedback counts once a rollout.
  constraint rollout_feedback_pkey PRIMARY KEY (rollout_id, feedback_id),
  constraint rollout_feedback_feedback_id_fkey FOREIGN KEY (feedback_id) REFERENCES feedback(id) ON DELETE CASCADE,
  constraint rollout_feedback_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE RESTRICT,
  constraint rollout_feedback_arm_known CHECK ((arm = ANY (ARRAY['on'::text, 'off'::text])))
);
-- Serves the foreign key.
create INDEX rollout_feedback_feedback_idx ON public.rollout_feedback USING btree (feedback_id);
alter table public.rollout_feedback enable row level security;
grant select on public.rollout_feedback to authenticated;
grant select, insert, delete on public.rollout_feedback to service_role;
-- Whom it came from is not in it: the whole team sees how much there is.
create policy rollout_feedback_read on public.rollout_feedback for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- The stages of a rollout's plan, and when it was in them.
create table public.rollout_stages (
  -- The rollout.
  rollout_id uuid not null,
  -- From 1.
  "position" integer not null,
  -- What people call it.
  name text not null,
  -- How many have the flag, in percent.
  percentage numeric(5,2) not null,
  -- Who has it besides; they keep it in the stages after.
  user_ids text[] default '{}'::text[] not null,
  -- Segments that have it besides; they keep it in the stages after.
  segments text[] default '{}'::text[] not null,
  -- How many people have it besides, chosen when the stage begins; null for none. Those of earlier stages are among
  -- them, and they keep it in the stages after.
  users integer,
  -- Segments among whose members they are chosen; empty: among the people who wrote within 90 days.
  among text[] default '{}'::text[] not null,
  -- Who was chosen, in the order in which they are: by the hash that percentages go by.
  chosen text[] default '{}'::text[] not null,
  -- How long it lasts at least.
  hold_minutes integer not null,
  -- How many outcomes it needs at least.
  min_samples integer not null,
  -- After how long somebody is to look; null for never.
  overdue_minutes integer,
  -- Success criteria: no_errors, error_rate_below, p95_ms_below, complaints_at_most, positive_share_above with
  -- min_ratings.
  advance_when jsonb not null,
  -- Triggers: error_rate_above and p95_ms_above by sequential test, plain thresholds over the last minutes,
  -- complaints_above.
  roll_back_when jsonb not null,
  -- Tighter triggers for the first 24 hours of the stage, in the place of those of roll_back_when: error_rate_above,
  -- p95_ms_above, complaints_above. Null for none.
  first_day jsonb,
  -- What business metrics may do: [{name, max_fall, then, min_people, by, at_least_per_day}].
  metrics jsonb default '[]'::jsonb not null,
  -- When it began; null before.
  entered_at timestamp with time zone,
  -- When it ended; null before.
  left_at timestamp with time zone,
  -- The order of a rollout's stages.
  constraint rollout_stages_pkey PRIMARY KEY (rollout_id, "position"),
  constraint rollout_stages_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE RESTRICT,
  constraint rollout_stages_users CHECK (((users >= 1) AND (users <= 10000)))
);
alter table public.rollout_stages enable row level security;
grant select on public.rollout_stages to authenticated, service_role;
-- The whole team follows the rollouts.
create policy rollout_stages_read on public.rollout_stages for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- How a flag goes live: which plan, where it stands, and what the guard remembers.
create table public.rollouts (
  -- UUID v7.
  id uuid default private.uuid_v7() not null,
  -- The flag. It may be removed after the launch; the rollout stays as its record.
  flag_key text not null,
  -- Name of the plan: standard, canary, or what the plan calls itself.
  plan text not null,
  -- draft (not started), running, paused (stays where it is; the guard still watches), completed, rolled_back.
  state text default 'draft'::text not null,
  -- Position of the stage, from 1; 0 before the start.
  stage integer default 0 not null,
  -- When the stage began.
  stage_started_at timestamp with time zone,
  -- Why the last verdict was to hold: silent, sample_ratio, hold_time, no_data, samples, error_rate, p95, paused,
  -- kill_switch, incident, overdue, or a signal: complaints, people, guardrail, guardrail_unclear, goal, ratings,
  -- feedback.
  hold_reason text,
  -- Version of the flag that the rollout last wrote or accepted: another one means that somebody else wrote.
  setting_version bigint,
  -- What the guard has added up; see _shared/rollouts/guard.ts.
  guard jsonb,
  -- The same at the last event that holds evidence: the next event's evidence begins there.
  checkpoint jsonb,
  -- When that was.
  checkpoint_at timestamp with time zone,
  -- Grows with each change that people or the guard make. Give the version you read to the functions that change it.
  version bigint default 1 not null,
  -- When it was planned.
  created_at timestamp with time zone default now() not null,
  -- Who planned it: a user id, or the database role.
  created_by text default private.actor() not null,
  -- When it was started.
  started_at timestamp with time zone,
  -- When it was completed or rolled back.
  finished_at timestamp with time zone,
  -- A rollout is named by its id.
  constraint rollouts_pkey PRIMARY KEY (id),
  constraint rollouts_flag_key CHECK ((flag_key ~~ '%.enabled'::text)),
  constraint rollouts_state_known CHECK ((state = ANY (ARRAY['draft'::text, 'running'::text, 'paused'::text, 'completed'::text, 'rolled_back'::text])))
) with (fillfactor=70);
-- A flag's rollouts.
create INDEX rollouts_flag_idx ON public.rollouts USING btree (flag_key, created_at);
-- A flag has one rollout under way at most.
create UNIQUE INDEX rollouts_one_running_idx ON public.rollouts USING btree (flag_key) WHERE (state = ANY (ARRAY['running'::text, 'paused'::text]));
alter table public.rollouts enable row level security;
grant select on public.rollouts to authenticated, service_role;
-- The whole team follows the rollouts.
create policy rollouts_read on public.rollouts for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- No rollout goes on whose feature nobody has, by whichever door.
create TRIGGER refuse_killed BEFORE UPDATE ON public.rollouts FOR EACH ROW WHEN ((((new.state = 'completed'::text) AND (old.state <> 'completed'::text)) OR ((new.state = ANY (ARRAY['running'::text, 'paused'::text])) AND (old.stage > 0) AND (new.stage > old.stage)))) EXECUTE FUNCTION private.refuse_killed();
-- No launch during an incident, by whichever door.
create TRIGGER refuse_launch BEFORE UPDATE ON public.rollouts FOR EACH ROW EXECUTE FUNCTION private.refuse_launch();

-- The destinations of a route, in order.
create table public.route_destinations (
  -- The route.
  route_id uuid not null,
  -- The destination; it cannot be deleted while a route uses it.
  destination_id uuid not null,
  -- Order among the route's destinations, from 1.
  "position" smallint not null,
  -- A route has a destination once.
  constraint route_destinations_pkey PRIMARY KEY (route_id, destination_id),
  constraint route_destinations_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE RESTRICT,
  constraint route_destinations_route_id_fkey FOREIGN KEY (route_id) REFERENCES routes(id) ON DELETE CASCADE
);
-- Routes of a destination; serves the foreign key.
create INDEX route_destinations_destination_idx ON public.route_destinations USING btree (destination_id);
alter table public.route_destinations enable row level security;
grant select on public.route_destinations to authenticated;
grant select, insert, update, delete on public.route_destinations to service_role;
-- Every role may see the routes.
create policy "team reads route destinations" on public.route_destinations for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- No route may lead to a removed destination.
create TRIGGER present_destination BEFORE INSERT OR UPDATE OF destination_id ON public.route_destinations FOR EACH ROW EXECUTE FUNCTION private.require_present_destination();
-- Makes the edge functions reload the configuration.
create TRIGGER route_destinations_revision AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.route_destinations FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();

-- Each version of a route, from the first change on. Append-only; it outlives the route.
create table public.route_history (
  -- The route. Not a foreign key: the history outlives it.
  route_id uuid not null,
  -- The version.
  version integer not null,
  -- Its name.
  name text not null,
  -- Its priority.
  priority integer not null,
  -- Its condition.
  condition jsonb not null,
  -- Its mode.
  mode text not null,
  -- Names of its destinations, in order.
  destinations text[] not null,
  -- Its flag.
  flag_key text,
  -- Its stickiness.
  sticky_minutes integer,
  -- Whether it was active.
  active boolean not null,
  -- Its channels.
  channels text[] not null,
  -- When it became so.
  changed_at timestamp with time zone not null,
  -- Who changed it.
  changed_by text not null,
  -- One row per version.
  constraint route_history_pkey PRIMARY KEY (route_id, version)
);
alter table public.route_history enable row level security;
grant select on public.route_history to authenticated, service_role;
-- Every role may see who changed which route; only operators see routes for people's numbers.
create policy route_history_read on public.route_history for select to authenticated
  using ((( SELECT private.has_role('operator'::text) AS has_role) OR (( SELECT private.has_role('viewer'::text) AS has_role) AND (NOT jsonb_path_exists(condition, '$.**."phones"'::jsonpath)))));
-- History cannot be changed.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.route_history FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Which messages go where. The first route whose condition matches decides, by priority, then age.
create table public.routes (
  -- UUID v7: also the order of routes of one priority.
  id uuid default private.uuid_v7() not null,
  -- The name used in explanations.
  name text not null,
  -- Smaller comes first.
  priority integer default 100 not null,
  -- Typed condition, checked by the functions' schema when written through them.
  condition jsonb not null,
  -- first: to the first of its destinations that is not paused; all: to each of them.
  mode text default 'first'::text not null,
  -- The route applies only if this flag is on for the contact; null for always.
  flag_key text,
  -- How long the conversation stays with this route after each match; null if it does not.
  sticky_minutes integer,
  -- An inactive route matches nothing.
  active boolean default true not null,
  -- The channels whose messages it may take. Only WhatsApp by default, so that a fallback does not receive e-mail by
  -- accident.
  channels text[] default '{whatsapp}'::text[] not null,
  -- Incremented by each change.
  version integer default 1 not null,
  -- When it was added.
  created_at timestamp with time zone default now() not null,
  -- When it was last changed.
  updated_at timestamp with time zone default now() not null,
  -- Who last changed it.
  updated_by text default private.actor() not null,
  constraint routes_pkey PRIMARY KEY (id),
  -- People and explanations refer to a route by its name.
  constraint routes_name_key UNIQUE (name),
  constraint routes_channels_check CHECK ((((cardinality(channels) >= 1) AND (cardinality(channels) <= 20)) AND (array_position(channels, NULL::text) IS NULL))),
  constraint routes_condition_check CHECK (((jsonb_typeof(condition) = 'object'::text) AND (condition ? 'type'::text))),
  constraint routes_flag_key_check CHECK ((flag_key <> ''::text)),
  constraint routes_mode_check CHECK ((mode = ANY (ARRAY['first'::text, 'all'::text]))),
  constraint routes_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
  constraint routes_sticky_minutes_check CHECK (((sticky_minutes >= 1) AND (sticky_minutes <= 43200)))
);
alter table public.routes enable row level security;
grant select on public.routes to authenticated;
grant select, insert, update, delete on public.routes to service_role;
-- Every role may see the routes; only operators see routes for people's numbers.
create policy "team reads routes" on public.routes for select to authenticated
  using ((( SELECT private.has_role('operator'::text) AS has_role) OR (( SELECT private.has_role('viewer'::text) AS has_role) AND (NOT jsonb_path_exists(condition, '$.**."phones"'::jsonpath)))));
-- Makes the edge functions reload the configuration.
create TRIGGER routes_revision AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.routes FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();
-- Refuses a condition that could never match when it is written.
create TRIGGER usable_condition BEFORE INSERT OR UPDATE OF condition ON public.routes FOR EACH ROW EXECUTE FUNCTION private.require_condition();

-- One row per routed message: which route, why, and why not the others. Holds no personal data.
create table public.routing_decisions (
  -- The message; it is decided only once.
  message_id uuid not null,
  -- The route that took it; null if none matched or the route has been removed since.
  route_id uuid,
  -- The route's name at that time.
  route_name text,
  -- matched, sticky (the conversation stayed), default (a fallback), or no_match.
  reason text not null,
  -- The destinations it was sent to.
  destination_ids uuid[] default '{}'::uuid[] not null,
  -- The contact, redacted: at most the last four digits of the number.
  contact text,
  -- A list of {route, name, matched, why}, in the order of evaluation.
  explanation jsonb default '[]'::jsonb not null,
  -- Revision of the configuration used for the decision.
  revision bigint not null,
  -- When it was decided.
  decided_at timestamp with time zone default now() not null,
  constraint routing_decisions_pkey PRIMARY KEY (message_id),
  constraint routing_decisions_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE,
  constraint routing_decisions_route_id_fkey FOREIGN KEY (route_id) REFERENCES routes(id) ON DELETE SET NULL,
  constraint routing_decisions_contact_check CHECK ((length(contact) <= 8)),
  constraint routing_decisions_reason_check CHECK ((reason = ANY (ARRAY['matched'::text, 'sticky'::text, 'default'::text, 'no_match'::text])))
);
-- The latest decisions.
create INDEX routing_decisions_recent_idx ON public.routing_decisions USING btree (decided_at);
-- Counts by route; serves the foreign key.
create INDEX routing_decisions_route_idx ON public.routing_decisions USING btree (route_id) WHERE (route_id IS NOT NULL);
alter table public.routing_decisions enable row level security;
grant select on public.routing_decisions to authenticated;
grant select, insert, update, delete on public.routing_decisions to service_role;
-- Redacted by construction: every role may read.
create policy "team reads decisions" on public.routing_decisions for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Every change of a segment's members. Written by trigger; update, delete and truncate are refused to every role.
create table public.segment_history (
  -- The segment. It may have been removed since.
  segment_key text not null,
  -- The version that this change made.
  version bigint not null,
  -- Who came in.
  added text[] default '{}'::text[] not null,
  -- Who went out.
  removed text[] default '{}'::text[] not null,
  -- When.
  changed_at timestamp with time zone not null,
  -- Who: a user id, or the database role.
  changed_by text not null,
  -- Why, as in settings_history.
  reason text,
  -- Each change creates a version.
  constraint segment_history_pkey PRIMARY KEY (segment_key, version)
);
alter table public.segment_history enable row level security;
grant select on public.segment_history to authenticated, service_role;
-- The whole team reads who changed a segment, and why.
create policy segment_history_read on public.segment_history for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.segment_history FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Who is in a segment. Plain INSERT and DELETE work; a trigger moves the segment's version and writes
-- segment_history.
create table public.segment_members (
  -- The segment.
  segment_key text not null,
  -- The id that flags are asked with: a contact's id, or an id of a service's own.
  subject_id text not null,
  -- Since when.
  added_at timestamp with time zone default now() not null,
  -- Who added the person.
  added_by text default private.actor() not null,
  -- A person is in a segment once.
  constraint segment_members_pkey PRIMARY KEY (segment_key, subject_id),
  constraint segment_members_segment_key_fkey FOREIGN KEY (segment_key) REFERENCES segments(key) ON DELETE RESTRICT,
  constraint segment_members_subject_length CHECK (((char_length(subject_id) >= 1) AND (char_length(subject_id) <= 200)))
);
-- A person's segments, for contacts that turn out to be one person.
create INDEX segment_members_subject_idx ON public.segment_members USING btree (subject_id);
alter table public.segment_members enable row level security;
grant select on public.segment_members to authenticated, service_role;
-- Ids only, no names or numbers: the whole team reads them.
create policy segment_members_read on public.segment_members for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- One way to write an id.
create TRIGGER admit BEFORE INSERT ON public.segment_members FOR EACH ROW EXECUTE FUNCTION private.admit_member();
-- Refuses more members than the functions can load.
create TRIGGER bound AFTER INSERT ON public.segment_members REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION private.bound_members();
-- Records added members in version and history.
create TRIGGER record_added AFTER INSERT ON public.segment_members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.record_members();
-- Records removed members in version and history.
create TRIGGER record_removed AFTER DELETE ON public.segment_members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION private.record_members();
-- People are added and removed, so that the history has them.
create TRIGGER refuse_others BEFORE UPDATE OR TRUNCATE ON public.segment_members FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Named lists of people, for flags to target: beta testers, the team.
create table public.segments (
  -- Name: lower-case letters, digits, dot, - and _.
  key text not null,
  -- Who is in it, and why.
  description text default ''::text not null,
  -- Counts the changes, of its members too. Give the version you read to the functions that change it.
  version bigint default 1 not null,
  -- When it or its members last changed.
  updated_at timestamp with time zone default now() not null,
  -- Who changed it: a user id, or the database role.
  updated_by text default private.actor() not null,
  -- A segment is named by flags and plans.
  constraint segments_pkey PRIMARY KEY (key),
  constraint segments_key_form CHECK ((key ~ '^[a-z0-9][a-z0-9._-]{0,62}$'::text))
);
alter table public.segments enable row level security;
grant select on public.segments to authenticated, service_role;
-- The whole team reads which segments there are.
create policy segments_read on public.segments for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Tells the edge functions to read the configuration again; a change of members changes the segment's row.
create TRIGGER bump_config_revision AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.segments FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();

-- The numbers, addresses and bots that we send from, on all channels, and how fast each may send. A WhatsApp number
-- that first appears in a signed webhook is added automatically.
create table public.senders (
  -- The channel it sends on, for example whatsapp.
  channel text default 'whatsapp'::text not null,
  -- The provider's id of it: for WhatsApp, Meta's phone_number_id. conversations.number_id refers to it.
  id text not null,
  -- What people see: a number as dialled (digits only), an e-mail address or a bot's name.
  address text,
  -- Its purpose, on channels whose senders differ in purpose; null elsewhere.
  class text,
  -- The provider that carries its messages, for example whatsapp (Meta itself).
  provider text default 'whatsapp'::text not null,
  -- The provider's account that owns it and its templates, as reported by webhooks: for WhatsApp, Meta's WABA id.
  -- Null until a webhook has reported it.
  account text,
  -- Name of the environment variable of the functions that holds its credentials; null for the channel's default.
  -- Never the secret itself.
  credentials text,
  -- active, or paused by a person: its messages wait.
  state text default 'active'::text not null,
  -- Messages it may send per second: for WhatsApp 80, 1,000 when upgraded, 20 in coexistence.
  max_per_second integer default 80 not null,
  -- Sustained interval, in seconds, between messages to the same person that the provider allows (Meta answers error
  -- 131056 beyond it); 0 where there is no such limit.
  pair_seconds numeric default 6 not null,
  -- Messages to the same person that may be sent at once before pair_seconds applies.
  pair_burst integer default 45 not null,
  -- GCRA state of max_per_second: the theoretical arrival time of the next message.
  send_tat timestamp with time zone,
  -- When a fault of the account (token, payment, a restriction) began to block everything from this sender; null
  -- while nothing blocks it.
  held_since timestamp with time zone,
  -- The provider's error code of that fault.
  held_code text,
  -- When a single message next tests whether the fault has been repaired.
  held_until timestamp with time zone,
  -- How many such tests have been made.
  held_probes integer default 0 not null,
  -- The organisation it belongs to; null if there is only one.
  org uuid,
  -- When it was first seen or added.
  created_at timestamp with time zone default now() not null,
  -- An id is unique within its channel.
  constraint senders_pkey PRIMARY KEY (channel, id),
  constraint senders_account_check CHECK ((account <> ''::text)),
  constraint senders_channel_check CHECK ((channel ~ '^[a-z][a-z0-9_]{0,31}$'::text)),
  constraint senders_class_check CHECK ((class <> ''::text)),
  constraint senders_credentials_check CHECK ((credentials ~ '^[A-Z][A-Z0-9_]{0,99}$'::text)),
  constraint senders_id_check CHECK ((id <> ''::text)),
  constraint senders_max_per_second_check CHECK (((max_per_second >= 1) AND (max_per_second <= 1000))),
  constraint senders_pair_burst_check CHECK ((pair_burst >= 1)),
  constraint senders_pair_seconds_check CHECK ((pair_seconds >= (0)::numeric)),
  constraint senders_provider_check CHECK ((provider <> ''::text)),
  constraint senders_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text])))
) with (fillfactor=80);
alter table public.senders enable row level security;
grant select on public.senders to authenticated;
grant select, insert, update, delete on public.senders to service_role;
-- Every role of the team may see the senders.
create policy "team reads senders" on public.senders for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));

-- Flags and other values read by the running system within seconds of a change. Plain INSERT and UPDATE work; a
-- trigger fills version, updated_at, updated_by and writes settings_history.
create table public.settings (
  -- Name. A flag ends in .enabled and takes only true and false.
  key text not null,
  -- A flag is on when this is exactly true; any other text is off.
  value text not null,
  -- For flags: rollout_percentage (number 0 to 100 in steps of 0.01), target_user_ids (array of strings: on for these
  -- whatever the percentage), target_segments (array of keys of segments: likewise for their members), prerequisites
  -- (array of flags that have to be on for the same id), schedule ({on_at, off_at}: when the clock turns it on or
  -- off), salt (string, default the key), client (boolean: whether apps with a publishable key may read it, default
  -- false), description, launched_at, type (string, number or object: a value that OpenFeature clients may read, not
  -- a switch). Without rollout_percentage a flag that is true is on for everybody, or only for its targets where
  -- target_user_ids or target_segments is present.
  metadata jsonb default '{}'::jsonb not null,
  -- Counts the writes of this key, deletes included. Give the version you read to set_setting.
  version bigint not null,
  -- When this row was last written.
  updated_at timestamp with time zone not null,
  -- Who wrote it: a user id, or the database role.
  updated_by text not null,
  constraint settings_pkey PRIMARY KEY (key),
  -- metadata.approvers: who has to approve the launch of a flag, any of engineering, security, product, cto.
  constraint settings_approvers CHECK (
  CASE
      WHEN (NOT (metadata ? 'approvers'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'approvers'::text)) <> 'array'::text) THEN false
      ELSE ((metadata -> 'approvers'::text) <@ '["engineering", "security", "product", "cto"]'::jsonb)
  END),
  -- metadata.client: true or false, whether apps with a publishable key may read the flag; never true for a flag of
  -- the gateway's own.
  constraint settings_client CHECK (
  CASE
      WHEN (NOT (metadata ? 'client'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'client'::text)) <> 'boolean'::text) THEN false
      ELSE (((metadata ->> 'client'::text) = 'false'::text) OR (key !~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$'::text))
  END),
  constraint settings_enabled_true_or_false CHECK (((key !~~ '%.enabled'::text) OR (value = ANY (ARRAY['true'::text, 'false'::text])))),
  -- A JSON list of at most 100 words of 1 to 60 characters, without blanks around them; an empty one for none.
  constraint settings_feedback_words CHECK (
  CASE
      WHEN (key <> ALL (ARRAY['feedback.complaint_words'::text, 'feedback.praise_words'::text])) THEN true
      WHEN (jsonb_typeof((value)::jsonb) <> 'array'::text) THEN false
      WHEN (jsonb_array_length((value)::jsonb) > 100) THEN false
      ELSE ((NOT jsonb_path_exists((value)::jsonb, 'strict $[*]?(@.type() != "string")'::jsonpath)) AND (NOT jsonb_path_exists((value)::jsonb, '$[*]?(!(@ like_regex "^\\S(.{0,58}\\S)?$"))'::jsonpath)))
  END),
  -- The key of a flag has a name before .enabled, without control characters. feature.enabled is none:
  -- FEATURE_ENABLED stops every feature.
  constraint settings_flag_key CHECK (((key !~~ '%.enabled'::text) OR ((key ~ '^[^[:cntrl:][:space:].][^[:cntrl:]]*\.enabled$'::text) AND (key <> 'feature.enabled'::text)))),
  -- A JSON list of 1 to 20 waits in seconds.
  constraint settings_forward_retry_seconds CHECK (((key <> 'forward.retry_seconds'::text) OR (value ~ '^\[ *[0-9]+(\.[0-9]+)?( *, *[0-9]+(\.[0-9]+)?){0,19} *\]$'::text))),
  -- A text of at most 2000 characters for a template that there is, with no other placeholders than it may have:
  -- _shared/contract/incidents.ts.
  constraint settings_incident_template CHECK (
  CASE
      WHEN (key !~~ 'incident\_template.%'::text) THEN true
      WHEN ((value !~ '\S'::text) OR (char_length(value) > 2000)) THEN false
      WHEN (key = ANY (ARRAY['incident_template.incident_channel'::text, 'incident_template.escalation'::text, 'incident_template.rollback_notice'::text])) THEN (regexp_replace(value, '\{\{(number|title|severity|status|kind|flag|component|opened_at|text|way_back|role|next_update)\}\}'::text, ''::text, 'g'::text) !~ '\{\{|\}\}'::text)
      WHEN (key = ANY (ARRAY['incident_template.status_investigating'::text, 'incident_template.status_identified'::text, 'incident_template.status_monitoring'::text, 'incident_template.status_resolved'::text, 'incident_template.affected_users'::text, 'incident_template.announcement_beta'::text, 'incident_template.announcement_all'::text])) THEN (regexp_replace(value, '\{\{(number|title|severity|status|flag|opened_at|text|next_update)\}\}'::text, ''::text, 'g'::text) !~ '\{\{|\}\}'::text)
      ELSE false
  END),
  constraint settings_key_length CHECK (((char_length(key) >= 1) AND (char_length(key) <= 200))),
  constraint settings_metadata_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  -- Metadata without target_user_ids have at most 100,000 bytes.
  constraint settings_metadata_size CHECK ((octet_length(((metadata - 'target_user_ids'::text))::text) <= 100000)),
  -- true or false: whether one person may sign a gate in several roles.
  constraint settings_one_person_many_roles CHECK (((key <> 'gates.one_person_many_roles'::text) OR (value = ANY (ARRAY['true'::text, 'false'::text])))),
  -- A JSON list of words; an empty one for none.
  constraint settings_opt_out_words CHECK (
  CASE
      WHEN (key <> ALL (ARRAY['opt_out.stop_words'::text, 'opt_out.start_words'::text])) THEN true
      WHEN (jsonb_typeof((value)::jsonb) <> 'array'::text) THEN false
      ELSE (NOT jsonb_path_exists((value)::jsonb, 'strict $[*]?(@.type() != "string")'::jsonpath))
  END),
  -- A word of 8 to 100 letters, digits, - and _, or none.
  constraint settings_own_key CHECK (((key <> 'deeplinks.own_key'::text) OR (value ~ '^([A-Za-z0-9_-]{8,100})?$'::text))),
  -- Addresses and networks, such as 203.0.113.0/24, 2001:db8:1::/48.
  constraint settings_own_networks CHECK (
  CASE
      WHEN (key = 'deeplinks.own_networks'::text) THEN ((array_remove(regexp_split_to_array(value, '[\s,]+'::text), ''::text))::inet[] IS NOT NULL)
      ELSE true
  END),
  constraint settings_prerequisites CHECK (
  CASE
      WHEN (NOT (metadata ? 'prerequisites'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'prerequisites'::text)) <> 'array'::text) THEN false
      ELSE (NOT jsonb_path_exists(metadata, 'strict $."prerequisites"[*]?(@.type() != "string")'::jsonpath))
  END),
  -- Days, a whole number, at least what the retention needs; and a retention that there is.
  constraint settings_retention CHECK (
  CASE
      WHEN (key !~~ 'retention.%'::text) THEN true
      WHEN (value !~ '^[0-9]{1,5}$'::text) THEN false
      ELSE (((value)::integer >=
      CASE key
          WHEN 'retention.event_days'::text THEN 8
          WHEN 'retention.word_days'::text THEN 1
          WHEN 'retention.cron_days'::text THEN 1
          ELSE 2
      END) AND (key = ANY (ARRAY['retention.event_days'::text, 'retention.click_days'::text, 'retention.raw_days'::text, 'retention.word_days'::text, 'retention.message_days'::text, 'retention.decision_days'::text, 'retention.delivery_days'::text, 'retention.outbound_days'::text, 'retention.attribution_days'::text, 'retention.notification_days'::text, 'retention.announcement_days'::text, 'retention.report_days'::text, 'retention.contact_days'::text, 'retention.cron_days'::text, 'retention.feedback_days'::text])))
  END),
  constraint settings_rollout_percentage CHECK (
  CASE
      WHEN (NOT (metadata ? 'rollout_percentage'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'rollout_percentage'::text)) <> 'number'::text) THEN false
      ELSE (((((metadata ->> 'rollout_percentage'::text))::numeric >= (0)::numeric) AND (((metadata ->> 'rollout_percentage'::text))::numeric <= (100)::numeric)) AND (scale(trim_scale(((metadata ->> 'rollout_percentage'::text))::numeric)) <= 2))
  END),
  constraint settings_salt CHECK (((NOT (metadata ? 'salt'::text)) OR (jsonb_typeof((metadata -> 'salt'::text)) = 'string'::text))),
  constraint settings_schedule CHECK (
  CASE
      WHEN (NOT (metadata ? 'schedule'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'schedule'::text)) <> 'object'::text) THEN false
      WHEN (((metadata -> 'schedule'::text) - ARRAY['on_at'::text, 'off_at'::text]) <> '{}'::jsonb) THEN false
      WHEN jsonb_path_exists(metadata, 'strict $."schedule".*?(@.type() != "string")'::jsonpath) THEN false
      ELSE ((concat((metadata #>> '{schedule,on_at}'::text[]), (metadata #>> '{schedule,off_at}'::text[])) ~ '^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)){0,2}$'::text) AND (((metadata #>> '{schedule,on_at}'::text[]))::timestamp with time zone IS DISTINCT FROM 'infinity'::timestamp with time zone) AND (((metadata #>> '{schedule,off_at}'::text[]))::timestamp with time zone IS DISTINCT FROM 'infinity'::timestamp with time zone))
  END),
  -- 1 to 999 days until a flag that does not change looks done with.
  constraint settings_stale_days CHECK (((key <> 'flags.stale_days'::text) OR (value ~ '^[1-9][0-9]{0,2}$'::text))),
  -- Megabytes, a whole number above 0.
  constraint settings_storage_limit CHECK (((key <> 'storage.limit_mb'::text) OR (value ~ '^[1-9][0-9]{0,8}$'::text))),
  constraint settings_target_segments CHECK (
  CASE
      WHEN (NOT (metadata ? 'target_segments'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'target_segments'::text)) <> 'array'::text) THEN false
      ELSE (NOT jsonb_path_exists(metadata, 'strict $."target_segments"[*]?(@.type() != "string")'::jsonpath))
  END),
  constraint settings_target_user_ids CHECK (
  CASE
      WHEN (NOT (metadata ? 'target_user_ids'::text)) THEN true
      WHEN (jsonb_typeof((metadata -> 'target_user_ids'::text)) <> 'array'::text) THEN false
      ELSE (NOT jsonb_path_exists(metadata, 'strict $."target_user_ids"[*]?(@.type() != "string")'::jsonpath))
  END),
  -- A flag names at most 20,000 people; a segment or a percentage is for more.
  constraint settings_target_user_ids_count CHECK (((jsonb_typeof((metadata -> 'target_user_ids'::text)) IS DISTINCT FROM 'array'::text) OR (jsonb_array_length((metadata -> 'target_user_ids'::text)) <= 20000))),
  -- An id has at most 200 characters.
  constraint settings_target_user_ids_length CHECK ((NOT jsonb_path_exists(metadata, '$."target_user_ids"[*]?(@ like_regex "^.{201}" flag "s")'::jsonpath))),
  -- The name of a time zone, such as Europe/Berlin.
  constraint settings_team_zone CHECK (
  CASE
      WHEN (key <> 'team.zone'::text) THEN true
      WHEN (value !~ '^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$'::text) THEN false
      ELSE (('1970-01-01 00:00:00+00'::timestamp with time zone AT TIME ZONE value) IS NOT NULL)
  END),
  constraint settings_type CHECK (((NOT (metadata ? 'type'::text)) OR ((metadata ->> 'type'::text) = ANY (ARRAY['boolean'::text, 'string'::text, 'number'::text, 'object'::text])))),
  -- A value has at most 100,000 bytes.
  constraint settings_value_size CHECK ((octet_length(value) <= 100000)),
  -- A template message as JSON: nothing else may go when the window is closed.
  constraint settings_wa_send_window_fallback CHECK (
  CASE
      WHEN (key = 'wa_send.window_fallback'::text) THEN (COALESCE(((value)::jsonb ->> 'type'::text), ''::text) = 'template'::text)
      ELSE true
  END),
  constraint refuse_launch_at_end TRIGGER DEFERRABLE INITIALLY DEFERRED
);
alter table public.settings enable row level security;
grant select on public.settings to authenticated, service_role;
-- The whole team reads settings: nothing in them is secret.
create policy settings_read on public.settings for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Tells the edge functions to read the configuration again.
create TRIGGER bump_config_revision AFTER INSERT OR DELETE OR UPDATE ON public.settings FOR EACH STATEMENT EXECUTE FUNCTION private.bump_config_revision();
-- Off cancels a scheduled start, whoever writes it.
create TRIGGER off_stays_off BEFORE UPDATE OF value ON public.settings FOR EACH ROW WHEN (((new.value = 'false'::text) AND ((new.metadata -> 'schedule'::text) ? 'on_at'::text))) EXECUTE FUNCTION private.call_off_start();
-- A row of history for each write.
create TRIGGER record AFTER INSERT OR DELETE OR UPDATE ON public.settings FOR EACH ROW EXECUTE FUNCTION private.record_setting();
-- No launch during an incident, by whichever door.
create TRIGGER refuse_launch BEFORE INSERT OR UPDATE ON public.settings FOR EACH ROW EXECUTE FUNCTION private.refuse_launch();
-- Nor by a transaction that began before the incident did.
create CONSTRAINT TRIGGER refuse_launch_at_end AFTER INSERT OR UPDATE ON public.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.key ~~ '%.enabled'::text) AND (new.value = 'true'::text))) EXECUTE FUNCTION private.refuse_launch();
-- Truncating would leave no history; delete instead.
create TRIGGER refuse_truncate BEFORE TRUNCATE ON public.settings FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();
-- Version, time and author of each write.
create TRIGGER stamp BEFORE INSERT OR UPDATE ON public.settings FOR EACH ROW EXECUTE FUNCTION private.stamp_setting();

-- Every change of a setting. Written by trigger; update, delete and truncate are refused to every role.
create table public.settings_history (
  -- The setting. It may have been deleted since.
  key text not null,
  -- The version that this change made.
  version bigint not null,
  -- value and metadata before; null when the setting was created.
  before jsonb,
  -- value and metadata after; null when the setting was deleted.
  after jsonb,
  -- When.
  changed_at timestamp with time zone not null,
  -- Who: a user id, or the database role.
  changed_by text not null,
  -- Why, from set_setting or, in plain SQL, from select set_config('gatelink.reason', '…', true) in the same
  -- transaction.
  reason text,
  -- For a change that turns a flag on for everybody, now or by schedule: rollout (its start checked the launch gates,
  -- or states why not) or not_asked. Null for every other change.
  gates text,
  constraint settings_history_pkey PRIMARY KEY (key, version),
  constraint settings_history_gates_known CHECK ((gates = ANY (ARRAY['rollout'::text, 'not_asked'::text])))
);
-- What changed lately, over all settings.
create INDEX settings_history_changed_at ON public.settings_history USING btree (changed_at);
alter table public.settings_history enable row level security;
grant select on public.settings_history to authenticated, service_role;
-- The whole team reads who changed what and why.
create policy settings_history_read on public.settings_history for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.settings_history FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Who gave whom which role, and when. Written by trigger; append-only and kept permanently: it names team members,
-- not customers.
create table public.team_history (
  -- UUID v7: the order of the changes.
  id uuid default private.uuid_v7() not null,
  -- Whose role it is. Not a reference: the history outlives the account.
  user_id uuid not null,
  -- Their address at that time, in case the account is deleted.
  email text,
  -- added, changed or removed; also removed if the account was deleted.
  change text not null,
  -- role and approvals before; null for who was added.
  before jsonb,
  -- role and approvals after; null for who was removed.
  after jsonb,
  -- When.
  at timestamp with time zone default clock_timestamp() not null,
  -- Who changed it: a user id, or the database role (that of Supabase Auth if an account was deleted).
  by text default private.actor() not null,
  constraint team_history_pkey PRIMARY KEY (id),
  constraint team_history_change_known CHECK ((change = ANY (ARRAY['added'::text, 'changed'::text, 'removed'::text])))
);
-- What became of one person; their last known address.
create INDEX team_history_user_idx ON public.team_history USING btree (user_id, id);
alter table public.team_history enable row level security;
grant select on public.team_history to authenticated, service_role;
-- Admins answer for who is in the team.
create policy team_history_read on public.team_history for select to authenticated
  using (( SELECT private.has_role('admin'::text) AS has_role));
-- Nobody rewrites history.
create TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.team_history FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Who of the signed-in users works with Gatelink. Everybody else sees nothing. Read at each request, so a removal
-- takes effect at once.
create table public.team_members (
  -- The user in Supabase Auth.
  user_id uuid not null,
  -- viewer reads, operator also runs (flags, routes, retries), admin also manages the team. Each includes the one
  -- before.
  role text not null,
  -- Launch gates this person may sign: any of engineering, security, product, cto. Independent of the role.
  approvals text[] default '{}'::text[] not null,
  -- When the person joined the team.
  created_at timestamp with time zone default now() not null,
  constraint team_members_pkey PRIMARY KEY (user_id),
  constraint team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE,
  constraint team_members_approvals_known CHECK ((approvals <@ ARRAY['engineering'::text, 'security'::text, 'product'::text, 'cto'::text])),
  constraint team_members_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])))
);
alter table public.team_members enable row level security;
grant select on public.team_members to authenticated, service_role;
-- The team sees who is in it.
create policy team_members_read on public.team_members for select to authenticated
  using (( SELECT private.has_role('viewer'::text) AS has_role));
-- Confirmed accounts alone, and always an admin.
create TRIGGER guard BEFORE INSERT OR DELETE OR UPDATE ON public.team_members FOR EACH ROW EXECUTE FUNCTION private.guard_team();
-- A row of history for each change.
create TRIGGER record AFTER INSERT OR DELETE OR UPDATE ON public.team_members FOR EACH ROW EXECUTE FUNCTION private.record_team();
-- Truncating would leave no history and no admin.
create TRIGGER refuse_truncate BEFORE TRUNCATE ON public.team_members FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change();

-- Every acknowledged update, once, including those that are not understood. Rows older than the retention are purged;
-- it is far longer than any provider retries.
create table public.webhook_events (
  -- The provider that sent it, for example whatsapp.
  provider text default 'whatsapp'::text not null,
  -- Equal for repetitions of one update, and for nothing else.
  dedupe_key text not null,
  -- The webhook field it came under; unknown if there was none.
  field text not null,
  -- How it was understood: message, echo, status, identity or other.
  kind text not null,
  -- The business number it concerns, if any.
  number_id text,
  -- The update as received; null if the message's row (messages.native) has it.
  raw jsonb,
  -- When it was stored.
  received_at timestamp with time zone default now() not null,
  -- Makes the intake idempotent: a repeated update conflicts here and is answered as a duplicate.
  constraint webhook_events_pkey PRIMARY KEY (provider, dedupe_key),
  constraint webhook_events_kind_check CHECK ((kind = ANY (ARRAY['message'::text, 'echo'::text, 'status'::text, 'identity'::text, 'other'::text])))
);
-- Range scans by time, for purging and reports; BRIN, because rows arrive in this order.
create INDEX webhook_events_received_idx ON public.webhook_events USING brin (received_at);
alter table public.webhook_events enable row level security;
grant select, insert, update, delete on public.webhook_events to service_role;

-- For whom a feature failed that they had: at most 100,000 a flag, the first ones, for 60 days after the last
-- failure. Whom to write to afterwards.
create table private.affected_people (
  -- The flag.
  flag_key text not null,
  -- The id that the flag was asked with.
  subject_id text not null,
  -- In how many minutes it failed.
  failures integer not null,
  -- The minute of the first failure.
  first_at timestamp with time zone not null,
  -- The minute of the last one.
  last_at timestamp with time zone not null,
  -- A person once a flag.
  constraint affected_people_pkey PRIMARY KEY (flag_key, subject_id)
) with (fillfactor=70);
-- Whom a flag failed for since some time.
create INDEX affected_people_last_idx ON private.affected_people USING btree (flag_key, last_at);
alter table private.affected_people enable row level security;
grant select, insert, update, delete on private.affected_people to service_role;

-- Batches of clicks that were written: one whose answer was lost is sent again, and must not count twice.
create table private.click_batches (
  -- Chosen by the isolate.
  id uuid not null,
  -- When it was written.
  at timestamp with time zone default clock_timestamp() not null,
  constraint click_batches_pkey PRIMARY KEY (id)
);
-- Purge by age.
create INDEX click_batches_at_idx ON private.click_batches USING brin (at);
alter table private.click_batches enable row level security;
grant select, insert, delete on private.click_batches to service_role;

-- Changes of configuration that came while another transaction held the row of config_revision: one row each, until a
-- later change takes them into it.
create table private.config_changes (
  -- In the order in which they were made, not committed.
  id bigint generated always as identity not null,
  -- When.
  at timestamp with time zone default clock_timestamp() not null,
  -- Rows are only counted.
  constraint config_changes_pkey PRIMARY KEY (id)
);
alter table private.config_changes enable row level security;
grant select on private.config_changes to service_role;

-- One row: the number that changes with every committed change of configuration.
create table private.config_revision (
  -- Always true; as primary key it prevents a second row.
  only_row boolean default true not null,
  -- Grows. At least the Unix milliseconds of the last change, so that a restored backup or a rollback never shows a
  -- number again that stood for something else.
  revision bigint default ((date_part('epoch'::text, clock_timestamp()) * (1000)::double precision))::bigint not null,
  -- When it last increased: what a flag or a pause held back until then may be due at once.
  changed_at timestamp with time zone default clock_timestamp() not null,
  -- When the schema was installed: what has not run since may not be due yet.
  installed_at timestamp with time zone default clock_timestamp() not null,
  constraint config_revision_pkey PRIMARY KEY (only_row),
  constraint config_revision_only_row CHECK (only_row)
);
alter table private.config_revision enable row level security;
grant select on private.config_revision to service_role;

-- The key that authenticates visitors' cookies. Deleting it makes every visitor a new one.
create table private.cookie_key (
  -- There is one.
  one boolean default true not null,
  -- 32 bytes in hex, 244 of their bits from the server's strong random source.
  key text default encode((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'::text) not null,
  constraint cookie_key_pkey PRIMARY KEY (one),
  -- One row.
  constraint one_row CHECK (one)
);
alter table private.cookie_key enable row level security;
grant select, insert, delete on private.cookie_key to service_role;

-- The queue of one conversation to one destination: when it is due, and its lease.
create table private.delivery_lanes (
  -- The destination. Not a foreign key: the lane's deliveries have one, and an empty lane does nothing.
  destination_id uuid not null,
  -- The conversation.
  conversation_id uuid not null,
  -- The conversation's channel: lanes of a channel that is switched off are not claimed.
  channel text default 'whatsapp'::text not null,
  -- When its first open delivery may be tried; while leased, when the lease ends; null when empty.
  due_at timestamp with time zone,
  -- Fencing token of the current lease: a result with another token is too late.
  lease uuid,
  -- One lane per destination and conversation. The conversation comes first, so that this also finds its lanes.
  constraint delivery_lanes_pkey PRIMARY KEY (conversation_id, destination_id),
  constraint delivery_lanes_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
) with (fillfactor=70);
-- Due lanes of a destination on a channel, oldest first; those of a channel that is off are not read. Without leased
-- lanes: a lane that is leased as soon as it has something leaves no dead entry for each claim to skip until the next
-- vacuum.
create INDEX delivery_lanes_due_idx ON private.delivery_lanes USING btree (destination_id, channel, due_at) WHERE ((due_at IS NOT NULL) AND (lease IS NULL));
-- Leases by their end: expired ones are claimed again.
create INDEX delivery_lanes_leased_idx ON private.delivery_lanes USING btree (destination_id, channel, due_at) WHERE (lease IS NOT NULL);
alter table private.delivery_lanes enable row level security;
grant select, insert, update, delete on private.delivery_lanes to service_role;

-- Custom headers of a destination, such as authorization. Encrypted by the functions with a key that the database
-- does not have.
create table private.destination_headers (
  -- The destination.
  destination_id uuid not null,
  -- The header's name in lower case.
  name text not null,
  -- Version (v1), key name, IV and ciphertext; see _shared/crypto/seal.ts.
  sealed text not null,
  -- When it was set.
  set_at timestamp with time zone default now() not null,
  -- Who set it: a user id, or key: and the name of a secret key.
  set_by text not null,
  -- One row per destination and header.
  constraint destination_headers_pkey PRIMARY KEY (destination_id, name),
  constraint destination_headers_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE CASCADE,
  constraint destination_headers_name_check CHECK ((name ~ '^[a-z0-9!#$%&''*+.^_|~-]{1,64}$'::text)),
  constraint destination_headers_sealed_check CHECK (((sealed ~ '^v1\.[a-z][a-z0-9-]{0,31}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$'::text) AND (length(sealed) <= 12000)))
);
alter table private.destination_headers enable row level security;
grant select, insert, update, delete on private.destination_headers to service_role;

-- Signing secrets as in Standard Webhooks; several during a rotation. Shown once, when created.
create table private.destination_secrets (
  -- The destination.
  destination_id uuid not null,
  -- whsec_ followed by 32 random bytes in base64.
  secret text not null,
  -- When it was created.
  created_at timestamp with time zone default now() not null,
  -- End of the overlap after a rotation; null for the current one.
  expires_at timestamp with time zone,
  -- Finds the secrets of a destination.
  constraint destination_secrets_pkey PRIMARY KEY (destination_id, secret),
  constraint destination_secrets_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destinations(id) ON DELETE CASCADE,
  constraint destination_secrets_secret_check CHECK ((secret ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'::text))
);
alter table private.destination_secrets enable row level security;
grant select, insert, update, delete on private.destination_secrets to service_role;

-- Updates of erased people: if the provider repeats one, it must not recreate the person. Kept for 8 days, longer
-- than any provider repeats.
create table private.erased_keys (
  -- Keyed hash of an update's provider and dedupe key, or of the channel and ids (ours and the provider's) of a sent
  -- message whose statuses may still arrive.
  hash bytea not null,
  -- When it was erased.
  at timestamp with time zone default now() not null,
  -- Looks up what was erased, by its hash.
  constraint erased_keys_pkey PRIMARY KEY (hash)
);
alter table private.erased_keys enable row level security;
grant select on private.erased_keys to service_role;

-- Opt-outs of people who were erased, so that erasing them does not allow anyone to write to them again.
create table private.erased_opt_outs (
  -- Keyed hash of the kind and value of one of the person's ids.
  identity bytea not null,
  -- The channel.
  channel text not null,
  -- The sender (senders.id) that must not write.
  number_id text not null,
  -- When the person opted out.
  opted_out_at timestamp with time zone not null,
  -- One row per identity and sender.
  constraint erased_opt_outs_pkey PRIMARY KEY (identity, channel, number_id)
);
alter table private.erased_opt_outs enable row level security;
grant select, delete on private.erased_opt_outs to service_role;

-- Up to when the messages were looked at for words of feedback.
create table private.feedback_heard (
  -- Always true; the key that allows no second row.
  only_row boolean default true not null,
  -- Messages of before were looked at.
  up_to timestamp with time zone default '-infinity'::timestamp with time zone not null,
  -- One row.
  constraint feedback_heard_pkey PRIMARY KEY (only_row),
  constraint feedback_heard_only_row CHECK (only_row)
);
alter table private.feedback_heard enable row level security;
grant select, update on private.feedback_heard to service_role;

-- Who failed, or waited long, in the stage of a rollout that is under way: at most 10,000 a flag, for the guard to
-- count each once. Gone when the rollout is over.
create table private.flag_sufferers (
  -- The flag.
  flag_key text not null,
  -- The id that the flag was asked with.
  subject_id text not null,
  -- Whether it failed for this person.
  failed boolean not null,
  -- The longest that it took: of how many of private.latency_edges() it was slower than.
  place smallint not null,
  -- When last; before the stage began counts as never.
  at timestamp with time zone not null,
  -- A person once a flag.
  constraint flag_sufferers_pkey PRIMARY KEY (flag_key, subject_id)
) with (fillfactor=70);
alter table private.flag_sufferers enable row level security;
grant select, insert, update, delete on private.flag_sufferers to service_role;

-- Rollouts that the guard could not judge the last time, for another transaction held a lock: health tells of them.
create table private.guard_skips (
  -- The rollout.
  rollout_id uuid not null,
  -- When it was first skipped.
  since timestamp with time zone not null,
  -- When it was last skipped.
  at timestamp with time zone not null,
  -- Who held locks then, as private.lock_holders tells it.
  holders jsonb not null,
  -- A rollout is skipped since a time.
  constraint guard_skips_pkey PRIMARY KEY (rollout_id)
);
alter table private.guard_skips enable row level security;
grant select on private.guard_skips to service_role;

-- One row: the key of the hashes that stand for erased people. Without it the hashes reveal nothing.
create table private.hash_key (
  -- Always true; as primary key it prevents a second row.
  only_row boolean default true not null,
  -- 32 bytes, 244 of their bits from the server's strong random source.
  key bytea default (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) not null,
  constraint hash_key_pkey PRIMARY KEY (only_row),
  constraint hash_key_only_row CHECK (only_row)
);
alter table private.hash_key enable row level security;
grant select on private.hash_key to service_role;

-- Flags whose kill switch the functions found set in their environment, which the database cannot read.
create table private.kill_switches (
  -- The flag.
  flag_key text not null,
  -- When it was first found set.
  since timestamp with time zone not null,
  -- When it was last found set: the functions say it again every minute.
  seen_at timestamp with time zone not null,
  -- A flag has one switch.
  constraint kill_switches_pkey PRIMARY KEY (flag_key)
) with (fillfactor=50);
alter table private.kill_switches enable row level security;
grant select, insert, update, delete on private.kill_switches to service_role;

-- Networks that have guessed at a link's password today, and when each may guess again. No row: at once.
create unlogged table private.link_guessers (
  -- The link.
  code text collate "C" not null,
  -- Keyed hash of the network under the day's key.
  client text not null,
  -- Wrong guesses, with those that are being looked at.
  guesses integer not null,
  -- When the last of them was taken.
  at timestamp with time zone not null,
  -- When the next one is.
  free_at timestamp with time zone not null,
  -- Whether the last one was: how the one statement that takes tells its caller.
  allowed boolean not null,
  -- One row a link and network.
  constraint link_guessers_pkey PRIMARY KEY (code, client)
) with (fillfactor=70);
-- Purge by age.
create INDEX link_guessers_at_idx ON private.link_guessers USING brin (at);
alter table private.link_guessers enable row level security;
grant select, insert, update, delete on private.link_guessers to service_role;

-- Passwords of links, hashed. Never given to an isolate but to check one attempt.
create table private.link_passwords (
  -- The link.
  code text collate "C" not null,
  -- scrypt$N$r$p$salt$key, the last two in base64.
  hash text not null,
  constraint link_passwords_pkey PRIMARY KEY (code),
  constraint link_passwords_code_fkey FOREIGN KEY (code) REFERENCES links(code) ON DELETE CASCADE
);
alter table private.link_passwords enable row level security;
grant select, insert, update, delete on private.link_passwords to service_role;

-- What was counted already, by the keyed hash of the caller's idempotency key: for 8 days.
create table private.metric_keys (
  -- Keyed hash of the metric's name and the key.
  key bytea not null,
  -- When it was counted.
  at timestamp with time zone not null,
  -- Once a key.
  constraint metric_keys_pkey PRIMARY KEY (key)
);
-- Purge by age.
create INDEX metric_keys_at_idx ON private.metric_keys USING brin (at);
alter table private.metric_keys enable row level security;
grant select, insert, delete on private.metric_keys to service_role;

-- Who did what a stage of a rollout under way asks about, and what they had: each person counts once. Gone when the
-- rollout is over.
create table private.metric_people (
  -- The rollout.
  rollout_id uuid not null,
  -- Its stage.
  stage integer not null,
  -- The metric.
  name text not null,
  -- Who: the id that flags are asked with.
  subject_id text not null,
  -- on or off: what the flag said when they first did it.
  arm text not null,
  -- Whether by the percentage: only these people are compared with each other.
  by_share boolean not null,
  -- How often.
  n integer not null,
  -- The sum of the values.
  value double precision not null,
  -- A person once a stage and metric.
  constraint metric_people_pkey PRIMARY KEY (rollout_id, stage, name, subject_id),
  constraint metric_people_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES rollouts(id) ON DELETE CASCADE,
  constraint metric_people_arm_known CHECK ((arm = ANY (ARRAY['on'::text, 'off'::text])))
) with (fillfactor=80);
alter table private.metric_people enable row level security;
grant select, insert, update, delete on private.metric_people to service_role;

-- Where notifications go, and what signs them.
create table private.notification_addresses (
  -- The endpoint.
  endpoint_id uuid not null,
  -- Passed the allowlist when stored, and passes it again at each delivery. Slack's hold a token.
  url text not null,
  -- Signs by Standard Webhooks; Slack does not look at the signature.
  secret text not null,
  -- One address an endpoint.
  constraint notification_addresses_pkey PRIMARY KEY (endpoint_id),
  constraint notification_addresses_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES notification_endpoints(id) ON DELETE CASCADE,
  constraint notification_addresses_secret_check CHECK ((secret ~ '^whsec_[A-Za-z0-9+/]{32,86}={0,2}$'::text)),
  constraint notification_addresses_url_check CHECK ((length(url) <= 2000))
);
alter table private.notification_addresses enable row level security;
grant select on private.notification_addresses to service_role;

-- The queue of one conversation to the provider, with the pacing of its pair.
create table private.outbound_lanes (
  -- The conversation: sender and person.
  conversation_id uuid not null,
  -- The sender's channel.
  channel text default 'whatsapp'::text not null,
  -- The sender (senders.id).
  number_id text not null,
  -- When its first open message may be sent; while leased, when the lease ends; null when empty.
  due_at timestamp with time zone,
  -- Fencing token of the current lease.
  lease uuid,
  -- GCRA state of the pair's limit: the theoretical arrival time of the next message.
  pair_tat timestamp with time zone,
  -- A media message that the provider has accepted but not yet sent (outbound_messages.id): later messages would
  -- overtake it. Null if there is none.
  waits_for uuid,
  -- Until when the lane waits for its status.
  waits_until timestamp with time zone,
  constraint outbound_lanes_pkey PRIMARY KEY (conversation_id),
  constraint outbound_lanes_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
) with (fillfactor=70);
-- Due lanes of a sender, oldest first.
create INDEX outbound_lanes_due_idx ON private.outbound_lanes USING btree (channel, number_id, due_at) WHERE (due_at IS NOT NULL);
-- The lane that waits for a status of a message; there is hardly ever one.
create INDEX outbound_lanes_waits_idx ON private.outbound_lanes USING btree (waits_for) WHERE (waits_for IS NOT NULL);
alter table private.outbound_lanes enable row level security;
grant select, insert, update, delete on private.outbound_lanes to service_role;

-- Which of the migrations on record (supabase_migrations.schema_migrations) are Gatelink's: the others belong to the
-- project and are neither checked nor rolled back.
create table private.own_migrations (
  -- Of the migration.
  version text collate "C" not null,
  -- A migration is applied once.
  constraint own_migrations_pkey PRIMARY KEY (version),
  constraint own_migrations_version_form CHECK ((version ~ '^[0-9]{14}$'::text))
);
alter table private.own_migrations enable row level security;
grant select on private.own_migrations to service_role;

-- Parts that are not healthy, or have just become so: what those who are told of them know.
create table private.part_states (
  -- The part, as health names it.
  component text not null,
  -- How it did when it was last looked at.
  status text not null,
  -- Since when it has been healthy, or not.
  since timestamp with time zone not null,
  -- The worst that was told of it since it was last healthy; null where nothing was.
  told text,
  -- A part of health is named by its word.
  constraint part_states_pkey PRIMARY KEY (component),
  constraint part_states_status_known CHECK ((status = ANY (ARRAY['healthy'::text, 'degraded'::text, 'down'::text]))),
  constraint part_states_told_known CHECK ((told = ANY (ARRAY['degraded'::text, 'down'::text])))
);
alter table private.part_states enable row level security;
grant select, insert, update, delete on private.part_states to service_role;

-- How far each retention has come.
create table private.purges (
  -- Which of private.retentions().
  what text not null,
  -- When it is asked again.
  due_at timestamp with time zone not null,
  -- The first id that has not been looked at, or, where rows are deleted, that has been kept.
  reached uuid,
  -- Since when it walks on; after a week it begins anew, for what had to stay the last time.
  began_at timestamp with time zone not null,
  -- Rows deleted or changed so far.
  rows bigint default 0 not null,
  -- Why it did not come further the last time: an SQLSTATE, no words. Null where it did.
  error text,
  -- One row a retention.
  constraint purges_pkey PRIMARY KEY (what)
);
alter table private.purges enable row level security;
grant select on private.purges to service_role;

-- Migrations that older code must not run on: functions whose own schema is older than the newest of these are
-- refused, and answer 503.
create table private.schema_breaks (
  -- Of the migration.
  version text collate "C" not null,
  -- What older code would do wrong.
  why text not null,
  -- When it was applied.
  at timestamp with time zone default now() not null,
  -- A migration breaks once.
  constraint schema_breaks_pkey PRIMARY KEY (version),
  constraint schema_breaks_version_form CHECK ((version ~ '^[0-9]{14}$'::text)),
  constraint schema_breaks_why_given CHECK ((why <> ''::text))
);
alter table private.schema_breaks enable row level security;
grant select on private.schema_breaks to service_role;

-- Public updates that are to be on Statuspage too: of an incident one at a time, in their order. Where no page is
-- configured, nothing stays here.
create table private.status_posts (
  -- The update.
  update_id uuid not null,
  -- Its incident.
  incident_id uuid not null,
  -- pending, leased (under way), delivered, or dead (given up).
  state text default 'pending'::text not null,
  -- Attempts begun.
  attempt integer default 0 not null,
  -- When it is due; while leased, when the lease ends.
  next_attempt_at timestamp with time zone not null,
  -- Fencing token of the current lease.
  lease uuid,
  -- Why the last attempt failed, as a short code.
  last_error text,
  -- An update is posted once.
  constraint status_posts_pkey PRIMARY KEY (update_id),
  constraint status_posts_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incidents(id) ON DELETE CASCADE,
  constraint status_posts_update_id_fkey FOREIGN KEY (update_id) REFERENCES incident_updates(id) ON DELETE CASCADE,
  constraint status_posts_state_known CHECK ((state = ANY (ARRAY['pending'::text, 'leased'::text, 'delivered'::text, 'dead'::text])))
) with (fillfactor=80);
-- What is due, oldest first.
create INDEX status_posts_due_idx ON private.status_posts USING btree (next_attempt_at) WHERE (state = ANY (ARRAY['pending'::text, 'leased'::text]));
-- The order of an incident's posts; serves the foreign key.
create INDEX status_posts_incident_idx ON private.status_posts USING btree (incident_id, update_id);
alter table private.status_posts enable row level security;
grant select, update, delete on private.status_posts to service_role;

-- How large the database was on each day: from it follows how long its room lasts.
create table private.storage_days (
  -- The day (UTC).
  day date not null,
  -- Size of the database at the first purge of that day.
  bytes bigint not null,
  -- One size a day.
  constraint storage_days_pkey PRIMARY KEY (day)
);
alter table private.storage_days enable row level security;
grant select on private.storage_days to service_role;

-- Categories of templates, as reported by the provider or fetched from it: an opt-out covers only marketing.
create table private.template_categories (
  -- The channel.
  channel text not null,
  -- The provider's account that owns it (senders.account).
  account text not null,
  -- The template's name.
  name text not null,
  -- The language's code.
  language text not null,
  -- The provider's id, which some of its notices use; null if it was not reported.
  template_id text,
  -- marketing, utility, authentication, …; null if the provider was asked and had none.
  category text,
  -- When it was reported (by the provider's clock) or fetched.
  at timestamp with time zone not null,
  -- A template has one category per language.
  constraint template_categories_pkey PRIMARY KEY (channel, account, name, language)
);
alter table private.template_categories enable row level security;
grant select, insert, update on private.template_categories to service_role;

-- Messages with a token that no click has (yet): checked again for ten minutes.
create table private.unknown_tokens (
  -- The message.
  message_id uuid not null,
  -- When it came.
  at timestamp with time zone default clock_timestamp() not null,
  constraint unknown_tokens_pkey PRIMARY KEY (message_id),
  constraint unknown_tokens_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
);
alter table private.unknown_tokens enable row level security;
grant select, insert, delete on private.unknown_tokens to service_role;

-- Keys of the visitor hashes, one per day. Once a key is purged, its hashes can no longer be attributed to anyone.
create table private.visitor_keys (
  -- The day, in the team's zone.
  day date not null,
  -- 32 bytes in hex, 244 of their bits from the server's strong random source.
  key text default encode((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'::text) not null,
  constraint visitor_keys_pkey PRIMARY KEY (day)
);
alter table private.visitor_keys enable row level security;
grant select, insert, delete on private.visitor_keys to service_role;

-- One row that a health check writes, to see whether the database takes writes.
create table private.write_probe (
  -- Always true; the key that allows no second row.
  only_row boolean default true not null,
  -- When it was last written.
  at timestamp with time zone default '1970-01-01 00:00:00+00'::timestamp with time zone not null,
  -- One row.
  constraint write_probe_pkey PRIMARY KEY (only_row),
  constraint write_probe_only_row CHECK (only_row)
) with (fillfactor=50);
alter table private.write_probe enable row level security;
grant select, update on private.write_probe to service_role;

-- Functions ---------------------------------------------------------------------------------------

-- Says that somebody has an incident in hand: nobody else is called. Whoever was first stays; once more changes
-- nothing, so no version is asked for. For operators and secret keys. Errors: 42501, GL404.
CREATE OR REPLACE FUNCTION public.acknowledge_incident(p_number bigint)
 RETURNS incidents
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  return private.acknowledge_incident(p_number, clock_timestamp());
end $function$;
grant execute on function public.acknowledge_incident(p_number bigint) to authenticated, service_role;

-- Adds a group of counts, [{name, label, n}, …]. A label left out is the empty one; n below 1 adds nothing. For
-- secret keys.
CREATE OR REPLACE FUNCTION public.add_counts(p_counts jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.counters as c (name, label, slot, value)
  select i.name, coalesce(i.label, ''), pg_backend_pid() % 16, sum(i.n)
  from jsonb_to_recordset(p_counts) as i (name text, label text, n bigint)
  where i.n > 0
  group by i.name, coalesce(i.label, '')
  order by 1, 2
  on conflict on constraint counters_pkey do update set value = c.value + excluded.value;
end $function$;
grant execute on function public.add_counts(p_counts jsonb) to service_role;

-- Adds a service. Options: secret, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy. Returns
-- its signing secret, which is not shown again. GL403 if the allowlist refuses the URL, GL409 if the name is taken.
CREATE OR REPLACE FUNCTION public.add_destination(p_name text, p_url text, p_options jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
  v_secret text := coalesce(p_options ->> 'secret', private.new_webhook_secret());
begin
  perform private.require_role('operator');
  if not private.destination_permitted(p_url, 'forward') then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  if exists (select from public.destinations where name = p_name and removed_at is null) then
    raise exception 'a destination named % exists already', p_name using errcode = 'GL409',
      hint = 'Choose another name.';
  end if;
  insert into public.destinations (name, url, timeout_ms, rate_per_second, rate_burst, retry_seconds, failure_policy)
  values (p_name, p_url, coalesce((p_options ->> 'timeout_ms')::integer, 15000),
    (p_options ->> 'rate_per_second')::numeric, coalesce((p_options ->> 'rate_burst')::integer, 10),
    case when jsonb_typeof(p_options -> 'retry_seconds') = 'array'
      then array(select jsonb_array_elements_text(p_options -> 'retry_seconds')::numeric) end,
    coalesce(nullif(p_options -> 'failure_policy', 'null'), '{}'))
  returning id into v_id;
  insert into private.destination_secrets (destination_id, secret) values (v_id, v_secret);
  return jsonb_build_object('id', v_id, 'name', p_name, 'url', p_url, 'state', 'active', 'secret', v_secret);
end $function$;
grant execute on function public.add_destination(p_name text, p_url text, p_options jsonb) to authenticated, service_role;

-- Writes down what somebody told the team: a complaint, or a rating of 1 to 5, of a person (a phone number with +, or
-- an id) or the writer of a message. Answers {id, counts_for: [{flag_key, rollout_id, stage, arm}]}. For operators
-- and secret keys. Errors: 42501, GL404 no such flag, number or message, GL409 the message is written down already,
-- GL422 what cannot be.
CREATE OR REPLACE FUNCTION public.add_feedback(p_kind text, p_person text, p_flag_key text DEFAULT NULL::text, p_rating integer DEFAULT NULL::integer, p_text text DEFAULT NULL::text, p_message_id uuid DEFAULT NULL::uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_id uuid := private.uuid_v7();
  v_person text := btrim(p_person);
  v_kept record;
begin
  perform private.require_role('operator');
  if p_kind is null or p_kind not in ('complaint', 'rating') or (p_kind = 'rating') <> (p_rating is not null) then
    raise exception 'feedback is a complaint, or a rating of 1 to 5' using errcode = 'GL422', hint = 'p_kind: complaint or rating; p_rating';
  elsif p_flag_key is not null and not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  elsif p_message_id is not null then
    select c.contact_id::text into v_person from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = p_message_id and m.direction = 'in';
    if v_person is null then
      raise exception 'there is no message % of somebody''s', p_message_id using errcode = 'GL404';
    end if;
  elsif coalesce(v_person, '') = '' then
    raise exception 'who said it?' using errcode = 'GL422', hint = 'A phone number, or the id that flags are asked with.';
  elsif v_person ~ '^\+[0-9][0-9 ().-]*$' then
    v_person := (private.subject_ids('{}', array[v_person]))[1];
  end if;
  select * into v_kept from private.keep_feedback(row(v_id, v_now, p_kind, private.subject_id(v_person), p_rating, coalesce(p_rating >= 4, false),
    private.given_reason(p_text), 'team', p_message_id, null, null)::public.feedback, p_flag_key, v_now);
  if not v_kept.kept then
    raise exception 'this message is written down already' using errcode = 'GL409';
  end if;
  return jsonb_build_object('id', v_id, 'counts_for', (
    select coalesce(jsonb_agg(jsonb_build_object('flag_key', r.flag_key, 'rollout_id', r.id, 'stage', f.stage, 'arm', f.arm) order by r.flag_key), '[]')
    from public.rollout_feedback f join public.rollouts r on r.id = f.rollout_id where f.feedback_id = v_id));
end $function$;
grant execute on function public.add_feedback(p_kind text, p_person text, p_flag_key text, p_rating integer, p_text text, p_message_id uuid) to authenticated, service_role;

-- Turns a flag on, whatever its percentage, for people (by id, or by phone number, kept as the contact's id) and
-- segments. For operators and secret keys. Errors: GL409 somebody else was faster, GL404 no such person or segment,
-- GL422.
CREATE OR REPLACE FUNCTION public.add_flag_targets(p_key text, p_expected_version bigint, p_user_ids text[] DEFAULT '{}'::text[], p_phones text[] DEFAULT '{}'::text[], p_segments text[] DEFAULT '{}'::text[], p_reason text DEFAULT NULL::text)
 RETURNS settings
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_flag public.settings;
  v_ids text[];
  v_segment text;
begin
  perform private.require_role('operator');
  v_flag := private.flag_at(p_key, p_expected_version);
  v_ids := private.subject_ids(p_user_ids, p_phones);
  select k into v_segment from unnest(p_segments) k where not exists (select from public.segments s where s.key = k) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  return public.set_setting(p_key, v_flag.value, v_flag.metadata
    || case when v_ids <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_ids) order by 1))) else '{}' end
    || case when p_segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(p_segments) order by 1))) else '{}' end,
    p_expected_version, p_reason);
end $function$;
grant execute on function public.add_flag_targets(p_key text, p_expected_version bigint, p_user_ids text[], p_phones text[], p_segments text[], p_reason text) to authenticated, service_role;

-- Adds a group of measurements [{name, label, n, ms, counts}], each series once, to the minute that is open and to
-- the total. For secret keys.
CREATE OR REPLACE FUNCTION public.add_measurements(p_measurements jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.add_measurements(p_measurements, clock_timestamp())
$function$;
grant execute on function public.add_measurements(p_measurements jsonb) to service_role;

-- Tells somebody of rollouts and of what fails: kind webhook (answers the signing secret, which is not shown again)
-- or slack. For operators and secret keys. Errors: GL403 the allowlist refuses, GL409 the name is taken, 23514 what
-- cannot be.
CREATE OR REPLACE FUNCTION public.add_notification_endpoint(p_name text, p_kind text, p_url text, p_events text[] DEFAULT ARRAY['started'::text, 'advanced'::text, 'held'::text, 'paged'::text, 'rolled_back'::text, 'completed'::text, 'failing'::text, 'recovered'::text, 'incident_opened'::text, 'incident_updated'::text, 'incident_acknowledged'::text, 'incident_escalated'::text, 'incident_resolved'::text, 'report'::text])
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_endpoint public.notification_endpoints;
  v_secret text := private.new_webhook_secret();
begin
  perform private.require_role('operator');
  if not coalesce(private.destination_permitted(p_url, 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host for forward first.';
  end if;
  insert into public.notification_endpoints (name, kind, host, events)
  values (p_name, p_kind, substring(p_url from '^[a-zA-Z]+://([^/?]+)'), p_events)
  on conflict (name) do nothing returning * into v_endpoint;
  if v_endpoint.id is null then
    raise exception 'an endpoint named % exists already', p_name using errcode = 'GL409', hint = 'Choose another name.';
  end if;
  insert into private.notification_addresses (endpoint_id, url, secret) values (v_endpoint.id, p_url, v_secret);
  return jsonb_build_object('id', v_endpoint.id, 'name', v_endpoint.name, 'kind', v_endpoint.kind, 'host', v_endpoint.host,
    'events', to_jsonb(v_endpoint.events)) || case when p_kind = 'webhook' then jsonb_build_object('secret', v_secret) else '{}' end;
end $function$;
grant execute on function public.add_notification_endpoint(p_name text, p_kind text, p_url text, p_events text[]) to authenticated, service_role;

-- Adds a route to destinations by name. Options: name, mode (first, all), flag_key, sticky_minutes, channels
-- (["whatsapp"] if absent). GL404 for an unknown destination, GL422 if there is none, 23514 for an invalid condition.
CREATE OR REPLACE FUNCTION public.add_route(p_destinations text[], p_condition jsonb, p_priority integer DEFAULT 100, p_options jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_row public.routes;
begin
  perform private.require_role('operator');
  if coalesce(cardinality(p_destinations), 0) = 0 then
    raise exception 'a route needs at least one destination' using errcode = 'GL422';
  end if;
  insert into public.routes (name, priority, condition, mode, flag_key, sticky_minutes, channels)
  values (coalesce(p_options ->> 'name', left(array_to_string(p_destinations, '+'), 80) || '-' || substr(gen_random_uuid()::text, 1, 4)),
    p_priority, p_condition, coalesce(p_options ->> 'mode', 'first'), p_options ->> 'flag_key',
    (p_options ->> 'sticky_minutes')::integer,
    case when jsonb_typeof(p_options -> 'channels') = 'array'
      then array(select jsonb_array_elements_text(p_options -> 'channels')) else '{whatsapp}' end)
  returning * into v_row;
  insert into public.route_destinations (route_id, destination_id, position)
  select v_row.id, private.destination_named(d.name), d.position
  from unnest(p_destinations) with ordinality as d (name, position);
  return to_jsonb(v_row) || jsonb_build_object('destinations', to_jsonb(p_destinations));
end $function$;
grant execute on function public.add_route(p_destinations text[], p_condition jsonb, p_priority integer, p_options jsonb) to authenticated, service_role;

-- Adds people to a segment, by id or by phone number (stored as the contact's id); existing members are not an error.
-- At most 10,000. For operators and secret keys. Errors: GL409 it was changed in the meantime, GL404 a number that
-- nobody has, GL422.
CREATE OR REPLACE FUNCTION public.add_segment_members(p_key text, p_expected_version bigint, p_user_ids text[] DEFAULT '{}'::text[], p_phones text[] DEFAULT '{}'::text[], p_reason text DEFAULT NULL::text)
 RETURNS segments
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  insert into public.segment_members (segment_key, subject_id)
  select p_key, id from unnest(private.subject_ids(p_user_ids, p_phones)) as i (id)
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $function$;
grant execute on function public.add_segment_members(p_key text, p_expected_version bigint, p_user_ids text[], p_phones text[], p_reason text) to authenticated, service_role;

-- Adds the user who has confirmed this address to the team. For admins and secret keys. Errors: 42501 not allowed,
-- GL300 several accounts have confirmed it, GL404 no such user, GL409 already a member, GL422 no account that can
-- sign in has confirmed it, 23514 unknown role or approval.
CREATE OR REPLACE FUNCTION public.add_team_member(p_email text, p_role text, p_approvals text[] DEFAULT NULL::text[])
 RETURNS team_members
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_known uuid[];
  v_confirmed uuid[];
begin
  perform private.require_role('admin');
  select array_agg(u.id), array_agg(u.id) filter (where private.can_sign_in(u.id)) into v_known, v_confirmed
  from auth.users u where lower(u.email) = lower(trim(p_email)) and u.deleted_at is null;
  if v_known is null then
    raise exception 'nobody has signed up as %', p_email using errcode = 'GL404',
      hint = 'Invite them in Supabase (Authentication, Users) first; then add them here.';
  elsif v_confirmed is null then
    raise exception '% cannot sign in: the address is not confirmed, or the account is banned', p_email using errcode = 'GL422',
      hint = 'They open the link in the mail that Supabase sent them; then add them.';
  elsif cardinality(v_confirmed) > 1 then
    raise exception '% accounts have confirmed the address %', cardinality(v_confirmed), p_email using errcode = 'GL300',
      hint = 'Delete all but one in Supabase (Authentication, Users), or add one by its id: select public.set_team_member(id, role).';
  elsif exists (select from public.team_members m where m.user_id = v_confirmed[1]) then
    raise exception '% is in the team already', p_email using errcode = 'GL409', hint = 'Change the role instead.';
  end if;
  return public.set_team_member(v_confirmed[1], p_role, p_approvals);
end $function$;
grant execute on function public.add_team_member(p_email text, p_role text, p_approvals text[]) to authenticated, service_role;

-- Goes on to the next stage (completes after the last) before the guard does; what it had seen is kept. One that is
-- paused stays paused there. For operators and secret keys. Errors: GL409 stale version or not under way, GL422 no
-- reason, GL404.
CREATE OR REPLACE FUNCTION public.advance_rollout(p_id uuid, p_expected_version bigint, p_reason text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'going on before the guard does needs a reason' using errcode = 'GL422';
  end if;
  return private.next_stage(v_rollout, clock_timestamp(),
    private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp()), null, 'by_hand', p_reason);
end $function$;
grant execute on function public.advance_rollout(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Adds a host pattern to the allowlist for forward or redirect; for admins. Repeating it changes nothing. 23514 for
-- an invalid pattern.
CREATE OR REPLACE FUNCTION public.allow_host(p_pattern text, p_purpose text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_row public.destination_allowlist;
begin
  perform private.require_role('admin');
  insert into public.destination_allowlist (pattern, purpose) values (lower(p_pattern), p_purpose)
  on conflict (pattern, purpose) do nothing;
  select * into v_row from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return to_jsonb(v_row);
end $function$;
grant execute on function public.allow_host(p_pattern text, p_purpose text) to authenticated, service_role;

-- Records the provider's answer about the template of a queued message [{id, language, category}], including that it
-- knows none, and returns whether this blocks the message: {opted_out}.
CREATE OR REPLACE FUNCTION public.answer_category(p_message_id uuid, p_found jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;
grant execute on function public.answer_category(p_message_id uuid, p_found jsonb) to service_role;

-- Ties an app's first open to a click, each click once: by its token (exact), else by fingerprints (16 digits of hex)
-- of a click within the setting deeplinks.fingerprint_hours (1) if only one link and one person is in question. For
-- an hour the same token, or one of the claimers (16 digits of hex) with the same fingerprint, gets the same answer.
-- Returns {code, confidence, clicked_at, user_id, url, app_url, link} or {error}: claimed, unknown. For secret keys.
CREATE OR REPLACE FUNCTION public.claim_click(p_token text, p_fingerprints text[] DEFAULT NULL::text[], p_claimers text[] DEFAULT NULL::text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_repeated timestamptz := v_now - interval '1 hour';
  v_claimers bigint[] := array(select ('x' || c)::bit(64)::bigint from unnest(p_claimers) c);
  v_click public.clicks;
  v_confidence text := 'exact';
begin
  perform private.refuse_older_code();
  if p_token is not null then
    update public.clicks c set claimed_at = coalesce(c.claimed_at, v_now)
    where c.token = p_token and case when c.claimed_at is null
        then c.at > v_now - private.attribution_window('deeplinks.token_hours', 720) else c.claimed_at > v_repeated end
    returning c.* into v_click;
    if not found then
      return jsonb_build_object('error', case
        when exists (select from public.clicks c where c.token = p_token and c.claimed_at is not null) then 'claimed'
        else 'unknown' end);
    end if;
  else
    v_confidence := 'fingerprint';
    select c.* into v_click from public.clicks c
    where c.fingerprint = any (select ('x' || f)::bit(64)::bigint from unnest(p_fingerprints) f)
      and c.at > v_now - private.attribution_window('deeplinks.fingerprint_hours', 1) - interval '1 hour'
      and c.claimed_at > v_repeated and c.claimed_by = any (v_claimers)
    order by c.claimed_at desc limit 1;
    if not found then
      -- Several links or people in the same network and on the same kind of device: no guess is better than a wrong one.
      update public.clicks c set claimed_at = v_now, claimed_by = v_claimers[1]
      where c.token = (
          select (array_agg(x.token order by x.at desc))[1] from public.clicks x
          where x.fingerprint = any (select ('x' || f)::bit(64)::bigint from unnest(p_fingerprints) f)
            and x.at > v_now - private.attribution_window('deeplinks.fingerprint_hours', 1)
            and x.claimed_at is null
          having count(distinct x.code) = 1 and count(distinct coalesce(x.user_id, '')) = 1)
        and c.claimed_at is null
      returning c.* into v_click;
      if not found then
        return jsonb_build_object('error', 'unknown');
      end if;
    end if;
  end if;
  return (
    select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'confidence', v_confidence, 'clicked_at', v_click.at,
      'user_id', v_click.user_id, 'url', l.default_url, 'app_url', l.targets -> v_click.rule -> 'app' ->> 'url',
      'link', jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags, 'utm', l.utm)))
    from public.links l where l.code = v_click.code);
end $function$;
grant execute on function public.claim_click(p_token text, p_fingerprints text[], p_claimers text[]) to service_role;

-- Leases up to p_limit due lanes of these channels, given how many per destination (by id) the caller has under way,
-- and returns {deliveries, destinations, next_due_ms}: the first open delivery of each lane with its message, the
-- destinations with their secrets, and when the next lane is due. Honours pause, circuit and rate.
CREATE OR REPLACE FUNCTION public.claim_deliveries(p_limit integer, p_lease_seconds integer DEFAULT 60, p_busy jsonb DEFAULT '{}'::jsonb, p_channels text[] DEFAULT '{whatsapp}'::text[])
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.claim_deliveries(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp())
$function$;
grant execute on function public.claim_deliveries(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[]) to service_role;

-- Leases notifications that are due: [{id, lease, attempt, kind, url, secret, payload}]. For secret keys.
CREATE OR REPLACE FUNCTION public.claim_notifications(p_limit integer DEFAULT 20, p_lease_seconds integer DEFAULT 60)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  with due as (
    select n.id from public.notifications n
    where n.state in ('pending', 'leased') and n.next_attempt_at <= clock_timestamp()
    order by n.next_attempt_at limit p_limit
    for update skip locked
  ), leased as (
    update public.notifications n
    set state = 'leased', lease = gen_random_uuid(), attempt = n.attempt + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where n.id = due.id
    returning n.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'lease', l.lease, 'attempt', l.attempt, 'kind', e.kind,
    'url', a.url, 'secret', a.secret, 'payload', l.payload) order by l.id), '[]')
  from leased l
  join public.notification_endpoints e on e.id = l.endpoint_id
  join private.notification_addresses a on a.endpoint_id = l.endpoint_id
$function$;
grant execute on function public.claim_notifications(p_limit integer, p_lease_seconds integer) to service_role;

-- Leases up to p_limit conversations with something to send on the channels that the caller is ready for, given how
-- many of each channel (by name) it has under way, within the limits of pair and sender and if the channel's flag
-- (wa_send.enabled for WhatsApp) is on for the contact, and returns {messages: [{id, lease, attempt, deferred,
-- channel, number_id, contact_id, to, message, traceparent, and, if the person has opted out, opted_out: true (do not
-- send it) or ask: {name, account} (ask the provider about the template, see answer_category)}], next_due_ms}. A
-- single channel may take every place; of several, each gets half of those that the others leave.
CREATE OR REPLACE FUNCTION public.claim_outbound(p_limit integer, p_lease_seconds integer DEFAULT 60, p_busy jsonb DEFAULT '{}'::jsonb, p_channels text[] DEFAULT '{whatsapp}'::text[])
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.claim_outbound(p_limit, p_lease_seconds, p_busy, p_channels, clock_timestamp())
$function$;
grant execute on function public.claim_outbound(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[]) to service_role;

-- Leases public updates that are due on Statuspage, of each incident the oldest: [{id, lease, attempt, incident: {id,
-- title, severity, status_page_id}, update: {at, status, text}, template}]. For secret keys.
CREATE OR REPLACE FUNCTION public.claim_status_posts(p_limit integer DEFAULT 10, p_lease_seconds integer DEFAULT 60)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  with due as (
    select p.update_id from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= clock_timestamp()
      and not exists (
        select from private.status_posts o
        where o.incident_id = p.incident_id and o.update_id < p.update_id and o.state in ('pending', 'leased'))
    order by p.next_attempt_at limit p_limit
    for update skip locked
  ), leased as (
    update private.status_posts p
    set state = 'leased', lease = gen_random_uuid(), attempt = p.attempt + 1,
      next_attempt_at = clock_timestamp() + make_interval(secs => p_lease_seconds)
    from due where p.update_id = due.update_id
    returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', l.update_id, 'lease', l.lease, 'attempt', l.attempt,
    'incident', jsonb_build_object('id', i.id, 'title', i.title, 'severity', i.severity, 'status_page_id', i.status_page_id),
    'update', jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text),
    'template', (select s.value from public.settings s where s.key = 'incident_template.status_' || u.status)) order by l.update_id), '[]')
  from leased l join public.incidents i on i.id = l.incident_id join public.incident_updates u on u.id = l.update_id
$function$;
grant execute on function public.claim_status_posts(p_limit integer, p_lease_seconds integer) to service_role;

-- The conversations of these channels that have waited longest for the router, each with its oldest undecided
-- messages in order. Takes no lease: deciding twice is harmless, because record_decisions keeps the first. Attributes
-- messages that could not be attributed on arrival. Leaves out conversations held back at this configuration
-- revision.
CREATE OR REPLACE FUNCTION public.claim_unrouted(p_revision bigint, p_conversations integer, p_each integer DEFAULT 20, p_channels text[] DEFAULT '{whatsapp}'::text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_ids uuid[] := private.unrouted(p_revision, p_conversations, p_channels);
begin
  perform private.refuse_older_code();
  perform private.attribute_waiting(v_ids, clock_timestamp());
  return (
  select coalesce(jsonb_agg(item order by since), '[]')
  from (
    select c.unrouted_since as since, jsonb_build_object(
      'id', c.id, 'channel', c.channel, 'number_id', c.number_id, 'contact_id', c.contact_id,
      'phone', (
        select i.value from public.contact_identities i
        where i.contact_id = c.contact_id and i.kind = 'phone' and coalesce(i.valid_to, 'infinity') = 'infinity'
        order by i.dialled, i.id desc limit 1),
      'sticky_route_id', c.sticky_route_id, 'sticky_until', c.sticky_until,
      'messages', waiting.messages) as item
    from public.conversations c
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', m.id, 'seq', m.seq, 'type', m.type, 'text',
        case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
        'referral', m.referral, 'link_token', m.link_token,
        'link', (
          select private.message_link(a.message_id) -> 'link' from public.attributions a
          where a.message_id = case m.type when 'edit' then private.edited_message(m.id) else m.id end), 'created_at', m.created_at) order by m.seq), '[]') as messages
      from (
        select * from public.messages m
        where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in'
          and not exists (select from public.routing_decisions d where d.message_id = m.id)
        order by m.seq limit p_each
      ) m
    ) waiting
    where c.id = any (v_ids) and c.unrouted_since is not null
  ) items);
end $function$;
grant execute on function public.claim_unrouted(p_revision bigint, p_conversations integer, p_each integer, p_channels text[]) to service_role;

-- Turns the flag on for everybody and ends the rollout, whatever stages are left. For operators and secret keys.
-- Errors: GL409 stale version or not under way, GL422 no reason, GL404.
CREATE OR REPLACE FUNCTION public.complete_rollout(p_id uuid, p_expected_version bigint, p_reason text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_evidence jsonb;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'completing before the guard does needs a reason' using errcode = 'GL422';
  end if;
  v_evidence := private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
  v_rollout := private.end_rollout(v_rollout, 'completed', clock_timestamp());
  perform private.log_rollout(v_rollout, clock_timestamp(), 'completed', '{"early": true}', null, 'by_hand', v_evidence, p_reason);
  return v_rollout;
end $function$;
grant execute on function public.complete_rollout(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- A conversation and its messages, newest first: {conversation, messages: [{id, seq, direction, type, text, choice,
-- status, status_at, error: {code, message}, sent_at, created_at, link, route: {name, reason}, deliveries}]}; null if
-- there is none. p_before is the seq of the last of the page before; at most 500. Words are null for viewers. For
-- viewers and secret keys.
CREATE OR REPLACE FUNCTION public.conversation_messages(p_conversation_id uuid, p_before bigint DEFAULT NULL::bigint, p_limit integer DEFAULT 100)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select jsonb_build_object('conversation', private.conversation_view(c, null::public.messages, v_words), 'messages', (
      select coalesce(jsonb_agg(private.message_view(x.m, c.contact_id, v_words) order by (x.m).seq desc), '[]')
      from (
        select m from public.messages m
        where m.conversation_id = c.id and m.seq < coalesce(p_before, 9223372036854775807)
        order by m.seq desc limit least(greatest(p_limit, 1), 500)
      ) x))
    from public.conversations c where c.id = p_conversation_id);
end $function$;
grant execute on function public.conversation_messages(p_conversation_id uuid, p_before bigint, p_limit integer) to authenticated, service_role;

-- How many people there are, so that a percentage can be shown as people: {contacts, recent: those who wrote within 7
-- days}. For viewers, who may not read the contacts themselves, and secret keys.
CREATE OR REPLACE FUNCTION public.count_contacts(p_now timestamp with time zone DEFAULT now())
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select jsonb_build_object('contacts', count(*),
      'recent', (
        select count(distinct c.contact_id) from public.conversations c where c.last_inbound_at >= p_now - interval '7 days'))
    from public.contacts c where c.merged_into is null);
end $function$;
grant execute on function public.count_contacts(p_now timestamp with time zone) to authenticated, service_role;

-- Makes the draft of an announcement {name, audience, text, template: {name, language, category, parameters},
-- number_id, per_minute}, with its audience as it is now, and answers it with the counts of who would get what.
-- Nothing is sent. Who wrote within 24 hours gets the text if there is one, everybody else the template; who has
-- opted out gets nothing. For operators and secret keys. Errors: 42501, GL404 no such flag, segment or sender, GL422
-- and 23514 what cannot be.
CREATE OR REPLACE FUNCTION public.create_announcement(p_announcement jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  return private.create_announcement(p_announcement, clock_timestamp());
end $function$;
grant execute on function public.create_announcement(p_announcement jsonb) to authenticated, service_role;

-- Creates links that have been checked, on behalf of p_actor, and returns for each, in order, {status, code | error}:
-- 201 created; 200 created before with this external_id and request_hash (with a password, also its current
-- password_hash, for comparison); 409 external_id_taken or code_taken; 422 code_reserved. For secret keys.
CREATE OR REPLACE FUNCTION public.create_links(p_links jsonb, p_actor text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_made text[] := array_fill(null::text, array[jsonb_array_length(p_links)]);
  v_open bigint[];
  v_row record;
  v_insert text := (
    select format($sql$
      with open as (
        select g.ord, coalesce(g.item ->> 'code', private.new_link_code()) as new_code, g.item ->> 'password_hash' as password_hash,
          g.item ->> 'request_hash' as new_hash, l.*
        from jsonb_array_elements($1) with ordinality as g (item, ord)
        cross join lateral jsonb_populate_record(null::public.links, g.item - '{code,request_hash,state}'::text[]) as l
        where g.ord = any ($2)
      ), first_of as (
        -- Within the batch the first of an external id or code goes first.
        select distinct on (coalesce('x' || o.external_id, 'n' || o.ord)) o.* from open o
        order by coalesce('x' || o.external_id, 'n' || o.ord), o.ord
      ), made as (
        insert into public.links (code, request_hash, created_by, updated_by, %s)
        select f.new_code, f.new_hash, $3, $3, %s
        from (select distinct on (f.new_code) f.* from first_of f order by f.new_code, f.ord) f
        order by f.new_code
        on conflict do nothing
        returning code
      ), with_password as (
        insert into private.link_passwords (code, hash)
        select m.code, f.password_hash from made m join first_of f on f.new_code = m.code where f.password_hash is not null
      )
      select min(f.ord) as ord, m.code from made m join first_of f on f.new_code = m.code group by m.code
    $sql$, string_agg(c.name, ', '), string_agg(format('coalesce(f.%s, %s)', c.name, c.missing), ', '))
    from private.link_columns() c);
begin
  perform private.refuse_older_code();
  for v_turn in 1..10 loop
    select array_agg(o.ord order by o.ord) into v_open
    from private.link_outcomes(p_links, v_made) o where o.outcome is null;
    exit when v_open is null;
    for v_row in execute v_insert using p_links, v_open, p_actor
    loop
      v_made[v_row.ord] := v_row.code;
    end loop;
  end loop;
  return (
    select coalesce(jsonb_agg(coalesce(o.outcome, '{"status": 503, "error": "no_code_found"}') order by o.ord), '[]')
    from private.link_outcomes(p_links, v_made) o);
end $function$;
grant execute on function public.create_links(p_links jsonb, p_actor text) to service_role;

-- Plans a rollout of a flag, not yet started: {template: standard or canary, user_ids, segments}, or a plan {name,
-- stages}. For operators and secret keys. Errors: GL422 with what is wrong with the plan, GL404 no such flag or
-- segment.
CREATE OR REPLACE FUNCTION public.create_rollout(p_flag_key text, p_plan jsonb, p_reason text DEFAULT NULL::text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_plan jsonb := p_plan;
  v_faults text[];
  v_segment text;
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  if p_plan ? 'template' then
    if not private.object_keys_within(p_plan, array['template', 'user_ids', 'segments']) then
      raise exception 'beside template only user_ids and segments may be given' using errcode = 'GL422';
    end if;
    v_plan := private.rollout_template(p_plan ->> 'template', p_plan -> 'user_ids', p_plan -> 'segments');
    if v_plan is null then
      raise exception 'there is no template %', p_plan ->> 'template' using errcode = 'GL422', hint = 'standard or canary';
    end if;
  end if;
  v_faults := private.rollout_plan_faults(v_plan);
  if v_faults <> '{}' then
    raise exception 'the plan cannot be followed: %', array_to_string(v_faults, '; ') using errcode = 'GL422';
  end if;
  if p_flag_key is null or p_flag_key not like '%.enabled' or not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404', hint = 'Make it first, off: set_flag.';
  end if;
  select k.key into v_segment from jsonb_array_elements(v_plan -> 'stages') s,
    jsonb_array_elements_text(coalesce(s -> 'segments', '[]') || coalesce(s -> 'among', '[]')) as k (key)
  where not exists (select from public.segments g where g.key = k.key) limit 1;
  if v_segment is not null then
    raise exception 'there is no segment %', v_segment using errcode = 'GL404';
  end if;
  insert into public.rollouts (flag_key, plan) values (p_flag_key, coalesce(v_plan ->> 'name', 'custom')) returning * into v_rollout;
  insert into public.rollout_stages (rollout_id, position, name, percentage, user_ids, segments, users, among, hold_minutes, min_samples,
    overdue_minutes, advance_when, roll_back_when, first_day, metrics)
  select v_rollout.id, s.i, s.stage ->> 'name', (s.stage ->> 'percentage')::numeric, private.text_array(s.stage -> 'user_ids'),
    private.text_array(s.stage -> 'segments'), (s.stage ->> 'users')::integer, private.text_array(s.stage -> 'among'),
    (s.stage ->> 'hold_minutes')::integer, (s.stage ->> 'min_samples')::integer,
    (s.stage ->> 'overdue_minutes')::integer, s.stage -> 'advance_when', s.stage -> 'roll_back_when',
    s.stage -> 'first_day', coalesce(s.stage -> 'metrics', '[]')
  from jsonb_array_elements(v_plan -> 'stages') with ordinality as s (stage, i);
  perform private.log_rollout(v_rollout, clock_timestamp(), 'created',
    jsonb_build_object('flag', p_flag_key, 'plan', v_rollout.plan), p_reason => p_reason, p_tell => false);
  return v_rollout;
end $function$;
grant execute on function public.create_rollout(p_flag_key text, p_plan jsonb, p_reason text) to authenticated, service_role;

-- Deletes a draft, with its list of people. What was sent stays on record. For operators and secret keys. Errors:
-- 42501, GL404, GL409 somebody else was faster, or it is no draft.
CREATE OR REPLACE FUNCTION public.delete_announcement(p_id uuid, p_expected_version bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  perform private.announcement_at(p_id, p_expected_version, array['draft']);
  delete from public.announcements a where a.id = p_id;
  return found;
end $function$;
grant execute on function public.delete_announcement(p_id uuid, p_expected_version bigint) to authenticated, service_role;

-- Deletes a link for its visitors; clicks and password stay, so that update_link can restore it, and the code is
-- never given to another link. False when there was none. For secret keys.
CREATE OR REPLACE FUNCTION public.delete_link(p_code text, p_actor text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  update public.links l
  set state = 'deleted', version = l.version + 1, updated_at = clock_timestamp(), updated_by = p_actor
  where l.code = p_code and l.state <> 'deleted';
  return found;
end $function$;
grant execute on function public.delete_link(p_code text, p_actor text) to service_role;

-- The attempts of a destination, those of its newest deliveries first: {attempts: [{delivery_id, message_id,
-- last_four, type, attempt (negative: before a retry by hand), outcome, status, latency_ms, error, answer, at}],
-- next: {at, id} of the last delivery that was read, null at the end}. Filter: any of outcome (failed), error (part
-- of the error or of the status), and before_at with before_id, which are next of the page before. A page ends after
-- p_limit attempts, at most 200 and those of the last delivery, or after 2,000 deliveries, so that it may be empty
-- and yet have a next. Answers are null for viewers. For viewers and secret keys. Errors: GL404 no such destination.
CREATE OR REPLACE FUNCTION public.delivery_log(p_destination text, p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_words boolean;
  v_id uuid;
  v_limit constant integer := least(greatest(p_limit, 1), 200);
  v_examined constant integer := 2000;
  v_failed constant boolean := coalesce(p_filter ->> 'outcome', '') = 'failed';
  v_error constant text := lower(p_filter ->> 'error');
  v_before_at timestamptz := coalesce((p_filter ->> 'before_at')::timestamptz, 'infinity');
  v_before_id uuid := coalesce((p_filter ->> 'before_id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_delivery public.deliveries;
  v_attempts jsonb := '[]';
  v_next jsonb;
  v_read integer := 0;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  v_id := private.destination_named(p_destination);
  for v_delivery in
    select d.* from public.deliveries d
    where d.destination_id = v_id
      and d.created_at <= v_before_at and (d.created_at, d.id) < (v_before_at, v_before_id)
    order by d.created_at desc, d.id desc limit v_examined
  loop
    v_read := v_read + 1;
    v_attempts := v_attempts || coalesce((
      select jsonb_agg(private.attempt_view(a, v_delivery, v_words) order by a.at desc, a.attempt desc)
      from public.delivery_attempts a
      where a.delivery_id = v_delivery.id and (not v_failed or a.outcome <> 'delivered')
        and (v_error is null or strpos(lower(coalesce(a.error, '') || ' ' || coalesce(a.status::text, '')), v_error) > 0)), '[]');
    if jsonb_array_length(v_attempts) >= v_limit or v_read = v_examined then
      v_next := jsonb_build_object('at', v_delivery.created_at, 'id', v_delivery.id);
      exit;
    end if;
  end loop;
  return jsonb_build_object('attempts', v_attempts, 'next', v_next);
end $function$;
grant execute on function public.delivery_log(p_destination text, p_filter jsonb, p_limit integer) to authenticated, service_role;

-- How a destination did over some hours (1 to 24): {seconds: the length of a point, points: [{at, delivered,
-- failed}], errors: [{error (its code), status, n, last_at}] of its latest 5,000 deliveries, the most frequent first,
-- at most 20}. For viewers and secret keys. Errors: GL404 no such destination.
CREATE OR REPLACE FUNCTION public.destination_figures(p_destination text, p_hours integer DEFAULT 24, p_now timestamp with time zone DEFAULT now())
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_id uuid;
  v_hours constant integer := least(greatest(p_hours, 1), 24);
  v_step constant interval := case when v_hours = 1 then interval '1 minute' when v_hours <= 6 then interval '5 minutes' else interval '15 minutes' end;
  v_from timestamptz;
begin
  perform private.require_role('viewer');
  v_id := private.destination_named(p_destination);
  v_from := date_bin(v_step, p_now - make_interval(hours => v_hours), 'epoch') + v_step;
  return jsonb_build_object(
    'seconds', extract(epoch from v_step)::integer,
    'points', (
      select coalesce(jsonb_agg(jsonb_build_object('at', s.at, 'delivered', coalesce(m.delivered, 0), 'failed', coalesce(m.failed, 0)) order by s.at), '[]')
      from generate_series(v_from, p_now, v_step) as s (at)
      left join (
        select date_bin(v_step, x.minute, 'epoch') as at,
          sum(x.n) filter (where split_part(x.label, ' ', 2) = 'delivered') as delivered,
          sum(x.n) filter (where split_part(x.label, ' ', 2) <> 'delivered') as failed
        from public.measurements x
        where x.name = 'destination' and x.minute >= v_from
          and x.label in (p_destination || ' delivered', p_destination || ' retry', p_destination || ' dead')
        group by 1
      ) m on m.at = s.at),
    'errors', (
      select coalesce(jsonb_agg(jsonb_build_object('error', e.error, 'status', e.status, 'n', e.n, 'last_at', e.last_at) order by e.n desc, e.last_at desc), '[]')
      from (
        select split_part(a.error, ':', 1) as error, a.status, count(*) as n, max(a.at) as last_at
        from (
          select x.id from public.deliveries x where x.destination_id = v_id and x.created_at > v_from - interval '28 hours'
          order by x.created_at desc limit 5000
        ) latest
        join public.delivery_attempts a on a.delivery_id = latest.id
        where a.outcome <> 'delivered' and a.at >= v_from
        group by 1, 2 order by count(*) desc limit 20
      ) e));
end $function$;
grant execute on function public.destination_figures(p_destination text, p_hours integer, p_now timestamp with time zone) to authenticated, service_role;

-- Each destination with its state (active, paused, circuit_open), queue (open, oldest_at), the waits between attempts
-- (retry_seconds: its own or those of the setting; null for the built-in ones), dead letters not dropped, routes to
-- it, metadata of its secrets, and how the latest 500 deliveries of the last day went: {attempts, delivered, p50_ms,
-- p95_ms, last_failure: an entry of delivery_log, or null}. Its answer is null for viewers. For viewers and secret
-- keys.
CREATE OR REPLACE FUNCTION public.destination_health(p_now timestamp with time zone DEFAULT now())
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', d.id, 'name', d.name, 'url', d.url, 'version', d.version, 'updated_at', d.updated_at, 'updated_by', d.updated_by,
      'state', private.shown_state(d.state, d.circuit_open_until),
      'circuit_open_until', d.circuit_open_until, 'paused_because', d.paused_because, 'failure_policy', d.failure_policy,
      'timeout_ms', d.timeout_ms, 'rate_per_second', d.rate_per_second,
      'retry_seconds', coalesce(to_jsonb(d.retry_seconds), private.default_retry_seconds()),
      'secrets', (
        select jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at) order by s.created_at desc)
        from private.destination_secrets s
        where s.destination_id = d.id and (s.expires_at is null or s.expires_at > p_now)),
      'headers', (
        select coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'key', split_part(h.sealed, '.', 2), 'set_at', h.set_at,
          'set_by', h.set_by) order by h.name), '[]')
        from private.destination_headers h where h.destination_id = d.id),
      'routes', (
        select coalesce(jsonb_agg(r.name order by r.priority, r.id), '[]')
        from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = d.id),
      'open', queue.open, 'oldest_at', queue.oldest_at,
      'dead', (
        select count(*) from public.deliveries x
        where x.destination_id = d.id and x.state = 'dead' and x.dropped_reason is null),
      'attempts', tried.attempts, 'delivered', tried.delivered, 'p50_ms', tried.p50_ms, 'p95_ms', tried.p95_ms,
      'last_failure', (
        select private.attempt_view(failed.a, failed.y, v_words)
        from (
          select a, x.y
          from (
            select y from public.deliveries y
            where y.destination_id = d.id and y.created_at > p_now - interval '1 day'
            order by y.created_at desc limit 500
          ) x
          join public.delivery_attempts a on a.delivery_id = (x.y).id
          where a.outcome <> 'delivered' order by a.at desc limit 1
        ) failed))
      order by d.name), '[]')
    from public.destinations d
    cross join lateral (
      select count(*) as open, min(x.created_at) as oldest_at
      from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) queue
    cross join lateral (
      select count(*) as attempts, count(*) filter (where a.outcome = 'delivered') as delivered,
        round(percentile_cont(0.5) within group (order by a.latency_ms)::numeric) as p50_ms,
        round(percentile_cont(0.95) within group (order by a.latency_ms)::numeric) as p95_ms
      from (
        select x.id from public.deliveries x
        where x.destination_id = d.id and x.created_at > p_now - interval '1 day'
        order by x.created_at desc limit 500
      ) latest
      join public.delivery_attempts a on a.delivery_id = latest.id) tried
    where d.removed_at is null);
end $function$;
grant execute on function public.destination_health(p_now timestamp with time zone) to authenticated, service_role;

-- What a signed test of a destination needs: {id, url, timeout_ms, headers (encrypted), secrets}. GL404 if there is
-- no such destination. Only for the function wa-router: people never see a secret twice.
CREATE OR REPLACE FUNCTION public.destination_to_test(p_name text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
begin
  perform private.refuse_older_code();
  v_id := private.destination_named(p_name);
  return (
    select jsonb_build_object('id', d.id, 'url', d.url, 'timeout_ms', d.timeout_ms, 'headers', private.headers_of(d.id), 'secrets', (
      select coalesce(jsonb_agg(s.secret order by s.created_at desc), '[]') from private.destination_secrets s
      where s.destination_id = d.id and (s.expires_at is null or s.expires_at > now())))
    from public.destinations d where d.id = v_id);
end $function$;
grant execute on function public.destination_to_test(p_name text) to service_role;

-- What is going on, over the last hour: {at, since, routes: [{route, reason, n, last_at}], destinations:
-- [{destination, outcome, n, last_at}], decisions: the last 50, redacted, flags, errors: [{where, code, n, last_at}],
-- waiting: [{queue, name, n, oldest_seconds, because, at, per_second, flag}]}. Holds no personal data. For viewers
-- and secret keys.
CREATE OR REPLACE FUNCTION public.diagnostics()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  perform private.require_role('viewer');
  return private.diagnostics(clock_timestamp());
end $function$;
grant execute on function public.diagnostics() to authenticated, service_role;

-- Removes a host pattern from the allowlist; false if it was not there. Takes effect within 5 seconds.
CREATE OR REPLACE FUNCTION public.disallow_host(p_pattern text, p_purpose text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('admin');
  delete from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return found;
end $function$;
grant execute on function public.disallow_host(p_pattern text, p_purpose text) to authenticated, service_role;

-- Permanently closes waiting and dead deliveries, recording the reason and who gave it; the rows stay. Returns how
-- many. Errors: 42501 not allowed, GL422 no reason, or one that names a contact.
CREATE OR REPLACE FUNCTION public.drop_deliveries(p_ids uuid[], p_reason text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  perform private.require_role('operator');
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'dropping needs a reason' using errcode = 'GL422';
  end if;
  if exists (
    select from public.deliveries d join public.conversations c on c.id = d.conversation_id
    where d.id = any (p_ids) and private.without_ids(p_reason, c.contact_id) <> p_reason) then
    raise exception 'the reason names a contact' using errcode = 'GL422',
      hint = 'The whole team reads it: leave out the number, the address and the id.';
  end if;
  perform private.lock_lanes(p_ids);
  update public.deliveries
  set state = 'dead', wakes = false, dropped_reason = p_reason || ' (' || private.actor() || ')', updated_at = now()
  where id = any (p_ids) and (state = 'pending' or state = 'dead' and dropped_reason is null);
  get diagnostics v_count = row_count;
  perform private.release_lanes(p_ids);
  return v_count;
end $function$;
grant execute on function public.drop_deliveries(p_ids uuid[], p_reason text) to authenticated, service_role;

-- Queues messages [{channel (whatsapp if absent), identities [{kind, value}; kind contact is our own id], to (if
-- absent, an address of the person that the ids identify), number_id, message, text, idempotency_key, fallback,
-- traceparent, limit: {key, per_second, burst}}], and returns a result for each, in its place: {id, status, rate} or
-- {error, rate}. Rate of the key, flag (the channel's, wa_send.enabled for WhatsApp, for the contact), window,
-- opt-out and idempotency are decided in the same transaction.
CREATE OR REPLACE FUNCTION public.enqueue_outbound(p_items jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.enqueue_outbound(p_items, clock_timestamp());
    exception when serialization_failure or foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $function$;
grant execute on function public.enqueue_outbound(p_items jsonb) to service_role;

-- Erases a person, by phone number, contact's id or another id, at most p_limit messages a call: {erasure, part,
-- done, counts: rows by table, kept: {dedupe_keys_days, opt_outs}, out_of_reach}. While done is false call it again
-- with the same person and the erasure that it answered. Histories keep their rows, with tombstones in the person's
-- place; keys of updates stay as hashes for 8 days, opt-outs as keyed hashes. The proof stays in erasures. For admins
-- and secret keys. Errors: 42501 not allowed, GL404 nothing of this person, GL422 no id.
CREATE OR REPLACE FUNCTION public.erase_contact(p_person text, p_erasure uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 2000)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('admin');
  if p_limit is null or p_limit not between 1 and 10000 then
    raise exception 'a part has 1 to 10000 messages' using errcode = 'GL422';
  end if;
  for v_attempt in 1 .. 3 loop
    begin
      return private.erase_part(p_person, coalesce(p_erasure, private.uuid_v7()), p_limit);
    exception when deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $function$;
grant execute on function public.erase_contact(p_person text, p_erasure uuid, p_limit integer) to authenticated, service_role;

-- All that there is of a person, by phone number, contact's id or another id: {at, contacts, tables: {table: [rows]},
-- out_of_reach}. Rows that name others as well are given by key, with the words that name the person. That it was
-- given out is kept in contact_acts. For admins and secret keys. Errors: 42501 not allowed, GL404 nothing of this
-- person, GL422 no id.
CREATE OR REPLACE FUNCTION public.export_contact(p_person text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_person private.person;
  v_place record;
  v_rows jsonb;
  v_tables jsonb := '{}';
begin
  perform private.require_role('admin');
  v_person := private.find_person(p_person);
  v_person := private.with_messages(v_person, array(
    select m.id from public.messages m where m.conversation_id = any (v_person.conversations) order by m.seq));
  insert into public.contact_acts (act, contact_id)
  select 'exported', c.id from public.contacts c where c.id = any (v_person.contacts) and c.merged_into is null;
  for v_place in select * from private.personal_data() loop
    execute format('select jsonb_agg(%s) from %s t where %s',
      case when v_place.erased in ('words', 'ids') or v_place.tied like 'private.mentions%'
        then private.exported_row(v_place.relation, v_place.columns) else 'to_jsonb(t)' end,
      v_place.relation, private.tie(v_place.relation, v_place.columns, v_place.tied, v_place.erased))
    into v_rows using v_person;
    if v_rows is not null then
      v_tables := v_tables || jsonb_build_object(v_place.relation, coalesce(v_tables -> v_place.relation, '[]') || v_rows);
    end if;
  end loop;
  if v_tables = '{}' then
    raise exception 'there is nothing of this person' using errcode = 'GL404',
      hint = 'Known are phone numbers with their country code, contacts'' ids and other ids of theirs. Whoever was erased is not known any more.';
  end if;
  return jsonb_build_object('at', clock_timestamp(), 'contacts', to_jsonb(v_person.contacts), 'tables', v_tables,
    'out_of_reach', private.out_of_reach());
end $function$;
grant execute on function public.export_contact(p_person text) to authenticated, service_role;

-- A link as its owners see it, even if deleted, with the version in which each member was last changed
-- (member_versions); null if there is none. For secret keys.
CREATE OR REPLACE FUNCTION public.find_link(p_code text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.link_view(l) || jsonb_build_object('member_versions', l.member_versions)
  from public.links l where l.code = p_code
$function$;
grant execute on function public.find_link(p_code text) to service_role;

-- How a plan (as create_rollout takes it) would go for a flag, by the traffic of the last 7 days or by what is given:
-- for each stage the outcomes a minute and needed, how long it takes, whether it can pass at today's failure rate
-- (passes), and after how many minutes the guard rolls back what fails at 2x and 5x the allowed rate, or at 20 %. For
-- viewers and secret keys. GL422 with what is wrong with the plan.
CREATE OR REPLACE FUNCTION public.forecast_rollout(p_flag_key text, p_plan jsonb, p_per_minute numeric DEFAULT NULL::numeric, p_failure_rate numeric DEFAULT NULL::numeric, p_now timestamp with time zone DEFAULT now())
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_plan jsonb := p_plan;
  v_faults text[];
  t record;
  v_stages jsonb;
begin
  perform private.require_role('viewer');
  if p_plan ? 'template' then
    -- Who is internal makes no difference here.
    v_plan := private.rollout_template(p_plan ->> 'template', coalesce(p_plan -> 'user_ids', '["-"]'), p_plan -> 'segments');
  end if;
  v_faults := private.rollout_plan_faults(v_plan);
  if v_faults <> '{}' then
    raise exception 'the plan cannot be followed: %', array_to_string(v_faults, '; ') using errcode = 'GL422';
  end if;
  select * into t from private.recent_traffic(p_flag_key, null, p_now);
  select jsonb_agg(private.forecast_stage(s.stage, p_flag_key, p_per_minute::double precision, p_failure_rate::double precision, p_now) order by s.i)
  into v_stages from jsonb_array_elements(v_plan -> 'stages') with ordinality as s (stage, i);
  return jsonb_build_object('flag', p_flag_key, 'plan', coalesce(v_plan ->> 'name', 'custom'),
    'per_minute', round(coalesce(p_per_minute, t.per_minute::numeric), 2), 'failure_rate', round(coalesce(p_failure_rate, t.failure_rate::numeric), 6),
    'traffic', case when p_per_minute is not null then 'given' when t.per_minute is not null then 'measured' else 'unknown' end,
    'stages', v_stages, 'minutes', (select sum((s ->> 'minutes')::bigint) from jsonb_array_elements(v_stages) s),
    'passes', (select bool_and((s ->> 'passes')::boolean) from jsonb_array_elements(v_stages) s));
end $function$;
grant execute on function public.forecast_rollout(p_flag_key text, p_plan jsonb, p_per_minute numeric, p_failure_rate numeric, p_now timestamp with time zone) to authenticated, service_role;

-- The links with these codes as _shared/links reads them, [{code, …}] in any order; codes that no link has are left
-- out. Besides, p_ahead others: those after the first of the codes. For secret keys.
CREATE OR REPLACE FUNCTION public.get_links(p_codes text[], p_ahead integer DEFAULT 0)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
begin
  perform private.refuse_older_code();
  return (
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'code', l.code, 'default_url', l.default_url, 'targets', nullif(l.targets, '[]'), 'whatsapp', l.whatsapp,
    'starts_at', (extract(epoch from l.starts_at) * 1000)::bigint,
    'expires_at', (extract(epoch from l.expires_at) * 1000)::bigint,
    'expired_url', l.expired_url, 'max_uses', l.max_uses,
    'used_up', case when l.uses >= l.max_uses then true end, 'confirm', nullif(l.confirm, false),
    'utm', nullif(l.utm, '{}'), 'pass_query', nullif(l.pass_query, false),
    'flag_key', l.flag_key, 'preview', l.preview, 'fingerprint', nullif(l.fingerprint, false),
    'state', nullif(l.state, 'active'),
    'password', (select true from private.link_passwords p where p.code = l.code)))), '[]')
  from (
    select * from public.links a where a.code = any (p_codes)
    union all
    (select * from public.links b where b.code > p_codes[1] and b.code <> all (p_codes) order by b.code limit p_ahead)
  ) l);
end $function$;
grant execute on function public.get_links(p_codes text[], p_ahead integer) to service_role;

-- Links whose passwords somebody is guessing at, [{code, wrong: wrong passwords in this hour and the one before}],
-- most first. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.guessed_links()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('code', g.code, 'wrong', g.wrong) order by g.wrong desc, g.code), '[]')
    from (
      select x.code, sum(x.wrong) as wrong from public.link_guesses x
      where x.hour >= date_trunc('hour', clock_timestamp() - interval '1 hour')
      group by x.code having private.is_guessed_at(x.code, clock_timestamp())) g);
end $function$;
grant execute on function public.guessed_links() to authenticated, service_role;

-- How each part does: {at, has: the newest of our migrations applied, applied: all of ours, null where nobody keeps a
-- record, breaks: the newest one that older code must not run on, revision of the configuration, queue: what waits,
-- components: [{component, status: healthy | degraded | down, because, figures}]}. For secret keys.
CREATE OR REPLACE FUNCTION public.health()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('at', clock_timestamp(), 'has', public.schema_version(),
    'applied', private.applied_migrations(), 'breaks', private.breaking_version(), 'revision', r.revision,
    'queue', private.waiting(clock_timestamp()), 'components', private.health(clock_timestamp()))
  from private.config_now() r
$function$;
grant execute on function public.health() to service_role;

-- Stores a batch of normalised updates in one transaction: raw events once each, contacts, conversations, messages in
-- order, statuses by rank, counts. Returns {"outcomes": "sd…"}: for each update, in the given order, s (stored) or d
-- (duplicate); and freed: true if a status released a waiting message.
CREATE OR REPLACE FUNCTION public.ingest_updates(p_updates jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$;
grant execute on function public.ingest_updates(p_updates jsonb) to service_role;

-- What the database knows about whether a flag may go live, in one snapshot: {flag, approvals, migrations,
-- without_rls, open_to_anon, policies_for_anon, plans, allowlist, rolled_back_at, under_way, evaluated_at, outcomes,
-- told, tables, operators, archive}. Volatile, because it plans queries. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.launch_facts(p_flag_key text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return jsonb_build_object(
    'flag', (
      select jsonb_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      from public.settings s where s.key = p_flag_key),
    'approvals', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.signed_at), '[]') from public.gate_approvals a
      where a.flag_key = p_flag_key and a.revoked_at is null),
    'migrations', to_jsonb(private.applied_migrations()),
    'plans', (
      select jsonb_agg(jsonb_build_object('query', q.name, 'reads_whole', private.reads_whole_tables(q.statement)))
      from private.hot_queries() q),
    'allowlist', (
      select coalesce(jsonb_agg(jsonb_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a),
    'rolled_back_at', (
      select max(r.finished_at) from public.rollouts r where r.flag_key = p_flag_key and r.state = 'rolled_back'),
    'under_way', exists (
      select from public.rollouts r where r.flag_key = p_flag_key and r.state in ('running', 'paused')),
    'evaluated_at', (select e.last_at from public.flag_evaluations e where e.flag_key = p_flag_key),
    'outcomes', (select coalesce(sum(m.n), 0) from public.flag_metrics m where m.flag_key = p_flag_key),
    'told', (
      select coalesce(jsonb_agg(e.name order by e.name), '[]') from public.notification_endpoints e
      where e.state = 'active' and e.events @> array['paged', 'rolled_back']),
    'tables', (
      select jsonb_agg(c.relname order by c.relname)
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition),
    'operators', (select count(*) from public.team_members m where m.role in ('operator', 'admin')),
    'archive', (
      select jsonb_build_object(
        'mode', current_setting('archive_mode'), 'last_at', s.last_archived_time, 'failing',
        coalesce(s.last_failed_time > s.last_archived_time, false))
      from pg_catalog.pg_stat_archiver s))
    || private.open_doors();
end $function$;
grant execute on function public.launch_facts(p_flag_key text) to authenticated, service_role;

-- A link's clicks from day to day, both included, in the zone p_zone, without it the team's: {code, uses, max_uses,
-- zone, from, to, clicks, visitors (a visitor counts once a day), days, attributions (of messages), conversations
-- (that those belong to), platforms, countries, referrers, targets, rules, sources}; null when there is no such link.
-- Days of another zone than the team's are counted from the clicks: from is then not before the first day of which
-- all are kept. For secret keys.
CREATE OR REPLACE FUNCTION public.link_stats(p_code text, p_from date, p_to date, p_zone text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  with zoned as (
    select coalesce(p_zone, private.team_zone()) as zone, coalesce(p_zone <> private.team_zone(), false) as is_other
  ), asked as materialized (
    select z.zone, z.is_other, f.day, f.day::timestamp at time zone z.zone as starts, (p_to + 1)::timestamp at time zone z.zone as ends
    from zoned z
    cross join lateral (
      select case when z.is_other then greatest(p_from, private.first_day_in(z.zone)) else p_from end as day) f
  ), days as materialized (
    select d.* from asked q cross join lateral private.link_days(p_code, q.day, p_to) d where not q.is_other
    union all
    select d.* from asked q cross join lateral private.link_days_in(p_code, q.day, p_to, q.zone) d where q.is_other
  )
  select jsonb_build_object(
    'code', l.code, 'uses', l.uses, 'max_uses', l.max_uses, 'zone', q.zone, 'from', q.day, 'to', p_to,
    'clicks', (
      select jsonb_build_object('human', coalesce(sum(d.human), 0), 'bot', coalesce(sum(d.bot), 0),
        'preview', coalesce(sum(d.preview), 0), 'prefetch', coalesce(sum(d.prefetch), 0), 'own', coalesce(sum(d.own), 0)) from days d),
    'visitors', (select coalesce(sum(d.visitors), 0) from days d),
    'days', (
      select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'human', d.human, 'bot', d.bot, 'preview', d.preview,
        'prefetch', d.prefetch, 'own', d.own, 'visitors', d.visitors) order by d.day), '[]') from days d),
    'attributions', private.link_attributions(p_code, q.starts, q.ends),
    'conversations', (
      select count(distinct m.conversation_id)
      from public.attributions a
      join public.messages m on m.id = a.message_id
      where a.code = p_code and a.created_at >= q.starts and a.created_at < q.ends),
    'platforms', (select private.add_up(array_agg(d.platforms)) from days d),
    'countries', (select private.add_up(array_agg(d.countries)) from days d),
    'referrers', (select private.add_up(array_agg(d.referrers)) from days d),
    'targets', (select private.add_up(array_agg(d.targets)) from days d),
    'rules', (select private.add_up(array_agg(d.rules)) from days d),
    'sources', (select private.add_up(array_agg(d.sources)) from days d))
  from public.links l cross join asked q where l.code = p_code
$function$;
grant execute on function public.link_stats(p_code text, p_from date, p_to date, p_zone text) to service_role;

-- For whom a feature failed that they had, latest first, and since when: {flag_key, since, people, contacts: how many
-- of them can be written to, failures: how many were counted, more than the list has where it is full, rows:
-- [{subject_id, contact_id, last_four, failures: in how many minutes, first_at, last_at}]}. Numbers are shown by
-- reveal_contact alone. For viewers and secret keys. GL404 where there is no such flag.
CREATE OR REPLACE FUNCTION public.list_affected(p_flag_key text, p_since timestamp with time zone DEFAULT NULL::timestamp with time zone, p_offset integer DEFAULT 0, p_limit integer DEFAULT 100)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_since timestamptz := coalesce(p_since, '-infinity');
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.may('operator');
  if not exists (select from public.settings s where s.key = p_flag_key)
    and not exists (select from private.affected_people a where a.flag_key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404', hint = 'gatelink flags list';
  end if;
  return jsonb_build_object('flag_key', p_flag_key, 'since', p_since,
    'people', (select count(*) from private.affected_people a where a.flag_key = p_flag_key and a.last_at >= v_since),
    'contacts', (
      select count(distinct private.contact_of_subject(a.subject_id)) from private.affected_people a where a.flag_key = p_flag_key and a.last_at >= v_since),
    'failures', (
      select coalesce(sum(m.failed), 0) from public.flag_metrics m
      where m.flag_key = p_flag_key and m.arm = 'on' and m.minute >= v_since and m.failed > 0),
    'rows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'subject_id', case when v_whole or k.id is not null then a.subject_id else '…' || right(a.subject_id, least(4, length(a.subject_id) / 2)) end,
        'contact_id', k.id, 'last_four', private.contact_last_four(k.id), 'failures', a.failures, 'first_at', a.first_at, 'last_at', a.last_at)
        order by a.last_at desc, a.subject_id), '[]')
      from (
        select * from private.affected_people x
        where x.flag_key = p_flag_key and x.last_at >= v_since
        order by x.last_at desc, x.subject_id
        offset greatest(coalesce(p_offset, 0), 0)
        limit least(greatest(coalesce(p_limit, 100), 1), 1000)) a
      cross join lateral (select private.contact_of_subject(a.subject_id) as id) k));
end $function$;
grant execute on function public.list_affected(p_flag_key text, p_since timestamp with time zone, p_offset integer, p_limit integer) to authenticated, service_role;

-- Announcements with their figures, latest first. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_announcements(p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(private.announcement_view(a, clock_timestamp()) order by a.id desc), '[]')
    from (select * from public.announcements x order by x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) a);
end $function$;
grant execute on function public.list_announcements(p_limit integer) to authenticated, service_role;

-- Conversations with their latest message, newest first: [{id, channel, number_id, number, contact: {id, last_four,
-- name}, window_closes_at, opted_out_at, unrouted_since, last: {id, direction, type, text, status, created_at}}].
-- p_before is last.id of the page before; at most 200. Name and text are null for viewers. For viewers and secret
-- keys.
CREATE OR REPLACE FUNCTION public.list_conversations(p_before uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(private.conversation_view(c, x.m, v_words) order by (x.m).id desc), '[]')
    from (
      select m from public.messages m
      where m.id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and not exists (
          select from public.messages n where n.conversation_id = m.conversation_id and n.seq > m.seq)
      order by m.id desc limit least(greatest(p_limit, 1), 200)
    ) x
    join public.conversations c on c.id = (x.m).conversation_id);
end $function$;
grant execute on function public.list_conversations(p_before uuid, p_limit integer) to authenticated, service_role;

-- Deliveries given up, latest first: [{id, message_id, conversation_id, last_four, destination, type, attempt,
-- last_error, dropped_reason, created_at, updated_at}]. Filter: any of destination (name), error (words of it),
-- dropped (true: those that a person dropped), and before_at with before_id, which are updated_at and id of the last
-- of the page before; at most 200. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_dead_letters(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_found jsonb;
begin
  perform private.require_role('viewer');
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(jsonb_build_object(''id'', d.id, ''message_id'', d.message_id,
        ''conversation_id'', d.conversation_id, ''last_four'', private.contact_last_four(c.contact_id), ''destination'', t.name,
        ''type'', m.type, ''attempt'', d.attempt, ''last_error'', d.last_error, ''dropped_reason'', d.dropped_reason,
        ''created_at'', d.created_at, ''updated_at'', d.updated_at) order by d.updated_at desc, d.id desc), ''[]'')
     from (select * from public.deliveries d where d.state = ''dead'' and %s
       order by d.updated_at desc, d.id desc limit $2) d
     join public.destinations t on t.id = d.destination_id
     join public.messages m on m.id = d.message_id
     join public.conversations c on c.id = d.conversation_id',
    concat_ws(' and ',
      case when p_filter ->> 'dropped' = 'true' then 'd.dropped_reason is not null' else 'd.dropped_reason is null' end,
      case when p_filter ? 'destination' then
        'd.destination_id = (select x.id from public.destinations x where x.name = $1 ->> ''destination'')' end,
      case when p_filter ? 'error' then 'strpos(lower(d.last_error), lower($1 ->> ''error'')) > 0' end,
      case when p_filter ? 'before_id' then
        '(d.updated_at, d.id) < (($1 ->> ''before_at'')::timestamptz, ($1 ->> ''before_id'')::uuid)' end))
  using p_filter, least(greatest(p_limit, 1), 200) into v_found;
  return v_found;
end $function$;
grant execute on function public.list_dead_letters(p_filter jsonb, p_limit integer) to authenticated, service_role;

-- The latest feedback, of all or of a flag's rollouts: [{id, at, kind, rating, positive, source, who: the last
-- characters of the id, text: for operators, message_id, counts_for}]. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_feedback(p_flag_key text DEFAULT NULL::text, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_whole boolean;
begin
  perform private.require_role('viewer');
  v_whole := private.may('operator');
  return (
    select coalesce(jsonb_agg(x.item order by x.id desc), '[]')
    from (
      select f.id, jsonb_build_object('id', f.id, 'at', f.at, 'kind', f.kind, 'rating', f.rating, 'positive', f.positive, 'source', f.source,
        -- As of contacts: of an address its host, of anything else four characters, and never all of them.
        'who', coalesce(substring(f.subject_id from '@[^@]*$'), right(f.subject_id, least(4, char_length(f.subject_id) / 2))), 'text', case when v_whole then f.text end, 'message_id', f.message_id, 'counts_for', (
          select coalesce(jsonb_agg(jsonb_build_object('flag_key', r.flag_key, 'rollout_id', r.id, 'stage', o.stage, 'arm', o.arm)
            order by r.flag_key), '[]')
          from public.rollout_feedback o join public.rollouts r on r.id = o.rollout_id where o.feedback_id = f.id)) as item
      from public.feedback f
      where p_flag_key is null or exists (
        select from public.rollout_feedback o join public.rollouts r on r.id = o.rollout_id
        where o.feedback_id = f.id and r.flag_key = p_flag_key)
      order by f.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) x);
end $function$;
grant execute on function public.list_feedback(p_flag_key text, p_limit integer) to authenticated, service_role;

-- Incidents, the open ones (p_open true), the resolved ones (false) or both: open and severe ones first, then the
-- latest. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_incidents(p_open boolean DEFAULT NULL::boolean, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(to_jsonb(i) - 'escalates_from' order by i.status = 'resolved', case when i.status <> 'resolved' then i.severity end, i.number desc), '[]')
    from (
      select * from public.incidents x where (x.status <> 'resolved') = coalesce(p_open, x.status <> 'resolved')
      order by x.status = 'resolved', x.number desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) i);
end $function$;
grant execute on function public.list_incidents(p_open boolean, p_limit integer) to authenticated, service_role;

-- Flags whose kill switch is set in the environment: [{flag_key, since}]. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_kill_switches()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('flag_key', k.flag_key, 'since', k.since) order by k.flag_key), '[]')
    from private.kill_switches k where k.seen_at > clock_timestamp() - interval '10 minutes');
end $function$;
grant execute on function public.list_kill_switches() to authenticated, service_role;

-- Links, newest first, at most p_limit. Filter: any of code, external_id, tag (a list: links with all of them),
-- campaign, title and note (a part of it, in any case), state (without it all but deleted ones), and after_at with
-- after_code, which are created_at and code of the last one of the page before. For secret keys.
CREATE OR REPLACE FUNCTION public.list_links(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_links jsonb;
begin
  perform private.refuse_older_code();
  -- Each filter that is absent falls away before it is planned, so that a page costs a page.
  execute format(
    'select coalesce(jsonb_agg(private.link_view(x.l) order by x.created_at desc, x.code desc), ''[]'')
     from (select l, l.created_at, l.code from public.links l where %s order by l.created_at desc, l.code desc limit $2) x',
    concat_ws(' and ',
      case when p_filter ? 'state' then 'l.state = $1 ->> ''state''' else 'l.state <> ''deleted''' end,
      case when p_filter ? 'code' then 'l.code = $1 ->> ''code''' end,
      case when p_filter ? 'external_id' then 'l.external_id = $1 ->> ''external_id''' end,
      case when p_filter ? 'title' then 'l.title is not null and strpos(lower(l.title), lower($1 ->> ''title'')) > 0' end,
      case when p_filter ? 'note' then 'l.note is not null and strpos(lower(l.note), lower($1 ->> ''note'')) > 0' end,
      case when p_filter ? 'tag' then 'l.tags @> array(select jsonb_array_elements_text($1 -> ''tag''))' end,
      case when p_filter ? 'campaign' then 'l.campaign = $1 ->> ''campaign''' end,
      case when p_filter ? 'after_code' then
        '(l.created_at, l.code) < (($1 ->> ''after_at'')::timestamptz, ($1 ->> ''after_code'') collate "C")' end))
  using p_filter, p_limit into v_links;
  return v_links;
end $function$;
grant execute on function public.list_links(p_filter jsonb, p_limit integer) to service_role;

-- Business metrics of the last days (1 to 400): [{name, since, n, value, days: [{day, n, value}]}]. For viewers and
-- secret keys.
CREATE OR REPLACE FUNCTION public.list_metrics(p_days integer DEFAULT 14)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', b.name, 'since', b.created_at, 'n', t.n, 'value', t.value, 'days', t.days) order by b.name), '[]')
    from public.business_metrics b
    cross join lateral (
      select coalesce(sum(d.n), 0) as n, coalesce(sum(d.value), 0) as value,
        coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'n', d.n, 'value', d.value) order by d.day), '[]') as days
      from (
        select x.day, sum(x.n) as n, sum(x.value) as value from public.metric_days x
        where x.name = b.name and x.day > (clock_timestamp() at time zone 'UTC')::date - least(greatest(coalesce(p_days, 14), 1), 400)
        group by x.day) d) t);
end $function$;
grant execute on function public.list_metrics(p_days integer) to authenticated, service_role;

-- Reports, latest first, of one flag's rollouts or all: [{id, kind, rollout_id, flag_key, period_from, due_at,
-- figures, look, created_at}]. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_reports(p_flag_key text DEFAULT NULL::text, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(to_jsonb(r) order by r.due_at desc, r.id desc), '[]')
    from (
      select * from public.reports x where p_flag_key is null or x.flag_key = p_flag_key
      order by x.due_at desc, x.id desc limit least(greatest(coalesce(p_limit, 50), 1), 500)) r);
end $function$;
grant execute on function public.list_reports(p_flag_key text, p_limit integer) to authenticated, service_role;

-- The team: [{user_id, email, role, approvals, created_at, can_sign_in}]. Its members know each other's addresses;
-- histories name people by user_id. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.list_team()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('user_id', m.user_id, 'email', u.email, 'role', m.role,
      'approvals', m.approvals, 'created_at', m.created_at, 'can_sign_in', private.can_sign_in(m.user_id)) order by u.email), '[]')
    from public.team_members m join auth.users u on u.id = m.user_id);
end $function$;
grant execute on function public.list_team() to authenticated, service_role;

-- Deliveries that wait, the first of each conversation and destination, those that wait longest from now on first:
-- [{id, message_id, conversation_id, last_four, destination, type, state, attempt, last_error, next_attempt_at,
-- created_at, behind: how many wait behind it}]. Filter: destination (name); at most 200. For viewers and secret
-- keys.
CREATE OR REPLACE FUNCTION public.list_waiting(p_filter jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
begin
  perform private.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'message_id', d.message_id,
      'conversation_id', d.conversation_id, 'last_four', private.contact_last_four(c.contact_id), 'destination', t.name,
      'type', m.type, 'state', d.state, 'attempt', d.attempt, 'last_error', d.last_error,
      'next_attempt_at', d.next_attempt_at, 'created_at', d.created_at,
      'behind', (
        select count(*) - 1 from public.deliveries x
        where x.destination_id = d.destination_id and x.conversation_id = d.conversation_id and x.state in ('pending', 'leased')))
      order by l.due_at desc, d.id desc), '[]')
    from (
      select l.destination_id, l.conversation_id, l.due_at
      from (
        select * from private.delivery_lanes w where w.due_at is not null and w.lease is null
        union all
        select * from private.delivery_lanes w where w.lease is not null) l
      where l.destination_id in (
        select x.id from public.destinations x where x.name = coalesce(p_filter ->> 'destination', x.name))
      order by l.due_at desc limit least(greatest(p_limit, 1), 200)
    ) l
    cross join lateral (
      select * from public.deliveries d
      where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id and d.state in ('pending', 'leased')
      order by d.seq limit 1
    ) d
    join public.destinations t on t.id = d.destination_id
    join public.messages m on m.id = d.message_id
    join public.conversations c on c.id = d.conversation_id);
end $function$;
grant execute on function public.list_waiting(p_filter jsonb, p_limit integer) to authenticated, service_role;

-- What the edge functions keep in memory: {revision, settings, segments, routes, destinations, allowlist}, or
-- {revision, unchanged: true} when the caller has that revision.
CREATE OR REPLACE FUNCTION public.load_config(p_revision bigint DEFAULT NULL::bigint)
 RETURNS json
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET lock_timeout TO '1500ms'
AS $function$
declare
  v_revision bigint;
begin
  perform private.refuse_older_code();
  select c.revision into v_revision from private.config_now() c;
  if v_revision = p_revision then
    return json_build_object('revision', v_revision, 'unchanged', true);
  end if;
  return json_build_object(
    'revision', v_revision,
    'settings', private.config_settings(),
    'segments', private.config_segments(),
    'routes', (
      select coalesce(json_agg(json_build_object(
        'id', r.id, 'name', r.name, 'priority', r.priority, 'condition', r.condition, 'mode', r.mode,
        'destination_ids', (
          select coalesce(json_agg(d.destination_id order by d.position), '[]') from public.route_destinations d
          where d.route_id = r.id),
        'flag_key', r.flag_key, 'sticky_minutes', r.sticky_minutes, 'active', r.active,
        'channels', r.channels) order by r.priority, r.id), '[]')
      from public.routes r),
    'destinations', (
      select coalesce(json_agg(json_build_object('id', d.id, 'name', d.name, 'kind', d.kind, 'url', d.url, 'state', d.state,
        'circuit_open', d.circuit_trips > 0) order by d.name), '[]')
      from public.destinations d where d.removed_at is null),
    'allowlist', (
      select coalesce(json_agg(json_build_object('pattern', a.pattern, 'purpose', a.purpose) order by a.purpose, a.pattern), '[]')
      from public.destination_allowlist a));
end $function$;
grant execute on function public.load_config(p_revision bigint) to service_role;

-- All that is known of one message: as conversation_messages gives it, with conversation, attribution, decision (with
-- its explanation), outbound, written_by and attempts (answers without the contact's ids and cut to 2,000
-- characters); null if there is none. Words and answers are null for viewers. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.message_story(p_message_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select private.message_view(m, c.contact_id, v_words) || jsonb_build_object(
      'conversation', private.conversation_view(c, null::public.messages, v_words),
      'attribution', (
        select jsonb_build_object('code', a.code, 'confidence', a.confidence, 'reason', a.reason,
          'first_touch', a.first_touch, 'clicked_at', a.clicked_at)
        from public.attributions a where a.message_id = m.id),
      'decision', (
        select jsonb_build_object('route_id', r.route_id, 'name', r.route_name, 'reason', r.reason,
          'explanation', r.explanation, 'decided_at', r.decided_at)
        from public.routing_decisions r where r.message_id = m.id),
      'outbound', (
        select jsonb_build_object('state', o.state, 'attempt', o.attempt,
          'error', private.error_view(o.error, c.contact_id, v_words),
          'next_attempt_at', case when o.state = 'queued' then o.next_attempt_at end, 'used_fallback', o.used_fallback)
        from public.outbound_messages o where o.message_id = m.id),
      'written_by', (select x.by from public.contact_acts x where x.message_id = m.id and x.act = 'replied'),
      'attempts', (
        select coalesce(jsonb_agg(jsonb_build_object('delivery_id', a.delivery_id, 'attempt', a.attempt,
          'outcome', a.outcome, 'status', a.status, 'latency_ms', a.latency_ms, 'error', a.error,
          'answer', case when v_words then left(private.quoted(a.answer, c.contact_id), 2000) end, 'at', a.at) order by a.at, a.attempt), '[]')
        from public.deliveries d join public.delivery_attempts a on a.delivery_id = d.id where d.message_id = m.id))
    from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.id = p_message_id);
end $function$;
grant execute on function public.message_story(p_message_id uuid) to authenticated, service_role;

-- Everything that the function metrics prints, as it stands now. For secret keys.
CREATE OR REPLACE FUNCTION public.metrics()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select jsonb_build_object(
    'revision', (select r.revision from private.config_now() r),
    'counters', (
      select coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'label', c.label, 'value', c.value) order by c.name, c.label), '[]')
      from (select k.name, k.label, sum(k.value) as value from public.counters k group by k.name, k.label) c),
    'measurements', (
      select coalesce(jsonb_agg(jsonb_build_object('name', m.name, 'label', m.label, 'n', m.n, 'ms', m.ms, 'counts', m.counts)
        order by m.name, m.label), '[]')
      from public.measurements m where m.minute = '-infinity'),
    'clock_at', (
      select extract(epoch from m.last_at) from public.measurements m
      where m.name = 'messages' and m.label = 'in' and m.minute = '-infinity'),
    'health', private.health(clock_timestamp()),
    'queue', private.waiting(clock_timestamp()),
    'overdue_seconds', private.overdue_seconds(clock_timestamp()),
    'held', (
      select coalesce(jsonb_agg(jsonb_build_object('channel', s.channel, 'sender', s.id, 'code', coalesce(s.held_code, ''))
        order by s.channel, s.id), '[]')
      from public.senders s where s.held_since is not null),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('name', d.name,
        'state', private.shown_state(d.state, d.circuit_open_until),
        'open', q.n, 'oldest_seconds', q.oldest_seconds, 'dead', dead.n) order by d.name), '[]')
      from public.destinations d
      cross join lateral (
        select count(*) as n, coalesce(round(extract(epoch from clock_timestamp() - min(x.created_at))), 0) as oldest_seconds
        from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
      cross join lateral (
        select count(*) as n from public.deliveries x
        where x.state = 'dead' and x.dropped_reason is null and x.destination_id = d.id) dead
      where d.removed_at is null),
    'incidents', (
      select jsonb_agg(jsonb_build_object('severity', s.severity, 'open', o.n, 'unacknowledged_seconds', o.seconds) order by s.severity)
      from private.incident_severities() s
      cross join lateral (
        select count(*) as n, coalesce(round(extract(epoch from clock_timestamp()
          - min(i.opened_at) filter (where i.acknowledged_at is null))), 0) as seconds
        from public.incidents i where i.severity = s.severity and i.status <> 'resolved') o),
    'links_guessed', jsonb_array_length(public.guessed_links()),
    'business', (
      select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'n', d.n, 'value', d.value) order by d.name), '[]')
      from (select x.name, sum(x.n) as n, sum(x.value) as value from public.metric_days x group by x.name) d),
    'flags', (
      select coalesce(jsonb_agg(jsonb_build_object('key', s.key, 'on', s.value = 'true', 'percentage', s.metadata -> 'rollout_percentage')
        order by s.key), '[]')
      from public.settings s where s.key like '%.enabled'),
    'rollouts', (
      -- The latest of each flag.
      select coalesce(jsonb_agg(jsonb_build_object('flag', r.flag_key, 'state', r.state, 'stage', r.stage,
        'percentage', coalesce(s.percentage, 0), 'hold_reason', r.hold_reason,
        'finished_at', extract(epoch from r.finished_at),
        -- S of each test while it is under way, the largest over its alternatives, in millionths.
        's', case when r.state in ('running', 'paused') then jsonb_build_object(
          'errors', private.largest(r.guard #> '{errors,absolute}'), 'errors_relative', private.largest(r.guard #> '{errors,relative}'),
          'slow', private.largest(r.guard #> '{slow,absolute}'), 'slow_relative', private.largest(r.guard #> '{slow,relative}'),
          'longer', private.largest(r.guard #> '{shift,s}')) end,
        'killed', private.killed_since(r.flag_key, clock_timestamp()) is not null,
        'signals', case when r.state in ('running', 'paused') then (
          select jsonb_build_object('complaints', x.seen -> 'complaints', 'ratings', x.seen -> 'ratings', 'positive', x.seen -> 'positive',
            'metrics', (
              select coalesce(jsonb_agg(jsonb_build_object('name', m.item -> 'name', 'on', m.item -> 'on', 'off', m.item -> 'off',
                'per_day', m.item -> 'per_day', 's', case when a.item ? 'max_fall' and s.percentage > 0 and s.percentage < 100
                  then private.fall_s((s.percentage / 100)::double precision, (a.item ->> 'max_fall')::double precision,
                    (m.item ->> 'on_weight')::bigint, (m.item ->> 'off_weight')::bigint) end) order by m.place), '[]')
              from jsonb_array_elements(x.seen -> 'metrics') with ordinality as m (item, place)
              join jsonb_array_elements(s.metrics) with ordinality as a (item, place) on a.place = m.place))
          from (select private.signals_seen(r, s, clock_timestamp()) as seen) x) end,
        'verdict', (
          select jsonb_build_object('verdict', e.verdict, 'rule', e.rule, 'at', extract(epoch from e.at))
          from public.rollout_events e where e.rollout_id = r.id and e.verdict is not null order by e.at desc, e.id desc limit 1)
        ) order by r.flag_key), '[]')
      from (select distinct on (x.flag_key) x.* from public.rollouts x order by x.flag_key, x.created_at desc) r
      left join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage))
$function$;
grant execute on function public.metrics() to service_role;

-- Moves a route that is still at the version the caller read directly before another one, or to the end with null;
-- routes with the condition default move among themselves. Returns the new order of all, [{id, priority, version}]:
-- the priority of others may change too. For operators and secret keys. Errors: 42501 not allowed, GL404 no such
-- route, GL409 it was changed in the meantime, GL422 a fallback before a route that is not one.
CREATE OR REPLACE FUNCTION public.move_route(p_id uuid, p_version integer, p_before uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_route public.routes;
  v_next public.routes;
  v_order uuid[];
  v_place integer;
  v_above integer;
  v_below integer;
  v_changed uuid[];
begin
  perform private.require_role('operator');
  lock table public.routes in share row exclusive mode;
  v_route := private.route_at(p_id, p_version);
  if p_before is not null then
    select * into v_next from public.routes r where r.id = p_before;
    if not found then
      raise exception 'there is no such route to come before' using errcode = 'GL404';
    end if;
    if private.is_fallback(v_next.condition) is distinct from private.is_fallback(v_route.condition) then
      raise exception 'routes with the condition default are asked after all others' using errcode = 'GL422';
    end if;
  end if;
  v_order := array(
    select r.id from public.routes r
    where r.id <> p_id and private.is_fallback(r.condition) = private.is_fallback(v_route.condition)
    order by r.priority, r.id);
  v_place := coalesce(array_position(v_order, p_before), cardinality(v_order) + 1);
  select r.priority into v_above from public.routes r where r.id = v_order[v_place - 1];
  select r.priority into v_below from public.routes r where r.id = v_order[v_place];
  v_above := coalesce(v_above, v_below - 20, v_route.priority - 10);
  v_below := coalesce(v_below, v_above + 20);
  if v_below - v_above >= 2 then
    v_order := array[p_id];
    v_above := v_above + (v_below - v_above) / 2 - 10;
  else
    v_order := v_order[:v_place - 1] || p_id || v_order[v_place:];
    v_above := 0;
  end if;
  v_changed := array(
    select r.id from unnest(v_order) with ordinality as o (id, place) join public.routes r on r.id = o.id
    where r.priority <> v_above + 10 * o.place);
  perform private.record_route(id) from unnest(v_changed) as id;
  update public.routes r
  set priority = v_above + 10 * array_position(v_order, r.id), version = r.version + 1, updated_at = clock_timestamp(),
    updated_by = private.actor()
  where r.id = any (v_changed);
  perform private.record_route(id) from unnest(v_changed) as id;
  return (
    select jsonb_agg(jsonb_build_object('id', r.id, 'priority', r.priority, 'version', r.version) order by r.priority, r.id)
    from public.routes r);
end $function$;
grant execute on function public.move_route(p_id uuid, p_version integer, p_before uuid) to authenticated, service_role;

-- Who the contacts of these ids are, redacted, so that a list of targets shows people: [{id, last_four, name}], for
-- the first 500 ids, without those that are no contact. The name is null for viewers. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.name_contacts(p_ids text[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_words boolean;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'last_four', private.contact_last_four(coalesce(c.merged_into, c.id)),
      'name', case when v_words then coalesce(into_.name, c.name) end)), '[]')
    from public.contacts c left join public.contacts into_ on into_.id = c.merged_into
    where c.id = any (array(
      select asked.id::uuid from unnest(p_ids[1:500]) as asked (id)
      where asked.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')));
end $function$;
grant execute on function public.name_contacts(p_ids text[]) to authenticated, service_role;

-- Opens an incident of a kind of the decision matrix, which says how severe it is unless p_severity does. Severe ones
-- (P0, P1, security, critical_bug) take the rollout under way of their flag back and stop launches. p_note is for the
-- team, p_public_text for the status page. For operators and secret keys. Errors: 42501 not allowed, GL404 no such
-- flag, GL422 or 23514 what cannot be.
CREATE OR REPLACE FUNCTION public.open_incident(p_title text, p_kind text DEFAULT 'other'::text, p_severity text DEFAULT NULL::text, p_flag_key text DEFAULT NULL::text, p_component text DEFAULT NULL::text, p_public boolean DEFAULT false, p_note text DEFAULT NULL::text, p_public_text text DEFAULT NULL::text)
 RETURNS incidents
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET lock_timeout TO '3s'
AS $function$
begin
  perform private.require_role('operator');
  if p_flag_key is not null and not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  elsif p_public_text is not null and not coalesce(p_public, false) then
    raise exception 'words for the public need a public incident' using errcode = 'GL422', hint = 'p_public: true';
  end if;
  return private.open_incident(p_title, p_kind, p_severity, p_flag_key, p_component, coalesce(p_public, false), null,
    private.given_reason(p_note), private.given_reason(p_public_text), null, clock_timestamp());
end $function$;
grant execute on function public.open_incident(p_title text, p_kind text, p_severity text, p_flag_key text, p_component text, p_public boolean, p_note text, p_public_text text) to authenticated, service_role;

-- Whether things are well, over the last minutes (1 to 1440): {at, health: [{component, status, because, figures}],
-- per_minute: [{minute, in, out}], functions: [{name, requests, errors, p50_ms, p95_ms, p99_ms}], queue: {unrouted,
-- deliveries, outbound: {n, oldest_seconds}}, dead_letters, incidents: those that are open [{number, title, kind,
-- severity, status, flag_key, component, public, opened_at, acknowledged_at, version}], rollouts: [{id, flag_key,
-- state, stage, stage_name, percentage, hold_reason, killed_since}], changes: [{at, kind, name, change, figures, who,
-- why}]}. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.overview(p_minutes integer DEFAULT 60)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return private.overview(least(greatest(coalesce(p_minutes, 60), 1), 1440), clock_timestamp());
end $function$;
grant execute on function public.overview(p_minutes integer) to authenticated, service_role;

-- Keeps a rollout where it is. The guard still watches, and rolls back. For operators and secret keys. Errors: GL409
-- stale version or not running, GL404.
CREATE OR REPLACE FUNCTION public.pause_rollout(p_id uuid, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['running']);
  update public.rollouts r set state = 'paused', hold_reason = 'paused', version = r.version + 1 where r.id = p_id returning r.* into v_rollout;
  perform private.log_rollout(v_rollout, clock_timestamp(), 'paused',
    jsonb_build_object('stage', (private.rollout_stage(v_rollout)).name), p_reason => p_reason);
  return v_rollout;
end $function$;
grant execute on function public.pause_rollout(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- A built-in plan (standard, canary) as {name, stages}, to begin a plan of one's own with; the first stage of
-- standard still needs user_ids or segments. Null for another name. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.plan_of_template(p_name text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return private.rollout_template(p_name, null, null);
end $function$;
grant execute on function public.plan_of_template(p_name text) to authenticated, service_role;

-- An announcement with its figures and a page of its people after a contact's id: {…, recipients: [{contact_id,
-- last_four, state, why, message_id, at, status}]}. For viewers and secret keys. GL404 where there is none.
CREATE OR REPLACE FUNCTION public.read_announcement(p_id uuid, p_after uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('viewer');
  select * into v_announcement from public.announcements a where a.id = p_id;
  if v_announcement.id is null then
    raise exception 'there is no such announcement' using errcode = 'GL404', hint = 'gatelink announce list';
  end if;
  return private.announcement_view(v_announcement, clock_timestamp()) || jsonb_build_object('recipients', (
    select coalesce(jsonb_agg(jsonb_build_object('contact_id', r.contact_id, 'last_four', private.contact_last_four(r.contact_id),
      'state', r.state, 'why', r.why, 'message_id', r.message_id, 'at', r.at,
      'status', (select m.status from public.messages m where m.id = r.message_id)) order by r.contact_id), '[]')
    from (
      select * from public.announcement_recipients x
      where x.announcement_id = p_id and (p_after is null or x.contact_id > p_after)
      order by x.contact_id limit least(greatest(coalesce(p_limit, 50), 1), 1000)) r));
end $function$;
grant execute on function public.read_announcement(p_id uuid, p_after uuid, p_limit integer) to authenticated, service_role;

-- An incident with its updates, oldest first, and the way back that was taken: {…, updates, rollback, rollout}. For
-- viewers and secret keys. GL404 where there is none.
CREATE OR REPLACE FUNCTION public.read_incident(p_number bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents;
begin
  perform private.require_role('viewer');
  select * into v_incident from public.incidents i where i.number = p_number;
  if v_incident.id is null then
    raise exception 'there is no incident %', p_number using errcode = 'GL404', hint = 'gatelink incident list';
  end if;
  return to_jsonb(v_incident) - 'escalates_from' || jsonb_build_object(
    'updates', (
      select jsonb_agg(to_jsonb(u) - 'incident_id' order by u.at, u.id) from public.incident_updates u where u.incident_id = v_incident.id),
    'rollback', (select to_jsonb(b) - 'steps' from public.rollback_events b where b.id = v_incident.rollback_id),
    'rollout', (
      select jsonb_build_object('id', r.id, 'flag_key', r.flag_key, 'state', r.state, 'finished_at', r.finished_at)
      from public.rollouts r where r.id = v_incident.rollout_id));
end $function$;
grant execute on function public.read_incident(p_number bigint) to authenticated, service_role;

-- One report, as list_reports gives it. For viewers and secret keys. GL404 where there is none.
CREATE OR REPLACE FUNCTION public.read_report(p_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_report public.reports;
begin
  perform private.require_role('viewer');
  select * into v_report from public.reports r where r.id = p_id;
  if v_report.id is null then
    raise exception 'there is no such report' using errcode = 'GL404', hint = 'gatelink report list';
  end if;
  return to_jsonb(v_report);
end $function$;
grant execute on function public.read_report(p_id uuid) to authenticated, service_role;

-- Proves in one snapshot that nothing was lost: {ok, checks: [{name, ok, expected, found}], updates, messages,
-- deliveries}.
CREATE OR REPLACE FUNCTION public.reconcile()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
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
$function$;
grant execute on function public.reconcile() to service_role;

-- Writes a batch of clicks and counts them, once however often the batch is sent. A click is a line, its fields with
-- a space between two of them, empty where it has none: code, time (Unix milliseconds), platform, visitor (16 digits
-- of hex), verdict (human), target (web), reason, country, referrer, fingerprint (16 digits of hex), token, user,
-- rule, 1 for a QR code. For secret keys.
CREATE OR REPLACE FUNCTION public.record_clicks(p_batch uuid, p_slot integer, p_clicks text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
  v_zone text := private.team_zone();
begin
  perform private.refuse_older_code();
  insert into private.click_batches (id) values (p_batch) on conflict (id) do nothing;
  if not found then
    return;
  end if;
  with given as (
    select f.field[1] collate "C" as code, to_timestamp(f.field[2]::float8 / 1000) as at, f.field[3] as platform,
      ('x' || f.field[4])::bit(64)::bigint as visitor, coalesce(f.field[5], 'human') as verdict,
      coalesce(f.field[6], 'web') as target, f.field[7] as reason, f.field[8] as country, f.field[9] as referrer,
      ('x' || f.field[10])::bit(64)::bigint as fingerprint, f.field[11] as token, f.field[12] as user_id,
      f.field[13]::smallint as rule, f.field[14]::boolean as qr
    from (
      -- Once a line, and not once for each use of it.
      select string_to_array(c.line, ' ', '') as field from string_to_table(p_clicks, E'\n') as c (line) offset 0
    ) f
  ), written as (
    insert into public.clicks (code, at, verdict, reason, target, platform, country, referrer, visitor, user_id, token, fingerprint, rule, qr)
    select g.code, g.at, g.verdict, g.reason, g.target, g.platform, g.country, g.referrer, g.visitor, g.user_id, g.token, g.fingerprint, g.rule, g.qr
    from given g
  )
  insert into public.click_counts as n (code, day, slot, human, bot, preview, prefetch, own)
  select g.code, (g.at at time zone v_zone)::date, (p_slot & 15)::smallint,
    count(*) filter (where g.verdict = 'human'), count(*) filter (where g.verdict = 'bot'),
    count(*) filter (where g.verdict = 'preview'), count(*) filter (where g.verdict = 'prefetch'),
    count(*) filter (where g.verdict = 'own')
  from given g
  group by 1, 2 order by 1, 2
  on conflict on constraint click_counts_pkey do update
    set human = n.human + excluded.human, bot = n.bot + excluded.bot,
      preview = n.preview + excluded.preview, prefetch = n.prefetch + excluded.prefetch, own = n.own + excluded.own;
end $function$;
grant execute on function public.record_clicks(p_batch uuid, p_slot integer, p_clicks text) to service_role;

-- Records the router's decisions for conversations: [{id, held, through_seq, sticky_route_id, sticky_until,
-- decisions: [{message_id, route_id, route_name, reason, destination_ids, contact, explanation}]}]. The first
-- decision on a message stands. Creates the deliveries and wakes their lanes, all in one transaction. With p_claim
-- {limit, free, lease_seconds, busy, channels} those that can start at once are claimed for the caller: claim
-- {deliveries, destinations}, as returned by claim_deliveries.
CREATE OR REPLACE FUNCTION public.record_decisions(p_revision bigint, p_conversations jsonb, p_claim jsonb DEFAULT NULL::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_decided integer;
  v_new private.new_delivery[];
  v_claim private.claim;
begin
  perform private.refuse_older_code();
  -- The conversation's lock first, always in the order of ids, as ingest_updates takes it.
  perform from public.conversations
  where id in (select (c ->> 'id')::uuid from jsonb_array_elements(p_conversations) c)
  order by id for update;

  with decided as (
    insert into public.routing_decisions (message_id, route_id, route_name, reason, destination_ids, contact, explanation, revision)
    select d.message_id, r.id, d.route_name, d.reason, coalesce(d.destination_ids, '{}'), d.contact, d.explanation, p_revision
    from jsonb_array_elements(p_conversations) c
    cross join jsonb_to_recordset(c -> 'decisions') as d (
      message_id uuid, route_id uuid, route_name text, reason text, destination_ids uuid[], contact text, explanation jsonb)
    join public.messages m on m.id = d.message_id
    left join public.routes r on r.id = d.route_id
    on conflict (message_id) do nothing
    returning message_id, destination_ids
  )
  select (select count(*) from decided), (
    select array_agg((m.id, t.id, m.conversation_id, m.channel, m.seq)::private.new_delivery order by m.seq)
    from decided
    join public.messages m on m.id = decided.message_id
    cross join unnest(decided.destination_ids) as wanted (id)
    join public.destinations t on t.id = wanted.id)
  into v_decided, v_new;
  if v_new is not null then
    v_claim := private.make_deliveries(v_new, p_claim, v_now);
  end if;

  update public.conversations c
  set routed_seq = greatest(c.routed_seq, w.through_seq),
    sticky_route_id = w.sticky_route_id,
    sticky_until = w.sticky_until,
    held_revision = case when w.held then p_revision end,
    unrouted_since = case when w.held then c.unrouted_since else (
      select min(m.created_at) from public.messages m
      where m.conversation_id = c.id and m.direction = 'in' and m.seq > greatest(c.routed_seq, w.through_seq)
        and not exists (select from public.routing_decisions d where d.message_id = m.id)) end
  from jsonb_to_recordset(p_conversations) as w (
    id uuid, held boolean, through_seq bigint, sticky_route_id uuid, sticky_until timestamptz)
  where c.id = w.id;

  return jsonb_build_object('decided', v_decided, 'deliveries', coalesce(cardinality(v_new), 0))
    || case when v_claim.delivery_ids is null then '{}' else jsonb_build_object('claim', jsonb_build_object(
      'deliveries', private.claimed_deliveries(v_claim.delivery_ids, v_claim.leases),
      'destinations', private.claimed_destinations(array(select distinct n.destination_id from unnest(v_new) n), v_now))) end;
end $function$;
grant execute on function public.record_decisions(p_revision bigint, p_conversations jsonb, p_claim jsonb) to service_role;

-- Writes down what people say [{kind: complaint or rating, subject, rating (1 to 5), text, flag (left out: every
-- feature under way), key}]: {accepted, repeated: known by their key}. What a person had, the flag says. For secret
-- keys. 23514 for what cannot be.
CREATE OR REPLACE FUNCTION public.record_feedback(p_feedback jsonb)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.record_feedback(p_feedback, clock_timestamp());
$function$;
grant execute on function public.record_feedback(p_feedback jsonb) to service_role;

-- Counts business metrics [{name, subject, value (1 unless given), key}], each key once in 8 days: {accepted,
-- repeated}. Under which flags, and what the person had, the rollouts under way say. For secret keys. GL422 for a
-- name that cannot be, or more than 100 of them.
CREATE OR REPLACE FUNCTION public.record_metrics(p_metrics jsonb)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.record_metrics(p_metrics, clock_timestamp());
$function$;
grant execute on function public.record_metrics(p_metrics jsonb) to service_role;

-- Counts visits of unknown codes [{code, which, client}] and takes each from its client's limit (bursts of 20, then
-- one in 5 seconds, over all isolates). code is what may be kept of it if it is a misprint, or its kind in brackets;
-- which tells apart the codes of one call; client is a keyed hash, or absent where no address can be trusted. Answers
-- whom to refuse, [{client, retry_after_ms}]. For secret keys.
CREATE OR REPLACE FUNCTION public.record_orphans(p_visits jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_day date := (clock_timestamp() at time zone 'UTC')::date;
  v_room integer := least(20, 10000 - (select count(*) from public.orphan_visits o where o.day = v_day));
  v_limited jsonb;
begin
  perform private.refuse_older_code();
  insert into public.orphan_visits as o (day, code, visits)
  select v_day, case
      when e.code like '(%' or e.known then e.code
      when e.place <= v_room and length(e.code) <= 40 and private.is_misprint(e.code) then e.code
      else '(other)' end,
    sum(e.visits)
  from (
    select w.code, w.visits, k.known, row_number() over (partition by w.code like '(%', k.known order by w.visits desc, w.code) as place
    from (
      select v.code collate "C" as code, count(*) as visits from jsonb_to_recordset(p_visits) as v (code text)
      group by v.code) w
    cross join lateral (
      select exists (select from public.orphan_visits x where x.day = v_day and x.code = w.code) as known) k
  ) e
  group by 2
  order by 2
  on conflict on constraint orphan_visits_pkey do update set visits = o.visits + excluded.visits;

  -- Each unknown code costs its client one; in the order of keys, so that two batches wait instead of deadlocking.
  select jsonb_agg(jsonb_build_object('client', c.client, 'retry_after_ms', t.retry_after_ms)) into v_limited
  from (
    select v.client, least(count(distinct v.which), 20)::integer as cost
    from jsonb_to_recordset(p_visits) as v (client text, which integer)
    where v.client is not null group by v.client order by v.client) c
  cross join lateral private.take_rate('orphan:' || c.client, 0.2, 20, c.cost, clock_timestamp()) t
  where not t.allowed;
  return coalesce(v_limited, '[]');
end $function$;
grant execute on function public.record_orphans(p_visits jsonb) to service_role;

-- Adds a group of outcomes [{flag, arm, minute (since 1970), n, failed, timed, ms, le, people: [[id, whether it
-- failed, of how many edges it was slower]]}], and notes the flags that were asked for. For secret keys.
CREATE OR REPLACE FUNCTION public.record_outcomes(p_outcomes jsonb, p_evaluated text[] DEFAULT '{}'::text[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.record_evaluations(p_evaluated, clock_timestamp());
  select private.record_outcomes(p_outcomes, clock_timestamp());
$function$;
grant execute on function public.record_outcomes(p_outcomes jsonb, p_evaluated text[]) to service_role;

-- Counts further visits on rows of clicks, [{code, t, v, r, k, p, y, f, h, u, o, g, n, q, c}], once however often the
-- batch is sent: the members are those of _shared/links/clicks/lines.ts, c is how many. For secret keys.
CREATE OR REPLACE FUNCTION public.record_repeats(p_batch uuid, p_slot integer, p_repeats jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_zone text := private.team_zone();
  v_row record;
  v_click tid;
begin
  perform private.refuse_older_code();
  insert into private.click_batches (id) values (p_batch) on conflict (id) do nothing;
  if not found then
    return;
  end if;
  for v_row in
    select r.code, to_timestamp(r.t::float8 / 1000) as at, coalesce(r.v, 'human') as verdict, r.r as reason,
      coalesce(r.k, 'web') as target, r.p as platform, r.y as country, r.f as referrer,
      ('x' || r.h)::bit(64)::bigint as visitor, r.u as user_id, r.o as token, ('x' || r.g)::bit(64)::bigint as fingerprint,
      r.n as rule, r.q as qr, r.c as visits
    from jsonb_to_recordset(p_repeats) as r (
      code text, t bigint, v text, r text, k text, p text, y text, f text, h text, u text, o text, g text, n smallint, q boolean, c integer)
    order by r.code, r.t
  loop
    -- Two rows of the same moment are as good as each other.
    select c.ctid into v_click from public.clicks c
    where c.code = v_row.code and c.at = v_row.at and c.verdict = v_row.verdict
      and c.visitor is not distinct from v_row.visitor and c.token is not distinct from v_row.token
    limit 1 for update;
    if found then
      update public.clicks c set visits = c.visits + v_row.visits where c.ctid = v_click;
    else
      insert into public.clicks (
        code, at, verdict, reason, target, platform, country, referrer, visitor, user_id, token, fingerprint, rule, qr, visits)
      values (v_row.code, v_row.at, v_row.verdict, v_row.reason, v_row.target, v_row.platform, v_row.country, v_row.referrer,
        v_row.visitor, v_row.user_id, v_row.token, v_row.fingerprint, v_row.rule, v_row.qr, v_row.visits);
    end if;
  end loop;
  with given as (
    select r.code, (to_timestamp(r.t::float8 / 1000) at time zone v_zone)::date as day, coalesce(r.v, 'human') as verdict, r.c
    from jsonb_to_recordset(p_repeats) as r (code text, t bigint, v text, c integer)
  )
  insert into public.click_counts as n (code, day, slot, human, bot, preview, prefetch, own)
  select g.code collate "C", g.day, (p_slot & 15)::smallint,
    coalesce(sum(g.c) filter (where g.verdict = 'human'), 0), coalesce(sum(g.c) filter (where g.verdict = 'bot'), 0),
    coalesce(sum(g.c) filter (where g.verdict = 'preview'), 0), coalesce(sum(g.c) filter (where g.verdict = 'prefetch'), 0),
    coalesce(sum(g.c) filter (where g.verdict = 'own'), 0)
  from given g
  group by 1, 2 order by 1, 2
  on conflict on constraint click_counts_pkey do update
    set human = n.human + excluded.human, bot = n.bot + excluded.bot,
      preview = n.preview + excluded.preview, prefetch = n.prefetch + excluded.prefetch, own = n.own + excluded.own;
  perform private.add_measurements((
    select jsonb_agg(jsonb_build_object('name', 'clicks', 'label', m.label, 'n', m.n, 'ms', 0, 'counts', '[]'::jsonb))
    from (
      select coalesce(r.v, 'human') || ' ' || coalesce(r.k, 'web') as label, sum(r.c) as n
      from jsonb_to_recordset(p_repeats) as r (v text, k text, c integer) group by 1) m), clock_timestamp());
end $function$;
grant execute on function public.record_repeats(p_batch uuid, p_slot integer, p_repeats jsonb) to service_role;

-- Writes down a way back that was taken: {level, target, reason, ok, steps, took_ms, began_at}. Answers its id. For
-- operators and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks, 23502 and 23514 for what is missing
-- or cannot be.
CREATE OR REPLACE FUNCTION public.record_rollback(p_event jsonb)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
begin
  perform private.require_role('operator');
  insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by)
  values (
    (p_event ->> 'level')::smallint, p_event ->> 'target', private.given_reason(p_event ->> 'reason'), (p_event ->> 'ok')::boolean,
    p_event -> 'steps', round((p_event ->> 'took_ms')::numeric), (p_event ->> 'began_at')::timestamptz, private.actor())
  returning id into v_id;
  return v_id;
end $function$;
grant execute on function public.record_rollback(p_event jsonb) to authenticated, service_role;

-- What an isolate needs to keep its links current: {since, changed, numbers, zone, visitor_keys, cookie_key}. zone is
-- that of the days of visitor_keys. changed lists the codes of links made or changed since the `since` of an earlier
-- answer; null when all have to be read again. numbers: phone_number_id to the number as people dial it. For secret
-- keys.
CREATE OR REPLACE FUNCTION public.refresh_links(p_since text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_zone text := private.team_zone();
  v_day date := (clock_timestamp() at time zone v_zone)::date;
  v_answer jsonb;
begin
  perform private.refuse_older_code();
  -- The next day's key is there before midnight.
  if (select count(*) from private.visitor_keys k where k.day in (v_day, v_day + 1)) < 2 then
    insert into private.visitor_keys (day) values (v_day), (v_day + 1) on conflict (day) do nothing;
  end if;
  if not exists (select from private.cookie_key) then
    insert into private.cookie_key default values on conflict (one) do nothing;
  end if;
  select jsonb_build_object(
    'since', pg_snapshot_xmin(pg_current_snapshot())::text,
    'changed', case
      when p_since is null or p_since::xid8 > pg_snapshot_xmax(pg_current_snapshot()) then null
      else (
        select case when count(*) <= 1000 then coalesce(jsonb_agg(c.code), '[]') end
        from (select l.code from public.links l where l.changed_in >= p_since::xid8 limit 1001) c) end,
    'numbers', (
      select coalesce(jsonb_object_agg(n.id, regexp_replace(n.display_number, '[^0-9]', '', 'g')), '{}')
      from public.wa_numbers n where n.display_number ~ '[0-9]'),
    'zone', v_zone,
    'visitor_keys', (
      select jsonb_object_agg(k.day, k.key) from private.visitor_keys k where k.day between v_day - 1 and v_day + 1),
    'cookie_key', (select c.key from private.cookie_key c))
  into v_answer;
  return v_answer;
end $function$;
grant execute on function public.refresh_links(p_since text) to service_role;

-- Removes a destination that no route leads to, with its secrets; past deliveries keep its name, which another may
-- use. With a reason, waiting deliveries and dead letters are dropped too. Returns {id, name, dropped}. For operators
-- and secret keys. Errors: 42501 not allowed, GL404 no such destination, GL409 routes lead there, or deliveries wait
-- or are dead and no reason is given, GL422 a reason that names a contact.
CREATE OR REPLACE FUNCTION public.remove_destination(p_name text, p_reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
  v_routes text;
  v_open uuid[];
  v_dead uuid[];
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  perform private.lock_lanes(v_open);
  perform from public.destinations d where d.id = v_id for update;
  select string_agg(r.name, ', ' order by r.priority, r.id) into v_routes
  from public.route_destinations x join public.routes r on r.id = x.route_id where x.destination_id = v_id;
  if v_routes is not null then
    raise exception 'routes lead to %: %', p_name, v_routes using errcode = 'GL409',
      hint = 'Give these routes another destination, or remove them, first.';
  end if;
  v_open := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state in ('pending', 'leased'));
  v_dead := array(select d.id from public.deliveries d where d.destination_id = v_id and d.state = 'dead' and d.dropped_reason is null);
  if cardinality(v_open) + cardinality(v_dead) > 0 and coalesce(trim(p_reason), '') = '' then
    raise exception '% deliveries to % wait, and % are dead letters', cardinality(v_open), p_name, cardinality(v_dead)
      using errcode = 'GL409', hint = 'Give a reason to drop them with, or let them be delivered first.';
  end if;
  -- Deliveries under way are fenced off by their lease.
  update private.delivery_lanes set lease = null, due_at = null
  where destination_id = v_id and (lease is not null or due_at is not null);
  update public.deliveries set state = 'pending' where id = any (v_open) and state = 'leased';
  if cardinality(v_open) + cardinality(v_dead) > 0 then
    perform public.drop_deliveries(v_open || v_dead, p_reason);
  end if;
  delete from private.destination_secrets where destination_id = v_id;
  update public.destinations
  set state = 'paused', removed_at = clock_timestamp(), paused_because = null, version = version + 1,
    circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false,
    updated_at = clock_timestamp(), updated_by = private.actor()
  where id = v_id;
  return jsonb_build_object('id', v_id, 'name', p_name, 'dropped', cardinality(v_open) + cardinality(v_dead));
end $function$;
grant execute on function public.remove_destination(p_name text, p_reason text) to authenticated, service_role;

-- Takes people and segments off a flag's targets; who was none is no error. For operators and secret keys. Errors:
-- GL409 somebody else was faster, GL404 a number that nobody has, GL422.
CREATE OR REPLACE FUNCTION public.remove_flag_targets(p_key text, p_expected_version bigint, p_user_ids text[] DEFAULT '{}'::text[], p_phones text[] DEFAULT '{}'::text[], p_segments text[] DEFAULT '{}'::text[], p_reason text DEFAULT NULL::text)
 RETURNS settings
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_flag public.settings;
  v_metadata jsonb;
begin
  perform private.require_role('operator');
  v_flag := private.flag_at(p_key, p_expected_version);
  v_metadata := v_flag.metadata;
  if v_metadata ? 'target_user_ids' then
    v_metadata := jsonb_set(v_metadata, '{target_user_ids}',
      (v_metadata -> 'target_user_ids') - private.subject_ids(p_user_ids, p_phones));
  end if;
  if v_metadata ? 'target_segments' then
    v_metadata := jsonb_set(v_metadata, '{target_segments}', (v_metadata -> 'target_segments') - coalesce(p_segments, '{}'));
  end if;
  return public.set_setting(p_key, v_flag.value, v_metadata, p_expected_version, p_reason);
end $function$;
grant execute on function public.remove_flag_targets(p_key text, p_expected_version bigint, p_user_ids text[], p_phones text[], p_segments text[], p_reason text) to authenticated, service_role;

-- Removes an endpoint with its queue; false when there was none. For operators and secret keys.
CREATE OR REPLACE FUNCTION public.remove_notification_endpoint(p_name text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  delete from public.notification_endpoints where name = p_name;
  return found;
end $function$;
grant execute on function public.remove_notification_endpoint(p_name text) to authenticated, service_role;

-- Removes a business number: nothing more is sent from it, and it no longer counts when a caller omits the sender.
-- Its conversations stay. A webhook for it adds it again. For admins and secret keys. Errors: 42501 not allowed,
-- GL404 no such number, GL409 messages are waiting to be sent from it.
CREATE OR REPLACE FUNCTION public.remove_number(p_id text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('admin');
  if exists (
    select from private.outbound_lanes l where l.channel = 'whatsapp' and l.number_id = p_id and l.due_at is not null) then
    raise exception 'messages wait to be sent from number %', p_id using errcode = 'GL409',
      hint = 'Let them go, or pause the number.';
  end if;
  delete from public.wa_numbers n where n.id = p_id;
  if not found then
    raise exception 'there is no number %', p_id using errcode = 'GL404';
  end if;
end $function$;
grant execute on function public.remove_number(p_id text) to authenticated, service_role;

-- Removes a route; its past decisions stay. False if it did not exist.
CREATE OR REPLACE FUNCTION public.remove_route(p_id uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  delete from public.routes where id = p_id;
  return found;
end $function$;
grant execute on function public.remove_route(p_id uuid) to authenticated, service_role;

-- Removes a segment that no flag targets; its history stays. False if it did not exist (version null). For operators
-- and secret keys. Errors: GL409 a flag targets it, or it was changed in the meantime.
CREATE OR REPLACE FUNCTION public.remove_segment(p_key text, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_flag text;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  select s.key into v_flag from public.settings s where s.metadata -> 'target_segments' ? p_key limit 1;
  if v_flag is not null then
    raise exception 'segment % is a target of %', p_key, v_flag using errcode = 'GL409',
      hint = 'Take it off the flag first.';
  end if;
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m where m.segment_key = p_key;
  perform set_config('gatelink.reason', '', true);
  delete from public.segments s where s.key = p_key;
  return found;
end $function$;
grant execute on function public.remove_segment(p_key text, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Removes people from a segment; people who are not members are not an error. For operators and secret keys. Errors:
-- GL409 it was changed in the meantime, GL404 a number that nobody has.
CREATE OR REPLACE FUNCTION public.remove_segment_members(p_key text, p_expected_version bigint, p_user_ids text[] DEFAULT '{}'::text[], p_phones text[] DEFAULT '{}'::text[], p_reason text DEFAULT NULL::text)
 RETURNS segments
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  perform private.segment_at(p_key, p_expected_version);
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  delete from public.segment_members m
  where m.segment_key = p_key and m.subject_id = any (private.subject_ids(p_user_ids, p_phones));
  perform set_config('gatelink.reason', '', true);
  select * into v_segment from public.segments s where s.key = p_key;
  return v_segment;
end $function$;
grant execute on function public.remove_segment_members(p_key text, p_expected_version bigint, p_user_ids text[], p_phones text[], p_reason text) to authenticated, service_role;

-- Takes a user off the team; false when there was none. For admins and secret keys. Errors: 42501 not allowed, GL409
-- last admin.
CREATE OR REPLACE FUNCTION public.remove_team_member(p_user_id uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('admin');
  delete from public.team_members where user_id = p_user_id;
  return found;
end $function$;
grant execute on function public.remove_team_member(p_user_id uuid) to authenticated, service_role;

-- Queues a text to the person of a conversation on WhatsApp, within the 24 hours after they last wrote; the same
-- p_key is the same message. Returns {id, status} or {error}: channel_unsupported (with channel: not WhatsApp),
-- window_closed (with window_closed_at), feature_off, nobody (no id that can be written to), idempotency_conflict.
-- Who wrote is in contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such conversation,
-- GL422 no words or too many.
CREATE OR REPLACE FUNCTION public.reply_in_conversation(p_conversation_id uuid, p_text text, p_key uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_conversation public.conversations;
  v_window interval;
  v_to text;
  v_answer jsonb;
begin
  perform private.require_role('operator');
  if coalesce(trim(p_text), '') = '' or char_length(p_text) > 4096 then
    raise exception 'a reply has 1 to 4096 characters' using errcode = 'GL422';
  end if;
  select * into v_conversation from public.conversations c where c.id = p_conversation_id for update;
  if not found then
    raise exception 'there is no such conversation' using errcode = 'GL404';
  end if;
  -- What is queued below is a message as Meta wants it: no other channel could send it.
  if v_conversation.channel <> 'whatsapp' then
    return jsonb_build_object('error', 'channel_unsupported', 'channel', v_conversation.channel);
  end if;
  if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  v_window := (private.channel_policy(v_conversation.channel)).reply_window;
  if coalesce(v_conversation.last_inbound_at, '-infinity') <= clock_timestamp() - v_window then
    return jsonb_build_object('error', 'window_closed', 'window_closed_at', v_conversation.last_inbound_at + v_window);
  end if;
  v_to := private.address_of(v_conversation.contact_id, v_conversation.channel, v_conversation.number_id);
  if v_to is null then
    return '{"error": "nobody"}';
  end if;
  v_answer := private.enqueue_message(v_conversation, jsonb_build_object('to', v_to, 'text', p_text,
    'idempotency_key', 'panel:' || p_key,
    'message', jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', p_text))), clock_timestamp());
  if v_answer ? 'id' and not v_answer ? 'repeated' then
    insert into public.contact_acts (act, contact_id, message_id)
    values ('replied', v_conversation.contact_id, (v_answer ->> 'id')::uuid);
  end if;
  return v_answer;
end $function$;
grant execute on function public.reply_in_conversation(p_conversation_id uuid, p_text text, p_key uuid) to authenticated, service_role;

-- Which flags' kill switches are set in the environment of the functions; all others are not. For secret keys.
CREATE OR REPLACE FUNCTION public.report_kill_switches(p_flags text[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.report_kill_switches(p_flags, clock_timestamp());
$function$;
grant execute on function public.report_kill_switches(p_flags text[]) to service_role;

-- The report that would be written now, kept nowhere: of a flag's last rollout about the last two hours, without a
-- flag the weekly one about the last seven days. For viewers and secret keys. GL404 where no rollout of the flag was
-- started.
CREATE OR REPLACE FUNCTION public.report_now(p_flag_key text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return private.report_now(p_flag_key, clock_timestamp());
end $function$;
grant execute on function public.report_now(p_flag_key text) to authenticated, service_role;

-- Replaces encrypted headers, [{destination_id, name, before, after}], that have not changed. Returns how many. Only
-- for the function wa-router.
CREATE OR REPLACE FUNCTION public.reseal_headers(p_headers jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  perform private.refuse_older_code();
  -- A header that was set in the meantime is newer.
  update private.destination_headers h set sealed = r.after
  from jsonb_to_recordset(p_headers) as r (destination_id uuid, name text, before text, after text)
  where h.destination_id = r.destination_id and h.name = r.name and h.sealed = r.before;
  get diagnostics v_count = row_count;
  return v_count;
end $function$;
grant execute on function public.reseal_headers(p_headers jsonb) to service_role;

-- Resends what was delivered to a destination and decided from p_from until before p_to: under the same webhook-id,
-- in the order of each conversation, marked by data.resent in the event. Returns {resent, after}: how many, and what
-- to pass as p_after for the rest; null if that was all. For operators and secret keys. Errors: 42501 not allowed,
-- GL404 no such destination, GL422 no range.
CREATE OR REPLACE FUNCTION public.resend_deliveries(p_destination text, p_from timestamp with time zone, p_to timestamp with time zone, p_after uuid DEFAULT NULL::uuid, p_limit integer DEFAULT 1000)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_destination uuid;
  v_page uuid[];
  v_ids uuid[];
begin
  perform private.require_role('operator');
  v_destination := private.destination_named(p_destination);
  if p_from is null or p_to is null or p_from >= p_to then
    raise exception 'a range begins before it ends' using errcode = 'GL422';
  end if;
  v_page := array(
    select d.id from public.deliveries d
    where d.destination_id = v_destination and d.created_at >= p_from and d.created_at < p_to
      and (p_after is null or (d.created_at, d.id) > ((select a.created_at from public.deliveries a where a.id = p_after), p_after))
      and d.state = 'delivered'
    order by d.created_at, d.id limit least(greatest(p_limit, 1), 1000));
  perform private.lock_lanes(v_page);
  with again as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), delivered_at = null, woken = null, resent = resent + 1,
      updated_at = now()
    where id = any (v_page) and state = 'delivered'
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_ids from again;
  perform private.begin_again(v_ids);
  perform private.release_lanes(v_ids);
  return jsonb_build_object('resent', cardinality(v_ids),
    'after', case when cardinality(v_page) = least(greatest(p_limit, 1), 1000) then v_page[cardinality(v_page)] end);
end $function$;
grant execute on function public.resend_deliveries(p_destination text, p_from timestamp with time zone, p_to timestamp with time zone, p_after uuid, p_limit integer) to authenticated, service_role;

-- Sends a message that failed again, with the same content and under the same id, as a new first attempt; recorded in
-- contact_acts. Returns {id, status}, or {error}: window_closed (and no fallback), opted_out, feature_off. For
-- operators and secret keys. Errors: GL404, GL409.
CREATE OR REPLACE FUNCTION public.resend_message(p_message_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_message public.messages;
  v_conversation public.conversations;
  v_refusal text;
begin
  perform private.require_role('operator');
  select c.* into v_conversation from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = p_message_id and m.direction = 'out' for update of c;
  if not found then
    raise exception 'there is no such message of ours' using errcode = 'GL404';
  end if;
  perform from private.outbound_lanes l where l.conversation_id = v_conversation.id for update;
  select * into v_message from public.messages m where m.id = p_message_id for update;
  if v_message.status <> 'failed' or not exists (select from public.outbound_messages o where o.id = p_message_id and o.state in ('failed', 'sent')) then
    raise exception 'only a message that failed can be sent again' using errcode = 'GL409';
  end if;
  if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
    return '{"error": "feature_off"}';
  end if;
  v_refusal := private.send_refusal(v_conversation, coalesce(v_message.native, jsonb_build_object('type', v_message.type)), clock_timestamp());
  if v_refusal = 'window_closed' and private.send_fallback(p_message_id, clock_timestamp()) then
    v_refusal := null;
  elsif v_refusal is null then
    perform private.queue_again(p_message_id, clock_timestamp());
  else
    return jsonb_build_object('error', v_refusal);
  end if;
  insert into public.contact_acts (act, contact_id, message_id) values ('resent', v_conversation.contact_id, p_message_id);
  return jsonb_build_object('id', p_message_id, 'status', 'queued');
end $function$;
grant execute on function public.resend_message(p_message_id uuid) to authenticated, service_role;

-- Ends an incident if it still is at the version that was read: p_note is for the team, p_public_text for the status
-- page. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster or it is resolved, GL422.
CREATE OR REPLACE FUNCTION public.resolve_incident(p_number bigint, p_expected_version bigint, p_note text DEFAULT NULL::text, p_public_text text DEFAULT NULL::text)
 RETURNS incidents
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  if p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  end if;
  return private.resolve_incident(p_number, p_expected_version, p_note, p_public_text, clock_timestamp());
end $function$;
grant execute on function public.resolve_incident(p_number bigint, p_expected_version bigint, p_note text, p_public_text text) to authenticated, service_role;

-- Goes on with a paused rollout: the flag is set to its stage again, and the stage begins anew. For operators and
-- secret keys. Errors: GL409 stale version or not paused, GL404.
CREATE OR REPLACE FUNCTION public.resume_rollout(p_id uuid, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['paused']);
  v_rollout := private.enter_stage(v_rollout, v_rollout.stage, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'resumed',
    jsonb_build_object('stage', (private.rollout_stage(v_rollout)).name), p_reason => p_reason);
  return v_rollout;
end $function$;
grant execute on function public.resume_rollout(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Makes deliveries due now, under the same webhook-id: dead ones pending again with a full schedule of attempts,
-- waiting ones with the attempts they have left, and also those they wait behind. Returns how many. A destination
-- that is paused, or whose circuit is open, still waits.
CREATE OR REPLACE FUNCTION public.retry_deliveries(p_ids uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_dead uuid[];
  v_waiting uuid[];
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  with retried as (
    update public.deliveries
    set state = 'pending', attempt = 0, next_attempt_at = now(), dropped_reason = null, woken = null, updated_at = now()
    where id = any (p_ids) and state = 'dead'
      and destination_id in (select t.id from public.destinations t where t.removed_at is null)
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_dead from retried;
  perform private.begin_again(v_dead);
  v_waiting := array(select d.id from public.deliveries d where d.id = any (p_ids) and d.state = 'pending' and d.id <> all (v_dead));
  -- A delivery that waits behind another cannot start before it.
  update public.deliveries d set next_attempt_at = now(), wakes = false, woken = null
  where d.state = 'pending' and d.next_attempt_at > now() and (d.id = any (v_waiting) or d.id in (
    select head.id from public.deliveries w
    cross join lateral (
      select h.id from public.deliveries h
      where h.destination_id = w.destination_id and h.conversation_id = w.conversation_id and h.state in ('pending', 'leased')
      order by h.seq limit 1) head
    where w.id = any (v_waiting)));
  perform private.release_lanes(p_ids);
  return cardinality(v_dead) + cardinality(v_waiting);
end $function$;
grant execute on function public.retry_deliveries(p_ids uuid[]) to authenticated, service_role;

-- A contact whole, {id, name, identities: [{kind, value, valid_from, valid_to}]}, and who looked, when and why in
-- contact_acts. For operators and secret keys. Errors: 42501 not allowed, GL404 no such contact, GL422 no reason, or
-- one that names the contact.
CREATE OR REPLACE FUNCTION public.reveal_contact(p_contact_id uuid, p_reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_reason text;
begin
  perform private.require_role('operator');
  v_reason := private.reason_about(p_reason, p_contact_id);
  if not exists (select from public.contacts c where c.id = p_contact_id) then
    raise exception 'there is no such contact' using errcode = 'GL404';
  end if;
  insert into public.contact_acts (act, contact_id, reason) values ('revealed', p_contact_id, v_reason);
  return (
    select jsonb_build_object('id', c.id, 'name', c.name, 'identities', (
      select coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'valid_from', i.valid_from,
        'valid_to', i.valid_to) order by i.valid_to desc nulls first, i.id), '[]')
      from public.contact_identities i where i.contact_id = c.id))
    from public.contacts c where c.id = p_contact_id);
end $function$;
grant execute on function public.reveal_contact(p_contact_id uuid, p_reason text) to authenticated, service_role;

-- How the provider names a message, in which the number of the person may stand, and its error in the provider's own
-- words, {id, provider_id, error}; who looked, when and why is in contact_acts. For operators and secret keys.
-- Errors: 42501 not allowed, GL404 no such message, GL422 no reason, or one that names the contact.
CREATE OR REPLACE FUNCTION public.reveal_message(p_message_id uuid, p_reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_message public.messages;
  v_contact uuid;
  v_reason text;
begin
  perform private.require_role('operator');
  select * into v_message from public.messages m where m.id = p_message_id;
  select c.contact_id into v_contact from public.conversations c where c.id = v_message.conversation_id;
  v_reason := private.reason_about(p_reason, v_contact);
  if v_contact is null then
    raise exception 'there is no such message' using errcode = 'GL404';
  end if;
  insert into public.contact_acts (act, contact_id, message_id, reason) values ('revealed', v_contact, p_message_id, v_reason);
  return jsonb_build_object('id', v_message.id, 'provider_id', v_message.provider_id, 'error', v_message.error);
end $function$;
grant execute on function public.reveal_message(p_message_id uuid, p_reason text) to authenticated, service_role;

-- Takes back what was signed of a gate in a role, and answers how many sign-offs that were. For operators and secret
-- keys: stopping a launch is nobody's privilege. Errors: 42501 not allowed, GL422 no reason.
CREATE OR REPLACE FUNCTION public.revoke_gate(p_flag_key text, p_role text, p_gate text, p_because text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_revoked integer;
begin
  perform private.require_role('operator');
  if coalesce(p_because, '') = '' then
    raise exception 'a sign-off is not taken back without a reason' using errcode = 'GL422';
  end if;
  update public.gate_approvals
  set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = p_because
  where flag_key = p_flag_key and role = p_role and gate = p_gate and revoked_at is null;
  get diagnostics v_revoked = row_count;
  return v_revoked;
end $function$;
grant execute on function public.revoke_gate(p_flag_key text, p_role text, p_gate text, p_because text) to authenticated, service_role;

-- Turns the flag off and ends the rollout. For operators and secret keys. Errors: GL409 stale version or not under
-- way, GL404, GL423 within 2 s where another transaction holds a row of it, with who.
CREATE OR REPLACE FUNCTION public.roll_back_rollout(p_id uuid, p_expected_version bigint, p_reason text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET lock_timeout TO '800ms'
AS $function$
declare
  v_rollout public.rollouts;
  v_evidence jsonb;
  v_flag text := (select r.flag_key from public.rollouts r where r.id = p_id);
begin
  perform private.require_role('operator');
  begin
    v_rollout := private.rollout_at(p_id, p_expected_version, array['running', 'paused']);
    v_evidence := private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
    v_rollout := private.end_rollout(v_rollout, 'rolled_back', clock_timestamp());
    perform private.log_rollout(v_rollout, clock_timestamp(), 'rolled_back', '{}', null, 'by_hand', v_evidence, p_reason);
  exception when lock_not_available then
    perform private.refuse_locked('the rollout of ' || v_flag, array['public.settings', 'public.rollouts', 'public.rollout_stages'],
      private.without_database(v_flag));
  end;
  return v_rollout;
end $function$;
grant execute on function public.roll_back_rollout(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Creates a new signing secret; during the overlap, 0 to 168 hours (GL422), deliveries carry the signatures of both.
-- Returns the new one, which is not shown again.
CREATE OR REPLACE FUNCTION public.rotate_destination_secret(p_name text, p_overlap_hours integer DEFAULT 24)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
  v_secret text := private.new_webhook_secret();
  v_until timestamptz := now() + make_interval(hours => p_overlap_hours);
begin
  perform private.require_role('operator');
  if p_overlap_hours is null or p_overlap_hours not between 0 and 168 then
    raise exception 'an overlap of % hours', coalesce(p_overlap_hours::text, 'null') using errcode = 'GL422',
      hint = 'The old secret signs too for 0 to 168 hours.';
  end if;
  v_id := private.destination_named(p_name);
  delete from private.destination_secrets where destination_id = v_id and expires_at <= now();
  update private.destination_secrets set expires_at = least(expires_at, v_until) where destination_id = v_id;
  insert into private.destination_secrets (destination_id, secret) values (v_id, v_secret);
  update public.destinations set version = version + 1, updated_at = now(), updated_by = private.actor() where id = v_id;
  return jsonb_build_object('name', p_name, 'secret', v_secret, 'old_secret_signs_until', v_until);
end $function$;
grant execute on function public.rotate_destination_secret(p_name text, p_overlap_hours integer) to authenticated, service_role;

-- What the health check asks: {has: the newest of our migrations applied, applied: all of ours, both null when nobody
-- kept a record; breaks: the newest one that older code must not run on, null when there is none; clock and senders:
-- as in health}. Fails where the database takes no writes. For secret keys.
CREATE OR REPLACE FUNCTION public.schema_state()
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  update private.write_probe set at = clock_timestamp() where at < clock_timestamp() - interval '10 seconds';
  return jsonb_build_object('has', public.schema_version(), 'applied', private.applied_migrations(), 'breaks', private.breaking_version(),
    'clock', private.clock_health(clock_timestamp()), 'senders', private.senders_health(clock_timestamp()));
end $function$;
grant execute on function public.schema_state() to service_role;

-- Version of the newest of Gatelink's migrations that was applied, null if there is no record. For secret keys: the
-- health check compares it with what the code needs.
CREATE OR REPLACE FUNCTION public.schema_version()
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_versions text[] := private.applied_migrations();
begin
  return v_versions[cardinality(v_versions)];
end $function$;
grant execute on function public.schema_version() to service_role;

-- Every encrypted header, [{destination_id, name, sealed}], for re-encryption with another key. Only for the function
-- wa-router.
CREATE OR REPLACE FUNCTION public.sealed_headers()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select coalesce(jsonb_agg(jsonb_build_object('destination_id', h.destination_id, 'name', h.name, 'sealed', h.sealed)
    order by h.destination_id, h.name), '[]')
  from private.destination_headers h
$function$;
grant execute on function public.sealed_headers() to service_role;

-- Conversations by the id of a message (ours or WhatsApp's), of the conversation, the code of the link that a message
-- came from, or the last four digits of the phone number. As list_conversations, newest first, each with found
-- (message, conversation, link or contact) and the message_id that was found. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.search_conversations(p_query text, p_limit integer DEFAULT 50)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_words boolean;
  v_query text := trim(p_query);
  v_id uuid := case when v_query ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then v_query::uuid end;
begin
  perform private.require_role('viewer');
  v_words := private.may('operator');
  return (
    with hits as (
      select 'message' as found, m.conversation_id, m.id as message_id from public.messages m
      where m.id = v_id or m.provider_id = v_query
      union all
      select 'conversation', c.id, null from public.conversations c where c.id = v_id
      union all
      select 'contact', c.id, null from public.contact_identities i
      join public.conversations c on c.contact_id = i.contact_id
      where v_query ~ '^[0-9]{4}$' and right(i.value, 4) = v_query and length(i.value) >= 4 and i.kind = 'phone' and i.valid_to is null
      union all
      (select 'link', m.conversation_id, a.message_id from public.attributions a
        join public.messages m on m.id = a.message_id
        where a.code = lower(v_query) collate "C" order by a.created_at desc limit 200)
    ), each as (
      select distinct on (h.conversation_id) h.* from hits h
      order by h.conversation_id, array_position(array['message', 'conversation', 'link', 'contact'], h.found), h.message_id desc
    )
    select coalesce(jsonb_agg(y.view order by y.at desc), '[]')
    from (
      select private.conversation_view(c, l.m, v_words)
          || jsonb_build_object('found', e.found, 'message_id', e.message_id) as view,
        coalesce((l.m).id, c.id) as at
      from each e
      join public.conversations c on c.id = e.conversation_id
      left join lateral (
        select m from public.messages m where m.conversation_id = c.id order by m.seq desc limit 1) l on true
      order by 2 desc limit least(greatest(p_limit, 1), 200)
    ) y);
end $function$;
grant execute on function public.search_conversations(p_query text, p_limit integer) to authenticated, service_role;

-- Changes a destination that is still at the version the caller read: any of url, timeout_ms, rate_per_second,
-- rate_burst, retry_seconds, failure_policy; null resets rate_per_second and retry_seconds. Waiting deliveries use
-- the new values. Returns the destination. For operators and secret keys. Errors: 42501 not allowed, GL403 the
-- allowlist refuses the URL, GL404 no such destination, GL409 it was changed in the meantime, GL422 an unknown
-- member, 23502 and 23514 invalid value.
CREATE OR REPLACE FUNCTION public.set_destination(p_name text, p_version integer, p_changes jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_row public.destinations;
begin
  perform private.require_role('operator');
  select * into v_row from public.destinations d where d.id = private.destination_named(p_name) for update;
  if v_row.version is distinct from p_version then
    raise exception 'destination % is at version %, not %', p_name, v_row.version, p_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  if jsonb_typeof(p_changes) is distinct from 'object' or exists (select from jsonb_object_keys(p_changes) k
    where k not in ('url', 'timeout_ms', 'rate_per_second', 'rate_burst', 'retry_seconds', 'failure_policy')) then
    raise exception 'a destination has url, timeout_ms, rate_per_second, rate_burst, retry_seconds and failure_policy to change'
      using errcode = 'GL422';
  end if;
  if p_changes ? 'url' and not coalesce(private.destination_permitted(p_changes ->> 'url', 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  v_row := jsonb_populate_record(v_row, p_changes);
  update public.destinations d
  set url = v_row.url, timeout_ms = v_row.timeout_ms, rate_per_second = v_row.rate_per_second, rate_burst = v_row.rate_burst,
    rate_tat = case when v_row.rate_per_second is not distinct from d.rate_per_second then d.rate_tat end,
    retry_seconds = v_row.retry_seconds, failure_policy = v_row.failure_policy,
    version = d.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
  where d.id = v_row.id returning d.* into v_row;
  return jsonb_build_object('id', v_row.id, 'name', v_row.name, 'url', v_row.url, 'state', v_row.state,
    'timeout_ms', v_row.timeout_ms, 'rate_per_second', v_row.rate_per_second, 'rate_burst', v_row.rate_burst,
    'retry_seconds', to_jsonb(v_row.retry_seconds), 'failure_policy', v_row.failure_policy, 'version', v_row.version);
end $function$;
grant execute on function public.set_destination(p_name text, p_version integer, p_changes jsonb) to authenticated, service_role;

-- Sets custom headers of a destination, {name: sealed value, or null to remove it}; the others stay. Returns all,
-- [{name, key: name of the key, set_at, set_by}]. Only for the function wa-router, which encrypts them. Errors: GL404
-- no such destination, GL422 more than 20.
CREATE OR REPLACE FUNCTION public.set_destination_headers(p_name text, p_headers jsonb, p_by text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
begin
  perform private.refuse_older_code();
  v_id := private.destination_named(p_name);
  perform from public.destinations d where d.id = v_id for update;
  delete from private.destination_headers h where h.destination_id = v_id and p_headers ? h.name;
  insert into private.destination_headers (destination_id, name, sealed, set_by)
  select v_id, e.key, e.value, p_by from jsonb_each_text(p_headers) e where e.value is not null;
  if (select count(*) from private.destination_headers h where h.destination_id = v_id) > 20 then
    raise exception 'a destination has at most 20 headers of its own' using errcode = 'GL422';
  end if;
  update public.destinations set version = version + 1, updated_at = now(), updated_by = p_by where id = v_id;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('name', h.name, 'key', split_part(h.sealed, '.', 2), 'set_at', h.set_at,
      'set_by', h.set_by) order by h.name), '[]')
    from private.destination_headers h where h.destination_id = v_id);
end $function$;
grant execute on function public.set_destination_headers(p_name text, p_headers jsonb, p_by text) to service_role;

-- Pauses (paused) or resumes (active) a destination; its queue is kept, and becomes due at once when it is resumed.
-- GL404 if there is no such destination.
CREATE OR REPLACE FUNCTION public.set_destination_state(p_name text, p_state text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
  v_row public.destinations;
begin
  perform private.require_role('operator');
  v_id := private.destination_named(p_name);
  -- Resuming also closes the circuit and makes waiting deliveries due at once, because a person has checked.
  if p_state = 'active' then
    perform from private.delivery_lanes l
    where l.destination_id = v_id and l.lease is null and l.due_at > now() order by l.conversation_id for update;
    update public.deliveries set next_attempt_at = now(), wakes = false, woken = null
    where destination_id = v_id and state = 'pending' and next_attempt_at > now();
    update private.delivery_lanes l set due_at = now()
    where l.destination_id = v_id and l.lease is null and l.due_at > now();
  end if;
  update public.destinations
  set state = p_state, paused_because = null, version = version + 1, updated_at = now(), updated_by = private.actor(),
    circuit_failures = case when p_state = 'active' then 0 else circuit_failures end,
    circuit_trips = case when p_state = 'active' then 0 else circuit_trips end,
    circuit_probe = case when p_state = 'active' then null else circuit_probe end,
    circuit_waking = circuit_waking and p_state <> 'active',
    circuit_open_until = case when p_state = 'active' then null else circuit_open_until end
  where id = v_id
  returning * into v_row;
  return jsonb_build_object('id', v_row.id, 'name', v_row.name, 'url', v_row.url, 'state', v_row.state);
end $function$;
grant execute on function public.set_destination_state(p_name text, p_state text) to authenticated, service_role;

-- Says who is called when nobody acknowledges an incident of this severity: [{after_minutes, role, endpoint: its
-- name, left out for all}]; an empty list for nobody. Incidents that are open keep the time of their next step. For
-- admins and secret keys. Errors: 42501 not allowed, GL422 what cannot be, GL404 no such endpoint.
CREATE OR REPLACE FUNCTION public.set_escalation(p_severity text, p_steps jsonb)
 RETURNS SETOF escalation_steps
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_unknown text;
begin
  perform private.require_role('admin');
  if not exists (select from private.incident_severities() s where s.severity = p_severity) then
    raise exception 'there is no severity %', p_severity using errcode = 'GL422', hint = 'P0, P1 or P2';
  elsif jsonb_typeof(p_steps) is distinct from 'array' or jsonb_array_length(p_steps) > 10
    or exists (select from jsonb_array_elements(p_steps) s where not private.object_keys_within(s, array['after_minutes', 'role', 'endpoint'])
      or not private.is_number(s -> 'after_minutes', 0, 10080, 0) or coalesce(btrim(s ->> 'role'), '') = '') then
    raise exception 'steps are a list of at most 10 {after_minutes, role, endpoint}' using errcode = 'GL422',
      hint = 'after_minutes: 0 to 10080; role: who is called; endpoint: the name of one that is told, or left out for all.';
  end if;
  select s ->> 'endpoint' into v_unknown from jsonb_array_elements(p_steps) s
  where s ->> 'endpoint' is not null
    and not exists (select from public.notification_endpoints e where e.name = s ->> 'endpoint') limit 1;
  if v_unknown is not null then
    raise exception 'there is no endpoint named %', v_unknown using errcode = 'GL404', hint = 'gatelink rollout notify list';
  elsif (select count(distinct s -> 'after_minutes') < count(*) from jsonb_array_elements(p_steps) s) then
    raise exception 'two steps are due at the same minute' using errcode = 'GL422';
  end if;
  -- Two at once would both find nothing to delete, and the second would meet the steps of the first.
  perform pg_advisory_xact_lock(hashtext('gatelink.escalation'));
  delete from public.escalation_steps e where e.severity = p_severity;
  insert into public.escalation_steps (severity, after_minutes, role, endpoint_id)
  select p_severity, (s ->> 'after_minutes')::integer, btrim(s ->> 'role'),
    (select e.id from public.notification_endpoints e where e.name = s ->> 'endpoint')
  from jsonb_array_elements(p_steps) s;
  return query select * from public.escalation_steps e where e.severity = p_severity order by e.after_minutes;
end $function$;
grant execute on function public.set_escalation(p_severity text, p_steps jsonb) to authenticated, service_role;

-- Changes a flag that still is at the version the caller read, or makes one (version 0), off unless told. Changes:
-- on, percentage (0 to 100), prerequisites ([keys of flags that exist]), on_at and off_at (ISO times with zone, not
-- past), description, launched_at, client (whether apps with a publishable key may read it); null takes one away, and
-- so does on: false with an on_at that is not given anew. For operators and secret keys. Errors: GL409 somebody else
-- was faster, GL422 what cannot be, or no reason where the flag is on for everybody from now on, 23514 with the
-- constraint's name.
CREATE OR REPLACE FUNCTION public.set_flag(p_key text, p_changes jsonb, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS settings
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_flag public.settings;
  v_metadata jsonb;
  v_name text;
  v_schedule jsonb;
begin
  perform private.require_role('operator');
  if jsonb_typeof(p_changes) is distinct from 'object' then
    raise exception 'the changes must be an object' using errcode = 'GL422';
  end if;
  select k into v_name from jsonb_object_keys(p_changes) k
  where k not in ('on', 'percentage', 'prerequisites', 'on_at', 'off_at', 'description', 'launched_at', 'client') limit 1;
  if v_name is not null or (p_changes ? 'on' and jsonb_typeof(p_changes -> 'on') <> 'boolean') then
    raise exception '% cannot be set', coalesce(v_name, 'on to anything but true and false') using errcode = 'GL422',
      hint = 'on (boolean), percentage, prerequisites, on_at, off_at, description, launched_at, client (boolean); null takes one away.';
  end if;
  if coalesce(p_expected_version, -1) <> 0 then
    v_flag := private.flag_at(p_key, p_expected_version);
  elsif p_key is null or p_key not like '%.enabled' then
    raise exception 'the key of a flag ends in .enabled' using errcode = 'GL422';
  end if;
  v_metadata := coalesce(v_flag.metadata, '{}');
  -- In brackets: minus binds more tightly than ||.
  v_schedule := (coalesce(v_metadata -> 'schedule', '{}') || jsonb_strip_nulls(p_changes - array['on', 'percentage', 'prerequisites', 'description', 'launched_at', 'client']))
    - array(select k from jsonb_each(p_changes) as c (k, v) where v = 'null');
  v_metadata := v_metadata - 'schedule'
    || (p_changes - array['on', 'percentage', 'on_at', 'off_at'])
    || case when p_changes ? 'percentage' then jsonb_build_object('rollout_percentage', p_changes -> 'percentage') else '{}' end
    || case when v_schedule <> '{}' then jsonb_build_object('schedule', v_schedule) else '{}' end;
  v_metadata := v_metadata - array(
    select case k when 'percentage' then 'rollout_percentage' else k end
    from jsonb_each(p_changes) as c (k, v) where v = 'null' and k <> 'launched_at');
  if p_changes ->> 'on' = 'false' and not p_changes ? 'on_at' then
    v_metadata := private.without_start(v_metadata);
  end if;
  if p_changes ? 'on_at' then
    perform set_config('gatelink.start', 'stays', true);
  end if;
  v_flag := public.set_setting(p_key, coalesce((p_changes ->> 'on'), v_flag.value, 'false'), v_metadata, p_expected_version, p_reason);
  perform set_config('gatelink.start', '', true);
  select n.key into v_name from jsonb_array_elements_text(nullif(p_changes -> 'prerequisites', 'null')) as n (key)
  where not exists (select from public.settings s where s.key = n.key and s.key like '%.enabled') limit 1;
  if v_name is not null then
    raise exception 'there is no flag % to need', v_name using errcode = 'GL422',
      hint = 'Make it first: until it is on, the flag that needs it is off for everybody.';
  end if;
  select t.name into v_name from unnest(array['on_at', 'off_at']) as t (name)
  where (p_changes ->> t.name)::timestamptz < now() - interval '1 minute' limit 1;
  if v_name is not null then
    raise exception '% is in the past: %', v_name, p_changes ->> v_name using errcode = 'GL422',
      hint = 'Set it on or off now, or name a time to come.';
  end if;
  if private.flag_needs_itself(p_key) then
    raise exception 'the prerequisites of % lead back to it', p_key using errcode = 'GL422',
      hint = 'Take one of the flags between out of the circle.';
  end if;
  return v_flag;
end $function$;
grant execute on function public.set_flag(p_key text, p_changes jsonb, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Pauses (paused) or resumes (active) an endpoint. For operators and secret keys. GL404 when there is none of that
-- name.
CREATE OR REPLACE FUNCTION public.set_notification_state(p_name text, p_state text)
 RETURNS notification_endpoints
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_endpoint public.notification_endpoints;
begin
  perform private.require_role('operator');
  update public.notification_endpoints set state = p_state where name = p_name returning * into v_endpoint;
  if v_endpoint.id is null then
    raise exception 'there is no endpoint named %', p_name using errcode = 'GL404';
  end if;
  return v_endpoint;
end $function$;
grant execute on function public.set_notification_state(p_name text, p_state text) to authenticated, service_role;

-- Sets how fast a business number sends: messages per second in total (1 to 1,000), seconds between messages to the
-- same person, and how many of these may be sent at once. For operators and secret keys. Errors: 42501 not allowed,
-- GL404 no such number, 23514 invalid value.
CREATE OR REPLACE FUNCTION public.set_number_pace(p_id text, p_max_per_second integer, p_pair_seconds numeric, p_pair_burst integer)
 RETURNS wa_numbers
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_number public.wa_numbers;
begin
  perform private.require_role('operator');
  update public.wa_numbers n
  set max_per_second = p_max_per_second, pair_seconds = p_pair_seconds, pair_burst = p_pair_burst
  where n.id = p_id returning n.* into v_number;
  if v_number.id is null then
    raise exception 'there is no number %', p_id using errcode = 'GL404';
  end if;
  return v_number;
end $function$;
grant execute on function public.set_number_pace(p_id text, p_max_per_second integer, p_pair_seconds numeric, p_pair_burst integer) to authenticated, service_role;

-- Records a service's report that a person has opted out (or, with false, in again), by phone number or id, for one
-- sender or for all on the channel. The channel's policy says what it blocks: on WhatsApp, marketing templates.
-- Returns {contact_id, opted_out, numbers}. For secret keys. Errors: GL404 no such sender, GL422 no person can have
-- this id.
CREATE OR REPLACE FUNCTION public.set_opt_out(p_to text, p_opted_out boolean DEFAULT true, p_number_id text DEFAULT NULL::text, p_channel text DEFAULT 'whatsapp'::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.set_opt_out(p_to, p_opted_out, p_number_id, p_channel, clock_timestamp());
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $function$;
grant execute on function public.set_opt_out(p_to text, p_opted_out boolean, p_number_id text, p_channel text) to service_role;

-- Changes a route that is still at the version the caller read: any of name, condition, mode, flag_key,
-- sticky_minutes, active, channels, destinations (names). Returns the route. Both versions are in route_history. For
-- operators and secret keys. Errors: 42501 not allowed, GL404 no such route or destination, GL409 it was changed in
-- the meantime, GL422 an unknown member or no destination, 23505 name taken, 23514 invalid value or condition.
CREATE OR REPLACE FUNCTION public.set_route(p_id uuid, p_version integer, p_changes jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_route public.routes;
  v_destinations text[];
begin
  perform private.require_role('operator');
  v_route := private.route_at(p_id, p_version);
  if exists (select from jsonb_object_keys(p_changes) k
    where k not in ('name', 'condition', 'mode', 'flag_key', 'sticky_minutes', 'active', 'channels', 'destinations')) then
    raise exception 'a route has name, condition, mode, flag_key, sticky_minutes, active, channels and destinations to change'
      using errcode = 'GL422';
  end if;
  if p_changes ? 'destinations' then
    v_destinations := array(select jsonb_array_elements_text(p_changes -> 'destinations'));
    if cardinality(v_destinations) = 0 then
      raise exception 'a route needs at least one destination' using errcode = 'GL422';
    end if;
  end if;
  perform private.record_route(p_id);
  v_route := jsonb_populate_record(v_route, p_changes - 'destinations');
  update public.routes r
  set name = v_route.name, condition = v_route.condition, mode = v_route.mode, flag_key = v_route.flag_key,
    sticky_minutes = v_route.sticky_minutes, active = v_route.active, channels = v_route.channels,
    version = r.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
  where r.id = p_id returning r.* into v_route;
  if v_destinations is not null then
    delete from public.route_destinations x where x.route_id = p_id;
    insert into public.route_destinations (route_id, destination_id, position)
    select p_id, private.destination_named(d.name), min(d.position)
    from unnest(v_destinations) with ordinality as d (name, position) group by d.name;
  end if;
  perform private.record_route(p_id);
  return to_jsonb(v_route);
end $function$;
grant execute on function public.set_route(p_id uuid, p_version integer, p_changes jsonb) to authenticated, service_role;

-- Creates a segment (version 0) or changes its description. For operators and secret keys. Errors: GL409 it was
-- changed in the meantime, 23514 invalid key.
CREATE OR REPLACE FUNCTION public.set_segment(p_key text, p_description text, p_expected_version bigint)
 RETURNS segments
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_segment public.segments;
begin
  perform private.require_role('operator');
  if p_expected_version = 0 then
    -- A segment that was removed and added again continues its version numbers, as settings do.
    insert into public.segments (key, description, version)
    values (p_key, coalesce(p_description, ''), 1 + coalesce(
      (select max(h.version) from public.segment_history h where h.segment_key = p_key), 0))
    on conflict (key) do nothing returning * into v_segment;
  end if;
  if v_segment.key is null then
    perform private.segment_at(p_key, p_expected_version);
    update public.segments
    set description = coalesce(p_description, description), version = version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
    where key = p_key returning * into v_segment;
  end if;
  return v_segment;
end $function$;
grant execute on function public.set_segment(p_key text, p_description text, p_expected_version bigint) to authenticated, service_role;

-- Writes a setting if it is still at the version the caller read (0: it must not exist yet) and returns the new row.
-- Null keeps the metadata. For operators and secret keys. Errors: 42501 not allowed, GL409 it was changed in the
-- meantime, GL422 an invalid key for a flag, a blank reason, no reason for a flag that is now on for everybody, or
-- too many targets, GL423 another transaction (named in the error) holds the row, 23514 invalid value, with the
-- constraint's name.
CREATE OR REPLACE FUNCTION public.set_setting(p_key text, p_value text, p_metadata jsonb, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS settings
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET lock_timeout TO '1s'
AS $function$
declare
  v_reason text := current_setting('gatelink.reason', true);
  v_setting public.settings;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), v_reason, ''), true);
  if p_expected_version = 0 then
    perform private.require_flag_key(p_key);
    insert into public.settings (key, value, metadata) values (p_key, p_value, coalesce(p_metadata, '{}'))
    on conflict (key) do nothing returning * into v_setting;
  else
    begin
      update public.settings set value = p_value, metadata = coalesce(p_metadata, metadata)
      where key = p_key and version = p_expected_version returning * into v_setting;
    exception when lock_not_available then
      perform private.refuse_locked('the setting ' || p_key, array['public.settings'], private.without_database(p_key));
    end;
  end if;
  perform set_config('gatelink.reason', coalesce(v_reason, ''), true);
  if v_setting.key is null then
    raise exception 'setting % is at version %, not %', p_key,
      coalesce((select s.version from public.settings s where s.key = p_key), 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  if exists (
    select from public.settings_history h
    where h.key = p_key and h.version = v_setting.version and h.gates = 'not_asked' and h.reason is null) then
    raise exception '% for everybody without its launch gates needs a reason', p_key using errcode = 'GL422',
      hint = 'Say why, or plan a rollout: create_rollout. Both are kept.';
  end if;
  return v_setting;
end $function$;
grant execute on function public.set_setting(p_key text, p_value text, p_metadata jsonb, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Adds a user to the team or changes the role; null keeps the approvals. For admins and secret keys. Errors: 42501
-- not allowed, GL409 last admin, GL422 an account that cannot sign in, 23503 no such user, 23514 unknown role or
-- approval.
CREATE OR REPLACE FUNCTION public.set_team_member(p_user_id uuid, p_role text, p_approvals text[] DEFAULT NULL::text[])
 RETURNS team_members
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_member public.team_members;
begin
  perform private.require_role('admin');
  -- First of all, because who is in the team already need not be able to sign in to be given less.
  update public.team_members m set role = p_role, approvals = coalesce(p_approvals, m.approvals)
  where m.user_id = p_user_id returning m.* into v_member;
  if not found then
    insert into public.team_members as m (user_id, role, approvals)
    values (p_user_id, p_role, coalesce(p_approvals, '{}'))
    on conflict (user_id) do update
      set role = excluded.role, approvals = coalesce(p_approvals, m.approvals)
    returning * into v_member;
  end if;
  return v_member;
end $function$;
grant execute on function public.set_team_member(p_user_id uuid, p_role text, p_approvals text[]) to authenticated, service_role;

-- Records the outcome of attempts [{delivery_id, lease, outcome (delivered, retry, dead, put_back: the service was
-- not called), status, latency_ms, error, answer, retry_after_ms, replies, left_out [{reply, why}], wakes (false if
-- it must not be made due early), pause (true pauses the destination)}]: attempt, delivery, lane, circuit and queued
-- replies in one transaction. A result whose lease is not the lane's current one is fenced off. Returns {settled,
-- fenced, replies, left_out: [{delivery_id, replies: [{reply, why}]}]}, left_out being the replies forbidden by
-- window, opt-out or flag. With p_claim {limit, free, lease_seconds, busy, channels, expired} it also returns claim,
-- like claim_deliveries.
CREATE OR REPLACE FUNCTION public.settle_deliveries(p_results jsonb, p_claim jsonb DEFAULT NULL::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_settled jsonb := private.settle_deliveries(p_results, clock_timestamp());
begin
  if p_claim is null then
    return v_settled;
  end if;
  begin
    perform private.refuse_older_code();
  exception when sqlstate 'GL503' then
    return v_settled;
  end;
  return v_settled || jsonb_build_object('claim', private.claim_also(p_claim, clock_timestamp()));
end $function$;
grant execute on function public.settle_deliveries(p_results jsonb, p_claim jsonb) to service_role;

-- Writes the outcome of attempts [{id, lease, outcome (delivered, retry, dead, put_back: nobody was called), error,
-- retry_after_ms}] and says how many counted; a result whose lease is over does not. For secret keys.
CREATE OR REPLACE FUNCTION public.settle_notifications(p_results jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_count integer;
begin
  update public.notifications n
  set state = case when r.outcome in ('retry', 'put_back') then 'pending' else r.outcome end, lease = null,
    attempt = n.attempt - (r.outcome = 'put_back')::integer,
    last_error = case r.outcome when 'put_back' then n.last_error else r.error end,
    delivered_at = case when r.outcome = 'delivered' then clock_timestamp() end,
    next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(r.retry_after_ms, 0) / 1000.0)
  from jsonb_to_recordset(p_results) as r (id uuid, lease uuid, outcome text, error text, retry_after_ms bigint)
  where n.id = r.id and n.lease = r.lease;
  get diagnostics v_count = row_count;
  return v_count;
end $function$;
grant execute on function public.settle_notifications(p_results jsonb) to service_role;

-- Records the provider's answers [{id, lease, outcome (sent, retry, failed), provider_id, identities (of the person,
-- as the provider knows them), error, retry_after_ms, put_off (throttle, held, back: the provider was not called),
-- scope (number, pair)}]. A deferred send does not count as an attempt; a held sender waits until a single message
-- gets through. A result whose lease is not the lane's current one is fenced off.
CREATE OR REPLACE FUNCTION public.settle_outbound(p_results jsonb)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.settle_outbound(p_results, clock_timestamp())
$function$;
grant execute on function public.settle_outbound(p_results jsonb) to service_role;

-- Tells how a guess that take_password_attempt took has ended: a right one is given back, a wrong one counted for the
-- team. For secret keys.
CREATE OR REPLACE FUNCTION public.settle_password_attempt(p_code text, p_client text, p_right boolean)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.settle_password_attempt(p_code, p_client, p_right, clock_timestamp())
$function$;
grant execute on function public.settle_password_attempt(p_code text, p_client text, p_right boolean) to service_role;

-- Writes the outcome of posts [{id, lease, outcome (delivered, retry, dead, skipped: no page is configured),
-- status_page_id, error, retry_after_ms}] and says how many counted; a result whose lease is over does not. For
-- secret keys.
CREATE OR REPLACE FUNCTION public.settle_status_posts(p_results jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_result record;
  v_incident uuid;
  v_count integer := 0;
begin
  for v_result in
    select * from jsonb_to_recordset(p_results) as r (id uuid, lease uuid, outcome text, status_page_id text, error text, retry_after_ms bigint)
  loop
    if v_result.outcome = 'skipped' then
      delete from private.status_posts p where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    else
      update private.status_posts p
      set state = case v_result.outcome when 'retry' then 'pending' else v_result.outcome end, lease = null, last_error = v_result.error,
        next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(v_result.retry_after_ms, 0) / 1000.0)
      where p.update_id = v_result.id and p.lease = v_result.lease returning p.incident_id into v_incident;
    end if;
    if found then
      v_count := v_count + 1;
      update public.incidents i set status_page_id = v_result.status_page_id
      where i.id = v_incident and v_result.status_page_id is not null and i.status_page_id is distinct from v_result.status_page_id;
    end if;
  end loop;
  return v_count;
end $function$;
grant execute on function public.settle_status_posts(p_results jsonb) to service_role;

-- Signs a gate of a flag in a role, as the signed-in person or, with a secret key, for p_signer (an address). The
-- person must hold that approval. As not applicable (p_applies false, with a note) it takes the place of the person's
-- plain signature. Answers the row. Errors: GL403 may not sign, or has in another role (unless the setting
-- gates.one_person_many_roles is true), GL404 no such user or flag, GL409 signed already, GL422 a gate that is
-- checked or not there, 23514 a name that cannot be one.
CREATE OR REPLACE FUNCTION public.sign_gate(p_flag_key text, p_role text, p_gate text DEFAULT 'approval'::text, p_note text DEFAULT NULL::text, p_applies boolean DEFAULT true, p_signer text DEFAULT NULL::text)
 RETURNS gate_approvals
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_user uuid := (select auth.uid());
  v_email text;
  v_with text := 'session';
  v_signed public.gate_approvals;
begin
  if v_user is null then
    perform private.require_role('admin');
    v_with := 'secret_key';
    select u.id into v_user from auth.users u where lower(u.email) = lower(p_signer);
    if v_user is null then
      raise exception 'there is no user %', coalesce(p_signer, '(no name given)') using errcode = 'GL404',
        hint = 'A secret key signs for a person: name one of the team by the address they sign in with.';
    end if;
  elsif p_signer is not null then
    raise exception 'whoever is signed in signs as themselves' using errcode = 'GL403';
  end if;
  if not exists (
    select from public.team_members m where m.user_id = v_user and p_role = any (m.approvals)) then
    raise exception 'this person may not sign as %', p_role using errcode = 'GL403',
      hint = 'An admin gives the approval: set_team_member(user, role, approvals).';
  end if;
  if not exists (select from public.settings s where s.key = p_flag_key) then
    raise exception 'there is no flag %', p_flag_key using errcode = 'GL404';
  end if;
  -- Of a gate that is checked a signature would be kept, and would close nothing.
  if p_applies and p_gate not in ('approval', 'code_review', 'security_review', 'documentation', 'dashboards', 'smoke_tests',
    'edge_cases', 'on_call', 'status_page', 'communication') then
    raise exception '% is not signed: it is checked, or there is no such gate', p_gate using errcode = 'GL422',
      hint = 'It closes when what it looks at is well; where it does not apply, sign it as not applicable.';
  end if;
  -- Four signatures are four people, or they say nothing. What an approval's waiver is called makes no difference.
  if exists (
    select from public.gate_approvals g
    where g.flag_key = p_flag_key and g.signed_by = v_user and g.role <> p_role and g.revoked_at is null
      and regexp_replace(g.gate, '^approval_.*', 'approval') = regexp_replace(p_gate, '^approval_.*', 'approval'))
    and not exists (select from public.settings s where s.key = 'gates.one_person_many_roles' and s.value = 'true') then
    raise exception 'this person has signed % of % in another role', p_gate, p_flag_key using errcode = 'GL403',
      hint = 'Each role is to be another person. Where one has to stand for several, the setting gates.one_person_many_roles says so.';
  end if;
  select u.email into v_email from auth.users u where u.id = v_user;
  -- Whoever finds that a gate does not apply need not take their signature back by hand; the other way round they say why.
  if not p_applies then
    update public.gate_approvals g
    set revoked_at = clock_timestamp(), revoked_by = private.actor(), revoked_because = 'signed as not applicable instead'
    where g.flag_key = p_flag_key and g.gate = p_gate and g.role = p_role and g.signed_by = v_user and g.applies and g.revoked_at is null;
  end if;
  insert into public.gate_approvals (flag_key, gate, role, applies, note, signed_by, signed_as, signed_with)
  values (p_flag_key, p_gate, p_role, p_applies, nullif(p_note, ''), v_user, coalesce(v_email, v_user::text), v_with)
  on conflict (flag_key, gate, role, signed_by) where revoked_at is null do nothing
  returning * into v_signed;
  if v_signed.id is null then
    raise exception '% has signed % of % as % already', coalesce(v_email, v_user::text), p_gate, p_flag_key, p_role
      using errcode = 'GL409', hint = 'Take it back first to sign anew.';
  end if;
  return v_signed;
end $function$;
grant execute on function public.sign_gate(p_flag_key text, p_role text, p_gate text, p_note text, p_applies boolean, p_signer text) to authenticated, service_role;

-- Turns waiting deliveries into dead letters, so that those behind them continue. Returns how many. If retried later,
-- they arrive after what was delivered in the meantime.
CREATE OR REPLACE FUNCTION public.skip_deliveries(p_ids uuid[])
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  perform private.require_role('operator');
  perform private.lock_lanes(p_ids);
  update public.deliveries
  set state = 'dead', wakes = false, last_error = concat_ws(' ', last_error, '(skipped)'), updated_at = now()
  where id = any (p_ids) and state = 'pending';
  get diagnostics v_count = row_count;
  perform private.release_lanes(p_ids);
  return v_count;
end $function$;
grant execute on function public.skip_deliveries(p_ids uuid[]) to authenticated, service_role;

-- Flags that look done with, and since when: fully_on (on for everybody, unchanged for 30 days: the setting
-- flags.stale_days), fully_off (the same, off for everybody), past_end (launched that long ago and still there, or
-- still on an hour after its scheduled end), never_evaluated (made 7 days ago or earlier, and nobody has ever asked
-- for it), not_evaluated (nobody has for 30 days). For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.stale_flags(p_now timestamp with time zone DEFAULT now())
 RETURNS TABLE(key text, why text, since timestamp with time zone)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('viewer');
  return query select * from private.stale_flags(p_now);
end $function$;
grant execute on function public.stale_flags(p_now timestamp with time zone) to authenticated, service_role;

-- Sends a draft, or goes on with one that was stopped, if it is at the version that was read: the clock queues so
-- many a minute. For operators and secret keys. Errors: 42501, GL404, GL409 somebody else was faster, it is under way
-- or done, or nobody is left.
CREATE OR REPLACE FUNCTION public.start_announcement(p_id uuid, p_expected_version bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('operator');
  v_announcement := private.announcement_at(p_id, p_expected_version, array['draft', 'stopped']);
  if not exists (select from public.announcement_recipients r where r.announcement_id = p_id and r.state = 'pending') then
    raise exception 'there is nobody to send it to' using errcode = 'GL409', hint = 'Make another one: its audience may have people by now.';
  end if;
  update public.announcements a
  set state = 'sending', started_at = coalesce(a.started_at, clock_timestamp()), started_by = private.actor(), version = a.version + 1
  where a.id = p_id returning a.* into v_announcement;
  return private.announcement_view(v_announcement, clock_timestamp());
end $function$;
grant execute on function public.start_announcement(p_id uuid, p_expected_version bigint) to authenticated, service_role;

-- Starts a rollout: sets the flag to the first stage. p_gates, {gates: [{id, status, detail}], override}, is kept
-- with the event. For operators and secret keys. Errors: GL422 the gates were not asked or one is open, and no reason
-- is given, GL409 stale version, not a draft, another one under way, or the flag is on for more people already;
-- GL404.
CREATE OR REPLACE FUNCTION public.start_rollout(p_id uuid, p_expected_version bigint, p_reason text DEFAULT NULL::text, p_gates jsonb DEFAULT NULL::jsonb)
 RETURNS rollouts
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_stage public.rollout_stages;
  v_flag public.settings;
  v_gates jsonb;
  v_now numeric;
begin
  perform private.require_role('operator');
  v_rollout := private.rollout_at(p_id, p_expected_version, array['draft']);
  select * into v_flag from public.settings s where s.key = v_rollout.flag_key for update;
  if v_flag.key is null then
    raise exception 'there is no flag %', v_rollout.flag_key using errcode = 'GL404';
  elsif exists (select from public.rollouts r where r.flag_key = v_rollout.flag_key and r.state in ('running', 'paused')) then
    raise exception 'another rollout of % is under way', v_rollout.flag_key using errcode = 'GL409';
  end if;
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_id and s.position = 1;
  v_now := case when v_flag.value <> 'true' then 0 else coalesce((v_flag.metadata ->> 'rollout_percentage')::numeric,
    case when v_flag.metadata ? 'target_user_ids' or v_flag.metadata ? 'target_segments' then 0 else 100 end) end;
  if v_now > v_stage.percentage then
    raise exception '% is on for % %% already, and the first stage would take it away from some', v_flag.key, trim_scale(v_now)
      using errcode = 'GL409', hint = 'Turn it off first, or begin with a larger stage.';
  end if;
  v_gates := private.start_gates(p_gates, p_reason);
  v_rollout := private.enter_stage(v_rollout, 1, clock_timestamp());
  perform private.log_rollout(v_rollout, v_rollout.stage_started_at, 'started', jsonb_build_object('plan', v_rollout.plan)
    || private.stage_figures(private.rollout_stage(v_rollout)), p_evidence => v_gates, p_reason => p_reason);
  return v_rollout;
end $function$;
grant execute on function public.start_rollout(p_id uuid, p_expected_version bigint, p_reason text, p_gates jsonb) to authenticated, service_role;

-- What waits and why: unrouted conversations, each destination's state and queue, outbound queue, kill switches that
-- are set, rollouts under way and why they wait, counters. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.status()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
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
        'open', q.open, 'oldest_seconds', q.oldest_seconds,
        'dead', (
          select count(*) from public.deliveries x
          where x.state = 'dead' and x.dropped_reason is null and x.destination_id = d.id)) order by d.name), '[]')
      from public.destinations d
      cross join lateral (
        select count(*) as open, round(extract(epoch from now() - min(x.created_at))) as oldest_seconds
        from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
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
end $function$;
grant execute on function public.status() to authenticated, service_role;

-- What the public status page is made of: {at, components: [{component, status}], incidents: [{number, title,
-- severity, status, opened_at, resolved_at, updates: [{at, status, text}]}], templates}. For secret keys.
CREATE OR REPLACE FUNCTION public.status_page()
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  return private.status_page(clock_timestamp()) || jsonb_build_object('at', clock_timestamp(), 'components', (
    select jsonb_agg(jsonb_build_object('component', e.item -> 'component', 'status', e.item -> 'status') order by e.place)
    from jsonb_array_elements(private.health(clock_timestamp())) with ordinality as e (item, place)
    where e.item ->> 'component' <> 'config'));
end $function$;
grant execute on function public.status_page() to service_role;

-- Stops an announcement: what is queued already, ten seconds' worth at most, still goes. For operators and secret
-- keys. Errors: 42501, GL404, GL409 somebody else was faster, or it is not under way.
CREATE OR REPLACE FUNCTION public.stop_announcement(p_id uuid, p_expected_version bigint, p_reason text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_announcement public.announcements;
begin
  perform private.require_role('operator');
  v_announcement := private.announcement_at(p_id, p_expected_version, array['sending']);
  update public.announcements a
  set state = 'stopped', stopped_at = clock_timestamp(), stopped_by = private.actor(), stopped_because = private.given_reason(p_reason),
    version = a.version + 1
  where a.id = p_id returning a.* into v_announcement;
  return private.announcement_view(v_announcement, clock_timestamp());
end $function$;
grant execute on function public.stop_announcement(p_id uuid, p_expected_version bigint, p_reason text) to authenticated, service_role;

-- Turns a flag off whatever version it is at, forgets when the clock would turn it on, and answers the new version;
-- null when it is off already, with no such time, or not there. The rest of the flag stays as it is. For operators
-- and secret keys. Errors: 42501 not allowed, GL422 a reason of blanks, GL423 after 1 s where another transaction
-- holds the flag, with who.
CREATE OR REPLACE FUNCTION public.switch_off(p_key text, p_reason text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET lock_timeout TO '1s'
AS $function$
declare
  v_before text := current_setting('gatelink.reason', true);
  v_version bigint;
begin
  perform private.require_role('operator');
  perform set_config('gatelink.reason', coalesce(private.given_reason(p_reason), ''), true);
  begin
    update public.settings set value = 'false', metadata = private.without_start(metadata)
    where key = p_key and (value <> 'false' or metadata -> 'schedule' ? 'on_at') returning version into v_version;
  exception when lock_not_available then
    perform private.refuse_locked('the flag ' || p_key, array['public.settings'], private.without_database(p_key));
  end;
  perform set_config('gatelink.reason', coalesce(v_before, ''), true);
  return v_version;
end $function$;
grant execute on function public.switch_off(p_key text, p_reason text) to authenticated, service_role;

-- Takes one guess at a link's password: {allowed, retry_after_ms, hash}. client is a keyed hash of the network, which
-- waits longer after each wrong guess (private.guess_wait); without it all share 20 at once and one a minute. Has to
-- be settled (settle_password_attempt). For secret keys.
CREATE OR REPLACE FUNCTION public.take_password_attempt(p_code text, p_client text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select private.take_password_attempt(p_code, p_client, clock_timestamp())
$function$;
grant execute on function public.take_password_attempt(p_code text, p_client text) to service_role;

-- Takes p_cost from the limit p_key of p_rate a second with bursts of p_burst: {allowed, limit, remaining, reset_ms,
-- retry_after_ms}. retry_after_ms is null when the cost is above the burst. For secret keys.
CREATE OR REPLACE FUNCTION public.take_rate(p_key text, p_rate numeric, p_burst integer, p_cost integer DEFAULT 1)
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select private.refuse_older_code();
  select jsonb_build_object(
    'allowed', t.allowed, 'limit', p_burst, 'remaining', t.remaining,
    'reset_ms', t.reset_ms, 'retry_after_ms', t.retry_after_ms)
  from private.take_rate(p_key, p_rate, p_burst, p_cost, clock_timestamp()) t
$function$;
grant execute on function public.take_rate(p_key text, p_rate numeric, p_burst integer, p_cost integer) to service_role;

-- Takes uses of links, {code: how many}, and answers how many of them were granted, {code: n}: never more than
-- max_uses over all time. For secret keys.
CREATE OR REPLACE FUNCTION public.take_uses(p_wanted jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_row record;
  v_granted integer;
  v_answer jsonb := '{}';
begin
  perform private.refuse_older_code();
  for v_row in select w.key collate "C" as code, w.value::integer as n from jsonb_each_text(p_wanted) w order by 1 loop
    update public.links l
    set taken = greatest(0, least(v_row.n, coalesce(l.max_uses - l.uses, v_row.n))),
      uses = l.uses + greatest(0, least(v_row.n, coalesce(l.max_uses - l.uses, v_row.n)))
    where l.code = v_row.code
    returning l.taken into v_granted;
    v_answer := v_answer || jsonb_build_object(v_row.code, coalesce(v_granted, 0));
  end loop;
  return v_answer;
end $function$;
grant execute on function public.take_uses(p_wanted jsonb) to service_role;

-- Records the accounts that senders belong to, [{channel, id, address, provider, account}], as reported by webhooks,
-- and adds unknown senders.
CREATE OR REPLACE FUNCTION public.tell_accounts(p_senders jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  insert into public.senders as s (channel, id, address, provider, account, max_per_second, pair_seconds)
  select distinct on (r.channel, r.id) r.channel, r.id, r.address, r.provider, r.account, p.max_per_second, p.pair_seconds
  from jsonb_to_recordset(p_senders) as r (channel text, id text, address text, provider text, account text)
  cross join lateral private.channel_policy(r.channel) p
  order by r.channel, r.id
  on conflict (channel, id) do update set account = excluded.account where s.account is distinct from excluded.account;
end $function$;
grant execute on function public.tell_accounts(p_senders jsonb) to service_role;

-- The story of the message with this id, ours (also without hyphens), the provider's, or that of a trace, of which it
-- is the first message: {id, trace_id, others (ids of up to 50 other messages of the trace), conversation_id,
-- direction, type, status, events: [{at, reply, what, figures}]} in the order of time; null if there is none. Holds
-- no words and no numbers of people. For viewers and secret keys.
CREATE OR REPLACE FUNCTION public.trace_message(p_message text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_message public.messages;
  v_trace text;
begin
  perform private.require_role('viewer');
  if p_message ~* '^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$' then
    select * into v_message from public.messages m where m.id = p_message::uuid;
    if not found then
      select * into v_message from public.messages m
      where m.traceparent is not null and substr(m.traceparent, 4, 32) = lower(replace(p_message, '-', ''))
      order by m.seq limit 1;
    end if;
  else
    select * into v_message from public.messages m where m.provider_id = p_message order by m.seq limit 1;
  end if;
  if v_message.id is null then
    return null;
  end if;
  v_trace := coalesce(substr(v_message.traceparent, 4, 32), replace(v_message.id::text, '-', ''));
  return jsonb_build_object(
    'id', v_message.id, 'trace_id', v_trace, 'others', (
      select coalesce(jsonb_agg(o.id order by o.seq), '[]')
      from (
        select m.id, m.seq from public.messages m
        where m.traceparent is not null and substr(m.traceparent, 4, 32) = v_trace and m.id <> v_message.id
        union
        select m.id, m.seq from public.messages m where m.id = v_trace::uuid and m.id <> v_message.id
        order by seq limit 50
      ) o),
    'conversation_id', v_message.conversation_id, 'direction', v_message.direction, 'type', v_message.type,
    'status', v_message.status,
    'events', (
      select coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'reply', e.reply, 'what', e.what, 'figures', e.figures) order by e.at), '[]')
      from (
        select * from private.inbound_events(v_message) where v_message.direction = 'in'
        union all
        select o.at, false, o.what, o.figures from private.outbound_events(v_message) o where v_message.direction = 'out') e));
end $function$;
grant execute on function public.trace_message(p_message text) to authenticated, service_role;

-- Changes an incident if it still is at the version that was read: {title, kind, severity, status, flag_key,
-- component, public, rollback_id}, a note for the team, words for the status page. One that becomes severe takes the
-- rollout of its flag back. A status given to a resolved one opens it again. For operators and secret keys. Errors:
-- 42501, GL404 no such incident or flag, GL409 somebody else was faster, GL422 and 23514 what cannot be.
CREATE OR REPLACE FUNCTION public.update_incident(p_number bigint, p_expected_version bigint, p_changes jsonb DEFAULT '{}'::jsonb, p_note text DEFAULT NULL::text, p_public_text text DEFAULT NULL::text)
 RETURNS incidents
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
 SET lock_timeout TO '3s'
AS $function$
begin
  perform private.require_role('operator');
  if p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  end if;
  return private.change_incident(p_number, p_expected_version, coalesce(p_changes, '{}'), p_note, p_public_text, clock_timestamp());
end $function$;
grant execute on function public.update_incident(p_number bigint, p_expected_version bigint, p_changes jsonb, p_note text, p_public_text text) to authenticated, service_role;

-- Writes a link if it still is at the version the caller read, and answers it; null when it is not. A deleted one is
-- restored by writing another state. 23505 when the external id is another link's. For secret keys.
CREATE OR REPLACE FUNCTION public.update_link(p_code text, p_version integer, p_link jsonb, p_actor text)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_link public.links;
begin
  perform private.refuse_older_code();
  execute (
    select format(
      'update public.links l set (%s) = row(%s), version = l.version + 1, updated_at = clock_timestamp(), updated_by = $4
       from jsonb_populate_record(null::public.links, $3) f
       where l.code = $1 and l.version = $2 returning l.*',
      string_agg(c.name, ', '),
      string_agg(format('coalesce(f.%s, %s)', c.name, case c.name when 'state' then 'l.state' else c.missing end), ', '))
    from private.link_columns() c)
  into v_link using p_code, p_version, p_link, p_actor;
  if v_link.code is null then
    return null;
  end if;
  -- A key password_hash that is null takes the password away; without the key it stays.
  if p_link ? 'password_hash' then
    delete from private.link_passwords p where p.code = p_code;
    insert into private.link_passwords (code, hash)
    select p_code, p_link ->> 'password_hash' where p_link ->> 'password_hash' is not null;
    update public.links l set member_versions = l.member_versions || jsonb_build_object('password', l.version) where l.code = p_code;
  end if;
  return private.link_view(v_link);
end $function$;
grant execute on function public.update_link(p_code text, p_version integer, p_link jsonb, p_actor text) to service_role;

-- Looks at each part of health and at who is to be called of incidents, and says whether a notification is due. For
-- secret keys.
CREATE OR REPLACE FUNCTION public.watch()
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.refuse_older_code();
  perform private.watch(clock_timestamp());
  perform private.escalate_incidents(clock_timestamp());
  return exists (
      select from public.notifications n where n.state in ('pending', 'leased') and n.next_attempt_at <= clock_timestamp())
    or private.status_posts_are_due(clock_timestamp());
end $function$;
grant execute on function public.watch() to service_role;

-- What the guard sees of a rollout at this moment, in the form of the evidence of an event: the minutes since its
-- last event, and S after each. Null for one that is not under way. For viewers and secret keys. Errors: GL404.
CREATE OR REPLACE FUNCTION public.watch_rollout(p_id uuid)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
begin
  perform private.require_role('viewer');
  select * into v_rollout from public.rollouts r where r.id = p_id;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.state not in ('running', 'paused') then
    return null;
  end if;
  return private.rollout_evidence(v_rollout, private.closed_minute(clock_timestamp()), clock_timestamp());
end $function$;
grant execute on function public.watch_rollout(p_id uuid) to authenticated, service_role;

-- Transactions that have held locks on the tables of flags and rollouts for half a second or more, oldest first:
-- [{pid, role, state, seconds, statement}]. Does not wait for these locks. For operators and secret keys.
CREATE OR REPLACE FUNCTION public.who_blocks()
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  perform private.require_role('operator');
  return private.lock_holders(array['public.settings', 'public.settings_history', 'public.rollouts', 'public.rollout_stages',
    'public.rollout_events', 'public.segments', 'public.segment_members']);
end $function$;
grant execute on function public.who_blocks() to authenticated, service_role;

-- The signed-in user as a member of the team, {user_id, role}; null for others. Edge functions use it to check a
-- caller's token.
CREATE OR REPLACE FUNCTION public.whoami()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('user_id', m.user_id, 'role', m.role)
  from public.team_members m where m.user_id = (select auth.uid())
$function$;
grant execute on function public.whoami() to authenticated, service_role;

-- acknowledge_incident with the time given.
CREATE OR REPLACE FUNCTION private.acknowledge_incident(p_number bigint, p_now timestamp with time zone)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents := private.incident_at(p_number, null);
begin
  if v_incident.acknowledged_at is not null or v_incident.status = 'resolved' then
    return v_incident;
  end if;
  update public.incidents i
  set acknowledged_at = p_now, acknowledged_by = private.actor(), escalate_at = null, version = i.version + 1
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'acknowledged', p_now);
  perform private.notify_incident(v_incident, 'incident_acknowledged', null, p_now);
  return v_incident;
end $function$;

-- Who is written down as the author of a change: the id of the signed-in user, else the database role.
CREATE OR REPLACE FUNCTION private.actor()
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce((select auth.uid())::text, private.caller())
$function$;
grant execute on function private.actor() to service_role;

-- The sum of two histograms, count by count.
CREATE OR REPLACE FUNCTION private.add_histograms(p_a bigint[], p_b bigint[])
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$
  select array(select a + b from unnest(p_a, p_b) with ordinality as u (a, b, i) order by i)
$function$;
grant execute on function private.add_histograms(p_a bigint[], p_b bigint[]) to service_role;

-- The sum of two histograms, count by count.
CREATE OR REPLACE FUNCTION private.add_histograms(p_a integer[], p_b integer[])
 RETURNS integer[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$
  select array(select a + b from unnest(p_a, p_b) with ordinality as u (a, b, i) order by i)
$function$;
grant execute on function private.add_histograms(p_a integer[], p_b integer[]) to service_role;

-- add_measurements with the time given.
CREATE OR REPLACE FUNCTION private.add_measurements(p_measurements jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into public.measurements as m (name, label, minute, n, ms, counts, last_at)
  select i.name, coalesce(i.label, ''), w.minute, i.n, i.ms, i.counts, p_now
  from jsonb_to_recordset(p_measurements) as i (name text, label text, n bigint, ms double precision, counts bigint[])
  cross join lateral (values ('-infinity'::timestamptz), (date_trunc('minute', p_now))) as w (minute)
  order by 1, 2, 3
  on conflict on constraint measurements_pkey do update
    set n = m.n + excluded.n, ms = m.ms + excluded.ms, counts = private.add_histograms(m.counts, excluded.counts),
      last_at = excluded.last_at
$function$;
grant execute on function private.add_measurements(p_measurements jsonb, p_now timestamp with time zone) to service_role;

-- Sums objects of counts by key.
CREATE OR REPLACE FUNCTION private.add_up(p_groups jsonb[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_object_agg(s.key, s.n), '{}') from (
    select e.key, sum(e.value::bigint) as n from unnest(p_groups) g, jsonb_each_text(g) e group by e.key) s
$function$;
grant execute on function private.add_up(p_groups jsonb[]) to service_role;

-- The address at which a sender can write to a person; null if there is none.
CREATE OR REPLACE FUNCTION private.address_of(p_contact_id uuid, p_channel text, p_sender_id text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_kinds text[] := case p_channel when 'whatsapp' then array['group', 'phone', 'bsuid', 'parent_bsuid']
    when 'email' then array['email'] when 'telegram' then array['telegram'] else array['phone'] end;
begin
  return (
    select i.value from public.contact_identities i
    where i.contact_id = p_contact_id and i.valid_to is null and i.kind = any (v_kinds)
    order by array_position(v_kinds, i.kind), i.dialled, (i.sender_id is not distinct from p_sender_id) desc, i.id desc limit 1);
end $function$;
grant execute on function private.address_of(p_contact_id uuid, p_channel text, p_sender_id text) to service_role;

-- Trigger, before insert of segment_members: writes the id as flags compare it.
CREATE OR REPLACE FUNCTION private.admit_member()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  new.subject_id := private.subject_id(new.subject_id);
  return new;
end $function$;

-- Judges every rollout under way and acts on it, each for itself, all or nothing. For the clock, once a minute.
CREATE OR REPLACE FUNCTION private.advance_rollouts(p_now timestamp with time zone DEFAULT clock_timestamp())
 RETURNS TABLE(rollout_id uuid, flag_key text, verdict text, rule text)
 LANGUAGE plpgsql
 SET search_path TO ''
 SET lock_timeout TO '300ms'
AS $function$
declare
  r public.rollouts;
begin
  begin
    perform private.hear_feedback(p_now);
  exception when others then
    raise warning 'what people wrote could not be looked at: % (%)', sqlerrm, sqlstate;
  end;
  for r in select * from public.rollouts o where o.state in ('running', 'paused') order by o.id loop
    rollout_id := r.id;
    flag_key := r.flag_key;
    begin
      select g.verdict, g.rule into verdict, rule from private.guard_rollout(r.id, p_now) g;
      if verdict is null and exists (select from public.rollouts o where o.id = r.id and o.state in ('running', 'paused')) then
        raise lock_not_available;
      end if;
      -- What would be refused at the end of the transaction is this rollout's matter, and not that of the others.
      set constraints public.refuse_launch_at_end immediate;
      set constraints public.refuse_launch_at_end deferred;
      delete from private.guard_skips s where s.rollout_id = r.id;
    exception when lock_not_available or sqlstate 'GL423' then
      verdict := 'hold';
      rule := 'locked';
      perform private.guard_skipped(r.id, p_now);
    when others then
      verdict := 'page';
      rule := 'guard_failed';
      if not private.rollout_told(r.id, r.stage, 'paged', 'guard_failed', p_now - interval '1 hour') then
        perform private.log_rollout(r, p_now, 'paged', jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate), verdict, rule);
      end if;
    end;
    if verdict is not null then
      return next;
    end if;
  end loop;
end $function$;

-- The limits that an alarm of the guard was about.
CREATE OR REPLACE FUNCTION private.alarm_figures(p_rule text, p_watch jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case
    when p_rule = 'error_rate_relative' then '{}'
    when p_rule = 'error_rate_plain' then jsonb_build_object('error_rate', p_watch #> '{plain,error_rate}', 'minutes', p_watch #> '{plain,minutes}')
    when p_rule = 'mean_plain' then jsonb_build_object('mean_ms', p_watch #> '{plain,mean_ms}', 'minutes', p_watch #> '{plain,minutes}')
    when p_rule like 'p95%' then jsonb_build_object('p95_ms', p_watch -> 'p95_ms')
    else jsonb_build_object('error_rate', p_watch -> 'error_rate') end
$function$;

-- Locks an announcement that is at this version and in one of these states; GL404 or GL409 when it is not.
CREATE OR REPLACE FUNCTION private.announcement_at(p_id uuid, p_expected_version bigint, p_states text[])
 RETURNS announcements
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_announcement public.announcements;
begin
  select * into v_announcement from public.announcements a where a.id = p_id for update;
  if v_announcement.id is null then
    raise exception 'there is no such announcement' using errcode = 'GL404', hint = 'gatelink announce list';
  elsif p_expected_version is null then
    raise exception 'which version did you read?' using errcode = 'GL422', hint = 'p_expected_version';
  elsif v_announcement.version <> p_expected_version then
    raise exception 'the announcement is at version %, not %', v_announcement.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  elsif v_announcement.state <> all (p_states) then
    raise exception 'the announcement is %', case v_announcement.state when 'sending' then 'being sent' when 'draft' then 'a draft' else v_announcement.state end
      using errcode = 'GL409', hint = 'A draft is started or deleted, what is being sent is stopped, what is stopped goes on.';
  end if;
  return v_announcement;
end $function$;

-- An announcement with its figures: {…, people, pending, queued, left_out: {why: n}, waits: {why: n}, statuses:
-- {status: n}, would: {text, template, opted_out, group, window_closed: n}; null while it is sent}.
CREATE OR REPLACE FUNCTION private.announcement_view(p_announcement announcements, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select to_jsonb(p_announcement) || jsonb_build_object(
    'people', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id),
    'pending', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.state = 'pending'),
    'queued', (select count(*) from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.state = 'queued'),
    'left_out', (
      select coalesce(jsonb_object_agg(w.why, w.n), '{}') from (
        select r.why, count(*) as n from public.announcement_recipients r
        where r.announcement_id = p_announcement.id and r.state = 'left_out' group by r.why) w),
    'waits', (
      select coalesce(jsonb_object_agg(w.why, w.n), '{}') from (
        select r.why, count(*) as n from public.announcement_recipients r
        where r.announcement_id = p_announcement.id and r.state = 'pending' and r.why is not null group by r.why) w),
    'statuses', (
      select coalesce(jsonb_object_agg(w.status, w.n), '{}') from (
        select coalesce(m.status, 'purged') as status, count(*) as n
        from public.announcement_recipients r left join public.messages m on m.id = r.message_id
        where r.announcement_id = p_announcement.id and r.state = 'queued' group by 1) w),
    'would', case when p_announcement.state in ('draft', 'stopped') then (
      select coalesce(jsonb_object_agg(w.way, w.n), '{}') from (
        select y.way, count(*) as n from public.announcement_recipients r
        cross join lateral private.announcement_way(r.contact_id, p_announcement.number_id, p_announcement.text is not null,
          p_announcement.template is not null, p_now) y
        where r.announcement_id = p_announcement.id and r.state = 'pending' group by y.way) w) end)
$function$;

-- How a person gets an announcement: text, template, or not: opted_out, group, window_closed; and from which number,
-- null where none is known.
CREATE OR REPLACE FUNCTION private.announcement_way(p_contact_id uuid, p_number_id text, p_text boolean, p_template boolean, p_now timestamp with time zone, OUT number_id text, OUT way text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_last timestamptz;
begin
  if exists (select from public.conversations c where c.contact_id = p_contact_id and c.channel = 'whatsapp' and c.opted_out_at is not null) then
    way := 'opted_out';
  elsif exists (select from public.contact_identities i where i.contact_id = p_contact_id and i.kind = 'group' and i.valid_to is null) then
    way := 'group';
  else
    select c.number_id, c.last_inbound_at into number_id, v_last from public.conversations c
    where c.contact_id = p_contact_id and c.channel = 'whatsapp' and c.number_id = coalesce(p_number_id, c.number_id)
    order by c.last_inbound_at desc nulls last, c.last_message_at desc nulls last limit 1;
    number_id := coalesce(p_number_id, number_id);
    way := case
      when p_text and coalesce(v_last, '-infinity') > p_now - (private.channel_policy('whatsapp')).reply_window then 'text'
      when p_template then 'template' else 'window_closed' end;
  end if;
end $function$;

-- Versions of Gatelink's migrations that were applied and are on record, oldest first; null if there is no record.
CREATE OR REPLACE FUNCTION private.applied_migrations()
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_versions text[];
begin
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute 'select coalesce(array_agg(o.version order by o.version), ''{}'') from private.own_migrations o join supabase_migrations.schema_migrations m on m.version = o.version'
    into v_versions;
  end if;
  return v_versions;
end $function$;
grant execute on function private.applied_migrations() to service_role;

-- Turns flags on and off whose schedule's time has come, each by a versioned write with its history, and says how
-- many times. For the clock.
CREATE OR REPLACE FUNCTION private.apply_flag_schedules(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_flag public.settings;
  v_due record;
  v_count integer := 0;
begin
  for v_flag in
    select * from public.settings s where s.metadata ? 'schedule' order by s.key for update skip locked
  loop
    for v_due in
      select d.name, d.at, d.value
      from (values ('on_at', (v_flag.metadata #>> '{schedule,on_at}')::timestamptz, 'true'),
        ('off_at', (v_flag.metadata #>> '{schedule,off_at}')::timestamptz, 'false')) as d (name, at, value)
      where d.at <= p_now order by d.at, d.value desc
    loop
      begin
        v_flag.metadata := v_flag.metadata #- array['schedule', v_due.name];
        perform set_config('gatelink.start', 'stays', true);
        v_flag := public.set_setting(v_flag.key, v_due.value,
          case when v_flag.metadata -> 'schedule' = '{}' then v_flag.metadata - 'schedule' else v_flag.metadata end,
          v_flag.version, format('scheduled: %s %s', v_due.name, v_due.at));
        v_count := v_count + 1;
      exception when others then
        -- The others need not wait for it; the next minute tries again.
        raise warning 'the schedule of % could not be followed: %', v_flag.key, sqlerrm;
        exit;
      end;
    end loop;
  end loop;
  perform set_config('gatelink.start', '', true);
  return v_count;
end $function$;

-- Records the opt-outs and opt-ins in updates, each with its contact.
CREATE OR REPLACE FUNCTION private.apply_opt_outs(p_updates private.inbound_update[], p_contacts uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_words private.opt_word[];
begin
  select array_agg(row(latest.channel, latest.sender_id, latest.contact_id, latest.opt = 'out', latest.at)::private.opt_word)
  into v_words
  from (
    select distinct on (p_contacts[u.ordinality], u.channel, u.sender_id)
      p_contacts[u.ordinality] as contact_id, u.channel, u.sender_id, u.opt, coalesce(u.at, now()) as at
    from unnest(p_updates) with ordinality as u
    where u.opt is not null and u.sender_id is not null and p_contacts[u.ordinality] is not null
    order by p_contacts[u.ordinality], u.channel, u.sender_id, u.at desc nulls last, u.ord desc
  ) latest;
  if v_words is null then
    return;
  end if;
  insert into public.senders (channel, id, address, provider, max_per_second, pair_seconds)
  select distinct on (u.channel, u.sender_id) u.channel, u.sender_id, u.sender_display, u.provider, p.max_per_second, p.pair_seconds
  from unnest(p_updates) u cross join lateral private.channel_policy(u.channel) p
  where u.opt is not null and u.sender_id is not null
  order by u.channel, u.sender_id
  on conflict (channel, id) do nothing;
  perform private.keep_opt_words(v_words);
end $function$;
grant execute on function private.apply_opt_outs(p_updates private.inbound_update[], p_contacts uuid[]) to service_role;

-- Advances outbound messages by rank, never back, and records the time of each status. A status of a message that is
-- not ours stays in webhook_events only. Returns whether a lane that waited for one may continue.
CREATE OR REPLACE FUNCTION private.apply_statuses(p_updates private.inbound_update[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  -- The message that each update is about, by the update's place.
  v_about uuid[];
  v_places bigint[];
  v_ids uuid[];
  v_unnamed uuid[];
  v_window_closed boolean := exists (
    select from unnest(p_updates) u where u.status = 'failed'
      and u.error #>> '{0,code}' = (private.channel_policy(u.channel)).window_code);
  v_opted_out boolean := exists (
    select from unnest(p_updates) u where u.status = 'failed'
      and u.error #>> '{0,code}' = (private.channel_policy(u.channel)).opt_out_code);
begin
  -- By our own id if the provider returns it, else by the provider's id.
  select array_agg(m.id), array_agg(u.ordinality) into v_about, v_places
  from unnest(p_updates) with ordinality as u
  cross join lateral (
    (select m.id from public.messages m
    where m.id = case when u.callback ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then u.callback::uuid end
      and m.direction = 'out' and m.channel = u.channel limit 1)
    union
    (select m.id from public.messages m
    where m.provider_id = u.provider_id and m.direction = 'out' and m.channel = u.channel limit 10)) m
  where u.kind = 'status';
  if v_about is null then
    return false;
  end if;
  v_ids := array(select distinct id from unnest(v_about) as id order by id);
  if v_opted_out then
    perform private.keep_opt_words(array(
      select row(word.channel, word.number_id, word.contact_id, true, word.at)::private.opt_word
      from (
        select distinct on (c.id) c.channel, c.number_id, c.contact_id, coalesce(u.at, now()) as at
        from unnest(v_about, v_places) as about (id, place)
        join unnest(p_updates) with ordinality as u on u.ordinality = about.place
        join public.messages m on m.id = about.id
        join public.conversations c on c.id = m.conversation_id
        where u.status = 'failed' and u.error #>> '{0,code}' = (private.channel_policy(u.channel)).opt_out_code
        order by c.id, u.at desc nulls last) word));
  end if;
  -- One lock order, lanes before messages: the lanes that wait for one of these messages, and those of messages sent again.
  perform from private.outbound_lanes l where l.waits_for = any (v_ids) order by l.conversation_id for update;
  if v_window_closed then
    perform from private.outbound_lanes l
    where l.conversation_id in (select o.conversation_id from public.outbound_messages o where o.id = any (v_ids))
    order by l.conversation_id for update;
  end if;
  perform from public.messages where id = any (v_ids) order by id for update;
  v_unnamed := array(select m.id from public.messages m where m.id = any (v_ids) and m.provider_id is null);
  update public.messages m
  set status = case when best.rank > m.status_rank then best.status else m.status end,
    status_rank = greatest(m.status_rank, best.rank),
    status_at = best.times || m.status_at,
    pricing = coalesce(best.pricing, m.pricing),
    error = case when greatest(m.status_rank, best.rank) <= 2 then coalesce(best.error, m.error) end,
    provider_id = coalesce(m.provider_id, best.provider_id)
  from (
    select about.id,
      (array_agg(u.status order by u.rank desc))[1] as status, max(u.rank) as rank,
      jsonb_object_agg(u.status, u.at order by u.at desc) as times,
      (array_agg(u.pricing order by u.rank desc) filter (where u.pricing is not null))[1] as pricing,
      (array_agg(u.error order by u.rank desc) filter (where u.error is not null))[1] as error,
      max(u.provider_id) as provider_id
    from unnest(v_about, v_places) as about (id, place)
    join unnest(p_updates) with ordinality as u on u.ordinality = about.place
    where u.status is not null and u.rank is not null
    group by about.id
  ) best
  where m.id = best.id;
  if cardinality(v_unnamed) > 0 then
    perform private.drop_echoes(v_unnamed);
  end if;
  -- A status proves that the provider accepted the message, even if the sender died before recording it.
  update public.outbound_messages o set state = 'sent', updated_at = now()
  where o.id = any (v_ids) and o.state in ('queued', 'leased');
  if v_window_closed then
    perform private.send_fallback(m.id, now()) from public.messages m
    where m.id = any (v_ids) and m.status = 'failed' and m.error #>> '{0,code}' = (private.channel_policy(m.channel)).window_code;
  end if;
  return private.free_lanes(v_ids);
end $function$;
grant execute on function private.apply_statuses(p_updates private.inbound_update[]) to service_role;

-- Records the template categories that updates report, {account, id, name, language, category}, by name and language,
-- or without these by id. The newer one wins.
CREATE OR REPLACE FUNCTION private.apply_templates(p_updates private.inbound_update[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into private.template_categories as t (channel, account, name, language, template_id, category, at)
  select distinct on (u.channel, u.template ->> 'account', u.template ->> 'name', u.template ->> 'language')
    u.channel, u.template ->> 'account', u.template ->> 'name', u.template ->> 'language', u.template ->> 'id',
    lower(u.template ->> 'category'), coalesce(u.at, now())
  from unnest(p_updates) u
  where u.template ->> 'name' is not null and u.template ->> 'language' is not null
  order by u.channel, u.template ->> 'account', u.template ->> 'name', u.template ->> 'language', u.at desc nulls last, u.ord desc
  on conflict on constraint template_categories_pkey do update
    set category = excluded.category, at = excluded.at, template_id = coalesce(excluded.template_id, t.template_id)
    where t.category is null or excluded.at >= t.at;
  update private.template_categories t
  set category = lower(latest.template ->> 'category'), at = latest.at
  from (
    select distinct on (u.channel, u.template ->> 'account', u.template ->> 'id') u.channel, u.template, coalesce(u.at, now()) as at
    from unnest(p_updates) u
    where u.template ->> 'name' is null or u.template ->> 'language' is null
    order by u.channel, u.template ->> 'account', u.template ->> 'id', u.at desc nulls last, u.ord desc
  ) latest
  where t.channel = latest.channel and t.account = latest.template ->> 'account' and t.template_id = latest.template ->> 'id'
    and latest.at >= t.at;
end $function$;
grant execute on function private.apply_templates(p_updates private.inbound_update[]) to service_role;

-- What is wrong with a value of the setting deeplinks.apps; null for nothing.
CREATE OR REPLACE FUNCTION private.apps_fault(p_value text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_value jsonb;
  v_app jsonb;
  v_at text;
begin
  begin
    v_value := p_value::jsonb;
  exception when data_exception then
    return 'the value is not JSON';
  end;
  if jsonb_typeof(v_value) <> 'object' or v_value - array['ios', 'android'] <> '{}'
    or exists (select from jsonb_each(v_value) e where jsonb_typeof(e.value) <> 'array') then
    return 'the value must be an object with the lists ios and android, and nothing else';
  end if;
  for v_app, v_at in
    select e.value, format('ios[%s]', e.ordinality - 1)
    from jsonb_array_elements(v_value -> 'ios') with ordinality e
  loop
    if jsonb_typeof(v_app) <> 'object' or v_app - array['app_id', 'paths'] <> '{}' then
      return v_at || ' must be an object with app_id and, where wanted, paths';
    elsif jsonb_typeof(v_app -> 'app_id') is distinct from 'string'
      or v_app ->> 'app_id' !~ '^[A-Z0-9]{10}(\.[A-Za-z0-9-]{1,100}){1,10}$' then
      return v_at || '.app_id must be the team id of ten capitals and digits, a dot and the bundle id, like ABCDE12345.com.example.app';
    elsif v_app ? 'paths' and (jsonb_typeof(v_app -> 'paths') <> 'array' or v_app -> 'paths' = '[]'
      or jsonb_path_exists(v_app -> 'paths', 'strict $[*] ? (@.type() != "string")')
      or exists (select from jsonb_array_elements_text(v_app -> 'paths') p where p !~ '^!?[/*][!-~]*$')) then
      return v_at || '.paths must be a list of paths that begin with / or *, after a ! to exclude one';
    end if;
  end loop;
  for v_app, v_at in
    select e.value, format('android[%s]', e.ordinality - 1)
    from jsonb_array_elements(v_value -> 'android') with ordinality e
  loop
    if jsonb_typeof(v_app) <> 'object' or v_app - array['package', 'sha256'] <> '{}' then
      return v_at || ' must be an object with package and sha256';
    elsif jsonb_typeof(v_app -> 'package') is distinct from 'string'
      or v_app ->> 'package' !~ '^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$' then
      return v_at || '.package must be like com.example.app';
    elsif jsonb_typeof(v_app -> 'sha256') is distinct from 'array' or v_app -> 'sha256' = '[]'
      or jsonb_path_exists(v_app -> 'sha256', 'strict $[*] ? (@.type() != "string")')
      or exists (select from jsonb_array_elements_text(v_app -> 'sha256') p where p !~ '^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$') then
      return v_at || '.sha256 must list fingerprints of 32 pairs of hex digits with colons between them, like 14:6D:E9:…';
    end if;
  end loop;
  return null;
end $function$;

-- Whether two contacts have different ids of this kind at the same sender, and so are two people.
CREATE OR REPLACE FUNCTION private.are_apart(p_one uuid, p_other uuid, p_kind text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return exists (
    select from public.contact_identities i
    where i.contact_id in (p_one, p_other) and i.kind = p_kind and i.valid_to is null
      and not private.ids_at(p_one, p_kind, i.sender_id) && private.ids_at(p_other, p_kind, i.sender_id));
end $function$;
grant execute on function private.are_apart(p_one uuid, p_other uuid, p_kind text) to service_role;

-- Whether somebody has the feature of a flag, on or off; null where that says nothing, as armOf() in
-- _shared/rollouts/observe.ts. by_share: by the percentage, and not by a list.
CREATE OR REPLACE FUNCTION private.arm_of(p_flag_key text, p_subject_id text, p_now timestamp with time zone, OUT arm text, OUT by_share boolean)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_found record;
begin
  select e.value, e.reason, s.value as set_to into v_found
  from public.settings s cross join lateral private.evaluate_flag(s.key, p_subject_id) e where s.key = p_flag_key;
  by_share := false;
  if not found then
    return;
  elsif v_found.set_to <> 'true' or private.killed_since(p_flag_key, p_now) is not null then
    arm := 'off';
  elsif v_found.reason not in ('DISABLED', 'ERROR') then
    arm := case when v_found.value then 'on' else 'off' end;
    by_share := v_found.reason = 'SPLIT';
  end if;
end $function$;
grant execute on function private.arm_of(p_flag_key text, p_subject_id text, p_now timestamp with time zone, OUT arm text, OUT by_share boolean) to service_role;

-- Finds, creates or merges the contact of each update, in its place; null for an update that identifies nobody.
CREATE OR REPLACE FUNCTION private.assign_contacts(p_updates private.inbound_update[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_contacts uuid[] := private.find_contacts(p_updates);
  v_row record;
  v_place bigint;
  v_contact uuid;
begin
  if array_position(v_contacts, null) is null then
    return v_contacts;
  end if;
  perform private.lock_contacts();
  perform private.make_newcomers(p_updates);
  -- The others, neither clearly known nor clearly new: one by one, in the order of the batch.
  v_contacts := private.find_contacts(p_updates);
  for v_row in
    select u.channel, u.sender_id, u.identities, min(u.at) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name,
      array_agg(u.ordinality) as places
    from unnest(p_updates) with ordinality as u
    where v_contacts[u.ordinality] is null and cardinality(u.identities) > 0
    group by u.channel, u.sender_id, u.identities
    order by min(u.ord)
  loop
    v_contact := private.resolve_contact(v_row.channel, v_row.identities, v_row.name, least(coalesce(v_row.at, now()), now()), v_row.sender_id);
    foreach v_place in array v_row.places loop
      v_contacts[v_place] := v_contact;
    end loop;
  end loop;
  -- A later update may have merged the contact of an earlier one.
  return private.merged(v_contacts);
end $function$;
grant execute on function private.assign_contacts(p_updates private.inbound_update[]) to service_role;

-- An attempt as people see it in a log: {delivery_id, message_id, last_four, type, attempt, outcome, status,
-- latency_ms, error, answer, at}; the answer only with p_words, without ids and cut to 2,000 characters.
CREATE OR REPLACE FUNCTION private.attempt_view(p_attempt delivery_attempts, p_delivery deliveries, p_words boolean)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('delivery_id', p_delivery.id, 'message_id', p_delivery.message_id,
    'last_four', private.contact_last_four(c.contact_id), 'type', m.type, 'attempt', p_attempt.attempt, 'outcome', p_attempt.outcome,
    'status', p_attempt.status, 'latency_ms', p_attempt.latency_ms, 'error', p_attempt.error,
    'answer', case when p_words then left(private.quoted(p_attempt.answer, c.contact_id), 2000) end, 'at', p_attempt.at)
  from public.messages m join public.conversations c on c.id = m.conversation_id
  where m.id = p_delivery.message_id
$function$;
grant execute on function private.attempt_view(p_attempt delivery_attempts, p_delivery deliveries, p_words boolean) to service_role;

-- Writes where a message came from, by its token, else by its referral. The first message with a token makes it
-- exact; what carries it later, or forwarded, or too late (setting deeplinks.token_hours, 720) is written down as
-- that. A message and its edits are attributed once.
CREATE OR REPLACE FUNCTION private.attribute_message(p_message messages)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_click public.clicks;
  v_contact uuid;
  v_person uuid[];
  v_first boolean;
  v_before public.attributions;
  v_reason text;
begin
  if p_message.link_token is not null then
    select * into v_click from public.clicks c where c.token = p_message.link_token;
  end if;
  if v_click.code is null and p_message.referral is null then
    -- Somebody's invention, or a click that is not written yet.
    insert into private.unknown_tokens (message_id) values (p_message.id) on conflict (message_id) do nothing;
    return;
  end if;
  if private.is_attributed_otherwise(p_message) then
    return;
  end if;
  select c.contact_id into v_contact from public.conversations c where c.id = p_message.conversation_id;
  v_person := private.same_person(v_contact);
  v_first := not exists (select from public.attributions a where a.contact_id = any (v_person));

  if v_click.code is not null and not p_message.forwarded
    and v_click.at > p_message.created_at - private.attribution_window('deeplinks.token_hours', 720) then
    insert into public.attributions (
      message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id, ctwa_clid, referral)
    values (p_message.id, v_contact, v_click.code, v_click.token, 'exact', 'first', v_first, v_click.at, v_click.user_id,
      p_message.referral ->> 'ctwa_clid', p_message.referral)
    on conflict do nothing;
    if found then
      return;
    end if;
  end if;
  if v_click.code is not null then
    select * into v_before from public.attributions a where a.token = v_click.token and a.confidence = 'exact';
    v_reason := case
      when p_message.forwarded then 'forwarded'
      when v_before.message_id is null then 'expired'
      when v_before.contact_id = any (v_person)
        and v_before.created_at > p_message.created_at - private.attribution_window('deeplinks.contact_hours', 24) then 'repeated'
      else 'reused' end;
  end if;
  insert into public.attributions (
    message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id, ctwa_clid, referral)
  values (p_message.id, v_contact, v_click.code, v_click.token,
    case v_reason when 'repeated' then 'contact' else case when v_reason is null then 'referral' else 'low' end end,
    coalesce(v_reason, 'ad'), v_first, v_click.at, v_click.user_id, p_message.referral ->> 'ctwa_clid', p_message.referral)
  on conflict do nothing;
end $function$;
grant execute on function private.attribute_message(p_message messages) to service_role;

-- Trigger, after insert of messages with a token or referral: private.attribute_message.
CREATE OR REPLACE FUNCTION private.attribute_new_message()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.attribute_message(new);
  return null;
end $function$;
grant execute on function private.attribute_new_message() to service_role;

-- Attributes messages whose click was written after them, and ties the first waiting message of these conversations
-- to the latest link that their contact clicked within the setting deeplinks.contact_hours, if that click has not
-- come back otherwise.
CREATE OR REPLACE FUNCTION private.attribute_waiting(p_conversations uuid[], p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
begin
  -- Nearly always there is none.
  if exists (select from private.unknown_tokens) then
    perform private.attribute_message(m)
    from private.unknown_tokens u
    cross join lateral (select * from public.messages m where m.id = u.message_id limit 1) m
    where exists (select from public.clicks c where c.token = m.link_token)
    order by m.seq;
    delete from private.unknown_tokens u
    where u.at < p_now - interval '10 minutes' or exists (select from public.attributions a where a.message_id = u.message_id);
  end if;
  -- The same applies to clicks of known contacts.
  if not exists (select from public.clicks k where k.user_id is not null and k.token is not null limit 1) then
    return;
  end if;

  insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id)
  select m.id, c.contact_id, k.code, k.token, 'contact', 'clicked',
    not exists (select from public.attributions a where a.contact_id = any (p.contacts)), k.at, k.user_id
  from public.conversations c
  cross join lateral (select private.same_person(c.contact_id) as contacts offset 0) p
  cross join lateral (
    select k.* from public.clicks k
    where k.user_id = any (p.contacts::text[]) and k.token is not null and k.target = 'whatsapp'
      and k.at > p_now - private.attribution_window('deeplinks.contact_hours', 24)
    order by k.at desc limit 1) k
  cross join lateral (
    select m.id from public.messages m
    where m.conversation_id = c.id and m.seq > c.routed_seq and m.direction = 'in' and m.created_at >= k.at
      and m.link_token is null and m.referral is null
    order by m.seq limit 1) m
  where c.id = any (p_conversations)
    and not exists (select from public.attributions a where a.token = k.token)
  on conflict (message_id) do nothing;
end $function$;
grant execute on function private.attribute_waiting(p_conversations uuid[], p_now timestamp with time zone) to service_role;

-- A time span from a setting in whole hours, else the default.
CREATE OR REPLACE FUNCTION private.attribution_window(p_key text, p_default integer)
 RETURNS interval
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select make_interval(hours => coalesce((
    select s.value::integer from public.settings s where s.key = p_key and s.value ~ '^[0-9]{1,5}$'), p_default))
$function$;
grant execute on function private.attribution_window(p_key text, p_default integer) to service_role;

-- Who an audience is now, by the ids that it names them with, and the contact of each; somebody may be there twice.
CREATE OR REPLACE FUNCTION private.audience(p_audience jsonb, p_now timestamp with time zone)
 RETURNS TABLE(subject_id text, contact_id uuid)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_flag text := p_audience ->> 'flag_key';
  v_days integer := coalesce((p_audience ->> 'days')::integer, 30);
  v_everybody boolean;
begin
  case p_audience ->> 'kind'
    when 'segments' then
      return query select distinct m.subject_id, private.contact_of_subject(m.subject_id) from public.segment_members m
        where m.segment_key in (select jsonb_array_elements_text(p_audience -> 'segments'));
    when 'wrote' then
      return query select w.contact_id::text, w.contact_id from private.wrote_within(v_days, p_now) w;
    when 'affected' then
      return query select a.subject_id, private.contact_of_subject(a.subject_id) from private.affected_people a
        where a.flag_key = v_flag and a.last_at >= coalesce((p_audience ->> 'since')::timestamptz, '-infinity');
    else
      return query
        select t.id, private.contact_of_subject(t.id) from (
          select jsonb_array_elements_text(coalesce(s.metadata -> 'target_user_ids', '[]')) from public.settings s where s.key = v_flag
          union
          select m.subject_id from public.settings s
          cross join lateral jsonb_array_elements_text(coalesce(s.metadata -> 'target_segments', '[]')) as k (key)
          join public.segment_members m on m.segment_key = k.key
          where s.key = v_flag) t (id);
      if not coalesce((p_audience ->> 'targets_only')::boolean, false) then
        v_everybody := private.on_for_everybody(v_flag);
        return query select w.contact_id::text, w.contact_id from private.wrote_within(v_days, p_now) w
          where v_everybody or (select e.value from private.evaluate_flag(v_flag, w.contact_id::text) e);
      end if;
  end case;
end $function$;

-- Gives these deliveries a full schedule of attempts and keeps the results of earlier ones.
CREATE OR REPLACE FUNCTION private.begin_again(p_ids uuid[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  -- Attempts start over; the results of earlier ones stay readable under negative numbers.
  update public.delivery_attempts a
  set attempt = (select least(0, min(b.attempt)) from public.delivery_attempts b where b.delivery_id = a.delivery_id) - a.attempt
  where a.delivery_id = any (p_ids) and a.attempt > 0
$function$;
grant execute on function private.begin_again(p_ids uuid[]) to service_role;

-- Trigger, after insert of segment_members: GL422 where a segment has more than 10,000 members, or all targets
-- together are more than the functions can hold.
CREATE OR REPLACE FUNCTION private.bound_members()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_key text;
begin
  select c.segment_key into v_key from (select distinct a.segment_key from added a) c
  where (select count(*) from public.segment_members m where m.segment_key = c.segment_key) > 10000 limit 1;
  if v_key is not null then
    raise exception 'a segment has at most 10000 members, and % would have more', v_key using errcode = 'GL422',
      hint = 'Use a percentage for larger groups.';
  end if;
  if exists (select from added) then
    perform private.refuse_too_many(0);
  end if;
  return null;
end $function$;

-- Version of the newest migration that older code must not run on; null if there is none.
CREATE OR REPLACE FUNCTION private.breaking_version()
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select max(b.version) from private.schema_breaks b
$function$;
grant execute on function private.breaking_version() to service_role;

-- Trigger, after insert, update, delete or truncate, for each statement, on every table that load_config reads. Waits
-- for no other transaction.
CREATE OR REPLACE FUNCTION private.bump_config_revision()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_taken bigint;
begin
  perform from private.config_revision r for update skip locked;
  if not found then
    insert into private.config_changes default values;
    return null;
  end if;
  with taken as (delete from private.config_changes returning 1)
  select count(*) into v_taken from taken;
  update private.config_revision
  set revision = greatest(revision + v_taken + 1, (date_part('epoch', clock_timestamp()) * 1000)::bigint), changed_at = clock_timestamp();
  return null;
end $function$;

-- Posts to one of our functions by pg_net, with address and key from Vault (gatelink_url, gatelink_secret_key).
CREATE OR REPLACE FUNCTION private.call_function(p_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;

-- Trigger, before a flag is set to off: forgets when the clock would turn it on, unless gatelink.start is stays in
-- this transaction.
CREATE OR REPLACE FUNCTION private.call_off_start()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if new.metadata #> '{schedule,on_at}' = old.metadata #> '{schedule,on_at}' and (old.value = 'true' or new.metadata = old.metadata)
    and coalesce(current_setting('gatelink.start', true), '') <> 'stays' then
    new.metadata := private.without_start(new.metadata);
  end if;
  return new;
end $function$;

-- The database role that asked, also inside SECURITY DEFINER functions: anon, authenticated, service_role, or the
-- role that connected.
CREATE OR REPLACE FUNCTION private.caller()
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(nullif(current_setting('role', true), 'none'), session_user)
$function$;
grant execute on function private.caller() to service_role;

-- Whether an account has confirmed its address and is neither banned nor deleted: whoever typed somebody else's
-- address into a sign-up form has not.
CREATE OR REPLACE FUNCTION private.can_sign_in(p_user_id uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from auth.users u
    where u.id = p_user_id and u.email_confirmed_at is not null and u.deleted_at is null
      and (u.banned_until is null or u.banned_until <= now()))
$function$;
grant execute on function private.can_sign_in(p_user_id uuid) to service_role;

-- The chance of k or fewer failures among n at a rate, in millionths; a million where k is no fewer than expected.
CREATE OR REPLACE FUNCTION private.chance_of_so_few(p_k bigint, p_n bigint, p_rate double precision)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  k double precision := p_k;
  n double precision := p_n;
  v_exponent double precision;
  v_term double precision;
  v_sum double precision;
  i double precision;
begin
  if k >= n * p_rate then
    return 1000000;
  end if;
  v_exponent := private.ln_factorial(p_n) - private.ln_factorial(p_k) - private.ln_factorial(p_n - p_k) + k * ln(p_rate)
    + (n - k) * ln(1 - p_rate);
  if v_exponent < -700 then
    return 0;
  end if;
  v_term := exp(v_exponent);
  v_sum := v_term;
  i := k;
  while i > 0 and v_term > v_sum * 1e-10::double precision loop
    v_term := v_term * i * (1 - p_rate) / ((n - i + 1) * p_rate);
    v_sum := v_sum + v_term;
    i := i - 1;
  end loop;
  return round(v_sum * 1000000);
end $function$;

-- update_incident with the time given.
CREATE OR REPLACE FUNCTION private.change_incident(p_number bigint, p_expected_version bigint, p_changes jsonb, p_note text, p_public_text text, p_now timestamp with time zone)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_was public.incidents := private.incident_at(p_number, p_expected_version);
  v_now public.incidents;
  v_changes jsonb;
  v_note text := private.given_reason(p_note);
  v_public_text text := private.given_reason(p_public_text);
begin
  if not private.object_keys_within(p_changes, array['title', 'kind', 'severity', 'status', 'flag_key', 'component', 'public', 'rollback_id']) then
    raise exception 'an incident has title, kind, severity, status, flag_key, component, public and rollback_id to be changed' using errcode = 'GL422';
  elsif exists (
    select from jsonb_each(p_changes) c
    where case when c.key = 'public' then jsonb_typeof(c.value) <> 'boolean'
      when c.key in ('flag_key', 'component', 'rollback_id') and c.value = 'null' then false
      else jsonb_typeof(c.value) <> 'string' or c.key = 'rollback_id' and not pg_input_is_valid(c.value #>> '{}', 'uuid') end) then
    raise exception 'the changes of an incident are texts, but public is true or false' using errcode = 'GL422',
      hint = 'flag_key, component and rollback_id (a UUID) may be null.';
  elsif p_changes ->> 'status' = 'resolved' then
    raise exception 'an incident is resolved by resolve_incident' using errcode = 'GL422';
  elsif p_changes ->> 'flag_key' is not null and not exists (select from public.settings s where s.key = p_changes ->> 'flag_key') then
    raise exception 'there is no flag %', p_changes ->> 'flag_key' using errcode = 'GL404';
  end if;
  v_now := jsonb_populate_record(v_was, p_changes);
  v_now.title := btrim(v_now.title);
  -- Opened again: it counts from now.
  if v_was.status = 'resolved' and p_changes ? 'status' then
    v_now.resolved_at := null;
    v_now.resolved_by := null;
    v_now.escalates_from := p_now;
  end if;
  -- A title may name a person: it stands where an erasure finds it.
  select jsonb_object_agg(k.key, case k.key when 'title' then jsonb_build_object('detail', v_was.title)
    else jsonb_build_object('from', to_jsonb(v_was) -> k.key, 'to', to_jsonb(v_now) -> k.key) end) into v_changes
  from jsonb_object_keys(p_changes) as k (key)
  where to_jsonb(v_was) -> k.key is distinct from to_jsonb(v_now) -> k.key;
  if v_changes is null and v_note is null and v_public_text is null then
    return v_was;
  elsif v_public_text is not null and not v_now.public then
    raise exception 'incident % is not public', p_number using errcode = 'GL422', hint = 'Make it public in the same call: {"public": true}.';
  end if;
  update public.incidents i
  set title = v_now.title, kind = v_now.kind, severity = v_now.severity, status = v_now.status, flag_key = v_now.flag_key,
    component = v_now.component, public = v_now.public, rollback_id = v_now.rollback_id, resolved_at = v_now.resolved_at,
    resolved_by = v_now.resolved_by, escalates_from = v_now.escalates_from, version = i.version + 1
  where i.id = v_was.id returning i.* into v_now;
  if v_changes ? 'severity' or v_was.status = 'resolved' and v_now.status <> 'resolved' then
    update public.incidents i set escalated = 0, escalate_at = private.next_escalation(jsonb_populate_record(v_now, '{"escalated": 0}'), p_now)
    where i.id = v_now.id returning i.* into v_now;
  end if;
  if v_changes is not null then
    perform private.write_incident(v_now, 'changed', p_now, v_note, v_changes);
  elsif v_note is not null then
    perform private.write_incident(v_now, 'noted', p_now, v_note);
  end if;
  if v_now.public and (v_public_text is not null or v_changes ?| array['status', 'public']) then
    perform private.write_incident(v_now, 'published', p_now, v_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_now, 'incident_updated', coalesce(v_note, v_public_text), p_now);
  if v_changes ?| array['severity', 'kind', 'flag_key'] then
    v_now := private.take_back(v_now, p_now);
  end if;
  return v_now;
end $function$;

-- What a channel allows. reply_window: how long after the person's last message free-form replies are allowed; null
-- for always. opt_out, what conversations.opted_out_at blocks: until_resumed (only marketing templates, until the
-- person resumes them), until_start and suppression (everything, until the person sends START, or until the address
-- leaves the suppression list), none (nothing: the channel does not deliver opt-outs). max_per_second and
-- pair_seconds: initial values for a sender created by a webhook; its row holds the current values. window_code and
-- opt_out_code: the provider's error codes for a closed window and for an opted-out person; null for none.
-- media_wait: how long the messages after a media message wait for its status; null if they do not wait.
CREATE OR REPLACE FUNCTION private.channel_policy(p_channel text, OUT reply_window interval, OUT opt_out text, OUT max_per_second integer, OUT pair_seconds numeric, OUT window_code text, OUT opt_out_code text, OUT media_wait interval)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_channel when 'whatsapp' then interval '24 hours' end,
    case p_channel when 'whatsapp' then 'until_resumed' when 'email' then 'suppression' when 'telegram' then 'none'
      else 'until_start' end,
    case p_channel when 'whatsapp' then 80 else 1 end,
    case p_channel when 'whatsapp' then 6 else 1 end,
    case p_channel when 'whatsapp' then '131047' end,
    case p_channel when 'whatsapp' then '131050' end,
    case p_channel when 'whatsapp' then interval '10 seconds' end
$function$;
grant execute on function private.channel_policy(p_channel text, OUT reply_window interval, OUT opt_out text, OUT max_per_second integer, OUT pair_seconds numeric, OUT window_code text, OUT opt_out_code text, OUT media_wait interval) to service_role;

-- Who is chosen for a stage of so many users: those of the stages before, and the next by the hash that percentages
-- go by, so that they are the first who have it at a percentage too. Without segments, of the 50,000 people who wrote
-- last. Fewer where there are not so many.
CREATE OR REPLACE FUNCTION private.choose_users(p_rollout rollouts, p_stage rollout_stages, p_now timestamp with time zone)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  -- Who was chosen stays chosen, whoever came since.
  v_chosen text[] := coalesce((
    select s.chosen from public.rollout_stages s
    where s.rollout_id = p_rollout.id and s.position <= p_stage.position and s.chosen <> '{}' order by s.position desc limit 1), '{}');
  v_salt text := coalesce((select s.metadata ->> 'salt' from public.settings s where s.key = p_rollout.flag_key), p_rollout.flag_key);
begin
  v_chosen := v_chosen || array(
    select c.id
    from (
      select distinct m.subject_id as id from public.segment_members m where m.segment_key = any (p_stage.among)
      union
      select l.id from (
        -- A hash for each: not for millions.
        select x.contact_id::text as id
        from public.conversations x join public.contacts k on k.id = x.contact_id and k.merged_into is null
        where p_stage.among = '{}' and x.last_inbound_at > p_now - interval '90 days'
        order by x.last_inbound_at desc limit 50000) l
    ) c
    where c.id <> all (v_chosen)
    order by private.murmur3_32(convert_to(v_salt || c.id, 'UTF8')), c.id
    limit greatest(0, p_stage.users - cardinality(v_chosen)));
  return v_chosen;
end $function$;

-- Ids of a person's messages that histories and reasons name.
CREATE OR REPLACE FUNCTION private.cited(p_person private.person)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_place record;
  v_cited text[];
  v_found text[] := '{}';
begin
  for v_place in
    select d.relation, c.name from private.personal_data() d cross join unnest(d.columns) as c (name) where d.erased = 'words'
  loop
    execute format('select array(select distinct w.word from %s t
      cross join regexp_split_to_table(t.%I::text, ''[\s"'''',;()\[\]{}<>]+'') as w (word)
      where length(w.word) >= 7 and (w.word = any (($1).provider_ids) or w.word = any (($1).messages::text[])))',
      v_place.relation, v_place.name) into v_cited using p_person;
    v_found := v_found || v_cited;
  end loop;
  return v_found;
end $function$;

-- claim_deliveries for the caller of another function, from its argument {limit, free, lease_seconds, busy, channels,
-- expired}.
CREATE OR REPLACE FUNCTION private.claim_also(p_claim jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  return private.claim_deliveries((p_claim ->> 'limit')::integer, (p_claim ->> 'lease_seconds')::integer, p_claim -> 'busy',
    array(select jsonb_array_elements_text(p_claim -> 'channels')), p_now, coalesce((p_claim ->> 'expired')::boolean, true), (p_claim ->> 'free')::integer);
end $function$;
grant execute on function private.claim_also(p_claim jsonb, p_now timestamp with time zone) to service_role;

-- claim_deliveries with a given time, whether to look for expired leases, and how many of the caller's places to fill
-- if not all.
CREATE OR REPLACE FUNCTION private.claim_deliveries(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamp with time zone, p_expired boolean DEFAULT true, p_free integer DEFAULT NULL::integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_destination public.destinations;
  v_claim private.claim;
  v_ids uuid[] := '{}';
  v_leases uuid[] := '{}';
  v_used uuid[] := '{}';
  v_left integer := p_limit;
  v_free integer := greatest(p_limit, p_free);
begin
  for v_destination in
    select * from public.destinations d
    where d.state = 'active' and (d.circuit_open_until is null or d.circuit_open_until <= p_now)
    order by random() -- so that none is always first when places are few
  loop
    exit when v_left <= 0;
    -- Limits are decided under the row's lock; destinations without limits need not wait for anybody.
    if v_destination.rate_per_second is not null or v_destination.circuit_open_until is not null then
      continue when not private.is_due(v_destination.id, p_channels, p_expired, p_now);
      select * into v_destination from public.destinations d where d.id = v_destination.id for update skip locked;
      continue when not found;
      if v_destination.circuit_open_until is not null then
        continue when v_destination.circuit_open_until > p_now;
      end if;
    end if;
    v_claim := private.claim_lanes(v_destination,
      least(v_left, private.places_for(v_free, coalesce((p_busy ->> v_destination.id::text)::integer, 0))),
      p_lease_seconds, p_channels, p_expired, p_now);
    if v_claim.delivery_ids is not null then
      if v_destination.circuit_open_until is not null then
        -- The probe excludes all others until it is settled or its lease ends.
        update public.destinations
        set circuit_open_until = p_now + make_interval(secs => p_lease_seconds), circuit_probe = v_claim.leases[1]
        where id = v_destination.id;
      end if;
      v_ids := v_ids || v_claim.delivery_ids;
      v_leases := v_leases || v_claim.leases;
      v_used := v_used || v_destination.id;
      v_left := v_left - cardinality(v_claim.delivery_ids);
      v_free := v_free - cardinality(v_claim.delivery_ids);
    end if;
  end loop;
  return jsonb_build_object(
    'deliveries', case when v_ids = '{}' then '[]' else private.claimed_deliveries(v_ids, v_leases) end,
    'destinations', case when v_used = '{}' then '[]' else private.claimed_destinations(v_used, p_now) end,
    'next_due_ms', private.next_delivery_ms(p_channels, p_now));
end $function$;
grant execute on function private.claim_deliveries(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamp with time zone, p_expired boolean, p_free integer) to service_role;

-- Leases due lanes of one destination and these channels within its rate and circuit, with p_expired also those whose
-- lease has expired, and returns the first open delivery of each.
CREATE OR REPLACE FUNCTION private.claim_lanes(p_destination destinations, p_limit integer, p_lease_seconds integer, p_channels text[], p_expired boolean, p_now timestamp with time zone)
 RETURNS private.claim
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_limit integer := p_limit;
  v_claim private.claim;
  v_count integer;
begin
  if p_destination.circuit_open_until is not null then
    v_limit := 1; -- half open: one delivery probes
  end if;
  if p_destination.rate_per_second is not null then
    -- GCRA: how many more deliveries conform now.
    v_limit := least(v_limit, p_destination.rate_burst - ceil(greatest(0,
      extract(epoch from coalesce(p_destination.rate_tat, p_now) - p_now) * p_destination.rate_per_second))::integer);
  end if;
  if v_limit <= 0 then
    return v_claim;
  end if;

  -- Channel by channel, so that each is read from its start. Locks beyond the limit are released at the commit.
  with ready as materialized (
    select first.* from unnest(p_channels) as on_channel (name)
    cross join lateral (
      select l.conversation_id, l.due_at from private.delivery_lanes l
      where l.destination_id = p_destination.id and l.channel = on_channel.name and l.due_at <= p_now and l.lease is null
      order by l.due_at limit v_limit
      for update skip locked) first
  ), over as materialized (
    select first.* from unnest(p_channels) as on_channel (name)
    cross join lateral (
      select l.conversation_id, l.due_at from private.delivery_lanes l
      where p_expired and l.destination_id = p_destination.id and l.channel = on_channel.name and l.due_at <= p_now and l.lease is not null
      order by l.due_at limit v_limit
      for update skip locked) first
  ), due as (
    select either.conversation_id from (select * from ready union all select * from over) either order by either.due_at limit v_limit
  ), heads as (
    select due.conversation_id, head.id
    from due
    left join lateral (
      select d.id from public.deliveries d
      where d.destination_id = p_destination.id and d.conversation_id = due.conversation_id
        and d.state in ('pending', 'leased')
      order by d.seq limit 1
    ) head on true
  ), leased as (
    update private.delivery_lanes l
    set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid()
    from heads
    where heads.id is not null
      and l.destination_id = p_destination.id and l.conversation_id = heads.conversation_id
    returning heads.id as delivery_id, l.lease
  ), begun as (
    update public.deliveries d
    set state = 'leased', attempt = d.attempt + 1, updated_at = p_now
    from leased where d.id = leased.delivery_id
    returning d.id, leased.lease
  )
  select (select array_agg(b.id) from begun b), (select array_agg(b.lease) from begun b),
    (select array_agg(heads.conversation_id) from heads where heads.id is null)
  into v_claim;

  -- A lane without an open delivery in that snapshot: look again in a fresh one, now holding its lock, because its
  -- delivery may have been committed in the meantime.
  if v_claim.empty is not null then
    perform private.release_lane(p_destination.id, conversation_id) from unnest(v_claim.empty) as conversation_id;
  end if;

  v_count := cardinality(v_claim.delivery_ids);
  if p_destination.rate_per_second is not null and v_count > 0 then
    update public.destinations
    set rate_tat = greatest(coalesce(rate_tat, p_now), p_now) + make_interval(secs => (v_count / rate_per_second)::double precision)
    where id = p_destination.id;
  end if;
  return v_claim;
end $function$;
grant execute on function private.claim_lanes(p_destination destinations, p_limit integer, p_lease_seconds integer, p_channels text[], p_expired boolean, p_now timestamp with time zone) to service_role;

-- claim_outbound with a given time.
CREATE OR REPLACE FUNCTION private.claim_outbound(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_number public.senders;
  v_flag text;
  -- So that it is evaluated once and not for each.
  v_everybody boolean;
  v_limit integer;
  v_left integer := p_limit;
  -- Under way by channel, those of this claim with them.
  v_busy jsonb := p_busy;
  v_shared boolean := cardinality(p_channels) > 1;
  v_under_way integer;
  v_burst integer;
  v_rate numeric;
  v_claimed jsonb;
  v_words bigint;
  v_empty uuid[];
  v_all jsonb := '[]';
begin
  for v_number in
    select n.* from public.senders n
    where n.channel = any (p_channels) and n.state = 'active' and (n.held_until is null or n.held_until <= p_now) and exists (
      select from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at <= p_now)
    order by n.send_tat nulls first -- the most recent sender comes last, so that none is always first when places are few
    for update of n skip locked
  loop
    exit when v_left <= 0;
    v_under_way := coalesce((v_busy ->> v_number.channel)::integer, 0);
    v_flag := private.send_flag(v_number.channel);
    v_everybody := private.on_for_everybody(v_flag);
    -- A burst of a tenth of a second, the rest at nine tenths of the rate: no second exceeds the limit.
    v_burst := greatest(1, v_number.max_per_second / 10);
    v_rate := v_number.max_per_second * 0.9;
    v_limit := least(v_left, v_burst - ceil(greatest(0,
      extract(epoch from coalesce(v_number.send_tat, p_now) - p_now) * v_rate))::integer);
    -- Of several channels each gets half of the places that the others leave: however many hang, the next still finds some.
    if v_shared then
      v_limit := least(v_limit, (v_left + v_under_way + 1) / 2 - v_under_way);
    end if;
    -- For a held sender, a single message tests whether the fault has been repaired.
    if v_number.held_since is not null then
      v_limit := least(v_limit, 1);
    end if;
    continue when v_limit <= 0;
    with due as (
      select l.conversation_id from private.outbound_lanes l
      where l.channel = v_number.channel and l.number_id = v_number.id and l.due_at <= p_now
      order by l.due_at limit v_limit
      for update skip locked
    ), asked as (
      select due.conversation_id, c.contact_id, c.opted_out_at,
        v_everybody or (select flag.value from private.evaluate_flag(v_flag, c.contact_id::text) flag) as allowed
      from due
      join public.conversations c on c.id = due.conversation_id
    ), held as (
      -- Off for this contact: a service's reply waits, and the flag is evaluated again later.
      update private.outbound_lanes l set due_at = p_now + interval '5 seconds', lease = null
      from asked where not asked.allowed and l.conversation_id = asked.conversation_id
    ), heads as (
      select asked.conversation_id, asked.contact_id, asked.opted_out_at, head.id, head.message_id
      from asked
      left join lateral (
        -- Messages never wait for a read receipt, which has no rate limit.
        select first.id, first.message_id
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
    ), leased as (
      update private.outbound_lanes l
      set due_at = p_now + make_interval(secs => p_lease_seconds), lease = gen_random_uuid(), waits_for = null, waits_until = null,
        pair_tat = case when heads.message_id is null then l.pair_tat
          else greatest(coalesce(l.pair_tat, p_now), p_now) + make_interval(secs => v_number.pair_seconds::double precision) end
      from heads where heads.id is not null and l.conversation_id = heads.conversation_id
      returning heads.id, heads.contact_id, heads.opted_out_at, l.lease
    ), begun as (
      update public.outbound_messages o
      set state = 'leased', attempt = o.attempt + 1, tried_at = coalesce(o.tried_at, p_now), updated_at = p_now
      from leased where o.id = leased.id
      returning o.id, o.conversation_id, o.attempt, o.deferred, o.channel, o.number_id, o.recipient, o.message_id, o.payload,
        leased.contact_id, leased.opted_out_at, leased.lease
    )
    select (select array_agg(heads.conversation_id) from heads where heads.id is null),
      jsonb_agg(jsonb_build_object('id', b.id, 'lease', b.lease, 'attempt', b.attempt, 'deferred', b.deferred, 'channel', b.channel, 'number_id', b.number_id,
        'contact_id', b.contact_id, 'to', b.recipient,
        -- No typing indicator after the message has been sent.
        'message', case when b.payload ? 'typing_indicator' and exists (
            select from public.outbound_messages w
            where w.conversation_id = b.conversation_id and w.id > b.id and w.message_id is not null and w.state = 'sent')
          then b.payload - 'typing_indicator' else coalesce(b.payload, m.native) end,
        'traceparent', m.traceparent) || case
          -- The person may have opted out while it waited. Receipts are not affected.
          when b.opted_out_at is not null and b.message_id is not null
            then private.opt_out_doubt(b.channel, b.number_id, m.native, p_now)
          else '{}' end order by b.id),
      count(b.message_id)
    into v_empty, v_claimed, v_words
    from begun b left join public.messages m on m.id = b.message_id;
    if v_empty is not null then
      perform private.release_outbound_lanes(v_empty);
    end if;
    if v_claimed is not null then
      v_all := v_all || v_claimed;
      v_left := v_left - jsonb_array_length(v_claimed);
      v_busy := v_busy || jsonb_build_object(v_number.channel, v_under_way + jsonb_array_length(v_claimed));
      update public.senders
      set send_tat = greatest(coalesce(send_tat, p_now), p_now)
        + make_interval(secs => (v_words / v_rate)::double precision),
        held_until = case when held_since is not null then p_now + make_interval(secs => p_lease_seconds) end,
        held_probes = held_probes + (held_since is not null)::integer
      where channel = v_number.channel and id = v_number.id;
    end if;
  end loop;
  return jsonb_build_object('messages', v_all, 'next_due_ms', (
    select ceil(extract(epoch from min(greatest(l.due_at, n.held_until,
      n.send_tat - make_interval(secs => ((greatest(1, n.max_per_second / 10) - 1) / (n.max_per_second * 0.9))::double precision))) - p_now) * 1000)::bigint
    from public.senders n
    cross join lateral (
      select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) l
    -- A channel that has used its half waits for its sends under way, and must not hide when the others are due.
    where n.channel = any (p_channels) and n.state = 'active'
      and (not v_shared or v_left > coalesce((v_busy ->> n.channel)::integer, 0))));
end $function$;
grant execute on function private.claim_outbound(p_limit integer, p_lease_seconds integer, p_busy jsonb, p_channels text[], p_now timestamp with time zone) to service_role;

-- Deliveries that were just claimed, each with its lease, in the form that the edge functions expect; null for none.
CREATE OR REPLACE FUNCTION private.claimed_deliveries(p_ids uuid[], p_leases uuid[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'delivery_id', d.id, 'lease', claimed.lease, 'attempt', d.attempt, 'resent', d.resent, 'destination_id', d.destination_id,
      'message', jsonb_build_object(
        'id', m.id, 'seq', m.seq, 'channel', m.channel, 'type', m.type, 'text',
          case when m.link_token is null then m.text else private.without_tokens(m.text) end, 'choice', m.choice,
        'reply_to', m.reply_to, 'referral', m.referral, 'forwarded', m.forwarded, 'provider_id', m.provider_id,
        'native', m.native, 'sent_at', m.sent_at, 'created_at', m.created_at),
      'traceparent', m.traceparent,
      'link', came.origin -> 'link', 'attribution', came.origin -> 'attribution',
      'conversation', jsonb_build_object('id', c.id, 'number_id', c.number_id),
      'contact', jsonb_build_object('id', p.id, 'name', p.name, 'identities', known.ids)) order by d.seq)
    from unnest(p_ids, p_leases) as claimed (id, lease)
    cross join lateral (select * from public.deliveries d where d.id = claimed.id limit 1) d
    cross join lateral (select * from public.messages m where m.id = d.message_id limit 1) m
    cross join lateral (select * from public.conversations c where c.id = d.conversation_id limit 1) c
    cross join lateral (select * from public.contacts p where p.id = c.contact_id limit 1) p
    cross join lateral (
      select coalesce(jsonb_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from c.number_id, i.id), '{}') as ids
      from public.contact_identities i where i.contact_id = p.id and coalesce(i.valid_to, 'infinity') = 'infinity') known
    left join lateral (
      select private.message_link(a.message_id) as origin from public.attributions a
      where a.message_id = case m.type when 'edit' then private.edited_message(m.id) else m.id end limit 1) came on true);
end $function$;
grant execute on function private.claimed_deliveries(p_ids uuid[], p_leases uuid[]) to service_role;

-- What edge functions need to deliver to destinations, including secrets and encrypted headers.
CREATE OR REPLACE FUNCTION private.claimed_destinations(p_ids uuid[], p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', d.id, 'name', d.name, 'kind', d.kind, 'url', d.url, 'timeout_ms', d.timeout_ms,
      'retry_seconds', coalesce(to_jsonb(d.retry_seconds), private.default_retry_seconds()),
      'failure_policy', d.failure_policy, 'headers', private.headers_of(d.id),
      'secrets', (
        select jsonb_agg(s.secret order by s.created_at desc) from private.destination_secrets s
        where s.destination_id = d.id and (s.expires_at is null or s.expires_at > p_now)))), '[]')
    from public.destinations d where d.id = any (p_ids));
end $function$;
grant execute on function private.claimed_destinations(p_ids uuid[], p_now timestamp with time zone) to service_role;

-- For how many days before today clicks are kept: the setting retention.click_days (90), at least 2.
CREATE OR REPLACE FUNCTION private.click_days_kept()
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select greatest(2, coalesce((select s.value::integer from public.settings s where s.key = 'retention.click_days'), 90))
$function$;
grant execute on function private.click_days_kept() to service_role;

-- A link's human clicks from p_from to before p_to by platform, country, target, rule, source or referrer: {value:
-- n}, the empty text for unknown.
CREATE OR REPLACE FUNCTION private.click_groups(p_code text, p_from timestamp with time zone, p_to timestamp with time zone, p_by text, p_limit integer)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_object_agg(g.name, g.n), '{}') from (
    select coalesce(case p_by when 'platform' then c.platform when 'country' then c.country when 'target' then c.target
      when 'rule' then private.rule_name(c.rule, c.target) when 'source' then case when c.qr then 'qr' else 'link' end else c.referrer end, '') as name, sum(c.visits) as n
    from public.clicks c
    where c.code = p_code and c.at >= p_from and c.at < p_to and c.verdict = 'human'
    group by 1 order by 2 desc, 1 limit p_limit) g
$function$;
grant execute on function private.click_groups(p_code text, p_from timestamp with time zone, p_to timestamp with time zone, p_by text, p_limit integer) to service_role;

-- Why a call of the clock has not arrived: no_secret (the Vault lacks address or key), not_sent (pg_net sends
-- nothing), no_answer, or status and which; null without pg_cron. Definer, for Vault and pg_net are the owner's.
CREATE OR REPLACE FUNCTION private.clock_fault()
 RETURNS text
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_fault text;
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
    return null;
  end if;
  if to_regclass('vault.decrypted_secrets') is not null then
    execute 'select ''no_secret'' where (select count(*) from vault.decrypted_secrets where name in (''gatelink_url'', ''gatelink_secret_key'') and decrypted_secret <> '''') < 2'
    into v_fault;
  end if;
  if v_fault is null and to_regclass('net.http_request_queue') is not null then
    execute 'select ''not_sent'' where exists (select from net.http_request_queue)' into v_fault;
  end if;
  if v_fault is null and to_regclass('net._http_response') is not null then
    execute 'select case when status_code is null then ''no_answer'' when status_code >= 400 then ''status '' || status_code end from net._http_response order by created desc limit 1'
    into v_fault;
  end if;
  return coalesce(v_fault, 'not_sent');
end $function$;
grant execute on function private.clock_fault() to service_role;

-- The clock: degraded when two runs of its job of every minute were missed or none of its calls came for a minute,
-- down after ten. In a new installation minutes are counted from its beginning.
CREATE OR REPLACE FUNCTION private.clock_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'clock',
    'status', case when t.age <= 150 and (t.http_age < 60 or t.http_age is null) then 'healthy'
      when t.age <= 600 and (t.http_age <= 600 or t.http_age is null) then 'degraded' else 'down' end,
    'because', case when t.age <= 150 and t.http_age >= 60 then 'unheard'
      when t.has_run then 'ran' when t.age <= 150 then 'starting' else 'never' end,
    'figures', jsonb_build_object('seconds', t.age) || case when t.http_age is null then '{}' else jsonb_build_object('http_seconds', t.http_age)
      || case when t.http_age >= 60 then jsonb_build_object('fault', private.clock_fault()) else '{}' end end)
  from (
    select r.last_at is not null as has_run,
      greatest(0, round(extract(epoch from p_now - coalesce(r.last_at, i.installed_at))))::integer as age,
      greatest(0, round(extract(epoch from p_now - case when h.last_at is null and private.clock_fault() is not null
        -- It has two minutes to begin.
        then i.installed_at + interval '2 minutes' else h.last_at end)))::integer as http_age
    from private.config_revision i
    left join public.measurements r on r.name = 'messages' and r.label = 'in' and r.minute = '-infinity'
    cross join lateral (
      select max(m.last_at) as last_at from public.measurements m
      where m.name = 'request' and m.label in ('wa-router 202', 'wa-router disabled') and m.minute = '-infinity') h
  ) t
$function$;
grant execute on function private.clock_health(p_now timestamp with time zone) to service_role;

-- What runs by the clock, once for pg_cron and the local stack: sql is run, http is a POST to that function with a
-- secret key, where due, an expression of SQL, is true or there is none.
CREATE OR REPLACE FUNCTION private.clock_jobs()
 RETURNS TABLE(name text, every_seconds integer, kind text, target text, due text)
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  values
    ('gatelink_drain', 3, 'http', 'wa-router', 'private.pipeline_is_due(now())'),
    ('gatelink_heartbeat', 30, 'http', 'wa-router', null),
    ('gatelink_notify', 30, 'http', 'flags', 'private.notifications_are_due(now())'),
    ('gatelink_watch', 60, 'sql', 'select private.watch(now())', null),
    ('gatelink_escalate', 60, 'sql', 'select private.escalate_incidents(now())', null),
    ('gatelink_reports', 60, 'sql', 'select private.write_reports(now())', null),
    ('gatelink_announce', 10, 'sql', 'select private.send_announcements(now())', null),
    ('gatelink_purge', 60, 'sql', 'select private.purge(now())', null),
    ('gatelink_purge_rate_limits', 3600, 'sql', 'select private.purge_rate_limits(now())', null),
    ('gatelink_roll_up_clicks', 3600, 'sql', 'select private.roll_up_clicks(now())', null),
    ('gatelink_purge_clicks', 3600, 'sql', 'select private.purge_clicks(now())', null),
    ('gatelink_tidy_destinations', 60, 'sql', 'select private.tidy_destinations(now())', null),
    ('gatelink_flag_schedules', 60, 'sql', 'select private.apply_flag_schedules(now())', null),
    ('gatelink_guard', 60, 'sql', 'select * from private.advance_rollouts(now())', null),
    ('gatelink_purge_flag_metrics', 3600, 'sql', 'select private.purge_flag_metrics(now())', null),
    ('gatelink_sample_minutes', 60, 'sql', 'select private.sample_minutes(clock_timestamp())', null),
    ('gatelink_purge_measurements', 3600, 'sql', 'select private.purge_measurements(now())', null)
$function$;
grant execute on function private.clock_jobs() to service_role;

-- Revokes execution of the functions that this transaction created from public, anon and authenticated. Called at the
-- end of a migration that creates functions, before its grants.
CREATE OR REPLACE PROCEDURE private.close_functions()
 LANGUAGE plpgsql
 SET search_path TO ''
AS $procedure$
declare
  v_here xid8 := pg_catalog.pg_current_xact_id();
  v_function record;
  v_count integer := 0;
begin
  for v_function in
    select p.oid::regprocedure as name, exists (
      select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
      where a.grantee = 0) as open
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private')
      -- What we see of a transaction that is under way is our own; a savepoint's comes after its transaction.
      and case when age(p.xmin) <= age(v_here::xid) then
        pg_catalog.pg_xact_status((v_here::text::bigint + age(v_here::xid) - age(p.xmin))::text::xid8) = 'in progress' end
      and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    if v_function.open then
      execute format('revoke execute on routine %s from public, anon, authenticated', v_function.name);
    end if;
    v_count := v_count + 1;
  end loop;
  if v_count = 0 then
    raise exception 'no function was made in this transaction'
      using hint = 'A migration runs in one transaction, and closes its functions at its end.';
  end if;
end $procedure$;

-- The last minute, since 1970, of which all outcomes are in.
CREATE OR REPLACE FUNCTION private.closed_minute(p_now timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select (private.epoch_ms(p_now) - 20000) / 60000 - 1
$function$;

-- Why a condition cannot be used, with the position of the fault; null if the database finds none.
CREATE OR REPLACE FUNCTION private.condition_fault(p_condition jsonb, p_path text DEFAULT ''::text, p_depth integer DEFAULT 1)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_type text := p_condition ->> 'type';
  v_at text := case when p_path = '' then '' else p_path || '.' end;
  v_known text[] := case v_type
    when 'any' then '{of}' when 'all' then '{of}' when 'not' then '{of}' when 'default' then '{}' when 'channel' then '{in}'
    when 'message_type' then '{in}' when 'text' then '{match,value,values,case_sensitive}' when 'choice' then '{ids}'
    when 'referral' then '{source_id,source_type,ctwa}' when 'link_token' then '{present}'
    when 'link' then '{codes,tags,campaigns}' when 'number' then '{ids}' when 'contacts' then '{ids,phones}'
    when 'time' then '{days,from,to,zone}' end;
  v_key text;
  v_fault text;
begin
  if jsonb_typeof(p_condition) is distinct from 'object' then
    return coalesce(nullif(p_path, ''), 'condition') || ': must be an object';
  elsif p_depth > 8 then
    return p_path || ': is nested more than 8 deep';
  elsif p_depth = 1 and (select count(*) from jsonb_path_query(p_condition, 'strict $.** ? (@.type() == "object")')) > 100 then
    return 'condition: more than 100 conditions in one';
  elsif p_depth = 1 and (
    select sum(case jsonb_typeof(t -> 'values') when 'array' then jsonb_array_length(t -> 'values') else 1 end)
    from jsonb_path_query(p_condition, 'strict $.** ? (@.type() == "object" && @.match == "regex")') t) > 20 then
    return 'condition: more than 20 regular expressions in one condition';
  elsif v_known is null or jsonb_typeof(p_condition -> 'type') <> 'string' then
    return v_at || 'type: must be one of any, all, not, default, message_type, text, choice, referral, link_token, link, number, contacts, time, channel';
  end if;
  select min(k) into v_key from jsonb_object_keys(p_condition) k where k <> 'type' and k <> all (v_known);
  if v_key is not null then
    return v_at || v_key || ': is not known';
  end if;

  if v_type = 'not' then
    return private.condition_fault(p_condition -> 'of', v_at || 'of', p_depth + 1);
  elsif v_type = 'all' or (v_type = 'any' and p_condition ? 'of') then
    if jsonb_typeof(p_condition -> 'of') is distinct from 'array' or jsonb_array_length(p_condition -> 'of') = 0 then
      return v_at || 'of: must be a list of conditions, and not empty';
    end if;
    return (
      select f.fault from jsonb_array_elements(p_condition -> 'of') with ordinality as e (item, i)
      cross join lateral private.condition_fault(e.item, v_at || 'of[' || e.i - 1 || ']', p_depth + 1) as f (fault)
      where f.fault is not null order by e.i limit 1);
  elsif v_type in ('channel', 'message_type') then
    return private.texts_fault(p_condition -> 'in', v_at || 'in');
  elsif v_type in ('choice', 'number') then
    return private.texts_fault(p_condition -> 'ids', v_at || 'ids');
  elsif v_type = 'text' then
    if p_condition ->> 'match' is null or p_condition ->> 'match' not in ('exact', 'prefix', 'keywords', 'regex') then
      return v_at || 'match: must be one of exact, prefix, keywords, regex';
    elsif p_condition ? 'case_sensitive' and jsonb_typeof(p_condition -> 'case_sensitive') <> 'boolean' then
      return v_at || 'case_sensitive: must be true or false';
    elsif (p_condition ? 'value') = (p_condition ? 'values') then
      return coalesce(nullif(p_path, ''), 'condition') || ': needs either "value" or "values"';
    elsif p_condition ? 'value' then
      v_fault := private.texts_fault(jsonb_build_array(p_condition -> 'value'), v_at || 'value');
      return replace(v_fault, 'value[0]', 'value');
    end if;
    return private.texts_fault(p_condition -> 'values', v_at || 'values');
  elsif v_type = 'referral' then
    if p_condition ? 'ctwa' and jsonb_typeof(p_condition -> 'ctwa') <> 'boolean' then
      return v_at || 'ctwa: must be true or false';
    end if;
    foreach v_key in array array['source_id', 'source_type'] loop
      if p_condition ? v_key then
        v_fault := coalesce(v_fault, replace(
          private.texts_fault(jsonb_build_array(p_condition -> v_key), v_at || v_key), v_key || '[0]', v_key));
      end if;
    end loop;
    return v_fault;
  elsif v_type = 'link_token' then
    return case when jsonb_typeof(p_condition -> 'present') is distinct from 'boolean' then v_at || 'present: must be true or false' end;
  elsif v_type in ('link', 'contacts') then
    if not p_condition ?| v_known then
      return coalesce(nullif(p_path, ''), 'condition') || ': needs ' || array_to_string(v_known, ', ');
    end if;
    foreach v_key in array v_known loop
      if p_condition ? v_key then
        v_fault := coalesce(v_fault, private.texts_fault(p_condition -> v_key, v_at || v_key,
          case v_type || ' ' || v_key when 'contacts ids' then '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
            when 'contacts phones' then '^\+?[0-9](?:[ ().-]*[0-9]){4,14}[ ().-]*$' else '' end,
          case v_key when 'ids' then 'is not a contact''s id' else 'is not a phone number with its country code' end));
      end if;
    end loop;
    return v_fault;
  elsif v_type = 'time' then
    if p_condition ? 'days' then
      v_fault := private.texts_fault(p_condition -> 'days', v_at || 'days', '^(mon|tue|wed|thu|fri|sat|sun)$', 'is not a day like mon');
    end if;
    return coalesce(v_fault, case
      when jsonb_typeof(coalesce(p_condition -> 'from', '""')) <> 'string'
        or coalesce(p_condition ->> 'from', '00:00') !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' then v_at || 'from: is not a time like "09:00"'
      when jsonb_typeof(coalesce(p_condition -> 'to', '""')) <> 'string'
        or coalesce(p_condition ->> 'to', '24:00') !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' then v_at || 'to: is not a time like "17:00"'
      when jsonb_typeof(p_condition -> 'zone') is distinct from 'string'
        or p_condition ->> 'zone' !~ '^[+-][0-9]{2}:?[0-9]{2}$' and not exists (
          select from pg_catalog.pg_timezone_names n where lower(n.name) = lower(p_condition ->> 'zone'))
        then v_at || 'zone: is not a time zone like "Europe/Berlin"'
      when coalesce(p_condition ->> 'from', '00:00') = coalesce(p_condition ->> 'to', '24:00')
        then coalesce(nullif(p_path, ''), 'condition') || ': is empty: "from" and "to" are the same' end);
  end if;
  return null;
end $function$;
grant execute on function private.condition_fault(p_condition jsonb, p_path text, p_depth integer) to service_role;

-- The configuration: degraded where messages have nowhere to go, a flag stops all routing or sending, or an active
-- route names a flag that does not exist.
CREATE OR REPLACE FUNCTION private.config_health()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'config',
    'status', case when c.faults is null then 'healthy' else 'degraded' end,
    'because', case when c.faults is null then 'revision' else 'faults' end,
    'figures', case when c.faults is null
      then jsonb_build_object('revision', (select r.revision from private.config_now() r))
      else jsonb_build_object('faults', c.faults) || case when c.faults ? 'unknown_flags' then jsonb_build_object('unknown_flags', (
        select jsonb_agg(distinct r.flag_key) from public.routes r
        where r.active and r.flag_key is not null and not exists (select from public.settings s where s.key = r.flag_key))) else '{}' end end)
  from (
    select jsonb_agg(f.fault) as faults
    from (values
      (not exists (select from public.routes r
          join public.route_destinations rd on rd.route_id = r.id
          join public.destinations d on d.id = rd.destination_id and d.state = 'active' where r.active),
        'no_route'),
      (not exists (select from public.settings s where s.key = 'wa_router.enabled' and s.value = 'true'),
        'router_off'),
      (not exists (select from public.settings s where s.key = 'wa_send.enabled' and s.value = 'true'),
        'send_off'),
      -- A typing error, or a flag that was removed: such a route takes nothing, and says so nowhere else.
      (exists (select from public.routes r
          where r.active and r.flag_key is not null and not exists (select from public.settings s where s.key = r.flag_key)),
        'unknown_flags')
    ) as f (holds, fault) where f.holds
  ) c
$function$;
grant execute on function private.config_health() to service_role;

-- The revision of the configuration as this snapshot sees it, and when it last increased: committed states have
-- distinct numbers, later ones larger.
CREATE OR REPLACE FUNCTION private.config_now(OUT revision bigint, OUT changed_at timestamp with time zone)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select r.revision + c.n, greatest(r.changed_at, c.at)
  from private.config_revision r cross join (select count(*) as n, max(c.at) as at from private.config_changes c) c
$function$;
grant execute on function private.config_now(OUT revision bigint, OUT changed_at timestamp with time zone) to service_role;

-- All segments as {key: [subject ids]}: the segments part of load_config.
CREATE OR REPLACE FUNCTION private.config_segments()
 RETURNS json
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(json_object_agg(s.key, coalesce(m.ids, '[]')), '{}')
  from public.segments s
  left join (
    select m.segment_key, json_agg(m.subject_id order by m.subject_id) as ids
    from public.segment_members m group by m.segment_key
  ) m on m.segment_key = s.key
$function$;
grant execute on function private.config_segments() to service_role;

-- All settings as [{key, value, metadata, version}]: the settings part of load_config.
CREATE OR REPLACE FUNCTION private.config_settings()
 RETURNS json
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(
    json_agg(
      json_build_object('key', s.key, 'value', s.value, 'metadata', s.metadata, 'version', s.version)
      order by s.key),
    '[]')
  from public.settings s
$function$;
grant execute on function private.config_settings() to service_role;

-- A contact redacted: the last four digits of the phone number, @ and the domain of the mail address, or four
-- characters of another id, of a short one half; null when it has none.
CREATE OR REPLACE FUNCTION private.contact_last_four(p_contact_id uuid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select case i.kind when 'email' then substring(i.value from '@[^@]*$') else right(i.value, least(4, length(i.value) / 2)) end
  from public.contact_identities i
  where i.contact_id = p_contact_id and i.valid_to is null
  order by array_position(array['phone', 'email', 'username', 'bsuid', 'parent_bsuid'], i.kind), i.dialled, i.id limit 1
$function$;
grant execute on function private.contact_last_four(p_contact_id uuid) to service_role;

-- The contact that an id of flags means, or whom that turned out to be; null for ids of other systems.
CREATE OR REPLACE FUNCTION private.contact_of_subject(p_subject_id text)
 RETURNS uuid
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(c.merged_into, c.id) from public.contacts c
  where case when pg_input_is_valid(p_subject_id, 'uuid') then c.id = p_subject_id::uuid else false end
$function$;

-- A conversation as people see it in a list, with its latest message; names and words only with p_words.
CREATE OR REPLACE FUNCTION private.conversation_view(p_conversation conversations, p_last messages, p_words boolean)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'id', p_conversation.id, 'channel', p_conversation.channel, 'number_id', p_conversation.number_id,
    'number', (select n.address from public.senders n where n.channel = p_conversation.channel and n.id = p_conversation.number_id),
    'contact', jsonb_build_object('id', p_conversation.contact_id,
      'last_four', private.contact_last_four(p_conversation.contact_id),
      'name', case when p_words then (select c.name from public.contacts c where c.id = p_conversation.contact_id) end),
    'window_closes_at', p_conversation.last_inbound_at + (private.channel_policy(p_conversation.channel)).reply_window,
    'opted_out_at', p_conversation.opted_out_at, 'unrouted_since', p_conversation.unrouted_since,
    'last', case when p_last.id is not null then jsonb_build_object('id', p_last.id, 'direction', p_last.direction,
      'type', p_last.type, 'text', case when p_words then left(p_last.text, 200) end, 'status', p_last.status,
      'created_at', p_last.created_at) end)
$function$;
grant execute on function private.conversation_view(p_conversation conversations, p_last messages, p_words boolean) to service_role;

-- Trigger, after insert of attributions: counts the business metric link.converted, for the first message that came
-- from a click.
CREATE OR REPLACE FUNCTION private.count_conversion()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform private.record_metrics(jsonb_build_array(jsonb_build_object('name', 'link.converted', 'subject', new.contact_id,
    'key', new.message_id)), clock_timestamp());
  return null;
exception when others then
  raise warning 'a conversion could not be counted: % (%)', sqlerrm, sqlstate;
  return null;
end $function$;
grant execute on function private.count_conversion() to service_role;

-- Messages by minute and direction, found by their ids, which begin with the time. For minutes of which nothing is
-- missing yet.
CREATE OR REPLACE FUNCTION private.count_messages(p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS TABLE(minute timestamp with time zone, direction text, n bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select date_trunc('minute', m.created_at), m.direction, count(*)
  from public.messages m
  where m.id >= private.uuid_v7_from(p_from - interval '20 seconds')
    and m.id < private.uuid_v7_from(p_to + interval '20 seconds')
    and m.created_at >= p_from and m.created_at < p_to
  group by 1, 2
$function$;
grant execute on function private.count_messages(p_from timestamp with time zone, p_to timestamp with time zone) to service_role;

-- create_announcement with the time given.
CREATE OR REPLACE FUNCTION private.create_announcement(p_announcement jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_template jsonb := nullif(p_announcement -> 'template', 'null');
  v_number text := p_announcement ->> 'number_id';
  v_made public.announcements;
begin
  if not private.object_keys_within(p_announcement, array['name', 'audience', 'text', 'template', 'number_id', 'per_minute'])
    or exists (select from jsonb_each(p_announcement) e where e.key in ('name', 'text', 'number_id') and jsonb_typeof(e.value) not in ('string', 'null'))
    or p_announcement ? 'per_minute' and not private.is_number(p_announcement -> 'per_minute', 6, 6000, 0) then
    raise exception 'this cannot be an announcement' using errcode = 'GL422',
      hint = '{name, audience, text, template, number_id, per_minute (6 to 6000)}; a text, a template or both';
  elsif v_template is not null and not (private.object_keys_within(v_template, array['name', 'language', 'category', 'parameters'])
    and coalesce(v_template ->> 'name', '') ~ '^[a-z0-9_]+$' and char_length(v_template ->> 'name') <= 512 and coalesce(v_template ->> 'language', '') ~ '^[A-Za-z_]{2,15}$'
    and coalesce(v_template ->> 'category', 'marketing') in ('marketing', 'utility')
    and private.is_text_list(coalesce(v_template -> 'parameters', '[]'), 20)) then
    raise exception 'this cannot be a template' using errcode = 'GL422',
      hint = '{name: as WhatsApp knows it, language: such as en or pt_BR, category: marketing or utility, parameters: the texts of its body}';
  elsif v_number is not null and not exists (select from public.senders s where s.channel = 'whatsapp' and s.id = v_number) then
    raise exception 'there is no such sender' using errcode = 'GL404', hint = 'A number of ours (wa_numbers.phone_number_id).';
  end if;
  perform private.refuse_audience(p_announcement -> 'audience');
  insert into public.announcements (name, audience, text, template, number_id, per_minute, created_at)
  values (btrim(coalesce(p_announcement ->> 'name', '')), p_announcement -> 'audience', p_announcement ->> 'text',
    case when v_template is not null then jsonb_build_object('type', 'template', 'template',
      jsonb_build_object('name', v_template -> 'name', 'language', jsonb_build_object('code', v_template -> 'language'))
      || case when coalesce(v_template -> 'parameters', '[]') <> '[]' then jsonb_build_object('components', jsonb_build_array(
        jsonb_build_object('type', 'body', 'parameters', (
          select jsonb_agg(jsonb_build_object('type', 'text', 'text', p.value) order by p.place)
          from jsonb_array_elements(v_template -> 'parameters') with ordinality as p (value, place))))) else '{}' end)
      || case when v_template ->> 'category' is not null then jsonb_build_object('category', v_template -> 'category') else '{}' end end,
    v_number, coalesce((p_announcement ->> 'per_minute')::integer, 300), p_now)
  returning * into v_made;
  with people as materialized (
    select * from private.audience(v_made.audience, p_now)
  ), named as (
    insert into public.announcement_recipients (announcement_id, contact_id)
    select distinct v_made.id, p.contact_id from people p join public.contacts c on c.id = p.contact_id and c.channel = 'whatsapp'
    returning contact_id
  )
  update public.announcements a set unreachable = (
    select count(distinct p.subject_id) from people p where not exists (select from named n where n.contact_id = p.contact_id))
  where a.id = v_made.id returning a.* into v_made;
  return private.announcement_view(v_made, p_now);
end $function$;

-- A person's ids {kind: value} as a sender knows them: of several of one kind, the one reported to this sender, in
-- the provider's spelling.
CREATE OR REPLACE FUNCTION private.current_ids(p_contact_id uuid, p_sender_id text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select coalesce(jsonb_object_agg(i.kind, i.value order by i.dialled desc, i.sender_id is not distinct from p_sender_id, i.id), '{}')
    from public.contact_identities i where i.contact_id = p_contact_id and i.valid_to is null);
end $function$;
grant execute on function private.current_ids(p_contact_id uuid, p_sender_id text) to service_role;

-- The database: degraded when nine tenths of its connections are in use.
CREATE OR REPLACE FUNCTION private.database_health()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'database',
    'status', case when c.used < 0.9 * c.most then 'healthy' else 'degraded' end,
    'because', 'connections', 'figures', jsonb_build_object('used', c.used, 'most', c.most))
  from (
    select (select sum(d.numbackends) from pg_catalog.pg_stat_database d) as used,
      current_setting('max_connections')::integer as most
  ) c
$function$;
grant execute on function private.database_health() to service_role;

-- The setting forward.retry_seconds, a JSON list of waits in seconds; null if it is not set.
CREATE OR REPLACE FUNCTION private.default_retry_seconds()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select s.value::jsonb from public.settings s where s.key = 'forward.retry_seconds'
$function$;
grant execute on function private.default_retry_seconds() to service_role;

-- Where a message goes to and how far that is, without the attempts.
CREATE OR REPLACE FUNCTION private.deliveries_view(p_message_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'destination', t.name, 'state', d.state, 'attempt', d.attempt,
    'next_attempt_at', case when d.state = 'pending' then d.next_attempt_at end, 'last_error', d.last_error,
    'dropped_reason', d.dropped_reason, 'delivered_at', d.delivered_at) order by t.name), '[]')
  from public.deliveries d join public.destinations t on t.id = d.destination_id where d.message_id = p_message_id
$function$;
grant execute on function private.deliveries_view(p_message_id uuid) to service_role;

-- The id of a destination by name; GL404 if there is none.
CREATE OR REPLACE FUNCTION private.destination_named(p_name text)
 RETURNS uuid
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
begin
  select id into v_id from public.destinations where name = p_name and removed_at is null;
  if v_id is null then
    raise exception 'there is no destination named %', p_name using errcode = 'GL404',
      hint = 'gatelink destinations list shows them.';
  end if;
  return v_id;
end $function$;
grant execute on function private.destination_named(p_name text) to service_role;

-- Whether the allowlist permits storing a URL for a purpose: https, a matching host pattern, no credentials, no IP
-- literal; loopback only if the setting forward.allow_loopback is on.
CREATE OR REPLACE FUNCTION private.destination_permitted(p_url text, p_purpose text DEFAULT 'forward'::text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_part text[];
  v_host text;
  v_port text;
begin
  v_part := regexp_match(p_url, '^(https?)://([a-z0-9.-]+|\[::1\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?$', 'i');
  if v_part is null or p_url ~ '[\\#]' then
    return false;
  end if;
  v_host := lower(v_part[2]);
  v_port := v_part[3];
  if v_host in ('localhost', '127.0.0.1', '[::1]') then
    return p_purpose = 'forward'
      and exists (select from public.settings s where s.key = 'forward.allow_loopback' and s.value = 'true')
      and exists (select from public.destination_allowlist a where a.purpose = p_purpose and a.pattern = v_host);
  end if;
  if lower(v_part[1]) <> 'https' or v_host !~ '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$' then
    return false;
  end if;
  v_port := case when v_port is null or v_port::integer = 443 then '' else ':' || v_port::integer end;
  return exists (
    select from public.destination_allowlist a
    where a.purpose = p_purpose
      and (a.pattern = v_host || v_port
        or (a.pattern like '*.%' and right(v_host || v_port, length(a.pattern) - 1) = substr(a.pattern, 2))));
end $function$;
grant execute on function private.destination_permitted(p_url text, p_purpose text) to service_role;

-- diagnostics with a given time.
CREATE OR REPLACE FUNCTION private.diagnostics(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'at', p_now,
    'since', p_now - interval '1 hour',
    'routes', (
      select coalesce(jsonb_agg(jsonb_build_object('route', r.route_name, 'reason', r.reason, 'n', r.n, 'last_at', r.last_at) order by r.n desc, r.route_name), '[]')
      from (
        select d.route_name, d.reason, count(*) as n, max(d.decided_at) as last_at
        from public.routing_decisions d where d.decided_at >= p_now - interval '1 hour'
        group by d.route_name, d.reason) r),
    'destinations', (
      select coalesce(jsonb_agg(jsonb_build_object('destination', t.name, 'outcome', t.outcome, 'n', t.n, 'last_at', t.last_at) order by t.n desc, t.name), '[]')
      from (
        select split_part(m.label, ' ', 1) as name, split_part(m.label, ' ', 2) as outcome, sum(m.n) as n, max(m.last_at) as last_at
        from public.measurements m where m.name = 'destination' and m.minute >= p_now - interval '1 hour'
        group by 1, 2) t),
    'decisions', (
      select coalesce(jsonb_agg(jsonb_build_object('at', d.decided_at, 'message_id', d.message_id, 'contact', d.contact,
        'route', d.route_name, 'reason', d.reason, 'destinations', (
          select coalesce(jsonb_agg(coalesce(t.name, w.id::text) order by w.i), '[]')
          from unnest(d.destination_ids) with ordinality as w (id, i) left join public.destinations t on t.id = w.id),
        'explanation', d.explanation, 'revision', d.revision) order by d.decided_at desc), '[]')
      from (select * from public.routing_decisions x order by x.decided_at desc limit 50) d),
    'flags', (
      select coalesce(jsonb_agg(jsonb_build_object('key', s.key, 'on', s.value = 'true',
        'percentage', s.metadata -> 'rollout_percentage',
        'targets', case jsonb_typeof(s.metadata -> 'target_user_ids') when 'array' then jsonb_array_length(s.metadata -> 'target_user_ids') else 0 end,
        'version', s.version, 'updated_at', s.updated_at, 'updated_by', s.updated_by) order by s.key), '[]')
      from public.settings s where s.key like '%.enabled'),
    'errors', private.recent_errors(p_now - interval '1 hour'),
    'waiting', private.waiting_because(p_now))
$function$;
grant execute on function private.diagnostics(p_now timestamp with time zone) to service_role;

-- Deletes the echoes of these messages of ours, whose provider ids have just become known.
CREATE OR REPLACE FUNCTION private.drop_echoes(p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  delete from public.messages gone
  where gone.id in (
    select e.id from unnest(p_ids) as ours (id)
    cross join lateral (select m.provider_id, m.channel from public.messages m where m.id = ours.id limit 1) m
    cross join lateral (
      select e.id, e.channel, e.direction from public.messages e where e.provider_id = m.provider_id limit 10) e
    where e.channel = m.channel and e.direction = 'out' and e.id <> ours.id
      and not exists (select from public.outbound_messages o where o.message_id = e.id));
end $function$;
grant execute on function private.drop_echoes(p_ids uuid[]) to service_role;

-- The message that an edit edits, if that is attributed; else the edit itself.
CREATE OR REPLACE FUNCTION private.edited_message(p_edit_id uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(
    (select m.id from public.messages m
      where m.provider_id = e.reply_to and m.conversation_id = e.conversation_id
        and exists (select from public.attributions a where a.message_id = m.id) limit 1),
    e.id)
  from public.messages e where e.id = p_edit_id
$function$;
grant execute on function private.edited_message(p_edit_id uuid) to service_role;

-- What base64 makes of a number wherever in a text it stands; none for a number of less than 7 digits.
CREATE OR REPLACE FUNCTION private.encoded_forms(p_phone text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array(
    select substr(f.code, f.from_char) from generate_series(0, 2) as g (pad)
    cross join lateral (
      select left(encode(convert_to(repeat('x', g.pad) || p_phone, 'UTF8'), 'base64'), (length(p_phone) + g.pad) / 3 * 4) as code,
        case g.pad when 0 then 1 when 1 then 3 else 4 end as from_char) f
    where length(p_phone) >= 7)
$function$;

-- Ends a rollout whose row the caller has locked: completed (on for everybody, launched) or rolled_back (off).
CREATE OR REPLACE FUNCTION private.end_rollout(p_rollout rollouts, p_state text, p_now timestamp with time zone)
 RETURNS rollouts
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_flag public.settings;
begin
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  if p_state = 'completed' then
    perform set_config('gatelink.gates', 'rollout', true);
    v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata || jsonb_build_object('rollout_percentage', 100,
      'launched_at', to_jsonb(p_now)), v_flag.version, format('rollout %s: completed', p_rollout.id));
    perform set_config('gatelink.gates', '', true);
  elsif v_flag.value = 'true' or v_flag.metadata -> 'schedule' ? 'on_at' then
    -- The percentage too: whoever turns the flag on again begins with nobody but the targets. Off already, and the clock
    -- would turn it on again: with nobody watching.
    v_flag := public.set_setting(v_flag.key, 'false', private.without_start(v_flag.metadata) || '{"rollout_percentage": 0}', v_flag.version,
      format('rollout %s: rolled back', p_rollout.id));
  end if;
  update public.rollout_stages s set left_at = p_now where s.rollout_id = p_rollout.id and s.position = p_rollout.stage;
  update public.rollouts r
  set state = p_state, finished_at = p_now, hold_reason = null, setting_version = coalesce(v_flag.version, r.setting_version), version = r.version + 1
  where r.id = p_rollout.id returning r.* into v_rollout;
  return v_rollout;
end $function$;

-- Queues one message {message, text, to, idempotency_key, fallback, traceparent, address (where to send it, if not
-- to)} in a conversation whose lock the caller holds. Returns {id, status} or {error}: opted_out, window_closed,
-- unknown_message, idempotency_conflict.
CREATE OR REPLACE FUNCTION private.enqueue_message(p_conversation conversations, p_item jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_message jsonb := p_item -> 'message';
  v_key text := p_item ->> 'idempotency_key';
  -- A repetition is another request of the same caller, and may belong to another trace.
  v_hash text := md5((p_item - array['idempotency_key', 'traceparent', 'address'])::text);
  v_fallback boolean := false;
  v_receipt boolean := v_message ->> 'type' = 'read';
  v_refusal text;
  v_existing public.outbound_messages;
  v_id uuid := private.uuid_v7();
begin
  if v_key is not null then
    select * into v_existing from public.outbound_messages
    where idempotency_key = v_key and channel = p_conversation.channel;
    if found then
      if v_existing.request_hash is distinct from v_hash then
        return jsonb_build_object('error', 'idempotency_conflict');
      end if;
      return jsonb_build_object('id', v_existing.id, 'status', v_existing.state, 'repeated', true);
    end if;
  end if;

  if v_receipt then
    -- A service's reply may name any message: a receipt must only go to the person who wrote that message.
    if not exists (
      select from public.messages m
      where m.provider_id = v_message ->> 'message_id' and m.conversation_id = p_conversation.id and m.direction = 'in') then
      return '{"error": "unknown_message"}';
    end if;
  else
    v_refusal := private.send_refusal(p_conversation, v_message, p_now);
    if v_refusal = 'window_closed' then
      v_message := coalesce(p_item -> 'fallback', private.window_fallback());
      if v_message is null then
        return jsonb_build_object('error', 'window_closed', 'window_closed_at',
          p_conversation.last_inbound_at + (private.channel_policy(p_conversation.channel)).reply_window);
      end if;
      v_refusal := private.send_refusal(p_conversation, v_message, p_now);
      v_fallback := true;
    end if;
    if v_refusal is not null then
      return jsonb_build_object('error', v_refusal);
    end if;
  end if;

  if private.queue_messages(array[(v_id, p_conversation.id, p_conversation.channel, p_conversation.number_id, v_message, p_item ->> 'text',
      coalesce(p_item ->> 'address', p_item ->> 'to'), v_key, v_hash, p_item ->> 'traceparent', p_item -> 'fallback', v_fallback)::private.queued],
      p_now) = '{}' then
    return private.enqueue_message(p_conversation, p_item, p_now);
  end if;
  return jsonb_build_object('id', v_id, 'status', 'queued') || case when v_fallback then '{"used_fallback": true}' else '{}' end::jsonb;
end $function$;
grant execute on function private.enqueue_message(p_conversation conversations, p_item jsonb, p_now timestamp with time zone) to service_role;

-- enqueue_outbound with a given time.
CREATE OR REPLACE FUNCTION private.enqueue_outbound(p_items jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_item jsonb;
  v_found jsonb;
  v_rate jsonb;
  v_answer jsonb;
  v_conversation public.conversations;
  v_answers jsonb := '[]';
begin
  -- Before the first conversation's lock, which transactions that create contacts wait for.
  if exists (
    select from jsonb_array_elements(p_items) as e (item)
    where e.item ? 'to' and private.recipient(coalesce(e.item ->> 'channel', 'whatsapp'), private.identities_of(e.item)) is null) then
    perform private.lock_contacts();
  end if;
  for v_item in select * from jsonb_array_elements(p_items) loop
    v_rate := null;
    if v_item ? 'limit' then
      v_rate := public.take_rate(v_item #>> '{limit,key}', (v_item #>> '{limit,per_second}')::numeric, (v_item #>> '{limit,burst}')::integer);
      if not (v_rate ->> 'allowed')::boolean then
        v_answers := v_answers || jsonb_build_object('error', 'rate_limited', 'rate', v_rate);
        continue;
      end if;
    end if;
    v_found := private.send_conversation(v_item);
    if v_found ? 'error' then
      v_answers := v_answers || (v_found || jsonb_build_object('rate', v_rate));
      continue;
    end if;
    select * into v_conversation from public.conversations c where c.id = (v_found ->> 'id')::uuid for update;
    if not found then
      raise exception 'a person was erased in this moment' using errcode = 'serialization_failure';
    end if;
    if not (select value from private.evaluate_flag(private.send_flag(v_conversation.channel), v_conversation.contact_id::text)) then
      v_answer := '{"error": "feature_off"}';
    else
      v_answer := private.enqueue_message(v_conversation,
        v_item - 'limit' || case when v_found ? 'address' then jsonb_build_object('address', v_found -> 'address') else '{}' end, p_now);
    end if;
    if v_answer ? 'error' or v_answer ? 'repeated' then
      perform private.unmake_conversation(v_conversation, v_found ->> 'made');
    end if;
    v_answers := v_answers || (v_answer || jsonb_build_object('rate', v_rate));
  end loop;
  return v_answers;
end $function$;
grant execute on function private.enqueue_outbound(p_items jsonb, p_now timestamp with time zone) to service_role;

-- Sets the flag to a stage of a rollout whose row the caller has locked, and begins the stage.
CREATE OR REPLACE FUNCTION private.enter_stage(p_rollout rollouts, p_position integer, p_now timestamp with time zone)
 RETURNS rollouts
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts := p_rollout;
  v_stage public.rollout_stages;
  v_flag public.settings;
  v_users text[] := '{}';
begin
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_position;
  if v_stage.users is not null then
    -- Before the flag is locked: it takes a moment, and the way back must not wait for it.
    v_users := private.choose_users(p_rollout, v_stage, p_now);
    update public.rollout_stages s set chosen = v_users where s.rollout_id = p_rollout.id and s.position = p_position;
  end if;
  select * into v_flag from public.settings s where s.key = p_rollout.flag_key for update;
  perform set_config('gatelink.gates', 'rollout', true);
  v_flag := public.set_setting(v_flag.key, 'true', v_flag.metadata
    || jsonb_build_object('rollout_percentage', trim_scale(v_stage.percentage))
    || case when v_stage.user_ids || v_users <> '{}' then jsonb_build_object('target_user_ids', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_user_ids')) union select unnest(v_stage.user_ids || v_users) order by 1))) else '{}' end
    || case when v_stage.segments <> '{}' then jsonb_build_object('target_segments', to_jsonb(
      array(select unnest(private.text_array(v_flag.metadata -> 'target_segments')) union select unnest(v_stage.segments) order by 1))) else '{}' end,
    v_flag.version, format('rollout %s: stage %s, %s', p_rollout.id, p_position, v_stage.name));
  perform set_config('gatelink.gates', '', true);
  update public.rollout_stages s set left_at = p_now where s.rollout_id = p_rollout.id and s.position = p_rollout.stage and p_position <> p_rollout.stage;
  update public.rollout_stages s set entered_at = p_now where s.rollout_id = p_rollout.id and s.position = p_position;
  update public.rollouts r
  set state = 'running', stage = p_position, stage_started_at = p_now, hold_reason = 'hold_time', setting_version = v_flag.version,
    guard = b.state, checkpoint = b.state, checkpoint_at = p_now, version = r.version + 1, started_at = coalesce(r.started_at, p_now)
  -- The minute in which the flag changes belongs to neither stage.
  from (select private.guard_begin(private.epoch_ms(p_now) / 60000 + 1) as state) b
  where r.id = p_rollout.id
  returning r.* into v_rollout;
  return v_rollout;
end $function$;

-- An instant in milliseconds since 1970.
CREATE OR REPLACE FUNCTION private.epoch_ms(p_at timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select floor(extract(epoch from p_at) * 1000)::bigint
$function$;

-- One part of erase_contact, in one transaction.
CREATE OR REPLACE FUNCTION private.erase_part(p_person text, p_erasure uuid, p_limit integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_person private.person;
  v_messages uuid[];
  v_cited text[];
  v_done boolean;
  v_counts jsonb;
  v_opt_outs bigint := 0;
  v_part integer := 1 + coalesce((select max(e.part) from public.erasures e where e.id = p_erasure), 0);
begin
  perform private.lock_contacts();
  v_person := private.find_person(p_person);
  perform from public.conversations c where c.id = any (v_person.conversations) order by c.id for update;
  -- Whoever was making another conversation of theirs has made it then.
  perform from public.contacts c where c.id = any (v_person.contacts) order by c.id for update;
  v_person := private.find_person(p_person);
  perform from public.conversations c where c.id = any (v_person.conversations) order by c.id for update;
  perform from private.delivery_lanes l where l.conversation_id = any (v_person.conversations)
  order by l.destination_id, l.conversation_id for update;
  perform from private.outbound_lanes l where l.conversation_id = any (v_person.conversations) order by l.conversation_id for update;
  v_messages := array(
    select m.id from public.messages m where m.conversation_id = any (v_person.conversations) order by m.seq limit p_limit + 1);
  v_done := cardinality(v_messages) <= p_limit;
  v_messages := v_messages[:p_limit];
  perform from public.messages m where m.id = any (v_messages) order by m.id for update;

  insert into public.erasures (id, part) values (p_erasure, v_part);
  perform set_config('gatelink.reason', 'a person was erased', true);
  insert into private.erased_keys (hash)
  select private.keyed_hash('message ' || m.channel || ' ' || known.id)
  from public.messages m cross join lateral (values (m.id::text), (m.provider_id)) as known (id)
  where m.id = any (v_messages) and m.direction = 'out' and known.id is not null
  on conflict (hash) do update set at = excluded.at;
  if v_done then
    insert into private.erased_opt_outs (identity, channel, number_id, opted_out_at)
    select private.keyed_hash(i.kind || ' ' || i.value), c.channel, c.number_id, c.opted_out_at
    from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id
    where c.id = any (v_person.conversations) and c.opted_out_at is not null and i.valid_to is null
      and i.kind not in ('username', 'parent_bsuid')
    on conflict (identity, channel, number_id) do update set opted_out_at = excluded.opted_out_at;
    get diagnostics v_opt_outs = row_count;
  else
    -- These messages and nothing else yet.
    v_person := private.person_of('{}', '');
    v_person.subjects := '{}';
  end if;
  v_person := private.with_messages(v_person, v_messages);
  v_cited := private.cited(v_person);
  if v_cited <> '{}' then
    v_person.words := v_person.words || '|' || (
      select string_agg(private.pattern_of('id', c.id), '|') from unnest(v_cited) as c (id));
    v_person.ids := v_person.ids || '|' || (
      select string_agg(private.pattern_of('id', c.id), '|') from unnest(v_cited) as c (id));
  end if;
  v_counts := private.erase_rows(v_person);
  if v_done and v_part = 1 and v_counts = '{}' then
    raise exception 'there is nothing of this person' using errcode = 'GL404',
      hint = 'Known are phone numbers with their country code, contacts'' ids and other ids of theirs. Whoever was erased is not known any more.';
  end if;
  update public.erasures e set counts = v_counts, done = v_done where e.id = p_erasure and e.part = v_part;
  perform public.add_counts(jsonb_build_array(jsonb_build_object('name', 'purged', 'label', 'webhook_events',
    'n', coalesce((v_counts ->> 'public.webhook_events')::bigint, 0))));
  perform set_config('gatelink.reason', '', true);
  return jsonb_build_object('erasure', p_erasure, 'part', v_part, 'done', v_done, 'counts', v_counts,
    'kept', jsonb_build_object('dedupe_keys_days', 8, 'opt_outs', v_opt_outs), 'out_of_reach', private.out_of_reach());
end $function$;

-- Erases what private.personal_data() says of a person, and counts it by table.
CREATE OR REPLACE FUNCTION private.erase_rows(p_person private.person)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_place record;
  v_tie text;
  v_count bigint;
  v_counts jsonb := '{}';
begin
  for v_place in select * from private.personal_data() d where d.erased <> 'kept' loop
    v_tie := private.tie(v_place.relation, v_place.columns, v_place.tied, v_place.erased);
    execute case
      when v_place.erased = 'deleted' then format('delete from %s t where %s', v_place.relation, v_tie)
      when v_place.erased = 'hashed' then format('with gone as (delete from %s t where %s returning t.provider, t.dedupe_key)
        insert into private.erased_keys (hash) select private.keyed_hash(g.provider || '' '' || g.dedupe_key) from gone g
        on conflict (hash) do update set at = excluded.at', v_place.relation, v_tie)
      when v_place.erased in ('words', 'ids') then format('update %s t set %s where %s', v_place.relation, (
        select string_agg(format('%1$I = private.tombstone(t.%1$I, $1, %2$L)', c.name, v_place.erased = 'words'), ', ')
        from unnest(v_place.columns) as c (name)), v_tie)
      else format('update %s t %s where %s', v_place.relation, v_place.erased, v_tie) end
    using p_person;
    get diagnostics v_count = row_count;
    if v_count > 0 then
      v_counts := v_counts || jsonb_build_object(v_place.relation, coalesce((v_counts ->> v_place.relation)::bigint, 0) + v_count);
    end if;
  end loop;
  return v_counts;
end $function$;

-- When an erased person with this id opted out of a sender; null if none did.
CREATE OR REPLACE FUNCTION private.erased_opt_out(p_channel text, p_number_id text, p_kind text, p_value text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  -- The table is nearly always empty: compute the hash only if it is not.
  if not exists (select from private.erased_opt_outs) then
    return null;
  end if;
  return (
    select max(o.opted_out_at) from private.erased_opt_outs o
    where o.identity in (select private.keyed_hash(p_kind || ' ' || spelled) from unnest(private.spellings(p_kind, p_value)) spelled)
      and o.channel = p_channel and o.number_id = p_number_id);
end $function$;
grant execute on function private.erased_opt_out(p_channel text, p_number_id text, p_kind text, p_value text) to service_role;

-- The code of an error as a provider tells it, or of the first of several; null when it has none, or one that is too
-- long to be one.
CREATE OR REPLACE FUNCTION private.error_code(p_error jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select substring(case jsonb_typeof(p_error) when 'array' then p_error -> 0 else p_error end ->> 'code'
    from '^(?:[[:alnum:]_.-]{1,9}|[a-z_]{1,40})$')
$function$;
grant execute on function private.error_code(p_error jsonb) to service_role;

-- What a provider told of a message that failed, {code, message}: its words only with p_words, and without the ids of
-- the contact.
CREATE OR REPLACE FUNCTION private.error_view(p_error jsonb, p_contact_id uuid, p_words boolean)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select case when p_error is not null then jsonb_build_object('code', private.error_code(p_error),
    'message', case when p_words then private.quoted(
      coalesce(e.one ->> 'details', e.one #>> '{error_data,details}', e.one ->> 'message', e.one ->> 'title'), p_contact_id) end) end
  from (select case jsonb_typeof(p_error) when 'array' then p_error -> 0 else p_error end as one) e
$function$;
grant execute on function private.error_view(p_error jsonb, p_contact_id uuid, p_words boolean) to service_role;

-- Calls the next person of each incident that nobody acknowledged in time, and says of how many. A step whose
-- endpoint is paused reaches everybody who is told of escalations. For the clock.
CREATE OR REPLACE FUNCTION private.escalate_incidents(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents;
  v_step public.escalation_steps;
  v_count integer := 0;
begin
  for v_incident in
    select * from public.incidents i where i.escalate_at <= p_now order by i.escalate_at for update skip locked
  loop
    begin
      select * into v_step from (
        select e.*, row_number() over (order by e.after_minutes) as place from public.escalation_steps e where e.severity = v_incident.severity) e
      where e.place <= v_incident.escalated + 1 order by e.place desc limit 1;
      update public.incidents i set escalated = i.escalated + 1, version = i.version + 1 where i.id = v_incident.id returning i.* into v_incident;
      update public.incidents i set escalate_at = private.next_escalation(v_incident, p_now) where i.id = v_incident.id returning i.* into v_incident;
      if v_step.role is not null then
        perform private.write_incident(v_incident, 'escalated', p_now, null, jsonb_build_object('step', v_incident.escalated, 'role', v_step.role));
        perform private.notify_incident(v_incident, 'incident_escalated', null, p_now, v_step.role, (
          select e.id from public.notification_endpoints e where e.id = v_step.endpoint_id and e.state = 'active'));
        v_count := v_count + 1;
      end if;
    exception when others then
      raise warning 'incident % could not be escalated: % (%)', v_incident.number, sqlerrm, sqlstate;
    end;
  end loop;
  return v_count;
end $function$;
grant execute on function private.escalate_incidents(p_now timestamp with time zone) to service_role;

-- Whether a flag is on for an id, and why (OpenFeature's reasons DISABLED, TARGETING_MATCH, STATIC, SPLIT, ERROR with
-- error_code FLAG_NOT_FOUND or TARGETING_KEY_MISSING). Order: off, prerequisites, target id, segment, percentage.
-- Knows nothing of the kill switches in the environment.
CREATE OR REPLACE FUNCTION private.evaluate_flag(p_key text, p_targeting_id text, OUT value boolean, OUT reason text, OUT error_code text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  select e.value, e.reason, e.error_code into value, reason, error_code
  from private.evaluate_flag_alone(p_key, p_targeting_id) e;
  if reason <> 'DISABLED' and error_code is distinct from 'FLAG_NOT_FOUND'
    and not private.prerequisites_on(p_key, p_targeting_id) then
    value := false;
    reason := 'DISABLED';
    error_code := null;
  end if;
end $function$;
grant execute on function private.evaluate_flag(p_key text, p_targeting_id text, OUT value boolean, OUT reason text, OUT error_code text) to service_role;

-- evaluate_flag as if the flag had no prerequisites.
CREATE OR REPLACE FUNCTION private.evaluate_flag_alone(p_key text, p_targeting_id text, OUT value boolean, OUT reason text, OUT error_code text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_setting public.settings;
  v_id text := private.subject_id(nullif(p_targeting_id, ''));
  v_threshold int;
begin
  value := false;
  select * into v_setting from public.settings s where s.key = p_key;
  if not found then
    reason := 'ERROR';
    error_code := 'FLAG_NOT_FOUND';
    return;
  end if;
  if v_setting.value <> 'true' then
    reason := 'DISABLED';
    return;
  end if;
  if v_setting.metadata -> 'target_user_ids' ? v_id or exists (
    select from jsonb_path_query(v_setting.metadata, 'strict $.target_segments[*] ? (@.type() == "string")', '{}', true) as segment
    join public.segment_members m on m.segment_key = segment #>> '{}' and m.subject_id = v_id) then
    value := true;
    reason := 'TARGETING_MATCH';
    return;
  end if;
  v_threshold := case
    when v_setting.metadata ? 'rollout_percentage'
      then round((v_setting.metadata ->> 'rollout_percentage')::numeric * 100)
    when v_setting.metadata ? 'target_user_ids' or v_setting.metadata ? 'target_segments' then 0
    else 10000 end;
  if v_threshold in (0, 10000) then
    value := v_threshold = 10000;
    reason := 'STATIC';
  elsif v_id is null then
    reason := 'ERROR';
    error_code := 'TARGETING_KEY_MISSING';
  else
    value := private.flag_bucket(coalesce(v_setting.metadata ->> 'salt', p_key), v_id) < v_threshold;
    reason := 'SPLIT';
  end if;
end $function$;
grant execute on function private.evaluate_flag_alone(p_key text, p_targeting_id text, OUT value boolean, OUT reason text, OUT error_code text) to service_role;

-- How a row is given out that names a person among others: its key, the texts that name them, and true for other
-- columns that do.
CREATE OR REPLACE FUNCTION private.exported_row(p_relation text, p_columns text[])
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select format('jsonb_build_object(''row'', jsonb_build_object(%s)) || jsonb_strip_nulls(jsonb_build_object(%s))', (
      select string_agg(format('%L, t.%I', a.attname, a.attname), ', ' order by k.place)
      from pg_catalog.pg_index i cross join unnest(i.indkey) with ordinality as k (attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = p_relation::regclass and i.indisprimary),
    string_agg(format('%1$L, case when private.mentions(t.%1$I::text, $1) then %2$s end', a.attname,
      case when a.atttypid = 'text'::regtype then format('to_jsonb(t.%I)', a.attname) else '''true''::jsonb' end), ', '))
  from pg_catalog.pg_attribute a where a.attrelid = p_relation::regclass and a.attname = any (p_columns)
$function$;

-- The evidence, in millionths, that fewer with the flag do something than a fall of max_fall allows: see fallS() in
-- signals.ts.
CREATE OR REPLACE FUNCTION private.fall_s(p_share double precision, p_max_fall double precision, p_on bigint, p_off bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  r double precision;
  q double precision := p_share * (1 - p_max_fall) / (p_share * (1 - p_max_fall) + (1 - p_share));
  q_r double precision;
  v_s bigint := 0;
begin
  foreach r in array array[0.9, 0.75, 0.5, 0.25]::double precision[] loop
    q_r := r * q / (r * q + (1 - q));
    v_s := greatest(v_s, (p_on * round(ln(q_r / q) * 1000000)::bigint + p_off * round(ln((1 - q_r) / (1 - q)) * 1000000)::bigint) / 1000 - 1386294);
  end loop;
  return v_s;
end $function$;
grant execute on function private.fall_s(p_share double precision, p_max_fall double precision, p_on bigint, p_off bigint) to service_role;

-- What a message says: a complaint or praise that begins with one of the words, or a rating such as 4/5; nulls for
-- anything else.
CREATE OR REPLACE FUNCTION private.feedback_said(p_text text, p_complaint text[], p_praise text[], OUT kind text, OUT rating smallint)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_text text := lower(btrim(p_text, E' \t\n\r.!"'''));
begin
  if v_text ~ '^[1-5] ?/ ?5$' then
    kind := 'rating';
    rating := left(v_text, 1)::smallint;
  -- The word, or what begins with it: "Complaint: the total is wrong".
  elsif exists (select from unnest(p_complaint) w where v_text = w or starts_with(v_text, w) and substr(v_text, char_length(w) + 1, 1) ~ '[^[:alnum:]]') then
    kind := 'complaint';
  elsif exists (select from unnest(p_praise) w where v_text = w or starts_with(v_text, w) and substr(v_text, char_length(w) + 1, 1) ~ '[^[:alnum:]]') then
    kind := 'rating';
  end if;
end $function$;

-- The words by which people complain (complaint) or praise, by the settings feedback.complaint_words and
-- feedback.praise_words, in lower case.
CREATE OR REPLACE FUNCTION private.feedback_words(p_what text)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(
    (select array(select lower(w.word) from jsonb_array_elements_text(s.value::jsonb) as w (word))
    from public.settings s where s.key = format('feedback.%s_words', p_what)),
    case p_what when 'complaint' then array['complaint', 'beschwerde', 'reclamación', 'réclamation', 'reclamação', 'reclamo', 'malalamiko', 'شكوى', 'शिकायत']
      else array['praise', 'lob', 'elogio', 'éloge', 'sifa', 'ثناء', 'तारीफ़'] end)
$function$;

-- The contact of each update, in its place, if every id and the name are unchanged and no change is announced; null
-- otherwise.
CREATE OR REPLACE FUNCTION private.find_contacts(p_updates private.inbound_update[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_contacts uuid[];
begin
  select array_agg(case when u.name is null or u.name = c.name then c.id end order by u.ordinality)
  into v_contacts
  from unnest(p_updates) with ordinality as u
  left join lateral (
    select array_agg(held.contact_id) as holders, bool_or(k.previous is not null) as changed
    from unnest(u.identities) k
    left join lateral (
      select i.contact_id from public.contact_identities i
      where i.channel = u.channel and i.kind = k.kind and i.value = k.value and i.valid_to is null limit 1) held on true
  ) ids on true
  left join lateral (
    select p.id, p.name from public.contacts p
    where p.id = ids.holders[1] and ids.holders[1] = all (ids.holders) and not ids.changed limit 1) c on true;
  return v_contacts;
end $function$;
grant execute on function private.find_contacts(p_updates private.inbound_update[]) to service_role;

-- The conversation of each update, in its place; null if there is none yet.
CREATE OR REPLACE FUNCTION private.find_conversations(p_updates private.inbound_update[], p_contacts uuid[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return array(
    select (
      select c.id from public.conversations c
      where c.channel = u.channel and c.number_id = u.sender_id and c.contact_id = p_contacts[u.ordinality] limit 1)
    from unnest(p_updates) with ordinality as u
    order by u.ordinality);
end $function$;
grant execute on function private.find_conversations(p_updates private.inbound_update[], p_contacts uuid[]) to service_role;

-- Who is known by a phone number (written in any way) on any channel, a contact's id, or another id; contacts that
-- were merged into theirs are theirs. Else whoever is asked about by that id in flags, segments and links. GL422 for
-- no id.
CREATE OR REPLACE FUNCTION private.find_person(p_given text)
 RETURNS private.person
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_given text := btrim(p_given, E' \t\n\r');
  v_phone text := case when v_given ~ '^\+?[0-9][0-9 ().-]*$' then regexp_replace(v_given, '[^0-9]', '', 'g') end;
  v_roots uuid[];
begin
  if coalesce(length(v_given), 0) not between 1 and 200 then
    raise exception 'whose data? Give a phone number or an id' using errcode = 'GL422',
      hint = 'A phone number with its country code, a contact''s id, another id of the person''s, or the id that flags are asked with.';
  end if;
  if v_given ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    v_given := lower(v_given);
    v_roots := array(select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_given::uuid);
  else
    v_roots := array(
      select distinct i.contact_id from public.contact_identities i
      where i.kind = 'phone' and i.value = any (private.spellings('phone', v_phone)) and i.valid_to is null);
    if v_roots = '{}' then
      v_roots := array(
        select distinct i.contact_id from public.contact_identities i
        where i.kind <> 'phone' and i.value in (v_given, lower(v_given)) and i.valid_to is null);
    end if;
  end if;
  return private.person_of(
    array(select c.id from public.contacts c where c.id = any (v_roots) or c.merged_into = any (v_roots) order by c.id),
    coalesce(v_phone, v_given));
end $function$;

-- The first day in a zone of which all clicks are kept.
CREATE OR REPLACE FUNCTION private.first_day_in(p_zone text)
 RETURNS date
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select (k.since at time zone p_zone + interval '1 day' - interval '1 microsecond')::date
  from (
    select ((clock_timestamp() at time zone private.team_zone())::date - private.click_days_kept())::timestamp
      at time zone private.team_zone() as since) k
$function$;
grant execute on function private.first_day_in(p_zone text) to service_role;

-- A flag that is at this version; GL409 when it is not, GL422 when the key is not one of a flag.
CREATE OR REPLACE FUNCTION private.flag_at(p_key text, p_expected_version bigint)
 RETURNS settings
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_flag public.settings;
begin
  if p_key is null or p_key not like '%.enabled' then
    raise exception 'the key of a flag ends in .enabled' using errcode = 'GL422';
  end if;
  select * into v_flag from public.settings s where s.key = p_key;
  if v_flag.version is distinct from p_expected_version then
    raise exception 'setting % is at version %, not %', p_key, coalesce(v_flag.version, 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_flag;
end $function$;

-- The bucket, 0 to 9999, of an id under a salt: floor(murmur3_32(UTF-8 of salt || id) * 10000 / 2^32). The salt does
-- not change with the percentage, so whoever is in at 10 % is in at 25 %.
CREATE OR REPLACE FUNCTION private.flag_bucket(p_salt text, p_id text)
 RETURNS integer
 LANGUAGE sql
 STABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$
  select (private.murmur3_32(convert_to(p_salt || p_id, 'UTF8')) * 10000 >> 32)::int
$function$;
grant execute on function private.flag_bucket(p_salt text, p_id text) to service_role;

-- Whether a flag's prerequisites lead back to it.
CREATE OR REPLACE FUNCTION private.flag_needs_itself(p_key text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with recursive needed (key) as (
    select p.key from public.settings s, jsonb_array_elements_text(s.metadata -> 'prerequisites') as p (key)
    where s.key = p_key
    union
    select p.key from needed n join public.settings s on s.key = n.key,
      jsonb_array_elements_text(s.metadata -> 'prerequisites') as p (key)
  )
  select exists (select from needed where key = p_key)
$function$;

-- Trigger, after a contact is merged into another: flags and segments that had the one have the other too.
CREATE OR REPLACE FUNCTION private.follow_merge()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_reason text := current_setting('gatelink.reason', true);
begin
  perform set_config('gatelink.reason', format('contact %s turned out to be contact %s', new.id, new.merged_into), true);
  update public.settings s
  set metadata = jsonb_set(s.metadata, '{target_user_ids}', s.metadata -> 'target_user_ids' || to_jsonb(new.merged_into::text))
  where s.metadata -> 'target_user_ids' ? new.id::text and not s.metadata -> 'target_user_ids' ? new.merged_into::text;
  insert into public.segment_members (segment_key, subject_id)
  select m.segment_key, new.merged_into::text from public.segment_members m where m.subject_id = new.id::text
  on conflict (segment_key, subject_id) do nothing;
  perform set_config('gatelink.reason', coalesce(v_reason, ''), true);
  return null;
end $function$;

-- The forecast for one stage of a plan.
CREATE OR REPLACE FUNCTION private.forecast_stage(p_stage jsonb, p_flag_key text, p_per_minute double precision, p_failure_rate double precision, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  t record;
  v_share double precision := (p_stage ->> 'percentage')::double precision / 100;
  v_per_minute double precision;
  v_limit double precision := (p_stage #>> '{roll_back_when,error_rate_above}')::double precision;
  v_below double precision := (p_stage #>> '{advance_when,error_rate_below}')::double precision;
  v_samples bigint := (p_stage ->> 'min_samples')::bigint;
  v_hold bigint := (p_stage ->> 'hold_minutes')::bigint;
  v_needed bigint;
  v_passes boolean := true;
  v_on double precision;
  v_off double precision;
  v_wait bigint;
begin
  select * into t from private.recent_traffic(p_flag_key, (p_stage #>> '{advance_when,p95_ms_below}')::integer, p_now);
  v_per_minute := coalesce(p_per_minute, t.per_minute);
  -- What nobody has measured is taken for a tenth of what the stage asks for: a tenth of the trigger may be all of that.
  t.failure_rate := coalesce(p_failure_rate, t.failure_rate, coalesce(v_below, v_limit, 0.01) / 10);
  if v_below is not null then
    v_needed := private.samples_needed(t.failure_rate, v_below);
    v_passes := v_needed is not null;
    v_samples := greatest(v_samples, v_needed);
  end if;
  if p_stage #> '{advance_when,p95_ms_below}' is not null then
    v_needed := private.samples_needed(coalesce(t.late_rate, 0.005), 0.05);
    v_passes := v_passes and v_needed is not null;
    v_samples := greatest(v_samples, v_needed);
  end if;
  -- Who is in a list, and how often they come, is not known beforehand.
  v_on := nullif(v_per_minute * v_share, 0);
  v_off := v_per_minute - v_on;
  v_wait := ceil(v_samples / v_on);
  return jsonb_build_object('name', p_stage -> 'name', 'percentage', p_stage -> 'percentage', 'hold_minutes', v_hold,
    'per_minute', round(v_on::numeric, 2), 'samples_needed', v_samples, 'minutes_for_samples', v_wait,
    'minutes', greatest(v_hold, v_wait), 'passes', v_passes,
    'caught_after_minutes', case when v_limit is not null and v_on is not null then jsonb_build_object(
      '2x', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, least(2 * v_limit, 0.95)),
      '5x', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, least(5 * v_limit, 0.95)),
      '20%', private.minutes_to_catch(v_on, v_off, t.failure_rate, v_limit, greatest(0.2, least(2 * v_limit, 0.95)))) end);
end $function$;

-- Trigger, after a destination moved to another host or was removed: deletes its custom headers.
CREATE OR REPLACE FUNCTION private.forget_headers()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  delete from private.destination_headers h where h.destination_id = new.id;
  return null;
end $function$;

-- Ends the wait of lanes for these messages, which have received a status. Returns whether something may be sent now.
CREATE OR REPLACE FUNCTION private.free_lanes(p_ids uuid[])
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_lanes uuid[];
  v_freed boolean;
begin
  -- The holder of a lock is about to wait, or to make the lane due; the lane never waits beyond its limit.
  with free as (
    select l.conversation_id from private.outbound_lanes l where l.waits_for = any (p_ids) for update skip locked
  ), freed as (
    update private.outbound_lanes l set waits_for = null, waits_until = null
    from free where l.conversation_id = free.conversation_id
    returning l.conversation_id, l.due_at, l.lease
  )
  select array_agg(f.conversation_id) filter (where f.due_at is not null and f.lease is null) into v_lanes from freed f;
  if v_lanes is null then
    return false;
  end if;
  perform private.release_outbound_lanes(v_lanes);
  select bool_or(l.due_at is not null) into v_freed from private.outbound_lanes l where l.conversation_id = any (v_lanes);
  return v_freed;
end $function$;
grant execute on function private.free_lanes(p_ids uuid[]) to service_role;

-- The functions by what each answered in ten minutes, the worst decides: degraded when one in a hundred of at least
-- three were errors of ours (5xx), down when at least five and half were. What a kill switch refused is left out.
CREATE OR REPLACE FUNCTION private.functions_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'functions',
    'status', case
      when bool_or(f.failed >= 5 and f.failed >= 0.5 * f.n) then 'down'
      when bool_or(f.n >= 3 and f.failed >= 0.01 * f.n) then 'degraded'
      else 'healthy' end,
    'because', case when bool_or(f.failed > 0) then 'failing' else 'answering' end,
    'figures', case when bool_or(f.failed > 0)
      then jsonb_build_object('functions', jsonb_agg(jsonb_build_object('name', f.name, 'failed', f.failed, 'requests', f.n)
        order by f.failed / f.n desc, f.name) filter (where f.failed > 0))
      else jsonb_build_object('requests', coalesce(sum(f.n), 0)) end)
  from (
    select split_part(m.label, ' ', 1) as name, sum(m.n) as n,
      coalesce(sum(m.n) filter (where split_part(m.label, ' ', 2) like '5%'), 0) as failed
    from public.measurements m
    where m.name = 'request' and m.minute >= p_now - interval '10 minutes' and split_part(m.label, ' ', 2) <> 'disabled'
    group by 1
  ) f
$function$;
grant execute on function private.functions_health(p_now timestamp with time zone) to service_role;

-- Requests, errors (5xx, but for what a kill switch refused) and latency of each function since then: [{name,
-- requests, errors, p50_ms, p95_ms, p99_ms}].
CREATE OR REPLACE FUNCTION private.functions_since(p_from timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with requests as materialized (
    select split_part(m.label, ' ', 1) as name, split_part(m.label, ' ', 2) like '5%' as failed, m.n, m.counts
    from public.measurements m where m.name = 'request' and m.minute >= p_from
  ), histograms as (
    select b.name, array_agg(b.n order by b.i) as counts
    from (
      select r.name, c.i, sum(c.n)::bigint as n from requests r cross join lateral unnest(r.counts) with ordinality as c (n, i)
      group by r.name, c.i
    ) b group by b.name
  ), totals as (
    select r.name, sum(r.n) as requests, coalesce(sum(r.n) filter (where r.failed), 0) as errors from requests r group by r.name
  )
  select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'requests', t.requests, 'errors', t.errors,
    'p50_ms', round(private.histogram_quantile(h.counts, 0.5)::numeric, 1),
    'p95_ms', round(private.histogram_quantile(h.counts, 0.95)::numeric, 1),
    'p99_ms', round(private.histogram_quantile(h.counts, 0.99)::numeric, 1)) order by t.name), '[]')
  from totals t left join histograms h on h.name = t.name
$function$;

-- Decides one take of p_cost from a limit of p_rate a second with bursts of p_burst, and when nothing was taken
-- before p_tat is null. Cost 0 looks without taking. allowed; tat to be kept; remaining, what could be taken at once
-- now; reset_ms, until all of the burst is free; retry_after_ms, 0 when allowed, null when the cost is above the
-- burst and so never will be. Error 22023 for a limit that cannot be.
CREATE OR REPLACE FUNCTION private.gcra(p_tat timestamp with time zone, p_now timestamp with time zone, p_rate numeric, p_burst integer, p_cost integer, OUT allowed boolean, OUT tat timestamp with time zone, OUT remaining integer, OUT reset_ms bigint, OUT retry_after_ms bigint)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  v_each bigint;
  v_most bigint;
  v_ahead bigint;
begin
  if p_rate is null or p_rate <= 0 or p_burst is null or p_burst < 1 or p_cost is null or p_cost < 0 then
    raise exception 'a limit needs a rate above 0, a burst of at least 1 and a cost of at least 0, not %, %, %',
      p_rate, p_burst, p_cost using errcode = 'invalid_parameter_value';
  end if;
  v_each := ceil(1000000 / p_rate);
  v_most := v_each * p_burst;
  v_ahead := greatest(coalesce(extract(epoch from p_tat - p_now) * 1000000, 0), 0);
  allowed := v_ahead + v_each * p_cost <= v_most;
  if allowed then
    v_ahead := v_ahead + v_each * p_cost;
    retry_after_ms := 0;
  elsif p_cost <= p_burst then
    retry_after_ms := (v_ahead + v_each * p_cost - v_most + 999) / 1000;
  end if;
  tat := p_now + v_ahead * interval '1 microsecond';
  remaining := greatest(v_most - v_ahead, 0) / v_each;
  reset_ms := (v_ahead + 999) / 1000;
end $function$;
grant execute on function private.gcra(p_tat timestamp with time zone, p_now timestamp with time zone, p_rate numeric, p_burst integer, p_cost integer, OUT allowed boolean, OUT tat timestamp with time zone, OUT remaining integer, OUT reset_ms bigint, OUT retry_after_ms bigint) to service_role;

-- A reason without the blanks around it; null for none. GL422 for one of blanks alone.
CREATE OR REPLACE FUNCTION private.given_reason(p_reason text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  if btrim(p_reason, E' \t\n\r') = '' then
    raise exception 'a reason must say something' using errcode = 'GL422', hint = 'Say why, or leave it out (null).';
  end if;
  return btrim(p_reason, E' \t\n\r');
end $function$;

-- Meta's Graph API as our sends saw it: degraded when one failed in the last quarter of an hour, down when at least
-- three did and none succeeded.
CREATE OR REPLACE FUNCTION private.graph_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'graph',
    'status', case when g.failed = 0 then 'healthy' when g.sent > 0 then 'degraded' when g.failed < 3 then 'degraded' else 'down' end,
    'because', 'calls', 'figures', jsonb_build_object('failed', g.failed, 'calls', g.sent + g.failed,
      'success_seconds', round(extract(epoch from p_now - g.last_success))),
    'last_success', g.last_success)
  from (
    select coalesce(sum(m.n) filter (where m.minute > '-infinity' and m.label = 'sent'), 0) as sent,
      coalesce(sum(m.n) filter (where m.minute > '-infinity' and m.label <> 'sent'), 0) as failed,
      max(m.last_at) filter (where m.label = 'sent' and m.minute = '-infinity') as last_success
    from public.measurements m
    where m.name = 'graph' and (m.minute >= p_now - interval '15 minutes' or m.minute = '-infinity')
  ) g
$function$;
grant execute on function private.graph_health(p_now timestamp with time zone) to service_role;

-- Whether it has been suspected for longer than the other arm may be late. See aged() in series.ts.
CREATE OR REPLACE FUNCTION private.guard_aged(p_suspicion private.guard_suspicion, p_minute bigint, p_s bigint, p_enough bigint, p_troubled boolean)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select (p_suspicion.certain > 0 and p_minute - p_suspicion.certain >= case when p_troubled then 10 else 5 end)
    or (not p_troubled and p_s < p_enough + 5500000 and p_suspicion.suspect > 0 and p_minute - p_suspicion.suspect >= 5
      and p_minute - p_suspicion.calm <= 15)
$function$;

-- Takes the minutes up to p_to into a rollout whose row the caller has locked, and acts on each alarm: rolls back, or
-- pages and goes on. Answers the rollout after it, what was taken since the last alarm, and the last verdict with its
-- rule, null where there was none.
CREATE OR REPLACE FUNCTION private.guard_alarms(INOUT rollout rollouts, p_to bigint, p_now timestamp with time zone, p_sharp boolean, OUT taken private.guard_taken, OUT verdict text, OUT rule text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_stage public.rollout_stages := private.rollout_stage(rollout);
  v_watch jsonb := private.guard_watch(v_stage, p_sharp);
  v_late_ms integer := (v_stage.advance_when ->> 'p95_ms_below')::integer;
  v_evidence jsonb;
begin
  loop
    taken := private.guard_take(rollout.flag_key, v_watch, v_late_ms, rollout.guard, p_to);
    exit when taken.alarm is null;
    verdict := taken.alarm ->> 'verdict';
    rule := taken.alarm ->> 'rule';
    v_evidence := private.rollout_evidence(rollout, (taken.alarm ->> 'minute')::bigint, p_now, taken);
    if verdict = 'roll_back' then
      rollout := private.end_rollout(rollout, 'rolled_back', p_now);
      perform private.log_rollout(rollout, p_now, 'rolled_back', private.alarm_figures(rule, v_watch), verdict, rule, v_evidence);
      return;
    end if;
    update public.rollouts o set guard = taken.state, checkpoint = taken.state, checkpoint_at = p_now,
      hold_reason = case when o.state = 'running' then 'hold_time' else o.hold_reason end
    where o.id = rollout.id returning o.* into rollout;
    perform private.log_rollout(rollout, p_now, 'paged', private.alarm_figures(rule, v_watch), verdict, rule, v_evidence,
      p_tell => not private.rollout_told(rollout.id, rollout.stage, 'paged', rule, p_now - interval '1 hour'));
  end loop;
end $function$;

-- What the guard remembers at the beginning of a stage whose first whole minute this is.
CREATE OR REPLACE FUNCTION private.guard_begin(p_minute bigint)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('minute', p_minute - 1, 'since', p_minute, 'window', p_minute, 'heard', 0,
    'seen', '{"n": 0, "failed": 0, "timed": 0, "late": 0}'::jsonb, 'arms', '{"on": 0, "off": 0, "busiest": 0, "silent": 0}'::jsonb,
    'broken', 0, 'errors', series.empty, 'slow', series.empty, 'shift', '{"on": {"n": 0, "v": 0, "vv": 0},
      "off": {"n": 0, "v": 0, "vv": 0}, "quiet": {"on": {"n": 0, "v": 0, "vv": 0}, "off": {"n": 0, "v": 0, "vv": 0}},
      "s": [0, 0], "relation": {"calm": 0, "suspect": 0, "certain": 0}}'::jsonb)
  from (select '{"on": {"n": 0, "k": 0, "q": 0, "m": 0}, "off": {"n": 0, "k": 0, "q": 0, "m": 0},
    "quiet": {"on": 0, "off": 0, "failed": 0}, "absolute": [0, 0, 0, 0, 0], "relative": [0, 0, 0, 0, 0],
    "trouble": 0, "relation": {"calm": 0, "suspect": 0, "certain": 0}, "shared": 0}'::jsonb as empty) series
$function$;

-- What follows when somebody else wrote a rollout's flag: off ends the rollout, another percentage pauses it,
-- anything else is accepted. Answers the rule, null where nothing follows.
CREATE OR REPLACE FUNCTION private.guard_by_hand(p_rollout rollouts, p_flag settings, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_percentage numeric := (private.rollout_stage(p_rollout)).percentage;
  v_rollout public.rollouts;
  rule text;
begin
  if p_flag.key is null or p_flag.value <> 'true' then
    rule := 'flag_off_by_hand';
    v_rollout := private.end_rollout(p_rollout, 'rolled_back', p_now);
    perform private.log_rollout(v_rollout, p_now, 'rolled_back', '{}', null, rule,
      private.rollout_evidence(p_rollout, private.closed_minute(p_now), p_now));
  elsif (p_flag.metadata ->> 'rollout_percentage')::numeric is distinct from v_percentage and p_rollout.state = 'running' then
    rule := 'flag_changed_by_hand';
    update public.rollouts r set state = 'paused', hold_reason = 'paused', setting_version = p_flag.version, version = r.version + 1
    where r.id = p_rollout.id returning r.* into v_rollout;
    perform private.log_rollout(v_rollout, p_now, 'paged', jsonb_build_object('percentage', trim_scale(v_percentage),
      'set_to', p_flag.metadata -> 'rollout_percentage'), 'page', rule);
  else
    update public.rollouts r set setting_version = p_flag.version where r.id = p_rollout.id;
  end if;
  return rule;
end $function$;

-- Takes the latencies of a span of both arms into a comparison. See compare() in shift.ts.
CREATE OR REPLACE FUNCTION private.guard_compare(p_shift private.guard_shift, p_minute bigint, p_on private.guard_places, p_off private.guard_places, p_moves boolean, p_absolute bigint)
 RETURNS private.guard_shift
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  v_shift private.guard_shift := p_shift;
  v_with private.guard_places := p_shift."on";
  v_without private.guard_places := p_shift.off;
  a private.guard_places := (p_shift.quiet)."on";
  b private.guard_places := (p_shift.quiet).off;
  c_nothing constant private.guard_places := row(0, 0, 0);
  v_spread double precision;
  v_apart double precision;
  v_weight double precision;
  v_before bigint;
begin
  v_with := row(v_with.n + p_on.n, v_with.v + p_on.v, v_with.vv + p_on.vv);
  v_without := row(v_without.n + p_off.n, v_without.v + p_off.v, v_without.vv + p_off.vv);
  a := row(a.n + p_on.n, a.v + p_on.v, a.vv + p_on.vv);
  b := row(b.n + p_off.n, b.v + p_off.v, b.vv + p_off.vv);
  v_shift."on" := v_with;
  v_shift.off := v_without;
  if not p_moves then
    v_shift.quiet := row(a, b);
    return v_shift;
  end if;
  v_shift.quiet := row(c_nothing, c_nothing);
  if a.n = 0 or b.n = 0 then
    return v_shift;
  end if;
  v_spread := v_with.vv - v_with.v::double precision * v_with.v / v_with.n
    + (v_without.vv - v_without.v::double precision * v_without.v / v_without.n);
  v_apart := (a.v::double precision / a.n - b.v::double precision / b.n)
    / sqrt(greatest(1::double precision, v_spread / greatest(1, v_with.n + v_without.n - 2)));
  v_weight := a.n::double precision * b.n / (a.n + b.n);
  v_before := greatest(v_shift.s[1], v_shift.s[2]);
  v_shift.s := array[
    greatest(0, v_shift.s[1] + floor(v_weight * (0.5::double precision * v_apart - 0.125::double precision) * 1000000 + 0.5::double precision)::bigint),
    greatest(0, v_shift.s[2] + floor(v_weight * (1::double precision * v_apart - 0.5::double precision) * 1000000 + 0.5::double precision)::bigint)];
  v_shift.relation := private.guard_suspects(v_shift.relation, p_minute, v_before, greatest(v_shift.s[1], v_shift.s[2]), p_absolute);
  return v_shift;
end $function$;

-- What a stage asks for before the next one.
CREATE OR REPLACE FUNCTION private.guard_criteria(p_stage rollout_stages)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('hold_minutes', p_stage.hold_minutes, 'min_samples', p_stage.min_samples,
    'error_rate', p_stage.advance_when -> 'error_rate_below', 'p95_ms', p_stage.advance_when -> 'p95_ms_below',
    'percentage', case when p_stage.percentage > 0 and p_stage.percentage < 100 then trim_scale(p_stage.percentage) end)
$function$;

-- Ends the first day of a stage for the guard: takes its minutes by the tighter limits, and begins S anew for the
-- others. Answers the rollout after it, and an alarm's verdict and rule.
CREATE OR REPLACE FUNCTION private.guard_first_day_ends(p_rollout rollouts, p_stage rollout_stages, p_now timestamp with time zone)
 RETURNS TABLE(rollout rollouts, verdict text, rule text)
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_to bigint := private.sharp_until(p_stage) - 1;
  v_alarms record;
  v_state jsonb;
begin
  select * into v_alarms from private.guard_alarms(p_rollout, v_to, p_now, true);
  rollout := v_alarms.rollout;
  verdict := v_alarms.verdict;
  rule := v_alarms.rule;
  if verdict is distinct from 'roll_back' then
    -- Up to its last minute, whether anybody was heard of in it or not.
    v_state := (v_alarms.taken).state;
    perform private.log_rollout(rollout, p_now, 'checked', '{}', null, 'first_day_over',
      private.rollout_evidence(rollout, v_to, p_now, v_alarms.taken), p_tell => false);
    v_state := private.guard_relax(v_state) || jsonb_build_object('minute', greatest((v_state ->> 'minute')::bigint, v_to));
    update public.rollouts o set guard = v_state, checkpoint = v_state, checkpoint_at = p_now
    where o.id = p_rollout.id returning o.* into rollout;
  end if;
  return next;
end $function$;

-- The guard of rollouts: degraded while another transaction's lock keeps it from judging one, down after five minutes
-- of that.
CREATE OR REPLACE FUNCTION private.guard_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'guard',
    'status', case when s.skipped is null then 'healthy' when s.seconds >= 300 then 'down' else 'degraded' end,
    'because', case when s.skipped is null then 'watching' else 'locked' end,
    'figures', case when s.skipped is null then jsonb_build_object('rollouts', s.n) else jsonb_build_object('skipped', s.skipped) end)
  from (
    select count(*) as n, max(extract(epoch from p_now - k.since)) as seconds,
      jsonb_agg(jsonb_build_object('flag', r.flag_key, 'seconds', floor(extract(epoch from p_now - k.since))::integer, 'by', k.holders)
        order by k.since, r.flag_key) filter (where k.rollout_id is not null) as skipped
    from public.rollouts r
    -- What it has not met again for ten minutes it has judged since, or it does not run, which the clock tells.
    left join private.guard_skips k on k.rollout_id = r.id and k.at > p_now - interval '10 minutes'
    where r.state in ('running', 'paused')
  ) s
$function$;
grant execute on function private.guard_health(p_now timestamp with time zone) to service_role;

-- Keeps a rollout whose row the caller has locked where it is, for a reason, with its evidence where it is due.
-- Answers hold or page where somebody is told of it, else null.
CREATE OR REPLACE FUNCTION private.guard_holds(p_rollout rollouts, p_reason text, p_to bigint, p_now timestamp with time zone, p_taken private.guard_taken, p_signals jsonb)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_stage public.rollout_stages := private.rollout_stage(p_rollout);
  v_kind text := case when p_reason in ('overdue', 'silent', 'sample_ratio', 'kill_switch', 'guardrail') then 'paged' else 'held' end;
  v_verdict text;
begin
  update public.rollouts o set guard = p_taken.state, hold_reason = p_reason where o.id = p_rollout.id;
  if p_reason is distinct from p_rollout.hold_reason and p_reason not in ('hold_time', 'paused')
    and not private.rollout_told(p_rollout.id, p_rollout.stage, v_kind, p_reason, p_now - interval '1 hour') then
    v_verdict := case v_kind when 'paged' then 'page' else 'hold' end;
    perform private.log_rollout(p_rollout, p_now, v_kind,
      case when p_reason = 'overdue' then jsonb_build_object('stage', v_stage.name, 'overdue_minutes', v_stage.overdue_minutes)
        when p_reason = p_signals #>> '{said,rule}' then p_signals #> '{said,figures}'
        else private.hold_figures(p_reason, p_taken.state, private.guard_criteria(v_stage)) end,
      v_verdict, p_reason, private.rollout_evidence(p_rollout, p_to, p_now, p_taken, p_signals));
  elsif p_rollout.checkpoint_at <= p_now - interval '6 hours' then
    perform private.log_rollout(p_rollout, p_now, 'checked', '{}', 'hold', p_reason, private.rollout_evidence(p_rollout, p_to, p_now, p_taken, p_signals),
      p_tell => false);
  else
    return null;
  end if;
  update public.rollouts o set checkpoint = p_taken.state, checkpoint_at = p_now where o.id = p_rollout.id;
  return v_verdict;
end $function$;

-- What the sequential tests say: roll_back or page, and the rule; given which of them moved, and what plain
-- thresholds said, which comes second.
CREATE OR REPLACE FUNCTION private.guard_judge(p_errors private.guard_series, p_slow private.guard_series, p_shift private.guard_shift, p_minute bigint, p_failed boolean, p_slowed boolean, p_control boolean, INOUT verdict text, INOUT rule text)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  c_alarm constant bigint := 10819778;
  c_supported constant bigint := 6907755;
  c_unsupported constant bigint := 12206073;
  c_longer constant bigint := 11512925;
  c_seems constant bigint := 2302585;
  c_unclear constant bigint := 4 * 10819778;
  c_trouble constant bigint := 4605170;
  c_names constant text[] := array['error_rate', 'p95'];
  v_series private.guard_series[] := array[p_errors, p_slow];
  v_moved boolean[] := array[p_failed, p_slowed];
  v_troubled boolean := p_errors.shared > 0 or p_slow.shared > 0;
  v_absolute bigint[];
  v_s bigint;
  v_enough bigint;
  v_one private.guard_series;
begin
  for i in 1..2 loop
    v_one := v_series[i];
    v_absolute[i] := (select max(t.s) from unnest(v_one.absolute) as t (s));
    continue when not p_control or not v_moved[i];
    v_s := (select max(t.s) from unnest(v_one.relative) as t (s));
    v_enough := case when v_troubled then 2 * c_alarm when v_absolute[i] >= c_alarm then c_supported
      when v_absolute[i] >= c_seems then c_alarm else c_unsupported end;
    if v_s >= v_enough and private.guard_aged(v_one.relation, p_minute, v_s, v_enough, v_troubled) then
      verdict := 'roll_back';
      rule := c_names[i] || '_relative';
      return;
    end if;
  end loop;
  if p_control and p_slowed and v_absolute[2] >= c_seems then
    v_s := greatest(p_shift.s[1], p_shift.s[2]);
    v_enough := case when v_troubled then 2 * c_alarm else c_longer end;
    if v_s >= v_enough and private.guard_aged(p_shift.relation, p_minute, v_s, v_enough, v_troubled) then
      verdict := 'roll_back';
      rule := 'p95_relative';
      return;
    end if;
  end if;
  if verdict is not null then
    return;
  end if;
  for i in 1..2 loop
    v_one := v_series[i];
    continue when v_absolute[i] < c_alarm;
    if not p_control then
      verdict := 'roll_back';
      rule := c_names[i] || '_absolute';
      return;
    elsif (v_one.off).n * 20 < (v_one."on").n then
      verdict := 'page';
      rule := c_names[i] || '_no_control';
      return;
    elsif v_one.trouble >= c_trouble or v_absolute[i] >= c_unclear then
      verdict := 'page';
      rule := c_names[i] || case when v_one.trouble >= c_trouble then '_absolute' else '_unclear' end;
      return;
    end if;
  end loop;
end $function$;

-- The steps of the absolute tests at an allowed rate: logarithms of likelihood ratios, in millionths.
CREATE OR REPLACE FUNCTION private.guard_logs(p_rate double precision, OUT failure bigint[], OUT success bigint[])
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  r double precision;
begin
  foreach r in array array[1.5, 2, 3, 5, 10, 2]::double precision[] loop
    r := least(r, 0.95::double precision / p_rate);
    failure := failure || round(ln(r) * 1000000)::bigint;
    success := success || round(ln((1 - r * p_rate) / (1 - p_rate)) * 1000000)::bigint;
  end loop;
end $function$;

-- Whether a stage has shown what it was to show: {verdict: advance}, or {verdict: hold, reason: silent, sample_ratio,
-- hold_time, no_data, samples, error_rate or p95}. See progress() in progress.ts.
CREATE OR REPLACE FUNCTION private.guard_progress(p_criteria jsonb, p_state jsonb, p_started_ms bigint, p_now_ms bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_hold bigint := (p_criteria ->> 'hold_minutes')::bigint;
  v_n bigint := (p_state #>> '{seen,n}')::bigint;
  v_heard bigint := (p_state ->> 'heard')::bigint;
  v_arms private.guard_arms := jsonb_populate_record(null::private.guard_arms, p_state -> 'arms');
  v_all bigint := v_arms."on" + v_arms.off;
  v_reason text;
begin
  v_reason := case
    when v_heard > 0 and (p_state ->> 'minute')::bigint - v_heard >= 5 and v_arms.off > v_arms.silent
      and v_arms.silent * v_arms."on" >= 12 * (v_arms.off - v_arms.silent) then 'silent'
    when jsonb_typeof(p_criteria -> 'percentage') = 'number' and v_all > 0 and p_now_ms - p_started_ms >= 10 * 60000
      and private.chance_of_so_few(v_arms."on" * v_arms.busiest / v_all, v_arms.busiest,
        (p_criteria ->> 'percentage')::double precision / 100) < 10 then 'sample_ratio'
    when p_now_ms - greatest(p_started_ms, (p_state ->> 'since')::bigint * 60000) < v_hold * 60000 then 'hold_time'
    when v_n = 0 or p_now_ms - (p_state ->> 'heard')::bigint * 60000 > greatest(30, v_hold / 4.0) * 60000 then 'no_data'
    when v_n < (p_criteria ->> 'min_samples')::bigint then 'samples'
    when jsonb_typeof(p_criteria -> 'error_rate') = 'number' and not private.surely_below(
      (p_state #>> '{seen,failed}')::bigint, v_n, (p_criteria ->> 'error_rate')::double precision) then 'error_rate'
    when jsonb_typeof(p_criteria -> 'p95_ms') = 'number' and not private.surely_below(
      (p_state #>> '{seen,late}')::bigint, (p_state #>> '{seen,timed}')::bigint, 0.05) then 'p95' end;
  return case when v_reason is null then '{"verdict": "advance"}' else jsonb_build_object('verdict', 'hold', 'reason', v_reason) end;
end $function$;

-- What the guard remembers once other limits hold: what it has seen, and no S, which was measured by the limits
-- before. See relax() in guard.ts.
CREATE OR REPLACE FUNCTION private.guard_relax(p_state jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select p_state || jsonb_build_object('errors', b.state -> 'errors', 'slow', b.state -> 'slow', 'shift', b.state -> 'shift')
  from (select private.guard_begin(0) as state) b
$function$;

-- Judges one rollout and acts on it: verdict advance, hold, roll_back or page, and the rule. Nothing when somebody
-- else has it in hand.
CREATE OR REPLACE FUNCTION private.guard_rollout(p_id uuid, p_now timestamp with time zone, OUT verdict text, OUT rule text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  r public.rollouts;
  v_flag public.settings;
  v_stage public.rollout_stages;
  v_alarms record;
  v_taken private.guard_taken;
  v_progress jsonb;
  v_to bigint := private.closed_minute(p_now);
  v_reason text;
  v_told text;
  v_signals jsonb;
  v_said text;
begin
  select * into r from public.rollouts o where o.id = p_id and o.state in ('running', 'paused') for update skip locked;
  if not found then
    return;
  end if;
  select * into v_flag from public.settings s where s.key = r.flag_key;
  if v_flag.version is distinct from r.setting_version then
    rule := private.guard_by_hand(r, v_flag, p_now);
    if rule is not null then
      verdict := case rule when 'flag_off_by_hand' then 'roll_back' else 'page' end;
      return;
    end if;
    r.setting_version := v_flag.version;
  end if;

  v_stage := private.rollout_stage(r);
  if v_stage.first_day is not null and (r.guard ->> 'minute')::bigint + 1 < private.sharp_until(v_stage) and v_to >= private.sharp_until(v_stage) then
    select * into v_alarms from private.guard_first_day_ends(r, v_stage, p_now);
    verdict := v_alarms.verdict;
    rule := v_alarms.rule;
    if verdict = 'roll_back' then
      return;
    end if;
    r := v_alarms.rollout;
  end if;
  select * into v_alarms from private.guard_alarms(r, v_to, p_now, (r.guard ->> 'minute')::bigint + 1 < private.sharp_until(v_stage));
  verdict := coalesce(v_alarms.verdict, verdict);
  rule := coalesce(v_alarms.rule, rule);
  if verdict = 'roll_back' then
    return;
  end if;
  r := v_alarms.rollout;
  v_taken := v_alarms.taken;
  v_signals := private.rollout_signals(r, v_stage, p_now);
  v_said := v_signals #>> '{said,verdict}';
  if v_said = 'roll_back' then
    verdict := v_said;
    rule := v_signals #>> '{said,rule}';
    perform private.log_rollout(private.end_rollout(r, 'rolled_back', p_now), p_now, 'rolled_back', v_signals #> '{said,figures}', verdict, rule,
      private.rollout_evidence(r, v_to, p_now, v_taken, v_signals));
    return;
  end if;
  v_progress := private.guard_progress(private.guard_criteria(v_stage), v_taken.state, private.epoch_ms(r.stage_started_at),
    private.epoch_ms(p_now));
  v_reason := case when r.state = 'paused' then 'paused'
    when private.killed_since(r.flag_key, p_now) is not null then 'kill_switch'
    when v_said = 'page' then v_signals #>> '{said,rule}'
    when v_progress ->> 'verdict' = 'advance' and private.incident_in_the_way(r.flag_key) is not null then 'incident'
    when v_progress ->> 'verdict' = 'advance' then v_signals #>> '{said,rule}' end;
  if v_progress ->> 'verdict' = 'advance' and v_reason is null then
    verdict := 'advance';
    rule := 'criteria_met';
    perform private.next_stage(r, p_now, private.rollout_evidence(r, v_to, p_now, v_taken, v_signals), verdict, rule, null);
    return;
  end if;

  v_reason := case when v_reason in ('kill_switch', 'paused', 'incident', 'guardrail') then v_reason
    when v_progress ->> 'reason' in ('silent', 'sample_ratio') then v_progress ->> 'reason'
    when p_now >= v_stage.entered_at + make_interval(mins => v_stage.overdue_minutes) then 'overdue'
    else coalesce(v_reason, v_progress ->> 'reason') end;
  v_told := private.guard_holds(r, v_reason, v_to, p_now, v_taken, v_signals);
  if v_told is not null or verdict is null then
    verdict := coalesce(v_told, 'hold');
    rule := v_reason;
  end if;
end $function$;

-- Writes down that a rollout could not be judged for a lock, and who holds one.
CREATE OR REPLACE FUNCTION private.guard_skipped(p_id uuid, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into private.guard_skips as s (rollout_id, since, at, holders)
  values (p_id, p_now, p_now, private.lock_holders(array['public.settings', 'public.rollouts', 'public.rollout_stages']))
  on conflict on constraint guard_skips_pkey do update set at = excluded.at, holders = excluded.holders;
exception when lock_not_available then
  -- Another run of the guard writes down the same.
  null;
end $function$;

-- A flag's minutes in spans, as rows of evidence have them (see SpanRow in replay.ts): a minute in which somebody
-- with the flag failed or was slower than edge p_slow is one of its own, and so is each where plain thresholds are
-- watched (p_plain, with the mean p_mean; milliseconds are added up only then).
CREATE OR REPLACE FUNCTION private.guard_spans(p_flag_key text, p_slow integer, p_late integer, p_plain integer, p_mean double precision, p_from bigint, p_to bigint)
 RETURNS TABLE(minute bigint, on_n bigint, on_failed bigint, on_timed bigint, on_slow bigint, on_late bigint, on_ms bigint, off_n bigint, off_failed bigint, off_timed bigint, off_slow bigint, off_ms bigint, heard bigint, on_minutes bigint, on_timed_minutes bigint, off_minutes bigint, off_timed_minutes bigint, off_failed_q bigint, off_slow_q bigint, on_again bigint, on_slow_again bigint, off_again bigint, off_slow_again bigint, on_score bigint, on_score2 bigint, off_score bigint, off_score2 bigint, busiest bigint, unheard bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
  select date_part('epoch', max(s.minute))::bigint / 60, coalesce(sum(s.on_n), 0), coalesce(sum(s.on_failed), 0),
    coalesce(sum(s.on_timed), 0), coalesce(sum(s.on_slow), 0), coalesce(sum(s.on_late), 0), coalesce(sum(s.on_ms), 0)::bigint,
    coalesce(sum(s.off_n), 0), coalesce(sum(s.off_failed), 0), coalesce(sum(s.off_timed), 0), coalesce(sum(s.off_slow), 0),
    coalesce(sum(s.off_ms), 0)::bigint,
    coalesce(date_part('epoch', max(s.heard))::bigint / 60, 0),
    count(s.on_n), count(nullif(s.on_timed, 0)), count(s.off_n), count(nullif(s.off_timed, 0)),
    coalesce(sum((s.off_failed - s.off_again)::bigint * (s.off_failed - s.off_again) * 1000000 / s.off_n)
      filter (where s.off_failed > s.off_again), 0)::bigint,
    coalesce(sum((s.off_slow - s.off_slow_again)::bigint * (s.off_slow - s.off_slow_again) * 1000000 / s.off_timed)
      filter (where s.off_slow > s.off_slow_again), 0)::bigint,
    coalesce(sum(s.on_again), 0), coalesce(sum(s.on_slow_again), 0), coalesce(sum(s.off_again), 0), coalesce(sum(s.off_slow_again), 0),
    coalesce(sum(s.on_score), 0)::bigint, coalesce(sum(s.on_score2), 0)::bigint, coalesce(sum(s.off_score), 0)::bigint,
    coalesce(sum(s.off_score2), 0)::bigint, max(coalesce(s.on_n, 0) + coalesce(s.off_n, 0))::bigint,
    coalesce(max(s.off_so_far) - max(s.off_so_far) filter (where s.heard is not null), sum(s.off_n), 0)::bigint
  from (
    -- Odd in a minute in which somebody with the flag failed or was slow, even in those between.
    select coalesce(a.minute, b.minute) as minute, a.minute as heard, a.n as on_n, a.failed as on_failed, a.timed as on_timed, a.slow as on_slow,
      a.late as on_late, a.ms as on_ms, a.again as on_again, a.slow_again as on_slow_again, a.score as on_score, a.score2 as on_score2,
      b.n as off_n, b.failed as off_failed, b.timed as off_timed, b.slow as off_slow, b.ms as off_ms, b.again as off_again,
      b.slow_again as off_slow_again, b.score as off_score, b.score2 as off_score2,
      sum(coalesce(b.n, 0)) over (order by coalesce(a.minute, b.minute)) as off_so_far,
      2 * count(*) filter (where a.moves or p_plain is not null) over (order by coalesce(a.minute, b.minute))
        - coalesce(a.moves or p_plain is not null, false)::integer as span
    from (
      select o.*, o.failed > 0 or o.slow > 0 as moves
      from (
        select m.minute, m.n, m.failed, m.timed, coalesce(m.timed - m.le[p_slow], 0) as slow,
          coalesce(m.timed - m.le[p_late], 0) as late,
          case when p_plain is null then null when m.ms > p_mean * m.timed
            then private.robust_ms(m.ms, m.timed, m.le, m.slow_again, p_mean) else m.ms end as ms,
          m.failed_again as again, coalesce(m.slow_again[p_slow], 0) as slow_again,
          case when p_slow is not null then m.score end as score, case when p_slow is not null then m.score2 end as score2
        from public.flag_metrics m
        where m.flag_key = p_flag_key and m.arm = 'on' and m.n > 0
          and m.minute >= to_timestamp(p_from * 60.0) and m.minute <= to_timestamp(p_to * 60.0)
        offset 0
      ) o
    ) a
    full join (
      select m.minute, m.n, m.failed, m.timed, coalesce(m.timed - m.le[p_slow], 0) as slow,
        case when p_plain is null then null when m.ms > p_mean * m.timed
          then private.robust_ms(m.ms, m.timed, m.le, m.slow_again, p_mean) else m.ms end as ms,
        m.failed_again as again, coalesce(m.slow_again[p_slow], 0) as slow_again,
        case when p_slow is not null then m.score end as score, case when p_slow is not null then m.score2 end as score2
      from public.flag_metrics m
      where m.flag_key = p_flag_key and m.arm = 'off' and m.n > 0
        and m.minute >= to_timestamp(p_from * 60.0) and m.minute <= to_timestamp(p_to * 60.0)
      offset 0
    ) b on b.minute = a.minute
  ) s
  group by s.span
  order by 1;
end $function$;

-- Notes S of a comparison after a minute, what it was before, and S of the absolute test.
CREATE OR REPLACE FUNCTION private.guard_suspects(p_suspicion private.guard_suspicion, p_minute bigint, p_before bigint, p_after bigint, p_absolute bigint)
 RETURNS private.guard_suspicion
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select row(
    case when least(p_before, p_after) < 1000000 then p_minute else p_suspicion.calm end,
    case when p_after < 3688879 or p_absolute < 1000000 then 0 when p_suspicion.suspect = 0 then p_minute else p_suspicion.suspect end,
    case when p_after < 10819778 then 0 when p_suspicion.certain = 0 then p_minute else p_suspicion.certain end
  )::private.guard_suspicion
$function$;

-- Takes a flag's minutes after state.minute up to p_to into the state, up to the first alarm. The spans hold the last
-- minutes before state.minute too, where plain thresholds need them. See take() in guard.ts.
CREATE OR REPLACE FUNCTION private.guard_take(p_flag_key text, p_watch jsonb, p_late_ms integer, p_state jsonb, p_to bigint)
 RETURNS private.guard_taken
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  c_alarm constant bigint := 10819778;
  -- Below it no test has anything to say.
  c_supported constant bigint := 6907755;
  c_zeros constant bigint[] := array[0, 0, 0, 0, 0];
  v_control boolean := (p_watch ->> 'control')::boolean;
  v_rate double precision := (p_watch ->> 'error_rate')::double precision;
  v_edge integer := array_position(private.latency_edges(), (p_watch ->> 'p95_ms')::integer);
  v_no_errors boolean := (p_watch ->> 'no_errors')::boolean;
  v_plain integer := (p_watch #>> '{plain,minutes}')::integer;
  v_plain_samples bigint := (p_watch #>> '{plain,min_samples}')::bigint;
  v_plain_rate double precision := (p_watch #>> '{plain,error_rate}')::double precision;
  v_plain_ms double precision := (p_watch #>> '{plain,mean_ms}')::double precision;
  v_state private.guard_state := jsonb_populate_record(null::private.guard_state, p_state);
  v_seen private.guard_seen := v_state.seen;
  v_errors private.guard_series := v_state.errors;
  v_slow private.guard_series := v_state.slow;
  v_shift private.guard_shift := v_state.shift;
  v_arms private.guard_arms := v_state.arms;
  v_failed boolean;
  v_slowed boolean;
  v_error_logs record;
  v_slow_logs record;
  v_span record;
  v_moved boolean;
  -- S of the alternative that it is largest for.
  v_errors_absolute bigint;
  v_errors_relative bigint;
  v_slow_absolute bigint;
  v_slow_relative bigint;
  v_verdict text;
  v_rule text;
  v_said text;
  v_said_rule text;
  v_minutes jsonb[] := '{}';
  v_path jsonb[] := '{}';
begin
  select * into v_error_logs from private.guard_logs(v_rate);
  select * into v_slow_logs from private.guard_logs(0.05);

  for v_span in
    -- With what the plain thresholds say of both arms over the last minutes.
    select t.*,
      case when t.w_on_n >= v_plain_samples and t.w_on_failed > v_plain_rate * t.w_on_n then 'error_rate_plain'
        when t.w_on_timed >= v_plain_samples and t.w_on_ms > v_plain_ms * t.w_on_timed then 'mean_plain' end as plain_rule,
      v_control and (coalesce(t.w_off_n >= v_plain_samples and t.w_off_failed > v_plain_rate * t.w_off_n, false)
        or t.w_off_n * 20 < t.w_on_n) as errors_shared,
      v_control and (coalesce(t.w_off_timed >= v_plain_samples and t.w_off_ms > v_plain_ms * t.w_off_timed, false)
        or t.w_off_n * 20 < t.w_on_n) as mean_shared
    from (
      select g.*, sum(g.on_n) over w as w_on_n, sum(g.on_failed - g.on_again) over w as w_on_failed,
        sum(g.on_timed) over w as w_on_timed, sum(g.on_ms) over w as w_on_ms, sum(g.off_n) over w as w_off_n,
        sum(g.off_failed - g.off_again) over w as w_off_failed, sum(g.off_timed) over w as w_off_timed, sum(g.off_ms) over w as w_off_ms
      from private.guard_spans(p_flag_key, v_edge, array_position(private.latency_edges(), p_late_ms), v_plain, v_plain_ms,
        greatest(v_state."window", v_state.minute - coalesce(v_plain, 0) + 1), p_to) g
      window w as (order by g.minute range between coalesce(v_plain, 1) - 1 preceding and current row)
    ) t
    order by t.minute
  loop
    v_minutes := v_minutes || jsonb_build_array(v_span.minute, v_span.on_n, v_span.on_failed, v_span.on_timed, v_span.on_slow,
      v_span.on_late, v_span.on_ms, v_span.off_n, v_span.off_failed, v_span.off_timed, v_span.off_slow, v_span.off_ms,
      v_span.heard, v_span.on_minutes, v_span.on_timed_minutes, v_span.off_minutes, v_span.off_timed_minutes,
      v_span.off_failed_q, v_span.off_slow_q, v_span.on_again, v_span.on_slow_again, v_span.off_again, v_span.off_slow_again,
      v_span.on_score, v_span.on_score2, v_span.off_score, v_span.off_score2, v_span.busiest, v_span.unheard);
    continue when v_span.minute <= v_state.minute;
    v_state.minute := v_span.minute;
    v_state.heard := greatest(v_state.heard, v_span.heard);
    v_seen := row(v_seen.n + v_span.on_n, v_seen.failed + v_span.on_failed, v_seen.timed + v_span.on_timed,
      v_seen.late + v_span.on_late);
    v_arms := row(v_arms."on" + v_span.on_n, v_arms.off + v_span.off_n, greatest(v_arms.busiest, v_span.busiest),
      case when v_span.heard > 0 then v_span.unheard else v_arms.silent + v_span.unheard end);
    v_failed := false;
    v_slowed := false;
    if v_rate is not null then
      v_failed := v_span.on_failed > v_span.on_again;
      v_errors := private.guard_test(v_errors, v_error_logs.failure, v_error_logs.success, v_span.minute,
        row(v_span.on_n, v_span.on_failed - v_span.on_again,
          case when v_failed then (v_span.on_failed - v_span.on_again) * (v_span.on_failed - v_span.on_again) * 1000000 / v_span.on_n else 0 end,
          v_span.on_minutes),
        row(v_span.off_n, v_span.off_failed - v_span.off_again, v_span.off_failed_q, v_span.off_minutes));
    end if;
    if v_edge is not null then
      v_slowed := v_span.on_slow > v_span.on_slow_again;
      v_slow := private.guard_test(v_slow, v_slow_logs.failure, v_slow_logs.success, v_span.minute,
        row(v_span.on_timed, v_span.on_slow - v_span.on_slow_again,
          case when v_slowed then (v_span.on_slow - v_span.on_slow_again) * (v_span.on_slow - v_span.on_slow_again) * 1000000 / v_span.on_timed else 0 end,
          v_span.on_timed_minutes),
        row(v_span.off_timed, v_span.off_slow - v_span.off_slow_again, v_span.off_slow_q, v_span.off_timed_minutes));
      v_shift := private.guard_compare(v_shift, v_span.minute, row(v_span.on_timed, v_span.on_score, v_span.on_score2),
        row(v_span.off_timed, v_span.off_score, v_span.off_score2), v_slowed,
        greatest(v_slow.absolute[1], v_slow.absolute[2], v_slow.absolute[3], v_slow.absolute[4], v_slow.absolute[5]));
      if v_slow.shared = v_span.minute then
        v_shift.s := array[0, 0];
        v_shift.relation := row(0, 0, 0);
      end if;
    end if;
    v_moved := v_failed or v_slowed;
    v_errors_absolute := greatest(v_errors.absolute[1], v_errors.absolute[2], v_errors.absolute[3], v_errors.absolute[4], v_errors.absolute[5]);
    v_errors_relative := greatest(v_errors.relative[1], v_errors.relative[2], v_errors.relative[3], v_errors.relative[4], v_errors.relative[5]);
    v_slow_absolute := greatest(v_slow.absolute[1], v_slow.absolute[2], v_slow.absolute[3], v_slow.absolute[4], v_slow.absolute[5]);
    v_slow_relative := greatest(v_slow.relative[1], v_slow.relative[2], v_slow.relative[3], v_slow.relative[4], v_slow.relative[5]);
    v_path := v_path || jsonb_build_array(v_span.minute, v_errors_absolute, v_errors_relative, v_slow_absolute, v_slow_relative);

    v_rule := v_span.plain_rule;
    v_verdict := case when v_rule is null then null
      when case v_rule when 'error_rate_plain' then v_span.errors_shared else v_span.mean_shared end then 'page' else 'roll_back' end;
    if v_moved and greatest(v_errors_absolute, v_errors_relative, v_slow_absolute, v_slow_relative, v_shift.s[1], v_shift.s[2]) >= c_supported then
      select j.verdict, j.rule into v_said, v_said_rule from private.guard_judge(v_errors, v_slow, v_shift, v_span.minute, v_failed, v_slowed, v_control, null, null) j;
    else
      v_said := null;
      v_said_rule := null;
    end if;
    -- The flag's own fault comes first, and is decided before a mean is looked at.
    if v_said = 'roll_back' and v_said_rule like '%\_relative' then
      v_verdict := v_said;
      v_rule := v_said_rule;
    else
      -- A mean has to stay above its threshold for as long as the other arm may be late.
      if v_rule is null then
        v_state.broken := 0;
      elsif v_rule = 'mean_plain' and v_verdict = 'roll_back' then
        if v_state.broken = 0 then
          v_state.broken := v_span.minute;
        end if;
        if v_control and v_span.minute - v_state.broken < 5 then
          v_verdict := null;
          v_rule := null;
        end if;
      end if;
      if v_verdict is null then
        v_verdict := v_said;
        v_rule := v_said_rule;
      end if;
    end if;
    exit when v_verdict = 'roll_back';
    -- The stage begins anew behind an incident, and behind what it must be free of.
    if v_verdict is not null or (v_no_errors and v_span.on_failed > 0)
      or (v_moved and greatest(v_errors_absolute, v_slow_absolute) >= c_alarm) then
      v_state.since := v_span.minute + 1;
      v_seen := row(0, 0, 0, 0);
    end if;
    if v_verdict is not null then
      v_errors.absolute := c_zeros;
      v_slow.absolute := c_zeros;
      v_state."window" := v_state.since;
      v_state.broken := 0;
      exit;
    end if;
  end loop;

  v_state.seen := v_seen;
  v_state.errors := v_errors;
  v_state.slow := v_slow;
  v_state.arms := v_arms;
  v_state.shift := v_shift;
  return row(to_jsonb(v_state),
    case when v_verdict is not null then jsonb_build_object('verdict', v_verdict, 'rule', v_rule, 'minute', v_state.minute) end,
    to_jsonb(v_minutes), to_jsonb(v_path));
end $function$;

-- Trigger, before insert, update or delete of team_members: admits only confirmed accounts (GL422), and keeps one
-- admin who can sign in (GL409).
CREATE OR REPLACE FUNCTION private.guard_team()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'INSERT' then
    -- Of an account that does not exist the reference tells.
    if exists (select from auth.users u where u.id = new.user_id) and not private.can_sign_in(new.user_id) then
      raise exception 'this account cannot sign in: its address is not confirmed, or it is banned' using errcode = 'GL422',
        hint = 'They open the link in the mail that Supabase sent them; then add them.';
    end if;
    return new;
  end if;
  if tg_op = 'UPDATE' and new.user_id <> old.user_id then
    raise exception 'a membership cannot go to somebody else: remove one and add the other' using errcode = '23514';
  end if;
  if old.role = 'admin' and (tg_op = 'DELETE' or new.role is distinct from 'admin') then
    -- One at a time, so that two admins cannot demote each other at the same moment: the second sees the first change.
    perform pg_advisory_xact_lock(hashtext('gatelink.team'));
    if not exists (
      select from public.team_members m
      where m.user_id <> old.user_id and m.role = 'admin' and private.can_sign_in(m.user_id)) then
      raise exception 'the last admin cannot be removed' using errcode = 'GL409',
        hint = 'Make somebody else admin first, whose account is confirmed and not banned.';
    end if;
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $function$;

-- Takes a span of both arms into a series: S moves where somebody with the flag failed. See test() in series.ts.
CREATE OR REPLACE FUNCTION private.guard_test(p_series private.guard_series, p_failure bigint[], p_success bigint[], p_minute bigint, p_on private.guard_tally, p_off private.guard_tally)
 RETURNS private.guard_series
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  c_most constant bigint := 2 * 4605170;
  c_lr constant bigint[] := array[405465, 693147, 1098612, 1609438, 2302585];
  c_million constant double precision := 1000000;
  v_series private.guard_series := p_series;
  v_with private.guard_tally := p_series."on";
  v_without private.guard_tally := p_series.off;
  v_on bigint := (p_series.quiet)."on";
  v_on_k bigint := 0;
  v_off bigint := (p_series.quiet).off;
  v_off_k bigint := (p_series.quiet).failed;
  v_ok bigint;
  v_k bigint;
  v_scatter bigint;
  v_n double precision;
  v_before bigint;
begin
  v_with := row(v_with.n + p_on.n, v_with.k + p_on.k, v_with.q + p_on.q, v_with.m + p_on.m);
  v_without := row(v_without.n + p_off.n, v_without.k + p_off.k, v_without.q + p_off.q, v_without.m + p_off.m);
  v_series."on" := v_with;
  v_series.off := v_without;
  if p_on.k = 0 then
    v_series.quiet := row(v_on + p_on.n, v_off + p_off.n, v_off_k + p_off.k);
    return v_series;
  end if;
  v_series.quiet := row(0, 0, 0);
  -- The scatter of both arms in thousandths, at least 1000: see scatter() in series.ts.
  v_scatter := greatest(1000,
    case when v_with.k > 0 and v_with.k < v_with.n and v_with.m >= 2 then
      floor(1000 * ((v_with.q / c_million - v_with.k::double precision * v_with.k / v_with.n)
        / (v_with.k::double precision / v_with.n * (1 - v_with.k::double precision / v_with.n)) + 10) / (v_with.m - 1 + 10))::bigint end,
    case when v_without.k > 0 and v_without.k < v_without.n and v_without.m >= 2 then
      floor(1000 * ((v_without.q / c_million - v_without.k::double precision * v_without.k / v_without.n)
        / (v_without.k::double precision / v_without.n * (1 - v_without.k::double precision / v_without.n)) + 10) / (v_without.m - 1 + 10))::bigint end);
  -- First what was quiet, then this minute.
  loop
    v_ok := v_on - v_on_k;
    v_series.absolute := array[
      greatest(0, v_series.absolute[1] + (v_on_k * p_failure[1] + v_ok * p_success[1]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[2] + (v_on_k * p_failure[2] + v_ok * p_success[2]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[3] + (v_on_k * p_failure[3] + v_ok * p_success[3]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[4] + (v_on_k * p_failure[4] + v_ok * p_success[4]) * 1000 / v_scatter),
      greatest(0, v_series.absolute[5] + (v_on_k * p_failure[5] + v_ok * p_success[5]) * 1000 / v_scatter)];
    v_series.trouble := least(c_most, greatest(0,
      v_series.trouble + v_off_k * p_failure[6] + (v_off - v_off_k) * p_success[6]));
    v_k := v_on_k + v_off_k;
    if v_on > 0 and v_off > 0 and v_k > 0 then
      v_n := v_on + v_off;
      v_series.relative := array[
        greatest(0, v_series.relative[1] + (v_on_k * c_lr[1] + v_k * round(ln(v_n / (1.5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[2] + (v_on_k * c_lr[2] + v_k * round(ln(v_n / (2::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[3] + (v_on_k * c_lr[3] + v_k * round(ln(v_n / (3::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[4] + (v_on_k * c_lr[4] + v_k * round(ln(v_n / (5::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter),
        greatest(0, v_series.relative[5] + (v_on_k * c_lr[5] + v_k * round(ln(v_n / (10::double precision * v_on + v_off)) * c_million)::bigint) * 1000 / v_scatter)];
    end if;
    -- What the flag seemed to do alone, the other arm does too, and may only have been late to say so.
    if v_series.trouble >= 4605170 and v_series.shared = 0 then
      v_series.shared := p_minute;
      v_series.relative := array[0, 0, 0, 0, 0];
    elsif v_series.trouble = 0 then
      v_series.shared := 0;
    end if;
    exit when v_on_k > 0;
    v_before := greatest(v_series.relative[1], v_series.relative[2], v_series.relative[3], v_series.relative[4], v_series.relative[5]);
    v_on := p_on.n;
    v_on_k := p_on.k;
    v_off := p_off.n;
    v_off_k := p_off.k;
  end loop;
  v_series.relation := private.guard_suspects(v_series.relation, p_minute, v_before,
    greatest(v_series.relative[1], v_series.relative[2], v_series.relative[3], v_series.relative[4], v_series.relative[5]),
    greatest(v_series.absolute[1], v_series.absolute[2], v_series.absolute[3], v_series.absolute[4], v_series.absolute[5]));
  return v_series;
end $function$;

-- What the guard watches during a stage: on its first day (p_sharp) by its tighter triggers, where it has some.
CREATE OR REPLACE FUNCTION private.guard_watch(p_stage rollout_stages, p_sharp boolean)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'control', p_stage.percentage < 100,
    'error_rate', coalesce(case when p_sharp then p_stage.first_day -> 'error_rate_above' end, p_stage.roll_back_when -> 'error_rate_above'),
    'p95_ms', coalesce(case when p_sharp then p_stage.first_day -> 'p95_ms_above' end, p_stage.roll_back_when -> 'p95_ms_above'),
    'plain', case when p_stage.roll_back_when ? 'plain' then jsonb_build_object(
      'minutes', p_stage.roll_back_when #> '{plain,minutes}',
      'min_samples', p_stage.roll_back_when #> '{plain,min_samples}',
      'error_rate', p_stage.roll_back_when #> '{plain,error_rate_above}',
      'mean_ms', p_stage.roll_back_when #> '{plain,mean_ms_above}') end,
    'no_errors', coalesce(p_stage.advance_when -> 'no_errors' = 'true', false))
    || case when p_stage.first_day is not null then jsonb_build_object('sharp', p_sharp) else '{}' end
$function$;

-- How long a network waits after its nth wrong guess at a link: five are free, then 10 seconds, doubling up to an
-- hour; while the link is guessed at, a minute after the first, doubling likewise.
CREATE OR REPLACE FUNCTION private.guess_wait(p_guesses integer, p_attacked boolean)
 RETURNS interval
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select case
    when p_attacked then least(60 * 2 ^ least(p_guesses - 1, 20), 3600)
    when p_guesses < 5 then 0
    else least(10 * 2 ^ least(p_guesses - 5, 20), 3600) end * interval '1 second'
$function$;
grant execute on function private.guess_wait(p_guesses integer, p_attacked boolean) to service_role;

-- Whether the signed-in user has this role (viewer < operator < admin) or a higher one. False for strangers and for
-- unknown roles. Definer, because callers of a policy need not read team_members.
CREATE OR REPLACE FUNCTION private.has_role(p_role text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select exists (
    select from public.team_members m
    where m.user_id = (select auth.uid())
      and array_position(array['viewer', 'operator', 'admin'], m.role)
        >= array_position(array['viewer', 'operator', 'admin'], p_role))
$function$;
grant execute on function private.has_role(p_role text) to authenticated, service_role;

-- The custom headers of a destination, {name: sealed}; null for none.
CREATE OR REPLACE FUNCTION private.headers_of(p_destination_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_object_agg(h.name, h.sealed) from private.destination_headers h where h.destination_id = p_destination_id
$function$;
grant execute on function private.headers_of(p_destination_id uuid) to service_role;

-- Every component as {component, status: healthy | degraded | down, because, figures}.
CREATE OR REPLACE FUNCTION private.health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_array(private.database_health(), private.queue_health(p_now), private.clock_health(p_now),
    private.graph_health(p_now), private.senders_health(p_now),
    private.functions_health(p_now), private.config_health(), private.storage_health(p_now),
    private.guard_health(p_now))
$function$;
grant execute on function private.health(p_now timestamp with time zone) to service_role;

-- Writes down what people said of features in their chats since it last looked, at most ten minutes ago, and says how
-- often. For the clock.
CREATE OR REPLACE FUNCTION private.hear_feedback(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_from timestamptz;
  v_to timestamptz := p_now - interval '20 seconds';
  v_complaint text[];
  v_praise text[];
  v_longest integer;
  v_said record;
  v_count integer := 0;
begin
  if not exists (
    select from public.rollouts r
    where r.state in ('running', 'paused') or r.state = 'completed' and r.finished_at > p_now - interval '7 days') then
    return 0;
  end if;
  select greatest(h.up_to, p_now - interval '10 minutes') into v_from from private.feedback_heard h for update skip locked;
  if not found or v_from >= v_to then
    return 0;
  end if;
  v_complaint := private.feedback_words('complaint');
  v_praise := private.feedback_words('praise');
  for v_said in
    select m.id, m.created_at, c.contact_id, m.text, s.kind, s.rating
    from public.messages m join public.conversations c on c.id = m.conversation_id
    cross join lateral private.feedback_said(left(m.text, 200), v_complaint, v_praise) s
    where m.id >= private.uuid_v7_from(v_from - interval '20 seconds') and m.id < private.uuid_v7_from(v_to + interval '20 seconds')
      and m.created_at >= v_from and m.created_at < v_to and m.direction = 'in' and m.type in ('text', 'button') and s.kind is not null
    order by m.id
  loop
    v_count := v_count + (select k.kept::integer from private.keep_feedback(row(private.uuid_v7(), v_said.created_at, v_said.kind,
      coalesce((select x.merged_into from public.contacts x where x.id = v_said.contact_id), v_said.contact_id)::text, v_said.rating,
      v_said.kind = 'rating' and coalesce(v_said.rating, 5) >= 4, null, 'chat', v_said.id, null, null)::public.feedback, null, p_now) k);
  end loop;
  update private.feedback_heard h set up_to = v_to;
  return v_count;
end $function$;

-- The quantile (0 to 1) of a histogram of measurements in milliseconds, linear within its bucket; null for an empty
-- one. What took longer than the last bound counts as that.
CREATE OR REPLACE FUNCTION private.histogram_quantile(p_counts bigint[], p_quantile double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$
  with buckets as (
    select b.i, b.n, sum(b.n) over (order by b.i) as upto, sum(b.n) over () as total
    from unnest(p_counts) with ordinality as b (n, i)
  ), edges as (
    select private.latency_buckets() as le
  )
  select case when b.i > cardinality(e.le) then e.le[cardinality(e.le)]
    else coalesce(e.le[b.i - 1], 0)
      + (e.le[b.i] - coalesce(e.le[b.i - 1], 0)) * ((p_quantile * b.total - (b.upto - b.n)) / b.n)::double precision end
  from buckets b cross join edges e
  where b.n > 0 and b.upto >= p_quantile * b.total
  order by b.i limit 1
$function$;
grant execute on function private.histogram_quantile(p_counts bigint[], p_quantile double precision) to service_role;

-- The counts and limits for which a stage that could be over is not.
CREATE OR REPLACE FUNCTION private.hold_figures(p_reason text, p_state jsonb, p_criteria jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_reason
    when 'silent' then jsonb_build_object('minutes', (p_state ->> 'minute')::bigint - (p_state ->> 'heard')::bigint,
      'expected', (p_state #>> '{arms,silent}')::bigint * (p_state #>> '{arms,on}')::bigint
        / greatest(1, (p_state #>> '{arms,off}')::bigint - (p_state #>> '{arms,silent}')::bigint))
    when 'sample_ratio' then jsonb_build_object('on', p_state #> '{arms,on}', 'off', p_state #> '{arms,off}', 'percentage', p_criteria -> 'percentage')
    when 'samples' then jsonb_build_object('n', p_state #> '{seen,n}', 'min_samples', p_criteria -> 'min_samples')
    when 'error_rate' then jsonb_build_object('failed', p_state #> '{seen,failed}', 'n', p_state #> '{seen,n}', 'error_rate', p_criteria -> 'error_rate')
    when 'p95' then jsonb_build_object('late', p_state #> '{seen,late}', 'timed', p_state #> '{seen,timed}', 'p95_ms', p_criteria -> 'p95_ms')
    else '{}' end
$function$;

-- Makes an id the person's current one of its kind, as reported to a sender; the id it replaces is closed, not
-- deleted. With p_beside a number replaces none: it is the provider's spelling of one we know.
CREATE OR REPLACE FUNCTION private.hold_identity(p_contact_id uuid, p_channel text, p_kind text, p_value text, p_at timestamp with time zone, p_sender_id text, p_beside boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if p_value is null or exists (
    select from public.contact_identities i
    where i.channel = p_channel and i.kind = p_kind and i.value = p_value and i.valid_to is null and i.contact_id = p_contact_id) then
    return;
  end if;
  -- Closes the id for its previous holder, and the id this person had before. Other spellings of a number remain.
  update public.contact_identities i
  set valid_to = case when old.stays then null else greatest(p_at, i.valid_from) end, dialled = old.stays
  from (
    select o.id, o.contact_id = p_contact_id
      and (p_beside and p_kind = 'phone' or o.value = any (private.spellings(p_kind, p_value))) as stays
    from public.contact_identities o
    where o.channel = p_channel and o.kind = p_kind and o.valid_to is null
      and (o.value = p_value or (o.contact_id = p_contact_id
        and (not private.is_scoped(p_kind) or o.value = any (private.ids_at(p_contact_id, p_kind, p_sender_id)))))
  ) old
  where i.id = old.id;
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, valid_from)
  values (p_contact_id, p_channel, p_kind, p_value, p_sender_id, p_at);
end $function$;
grant execute on function private.hold_identity(p_contact_id uuid, p_channel text, p_kind text, p_value text, p_at timestamp with time zone, p_sender_id text, p_beside boolean) to service_role;

-- Records the effect of a deferred message on its sender.
CREATE OR REPLACE FUNCTION private.hold_sender(p_sending private.sending, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_until timestamptz := p_now + make_interval(secs => p_sending.retry_after_ms / 1000.0);
begin
  if p_sending.put_off = 'back' then
    -- It did not test a held sender: the next test may be made at once.
    update public.senders set held_until = v_until, held_probes = greatest(0, held_probes - 1)
    where channel = p_sending.channel and id = p_sending.number_id and held_since is not null;
  elsif p_sending.put_off = 'held' and p_sending.scope = 'number' then
    update public.senders
    set held_since = coalesce(held_since, p_now), held_code = p_sending.error ->> 'code',
      held_until = p_now + least(interval '5 minutes', interval '5 seconds' * 2 ^ least(held_probes, 10))
    where channel = p_sending.channel and id = p_sending.number_id;
  elsif p_sending.put_off = 'throttle' and p_sending.scope = 'number' then
    update public.senders set send_tat = greatest(coalesce(send_tat, p_now), v_until)
    where channel = p_sending.channel and id = p_sending.number_id;
  end if;
end $function$;
grant execute on function private.hold_sender(p_sending private.sending, p_now timestamp with time zone) to service_role;

-- Whether any of these stands in a text as it is: what is asked of each row of a large table, before anything that
-- costs more.
CREATE OR REPLACE FUNCTION private.holds(p_text text, p_needles text[])
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE STRICT
 SET search_path TO ''
AS $function$
declare
  v_needle text;
begin
  foreach v_needle in array p_needles loop
    if strpos(p_text, v_needle) > 0 then
      return true;
    end if;
  end loop;
  return false;
end $function$;

-- The queries that run for each message, click or request, for the launch gate that looks at their plans.
CREATE OR REPLACE FUNCTION private.hot_queries()
 RETURNS TABLE(name text, statement text)
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  values
    ('ingest_updates: was it here before', 'select from public.webhook_events where provider = ''whatsapp'' and dedupe_key = ''x'''),
    ('ingest_updates: whose identity', 'select from public.contact_identities where channel = ''whatsapp'' and kind = ''phone'' and value = ''1'' and valid_to is null'),
    ('ingest_updates: the message of a status', 'select from public.messages where provider_id = ''x'' and channel = ''whatsapp'''),
    ('claim_unrouted: who waits longest', 'select from public.conversations where channel = ''whatsapp'' and unrouted_since is not null and held_revision is null order by held_revision, unrouted_since limit 10'),
    ('claim_unrouted: what waits in it', 'select from public.messages where conversation_id = ''00000000-0000-0000-0000-000000000000'' and seq > 1 order by seq limit 20'),
    ('claim_deliveries: due lanes', 'select from private.delivery_lanes where destination_id = ''00000000-0000-0000-0000-000000000000'' and channel = ''whatsapp'' and due_at <= now() and lease is null order by due_at limit 10'),
    ('claim_deliveries: the first of a lane', 'select from public.deliveries where destination_id = ''00000000-0000-0000-0000-000000000000'' and conversation_id = ''00000000-0000-0000-0000-000000000000'' and state in (''pending'', ''leased'') order by seq limit 1'),
    ('claim_outbound: due lanes', 'select from private.outbound_lanes where channel = ''whatsapp'' and number_id = ''1'' and due_at <= now() order by due_at limit 10'),
    ('take_rate', 'select from public.rate_limits where key = ''x'''),
    ('get_links', 'select from public.links where code = ''x'''),
    ('link_stats', 'select from public.clicks where code = ''x'' and at > now()'),
    ('attribution: the click of a token', 'select from public.clicks where token = ''x'''),
    ('record_outcomes', 'select from public.flag_metrics where flag_key = ''x'' and minute = now() and arm = ''on'''),
    ('advance_rollouts: the minutes of a stage', 'select from public.flag_metrics where flag_key = ''x'' and minute > now()'),
    ('claim_notifications', 'select from public.notifications where state in (''pending'', ''leased'') and next_attempt_at <= now() order by next_attempt_at limit 20')
$function$;
grant execute on function private.hot_queries() to service_role;

-- The recipient of an outbound message, by its identities [{kind, value}]; null for nobody.
CREATE OR REPLACE FUNCTION private.identities_of(p_item jsonb)
 RETURNS private.identity[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select array_agg(row(e.item ->> 'kind', e.item ->> 'value', null)::private.identity order by e.place)
    from jsonb_array_elements(p_item -> 'identities') with ordinality as e (item, place));
end $function$;
grant execute on function private.identities_of(p_item jsonb) to service_role;

-- The id that the one of this kind replaces; null if it replaces none.
CREATE OR REPLACE FUNCTION private.identity_before(p_identities private.identity[], p_kind text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return (select i.previous from unnest(p_identities) i where i.kind = p_kind limit 1);
end $function$;
grant execute on function private.identity_before(p_identities private.identity[], p_kind text) to service_role;

-- The person currently known by this id, whatever the spelling of a number; null if there is none.
CREATE OR REPLACE FUNCTION private.identity_holder(p_channel text, p_kind text, p_value text)
 RETURNS uuid
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select i.contact_id
    -- One at a time: before Postgres 17 a list may be applied as a filter after the index scan, which then reads every row.
    from unnest(private.spellings(p_kind, p_value)) as s (value)
    cross join lateral (
      select k.contact_id from public.contact_identities k
      where k.channel = p_channel and k.kind = p_kind and k.value = s.value and k.valid_to is null limit 1) i
    order by s.value <> p_value limit 1);
end $function$;
grant execute on function private.identity_holder(p_channel text, p_kind text, p_value text) to service_role;

-- The id of this kind in the list; null if there is none.
CREATE OR REPLACE FUNCTION private.identity_value(p_identities private.identity[], p_kind text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return (select i.value from unnest(p_identities) i where i.kind = p_kind limit 1);
end $function$;
grant execute on function private.identity_value(p_identities private.identity[], p_kind text) to service_role;

-- A person's ids of one kind at a sender, or at any sender if none is given; null if there are none.
CREATE OR REPLACE FUNCTION private.ids_at(p_contact_id uuid, p_kind text, p_sender_id text)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select array_agg(i.value) from public.contact_identities i
    where i.contact_id = p_contact_id and i.kind = p_kind and i.valid_to is null
      and (p_sender_id is null or i.sender_id is null or i.sender_id = p_sender_id or (
        not exists (
          select from public.contact_identities k
          where k.contact_id = i.contact_id and k.kind = i.kind and k.valid_to is null and k.sender_id = p_sender_id)
        and exists (
          select from public.conversations c
          where c.contact_id = i.contact_id and c.channel = i.channel and c.number_id = p_sender_id
            and c.last_inbound_at > i.valid_from))));
end $function$;
grant execute on function private.ids_at(p_contact_id uuid, p_kind text, p_sender_id text) to service_role;

-- What became of a message that came in: written, stored, decided, each call of a service, and the replies that it
-- led to, in codes that _shared/contract/words/story.ts puts into words.
CREATE OR REPLACE FUNCTION private.inbound_events(p_message messages)
 RETURNS TABLE(at timestamp with time zone, reply boolean, what text, figures jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select p_message.sent_at, false, 'written', '{}'::jsonb where p_message.sent_at is not null
  union all
  select p_message.created_at, false, 'stored', jsonb_build_object('type', p_message.type, 'seq', p_message.seq)
  union all
  select d.decided_at, false, 'decided', jsonb_build_object('reason', d.reason, 'route', d.route_name, 'destinations', (
    select coalesce(jsonb_agg(coalesce(t.name, w.id::text) order by w.i), '[]')
    from unnest(d.destination_ids) with ordinality as w (id, i) left join public.destinations t on t.id = w.id))
  from public.routing_decisions d where d.message_id = p_message.id
  union all
  select a.at, false, case a.outcome when 'delivered' then 'delivered' when 'dead' then 'given_up' else 'tried' end,
    jsonb_build_object('destination', t.name, 'attempt', a.attempt, 'status', a.status, 'latency_ms', a.latency_ms, 'error', a.error)
  from public.deliveries x
  join public.destinations t on t.id = x.destination_id
  join public.delivery_attempts a on a.delivery_id = x.id
  where x.message_id = p_message.id
  union all
  select a.at, false, 'left_out', jsonb_build_object('destination', t.name, 'reply', l.item -> 'reply', 'why', l.item ->> 'why')
  from public.deliveries x
  join public.destinations t on t.id = x.destination_id
  join public.delivery_attempts a on a.delivery_id = x.id
  cross join lateral jsonb_array_elements(a.left_out) as l (item)
  where x.message_id = p_message.id and a.left_out is not null
  union all
  select greatest(x.next_attempt_at, x.updated_at), false,
    case x.state when 'pending' then 'delivery_waits' else 'delivering' end,
    jsonb_build_object('destination', t.name, 'state', private.shown_state(t.state, t.circuit_open_until))
  from public.deliveries x join public.destinations t on t.id = x.destination_id
  where x.message_id = p_message.id and x.state in ('pending', 'leased')
  union all
  select e.at, true, e.what, e.figures
  from public.deliveries x
  cross join generate_series(0, 10) as n (i)
  join public.outbound_messages o on o.idempotency_key = 'reply:' || x.id || ':' || n.i and o.channel = p_message.channel
  join public.messages m on m.id = o.message_id
  cross join lateral private.outbound_events(m) e
  where x.message_id = p_message.id
$function$;
grant execute on function private.inbound_events(p_message messages) to service_role;

-- Locks an incident that is at this version (null: at any); GL404 or GL409 when it is not.
CREATE OR REPLACE FUNCTION private.incident_at(p_number bigint, p_expected_version bigint)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents;
begin
  select * into v_incident from public.incidents i where i.number = p_number for update;
  if v_incident.id is null then
    raise exception 'there is no incident %', p_number using errcode = 'GL404', hint = 'gatelink incident list';
  elsif p_expected_version is not null and v_incident.version <> p_expected_version then
    raise exception 'incident % is at version %, not %', p_number, v_incident.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_incident;
end $function$;

-- The number of the worst open incident that stops a feature: of its own flag, or of no one's; null where there is
-- none.
CREATE OR REPLACE FUNCTION private.incident_in_the_way(p_flag_key text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select i.number from public.incidents i
  where i.status <> 'resolved' and private.stops_launch(i.kind, i.severity) and coalesce(i.flag_key, p_flag_key) = p_flag_key
  order by i.severity, i.opened_at limit 1
$function$;
grant execute on function private.incident_in_the_way(p_flag_key text) to service_role;

-- Kinds of incidents, and the severity of each unless somebody says otherwise: the decision matrix.
CREATE OR REPLACE FUNCTION private.incident_kinds()
 RETURNS TABLE(kind text, severity text)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  values ('error_rate', 'P0'), ('security', 'P0'), ('performance', 'P1'), ('critical_bug', 'P1'), ('complaints', 'P1'), ('flag_stuck', 'P0'),
    ('release', 'P0'), ('data', 'P0'), ('outage', 'P1'), ('bug', 'P2'), ('confusion', 'P2'), ('other', 'P2')
$function$;
grant execute on function private.incident_kinds() to service_role;

-- Opens an incident for a part of health that has been down for two minutes (on the first day after a launch: that is
-- down or degraded), once; one that is monitored and fails again is investigated again. When it recovers, resolves
-- it, or where somebody has it in hand says so.
CREATE OR REPLACE FUNCTION private.incident_of_part(p_kind text, p_part jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_component text := p_part ->> 'component';
  v_incident public.incidents;
begin
  if p_kind = 'failing' then
    if p_part ->> 'status' = 'down' or private.just_launched(p_now) then
      perform private.open_incident(format('%s is %s', v_component, p_part ->> 'status'), 'outage', null, null, v_component, false,
        format('health:%s', v_component), null, null, null, p_now);
    end if;
    -- What failed after it was said to be mended is not mended. What somebody has said since the failure stands.
    select * into v_incident from public.incidents i
    where i.cause = format('health:%s', v_component) and i.status = 'monitoring' and (
      select max(u.at) from public.incident_updates u where u.incident_id = i.id and u.changes ? 'status') < (
      select s.since from private.part_states s where s.component = v_component);
    if found then
      perform private.change_incident(v_incident.number, null, '{"status": "investigating"}', 'It fails again.', null, p_now);
    end if;
    return;
  end if;
  select * into v_incident from public.incidents i where i.cause = format('health:%s', v_component) and i.status <> 'resolved' for update;
  if found and v_incident.acknowledged_at is null then
    perform private.resolve_incident(v_incident.number, null, 'It does well again, by itself.', null, p_now);
  elsif found then
    perform private.change_incident(v_incident.number, null, '{"status": "monitoring"}', 'It does well again.', null, p_now);
  end if;
exception when others then
  raise warning 'no incident could be kept for %: % (%)', v_component, sqlerrm, sqlstate;
end $function$;
grant execute on function private.incident_of_part(p_kind text, p_part jsonb, p_now timestamp with time zone) to service_role;

-- Severities from the worst: minutes until somebody must have acknowledged, and between two calls of the last of the
-- escalation; null where nobody is woken.
CREATE OR REPLACE FUNCTION private.incident_severities()
 RETURNS TABLE(severity text, acknowledge_minutes integer, repeat_minutes integer)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  values ('P0', 5, 30), ('P1', 15, 60), ('P2', null, null)
$function$;
grant execute on function private.incident_severities() to service_role;

-- One attempt of ingest_updates; fails if a person in the batch is erased at the same moment.
CREATE OR REPLACE FUNCTION private.ingest_updates(p_updates jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
  v_templates boolean;
  v_freed boolean := false;
begin
  select array_agg((e.ord, u.key, u.channel, u.provider, u.field, u.kind, u.sender_id, u.sender_display, u.at, u.identities,
    u.name, u.provider_id, u.type, u.body, u.choice, u.reply_to, u.token, u.referral,
    u.forwarded, u.status, u.rank, u.error, u.pricing, u.callback, said.opt, u.traceparent, u.template, u.raw)::private.inbound_update order by e.ord),
    bool_and((u.kind in ('message', 'echo')) is true and u.sender_id is not null),
    bool_or(u.kind = 'echo'), bool_or(u.type = 'revoke'), bool_or(said.opt is not null), bool_or(u.template is not null)
  into v_all, v_plain, v_echoes, v_revokes, v_opts, v_templates
  from jsonb_array_elements(p_updates) with ordinality as e (item, ord)
  cross join lateral jsonb_to_record(e.item) as u (
    key text, channel text, provider text, field text, kind text, sender_id text, sender_display text, at timestamptz,
    identities private.identity[], name text,
    provider_id text, type text, body text, choice text, reply_to text, token text, referral jsonb, forwarded boolean,
    status text, rank smallint, error jsonb, pricing jsonb, callback text, opt text, traceparent text, template jsonb, raw jsonb)
  -- Typed, or tapped on a template. The check that nearly every message needs is inlined, because a function call costs
  -- more than the rest; and evaluated once (offset 0), though it is used twice.
  cross join lateral (
    select case when u.opt is not null then u.opt
      when u.kind <> 'message' or u.type not in ('text', 'button') then null
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
    select distinct on (u.key, u.provider) u.ord, u.provider, u.key, u.field, u.kind, u.sender_id, u.raw
    from unnest(v_all) u order by u.key, u.provider, u.ord
  ), stored as (
    insert into public.webhook_events (provider, dedupe_key, field, kind, number_id, raw)
    select f.provider, f.key, coalesce(f.field, 'unknown'), f.kind, f.sender_id,
      case when f.kind in ('message', 'echo') and f.sender_id is not null then null else f.raw end
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

  perform public.add_counts(jsonb_build_array(
    jsonb_build_object('name', 'webhook_updates', 'label', 'received', 'n', cardinality(v_all)),
    jsonb_build_object('name', 'webhook_updates', 'label', 'stored', 'n', v_stored),
    jsonb_build_object('name', 'webhook_updates', 'label', 'duplicate', 'n', cardinality(v_all) - v_stored)));
  if v_stored = 0 then
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
      array_agg(u order by u.ord) filter (where u.kind = 'status')
    into v_messages, v_others, v_statuses
    from unnest(v_new) u;
  end if;
  if v_echoes then
    -- The echo of one of our messages is that message.
    v_messages := nullif(array(
      select u from unnest(v_messages) u
      where u.kind <> 'echo' or not exists (
        select from public.messages m
        where m.provider_id = u.provider_id and m.channel = u.channel and m.direction = 'out')
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
  if v_statuses is not null then
    perform private.learn_recipients(v_statuses);
  end if;
  if v_messages is not null then
    if not v_plain then
      v_contacts := private.merged(v_contacts);
    end if;
    perform private.store_messages(v_messages, v_contacts);
    if v_revokes then
      perform private.withdraw_messages(v_messages);
    end if;
    if v_opts then
      perform private.apply_opt_outs(v_messages, v_contacts);
    end if;
  end if;
  if v_others is not null and v_opts then
    perform private.apply_opt_outs(v_others, private.merged(v_other_contacts));
  end if;
  if v_templates then
    perform private.apply_templates(array_agg(u order by u.ord)) from unnest(v_new) u where u.template is not null having count(*) > 0;
  end if;
  if v_statuses is not null then
    v_freed := private.apply_statuses(v_statuses);
  end if;
  if v_one.sender_display is not null and v_one.sender_display is distinct from v_address then
    update public.senders s set address = v_one.sender_display where s.channel = v_one.channel and s.id = v_one.sender_id;
  end if;
  return jsonb_build_object('outcomes', v_outcomes) || case when v_freed then '{"freed": true}' else '{}' end::jsonb;
end $function$;
grant execute on function private.ingest_updates(p_updates jsonb) to service_role;

-- Whether the message that this one edits, or another edit of it, is already attributed: a message and its edits
-- count as one.
CREATE OR REPLACE FUNCTION private.is_attributed_otherwise(p_message messages)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.messages m join public.attributions a on a.message_id = m.id
    where p_message.type = 'edit' and m.provider_id = p_message.reply_to and m.conversation_id = p_message.conversation_id)
  or exists (
    select from public.messages m join public.attributions a on a.message_id = m.id
    where m.type = 'edit' and m.conversation_id = p_message.conversation_id and m.id <> p_message.id
      and m.reply_to = case p_message.type when 'edit' then p_message.reply_to else p_message.provider_id end)
$function$;
grant execute on function private.is_attributed_otherwise(p_message messages) to service_role;

-- Whether a destination has a due lane of these channels or, with p_expired, one whose lease has expired.
CREATE OR REPLACE FUNCTION private.is_due(p_destination_id uuid, p_channels text[], p_expired boolean, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return exists (
    select from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = any (p_channels) and l.due_at <= p_now and l.lease is null)
  or p_expired and exists (
    select from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = any (p_channels) and l.due_at <= p_now and l.lease is not null);
end $function$;
grant execute on function private.is_due(p_destination_id uuid, p_channels text[], p_expired boolean, p_now timestamp with time zone) to service_role;

-- Whether a JSON value is one of the latencies that are counted exactly.
CREATE OR REPLACE FUNCTION private.is_edge(p_value jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_typeof(p_value) = 'number'
    and (p_value #>> '{}')::numeric = any (private.latency_edges()::numeric[]), false)
$function$;

-- Whether this is a valid failure policy, such as {"404": "aside", "else": "hold"}: keys are a status from 300 to
-- 599, or else; hold makes the conversation wait, aside gives up the delivery after its second attempt, pause pauses
-- the destination.
CREATE OR REPLACE FUNCTION private.is_failure_policy(p_policy jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_typeof(p_policy) = 'object' and not exists (
    select from jsonb_each(case jsonb_typeof(p_policy) when 'object' then p_policy else '{}' end) e
    where e.key !~ '^([345][0-9]{2}|else)$' or e.value not in ('"hold"', '"aside"', '"pause"'))
$function$;
grant execute on function private.is_failure_policy(p_policy jsonb) to service_role;

-- Whether a route with this condition is evaluated after all others, whatever its priority.
CREATE OR REPLACE FUNCTION private.is_fallback(p_condition jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select p_condition ->> 'type' = 'default'
$function$;

-- Whether a link received so many wrong passwords in this hour and the previous one (20) that somebody must be
-- guessing.
CREATE OR REPLACE FUNCTION private.is_guessed_at(p_code text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(sum(g.wrong), 0) >= 20 from public.link_guesses g
  where g.code = p_code and g.hour >= date_trunc('hour', p_now - interval '1 hour')
$function$;
grant execute on function private.is_guessed_at(p_code text, p_now timestamp with time zone) to service_role;

-- Whether an outbound message contains a file, alone or as the header of another type.
CREATE OR REPLACE FUNCTION private.is_media(p_message jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select coalesce(p_message ->> 'type' in ('image', 'video', 'audio', 'document', 'sticker')
    or p_message #>> '{interactive,header,type}' in ('image', 'video', 'document')
    or jsonb_path_exists(p_message, '$.template.components[*].** ? (@.type == "image" || @.type == "video" || @.type == "document")'), false)
$function$;
grant execute on function private.is_media(p_message jsonb) to service_role;

-- Whether this code, which no link has, is one typo away from a link's, or the first half of one.
CREATE OR REPLACE FUNCTION private.is_misprint(p_code text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
  select exists (
    select from public.links l where l.code = any (array(
      select v.code
      from generate_series(1, length(p_code) + 1) as i
      cross join lateral (
        select left(p_code, i - 1) || substr(p_code, i + 1) as code where i <= length(p_code)
        union all
        select left(p_code, i - 1) || substr(p_code, i + 1, 1) || substr(p_code, i, 1) || substr(p_code, i + 2)
        where i < length(p_code)
        union all
        select left(p_code, i - 1) || c || substr(p_code, i + w)
        from string_to_table('abcdefghijklmnopqrstuvwxyz0123456789-_', null) as c, generate_series(0, 1) as w
        where w = 0 or i <= length(p_code)) v)))
  or exists (
    select from public.links l
    where l.code > p_code collate "C" and l.code < (p_code || '~') collate "C"
      and length(p_code) >= 4 and length(l.code) <= 2 * length(p_code))
$function$;
grant execute on function private.is_misprint(p_code text) to service_role;

-- Whether the list has an id that this contact never had.
CREATE OR REPLACE FUNCTION private.is_news(p_contact_id uuid, p_identities private.identity[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return exists (
    select from unnest(p_identities) told
    where told.value is not null and not exists (
      select from public.contact_identities i
      where i.contact_id = p_contact_id and i.kind = told.kind and i.value = told.value));
end $function$;
grant execute on function private.is_news(p_contact_id uuid, p_identities private.identity[]) to service_role;

-- Whether a JSON value is a number of this range with at most so many decimals.
CREATE OR REPLACE FUNCTION private.is_number(p_value jsonb, p_from numeric, p_to numeric, p_scale integer DEFAULT 1000)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_typeof(p_value) = 'number' and (p_value #>> '{}')::numeric between p_from and p_to
    and scale(trim_scale((p_value #>> '{}')::numeric)) <= p_scale, false)
$function$;

-- Whether ids of this kind are scoped to one customer of the provider: a person may have several, and two people
-- never share one.
CREATE OR REPLACE FUNCTION private.is_scoped(p_kind text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select p_kind in ('bsuid', 'parent_bsuid')
$function$;
grant execute on function private.is_scoped(p_kind text) to service_role;

-- Whether a JSON value is a list of at most so many strings of 1 to 200 characters.
CREATE OR REPLACE FUNCTION private.is_text_list(p_value jsonb, p_most integer)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select case when jsonb_typeof(p_value) <> 'array' then false
    else jsonb_array_length(p_value) <= p_most and not exists (
      select from jsonb_array_elements(p_value) e
      where jsonb_typeof(e) <> 'string' or char_length(e #>> '{}') not between 1 and 200) end
$function$;

-- Whether this flag, or any, was launched within the last 24 hours: then alarms are told and escalated at once.
CREATE OR REPLACE FUNCTION private.just_launched(p_now timestamp with time zone, p_flag_key text DEFAULT NULL::text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.rollouts r
    where r.state = 'completed' and r.finished_at > p_now - interval '24 hours' and r.flag_key = coalesce(p_flag_key, r.flag_key))
$function$;
grant execute on function private.just_launched(p_now timestamp with time zone, p_flag_key text) to service_role;

-- Writes feedback down, once a key and message, and for which rollouts it counts: of one flag, or of all that the
-- person says something about.
CREATE OR REPLACE FUNCTION private.keep_feedback(p_feedback feedback, p_flag_key text, p_now timestamp with time zone, OUT kept boolean, OUT concerns integer)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  concerns := 0;
  insert into public.feedback (id, at, kind, subject_id, rating, positive, text, source, message_id, key)
  select p_feedback.id, p_feedback.at, p_feedback.kind, p_feedback.subject_id, p_feedback.rating, p_feedback.positive, p_feedback.text,
    p_feedback.source, p_feedback.message_id, p_feedback.key
  on conflict do nothing;
  kept := found;
  if kept then
    insert into public.rollout_feedback (rollout_id, feedback_id, stage, arm)
    select r.id, p_feedback.id, r.stage, a.arm
    from public.rollouts r cross join lateral private.arm_of(r.flag_key, p_feedback.subject_id, p_now) a
    where r.flag_key = coalesce(p_flag_key, r.flag_key) and a.arm is not null
      and (r.state in ('running', 'paused') or r.state = 'completed' and r.finished_at > p_now - interval '7 days');
    get diagnostics concerns = row_count;
  end if;
end $function$;
grant execute on function private.keep_feedback(p_feedback feedback, p_flag_key text, p_now timestamp with time zone, OUT kept boolean, OUT concerns integer) to service_role;

-- Trigger, before insert of conversations: restores the opt-out of a person who was erased.
CREATE OR REPLACE FUNCTION private.keep_opt_out()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if exists (select from private.erased_opt_outs) then
    new.opted_out_at := coalesce(new.opted_out_at, (
      select max(private.erased_opt_out(new.channel, new.number_id, i.kind, i.value)) from public.contact_identities i
      where i.contact_id = new.contact_id and i.valid_to is null));
    new.opt_told_at := coalesce(new.opt_told_at, new.opted_out_at);
  end if;
  return new;
end $function$;
grant execute on function private.keep_opt_out() to service_role;

-- Records opt-outs and opt-ins, at most one per conversation, unless they are older than what is known; creates
-- missing conversations.
CREATE OR REPLACE FUNCTION private.keep_opt_words(p_words private.opt_word[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.conversations (channel, number_id, contact_id)
  select distinct w.channel, w.number_id, w.contact_id from unnest(p_words) w
  where not exists (
    select from public.conversations c
    where c.channel = w.channel and c.number_id = w.number_id and c.contact_id = w.contact_id)
  order by 1, 2, 3
  on conflict (channel, number_id, contact_id) do nothing;
  perform from public.conversations c
  where c.id in (
    select o.id from unnest(p_words) w join public.conversations o
      on o.channel = w.channel and o.number_id = w.number_id and o.contact_id = w.contact_id)
  order by c.id for update;
  update public.conversations c
  set opted_out_at = case when w.opted_out then w.at end, opt_told_at = w.at
  from unnest(p_words) w
  where c.channel = w.channel and c.number_id = w.number_id and c.contact_id = w.contact_id
    -- The newer one wins, by the provider's whole seconds; within one second, the one that arrived later.
    and w.at >= coalesce(c.opt_told_at, '-infinity');
  if exists (select from private.erased_opt_outs) then
    delete from private.erased_opt_outs o
    using unnest(p_words) w join public.contact_identities i on i.contact_id = w.contact_id
    where not w.opted_out and i.valid_to is null and o.channel = w.channel and o.number_id = w.number_id
      and o.opted_out_at <= w.at
      and o.identity in (select private.keyed_hash(i.kind || ' ' || spelled) from unnest(private.spellings(i.kind, i.value)) spelled);
  end if;
end $function$;
grant execute on function private.keep_opt_words(p_words private.opt_word[]) to service_role;

-- Days by a setting, else otherwise; null for ever.
CREATE OR REPLACE FUNCTION private.kept_days(p_setting text, p_otherwise integer, p_at_least integer)
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select greatest(p_at_least, coalesce((select s.value::integer from public.settings s where s.key = p_setting), p_otherwise))
  where coalesce((select s.value::integer from public.settings s where s.key = p_setting), p_otherwise) is not null
$function$;
grant execute on function private.kept_days(p_setting text, p_otherwise integer, p_at_least integer) to service_role;

-- A keyed hash in place of a text that is not kept: equal texts give equal hashes, and it is useless without
-- private.hash_key.
CREATE OR REPLACE FUNCTION private.keyed_hash(p_value text)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select sha256(k.key || sha256(k.key || convert_to(p_value, 'UTF8'))) from private.hash_key k
$function$;
grant execute on function private.keyed_hash(p_value text) to service_role;

-- Since when a flag's kill switch is set; null where it is not, as far as the functions said within ten minutes.
CREATE OR REPLACE FUNCTION private.killed_since(p_flag_key text, p_now timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select k.since from private.kill_switches k where k.flag_key = p_flag_key and k.seen_at > p_now - interval '10 minutes'
$function$;
grant execute on function private.killed_since(p_flag_key text, p_now timestamp with time zone) to service_role;

-- When the first lane of a destination on a channel is due or its lease expires; null if nothing waits.
CREATE OR REPLACE FUNCTION private.lane_due_at(p_destination_id uuid, p_channel text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return least(
    (select l.due_at from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = p_channel and l.due_at is not null and l.lease is null
    order by l.due_at limit 1),
    (select l.due_at from private.delivery_lanes l
    where l.destination_id = p_destination_id and l.channel = p_channel and l.due_at is not null and l.lease is not null
    order by l.due_at limit 1));
end $function$;
grant execute on function private.lane_due_at(p_destination_id uuid, p_channel text) to service_role;

-- The largest of a JSON list of whole numbers; 0 for none.
CREATE OR REPLACE FUNCTION private.largest(p_list jsonb)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce(max(t.s::bigint), 0) from jsonb_array_elements_text(p_list) as t (s)
$function$;
grant execute on function private.largest(p_list jsonb) to service_role;

-- Upper bounds of the buckets of measurements.counts in milliseconds, as in _shared/db/measurements.ts. One bucket
-- more is for what took longer.
CREATE OR REPLACE FUNCTION private.latency_buckets()
 RETURNS double precision[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select array[1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000,
    10000, 30000, 60000, 300000]::double precision[]
$function$;
grant execute on function private.latency_buckets() to service_role;

-- The edges of the latency histogram in milliseconds, as in _shared/rollouts/latency.ts.
CREATE OR REPLACE FUNCTION private.latency_edges()
 RETURNS integer[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select array[5, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000,
    5000, 7500, 10000, 15000, 20000, 30000]
$function$;
grant execute on function private.latency_edges() to service_role;

-- Of how many edges each timed outcome was slower than, the sum, or the sum of the squares; from a cumulative
-- histogram. See scores() in _shared/rollouts/minutes.ts.
CREATE OR REPLACE FUNCTION private.latency_places(p_timed integer, p_le integer[], p_squares boolean)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce(sum((p_timed - e.count)::bigint * case when p_squares then 2 * e.i - 1 else 1 end), 0)::bigint
  from unnest(p_le) with ordinality as e (count, i)
$function$;
grant execute on function private.latency_places(p_timed integer, p_le integer[], p_squares boolean) to service_role;

-- Whether a flag is launched by being written so: marked as launched, or on for everybody, new or where it was on for
-- fewer or had never been on for everybody. The second is the row before, null for none.
CREATE OR REPLACE FUNCTION private.launches(p_new settings, p_old settings)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select p_new.value = 'true' and (
    coalesce(p_new.metadata ->> 'launched_at', '') <> '' and coalesce(p_old.metadata ->> 'launched_at', '') = ''
    or private.opens_to_everybody('true', p_new.metadata)
      and not (coalesce(p_old.value, '') = 'true' and private.opens_to_everybody('true', p_old.metadata))
      and not (p_new.key ~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$' and not p_new.metadata ? 'rollout_percentage'
        and private.opens_to_everybody('true', coalesce(p_old.metadata, '{}')))
      and not (private.opens_to_everybody('true', coalesce(p_old.metadata, '{"target_user_ids": []}')) and exists (
        select from public.settings_history h
        where h.key = p_new.key and h.version <= p_old.version and h.after ->> 'value' = 'true'
          and private.opens_to_everybody('true', h.after -> 'metadata'))))
$function$;

-- The quantile (0 to 1) of a cumulative histogram of flag_metrics in milliseconds, linear between two edges; null
-- where nothing was timed. What took longer than the last edge counts as that.
CREATE OR REPLACE FUNCTION private.le_quantile(p_timed bigint, p_le bigint[], p_quantile double precision)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  with edges as (
    select e.i, e.upto, (private.latency_edges())[e.i] as edge,
      coalesce(lag(e.upto) over (order by e.i), 0) as before, coalesce((private.latency_edges())[e.i - 1], 0) as edge_before
    from unnest(p_le) with ordinality as e (upto, i)
  )
  select case when p_timed > 0 then coalesce((
    select round(edge_before + (edge - edge_before) * ((p_quantile * p_timed - before) / greatest(upto - before, 1)))::integer
    from edges where upto >= p_quantile * p_timed order by i limit 1), (private.latency_edges())[27]) end
$function$;

-- Records new ids that the provider's answers report for recipients.
CREATE OR REPLACE FUNCTION private.learn_answered(p_results jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_told record;
  v_locked boolean := false;
begin
  for v_told in
    select c.contact_id, c.channel, c.number_id, r.identities
    from jsonb_to_recordset(p_results) as r (id uuid, identities private.identity[])
    join public.outbound_messages o on o.id = r.id
    join public.conversations c on c.id = o.conversation_id
    where cardinality(r.identities) > 0 and private.is_news(c.contact_id, r.identities)
    order by r.id
  loop
    if not v_locked then
      perform private.lock_contacts();
      v_locked := true;
    end if;
    perform private.learn_identities(v_told.contact_id, v_told.channel, v_told.number_id, v_told.identities, p_now);
  end loop;
end $function$;
grant execute on function private.learn_answered(p_results jsonb, p_now timestamp with time zone) to service_role;

-- Records the ids that the provider reported for the recipient of one of our messages: whoever has these ids is that
-- person. The caller holds the contacts' lock.
CREATE OR REPLACE FUNCTION private.learn_identities(p_contact_id uuid, p_channel text, p_sender_id text, p_identities private.identity[], p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_known uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_written text[] := array(
    select i.value from public.contact_identities i
    where i.contact_id = v_known and i.kind = 'phone' and i.valid_to is null);
  v_contact uuid := private.resolve_contact(p_channel, p_identities, null, p_at, p_sender_id, v_known);
begin
  -- The address we wrote to stays theirs, even if it belonged to another contact until now.
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, dialled, valid_from)
  select v_contact, p_channel, 'phone', w.value, p_sender_id, true, p_at from unnest(v_written) as w (value)
  where v_contact = (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_known)
  on conflict (channel, kind, value) where valid_to is null do nothing;
end $function$;
grant execute on function private.learn_identities(p_contact_id uuid, p_channel text, p_sender_id text, p_identities private.identity[], p_at timestamp with time zone) to service_role;

-- Records new ids that the statuses of our messages report for their recipients.
CREATE OR REPLACE FUNCTION private.learn_recipients(p_updates private.inbound_update[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_told record;
  v_locked boolean := false;
begin
  for v_told in
    select c.contact_id, c.channel, c.number_id, u.identities, min(least(coalesce(u.at, now()), now())) as at
    from unnest(p_updates) u
    cross join lateral (
      (select m.conversation_id from public.messages m
      where m.id = case when u.callback ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then u.callback::uuid end
        and m.direction = 'out' and m.channel = u.channel)
      union all
      (select m.conversation_id from public.messages m
      where m.provider_id = u.provider_id and m.direction = 'out' and m.channel = u.channel)
      limit 1) ours
    join public.conversations c on c.id = ours.conversation_id
    where u.kind = 'status' and cardinality(u.identities) > 0 and private.is_news(c.contact_id, u.identities)
    group by c.contact_id, c.channel, c.number_id, u.identities
  loop
    if not v_locked then
      perform private.lock_contacts();
      v_locked := true;
    end if;
    perform private.learn_identities(v_told.contact_id, v_told.channel, v_told.number_id, v_told.identities, v_told.at);
  end loop;
end $function$;
grant execute on function private.learn_recipients(p_updates private.inbound_update[]) to service_role;

-- Messages that a link brought from p_from to before p_to: {total, first_touch, by_confidence}.
CREATE OR REPLACE FUNCTION private.link_attributions(p_code text, p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('total', coalesce(sum(g.n), 0), 'first_touch', coalesce(sum(g.first_n), 0),
    'by_confidence', coalesce(jsonb_object_agg(g.confidence, g.n), '{}'))
  from (
    select a.confidence, count(*) as n, count(*) filter (where a.first_touch) as first_n
    from public.attributions a
    where a.code = p_code and a.created_at >= p_from and a.created_at < p_to
    group by a.confidence) g
$function$;
grant execute on function private.link_attributions(p_code text, p_from timestamp with time zone, p_to timestamp with time zone) to service_role;

-- Columns of links that people write, and what stands in each where nothing is given: every column but those of our
-- own, so that one that is added is written.
CREATE OR REPLACE FUNCTION private.link_columns()
 RETURNS TABLE(name text, missing text)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select quote_ident(a.attname), coalesce(pg_get_expr(d.adbin, d.adrelid), 'null')
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = 'public.links'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and a.attname <> all ('{code,request_hash,uses,taken,version,member_versions,changed_in,created_at,created_by,updated_at,updated_by}')
  order by a.attnum
$function$;
grant execute on function private.link_columns() to service_role;

-- A link's days with clicks in the team's zone, first and last included.
CREATE OR REPLACE FUNCTION private.link_days(p_code text, p_from date, p_to date)
 RETURNS TABLE(day date, human bigint, bot bigint, preview bigint, prefetch bigint, visitors bigint, platforms jsonb, countries jsonb, referrers jsonb, targets jsonb, own bigint, rules jsonb, sources jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select d.day, d.human, d.bot, d.preview, d.prefetch, d.visitors, d.platforms, d.countries, d.referrers, d.targets,
    d.own, d.rules, d.sources
  from public.click_days d
  where d.code = p_code and d.day between p_from and p_to
    and not exists (select from public.click_counts n where n.code = d.code and n.day = d.day)
  union all
  select n.day, n.human + coalesce(d.human, 0), n.bot + coalesce(d.bot, 0), n.preview + coalesce(d.preview, 0),
    n.prefetch + coalesce(d.prefetch, 0), (
      select count(distinct c.visitor) from public.clicks c
      where c.code = p_code and c.at >= b.starts and c.at < b.ends and c.verdict = 'human'),
    private.click_groups(p_code, b.starts, b.ends, 'platform', 10), private.click_groups(p_code, b.starts, b.ends, 'country', 300),
    private.click_groups(p_code, b.starts, b.ends, 'referrer', 50), private.click_groups(p_code, b.starts, b.ends, 'target', 10),
    n.own + coalesce(d.own, 0), private.click_groups(p_code, b.starts, b.ends, 'rule', 100), private.click_groups(p_code, b.starts, b.ends, 'source', 2)
  from (
    select n.day, sum(n.human)::bigint as human, sum(n.bot)::bigint as bot, sum(n.preview)::bigint as preview,
      sum(n.prefetch)::bigint as prefetch, sum(n.own)::bigint as own
    from public.click_counts n where n.code = p_code and n.day between p_from and p_to group by n.day) n
  left join public.click_days d on d.code = p_code and d.day = n.day
  cross join lateral (
    select n.day::timestamp at time zone private.team_zone() as starts, (n.day + 1)::timestamp at time zone private.team_zone() as ends) b
$function$;
grant execute on function private.link_days(p_code text, p_from date, p_to date) to service_role;

-- A link's days with clicks in a zone, first and last included, as far back as clicks are kept. A visitor whose hash
-- changes within such a day, at midnight of the team's zone, counts twice.
CREATE OR REPLACE FUNCTION private.link_days_in(p_code text, p_from date, p_to date, p_zone text)
 RETURNS TABLE(day date, human bigint, bot bigint, preview bigint, prefetch bigint, visitors bigint, platforms jsonb, countries jsonb, referrers jsonb, targets jsonb, own bigint, rules jsonb, sources jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select n.day, n.human, n.bot, n.preview, n.prefetch, n.visitors,
    private.click_groups(p_code, b.starts, b.ends, 'platform', 10), private.click_groups(p_code, b.starts, b.ends, 'country', 300),
    private.click_groups(p_code, b.starts, b.ends, 'referrer', 50), private.click_groups(p_code, b.starts, b.ends, 'target', 10),
    n.own, private.click_groups(p_code, b.starts, b.ends, 'rule', 100), private.click_groups(p_code, b.starts, b.ends, 'source', 2)
  from (
    select (c.at at time zone p_zone)::date as day,
      coalesce(sum(c.visits) filter (where c.verdict = 'human'), 0)::bigint as human,
      coalesce(sum(c.visits) filter (where c.verdict = 'bot'), 0)::bigint as bot,
      coalesce(sum(c.visits) filter (where c.verdict = 'preview'), 0)::bigint as preview,
      coalesce(sum(c.visits) filter (where c.verdict = 'prefetch'), 0)::bigint as prefetch,
      coalesce(sum(c.visits) filter (where c.verdict = 'own'), 0)::bigint as own,
      count(distinct c.visitor) filter (where c.verdict = 'human') as visitors
    from public.clicks c
    where c.code = p_code and c.at >= p_from::timestamp at time zone p_zone and c.at < (p_to + 1)::timestamp at time zone p_zone
    group by 1) n
  cross join lateral (
    select n.day::timestamp at time zone p_zone as starts, (n.day + 1)::timestamp at time zone p_zone as ends) b
$function$;
grant execute on function private.link_days_in(p_code text, p_from date, p_to date, p_zone text) to service_role;

-- What is known about each of some links to be made: {status, code | error, password_hash}, null for one that can be
-- made now. p_made: the codes of those made so far, by place.
CREATE OR REPLACE FUNCTION private.link_outcomes(p_links jsonb, p_made text[])
 RETURNS TABLE(ord bigint, outcome jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select g.ord, case
    when p_made[g.ord] is not null then jsonb_build_object('status', 201, 'code', p_made[g.ord])
    -- The same external id: the same link, if it was the same request. Whether it was the same password only who knows
    -- the password can tell.
    when e.code is not null and e.request_hash = g.item ->> 'request_hash' then jsonb_build_object('status', 200, 'code', e.code)
      || case when g.item ? 'password_hash' then jsonb_build_object('password_hash', (
        select p.hash from private.link_passwords p where p.code = e.code)) else '{}' end
    when e.code is not null then jsonb_build_object('status', 409, 'error', 'external_id_taken')
    when g.item ->> 'code' = any (private.reserved_link_codes()) then jsonb_build_object('status', 422, 'error', 'code_reserved')
    when c.code is not null then jsonb_build_object('status', 409, 'error', 'code_taken')
    end
  from jsonb_array_elements(p_links) with ordinality as g (item, ord)
  left join public.links e on e.external_id = g.item ->> 'external_id' and e.state <> 'deleted'
  left join public.links c on c.code = (g.item ->> 'code') collate "C"
$function$;
grant execute on function private.link_outcomes(p_links jsonb, p_made text[]) to service_role;

-- Trigger, after insert of rollback_events: links a way back that worked with open incidents of its flag, and with
-- the one that its reason names.
CREATE OR REPLACE FUNCTION private.link_rollback()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents;
begin
  begin
  for v_incident in
    update public.incidents i set rollback_id = new.id, version = i.version + 1
    where i.status <> 'resolved' and i.rollback_id is null and new.ok
      and (new.level in (1, 2) and i.flag_key in (new.target, new.target || '.enabled') or new.reason ~ format('\mincident #?%s\M', i.number))
    returning i.*
  loop
    perform private.write_incident(v_incident, 'taken_back', new.recorded_at, null,
      jsonb_build_object('rollback_id', jsonb_build_object('from', null, 'to', new.id), 'level', new.level));
    perform private.notify_incident(v_incident, 'incident_taken_back',
      format('Way back %s was taken (%s), and verified.', new.level, new.target), new.recorded_at);
  end loop;
  exception when others then
    -- That a way back was taken is written down whatever becomes of the incident.
    raise warning 'the way back % could not be linked with an incident: %', new.id, sqlerrm;
  end;
  return null;
end $function$;

-- A link as its owners see it; of a password only whether there is one.
CREATE OR REPLACE FUNCTION private.link_view(p_link links)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_strip_nulls(to_jsonb(p_link) - array['request_hash', 'taken', 'changed_in', 'campaign', 'member_versions'])
    || jsonb_build_object('password', exists (select from private.link_passwords p where p.code = p_link.code))
$function$;
grant execute on function private.link_view(p_link links) to service_role;

-- ln(n!), by Stirling's series beyond 20.
CREATE OR REPLACE FUNCTION private.ln_factorial(p_n bigint)
 RETURNS double precision
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  v_product double precision := 1;
  n double precision := p_n;
begin
  if p_n <= 20 then
    for i in 2..p_n loop
      v_product := v_product * i;
    end loop;
    return ln(v_product);
  end if;
  return (n + 0.5::double precision) * ln(n) - n + 0.9189385332046727::double precision
    + 1 / (12 * n) - 1 / (360 * n * n * n);
end $function$;

-- Lets one transaction at a time create, change or merge contacts. Messages from known people do not need it.
CREATE OR REPLACE FUNCTION private.lock_contacts()
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select pg_advisory_xact_lock(hashtext('gatelink.contacts'))
$function$;
grant execute on function private.lock_contacts() to service_role;

-- Transactions that have held a lock on one of these tables for half a second or more and are not waiting themselves,
-- oldest first: [{pid, role, state, seconds, statement}]. The statement is abbreviated, without values. Security
-- definer, because few roles may see other roles' sessions in pg_stat_activity.
CREATE OR REPLACE FUNCTION private.lock_holders(p_relations text[])
 RETURNS jsonb
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('pid', h.pid, 'role', a.usename, 'state', a.state,
    'seconds', floor(extract(epoch from clock_timestamp() - a.xact_start))::integer,
    'statement', private.statement_in_brief(a.query)) order by a.xact_start, h.pid), '[]')
  from (
    select distinct l.pid from pg_catalog.pg_locks l
    where l.granted and l.locktype = 'relation' and l.mode <> 'AccessShareLock' and l.pid <> pg_backend_pid()
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and l.relation in (select to_regclass(t.name)::oid from unnest(p_relations) as t (name))
  ) h
  left join pg_catalog.pg_stat_activity a on a.pid = h.pid
  where cardinality(pg_blocking_pids(h.pid)) = 0
    and coalesce(a.xact_start < clock_timestamp() - interval '0.5 seconds', true)
$function$;

-- Locks the lanes of these deliveries in the common order, and ends expired leases on them.
CREATE OR REPLACE FUNCTION private.lock_lanes(p_ids uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform from private.delivery_lanes l
  join public.deliveries d on d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
  where d.id = any (p_ids) order by l.destination_id, l.conversation_id for update of l;
  -- The holder of an expired lease has died. A paused destination is not claimed, so nobody else would end the lease.
  with over as (
    update private.delivery_lanes l set lease = null
    from public.deliveries d
    where d.id = any (p_ids) and d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and l.lease is not null and l.due_at <= now()
    returning l.destination_id, l.conversation_id
  )
  update public.deliveries d set state = 'pending'
  from over where d.destination_id = over.destination_id and d.conversation_id = over.conversation_id and d.state = 'leased';
end $function$;
grant execute on function private.lock_lanes(p_ids uuid[]) to service_role;

-- Writes an event of a rollout as it now stands, and tells those who want to know.
CREATE OR REPLACE FUNCTION private.log_rollout(p_rollout rollouts, p_at timestamp with time zone, p_kind text, p_figures jsonb DEFAULT '{}'::jsonb, p_verdict text DEFAULT NULL::text, p_rule text DEFAULT NULL::text, p_evidence jsonb DEFAULT NULL::jsonb, p_reason text DEFAULT NULL::text, p_tell boolean DEFAULT true)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_event public.rollout_events;
begin
  insert into public.rollout_events (rollout_id, at, kind, stage, verdict, rule, figures, evidence, rollout_version, setting_version, reason)
  values (p_rollout.id, p_at, p_kind, p_rollout.stage, p_verdict, p_rule, p_figures, p_evidence, p_rollout.version,
    p_rollout.setting_version, private.given_reason(p_reason))
  returning * into v_event;
  if p_tell then
    perform private.notify(v_event);
  end if;
end $function$;

-- Creates deliveries and wakes their lanes; claims those that may start at once within the caller's places {limit,
-- free, lease_seconds, busy, channels}. The caller holds the conversations' locks.
CREATE OR REPLACE FUNCTION private.make_deliveries(p_new private.new_delivery[], p_claim jsonb, p_now timestamp with time zone)
 RETURNS private.claim
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_claim private.claim;
  v_open jsonb := case when p_claim is null then '{}' else private.open_places(p_new, p_claim) end;
  v_lease_end timestamptz := p_now + make_interval(secs => coalesce((p_claim ->> 'lease_seconds')::integer, 0));
begin
  with lanes as (
    select n.destination_id, n.conversation_id, n.channel, min(n.seq) as first,
      row_number() over (partition by n.destination_id order by min(n.seq)) <= coalesce((v_open ->> n.destination_id::text)::integer, 0)
        and p_claim -> 'channels' ? n.channel as begins
    from unnest(p_new) n group by n.destination_id, n.conversation_id, n.channel
  ), woken as (
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at, lease)
    select n.destination_id, n.conversation_id, n.channel, case when n.begins then v_lease_end else p_now end,
      case when n.begins then gen_random_uuid() end
    from lanes n order by n.destination_id, n.conversation_id
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at, lease = excluded.lease where l.due_at is null
    returning destination_id, conversation_id, lease
  ), made as (
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, created_at, updated_at)
    select n.message_id, n.destination_id, n.conversation_id, n.seq,
      case when w.lease is not null then 'leased' else 'pending' end, (w.lease is not null)::integer, p_now, p_now, p_now
    from unnest(p_new) n
    join lanes f on f.destination_id = n.destination_id and f.conversation_id = n.conversation_id
    left join woken w on w.destination_id = n.destination_id and w.conversation_id = n.conversation_id and n.seq = f.first
    order by n.seq
    returning id, destination_id, conversation_id, state
  )
  select array_agg(m.id), array_agg(w.lease) into v_claim.delivery_ids, v_claim.leases
  from made m join woken w on w.destination_id = m.destination_id and w.conversation_id = m.conversation_id
  where m.state = 'leased';
  return v_claim;
end $function$;
grant execute on function private.make_deliveries(p_new private.new_delivery[], p_claim jsonb, p_now timestamp with time zone) to service_role;

-- Creates the contacts of updates whose ids nobody has and no other update of the batch combines differently.
CREATE OR REPLACE FUNCTION private.make_newcomers(p_updates private.inbound_update[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  with people as (
    select private.uuid_v7() as id, u.channel, u.identities, min(u.sender_id) as sender_id, coalesce(min(u.at), now()) as at,
      (array_agg(u.name order by u.ord desc) filter (where u.name is not null))[1] as name
    from unnest(p_updates) u
    group by u.channel, u.identities
  ), ids as (
    select p.id, p.channel, k.kind, k.value, k.spellings, k.previous, p.sender_id, p.at,
      count(*) over (partition by p.channel, k.kind, k.spellings[1]) as claims
    from people p
    cross join lateral (
      select i.kind, i.value, private.spellings(i.kind, i.value) as spellings, false as previous
      from unnest(p.identities) i where i.value is not null
      union all
      select i.kind, i.previous, private.spellings(i.kind, i.previous), true from unnest(p.identities) i where i.previous is not null) k
  ), plain as (
    select ids.id from ids
    left join lateral (
      select k.id from unnest(ids.spellings) as s (value)
      cross join lateral (
        select k.id from public.contact_identities k
        where k.channel = ids.channel and k.kind = ids.kind and k.value = s.value and k.valid_to is null limit 1) k
      limit 1) i on true
    group by ids.id
    having max(ids.claims) = 1 and not bool_or(ids.previous) and count(i.id) = 0
  ), made as (
    insert into public.contacts (id, channel, name)
    select p.id, p.channel, p.name from people p join plain on plain.id = p.id
  )
  insert into public.contact_identities (contact_id, channel, kind, value, sender_id, valid_from)
  select ids.id, ids.channel, ids.kind, ids.value, ids.sender_id, least(ids.at, now()) from ids join plain on plain.id = ids.id;
end $function$;
grant execute on function private.make_newcomers(p_updates private.inbound_update[]) to service_role;

-- Trigger, before an update: sets changed_in where anything but uses and taken becomes another, and member_versions
-- of what does.
CREATE OR REPLACE FUNCTION private.mark_link_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_before public.links := old;
begin
  v_before.uses := new.uses;
  v_before.taken := new.taken;
  v_before.campaign := new.campaign;
  if v_before is distinct from new then
    new.changed_in := pg_current_xact_id();
    new.member_versions := new.member_versions || (
      select coalesce(jsonb_object_agg(n.key, new.version), '{}')
      from jsonb_each(to_jsonb(new)) n
      join private.link_columns() c on c.name = quote_ident(n.key)
      where n.value is distinct from to_jsonb(old) -> n.key);
  end if;
  return new;
end $function$;

-- Whether private.require_role would let the caller through: for functions that give a higher role more.
CREATE OR REPLACE FUNCTION private.may(p_role text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select private.caller() = current_user or pg_has_role(private.caller(), 'service_role', 'usage')
    or (private.caller() = 'authenticated' and private.has_role(p_role))
$function$;
grant execute on function private.may(p_role text) to service_role;

-- Whether a text may name a person.
CREATE OR REPLACE FUNCTION private.mentions(p_text text, p_person private.person)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return p_text ~* p_person.words or private.holds(p_text, p_person.subjects);
end $function$;

-- Merges two contacts that are one person: identities, conversations, messages and queues of the other move to the
-- kept one; the other stays as a row that points to it.
CREATE OR REPLACE FUNCTION private.merge_contacts(p_keep uuid, p_other uuid, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_pair record;
  v_undecided bigint;
begin
  -- The other's current ids move over, except for kinds of which the kept contact has a current one. Ids scoped to
  -- different customers, and spellings of one number, coexist.
  update public.contact_identities i
  set valid_to = case when k.value = any (private.spellings(i.kind, i.value)) then null else greatest(p_at, i.valid_from) end,
    dialled = i.kind = 'phone'
  from public.contact_identities k
  where i.contact_id = p_other and i.valid_to is null and not private.is_scoped(i.kind)
    and k.contact_id = p_keep and k.channel = i.channel and k.kind = i.kind and k.valid_to is null and not k.dialled;
  update public.contact_identities set contact_id = p_keep where contact_id = p_other;

  -- Locks in the common order: conversations, lanes, then messages.
  perform from public.conversations where contact_id in (p_keep, p_other) order by id for update;
  perform from private.delivery_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.destination_id, l.conversation_id for update;
  perform from private.outbound_lanes l
  where l.conversation_id in (select c.id from public.conversations c where c.contact_id in (p_keep, p_other))
  order by l.conversation_id for update;
  for v_pair in
    select o.id as other_id, k.id as keep_id, o.routed_seq, o.unrouted_since, o.last_inbound_at, o.last_message_at, o.opted_out_at, o.opt_told_at
    from public.conversations o
    left join public.conversations k on k.contact_id = p_keep and k.channel = o.channel and k.number_id = o.number_id
    where o.contact_id = p_other
  loop
    if v_pair.keep_id is null then
      update public.conversations set contact_id = p_keep where id = v_pair.other_id;
      continue;
    end if;
    -- What is decided stays decided, even if the decision has been purged since.
    select min(m.seq) into v_undecided
    from public.conversations c join public.messages m on m.conversation_id = c.id and m.seq > c.routed_seq
    where c.id in (v_pair.keep_id, v_pair.other_id) and m.direction = 'in'
      and not exists (select from public.routing_decisions d where d.message_id = m.id);
    update public.deliveries d set conversation_id = v_pair.keep_id
    from public.messages m where m.conversation_id = v_pair.other_id and d.message_id = m.id;
    update public.messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    update public.outbound_messages set conversation_id = v_pair.keep_id where conversation_id = v_pair.other_id;
    -- The other's lanes wake the kept ones. A lease on either is broken, so that no two workers share a lane: its
    -- attempt is fenced off and repeated under the same webhook-id. Empty lanes move without being woken: deliveries
    -- that were given up there may be retried.
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at)
    select destination_id, v_pair.keep_id, channel, case when due_at is not null then p_at end from private.delivery_lanes
    where conversation_id = v_pair.other_id
    on conflict (destination_id, conversation_id) do update
      set due_at = excluded.due_at, lease = null where excluded.due_at is not null;
    delete from private.delivery_lanes where conversation_id = v_pair.other_id;
    insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at, pair_tat, waits_for, waits_until)
    select v_pair.keep_id, channel, number_id, greatest(p_at, waits_until), pair_tat, waits_for, waits_until
    from private.outbound_lanes where conversation_id = v_pair.other_id
    on conflict (conversation_id) do update
      set due_at = greatest(excluded.due_at, l.waits_until), lease = null, pair_tat = greatest(l.pair_tat, excluded.pair_tat),
        waits_for = coalesce(l.waits_for, excluded.waits_for), waits_until = greatest(l.waits_until, excluded.waits_until);
    delete from private.outbound_lanes where conversation_id = v_pair.other_id;
    update public.conversations
    set unrouted_since = least(unrouted_since, v_pair.unrouted_since),
      held_revision = null,
      last_inbound_at = greatest(last_inbound_at, v_pair.last_inbound_at),
      last_message_at = greatest(last_message_at, v_pair.last_message_at),
      opted_out_at = case when opt_told_at is null then coalesce(v_pair.opted_out_at, opted_out_at)
        when v_pair.opt_told_at > opt_told_at then v_pair.opted_out_at
        when v_pair.opt_told_at = opt_told_at then greatest(opted_out_at, v_pair.opted_out_at) else opted_out_at end,
      opt_told_at = greatest(opt_told_at, v_pair.opt_told_at),
      routed_seq = coalesce(v_undecided - 1, greatest(routed_seq, v_pair.routed_seq))
    where id = v_pair.keep_id;
    delete from public.conversations where id = v_pair.other_id;
  end loop;
  update public.contacts set merged_into = p_keep, updated_at = p_at where id = p_other or merged_into = p_other;
end $function$;
grant execute on function private.merge_contacts(p_keep uuid, p_other uuid, p_at timestamp with time zone) to service_role;

-- Replaces each contact, in its place, by the one it was merged into.
CREATE OR REPLACE FUNCTION private.merged(p_contacts uuid[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return array(
    select (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = found.id)
    from unnest(p_contacts) with ordinality as found (id, place) order by found.place);
end $function$;
grant execute on function private.merged(p_contacts uuid[]) to service_role;

-- Whether nothing is left to be done with a message.
CREATE OR REPLACE FUNCTION private.message_is_done(p_message messages)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
begin
  return not exists (
      select from public.deliveries d where d.message_id = p_message.id
        and (d.state in ('pending', 'leased') or d.state = 'dead' and d.dropped_reason is null))
    and not exists (
      select from public.outbound_messages o where o.message_id = p_message.id and o.state in ('queued', 'leased'))
    and (p_message.direction = 'out' or exists (
      select from public.conversations c where c.id = p_message.conversation_id and p_message.seq <= c.routed_seq));
end $function$;

-- Where a message came from, {link, attribution}; link is null for an ad. Null when nothing is known.
CREATE OR REPLACE FUNCTION private.message_link(p_message_id uuid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'link', (
      select jsonb_strip_nulls(jsonb_build_object('code', l.code, 'external_id', l.external_id, 'tags', l.tags,
        'campaign', l.campaign, 'utm', l.utm))
      from public.links l where l.code = a.code),
    'attribution', jsonb_strip_nulls(jsonb_build_object('confidence', a.confidence, 'reason', a.reason,
      'first_touch', a.first_touch, 'clicked_at', a.clicked_at, 'user_id', a.user_id, 'token', a.token,
      'ctwa_clid', a.ctwa_clid)))
  from public.attributions a where a.message_id = p_message_id
$function$;
grant execute on function private.message_link(p_message_id uuid) to service_role;

-- A message of this contact as people see it in its conversation, by our id alone; its words only with p_words.
CREATE OR REPLACE FUNCTION private.message_view(p_message messages, p_contact_id uuid, p_words boolean)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('id', p_message.id, 'seq', p_message.seq, 'direction', p_message.direction,
    'type', p_message.type,
    'text', case when p_words then p_message.text end, 'choice', case when p_words then p_message.choice end,
    'status', p_message.status, 'status_at', p_message.status_at,
    'error', private.error_view(p_message.error, p_contact_id, p_words),
    'sent_at', p_message.sent_at, 'created_at', p_message.created_at,
    'link', (select a.code from public.attributions a where a.message_id = p_message.id),
    'route', (
      select jsonb_build_object('name', r.route_name, 'reason', r.reason)
      from public.routing_decisions r where r.message_id = p_message.id),
    'deliveries', private.deliveries_view(p_message.id))
$function$;
grant execute on function private.message_view(p_message messages, p_contact_id uuid, p_words boolean) to service_role;

-- In how many minutes the guard rolls back, usually, when p_failing of p_on outcomes a minute fail with the flag and
-- p_normal of p_off without it; null for never.
CREATE OR REPLACE FUNCTION private.minutes_to_catch(p_on double precision, p_off double precision, p_normal double precision, p_limit double precision, p_failing double precision)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  -- With a control blame waits for as long as the control may be late: see aged() in series.ts.
  select case when m.drift <= 0 then null
    when p_off = 0 then ceil(10.819778 / m.drift)
    when greatest(6.907755, 3.688879 + 5 * m.drift) < 12.407755 and 6.907755 / m.drift <= 15
      then ceil(greatest(6.907755 / m.drift, 3.688879 / m.drift + 5))
    else ceil(10.819778 / m.drift + 5) end::integer + 2
  from (select max(d.drift) as drift from (
    select case when p_off * 20 >= p_on and p_off > 0
      then p_on * p_failing * ln(a.r) + (p_on * p_failing + p_off * p_normal) * ln((p_on + p_off) / (a.r * p_on + p_off))
      else p_on * (p_failing * ln(a.capped) + (1 - p_failing) * ln((1 - a.capped * p_limit) / (1 - p_limit))) end as drift
    from (
      select r, least(r, 0.95::double precision / p_limit) as capped from unnest(array[1.5, 2, 3, 5, 10]::double precision[]) r
    ) a
  ) d) m
$function$;

-- MurmurHash3 x86 32-bit, as an unsigned number (0 to 2^32 - 1).
CREATE OR REPLACE FUNCTION private.murmur3_32(p_bytes bytea, p_seed bigint DEFAULT 0)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO ''
AS $function$
declare
  v_length int := octet_length(p_bytes);
  v_tail int := v_length & 3;
  h bigint := p_seed & 4294967295;
  k bigint;
  i int := 0;
begin
  while i < v_length - v_tail loop
    k := get_byte(p_bytes, i) | (get_byte(p_bytes, i + 1) << 8) | (get_byte(p_bytes, i + 2) << 16)
      | (get_byte(p_bytes, i + 3)::bigint << 24);
    k := (((k & 65535) * 3432918353 + (((k >> 16) * 3432918353 & 65535) << 16)) & 4294967295);
    k := ((k << 15) | (k >> 17)) & 4294967295;
    h := h # (((k & 65535) * 461845907 + (((k >> 16) * 461845907 & 65535) << 16)) & 4294967295);
    h := ((((h << 13) | (h >> 19)) & 4294967295) * 5 + 3864292196) & 4294967295;
    i := i + 4;
  end loop;
  if v_tail > 0 then
    k := get_byte(p_bytes, i);
    if v_tail > 1 then k := k | (get_byte(p_bytes, i + 1) << 8); end if;
    if v_tail > 2 then k := k | (get_byte(p_bytes, i + 2) << 16); end if;
    k := (((k & 65535) * 3432918353 + (((k >> 16) * 3432918353 & 65535) << 16)) & 4294967295);
    k := ((k << 15) | (k >> 17)) & 4294967295;
    h := h # (((k & 65535) * 461845907 + (((k >> 16) * 461845907 & 65535) << 16)) & 4294967295);
  end if;
  h := h # v_length;
  h := h # (h >> 16);
  h := (((h & 65535) * 2246822507 + (((h >> 16) * 2246822507 & 65535) << 16)) & 4294967295);
  h := h # (h >> 13);
  h := (((h & 65535) * 3266489909 + (((h >> 16) * 3266489909 & 65535) << 16)) & 4294967295);
  return h # (h >> 16);
end $function$;
grant execute on function private.murmur3_32(p_bytes bytea, p_seed bigint) to service_role;

-- A random code of 8 characters without look-alikes, from the server's strong random source. It may be taken: the
-- caller looks.
CREATE OR REPLACE FUNCTION private.new_link_code()
 RETURNS text
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select string_agg(
    substr('23456789abcdefghjkmnpqrstuvwxyz', (get_byte(r.bytes, 2 * i) * 256 + get_byte(r.bytes, 2 * i + 1)) % 31 + 1, 1),
    '')
  from (select sha256(uuid_send(gen_random_uuid())) as bytes) r, generate_series(0, 7) i
$function$;
grant execute on function private.new_link_code() to service_role;

-- A Standard Webhooks secret: 32 bytes, 244 of their bits from the server's strong random source.
CREATE OR REPLACE FUNCTION private.new_webhook_secret()
 RETURNS text
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  select 'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64')
$function$;
grant execute on function private.new_webhook_secret() to service_role;

-- Milliseconds until the next lane of these channels is due or a lease expires; null for none.
CREATE OR REPLACE FUNCTION private.next_delivery_ms(p_channels text[], p_now timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select ceil(extract(epoch from min(next.due_at) - p_now) * 1000)::bigint
    from public.destinations d
    cross join unnest(p_channels) as on_channel (name)
    cross join lateral (
      select greatest(lane.due_at, d.circuit_open_until, case when d.rate_per_second is not null
        then d.rate_tat - make_interval(secs => ((d.rate_burst - 1) / d.rate_per_second)::double precision) end) as due_at
      from (select private.lane_due_at(d.id, on_channel.name) as due_at) lane
      where lane.due_at is not null
    ) next
    where d.state = 'active');
end $function$;
grant execute on function private.next_delivery_ms(p_channels text[], p_now timestamp with time zone) to service_role;

-- When somebody else is called: the next step, after the last one again and again; null where nobody is.
CREATE OR REPLACE FUNCTION private.next_escalation(p_incident incidents, p_now timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select case when p_incident.acknowledged_at is not null or p_incident.status = 'resolved' or s.steps = 0 then null
    when p_incident.escalated < s.steps then p_incident.escalates_from + make_interval(mins => s.after[p_incident.escalated + 1])
    else p_now + make_interval(mins => v.repeat_minutes) end
  from private.incident_severities() v
  cross join lateral (
    select count(*) as steps, array_agg(e.after_minutes order by e.after_minutes) as after
    from public.escalation_steps e where e.severity = v.severity) s
  where v.severity = p_incident.severity
$function$;

-- Takes a rollout whose row the caller has locked to its next stage, or completes it after the last. One that is
-- paused stays paused.
CREATE OR REPLACE FUNCTION private.next_stage(p_rollout rollouts, p_now timestamp with time zone, p_evidence jsonb, p_verdict text, p_rule text, p_reason text)
 RETURNS rollouts
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_stage public.rollout_stages;
begin
  if exists (select from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage + 1) then
    v_rollout := private.enter_stage(p_rollout, p_rollout.stage + 1, p_now);
    -- Somebody paused it and somebody moves it on by hand: that is no leave for the guard to go on by itself.
    if p_rollout.state = 'paused' then
      update public.rollouts r set state = 'paused', hold_reason = 'paused' where r.id = p_rollout.id returning r.* into v_rollout;
    end if;
    v_stage := private.rollout_stage(v_rollout);
    perform private.log_rollout(v_rollout, p_now, 'advanced', private.stage_figures(v_stage)
      || jsonb_build_object('paused', v_rollout.state = 'paused'), p_verdict, p_rule, p_evidence, p_reason);
  else
    v_rollout := private.end_rollout(p_rollout, 'completed', p_now);
    perform private.log_rollout(v_rollout, p_now, 'completed', '{}', p_verdict, p_rule, p_evidence, p_reason);
  end if;
  return v_rollout;
end $function$;

-- Whether a notification, or a post to Statuspage, has become due within ten minutes. For the clock.
CREATE OR REPLACE FUNCTION private.notifications_are_due(p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.notifications n
    where n.state in ('pending', 'leased') and n.next_attempt_at <= p_now
      and n.next_attempt_at > p_now - interval '10 minutes')
    or private.status_posts_are_due(p_now)
$function$;
grant execute on function private.notifications_are_due(p_now timestamp with time zone) to service_role;

-- Queues an event of a rollout for everybody who wants to be told of its kind.
CREATE OR REPLACE FUNCTION private.notify(p_event rollout_events)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into public.notifications (endpoint_id, event_id, next_attempt_at, payload)
  select e.id, p_event.id, p_event.at, jsonb_build_object('kind', p_event.kind, 'at', p_event.at, 'event_id', p_event.id,
    'rollout_id', r.id, 'flag', r.flag_key, 'plan', r.plan, 'state', r.state,
    'stage', case when s.position is not null then
      jsonb_build_object('position', s.position, 'name', s.name, 'percentage', s.percentage) end,
    'verdict', p_event.verdict, 'rule', p_event.rule, 'figures', p_event.figures, 'actor', p_event.actor,
    'reason', p_event.reason)
  from public.rollouts r
  cross join public.notification_endpoints e
  left join public.rollout_stages s on s.rollout_id = r.id and s.position = p_event.stage
  where r.id = p_event.rollout_id and e.state = 'active' and p_event.kind = any (e.events)
$function$;

-- Queues how a part of health does, failing or recovered, for everybody who wants to be told, and says for how many.
CREATE OR REPLACE FUNCTION private.notify(p_kind text, p_part jsonb, p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', p_kind, 'at', p_now, 'part',
    jsonb_build_object('component', p_part -> 'component', 'status', p_part -> 'status', 'because', p_part -> 'because', 'figures', p_part -> 'figures'))
  from public.notification_endpoints e
  where e.state = 'active' and p_kind = any (e.events);
  get diagnostics v_count = row_count;
  return v_count;
end $function$;
grant execute on function private.notify(p_kind text, p_part jsonb, p_now timestamp with time zone) to service_role;

-- Queues a step of an incident for everybody who wants to be told of its kind, or for one endpoint, and says for how
-- many. A way back that was taken counts as an update.
CREATE OR REPLACE FUNCTION private.notify_incident(p_incident incidents, p_kind text, p_text text, p_at timestamp with time zone, p_role text DEFAULT NULL::text, p_endpoint_id uuid DEFAULT NULL::uuid)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_at, jsonb_build_object('kind', p_kind, 'at', p_at, 'text', p_text, 'role', p_role,
    'incident', jsonb_build_object('number', p_incident.number, 'title', p_incident.title, 'kind', p_incident.kind,
      'severity', p_incident.severity, 'status', p_incident.status, 'flag_key', p_incident.flag_key, 'component', p_incident.component,
      'opened_at', p_incident.opened_at),
    'template', (
      select s.value from public.settings s
      where s.key = case p_kind when 'incident_escalated' then 'incident_template.escalation'
        when 'incident_taken_back' then 'incident_template.rollback_notice' else 'incident_template.incident_channel' end))
  from public.notification_endpoints e
  where e.state = 'active'
    and (e.id = p_endpoint_id or (p_endpoint_id is null and case p_kind when 'incident_taken_back' then 'incident_updated' else p_kind end = any (e.events)));
  get diagnostics v_count = row_count;
  return v_count;
end $function$;

-- Whether a JSON value is an object with no other members than these.
CREATE OR REPLACE FUNCTION private.object_keys_within(p_value jsonb, p_keys text[])
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_typeof(p_value) = 'object' and p_value - p_keys = '{}', false)
$function$;

-- Whether a flag may be on for anybody at all: what it holds back for everybody is not taken, the queues of a channel
-- for one. As onForAnybody in _shared/flags/evaluate.ts, it asks no prerequisites.
CREATE OR REPLACE FUNCTION private.on_for_anybody(p_key text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.settings s
    where s.key = p_key and s.value = 'true' and (
      case when s.metadata ? 'rollout_percentage' then round((s.metadata ->> 'rollout_percentage')::numeric * 100) > 0
        else not s.metadata ?| array['target_user_ids', 'target_segments'] end
      or jsonb_array_length(s.metadata -> 'target_user_ids') > 0
      or exists (
        select from jsonb_array_elements_text(s.metadata -> 'target_segments') as segment (key)
        -- One look into the index for each, however long the planner guesses the list, and full the segment, to be: with "="
        -- the order would be one of subject_id alone, which another index has, and it would read everybody.
        cross join lateral (
          select m.segment_key from public.segment_members m where m.segment_key >= segment.key order by m.segment_key limit 1) member
        where member.segment_key = segment.key)))
$function$;
grant execute on function private.on_for_anybody(p_key text) to service_role;

-- Whether a flag is on whoever is asked about, so that nobody need be; false where it has prerequisites, which are on
-- or off for each.
CREATE OR REPLACE FUNCTION private.on_for_everybody(p_key text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.settings s
    where s.key = p_key and s.value = 'true' and not s.metadata ? 'prerequisites'
      and case when s.metadata ? 'rollout_percentage' then round((s.metadata ->> 'rollout_percentage')::numeric * 100) = 10000
        else not s.metadata ?| array['target_user_ids', 'target_segments'] end)
$function$;
grant execute on function private.on_for_everybody(p_key text) to service_role;

-- What of our schemas strangers could reach: {without_rls, open_to_anon, policies_for_anon}, each a list of names;
-- all empty where nothing is.
CREATE OR REPLACE FUNCTION private.open_doors()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'without_rls', (
      select coalesce(jsonb_agg(c.oid::regclass::text order by 1), '[]')
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relrowsecurity),
    'open_to_anon', (
      select coalesce(jsonb_agg(name order by name), '[]') from (
        select c.oid::regclass::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
          and has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate')
          and not c.relrowsecurity
        union all
        select p.oid::regprocedure::text
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('public', 'private') and has_function_privilege('anon', p.oid, 'execute')
          and not exists (
            select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')) x),
    'policies_for_anon', (
      select coalesce(jsonb_agg(format('%I on %s', p.polname, p.polrelid::regclass) order by 1), '[]')
      from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'private')
        and (0::oid = any (p.polroles) or (select r.oid from pg_catalog.pg_roles r where r.rolname = 'anon') = any (p.polroles))))
$function$;

-- Trigger, after insert of rollout_events: opens an incident where the guard rolled back, P0 where more than 5 %
-- failed, else P1; once a rollout.
CREATE OR REPLACE FUNCTION private.open_for_rollback()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_flag text;
  v_rate double precision;
  v_slow boolean := new.rule like 'p95%' or new.rule = 'mean_plain';
begin
  select r.flag_key into v_flag from public.rollouts r where r.id = new.rollout_id;
  select sum(m.failed)::double precision / nullif(sum(m.n), 0) into v_rate from public.flag_metrics m
  where m.flag_key = v_flag and m.arm = 'on' and m.minute > new.at - interval '15 minutes';
  perform private.open_incident(
    format('%s was taken back by the guard: %s', v_flag, case when v_slow then 'it became slow' when new.rule = 'complaints' then 'people complained'
      when new.rule = 'guardrail' then format('%s fell', new.figures ->> 'metric') else 'too many failed' end),
    case when v_slow then 'performance' when new.rule = 'complaints' then 'complaints' when new.rule = 'guardrail' then 'other' else 'error_rate' end,
    case when not v_slow and v_rate > 0.05 then 'P0' else 'P1' end,
    v_flag, null, false, format('rollout:%s', new.rollout_id), null, null, new.rollout_id, new.at);
  return null;
exception when others then
  -- The flag is off, and that stands: the incident is told, the rollback is told as well.
  raise warning 'no incident could be opened for rollout %: % (%)', new.rollout_id, sqlerrm, sqlstate;
  return null;
end $function$;

-- Opens an incident: writes it down, tells of it, takes the rollout of its flag back where it is severe, and
-- escalates at once on the first day after a launch. Null where an incident of this cause is open.
CREATE OR REPLACE FUNCTION private.open_incident(p_title text, p_kind text, p_severity text, p_flag_key text, p_component text, p_public boolean, p_cause text, p_text text, p_public_text text, p_rollout_id uuid, p_now timestamp with time zone)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents;
  v_kind text := coalesce(p_kind, 'other');
  v_first integer;
begin
  -- Asked first, for each number that an insert takes is gone.
  if exists (select from public.incidents i where i.cause = p_cause and i.status <> 'resolved') then
    return null;
  end if;
  insert into public.incidents (title, kind, severity, status, flag_key, component, public, cause, rollout_id, opened_at, escalates_from)
  values (btrim(p_title), v_kind,
    coalesce(p_severity, (select k.severity from private.incident_kinds() k where k.kind = v_kind), 'P2'),
    case when p_rollout_id is null then 'investigating' else 'identified' end,
    p_flag_key, p_component, p_public, p_cause, p_rollout_id, p_now, p_now)
  on conflict (cause) where status <> 'resolved' do nothing
  returning * into v_incident;
  if v_incident.id is null then
    return null;
  end if;
  -- The first day after a launch nobody waits for the first step.
  if private.just_launched(p_now, p_flag_key) then
    select min(e.after_minutes) into v_first from public.escalation_steps e where e.severity = v_incident.severity;
    v_incident.escalates_from := p_now - make_interval(mins => coalesce(v_first, 0));
  end if;
  update public.incidents i
  set escalates_from = v_incident.escalates_from, escalate_at = private.next_escalation(v_incident, p_now)
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'opened', p_now, p_text);
  if p_public then
    perform private.write_incident(v_incident, 'published', p_now, p_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_incident, 'incident_opened', coalesce(p_text, p_public_text), p_now);
  v_incident := private.take_back(v_incident, p_now);
  perform private.escalate_incidents(p_now);
  select * into v_incident from public.incidents i where i.id = v_incident.id;
  return v_incident;
end $function$;

-- How many of these deliveries may start at once, by destination: those whose rate and circuit can be judged without
-- the row's lock, within the caller's places {limit, free, busy}.
CREATE OR REPLACE FUNCTION private.open_places(p_new private.new_delivery[], p_claim jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_destination record;
  v_left integer := (p_claim ->> 'limit')::integer;
  v_free integer := greatest(v_left, (p_claim ->> 'free')::integer);
  v_places integer;
  v_open jsonb := '{}';
begin
  for v_destination in
    select n.destination_id as id, count(distinct n.conversation_id)::integer as lanes
    from unnest(p_new) n
    join public.destinations d on d.id = n.destination_id
    where d.state = 'active' and d.circuit_open_until is null and d.rate_per_second is null
    group by n.destination_id order by random()
  loop
    v_places := least(v_left, v_destination.lanes,
      private.places_for(v_free, coalesce((p_claim #>> array['busy', v_destination.id::text])::integer, 0)));
    v_open := v_open || jsonb_build_object(v_destination.id, v_places);
    v_left := v_left - v_places;
    v_free := v_free - v_places;
  end loop;
  return v_open;
end $function$;
grant execute on function private.open_places(p_new private.new_delivery[], p_claim jsonb) to service_role;

-- Whether a flag with this value and metadata is on for everybody, or will be when the clock turns it on; its
-- prerequisites aside.
CREATE OR REPLACE FUNCTION private.opens_to_everybody(p_value text, p_metadata jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select coalesce((p_value = 'true' or p_metadata -> 'schedule' ? 'on_at')
    and case when p_metadata ? 'rollout_percentage' then (p_metadata ->> 'rollout_percentage')::numeric = 100
      else not p_metadata ?| array['target_user_ids', 'target_segments'] end, false)
$function$;

-- What to do before sending a message to a person who has opted out: {opted_out: true}, do not send it; {ask: {name,
-- account}}, ask the provider about the template; {}, nothing.
CREATE OR REPLACE FUNCTION private.opt_out_doubt(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_stops boolean := private.opt_out_stops(p_channel, p_number_id, p_message, p_now);
begin
  return case when v_stops then '{"opted_out": true}'
    when not v_stops then '{}'
    else jsonb_build_object('ask', jsonb_build_object('name', p_message #>> '{template,name}', 'account', (
      select s.account from public.senders s where s.channel = p_channel and s.id = p_number_id))) end;
end $function$;
grant execute on function private.opt_out_doubt(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone) to service_role;

-- Whether an opt-out blocks a message: on WhatsApp marketing templates, on other channels by their policy. Null if
-- the provider must be asked for the category first, which the queue does.
CREATE OR REPLACE FUNCTION private.opt_out_stops(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  case (private.channel_policy(p_channel)).opt_out
    when 'none' then return false;
    when 'until_resumed' then
      return p_message ->> 'type' = 'template'
        and private.template_category(p_channel, p_number_id, p_message, p_now) not in ('utility', 'authentication');
    else return true;
  end case;
end $function$;
grant execute on function private.opt_out_stops(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone) to service_role;

-- Whether a message consists of just a word that opts the person out or in; for a button also its payload.
CREATE OR REPLACE FUNCTION private.opt_said(p_body text, p_choice text, p_stop text[], p_start text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_stop) or lower(p_choice) = any (p_stop) then 'out'
    when lower(btrim(p_body, E' \t\n\r.!"''')) = any (p_start) or lower(p_choice) = any (p_start) then 'in' end
$function$;
grant execute on function private.opt_said(p_body text, p_choice text, p_stop text[], p_start text[]) to service_role;

-- The words by which people opt out (stop) or in again (start), from the settings opt_out.stop_words and
-- opt_out.start_words, in lower case.
CREATE OR REPLACE FUNCTION private.opt_words(p_what text)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return coalesce(
    (select array(select lower(btrim(w.word)) from jsonb_array_elements_text(s.value::jsonb) as w (word))
    from public.settings s where s.key = 'opt_out.' || p_what || '_words'),
    case p_what when 'stop' then array['stop', 'stop promotions', 'unsubscribe'] else array['start', 'resume', 'subscribe'] end);
end $function$;
grant execute on function private.opt_words(p_what text) to service_role;

-- What an export does not hold and an erasure does not reach.
CREATE OR REPLACE FUNCTION private.out_of_reach()
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select '["backups of the database, which end with their own retention", "what services got of messages", "what the provider (Meta) keeps", "logs of the platform, which hold no whole number and no words"]'::jsonb
$function$;

-- What became of a message that goes out: queued, sent or failed with Meta's code, and its statuses, each with its
-- time, in codes that _shared/contract/words/story.ts puts into words.
CREATE OR REPLACE FUNCTION private.outbound_events(p_message messages)
 RETURNS TABLE(at timestamp with time zone, what text, figures jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select p_message.created_at, 'queued', jsonb_build_object('type', p_message.type, 'id', p_message.id)
  union all
  select o.updated_at, case o.state when 'queued' then 'waits' when 'leased' then 'sending' else o.state end,
    jsonb_build_object('attempt', o.attempt, 'fallback', o.used_fallback,
      'due_at', case when o.state = 'queued' then to_char(o.next_attempt_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end,
      'error', case when o.error is not null then coalesce(o.error ->> 'code', '') end)
  from public.outbound_messages o where o.message_id = p_message.id and (o.state <> 'queued' or o.attempt > 0)
  union all
  select (s.value #>> '{}')::timestamptz, 'status', jsonb_build_object('status', s.key)
  from jsonb_each(p_message.status_at) as s (key, value) where jsonb_typeof(s.value) = 'string'
$function$;
grant execute on function private.outbound_events(p_message messages) to service_role;

-- Outcomes of an arm in a time: {n, failed, error_rate, p50_ms, p95_ms, p99_ms}; a rate of none, and quantiles of
-- what was not timed, are null.
CREATE OR REPLACE FUNCTION private.outcome_figures(p_flag_key text, p_arm text, p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('n', s.n, 'failed', s.failed,
    'error_rate', case when s.n > 0 then round(s.failed::numeric / s.n, 5) end,
    'p50_ms', private.le_quantile(s.timed, s.le, 0.5), 'p95_ms', private.le_quantile(s.timed, s.le, 0.95),
    'p99_ms', private.le_quantile(s.timed, s.le, 0.99))
  from (
    select coalesce(sum(m.n), 0)::bigint as n, coalesce(sum(m.failed), 0)::bigint as failed, coalesce(sum(m.timed), 0)::bigint as timed,
      array[sum(m.le[1]), sum(m.le[2]), sum(m.le[3]), sum(m.le[4]), sum(m.le[5]), sum(m.le[6]), sum(m.le[7]), sum(m.le[8]),
      sum(m.le[9]), sum(m.le[10]), sum(m.le[11]), sum(m.le[12]), sum(m.le[13]), sum(m.le[14]), sum(m.le[15]), sum(m.le[16]),
      sum(m.le[17]), sum(m.le[18]), sum(m.le[19]), sum(m.le[20]), sum(m.le[21]), sum(m.le[22]), sum(m.le[23]), sum(m.le[24]),
      sum(m.le[25]), sum(m.le[26]), sum(m.le[27])] as le
    from public.flag_metrics m
    where m.flag_key = p_flag_key and m.arm = p_arm and m.minute >= p_from and m.minute < p_to) s
$function$;

-- For how long the oldest thing in the queues has been due that nothing holds back: no flag of a contact or a whole
-- channel, pause, circuit or rate.
CREATE OR REPLACE FUNCTION private.overdue_seconds(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with known as materialized (
    select k.channel, private.on_for_anybody(private.router_flag(k.channel)) as routed,
      private.on_for_anybody(private.send_flag(k.channel)) as sent
    from (select distinct s.channel from public.senders s) k
  )
  select greatest(0, extract(epoch from p_now - least(
    (select min(first.unrouted_since) from known
      cross join lateral (
        select c.unrouted_since from public.conversations c
        where c.channel = known.channel and c.unrouted_since is not null and c.held_revision is null
        order by c.held_revision, c.unrouted_since limit 1) first
      where known.routed),
    (select min(first.due_at) from public.destinations d
      cross join known
      cross join lateral (select private.lane_due_at(d.id, known.channel) as due_at) first
      where known.routed and d.state = 'active' and d.circuit_open_until is null and d.rate_per_second is null),
    (select min(first.due_at) from public.senders n
      cross join lateral (
        select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
        order by l.due_at limit 1) first
      where n.state = 'active' and n.held_since is null and n.channel in (select known.channel from known where known.sent)),
    p_now)))::integer
$function$;
grant execute on function private.overdue_seconds(p_now timestamp with time zone) to service_role;

-- overview with the time given.
CREATE OR REPLACE FUNCTION private.overview(p_minutes integer, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'at', p_now,
    'health', private.health(p_now),
    'per_minute', private.per_minute(p_minutes, p_now),
    'functions', private.functions_since(date_trunc('minute', p_now) - make_interval(mins => p_minutes - 1)),
    'queue', private.waiting(p_now),
    'dead_letters', (
      select count(*) from public.deliveries d where d.state = 'dead' and d.dropped_reason is null),
    'incidents', (
      select coalesce(jsonb_agg(jsonb_build_object('number', i.number, 'title', i.title, 'kind', i.kind, 'severity', i.severity,
        'status', i.status, 'flag_key', i.flag_key, 'component', i.component, 'public', i.public, 'opened_at', i.opened_at,
        'acknowledged_at', i.acknowledged_at, 'version', i.version) order by i.severity, i.number desc), '[]')
      from public.incidents i where i.status <> 'resolved'),
    'rollouts', (
      select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'flag_key', r.flag_key, 'state', r.state, 'stage', r.stage,
        'stage_name', s.name, 'percentage', s.percentage, 'hold_reason', r.hold_reason, 'killed_since', private.killed_since(r.flag_key, p_now))
        order by r.flag_key), '[]')
      from public.rollouts r left join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage
      where r.state in ('running', 'paused')),
    'changes', private.recent_changes(20))
$function$;

-- Earliest time of a pair's next message, given its theoretical arrival time; null if the pair is new.
CREATE OR REPLACE FUNCTION private.pair_allows_at(p_tat timestamp with time zone, p_channel text, p_number_id text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  return (
    select p_tat - make_interval(secs => (n.pair_seconds * (n.pair_burst - 1))::double precision)
    from public.senders n where n.channel = p_channel and n.id = p_number_id);
end $function$;
grant execute on function private.pair_allows_at(p_tat timestamp with time zone, p_channel text, p_number_id text) to service_role;

-- A pattern that finds an id (phone, encoded, or any other kind) or a name in a text.
CREATE OR REPLACE FUNCTION private.pattern_of(p_kind text, p_value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_kind
    -- As people write numbers, and not within a longer one.
    when 'phone' then '(?<![0-9])' || regexp_replace(p_value, '([0-9])(?=[0-9])', '\1[ ()./-]{0,2}', 'g') || '(?![0-9])'
    -- Part of a provider's id, which goes with it.
    when 'encoded' then '(wamid\.)?[[:alnum:]+/=_-]*' || regexp_replace(p_value, '\+', '\\+', 'g') || '[[:alnum:]+/=_-]*'
    else '(?<![[:alnum:]])' || regexp_replace(p_value, '([\\.^$*+?()\[\]{}|-])', '\\\1', 'g') || '(?![[:alnum:]])' end
$function$;

-- Messages in and out of each of the last minutes, oldest first: [{minute, in, out}]. The last minute is not over.
CREATE OR REPLACE FUNCTION private.per_minute(p_minutes integer, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with wanted as (
    select g.minute from generate_series(
      date_trunc('minute', p_now) - make_interval(mins => p_minutes - 1), date_trunc('minute', p_now), interval '1 minute') as g (minute)
  ), sampled as (
    select m.minute, m.label as direction, m.n from public.measurements m
    where m.name = 'messages' and m.minute in (select w.minute from wanted w)
  ), counted as (
    -- What the clock has not sampled yet.
    select c.* from private.count_messages(
      greatest((select min(w.minute) from wanted w), (select max(s.minute) + interval '1 minute' from sampled s)),
      p_now + interval '1 minute') c
  ), known as (
    select * from sampled union all select * from counted
  )
  select jsonb_agg(jsonb_build_object('minute', w.minute,
    'in', coalesce((select sum(k.n) from known k where k.minute = w.minute and k.direction = 'in'), 0),
    'out', coalesce((select sum(k.n) from known k where k.minute = w.minute and k.direction = 'out'), 0)) order by w.minute)
  from wanted w
$function$;

-- The person of these contacts; without any, whoever is named by the id given. Without messages.
CREATE OR REPLACE FUNCTION private.person_of(p_contacts uuid[], p_given text)
 RETURNS private.person
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with conversations as (
    select c.id from public.conversations c where c.contact_id = any (p_contacts)
  ), known (kind, value) as (
    -- What somebody else has now names them, not this person.
    select i.kind, i.value from public.contact_identities i
    where i.contact_id = any (p_contacts) and (i.valid_to is null or not exists (
      select from public.contact_identities o
      where o.channel = i.channel and o.kind = i.kind and o.value = i.value and o.valid_to is null
        and o.contact_id <> all (p_contacts)))
    union
    select 'id', id::text from unnest(p_contacts) as id
    union
    select 'id', c.id::text from conversations c
    union
    select case when p_given ~ '^[0-9]{7,15}$' then 'phone' else 'id' end, p_given where p_contacts = '{}'
  ), sure (kind, value) as (
    select k.kind, k.value from known k where k.kind <> 'username' and length(k.value) >= 7
    union
    select 'encoded', e.form from known k cross join unnest(private.encoded_forms(k.value)) as e (form) where k.kind = 'phone'
  ), named (name) as (
    select c.name from public.contacts c where c.id = any (p_contacts) and length(c.name) >= 4
    union
    select k.value from known k where k.kind = 'username' and length(k.value) >= 4
  )
  select p_contacts, array(select c.id from conversations c), '{}'::uuid[], '{}'::text[], '{}'::text[],
    p_contacts::text[] || case when p_contacts = '{}' then array[p_given] else '{}'::text[] end,
    array(select s.value from sure s),
    -- A pattern that finds nothing, where there is nothing to find.
    coalesce((select string_agg(private.pattern_of(s.kind, s.value), '|') from sure s), '(?=a)b'),
    coalesce((
      select string_agg(w.pattern, '|') from (
        select private.pattern_of(s.kind, s.value) from sure s
        union all
        select private.pattern_of('name', n.name) from named n) as w (pattern)), '(?=a)b')
$function$;

-- Where data of people lies: columns of a table; tied, whose rows a person's are (t the row, $1 the private.person;
-- empty: all that name them); erased, what becomes of them: deleted, words and ids (tombstones in place of what names
-- the person; of names too, or of ids alone where a name may be a word of the system), hashed (the key stays as a
-- hash, so that a repetition is known), kept (is a hash), or a SET of its own.
CREATE OR REPLACE FUNCTION private.personal_data()
 RETURNS TABLE(relation text, columns text[], tied text, erased text)
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select l.relation, l.columns, l.tied, l.erased from private.personal_links() l
  union all
  values
    ('public.settings', '{metadata}'::text[], 'private.mentions(t.metadata::text, $1) and private.tombstone(t.metadata, $1, true) <> t.metadata',
      'set metadata = private.tombstone(private.without_targets(t.metadata, ($1).subjects), $1, true)'),
    ('public.segment_members', '{subject_id}', 't.subject_id = any (($1).subjects)', 'deleted'),
    ('private.flag_sufferers', '{subject_id}', 't.subject_id = any (($1).subjects)', 'deleted'),
    ('private.affected_people', '{subject_id}', 't.subject_id = any (($1).subjects)', 'deleted'),
    ('private.metric_people', '{subject_id}', 't.subject_id = any (($1).subjects)', 'deleted'),
    ('public.feedback', '{subject_id,message_id,text,key}', 't.subject_id = any (($1).subjects) or t.message_id = any (($1).messages)', 'deleted'),
    ('public.feedback', '{text}', '', 'words'),
    ('public.segments', '{description}', '', 'words'),
    ('public.settings_history', '{before,after,reason}', '', 'words'),
    ('public.segment_history', '{added,removed,reason}', '', 'words'),
    ('public.rollout_stages', '{user_ids,chosen}', '', 'words'),
    ('public.rollout_events', '{figures,evidence,reason}', '', 'words'),
    ('public.notifications', '{payload,last_error}', '', 'words'),
    ('public.gate_approvals', '{note,revoked_because}', '', 'words'),
    ('public.rollback_events', '{reason,steps}', '', 'words'),
    ('public.incidents', '{title}', '', 'words'),
    ('public.incident_updates', '{text,changes}', '', 'words'),
    ('public.announcements', '{name,text,template,stopped_because}', '', 'words'),
    ('public.announcement_recipients', '{contact_id,message_id}', 't.contact_id = any (($1).contacts)', 'deleted'),
    ('public.routes', '{condition}', '', 'ids'),
    ('public.route_history', '{condition}', '', 'ids'),
    ('public.deliveries', '{dropped_reason}', 't.state = ''dead''', 'words'),
    ('public.rate_limits', '{key}', 't.key ~* ($1).ids', 'deleted'),
    -- What the team did stays, and with whom does not.
    ('public.contact_acts', '{contact_id,message_id,reason}', 't.contact_id = any (($1).contacts)',
      'set contact_id = ''00000000-0000-0000-0000-000000000000'', message_id = null, reason = case when t.reason is not null then ''erased'' end'),
    ('public.contact_acts', '{reason}', '', 'words'),
    ('public.webhook_events', '{dedupe_key,raw}', 'exists (select from unnest(string_to_array(t.dedupe_key, '':'')) as p (part) where p.part = any (($1).provider_ids))
      or case when private.holds(t.raw::text, ($1).needles) then t.raw::text ~* ($1).ids else false end', 'hashed'),
    -- Figures of the link stay, and who it was does not.
    ('public.clicks', '{visitor,user_id,token,fingerprint,claimed_by}', 't.user_id = any (($1).subjects) or t.token = any (($1).tokens)',
      'set visitor = null, user_id = null, token = null, fingerprint = null, claimed_by = null'),
    ('private.unknown_tokens', '{message_id}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.attributions', '{message_id,contact_id,token,user_id,ctwa_clid,referral}',
      't.message_id = any (($1).messages) or t.contact_id = any (($1).contacts)', 'deleted'),
    ('public.delivery_attempts', '{delivery_id,error,answer}',
      't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('public.deliveries', '{message_id,conversation_id,last_error}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.routing_decisions', '{message_id,contact,explanation}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.outbound_messages', '{conversation_id,message_id,payload,fallback,recipient,idempotency_key,request_hash,error}',
      't.message_id = any (($1).messages) or t.conversation_id = any (($1).conversations)', 'deleted'),
    ('private.delivery_lanes', '{conversation_id}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('private.outbound_lanes', '{conversation_id,waits_for}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.messages', '{conversation_id,provider_id,text,choice,reply_to,link_token,referral,native,error,traceparent,thread_id}',
      't.id = any (($1).messages)', 'deleted'),
    ('public.conversations', '{id,contact_id,opted_out_at,opt_told_at}', 't.id = any (($1).conversations)', 'deleted'),
    -- What the person has now, and somebody had before, is the person's.
    ('public.contact_identities', '{contact_id,value}', 't.contact_id = any (($1).contacts)
      or t.valid_to is not null and t.value in (
        select i.value from public.contact_identities i where i.contact_id = any (($1).contacts) and i.valid_to is null and i.kind = t.kind)', 'deleted'),
    ('public.contacts', '{id,name,merged_into}', 't.id = any (($1).contacts)', 'deleted'),
    ('private.erased_keys', '{hash}', 'false', 'kept'),
    ('private.erased_opt_outs', '{identity}', 'false', 'kept')
$function$;
grant execute on function private.personal_data() to service_role;

-- The personal data in links, in the form of private.personal_data().
CREATE OR REPLACE FUNCTION private.personal_links()
 RETURNS TABLE(relation text, columns text[], tied text, erased text)
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  values
    -- Services make links for one person each, by an id of theirs.
    ('public.links', '{external_id}'::text[], 'private.tombstone(t.external_id, $1, false) <> t.external_id', 'set external_id = null'),
    ('public.links', '{title,note}', '', 'words'),
    ('public.links', '{default_url,targets,whatsapp,expired_url,utm,tags,preview}', '', 'ids')
$function$;
grant execute on function private.personal_links() to service_role;

-- Whether a call of wa-router would find something to decide, deliver or send that has become due within a minute, or
-- since the configuration changed within one. For the clock.
CREATE OR REPLACE FUNCTION private.pipeline_is_due(p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$;
grant execute on function private.pipeline_is_due(p_now timestamp with time zone) to service_role;

-- How many deliveries to a destination may be claimed, given how many the caller has under way and how many places
-- are free.
CREATE OR REPLACE FUNCTION private.places_for(p_left integer, p_busy integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select greatest(0, (p_left + p_busy + 1) / 2 - p_busy)
$function$;
grant execute on function private.places_for(p_left integer, p_busy integer) to service_role;

-- The replies to deliveries, in order, where all replies may be sent as they are; null for none. The others are
-- checked one by one.
CREATE OR REPLACE FUNCTION private.plain_replies(p_settled private.settlement[], p_now timestamp with time zone)
 RETURNS private.queued[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  return (
    with replies as (
      select r.delivery_id, e.n, e.item, c.row as conversation, 'reply:' || r.delivery_id || ':' || e.n as key
      from unnest(p_settled) r
      cross join lateral jsonb_array_elements(r.replies) with ordinality as e (item, n)
      cross join lateral (select c as row from public.conversations c where c.id = r.conversation_id limit 1) c
      where r.outcome = 'delivered' and jsonb_typeof(r.replies) = 'array'
    ), asked as (
      -- Not "not exists": for many rows the planner would hash the whole table.
      select *, bool_and((item #>> '{message,type}' <> 'read' and private.send_refusal(conversation, item -> 'message', p_now) is null
          and (
            select o.id from public.outbound_messages o
            where o.idempotency_key = replies.key and o.channel = (conversation).channel limit 1) is null) is true)
        over (partition by delivery_id order by n rows between unbounded preceding and unbounded following) as plain
      from replies
    )
    select array_agg((private.uuid_v7(), (conversation).id, (conversation).channel, (conversation).number_id, item -> 'message', item ->> 'text',
      coalesce(item ->> 'address', item ->> 'to'), key, md5((item - array['idempotency_key', 'traceparent', 'address'])::text),
      item ->> 'traceparent', item -> 'fallback', false)::private.queued)
    from asked where plain);
end $function$;
grant execute on function private.plain_replies(p_settled private.settlement[], p_now timestamp with time zone) to service_role;

-- Whether all that a flag needs, directly and through others, is on for the same id.
CREATE OR REPLACE FUNCTION private.prerequisites_on(p_key text, p_targeting_id text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with recursive needed (key, depth) as (
    select p_key, 0
    union
    select name #>> '{}', n.depth + 1
    from needed n join public.settings s on s.key = n.key,
      jsonb_path_query(s.metadata, 'strict $.prerequisites[*] ? (@.type() == "string")', '{}', true) as name
    where n.depth <= 8
  )
  select not exists (select from needed where depth > 8) and not exists (
    select from (select distinct key from needed where depth > 0) n
    where not (select e.value from private.evaluate_flag_alone(n.key, p_targeting_id) e))
$function$;
grant execute on function private.prerequisites_on(p_key text, p_targeting_id text) to service_role;

-- Purges what is older than its retention, at most p_limit rows of each that is due, and says how many of which. For
-- the clock.
CREATE OR REPLACE FUNCTION private.purge(p_now timestamp with time zone, p_limit integer DEFAULT 10000)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET lock_timeout TO '1s'
AS $function$
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
end $function$;
grant execute on function private.purge(p_now timestamp with time zone, p_limit integer) to service_role;

-- Deletes clicks older than the setting retention.click_days (90; at least 2), at most p_limit a call, and keys of
-- visitors' hashes once their next day is over. For the clock.
CREATE OR REPLACE FUNCTION private.purge_clicks(p_now timestamp with time zone, p_limit integer DEFAULT 100000)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_zone text := private.team_zone();
  v_today date := (p_now at time zone v_zone)::date;
  v_days integer := private.click_days_kept();
  v_clicks bigint;
begin
  -- A day that is not rolled up yet keeps its clicks.
  with gone as (
    delete from public.clicks c where c.ctid = any (array(
      select x.ctid from public.clicks x
      where x.at < (v_today - v_days)::timestamp at time zone v_zone
        and x.at < coalesce((select min(n.day) from public.click_counts n)::timestamp at time zone v_zone, 'infinity')
      limit p_limit)) returning 1)
  select count(*) into v_clicks from gone;
  delete from private.click_batches b where b.at < p_now - interval '1 day';
  delete from private.visitor_keys k where k.day < v_today - 1;
  delete from public.orphan_visits o where o.day < v_today - v_days;
  delete from public.link_guesses g where g.hour < (v_today - v_days)::timestamp at time zone 'UTC';
  delete from private.link_guessers g where g.at < p_now - interval '1 day';
  return jsonb_build_object('clicks', v_clicks);
end $function$;
grant execute on function private.purge_clicks(p_now timestamp with time zone, p_limit integer) to service_role;

-- Deletes those of these contacts that nothing hangs on: no message, opt-out, attribution, target or merged contact.
CREATE OR REPLACE FUNCTION private.purge_contacts(p_ids uuid[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$;

-- Deletes outcomes older than 60 days, at most p_limit a call, and says how many; whom a feature failed for longer
-- ago; and who suffered, and whose metrics were counted, in rollouts that are over. For the clock.
CREATE OR REPLACE FUNCTION private.purge_flag_metrics(p_now timestamp with time zone, p_limit integer DEFAULT 100000)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  delete from private.affected_people a where a.last_at < p_now - interval '60 days';
  -- More than the longest stage of the built-in plans, whose evidence is kept in rollout_events anyway.
  delete from private.flag_sufferers s where s.at < p_now - interval '60 days' or not exists (
    select from public.rollouts r where r.flag_key = s.flag_key and r.state in ('running', 'paused'));
  delete from private.metric_people p where not exists (
    select from public.rollouts r where r.id = p.rollout_id and r.state in ('running', 'paused'));
  delete from public.flag_metrics m where ctid = any (array(
    select ctid from public.flag_metrics o where o.minute < p_now - interval '60 days' limit p_limit));
  get diagnostics v_count = row_count;
  return v_count;
end $function$;

-- Deletes minutes older than a day; the totals stay. For the clock.
CREATE OR REPLACE FUNCTION private.purge_measurements(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_count integer;
begin
  delete from public.measurements where minute > '-infinity' and minute < p_now - interval '25 hours';
  get diagnostics v_count = row_count;
  return v_count;
end $function$;

-- Deletes the limits that are fully replenished at p_now, and returns how many. For the clock.
CREATE OR REPLACE FUNCTION private.purge_rate_limits(p_now timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  with gone as (delete from public.rate_limits r where r.tat < p_now returning 1)
  select count(*) from gone
$function$;
grant execute on function private.purge_rate_limits(p_now timestamp with time zone) to service_role;

-- One slice of one retention: how many rows it looked at and did, and the last of their ids.
CREATE OR REPLACE FUNCTION private.purge_slice(p_what text, p_relation text, p_id text, p_condition text, p_change text, p_from uuid, p_before timestamp with time zone, p_limit integer, OUT looked bigint, OUT done bigint, OUT last uuid)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;

-- Queues a failed message again, as if it had never been tried. The caller holds the lane's lock.
CREATE OR REPLACE FUNCTION private.queue_again(p_id uuid, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_queued public.outbound_messages;
begin
  update public.messages set provider_id = null, status = 'queued', status_rank = 0, error = null where id = p_id;
  update public.outbound_messages
  set state = 'queued', attempt = 0, deferred = 0, tried_at = null, aside = false, error = null,
    next_attempt_at = p_now, updated_at = p_now
  where id = p_id returning * into v_queued;
  perform private.queue_lane(v_queued.conversation_id, v_queued.channel, v_queued.number_id, p_now);
end $function$;
grant execute on function private.queue_again(p_id uuid, p_now timestamp with time zone) to service_role;

-- Queues the replies of a service to a delivery, each checked on its own. Returns how many, and those that window,
-- opt-out or flag forbid [{reply, why}], null for none. The caller holds the conversation's lock.
CREATE OR REPLACE FUNCTION private.queue_each_reply(p_settled private.settlement, p_now timestamp with time zone, OUT queued integer, OUT refused jsonb)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_reply record;
  v_conversation public.conversations;
  v_answer jsonb;
begin
  queued := 0;
  for v_reply in select * from jsonb_array_elements(p_settled.replies) with ordinality as e (item, n) loop
    select * into v_conversation from public.conversations where id = p_settled.conversation_id;
    v_answer := private.enqueue_message(v_conversation,
      v_reply.item || jsonb_build_object('idempotency_key', 'reply:' || p_settled.delivery_id || ':' || v_reply.n), p_now);
    queued := queued + (v_answer ? 'id')::integer;
    if v_answer ? 'error' then
      refused := coalesce(refused, '[]') || jsonb_build_object('reply', coalesce((v_reply.item ->> 'place')::bigint, v_reply.n), 'why', v_answer ->> 'error');
    end if;
  end loop;
  if refused is not null then
    update public.delivery_attempts a set left_out = coalesce(a.left_out, '[]') || refused
    where a.delivery_id = p_settled.delivery_id and a.attempt = p_settled.attempt;
  end if;
end $function$;
grant execute on function private.queue_each_reply(p_settled private.settlement, p_now timestamp with time zone, OUT queued integer, OUT refused jsonb) to service_role;

-- The queues: degraded when something is overdue by a minute or a destination is in trouble, down at ten minutes.
CREATE OR REPLACE FUNCTION private.queue_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'queue',
    'status', case when q.overdue >= 600 then 'down' when q.overdue >= 60 or q.stopped is not null then 'degraded' else 'healthy' end,
    'because', case when q.overdue >= 60 then 'overdue' when q.stopped is not null then 'stopped' else 'taken' end,
    'figures', jsonb_strip_nulls(jsonb_build_object(
      'seconds', case when q.overdue >= 60 then q.overdue end, 'destinations', q.stopped)))
  from (
    select private.overdue_seconds(p_now) as overdue, (
      select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'name', t.name, 'state', t.state, 'n', t.n, 'error', t.error, 'waiting', nullif(t.waiting, 0)))
        order by t.name, t.state)
      from private.troubled_destinations(p_now) t) as stopped
  ) q
$function$;
grant execute on function private.queue_health(p_now timestamp with time zone) to service_role;

-- Makes a lane due for a message that was queued. What is due later may be a receipt that messages need not wait for,
-- or vice versa; if not, the claim finds nothing and the lane keeps waiting.
CREATE OR REPLACE FUNCTION private.queue_lane(p_conversation_id uuid, p_channel text, p_number_id text, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at)
  values (p_conversation_id, p_channel, p_number_id, p_now)
  on conflict (conversation_id) do update
    set due_at = greatest(excluded.due_at, private.pair_allows_at(l.pair_tat, l.channel, l.number_id), l.waits_until)
    where l.due_at is null or (l.lease is null and l.due_at > excluded.due_at);
end $function$;
grant execute on function private.queue_lane(p_conversation_id uuid, p_channel text, p_number_id text, p_now timestamp with time zone) to service_role;

-- Queues messages in conversations whose locks the caller holds. Returns the ids of those that were queued: those
-- whose key was not taken.
CREATE OR REPLACE FUNCTION private.queue_messages(p_messages private.queued[], p_now timestamp with time zone)
 RETURNS uuid[]
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_queued uuid[];
begin
  if p_messages is null then
    return '{}';
  end if;
  insert into public.messages (id, channel, conversation_id, direction, type, text, reply_to, native, status, traceparent, created_at)
  select q.id, q.channel, q.conversation_id, 'out', q.message ->> 'type', case when q.used_fallback then null else q.text end,
    coalesce(q.message #>> '{context,message_id}', q.message #>> '{reaction,message_id}'), q.message, 'queued', q.traceparent, p_now
  from unnest(p_messages) q where q.message ->> 'type' <> 'read';
  with made as (
    insert into public.outbound_messages (
      id, channel, conversation_id, number_id, message_id, payload, recipient, idempotency_key, request_hash, fallback, used_fallback,
      next_attempt_at, created_at)
    select q.id, q.channel, q.conversation_id, q.number_id, case when q.message ->> 'type' <> 'read' then q.id end,
      case when q.message ->> 'type' = 'read' then q.message end, q.recipient, q.key, q.hash, q.fallback, q.used_fallback, p_now, p_now
    from unnest(p_messages) q
    on conflict (idempotency_key, channel) do nothing
    returning id
  )
  select coalesce(array_agg(m.id), '{}') into v_queued from made m;
  if cardinality(v_queued) < cardinality(p_messages) then
    -- Another transaction has just committed the same key: its message counts.
    delete from public.messages m where m.id in (select q.id from unnest(p_messages) q where q.id <> all (v_queued));
  end if;
  perform private.queue_lane(q.conversation_id, q.channel, q.number_id, p_now)
  from (select distinct q.conversation_id, q.channel, q.number_id from unnest(p_messages) q where q.id = any (v_queued) order by 1) q;
  update public.conversations c set last_message_at = p_now
  from (select distinct q.conversation_id as id from unnest(p_messages) q where q.id = any (v_queued)) told where c.id = told.id;
  return v_queued;
end $function$;
grant execute on function private.queue_messages(p_messages private.queued[], p_now timestamp with time zone) to service_role;

-- Queues the replies of services to deliveries in conversations whose locks the caller holds: {replies (how many),
-- left_out: [{delivery_id, replies: [{reply, why}]}]}.
CREATE OR REPLACE FUNCTION private.queue_replies(p_settled private.settlement[], p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_plain private.queued[] := private.plain_replies(p_settled, p_now);
  v_queued integer := coalesce(cardinality(private.queue_messages(v_plain, p_now)), 0);
  v_one private.settlement;
  v_each record;
  v_left_out jsonb := '[]';
begin
  for v_one in
    select r.* from unnest(p_settled) r
    where r.outcome = 'delivered' and jsonb_array_length(coalesce(r.replies, '[]')) > 0
      and not exists (select from unnest(v_plain) q where q.key = 'reply:' || r.delivery_id || ':1')
  loop
    v_each := private.queue_each_reply(v_one, p_now);
    v_queued := v_queued + v_each.queued;
    if v_each.refused is not null then
      v_left_out := v_left_out || jsonb_build_object('delivery_id', v_one.delivery_id, 'replies', v_each.refused);
    end if;
  end loop;
  return jsonb_build_object('replies', v_queued, 'left_out', v_left_out);
end $function$;
grant execute on function private.queue_replies(p_settled private.settlement[], p_now timestamp with time zone) to service_role;

-- What a service or a provider wrote about a message of this contact, for operators: without the contact's ids, and
-- without numbers and mail addresses of others as far as they show.
CREATE OR REPLACE FUNCTION private.quoted(p_text text, p_contact_id uuid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select regexp_replace(regexp_replace(private.without_ids(p_text, p_contact_id),
    '[^[:space:]"<>(),;:@]+(@|%40)(?=[[:alnum:]])', '…\1', 'g'),
    '\+[0-9]([^[:alnum:]]{0,3}[0-9]){6,}', '+…', 'g')
$function$;
grant execute on function private.quoted(p_text text, p_contact_id uuid) to service_role;

-- The tables that a query can only read from one end to the other, because no index serves it or its order. Plans it
-- and runs nothing.
CREATE OR REPLACE FUNCTION private.reads_whole_tables(p_statement text)
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
declare
  v_plan jsonb;
begin
  execute 'explain (format json) ' || p_statement into v_plan;
  return coalesce((
    select array_agg(distinct name #>> '{}')
    from (
      select jsonb_path_query(v_plan, '$.** ? (@."Node Type" == "Seq Scan")."Relation Name"')
      union all
      select jsonb_path_query(v_plan, '$.** ? (@."Node Type" == "Sort").**."Relation Name"')) found (name)), '{}');
end $function$;
grant execute on function private.reads_whole_tables(p_statement text) to service_role;

-- The reason for looking at a contact, without the blanks around it. GL422 for none, and for one that holds what only
-- those who look may see.
CREATE OR REPLACE FUNCTION private.reason_about(p_reason text, p_contact_id uuid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  if coalesce(trim(p_reason), '') = '' then
    raise exception 'revealing a contact needs a reason' using errcode = 'GL422';
  elsif private.without_ids(p_reason, p_contact_id) <> p_reason then
    raise exception 'the reason names the contact' using errcode = 'GL422',
      hint = 'The whole team reads it: leave out the number, the address and the id.';
  end if;
  return trim(p_reason);
end $function$;
grant execute on function private.reason_about(p_reason text, p_contact_id uuid) to service_role;

-- The latest changes of settings, moves of rollouts, ways back and steps of incidents, and the latest of each route,
-- destination and segment, latest first, in codes that _shared/contract/words/changes.ts puts into words: [{at, kind:
-- setting | rollout | rollback | incident | route | destination | segment, name, change, figures, who, why}].
CREATE OR REPLACE FUNCTION private.recent_changes(p_limit integer)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('at', c.at, 'kind', c.kind, 'name', c.name, 'change', c.change,
    'figures', c.figures, 'who', c.who, 'why', c.why) order by c.at desc), '[]')
  from (
    (select h.changed_at as at, 'setting' as kind, h.key as name, s.change, s.figures, h.changed_by as who, h.reason as why
    from public.settings_history h cross join lateral private.setting_change(h.before, h.after) s
    order by h.changed_at desc limit p_limit)
    union all
    (select e.at, 'rollout', r.flag_key, e.kind, jsonb_build_object('rule', e.rule, 'verdict', e.verdict, 'figures', e.figures), e.actor, coalesce(e.reason, e.rule)
    from public.rollout_events e join public.rollouts r on r.id = e.rollout_id
    where e.kind <> 'checked' order by e.id desc limit p_limit)
    union all
    (select b.recorded_at, 'rollback', b.target, case when b.ok then 'verified' else 'not_verified' end,
      jsonb_build_object('level', b.level), b.recorded_by, b.reason
    from public.rollback_events b order by b.recorded_at desc limit p_limit)
    union all
    (select u.at, 'incident', i.number::text, u.kind, jsonb_build_object('title', i.title, 'severity', i.severity, 'status', u.status),
      u.actor, u.text
    from public.incident_updates u join public.incidents i on i.id = u.incident_id order by u.id desc limit p_limit)
    union all
    -- Of these the latest change of each: what is asked first is where a message goes now, and since when.
    (select r.updated_at, 'route', r.name, case when r.version = 1 then 'added' else 'changed' end,
      jsonb_build_object('active', r.active), r.updated_by, null
    from public.routes r order by r.updated_at desc limit p_limit)
    union all
    (select d.updated_at, 'destination', d.name,
      case when d.removed_at is not null then 'removed' when d.state = 'paused' then 'paused' when d.version = 1 then 'added' else 'active' end, '{}', d.updated_by, null
    from public.destinations d order by d.updated_at desc limit p_limit)
    union all
    (select s.updated_at, 'segment', s.key, case when h.version is null then 'set' else 'members' end,
      case when h.version is null then '{}' else
        jsonb_build_object('added', cardinality(h.added), 'removed', cardinality(h.removed)) end, s.updated_by, h.reason
    from public.segments s left join public.segment_history h on h.segment_key = s.key and h.version = s.version
    order by s.updated_at desc limit p_limit)
    order by at desc limit p_limit
  ) c
$function$;

-- What failed since then, by place (function, Graph API, statuses of what was sent, destination) and code (status,
-- disabled where a kill switch refused, Meta's code, our word and the status): [{where, code, n, last_at}].
CREATE OR REPLACE FUNCTION private.recent_errors(p_from timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce(jsonb_agg(jsonb_build_object('where', e.place, 'code', e.code, 'n', e.n, 'last_at', e.last_at) order by e.n desc, e.place, e.code), '[]')
  from (
    select split_part(m.label, ' ', 1) as place, split_part(m.label, ' ', 2) as code, sum(m.n) as n, max(m.last_at) as last_at
    from public.measurements m
    where m.name = 'request' and m.minute >= p_from and split_part(m.label, ' ', 2) >= '400'
    group by 1, 2
    union all
    select 'Graph API', m.label, sum(m.n), max(m.last_at)
    from public.measurements m where m.name = 'graph' and m.label <> 'sent' and m.minute >= p_from
    group by m.label
    union all
    select 'Statuses', split_part(m.label, ' ', 2), sum(m.n), max(m.last_at)
    from public.measurements m where m.name = 'failed' and m.minute >= p_from
    group by m.label
    union all
    select d.name, split_part(split_part(a.error, ':', 1), ' ', 1) || coalesce(' ' || a.status, ''), count(*), max(a.at)
    from public.delivery_attempts a
    join public.deliveries x on x.id = a.delivery_id
    join public.destinations d on d.id = x.destination_id
    where a.at >= p_from and a.outcome <> 'delivered'
    group by 1, 2
  ) e
$function$;
grant execute on function private.recent_errors(p_from timestamp with time zone) to service_role;

-- A flag's outcomes a minute over the last 7 days, both arms, and which share failed or took longer than p_late_ms;
-- null where nothing was counted.
CREATE OR REPLACE FUNCTION private.recent_traffic(p_flag_key text, p_late_ms integer, p_now timestamp with time zone, OUT per_minute double precision, OUT failure_rate double precision, OUT late_rate double precision)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with recent as (
    select m.* from public.flag_metrics m
    where m.flag_key = p_flag_key and m.minute > p_now - interval '7 days' and m.minute <= p_now
  ), arms as (
    -- How it fares without the flag, where anybody has been without it; else how it fares.
    select * from recent where arm = 'off' or not exists (select from recent r where r.arm = 'off')
  )
  select (select sum(n) / greatest(1, date_part('epoch', p_now - min(minute)) / 60) from recent),
    (select sum(failed)::double precision / nullif(sum(n), 0) from arms),
    (select sum(timed - le[array_position(private.latency_edges(), p_late_ms)])::double precision / nullif(sum(timed), 0) from arms)
$function$;

-- The known contact that an outbound message is for; null if nobody is known by these ids.
CREATE OR REPLACE FUNCTION private.recipient(p_channel text, p_identities private.identity[])
 RETURNS uuid
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_id private.identity;
  v_contact uuid;
begin
  foreach v_id in array coalesce(p_identities, '{}') loop
    v_contact := case when v_id.kind = 'contact' then (
        select coalesce(c.merged_into, c.id) from public.contacts c where c.id = v_id.value::uuid and c.channel = p_channel)
      else private.identity_holder(p_channel, v_id.kind, v_id.value) end;
    if v_contact is not null then
      return v_contact;
    end if;
  end loop;
  foreach v_id in array coalesce(p_identities, '{}') loop
    select i.contact_id into v_contact
    from unnest(private.spellings(v_id.kind, v_id.value)) as s (value)
    cross join lateral (
      select k.contact_id, k.valid_to, k.id from public.contact_identities k
      where k.channel = p_channel and k.kind = v_id.kind and k.value = s.value and k.valid_to is not null
      order by k.valid_to desc, k.id desc limit 1) i
    order by i.valid_to desc, i.id desc limit 1;
    if exists (
      select from public.contact_identities k where k.contact_id = v_contact and k.kind = v_id.kind and k.valid_to is null) then
      return v_contact;
    end if;
  end loop;
  return null;
end $function$;
grant execute on function private.recipient(p_channel text, p_identities private.identity[]) to service_role;

-- One row: what was received, kept, decided, delivered and is stuck, in one snapshot.
CREATE OR REPLACE FUNCTION private.reconcile_counts()
 RETURNS TABLE(received numeric, stored numeric, duplicates numeric, purged numeric, messages_purged numeric, events bigint, event_messages bigint, messages bigint, decided bigint, undecided bigint, forgotten bigint, unmatched bigint, wanted numeric, deliveries bigint, pending bigint, leased bigint, delivered bigint, dead bigint, compared bigint, stuck bigint, queued_stuck bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
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
    where m.direction = 'in'
  ), queue as (
    select count(*) as deliveries,
      count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'leased') as leased,
      count(*) filter (where state = 'delivered') as delivered, count(*) filter (where state = 'dead') as dead,
      count(*) filter (where d.message_id >= greatest(g.decided, g.delivered)) as compared,
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
$function$;
grant execute on function private.reconcile_counts() to service_role;

-- Remembers for whom a feature failed that they had.
CREATE OR REPLACE FUNCTION private.record_affected(p_outcomes jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  with failed as (
    select o.flag, p.person ->> 0 as subject_id, count(distinct o.minute) as failures, min(m.at) as first_at, max(m.at) as last_at
    from jsonb_to_recordset(p_outcomes) as o (flag text, arm text, minute bigint, people jsonb)
    cross join lateral (select least(to_timestamp(o.minute * 60.0), p_now) as at) m
    cross join lateral jsonb_array_elements(o.people) as p (person)
    where o.arm = 'on' and (p.person ->> 1)::boolean and char_length(p.person ->> 0) <= 200
    group by 1, 2
  ), full_flags as materialized (
    select f.flag from (select distinct flag from failed) f
    where (select count(*) from (select from private.affected_people k where k.flag_key = f.flag limit 100000) many) = 100000
  )
  insert into private.affected_people as a (flag_key, subject_id, failures, first_at, last_at)
  select f.flag, f.subject_id, f.failures, f.first_at, f.last_at from failed f
  where f.flag not in (select flag from full_flags)
    or exists (select from private.affected_people k where k.flag_key = f.flag and k.subject_id = f.subject_id)
  order by 1, 2
  on conflict on constraint affected_people_pkey do update
    set failures = a.failures + excluded.failures, first_at = least(a.first_at, excluded.first_at),
      last_at = greatest(a.last_at, excluded.last_at)
$function$;
grant execute on function private.record_affected(p_outcomes jsonb, p_now timestamp with time zone) to service_role;

-- Trigger, after insert, update or delete of destination_allowlist: writes allowlist_history.
CREATE OR REPLACE FUNCTION private.record_allowlist()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'UPDATE' and (new.pattern, new.purpose) = (old.pattern, old.purpose) then
    return null;
  end if;
  if tg_op <> 'INSERT' then
    insert into public.allowlist_history (pattern, purpose, change) values (old.pattern, old.purpose, 'removed');
  end if;
  if tg_op <> 'DELETE' then
    insert into public.allowlist_history (pattern, purpose, change) values (new.pattern, new.purpose, 'added');
  end if;
  return null;
end $function$;

-- Notes that these flags were asked for. A flag's row changes once an hour at most.
CREATE OR REPLACE FUNCTION private.record_evaluations(p_flags text[], p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into public.flag_evaluations as e (flag_key, first_at, last_at)
  select distinct f.key, p_now, p_now from unnest(p_flags) as f (key) order by f.key
  on conflict on constraint flag_evaluations_pkey do update
    set last_at = excluded.last_at where e.last_at < excluded.last_at - interval '50 minutes'
$function$;
grant execute on function private.record_evaluations(p_flags text[], p_now timestamp with time zone) to service_role;

-- record_feedback with the time given.
CREATE OR REPLACE FUNCTION private.record_feedback(p_feedback jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_item record;
  v_kept record;
  v_accepted integer := 0;
  v_repeated integer := 0;
begin
  for v_item in
    select * from jsonb_to_recordset(p_feedback) as f (kind text, subject text, rating smallint, text text, flag text, key text)
  loop
    select * into v_kept from private.keep_feedback(row(private.uuid_v7(), p_now, v_item.kind, private.subject_id(v_item.subject), v_item.rating,
      v_item.kind = 'rating' and v_item.rating >= 4, nullif(btrim(v_item.text), ''), 'api', null,
      encode(private.keyed_hash('feedback ' || v_item.key), 'hex'), null)::public.feedback, v_item.flag, p_now);
    if v_kept.kept then
      v_accepted := v_accepted + 1;
    else
      v_repeated := v_repeated + 1;
    end if;
  end loop;
  return jsonb_build_object('accepted', v_accepted, 'repeated', v_repeated);
end $function$;
grant execute on function private.record_feedback(p_feedback jsonb, p_now timestamp with time zone) to service_role;

-- Trigger, after insert or delete of segment_members: moves each segment's version and writes segment_history.
CREATE OR REPLACE FUNCTION private.record_members()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_key text;
  v_ids text[];
  v_version bigint;
begin
  for v_key, v_ids in
    select c.segment_key, array_agg(c.subject_id order by c.subject_id) from changed c
    group by c.segment_key order by c.segment_key
  loop
    update public.segments s
    set version = s.version + 1, updated_at = clock_timestamp(), updated_by = private.actor()
    where s.key = v_key returning s.version into v_version;
    insert into public.segment_history (segment_key, version, added, removed, changed_at, changed_by, reason)
    values (v_key, v_version, case when tg_op = 'INSERT' then v_ids else '{}' end,
      case when tg_op = 'DELETE' then v_ids else '{}' end, clock_timestamp(), private.actor(),
      nullif(current_setting('gatelink.reason', true), ''));
  end loop;
  return null;
end $function$;

-- record_metrics with the time given.
CREATE OR REPLACE FUNCTION private.record_metrics(p_metrics jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_new text[] := array(
    select distinct m.name from jsonb_to_recordset(p_metrics) as m (name text)
    where not exists (select from public.business_metrics b where b.name = m.name) order by 1);
  v_given integer := jsonb_array_length(p_metrics);
  v_counted integer;
begin
  if exists (select from unnest(v_new) as u (name) where coalesce(u.name, '') !~ '^[a-z][a-z0-9_.]{0,59}$') then
    raise exception 'a business metric cannot be named so' using errcode = 'GL422',
      hint = '1 to 60 lower-case letters, digits, dots and underscores, beginning with a letter.';
  elsif v_new <> '{}' then
    perform pg_advisory_xact_lock(hashtext('gatelink.business_metrics'));
    insert into public.business_metrics (name, created_at) select u.name, p_now from unnest(v_new) as u (name) on conflict do nothing;
    if (select count(*) from public.business_metrics) > 100 then
      raise exception 'there are 100 business metrics already, and % would be more', v_new[1] using errcode = 'GL422',
        hint = 'A name stands for a kind of event, not for one: what differs belongs in the value or the key.';
    end if;
  end if;
  with given as (
    select m.name, private.subject_id(m.subject) as subject, coalesce(m.value, 1) as value, m.place,
      private.keyed_hash('metric ' || m.name || ' ' || (m.key)) as key
    from rows from (jsonb_to_recordset(p_metrics) as (name text, subject text, value double precision, key text)) with ordinality
      as m (name, subject, value, key, place)
  ), fresh as (
    insert into private.metric_keys (key, at)
    select distinct g.key, p_now from given g where g.key is not null order by g.key
    on conflict on constraint metric_keys_pkey do nothing returning key
  ), counted as materialized (
    select g.* from given g where g.key is null
    union all
    (select distinct on (g.key) g.* from given g join fresh f on f.key = g.key order by g.key, g.place)
  ), days as (
    insert into public.metric_days as d (name, day, slot, n, value)
    select c.name, (p_now at time zone 'UTC')::date, pg_backend_pid() % 16, count(*), sum(c.value) from counted c group by c.name order by c.name
    on conflict on constraint metric_days_pkey do update set n = d.n + excluded.n, value = d.value + excluded.value
  ), people as (
    insert into private.metric_people as p (rollout_id, stage, name, subject_id, arm, by_share, n, value)
    select r.id, r.stage, t.name, t.subject, a.arm, a.by_share, t.n, t.value
    from (
      select c.name, c.subject, count(*)::integer as n, sum(c.value) as value from counted c where c.subject is not null group by c.name, c.subject) t
    join public.rollouts r on r.state in ('running', 'paused')
    join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage and s.metrics @> jsonb_build_array(jsonb_build_object('name', t.name))
    cross join lateral private.arm_of(r.flag_key, t.subject, p_now) a
    where a.arm is not null
    order by r.id, t.name, t.subject
    on conflict on constraint metric_people_pkey do update set n = p.n + excluded.n, value = p.value + excluded.value
  )
  select count(*) into v_counted from counted;
  return jsonb_build_object('accepted', v_counted, 'repeated', v_given - v_counted);
end $function$;
grant execute on function private.record_metrics(p_metrics jsonb, p_now timestamp with time zone) to service_role;

-- The outcomes part of record_outcomes, with the time given.
CREATE OR REPLACE FUNCTION private.record_outcomes(p_outcomes jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  with sums as (
    select o.*, least(greatest(to_timestamp(o.minute * 60.0), date_trunc('minute', p_now - interval '10 seconds')),
      date_trunc('minute', p_now)) as at
    from jsonb_to_recordset(p_outcomes) as o (flag text, arm text, minute bigint, n integer, failed integer, timed integer,
      ms bigint, le jsonb, people jsonb)
  ), met as (
    select s.flag, s.arm, s.at, p.person ->> 0 as subject_id, (p.person ->> 1)::boolean as failed, (p.person ->> 2)::smallint as place,
      coalesce(k.failed, false) as had_failed, coalesce(k.place, 0) as had_place
    from sums s
    join public.rollouts r on r.flag_key = s.flag and r.state in ('running', 'paused')
    cross join lateral jsonb_array_elements(s.people) as p (person)
    left join private.flag_sufferers k on k.flag_key = s.flag and k.subject_id = p.person ->> 0 and k.at >= r.stage_started_at
  ), remembered as (
    insert into private.flag_sufferers as k (flag_key, subject_id, failed, place, at)
    select m.flag, m.subject_id, bool_or(m.failed or m.had_failed), max(greatest(m.place, m.had_place)), p_now
    from met m
    where char_length(m.subject_id) <= 200 and (
      select count(*) from (select from private.flag_sufferers f where f.flag_key = m.flag limit 10000) many) < 10000
    group by m.flag, m.subject_id
    order by 1, 2
    on conflict on constraint flag_sufferers_pkey do update set failed = excluded.failed, place = excluded.place, at = excluded.at
  ), again as (
    select m.flag, m.at, m.arm, count(*) filter (where m.failed and m.had_failed)::integer as failed,
      array(select count(*) filter (where least(x.place, x.had_place) >= i)::integer
        from generate_series(1, 27) i, met x where x.flag = m.flag and x.at = m.at and x.arm = m.arm group by i order by i) as slow
    from met m group by m.flag, m.at, m.arm
  )
  insert into public.flag_metrics as m (flag_key, minute, arm, n, failed, timed, ms, le, failed_again, slow_again)
  select s.flag, s.at, s.arm, sum(s.n), sum(s.failed), sum(s.timed), sum(s.ms), (
    select array_agg(t.total order by t.i) from (
      select e.i, sum(e.count::integer)::integer as total
      from unnest(array_agg(s.le)) as h (le), jsonb_array_elements_text(h.le) with ordinality as e (count, i)
      group by e.i) t),
    coalesce(max(a.failed), 0), coalesce(max(a.slow), '{}')
  from sums s left join again a on a.flag = s.flag and a.at = s.at and a.arm = s.arm
  group by s.flag, s.at, s.arm
  order by 1, 2, 3
  on conflict on constraint flag_metrics_pkey do update
    set n = m.n + excluded.n, failed = m.failed + excluded.failed, timed = m.timed + excluded.timed,
      ms = m.ms + excluded.ms, le = private.add_histograms(m.le, excluded.le), failed_again = m.failed_again + excluded.failed_again,
      slow_again = case when m.slow_again = '{}' then excluded.slow_again when excluded.slow_again = '{}' then m.slow_again
        else private.add_histograms(m.slow_again, excluded.slow_again) end;
  perform private.record_affected(p_outcomes, p_now);
end $function$;
grant execute on function private.record_outcomes(p_outcomes jsonb, p_now timestamp with time zone) to service_role;

-- Records a route's current version in its history, unless it is already there.
CREATE OR REPLACE FUNCTION private.record_route(p_id uuid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  insert into public.route_history (route_id, version, name, priority, condition, mode, destinations, flag_key,
    sticky_minutes, active, channels, changed_at, changed_by)
  select r.id, r.version, r.name, r.priority, r.condition, r.mode, array(
      select d.name from public.route_destinations x join public.destinations d on d.id = x.destination_id
      where x.route_id = r.id order by x.position),
    r.flag_key, r.sticky_minutes, r.active, r.channels, r.updated_at, r.updated_by
  from public.routes r where r.id = p_id
  on conflict on constraint route_history_pkey do nothing
$function$;

-- Trigger, after insert, update or delete of settings: writes settings_history.
CREATE OR REPLACE FUNCTION private.record_setting()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  insert into public.settings_history (key, version, before, after, changed_at, changed_by, reason, gates)
  values (
    coalesce(new.key, old.key),
    coalesce(new.version, old.version + 1),
    case when tg_op <> 'INSERT' then jsonb_build_object('value', old.value, 'metadata', old.metadata) end,
    case when tg_op <> 'DELETE' then jsonb_build_object('value', new.value, 'metadata', new.metadata) end,
    coalesce(new.updated_at, clock_timestamp()),
    private.actor(),
    nullif(current_setting('gatelink.reason', true), ''),
    case when new.key like '%.enabled' and private.opens_to_everybody(new.value, new.metadata)
      and not private.opens_to_everybody(old.value, old.metadata)
      then coalesce(nullif(current_setting('gatelink.gates', true), ''), 'not_asked') end);
  return null;
end $function$;

-- Trigger, after insert, update or delete of team_members: writes team_history.
CREATE OR REPLACE FUNCTION private.record_team()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_user uuid := coalesce(new.user_id, old.user_id);
begin
  if tg_op = 'UPDATE' and (new.role, new.approvals) is not distinct from (old.role, old.approvals) then
    return null;
  end if;
  insert into public.team_history (user_id, email, change, before, after)
  values (v_user,
    -- An account that is being deleted no longer exists at this point.
    coalesce((select u.email from auth.users u where u.id = v_user),
      (select h.email from public.team_history h where h.user_id = v_user order by h.id desc limit 1)),
    case tg_op when 'INSERT' then 'added' when 'UPDATE' then 'changed' else 'removed' end,
    case when tg_op <> 'INSERT' then jsonb_build_object('role', old.role, 'approvals', old.approvals) end,
    case when tg_op <> 'DELETE' then jsonb_build_object('role', new.role, 'approvals', new.approvals) end);
  return null;
end $function$;

-- GL422 where an audience cannot be one, GL404 where its flag or a segment is not there.
CREATE OR REPLACE FUNCTION private.refuse_audience(p_audience jsonb)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_kind text := p_audience ->> 'kind';
  v_unknown text;
begin
  if not coalesce(case v_kind
      when 'flag' then private.object_keys_within(p_audience, array['kind', 'flag_key', 'days', 'targets_only'])
        and (not p_audience ? 'days' or private.is_number(p_audience -> 'days', 1, 365, 0))
        and (not p_audience ? 'targets_only' or jsonb_typeof(p_audience -> 'targets_only') = 'boolean')
      when 'segments' then private.object_keys_within(p_audience, array['kind', 'segments'])
        and private.is_text_list(p_audience -> 'segments', 20) and jsonb_array_length(p_audience -> 'segments') > 0
      when 'wrote' then private.object_keys_within(p_audience, array['kind', 'days'])
        and private.is_number(p_audience -> 'days', 1, 365, 0)
      when 'affected' then private.object_keys_within(p_audience, array['kind', 'flag_key', 'since'])
        and (not p_audience ? 'since' or jsonb_typeof(p_audience -> 'since') = 'string' and pg_input_is_valid(p_audience ->> 'since', 'timestamptz'))
    end, false) then
    raise exception 'this cannot be an audience' using errcode = 'GL422',
      hint = '{kind: flag, flag_key, days (1 to 365), targets_only}, {kind: segments, segments}, {kind: wrote, days} or {kind: affected, flag_key, since}';
  end if;
  if v_kind in ('flag', 'affected') and not exists (select from public.settings s where s.key = p_audience ->> 'flag_key' and s.key like '%.enabled') then
    raise exception 'there is no flag %', coalesce(p_audience ->> 'flag_key', 'without a key') using errcode = 'GL404', hint = 'gatelink flags list';
  elsif v_kind = 'segments' then
    select k.key into v_unknown from jsonb_array_elements_text(p_audience -> 'segments') as k (key)
    where not exists (select from public.segments s where s.key = k.key) limit 1;
    if v_unknown is not null then
      raise exception 'there is no segment %', v_unknown using errcode = 'GL404', hint = 'gatelink flags segments list';
    end if;
  end if;
end $function$;

-- Trigger, before update, delete or truncate: refuses it to every role, the owner included, with 42501. Keeps
-- histories append-only, but for the tombstones of an erasure, whose transaction is written down.
CREATE OR REPLACE FUNCTION private.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'UPDATE' and exists (
    select from public.erasures e where e.transaction = pg_current_xact_id_if_assigned() and e.at = now()) then
    return null;
  end if;
  raise exception '% on %.% is refused: it would leave a gap in the history',
    lower(tg_op), tg_table_schema, tg_table_name using errcode = '42501';
end $function$;

-- Removes updates of erased people from those just stored: repetitions, and statuses of messages to them. Returns the
-- outcomes with d for these.
CREATE OR REPLACE FUNCTION private.refuse_erased(p_updates private.inbound_update[], p_outcomes text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;
grant execute on function private.refuse_erased(p_updates private.inbound_update[], p_outcomes text) to service_role;

-- Trigger, before update of rollouts: none goes on or is completed while its flag's kill switch is set (GL409).
CREATE OR REPLACE FUNCTION private.refuse_killed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if private.killed_since(new.flag_key, greatest(clock_timestamp(), new.stage_started_at, new.finished_at)) is not null then
    raise exception 'the kill switch of % is set: nobody has it, and its rollout stays where it is', new.flag_key using errcode = 'GL409',
      hint = 'Unset the variable (docs/flags.md, Kill switches), or roll back.';
  end if;
  return new;
end $function$;

-- Trigger, before insert or update, and of settings at the end of the transaction too: a rollout is not completed nor
-- taken to 100 %, and a flag not marked as launched, nor made or raised to be on for everybody, while a severe
-- incident is open (GL409).
CREATE OR REPLACE FUNCTION private.refuse_launch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_number bigint;
begin
  if tg_table_name = 'rollouts' then
    if new.state = 'completed' and old.state <> 'completed' or new.state in ('running', 'paused') and new.stage <> old.stage and exists (
      select from public.rollout_stages s where s.rollout_id = new.id and s.position = new.stage and s.percentage = 100) then
      v_number := private.incident_in_the_way(new.flag_key);
    end if;
  elsif new.key like '%.enabled' and private.launches(new, case when tg_op = 'UPDATE' then old end) then
    v_number := private.incident_in_the_way(new.key);
  end if;
  if v_number is not null then
    raise exception 'incident % is open: nothing is launched meanwhile', v_number using errcode = 'GL409',
      hint = format('gatelink incident show %s: resolve it, or say that it is less severe.', v_number);
  end if;
  return new;
end $function$;

-- Raises GL423: what is locked, by which process and role, for how long and by which statement (detail:
-- lock_holders), and what to do instead.
CREATE OR REPLACE FUNCTION private.refuse_locked(p_what text, p_relations text[], p_instead text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_holders jsonb := private.lock_holders(p_relations);
begin
  raise exception '% is locked by %', p_what, coalesce((
      select string_agg(format('process %s (%s), for %s s%s', h ->> 'pid', coalesce(h ->> 'role', 'role not known'),
        coalesce(h ->> 'seconds', '?'), coalesce(': ' || (h ->> 'statement'), '')), '; ')
      from jsonb_array_elements(v_holders) h), 'another transaction')
    using errcode = 'GL423', detail = v_holders::text,
      hint = p_instead || coalesce(format(' Or end that process: select pg_terminate_backend(%s).', v_holders #>> '{0,pid}'), '');
end $function$;

-- First line of each function that the edge functions call with a secret key: raises GL503 for code whose header
-- x-gatelink-schema is older than the newest of schema_breaks. The Data API passes headers as request.headers.
CREATE OR REPLACE FUNCTION private.refuse_older_code()
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_code text := nullif(current_setting('request.headers', true), '')::json ->> 'x-gatelink-schema';
  v_breaks text;
begin
  if v_code is null then
    return;
  end if;
  select max(b.version) into v_breaks from private.schema_breaks b;
  if v_code < v_breaks then
    raise exception 'code for migration % must not run on a database with migration %', v_code, v_breaks
      using errcode = 'GL503', hint = 'Deploy the functions of the version that made it.';
  end if;
end $function$;
grant execute on function private.refuse_older_code() to service_role;

-- Raises GL422 when all targets of flags (but those of p_except_flag, which is being written) and all members of
-- segments, with p_more added, are more than 100,000.
CREATE OR REPLACE FUNCTION private.refuse_too_many(p_more bigint, p_except_flag text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_count bigint := p_more;
begin
  v_count := v_count + (
    select coalesce(sum(jsonb_array_length(s.metadata -> 'target_user_ids')), 0) from public.settings s
    where jsonb_typeof(s.metadata -> 'target_user_ids') = 'array' and s.key is distinct from p_except_flag);
  if to_regclass('public.segment_members') is not null then
    v_count := v_count + (select count(*) from public.segment_members);
  end if;
  if v_count > 100000 then
    raise exception 'flags and segments together name at most 100000 people, and this would make them %', v_count using errcode = 'GL422',
      hint = 'Every function holds all of them in memory. Remove segments that no flag targets any more, or use a percentage.';
  end if;
end $function$;
grant execute on function private.refuse_too_many(p_more bigint, p_except_flag text) to service_role;

-- Ends a lane's lease and makes it due with its first open delivery.
CREATE OR REPLACE FUNCTION private.release_lane(p_destination_id uuid, p_conversation_id uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
begin
  update private.delivery_lanes l
  set lease = null, due_at = (
    select d.next_attempt_at from public.deliveries d
    where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and d.state in ('pending', 'leased')
    order by d.destination_id, d.conversation_id, d.seq limit 1)
  where l.destination_id = p_destination_id and l.conversation_id = p_conversation_id;
end $function$;
grant execute on function private.release_lane(p_destination_id uuid, p_conversation_id uuid) to service_role;

-- Makes the lanes of these deliveries due with their first open delivery. The caller holds their locks.
CREATE OR REPLACE FUNCTION private.release_lanes(p_ids uuid[])
 RETURNS void
 LANGUAGE sql
 SET search_path TO ''
AS $function$
  -- A leased lane is released, and woken, by its holder.
  select private.release_lane(l.destination_id, l.conversation_id)
  from private.delivery_lanes l
  where l.lease is null and (l.destination_id, l.conversation_id) in (
    select d.destination_id, d.conversation_id from public.deliveries d where d.id = any (p_ids))
$function$;
grant execute on function private.release_lanes(p_ids uuid[]) to service_role;

-- Ends the leases of lanes and makes each due with its first open message, or one that was set aside, as soon as the
-- pair's limit and any pending media allow. The caller holds the lanes' locks from an earlier statement (see
-- release_lane).
CREATE OR REPLACE FUNCTION private.release_outbound_lanes(p_conversations uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
AS $function$
begin
  update private.outbound_lanes l
  set lease = null, due_at = (
    select greatest(min(first.next_attempt_at), private.pair_allows_at(l.pair_tat, l.channel, l.number_id), l.waits_until)
    from (
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and not o.aside and o.message_id is not null
      order by o.conversation_id, o.id limit 1)
      union all
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and not o.aside and o.message_id is null
      order by o.conversation_id, o.id limit 1)
      union all
      (select o.next_attempt_at from public.outbound_messages o
      where o.conversation_id = l.conversation_id and o.state in ('queued', 'leased') and o.aside
      order by o.conversation_id, o.next_attempt_at limit 1)
    ) first
    having count(*) > 0)
  where l.conversation_id = any (p_conversations);
end $function$;
grant execute on function private.release_outbound_lanes(p_conversations uuid[]) to service_role;

-- report_kill_switches with the time given.
CREATE OR REPLACE FUNCTION private.report_kill_switches(p_flags text[], p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  delete from private.kill_switches k where k.flag_key <> all (p_flags);
  insert into private.kill_switches as k (flag_key, since, seen_at)
  select distinct f.key, p_now, p_now from unnest(p_flags) as f (key) where exists (select from public.settings s where s.key = f.key)
  order by f.key
  on conflict on constraint kill_switches_pkey do update
    set seen_at = excluded.seen_at, since = case when k.seen_at < p_now - interval '10 minutes' then p_now else k.since end;
end $function$;
grant execute on function private.report_kill_switches(p_flags text[], p_now timestamp with time zone) to service_role;

-- report_now with the time given.
CREATE OR REPLACE FUNCTION private.report_now(p_flag_key text, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_from timestamptz;
  v_figures jsonb;
  v_look text[];
begin
  if p_flag_key is null then
    v_from := p_now - interval '7 days';
    select f.figures, f.look into v_figures, v_look from private.weekly_report(v_from, p_now) f;
  else
    select * into v_rollout from public.rollouts r
    where r.flag_key = p_flag_key and r.started_at is not null order by r.started_at desc limit 1;
    if v_rollout.id is null then
      raise exception 'no rollout of % has been started', p_flag_key using errcode = 'GL404', hint = 'gatelink rollout list';
    end if;
    v_from := p_now - interval '2 hours';
    select f.figures, f.look into v_figures, v_look from private.rollout_report(v_rollout, v_from, p_now) f;
  end if;
  return jsonb_build_object('id', null, 'kind', case when p_flag_key is null then 'weekly' else 'first_day' end, 'rollout_id', v_rollout.id,
    'flag_key', p_flag_key, 'period_from', v_from, 'due_at', p_now, 'figures', v_figures, 'look', to_jsonb(v_look), 'created_at', p_now);
end $function$;

-- What people said in a time (of a rollout: those who had the feature), and business metrics of its days (whole ones,
-- UTC) and as many before: {complaints, ratings, positive, metrics: [{name, n, before}]}.
CREATE OR REPLACE FUNCTION private.report_signals(p_rollout_id uuid, p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('complaints', said.complaints, 'ratings', said.ratings, 'positive', said.positive, 'metrics', counted.metrics)
  from (
    select count(distinct f.subject_id) filter (where f.kind = 'complaint') as complaints,
      count(*) filter (where f.kind = 'rating') as ratings, count(*) filter (where f.kind = 'rating' and f.positive) as positive
    from public.feedback f
    where f.at >= p_from and f.at < p_to and (p_rollout_id is null or exists (
      select from public.rollout_feedback o where o.feedback_id = f.id and o.rollout_id = p_rollout_id and o.arm = 'on'))
  ) said
  cross join lateral (
    select greatest(date_trunc('day', p_to) - date_trunc('day', p_from), interval '1 day') as days
  ) span
  cross join lateral (
    select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'n', d.n, 'before', d.before) order by d.name), '[]') as metrics
    from (
      select m.name, coalesce(sum(m.n) filter (where m.day >= (p_to - span.days)::date), 0) as n,
        coalesce(sum(m.n) filter (where m.day < (p_to - span.days)::date), 0) as before
      from public.metric_days m
      where m.day >= (p_to - 2 * span.days)::date and m.day < p_to::date group by m.name) d
  ) counted
$function$;

-- The report about something that began then that was due last: every two hours on the first day, daily until the
-- seventh; null where none was.
CREATE OR REPLACE FUNCTION private.report_slot(p_since timestamp with time zone, p_now timestamp with time zone, OUT kind text, OUT due_at timestamp with time zone, OUT period_from timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_hours double precision := extract(epoch from p_now - p_since) / 3600;
begin
  if v_hours >= 48 and v_hours < 192 then
    kind := 'daily';
    due_at := p_since + make_interval(days => least(7, floor(v_hours / 24))::integer);
    period_from := due_at - interval '1 day';
  elsif v_hours >= 2 and v_hours < 48 then
    kind := 'first_day';
    due_at := p_since + make_interval(hours => least(24, 2 * floor(v_hours / 2))::integer);
    period_from := due_at - interval '2 hours';
  end if;
end $function$;

-- Trigger, before insert or update of a route's condition: refuses one that could not be used (23514). Does not apply
-- to the table's owner, who migrates and restores.
CREATE OR REPLACE FUNCTION private.require_condition()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_fault text;
begin
  if private.caller() <> (select r.rolname from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner where c.oid = tg_relid) then
    v_fault := private.condition_fault(new.condition);
    if v_fault is not null then
      raise exception 'the condition cannot be used: %', v_fault using errcode = '23514', hint = 'docs/routing.md has every condition.';
    end if;
  end if;
  return new;
end $function$;

-- Refuses a new flag whose key the command line or a kill switch could not use: GL422. Plain SQL may still create it,
-- for OpenFeature clients that use such a key.
CREATE OR REPLACE FUNCTION private.require_flag_key(p_key text)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  if p_key like '%.enabled' and p_key !~ '^[a-z0-9][a-z0-9._-]*\.enabled$' or p_key = 'feature.enabled' then
    raise exception '% cannot be the key of a flag', p_key using errcode = 'GL422',
      hint = 'Lower case letters, digits, dots, dashes and underscores before .enabled, and not feature.enabled: that switch stops everything.';
  end if;
end $function$;

-- Trigger, before insert or update of url: refuses a URL that the allowlist does not permit (GL403).
CREATE OR REPLACE FUNCTION private.require_permitted_url()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if private.caller() <> (select r.rolname from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner where c.oid = tg_relid)
    and not coalesce(private.destination_permitted(new.url, 'forward'), false) then
    raise exception 'the allowlist does not permit this URL' using errcode = 'GL403',
      hint = 'Use https and a host name without credentials, and allow the host first: gatelink allowlist add HOST --for forward';
  end if;
  return new;
end $function$;

-- Trigger, before insert or update of route_destinations: refuses a destination that was removed (GL404).
CREATE OR REPLACE FUNCTION private.require_present_destination()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  perform from public.destinations d where d.id = new.destination_id and d.removed_at is null for key share;
  if not found then
    raise exception 'there is no such destination' using errcode = 'GL404', hint = 'gatelink destinations list shows them.';
  end if;
  return new;
end $function$;

-- Raises 42501 unless the caller holds a secret key (service_role), owns the database, or is signed in as a team
-- member of this role or a higher one. First line of each function that people call.
CREATE OR REPLACE FUNCTION private.require_role(p_role text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO ''
AS $function$
declare
  v_caller text := private.caller();
begin
  if v_caller = current_user or pg_has_role(v_caller, 'service_role', 'usage')
    or (v_caller = 'authenticated' and private.has_role(p_role)) then
    return;
  end if;
  raise exception 'this needs the team role % or a secret key', p_role using errcode = '42501';
end $function$;
grant execute on function private.require_role(p_role text) to service_role;

-- Codes that no link gets: words used in our addresses, and words that people or proxies request by mistake.
CREATE OR REPLACE FUNCTION private.reserved_link_codes()
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array[
    'admin', 'api', 'app', 'apps', 'assets', 'auth', 'bulk', 'claim', 'deeplinks', 'diagnostics', 'export', 'favicon',
    'flags', 'functions', 'health', 'import', 'index', 'l', 'link', 'links', 'login', 'logout', 'metrics', 'new', 'null',
    'qr', 'rest', 'robots', 'simulator', 'sitemap', 'static', 'stats', 'status', 'storage', 'undefined', 'wa-router',
    'wa-send', 'wa-webhook', 'well-known', 'www']
$function$;
grant execute on function private.reserved_link_codes() to service_role;

-- The person whom these ids, reported to a sender, identify on a channel; creates, moves or merges contacts as
-- needed. p_known is the contact they are about, if known. The caller holds the contacts' lock
-- (private.lock_contacts).
CREATE OR REPLACE FUNCTION private.resolve_contact(p_channel text, p_identities private.identity[], p_name text, p_at timestamp with time zone, p_sender_id text, p_known uuid DEFAULT NULL::uuid)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_contact uuid := case when p_channel = 'whatsapp' and p_identities[1].kind <> 'group'
    then private.whatsapp_contact(p_identities, p_at, p_sender_id, p_known)
    else coalesce(private.identity_holder(p_channel, p_identities[1].kind, p_identities[1].previous),
      private.identity_holder(p_channel, p_identities[1].kind, p_identities[1].value), p_known) end;
begin
  if v_contact is null then
    insert into public.contacts (channel, name) values (p_channel, p_name) returning id into v_contact;
  elsif p_name is not null then
    update public.contacts set name = p_name, updated_at = p_at where id = v_contact and name is distinct from p_name;
  end if;
  update public.contact_identities i set valid_to = greatest(p_at, i.valid_from)
  from unnest(p_identities) as told
  where i.contact_id = v_contact and i.kind = told.kind and i.value = told.previous and i.valid_to is null;
  perform private.hold_identity(v_contact, p_channel, i.kind, i.value, p_at, p_sender_id, p_known is not null)
  from unnest(p_identities) with ordinality as i order by i.ordinality;
  return v_contact;
end $function$;
grant execute on function private.resolve_contact(p_channel text, p_identities private.identity[], p_name text, p_at timestamp with time zone, p_sender_id text, p_known uuid) to service_role;

-- resolve_incident with the time given, at any version where that is null.
CREATE OR REPLACE FUNCTION private.resolve_incident(p_number bigint, p_expected_version bigint, p_note text, p_public_text text, p_now timestamp with time zone)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_incident public.incidents := private.incident_at(p_number, p_expected_version);
  v_note text := private.given_reason(p_note);
  v_public_text text := private.given_reason(p_public_text);
  v_was text := v_incident.status;
begin
  if v_was = 'resolved' then
    raise exception 'incident % is resolved', p_number using errcode = 'GL409', hint = 'To reopen it, give it a status: gatelink incident update.';
  elsif v_public_text is not null and not v_incident.public then
    raise exception 'incident % is not public', p_number using errcode = 'GL422';
  end if;
  update public.incidents i
  set status = 'resolved', resolved_at = p_now, resolved_by = private.actor(), escalate_at = null, version = i.version + 1
  where i.id = v_incident.id returning i.* into v_incident;
  perform private.write_incident(v_incident, 'resolved', p_now, v_note, jsonb_build_object('status', jsonb_build_object('from', v_was, 'to', 'resolved')));
  if v_incident.public then
    perform private.write_incident(v_incident, 'published', p_now, v_public_text, p_public => true);
  end if;
  perform private.notify_incident(v_incident, 'incident_resolved', coalesce(v_note, v_public_text), p_now);
  return v_incident;
end $function$;

-- What is kept for how long: relation, the column of its time-ordered id if it has one, setting with the days, days
-- without it (null: for ever), the least that may be set, which rows, and what changes in them (null: they are
-- deleted). Clicks, limits, measurements and metrics of flags have purges of their own.
CREATE OR REPLACE FUNCTION private.retentions()
 RETURNS TABLE(what text, relation text, id text, setting text, otherwise integer, at_least integer, condition text, change text)
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
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
    ('outbound_messages', 'public.outbound_messages', 'id', 'outbound_days', 90, 2, 'x.state in (''sent'', ''failed'')', null),
    ('attributions', 'public.attributions', 'message_id', 'attribution_days', null, 2, 'true', null),
    ('notifications', 'public.notifications', 'id', 'notification_days', 90, 2, 'x.state in (''delivered'', ''dead'')', null),
    ('announcements', 'public.announcements', 'id', 'announcement_days', 365, 2, 'x.state <> ''sending''', null),
    ('reports', 'public.reports', 'id', 'report_days', 400, 2, 'true', null),
    ('contacts', 'public.contacts', 'id', 'contact_days', 365, 2, 'x.updated_at < $1', null),
    ('cron', 'cron.job_run_details', null, 'cron_days', 3, 1, 'x.start_time < $1', null),
    ('feedback', 'public.feedback', 'id', 'feedback_days', 365, 2, 'true', null),
    ('metric_keys', 'private.metric_keys', null, null, 8, 8, 'x.at < $1', null),
    ('erased_keys', 'private.erased_keys', null, null, 8, 8, 'x.at < $1', null)
  ) as v (what, relation, id, setting, otherwise, at_least, condition, change)
$function$;
grant execute on function private.retentions() to service_role;

-- Milliseconds of a minute's outcomes for a mean that few slow ones do not move. See robustMs() in minutes.ts; the
-- caller asks only where the mean is above the limit.
CREATE OR REPLACE FUNCTION private.robust_ms(p_ms bigint, p_timed integer, p_le integer[], p_slow_again integer[], p_limit double precision)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select least(p_ms, trunc(sum((least(e.edge, 3 * p_limit) - e.before) * e.slower))::bigint)
  from (
    select t.edge, coalesce(lag(t.edge) over w, 0) as before,
      case when t.i = 1 then p_timed else p_timed - lag(t.count) over w - coalesce(lag(t.again) over w, 0) end as slower
    from unnest(private.latency_edges(), p_le, p_slow_again) with ordinality as t (edge, count, again, i)
    window w as (order by t.i)
  ) e
  where least(e.edge, 3 * p_limit) > e.before
$function$;

-- Turns the counts of days before p_now's into click_days, at most p_limit links and days per call, and returns how
-- many. For the clock.
CREATE OR REPLACE FUNCTION private.roll_up_clicks(p_now timestamp with time zone, p_limit integer DEFAULT 200000)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_day date;
  v_done bigint;
  v_count bigint := 0;
begin
  loop
    select min(n.day) into v_day from public.click_counts n where n.day < (p_now at time zone private.team_zone())::date;
    exit when v_day is null or v_count >= p_limit;
    v_done := private.roll_up_day(v_day, (p_limit - v_count)::integer);
    v_count := v_count + v_done;
    exit when v_done = 0;
  end loop;
  return v_count;
end $function$;
grant execute on function private.roll_up_clicks(p_now timestamp with time zone, p_limit integer) to service_role;

-- Turns the counts of a day into click_days, at most p_limit links, and returns how many.
CREATE OR REPLACE FUNCTION private.roll_up_day(p_day date, p_limit integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO ''
 SET work_mem TO '32MB'
AS $function$
declare
  v_from timestamptz := p_day::timestamp at time zone private.team_zone();
  v_to timestamptz := (p_day + 1)::timestamp at time zone private.team_zone();
  v_done bigint;
begin
  with over as (
    select distinct n.code from public.click_counts n where n.day = p_day order by n.code limit p_limit
  ), gone as (
    -- What is taken away is what is added, also of a row that somebody counted in a moment ago.
    delete from public.click_counts n using over where n.code = over.code and n.day = p_day
    returning n.code, n.human, n.bot, n.preview, n.prefetch, n.own
  ), counted as (
    select g.code, sum(g.human)::bigint as human, sum(g.bot)::bigint as bot, sum(g.preview)::bigint as preview,
      sum(g.prefetch)::bigint as prefetch, sum(g.own)::bigint as own
    from gone g group by g.code
  ), humans as (
    select c.code, c.visitor, c.platform, c.country, c.referrer, c.target,
      private.rule_name(c.rule, c.target) as rule, case when c.qr then 'qr' else 'link' end as source, c.visits
    from public.clicks c join over on over.code = c.code
    where c.at >= v_from and c.at < v_to and c.verdict = 'human'
  ), visitors as (
    select h.code, count(distinct h.visitor) as visitors from humans h group by h.code
  ), named as (
    -- Of these columns one is grouped by, and the others are null.
    select h.code, grouping(h.platform, h.country, h.referrer, h.target, h.rule, h.source) as kind,
      coalesce(h.platform, h.country, h.referrer, h.target, h.rule, h.source, '') collate "C" as name, sum(h.visits) as n
    from humans h
    group by grouping sets ((h.code, h.platform), (h.code, h.country), (h.code, h.referrer), (h.code, h.target), (h.code, h.rule),
      (h.code, h.source))
  ), ranked as (
    select n.*, row_number() over (partition by n.code, n.kind order by n.n desc, n.name) as place from named n
  ), groups as (
    select r.code, jsonb_object_agg(r.name, r.n) filter (where r.kind = 31) as platforms,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 47) as countries,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 55) as referrers,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 59) as targets,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 61) as rules,
      jsonb_object_agg(r.name, r.n) filter (where r.kind = 62) as sources
    from ranked r
    where r.place <= case r.kind when 47 then 300 when 55 then 50 when 61 then 100 else 10 end
    group by r.code
  ), summed as (
    insert into public.click_days as d (
      code, day, human, bot, preview, prefetch, visitors, platforms, countries, referrers, targets,
      own, rules, sources)
    select c.code, p_day, c.human, c.bot, c.preview, c.prefetch, coalesce(v.visitors, 0), coalesce(g.platforms, '{}'),
      coalesce(g.countries, '{}'), coalesce(g.referrers, '{}'), coalesce(g.targets, '{}'), c.own, coalesce(g.rules, '{}'), coalesce(g.sources, '{}')
    from counted c
    left join visitors v on v.code = c.code
    left join groups g on g.code = c.code
    on conflict on constraint click_days_pkey do update
      set human = d.human + excluded.human, bot = d.bot + excluded.bot, preview = d.preview + excluded.preview,
        prefetch = d.prefetch + excluded.prefetch, visitors = excluded.visitors, platforms = excluded.platforms,
        countries = excluded.countries, referrers = excluded.referrers, targets = excluded.targets,
        own = d.own + excluded.own, rules = excluded.rules, sources = excluded.sources
    returning 1
  )
  select count(*) into v_done from summed;
  return v_done;
end $function$;
grant execute on function private.roll_up_day(p_day date, p_limit integer) to service_role;

-- Locks a rollout that is at this version and in one of these states; GL404 or GL409 when it is not.
CREATE OR REPLACE FUNCTION private.rollout_at(p_id uuid, p_expected_version bigint, p_states text[])
 RETURNS rollouts
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
begin
  select * into v_rollout from public.rollouts r where r.id = p_id for update;
  if v_rollout.id is null then
    raise exception 'there is no rollout %', p_id using errcode = 'GL404';
  elsif v_rollout.version is distinct from p_expected_version then
    raise exception 'rollout % is at version %, not %', p_id, v_rollout.version, p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  elsif v_rollout.state <> all (p_states) then
    raise exception 'rollout % is %', p_id, v_rollout.state using errcode = 'GL409',
      hint = 'This needs it to be ' || array_to_string(p_states, ' or ') || '.';
  end if;
  return v_rollout;
end $function$;

-- The evidence of a verdict up to the minute p_to: what replay() in _shared/rollouts/replay.ts recomputes it from.
-- p_taken is what came of taking those minutes into rollouts.guard, where that was done already; p_signals, what
-- people and business metrics say.
CREATE OR REPLACE FUNCTION private.rollout_evidence(p_rollout rollouts, p_to bigint, p_now timestamp with time zone, p_taken private.guard_taken DEFAULT NULL::private.guard_taken, p_signals jsonb DEFAULT NULL::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_stage public.rollout_stages := private.rollout_stage(p_rollout);
  v_watch jsonb := private.guard_watch(v_stage, (p_rollout.checkpoint ->> 'minute')::bigint + 1 < private.sharp_until(v_stage));
  v_criteria jsonb := private.guard_criteria(v_stage);
  v_taken private.guard_taken := p_taken;
begin
  -- What the guard has just taken in is all of it when it began where the last evidence ended.
  if (v_taken).state is null or p_rollout.guard <> p_rollout.checkpoint then
    v_taken := private.guard_take(p_rollout.flag_key, v_watch, (v_criteria ->> 'p95_ms')::integer, p_rollout.checkpoint, p_to);
  end if;
  return jsonb_build_object('guard', 2, 'stage', p_rollout.stage, 'watch', v_watch, 'criteria', v_criteria,
    'started_ms', private.epoch_ms(p_rollout.stage_started_at), 'now_ms', private.epoch_ms(p_now),
    'before', p_rollout.checkpoint, 'minutes', v_taken.minutes, 'path', v_taken.path, 'after', v_taken.state,
    'signals', coalesce(p_signals, private.rollout_signals(p_rollout, v_stage, p_now)),
    'alarm', v_taken.alarm, 'progress', case when v_taken.alarm is null then private.guard_progress(v_criteria, v_taken.state,
      private.epoch_ms(p_rollout.stage_started_at), private.epoch_ms(p_now)) end);
end $function$;

-- Whether a stage of a plan can ask for this of a business metric.
CREATE OR REPLACE FUNCTION private.rollout_metric_is_sound(p_metric jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select private.object_keys_within(p_metric, array['name', 'max_fall', 'then', 'min_people', 'by', 'at_least_per_day'])
    and coalesce(p_metric ->> 'name' ~ '^[a-z][a-z0-9_.]{0,59}$', false) and jsonb_typeof(p_metric -> 'name') = 'string'
    and (p_metric ? 'max_fall' or p_metric ? 'at_least_per_day')
    and (not p_metric ? 'max_fall' or private.is_number(p_metric -> 'max_fall', 0, 0.9))
    and (p_metric ? 'max_fall') >= (p_metric ? 'then' or p_metric ? 'min_people')
    and (not p_metric ? 'then' or p_metric -> 'then' in ('"roll_back"', '"hold"'))
    and (not p_metric ? 'min_people' or private.is_number(p_metric -> 'min_people', 0, 10000000, 0))
    and (not p_metric ? 'by' or p_metric -> 'by' in ('"people"', '"value"'))
    and (not p_metric ? 'at_least_per_day' or private.is_number(p_metric -> 'at_least_per_day', 0, 1000000000))
$function$;

-- What is wrong with a plan {name, stages: [{name, percentage, user_ids, segments, users, among, hold_minutes,
-- min_samples, overdue_minutes, advance_when, roll_back_when, first_day, metrics}]}; empty when it is sound. See
-- docs/rollouts.md.
CREATE OR REPLACE FUNCTION private.rollout_plan_faults(p_plan jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_faults text[];
begin
  if not private.object_keys_within(p_plan, array['name', 'stages'])
    or (p_plan ? 'name' and not coalesce(jsonb_typeof(p_plan -> 'name') = 'string' and char_length(p_plan ->> 'name') between 1 and 60, false))
    or jsonb_typeof(p_plan -> 'stages') is distinct from 'array'
    or jsonb_array_length(p_plan -> 'stages') not between 1 and 20 then
    return array['a plan has a name of 1 to 60 characters, or none, and 1 to 20 stages'];
  end if;
  select array_agg(format('stages.%s: %s', s.i - 1, f.fault) order by s.i) into v_faults
  from jsonb_array_elements(p_plan -> 'stages') with ordinality as s (stage, i), private.rollout_stage_faults(s.stage) as f (fault);
  if v_faults is not null then
    return v_faults;
  end if;
  select array_agg(r.fault) into v_faults
  from (
    select count(distinct s.stage ->> 'name') = count(*) as names,
      bool_and(s.percentage >= s.before) as grows, max(s.percentage) = 100 as ends, bool_and(s.users > s.fewer) as more,
      bool_and(s.users is null or s.before = 0) as first
    from (
      select e.stage, (e.stage ->> 'percentage')::numeric as percentage,
        lag((e.stage ->> 'percentage')::numeric, 1, 0) over (order by e.i) as before, (e.stage ->> 'users')::integer as users,
        max((e.stage ->> 'users')::integer) over (order by e.i rows between unbounded preceding and 1 preceding) as fewer
      from jsonb_array_elements(p_plan -> 'stages') with ordinality as e (stage, i)
    ) s
  ) p
  cross join lateral (values
    (p.names, 'stages: two stages have the same name'),
    (p.grows, 'stages: percentages must not decrease'),
    (p.ends, 'stages: the last stage must be 100 %'),
    (coalesce(p.more, true), 'stages: users must grow'),
    (coalesce(p.first, true), 'stages: users come before percentages')
  ) as r (kept, fault)
  where r.kept is not true;
  return coalesce(v_faults, '{}');
end $function$;
grant execute on function private.rollout_plan_faults(p_plan jsonb) to service_role;

-- How a rollout did in a time, with as long before it, and what somebody should look at.
CREATE OR REPLACE FUNCTION private.rollout_report(p_rollout rollouts, p_from timestamp with time zone, p_to timestamp with time zone, OUT figures jsonb, OUT look text[])
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_stage public.rollout_stages;
  v_on jsonb := private.outcome_figures(p_rollout.flag_key, 'on', p_from, p_to);
  v_signals jsonb := private.report_signals(p_rollout.id, p_from, p_to);
  v_before jsonb := private.outcome_figures(p_rollout.flag_key, 'on', p_from - (p_to - p_from), p_from);
  v_paged bigint;
  v_open bigint;
  v_opened bigint;
begin
  select * into v_stage from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage;
  select count(*) into v_paged from public.rollout_events e
  where e.rollout_id = p_rollout.id and e.kind = 'paged' and e.at >= p_from and e.at < p_to;
  select count(*) filter (where i.status <> 'resolved'), count(*) filter (where i.opened_at >= p_from and i.opened_at < p_to)
  into v_open, v_opened
  from public.incidents i
  where coalesce(i.flag_key, p_rollout.flag_key) = p_rollout.flag_key and (i.status <> 'resolved' or i.opened_at >= p_from);
  figures := jsonb_build_object('state', p_rollout.state, 'plan', p_rollout.plan, 'hold_reason', p_rollout.hold_reason,
    'stage', case when v_stage.position is not null then
      jsonb_build_object('position', v_stage.position, 'name', v_stage.name, 'percentage', v_stage.percentage) end,
    'on', v_on, 'off', private.outcome_figures(p_rollout.flag_key, 'off', p_from, p_to), 'before', v_before,
    'pages', v_paged, 'incidents_opened', v_opened, 'incidents_open', v_open) || v_signals;
  look := array_remove(array[
    case when (v_on ->> 'n')::bigint = 0 then 'silent' end,
    case when (v_on ->> 'error_rate')::numeric > (v_stage.roll_back_when ->> 'error_rate_above')::numeric then 'error_rate' end,
    case when (v_on ->> 'p95_ms')::numeric > (v_stage.roll_back_when ->> 'p95_ms_above')::numeric then 'p95' end,
    case when (v_on ->> 'n')::bigint >= 100 and (v_before ->> 'n')::bigint >= 100
      and (v_on ->> 'error_rate')::numeric > 2 * (v_before ->> 'error_rate')::numeric + 0.005 then 'worse' end,
    case when v_paged > 0 then 'paged' end,
    case when v_open > 0 then 'incident' end,
    case when (v_signals ->> 'complaints')::bigint > 0 then 'complaints' end], null);
end $function$;

-- What people and business metrics say of the stage that a rollout is in: {asked, seen, said}.
CREATE OR REPLACE FUNCTION private.rollout_signals(p_rollout rollouts, p_stage rollout_stages, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_asked jsonb := private.signals_asked(p_stage, private.epoch_ms(p_now) / 60000 < private.sharp_until(p_stage));
  v_seen jsonb := private.signals_seen(p_rollout, p_stage, p_now);
begin
  return jsonb_build_object('asked', v_asked, 'seen', v_seen, 'said', private.signals_say(v_asked, v_seen));
end $function$;

-- The stage that a rollout is in.
CREATE OR REPLACE FUNCTION private.rollout_stage(p_rollout rollouts)
 RETURNS rollout_stages
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select s from public.rollout_stages s where s.rollout_id = p_rollout.id and s.position = p_rollout.stage
$function$;

-- What is wrong with one stage of a plan; nothing when it is sound.
CREATE OR REPLACE FUNCTION private.rollout_stage_faults(p_stage jsonb)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select f.fault
  from (select p_stage -> 'advance_when' as go, p_stage -> 'roll_back_when' as back,
    p_stage #> '{roll_back_when,plain}' as plain,
    p_stage -> 'first_day' as day) s
  cross join lateral (values
    (private.object_keys_within(p_stage, array['name', 'percentage', 'user_ids', 'segments', 'users', 'among', 'hold_minutes', 'min_samples',
      'overdue_minutes', 'advance_when', 'roll_back_when', 'first_day', 'metrics']), 'a stage has other members than it may'),
    (coalesce(jsonb_typeof(p_stage -> 'name') = 'string' and char_length(p_stage ->> 'name') between 1 and 60, false),
      'name: 1 to 60 characters'),
    (private.is_number(p_stage -> 'percentage', 0, 100, 2), 'percentage: 0 to 100 in steps of 0.01'),
    (not p_stage ? 'user_ids' or private.is_text_list(p_stage -> 'user_ids', 1000), 'user_ids: at most 1000 ids'),
    (not p_stage ? 'segments' or private.is_text_list(p_stage -> 'segments', 20), 'segments: at most 20 keys'),
    (p_stage -> 'percentage' <> '0' or p_stage ? 'users' or coalesce(p_stage -> 'user_ids', '[]') <> '[]' or coalesce(p_stage -> 'segments', '[]') <> '[]',
      'percentage: a stage at 0 % needs user_ids, segments or users'),
    (not p_stage ? 'users' or private.is_number(p_stage -> 'users', 1, 10000, 0), 'users: 1 to 10000'),
    (not p_stage ? 'users' or p_stage -> 'percentage' = '0', 'users: a stage of so many people has percentage 0'),
    (not p_stage ? 'among' or private.is_text_list(p_stage -> 'among', 20), 'among: at most 20 keys of segments'),
    (not p_stage ? 'among' or p_stage ? 'users', 'among: only with users'),
    (private.is_number(p_stage -> 'hold_minutes', 1, 129600, 0), 'hold_minutes: 1 to 129600'),
    (private.is_number(p_stage -> 'min_samples', 0, 10000000, 0), 'min_samples: 0 to 10000000'),
    (not p_stage ? 'overdue_minutes' or (private.is_number(p_stage -> 'overdue_minutes', 1, 259200, 0)
      and p_stage -> 'overdue_minutes' > p_stage -> 'hold_minutes'), 'overdue_minutes: more than hold_minutes, at most 259200'),
    (private.object_keys_within(s.go, array['no_errors', 'error_rate_below', 'p95_ms_below', 'complaints_at_most', 'positive_share_above', 'min_ratings']),
      'advance_when: no_errors, error_rate_below, p95_ms_below, complaints_at_most, positive_share_above, min_ratings'),
    (not coalesce(s.go ? 'complaints_at_most', false) or private.is_number(s.go -> 'complaints_at_most', 0, 10000, 0),
      'advance_when.complaints_at_most: 0 to 10000'),
    (not coalesce(s.go ? 'positive_share_above', false) or private.is_number(s.go -> 'positive_share_above', 0, 0.99),
      'advance_when.positive_share_above: 0 to 0.99'),
    (not coalesce(s.go ? 'min_ratings', false) or private.is_number(s.go -> 'min_ratings', 1, 10000, 0),
      'advance_when.min_ratings: 1 to 10000'),
    (coalesce(s.go ? 'positive_share_above' = s.go ? 'min_ratings', true),
      'advance_when.min_ratings: together with positive_share_above'),
    (coalesce(s.go -> 'complaints_at_most' <= s.back -> 'complaints_above', true),
      'advance_when.complaints_at_most: not above roll_back_when.complaints_above'),
    (not coalesce(s.go ? 'no_errors', false) or s.go -> 'no_errors' = 'true', 'advance_when.no_errors: true, or left out'),
    (not coalesce(s.go ? 'error_rate_below', false) or private.is_number(s.go -> 'error_rate_below', 0.00001, 0.99),
      'advance_when.error_rate_below: 0.00001 to 0.99'),
    (not coalesce(s.go ? 'p95_ms_below', false) or private.is_edge(s.go -> 'p95_ms_below'),
      'advance_when.p95_ms_below: one of the latencies that are counted'),
    (private.object_keys_within(s.back, array['error_rate_above', 'p95_ms_above', 'plain', 'complaints_above']) and s.back - 'complaints_above' <> '{}',
      'roll_back_when: at least one of error_rate_above, p95_ms_above, plain'),
    (not coalesce(s.back ? 'complaints_above', false) or private.is_number(s.back -> 'complaints_above', 0, 10000, 0),
      'roll_back_when.complaints_above: 0 to 10000'),
    (not p_stage ? 'first_day' or private.object_keys_within(s.day, array['error_rate_above', 'p95_ms_above', 'complaints_above']) and s.day <> '{}',
      'first_day: at least one of error_rate_above, p95_ms_above, complaints_above'),
    (not coalesce(s.day ? 'error_rate_above', false) or private.is_number(s.day -> 'error_rate_above', 0.00001, 0.5)
      and coalesce(s.day -> 'error_rate_above' <= s.back -> 'error_rate_above', false),
      'first_day.error_rate_above: not above roll_back_when.error_rate_above, which must be there'),
    (not coalesce(s.day ? 'p95_ms_above', false) or private.is_edge(s.day -> 'p95_ms_above')
      and coalesce(s.day -> 'p95_ms_above' <= s.back -> 'p95_ms_above', false),
      'first_day.p95_ms_above: one of the latencies that are counted, not above roll_back_when.p95_ms_above, which must be there'),
    (not coalesce(s.day ? 'complaints_above', false) or private.is_number(s.day -> 'complaints_above', 0, 10000, 0)
      and coalesce(s.day -> 'complaints_above' <= s.back -> 'complaints_above', false),
      'first_day.complaints_above: not above roll_back_when.complaints_above, which must be there'),
    (case when not p_stage ? 'metrics' then true when jsonb_typeof(p_stage -> 'metrics') <> 'array' then false
      else jsonb_array_length(p_stage -> 'metrics') between 1 and 10 and not exists (
        select from jsonb_array_elements(p_stage -> 'metrics') m where private.rollout_metric_is_sound(m) is not true) end,
      'metrics: 1 to 10 of {name, max_fall or at_least_per_day, then (roll_back or hold), min_people, by (people or value)}'),
    (not p_stage ? 'metrics' or (p_stage -> 'percentage' > '0' and p_stage -> 'percentage' < '100')
      or not jsonb_path_exists(p_stage, 'lax $.metrics[*].max_fall'),
      'metrics: max_fall needs people with and without the feature: a percentage between 0 and 100'),
    (not coalesce(s.back ? 'error_rate_above', false) or private.is_number(s.back -> 'error_rate_above', 0.00001, 0.5),
      'roll_back_when.error_rate_above: 0.00001 to 0.5'),
    (not coalesce(s.back ? 'p95_ms_above', false) or private.is_edge(s.back -> 'p95_ms_above'),
      'roll_back_when.p95_ms_above: one of the latencies that are counted'),
    (not coalesce(s.back ? 'plain', false) or (
      private.object_keys_within(s.plain, array['minutes', 'min_samples', 'error_rate_above', 'mean_ms_above'])
      and private.is_number(s.plain -> 'minutes', 1, 60, 0) and private.is_number(s.plain -> 'min_samples', 1, 1000000, 0)
      and (s.plain ? 'error_rate_above' or s.plain ? 'mean_ms_above')
      and (not s.plain ? 'error_rate_above' or private.is_number(s.plain -> 'error_rate_above', 0.00001, 0.99))
      and (not s.plain ? 'mean_ms_above' or private.is_number(s.plain -> 'mean_ms_above', 1, 60000))),
      'roll_back_when.plain: minutes (1 to 60), min_samples, and error_rate_above or mean_ms_above'),
    (coalesce(s.go -> 'error_rate_below' <= s.back -> 'error_rate_above', true),
      'advance_when.error_rate_below: not above roll_back_when.error_rate_above'),
    (coalesce(s.go -> 'p95_ms_below' <= s.back -> 'p95_ms_above', true),
      'advance_when.p95_ms_below: not above roll_back_when.p95_ms_above')
  ) as f (kept, fault)
  where f.kept is not true
$function$;

-- A built-in plan: standard (internal, beta 10 %, 25, 50, 75, 100 %, full: 17 days at least) for which the ids or
-- segments of the internal stage are given, or canary (1, 5, 10, 25, 50, 100 % in 5.5 hours at least). Null for
-- another name.
CREATE OR REPLACE FUNCTION private.rollout_template(p_name text, p_user_ids jsonb, p_segments jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_name
    when 'standard' then jsonb_build_object('name', 'standard', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.name, 'percentage', t.percentage, 'hold_minutes', t.hold, 'min_samples', t.samples,
          'advance_when', t.go, 'roll_back_when', t.back)
        || case when t.overdue is not null then jsonb_build_object('overdue_minutes', t.overdue) else '{}' end
        || case when t.day is not null then jsonb_build_object('first_day', t.day) else '{}' end
        || case when t.i = 1 then jsonb_strip_nulls(jsonb_build_object('user_ids', p_user_ids, 'segments', p_segments)) else '{}' end
        order by t.i)
      from (values
        (1, 'internal', 0, 1440, 60, null, '{"no_errors": true, "p95_ms_below": 500}'::jsonb,
          '{"error_rate_above": 0.05, "p95_ms_above": 1000}'::jsonb, null::jsonb),
        (2, 'beta', 10, 5760, 300, null, '{"error_rate_below": 0.01, "p95_ms_below": 500}',
          '{"error_rate_above": 0.02, "complaints_above": 5}', '{"error_rate_above": 0.01, "complaints_above": 3}'),
        (3, '25 %', 25, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (4, '50 %', 50, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (5, '75 %', 75, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (6, '100 %', 100, 2880, 600, 4320, '{"error_rate_below": 0.005, "p95_ms_below": 400, "complaints_at_most": 0}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', '{"error_rate_above": 0.005, "p95_ms_above": 500}'),
        (7, 'full', 100, 4320, 600, null, '{"error_rate_below": 0.005, "p95_ms_below": 400}',
          '{"error_rate_above": 0.01, "p95_ms_above": 1000, "complaints_above": 5}', null)
      ) as t (i, name, percentage, hold, samples, overdue, go, back, day)))
    when 'canary' then jsonb_build_object('name', 'canary', 'stages', (
      select jsonb_agg(jsonb_build_object('name', t.percentage || ' %', 'percentage', t.percentage, 'hold_minutes', t.hold,
          'min_samples', 3000, 'advance_when', '{"error_rate_below": 0.001}'::jsonb,
          'roll_back_when', '{"error_rate_above": 0.01, "plain": {"minutes": 5, "min_samples": 20, "mean_ms_above": 500}}'::jsonb)
        order by t.percentage)
      from (values (1, 30), (5, 30), (10, 30), (25, 60), (50, 60), (100, 120)) as t (percentage, hold)))
  end
$function$;
grant execute on function private.rollout_template(p_name text, p_user_ids jsonb, p_segments jsonb) to service_role;

-- Whether such an event was written since then: nobody wants the same page every minute.
CREATE OR REPLACE FUNCTION private.rollout_told(p_id uuid, p_stage integer, p_kind text, p_rule text, p_since timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from public.rollout_events e
    where e.rollout_id = p_id and e.at > p_since and e.stage = p_stage and e.kind = p_kind and e.rule = p_rule)
$function$;

-- Locks and returns a route if it is at this version. GL404 if it does not exist, GL409 if it was changed in the
-- meantime.
CREATE OR REPLACE FUNCTION private.route_at(p_id uuid, p_version integer)
 RETURNS routes
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_route public.routes;
begin
  select * into v_route from public.routes r where r.id = p_id for update;
  if not found then
    raise exception 'there is no such route' using errcode = 'GL404';
  end if;
  if v_route.version is distinct from p_version then
    raise exception 'route % is at version %, not %', v_route.name, v_route.version, p_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
  return v_route;
end $function$;

-- The flag that controls routing and forwarding on a channel; the same as routerFlag in _shared/pipeline/routed.ts.
CREATE OR REPLACE FUNCTION private.router_flag(p_channel text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_channel when 'whatsapp' then 'wa_router.enabled' else p_channel || '_router.enabled' end
$function$;
grant execute on function private.router_flag(p_channel text) to service_role;

-- The label of a click in figures by rule: the number of the target that took it, else default, fallback or preview.
CREATE OR REPLACE FUNCTION private.rule_name(p_rule smallint, p_target text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select coalesce(p_rule::text, case when p_target in ('fallback', 'preview') then p_target else 'default' end)
$function$;
grant execute on function private.rule_name(p_rule smallint, p_target text) to service_role;

-- The contacts that are one person with a contact: merged ones, and those with the same phone number on another
-- channel.
CREATE OR REPLACE FUNCTION private.same_person(p_contact_id uuid)
 RETURNS uuid[]
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with live as (
    select coalesce(c.merged_into, c.id) as id from public.contacts c where c.id = p_contact_id
  ), roots as (
    select l.id from live l
    union
    select o.contact_id
    from live l
    join public.contact_identities k on k.contact_id = l.id and k.kind = 'phone' and k.valid_to is null
    cross join (select distinct s.channel from public.senders s) s
    join public.contact_identities o on o.channel = s.channel and o.kind = 'phone' and o.valid_to is null
      and o.value = any (private.spellings('phone', k.value))
  )
  select array(
    select r.id from roots r
    union
    select c.id from roots r join public.contacts c on c.merged_into = r.id)
$function$;
grant execute on function private.same_person(p_contact_id uuid) to service_role;

-- Counts the messages, updates and clicks of the minutes that are over since the last call, and says how many
-- minutes. For the clock.
CREATE OR REPLACE FUNCTION private.sample_minutes(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_from timestamptz;
  v_to timestamptz := date_trunc('minute', p_now - interval '20 seconds');
begin
  -- Two clocks at once would count twice.
  perform pg_advisory_xact_lock(hashtext('gatelink.sample_minutes'));
  select max(m.minute) + interval '1 minute' into v_from
  from public.measurements m where m.name = 'messages' and m.label = 'in' and m.minute > '-infinity';
  v_from := coalesce(v_from, v_to - interval '1 minute');
  -- After an outage: an hour at a time.
  v_to := least(v_to, v_from + interval '1 hour');
  if v_from >= v_to then
    return 0;
  end if;
  with counted (name, label, minute, n) as (
    select 'messages', d.direction, g.minute, coalesce(c.n, 0)
    from generate_series(v_from, v_to - interval '1 minute', interval '1 minute') as g (minute)
    cross join (values ('in'), ('out')) as d (direction)
    left join private.count_messages(v_from, v_to) c on c.minute = g.minute and c.direction = d.direction
    union all
    select 'updates', e.field || ' ' || e.kind, date_trunc('minute', e.received_at), count(*)
    from public.webhook_events e where e.received_at >= v_from and e.received_at < v_to
    group by 2, 3
    union all
    select 'clicks', c.verdict || ' ' || c.target, date_trunc('minute', c.at), count(*)
    from public.clicks c where c.at >= v_from and c.at < v_to
    group by 2, 3
  )
  insert into public.measurements as m (name, label, minute, n, last_at)
  select c.name, c.label, w.minute, sum(c.n), p_now
  from counted c cross join lateral (values ('-infinity'::timestamptz), (c.minute)) as w (minute)
  group by 1, 2, 3 order by 1, 2, 3
  on conflict on constraint measurements_pkey do update set n = m.n + excluded.n, last_at = excluded.last_at;
  return (extract(epoch from v_to - v_from) / 60)::integer;
end $function$;

-- How many outcomes it takes until a rate is surely below a limit, failures coming as they usually do; null where it
-- never is.
CREATE OR REPLACE FUNCTION private.samples_needed(p_rate double precision, p_limit double precision)
 RETURNS bigint
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  v_low bigint := 0;
  v_high bigint := 1;
  v_middle bigint;
begin
  if p_rate >= p_limit then
    return null;
  end if;
  while not private.surely_below(ceil(p_rate * v_high)::bigint, v_high, p_limit) loop
    v_low := v_high;
    v_high := v_high * 2;
    if v_high > 100000000 then
      return null;
    end if;
  end loop;
  while v_high - v_low > 1 loop
    v_middle := (v_low + v_high) / 2;
    if private.surely_below(ceil(p_rate * v_middle)::bigint, v_middle, p_limit) then
      v_high := v_middle;
    else
      v_low := v_middle;
    end if;
  end loop;
  return v_high;
end $function$;

-- Schedules clock_jobs in pg_cron; answers how many, 0 where there is no pg_cron. Repeating it changes nothing.
CREATE OR REPLACE FUNCTION private.schedule_clock()
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
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
end $function$;

-- Locks a segment that is at this version; GL409 when it is not.
CREATE OR REPLACE FUNCTION private.segment_at(p_key text, p_expected_version bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_version bigint;
begin
  select version into v_version from public.segments s where s.key = p_key for update;
  if v_version is distinct from p_expected_version then
    raise exception 'segment % is at version %, not %', p_key, coalesce(v_version, 0), p_expected_version
      using errcode = 'GL409', hint = 'Read it again and decide anew.';
  end if;
end $function$;

-- Queues an announcement for a person, or writes down why not: queued, left_out or waits (sending is off for the
-- person, or the sender is held).
CREATE OR REPLACE FUNCTION private.send_announcement_to(p_announcement announcements, p_contact_id uuid, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_contact uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_way record;
  v_sender public.senders;
  v_answer jsonb;
  v_why text;
  v_waits boolean := false;
begin
  if v_contact <> p_contact_id and exists (
    select from public.announcement_recipients r where r.announcement_id = p_announcement.id and r.contact_id = v_contact) then
    v_why := 'merged';
  else
    select * into v_way from private.announcement_way(v_contact, p_announcement.number_id, p_announcement.text is not null,
      p_announcement.template is not null, p_now);
    if v_way.way in ('opted_out', 'group', 'window_closed') then
      v_why := v_way.way;
    else
      select * into v_sender from public.senders s where s.channel = 'whatsapp' and s.id = v_way.number_id;
      if v_sender.held_since is not null or v_sender.state <> 'active' then
        v_why := 'sender_held';
        v_waits := true;
      else
        v_answer := private.enqueue_outbound(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
          'channel', 'whatsapp', 'identities', jsonb_build_array(jsonb_build_object('kind', 'contact', 'value', v_contact)),
          'number_id', v_way.number_id, 'idempotency_key', format('announcement:%s:%s', p_announcement.id, v_contact),
          'text', case when v_way.way = 'text' then p_announcement.text end,
          'message', case when v_way.way = 'text'
            then jsonb_build_object('type', 'text', 'text', jsonb_build_object('body', p_announcement.text)) else p_announcement.template end,
          'fallback', case when v_way.way = 'text' then p_announcement.template end))), p_now) -> 0;
        v_why := v_answer ->> 'error';
        v_waits := v_why = 'feature_off';
      end if;
    end if;
  end if;
  update public.announcement_recipients r
  set state = case when v_waits then 'pending' when v_why is null then 'queued' else 'left_out' end, why = v_why,
    message_id = (v_answer ->> 'id')::uuid, next_at = case when v_waits then p_now + interval '1 minute' else r.next_at end,
    at = case when not coalesce(v_waits, false) then p_now end
  where r.announcement_id = p_announcement.id and r.contact_id = p_contact_id;
  return case when v_waits then 'waits' when v_why is null then 'queued' else 'left_out' end;
end $function$;

-- Queues the next people of each announcement that is being sent: a sixth of what may go in a minute, less what the
-- queue still holds of it. Says how many. For the clock.
CREATE OR REPLACE FUNCTION private.send_announcements(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
 SET lock_timeout TO '1s'
AS $function$
declare
  v_announcement public.announcements;
  v_contact uuid;
  v_batch integer;
  v_open integer;
  v_became text;
  v_count integer := 0;
begin
  for v_announcement in
    select * from public.announcements a where a.state = 'sending' order by a.started_at for update skip locked
  loop
    v_batch := greatest(1, v_announcement.per_minute / 6);
    select count(*) into v_open from (
      select r.message_id from public.announcement_recipients r
      where r.announcement_id = v_announcement.id and r.state = 'queued' order by r.at desc limit v_batch) l
    join public.outbound_messages o on o.id = l.message_id and o.state in ('queued', 'leased');
    for v_contact in
      select r.contact_id from public.announcement_recipients r
      where r.announcement_id = v_announcement.id and r.state = 'pending' and r.next_at <= p_now
      order by r.next_at, r.contact_id limit v_batch - v_open
    loop
      begin
        v_became := private.send_announcement_to(v_announcement, v_contact, p_now);
      exception when others then
        v_became := 'left_out';
        update public.announcement_recipients r
        set next_at = p_now + interval '10 minutes', why = 'failed ' || sqlstate
        where r.announcement_id = v_announcement.id and r.contact_id = v_contact;
        raise warning 'announcement % could not be queued for a person: %', v_announcement.id, sqlerrm;
      end;
      v_count := v_count + (v_became = 'queued')::integer;
    end loop;
    update public.announcements a set state = 'done', finished_at = p_now
    where a.id = v_announcement.id
      and not exists (select from public.announcement_recipients r where r.announcement_id = a.id and r.state = 'pending');
  end loop;
  return v_count;
end $function$;

-- The conversation of an outbound message, created if needed: {id, address (where to send it, if not to), made
-- (contact or conversation, if it was created)} or {error}: from_required (several numbers and no earlier
-- conversation), unknown_number, unknown_message, unknown_recipient, opted_out (by a person who has since been
-- erased).
CREATE OR REPLACE FUNCTION private.send_conversation(p_item jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_channel text := coalesce(p_item ->> 'channel', 'whatsapp');
  v_identities private.identity[] := private.identities_of(p_item);
  v_contact uuid;
  v_number text := p_item ->> 'number_id';
  v_conversation uuid;
  v_address text;
  v_made text;
begin
  -- A receipt names the message that was read, which has a conversation.
  if p_item #>> '{message,type}' = 'read' then
    select m.conversation_id into v_conversation from public.messages m
    where m.provider_id = p_item #>> '{message,message_id}' and m.channel = v_channel and m.direction = 'in' order by m.seq desc limit 1;
    return case when v_conversation is null then '{"error": "unknown_message"}'
      else jsonb_build_object('id', v_conversation) end;
  end if;

  v_contact := private.recipient(v_channel, v_identities);
  if v_number is null and v_contact is not null then
    select c.number_id into v_number from public.conversations c
    where c.contact_id = v_contact and c.channel = v_channel and c.last_message_at is not null
      and exists (select from public.senders n where n.channel = c.channel and n.id = c.number_id)
    order by c.last_message_at desc limit 1;
  end if;
  if v_number is null then
    select case when count(*) = 1 then min(n.id) end into v_number from public.senders n where n.channel = v_channel;
    if v_number is null then
      return '{"error": "from_required"}';
    end if;
  elsif not exists (select from public.senders n where n.channel = v_channel and n.id = v_number) then
    return '{"error": "unknown_number"}';
  end if;

  if v_contact is null then
    if p_item ->> 'to' is null then
      return '{"error": "unknown_recipient"}';
    end if;
    -- Do not create a contact only to refuse the message.
    if private.opt_out_stops(v_channel, v_number, p_item -> 'message', now()) and exists (
      select from unnest(v_identities) i where private.erased_opt_out(v_channel, v_number, i.kind, i.value) is not null) then
      return '{"error": "opted_out"}';
    end if;
    perform private.lock_contacts();
    v_contact := private.resolve_contact(v_channel, v_identities, null, now(), v_number);
    v_made := 'contact';
  elsif p_item ->> 'to' is null or not exists (
    select from unnest(v_identities) i where private.identity_holder(v_channel, i.kind, i.value) = v_contact) then
    v_address := private.address_of(v_contact, v_channel, v_number);
    if v_address is null then
      return '{"error": "unknown_recipient"}';
    end if;
  end if;
  select c.id into v_conversation from public.conversations c
  where c.channel = v_channel and c.number_id = v_number and c.contact_id = v_contact;
  if not found then
    insert into public.conversations (channel, number_id, contact_id) values (v_channel, v_number, v_contact)
    on conflict (channel, number_id, contact_id) do nothing
    returning id into v_conversation;
    if found then
      v_made := coalesce(v_made, 'conversation');
    else
      select c.id into v_conversation from public.conversations c
      where c.channel = v_channel and c.number_id = v_number and c.contact_id = v_contact;
    end if;
  end if;
  return jsonb_strip_nulls(jsonb_build_object('id', v_conversation, 'address', v_address, 'made', v_made));
end $function$;
grant execute on function private.send_conversation(p_item jsonb) to service_role;

-- Sends the fallback, once, in place of a message that the provider refused because the window is closed. False if
-- there is none, or the person has opted out. The caller holds the lane's lock.
CREATE OR REPLACE FUNCTION private.send_fallback(p_id uuid, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_queued public.outbound_messages;
  v_fallback jsonb;
begin
  select * into v_queued from public.outbound_messages o where o.id = p_id for update;
  v_fallback := coalesce(v_queued.fallback, private.window_fallback());
  if v_fallback is null or v_queued.used_fallback or v_queued.message_id is null or (
      select private.send_refusal(c, v_fallback, p_now) from public.conversations c
      where c.id = v_queued.conversation_id) is not null then
    return false;
  end if;
  update public.messages set type = v_fallback ->> 'type', text = null, native = v_fallback where id = p_id;
  update public.outbound_messages set used_fallback = true where id = p_id;
  perform private.queue_again(p_id, p_now);
  return true;
end $function$;
grant execute on function private.send_fallback(p_id uuid, p_now timestamp with time zone) to service_role;

-- The flag that controls sending on a channel.
CREATE OR REPLACE FUNCTION private.send_flag(p_channel text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case p_channel when 'whatsapp' then 'wa_send.enabled' else p_channel || '_send.enabled' end
$function$;
grant execute on function private.send_flag(p_channel text) to service_role;

-- Why a message may not be sent in a conversation now: opted_out or window_closed; null if it may, as far as is
-- known.
CREATE OR REPLACE FUNCTION private.send_refusal(p_conversation conversations, p_message jsonb, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_window interval := (private.channel_policy(p_conversation.channel)).reply_window;
begin
  if p_conversation.opted_out_at is not null
    and private.opt_out_stops(p_conversation.channel, p_conversation.number_id, p_message, p_now) then
    return 'opted_out';
  end if;
  if p_message ->> 'type' <> 'template' and coalesce(p_conversation.last_inbound_at, '-infinity') <= p_now - v_window then
    return 'window_closed';
  end if;
  return null;
end $function$;
grant execute on function private.send_refusal(p_conversation conversations, p_message jsonb, p_now timestamp with time zone) to service_role;

-- Whom we write as: degraded where a fault of the account holds one of them, or where at least five messages and a
-- tenth of what was sent failed later in a quarter of an hour, as their statuses say; down where all are held.
CREATE OR REPLACE FUNCTION private.senders_health(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('component', 'senders',
    'status', case when s.held is null then case when f.many then 'degraded' else 'healthy' end
      when jsonb_array_length(s.held) < s.n then 'degraded' else 'down' end,
    'because', case when s.held is not null then 'held' when f.codes is not null then 'failing' else 'sending' end,
    'figures', case when s.held is not null then jsonb_build_object('held', s.held)
      when f.codes is not null then jsonb_build_object('failed', f.n, 'codes', f.codes)
      else jsonb_build_object('senders', s.n) end)
  from (
    select count(*) as n, jsonb_agg(jsonb_build_object('channel', n.channel, 'id', n.id, 'code', n.held_code,
      'seconds', round(extract(epoch from p_now - n.held_since))::integer) order by n.channel, n.id)
      filter (where n.held_since is not null) as held
    from public.senders n
  ) s
  cross join (
    select sum(c.n) as n, jsonb_agg(jsonb_build_object('channel', split_part(c.label, ' ', 1), 'code', split_part(c.label, ' ', 2), 'n', c.n)
      order by c.n desc, c.label) as codes,
      sum(c.n) >= 5 and sum(c.n) >= 0.1 * coalesce((select sum(m.n) from public.measurements m
        where m.name not in ('request', 'routed', 'destination', 'replies', 'messages', 'updates', 'clicks', 'failed') and m.label = 'sent'
          and m.minute >= p_now - interval '15 minutes'), 0) as many
    from (
      select m.label, sum(m.n) as n from public.measurements m
      where m.name = 'failed' and m.minute >= p_now - interval '15 minutes' group by m.label
    ) c
  ) f
$function$;
grant execute on function private.senders_health(p_now timestamp with time zone) to service_role;

-- set_opt_out with a given time.
CREATE OR REPLACE FUNCTION private.set_opt_out(p_to text, p_opted_out boolean, p_number_id text, p_channel text, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_given text := btrim(p_to);
  v_digits text := case when v_given ~ '^\+?[0-9][0-9 ().-]*$' then regexp_replace(v_given, '[^0-9]', '', 'g') end;
  v_identity private.identity;
  v_contact uuid;
  v_numbers text[] := array(
    select s.id from public.senders s where s.channel = p_channel and (p_number_id is null or s.id = p_number_id) order by s.id);
begin
  if v_numbers = '{}' then
    raise exception 'there is no such sender' using errcode = 'GL404',
      hint = 'A sender of ours on this channel (senders.id); without one all that there are.';
  end if;
  select i.contact_id into v_contact from public.contact_identities i
  where i.channel = p_channel and i.value = any (private.spellings('phone', v_digits) || v_given) and i.valid_to is null
  order by i.kind = 'phone' desc, i.id limit 1;
  if v_contact is null then
    -- This also applies to people who are not known yet.
    v_identity := case when v_digits ~ '^[1-9][0-9]{5,14}$' then row('phone', v_digits, null)::private.identity
      when v_given ~ '^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$' then row('bsuid', v_given, null)::private.identity
      when v_given ~ '^[^@\s]+@[^@\s]+$' then row('email', lower(v_given), null)::private.identity end;
    if v_identity is null then
      raise exception 'who has opted out? Give a phone number or an id' using errcode = 'GL422',
        hint = 'A phone number with its country code, a business-scoped user id, or the id of somebody who is known on this channel.';
    end if;
    perform private.lock_contacts();
    v_contact := private.resolve_contact(p_channel, array[v_identity], null, p_now, v_numbers[1]);
  end if;
  perform private.keep_opt_words(array(
    select row(p_channel, n.id, v_contact, p_opted_out, p_now)::private.opt_word from unnest(v_numbers) as n (id)));
  return jsonb_build_object('contact_id', v_contact, 'opted_out', p_opted_out, 'numbers', to_jsonb(v_numbers));
end $function$;
grant execute on function private.set_opt_out(p_to text, p_opted_out boolean, p_number_id text, p_channel text, p_now timestamp with time zone) to service_role;

-- What became of a setting, from rows of settings_history: change (removed, set, value, percentage, schedule,
-- metadata) and figures {from, to, start_taken_away}.
CREATE OR REPLACE FUNCTION private.setting_change(p_before jsonb, p_after jsonb, OUT change text, OUT figures jsonb)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select c.change, jsonb_strip_nulls(jsonb_build_object(
    'from', case c.change when 'value' then to_jsonb(left(p_before ->> 'value', 80))
      when 'percentage' then coalesce(p_before #> '{metadata,rollout_percentage}', '100') end,
    'to', case when c.change in ('set', 'value') then to_jsonb(left(p_after ->> 'value', 80))
      when c.change = 'percentage' then coalesce(p_after #> '{metadata,rollout_percentage}', '100') end,
    'start_taken_away', case when p_after ->> 'value' = 'false' and p_before #> '{metadata,schedule,on_at}' is not null
      and p_after #> '{metadata,schedule,on_at}' is null then true end))
  from (
    select case when p_after is null then 'removed'
      when p_before is null then 'set'
      when p_before ->> 'value' is distinct from p_after ->> 'value' then 'value'
      when p_before #> '{metadata,rollout_percentage}' is distinct from p_after #> '{metadata,rollout_percentage}' then 'percentage'
      when p_before #> '{metadata,schedule}' is distinct from p_after #> '{metadata,schedule}' then 'schedule'
      else 'metadata' end as change
  ) c
$function$;

-- Updates a destination's circuit after attempts: any success closes it and makes failed deliveries due, ten failures
-- in a row open it, and the failure of its probe opens it again.
CREATE OR REPLACE FUNCTION private.settle_circuit(p_destination_id uuid, p_failures integer, p_succeeded boolean, p_failed_leases uuid[], p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_opens boolean;
begin
  if p_succeeded then
    update public.destinations
    set circuit_failures = 0, circuit_trips = 0, circuit_open_until = null, circuit_probe = null, circuit_waking = false
    where id = p_destination_id
      and (circuit_failures > 0 or circuit_trips > 0 or circuit_open_until is not null or circuit_waking);
    -- A thousand at once; each success adds the next, so that a service that fails again has not cost every delivery an attempt.
    if (found or p_failures > 0) and private.wake_deliveries(p_destination_id, 1000, p_now) then
      update public.destinations set circuit_waking = true where id = p_destination_id;
    end if;
  elsif p_failures > 0 then
    update public.destinations set circuit_failures = circuit_failures + p_failures
    where id = p_destination_id
    returning case when circuit_open_until is null then circuit_failures >= 10
      else circuit_probe = any (p_failed_leases) end into v_opens;
    if v_opens then
      update public.destinations
      set circuit_trips = circuit_trips + 1, circuit_probe = null,
        circuit_open_until = p_now + least(interval '1 hour', interval '30 seconds' * power(2, least(circuit_trips, 7)))
      where id = p_destination_id;
    end if;
  end if;
end $function$;
grant execute on function private.settle_circuit(p_destination_id uuid, p_failures integer, p_succeeded boolean, p_failed_leases uuid[], p_now timestamp with time zone) to service_role;

-- settle_deliveries with a given time.
CREATE OR REPLACE FUNCTION private.settle_deliveries(p_results jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_results private.settlement[];
  v_settled private.settlement[];
  v_replying boolean := jsonb_path_exists(p_results, '$[*].replies[0]');
  v_queued jsonb := '{"replies": 0, "left_out": []}';
begin
  select array_agg((r.delivery_id, r.lease, r.outcome, r.status, r.latency_ms, r.error, r.answer, coalesce(r.retry_after_ms, 0),
    r.replies, r.left_out, r.wakes, d.destination_id, d.conversation_id, d.attempt)::private.settlement
    order by d.destination_id, d.conversation_id)
  into v_results
  from jsonb_to_recordset(p_results) as r (
    delivery_id uuid, lease uuid, outcome text, status integer, latency_ms integer, error text, answer text,
    retry_after_ms bigint, replies jsonb, left_out jsonb, wakes boolean)
  cross join lateral (
    select d.destination_id, d.conversation_id, d.attempt from public.deliveries d where d.id = r.delivery_id limit 1) d;
  -- Locks in the order that record_decisions takes them: conversations, then lanes.
  if v_replying then
    perform from unnest(array(
      select distinct r.conversation_id from unnest(v_results) r where jsonb_array_length(coalesce(r.replies, '[]')) > 0 order by 1)) as wanted (id)
    cross join lateral (select from public.conversations c where c.id = wanted.id for update) c;
  end if;
  select array_agg(r) into v_settled from unnest(v_results) r
  cross join lateral (
    select from private.delivery_lanes l
    where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id
      -- With "=" the planner could also choose the index of all leases.
      and l.lease is not distinct from r.lease for update) l;

  -- put_back: the service was not called. It is not an attempt, and says nothing about the service.
  insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, error, answer, left_out, at)
  select r.delivery_id, r.attempt, r.outcome, r.status, r.latency_ms, r.error, r.answer, r.left_out, p_now
  from unnest(v_settled) r where r.outcome <> 'put_back'
  on conflict (delivery_id, attempt) do nothing;
  update public.deliveries d
  set state = case r.outcome when 'delivered' then 'delivered' when 'dead' then 'dead' else 'pending' end,
    attempt = d.attempt - (r.outcome = 'put_back')::integer,
    delivered_at = case when r.outcome = 'delivered' then p_now end,
    next_attempt_at = p_now + make_interval(secs => r.retry_after_ms / 1000.0),
    wakes = case when r.outcome = 'put_back' then d.wakes else r.outcome = 'retry' and coalesce(r.wakes, true)
      and coalesce(r.status not in (400, 413, 415, 422, 429), true) and coalesce(d.attempt >= d.woken + 2, true) end,
    last_error = case r.outcome when 'put_back' then d.last_error when 'delivered' then null else r.error end, updated_at = p_now
  from unnest(v_settled) r where d.id = r.delivery_id;
  if jsonb_path_exists(p_results, '$[*] ? (@.outcome == "put_back")') then
    update public.destinations d
    set circuit_probe = null, circuit_open_until = p_now + make_interval(secs => r.retry_after_ms / 1000.0)
    from unnest(v_settled) r where r.outcome = 'put_back' and d.id = r.destination_id and d.circuit_probe = r.lease;
  end if;
  if v_replying then
    v_queued := private.queue_replies(v_settled, p_now);
  end if;
  -- Like release_lane, and for the same reason in a separate statement.
  update private.delivery_lanes l
  set lease = null, due_at = (
    select d.next_attempt_at from public.deliveries d
    where d.destination_id = l.destination_id and d.conversation_id = l.conversation_id
      and d.state in ('pending', 'leased')
    order by d.destination_id, d.conversation_id, d.seq limit 1)
  from unnest(v_settled) r
  where l.destination_id = r.destination_id and l.conversation_id = r.conversation_id;

  -- Results that were fenced off also say something about the service.
  perform private.settle_circuit(per.destination_id, per.failures, per.succeeded, per.failed_leases, p_now)
  from (
    select r.destination_id, count(*) filter (where r.outcome in ('retry', 'dead'))::integer as failures,
      bool_or(r.outcome = 'delivered') as succeeded,
      array_agg(r.lease) filter (where r.outcome in ('retry', 'dead')) as failed_leases
    from unnest(v_results) r
    group by r.destination_id order by r.destination_id
  ) per;
  -- Only if asked: the statement alone would count as a change of the configuration.
  if jsonb_path_exists(p_results, '$[*] ? (@.pause == true)') then
    update public.destinations t
    set state = 'paused', paused_because = asked.because, version = t.version + 1, updated_at = p_now, updated_by = private.actor()
    from (
      select r.destination_id, min(r.error) as because
      from jsonb_to_recordset(p_results) as p (delivery_id uuid, pause boolean)
      join unnest(v_results) r on r.delivery_id = p.delivery_id
      where p.pause group by r.destination_id
    ) asked
    where t.id = asked.destination_id and t.state = 'active';
  end if;
  return jsonb_build_object('settled', coalesce(cardinality(v_settled), 0),
    'fenced', jsonb_array_length(p_results) - coalesce(cardinality(v_settled), 0)) || v_queued;
end $function$;
grant execute on function private.settle_deliveries(p_results jsonb, p_now timestamp with time zone) to service_role;

-- settle_outbound with a given time.
CREATE OR REPLACE FUNCTION private.settle_outbound(p_results jsonb, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
declare
  v_settled private.sending[];
begin
  -- First, because it may need the contacts' lock. What a fenced-off worker reports also counts.
  perform private.learn_answered(p_results, p_now);
  -- Opt-outs belong to the conversation, which is locked before its lane.
  if exists (select from jsonb_to_recordset(p_results) as r (outcome text, error jsonb) where r.outcome = 'failed' and r.error ? 'code') then
    perform private.keep_opt_words(array(
      select distinct row(c.channel, c.number_id, c.contact_id, true, p_now)::private.opt_word
      from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
      join public.outbound_messages o on o.id = r.id
      join public.conversations c on c.id = o.conversation_id
      where r.outcome = 'failed' and r.error ->> 'code' = (private.channel_policy(o.channel)).opt_out_code));
  end if;
  perform from jsonb_to_recordset(p_results) as r (id uuid, lease uuid)
  join public.outbound_messages o on o.id = r.id
  join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease
  order by l.conversation_id for update of l;
  select coalesce(array_agg((r.id, r.lease, r.outcome, r.provider_id, r.error, coalesce(r.retry_after_ms, 0), r.put_off, r.scope,
    o.conversation_id, o.channel, o.number_id, o.message_id)::private.sending order by o.conversation_id), '{}')
  into v_settled
  from jsonb_to_recordset(p_results) as r (
    id uuid, lease uuid, outcome text, provider_id text, error jsonb, retry_after_ms bigint, put_off text, scope text)
  join public.outbound_messages o on o.id = r.id
  join private.outbound_lanes l on l.conversation_id = o.conversation_id and l.lease = r.lease;

  -- A status that arrived before the answer stays. In the order of ids, as apply_statuses locks them.
  perform from public.messages m
  where m.id = any (array(select r.message_id from unnest(v_settled) r where r.outcome <> 'retry')) order by m.id for update;
  update public.messages m
  set provider_id = coalesce(m.provider_id, r.provider_id),
    status = case when m.status_rank > 0 then m.status when r.outcome = 'sent' then 'accepted'
      when r.outcome = 'failed' then 'failed' else m.status end,
    status_rank = case when m.status_rank = 0 and r.outcome = 'failed' then 2 else m.status_rank end,
    error = case when r.outcome = 'failed' then r.error else m.error end
  from unnest(v_settled) r where m.id = r.message_id and r.outcome <> 'retry';
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
  perform private.hold_sender(r, p_now) from unnest(v_settled) r where r.put_off is not null;
  perform private.send_fallback(r.id, p_now) from unnest(v_settled) r
  where r.outcome = 'failed' and r.error ->> 'code' = (private.channel_policy(r.channel)).window_code;
  -- A status that arrived before the answer proves that it was sent.
  update private.outbound_lanes l set waits_for = media.id, waits_until = p_now + policy.media_wait
  from (
    select m.id, r.conversation_id, r.channel from unnest(v_settled) r join public.messages m on m.id = r.message_id
    where r.outcome = 'sent' and m.status_rank = 0 and private.is_media(m.native)) media
  cross join lateral private.channel_policy(media.channel) policy
  where policy.media_wait is not null and l.conversation_id = media.conversation_id;
  perform private.release_outbound_lanes(array(select r.conversation_id from unnest(v_settled) r));
  -- An answer about the message itself shows that the account works again; opted-out people were not written to.
  update public.senders s
  set held_since = null, held_code = null, held_until = null, held_probes = 0
  where s.held_since is not null and exists (
    select from jsonb_to_recordset(p_results) as r (id uuid, outcome text, error jsonb)
    join public.outbound_messages o on o.id = r.id
    where r.outcome in ('sent', 'failed') and coalesce(r.error ->> 'code', '') <> 'opted_out' and o.channel = s.channel and o.number_id = s.id);
  return jsonb_build_object('settled', cardinality(v_settled), 'fenced', jsonb_array_length(p_results) - cardinality(v_settled));
end $function$;
grant execute on function private.settle_outbound(p_results jsonb, p_now timestamp with time zone) to service_role;

-- settle_password_attempt with a given time.
CREATE OR REPLACE FUNCTION private.settle_password_attempt(p_code text, p_client text, p_right boolean, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if not p_right then
    insert into public.link_guesses as g (code, hour, wrong) values (p_code, date_trunc('hour', p_now), 1)
    on conflict on constraint link_guesses_pkey do update set wrong = g.wrong + 1;
  elsif p_client is null then
    update public.rate_limits r set tat = r.tat - interval '1 minute' where r.key = 'link_password:' || p_code;
  else
    -- Not forgotten, if there were wrong ones: the guesser may sit behind the same address.
    update private.link_guessers g set guesses = g.guesses - 1, free_at = p_now
    where g.code = p_code and g.client = p_client and g.guesses > 1;
    delete from private.link_guessers g where g.code = p_code and g.client = p_client and g.guesses <= 1 and not found;
  end if;
end $function$;
grant execute on function private.settle_password_attempt(p_code text, p_client text, p_right boolean, p_now timestamp with time zone) to service_role;

-- The first minute since 1970 that is judged by the usual triggers of a stage again; 0 where it has no others.
CREATE OR REPLACE FUNCTION private.sharp_until(p_stage rollout_stages)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when p_stage.first_day is not null then floor(extract(epoch from p_stage.entered_at) / 60)::bigint + 1440 else 0 end
$function$;

-- The displayed state of a destination: active, paused, or circuit_open for an active one that gets only probes. The
-- same as shownDestinationState() of the contract.
CREATE OR REPLACE FUNCTION private.shown_state(p_state text, p_circuit_open_until timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when p_state = 'active' and p_circuit_open_until is not null then 'circuit_open' else p_state end
$function$;
grant execute on function private.shown_state(p_state text, p_circuit_open_until timestamp with time zone) to service_role;

-- What a stage asks of complaints, ratings and business metrics; on its first day by its tighter triggers.
CREATE OR REPLACE FUNCTION private.signals_asked(p_stage rollout_stages, p_sharp boolean)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'complaints_above', coalesce(case when p_sharp then p_stage.first_day -> 'complaints_above' end, p_stage.roll_back_when -> 'complaints_above'),
    'complaints_at_most', p_stage.advance_when -> 'complaints_at_most',
    'positive_share_above', p_stage.advance_when -> 'positive_share_above',
    'min_ratings', p_stage.advance_when -> 'min_ratings',
    'share', case when p_stage.percentage > 0 and p_stage.percentage < 100 then trim_scale(p_stage.percentage) end,
    'metrics', p_stage.metrics)
$function$;

-- What signals mean: {verdict: roll_back, page or hold, rule, figures}; null where nothing is in the way. See
-- signalsSay() in signals.ts.
CREATE OR REPLACE FUNCTION private.signals_say(p_asked jsonb, p_seen jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_share double precision := (p_asked ->> 'share')::double precision / 100;
  v_complaints bigint := (p_seen ->> 'complaints')::bigint;
  v_ratings bigint := (p_seen ->> 'ratings')::bigint;
  v_metric record;
  v_s bigint;
  v_figures jsonb;
  v_page jsonb;
  v_few jsonb;
  v_unclear jsonb;
  v_goal jsonb;
begin
  if v_complaints > (p_asked ->> 'complaints_above')::bigint then
    return jsonb_build_object('verdict', 'roll_back', 'rule', 'complaints',
      'figures', jsonb_build_object('complaints', v_complaints, 'complaints_above', p_asked -> 'complaints_above'));
  end if;
  for v_metric in
    select a.item as asked, s.item as seen
    from jsonb_array_elements(p_asked -> 'metrics') with ordinality as a (item, place)
    join jsonb_array_elements(p_seen -> 'metrics') with ordinality as s (item, place) on s.place = a.place
    order by a.place
  loop
    if v_metric.asked ? 'max_fall' and v_share is not null then
      v_s := private.fall_s(v_share, (v_metric.asked ->> 'max_fall')::double precision, (v_metric.seen ->> 'on_weight')::bigint,
        (v_metric.seen ->> 'off_weight')::bigint);
      v_figures := jsonb_build_object('metric', v_metric.asked -> 'name', 'max_fall', v_metric.asked -> 'max_fall', 'on', v_metric.seen -> 'on',
        'off', v_metric.seen -> 'off', 's', v_s);
      if v_s >= 6907755 and v_metric.asked ->> 'then' = 'roll_back' then
        return jsonb_build_object('verdict', 'roll_back', 'rule', 'guardrail', 'figures', v_figures);
      elsif v_s >= 6907755 then
        v_page := coalesce(v_page, v_figures);
      elsif (v_metric.seen ->> 'on')::bigint + (v_metric.seen ->> 'off')::bigint < coalesce((v_metric.asked ->> 'min_people')::bigint, 20) then
        v_few := coalesce(v_few, v_figures || jsonb_build_object('min_people', coalesce((v_metric.asked ->> 'min_people')::bigint, 20)));
      elsif v_s >= 2302585 then
        v_unclear := coalesce(v_unclear, v_figures);
      end if;
    end if;
    if (v_metric.seen ->> 'per_day')::numeric < (v_metric.asked ->> 'at_least_per_day')::numeric then
      v_goal := coalesce(v_goal, jsonb_build_object('metric', v_metric.asked -> 'name', 'per_day', v_metric.seen -> 'per_day',
        'at_least_per_day', v_metric.asked -> 'at_least_per_day'));
    end if;
  end loop;
  return case
    when v_page is not null then jsonb_build_object('verdict', 'page', 'rule', 'guardrail', 'figures', v_page)
    when v_complaints > (p_asked ->> 'complaints_at_most')::bigint then jsonb_build_object('verdict', 'hold', 'rule', 'complaints',
      'figures', jsonb_build_object('complaints', v_complaints, 'complaints_at_most', p_asked -> 'complaints_at_most'))
    when v_few is not null then jsonb_build_object('verdict', 'hold', 'rule', 'people', 'figures', v_few)
    when v_unclear is not null then jsonb_build_object('verdict', 'hold', 'rule', 'guardrail_unclear', 'figures', v_unclear)
    when v_goal is not null then jsonb_build_object('verdict', 'hold', 'rule', 'goal', 'figures', v_goal)
    when v_ratings < (p_asked ->> 'min_ratings')::bigint then jsonb_build_object('verdict', 'hold', 'rule', 'ratings',
      'figures', jsonb_build_object('ratings', v_ratings, 'min_ratings', p_asked -> 'min_ratings'))
    when (p_seen ->> 'positive')::bigint <= (p_asked ->> 'positive_share_above')::double precision * v_ratings
      then jsonb_build_object('verdict', 'hold', 'rule', 'feedback', 'figures', jsonb_build_object('positive', p_seen -> 'positive',
        'ratings', v_ratings, 'positive_share_above', p_asked -> 'positive_share_above')) end;
end $function$;

-- What people with the feature said in a stage, each counted once (of ratings their latest), and what both arms did:
-- {complaints, complaints_without, ratings, positive, metrics: [{name, on, off: people by the percentage, on_weight,
-- off_weight: the same or their values, in thousandths, per_day: with the feature}]}.
CREATE OR REPLACE FUNCTION private.signals_seen(p_rollout rollouts, p_stage rollout_stages, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'complaints', (
      select count(distinct f.subject_id) from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'on' and f.kind = 'complaint'),
    'complaints_without', (
      select count(distinct f.subject_id) from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'off' and f.kind = 'complaint'),
    'ratings', l.ratings, 'positive', l.positive,
    'metrics', (
      select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'on', t.on_people, 'off', t.off_people, 'on_weight', t.on_weight,
        'off_weight', t.off_weight, 'per_day', t.per_day) order by t.place), '[]')
      from (
        select m.place, m.name,
          count(*) filter (where p.arm = 'on' and p.by_share) as on_people, count(*) filter (where p.arm = 'off' and p.by_share) as off_people,
          coalesce(sum(w.weight) filter (where p.arm = 'on' and p.by_share), 0)::bigint as on_weight,
          coalesce(sum(w.weight) filter (where p.arm = 'off' and p.by_share), 0)::bigint as off_weight,
          round((coalesce(sum(case when m.by = 'value' then p.value else p.n end) filter (where p.arm = 'on'), 0)
            / greatest(1, extract(epoch from p_now - p_stage.entered_at) / 86400))::numeric, 3) as per_day
        from (
          select e.place, e.item ->> 'name' as name, e.item ->> 'by' as by
          from jsonb_array_elements(p_stage.metrics) with ordinality as e (item, place)) m
        left join private.metric_people p on p.rollout_id = p_rollout.id and p.stage = p_rollout.stage and p.name = m.name
        left join lateral (
          select percentile_disc(0.5) within group (order by x.value) as half from private.metric_people x
          where m.by = 'value' and x.rollout_id = p_rollout.id and x.stage = p_rollout.stage and x.name = m.name and x.by_share and x.value > 0) h on true
        left join lateral (
          select case when p.subject_id is null then 0 when m.by is distinct from 'value' then 1000
            when p.value <= 0 or h.half is null then 0
            else round((1000 * least(p.value, 3 * h.half) / (3 * h.half))::numeric)::bigint end as weight) w on true
        group by m.place, m.name) t))
  from (
    select count(*) as ratings, count(*) filter (where x.positive) as positive
    from (
      select distinct on (f.subject_id) f.positive from public.rollout_feedback o join public.feedback f on f.id = o.feedback_id
      where o.rollout_id = p_rollout.id and o.stage = p_rollout.stage and o.arm = 'on' and f.kind = 'rating'
      order by f.subject_id, f.at desc, f.id desc) x) l
$function$;
grant execute on function private.signals_seen(p_rollout rollouts, p_stage rollout_stages, p_now timestamp with time zone) to service_role;

-- Every spelling of an id, including itself, always in the same order: for a phone number, with and without the digit
-- that only one of dialling and display has.
CREATE OR REPLACE FUNCTION private.spellings(p_kind text, p_value text)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return case
    when p_kind <> 'phone' or p_value !~ '^5[245]' then array[p_value]
    when p_value ~ '^55[1-9][0-9]9?[6-9][0-9]{7}$' then array[left(p_value, 4) || right(p_value, 8), left(p_value, 4) || '9' || right(p_value, 8)]
    when p_value ~ '^521?[2-9][0-9]{9}$' then array['52' || right(p_value, 10), '521' || right(p_value, 10)]
    when p_value ~ '^549?[1-3][0-9]{9}$' then array['54' || right(p_value, 10), '549' || right(p_value, 10)]
    else array[p_value] end;
end $function$;
grant execute on function private.spellings(p_kind text, p_value text) to service_role;

-- What an event tells of the stage that began with it.
CREATE OR REPLACE FUNCTION private.stage_figures(p_stage rollout_stages)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object('stage', p_stage.name, 'percentage', trim_scale(p_stage.percentage))
    || case when p_stage.users is not null
      then jsonb_build_object('users', cardinality(p_stage.chosen), 'of_users', p_stage.users) else '{}' end
$function$;

-- stale_flags for whoever may.
CREATE OR REPLACE FUNCTION private.stale_flags(p_now timestamp with time zone)
 RETURNS TABLE(key text, why text, since timestamp with time zone)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_unchanged interval := make_interval(days => coalesce((select s.value::integer from public.settings s where s.key = 'flags.stale_days'), 30));
begin
  return query
    select s.key, w.why, w.since
    from public.settings s
    left join public.flag_evaluations e on e.flag_key = s.key
    cross join lateral (
      select 'fully_on', s.updated_at
      where s.value = 'true' and not s.metadata ? 'schedule' and s.updated_at <= p_now - v_unchanged
        and coalesce((s.metadata ->> 'rollout_percentage')::numeric,
          case when s.metadata ? 'target_user_ids' or s.metadata ? 'target_segments' then 0 else 100 end) = 100
      union all
      select 'fully_off', s.updated_at
      where not s.metadata ? 'schedule' and s.updated_at <= p_now - v_unchanged
        and not exists (select from public.rollouts r where r.flag_key = s.key and r.state in ('draft', 'running', 'paused'))
        and (s.value <> 'true' or (s.metadata ->> 'rollout_percentage')::numeric = 0
          and coalesce(s.metadata -> 'target_user_ids', '[]') = '[]' and coalesce(s.metadata -> 'target_segments', '[]') = '[]')
      union all
      -- What was launched is to be taken out of the code; what should have ended is still on.
      select 'past_end', e.at
      from (
        select case when pg_input_is_valid(s.metadata ->> 'launched_at', 'timestamptz') then (s.metadata ->> 'launched_at')::timestamptz + v_unchanged end
        union all
        select (s.metadata #>> '{schedule,off_at}')::timestamptz + interval '1 hour' where s.value = 'true') e (at)
      where e.at <= p_now
      union all
      -- A new flag is one that nothing has been deployed for yet.
      select 'never_evaluated', m.at
      from (select max(h.changed_at) as at from public.settings_history h where h.key = s.key and h.before is null) m
      where e.flag_key is null and m.at <= p_now - interval '7 days'
      union all
      select 'not_evaluated', e.last_at where e.last_at <= p_now - v_unchanged
    ) as w (why, since)
    where s.key like '%.enabled'
    order by s.key, w.why;
end $function$;

-- Trigger, before insert or update of settings: fills version, updated_at and updated_by, whatever the statement
-- says, writes target ids as flags compare them, keeps all targets together within what the functions can hold, and
-- refuses a wrong deeplinks.apps.
CREATE OR REPLACE FUNCTION private.stamp_setting()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO ''
AS $function$
begin
  if tg_op = 'UPDATE' and new.key <> old.key then
    raise exception 'a setting cannot be renamed: its history would break' using errcode = '23514';
  end if;
  -- Apple and Google do not report what is wrong with their file: links would simply open no app.
  if new.key = 'deeplinks.apps' and private.apps_fault(new.value) is not null then
    raise exception 'the setting deeplinks.apps is wrong: %', private.apps_fault(new.value) using errcode = '23514',
      hint = 'docs/deploy.md, Apps, shows one that is right.';
  end if;
  -- A key that was deleted and added again continues its version numbers, so a version read before the deletion
  -- never matches the new row.
  new.version := 1 + case tg_op when 'UPDATE' then old.version
    else coalesce((select max(h.version) from public.settings_history h where h.key = new.key), 0) end;
  new.updated_at := clock_timestamp();
  new.updated_by := private.actor();
  if new.metadata -> 'client' = 'true' and (tg_op = 'INSERT' or old.metadata -> 'client' is distinct from 'true')
    and new.key ~ '^(deeplinks|(wa|email|sms|telegram)_(webhook|router|send))[.]enabled$' then
    raise exception '% is one of the gateway''s own flags, which no app may read', new.key using errcode = 'GL422',
      hint = 'Give the app a flag of its own that says what it needs to know.';
  end if;
  -- Unchanged lists are not checked again: a rollback must not depend on what was accepted before.
  if jsonb_typeof(new.metadata -> 'target_user_ids') = 'array'
    and (tg_op = 'INSERT' or new.metadata -> 'target_user_ids' is distinct from old.metadata -> 'target_user_ids') then
    if exists (select from jsonb_array_elements_text(new.metadata -> 'target_user_ids') as i (id) where i.id <> private.subject_id(i.id)) then
      new.metadata := jsonb_set(new.metadata, '{target_user_ids}', (
        select to_jsonb(array_agg(i.id order by i.first)) from (
          select private.subject_id(e.id) as id, min(e.place) as first
          from jsonb_array_elements_text(new.metadata -> 'target_user_ids') with ordinality as e (id, place) group by 1) i));
    end if;
    if jsonb_array_length(new.metadata -> 'target_user_ids') > 20000 then
      raise exception 'a flag has at most 20000 target ids, and % would have %', new.key, jsonb_array_length(new.metadata -> 'target_user_ids')
        using errcode = 'GL422', hint = 'Target segments of up to 10000 members each, or use a percentage.';
    end if;
    perform private.refuse_too_many(jsonb_array_length(new.metadata -> 'target_user_ids'), new.key);
  end if;
  return new;
end $function$;

-- What is kept of the launch gates with a start: {gates, override, asked}. GL422 where they were not asked, or one is
-- open, and there is neither an override nor a reason.
CREATE OR REPLACE FUNCTION private.start_gates(p_gates jsonb, p_reason text)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_gates jsonb := case when jsonb_typeof(p_gates -> 'gates') = 'array' then p_gates -> 'gates' end;
  v_asked boolean := coalesce(jsonb_path_exists(v_gates, '$[*] ? (@.status == "passed" || @.status == "not_applicable" || @.status == "open")'), false);
  v_open text := (select string_agg(g ->> 'id', ', ') from jsonb_array_elements(v_gates) g
    where coalesce(g ->> 'status', '') not in ('passed', 'not_applicable', 'not_checked'));
  v_override text := nullif(btrim(p_gates ->> 'override'), '');
begin
  if not v_asked or v_open is not null then
    v_override := coalesce(v_override, private.given_reason(p_reason));
    if v_override is null then
      raise exception '%', case when v_asked then 'launch gates are open: ' || v_open else 'the launch gates were not asked' end
        using errcode = 'GL422', hint = 'Close them, or give a reason to start none the less; it is kept with the rollout.';
    end if;
  end if;
  return coalesce(nullif(p_gates, 'null'), '{}') || jsonb_build_object('gates', v_gates, 'override', v_override, 'asked', v_asked);
end $function$;

-- The beginning of a statement, at most 160 characters, without any value in it: it ends before the first literal,
-- parameter, comment or number of three digits.
CREATE OR REPLACE FUNCTION private.statement_in_brief(p_query text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select nullif(btrim(left(regexp_replace(regexp_replace(p_query, '\s+', ' ', 'g'), '(''|\$|--|/\*|[0-9]{3}).*$', '…'), 160)), '')
$function$;

-- Public incidents, open or resolved within 14 days, with their public updates, latest first; and the team's own
-- texts for the status page.
CREATE OR REPLACE FUNCTION private.status_page(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'incidents', (
      select coalesce(jsonb_agg(jsonb_build_object('number', i.number, 'title', i.title, 'severity', i.severity, 'status', i.status,
        'opened_at', i.opened_at, 'resolved_at', i.resolved_at, 'updates', (
          select coalesce(jsonb_agg(jsonb_build_object('at', u.at, 'status', u.status, 'text', u.text) order by u.at desc, u.id desc), '[]')
          from (
            select * from public.incident_updates x where x.incident_id = i.id and x.public order by x.at desc, x.id desc limit 50) u))
        order by i.resolved_at desc nulls first, i.number desc), '[]')
      from (
        select * from public.incidents x
        where x.public and (x.resolved_at is null or x.resolved_at > p_now - interval '14 days')
        order by x.resolved_at desc nulls first, x.number desc limit 50) i),
    'templates', (
      select coalesce(jsonb_object_agg(substr(s.key, 19), s.value), '{}') from public.settings s where s.key like 'incident\_template.status\_%'))
$function$;
grant execute on function private.status_page(p_now timestamp with time zone) to service_role;

-- Whether something for Statuspage has become due within ten minutes. For the clock.
CREATE OR REPLACE FUNCTION private.status_posts_are_due(p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select exists (
    select from private.status_posts p
    where p.state in ('pending', 'leased') and p.next_attempt_at <= p_now and p.next_attempt_at > p_now - interval '10 minutes')
$function$;
grant execute on function private.status_posts_are_due(p_now timestamp with time zone) to service_role;

-- Whether such an incident takes a rollout back and stands in the way of a launch: P0, P1, and of any severity a
-- matter of security or a critical bug.
CREATE OR REPLACE FUNCTION private.stops_launch(p_kind text, p_severity text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select p_severity in ('P0', 'P1') or p_kind in ('security', 'critical_bug')
$function$;
grant execute on function private.stops_launch(p_kind text, p_severity text) to service_role;

-- The room: size of the database (or the one given) and of each table, and in how many days, by the growth of the
-- last 30, it meets the setting storage.limit_mb (500); null where it does not grow or nobody knows yet. Degraded
-- from 80 % on, below 14 days, or when a purge fails.
CREATE OR REPLACE FUNCTION private.storage_health(p_now timestamp with time zone, p_bytes bigint DEFAULT NULL::bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_bytes bigint := coalesce(p_bytes, pg_database_size(current_database()));
  v_limit bigint := 1048576 * coalesce((select s.value::bigint from public.settings s where s.key = 'storage.limit_mb'), 500);
  v_today date := (p_now at time zone 'UTC')::date;
  v_per_day bigint;
  v_days_left bigint;
  v_failing jsonb;
begin
  select (v_bytes - d.bytes) / (v_today - d.day) into v_per_day
  from private.storage_days d where d.day between v_today - 30 and v_today - 1 order by d.day limit 1;
  if v_bytes >= v_limit then
    v_days_left := 0;
  elsif v_per_day > 0 then
    v_days_left := (v_limit - v_bytes) / v_per_day;
  end if;
  select jsonb_agg(jsonb_build_object('what', p.what, 'error', p.error) order by p.what) into v_failing
  from private.purges p where p.error is not null;
  return jsonb_build_object('component', 'storage',
    'status', case when v_bytes >= 0.8 * v_limit or v_days_left < 14 or v_failing is not null then 'degraded' else 'healthy' end,
    'because', case when v_failing is not null then 'purge_fails' else 'used' end,
    'figures', jsonb_build_object('mb', v_bytes / 1048576, 'limit_mb', v_limit / 1048576, 'days_left', v_days_left, 'failing', v_failing),
    'bytes', v_bytes, 'limit_bytes', v_limit, 'bytes_per_day', v_per_day, 'days_left', v_days_left,
    'tables', (
      select jsonb_agg(jsonb_build_object('table', t.name, 'bytes', t.bytes) order by t.bytes desc, t.name)
      from (
        select format('%I.%I', n.nspname, c.relname) as name, pg_total_relation_size(c.oid) as bytes
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and (n.nspname in ('public', 'private') or n.nspname = 'cron' and c.relname = 'job_run_details')) t));
end $function$;
grant execute on function private.storage_health(p_now timestamp with time zone, p_bytes bigint) to service_role;

-- Stores senders, conversations and messages of updates, all of them messages or echoes of a sender, each with its
-- contact.
CREATE OR REPLACE FUNCTION private.store_messages(p_updates private.inbound_update[], p_contacts uuid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_conversations uuid[] := private.find_conversations(p_updates, p_contacts);
begin
  if array_position(v_conversations, null) is not null then
    insert into public.senders (channel, id, address, provider, max_per_second, pair_seconds)
    select distinct on (u.channel, u.sender_id) u.channel, u.sender_id, u.sender_display, u.provider, p.max_per_second, p.pair_seconds
    from unnest(p_updates) u cross join lateral private.channel_policy(u.channel) p
    order by u.channel, u.sender_id
    on conflict (channel, id) do nothing;
    insert into public.conversations (channel, number_id, contact_id)
    select distinct u.channel, u.sender_id, p_contacts[u.ordinality] from unnest(p_updates) with ordinality as u
    where v_conversations[u.ordinality] is null
    order by 1, 2, 3
    on conflict (channel, number_id, contact_id) do nothing;
    v_conversations := private.find_conversations(p_updates, p_contacts);
  end if;

  -- Lock the conversations, always in the order of ids. Until the commit nobody else can add to them, so messages.seq,
  -- assigned below, is the order in which messages are acknowledged.
  perform from public.conversations c where c.id = any (v_conversations) order by c.id for update;

  with placed as (
    select u.channel, u.kind, u.type, u.provider_id, u.body, u.choice, u.reply_to, u.token, u.referral, u.forwarded, u.raw, u.error, u.traceparent, u.at, u.ord,
      v_conversations[u.ordinality] as conversation,
      -- Its revoke may have arrived first.
      exists (
        select from public.messages r
        where r.type = 'revoke' and r.reply_to = case when u.type = 'edit' then u.reply_to else u.provider_id end
          and r.conversation_id = v_conversations[u.ordinality] and (r.direction = 'in') = (u.kind = 'message')) as withdrawn
    from unnest(p_updates) with ordinality as u
  ), stored as (
    insert into public.messages (
      channel, conversation_id, direction, provider_id, type, text, choice, reply_to, link_token, referral, forwarded, native,
      status, status_rank, error, traceparent, sent_at, created_at)
    select p.channel, p.conversation, case when p.kind = 'message' then 'in' else 'out' end, p.provider_id, coalesce(p.type, 'unknown'),
      case when not p.withdrawn then p.body end, case when not p.withdrawn then p.choice end, p.reply_to,
      case when not p.withdrawn then p.token end, case when not p.withdrawn then p.referral end, coalesce(p.forwarded, false),
      case when not p.withdrawn then p.raw end,
      case when p.withdrawn then 'deleted' when p.kind = 'message' then 'received' else 'sent' end,
      case when p.withdrawn then 6 when p.kind = 'message' then 0 else 1 end,
      p.error, p.traceparent, p.at, v_now
    from placed p
    order by coalesce(p.at, v_now), p.ord
  )
  update public.conversations c
  set last_inbound_at = greatest(c.last_inbound_at, latest.inbound_at),
    last_message_at = v_now,
    unrouted_since = case when latest.inbound then coalesce(c.unrouted_since, v_now) else c.unrouted_since end
  from (
    select p.conversation,
      bool_or(p.kind = 'message') as inbound,
      -- The window opens by the provider's clock, but never later than now by ours.
      max(least(coalesce(p.at, v_now), v_now)) filter (where p.kind = 'message' and p.type is distinct from 'system') as inbound_at
    from placed p group by p.conversation
  ) latest
  where c.id = latest.conversation;
end $function$;
grant execute on function private.store_messages(p_updates private.inbound_update[], p_contacts uuid[]) to service_role;

-- The id of a person as flags keep and compare it: a UUID in lower case, any other id as it is, for its letters may
-- matter to whoever made it.
CREATE OR REPLACE FUNCTION private.subject_id(p_id text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select case when p_id ~ '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$' then lower(p_id) else p_id end
$function$;
grant execute on function private.subject_id(p_id text) to service_role;

-- Ids and phone numbers (written in any way) as ids, each once, in order. GL404 for a number that nobody has, GL422
-- for an empty id.
CREATE OR REPLACE FUNCTION private.subject_ids(p_user_ids text[], p_phones text[])
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_ids text[] := coalesce(p_user_ids, '{}');
  v_phone text;
  v_contact uuid;
begin
  if exists (select from unnest(v_ids) as i (id) where i.id is null or char_length(i.id) not between 1 and 200) then
    raise exception 'a user id has 1 to 200 characters' using errcode = 'GL422';
  end if;
  foreach v_phone in array coalesce(p_phones, '{}') loop
    v_contact := private.identity_holder('whatsapp', 'phone', regexp_replace(v_phone, '[^0-9]', '', 'g'));
    if v_contact is null then
      raise exception 'nobody is known by the number that ends in %', right(v_phone, 4) using errcode = 'GL404',
        hint = 'A person becomes known with the first message. Let them write once, or give the contact''s id.';
    end if;
    v_ids := v_ids || v_contact::text;
  end loop;
  return array(select distinct private.subject_id(i.id) as id from unnest(v_ids) as i (id) order by 1);
end $function$;

-- Whether a rate is below a limit with 95 % confidence (its one-sided Clopper-Pearson upper bound is).
CREATE OR REPLACE FUNCTION private.surely_below(p_failed bigint, p_n bigint, p_limit double precision)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select p_n > 0 and private.chance_of_so_few(p_failed, p_n, p_limit) < 50000
$function$;

-- Takes the rollout under way of an incident's flag back, where the incident is one that does.
CREATE OR REPLACE FUNCTION private.take_back(p_incident incidents, p_now timestamp with time zone)
 RETURNS incidents
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_incident public.incidents := p_incident;
  v_reason text := left(format('incident %s: %s', p_incident.number, p_incident.title), 500);
begin
  if p_incident.flag_key is null or not private.stops_launch(p_incident.kind, p_incident.severity) then
    return v_incident;
  end if;
  begin
    select * into v_rollout from public.rollouts r
    where r.flag_key = p_incident.flag_key and r.state in ('running', 'paused') for update;
    if found then
      perform public.roll_back_rollout(v_rollout.id, v_rollout.version, v_reason);
      update public.incidents i set rollout_id = v_rollout.id where i.id = p_incident.id returning i.* into v_incident;
      perform private.write_incident(v_incident, 'taken_back', p_now, null,
        jsonb_build_object('rollout_id', jsonb_build_object('from', p_incident.rollout_id, 'to', v_rollout.id)));
      perform private.notify_incident(v_incident, 'incident_taken_back', format('The rollout of %s is rolled back: the flag is off.', p_incident.flag_key), p_now);
    end if;
  exception when others then
    perform private.write_incident(v_incident, 'noted', p_now,
      format('The rollout of %s could not be taken back (%s): take the flag itself back.', p_incident.flag_key, sqlstate));
  end;
  return v_incident;
end $function$;

-- take_password_attempt with a given time.
CREATE OR REPLACE FUNCTION private.take_password_attempt(p_code text, p_client text, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_hash text;
  v_attacked boolean;
  v_row private.link_guessers;
  v_retry bigint := 0;
begin
  select p.hash into v_hash from private.link_passwords p where p.code = p_code;
  if v_hash is null then
    return jsonb_build_object('allowed', false, 'retry_after_ms', 0);
  end if;
  if p_client is null then
    -- Callers cannot be distinguished: one budget for all.
    select t.retry_after_ms into v_retry
    from private.take_rate('link_password:' || p_code, 1 / 60.0, 20, 1, p_now) t;
  else
    v_attacked := private.is_guessed_at(p_code, p_now);
    insert into private.link_guessers as g (code, client, guesses, at, free_at, allowed)
    values (p_code, p_client, 1, p_now, p_now + private.guess_wait(1, v_attacked), true)
    on conflict on constraint link_guessers_pkey do update
      set (guesses, at, free_at, allowed) = (
        select case when g.free_at <= p_now then g.guesses + 1 else g.guesses end,
          case when g.free_at <= p_now then p_now else g.at end,
          case when g.free_at <= p_now then p_now + private.guess_wait(g.guesses + 1, v_attacked) else g.free_at end,
          g.free_at <= p_now)
    returning g.* into v_row;
    if not v_row.allowed then
      v_retry := greatest(1, ceil(extract(epoch from v_row.free_at - p_now) * 1000));
    end if;
  end if;
  return jsonb_build_object('allowed', v_retry = 0, 'retry_after_ms', v_retry,
    'hash', case when v_retry = 0 then v_hash end);
end $function$;
grant execute on function private.take_password_attempt(p_code text, p_client text, p_now timestamp with time zone) to service_role;

-- Takes p_cost from the limit p_key at p_now, all or nothing; for functions that limit in the same round trip as
-- their work. Results as private.gcra gives them.
CREATE OR REPLACE FUNCTION private.take_rate(p_key text, p_rate numeric, p_burst integer, p_cost integer, p_now timestamp with time zone, OUT allowed boolean, OUT remaining integer, OUT reset_ms bigint, OUT retry_after_ms bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_row public.rate_limits;
begin
  insert into public.rate_limits as r (key, tat, allowed)
  select p_key, g.tat, g.allowed from private.gcra(null, p_now, p_rate, p_burst, p_cost) g
  on conflict on constraint rate_limits_pkey do update
    set (tat, allowed) =
      (select g.tat, g.allowed from private.gcra(r.tat, p_now, p_rate, p_burst, p_cost) g)
  returning r.* into v_row;
  allowed := v_row.allowed;
  -- What was allowed has been paid for already; what was refused is asked again to learn when.
  select g.remaining, g.reset_ms, g.retry_after_ms into remaining, reset_ms, retry_after_ms
  from private.gcra(v_row.tat, p_now, p_rate, p_burst, case when allowed then 0 else p_cost end) g;
end $function$;
grant execute on function private.take_rate(p_key text, p_rate numeric, p_burst integer, p_cost integer, p_now timestamp with time zone, OUT allowed boolean, OUT remaining integer, OUT reset_ms bigint, OUT retry_after_ms bigint) to service_role;

-- The time zone whose days figures follow: the setting team.zone (UTC).
CREATE OR REPLACE FUNCTION private.team_zone()
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select coalesce((select s.value from public.settings s where s.key = 'team.zone'), 'UTC')
$function$;
grant execute on function private.team_zone() to service_role;

-- The category of a template message: the provider's, else the one stated in the message, else marketing; null if the
-- provider must be asked first.
CREATE OR REPLACE FUNCTION private.template_category(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_stated text := coalesce(lower(p_message ->> 'category'), 'marketing');
  v_account text := (select s.account from public.senders s where s.channel = p_channel and s.id = p_number_id);
  v_known private.template_categories;
begin
  if v_account is null or p_message #>> '{template,name}' is null then
    return v_stated;
  end if;
  select * into v_known from private.template_categories t
  where t.channel = p_channel and t.account = v_account
    and t.name = p_message #>> '{template,name}' and t.language = p_message #>> '{template,language,code}';
  return case when v_known.category is not null then v_known.category
    when v_known.at > p_now - interval '1 hour' then v_stated end;
end $function$;
grant execute on function private.template_category(p_channel text, p_number_id text, p_message jsonb, p_now timestamp with time zone) to service_role;

-- A JSON array of strings as an array of text; empty for null.
CREATE OR REPLACE FUNCTION private.text_array(p_list jsonb)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array(select jsonb_array_elements_text(p_list))
$function$;

-- An expression for the columns of a row t as one text.
CREATE OR REPLACE FUNCTION private.text_of(p_columns text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select format('concat_ws('' '', %s)', string_agg(format('t.%I', c.name), ', ')) from unnest(p_columns) as c (name)
$function$;

-- Why a value is not a list of texts of this form, with the position of the fault; null if it is one.
CREATE OR REPLACE FUNCTION private.texts_fault(p_list jsonb, p_path text, p_form text DEFAULT ''::text, p_said text DEFAULT ''::text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case
    when jsonb_typeof(p_list) is distinct from 'array' then p_path || ': must be a list'
    when jsonb_array_length(p_list) not between 1 and 1000 then p_path || ': has 1 to 1000 entries'
    else (
      select min(p_path || '[' || e.i - 1 || ']: ' || case
        when jsonb_typeof(e.item) <> 'string' then 'must be a text'
        when char_length(e.item #>> '{}') > 500 then 'at most 500 characters'
        when e.item #>> '{}' !~ '\S' then 'must not be empty'
        else p_said end)
      from jsonb_array_elements(p_list) with ordinality as e (item, i)
      where jsonb_typeof(e.item) <> 'string' or char_length(e.item #>> '{}') > 500 or e.item #>> '{}' !~ '\S'
        or e.item #>> '{}' !~ p_form)
    end
$function$;
grant execute on function private.texts_fault(p_list jsonb, p_path text, p_form text, p_said text) to service_role;

-- Run by the clock: closes circuits whose wait is over and that no delivery can probe, so that the next message
-- tries; lets one delivery probe early if all wait for later; gives up deliveries that were decided while their
-- destination was being removed.
CREATE OR REPLACE FUNCTION private.tidy_destinations(p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  -- A successful delivery closes a circuit. With none left to try, and routes using their spare, it would stay open.
  update public.destinations d
  set circuit_open_until = null, circuit_probe = null, circuit_trips = 0, circuit_failures = 9
  where d.circuit_open_until <= p_now and not exists (
    select from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased'));
  -- The failed deliveries may wait for hours while new messages go to the spare: one of them probes early.
  perform private.wake_deliveries(d.id, 1, p_now) from public.destinations d
  where d.circuit_open_until <= p_now and d.state = 'active' and not exists (
    select from private.delivery_lanes l where l.destination_id = d.id and l.due_at <= p_now);
  -- The router may have chosen it by a configuration seconds old: such deliveries are given up, not left waiting.
  update public.deliveries d
  set state = 'dead', wakes = false, last_error = 'removed: the destination was removed', updated_at = p_now
  from public.destinations t
  where t.removed_at is not null and d.destination_id = t.id and d.state in ('pending', 'leased');
end $function$;
grant execute on function private.tidy_destinations(p_now timestamp with time zone) to service_role;

-- The condition of a row of private.personal_data().
CREATE OR REPLACE FUNCTION private.tie(p_relation text, p_columns text[], p_tied text, p_erased text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  -- First what is quick, for all rows are asked; in a CASE, since the planner orders what AND joins.
  select case when p_erased not in ('words', 'ids') then p_tied
    else format('case when %s then %s else false end', concat_ws(' and ', nullif(p_tied, ''), case p_erased
        when 'words' then format('private.mentions(%s, $1)', private.text_of(p_columns))
        else format('private.holds(%s, ($1).needles || ($1).subjects)', private.text_of(p_columns)) end), (
      select string_agg(format('private.tombstone(t.%1$I, $1, %2$L) is distinct from t.%1$I', c.name, p_erased = 'words'), ' or ')
      from unnest(p_columns) as c (name))) end
$function$;

-- A list without a person.
CREATE OR REPLACE FUNCTION private.tombstone(p_list text[], p_person private.person, p_names boolean)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select array(select private.tombstone(e.item, p_person, p_names) from unnest(p_list) with ordinality as e (item, place) order by e.place)
$function$;

-- A text without a person: in place of an id stands the nil UUID, 00000 or "erased". Names go too where p_names says
-- so.
CREATE OR REPLACE FUNCTION private.tombstone(p_text text, p_person private.person, p_names boolean)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
declare
  v_pattern text := case when p_names then p_person.words else p_person.ids end;
begin
  if p_text = any (p_person.subjects) or p_text ~* ('^(' || v_pattern || ')$') then
    return case when p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then '00000000-0000-0000-0000-000000000000'
      when p_text ~ '^[0-9]+$' then '00000' else 'erased' end;
  end if;
  return regexp_replace(p_text, v_pattern, 'erased', 'gi');
end $function$;

-- A document without a person; names go from descriptions, reasons, titles and texts alone, for elsewhere they may be
-- words of the system.
CREATE OR REPLACE FUNCTION private.tombstone(p_value jsonb, p_person private.person, p_names boolean)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO ''
AS $function$
begin
  return case jsonb_typeof(p_value)
    when 'string' then to_jsonb(private.tombstone(p_value #>> '{}', p_person, false))
    when 'array' then (
      select coalesce(jsonb_agg(private.tombstone(e.item, p_person, p_names) order by e.place), '[]')
      from jsonb_array_elements(p_value) with ordinality as e (item, place))
    when 'object' then (
      select coalesce(jsonb_object_agg(e.key, case when p_names and e.key in ('description', 'reason', 'detail', 'title', 'text') and jsonb_typeof(e.item) = 'string'
        then to_jsonb(private.tombstone(e.item #>> '{}', p_person, true)) else private.tombstone(e.item, p_person, p_names) end), '{}')
      from jsonb_each(p_value) as e (key, item))
    else p_value end;
end $function$;

-- Services that somebody should look at: paused or circuit_open with a queue (error: what it answered, where that
-- paused it), failing (three times in a row or more; error: how), gave_up (n dead letters within the hour), replies
-- (n answers within the hour whose replies were not used; error: why, a word). waiting: messages that wait for it,
-- counted up to 10,000.
CREATE OR REPLACE FUNCTION private.troubled_destinations(p_now timestamp with time zone)
 RETURNS TABLE(name text, state text, n bigint, error text, waiting bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with troubled as (
    select d.id, d.name, private.shown_state(d.state, d.circuit_open_until) as state, null::bigint as n, d.paused_because as error
    from public.destinations d
    where private.shown_state(d.state, d.circuit_open_until) <> 'active'
      and exists (select from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased'))
    union all
    select d.id, d.name, 'failing', d.circuit_failures, (
      select x.last_error from public.deliveries x where x.destination_id = d.id and x.wakes and x.state = 'pending' limit 1)
    from public.destinations d
    where d.state = 'active' and d.circuit_open_until is null and d.circuit_failures >= 3
    union all
    select d.id, d.name, 'gave_up', gone.n, null
    from public.destinations d
    cross join lateral (
      select count(*) as n from public.deliveries x
      where x.destination_id = d.id and x.state = 'dead' and x.dropped_reason is null and x.updated_at >= p_now - interval '1 hour') gone
    where d.removed_at is null and gone.n > 0
  )
  -- Counted for the few that are in trouble, and no further than a person would read.
  select t.name, t.state, t.n, t.error, (
    select count(*) from (
      select from public.deliveries x where x.destination_id = t.id and x.state in ('pending', 'leased') limit 10000) x)
  from troubled t
  union all
  select split_part(m.label, ' ', 1), 'replies', sum(m.n)::bigint, split_part(m.label, ' ', 2), 0
  from public.measurements m
  where m.name = 'replies' and m.minute >= p_now - interval '1 hour'
  group by m.label
$function$;
grant execute on function private.troubled_destinations(p_now timestamp with time zone) to service_role;

-- Deletes what send_conversation created for a message that was refused, in the same transaction, so that nobody has
-- seen it.
CREATE OR REPLACE FUNCTION private.unmake_conversation(p_conversation conversations, p_made text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  if p_made is not null then
    delete from public.conversations c where c.id = p_conversation.id;
  end if;
  if p_made = 'contact' then
    delete from public.contacts c where c.id = p_conversation.contact_id;
  end if;
end $function$;
grant execute on function private.unmake_conversation(p_conversation conversations, p_made text) to service_role;

-- The conversations of these channels that have waited longest for the router, except those held back at this
-- configuration revision; null for none. Of those held at another revision, the longest held come first.
CREATE OR REPLACE FUNCTION private.unrouted(p_revision bigint, p_limit integer, p_channels text[])
 RETURNS uuid[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
begin
  return (
  select array_agg(w.id) from (
    select first.id from unnest(p_channels) as on_channel (name)
    cross join lateral (
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision is null
      order by c.held_revision, c.unrouted_since limit p_limit)
      union all
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision < p_revision
      order by c.held_revision, c.unrouted_since limit p_limit)
      union all
      (select c.id, c.unrouted_since from public.conversations c
      where c.channel = on_channel.name and c.unrouted_since is not null and c.held_revision > p_revision
      order by c.held_revision, c.unrouted_since limit p_limit)
    ) first
    order by first.unrouted_since limit p_limit
  ) w);
end $function$;
grant execute on function private.unrouted(p_revision bigint, p_limit integer, p_channels text[]) to service_role;

-- A new UUID version 7 (RFC 9562): sorts by the time it was made, to the microsecond within one session.
CREATE OR REPLACE FUNCTION private.uuid_v7()
 RETURNS uuid
 LANGUAGE plpgsql
 PARALLEL SAFE
 SET search_path TO ''
AS $function$
declare
  v_micros bigint := (date_part('epoch', clock_timestamp()) * 1000000)::bigint;
begin
  return encode(
    int8send((v_micros / 1000 << 16) | (7 << 12) | (v_micros % 1000 * 4096 / 1000))
      || substr(uuid_send(gen_random_uuid()), 9),
    'hex')::uuid;
end $function$;
grant execute on function private.uuid_v7() to service_role;

-- The smallest UUID version 7 of that millisecond: ids of rows made since then are at or above it.
CREATE OR REPLACE FUNCTION private.uuid_v7_from(p_at timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO ''
AS $function$
  select encode(substr(int8send(floor(extract(epoch from p_at) * 1000)::bigint), 3) || '\x70008000000000000000'::bytea, 'hex')::uuid
$function$;
grant execute on function private.uuid_v7_from(p_at timestamp with time zone) to service_role;

-- What waits: {unrouted: {n conversations, held by a flag among them, oldest_seconds}, deliveries: {n,
-- oldest_seconds}, outbound: {n, oldest_seconds}}. oldest_seconds is null where nothing waits.
CREATE OR REPLACE FUNCTION private.waiting(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select jsonb_build_object(
    'unrouted', (
      select jsonb_build_object('n', count(*), 'held', count(*) filter (where held_revision is not null),
        'oldest_seconds', round(extract(epoch from p_now - min(unrouted_since)))::integer)
      from public.conversations where unrouted_since is not null),
    'deliveries', (
      select jsonb_build_object('n', count(*), 'oldest_seconds', round(extract(epoch from p_now - min(created_at)))::integer)
      from public.deliveries where state in ('pending', 'leased')),
    'outbound', (
      select jsonb_build_object('n', count(*), 'oldest_seconds', round(extract(epoch from p_now - min(created_at)))::integer)
      from public.outbound_messages where state in ('queued', 'leased')))
$function$;
grant execute on function private.waiting(p_now timestamp with time zone) to service_role;

-- What waits and why, the longest first, in codes that _shared/contract/words/waiting.ts puts into words: [{queue:
-- router | destination | number, name, n, oldest_seconds, because, at, per_second, flag, code}].
CREATE OR REPLACE FUNCTION private.waiting_because(p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  with known as materialized (
    select k.channel, private.router_flag(k.channel) as flag, private.on_for_anybody(private.router_flag(k.channel)) as routed
    from (select distinct s.channel from public.senders s) k
  )
  select coalesce(jsonb_agg(jsonb_build_object('queue', w.queue, 'name', w.name, 'n', w.n, 'oldest_seconds', w.age,
    'because', w.because, 'at', to_char(w.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'per_second', w.per_second::text, 'flag', w.flag, 'code', w.code) order by w.age desc nulls last), '[]')
  from (
    select 'router' as queue, null as name, sum(u.n) as n, max(u.age) as age,
      case when u.off then 'flag_off' else 'not_reached' end as because,
      null::timestamptz as at, null::numeric as per_second, case when u.off then u.flag end as flag, null as code
    from (
      select c.channel, private.router_flag(c.channel) as flag, count(*) as n,
        round(extract(epoch from p_now - min(c.unrouted_since))) as age,
        c.held_revision is not null
          or not coalesce((select k.routed from known k where k.channel = c.channel), false) as off
      from public.conversations c where c.unrouted_since is not null
      group by c.channel, c.held_revision is not null
    ) u
    group by u.channel, u.flag, u.off
    union all
    select 'destination', d.name, q.n, q.age, why.because,
      case why.because when 'circuit_open' then d.circuit_open_until when 'retry' then lane.due_at end,
      case when why.because = 'rate' then d.rate_per_second end, case when why.because = 'flag_off' then lane.flag end, null
    from public.destinations d
    cross join lateral (
      select count(*) as n, round(extract(epoch from p_now - min(x.created_at))) as age
      from public.deliveries x where x.destination_id = d.id and x.state in ('pending', 'leased')) q
    cross join lateral (
      select min(first.due_at) filter (where known.routed) as due_at, min(known.flag) filter (where not known.routed) as flag
      from known
      cross join lateral (select private.lane_due_at(d.id, known.channel) as due_at) first
      where first.due_at is not null) lane
    cross join lateral (select private.shown_state(d.state, d.circuit_open_until) as state) shown
    cross join lateral (select case
      when shown.state <> 'active' then shown.state
      when lane.due_at is null and lane.flag is not null then 'flag_off'
      when lane.due_at > p_now then 'retry'
      when d.rate_per_second is not null then 'rate'
      else 'due' end as because) why
    where q.n > 0
    union all
    select 'number', n.id, q.n, q.age, why.because,
      case why.because when 'paced' then lane.due_at when 'held' then n.held_until end, null,
      case when why.because = 'flag_off' then private.send_flag(n.channel) end,
      case when why.because = 'held' then n.held_code end
    from public.senders n
    cross join lateral (
      select count(*) as n, round(extract(epoch from p_now - min(o.created_at))) as age
      from public.outbound_messages o where o.channel = n.channel and o.number_id = n.id and o.state in ('queued', 'leased')) q
    left join lateral (
      select l.due_at from private.outbound_lanes l where l.channel = n.channel and l.number_id = n.id and l.due_at is not null
      order by l.due_at limit 1) lane on true
    cross join lateral (select case
      when not private.on_for_anybody(private.send_flag(n.channel)) then 'flag_off'
      when n.state = 'paused' then 'paused'
      when n.held_since is not null then 'held'
      when n.send_tat > p_now + interval '1 second' then 'number_paced'
      when lane.due_at > p_now then 'paced'
      else 'due' end as because) why
    where q.n > 0
  ) w
  where w.n > 0
$function$;
grant execute on function private.waiting_because(p_now timestamp with time zone) to service_role;

-- Makes failed deliveries of a destination that answers again due, up to a limit; returns whether there may be more.
CREATE OR REPLACE FUNCTION private.wake_deliveries(p_destination_id uuid, p_limit integer, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
 SET jit TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_lanes uuid[];
begin
  with locked as materialized (
    select l.conversation_id from public.deliveries d
    join private.delivery_lanes l on l.destination_id = d.destination_id and l.conversation_id = d.conversation_id
    where d.destination_id = p_destination_id and d.wakes and d.state = 'pending' and l.lease is null
    limit p_limit for update of l skip locked
  )
  select array_agg(conversation_id) into v_lanes from locked;
  update public.deliveries d set next_attempt_at = least(d.next_attempt_at, p_now), wakes = false, woken = d.attempt
  where d.destination_id = p_destination_id and d.conversation_id = any (v_lanes) and d.wakes and d.state = 'pending';
  perform private.release_lane(p_destination_id, conversation_id) from unnest(v_lanes) as conversation_id;
  return coalesce(cardinality(v_lanes), 0) >= p_limit;
end $function$;
grant execute on function private.wake_deliveries(p_destination_id uuid, p_limit integer, p_now timestamp with time zone) to service_role;

-- Looks at each part of health and queues what there is to tell of it, once; says how many notifications. For the
-- clock, and for isolates where the clock is dead.
CREATE OR REPLACE FUNCTION private.watch(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_part jsonb;
  v_status text;
  v_was private.part_states;
  v_told integer := 0;
  v_patience interval := case when private.just_launched(p_now) then '0' else '2 minutes' end;
begin
  if not pg_try_advisory_xact_lock(hashtext('gatelink.watch')) then
    return 0;
  end if;
  for v_part in select e.item from jsonb_array_elements(private.health(p_now)) as e (item) where e.item ->> 'component' <> 'config' loop
    v_status := v_part ->> 'status';
    select * into v_was from private.part_states s where s.component = v_part ->> 'component';
    if not found then
      continue when v_status = 'healthy';
      insert into private.part_states (component, status, since) values (v_part ->> 'component', v_status, p_now)
      returning * into v_was;
    elsif v_was.status <> v_status then
      update private.part_states s
      set status = v_status, since = case when 'healthy' in (v_was.status, v_status) then p_now else s.since end
      where s.component = v_was.component returning * into v_was;
    end if;
    if v_status = 'healthy' then
      if v_was.told is null then
        delete from private.part_states s where s.component = v_was.component;
      elsif v_was.since <= p_now - interval '5 minutes' then
        delete from private.part_states s where s.component = v_was.component;
        v_told := v_told + private.notify('recovered', v_part, p_now);
        perform private.incident_of_part('recovered', v_part, p_now);
      end if;
    elsif v_status is distinct from v_was.told and v_was.told is distinct from 'down'
      and (v_status = 'down' or v_was.since <= p_now - v_patience) then
      update private.part_states s set told = v_status where s.component = v_was.component;
      v_told := v_told + private.notify('failing', v_part, p_now);
    end if;
    -- What is down for a moment, as after a start, is no incident.
    if v_status <> 'healthy' and v_was.since <= p_now - v_patience then
      perform private.incident_of_part('failing', v_part, p_now);
    end if;
  end loop;
  return v_told;
end $function$;
grant execute on function private.watch(p_now timestamp with time zone) to service_role;

-- Adoption (the share of outcomes of people who had a feature) and how each feature did, beside the time before;
-- flags that look done with; incidents and rollouts.
CREATE OR REPLACE FUNCTION private.weekly_report(p_from timestamp with time zone, p_to timestamp with time zone, OUT figures jsonb, OUT look text[])
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_features jsonb;
  v_signals jsonb := private.report_signals(null, p_from, p_to);
  v_debt jsonb;
  v_open bigint;
begin
  with used as (
    select m.flag_key, m.minute >= p_from as now, coalesce(sum(m.n) filter (where m.arm = 'on'), 0) as had, sum(m.n) as n
    from public.flag_metrics m where m.minute >= p_from - (p_to - p_from) and m.minute < p_to
    group by 1, 2
  ), features as (
    select s.key, s.value, s.metadata,
      round(n.had::numeric / nullif(n.n, 0), 5) as adoption, round(b.had::numeric / nullif(b.n, 0), 5) as adoption_before,
      private.outcome_figures(s.key, 'on', p_from, p_to) as now, private.outcome_figures(s.key, 'on', p_from - (p_to - p_from), p_from) as before
    from public.settings s
    left join used n on n.flag_key = s.key and n.now
    left join used b on b.flag_key = s.key and not b.now
    where s.key like '%.enabled' and (n.n is not null or b.n is not null)
  )
  select coalesce(jsonb_agg(jsonb_build_object('flag_key', f.key, 'on', f.value = 'true', 'percentage', f.metadata -> 'rollout_percentage',
    'adoption', f.adoption, 'adoption_before', f.adoption_before, 'now', f.now, 'before', f.before,
    'worse', coalesce((f.now ->> 'n')::bigint >= 100 and (f.before ->> 'n')::bigint >= 100
      and ((f.now ->> 'error_rate')::numeric > 2 * (f.before ->> 'error_rate')::numeric + 0.005
        or (f.now ->> 'p95_ms')::numeric > 1.5 * (f.before ->> 'p95_ms')::numeric), false)) order by f.key), '[]')
  into v_features from features f;
  select coalesce(jsonb_agg(jsonb_build_object('flag_key', d.key, 'why', d.why, 'since', d.since) order by d.key, d.why), '[]')
  into v_debt from private.stale_flags(p_to) d;
  select count(*) into v_open from public.incidents i where i.status <> 'resolved';
  figures := jsonb_build_object('features', v_features, 'debt', v_debt,
    'incidents_opened', (select count(*) from public.incidents i where i.opened_at >= p_from and i.opened_at < p_to),
    'incidents_resolved', (select count(*) from public.incidents i where i.resolved_at >= p_from and i.resolved_at < p_to),
    'incidents_open', v_open,
    'rollouts', (
      select jsonb_build_object(
        'started', count(*) filter (where r.started_at >= p_from and r.started_at < p_to),
        'completed', count(*) filter (where r.state = 'completed' and r.finished_at >= p_from and r.finished_at < p_to),
        'rolled_back', count(*) filter (where r.state = 'rolled_back' and r.finished_at >= p_from and r.finished_at < p_to),
        'under_way', count(*) filter (where r.state in ('running', 'paused')))
      from public.rollouts r)) || v_signals;
  look := array_remove(array[
    case when jsonb_path_exists(v_features, '$[*] ? (@.worse == true)') then 'worse' end,
    case when v_open > 0 then 'incident' end,
    case when (v_signals ->> 'complaints')::bigint > 0 then 'complaints' end,
    case when v_debt <> '[]' then 'debt' end], null);
end $function$;

-- The known contact that WhatsApp's ids identify, merged if they prove two to be one; null if they identify nobody.
-- p_known is the contact that we already know the update to be about. The caller holds the contacts' lock.
CREATE OR REPLACE FUNCTION private.whatsapp_contact(p_identities private.identity[], p_at timestamp with time zone, p_sender_id text, p_known uuid)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_phone text := private.identity_value(p_identities, 'phone');
  v_bsuid text := private.identity_value(p_identities, 'bsuid');
  v_parent_bsuid text := private.identity_value(p_identities, 'parent_bsuid');
  v_prev_phone text := private.identity_before(p_identities, 'phone');
  v_prev_bsuid text := private.identity_before(p_identities, 'bsuid');
  v_contact uuid := coalesce(
    private.identity_holder('whatsapp', 'bsuid', v_prev_bsuid), private.identity_holder('whatsapp', 'phone', v_prev_phone),
    private.identity_holder('whatsapp', 'bsuid', v_bsuid), private.identity_holder('whatsapp', 'parent_bsuid', v_parent_bsuid));
  v_notice boolean := v_prev_bsuid is not null or v_prev_phone is not null;
  v_other uuid;
  v_other_bsuids text[];
  v_suits boolean;
  v_keep uuid;
begin
  for v_other in
    select distinct holder from unnest(array[
      private.identity_holder('whatsapp', 'bsuid', v_bsuid), private.identity_holder('whatsapp', 'parent_bsuid', v_parent_bsuid),
      private.identity_holder('whatsapp', 'phone', v_phone), p_known,
      case when v_phone is null and v_bsuid is null and v_parent_bsuid is null
        then private.identity_holder('whatsapp', 'username', private.identity_value(p_identities, 'username')) end]) as holder
    where holder is not null order by holder
  loop
    v_other_bsuids := private.ids_at(v_other, 'bsuid', p_sender_id);
    v_suits := v_bsuid is null or v_other_bsuids is null or v_bsuid = any (v_other_bsuids);
    if v_contact is null then
      -- Only known by number so far, or the same user id: the same person. Another user id: the number has moved.
      if v_notice or v_suits then
        v_contact := v_other;
      end if;
    elsif v_other <> v_contact then
      -- After a notice the previous user id is obsolete; the new one must survive the merge.
      if v_notice and v_bsuid = any (v_other_bsuids) then
        update public.contact_identities i set valid_to = greatest(p_at, i.valid_from)
        where i.contact_id = v_contact and i.kind = 'bsuid' and i.valid_to is null
          and i.value = any (private.ids_at(v_contact, 'bsuid', p_sender_id));
      end if;
      if v_suits and not private.are_apart(v_contact, v_other, 'bsuid') then
        v_keep := least(v_contact, v_other); -- ids sort by age
        perform private.merge_contacts(v_keep, case when v_keep = v_contact then v_other else v_contact end, p_at);
        v_contact := v_keep;
      end if;
    end if;
  end loop;
  return v_contact;
end $function$;
grant execute on function private.whatsapp_contact(p_identities private.identity[], p_at timestamp with time zone, p_sender_id text, p_known uuid) to service_role;

-- The setting wa_send.window_fallback: the template message to send instead when the window is closed; null if it is
-- not set.
CREATE OR REPLACE FUNCTION private.window_fallback()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select s.value::jsonb from public.settings s where s.key = 'wa_send.window_fallback'
$function$;
grant execute on function private.window_fallback() to service_role;

-- A person with these messages.
CREATE OR REPLACE FUNCTION private.with_messages(p_person private.person, p_messages uuid[])
 RETURNS private.person
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
begin
  p_person.messages := p_messages;
  p_person.provider_ids := array(
    select m.provider_id from public.messages m where m.id = any (p_messages) and m.provider_id is not null);
  p_person.tokens := array(
    select m.link_token from public.messages m where m.id = any (p_messages) and m.link_token is not null
    union
    select a.token from public.attributions a where a.message_id = any (p_messages) and a.token is not null);
  return p_person;
end $function$;

-- Removes the text of the messages that these updates withdraw, and of their edits.
CREATE OR REPLACE FUNCTION private.withdraw_messages(p_updates private.inbound_update[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_ids uuid[];
begin
  select array_agg(m.id) into v_ids
  from unnest(p_updates) u
  join public.messages r on r.provider_id = u.provider_id and r.channel = u.channel and r.type = 'revoke'
  cross join lateral (
    select o.id from public.messages o
    where o.provider_id = r.reply_to and o.conversation_id = r.conversation_id and o.direction = r.direction
    union
    select e.id from public.messages e
    where e.type = 'edit' and e.reply_to = r.reply_to and e.conversation_id = r.conversation_id and e.direction = r.direction) m
  where u.type = 'revoke';
  perform from public.messages m where m.id = any (v_ids) order by m.id for update;
  update public.messages m
  set text = null, choice = null, link_token = null, referral = null, native = null, status = 'deleted', status_rank = 6
  where m.id = any (v_ids);
end $function$;
grant execute on function private.withdraw_messages(p_updates private.inbound_update[]) to service_role;

-- What to do about a setting that cannot be written now, in a sentence.
CREATE OR REPLACE FUNCTION private.without_database(p_key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when p_key like '%.enabled'
    then format('Turn it off without the database: gatelink rollback 2 %s --why "…".', p_key) else 'Try again when it is over.' end
$function$;

-- A text with … for each id of this contact, past ones too, and for WhatsApp's ids of messages.
CREATE OR REPLACE FUNCTION private.without_ids(p_text text, p_contact_id uuid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO ''
AS $function$
declare
  v_text text := regexp_replace(p_text, 'wamid\.[[:alnum:]+/=_-]+', 'wamid.…', 'g');
  v_id text;
begin
  for v_id in
    select i.value from public.contact_identities i where i.contact_id = p_contact_id and length(i.value) >= 5
    union
    -- As it stands within an id of a message, whose first three bytes come before it.
    select left(encode(convert_to(i.value, 'UTF8'), 'base64'), length(i.value) * 4 / 3) from public.contact_identities i
    where i.contact_id = p_contact_id and i.kind = 'phone' and length(i.value) >= 5
  loop
    v_text := regexp_replace(v_text,
      case when v_id ~ '^[0-9]+$' then regexp_replace(v_id, '(.)(?=.)', '\1[^[:alnum:]]{0,3}', 'g')
        else regexp_replace(v_id, '([^[:alnum:]])', '\\\1', 'g') end,
      '…', 'gi');
  end loop;
  return v_text;
end $function$;
grant execute on function private.without_ids(p_text text, p_contact_id uuid) to service_role;

-- The metadata of a flag that no clock turns on: as given, without schedule.on_at.
CREATE OR REPLACE FUNCTION private.without_start(p_metadata jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when p_metadata -> 'schedule' ? 'on_at' and p_metadata -> 'schedule' ? 'off_at' then p_metadata #- '{schedule,on_at}'
    when p_metadata -> 'schedule' ? 'on_at' then p_metadata - 'schedule'
    else p_metadata end
$function$;

-- A flag's metadata without these targets; one that had no others is on for nobody.
CREATE OR REPLACE FUNCTION private.without_targets(p_metadata jsonb, p_subjects text[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select case when not p_metadata ? 'target_user_ids' then p_metadata
    else jsonb_set(p_metadata, '{target_user_ids}', (
      select coalesce(jsonb_agg(e.id order by e.place), '[]')
      from jsonb_array_elements_text(p_metadata -> 'target_user_ids') with ordinality as e (id, place)
      where e.id <> all (p_subjects))) end
$function$;

-- A message's words without link tokens, all of them, and the white space before each; also without one that a
-- keyboard or a person has written otherwise.
CREATE OR REPLACE FUNCTION private.without_tokens(p_text text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO ''
AS $function$
  select btrim(
    regexp_replace(
      p_text,
      format(
        -- As we write it; then as it may arrive, in brackets with blanks within the token, or without brackets.
        '[\s%1$s]*(?:\[ref:[a-z2-7]{16}\]'
          '|[%2$s]?[\s%1$s]*(?<![0-9a-zａ-ｚ０-９])[rｒ][eｅ][fｆ][\s%1$s]*[:：﹕︓∶׃]'
          '(?=[\s%1$s]*(?:[a-zａ-ｚ][\s%1$s]*){0,15}[2-7２-７])'
          '(?:(?:[\s%1$s]*[a-z2-7ａ-ｚ２-７]){16}[\s%1$s]*[%2$s]'
          '|[\s%1$s]*(?:[a-z2-7ａ-ｚ２-７][%1$s]*){16}(?![0-9a-zａ-ｚ０-９])))[%1$s]*',
        E'\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff',
        '][(){}<>«»‹›⁅⁆〈〉《》「」『』【】〔〕〖〗〘〙〚〛﹙﹚﹛﹜﹝﹞（）［］｛｝＜＞｟｠｢｣'),
      '', 'gi'),
    E' \n\r\t')
$function$;
grant execute on function private.without_tokens(p_text text) to service_role;

-- Writes what happened to an incident as it now stands; what is public is posted to Statuspage too.
CREATE OR REPLACE FUNCTION private.write_incident(p_incident incidents, p_kind text, p_at timestamp with time zone, p_text text DEFAULT NULL::text, p_changes jsonb DEFAULT '{}'::jsonb, p_public boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_id uuid;
begin
  insert into public.incident_updates (incident_id, at, kind, status, public, text, changes, version)
  values (p_incident.id, p_at, p_kind, p_incident.status, p_public, p_text, p_changes, p_incident.version)
  returning id into v_id;
  if p_public then
    insert into private.status_posts (update_id, incident_id, next_attempt_at) values (v_id, p_incident.id, p_at);
  end if;
end $function$;

-- Keeps a report and queues it for those who are told; false where it was written before.
CREATE OR REPLACE FUNCTION private.write_report(p_report reports, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
begin
  insert into public.reports (kind, rollout_id, flag_key, period_from, due_at, figures, look, created_at)
  values (p_report.kind, p_report.rollout_id, p_report.flag_key, p_report.period_from, p_report.due_at, p_report.figures, p_report.look, p_now)
  on conflict on constraint reports_once do nothing
  returning * into p_report;
  if p_report.id is null then
    return false;
  end if;
  insert into public.notifications (endpoint_id, next_attempt_at, payload)
  select e.id, p_now, jsonb_build_object('kind', 'report', 'at', p_report.due_at, 'report', to_jsonb(p_report) - 'created_at')
  from public.notification_endpoints e where e.state = 'active' and 'report' = any (e.events);
  return true;
end $function$;

-- Writes the reports that are due: of rollouts that began or were completed within a week, and on Mondays at 8 in the
-- team's zone the weekly one. Says how many. For the clock.
CREATE OR REPLACE FUNCTION private.write_reports(p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
declare
  v_rollout public.rollouts;
  v_report public.reports;
  v_slot record;
  v_zone text := private.team_zone();
  v_count integer := 0;
begin
  for v_rollout in
    select * from public.rollouts r
    where r.state in ('running', 'paused') and r.started_at > p_now - interval '8 days'
      or r.state = 'completed' and r.finished_at > p_now - interval '8 days'
    order by r.id
  loop
    v_slot := private.report_slot(coalesce(v_rollout.finished_at, v_rollout.started_at), p_now);
    continue when v_slot.kind is null or exists (
      select from public.reports x where x.kind = v_slot.kind and x.rollout_id = v_rollout.id and x.due_at = v_slot.due_at);
    begin
      v_report := null;
      v_report.kind := v_slot.kind;
      v_report.rollout_id := v_rollout.id;
      v_report.flag_key := v_rollout.flag_key;
      v_report.period_from := v_slot.period_from;
      v_report.due_at := v_slot.due_at;
      select f.figures, f.look into v_report.figures, v_report.look
      from private.rollout_report(v_rollout, v_slot.period_from, v_slot.due_at) f;
      v_count := v_count + private.write_report(v_report, p_now)::integer;
    exception when others then
      raise warning 'the report about rollout % could not be written: % (%)', v_rollout.id, sqlerrm, sqlstate;
    end;
  end loop;

  v_report := null;
  v_report.kind := 'weekly';
  v_report.due_at := (date_trunc('week', (p_now - interval '8 hours') at time zone v_zone) + interval '8 hours') at time zone v_zone;
  v_report.period_from := (v_report.due_at at time zone v_zone - interval '7 days') at time zone v_zone;
  if exists (select from private.config_revision c where c.installed_at < v_report.due_at)
    and not exists (select from public.reports x where x.kind = 'weekly' and x.due_at = v_report.due_at) then
    select f.figures, f.look into v_report.figures, v_report.look from private.weekly_report(v_report.period_from, v_report.due_at) f;
    v_count := v_count + private.write_report(v_report, p_now)::integer;
  end if;
  return v_count;
end $function$;

-- Contacts on WhatsApp who wrote within so many days.
CREATE OR REPLACE FUNCTION private.wrote_within(p_days integer, p_now timestamp with time zone)
 RETURNS TABLE(contact_id uuid)
 LANGUAGE sql
 STABLE
 SET search_path TO ''
AS $function$
  select distinct coalesce(c.merged_into, c.id)
  from public.conversations v join public.contacts c on c.id = v.contact_id
  where v.channel = 'whatsapp' and v.last_inbound_at > p_now - make_interval(days => p_days)
$function$;
