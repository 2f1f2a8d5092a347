-- Opens and clicks of mails that we track ourselves: whose consent there is, tickets, what was opened and clicked.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Consent -----------------------------------------------------------------------------------------

create table public.tracking_consents (
  contact_id uuid not null references public.contacts (id) on delete cascade,
  campaign_id uuid,
  mode text not null check (mode in ('off', 'aggregate', 'individual')),
  source text not null check (source ~ '^[a-z][a-z0-9_]{0,31}$'),
  at timestamptz not null default now(),
  by text not null default private.actor(),
  constraint tracking_consents_once unique nulls not distinct (contact_id, campaign_id)
);
comment on table public.tracking_consents is 'What people allow when their mails are tracked. Without a row the setting email.track_unasked says it.';
comment on constraint tracking_consents_once on public.tracking_consents is 'One answer a person and campaign; serves the foreign key.';
comment on column public.tracking_consents.contact_id is 'Who.';
comment on column public.tracking_consents.campaign_id is 'For which campaign; null for all. Not a reference: consent outlives a campaign.';
comment on column public.tracking_consents.mode is 'The most that is allowed: off, aggregate (counted, and not kept who it was) or individual.';
comment on column public.tracking_consents.source is 'How it was given: team, api, form, link and the like.';
comment on column public.tracking_consents.at is 'When.';
comment on column public.tracking_consents.by is 'Which user or role wrote it.';
alter table public.tracking_consents enable row level security;
revoke all on public.tracking_consents from public, anon, authenticated;
grant select on public.tracking_consents to authenticated;
grant select, insert, update, delete on public.tracking_consents to service_role;
create policy "operators read consents" on public.tracking_consents for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read consents" on public.tracking_consents is 'What a person decided: operators and admins only.';

create table private.erased_declines (
  hash bytea constraint erased_declines_pkey primary key,
  since timestamptz not null
);
comment on table private.erased_declines is 'Addresses of people who were erased and wanted no tracking: they are not tracked for that.';
comment on constraint erased_declines_pkey on private.erased_declines is 'Asked by the hash of an address.';
comment on column private.erased_declines.hash is 'Keyed hash of the address.';
comment on column private.erased_declines.since is 'Since when.';
alter table private.erased_declines enable row level security;
revoke all on private.erased_declines from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.erased_declines to service_role;

create function private.decline_hashes(p_contacts uuid[]) returns bytea[]
language sql stable set search_path = '' set jit = off set enable_seqscan = off as $$
  select array(select private.keyed_hash('email ' || lower(i.value)) from public.contact_identities i
    where i.contact_id = any (p_contacts) and i.kind = 'email' and i.valid_to is null)
$$;
comment on function private.decline_hashes(uuid[]) is 'By which private.erased_declines knows these contacts.';

create function private.tracking_rank(p_mode text) returns integer
language sql immutable set search_path = '' as $$
  select array_position('{off,aggregate,individual}'::text[], p_mode)
$$;
comment on function private.tracking_rank(text) is 'How much a mode of tracking keeps, from 1 (off).';

create function private.tracking_mode(p_contact_id uuid, p_campaign_id uuid, p_wanted text) returns text
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_root uuid := (select coalesce(c.merged_into, c.id) from public.contacts c where c.id = p_contact_id);
  v_general text;
  v_special text;
  v_most text;
begin
  -- Of several contacts that are one person the strictest counts.
  select (array_agg(t.mode order by private.tracking_rank(t.mode)) filter (where t.campaign_id is null))[1],
    (array_agg(t.mode order by private.tracking_rank(t.mode)) filter (where t.campaign_id = p_campaign_id))[1]
  into v_general, v_special
  from public.tracking_consents t
  where t.contact_id = any (array(
    select v_root union select c.id from public.contacts c where c.merged_into = v_root));
  if v_general = 'off' then
    return 'off';
  end if;
  -- Erased, and here again: what they wanted counts until they say something anew.
  if exists (select from private.erased_declines) and exists (
    select from private.erased_declines d where d.hash = any (private.decline_hashes(array(
      select v_root union select c.id from public.contacts c where c.merged_into = v_root)))) then
    return 'off';
  end if;
  v_most := coalesce(v_special, v_general, (select s.value from public.settings s where s.key = 'email.track_unasked'), 'aggregate');
  return case when private.tracking_rank(v_most) < private.tracking_rank(p_wanted) then v_most else p_wanted end;
end $$;
comment on function private.tracking_mode(uuid, uuid, text) is 'How a mail may be tracked that is to be tracked so: what is wanted, or less where the person allows less. A general off counts more than anything that was said of a campaign.';

-- Tickets -----------------------------------------------------------------------------------------

create table private.ticket_key (
  one boolean primary key default true constraint one_row check (one),
  key text not null default encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
);
comment on table private.ticket_key is 'The key that seals tickets in the addresses of tracked mails. Deleting it makes all links of mails that were sent lead nowhere.';
comment on column private.ticket_key.one is 'There is one.';
comment on constraint one_row on private.ticket_key is 'One row.';
comment on column private.ticket_key.key is '32 bytes in hex, 244 of their bits from the server''s strong random source.';
alter table private.ticket_key enable row level security;
revoke all on private.ticket_key from public, anon, authenticated;
grant select, insert, delete on private.ticket_key to service_role;
insert into private.ticket_key default values;

