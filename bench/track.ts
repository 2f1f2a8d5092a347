/**
 * Tracked mails: pixels and clicks a second over many mails, each recorded; beside bare servers that only answer, in the same
 * run. How long they take at half of that rate, and that none is lost, also when the functions are ended by SIGTERM and while
 * visitors move to another environment and back.
 *
 * Load comes from wrk where it is installed, else from a generator of our own, which costs more.
 */
import postgres, { type Sql } from "postgres";
import { greenOn } from "../tests/support/green.ts";
import { type RunningStack, startStack } from "../tests/support/stack.ts";
import { sealTicket, ticketKey } from "../supabase/functions/_shared/mail/tracking/ticket.ts";
import { peopleWithMail } from "./email/world.ts";
import { cpuOf } from "./pipeline/cpu.ts";
import { type Helper, startHelper } from "./helper.ts";
import { endFunctions } from "./links_kills.ts";
import { get, type Load, load } from "./load.ts";
import { median, print, type Row } from "./report.ts";
import { HEADERS, visitsThrough } from "./visits.ts";
import { hasWrk, wrk } from "./wrk.ts";

/** How much is done; `--quick` is for seeing that the bench itself works. */
const SIZES = {
  whole: { runs: 5, seconds: 6, mails: 50_000, exact: 60_000, paced: 30_000, killMs: 6000, stageMs: 3000 },
  quick: { runs: 1, seconds: 1, mails: 10_000, exact: 3_000, paced: 1_000, killMs: 2500, stageMs: 1200 },
};
const CONNECTIONS = 32;
/** Different bodies of mails, as of so many campaigns; and links of each. */
const BODIES = 20;
const LINKS = 12;
/** Clicks and pixels a second while visitors move to green and back, by these shares. */
const RAMP_PACE = 2_000;
const RAMP = [1, 5, 10, 25, 50, 100, 50, 25, 10, 5, 1, 0];

