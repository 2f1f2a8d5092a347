/** More mails than a chat can take: one card with a counter for each kind, urgent ones first, none lost. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

const NOON = new Date("2026-11-29T12:00:00Z");
const key = { apikey: KEYS.secretKey };

/** A group, a destination that leads there, and a route for all mail. */
async function group(edge: Edge) {
  const { sql, telegram } = edge;
  const chat = telegram.addGroup("On call", "supergroup");
  telegram.setMember(chat.id, true);
  await telegram.settled();
  await sql`select public.add_telegram_destination('on-call', ${chat.id})`;
  await sql`select public.add_route('{on-call}', '{"type": "default"}', 1, '{"name": "all", "channels": ["email"]}')`;
  await edge.reread();
  return chat;
}

let serial = 0;

async function receive(edge: Edge, to: string, subject: string, from = "monitor@alerts.example") {
  const mail = {
    from: { address: from, name: "" },
    to,
    subject,
    text: `Mail ${++serial}`,
    messageId: `s${serial}@x`,
  };
  const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
}

/** Forwards whatever may go now, as the clock does; `seconds` later by the chat's pace. */
async function forward(edge: Edge, seconds = 0): Promise<void> {
  await edge.sql`update public.destinations set rate_tat = rate_tat - make_interval(secs => ${seconds})`;
  await edge.call("wa-router", { headers: key });
  await edge.settled();
}

const open = ({ sql }: Edge) =>
  sql`select count(*)::int as n from public.deliveries where state in ('pending', 'leased')`.then(([{ n }]) =>
    n
  );

edgeTest(
  "200 mails into one group: a few cards, one with a counter, and each mail is found from it",
  async (edge) => {
    const { sql, telegram } = edge;
    const chat = await group(edge);
    // They wait, as they do while a chat is behind, and come from several machines.
    await sql`select public.set_destination_state('on-call', 'paused')`;
    for (let i = 0; i < 200; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, n) =>
        receive(
          edge,
          "shop.db.alert@reply.example.com",
          `Disk of db-${i + n} is full`,
          `root@db-${(i + n) % 7}.example`,
        )));
    }
    await edge.settled();
    assertEquals(await open(edge), 200);
    await sql`select public.set_destination_state('on-call', 'active')`;
    await forward(edge);
    for (let i = 0; i < 20 && await open(edge) > 0; i++) {
      await forward(edge, 4);
    }
    assertEquals(await open(edge), 0);

    const cards = chat.messages.filter(({ buttons }) => buttons.length > 0);
    assert(cards.length <= 12, `${cards.length} cards`);
    const sent = telegram.calls.filter(({ method }) => method === "sendMessage").length;
    assertEquals(sent, cards.length);
    const [{ folded }] = await sql`select count(*)::int as folded from public.card_folds`;
    assertEquals(folded + cards.length, 200);

    await sql`update public.cards set edit_due_at = now() where edit_due_at is not null`;
    await edge.call("telegram-webhook/edit", { headers: key });
    await until(
      "cards are up to date",
      async () => (await sql`select from public.cards where edit_due_at is not null`).length === 0,
    );
    const leader = cards.find(({ text }) => text.includes("🔁"));
    assert(leader !== undefined);
    assertMatch(
      leader.text,
      /🔁 \d+ more like this, last at \d\d:\d\d UTC\nAll of them: gatelink telegram card [a-z2-7]{16}\n/,
    );

    // Every mail is behind a card, once.
    const found = new Set<string>();
    for (const { token } of await sql`select token from public.cards`) {
      const mails = await sql.begin(async (sql) => {
        await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
        return (await sql`select public.card_mails(${token}) as mails`)[0].mails;
      });
      for (const { subject } of mails) {
        assert(!found.has(subject), subject);
        found.add(subject);
      }
    }
    assertEquals(found.size, 200);
  },
);

edgeTest(
  "a storm goes on into its card; what is over, resolved, or of people, gets cards of its own",
  async (edge) => {
    const { sql } = edge;
    const chat = await group(edge);
    const alert = (n: number) => receive(edge, "shop.db.alert@reply.example.com", `Disk ${n}`);
    await sql`select public.set_destination_state('on-call', 'paused')`;
    for (let i = 0; i < 8; i++) await alert(i);
    // Two people with the same words are two.
    for (const person of ["ada@example.org", "bob@example.org"]) {
      await receive(edge, "shop.help.request@reply.example.com", "Help", person);
    }
    await edge.settled();
    await sql`select public.set_destination_state('on-call', 'active')`;
    for (let i = 0; i < 10 && await open(edge) > 0; i++) await forward(edge, 4);
    const before = chat.messages.length;
    assertEquals(chat.messages.filter(({ text }) => text.startsWith("Help")).length, 2);

    // The chat has room again, and still it is the same storm.
    await sql`update public.destinations set rate_tat = null`;
    await alert(9);
    await forward(edge);
    assertEquals([chat.messages.length, await open(edge)], [before, 0]);
    // Somebody resolved it: the next one is news.
    await sql`update public.cards set state = 'resolved'`;
    await alert(10);
    await forward(edge);
    assertEquals(chat.messages.length, before + 1);
    await sql`update private.card_storms set last_at = now() - interval '3 minutes'`;
    await alert(11);
    await forward(edge);
    assertEquals(chat.messages.length, before + 2);
  },
);