create table private.mail_link_sets (
  id bigint generated always as identity constraint mail_link_sets_pkey primary key,
  hash bytea not null constraint mail_link_sets_hash_key unique,
  links text[] not null,
  used_at timestamptz not null
);
comment on table private.mail_link_sets is 'Where the links of tracked mails lead: one row for all mails with the same links.';
comment on constraint mail_link_sets_pkey on private.mail_link_sets is 'A click names it.';
comment on constraint mail_link_sets_hash_key on private.mail_link_sets is 'Finds the row of the same links.';
comment on column private.mail_link_sets.id is 'Grows.';
comment on column private.mail_link_sets.hash is 'SHA-256 of the links.';
comment on column private.mail_link_sets.links is 'Addresses, in the order of the mail; a click names its place, from 1.';
comment on column private.mail_link_sets.used_at is 'When a mail with these links was sent last, to the day.';
create index mail_link_sets_used_idx on private.mail_link_sets (used_at);
comment on index private.mail_link_sets_used_idx is 'The purge.';
alter table private.mail_link_sets enable row level security;
revoke all on private.mail_link_sets from public, anon, authenticated;
grant select, insert, update, delete on private.mail_link_sets to service_role;

create table private.mail_tickets (
  id bigint generated always as identity constraint mail_tickets_pkey primary key,
  message_id uuid not null constraint mail_tickets_message_key unique references public.messages (id) on delete cascade,
  contact_id uuid not null,
  campaign_id uuid,
  link_set bigint references private.mail_link_sets (id) on delete set null,
  mode text not null check (mode in ('off', 'aggregate', 'individual')),
  delivered_at timestamptz,
  created_at timestamptz not null
);
comment on table private.mail_tickets is 'Each tracked mail. Opens and clicks name its number; whose mail that is stands here alone, for withdrawn consent and for erasure.';
comment on constraint mail_tickets_pkey on private.mail_tickets is 'Opens and clicks are counted by it.';
comment on constraint mail_tickets_message_key on private.mail_tickets is 'A mail has one ticket, also if it is sent again; serves the foreign key.';
comment on column private.mail_tickets.id is 'Grows. Sealed in the addresses of the mail.';
comment on column private.mail_tickets.message_id is 'The mail.';
comment on column private.mail_tickets.contact_id is 'Whom it was sent to. Not a reference: the row goes with its mail.';
comment on column private.mail_tickets.campaign_id is 'The campaign that it belongs to; null for none.';
comment on column private.mail_tickets.link_set is 'Where its links lead; null where it has none.';
comment on column private.mail_tickets.mode is 'What is kept of it: off (nothing any more), aggregate or individual. It only ever becomes less.';
comment on column private.mail_tickets.delivered_at is 'When the receiving server took it, as the provider says; null while nobody has said.';
comment on column private.mail_tickets.created_at is 'When it was sent first.';
create index mail_tickets_contact_idx on private.mail_tickets (contact_id);
comment on index private.mail_tickets_contact_idx is 'The mails of somebody who withdraws consent.';
create index mail_tickets_links_idx on private.mail_tickets (link_set) where link_set is not null;
comment on index private.mail_tickets_links_idx is 'Mails with these links; serves the foreign key.';
alter table private.mail_tickets enable row level security;
revoke all on private.mail_tickets from public, anon, authenticated;
grant select, insert, update, delete on private.mail_tickets to service_role;

-- What was opened and clicked ---------------------------------------------------------------------

