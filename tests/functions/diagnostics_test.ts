/** What is going on, and one message's story, on the real functions. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { storyInWords } from "../../supabase/functions/_shared/contract/words/story.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { assertDescribed } from "../support/openapi.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { until } from "../support/until.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const key = { apikey: KEYS.secretKey };

async function diagnose(edge: Edge): Promise<Json> {
  await flushMeasurements();
  const answer = await edge.call("diagnostics", { method: "GET", headers: key });
  assertEquals(answer.status, 200, JSON.stringify(answer.body));
  assertDescribed("/diagnostics", "get", answer);
  return answer.body;
}

/** An event by its code, and by the status that it is. */
const coded = ({ reply, what, figures }: Json): string =>
  `${reply ? "reply " : ""}${what}${what === "status" ? ` ${figures.status}` : ""}`;

async function trace({ sql }: Edge, message: string): Promise<Json> {
  return (await sql`select public.trace_message(${message}) as story`)[0].story;
}

edgeTest(
  "diagnostics: traffic by route and destination, errors by code, queues with their reasons",
  async (edge) => {
    const { sql, meta, says, settled, call, reread } = edge;
    await using shop = startService();
    await using crm = startService();
    crm.answers(() => new Response("no", { status: 500 }));
    await addDestination(sql, "shop", shop);
    await addDestination(sql, "crm", crm, { retry_seconds: [3600] });
    await addRoute(sql, ["shop", "crm"], { type: "any" }, { mode: "all" });
    await reread();
    const nora = meta.addContact({ name: "Nora Quist", phone: "12025550143" });
    await says(nora, "a secret word");
    await settled();
    await call("wa-webhook", { body: "{}" });
    await until(
      "the failed call is settled",
      async () => (await sql`select from public.delivery_attempts where outcome = 'retry'`).length > 0,
    );

    const found = await diagnose(edge);
    assertEquals(found.routes.map(({ reason, n }: Json) => [reason, n]), [["matched", 1]]);
    assertEquals(
      found.destinations.map(({ destination, outcome, n }: Json) => [destination, outcome, n]).sort(),
      [["crm", "retry", 1], ["shop", "delivered", 1]],
    );
    const errors = found.errors.map(({ where, code, n }: Json) => [where, code, n]);
    assert(
      errors.some((one: Json) => `${one}` === "wa-webhook,401,1"),
      JSON.stringify(errors),
    );
    assert(errors.some((one: Json) => `${one}` === "crm,status 500,1"), JSON.stringify(errors));
    const [waits] = found.waiting;
    assertEquals([found.waiting.length, waits.what, waits.n], [1, "deliveries to crm", 1]);
    assertMatch(waits.why, /^retry at \d{4}-/);
    const [decision] = found.decisions;
    assertEquals([decision.destinations.toSorted(), decision.reason], [["crm", "shop"], "matched"]);
    assertMatch(decision.contact, /0143$/);
    assertEquals(found.flags.find((flag: Json) => flag.key === "wa_router.enabled").on, true);
    const text = JSON.stringify(found);
    for (const secret of ["12025550143", "Nora", "secret word", "sb_secret"]) {
      assertEquals(text.includes(secret), false, secret);
    }

    await sql`update public.destinations set state = 'paused' where name = 'crm'`;
    assertEquals((await diagnose(edge)).waiting[0].why, "the destination is paused");
  },
);

edgeTest("diagnostics: names the flag that holds messages back", async (edge) => {
  const { meta, says, settled, set } = edge;
  await set({ "wa_router.enabled": { value: "true", metadata: { rollout_percentage: 0.01 } } });
  await says(meta.addContact({ name: "Nora", phone: "12025550143" }), "hello");
  await settled();
  const { waiting } = await diagnose(edge);
  assertEquals(waiting.map(({ what, n, why }: Json) => [what, n, why]), [
    ["conversations for the router", 1, "the flag wa_router.enabled is off for the contact"],
  ]);
});

edgeTest(
  "trace: a message's story from Meta to the reply's status, found by any of its ids",
  async (edge) => {
    const { sql, meta, says, settled, reread } = edge;
    await using service = startService();
    service.answers(withReplies({ type: "text", text: { body: "Hello back" } }));
    await addDestination(sql, "shop", service);
    await addRoute(sql, ["shop"]);
    await reread();
    const wamid = await says(meta.addContact({ name: "Nora", phone: "12025550143" }), "a secret word");
    await settled();
    await until("the reply was delivered", async () => {
      await meta.settled();
      return (await trace(edge, wamid)).events.map(coded).includes("reply status delivered");
    });

    const story = await trace(edge, wamid);
    const order = story.events.map(coded);
    for (const what of ["written", "stored", "decided", "delivered", "reply queued", "reply sent"]) {
      assert(order.includes(what), `${what} is not in ${order}`);
    }
    const place = (what: string) => order.indexOf(what);
    assert(place("stored") < place("decided") && place("decided") < place("delivered"), `${order}`);
    const { latency_ms, ...delivered } = story.events[place("delivered")].figures;
    assertEquals(delivered, { destination: "shop", attempt: 1, status: 200, error: null });
    assert(latency_ms >= 0);
    for (const { what, detail } of storyInWords(story.events)) {
      assert(!/undefined|null|_/.test(`${what} ${detail ?? ""}`), `${what} ${detail}`);
    }
    assertEquals(JSON.stringify(story).includes("secret word"), false);

    // What the service saw of the trace leads back to the message.
    const [{ headers }] = service.received;
    const [version, traceId, span, flags] = headers.get("traceparent")!.split("-");
    assertEquals([version, traceId, flags], ["00", story.trace_id, "01"]);
    assertMatch(span, /^(?!0{16})[0-9a-f]{16}$/);
    assertEquals((await trace(edge, traceId)).id, story.id);
    assertEquals(await trace(edge, story.id), story);

    const [{ id: reply }] = await sql`select id from public.messages where direction = 'out'`;
    const out = await trace(edge, reply);
    const said = out.events.map(coded);
    for (const what of ["queued", "sent", "status delivered"]) {
      assert(said.includes(what), `${what}: ${said}`);
    }
    assertEquals(await trace(edge, "wamid.nobody"), null);
  },
);

edgeTest("trace: shows failed attempts and what a delivery waits for", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using service = startService();
  service.answers(() => new Response("no", { status: 503 }));
  await addDestination(sql, "shop", service, { retry_seconds: [3600] });
  await addRoute(sql, ["shop"]);
  await reread();
  const wamid = await says(meta.addContact({ name: "Nora", phone: "12025550143" }), "hello");
  await settled();
  const story = await until("the failed call is settled", async () => {
    const story = await trace(edge, wamid);
    return story.events.map(coded).includes("tried") && story;
  });
  const last = story.events.at(-1);
  assertEquals([last.what, last.figures], ["delivery_waits", { destination: "shop", state: "active" }]);
  const { destination, attempt, status, error } = story.events.find(({ what }: Json) =>
    what === "tried"
  ).figures;
  assertEquals([destination, attempt, status], ["shop", 1, 503]);
  assertMatch(error, /^status/);
});
