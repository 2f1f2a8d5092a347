-- Files of texts (MMS): copied into our storage on arrival, then deleted at the provider. Providers keep them until somebody
-- deletes them. Contents lie in object storage (storage_objects), never here.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public, file_size_limit) values
      -- Twilio takes 5 MB with a text in all; other providers and channels of theirs may take more.
      ('sms-media', 'sms-media', false, 17 * 1024 * 1024)
    on conflict (id) do nothing;
  end if;
end $$;

create table public.text_files (
  id uuid not null default private.uuid_v7(),
  message_id uuid references public.messages (id) on delete set null,
  place integer not null check (place between 0 and 9),
  provider text not null check (provider in ('twilio', 'telnyx')),
  url text,
  mime_type text,
  state text not null default 'pending' check (state in ('pending', 'stored', 'gone', 'too_large', 'failed')),
  at_provider text not null check (at_provider in ('kept', 'to_delete', 'deleted')),
  attempt integer not null default 0,
  next_attempt_at timestamptz,
  lease uuid,
  path text,
  bytes bigint,
  error text,
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  constraint text_files_pkey primary key (id),
  constraint text_files_place unique (message_id, place)
);
comment on table public.text_files is 'Files of texts that came in and are copied into our storage (setting texts.files): one row per file.';
comment on constraint text_files_pkey on public.text_files is 'A file by its id.';
comment on constraint text_files_place on public.text_files is 'A file by its message and place; serves the foreign key.';
comment on column public.text_files.id is 'UUID v7.';
comment on column public.text_files.message_id is 'The message; null once it is gone and the file is still to be deleted at the provider.';
comment on column public.text_files.place is 'Which of the message''s files, from 0.';
comment on column public.text_files.provider is 'Who has it.';
comment on column public.text_files.url is 'Its address at the provider; null once nothing is to be done there for a message that is gone.';
comment on column public.text_files.mime_type is 'Its type: the sender''s word until it is stored, then what its first bytes say too.';
comment on column public.text_files.state is 'pending; stored; gone (the provider does not have it); too_large; failed (given up).';
comment on column public.text_files.at_provider is 'kept (it stays there); to_delete (once it is stored here); deleted.';
comment on column public.text_files.attempt is 'Attempts made so far: to store it, then to delete it at the provider.';
comment on column public.text_files.next_attempt_at is 'When it is tried next, or when the lease of the running attempt ends; null once nothing is left to do.';
comment on column public.text_files.lease is 'Who works on it: only that attempt may settle it.';
comment on column public.text_files.path is 'Where it is, in the bucket sms-media.';
comment on column public.text_files.bytes is 'Its size.';
comment on column public.text_files.error is 'Why the last attempt failed, in our words.';
comment on column public.text_files.created_at is 'When its message was stored.';
comment on column public.text_files.settled_at is 'When its state became final.';
create index text_files_due_idx on public.text_files (next_attempt_at) where next_attempt_at is not null;
comment on index public.text_files_due_idx is 'What is to be stored or deleted, the longest due first.';
alter table public.text_files enable row level security;
revoke all on public.text_files from public, anon, authenticated;
grant select, insert, update, delete on public.text_files to service_role;

-- In the intake's transaction: what is acknowledged to the provider is queued too.
create function private.queue_text_files() returns trigger
language plpgsql set search_path = '' as $$
declare
  v_files text := coalesce((select s.value from public.settings s where s.key = 'texts.files'), 'move');
begin
  if v_files <> 'leave' and jsonb_typeof(new.native -> 'media') = 'array' then
    insert into public.text_files (message_id, place, provider, url, mime_type, at_provider, next_attempt_at, created_at)
    select new.id, f.place - 1, new.native ->> 'provider', f.file ->> 'url', f.file ->> 'type',
      -- Telnyx deletes files by itself, and takes no requests for it.
      case when v_files = 'move' and new.native ->> 'provider' = 'twilio' then 'to_delete' else 'kept' end,
      clock_timestamp(), new.created_at
    from jsonb_array_elements(new.native -> 'media') with ordinality as f (file, place)
    where f.place <= 10 and f.file ->> 'url' <> ''
    on conflict (message_id, place) do nothing;
  end if;
  return null;
end $$;
comment on function private.queue_text_files() is 'Trigger, after insert of MMS that came in: their files are to be stored, unless texts.files is leave.';
create trigger queue_text_files after insert on public.messages
  for each row when (new.channel = 'sms' and new.direction = 'in' and new.type = 'mms') execute function private.queue_text_files();
comment on trigger queue_text_files on public.messages is 'The condition keeps all other messages away from it.';

-- A person who is erased here is erased at the provider too.
create function private.orphan_text_file() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.state := case when old.state = 'pending' then 'gone' else old.state end;
  new.settled_at := coalesce(old.settled_at, clock_timestamp());
  new.lease := null;
  new.error := null;
  new.path := null;
  if old.at_provider = 'to_delete' then
    new.attempt := 0;
    new.next_attempt_at := clock_timestamp();
  else
    new.next_attempt_at := null;
    new.url := null;
  end if;
  return new;
