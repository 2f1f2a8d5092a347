/** What Meta makes of a message: its errors, silence, statuses in any order, its pace. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { until } from "../support/until.ts";
import { failedAttempts, queued, received, rowOf, text, writer } from "../support/sending.ts";

edgeTest("wa-send: 131056: the pair pauses and keeps its order, others go on", async (edge) => {
  const { meta, sql, hurry, settled } = edge;
  const { phone: a } = await writer(edge), { phone: b } = await writer(edge, "12025550124");
  meta.configure({ fault: "131056", faultNext: 1 });
  const first = await queued(edge, { to: a, ...text("a1") });
  assertEquals((await failedAttempts(edge, first, 1)).error, {
    kind: "throttle",
    scope: "pair",
    code: 131056,
    status: 400,
    message: "(#131056) (Business Account, Consumer Account) pair rate limit hit",
    details: "Message failed to send because there were too many messages sent from this phone number to " +
      "the same phone number in a short period of time.",
  });
  const second = await queued(edge, { to: a, ...text("a2") });
  const other = await queued(edge, { to: b, ...text("b") });
  await until("b was sent", async () => (await rowOf(sql, other)).state === "sent");
  assertEquals((await rowOf(sql, second)).attempt, 0);
  await hurry();
  await settled();
  assertEquals(received(edge), ["b", "a1", "a2"]);
});

edgeTest("wa-send: 130429: the whole number pauses, then continues in order", async (edge) => {
  const { meta, sql, hurry, settled } = edge;
  const { phone: a } = await writer(edge), { phone: b } = await writer(edge, "12025550124");
  meta.configure({ fault: "130429", faultNext: 1 });
  const first = await queued(edge, { to: a, ...text("a1") });
  await failedAttempts(edge, first, 1);
  const [{ rests }] = await sql`select send_tat > now() + interval '0.5 s' as rests from public.wa_numbers`;
  assertEquals(rests, true);
  const second = await queued(edge, { to: a, ...text("a2") });
  const other = await queued(edge, { to: b, ...text("b") });
  assertEquals([(await rowOf(sql, other)).attempt, (await rowOf(sql, second)).attempt], [0, 0]);
  await hurry();
  await settled();
  assertEquals(received(edge).filter((body) => body !== "b"), ["a1", "a2"]);
  assertEquals(meta.calls.length, 4);
});

edgeTest("wa-send: 131047: final, stored with Meta's reason, and later messages go on", async (edge) => {
  const { meta, sql, settled } = edge;
  const { phone: to } = await writer(edge);
  meta.configure({ fault: "131047", faultNext: 1 });
  const failed = await queued(edge, { to, ...text("1") });
  const next = await queued(edge, { to, ...text("2") });
  await settled();
  const row = await rowOf(sql, failed);
  assertEquals([row.state, row.attempt, row.status], ["failed", 1, "failed"]);
  assertEquals([row.error?.code, row.error?.kind, row.error?.given_up], [131047, "final", "final"]);
  assertMatch(String(row.error?.details), /24 hours/);
  const [{ error }] = await sql`select error from public.messages where id = ${failed}`;
  assertEquals(error, row.error);
  assertEquals((await rowOf(sql, next)).state, "sent");
});

edgeTest("wa-send: 131026 in a status: accepted by Meta, and failed in the end", async (edge) => {
  const { meta, sql, settled } = edge;
  const { phone: to } = await writer(edge);
  meta.configure({ fault: "131026", faultNext: 1 });
  const id = await queued(edge, { to, ...text("1") });
  await settled();
  await meta.settled();
  const row = await rowOf(sql, id);
  assertEquals([row.state, row.status], ["sent", "failed"]);
  const [{ error }] = await sql`select error from public.messages where id = ${id}`;
  assertEquals([error.length, error[0].code, error[0].title], [1, 131026, "Message undeliverable"]);
});

edgeTest(
  "wa-send: 5xx: retried, not before Retry-After, and given up after eight attempts",
  async (edge) => {
    const { meta, sql, hurry, settled } = edge;
    const { phone: to } = await writer(edge);
    meta.configure({ fault: "503", faultNext: 2 });
    const id = await queued(edge, { to, ...text("in the end") });
    for (const attempt of [1, 2]) {
      await failedAttempts(edge, id, attempt);
      const [{ waits }] = await sql`
      select extract(epoch from next_attempt_at - updated_at)::float8 as waits from public.outbound_messages`;
      assert(waits >= 1 && waits < 4.9, `${waits} s`);
      await hurry();
      // A call that wakes the queue, as the clock's does.
      edge.call("wa-router", { headers: { apikey: KEYS.secretKey } });
    }
    await until("sent", async () => (await rowOf(sql, id)).state === "sent");
    await settled();
    assertEquals([received(edge), meta.calls.length], [["in the end"], 3]);

    meta.configure({ fault: "500", faultNext: 100 });
    const hopeless = await queued(edge, { to, ...text("never") });
    await failedAttempts(edge, hopeless, 1);
    await sql`update public.outbound_messages set attempt = 7 where id = ${hopeless}`;
    await hurry();
    await settled();
    const row = await rowOf(sql, hopeless);
    assertEquals([row.state, row.attempt, row.error?.given_up], ["failed", 8, "attempts_exhausted"]);
  },
);

edgeTest("wa-send: a broken connection is retried", async (edge) => {
  const { sql, hurry, settled } = edge;
  const { phone: to } = await writer(edge);
  const graphUrl = Deno.env.get("WHATSAPP_GRAPH_URL")!;
  const nobody = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response());
  await nobody.shutdown();
  Deno.env.set("WHATSAPP_GRAPH_URL", `http://127.0.0.1:${nobody.addr.port}/v26.0`);
  forgetEnv();
  let id: string;
  try {
    id = await queued(edge, { to, ...text("later") });
    assertEquals((await failedAttempts(edge, id, 1)).error?.code, "network");
  } finally {
    Deno.env.set("WHATSAPP_GRAPH_URL", graphUrl);
    forgetEnv();
  }
  await hurry();
  await settled();
  assertEquals([received(edge), (await rowOf(sql, id)).state], [["later"], "sent"]);
});

edgeTest("wa-send: without an access token messages are accepted and wait for one", async (edge) => {
  const { sql, settled } = edge;
  const { phone: to } = await writer(edge);
  Deno.env.delete("WHATSAPP_ACCESS_TOKEN");
  forgetEnv();
  let id: string;
  try {
    id = await queued(edge, { to, ...text("patience") });
    await settled();
    assertEquals((await rowOf(sql, id)).attempt, 0);
  } finally {
    Deno.env.set("WHATSAPP_ACCESS_TOKEN", KEYS.accessToken);
    forgetEnv();
  }
  await settled();
  assertEquals((await rowOf(sql, id)).state, "sent");
});

/** Lets the time that the Graph API has for its answer, 15 s, be a fifth of one. */
async function impatient(run: () => Promise<void>): Promise<void> {
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms === 15_000 ? 200 : ms);
  try {
    await run();
  } finally {
    AbortSignal.timeout = timeout;
  }
}

