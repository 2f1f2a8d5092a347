/**
 * Everything at once: 50 people, 2,000 messages that Meta shuffles, repeats and batches, three services of which one
 * fails half of the time, the functions host killed ten times and Postgres twice. What got a 200 arrives.
 */
import { assert, assertEquals } from "../support/assert.ts";
import postgres from "postgres";
import { MetaSimulator } from "../../local/simulator/meta.ts";
import { configSeen } from "../support/config_seen.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { atLeast, until } from "../support/until.ts";

const PEOPLE = 50;
const MESSAGES = 2000;
const HOST_KILLS = 10;
const POSTGRES_KILLS = 2;
const PATIENCE = { withinMs: 240_000 };

interface Arrival {
  webhookId: string;
  wamid: string;
  conversation: string;
  seq: number;
}

/** A service on loopback that notes what arrives, and answers as `answer` says. */
function service(answer: () => Response) {
  const arrivals: Arrival[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { data } = await request.json();
    arrivals.push({
      webhookId: request.headers.get("webhook-id")!,
      wamid: data.message.provider_id,
      conversation: data.conversation.id,
      seq: data.message.seq,
    });
    return answer();
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, arrivals, stop: () => server.shutdown() };
}

Deno.test("chaos: every message acknowledged with 200 is delivered, in order per conversation, to its service only", async () => {
  const stack = await startStack();
  const { url, stack: { dbUrl, whatsapp } } = stack;
  const sql = postgres(dbUrl, { max: 2, onnotice: () => {} });
  let fails = 0;
  const services = {
    alpha: service(() => new Response()),
    beta: service(() => new Response(null, { status: fails++ % 2 === 0 ? 500 : 200 })),
    gamma: service(() => new Response()),
  };
  const names = Object.keys(services) as (keyof typeof services)[];
  const meta = new MetaSimulator({
    webhookUrl: `${url}/functions/v1/wa-webhook`,
    accessToken: "none",
    displayNumber: "15550001234",
    ...whatsapp,
    seed: 20261121,
    settings: { batch: 20, duplicateRate: 0.2, shuffleRate: 0.2, delayMs: 400, concurrency: 16 },
    retry: { firstMs: 50, maxMs: 1000 },
  });
  try {
    for (const name of names) {
      await sql`select public.add_destination(${name}, ${services[name].url}, ${
        sql.json({ retry_seconds: Array.from({ length: 20 }, () => 0.05), timeout_ms: 2000 })
      })`;
      await sql`select public.add_route(${[name]}, ${
        sql.json({ type: "text", match: "prefix", value: `${name}:` })
      }, 10)`;
    }

    await configSeen(stack, sql);

    const people = Array.from(
      { length: PEOPLE },
      (_, i) => meta.addContact({ name: `P${i}`, phone: `4915100000${String(i).padStart(3, "0")}` }),
    );
    const wanted = new Map<string, keyof typeof services>();
    const begin = Date.now();
    const kills = kill(stack, () => meta.acknowledged.length);
    for (let i = 0; i < MESSAGES; i++) {
      const name = names[i % names.length];
      wanted.set(meta.userSends(people[(i * 7) % PEOPLE], `${name}: message ${i}`), name);
    }
    await kills;
    await until("every update acknowledged", () => {
      if (meta.pending > 0) throw new Error(`${meta.pending} are not`);
      return true;
    }, PATIENCE);
    assertEquals(
      meta.acknowledged.filter(({ wamid }) => wamid !== undefined && wanted.has(wamid)).length,
      MESSAGES,
    );

    await until("every delivery done", async () => {
      const rows = await sql<{ state: string; n: number }[]>`
        select state, count(*)::int as n from public.deliveries group by state`;
      const state = Object.fromEntries(rows.map(({ state, n }) => [state, n]));
      if (state.delivered !== MESSAGES) throw new Error(JSON.stringify(state));
      return true;
    }, PATIENCE);
    console.log(`settled ${((Date.now() - begin) / 1000).toFixed(0)} s after the first message`);

    for (const name of names) {
      const { arrivals } = services[name];
      const expected = [...wanted].filter(([, to]) => to === name).map(([wamid]) => wamid).sort();
      assertEquals([...new Set(arrivals.map(({ wamid }) => wamid))].sort(), expected, `what ${name} got`);
      const ids = new Map<string, Set<string>>();
      const last = new Map<string, number>();
      const seen = new Set<string>();
      for (const { wamid, webhookId, conversation, seq } of arrivals) {
        ids.set(wamid, (ids.get(wamid) ?? new Set()).add(webhookId));
        if (seen.has(wamid)) continue;
        seen.add(wamid);
        assert(seq > (last.get(conversation) ?? 0), `${name}: ${seq} after ${last.get(conversation)}`);
        last.set(conversation, seq);
      }
      assert([...ids.values()].every((set) => set.size === 1), `${name}: one webhook-id for each message`);
    }
    const [{ report }] = await sql`select public.reconcile() as report`;
    assertEquals(report.checks.filter((check: { ok: boolean }) => !check.ok), []);
  } finally {
    meta.stop();
    await sql.end({ timeout: 1 });
    await stack.stop();
    await Promise.all(names.map((name) => services[name].stop()));
  }
});

/** Kills the functions host and Postgres with -9, evenly over the messages that are acknowledged. */
async function kill({ pids }: RunningStack, acknowledged: () => number): Promise<void> {
  for (let i = 0; i < HOST_KILLS; i++) {
    const far = Math.floor(MESSAGES * (i + 0.5) / HOST_KILLS);
    await until(`${far} acknowledged`, atLeast(far, acknowledged), PATIENCE);
    const before = pids();
    Deno.kill(before.functions, "SIGKILL");
    if (i % Math.ceil(HOST_KILLS / POSTGRES_KILLS) === 2) Deno.kill(before.postgres!, "SIGKILL");
    await until("the functions host is back", () => pids().functions !== before.functions);
  }
}
