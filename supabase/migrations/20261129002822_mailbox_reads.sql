-- Reading mailboxes: where each was read up to, who reads it now, and which mails of ours are looked up there.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table private.mailbox_reads (
  mailbox_id uuid constraint mailbox_reads_pkey primary key
    constraint mailbox_reads_mailbox references public.mailboxes (id) on delete cascade,
  cursor text,
  since timestamptz not null,
  next_at timestamptz not null,
  lease uuid,
  lease_until timestamptz,
  failures integer not null default 0,
  error text,
  attempts jsonb not null default '{}' constraint mailbox_reads_attempts_object check (jsonb_typeof(attempts) = 'object'),
  read_at timestamptz,
  resynced_at timestamptz
);
comment on table private.mailbox_reads is 'How far each mailbox was read.';
comment on constraint mailbox_reads_pkey on private.mailbox_reads is 'One row a mailbox.';
comment on constraint mailbox_reads_mailbox on private.mailbox_reads is 'It goes with its mailbox.';
comment on column private.mailbox_reads.mailbox_id is 'The mailbox.';
comment on column private.mailbox_reads.cursor is 'The provider''s own place: Gmail''s historyId, Graph''s delta link. Null before the first time, and after the provider forgot it.';
comment on column private.mailbox_reads.since is 'Everything before this was read, or came before the mailbox was connected. Without a cursor it is read from here on, with an overlap.';
comment on column private.mailbox_reads.next_at is 'When it is read next.';
comment on column private.mailbox_reads.lease is 'Who reads it now.';
comment on column private.mailbox_reads.lease_until is 'Afterwards another may.';
comment on column private.mailbox_reads.failures is 'Failures in a row.';
comment on column private.mailbox_reads.error is 'Why the last reading failed; null where it did not.';
comment on column private.mailbox_reads.attempts is 'Failed attempts of mails at the present place, by the provider''s id; 0 for one that is passed over.';
comment on column private.mailbox_reads.read_at is 'When it was last read to its end.';
comment on column private.mailbox_reads.resynced_at is 'When the provider had last forgotten the cursor, so that it was read anew.';
alter table private.mailbox_reads enable row level security;
revoke all on private.mailbox_reads from public, anon, authenticated, service_role;
grant select, insert, update, delete on private.mailbox_reads to service_role;

create function private.mailbox_gets_read() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Another account has a place of its own, and what it holds already is nobody's answer to us. Of the same account, answers may
  -- have come while access was lost: the old place counts.
  insert into private.mailbox_reads as r (mailbox_id, since, next_at) values (new.id, new.connected_at, new.connected_at)
  on conflict on constraint mailbox_reads_pkey do update set next_at = excluded.next_at, failures = 0, error = null, attempts = '{}',
    cursor = case when (old.provider, old.address) = (new.provider, new.address) then r.cursor end,
    since = case when (old.provider, old.address) = (new.provider, new.address) then r.since else excluded.since end,
    lease = null, lease_until = null;
  return null;
end $$;
comment on function private.mailbox_gets_read() is 'Trigger: a mailbox that is connected is read from then on; one that is connected again, from where it was read up to.';
create trigger read_from_now after insert or update of connected_at on public.mailboxes
  for each row execute function private.mailbox_gets_read();
comment on trigger read_from_now on public.mailboxes is 'Connected mailboxes are read.';

insert into private.mailbox_reads (mailbox_id, since, next_at) select m.id, m.connected_at, now() from public.mailboxes m;

-- The clock asks this first. A mailbox that was not taken in spite of many calls (a kill switch) is asked about less often.
create function private.mailboxes_are_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from private.mailbox_reads r join public.mailboxes m on m.id = r.mailbox_id
    where m.state = 'active' and r.next_at <= p_now and coalesce(r.lease_until <= p_now, true)
      and (r.next_at > p_now - interval '10 minutes' or extract(minute from p_now)::integer % 10 = 0))
$$;
comment on function private.mailboxes_are_due(timestamptz) is 'Whether a mailbox is to be read. For the clock.';

