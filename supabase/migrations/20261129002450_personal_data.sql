-- Where personal data lies, said once; from it all that there is of a person is given out, and erased.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- Whose data --------------------------------------------------------------------------------------

create type private.person as (
  contacts uuid[], conversations uuid[], messages uuid[], provider_ids text[], tokens text[], subjects text[], needles text[],
  ids text, words text
);
comment on type private.person is
  'Somebody: contacts, their conversations, messages of these (all, or those that are worked on) with their provider''s ids and link tokens; subjects, the ids that flags are asked with; needles, texts that the raw form of an update about them would hold; ids and words, patterns of what names them for sure, and of that or their names.';

create function private.pattern_of(p_kind text, p_value text) returns text
language sql immutable set search_path = '' as $$
  select case p_kind
    -- As people write numbers, and not within a longer one.
    when 'phone' then '(?<![0-9])' || regexp_replace(p_value, '([0-9])(?=[0-9])', '\1[ ()./-]{0,2}', 'g') || '(?![0-9])'
    -- Part of a provider's id, which goes with it.
    when 'encoded' then '(wamid\.)?[[:alnum:]+/=_-]*' || regexp_replace(p_value, '\+', '\\+', 'g') || '[[:alnum:]+/=_-]*'
    else '(?<![[:alnum:]])' || regexp_replace(p_value, '([\\.^$*+?()\[\]{}|-])', '\\\1', 'g') || '(?![[:alnum:]])' end
$$;
comment on function private.pattern_of(text, text) is 'A pattern that finds an id (phone, encoded, or any other kind) or a name in a text.';

-- Meta's ids of messages hold the person's number in base64, at any of three alignments.
create function private.encoded_forms(p_phone text) returns text[]
language sql immutable set search_path = '' as $$
  select array(
    select substr(f.code, f.from_char) from generate_series(0, 2) as g (pad)
    cross join lateral (
      select left(encode(convert_to(repeat('x', g.pad) || p_phone, 'UTF8'), 'base64'), (length(p_phone) + g.pad) / 3 * 4) as code,
        case g.pad when 0 then 1 when 1 then 3 else 4 end as from_char) f
    where length(p_phone) >= 7)
$$;
comment on function private.encoded_forms(text) is 'What base64 makes of a number wherever in a text it stands; none for a number of less than 7 digits.';

create function private.person_of(p_contacts uuid[], p_given text) returns private.person
language sql stable set search_path = '' as $$
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
$$;
comment on function private.person_of(uuid[], text) is 'The person of these contacts; without any, whoever is named by the id given. Without messages.';

create function private.find_person(p_given text) returns private.person
language plpgsql stable set search_path = '' as $$
declare
  v_given text := case when p_given ~ '@' then lower(btrim(p_given, E' \t\n\r')) else btrim(p_given, E' \t\n\r') end;
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
  -- Contacts that the team merged by hand are one person.
  if to_regprocedure('private.same_person(uuid[])') is not null then
    v_roots := private.same_person(v_roots);
  end if;
  return private.person_of(
    array(select c.id from public.contacts c where c.id = any (v_roots) or c.merged_into = any (v_roots) order by c.id),
    coalesce(v_phone, v_given));
end $$;
comment on function private.find_person(text) is
  'Who is known by a phone number (written in any way) on any channel, a contact''s id, or another id; contacts that were merged into theirs are theirs. Else whoever is asked about by that id in flags, segments and links. GL422 for no id.';

create function private.with_messages(p_person private.person, p_messages uuid[]) returns private.person
language plpgsql stable set search_path = '' as $$
begin
  p_person.messages := p_messages;
  p_person.provider_ids := array(
    select m.provider_id from public.messages m where m.id = any (p_messages) and m.provider_id is not null);
  p_person.tokens := array(
    select m.link_token from public.messages m where m.id = any (p_messages) and m.link_token is not null
    union
    select a.token from public.attributions a where a.message_id = any (p_messages) and a.token is not null);
  return p_person;
