/** Analysis of mails with the real functions: behind the card, never in its way, and nothing personal leaves. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { AI_FAULTS } from "../../local/simulator/ai/ai.ts";
import { TELEGRAM_PEOPLE } from "../../local/simulator/telegram/telegram.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

const NOON = new Date("2026-11-29T12:00:00Z");
const [ANA] = TELEGRAM_PEOPLE;

/** A chat that gets every mail, with analysis on. */
async function chatForMails(edge: Edge, flag = "true") {
  const { sql, telegram } = edge;
  const chat = telegram.addGroup("Operations", "supergroup");
  telegram.setMember(chat.id, true);
  await telegram.settled();
  const [{ added }] = await sql`select public.add_telegram_destination('operations', ${chat.id}) as added`;
  await sql`insert into public.routes (name, condition, priority, channels) values ('all', '{"type": "any"}', 1, '{email}')`;
  await sql`insert into public.route_destinations (route_id, destination_id, position)
    select r.id, ${added.id}, 0 from public.routes r where r.name = 'all'`;
  await edge.set({ "mail_analysis.enabled": flag });
  return chat;
}

let sent = 0;

/** A mail comes, and its card is there. */
async function comes(edge: Edge, mail: Partial<WrittenMail>): Promise<string> {
  const subject = `${mail.subject ?? "Question"}`;
  const written = {
    from: { name: "Rosalind Quast", address: `r.quast${++sent}@mail.example` },
    to: "shop.orders.request@reply.example.com",
    text: "",
    ...mail,
    subject,
  } as WrittenMail;
  const { body, contentType } = formOf(mimeOf(written, NOON), written);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  await edge.settled();
  const [{ id }] = await edge.sql`select max(id::text) as id from public.messages where channel = 'email'`;
  return id;
}

/** Resolves once nothing waits to be analysed or edited. */
async function analysed({ sql }: Edge): Promise<void> {
  await until("everything is analysed and shown", async () => {
    const [{ open }] = await sql`select
      (select count(*) from public.analyses where due_at is not null)::int + (select count(*) from public.cards where edit_due_at is not null)::int as open`;
    return open === 0;
  }, { withinMs: 30_000 });
}

async function withKey(use: () => Promise<void>): Promise<void> {
  Deno.env.set("OPENAI_API_KEY", KEYS.modelKey);
  forgetEnv();
  try {
    await use();
  } finally {
    Deno.env.delete("OPENAI_API_KEY");
    forgetEnv();
  }
}

const cards = (chat: { messages: readonly { buttons: readonly unknown[] }[] }) =>
  // deno-lint-ignore no-explicit-any
  chat.messages.filter(({ buttons }) => buttons.length > 0) as any[];
const dataOf = (card: { buttons: { text: string; callback_data: string }[][] }, text: string) =>
  card.buttons.flat().find((button) => button.text === text)!.callback_data;

edgeTest("without a key rules mark a mail after its card was sent, and call attention once", async (edge) => {
  const chat = await chatForMails(edge);
  await comes(edge, { subject: "[FIRING] DiskFull db-1", text: "Disk usage of db-1 is 98 %." });
  await analysed(edge);
  const [card] = cards(chat);
  assertMatch(card.text, /\n🔴 Critical/);
  assertEquals(card.edits, 1);
  const [row] = await edge.sql`select state, source, urgency, summary, model, fault from public.analyses`;
  assertEquals({ ...row }, {
    state: "done",
    source: "rules",
    urgency: "critical",
    summary: null,
    model: null,
    fault: null,
  });
  await until("the call for attention is there", () => chat.messages.length === 2);
  assertEquals(chat.messages[1].text, "🔴 Critical: look at this mail.");
  assertEquals(chat.messages[1].replyTo, card.message_id);
  assertEquals(edge.ai.questions.length, 0);
  // A chat of alerts is called by each card already.
  await comes(edge, {
    subject: "[FIRING] DiskFull db-2",
    to: "shop.db.alert@reply.example.com",
    text: "98 %",
  });
  await analysed(edge);
  assertEquals(chat.messages.length, 3);
});

edgeTest("a chat that was called too often is called no more, and the card has its mark", async (edge) => {
  const chat = await chatForMails(edge);
  await edge
    .sql`select private.take_rate(${`analysis_call:${chat.id}`}, 0.05, 3, 3, now() + interval '1 hour')`;
  await comes(edge, { subject: "[FIRING] DiskFull db-1", text: "Disk usage of db-1 is 98 %." });
  await analysed(edge);
  await edge.settled();
  await edge.telegram.settled();
  assertMatch(cards(chat)[0].text, /\n🔴 Critical/);
  assertEquals(chat.messages.length, 1);
});

