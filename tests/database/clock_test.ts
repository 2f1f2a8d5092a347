/** What the clock calls, and when: a project in which nothing happens hardly calls. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import type { Job } from "../../local/database/clock.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";

const NOW = "2026-11-22T12:00:00Z";
/** Of two channels, so that none is taken for the only one. */
const CHANNELS = ["whatsapp", "sms"];

/** Whether each job with a condition would call. */
async function due(sql: Sql): Promise<Record<string, boolean>> {
  const jobs = await sql<Job[]>`select * from private.clock_jobs() where kind = 'http'`;
  const answers: Record<string, boolean> = {};
  for (const { name, due } of jobs) {
    [{ due: answers[name] }] = await sql.unsafe<{ due: boolean }[]>(`select ${due ?? "true"} as due`);
  }
  return answers;
}

databaseTest("an idle project calls its functions fewer than 100,000 times in 30 days", async (sql) => {
  const answers = await due(sql);
  const jobs = await sql<Job[]>`select * from private.clock_jobs() where kind = 'http'`;
  const calls = jobs.filter(({ name }) => answers[name])
    .reduce((sum, { every_seconds }) => sum + 30 * 86_400 / every_seconds, 0);
  assert(calls < 100_000, `${calls} calls`);
  assertEquals(answers, {
    gatelink_analyses: false,
    gatelink_cards: false,
    gatelink_chat_replies: false,
    gatelink_check_texts: false,
    gatelink_drain: false,
    gatelink_heartbeat: true,
    gatelink_judge_accesses: false,
    gatelink_media: false,
    gatelink_text_files: false,
    gatelink_notify: false,
    gatelink_oncall: false,
    gatelink_org_notices: false,
    gatelink_purge_storage: false,
    gatelink_read_mailboxes: false,
    gatelink_sync_templates: false,
  });
});

databaseTest("schedule_clock() lets pg_cron check for due work before it calls a function", async (sql) => {
  await sql.unsafe(`
    create schema cron;
    create table cron.job (jobname text primary key, schedule text, command text);
    create function cron.schedule(text, text, text) returns bigint language sql as
      'insert into cron.job values ($1, $2, $3) returning 1::bigint';
    create table public.called (name text);
    create or replace function private.call_function(p_name text) returns void language sql as
      'insert into public.called values (p_name)';
    insert into pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
      select 999999, 'pg_cron', 10, oid, false, '1' from pg_namespace where nspname = 'cron'`);
  await sql`select private.schedule_clock()`;
  for (const { command } of await sql`select command from cron.job`) await sql.unsafe(command);
  const called = () =>
    sql`select name from public.called order by name`.then((rows) => rows.map(({ name }) => name));
  assertEquals(await called(), ["wa-router"]);
  await sql.unsafe(
    "create or replace function private.notifications_are_due(p_now timestamptz) returns boolean language sql as 'select true'",
  );
  for (const { command } of await sql`select command from cron.job`) await sql.unsafe(command);
  assertEquals(await called(), ["flags", "wa-router", "wa-router"]);
});

