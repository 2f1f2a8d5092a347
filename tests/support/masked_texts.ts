/** Texts between clients and sitters through the functions: an organisation on Twilio's numbers, and what phones got. */
import type { Sql } from "postgres";
import { assertEquals } from "./assert.ts";
import { type Edge, KEYS, TEXT_NUMBERS } from "./edge.ts";
import { until } from "./until.ts";

/** Our numbers: the business's own, and one that is lent. */
export const [DESK, POOL] = TEXT_NUMBERS;
export const CLIENT = "+12025550143";
export const SITTER = "+12025550144";
/** Somebody besides the two. */
export const THIRD = "+12025550145";

/** Settings that turn masked messaging on, with threads as they come. */
export const MASKING_ON = {
  "sms_send.enabled": "true",
  "messaging_v1.enabled": "true",
  "sitter_messages_v1.enabled": "true",
};

/** A text that leads around the business, with a number. */
export const POACHING = "Text me at 202-555-0190 instead, it's cheaper without the app";

/** Adds an organisation without numbers. */
export async function addOrgNamed(sql: Sql, name: string): Promise<string> {
  const [{ org }] = await sql`
    select public.set_org(null, ${sql.json({ name, zone: "Europe/Berlin" })}) ->> 'id' as org`;
  return org;
}

/** Gives an organisation {@linkcode DESK} and {@linkcode POOL}. */
export async function giveNumbers(sql: Sql, org: string): Promise<void> {
  for (const [number, kind] of [[DESK, "front_desk"], [POOL, "pool"]]) {
    const id = number.slice(1);
    await sql`
      insert into public.senders (channel, id, address, provider) values ('sms', ${id}, ${id}, 'twilio')
      on conflict (channel, id) do nothing`;
    await sql`select public.set_org_number(${org}, ${id}, ${kind})`;
  }
}

/** Adds somebody who has a phone, and returns the contact. */
export async function addPhone(sql: Sql, phone: string): Promise<string> {
  const [{ id }] = await sql`insert into public.contacts (channel) values ('sms') returning id`;
  await sql`
    insert into public.contact_identities (contact_id, channel, kind, value)
    values (${id}, 'sms', 'phone', ${phone.slice(1)})`;
  return id;
}

/** Assigns a sitter to a weekly booking of a client that begins in so many hours and lasts two. Returns the thread. */
export async function assign(
  sql: Sql,
  { org, client, member }: { org: string; client: string; member: string },
  inHours = -1,
): Promise<string> {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 19);
  const booking = {
    client_id: client,
    starts_local: at(inHours),
    ends_local: at(inHours + 2),
    zone: "UTC",
    repeats: "weekly",
  };
  const [{ assigned }] = await sql`
    select public.assign_sitter((public.set_booking(${org}, 'b1', ${
    sql.json(booking)
  }) ->> 'id')::uuid, ${member}, true) as assigned`;
  return assigned.thread.thread_id;
}

/** Resolves once webhooks, routing and sending have come to rest. */
export async function rest({ texts, settled }: Edge): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await texts.settled();
    await settled();
  }
}

/** Resolves once nothing waits to be sent, not even for a number's pace. */
export async function allSent(edge: Edge): Promise<void> {
  await rest(edge);
  await until("nothing waits to be sent", async () => {
    const [{ n }] = await edge.sql`
      select count(*)::int as n from public.outbound_messages where channel = 'sms' and state in ('queued', 'leased')`;
    if (n === 0) return true;
    await edge.hurry();
    await rest(edge);
    return false;
  });
}

/** What people got on their phones, in order: from, to, words. */
export const got = ({ texts }: Edge): [from: string, to: string, body: string][] =>
  [...texts.texts.values()].filter(({ direction }) => direction === "outbound-api")
    .map(({ from, to, body }) => [from, to, body]);

/** Compares with Twilio's list at once, as the clock would, and waits for what follows. */
export async function compare(edge: Edge): Promise<void> {
  const { sql, call } = edge;
  await sql`update private.text_checks set next_at = now(), lease_until = null`;
  assertEquals((await call("sms-webhook/check", { headers: { apikey: KEYS.secretKey } })).status, 202);
  await until(
    "the list was read",
    async () =>
      (await sql`select from private.text_checks where lease_until is null and next_at > now()`).length === 1,
  );
  await rest(edge);
}
