/** Plans of rollouts: zod and SQL take and refuse the same, and the built-in plans are what the manual says. */
import { assertEquals } from "../support/assert.ts";
import { checkPlan } from "../../supabase/functions/_shared/rollouts/plan.ts";
import { databaseTest } from "../support/database.ts";

type Json = Record<string, unknown>;

const STAGE: Json = {
  name: "all",
  percentage: 100,
  hold_minutes: 60,
  min_samples: 100,
  advance_when: { error_rate_below: 0.01 },
  roll_back_when: { error_rate_above: 0.02 },
};
const stage = (changes: Json = {}): Json => ({ ...STAGE, ...changes });
const plan = (changes: Json = {}): Json => ({ stages: [stage(changes)] });
/** A first stage before the sound last one. */
const before = (changes: Json): Json => ({
  stages: [stage({ name: "first", percentage: 10, ...changes }), stage()],
});
const plain = { minutes: 5, min_samples: 20, mean_ms_above: 500 };
const without = (member: string) => {
  const { [member]: _, ...rest } = STAGE;
  return { stages: [rest] };
};

const SOUND: Json[] = [
  plan(),
  { name: "mine", ...plan() },
  plan({ name: "ü".repeat(60), min_samples: 0, overdue_minutes: 61 }),
  plan({ name: "🦎".repeat(60) }),
  plan({ advance_when: {}, roll_back_when: { plain } }),
  plan({ advance_when: { no_errors: true, p95_ms_below: 400 }, roll_back_when: { p95_ms_above: 400 } }),
  plan({ roll_back_when: { error_rate_above: 0.01, plain: { ...plain, error_rate_above: 0.05 } } }),
  before({ percentage: 0, user_ids: ["u1"] }),
  before({ percentage: 0, segments: ["beta"], user_ids: [] }),
  before({ percentage: 0.01 }),
  before({ percentage: 12.34 }),
  before({ percentage: 100 }),
  plan({ advance_when: { complaints_at_most: 0, positive_share_above: 0.5, min_ratings: 5 } }),
  plan({ roll_back_when: { error_rate_above: 0.02, complaints_above: 5 } }),
  plan({
    roll_back_when: { error_rate_above: 0.02, p95_ms_above: 1000, complaints_above: 5 },
    first_day: { error_rate_above: 0.01, p95_ms_above: 500, complaints_above: 0 },
  }),
  plan({ metrics: [{ name: "checkout.completed", at_least_per_day: 100, by: "value" }] }),
  before({ metrics: [{ name: "checkout.completed", max_fall: 0.05, then: "roll_back", min_people: 0 }] }),
  before({
    metrics: [
      { name: "support.ticket", max_rise: 0.01, then: "hold", min_people: 0 },
      { name: "a", of: "b", share_above: 0.95, share_below: 1 },
    ],
  }),
  before({ metrics: [{ name: "a", max_fall: 0 }, { name: "b_2.c", max_fall: 0.9, at_least_per_day: 0.5 }] }),
  plan({
    metrics: [
      { name: "a", of: "b", share_above: 0.85, back_below: 0.7 },
      { name: "c", of: "b", back_above: 0.1 },
      { name: "mail.route_failed", at_most_per_hour: 0 },
    ],
  }),
  before({ percentage: 0, users: 10 }),
  before({ percentage: 0, users: 10_000, among: ["beta"], user_ids: ["u1"] }),
  {
    stages: [
      stage({ name: "ten", percentage: 0, users: 10 }),
      stage({ name: "fifty", percentage: 0, users: 50 }),
      stage(),
    ],
  },
];

const METRIC = { name: "checkout.completed", max_fall: 0.05 };

