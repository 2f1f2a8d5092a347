/** What is sent next, claimed by the call that settles the last: within the same limits, and whatever becomes of either. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { type OutboundClaim, PIPELINE } from "../../supabase/functions/_shared/contract/answers/pipeline.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { at, databaseTest, send, text, to, written } from "../support/outbound.ts";
import { holds } from "../support/property.ts";

/** Places of a caller who has nothing under way. */
const PLACES = { limit: 100, lease_seconds: 60, busy: {}, channels: ["whatsapp"] };

type Claimed = OutboundClaim["messages"];

/** Claims at the wall clock's time. */
async function claimNow(sql: Sql, limit = 100, channels = ["whatsapp"]): Promise<OutboundClaim> {
  const [{ found }] = await sql`select public.claim_outbound(${limit}, 60, '{}', ${channels}) as found`;
  return PIPELINE.claim_outbound.parse(found);
}

/** Settles at the wall clock's time, and claims into these places with it. */
async function settleAndClaim(
  sql: Sql,
  claimed: Claimed,
  places: Record<string, unknown> = PLACES,
  result: Record<string, unknown> = { outcome: "sent" },
) {
  const results = claimed.map(({ id, lease }) => ({ id, lease, provider_id: `wamid.${id}`, ...result }));
  const [{ settled }] = await sql`
    select public.settle_outbound(${sql.json(results as never)}, ${sql.json(places as never)}) as settled`;
  return PIPELINE.settle_outbound.parse(settled);
}

const texts = (claim?: { messages: Claimed }) =>
  claim?.messages.map(({ message }) => (message as { text: { body: string } }).text.body).sort();
const states = async (sql: Sql) =>
  (await sql`select o.state from public.outbound_messages o join public.messages m on m.id = o.message_id order by m.seq`)
    .map(({ state }) => state);

databaseTest("settle_outbound: claims the next messages in the same call, in order", async (sql) => {
  await written(sql);
  await send(sql, 1, text("1"), text("2"), text("3"));
  const first = await claimNow(sql);
  assertEquals(texts(first), ["1"]);
  const second = await settleAndClaim(sql, first.messages);
  assertEquals([second.settled, second.fenced, texts(second.claim)], [1, 0, ["2"]]);
  const none = await settleAndClaim(sql, second.claim!.messages, { ...PLACES, limit: 0 });
  assertEquals(texts(none.claim), []);
  assert(none.claim!.next_due_ms! <= 0);
  const third = await settleAndClaim(sql, []);
  assertEquals(texts(third.claim), ["3"]);
  assertEquals((await settleAndClaim(sql, third.claim!.messages)).claim, { messages: [], next_due_ms: null });
  assertEquals(await states(sql), ["sent", "sent", "sent"]);
  assertEquals(await lost(sql), []);
});

databaseTest(
  "settle_outbound: claims no more than pair, number, channel and the caller's places allow",
  async (sql) => {
    const people = Array.from({ length: 20 }, (_, i) => `49${100 + i}`);
    for (const phone of people) await written(sql, phone);
    await sql`update public.wa_numbers set pair_burst = 2`;
    await send(sql, 1, ...Array.from({ length: 3 }, (_, i) => text(`${i}`, to(people[0]))));
    for (let n = 0; n < 2; n++) {
      const { messages } = await claimNow(sql);
      assertEquals(messages.length, 1);
      const { claim } = await settleAndClaim(sql, messages, { ...PLACES, limit: 0 });
      assert(claim!.next_due_ms! <= 6000, `${claim!.next_due_ms}`);
    }
    const waits = (await settleAndClaim(sql, [])).claim!;
    assertEquals(waits.messages, [], "the pair has used its burst");
    assert(waits.next_due_ms! > 1000, `${waits.next_due_ms}`);
    await send(sql, 1, ...people.slice(1).map((phone) => text("hi", to(phone))));
    // 80 a second: a tenth at once.
    await sql`update public.senders set send_tat = null`;
    const burst = (await settleAndClaim(sql, [])).claim!;
    assertEquals(burst.messages.length, 8);
    await sql`update public.senders set send_tat = null`;
    const three = (await settleAndClaim(sql, burst.messages, { ...PLACES, limit: 3 })).claim!;
    assertEquals(three.messages.length, 3);
    // Beside 6 of its own, a channel of two gets half of the 10 places.
    await sql`update public.senders set send_tat = null`;
    const shared = { ...PLACES, limit: 4, busy: { whatsapp: 3, sms: 3 }, channels: ["whatsapp", "sms"] };
    assertEquals((await settleAndClaim(sql, three.messages, shared)).claim!.messages.length, 1);
    await sql`update public.senders set send_tat = null, held_since = now(), held_until = now()`;
    assertEquals(
      (await settleAndClaim(sql, [])).claim!.messages.length,
      1,
      "a single one tests a held number",
    );
    assertEquals((await settleAndClaim(sql, [])).claim!.messages.length, 0);
  },
);

