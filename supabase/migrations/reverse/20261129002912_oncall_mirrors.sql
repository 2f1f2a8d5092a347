-- The way back from 20261129002912_oncall_mirrors.sql. Incidents at providers stay as they are, and neither they nor cards
-- follow each other any more.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002912';

create or replace function private.oncall_is_due(p_now timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (select from private.oncall_pages p where p.due_at <= p_now);
end $$;

create or replace function private.purge_oncall(p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_purged integer;
begin
  delete from private.oncall_overrides o where upper(o.during) < p_now - interval '90 days';
  get diagnostics v_purged = row_count;
  return v_purged;
end $$;

drop trigger open_mirror on public.cards;
drop trigger change_mirror on public.cards;
drop function
  private.open_mirror(),
  private.change_mirror(),
  public.hear_oncall(text, jsonb),
  private.hear_oncall(text, jsonb, timestamptz),
  public.settle_oncall_event(text, uuid, text, text, text, bigint),
  public.claim_oncall_events(integer, boolean),
  private.claim_oncall_events(integer, boolean, timestamptz),
  private.is_of_provider(text, jsonb),
  private.incident_state(text);
drop table private.oncall_news, private.oncall_mirrors;