edgeTest("nothing personal is in the bytes that a model gets, and its word is shown", async (edge) => {
  await withKey(async () => {
    const chat = await chatForMails(edge);
    await comes(edge, {
      subject: "Charged twice, call +1 202 555 0147",
      text:
        "Dear Tom,\nI am broken-hearted: you charged card 4111 1111 1111 1111 and DE89 3704 0044 0532 0130 00 twice.\n" +
        "Write to casey.private@example.org or visit https://shop.example/reset?token=abc123, key sk_test_EXAMPLE000000000000,\n" +
        "from 203.0.113.7 and 2001:db8::7, I live at 12 Elm Street, born 1990-02-28.\n\nKind regards,\nRosalind Quast\n+49 30 23125 123",
    });
    await analysed(edge);
    // Without the random mark, in which anything may stand by chance.
    const left = edge.ai.questions[0].body.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "");
    for (
      const secret of [
        "202",
        "4111",
        "3704",
        "casey",
        "abc123",
        "EXAMPLE000",
        "203.0.113",
        "2001:db8",
        "Elm",
        "1990",
        "Quast",
        "Rosalind",
        "23125",
        "r.quast",
        "Tom",
      ]
    ) assert(!left.includes(secret), `${secret} left: ${left}`);
    assert(left.includes("[card-1]") && left.includes("[phone-1]"), left);
    assertMatch(cards(chat)[0].text, /🙁 Negative\n🤖 Charged twice/);
    const [row] = await edge.sql`select source, sentiment, model, fault from public.analyses`;
    assertEquals({ ...row }, { source: "model", sentiment: "negative", model: "gpt-4o-mini", fault: null });
  });
});

for (
  const fault of Object.keys(AI_FAULTS).filter((each) =>
    !["none", "slow", "fence", "calming", "hostile", "hang"].includes(each)
  )
) {
  edgeTest(`a model that fails (${fault}) takes nothing from the card`, async (edge) => {
    await withKey(async () => {
      const chat = await chatForMails(edge);
      edge.ai.configure({ fault: fault as keyof typeof AI_FAULTS });
      await comes(edge, { subject: "[FIRING] DiskFull db-1", text: "Disk usage of db-1 is 98 %." });
      await analysed(edge);
      assertEquals(cards(chat).length, 1);
      assertMatch(cards(chat)[0].text, /🔴 Critical/);
      const [row] = await edge.sql`select source, fault from public.analyses`;
      assertEquals(row.source, "rules");
      assert(["throttled", "unavailable", "refused", "invalid"].includes(row.fault), row.fault);
    });
  });
}

edgeTest(
  "a model that hangs holds up no card, and five failures stop the questions",
  async (edge) => {
    await withKey(async () => {
      const chat = await chatForMails(edge);
      edge.ai.configure({ fault: "hang" });
      await comes(edge, { subject: "Question", text: "Where is the invoice?" });
      // The card is there while the model is asked.
      assertEquals(cards(chat).length, 1);
      await analysed(edge);
      assertEquals((await edge.sql`select fault from public.analyses`)[0].fault, "timeout");
      edge.ai.configure({ fault: "500" });
      for (let i = 0; i < 4; i++) {
        await comes(edge, { subject: `Question ${i}`, text: "Where is the invoice?" });
        await analysed(edge);
      }
      const asked = edge.ai.questions.length;
      edge.ai.configure({ fault: "none" });
      await comes(edge, { subject: "Another", text: "Where is the invoice?" });
      await analysed(edge);
      assertEquals(edge.ai.questions.length, asked);
      assertEquals(
        (await edge.sql`select fault from public.analyses order by message_id desc limit 1`)[0].fault,
        "circuit_open",
      );
      // Half a minute later one question tries, and what works is asked again.
      await edge.sql`update private.provider_circuits set open_until = now()`;
      await comes(edge, { subject: "Yet another", text: "Where is the invoice?" });
      await analysed(edge);
      assertEquals(
        (await edge.sql`select source from public.analyses order by message_id desc limit 1`)[0].source,
        "model",
      );
      assertEquals((await edge.sql`select open_until from private.provider_circuits`)[0].open_until, null);
    });
  },
);

edgeTest(
  "a hostile answer is text without links, and no model calms what rules found urgent",
  async (edge) => {
    await withKey(async () => {
      const chat = await chatForMails(edge);
      const chats = edge.telegram.chats.size;
      edge.ai.configure({ fault: "hostile" });
      await comes(edge, { subject: "Invoice", text: "Could you send it?" });
      await analysed(edge);
      const [card] = cards(chat);
      const shown = card.text.split("🤖")[1].split("\n\n")[0];
      for (const bad of ["http", "evil.example", "@", "/stop", "#", "<", "tg:", "\u202e", "555", "sk-live"]) {
        assert(!shown.includes(bad), `${bad} in ${shown}`);
      }
      edge.ai.configure({ fault: "calming" });
      await comes(edge, { subject: "[FIRING] DiskFull db-1", text: "Disk usage of db-1 is 98 %." });
      await analysed(edge);
      assertMatch(cards(chat)[1].text, /🔴 Critical/);
      assertEquals(edge.telegram.chats.size, chats);
    });
  },
);

