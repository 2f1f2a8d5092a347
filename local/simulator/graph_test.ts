import { assert, assertEquals, assertMatch } from "../../tests/support/assert.ts";
import { FAULTS } from "./faults.ts";
import { CALM, type Json } from "./model.ts";
import { faultOf } from "./outgoing.ts";
import { KEEP } from "./store.ts";
import { callGraph, OPTIONS, SECOND, simulate } from "./testing.ts";

const TEXT = { type: "text", text: { body: "hello" } };

function withPerson(...args: Parameters<typeof simulate>) {
  const run = simulate(...args);
  const person = run.meta.addContact({ name: "Amina", phone: "447700900123" });
  const send = (body: Json = TEXT) => callGraph(run.meta, { to: "+44 7700 900123", ...body });
  return { ...run, person, send };
}

const errorOf = async (response: Response) => ((await response.json()) as { error: Json }).error;

Deno.test("GraphApi: a send answers in Meta's shape and is in the outbox once", async () => {
  const { meta, send } = withPerson();
  const response = await send({ ...TEXT, biz_opaque_callback_data: "row 1" });
  assertEquals(response.status, 200);
  const answer = await response.json();
  const [{ id }] = answer.messages;
  assertMatch(id, /^wamid\.[A-Za-z0-9+/]+=*$/);
  assertEquals(answer, {
    messaging_product: "whatsapp",
    contacts: [{ input: "+44 7700 900123", wa_id: "447700900123" }],
    messages: [{ id }],
  });
  const [{ wamid, to, type, payload, time }] = meta.outbox.messages;
  assertEquals({ wamid, to, type, time }, {
    ...{ wamid: id, to: "+44 7700 900123", type: "text", time: "2026-11-21T12:00:00.000Z" },
  });
  assertEquals(payload.text, { body: "hello" });
  assertEquals(meta.outbox.messages.length, 1);
});

Deno.test("GraphApi: the statuses sent, delivered and read follow, with the callback data", async () => {
  const { send, clock, meta, items, posts } = withPerson();
  const { messages: [{ id }] } = await (await send({ ...TEXT, biz_opaque_callback_data: "row 1" })).json();
  await clock.until(meta.settled());
  assertEquals(items().map(({ list, item }) => [list, item.id, item.status, item.biz_opaque_callback_data]), [
    ["statuses", id, "sent", "row 1"],
    ["statuses", id, "delivered", "row 1"],
    ["statuses", id, "read", "row 1"],
  ]);
  assertEquals(items().map(({ item }) => item.recipient_id), Array(3).fill("447700900123"));
  assertEquals(posts.map(({ at }) => at - Date.UTC(2026, 10, 21, 12)), [300, 600, 900]);
  assertEquals(meta.outbox.messages[0].status, "read");
});

Deno.test("GraphApi: statuses are duplicated and out of order on request", async () => {
  const { send, clock, meta, items } = withPerson(undefined, {
    settings: { duplicateRate: 1, shuffleRate: 0.5 },
  });
  for (let n = 0; n < 20; n++) await send();
  await clock.until(meta.settled());
  assertEquals(items().length, 20 * 3 * 2);
  const rank = { sent: 1, delivered: 2, read: 3 };
  const ranks = new Map<unknown, number[]>();
  for (const { item } of items()) {
    ranks.set(item.id, [...ranks.get(item.id) ?? [], rank[item.status as keyof typeof rank]]);
  }
  assert([...ranks.values()].some((seen) => seen.indexOf(2) < seen.indexOf(1)), "delivered before sent");
  assertEquals(meta.outbox.messages.map(({ status }) => status), Array(20).fill("read"));
});

Deno.test("GraphApi: without autoRead a message is read once, when its chat is opened", async () => {
  const { send, clock, meta, items, person } = withPerson(undefined, { settings: { autoRead: false } });
  await send();
  await clock.until(meta.settled());
  assertEquals(items().map(({ item }) => item.status), ["sent", "delivered"]);
  meta.userReads(person);
  meta.userReads(person);
  await clock.until(meta.settled());
  assertEquals(items().map(({ item }) => item.status), ["sent", "delivered", "read"]);
});

Deno.test("GraphApi: a chat opened while the message is being read is read once", async () => {
  const { send, clock, meta, items, person } = withPerson();
  meta.listen((event) => {
    if (event.type === "message" && event.message.progress === "delivered") meta.userReads(person);
  });
  await send();
  await clock.until(meta.settled());
  assertEquals(items().map(({ item }) => item.status), ["sent", "delivered", "read"]);
});

