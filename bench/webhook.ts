/**
 * The intake: webhooks a second, each committed before its 200; a body of 1,000 updates; how soon a message reaches
 * its service. Beside two limits of the same run: a bare server that only verifies, and the same rows written by plain
 * SQL in batches.
 */
import postgres from "postgres";
import { startStack } from "../tests/support/stack.ts";
import { type Load, load } from "./load.ts";
import { median, print, type Row } from "./report.ts";
import { body, request, type WebhookTarget } from "./webhooks.ts";

const RUNS = 5;
const REQUESTS = 30_000;
const CONNECTIONS = 64;
/** Messages a second on their way to a destination. */
const PACE = 200;
/** Messages before the measured ones. */
const WARM = 400;
const BARE_PORT_LINE = /listening on (\d+)/;

/** Runs the bench; `--json` prints one JSON document. */
export async function main(args: string[]): Promise<void> {
  const stack = await startStack();
  const { url, stack: { dbUrl, whatsapp } } = stack;
  const sql = postgres(dbUrl, { max: 4, onnotice: () => {} });
  const target: WebhookTarget = { hostname: "127.0.0.1", port: Number(new URL(url).port), ...whatsapp };
  const rows: Row[] = [];
  try {
    await sql`update public.settings set value = 'false' where key in ('wa_router.enabled', 'wa_send.enabled')`;
    const intake = await repeat(() => load(target, requests(target), CONNECTIONS));
    const big = await bigBodies(target);
    const bare = await bareServer(target);
    const plain = await plainSql(sql);
    const [{ report }] = await sql`select public.reconcile() as report`;
    await sql`truncate public.webhook_events, public.messages, public.conversations, public.contacts, public.counters cascade`;
    const latency = await toDestination(sql, target);

    const perSecond = median(intake.map((run) => run.perSecond));
    rows.push(
      { what: "single-message webhooks a second, 64 connections", value: perSecond, goal: ">= 10,000" },
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
      { what: "  share of it reached, %", value: 100 * perSecond / plain },
      { what: "a body of 1,000 updates, ms", value: median(big), goal: "<= 100" },
      { what: "webhook received -> destination called at 200/s, p50, ms", value: latency.p50 },
      { what: "  p95, ms", value: latency.p95, goal: "< 50" },
      { what: "  messages that arrived of 2,000", value: latency.arrived, goal: "2,000" },
    );
    print(
      "webhook",
      `medians of ${RUNS} runs of ${REQUESTS.toLocaleString("en")} requests`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

function requests(target: WebhookTarget): Uint8Array[] {
  return Array.from({ length: REQUESTS }, () => request(target));
}

async function repeat(run: () => Promise<Load>): Promise<Load[]> {
  const runs: Load[] = [];
  // The first one warms caches, plans and the compiler, and makes the contacts.
  for (let i = 0; i <= RUNS; i++) runs.push(await run());
  return runs.slice(1);
}

async function bigBodies(target: WebhookTarget): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 2 * RUNS; i++) times.push((await load(target, [request(target, 1000)], 1)).p50);
  return times.slice(RUNS);
}

/** A process of its own, as the functions host is one. */
async function bareServer(target: WebhookTarget): Promise<Load> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./bare_server.ts", import.meta.url).pathname, target.appSecret],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number(BARE_PORT_LINE.exec((await reader.read()).value ?? "")?.[1]);
  try {
    const runs = await repeat(() => load({ hostname: "127.0.0.1", port }, requests(target), CONNECTIONS));
    return runs.sort((a, b) => a.perSecond - b.perSecond)[Math.floor(RUNS / 2)];
  } finally {
    server.kill("SIGKILL");
    await reader.cancel();
    await server.status;
  }
}

/** The rows that one text message makes, for known people, 64 messages a transaction, over two connections. */
async function plainSql(sql: postgres.Sql): Promise<number> {
  const conversations = (await sql<{ id: string }[]>`select id from public.conversations limit 1000`).map((
    { id },
  ) => id);
  const native =
    JSON.parse(body({ hostname: "", port: 0, appSecret: "", phoneNumberId: "1" }, 1, 1)).entry[0].changes[0]
      .value.messages[0];
  const batches = Math.ceil(REQUESTS / 64);
  let made = 0;
  const batch = async () => {
    while (made < batches) {
      made++;
      const ids = Array.from({ length: 64 }, () => `wamid.plain.${crypto.randomUUID()}`);
      const of = ids.map((_, i) => conversations[(made * 64 + i) % conversations.length]).sort();
      await sql.begin(async (tx) => {
        await tx`insert into public.webhook_events (dedupe_key, field, kind, number_id)
          select id, 'messages', 'message', '1' from unnest(${ids}::text[]) as id`;
        await tx`insert into public.messages (conversation_id, direction, provider_id, type, text, native, status)
          select c, 'in', id, 'text', 'Is my order on its way?', ${native}, 'received'
          from unnest(${of}::uuid[], ${ids}::text[]) as r (c, id)`;
        await tx`update public.conversations set last_inbound_at = now(), last_message_at = now() where id = any (${of}::uuid[])`;
      });
    }
  };
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    made = 0;
    const started = performance.now();
    await Promise.all([batch(), batch()]).catch((error) => {
      throw new Error("the plain inserts failed", { cause: error });
    });
    rates.push(batches * 64 / ((performance.now() - started) / 1000));
  }
  // They are no webhooks: what they wrote must not stand in the proof.
  await sql`delete from public.messages where provider_id like 'wamid.plain.%'`;
  await sql`delete from public.webhook_events where dedupe_key like 'wamid.plain.%'`;
  return median(rates);
}

/**
 * 2,000 messages at 200 a second to a service in this process, after as many as {@linkcode WARM} that are not counted:
 * in their two seconds plans are made and code is compiled.
 */
async function toDestination(sql: postgres.Sql, target: WebhookTarget) {
  const arrived = new Map<string, number>();
  const done = Promise.withResolvers<void>();
  const all = WARM + 2000;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const at = performance.now();
    const { data } = await request.json();
    arrived.set(data.message.provider_id, at);
    if (arrived.size === all) done.resolve();
    return new Response();
  });
  const sent = new Map<string, number>();
  let wamids: string[] = [];
  try {
    await sql`select public.add_destination('bench', ${`http://127.0.0.1:${server.addr.port}/`})`;
    await sql`select public.add_route('{bench}', '{"type":"any"}', 1)`;
    await sql`update public.settings set value = 'true' where key = 'wa_router.enabled'`;
    // Every isolate sees the flag within 5 s.
    await new Promise((resolve) => setTimeout(resolve, 5500));
    const made = Array.from({ length: all }, () => request(target));
    wamids = made.map((bytes) => /"id":"(wamid\.[^"]+)"/.exec(new TextDecoder().decode(bytes))![1]);
    const started = performance.now();
    await load(target, made, 32, PACE, (index) => sent.set(wamids[index], performance.now()));
    await Promise.race([
      done.promise,
      new Promise((resolve) => setTimeout(resolve, 1000 * all / PACE + started - performance.now() + 10_000)),
    ]);
  } finally {
    await server.shutdown();
  }
  const times = wamids.slice(WARM)
    .flatMap((wamid) => arrived.has(wamid) ? [arrived.get(wamid)! - sent.get(wamid)!] : [])
    .sort((a, b) => a - b);
  return {
    arrived: times.length,
    p50: times[Math.floor(times.length / 2)],
    p95: times[Math.floor(times.length * 0.95)],
  };
}
