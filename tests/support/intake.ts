/** Updates as `_shared/channels/whatsapp` makes them, and the SQL functions that take them, for tests of the database. */
import type { Sql } from "postgres";

/**
 * A part of an update; what is left out gets a value that differs from all others where it must, and the channel is
 * WhatsApp. Its ids may stand flat, as `group`, `phone`, `bsuid`, `parent_bsuid`, `username`, `prev_phone` and `prev_bsuid`.
 */
export type Partial = Record<string, unknown>;

/** The update as the database takes it. */
function whole(
  { group, phone, bsuid, parent_bsuid, username, prev_phone, prev_bsuid, ...update }: Partial,
): Partial {
  const identities = [
    { kind: "group", value: group },
    { kind: "phone", value: phone, previous: prev_phone },
    { kind: "bsuid", value: bsuid, previous: prev_bsuid },
    { kind: "parent_bsuid", value: parent_bsuid },
    { kind: "username", value: username },
  ].filter(({ value, previous }) => value !== undefined || previous !== undefined);
  return { channel: "whatsapp", provider: "whatsapp", identities, ...update };
}

let serial = 0;

/** An inbound text message. */
export function message(changes: Partial = {}): Partial {
  const n = ++serial;
  const wamid = `wamid.${n}`;
  return {
    key: `m:1:${wamid}:text`,
    field: "messages",
    kind: "message",
    sender_id: "1",
    provider_id: wamid,
    type: "text",
    body: `message ${n}`,
    phone: "4915100000001",
    raw: { id: wamid },
    at: new Date().toISOString(),
    ...changes,
  };
}

const RANKS = { sent: 1, failed: 2, delivered: 3, read: 4, played: 5, deleted: 6 };

/** A status of an outbound message. */
export function status(wamid: string, name: keyof typeof RANKS, changes: Partial = {}): Partial {
  return {
    key: `s:1:${wamid}:${name}:${++serial}`,
    field: "messages",
    kind: "status",
    sender_id: "1",
    provider_id: wamid,
    status: name,
    rank: RANKS[name],
    raw: {},
    at: new Date(Date.UTC(2026, 10, 21) + serial * 1000).toISOString(),
    ...changes,
  };
}

/** Stores updates in one call; one character each: s stored, d duplicate. */
export async function ingest(sql: Sql, ...updates: Partial[]): Promise<string> {
  const [row] = await sql<{ outcomes: string }[]>`
    select public.ingest_updates(${sql.json(updates.map(whole) as never)}) ->> 'outcomes' as outcomes`;
  return row.outcomes;
}

/** Whether the database proves that nothing was lost; the failed checks otherwise. */
export async function lost(sql: Sql): Promise<unknown[]> {
  const [{ checks }] = await sql<
    { checks: { ok: boolean }[] }[]
  >`select public.reconcile() -> 'checks' as checks`;
  return checks.filter((check) => !check.ok);
}