Deno.test("GraphApi: refuses a caller without the token or with another number", async () => {
  const { meta } = withPerson();
  const stranger = await callGraph(meta, { to: "447700900123", ...TEXT }, { token: "wrong" });
  assertEquals([stranger.status, (await errorOf(stranger)).code], [401, 190]);
  const elsewhere = await callGraph(meta, { to: "447700900123", ...TEXT }, { id: "1" });
  assertEquals([elsewhere.status, (await errorOf(elsewhere)).code], [400, 100]);
  assertEquals(meta.outbox.messages, []);
});

Deno.test("GraphApi: refuses a message that Meta would not accept, and says where the error is", async () => {
  const { meta, send } = withPerson();
  const buttons = (count: number) => ({
    type: "interactive",
    interactive: {
      type: "button",
      body: { text: "?" },
      action: {
        buttons: Array.from(
          { length: count },
          (_, n) => ({ type: "reply", reply: { id: `${n}`, title: "x" } }),
        ),
      },
    },
  });
  const wrong: [Json, RegExp][] = [
    [{ type: "text", text: {} }, /text\.body/],
    [{ type: "text", text: { body: "x".repeat(4097) } }, /text\.body/],
    [{ type: "telegram" }, /type/],
    [{ type: "image", image: { id: "1", link: "https://example.com/a.jpg" } }, /either id or link/],
    [{ type: "location", location: { latitude: 91, longitude: 0 } }, /location\.latitude/],
    [{ ...TEXT, biz_opaque_callback_data: "x".repeat(513) }, /callback/],
    [buttons(4), /interactive\.action\.buttons/],
    [{ ...TEXT, messaging_product: "telegram" }, /messaging_product/],
  ];
  for (const [body, expected] of wrong) {
    const response = await send(body);
    const error = await errorOf(response);
    assertEquals([response.status, error.code, error.type], [400, 131009, "OAuthException"]);
    assertMatch((error.error_data as { details: string }).details, expected);
  }
  assertEquals((await send(buttons(3))).status, 200);
  assertEquals(meta.outbox.messages.length, 1);
});

Deno.test("faultOf: every outbound type passes", () => {
  const right: Json[] = [
    TEXT,
    { type: "image", image: { link: "https://example.com/a.jpg", caption: "A" } },
    { type: "document", document: { id: "1", filename: "a.pdf" } },
    { type: "location", location: { latitude: "51.5", longitude: -0.1, name: "London" } },
    { type: "contacts", contacts: [{ name: { formatted_name: "A", first_name: "A" } }] },
    { type: "reaction", reaction: { message_id: "wamid.1", emoji: "" } },
    { type: "template", template: { name: "hello", language: { code: "en_US" } } },
    {
      type: "interactive",
      interactive: {
        type: "cta_url",
        body: { text: "?" },
        action: { name: "cta_url", parameters: { display_text: "Go", url: "https://example.com" } },
      },
    },
    {
      type: "interactive",
      interactive: {
        type: "list",
        body: { text: "?" },
        action: { button: "Choose", sections: [{ rows: [{ id: "1", title: "One" }] }] },
      },
    },
    {
      type: "interactive",
      interactive: { type: "flow", body: { text: "?" }, action: { name: "flow", parameters: {} } },
    },
  ];
  for (const message of right) {
    assertEquals(faultOf({ messaging_product: "whatsapp", ...message }), null, JSON.stringify(message));
  }
});

const ANSWERS: Record<string, [status: number, code: number]> = {
  "131056": [400, 131056],
  "130429": [429, 130429],
  "131047": [400, 131047],
  "500": [500, 131000],
  "503": [503, 2],
};

for (const [fault, [status, code]] of Object.entries(ANSWERS)) {
  Deno.test(`GraphApi: ${fault} on demand for the next two sends, then none`, async () => {
    const { meta, send } = withPerson(undefined, { settings: { fault, faultNext: 2 } });
    for (let n = 0; n < 2; n++) {
      const response = await send();
      const error = await errorOf(response);
      assertEquals([response.status, error.code, error.type], [status, code, "OAuthException"]);
      assert(typeof error.fbtrace_id === "string" && typeof error.message === "string");
      assertEquals(
        [response.headers.get("retry-after"), error.is_transient],
        fault === "503" ? ["1", true] : [null, undefined],
      );
    }
    assertEquals((await send()).status, 200);
    assertEquals(meta.outbox.messages.length, 1);
  });
}

