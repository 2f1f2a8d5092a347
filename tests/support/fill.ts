/**
 * At least one row for each table, so that migrations and their reverses are tried on data.
 *
 * In an order that foreign keys allow. The rows are those of the migration that makes the table: what a later one
 * adds to it has to get along with them. An empty text: the rows come by trigger from the tables before.
 */
export const FILL: Record<string, string> = {
  "public.team_members": `
    insert into auth.users (id, email, email_confirmed_at) values
      ('00000000-0000-7000-8000-000000000001', 'admin@example.com', now())
      on conflict do nothing;
    insert into public.team_members (user_id, role, approvals) values
      ('00000000-0000-7000-8000-000000000001', 'admin', '{engineering,cto}')`,
  "public.team_history": "", // by trigger of team_members
  "public.team_invitations": `
    insert into public.team_invitations (email, role, invited_by, expires_at) values
      ('colleague@example.com', 'operator', '00000000-0000-7000-8000-000000000001', now() + interval '7 days')`,
  "private.config_revision": "", // its one row comes with it
  "private.own_migrations": "", // each migration writes its own
  "public.erasures": `
    insert into public.erasures (id, part, counts, done) values
      ('00000000-0000-7000-8000-00000000e501', 1, '{"public.messages": 3}', true)`,

  "private.schema_breaks": `
    insert into private.schema_breaks (version, why) values ('20200101000000', 'what it stored is read otherwise')`,

  "public.settings": `
    insert into public.settings (key, value, metadata) values
      ('deeplinks.enabled', 'true', '{"rollout_percentage": 12.5, "target_user_ids": ["u1"], "launched_at": null}'),
      ('greeting', 'Willkommen 🦎', '{}')`,
  "public.settings_history": "", // by trigger of settings

  "public.counters": `
    insert into public.counters (name, label, slot, value) values ('wa_webhook_refused', 'signature_invalid', 3, 7)`,
  "public.measurements": `
    insert into public.measurements (name, label, minute, n, ms, counts, last_at) values
      ('request', 'wa-webhook 200', '2026-11-21 10:00Z', 2, 7.5, array_fill(0, array[28]), now()),
      ('messages', 'in', '-infinity', 3, 0, '{}', now())`,
  "public.rate_limits": `
    insert into public.rate_limits (key, tat, allowed) values ('send:1', now(), true)`,

  "public.senders": `
    insert into public.senders (id, address) values ('106540352242922', '15550783881')`,
  "public.sender_accounts": `
    insert into public.sender_accounts (channel, id, name, state, state_at, state_until, state_why) values
      ('whatsapp', '240011223344556', 'acme', 'restricted', now(), now() + interval '7 days', 'RESTRICTED_BIZ_INITIATED_MESSAGING')`,
  "public.sender_states": `
    insert into public.sender_states (channel, sender_id, name, quality, messaging_limit, status, told_at, checked_at) values
      ('whatsapp', '106540352242922', 'Lumen', 'green', 'TIER_1K', 'connected', now(), now())`,
  "public.imports": `
    insert into public.imports (channel, number_id, state, phase, progress, messages) values
      ('whatsapp', '106540352242922', 'complete', 2, 100, 12)`,
  "private.book_names": `
    insert into private.book_names (channel, number_id, kind, value, name, at) values
      ('whatsapp', '106540352242922', 'phone', '4915100000009', 'Nora Feld', now())`,
  "public.wa_templates": `
    insert into public.wa_templates (account, name, language, id, category, status, quality, parameter_format, components, synced_at) values
      ('240011223344556', 'offer', 'en', '1689556908129832', 'marketing', 'approved', 'green', 'named', '[{"type": "BODY", "text": "Hello {{first_name}}"}]', now())`,
  "private.template_syncs": `
    insert into private.template_syncs (account, due_at, synced_at) values ('240011223344556', now(), now())`,
  "public.account_events": `
    insert into public.account_events (channel, account, sender_id, kind, subject, data, at) values
      ('whatsapp', '240011223344556', '106540352242922', 'number.limit', '15550783881', '{"limit": "TIER_1K"}', now())`,
  "private.hash_key": "", // its one row comes with it
  "private.write_probe": "", // its one row comes with it
  "private.erased_opt_outs": `
    insert into private.erased_opt_outs (identity, channel, number_id, opted_out_at) values
      (sha256('somebody'), 'whatsapp', '106540352242922', now())`,
  "private.erased_keys": `insert into private.erased_keys (hash) values (sha256('an update'))`,
  "private.template_categories": `
    insert into private.template_categories (channel, account, name, language, template_id, category, at) values
      ('whatsapp', '240011223344556', 'offer', 'en', '1689556908129832', 'marketing', now()),
      ('whatsapp', '240011223344556', 'unheard_of', 'en', null, null, now())`,
  "private.text_checks": "", // its rows come with it
  "public.contacts": `
    insert into public.contacts (id, name) values
      ('00000000-0000-7000-8000-0000000000c1', 'Ada'), ('00000000-0000-7000-8000-0000000000c2', 'Ada L.');
    update public.contacts set merged_into = '00000000-0000-7000-8000-0000000000c1'
      where id = '00000000-0000-7000-8000-0000000000c2'`,
  "public.contact_merges": `
    insert into public.contact_merges (kept_id, other_id, reason, undone_at, undone_by) values
      ('00000000-0000-7000-8000-0000000000c1', '00000000-0000-7000-8000-0000000000c2', 'same order', now(), 'postgres')`,
  "public.contact_identities": `
    insert into public.contact_identities (contact_id, kind, value, valid_to) values
      ('00000000-0000-7000-8000-0000000000c1', 'phone', '16505551234', null),
      ('00000000-0000-7000-8000-0000000000c1', 'bsuid', 'US.13491208655302741918', now())`,
  "public.conversations": `
    insert into public.conversations (id, number_id, contact_id, last_inbound_at) values
      ('00000000-0000-7000-8000-0000000000a1', '106540352242922', '00000000-0000-7000-8000-0000000000c1', now())`,
  "public.webhook_events": `
    insert into public.webhook_events (dedupe_key, field, kind, number_id, raw) values
      ('m:106540352242922:wamid.1:text', 'messages', 'message', '106540352242922', null),
      ('x:00', 'unknown', 'other', null, '{"a": 1}')`,
  "public.messages": `
    insert into public.messages (id, conversation_id, direction, provider_id, type, text, native, status) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000a1', 'in', 'wamid.1', 'text', 'hi',
        '{"type": "text"}', 'received'),
      ('00000000-0000-7000-8000-0000000000e2', '00000000-0000-7000-8000-0000000000a1', 'out', 'wamid.2', 'text', 'hello',
        '{"type": "text"}', 'sent')`,
  "public.message_authors": `
    insert into public.message_authors (message_id, contact_id) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000c1')`,

  "public.destination_allowlist": `
    insert into public.destination_allowlist (pattern, purpose) values ('*.example.com', 'forward')`,
  "public.allowlist_history": "", // by trigger of destination_allowlist
  "public.destinations": `
    insert into public.destinations (id, name, url) values
      ('00000000-0000-7000-8000-0000000000d1', 'demo', 'https://hooks.example.com/in')`,
  "private.destination_headers": `
    insert into private.destination_headers (destination_id, name, sealed, set_by) values
      ('00000000-0000-7000-8000-0000000000d1', 'authorization', 'v1.main.' || repeat('A', 16) || '.' || repeat('B', 30), 'key:default')`,
  "private.destination_secrets": `
    insert into private.destination_secrets (destination_id, secret) values
      ('00000000-0000-7000-8000-0000000000d1', 'whsec_' || encode(sha256('demo'), 'base64'))`,
  "public.routes": `
    insert into public.routes (id, name, condition) values
      ('00000000-0000-7000-8000-0000000000b1', 'everything', '{"type": "any"}')`,
  "public.route_destinations": `
    insert into public.route_destinations (route_id, destination_id, position) values
      ('00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-0000000000d1', 0)`,
  "public.routing_decisions": `
    insert into public.routing_decisions (message_id, route_id, route_name, reason, destination_ids, revision) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000b1', 'everything', 'matched',
        '{00000000-0000-7000-8000-0000000000d1}', 1)`,
  "public.deliveries": `
    insert into public.deliveries (id, message_id, destination_id, conversation_id, seq) values
      ('00000000-0000-7000-8000-0000000000f1', '00000000-0000-7000-8000-0000000000e1',
        '00000000-0000-7000-8000-0000000000d1', '00000000-0000-7000-8000-0000000000a1', 1)`,
  "public.service_events": `
    insert into public.service_events (id, seq, type, channel, conversation_id, at) values
      ('00000000-0000-7000-8000-0000000000f5', 2, 'contact.opted_out', 'whatsapp', '00000000-0000-7000-8000-0000000000a1', now())`,
  "private.conversation_presence": `
    insert into private.conversation_presence (conversation_id, user_id, at) values
      ('00000000-0000-7000-8000-0000000000a1', '00000000-0000-7000-8000-000000000001', now())`,
  "public.conversation_desk": `
    insert into public.conversation_desk (conversation_id, read_seq) values ('00000000-0000-7000-8000-0000000000a1', 1)`,
  "public.conversation_notes": `
    insert into public.conversation_notes (conversation_id, text) values
      ('00000000-0000-7000-8000-0000000000a1', 'asked for a call back')`,
  "public.canned_replies": `
    insert into public.canned_replies (name, text) values ('thanks', 'Thank you, {{name}}.')`,
  "public.delivery_attempts": `
    insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms) values
      ('00000000-0000-7000-8000-0000000000f1', 1, 'retry', 503, 12)`,
  "private.delivery_lanes": `
    insert into private.delivery_lanes (destination_id, conversation_id, due_at) values
      ('00000000-0000-7000-8000-0000000000d1', '00000000-0000-7000-8000-0000000000a1', now())`,
  "public.outbound_messages": `
    insert into public.outbound_messages (conversation_id, number_id, message_id, payload, idempotency_key) values
      ('00000000-0000-7000-8000-0000000000a1', '106540352242922', '00000000-0000-7000-8000-0000000000e2',
        '{"type": "text", "text": {"body": "hello"}}', 'order-1')`,
  "private.outbound_lanes": `
    insert into private.outbound_lanes (conversation_id, number_id, due_at) values
      ('00000000-0000-7000-8000-0000000000a1', '106540352242922', now())`,

  "public.links": `
    insert into public.links (code, external_id, request_hash, default_url, tags, utm) values
      ('demo2345', 'poster-1', 'h', 'https://www.example.com/', '{poster}', '{"campaign": "spring"}')`,
  "private.link_passwords": `
    insert into private.link_passwords (code, hash) values ('demo2345', 'scrypt$16384$8$5$c2FsdA==$a2V5')`,
  "private.link_guessers": `
    insert into private.link_guessers (code, client, guesses, at, free_at, allowed) values
      ('demo2345', '00112233aabbccdd', 2, now(), now(), true)`,
  "public.link_guesses":
    `insert into public.link_guesses (code, hour, wrong) values ('demo2345', '2026-11-21T10:00Z', 3)`,
  "private.visitor_keys": `insert into private.visitor_keys (day) values ('2026-11-21')`,
  "private.cookie_key": `insert into private.cookie_key default values`,
  "public.orphan_visits":
    `insert into public.orphan_visits (day, code, visits) values ('2026-11-21', 'dem02345', 3)`,
  "public.clicks": `
    insert into public.clicks (code, at, verdict, target, platform, token) values
      ('demo2345', now(), 'human', 'whatsapp', 'ios', 'abcdefgh234567ab')`,
  "public.click_counts": `
    insert into public.click_counts (code, day, slot, human) values ('demo2345', '2026-11-21', 3, 1)`,
  "public.click_days": `
    insert into public.click_days values ('demo2345', '2026-11-20', 1, 0, 0, 0, 1, '{"ios": 1}', '{}', '{}', '{"web": 1}')`,
  "private.click_batches":
    `insert into private.click_batches (id) values ('00000000-0000-4000-8000-000000000001')`,
  "public.attributions": `
    insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000c1', 'demo2345', 'abcdefgh234567ab',
        'exact', 'first', true)`,
  "private.unknown_tokens": `
    insert into private.unknown_tokens (message_id) values ('00000000-0000-7000-8000-0000000000e1')`,

  "public.segments": `insert into public.segments (key, description) values ('beta', 'who asked for it')`,
  "public.segment_members":
    `insert into public.segment_members (segment_key, subject_id) values ('beta', 'u1')`,
  "public.segment_history": "", // by trigger of segment_members
  "private.change_history": `
    insert into private.change_history (kind, name, change) values ('destination', 'orders', 'added')`,
  "public.flag_evaluations": `
    insert into public.flag_evaluations (flag_key, first_at, last_at) values ('deeplinks.enabled', now(), now())`,
  "public.flag_metrics": `
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le) values
      ('deeplinks.enabled', '2026-11-21 10:00Z', 'on', 10, 1, 9, 450, array_fill(9, array[27]))`,
  "private.flag_sufferers": `
    insert into private.flag_sufferers (flag_key, subject_id, failed, place, at) values
      ('deeplinks.enabled', 'u1', true, 9, '2026-11-21 10:00Z')`,
  "private.affected_people": `
    insert into private.affected_people (flag_key, subject_id, failures, first_at, last_at) values
      ('deeplinks.enabled', 'u1', 2, '2026-11-21 10:00Z', '2026-11-21 10:05Z')`,
  "public.rollouts": `
    insert into public.rollouts (id, flag_key, plan) values
      ('00000000-0000-7000-8000-000000000b01', 'deeplinks.enabled', 'custom')`,
  "public.rollout_stages": `
    insert into public.rollout_stages (rollout_id, position, name, percentage, hold_minutes, min_samples, advance_when,
      roll_back_when) values
      ('00000000-0000-7000-8000-000000000b01', 1, 'everybody', 100, 60, 100, '{}', '{"error_rate_above": 0.01}')`,
  "public.rollout_events": `
    insert into public.rollout_events (id, rollout_id, at, kind, stage, figures, rollout_version) values
      ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000b01', now(), 'created', 0,
        '{"flag": "deeplinks.enabled", "plan": "custom"}', 1)`,
  "private.kill_switches": `
    insert into private.kill_switches (flag_key, since, seen_at) values ('stopped.enabled', now(), now())`,
  "public.feedback": `
    insert into public.feedback (id, at, kind, subject_id, positive, text, source) values
      ('00000000-0000-7000-8000-000000000c01', now(), 'complaint', 'u1', false, 'it fails', 'api')`,
  "public.rollout_feedback": `
    insert into public.rollout_feedback (rollout_id, feedback_id, stage, arm) values
      ('00000000-0000-7000-8000-000000000b01', '00000000-0000-7000-8000-000000000c01', 1, 'on')`,
  "private.feedback_heard": "", // one row from the beginning
  "public.business_metrics": `
    insert into public.business_metrics (name, created_at) values ('order.paid', now())`,
  "public.metric_days": `
    insert into public.metric_days (name, day, slot, n, value) values ('order.paid', '2026-11-21', 0, 2, 25)`,
  "private.metric_keys": `
    insert into private.metric_keys (key, at) values (sha256('order-1'), now())`,
  "private.metric_people": `
    insert into private.metric_people (rollout_id, stage, name, subject_id, arm, by_share, n, value) values
      ('00000000-0000-7000-8000-000000000b01', 1, 'order.paid', 'u1', 'on', true, 2, 25)`,
  "private.guard_skips": `
    insert into private.guard_skips (rollout_id, since, at, holders) values
      ('00000000-0000-7000-8000-000000000b01', now(), now(), '[]')`,
  "public.notification_endpoints": `
    insert into public.notification_endpoints (id, name, kind, host, events) values
      ('00000000-0000-7000-8000-000000000b03', 'incidents', 'slack', 'hooks.example.com', '{paged}')`,
  "private.notification_addresses": `
    insert into private.notification_addresses (endpoint_id, url, secret) values
      ('00000000-0000-7000-8000-000000000b03', 'https://hooks.example.com/in', 'whsec_' || encode(sha256('demo'), 'base64'))`,
  "public.notifications": `
    insert into public.notifications (endpoint_id, event_id, payload, next_attempt_at) values
      ('00000000-0000-7000-8000-000000000b03', '00000000-0000-7000-8000-000000000b02', '{"kind": "paged"}', now())`,

  "public.gate_approvals": `
    insert into public.gate_approvals (flag_key, gate, role, applies, signed_by, signed_as, signed_with) values
      ('deeplinks.enabled', 'approval', 'engineering', true, '00000000-0000-4000-8000-000000000002', 'lead@example.com',
        'session')`,
  "private.purges": `
    insert into private.purges (what, due_at, began_at, rows) values ('webhook_events', now(), now(), 12)`,
  "private.part_states":
    `insert into private.part_states (component, status, since) values ('queue', 'degraded', now())`,
  "private.storage_days": `insert into private.storage_days (day, bytes) values ('2026-11-21', 30000000)`,
  "public.rollback_events": `
    insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by) values
      (1, 'deeplinks.enabled', 'error rate of 6 %', true, '[]', 2100, now(), 'service_role')`,

  "public.incidents": `
    insert into public.incidents (id, title, kind, severity, opened_at, escalates_from, public) values
      ('00000000-0000-7000-8000-00000000f001', 'Replies come late', 'bug', 'P2', now(), now(), true)`,
  "public.incident_updates": `
    insert into public.incident_updates (id, incident_id, at, kind, status, public, text, version) values
      ('00000000-0000-7000-8000-00000000f002', '00000000-0000-7000-8000-00000000f001', now(), 'published', 'investigating', true,
        'We are looking into it.', 1)`,
  "public.escalation_steps": "", // its rows come with it
  "private.status_posts": `
    insert into private.status_posts (update_id, incident_id, next_attempt_at) values
      ('00000000-0000-7000-8000-00000000f002', '00000000-0000-7000-8000-00000000f001', now())`,

  "public.reports": `
    insert into public.reports (kind, period_from, due_at, figures, look) values
      ('weekly', '2026-11-16T08:00Z', '2026-11-23T08:00Z', '{"features": [], "debt": []}', '{}')`,
  "public.saved_views": `
    insert into public.saved_views (page, name, search, shared, created_by)
    select '/links', 'off', 'state=disabled', true, user_id from public.team_members limit 1`,
  "public.rollout_notices": `
    insert into public.rollout_notices (rollout_id, position, day, to_whom, text, report, due_at)
    select r.id, 1, 0, 'All teams', 'It is there.', false, now() from public.rollouts r order by r.id limit 1`,
  "public.announcements": `
    insert into public.announcements (id, name, audience, text) values
      ('00000000-0000-7000-8000-00000000f003', 'beta', '{"kind": "segments", "segments": ["beta"]}', 'It is here.')`,
  "public.campaigns": `
    insert into public.campaigns (id, name, from_email, subject, text) values
      ('00000000-0000-7000-8000-00000000f00c', 'news', 'ada@example.com', 'News', 'It is here.')`,
  "public.campaign_recipients": `
    insert into public.campaign_recipients (campaign_id, address) values
      ('00000000-0000-7000-8000-00000000f00c', 'reader@example.org')`,
  "private.campaign_tickets": `
    insert into private.campaign_tickets (ticket, campaign_id, told) values
      (1, '00000000-0000-7000-8000-00000000f00c', 128)`,
  "private.campaign_news": `
    insert into private.campaign_news (campaign_id, recipient_id, what) values
      ('00000000-0000-7000-8000-00000000f00c', 1, 'sent')`,
  "private.campaign_counts": `
    insert into private.campaign_counts (campaign_id, hour, what, n) values
      ('00000000-0000-7000-8000-00000000f00c', now(), 'recipients', 1)`,
  "public.announcement_recipients": `
    insert into public.announcement_recipients (announcement_id, contact_id) values
      ('00000000-0000-7000-8000-00000000f003', '00000000-0000-7000-8000-0000000000c1')`,

  "public.contact_acts": `
    insert into public.contact_acts (act, contact_id, reason) values
      ('revealed', '00000000-0000-7000-8000-0000000000c1', 'asked for a call back')`,
  "private.inboxes": `
    insert into public.destinations (id, name, kind, url) values
      ('00000000-0000-7000-8000-0000000000d2', 'inbox-ada', 'inbox', 'inbox:00000000-0000-7000-8000-0000000e0001')
      on conflict do nothing;
    insert into private.inboxes (destination_id, identity, from_email, user_id, forward_to, is_default, provider, state, verified_at,
      created_at) values
      ('00000000-0000-7000-8000-0000000000d2', '00000000-0000-7000-8000-0000000e0001', 'ada@example.com', 'u1',
        'ada@inbox.example', true, 'sendgrid', 'active', now(), now())`,
  "public.mailboxes": `
    insert into public.mailboxes (id, identity, provider, address, state_at, connected_at, connected_by, refreshed_at) values
      ('00000000-0000-7000-8000-0000000e0011', '00000000-0000-7000-8000-0000000e0001', 'google', 'ada@example.com', now(), now(),
        'key:default', now())`,
  "private.mailbox_reads": "", // with its mailbox
  "private.mailbox_tokens": `
    insert into private.mailbox_tokens (mailbox_id, access, refresh, refresh_at, expires_at) values
      ('00000000-0000-7000-8000-0000000e0011', 'v1.main.a.b', 'v1.main.c.d', now(), now())`,
  "private.mailbox_starts": `
    insert into private.mailbox_starts (state_hash, provider, verifier, started_by, expires_at) values
      (repeat('0', 64), 'google', 'v1.main.a.b', 'key:default', now())`,
  "private.identity_checks": `
    insert into private.identity_checks (identity, what, address) values
      ('00000000-0000-7000-8000-0000000e0001', 'forward', 'ada@other.example')`,
  "public.email_replies": `
    insert into public.email_replies (message_id, reply_to, via, arm, verified, is_recipient, forward_wanted) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000e2', 'token', 'on', true, true, true)`,
  "public.email_events": `
    insert into public.email_events (event_type, message_id, metadata) values
      ('reply', '00000000-0000-7000-8000-0000000000e2', '{"via": "token"}')`,
  "private.ticket_key": `insert into private.ticket_key default values on conflict do nothing`,
  "public.tracking_consents": `
    insert into public.tracking_consents (contact_id, mode, source)
    select c.id, 'aggregate', 'form' from public.contacts c order by c.id limit 1`,
  "private.mail_link_sets": `
    insert into private.mail_link_sets (hash, links, used_at) values ('\\x01', '{https://shop.example/}', now())`,
  "private.mail_tickets": `
    insert into private.mail_tickets (message_id, contact_id, link_set, mode, created_at)
    select '00000000-0000-7000-8000-0000000000e2', c.id, s.id, 'individual', now()
    from private.mail_link_sets s, (select x.id from public.contacts x order by x.id limit 1) c limit 1`,
  "public.email_opens": `
    insert into public.email_opens (ticket, message_id, at, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 'human', 'browser', 'chrome', 'p.browser', false from private.mail_tickets t limit 1`,
  "public.email_clicks": `
    insert into public.email_clicks (ticket, message_id, at, link, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 1, 'human', 'browser', 'chrome', 'p.browser', false from private.mail_tickets t limit 1`,
  "private.mail_senders": `
    insert into private.mail_senders (id, message_id, address, recipient, created_at) values
      ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000e1', 'bo@example.org', 'x@reply.example.com', now())`,
  "public.suppressions": `
    insert into public.suppressions (address, reason, source) values ('gone@example.org', 'bounce', 'sendgrid')`,
  "private.erased_declines":
    `insert into private.erased_declines (hash, since) values (sha256('somebody'), now())`,
  "private.erased_suppressions": `
    insert into private.erased_suppressions (hash, scope, reason, since) values (sha256('somebody'), 'all', 'complaint', now())`,
  "public.storage_objects": `
    insert into public.storage_objects (bucket, path, kind, bytes, of_message, message_id, expires_at) values
      ('email-raw', '2026-11-21/00.eml', 'raw', 2048, true, '00000000-0000-7000-8000-0000000000e1', now() + interval '30 days')`,
  "public.media_files": `
    insert into public.media_files (message_id, number_id, media_id, mime_type, sha256, next_attempt_at)
    select m.id, c.number_id, '1', 'image/jpeg', 'hash', now() from public.messages m join public.conversations c on c.id = m.conversation_id
    where m.channel = 'whatsapp' and m.direction = 'in' order by m.seq limit 1`,
  "public.text_files": `
    insert into public.text_files (message_id, place, provider, url, mime_type, at_provider, next_attempt_at)
    select m.id, 0, 'twilio', 'https://api.example.com/Media/ME1', 'image/jpeg', 'to_delete', now() from public.messages m
    where m.direction = 'in' order by m.seq limit 1`,
  "public.media_uploads": `
    insert into public.media_uploads (id, sha256, mime_type, name, bytes, path, created_by) values
      ('00000000-0000-7000-8000-0000000000f1', repeat('0', 64), 'image/png', 'price list.png', 10, 'out/1', 'default')`,
  "public.media_provider_ids": `
    insert into public.media_provider_ids (upload_id, number_id, media_id) values ('00000000-0000-7000-8000-0000000000f1', '1', '2')`,
  "public.email_identities": `
    insert into public.email_identities (id, user_id, from_email, forward_to, is_default, verified_at, created_at)
    select i.identity, i.user_id, i.from_email, i.forward_to, i.is_default, i.verified_at, i.created_at from private.inboxes i
    on conflict do nothing`,
  "public.reply_tokens": `
    insert into public.reply_tokens (token, message_id) values ('abcdefgh234567mn', '00000000-0000-7000-8000-0000000000e2')`,

  "public.orgs": `
    insert into public.orgs (id, name, zone) values ('00000000-0000-7000-8000-000000000a01', 'Moss', 'Europe/Berlin')`,
  "public.org_members": `
    insert into public.org_members (id, org_id, role, contact_id)
    select '00000000-0000-7000-8000-000000000a02', '00000000-0000-7000-8000-000000000a01', 'sitter', c.id
    from public.contacts c order by c.id desc limit 1`,
  "public.org_numbers": `
    insert into public.senders (channel, id, address, provider) values ('sms', 'PN0001', '12025550301', 'twilio') on conflict do nothing;
    insert into public.org_numbers (number_id, org_id, class) values ('PN0001', '00000000-0000-7000-8000-000000000a01', 'pool')`,
  "public.threads": `
    insert into public.threads (id, org_id, client_id, message_number_id, number_class, opened_by) values
      ('00000000-0000-7000-8000-000000000a03', '00000000-0000-7000-8000-000000000a01', '00000000-0000-7000-8000-0000000000c1',
        'PN0001', 'pool', 'assignment')`,
  "public.thread_legs": `
    insert into public.thread_legs (thread_id, contact_id, role, number_id) values
      ('00000000-0000-7000-8000-000000000a03', '00000000-0000-7000-8000-0000000000c1', 'client', 'PN0001')`,
  "public.bookings": `
    insert into public.bookings (id, org_id, external_id, client_id, starts_local, ends_local, zone) values
      ('00000000-0000-7000-8000-000000000a04', '00000000-0000-7000-8000-000000000a01', 'b-1', '00000000-0000-7000-8000-0000000000c1',
        '2026-12-24 18:00', '2026-12-24 19:00', 'Europe/Berlin')`,
  "public.assignment_windows": `
    insert into public.assignment_windows (org_id, booking_id, member_id, client_id, opens_at, closes_at) values
      ('00000000-0000-7000-8000-000000000a01', '00000000-0000-7000-8000-000000000a04', '00000000-0000-7000-8000-000000000a02',
        '00000000-0000-7000-8000-0000000000c1', '2026-12-24 16:00Z', '2026-12-24 19:00Z')`,
  "private.pool_states": `
    insert into private.pool_states (org_id, numbers, draining, needed, closed, state, since, at)
      values ('00000000-0000-7000-8000-000000000a01', 1, 0, 1, 1, 'exhausted', now(), now())`,
  "private.pool_days": `
    insert into private.pool_days (org_id, day, closed) values ('00000000-0000-7000-8000-000000000a01', '2026-11-01', 1)`,
  "private.org_topics": `
    insert into private.org_topics (org_id, topic, is_on, since) values ('00000000-0000-7000-8000-000000000a01', 'sitters', true, now())`,
  "public.org_notices": `
    insert into public.org_notices (org_id, member_id, topic, begins, since, way)
      values ('00000000-0000-7000-8000-000000000a01', '00000000-0000-7000-8000-000000000a02', 'sitters', true, now(), 'text')`,
  "public.thread_decisions": `
    insert into public.thread_decisions (id, org_id, thread_id, contact_id, from_role, from_last4, outcome, reason, types) values
      ('00000000-0000-7000-8000-000000000a05', '00000000-0000-7000-8000-000000000a01', '00000000-0000-7000-8000-000000000a03',
        '00000000-0000-7000-8000-0000000000c1', 'client', '0101', 'blocked', 'anti_poaching', '{phone}')`,
  "public.policy_findings": `
    insert into public.policy_findings (decision_id, ord, org_id, type, rule, score, redacted) values
      ('00000000-0000-7000-8000-000000000a05', 1, '00000000-0000-7000-8000-000000000a01', 'phone', 'phone.national', 0.85, '••••••••43')`,
  "public.telegram_chats": `
    insert into public.telegram_chats (id, kind, title) values (-1002000000001, 'supergroup', 'Operations')`,
  "private.telegram_targets": `
    insert into public.destinations (id, name, kind, url, rate_per_second) values
      ('00000000-0000-7000-8000-000000000b01', 'operations', 'telegram', 'telegram:-1002000000001', 0.25) on conflict do nothing;
    insert into private.telegram_targets (destination_id, chat_id) values ('00000000-0000-7000-8000-000000000b01', -1002000000001)`,
  "public.oncall_schedules": `
    insert into public.oncall_schedules (id, name) values ('00000000-0000-7000-8000-000000000c01', 'planted')`,
  "private.oncall_people": `
    insert into private.oncall_people (id, name, email) values ('00000000-0000-7000-8000-000000000c02', 'Ana', 'ana@team.example')`,
  "private.oncall_layers": `
    insert into private.oncall_layers (schedule_id, people, unit, every, starts_on, handover)
    values ('00000000-0000-7000-8000-000000000c01', '{00000000-0000-7000-8000-000000000c02}', 'week', 1, '2026-11-02', '09:00')`,
  "private.oncall_overrides": `
    insert into private.oncall_overrides (schedule_id, person_id, during)
    values ('00000000-0000-7000-8000-000000000c01', '00000000-0000-7000-8000-000000000c02', tstzrange(now(), now() + interval '1 hour'))`,
  "private.oncall_answers": `
    insert into private.oncall_answers (schedule_id, fault) values ('00000000-0000-7000-8000-000000000c01', 'timeout')`,
  "private.oncall_circuits": `
    insert into private.oncall_circuits (source, failures) values ('pagerduty', 1)`,
  "public.telegram_people": `
    insert into public.telegram_people (user_id, telegram_id, name)
    values ('00000000-0000-7000-8000-000000000001', 5100000001, 'Ana')`,
  "private.telegram_links": `
    insert into private.telegram_links (token_hash, user_id, expires_at)
    values (sha256('token'), '00000000-0000-7000-8000-000000000001', now() + interval '10 minutes')`,
  "private.telegram_updates": `
    insert into private.telegram_updates (update_id, received_at) values (700000001, now())`,
  "public.cards": `
    insert into public.deliveries (id, message_id, destination_id, conversation_id, seq, state, delivered_at) values
      ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-0000000000e1',
        '00000000-0000-7000-8000-000000000b01', '00000000-0000-7000-8000-0000000000a1', 1, 'delivered', now());
    insert into public.cards (delivery_id, token, chat_id, message_ids) values
      ('00000000-0000-7000-8000-000000000b02', 'abcdefghijklmnop', -1002000000001, '{4000}')`,
  "private.oncall_mirrors": `
    insert into private.oncall_mirrors (key, delivery_id, schedule_id, wanted, changed_at, created_at)
    values ('gatelink:abcdefghijklmnop', '00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000c01', 'open', now(), now())`,
  "private.oncall_news": `
    insert into private.oncall_news (source, event_id, at) values ('pagerduty', 'E1', now())`,
  "private.oncall_pages": `
    insert into private.oncall_pages (delivery_id, schedule_id, created_at)
    values ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000c01', now())`,
  "public.card_presses": `
    insert into public.card_presses (delivery_id, user_id, action, outcome, state_before, version) values
      ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000001', 'ack', 'refused', 'open', 1)`,
  "public.card_folds": `
    insert into public.card_folds (delivery_id, leader) values
      ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000b02')`,
  "private.card_storms": `
    insert into private.card_storms (destination_id, pattern, leader, last_at) values
      ('00000000-0000-7000-8000-000000000b01', sha256('a kind'), '00000000-0000-7000-8000-000000000b02', now())`,
  "public.analyses": `
    insert into public.analyses (message_id, state, source, sentiment, urgency, summary, due_at, done_at)
    values ('00000000-0000-7000-8000-0000000000e1', 'done', 'model', 'neutral', 'high', 'A question.', null, now())`,
  "public.analysis_labels": `
    insert into public.analysis_labels (message_id, user_id, sentiment)
    values ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-000000000001', 'negative')`,
  "private.provider_circuits": `
    insert into private.provider_circuits (provider, failures) values ('openai', 1)`,
  "public.chat_replies": `
    insert into public.chat_replies (message_id, thread, source, user_id, by, state, text, recipient, sender_id, due_at, chat_id, ask_id, created_at)
    values ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000a1', 'chat', '00000000-0000-7000-8000-000000000001',
      '00000000-0000-7000-8000-000000000001', 'waiting', 'On it', '12025550143', '1', now() + interval '10 seconds', -1002000000001, 4002, now())`,
  "private.card_clears": `
    insert into private.card_clears (chat_id, message_id, is_file) values (-1002000000001, 3999, false)`,
  "public.route_history": `
    select private.record_route('00000000-0000-7000-8000-0000000000b1')`,
  // Last of all: a change of configuration takes it away.
  "private.config_changes": `insert into private.config_changes default values`,
};
