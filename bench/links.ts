/**
 * Links: redirects a second over 100,000 links spread by Zipf's law, each click written; beside a bare server that only
 * redirects, in the same run. What a link costs that is not in memory, and what memory holds. And that the clicks are as
 * many as the redirects, also when the functions are ended by SIGTERM; after kill -9, how many are lost.
 *
 * Load comes from wrk where it is installed, else from a generator of our own, which costs more.
 */
import postgres from "postgres";
import { clicksAtRest, forgetClicks } from "./clicks.ts";
import { cacheRows } from "./links_cache.ts";
import { endFunctions, kills } from "./links_kills.ts";
import { type RunningStack, startStack } from "../tests/support/stack.ts";
import { type Load, load } from "./load.ts";
import { median, print, type Row } from "./report.ts";
import { codeOf, HEADERS, pathOf, visitOf, visits, zipf } from "./visits.ts";
import { hasWrk, wrk } from "./wrk.ts";

/** How much is done; `--quick` is for seeing that the bench itself works. */
const SIZES = {
  whole: {
    runs: 5,
    seconds: 6,
    links: 100_000,
    visits: 150_000,
    cold: 900,
    killMs: 6000,
    few: 10_000,
    many: 1_000_000,
  },
  quick: {
    runs: 1,
    seconds: 1,
    links: 2_000,
    visits: 5_000,
    cold: 15,
    killMs: 2500,
    few: 1_000,
    many: 5_000,
  },
};
type Size = (typeof SIZES)["whole"];
const CONNECTIONS = 32;
const PORT_LINE = /listening on (\d+)/;

interface Bench {
  stack: RunningStack;
  sql: postgres.Sql;
  target: { hostname: string; port: number };
  host: string;
  size: Size;
  /** Whether wrk makes the load. */
  byWrk: boolean;
}