Deno.test("GraphApi: all FAULTS are tested here", () => {
  assertEquals(
    Object.keys(FAULTS).sort(),
    [...Object.keys(ANSWERS), "131026", "timeout", "answer_lost"].sort(),
  );
});

Deno.test("GraphApi: faultRate is the fraction of sends that fail", async () => {
  const { meta, send } = withPerson(undefined, { settings: { fault: "500", faultRate: 0.3 } });
  for (let n = 0; n < 500; n++) await send();
  const share = 1 - meta.outbox.messages.length / 500;
  assert(Math.abs(share - 0.3) < 0.07, `${share}`);
});

Deno.test("GraphApi: reports 131026 by a failed status", async () => {
  const { meta, send, clock, items } = withPerson(undefined, { settings: { fault: "131026", faultNext: 1 } });
  assertEquals((await send()).status, 200);
  await clock.until(meta.settled());
  assertEquals(items().map(({ item }) => [item.status, (item.errors as { code: number }[])[0].code]), [
    ["failed", 131026],
  ]);
  assertEquals(meta.outbox.messages[0].status, "failed");
});

Deno.test("GraphApi: time-out gives no answer and accepts nothing; a lost answer accepts the message", async () => {
  for (const [fault, taken] of [["timeout", 0], ["answer_lost", 1]] as const) {
    const { meta, send, clock } = withPerson(undefined, { settings: { fault, faultNext: 1 } });
    const began = clock.now();
    const response = await clock.until(send());
    assertEquals([response.status, response.body], [504, null]);
    assertEquals(clock.now() - began, 60_000);
    assertEquals(meta.outbox.messages.length, taken);
  }
});

Deno.test("GraphApi: an unanswered call ends with the simulator", async () => {
  const { meta, send } = withPerson(undefined, { settings: { fault: "timeout", faultNext: 1 } });
  const answer = send();
  while (meta.calls.length === 0) await Promise.resolve();
  meta.stop();
  assertEquals((await answer).status, 504);
});

Deno.test("GraphApi: with limits enforced, the window and the pace of pair and number apply", async () => {
  const settings = { enforceLimits: true, enforceWindow: true };
  const { meta, send, person, clock } = withPerson(undefined, { settings });
  const code = async (response: Response) => response.ok ? 200 : (await errorOf(response)).code;
  const template = { type: "template", template: { name: "hello", language: { code: "en" } } };
  assertEquals(await code(await send()), 131047);
  assertEquals(await code(await send(template)), 200);
  meta.userSends(person, "hi");
  for (let n = 1; n < 45; n++) assertEquals(await code(await send()), 200);
  assertEquals(await code(await send()), 131056);
  await clock.until(clock.sleep(6_000));
  assertEquals(await code(await send()), 200);
  assertEquals(await code(await send()), 131056);
  await clock.until(clock.sleep(24 * 3_600_000));
  assertEquals(await code(await send()), 131047);

  const codes: unknown[] = [];
  for (let n = 0; n < 90; n++) {
    codes.push(await code(await callGraph(meta, { to: `1202555${1000 + n}`, ...template })));
  }
  assertEquals(codes, [...Array(80).fill(200), ...Array(10).fill(130429)]);
});

Deno.test("GraphApi: the window is enforced from the start, for each number, until it is switched off", async () => {
  const { meta, clock } = simulate(undefined, { settings: { ...CALM }, accounts: [SECOND] });
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const { phoneNumberId: id, accessToken: token } = SECOND;
  const send = async (options = {}, body: Json = TEXT, to = "447700900123") => {
    const response = await callGraph(meta, { to, ...body }, options);
    return response.ok ? 200 : (await errorOf(response)).code;
  };
  const template = { type: "template", template: { name: "hello", language: { code: "en" } } };
  assertEquals(await send(), 131047);
  assertEquals(await send({}, template), 200);
  meta.userSends(person, "hi");
  assertEquals([await send(), await send({ id, token })], [200, 131047]);
  // A number changes by itself: that is no word of the person.
  await clock.until(clock.sleep(24 * 3_600_000));
  assertEquals(await send(), 200);
  meta.changeContact(person.id, { phone: "447700900456" });
  await clock.until(clock.sleep(1));
  assertEquals(await send({}, TEXT, "447700900456"), 131047);
  meta.configure({ enforceWindow: false });
  assertEquals(await send({}, TEXT, "447700900456"), 200);
});

