-- Files of messages: those that came in, stored on arrival where the team wants it, and those that services upload to send.
-- Contents lie in object storage (storage_objects), never here.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public, file_size_limit) values
      -- WhatsApp's documents have at most 100 MB.
      ('wa-media', 'wa-media', false, 101 * 1024 * 1024)
    on conflict (id) do nothing;
  end if;
end $$;

-- Tables ------------------------------------------------------------------------------------------

create table public.media_files (
  message_id uuid not null references public.messages (id) on delete cascade,
  number_id text not null,
  media_id text not null,
  mime_type text,
  sha256 text,
  state text not null default 'pending' check (state in ('pending', 'stored', 'gone', 'too_large', 'failed')),
  attempt integer not null default 0,
  next_attempt_at timestamptz,
  lease uuid,
  path text,
  bytes bigint,
  error text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  constraint media_files_pkey primary key (message_id)
);
comment on table public.media_files is 'Files of inbound messages that are stored on arrival (setting media.store): one row per message.';
comment on constraint media_files_pkey on public.media_files is 'A message has at most one file.';
comment on column public.media_files.message_id is 'The message.';
comment on column public.media_files.number_id is 'The number that received it.';
comment on column public.media_files.media_id is 'The provider''s id of the file.';
comment on column public.media_files.mime_type is 'Its type, as the provider reported it.';
comment on column public.media_files.sha256 is 'Its hash, as the provider reported it (base64).';
comment on column public.media_files.state is 'pending; stored; gone (the provider no longer has it); too_large (above media.max_mb); failed (given up).';
comment on column public.media_files.attempt is 'Attempts made so far.';
comment on column public.media_files.next_attempt_at is 'When it is tried next, or when the lease of the running attempt ends; null once settled.';
comment on column public.media_files.lease is 'Who is storing it: only that attempt may settle it.';
comment on column public.media_files.path is 'Where it is, in the bucket wa-media.';
comment on column public.media_files.bytes is 'Its size.';
comment on column public.media_files.error is 'Why the last attempt failed, in our words.';
comment on column public.media_files.created_at is 'When its message was stored.';
comment on column public.media_files.settled_at is 'When it reached its final state.';
create index media_files_due_idx on public.media_files (next_attempt_at) where state = 'pending';
comment on index public.media_files_due_idx is 'What is to be stored, the longest due first.';
alter table public.media_files enable row level security;
revoke all on public.media_files from public, anon, authenticated;
grant select, insert, update, delete on public.media_files to service_role;

create table public.media_uploads (
  id uuid not null default private.uuid_v7(),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  mime_type text not null,
  name text,
  bytes bigint not null check (bytes > 0),
  path text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  used_at timestamptz not null default now(),
  constraint media_uploads_pkey primary key (id)
);
comment on table public.media_uploads is 'Files that services uploaded to send. Each is uploaded to the provider when it is sent, and again when the provider''s id has expired.';
comment on constraint media_uploads_pkey on public.media_uploads is 'An upload by its id.';
comment on column public.media_uploads.id is 'UUID v7; messages refer to the file by it.';
comment on column public.media_uploads.sha256 is 'Hash of the content (hex): the same file is kept once.';
comment on column public.media_uploads.mime_type is 'Its type.';
comment on column public.media_uploads.name is 'File name given by the service.';
comment on column public.media_uploads.bytes is 'Its size.';
comment on column public.media_uploads.path is 'Where it is, in the bucket wa-media.';
comment on column public.media_uploads.created_by is 'Name of the key that uploaded it.';
comment on column public.media_uploads.created_at is 'When it was uploaded.';
comment on column public.media_uploads.used_at is 'When it was last uploaded or sent: unused files are removed after retention.upload_days.';
create index media_uploads_content_idx on public.media_uploads (sha256, mime_type);
comment on index public.media_uploads_content_idx is 'Finds a file that was uploaded before.';
create index media_uploads_used_idx on public.media_uploads (used_at);
comment on index public.media_uploads_used_idx is 'Unused files, for the purge.';
alter table public.media_uploads enable row level security;
revoke all on public.media_uploads from public, anon, authenticated;
grant select, insert, update, delete on public.media_uploads to service_role;

