/** What waits or was given up: moved by a person, by an answer of its destination, or by its policy. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { at, Claim, claim, destination, route, settle, texts } from "../support/deliveries.ts";

databaseTest(
  "dead letters: the conversation continues; retry revives one under its id, drop closes it with a reason",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message({ body: "1" }), message({ body: "2" }));
    await route(sql, d);
    const dead = await claim(sql, 0);
    await settle(sql, 0, dead.deliveries, "dead", { error: "status: 500", status: 500 });
    const next = await claim(sql, 0);
    assertEquals(texts(next.deliveries), ["2"]);
    await settle(sql, 0, next.deliveries, "delivered");

    const id = dead.deliveries[0].delivery_id;
    assertEquals((await sql`select public.retry_deliveries(${[id]}) as n`)[0].n, 1);
    const again = (await sql<{ claim: Claim }[]>`select public.claim_deliveries(10) as claim`)[0].claim;
    assertEquals(again.deliveries.map(({ delivery_id, attempt }) => [delivery_id, attempt]), [[id, 1]]);
    const [{ settled }] = await sql`select public.settle_deliveries(${
      sql.json([{ delivery_id: id, lease: again.deliveries[0].lease, outcome: "dead", error: "gone" }])
    }) as settled`;
    assertEquals(settled.settled, 1);
    const attempts = await sql<
      { attempt: number }[]
    >`select attempt from public.delivery_attempts where delivery_id = ${id} order by at`;
    assertEquals(attempts.map((row) => row.attempt), [-1, 1], "what the first round met stays readable");

    assertEquals(await refusal(sql`select public.drop_deliveries(${[id]}, ' ')`), "GL422");
    assertEquals((await sql`select public.drop_deliveries(${[id]}, 'test order') as n`)[0].n, 1);
    assertEquals((await sql`select public.drop_deliveries(${[id]}, 'again') as n`)[0].n, 0);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("dead letters: a retry ignores deliveries that are in progress or delivered", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message({ body: "1" }), message({ body: "2" }));
  await route(sql, d);
  const first = await claim(sql, 0);
  await settle(sql, 0, first.deliveries, "dead");
  const second = await claim(sql, 0);
  await settle(sql, 0, second.deliveries, "dead");
  const ids = [...first.deliveries, ...second.deliveries].map(({ delivery_id }) => delivery_id);
  const now = async () =>
    (await sql<{ claim: Claim }[]>`select public.claim_deliveries(10) as claim`)[0].claim.deliveries;

  assertEquals((await sql`select public.retry_deliveries(${ids.slice(0, 1)}) as n`)[0].n, 1);
  const [again] = await now();
  await sql`select public.settle_deliveries(${
    sql.json([{
      delivery_id: again.delivery_id,
      lease: again.lease,
      outcome: "retry",
      retry_after_ms: 60_000,
    }])
  })`;
  // The first waits for its time again: it is due now, and keeps its place and its attempts; the second comes after it.
  assertEquals((await sql`select public.retry_deliveries(${ids}) as n`)[0].n, 2);
  const [head, ...others] = await now();
  assertEquals([head.delivery_id, head.attempt, others], [ids[0], 2, []]);
  assertEquals((await sql`select public.retry_deliveries(${ids.slice(0, 1)}) as n`)[0].n, 0, "under way");
  await sql`select public.settle_deliveries(${
    sql.json([{ delivery_id: ids[0], lease: head.lease, outcome: "delivered" }])
  })`;
  assertEquals((await sql`select public.retry_deliveries(${ids.slice(0, 1)}) as n`)[0].n, 0, "delivered");
  const attempts = await sql<{ attempt: number }[]>`
    select attempt from public.delivery_attempts where delivery_id = ${ids[0]} order by at`;
  assertEquals(attempts.map((row) => row.attempt), [-1, 1, 2]);
  assertEquals(await lost(sql), []);
});

/** A conversation whose first delivery failed and waits for hours, and the ids of its deliveries in order. */
async function held(sql: Sql, d: string): Promise<string[]> {
  await ingest(sql, message({ body: "1" }), message({ body: "2" }), message({ body: "3" }));
  await route(sql, d);
  const { deliveries } = await claim(sql, 0);
  await settle(sql, 0, deliveries, "retry", { status: 503, error: "status 503", retry_after_ms: 1e15 });
  assertEquals((await claim(sql, 1)).deliveries, []);
  return (await sql`select id from public.deliveries order by seq`).map(({ id }) => id);
}

const real = async (sql: Sql) =>
  (await sql<{ claim: Claim }[]>`select public.claim_deliveries(10) as claim`)[0].claim.deliveries;

