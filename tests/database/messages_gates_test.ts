/** What the plan of masked messaging asks for before the next step: held by the guard and by the start, by an injected clock. */
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { book, type OrgRows } from "../support/masking.ts";
import { CORE, decide, FLAGS, pilot, WEEK } from "../support/masking_rollout.ts";
import { writeMinutes } from "../support/rollouts.ts";
import { HEALTHY, verdict } from "../support/signals.ts";

const HOUR = 3_600_000;
const [, PROACTIVE, SITTER] = FLAGS;

/** Decisions at a time: the latest are found by their ids. */
async function decideAt(
  sql: Sql,
  org: string,
  at: Date,
  count: number,
  outcome = "leg",
  reason = "relayed",
): Promise<void> {
  await sql`
    insert into public.thread_decisions (id, org_id, from_role, outcome, reason, at)
    select overlay(private.uuid_v7()::text placing left(private.uuid_v7_from(${at})::text, 13) from 1 for 13)::uuid,
      ${org}, case when ${reason} = 'no_active_window' then 'sitter' else 'client' end, ${outcome}, ${reason}, ${at}
    from generate_series(1, ${count})`;
}

/** What the step before says for these targets at a time. */
const stability = async (sql: Sql, flag: string, targets: string[], at: Date) => {
  const [{ said }] = await sql`select private.step_stability(${flag}, ${targets}, ${at}) as said`;
  return said as { flag: string; stable: boolean; because: string; figures: Record<string, unknown> };
};

/** Turns the three flags on, and says when. */
async function on(sql: Sql): Promise<Date> {
  for (const flag of FLAGS) {
    await sql`select public.set_flag(${flag}, ${
      sql.json({ on: true, percentage: 100 })
    }, coalesce((select version from public.settings where key = ${flag}), 0), 'the pilot')`;
  }
  return (await sql`select clock_timestamp() as now`)[0].now;
}

databaseTest(
  "a week that is over holds while a thread of the pilot lacks its client, and goes on once nothing does",
  async (sql) => {
    const { rows, other, first } = await pilot(sql);
    const booking = await book(sql, rows, 0, "b");
    await sql`select public.assign_sitter(${booking}, ${rows.sitters[0].member}, true)`;
    await decide(sql, rows.org, 10, "leg", "relayed");
    await writeMinutes(
      sql,
      CORE,
      Array.from({ length: 7 * 24 }, (_, hour) => ({ minute: hour * 60, on: HEALTHY, off: HEALTHY })),
      first.getTime() / 60_000,
    );
    await sql`update public.thread_legs set ended_at = now() where role = 'client'`;
    assertEquals(await verdict(sql, first, WEEK - 5), "hold hold_time");
    assertEquals(await verdict(sql, first, WEEK + 2), "hold proof");
    const [{ figures }] = await sql`select figures from public.rollout_events where rule = 'proof'`;
    assertEquals(figures, {
      org: rows.org,
      without_number: 0,
      without_client: 1,
      without_front_desk: 0,
      without_thread: 0,
    });
    // What an organisation lacks that has no messaging is in nobody's way.
    await sql`update public.thread_legs set ended_at = null where role = 'client'`;
    assertEquals(
      (await sql`select public.messages_proof(${other}) as proof`)[0].proof.orgs_without_front_desk,
      [other],
    );
    assertEquals(await verdict(sql, first, WEEK + 3), "advance criteria_met");
  },
);