databaseTest("settle_outbound: a result that is fenced off still gets the next messages", async (sql) => {
  await written(sql);
  await written(sql, "492");
  await send(sql, 1, text("a"));
  const { messages } = await claimNow(sql);
  await sql`update private.outbound_lanes set lease = gen_random_uuid()`;
  await send(sql, 1, text("b", to("492")));
  const { settled, fenced, claim } = await settleAndClaim(sql, messages);
  assertEquals([settled, fenced, texts(claim)], [0, 1, ["b"]]);
});

databaseTest("settle_outbound: without places it claims nothing, and answers as it did", async (sql) => {
  await written(sql);
  await send(sql, 1, text("1"), text("2"));
  const { messages } = await claimNow(sql);
  const results = messages.map(({ id, lease }) => ({ id, lease, outcome: "sent", provider_id: "wamid.1" }));
  const [{ settled }] = await sql`select public.settle_outbound(${sql.json(results)}) as settled`;
  assertEquals(settled, { settled: 1, fenced: 0 });
  assertEquals(await states(sql), ["sent", "queued"]);
});

databaseTest(
  "settle_outbound: accepts results from outdated code but gives it no new messages",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("1"), text("2"));
    const { messages } = await claimNow(sql);
    await sql`insert into private.schema_breaks (version, why) values ('29991231000000', 'a test')`;
    await sql.begin(async (old) => {
      await old`select set_config('request.headers', '{"x-gatelink-schema":"20261129002500"}', true)`;
      const settled = await settleAndClaim(old as unknown as Sql, messages);
      assertEquals([settled.settled, settled.claim], [1, undefined]);
    });
    assertEquals(await states(sql), ["sent", "queued"]);
  },
);

databaseTest("settle_outbound: what has happened is recorded even if nothing can be claimed", async (sql) => {
  await written(sql);
  await send(sql, 1, text("1"), text("2"));
  const { messages } = await claimNow(sql);
  await sql`alter function private.on_for_everybody(text) rename to away`;
  assertEquals(await settleAndClaim(sql, messages), { settled: 1, fenced: 0 });
  assertEquals(await states(sql), ["sent", "queued"]);
});

databaseTest(
  "settle_outbound: what has happened is recorded even if the claim takes too long",
  async (sql) => {
    await written(sql);
    await send(sql, 1, text("1"), text("2"));
    const { messages } = await claimNow(sql);
    await sql`alter function private.on_for_everybody(text) rename to away`;
    await sql`create function private.on_for_everybody(p_flag text) returns boolean language plpgsql as $$
    begin
      raise exception 'canceling statement due to statement timeout' using errcode = 'query_canceled';
    end $$`;
    assertEquals(await settleAndClaim(sql, messages), { settled: 1, fenced: 0 });
    assertEquals(await states(sql), ["sent", "queued"]);
  },
);

