/** Who is told of rollouts: signed webhooks and Slack's, over HTTP, from a queue; and the outcomes that functions count. */
import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { Webhook } from "standardwebhooks";
import { refusal } from "../support/callers.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { assertTold } from "../support/openapi.ts";
import { until } from "../support/until.ts";

interface Got {
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** A receiver on this machine that answers with these statuses in turn, then 200. */
async function withReceiver(
  statuses: number[],
  use: (url: string, got: Got[]) => Promise<void>,
): Promise<void> {
  const got: Got[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    got.push({ path: pathname, headers: Object.fromEntries(request.headers), body: await request.text() });
    return new Response("ok", { status: statuses.shift() ?? 200 });
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}`, got);
  } finally {
    await server.shutdown();
  }
}

/** The clock's call; resolves when so many notifications have come to this state at this attempt. */
async function tick({ call, sql }: Edge, state: string, count: number, attempt = 1): Promise<void> {
  assertEquals((await call("flags", { headers: { apikey: KEYS.secretKey } })).status, 202);
  await until(`${count} are ${state} after attempt ${attempt}`, async () => {
    const [{ n }] = await sql`
      select count(*)::int as n from public.notifications where state = ${state} and attempt = ${attempt}`;
    return n === count;
  });
}

const PLAN = {
  stages: [{
    name: "everybody <b>",
    percentage: 100,
    hold_minutes: 60,
    min_samples: 10,
    advance_when: {},
    roll_back_when: { error_rate_above: 0.01 },
  }],
};

async function startRollout({ sql }: Edge): Promise<string> {
  await sql`select public.set_flag('checkout.enabled', '{}', 0)`;
  const [{ id }] = await sql`select (public.create_rollout('checkout.enabled', ${
    sql.json(PLAN as never)
  })).id`;
  await sql`select public.start_rollout(${id}, 1, 'launch')`;
  return id;
}

edgeTest("notifications: a webhook is signed, Slack gets its text, and both say what to do", async (edge) => {
  const { sql } = edge;
  await withReceiver([], async (url, got) => {
    const [{ made }] = await sql`select public.add_notification_endpoint('ops', 'webhook', ${
      url + "/hook"
    }) as made`;
    await sql`select public.add_notification_endpoint('chat', 'slack', ${url + "/slack"})`;
    await sql`select public.add_notification_endpoint('pages', 'webhook', ${url + "/pages"}, '{paged}')`;
    await edge.reread();
    const id = await startRollout(edge);
    await tick(edge, "delivered", 2);
    got.sort((a, b) => a.path < b.path ? -1 : 1);
    assertEquals(got.map(({ path }) => path), ["/hook", "/slack"]);

    const [hook, slack] = got;
    const event = new Webhook(made.secret).verify(hook.body, hook.headers) as {
      type: string;
      data: Record<string, unknown>;
    };
    assertThrows(() => new Webhook(made.secret).verify(hook.body + " ", hook.headers));
    assertTold("rollout", event, new Headers(hook.headers));
    assertEquals(event.type, "rollout.started");
    assertEquals([event.data.flag, event.data.rollout_id, event.data.reason], [
      "checkout.enabled",
      id,
      "launch",
    ]);
    assertEquals(event.data.stage, { position: 1, name: "everybody <b>", percentage: 100 });
    assert((event.data.what_to_do as string).length > 20);

    const text = JSON.parse(slack.body);
    assertEquals(Object.keys(text), ["text"]);
    assertMatch(text.text, /^checkout\.enabled: .*everybody &lt;b&gt; \(100 %\)\n/);
    // The address, which is Slack's secret, is nowhere that the team or a log reads it.
    const [{ shown }] = await sql`
      select jsonb_agg(to_jsonb(e))::text || (select jsonb_agg(to_jsonb(n))::text from public.notifications n) as shown
      from public.notification_endpoints e`;
    assertEquals(shown.includes("/slack"), false);
  });
});

edgeTest("notifications: a report is sent in its shape, and to Slack in words", async (edge) => {
  const { sql } = edge;
  await withReceiver([], async (url, got) => {
    await sql`select public.add_notification_endpoint('ops', 'webhook', ${url + "/hook"}, '{report}')`;
    await sql`select public.add_notification_endpoint('chat', 'slack', ${url + "/slack"}, '{report}')`;
    await edge.reread();
    const id = await startRollout(edge);
    // The report of the week is not due, on a Monday morning either.
    await sql`update private.config_revision set installed_at = 'infinity'`;
    await sql`select private.write_reports((select started_at + interval '2 hours' from public.rollouts where id = ${id}))`;
    await sql`update public.notifications set next_attempt_at = now()`;
    await tick(edge, "delivered", 2);
    const [hook, slack] = got.sort((a, b) => a.path < b.path ? -1 : 1);
    const event = JSON.parse(hook.body);
    assertTold("report", event, new Headers(hook.headers));
    assertEquals([event.type, event.data.flag_key, event.data.look], [
      "report.first_day",
      "checkout.enabled",
      ["silent"],
    ]);
    assertMatch(
      JSON.parse(slack.body).text,
      /^checkout\.enabled, the last two hours\nLook: nobody with the feature/,
    );
  });
});

/** The time is the test's: nobody acknowledges, and the next one is called, to the end and again. */
edgeTest(
  "notifications: who is called when nobody acknowledges is told by the endpoint of the step",
  async (edge) => {
    const { sql } = edge;
    await withReceiver([], async (url, got) => {
      for (const name of ["lead", "cto"]) {
        await sql`select public.add_notification_endpoint(${name}, 'webhook', ${`${url}/${name}`}, '{incident_escalated}')`;
      }
      await sql`select public.set_escalation('P0', ${
        sql.json([{ after_minutes: 5, role: "lead", endpoint: "lead" }, {
          after_minutes: 15,
          role: "CTO",
          endpoint: "cto",
        }])
      })`;
      await edge.reread();
      const [{ job }] =
        await sql`select target as job from private.clock_jobs() where name = 'gatelink_escalate'`;
      const [{ number, opened }] = await sql`
      select i.number::int, i.opened_at as opened from public.open_incident('Checkout fails', 'error_rate') i`;
      /** The clock so many minutes later: its own statement, then its call of the function if something is due. */
      const clock = async (minutes: number, delivered: number) => {
        const at = new Date(opened.getTime() + minutes * 60_000 + 1000).toISOString();
        await sql.unsafe(job.replace("now()", `'${at}'`));
        const [{ due }] = await sql`select private.notifications_are_due(${at}) as due`;
        await sql`update public.notifications set next_attempt_at = now() where state = 'pending'`;
        if (due) await tick(edge, "delivered", delivered);
        return got.map(({ path, body }) => `${path.slice(1)}: ${JSON.parse(body).data.role}`);
      };
      assertEquals(await clock(4, 0), []);
      assertEquals(await clock(5, 1), ["lead: lead"]);
      assertEquals(await clock(15, 2), ["lead: lead", "cto: CTO"]);
      assertEquals(
        await clock(45, 3),
        ["lead: lead", "cto: CTO", "cto: CTO"],
        "the last one again, every 30 minutes",
      );
      await sql`select public.acknowledge_incident(${number})`;
      assertEquals((await clock(120, 3)).length, 3, "nobody is called any more");
    });
  },
);

edgeTest("notifications: a failed one is retried under the same id; 410 ends it", async (edge) => {
  const { sql } = edge;
  await withReceiver([503, 200, 410], async (url, got) => {
    await sql`select public.add_notification_endpoint('ops', 'webhook', ${url})`;
    await edge.reread();
    const id = await startRollout(edge);
    await tick(edge, "pending", 1);
    const [first] = await sql`
      select attempt, last_error, next_attempt_at > now() as later from public.notifications`;
    assertEquals({ ...first }, { attempt: 1, last_error: "status", later: true });
    const [{ due }] = await sql`select public.claim_notifications() as due`;
    assertEquals([due, got.length], [[], 1]);
    await sql`update public.notifications set next_attempt_at = now()`;
    await tick(edge, "delivered", 1, 2);
    assertEquals(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
    await sql`select public.roll_back_rollout(${id}, 2, 'complaints')`;
    await tick(edge, "dead", 1);
    assertEquals(got.length, 3);
  });
});

edgeTest("notifications: only to hosts on the allowlist, when stored and when sent", async (edge) => {
  const { sql } = edge;
  const add = (url: string | null, kind = "webhook") =>
    refusal(sql`select public.add_notification_endpoint('ops', ${kind}, ${url})`.then(() => {}));
  for (const url of ["https://evil.example/", "http://127.0.0.2/", "file:///etc/passwd", null]) {
    assertEquals(await add(url), "GL403", `${url}`);
  }
  await withReceiver([], async (url, got) => {
    assertEquals(await add(url, "pager"), "23514");
    assertEquals(await add(url), undefined);
    assertEquals(await add(url), "GL409");
    await sql`select public.disallow_host('127.0.0.1', 'forward')`;
    await edge.reread();
    await startRollout(edge);
    await tick(edge, "pending", 1);
    const [{ last_error }] = await sql`select last_error from public.notifications`;
    assertMatch(last_error, /^not_permitted/);
    assertEquals(got, []);
  });
});

edgeTest("notifications: a result after the lease has expired does not count", async ({ sql }) => {
  await sql`select public.add_notification_endpoint('ops', 'webhook', 'http://127.0.0.1/')`;
  await startRollout({ sql } as Edge);
  const claim = async () => (await sql`select public.claim_notifications(10, 0) as claimed`)[0].claimed;
  const [first] = await claim();
  const [second] = await claim();
  assertEquals([first.id, first.attempt, second.attempt], [second.id, 1, 2]);
  const settle = async ({ id, lease }: { id: string; lease: string }) =>
    (await sql`select public.settle_notifications(${sql.json([{ id, lease, outcome: "delivered" }])}) as n`)[
      0
    ].n;
  assertEquals([await settle(first), await settle(second)], [0, 1]);
});

edgeTest("notifications: the clock's entry point requires a secret key", async ({ call }) => {
  for (const [key, status] of [[undefined, 401], [KEYS.publishableKey, 403]] as const) {
    assertEquals((await call("flags", { headers: key ? { apikey: key } : {} })).status, status);
  }
});

edgeTest(
  "outcomes: the results of a routed message count for the flags that routing evaluates",
  async (edge) => {
    const { sql, set, meta, says, settled } = edge;
    await withReceiver([503], async (url) => {
      await sql`select public.add_destination('service', ${url})`;
      await sql`select public.add_route(array['service'], '{"type": "any"}', 10, '{"flag_key": "service.enabled"}')`;
      await set({ "service.enabled": { value: "true", metadata: {} } });
      await says(meta.addContact({ name: "Ada", phone: "12025550123" }), "hello");
      await says(meta.addContact({ name: "Bob", phone: "12025550124" }), "hello");
      await settled();
    });
    const { flushOutcomes } = await import("../../supabase/functions/_shared/rollouts/outcomes.ts");
    await flushOutcomes();
    const rows = await sql`
    select flag_key, arm, sum(n)::int as n, sum(failed)::int as failed, sum(timed)::int as timed from public.flag_metrics
    where flag_key in ('service.enabled', 'wa_router.enabled') group by 1, 2 order by 1, 2`;
    assertEquals([...rows].map((row) => ({ ...row })), [
      { flag_key: "service.enabled", arm: "on", n: 2, failed: 1, timed: 2 },
      { flag_key: "wa_router.enabled", arm: "on", n: 2, failed: 1, timed: 2 },
    ]);
  },
);
