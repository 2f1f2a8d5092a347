/**
 * What runs for each message reads what it takes, and no table because of a guess about a list: with a million messages
 * behind it, at the page costs of Postgres' default and of Supabase. Pages are counted, of every statement within. So are
 * calls of functions where a page may hold more rows than are wanted: what is worked out for each of them costs no page.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const MANY = 1_000_000;
/** A table that is small enough for a wrong guess to read it whole. */
const FEW = 20_000;
/** Messages of each person. */
const EACH = 10;
/** Times that each call is made, so that plans for any value have been made too. */
const TIMES = 8;
/** Pages that a call may read: some dozens of rows by index. */
const PAGES = 400;
/** Messages that the clock has not counted yet. */
const RECENT = 2_000;
/** Times that a function may be called by the overview: for each change or service, never for each message. */
const CALLS = 100;

const ID = (kind: string, n: string) =>
  `('0${kind}000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/** So many messages, decided, delivered and answered, as they stand after a while. */
async function fill(sql: Sql, messages: number): Promise<void> {
  const people = messages / EACH;
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.senders (channel, id) values ('whatsapp', '1') on conflict do nothing;
      insert into public.destinations (id, name, url) values (${ID("5", "1")}, 'crm', 'https://crm.example/');
      insert into public.contacts (id, name) select ${
      ID("1", "g")
    }, 'Person ' || g from generate_series(1, ${people}) g;
      insert into public.contact_identities (contact_id, kind, value)
        select ${ID("1", "g")}, 'phone', (49150000000 + g)::text from generate_series(1, ${people}) g;
      insert into public.conversations (id, number_id, contact_id, last_inbound_at, last_message_at, routed_seq)
        select ${ID("2", "g")}, '1', ${
      ID("1", "g")
    }, now(), now(), ${messages} from generate_series(1, ${people}) g;
      insert into public.messages (id, conversation_id, direction, provider_id, type, text, native, status, created_at)
        select ${ID("3", "g")}, ${
      ID("2", `1 + g % ${people}`)
    }, case when g % 2 = 0 then 'in' else 'out' end, 'wamid.' || g, 'text', 'hello ' || g,
          '{"type":"text"}', case when g % 2 = 0 then 'received' else 'delivered' end, now() - (g || ' seconds')::interval
        from generate_series(1, ${messages}) g;
      insert into public.webhook_events (dedupe_key, field, kind, number_id)
        select 'm:1:wamid.' || g || ':text', 'messages', 'message', '1' from generate_series(2, ${messages}, 2) g;
      insert into public.routing_decisions (message_id, reason, destination_ids, revision)
        select ${ID("3", "g")}, 'matched', array[${
      ID("5", "1")
    }], 1 from generate_series(2, ${messages}, 2) g;
      insert into public.deliveries (id, message_id, destination_id, conversation_id, seq, state, attempt, delivered_at)
        select ${ID("4", "g")}, ${ID("3", "g")}, ${ID("5", "1")}, ${
      ID("2", `1 + g % ${people}`)
    }, g, 'delivered', 1, now()
        from generate_series(2, ${messages}, 2) g;
      insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, at)
        select ${ID("4", "g")}, 1, 'delivered', 200, 20, now() from generate_series(2, ${messages}, 2) g;
      insert into private.delivery_lanes (destination_id, conversation_id, channel)
        select ${ID("5", "1")}, ${ID("2", "g")}, 'whatsapp' from generate_series(1, ${people}) g;
      insert into public.outbound_messages (id, conversation_id, number_id, message_id, state, attempt)
        select ${ID("6", "g")}, ${ID("2", `1 + g % ${people}`)}, '1', ${
      ID("3", "g")
    }, 'sent', 1 from generate_series(1, ${messages}, 2) g;
      insert into private.outbound_lanes (conversation_id, number_id)
        select ${ID("2", "g")}, '1' from generate_series(1, ${people}) g;
      insert into public.segments (key) values ('many'), ('none');
      insert into public.segment_members (segment_key, subject_id) select 'many', 'person ' || g from generate_series(1, ${
      Math.min(messages, 10_000)
    }) g;
      insert into public.notification_endpoints (id, name, kind, host, events) values (${
      ID("7", "1")
    }, 'ops', 'slack', 'h', '{}');
      insert into private.notification_addresses (endpoint_id, url, secret)
        values (${ID("7", "1")}, 'https://h/', 'whsec_' || repeat('A', 32));
      insert into public.notifications (endpoint_id, payload, state, next_attempt_at)
        select ${ID("7", "1")}, '{}', 'delivered', now() from generate_series(1, ${messages / 10});
      set local session_replication_role = origin;
      insert into public.settings (key, value, metadata) values
        ('some.enabled', 'true', '{"target_segments":["none","many"],"rollout_percentage":0}'),
        ('nobody.enabled', 'true', '{"target_segments":["none"],"rollout_percentage":0}');
      insert into public.settings (key, value) values ('wa_router.enabled', 'true'), ('wa_send.enabled', 'true')
        on conflict (key) do update set value = 'true', metadata = '{}'`);
  });
  await sql`vacuum analyze`;
}

