/** Pools of numbers: what is counted, how long it lasts, and who is told when. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { addOrg, type OrgRows } from "../support/masking.ts";

const MINUTE = 60_000, DAY = 24 * 60 * MINUTE;
/** After everything that rests today. */
const START = Date.parse("2130-03-02T09:00:00Z");

/** An organisation with ten numbers and eleven clients, all of whom have one sitter. */
async function scene(sql: Sql): Promise<OrgRows> {
  const rows = await addOrg(sql, 10, { name: "Moss", grace_hours: 72 });
  for (let i = rows.clients.length; i < 11; i++) {
    rows.clients.push((await sql`insert into public.contacts (channel) values ('sms') returning id`)[0].id);
  }
  return rows;
}

/** Opens threads of the sitter with these clients. */
async function open(sql: Sql, { org, clients, sitters }: OrgRows, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await sql`select public.open_thread(${org}, ${clients[i]}, ${sitters[0].member})`;
  }
}

/** Ends the oldest threads, and takes the numbers from their people. */
async function end(sql: Sql, count: number): Promise<void> {
  await sql`update public.threads set state = 'ended', ended_at = now() - interval '4 days'
    where id in (select id from public.threads where state = 'live' order by id limit ${count})`;
  await sql`select private.release_numbers(clock_timestamp())`;
}

const forecast = async (sql: Sql, org: string, at = START) =>
  (await sql`select private.pool_forecast(${org}, ${new Date(at)}) as seen`)[0].seen;
const watch = async (sql: Sql, at: number) =>
  (await sql`select private.watch_pools(${new Date(at)}) as n`)[0].n as number;
/** What was told, in order: kind and why. */
const told = async (sql: Sql) =>
  (await sql`select payload ->> 'kind' as kind, payload #> '{part,because}' as because, payload #> '{part,figures}' as figures
    from public.notifications order by id`).map(({ kind, because, figures }) => [
    kind,
    because,
    figures.name,
    figures.closed,
    figures.numbers,
  ]);

databaseTest(
  "pool_forecast(): numbers that drain or whose sender is off are not lent, and are in use",
  async (sql) => {
    const rows = await scene(sql);
    await open(sql, rows, 0, 6);
    const before = await forecast(sql, rows.org);
    assertEquals(before, {
      numbers: 10,
      draining: 0,
      needed: 6,
      closed: 6,
      share: 0.6,
      state: "ok",
      days_left: null,
      exhausted_count: 0,
    });
    // Of the numbers in use one drains, of the free ones one has a sender that is off.
    const used = await sql`select message_number_id as id from public.threads order by threads.id`;
    await sql`select public.set_org_number(${rows.org}, ${used[0].id}, 'pool', null, 'draining')`;
    const [free] = await sql`select number_id as id from public.org_numbers
    where class = 'pool' and state = 'active' and number_id <> all (${used.map(({ id }) => id)}) limit 1`;
    await sql`update public.senders set state = 'paused' where id = ${free.id}`;
    const after = await forecast(sql, rows.org);
    assertEquals([after.numbers, after.draining, after.needed, after.closed], [8, 1, 6, 5]);
    // Once nobody has it, it is out.
    await end(sql, 1);
    const gone = await forecast(sql, rows.org);
    assertEquals([gone.numbers, gone.draining, gone.needed, gone.closed], [8, 0, 5, 5]);
  },
);

databaseTest("pool_forecast(): without a number to lend it is exhausted, not empty", async (sql) => {
  const rows = await addOrg(sql, 1);
  await sql`update public.org_numbers set state = 'out' where class = 'pool'`;
  const seen = await forecast(sql, rows.org);
  assertEquals([seen.numbers, seen.share, seen.state, seen.days_left], [0, 1, "exhausted", 0]);
  const [{ other }] = await sql`select public.set_org(null, '{"name": "Without"}') ->> 'id' as other`;
  assertEquals((await forecast(sql, other)).state, "exhausted");
  // An organisation that has never had a pool needs none: it is not listed, and nobody is told of it.
  const [{ pools }] = await sql`select public.list_pools() as pools`;
  assertEquals(pools.map(({ org_id }: { org_id: string }) => org_id), [rows.org]);
});

databaseTest("watch_pools(): told at 80 %, at the end, and when it is well again, each once", async (sql) => {
  const rows = await scene(sql);
  await sql`select public.set_allowlist_entry('hooks.example.com', 'forward')`.catch(() => undefined);
  await sql`insert into public.notification_endpoints (name, kind, host, events)
    values ('ops', 'webhook', 'hooks.example.com', '{failing,recovered}')`;
  await open(sql, rows, 0, 7);
  assertEquals(await watch(sql, START), 0);
  await open(sql, rows, 7, 8);
  assertEquals([await watch(sql, START + 5 * MINUTE), await watch(sql, START + 10 * MINUTE)], [1, 0]);
  await open(sql, rows, 8, 10);
  assertEquals([await watch(sql, START + 15 * MINUTE), await watch(sql, START + 20 * MINUTE)], [1, 0]);
  // A moment of relief tells nobody, and the same again is no news.
  await end(sql, 1);
  assertEquals(await watch(sql, START + 25 * MINUTE), 0);
  await open(sql, rows, 10, 11);
  assertEquals(await watch(sql, START + 30 * MINUTE), 0);
  // Out of the worst for ten minutes; a second end is told.
  await end(sql, 1);
  assertEquals([await watch(sql, START + 35 * MINUTE), await watch(sql, START + 46 * MINUTE)], [0, 0]);
  await open(sql, rows, 0, 1);
  assertEquals(await watch(sql, START + 50 * MINUTE), 1);
  await end(sql, 5);
  assertEquals([await watch(sql, START + 55 * MINUTE), await watch(sql, START + 65 * MINUTE)], [0, 1]);
  assertEquals(await told(sql), [
    ["failing", "warning", "Moss", 8, 10],
    ["failing", "exhausted", "Moss", 10, 10],
    ["failing", "exhausted", "Moss", 10, 10],
    ["recovered", "ok", "Moss", 5, 10],
  ]);
  const [{ seen }] = await sql`select public.metrics() -> 'pools' as seen`;
  assertEquals(seen, [{ org: rows.org, numbers: 10, draining: 0, needed: 5, closed: 5 }]);
  await sql`delete from public.orgs where id = ${rows.org}`;
  assertEquals(await watch(sql, START + DAY), 0);
});

databaseTest("pool_forecast(): how many days are left, by the growth of a month at most", async (sql) => {
  const rows = await scene(sql);
  await open(sql, rows, 0, 2);
  await watch(sql, START - 40 * DAY);
  await watch(sql, START - 4 * DAY);
  assertEquals((await forecast(sql, rows.org)).days_left, null);
  await open(sql, rows, 2, 6);
  assertEquals((await forecast(sql, rows.org)).days_left, 4);
  await watch(sql, START);
  await watch(sql, START + 5 * DAY);
  // Four in nine days.
  assertEquals((await forecast(sql, rows.org, START + 5 * DAY)).days_left, 9);
  await watch(sql, START + 100 * DAY);
  const [{ days }] = await sql`select count(*)::int as days from private.pool_days`;
  assertEquals(days, 1);
});
