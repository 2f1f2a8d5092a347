-- The way back from 20261121005600_panel_messages.sql. It drops the record of who looked at contacts: export it first.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function public.reply_in_conversation(uuid, text, uuid);
drop function public.reveal_contact(uuid, text);
drop function public.message_story(uuid);
drop function public.conversation_messages(uuid, bigint, integer);
drop function private.message_view(public.messages, boolean);
drop function private.deliveries_view(uuid);
drop function public.search_conversations(text, integer);
drop function public.list_conversations(uuid, integer);
drop function private.conversation_view(public.conversations, public.messages, boolean);
drop function private.contact_last_four(uuid);
drop function private.may(text);
drop table public.contact_acts;

grant select on public.contact_identities, public.webhook_events, public.messages, public.outbound_messages
  to authenticated;
create policy "operators read identities" on public.contact_identities for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read identities" on public.contact_identities is 'Phone numbers are personal data: operators and admins only.';
create policy "operators read webhook events" on public.webhook_events for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read webhook events" on public.webhook_events is 'Raw updates hold personal data: operators and admins only.';
create policy "operators read messages" on public.messages for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read messages" on public.messages is 'What people write is personal data: operators and admins only.';
create policy "operators read outbound" on public.outbound_messages for select to authenticated
  using ((select private.has_role('operator')));
comment on policy "operators read outbound" on public.outbound_messages is 'Recipients and words are personal data: operators and admins only.';
