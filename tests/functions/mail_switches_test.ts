/**
 * The switches of mail to chats, each drilled: mail still arrives. And the plan's figures, on the real functions: what happens is
 * what the metrics say.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { alertChat, cardsIn, mailIn } from "../support/chat_mails.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

/** Runs with these variables of the environment; undefined removes one. */
async function withEnv(changes: Record<string, string | undefined>, use: () => Promise<void>): Promise<void> {
  const before = Object.keys(changes).map((name) => [name, Deno.env.get(name)] as const);
  const set = ([name, value]: readonly [string, string | undefined]) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  Object.entries(changes).forEach(set);
  try {
    await use();
  } finally {
    before.forEach(set);
  }
}

const SWITCHES: Record<string, { env?: Record<string, string | undefined>; off?: string[] }> = {
  "OPENAI_API_KEY is gone": { env: { OPENAI_API_KEY: undefined } },
  "DYNAMIC_ROUTING=false": { env: { DYNAMIC_ROUTING: "false" } },
  "EMAIL_REPLIES=false": { env: { EMAIL_REPLIES: "false" } },
  "all three": { env: { OPENAI_API_KEY: undefined, DYNAMIC_ROUTING: "false", EMAIL_REPLIES: "false" } },
  "every flag behind the card is off": {
    off: ["mail_analysis.enabled", "dynamic_routing.enabled", "email_replies.enabled"],
  },
};

for (const [name, { env = {}, off = [] }] of Object.entries(SWITCHES)) {
  edgeTest(`switches: ${name}, and each mail still becomes a card`, async (edge) => {
    const flags = ["mail_analysis.enabled", "dynamic_routing.enabled", "email_replies.enabled"];
    await edge.set(Object.fromEntries(flags.map((flag) => [flag, String(!off.includes(flag))])));
    const chat = await alertChat(edge);
    await mailIn(edge, { subject: "Before" });
    await withEnv(env, async () => {
      await mailIn(edge, { subject: "Meanwhile" });
      await until("the mail has its card", () => cardsIn(chat).includes("Meanwhile"));
    });
    await mailIn(edge, { subject: "Again" });
    await until("the mail has its card", () => cardsIn(chat).includes("Again"));
    assertEquals(cardsIn(chat), ["Before", "Meanwhile", "Again"], "in their order, once");
  });
}

edgeTest(
  "switches: with the flag of routing off, mail is kept, and becomes cards once it is on",
  async (edge) => {
    const chat = await alertChat(edge);
    await edge.set({ "email_router.enabled": "false" });
    await mailIn(edge, { subject: "Kept" });
    assertEquals(cardsIn(chat), []);
    assertEquals((await edge.sql`select from public.messages where channel = 'email'`).length, 1);
    await edge.set({ "email_router.enabled": "true" });
    await edge.call("wa-router", { headers: { apikey: KEYS.secretKey }, body: "" });
    await edge.settled();
    await until("the mail has its card", () => cardsIn(chat).includes("Kept"));
  },
);

edgeTest("telegram-webhook without its secret is 401, and does nothing", async ({ call, sql }) => {
  const update = { update_id: 1, message: { message_id: 1, chat: { id: -1, type: "group", title: "x" } } };
  const guesses: HeadersInit[] = [{}, { "x-telegram-bot-api-secret-token": "guessed" }];
  for (const headers of guesses) {
    assertEquals((await call("telegram-webhook", { headers, body: update })).status, 401);
  }
  assertEquals((await sql`select from private.telegram_updates`).length, 0);
});

/** The samples of a scrape, by name and labels as printed. */
async function scrape({ call }: Edge): Promise<Map<string, number>> {
  await flushCounts();
  await flushMeasurements();
  const { body } = await call("metrics", { method: "GET", headers: { apikey: KEYS.secretKey } });
  return new Map(
    (body as string).split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

edgeTest(
  "metrics: cards by status and address, the time to them, and mails that found no route",
  async (edge) => {
    const chat = await alertChat(edge);
    await mailIn(edge);
    await mailIn(edge, { to: "shop.eu.report@reply.example.com" });
    await mailIn(edge, { to: "stranger@reply.example.com" });
    edge.telegram.configure({ fault: "500", times: 1 });
    await mailIn(edge);
    await edge.hurry();
    await edge.settled();
    await until("both cards are there", () => cardsIn(chat).length === 2);
    await edge.settled();
    const found = await scrape(edge);
    const at = (series: string) => found.get(series);
    assertEquals(at('tgk_email_delivery_total{status="delivered"}'), 2);
    assertEquals(at('tgk_email_delivery_total{status="failed"}'), 1);
    assertEquals(at("tgk_email_routing_duration_seconds_count"), 2);
    assert(at('tgk_email_routing_duration_seconds_bucket{le="3"}') !== undefined);
    assert(at('tgk_email_routing_duration_seconds_bucket{le="10"}') !== undefined);
    assertEquals(at("tgk_email_route_failures_total"), 2);
    // db is no name of a route: anybody can write to any address.
    assertEquals(
      at('gatelink_mail_cards_total{domain="shop",scope="other",type="alert",status="delivered"}'),
      2,
    );
    assertEquals(at('gatelink_mail_route_failures_total{reason="unknown_address"}'), 2);
    assertEquals(at('gatelink_chats{what="reached"}'), 1);
    assertEquals(at('gatelink_chats{what="active"}'), 0);
  },
);
