/**
 * Mails for chats while everything outside hangs, and the host of the functions and Postgres are killed: none is lost, and a
 * card comes twice only where a kill took its answer, because Telegram has no idempotency.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { leaksIn, startStorm } from "../support/chat_storm.ts";
import { atLeast, until } from "../support/until.ts";

const MAILS = 300, CHATS = 100, OVER_MS = 20_000;
const HOST_KILLS = 3;
/** The kill with which Postgres is killed too. */
const POSTGRES = 1;
const PATIENCE = { withinMs: 180_000 };

Deno.test("chaos: killed in between, with everything outside hanging, no mail is lost, and none comes twice but for a kill", async () => {
  const storm = await startStorm(CHATS);
  const { cards, stack, sql } = storm;
  try {
    const posted = storm.post(MAILS, OVER_MS);
    for (let kill = 0; kill < HOST_KILLS; kill++) {
      const far = Math.floor(MAILS * (kill + 0.5) / HOST_KILLS / 2);
      await until(`${far} cards`, atLeast(far, () => cards.length), PATIENCE);
      const before = stack.pids();
      storm.killed();
      Deno.kill(before.functions, "SIGKILL");
      if (kill === POSTGRES) Deno.kill(before.postgres!, "SIGKILL");
      await until("the host is back", () => stack.pids().functions !== before.functions, PATIENCE);
    }
    await posted;
    await storm.shown(MAILS);
    assertEquals(cards.filter(({ mail, chat }) => chat !== storm.chatOf(mail)), [], "in its own chat");
    const first = new Map<number, number>();
    for (const { mail, kills } of cards) {
      const before = first.get(mail);
      if (before === undefined) first.set(mail, kills);
      else assert(kills > before, `mail ${mail} came twice without a kill in between`);
    }
    await until("every delivery is settled", async () => {
      const open = await sql`select state, count(*)::int as n from public.deliveries group by 1`;
      if (open.some(({ state }) => state !== "delivered")) throw new Error(JSON.stringify([...open]));
      return open.length === 1 && open[0].n === MAILS;
    }, PATIENCE);
    assertEquals(leaksIn(stack.output()), [], "the logs hold what was planted");
    assertEquals(storm.asked.flatMap(leaksIn), [], "the model got what was planted");
  } finally {
    await storm.stop();
  }
});

for (const others of ["is wrong", "is gone"] as const) {
  Deno.test(`chaos: everything outside ${others}, and each mail has its card, once`, async () => {
    const storm = await startStorm(20, others);
    try {
      await storm.post(60, 3000);
      await storm.shown(60);
      assertEquals(storm.cards.filter(({ mail, chat }) => chat !== storm.chatOf(mail)), []);
      assertEquals(storm.cards.length, 60, "none twice");
      const said = storm.telegram.calls.map(({ body }) => JSON.stringify(body)).join("\n");
      assert(!said.includes("evil.example"), "what a wrong answer says is not shown");
      assertEquals(leaksIn(storm.stack.output()), [], "the logs hold what was planted");
    } finally {
      await storm.stop();
    }
  });
}
