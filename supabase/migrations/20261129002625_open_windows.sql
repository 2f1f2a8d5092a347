-- Windows that are open at Meta though the person never wrote here: a team that moves from another tool says so, and may
-- reply at once.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function private.open_window(p_to text, p_at timestamptz, p_number_id text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_window interval := (private.channel_policy('whatsapp')).reply_window;
  v_digits text := regexp_replace(btrim(p_to), '[^0-9]', '', 'g');
  v_identity private.identity;
  v_number text;
  v_contact uuid;
  v_conversation public.conversations;
begin
  if p_at is null or p_at > p_now + interval '1 minute' or p_at <= p_now - v_window then
    raise exception 'a window is open for % hours after the person wrote', extract(epoch from v_window) / 3600 using errcode = 'GL422',
      hint = 'Give the time of the person''s last message.';
  end if;
  v_identity := case when btrim(p_to) ~ '^\+?[0-9][0-9 ().-]*$' and v_digits ~ '^[1-9][0-9]{5,14}$' then row('phone', v_digits, null)::private.identity
    when btrim(p_to) ~ '^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$' then row('bsuid', btrim(p_to), null)::private.identity end;
  if v_identity is null then
    raise exception 'whose window is open? Give a phone number or a user id' using errcode = 'GL422',
      hint = 'A phone number with its country code, or a business-scoped user id.';
  end if;
  select case when count(*) = 1 then min(s.id) end into v_number
  from public.senders s where s.channel = 'whatsapp' and (p_number_id is null or s.id = p_number_id);
  if v_number is null then
    raise exception 'which business number?' using errcode = 'GL404', hint = 'Give the phone_number_id of a number that there is (wa_numbers).';
  end if;
  v_contact := private.identity_holder('whatsapp', v_identity.kind, v_identity.value);
  if v_contact is null then
    perform private.lock_contacts();
    v_contact := private.resolve_contact('whatsapp', array[v_identity], null, p_now, v_number);
  end if;
  insert into public.conversations (channel, number_id, contact_id) values ('whatsapp', v_number, v_contact)
  on conflict (channel, number_id, contact_id) do nothing;
  -- What came in here is known better.
  update public.conversations c set last_inbound_at = greatest(c.last_inbound_at, least(p_at, p_now))
  where c.channel = 'whatsapp' and c.number_id = v_number and c.contact_id = v_contact returning c.* into v_conversation;
  return jsonb_build_object('conversation_id', v_conversation.id, 'contact_id', v_contact,
    'window_closes_at', v_conversation.last_inbound_at + v_window);
end $$;
comment on function private.open_window(text, timestamptz, text, timestamptz) is 'open_window with a given time.';

create function public.open_window(p_to text, p_at timestamptz, p_number_id text default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  for v_attempt in 1 .. 3 loop
    begin
      return private.open_window(p_to, p_at, p_number_id, clock_timestamp());
    exception when foreign_key_violation or deadlock_detected then
      if v_attempt = 3 then
        raise;
      end if;
    end;
  end loop;
end $$;
comment on function public.open_window(text, timestamptz, text) is
  'Records that a person wrote to a business number at a time, within the last 24 hours, through another tool: free-form replies are then allowed until 24 hours after it. By phone number or business-scoped user id; p_number_id may be absent if there is one number. Meta decides all the same: if it refuses, the message fails with 131047. Returns {conversation_id, contact_id, window_closes_at}. For secret keys. Errors: GL404 no such number, or several, GL422 a time outside the window, or no such id.';

call private.close_functions();
grant execute on function
  private.open_window(text, timestamptz, text, timestamptz),
  public.open_window(text, timestamptz, text)
  to service_role;

insert into private.own_migrations (version) values ('20261129002625');
