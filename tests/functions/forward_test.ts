/** Deliveries: where they may go, how often, how fast, in which order, and what comes back. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { edgeTest, KEYS } from "../support/edge.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { until } from "../support/until.ts";
import { lost } from "../support/intake.ts";
import { attempts, person, states } from "../support/routed.ts";
import { addDestination, addRoute, isSigned, startService, withReplies } from "../support/service.ts";

edgeTest(
  "allowlist: checked again at each delivery; a refused one is sent once it is allowed",
  async (edge) => {
    const { sql, says, settled, reread, hurry, set } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await sql`select public.disallow_host('127.0.0.1', 'forward')`;
    await reread();
    await says(person(edge), "1");
    await until("refused", async () => (await attempts(sql)).length === 1);
    await set({ "forward.allow_loopback": "false" });
    await sql`select public.allow_host('127.0.0.1', 'forward')`;
    await reread();
    await hurry();
    await edge.call("wa-router", { headers: { apikey: KEYS.secretKey } });
    await until("refused again", async () => (await attempts(sql)).length === 2);
    assertEquals(service.received, []);
    for (const { outcome, status, error } of await attempts(sql)) {
      assertEquals([outcome, status], ["retry", null]);
      assertMatch(error!, /^not_permitted: /);
    }
    await set({ "forward.allow_loopback": "true" });
    // A round that was under way may have looked at the rules just before.
    await until("it arrives", async () => {
      await hurry();
      await settled();
      return service.received.length > 0;
    });
    await settled();
    assertEquals([service.texts(), await states(sql)], [["1"], ["delivered"]]);
  },
);

edgeTest("redirects fail and are not followed", async (edge) => {
  const { sql, says, settled, reread, hurry } = edge;
  await using service = startService();
  await using target = startService();
  await addDestination(sql, "service", service, { retry_seconds: [0] });
  await addRoute(sql, ["service"]);
  await reread();
  service.answers(() => new Response(null, { status: 307, headers: { location: target.url } }));
  await says(person(edge), "1");
  await settled();
  await hurry();
  await settled();
  assertEquals(target.received, []);
  assertEquals(await attempts(sql), [
    { attempt: 1, outcome: "retry", status: 307, error: "redirect 307" },
    { attempt: 2, outcome: "dead", status: 307, error: "redirect 307 (attempts_exhausted)" },
  ]);
});

edgeTest("paused: a destination's queue waits and then continues in order", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  await sql`select public.set_destination_state('service', 'paused')`;
  await reread();
  const nora = person(edge);
  for (const said of ["1", "2", "3"]) await says(nora, said);
  await settled();
  assertEquals([service.received, await states(sql)], [[], ["pending", "pending", "pending"]]);
  await sql`select public.set_destination_state('service', 'active')`;
  await settled();
  assertEquals(service.texts(), ["1", "2", "3"]);
});

edgeTest(
  "dead letters: after the last attempt, or the second 400, the conversation continues; a retry revives the delivery",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service, { retry_seconds: [0.001, 0.001] });
    await addRoute(sql, ["service"]);
    await reread();
    let broken = true;
    service.answers(({ text }) =>
      new Response("sorry", { status: !broken || text === "fine" ? 200 : text === "bad form" ? 400 : 503 })
    );
    const nora = person(edge);
    for (const said of ["bad", "bad form", "fine"]) await says(nora, said);
    await settled();
    assertEquals(service.texts(), ["bad", "bad", "bad", "bad form", "bad form", "fine"]);
    assertEquals(await states(sql), ["dead", "dead", "delivered"]);
    assertEquals((await attempts(sql)).map(({ attempt, outcome, error }) => [attempt, outcome, error]), [
      [1, "retry", "status 503"],
      [2, "retry", "status 503"],
      [3, "dead", "status 503 (attempts_exhausted)"],
      [1, "retry", "status 400"],
      [2, "dead", "status 400 (refused)"],
      [1, "delivered", null],
    ]);
    assertEquals(await lost(sql), []);
    broken = false;
    const [{ count }] = await sql`
    select public.retry_deliveries(array_agg(id)) as count from public.deliveries where state = 'dead'`;
    await settled();
    assertEquals([count, service.texts().slice(6)], [2, ["bad", "bad form"]]);
    assertEquals(service.received[6].id, service.received[0].id);
    assertEquals(await states(sql), ["delivered", "delivered", "delivered"]);
  },
);

edgeTest("rotation: both secrets sign during the overlap, then only the new one", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  const { secret: first } = await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  const [{ second }] = await sql<{ second: string }[]>`
    select public.rotate_destination_secret('service') ->> 'secret' as second`;
  await reread();
  const nora = person(edge);
  await says(nora, "during");
  await settled();
  await sql`update private.destination_secrets set expires_at = now() where expires_at is not null`;
  await says(nora, "after");
  await settled();
  assertNotEquals(first, second);
  assertEquals(
    service.received.map((delivered) => [isSigned(delivered, first), isSigned(delivered, second)]),
    [
      [true, true],
      [false, true],
    ],
  );
  const [{ headers, body }] = service.received;
  assertEquals(isSigned({ ...service.received[0], body: `${body} ` }, second), false);
  assertEquals(headers.get("webhook-signature")!.split(" ").length, 2);
});

edgeTest("a hanging service times out and delays nobody else", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using hanging = startService();
  await using lively = startService();
  await addDestination(sql, "hanging", hanging, { timeout_ms: 30_000 });
  await addDestination(sql, "lively", lively);
  await addRoute(sql, ["hanging", "lively"], { type: "any" }, { mode: "all" });
  await reread();
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  hanging.answers(async () => (await released, new Response()));
  // More than there are places for deliveries under way.
  const people = Array.from({ length: 300 }, (_, i) => person(edge, i));
  for (const one of people) meta.userSends(one, "hi");
  await says(people[0], "again");
  await until("all of the lively service", () => lively.received.length === 301);
  const waiting = hanging.received.length;
  release();
  assert(waiting > 0 && waiting < 256, String(waiting));
  await settled();
  assertEquals([hanging.received.length, new Set(await states(sql))], [301, new Set(["delivered"])]);
  assertEquals(await lost(sql), []);
});

edgeTest("a service that never answers: the attempt ends at the destination's timeout", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service, { timeout_ms: 100, retry_seconds: [0] });
  await addRoute(sql, ["service"]);
  await reread();
  let end = () => {};
  const ended = new Promise<void>((resolve) => end = resolve);
  service.answers(async () => (await ended, new Response()));
  await says(person(edge), "1");
  await settled();
  assertEquals((await attempts(sql)).map(({ outcome, error }) => [outcome, error]), [
    ["retry", "timeout: no complete answer within 100 ms"],
    ["dead", "timeout: no complete answer within 100 ms (attempts_exhausted)"],
  ]);
  end();
});

edgeTest(
  "circuit: ten consecutive failures pause a destination, and a successful probe resumes it",
  async (edge) => {
    const { sql, meta, says, settled, reread, hurry } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    service.answers(() => new Response(null, { status: 500 }));
    const people = Array.from({ length: 10 }, (_, i) => person(edge, i));
    for (const one of people.slice(1)) meta.userSends(one, "hi");
    await says(people[0], "hi");
    await until("ten failures", async () => (await attempts(sql)).length === 10);
    const [{ open }] = await sql`
    select circuit_open_until > now() + interval '20 seconds' as open from public.destinations`;
    assertEquals(open, true);
    const late = person(edge, 99);
    await says(late, "later");
    await settled();
    assertEquals(service.received.length, 10);
    service.answers(() => new Response());
    await hurry();
    await settled();
    assertEquals(service.texts().filter((text) => text === "later").length, 1);
    assertEquals(new Set(await states(sql)), new Set(["delivered"]));
    const [{ circuit_open_until }] = await sql`select circuit_open_until from public.destinations`;
    assertEquals(circuit_open_until, null);
  },
);

edgeTest("rate: a destination receives no more than its own rate", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service, { rate_per_second: 20, rate_burst: 2 });
  await addRoute(sql, ["service"]);
  // It is paused until all eight wait, so that their time is counted from one beginning.
  await sql`select public.set_destination_state('service', 'paused')`;
  await reread();
  const people = Array.from({ length: 8 }, (_, i) => person(edge, i));
  for (const one of people.slice(1)) meta.userSends(one, "hi");
  await says(people[0], "hi");
  await settled();
  assertEquals(service.received, []);
  const began = performance.now();
  await sql`select public.set_destination_state('service', 'active')`;
  await settled();
  // Two at once and then one each 50 ms.
  const at = service.received.map(({ at }) => at - began);
  assertEquals(at.length, 8);
  assert(at[7] >= 299, at.map(Math.round).join());
});

edgeTest(
  "replies: only to the writer; invalid ones are left out, and the others are sent",
  async (edge) => {
    const { sql, meta, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    const nora = person(edge, 1), omar = person(edge, 2);
    await says(omar, "hi");
    await settled();
    const text = (body: string) => ({ type: "text", text: { body } });
    service.answers(({ event }) =>
      withReplies(
        { to: omar.phone, ...text("for you alone") },
        { type: "text", text: {} },
        { type: "read", message_id: event.data.message.provider_id },
        { recipient: "US.1", ...text("the last") },
      )()
    );
    const wamid = await says(nora, "1");
    await settled();
    assertEquals(meta.outbox.messages.map(({ to, payload }) => [to, payload.text]), [
      [nora.phone, { body: "for you alone" }],
      [nora.phone, { body: "the last" }],
    ]);
    assertEquals(meta.outbox.receipts.map(({ message_id }) => message_id), [wamid]);
    assertEquals(await states(sql), ["delivered", "delivered"]);

    service.answers(() => new Response("{not json", { headers: { "content-type": "application/json" } }));
    await says(nora, "2");
    await settled();
    assertEquals([await states(sql), meta.outbox.messages.length], [
      ["delivered", "delivered", "delivered"],
      2,
    ]);
  },
);

edgeTest(
  "410: pauses the destination with the reason, gives nothing up, and everything is sent after a resume",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    service.answers(() => new Response(null, { status: 410 }));
    const nora = person(edge);
    await says(nora, "1");
    await settled();
    await says(nora, "2");
    await settled();
    const about = async () => {
      const [row] = await sql`select state, paused_because from public.destinations`;
      return [row.state, row.paused_because];
    };
    assertEquals([service.texts(), await states(sql)], [["1"], ["pending", "pending"]]);
    assertEquals(await about(), ["paused", "status 410"]);
    service.answers(() => new Response());
    await sql`select public.set_destination_state('service', 'active')`;
    await settled();
    assertEquals([service.texts(), await about()], [["1", "1", "2"], ["active", null]]);
  },
);

edgeTest(
  "policy: a destination chooses whether a refusal blocks the conversation or is set aside",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    const quick = { retry_seconds: [0.001, 0.001] };
    await addDestination(sql, "strict", service, { ...quick, failure_policy: { "400": "hold" } });
    await addRoute(sql, ["strict"]);
    await reread();
    service.answers(({ text }) => new Response(null, { status: text === "bad" ? 400 : 200 }));
    const nora = person(edge);
    for (const said of ["bad", "fine"]) await says(nora, said);
    await settled();
    assertEquals(service.texts(), ["bad", "bad", "bad", "fine"]);
    assertEquals((await attempts(sql)).at(2)?.error, "status 400 (attempts_exhausted)");
  },
);

edgeTest(
  "spare: a route of mode first uses its next destination while the first one's circuit is open, and then returns",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using main = startService();
    await using spare = startService();
    await addDestination(sql, "main", main);
    await addDestination(sql, "spare", spare);
    await addRoute(sql, ["main", "spare"]);
    await reread();
    main.answers(() => new Response(null, { status: 503 }));
    for (let i = 0; i < 10; i++) await says(person(edge, i), `${i}`);
    await until(
      "the circuit opens",
      async () =>
        (await sql`select circuit_open_until as open from public.destinations where name = 'main'`)[0].open,
    );
    await reread();
    await says(person(edge, 10), "spared");
    await until("it arrives", () => spare.texts().length === 1);
    main.answers(() => new Response());
    await edge.hurry();
    await edge.call("wa-router", { headers: { apikey: KEYS.secretKey } });
    await settled();
    // The probe succeeded: everything that waited went with it.
    assertEquals(new Set(await states(sql)), new Set(["delivered"]));
    await reread();
    await says(person(edge, 11), "back");
    await settled();
    assertEquals([spare.texts(), main.texts().at(-1)], [["spared"], "back"]);
  },
);

edgeTest(
  "resend: deliveries of a time range are sent again, in order, and marked as resent",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    service.answers(withReplies({ type: "text", text: { body: "pong" } }));
    const nora = person(edge);
    for (const said of ["1", "2", "3"]) await says(nora, said);
    await settled();
    const replies = async () => (await sql`select from public.outbound_messages`).length;
    assertEquals(await replies(), 3);
    const resend = async (from: string, to: string) =>
      (await sql`select public.resend_deliveries('service', ${from}::timestamptz, ${to}::timestamptz) as n`)[
        0
      ]
        .n;
    assertEquals(await resend("2000-01-01Z", "2000-01-02Z"), { resent: 0, after: null });
    assertEquals(await resend("2000-01-01Z", "2100-01-01Z"), { resent: 3, after: null });
    await settled();
    assertEquals(service.texts(), ["1", "2", "3", "1", "2", "3"]);
    assertEquals(service.received.map(({ event }) => event.data.resent), [
      ...[undefined, undefined, undefined],
      ...[1, 1, 1],
    ]);
    assertEquals(
      service.received.slice(3).map(({ id }) => id),
      service.received.slice(0, 3).map(({ id }) => id),
    );
    assertEquals(await replies(), 3, "a reply goes to a person once");
  },
);

edgeTest("unusable replies are counted, recorded and shown in health with the reason", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  await reread();
  const reply = { type: "text", text: { body: "señor" } };
  const latin1 = Uint8Array.from(
    JSON.stringify({ replies: [reply] }),
    (character) => character.charCodeAt(0),
  );
  const typed = (type: string) => ({ headers: { "content-type": type } });
  const answers: Record<string, () => Response> = {
    not_json_type: () =>
      new Response(JSON.stringify({ replies: [reply] }), typed("text/html; charset=utf-8")),
    bare_list: () => Response.json([reply]),
    too_many: () => Response.json({ replies: Array(11).fill(reply) }),
    not_utf8: () => new Response(latin1, typed("application/json; charset=iso-8859-1")),
  };
  service.answers(({ text }) => answers[text]());
  const nora = person(edge);
  for (const word of Object.keys(answers)) await says(nora, word);
  await settled();
  assertEquals(await states(sql), Array(4).fill("delivered"));
  assertEquals((await sql`select from public.outbound_messages`).length, 0);
  assertEquals(
    (await attempts(sql)).map(({ error }) => error),
    Object.keys(answers).map((w) => `replies not used: ${w}`),
  );
  assertEquals((await sql`select last_error from public.deliveries where last_error is not null`).length, 0);
  await flushMeasurements();
  const [{ health }] = await sql`select private.queue_health(clock_timestamp()) as health`;
  assertEquals(health.status, "degraded");
  const told = health.figures.destinations.map((
    one: Record<string, unknown>,
  ) => [one.name, one.state, one.n, one.error]);
  assertEquals(
    told.toSorted((a: string[], b: string[]) => a[3] < b[3] ? -1 : 1),
    Object.keys(answers).toSorted().map((word) => ["service", "replies", 1, word]),
  );
});

edgeTest(
  "a host that answers every POST with 302 is named in health before its circuit opens",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    service.answers(() =>
      new Response(null, { status: 302, headers: { location: "https://www.example.com/" } })
    );
    const health = async () =>
      (await sql`select private.queue_health(clock_timestamp()) as health`)[0].health;
    for (let i = 0; i < 3; i++) {
      assertEquals((await health()).status, "healthy");
      await says(person(edge, i), "hello");
      await until("it is tried", async () => (await attempts(sql)).length > i);
    }
    assertEquals((await health()).figures, {
      destinations: [{ name: "service", state: "failing", n: 3, error: "redirect 302", waiting: 3 }],
    });
    await sql`select public.set_destination_state('service', 'paused')`;
    await settled();
  },
);

edgeTest(
  "if an isolate dies with fresh decisions, another delivers them after the lease, with the same ids, in order",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    await reread();
    const nora = person(edge, 1), omar = person(edge, 2);
    const decided = () =>
      sql`select d.id, l.lease from public.deliveries d
        join private.delivery_lanes l on l.conversation_id = d.conversation_id and l.destination_id = d.destination_id`;
    await edge.unheard("record_decisions", async () => {
      await says(nora, "1");
      await until("it is decided", async () => (await decided()).length);
    });
    await settled();
    const [claimed] = await decided();
    assertNotEquals(claimed.lease, null);

    for (const said of ["2", "3"]) await says(nora, said);
    await says(omar, "meanwhile");
    await settled();
    // Who holds the lane may still be calling: nobody overtakes it.
    assertEquals(service.texts(), ["meanwhile"]);
    assertEquals(await states(sql), ["leased", "pending", "pending", "delivered"]);

    await sql`update private.delivery_lanes set due_at = now() where lease is not null`;
    await edge.call("wa-router", { headers: { apikey: KEYS.secretKey } });
    await settled();
    assertEquals(service.texts(), ["meanwhile", "1", "2", "3"]);
    assertEquals(service.received[1].id, claimed.id);
    assertEquals(new Set(await states(sql)), new Set(["delivered"]));
    // The first of it is the one that nobody came back from.
    const [{ attempt }] =
      await sql`select attempt from public.delivery_attempts where delivery_id = ${claimed.id}`;
    assertEquals(attempt, 2);
    const late = [{ delivery_id: claimed.id, lease: claimed.lease, outcome: "retry", retry_after_ms: 0 }];
    const [{ fenced }] = await sql`
      select public.settle_deliveries(${sql.json(late)}) ->> 'fenced' as fenced`;
    assertEquals([fenced, await states(sql)], ["1", ["delivered", "delivered", "delivered", "delivered"]]);
    assertEquals(await lost(sql), []);
  },
);
