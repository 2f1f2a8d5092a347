/** Answers from chats with the real functions: a reply to a card becomes a mail in its thread, once, unless it is undone. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { TELEGRAM_PEOPLE, type TelegramChat } from "../../local/simulator/telegram/telegram.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { assertDescribed } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const [ANA, BEN] = TELEGRAM_PEOPLE;
const key = { apikey: KEYS.secretKey };
const NOON = new Date("2026-11-29T12:00:00Z");
const ALERT: WrittenMail = {
  from: { address: "casey@example.org", name: "Casey Brooks" },
  to: "shop.db.alert@reply.example.com",
  subject: "The shop is down",
  text: "Nobody can pay.",
  messageId: "down-1@example.org",
  references: ["<before@example.org>"],
};

// deno-lint-ignore no-explicit-any
type Message = any;

/** A chat that mails go to, an identity, and a member of the team who is linked. */
async function ground(edge: Edge, kind: "supergroup" | "forum" = "supergroup") {
  const { sql, telegram } = edge;
  await edge.set({ "email_replies.enabled": "true" });
  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    const [{ identity }] = await sql`select public.add_identity('support@example.com', ${
      sql.json({ display_name: "The shop", is_default: true })
    }) as identity`;
    const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, 'from') as begun`;
    await sql`select public.check_identity(${identity.id}, 'from', ${begun.code})`;
  });
  const chat = telegram.addGroup("On call", kind);
  telegram.setMember(chat.id, true);
  await telegram.settled();
  const topic = kind === "forum" ? 2 : null;
  const [{ added }] = await sql`
    select public.add_telegram_destination('on-call', ${chat.id}, ${topic}) as added`;
  await sql`insert into public.routes (name, condition, priority) values ('all', '{"type": "any"}', 1)`;
  await sql`insert into public.route_destinations (route_id, destination_id, position)
    select r.id, ${added.id}, 0 from public.routes r where r.name = 'all'`;
  await sql`update public.routes set channels = '{whatsapp,email}'`;
  await edge.reread();
  return { chat, ana: await linked(edge, ANA) };
}

async function linked({ sql, telegram }: Edge, person: typeof ANA, role = "operator") {
  const email = `${person.first_name.toLowerCase()}@team.example`;
  const [{ id }] =
    await sql`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), ${email}, now()) returning id`;
  await sql`insert into public.team_members (user_id, role) values (${id}, ${role})`;
  const [{ link }] = await sql`select public.link_telegram(${email}) as link`;
  telegram.say(person.id, `/start ${link.token}`, { from: person });
  await telegram.settled();
  return id as string;
}

/** A mail comes in; its card. */
async function cardOf(edge: Edge, chat: TelegramChat, mail: Partial<WrittenMail> = {}): Promise<Message> {
  const written = { ...ALERT, ...mail };
  const { body, contentType } = formOf(mimeOf(written, NOON), written);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  await edge.settled();
  return await until("the card is there", () => chat.messages.findLast(({ buttons }) => buttons.length > 0));
}

/** What the bot said below a message. */
const below = (chat: TelegramChat, message: Message): Message[] =>
  chat.messages.filter(({ from, replyTo }) => from.is_bot && replyTo === message.message_id);
const noted = (chat: TelegramChat, message: Message, text: RegExp): Promise<Message> =>
  until(`it is said: ${text}`, () => below(chat, message).find((each) => text.test(each.text)));
const dataOf = (message: Message, text: string) =>
  message.buttons.flat().find((button: { text: string }) => button.text === text).callback_data;

/** Somebody answers a message. */
async function answers(edge: Edge, chat: TelegramChat, to: Message, text: string, more = {}) {
  const said = edge.telegram.say(chat.id, text, { replyTo: to.message_id, ...more });
  await edge.telegram.settled();
  return said;
}

/** Ten seconds pass, and the clock calls. */
async function later(edge: Edge): Promise<void> {
  await edge.sql`update public.chat_replies set due_at = now() - interval '1 second' where state = 'waiting'`;
  await works(edge);
}

/** The clock calls until nothing is due. */
async function works(edge: Edge): Promise<void> {
  await until("nothing is due", async () => {
    const [{ due }] = await edge.sql`select private.chat_replies_are_due(now()) as due`;
    const busy = await edge
      .sql`select from public.chat_replies where state = 'leaving' or edit_lease is not null`;
    if (!due) return busy.length === 0;
    assertEquals((await edge.call("telegram-webhook/replies", { headers: key })).status, 202);
    await edge.settled();
    return false;
  });
  await edge.settled();
}

/** So many mails were sent, and no more. */
async function sentAre(edge: Edge, many: number) {
  await until(`${many} are sent`, async () => {
    await edge.settled();
    return edge.mail.sent.length >= many;
  });
  assertEquals(edge.mail.sent.length, many);
  return edge.mail.sent;
}

const states = async ({ sql }: Edge) =>
  (await sql`select state, reason from public.chat_replies order by id`).map(({ state, reason }) => [
    state,
    reason,
  ]);

edgeTest("an answer to a card is a mail in its thread, and its note says what became of it", async (edge) => {
  const { sql, mail } = edge;
  const { chat, ana } = await ground(edge);
  const card = await cardOf(edge, chat);
  const said = await answers(edge, chat, card, "We are on it.\r\nBcc: somebody@example.org");
  const note = await noted(chat, said, /^✉️ Leaves in 10 s to casey@example.org from support@example.com$/);
  assertEquals(note.buttons.flat().map(({ text }: { text: string }) => text), ["Undo"]);
  await works(edge);
  assertEquals(mail.sent.length, 0, "nothing leaves before its time");
  await later(edge);
  const [sent] = await sentAre(edge, 1);
  assertEquals(
    [sent.from, sent.to, sent.subject, sent.text],
    [
      { email: "support@example.com", name: "The shop" },
      [{ email: "casey@example.org", name: "Casey Brooks" }],
      "Re: The shop is down",
      "We are on it.\nBcc: somebody@example.org\n\n-- \nThe shop",
    ],
  );
  assertEquals(sent.headers["In-Reply-To"], "<down-1@example.org>");
  assertMatch(sent.headers.References, /<before@example\.org>\s+<down-1@example\.org>/);
  assertMatch(sent.replyTo!.email, /^[a-z2-7]{16}@reply\.example\.com$/);
  // SendGrid tells of it.
  await until(
    "it was delivered",
    async () =>
      (await sql`select from public.messages where direction = 'out' and status = 'delivered'`).length === 1,
  );
  await works(edge);
  await noted(chat, said, /^✅ Delivered to casey@example.org from support@example.com$/);
  assertEquals(note.buttons, []);
  const [written] = await sql`
    select a.by, m.thread_id = (select i.thread_id from public.messages i where i.direction = 'in') as threaded,
      private.message_view(m, c.contact_id, true) ->> 'written_by' as shown
    from public.contact_acts a join public.messages m on m.id = a.message_id
    join public.conversations c on c.id = m.conversation_id where a.act = 'replied'`;
  assertEquals({ ...written }, { by: ana, threaded: true, shown: ana });
  const [kept] =
    await sql`select state, text, files, settled_at is not null as settled from public.chat_replies`;
  assertEquals({ ...kept }, { state: "left", text: null, files: [], settled: true });
  assertEquals(
    [...await sql`select label, value::int from public.counters where name = 'chat_replies' order by label`]
      .map((
        { label, value },
      ) => [label, value]),
    [["delivered", 1], ["left", 1], ["queued", 1]],
  );
});

edgeTest("an answer that is undone does not go; one that has left cannot be undone", async (edge) => {
  const { telegram, mail, sql } = edge;
  const { chat } = await ground(edge);
  await linked(edge, BEN, "viewer");
  const card = await cardOf(edge, chat);
  const said = await answers(edge, chat, card, "Not yet");
  const note = await noted(chat, said, /Leaves/);
  const data = dataOf(note, "Undo");
  telegram.press(chat.id, note.message_id, data, BEN);
  await telegram.settled();
  assertMatch(telegram.toasts.at(-1)!.text, /^Only operators of the team may press/);
  telegram.press(chat.id, note.message_id, data, ANA);
  telegram.press(chat.id, note.message_id, data, ANA);
  await telegram.settled();
  assertEquals(telegram.toasts.slice(-2).map(({ text }) => text), [
    "Nothing was sent.",
    "It has changed. Look again.",
  ]);
  await noted(chat, said, /^↩️ Not sent: undone by Ana\.$/);
  await later(edge);
  assertEquals([mail.sent.length, await states(edge)], [0, [["undone", null]]]);
  assertEquals((await sql`select text from public.chat_replies`)[0].text, null);

  const second = await answers(edge, chat, card, "Now");
  const secondNote = await noted(chat, second, /Leaves/);
  const late = dataOf(secondNote, "Undo");
  await later(edge);
  telegram.press(chat.id, secondNote.message_id, late, ANA);
  await telegram.settled();
  assertEquals(telegram.toasts.at(-1)!.text, "Too late: it has left.");
  await sentAre(edge, 1);
});

edgeTest(
  "undo and departure at once: each answer goes or does not, and the person is told which",
  async (edge) => {
    const { sql } = edge;
    const { chat } = await ground(edge);
    const card = await cardOf(edge, chat);
    for (let i = 0; i < 8; i++) await answers(edge, chat, card, `Answer ${i}`);
    await works(edge);
    await sql`update public.chat_replies set due_at = now() - interval '1 second'`;
    const rows = await sql`select id from public.chat_replies order by id`;
    const undone = await Promise.all([
      ...rows.map(({ id }) => sql`select public.undo_chat_reply(${id}) ->> 'state' as state`),
      edge.call("telegram-webhook/replies", { headers: key }),
    ]);
    await works(edge);
    const told =
      undone.slice(0, -1).filter((each) => (each as unknown as { state: string }[])[0].state === "undone")
        .length;
    await sentAre(edge, rows.length - told);
    assertEquals(
      (await sql`select count(*)::int as n from public.chat_replies where state = 'undone'`)[0].n,
      told,
    );
  },
);

edgeTest("an update that comes again, and an edit, send nothing again", async (edge) => {
  const { telegram, mail } = edge;
  const { chat } = await ground(edge);
  const card = await cardOf(edge, chat);
  telegram.configure({ copies: 3 });
  const said = await answers(edge, chat, card, "Once");
  telegram.configure({ copies: 0 });
  await noted(chat, said, /Leaves/);
  telegram.edit(chat.id, said.message_id, "Once, and better");
  telegram.edit(chat.id, said.message_id, "Once, and best");
  await telegram.settled();
  assertEquals(below(chat, said).map(({ text }) => text.slice(0, 24)), [
    "✉️ Leaves in 10 s to cas",
    "An edit changes nothing:",
  ]);
  await later(edge);
  await sentAre(edge, 1);
  assertMatch(mail.sent[0].text!, /^Once\n/);
});

edgeTest(
  "who may not answer is told once: strangers, viewers, anonymous admins and channels",
  async (edge) => {
    const { telegram, mail, sql } = edge;
    const { chat } = await ground(edge);
    await linked(edge, BEN, "viewer");
    const card = await cardOf(edge, chat);
    const first = await answers(edge, chat, card, "Send me the list", { from: BEN });
    const again = await answers(edge, chat, card, "Well?", { from: BEN });
    assertEquals(below(chat, first).map(({ text }) => text), [
      "Only operators of the team may answer from here, once they are linked: gatelink telegram link",
    ]);
    assertEquals(below(chat, again), []);
    const wire = {
      message_id: card.message_id,
      from: { id: 7000000001, is_bot: true },
      chat: { id: chat.id, type: "supergroup", title: "On call" },
    };
    const from = (id: number, message_id: number, more = {}) =>
      telegram.post({
        message: {
          ...{ message_id, date: 1, text: "approved", reply_to_message: wire },
          chat: wire.chat,
          from: { id, is_bot: true, first_name: "Group" },
          ...more,
        },
      });
    from(1087968824, 9101, { sender_chat: wire.chat });
    from(136817688, 9102, { sender_chat: { id: -1001900000009, type: "channel" } });
    from(7000000002, 9103);
    from(777000, 9104, {
      is_automatic_forward: true,
      from: { id: 777000, is_bot: false, first_name: "Telegram" },
    });
    await telegram.settled();
    assertEquals(
      telegram.calls.filter(({ method, body }) =>
        method === "sendMessage" && /^Anonymous admins and channels/.test(String(body.text))
      ).length,
      2,
    );
    // Who left the team between the answer and its time.
    await answers(edge, chat, card, "Bye");
    await sql`delete from public.team_members where user_id = (select user_id from public.telegram_people where name = 'Ana')`;
    await later(edge);
    assertEquals([mail.sent.length, await states(edge)], [0, [["refused", "right"]]]);
  },
);

edgeTest(
  "the flag and EMAIL_REPLIES=false stop answers, also those that wait, and mails still come in",
  async (edge) => {
    const { mail } = edge;
    const { chat } = await ground(edge);
    const card = await cardOf(edge, chat);
    const waiting = await answers(edge, chat, card, "Waiting");
    await noted(chat, waiting, /Leaves/);
    Deno.env.set("EMAIL_REPLIES", "false");
    try {
      const said = await answers(edge, chat, card, "Off");
      await noted(chat, said, /^Nothing was sent\. Answers from here are switched off\.$/);
      await later(edge);
      await noted(chat, waiting, /^🚫 Not sent\. Answers from here are switched off\.$/);
      await cardOf(edge, chat, { messageId: "down-2@example.org", text: "Still down" });
    } finally {
      Deno.env.delete("EMAIL_REPLIES");
    }
    await edge.set({ "email_replies.enabled": "false" });
    await answers(edge, chat, card, "Flag");
    await later(edge);
    assertEquals([mail.sent.length, await states(edge)], [0, [["refused", "off"]]]);
  },
);

edgeTest(
  "a machine's mail is answered only once its reader says so; our own addresses never are",
  async (edge) => {
    const { telegram, mail, sql } = edge;
    const { chat } = await ground(edge);
    const card = await cardOf(edge, chat);
    await sql`update public.messages set native = native || '{"automatic": true}'`;
    const said = await answers(edge, chat, card, "Stop it");
    const note = await noted(chat, said, /^⚠️ A machine or a list wrote this mail\. Nothing was sent yet\.$/);
    await later(edge);
    assertEquals(mail.sent.length, 0);
    telegram.press(chat.id, note.message_id, dataOf(note, "Send anyway"), ANA);
    await telegram.settled();
    await noted(chat, said, /^✉️ Leaves/);
    await later(edge);
    await sentAre(edge, 1);
    const dropped = await answers(edge, chat, card, "Or not");
    await noted(chat, dropped, /^⚠️/);
    await sql`update public.chat_replies set due_at = now() where state = 'asked'`;
    await works(edge);
    await noted(chat, dropped, /nobody confirmed it/);
    await sql`update public.messages set native = jsonb_set(native, '{from,address}', '"robot@reply.example.com"') where direction = 'in'`;
    const own = await answers(edge, chat, card, "Hello");
    await noted(chat, own, /^Nothing was sent\. It came from an address of ours\./);
    assertEquals(mail.sent.length, 1);
  },
);

edgeTest("files and albums go as attachments, and the token of the bot is nowhere", async (edge) => {
  const { mail, sql, telegram } = edge;
  const { chat } = await ground(edge);
  const card = await cardOf(edge, chat);
  const file = (name: string, text: string) => ({
    file: { name, type: "text/plain", bytes: new TextEncoder().encode(text) },
    group: "13700000000000001",
  });
  const first = await answers(edge, chat, card, "Before and after", file("db/../1.log", "before"));
  await answers(edge, chat, card, "", file("2.log", "after!"));
  await sql`update public.chat_replies set edit_due_at = now()`;
  await works(edge);
  await noted(chat, first, /^✉️ Leaves .*, with 2 files$/);
  await later(edge);
  const [sent] = await sentAre(edge, 1);
  assertEquals(sent.attachments.map(({ filename, bytes }) => [filename, bytes]), [["db_1.log", 6], [
    "2.log",
    6,
  ]]);
  assertMatch(sent.text!, /^Before and after\n/);
  assertEquals((await sql`select from public.chat_replies`).length, 1);
  const late = await answers(edge, chat, card, "", file("3.log", "late"));
  await noted(chat, late, /came too late/);
  // Telegram gives a bot no more than 20 MB.
  const big = { name: "big.bin", type: "application/zip", bytes: new Uint8Array(20_000_001) };
  const huge = await answers(edge, chat, card, "", { file: big });
  await noted(chat, huge, /^Nothing was sent\. Files of more than 20 MB/);
  const gone = await answers(edge, chat, card, "See", { file: { ...big, bytes: new Uint8Array(9) } });
  await sql`update public.chat_replies set files = jsonb_set(files, '{0}', files -> 0 || '{"file_id": "BQACgone"}') - 1
    where state = 'waiting' and files -> 0 ->> 'path' is null`;
  await sql`update public.chat_replies set files_due_at = now(), files = '[{"file_id": "BQACgone", "name": "a", "type": "text/plain", "size": 1}]'
    where state = 'waiting'`;
  await works(edge);
  await noted(chat, gone, /^🚫 Not sent\. A file could not be fetched from Telegram\.$/);
  assertEquals(mail.sent.length, 1);
  assert(telegram.calls.some(({ method }) => method === "getFile"));
  const everything = JSON.stringify([
    await sql`select * from public.chat_replies`,
    await sql`select * from public.messages`,
    await sql`select * from public.storage_objects`,
  ]);
  assert(!everything.includes(KEYS.telegramToken.split(":")[1]));
});

edgeTest("10 answers an hour of a person; what was undone does not count", async (edge) => {
  const { sql } = edge;
  const { chat } = await ground(edge);
  const card = await cardOf(edge, chat);
  for (let i = 0; i < 10; i++) await answers(edge, chat, card, `Answer ${i}`);
  const eleventh = await answers(edge, chat, card, "One more");
  await noted(chat, eleventh, /^Nothing was sent\. You have sent 10 answers within an hour\./);
  const [{ id }] = await sql`select id from public.chat_replies limit 1`;
  await sql`select public.undo_chat_reply(${id})`;
  await noted(chat, await answers(edge, chat, card, "Again"), /Leaves/);
  await linked(edge, BEN);
  await sql`insert into public.chat_replies (message_id, thread, source, by, state, recipient, sender_id, created_at)
    select r.message_id, r.thread, 'cli', 'service_role', 'left', 'x', 'y', now() from public.chat_replies r, generate_series(1, 20)
    where r.id = ${id}`;
  await noted(
    chat,
    await answers(edge, chat, card, "Ben too", { from: BEN }),
    /^Nothing was sent\. This thread has had 30 answers/,
  );
});

edgeTest(
  "in a forum only an answer to a card is one; the file behind a card and a note lead to its mail as well",
  async (edge) => {
    const { telegram, mail } = edge;
    const { chat } = await ground(edge, "forum");
    const card = await cardOf(edge, chat, { text: "A long line of words. ".repeat(400) });
    const file = await until("the rest is there", () => chat.messages.find((each) => each.file !== null));
    telegram.post({
      message: {
        ...{ message_id: 9201, date: 1, text: "just talking", message_thread_id: 2, is_topic_message: true },
        chat: { id: chat.id, type: "supergroup", title: "On call", is_forum: true },
        from: { ...ANA, is_bot: false },
        reply_to_message: {
          ...{
            message_id: 2,
            from: { id: 7000000001, is_bot: true },
            forum_topic_created: { name: "Alerts" },
          },
        },
      },
    });
    await telegram.settled();
    assertEquals(await states(edge), []);
    const said = await answers(edge, chat, file, "To the file", { topic: 2 });
    const note = await noted(chat, said, /Leaves/);
    assertEquals(note.topic, 2);
    // Where the note is, is known once Telegram's answer was kept.
    await works(edge);
    const second = await answers(edge, chat, note, "To the note", { topic: 2 });
    await noted(chat, second, /Leaves/);
    await later(edge);
    await sentAre(edge, 2);
    assertEquals(
      mail.sent.map(({ headers }) => headers["In-Reply-To"]),
      Array(2).fill("<down-1@example.org>"),
    );
    assertEquals(card.edits, 0);
  },
);

edgeTest("a card of a chat on WhatsApp is answered there, within its 24 hours", async (edge) => {
  const { sql, meta } = edge;
  const { chat } = await ground(edge);
  const person = meta.addContact({ name: "Casey", phone: "12025550143" });
  meta.userSends(person.id, "Help");
  await meta.settled();
  await edge.settled();
  const card = await until(
    "the card is there",
    () => chat.messages.find(({ buttons }) => buttons.length > 0),
  );
  const said = await answers(edge, chat, card, "We are on it.");
  await noted(chat, said, /^✉️ Leaves in 10 s to the person$/);
  await later(edge);
  await until(
    "it was sent",
    async () =>
      (await sql`select from public.messages where direction = 'out' and text = 'We are on it.' and status <> 'queued'`)
        .length === 1,
  );
  assertEquals((await sql`select taken_by from public.conversations where taken_by is not null`).length, 1);
  await sql`update public.conversations set last_inbound_at = now() - interval '25 hours'`;
  await noted(chat, await answers(edge, chat, card, "Later"), /24 hours ago/);
  const picture = { name: "a.png", type: "image/png", bytes: new Uint8Array(3) };
  await sql`update public.conversations set last_inbound_at = now()`;
  await noted(chat, await answers(edge, chat, card, "", { file: picture }), /Files go with mails only/);
});

edgeTest("a mail that bounces is said to have bounced; what is erased goes from the chat", async (edge) => {
  const { sql, mail, telegram } = edge;
  const { chat } = await ground(edge);
  mail.configure({ fate: "bounce" });
  const card = await cardOf(edge, chat);
  const said = await answers(edge, chat, card, "Hello");
  await later(edge);
  await until(
    "it bounced",
    async () =>
      (await sql`select from public.messages where direction = 'out' and status = 'failed'`).length === 1,
  );
  await works(edge);
  const note = await noted(chat, said, /^❌ Not delivered to casey@example.org/);
  await sql`select public.erase_contact('casey@example.org')`;
  assertEquals((await edge.call("telegram-webhook/edit", { headers: key })).status, 202);
  await until("the note is gone", () => !chat.messages.includes(note));
  assertEquals((await sql`select from public.chat_replies`).length, 0);
  assert(telegram.calls.some(({ method }) => method === "deleteMessage"));
});

edgeTest("POST telegram-webhook/replies is as docs/openapi.yaml describes it", async (edge) => {
  for (const [status, headers] of [[202, key], [401, {}], [403, { apikey: KEYS.publishableKey }]] as const) {
    const answer = await edge.call("telegram-webhook/replies", { headers });
    assertEquals(answer.status, status);
    assertDescribed("/telegram-webhook/replies", "post", answer);
  }
});
