/** Telegram with the real functions: mails become cards, buttons work for the team alone, and nothing is lost or done twice. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { TELEGRAM_PEOPLE } from "../../local/simulator/telegram/telegram.ts";
import { assertDescribed } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const [ANA, BEN] = TELEGRAM_PEOPLE;
const key = { apikey: KEYS.secretKey };

/** A chat with the bot, a destination that leads there, and a route for everything on WhatsApp. */
async function chatWithRoute(
  edge: Edge,
  kind: "group" | "supergroup" | "forum" = "supergroup",
  topic?: number,
) {
  const { sql, telegram } = edge;
  const chat = telegram.addGroup("On call", kind);
  telegram.setMember(chat.id, true);
  await telegram.settled();
  const [{ added }] = await sql`
    select public.add_telegram_destination('on-call', ${chat.id}, ${topic ?? null}) as added`;
  await sql`
    insert into public.routes (name, condition, priority) values ('all', '{"type": "any"}', 1)`;
  await sql`
    insert into public.route_destinations (route_id, destination_id, position)
    select r.id, ${added.id}, 0 from public.routes r where r.name = 'all'`;
  await edge.reread();
  return { chat, destination: added.id as string };
}

/** A person of the team who has opened the link. */
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

/** A person writes, and everything that can be done is done. */
async function says(edge: Edge, text: string, name = "Casey", phone = "12025550143") {
  const { meta } = edge;
  const person = meta.contacts.find((each) => each.phone === phone) ?? meta.addContact({ name, phone });
  meta.userSends(person.id, text);
  await meta.settled();
  await edge.settled();
}

const cardIn = (chat: { messages: readonly { buttons: readonly unknown[] }[] }) =>
  // deno-lint-ignore no-explicit-any
  chat.messages.find(({ buttons }) => buttons.length > 0) as any;
const dataOf = (card: { buttons: { text: string; callback_data: string }[][] }, text: string) =>
  card.buttons.flat().find((button) => button.text === text)!.callback_data;

edgeTest("a message becomes a card in the chat, once, and a press brings it up to date", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await says(edge, "The shop is down");
  const card = cardIn(chat);
  assertEquals(card.text, "Casey (WhatsApp)\n\nThe shop is down");

  telegram.press(chat.id, card.message_id, dataOf(card, "Acknowledge"), ANA);
  await telegram.settled();
  await until("the card is up to date", () => card.edits >= 1);
  assertMatch(card.text, /👀 Acknowledged by Ana, \d\d:\d\d UTC$/);
  assertEquals(telegram.toasts, [{ text: "You take care of it.", alert: false }]);
  const presses = await sql`select action, outcome, state_before, version from public.card_presses`;
  assertEquals([...presses], [{ action: "ack", outcome: "done", state_before: "open", version: 2 }]);
  await until(
    "nothing is due",
    async () => (await sql`select from public.cards where edit_due_at is not null`).length === 0,
  );
});

edgeTest("of two who press the same button one is told who was faster", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await linked(edge, BEN);
  await says(edge, "Help");
  const card = cardIn(chat);
  const data = dataOf(card, "Resolve");
  telegram.press(chat.id, card.message_id, data, ANA);
  telegram.press(chat.id, card.message_id, data, BEN);
  await telegram.settled();
  assertEquals(telegram.toasts.map(({ alert }) => alert), [false, true]);
  assertMatch(telegram.toasts[1].text, /^Ana was faster, \d+ s ago: the card is resolved\.$/);
  assertEquals((await sql`select from public.card_presses where outcome = 'done'`).length, 1);
  // Undone by who pressed last, not by the other.
  await until("the card is up to date", () => card.edits >= 1);
  telegram.press(chat.id, card.message_id, dataOf(card, "Undo"), BEN);
  telegram.press(chat.id, card.message_id, dataOf(card, "Undo"), ANA);
  await telegram.settled();
  assertEquals(telegram.toasts.slice(2).map(({ text }) => text), [
    "Only who pressed last can undo it, within 10 minutes.",
    "Undone.",
  ]);
  assertEquals((await sql`select state from public.cards`)[0].state, "open");
  await until(
    "the card is up to date again",
    async () => (await sql`select from public.cards where edit_due_at is not null`).length === 0,
  );
});

