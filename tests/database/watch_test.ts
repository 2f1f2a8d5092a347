/** Parts that fail reach people by themselves: each once when it fails, once when it does well again. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { EVENTS } from "../../supabase/functions/_shared/contract/words/notifications.ts";

const T0 = Date.UTC(2026, 10, 22, 12);
const at = (minutes: number) => new Date(T0 + minutes * 60_000).toISOString();

/** Somebody who is told, and health under the control of the test. */
async function told(sql: Sql): Promise<void> {
  await sql`insert into public.notification_endpoints (name, kind, host, events) values
    ('ops', 'slack', 'hooks.example', '{failing,recovered}'), ('down', 'slack', 'hooks.example', '{failing}'),
    ('rollouts', 'slack', 'hooks.example', '{paged}')`;
  await sql`insert into public.notification_endpoints (name, kind, host, events, state)
    values ('paused', 'slack', 'hooks.example', '{failing}', 'paused')`;
  await sql.unsafe(`
    create table public.parts (component text primary key, status text);
    insert into public.parts values ('queue', 'healthy'), ('config', 'degraded'), ('clock', 'healthy');
    create or replace function private.health(p_now timestamptz) returns jsonb language sql stable as
      'select jsonb_agg(jsonb_build_object(''component'', component, ''status'', status, ''because'', ''x'', ''figures'', ''{}''::jsonb)) from public.parts'`);
}

/** What is told when the queue does so at each of these minutes. */
async function story(sql: Sql, statuses: [minute: number, status: string][]): Promise<string[]> {
  const said: string[] = [];
  for (const [minute, status] of statuses) {
    await sql`update public.parts set status = ${status} where component = 'queue'`;
    await sql`select private.watch(${at(minute)})`;
    const rows = await sql`delete from public.notifications n using public.notification_endpoints e
      where e.id = n.endpoint_id returning e.name, payload ->> 'kind' as kind, payload #>> '{part,status}' as status`;
    said.push(...rows.map(({ name, kind, status }) => `${minute} ${name} ${kind} ${status}`).sort());
  }
  return said;
}

databaseTest("watch: reports degraded after two minutes and recovery after five, once each", async (sql) => {
  await told(sql);
  const minutes = [0, 1, 2, 3, 30].map((minute): [number, string] => [minute, "degraded"]);
  assertEquals(await story(sql, minutes), ["2 down failing degraded", "2 ops failing degraded"]);
  assertEquals(await story(sql, [[31, "healthy"], [35, "healthy"]]), []);
  assertEquals(await story(sql, [[36, "healthy"], [37, "healthy"]]), ["36 ops recovered healthy"]);
  const [{ n }] = await sql`select count(*)::int as n from private.part_states`;
  assertEquals(n, 0);
});

databaseTest(
  "watch: reports down at once, even after degraded, and ignores flickering",
  async (sql) => {
    await told(sql);
    const flickers = Array.from(
      { length: 20 },
      (_, i): [number, string] => [i, i % 2 ? "healthy" : "degraded"],
    );
    assertEquals(await story(sql, flickers), []);
    assertEquals(
      await story(sql, [[40, "down"], [41, "degraded"], [50, "down"], [51, "healthy"], [53, "down"]]),
      [
        "40 down failing down",
        "40 ops failing down",
      ],
    );
    assertEquals(
      await story(sql, [[60, "healthy"], [70, "healthy"], [71, "degraded"], [73, "degraded"], [74, "down"]]),
      [
        "70 ops recovered healthy",
        "73 down failing degraded",
        "73 ops failing degraded",
        "74 down failing down",
        "74 ops failing down",
      ],
    );
  },
);