databaseTest(
  "the step before is stable after 24 hours with texts, without failures, and with low shares",
  async (sql) => {
    const { rows: { org } } = await pilot(sql);
    const targets = [`org:${org}`];
    assertEquals(
      (await sql`select private.step_stability(${CORE}, ${targets}, now()) as said`)[0].said,
      null,
    );
    const since = await on(sql);
    const at = (hours: number) => new Date(since.getTime() + hours * HOUR);
    const why = async (flag: string, hours: number) =>
      (await stability(sql, flag, targets, at(hours))).because;

    assertEquals(
      (await stability(sql, PROACTIVE, ["org:00000000-0000-0000-0000-000000000000"], at(25))).because,
      "off",
    );
    assertEquals((await stability(sql, PROACTIVE, targets, at(23.5))).figures, { hours: 23 });
    assertEquals(await why(PROACTIVE, 25), "no_data");
    await decideAt(sql, org, at(20), 10);
    assertEquals(await stability(sql, PROACTIVE, targets, at(25)), {
      flag: CORE,
      stable: true,
      because: "stable",
      figures: { decided: 10, inbox: 0, blocked: 0, no_window: 0 },
    });
    assertEquals((await stability(sql, SITTER, targets, at(25))).flag, PROACTIVE);
    assertEquals(await why(SITTER, 25), "stable");

    // Each criterion by itself.
    for (
      const [outcome, reason, some, more] of [
        ["owner_inbox", "late", 4, 1],
        ["blocked", "anti_poaching", 1, 1],
        ["held", "no_active_window", 1, 1],
      ] as const
    ) {
      await sql`delete from public.thread_decisions where org_id = ${org}`;
      await decideAt(sql, org, at(20), 10);
      await decideAt(sql, org, at(20), some, outcome, reason);
      assertEquals(await why(PROACTIVE, 25), "stable", outcome);
      await decideAt(sql, org, at(20), more, outcome, reason);
      assertEquals(await why(PROACTIVE, 25), "share", outcome);
    }
    await sql`delete from public.thread_decisions where org_id = ${org}`;
    await decideAt(sql, org, at(20), 10);
    await decideAt(sql, org, at(20), 90, "held", "off");
    assertEquals(await why(PROACTIVE, 25), "stable", "what came while off is no share");

    await sql`update public.org_numbers set state = 'out' where org_id = ${org} and class = 'front_desk'`;
    assertEquals(await why(PROACTIVE, 25), "proof");
    await sql`update public.org_numbers set state = 'active' where org_id = ${org} and class = 'front_desk'`;

    // An incident of no flag; one of the flag turns it off.
    const [{ number }] = await sql`select (public.open_incident('It loses texts', 'outage', 'P0')).number`;
    assertEquals(await why(PROACTIVE, 25), "incident");
    await sql`select public.resolve_incident(${number}, (select version from public.incidents where number = ${number}), 'mended')`;
    assertEquals(await why(PROACTIVE, 25), "stable");
    await sql`
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    values (${CORE}, date_trunc('minute', ${
      at(22)
    }::timestamptz), 'on', 1, 1, 0, 0, array_fill(0, array[27]))`;
    assertEquals(await why(PROACTIVE, 25), "failures");
  },
);

databaseTest("a rollout of the next step does not start before, unless somebody says why", async (sql) => {
  const { rows } = await pilot(sql);
  const { id, version } = await draft(sql, rows);
  const gates = sql.json({ gates: [{ id: "tests", status: "passed" }] });
  const error = await assertRejects(
    async () => await sql`select public.start_rollout(${id}, ${version}, null, ${gates})`,
    Error,
    "has not been stable for 24 hours: changed",
  );
  assertEquals((error as { code?: string }).code, "GL422");
  await sql`select public.start_rollout(${id}, ${version}, 'the pilot has one client', ${gates})`;
  const [{ evidence }] =
    await sql`select evidence from public.rollout_events where rollout_id = ${id} and kind = 'started'`;
  assertEquals([evidence.step.flag, evidence.step.stable, evidence.step.because], [CORE, false, "changed"]);
  assert(Array.isArray(evidence.gates));
});

/** A rollout of the proactive flag for the pilot, not started. */
async function draft(sql: Sql, { org }: OrgRows): Promise<{ id: string; version: string }> {
  await sql`select public.set_flag(${PROACTIVE}, '{"on": false}', (select version from public.settings where key = ${PROACTIVE}), 'by steps')`;
  const [row] = await sql`select id, version from public.create_rollout(${PROACTIVE}, ${
    sql.json({ template: "masking", user_ids: [`org:${org}`] })
  })`;
  return row as unknown as { id: string; version: string };
}
