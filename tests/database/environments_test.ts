/** What a ramp is taken back for besides outcomes, and what people are told of. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const NOW = new Date("2026-11-18T12:00:30Z");
const MINUTE = 60_000;

interface Minutes {
  name: "request" | "memory" | "database_errors";
  label: string;
  /** Of each minute, the oldest first; the last one is the minute before NOW. */
  values: { n: number; ms?: number }[];
}

async function measured(sql: Sql, series: Minutes[]): Promise<void> {
  for (const { name, label, values } of series) {
    for (const [index, { n, ms = 0 }] of values.entries()) {
      const at = new Date(NOW.getTime() - (values.length - index) * MINUTE);
      await sql`select private.add_measurements(${
        sql.json([{ name, label, n, ms, counts: [n, ...Array(27).fill(0)] }])
      }, ${at})`;
    }
  }
}

/** A ramp under way; gives its id. */
async function ramp(sql: Sql): Promise<string> {
  await sql`select public.set_traffic('blue', 100)`;
  const [{ id, version }] =
    await sql`select * from public.create_rollout('green.enabled', '{"template": "canary"}')`;
  await sql`select public.start_rollout(${id}, ${version}, 'a test')`;
  return id;
}

const watched = async (sql: Sql) =>
  (await sql`select private.environment_watch(${NOW}) as w`)[0].w as {
    findings: { rule: string; verdict: string }[];
    environments: Record<string, Record<string, number | null>>;
  };
const acted = async (sql: Sql) =>
  (await sql`select private.watch_environments(${NOW}) as rule`)[0].rule as string | null;
const state = async (sql: Sql, id: string) => {
  const [{ state, green }] = await sql`
    select r.state, (private.traffic_split() ->> 'green')::float8 as green from public.rollouts r where r.id = ${id}`;
  return [state, green];
};
const minutes = (count: number, of: (i: number) => { n: number; ms?: number }) =>
  Array.from({ length: count }, (_, i) => of(i));
/** Memory that grows by so many megabytes a minute. */
const memory = (label: string, growth: number, count = 10): Minutes => ({
  name: "memory",
  label,
  values: minutes(count, (i) => ({ n: 2, ms: 2 * (100 + growth * i) })),
});
const requests = (label: string, n: number, ms: number): Minutes => ({
  name: "request",
  label,
  values: minutes(9, () => ({ n, ms: n * ms })),
});

const CASES: [what: string, series: Minutes[], finding: string | undefined][] = [
  ["nothing", [], undefined],
  ["a failed call of the database in green", [
    { name: "database_errors", label: "green", values: [{ n: 1 }] },
  ], "database_errors roll_back"],
  ["the same in blue too", [
    { name: "database_errors", label: "green", values: [{ n: 3 }] },
    { name: "database_errors", label: "blue", values: [{ n: 1 }] },
  ], "database_errors page"],
  ["one of six minutes ago", [
    { name: "database_errors", label: "green", values: [{ n: 3 }, ...minutes(5, () => ({ n: 0 }))] },
  ], undefined],
  [
    "memory of green grows by 11 MB a minute",
    [memory("green", 11), memory("blue", 0)],
    "memory_growth roll_back",
  ],
  ["by 10", [memory("green", 10), memory("blue", 0)], undefined],
  ["by 11, for nine minutes", [memory("green", 11, 9)], undefined],
  ["that of blue as well", [memory("green", 11), memory("blue", 12)], "memory_growth page"],
  ["0.6 % fail in green", [
    requests("health-green 200", 994, 10),
    requests("health-green 500", 6, 10),
    requests("health 200", 1000, 10),
  ], "elevated_errors page"],
  ["0.6 % fail in green, 1 % in blue", [
    requests("health-green 200", 994, 10),
    requests("health-green 500", 6, 10),
    requests("health 200", 990, 10),
    requests("health 500", 10, 10),
  ], undefined],
  ["half of ten requests fail", [
    { name: "request", label: "health-green 500", values: [{ n: 5, ms: 5 }] },
    { name: "request", label: "health-green 200", values: [{ n: 5, ms: 5 }] },
  ], undefined],
  [
    "the mean of green is 210 ms",
    [requests("health-green 200", 100, 210), requests("health 200", 100, 50)],
    "elevated_latency page",
  ],
  [
    "that of blue is 250 ms",
    [requests("health-green 200", 100, 210), requests("health 200", 100, 250)],
    undefined,
  ],
  ["what a gateway itself answered", [requests("gateway 500", 1000, 900)], undefined],
];

for (const [what, series, finding] of CASES) {
  databaseTest(`environment_watch: ${what} -> ${finding ?? "nothing"}`, async (sql) => {
    const id = await ramp(sql);
    await measured(sql, series);
    const { findings } = await watched(sql);
    // A test's cluster may have few connections left.
    const own = findings.filter(({ rule }) => rule !== "connections");
    assertEquals(
      own.map(({ rule, verdict }) => `${rule} ${verdict}`),
      finding === undefined ? [] : [finding],
    );
    const back = finding?.endsWith("roll_back") ?? false;
    assertEquals(await acted(sql), back ? finding!.split(" ")[0] : null);
    assertEquals(await state(sql, id), back ? ["rolled_back", 0] : ["running", 1]);
    await acted(sql);
    const events = await sql`
      select kind, rule from public.rollout_events where rollout_id = ${id} and rule is not null and rule <> 'connections'`;
    const [rule, verdict] = finding?.split(" ") ?? [];
    assertEquals(
      events.map((event) => `${event.kind} ${event.rule}`),
      finding === undefined ? [] : [`${verdict === "page" ? "paged" : "rolled_back"} ${rule}`],
      "told once",
    );
    const incidents = await sql`select title from public.incidents where flag_key = 'green.enabled'`;
    assertEquals(incidents.length, back ? 1 : 0);
  });
}

databaseTest("environment_watch: what nobody told is not known, and no figure", async (sql) => {
  const { environments } = await watched(sql);
  for (const name of ["blue", "green"]) {
    const { memory_mb, memory_growth_mb, cpu, mean_ms, requests } = environments[name];
    assertEquals([memory_mb, memory_growth_mb, cpu, mean_ms, requests], [null, null, null, null, 0]);
  }
  assertEquals(await acted(sql), null, "there is no ramp");
});

databaseTest("set_traffic: steps of 0.01, and who stays where", async (sql) => {
  const green = async () =>
    (await sql`
      select array_agg(i order by i) as ids from generate_series(1, 2000) i
      where (select value from private.evaluate_flag('green.enabled', 'visitor-' || i))`)[0]
      .ids as number[] ?? [];
  await sql`select public.set_traffic('green', 5.25)`;
  const few = await green();
  await sql`select public.set_traffic('blue', 75)`;
  const more = await green();
  assertEquals(few.every((id) => more.includes(id)), true);
  assertEquals([few.length > 60, few.length < 160, more.length > 400, more.length < 600], [
    true,
    true,
    true,
    true,
  ]);
  for (
    const [environment, share] of [["green", 5.001], ["green", 101], ["blue", -1], ["red", 5], [null, 5], [
      "green",
      null,
    ]]
  ) {
    const code = await sql`select public.set_traffic(${environment}, ${share})`.then(
      () => "",
      (error) => error.code,
    );
    assertEquals(code, "GL422", `${environment} ${share}`);
  }
  assertEquals((await green()).length, more.length);
});
