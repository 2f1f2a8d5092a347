/** The guard on the database: what is no control, what is lost, and what one slow request must not do. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import { databaseTest } from "../support/database.ts";
import { advance } from "../support/rollouts.ts";

const FLAG = "checkout.enabled";
const HALF = {
  stages: [50, 100].map((percentage) => ({
    name: `${percentage} %`,
    percentage,
    hold_minutes: 60,
    min_samples: 100,
    advance_when: { error_rate_below: 0.05 },
    roll_back_when: { error_rate_above: 0.05 },
  })),
};

/** Outcomes of a minute: of each arm all, failed, and those that take `slowMs`; the others take 100 ms. */
type Played = [
  onN: number,
  onFailed: number,
  onSlow: number,
  offN: number,
  offFailed: number,
  offSlow: number,
];

/** Plays minutes into a rollout, and answers each verdict but a hold for time, with its minute. */
async function play(sql: Sql, plan: unknown, minutes: Played[], slowMs = 15_000): Promise<string[]> {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
  const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, ${sql.json(plan as never)})`;
  const [{ started }] = await sql<{ started: Date }[]>`
    select stage_started_at as started from public.start_rollout(${id}, 1, 'a test')`;
  const first = new Date((Math.floor(started.getTime() / 60_000) + 1) * 60_000);
  const said: string[] = [];
  for (const [i, [...counts]] of minutes.entries()) {
    for (const arm of ["on", "off"]) {
      const [n, failed, slow] = counts.splice(0, 3);
      if (n === 0) continue;
      const le = EDGES_MS.map((edge) => (edge >= 100 ? n - slow : 0) + (edge >= slowMs ? slow : 0));
      await sql`
        insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
        values (${FLAG}, ${first}::timestamptz + make_interval(mins => ${i}), ${arm}, ${n}, ${failed}, ${n},
          ${(n - slow) * 100 + slow * slowMs}, ${le})`;
    }
    for (const { verdict, rule } of await advance(sql, first, i * 60 + 85)) {
      const words = `${verdict} ${rule}`;
      if (words !== "hold hold_time" && !said.at(-1)?.endsWith(words)) said.push(`${i + 1}: ${words}`);
    }
    if (said.at(-1)?.includes("roll_back")) break;
  }
  return said;
}

const repeat = (minutes: number, of: (minute: number) => Played): Played[] =>
  Array.from({ length: minutes }, (_, i) => of(i + 1));

databaseTest(
  "an arm without outcomes is no control: somebody is paged, and the flag is not blamed",
  async (sql) => {
    const said = await play(sql, HALF, repeat(20, () => [10, 5, 0, 0, 0, 0]));
    assertEquals(said[0].endsWith("page error_rate_no_control"), true, said.join());
    assertEquals(said.filter((words) => words.includes("roll_back")), []);
  },
);

databaseTest(
  "one 15 s request among twenty does not roll back a canary; a persistently high mean does",
  async (sql) => {
    const said = await play(
      sql,
      { template: "canary" },
      repeat(20, (m) => [4, 0, m === 8 ? 1 : 0, 396, 0, 0]),
    );
    assertEquals(said.filter((words) => words.includes("roll_back")), []);
  },
);

databaseTest("a canary whose requests all take longer is rolled back by its mean", async (sql) => {
  const said = await play(
    sql,
    { template: "canary" },
    repeat(20, (m) => [5, 0, m > 5 ? 4 : 0, 396, 0, 0]),
    3000,
  );
  assertEquals(said.at(-1)?.includes("roll_back mean_plain"), true, said.join());
});

databaseTest("too few requests with the flag hold the rollout and page within ten minutes", async (sql) => {
  const said = await play(sql, HALF, repeat(70, () => [2, 0, 0, 50, 0, 0]));
  assertMatch(said[0], /^(9|10): page sample_ratio$/, said.join());
  assertEquals(said.slice(1).filter((words) => !words.endsWith("hold sample_ratio")), []);
  assertEquals(await sql`select state, stage from public.rollouts`.then(([row]) => ({ ...row })), {
    state: "running",
    stage: 1,
  });
});

databaseTest("a control that falls silent holds within minutes, and goes on when it is back", async (sql) => {
  const said = await play(
    sql,
    HALF,
    repeat(72, (m) => m > 32 && m <= 50 ? [10, 0, 0, 0, 0, 0] : [10, 0, 0, 10, 0, 0]),
  );
  assertEquals(said.find((words) => words.includes("silent")), "37: page control_silent", said.join());
  assertEquals(said.at(-1)?.includes("silent"), false, said.join());
  assertEquals(said.filter((words) => words.includes("advance")).length, 1, said.join());
});

databaseTest("an arm that never speaks holds and pages, where the other does", async (sql) => {
  const said = await play(sql, HALF, repeat(20, () => [0, 0, 0, 10, 0, 0]));
  assertMatch(said[0], /^(9|10): page sample_ratio$/, said.join());
});

databaseTest(
  "an arm that cannot have outcomes is no silence: the rollout goes on without a control",
  async (sql) => {
    const said = await play(sql, HALF, repeat(72, () => [10, 0, 0, 0, 0, 0]));
    assertEquals(said.filter((words) => words.includes("page")), []);
    assertEquals(said.filter((words) => words.includes("advance")).length, 1, said.join());
  },
);

databaseTest("an arm without traffic holds the rollout within minutes, and pages", async (sql) => {
  const said = await play(sql, HALF, repeat(72, (m) => m <= 32 ? [10, 0, 0, 10, 0, 0] : [0, 0, 0, 10, 0, 0]));
  assertEquals(said[0], "37: page silent", said.join());
  assertEquals(said.filter((words) => words.includes("advance")), []);
});