databaseTest(
  "waiting deliveries: a manual retry is due at once, together with the delivery that blocks it",
  async (sql) => {
    const ids = await held(sql, await destination(sql, "d"));
    for (const asked of [0, 2]) {
      assertEquals((await sql`select public.retry_deliveries(${[ids[asked]]}) as n`)[0].n, 1);
      const [first, ...others] = await real(sql);
      assertEquals([texts([first]), others], [["1"], []]);
      await sql`select public.settle_deliveries(${
        sql.json([{
          delivery_id: ids[0],
          lease: first.lease,
          outcome: "retry",
          status: 400,
          retry_after_ms: 1e9,
        }])
      })`;
    }
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "waiting deliveries: skipping makes a dead letter and lets the next go; dropping closes it",
  async (sql) => {
    const ids = await held(sql, await destination(sql, "d"));
    assertEquals((await sql`select public.skip_deliveries(${[ids[0]]}) as n`)[0].n, 1);
    const [second] = await real(sql);
    assertEquals(texts([second]), ["2"]);
    // What is under way is left to whoever does it.
    assertEquals((await sql`select public.skip_deliveries(${ids.slice(0, 2)}) as n`)[0].n, 0);
    assertEquals((await sql`select public.drop_deliveries(${[ids[1]]}, 'test') as n`)[0].n, 0);
    assertEquals((await sql`select public.drop_deliveries(${[ids[2]]}, 'test') as n`)[0].n, 1);
    await sql`select public.settle_deliveries(${
      sql.json([{ delivery_id: ids[1], lease: second.lease, outcome: "delivered" }])
    })`;
    assertEquals(await real(sql), []);
    const rows = await sql`select state, last_error, dropped_reason from public.deliveries order by seq`;
    assertEquals(rows.map(({ state, last_error }) => [state, last_error]), [
      ["dead", "status 503 (skipped)"],
      ["delivered", null],
      ["dead", null],
    ]);
    assertEquals(rows[0].dropped_reason, null);
    assert(rows[2].dropped_reason.startsWith("test ("));
    assertEquals(await lost(sql), []);
  },
);

databaseTest("waiting deliveries: an expired lease does not prevent moving them", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message({ body: "1" }), message({ body: "2" }));
  await route(sql, d);
  const { deliveries: [died] } = await claim(sql, 0);
  await sql`select public.set_destination_state('d', 'paused')`;
  assertEquals((await sql`select public.skip_deliveries(${[died.delivery_id]}) as n`)[0].n, 1);
  assertEquals((await settle(sql, 1, [died], "delivered")).fenced, 1);
  await sql`select public.set_destination_state('d', 'active')`;
  assertEquals(texts(await real(sql)), ["2"]);
  assertEquals(await lost(sql), []);
});

databaseTest("waiting deliveries: operators may move them, viewers may not", async (sql) => {
  const ids = await held(sql, await destination(sql, "d"));
  const viewer = await signedIn(sql, "viewer"), operator = await signedIn(sql, "operator");
  for (
    const [name, call] of Object.entries<(tx: Sql) => Promise<unknown>>({
      retry: (tx) => tx`select public.retry_deliveries(${ids})`,
      skip: (tx) => tx`select public.skip_deliveries(${ids})`,
      drop: (tx) => tx`select public.drop_deliveries(${ids}, 'test')`,
      resend: (tx) => tx`select public.resend_deliveries('d', '2026-01-01', '2026-01-02')`,
    })
  ) {
    const by = (caller: Parameters<typeof as>[1]) => refusal(as(sql, caller, (tx) => call(tx as never)));
    assertEquals([await by(viewer), await by(operator)], ["42501", undefined], name);
  }
});

