/**
 * wa-send from the request to the ticks: the deployed function on a real database, with the simulator's Graph API for
 * Meta's.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import {
  failedAttempts,
  messagesOfEachType,
  queued,
  received,
  rowOf,
  TEMPLATE,
  text,
  writer,
} from "../support/sending.ts";

edgeTest(
  "wa-send: each message type reaches Meta unchanged, and its ticks come back",
  async (edge) => {
    const { sql, meta, settled } = edge;
    const person = await writer(edge);
    const inbound = await edge.says(person, "react to this");
    const messages = messagesOfEachType(inbound);
    const ids: string[] = [];
    for (const message of messages) ids.push(await queued(edge, { to: person.phone, ...message }));
    await settled();
    await meta.settled();
    assertEquals(
      meta.outbox.messages.map(({ payload }) => payload),
      messages.map((message, i) => ({
        messaging_product: "whatsapp",
        recipient_type: "individual",
        to: person.phone,
        ...message,
        biz_opaque_callback_data: ids[i],
      })),
    );
    const wamids = meta.outbox.messages.map(({ wamid }) => wamid);
    for (const [i, id] of ids.entries()) {
      assertEquals(await rowOf(sql, id), {
        state: "sent",
        attempt: 1,
        error: null,
        status: "delivered",
        provider_id: wamids[i],
      }, JSON.stringify(messages[i]));
    }
    meta.userReads(person);
    await meta.settled();
    const rows = await sql<{ status: string; text: string | null }[]>`
    select status, text from public.messages where direction = 'out' order by seq`;
    assertEquals([...new Set(rows.map(({ status }) => status))], ["read"]);
    assertEquals(rows.map((row) => row.text), [
      "Hello 🌷",
      "as an answer",
      "[order_update]",
      "Sure?",
      "Which?",
      "See",
      "Fill in",
      "a picture",
      null,
      null,
      "your bill",
      null,
      null,
      null,
      "👍",
    ]);
  },
);

edgeTest(
  "wa-send: a read receipt, with typing indicator, is sent for the named message",
  async (edge) => {
    const { meta, sql, says, settled } = edge;
    const person = await writer(edge);
    const wamid = await says(person, "anybody there?");
    const asMetaWritesIt = {
      messaging_product: "whatsapp",
      status: "read",
      message_id: wamid,
      typing_indicator: { type: "text" },
    };
    const id = await queued(edge, asMetaWritesIt);
    await settled();
    assertEquals(meta.outbox.receipts.map(({ message_id, typing }) => ({ message_id, typing })), [
      { message_id: wamid, typing: true },
    ]);
    assertEquals(await rowOf(sql, id), {
      state: "sent",
      attempt: 1,
      error: null,
      status: null,
      provider_id: null,
    });
    const unknown = await edge.send({ type: "read", message_id: "wamid.nobody" });
    assertEquals([unknown.status, unknown.body.code], [404, "unknown_message"]);
  },
);

edgeTest(
  "wa-send: one person in each spelling of the number; a user id is sent as `recipient`",
  async (edge) => {
    const { meta, sql, says, settled } = edge;
    const person = await writer(edge);
    const hidden = meta.addContact({
      name: "Yuki",
      username: "yuki.bakes",
      bsuid: "US.13491208655302741918",
    });
    await says(hidden, "hi");
    await queued(edge, { to: "+1 (202) 555-0123", ...text("by number") });
    await queued(edge, { to: hidden.bsuid, ...text("under to") });
    await queued(edge, { recipient: hidden.bsuid, ...text("under recipient") });
    await settled();
    // Between people there is no order.
    assertEquals(
      new Map(meta.outbox.messages.map(({ payload }) => [
        (payload.text as { body: string }).body,
        [payload.to, payload.recipient],
      ])),
      new Map([
        ["by number", [person.phone, undefined]],
        ["under to", [undefined, hidden.bsuid]],
        ["under recipient", [undefined, hidden.bsuid]],
      ]),
    );
    const [{ conversations }] = await sql`select count(*)::int as conversations from public.conversations`;
    assertEquals(conversations, 2);
  },
);

edgeTest(
  "wa-send: a number as dialled, as shown and hidden is one person, window and conversation",
  async (edge) => {
    const { meta, sql, says, settled } = edge;
    const person = meta.addContact({ name: "Rita", phone: "554188887001", bsuid: "BR.1349120865530274" });
    await queued(edge, { to: "+55 41 98888-7001", ...TEMPLATE });
    await settled();
    await meta.settled();
    assertEquals(meta.outbox.messages.map(({ payload }) => payload.to), ["5541988887001"]);
    meta.changeContact(person.id, { phone: "" });
    await says(person, "yes please");
    for (const to of ["+55 41 98888-7001", "554188887001", person.bsuid]) {
      await queued(edge, { to, ...text("hi") });
    }
    const [{ id }] = await sql`select id from public.contacts where merged_into is null`;
    await queued(edge, { to: id, ...text("by our own id") });
    const rows = await sql`select recipient from public.outbound_messages order by id desc limit 1`;
    assertEquals(rows[0].recipient, "554188887001");
    const [{ people, conversations }] = await sql`
      select (select count(*)::int from public.contacts) as people, (select count(*)::int from public.conversations) as conversations`;
    assertEquals([people, conversations], [1, 1]);
    const codes = [];
    for (const to of ["01968f00-0000-7000-8000-0000000000c1", "nobody.known"]) {
      codes.push((await edge.send({ to, ...TEMPLATE })).body.code);
    }
    assertEquals(codes, ["unknown_recipient", "unknown_recipient"]);
  },
);

edgeTest(
  "wa-send: a group is answered in the group, and its members' messages open no private window",
  async (edge) => {
    const { sql, hook, send } = edge;
    const [from, group_id] = ["12025550123", "R3JvdXA6MQ=="];
    const item = {
      id: "wamid.g",
      from,
      group_id,
      timestamp: String(Math.floor(Date.now() / 1000)),
      type: "text",
      text: { body: "?" },
    };
    const metadata = { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id };
    const value = {
      messaging_product: "whatsapp",
      metadata,
      contacts: [{ wa_id: from, profile: { name: "Nora" } }],
      messages: [item],
    };
    await hook({
      object: "whatsapp_business_account",
      entry: [{ id: "1", changes: [{ field: "messages", value }] }],
    });
    assertEquals((await send({ to: from, ...text("psst") })).body.code, "window_closed");
    await queued(edge, { to: group_id, recipient_type: "group", ...text("me") });
    const [{ people, recipient, native }] = await sql`
    select (select count(*)::int from public.contacts) as people, o.recipient, m.native from public.outbound_messages o, public.messages m
    where m.direction = 'in'`;
    // The group, and who wrote in it.
    assertEquals([people, recipient], [2, group_id]);
    assertEquals(whatsapp.addressOf({ group: group_id, phone: from }), group_id);
    // Who wrote is told beside the message.
    assertEquals(native._rest.value.contacts[0].profile.name, "Nora");
  },
);

edgeTest("wa-send: what Meta would refuse is refused with its path, and nothing is stored", async (edge) => {
  const { sql, send, call } = edge;
  const to = (await writer(edge)).phone;
  const buttons = (titles: string[]) => ({
    type: "interactive",
    interactive: {
      type: "button",
      body: { text: "?" },
      action: { buttons: titles.map((title, id) => ({ type: "reply", reply: { id: `${id}`, title } })) },
    },
  });
  const cases: [body: unknown, ...paths: string[]][] = [
    [null, "", ""],
    [[], "", ""],
    [{ to, type: "carrier_pigeon" }, "type"],
    [{ to, type: "text" }, "text"],
    [{ to, ...text("") }, "text.body"],
    [{ to, ...text("x".repeat(4097)) }, "text.body"],
    [{ to, ...text("\u0000") }, ""],
    [{ to, type: "image", image: {} }, "image"],
    [{ to, type: "image", image: { id: "1", link: "https://a.example/b" } }, "image"],
    [{ to, type: "location", location: { latitude: 91, longitude: 0 } }, "location.latitude"],
    [{ to, ...buttons(["a", "b", "c", "d"]) }, "interactive.action.buttons"],
    [{ to, ...buttons(["a", "a title that is too long"]) }, "interactive.action.buttons.1.reply.title"],
    [{ ...text("nobody") }, "to"],
    [{ to: "not a number", ...text("hi") }, "to"],
    [{ recipient: "12025550123", ...text("hi") }, "recipient"],
    [{ to, recipient_type: "group", ...text("hi") }, "to"],
    [{ to: "(202) 555-0123", ...text("hi") }, "to"],
    [{ to, from: "+1 202", ...text("hi") }, "from"],
    [{ to, idempotency_key: "no spaces", ...text("hi") }, "idempotency_key"],
    [{ to, idempotency_key: "", ...text("hi") }, "idempotency_key"],
    [{ to, fallback: text("no template"), ...text("hi") }, "fallback.type"],
    [{ to, fallback: { type: "template" }, ...text("hi") }, "fallback.template"],
    [{ to: "x", ...text("") }, "text.body", "to"],
  ];
  for (const [body, ...paths] of cases) {
    const answer = await send(body);
    assertEquals([answer.status, answer.body.code], [422, "invalid_request"], JSON.stringify(body));
    const issues: { path: string; message: string }[] = answer.body.issues;
    assertEquals([...new Set(issues.map(({ path }) => path))], [...new Set(paths)], JSON.stringify(body));
    assert(issues.every(({ message }) => message !== ""));
    assertEquals(answer.headers.get("content-type"), "application/problem+json");
  }
  const headers = { apikey: KEYS.secretKey };
  const broken = await call("wa-send", { headers, body: "{not json" });
  assertEquals([broken.status, broken.body.code], [400, "invalid_json"]);
  const large = await call("wa-send", { headers, body: " ".repeat(whatsapp.limits.requestBytes + 1) });
  assertEquals([large.status, large.body.code], [413, "payload_too_large"]);
  const get = await call("wa-send", { method: "GET", headers });
  assertEquals([get.status, get.body.code, get.headers.get("allow")], [405, "method_not_allowed", "POST"]);
  assertEquals((await sql`select count(*)::int as n from public.outbound_messages`)[0].n, 0);
});

edgeTest(
  "wa-send: requires a secret key, checked before the body is read",
  async ({ send, sql }) => {
    const refusals: [HeadersInit, number, string][] = [
      [{}, 401, "unauthorized"],
      [{ apikey: "" }, 401, "unauthorized"],
      [{ apikey: `${KEYS.secretKey}x` }, 401, "unauthorized"],
      [{ authorization: `Bearer ${KEYS.secretKey}` }, 401, "unauthorized"],
      [{ apikey: KEYS.publishableKey }, 403, "forbidden"],
    ];
    for (const [headers, status, code] of refusals) {
      const answer = await send("{not json", headers);
      assertEquals([answer.status, answer.body.code], [status, code], JSON.stringify(headers));
    }
    const unauthorized = await send({}, {});
    assertMatch(unauthorized.headers.get("www-authenticate") ?? "", /^ApiKey /);
    assertEquals((await sql`select count(*)::int as n from public.rate_limits`)[0].n, 0);
  },
);

edgeTest(
  "wa-send: outside the 24 hours only a template is sent, or the given fallback",
  async (edge) => {
    const { sql, send, meta, set, settled } = edge;
    const { phone: to } = await writer(edge);
    await sql`update public.conversations set last_inbound_at = now() - interval '25 hours'`;
    const closed = await send({ to, ...text("too late") });
    assertEquals([closed.status, closed.body.code], [409, "window_closed"]);
    const ago = Date.now() - Date.parse(closed.body.window_closed_at);
    assert(Math.abs(ago - 3_600_000) < 60_000, closed.body.window_closed_at);
    const stranger = await send({ to: "12025550177", ...text("never wrote") });
    assertEquals([stranger.status, stranger.body.code], [409, "window_closed"]);
    assert(!("window_closed_at" in stranger.body));

    await queued(edge, { to, ...TEMPLATE });
    const own = await send({ to, ...text("too late"), fallback: TEMPLATE });
    assertEquals([own.status, own.body.used_fallback], [202, true]);
    const reminder = { type: "template", template: { name: "write_to_us", language: { code: "en" } } };
    await set({ "wa_send.window_fallback": JSON.stringify(reminder) });
    const general = await send({ to, ...text("too late") });
    assertEquals([general.status, general.body.used_fallback], [202, true]);
    await settled();
    assertEquals(
      meta.outbox.messages.map(({ payload }) => (payload.template as { name: string }).name),
      ["order_update", "order_update", "write_to_us"],
    );

    await edge.says(meta.contacts[0], "here I am");
    const open = await send({ to, ...text("welcome back"), fallback: TEMPLATE });
    assertEquals([open.status, open.body.used_fallback], [202, undefined]);
    await settled();
    assertEquals(received(edge).at(-1), "welcome back");
  },
);

/** A template by this name. */
const named = (name: string, more = {}) => ({
  type: "template",
  template: { name, language: { code: "en" } },
  ...more,
});

