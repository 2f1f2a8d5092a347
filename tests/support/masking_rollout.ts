/** The rollout of masked messaging in tests of the database: its flags, a pilot, and decisions as the relay writes them. */
import type { Sql } from "postgres";
import { assertEquals } from "./assert.ts";
import { addOrg, type OrgRows } from "./masking.ts";

export const CORE = "messaging_v1.enabled";
export const FLAGS = [CORE, "proactive_thread_creation.enabled", "sitter_messages_v1.enabled"];
/** In minutes. */
export const WEEK = 7 * 24 * 60;

/** Which of the three flags an organisation has. */
export async function has(sql: Sql, org: string): Promise<boolean[]> {
  const on: boolean[] = [];
  for (const flag of FLAGS) {
    on.push((await sql`select value from private.evaluate_flag(${flag}, ${`org:${org}`})`)[0].value);
  }
  return on;
}

/** An organisation in the pilot, one that is not, and the rollout of the core flag, started. */
export async function pilot(sql: Sql): Promise<{ rows: OrgRows; other: string; id: string; first: Date }> {
  const rows = await addOrg(sql);
  const [{ other }] = await sql`select public.set_org(null, '{"name": "Elsewhere"}') ->> 'id' as other`;
  await sql`select public.set_flag(${CORE}, '{"on": false}', 0)`;
  for (const flag of FLAGS.slice(1)) {
    await sql`select public.set_flag(${flag}, ${
      sql.json({ on: true, percentage: 100, prerequisites: [CORE] })
    }, 0, 'only where messaging is')`;
  }
  assertEquals(await has(sql, rows.org), [false, false, false]);
  const [{ id }] = await sql`select id from public.create_rollout(${CORE}, ${
    sql.json({ template: "masking", user_ids: [`org:${rows.org}`] })
  })`;
  const [{ started }] = await sql`
    select stage_started_at as started from public.start_rollout(${id}, 1, 'the pilot begins')`;
  return { rows, other, id, first: new Date((Math.floor(started.getTime() / 60_000) + 1) * 60_000) };
}

/** Decisions, as the relay writes them down. */
export async function decide(
  sql: Sql,
  org: string,
  count: number,
  outcome: string,
  reason: string,
  role = "client",
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await sql`select public.record_decision(${
      sql.json({ org_id: org, from_role: role, from_last4: "0143", outcome, reason })
    })`;
  }
}
