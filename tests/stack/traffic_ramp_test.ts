/**
 * The example ramp on a real stack with live traffic: two deployments, the gateway in front of them, visitors with cookies,
 * outcomes counted in the functions, the guard judges.
 *
 * Only the clock is compressed, as in rollout_live_test.ts: what was counted just now is moved to the minutes in which five
 * and a half hours of traffic would have come, and the guard is asked as of then.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import postgres, { type Sql } from "postgres";
import { PROBES, verify } from "../../cli/commands/traffic/probe.ts";
import { join } from "../../lib/paths.ts";
import { runGatelink } from "../support/gatelink.ts";
import { greenOn } from "../support/green.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const MINUTE = 60_000;
const FLAG = "green.enabled";
/** Visitors at once. */
const AT_ONCE = 16;

/** Percentage, minutes, and the error rate that a stage has to be below with certainty: few visitors are enough at 1 %. */
const STAGES: [percentage: number, minutes: number, below: number, visitors: number][] = [
  [1, 30, 0.2, 2600],
  [5, 30, 0.1, 1000],
  [10, 30, 0.05, 1000],
  [25, 60, 0.02, 1000],
  [50, 60, 0.02, 500],
  [100, 120, 0.02, 250],
];

const PLAN = {
  name: "example",
  stages: STAGES.map(([percentage, hold_minutes, error_rate_below]) => ({
    name: `${percentage} %`,
    percentage,
    hold_minutes,
    min_samples: 10,
    advance_when: { error_rate_below: Math.min(error_rate_below, 0.2) },
    roll_back_when: {
      error_rate_above: Math.max(0.01, error_rate_below),
      plain: { minutes: 5, min_samples: 20, mean_ms_above: 500 },
    },
  })),
};

/** A visitor and the side on which they were. */
interface Visitor {
  cookie: string;
  environment: string;
}

interface Live extends AsyncDisposable {
  stack: RunningStack;
  sql: Sql;
  /** Visitors so far, and statuses by how often they were answered. */
  visitors: Visitor[];
  statuses: Map<number, number>;
  // deno-lint-ignore no-explicit-any
  gatelink(...words: string[]): Promise<any>;
  /** So many new visitors come, and are counted. */
  come(count: number): Promise<void>;
  /** Who of these is on another side than before. */
  movers(visitors: Visitor[]): Promise<Visitor[]>;
  /** Moves what was counted just now to a minute of the compressed clock. */
  countedAt(at: Date): Promise<void>;
  /** Asks the guard as of then, and waits until the gateway knows. */
  judged(at: Date): Promise<{ verdict: string; rule: string }>;
}

async function live(): Promise<Live> {
  const stack = await startStack({ env: { DATABASE_URL: "" }, args: ["--no-seed"] });
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  const visitors: Visitor[] = [];
  const statuses = new Map<number, number>();

  async function visit(): Promise<Visitor> {
    const response = await fetch(`${stack.url}/health`);
    await response.body?.cancel();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    return {
      cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "",
      environment: response.headers.get("x-environment") ?? "",
    };
  }

  async function each<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
    const found: T[] = [];
    let next = 0;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < count) {
        const index = next++;
        found[index] = await one(index);
      }
    }));
    return found;
  }

  const counted = async () => {
    const rows = await sql<{ arm: "on" | "off"; n: number }[]>`
      select arm, sum(n)::int as n from public.flag_metrics
      where flag_key = ${FLAG} and minute <= clock_timestamp() group by arm`;
    return { on: 0, off: 0, ...Object.fromEntries(rows.map(({ arm, n }) => [arm, n])) };
  };
  /** The gateway goes by the split as it is. */
  const seen = async () => {
    const [{ green }] = await sql`select private.green_share()::float8 as green`;
    assertEquals((await verify(stack.url, { green }, 30_000)).agree, true);
    // Between 0 and 100 nothing shows which share it is: the configuration is at most a second old.
    await until("the configuration is read again", async () => {
      await visit();
      return performance.now() > readAfter;
    });
    readAfter = performance.now() + 1500;
  };
  let readAfter = 0;

  return {
    stack,
    sql,
    visitors,
    statuses,
    async gatelink(...words) {
      const env = { GATELINK_STACK: join(stack.dir, "stack.json") };
      const { code, out, err, json } = await runGatelink([...words, "--json"], { env });
      assertEquals(code, 0, `gatelink ${words.join(" ")}\n${out}${err}`);
      return json();
    },
    async come(count) {
      const before = await counted();
      const came = await each(count, () => visit());
      visitors.push(...came);
      const green = came.filter(({ environment }) => environment === "green").length;
      // Each environment sends what it counted for itself.
      await until("each outcome is counted", async () => {
        const { on, off } = await counted();
        return on - before.on >= green && off - before.off >= count - green;
      });
    },
    async movers(some) {
      const again = await each(some.length, async (i) => {
        // Asked, not visited: a second visit would count for another minute.
        const { headers } = await fetch(`${stack.url}/functions/v1/gateway/choose`, {
          headers: { cookie: some[i].cookie, "x-original-uri": "/health" },
        });
        return headers.get("x-environment");
      });
      return some.filter(({ environment }, i) => again[i] !== environment);
    },
    async countedAt(at) {
      await sql`
        with moved as (
          delete from public.flag_metrics where flag_key = ${FLAG} and minute <= clock_timestamp() returning *
        )
        insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
        select flag_key, date_trunc('minute', ${at}::timestamptz), arm, sum(n), sum(failed), sum(timed), sum(ms), (
          select array_agg(total order by i) from (
            select i, sum(m.le[i])::integer as total from moved m, generate_series(1, 27) i where m.arm = moved.arm group by i
          ) t)
        from moved group by flag_key, arm`;
    },
    async judged(at) {
      // The stack's own guard may have it in hand.
      const verdict = await until("a verdict", async () => {
        const [row] = await sql<{ verdict: string; rule: string }[]>`
          select verdict, rule from private.advance_rollouts(${at}) where flag_key = ${FLAG}`;
        return row.rule !== "locked" && row;
      });
      readAfter = performance.now() + 1500;
      await seen();
      return verdict;
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await stack.stop();
    },
  };
}

