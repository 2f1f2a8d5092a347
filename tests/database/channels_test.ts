/** Channels that the core was not made for: what theirs is stays theirs, and WhatsApp beside them is as it was. */
import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const NOW = "2026-11-21T12:00:00Z";
const DAY = 86_400;

/** A time in seconds after the beginning of the test. */
const at = (seconds: number) => new Date(Date.parse(NOW) + seconds * 1000).toISOString();

/** A conversation on a channel with a sender `1`, and its flag on. */
async function conversation(
  sql: Sql,
  channel: string,
  changes: Record<string, unknown> = {},
): Promise<string> {
  await sql`insert into public.senders (channel, id, provider) values (${channel}, '1', ${channel})
    on conflict do nothing`;
  const flag = channel === "whatsapp" ? "wa_send.enabled" : `${channel}_send.enabled`;
  await sql`insert into public.settings (key, value) values (${flag}, 'true') on conflict do nothing`;
  const [{ id }] = await sql<{ id: string }[]>`
    with person as (insert into public.contacts (channel) values (${channel}) returning id)
    insert into public.conversations (channel, number_id, contact_id, last_inbound_at, opted_out_at)
    select ${channel}, '1', id, ${changes.last_inbound_at as string ?? null}, ${
    changes.opted_out_at as string ?? null
  }
    from person returning id`;
  return id;
}

/** Queues a message; the answer's error, or its status. */
async function enqueue(sql: Sql, id: string, type = "text"): Promise<string> {
  const [{ answer }] = await sql<{ answer: { error?: string; status?: string } }[]>`
    select private.enqueue_message(c, ${sql.json({ to: "x", message: { type } })}, ${NOW}) as answer
    from public.conversations c where c.id = ${id}`;
  return answer.error ?? answer.status!;
}

interface Claimed {
  channel: string;
  number_id: string;
  to: string;
}

async function claim(sql: Sql, channels: string[], limit = 10): Promise<string[]> {
  const [{ claimed }] = await sql<{ claimed: { messages: Claimed[] } }[]>`
    select private.claim_outbound(${limit}, 60, ${channels}, ${at(1)}) as claimed`;
  return claimed.messages.map(({ channel, number_id }) => `${channel} ${number_id}`).sort();
}

/** Channel, when the person last wrote and opted out (seconds from now), type, and what becomes of it. */
const POLICIES: [string, number | null, number | null, string, string][] = [
  ["whatsapp", null, null, "text", "window_closed"],
  ["whatsapp", -DAY, null, "text", "window_closed"],
  ["whatsapp", 1 - DAY, null, "text", "queued"],
  ["whatsapp", null, null, "template", "queued"],
  ["whatsapp", -60, -120, "template", "opted_out"],
  ["whatsapp", -60, -120, "text", "queued"],
  ["whatsapp", -120, -60, "text", "opted_out"],
  ["sms", null, null, "text", "queued"],
  ["sms", -60, -120, "text", "opted_out"],
  ["email", null, null, "text", "queued"],
  ["email", -60, -120, "text", "opted_out"],
  ["telegram", null, null, "text", "queued"],
  ["telegram", -120, -60, "text", "queued"],
  ["pigeon", null, null, "text", "queued"],
  ["pigeon", -60, -120, "text", "opted_out"],
];

databaseTest("channel_policy: window and opt-out are the channel's", async (sql) => {
  for (const [channel, wrote, out, type, expected] of POLICIES) {
    const id = await conversation(sql, channel, {
      last_inbound_at: wrote === null ? null : at(wrote),
      opted_out_at: out === null ? null : at(out),
    });
    assertEquals(await enqueue(sql, id, type), expected, `${type} on ${channel}, wrote ${wrote}, out ${out}`);
  }
});

databaseTest(
  "claim_outbound: gives the channels that are asked for, and the others hold nothing up",
  async (sql) => {
    for (const channel of ["pigeon", "sms", "whatsapp"]) {
      await enqueue(sql, await conversation(sql, channel, { last_inbound_at: NOW }));
    }
    assertEquals(await claim(sql, []), []);
    // Whoever does not know of channels is WhatsApp's.
    const [{ messages }] = (await sql`select public.claim_outbound(10) as claimed`).map(({ claimed }) =>
      claimed
    );
    assertEquals(messages.map(({ channel }: Claimed) => channel), ["whatsapp"]);
    assertEquals(await claim(sql, ["whatsapp", "sms"]), ["sms 1"]);
    await sql`update public.senders set state = 'paused' where channel = 'pigeon'`;
    assertEquals(await claim(sql, ["pigeon"]), []);
    await sql`update public.senders set state = 'active' where channel = 'pigeon'`;
    assertEquals(await claim(sql, ["whatsapp", "sms", "pigeon"]), ["pigeon 1"]);
  },
);

databaseTest("claim_outbound: a channel's flag holds that channel alone", async (sql) => {
  for (const channel of ["sms", "whatsapp"]) {
    await enqueue(sql, await conversation(sql, channel, { last_inbound_at: NOW }));
  }
  await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
  assertEquals(await claim(sql, ["whatsapp", "sms"]), ["sms 1"]);
});
