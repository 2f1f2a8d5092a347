/** The simulator over real HTTP, against a small receiver that verifies, stores and now and then fails. */
import { assert, assertEquals } from "../support/assert.ts";
import { MetaSimulator } from "../../local/simulator/meta.ts";
import { createSimulator } from "../../local/simulator/mod.ts";
import { storedBefore } from "../../local/simulator/sender.ts";
import { itemsOf, OPTIONS } from "../../local/simulator/testing.ts";
import { until } from "../support/until.ts";

/** The signature by WebCrypto, as a receiver at the edge would compute it. */
async function isSigned(bytes: Uint8Array<ArrayBuffer>, header: string | null): Promise<boolean> {
  const secret = new TextEncoder().encode(OPTIONS.appSecret);
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, [
    "verify",
  ]);
  const hex = /^sha256=([0-9a-f]{64})$/.exec(header ?? "")?.[1] ?? "";
  const mac = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return await crypto.subtle.verify("HMAC", key, mac, bytes);
}

/** A webhook that stores the ids of what it accepts. `fails` says by count whether and how to fail. */
function receiver(fails: (n: number) => number | "late" | undefined = () => undefined) {
  const stored: unknown[] = [];
  const arrived: unknown[] = [];
  /** Answers that come when the same post comes again, for which it was given up before. */
  const late = new Map<string, () => void>();
  let unsigned = 0;
  let count = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const url = new URL(request.url);
    if (request.method === "GET") return new Response(url.searchParams.get("hub.challenge"));
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (!await isSigned(bytes, request.headers.get("x-hub-signature-256"))) unsigned++;
    const ids = itemsOf(JSON.parse(new TextDecoder().decode(bytes))).map(({ item }) =>
      `${item.id} ${item.status ?? ""}`
    );
    const post = ids.join();
    late.get(post)?.();
    const failure = fails(++count);
    if (typeof failure === "number") return new Response(null, { status: failure });
    arrived.push(...ids);
    for (const id of ids) if (!stored.includes(id)) stored.push(id);
    if (failure === "late") await new Promise<void>((answer) => late.set(post, answer));
    return new Response("ok");
  });
  return {
    server,
    stored,
    arrived,
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    unsigned: () => unsigned,
  };
}

Deno.test("simulator: over HTTP, acknowledged updates were stored and signed, in an order that storedBefore confirms", async () => {
  const hook = receiver((n) => n <= 3 || n % 7 === 0 ? 503 : n % 11 === 0 ? "late" : undefined);
  const meta = new MetaSimulator({
    ...OPTIONS,
    ...{ webhookUrl: hook.url, seed: 5, retry: { firstMs: 20, maxMs: 200, timeoutMs: 300 } },
    settings: { batch: 10, duplicateRate: 0.3, shuffleRate: 0.5, delayMs: 100 },
  });
  const people = Array.from(
    { length: 20 },
    (_, n) => meta.addContact({ name: `P${n}`, phone: `4477009001${10 + n}` }),
  );
  const sent = Array.from({ length: 300 }, (_, n) => meta.userSends(people[n % 20], `message ${n}`));
  await meta.settled();
  assertEquals(hook.unsigned(), 0);
  assertEquals([...hook.stored].sort(), sent.map((id) => `${id} `).sort());
  assert(hook.arrived.length > sent.length * 1.2, "some came more than once");
  const place = new Map(hook.stored.map((id, n) => [id, n]));
  let known = 0;
  for (const a of meta.acknowledged) {
    for (const b of meta.acknowledged) {
      if (!storedBefore(a, b)) continue;
      known++;
      assert(place.get(`${a.wamid} `)! < place.get(`${b.wamid} `)!);
    }
  }
  assert(known > 1_000, `${known}`);
  meta.stop();
  await hook.server.shutdown();
});

Deno.test("simulator: loses nothing if the receiver is not up yet", async () => {
  const taken = receiver();
  await taken.server.shutdown();
  const { port } = taken.server.addr;
  const meta = new MetaSimulator({ ...OPTIONS, webhookUrl: taken.url, retry: { firstMs: 20, maxMs: 100 } });
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = meta.userSends(person, "is anybody there?");
  await until("three tries were made", () => (meta.posts[0]?.tries ?? 0) >= 3);
  assertEquals(meta.posts[0].attempts[0].error, "no connection");
  const late = Deno.serve({ port, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    await request.body?.cancel();
    return new Response("ok");
  });
  await meta.settled();
  assertEquals(meta.acknowledged.map(({ wamid }) => wamid), [wamid]);
  meta.stop();
  await late.shutdown();
});

Deno.test("simulator: a business in another process sends, and receives its statuses", async () => {
  const hook = receiver();
  const simulator = createSimulator({
    ...OPTIONS,
    webhookUrl: hook.url,
    settings: { statusDelayMs: 10, enforceWindow: false },
  });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, simulator.fetch);
  const base = `http://127.0.0.1:${server.addr.port}/simulator`;
  const send = (body: string, signal?: AbortSignal) =>
    fetch(`${base}/graph/v23.0/${OPTIONS.phoneNumberId}/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${OPTIONS.accessToken}`, "content-type": "application/json" },
      body: JSON.stringify({
        messaging_product: "whatsapp",
        to: "447700900123",
        type: "text",
        text: { body },
      }),
      signal,
    });
  const { messages: [{ id }] } = await (await send("hello")).json();
  await simulator.meta.settled();
  assertEquals(hook.stored, [`${id} sent`, `${id} delivered`, `${id} read`]);
  assertEquals((await simulator.meta.handshake()).ok, true);

  const settings = { fault: "timeout", faultNext: 1 };
  const headers = { "content-type": "application/json" };
  await (await fetch(`${base}/api/settings`, { method: "POST", headers, body: JSON.stringify(settings) }))
    .body?.cancel();
  const given = await send("no answer", AbortSignal.timeout(100)).catch((error) => error.name);
  assertEquals(given, "TimeoutError");
  await (await send("again")).body?.cancel();
  const outbox = await (await fetch(`${base}/outbox`)).json();
  assertEquals(
    outbox.messages.map(({ payload }: { payload: { text: { body: string } } }) => payload.text.body),
    [
      "hello",
      "again",
    ],
  );
  await simulator.meta.settled();
  simulator.stop();
  await server.shutdown();
  await hook.server.shutdown();
});