async function begin({ gatelink, stack }: Live): Promise<{ id: string; began: Date }> {
  await greenOn(stack);
  const path = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(path, JSON.stringify(PLAN));
  const { rollout } = await gatelink("traffic", "ramp", "--plan", path, "--why", "the example");
  await Deno.remove(path);
  return { id: rollout.id, began: new Date(rollout.stage_started_at) };
}

Deno.test("the example ramp: 1, 5, 10, 25, 50, 100 %, nobody changes sides, nothing is lost", async () => {
  await using world = await live();
  const { sql, gatelink, visitors, statuses, movers, come } = world;
  const { id, began } = await begin(world);
  await world.judged(began);
  let now = began;
  for (const [index, [percentage, hold, , count]] of STAGES.entries()) {
    const [rollout] = await sql`select stage, state from public.rollouts where id = ${id}`;
    assertEquals([rollout.stage, rollout.state], [index + 1, "running"]);
    const before = visitors.length;
    await come(count);
    const green = visitors.slice(before).filter(({ environment }) => environment === "green").length;
    assert(Math.abs(green / count - percentage / 100) < 0.06, `${green} of ${count} at ${percentage} %`);
    // Those of the stage stay where they are, those of earlier ones on green as well.
    assertEquals(await movers(visitors.slice(before, before + 100)), []);
    const earlier = visitors.slice(0, before).filter(({ environment }) => environment === "green").slice(
      0,
      100,
    );
    assertEquals(await movers(earlier), []);

    const end = new Date(now.getTime() + hold * MINUTE);
    await world.countedAt(new Date(end.getTime() - 10 * MINUTE));
    const early = await world.judged(new Date(end.getTime() - 5 * MINUTE));
    assertEquals([early.verdict, early.rule], ["hold", "hold_time"], `${percentage} %`);
    now = new Date(end.getTime() + 2 * MINUTE);
    const verdict = await world.judged(now);
    assertEquals([verdict.verdict, verdict.rule], ["advance", "criteria_met"], `${percentage} %`);
  }
  const shown = await gatelink("rollout", "show", id);
  assertEquals(shown.state, "completed");
  assertEquals(Math.floor((Date.parse(shown.finished_at) - began.getTime()) / MINUTE / 60), 5, "hours");
  assertEquals((await gatelink("traffic", "status")).green, 100);
  assertEquals([...statuses.keys()], [200]);

  const back = await gatelink("traffic", "back", "--why", "the example");
  assertEquals([back.verified, back.probes], [true, Array(PROBES).fill("blue")]);
  assertEquals((await movers(visitors.slice(-50))).length, 50, "all are back");
});

Deno.test("the example ramp with 2 % errors in green at 25 %: back in one step, verified by ten probes", async () => {
  await using world = await live();
  const { sql, gatelink, visitors, movers, come, stack } = world;
  const { id } = await begin(world);
  for (const name of ["5 %", "10 %", "25 %"]) {
    await gatelink("rollout", "advance", id, "--why", `the test is about 25 %: ${name}`);
  }
  // A version of which every fiftieth answer fails.
  await greenOn(stack, {
    "_shared/serve/serve.ts": (text) =>
      text.replace(
        "      requireHost(request.headers);\n",
        `      requireHost(request.headers);
      if (request.url.endsWith("/health-green/plain") && ++injected % 50 === 0) throw new Error("injected");
`,
      ) + "\nlet injected = 0;\n",
  });
  const { stage_started_at } = await gatelink("rollout", "show", id);
  const stageBegan = Date.parse(stage_started_at);
  await world.judged(new Date(stageBegan + MINUTE));
  let verdict = { verdict: "hold", rule: "" };
  let minutes = 0;
  for (; minutes < 25 && verdict.verdict !== "roll_back"; minutes++) {
    await come(400);
    assertEquals(await movers(visitors.slice(-20)), [], "nobody changes sides in between");
    const at = new Date(stageBegan + (5 + minutes) * MINUTE);
    await world.countedAt(at);
    verdict = await world.judged(new Date(at.getTime() + 2 * MINUTE));
  }
  assertEquals(verdict.verdict, "roll_back", `after ${minutes} minutes`);
  const { seen, agree } = await verify(stack.url, { green: 0 });
  assertEquals([seen, agree], [Array(PROBES).fill("blue"), true]);
  const green = visitors.filter(({ environment }) => environment === "green");
  assertEquals((await movers(green.slice(0, 50))).length, 50, "all are back on blue");

  const shown = await gatelink("rollout", "show", id);
  assertEquals(shown.state, "rolled_back");
  assertMatch(shown.events.at(-1).message, /more fail with the flag on than without it|more than 2 %/);
  const [incident] = await sql`select severity, flag_key from public.incidents where flag_key = ${FLAG}`;
  assertEquals(incident.flag_key, FLAG);
  assertEquals((await gatelink("rollout", "replay", id)).same, true);
});
