/** Who is on call, with the real functions: behind the card, never in its way, and off with one switch. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { chatWithRoute, linkedPerson, says } from "../support/chats.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { assertDescribed } from "../support/openapi.ts";
import { until } from "../support/until.ts";
import { TELEGRAM_PEOPLE } from "../../local/simulator/telegram/telegram.ts";

const [ANA, BEN] = TELEGRAM_PEOPLE;
const key = { apikey: KEYS.secretKey };

/** The flag is on, and a rota whose cards are those of the chat. */
async function rota(edge: Edge, people: string[], rest: Record<string, unknown> = {}) {
  await edge.set({ "dynamic_routing.enabled": "true" });
  const schedule = {
    name: "infra",
    destination: "on-call",
    ...(people.length === 0
      ? {}
      : { layer: { people: people.map((email) => ({ email })), starts_on: "2026-01-05" } }),
    ...rest,
  };
  await edge.sql`select public.add_oncall(${edge.sql.json(schedule as never)})`;
}

/** What the clock does: looks up, then brings cards up to date. */
async function clock(edge: Edge) {
  const due = async () => (await edge.sql`select private.oncall_is_due(now()) as due`)[0].due;
  if (await due()) {
    await edge.call("oncall-webhook/work", { headers: key });
    await until("nothing is to be looked up", async () =>
      !await due() && (await edge.sql`
      select from private.oncall_pages where due_at is not null`).length === 0);
  }
  await edge.call("telegram-webhook/edit", { headers: key });
  await until(
    "cards are up to date",
    async () => (await edge.sql`select from public.cards where edit_due_at is not null`).length === 0,
  );
}

const texts = (chat: { messages: readonly { text: string }[] }) => chat.messages.map(({ text }) => text);

edgeTest(
  "the card names who is on call by the rota, then mentions the person, who is called by a message once a minute",
  async (edge) => {
    const { sql } = edge;
    const chat = await chatWithRoute(edge);
    await linkedPerson(edge, ANA);
    await rota(edge, ["ana@team.example"]);
    await says(edge, "The shop is down");
    assertEquals(texts(chat), ["Casey (WhatsApp)\n\nThe shop is down\n\n📟 On call: Ana"]);
    // Nobody is notified by a name: of many cards at once only one calls.
    assertEquals(chat.messages[0].entities.filter(({ type }) => type === "text_mention"), []);
    // An edit before the lookup, as of an analysis, keeps it.
    await sql`update public.cards set edit_due_at = now()`;
    await edge.call("telegram-webhook/edit", { headers: key });
    await until(
      "the card was edited",
      async () => (await sql`select from public.cards where edit_due_at is not null`).length === 0,
    );
    assertEquals(texts(chat), ["Casey (WhatsApp)\n\nThe shop is down\n\n📟 On call: Ana"]);
    await clock(edge);
    assertEquals(texts(chat), [
      "Casey (WhatsApp)\n\nThe shop is down\n\n📟 On call: Ana",
      "📟 Ana: you are on call.",
    ]);
    const [card, call] = chat.messages;
    assertEquals(card.entities.at(-1)?.user, { id: ANA.id });
    assertEquals([call.entities[0].user, call.replyTo], [{ id: ANA.id }, card.message_id]);
    // A second card at once: mentioned, not called again.
    await says(edge, "It still is");
    await clock(edge);
    assertEquals(texts(chat).slice(2), ["Casey (WhatsApp)\n\nIt still is\n\n📟 On call: Ana"]);
    assertEquals(
      [...await sql`select name, sum(n)::int as n from public.metric_days where name like 'oncall.%' group by 1 order by 1`],
      [{ name: "oncall.asked", n: 2 }, { name: "oncall.right", n: 2 }],
    );
  },
);

edgeTest(
  "who is not linked is named and counted a miss; nobody is told of with the owner, once",
  async (edge) => {
    const { sql } = edge;
    const chat = await chatWithRoute(edge);
    await linkedPerson(edge, BEN);
    await rota(edge, ["zoe@team.example"], { owner: "ben@team.example" });
    await says(edge, "One");
    await clock(edge);
    assertEquals(texts(chat), ["Casey (WhatsApp)\n\nOne\n\n📟 On call: zoe (not linked)"]);
    assertEquals([...await sql`select distinct name from public.metric_days where name like 'oncall.%'`], [
      { name: "oncall.asked" },
    ]);
    await sql`select public.remove_oncall('infra', l.id) from private.oncall_layers l`;
    await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'webhook', 'x', '{failing,recovered}')`;
    await says(edge, "Two");
    await says(edge, "Three");
    await clock(edge);
    assertEquals(texts(chat).slice(1), [
      "Casey (WhatsApp)\n\nTwo\n\n📟 Nobody is on call.",
      "Casey (WhatsApp)\n\nThree\n\n📟 Nobody is on call.",
    ]);
    const toBen = texts(edge.telegram.chats.get(BEN.id)!).filter((text) => text.startsWith("📟"));
    assertEquals(toBen.length, 1);
    assertMatch(toBen[0], /^📟 Nobody is on call for infra\./);
    await sql`select public.override_oncall('infra', '{"email": "ben@team.example"}', null, now() + interval '1 hour')`;
    await says(edge, "Four");
    await clock(edge);
    assertEquals(
      (await sql`select payload ->> 'kind' as kind, payload #>> '{part,because}' as because from public.notifications order by id`)
        .map(({ kind, because }) => `${kind} ${because}`),
      ["failing gap", "recovered covered"],
    );
  },
);