const BROKEN: unknown[] = [
  null,
  [],
  "standard",
  {},
  { stages: [] },
  { stages: {} },
  { stages: [null] },
  { stages: ["all"] },
  { ...plan(), more: 1 },
  { ...plan(), name: "" },
  { ...plan(), name: 7 },
  { ...plan(), name: null },
  { stages: Array.from({ length: 21 }, (_, i) => stage({ name: `${i}` })) },
  ...Object.keys(STAGE).map(without),
  ...["", 7, null, "a".repeat(61)].map((name) => plan({ name })),
  ...[-0.01, 100.01, 99.999, "100", null, 99].map((percentage) => plan({ percentage })),
  ...[0, -1, 1.5, 129_601, "60", null].map((hold_minutes) => plan({ hold_minutes })),
  ...[-1, 0.5, 10_000_001, null].map((min_samples) => plan({ min_samples })),
  ...[60, 0, 259_201, 90.5, null].map((overdue_minutes) => plan({ overdue_minutes })),
  ...["u1", [""], [1], ["a".repeat(201)], null, Array(1001).fill("u")].map((user_ids) => plan({ user_ids })),
  ...["beta", [""], Array(21).fill("s"), null].map((segments) => plan({ segments })),
  ...[null, [], { error_rate: 1 }, { no_errors: false }, { no_errors: 1 }].map((advance_when) =>
    plan({ advance_when })
  ),
  ...[0, 1, -0.1, "0.1", null].map((error_rate_below) => plan({ advance_when: { error_rate_below } })),
  ...[0, 401, "400", null].map((p95_ms_below) => plan({ advance_when: { p95_ms_below } })),
  ...[null, [], {}, { errors: 1 }].map((roll_back_when) => plan({ roll_back_when })),
  ...[0, 0.51, "0.1", null].map((error_rate_above) =>
    plan({ advance_when: {}, roll_back_when: { error_rate_above } })
  ),
  ...[0, 999, null].map((p95_ms_above) => plan({ roll_back_when: { p95_ms_above } })),
  ...[
    null,
    {},
    { minutes: 5, min_samples: 20 },
    { ...plain, minutes: 0 },
    { ...plain, minutes: 61 },
    { ...plain, minutes: 2.5 },
    { ...plain, min_samples: 0 },
    { ...plain, mean_ms_above: 0 },
    { ...plain, mean_ms_above: 60_001 },
    { ...plain, error_rate_above: 1 },
    { ...plain, more: 1 },
    { minutes: 5, mean_ms_above: 500 },
  ].map((plain) => plan({ roll_back_when: { plain } })),
  plan({ more: 1 }),
  ...[-1, 0.5, "0", null, 10_001].map((complaints_at_most) => plan({ advance_when: { complaints_at_most } })),
  plan({ advance_when: { positive_share_above: 0.5 } }),
  plan({ advance_when: { min_ratings: 5 } }),
  ...[-0.1, 1, "0.5", null].map((positive_share_above) =>
    plan({ advance_when: { positive_share_above, min_ratings: 5 } })
  ),
  ...[0, 1.5, null].map((min_ratings) => plan({ advance_when: { positive_share_above: 0.5, min_ratings } })),
  ...[-1, 0.5, null].map((complaints_above) =>
    plan({ roll_back_when: { error_rate_above: 0.02, complaints_above } })
  ),
  plan({ roll_back_when: { complaints_above: 5 } }),
  plan({
    advance_when: { complaints_at_most: 6 },
    roll_back_when: { error_rate_above: 0.02, complaints_above: 5 },
  }),
  ...[{}, null, [], { error_rate_above: 0.03 }, { p95_ms_above: 500 }, { complaints_above: 1 }, { errors: 1 }]
    .map((first_day) => plan({ first_day, advance_when: {}, roll_back_when: { error_rate_above: 0.02 } })),
  ...[
    null,
    [],
    {},
    [{ name: "checkout.completed" }],
    [{ max_fall: 0.05 }],
    [{ name: "a", max_rise: 10 }],
    [{ name: "a", of: "b" }],
    [{ name: "a", of: "B", share_above: 0.5 }],
    [{ name: "a", share_above: 0.5 }],
    [{ name: "a", at_least_per_day: 1, share_below: 0.5 }],
    [{ name: "a", of: "b", share_below: 0 }],
    [{ name: "a", back_below: 0.5 }],
    [{ name: "a", of: "b", back_below: 0 }],
    [{ name: "a", of: "b", back_above: 1 }],
    [{ name: "a", of: "b", share_above: 0.7, back_below: 0.8 }],
    [{ name: "a", of: "b", share_below: 0.2, back_above: 0.1 }],
    [{ name: "a", at_most_per_hour: 0.5 }],
    [{ name: "a", at_most_per_hour: -1 }],
    [{ name: "a", of: "b", share_above: 1 }],
    [{ name: "a", of: "b", share_above: 0.5, min_people: 3 }],
    [{ ...METRIC, name: "Checkout" }],
    [{ ...METRIC, name: "a".repeat(61) }],
    [{ ...METRIC, max_fall: 0.91 }],
    [{ ...METRIC, max_fall: "0.05" }],
    [{ ...METRIC, then: "page" }],
    [{ ...METRIC, by: "money" }],
    [{ ...METRIC, min_people: -1 }],
    [{ ...METRIC, at_least_per_day: null }],
    [{ ...METRIC, more: 1 }],
    [{ name: "a", at_least_per_day: 1, then: "hold" }],
    [{ name: "a", at_least_per_day: 1, min_people: 5 }],
    Array(11).fill(METRIC),
  ].map((metrics) => before({ metrics })),
  plan({ metrics: [METRIC] }),
  before({ percentage: 0, user_ids: ["u1"], metrics: [METRIC] }),
  ...[0, 10_001, 1.5, "10", null].map((users) => before({ percentage: 0, users })),
  before({ users: 10 }),
  before({ among: ["beta"] }),
  ...["beta", [""], Array(21).fill("s"), null].map((among) => before({ percentage: 0, users: 10, among })),
  {
    stages: [
      stage({ name: "ten", percentage: 0, users: 10 }),
      stage({ name: "again", percentage: 0, users: 10 }),
      stage(),
    ],
  },
  {
    stages: [stage({ name: "a", percentage: 5 }), stage({ name: "ten", percentage: 0, users: 10 }), stage()],
  },
  { stages: [stage({ name: "all first" }), stage({ name: "ten", percentage: 100, users: 10 })] },
  plan({ advance_when: { error_rate_below: 0.03 } }),
  plan({ advance_when: { p95_ms_below: 500 }, roll_back_when: { p95_ms_above: 400 } }),
  before({ percentage: 0 }),
  before({ percentage: 0, user_ids: [], segments: [] }),
  before({ name: "all" }),
  { stages: [stage({ name: "a", percentage: 50 }), stage({ name: "b", percentage: 25 }), stage()] },
  { stages: [stage({ percentage: 50 })] },
];

