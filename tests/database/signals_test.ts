/** What people say of a feature, by what they had: what it does to a rollout; and SQL and TypeScript judge alike. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { fallS, signalsSay } from "../../supabase/functions/_shared/rollouts/signals.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";
import {
  after,
  complain,
  FLAG,
  LAST,
  people,
  rate,
  stage,
  start,
  stateOf,
  story,
  traffic,
  verdict,
} from "../support/signals.ts";

databaseTest("signals: SQL and TypeScript judge alike", async (sql) => {
  const weight = fc.oneof(fc.nat(5_000_000), fc.nat(20).map((n) => n * 1000));
  const metric = fc.record({
    name: fc.constantFrom("a", "b"),
    max_fall: fc.option(fc.constantFrom(0, 0.05, 0.3, 0.9), { nil: undefined }),
    max_rise: fc.option(fc.constantFrom(0, 0.01, 0.3, 9), { nil: undefined }),
    of: fc.option(fc.constant("c"), { nil: undefined }),
    share_above: fc.option(fc.constantFrom(0, 0.5, 0.95), { nil: undefined }),
    share_below: fc.option(fc.constantFrom(0.1, 0.5, 1), { nil: undefined }),
    back_below: fc.option(fc.constantFrom(0.1, 0.7, 0.9999), { nil: undefined }),
    back_above: fc.option(fc.constantFrom(0.0001, 0.1, 0.8), { nil: undefined }),
    at_most_per_hour: fc.option(fc.constantFrom(0, 5), { nil: undefined }),
    then: fc.option(fc.constantFrom("roll_back" as const, "hold" as const), { nil: undefined }),
    min_people: fc.option(fc.nat(100), { nil: undefined }),
    at_least_per_day: fc.option(fc.nat(50), { nil: undefined }),
  });
  const shown = fc.record({
    on: fc.nat(80),
    off: fc.nat(80),
    on_weight: weight,
    off_weight: weight,
    per_day: fc.nat(60),
    n: fc.nat(40),
    of_n: fc.nat(40),
    last_hour: fc.option(fc.nat(10), { nil: undefined }),
  });
  const limit = fc.option(fc.nat(6), { nil: null });
  const property = fc.asyncProperty(
    fc.record({
      complaints_above: limit,
      complaints_at_most: limit,
      positive_share_above: fc.option(fc.constantFrom(0, 0.25, 0.5, 0.9), { nil: null }),
      min_ratings: limit,
      share: fc.option(fc.constantFrom(0.01, 1, 12.34, 50, 99.99), { nil: null }),
    }),
    fc.array(fc.tuple(metric, shown), { maxLength: 3 }),
    fc.record({
      complaints: fc.nat(8),
      complaints_without: fc.nat(8),
      ratings: fc.nat(8),
      positive: fc.nat(8),
    }),
    async (limits, metrics, said) => {
      const asked = { ...limits, metrics: metrics.map(([one]) => JSON.parse(JSON.stringify(one))) };
      const seen = {
        ...said,
        metrics: metrics.map(([{ name }, one]) => JSON.parse(JSON.stringify({ name, ...one }))),
      };
      const [{ found }] = await sql`
        select private.signals_say(${sql.json(asked as never)}, ${sql.json(seen as never)}) as found`;
      assertEquals(found, signalsSay(asked, seen));
    },
  );
  await holds(property, { cases: 1000 });
  const shares = fc.asyncProperty(
    fc.double({ min: 0.0001, max: 0.9999, noNaN: true }),
    fc.double({ min: 0, max: 0.9, noNaN: true }),
    fc.nat(10_000_000_000),
    fc.nat(10_000_000_000),
    async (share, fall, on, off) => {
      const [{ s }] = await sql`select private.fall_s(${share}, ${fall}, ${on}, ${off})::text as s`;
      assertEquals(Number(s), fallS(share, fall, on, off));
    },
  );
  await holds(shares, { cases: 300 });
});

databaseTest(
  "complaints: more than a stage allows take the feature back, each person once, by what they had",
  async (sql) => {
    const { id, first } = await start(sql, [
      stage({ roll_back_when: { error_rate_above: 0.2, complaints_above: 5 } }),
      LAST,
    ]);
    const having = people(true, 6), without = people(false, 20);
    await complain(sql, without, after(first, 1), FLAG);
    await complain(sql, having.slice(0, 5), after(first, 1));
    for (let i = 0; i < 4; i++) await complain(sql, having.slice(0, 1), after(first, 2), FLAG);
    assertEquals(await verdict(sql, first, 3), "hold hold_time");
    await complain(sql, having.slice(5), after(first, 4));
    assertEquals(await verdict(sql, first, 5), "roll_back complaints");
    assertEquals(await stateOf(sql, id), { state: "rolled_back", hold_reason: null, flag: "false" });
    assertEquals(
      (await story(sql, id)).at(-1),
      "6 people with the feature complained, more than 5: the flag is off",
    );
    const [incident] = await sql`select kind, severity, rollout_id from public.incidents`;
    assertEquals({ ...incident }, { kind: "complaints", severity: "P1", rollout_id: id });
    // Of a rollout that is over, and of a flag that nobody knows, nothing is counted.
    await complain(sql, people(true, 7).slice(6), after(first, 6));
    await complain(sql, people(true, 8).slice(7), after(first, 6), "other.enabled");
    const [{ n }] =
      await sql`select count(*)::int as n from public.rollout_feedback where rollout_id = ${id}`;
    assertEquals(n, 20 + 6 + 4, "each is kept, also what somebody says again");
  },
);

databaseTest("complaints: a stage that asks for none waits, and the first day is stricter", async (sql) => {
  const calm = stage({
    hold_minutes: 10,
    advance_when: { complaints_at_most: 0 },
    roll_back_when: { error_rate_above: 0.2, complaints_above: 5 },
    first_day: { complaints_above: 1 },
  });
  const { id, first } = await start(sql, [calm, LAST]);
  await traffic(sql, first, 20);
  const having = people(true, 4);
  await complain(sql, having.slice(0, 1), after(first, 1));
  assertEquals(await verdict(sql, first, 15), "hold complaints");
  assertEquals((await stateOf(sql, id)).hold_reason, "complaints");
  assert(
    (await story(sql, id)).includes(
      "the stage has lasted long enough, but 1 person with the feature complained",
    ),
  );
  // A day later two are fewer than six.
  const later = after(first, 24 * 60);
  await traffic(sql, first, 20, 24 * 60);
  await complain(sql, having.slice(1, 3), later);
  assertEquals(await verdict(sql, first, 24 * 60 + 15), "hold complaints");
  assertEquals((await stateOf(sql, id)).state, "running");
});

databaseTest("complaints: two on the first day are too many where the plan says so", async (sql) => {
  const strict = stage({
    roll_back_when: { error_rate_above: 0.2, complaints_above: 5 },
    first_day: { complaints_above: 1 },
  });
  const { first } = await start(sql, [strict, LAST]);
  await complain(sql, people(true, 2), after(first, 1));
  assertEquals(await verdict(sql, first, 2), "roll_back complaints");
});

databaseTest("ratings: the stage waits for enough of them, and for enough content people", async (sql) => {
  const content = stage({ hold_minutes: 5, advance_when: { positive_share_above: 0.5, min_ratings: 4 } });
  const { id, first } = await start(sql, [content, LAST]);
  await traffic(sql, first, 40);
  const [a, b, c, d] = people(true, 4);
  await rate(
    sql,
    [[a, 5], [b, 4], [c, 1], ...people(false, 9).map((id): [string, number] => [id, 5])],
    after(first, 1),
  );
  assertEquals(await verdict(sql, first, 8), "hold ratings");
  await rate(sql, [[d, 3]], after(first, 9));
  assertEquals(await verdict(sql, first, 10), "hold feedback");
  // Who changed their mind counts once, with what they said last.
  await rate(sql, [[c, 4]], after(first, 11));
  assertEquals(await verdict(sql, first, 12), "advance criteria_met");
  const said = await story(sql, id);
  assert(
    said.includes("the stage has lasted long enough, but 3 of 4 people rated the feature"),
    said.join("\n"),
  );
  assert(
    said.includes(
      "the stage has lasted long enough, but 2 of 4 people are content, which is not more than 50 %",
    ),
  );
});
