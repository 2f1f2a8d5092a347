/** PagerDuty and Opsgenie with the real functions: who is on call there, and incidents that follow cards and are followed. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { chatWithRoute, linkedPerson, says } from "../support/chats.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { assertDescribed } from "../support/openapi.ts";
import { until } from "../support/until.ts";
import { TELEGRAM_PEOPLE, type TelegramChat } from "../../local/simulator/telegram/telegram.ts";

const [ANA] = TELEGRAM_PEOPLE;
const key = { apikey: KEYS.secretKey };
const PERSON = { name: "Ana Test", email: "ana@team.example" };

/** A chat whose cards open incidents at a provider, where Ana is on call. */
async function scene(edge: Edge, source: "pagerduty" | "opsgenie" = "pagerduty") {
  const chat = await chatWithRoute(edge);
  await linkedPerson(edge, ANA);
  await edge.set({ "dynamic_routing.enabled": "true" });
  edge.pagerDuty.schedules.set("S1", [PERSON]);
  const schedule = {
    name: "infra",
    source,
    external_id: "S1",
    destination: "on-call",
    opens_incidents: true,
  };
  await edge.sql`select public.add_oncall(${edge.sql.json(schedule)})`;
  return chat;
}

/** What the clock does until nothing is due. */
async function clock(edge: Edge) {
  await edge.pagerDuty.settled();
  await edge.call("oncall-webhook/work", { headers: key });
  await until(
    "nothing is to be told",
    async () =>
      (await edge.sql`select from private.oncall_pages where due_at is not null
      union all select from private.oncall_mirrors where due_at is not null`).length === 0,
  );
  await edge.pagerDuty.settled();
  await edge.call("telegram-webhook/edit", { headers: key });
  await until(
    "cards are up to date",
    async () => (await edge.sql`select from public.cards where edit_due_at is not null`).length === 0,
  );
}

async function press(edge: Edge, chat: TelegramChat, text: string) {
  const card = chat.messages.find(({ buttons }) => buttons.length > 0)!;
  const button = card.buttons.flat().find((button) => button.text === text)!;
  edge.telegram.press(chat.id, card.message_id, button.callback_data, ANA);
  await edge.telegram.settled();
  await clock(edge);
}

const events = (edge: Edge) =>
  edge.pagerDuty.calls.filter((call) => !call.startsWith("GET")).map((call) => call.split(" ")[0]);
const incident = (edge: Edge) => [...edge.pagerDuty.incidents.values()][0];
const state = async (edge: Edge) => (await edge.sql`select state from public.cards`)[0].state as string;

for (const source of ["pagerduty", "opsgenie"] as const) {
  edgeTest(
    `${source}: who is on call is mentioned, and the incident follows each press, once`,
    async (edge) => {
      const chat = await scene(edge, source);
      await says(edge, "The shop is down");
      // Who is on call has to be asked: the card does not wait for it.
      assertMatch(chat.messages[0].text, /The shop is down$/);
      await clock(edge);
      assertMatch(chat.messages[0].text, /📟 On call: Ana/);
      assertEquals([incident(edge).state, incident(edge).summary], ["triggered", "The shop is down"]);
      assertMatch(incident(edge).key, /^gatelink:[a-z2-7]{16}$/);
      await press(edge, chat, "Acknowledge");
      assertEquals(incident(edge).state, "acknowledged");
      await press(edge, chat, "Resolve");
      assertEquals(incident(edge).state, "resolved");
      await press(edge, chat, "Undo");
      assertEquals(incident(edge).state, "acknowledged");
      assertEquals(events(edge), ["trigger", "acknowledge", "resolve", "trigger", "acknowledge"]);
      assertEquals(await state(edge), "acknowledged");
      // Its own echoes changed nothing.
      assertEquals((await edge.sql`select from public.card_presses`).length, 3);
    },
  );
}

edgeTest(
  "an answer of the last minute names the person on the next card; an older one, or a fault since, does not",
  async (edge) => {
    const { sql } = edge;
    const chat = await scene(edge);
    await says(edge, "One");
    await clock(edge);
    const lookups = () => edge.pagerDuty.calls.filter((call) => call.startsWith("GET")).length;
    const before = lookups();
    await says(edge, "Two");
    assertMatch(chat.messages.at(-1)!.text, /Two\n\n📟 On call: Ana$/);
    assertEquals(lookups(), before);
    await sql`update private.oncall_answers set answered_at = now() - interval '61 seconds'`;
    await says(edge, "Three");
    assertMatch(chat.messages.at(-1)!.text, /Three$/);
    await sql`update private.oncall_answers set answered_at = now(), fault = 'timeout'`;
    await says(edge, "Four");
    assertMatch(chat.messages.at(-1)!.text, /Four$/);
  },
);

edgeTest("what happens at PagerDuty changes the card, with a name, and is never told back", async (edge) => {
  const chat = await scene(edge);
  await says(edge, "Down");
  await clock(edge);
  const before = edge.pagerDuty.calls.length;
  edge.pagerDuty.act(incident(edge).key, "acknowledge", { copies: 2 });
  await clock(edge);
  assertMatch(chat.messages[0].text, /👀 Acknowledged by Zoe Test in PagerDuty/);
  edge.pagerDuty.act(incident(edge).key, "resolve");
  await clock(edge);
  assertMatch(chat.messages[0].text, /✅ Resolved by Zoe Test in PagerDuty/);
  edge.pagerDuty.act(incident(edge).key, "reopen");
  await clock(edge);
  assertEquals(await state(edge), "open");
  assertEquals(edge.pagerDuty.answers, [200, 200, 200, 200, 200]);
  assertEquals(edge.pagerDuty.calls.length, before);
  assertEquals((await edge.sql`select from public.card_presses`).length, 3);
  // An old event that comes late, and one from before the last press in the chat.
  edge.pagerDuty.act(incident(edge).key, "resolve", { at: Date.now() - 3_600_000 });
  await edge.pagerDuty.settled();
  assertEquals(await state(edge), "open");
});