create table public.email_opens (
  id bigint generated always as identity constraint email_opens_pkey primary key,
  ticket bigint not null,
  message_id uuid,
  campaign_id uuid,
  at timestamptz not null,
  verdict text not null check (verdict in ('human', 'machine', 'unsure')),
  reasons text not null check (reasons ~ '^[a-z][a-z_ ]{0,250}$'),
  client text not null check (client ~ '^[a-z][a-z_]{0,31}$'),
  signs text not null check (signs ~ '^[a-z_.,]{1,250}$'),
  judged boolean not null,
  corrected_by text
) with (fillfactor = 85);
comment on table public.email_opens is 'Each time the pixel of a tracked mail was loaded. Neither address nor agent is kept, only what they say.';
comment on constraint email_opens_pkey on public.email_opens is 'The order in which they were stored.';
comment on column public.email_opens.id is 'Grows.';
comment on column public.email_opens.ticket is 'One number a mail, to count mails: private.mail_tickets has whose. Not a reference: figures outlive mails.';
comment on column public.email_opens.message_id is 'The mail, where the person allowed individual tracking; else null.';
comment on column public.email_opens.campaign_id is 'The campaign of the mail; null for none.';
comment on column public.email_opens.at is 'When.';
comment on column public.email_opens.verdict is 'human, machine or unsure. It may change when more is known of the same mail.';
comment on column public.email_opens.reasons is 'What the verdict is based on: words, with a space between two.';
comment on column public.email_opens.client is 'The program that loaded it, by its agent: gmail, yahoo, apple, outlook, thunderbird, chrome, firefox, safari, edge or other.';
comment on column public.email_opens.signs is 'What this access says for itself, from which the verdict is made again: _shared/mail/tracking/verdict.ts.';
comment on column public.email_opens.judged is 'Whether the verdict was made with all that was known of the mail. False until then.';
comment on column public.email_opens.corrected_by is 'Who corrected the verdict by hand: a user id, or the database role. It then stays whatever becomes known. Null: the rules made it.';
create index email_opens_ticket_idx on public.email_opens (ticket);
comment on index public.email_opens_ticket_idx is 'What happened to a mail.';
create index email_opens_campaign_idx on public.email_opens (campaign_id, at) where campaign_id is not null;
comment on index public.email_opens_campaign_idx is 'Figures of a campaign.';
create index email_opens_at_idx on public.email_opens using brin (at);
comment on index public.email_opens_at_idx is 'Counts of a period, and the purge; rows arrive in this order.';
create index email_opens_unjudged_idx on public.email_opens (ticket) where not judged;
comment on index public.email_opens_unjudged_idx is 'What is to be judged.';
alter table public.email_opens enable row level security;
revoke all on public.email_opens from public, anon, authenticated;
-- Not the ticket: it is a number for each mail in the order of sending, also where it is not kept whose it was.
grant select (id, message_id, campaign_id, at, verdict, reasons, client, signs, judged, corrected_by) on public.email_opens to authenticated;
grant select, insert, update, delete on public.email_opens to service_role;
create policy "team reads opens" on public.email_opens for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads opens" on public.email_opens is 'Holds no personal data of its own: every role may read.';

create table public.email_clicks (
  id bigint generated always as identity constraint email_clicks_pkey primary key,
  ticket bigint not null,
  message_id uuid,
  campaign_id uuid,
  at timestamptz not null,
  link smallint not null check (link >= 0),
  verdict text not null check (verdict in ('human', 'machine', 'unsure')),
  reasons text not null check (reasons ~ '^[a-z][a-z_ ]{0,250}$'),
  client text not null check (client ~ '^[a-z][a-z_]{0,31}$'),
  signs text not null check (signs ~ '^[a-z_.,]{1,250}$'),
  judged boolean not null,
  corrected_by text
) with (fillfactor = 85);
comment on table public.email_clicks is 'Each time a link of a tracked mail was followed. Neither address nor agent is kept, only what they say.';
comment on constraint email_clicks_pkey on public.email_clicks is 'The order in which they were stored.';
comment on column public.email_clicks.id is 'Grows.';
comment on column public.email_clicks.ticket is 'One number a mail, to count mails: private.mail_tickets has whose. Not a reference: figures outlive mails.';
comment on column public.email_clicks.message_id is 'The mail, where the person allowed individual tracking; else null.';
comment on column public.email_clicks.campaign_id is 'The campaign of the mail; null for none.';
comment on column public.email_clicks.at is 'When.';
comment on column public.email_clicks.link is 'Which link of the mail, from 1; 0 for the one that people do not see, which counts nowhere.';
comment on column public.email_clicks.verdict is 'human, machine or unsure. It may change when more is known of the same mail.';
comment on column public.email_clicks.reasons is 'What the verdict is based on: words, with a space between two.';
comment on column public.email_clicks.client is 'The program that followed it, as in email_opens.';
comment on column public.email_clicks.signs is 'What this access says for itself, from which the verdict is made again: _shared/mail/tracking/verdict.ts.';
comment on column public.email_clicks.judged is 'Whether the verdict was made with all that was known of the mail. False until then.';
comment on column public.email_clicks.corrected_by is 'Who corrected the verdict by hand: a user id, or the database role. It then stays whatever becomes known. Null: the rules made it.';
create index email_clicks_ticket_idx on public.email_clicks (ticket);
comment on index public.email_clicks_ticket_idx is 'What happened to a mail.';
create index email_clicks_campaign_idx on public.email_clicks (campaign_id, at) where campaign_id is not null;
comment on index public.email_clicks_campaign_idx is 'Figures of a campaign.';
create index email_clicks_at_idx on public.email_clicks using brin (at);
comment on index public.email_clicks_at_idx is 'Counts of a period, and the purge; rows arrive in this order.';
create index email_clicks_unjudged_idx on public.email_clicks (ticket) where not judged;
comment on index public.email_clicks_unjudged_idx is 'What is to be judged.';
alter table public.email_clicks enable row level security;
revoke all on public.email_clicks from public, anon, authenticated;
-- Not the ticket, as of opens.
grant select (id, message_id, campaign_id, at, link, verdict, reasons, client, signs, judged, corrected_by) on public.email_clicks to authenticated;
grant select, insert, update, delete on public.email_clicks to service_role;
create policy "team reads mail clicks" on public.email_clicks for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads mail clicks" on public.email_clicks is 'Holds no personal data of its own: every role may read.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function private.decline_hashes(uuid[]), private.tracking_rank(text), private.tracking_mode(uuid, uuid, text) to service_role;

insert into private.own_migrations (version) values ('20261129002800');
