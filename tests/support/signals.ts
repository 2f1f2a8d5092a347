/** Rollouts that listen to people and business metrics, for tests of the database. */
import type { Sql } from "postgres";
import { eventInWords } from "../../supabase/functions/_shared/contract/words/rollouts.ts";
import { replay, type RolloutEvent } from "../../supabase/functions/_shared/rollouts/replay.ts";
import { assertEquals } from "./assert.ts";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import { advance, writeMinutes } from "./rollouts.ts";
import { countsOf, minutesOfDay, xorshift } from "./rollout_traffic.ts";

export const FLAG = "checkout.enabled";

/** A stage at 50 % that lasts an hour and is content with 20 healthy outcomes. */
export function stage(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "half",
    percentage: 50,
    hold_minutes: 60,
    min_samples: 20,
    advance_when: {},
    roll_back_when: { error_rate_above: 0.2 },
    ...changes,
  };
}

/** The last stage of such a plan. */
export const LAST = stage({ name: "all", percentage: 100 });

/** Starts a rollout of {@linkcode FLAG} with these stages; answers its id and the start of its first whole minute. */
export async function start(
  sql: Sql,
  stages: Record<string, unknown>[],
  flag = FLAG,
): Promise<{ id: string; first: Date }> {
  await sql`insert into public.settings (key, value) values (${flag}, 'false') on conflict do nothing`;
  const [{ id }] = await sql`select id from public.create_rollout(${flag}, ${sql.json({ stages } as never)})`;
  const [{ started }] = await sql<{ started: Date }[]>`
    select stage_started_at as started from public.start_rollout(${id}, 1, 'a test')`;
  return { id, first: new Date((Math.floor(started.getTime() / 60_000) + 1) * 60_000) };
}

/** Healthy outcomes of both arms, from minute `from` of a stage on. */
export async function traffic(sql: Sql, first: Date, minutes: number, from = 0): Promise<void> {
  const day = minutesOfDay(xorshift(7), { on: arm, off: arm }, minutes);
  await writeMinutes(sql, FLAG, [...day], first.getTime() / 60_000 - 1 + from);
}
const arm = { perMinute: 5, failing: 0, slow: 0 };

/** Counts of a healthy minute. */
export const HEALTHY = countsOf({ n: 5, failed: 0, timed: 5, slow: 0, late: 0, ms: 500 });

/** Ids of people who have the flag at this percentage, or have not, each different. */
export function people(on: boolean, count: number, percentage = 50, flag = FLAG): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) {
    const id = `user-${i}`;
    if ((bucket(flag, id) < percentage * 100) === on) found.push(id);
  }
  return found;
}

/** Complaints of these people, as a service reports them. */
export async function complain(sql: Sql, ids: readonly string[], at: Date, flag?: string): Promise<void> {
  const items = ids.map((subject) => ({ kind: "complaint", subject, flag }));
  await sql`select private.record_feedback(${sql.json(items as never)}, ${at})`;
}

/** Ratings, one a person. */
export async function rate(
  sql: Sql,
  ratings: readonly [id: string, rating: number][],
  at: Date,
): Promise<void> {
  const items = ratings.map(([subject, rating]) => ({ kind: "rating", subject, rating }));
  await sql`select private.record_feedback(${sql.json(items as never)}, ${at})`;
}

/** Occurrences of a metric, one a person. */
export async function happened(
  sql: Sql,
  name: string,
  ids: readonly string[],
  at: Date,
  value?: (i: number) => number,
): Promise<void> {
  const items = ids.map((subject, i) => ({ name, subject, value: value?.(i) }));
  await sql`select private.record_metrics(${sql.json(items as never)}, ${at})`;
}

/** So many minutes after an instant. */
export const after = (first: Date, minutes: number) => new Date(first.getTime() + minutes * 60_000);

/** The guard's verdict, minutes after the stage's first. */
export async function verdict(sql: Sql, first: Date, minutes: number): Promise<string> {
  const [said] = await advance(sql, first, minutes * 60 + 25);
  return `${said.verdict} ${said.rule}`;
}

/** How a rollout and its flag stand. */
export async function stateOf(sql: Sql, id: string) {
  const [row] =
    await sql`select state, hold_reason, (select value from public.settings where key = flag_key) as flag
    from public.rollouts where id = ${id}`;
  return { ...row } as { state: string; hold_reason: string | null; flag: string };
}

/** The events, each with what it says; and nothing in their evidence differs when it is recomputed. */
export async function story(sql: Sql, id: string): Promise<string[]> {
  const events = await sql`select id, at::text, kind, stage, verdict, rule, figures, evidence
    from public.rollout_events where rollout_id = ${id} order by at, id`;
  for (const { kind, recorded, differences } of replay([...events] as unknown as RolloutEvent[])) {
    assertEquals(differences, [], `${kind} ${recorded.rule}`);
  }
  return events.map((event) => eventInWords(event as never));
}
