/** What the panel shows of conversations and does in them, on Postgres, by role. */
import { assert, assertEquals, assertNotEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

interface View {
  id: string;
  channel: string;
  contact: { id: string; last_four: string; name: string | null };
  window_closes_at: string;
  last: { id: string; text: string | null; type: string } | null;
  found?: string;
  message_id?: string | null;
  at?: string;
}

interface Message {
  id: string;
  seq: number;
  direction: string;
  text: string | null;
  deliveries: { destination: string; state: string }[];
  route: { name: string; reason: string } | null;
}

const ADA = "4915100000001", BOB = "4915100002222";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

/** Ada wrote twice, Bob once after her; the people of the team. */
async function scene(sql: Sql) {
  await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881')`;
  await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
  await ingest(
    sql,
    message({ phone: ADA, name: "Ada", body: "first" }),
    message({ phone: ADA, body: "second" }),
  );
  await ingest(sql, message({ phone: BOB, name: "Bob", body: "hello", provider_id: "wamid.bob" }));
  const [ada, bob] = await Promise.all([ADA, BOB].map(async (phone) => {
    const [row] = await sql`
      select c.id, c.contact_id from public.conversations c join public.contact_identities i using (contact_id)
      where i.value = ${phone}`;
    return row as unknown as { id: string; contact_id: string };
  }));
  return {
    ada,
    bob,
    viewer: await signedIn(sql, "viewer"),
    operator: await signedIn(sql, "operator"),
    stranger: await signedIn(sql),
  };
}

databaseTest("list_conversations: newest first, page by page, redacted", async (sql) => {
  const { ada, bob, operator, viewer } = await scene(sql);
  const all = await call<View[]>(sql, operator, "public.list_conversations()");
  assertEquals(all.map((view) => [view.id, view.contact.last_four, view.contact.name, view.last?.text]), [
    [bob.id, "2222", "Bob", "hello"],
    [ada.id, "0001", "Ada", "second"],
  ]);
  const [first] = await call<View[]>(sql, operator, "public.list_conversations(null, 1)");
  const rest = await call<View[]>(sql, operator, `public.list_conversations('${first.last!.id}')`);
  assertEquals([first.id, ...rest.map((view) => view.id)], [bob.id, ada.id]);
  const seen = await call<View[]>(sql, viewer, "public.list_conversations()");
  assertEquals(seen.map(({ contact, last }) => [contact.last_four, contact.name, last?.text, last?.type]), [
    ["2222", null, null, "text"],
    ["0001", null, null, "text"],
  ]);
  assert(!JSON.stringify(all).includes(ADA), "a whole number got out");
});

databaseTest("search_conversations: by message, link and last four digits", async (sql) => {
  const { ada, bob, operator, viewer } = await scene(sql);
  const [{ id }] = await sql`select id from public.messages where text = 'first'`;
  await sql`insert into public.links (code, request_hash, default_url) values ('spring24', 'h', 'https://example.com/')`;
  await sql`insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch)
    values (${id}, ${ada.contact_id}, 'spring24', 'abcdefgh234567ab', 'exact', 'first', true)`;
  const found = async (caller: Caller, query: string) =>
    (await call<View[]>(sql, caller, `public.search_conversations('${query}')`)).map((view) => [
      view.id,
      view.found,
      view.message_id,
    ]);
  for (const caller of [operator, viewer]) {
    assertEquals(await found(caller, id), [[ada.id, "message", id]]);
    assertEquals((await found(caller, "wamid.bob")).map(([id, how]) => [id, how]), [[bob.id, "message"]]);
    assertEquals(await found(caller, " SPRING24 "), [[ada.id, "link", id]]);
    assertEquals(await found(caller, "0001"), [[ada.id, "contact", null]]);
    assertEquals(await found(caller, ada.id), [[ada.id, "conversation", null]]);
    for (const nothing of [ADA, "000", "", "%", crypto.randomUUID()]) {
      assertEquals(await found(caller, nothing), [], nothing);
    }
  }
});

databaseTest(
  "search_conversations: page by page, each that a link or four digits brought, and once",
  async (sql) => {
    const { operator } = await scene(sql);
    const people = 330;
    await sql`insert into public.links (code, request_hash, default_url) values
    ('spring24', 'h', 'https://example.com/'), ('7777', 'h', 'https://example.com/')`;
    // Everybody has written twice by the link, whole groups at the same moment; their numbers end alike.
    await sql`
    with people as (
      insert into public.contacts (id) select gen_random_uuid() from generate_series(1, ${people}) returning id
    ), numbered as (select id, row_number() over () as n from people), identities as (
      insert into public.contact_identities (contact_id, kind, value) select id, 'phone', (4915100000 + n)::text || '7777' from numbered
    ), conversations as (
      insert into public.conversations (contact_id, number_id, last_message_at)
      select id, '1', now() - n / 7 * interval '1 minute' from numbered returning id, contact_id, last_message_at
    ), messages as (
      insert into public.messages (conversation_id, direction, type, status)
      select c.id, 'in', 'text', 'received' from conversations c, generate_series(1, 2) returning id, conversation_id
    )
    insert into public.attributions (message_id, contact_id, code, token, confidence, reason, first_touch, created_at)
    select m.id, c.contact_id, 'spring24', null, 'contact', 'clicked', false, c.last_message_at
    from messages m join conversations c on c.id = m.conversation_id`;
    const all = async (query: string, size: number) => {
      const found: View[] = [];
      for (let before = "{}";;) {
        const page = await call<View[]>(
          sql,
          operator,
          `public.search_conversations('${query}', ${size}, '${before}')`,
        );
        found.push(...page);
        if (page.length < size) return found;
        assert(found.length <= people, "a page has what was on the one before");
        const { at, id } = page.at(-1)!;
        before = JSON.stringify({ at, id });
      }
    };
    const [{ ids }] = await sql`
    select array_agg(id::text) as ids from public.conversations
    where contact_id in (select contact_id from public.contact_identities where value like '%7777')`;
    for (const [query, size] of [["spring24", 200], ["spring24", 7], ["7777", 110]] as const) {
      const found = await all(query, size);
      assertEquals(found.map(({ id }) => id).toSorted(), ids.toSorted(), query);
      assertEquals(found.map(({ at }) => at!), found.map(({ at }) => at!).toSorted().toReversed());
    }
    // A code of four digits, which are the end of numbers too.
    await sql`update public.attributions set code = '7777' where message_id in (
    select id from public.messages where conversation_id in (
      select id from public.conversations order by last_message_at desc nulls last limit 40))`;
    const found = await all("7777", 25);
    assertEquals(found.map(({ id }) => id).toSorted(), ids.toSorted());
  },
);

databaseTest("conversation_messages: pages of a long conversation skip nothing", async (sql) => {
  const { ada, operator, viewer } = await scene(sql);
  await ingest(sql, ...Array.from({ length: 60 }, (_, n) => message({ phone: ADA, body: `more ${n}` })));
  const page = async (caller: Caller, before: number | null) =>
    await call<{ conversation: View; messages: Message[] }>(
      sql,
      caller,
      `public.conversation_messages('${ada.id}', ${before}, 25)`,
    );
  const seen: Message[] = [];
  for (let before: number | null = null;;) {
    const { messages, conversation } = await page(operator, before);
    assertEquals(conversation.id, ada.id);
    if (messages.length === 0) break;
    seen.push(...messages);
    assert(seen.length <= 62, "a page has what was on the one before");
    before = messages.at(-1)!.seq;
  }
  assertEquals(seen.map(({ text }) => text).reverse(), [
    "first",
    "second",
    ...Array.from({ length: 60 }, (_, n) => `more ${n}`),
  ]);
  const { messages } = await page(viewer, null);
  assertEquals([messages.length, new Set(messages.map(({ text }) => text))], [25, new Set([null])]);
});

databaseTest(
  "message_story: decision, deliveries and attempts; a service's answers for operators only",
  async (sql) => {
    const { operator, viewer } = await scene(sql);
    await sql`insert into public.destinations (id, name, url)
    values ('00000000-0000-7000-8000-0000000000d1', 'crm', 'https://crm.example.com/')`;
    const [{ id }] = await sql`select id from public.messages where text = 'first'`;
    await sql`insert into public.routing_decisions (message_id, route_name, reason, destination_ids, explanation, revision)
    values (${id}, 'everything', 'matched', '{00000000-0000-7000-8000-0000000000d1}',
      '[{"name": "everything", "matched": true, "why": "any message"}]', 1)`;
    await sql`
    with d as (
      insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, last_error)
      select m.id, '00000000-0000-7000-8000-0000000000d1', m.conversation_id, m.seq, 'dead', 'status: 500'
      from public.messages m where m.id = ${id} returning id)
    insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, answer)
    select id, 1, 'dead', 500, 12, 'oh no, Ada' from d`;
    type Story = Message & {
      decision: { name: string; explanation: { why: string }[] };
      attempts: { status: number; answer: string | null }[];
    };
    const told = await call<Story>(sql, operator, `public.message_story('${id}')`);
    assertEquals([told.text, told.route, told.decision.explanation[0].why], [
      "first",
      { name: "everything", reason: "matched" },
      "any message",
    ]);
    assertEquals(told.deliveries.map(({ destination, state }) => [destination, state]), [["crm", "dead"]]);
    assertEquals(told.attempts.map(({ status, answer }) => [status, answer]), [[500, "oh no, Ada"]]);
    const seen = await call<Story>(sql, viewer, `public.message_story('${id}')`);
    assertEquals([seen.text, seen.attempts[0].answer, seen.decision.name], [null, null, "everything"]);
    assertEquals(await call(sql, operator, `public.message_story('${crypto.randomUUID()}')`), null);
  },
);

databaseTest("reveal_contact: for operators, with a reason, permanently recorded", async (sql) => {
  const { ada, operator, viewer } = await scene(sql);
  const reveal = (reason: string) => `public.reveal_contact('${ada.contact_id}', '${reason}')`;
  assertEquals(await refusal(call(sql, viewer, reveal("curious"))), "42501");
  assertEquals(await refusal(call(sql, operator, reveal("  "))), "GL422");
  const shown = await call<{ name: string; identities: { kind: string; value: string }[] }>(
    sql,
    operator,
    reveal("call back"),
  );
  assertEquals([shown.name, shown.identities.map(({ kind, value }) => [kind, value])], ["Ada", [[
    "phone",
    ADA,
  ]]]);
  const acts = await as(
    sql,
    viewer,
    (sql) => sql`select act, contact_id, reason, by from public.contact_acts`,
  );
  assertEquals(acts.map((act) => ({ ...act })), [
    { act: "revealed", contact_id: ada.contact_id, reason: "call back", by: operator.sub },
  ]);
  assertEquals(await refusal(sql`delete from public.contact_acts`), "42501");
});

databaseTest("reveal_message: the provider's id of a message, recorded", async (sql) => {
  const { bob, operator, viewer } = await scene(sql);
  const [{ id }] = await sql`select id from public.messages where provider_id = 'wamid.bob'`;
  const reveal = (reason: string, of = id) => `public.reveal_message('${of}', '${reason}')`;
  assertEquals(await refusal(call(sql, viewer, reveal("curious"))), "42501");
  for (const reason of ["", "  ", `it is ${BOB}`, "it is wamid.bob"]) {
    assertEquals(await refusal(call(sql, operator, reveal(reason))), "GL422", reason);
  }
  assertEquals(await refusal(call(sql, operator, reveal("for Meta", crypto.randomUUID()))), "GL404");
  assertEquals(await call(sql, operator, reveal(" for Meta ")), {
    id,
    provider_id: "wamid.bob",
    error: null,
  });
  const acts = await sql`select act, contact_id, message_id, reason, by from public.contact_acts`;
  assertEquals(acts.map((act) => ({ ...act })), [
    { act: "revealed", contact_id: bob.contact_id, message_id: id, reason: "for Meta", by: operator.sub },
  ]);
});

databaseTest(
  "errors of services and providers are shown without ids of people and otherwise complete",
  async (sql) => {
    const { ada } = await scene(sql);
    const CASES = [
      [
        "order 4915100000002 of 2026-11-29T10:00:00Z is late",
        "order 4915100000002 of 2026-11-29T10:00:00Z is late",
      ],
      [`${ADA}, +${ADA.slice(0, 2)} 151 00000-001, (${ADA})`, "…, +…, (…)"],
      ["wamid.HBgNNDkxNTEwMDAwMDAwMRUCABIYFDAA is unknown", "wamid.… is unknown"],
      ["HBgNNDkxNTEwMDAwMDAwMRUCABIYFDAA is unknown", "HBgN…RUCABIYFDAA is unknown"],
      ["call +1 (650) 555-1234 or ada@mail.example", "call +… or …@mail.example"],
      ["a + b, @ home, 1+1234", "a + b, @ home, 1+1234"],
      ["", ""],
    ];
    for (const [text, told] of CASES) {
      const [row] = await sql`select private.quoted(${text}, ${ada.contact_id}) as told`;
      assertEquals(row.told, told);
    }
    const ERRORS: [unknown, { code: string | null; message: string | null }][] = [
      [{ code: 131026, message: `to ${ADA}` }, { code: "131026", message: "to …" }],
      [[{ code: 1, title: "t", error_data: { details: "why" } }, { code: 2 }], { code: "1", message: "why" }],
      [{ code: "network", message: "no connection" }, { code: "network", message: "no connection" }],
      [{ code: ADA }, { code: null, message: null }],
      ["words", { code: null, message: null }],
      [[], { code: null, message: null }],
    ];
    for (const [error, told] of ERRORS) {
      const [row] = await sql`
      select private.error_view(${sql.json(error as never)}, ${ada.contact_id}, true) as operators,
        private.error_view(${sql.json(error as never)}, ${ada.contact_id}, false) as viewers`;
      assertEquals({ ...row }, { operators: told, viewers: { ...told, message: null } });
    }
  },
);

databaseTest("a reason that viewers read names no customer, not even for a dropped delivery", async (sql) => {
  const { ada, operator } = await scene(sql);
  await sql`insert into public.destinations (id, name, url)
    values ('00000000-0000-7000-8000-0000000000d1', 'crm', 'https://crm.example.com/')`;
  const [{ id }] = await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state)
    select m.id, '00000000-0000-7000-8000-0000000000d1', m.conversation_id, m.seq, 'dead'
    from public.messages m where m.conversation_id = ${ada.id} order by m.seq limit 1 returning id`;
  const drop = (reason: string) =>
    call<number>(sql, operator, `public.drop_deliveries('{${id}}', '${reason}')`);
  assertEquals(await refusal(drop(`told +${ADA}`)), "GL422");
  assertEquals(await drop("told by phone"), 1);
});

databaseTest("routes for people's numbers, and their history, are shown to operators only", async (sql) => {
  const { operator, viewer } = await scene(sql);
  await sql`insert into public.destinations (name, url) values ('crm', 'https://crm.example.com/')`;
  const add = (condition: unknown, name: string) =>
    sql`select public.add_route('{crm}', ${sql.json(condition as never)}, 1, ${sql.json({ name })})`;
  await add({ type: "any" }, "all");
  await add({ type: "contacts", ids: [crypto.randomUUID()] }, "by id");
  await add({ type: "contacts", phones: [ADA] }, "by number");
  await add({ type: "not", of: { type: "all", of: [{ type: "contacts", phones: [ADA] }] } }, "deep");
  await sql`select private.record_route(id) from public.routes`;
  for (const [caller, seen] of [[viewer, 2], [operator, 4]] as const) {
    for (const table of ["routes", "route_history"]) {
      assertEquals(await call(sql, caller, `(select count(*)::int from public.${table})`), seen, table);
    }
  }
});

databaseTest("complete phone numbers cannot be read anywhere without a record", async (sql) => {
  const { operator } = await scene(sql);
  const admin = await signedIn(sql, "admin");
  for (const table of ["contact_identities", "messages", "webhook_events", "outbound_messages"]) {
    for (const caller of [ANON, operator, admin]) {
      assertEquals(await refusal(call(sql, caller, `count(*) from public.${table}`)), "42501", table);
    }
  }
});

databaseTest("reply_in_conversation: queued once per key, under the author's name", async (sql) => {
  const { ada, operator, viewer } = await scene(sql);
  const key = crypto.randomUUID();
  const reply = (text: string, id = key) => `public.reply_in_conversation('${ada.id}', '${text}', '${id}')`;
  assertEquals(await refusal(call(sql, viewer, reply("hi"))), "42501");
  assertEquals(await refusal(call(sql, operator, reply(" "))), "GL422");
  assertEquals(await refusal(call(sql, operator, reply("x".repeat(4097)))), "GL422");
  const queued = await call<{ id: string; status: string }>(sql, operator, reply("on our way"));
  assertEquals(queued.status, "queued");
  const again = await call<{ id: string; repeated: boolean }>(sql, operator, reply("on our way"));
  assertEquals([again.id, again.repeated], [queued.id, true]);
  assertEquals(await call(sql, operator, reply("something else")), { error: "idempotency_conflict" });
  const [{ claim }] = await sql`select public.claim_outbound(10) as claim`;
  assertEquals(claim.messages.map(({ to, message }: { to: string; message: unknown }) => ({ to, message })), [
    { to: ADA, message: { type: "text", text: { body: "on our way" } } },
  ]);
  const story = await call<{ written_by: string; direction: string }>(
    sql,
    viewer,
    `public.message_story('${queued.id}')`,
  );
  assertEquals([story.written_by, story.direction], [operator.sub, "out"]);
  assertNotEquals((await sql`select count(*) as n from public.contact_acts`)[0].n, "0");
});

databaseTest(
  "resend_message: a failed message is sent again with the same content, once, recorded",
  async (sql) => {
    const { ada, operator, viewer } = await scene(sql);
    const reply = `public.reply_in_conversation('${ada.id}', 'on our way', '${crypto.randomUUID()}')`;
    const { id } = await call<{ id: string }>(sql, operator, reply);
    const resend = `public.resend_message('${id}')`;
    const claimed = async () => (await sql`select public.claim_outbound(10) as claim`)[0].claim.messages;
    assertEquals(await refusal(call(sql, operator, resend)), "GL409", "not while it waits");
    const [first] = await claimed();
    const failed = [{ id, lease: first.lease, outcome: "failed", error: { code: 131026 } }];
    await sql`select public.settle_outbound(${sql.json(failed)})`;
    assertEquals(await refusal(call(sql, viewer, resend)), "42501");
    assertEquals(await refusal(call(sql, operator, `public.resend_message('${ada.id}')`)), "GL404");
    assertEquals(await call(sql, operator, resend), { id, status: "queued" });
    assertEquals(await refusal(call(sql, operator, resend)), "GL409", "once");
    await sql`update private.outbound_lanes set due_at = now()`;
    const [again] = await claimed();
    assertEquals([again.id, again.attempt, again.message], [id, 1, first.message]);
    const acts = await sql`select act, message_id, by from public.contact_acts where act = 'resent'`;
    assertEquals(acts.map((act) => ({ ...act })), [{ act: "resent", message_id: id, by: operator.sub }]);

    // As a status says later, and when nothing may go any more.
    await sql`select public.settle_outbound(${
      sql.json([{ id, lease: again.lease, outcome: "sent", provider_id: "wamid.a" }])
    })`;
    await sql`update public.messages set status = 'failed', status_rank = 2, error = '[{"code": 131026}]' where id = ${id}`;
    await sql`update public.conversations set last_inbound_at = now() - interval '2 days' where id = ${ada.id}`;
    assertEquals(await call(sql, operator, resend), { error: "window_closed" });
    await sql`update public.outbound_messages set fallback = ${
      sql.json({ type: "template", template: { name: "late", language: { code: "en" } } })
    } where id = ${id}`;
    assertEquals(await call(sql, operator, resend), { id, status: "queued" });
  },
);

databaseTest(
  "reply_in_conversation: refused after the window or with sending off; an opt-out concerns marketing only",
  async (sql) => {
    const { ada, bob, operator } = await scene(sql);
    const reply = (id: string) =>
      call<{ error?: string }>(
        sql,
        operator,
        `public.reply_in_conversation('${id}', 'hi', '${crypto.randomUUID()}')`,
      );
    // The template that services may fall back to does not go in place of a person's words.
    await sql`insert into public.settings (key, value) values ('wa_send.window_fallback', '{"type": "template"}')`;
    await sql`update public.conversations set last_inbound_at = now() - interval '25 hours' where id = ${ada.id}`;
    assertEquals((await reply(ada.id)).error, "window_closed");
    await sql`update public.conversations set opted_out_at = now() + interval '1 s' where id = ${bob.id}`;
    assertEquals((await reply(bob.id)).error, undefined);
    await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
    assertEquals((await reply(bob.id)).error, "feature_off");
    assertEquals(await refusal(reply(crypto.randomUUID())), "GL404");
    assertEquals((await sql`select from public.outbound_messages`).length, 1);
  },
);

/** Somebody writes on another channel, with its flag on: the conversation. */
async function wrote(sql: Sql, channel: string, kind: string, value: string): Promise<string> {
  await sql`insert into public.settings (key, value) values (${`${channel}_send.enabled`}, 'true')
    on conflict do nothing`;
  await ingest(
    sql,
    message({ channel, provider: channel, sender_id: "ours", identities: [{ kind, value }] }),
  );
  const [{ id }] = await sql`
    select c.id from public.conversations c join public.contact_identities i using (contact_id)
    where c.channel = ${channel} and i.value = ${value}`;
  return id;
}

databaseTest(
  "reply_in_conversation: available for WhatsApp and texts, in their shapes",
  async (sql) => {
    const { ada, operator } = await scene(sql);
    const reply = (id: string) => `public.reply_in_conversation('${id}', 'hi', '${crypto.randomUUID()}')`;
    for (
      const [channel, kind, value] of [["email", "email", "eve@mail.example"], ["telegram", "phone", ADA]]
    ) {
      const id = await wrote(sql, channel, kind, value);
      assertEquals(await call(sql, operator, reply(id)), { error: "channel_unsupported", channel });
    }
    assertEquals((await sql`select from public.outbound_messages`).length, 0);
    assertEquals((await sql`select from public.contact_acts`).length, 0);
    assertEquals((await call<{ status: string }>(sql, operator, reply(ada.id))).status, "queued");

    await sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true')`;
    const texts = await wrote(sql, "sms", "phone", ADA);
    await sql`update public.conversations set last_inbound_at = now() - interval '9 days' where id = ${texts}`;
    assertEquals((await call<{ status: string }>(sql, operator, reply(texts))).status, "queued");
    const [{ native }] =
      await sql`select native from public.messages where channel = 'sms' and direction = 'out'`;
    assertEquals(native, { type: "text", text: "hi", encoding: "GSM-7", segments: 1 });
    await sql`update public.conversations set opted_out_at = now() where id = ${texts}`;
    assertEquals(await call(sql, operator, reply(texts)), { error: "opted_out" });
  },
);