edgeTest(
  "a press that is too late sees to the edit that passed over the card while it held it",
  async (edge) => {
    const { sql, telegram } = edge;
    const { chat } = await chatWithRoute(edge);
    await linked(edge, ANA);
    await linked(edge, BEN);
    await says(edge, "Help");
    const card = cardIn(chat), data = dataOf(card, "Acknowledge");
    const due = () => sql`select from public.cards where edit_due_at is not null`;
    telegram.press(chat.id, card.message_id, data, ANA);
    await telegram.settled();
    await until("nothing is due", async () => (await due()).length === 0);
    await sql`update public.cards set edit_due_at = now()`;
    telegram.press(chat.id, card.message_id, data, BEN);
    await telegram.settled();
    await until("it is up to date", async () => (await due()).length === 0);
  },
);

edgeTest(
  "the right to press is asked at each press; a card elsewhere has no working buttons",
  async (edge) => {
    const { sql, telegram } = edge;
    const { chat } = await chatWithRoute(edge);
    const ana = await linked(edge, ANA);
    await linked(edge, BEN, "viewer");
    await says(edge, "Help");
    const card = cardIn(chat), data = dataOf(card, "Acknowledge");
    const told = async (press: () => unknown) => {
      const before = telegram.toasts.length;
      press();
      await telegram.settled();
      return telegram.toasts[before];
    };
    const only = /^Only operators of the team may press/;
    assertMatch((await told(() => telegram.press(chat.id, card.message_id, data, BEN))).text, only);
    const stranger = { id: 5100000666, first_name: "Ana", username: "ana_k" };
    assertMatch((await told(() => telegram.press(chat.id, card.message_id, data, stranger))).text, only);
    // The same message in another chat, and another message in the same chat.
    const other = telegram.addGroup("Elsewhere", "supergroup");
    other.messages.push({ ...card });
    assertMatch(
      (await told(() => telegram.press(other.id, card.message_id, data, ANA))).text,
      /not known here/,
    );
    const said = telegram.say(chat.id, "Hello", { from: ANA });
    assertMatch(
      (await told(() => telegram.press(chat.id, said.message_id, data, ANA))).text,
      /not known here/,
    );
    assertEquals((await sql`select state from public.cards`)[0].state, "open");
    // Who leaves the team loses the right at once.
    await sql`delete from public.team_members where user_id = ${ana}`;
    assertMatch((await told(() => telegram.press(chat.id, card.message_id, data, ANA))).text, only);
    assertEquals((await sql`select from public.card_presses`).length, 0);
  },
);

edgeTest("a resolved card asks whether it was useful: a rating of the cards, once a member", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await linked(edge, BEN);
  await says(edge, "Help");
  const press = async (text: string, by: typeof ANA) => {
    telegram.press(chat.id, cardIn(chat).message_id, dataOf(cardIn(chat), text), by);
    await telegram.settled();
    return telegram.toasts.at(-1)!.text;
  };
  await press("Resolve", ANA);
  await until("the card is up to date", () => cardIn(chat).edits >= 1);
  assertEquals(await press("👎 Not useful", BEN), "Thank you.");
  assertEquals(await press("👍 Useful", BEN), "You have said so already.");
  assertEquals(await press("👍 Useful", ANA), "Thank you.");
  assertEquals(
    [...await sql`select kind, rating::int as rating, positive, source from public.feedback order by rating`],
    [
      { kind: "rating", rating: 1, positive: false, source: "team" },
      { kind: "rating", rating: 5, positive: true, source: "team" },
    ],
  );
  assertEquals(
    (await sql`select count(distinct subject_id)::int as n from public.feedback where subject_id in (select id::text from public.contacts)`)[
      0
    ].n,
    1,
  );
  // It is no change of the card's.
  assertEquals((await sql`select version from public.cards`)[0].version, 2);
});

