/** Unchanged clients of Meta's Graph API, with another host and a key in place of the token: `whatsapp-api-js` 6.3.0. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createHash } from "node:crypto";
import { WhatsAppAPI } from "whatsapp-api-js";
import {
  ActionButtons,
  ActionCTA,
  ActionList,
  Audio,
  Body,
  BodyComponent,
  BodyParameter,
  Button,
  Contacts,
  Document,
  Footer,
  Header,
  Image,
  Interactive,
  Language,
  ListSection,
  Location,
  Name,
  Phone,
  Reaction,
  Row,
  Sticker,
  Template,
  Text,
  Video,
} from "whatsapp-api-js/messages";
import { fileOf } from "../../local/simulator/media.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Edge, edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";

const PNG = new Uint8Array(100_000).map((_, i) => i * 13 % 251);
const hexOf = (bytes: ArrayBuffer | Uint8Array) =>
  createHash("sha256").update(new Uint8Array(bytes)).digest("hex");

/** The client; only the host is another. */
function clientOf({ url }: Edge, token: string = KEYS.secretKey): WhatsAppAPI {
  const mapped = (input: string | URL | Request, init?: RequestInit) =>
    fetch(String(input).replace("https://graph.facebook.com/", `${url}/functions/v1/wa-graph/`), init);
  return new WhatsAppAPI({ token, secure: false, v: "v26.0", ponyfill: { fetch: mapped as typeof fetch } });
}

// deno-lint-ignore no-explicit-any
type Any = any;

/** A person whose window is open. */
async function writer(edge: Edge) {
  const person = edge.meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = await edge.says(person, "hi");
  return { to: person.phone!, wamid, person };
}

edgeTest("whatsapp-api-js sends every type, and gets Meta's ids", async (edge) => {
  const { meta } = edge;
  const client = clientOf(edge);
  const { to, wamid } = await writer(edge);
  const form = new FormData();
  form.append("file", new File([PNG], "plan.png", { type: "image/png" }));
  const { id: photo } = await client.uploadMedia(NUMBER.id, form) as Any;
  const link = "https://files.example/a";
  const messages = [
    new Text("Hello", true),
    new Image(photo, true, "Look"),
    new Image(link),
    new Video(link, false, "A film"),
    new Audio(link, false, true),
    new Document(photo, true, "A plan", "plan.png"),
    new Sticker(link),
    new Location(-0.125, 51.5, "Office", "1 Street"),
    new Contacts([new Name("Sam Brown", "Sam"), new Phone("+12025550143", "WORK")]),
    new Reaction(wamid, "👍"),
    new Interactive(
      new ActionButtons(new Button("yes", "Yes"), new Button("no", "No")),
      new Body("Agreed?"),
      new Header(new Image(photo, true)),
      new Footer("Gatelink"),
    ),
    new Interactive(
      new ActionList("Choose", new ListSection("Teas", new Row("green", "Green", "From Japan"))),
      new Body("Which?"),
    ),
    new Interactive(new ActionCTA("Open", "https://example.com/"), new Body("See")),
    new Template("order_ready", new Language("en"), new BodyComponent(new BodyParameter("Sam"))),
  ];
  for (const [i, message] of messages.entries()) {
    const answer = await client.sendMessage(
      NUMBER.id,
      { phone: to } as Any,
      message,
      i === 0 ? wamid : undefined,
    ) as Any;
    const type = (message as Any)._type;
    assert(answer.messages !== undefined, `${type}: ${JSON.stringify(answer)}`);
    assertEquals(answer.messaging_product, "whatsapp");
    assertEquals(answer.contacts, [{ input: to, wa_id: to }]);
    const sent = meta.outbox.messages.at(-1)!;
    assertEquals([answer.messages[0].id, sent.type], [sent.wamid, type], type);
  }
  assertEquals(meta.outbox.messages.length, messages.length);
  const [first, second] = meta.outbox.messages.map(({ payload }) => payload as Any);
  assertEquals(first.context, { message_id: wamid });
  // Meta knows the upload by its own id.
  assertMatch(second.image.id, /^\d+$/);
  assertEquals(await client.markAsRead(NUMBER.id, wamid, "text" as Any), { success: true } as Any);
  await edge.settled();
  assertEquals(meta.outbox.receipts.map(({ message_id, typing }) => [message_id, typing]), [[wamid, true]]);
});

