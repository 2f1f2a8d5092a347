/**
 * What each message goes through, on connections whose plans were made when the tables were empty: a turn reads about as
 * many rows as the one before, however many there are, however many wait, and whether or not statistics came meanwhile.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { destination } from "../support/deliveries.ts";
import { ingest, lost, message, status } from "../support/intake.ts";

const PEOPLE = 20;
const CHANNELS = ["whatsapp"];

/** Messages of people who write for the first time come in, are decided, delivered, answered, sent and read. */
async function turn(sql: Sql, number: number, d: string): Promise<void> {
  await ingest(
    sql,
    ...Array.from({ length: PEOPLE }, (_, i) => message({ phone: `4915${1_000_000 + number * PEOPLE + i}` })),
  );
  const [{ waiting }] = await sql`select public.claim_unrouted(1, 200, 20, ${CHANNELS}) as waiting`;
  const decisions = waiting.map((
    { id, messages }: { id: string; messages: { id: string; seq: number }[] },
  ) => ({
    id,
    held: false,
    through_seq: messages.at(-1)!.seq,
    decisions: messages.map(({ id }) => ({
      message_id: id,
      reason: "matched",
      destination_ids: [d],
      explanation: [],
    })),
  }));
  // One begins with the decision, the others are claimed.
  const [{ recorded }] = await sql`select public.record_decisions(1, ${sql.json(decisions)}, ${
    sql.json({ limit: 1, lease_seconds: 60, busy: {}, channels: CHANNELS })
  }) as recorded`;
  let deliveries = recorded.claim.deliveries;
  for (let settled = 0; deliveries.length > 0; settled += deliveries.length) {
    const results = deliveries.map(({ delivery_id, lease }: { delivery_id: string; lease: string }) => ({
      delivery_id,
      lease,
      outcome: "delivered",
      replies: [{ to: "1", text: "hi", message: { type: "text", text: { body: "hi" } } }],
    }));
    const [{ next }] = await sql`select public.settle_deliveries(${sql.json(results)}, ${
      sql.json({ limit: 100, lease_seconds: 60, busy: {}, channels: CHANNELS })
    }) as next`;
    deliveries = next.claim.deliveries;
  }
  // Some are claimed by a round, the others as these are settled.
  const [{ claimed }] = await sql`select public.claim_outbound(5, 60, '{}', ${CHANNELS}) as claimed`;
  const sent: { id: string; provider_id: string }[] = [];
  for (let messages = claimed.messages; messages.length > 0;) {
    const results = messages.map(({ id, lease }: { id: string; lease: string }) => ({
      id,
      lease,
      outcome: "sent",
      provider_id: `wamid.out.${id}`,
    }));
    sent.push(...results);
    const [{ next }] = await sql`select public.settle_outbound(${sql.json(results)}, ${
      sql.json({ limit: 10, lease_seconds: 60, busy: {}, channels: CHANNELS })
    }) as next`;
    messages = next.claim.messages;
  }
  assertEquals(sent.length, PEOPLE);
  for (const name of ["delivered", "read"] as const) {
    await ingest(
      sql,
      ...sent.map(({ id, provider_id }: { id: string; provider_id: string }) =>
        status(provider_id, name, { callback: id })
      ),
    );
  }
}

/** Of everybody until now, a message to the service and one to the person wait until tomorrow. */
async function leaveWaiting(sql: Sql, d: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`
      insert into public.deliveries (message_id, destination_id, conversation_id, seq, next_attempt_at)
      select private.uuid_v7(), ${d}, c.id, 1000000, now() + interval '1 day' from public.conversations c`;
    await tx`update private.delivery_lanes set due_at = now() + interval '1 day'`;
    await tx`
      insert into public.outbound_messages (conversation_id, number_id, message_id, next_attempt_at)
      select c.id, c.number_id, private.uuid_v7(), now() + interval '1 day' from public.conversations c`;
    await tx`update private.outbound_lanes set due_at = now() + interval '1 day'`;
  });
}

databaseTest(
  "the hot path reads as much per message with 3,000 people, half of whom have something waiting, as with 20, using plans from an empty database",
  async (pool) => {
    await pool`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    const d = await destination(pool, "d");
    await pool`insert into public.wa_numbers (id, max_per_second) values ('1', 1000) on conflict do nothing`;
    const tables = await pool`
      select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace in ('public'::regnamespace, 'private'::regnamespace)`;
    for (const { name } of tables) await pool.unsafe(`alter table ${name} set (autovacuum_enabled = false)`);
    const sql = await pool.reserve();
    try {
      /** Rows that a turn reads, by table. */
      const reads = async (number: number) => {
        // What earlier transactions read is told apart only once it was handed on.
        await sql`select pg_stat_force_next_flush()`;
        await sql`begin`;
        await turn(sql, number, d);
        const rows = await sql<{ name: string; n: number }[]>`
          select schemaname || '.' || relname as name, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as n
          from pg_stat_xact_user_tables where schemaname in ('public', 'private')`;
        await sql`commit`;
        // Nothing waits for its pace.
        await sql`update public.senders set send_tat = null`;
        return new Map(rows.map(({ name, n }) => [name, n]));
      };
      await reads(0);
      const few = await reads(1);
      for (let number = 2; number < 75; number++) await reads(number);
      await leaveWaiting(pool, d);
      for (let number = 75; number < 148; number++) await reads(number);
      const many = await reads(148);
      for (const [name, n] of many) {
        const before = few.get(name) ?? 0;
        assert(n <= 2 * before + PEOPLE, `${name}: ${n} rows, ${before} at the beginning`);
      }
      await sql`analyze`;
      const analysed = await reads(149);
      for (const [name, n] of analysed) {
        const before = few.get(name) ?? 0;
        assert(n <= 2 * before + PEOPLE, `${name}, analysed: ${n} rows, ${before} at the beginning`);
      }
    } finally {
      sql.release();
    }
    await pool`delete from public.deliveries where next_attempt_at > now() + interval '1 hour'`;
    await pool`delete from public.outbound_messages where next_attempt_at > now() + interval '1 hour'`;
    assertEquals(await lost(pool), []);
  },
);
