/** What is measured: the calls that the functions at the edge and the panel make, each on a connection of its caller. */
import postgres, { type Sql } from "postgres";
import { signedIn } from "../../tests/support/callers.ts";
import { DAYS } from "./fill.ts";

/** Updates of a larger group. */
const GROUP = 64;
/** Conversations that are decided at once, and clicks that are written. */
const ROUND = 32;
/** Links that an isolate reads along with one that it lacks. */
const READ_AHEAD = 100;
/** What the forwarder offers a call that claims on the way, with nothing else under way. */
const PLACES = {
  limit: GROUP,
  free: GROUP,
  lease_seconds: 60,
  busy: {},
  channels: ["whatsapp"],
  expired: true,
};

/** Whom and what the measured calls are about: the last day's. */
interface Keys {
  phones: string[];
  codes: string[];
}

interface Delivery {
  delivery_id: string;
  lease: string;
}

interface Waiting {
  id: string;
  messages: { id: string; seq: number }[];
}

/** One database, and the times of its calls in milliseconds. */
export interface World extends AsyncDisposable {
  /** As its owner, as the clock runs its jobs. */
  owner: Sql;
  /** The functions at the edge. */
  service: Sql;
  /** Somebody of the team, in the panel. */
  operator: Sql;
  keys: Keys;
  destination: string;
  revision: string;
  times: Map<string, number[]>;
}

/** Connects to a database that was filled. */
export async function enter(url: string): Promise<World> {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  const service = connectAs(url, { role: "service_role" });
  const member = await enterPanel(url);
  const [{ destination, revision }] = await owner<[{ destination: string; revision: string }]>`
    select (select id from public.destinations) as destination, (select revision::text from private.config_revision) as revision`;
  return {
    owner,
    service,
    operator: member.sql,
    destination,
    revision,
    keys: await keysOf(owner),
    times: new Map(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([owner, service].map((sql) => sql.end({ timeout: 5 })));
      await member[Symbol.asyncDispose]();
    },
  };
}

/** Signs in somebody new to the panel, who reads nothing yet. */
export async function enterPanel(url: string): Promise<AsyncDisposable & { sql: Sql }> {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  const { sub } = await signedIn(owner, "operator").finally(() => owner.end());
  const sql = connectAs(url, { role: "authenticated", sub: sub! });
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }) };
}

/** A connection as the Data API has it; text in, text out. */
function connectAs(url: string, claims: { role: string; sub?: string }): Sql {
  return postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { role: claims.role, options: `-c request.jwt.claims=${JSON.stringify(claims)}` },
  });
}

/** The people and links of the last day, at least enough for a few groups. */
async function keysOf(sql: Sql): Promise<Keys> {
  const [{ phones }] = await sql<[{ phones: string[] }]>`
    select array_agg(i.value) as phones from (
      select c.contact_id from public.conversations c
      order by c.id desc limit (select greatest(${
    3 * GROUP
  }::int, count(*) / ${DAYS}) from public.conversations)) recent
    join public.contact_identities i on i.contact_id = recent.contact_id`;
  const [{ codes }] = await sql<[{ codes: string[] }]>`
    select array_agg(l.code) as codes from public.links l where l.created_at > (select max(created_at) - interval '1 day' from public.links)`;
  return { phones, codes };
}

/** Calls everything once and notes how long each call took. */
export async function turn(world: World): Promise<void> {
  await timed(world, "intake, 1 message", ingest(world, 1));
  await timed(world, `intake, ${GROUP} messages`, ingest(world, GROUP));
  await timed(
    world,
    `decide, ${ROUND} conversations (claim_unrouted, record_decisions)`,
    async () => void await decide(world, await waiting(world)),
  );
  const round = await waiting(world);
  await timed(
    world,
    `claim and settle, ${ROUND} deliveries (record_decisions with p_claim, settle_deliveries)`,
    async () => await settle(world, await decide(world, round, PLACES)),
  );
  await drain(world);
  await timed(world, `redirect, a look-up (get_links, ${READ_AHEAD} ahead)`, lookUp(world));
  await timed(world, `redirect, ${ROUND} clicks written (record_clicks)`, click(world));
  await world.owner`select private.sample_minutes(clock_timestamp())`;
  for (const [what, call] of panel(world.operator)) await timed(world, what, call);
}

/** What the panel reads, as an operator. */
export function panel(operator: Sql): [what: string, call: () => Promise<unknown>][] {
  return [
    ["panel, overview", () => operator`select public.overview(60)::text`],
    [
      "panel, 50 conversations (list_conversations)",
      () => operator`select public.list_conversations()::text`,
    ],
  ];
}

/** Milliseconds that a call takes; noted where `what` it is is told. */
async function timed(world: World, what: string, call: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await call();
  const took = performance.now() - began;
  world.times.set(what, [...world.times.get(what) ?? [], took]);
}

