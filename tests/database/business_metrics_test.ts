/** Business metrics: counted once a key, and what a stage of a rollout makes of them. */
import { assert, assertEquals } from "../support/assert.ts";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import {
  after,
  FLAG,
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

databaseTest(
  "metrics: a guardrail takes back or pages when fewer with the feature do it than without",
  async (sql) => {
    for (const then of ["roll_back", "hold"] as const) {
      await sql`delete from public.settings where key = ${FLAG}`;
      const guarded = stage({
        metrics: [{ name: "checkout.completed", max_fall: 0.05, then, min_people: 40 }],
      });
      const { id, first } = await start(sql, [guarded, LAST]);
      await happened(sql, "checkout.completed", people(true, 4), after(first, 1));
      await happened(sql, "checkout.completed", people(false, 10), after(first, 1));
      // The same people again say nothing more.
      for (let i = 0; i < 9; i++) {
        await happened(
          sql,
          "checkout.completed",
          people(false, 10),
          after(first, 2),
        );
      }
      assertEquals(await verdict(sql, first, 3), "hold hold_time");
      await happened(sql, "checkout.completed", people(false, 60).slice(10), after(first, 3));
      assertEquals(
        await verdict(sql, first, 4),
        then === "roll_back" ? "roll_back guardrail" : "page guardrail",
      );
      assertEquals((await stateOf(sql, id)).state, then === "roll_back" ? "rolled_back" : "running");
      const said = (await story(sql, id)).at(-1);
      assertEquals(
        said,
        `checkout.completed has fallen by more than 5 % with the flag on (4 people with it, 60 without it): ${
          then === "roll_back" ? "the flag is off" : "the rollout waits"
        }`,
      );
      if (
        then === "hold"
      ) {
        await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'enough')`;
      }
    }
  },
);

databaseTest(
  "metrics: too few people hold, equal arms go on, and who has it by a list is not compared",
  async (sql) => {
    const guarded = stage({
      hold_minutes: 5,
      user_ids: ["tester-1"],
      metrics: [{ name: "checkout.completed", max_fall: 0, min_people: 60 }],
    });
    const { id, first } = await start(sql, [guarded, LAST]);
    await traffic(sql, first, 40);
    await happened(sql, "checkout.completed", ["tester-1", ...people(true, 20)], after(first, 1));
    await happened(sql, "checkout.completed", people(false, 20), after(first, 1));
    assertEquals(await verdict(sql, first, 10), "hold people");
    assert((await story(sql, id)).at(-1)!.includes("40 of 60 people are counted for checkout.completed"));
    await happened(sql, "checkout.completed", people(true, 40), after(first, 11));
    await happened(sql, "checkout.completed", people(false, 44), after(first, 11));
    assertEquals(await verdict(sql, first, 12), "advance criteria_met");
    // Gone with the rollout, and not before.
    await sql`select private.purge_flag_metrics(now())`;
    const [before] = await sql`select count(*)::int as n from private.metric_people`;
    await sql`select public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'enough')`;
    await sql`select private.purge_flag_metrics(now())`;
    const [gone] = await sql`select count(*)::int as n from private.metric_people`;
    assertEquals([before.n, gone.n], [85, 0]);
  },
);

databaseTest("metrics: one large value moves nothing, and values that fall do", async (sql) => {
  const guarded = stage({
    metrics: [{ name: "order.paid", max_fall: 0.05, then: "roll_back", by: "value" }],
  });
  const { first } = await start(sql, [guarded, LAST]);
  await happened(sql, "order.paid", people(true, 30), after(first, 1), () => 20);
  await happened(sql, "order.paid", people(false, 30), after(first, 1), (i) => i === 0 ? 1_000_000 : 20);
  assertEquals(await verdict(sql, first, 2), "hold hold_time");
  await happened(sql, "order.paid", people(true, 200).slice(30), after(first, 3), () => 4);
  await happened(sql, "order.paid", people(false, 200).slice(30), after(first, 3), () => 20);
  assertEquals(await verdict(sql, first, 4), "roll_back guardrail");
});

databaseTest("metrics: a goal holds until people with the feature reach it", async (sql) => {
  const aimed = stage({ hold_minutes: 5, metrics: [{ name: "order.paid", at_least_per_day: 3 }] });
  const { id, first } = await start(sql, [aimed, LAST]);
  await traffic(sql, first, 40);
  await happened(sql, "order.paid", [...people(true, 2), ...people(false, 9)], after(first, 1));
  assertEquals(await verdict(sql, first, 10), "hold goal");
  assert((await story(sql, id)).at(-1)!.endsWith("order.paid is at 2 a day, and the goal is 3"));
  await happened(sql, "order.paid", people(true, 1), after(first, 11));
  assertEquals(await verdict(sql, first, 12), "advance criteria_met");
});

databaseTest(
  "metrics: what rises with the feature by more than a stage allows pages, and what falls does not",
  async (sql) => {
    const guarded = stage({ metrics: [{ name: "support.ticket", max_rise: 0.01, min_people: 0 }] });
    const { id, first } = await start(sql, [guarded, LAST]);
    await happened(sql, "support.ticket", people(false, 60), after(first, 1));
    assertEquals(await verdict(sql, first, 2), "hold hold_time");
    await happened(sql, "support.ticket", people(true, 200), after(first, 3));
    assertEquals(await verdict(sql, first, 4), "page guardrail");
    assertEquals(
      (await story(sql, id)).at(-1),
      "support.ticket has risen by more than 1 % with the flag on (200 people with it, 60 without it): the rollout waits",
    );
  },
);

databaseTest(
  "metrics: a share of another metric holds until it is as the stage asks, and while nothing is counted",
  async (sql) => {
    const shared = stage({
      hold_minutes: 5,
      metrics: [
        { name: "mail.tokened", of: "mail.sent", share_above: 0.9 },
        { name: "reply.legacy", of: "mail.sent", share_below: 0.5 },
      ],
    });
    const { id, first } = await start(sql, [shared, LAST]);
    await traffic(sql, first, 40);
    assertEquals(await verdict(sql, first, 10), "hold share");
    assert(
      (await story(sql, id)).at(-1)!.endsWith(
        "no mail.sent has been counted yet, and mail.tokened shall be a share of it",
      ),
    );
    // What people without the feature do is no part of it.
    await happened(sql, "mail.sent", [...people(true, 10), ...people(false, 9)], after(first, 11));
    await happened(sql, "mail.tokened", people(true, 9), after(first, 11));
    const [{ seen }] = await sql`
    select private.rollout_signals(r, private.rollout_stage(r), ${
      after(first, 12)
    }) -> 'said' -> 'figures' as seen
    from public.rollouts r where r.id = ${id}`;
    assertEquals(seen, { metric: "mail.tokened", of: "mail.sent", n: 9, of_n: 10, share_above: 0.9 });
    await happened(sql, "mail.tokened", people(true, 10).slice(9), after(first, 12));
    await happened(sql, "reply.legacy", people(true, 5), after(first, 12));
    assertEquals(await verdict(sql, first, 13), "hold share", "half is not below a half");
    await happened(sql, "mail.sent", people(true, 1), after(first, 13));
    await happened(sql, "mail.tokened", people(true, 1), after(first, 13));
    assertEquals(await verdict(sql, first, 14), "advance criteria_met");
  },
);

databaseTest(
  "record_metrics: a key counts once, names are bounded, and links' conversions are one of them",
  async (sql) => {
    const record = (items: unknown[]) =>
      as(
        sql,
        SERVICE,
        async (sql) => (await sql`select public.record_metrics(${sql.json(items as never)}) as a`)[0].a,
      );
    const order = { name: "order.paid", subject: "u1", value: 12.5, key: "order-1" };
    assertEquals(await record([order, order, { ...order, key: "order-2" }, { name: "order.paid" }]), {
      accepted: 3,
      repeated: 1,
    });
    assertEquals(await record([order, { ...order, name: "order.sent" }]), { accepted: 1, repeated: 1 });
    for (const name of ["Order", "", null]) assertEquals(await refusal(record([{ name }])), "GL422");
    const many = Array.from({ length: 99 }, (_, i) => ({ name: `made.up_${i}` }));
    assertEquals(await refusal(record(many)), "GL422", "a name for each customer would never end");
    const figures = await sql`select public.list_metrics(2) as a`;
    assertEquals(
      figures[0].a.map(({ name, n, value }: Record<string, unknown>) => [name, n, value]),
      [["order.paid", 3, 26], ["order.sent", 1, 12.5]],
    );
    await sql`select private.purge(now() + interval '9 days')`;
    assertEquals(
      await record([order]),
      { accepted: 1, repeated: 0 },
      "after 8 days nobody remembers the key",
    );

    await sql`insert into public.links (code, request_hash, default_url) values ('demo2345', 'h', 'https://www.example.com/')`;
    const line = [
      "demo2345",
      String(Date.now()),
      "ios",
      "00000000000000ff",
      "",
      "whatsapp",
      "",
      "DE",
      "",
      "00000000000000fe",
      "abcdefgh234567ab",
      "",
      "",
    ];
    await sql`select public.record_clicks(${crypto.randomUUID()}, 1, ${line.join(" ")})`;
    for (let i = 0; i < 2; i++) {
      await ingest(sql, message({ token: "abcdefgh234567ab", body: "hi [ref:abcdefgh234567ab]" }));
    }
    const [{ n }] = await sql`select sum(n)::int as n from public.metric_days where name = 'link.converted'`;
    assertEquals(n, 1, "a token that comes again is no other conversion");
  },
);
