import { assert, assertEquals, assertMatch, assertThrows } from "../../tests/support/assert.ts";
import type { Json, UserMessage } from "./model.ts";
import { callGraph, OPTIONS, simulate } from "./testing.ts";

Deno.test("MetaSimulator: a text has the shape of Meta's webhook", async () => {
  const { meta, clock, posts } = simulate();
  const person = meta.addContact({
    ...{ name: "Test User", phone: "+1 555 123 4567", username: "@testuser" },
    ...{ bsuid: "US.13491208655302741918", parentBsuid: "US.ENT.11815799212886844830" },
  });
  const wamid = meta.userSends(person, "Hello");
  await clock.until(meta.settled());
  assertEquals(posts[0].body, {
    object: "whatsapp_business_account",
    entry: [{
      id: "100000000000001",
      changes: [{
        value: {
          messaging_product: "whatsapp",
          metadata: { display_phone_number: OPTIONS.displayNumber, phone_number_id: OPTIONS.phoneNumberId },
          contacts: [{
            profile: { name: "Test User", username: "testuser" },
            wa_id: "15551234567",
            user_id: "US.13491208655302741918",
            parent_user_id: "US.ENT.11815799212886844830",
          }],
          messages: [{
            from: "15551234567",
            from_user_id: "US.13491208655302741918",
            from_parent_user_id: "US.ENT.11815799212886844830",
            id: wamid,
            timestamp: String(Date.UTC(2026, 10, 21, 12) / 1000),
            type: "text",
            text: { body: "Hello" },
          }],
        },
        field: "messages",
      }],
    }],
  });
});

Deno.test("MetaSimulator: an answer in the business app reaches the person, and the webhook as an echo", async () => {
  const { meta, clock, posts } = simulate();
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = meta.appSends(person, "I take over");
  await clock.until(meta.settled());
  assertEquals((posts[0].body as { entry: { changes: unknown[] }[] }).entry[0].changes, [{
    value: {
      messaging_product: "whatsapp",
      metadata: { display_phone_number: OPTIONS.displayNumber, phone_number_id: OPTIONS.phoneNumberId },
      message_echoes: [{
        from: OPTIONS.displayNumber,
        to: "447700900123",
        id: wamid,
        timestamp: String(Date.UTC(2026, 10, 21, 12) / 1000),
        type: "text",
        text: { body: "I take over" },
      }],
    },
    field: "smb_message_echoes",
  }]);
  assertEquals(meta.messages.map(({ from, progress }) => [from, progress]), [["business", "delivered"]]);
  assertThrows(() => meta.appSends(person, " "), RangeError);
});

Deno.test("MetaSimulator: each message kind has its own part, and a reply names its message", async () => {
  const media = new Map([["9001", {
    open: () => new Uint8Array([1]),
    size: 1,
    mimeType: "image/jpeg",
    sha256: "abc=",
    filename: "a",
  }]]);
  const { meta, clock, items } = simulate(undefined, { settings: { concurrency: 1 }, media });
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const said: UserMessage[] = [
    {
      type: "interactive",
      interactive: { type: "button_reply", button_reply: { id: "a", title: "A" } },
      context: { id: "wamid.1" },
    },
    {
      type: "interactive",
      interactive: { type: "list_reply", list_reply: { id: "a", title: "A", description: "x" } },
    },
    { type: "button", button: { payload: "p", text: "P" } },
    { type: "location", location: { latitude: 1, longitude: 2 } },
    { type: "reaction", reaction: { message_id: "wamid.1", emoji: "👍" } },
    { type: "contacts", contacts: [{ name: { formatted_name: "B" } }] },
    { type: "text", text: { body: "hi" }, referral: { ctwa_clid: "c", source_type: "ad" } },
    { type: "image", image: { id: "9001", caption: "look" } },
  ];
  for (const message of said) meta.userSends(person, message);
  await clock.until(meta.settled());
  const arrived = items().map(({ item }) => item);
  assertEquals(arrived.map(({ type }) => type), said.map(({ type }) => type));
  for (const [n, { type }] of said.slice(0, -1).entries()) assertEquals(arrived[n][type], said[n][type]);
  assertEquals(arrived[0].context, { from: OPTIONS.displayNumber, id: "wamid.1" });
  assertEquals(arrived[6].referral, { ctwa_clid: "c", source_type: "ad" });
  assertEquals(arrived[7].image, {
    ...{ id: "9001", caption: "look", mime_type: "image/jpeg", sha256: "abc=" },
    url: "http://127.0.0.1:9/simulator/media/9001",
  });
  assertThrows(() => meta.userSends(person, { type: "text" }), RangeError);
  assertThrows(() => meta.userSends("nobody", "hi"), RangeError, "no contact nobody");
});