create function private.claim_mailbox_readings(p_limit integer, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_ids uuid[] := array(
    select r.mailbox_id from private.mailbox_reads r join public.mailboxes m on m.id = r.mailbox_id
    where m.state = 'active' and r.next_at <= p_now and coalesce(r.lease_until <= p_now, true)
    order by r.next_at limit least(greatest(p_limit, 1), 50) for update of r skip locked);
begin
  update private.mailbox_reads r set lease = gen_random_uuid(), lease_until = p_now + interval '90 seconds'
  where r.mailbox_id = any (v_ids);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('mailbox', m.id, 'lease', r.lease, 'identity', m.identity, 'provider', m.provider,
      'address', m.address, 'from_email', i.from_email, 'takes', m.takes, 'cursor', r.cursor, 'since', r.since, 'attempts', r.attempts,
      'unknown', private.unknown_mails(i.from_email, p_now)) order by r.next_at, m.id), '[]')
    from private.mailbox_reads r join public.mailboxes m on m.id = r.mailbox_id join private.inboxes i on i.identity = m.identity
    where r.mailbox_id = any (v_ids));
end $$;
comment on function private.claim_mailbox_readings(integer, timestamptz) is 'claim_mailbox_readings with the time given.';

-- A minute for what was sent to show up in the account.
create function private.unknown_mails(p_from_email text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' set jit = off set enable_seqscan = off as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', u.id, 'message_id_header', u.header) order by u.updated_at), '[]')
    from (
      select o.id, o.updated_at, format('<%s@%s>', o.id, private.mail_domain(m.native, o.number_id)) as header
      from public.outbound_messages o join public.messages m on m.id = o.id
      where o.state = 'unknown' and o.channel = 'email' and o.number_id = p_from_email
        and o.updated_at between p_now - interval '2 days' and p_now - interval '1 minute'
      order by o.updated_at limit 20) u);
end $$;
comment on function private.unknown_mails(text, timestamptz) is 'Mails of an identity of which nobody knows whether they went, at most 20: [{id, message_id_header}].';

create function public.claim_mailbox_readings(p_limit integer default 10) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  return private.claim_mailbox_readings(p_limit, clock_timestamp());
end $$;
comment on function public.claim_mailbox_readings(integer) is 'Mailboxes that are to be read now, the caller''s for 90 seconds: [{mailbox, lease, identity, provider, address, from_email, takes, cursor (null: from since on), since, attempts (failed ones of mails from there on, by id; 0: passed over), unknown (mails to look up: [{id, message_id_header}])}]. For secret keys.';

create function private.settle_mailbox_reading(p_settled jsonb, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_error text := p_settled ->> 'error';
begin
  update private.mailbox_reads r
  set lease = null, lease_until = null,
    cursor = coalesce(p_settled ->> 'cursor', r.cursor),
    since = case when v_error is null and not coalesce((p_settled ->> 'more')::boolean, false) then greatest(r.since, p_now - interval '10 minutes') else r.since end,
    read_at = case when v_error is null and not coalesce((p_settled ->> 'more')::boolean, false) then p_now else r.read_at end,
    resynced_at = case when (p_settled ->> 'resynced')::boolean then p_now else r.resynced_at end,
    failures = case when v_error is null then 0 else r.failures + 1 end, error = left(v_error, 300),
    attempts = case when v_error is null then '{}' else coalesce(p_settled -> 'attempts', r.attempts) end,
    next_at = case
      when v_error is not null then p_now + greatest(make_interval(secs => coalesce((p_settled ->> 'retry_after_ms')::double precision, 0) / 1000),
        least(interval '15 minutes', interval '1 minute' * 2 ^ least(r.failures, 4)))
      when (p_settled ->> 'more')::boolean then p_now
      else p_now + interval '1 minute' end
  where r.mailbox_id = (p_settled ->> 'mailbox')::uuid and r.lease = (p_settled ->> 'lease')::uuid;
end $$;
comment on function private.settle_mailbox_reading(jsonb, timestamptz) is 'settle_mailbox_reading with the time given.';

create function public.settle_mailbox_reading(p_settled jsonb) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  perform private.settle_mailbox_reading(p_settled, clock_timestamp());
end $$;
comment on function public.settle_mailbox_reading(jsonb) is 'Ends the reading of a mailbox: {mailbox, lease, cursor, more (there is more at once), resynced (the provider had forgotten the cursor), error, retry_after_ms, attempts (with an error; absent: as they were)}. What is read again is stored once. One whose lease is over changes nothing. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.mailbox_gets_read(),
  private.mailboxes_are_due(timestamptz),
  private.unknown_mails(text, timestamptz),
  private.claim_mailbox_readings(integer, timestamptz),
  public.claim_mailbox_readings(integer),
  private.settle_mailbox_reading(jsonb, timestamptz),
  public.settle_mailbox_reading(jsonb)
  to service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002822');
