/** The chats and contacts of the WhatsApp Business app over HTTP: imported, seen, and nothing else. */
import { assert, assertEquals } from "../support/assert.ts";
import { edgeTest, KEYS, NUMBER } from "../support/edge.ts";

const WABA = "100000000000001";
const KEY = { apikey: KEYS.secretKey };

edgeTest(
  "history: the app's chats are imported in order, routed to nobody, and their photos are asked for",
  async (edge) => {
    const { sql, meta } = edge;
    const amina = meta.addContact({ name: "Amina", phone: "447700900123" });
    meta.addContact({ name: "Ben", username: "ben" });
    await edge.says(amina, "hello");
    await edge.settled();
    const routed = (await sql`select from public.routing_decisions`).length;
    meta.act(WABA, { do: "import_chats" });
    meta.act(WABA, { do: "sync_contacts" });
    await meta.settled();
    await edge.settled();
    const chats = await sql`
    select c.name, array_agg(m.type || coalesce(' ' || m.text, '') order by m.seq) as said from public.messages m
    join public.conversations v on v.id = m.conversation_id join public.contacts c on c.id = v.contact_id group by c.name order by 1`;
    const imported = [
      "text Do you open on Sundays?",
      "text From 10 to 6.",
      "image Our table by the harbour",
      "text Lovely, see you on Sunday!",
      "text See you!",
    ];
    assertEquals(chats.map((row) => ({ ...row })), [
      // Her own name.
      { name: "Amina", said: [...imported, "text hello"] },
      { name: "Ben (customer)", said: imported },
    ]);
    assertEquals((await sql`select from public.routing_decisions`).length, routed);
    // Without a window nothing but templates goes.
    const refused = await edge.send({ to: "@ben", type: "text", text: { body: "hi" } });
    assertEquals([refused.status, refused.body.code], [409, "window_closed"]);
    const [{ state, progress, messages }] = await sql`select state, progress, messages from public.imports`;
    assertEquals([state, progress, Number(messages)], ["complete", 100, 10]);
    const [{ id }] = await sql`select id from public.messages where type = 'image' limit 1`;
    const photo = await edge.call(`wa-media/${id}`, { method: "GET", headers: KEY });
    // Meta is asked for it; here it has no files.
    assertEquals([photo.status, photo.body.code], [410, "media_gone"]);
    meta.act(WABA, { do: "import_chats" });
    await meta.settled();
    assertEquals((await sql`select from public.messages`).length, 11, "nothing twice");
  },
);

edgeTest("history: one body of 3,000 messages is stored as a whole and repeated as a whole", async (edge) => {
  const { sql } = edge;
  const messages = (phone: string) =>
    Array.from({ length: 100 }, (_, i) => ({
      from: i % 2 === 0 ? phone : NUMBER.display,
      ...(i % 2 === 0 ? {} : { to: phone }),
      id: `wamid.${phone}.${i}`,
      timestamp: String(1_780_000_000 + i),
      type: "text",
      text: { body: `message ${i}` },
      history_context: { status: "READ" },
    }));
  const threads = Array.from({ length: 30 }, (_, i) => `49151${String(i).padStart(7, "0")}`)
    .map((id) => ({ id, messages: messages(id) }));
  const metadata = { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id };
  const body = {
    object: "whatsapp_business_account",
    entry: [{
      id: WABA,
      time: 1_780_001_000,
      changes: [{
        field: "history",
        value: {
          messaging_product: "whatsapp",
          metadata,
          history: [{ metadata: { phase: 1, chunk_order: 1, progress: 55 }, threads }],
        },
      }],
    }],
  };
  assertEquals((await edge.hook(body)).body, { received: 3001, stored: 3001, duplicates: 0 });
  assertEquals((await edge.hook(body)).body, { received: 3001, stored: 0, duplicates: 3001 });
  const [{ ordered, n }] = await sql`
    select count(*)::int as n, bool_and(text = 'message ' || place) as ordered
    from (select text, row_number() over (partition by conversation_id order by seq) - 1 as place from public.messages) m`;
  assertEquals([n, ordered], [3000, true]);
});

edgeTest("history: a business that does not share its chats", async (edge) => {
  edge.meta.act(WABA, { do: "decline_chats" });
  await edge.meta.settled();
  const [{ state, error }] = await edge.sql`select state, error from public.imports`;
  assertEquals(state, "declined");
  assert(error.startsWith("2593109: History sync is turned off"));
});