databaseTest("plans: zod and SQL accept the same plans and explain the same errors", async (sql) => {
  for (const [sound, plans] of [[true, SOUND], [false, BROKEN]] as const) {
    for (const plan of plans) {
      const label = JSON.stringify(plan).slice(0, 300);
      const checked = checkPlan(plan);
      assertEquals(checked.ok, sound, `zod: ${label} ${JSON.stringify(checked)}`);
      const [{ faults }] = await sql`
        select private.rollout_plan_faults(${JSON.stringify(plan)}::text::jsonb) as faults`;
      assertEquals(faults.length === 0, sound, `SQL: ${label} ${faults}`);
    }
  }
});

databaseTest("plans: the template standard has the manual's phases", async (sql) => {
  const [{ plan }] = await sql`select private.rollout_template('standard', '["u1", "u2"]', null) as plan`;
  const checked = checkPlan(plan);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  const gradual = {
    advance_when: { error_rate_below: 0.005, p95_ms_below: 400, complaints_at_most: 0 },
    roll_back_when: { error_rate_above: 0.01, p95_ms_above: 1000, complaints_above: 5 },
  };
  const sharp = { first_day: { error_rate_above: 0.005, p95_ms_above: 500 } };
  const days = (n: number) => n * 24 * 60;
  assertEquals(
    checked.plan.stages.map(({ min_samples: _, ...stage }) => stage),
    [
      {
        name: "internal",
        percentage: 0,
        user_ids: ["u1", "u2"],
        hold_minutes: days(1),
        advance_when: { no_errors: true, p95_ms_below: 500 },
        roll_back_when: { error_rate_above: 0.05, p95_ms_above: 1000 },
      },
      {
        name: "beta",
        percentage: 10,
        hold_minutes: days(4),
        advance_when: { error_rate_below: 0.01, p95_ms_below: 500 },
        roll_back_when: { error_rate_above: 0.02, complaints_above: 5 },
        first_day: { error_rate_above: 0.01, complaints_above: 3 },
      },
      ...[25, 50, 75, 100].map((percentage) => ({
        name: `${percentage} %`,
        percentage,
        hold_minutes: days(2),
        overdue_minutes: days(3),
        ...gradual,
        ...sharp,
      })),
      {
        name: "full",
        percentage: 100,
        hold_minutes: days(3),
        ...gradual,
        advance_when: { error_rate_below: 0.005, p95_ms_below: 400 },
      },
    ],
  );
});

