/** What the panel is told of contacts in numbers, and of a rollout under way. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { replay } from "../../supabase/functions/_shared/rollouts/replay.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { countsOf } from "../support/rollout_traffic.ts";
import { writeMinutes } from "../support/rollouts.ts";

const FLAG = "checkout.enabled";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

databaseTest("count_contacts: counts people, without merged contacts, for viewers", async (sql) => {
  await sql`insert into public.contacts (id, merged_into) values
    ('00000000-0000-7000-8000-000000000001', null), ('00000000-0000-7000-8000-000000000002', null),
    ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000001')`;
  await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881')`;
  await sql`insert into public.conversations (contact_id, number_id, last_inbound_at) values
    ('00000000-0000-7000-8000-000000000001', '1', now() - interval '6 days'),
    ('00000000-0000-7000-8000-000000000002', '1', now() - interval '8 days')`;
  const viewer = await signedIn(sql, "viewer");
  assertEquals(await call(sql, viewer, "public.count_contacts()"), { contacts: 2, recent: 1 });
  for (const caller of [ANON, await signedIn(sql)]) {
    assertEquals(await refusal(call(sql, caller, "public.count_contacts()")), "42501");
  }
});

databaseTest("watch_rollout: shows the guard's current view, which can be recomputed", async (sql) => {
  await sql`select public.set_flag(${FLAG}, '{"on": false}', 0)`;
  const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, '{"template": "canary"}')`;
  const viewer = await signedIn(sql, "viewer");
  const watch = `public.watch_rollout('${id}')`;
  assertEquals(await call(sql, viewer, watch), null, "a draft is not watched");

  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  const [{ minute }] = await sql`
    update public.rollouts r set stage_started_at = now() - interval '10 minutes', checkpoint = b.state, guard = b.state
    from (select private.guard_begin(floor(extract(epoch from now()) / 60)::bigint - 9) as state) b where r.id = ${id}
    returning (b.state ->> 'minute')::int + 1 as minute`;
  const counts = (n: number, failed: number) =>
    countsOf({ n, failed, timed: n, slow: 0, late: 0, ms: n * 40 });
  await writeMinutes(
    sql,
    FLAG,
    [0, 1, 2].map((i) => ({ minute: minute + i, on: counts(10, i), off: counts(990, 1) })),
  );
  const evidence = await call<{ minutes: unknown[]; path: number[][] }>(sql, viewer, watch);
  assertEquals(evidence.minutes.length, 3);
  assertEquals(evidence.path.map(([at]) => at), [minute, minute + 1, minute + 2]);
  assertEquals(evidence.path[2][2] > 0, true, "failures with the flag count against it");
  const event = { id: "now", at: "", kind: "checked", stage: 1, verdict: null, rule: null, evidence };
  assertEquals(replay([event])[0].differences, []);

  assertEquals(await refusal(call(sql, await signedIn(sql), watch)), "42501");
  assertEquals(
    await refusal(call(sql, viewer, "public.watch_rollout('00000000-0000-7000-8000-000000000009')")),
    "GL404",
  );
  await sql`select public.roll_back_rollout(${id}, 2, 'enough')`;
  assertEquals(await call(sql, viewer, watch), null, "nothing is under way any more");
});

databaseTest("plan_of_template: shows viewers what create_rollout makes of the template", async (sql) => {
  await sql`select public.set_flag(${FLAG}, '{"on": false}', 0)`;
  const viewer = await signedIn(sql, "viewer");
  const plan = await call<{ stages: Record<string, unknown>[] }>(
    sql,
    viewer,
    "public.plan_of_template('canary')",
  );
  const made = async (plan: string) => {
    const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, ${plan}::text::jsonb)`;
    return await sql`
      select name, percentage, hold_minutes, min_samples, overdue_minutes, advance_when, roll_back_when
      from public.rollout_stages where rollout_id = ${id} order by position`;
  };
  assertEquals([...await made(JSON.stringify(plan))], [...await made('{"template": "canary"}')]);
  assertEquals(await call(sql, viewer, "public.plan_of_template('other')"), null);
  for (const caller of [ANON, await signedIn(sql)]) {
    assertEquals(await refusal(call(sql, caller, "public.plan_of_template('canary')")), "42501");
  }
});
