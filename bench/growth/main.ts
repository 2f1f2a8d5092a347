/**
 * Growth: whether what is done for each message, visit and page of the panel takes as long with a long past as with none.
 *
 * Two databases of one server, one small, one large, both as a month leaves them (fill.ts). The same calls are made in
 * both by turns, so that whatever else the machine does meets both alike. Then the panel's first read after a restart, and
 * the large one's oldest day purged while messages come in.
 *
 * The data lie where the system keeps temporary files, and are written as durably as in production; TMPDIR names another
 * disk.
 */
import { tmpdir } from "node:os";
import postgres, { type Sql } from "postgres";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { migrate } from "../../lib/migrate.ts";
import { join } from "../../lib/paths.ts";
import { type Postgres, startPostgres } from "../../lib/postgres/postgres.ts";
import { onDatabase } from "../../tests/support/connect.ts";
import { temporaryFolder } from "../../tests/support/stack.ts";
import { print, type Row } from "../report.ts";
import { DAYS, fill } from "./fill.ts";
import { PACE, purgeBesideIntake } from "./purge.ts";
import { roomFault } from "./room.ts";
import { enter, enterPanel, panel, turn, type World } from "./work.ts";

const FULL = { few: 10_000, rows: 1_000_000, turns: 200, warm: 20 };
/** For seeing that the bench itself works. */
const QUICK = { few: 1_000, rows: 2_000, turns: 3, warm: 1 };
const MOST = 10_000_000;
/** A p95 may be so many percent of that of the small database. */
const GOAL = 130;

/** Runs the bench. `--json` prints one JSON document, `--rows N` of the large database, `--quick` shows that it works. */
export async function main(args: string[]): Promise<void> {
  const size = args.includes("--quick") ? QUICK : FULL;
  const { few, turns, warm } = size;
  const rows = args.includes("--rows") ? Number(args[args.indexOf("--rows") + 1]) : size.rows;
  const fault = Number.isInteger(rows) && rows >= few && rows <= MOST
    ? roomFault(tmpdir(), few + rows)
    : `--rows takes a whole number from ${few} to ${MOST}.`;
  if (fault !== undefined) {
    console.error(fault);
    Deno.exit(2);
  }
  await using folder = await temporaryFolder();
  const start = () =>
    startPostgres({ dataDir: join(folder.path, "postgres"), password: "password of the bench" });
  let server = await start();
  try {
    const filled = [await make(server, "few", few), await make(server, "many", rows)];
    const measured = await measure(server, turns, warm);
    await server.stop();
    server = await start();
    const cold = [await coldPanel(server, "few"), await coldPanel(server, "many")];
    await using many = await enter(onDatabase(server.url, "many"));
    const purged = await purgeBesideIntake(many);
    const n = (count: number) => count.toLocaleString("en");
    print(
      "growth",
      `${n(few)} and ${n(rows)} messages of ${DAYS} days, with as many links and visits; ${turns} turns`,
      [
        { what: `filled ${n(rows)} with indexes, s`, value: filled[1].seconds },
        { what: "  bytes of each", value: filled[1].bytes / rows },
        ...growthRows(measured, n(few), n(rows)),
        ...cold[1].flatMap(({ what, ms }, i): Row[] => [
          { what: `${what}, first after a restart, at ${n(few)}, ms`, value: cold[0][i].ms },
          { what: `  at ${n(rows)}, ms`, value: ms },
        ]),
        { what: `purging a day of ${n(rows)}: rows`, value: purged.rows },
        { what: "  calls of the clock's jobs", value: purged.slices.length },
        { what: "  the longest of them, ms", value: Math.max(...purged.slices) },
        { what: `  intake meanwhile at ${PACE}/s: messages`, value: purged.intake.length },
        { what: "  p50, ms", value: quantile(purged.intake, 0.5) },
        { what: "  p99, ms", value: quantile(purged.intake, 0.99), goal: "< 100" },
      ],
      args.includes("--json"),
    );
  } finally {
    await server.stop();
  }
}

interface Filled {
  seconds: number;
  bytes: number;
}

/** Makes a database and fills it. */
async function make(server: Postgres, name: string, rows: number): Promise<Filled> {
  const connected = async <T>(url: string, work: (sql: Sql) => Promise<T>) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    return await work(sql).finally(() => sql.end());
  };
  await connected(server.url, (sql) => sql.unsafe(`create database ${name}`));
  return await connected(onDatabase(server.url, name), async (sql) => {
    await bootstrap(sql);
    await migrate(sql);
    const began = performance.now();
    await fill(sql, rows);
    const [{ bytes }] = await sql`select pg_database_size(current_database())::float8 as bytes`;
    return { seconds: (performance.now() - began) / 1000, bytes };
  });
}

/** The times of each call in both databases, those of the first turns left out: in them plans are made. */
async function measure(
  server: Postgres,
  turns: number,
  warm: number,
): Promise<Record<"few" | "many", World["times"]>> {
  await using few = await enter(onDatabase(server.url, "few"));
  await using many = await enter(onDatabase(server.url, "many"));
  for (let done = -warm; done < turns; done++) {
    if (done === 0) { for (const { times } of [few, many]) times.clear(); }
    for (const world of [few, many]) await turn(world);
  }
  return { few: few.times, many: many.times };
}

/** What the panel reads, each for the first time since the server began. The system may still hold its files. */
async function coldPanel(server: Postgres, name: string): Promise<{ what: string; ms: number }[]> {
  await using member = await enterPanel(onDatabase(server.url, name));
  await member.sql`select 1`;
  const read: { what: string; ms: number }[] = [];
  for (const [what, call] of panel(member.sql)) {
    const began = performance.now();
    await call();
    read.push({ what, ms: performance.now() - began });
  }
  return read;
}

function growthRows(
  { few, many }: Record<"few" | "many", World["times"]>,
  fewName: string,
  manyName: string,
): Row[] {
  return [...few].flatMap(([what, times]) => {
    const [before, after] = [times, many.get(what)!].map((all) => ({
      p50: quantile(all, 0.5),
      p95: quantile(all, 0.95),
    }));
    return [
      { what: `${what}: p50 at ${fewName}, ms`, value: before.p50 },
      { what: `  p50 at ${manyName}, ms`, value: after.p50 },
      { what: `  p95 at ${fewName}, ms`, value: before.p95 },
      { what: `  p95 at ${manyName}, ms`, value: after.p95 },
      { what: "  p95, % of that of the few", value: 100 * after.p95 / before.p95, goal: `<= ${GOAL}` },
    ];
  });
}

function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