/** Pages that a call reads, and what it answers. */
async function call<T>(sql: Sql, name: string, ...args: unknown[]): Promise<{ pages: number; answer: T }> {
  const list = args.map((arg) =>
    typeof arg === "number"
      ? String(arg)
      : arg === null
      ? "null"
      : `'${(typeof arg === "string" ? arg : JSON.stringify(arg)).replaceAll("'", "''")}'`
  ).join(", ");
  // The answer is kept for the next call; EXPLAIN has none to give.
  const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(`
    explain (analyze, buffers, timing off, format json)
    insert into kept (answer) select to_jsonb(${name}(${list}))`);
  const [{ answer }] = await sql`delete from kept returning answer`;
  return { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], answer };
}

let serial = 0;
const update = (more: Record<string, unknown>) => ({
  channel: "whatsapp",
  provider: "whatsapp",
  field: "messages",
  sender_id: "1",
  raw: {},
  at: new Date().toISOString(),
  ...more,
});

/** All that one message, its delivery, a reply and its statuses run, and what each call of it reads. */
async function round(sql: Sql, person: number): Promise<Record<string, number>> {
  const pages: Record<string, number> = {};
  async function run<T>(name: string, ...args: unknown[]): Promise<T> {
    const { pages: read, answer } = await call<T>(sql, name, ...args);
    pages[name] = Math.max(read, pages[name] ?? 0);
    return answer;
  }
  const wamid = `wamid.new.${serial++}`;
  const phone = String(49150000000 + person);
  await run("public.ingest_updates", [update({
    key: `m:1:${wamid}:text`,
    kind: "message",
    provider_id: wamid,
    type: "text",
    body: "hello",
    identities: [{ kind: "phone", value: phone }],
  })]);
  assertEquals(await run("private.pipeline_is_due", new Date().toISOString()), true);
  const [waiting] = await run<{ id: string; messages: { id: string; seq: number }[] }[]>(
    "public.claim_unrouted",
    1,
    200,
  );
  const [{ destination }] = await sql`select id as destination from public.destinations`;
  await run("public.record_decisions", 1, [{
    id: waiting.id,
    held: false,
    through_seq: waiting.messages[0].seq,
    sticky_route_id: null,
    sticky_until: null,
    decisions: waiting.messages.map(({ id }) => ({
      message_id: id,
      route_id: null,
      route_name: "x",
      reason: "matched",
      destination_ids: [destination],
      contact: null,
      explanation: [],
    })),
  }]);
  const { deliveries } = await run<{ deliveries: { delivery_id: string; lease: string }[] }>(
    "public.claim_deliveries",
    64,
  );
  assertEquals(deliveries.length, 1);
  const [{ delivery_id, lease }] = deliveries;
  await run("public.settle_deliveries", [{
    delivery_id,
    lease,
    outcome: "delivered",
    status: 200,
    latency_ms: 20,
    replies: [{ message: { type: "text", text: { body: "hi" } }, to: phone, text: "hi", place: 1 }],
  }]);
  // A machine that is faster than the number may send is not what is measured.
  await sql`update public.senders set send_tat = null`;
  const { messages } = await run<{ messages: { id: string; lease: string }[] }>("public.claim_outbound", 32);
  assertEquals(messages.length, 1);
  await run(
    "public.settle_outbound",
    messages.map(({ id, lease }) => ({
      id,
      lease,
      outcome: "sent",
      provider_id: `${wamid}.reply`,
    })),
  );
  await run("public.ingest_updates", [update({
    key: `s:1:${wamid}.reply:delivered`,
    kind: "status",
    provider_id: `${wamid}.reply`,
    status: "delivered",
    rank: 3,
  })]);
  await run("public.enqueue_outbound", [{
    channel: "whatsapp",
    identities: [{ kind: "phone", value: phone }],
    to: phone,
    message: { type: "text", text: { body: "a word of ours" } },
    text: "a word of ours",
    limit: { key: "k", per_second: 1000, burst: 1000 },
  }]);
  await sql`insert into public.notifications (endpoint_id, payload, next_attempt_at)
    select id, '{}', now() - interval '1 second' from public.notification_endpoints`;
  const due = await run<{ id: string; lease: string }[]>("public.claim_notifications", 20);
  assertEquals(due.length, 1);
  await run("public.settle_notifications", due.map(({ id, lease }) => ({ id, lease, outcome: "delivered" })));
  assertEquals(await run("private.on_for_anybody", "some.enabled"), true);
  assertEquals(await run("private.on_for_anybody", "nobody.enabled"), false);
  await run("private.evaluate_flag", "some.enabled", "person 7");
  const { messages: ours } = await run<{ messages: { id: string; lease: string }[] }>(
    "public.claim_outbound",
    32,
  );
  await run(
    "public.settle_outbound",
    ours.map(({ id, lease }) => ({ id, lease, outcome: "sent", provider_id: `${wamid}.ours` })),
  );
  await run("private.overdue_seconds", new Date().toISOString());
  await run("private.notifications_are_due", new Date().toISOString());
  await run("private.overview", 60, new Date().toISOString());
  return pages;
}