edgeTest("an update that comes again is done once", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await says(edge, "Help");
  telegram.configure({ copies: 3 });
  const card = cardIn(chat);
  telegram.press(chat.id, card.message_id, dataOf(card, "Acknowledge"), ANA);
  await telegram.settled();
  assertEquals((await sql`select version from public.cards`)[0].version, 2);
  await until("the card is up to date", () => card.edits >= 1);
  assertEquals((await sql`select from public.card_presses`).length, 1);
  // Each was answered: else the button would turn, and Telegram would hold back what comes behind.
  assertEquals(
    telegram.posts.filter(({ what }) => what.startsWith("Ana presses")).map(({ answer }) => answer),
    [200, 200, 200, 200],
  );
});

edgeTest("a link is for 10 minutes and once, and one account is one member", async (edge) => {
  const { sql, telegram } = edge;
  const ana = await linked(edge, ANA);
  assertEquals([
    ...await sql`select user_id, telegram_id::float8 as telegram_id, name from public.telegram_people`,
  ], [
    { user_id: ana, telegram_id: ANA.id, name: "Ana" },
  ]);
  const [{ link }] = await sql`select public.link_telegram('ana@team.example') as link`;
  const answers = () =>
    telegram.chats.get(BEN.id)!.messages.filter(({ from }) => from.is_bot).map(({ text }) => text);
  await sql`update private.telegram_links set expires_at = now()`;
  telegram.say(BEN.id, `/start ${link.token}`, { from: BEN });
  await telegram.settled();
  assertMatch(answers()[0], /not valid \(any more\)/);
  const [{ link: second }] = await sql`select public.link_telegram('ana@team.example') as link`;
  telegram.say(BEN.id, `/start ${second.token}`, { from: BEN });
  telegram.say(BEN.id, `/start ${second.token}`, { from: BEN });
  await telegram.settled();
  assertMatch(answers()[1], /^You are linked/);
  assertMatch(answers()[2], /not valid/);
  assertEquals((await sql`select telegram_id::float8 as id from public.telegram_people`)[0].id, BEN.id);
});

edgeTest("a group that becomes a supergroup: cards follow it, whoever says so first", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge, "group");
  // Telegram's word has not come yet: the refusal says it.
  const next = telegram.addGroup("On call", "supergroup");
  next.hasBot = true;
  chat.movedTo = next.id;
  await says(edge, "Help");
  assertEquals(cardIn(next).text, "Casey (WhatsApp)\n\nHelp");
  assertEquals(
    (await sql`select url from public.destinations where kind = 'telegram'`)[0].url,
    `telegram:${next.id}`,
  );
  assertEquals([
    ...await sql`select id::float8 as id, moved_to::float8 as moved_to from public.telegram_chats order by id desc`,
  ], [
    { id: chat.id, moved_to: next.id },
    { id: next.id, moved_to: null },
  ]);
  telegram.post({
    message: {
      message_id: 1,
      from: ANA,
      chat: { id: chat.id, type: "group", title: "On call" },
      migrate_to_chat_id: next.id,
    },
  });
  await telegram.settled();
  assertEquals((await sql`select count(*)::int as n from private.telegram_targets`)[0].n, 1);
});

edgeTest(
  "a bot that is removed pauses the destination, and what waits comes when it is back",
  async (edge) => {
    const { sql, telegram } = edge;
    const { chat, destination } = await chatWithRoute(edge);
    const state = async () =>
      (await sql`select state from public.destinations where id = ${destination}`)[0].state;
    telegram.setMember(chat.id, false);
    await telegram.settled();
    assertEquals(await state(), "paused");
    await says(edge, "Help");
    assertEquals(cardIn(chat), undefined);
    telegram.setMember(chat.id, true);
    await telegram.settled();
    assertEquals(await state(), "active");
    await edge.settled();
    assertEquals(cardIn(chat).text, "Casey (WhatsApp)\n\nHelp");

    // Telegram's refusal says it first: the delivery waits, and the destination is paused.
    chat.hasBot = false;
    await says(edge, "Again");
    assertEquals(await state(), "paused");
    // Who paused it himself keeps it paused.
    await sql`select public.set_destination_state('on-call', 'paused')`;
    await sql`update public.destinations set paused_because = null where id = ${destination}`;
    telegram.setMember(chat.id, true);
    await telegram.settled();
    assertEquals(await state(), "paused");
  },
);

