/** What begins on the way: deliveries that are claimed as they are decided, and what comes next as others are settled. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { at, type Claim, claim, destination, settle, texts } from "../support/deliveries.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { holds } from "../support/property.ts";

/** Places of a caller who has nothing under way. */
const PLACES = { limit: 100, lease_seconds: 60, busy: {}, channels: ["whatsapp"] };

/** Decides that all that waits goes there, and claims into these places with it. */
async function decide(sql: Sql, destinations: string[], places: Record<string, unknown> | null = PLACES) {
  const [{ waiting }] = await sql`select public.claim_unrouted(1, 1000, 1000) as waiting`;
  const decided = waiting.map((c: { id: string; messages: { id: string; seq: number }[] }) => ({
    id: c.id,
    held: false,
    through_seq: c.messages.at(-1)?.seq,
    decisions: c.messages.map(({ id }) => ({
      message_id: id,
      reason: "matched",
      destination_ids: destinations,
      explanation: [],
    })),
  }));
  const [{ recorded }] = await sql`
    select public.record_decisions(1, ${sql.json(decided)}, ${
    places && sql.json(places as never)
  }) as recorded`;
  return recorded as { decided: number; deliveries: number; claim?: Claim };
}

/** Settles at the wall clock's time and claims into these places with it. */
async function settleAndClaim(sql: Sql, claimed: Claim["deliveries"], places = PLACES) {
  const results = claimed.map(({ delivery_id, lease }) => ({ delivery_id, lease, outcome: "delivered" }));
  const [{ settled }] = await sql`
    select public.settle_deliveries(${sql.json(results)}, ${sql.json(places)}) as settled`;
  return settled as { settled: number; fenced: number; claim?: Claim };
}

/** Claims at the wall clock's time. */
async function claimNow(sql: Sql): Promise<Claim> {
  const [{ found }] = await sql`select public.claim_deliveries(100) as found`;
  return found;
}

const begun = (recorded: { claim?: Claim }) => texts(recorded.claim?.deliveries ?? []).sort();

