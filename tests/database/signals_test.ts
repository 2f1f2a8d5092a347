/** What people say and do, and kill switches: what they do to a rollout, by what a person had, and that evidence proves it. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { murmur3 } from "../../supabase/functions/_shared/crypto/murmur3.ts";
import { evaluate, prepareFlags, type Setting } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { none } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { eventInWords } from "../../supabase/functions/_shared/contract/words/rollouts.ts";
import { replay, type RolloutEvent } from "../../supabase/functions/_shared/rollouts/replay.ts";
import { fallS, signalsSay } from "../../supabase/functions/_shared/rollouts/signals.ts";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { holds } from "../support/property.ts";
import { advance, writeMinutes } from "../support/rollouts.ts";
import { countsOf } from "../support/rollout_traffic.ts";
import { complain, FLAG, happened, LAST, people, rate, stage, start, traffic } from "../support/signals.ts";

const utf8 = new TextEncoder();
/** The whole hash of which a bucket is the beginning. */
const bucketOf = (salt: string, id: string) => murmur3(utf8.encode(salt + id), 0);
const after = (first: Date, minutes: number) => new Date(first.getTime() + minutes * 60_000);

/** The guard's verdict, minutes after the stage's first. */
async function verdict(sql: Sql, first: Date, minutes: number): Promise<string> {
  const [said] = await advance(sql, first, minutes * 60 + 25);
  return `${said.verdict} ${said.rule}`;
}

async function stateOf(sql: Sql, id: string) {
  const [row] =
    await sql`select state, hold_reason, (select value from public.settings where key = flag_key) as flag
    from public.rollouts where id = ${id}`;
  return { ...row } as { state: string; hold_reason: string | null; flag: string };
}

/** The events, each with what it says; and nothing in their evidence differs when it is recomputed. */
async function story(sql: Sql, id: string): Promise<string[]> {
  const events = await sql`select id, at::text, kind, stage, verdict, rule, figures, evidence
    from public.rollout_events where rollout_id = ${id} order by at, id`;
  for (const { kind, recorded, differences } of replay([...events] as unknown as RolloutEvent[])) {
    assertEquals(differences, [], `${kind} ${recorded.rule}`);
  }
  return events.map((event) => eventInWords(event as never));
}