edgeTest("whatsapp-api-js fetches what came in and what it uploaded, and deletes it", async (edge) => {
  const { meta } = edge;
  const client = clientOf(edge);
  const { person } = await writer(edge);
  const mediaId = meta.media.add(fileOf(PNG, "image/png", "a.png"));
  await edge.says(person, { type: "image", image: { id: mediaId } });
  const came = await client.retrieveMedia(mediaId, NUMBER.id) as Any;
  assertEquals([came.id, came.mime_type, came.sha256, came.file_size, came.messaging_product], [
    mediaId,
    "image/png",
    hexOf(PNG),
    PNG.length,
    "whatsapp",
  ]);
  // The client sends its key along; whoever has the address needs none.
  const response = await client.fetchMedia(came.url) as Response;
  assertEquals([response.status, hexOf(await response.arrayBuffer())], [200, hexOf(PNG)]);
  assertEquals(hexOf(await (await fetch(came.url)).arrayBuffer()), hexOf(PNG));
  const form = new FormData();
  form.append("file", new File([PNG], "plan.png", { type: "image/png" }));
  const { id } = await client.uploadMedia(NUMBER.id, form) as Any;
  const own = await client.retrieveMedia(id) as Any;
  assertEquals([own.id, own.mime_type, own.sha256, own.file_size], [id, "image/png", hexOf(PNG), PNG.length]);
  assertEquals(hexOf(await (await client.fetchMedia(own.url) as Response).arrayBuffer()), hexOf(PNG));
  assertEquals(await client.deleteMedia(id) as Any, { success: true });
  for (const gone of [await client.retrieveMedia(id), await client.deleteMedia(id)] as Any[]) {
    assertEquals([gone.error.code, gone.error.error_subcode], [100, 33]);
  }
  meta.media.expire(mediaId);
  const { error } = await client.retrieveMedia(mediaId) as Any;
  assertEquals([error.code, error.error_subcode], [100, 33]);
});