databaseTest(
  "record_decisions: also claims the first delivery of each idle lane, as claim_deliveries would",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(
      sql,
      ...["a1", "a2"].map((body) => message({ phone: "1", body })),
      message({ phone: "2", body: "b1" }),
    );
    const recorded = await decide(sql, [d]);
    assertEquals([recorded.decided, recorded.deliveries, begun(recorded)], [3, 3, ["a1", "b1"]]);
    assertEquals(
      [...await sql`select m.text, d.state, d.attempt from public.deliveries d join public.messages m on m.id = d.message_id order by d.seq`],
      [
        { text: "a1", state: "leased", attempt: 1 },
        { text: "a2", state: "pending", attempt: 0 },
        { text: "b1", state: "leased", attempt: 1 },
      ],
    );
    // Nobody else gets them, until the lease is over.
    assertEquals(begun({ claim: await claimNow(sql) }), []);
    await sql`update private.delivery_lanes set due_at = ${at(0)}`;
    const again = await claim(sql, 1);
    assertEquals(begun({ claim: again }), ["a1", "b1"]);
    const shape = ({ deliveries, destinations }: Claim) => ({
      deliveries: deliveries.map((each) => ({ ...each, lease: "", attempt: 0 })).sort((a, b) =>
        a.message.seq - b.message.seq
      ),
      destinations,
    });
    assertEquals(shape(recorded.claim!), shape(again));
    assertEquals((await settle(sql, 2, recorded.claim!.deliveries, "delivered")).fenced, 2);
    await settle(sql, 2, again.deliveries, "delivered");
    assertEquals(texts((await claimNow(sql)).deliveries), ["a2"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("record_decisions: claims nothing behind an open delivery", async (sql) => {
  const d = await destination(sql, "d");
  await ingest(sql, message({ phone: "1", body: "a1" }));
  await decide(sql, [d], null);
  await ingest(sql, message({ phone: "1", body: "a2" }));
  const recorded = await decide(sql, [d]);
  assertEquals([recorded.deliveries, recorded.claim], [1, undefined]);
  assertEquals(texts((await claimNow(sql)).deliveries), ["a1"]);
});

databaseTest(
  "record_decisions: claims nothing for paused or rate-limited destinations, open circuits and channels that the caller does not route",
  async (sql) => {
    const names = ["paused", "resting", "paced", "open"];
    const ids: string[] = [];
    for (const name of names) {
      ids.push(await destination(sql, name, name === "paced" ? { rate_per_second: 5, rate_burst: 5 } : {}));
    }
    await sql`select public.set_destination_state('paused', 'paused')`;
    await sql`update public.destinations set circuit_open_until = now() + interval '1 hour' where name = 'resting'`;
    await ingest(sql, message({ phone: "1", body: "a" }));
    const recorded = await decide(sql, ids);
    const there = recorded.claim!.deliveries.map(({ destination_id }) => names[ids.indexOf(destination_id)]);
    assertEquals([recorded.deliveries, there], [4, ["open"]]);
    await ingest(sql, message({ phone: "2", body: "b" }));
    assertEquals(begun(await decide(sql, [ids[3]], { ...PLACES, channels: ["sms"] })), []);
    await ingest(sql, message({ phone: "3", body: "c" }));
    assertEquals(begun(await decide(sql, [ids[3]], { ...PLACES, limit: 0 })), []);
  },
);

databaseTest(
  "places: never claims more than the caller's places, and one destination gets at most half of the free ones",
  async (sql) => {
    await holds(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 12 }),
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 }),
        async (limit, beyond, busy) => {
          await sql`truncate public.contacts, public.destinations cascade`;
          const ids: string[] = [];
          for (const i of busy.keys()) ids.push(await destination(sql, `d${i}`));
          await ingest(sql, ...Array.from({ length: 20 }, (_, i) => message({ phone: `49151${i}` })));
          const free = limit + beyond;
          const { claim: given } = await decide(sql, ids, {
            ...PLACES,
            limit,
            free,
            busy: Object.fromEntries(busy.map((n, i) => [ids[i], n])),
          });
          const taken = ids.map((id) =>
            given?.deliveries.filter((each) => each.destination_id === id).length ?? 0
          );
          const all = taken.reduce((a, b) => a + b, 0);
          assert(all <= limit, `${all} of ${limit}`);
          taken.forEach((n, i) =>
            assert(n === 0 || n + busy[i] <= (free + busy[i] + 1) / 2, `${n} beside ${busy[i]} of ${free}`)
          );
          // A caller with places and nothing under way gets some.
          if (limit > 0 && busy.every((n) => n === 0)) assert(all > 0);
        },
      ),
      { cases: 60 },
    );
  },
);

databaseTest(
  "settle_deliveries: claims the next deliveries in the same call",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...["a1", "a2", "a3"].map((body) => message({ phone: "1", body })));
    const { claim: first } = await decide(sql, [d]);
    const second = await settleAndClaim(sql, first!.deliveries);
    assertEquals([second.settled, texts(second.claim!.deliveries)], [1, ["a2"]]);
    assertEquals(second.claim!.destinations.map(({ name }) => name), ["d"]);
    const third = await settleAndClaim(sql, second.claim!.deliveries, { ...PLACES, limit: 0 });
    assertEquals([texts(third.claim!.deliveries), third.claim!.next_due_ms! <= 0], [[], true]);
    const last = await claimNow(sql);
    assertEquals((await settleAndClaim(sql, last.deliveries)).claim, {
      deliveries: [],
      destinations: [],
      next_due_ms: null,
    });
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "settle_deliveries: accepts results from outdated code but gives it no new deliveries",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...["a1", "a2"].map((body) => message({ phone: "1", body })));
    const { claim: first } = await decide(sql, [d]);
    await sql`insert into private.schema_breaks (version, why) values ('29991231000000', 'a test')`;
    await sql.begin(async (old) => {
      await old`select set_config('request.headers', '{"x-gatelink-schema":"20261129002500"}', true)`;
      const settled = await settleAndClaim(old as unknown as Sql, first!.deliveries);
      assertEquals([settled.settled, settled.claim], [1, undefined]);
    });
    assertEquals([...await sql`select state from public.deliveries order by seq`].map(({ state }) => state), [
      "delivered",
      "pending",
    ]);
  },
);