databaseTest("list_conversations: shows each conversation's channel", async (sql) => {
  const { viewer } = await scene(sql);
  await wrote(sql, "email", "email", "eve@mail.example");
  const all = await call<View[]>(sql, viewer, "public.list_conversations()");
  assertEquals(all.map(({ channel }) => channel), ["email", "whatsapp", "whatsapp"]);
});

databaseTest("contact_last_four: of an e-mail address only the domain", async (sql) => {
  const { operator } = await scene(sql);
  const CASES = [
    ["eve.moneypenny@mail.example.com", "@mail.example.com"],
    ['"odd@local"@mail.example.com', "@mail.example.com"],
    ["no address at all", null],
  ];
  for (const [address, face] of CASES) {
    await wrote(sql, "email", "email", address!);
    const [{ contact }] = await call<View[]>(sql, operator, "public.list_conversations(null, 1)");
    assertEquals(contact.last_four, face, address!);
  }
});

databaseTest("contact_last_four: at most half of a short id", async (sql) => {
  const { viewer } = await scene(sql);
  for (const [value, face] of [["zerafina_q", "na_q"], ["zerafina", "fina"], ["ada", "a"], ["x", ""]]) {
    await wrote(sql, "telegram", "username", value);
    const [{ contact }] = await call<View[]>(sql, viewer, "public.list_conversations(null, 1)");
    assertEquals(contact.last_four, face, value);
  }
});

