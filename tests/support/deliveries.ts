/** Deliveries in SQL: decided, claimed and settled at times that the test chooses. */
import type { Sql } from "postgres";

/** A claimed delivery. */
export interface Claimed {
  delivery_id: string;
  lease: string;
  attempt: number;
  destination_id: string;
  message: { text: string; seq: number };
  conversation: { id: string };
}

/** What claim_deliveries answers. */
export interface Claim {
  deliveries: Claimed[];
  destinations: { name: string; secrets: string[] }[];
  next_due_ms: number | null;
}

/** Start time of each test. */
export const T0 = Date.UTC(2026, 10, 21, 12);
/** The time `seconds` later. */
export const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

/** Adds a destination on an allowed host, and gives its id. */
export async function destination(
  sql: Sql,
  name: string,
  options: Record<string, unknown> = {},
): Promise<string> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true') on conflict do nothing`;
  await sql`select public.allow_host('localhost', 'forward')`;
  const [{ id }] = await sql<{ id: string }[]>`
    select public.add_destination(${name}, 'http://localhost/hook', ${
    sql.json(options as never)
  }) ->> 'id' as id`;
  return id;
}

/** Decides that everything waiting goes to these destinations. */
export async function route(sql: Sql, ...destinations: string[]): Promise<void> {
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

/** Claims what is due at that second. */
export async function claim(sql: Sql, seconds: number, limit = 100, lease = 60): Promise<Claim> {
  const [row] = await sql<{ claim: Claim }[]>`
    select private.claim_deliveries(${limit}, ${lease}, '{}', '{whatsapp}', ${at(seconds)}) as claim`;
  return row.claim;
}

/** The result of a delivery. */
export type Outcome = "delivered" | "retry" | "dead";

/** Gives all these the same result. */
export async function settle(
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

/** Their words. */
export const texts = (claimed: Claimed[]) => claimed.map((delivery) => delivery.message.text);