create table public.media_provider_ids (
  upload_id uuid not null references public.media_uploads (id) on delete cascade,
  number_id text not null,
  media_id text not null,
  uploaded_at timestamptz not null default now(),
  constraint media_provider_ids_pkey primary key (upload_id, number_id)
);
comment on table public.media_provider_ids is 'The provider''s ids of uploaded files, by the number that they were uploaded for.';
comment on constraint media_provider_ids_pkey on public.media_provider_ids is 'One current id per file and number.';
comment on column public.media_provider_ids.upload_id is 'The file.';
comment on column public.media_provider_ids.number_id is 'The number.';
comment on column public.media_provider_ids.media_id is 'The provider''s id, which expires after some weeks.';
comment on column public.media_provider_ids.uploaded_at is 'When it was uploaded to the provider.';
alter table public.media_provider_ids enable row level security;
revoke all on public.media_provider_ids from public, anon, authenticated;
grant select, insert, update, delete on public.media_provider_ids to service_role;

-- Settings ----------------------------------------------------------------------------------------

create function private.media_days(p_setting text) returns integer
language plpgsql stable set search_path = '' as $$
begin
  return greatest(1, coalesce((select s.value::integer from public.settings s where s.key = p_setting), 30));
end $$;
comment on function private.media_days(text) is 'Days by retention.media_days (stored files of messages) or retention.upload_days (uploads without use), else 30.';

-- Storing on arrival ------------------------------------------------------------------------------

create function private.media_part(p_type text, p_native jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_type in ('image', 'video', 'audio', 'document', 'sticker') then p_native -> p_type end
$$;
comment on function private.media_part(text, jsonb) is 'The member of a message that describes its file; null for other types.';

-- On the intake's path: the condition of the trigger keeps all other messages away from it.
create function private.queue_media() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_part jsonb := private.media_part(new.type, new.native);
begin
  if v_part ->> 'id' is not null
    and exists (select from public.settings s where s.key = 'media.store' and s.value = 'true') then
    insert into public.media_files (message_id, number_id, media_id, mime_type, sha256, next_attempt_at, created_at)
    select new.id, c.number_id, v_part ->> 'id', v_part ->> 'mime_type', v_part ->> 'sha256', clock_timestamp(), new.created_at
    from public.conversations c where c.id = new.conversation_id
    on conflict (message_id) do nothing;
  end if;
  return null;
end $$;
comment on function private.queue_media() is 'Queues the file of a new inbound message for storing, in the intake''s transaction, if media.store says so.';

-- Of an imported message the file is told of later, and its type changes then.
create trigger queue_media after insert or update of type on public.messages
  for each row when (new.channel = 'whatsapp' and new.direction = 'in' and new.type in ('image', 'video', 'audio', 'document', 'sticker'))
  execute function private.queue_media();
comment on trigger queue_media on public.messages is 'What is acknowledged to the provider is also queued for storing.';

create function private.media_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.media_files f where f.state = 'pending' and f.next_attempt_at <= p_now);
end $$;
comment on function private.media_is_due(timestamptz) is 'Whether files wait to be stored. For the clock.';

create function public.claim_media(p_limit integer, p_lease_seconds integer) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_files jsonb;
begin
  perform private.refuse_older_code();
  with due as (
    select f.message_id from public.media_files f
    where f.state = 'pending' and f.next_attempt_at <= v_now
    order by f.next_attempt_at limit p_limit for update skip locked
  ), claimed as (
    update public.media_files f
    set attempt = f.attempt + 1, lease = gen_random_uuid(), next_attempt_at = v_now + make_interval(secs => p_lease_seconds)
    from due where f.message_id = due.message_id
    returning f.message_id, f.number_id, f.media_id, f.mime_type, f.sha256, f.attempt, f.lease, f.created_at
  )
  select coalesce(jsonb_agg(jsonb_build_object('message_id', c.message_id, 'number_id', c.number_id, 'media_id', c.media_id,
    'mime_type', c.mime_type, 'sha256', c.sha256, 'attempt', c.attempt, 'lease', c.lease) order by c.created_at), '[]')
  into v_files from claimed c;
  return v_files;
end $$;
comment on function public.claim_media(integer, integer) is 'Leases files to store, at most p_limit: [{message_id, number_id, media_id, mime_type, sha256, attempt, lease}]. A lease that ends unsettled makes the file due again. For secret keys.';

