/** `POST flags/feedback` and `POST flags/metrics` on the real function and database, and kill switches that functions tell of. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { FLAG, people, stage, start } from "../support/signals.ts";

const send = ({ call }: Edge, path: string, body: unknown, key: string = KEYS.secretKey) =>
  call(`flags/${path}`, { body: JSON.stringify(body), headers: { authorization: `Bearer ${key}` } });

edgeTest(
  "POST flags/feedback: complaints count by what the person has, whatever the caller says, and once a key",
  async (edge) => {
    const { sql } = edge;
    const { id } = await start(sql, [stage(), stage({ name: "all", percentage: 100 })]);
    const [having] = people(true, 1), [lacking] = people(false, 1);
    const complaint = (targetingKey: string) => ({
      kind: "complaint",
      targetingKey,
      flag: FLAG,
      text: "wrong",
    });
    const first = await send(edge, "feedback", {
      feedback: [
        { ...complaint(having), idempotency_key: "c-1" },
        { ...complaint(lacking), idempotency_key: "c-2" },
        { kind: "rating", targetingKey: having, rating: 4 },
      ],
    });
    assertEquals([first.status, first.body], [202, { accepted: 3, repeated: 0 }]);
    const again = await send(edge, "feedback", {
      feedback: [{ ...complaint(having), idempotency_key: "c-1" }],
    });
    assertEquals(again.body, { accepted: 0, repeated: 1 });
    const rows = await sql`select f.kind, f.positive, o.arm, f.source from public.feedback f
    join public.rollout_feedback o on o.feedback_id = f.id where o.rollout_id = ${id} order by f.id`;
    assertEquals(rows.map((row) => ({ ...row })), [
      { kind: "complaint", positive: false, arm: "on", source: "api" },
      { kind: "complaint", positive: false, arm: "off", source: "api" },
      { kind: "rating", positive: true, arm: "on", source: "api" },
    ]);
  },
);

edgeTest(
  "POST flags/feedback and flags/metrics: what cannot be is refused whole, with its place",
  async (edge) => {
    const { sql } = edge;
    const good = { kind: "complaint", targetingKey: "u1" };
    for (
      const [path, body, detail] of [
        [
          "feedback",
          { feedback: [good, { ...good, rating: 3 }] },
          /^feedback\[1\]: `rating` belongs to a rating/,
        ],
        ["feedback", { feedback: [{ ...good, arm: "on" }] }, /^feedback\[0\]: Unrecognized key/],
        [
          "feedback",
          { feedback: [{ kind: "rating", targetingKey: "u1", rating: 6 }] },
          /^feedback\[0\]\.rating: /,
        ],
        ["feedback", { feedback: [{ ...good, text: "a\0b" }] }, /^feedback\[0\]\.text: is not valid Unicode/],
        [
          "metrics",
          { metrics: [{ name: "a", idempotency_key: "\ud800" }] },
          /^metrics\[0\]\.idempotency_key: /,
        ],
        ["feedback", {}, /^feedback: /],
        ["feedback", { feedback: Array(501).fill(good) }, /^feedback: /],
        ["metrics", { metrics: [{ name: "order.paid" }, { name: "Order" }] }, /^metrics\[1\]\.name: /],
        ["metrics", { metrics: [{ name: "order.paid", value: "12" }] }, /^metrics\[0\]\.value: /],
        [
          "metrics",
          { metrics: Array.from({ length: 101 }, (_, i) => ({ name: `m_${i}` })) },
          /100 names already/,
        ],
      ] as const
    ) {
      const { status, body: problem } = await send(edge, path, body);
      assertEquals([status, problem.code], [422, "invalid_request"], JSON.stringify(body).slice(0, 100));
      assertMatch(problem.detail, detail);
    }
    assertEquals((await send(edge, "feedback", { feedback: [good] }, KEYS.publishableKey)).status, 403);
    const [{ n }] =
      await sql`select (select count(*) from public.feedback)::int + (select count(*) from public.metric_days)::int as n`;
    assertEquals(n, 0);
  },
);

edgeTest(
  "POST flags/metrics: counted once a key, summed by day, and under the rollout whose stage asks for it",
  async (edge) => {
    const { sql } = edge;
    await start(sql, [
      stage({ metrics: [{ name: "order.paid", max_fall: 0.05 }] }),
      stage({ name: "all", percentage: 100 }),
    ]);
    const [having] = people(true, 1), [lacking] = people(false, 1);
    const order = (targetingKey: string, n: number) => ({
      name: "order.paid",
      targetingKey,
      value: 10,
      idempotency_key: `order-${n}`,
    });
    const body = { metrics: [order(having, 1), order(having, 2), order(lacking, 3), { name: "visit" }] };
    assertEquals((await send(edge, "metrics", body)).body, { accepted: 4, repeated: 0 });
    assertEquals((await send(edge, "metrics", body)).body, { accepted: 1, repeated: 3 });
    const days =
      await sql`select name, sum(n)::int as n, sum(value)::int as value from public.metric_days group by name order by name`;
    assertEquals(days.map((row) => ({ ...row })), [
      { name: "order.paid", n: 3, value: 30 },
      { name: "visit", n: 2, value: 2 },
    ]);
    const counted = await sql`select arm, n, value::int from private.metric_people order by arm`;
    assertEquals(counted.map((row) => ({ ...row })), [
      { arm: "off", n: 1, value: 10 },
      { arm: "on", n: 2, value: 20 },
    ]);
  },
);

edgeTest(
  "a kill switch in the environment is told to the database by the clock's heartbeat, and forgotten with it",
  async (edge) => {
    const { sql, call, reread } = edge;
    await sql`insert into public.settings (key, value) values ('checkout.enabled', 'true'), ('other.enabled', 'true')`;
    await reread();
    const killed = async () =>
      (await sql`select public.list_kill_switches() as a`)[0].a.map(({ flag_key }: { flag_key: string }) =>
        flag_key
      );
    const beat = async () => {
      await call("wa-router", { body: "{}", headers: { apikey: KEYS.secretKey } });
      await edge.settled();
    };
    Deno.env.set("CHECKOUT_ENABLED", "false");
    try {
      await beat();
      assertEquals(await killed(), ["checkout.enabled"]);
    } finally {
      Deno.env.delete("CHECKOUT_ENABLED");
    }
    await beat();
    assertEquals(await killed(), []);
  },
);
