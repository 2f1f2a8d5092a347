/** wa-webhook: what it takes is stored, once and whole, before it is answered. */
import { assert, assertEquals } from "../support/assert.ts";
import { parse } from "../../supabase/functions/_shared/channels/whatsapp/inbound/updates.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { bytesOf, counts, events, hook, text, webhookTest } from "../support/webhook.ts";

const CASES = new URL("../fixtures/whatsapp/", import.meta.url);

webhookTest(
  "a message is stored before the answer, and routing is requested",
  async ({ sql, post, drained }) => {
    const answer = await post(
      hook([text("1")], { contacts: [{ wa_id: "12025550123", profile: { name: "Nora" } }] }),
    );
    assertEquals([answer.status, answer.body], [200, counts(1, 1)]);
    assertEquals(answer.headers.get("content-type"), "application/json");
    const rows = await sql`
    select m.text, m.direction, m.provider_id, n.id as number, c.name
    from public.messages m join public.conversations v on v.id = m.conversation_id
    join public.contacts c on c.id = v.contact_id join public.wa_numbers n on n.id = v.number_id`;
    assertEquals([...rows], [
      { text: "Hello", direction: "in", provider_id: "wamid.1", number: "301245600017789", name: "Nora" },
    ]);
    assertEquals(drained(), 1);
  },
);

/** Kinds of updates that become messages. */
const STORED = new Set(["message", "echo", "past_message", "past_echo"]);

webhookTest("every sample is stored once, however often it arrives", async ({ sql, post }) => {
  const known = new Set<string>();
  const messages = new Set<string>();
  for (const { name } of [...Deno.readDirSync(CASES)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const { body } = JSON.parse(Deno.readTextFileSync(new URL(name, CASES)));
    const updates = parse(body);
    const keys = updates.map(({ key }) => key);
    const fresh = new Set(keys.filter((key) => !known.has(key))).size;
    for (const { key, kind, sender_id, provider_id } of updates) {
      known.add(key);
      // A file of the history comes in an update of its own, and is of the message of its placeholder.
      if (STORED.has(kind) && sender_id !== undefined) messages.add(`${sender_id} ${provider_id ?? key}`);
    }
    assertEquals((await post(body)).body, counts(keys.length, fresh), name);
    const again = await post(body);
    assertEquals([again.status, again.body], [200, counts(keys.length, 0)], name);
  }
  assertEquals(await events(sql), known.size);
  // The raw form of a message is kept in its own row, but of those that were taken back.
  const [{ rows, kept }] = await sql`
    select count(*) as rows, count(*) filter (where (native is null) = (status = 'deleted')) as kept from public.messages`;
  assertEquals([Number(rows), Number(kept)], [messages.size, messages.size]);
});

webhookTest(
  "the dashboard's Test button creates no sender and no contact",
  async ({ sql, post }) => {
    const { body } = JSON.parse(Deno.readTextFileSync(new URL("dashboard_sample.json", CASES)));
    assertEquals((await post(body)).status, 200);
    const made = await sql`
    select id from public.senders union all select id::text from public.contacts union all select id::text from public.messages`;
    assertEquals([...made], []);
    assertEquals(await events(sql), 1);
  },
);

webhookTest("duplicates in one body are stored once", async ({ sql, post }) => {
  assertEquals((await post(hook([text("1"), text("2"), text("1")]))).body, counts(3, 2));
  assertEquals(await events(sql), 2);
});

webhookTest("the same webhook sent concurrently is stored once", async ({ sql, post, drained }) => {
  const answers = await Promise.all(
    Array.from(
      { length: 40 },
      (_, i) => post(hook([text("same"), text(`own-${i}`), text(`pair-${i >> 1}`)])),
    ),
  );
  assert(answers.every(({ status }) => status === 200));
  assertEquals(answers.reduce((sum, { body }) => sum + Number(body.stored), 0), 1 + 40 + 20);
  assertEquals(answers.reduce((sum, { body }) => sum + Number(body.duplicates), 0), 39 + 20);
  assertEquals(await events(sql), 61);
  assertEquals(drained(), 40);
});

webhookTest("routing is requested for new messages only", async ({ post, drained }) => {
  const status = { id: "wamid.9", status: "read", timestamp: "1780000000", recipient_id: "12025550123" };
  await post(hook([], { statuses: [status] }));
  await post({ hello: "world" });
  assertEquals(drained(), 0);
  await post(hook([text("1")]));
  await post(hook([text("1")]));
  assertEquals(drained(), 1);
});

webhookTest("1,000 updates of 3 MB in one body are stored completely", async ({ sql, post }) => {
  const long = "x".repeat(2900);
  const messages = Array.from({ length: 1000 }, (_, i) => text(`${i}`, `12025550${100 + i % 50}`, long));
  const body = bytesOf(hook(messages));
  assert(body.length > 2_900_000 && body.length < whatsapp.limits.webhookBytes);
  assertEquals((await post(body)).body, counts(1000, 1000));
  assertEquals((await post(body)).body, counts(1000, 0));
  const [row] = await sql`
    select count(*) as messages, min(length(text)) as shortest, count(distinct conversation_id) as conversations
    from public.messages`;
  assertEquals({ ...row }, { messages: "1000", shortest: 2900, conversations: "50" });
});

webhookTest("the signature covers the bytes as sent, escaped or not", async ({ sql, post }) => {
  const body = "J'ai mangé à midi @ 100% <ok> a/b 🌷";
  const plain = JSON.stringify(hook([text("plain", "12025550123", body)]));
  const escaped = JSON.stringify(hook([text("escaped", "12025550123", body)]))
    .replace(/[^\x20-\x7e]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"))
    .replaceAll("/", "\\/");
  for (const wire of [plain, escaped]) assertEquals((await post(wire)).body, counts(1, 1));
  const rows = await sql`select distinct text from public.messages`;
  assertEquals([...rows], [{ text: body }]);
});

const tallied = new Map<string, number>();

webhookTest(
  "stored and repeated updates are counted by field, over all bodies of a group",
  async ({ post }) => {
    const quality = { object: "whatsapp_business_account", entry: [{ id: "1", changes: [QUALITY] }] };
    await Promise.all([
      post(hook([text("1"), text("2"), text("1")])),
      post(quality),
      post(hook([text("3")])),
      post(quality),
    ]);
    await post(hook([text("3")]));
    // Nothing that has any number of names is a label.
    const strange = Array.from({ length: 300 }, (_, i) => ({ field: `field_${i}`, value: { i } }));
    await post({ object: "whatsapp_business_account", entry: [{ id: "1", changes: strange }] });
    assertEquals(
      tallied,
      new Map([
        ["messages stored", 3],
        ["messages duplicate", 2],
        ["phone_number_quality_update stored", 1],
        ["phone_number_quality_update duplicate", 1],
        ["other stored", 300],
      ]),
    );
  },
  {
    count(name, label = "", n = 1) {
      assertEquals(name, "webhook_results");
      tallied.set(label, (tallied.get(label) ?? 0) + n);
    },
  },
);

const QUALITY = {
  field: "phone_number_quality_update",
  value: { event: "FLAGGED", current_limit: "TIER_1K" },
};
