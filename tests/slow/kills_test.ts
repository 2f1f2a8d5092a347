/**
 * Kill -9 at seeded moments under full load with everything on, those of recovery among them: what a 200 was given for is
 * not lost, and keeps its order. A hundred times by `deno task test:slow`, which takes five minutes; a run of everything has
 * time for less.
 *
 * `TEST_SEED` (or `--seed` of the run) gives the moments again, as far as a real system can; `TEST_KILLS` says how many.
 */
import { assertEquals } from "../support/assert.ts";
import postgres, { type Sql } from "postgres";
import { randomFrom } from "../runner/tiers.ts";
import { configKnown } from "../support/file_stack.ts";
import { type InsistentMeta, startInsistentMeta } from "../support/insistent_meta.ts";
import { SEED_VARIABLE } from "../support/property.ts";
import { functionsWith, type RunningStack, startStack } from "../support/stack.ts";
import { atLeast, until } from "../support/until.ts";
import { hook, text } from "../support/webhook.ts";

const KILLS = Number(Deno.env.get("TEST_KILLS") ?? 30);
const SEED = Number(Deno.env.get(SEED_VARIABLE) ?? Math.floor(Math.random() * 2 ** 31));
const HOST_KILLS = Math.round(KILLS * 0.7), POSTGRES_KILLS = KILLS - HOST_KILLS;
const PEOPLE = 300;
/** Messages that are under way at once: several of each person, or there would be no order to keep. */
const TURNS = 600;
const PATIENCE = { withinMs: 240_000 };

/** As long as isolates lease, in seconds. */
const LEASE_SECONDS = 60;
/** So often in a row the functions host is killed: the supervisor waits longer each time, until one has lived so long. */
const IN_A_ROW = 5, STABLE_MS = 10_200;
/** The supervisor gives up a Postgres that dies more often. */
const DEATHS = { most: 4, withinMs: 31_000 };

type Part = "functions" | "postgres";

/** A kill, from the last moment before it to the first at which the next process was known. Milliseconds since 1970. */
interface Kill {
  part: Part;
  from: number;
  to: number;
}

/** A call that arrived outside: `id` is what a repetition of it is told by. */
interface Call {
  id: string;
  at: number;
}

interface Arrival extends Call {
  wamid: string;
  conversation: string;
  seq: number;
}

/**
 * What is outside: a service that answers each message with a reply that quotes its id, and a Graph API that takes replies
 * and has their statuses told.
 */
