-- What comes back: a message that carries the token of a click, an ad's referral, a contact who clicked just before.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- ---------------------------------------------------------------------------
-- attributions
-- ---------------------------------------------------------------------------
create table public.attributions (
  message_id uuid primary key references public.messages (id) on delete cascade,
  contact_id uuid not null references public.contacts (id) on delete cascade,
  code text collate "C" references public.links (code),
  token text collate "C",
  confidence text not null constraint attributions_confidence_known check (confidence in ('exact', 'referral', 'contact', 'low')),
  reason text not null constraint attributions_reason_known
    check (reason in ('first', 'ad', 'clicked', 'repeated', 'reused', 'forwarded', 'expired')),
  first_touch boolean not null,
  clicked_at timestamptz,
  user_id text,
  ctwa_clid text,
  referral jsonb,
  created_at timestamptz not null default clock_timestamp(),
  constraint attributions_lead_back check (code is not null or referral is not null)
);
comment on table public.attributions is 'Which link or ad a message came from. Written once, never changed: the first touch of a contact stays the first.';
comment on column public.attributions.message_id is 'The message.';
comment on column public.attributions.contact_id is 'Who wrote it.';
comment on column public.attributions.code is 'The link; null for an ad of Meta''s.';
comment on column public.attributions.token is 'The token that it carried, or of the click that it is taken to follow.';
comment on column public.attributions.confidence is 'exact: the first message with this token. referral: Meta says which ad. contact: the contact clicked, or had used the token, within the setting deeplinks.contact_hours (24). low: a token that was forwarded, used before by somebody else, or too old.';
comment on column public.attributions.reason is 'first, ad, clicked, repeated (same contact again), reused (another contact), forwarded or expired.';
comment on column public.attributions.first_touch is 'Whether it is the contact''s first.';
comment on column public.attributions.clicked_at is 'When the link was clicked.';
comment on column public.attributions.user_id is 'The audience user that the link named.';
comment on column public.attributions.ctwa_clid is 'Click id of the ad.';
comment on column public.attributions.referral is 'The referral as Meta gave it.';
comment on column public.attributions.created_at is 'When it was written.';
create unique index attributions_exact_idx on public.attributions (token) where confidence = 'exact';
comment on index public.attributions_exact_idx is 'A token counts as exact once, however many messages carry it at the same moment.';
create index attributions_token_idx on public.attributions (token) where token is not null;
comment on index public.attributions_token_idx is 'Whether a click has come back.';
create index attributions_contact_idx on public.attributions (contact_id, created_at);
comment on index public.attributions_contact_idx is 'A contact''s touches in order; serves the foreign key.';
create index attributions_link_idx on public.attributions (code, created_at);
comment on index public.attributions_link_idx is 'What a link brought; serves the foreign key.';
alter table public.attributions enable row level security;
revoke all on public.attributions from public, anon, authenticated;
grant select on public.attributions to authenticated;
grant select, insert, delete on public.attributions to service_role;
create policy "team reads attributions" on public.attributions for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads attributions" on public.attributions is 'Names nobody: every role may read.';

-- A visitor may be faster than the group in which the click is written.
create table private.unknown_tokens (
  message_id uuid primary key references public.messages (id) on delete cascade,
  at timestamptz not null default clock_timestamp()
);
comment on table private.unknown_tokens is 'Messages with a token that no click has, or not yet: looked at again for ten minutes.';
comment on column private.unknown_tokens.message_id is 'The message.';
comment on column private.unknown_tokens.at is 'When it came.';
alter table private.unknown_tokens enable row level security;
revoke all on private.unknown_tokens from public, anon, authenticated;
grant select, insert, delete on private.unknown_tokens to service_role;

create function private.attribution_window(p_key text, p_default integer) returns interval
language sql stable set search_path = '' as $$
  select make_interval(hours => coalesce((
    select s.value::integer from public.settings s where s.key = p_key and s.value ~ '^[0-9]{1,5}$'), p_default))