Deno.test("MetaSimulator: a person who hides the number is known by user id only", async () => {
  const { meta, clock, items } = simulate();
  const person = meta.addContact({ name: "Yuki", username: "yuki" });
  assertMatch(person.bsuid!, /^US\.\d{20}$/);
  meta.userSends(person, "hi");
  await clock.until(meta.settled());
  const [{ item, value }] = items();
  assertEquals(item.from, undefined);
  assertEquals(item.from_user_id, person.bsuid);
  assertEquals(value.contacts, [{ profile: { name: "Yuki", username: "yuki" }, user_id: person.bsuid }]);
});

Deno.test("MetaSimulator: a new number comes as a system message, a new user id as a webhook of its own", async () => {
  const { meta, clock, items } = simulate(undefined, { settings: { concurrency: 1 } });
  const plain = meta.addContact({ name: "Amina", phone: "447700900123" });
  meta.changeContact(plain.id, { phone: "447700900456" });
  const named = meta.addContact({ name: "Dan", phone: "12025550143", username: "dan" });
  const moved = meta.changeContact(named.id, { phone: "12025550144" });
  const renamed = meta.changeContact(named.id, { bsuid: "US.7" });
  meta.changeContact(named.id, { name: "Daniel", username: "daniel" });
  await clock.until(meta.settled());
  assert(moved.bsuid !== named.bsuid, "a new number has a new user id");
  const told = items().map(({ field, item }) => [field, item.from, item.system ?? item.user_id]);
  assertEquals(told, [
    ["messages", "447700900123", {
      ...{ body: "User Amina changed from 447700900123 to 447700900456", wa_id: "447700900456" },
      type: "user_changed_number",
    }],
    ["messages", "12025550143", {
      ...{ body: "User Dan changed from 12025550143 to 12025550144", wa_id: "12025550144" },
      ...{ user_id: moved.bsuid, type: "user_changed_number" },
    }],
    ["user_id_update", undefined, { previous: named.bsuid, current: moved.bsuid }],
    ["messages", "12025550144", {
      ...{
        body: `User Dan changed from ${moved.bsuid} to US.7`,
        user_id: "US.7",
        type: "user_changed_user_id",
      },
    }],
    ["user_id_update", undefined, { previous: moved.bsuid, current: renamed.bsuid }],
  ]);
  assertEquals(meta.contacts.at(-1)?.username, "daniel");
});

Deno.test("MetaSimulator: an invalid contact is refused with a sentence", () => {
  const { meta } = simulate();
  meta.addContact({ name: "Amina", phone: "447700900123" });
  for (
    const [input, sentence] of [
      [{ name: " " }, "name"],
      [{ name: "B", phone: "+44 7700 900123" }, "Amina has this number"],
      [{ name: "B", phone: "123" }, "7 to 15 digits"],
      [{ name: "B", phone: "0447700900123" }, "country code"],
    ] as const
  ) {
    assertThrows(() => meta.addContact(input), RangeError, sentence);
  }
  assertEquals(meta.contacts.length, 1);
});

Deno.test("MetaSimulator: settings outside their bounds are refused and change nothing", () => {
  const { meta } = simulate();
  const before = { ...meta.settings };
  for (
    const change of [{ batch: 0 }, { batch: 1001 }, { duplicateRate: 1.1 }, { fault: "toString" }, {
      more: 1,
    }] as Json[]
  ) {
    assertThrows(() => meta.configure(change), RangeError);
  }
  assertEquals(meta.settings, before);
});

Deno.test("MetaSimulator: the same seed gives the same run", async () => {
  const run = async (seed: number) => {
    const settings = { batch: 5, duplicateRate: 0.5, shuffleRate: 0.5, delayMs: 200 };
    const { meta, clock, posts } = simulate((_, n) => n % 3 === 0 ? 500 : 200, { settings, seed });
    const person = meta.addContact({ name: "P", username: "p" });
    for (let n = 0; n < 30; n++) meta.userSends(person, `message ${n}`);
    await clock.until(meta.settled());
    return posts.map(({ at, bytes }) => [at, bytes]);
  };
  assertEquals(await run(7), await run(7));
  assert(JSON.stringify(await run(7)) !== JSON.stringify(await run(8)));
});

Deno.test("MetaSimulator: a restart keeps conversations and delivers unacknowledged updates", async () => {
  const dataFile = await Deno.makeTempFile({ suffix: ".jsonl" });
  const first = simulate(({ bytes }) => bytes.includes("lost") ? null : 200, { dataFile });
  const person = first.meta.addContact({ name: "Amina", phone: "447700900123" });
  first.meta.userSends(person, "kept");
  const lost = first.meta.userSends(person, "lost");
  await callGraph(first.meta, { to: person.phone, type: "text", text: { body: "answer" } });
  await first.clock.until(first.clock.sleep(10_000));
  first.meta.stop();
  // A line that was being written when the machine stopped.
  await Deno.writeTextFile(dataFile, '{"is":"message","mess', { append: true });

  const second = simulate(undefined, { dataFile });
  assertEquals(JSON.stringify(second.meta.contacts), JSON.stringify(first.meta.contacts));
  await second.clock.until(second.meta.settled());
  assertEquals(second.items().map(({ item }) => item.id), [lost]);
  const said = second.meta.messages.map(({ message, progress }) => [(message.text as Json).body, progress]);
  assertEquals(said, [["kept", "delivered"], ["lost", "delivered"], ["answer", "read"]]);
  second.meta.stop();

  const third = simulate(undefined, { dataFile });
  assertEquals(third.meta.pending, 0);
  await Deno.remove(dataFile);
});

