/** The queue to the services in SQL: order, leases and fencing, circuit, rate, retries, dead letters. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { until } from "../support/until.ts";
import { holds } from "../support/property.ts";

interface Claimed {
  delivery_id: string;
  lease: string;
  attempt: number;
  destination_id: string;
  message: { text: string; seq: number };
  conversation: { id: string };
}

interface Claim {
  deliveries: Claimed[];
  destinations: { name: string; secrets: string[] }[];
  next_due_ms: number | null;
}

const T0 = Date.UTC(2026, 10, 21, 12);
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

async function destination(sql: Sql, name: string, options: Record<string, unknown> = {}): Promise<string> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true') on conflict do nothing`;
  await sql`select public.allow_host('localhost', 'forward')`;
  const [{ id }] = await sql<{ id: string }[]>`
    select public.add_destination(${name}, 'http://localhost/hook', ${
    sql.json(options as never)
  }) ->> 'id' as id`;
  return id;
}

/** Decides that all that waits goes to these destinations. */
async function route(sql: Sql, ...destinations: string[]): Promise<void> {
  const [{ waiting }] = await sql`select public.claim_unrouted(1, 1000, 1000) as waiting`;
  const decided = waiting.map((c: { id: string; messages: { id: string; seq: number }[] }) => ({
    id: c.id,
    held: false,
    through_seq: c.messages.at(-1)?.seq,
    decisions: c.messages.map((m) => ({
      message_id: m.id,
      reason: "matched",
      destination_ids: destinations,
      explanation: [],
    })),
  }));
  await sql`select public.record_decisions(1, ${sql.json(decided)})`;
  // Due from the beginning of the test's own time.
  await sql`update private.delivery_lanes l set due_at = ${at(0)} where due_at > ${at(0)} and not exists (
    select from public.deliveries d
    where d.conversation_id = l.conversation_id and d.destination_id = l.destination_id and d.attempt > 0 and d.state = 'pending')`;
  await sql`update public.deliveries set next_attempt_at = ${at(0)} where attempt = 0`;
}

async function claim(sql: Sql, seconds: number, limit = 100, lease = 60): Promise<Claim> {
  const [row] = await sql<{ claim: Claim }[]>`
    select private.claim_deliveries(${limit}, ${lease}, '{}', '{whatsapp}', ${at(seconds)}) as claim`;
  return row.claim;
}

type Outcome = "delivered" | "retry" | "dead";

async function settle(
  sql: Sql,
  seconds: number,
  claimed: Claimed[],
  outcome: Outcome,
  more: Record<string, unknown> = {},
) {
  const results = claimed.map(({ delivery_id, lease }) => ({ delivery_id, lease, outcome, ...more }));
  const [{ settled }] = await sql`select private.settle_deliveries(${sql.json(results as never)}, ${
    at(seconds)
  }) as settled`;
  return settled as { settled: number; fenced: number; replies: number; left_out: unknown[] };
}

const texts = (claimed: Claimed[]) => claimed.map((delivery) => delivery.message.text);

