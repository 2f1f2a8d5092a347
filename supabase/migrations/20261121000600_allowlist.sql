-- Where messages may go at all: the allowlist, asked when a destination is stored.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

create table public.destination_allowlist (
  pattern text not null check (
    pattern ~ '^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[0-9]{1,5})?$'
    or pattern in ('localhost', '127.0.0.1', '[::1]')
  ),
  purpose text not null check (purpose in ('forward', 'redirect')),
  created_at timestamptz not null default now(),
  created_by text not null default private.actor(),
  constraint destination_allowlist_pkey primary key (pattern, purpose)
);
comment on table public.destination_allowlist is 'Hosts that messages may be forwarded to and links may redirect to. Nothing goes anywhere else.';
comment on constraint destination_allowlist_pkey on public.destination_allowlist is 'A pattern stands once for each purpose.';
comment on column public.destination_allowlist.pattern is 'Lower-case ASCII host, or *.host for each name below it (not the host itself); a port only where it is not 443.';
comment on column public.destination_allowlist.purpose is 'forward (messages to services) or redirect (targets of links).';
comment on column public.destination_allowlist.created_at is 'When it was allowed.';
comment on column public.destination_allowlist.created_by is 'Who allowed it.';
alter table public.destination_allowlist enable row level security;
revoke all on public.destination_allowlist from public, anon, authenticated;
grant select on public.destination_allowlist to authenticated;
grant select, insert, update, delete on public.destination_allowlist to service_role;
create policy "team reads allowlist" on public.destination_allowlist for select to authenticated
  using ((select private.has_role('viewer')));
comment on policy "team reads allowlist" on public.destination_allowlist is 'Every role may see which hosts are allowed.';
create trigger destination_allowlist_revision after insert or update or delete or truncate on public.destination_allowlist
  for each statement execute function private.bump_config_revision();
comment on trigger destination_allowlist_revision on public.destination_allowlist is 'Tells the functions at the edge to read the configuration again.';

-- Failure policy: closed. Stricter than the URL standard on purpose: what this does not recognise is refused.
-- The functions at the edge ask the same question again at each delivery (_shared/forward/allowlist.ts).
create function private.destination_permitted(p_url text, p_purpose text default 'forward') returns boolean
language plpgsql stable set search_path = '' as $$
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
end $$;
comment on function private.destination_permitted(text, text) is 'Whether the allowlist lets a URL be stored for a purpose: https, host pattern, no credentials, no IP literal; loopback only by the setting forward.allow_loopback.';
revoke execute on function private.destination_permitted(text, text) from public, anon, authenticated;
grant execute on function private.destination_permitted(text, text) to service_role;

create function public.allow_host(p_pattern text, p_purpose text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_row public.destination_allowlist;
begin
  perform private.require_role('admin');
  insert into public.destination_allowlist (pattern, purpose) values (lower(p_pattern), p_purpose)
  on conflict (pattern, purpose) do nothing;
  select * into v_row from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return to_jsonb(v_row);
end $$;
comment on function public.allow_host(text, text) is 'Puts a host pattern on the allowlist for forward or redirect; an admin''s act. Repeating it changes nothing. 23514 for a pattern that is none.';
revoke execute on function public.allow_host(text, text) from public, anon;
grant execute on function public.allow_host(text, text) to authenticated, service_role;

create function public.disallow_host(p_pattern text, p_purpose text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform private.require_role('admin');
  delete from public.destination_allowlist where pattern = lower(p_pattern) and purpose = p_purpose;
  return found;
end $$;
comment on function public.disallow_host(text, text) is 'Takes a host pattern off the allowlist; false when it was not on it. Takes effect within 5 seconds.';
revoke execute on function public.disallow_host(text, text) from public, anon;
grant execute on function public.disallow_host(text, text) to authenticated, service_role;
