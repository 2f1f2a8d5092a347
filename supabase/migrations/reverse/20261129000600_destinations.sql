-- The way back from 20261129000600_destinations.sql. It drops the services with their secrets, which nobody can be
-- shown again: each gets a new one.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129000600';

drop function public.destination_to_test(text);
drop function public.reseal_headers(jsonb);
drop function public.sealed_headers();
drop function public.set_destination_headers(text, jsonb, text);
drop function private.headers_of(uuid);
drop function public.rotate_destination_secret(text, integer);
drop function public.set_destination(text, integer, jsonb);
drop function private.destination_named(text);
drop function private.is_subscribed();
drop function private.is_wanted(text[], text);
drop function public.add_destination(text, text, jsonb);
drop function private.new_webhook_secret();
drop table private.destination_headers;
drop table private.destination_secrets;
drop table public.destinations;
drop function private.forget_headers();
drop function private.require_permitted_url();
drop function private.shown_state(text, timestamptz);
drop function private.is_subscription(text[]);
drop function private.is_failure_policy(jsonb);
drop function public.disallow_host(text, text);
drop function public.allow_host(text, text);
drop function private.destination_permitted(text, text);
drop table public.destination_allowlist;
drop function private.record_allowlist();
drop table public.allowlist_history;