databaseTest(
  "settle_outbound: a channel gets half of all places, however few of them the call may fill",
  async (sql) => {
    for (const phone of ["491", "492"]) await written(sql, phone);
    await send(sql, 1, text("a", to("491")));
    const { messages } = await claimNow(sql);
    await send(sql, 1, text("b", to("492")));
    // Of 64 places 32 were in use, and one becomes free.
    const places = { ...PLACES, limit: 17, busy: { whatsapp: 31 }, channels: ["whatsapp", "sms"] };
    assertEquals(texts((await settleAndClaim(sql, messages, { ...places, free: 33 })).claim), ["b"]);
    await send(sql, 1, text("c", to("491")));
    const full = { ...places, busy: { whatsapp: 32 }, free: 32 };
    assertEquals(texts((await settleAndClaim(sql, [], full)).claim), []);
  },
);

databaseTest(
  "settle_outbound: the claim waits for nobody, and leaves what is locked to the next one",
  async (sql) => {
    for (const phone of ["491", "492", "493"]) await written(sql, phone);
    await send(sql, 1, text("a", to("491")));
    const { messages } = await claimNow(sql);
    await send(sql, 1, text("b", to("492")), text("c", to("493")));
    const recorder = await sql.reserve(), settler = await sql.reserve();
    try {
      await recorder`begin`;
      // As a status that arrives before its message is known to have gone.
      await recorder`update public.outbound_messages o set state = 'sent' from public.messages m
        where m.id = o.message_id and m.text = 'b'`;
      await settler`set lock_timeout = '2s'`;
      assertEquals(texts((await settleAndClaim(settler, messages)).claim), ["c"]);
      await recorder`commit`;
      assertEquals(texts((await settleAndClaim(settler, [])).claim), [], "it went");
    } finally {
      await recorder`rollback`;
      recorder.release();
      settler.release();
    }
    assertEquals(await states(sql), ["sent", "sent", "leased"]);
  },
);

databaseTest(
  "outbound: claimed with a settlement or without, each message goes once, and each person's in order",
  async (sql) => {
    let run = 0;
    await sql`insert into public.wa_numbers (id, max_per_second, pair_seconds) values ('1', 1000, 0), ('2', 1000, 0)`;
    await holds(
      fc.asyncProperty(
        fc.array(fc.record({ person: fc.nat(3), settles: fc.nat(3), limit: fc.nat(3) }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (steps) => {
          run++;
          const phone = (person: number) => `49${run * 10 + person}`;
          const numbers = (person: number) => person % 2 === 0 ? "1" : "2";
          const sent = new Map<string, string[]>();
          const open: Claimed = [];
          const take = (claim?: { messages: Claimed }) => {
            for (const each of claim?.messages ?? []) {
              const { body } = (each.message as { text: { body: string } }).text;
              sent.set(each.to!, [...sent.get(each.to!) ?? [], body]);
              open.push(each);
            }
          };
          const queued = new Map<string, string[]>();
          for (const [n, { person, settles, limit }] of steps.entries()) {
            const who = phone(person);
            if (!queued.has(who)) {
              await ingest(sql, message({ sender_id: numbers(person), phone: who, at: at(0) }));
            }
            queued.set(who, [...queued.get(who) ?? [], `${n}`]);
            await send(sql, 1, text(`${n}`, { ...to(who), number_id: numbers(person) }));
            if (limit === 0) {
              take(await claimNow(sql, 2));
            } else {
              const ending = open.splice(0, settles);
              const { claim } = await settleAndClaim(sql, ending, { ...PLACES, limit });
              assert(claim!.messages.length <= limit);
              take(claim);
            }
          }
          for (let ends = 0; open.length > 0 || ends < 2; ends++) {
            take((await settleAndClaim(sql, open.splice(0))).claim);
          }
          assertEquals(Object.fromEntries(sent), Object.fromEntries(queued));
          assertEquals(await lost(sql), []);
        },
      ),
      { cases: 30 },
    );
  },
);
