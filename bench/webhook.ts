/**
 * The intake alone, with routing and sending switched off: webhooks a second, each committed before its 200, and a body of
 * 1,000 updates. Beside two limits of the same run: a bare server that only verifies, and the same rows written by plain SQL
 * in batches. What users get, with everything on, is `bench pipeline`.
 */
import postgres from "postgres";
import { configSeen } from "../tests/support/config_seen.ts";
import { startStack } from "../tests/support/stack.ts";
import { type Load, load } from "./load.ts";
import { makePlainTables, plainSql } from "./pipeline/plain.ts";
import { median, print, type Row } from "./report.ts";
import { request, type WebhookTarget } from "./webhooks.ts";

/** How much is done; `--quick` is for seeing that the bench itself works. */
const SIZES = { whole: { runs: 5, requests: 30_000 }, quick: { runs: 1, requests: 500 } };
type Size = (typeof SIZES)["whole"];
const CONNECTIONS = 64;
const BARE_PORT_LINE = /listening on (\d+)/;

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  const size = SIZES[args.includes("--quick") ? "quick" : "whole"];
  const stack = await startStack({ checked: false });
  const { url, stack: { dbUrl, whatsapp } } = stack;
  const sql = postgres(dbUrl, { max: 4, onnotice: () => {} });
  const target: WebhookTarget = { hostname: "127.0.0.1", port: Number(new URL(url).port), ...whatsapp };
  const rows: Row[] = [];
  try {
    await sql`update public.settings set value = 'false' where key in ('wa_router.enabled', 'wa_send.enabled')`;
    await configSeen(stack, sql);
    const intake = await repeat(size, () => load(target, requests(target, size), CONNECTIONS));
    const big = await bigBodies(target, size);
    const bare = await bareServer(target, size);
    await makePlainTables(sql);
    const plain = median(await repeat(size, () => plainSql(sql)));
    const [{ report }] = await sql`select public.reconcile() as report`;

    const perSecond = median(intake.map((run) => run.perSecond));
    rows.push(
      { what: "single-message webhooks a second, 64 connections", value: perSecond },
      { what: "  p50, ms", value: median(intake.map((run) => run.p50)) },
      { what: "  p99, ms", value: median(intake.map((run) => run.p99)), goal: "< 100" },
      {
        what: "  answers other than 200",
        value: intake.reduce((n, run) => n + run.requests - (run.statuses["200"] ?? 0), 0),
        goal: "0",
      },
      {
        what: "  reconcile: failed checks",
        value: report.checks.filter((check: { ok: boolean }) => !check.ok).length,
        goal: "0",
      },
      { what: "limit: bare server that only verifies, requests a second", value: bare.perSecond },
      { what: "  share of it reached, %", value: 100 * perSecond / bare.perSecond },
      { what: "limit: the same rows by plain SQL in batches of 64, messages a second", value: plain },
      { what: "  share of it reached, %", value: 100 * perSecond / plain, goal: ">= 50" },
      { what: "a body of 1,000 updates, ms", value: median(big) },
      { what: "  times plain SQL of the same rows", value: median(big) * plain / 1e6, goal: "<= 1.5" },
    );
    print(
      "webhook",
      `medians of ${size.runs} runs of ${size.requests.toLocaleString("en")} requests`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

function requests(target: WebhookTarget, size: Size): Uint8Array[] {
  return Array.from({ length: size.requests }, () => request(target));
}

async function repeat<T>({ runs: times }: Size, run: () => Promise<T>): Promise<T[]> {
  const runs: T[] = [];
  // The first one warms caches, plans and the compiler, and makes the contacts.
  for (let i = 0; i <= times; i++) runs.push(await run());
  return runs.slice(1);
}

async function bigBodies(target: WebhookTarget, { runs }: Size): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 2 * runs; i++) times.push((await load(target, [request(target, 1000)], 1)).p50);
  return times.slice(runs);
}

/** A process of its own, as the functions host is one. */
async function bareServer(target: WebhookTarget, size: Size): Promise<Load> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./bare_server.ts", import.meta.url).pathname, target.appSecret],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number(BARE_PORT_LINE.exec((await reader.read()).value ?? "")?.[1]);
  try {
    const runs = await repeat(
      size,
      () => load({ hostname: "127.0.0.1", port }, requests(target, size), CONNECTIONS),
    );
    return runs.sort((a, b) => a.perSecond - b.perSecond)[Math.floor(size.runs / 2)];
  } finally {
    server.kill("SIGKILL");
    await reader.cancel();
    await server.status;
  }
}