Deno.test("GraphApi: what a stranger wrote elsewhere is unknown, until they write here", async () => {
  const { meta, clock } = simulate(undefined, { settings: { ...CALM } });
  const send = async () => (await callGraph(meta, { to: "447700900999", ...TEXT })).status;
  assertEquals(await send(), 200);
  await clock.until(clock.sleep(25 * 3_600_000));
  assertEquals(await send(), 200);
  meta.userSends(meta.contacts[0], "hi");
  assertEquals(await send(), 200);
  meta.age(meta.contacts[0].id, 24 * 3_600_000 + 1);
  assertEquals(await send(), 400);
});

Deno.test("GraphApi: read receipts and typing are stored, and mark earlier messages as read", async () => {
  const { meta, person } = withPerson();
  const first = meta.userSends(person, "one");
  const second = meta.userSends(person, "two");
  const receipt = { status: "read", message_id: second, typing_indicator: { type: "text" } };
  const typing: unknown[] = [];
  meta.listen((event) => event.type === "typing" && typing.push(event.contact));
  assertEquals(await (await callGraph(meta, receipt)).json(), { success: true });
  assertEquals(meta.outbox.receipts.map(({ message_id, typing }) => ({ message_id, typing })), [
    { message_id: second, typing: true },
  ]);
  assertEquals(meta.messages.map(({ wamid, progress }) => [wamid, progress]), [[first, "read"], [
    second,
    "read",
  ]]);
  assertEquals(typing, [person.id]);
  assertEquals((await callGraph(meta, { status: "read", message_id: "wamid.unknown" })).status, 400);
  assertEquals(meta.outbox.messages, []);
});

Deno.test("GraphApi: a person without a number is addressed by user id; an unknown number gets a phone", async () => {
  const { meta } = withPerson();
  const hidden = meta.addContact({ name: "Yuki", username: "yuki" });
  const answer = await (await callGraph(meta, { recipient: hidden.bsuid, ...TEXT })).json();
  assertEquals(answer.contacts, [{ input: hidden.bsuid, user_id: hidden.bsuid }]);
  assertEquals((await callGraph(meta, { recipient: "US.1", ...TEXT })).status, 400);
  assertEquals((await callGraph(meta, { to: hidden.bsuid, ...TEXT })).status, 400);
  assertEquals((await callGraph(meta, { to: "12025550199", ...TEXT })).status, 200);
  assertEquals(meta.contacts.at(-1)?.phone, "12025550199");
});

Deno.test("GraphApi: if the network is full an unknown number is refused, known ones still work", async () => {
  const { meta, send } = withPerson();
  while (meta.contacts.length < KEEP.contacts) {
    meta.addContact({ name: "Somebody", phone: `4479${10_000_000 + meta.contacts.length}` });
  }
  const refused = await send({ ...TEXT, to: "+44 7700 900999" });
  assertEquals(refused.status, 400);
  const { code, error_data } = await errorOf(refused);
  assertEquals([code, (error_data as Json).details], [100, `to: at most ${KEEP.contacts} contacts`]);
  assertEquals((await send()).status, 200);
});

Deno.test("GraphApi: returns a template by its name, in each language, and no others", async () => {
  const { meta } = withPerson();
  const ask = async (name: string, token = "an access token") => {
    const response = await meta.graph(
      new Request(`http://meta.test/v26.0/24001/message_templates?name=${name}`, {
        headers: { authorization: `Bearer ${token}` },
      }),
    );
    const { data } = await response.json();
    return data && [...new Set(data.map(({ category }: Json) => category))];
  };
  assertEquals(await ask("login_code"), ["AUTHENTICATION"]);
  assertEquals(await ask("spring_offer"), ["MARKETING"]);
  assertEquals(await ask("order_update"), ["UTILITY"]);
  assertEquals(await ask("x_1"), []);
  assertEquals(await ask("login_code", "another"), undefined);
});

Deno.test("GraphApi: tells the app, by the app's own token, where its webhooks lead", async () => {
  const { meta } = simulate();
  const ask = (token: string) =>
    meta.graph(
      new Request("http://127.0.0.1/simulator/graph/v26.0/900000000000001/subscriptions", {
        headers: { authorization: `Bearer ${token}` },
      }),
    );
  const { data: [{ callback_url, active }] } = await (await ask(`900000000000001|${OPTIONS.appSecret}`))
    .json();
  assertEquals([callback_url, active], [OPTIONS.webhookUrl, true]);
  assertEquals((await ask("900000000000001|wrong")).status, 401);
});
