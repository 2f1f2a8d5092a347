/** The queue to the services in SQL: order, leases and fencing, rate, places, replies. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { until } from "../support/until.ts";
import { holds } from "../support/property.ts";
import { at, Claim, claim, destination, Outcome, route, settle, texts } from "../support/deliveries.ts";

databaseTest(
  "claim_deliveries: returns the oldest open delivery of each conversation, and the next only after it is settled",
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
  "deliveries: with any failures and concurrent workers, each conversation arrives in order, at least once",
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
  "leases: an expired lease goes to another worker, and the first worker's late result is rejected",
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
  "lanes: a delivery committed while its lane is settled is not forgotten",
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
  "rate: a destination receives no more than its burst and rate, and loses nothing",
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

databaseTest("pause: a paused destination's queue waits and resumes in order", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message({ body: "1" }), message({ body: "2" }));
  await route(sql, d);
  await sql`select public.set_destination_state('d', 'paused')`;
  assertEquals(await claim(sql, 0), { deliveries: [], destinations: [], next_due_ms: null });
  await sql`select public.set_destination_state('d', 'active')`;
  assertEquals(texts((await claim(sql, 0)).deliveries), ["1"]);
});

databaseTest("places: however many destinations hang, another one still gets places", async (sql) => {
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
  "replies: queued with the settlement, once each, and not for a rejected result",
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
  "replies: a read receipt is sent only for a message of the same conversation",
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
  "claim_deliveries: a channel that was not requested waits, is not reported as due, and keeps its order",
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

databaseTest("plans: claiming uses indexes, however long the queue", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, ...Array.from({ length: 300 }, (_, i) => message({ phone: `c${i}` })));
  await route(sql, d);
  await sql`analyze`;
  const explain = async (query: string) =>
    (await sql.unsafe(`explain ${query}`)).map((row) => row["QUERY PLAN"]).join("\n");
  const due = await explain(
    `select conversation_id from private.delivery_lanes where destination_id = '${d}' and channel = 'whatsapp'
      and due_at <= now() and lease is null order by due_at limit 10`,
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
  "claim_deliveries: reads only what it claims, however many wait on a disabled channel",
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