/** Messages of ours that were just sent, later than the tables' statistics. */
async function send(sql: Sql, messages: number): Promise<void> {
  await sql.unsafe(`
    insert into public.messages (conversation_id, direction, type, text, native, status)
    select ${ID("2", "g")}, 'out', 'text', 'hello', '{"type":"text"}', 'delivered'
    from generate_series(1, ${messages}) g`);
}

/** The function that an overview calls most often, and how often. */
async function mostCalled(sql: Sql): Promise<{ name: string; calls: number }> {
  await sql`begin`;
  await sql`set local track_functions = 'all'`;
  await sql`select private.overview(60, clock_timestamp())`;
  const [most] = await sql<[{ name: string; calls: number }]>`
    select funcname as name, calls::integer from pg_stat_xact_user_functions order by calls desc limit 1`;
  await sql`rollback`;
  return most;
}

for (const messages of [FEW, MANY]) {
  databaseTest(
    `with ${messages} messages no call scans a table for a single message, the overview calls nothing for each, and reconcile ends within 8 s`,
    async (sql) => {
      await fill(sql, messages);
      const connection = await sql.reserve();
      try {
        await measure(connection, messages);
      } finally {
        connection.release();
      }
    },
  );
}

databaseTest(
  `with ${MANY} links a look-up reads few pages, along with a hundred links that were made at that time`,
  async (sql) => {
    await sql.begin(async (tx) => {
      // The index of the search, which is not asked here, would take minutes.
      await tx.unsafe(`
        set local session_replication_role = replica;
        set local synchronous_commit = off;
        drop index public.links_words_idx;
        insert into public.links (code, request_hash, default_url, created_at)
          select substr(md5(g::text), 1, 14), 'x', 'https://www.example.com/' || g, now() - g * interval '1 second'
          from generate_series(1, ${MANY}) g`);
    });
    await sql`vacuum analyze public.links`;
    const connection = await sql.reserve();
    try {
      await connection`create temporary table kept (answer jsonb)`;
      for (let g = MANY / 2; g < MANY / 2 + TIMES; g++) {
        const [{ code }] = await connection`select substr(md5(${String(g)}), 1, 14) as code`;
        const { pages, answer } = await call<{ code: string; default_url: string }[]>(
          connection,
          "public.get_links",
          `{${code}}`,
          100,
        );
        assert(pages < 1000, `${pages} pages, each as often as it was read`);
        const [{ heap }] = await connection`select count(distinct (l.ctid::text::point)[0])::int as heap
          from public.links l where l.code = any (${answer.map(({ code }) => code)})`;
        assert(heap <= 6, `${heap} pages of the table`);
        const made = answer.map(({ default_url }) => Number(default_url.split("/").at(-1)) - g);
        assertEquals(made.toSorted((a, b) => a - b), Array.from({ length: 101 }, (_, i) => i - 50));
      }
    } finally {
      connection.release();
    }
  },
);

async function measure(sql: Sql, messages: number): Promise<void> {
  await sql`create temporary table kept (answer jsonb)`;
  for (const cost of [4, 1.1]) {
    await sql.unsafe(`set random_page_cost = ${cost}`);
    await sql`discard plans`;
    const most: Record<string, number> = {};
    for (let time = 0; time < TIMES; time++) {
      const read = await round(sql, 1 + serial * 7919 % (messages / EACH));
      // The first time reads the catalogue too.
      if (time === 0) continue;
      for (const [name, pages] of Object.entries(read)) most[name] = Math.max(pages, most[name] ?? 0);
    }
    const over = Object.entries(most).filter(([, pages]) => pages > PAGES);
    assertEquals(over, [], `random_page_cost ${cost}: ${JSON.stringify(most)}`);
    await send(sql, RECENT);
    const { name, calls } = await mostCalled(sql);
    assert(calls <= CALLS, `random_page_cost ${cost}: the overview calls ${name} ${calls} times`);
  }
  // As the Data API does for the platform's roles. What takes longer is cancelled.
  await sql`set statement_timeout = '8s'`;
  const [{ report }] = await sql`select public.reconcile() as report`;
  assert(Array.isArray(report.checks));
}
