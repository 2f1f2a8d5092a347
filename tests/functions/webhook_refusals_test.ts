/** wa-webhook: what it refuses, and what it does not acknowledge. */
import { assert, assertEquals } from "../support/assert.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { bytesOf, counts, events, hook, SECRET, text, webhookTest } from "../support/webhook.ts";

webhookTest(
  "any of several secrets is accepted while they rotate, a removed one is not",
  async ({ post, settings }) => {
    settings.secrets = ["new-secret", SECRET];
    const body = bytesOf(hook([text("1")]));
    assertEquals((await post(body, sign(body, "new-secret"))).status, 200);
    assertEquals((await post(body, sign(body, SECRET))).status, 200);
    settings.secrets = ["new-secret"];
    assertEquals((await post(body, sign(body, SECRET))).status, 401);
  },
);

webhookTest("a body without our signature has no effect", async ({ sql, post, drained }) => {
  const body = bytesOf(hook([text("1")]));
  const tampered = bytesOf(hook([text("2")]));
  const refusals: [Uint8Array, string | null, string][] = [
    [body, null, "signature_missing"],
    [body, "", "signature_invalid"],
    [body, "sha256=", "signature_invalid"],
    [body, sign(body, "another-secret"), "signature_invalid"],
    [tampered, sign(body, SECRET), "signature_invalid"],
    [bytesOf("not json"), sign(body, SECRET), "signature_invalid"],
  ];
  for (const [bytes, signature, code] of refusals) {
    const answer = await post(bytes, signature);
    assertEquals([answer.status, answer.body.code], [401, code]);
    assertEquals(answer.headers.get("content-type"), "application/problem+json");
  }
  assertEquals(await events(sql), 0);
  assertEquals(drained(), 0);
});

webhookTest("a signed body that is not JSON is refused, and stored for inspection", async ({ sql, post }) => {
  const long = `{"object": ${"x".repeat(20_000)}`;
  const broken = new Uint8Array([0x22, 0xff, 0xfe, 0x00, 0x22]);
  for (const body of [long, broken, "", long]) {
    const answer = await post(body);
    assertEquals([answer.status, answer.body.code], [400, "invalid_json"]);
  }
  const rows = await sql`
    select field, kind, raw ->> 'text' as text, (raw ->> 'bytes')::int as bytes
    from public.webhook_events order by bytes`;
  assertEquals([...rows], [
    { field: "invalid_json", kind: "other", text: "", bytes: 0 },
    { field: "invalid_json", kind: "other", text: '"\ufffd\ufffd\ufffd"', bytes: 5 },
    { field: "invalid_json", kind: "other", text: long.slice(0, 8192), bytes: long.length },
  ]);
});

webhookTest("a body that is too large is refused unread", async ({ sql, post, fetch }) => {
  const large = new Uint8Array(whatsapp.limits.webhookBytes + 1).fill(32);
  const answer = await post(large);
  assertEquals([answer.status, answer.body.code], [413, "payload_too_large"]);
  // Without a length, in pieces.
  let pieces = 0;
  const body = new ReadableStream({
    pull(controller) {
      pieces++;
      controller.enqueue(new Uint8Array(64 * 1024));
    },
  });
  const headers = { "x-hub-signature-256": sign(large, SECRET) };
  const endless = await fetch(new Request("http://edge.test/wa-webhook", { method: "POST", headers, body }));
  assertEquals(endless.status, 413);
  await endless.body?.cancel();
  assert(pieces < 70, String(pieces));
  assertEquals(await events(sql), 0);
});

webhookTest("the handshake echoes the challenge as text, for our token only", async ({ fetch, sql }) => {
  const get = (query: string) => fetch(new Request(`http://edge.test/wa-webhook?${query}`));
  const good = await get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify-token");
  assertEquals([good.status, await good.text()], [200, "1158201444"]);
  assertEquals(good.headers.get("content-type"), "text/plain; charset=utf-8");
  const bad = [
    "",
    "hub.mode=subscribe&hub.challenge=1&hub.verify_token=other",
    "hub.challenge=1&hub.verify_token=verify-token",
  ];
  for (const query of bad) {
    const answer = await get(query);
    assertEquals([answer.status, (await answer.json()).code], [403, "verify_token_mismatch"]);
  }
  assertEquals(await events(sql), 0);
});

webhookTest("other methods are refused", async ({ fetch }) => {
  for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const answer = await fetch(new Request("http://edge.test/wa-webhook", { method }));
    assertEquals([answer.status, (await answer.json()).code], [405, "method_not_allowed"]);
    assertEquals(answer.headers.get("allow"), "GET, HEAD, POST");
  }
});