edgeTest(
  "what Telegram cannot show is shown otherwise: another topic, no format, a file for the rest",
  async (edge) => {
    const { telegram } = edge;
    const { chat } = await chatWithRoute(edge, "forum", 2);
    await says(edge, "One");
    assertEquals(chat.messages.at(-1)!.topic, 2);
    telegram.setTopic(chat.id, 2, true);
    await says(edge, "Two");
    assertEquals([chat.messages.at(-1)!.topic, chat.messages.at(-1)!.text], [
      null,
      "Casey (WhatsApp)\n\nTwo",
    ]);
    telegram.setTopic(chat.id, 2, false);
    telegram.configure({ fault: "parse", times: 1 });
    await says(edge, "Three");
    assertEquals(chat.messages.at(-1)!.text, "Casey (WhatsApp)\n\nThree");
    await says(edge, "A long line of words. ".repeat(200).slice(0, 4096).trim());
    const [card, file] = chat.messages.slice(-2);
    assert(card.buttons.length > 0 && card.text.length <= 4096);
    assertEquals([file.file?.name, file.replyTo], ["message.txt", card.message_id]);
    await until("its text was read", () => file.file!.text.length > 4000);
  },
);

edgeTest("a 429 stops the chat for as long as Telegram says, and loses nothing", async (edge) => {
  const { sql, telegram } = edge;
  const { chat, destination } = await chatWithRoute(edge);
  telegram.configure({ fault: "429", times: 1 });
  await says(edge, "One", "Ada", "12025550140");
  const before = telegram.calls.length;
  await says(edge, "Two", "Bob", "12025550141");
  await says(edge, "Three", "Cyd", "12025550142");
  assertEquals(telegram.calls.length, before, "nothing else goes to the chat meanwhile");
  const [{ waits }] = await sql`
    select extract(epoch from rate_tat - now())::float8 as waits from public.destinations where id = ${destination}`;
  assert(waits > 20, `${waits} s`);
  // Time passes.
  await sql`update public.destinations set rate_tat = null where id = ${destination}`;
  await sql`update public.deliveries set next_attempt_at = now() where state = 'pending'`;
  await sql`update private.delivery_lanes set due_at = now() where due_at is not null`;
  await edge.settled();
  const texts = chat.messages.map(({ text }) => text.split("\n").at(-1)).sort();
  assertEquals(texts, ["One", "Three", "Two"]);
  assertEquals((await sql`select from public.delivery_attempts where outcome <> 'delivered'`).length, 0);
});

edgeTest("a 429 to an edit keeps the next card back too, and loses neither", async (edge) => {
  const { sql, telegram } = edge;
  const { chat, destination } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await says(edge, "One", "Ada", "12025550140");
  const card = cardIn(chat);
  telegram.configure({ fault: "429", times: 1 });
  telegram.press(chat.id, card.message_id, dataOf(card, "Acknowledge"), ANA);
  await telegram.settled();
  await edge.rested();
  const before = telegram.calls.length;
  await says(edge, "Two", "Bob", "12025550141");
  assertEquals([telegram.calls.length, card.edits], [before, 0]);
  // Time passes.
  await sql`update public.destinations set rate_tat = null where id = ${destination}`;
  await sql`update public.cards set edit_due_at = now()`;
  await edge.hurry();
  assertEquals((await edge.call("telegram-webhook/edit", { headers: key })).status, 202);
  await edge.settled();
  await edge.rested();
  assertEquals(card.edits, 1);
  assertMatch(chat.messages.at(-1)!.text, /\n\nTwo$/);
});