databaseTest(
  "claim_deliveries: the oldest open delivery of each conversation, the next only when it is settled",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(
      sql,
      ...["a1", "a2"].map((body) => message({ phone: "1", body })),
      message({ phone: "2", body: "b1" }),
    );
    await route(sql, d);
    const first = await claim(sql, 0);
    assertEquals(texts(first.deliveries).sort(), ["a1", "b1"]);
    assertEquals(texts((await claim(sql, 0)).deliveries), []);
    await settle(sql, 1, first.deliveries, "delivered", { status: 200, latency_ms: 3 });
    assertEquals(texts((await claim(sql, 1)).deliveries), ["a2"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "deliveries: whatever fails, and however many work at once, each conversation arrives in order, once or more",
  async (sql) => {
    let run = 0;
    const step = fc.record({
      outcome: fc.constantFrom<Outcome>("delivered", "retry", "dead"),
      take: fc.integer({ min: 1, max: 4 }),
    });
    await holds(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 }),
        fc.array(step, { maxLength: 30 }),
        async (senders, steps) => {
          const id = `d${run++}`;
          const d = await destination(sql, id);
          await ingest(
            sql,
            ...senders.map((sender, i) => message({ phone: `${id}${sender}`, body: String(i) })),
          );
          await route(sql, d);
          const arrived = new Map<string, number[]>();
          let now = 0;
          const work = async ({ outcome, take }: { outcome: Outcome; take: number }) => {
            const both = await Promise.all([claim(sql, now, take), claim(sql, now, take)]);
            for (const { deliveries } of both) {
              for (const each of deliveries) {
                const list = arrived.get(each.conversation.id) ?? [];
                if (outcome === "delivered") {
                  arrived.set(each.conversation.id, [...list, Number(each.message.text)]);
                }
              }
              await settle(sql, now, deliveries, outcome, { retry_after_ms: 1000 });
            }
            // Past the circuit and every retry.
            now += 7200;
          };
          for (const each of steps) {
            await work(each);
          }
          for (let i = 0; i < senders.length + 2; i++) await work({ outcome: "delivered", take: 100 });

          for (const list of arrived.values()) assertEquals(list, [...list].sort((a, b) => a - b));
          const [{ open }] = await sql<{ open: number }[]>`
        select count(*)::int as open from public.deliveries where state in ('pending', 'leased')`;
          assertEquals(open, 0);
          assertEquals(await lost(sql), []);
        },
      ),
      { cases: 25 },
    );
  },
);

databaseTest(
  "leases: one that ended is given to another, and the late result of the first is fenced off",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message());
    await route(sql, d);
    const slow = await claim(sql, 0, 10, 60);
    assertEquals((await claim(sql, 59)).deliveries.length, 0);
    const second = await claim(sql, 61);
    assertEquals(second.deliveries.map(({ delivery_id, attempt }) => ({ delivery_id, attempt })), [
      { delivery_id: slow.deliveries[0].delivery_id, attempt: 2 },
    ]);
    assertEquals(await settle(sql, 62, slow.deliveries, "dead"), {
      settled: 0,
      fenced: 1,
      replies: 0,
      left_out: [],
    });
    assertEquals((await settle(sql, 63, second.deliveries, "delivered")).settled, 1);
    const [{ state }] = await sql<{ state: string }[]>`select state from public.deliveries`;
    assertEquals(state, "delivered");
  },
);

databaseTest(
  "lanes: a delivery that is committed while its lane is settled is never forgotten",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message({ body: "1" }));
    await route(sql, d);
    const first = await claim(sql, 0);
    await ingest(sql, message({ body: "2" }));
    // The decision about "2" is made but not committed when the lane of "1" is settled.
    const other = await sql.reserve();
    await other`begin`;
    await route(other as unknown as Sql, d);
    const settled = settle(sql, 1, first.deliveries, "delivered");
    await until("somebody waits for a lock", async () => {
      const [{ n }] = await sql<{ n: number }[]>`select count(*)::int as n from pg_locks where not granted`;
      return n > 0;
    });
    await other`commit`;
    other.release();
    await settled;
    assertEquals(await lost(sql), []);
    assertEquals(texts((await claim(sql, 2)).deliveries), ["2"]);
  },
);