/** What a person prefers, as Meta tells it under an account of its own. */
const preference = (phone: string, value: string) => ({
  object: "whatsapp_business_account",
  entry: [{
    id: `account-${crypto.randomUUID()}`,
    changes: [{
      field: "user_preferences",
      value: {
        messaging_product: "whatsapp",
        metadata: { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id },
        contacts: [{ profile: { name: "T" }, wa_id: phone }],
        user_preferences: [{
          wa_id: phone,
          detail: "User requested to stop marketing messages",
          category: "marketing_messages",
          value,
          timestamp: Math.floor(Date.now() / 1000),
        }],
      },
    }],
  }],
});

edgeTest("wa-send: an opt-out during a send blocks marketing and nothing else", async (edge) => {
  const { sql, send, hook, meta, settled } = edge;
  const person = await writer(edge);
  const to = person.phone!;
  assertEquals((await hook(preference(to, "stop"))).status, 200);
  const ids: string[] = [];
  const messages = [
    text("the answer"),
    named("login_code"),
    named("offer"),
    named("x_1"),
    named("x_2", { category: "utility" }),
  ];
  for (const message of messages) ids.push(await queued(edge, { to, ...message }));
  await settled();
  await meta.settled();
  const states: string[] = [];
  for (const id of ids) {
    const { status, error } = await rowOf(sql, id);
    states.push(error === null ? status! : String(error.code));
  }
  assertEquals(states, ["delivered", "delivered", "opted_out", "opted_out", "delivered"]);
  const outbox = meta.outbox.messages.length;
  // What Meta said is kept: the next one is told at once.
  const codes = async (...names: string[]) =>
    (await Promise.all(names.map((name) => send({ to, ...named(name) }))))
      .map(({ status, body }) => body.code ?? status);
  assertEquals(await codes("offer", "x_1", "login_code"), ["opted_out", "opted_out", 202]);
  assertEquals((await hook(preference(to, "resume"))).status, 200);
  assertEquals(await codes("offer"), [202]);
  await settled();
  assertEquals(meta.outbox.messages.length, outbox + 2);
});

