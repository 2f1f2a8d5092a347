/** Files of texts: stored on arrival, deleted at the provider, given out by signed addresses. */
import { assertEquals } from "../support/assert.ts";
import { type Edge, edgeTest, KEYS, TEXT_NUMBERS } from "../support/edge.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const [OURS] = TEXT_NUMBERS;
const ANNA = "+12025550143";
/** Samples of the simulator: a photo, a document. */
const [PHOTO, DOCUMENT] = ["900000000000001", "900000000000002"];

interface Given {
  id: string;
  /** A signed address of the first file. */
  url: string;
}

/** A test with texts on, and a person who sends an MMS with a photo and a document. */
function mmsTest(
  name: string,
  test: (edge: Edge, mms: Given) => Promise<void>,
  settings: Record<string, string> = {},
) {
  edgeTest(name, async (edge) => {
    await using service = startService();
    await addDestination(edge.sql, "desk", service);
    await addRoute(edge.sql, ["desk"], { type: "any" }, { channels: ["sms"] });
    await edge.set({ "sms_router.enabled": "true", ...settings });
    edge.texts.receive({ from: ANNA, to: OURS, body: "", media: [PHOTO, DOCUMENT] });
    await edge.texts.settled();
    await edge.settled();
    const { message, media } = service.received[0].event.data;
    assertEquals([message.type, media.mime_type, message.native.media.length], ["mms", "image/jpeg", 2]);
    await test(edge, { id: message.id, url: media.url });
  });
}

/** Lets the worker run until nothing is due, as the clock would. */
async function work({ call, sql }: Edge): Promise<void> {
  assertEquals((await call("sms-webhook/files", { headers: SECRET })).status, 202);
  await until(
    "nothing is due",
    async () =>
      (await sql`select from public.text_files where next_attempt_at <= now() or lease is not null`)
        .length === 0,
  );
}

const files = ({ sql }: Edge) =>
  sql`select state, at_provider, mime_type, bytes::int, next_attempt_at is not null as due from public.text_files order by place`
    .then((rows) => rows.map((row) => Object.values(row)));

/** Status, type and length of what an address gives. */
async function given(url: string): Promise<[number, string | null, number]> {
  const response = await fetch(url);
  const { length } = await response.bytes();
  return [response.status, response.headers.get("content-type"), response.ok ? length : 0];
}

const hurry = ({ sql }: Edge) =>
  sql`update public.text_files set next_attempt_at = now(), lease = null where next_attempt_at is not null`;

mmsTest(
  "files are given from Twilio, then from our storage, and Twilio has them no more",
  async (edge, { id, url }) => {
    const photo = await given(url), document = await given(`${url}&file=1`);
    assertEquals([photo[0], photo[1], photo[2] > 1000], [200, "image/jpeg", true]);
    // Whatever a stranger calls a document is only bytes.
    assertEquals(document.slice(0, 2), [200, "application/octet-stream"]);
    await work(edge);
    assertEquals(await files(edge), [
      ["stored", "deleted", "image/jpeg", photo[2], false],
      ["stored", "deleted", "application/pdf", document[2], false],
    ]);
    assertEquals(edge.texts.deleted.size, 2);
    assertEquals([await given(url), await given(`${url}&file=1`)], [photo, document]);
    // A person without a key sees nothing, and nobody a file that there is not.
    assertEquals((await given(`${url}&file=2`))[0], 404);
    assertEquals((await given(url.replace(/signature=./, "signature=x")))[0], 403);
    assertEquals((await edge.call(`sms-webhook/media/${id}`, { method: "GET" })).status, 401);
    assertEquals(
      (await edge.call(`sms-webhook/media/${id}`, { method: "GET", headers: SECRET })).status,
      200,
    );
  },
);

mmsTest("texts.files: copy leaves Twilio's files", async (edge) => {
  await work(edge);
  assertEquals((await files(edge)).map((row) => row.slice(0, 2)), [["stored", "kept"], ["stored", "kept"]]);
  assertEquals(edge.texts.deleted.size, 0);
}, { "texts.files": "copy" });

mmsTest("texts.files: leave copies nothing, and files are given from Twilio", async (edge, { url }) => {
  assertEquals(await files(edge), []);
  assertEquals((await given(url))[0], 200);
}, { "texts.files": "leave" });

mmsTest(
  "a worker that dies before it settles loses nothing, whichever of its two steps it was at",
  async (edge, { url }) => {
    const photo = await given(url);
    // The file is in our storage, and nobody knows.
    await edge.unheard("settle_text_file", () => work(edge).catch(() => {}));
    assertEquals(edge.texts.deleted.size <= 2, true);
    await hurry(edge);
    await work(edge);
    await hurry(edge);
    await work(edge);
    assertEquals((await files(edge)).map((row) => row.slice(0, 2)), [["stored", "deleted"], [
      "stored",
      "deleted",
    ]]);
    assertEquals(await given(url), photo);
  },
);

mmsTest("what Twilio lost is gone, and the first bytes say what a file is", async (edge, { url }) => {
  const [text] = edge.texts.texts.values();
  text.media[1] = "no such sample";
  await edge.sql`update public.text_files set mime_type = 'video/mp4' where place = 0`;
  await work(edge);
  // Its webhook may have come before it.
  assertEquals((await files(edge)).map((row) => [row[0], row[4]]), [["stored", false], ["pending", true]]);
  await edge.sql`update public.text_files set created_at = now() - interval '1 hour' where place = 1`;
  await hurry(edge);
  await work(edge);
  assertEquals((await files(edge)).map(([state, there]) => [state, there]), [["stored", "deleted"], [
    "gone",
    "deleted",
  ]]);
  // It was called a film, and is a photo.
  assertEquals((await files(edge))[0][2], "image/jpeg");
  assertEquals((await given(`${url}&file=1`))[0], 410);
});

mmsTest("an outage of Twilio is waited out", async (edge) => {
  const { fetch } = edge.texts;
  edge.texts.fetch = () => Promise.resolve(new Response("<html>", { status: 503 }));
  await work(edge);
  assertEquals((await files(edge)).map((row) => [row[0], row[4]]), [["pending", true], ["pending", true]]);
  const [{ error }] = await edge.sql`select error from public.text_files limit 1`;
  assertEquals(error, "Twilio answered 503 for a file");
  edge.texts.fetch = fetch;
  await hurry(edge);
  await work(edge);
  assertEquals((await files(edge)).map((row) => row.slice(0, 2)), [["stored", "deleted"], [
    "stored",
    "deleted",
  ]]);
});

mmsTest("whoever is erased here is erased at Twilio, and the stored files go", async (edge) => {
  await edge.sql`select public.erase_contact(${ANNA})`;
  const rows = await edge.sql`select message_id, state, at_provider from public.text_files order by place`;
  assertEquals(rows.map((row) => Object.values(row)), [[null, "gone", "to_delete"], [
    null,
    "gone",
    "to_delete",
  ]]);
  await work(edge);
  assertEquals([(await files(edge)).length, edge.texts.deleted.size], [0, 2]);
  assertEquals(
    await edge
      .sql`select from public.storage_objects where bucket = 'sms-media' and expires_at > now() + interval '2 days'`
      .then((r) => r.length),
    0,
  );
});
