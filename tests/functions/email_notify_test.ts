/** Notifications by mail: rollouts, reports and failing components, through the same queue as every mail; and no loop. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { refusal } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

const TEAM = "team@corp.example";

/** An identity that mail goes out as, and an endpoint of kind email. */
async function begin({ sql, mail }: Edge): Promise<void> {
  mail.configure({ events: false });
  await sql`
    insert into public.email_identities (from_email, display_name, is_default, verified_at)
    values ('alex@example.com', 'Alex', true, now())`;
  const [{ made }] = await sql`
    select public.add_notification_endpoint('team', 'email', ${`mailto:${TEAM.toUpperCase()}`}) as made`;
  assertEquals([made.kind, made.host, made.secret], ["email", "corp.example", undefined]);
}

/** The clock's call; resolves when every notification that is due was attempted, and what was queued was sent. */
async function tick(edge: Edge): Promise<void> {
  await edge.sql`update public.notifications set next_attempt_at = now() where state = 'pending'`;
  assertEquals((await edge.call("flags", { headers: { apikey: KEYS.secretKey } })).status, 202);
  await until("nothing is due", async () => {
    const [{ n }] = await edge.sql`
      select count(*)::int as n from public.notifications
      where state = 'leased' or state = 'pending' and next_attempt_at <= now()`;
    return n === 0;
  });
  await edge.hurry();
  await edge.settled();
}

/** What became of each notification, oldest first. */
const states = async ({ sql }: Edge) =>
  (await sql`select state, last_error from public.notifications order by created_at, id`).map((
    { state, last_error },
  ) => last_error === null ? state : `${state} ${last_error.split(":")[0]}`);

const tell = ({ sql }: Edge, kind: "failing" | "recovered") =>
  sql`select private.notify(${kind}, ${
    sql.json({
      component: "senders",
      status: kind === "failing" ? "degraded" : "ok",
      because: kind === "failing" ? "failing" : "sending",
      figures: kind === "failing" ? { failed: 5, codes: [{ channel: "email", code: "400", n: 5 }] } : {},
    })
  }, now())`;

edgeTest(
  "notifications by mail: a rollout's steps and its reports, from the default identity",
  async (edge) => {
    const { sql, mail } = edge;
    await begin(edge);
    await sql`select public.set_flag('checkout.enabled', '{}', 0)`;
    const [{ id }] = await sql`
    select (public.create_rollout('checkout.enabled', '{"template": "canary"}')).id`;
    await sql`select public.start_rollout(${id}, 1, 'launch')`;
    await tick(edge);
    // The report of the week is not due, on a Monday morning either.
    await sql`update private.config_revision set installed_at = 'infinity'`;
    await sql`select private.write_reports((select started_at + interval '2 hours' from public.rollouts where id = ${id}))`;
    await tick(edge);
    assertEquals(await states(edge), ["delivered", "delivered"]);
    const [started, report] = mail.sent;
    assertEquals([started.to[0].email, started.from], [TEAM, { email: "alex@example.com", name: "Alex" }]);
    assertEquals(started.subject, "checkout.enabled: the rollout by the plan canary began with 1 % (1 %)");
    assertMatch(started.text!, /^the rollout by the plan canary began .*\n\nInform whoever is on call\./);
    assertEquals(started.headers["Auto-Submitted"], "auto-generated");
    assertEquals(report.subject, "checkout.enabled, the last two hours");
    // Nobody's mail: neither for the figures of reply tokens, nor for those who read the table.
    assertEquals((await sql`select name from public.metric_days where name like 'mail.%'`).length, 0);
    const [{ shown }] = await sql`
    select jsonb_agg(to_jsonb(e))::text || (select jsonb_agg(to_jsonb(n))::text from public.notifications n) as shown
    from public.notification_endpoints e`;
    assert(!shown.includes(TEAM), shown);
  },
);

edgeTest(
  "notifications by mail: an address that gets no mail gets none, and a stopped sender makes them wait",
  async (edge) => {
    const { sql, mail, set } = edge;
    await begin(edge);
    await set({ "email_send.enabled": "false" });
    await tell(edge, "failing");
    await tick(edge);
    assertEquals(await states(edge), ["pending feature_off"]);
    await set({ "email_send.enabled": "true" });
    await tick(edge);
    assertEquals([await states(edge), mail.sent.length], [["delivered"], 1]);
    await sql`insert into public.suppressions (address, scope, reason, source) values (${TEAM}, 'all', 'bounce', 'team')`;
    await tell(edge, "recovered");
    await tick(edge);
    assertEquals([await states(edge), mail.sent.length], [["delivered", "dead suppressed"], 1]);
  },
);

edgeTest("notifications by mail: mails about mail that fails are not sent without end", async (edge) => {
  const { sql, mail } = edge;
  await begin(edge);
  mail.configure({ answer: 400 });
  await tell(edge, "failing");
  await tick(edge);
  const queued = async () =>
    (await sql`select state from public.outbound_messages`).map(({ state }) => state);
  assertEquals(await queued(), ["failed"]);
  for (let i = 0; i < 5; i++) {
    await tell(edge, i % 2 === 0 ? "recovered" : "failing");
    await tick(edge);
  }
  assertEquals(await queued(), ["failed"], "none of them was queued");
  assertEquals(await states(edge), ["delivered", ...Array(5).fill("dead mail_fails")]);
  // Anything else is tried again, and once a mail has gone, components are mailed about too.
  mail.configure({ answer: "accept" });
  await sql`select public.open_incident('Checkout fails', 'error_rate')`;
  await tick(edge);
  await tell(edge, "failing");
  await tick(edge);
  assertEquals((await queued()).toSorted(), ["failed", "sent", "sent"]);
});

edgeTest("notifications by mail: nothing but an address is taken as one", async ({ sql }) => {
  for (
    const url of [
      "",
      "team",
      "https://corp.example/",
      "a@b@corp.example",
      "a@corp",
      "a b@corp.example",
      "a@corp.example,c@d.example",
    ]
  ) {
    assertEquals(
      await refusal(sql`select public.add_notification_endpoint('team', 'email', ${url})`.then(() => {})),
      "GL422",
      url,
    );
  }
});
