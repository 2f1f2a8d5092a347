/** What was claimed and never called with is put back as it was: it was no attempt, and tells nothing of the other side. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const T0 = Date.UTC(2026, 10, 21, 12);
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

interface Claimed {
  id?: string;
  delivery_id?: string;
  lease: string;
  attempt: number;
}

/** A person who has written, and a service that gets it. */
async function delivery(sql: Sql): Promise<void> {
  await ingest(sql, message({ at: at(0) }));
  const [{ id: destination }] = await sql`
    insert into public.destinations (name, url) values ('crm', 'https://crm.example/') returning id`;
  await sql`insert into public.deliveries (message_id, destination_id, conversation_id, seq, next_attempt_at)
    select m.id, ${destination}, m.conversation_id, m.seq, ${at(0)} from public.messages m`;
  await sql`insert into private.delivery_lanes (destination_id, conversation_id, channel, due_at)
    select ${destination}, m.conversation_id, m.channel, ${at(0)} from public.messages m`;
}

async function claimDelivery(sql: Sql, seconds: number): Promise<Claimed[]> {
  const [{ claim }] = await sql`select private.claim_deliveries(10, 60, '{}', '{whatsapp}', ${
    at(seconds)
  }) as claim`;
  return claim.deliveries;
}

async function settleDelivery(
  sql: Sql,
  seconds: number,
  claimed: Claimed[],
  result: Record<string, unknown>,
) {
  const results = claimed.map(({ delivery_id, lease }) => ({ delivery_id, lease, ...result }));
  const [{ settled }] = await sql`
    select private.settle_deliveries(${sql.json(results as never)}, ${at(seconds)}) as settled`;
  return settled.settled;
}

/** All that a delivery, its lane and its destination say, but when they last changed. */
async function queue(sql: Sql): Promise<unknown> {
  const [{ state }] = await sql`
    select jsonb_build_object('delivery', to_jsonb(d) - 'updated_at' - 'created_at', 'lane', to_jsonb(l) - 'due_at',
      'circuit', jsonb_build_array(t.circuit_failures, t.circuit_trips, t.circuit_probe),
      'attempts', (select count(*) from public.delivery_attempts)) as state
    from public.deliveries d join public.destinations t on t.id = d.destination_id
    join private.delivery_lanes l on l.destination_id = d.destination_id and l.conversation_id = d.conversation_id`;
  delete state.delivery.next_attempt_at;
  return state;
}

databaseTest("put_back: a delivery keeps its state and is due at the given time", async (sql) => {
  await delivery(sql);
  const before = await queue(sql);
  const claimed = await claimDelivery(sql, 1);
  assertEquals(await settleDelivery(sql, 2, claimed, { outcome: "put_back", retry_after_ms: 5000 }), 1);
  assertEquals(await queue(sql), before);
  assertEquals((await claimDelivery(sql, 6.9)).length, 0);
  const again = await claimDelivery(sql, 7);
  assertEquals(again.map(({ attempt }) => attempt), [1]);
  assertEquals(await settleDelivery(sql, 8, claimed, { outcome: "put_back" }), 0, "by an old lease");
  assertEquals(await settleDelivery(sql, 8, again, { outcome: "delivered" }), 1);
});

databaseTest(
  "put_back: never opens a circuit, however often; a probe that is put back is repeated",
  async (sql) => {
    await delivery(sql);
    for (let time = 0; time < 12; time++) {
      await settleDelivery(sql, time, await claimDelivery(sql, time), { outcome: "put_back" });
    }
    const [{ open }] = await sql`select circuit_open_until as open from public.destinations`;
    assertEquals(open, null);
    await sql`update public.destinations set circuit_failures = 10, circuit_trips = 1, circuit_open_until = ${
      at(20)
    }`;
    const before = await queue(sql);
    const probe = await claimDelivery(sql, 21);
    assertEquals([probe.length, (await claimDelivery(sql, 22)).length], [1, 0]);
    await settleDelivery(sql, 22, probe, { outcome: "put_back" });
    assertEquals(await queue(sql), before);
    assertEquals((await claimDelivery(sql, 23)).length, 1);
  },
);

async function claimOutbound(sql: Sql, seconds: number): Promise<Claimed[]> {
  const [{ claim }] = await sql`select private.claim_outbound(10, 60, '{}', '{whatsapp}', ${
    at(seconds)
  }) as claim`;
  return claim.messages;
}

async function settleOutbound(
  sql: Sql,
  seconds: number,
  claimed: Claimed[],
  result: Record<string, unknown>,
) {
  const results = claimed.map(({ id, lease }) => ({ id, lease, ...result }));
  const [{ settled }] = await sql`
    select private.settle_outbound(${sql.json(results as never)}, ${at(seconds)}) as settled`;
  return settled.settled;
}

const BACK = { outcome: "retry", put_off: "back", error: null, retry_after_ms: 3000 };

/** A message that waits to be sent. */
async function outbound(sql: Sql): Promise<void> {
  await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')
    on conflict (key) do update set value = 'true', metadata = '{}'`;
  await ingest(sql, message({ at: at(0) }));
  await sql`insert into public.outbound_messages (conversation_id, channel, number_id, recipient, payload, next_attempt_at)
    select c.id, c.channel, c.number_id, '491', '{}', ${at(0)} from public.conversations c`;
  await sql`insert into private.outbound_lanes (conversation_id, channel, number_id, due_at)
    select c.id, c.channel, c.number_id, ${at(0)} from public.conversations c`;
}

const sending = async (sql: Sql) => {
  const [{ state }] = await sql`
    select to_jsonb(o) - 'updated_at' - 'next_attempt_at' || jsonb_build_object('lease', l.lease) as state
    from public.outbound_messages o join private.outbound_lanes l using (conversation_id)`;
  return state;
};

databaseTest("put_back: an outbound message keeps its state, at its first attempt and later", async (sql) => {
  await outbound(sql);
  const before = await sending(sql);
  assertEquals(await settleOutbound(sql, 2, await claimOutbound(sql, 1), BACK), 1);
  assertEquals(await sending(sql), before);
  assertEquals((await claimOutbound(sql, 4.9)).length, 0);
  const first = await claimOutbound(sql, 5);
  assertEquals(first.map(({ attempt }) => attempt), [1]);
  await settleOutbound(sql, 6, first, { outcome: "retry", error: { code: 1 }, retry_after_ms: 0 });
  const later = await sending(sql);
  const second = await claimOutbound(sql, 20);
  assertEquals(second.map(({ attempt }) => attempt), [2]);
  await settleOutbound(sql, 21, second, BACK);
  assertEquals(await sending(sql), later);
});

databaseTest("put_back: the message that probes a held sender leaves the probe to the next", async (sql) => {
  await outbound(sql);
  await settleOutbound(sql, 2, await claimOutbound(sql, 1), {
    outcome: "retry",
    put_off: "held",
    scope: "number",
    error: { code: 190 },
    retry_after_ms: 0,
  });
  const probe = await claimOutbound(sql, 33);
  assertEquals([probe.length, (await claimOutbound(sql, 34)).length], [1, 0]);
  await settleOutbound(sql, 34, probe, { ...BACK, retry_after_ms: 0 });
  assertEquals((await claimOutbound(sql, 35)).length, 1);
});