edgeTest("urgent addresses come first, and a counter is edited within the chat's pace", async (edge) => {
  const { sql } = edge;
  const chat = await group(edge);
  await sql`select public.set_destination_state('on-call', 'paused')`;
  for (let i = 0; i < 9; i++) {
    await receive(edge, "shop.help.request@reply.example.com", "Hi", `p${i}@example.org`);
  }
  await receive(edge, "shop.db.incident@reply.example.com", "The shop is down");
  await edge.settled();
  await sql`update public.destinations set rate_tat = now() + interval '17 seconds'`;
  await sql`select public.set_destination_state('on-call', 'active')`;
  await forward(edge);
  await forward(edge, 3);
  assertMatch(chat.messages[0]?.text ?? "", /^The shop is down/);

  const [{ pattern }] = await sql`
    select private.card_pattern(native) as pattern from public.messages where native ->> 'subject' = 'The shop is down'`;
  await sql`insert into private.card_storms (destination_id, pattern, leader, last_at)
    select d.destination_id, ${pattern}, c.delivery_id, now() from public.cards c join public.deliveries d on d.id = c.delivery_id
    on conflict (destination_id, pattern) do nothing`;
  const tat = async () =>
    (await sql`select extract(epoch from rate_tat)::float8 as at from public.destinations`)[0].at;
  const first = await tat();
  await receive(edge, "shop.db.incident@reply.example.com", "The shop is down");
  await edge.settled();
  await forward(edge);
  const [card] = await sql`
    select extract(epoch from edit_due_at - now())::float8 as wait from public.cards where edit_due_at is not null`;
  assert(card.wait > 1, `${card.wait} s`);
  assert(await tat() >= first + 3.9, "an edit takes no place");
});

edgeTest(
  "what is erased is named by no card, and what was behind an erased card gets one of its own",
  async (edge) => {
    const { sql } = edge;
    const chat = await group(edge);
    await sql`select public.set_destination_state('on-call', 'paused')`;
    for (let i = 0; i < 9; i++) {
      await receive(
        edge,
        "shop.db.alert@reply.example.com",
        `Disk ${i}`,
        `root${i}@db.example`,
      );
    }
    await edge.settled();
    await sql`select public.set_destination_state('on-call', 'active')`;
    for (let i = 0; i < 10 && await open(edge) > 0; i++) await forward(edge, 4);
    const [{ leader, folded }] = await sql`
    select f.leader, count(*)::int as folded from public.card_folds f group by 1`;
    assert(folded >= 2);
    const personOf = async (delivery: string) =>
      (await sql`
    select i.value from public.deliveries d join public.conversations c on c.id = d.conversation_id
    join public.contact_identities i on i.contact_id = c.contact_id and i.kind = 'email' where d.id = ${delivery}`)[
        0
      ].value;
    const [{ delivery_id: one }] = await sql`select delivery_id from public.card_folds limit 1`;
    await sql`select public.erase_contact(${await personOf(one)})`;
    assertEquals((await sql`select count(*)::int as n from public.card_folds`)[0].n, folded - 1);
    assertEquals(
      (await sql`select from public.cards where delivery_id = ${leader} and edit_due_at <= now()`).length,
      1,
    );
    await sql`select public.erase_contact(${await personOf(leader)})`;
    assertEquals(await open(edge), folded - 1);
    for (let i = 0; i < 10 && await open(edge) > 0; i++) await forward(edge, 20);
    assertEquals(await open(edge), 0);
    assert(chat.messages.length > 0);
  },
);

edgeTest("while cards are off they wait, and nothing counts as an attempt", async (edge) => {
  const { sql, set } = edge;
  const chat = await group(edge);
  await set({ "telegram_cards.enabled": "false" });
  await receive(edge, "shop.db.alert@reply.example.com", "Disk");
  await edge.settled();
  assertEquals(chat.messages.length, 0);
  assertEquals([...await sql`select state, attempt from public.deliveries`], [{
    state: "pending",
    attempt: 0,
  }]);
  await set({ "telegram_cards.enabled": "true" });
  Deno.env.set("TELEGRAM_CARDS_ENABLED", "false");
  await sql`update public.deliveries set next_attempt_at = now()`;
  await sql`update private.delivery_lanes set due_at = now() where due_at is not null`;
  await forward(edge, 100);
  assertEquals(chat.messages.length, 0);
  Deno.env.delete("TELEGRAM_CARDS_ENABLED");
  await sql`update private.delivery_lanes set due_at = now() where due_at is not null`;
  await forward(edge, 100);
  assertEquals(chat.messages.length, 1);
});