databaseTest(
  "settle_deliveries: what has happened is recorded even if the claim fails, or takes too long",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, ...["a1", "a2", "a3"].map((body) => message({ phone: "1", body })));
    const { claim: first } = await decide(sql, [d]);
    const failing = (code: string) =>
      sql.unsafe(`create or replace function private.claim_also(p_claim jsonb, p_now timestamptz) returns json
        language plpgsql as $$ begin raise exception 'no' using errcode = '${code}'; end $$`);
    await failing("XX000");
    const settled = await settleAndClaim(sql, first!.deliveries);
    assertEquals([settled.settled, settled.claim], [1, undefined]);
    const { deliveries } = await claimNow(sql);
    await failing("query_canceled");
    assertEquals((await settleAndClaim(sql, deliveries)).settled, 1);
    assertEquals([...await sql`select state from public.deliveries order by seq`].map(({ state }) => state), [
      ...["delivered", "delivered", "pending"],
    ]);
  },
);

databaseTest(
  "claim_deliveries: reclaims expired leases when asked to look for them",
  async (sql) => {
    const d = await destination(sql, "d");
    await ingest(sql, message({ phone: "1", body: "a" }));
    await decide(sql, [d]);
    await sql`update private.delivery_lanes set due_at = ${at(60)}`;
    const looking = async (seconds: number, expired: boolean) => {
      const [{ found }] = await sql`
      select private.claim_deliveries(10, 60, '{}', '{whatsapp}', ${at(seconds)}, ${expired}) as found`;
      return [texts(found.deliveries), found.next_due_ms];
    };
    assertEquals(await looking(59, true), [[], 1000]);
    assertEquals(await looking(61, false), [[], -1000]);
    const [{ found }] = await sql`select private.claim_deliveries(10, 60, '{}', '{whatsapp}', ${
      at(61)
    }) as found`;
    assertEquals(found.deliveries.map((each: { attempt: number }) => each.attempt), [2]);
  },
);

databaseTest(
  "deliveries: claimed with or without the decision, each conversation arrives in order and each message once",
  async (sql) => {
    let run = 0;
    await holds(
      fc.asyncProperty(
        fc.array(
          fc.record({
            senders: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 }),
            limit: fc.option(fc.integer({ min: 0, max: 4 })),
            claims: fc.boolean(),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        async (steps) => {
          const id = `d${run++}`;
          const d = await destination(sql, id);
          const arrived = new Map<string, number[]>();
          let sent = 0;
          let underWay: Claim["deliveries"] = [];
          const begin = (given: Claim | undefined) => underWay.push(...given?.deliveries ?? []);
          const deliver = async (claims: boolean) => {
            const now = underWay;
            underWay = [];
            for (const { conversation, message } of now) {
              arrived.set(conversation.id, [...arrived.get(conversation.id) ?? [], Number(message.text)]);
            }
            if (claims) begin((await settleAndClaim(sql, now)).claim);
            else await settle(sql, 0, now, "delivered");
          };
          for (const { senders, limit, claims } of steps) {
            await ingest(
              sql,
              ...senders.map((sender) => message({ phone: `${id}${sender}`, body: String(sent++) })),
            );
            begin((await decide(sql, [d], limit === null ? null : { ...PLACES, limit })).claim);
            await deliver(claims);
          }
          for (let turns = 0; turns <= sent; turns++) {
            begin(await claimNow(sql));
            await deliver(true);
          }
          const all = [...arrived.values()];
          assertEquals(all.flat().sort((a, b) => a - b), Array.from({ length: sent }, (_, i) => i));
          for (const list of all) assertEquals(list, list.toSorted((a, b) => a - b));
        },
      ),
      { cases: 100 },
    );
    assertEquals(await lost(sql), []);
  },
);
