-- Verdicts about opens and clicks of tracked mails, corrected by a person who knows better than the rules.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create function public.correct_access(p_message_id uuid, p_kind text, p_id bigint, p_verdict text default null) returns jsonb
language plpgsql volatile security definer set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_found integer;
begin
  perform private.require_role('operator');
  if p_kind is null or p_kind not in ('open', 'click') or p_verdict not in ('human', 'machine', 'unsure') then
    raise exception 'an open or a click is human, machine or unsure' using errcode = 'GL422', hint = 'Null has the rules judge it again.';
  end if;
  -- In the order in which opens and clicks are judged, and consent is withdrawn.
  perform from private.mail_tickets t where t.message_id = p_message_id for share;
  if p_kind = 'open' then
    update public.email_opens o
    set verdict = coalesce(p_verdict, o.verdict), reasons = case when p_verdict is null then o.reasons else 'by_hand' end,
      corrected_by = case when p_verdict is not null then private.actor() end, judged = p_verdict is not null
    where o.id = p_id and o.message_id = p_message_id;
  else
    update public.email_clicks c
    set verdict = coalesce(p_verdict, c.verdict), reasons = case when p_verdict is null then c.reasons else 'by_hand' end,
      corrected_by = case when p_verdict is not null then private.actor() end, judged = p_verdict is not null
    where c.id = p_id and c.message_id = p_message_id;
  end if;
  get diagnostics v_found = row_count;
  if v_found = 0 then
    raise exception 'there is no such open or click of this mail' using errcode = 'GL404', hint = 'gatelink email opens';
  end if;
  return public.mail_accesses(p_message_id);
end $$;
comment on function public.correct_access(uuid, text, bigint, text) is
  'Corrects the verdict about an open or a click (p_kind) of a mail that is tracked individually: human, machine or unsure; null has the rules judge it again, within a minute. The word of a person stays whatever becomes known, and the figures of a campaign follow. Answers as mail_accesses. For operators and secret keys. Errors: 42501 not allowed, GL404 no such open or click, GL422 no such verdict.';

call private.close_functions();
grant execute on function public.correct_access(uuid, text, bigint, text) to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002813');