create function public.settle_media(
  p_message_id uuid, p_lease uuid, p_outcome text, p_path text default null, p_bytes bigint default null, p_error text default null,
  p_retry_after_ms bigint default null
) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_found boolean;
begin
  perform private.refuse_older_code();
  update public.media_files f
  set state = case p_outcome when 'retry' then 'pending' else p_outcome end, lease = null, path = p_path, bytes = p_bytes,
    error = left(p_error, 500),
    next_attempt_at = case when p_outcome = 'retry' then v_now + make_interval(secs => coalesce(p_retry_after_ms, 0) / 1000.0) end,
    settled_at = case when p_outcome <> 'retry' then v_now end
  where f.message_id = p_message_id and f.lease = p_lease and f.state = 'pending';
  v_found := found;
  if v_found and p_outcome = 'stored' then
    perform private.keep_objects(jsonb_build_array(jsonb_build_object('bucket', 'wa-media', 'path', p_path, 'kind', 'media', 'bytes', p_bytes,
        'message_id', p_message_id)),
      v_now + make_interval(days => private.media_days('retention.media_days')), v_now);
  end if;
  return v_found;
end $$;
comment on function public.settle_media(uuid, uuid, text, text, bigint, text, bigint) is 'Ends an attempt to store a file: stored (with path and size), retry (after p_retry_after_ms), gone, too_large or failed. False if the lease is not valid any more. For secret keys.';

-- Reading -----------------------------------------------------------------------------------------