edgeTest("wa-send: no answer: sent again", (edge) =>
  impatient(async () => {
    const { meta, sql, hurry, settled } = edge;
    const { phone: to } = await writer(edge);
    meta.configure({ fault: "timeout", faultNext: 1 });
    const id = await queued(edge, { to, ...text("hello?") });
    assertEquals((await failedAttempts(edge, id, 1)).error?.code, "timeout");
    await hurry();
    await settled();
    assertEquals([received(edge), (await rowOf(sql, id)).attempt], [["hello?"], 2]);
  }));

edgeTest(
  "wa-send: no answer, but a status shows that it was sent: not sent again, and the next one goes",
  (edge) =>
    impatient(async () => {
      const { meta, sql, settled } = edge;
      const { phone: to } = await writer(edge);
      meta.configure({ fault: "answer_lost", faultNext: 1 });
      const id = await queued(edge, { to, ...text("once") });
      const next = await queued(edge, { to, ...text("after it") });
      await settled();
      await meta.settled();
      const [{ wamid }] = meta.outbox.messages;
      assertEquals(
        await rowOf(sql, id).then(({ state, attempt, status, provider_id }) => ({
          state,
          attempt,
          status,
          provider_id,
        })),
        { state: "sent", attempt: 1, status: "delivered", provider_id: wamid },
      );
      assertEquals((await rowOf(sql, next)).state, "sent");
      assertEquals(received(edge), ["once", "after it"]);
    }),
);

edgeTest("wa-send: statuses in any order only move a message forward", async (edge) => {
  const { meta, sql, hook, settled } = edge;
  const { phone: to } = await writer(edge);
  meta.configure({ statusDelayMs: 60_000 });
  const id = await queued(edge, { to, ...text("hi") });
  await settled();
  assertEquals((await rowOf(sql, id)).status, "accepted");
  const [{ wamid }] = meta.outbox.messages;
  const now = Math.floor(Date.now() / 1000);
  const tell = (status: string, at: number) =>
    hook({
      object: "whatsapp_business_account",
      entry: [{
        id: "1",
        changes: [{
          field: "messages",
          value: {
            messaging_product: "whatsapp",
            metadata: { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id },
            statuses: [{ id: wamid, status, timestamp: String(now + at), recipient_id: to }],
          },
        }],
      }],
    });
  const seen: (string | null)[] = [];
  for (const [status, at] of [["delivered", 2], ["sent", 1], ["read", 3], ["delivered", 2]] as const) {
    assertEquals((await tell(status, at)).status, 200);
    seen.push((await rowOf(sql, id)).status);
  }
  assertEquals(seen, ["delivered", "delivered", "read", "read"]);
  const [{ status_at }] = await sql`select status_at from public.messages where id = ${id}`;
  assertEquals(
    Object.entries(status_at as Record<string, string>).map(([status, at]) => [
      status,
      Date.parse(at) / 1000 - now,
    ]).toSorted(),
    [["delivered", 2], ["read", 3], ["sent", 1]],
  );
});

edgeTest("wa-send: a pair gets its burst at once and then no more than its pace", async (edge) => {
  const { meta, sql, settled } = edge;
  const { phone: to } = await writer(edge);
  // The number rests until all four wait, so that their time is counted from one beginning.
  await sql`
    update public.wa_numbers set pair_burst = 2, pair_seconds = 0.15, send_tat = now() + interval '1 hour'`;
  for (const body of ["1", "2", "3", "4"]) await queued(edge, { to, ...text(body) });
  await settled();
  assertEquals(received(edge), []);
  const at: number[] = [];
  const unlisten = meta.listen((event) => event.type === "call" && at.push(performance.now()));
  const began = performance.now();
  await sql`update public.wa_numbers set send_tat = null`;
  await settled();
  unlisten();
  assertEquals(received(edge), ["1", "2", "3", "4"]);
  assert(at[3] - began >= 299, at.map((time) => Math.round(time - began)).join());
});