edgeTest(
  "a provider that is away holds nothing up and is told the last state alone; without it a card is as ever",
  async (edge) => {
    const chat = await scene(edge);
    edge.pagerDuty.fault = "500";
    await says(edge, "Down");
    await edge.call("oncall-webhook/work", { headers: key });
    await until(
      "both failed",
      async () =>
        (await edge.sql`select from private.oncall_mirrors where last_error is not null`).length === 1 &&
        (await edge.sql`select from private.oncall_pages where outcome = 'failed'`).length === 1,
    );
    const card = chat.messages[0];
    for (const text of ["Acknowledge", "Snooze 1 h"]) {
      const fresh = await edge.call("telegram-webhook/edit", { headers: key });
      assertEquals(fresh.status, 202);
      await until("it has the button", () => card.buttons.flat().some((button) => button.text === text));
      edge.telegram.press(
        chat.id,
        card.message_id,
        card.buttons.flat().find((b) => b.text === text)!.callback_data,
        ANA,
      );
      await edge.telegram.settled();
    }
    edge.pagerDuty.fault = "none";
    await edge.sql`update private.oncall_mirrors set due_at = now()`;
    await clock(edge);
    assertEquals(events(edge), ["trigger", "acknowledge"]);
  },
);

edgeTest(
  "mails of a provider about its incidents open none, and what is closed or late is never opened",
  async (edge) => {
    await scene(edge);
    await says(edge, "Acknowledged: gatelink:abcdefghijklmnop");
    assertEquals((await edge.sql`select from private.oncall_mirrors`).length, 0);
    await says(edge, "Down");
    await edge.sql`update private.oncall_mirrors set created_at = now() - interval '20 minutes'`;
    await clock(edge);
    assertEquals(events(edge), []);
    const of = async (native: unknown) =>
      (await edge.sql`select private.is_of_provider(null, ${edge.sql.json(native as never)}) as is`)[0].is;
    assertEquals(await of({ from: { address: "no-reply@acme.pagerduty.com" } }), true);
    assertEquals(await of({ from: { address: "no-reply@pagerduty.com.evil.example" }, subject: "x" }), false);
  },
);

edgeTest("webhooks that do not prove themselves change nothing; each answer is described", async (edge) => {
  await scene(edge);
  const post = async (path: string, status: number, headers: HeadersInit, body = "{}") => {
    const answer = await edge.call(`oncall-webhook/${path}` as "oncall-webhook", { headers, body });
    assertEquals(answer.status, status, path);
    assertDescribed(`/oncall-webhook/${path}`, "post", answer);
    return answer.body;
  };
  assertEquals((await post("pagerduty", 401, {})).code, "signature_missing");
  assertEquals(
    (await post("pagerduty", 401, { "x-pagerduty-signature": `v1=${"0".repeat(64)}` })).code,
    "signature_invalid",
  );
  assertEquals((await post("atlassian", 401, {})).code, "signature_missing");
  assertEquals((await post("atlassian", 401, { "x-gatelink-token": "no" })).code, "signature_invalid");
  await post("pagerduty", 413, { "x-pagerduty-signature": "v1=0" }, "x".repeat(300_000));
  const proved = { "x-gatelink-token": KEYS.atlassianSecret };
  assertEquals(await post("atlassian", 200, proved, "[["), { outcome: "ignored" });
  await says(edge, "Down");
  await edge.sql`update public.oncall_schedules set source = 'opsgenie'`;
  const [{ key: alias }] = await edge.sql`select key from private.oncall_mirrors`;
  const close = JSON.stringify({
    action: "Close",
    alert: { alertId: "A", alias, username: "zoe@x.example" },
  });
  assertEquals(await post("atlassian", 200, proved, close), { outcome: "taken" });
  assertEquals(await state(edge), "resolved");
  assert((await edge.sql`select from private.oncall_news`).length > 0);
});

edgeTest("while a kill switch is set, webhooks change no card, and come again", async (edge) => {
  await scene(edge, "opsgenie");
  await says(edge, "Down");
  const [{ key: alias }] = await edge.sql`select key from private.oncall_mirrors`;
  const close = JSON.stringify({ action: "Close", alert: { alertId: "A", alias } });
  const webhook = async (path: string, headers: HeadersInit) => {
    const answer = await edge.call(`oncall-webhook/${path}` as "oncall-webhook", { headers, body: close });
    assertDescribed(`/oncall-webhook/${path}`, "post", answer);
    return answer.status;
  };
  const proved = { "x-gatelink-token": KEYS.atlassianSecret };
  for (const name of ["ONCALL_WEBHOOK_ENABLED", "DYNAMIC_ROUTING"]) {
    Deno.env.set(name, "false");
    try {
      assertEquals(await webhook("atlassian", proved), 503, name);
      assertEquals(await webhook("pagerduty", { "x-pagerduty-signature": "v1=0" }), 503, name);
    } finally {
      Deno.env.delete(name);
    }
  }
  assertEquals(await state(edge), "open");
  assertEquals(await webhook("atlassian", proved), 200);
  assertEquals(await state(edge), "resolved");
});