databaseTest(
  "watch: reports a failing service and a dead clock to callers with a secret key",
  async (sql) => {
    await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'slack', 'h', '{failing}')`;
    await sql`update private.config_revision set installed_at = now() - interval '1 hour'`;
    await as(sql, SERVICE, (tx) => tx`select public.watch()`);
    const rows =
      await sql`select payload #>> '{part,component}' as component, payload #>> '{part,because}' as because
    from public.notifications`;
    assertEquals(rows.map((row) => ({ ...row })), [{ component: "clock", because: "never" }]);
    const admin = await signedIn(sql, "admin");
    assertEquals(await refusal(as(sql, admin, (tx) => tx`select public.watch()`)), "42501");
  },
);

databaseTest(
  "health: names failing calls of the clock within a minute, with the reason",
  async (sql) => {
    const clock = async () => {
      const [{ health }] = await sql`select private.clock_health(now()) as health`;
      return [health.status, health.because, health.figures.fault];
    };
    const call = (seconds: number) =>
      sql`insert into public.measurements (name, label, minute, n, last_at) values
      ('request', 'wa-router 202', '-infinity', 1, now() - make_interval(secs => ${seconds}))
      on conflict (name, label, minute) do update set last_at = excluded.last_at`;
    await sql`insert into public.measurements (name, label, minute, n, last_at) values ('messages', 'in', '-infinity', 0, now())`;
    assertEquals(await clock(), ["healthy", "ran", undefined], "nobody knows who calls");
    await call(40);
    assertEquals(await clock(), ["healthy", "ran", undefined]);
    await call(61);
    assertEquals(await clock(), ["degraded", "unheard", null]);
    await call(601);
    assertEquals(await clock(), ["down", "unheard", null]);
    await call(61);
    await sql.unsafe(`
    create schema cron;
    insert into pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
      select 999999, 'pg_cron', 10, oid, false, '1' from pg_namespace where nspname = 'cron';
    create schema vault;
    create table vault.decrypted_secrets (name text, decrypted_secret text);
    create schema net;
    create table net.http_request_queue (id bigint);
    create table net._http_response (status_code int, error_msg text, created timestamptz default clock_timestamp())`);
    assertEquals(await clock(), ["degraded", "unheard", "no_secret"]);
    await sql`insert into vault.decrypted_secrets values ('gatelink_url', 'https://x'), ('gatelink_secret_key', 'sb_secret_x')`;
    assertEquals(await clock(), ["degraded", "unheard", "not_sent"]);
    await sql`insert into net._http_response (status_code) values (401)`;
    assertEquals(await clock(), ["degraded", "unheard", "status 401"]);
    await sql`insert into net._http_response (error_msg) values ('timeout')`;
    assertEquals(await clock(), ["degraded", "unheard", "no_answer"]);
    await sql`insert into net.http_request_queue values (1)`;
    assertEquals(await clock(), ["degraded", "unheard", "not_sent"]);
    // Of an installation whose calls never came.
    await sql`delete from public.measurements where name = 'request'`;
    await sql`update private.config_revision set installed_at = now() - interval '150 s'`;
    assertEquals((await clock())[0], "healthy");
    await sql`update private.config_revision set installed_at = now() - interval '190 s'`;
    assertEquals((await clock())[1], "unheard");
  },
);

databaseTest(
  "schema_state: writes one row at most every ten seconds, and fails on a read-only database",
  async (sql) => {
    const ask = () => as(sql, SERVICE, (tx) => tx`select public.schema_state() as state`);
    const written = async () =>
      (await sql`select at::text as at from private.write_probe`).map(({ at }) => at);
    await ask();
    const [first] = await written();
    await ask();
    assertEquals(await written(), [first]);
    await sql`update private.write_probe set at = at - interval '11 s'`;
    await ask();
    assertEquals((await written())[0] > first, true);
    const connection = await sql.reserve();
    await connection`set default_transaction_read_only = on`;
    assertEquals(await refusal(connection`select public.schema_state()`), "25006");
    await connection`set default_transaction_read_only = off`;
    connection.release();
  },
);

databaseTest(
  "health: names a service after three consecutive failures, before its circuit opens",
  async (sql) => {
    await sql`insert into public.destinations (name, url) values ('crm', 'https://crm.example/')`;
    const queue = async (failures: number) => {
      await sql`update public.destinations set circuit_failures = ${failures}`;
      const [{ health }] = await sql`select private.queue_health(now()) as health`;
      return [health.status, health.figures.destinations];
    };
    assertEquals(await queue(2), ["healthy", undefined]);
    assertEquals(await queue(3), ["degraded", [{ n: 3, name: "crm", state: "failing" }]]);
    assertEquals(await queue(0), ["healthy", undefined], "an answer ends it");
  },
);

databaseTest(
  "notifications: people can choose exactly the subjects that the database accepts",
  async (sql) => {
    const [{ taken }] = await sql`
    select pg_get_constraintdef(oid) as taken from pg_constraint
    where conrelid = 'public.notification_endpoints'::regclass and pg_get_constraintdef(oid) like '%events <@%'`;
    assertEquals([...taken.matchAll(/'(\w+)'/g)].map(([, event]) => event), EVENTS);
  },
);
