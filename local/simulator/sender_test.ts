import { assert, assertEquals, assertRejects } from "../../tests/support/assert.ts";
import fc from "fast-check";
import { DueList } from "./due_list.ts";
import { CALM, type Settings } from "./model.ts";
import { storedBefore } from "./sender.ts";
import { type Arrived, itemsOf, OPTIONS, simulate } from "./testing.ts";
import { holds } from "../../tests/support/property.ts";

const trouble: fc.Arbitrary<Partial<Settings>> = fc.record({
  batch: fc.constantFrom(1, 2, 7, 1000),
  duplicateRate: fc.constantFrom(0, 0.3, 1),
  shuffleRate: fc.constantFrom(0, 0.5, 1),
  delayMs: fc.constantFrom(0, 400),
  concurrency: fc.integer({ min: 1, max: 12 }),
});

/** Whether a POST with this number fails: for as long as `down` lasts, and then each `every`th. */
const weather = fc.record({ down: fc.integer({ min: 0, max: 30 }), every: fc.integer({ min: 2, max: 9 }) });

Deno.test("WebhookSender: every update arrives and is acknowledged once, whatever fails", async () => {
  await holds(
    fc.asyncProperty(trouble, weather, fc.integer(), async (settings, { down, every }, seed) => {
      const failures = [500, 503, 404, 302, 204, null];
      const accepted = new Set<unknown>();
      const answer = ({ body }: Arrived, n: number) => {
        if (n <= down || n % every === 0) return failures[n % failures.length];
        for (const { item } of itemsOf(body)) accepted.add(item.id);
        return 200;
      };
      const { meta, clock } = simulate(answer, { settings, seed });
      const people = [1, 2, 3].map((n) => meta.addContact({ name: `P${n}`, phone: `4477009000${n}0` }));
      const sent = Array.from({ length: 60 }, (_, n) => meta.userSends(people[n % 3], `message ${n}`));
      await clock.until(meta.settled());
      assertEquals([...accepted].sort(), [...sent].sort());
      assertEquals(meta.acknowledged.map(({ wamid }) => wamid).sort(), [...sent].sort());
      assertEquals(meta.pending, 0);
      assert(meta.messages.every(({ progress }) => progress === "delivered"));
    }),
    { cases: 100 },
  );
});

Deno.test("storedBefore: never claims an order in which a receiver did not store", async () => {
  let claims = 0;
  await holds(
    fc.asyncProperty(trouble, fc.integer(), async (settings, seed) => {
      const stored: unknown[] = [];
      const late = new Map<number, number>();
      // Stores at some moment between the request and the answer, and loses each fifth answer afterwards.
      const { meta, clock } = simulate(async ({ body }, n) => {
        late.set(n, (n * 7919) % 300);
        await clock.sleep(late.get(n)!);
        for (const { item } of itemsOf(body)) if (!stored.includes(item.id)) stored.push(item.id);
        await clock.sleep((n * 104729) % 200);
        return n % 5 === 0 ? null : 200;
      }, { settings, seed });
      const person = meta.addContact({ name: "P", phone: "447700900123" });
      for (let n = 0; n < 40; n++) meta.userSends(person, `message ${n}`);
      await clock.until(meta.settled());
      for (const a of meta.acknowledged) {
        for (const b of meta.acknowledged) {
          if (!storedBefore(a, b)) continue;
          claims++;
          assert(stored.indexOf(a.wamid) < stored.indexOf(b.wamid), `${JSON.stringify([a, b])}`);
        }
      }
    }),
    { cases: 60 },
  );
  assert(claims > 1000, `only ${claims} pairs were ordered`);
});

Deno.test("WebhookSender: the signature is HMAC-SHA-256 of the raw bytes, which are ASCII", async () => {
  const { meta, clock, posts } = simulate();
  const said = "naïve café/bar 👋🏽 a@b \u2028 <script>";
  meta.userSends(meta.addContact({ name: "Zoë", phone: "447700900123" }), said);
  await clock.until(meta.settled());
  const [{ bytes, headers, body }] = posts;
  assert(/^[\x20-\x7e]+$/.test(bytes));
  assert(!/[^\\]\//.test(bytes), "a slash is escaped");
  assertEquals((itemsOf(body)[0].item.text as { body: string }).body, said);
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(OPTIONS.appSecret), algorithm, false, [
    "sign",
  ]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(bytes)));
  const hex = [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  assertEquals(headers.get("x-hub-signature-256"), `sha256=${hex}`);
});