edgeTest("a card whose sender died after noting it is not sent again", async (edge) => {
  const { sql } = edge;
  const { chat } = await chatWithRoute(edge);
  await says(edge, "Help");
  assertEquals(chat.messages.length, 1);
  // The settlement was lost; the lease has ended.
  await sql`update public.deliveries set state = 'leased', delivered_at = null`;
  await sql`update private.delivery_lanes set due_at = now() - interval '1 second', lease = gen_random_uuid()`;
  await edge.settled();
  assertEquals(chat.messages.length, 1);
  assertEquals((await sql`select state from public.deliveries`)[0].state, "delivered");
});

edgeTest("a snooze ends by the clock, and says so", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await says(edge, "Help");
  const card = cardIn(chat);
  telegram.press(chat.id, card.message_id, dataOf(card, "Snooze 1 h"), ANA);
  await telegram.settled();
  await until("the card is up to date", () => card.edits >= 1);
  assertMatch(card.text, /💤 Snoozed by Ana until \d\d:\d\d UTC$/);
  const due = async () => (await sql`select private.cards_are_due(now()) as due`)[0].due;
  // The edit looks once more whether there is another.
  await edge.rested();
  assertEquals(await due(), false);
  await sql`update public.cards set snoozed_until = now()`;
  assertEquals(await due(), true);
  assertEquals((await edge.call("telegram-webhook/edit", { headers: key })).status, 202);
  await until("the card is open again", () => card.edits === 2);
  assertEquals(card.text, "Casey (WhatsApp)\n\nHelp");
  await until("somebody is told", () => chat.messages.at(-1)!.text === "⏰ The snooze is over.");
  assertEquals(chat.messages.at(-1)!.replyTo, card.message_id);
  assertEquals(await due(), false);
});

edgeTest(
  "telegram-webhook refuses whoever does not know the secret, and takes any of two while rotating",
  async (edge) => {
    const body = { update_id: 1, message: { message_id: 1 } };
    const header = "x-telegram-bot-api-secret-token";
    const refused = async (headers: Record<string, string>) =>
      (await edge.call("telegram-webhook", { headers, body })).body.code;
    assertEquals(await refused({}), "signature_missing");
    assertEquals(await refused({ [header]: "wrong" }), "signature_invalid");
    assertEquals(await refused({ [header]: KEYS.telegramSecret.slice(0, -1) }), "signature_invalid");
    assertEquals(
      (await edge.call("telegram-webhook", { headers: { [header]: KEYS.telegramSecret }, body: "{" })).body,
      {
        stored: false,
      },
    );
    for (const secret of [KEYS.telegramSecret, KEYS.formerTelegramSecret]) {
      assertEquals(
        (await edge.call("telegram-webhook", { headers: { [header]: secret }, body })).status,
        200,
      );
    }
    assertEquals((await edge.call("telegram-webhook/edit", {})).status, 401);
  },
);

edgeTest("telegram-webhook/setup says what Telegram says, and sets the webhook", async (edge) => {
  const shown = await edge.call("telegram-webhook/setup", { method: "GET", headers: key });
  assertEquals([shown.body.bot, shown.body.fault], [
    { username: "gatelink_local_bot", reads_all: false },
    null,
  ]);
  edge.telegram.setWebhook("", "");
  const set = await edge.call("telegram-webhook/setup", { headers: key });
  assertEquals([set.status, set.body.webhook.url, set.body.webhook.allowed_updates], [
    200,
    `${edge.url}/functions/v1/telegram-webhook`,
    ["message", "edited_message", "callback_query", "my_chat_member"],
  ]);
  assertEquals(
    edge.telegram.calls.findLast(({ method }) => method === "setWebhook")!.body.secret_token,
    KEYS.telegramSecret,
  );
});

