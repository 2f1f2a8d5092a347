/** The phases of mails to chats as rollouts: stages, criteria and ways back are those of their plan, and work. */
import { assertEquals } from "../support/assert.ts";
import { checkPlan, type Plan } from "../../supabase/functions/_shared/rollouts/plan.ts";
import { databaseTest } from "../support/database.ts";
import {
  after,
  happened,
  LAST,
  people,
  stage,
  start,
  stateOf,
  story,
  traffic,
  verdict,
} from "../support/signals.ts";

/** The stages of a built-in plan. */
// deno-lint-ignore no-explicit-any
async function stagesOf(sql: any, name: string, users: string[] | null = null): Promise<Plan["stages"]> {
  const [{ plan }] = await sql`select private.rollout_template(${name}, ${
    users && sql.json(users)
  }, null) as plan`;
  const checked = checkPlan(plan);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  const [{ faults }] = await sql`select private.rollout_plan_faults(${sql.json(plan)}) as faults`;
  assertEquals(faults, []);
  return checked.plan.stages;
}

const steps = (stages: Plan["stages"]) =>
  stages.map(({ name, percentage, hold_minutes }) => [name, percentage, hold_minutes / 1440]);

databaseTest(
  "plans: mail-routing goes to 10, 50, 100 % on day 3, 7, 10, and back below 99.5 % or at six errors an hour",
  async (sql) => {
    const stages = await stagesOf(sql, "mail-routing");
    assertEquals(steps(stages), [["10 %", 10, 4], ["50 %", 50, 3], ["100 %", 100, 4]]);
    for (const { advance_when, roll_back_when, metrics } of stages) {
      assertEquals(advance_when, { p95_ms_below: 5000 });
      assertEquals(roll_back_when, { error_rate_above: 0.005 });
      assertEquals(metrics, [
        { name: "mail.route_failed", at_most_per_hour: 5 },
        { name: "mail.card_failed", of: "mail.card", share_below: 0.001, back_above: 0.005 },
      ]);
    }
  },
);

databaseTest(
  "plans: mail-analysis takes 25 % of mails, then all, within 3 s and right in more than 85 %",
  async (sql) => {
    const stages = await stagesOf(sql, "mail-analysis");
    assertEquals(steps(stages), [["25 %", 25, 2], ["100 %", 100, 4], ["accuracy", 100, 3]]);
    for (const { advance_when, roll_back_when, metrics } of stages) {
      assertEquals(advance_when, { p95_ms_below: 3000 });
      assertEquals(roll_back_when, { p95_ms_above: 10_000, complaints_above: 0 });
      assertEquals(metrics, [
        { name: "analysis.right", of: "analysis.judged", share_above: 0.85, back_below: 0.7 },
      ]);
    }
  },
);

databaseTest(
  "plans: dynamic-routing begins with critical alerts alone, a stage by type of address",
  async (sql) => {
    const stages = await stagesOf(sql, "dynamic-routing");
    assertEquals(steps(stages), [["critical alerts", 0, 3], ["everybody", 100, 5]]);
    assertEquals(stages[0].user_ids, ["type:alert", "type:incident"]);
    assertEquals((await stagesOf(sql, "dynamic-routing", ["type:security"]))[0].user_ids, ["type:security"]);
    for (const { metrics } of stages) {
      assertEquals(metrics, [{
        name: "oncall.right",
        of: "oncall.asked",
        share_above: 0.95,
        back_below: 0.8,
      }]);
    }
  },
);

databaseTest(
  "plans: mail-replies begins with a pilot, and goes back when more than 10 % fail",
  async (sql) => {
    const stages = await stagesOf(sql, "mail-replies", ["ana"]);
    assertEquals(steps(stages), [["pilot", 0, 3], ["everybody", 100, 5], ["threading", 100, 3]]);
    assertEquals(stages[0].user_ids, ["ana"]);
    for (const { roll_back_when } of stages) {
      assertEquals(roll_back_when, { error_rate_above: 0.1, complaints_above: 0 });
    }
    const [{ faults }] = await sql`
    select private.rollout_plan_faults(private.rollout_template('mail-replies', null, null)) as faults`;
    assertEquals(faults.length, 1, "a pilot needs somebody");
  },
);

databaseTest(
  "critical alerts alone: the flag is on for types of addresses, and for nobody else",
  async (sql) => {
    await sql`insert into public.settings (key, value) values ('dynamic_routing.enabled', 'false')
    on conflict (key) do update set value = 'false'`;
    const [{ id }] =
      await sql`select id from public.create_rollout('dynamic_routing.enabled', '{"template": "dynamic-routing"}')`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    const found = await sql`
    select t.id, e.value, e.reason from unnest(array['type:alert', 'type:incident', 'type:report', 'somebody']) with ordinality as t (id, place),
      private.evaluate_flag('dynamic_routing.enabled', t.id) e order by t.place`;
    assertEquals(found.map(({ id, value }) => [id, value]), [
      ["type:alert", true],
      ["type:incident", true],
      ["type:report", false],
      ["somebody", false],
    ]);
    assertEquals(found[0].reason, "TARGETING_MATCH");
  },
);

