/**
 * A month of traffic, filled in by set-based SQL: so many messages, each with what it leaves behind, and as many links and
 * visits of them. A row is as it stands after a while: stored, decided, delivered, answered.
 *
 * Time runs evenly over {@linkcode DAYS}. A person writes {@linkcode EACH} messages within a day or two and is gone, a link
 * is visited in its first days: what is alive is a small part of what is kept, as in life. Ids grow with time; numbers, the
 * provider's ids and codes of links lie anywhere in their indexes.
 */
import type { Sql, TransactionSql } from "postgres";

/** Days of traffic: one more than what is kept, so that a day is due to be purged. */
export const DAYS = 31;
/** Messages of each person. */
const EACH = 10;

/** What grows with the messages; the rest is as large as the team makes it. */
const TABLES = [
  "public.contacts",
  "public.contact_identities",
  "public.conversations",
  "public.messages",
  "public.webhook_events",
  "public.routing_decisions",
  "public.deliveries",
  "public.delivery_attempts",
  "private.delivery_lanes",
  "public.outbound_messages",
  "private.outbound_lanes",
  "public.links",
  "public.clicks",
];

/** Fills a migrated database that is otherwise empty. */
export async function fill(sql: Sql, rows: number): Promise<void> {
  await sql.begin(async (tx) => {
    // Tables that are made anew in the same transaction go to their files past the log.
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local maintenance_work_mem = '256MB';
      truncate ${TABLES.join(", ")} restart identity cascade`);
    await withoutIndexes(tx, () => insert(tx, rows));
  });
  await sql`insert into public.settings (key, value)
    select 'retention.' || what || '_days', ${String(DAYS - 1)}
    from unnest('{event,raw,decision,delivery,outbound,click}'::text[]) as what`;
  // The clock counts each minute as it ends; here it has an hour to catch up with.
  await sql`insert into public.measurements (name, label, minute, n, last_at)
    values ('messages', 'in', date_trunc('minute', now() - interval '1 hour'), 0, now())`;
  await sql`select private.sample_minutes(clock_timestamp())`;
  await sql`vacuum analyze`;
  await sql`checkpoint`;
}

/**
 * Runs `work` while the tables lack their indexes, and builds them after it: sorted once, where each row would look for its
 * place in a dozen of them. Those that foreign keys lean on stay; nearly all of their keys grow, which costs little.
 */
async function withoutIndexes(tx: TransactionSql, work: () => Promise<void>): Promise<void> {
  const indexes = await tx<{ drop: string; make: string }[]>`
    select format('alter table %s drop constraint %I', c.conrelid::regclass, c.conname) as drop,
      format('alter table %s add constraint %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) as make
    from pg_constraint c
    where c.contype in ('p', 'u') and c.conrelid = any (${TABLES}::text[]::regclass[])
      and not exists (select from pg_constraint f where f.contype = 'f' and f.conindid = c.conindid)
    union all
    select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    from pg_index i
    where i.indrelid = any (${TABLES}::text[]::regclass[])
      and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`;
  for (const { drop } of indexes) await tx.unsafe(drop);
  await work();
  for (const { make } of indexes) await tx.unsafe(make);
}

async function insert(tx: TransactionSql, rows: number): Promise<void> {
  const people = Math.ceil(rows / EACH);
  // What is n steps old as people (links) and has messages (visits) now is up to a day of them behind.
  const behind = (n: number) => `(hashint4(g)::bigint & 2147483647) % ${Math.ceil(n / DAYS)}`;
  const person = `greatest(1, ${people} - (${rows} - g) / ${EACH} - ${behind(people)})`;
  const link = `greatest(1, g - ${behind(rows)})`;
  const each = `generate_series(1, ${rows}) g`;
  const received = `generate_series(2, ${rows}, 2) g`;
  const sent = `generate_series(1, ${rows}, 2) g`;
  await tx.unsafe(`
    create or replace function pg_temp.at_share(n bigint, of_all bigint) returns timestamptz language sql stable as $$
      select now() - make_interval(secs => ${DAYS} * 86400.0 * (of_all - n) / of_all) $$;
    create or replace function pg_temp.at_row(n bigint) returns timestamptz language sql stable as $$
      select pg_temp.at_share(n, ${rows}) $$;
    create or replace function pg_temp.id(kind text, n bigint, at timestamptz) returns uuid language sql stable as $$
      select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')
        || '8' || substr(md5(kind || n), 1, 15))::uuid $$;
    create or replace function pg_temp.person(n bigint) returns uuid language sql stable as $$
      select pg_temp.id('person', n, pg_temp.at_share(n, ${people})) $$;
    create or replace function pg_temp.conversation(n bigint) returns uuid language sql stable as $$
      select pg_temp.id('conversation', n, pg_temp.at_share(n, ${people})) $$;
    create or replace function pg_temp.message(n bigint) returns uuid language sql stable as $$
      select pg_temp.id('message', n, pg_temp.at_row(n)) $$;
    create or replace function pg_temp.delivery(n bigint) returns uuid language sql stable as $$
      select pg_temp.id('delivery', n, pg_temp.at_row(n)) $$;
    create or replace function pg_temp.phone(n bigint) returns text language sql immutable as $$
      select '4915' || lpad((n * 7919 % 100000000)::text, 8, '0') $$;
    create or replace function pg_temp.wamid(n bigint) returns text language sql immutable as $$
      select 'wamid.HBgM' || upper(md5('message ' || n)) $$;
    create or replace function pg_temp.code(n bigint) returns text language sql immutable as $$
      select substr(md5('link ' || n), 1, 14) $$;

    insert into public.senders (channel, id, address) values ('whatsapp', '1', '15550001234');
    insert into public.destinations (name, url) values ('crm', 'https://crm.example.com/');
    insert into private.destination_secrets (destination_id, secret)
      select id, 'whsec_' || encode(sha256('bench'), 'base64') from public.destinations;

    insert into public.contacts (id, name, created_at, updated_at)
      select pg_temp.person(g), 'Person ' || g, t, t
      from generate_series(1, ${people}) g cross join lateral pg_temp.at_share(g, ${people}) t;
    insert into public.contact_identities (contact_id, kind, value, sender_id)
      select pg_temp.person(g), 'phone', pg_temp.phone(g), '1' from generate_series(1, ${people}) g;
    insert into public.conversations (id, number_id, contact_id, last_inbound_at, last_message_at, routed_seq, created_at)
      select pg_temp.conversation(g), '1', pg_temp.person(g), t, t, ${rows}, t
      from generate_series(1, ${people}) g cross join lateral pg_temp.at_share(g, ${people}) t;
    insert into private.delivery_lanes (destination_id, conversation_id)
      select d.id, pg_temp.conversation(g) from generate_series(1, ${people}) g cross join public.destinations d;
    insert into private.outbound_lanes (conversation_id, number_id)
      select pg_temp.conversation(g), '1' from generate_series(1, ${people}) g;

    insert into public.messages (id, conversation_id, direction, provider_id, type, text, native, status, status_rank, sent_at, created_at)
      select pg_temp.message(g), pg_temp.conversation(${person}), case when g % 2 = 0 then 'in' else 'out' end, pg_temp.wamid(g),
        'text', 'Is my order ' || g || ' on its way?',
        jsonb_build_object('from', pg_temp.phone(${person}), 'id', pg_temp.wamid(g), 'timestamp', extract(epoch from t)::bigint::text,
          'type', 'text', 'text', jsonb_build_object('body', 'Is my order ' || g || ' on its way?')),
        case when g % 2 = 0 then 'received' else 'delivered' end, case when g % 2 = 0 then 0 else 3 end, t, t
      from ${each} cross join lateral pg_temp.at_row(g) t;
    insert into public.webhook_events (dedupe_key, field, kind, number_id, raw, received_at)
      select case when g % 2 = 0 then 'm:1:' || pg_temp.wamid(g) || ':text' else 's:1:' || pg_temp.wamid(g) || ':delivered' end,
        'messages', case when g % 2 = 0 then 'message' else 'status' end, '1',
        case when g % 2 = 1 then jsonb_build_object('id', pg_temp.wamid(g), 'status', 'delivered',
          'timestamp', extract(epoch from t)::bigint::text, 'recipient_id', pg_temp.phone(${person}),
          'pricing', '{"billable":true,"category":"service","pricing_model":"PMP"}'::jsonb) end, t
      from ${each} cross join lateral pg_temp.at_row(g) t;
    insert into public.routing_decisions (message_id, reason, route_name, destination_ids, contact, explanation, revision, decided_at)
      select pg_temp.message(g), 'matched', 'everything', array[d.id], '4321',
        '[{"route":"everything","matched":true,"why":"any"}]', 1, pg_temp.at_row(g)
      from ${received} cross join public.destinations d;
    insert into public.deliveries (id, message_id, destination_id, conversation_id, seq, state, attempt, delivered_at, created_at, updated_at)
      select pg_temp.delivery(g), pg_temp.message(g), d.id, pg_temp.conversation(${person}), g, 'delivered', 1, t, t, t
      from ${received} cross join public.destinations d cross join lateral pg_temp.at_row(g) t;
    insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, at)
      select pg_temp.delivery(g), 1, 'delivered', 200, 20, pg_temp.at_row(g) from ${received};
    insert into public.outbound_messages (id, conversation_id, number_id, message_id, recipient, state, attempt, created_at, updated_at)
      select pg_temp.message(g), pg_temp.conversation(${person}), '1', pg_temp.message(g), pg_temp.phone(${person}), 'sent', 1, t, t
      from ${sent} cross join lateral pg_temp.at_row(g) t;

    insert into public.links (code, request_hash, default_url, created_at, updated_at)
      select pg_temp.code(g), 'bench', 'https://www.example.com/p/' || g, t, t
      from ${each} cross join lateral pg_temp.at_row(g) t;
    insert into public.clicks (code, at, verdict, target, platform, visitor, token)
      select pg_temp.code(${link}), pg_temp.at_row(g), 'human', 'web', 'ios', hashint8extended(g, 1),
        case when g % 10 = 0 then substr(md5('token ' || g), 1, 16) end
      from ${each};
    insert into public.click_counts (code, day, slot, human)
      select c.code, (now() at time zone 'UTC')::date, 0, count(*) from public.clicks c
      where c.at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' group by c.code`);
}
