/** PagerDuty as an endpoint of notifications: incidents, the guard's pages and failing components, each once, in order. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { refusal } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

const add = ({ sql }: Edge, key: string = KEYS.pagerDutyRoutingKey, events: string[] | null = null) =>
  events === null
    ? sql`select public.add_notification_endpoint('pages', 'pagerduty', ${key}) as made`
    : sql`select public.add_notification_endpoint('pages', 'pagerduty', ${key}, ${events}) as made`;

/** The clock's call; resolves when everything that is due was attempted. */
async function tick(edge: Edge): Promise<void> {
  await edge.sql`update public.notifications set next_attempt_at = now() where state = 'pending'`;
  assertEquals((await edge.call("flags", { headers: { apikey: KEYS.secretKey } })).status, 202);
  await until("nothing is due", async () => {
    const [{ n }] = await edge.sql`
      select count(*)::int as n from public.notifications
      where state = 'leased' or state = 'pending' and next_attempt_at <= now()`;
    return n === 0;
  });
}

/** What became of each notification, oldest first. */
const states = async ({ sql }: Edge) =>
  (await sql`select payload ->> 'kind' as kind, state, last_error from public.notifications order by created_at, id`)
    .map(({ kind, state, last_error }) =>
      [kind, state, ...(last_error === null ? [] : [last_error])].join(" ")
    );

const shown = ({ pagerDuty }: Edge) =>
  [...pagerDuty.incidents.values()].map(({ key, summary, state }) => ({ key, summary, state }));

const open = async ({ sql }: Edge) =>
  (await sql`select (public.open_incident('Checkout fails', 'error_rate')).number::int`)[0].number as number;

edgeTest(
  "PagerDuty: an incident is triggered, acknowledged and resolved there, under one key",
  async (edge) => {
    const { sql, pagerDuty } = edge;
    const [{ made }] = await add(edge);
    assertEquals([made.kind, made.host, made.secret], ["pagerduty", "pagerduty.com", undefined]);
    assert(!made.events.includes("incident_updated") && made.events.includes("incident_opened"), made.events);
    const number = await open(edge);
    await tick(edge);
    const [{ key, summary, state }] = shown(edge);
    assertMatch(key, new RegExp(`^gatelink:127\\.0\\.0\\.1:\\d+:incident:${number}$`));
    assertEquals([summary, state], [`P0 #${number} investigating: Checkout fails`, "triggered"]);
    await sql`select public.update_incident(${number}, 1, '{"status": "identified"}')`;
    await sql`select public.acknowledge_incident(${number})`;
    await tick(edge);
    assertEquals(shown(edge)[0].state, "acknowledged");
    await sql`select public.resolve_incident(${number}, 3)`;
    await tick(edge);
    assertEquals(shown(edge)[0].state, "resolved");
    assertEquals(pagerDuty.calls.map((call) => call.replace(key, "KEY")), [
      "trigger KEY",
      "acknowledge KEY",
      "resolve KEY",
    ]);
    // The key, which is the secret, is nowhere that the team or the record of changes reads it.
    const [{ text }] = await sql`
    select jsonb_agg(to_jsonb(e))::text || (select jsonb_agg(to_jsonb(n))::text from public.notifications n)
      || (public.list_audit('{}', 100))::text as text
    from public.notification_endpoints e`;
    assert(!text.includes(KEYS.pagerDutyRoutingKey), "the key is shown");
  },
);

edgeTest(
  "PagerDuty: while it is away the last step counts, and one that is over wakes nobody",
  async (edge) => {
    const { sql, pagerDuty } = edge;
    await add(edge);
    pagerDuty.fault = "500";
    const number = await open(edge);
    await tick(edge);
    assertEquals(await states(edge), ["incident_opened pending status 502"]);
    await sql`select public.resolve_incident(${number}, 1)`;
    pagerDuty.fault = "none";
    await tick(edge);
    assertEquals(await states(edge), ["incident_opened delivered superseded", "incident_resolved delivered"]);
    assertEquals(shown(edge), []);
    // Another one is not held up, and is retried under the same key.
    pagerDuty.fault = "429";
    await open(edge);
    await tick(edge);
    pagerDuty.fault = "none";
    await tick(edge);
    await sql`update public.notifications set state = 'pending', lease = null where payload ->> 'kind' = 'incident_opened' and last_error is null`;
    await tick(edge);
    assertEquals(shown(edge).map(({ state }) => state), ["triggered"], "twice sent, once seen");
  },
);

