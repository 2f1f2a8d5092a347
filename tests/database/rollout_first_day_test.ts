/** The first day of a stage: tighter limits for 24 hours, with evidence that can be replayed across its end. */
import { assert, assertEquals } from "../support/assert.ts";
import { none } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { databaseTest } from "../support/database.ts";
import { advance, writeMinutes } from "../support/rollouts.ts";
import { countsOf } from "../support/rollout_traffic.ts";
import { FLAG, LAST, stage, start, stateOf, story } from "../support/signals.ts";

databaseTest(
  "first day: tighter limits for 24 hours, then the usual ones, and the evidence of both replays",
  async (sql) => {
    const plan = stage({
      percentage: 50,
      hold_minutes: 5000,
      roll_back_when: { error_rate_above: 0.3, p95_ms_above: 1000 },
      first_day: { error_rate_above: 0.05, p95_ms_above: 500 },
    });
    // A few fail in both arms, so that S moves on both sides of the border.
    const fails = (from: number, minutes: number, first: Date) =>
      writeMinutes(
        sql,
        FLAG,
        Array.from({ length: minutes }, (_, i) => ({
          minute: i + 1,
          on: countsOf({ n: 10, failed: i % 30 === 0 ? 1 : 0, timed: 10, slow: 0, late: 0, ms: 1000 }),
          off: countsOf({ n: 10, failed: i % 30 === 7 ? 1 : 0, timed: 10, slow: 0, late: 0, ms: 1000 }),
        })),
        first.getTime() / 60_000 - 1 + from,
      );
    const { id, first } = await start(sql, [plan, LAST]);
    await fails(0, 24 * 60 + 120, first);
    for (const minutes of [60, 24 * 60 - 30, 24 * 60 + 30, 24 * 60 + 119]) {
      await advance(
        sql,
        first,
        minutes * 60 + 25,
      );
    }
    const rules =
      await sql`select kind, rule, evidence #> '{watch,sharp}' as sharp, evidence #> '{watch,error_rate}' as rate,
      evidence #> '{watch,p95_ms}' as p95 from public.rollout_events where rollout_id = ${id} and evidence ? 'watch' order by at, id`;
    const over = rules.findIndex(({ rule }) => rule === "first_day_over");
    assert(over >= 0, JSON.stringify(rules.map((row) => ({ ...row }))));
    assertEquals(
      rules.map(({ sharp, rate, p95 }) => [sharp, rate, p95]),
      rules.map((_, i) => i <= over ? [true, 0.05, 500] : [false, 0.3, 1000]),
    );
    assert((await story(sql, id)).includes("the first day is over: the usual limits apply"));
  },
);

databaseTest(
  "first day: what the usual limits would let pass is rolled back, and not a day later",
  async (sql) => {
    for (
      const [day, expected] of [[undefined, "running"], [{ error_rate_above: 0.02 }, "rolled_back"]] as const
    ) {
      await sql`delete from public.settings where key = ${FLAG}`;
      await sql`truncate public.flag_metrics`;
      const plan = {
        ...LAST,
        hold_minutes: 5000,
        roll_back_when: { error_rate_above: 0.5 },
        ...(day ? { first_day: day } : {}),
      };
      const { id, first } = await start(sql, [plan]);
      await writeMinutes(
        sql,
        FLAG,
        Array.from({ length: 60 }, (_, i) => ({
          minute: i + 1,
          on: countsOf({ n: 10, failed: 1, timed: 10, slow: 0, late: 0, ms: 1000 }),
          off: none(),
        })),
        first.getTime() / 60_000 - 1,
      );
      await advance(sql, first, 60 * 60 + 25);
      assertEquals((await stateOf(sql, id)).state, expected, JSON.stringify(day));
      if (expected === "running") {
        await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'enough')`;
      }
      await story(sql, id);
    }
  },
);