Deno.test("MetaSimulator: a reset waits for requests in progress, and a restart remembers nothing from before", async () => {
  const dataFile = await Deno.makeTempFile();
  const answer = Promise.withResolvers<number>();
  const { meta, clock, posts } = simulate(() => answer.promise, { dataFile });
  const ada = meta.addContact({ name: "Ada", phone: "447700900123" });
  meta.userSends(ada, "in flight");
  await clock.until(Promise.resolve());
  assertEquals(posts.length, 1);
  let over = false;
  const reset = meta.reset().then(() => over = true);
  await clock.until(clock.sleep(1_000));
  assertEquals(over, false);
  // It fails, and would be tried again.
  answer.resolve(503);
  await clock.until(reset);
  assertEquals([meta.contacts, meta.messages, meta.pending], [[], [], 0]);
  await clock.until(clock.sleep(60_000));
  assertEquals(posts.length, 1);
  const { meta: next } = simulate(() => 200, { dataFile });
  assertEquals([next.contacts, next.messages, next.pending], [[], [], 0]);
  await Deno.remove(dataFile);
});

Deno.test("MetaSimulator: wamids never repeat, not even with the same seed after a restart", async () => {
  const ids = new Set<string>();
  const { meta, clock } = simulate();
  const person = meta.addContact({ name: "P", phone: "447700900123" });
  for (let n = 0; n < 2_000; n++) ids.add(meta.userSends(person, "x"));
  await clock.until(clock.sleep(1));
  const again = simulate(undefined, { clock });
  const same = again.meta.addContact({ name: "P", phone: "447700900123" });
  for (let n = 0; n < 2_000; n++) ids.add(again.meta.userSends(same, "x"));
  assertEquals(ids.size, 4_000);
});

Deno.test("MetaSimulator: the handshake must return the challenge", async () => {
  const asked: URL[] = [];
  const answering = (answer: (url: URL) => Response) =>
    simulate(undefined, {
      fetch: (url) => {
        asked.push(url as URL);
        return Promise.resolve(answer(url as URL));
      },
    }).meta.handshake();
  const right = await answering((url) => new Response(url.searchParams.get("hub.challenge")));
  assertEquals(right, { ok: true, status: 200, detail: "The challenge came back" });
  assertEquals(asked[0].searchParams.get("hub.mode"), "subscribe");
  assertEquals(asked[0].searchParams.get("hub.verify_token"), OPTIONS.verifyToken);
  assertEquals((await answering(() => new Response("ok"))).ok, false);
  assertEquals(
    (await answering((url) => new Response(url.searchParams.get("hub.challenge"), { status: 403 }))).ok,
    false,
  );
});

Deno.test("MetaSimulator: a number of the business app shares its chats, or declines, and its contacts", async () => {
  const { meta, clock, posts } = simulate();
  meta.addContact({ name: "Amina", phone: "447700900123" });
  meta.addContact({ name: "Ben", username: "ben" });
  for (const what of ["import_chats", "decline_chats", "sync_contacts"] as const) {
    meta.act("100000000000001", { do: what });
  }
  assertThrows(() => meta.act("1", { do: "import_chats" }), RangeError, "there is no account 1");
  await clock.until(meta.settled());
  const changes = posts.flatMap(({ body }) =>
    (body as { entry: { changes: { field: string; value: Json }[] }[] }).entry.flatMap(({ changes }) =>
      changes
    )
  );
  assertEquals(changes.map(({ field }) => field), [
    ...Array.from({ length: 6 }, () => "history"),
    "smb_app_state_sync",
  ]);
  const chunks = changes.flatMap(({ value }) => (value.history ?? []) as Json[]);
  assertEquals(chunks.map(({ metadata }) => (metadata as Json)?.progress), [70, 30, 100, undefined]);
  const threads = chunks[0].threads as { id: string; messages: Json[] }[];
  assertEquals(threads.map(({ messages }) => messages.map(({ type }) => type)), [["media_placeholder"], [
    "media_placeholder",
  ]]);
  assertEquals(
    (changes[2].value.messages as Json[])[0].id,
    threads[0].messages[0].id,
    "the file has its placeholder's id",
  );
});