end $$;
comment on function private.with_messages(private.person, uuid[]) is 'A person with these messages.';

create function private.messages_of(p_person private.person, p_limit integer) returns table (id uuid)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select o.id from (
      select m.id, m.seq from public.messages m where m.conversation_id = any (p_person.conversations)
      union
      select m.id, m.seq from public.message_authors a join public.messages m on m.id = a.message_id where a.contact_id = any (p_person.contacts)
      union
      select m.id, m.seq from private.mail_senders s join public.messages m on m.id = s.message_id where s.address = any (p_person.needles)
    ) o order by o.seq limit p_limit;
end $$;
comment on function private.messages_of(private.person, integer) is 'The messages of somebody''s conversations, what they wrote in groups, and the mails that they wrote in other people''s; the oldest first, all without a limit.';

-- Tombstones --------------------------------------------------------------------------------------

create function private.holds(p_text text, p_needles text[]) returns boolean
language plpgsql immutable strict set search_path = '' as $$
declare
  v_needle text;
begin
  foreach v_needle in array p_needles loop
    if strpos(p_text, v_needle) > 0 then
      return true;
    end if;
  end loop;
  return false;
end $$;
comment on function private.holds(text, text[]) is 'Whether any of these stands in a text as it is: what is asked of each row of a large table, before anything that costs more.';

create function private.mentions(p_text text, p_person private.person) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_text ~* p_person.words or private.holds(p_text, p_person.subjects);
end $$;
comment on function private.mentions(text, private.person) is 'Whether a text may name a person.';

-- In the form of what it takes the place of, so that a list of ids or numbers stays one.
create function private.tombstone(p_text text, p_person private.person, p_names boolean) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_pattern text := case when p_names then p_person.words else p_person.ids end;
begin
  if p_text = any (p_person.subjects) or p_text ~* ('^(' || v_pattern || ')$') then
    return case when p_text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then '00000000-0000-0000-0000-000000000000'
      when p_text ~ '^[0-9]+$' then '00000' else 'erased' end;
  end if;
  return regexp_replace(p_text, v_pattern, 'erased', 'gi');
end $$;
comment on function private.tombstone(text, private.person, boolean) is 'A text without a person: in place of an id stands the nil UUID, 00000 or "erased". Names go too where p_names says so.';

create function private.tombstone(p_list text[], p_person private.person, p_names boolean) returns text[]
language sql immutable set search_path = '' as $$
  select array(select private.tombstone(e.item, p_person, p_names) from unnest(p_list) with ordinality as e (item, place) order by e.place)
$$;
comment on function private.tombstone(text[], private.person, boolean) is 'A list without a person.';

create function private.tombstone(p_value jsonb, p_person private.person, p_names boolean) returns jsonb
language plpgsql immutable set search_path = '' as $$
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
end $$;
comment on function private.tombstone(jsonb, private.person, boolean) is 'A document without a person; names go from descriptions, reasons, titles and texts alone, for elsewhere they may be words of the system.';

create function private.without_targets(p_metadata jsonb, p_subjects text[]) returns jsonb
language sql immutable set search_path = '' as $$
  select case when not p_metadata ? 'target_user_ids' then p_metadata
    else jsonb_set(p_metadata, '{target_user_ids}', (
      select coalesce(jsonb_agg(e.id order by e.place), '[]')
      from jsonb_array_elements_text(p_metadata -> 'target_user_ids') with ordinality as e (id, place)
      where e.id <> all (p_subjects))) end
$$;
comment on function private.without_targets(jsonb, text[]) is 'A flag''s metadata without these targets; one that had no others is on for nobody.';

-- Where it lies -----------------------------------------------------------------------------------