interface Bench {
  stack: RunningStack;
  sql: Sql;
  target: { hostname: string; port: number };
  host: string;
  size: (typeof SIZES)["whole"];
  byWrk: boolean;
  /** Tickets of all mails. */
  tickets: string[];
}

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  const stack = await startStack({ checked: false });
  const { port, host } = new URL(stack.url);
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  const size = SIZES[args.includes("--quick") ? "quick" : "whole"];
  try {
    const target = { hostname: "127.0.0.1", port: Number(port) };
    const bench = {
      stack,
      sql,
      host,
      size,
      target,
      byWrk: await hasWrk(),
      tickets: await makeTickets(sql, size.mails),
    };
    const rows = [
      ...await speed(bench, "pixel", "200", new URL("./pixel_server.ts", import.meta.url)),
      ...await speed(bench, "click", "302", new URL("./redirect_server.ts", import.meta.url)),
      ...await throughKills(bench),
      ...await throughRamp(bench),
    ];
    print(
      "track",
      `medians of ${size.runs} runs over ${
        size.mails.toLocaleString("en")
      } mails, ${CONNECTIONS} connections`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

/** Tracked mails to as many people. */
async function makeTickets(sql: Sql, count: number): Promise<string[]> {
  await peopleWithMail(sql, count);
  await sql`insert into private.mail_link_sets (hash, links, used_at)
    select sha256(n::text::bytea), array(select 'https://shop.example/' || n || '/' || l from generate_series(1, ${LINKS}::int) l), now()
    from generate_series(1, ${BODIES}::int) n`;
  await sql`insert into private.mail_tickets (message_id, contact_id, link_set, mode, created_at)
    select m.id, c.contact_id, (select min(s.id) from private.mail_link_sets s) + row_number() over () % ${BODIES}::int, 'individual', now()
    from public.messages m join public.conversations c on c.id = m.conversation_id where m.channel = 'email'`;
  await sql`vacuum analyze private.mail_tickets`;
  const [{ key }] = await sql<{ key: string }[]>`select key from private.ticket_key`;
  const made = await sql<{ mail: number; links: number }[]>`
    select id::int as mail, link_set::int as links from private.mail_tickets order by id`;
  return made.map((ticket) => sealTicket(ticketKey(key), ticket));
}

/** So many paths, each of another mail than the one before. */
function pathsOf({ tickets }: Bench, what: "pixel" | "click", howMany: number, from = 0): string[] {
  return Array.from({ length: howMany }, (_, i) => {
    // Far apart, so that caches of neighbours do not help.
    const ticket = tickets[((from + i) * 7919) % tickets.length];
    return what === "pixel" ? `/pixel/${ticket}.png` : `/c/${ticket}/${1 + i % LINKS}`;
  });
}

async function speed(bench: Bench, what: "pixel" | "click", status: string, bare: URL): Promise<Row[]> {
  const { sql, size, target, host, byWrk } = bench;
  const run = async (at: Bench["target"], from: number): Promise<Load> => {
    const paths = pathsOf(bench, what, size.mails, from);
    return byWrk
      ? await wrk(at, paths, { host, ...HEADERS }, { connections: CONNECTIONS, seconds: size.seconds })
      : await load(at, paths.map((path) => get(host, path, HEADERS)), CONNECTIONS);
  };
  await forget(sql);
  const requests = pathsOf(bench, what, size.exact).map((path) => get(host, path, HEADERS));
  const exact = await load(target, requests, CONNECTIONS);
  const recorded = await atRest(sql, exact.requests);
  const runs: Load[] = [], bares: Load[] = [];
  /** Microseconds of CPU of the two servers. */
  const cpu = { ours: 0, bare: 0 };
  const server: Helper = await startHelper(bare);
  try {
    // After one that nobody counts.
    for (let n = 0; n <= size.runs; n++) {
      const pids = { ours: bench.stack.pids().functions, bare: server.pid };
      const before = cpuUsed(pids);
      runs.push(await run(target, n * 31));
      bares.push(await run({ hostname: "127.0.0.1", port: server.port }, n * 31));
      const after = cpuUsed(pids);
      if (n === 0) continue;
      cpu.ours += after.ours - before.ours;
      cpu.bare += after.bare - before.bare;
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
  await atRest(sql, Infinity);
  const perSecond = median(runs.slice(1).map((run) => run.perSecond));
  const bareRate = median(bares.slice(1).map((run) => run.perSecond));
  const paced = await load(
    target,
    pathsOf(bench, what, size.paced, 17).map((path) => get(host, path, HEADERS)),
    CONNECTIONS,
    perSecond / 2,
  );
  await atRest(sql, Infinity);
  return [
    { what: `${what}s a second`, value: perSecond },
    { what: "  limit: bare server, a second", value: bareRate },
    { what: "  share of it reached, %", value: 100 * perSecond / bareRate, goal: ">= 40" },
    // On a busy machine compare these.
    ...(cpu.bare === 0 ? [] : [
      {
        what: "  CPU of the functions for one, with recording, microseconds",
        value: cpu.ours / requestsOf(runs.slice(1)),
      },
      { what: "  CPU of the bare server, microseconds", value: cpu.bare / requestsOf(bares.slice(1)) },
    ]),
    { what: "  p99 at half of that rate, ms", value: paced.p99, goal: "< 10" },
    {
      what: `  answers other than ${status}`,
      value: exact.requests - (exact.statuses[status] ?? 0),
      goal: "0",
    },
    { what: `  lost of ${exact.requests.toLocaleString("en")}`, value: exact.requests - recorded, goal: "0" },
  ];
}

/** Clicks go on while the functions are ended in good order. */
async function throughKills(bench: Bench): Promise<Row[]> {
  const { stack, sql, target, host, size } = bench;
  await forget(sql);
  const story = (async () => {
    for (let n = 0; n < 2; n++) {
      await pause(size.killMs / 3);
      await endFunctions(stack, "SIGTERM", false);
    }
    await pause(size.killMs / 3);
  })();
  const requests = pathsOf(bench, "click", size.mails).map((path) => get(host, path, HEADERS));
  const redirects = await visitsThrough(target, requests, CONNECTIONS, story);
  // What was on its way when the process ended may be recorded and not have arrived.
  const lost = Math.max(0, redirects - await atRest(sql, redirects));
  return [
    { what: "SIGTERM twice: clicks", value: redirects },
    { what: "  lost", value: lost, goal: "0" },
  ];
}

/** Pixels and clicks go on while visitors move to green and back. */
async function throughRamp(bench: Bench): Promise<Row[]> {
  const { stack, sql, target, host, size } = bench;
  await greenOn(stack);
  const count = RAMP_PACE * (RAMP.length + 1) * size.stageMs / 1000;
  const [clicks, pixels] = [pathsOf(bench, "click", count / 2), pathsOf(bench, "pixel", count / 2)];
  const requests = Array.from(
    { length: count },
    (_, i) => get(host, (i % 2 === 0 ? clicks : pixels)[i >> 1], HEADERS),
  );
  // Both environments have loaded what they need, as after the probes that come before a ramp.
  await load(target, requests.slice(0, 500), CONNECTIONS);
  await atRest(sql, Infinity);
  await forget(sql);
  const ramp = async () => {
    for (const share of RAMP) {
      await pause(size.stageMs);
      await sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        await sql`select public.set_traffic('green', ${share}, 'the bench moves visitors')`;
      });
    }
  };
  const [during] = await Promise.all([load(target, requests, CONNECTIONS, RAMP_PACE), ramp()]);
  const recorded = await atRest(sql, during.requests);
  const expected = (during.statuses["200"] ?? 0) + (during.statuses["302"] ?? 0);
  return [
    {
      what: `ramp ${RAMP.join(", ")} % at ${RAMP_PACE.toLocaleString("en")} a second: requests`,
      value: during.requests,
    },
    { what: "  p99, ms", value: during.p99, goal: "< 50" },
    { what: "  answers other than 200 and 302", value: during.requests - expected, goal: "0" },
    { what: "  lost", value: during.requests - recorded, goal: "0" },
  ];
}

const requestsOf = (runs: readonly Load[]) => runs.reduce((sum, { requests }) => sum + requests, 0);

/** CPU of processes, where the system tells. */
function cpuUsed(pids: { ours: number; bare: number }): { ours: number; bare: number } {
  try {
    const { ours, bare } = cpuOf(pids);
    return { ours, bare };
  } catch {
    return { ours: 0, bare: 0 };
  }
}

async function forget(sql: Sql): Promise<void> {
  await sql`truncate public.email_opens, public.email_clicks, private.click_batches`;
}

/** What is recorded once it is as much as expected, or becomes no more. */
async function atRest(sql: Sql, expected: number): Promise<number> {
  let before = -1;
  for (;;) {
    const [{ n }] = await sql<{ n: number }[]>`
      select ((select count(*) from public.email_opens) + (select count(*) from public.email_clicks))::int as n`;
    if (n >= expected || n === before) return n;
    before = n;
    await pause(2000);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