edgeTest("wa-send: an opt-out from a person without a conversation counts", async (edge) => {
  const { send, hook, meta, settled } = edge;
  const to = "12025550177";
  meta.addContact({ name: "T", phone: to });
  assertEquals((await hook(preference(to, "stop"))).status, 200);
  await send({ to, from: NUMBER.id, ...named("offer") });
  await send({ to, from: NUMBER.id, ...named("order_update") });
  await settled();
  assertEquals(
    meta.outbox.messages.map(({ payload }) => (payload.template as { name: string }).name),
    ["order_update"],
  );
});

edgeTest("wa-send: after a written STOP no marketing is sent until START", async (edge) => {
  const { sql, send, says, hook, meta, settled } = edge;
  const person = await writer(edge);
  const to = person.phone!;
  await says(person, "STOP");
  const [{ out }] = await sql`select opted_out_at is not null as out from public.conversations`;
  assertEquals(out, true);
  // Told at once or, where Meta has to be asked first, by the message's status.
  const { body } = await send({ to, ...named("offer") });
  await settled();
  assertEquals(body.code ?? (await rowOf(sql, body.id)).error?.code, "opted_out");
  assertEquals((await hook(preference(to, "resume"))).status, 200);
  await queued(edge, { to, ...named("offer") });
  await settled();
  assertEquals(meta.outbox.messages.length, 1);
});