Deno.test("WebhookSender: retries the same bytes with growing waits until 200", async () => {
  const { meta, clock, posts } = simulate((_, n) => n <= 9 ? 503 : 200);
  meta.userSends(meta.addContact({ name: "P", phone: "447700900123" }), "hi");
  await clock.until(meta.settled());
  assertEquals(posts.length, 10);
  assertEquals(new Set(posts.map(({ bytes }) => bytes)).size, 1);
  const waits = posts.slice(1).map(({ at }, n) => at - posts[n].at);
  const expected = [200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000];
  for (const [n, wait] of waits.entries()) {
    assert(wait >= expected[n] * 0.8 && wait <= expected[n] * 1.2, `wait ${n} is ${wait} ms`);
  }
  assertEquals(meta.posts.map(({ tries, state }) => ({ tries, state })), [{
    tries: 10,
    state: "acknowledged",
  }]);
});

Deno.test("WebhookSender: a receiver that is down for 50 minutes loses nothing; one that stays down is given up", async () => {
  const opens = Date.UTC(2026, 10, 21, 12, 50);
  const patient = simulate((post) => post.at < opens ? null : 200);
  patient.meta.userSends(patient.meta.addContact({ name: "P", phone: "447700900123" }), "hi");
  await patient.clock.until(patient.meta.settled());
  assertEquals(patient.meta.acknowledged.length, 1);

  const gone = simulate(() => 500, { retry: { forMs: 60_000 } });
  const began = gone.clock.now();
  gone.meta.userSends(gone.meta.addContact({ name: "P", phone: "447700900123" }), "hi");
  await assertRejects(() => gone.clock.until(gone.meta.settled()), Error, "1 updates were given up");
  assert(gone.clock.now() - began >= 60_000);
  assertEquals(gone.meta.messages[0].progress, "failed");
});

Deno.test("WebhookSender: an answer after the timeout counts as none", async () => {
  const { meta, clock, posts } = simulate();
  let hung = 0;
  const hanging: typeof fetch = (_url, init) =>
    new Promise((resolve, reject) => {
      if (hung++ > 0) return resolve(new Response(null, { status: 200 }));
      init!.signal!.addEventListener("abort", () => reject(new DOMException("cut", "AbortError")));
    });
  const slow = simulate(undefined, { fetch: hanging, clock });
  slow.meta.userSends(slow.meta.addContact({ name: "P", phone: "447700900123" }), "hi");
  await clock.until(slow.meta.settled());
  assertEquals(slow.meta.posts[0].attempts.map(({ status, error, ms }) => ({ status, error, ms })), [
    { status: null, error: "no answer within 15 s", ms: 15_000 },
    { status: 200, error: undefined, ms: 0 },
  ]);
  assertEquals(posts, []);
  meta.stop();
});

async function sendMany(count: number, settings: Partial<Settings>) {
  const run = simulate(undefined, { settings: { ...CALM, ...settings } });
  const person = run.meta.addContact({ name: "P", phone: "447700900123" });
  const sent: unknown[] = Array.from({ length: count }, (_, n) => run.meta.userSends(person, `message ${n}`));
  await run.clock.until(run.meta.settled());
  return { ...run, sent, arrived: run.items().map(({ item }) => item.id) };
}

Deno.test("WebhookSender: with calm settings everything arrives once, in order, one per POST", async () => {
  const { sent, arrived, posts } = await sendMany(300, { concurrency: 1 });
  assertEquals(arrived, sent);
  assertEquals(posts.length, 300);
});

Deno.test("WebhookSender: duplicateRate is the fraction that arrives twice", async () => {
  for (const duplicateRate of [0.2, 0.6, 1]) {
    const { sent, arrived } = await sendMany(500, { duplicateRate, concurrency: 64 });
    assertEquals(new Set(arrived).size, sent.length);
    const share = (arrived.length - sent.length) / sent.length;
    assert(Math.abs(share - duplicateRate) < 0.07, `${share} instead of ${duplicateRate}`);
  }
});