edgeTest("PagerDuty: a step waits while an earlier one of the same incident is under way", async (edge) => {
  const { sql } = edge;
  await add(edge);
  const claim = async () =>
    (await sql`select public.claim_notifications() as claimed`)[0].claimed as {
      id: string;
      lease: string;
      subject: string;
      payload: { kind: string };
    }[];
  const number = await open(edge), other = await open(edge);
  const first = await claim();
  assertEquals(first.map(({ subject }) => subject), [`incident:${number}`, `incident:${other}`]);
  await sql`select public.acknowledge_incident(${number})`;
  assertEquals(await claim(), []);
  await sql`select public.settle_notifications(${
    sql.json(first.map(({ id, lease }) => ({ id, lease, outcome: "delivered" })))
  })`;
  assertEquals((await claim()).map(({ payload }) => payload.kind), ["incident_acknowledged"]);
  // Whoever had it died: what came later is sent instead.
  await sql`select public.resolve_incident(${number}, 2)`;
  await sql`update public.notifications set next_attempt_at = now() where state = 'leased'`;
  assertEquals((await claim()).map(({ payload }) => payload.kind), ["incident_resolved"]);
});

edgeTest(
  "PagerDuty: the guard's pages end with the rollout, components with their recovery, and a test at once",
  async (edge) => {
    const { sql } = edge;
    await add(edge);
    await sql`select public.set_flag('checkout.enabled', '{}', 0)`;
    const [{ id }] =
      await sql`select (public.create_rollout('checkout.enabled', '{"template": "canary"}')).id`;
    await sql`select public.start_rollout(${id}, 1, 'launch')`;
    await sql`
    select private.log_rollout(r, now(), 'paged', '{"used": 90, "most": 100}', 'page', 'connections')
    from public.rollouts r where r.id = ${id}`;
    const part = (kind: string) =>
      sql`select private.notify(${kind}, ${
        sql.json({
          component: "queue",
          status: "degraded",
          because: "stopped",
          figures: { destinations: [] },
        })
      }, now())`;
    await part("failing");
    await tick(edge);
    const seen = () => shown(edge).map(({ key, state }) => [key.replace(/^gatelink:.*:(?=\w+:)/, ""), state]);
    assertEquals(seen().toSorted(), [["component:queue", "triggered"], [`rollout:${id}`, "triggered"]]);
    await part("recovered");
    await sql`select public.roll_back_rollout(${id}, 2, 'enough')`;
    await tick(edge);
    assertEquals(seen().map(([, state]) => state), ["resolved", "resolved"]);
    await sql`select public.test_notification_endpoint('pages')`;
    await tick(edge);
    const test = shown(edge)[2];
    assertMatch(test.key, /:test:[0-9a-f-]{36}$/);
    assertEquals([test.summary, test.state], [
      "This is a test of the notification endpoint pages.",
      "resolved",
    ]);
  },
);

edgeTest(
  "PagerDuty: a wrong key is given up and said; what is no key, or no event of its, is refused",
  async (edge) => {
    for (const key of ["", "short", "has a space in between the words", "https://events.pagerduty.com/x"]) {
      assertEquals(await refusal(add(edge, key).then(() => {})), "GL422", key);
    }
    assertEquals(await refusal(add(edge, "k".repeat(32), ["report", "notice"]).then(() => {})), "GL422");
    const [{ made }] = await add(edge, "k".repeat(32), ["report", "incident_opened"]);
    assertEquals(made.events, ["incident_opened"]);
    await open(edge);
    await tick(edge);
    assertEquals(await states(edge), ["incident_opened dead status 400"]);
  },
);