databaseTest(
  "circuit: ten failures in a row pause a destination, one probe tries, success opens it again",
  async (sql) => {
    const d = await destination(sql, "d"), healthy = await destination(sql, "healthy");
    await ingest(sql, ...Array.from({ length: 12 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d, healthy);
    const all = await claim(sql, 0);
    const of = (id: string) => all.deliveries.filter((delivery) => delivery.destination_id === id);
    await settle(sql, 0, of(healthy), "delivered");
    await settle(sql, 0, of(d), "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 20)).deliveries.length, 0);
    const probe = await claim(sql, 31);
    assertEquals(probe.deliveries.length, 1);
    assertEquals((await claim(sql, 32)).deliveries.length, 0, "the others wait for the probe");
    await settle(sql, 32, probe.deliveries, "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 32 + 59)).deliveries.length, 0, "a failed probe doubles the wait");
    const second = await claim(sql, 32 + 61);
    await settle(sql, 32 + 61, second.deliveries, "delivered");
    assertEquals((await claim(sql, 32 + 62)).deliveries.length, 11);
  },
);

databaseTest(
  "circuit: what was under way when it opened does not make its rest longer",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 40 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    const { deliveries } = await claim(sql, 0);
    assertEquals(deliveries.length, 40);
    for (let i = 0; i < 40; i += 5) {
      await settle(sql, 0, deliveries.slice(i, i + 5), "retry", { retry_after_ms: 1000 });
    }
    assertEquals((await claim(sql, 29)).deliveries.length, 0);
    const probe = await claim(sql, 30);
    assertEquals(probe.deliveries.length, 1);
    // Nor does one whose function died, and that is settled only now.
    const late = deliveries.slice(-1).map((one) => ({ ...one, lease: crypto.randomUUID() }));
    await settle(sql, 31, late, "retry");
    await settle(sql, 31, probe.deliveries, "retry", { retry_after_ms: 1000 });
    assertEquals((await claim(sql, 31 + 59)).deliveries.length, 0);
    assertEquals((await claim(sql, 31 + 60)).deliveries.length, 1);
  },
);

databaseTest("circuit: a probe that could not be claimed is not waited for", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message());
  await route(sql, d);
  await sql`update public.destinations set circuit_open_until = ${at(0)}, circuit_trips = 1`;
  const other = await sql.reserve();
  await other`begin`;
  await other`select from private.delivery_lanes for update`;
  assertEquals((await claim(sql, 1)).deliveries, []);
  await other`rollback`;
  other.release();
  assertEquals((await claim(sql, 2)).deliveries.length, 1);
});

databaseTest(
  "rate: a destination gets no more than its burst and its rate, and loses nothing",
  async (sql) => {
    const d = await destination(sql, "d", { rate_per_second: 10, rate_burst: 5 });
    await ingest(sql, ...Array.from({ length: 40 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    let got = 0;
    for (let tenth = 0; got < 40; tenth++) {
      const { deliveries } = await claim(sql, tenth / 10);
      got += deliveries.length;
      assert(got <= 5 + tenth + 1, `${got} after ${tenth} tenths`);
      await settle(sql, tenth / 10, deliveries, "delivered");
      assert(tenth < 100);
    }
  },
);

databaseTest("pause: the queue of a paused destination waits, resuming goes on in order", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message({ body: "1" }), message({ body: "2" }));
  await route(sql, d);
  await sql`select public.set_destination_state('d', 'paused')`;
  assertEquals(await claim(sql, 0), { deliveries: [], destinations: [], next_due_ms: null });
  await sql`select public.set_destination_state('d', 'active')`;
  assertEquals(texts((await claim(sql, 0)).deliveries), ["1"]);
});

databaseTest("places: however many destinations hang, the next one finds some", async (sql) => {
  const ids = [];
  for (const name of ["a", "b", "c", "d"]) ids.push(await destination(sql, name));
  await ingest(sql, ...Array.from({ length: 70 }, (_, i) => message({ phone: `c${i}` })));
  await route(sql, ...ids);
  // Each claim's destinations hang: what they took stays taken.
  const busy: Record<string, number> = {};
  const total = () => Object.values(busy).reduce((sum, n) => sum + n, 0);
  for (const hanging of ids.slice(0, 3)) {
    await sql`update public.destinations set state = case when id = ${hanging} then 'active' else 'paused' end`;
    const [{ claim }] = await sql<{ claim: Claim }[]>`
      select private.claim_deliveries(${64 - total()}, 60, ${sql.json(busy)}, '{whatsapp}', ${
      at(0)
    }) as claim`;
    busy[hanging] = claim.deliveries.length;
    const [{ again }] = await sql<{ again: Claim }[]>`
      select private.claim_deliveries(${64 - total()}, 60, ${sql.json(busy)}, '{whatsapp}', ${
      at(0)
    }) as again`;
    assertEquals(again.deliveries, []);
  }
  assertEquals(Object.values(busy), [32, 16, 8]);
  await sql`update public.destinations set state = 'active'`;
  const { deliveries } = await sql<{ claim: Claim }[]>`
    select private.claim_deliveries(8, 60, ${sql.json(busy)}, '{whatsapp}', ${at(0)}) as claim`.then((
    [{ claim }],
  ) => claim);
  assertEquals(new Set(deliveries.map((delivery) => delivery.destination_id)), new Set([ids[3]]));
});

databaseTest(
  "dead letters: the conversation goes on; retry brings one back under its id, drop closes it with a reason",
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

databaseTest("dead letters: retrying leaves alone what is under way or delivered", async (sql) => {
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
  "what waits: retried now, it goes at once, and so does what another waits behind",
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
  "what waits: skipped, it is a dead letter and the next goes; dropped, it is closed",
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

databaseTest("what waits: a lease whose holder died does not keep it from being moved", async (sql) => {
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

databaseTest("what waits: operators move it, viewers may not", async (sql) => {
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
  "recovery: a success makes due at once what failed before, and a person who resumes everything that waits",
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

databaseTest("recovery: not before Retry-After, nor what was refused for itself", async (sql) => {
  const d = await destination(sql, "d");
  const waits: Record<string, unknown>[] = [{ status: 400 }, { status: 429 }, { status: 503, wakes: false }];
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
});

databaseTest("recovery: a long queue goes in parts, each success the next", async (sql) => {
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

databaseTest(
  "circuit: it opens and closes as a change of the configuration, so that routes see it",
  async (sql) => {
    const d = await destination(sql, "d");
    const seen = async () => {
      const [{ config }] = await sql`select public.load_config() as config`;
      return [config.revision, config.destinations[0].circuit_open];
    };
    await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    const [before] = await seen();
    const { deliveries } = await claim(sql, 0);
    await settle(sql, 0, deliveries.slice(0, 9), "retry", { status: 503, retry_after_ms: 1000 });
    assertEquals(await seen(), [before, false]);
    await settle(sql, 0, deliveries.slice(9), "retry", { status: 503, retry_after_ms: 1000 });
    const [opened, open] = await seen();
    assert(opened > before && open);
    const probe = await claim(sql, 31);
    assertEquals(probe.deliveries.length, 1);
    await settle(sql, 31, probe.deliveries, "retry", { status: 503, retry_after_ms: 1e9 });
    assertEquals(await seen(), [opened, true]);
    await settle(sql, 95, (await claim(sql, 95)).deliveries, "delivered");
    const [closed, still] = await seen();
    assert(closed > opened && !still);
    assertEquals((await claim(sql, 95)).deliveries.length, 9, "what failed before is due");
  },
);

databaseTest("circuit: once its rest is over one delivery probes, though all wait for hours", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
  await route(sql, d);
  await settle(sql, 0, (await claim(sql, 0)).deliveries, "retry", { status: 503, retry_after_ms: 1e9 });
  const tidied = async (seconds: number) => {
    await sql`select private.tidy_destinations(${at(seconds)})`;
    return (await claim(sql, seconds)).deliveries;
  };
  assertEquals(await tidied(29), []);
  const [probe, ...others] = await tidied(31);
  assertEquals([probe.attempt, others], [2, []]);
  await settle(sql, 31, [probe], "retry", { status: 503, retry_after_ms: 1e9 });
  assertEquals(await tidied(60), [], "it rests again, for longer");
  const [next] = await tidied(92);
  assert(next.delivery_id !== probe.delivery_id, "no delivery uses up its attempts by probing");
  await settle(sql, 92, [next], "delivered");
  // The one that has just probed keeps its wait; what failed once goes at once.
  assertEquals((await claim(sql, 92)).deliveries.length, 8);
  assertEquals(await lost(sql), []);
});

databaseTest(
  "circuit: with nothing left that could probe it, it closes once its rest is over",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 10 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    await settle(sql, 0, (await claim(sql, 0)).deliveries, "retry", { status: 400, retry_after_ms: 1000 });
    const open = async (seconds: number) => {
      await sql`select private.tidy_destinations(${at(seconds)})`;
      return (await sql`select circuit_open_until is not null as open from public.destinations`)[0].open;
    };
    assertEquals(await open(31), true, "what waits probes it");
    await sql`update public.deliveries set state = 'dead'`;
    assertEquals([await open(29), await open(31)], [true, false]);
    const [row] = await sql`select circuit_trips, circuit_open_until from public.destinations`;
    assertEquals([row.circuit_trips, row.circuit_open_until], [0, null]);
  },
);

databaseTest("policy: what no status or act is, is refused where it is written", async (sql) => {
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

const change = (sql: Sql, version: number, changes: unknown, name = "d") =>
  sql`select public.set_destination(${name}, ${version}, ${sql.json(changes as never)}) as changed`;

databaseTest(
  "destinations: what waits goes by what was changed, and nobody undoes what another changed",
  async (sql) => {
    const d = await destination(sql, "d", { rate_per_second: 0.001, rate_burst: 1, timeout_ms: 1000 });
    await ingest(sql, message({ phone: "1" }), message({ phone: "2" }));
    await route(sql, d);
    const first = await claim(sql, 0);
    await settle(sql, 0, first.deliveries, "delivered");
    assertEquals((await claim(sql, 1)).deliveries, []);
    const changes = {
      url: "http://localhost/moved",
      timeout_ms: 2000,
      rate_per_second: null,
      rate_burst: 3,
      retry_seconds: [1, 2],
      failure_policy: { else: "aside" },
    };
    const [{ changed }] = await change(sql, 1, changes);
    const { id: _, ...rest } = changed;
    assertEquals(rest, { name: "d", state: "active", version: 2, ...changes });
    const { deliveries, destinations: [claimed] } = await claim(sql, 1);
    assertEquals(deliveries.length, 1);
    const { url, timeout_ms, retry_seconds, failure_policy } = claimed as unknown as Record<string, unknown>;
    assertEquals({ url, timeout_ms, retry_seconds, failure_policy }, {
      ...{ url: changes.url, timeout_ms: 2000, retry_seconds: [1, 2], failure_policy: { else: "aside" } },
    });
    assertEquals(await refusal(change(sql, 1, { timeout_ms: 500 })), "GL409");
    assertEquals(await refusal(change(sql, 2, { name: "other" })), "GL422");
    assertEquals(await refusal(change(sql, 2, [])), "GL422");
    assertEquals(await refusal(change(sql, 2, { url: "http://10.0.0.1/" })), "GL403");
    assertEquals(await refusal(change(sql, 2, { url: null })), "GL403");
    assertEquals(await refusal(change(sql, 2, { timeout_ms: 1 })), "23514");
    assertEquals(await refusal(change(sql, 2, {}, "nobody")), "GL404");
    const viewer = await signedIn(sql, "viewer"), operator = await signedIn(sql, "operator");
    const by = (caller: Parameters<typeof as>[1]) =>
      refusal(as(sql, caller, (tx) => change(tx as never, 2, { timeout_ms: 500 })));
    assertEquals([await by(viewer), await by(operator)], ["42501", undefined]);
  },
);

databaseTest(
  "destinations: one is removed once no route leads there, with what waits if a reason is given",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...["1", "2", "3"].map((phone) => message({ phone })));
    await route(sql, d);
    const { deliveries: [delivered, dead, leased] } = await claim(sql, 0);
    await settle(sql, 0, [delivered], "delivered");
    await settle(sql, 0, [dead], "dead");
    const [{ added }] = await sql`select public.add_route('{d}', '{"type": "any"}') as added`;
    const remove = (reason: string | null = null) =>
      sql`select public.remove_destination('d', ${reason}) as removed`;
    assertEquals(await refusal(remove("moved")), "GL409");
    await sql`select public.remove_route(${added.id})`;
    assertEquals(await refusal(remove()), "GL409");
    const [{ removed }] = await remove("moved");
    assertEquals(removed, { id: d, name: "d", dropped: 2 });
    assertEquals((await settle(sql, 1, [leased], "delivered")).fenced, 1);
    assertEquals(await refusal(remove()), "GL404");
    assertEquals(await refusal(sql`select public.add_route('{d}', '{"type": "any"}')`), "GL404");
    await sql`insert into public.routes (name, condition) values ('by hand', '{"type": "any"}')`;
    const byHand = sql`insert into public.route_destinations (route_id, destination_id, position)
    select id, ${d}, 1 from public.routes`;
    assertEquals(await refusal(byHand), "GL404");
    assertEquals((await sql`select public.retry_deliveries(${[dead.delivery_id]}) as n`)[0].n, 0);
    assertEquals((await sql`select from private.destination_secrets`).length, 0);
    for (
      const list of [
        "public.destination_health()",
        "public.load_config() -> 'destinations'",
        "public.status() -> 'destinations'",
        "public.metrics() -> 'destinations'",
      ]
    ) {
      assertEquals((await sql.unsafe(`select ${list} as list`))[0].list, [], list);
    }
    const rows = await sql`select state, dropped_reason from public.deliveries order by seq`;
    assertEquals(rows.map(({ state, dropped_reason }) => [state, dropped_reason?.split(" (")[0]]), [
      ["delivered", undefined],
      ["dead", "moved"],
      ["dead", "moved"],
    ]);
    // The name is free, and what the old one had is not the new one's.
    const next = await destination(sql, "d");
    assert(next !== d);
    assertEquals(
      (await sql`select public.resend_deliveries('d', '2000-01-01', '2100-01-01') as n`)[0].n.resent,
      0,
    );
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "destinations: what was decided for one as it was removed is given up, not left to wait",
  async (sql) => {
    const d = await destination(sql, "d");
    await sql`select public.remove_destination('d')`;
    await ingest(sql, message());
    await route(sql, d);
    await sql`select private.tidy_destinations(now())`;
    const [row] = await sql`select state, last_error from public.deliveries`;
    assertEquals([row.state, row.last_error], ["dead", "removed: the destination was removed"]);
  },
);

databaseTest("resending: page after page, each once, whatever is delivered meanwhile", async (sql) => {
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

databaseTest(
  "replies: queued in the same settle, once each, and not for a result that is fenced off",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message());
    await route(sql, d);
    const { deliveries } = await claim(sql, 0);
    await sql`update public.conversations set last_inbound_at = ${at(0)}`;
    const replies = ["one", "two"].map((body) => ({
      to: "4915100000001",
      text: body,
      message: { type: "text", text: { body } },
    }));
    assertEquals((await settle(sql, 1, deliveries, "delivered", { replies })).replies, 2);
    assertEquals((await settle(sql, 1, deliveries, "delivered", { replies })).fenced, 1);
    const rows = await sql<{ text: string; state: string }[]>`
    select m.text, o.state from public.outbound_messages o join public.messages m on m.id = o.message_id order by m.seq`;
    assertEquals(rows.map((row) => ({ ...row })), [{ text: "one", state: "queued" }, {
      text: "two",
      state: "queued",
    }]);
  },
);

databaseTest(
  "replies: a receipt goes for a message of the same conversation, and for nobody else's",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(
      sql,
      message({ phone: "c0", body: "mine", provider_id: "wamid.mine" }),
      message({ phone: "c1", body: "theirs", provider_id: "wamid.theirs" }),
    );
    await route(sql, d);
    const { deliveries } = await claim(sql, 0);
    const mine = deliveries.filter(({ message }) => message.text === "mine");
    const replies = ["wamid.theirs", "wamid.mine", "wamid.nobody's"].map((id) => ({
      to: "c0",
      message: { type: "read", message_id: id },
    }));
    const left = { reply: 4, why: "invalid" };
    const { replies: queued, left_out } = await settle(sql, 1, mine, "delivered", {
      replies,
      left_out: [left],
    });
    const refused = [{ reply: 1, why: "unknown_message" }, { reply: 3, why: "unknown_message" }];
    assertEquals([queued, left_out], [1, [{ delivery_id: mine[0].delivery_id, replies: refused }]]);
    const [attempt] = await sql`select left_out from public.delivery_attempts`;
    assertEquals(attempt.left_out, [left, ...refused], "all of them, with the attempt");
    const told = await sql`
      select e.what, e.figures ->> 'why' as why from public.messages m cross join lateral private.inbound_events(m) e
      where m.text = 'mine' and e.what = 'left_out'`;
    assertEquals(told.map(({ why }) => why).toSorted(), ["invalid", "unknown_message", "unknown_message"]);
    const rows = await sql`select payload ->> 'message_id' as id from public.outbound_messages`;
    assertEquals(rows.map(({ id }) => id), ["wamid.mine"]);
  },
);

databaseTest(
  "secrets: deliveries are signed with the new and the old one until the overlap ends",
  async (sql) => {
    const d = await destination(sql, "d");
    const [{ rotated }] = await sql`select public.rotate_destination_secret('d', 24) as rotated`;
    await ingest(sql, message(), message());
    await route(sql, d);
    // The overlap is counted by the real clock.
    const now = (Date.now() - T0) / 1000;
    const { deliveries, destinations: [{ secrets }] } = await claim(sql, now);
    assertEquals(secrets.length, 2);
    assertEquals(secrets[0], rotated.secret);
    await settle(sql, now, deliveries, "delivered");
    const { destinations: [later] } = await claim(sql, now + 25 * 3600);
    assertEquals(later.secrets, [rotated.secret]);
    // An overlap that never ends, or has ended before it begins, is none.
    for (const hours of [null, -5, 169, 1e9]) {
      const refused = await refusal(sql`select public.rotate_destination_secret('d', ${hours})`);
      assertEquals(refused, "GL422", `${hours}`);
    }
    const [{ secrets: kept }] = await sql`select count(*)::int as secrets from private.destination_secrets`;
    assertEquals(kept, 2);
  },
);

databaseTest(
  "allowlist: a destination is stored only for an allowed host, https, without tricks; loopback by the setting alone",
  async (sql) => {
    const add = (url: string) =>
      refusal(sql`select public.add_destination(${crypto.randomUUID().slice(0, 8)}, ${url})`);
    await sql`select public.allow_host('api.example.com', 'forward'), public.allow_host('*.svc.example.com', 'forward'),
    public.allow_host('localhost', 'forward'), public.allow_host('links.example.com', 'redirect')`;
    for (
      const url of [
        "https://api.example.com",
        "https://api.example.com/hook?x=1",
        "https://a.b.svc.example.com/",
      ]
    ) {
      assertEquals(await add(url), undefined, url);
    }
    for (
      const url of [
        "http://api.example.com/",
        "https://example.com/",
        "https://svc.example.com/",
        "https://links.example.com/",
        "https://api.example.com.evil.test/",
        "https://user@api.example.com/",
        "https://api.example.com@evil.test/",
        "https://api.example.com:8443/",
        "https://api.example.com\\@evil.test/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "http://localhost:9999/",
        "ftp://api.example.com/",
        "//api.example.com/",
        "https:api.example.com",
        "",
      ]
    ) {
      assertEquals(await add(url), "GL403", url);
    }
    await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
    assertEquals(await add("http://localhost:9999/hook"), undefined);
    assertEquals(await add("http://127.0.0.1:9999/hook"), "GL403", "loopback too must be on the list");
  },
);

databaseTest(
  "allowlist: the Data API's own doors ask it too, of rows written and rows changed",
  async (sql) => {
    await sql`select public.allow_host('hooks.example.com', 'forward')`;
    const write = (url: string) =>
      refusal(
        as(sql, SERVICE, (tx) =>
          tx`insert into public.destinations (name, url) values (${crypto.randomUUID()}, ${url})`),
      );
    const change = (url: string) =>
      refusal(as(sql, SERVICE, (tx) => tx`update public.destinations set url = ${url}`));
    assertEquals(await write("https://hooks.example.com/in"), undefined);
    for (
      const url of [
        "http://10.0.0.1",
        "http://10.0.0.1/",
        "https://other.example.com/",
        "http://hooks.example.com/",
        "",
      ]
    ) {
      assertEquals([await write(url), await change(url)], ["GL403", "GL403"], url);
    }
    assertEquals(await change("https://hooks.example.com/out"), undefined);
    // What was not touched is no reason to refuse: the host may have left the list since.
    await sql`select public.disallow_host('hooks.example.com', 'forward')`;
    assertEquals(
      await refusal(as(sql, SERVICE, (tx) => tx`update public.destinations set timeout_ms = 1000`)),
      undefined,
    );
  },
);

databaseTest(
  "people: an operator runs destinations and routes, a viewer may not, secrets are for nobody",
  async (sql) => {
    await destination(sql, "d");
    const viewer = await signedIn(sql, "viewer"), operator = await signedIn(sql, "operator");
    const pause = (caller: Parameters<typeof as>[1]) =>
      refusal(as(sql, caller, (tx) => tx`select public.set_destination_state('d', 'paused')`));
    assertEquals([await pause(viewer), await pause(operator), await pause(SERVICE)], [
      "42501",
      undefined,
      undefined,
    ]);
    assertEquals(
      await refusal(as(sql, operator, (tx) => tx`select * from private.destination_secrets`)),
      "42501",
    );
  },
);

databaseTest(
  "claim_deliveries: a channel that is not asked for waits, is not told as due, and loses no order",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(
      sql,
      message({ phone: "c0", body: "0" }),
      message({ phone: "c1", body: "1" }),
      message({ phone: "c1", body: "2" }),
    );
    await route(sql, d);
    await sql`update private.delivery_lanes l set channel = 'sms' from public.conversations c
    join public.contact_identities i on i.contact_id = c.contact_id where c.id = l.conversation_id and i.value = 'c1'`;
    const of = async (channels: string, seconds: number) =>
      (await sql<{ claim: Claim }[]>`
      select private.claim_deliveries(10, 60, '{}', ${channels}::text[], ${at(seconds)}) as claim`)[0].claim;
    const first = await of("{whatsapp}", 0);
    assertEquals(texts(first.deliveries), ["0"]);
    await settle(sql, 1, first.deliveries, "delivered");
    assertEquals((await of("{whatsapp}", 2)).next_due_ms, null);
    const then = await of("{whatsapp,sms}", 3);
    assertEquals(texts(then.deliveries), ["1"]);
    await settle(sql, 4, then.deliveries, "delivered");
    assertEquals(texts((await of("{sms}", 5)).deliveries), ["2"]);
  },
);

databaseTest("plans: claiming reads indexes, however long the queue", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, ...Array.from({ length: 300 }, (_, i) => message({ phone: `c${i}` })));
  await route(sql, d);
  await sql`analyze`;
  const explain = async (query: string) =>
    (await sql.unsafe(`explain ${query}`)).map((row) => row["QUERY PLAN"]).join("\n");
  const due = await explain(
    `select conversation_id from private.delivery_lanes where destination_id = '${d}' and channel = 'whatsapp'
      and due_at <= now() order by due_at limit 10`,
  );
  const head = await explain(
    `select id from public.deliveries where destination_id = '${d}' and conversation_id = '${d}' and state in ('pending', 'leased') order by seq limit 1`,
  );
  const waiting = await explain(
    `select * from public.conversations where channel = 'whatsapp' and unrouted_since is not null and held_revision is null
      order by held_revision, unrouted_since limit 10`,
  );
  assert(due.includes("delivery_lanes_due_idx"), due);
  assert(head.includes("deliveries_open_idx"), head);
  assert(waiting.includes("conversations_unrouted_idx"), waiting);
  const wakes = await explain(
    `select from public.deliveries where destination_id = '${d}' and wakes and state = 'pending'`,
  );
  assert(wakes.includes("deliveries_wakes_idx"), wakes);
});

databaseTest(
  "claim_deliveries: reads what it takes, however many wait on a channel that is off",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...Array.from({ length: 5 }, (_, i) => message({ phone: `c${i}` })));
    await route(sql, d);
    /** Pages that one claim of nothing that is due yet reads, once its plan is made. */
    const pages = async () => {
      for (let time = 0;; time++) {
        const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(
          `explain (analyze, buffers, format json) select private.claim_deliveries(5, 60, '{}', '{whatsapp,email}', '${
            at(-1)
          }')`,
        );
        if (time === 2) return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
      }
    };
    const few = await pages();
    await sql`insert into public.senders (channel, id, provider) values ('sms', '1', 'sms')`;
    await sql`
    with people as (insert into public.contacts (channel) select 'sms' from generate_series(1, 20000) returning id),
    conversations as (
      insert into public.conversations (channel, number_id, contact_id) select 'sms', '1', id from people returning id)
    insert into private.delivery_lanes (destination_id, conversation_id, channel, due_at)
    select ${d}, id, 'sms', ${at(-3600)} from conversations`;
    const many = await pages();
    assert(many < few + 200, `${many} pages with 20,000 on another channel, ${few} with none`);
    assertEquals((await claim(sql, 0)).deliveries.length, 5);
  },
);
