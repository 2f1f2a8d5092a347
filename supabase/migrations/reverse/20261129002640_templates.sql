-- The way back from 20261129002640_templates.sql. Templates are no longer checked before a send; Meta keeps them.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

delete from private.own_migrations where version = '20261129002640';

drop function public.send_template(uuid, jsonb, uuid);
drop function public.list_templates(jsonb, integer);
drop function public.template_by_id(text);
drop function public.known_templates(text[]);
drop function private.template_refusal(text, text, jsonb);
drop function private.apply_template_news(text, jsonb, timestamptz);
drop function private.without_found(private.noted_event[]);
drop function private.was_found(text, text, jsonb);
drop function public.remove_template(text, text, text);
drop function public.store_templates(text, jsonb, boolean);
drop function private.found_change(text, jsonb, text, jsonb, timestamptz);
drop function public.fail_template_sync(text, text);
drop function public.claim_template_syncs(boolean);
drop function private.templates_due_now(text);
drop function private.template_sync_ends(timestamptz);
drop function private.templates_are_due(timestamptz);
drop function private.template_accounts();
drop table private.template_syncs;
drop table public.wa_templates;
