/** What the overview shows, on the database: traffic, latency, what waits, and each component's health. */
import { assert, assertAlmostEquals, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { HealthPart } from "../../supabase/functions/_shared/contract/answers/operations.ts";
import { healthInWords } from "../../supabase/functions/_shared/contract/words/health.ts";
import { routerFlag } from "../../supabase/functions/_shared/pipeline/routed_channels.ts";
import { BUCKETS_MS } from "../../supabase/functions/_shared/db/measurements.ts";
import { FILL } from "../support/fill.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const NOW = "2026-11-22 03:00:30Z";

async function overview(sql: Sql, minutes = 60, now = NOW): Promise<Json> {
  const [{ overview }] = await sql`select private.overview(${minutes}, ${now}) as overview`;
  return overview;
}

async function health(sql: Sql, component: string, now = NOW): Promise<HealthPart> {
  return (await overview(sql, 1, now)).health.find((one: Json) => one.component === component);
}

/** A group of measurements at a time, all of `ms`. */
async function measured(sql: Sql, at: string, name: string, label: string, ms: number, n = 1): Promise<void> {
  const counts = [...BUCKETS_MS, Infinity].map((edge, i, edges) =>
    ms <= edge && ms > (edges[i - 1] ?? -1) ? n : 0
  );
  const group = [{ name, label, n, ms: ms * n, counts }];
  await sql`select private.add_measurements(${sql.json(group)}, ${at})`;
}

databaseTest("latency_buckets: the same in SQL and in the functions", async (sql) => {
  const [{ buckets }] = await sql`select private.latency_buckets() as buckets`;
  assertEquals(buckets, BUCKETS_MS);
});

databaseTest(
  "add_measurements: one row per minute, and one total since the beginning",
  async (sql) => {
    await measured(sql, "2026-11-22 02:58:10Z", "request", "wa-webhook 200", 4, 3);
    await measured(sql, "2026-11-22 02:58:40Z", "request", "wa-webhook 200", 40);
    await measured(sql, "2026-11-22 02:59:01Z", "request", "wa-webhook 200", 400_000);
    const rows = await sql`
    select to_char(minute at time zone 'utc', 'HH24:MI') as minute, n::int, ms, counts[4]::int as four, counts[10]::int as forty,
      counts[28]::int as more
    from public.measurements order by measurements.minute`;
    assertEquals(rows.map((row) => ({ ...row })), [
      { minute: null, n: 5, ms: 400_052, four: 3, forty: 1, more: 1 },
      { minute: "02:58", n: 4, ms: 52, four: 3, forty: 1, more: 0 },
      { minute: "02:59", n: 1, ms: 400_000, four: 0, forty: 0, more: 1 },
    ]);
  },
);

databaseTest("histogram_quantile: linear within a bucket, null without samples", async (sql) => {
  const quantile = async (counts: number[], q: number) =>
    (await sql`select private.histogram_quantile(${counts}, ${q}) as q`)[0].q;
  const filled = (at: Record<number, number>) => Array.from({ length: 28 }, (_, i) => at[i] ?? 0);
  assertEquals(await quantile(filled({}), 0.5), null);
  assertEquals(await quantile(filled({ 0: 10 }), 0.5), 0.5);
  assertEquals(await quantile(filled({ 4: 100 }), 0.5), 6.25); // 5 to 7.5 ms
  assertEquals(await quantile(filled({ 0: 50, 5: 50 }), 0.5), 1);
  assertAlmostEquals(await quantile(filled({ 0: 50, 5: 50 }), 0.75), 8.75);
  assertEquals(await quantile(filled({ 27: 1 }), 0.5), 300_000);
});

databaseTest(
  "overview: requests, errors and quantiles by function for the requested minutes",
  async (sql) => {
    await measured(sql, "2026-11-22 02:59:10Z", "request", "wa-webhook 200", 7, 98);
    await measured(sql, "2026-11-22 02:59:10Z", "request", "wa-webhook 401", 0.2, 1);
    await measured(sql, "2026-11-22 02:59:10Z", "request", "wa-webhook 503", 400, 1);
    await measured(sql, "2026-11-22 01:00:00Z", "request", "deeplinks 302", 2);
    const { functions } = await overview(sql, 60);
    assertEquals(functions.map(({ name, requests, errors }: Json) => ({ name, requests, errors })), [
      { name: "wa-webhook", requests: 100, errors: 1 },
    ]);
    const [{ p50_ms, p95_ms, p99_ms }] = functions;
    assert(p50_ms > 5 && p50_ms < p95_ms && p95_ms <= 7.5 && p99_ms <= 7.5, `${p50_ms} ${p95_ms} ${p99_ms}`);
    assertEquals((await overview(sql, 180)).functions.map(({ name }: Json) => name), [
      "deeplinks",
      "wa-webhook",
    ]);
  },
);

const CONVERSATION = "00000000-0000-7000-8000-0000000000a1";

/** Messages of these times, with ids as they are made at that time. */
async function messages(sql: Sql, direction: "in" | "out", ...times: string[]): Promise<void> {
  for (const at of times) {
    await sql`
      insert into public.messages (id, conversation_id, direction, type, status, created_at)
      values (overlay(private.uuid_v7_from(${at})::text placing substr(gen_random_uuid()::text, 21) from 21)::uuid,
        ${CONVERSATION}, ${direction}, 'text', 'received', ${at})`;
  }
}

async function withConversation(sql: Sql): Promise<void> {
  for (const table of ["senders", "contacts", "conversations"]) await sql.unsafe(FILL[`public.${table}`]);
}

databaseTest(
  "overview: messages by minute, both those already counted by the clock and newer ones",
  async (sql) => {
    await withConversation(sql);
    await messages(sql, "in", "2026-11-22 02:57:00Z", "2026-11-22 02:57:59.999Z", "2026-11-22 02:58:00Z");
    await messages(sql, "out", "2026-11-22 02:57:30Z");
    await sql`select private.sample_minutes('2026-11-22 02:58:25Z')`;
    await messages(sql, "in", "2026-11-22 03:00:10Z");
    await messages(sql, "out", "2026-11-22 02:59:59Z", "2026-11-22 03:00:00Z");
    const { per_minute } = await overview(sql, 4);
    assertEquals(
      per_minute.map(({ minute, in: into, out }: Json) => [minute.slice(11, 16), into, out]),
      [["02:57", 2, 1], ["02:58", 1, 0], ["02:59", 0, 1], ["03:00", 1, 1]],
    );
    assertEquals((await overview(sql, 60)).per_minute.length, 60);
  },
);

databaseTest(
  "sample_minutes: counts each minute once, 20 s after its end, including missed ones",
  async (sql) => {
    await withConversation(sql);
    const sample = async (at: string) => (await sql`select private.sample_minutes(${at}) as n`)[0].n;
    const total = async (label: string) =>
      Number(
        (await sql`
      select n from public.measurements where name = 'messages' and label = ${label} and minute = '-infinity'`)[
          0
        ]
          ?.n,
      );
    await messages(sql, "in", "2026-11-22 02:00:05Z", "2026-11-22 02:01:05Z", "2026-11-22 02:05:05Z");
    assertEquals(await sample("2026-11-22 02:01:19Z"), 1);
    assertEquals(await total("in"), 0, "02:00 is not over until 02:01:20; 02:00 to 02:01 was not asked for");
    assertEquals(await sample("2026-11-22 02:01:20Z"), 1);
    assertEquals(await total("in"), 1);
    assertEquals(await sample("2026-11-22 02:01:50Z"), 0);
    assertEquals(await sample("2026-11-22 02:10:30Z"), 9);
    assertEquals([await total("in"), await total("out")], [3, 0]);
    await sql`
    insert into public.webhook_events (dedupe_key, field, kind, received_at) values
      ('a', 'messages', 'status', '2026-11-22 02:10:40Z'), ('b', 'messages', 'status', '2026-11-22 02:10:41Z'),
      ('c', 'account_update', 'other', '2026-11-22 02:10:42Z')`;
    await sample("2026-11-22 02:11:30Z");
    const updates = await sql`
    select label, n::int from public.measurements where name = 'updates' and minute = '-infinity' order by label`;
    assertEquals(updates.map(({ label, n }) => [label, n]), [["account_update other", 1], [
      "messages status",
      2,
    ]]);
    assertEquals(await sample("2026-11-22 06:00:30Z"), 60, "an hour at a time");
  },
);

databaseTest("purge_measurements: removes minutes after two days, and keeps totals", async (sql) => {
  await measured(sql, "2026-11-20 01:00Z", "request", "health 200", 1);
  await measured(sql, "2026-11-20 03:00Z", "request", "health 200", 1);
  const [{ purged }] = await sql`select private.purge_measurements(${NOW}) as purged`;
  const rows = await sql`select n::int from public.measurements order by minute`;
  assertEquals([purged, rows.map(({ n }) => n)], [1, [2, 1]]);
});

databaseTest("overview: shows no made-up figures on an empty database", async (sql) => {
  await installed(sql, "2026-11-22 02:00Z");
  const { health, functions, queue, dead_letters, rollouts } = await overview(sql);
  assertEquals(
    health.map(({ component, status }: Json) => [component, status]),
    [
      ["database", "healthy"],
      ["queue", "healthy"],
      ["clock", "down"],
      ["graph", "healthy"],
      ["senders", "healthy"],
      ["functions", "healthy"],
      ["config", "degraded"],
      ["storage", "healthy"],
      ["guard", "healthy"],
    ],
  );
  for (const { why } of healthInWords(health)) assert(why.includes(" ") && !/undefined|null/.test(why), why);
  assertEquals({ functions, dead_letters, rollouts }, { functions: [], dead_letters: 0, rollouts: [] });
  const nothing = { n: 0, oldest_seconds: null };
  assertEquals(queue, { unrouted: { ...nothing, held: 0 }, deliveries: nothing, outbound: nothing });
});

const installed = (sql: Sql, at: string) => sql`update private.config_revision set installed_at = ${at}`;

databaseTest("health: judges the clock by its last run, or by how long it has not run", async (sql) => {
  await installed(sql, "2026-11-22 03:00Z");
  const clock = async (now: string) => {
    const { status, because, figures } = await health(sql, "clock", now);
    return [status, because, figures.seconds];
  };
  assertEquals(await clock("2026-11-22 03:02Z"), ["healthy", "starting", 120]);
  assertEquals(await clock("2026-11-22 03:03Z"), ["degraded", "never", 180]);
  assertEquals(await clock("2026-11-22 03:11Z"), ["down", "never", 660]);
  await sql`select private.sample_minutes('2026-11-22 02:59:40Z')`;
  assertEquals((await health(sql, "clock")).status, "healthy");
  assertEquals((await health(sql, "clock", "2026-11-22 03:03Z")).status, "degraded");
  assertEquals(await clock("2026-11-22 04:59:40Z"), ["down", "ran", 7200]);
});

databaseTest("health: the worst function decides, by its own error rate", async (sql) => {
  const functions = async () => {
    const { status, because, figures } = await health(sql, "functions");
    return [status, because, because === "failing" ? figures.functions : figures.requests];
  };
  assertEquals(await functions(), ["healthy", "answering", 0]);
  await measured(sql, NOW, "request", "wa-router 202", 5, 600);
  await measured(sql, NOW, "request", "deeplinks 401", 5, 9);
  assertEquals(await functions(), ["healthy", "answering", 609]);
  await measured(sql, NOW, "request", "wa-webhook 500", 5, 2);
  assertEquals((await functions())[0], "healthy", "two are too few to tell");
  await measured(sql, NOW, "request", "wa-webhook 503", 5, 1);
  assertEquals(await functions(), [
    "degraded",
    "failing",
    [{ name: "wa-webhook", failed: 3, requests: 3 }],
  ]);
  await measured(sql, NOW, "request", "wa-webhook 500", 5, 2);
  assertEquals((await functions())[0], "down", "all fail on a quiet night");
  await measured(sql, NOW, "request", "wa-webhook 200", 5, 195);
  await measured(sql, NOW, "request", "deeplinks 503", 5, 3);
  assertEquals(await functions(), [
    "degraded",
    "failing",
    [{ name: "deeplinks", failed: 3, requests: 12 }, { name: "wa-webhook", failed: 5, requests: 200 }],
  ]);
  await measured(sql, NOW, "request", "wa-webhook 200", 5, 1000);
  await measured(sql, NOW, "request", "deeplinks 302", 5, 1000);
  assertEquals((await functions())[0], "healthy");
  assertEquals((await health(sql, "functions", "2026-11-22 03:15Z")).status, "healthy");
});

databaseTest("health: refusals by a kill switch count as failures nowhere", async (sql) => {
  await measured(sql, NOW, "request", "wa-send disabled", 1, 50);
  const { status, because, figures } = await health(sql, "functions");
  assertEquals([status, because, figures], ["healthy", "answering", { requests: 0 }]);
  const { functions } = await overview(sql);
  assertEquals(functions.map(({ name, requests, errors }: Json) => ({ name, requests, errors })), [
    { name: "wa-send", requests: 50, errors: 0 },
  ]);
});

databaseTest("health: judges the Graph API by its accepted calls", async (sql) => {
  await measured(sql, NOW, "graph", "131000", 100, 3);
  assertEquals((await health(sql, "graph")).status, "down");
  await measured(sql, NOW, "graph", "sent", 100, 1);
  assertEquals((await health(sql, "graph")).status, "degraded");
  const later = await health(sql, "graph", "2026-11-22 04:00:30Z");
  assertEquals([later.status, later.because, later.figures], [
    "healthy",
    "calls",
    { failed: 0, calls: 0, success_seconds: 3600 },
  ]);
});

databaseTest("health: judges the queue by overdue work", async (sql) => {
  for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
  const at = (time: string) => sql`update private.delivery_lanes set due_at = ${time}, lease = null`;
  await sql`update private.outbound_lanes set due_at = null`;
  await sql`update public.conversations set unrouted_since = null`;
  await sql`insert into public.settings (key, value) values ('wa_router.enabled', 'true')`;
  await at("2026-11-22 05:00Z");
  assertEquals((await health(sql, "queue")).status, "healthy", "a retry that waits for its time");
  await at("2026-11-22 02:59Z");
  assertEquals((await health(sql, "queue")).status, "degraded");
  await at("2026-11-22 02:40Z");
  assertEquals((await health(sql, "queue")).status, "down");
  await sql`update public.destinations set state = 'paused'`;
  const paused = await health(sql, "queue");
  assertEquals([paused.status, paused.because, paused.figures], [
    "degraded",
    "stopped",
    { destinations: [{ name: "demo", state: "paused", waiting: 1 }] },
  ]);
  await sql`update public.destinations set state = 'active', circuit_open_until = '2026-11-22 03:01Z'`;
  assertEquals((await health(sql, "queue")).figures, {
    destinations: [{ name: "demo", state: "circuit_open", waiting: 1 }],
  });
  await sql`update public.conversations set unrouted_since = '2026-11-22 02:00Z'`;
  assertEquals((await health(sql, "queue")).status, "down");
  await sql`update public.conversations set held_revision = 1`;
  assertEquals((await health(sql, "queue")).status, "degraded", "a flag holds it back, and that is no fault");
});

databaseTest("router_flag: the same in SQL and in the functions", async (sql) => {
  const rows = await sql<{ channel: string; flag: string }[]>`
    select channel, private.router_flag(channel) as flag from unnest(array['whatsapp', 'sms', 'email']) as channel`;
  assertEquals(rows.map(({ flag }) => flag), rows.map(({ channel }) => routerFlag(channel)));
});

databaseTest(
  "health: messages held back by a channel's flag are not overdue, those of other channels are",
  async (sql) => {
    for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
    const LATE = "2026-11-22 02:00Z";
    await sql`update private.outbound_lanes set due_at = null`;
    await sql`update private.delivery_lanes set due_at = null`;
    await sql`update public.conversations set unrouted_since = null`;
    await sql`insert into public.senders (channel, id, provider) values ('sms', '1', 'sms')`;
    await sql`
    with person as (insert into public.contacts (channel) values ('sms') returning id)
    insert into public.conversations (channel, number_id, contact_id) select 'sms', '1', id from person`;
    const unrouted = (channel: string, since: string | null) =>
      sql`update public.conversations set unrouted_since = ${since} where channel = ${channel}`;
    const lanes = (channel: string, due: string | null) =>
      sql`
    insert into private.delivery_lanes as l (destination_id, conversation_id, channel, due_at)
    select d.id, c.id, c.channel, ${due} from public.destinations d, public.conversations c where c.channel = ${channel}
    on conflict (destination_id, conversation_id) do update set due_at = excluded.due_at`;
    const outbound = (channel: string, due: string | null) =>
      sql`
    insert into private.outbound_lanes as l (conversation_id, channel, number_id, due_at)
    select c.id, c.channel, c.number_id, ${due} from public.conversations c where c.channel = ${channel}
    on conflict (conversation_id) do update set due_at = excluded.due_at`;
    const flag = (key: string, value: string, metadata = {}) =>
      sql`insert into public.settings (key, value, metadata) values (${key}, ${value}, ${sql.json(metadata)})
      on conflict (key) do update set value = excluded.value, metadata = excluded.metadata`;

    for (
      const [queue, put, name] of [
        ["conversations for the router", unrouted, "router"],
        ["delivery lanes", lanes, "router"],
        ["outbound lanes", outbound, "send"],
      ] as const
    ) {
      for (const [channel, key] of [["sms", `sms_${name}.enabled`], ["whatsapp", `wa_${name}.enabled`]]) {
        const status = async () => (await health(sql, "queue")).status;
        const other = channel === "sms" ? "whatsapp" : "sms";
        const otherKey = channel === "sms" ? `wa_${name}.enabled` : `sms_${name}.enabled`;
        await put(channel, LATE);
        assertEquals(await status(), "healthy", `${queue} of ${channel}: the flag is missing`);
        await flag(key, "false");
        assertEquals(await status(), "healthy", `${queue} of ${channel}: the flag is off`);
        await flag(key, "true", { rollout_percentage: 0 });
        assertEquals(await status(), "healthy", `${queue} of ${channel}: the flag is on for nobody`);
        await flag(key, "true", { rollout_percentage: 1 });
        assertEquals(await status(), "down", `${queue} of ${channel}: the flag is on`);
        await flag(key, "false");
        await flag(otherKey, "true");
        assertEquals(await status(), "healthy", `${queue} of ${channel}: on ${other} nothing waits`);
        await put(other, LATE);
        assertEquals(await status(), "down", `${queue} of ${other}, beside ${channel} that is off`);
        await put(channel, null);
        await put(other, null);
        await sql`delete from public.settings where key in (${key}, ${otherKey})`;
      }
    }
  },
);

databaseTest("overview: queues, dead letters, rollouts and the latest changes", async (sql) => {
  for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
  await sql`update public.conversations set unrouted_since = now() - interval '90 seconds'`;
  await sql`
    update public.rollouts set state = 'running', stage = 1`;
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, dropped_reason)
    select m.id, d.id, m.conversation_id, m.seq, 'dead', null
    from public.messages m, public.destinations d where m.direction = 'out' and d.kind = 'http'`;
  const [{ overview: found }] = await sql`select public.overview() as overview`;
  assertEquals([found.queue.unrouted.n, found.queue.deliveries.n, found.queue.outbound.n], [1, 1, 1]);
  assert(found.queue.unrouted.oldest_seconds >= 90);
  assertEquals(found.dead_letters, 1);
  assertEquals(found.rollouts.map(({ id: _, ...rest }: Json) => rest), [
    {
      flag_key: "deeplinks.enabled",
      state: "running",
      stage: 1,
      stage_name: "everybody",
      percentage: 100,
      hold_reason: null,
      killed_since: null,
    },
  ]);
  await sql`select public.set_setting('deeplinks.enabled', 'false', null, 1, 'too many errors')`;
  const [{ overview: after }] = await sql`select public.overview() as overview`;
  const [latest] = after.changes;
  assertEquals([latest.kind, latest.name, latest.change, latest.figures, latest.why], [
    "setting",
    "deeplinks.enabled",
    "value",
    { from: "true", to: "false" },
    "too many errors",
  ]);
  assertEquals(
    new Set(after.changes.map(({ kind }: Json) => kind)),
    new Set(["setting", "rollout", "rollback", "incident", "route", "destination", "segment"]),
  );
  await sql`select public.set_destination_state('demo', 'paused')`;
  await sql`update public.routes set active = false, version = 2, updated_at = now() + interval '1 minute', updated_by = 'ada'`;
  const [{ changes }] = await sql`select private.recent_changes(2) as changes`;
  assertEquals(changes.map(({ kind, who }: Json) => [kind, who]), [["route", "ada"], [
    "destination",
    "postgres",
  ]]);
  assertEquals(changes.map(({ change, figures }: Json) => [change, figures]), [
    ["changed", { active: false }],
    ["paused", {}],
  ]);
  assertEquals(changes[1].name, "demo");
});

databaseTest(
  "setting_change(): the first difference, with the start that it cancelled",
  async (sql) => {
    const of = async (before: Json, after: Json) => {
      const [row] = await sql`
      select change, figures from private.setting_change(${sql.json(before)}, ${sql.json(after)})`;
      return [row.change, row.figures];
    };
    const row = (value: string, metadata: Json = {}) => ({ value, metadata });
    const schedule = { on_at: "2026-12-01T08:00:00Z" };
    const [removed] = await sql`select change from private.setting_change(${sql.json(row("1"))}, null)`;
    const [set] = await sql`select change, figures from private.setting_change(null, ${
      sql.json(row("x".repeat(90)))
    })`;
    assertEquals([removed.change, set.change, set.figures], ["removed", "set", { to: "x".repeat(80) }]);
    assertEquals(await of(row("1"), row("2", { rollout_percentage: 5 })), ["value", { from: "1", to: "2" }]);
    assertEquals(await of(row("true"), row("true", { rollout_percentage: 12.5 })), [
      "percentage",
      { from: 100, to: 12.5 },
    ]);
    assertEquals(await of(row("true"), row("true", { schedule })), ["schedule", {}]);
    assertEquals(await of(row("true"), row("true", { description: "x" })), ["metadata", {}]);
    assertEquals(await of(row("true", { schedule }), row("false")), [
      "value",
      { from: "true", to: "false", start_taken_away: true },
    ]);
    assertEquals(await of(row("false", { schedule }), row("true")), ["value", { from: "false", to: "true" }]);
  },
);

databaseTest(
  "health: names for an hour a service with dead letters, or one paused by its answer",
  async (sql) => {
    await sql`insert into public.destinations (name, url) values ('crm', 'https://crm.example.com/')`;
    await ingest(sql, message());
    await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, updated_at)
    select m.id, d.id, m.conversation_id, m.seq, 'dead', now() - interval '59 minutes'
    from public.messages m, public.destinations d`;
    const named = async (minutes: number) =>
      (await sql`select name, state, n::int, error from private.troubled_destinations(now() + make_interval(mins => ${minutes}))`)
        .map((row) => ({ ...row }));
    assertEquals(await named(0), [{ name: "crm", state: "gave_up", n: 1, error: null }]);
    assertEquals(await named(2), []);
    await sql`update public.deliveries set dropped_reason = 'a test'`;
    assertEquals(await named(0), []);
  },
);

databaseTest(
  "overview, attention: dead letters are read once, however many destinations there are",
  async (sql) => {
    await sql`
    insert into public.destinations (name, url, state)
    select 'service-' || i, 'https://services.example.com/', 'paused' from generate_series(1, 1000) i`;
    await sql`
    with people as (
      insert into public.contacts (name) select 'Person ' || i from generate_series(1, 1000) i returning id
    ), conversations as (
      insert into public.conversations (contact_id, number_id) select id, '1' from people returning id
    ), messages as (
      insert into public.messages (conversation_id, direction, type, status)
      select id, 'in', 'text', 'received' from conversations returning id, conversation_id, seq
    )
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, last_error)
    select m.id, d.id, m.conversation_id, m.seq, 'dead', 1, now(), 'status 503'
    from messages m, public.destinations d where d.name = 'service-1'`;
    await sql`analyze`;
    for (
      const query of [
        "select private.troubled_destinations(now())",
        "select private.attention(now())",
        "select public.status()",
      ]
    ) {
      const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(
        `explain (analyze, buffers, format json) ${query}`,
      );
      const pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
      // Looked up for each destination, they would be a thousand times as many; a third of these is the catalog.
      assert(pages < 20_000, `${query}: ${pages} pages`);
    }
  },
);
