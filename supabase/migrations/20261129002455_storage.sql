-- The private buckets of Supabase Storage that the functions keep files in. They are opened by the secret key alone:
-- there is no policy on storage.objects, and none is needed.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

-- A database without Storage (a plain Postgres) has no such table; a project whose Storage was added later runs this
-- statement once more (docs/deploy.md).
do $$
begin
  if to_regclass('storage.buckets') is not null then
    insert into storage.buckets (id, name, public, file_size_limit) values
      -- SendGrid posts at most 30 MB.
      ('email-raw', 'email-raw', false, 32 * 1024 * 1024),
      ('email-attachments', 'email-attachments', false, 32 * 1024 * 1024)
    on conflict (id) do nothing;
  end if;
end $$;

insert into private.own_migrations (version) values ('20261129002455');
