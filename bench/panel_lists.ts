/** The panel's lists, and as much of each thing in the database as a bench asks for. */
import type { Sql } from "postgres";

/** A list of the panel. */
interface List {
  name: string;
  /** Its place in the panel. */
  path: string;
  /** A selector of what it shows for its first thing: then it can be worked with. */
  row: string;
}

/** The lists that may grow without end. */
export const LISTS: readonly List[] = [
  { name: "flags", path: "/flags", row: '[aria-label="Flags"] li a' },
  { name: "segments", path: "/flags/segments", row: '[aria-label="Segments"] li' },
  { name: "rollouts", path: "/rollouts", row: '[aria-label="Rollouts"] li a' },
  { name: "conversations", path: "/messages", row: '[aria-label="Conversations"] [role="listitem"]' },
  { name: "identities", path: "/mail?tab=identities", row: '[aria-label="Identities"] li' },
  { name: "suppressions", path: "/mail?tab=suppressions", row: '[aria-label="Suppressions"] li' },
  { name: "incidents", path: "/incidents", row: '[aria-label$="incidents"] li a' },
  { name: "announcements", path: "/announcements", row: '[aria-label="Announcements"] li a' },
  { name: "templates", path: "/templates", row: '[aria-label="Templates"] a' },
  { name: "destinations", path: "/deliveries", row: "main section[aria-label] h2" },
  {
    name: "waiting deliveries",
    path: "/deliveries?tab=waiting",
    row: '[aria-label="Waiting deliveries"] li',
  },
  { name: "dead letters", path: "/deliveries?tab=dead", row: '[aria-label="Dead letters"] li' },
  { name: "routes", path: "/routes", row: '[aria-label="Routes in order of evaluation"] li' },
  { name: "links", path: "/links", row: '[aria-label="Links"] li a' },
  { name: "audit", path: "/audit", row: '[aria-label="Changes"] li' },
  { name: "allowlist", path: "/settings?tab=allowlist", row: 'main button[aria-label^="Remove "]' },
  { name: "team", path: "/settings?tab=team", row: '[aria-label="Team"] li' },
];

/** Of each thing the one of each number from `from` to `to`. */
export async function fillLists(sql: Sql, from: number, to: number): Promise<void> {
  const numbers = sql`generate_series(${from}::int, ${to}::int) i`;
  const name = (prefix: string) => sql`${prefix}::text || lpad(i::text, 5, '0')`;
  await sql`
    insert into public.settings (key, value, metadata)
    select ${name("many")} || '.enabled', 'false', '{"rollout_percentage": 0}' from ${numbers}`;
  await sql`insert into public.segments (key) select ${name("segment-")} from ${numbers}`;
  await sql`
    insert into public.rollouts (flag_key, plan, state, started_at, finished_at)
    select ${name("many")} || '.enabled', 'canary', 'completed', now(), now() from ${numbers}`;
  await sql`
    insert into public.incidents (title, kind, severity, status, resolved_at, opened_at, escalates_from)
    select 'incident ' || i, 'error_rate', 'P2', 'resolved', now(), now(), now() from ${numbers}`;
  await sql`
    insert into public.announcements (name, audience, text, created_by)
    select 'announcement ' || i, '{"kind": "wrote", "days": 30}', 'Hello', 'bench' from ${numbers}`;
  await sql`
    insert into public.wa_templates (account, name, language, category, status, components)
    select '1', ${
    name("template_")
  }, 'en', 'UTILITY', 'APPROVED', '[{"type": "BODY", "text": "Hello"}]' from ${numbers}`;
  await sql`
    insert into public.email_identities (from_email, state)
    select ${name("person-")} || '@mail.example.com', 'active' from ${numbers}`;
  await sql`
    insert into public.suppressions (address, reason, source)
    select ${name("person-")} || '@example.com', 'bounce', 'manual' from ${numbers}`;
  await sql`
    insert into public.destination_allowlist (pattern, purpose)
    select ${name("host-")} || '.example.com', 'redirect' from ${numbers}`;
  await sql`
    with people as (
      insert into auth.users (id, email, email_confirmed_at)
      select gen_random_uuid(), ${name("member-")} || '@example.com', now() from ${numbers} returning id
    )
    insert into public.team_members (user_id, role) select id, 'viewer' from people`;
  await sql`
    select public.create_links((
      select jsonb_agg(jsonb_build_object('code', 'many-' || i, 'request_hash', 'x', 'default_url', 'https://www.example.com/'))
      from ${numbers}), 'bench')`;
  await fillDeliveries(sql, from, to);
  await sql`analyze`;
}

/** Destinations with a route each; conversations of one message, a delivery of which waits and another is dead. */
async function fillDeliveries(sql: Sql, from: number, to: number): Promise<void> {
  const numbers = sql`generate_series(${from}::int, ${to}::int) i`;
  await sql`select public.allow_host('services.example.com', 'forward')`;
  await sql`
    insert into public.destinations (name, url, state)
    select 'service-' || lpad(i::text, 5, '0'), 'https://services.example.com/', 'paused' from ${numbers}`;
  await sql`
    with made as (
      insert into public.routes (name, priority, condition)
      select 'route ' || lpad(i::text, 5, '0'), 200,
        '{"type": "text", "match": "keywords", "values": ["nothing like it"], "case_sensitive": false}'
      from ${numbers} returning id, name
    )
    insert into public.route_destinations (route_id, destination_id, position)
    select m.id, d.id, 1 from made m join public.destinations d on d.name = 'service-' || right(m.name, 5)`;
  await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
  await sql`
    with people as (
      insert into public.contacts (name) select 'Person ' || i from ${numbers} returning id
    ), conversations as (
      insert into public.conversations (contact_id, number_id, last_inbound_at, last_message_at)
      select id, '1', now(), now() from people returning id
    ), messages as (
      insert into public.messages (conversation_id, direction, type, text, status, sent_at)
      select id, 'in', 'text', 'Where is my parcel?', 'received', now() from conversations returning id, conversation_id, seq
    ), services as (
      select (select id from public.destinations where name = 'service-00001') as waits,
        (select id from public.destinations where name = 'service-00002') as failed
    )
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, last_error)
    select m.id, d.destination_id, m.conversation_id, m.seq, d.state, 1, now() + interval '1 day', 'status 503'
    from messages m, services s, lateral (values (s.waits, 'pending'), (s.failed, 'dead')) as d (destination_id, state)`;
  await sql`
    insert into private.delivery_lanes (destination_id, conversation_id, due_at)
    select destination_id, conversation_id, next_attempt_at from public.deliveries where state = 'pending'
    on conflict do nothing`;
}
