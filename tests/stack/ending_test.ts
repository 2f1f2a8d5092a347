/** An isolate ends with deliveries under way: told so, nothing is called twice; killed, no more than what was under way. */
import { assert, assertEquals } from "../support/assert.ts";
import postgres, { type Sql } from "postgres";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { startService } from "../support/service.ts";
import { type RunningStack, startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { bytesOf, hook, text } from "../support/webhook.ts";

const MESSAGES = 40;

async function write({ url, stack: { whatsapp } }: RunningStack, n: number): Promise<void> {
  const bytes = bytesOf(
    hook([text(`wamid.end${n}`, `120255501${10 + n}`, `${n}`)], {
      metadata: { display_phone_number: "15550001234", phone_number_id: whatsapp.phoneNumberId },
    }),
  );
  const response = await fetch(`${url}/functions/v1/wa-webhook`, {
    method: "POST",
    body: bytes,
    headers: { "x-hub-signature-256": sign(bytes, whatsapp.appSecret) },
  });
  assertEquals([response.status, (await response.json()).stored], [200, 1]);
}

/** Ends the functions with calls of a service under way, and says how often each message was called, and which were. */
async function ended(signal: "SIGTERM" | "SIGKILL") {
  await using service = startService();
  const answer = Promise.withResolvers<void>();
  service.answers(() => answer.promise.then(() => new Response()));
  const stack = await startStack();
  const sql: Sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`select public.add_destination('slow', ${service.url})`;
    await sql`select public.add_route('{slow}', '{"type":"any"}', 1)`;
    await until("the functions know the route", async () => {
      const state = await fetch(`${stack.url}/functions/v1/wa-router`, {
        headers: { apikey: stack.stack.secretKey, "x-gatelink-state": "wa_router.enabled" },
      });
      const [{ revision }] = await sql`select revision::float8 from private.config_revision`;
      return (await state.json()).config_revision === revision;
    });
    await Promise.all(Array.from({ length: MESSAGES }, (_, n) => write(stack, n)));
    await until("half of the places are taken", () => service.received.length >= 32);
    const underWay = new Set(service.received.map(({ id }) => id));
    const before = stack.pids().functions;
    Deno.kill(before, signal);
    await until("the functions take no more requests", async () => {
      return stack.pids().functions !== before ||
        await fetch(`${stack.url}/functions/v1/health`).then(({ body }) => body?.cancel(), () => true) ===
          true;
    });
    answer.resolve();
    await until("others are up", () => stack.pids().functions !== before);
    // What was killed waits for the end of its leases.
    if (signal === "SIGKILL") {
      await sql`update private.delivery_lanes set due_at = now() where lease is not null`;
    }
    await until("all are delivered", async () => {
      const [{ n }] = await sql`select count(*)::int as n from public.deliveries where state = 'delivered'`;
      return n === MESSAGES;
    });
    const times = new Map<string, number>();
    for (const { id } of service.received) times.set(id, (times.get(id) ?? 0) + 1);
    const [{ most }] = await sql`select max(attempt)::int as most from public.deliveries`;
    return { twice: [...times].filter(([, n]) => n > 1).map(([id]) => id), underWay, most, times };
  } finally {
    await sql.end({ timeout: 1 });
    await stack.stop();
  }
}

Deno.test("functions that are told to stop settle their calls, and no message is delivered twice", async () => {
  const { twice, most, times } = await ended("SIGTERM");
  assertEquals([twice, most, times.size], [[], 1, MESSAGES]);
});

Deno.test("after functions are killed only calls in progress are repeated", async () => {
  const { twice, underWay, times } = await ended("SIGKILL");
  assertEquals(twice.filter((id) => !underWay.has(id)), []);
  assert(Math.max(...times.values()) <= 2);
  assertEquals(times.size, MESSAGES);
});