edgeTest(
  "wa-send: the same idempotency key is the same message, whenever and however often it is used",
  async (edge) => {
    const { send, meta, settled } = edge;
    const { phone: to } = await writer(edge);
    const message = { to, idempotency_key: "order-17:shipped", ...text("shipped") };
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(message)));
    assertEquals(answers.map(({ status }) => status), Array(6).fill(202));
    assertEquals(new Set(answers.map(({ body }) => body.id)).size, 1);
    await settled();
    const later = await send(message);
    assertEquals([later.status, later.body], [202, { id: answers[0].body.id, status: "sent" }]);
    const other = await send({ ...message, ...text("not the same") });
    assertEquals([other.status, other.body.code], [409, "idempotency_conflict"]);
    await settled();
    assertEquals(received(edge), ["shipped"]);
    assertEquals(meta.calls.length, 1);
  },
);

edgeTest("wa-send: a key that sends too fast is told its limit and when to retry", async (edge) => {
  const { send, set, settled } = edge;
  const { phone: to } = await writer(edge);
  await set({ "wa_send.rate_per_second": "0.1" });
  const first = await send({ to, ...text("1") });
  assertEquals(first.status, 202);
  assertEquals(first.headers.get("ratelimit-policy"), '"send";q=1;w=10');
  assertEquals(first.headers.get("ratelimit"), '"send";r=0;t=10');
  const second = await send({ to, ...text("2") });
  assertEquals([second.status, second.body.code], [429, "rate_limited"]);
  assertEquals(second.headers.get("retry-after"), "10");
  assertEquals(second.headers.get("ratelimit"), '"send";r=0;t=10');
  assertEquals(second.body["violated-policies"], ["send"]);
  await settled();
  assertEquals(received(edge), ["1"]);
});