databaseTest(
  "recovery: a success makes earlier failures due at once, and a manual resume makes everything due",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message({ phone: "1", body: "a1" }), message({ phone: "1", body: "a2" }));
    await route(sql, d);
    await settle(sql, 0, (await claim(sql, 0)).deliveries, "retry", { status: 503, retry_after_ms: 5000 });
    await settle(sql, 5, (await claim(sql, 5)).deliveries, "retry", { status: 503, retry_after_ms: 3e5 });
    assertEquals((await claim(sql, 6)).deliveries, []);
    await ingest(sql, message({ phone: "2", body: "b1" }));
    await route(sql, d);
    const other = await claim(sql, 7);
    assertEquals(texts(other.deliveries), ["b1"]);
    await settle(sql, 8, other.deliveries, "delivered");
    const woken = await claim(sql, 8);
    assertEquals(texts(woken.deliveries), ["a1"]);
    // It fails on: it waits for its time, whatever others do, and is not tried with each of their successes.
    await settle(sql, 9, woken.deliveries, "retry", { status: 503, retry_after_ms: 1.8e6 });
    await ingest(sql, message({ phone: "3", body: "c1" }));
    await route(sql, d);
    await settle(sql, 10, (await claim(sql, 10)).deliveries, "delivered");
    assertEquals((await claim(sql, 11)).deliveries, []);
    // The database's own clock is what a person's act goes by.
    await sql`update public.deliveries set next_attempt_at = now() + interval '1 hour' where state = 'pending'`;
    await sql`update private.delivery_lanes set due_at = now() + interval '1 hour' where due_at is not null`;
    await sql`select public.set_destination_state('d', 'active')`;
    assertEquals(texts(await real(sql)), ["a1"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "recovery: respects Retry-After, and skips deliveries that were refused for their content",
  async (sql) => {
    const d = await destination(sql, "d");
    const waits: Record<string, unknown>[] = [{ status: 400 }, { status: 429 }, {
      status: 503,
      wakes: false,
    }];
    await ingest(sql, ...waits.map((_, i) => message({ phone: `c${i}`, body: `${i}` })));
    await route(sql, d);
    const { deliveries } = await claim(sql, 0);
    for (const [i, wait] of waits.entries()) {
      const one = deliveries.filter(({ message }) => message.text === `${i}`);
      await settle(sql, 0, one, "retry", { ...wait, retry_after_ms: 60_000 });
    }
    await ingest(sql, message({ phone: "well" }));
    await route(sql, d);
    await sql`update private.delivery_lanes l set due_at = ${at(60)} from public.deliveries d
    where d.conversation_id = l.conversation_id and d.attempt = 1`;
    await settle(sql, 1, (await claim(sql, 1)).deliveries, "delivered");
    assertEquals((await claim(sql, 2)).deliveries, []);
    assertEquals((await claim(sql, 61)).deliveries.length, 3);
  },
);

databaseTest("recovery: a long queue recovers in parts, each success releasing the next", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, ...Array.from({ length: 30 }, (_, i) => message({ phone: `c${i}` })));
  await route(sql, d);
  const { deliveries } = await claim(sql, 0);
  await settle(sql, 0, deliveries, "retry", { status: 503, retry_after_ms: 1e9 });
  const woken = async () =>
    (await sql`select count(*)::int as n from private.delivery_lanes where due_at <= ${at(1)}`)[0].n;
  const [{ more }] = await sql`select private.wake_deliveries(${d}, 20, ${at(1)}) as more`;
  assertEquals([more, await woken()], [true, 20]);
  const [{ more: last }] = await sql`select private.wake_deliveries(${d}, 20, ${at(1)}) as more`;
  assertEquals([last, await woken()], [false, 30]);
});

databaseTest("policy: invalid statuses and actions are refused when written", async (sql) => {
  for (
    const policy of [{ "200": "hold" }, { "400": "ignore" }, { "4xx": "aside" }, [], "aside", { "400": null }]
  ) {
    assertEquals(
      await refusal(destination(sql, `d${crypto.randomUUID().slice(0, 8)}`, { failure_policy: policy })),
      "23514",
      JSON.stringify(policy),
    );
  }
  await destination(sql, "d", { failure_policy: { "404": "aside", "410": "hold", else: "pause" } });
  const [row] = await sql`select failure_policy from public.destinations`;
  assertEquals(row.failure_policy, { "404": "aside", "410": "hold", else: "pause" });
});

databaseTest("resending: each delivery once over all pages, whatever is delivered meanwhile", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, ...Array.from({ length: 5 }, (_, i) => message({ phone: `c${i % 2}`, body: `${i}` })));
  await route(sql, d);
  const deliverAll = async () => {
    for (let got; (got = await real(sql)).length > 0;) {
      await sql`select public.settle_deliveries(${
        sql.json(got.map(({ delivery_id, lease }) => ({ delivery_id, lease, outcome: "delivered" })))
      })`;
    }
  };
  await deliverAll();
  let after: string | null = null, resent = 0;
  do {
    const [{ page }]: { page: { resent: number; after: string | null } }[] = await sql`
      select public.resend_deliveries('d', '2000-01-01', '2100-01-01', ${after}, 2) as page`;
    resent += page.resent;
    after = page.after;
    await deliverAll();
  } while (after !== null);
  assertEquals(resent, 5);
  const rows = await sql`select state, resent from public.deliveries`;
  assertEquals(rows.map(({ state, resent }) => [state, resent]), Array(5).fill(["delivered", 1]));
  assertEquals(await refusal(sql`select public.resend_deliveries('d', '2026-01-02', '2026-01-01')`), "GL422");
  assertEquals(await refusal(sql`select public.resend_deliveries('e', '2026-01-01', '2026-01-02')`), "GL404");
  assertEquals(await lost(sql), []);
});
