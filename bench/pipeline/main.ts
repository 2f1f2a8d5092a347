/**
 * Everything switched on, as it is used: from Meta's post to the service's answer, and on to the statuses of its reply.
 * Beside two limits of the same run: the rows of a message by plain SQL on frozen tables, and a bare Deno that verifies,
 * inserts and forwards.
 *
 * Order, nothing twice, nothing lost and `reconcile` are checked in the same run.
 */
import postgres from "postgres";
import { configSeen } from "../../tests/support/config_seen.ts";
import { functionsWith, startStack } from "../../tests/support/stack.ts";
import { type Helper, startHelper } from "../helper.ts";
import { type Load, load } from "../load.ts";
import { median, print, type Row } from "../report.ts";
import { request, type WebhookTarget } from "../webhooks.ts";
import { cpuOf } from "./cpu.ts";
import type { Begin, Report } from "./outside.ts";
import { makePlainTables, plainSql } from "./plain.ts";

const FULL = { runs: 5, messages: 15_000, turns: 6000, paced: 2000, batches: 480 };
const QUICK = { runs: 1, messages: 300, turns: 100, paced: 100, batches: 4 };
const PEOPLE = 3000;
const CONNECTIONS = 64;
/** Messages a second of the part about latency. */
const PACE = 200;
/** Messages before those whose latency counts: in their time plans are made and code is compiled. */
const WARM = 400;
const NUMBERS = ["150000000000001", "150000000000002", "150000000000003", "150000000000004"];
/** So long nothing may arrive before what is missing is given up, in milliseconds. */
const PATIENCE_MS = 20_000;

const PARTS = ["plain", "bare", "delivered", "turns", "latency"] as const;
type Part = typeof PARTS[number];
type Cpu = Record<string, number>;

/** What one run measured; a part that was not asked for is absent. */
interface Run {
  plain?: number;
  bare?: number;
  delivered?: { perSecond: number; load: Load; cpu: Cpu };
  turns?: { perSecond: number; cpu: Cpu };
  /** Milliseconds from the post to the service's call, sorted. */
  latency?: number[];
}