edgeTest(
  "wa-send: kill switches stop accepting and sending, and accepted messages wait",
  async (edge) => {
    const { send, sql, meta, settled } = edge;
    const { phone: to } = await writer(edge);
    for (const name of ["WA_SEND_ENABLED", "FEATURE_ENABLED"]) {
      const taken = await send({ to, ...text(`before ${name}`) });
      await settled();
      meta.configure({ fault: "503", faultNext: 1 });
      const waiting = (await send({ to, ...text(`during ${name}`) })).body.id;
      Deno.env.set(name, "false");
      try {
        const answer = await send({ to, ...text("refused") });
        assertEquals([answer.status, answer.body.code], [503, "disabled_by_environment"]);
        assert(Number(answer.headers.get("retry-after")) > 0);
        await failedAttempts(edge, waiting, 1);
        await edge.hurry();
        await settled();
        assertEquals((await rowOf(sql, waiting)).state, "queued");
        assertEquals((await rowOf(sql, taken.body.id)).state, "sent");
      } finally {
        Deno.env.delete(name);
      }
      await settled();
      assertEquals((await rowOf(sql, waiting)).state, "sent");
    }
  },
);

edgeTest("wa-send: off without its flag, and for each person without it", async (edge) => {
  const { send, sql, set, reread, settled } = edge;
  const { phone: a } = await writer(edge), { phone: b } = await writer(edge, "12025550124");
  await sql`delete from public.settings where key = 'wa_send.enabled'`;
  await reread();
  const off = await send({ to: a, ...text("hi") });
  assertEquals([off.status, off.body.code], [403, "feature_off"]);
  const [{ contact_id }] = await sql`select contact_id from public.contact_identities where value = ${a!}`;
  await set({
    "wa_send.enabled": { value: "true", metadata: { rollout_percentage: 0, target_user_ids: [contact_id] } },
  });
  const answers = await Promise.all([a, b].map((to) => send({ to, ...text("hi") })));
  assertEquals(answers.map(({ status }) => status), [202, 403]);
  await settled();
  assertEquals(received(edge), ["hi"]);
});

edgeTest(
  "wa-send: the sending number is the conversation's, the only one, or must be given",
  async (edge) => {
    const { send, sql } = edge;
    const { phone: to } = await writer(edge);
    const codes = async (...messages: Record<string, unknown>[]) =>
      (await Promise.all(messages.map((message) => send({ ...TEMPLATE, ...message }))))
        .map(({ status, body }) => body.code ?? status);
    assertEquals(await codes({ to: "12025550177" }, { to, from: "999" }), [202, "unknown_number"]);
    await sql`insert into public.wa_numbers (id) values ('999')`;
    assertEquals(await codes({ to: "12025550178" }, { to }), ["from_required", 202]);
    assertEquals(await codes({ to: "12025550178", from: NUMBER.id }), [202]);
  },
);

edgeTest("wa-send: fifty concurrent requests to fifty people each get their own answer", async (edge) => {
  const { send, meta, settled, says } = edge;
  const people = Array.from(
    { length: 50 },
    (_, i) => meta.addContact({ name: `${i}`, phone: `120255502${10 + i}` }),
  );
  for (const person of people.slice(0, 40)) meta.userSends(person, "hi");
  await says(people[0], "hi again");
  const answers = await Promise.all(people.map(({ phone, name }) => send({ to: phone, ...text(name) })));
  assertEquals(answers.map(({ status }) => status), [...Array(40).fill(202), ...Array(10).fill(409)]);
  await settled();
  assertEquals(received(edge).toSorted(), people.slice(0, 40).map(({ name }) => name).toSorted());
  for (const { payload, to } of meta.outbox.messages) {
    assertEquals(people.find(({ phone }) => phone === to)?.name, (payload.text as { body: string }).body);
  }
});