edgeTest("people of the team say what is right: it is shown, and accuracy counts it", async (edge) => {
  await withKey(async () => {
    const { sql, telegram } = edge;
    const chat = await chatForMails(edge);
    const [{ id }] = await sql`insert into auth.users (id, email, email_confirmed_at)
      values (gen_random_uuid(), 'ana@team.example', now()) returning id`;
    await sql`insert into public.team_members (user_id, role) values (${id}, 'operator')`;
    const [{ link }] = await sql`select public.link_telegram('ana@team.example') as link`;
    telegram.say(ANA.id, `/start ${link.token}`, { from: ANA });
    await telegram.settled();
    await comes(edge, { subject: "Great", text: "Great, another update that loses my filters." });
    await analysed(edge);
    const [card] = cards(chat);
    assertMatch(card.text, /🙂 Positive/);
    telegram.press(chat.id, card.message_id, dataOf(card, "Wrong?"), { id: 5100000666, first_name: "Eve" });
    await telegram.settled();
    assertMatch(telegram.toasts.at(-1)!.text, /^Only operators/);
    telegram.press(chat.id, card.message_id, dataOf(card, "Wrong?"), ANA);
    await telegram.settled();
    await until(
      "the card asks",
      () => card.buttons.length === 3 && card.buttons[0][0].text === "🙂 Positive",
    );
    telegram.press(chat.id, card.message_id, dataOf(card, "🙁 Negative"), ANA);
    await telegram.settled();
    await until("the card shows it", () => /🙁 Negative \(corrected\)/.test(card.text));
    assertEquals(telegram.toasts.at(-1)!.text, "Thank you, noted.");
    // Handled, and not said to be wrong: right.
    await comes(edge, { subject: "Thanks", text: "Thanks, it is perfect now." });
    await analysed(edge);
    const second = cards(chat)[1];
    telegram.press(chat.id, second.message_id, dataOf(second, "Resolve"), ANA);
    await telegram.settled();
    const [{ accuracy }] = await sql`select private.analysis_accuracy() as accuracy`;
    assertEquals(
      accuracy.map(({ source, n, right, ratio }: Record<string, unknown>) => ({ source, n, right, ratio })),
      [
        { source: "model", n: 2, right: 1, ratio: 0.5 },
      ],
    );
    assertEquals((await sql`select private.analysis_gate(now()) as gate`)[0].gate, "wait");
    await sql`select private.judge_analyses(now() + interval '1 hour')`;
    await sql`select private.judge_analyses(now() + interval '2 hours')`;
    assertEquals(
      [...await sql`select name, sum(n)::int as n from public.metric_days group by name order by name`].map((
        row,
      ) => ({ ...row })),
      [{ name: "analysis.judged", n: 2 }, { name: "analysis.right", n: 1 }],
    );
  });
});

edgeTest("without the flag, and with the kill switch, cards are as they were sent", async (edge) => {
  const chat = await chatForMails(edge, "false");
  await comes(edge, { subject: "[FIRING] DiskFull db-1", text: "98 %" });
  assertEquals((await edge.sql`select from public.analyses`).length, 0);
  await edge.set({ "mail_analysis.enabled": "true" });
  Deno.env.set("MAIL_ANALYSIS_ENABLED", "false");
  try {
    await comes(edge, { subject: "[FIRING] DiskFull db-2", text: "98 %" });
    await edge.call("telegram-webhook/edit", { headers: { apikey: KEYS.secretKey } });
    await edge.settled();
    assertEquals(cards(chat).map(({ edits }) => edits), [0, 0]);
    assertEquals((await edge.sql`select state from public.analyses`)[0].state, "queued");
  } finally {
    Deno.env.delete("MAIL_ANALYSIS_ENABLED");
  }
  // What waited for ten minutes is not news any more.
  await edge.sql`update public.analyses set created_at = now() - interval '11 minutes'`;
  await edge.call("telegram-webhook/edit", { headers: { apikey: KEYS.secretKey } });
  await until(
    "it is given up",
    async () => (await edge.sql`select state from public.analyses`)[0].state === "given_up",
  );
});

edgeTest(
  "mails to addresses that no model may have stay here, and erased words take their summary along",
  async (edge) => {
    await withKey(async () => {
      await chatForMails(edge);
      await edge.set({ "mail_analysis.local_only": "hr, *.payroll" });
      await comes(edge, {
        subject: "Sick note",
        to: "hr.people@reply.example.com",
        text: "I am ill, thank you.",
      });
      await analysed(edge);
      await comes(edge, {
        subject: "Salary",
        to: "shop.payroll.request@reply.example.com",
        text: "It is wrong.",
      });
      await analysed(edge);
      // Addresses that no route reads by their parts have parts nevertheless.
      for (const to of ["HR.people.eu.sick@reply.example.com", "hr.o_brien+x@reply.example.com"]) {
        await comes(edge, { subject: `To ${to}`, to, text: "I am ill." });
        await analysed(edge);
      }
      assertEquals(edge.ai.questions.length, 0);
      const id = await comes(edge, { subject: "Hello", text: "A question about lamps." });
      await analysed(edge);
      assertEquals(edge.ai.questions.length, 1);
      assert(
        (await edge.sql`select summary from public.analyses where message_id = ${id}`)[0].summary !== null,
      );
      await edge.sql`update public.messages set text = null, native = null where id = ${id}`;
      assertEquals(
        (await edge.sql`select summary from public.analyses where message_id = ${id}`)[0].summary,
        null,
      );
    });
  },
);
