/**
 * Flags and rollouts: an evaluation in memory; OFREP over HTTP, beside a bare server in the same run; and the guard over
 * 50 running rollouts with a day of minutes, on a Postgres of its own.
 */
import process from "node:process";
import type { Sql } from "postgres";
import { evaluate, prepareFlags } from "../supabase/functions/_shared/flags/evaluate.ts";
import { EDGES_MS } from "../supabase/functions/_shared/rollouts/latency.ts";
import { FLAGS, flagSettings, TARGETS } from "./flags_settings.ts";
import { type Load, load, post } from "./load.ts";
import { median, print, type Row } from "./report.ts";

/** How much is done; `--quick` is for seeing that the bench itself works. */
const SIZES = {
  whole: { runs: 5, evaluations: 1_000_000, requests: 60_000, rollouts: 50, minutes: 1440 },
  quick: { runs: 1, evaluations: 50_000, requests: 2_000, rollouts: 5, minutes: 120 },
};
type Size = (typeof SIZES)["whole"];
/** What others need for a percentage flag on a machine with 2 cores. Told, not measured in this run. */
const OTHERS: [name: string, ns: number][] = [["flagd-core", 400], ["GrowthBook", 765], [
  "unleash-client",
  854,
]];
const CONNECTIONS = 32;
const KEY = "sb_publishable_bench";

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  const size = SIZES[args.includes("--quick") ? "quick" : "whole"];
  const rows = [
    ...evaluations(size),
    ...await ofrep(size),
    ...await guard(size, { name: "", times: 1 }),
    ...await guard(size, { name: ", a failure each minute", times: 10 }),
  ];
  print(
    "flags",
    `medians of ${size.runs} runs; ${FLAGS} flags with a percentage and ${TARGETS} target ids each`,
    rows,
    args.includes("--json"),
  );
}

/** Evaluations of one id after the other, over all flags. */
function evaluations({ runs, evaluations }: Size): Row[] {
  const settings = flagSettings();
  const flags = prepareFlags(settings);
  const keys = settings.map(({ key }) => key);
  const ids = Array.from(
    { length: 4096 },
    (_, i) => `018f3c2e-7a1b-7c3d-8e4f-${i.toString(16).padStart(12, "0")}`,
  );
  const times: number[] = [], cpu: number[] = [];
  let on = 0;
  // The first run warms up.
  for (let run = 0; run <= runs; run++) {
    const began = performance.now(), used = process.cpuUsage();
    for (let i = 0; i < evaluations; i++) {
      if (evaluate(flags, keys[i % keys.length], ids[i * 7 & 4095]).value) on++;
    }
    const { user, system } = process.cpuUsage(used);
    if (run === 0) continue;
    times.push((performance.now() - began) * 1e6 / evaluations);
    cpu.push((user + system) * 1e3 / evaluations);
  }
  if (on === 0) throw new Error("nobody had a flag");
  return [
    { what: "evaluate() in memory, ns", value: median(times), goal: "at most 300" },
    { what: "of it on a processor, ns (the rest is others')", value: median(cpu) },
    ...OTHERS.map(([name, ns]) => ({ what: `${name}, ns, measured elsewhere`, value: ns })),
  ];
}

/** Single evaluations a second over HTTP, and what a server that does nothing but answer manages. */
async function ofrep({ runs, requests }: Size): Promise<Row[]> {
  const server = await start("flags_server.ts");
  const bare = await start("redirect_server.ts");
  try {
    const [ours, theirs]: Load[][] = [[], []];
    for (let run = 0; run <= runs; run++) {
      for (const [target, loads, status] of [[server, ours, "200"], [bare, theirs, "302"]] as const) {
        const measured = await load(target.address, asks(target.address.port, requests), CONNECTIONS);
        if (measured.statuses[status] !== requests) throw new Error(JSON.stringify(measured.statuses));
        if (run > 0) loads.push(measured);
      }
    }
    const rate = (loads: Load[]) => median(loads.map(({ perSecond }) => perSecond));
    return [
      { what: "OFREP single evaluations a second", value: rate(ours), goal: "at least 15,000" },
      { what: "a server that only answers, same run", value: rate(theirs) },
      { what: "share of that, %", value: 100 * rate(ours) / rate(theirs) },
      { what: "OFREP single evaluation, p99 in ms", value: median(ours.map(({ p99 }) => p99)) },
    ];
  } finally {
    await server.stop();
    await bare.stop();
  }
}