edgeTest("each answer of telegram-webhook is as docs/openapi.yaml describes it", async (edge) => {
  const header = { "x-telegram-bot-api-secret-token": KEYS.telegramSecret };
  const open = { apikey: KEYS.publishableKey };
  const seen = async (
    path: string,
    method: "get" | "post",
    status: number,
    init: Parameters<Edge["call"]>[1],
  ) => {
    const answer = await edge.call(path.slice(1) as "telegram-webhook", {
      method: method.toUpperCase(),
      ...init,
    });
    assertEquals(answer.status, status, `${method} ${path}`);
    assertDescribed(path, method, answer);
  };
  const update = { update_id: 5, callback_query: { id: "1", from: { id: 1 }, data: "?" } };
  await seen("/telegram-webhook", "post", 200, { headers: header, body: update });
  await seen("/telegram-webhook", "post", 200, { headers: header, body: { update_id: 6 } });
  await seen("/telegram-webhook", "post", 401, { body: update });
  await seen("/telegram-webhook", "post", 413, { headers: header, body: "x".repeat(600_000) });
  for (
    const [path, method, ok] of [["edit", "post", 202], ["setup", "get", 200], [
      "setup",
      "post",
      200,
    ]] as const
  ) {
    await seen(`/telegram-webhook/${path}`, method, ok, { headers: key });
    await seen(`/telegram-webhook/${path}`, method, 401, {});
    await seen(`/telegram-webhook/${path}`, method, 403, { headers: open });
  }
});

edgeTest(
  "what is erased here is erased there: cards, and files that may not be deleted any more",
  async (edge) => {
    const { sql, telegram } = edge;
    const { chat } = await chatWithRoute(edge);
    await says(edge, "Short", "Ada", "12025550140");
    await says(edge, "A long line of words. ".repeat(200).slice(0, 4096).trim(), "Bob", "12025550141");
    assertEquals(chat.messages.length, 3);
    const [, card, file] = chat.messages;
    // Two days later a bot that is no admin may only edit.
    for (const message of [card, file]) Object.assign(message, { at: "2026-01-01T00:00:00.000Z" });
    for (const phone of ["12025550140", "12025550141"]) await sql`select public.erase_contact(${phone})`;
    assertEquals((await sql`select private.cards_are_due(now()) as due`)[0].due, true);
    assertEquals((await edge.call("telegram-webhook/edit", { headers: key })).status, 202);
    await until(
      "nothing is left to clear",
      async () => (await sql`select from private.card_clears`).length === 0,
    );
    assertEquals(chat.messages.map(({ text, file }) => [text, file?.name]), [["(removed)", undefined], [
      "",
      "removed.txt",
    ]]);
    assertEquals(
      telegram.calls.filter(({ method }) => method === "deleteMessage").length,
      3,
    );
  },
);

edgeTest("a message that its writer withdraws, or whose words are over, goes from the chat", async (edge) => {
  const { sql } = edge;
  const { chat } = await chatWithRoute(edge);
  await says(edge, "Not for you");
  await sql`update public.messages set text = null, native = null where direction = 'in'`;
  await edge.call("telegram-webhook/edit", { headers: key });
  await until("the card is gone", () => chat.messages.length === 0);
});

edgeTest("a delivery that is sent again is another card, and the former goes", async (edge) => {
  const { sql } = edge;
  const { chat } = await chatWithRoute(edge);
  await says(edge, "Again");
  const former = chat.messages[0].message_id;
  await sql`
    select public.resend_deliveries('on-call', now() - interval '1 hour', now() + interval '1 minute')`;
  await edge.settled();
  await edge.call("telegram-webhook/edit", { headers: key });
  await until(
    "there is one card",
    () => chat.messages.length === 1 && chat.messages[0].message_id !== former,
  );
});

