/**
 * What the panel searches and lists reads a page's worth by an index, or each table once: with a million of each thing
 * behind it. Pages are counted, of every statement within.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const MANY = 1_000_000;
/** Pages of a call that knows where to look: rows by index, and all that is shown of each. */
const PAGES = 4_000;
/** Who changed nearly everything, and who hardly anything. */
const BUSY = "0e000000-0000-4000-8000-000000000001", RARE = "0e000000-0000-4000-8000-000000000002";

const ID = (kind: string, n: string) =>
  `('0${kind}000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/** A million people, each of whom wrote once by the same link; a million links, and as many changes of each kind. */
async function fill(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.senders (channel, id) values ('whatsapp', '1') on conflict do nothing;
      insert into public.contacts (id, name)
        select ${ID("1", "g")}, 'Person Family' || g from generate_series(1, ${MANY}) g;
      insert into public.contact_identities (contact_id, kind, value)
        select ${ID("1", "g")}, 'phone', (49150000000 + g)::text from generate_series(1, ${MANY}) g;
      insert into public.conversations (id, number_id, contact_id, last_inbound_at, last_message_at)
        select ${ID("2", "g")}, '1', ${
      ID("1", "g")
    }, now() - g * interval '1 second', now() - g * interval '1 second'
        from generate_series(1, ${MANY}) g;
      insert into public.messages (id, conversation_id, direction, type, text, status)
        select ${ID("3", "g")}, ${
      ID("2", "g")
    }, 'in', 'text', 'hello', 'received' from generate_series(1, ${MANY}) g;
      insert into public.attributions (message_id, contact_id, code, confidence, reason, first_touch, created_at)
        select ${ID("3", "g")}, ${
      ID("1", "g")
    }, 'campaign', 'contact', 'clicked', false, now() - g * interval '1 second'
        from generate_series(1, ${MANY}) g;
      insert into public.links (code, request_hash, default_url, created_at)
        select 'link-' || g, 'h', 'https://www.example.com/' || g, now() - g * interval '1 second' from generate_series(1, ${MANY}) g;
      insert into public.settings_history (key, version, before, after, changed_at, changed_by)
        select 'flag' || g % 1000 || '.enabled', g, '{"value": "false", "metadata": {}}', '{"value": "true", "metadata": {}}',
          now() - g * interval '1 second', case when g = ${MANY} then '${RARE}' else '${BUSY}' end from generate_series(1, ${MANY}) g;
      insert into private.change_history (id, at, kind, name, change, by)
        select ${
      ID("4", "g")
    }, now() - g * interval '1 second', case when g = ${MANY} then 'number' else 'link' end, 'link-' || g, 'changed',
          case when g = ${MANY} then '${RARE}' else '${BUSY}' end from generate_series(1, ${MANY}) g;
      insert into public.contact_acts (id, act, contact_id, at, by)
        select ${ID("5", "g")}, 'replied', ${ID("1", "g")}, now() - g * interval '1 second',
          case when g = ${MANY} then '${RARE}' else '${BUSY}' end from generate_series(1, ${MANY}) g`);
  });
  await sql`vacuum analyze`;
}

/** Pages that a call reads, and what it answers. */
async function call<T>(sql: Sql, statement: string): Promise<{ pages: number; answer: T[] }> {
  // The answer is kept; EXPLAIN has none to give.
  const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(`
    explain (analyze, buffers, timing off, format json) insert into kept (answer) select to_jsonb(${statement})`);
  const [{ answer }] = await sql`delete from kept returning answer`;
  return { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], answer };
}

databaseTest("the panel's search and audit read little of a million of each thing", async (sql) => {
  await fill(sql);
  await sql`create temporary table kept (answer jsonb)`;
  const middle = new Date(Date.now() - MANY / 2 * 1000).toISOString();
  const [{ whole }] = await sql`
    select sum(pg_relation_size(c) / 8192)::int as whole
    from unnest('{public.settings_history,private.change_history,public.contact_acts,public.contact_identities}'::regclass[]) c`;
  const last = (49150000000 + MANY).toString();
  const calls: [statement: string, found: number, most: number][] = [
    [`public.search_conversations('campaign')`, 50, PAGES],
    [`public.search_conversations('campaign', 50, '{"at": "${middle}"}')`, 50, PAGES],
    [`public.search_conversations('1234')`, 50, PAGES],
    [`public.search_conversations('nothing-like-it')`, 0, PAGES],
    [`public.search_everything('+${last}')`, 1, PAGES],
    [`public.search_everything('family${MANY}')`, 1, PAGES],
    [`public.search_everything('link-${MANY}')`, 1, PAGES],
    [`public.list_audit()`, 50, PAGES],
    [`public.list_audit('{"before": "${middle}", "before_id": ""}')`, 50, PAGES],
    [`public.list_audit('{"who": "${RARE}"}')`, 3, PAGES],
    [`public.list_audit('{"kinds": ["number"]}')`, 1, PAGES],
    [`public.list_audit('{"kinds": ["reply"]}')`, 50, PAGES],
    [`public.list_audit('{"kinds": ["contact", "setting"]}')`, 0, PAGES],
    [`public.list_audit('{"name": "9999"}')`, 50, whole],
    [`public.list_audit('{"name": "nothing like it"}')`, 0, 2 * whole],
  ];
  const tooMany: string[] = [];
  for (const [statement, found, most] of calls) {
    const { pages, answer } = await call(sql, statement);
    assertEquals(answer.length, found, statement);
    if (pages > most) tooMany.push(`${statement}: ${pages} pages, more than ${most}`);
  }
  assert(tooMany.length === 0, tooMany.join("\n"));
});
