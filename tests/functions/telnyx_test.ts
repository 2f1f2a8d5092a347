/** Texts through Telnyx, on a database, with the simulated Telnyx. */
import { assertEquals } from "../support/assert.ts";
import { type Edge, edgeTest, KEYS, TELNYX_NUMBER as OURS } from "../support/edge.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const ANNA = "+12025550143";
const PHOTO = "900000000000001";

/** A test with texts on, our number at Telnyx, and a route that takes texts. */
function telnyxTest(
  name: string,
  test: (edge: Edge, service: ReturnType<typeof startService>) => Promise<void>,
) {
  edgeTest(name, async (edge) => {
    await using service = startService();
    await addDestination(edge.sql, "desk", service);
    await addRoute(edge.sql, ["desk"], { type: "any" }, { channels: ["sms"] });
    await edge.set({ "sms_router.enabled": "true", "sms_send.enabled": "true" });
    await edge.sql`select public.set_text_number(${OURS}, '{"provider": "telnyx", "max_per_second": 1000}')`;
    await test(edge, service);
  });
}

/** Waits until everything that was begun has come to rest. */
async function rest({ telnyx, settled }: Edge): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await telnyx.settled();
    await settled();
  }
}

const send = ({ call }: Edge, text: string) =>
  call("sms-send", { headers: SECRET, body: { from: OURS, to: ANNA, text } });

const rows = ({ sql }: Edge) =>
  sql<{ direction: string; text: string; status: string }[]>`
    select direction, text, status from public.messages order by seq`.then((all) =>
    all.map((row) => Object.values(row))
  );

/** Makes a comparison with Telnyx's records, as the clock would. */
async function check(edge: Edge): Promise<void> {
  const { sql, call } = edge;
  await sql`update private.text_checks set next_at = case provider when 'telnyx' then now() else 'infinity' end, lease_until = null`;
  assertEquals((await call("sms-webhook/check", { headers: SECRET })).status, 202);
  await until(
    "the records were read",
    async () =>
      (await sql`select from private.text_checks where provider = 'telnyx' and lease_until is null and next_at > now()`)
        .length === 1,
  );
  await rest(edge);
}

const error = ({ sql }: Edge) =>
  sql`select last_error from private.text_checks where provider = 'telnyx'`.then(([{ last_error }]) =>
    last_error
  );

telnyxTest(
  "a text comes in, goes to a service, and its reply goes out and is delivered",
  async (edge, service) => {
    service.answers(withReplies({ text: "At nine." }));
    edge.telnyx.receive({ from: ANNA, to: OURS, body: "When do you open?" });
    await rest(edge);
    assertEquals(service.texts(), ["When do you open?"]);
    assertEquals(service.received[0].event.data.message.native.provider, "telnyx");
    assertEquals(await rows(edge), [["in", "When do you open?", "received"], [
      "out",
      "At nine.",
      "delivered",
    ]]);
    assertEquals(edge.telnyx.posts.map(({ answer }) => answer), [200, 200, 200]);
  },
);

telnyxTest(
  "with a third of the webhooks lost, nothing is missing after a comparison, and nothing is there twice",
  async (edge, service) => {
    service.answers(({ text }) => Response.json({ replies: [{ text: `re: ${text}` }] }));
    edge.telnyx.configure({ lostPercent: 33, copies: 1 });
    const said = Array.from({ length: 60 }, (_, i) => `text ${i}`);
    said.forEach((body, i) =>
      edge.telnyx.receive({ from: `+120255501${String(i % 20).padStart(2, "0")}`, to: OURS, body })
    );
    await rest(edge);
    await check(edge);
    await until("each reply was sent", async () => {
      await edge.hurry();
      await rest(edge);
      return [...edge.telnyx.texts.values()].filter(({ direction }) => direction === "outbound").length ===
        said.length;
    });
    await check(edge);
    assertEquals(await error(edge), null);
    const all = await rows(edge);
    const of = (direction: string) =>
      all.filter(([to]) => to === direction).map(([, text]) => text).toSorted();
    assertEquals([of("in"), of("out")], [said.toSorted(), said.map((text) => `re: ${text}`).toSorted()]);
    assertEquals(service.texts().toSorted(), said.toSorted());
    assertEquals([...new Set(all.filter(([to]) => to === "out").map(([, , status]) => status))], [
      "delivered",
    ]);
  },
);

telnyxTest(
  "a lost answer is settled by our id in the records; what Telnyx does not have stays unknown",
  async (edge) => {
    edge.telnyx.configure({ answer: "lose", times: 1, statuses: false });
    await send(edge, "taken");
    await rest(edge);
    edge.telnyx.configure({ answer: "miss", times: 1 });
    await send(edge, "not taken");
    await rest(edge);
    assertEquals((await rows(edge)).map(([, , status]) => status), ["unknown", "unknown"]);
    await edge.sql`update public.outbound_messages set updated_at = now() - interval '2 minutes'`;
    await check(edge);
    assertEquals([await error(edge), (await rows(edge)).map(([, , status]) => status)], [null, [
      "delivered",
      "unknown",
    ]]);
    const [{ listed }] = await edge
      .sql`select error -> 'listed' as listed from public.outbound_messages where state = 'unknown'`;
    assertEquals([listed, edge.telnyx.texts.size], [false, 1]);
  },
);

telnyxTest(
  "a file is copied from Telnyx's storage, without the key, and nothing is deleted there",
  async (edge, service) => {
    edge.telnyx.receive({ from: ANNA, to: OURS, body: "look", media: [PHOTO] });
    await rest(edge);
    const { media, message } = service.received[0].event.data;
    assertEquals([message.type, media.mime_type], ["mms", "image/jpeg"]);
    await edge.call("sms-webhook/files", { headers: SECRET });
    await until(
      "it is stored",
      async () => (await edge.sql`select from public.text_files where state = 'stored'`).length === 1,
    );
    const [file] = await edge.sql`select at_provider, next_attempt_at from public.text_files`;
    assertEquals(Object.values(file), ["kept", null]);
    const given = await fetch(media.url);
    assertEquals([given.status, (await given.bytes()).length > 1000], [200, true]);
  },
);

telnyxTest(
  "STOP blocks the pair; a refusal, a failure and a second try are what they are at Twilio",
  async (edge) => {
    edge.telnyx.receive({ from: ANNA, to: OURS, body: "Stop" });
    await rest(edge);
    assertEquals((await send(edge, "Hi")).body.code, "opted_out");
    edge.telnyx.receive({ from: ANNA, to: OURS, body: "Start" });
    await rest(edge);
    edge.telnyx.configure({ fate: "off" });
    assertEquals((await send(edge, "Hi")).status, 202);
    await rest(edge);
    assertEquals((await rows(edge)).at(-1)?.at(-1), "queued");
    edge.telnyx.configure({ fate: "landline" });
    await edge.hurry();
    await rest(edge);
    const [{ status, error }] = await edge
      .sql`select status, error from public.messages where direction = 'out'`;
    assertEquals([status, error[0].code], ["failed", "40001"]);
  },
);

telnyxTest("a webhook that somebody else signed is refused", async (edge) => {
  const body = JSON.stringify({ data: { event_type: "message.received", payload: {} } });
  const refused = await edge.call("sms-webhook/telnyx", {
    headers: {
      "telnyx-timestamp": String(Math.floor(Date.now() / 1000)),
      "telnyx-signature-ed25519": btoa("x".repeat(64)),
    },
    body,
  });
  assertEquals([refused.status, refused.body.code], [401, "signature_invalid"]);
});