edgeTest("a second card of one delivery follows as soon as somebody presses it", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge);
  await linked(edge, ANA);
  await says(edge, "Help");
  const card = cardIn(chat);
  // Its answer was lost, and Telegram has one more.
  const twin = { ...card, message_id: 9001, edits: 0 };
  chat.messages.push(twin);
  telegram.press(chat.id, twin.message_id, dataOf(twin, "Acknowledge"), ANA);
  await telegram.settled();
  await until("it is up to date", () => twin.edits === 1);
  assertEquals((await sql`select message_ids::float8[] as ids from public.cards`)[0].ids, [
    9001,
    card.message_id,
  ]);
});

edgeTest(
  "a press on a card that nobody has noted yet counts, and the card is not sent again",
  async (edge) => {
    const { sql, telegram } = edge;
    const { chat } = await chatWithRoute(edge);
    await linked(edge, ANA);
    await says(edge, "Help");
    // Whoever sent it has not come back to say so, and never will.
    await sql.begin(async (tx) => {
      // A card that goes is removed from the chat as well.
      await tx`set local session_replication_role = replica`;
      await tx`delete from public.cards`;
    });
    await sql`update public.deliveries set state = 'leased', delivered_at = null`;
    await sql`update private.delivery_lanes set due_at = now() + interval '1 minute', lease = gen_random_uuid()`;
    const card = cardIn(chat);
    telegram.press(chat.id, card.message_id, dataOf(card, "Acknowledge"), ANA);
    await telegram.settled();
    assertEquals(telegram.toasts.at(-1)!.text, "You take care of it.");
    await until("it is up to date", () => card.edits === 1);
    assertMatch(card.text, /Acknowledged by Ana/);
    await sql`update private.delivery_lanes set due_at = now() - interval '1 second'`;
    await edge.settled();
    assertEquals((await sql`select state from public.deliveries`)[0].state, "delivered");
    assertEquals(chat.messages.length, 1);
  },
);

edgeTest(
  "strangers leave no trace: neither their chats, nor groups that nobody of the team added the bot to, for long",
  async (edge) => {
    const { sql, telegram } = edge;
    telegram.say(BEN.id, "/start", { from: BEN });
    const stranger = { id: 5100000666, first_name: "Eve" };
    const group = telegram.addGroup("Operations", "supergroup");
    telegram.setMember(group.id, true, stranger);
    await telegram.settled();
    const chats = async () => (await sql`select public.list_telegram_chats() as chats`)[0].chats;
    assertEquals((await chats()).map(({ id, by_team }: { id: number; by_team: boolean }) => [id, by_team]), [[
      group.id,
      false,
    ]]);
    await sql`update public.telegram_chats set updated_at = now() - interval '31 days'`;
    await sql`select private.purge_telegram(now())`;
    assertEquals(await chats(), []);
    await linked(edge, ANA);
    const ours = telegram.addGroup("Ours", "supergroup");
    telegram.setMember(ours.id, true, ANA);
    await telegram.settled();
    assertEquals(
      (await chats()).map(({ id, by_team }: { id: number; by_team: boolean }) => [id, by_team]).toSorted(),
      [
        [ours.id, true],
        [ANA.id, true],
      ].toSorted(),
    );
  },
);

edgeTest("topics of one group share its pace, and its wait", async (edge) => {
  const { sql, telegram } = edge;
  const { chat } = await chatWithRoute(edge, "forum", 2);
  await sql`select public.add_telegram_destination('questions', ${chat.id}, 3)`;
  const rates = async () =>
    (await sql`select name, rate_per_second::float8 as rate, rate_burst as burst from public.destinations
      where removed_at is null order by name`).map(({ name, rate, burst }) => [name, rate, burst]);
  assertEquals(await rates(), [["on-call", 0.125, 2], ["questions", 0.125, 2]]);
  telegram.configure({ fault: "429", times: 1 });
  await says(edge, "One");
  const waits =
    await sql`select rate_tat > now() + interval '15 seconds' as waits from public.destinations order by name`;
  assertEquals(waits.map(({ waits }) => waits), [true, true]);
  await sql`delete from public.route_destinations`;
  await sql`select public.remove_destination('on-call', 'a test')`;
  assertEquals(await rates(), [["questions", 0.25, 5]]);
});
