/**
 * Routing from the signed webhook to the tick on the reply: the deployed functions on a real database, services that
 * listen on this machine, and the simulator for Meta.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Contact } from "../../local/simulator/model.ts";
import { evaluate, prepareFlags } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { until } from "../support/until.ts";
import { lost } from "../support/intake.ts";
import { advance } from "../support/monotonic_clock.ts";
import { attempts, decisions, person } from "../support/routed.ts";
import { addDestination, addRoute, isSigned, startService, withReplies } from "../support/service.ts";

edgeTest(
  "pipeline: a message is stored, routed, signed, delivered, answered, sent and ticked",
  async (edge) => {
    const { sql, meta, says, settled, reread } = edge;
    await using shop = startService();
    const { secret } = await addDestination(sql, "shop", shop);
    const route = await addRoute(sql, ["shop"], { type: "text", match: "keywords", value: "order" }, {
      name: "orders",
    });
    await reread();
    shop.answers(withReplies({ type: "text", text: { body: "On its way" } }));
    const nora = meta.addContact({ name: "Nora", phone: "12025550143", username: "nora", bsuid: "US.42" });
    const wamid = await says(nora, "Where is my order?");
    await settled();
    await meta.settled();

    const [delivered, ...more] = shop.received;
    assertEquals(more, []);
    const [{ delivery, message, conversation, contact, sent_at, created_at, native }] = await sql`
    select d.id as delivery, m.id as message, c.id as conversation, c.contact_id as contact, m.sent_at, m.created_at,
      m.native
    from public.deliveries d join public.messages m on m.id = d.message_id
    join public.conversations c on c.id = m.conversation_id`;
    assertEquals(delivered.id, delivery);
    assert(isSigned(delivered, secret));
    // In seconds, and of today; not by how busy the machine is.
    assert(Math.abs(Number(delivered.headers.get("webhook-timestamp")) - Date.now() / 1000) < 3600);
    assertEquals(delivered.headers.get("content-type"), "application/json");
    assertEquals(delivered.headers.get("user-agent"), "Gatelink-Webhooks/1");
    const { seq, ...told } = delivered.event.data.message;
    assertEquals(typeof seq, "number");
    assertEquals(new Date(told.received_at), created_at);
    assertEquals({ ...delivered.event, data: { ...delivered.event.data, message: told } }, {
      type: "message.received",
      timestamp: told.sent_at,
      data: {
        message: {
          id: message,
          channel: "whatsapp",
          type: "text",
          text: "Where is my order?",
          choice: null,
          reply_to: null,
          referral: null,
          forwarded: false,
          provider_id: wamid,
          sent_at: told.sent_at,
          received_at: told.received_at,
          native,
        },
        conversation: { id: conversation, number_id: NUMBER.id },
        contact: { id: contact, name: "Nora", phone: "12025550143", bsuid: "US.42", username: "nora" },
      },
    });
    assertEquals(new Date(told.sent_at), sent_at);
    assertEquals(native.text, { body: "Where is my order?" });

    assertEquals(await decisions(sql), [{
      text: "Where is my order?",
      reason: "matched",
      route_name: "orders",
      contact: "…0143",
      explanation: [{ route, name: "orders", matched: true, why: 'condition: text has "order"' }],
    }]);
    assertEquals(await attempts(sql), [{ attempt: 1, outcome: "delivered", status: 200, error: null }]);
    const [reply] = meta.outbox.messages;
    assertEquals([reply.to, reply.payload.text], ["12025550143", { body: "On its way" }]);
    const [row] = await sql`
    select text, status, provider_id, id from public.messages where direction = 'out'`;
    assertEquals({ ...row }, {
      text: "On its way",
      status: "delivered",
      provider_id: reply.wamid,
      id: reply.payload.biz_opaque_callback_data,
    });
    assertEquals(await lost(sql), []);
  },
);

edgeTest("conditions: each matches its part of the message", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  const anna = person(edge, 1), bob = person(edge, 2);
  await says(bob, "first, so that there is an id");
  // A round that has begun decides by the routes that it began with.
  await settled();
  const [{ contact_id }] = await sql<{ contact_id: string }[]>`
    select contact_id from public.contact_identities where value = ${bob.phone!}`;
  const routes: Record<string, Parameters<typeof addRoute>[2]> = {
    media: { type: "message_type", in: ["image", "video"] },
    exact: { type: "text", match: "exact", value: "STOP it" },
    prefix: { type: "text", match: "prefix", value: "order " },
    keywords: { type: "text", match: "keywords", values: ["help", "ayuda"] },
    regex: { type: "text", match: "regex", value: "^#[0-9]{4}$" },
    choice: { type: "choice", ids: ["size-l"] },
    ad: { type: "referral", source_type: "ad", ctwa: true },
    post: { type: "referral", source_id: "77" },
    token: { type: "link_token", present: true },
    listed: { type: "contacts", phones: [`+${anna.phone}`], ids: [contact_id.toUpperCase()] },
    elsewhere: { type: "number", ids: ["999"] },
    here: {
      type: "all",
      of: [{ type: "number", ids: [NUMBER.id] }, {
        type: "not",
        of: { type: "time", days: ["mon"], zone: "UTC" },
      }, { type: "text", match: "exact", value: "never" }],
    },
  };
  let priority = 0;
  for (const [name, condition] of Object.entries(routes)) {
    await addRoute(sql, ["service"], condition, { name, priority: priority++ });
  }
  await addRoute(sql, ["service"], { type: "default" }, { name: "default", priority: -1 });
  await reread();
  const carl = person(edge, 3);
  const referral = (changes: Record<string, string>) => ({
    source_url: "https://fb.me/x",
    source_type: "post",
    source_id: "1",
    headline: "Bouquets",
    ...changes,
  });
  const text = (body: string) => ({ type: "text", text: { body } });
  const reply = (kind: string, id: string) => ({
    type: "interactive",
    interactive: { type: kind, [kind]: { id, title: "Large" } },
  });
  const said: [Contact, Parameters<typeof says>[1], string][] = [
    [carl, { type: "image", image: { id: "1", mime_type: "image/jpeg", caption: "help" } }, "media"],
    [carl, "  stop   IT ", "exact"],
    [carl, "Order 17", "prefix"],
    [carl, "¡Ayuda, por favor!", "keywords"],
    [carl, "#1234", "regex"],
    [carl, reply("list_reply", "size-l"), "choice"],
    [carl, reply("button_reply", "size-l"), "choice"],
    [carl, { type: "button", button: { payload: "size-l", text: "Large" } }, "choice"],
    [carl, reply("button_reply", "size-m"), "default"],
    [carl, { ...text("hi"), referral: referral({ source_type: "ad", ctwa_clid: "abc" }) }, "ad"],
    [carl, { ...text("hi"), referral: referral({ source_type: "ad" }) }, "default"],
    [carl, { ...text("hi"), referral: referral({ source_id: "77" }) }, "post"],
    [carl, "Hello [ref:abcdefgh234567ab]", "token"],
    [anna, "hi", "listed"],
    [bob, "hi", "listed"],
    [carl, "hi", "default"],
  ];
  for (const [who, message] of said) await says(who, message);
  await settled();
  const [, ...decided] = await decisions(sql);
  assertEquals(decided.map(({ route_name }) => route_name), said.map(([, , route]) => route));
  assertEquals(decided.at(-1)!.reason, "default");
  assertEquals(meta.pending, 0);
});

edgeTest(
  "flag off: messages are stored and not routed; on: waiting ones are routed in order",
  async (edge) => {
    const { sql, says, set, settled, reread, call } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    const people = [person(edge, 1), person(edge, 2)];
    const write = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await says(people[i % 2], `${i}`);
    };
    await set({ "wa_router.enabled": "false" });
    await write(0, 3);
    await settled();
    await sql`delete from public.settings where key = 'wa_router.enabled'`;
    await reread();
    await write(3, 6);
    await settled();
    assertEquals([service.texts(), await decisions(sql)], [[], []]);
    const [{ n }] = await sql`select count(*)::int as n from public.messages`;
    assertEquals(n, 6);
    const [{ status }] = await sql`select public.status() as status`;
    assertEquals(status.unrouted.conversations, 2);

    await set({ "wa_router.enabled": "true" });
    await call("wa-router", { headers: { apikey: KEYS.secretKey } });
    await settled();
    const texts = service.texts();
    assertEquals([0, 1].map((who) => texts.filter((text) => Number(text) % 2 === who)), [
      ["0", "2", "4"],
      ["1", "3", "5"],
    ]);
    assertEquals(await lost(sql), []);
  },
);

edgeTest(
  "percentage: contacts inside are routed, the others wait, in order, until it grows",
  async (edge) => {
    const { sql, says, set, settled } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"]);
    const people = Array.from({ length: 12 }, (_, i) => person(edge, i));
    const flag = (rollout_percentage: number) => ({ value: "true", metadata: { rollout_percentage } });
    await set({ "wa_router.enabled": flag(0) });
    for (const one of people) await says(one, `1 ${one.name}`);
    const contacts = await sql<{ id: string; name: string }[]>`select id, name from public.contacts`;
    const inside = (rollout_percentage: number) => {
      const flags = prepareFlags([{
        key: "wa_router.enabled",
        value: "true",
        metadata: { rollout_percentage },
        version: 1,
      }]);
      return contacts.filter(({ id }) => evaluate(flags, "wa_router.enabled", id).value).map(({ name }) =>
        name
      );
    };
    // A percentage between the buckets of two of them, so that there are some on both sides.
    const half = Array.from({ length: 100 }, (_, p) => p).find((p) => inside(p).length >= 6)!;
    const first = inside(half);
    assert(first.length >= 6 && first.length < 12);
    await set({ "wa_router.enabled": flag(half) });
    await settled();
    assertEquals(service.texts().toSorted(), first.map((name) => `1 ${name}`).toSorted());
    for (const one of people) await says(one, `2 ${one.name}`);
    await settled();
    assertEquals(service.texts().length, 2 * first.length);
    const [{ held }] = await sql`
    select count(*)::int as held from public.conversations where held_revision is not null`;
    assertEquals(held, 12 - first.length);

    await set({ "wa_router.enabled": flag(100) });
    await settled();
    for (const { name } of people) {
      assertEquals(service.texts().filter((text) => text.slice(2) === name), [`1 ${name}`, `2 ${name}`]);
    }
    assertEquals(await lost(sql), []);
  },
);

edgeTest("a route's own flag controls that route only", async (edge) => {
  const { sql, says, set, settled } = edge;
  await using old = startService();
  await using beta = startService();
  await addDestination(sql, "old", old);
  await addDestination(sql, "beta", beta);
  await addRoute(sql, ["beta"], { type: "any" }, { name: "beta", priority: 1, flag_key: "beta.enabled" });
  await addRoute(sql, ["old"], { type: "any" }, { name: "old", priority: 2 });
  const [nora, omar] = [person(edge, 1), person(edge, 2)];
  await set({ "other.enabled": "true" });
  await says(nora, "no such flag");
  await settled();
  const [{ contact_id }] = await sql<
    { contact_id: string }[]
  >`select contact_id from public.contact_identities`;
  await set({
    "beta.enabled": { value: "true", metadata: { rollout_percentage: 0, target_user_ids: [contact_id] } },
  });
  await says(nora, "a tester");
  await says(omar, "not one");
  await settled();
  await set({ "beta.enabled": "false" });
  await says(nora, "off again");
  await settled();
  assertEquals([beta.texts(), old.texts()], [["a tester"], ["no such flag", "not one", "off again"]]);
  const [first] = await decisions(sql);
  assertEquals(first.explanation.map(({ name, why }) => [name, why]), [
    ["beta", "flag off: beta.enabled"],
    ["old", "condition: any message"],
  ]);
});

edgeTest(
  "sticky: a conversation stays with its route for its time, whatever its messages say",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "service", service);
    await addRoute(sql, ["service"], { type: "text", match: "keywords", value: "sales" }, {
      name: "sales",
      sticky_minutes: 30,
    });
    await addRoute(sql, ["service"], { type: "default" }, { name: "default" });
    await reread();
    const [nora, omar] = [person(edge, 1), person(edge, 2)];
    for (const said of ["hello", "sales please", "a question"]) await says(nora, said);
    await says(omar, "a question");
    await settled();
    await sql`update public.conversations set sticky_until = now() - interval '1 second' where sticky_until is not null`;
    await says(nora, "the next day");
    await settled();
    assertEquals((await decisions(sql)).map(({ reason, route_name }) => [reason, route_name]), [
      ["default", "default"],
      ["matched", "sales"],
      ["sticky", "sales"],
      ["default", "default"],
      ["default", "default"],
    ]);
    assertEquals(service.received.length, 5);
  },
);

edgeTest(
  "mode all: every destination gets a copy, and a failing one delays its own copy only",
  async (edge) => {
    const { sql, says, settled, reread, hurry } = edge;
    await using crm = startService();
    await using archive = startService();
    await addDestination(sql, "crm", crm);
    await addDestination(sql, "archive", archive);
    await addRoute(sql, ["crm", "archive"], { type: "any" }, { mode: "all" });
    await reread();
    crm.answers(() => new Response("not now", { status: 500 }));
    const nora = person(edge);
    await says(nora, "1");
    await says(nora, "2");
    await until("both copies of the archive", () => archive.received.length === 2);
    assertEquals([archive.texts(), crm.texts()], [["1", "2"], ["1"]]);
    crm.answers(() => new Response());
    await hurry();
    await settled();
    assertEquals(crm.texts(), ["1", "1", "2"]);
    assertEquals(crm.received[0].id, crm.received[1].id);
    const ids = [...crm.received, ...archive.received].map(({ id }) => id);
    assertEquals(new Set(ids).size, 4);
  },
);

edgeTest("mode first: the first destination that is not paused gets the message", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using main = startService();
  await using spare = startService();
  await addDestination(sql, "main", main);
  await addDestination(sql, "spare", spare);
  await addRoute(sql, ["main", "spare"]);
  await reread();
  const nora = person(edge);
  await says(nora, "1");
  await settled();
  await sql`select public.set_destination_state('main', 'paused')`;
  await reread();
  await says(nora, "2");
  await settled();
  assertEquals([main.texts(), spare.texts()], [["1"], ["2"]]);
});

edgeTest("no match: the message is stored with the reason, counted, and shown", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  const route = await addRoute(sql, ["service"], { type: "message_type", in: ["image"] }, {
    name: "pictures",
  });
  await reread();
  await says(person(edge, 143), "My secret is 4711");
  await settled();
  assertEquals(service.received, []);
  assertEquals(await decisions(sql), [{
    text: "My secret is 4711",
    reason: "no_match",
    route_name: null,
    contact: "…0343",
    explanation: [{ route, name: "pictures", matched: false, why: 'condition: type is "image"' }],
  }]);
  const [{ reconcile }] = await sql`select public.reconcile() as reconcile`;
  assertEquals([reconcile.ok, reconcile.messages.unmatched], [true, 1]);
});

edgeTest("a decision stores no text of the person, and only the end of the number", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  const nora = person(edge, 143);
  await addRoute(sql, ["service"], { type: "contacts", phones: ["12025559999"] }, { name: "one" });
  await addRoute(sql, ["service"], { type: "contacts", phones: [nora.phone!] }, { name: "two" });
  await addRoute(sql, ["service"], { type: "text", match: "regex", value: "secret" }, { name: "three" });
  await reread();
  await says(nora, "My secret is 4711");
  await settled();
  const [{ row }] = await sql`select to_jsonb(d)::text as row from public.routing_decisions d`;
  for (const hidden of ["4711", nora.phone!, "12025559999", nora.name]) {
    assert(!row.includes(hidden), `${hidden} in ${row}`);
  }
  assertMatch(row, /"contact": "…0343"/);
});

edgeTest("a changed setting takes effect within five seconds", async (edge) => {
  const { sql, says, settled } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  const nora = person(edge);
  await edge.reread();
  await says(nora, "on");
  await settled();
  await sql`update public.settings set value = 'false' where key = 'wa_router.enabled'`;
  advance(5000);
  await says(nora, "off");
  await settled();
  assertEquals(service.texts(), ["on"]);
  await sql`update public.settings set value = 'true' where key = 'wa_router.enabled'`;
  advance(5000);
  await settled();
  assertEquals(service.texts(), ["on", "off"]);
});

edgeTest("wa-router: the clock's call routes waiting messages; other callers are refused", async (edge) => {
  const { sql, says, call, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  await reread();
  const refusals: [{ method?: string; headers?: HeadersInit }, number, string][] = [
    [{}, 401, "unauthorized"],
    [{ headers: { apikey: KEYS.publishableKey } }, 403, "forbidden"],
    [{ method: "GET", headers: { apikey: KEYS.secretKey } }, 405, "method_not_allowed"],
  ];
  for (const [init, status, code] of refusals) {
    const answer = await call("wa-router", init);
    assertEquals([answer.status, answer.body.code], [status, code]);
  }
  Deno.env.set("WA_ROUTER_ENABLED", "false");
  try {
    await says(person(edge), "waits");
    await settled();
    const answer = await call("wa-router", { headers: { apikey: KEYS.secretKey } });
    assertEquals([answer.status, answer.body.code], [503, "disabled_by_environment"]);
    assertEquals([service.received, await decisions(sql)], [[], []]);
  } finally {
    Deno.env.delete("WA_ROUTER_ENABLED");
  }
  const answer = await call("wa-router", { headers: { apikey: KEYS.secretKey }, body: {} });
  assertEquals([answer.status, answer.body], [202, { status: "draining" }]);
  await until("routed", () => service.received.length === 1);
});

edgeTest("an unreadable route matches nothing, is reported, and does not affect the others", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"], { type: "text", match: "regex", value: "(" }, {
    name: "broken",
    priority: 1,
  });
  await addRoute(sql, ["service"], { type: "of_a_later_version" }, { name: "unknown", priority: 2 });
  await addRoute(sql, ["service"], { type: "any" }, { name: "good", priority: 3 });
  await reread();
  await says(person(edge), "(");
  await settled();
  const [{ route_name, explanation }] = await decisions(sql);
  assertEquals(route_name, "good");
  assertEquals(explanation.map(({ name, matched }) => [name, matched]), [
    ["broken", false],
    ["unknown", false],
    ["good", true],
  ]);
  for (const { why } of explanation.slice(0, 2)) assertMatch(why, /^invalid condition: /);
  assertEquals(service.received.length, 1);
});