databaseTest("conversations: anon and outsiders get nothing", async (sql) => {
  const { ada, stranger } = await scene(sql);
  for (const caller of [ANON, stranger]) {
    for (
      const statement of [
        "public.list_conversations()",
        "public.search_conversations('0001')",
        `public.conversation_messages('${ada.id}')`,
        `public.message_story('${ada.id}')`,
        `public.reveal_contact('${ada.contact_id}', 'x')`,
        `public.reply_in_conversation('${ada.id}', 'x', '${ada.id}')`,
      ]
    ) assertEquals(await refusal(call(sql, caller, statement)), "42501", statement);
  }
});

databaseTest("list_conversations and search: indexes serve them", async (sql) => {
  const plan = async (statement: string) => {
    const [{ tables }] = await sql`select private.reads_whole_tables(${statement}) as tables`;
    return tables;
  };
  assertEquals(
    await plan(
      `select m from public.messages m where m.id < 'ffffffff-ffff-ffff-ffff-ffffffffffff' and not exists (
      select from public.messages n where n.conversation_id = m.conversation_id and n.seq > m.seq)
      order by m.id desc limit 50`,
    ),
    [],
  );
  assertEquals(
    await plan(`select from public.contact_identities i
      where right(i.value, 4) = '0001' and i.kind = 'phone' and i.valid_to is null`),
    [],
  );
});