const ACCURATE = stage({
  metrics: [{ name: "analysis.right", of: "analysis.judged", share_above: 0.85, back_below: 0.7 }],
});

databaseTest(
  "share: certainly below the limit it is taken back; in between the stage holds; above, it goes on",
  async (sql) => {
    const [some] = [people(true, 60)];
    for (
      const [right, judged, expected] of [
        [18, 30, "hold hold_time"],
        [14, 30, "roll_back share"],
        [2, 19, "hold hold_time"],
        [24, 30, "hold hold_time"],
      ] as const
    ) {
      await sql`delete from public.settings where key = 'checkout.enabled'`;
      const { id, first } = await start(sql, [ACCURATE, LAST]);
      await happened(sql, "analysis.judged", some.slice(0, judged), after(first, 1));
      await happened(sql, "analysis.right", some.slice(0, right), after(first, 1));
      assertEquals(await verdict(sql, first, 3), expected, `${right} of ${judged}`);
      const { state } = await stateOf(sql, id);
      assertEquals(state, expected.startsWith("roll_back") ? "rolled_back" : "running");
      if (state === "rolled_back") {
        assertEquals(
          (await story(sql, id)).at(-1),
          "14 analysis.right of 30 analysis.judged is certainly less than 70 %: the flag is off",
        );
        const [incident] =
          await sql`select title, kind from public.incidents where flag_key = 'checkout.enabled'`;
        assertEquals(incident?.kind, "other");
      } else {
        await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'enough')`;
      }
    }
  },
);

databaseTest(
  "an hour: more than five in an hour take it back, five do not, and those of before its stage do not count",
  async (sql) => {
    const limited = stage({ metrics: [{ name: "mail.route_failed", at_most_per_hour: 5 }] });
    const { id, first } = await start(sql, [limited, LAST]);
    const faults = (reason: string, n: number, at: Date) =>
      sql`select private.add_measurements(${
        sql.json([{ name: "happened", label: `mail.route_failed ${reason}`, n, ms: 0, counts: [] }])
      }, ${at})`;
    await faults("no_route", 50, after(first, -30));
    await faults("no_route", 3, after(first, 1));
    await faults("no_route", 2, after(first, 2));
    await sql`select private.add_measurements(${
      sql.json([{ name: "happened", label: "mail.other", n: 90, ms: 0, counts: [] }])
    }, ${after(first, 2)})`;
    assertEquals(await verdict(sql, first, 4), "hold hold_time");
    await faults("route_error", 1, after(first, 5));
    assertEquals(await verdict(sql, first, 6), "roll_back too_many");
    assertEquals((await stateOf(sql, id)).state, "rolled_back");
    assertEquals(
      (await story(sql, id)).at(-1),
      "mail.route_failed happened 6 times in an hour, more than 5: the flag is off",
    );
  },
);

databaseTest("an hour: later they are over", async (sql) => {
  const limited = stage({ hold_minutes: 600, metrics: [{ name: "mail.route_failed", at_most_per_hour: 5 }] });
  const { first } = await start(sql, [limited, LAST]);
  for (const minute of [1, 70]) {
    await sql`select private.add_measurements(${
      sql.json([{ name: "happened", label: "mail.route_failed no_route", n: 5, ms: 0, counts: [] }])
    }, ${after(first, minute)})`;
  }
  await traffic(sql, first, 80);
  assertEquals(await verdict(sql, first, 75), "hold hold_time");
});

for (
  const [failed, all, expected] of [
    [2, 20, "roll_back share"],
    [1, 300, "hold share"],
    [0, 300, "advance"],
  ] as const
) {
  databaseTest(
    `share: ${failed} failed cards of ${all}, as the functions count them: ${expected}`,
    async (sql) => {
      const [tenth] = await stagesOf(sql, "mail-routing");
      const { first } = await start(sql, [{ ...tenth, hold_minutes: 10, min_samples: 20 }, LAST]);
      for (const [label, n] of [["mail.card", all], ["mail.card_failed", failed]] as const) {
        await sql`select private.add_measurements(${
          sql.json([{ name: "happened", label, n, ms: 0, counts: [] }])
        }, ${after(first, 1)})`;
      }
      await traffic(sql, first, 60);
      const said = await verdict(sql, first, 55);
      assertEquals(said.slice(0, expected.length), expected);
    },
  );
}