/** Runs the bench; `--json` prints one JSON document, `--full` goes up to a million links, `--quick` does little of either. */
export async function main(args: string[]): Promise<void> {
  const stack = await startStack({ checked: false });
  const { port, host } = new URL(stack.url);
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  const size = SIZES[args.includes("--quick") ? "quick" : "whole"];
  const target = { hostname: "127.0.0.1", port: Number(port) };
  const bench: Bench = { stack, sql, host, size, target, byWrk: await hasWrk() };
  const rows: Row[] = [];
  try {
    await sql`select public.allow_host('www.example.com', 'redirect')`;
    // All of the load comes from one address.
    await sql`insert into public.settings (key, value) values ('deeplinks.visits_per_second', '10000')`;
    const few = args.includes("--full") ? await withLinks(bench, size.few) : undefined;
    rows.push(...await redirects(bench));
    rows.push(...await coldLinks(bench));
    rows.push(...await kills({ ...bench, connections: CONNECTIONS }));
    if (few !== undefined) rows.push(...await manyLinks(bench, few));
    rows.push(...await cacheRows(size.many));
    const each = bench.byWrk ? `${size.seconds} s by wrk` : `${size.visits.toLocaleString("en")} visits`;
    print(
      "links",
      `medians of ${size.runs} runs of ${each}, ${CONNECTIONS} connections`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

/** Sees to it that there are so many links. */
async function makeLinks({ sql }: Bench, count: number): Promise<void> {
  const [{ there }] = await sql<{ there: number }[]>`
    select count(*)::int as there from public.links where code like 'bench-%'`;
  for (let first = there; first < count; first += 50_000) {
    await sql`insert into public.links (code, request_hash, default_url)
      select 'bench-' || n, 'bench', 'https://www.example.com/p/' || n
      from generate_series(${first}::int, ${Math.min(first + 50_000, count) - 1}::int) n`;
  }
  await sql`analyze public.links`;
  // Isolates learn within 5 s that so much has changed, and forget what they hold.
  await new Promise((resolve) => setTimeout(resolve, 5500));
}

/** One run over so many links by Zipf's law; another `seed`, other visits. */
async function run(
  { host, size, byWrk }: Bench,
  target: Bench["target"],
  links: number,
  seed: number,
): Promise<Load> {
  if (!byWrk) return await load(target, visits(host, links, size.visits, seed), CONNECTIONS);
  const draw = zipf(links, seed);
  const paths = Array.from({ length: size.visits }, () => pathOf(draw()));
  return await wrk(target, paths, { host, ...HEADERS }, { connections: CONNECTIONS, seconds: size.seconds });
}

/** Several runs, after one that nobody counts. */
async function runs(bench: Bench, links: number, target = bench.target): Promise<Load[]> {
  const done: Load[] = [];
  for (let n = 0; n <= bench.size.runs; n++) done.push(await run(bench, target, links, n + 1));
  return done.slice(1);
}

async function redirects(bench: Bench): Promise<Row[]> {
  const { sql, stack, size, target, host } = bench;
  await makeLinks(bench, size.links);
  await forgetClicks(sql);
  const before = memoryOf(stack);
  // By our own generator, which knows of each visit whether it was answered.
  const exact = await load(target, visits(host, size.links, size.visits, 99), CONNECTIONS);
  const clicks = await clicksAtRest(sql, exact.requests);
  const measured = await runs(bench, size.links);
  const after = memoryOf(stack);
  // Not the next part's: a group may be on its way still.
  await clicksAtRest(sql, Infinity);
  const bare = await bareServer(bench);
  const perSecond = median(measured.map((run) => run.perSecond));
  const others = measured.reduce((n, run) => n + run.requests - (run.statuses["302"] ?? 0), 0);
  return [
    {
      what: `redirects a second over ${size.links.toLocaleString("en")} links`,
      value: perSecond,
      goal: ">= 30,000",
    },
    { what: "  p50, ms", value: median(measured.map((run) => run.p50)) },
    { what: "  p95, ms", value: median(measured.map((run) => run.p95)) },
    { what: "  p99, ms", value: median(measured.map((run) => run.p99)), goal: "< 15" },
    { what: "  answers other than 302", value: others, goal: "0" },
    {
      what: `  clicks lost of ${exact.requests.toLocaleString("en")}`,
      value: exact.requests - clicks,
      goal: "0",
    },
    { what: "limit: bare server that only redirects, a second", value: bare.perSecond },
    { what: "  share of it reached, %", value: 100 * perSecond / bare.perSecond },
    ...(after === undefined || before === undefined ? [] : [
      { what: "memory of the functions host before, MB", value: before },
      { what: "  after these visits, MB", value: after },
    ]),
  ];
}

/** A process of its own, as the functions host is one. */
async function bareServer(bench: Bench): Promise<Load> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./redirect_server.ts", import.meta.url).pathname],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number(PORT_LINE.exec((await reader.read()).value ?? "")?.[1]);
  try {
    const done = await runs(bench, bench.size.links, { hostname: "127.0.0.1", port });
    return done.sort((a, b) => a.perSecond - b.perSecond)[Math.floor((done.length - 1) / 2)];
  } finally {
    server.kill("SIGKILL");
    await reader.cancel();
    await server.status;
  }
}

/**
 * Links that an isolate has not met, one after the other: how often the database is asked, and how long it takes. They lie
 * so far apart that none comes along with another.
 */
async function coldLinks(bench: Bench): Promise<Row[]> {
  const { stack, sql, target, host, size } = bench;
  const codes = Array.from({ length: size.links }, (_, n) => codeOf(n)).sort();
  const apart = Math.floor(size.links / size.cold);
  const numbers = Array.from(
    { length: size.cold },
    (_, n) => Number(codes[(n + 1) * apart - 1].split("-")[1]),
  );
  await sql`alter system set track_functions = 'all'`;
  await sql`select pg_reload_conf()`;
  await endFunctions(stack, "SIGTERM");
  await load(target, [visitOf(host, 0)], 1);
  const before = await callsOf(sql, "get_links");
  const cold = await load(target, numbers.map((n) => visitOf(host, n)), 1);
  const calls = await callsOf(sql, "get_links") - before;
  return [
    { what: "cold link: calls of the database before the answer", value: calls / size.cold, goal: "<= 1" },
    { what: "  p50, ms", value: cold.p50 },
    { what: "  p99, ms", value: cold.p99 },
  ];
}

/** How often a function in SQL was called. A session that has nothing to do reports it within ten seconds. */
async function callsOf(sql: postgres.Sql, name: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  const [row] = await sql<{ calls: number }[]>`
    select calls::int from pg_stat_user_functions where schemaname = 'public' and funcname = ${name}`;
  return row?.calls ?? 0;
}

/** p95 over so many links, each of which was visited once. */
async function withLinks(bench: Bench, links: number): Promise<number> {
  const { target, host } = bench;
  await makeLinks(bench, links);
  // Many connections: what is not held is read in groups, so this takes a minute and not ten.
  for (let first = 0; first < links; first += 20_000) {
    const length = Math.min(20_000, links - first);
    await load(target, Array.from({ length }, (_, n) => visitOf(host, first + n)), 8 * CONNECTIONS);
  }
  return median((await runs(bench, links)).map((run) => run.p95));
}

async function manyLinks(bench: Bench, few: number): Promise<Row[]> {
  const { stack, size } = bench;
  const many = await withLinks(bench, size.many);
  const memory = memoryOf(stack);
  return [
    { what: `p95 over ${size.few.toLocaleString("en")} links, ms`, value: few },
    { what: `p95 over ${size.many.toLocaleString("en")} links, ms`, value: many },
    { what: "  times that of the few", value: many / few, goal: "<= 1.2" },
    ...(memory === undefined
      ? []
      : [{ what: "  memory of the functions host after them, MB", value: memory }]),
  ];
}

/** Resident memory of the functions host in megabytes, where the system tells. */
function memoryOf(stack: RunningStack): number | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${stack.pids().functions}/status`);
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
  } catch {
    return undefined;
  }
}
