/**
 * What an installation costs in calls, rows and bytes: without a message, extrapolated to 30 days, and by message. What
 * pg_cron itself writes, a row a run, is computed: the local stack has its own clock.
 */
import postgres, { type Sql } from "postgres";
import { startStack } from "../tests/support/stack.ts";
import { load } from "./load.ts";
import { print, type Row } from "./report.ts";
import { request, type WebhookTarget } from "./webhooks.ts";

const MONTH_S = 30 * 86_400;
const MESSAGES = 4000;
const QUICK = { minutes: 0.2, messages: 40 };
/** Messages a second, which a free project's machine keeps up with. */
const PACE = 50;

/** Runs the bench; `--minutes N` of idleness, 5 unless said otherwise. */
export async function main(args: string[]): Promise<void> {
  const quick = args.includes("--quick");
  const said = args.indexOf("--minutes");
  const minutes = said >= 0 ? Number(args[said + 1]) : quick ? QUICK.minutes : 5;
  const messages = quick ? QUICK.messages : MESSAGES;
  const stack = await startStack({ checked: false });
  const { url, stack: { dbUrl, whatsapp } } = stack;
  const sql = postgres(dbUrl, { max: 2, onnotice: () => {} });
  try {
    // The jobs of every hour run once, 10 seconds after the start.
    await sleep(quick ? 0 : 30_000);
    const month = MONTH_S / (60 * minutes);
    const idle = await during(sql, () => sleep(60_000 * minutes));
    const jobs = await sql<{ every_seconds: number }[]>`select every_seconds from private.clock_jobs()`;
    const runs = jobs.reduce((sum, { every_seconds }) => sum + MONTH_S / every_seconds, 0);
    const rows: Row[] = [
      { what: "idle, 30 days: calls of functions", value: idle.calls * month, goal: "< 100,000" },
      { what: "idle, 30 days: commits", value: idle.commits * month },
      { what: "idle, 30 days: rows written and changed", value: idle.rows * month },
      { what: "idle, 30 days: WAL, MB", value: idle.walMb * month },
      { what: "30 days: runs of pg_cron, a row each, kept for retention.cron_days", value: runs },
    ];

    const target: WebhookTarget = { hostname: "127.0.0.1", port: Number(new URL(url).port), ...whatsapp };
    const before = await sizes(sql);
    const busy = await during(sql, async () => {
      await load(target, Array.from({ length: messages }, () => request(target)), 16, PACE);
      await settled(sql);
    });
    const after = await sizes(sql);
    const [{ sent }] = await sql`select count(*)::int as sent from public.messages where direction = 'out'`;
    rows.push(
      {
        what: `a message in, with ${(sent / messages).toFixed(1)} replies: calls of functions`,
        value: busy.calls / messages,
      },
      { what: "  commits", value: busy.commits / messages },
      { what: "  rows written and changed", value: busy.rows / messages },
      { what: "  bytes that stay", value: total(after, before) / messages },
    );
    const grown = [...after].map(([table, bytes]) =>
      [table, (bytes - (before.get(table) ?? 0)) / messages] as const
    )
      .filter(([, bytes]) => bytes >= 20).sort((a, b) => b[1] - a[1]);
    for (const [table, bytes] of grown) rows.push({ what: `    ${table}`, value: bytes });
    print(
      "costs",
      `${minutes} minutes without a message, then ${messages.toLocaleString("en")} messages`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

interface Spent {
  calls: number;
  commits: number;
  rows: number;
  walMb: number;
}

/** What was spent meanwhile, this bench's own questions left out where they count. */
async function during(sql: Sql, work: () => Promise<unknown>): Promise<Spent> {
  const from = await spent(sql);
  await work();
  const to = await spent(sql);
  return {
    calls: to.calls - from.calls,
    commits: to.commits - from.commits,
    rows: to.rows - from.rows,
    walMb: to.walMb - from.walMb,
  };
}

async function spent(sql: Sql): Promise<Spent> {
  // Isolates send what they counted every two seconds, and backends their statistics every one.
  await sleep(3000);
  const [row] = await sql<[Spent]>`
    select (select coalesce(sum(n), 0) from public.measurements where name = 'request' and minute = '-infinity')::float8 as calls,
      (select xact_commit from pg_stat_database where datname = current_database())::float8 as commits,
      (select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables)::float8 as rows,
      (pg_current_wal_lsn() - '0/0') / 1048576.0 as "walMb"`;
  return { ...row, walMb: Number(row.walMb) };
}

/** Bytes of each table with its indexes and what is stored aside. */
async function sizes(sql: Sql): Promise<Map<string, number>> {
  await sql`vacuum`;
  const rows = await sql<{ name: string; bytes: number }[]>`
    select relid::regclass::text as name, pg_total_relation_size(relid)::float8 as bytes from pg_stat_user_tables`;
  return new Map(rows.map(({ name, bytes }) => [name, bytes]));
}

const total = (after: Map<string, number>, before: Map<string, number>) =>
  [...after].reduce((sum, [table, bytes]) => sum + bytes - (before.get(table) ?? 0), 0);

/** Until nothing waits any more. */
async function settled(sql: Sql): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    await sleep(1000);
    const [{ waiting }] = await sql`select
      (select count(*) from public.conversations where unrouted_since is not null)::int
      + (select count(*) from public.deliveries where state in ('pending', 'leased'))::int
      + (select count(*) from public.outbound_messages where state in ('queued', 'leased'))::int as waiting`;
    quiet = waiting === 0 ? quiet + 1 : 0;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