Deno.test("WebhookSender: duplicates come in the same body, at the same time, and later", async () => {
  const open = new Map<number, unknown[]>();
  let together = 0;
  const run = simulate(async ({ body }, n) => {
    const ids = itemsOf(body).map(({ item }) => item.id);
    if ([...open.values()].flat().some((id) => ids.includes(id))) together++;
    open.set(n, ids);
    await run.clock.sleep(300);
    open.delete(n);
    return 200;
  }, { settings: { duplicateRate: 1, shuffleRate: 0.5, batch: 20, concurrency: 2 } });
  const person = run.meta.addContact({ name: "P", phone: "447700900123" });
  for (let n = 0; n < 200; n++) run.meta.userSends(person, `message ${n}`);
  await run.clock.until(run.meta.settled());
  const bodies = run.posts.map(({ body }) => itemsOf(body).map(({ item }) => item.id));
  assert(bodies.some((ids) => new Set(ids).size < ids.length), "twice in one body");
  assert(together > 0, "in two POSTs at once");
  const later = bodies.findLastIndex((ids) => ids.some((id) => bodies[0].includes(id)));
  assert(run.posts[later].at > run.posts[0].at + 300, "after the first was acknowledged");
});

Deno.test("WebhookSender: shuffleRate is the fraction that is overtaken", async () => {
  const late = async (shuffleRate: number) => {
    const { sent, arrived } = await sendMany(500, { shuffleRate, concurrency: 1 });
    assertEquals([...arrived].sort(), [...sent].sort());
    let newest = -1;
    return arrived.filter((id) => {
      const overtaken = sent.indexOf(id) < newest;
      newest = Math.max(newest, sent.indexOf(id));
      return overtaken;
    }).length / sent.length;
  };
  assertEquals(await late(0), 0);
  const [some, all] = [await late(0.3), await late(1)];
  assert(some > 0.2 && some <= 0.36, `${some}`);
  assert(all > 0.9, `${all}`);
});

Deno.test("WebhookSender: delayMs spreads updates up to that long", async () => {
  const { posts } = await sendMany(200, { delayMs: 2_000, concurrency: 64 });
  const waits = posts.map(({ at }) => at - Date.UTC(2026, 10, 21, 12));
  assert(Math.max(...waits) <= 2_000 && Math.max(...waits) > 1_500 && Math.min(...waits) < 500);
});

Deno.test("WebhookSender: batch limits a POST, which is spread over entries and changes as Meta does", async () => {
  const { sent, arrived, posts } = await sendMany(2_500, { batch: 1_000, concurrency: 1 });
  assertEquals(arrived, sent);
  assertEquals(posts.map(({ body }) => itemsOf(body).length), [1_000, 1_000, 500]);
  const entries = posts[0].body.entry as {
    changes: { value: { messages: unknown[]; contacts: unknown[] } }[];
  }[];
  assert(entries.length > 10 && entries.some(({ changes }) => changes.length > 1));
  const values = entries.flatMap(({ changes }) => changes.map(({ value }) => value));
  assert(values.some(({ messages }) => messages.length > 1));
  assert(values.every(({ contacts }) => contacts.length === 1), "a person is named once in a change");
});

Deno.test("WebhookSender: a POST stays within Meta's 3 MB", async () => {
  const run = simulate(undefined, { settings: { batch: 1_000 } });
  const person = run.meta.addContact({ name: "P", phone: "447700900123" });
  for (let n = 0; n < 300; n++) run.meta.userSends(person, "é".repeat(4_000));
  await run.clock.until(run.meta.settled());
  assertEquals(run.items().length, 300);
  const sizes = run.posts.map(({ bytes }) => bytes.length);
  assert(sizes.every((size) => size <= 3_000_000) && sizes.length === 3, `${sizes}`);
});

Deno.test("WebhookSender: never more concurrent POSTs than concurrency", async () => {
  let now = 0, most = 0;
  const { meta, clock } = simulate(async () => {
    most = Math.max(most, ++now);
    await clock.sleep(50);
    now--;
    return 200;
  }, { settings: { concurrency: 5 } });
  const person = meta.addContact({ name: "P", phone: "447700900123" });
  for (let n = 0; n < 40; n++) meta.userSends(person, "hi");
  await clock.until(meta.settled());
  assertEquals(most, 5);
});

Deno.test("DueList: returns due items, sorted by time and then by arrival", () => {
  holds(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: 0, max: 20 }), (dues, now) => {
      const list = new DueList<[due: number, n: number]>();
      dues.forEach((due, n) => list.add(due, [due, n]));
      const expected = dues.map((due, n): [number, number] => [due, n]).sort(([a, n], [b, m]) =>
        a - b || n - m
      );
      assertEquals(list.take(now, () => true), expected.filter(([due]) => due <= now));
      assertEquals(list.nextDue, expected.find(([due]) => due > now)?.[0]);
    }),
  );
});