$$;
comment on function private.attribution_window(text, integer) is 'A time span from a setting in whole hours, else the default.';
revoke execute on function private.attribution_window(text, integer) from public, anon, authenticated;
grant execute on function private.attribution_window(text, integer) to service_role;

create function private.attribute_message(p_message public.messages) returns void
language plpgsql volatile set search_path = '' set enable_seqscan = off as $$
declare
  v_click public.clicks;
  v_contact uuid;
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
  select c.contact_id into v_contact from public.conversations c where c.id = p_message.conversation_id;
  v_first := not exists (select from public.attributions a where a.contact_id = v_contact);

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
      when v_before.contact_id = v_contact
        and v_before.created_at > p_message.created_at - private.attribution_window('deeplinks.contact_hours', 24) then 'repeated'
      else 'reused' end;
  end if;
  insert into public.attributions (
    message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id, ctwa_clid, referral)
  values (p_message.id, v_contact, v_click.code, v_click.token,
    case v_reason when 'repeated' then 'contact' else case when v_reason is null then 'referral' else 'low' end end,
    coalesce(v_reason, 'ad'), v_first, v_click.at, v_click.user_id, p_message.referral ->> 'ctwa_clid', p_message.referral)
  on conflict do nothing;
end $$;
comment on function private.attribute_message(public.messages) is 'Writes where a message came from, by its token, else by its referral. The first message with a token makes it exact; what carries it later, or forwarded, or too late (setting deeplinks.token_hours, 720) is written down as that.';
revoke execute on function private.attribute_message(public.messages) from public, anon, authenticated;
grant execute on function private.attribute_message(public.messages) to service_role;

-- In the transaction that stores the message. The trigger's condition keeps it away from every other message, which
-- pay a comparison of two nulls.
create function private.attribute_new_message() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  perform private.attribute_message(new);
  return null;
end $$;
comment on function private.attribute_new_message() is 'Trigger, after insert of messages with a token or referral: private.attribute_message.';
revoke execute on function private.attribute_new_message() from public, anon, authenticated;
grant execute on function private.attribute_new_message() to service_role;
create trigger attribute after insert on public.messages for each row
  when (new.direction = 'in' and (new.link_token is not null or new.referral is not null))
  execute function private.attribute_new_message();
comment on trigger attribute on public.messages is 'Ties a message to the link or ad that it came from.';

-- Whoever clicked as a known contact (?u= the contact's id) and then writes without the token has edited it away.
-- Probes of indexes, whatever the statistics say at that moment: the tables that are looked into may be large.
create function private.attribute_waiting(p_conversations uuid[], p_now timestamptz) returns void
language plpgsql volatile set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  perform private.attribute_message(m)
  from public.messages m
  join (
    select u.message_id from private.unknown_tokens u
    join public.messages x on x.id = u.message_id
    join public.clicks c on c.token = x.link_token) late on late.message_id = m.id
  order by m.seq;
  delete from private.unknown_tokens u
  where u.at < p_now - interval '10 minutes' or exists (select from public.attributions a where a.message_id = u.message_id);

  insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch, clicked_at, user_id)
  select m.id, c.contact_id, k.code, k.token, 'contact', 'clicked',
    not exists (select from public.attributions a where a.contact_id = c.contact_id), k.at, k.user_id
  from public.conversations c
  cross join lateral (
    select k.* from public.clicks k
    where k.user_id = c.contact_id::text and k.token is not null and k.target = 'whatsapp'
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
end $$;
comment on function private.attribute_waiting(uuid[], timestamptz) is 'Attributes messages whose click was written after them, and ties the first waiting message of these conversations to the latest link that their contact clicked within the setting deeplinks.contact_hours, if that click has not come back otherwise.';
revoke execute on function private.attribute_waiting(uuid[], timestamptz) from public, anon, authenticated;
grant execute on function private.attribute_waiting(uuid[], timestamptz) to service_role;