/** Seconds from now, for something that may be due. */
const when = fc.constantFrom<number | null>(null, -7200, -61, -59, -3, 0, 1, 30);
const world = fc.record({
  channel: fc.constantFrom(...CHANNELS),
  routed: fc.boolean(),
  sent: fc.boolean(),
  /** The sending flag is for another contact alone. */
  forAnother: fc.boolean(),
  unrouted: when,
  held: fc.constantFrom(null, "now", "before", "after"),
  paused: fc.boolean(),
  circuit: when,
  rate: when,
  delivery: when,
  silent: fc.boolean(),
  hold: when,
  pace: when,
  outbound: when,
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** One conversation with what waits in it, as the world says, in a transaction that is rolled back. */
async function inWorld<T>(sql: Sql, w: World, look: (sql: Sql) => Promise<T>): Promise<T> {
  let found: T;
  const done = new Error("done");
  await sql.begin(async (tx) => {
    const t = tx as unknown as Sql;
    const at = (seconds: number | null) =>
      seconds === null ? null : new Date(Date.parse(NOW) + seconds * 1000);
    const flag = (name: string) => `${w.channel === "whatsapp" ? "wa" : w.channel}_${name}.enabled`;
    await t`delete from public.settings where key like '%.enabled'`;
    const [{ contact }] = await t`insert into public.contacts (name) values ('Ada') returning id as contact`;
    await t`insert into public.settings (key, value) values (${flag("router")}, ${String(w.routed)})`;
    await t`insert into public.settings (key, value, metadata) values (${flag("send")}, ${String(w.sent)},
      ${t.json(w.forAnother ? { target_user_ids: ["another"] } : {})})`;
    await t`insert into public.senders (channel, id, state, held_since, held_until, send_tat)
      values (${w.channel}, 's', ${w.silent ? "paused" : "active"}, ${at(w.hold)}, ${at(w.hold)}, ${
      at(w.pace)
    })
      on conflict do nothing`;
    const [{ conversation }] = await t`
      insert into public.conversations (contact_id, channel, number_id, unrouted_since)
      values (${contact}, ${w.channel}, 's', ${at(w.unrouted)}) returning id as conversation`;
    const [{ message }] = await t`
      insert into public.messages (conversation_id, channel, direction, provider_id, type, native, status)
      values (${conversation}, ${w.channel}, 'in', 'p', 'text', '{}', 'received') returning id as message`;
    const [{ destination }] = await t`
      insert into public.destinations (name, url, state, circuit_open_until, rate_per_second, rate_burst, rate_tat)
      values ('crm', 'https://crm.example/', ${w.paused ? "paused" : "active"}, ${at(w.circuit)},
        ${w.rate === null ? null : 1}, 1, ${at(w.rate)}) returning id as destination`;
    if (w.delivery !== null) {
      await t`insert into public.deliveries (message_id, destination_id, conversation_id, seq)
        values (${message}, ${destination}, ${conversation}, 1)`;
      await t`insert into private.delivery_lanes (destination_id, conversation_id, channel, due_at)
        values (${destination}, ${conversation}, ${w.channel}, ${at(w.delivery)})`;
    }
    if (w.outbound !== null) {
      await t`insert into public.outbound_messages (conversation_id, channel, number_id, recipient, payload, next_attempt_at)
        values (${conversation}, ${w.channel}, 's', '491', '{}', ${at(w.outbound)})`;
      await t`insert into private.outbound_lanes (conversation_id, channel, number_id, due_at)
        values (${conversation}, ${w.channel}, 's', ${at(w.outbound)})`;
    }
    const [{ revision }] = await t`select revision from private.config_revision`;
    const held = { now: revision, before: Number(revision) - 1, after: Number(revision) + 1 };
    if (w.held !== null) await t`update public.conversations set held_revision = ${held[w.held]}`;
    found = await look(t);
    throw done;
  }).catch((error) => {
    if (error !== done) throw error;
  });
  return found!;
}

/** Whether the clock would call now, where the configuration has changed so long ago. */
async function asked(sql: Sql, changedSecondsAgo: number): Promise<boolean> {
  await sql`update private.config_revision
    set changed_at = ${NOW}::timestamptz - make_interval(secs => ${changedSecondsAgo})`;
  const [{ is_due }] = await sql`select private.pipeline_is_due(${NOW}) as is_due`;
  return is_due;
}

/** Whether a call would find something, as the pipeline would claim it. */
async function found(sql: Sql, w: World): Promise<boolean> {
  const routed = w.routed ? [w.channel] : [];
  const sent = w.sent ? [w.channel] : [];
  const [claim] = await sql`
    select private.unrouted((select revision from private.config_revision), 10, ${routed}) as unrouted,
      private.claim_deliveries(10, 60, '{}', ${routed}, ${NOW}) -> 'deliveries' as deliveries,
      private.claim_outbound(10, 60, '{}', ${sent}, ${NOW}) -> 'messages' as messages`;
  return claim.unrouted !== null || claim.deliveries.length > 0 ||
    claim.messages.length > 0;
}

databaseTest(
  "pipeline_is_due: after a configuration change, true exactly if a call would find work",
  async (sql) => {
    await holds(
      fc.asyncProperty(world, async (w) => {
        const [said, is] = await inWorld(sql, w, async (t) => [await asked(t, 10), await found(t, w)]);
        assertEquals(said, is);
      }),
      { cases: 1000 },
    );
  },
);

databaseTest("pipeline_is_due: work that nobody took within a minute causes no more calls", async (sql) => {
  await holds(
    fc.asyncProperty(world, async (w) => {
      const shifted = (s: number | null) => s === null ? null : Math.min(s, -61);
      const old = {
        ...w,
        unrouted: shifted(w.unrouted),
        delivery: shifted(w.delivery),
        outbound: shifted(w.outbound),
        circuit: shifted(w.circuit),
        rate: shifted(w.rate),
        hold: shifted(w.hold),
        pace: shifted(w.pace),
      };
      assertEquals(await inWorld(sql, old, (t) => asked(t, 61)), false);
    }),
    { cases: 300 },
  );
});

databaseTest(
  "pipeline_is_due: work that became due within the last minute causes a call, whatever it waited for",
  async (sql) => {
    const nothing = {
      channel: "sms",
      routed: true,
      sent: true,
      forAnother: false,
      unrouted: null,
      held: null,
      paused: false,
      circuit: null,
      rate: null,
      delivery: null,
      silent: false,
      hold: null,
      pace: null,
      outbound: null,
    };
    const cases: Partial<World>[] = [
      { unrouted: -3 },
      { delivery: -3 },
      { delivery: -7200, circuit: -3 },
      { delivery: -7200, rate: -3 },
      { outbound: -3 },
      { outbound: -7200, hold: -3 },
    ];
    for (const each of cases) {
      const w = { ...nothing, ...each } as World;
      assertEquals(await inWorld(sql, w, (t) => asked(t, 3600)), true, JSON.stringify(each));
    }
    assertEquals(await inWorld(sql, nothing as World, (t) => asked(t, 0)), false);
  },
);