async function answerOf<T>(sql: Sql, call: string, ...args: (string | null)[]): Promise<T> {
  const [{ answer }] = await sql.unsafe<{ answer: string }[]>(`select (${call})::text as answer`, args, {
    prepare: true,
  });
  return JSON.parse(answer);
}

const run = crypto.randomUUID().replaceAll("-", "").toUpperCase();
let serial = 0;

/** So many new messages, each of another person as far as there are as many. */
export function messages({ phones }: Keys, size: number) {
  const first = Math.floor(Math.random() * phones.length);
  return Array.from({ length: size }, (_, i) => {
    const phone = phones[(first + i) % phones.length];
    const wamid = `wamid.HBgM${run}${serial++}`;
    const body = `Is my order ${serial} on its way?`;
    return {
      key: `m:1:${wamid}:text`,
      channel: "whatsapp",
      provider: "whatsapp",
      field: "messages",
      kind: "message" as const,
      sender_id: "1",
      provider_id: wamid,
      type: "text",
      body,
      identities: [{ kind: "phone", value: phone }],
      raw: { from: phone, id: wamid, timestamp: String(Date.now()), type: "text", text: { body } },
      at: new Date().toISOString(),
    };
  });
}

/** Stores updates, given as text, and gives what became of each. */
export async function store({ service }: World, updates: string): Promise<{ outcomes: string }> {
  return await answerOf(service, "public.ingest_updates($1::text::jsonb)", updates);
}

function ingest(world: World, size: number): () => Promise<void> {
  const text = JSON.stringify(messages(world.keys, size));
  return async () => {
    const { outcomes } = await store(world, text);
    if (outcomes !== "s".repeat(size)) throw new Error(`the intake answered ${outcomes}`);
  };
}

async function waiting({ service, revision }: World): Promise<Waiting[]> {
  return await answerOf(
    service,
    "public.claim_unrouted($1::text::bigint, $2::text::int)",
    revision,
    String(ROUND),
  );
}

/** Decides what waits for the one destination; gives what was claimed with it. */
async function decide(
  world: World,
  conversations: Waiting[],
  places?: typeof PLACES,
): Promise<Delivery[]> {
  const { service, revision, destination } = world;
  const decisions = conversations.map(({ id, messages }) => ({
    id,
    held: false,
    through_seq: messages.at(-1)!.seq,
    sticky_route_id: null,
    sticky_until: null,
    decisions: messages.map((message) => ({
      message_id: message.id,
      route_id: null,
      route_name: "everything",
      reason: "matched",
      destination_ids: [destination],
      contact: null,
      explanation: [{ route: "everything", matched: true, why: "any" }],
    })),
  }));
  const { claim } = await answerOf<{ claim?: { deliveries: Delivery[] } }>(
    service,
    "public.record_decisions($1::text::bigint, $2::text::jsonb, $3::text::jsonb)",
    revision,
    JSON.stringify(decisions),
    places === undefined ? null : JSON.stringify(places),
  );
  return claim?.deliveries ?? [];
}

/** Settles as delivered. */
async function settle({ service }: World, deliveries: Delivery[]): Promise<void> {
  const results = deliveries.map(({ delivery_id, lease }) => ({
    delivery_id,
    lease,
    outcome: "delivered",
    status: 200,
    latency_ms: 20,
  }));
  const { settled } = await answerOf<{ settled: number }>(
    service,
    "public.settle_deliveries($1::text::jsonb)",
    JSON.stringify(results),
  );
  if (settled !== results.length) throw new Error(`${settled} of ${results.length} deliveries were settled`);
}

/** Decides and delivers what a turn has left, so that the next one finds nothing that waits. */
async function drain(world: World): Promise<void> {
  for (;;) {
    const left = await waiting(world);
    if (left.length === 0) break;
    await decide(world, left);
  }
  for (;;) {
    const { deliveries } = await answerOf<{ deliveries: Delivery[] }>(
      world.service,
      "public.claim_deliveries($1::text::int)",
      String(GROUP),
    );
    if (deliveries.length === 0) break;
    await settle(world, deliveries);
  }
}

function lookUp({ service, keys: { codes } }: World): () => Promise<unknown> {
  const code = codes[Math.floor(Math.random() * codes.length)];
  return async () => {
    const links = await answerOf<unknown[]>(
      service,
      "public.get_links(array[$1::text], $2::text::int)",
      code,
      String(READ_AHEAD),
    );
    if (links.length === 0) throw new Error(`${code} was not found`);
  };
}

function click({ service, keys: { codes } }: World): () => Promise<unknown> {
  const lines = Array.from({ length: ROUND }, () => {
    const visitor = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    return `${codes[Math.floor(Math.random() * codes.length)]} ${Date.now()} ios ${visitor}`;
  });
  return () =>
    service`select public.record_clicks(${crypto.randomUUID()}, ${Math.floor(Math.random() * 16)}, ${
      lines.join("\n")
    })`;
}
