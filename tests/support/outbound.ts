/** Sending in SQL: messages that are queued, claimed and settled at times of the test. */
import type { Sql } from "postgres";
import { databaseTest as bareDatabaseTest } from "./database.ts";
import { ingest, message } from "./intake.ts";

/** When each test begins. */
export const T0 = Date.UTC(2026, 10, 21, 12);
/** The time so many seconds later. */
export const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
/** In seconds. */
export const HOUR = 3600;
/** Whom messages are for unless a test says otherwise. */
export const TO = "4915100000001";

/** A test on a database of its own. Sending is on, but where a test says otherwise. */
export function databaseTest(name: string, test: (sql: Sql) => Promise<void>): void {
  bareDatabaseTest(name, async (sql) => {
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    await test(sql);
  });
}

/** What becomes of a message that is to be queued. */
export interface Answer {
  id?: string;
  status?: string;
  error?: string;
  used_fallback?: boolean;
  repeated?: boolean;
}

/** Whom a message is for. */
export const to = (phone: string) => ({ to: phone, identities: [{ kind: "phone", value: phone }] });

/** A text for {@linkcode TO}. */
export const text = (body: string, more: Record<string, unknown> = {}) => ({
  ...to(TO),
  text: body,
  message: { type: "text", text: { body } },
  ...more,
});

/** A template, which nobody knows the category of. */
export const TEMPLATE = { type: "template", template: { name: "hello", language: { code: "en" } } };

/** Queues messages at that second. */
export async function send(
  sql: Sql,
  seconds: number,
  ...items: Record<string, unknown>[]
): Promise<Answer[]> {
  const [{ answers }] = await sql<{ answers: Answer[] }[]>`
    select private.enqueue_outbound(${sql.json(items as never)}, ${at(seconds)}) as answers`;
  return answers;
}

/** A message that may be sent now. */
export interface Claimed {
  id: string;
  lease: string;
  attempt: number;
  to: string;
  contact_id: string;
  ask?: { account: string; name: string };
  opted_out?: boolean;
  message: { type: string; text?: { body: string } };
}

/** Leases what may be sent at that second. */
export async function claim(sql: Sql, seconds: number, limit = 1000): Promise<Claimed[]> {
  const [{ claimed }] = await sql`select private.claim_outbound(${limit}, 60, '{}', '{whatsapp}', ${
    at(seconds)
  }) as claimed`;
  return claimed.messages;
}

/** Gives all these the same result. */
export async function settle(sql: Sql, seconds: number, claimed: Claimed[], result: Record<string, unknown>) {
  const results = claimed.map(({ id, lease }) => ({ id, lease, ...result }));
  const [{ settled }] = await sql`select private.settle_outbound(${sql.json(results as never)}, ${
    at(seconds)
  }) as settled`;
  return settled as { settled: number; fenced: number };
}

/** A person who wrote to number 1 at T0. */
export async function written(sql: Sql, phone = TO): Promise<void> {
  await ingest(sql, message({ phone, at: at(0) }));
}