webhookTest(
  "the kill switch answers 503, so that Meta repeats the webhook",
  async ({ sql, post, fetch, settings }) => {
    settings.killed = true;
    const answer = await post(hook([text("1")]));
    assertEquals([answer.status, answer.body.code], [503, "disabled_by_environment"]);
    assert(Number(answer.headers.get("retry-after")) > 0);
    const handshake = await fetch(new Request("http://edge.test/wa-webhook?hub.mode=subscribe"));
    assertEquals(handshake.status, 503);
    await handshake.body?.cancel();
    assertEquals(await events(sql), 0);
    settings.killed = false;
    assertEquals((await post(hook([text("1")]))).body, counts(1, 1));
  },
);

webhookTest(
  "nothing is acknowledged while the database is unavailable",
  async ({ sql, post, settings, drained }) => {
    settings.databaseAway = true;
    for (const body of [hook([text("1")]), "not json"]) {
      const answer = await post(body);
      assertEquals([answer.status, answer.body.code], [503, "database_unavailable"]);
      assert(Number(answer.headers.get("retry-after")) > 0);
    }
    assertEquals(drained(), 0);
    settings.databaseAway = false;
    assertEquals(await events(sql), 0);
    assertEquals((await post(hook([text("1")]))).body, counts(1, 1));
  },
);

webhookTest(
  "a database that refuses new and existing connections is reported as unavailable",
  async ({ sql, post }) => {
    assertEquals((await post(hook([text("1")]))).status, 200);
    const [{ name }] = await sql`select current_database() as name`;
    const admin = await testDatabase({ empty: true });
    try {
      await admin.sql.unsafe(`alter database ${name} allow_connections false`);
      await admin.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      const answer = await post(hook([text("2")]));
      assertEquals([answer.status, answer.body.code], [503, "database_unavailable"]);
      await admin.sql.unsafe(`alter database ${name} allow_connections true`);
    } finally {
      await admin.drop();
    }
    // As Meta does: again, until it is taken. The Data API finds back to the database by itself.
    const answer = await until("it is taken", async () => {
      const answer = await post(hook([text("2")]));
      return answer.status !== 503 && answer;
    });
    assertEquals([answer.status, answer.body], [200, counts(1, 1)]);
  },
);

webhookTest("a full queue answers 503 at once, and what it accepted is stored", async ({ sql, post }) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  let locked = () => {};
  const isLocked = new Promise<void>((resolve) => locked = resolve);
  const blocking = sql.begin(async (sql) => {
    await sql`lock table public.webhook_events in access exclusive mode`;
    locked();
    await released;
  });
  await isLocked;
  const early: number[] = [];
  const answers = Promise.all(Array.from({ length: 10 }, async (_, i) => {
    const answer = await post(hook([text(`${i}`)]));
    early.push(answer.status);
    return answer;
  }));
  // 4 wait, and perhaps one is under way before they came; nothing can be stored until the lock is released.
  await until("what finds no room is answered", () => early.length >= 5);
  assertEquals(new Set(early), new Set([503]));
  release();
  await blocking;
  const taken = (await answers).filter(({ status }) => status === 200).length;
  assert(taken === 4 || taken === 5, String(taken)); // 4 that wait, and perhaps one under way before they came
  assertEquals(await events(sql), taken);
  const refused = (await answers).filter(({ status }) => status === 503);
  assertEquals(refused.length, 10 - taken);
  for (const { body, headers } of refused) {
    assertEquals(body.code, "overloaded");
    assert(Number(headers.get("retry-after")) > 0);
  }
}, { maxQueued: 4, inFlight: 1 });

webhookTest(
  "one webhook that the database refuses does not affect others of its batch",
  async ({ sql, post }) => {
    // A rule that our parser knows nothing of stands for a mistake of ours.
    await sql`alter table public.messages add constraint no_tulips check (text <> 'tulips')`;
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, (_, i) => post(hook([text(`a${i}`)]))),
      post(hook([text("bad", "12025550123", "tulips"), text("beside")])),
      ...Array.from({ length: 5 }, (_, i) => post(hook([text(`b${i}`)]))),
    ]);
    assertEquals(answers.map(({ status }) => status), [...Array(5).fill(200), 500, ...Array(5).fill(200)]);
    assertEquals(answers[5].body.code, "internal_error");
    assertEquals(await events(sql), 10);
    await sql`alter table public.messages drop constraint no_tulips`;
    assertEquals(
      (await post(hook([text("bad", "12025550123", "tulips"), text("beside")]))).body,
      counts(2, 2),
    );
  },
);
