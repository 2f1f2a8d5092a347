/** Circuits of providers: they open for all instances at once, one call probes, and pauses double. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const T0 = Date.parse("2026-11-29T12:00:00Z");
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const enter = async (sql: Sql, seconds: number) =>
  (await sql`select private.enter_circuit('openai', ${at(seconds)}) as may`)[0].may as boolean;
const leave = (sql: Sql, ok: boolean, seconds: number, ms = 100) =>
  sql`select private.leave_circuit('openai', ${ok}, ${ms}, ${at(seconds)})`;

databaseTest("five failures in a row open a circuit for 30 s; others are not touched", async (sql) => {
  for (let i = 0; i < 4; i++) await leave(sql, false, 0);
  await leave(sql, true, 0);
  for (let i = 0; i < 4; i++) await leave(sql, false, 0);
  assertEquals(await enter(sql, 1), true);
  await leave(sql, false, 0);
  assertEquals(await enter(sql, 1), false);
  assertEquals(await enter(sql, 29), false);
  assertEquals((await sql`select private.enter_circuit('pagerduty', ${at(1)}) as may`)[0].may, true);
});

databaseTest(
  "one caller probes; a failed probe doubles the pause to ten minutes, a good one closes",
  async (sql) => {
    for (let i = 0; i < 5; i++) await leave(sql, false, 0);
    let now = 30;
    for (const pause of [60, 120, 240, 480, 600, 600]) {
      assertEquals([await enter(sql, now), await enter(sql, now)], [true, false]);
      await leave(sql, false, now);
      assertEquals(await enter(sql, now + pause - 1), false);
      now += pause;
    }
    assertEquals(await enter(sql, now), true);
    await leave(sql, true, now);
    assertEquals([await enter(sql, now), await enter(sql, now)], [true, true]);
    for (let i = 0; i < 5; i++) await leave(sql, false, now);
    assertEquals([await enter(sql, now + 29), await enter(sql, now + 30)], [false, true]);
  },
);

databaseTest(
  "a probe that never comes back gives way, and calls from before the opening change nothing",
  async (sql) => {
    for (let i = 0; i < 5; i++) await leave(sql, false, 0);
    await leave(sql, true, 1);
    assertEquals(await enter(sql, 2), false);
    assertEquals(await enter(sql, 30), true);
    assertEquals(await enter(sql, 44), false);
    assertEquals(await enter(sql, 45), true);
  },
);

databaseTest("slow answers open it too: a 95th percentile above 3 s over 20 calls", async (sql) => {
  for (let i = 0; i < 18; i++) await leave(sql, true, 0, 200);
  await leave(sql, true, 0, 3500);
  await leave(sql, true, 0, 200);
  assertEquals(await enter(sql, 1), true);
  await leave(sql, true, 0, 3500);
  assertEquals(await enter(sql, 1), false);
});