function startOutside() {
  const arrivals: Arrival[] = [], sends: Call[] = [];
  const replied = new Map<string, () => void>();
  let meta: InsistentMeta | undefined;
  let phoneNumberId = "";

  async function service(request: Request): Promise<Response> {
    const event = await request.json().catch(() => undefined);
    // Whoever called has died in the middle of it.
    if (event === undefined) return new Response(null, { status: 400 });
    const { message, conversation } = event.data;
    arrivals.push({
      id: request.headers.get("webhook-id")!,
      at: Date.now(),
      wamid: message.provider_id,
      conversation: conversation.id,
      seq: message.seq,
    });
    return Response.json({ replies: [{ type: "text", text: { body: message.provider_id } }] });
  }

  async function graph(request: Request): Promise<Response> {
    const body = await request.json().catch(() => undefined);
    if (body === undefined) return new Response(null, { status: 400 });
    const { to, text, biz_opaque_callback_data } = body;
    sends.push({ id: biz_opaque_callback_data, at: Date.now() });
    const id = `wamid.out${sends.length}`;
    for (const status of ["sent", "delivered", "read"]) {
      const told = { id, status, timestamp: now(), recipient_id: to, biz_opaque_callback_data };
      void meta!.post(hook([], { ...numbered(phoneNumberId), statuses: [told] }));
    }
    replied.get(text.body)?.();
    replied.delete(text.body);
    return Response.json({ messaging_product: "whatsapp", messages: [{ id }] });
  }

  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new URL(request.url).pathname === "/hook" ? service(request) : graph(request),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    arrivals,
    sends,
    /** Messages without a reply, and who waits for it. */
    replied,
    /** Has statuses told from now on. */
    tell: (through: InsistentMeta, number: string) => {
      meta = through;
      phoneNumberId = number;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const now = () => String(Math.floor(Date.now() / 1000));
const numbered = (phone_number_id: string) => ({
  metadata: { display_phone_number: "15550001234", phone_number_id },
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test(`kills: ${HOST_KILLS} of the functions host and ${POSTGRES_KILLS} of Postgres under load lose no acknowledged message, and keep the order`, async () => {
  console.log(`seed ${SEED}`);
  const begun = Date.now();
  await using outside = startOutside();
  await using functions = await functionsWith({ WHATSAPP_GRAPH_URL: `${outside.url}/graph` });
  const stack = await startStack({ functions: functions.path });
  const { url, stack: { dbUrl, whatsapp: { appSecret, phoneNumberId } } } = stack;
  const sql = postgres(dbUrl, { max: 4, onnotice: () => {} });
  try {
    await using meta = startInsistentMeta({ port: Number(new URL(url).port), appSecret });
    outside.tell(meta, phoneNumberId);
    await sql`select public.add_destination('service', ${`${outside.url}/hook`})`;
    await sql`select public.add_route('{service}', '{"type":"any"}', 1)`;
    // A few people write what many would: by the pace of a pair most of it would wait.
    await sql`update public.senders set max_per_second = 1000, pair_seconds = 0`;
    await configKnown(stack, sql);

    const acknowledged: string[] = [];
    let made = 0;
    let killing = true;
    const turn = async () => {
      const n = made++;
      const message = { ...text(`${n}`, `4915100000${100 + n % PEOPLE}`, `Message ${n}`), timestamp: now() };
      const reply = new Promise<void>((resolve) => outside.replied.set(message.id, resolve));
      await meta.post(hook([message], numbered(phoneNumberId)));
      acknowledged.push(message.id);
      await reply;
    };
    for (let i = 0; i < TURNS; i++) {
      void (async () => {
        while (killing) await turn();
      })();
    }
    await until("the load has begun", atLeast(TURNS, () => acknowledged.length));
    const kills = await killAll(stack, sql);
    killing = false;
    const seconds = Math.round((Date.now() - begun) / 1000);

    await until("each message has its reply", () => {
      const missing = [...outside.replied.keys()];
      if (missing.length > 0) throw new Error(`${missing.length} have none, as ${missing.slice(0, 5)}`);
      return true;
    }, PATIENCE);
    await until("each webhook was answered 200", () => meta.waiting() === 0, PATIENCE);
    await until("nothing is leased or due", async () => {
      const [left] = await sql`
        select (select count(*) from private.delivery_lanes where due_at is not null or lease is not null)::int as delivery_lanes,
          (select count(*) from private.outbound_lanes where due_at is not null or lease is not null)::int as outbound_lanes,
          (select count(*) from public.conversations where unrouted_since is not null)::int as unrouted,
          (select count(*) from public.deliveries where state <> 'delivered')::int as deliveries,
          (select count(*) from public.outbound_messages where state <> 'sent')::int as outbound`;
      if (Object.values(left).some((n) => n > 0)) throw new Error(JSON.stringify(left));
      return true;
    }, PATIENCE);

    const { arrivals, sends } = outside;
    assertEquals(acknowledged.length, made);
    await stored(sql, acknowledged);
    assertEquals(difference(acknowledged, arrivals.map(({ wamid }) => wamid)), [], "did not arrive");
    assertEquals(outOfOrder(arrivals), []);
    assertEquals(new Set(arrivals.map(({ id }) => id)).size, made, "one webhook-id for each message");
    const deliveredAgain = repeated(arrivals), sentAgain = repeated(sends);
    const hostKills = kills.filter(({ part }) => part === "functions");
    assertEquals(unexplained(deliveredAgain, hostKills), [], "called again though nobody was killed");
    assertEquals(unexplained(sentAgain, hostKills), [], "sent again though nobody was killed");
    assertEquals([hostKills.length, kills.length], [HOST_KILLS, KILLS]);
    console.log(
      `${HOST_KILLS} kills of the functions host and ${POSTGRES_KILLS} of Postgres in ${seconds} s, ` +
        `drained after ${Math.round((Date.now() - begun) / 1000)} s: ${made} messages; ` +
        `again to the service ${deliveredAgain.length}, again to Meta ${sentAgain.length}; ` +
        `webhooks that were not answered 200 at first ${JSON.stringify(meta.others)}`,
    );
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
});

/** Kills both parts side by side, each at moments of its own. Resolves when the last of them has recovered. */
async function killAll(stack: RunningStack, sql: Sql): Promise<Kill[]> {
  const kills: Kill[] = [];
  const leases: Promise<unknown>[] = [];

  async function kill(part: Part): Promise<void> {
    const pid = stack.pids()[part]!;
    const from = Date.now();
    Deno.kill(pid, "SIGKILL");
    if (part === "functions") {
      leases.push(until("the leases of the dead are over", () => endLeases(sql, from), PATIENCE));
    }
    await until(`${part} was started again`, () => stack.pids()[part] !== pid);
    kills.push({ part, from, to: Date.now() });
  }

  async function functions(): Promise<void> {
    const random = randomFrom(SEED);
    for (let i = 0; i < HOST_KILLS; i++) {
      const back = kills.findLast(({ part }) => part === "functions")?.to;
      if (i % IN_A_ROW === 0 && back !== undefined) {
        await until("the host has lived for long", () => Date.now() - back > STABLE_MS);
      }
      if (random() < 0.5) await answers(stack);
      await pause(random() * 1000);
      await kill("functions");
    }
  }

  async function database(): Promise<void> {
    const random = randomFrom(SEED + 1);
    for (let i = 0; i < POSTGRES_KILLS; i++) {
      await pause(random() * 8000);
      if (random() < 0.5) await answers(stack);
      await until(
        "it may die again",
        () =>
          kills.filter(({ part, to }) => part === "postgres" && Date.now() - to < DEATHS.withinMs).length <
            DEATHS.most,
      );
      await kill("postgres");
    }
  }

  await Promise.all([functions(), database()]);
  await Promise.all(leases);
  await answers(stack);
  return kills;
}

/** Resolves when the stack answers that it is well. */
async function answers({ url }: RunningStack): Promise<void> {
  await until("the stack answers", async () => {
    const response = await fetch(`${url}/functions/v1/health`);
    await response.body?.cancel();
    return response.ok;
  }, PATIENCE);
}

/**
 * Ends the leases that were taken before a moment, as their time does: whoever held them is dead. What somebody has locked
 * is being given back, or was claimed after that moment.
 */
async function endLeases(sql: Sql, before: number): Promise<true> {
  const end = new Date(before + LEASE_SECONDS * 1000);
  await sql`
    update private.delivery_lanes l set due_at = now() from (
      select conversation_id, destination_id from private.delivery_lanes
      where lease is not null and due_at < ${end} for update skip locked) dead
    where l.conversation_id = dead.conversation_id and l.destination_id = dead.destination_id`;
  await sql`
    update private.outbound_lanes l set due_at = now() from (
      select conversation_id from private.outbound_lanes
      where lease is not null and due_at < ${end} for update skip locked) dead
    where l.conversation_id = dead.conversation_id`;
  return true;
}

/** What the tables have to hold when all is done. */
async function stored(sql: Sql, acknowledged: readonly string[]): Promise<void> {
  const rows = await sql<{ provider_id: string; n: number }[]>`
    select provider_id, count(*)::int as n from public.messages where direction = 'in' group by 1`;
  assertEquals(
    difference(acknowledged, rows.map((row) => row.provider_id)),
    [],
    "got a 200 and is not there",
  );
  assertEquals(rows.filter(({ n }) => n !== 1), [], "is there more than once");
  assertEquals(rows.length, acknowledged.length);
  const wrong = await sql`
    select m.id from public.messages m left join public.deliveries d on d.message_id = m.id
    where m.direction = 'in' group by m.id having count(d.id) <> 1`;
  assertEquals([...wrong], [], "messages without one delivery");
  const unanswered = await sql`
    select d.id from public.deliveries d
    left join public.outbound_messages o on o.idempotency_key like 'reply:%' and split_part(o.idempotency_key, ':', 2) = d.id::text
    group by d.id having count(o.id) <> 1`;
  assertEquals([...unanswered], [], "deliveries without one reply");
  const [{ replies }] = await sql`select count(*)::int as replies from public.outbound_messages`;
  assertEquals(replies, acknowledged.length);
  const statuses = await sql`
    select status, count(*)::int as n from public.messages where direction = 'out' group by 1`;
  assertEquals([...statuses], [{ status: "read", n: acknowledged.length }], "statuses that got a 200");
  const [{ report }] = await sql`select public.reconcile() as report`;
  assertEquals(report.checks.filter((check: { ok: boolean }) => !check.ok), []);
}

function difference(wanted: readonly string[], found: readonly string[]): string[] {
  const there = new Set(found);
  return wanted.filter((each) => !there.has(each));
}

/** Messages that arrived for the first time after a later one of their conversation. */
function outOfOrder(arrivals: readonly Arrival[]): Arrival[] {
  const seen = new Set<string>();
  const last = new Map<string, number>();
  return arrivals.filter(({ wamid, conversation, seq }) => {
    if (seen.has(wamid)) return false;
    seen.add(wamid);
    const after = last.get(conversation) ?? 0;
    last.set(conversation, Math.max(after, seq));
    return seq < after;
  });
}

/** A call that came before, and when that was. */
interface Repeated extends Call {
  before: number;
}

function repeated(calls: readonly Call[]): Repeated[] {
  const last = new Map<string, number>();
  return calls.flatMap(({ id, at }) => {
    const before = last.get(id);
    last.set(id, at);
    return before === undefined ? [] : [{ id, at, before }];
  });
}

/** Repetitions with no kill since the time before. What a process sent as it died may be heard a little later. */
function unexplained(calls: readonly Repeated[], kills: readonly Kill[]): Repeated[] {
  return calls.filter(({ at, before }) => !kills.some(({ from, to }) => from <= at && to >= before));
}