end $$;
comment on function private.orphan_text_file() is 'Trigger, before a file loses its message: what is not stored yet will not be; what is to be deleted at the provider is, at once.';
create trigger orphan_text_file before update of message_id on public.text_files
  for each row when (new.message_id is null and old.message_id is not null) execute function private.orphan_text_file();
comment on trigger orphan_text_file on public.text_files is 'By retention, or by the erasure of a person.';

create function private.text_files_are_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.text_files f where f.next_attempt_at <= p_now);
end $$;
comment on function private.text_files_are_due(timestamptz) is 'Whether files of texts wait to be stored, or to be deleted at the provider. For the clock.';

create function public.claim_text_file(p_lease_seconds integer) returns jsonb
language plpgsql volatile set search_path = '' set jit = off set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_file public.text_files;
begin
  perform private.refuse_older_code();
  update public.text_files f
  set attempt = f.attempt + 1, lease = gen_random_uuid(), next_attempt_at = v_now + make_interval(secs => p_lease_seconds)
  where f.id = (
    select d.id from public.text_files d where d.next_attempt_at <= v_now order by d.next_attempt_at limit 1 for update skip locked)
  returning * into v_file;
  if not found then
    return null;
  end if;
  return jsonb_build_object('id', v_file.id, 'work', case when v_file.state = 'pending' then 'store' else 'delete' end,
    'message_id', v_file.message_id, 'place', v_file.place, 'provider', v_file.provider, 'url', v_file.url,
    'mime_type', v_file.mime_type, 'attempt', v_file.attempt, 'lease', v_file.lease, 'created_at', v_file.created_at);
end $$;
comment on function public.claim_text_file(integer) is 'Leases a file of a text to work on, the longest due first: {id, work (store; delete: at the provider), message_id, place, provider, url, mime_type, attempt, lease, created_at}; null if none is due. A lease that ends unsettled makes it due again. For secret keys.';

create function public.settle_text_file(p_id uuid, p_lease uuid, p_outcome text, p_result jsonb default '{}') returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_again timestamptz := v_now + make_interval(secs => coalesce((p_result ->> 'retry_after_ms')::bigint, 0) / 1000.0);
  v_file public.text_files;
begin
  perform private.refuse_older_code();
  select * into v_file from public.text_files f where f.id = p_id and f.lease = p_lease for update;
  if not found then
    return false;
  end if;
  if p_outcome = 'retry' then
    update public.text_files f set lease = null, next_attempt_at = v_again, error = left(p_result ->> 'error', 500) where f.id = p_id;
  elsif v_file.state = 'pending' then
    update public.text_files f
    set state = p_outcome, lease = null, attempt = 0, path = p_result ->> 'path', bytes = (p_result ->> 'bytes')::bigint,
      mime_type = coalesce(p_result ->> 'mime_type', f.mime_type), error = left(p_result ->> 'error', 500), settled_at = v_now,
      -- Only what is stored here is deleted there. What the provider does not have, nobody need delete.
      at_provider = case when p_outcome = 'gone' then 'deleted' when p_outcome = 'stored' then f.at_provider else 'kept' end,
      next_attempt_at = case when p_outcome = 'stored' and f.at_provider = 'to_delete' then v_now end
    where f.id = p_id;
    if p_outcome = 'stored' then
      perform private.keep_objects(jsonb_build_array(jsonb_build_object('bucket', 'sms-media', 'path', p_result ->> 'path', 'kind', 'media',
          'bytes', (p_result ->> 'bytes')::bigint, 'message_id', v_file.message_id)),
        v_now + make_interval(days => private.media_days('retention.media_days')), v_now);
    end if;
  elsif v_file.message_id is null then
    delete from public.text_files f where f.id = p_id;
  else
    update public.text_files f
    set at_provider = case when p_outcome = 'deleted' then 'deleted' else 'kept' end, lease = null, next_attempt_at = null,
      error = left(p_result ->> 'error', 500)
    where f.id = p_id;
  end if;
  return true;
end $$;
comment on function public.settle_text_file(uuid, uuid, text, jsonb) is 'Ends an attempt at a file of a text. To store it: stored {path, bytes, mime_type}, gone, too_large, failed {error}; to delete it at the provider: deleted, failed {error}; either: retry {retry_after_ms, error}. False if the lease is not valid any more. For secret keys.';

call private.close_functions();
grant execute on function
  private.queue_text_files(),
  private.orphan_text_file(),
  private.text_files_are_due(timestamptz),
  public.claim_text_file(integer),
  public.settle_text_file(uuid, uuid, text, jsonb)
  to service_role;

-- The clock was scheduled before there was this job.
do $$
begin
  perform private.schedule_clock();
end $$;

insert into private.own_migrations (version) values ('20261129002726');
