/** People who write, and what the database says about their messages. */
import type { Sql } from "postgres";
import type { Contact } from "../../local/simulator/model.ts";
import type { Edge } from "./edge.ts";

/** A person with a phone number of their own. */
export function person({ meta }: Edge, n = 0): Contact {
  return meta.addContact({ name: `Person ${n}`, phone: String(12025550200 + n) });
}

/** A decision about a message. */
export interface Decision {
  text: string;
  reason: string;
  route_name: string | null;
  contact: string | null;
  explanation: { route: string; name: string; matched: boolean; why: string }[];
}

/** What was decided, in the order of the messages. */
export async function decisions(sql: Sql): Promise<Decision[]> {
  const rows = await sql<Decision[]>`
    select m.text, d.reason, d.route_name, d.contact, d.explanation
    from public.routing_decisions d join public.messages m on m.id = d.message_id order by m.seq`;
  return rows.map((row) => ({ ...row }));
}

/** An attempt at a delivery. */
export interface Attempt {
  attempt: number;
  outcome: string;
  status: number | null;
  error: string | null;
}

/** All attempts, by delivery. */
export async function attempts(sql: Sql): Promise<Attempt[]> {
  const rows = await sql<Attempt[]>`
    select attempt, outcome, status, error from public.delivery_attempts order by delivery_id, attempt`;
  return rows.map((row) => ({ ...row }));
}

/** States of all deliveries, in the order of their messages. */
export async function states(sql: Sql): Promise<string[]> {
  const rows = await sql<
    { state: string }[]
  >`select state from public.deliveries order by seq, destination_id`;
  return rows.map(({ state }) => state);
}