create function private.stored_media(p_path text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('path', o.path, 'bytes', o.bytes) from public.storage_objects o
  where o.bucket = 'wa-media' and o.path = p_path and o.expires_at > clock_timestamp() and (not o.of_message or o.message_id is not null)
$$;
comment on function private.stored_media(text) is 'A stored file {path, bytes}; null once it is to be removed.';

create function public.find_media(p_id uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_found jsonb;
begin
  perform private.refuse_older_code();
  select jsonb_build_object('kind', 'message', 'type', m.type, 'number_id', c.number_id, 'at', m.created_at, 'direction', m.direction,
    'withdrawn', m.status = 'deleted', 'part', private.media_part(m.type, m.native),
    'stored', coalesce(private.stored_media(f.path), (
      -- What the business sent, by the id of an upload.
      select private.stored_media(u.path) from public.media_uploads u
      where m.direction = 'out' and u.id = private.uuid_in(private.media_part(m.type, m.native) ->> 'id'))),
    'mime_type', coalesce(f.mime_type, (
      select u.mime_type from public.media_uploads u
      where m.direction = 'out' and u.id = private.uuid_in(private.media_part(m.type, m.native) ->> 'id'))))
  into v_found
  from public.messages m join public.conversations c on c.id = m.conversation_id
  left join public.media_files f on f.message_id = m.id
  where m.id = p_id and m.channel = 'whatsapp';
  if v_found is null then
    select jsonb_build_object('kind', 'upload', 'mime_type', u.mime_type, 'sha256', u.sha256, 'name', u.name, 'at', u.created_at,
      'stored', private.stored_media(u.path))
    into v_found from public.media_uploads u where u.id = p_id;
  end if;
  return v_found;
end $$;
comment on function public.find_media(uuid) is 'The file of a message, {kind: message, type, number_id, direction, withdrawn, part (as the provider has it), stored {path, bytes}, mime_type, at}, or an upload, {kind: upload, mime_type, sha256, name, stored, at}; null for neither. For secret keys.';

-- Uploads -----------------------------------------------------------------------------------------

create function private.keep_upload(p_upload public.media_uploads, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.keep_objects(
    jsonb_build_array(jsonb_build_object('bucket', 'wa-media', 'path', p_upload.path, 'kind', 'media', 'bytes', p_upload.bytes)),
    -- A day longer than the row, so that no row is without its file.
    p_now + make_interval(days => private.media_days('retention.upload_days') + 1), p_now);
end $$;
comment on function private.keep_upload(public.media_uploads, timestamptz) is 'Keeps the file of an upload for as long as the upload, from now on.';

create function public.add_media_upload(p_upload jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_upload public.media_uploads;
begin
  perform private.refuse_older_code();
  update public.media_uploads u set used_at = v_now
  where u.id = (
    select k.id from public.media_uploads k
    where k.sha256 = p_upload ->> 'sha256' and k.mime_type = p_upload ->> 'mime_type' and k.name is not distinct from p_upload ->> 'name'
      and private.stored_media(k.path) is not null
    order by k.id limit 1)
  returning * into v_upload;
  if not found then
    insert into public.media_uploads (id, sha256, mime_type, name, bytes, path, created_by, created_at, used_at)
    values ((p_upload ->> 'id')::uuid, p_upload ->> 'sha256', p_upload ->> 'mime_type', p_upload ->> 'name', (p_upload ->> 'bytes')::bigint,
      p_upload ->> 'path', p_upload ->> 'by', v_now, v_now)
    returning * into v_upload;
  end if;
  perform private.keep_upload(v_upload, v_now);
  return jsonb_build_object('id', v_upload.id, 'mime_type', v_upload.mime_type, 'sha256', v_upload.sha256, 'size', v_upload.bytes,
    'name', v_upload.name, 'number_id', (
      select case when count(*) = 1 then min(n.id) end from public.senders n where n.channel = 'whatsapp' and n.state = 'active'),
    'known', v_upload.id <> (p_upload ->> 'id')::uuid,
    'expires_at', v_upload.used_at + make_interval(days => private.media_days('retention.upload_days')));
end $$;
comment on function public.add_media_upload(jsonb) is 'Keeps a stored upload {id, sha256, mime_type, name, bytes, path, by}. Answers {id, mime_type, sha256, size, name, known, expires_at, number_id (the only number that can send it, or null)}: of the upload with the same content, type and name if there is one (known). For secret keys.';

create function public.remove_media_upload(p_id uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_path text;
  v_ids jsonb;
begin
  perform private.refuse_older_code();
  select coalesce(jsonb_agg(jsonb_build_object('number_id', i.number_id, 'media_id', i.media_id)), '[]') into v_ids
  from public.media_provider_ids i where i.upload_id = p_id;
  delete from public.media_uploads u where u.id = p_id returning u.path into v_path;
  update public.storage_objects o set expires_at = clock_timestamp() where o.bucket = 'wa-media' and o.path = v_path;
  return jsonb_build_object('removed', v_path is not null, 'media_ids', v_ids);
end $$;
comment on function public.remove_media_upload(uuid) is 'Removes an upload; the clock removes its file: {removed (whether there was one), media_ids: [{number_id, media_id}] (to delete at the provider)}. For secret keys.';

create function public.upload_to_send(p_id uuid, p_number_id text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_upload public.media_uploads;
begin
  perform private.refuse_older_code();
  select * into v_upload from public.media_uploads u where u.id = p_id;
  if not found or private.stored_media(v_upload.path) is null then
    return null;
  end if;
  -- Once a day is enough, and spares a hot file most of its writes.
  if v_upload.used_at < v_now - interval '1 day' then
    update public.media_uploads u set used_at = v_now where u.id = p_id;
    perform private.keep_upload(v_upload, v_now);
  end if;
  return jsonb_build_object('path', v_upload.path, 'mime_type', v_upload.mime_type, 'name', v_upload.name, 'bytes', v_upload.bytes,
    'media_id', (
      select i.media_id from public.media_provider_ids i
      where i.upload_id = p_id and i.number_id = p_number_id
        -- Meta keeps uploads for 30 days, and ids have failed after eleven.
        and i.uploaded_at > v_now - interval '10 days'));
end $$;
comment on function public.upload_to_send(uuid, text) is 'An upload that a number sends now: {path, mime_type, name, bytes, media_id (the provider''s id; null if it has to be uploaded)}; null if there is none any more. For secret keys.';

create function public.note_provider_media(p_id uuid, p_number_id text, p_media_id text) returns void
language plpgsql volatile set search_path = '' as $$
begin
  perform private.refuse_older_code();
  insert into public.media_provider_ids as i (upload_id, number_id, media_id, uploaded_at)
  select u.id, p_number_id, p_media_id, clock_timestamp() from public.media_uploads u where u.id = p_id
  on conflict (upload_id, number_id) do update set media_id = excluded.media_id, uploaded_at = excluded.uploaded_at;
end $$;
comment on function public.note_provider_media(uuid, text, text) is 'Notes the id that the provider gave an upload. For secret keys.';

-- Who may run what --------------------------------------------------------------------------------

call private.close_functions();
grant execute on function
  private.media_days(text),
  private.media_part(text, jsonb),
  private.queue_media(),
  private.media_is_due(timestamptz),
  private.stored_media(text),
  private.keep_upload(public.media_uploads, timestamptz),
  public.claim_media(integer, integer),
  public.settle_media(uuid, uuid, text, text, bigint, text, bigint),
  public.find_media(uuid),
  public.add_media_upload(jsonb),
  public.remove_media_upload(uuid),
  public.upload_to_send(uuid, text),
  public.note_provider_media(uuid, text, text)
  to service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002600');