/** Runs the bench. `--json` prints one JSON document, `--runs N`, `--only PART` leaves the other parts out, `--quick` shows that it works. */
export async function main(args: string[]): Promise<void> {
  const valueOf = (option: string) => args.includes(option) ? args[args.indexOf(option) + 1] : undefined;
  const size = args.includes("--quick") ? QUICK : FULL;
  const runs = Number(valueOf("--runs") ?? size.runs);
  const only = valueOf("--only")?.split(",");
  const parts = PARTS.filter((part) => only === undefined || only.includes(part));
  if (parts.length === 0) throw new Error(`--only takes some of ${PARTS.join(",")}`);

  await using outside = await startHelper(new URL("outside.ts", import.meta.url));
  await using functions = await functionsWith({
    WHATSAPP_GRAPH_URL: `http://127.0.0.1:${outside.port}/graph`,
  });
  const stack = await startStack({ checked: false, functions: functions.path });
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  try {
    const target: WebhookTarget = {
      hostname: "127.0.0.1",
      port: Number(new URL(stack.url).port),
      ...stack.stack.whatsapp,
    };
    await prepare(sql, outside.port);
    await configSeen(stack, sql);
    await using bare = await startHelper(
      new URL("bare.ts", import.meta.url),
      stack.stack.dbUrl,
      target.appSecret,
      `http://127.0.0.1:${outside.port}/hook`,
    );
    const measure = measures({
      sql,
      target,
      outside,
      bare,
      size,
      pids: () => ({ ...stack.pids(), outside: outside.pid, load: Deno.pid }),
    });
    // The first one warms caches, plans and the compiler, and makes the contacts.
    const all = Array.from({ length: runs + 1 }, (): Run => ({}));
    for (const run of all) {
      for (const part of parts) await measure[part](run);
    }
    await reconciled(sql);
    const how =
      `everything on; medians of ${runs} runs of ${size.messages.toLocaleString("en")} messages of ` +
      `${PEOPLE.toLocaleString("en")} people, ${CONNECTIONS} connections`;
    print("pipeline", how, rowsOf(all.slice(1)), args.includes("--json"));
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

interface World {
  sql: postgres.Sql;
  target: WebhookTarget;
  outside: Helper;
  bare: Helper;
  size: typeof FULL;
  /** Processes whose CPU is told, by name. */
  pids(): Record<string, number>;
}

/** How each part is measured. Each throws where something was lost, came twice or out of order. */
function measures(
  { sql, target, outside, bare, size, pids }: World,
): Record<Part, (run: Run) => Promise<void>> {
  /** One number, or four by turns: whoever writes always writes to the same one. */
  const webhooks = (n: number, numbers = [target.phoneNumberId], path?: string) =>
    Array.from(
      { length: n },
      (_, i) => request({ ...target, phoneNumberId: numbers[i % numbers.length] }, 1, PEOPLE, path),
    );
  const begin = (replies: boolean) =>
    ask(outside.port, "/begin", { port: target.port, appSecret: target.appSecret, replies });

  /** Waits for the last of so many; gives the report. */
  async function until(done: (report: Report) => boolean): Promise<Report> {
    let last = "";
    for (let quietSince = now();;) {
      await sleep(50);
      const report = await ask(outside.port, "/report");
      if (report.twice > 0) throw new Error(`${report.twice} messages came twice`);
      if (report.late > 0) {
        throw new Error(`${report.late} messages came after a later one of the same person`);
      }
      if (report.refused > 0) throw new Error(`${report.refused} statuses were refused`);
      if (done(report)) return report;
      const state = `${report.arrived} ${report.sent} ${report.statuses}`;
      if (state !== last) quietSince = now();
      else if (now() - quietSince > PATIENCE_MS) {
        throw new Error(`nothing comes any more; so far: ${JSON.stringify({ ...report, at: undefined })}`);
      }
      last = state;
    }
  }

  /** CPU of each process for each of `n` messages, in microseconds. */
  async function counting(n: number, work: () => Promise<void>): Promise<Cpu> {
    const before = cpuOf(pids());
    await work();
    const after = cpuOf(pids());
    return Object.fromEntries(Object.keys(after).map((name) => [name, (after[name] - before[name]) / n]));
  }

  function accepted(result: Load): Load {
    if (result.statuses["200"] !== result.requests) {
      throw new Error(`webhooks were refused: ${JSON.stringify(result.statuses)}`);
    }
    return result;
  }

  return {
    plain: async (run) => {
      run.plain = await plainSql(sql, size.batches);
    },
    bare: async (run) => {
      await begin(false);
      const started = now();
      accepted(await load({ ...target, port: bare.port }, webhooks(size.messages), CONNECTIONS));
      const { lastAt } = await until(({ arrived }) => arrived === size.messages);
      run.bare = size.messages * 1000 / (lastAt - started);
      await sql`truncate bench_plain.messages`;
    },
    delivered: async (run) => {
      await begin(false);
      const made = webhooks(size.messages);
      let perSecond = 0;
      let result: Load;
      const cpu = await counting(size.messages, async () => {
        const started = now();
        result = accepted(await load(target, made, CONNECTIONS));
        const { lastAt } = await until(({ arrived }) => arrived === size.messages);
        perSecond = size.messages * 1000 / (lastAt - started);
      });
      run.delivered = { perSecond, load: result!, cpu };
    },
    turns: async (run) => {
      await begin(true);
      const made = webhooks(size.turns, NUMBERS);
      let perSecond = 0;
      const cpu = await counting(size.turns, async () => {
        const started = now();
        accepted(await load(target, made, CONNECTIONS));
        const { statusesDoneAt } = await until((report) => report.statuses === 3 * size.turns);
        perSecond = size.turns * 1000 / (statusesDoneAt - started);
      });
      run.turns = { perSecond, cpu };
    },
    latency: async (run) => {
      await begin(false);
      const all = WARM + size.paced;
      const made = webhooks(all);
      const decoder = new TextDecoder();
      const places = made.map((bytes) => Number(/my order (\d+)/.exec(decoder.decode(bytes))![1]));
      const sentAt = new Map<number, number>();
      accepted(await load(target, made, 32, PACE, (index) => sentAt.set(places[index], now())));
      const { at } = await until(({ arrived }) => arrived === all);
      const counted = new Set(places.slice(WARM));
      run.latency = at.flatMap(([place, at]) => counted.has(place) ? [at - sentAt.get(place)!] : [])
        .sort((a, b) => a - b);
    },
  };
}

function rowsOf(runs: Run[]): Row[] {
  const rows: Row[] = [];
  const of = <T>(pick: (run: Run) => T | undefined) => runs.map(pick).filter((each) => each !== undefined);
  const mid = (pick: (run: Run) => number | undefined) => {
    const values = of(pick);
    return values.length === 0 ? undefined : median(values);
  };
  const add = (what: string, value: number | undefined, goal?: string) => {
    if (value !== undefined) rows.push({ what, value, goal });
  };
  const share = (part?: number, whole?: number) =>
    part === undefined || whole === undefined ? undefined : 100 * part / whole;
  const plain = mid((run) => run.plain), bare = mid((run) => run.bare);
  const delivered = mid((run) => run.delivered?.perSecond), turns = mid((run) => run.turns?.perSecond);
  add("limit: the rows of a message by plain SQL, batches of 64 on two connections, a second", plain);
  add("limit: a bare Deno that verifies, inserts and forwards, messages a second", bare);
  add("delivered to the service, to the last one, messages a second", delivered);
  add("  share of plain SQL, %", share(delivered, plain), ">= 18");
  add("  share of the bare Deno, %", share(delivered, bare), "or >= 50");
  add("  acknowledged meanwhile, a second", mid((run) => run.delivered?.load.perSecond), "> delivered");
  add("  p99 of the acknowledgement, ms", mid((run) => run.delivered?.load.p99), "< 100");
  addCpu(rows, of((run) => run.delivered?.cpu));
  add("whole turns (message, delivery, reply, send, three statuses) over 4 numbers, a second", turns);
  add("  share of plain SQL, %", share(turns, plain), ">= 2.9");
  addCpu(rows, of((run) => run.turns?.cpu));
  const latency = of((run) => run.latency);
  add(
    `received -> service called at ${PACE}/s, p50, ms`,
    latency.length === 0 ? undefined : median(latency.map((all) => all[Math.floor(all.length / 2)])),
  );
  // 25 ms where plain SQL writes 34,680 messages a second, longer in proportion where it writes less.
  const allowed = 25 * Math.max(1, 34_680 / (plain ?? 34_680));
  add(
    "  p95, ms",
    latency.length === 0 ? undefined : median(latency.map((all) => all[Math.floor(all.length * 0.95)])),
    `<= ${allowed.toFixed(0)}`,
  );
  return rows;
}

function addCpu(rows: Row[], cpus: Cpu[]): void {
  if (cpus.length === 0) return;
  for (const name of Object.keys(cpus[0])) {
    rows.push({ what: `  CPU of ${name} for each, us`, value: median(cpus.map((cpu) => cpu[name])) });
  }
}

/** A route to the service before all others, and numbers that may send as fast as Meta lets the fastest. */
async function prepare(sql: postgres.Sql, port: number): Promise<void> {
  await makePlainTables(sql);
  await sql`select public.add_destination('bench', ${`http://127.0.0.1:${port}/hook`})`;
  await sql`select public.add_route('{bench}', '{"type":"any"}', 1)`;
  await sql`insert into public.senders (channel, id, max_per_second, pair_seconds)
    select 'whatsapp', id, 1000, 6 from unnest(${NUMBERS}::text[]) as id`;
}

/** @throws Error naming the checks that fail. */
async function reconciled(sql: postgres.Sql): Promise<void> {
  const [{ report }] = await sql`select public.reconcile() as report`;
  const failed = report.checks.filter((check: { ok: boolean }) => !check.ok);
  if (failed.length > 0) throw new Error(`reconcile: ${JSON.stringify(failed)}`);
}

async function ask(port: number, path: string, begin?: Begin): Promise<Report> {
  const response = await fetch(
    `http://127.0.0.1:${port}${path}`,
    begin && { method: "POST", body: JSON.stringify(begin) },
  );
  return await response.json();
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
