/** What waits and why, on the database: by the flag of the channel that it waits on. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { WaitingQueue } from "../../supabase/functions/_shared/contract/answers/operations.ts";
import { waitingInWords } from "../../supabase/functions/_shared/contract/words/waiting.ts";
import { FILL } from "../support/fill.ts";
import { databaseTest } from "../support/database.ts";

/** Each queue and its reason in words. */
async function waiting(sql: Sql): Promise<string[]> {
  const [{ found }] = await sql<{ found: WaitingQueue[] }[]>`
    select private.waiting_because(now() + interval '1 second') as found`;
  return waitingInWords(found).map(({ what, n, why }) => `${n} ${what}: ${why}`).sort();
}

databaseTest("waiting_because: names the channel's flag that holds the queue back", async (sql) => {
  for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
  const flag = (key: string, metadata = {}) =>
    sql`
    insert into public.settings (key, value, metadata) values (${key}, 'true', ${sql.json(metadata)})
    on conflict (key) do update set metadata = excluded.metadata`;
  await sql`insert into public.senders (channel, id, provider) values ('sms', '1', 'sms')`;
  // All that is there is an SMS, and nothing of that channel is on.
  await sql`update public.conversations set channel = 'sms', number_id = '1', unrouted_since = now()`;
  await sql`update private.delivery_lanes set channel = 'sms'`;
  await sql`update private.outbound_lanes set channel = 'sms', number_id = '1'`;
  await sql`update public.outbound_messages set channel = 'sms', number_id = '1'`;
  await sql`
    update public.deliveries d set state = 'pending'
    from public.destinations t where t.id = d.destination_id and t.kind = 'http'`;
  for (const key of ["wa_router.enabled", "wa_send.enabled"]) await flag(key);
  const off = [
    "1 conversations for the router: the flag sms_router.enabled is off for the contact",
    "1 deliveries to demo: the flag sms_router.enabled is off",
    "1 messages to send from 1: the flag sms_send.enabled is off",
  ];
  assertEquals(await waiting(sql), off);
  for (const key of ["sms_router.enabled", "sms_send.enabled"]) await flag(key, { rollout_percentage: 0 });
  assertEquals(await waiting(sql), off, "on for nobody");
  for (const key of ["sms_router.enabled", "sms_send.enabled"]) await flag(key, { rollout_percentage: 1 });
  assertEquals(await waiting(sql), [
    "1 conversations for the router: the router has not processed it yet",
    "1 deliveries to demo: due, but not processed yet",
    "1 messages to send from 1: due, but not processed yet",
  ]);
  await sql`update public.conversations set held_revision = 1`;
  assertEquals((await waiting(sql))[0], off[0]);
});
