/** Outcomes of a rollout count people: who fails or waits again in the same stage says nothing new. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import { databaseTest } from "../support/database.ts";

const FLAG = "checkout.enabled";

/** One outcome a person, as a process sends them. */
async function report(sql: Sql, at: Date, people: [string, boolean, number][]): Promise<void> {
  const le = EDGES_MS.map((_, i) => people.filter(([, , place]) => place <= i).length);
  const sums = [{
    flag: FLAG,
    arm: "on",
    minute: Math.floor(at.getTime() / 60_000),
    n: people.length,
    failed: people.filter(([, failed]) => failed).length,
    timed: people.length,
    ms: 0,
    le,
    people: people.filter(([, failed, place]) => failed || place > 9),
  }];
  await sql`select private.record_outcomes(${sql.json(sums as never)}, ${at})`;
}

async function rowsOf(sql: Sql): Promise<unknown[]> {
  const rows = await sql`
    select n, failed, failed_again, coalesce(slow_again[11], 0) as slow_again from public.flag_metrics
    where flag_key = ${FLAG} order by minute`;
  return rows.map(({ n, failed, failed_again, slow_again }) => [n, failed, failed_again, slow_again]);
}

async function start(sql: Sql): Promise<{ id: string; version: number }> {
  const [row] =
    await sql`select id, version::int from public.create_rollout(${FLAG}, '{"template": "canary"}')`;
  const [{ version }] =
    await sql`select version::int from public.start_rollout(${row.id}, ${row.version}, 'a test')`;
  return { id: row.id, version };
}

databaseTest("a person who fails repeatedly counts once per stage", async (sql) => {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
  const { id, version } = await start(sql);
  const [{ now }] = await sql<{ now: Date }[]>`select now()`;
  const minute = (i: number) => new Date(now.getTime() + i * 60_000);
  for (let i = 0; i < 3; i++) {
    await report(sql, minute(i), [["u1", true, 0], [`v${i}`, false, 0], [`w${i}`, i === 2, 0]]);
  }
  assertEquals(await rowsOf(sql), [[3, 1, 0, 0], [3, 1, 1, 0], [3, 2, 1, 0]]);
  // Slow at 400 ms and above (edge 11), then slower still, which is new.
  await sql`truncate public.flag_metrics`;
  await report(sql, minute(3), [["slow", false, 11]]);
  await report(sql, minute(4), [["slow", false, 15]]);
  await report(sql, minute(5), [["slow", false, 15]]);
  const [, second, third] = await sql<{ slow_again: number[] }[]>`
    select slow_again from public.flag_metrics where flag_key = ${FLAG} order by minute`;
  assertEquals([second.slow_again[10], second.slow_again[14], third.slow_again[14]], [1, 0, 1]);

  await sql`truncate public.flag_metrics`;
  await sql`select public.advance_rollout(${id}, ${version}, 'a test')`;
  await sql`update public.rollouts set stage_started_at = ${minute(10)} where id = ${id}`;
  await report(sql, minute(11), [["u1", true, 0]]);
  assertEquals(await rowsOf(sql), [[1, 1, 0, 0]], "a stage of its own");
});

databaseTest(
  "people are remembered during a rollout only, and at most 10,000",
  async (sql) => {
    await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
    const [{ now }] = await sql<{ now: Date }[]>`select now()`;
    const count = async () => (await sql`select count(*)::int as n from private.flag_sufferers`)[0].n;
    await report(sql, now, [["u1", true, 0]]);
    assertEquals(await count(), 0, "no rollout");
    const { id, version } = await start(sql);
    await sql`
    insert into private.flag_sufferers (flag_key, subject_id, failed, place, at)
    select ${FLAG}, 'x' || i, true, 0, now() from generate_series(1, 9999) i`;
    await report(sql, now, [["u1", true, 0]]);
    await report(sql, now, [["u2", true, 0]]);
    assertEquals(await count(), 10_000);
    await sql`select private.purge_flag_metrics(now())`;
    assertEquals(await count(), 10_000);
    await sql`select public.roll_back_rollout(${id}, ${version}, 'a test')`;
    await sql`select private.purge_flag_metrics(now())`;
    assertEquals(await count(), 0);
  },
);
