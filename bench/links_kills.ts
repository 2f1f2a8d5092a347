/** Whether clicks survive the end of the process that took them. */
import type { Sql } from "postgres";
import type { RunningStack } from "../tests/support/stack.ts";
import { clicksAtRest, forgetClicks } from "./clicks.ts";
import type { Row } from "./report.ts";
import { visits, visitsThrough } from "./visits.ts";

/** What is visited, and how long. */
interface KillsBench {
  stack: RunningStack;
  sql: Sql;
  target: { hostname: string; port: number };
  host: string;
  connections: number;
  size: { links: number; visits: number; killMs: number };
}

/** Ends the process that serves the functions. Resolves when there is another, one that answers where that is asked for. */
export async function endFunctions(stack: RunningStack, signal: Deno.Signal, answers = true): Promise<void> {
  const pid = stack.pids().functions;
  Deno.kill(pid, signal);
  while (stack.pids().functions === pid) await pause(20);
  while (
    answers &&
    !(await fetch(`${stack.url}/functions/v1/health`).then((r) => (r.body?.cancel(), r.ok), () => false))
  ) {
    await pause(20);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Visits go on while the functions are ended, twice in good order and then by kill -9. */
export async function kills(bench: KillsBench): Promise<Row[]> {
  const { sql } = bench;
  const terminated = await throughKills(bench, ["SIGTERM", "SIGTERM"]);
  const lost = terminated.redirects - await clicksAtRest(sql, terminated.redirects);
  const killed = await throughKills(bench, ["SIGKILL"]);
  const gone = killed.redirects - await clicksAtRest(sql, killed.redirects);
  const { unwritten, longest } = await writesBefore(sql, killed.at);
  return [
    { what: "SIGTERM twice: redirects", value: terminated.redirects },
    { what: "  clicks lost", value: lost, goal: "0" },
    { what: "kill -9: redirects", value: killed.redirects },
    { what: "  clicks lost", value: gone },
    { what: "  from the last click written to the kill, ms", value: unwritten, goal: "<= 2 writes" },
    { what: "  longest write before it, ms", value: longest },
  ];
}

/** Visits for some seconds, the functions host ended at even distances; `at` is when it was the last time. */
async function throughKills(
  { stack, sql, target, host, size, connections }: KillsBench,
  signals: Deno.Signal[],
): Promise<{ redirects: number; at: number }> {
  await forgetClicks(sql);
  let at = 0;
  const story = (async () => {
    for (const signal of signals) {
      await pause(size.killMs / 2);
      at = Date.now();
      await endFunctions(stack, signal, false);
    }
    await pause(size.killMs / 2);
  })();
  const redirects = await visitsThrough(target, visits(host, size.links, size.visits), connections, story);
  return { redirects, at };
}

/**
 * What was not safe at an instant, and why it is no more: a click waits while the group before it is written, and then for
 * its own. In milliseconds.
 */
async function writesBefore(sql: Sql, at: number): Promise<{ unwritten: number; longest: number }> {
  const [row] = await sql<{ unwritten: number; longest: number }[]>`
    select ${at} - extract(epoch from (select max(c.at) from public.clicks c where c.at <= to_timestamp(${at}::float8 / 1000)))::float8
        * 1000 as unwritten,
      (select coalesce(max(gap), 0) from (
        select extract(epoch from b.at - lag(b.at) over (order by b.at))::float8 * 1000 as gap
        from private.click_batches b where b.at <= to_timestamp(${at}::float8 / 1000)) g) as longest`;
  return row;
}