-- Everything else follows: export, erasure and tests/database/personal_data_test.ts, which finds a column that is neither
-- here nor declared there to hold none. In this order it is erased.
create function private.personal_data() returns table (relation text, columns text[], tied text, erased text)
language sql stable set search_path = '' as $$
  select l.relation, l.columns, l.tied, l.erased from private.personal_links() l
  union all
  -- Tables that a team may take back are asked for.
  select d.relation, d.columns, d.tied, d.erased from (values
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
    ('private.change_history', '{name,before,after,reason}', '', 'words'),
    ('public.rollout_stages', '{user_ids,chosen}', '', 'words'),
    ('public.rollout_events', '{figures,evidence,reason}', '', 'words'),
    ('public.notifications', '{payload,last_error}', '', 'words'),
    ('public.gate_approvals', '{note,revoked_because}', '', 'words'),
    ('public.rollback_events', '{reason,steps}', '', 'words'),
    ('public.incidents', '{title}', '', 'words'),
    ('public.incident_updates', '{text,changes}', '', 'words'),
    ('public.announcements', '{name,text,template,stopped_because}', '', 'words'),
    ('public.saved_views', '{name,search}', '', 'words'),
    ('public.campaigns', '{name,subject,html,text,otherwise,stopped_because}', '', 'words'),
    ('public.campaign_recipients', '{address,fields,message_id}', 't.address = any (($1).needles)', 'deleted'),
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
      or t.dedupe_key in (select m.native ->> ''key'' from public.messages m where m.id = any (($1).messages) and m.channel = ''email'')
      or case when private.holds(t.raw::text, ($1).needles) then t.raw::text ~* ($1).ids else false end', 'hashed'),
    -- Figures of the link stay, and who it was does not.
    ('public.clicks', '{visitor,user_id,token,fingerprint,claimed_by}', 't.user_id = any (($1).subjects) or t.token = any (($1).tokens)',
      'set visitor = null, user_id = null, token = null, fingerprint = null, claimed_by = null'),
    ('public.suppressions', '{address}', 't.address = any (($1).needles)', 'deleted'),
    ('public.email_events', '{message_id,mail_id,metadata}', 't.message_id = any (($1).messages) or t.mail_id = any (($1).messages)',
      'set message_id = null, mail_id = null'),
    ('public.tracking_consents', '{contact_id,mode}', 't.contact_id = any (($1).contacts)', 'deleted'),
    ('public.email_opens', '{message_id,ticket}', 't.ticket in (select k.id from private.mail_tickets k where k.message_id = any (($1).messages))',
      'set message_id = null'),
    ('public.email_clicks', '{message_id,ticket}', 't.ticket in (select k.id from private.mail_tickets k where k.message_id = any (($1).messages))',
      'set message_id = null'),
    -- Links that others got as well name nobody.
    ('private.mail_link_sets', '{links}', 'exists (select from private.mail_tickets k where k.link_set = t.id and k.message_id = any (($1).messages))
      and not exists (select from private.mail_tickets k where k.link_set = t.id and k.message_id <> all (($1).messages))', 'deleted'),
    ('private.mail_tickets', '{id,message_id,contact_id}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.email_replies', '{message_id,reply_to}', 't.message_id = any (($1).messages) or t.reply_to = any (($1).messages)', 'deleted'),
    ('private.mail_senders', '{id,message_id,conversation_id,address,text_hash}',
      't.message_id = any (($1).messages) or t.conversation_id = any (($1).conversations) or t.address = any (($1).needles)', 'deleted'),
    ('public.media_files', '{message_id,media_id,sha256,path,error}', 't.message_id = any (($1).messages)', 'deleted'),
    -- The clock deletes it at the provider, and then the row.
    ('public.text_files', '{message_id,url,path,error}', 't.message_id = any (($1).messages)', 'set message_id = null'),
    -- The clock removes the file itself.
    ('public.storage_objects', '{path,message_id}', 't.message_id = any (($1).messages)', 'set message_id = null'),
    ('public.reply_tokens', '{token,message_id}', 't.message_id = any (($1).messages)', 'deleted'),
    ('private.unknown_tokens', '{message_id}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.attributions', '{message_id,contact_id,token,user_id,ctwa_clid,referral}',
      't.message_id = any (($1).messages) or t.contact_id = any (($1).contacts)', 'deleted'),
    ('public.analysis_labels', '{message_id}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.analyses', '{message_id,summary}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.analyses', '{summary}', '', 'words'),
    -- The clock removes them, and the notes of answers, from the chat.
    ('public.chat_replies', '{message_id,thread,text,files,recipient,out_id}', 't.message_id = any (($1).messages) or t.out_id = any (($1).messages)', 'deleted'),
    ('public.card_presses', '{delivery_id}', 't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('public.card_folds', '{delivery_id,leader}',
      't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('private.card_storms', '{leader}', 't.leader in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('private.oncall_mirrors', '{key,delivery_id}', 't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('private.oncall_pages', '{delivery_id}', 't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('public.cards', '{delivery_id,token,chat_id,message_ids}',
      't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages))', 'deleted'),
    ('public.delivery_attempts', '{delivery_id,error,answer}',
      't.delivery_id in (select d.id from public.deliveries d where d.message_id = any (($1).messages)
        or d.event_id is not null and d.conversation_id = any (($1).conversations))', 'deleted'),
    ('public.deliveries', '{message_id,event_id,conversation_id,last_error}',
      't.message_id = any (($1).messages) or t.event_id is not null and t.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.service_events', '{conversation_id,message_id,detail,native}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.policy_findings', '{decision_id,redacted}',
      't.decision_id in (select d.id from public.thread_decisions d where d.contact_id = any (($1).contacts) or d.message_id = any (($1).messages))', 'deleted'),
    ('public.thread_decisions', '{thread_id,contact_id,message_id,from_last4,force_reason,text,key}',
      't.contact_id = any (($1).contacts) or t.message_id = any (($1).messages)', 'deleted'),
    ('public.thread_decisions', '{force_reason,text}', '', 'words'),
    ('public.assignment_windows', '{booking_id,client_id}', 't.client_id = any (($1).contacts)', 'deleted'),
    ('public.bookings', '{id,external_id,client_id}', 't.client_id = any (($1).contacts)', 'deleted'),
    ('public.thread_legs', '{id,thread_id,contact_id}', 't.contact_id = any (($1).contacts)', 'deleted'),
    -- With a client's thread go the sitters' legs and decisions in it.
    ('public.threads', '{id,client_id}', 't.client_id = any (($1).contacts)', 'deleted'),
    ('public.org_members', '{contact_id}', 't.contact_id = any (($1).contacts)', 'set contact_id = null'),
    ('public.conversation_notes', '{conversation_id,text}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.conversation_notes', '{text}', '', 'words'),
    ('public.conversation_desk', '{conversation_id}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('private.conversation_presence', '{conversation_id}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.routing_decisions', '{message_id,contact,explanation}', 't.message_id = any (($1).messages)', 'deleted'),
    ('public.outbound_messages', '{conversation_id,message_id,payload,fallback,recipient,idempotency_key,request_hash,error,first_try}',
      't.message_id = any (($1).messages) or t.conversation_id = any (($1).conversations)', 'deleted'),
    ('private.delivery_lanes', '{conversation_id}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('private.outbound_lanes', '{conversation_id,waits_for}', 't.conversation_id = any (($1).conversations)', 'deleted'),
    ('public.message_authors', '{message_id,contact_id}', 't.message_id = any (($1).messages) or t.contact_id = any (($1).contacts)', 'deleted'),
    ('public.messages', '{conversation_id,provider_id,text,choice,reply_to,link_token,referral,native,error,traceparent,thread_id}',
      't.id = any (($1).messages)', 'deleted'),
    ('public.conversations', '{id,contact_id,opted_out_at,opt_told_at}', 't.id = any (($1).conversations)', 'deleted'),
    -- What the person has now, and somebody had before, is the person's.
    ('public.contact_identities', '{contact_id,value}', 't.contact_id = any (($1).contacts)
      or t.valid_to is not null and t.value in (
        select i.value from public.contact_identities i where i.contact_id = any (($1).contacts) and i.valid_to is null and i.kind = t.kind)', 'deleted'),
    ('public.contact_merges', '{kept_id,other_id,reason}', 't.kept_id = any (($1).contacts) or t.other_id = any (($1).contacts)', 'deleted'),
    ('public.contact_merges', '{reason}', '', 'words'),
    ('private.book_names', '{value,name}', 't.value = any (($1).needles)', 'deleted'),
    ('public.contacts', '{id,name,merged_into}', 't.id = any (($1).contacts)', 'deleted'),
    ('private.erased_keys', '{hash}', 'false', 'kept'),
    ('private.erased_opt_outs', '{identity}', 'false', 'kept'),
    ('private.erased_suppressions', '{hash}', 'false', 'kept'),
    ('private.erased_declines', '{hash}', 'false', 'kept')
  ) as d (relation, columns, tied, erased) where to_regclass(d.relation) is not null
$$;
comment on function private.personal_data() is
  'Where data of people lies: columns of a table; tied, whose rows a person''s are (t the row, $1 the private.person; empty: all that name them); erased, what becomes of them: deleted, words and ids (tombstones in place of what names the person; of names too, or of ids alone where a name may be a word of the system), hashed (the key stays as a hash, so that a repetition is known), kept (is a hash), or a SET of its own.';

create function private.text_of(p_columns text[]) returns text
language sql immutable set search_path = '' as $$
  select format('concat_ws('' '', %s)', string_agg(format('t.%I', c.name), ', ')) from unnest(p_columns) as c (name)
$$;
comment on function private.text_of(text[]) is 'An expression for the columns of a row t as one text.';

create function private.tie(p_relation text, p_columns text[], p_tied text, p_erased text) returns text
language sql stable set search_path = '' as $$
  -- First what is quick, for all rows are asked; in a CASE, since the planner orders what AND joins.
  select case when p_erased not in ('words', 'ids') then p_tied
    else format('case when %s then %s else false end', concat_ws(' and ', nullif(p_tied, ''), case p_erased
        when 'words' then format('private.mentions(%s, $1)', private.text_of(p_columns))
        else format('private.holds(%s, ($1).needles || ($1).subjects)', private.text_of(p_columns)) end), (
      select string_agg(format('private.tombstone(t.%1$I, $1, %2$L) is distinct from t.%1$I', c.name, p_erased = 'words'), ' or ')
      from unnest(p_columns) as c (name))) end
$$;
comment on function private.tie(text, text[], text, text) is 'The condition of a row of private.personal_data().';

-- Export ------------------------------------------------------------------------------------------

-- Of what names others as well (a flag's targets, a history) the row is named and the words are given, and no list.
create function private.exported_row(p_relation text, p_columns text[]) returns text
language sql stable set search_path = '' as $$
  select format('jsonb_build_object(''row'', jsonb_build_object(%s)) || jsonb_strip_nulls(jsonb_build_object(%s))', (
      select string_agg(format('%L, t.%I', a.attname, a.attname), ', ' order by k.place)
      from pg_catalog.pg_index i cross join unnest(i.indkey) with ordinality as k (attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = p_relation::regclass and i.indisprimary),
    string_agg(format('%1$L, case when private.mentions(t.%1$I::text, $1) then %2$s end', a.attname,
      case when a.atttypid = 'text'::regtype then format('to_jsonb(t.%I)', a.attname) else '''true''::jsonb' end), ', '))
  from pg_catalog.pg_attribute a where a.attrelid = p_relation::regclass and a.attname = any (p_columns)
$$;
comment on function private.exported_row(text, text[]) is 'How a row is given out that names a person among others: its key, the texts that name them, and true for other columns that do.';

create function public.export_contact(p_person text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_person private.person;
  v_place record;
  v_rows jsonb;
  v_tables jsonb := '{}';
begin
  perform private.require_role('admin');
  v_person := private.find_person(p_person);
  v_person := private.with_messages(v_person, array(
    select m.id from private.messages_of(v_person, null) m));
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
end $$;
comment on function public.export_contact(text) is
  'All that there is of a person, by phone number, contact''s id or another id: {at, contacts, tables: {table: [rows]}, out_of_reach}. Rows that name others as well are given by key, with the words that name the person. That it was given out is kept in contact_acts. For admins and secret keys. Errors: 42501 not allowed, GL404 nothing of this person, GL422 no id.';

create function private.out_of_reach() returns jsonb
language sql immutable set search_path = '' as $$
  select '["backups of the database, which end with their own retention", "what services got of messages", "what the provider (Meta) keeps", "logs of the platform, which hold no whole number and no words"]'::jsonb
$$;
comment on function private.out_of_reach() is 'What an export does not hold and an erasure does not reach.';

-- Erasure -----------------------------------------------------------------------------------------

-- A history may name a message of the person's by any of its ids; that goes with the message.
create function private.cited(p_person private.person) returns text[]
language plpgsql stable set search_path = '' as $$
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
end $$;
comment on function private.cited(private.person) is 'Ids of a person''s messages that histories and reasons name.';

create function private.erase_rows(p_person private.person) returns jsonb
language plpgsql volatile set search_path = '' as $$
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
end $$;
comment on function private.erase_rows(private.person) is 'Erases what private.personal_data() says of a person, and counts it by table.';

-- Locks in the order of everybody else: contacts as a whole, conversations, lanes, messages. The person's next message, and
-- the first one of anybody new, wait for one part at most.
create function private.erase_part(p_person text, p_erasure uuid, p_limit integer) returns jsonb
language plpgsql volatile set search_path = '' as $$
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
  v_messages := array(select m.id from private.messages_of(v_person, p_limit + 1) m);
  v_done := cardinality(v_messages) <= p_limit;
  v_messages := v_messages[:p_limit];
  perform from public.messages m where m.id = any (v_messages) order by m.id for update;
  if to_regclass('private.mail_tickets') is not null then
    -- What is being recorded of these mails is there then, and nothing more comes.
    perform from private.mail_tickets t where t.message_id = any (v_messages) order by t.id for update;
  end if;

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
    insert into private.erased_suppressions (hash, scope, reason, since)
    select private.keyed_hash('email ' || s.address), s.scope, s.reason, s.since from public.suppressions s where s.address = any (v_person.needles)
    on conflict (hash, scope) do nothing;
    if to_regclass('private.erased_declines') is not null then
      insert into private.erased_declines (hash, since)
      select h.hash, t.at
      from public.tracking_consents t cross join lateral unnest(private.decline_hashes(v_person.contacts)) as h (hash)
      where t.contact_id = any (v_person.contacts) and t.campaign_id is null and t.mode = 'off'
      on conflict (hash) do nothing;
    end if;
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
end $$;
comment on function private.erase_part(text, uuid, integer) is 'One part of erase_contact, in one transaction.';

create function public.erase_contact(p_person text, p_erasure uuid default null, p_limit integer default 2000) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
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
end $$;
comment on function public.erase_contact(text, uuid, integer) is
  'Erases a person, by phone number, contact''s id or another id, at most p_limit messages a call: {erasure, part, done, counts: rows by table, kept: {dedupe_keys_days, opt_outs}, out_of_reach}. While done is false call it again with the same person and the erasure that it answered. Histories keep their rows, with tombstones in the person''s place; keys of updates stay as hashes for 8 days, opt-outs as keyed hashes. The proof stays in erasures. For admins and secret keys. Errors: 42501 not allowed, GL404 nothing of this person, GL422 no id.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.personal_data()
  to service_role;
grant execute on function
  public.export_contact(text),
  public.erase_contact(text, uuid, integer)
  to authenticated, service_role;

insert into private.own_migrations (version) values ('20261129002450');