databaseTest("signals: SQL and TypeScript judge alike", async (sql) => {
  const weight = fc.oneof(fc.nat(5_000_000), fc.nat(20).map((n) => n * 1000));
  const metric = fc.record({
    name: fc.constantFrom("a", "b"),
    max_fall: fc.option(fc.constantFrom(0, 0.05, 0.3, 0.9), { nil: undefined }),
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
      const seen = { ...said, metrics: metrics.map(([{ name }, one]) => ({ name, ...one })) };
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

databaseTest("record_feedback: the same key once, and nothing of what cannot be", async (sql) => {
  await start(sql, [stage(), LAST]);
  const [someone] = people(true, 1);
  const record = (items: unknown[]) =>
    as(
      sql,
      SERVICE,
      async (sql) => (await sql`select public.record_feedback(${sql.json(items as never)}) as a`)[0].a,
    );
  const one = { kind: "complaint", subject: someone, key: "case-1" };
  assertEquals(await record([one, one, { ...one, key: "case-2" }]), { accepted: 2, repeated: 1 });
  assertEquals(await record([one]), { accepted: 0, repeated: 1 });
  for (
    const wrong of [
      { ...one, kind: "praise", key: "3" },
      { kind: "rating", subject: someone, rating: 6 },
      { kind: "complaint", subject: someone, rating: 1 },
      { kind: "complaint", subject: "" },
      { kind: "complaint", subject: "x".repeat(201) },
    ]
  ) {
    assertEquals(await refusal(record([{ ...one, key: "4" }, wrong])), "23514", JSON.stringify(wrong));
  }
  const [{ n }] = await sql`select count(*)::int as n from public.feedback`;
  assertEquals(n, 2);
});

databaseTest(
  "a word in a chat is a complaint, praise or a rating, in several languages, once a message",
  async (sql) => {
    const { id } = await start(sql, [stage({ percentage: 100, name: "all" })]);
    const words = [
      "Complaint: the total is wrong",
      "BESCHWERDE!",
      "reclamación",
      "complaints are none of mine",
      "I have no complaint",
      "5/5",
      "2 / 5",
      "praise",
      "15/5",
      "hello",
    ];
    const updates = words.map((body, i) => message({ phone: `49151000000${10 + i}`, body }));
    await ingest(sql, ...updates);
    const now = new Date(Date.now() + 60_000);
    for (let i = 0; i < 3; i++) await sql`select private.advance_rollouts(${now})`;
    const rows = await sql`
    select f.kind, f.rating, f.positive, f.source, o.arm, m.text from public.feedback f
    join public.rollout_feedback o on o.feedback_id = f.id and o.rollout_id = ${id}
    join public.messages m on m.id = f.message_id order by m.seq`;
    assertEquals(rows.map(({ text, kind, rating, positive, arm }) => [text, kind, rating, positive, arm]), [
      [words[0], "complaint", null, false, "on"],
      [words[1], "complaint", null, false, "on"],
      [words[2], "complaint", null, false, "on"],
      ["5/5", "rating", 5, true, "on"],
      ["2 / 5", "rating", 2, false, "on"],
      ["praise", "rating", null, true, "on"],
    ]);
    // The team's own words take the place of the built-in ones.
    await sql`insert into public.settings (key, value) values ('feedback.complaint_words', '["Ikirego", "👎"]')`;
    await ingest(
      sql,
      message({ phone: "4915100000031", body: "ikirego: ntibikora" }),
      message({ phone: "4915100000032", body: "👎" }),
      message({ phone: "4915100000033", body: "complaint" }),
    );
    // All of them once more: what is written down already is not written again.
    await sql`update private.feedback_heard set up_to = '-infinity'`;
    const heard = await sql`select private.hear_feedback(${new Date(now.getTime() + 60_000)}) as n`;
    assertEquals(heard[0].n, 2);
    for (const wrong of ["complaint", "{}", "[1]", '[""]', '[" a"]', `["${"x".repeat(61)}"]`]) {
      const set = sql`update public.settings set value = ${wrong} where key = 'feedback.complaint_words'`;
      assert(["23514", "22P02"].includes(await refusal(set) ?? "nothing"), wrong);
    }
  },
);

databaseTest("a word in a chat: nothing is looked at while no rollout would listen", async (sql) => {
  await ingest(sql, message({ body: "complaint" }));
  const [{ n }] = await sql`select private.hear_feedback(now() + interval '1 minute') as n`;
  const [{ up_to }] = await sql`select up_to::text from private.feedback_heard`;
  assertEquals([n, up_to], [0, "-infinity"]);
});

databaseTest(
  "add_feedback: the team writes down what it is told, and who reads the list sees no more than they may",
  async (sql) => {
    const { id } = await start(sql, [stage(), LAST]);
    const [viewer, operator] = [await signedIn(sql, "viewer"), await signedIn(sql, "operator")];
    await ingest(sql, message({ phone: "4915100000042", body: "it fails" }));
    const [{ written, contact }] = await sql`
    select m.id as written, c.contact_id as contact from public.messages m join public.conversations c on c.id = m.conversation_id`;
    const add = (
      person: string | null,
      changes: { rating?: number; message?: string; flag?: string } = {},
      who = operator,
    ) =>
      as(
        sql,
        who,
        async (sql) =>
          (await sql`select public.add_feedback(${changes.rating ? "rating" : "complaint"}, ${person}, ${
            changes.flag ?? null
          },
        ${changes.rating ?? null}, 'it fails', ${changes.message ?? null}) as a`)[0].a,
      );
    const [having] = people(true, 1), [lacking] = people(false, 1);
    assertEquals((await add(having)).counts_for, [{ flag_key: FLAG, rollout_id: id, stage: 1, arm: "on" }]);
    assertEquals((await add(lacking, { flag: FLAG })).counts_for[0].arm, "off");
    await add(having, { rating: 5 });
    await add("+49 151 0000 0042");
    await add(null, { message: written });
    const rows =
      await sql`select subject_id from public.feedback where text = 'it fails' order by id desc limit 2`;
    assertEquals(
      rows.map(({ subject_id }) => subject_id),
      [contact, contact],
      "a number and a message are the contact",
    );
    assertEquals(await refusal(add(null, { message: written })), "GL409");
    assertEquals(await refusal(add(null, { message: crypto.randomUUID() })), "GL404");
    assertEquals(await refusal(add("+49 151 99")), "GL404");
    assertEquals(await refusal(add(having, { flag: "no.enabled" })), "GL404");
    assertEquals(await refusal(add("")), "GL422");
    assertEquals(await refusal(add(having, {}, viewer)), "42501");
    const list = (who: typeof viewer) =>
      as(
        sql,
        who,
        async (sql) =>
          (await sql`select public.list_feedback(${FLAG}, 50) as a`)[0].a as Record<string, unknown>[],
      );
    const [seen, whole] = [await list(viewer), await list(operator)];
    assertEquals(seen.length, whole.length);
    assertEquals(new Set(seen.map(({ text }) => text)), new Set([null]));
    assertEquals(new Set(whole.map(({ text }) => text)), new Set(["it fails"]));
    assert(!JSON.stringify(whole).includes(contact), "no id is shown whole");
  },
);

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
    assert(n >= 1, "the message that brought the token is counted");
  },
);

databaseTest(
  "kill switch: the rollout waits and says so, nobody moves it on, and it goes on once it is unset",
  async (sql) => {
    const { id, first } = await start(sql, [stage({ hold_minutes: 5 }), LAST]);
    await traffic(sql, first, 60);
    const report = (flags: string[], minutes: number) =>
      sql`select private.report_kill_switches(${flags}, ${after(first, minutes)})`;
    await report([FLAG, "unknown.enabled"], 9);
    assertEquals(await verdict(sql, first, 10), "page kill_switch");
    assertEquals((await stateOf(sql, id)).hold_reason, "kill_switch");
    assertEquals(
      (await story(sql, id)).at(-1),
      "the kill switch is set: nobody has the feature, and the rollout waits",
    );
    const version = async () =>
      (await sql`select version::int as v from public.rollouts where id = ${id}`)[0].v;
    assertEquals(
      await refusal(sql`select public.advance_rollout(${id}, ${await version()}, 'now')`),
      "GL409",
    );
    assertEquals(
      await refusal(sql`select public.complete_rollout(${id}, ${await version()}, 'now')`),
      "GL409",
    );
    assertEquals(await refusal(sql`update public.rollouts set stage = 2 where id = ${id}`), "GL409");
    const [{ told }] = await sql`select public.list_kill_switches() as told`;
    assertEquals(told.map(({ flag_key }: { flag_key: string }) => flag_key), [FLAG]);
    const [{ status }] = await sql`select public.status() as status`;
    assert(status.rollouts[0].killed_since !== null && status.kill_switches.length === 1);
    const [{ shown }] = await sql`select private.overview(60, ${after(first, 11)}) as shown`;
    assert(shown.rollouts[0].killed_since !== null);
    // Who complains has not had it meanwhile.
    await complain(sql, people(true, 3), after(first, 11), FLAG);
    const arms = await sql`select distinct arm from public.rollout_feedback`;
    assertEquals(arms.map(({ arm }) => arm), ["off"]);
    await report([], 12);
    assertEquals(await verdict(sql, first, 13), "advance criteria_met");
  },
);

databaseTest(
  "kill switch: what nobody has said again for ten minutes is over, and a paused rollout may be taken back",
  async (sql) => {
    const { id, first } = await start(sql, [stage({ hold_minutes: 5 }), LAST]);
    await traffic(sql, first, 60);
    await sql`select private.report_kill_switches(${[FLAG]}, ${after(first, 9)})`;
    assertEquals(await verdict(sql, first, 10), "page kill_switch");
    assertEquals(await verdict(sql, first, 20), "advance criteria_met");
    await sql`select private.report_kill_switches(${[FLAG]}, now())`;
    const [{ state }] = await sql`
    select state from public.roll_back_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    assertEquals(state, "rolled_back", "the way back is open");
  },
);

databaseTest(
  "users: so many people are chosen by the hash of the percentages, and stay chosen at every door",
  async (sql) => {
    const users = (n: number) =>
      stage({ name: `${n} people`, percentage: 0, users: n, among: ["beta"], hold_minutes: 5 });
    const members = Array.from({ length: 40 }, (_, i) => `member-${i}`);
    await sql`insert into public.segments (key) values ('beta')`;
    await sql`insert into public.segment_members (segment_key, subject_id) select 'beta', unnest(${members}::text[])`;
    const { id, first } = await start(sql, [
      users(3),
      users(10),
      stage({ percentage: 25, name: "quarter" }),
      LAST,
    ]);
    const chosen = async () =>
      (await sql`select chosen from public.rollout_stages where rollout_id = ${id} and position = (
      select stage from public.rollouts where id = ${id})`)[0].chosen as string[];
    const hash = (member: string) => bucketOf(FLAG, member);
    const inOrder = [...members].sort((a, b) => hash(a) - hash(b));
    const three = await chosen();
    assertEquals(three.length, 3);
    assertEquals([...three].sort(), inOrder.slice(0, 3).sort(), "the first of the percentages");
    const config =
      await sql`select key, value, metadata, version::int from public.settings where key = ${FLAG}`;
    const flags = prepareFlags([config[0] as unknown as Setting]);
    for (const member of members) {
      const [{ value, reason }] =
        await sql`select value, reason from private.evaluate_flag(${FLAG}, ${member})`;
      assertEquals([value, reason], [three.includes(member), value ? "TARGETING_MATCH" : "STATIC"], member);
      assertEquals(evaluate(flags, FLAG, member).value, value, member);
    }
    // Somebody comes who would be first, and one of the three is gone from the segment: the three stay.
    const early = Array.from({ length: 5000 }, (_, i) => `new-${i}`).find((member) =>
      hash(member) < hash(inOrder[0])
    )!;
    await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${early})`;
    await sql`delete from public.segment_members where subject_id = ${three[0]}`;
    await sql`select public.pause_rollout(${id}, (select version from public.rollouts where id = ${id}))`;
    await sql`select public.resume_rollout(${id}, (select version from public.rollouts where id = ${id}))`;
    assertEquals(await chosen(), three, "a stage that begins anew has the same people");
    await sql`select public.advance_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    const ten = await chosen();
    assertEquals([ten.length, ten.slice(0, 3), ten.includes(early)], [10, three, true]);
    await sql`select public.advance_rollout(${id}, (select version from public.rollouts where id = ${id}), 'a test')`;
    for (const member of ten) {
      assertEquals(
        (await sql`select value from private.evaluate_flag(${FLAG}, ${member})`)[0].value,
        true,
        member,
      );
    }
    const said = await story(sql, id);
    assert(said.includes("the rollout by the plan custom began with 3 people (3 people)"), said.join("\n"));
    assert(said.includes("10 people (10 people) began"));
    assert(first !== undefined);
  },
);

databaseTest(
  "users: without segments they are people who wrote lately, and fewer where there are fewer",
  async (sql) => {
    await ingest(sql, ...["21", "22", "23"].map((n) => message({ phone: `49151000000${n}` })));
    const { id } = await start(sql, [stage({ name: "ten people", percentage: 0, users: 10 }), LAST]);
    const [{ chosen }] =
      await sql`select chosen from public.rollout_stages where rollout_id = ${id} and position = 1`;
    const contacts = await sql`select id::text from public.contacts`;
    assertEquals([...chosen].sort(), contacts.map(({ id }) => id).sort());
    assertEquals(
      (await story(sql, id)).at(-1),
      "the rollout by the plan custom began with ten people (3 people of 10)",
    );
  },
);

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