edgeTest("refusals have Meta's shape: ours and Meta's own", async (edge) => {
  const { meta, sql } = edge;
  const client = clientOf(edge);
  const errorOf = (answer: unknown) => {
    const { error } = answer as Any;
    assertEquals(
      [
        typeof error.message,
        typeof error.fbtrace_id,
        ["OAuthException", "GraphMethodException"].includes(error.type),
      ],
      ["string", "string", true],
    );
    return [error.code, error.error_data?.details];
  };
  const { to } = await writer(edge);
  const send = (message: Any, number: string = NUMBER.id, client_ = client) =>
    client_.sendMessage(number, { phone: to } as Any, message);
  assertEquals(errorOf(await send(new Text("x"), NUMBER.id, clientOf(edge, "EAAGunknown")))[0], 190);
  assertEquals(errorOf(await send(new Text("x"), NUMBER.id, clientOf(edge, KEYS.publishableKey)))[0], 10);
  assertEquals(
    (await send(new Text("x"), NUMBER.id, clientOf(edge, KEYS.apiToken)) as Any).messages.length,
    1,
  );
  assertEquals(errorOf(await send(new Text("x"), "999"))[0], 100);
  const [code, details] = errorOf(await send({ _type: "text", body: "" }));
  assertEquals([code, details], [100, "text.body: must not be empty"]);
  // Meta itself refuses; the words are Meta's.
  meta.configure({ fault: "131047", faultNext: 1 });
  const answer = await send(new Text("x")) as Any;
  assertEquals(errorOf(answer)[0], 131047);
  assertEquals(answer.error.message, "(#131047) Re-engagement message");
  assertMatch(answer.error.error_data.details, /more than 24 hours/);
  await sql`update public.conversations set last_inbound_at = now() - interval '25 hours'`;
  assertEquals(errorOf(await send(new Text("x")))[0], 131047);
  Deno.env.set("WA_GRAPH_ENABLED", "false");
  try {
    assertEquals(errorOf(await send(new Text("x")))[0], 131016);
  } finally {
    Deno.env.delete("WA_GRAPH_ENABLED");
  }
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${edge.url}/functions/v1/wa-graph/${path}`, {
      ...init,
      headers: { authorization: `Bearer ${KEYS.secretKey}`, ...init.headers as Record<string, string> },
    });
    return [response.status, (await response.json()).error.code];
  };
  assertEquals(await call(`v26.0/${NUMBER.id}/messages`, { method: "POST", body: "{" }), [400, 100]);
  assertEquals(await call(`v26.0/${NUMBER.id}/messages`, { method: "POST", body: "[]" }), [400, 100]);
  assertEquals(await call(`v26.0/${NUMBER.id}/messages`, { method: "POST", body: "{}" }), [400, 100]);
  assertEquals(await call(`v26.0/${NUMBER.id}/message_qrdls`, { method: "POST" }), [400, 100]);
  assertEquals(await call("v26.0/nonsense"), [400, 100]);
});

edgeTest(
  "openapi.yaml: every answer that it describes is met, by one as described: the Graph API",
  async (edge) => {
    const { call, set } = edge;
    const { see, assertAllMet } = witness();
    const { to } = await writer(edge);
    const bearer = { authorization: `Bearer ${KEYS.secretKey}` };
    const at = "wa-graph/v26.0" as const;
    const octets = { "content-type": "image/png" };
    const body = { messaging_product: "whatsapp", to, text: { body: "Hi" } };
    const send = (headers: HeadersInit = bearer, given: unknown = body, method = "POST") =>
      call(`${at}/${NUMBER.id}/messages`, { method, headers, body: given });
    const upload = (headers: HeadersInit = bearer, given: unknown = PNG, method = "POST") =>
      call(`${at}/${NUMBER.id}/media`, { method, headers: { ...octets, ...headers }, body: given });
    const file = (method: string, id: string, headers: HeadersInit = bearer) =>
      call(`${at}/${id}`, { method, headers });
    const all = async (status: number, headers: HeadersInit = bearer) => {
      const base = "/wa-graph/{version}";
      see(`${base}/{phone_number_id}/messages`, "post", status, await send(headers));
      see(`${base}/{phone_number_id}/media`, "post", status, await upload(headers));
      // Of the two methods of an address, the second would not find what the first has deleted.
      see(`${base}/{media_id}`, "get", status, await file("GET", id, headers));
      see(`${base}/{media_id}`, "delete", status, await file("DELETE", id, headers));
    };
    let { id } = (await upload()).body;
    await all(200);
    id = crypto.randomUUID();
    see("/wa-graph/{version}/{media_id}", "get", 400, await file("GET", id));
    see("/wa-graph/{version}/{media_id}", "delete", 400, await file("DELETE", id));
    see("/wa-graph/{version}/{phone_number_id}/messages", "post", 400, await send(bearer, {}));
    see("/wa-graph/{version}/{phone_number_id}/media", "post", 400, await upload(bearer, new Uint8Array()));
    await all(401, { authorization: "Bearer EAAG" });
    await all(403, { authorization: `Bearer ${KEYS.publishableKey}` });
    see("/wa-graph/{version}/{phone_number_id}/messages", "post", 405, await send(bearer, body, "PUT"));
    see("/wa-graph/{version}/{phone_number_id}/media", "post", 405, await upload(bearer, PNG, "PUT"));
    see("/wa-graph/{version}/{media_id}", "get", 405, await file("PUT", id));
    see("/wa-graph/{version}/{media_id}", "delete", 405, await file("PUT", id));
    await edge.away(() => all(503));
    forgetRefusal();
    await set({ "wa_send.rate_per_second": "1" });
    let limited = await send();
    while (limited.status === 200) limited = await send();
    see("/wa-graph/{version}/{phone_number_id}/messages", "post", 429, limited);
    const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
    Deno.env.delete("SUPABASE_SECRET_KEYS");
    forgetEnv();
    try {
      await all(500);
    } finally {
      Deno.env.set("SUPABASE_SECRET_KEYS", keys);
      forgetEnv();
    }
    assertAllMet((path) => path.startsWith("/wa-graph"));
  },
);