edgeTest(
  "DYNAMIC_ROUTING=false: cards come as ever, and nobody is looked up, mentioned or called",
  async (edge) => {
    const { sql } = edge;
    const chat = await chatWithRoute(edge);
    await linkedPerson(edge, ANA);
    await rota(edge, ["ana@team.example"]);
    Deno.env.set("DYNAMIC_ROUTING", "false");
    try {
      await says(edge, "One");
      assertEquals(texts(chat), ["Casey (WhatsApp)\n\nOne"]);
      await sql`update public.cards set edit_due_at = now()`;
      await clock(edge);
      assertEquals(texts(chat), ["Casey (WhatsApp)\n\nOne"]);
      assertEquals(
        (await edge.call("oncall-webhook/check", { method: "GET", headers: key })).body.routing_killed,
        true,
      );
    } finally {
      Deno.env.delete("DYNAMIC_ROUTING");
    }
    // What came meanwhile stays as it is.
    await clock(edge);
    assertEquals(texts(chat), ["Casey (WhatsApp)\n\nOne"]);
    await edge.set({ "dynamic_routing.enabled": "false" });
    await says(edge, "Two");
    assertEquals((await sql`select from private.oncall_pages`).length, 1);
  },
);

edgeTest("cards that somebody has in hand, and those of long ago, call nobody", async (edge) => {
  const { sql, telegram } = edge;
  const chat = await chatWithRoute(edge);
  await linkedPerson(edge, ANA);
  await rota(edge, ["ana@team.example"]);
  await says(edge, "One");
  const [card] = chat.messages;
  telegram.press(chat.id, card.message_id, card.buttons.flat()[0].callback_data, ANA);
  await telegram.settled();
  await clock(edge);
  assertEquals(chat.messages.length, 1);
  assertMatch(card.text, /📟 On call: Ana\n\n👀 Acknowledged by Ana/);
  await says(edge, "Two");
  await sql`update private.oncall_pages set created_at = now() - interval '20 minutes' where due_at is not null`;
  await clock(edge);
  assertEquals(texts(chat).slice(1), ["Casey (WhatsApp)\n\nTwo\n\n📟 On call: Ana"]);
});

edgeTest(
  "a schedule of types takes mails to addresses of these alone, and the flag can name a type",
  async (edge) => {
    const { sql } = edge;
    await chatWithRoute(edge);
    await rota(edge, ["ana@team.example"], { types: ["alert"] });
    await sql`select public.add_oncall('{"name": "payments", "destination": "on-call", "types": ["alert"], "scopes": ["db"]}')`;
    await says(edge, "No mail");
    assertEquals((await sql`select from private.oncall_pages`).length, 0);
    const [{ delivery_id: delivery }] = await sql`select delivery_id from public.cards`;
    const schedule = async (recipient: string) => {
      await sql`update public.messages set channel = 'email', native = ${sql.json({ recipient })}
      where id = (select message_id from public.deliveries where id = ${delivery})`;
      return (await sql`select (private.card_schedule(${delivery}, now())).name as name`)[0]?.name ?? null;
    };
    assertEquals(await schedule("shop.web.alert+x@in.example.com"), "infra");
    assertEquals(await schedule("shop.DB.Alert@in.example.com"), "payments");
    assertEquals(await schedule("shop.web.report@in.example.com"), null);
    assertEquals(await schedule("shop.web@in.example.com"), null);
    assertEquals(await schedule("a.shop.web.alert@in.example.com"), null);
    // The stage "critical alerts only".
    await edge.set({
      "dynamic_routing.enabled": { value: "true", metadata: { target_user_ids: ["type:alert"] } },
    });
    assertEquals(await schedule("shop.web.alert@in.example.com"), "infra");
    await edge.set({
      "dynamic_routing.enabled": { value: "true", metadata: { target_user_ids: ["type:incident"] } },
    });
    assertEquals(await schedule("shop.web.alert@in.example.com"), null);
  },
);

edgeTest("Telegram away: the mention waits, and calls once it is back", async (edge) => {
  const { sql, telegram } = edge;
  const chat = await chatWithRoute(edge);
  await linkedPerson(edge, ANA);
  await rota(edge, ["ana@team.example"]);
  await says(edge, "One");
  telegram.configure({ fault: "500", times: 1 });
  await edge.call("oncall-webhook/work", { headers: key });
  await until(
    "the call failed",
    async () =>
      (await sql`select from private.oncall_pages where state = 'paging' and lease is null`).length === 1,
  );
  await sql`update private.oncall_pages set due_at = now()`;
  await clock(edge);
  assertEquals(texts(chat).at(-1), "📟 Ana: you are on call.");
});

edgeTest("docs/openapi.yaml: each answer of oncall-webhook is described", async (edge) => {
  await rota(edge, []).catch(() => {});
  const seen = async (path: string, method: "get" | "post", status: number, headers: HeadersInit) => {
    const answer = await edge.call(`oncall-webhook/${path}`, { method: method.toUpperCase(), headers });
    assertEquals(answer.status, status, `${method} ${path}`);
    assertDescribed(`/oncall-webhook/${path}`, method, answer);
  };
  for (const [path, method, ok] of [["work", "post", 202], ["check", "get", 200]] as const) {
    await seen(path, method, ok, key);
    await seen(path, method, 401, {});
    await seen(path, method, 403, { apikey: KEYS.publishableKey });
  }
});