databaseTest("plans: the template canary exists, and no unknown one", async (sql) => {
  const [{ plan, other }] = await sql`
    select private.rollout_template('canary', null, null) as plan, private.rollout_template('x', null, null) as other`;
  const checked = checkPlan(plan);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  assertEquals(checked.plan.stages.map(({ percentage, hold_minutes }) => [percentage, hold_minutes]), [
    [1, 30],
    [5, 30],
    [10, 30],
    [25, 60],
    [50, 60],
    [100, 120],
  ]);
  for (const { advance_when, roll_back_when } of checked.plan.stages) {
    assertEquals(advance_when, { error_rate_below: 0.001 });
    assertEquals(roll_back_when, {
      error_rate_above: 0.01,
      plain: { minutes: 5, min_samples: 20, mean_ms_above: 500 },
    });
  }
  assertEquals(other, null);
});

databaseTest(
  "plans: the template replies lasts a week and a month, with the triggers and targets of its plan",
  async (sql) => {
    const [{ plan }] = await sql`select private.rollout_template('replies', null, null) as plan`;
    const checked = checkPlan(plan);
    if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
    const { stages } = checked.plan;
    assertEquals(
      stages.map(({ name, percentage, hold_minutes }) => [name, percentage, hold_minutes / 1440]),
      [
        ["10 %", 10, 1],
        ["25 %", 25, 1],
        ["50 %", 50, 2],
        ["week 1", 100, 3],
        ["month 1", 100, 23],
      ],
    );
    for (const { percentage, roll_back_when, metrics } of stages) {
      assertEquals(roll_back_when, { error_rate_above: 0.05, p95_ms_above: 2000, complaints_above: 2 });
      if (percentage === 100) continue;
      assertEquals(metrics, [
        { name: "reply.forwarded", max_fall: 0.1, then: "roll_back", min_people: 0, by: "value" },
        { name: "support.ticket", max_rise: 0.01, min_people: 0 },
      ]);
    }
    const [week, month] = stages.slice(3);
    assertEquals(week.metrics, [
      { name: "mail.tokened", of: "mail.sent", share_above: 0.95 },
      { name: "reply.forwarded", of: "reply.to_forward", share_above: 0.9 },
    ]);
    assertEquals(month.metrics, [
      { name: "reply.legacy", of: "reply.received", share_below: 0.1 },
      { name: "reply.forwarded", of: "reply.to_forward", share_above: 0.9 },
    ]);
    assertEquals(month.advance_when, {
      error_rate_below: 0.01,
      p95_ms_below: 1000,
      positive_share_above: 0.5,
      min_ratings: 5,
    });
  },
);

databaseTest("plans: the template masking has a pilot of a week, and the plan's criteria", async (sql) => {
  const [{ plan, nobody }] = await sql`
    select private.rollout_template('masking', '["org:1", "org:2"]', null) as plan,
      private.rollout_plan_faults(private.rollout_template('masking', null, null)) as nobody`;
  const checked = checkPlan(plan);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  assertEquals(
    checked.plan.stages.map(({ name, percentage, user_ids, hold_minutes }) => [
      name,
      percentage,
      user_ids,
      hold_minutes / 1440,
    ]),
    [["pilot", 0, ["org:1", "org:2"], 7], ["everybody", 100, undefined, 1]],
  );
  for (const { advance_when, roll_back_when, metrics } of checked.plan.stages) {
    assertEquals(advance_when, { no_errors: true, complaints_at_most: 0 });
    assertEquals(roll_back_when, { error_rate_above: 0.05, complaints_above: 2 });
    assertEquals(metrics, [
      { name: "text.owner_inbox", of: "text.decided", share_below: 0.3 },
      { name: "text.blocked", of: "text.decided", share_below: 0.1 },
      { name: "text.no_window", of: "text.decided", share_below: 0.1 },
    ]);
  }
  assertEquals(nobody.length, 1, "a pilot needs somebody");
});