function asks(port: number, count: number): Uint8Array[] {
  const few = Array.from({ length: 500 }, (_, i) => {
    const body = new TextEncoder().encode(
      JSON.stringify({ context: { targetingKey: `user-${i}`, plan: "free" } }),
    );
    const path = `/functions/v1/flags/ofrep/v1/evaluate/flags/feature_${i % FLAGS}.enabled`;
    return post(`127.0.0.1:${port}`, path, { "content-type": "application/json", "x-api-key": KEY }, body);
  });
  return Array.from({ length: count }, (_, i) => few[i % few.length]);
}

/** A server of this folder in a process of its own. */
async function start(script: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL(script, import.meta.url).pathname],
    env: {
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: "sb_secret_bench" }),
      SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: KEY }),
    },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/listening on (\d+)/.test(said)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${script} ended: ${said}`);
    said += value;
  }
  const port = Number(/listening on (\d+)/.exec(said)![1]);
  return {
    address: { hostname: "127.0.0.1", port },
    stop: async () => {
      child.kill();
      await reader.cancel();
      await child.status;
    },
  };
}

const PLAN = {
  stages: [{
    name: "ten",
    percentage: 10,
    hold_minutes: 10_000,
    min_samples: 300,
    advance_when: { error_rate_below: 0.01, p95_ms_below: 400 },
    roll_back_when: { error_rate_above: 0.02, p95_ms_above: 1000 },
  }, {
    name: "all",
    percentage: 100,
    hold_minutes: 60,
    min_samples: 300,
    advance_when: {},
    roll_back_when: { error_rate_above: 0.02 },
  }],
};

/**
 * The clock's call: every minute, and after a day in which it did not come.
 *
 * @param traffic `times` 10 outcomes a minute with the flag, and 90 without. Where more than one fails every minute, no two
 * minutes can be taken together.
 */
async function guard({ runs, rollouts, minutes }: Size, traffic: Traffic): Promise<Row[]> {
  // Starts a Postgres when it is loaded, which the other benchmarks need not wait for.
  const { testDatabase } = await import("../tests/support/postgres.ts");
  const { sql, drop } = await testDatabase();
  try {
    await fill(sql, rollouts, minutes, traffic.times);
    const [{ began }] = await sql<
      { began: Date }[]
    >`select max(stage_started_at) as began from public.rollouts`;
    const tick = async (minute: number) => {
      const at = new Date(began.getTime() + minute * 60_000 + 30_000);
      const start = performance.now();
      const said = await sql`select verdict from private.advance_rollouts(${at})`;
      const took = performance.now() - start;
      if (said.length !== rollouts || said.some(({ verdict }) => verdict !== "hold")) {
        throw new Error(JSON.stringify(said.slice(0, 5)));
      }
      return took;
    };
    const catchingUp = await tick(minutes);
    const ticks: number[] = [];
    for (let run = 1; run <= runs; run++) ticks.push(await tick(minutes + run));
    return [
      {
        what: `guard over ${rollouts} rollouts, a minute${traffic.name}, ms`,
        value: median(ticks),
        goal: "below 500",
      },
      {
        what: `guard over ${rollouts} rollouts, ${minutes} minutes behind${traffic.name}, ms`,
        value: catchingUp,
        ...(traffic.times === 1 ? { goal: "below 500" } : {}),
      },
    ];
  } finally {
    await drop();
  }
}

interface Traffic {
  /** In the names of the figures. */
  name: string;
  times: number;
}

/** Running rollouts, and a day of healthy minutes for each: about 0.3 % fail, with ten times the traffic 1 %. */
async function fill(sql: Sql, rollouts: number, minutes: number, times: number): Promise<void> {
  for (let i = 0; i < rollouts; i++) {
    const key = `feature_${i}.enabled`;
    await sql`select public.set_flag(${key}, '{}', 0)`;
    const [{ id }] = await sql`select (public.create_rollout(${key}, ${sql.json(PLAN)})).id`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
  }
  await sql`
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    select r.flag_key, date_trunc('minute', r.stage_started_at) + m * interval '1 minute', a.arm, a.n,
      case when ${times}::int > 1 then a.n / 100 else ((hashtext(r.flag_key || m || a.arm) & 1023) < 3 * a.n)::int end, a.n, a.n * 100,
      array(select case when e >= 1000 then a.n - s.slow when e >= 200 then greatest(0, a.n - s.slow - 1) else 0 end
        from unnest(${EDGES_MS as number[]}::int[]) with ordinality as u (e, i) order by i)
    from generate_series(1, ${minutes + 10}::int) m
    cross join public.rollouts r
    cross join (values ('on', 10 * ${times}::int), ('off', 90 * ${times}::int)) as a (arm, n)
    cross join lateral (select (hashtext(r.flag_key || a.arm || m) & 1023) * a.n / 40000 as slow) s
    order by m, r.flag_key, a.arm`;
  await sql.unsafe("vacuum analyze public.flag_metrics");
}
