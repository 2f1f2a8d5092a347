/**
 * A thousand mails in a minute for 200 chats, while the model, the on-call provider and the provider of mail take every
 * request and never answer, and Telegram refuses what is above its limits: each mail has one card, in its chat. How soon is
 * printed, and measured by `deno task bench cards`.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { leaksIn, p95, startStorm } from "../support/chat_storm.ts";
import { until } from "../support/until.ts";

const MAILS = 1000, CHATS = 200, MINUTE_MS = 60_000;

Deno.test("load: 1,000 mails in a minute become one card each, in their chats, whatever hangs", async () => {
  const storm = await startStorm(CHATS);
  try {
    await storm.post(MAILS, MINUTE_MS);
    await storm.shown(MAILS);
    const { cards, chatOf, sql, stack } = storm;
    assertEquals(cards.length, MAILS, "none twice");
    assertEquals(cards.filter(({ mail, chat }) => chat !== chatOf(mail)), [], "in its own chat");
    console.log(`p95 from the post to the card: ${Math.round(p95(cards.map(({ afterMs }) => afterMs)))} ms`);
    await until(
      "every delivery is settled",
      async () => (await sql`select from public.deliveries where state <> 'delivered'`).length === 0,
    );
    assertEquals(leaksIn(stack.output()), [], "the logs hold what was planted");
    assert(storm.asked.length > 0 && storm.called.length > 0, "model and on call were asked, and hung");
    assertEquals(storm.asked.flatMap(leaksIn), [], "the model got what was planted");
    assert(storm.telegram.calls.some(({ method }) => method === "sendMessage"));
  } finally {
    await storm.stop();
  }
});
