/** `wa-media`: files of messages for services and people, from Meta or from storage. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileOf } from "../../local/simulator/media.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Edge, edgeTest, KEYS, NUMBER } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";
import { until } from "../support/until.ts";

const KEY = { apikey: KEYS.secretKey };
const hexOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const BYTES = new Uint8Array(300_000).map((_, i) => i * 31 % 251);

/** A person sends this file; returns the id of its message. */
async function sends(
  edge: Edge,
  bytes: Uint8Array = BYTES,
  { type = "document", mimeType = "application/pdf", name = "Rechnung Müller.pdf" } = {},
): Promise<{ id: string; mediaId: string }> {
  const { meta, says, sql } = edge;
  const mediaId = meta.media.add(fileOf(bytes, mimeType, name));
  const person = meta.contacts[0] ?? meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = await says(person, {
    type,
    [type]: { id: mediaId, ...(type === "document" && { filename: name }) },
  });
  const [{ id }] = await sql`select id from public.messages where provider_id = ${wamid}`;
  return { id, mediaId };
}

/** What a GET answers, its body whole; or the error if it broke. */
async function fetched(url: string, headers: HeadersInit = KEY, method = "GET") {
  const response = await fetch(url, { headers, method });
  const bytes = await response.arrayBuffer().then(
    (buffer) => new Uint8Array(buffer),
    (error: unknown) => error as Error,
  );
  const problem = bytes instanceof Uint8Array && /problem/.test(response.headers.get("content-type") ?? "")
    ? JSON.parse(new TextDecoder().decode(bytes))
    : undefined;
  return { status: response.status, headers: response.headers, bytes, problem };
}

const at = ({ url }: Edge, id: string) => `${url}/functions/v1/wa-media/${id}`;

/** Runs the worker until nothing is due. */
async function work(edge: Edge) {
  assertEquals((await edge.call("wa-media/worker", { headers: KEY })).status, 202);
  await until(
    "nothing is due",
    async () =>
      (await edge
        .sql`select from public.media_files where state = 'pending' and (lease is not null or next_attempt_at <= now())`)
        .length === 0,
  );
}

edgeTest("a service gets the address of a file with the event, and the file without a key", async (edge) => {
  await using service = startService();
  await addDestination(edge.sql, "files", service);
  await addRoute(edge.sql, ["files"], { type: "any" });
  await edge.reread();
  const { id, mediaId } = await sends(edge);
  await edge.settled();
  const [event] = service.received.map(({ body }) => JSON.parse(body));
  const { url, expires_at, ...media } = event.data.media;
  assertEquals(media, {
    id: mediaId,
    mime_type: "application/pdf",
    sha256: createHash("sha256").update(BYTES).digest("base64"),
    size: null,
    name: "Rechnung Müller.pdf",
  });
  assert(url.startsWith(at(edge, id)), url);
  assert(Math.abs(Date.parse(expires_at) - Date.now() - 3_600_000) < 60_000, expires_at);
  const { status, bytes, headers } = await fetched(url, {});
  assertEquals([status, hexOf(bytes as Uint8Array)], [200, hexOf(BYTES)]);
  assertEquals(headers.get("content-type"), "application/pdf");
  assertEquals(headers.get("content-length"), String(BYTES.length));
  assertEquals(headers.get("content-disposition"), "attachment; filename*=UTF-8''Rechnung%20M%C3%BCller.pdf");
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  assertMatch(headers.get("content-security-policy")!, /sandbox/);
  assertEquals(
    headers.get("repr-digest"),
    `sha-256=:${createHash("sha256").update(BYTES).digest("base64")}:`,
  );
  // The same for whoever has a key, and by Meta's own id.
  for (const by of [id, `${mediaId}?phone_number_id=${NUMBER.id}`]) {
    assertEquals(hexOf((await fetched(at(edge, by))).bytes as Uint8Array), hexOf(BYTES), by);
  }
  const head = await fetched(at(edge, id), KEY, "HEAD");
  assertEquals([head.status, head.headers.get("content-length"), (head.bytes as Uint8Array).length], [
    200,
    String(BYTES.length),
    0,
  ]);
});

edgeTest("players get the part of a file that they ask for, from Meta and from storage", async (edge) => {
  const { sql } = edge;
  const etag = `"${hexOf(BYTES)}"`;
  const { id, mediaId } = await sends(edge);
  const size = BYTES.length;
  const whole = [200, String(size), null, etag, hexOf(BYTES)];
  const asked = async (of: string, range: string, more: HeadersInit = {}) => {
    const { status, headers, bytes } = await fetched(at(edge, of), { ...KEY, range, ...more });
    const named = ["content-length", "content-range", "etag"].map((name) => headers.get(name));
    return [status, ...named, hexOf(bytes as Uint8Array)];
  };
  const part = (start: number, end: number) => [
    206,
    String(end - start),
    `bytes ${start}-${end - 1}/${size}`,
    etag,
    hexOf(BYTES.slice(start, end)),
  ];
  const each = async (of: string) => {
    assertEquals(await asked(of, "bytes=0-1"), part(0, 2), "Safari's first question");
    assertEquals(await asked(of, "bytes=150000-"), part(150_000, size));
    assertEquals(await asked(of, "bytes=-10"), part(size - 10, size));
    assertEquals(await asked(of, "bytes=70000-90000", { "if-range": etag }), part(70_000, 90_001));
    assertEquals(await asked(of, "bytes=0-1", { "if-range": `"${hexOf(new Uint8Array())}"` }), whole);
    assertEquals(await asked(of, "bytes=0-1,5-6"), whole);
    const { status, headers, problem } = await fetched(at(edge, of), { ...KEY, range: `bytes=${size}-` });
    assertEquals([status, problem.code, headers.get("content-range")], [
      416,
      "range_not_satisfiable",
      `bytes */${size}`,
    ]);
    const head = await fetched(at(edge, of), { ...KEY, range: "bytes=0-1" }, "HEAD");
    assertEquals([head.status, head.headers.get("content-length"), head.headers.get("accept-ranges")], [
      200,
      String(size),
      "bytes",
    ]);
  };
  await each(id);
  await each(mediaId);
  await edge.set({ "media.store": "true" });
  const kept = await sends(edge);
  await work(edge);
  assertEquals(
    (await sql`select state from public.media_files where message_id = ${kept.id}`)[0].state,
    "stored",
  );
  edge.meta.media.expire(kept.mediaId);
  await each(kept.id);
});

edgeTest("a part that reaches the end of a different file never arrives", async (edge) => {
  const { meta } = edge;
  const real = fileOf(BYTES, "application/pdf", "a.pdf");
  const mediaId = meta.media.add({ ...real, open: () => new Uint8Array(BYTES).fill(7, 299_000) });
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = await edge.says(person, { type: "document", document: { id: mediaId } });
  const [{ id }] = await edge.sql`select id from public.messages where provider_id = ${wamid}`;
  const { status, bytes } = await fetched(at(edge, id), { ...KEY, range: "bytes=299990-" });
  assertEquals([status, bytes instanceof Error], [206, true]);
});

edgeTest("nobody else gets a file: no key, a foreign address, an old one, another file's", async (edge) => {
  await using service = startService();
  await addDestination(edge.sql, "files", service);
  await addRoute(edge.sql, ["files"], { type: "any" });
  await edge.set({ "media.url_minutes": "1" });
  const { id } = await sends(edge);
  const other = await sends(edge, new Uint8Array([1, 2, 3]));
  await edge.settled();
  const { url } = service.received.map(({ body }) =>
    JSON.parse(body).data
  ).find((data) => data.message.id === id)
    .media;
  assertEquals((await fetched(at(edge, id), {})).status, 401);
  assertEquals((await fetched(at(edge, id), { apikey: KEYS.publishableKey })).status, 403);
  const refused = async (url: string) => {
    const { status, problem } = await fetched(url, KEY);
    return [status, problem.code];
  };
  assertEquals(await refused(url.replace(id, other.id)), [403, "forbidden"]);
  assertEquals(await refused(url.replace(/signature=./, "signature=x")), [403, "forbidden"]);
  const later = new URL(url);
  later.searchParams.set("expires", String(Number(later.searchParams.get("expires")) + 1));
  assertEquals(await refused(later.href), [403, "forbidden"]);
  // A key that was taken back takes its addresses with it.
  const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.set("SUPABASE_SECRET_KEYS", JSON.stringify({ default: "sb_secret_new" }));
  forgetEnv();
  try {
    assertEquals((await fetched(url, {})).status, 403);
  } finally {
    Deno.env.set("SUPABASE_SECRET_KEYS", keys);
    forgetEnv();
  }
  assertEquals((await fetched(url, {})).status, 200);
});

edgeTest("what is gone, withdrawn, refused or no file is said so", async (edge) => {
  const { meta, sql } = edge;
  const { id, mediaId } = await sends(edge);
  const codeOf = async (id: string) => {
    const { status, problem } = await fetched(at(edge, id));
    return [status, problem.code];
  };
  meta.media.expire(mediaId);
  assertEquals(await codeOf(id), [410, "media_gone"]);
  assertEquals(await codeOf(mediaId), [410, "media_gone"]);
  for (const unknown of [crypto.randomUUID(), "x", "1"]) {
    assertEquals(await codeOf(unknown), [404, "media_not_found"], unknown);
  }
  await edge.says(meta.contacts[0], "no file");
  const [{ id: text }] = await sql`select id from public.messages where type = 'text'`;
  assertEquals(await codeOf(text), [404, "media_not_found"]);
  const second = await sends(edge);
  await sql`update public.messages set native = null where id = ${second.id}`;
  assertEquals(await codeOf(second.id), [410, "media_gone"]);
  await sql`update public.messages set status = 'deleted' where id = ${second.id}`;
  assertEquals(await codeOf(second.id), [410, "media_gone"]);
  const third = await sends(edge);
  const token = Deno.env.get("WHATSAPP_ACCESS_TOKEN")!;
  Deno.env.set("WHATSAPP_ACCESS_TOKEN", "expired");
  forgetEnv();
  try {
    const { status, problem, headers } = await fetched(at(edge, third.id));
    assertEquals([status, problem.code, headers.get("retry-after")], [503, "media_unavailable", "300"]);
    assertMatch(problem.detail, /OAuth/);
  } finally {
    Deno.env.set("WHATSAPP_ACCESS_TOKEN", token);
    forgetEnv();
  }
  Deno.env.set("WA_MEDIA_ENABLED", "false");
  try {
    assertEquals(await codeOf(third.id), [503, "disabled_by_environment"]);
  } finally {
    Deno.env.delete("WA_MEDIA_ENABLED");
  }
});

edgeTest("a file whose content differs from the signed webhook never arrives whole", async (edge) => {
  const { meta } = edge;
  const real = fileOf(BYTES, "application/pdf", "a.pdf");
  const forged = { ...real, open: () => new Uint8Array(BYTES).fill(7, 299_000) };
  const mediaId = meta.media.add(forged);
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  const wamid = await edge.says(person, { type: "document", document: { id: mediaId } });
  const [{ id }] = await edge.sql`select id from public.messages where provider_id = ${wamid}`;
  const { status, bytes } = await fetched(at(edge, id));
  assertEquals([status, bytes instanceof Error], [200, true]);
});

edgeTest("the token and the request go to Meta's hosts alone", async (edge) => {
  const { meta } = edge;
  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  let called = 0;
  const stranger = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    called++;
    return new Response("secret");
  });
  try {
    const mediaId = meta.media.add(fileOf(BYTES, "application/pdf", "a.pdf"));
    const wamid = await edge.says(person, { type: "document", document: { id: mediaId } });
    const [{ id }] = await edge.sql`select id from public.messages where provider_id = ${wamid}`;
    for (
      const url of [
        `http://127.0.0.1:${stranger.addr.port}/a`,
        "https://fbsbx.com.evil.example/a",
        "https://evilfbsbx.com/a",
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com:8443/a",
        "https://user@lookaside.fbsbx.com/a",
        "https://169.254.169.254/a",
        "file:///etc/passwd",
        "no address",
      ]
    ) {
      const real = meta.graph.bind(meta);
      meta.graph = () => Promise.resolve(Response.json({ url, mime_type: "application/pdf", id: mediaId }));
      try {
        const { status, problem } = await fetched(at(edge, id));
        assertEquals([status, problem.code], [503, "media_unavailable"], url);
      } finally {
        meta.graph = real;
      }
    }
    assertEquals(called, 0);
  } finally {
    await stranger.shutdown();
  }
});

edgeTest("media.store: a file is stored on arrival, and given out when Meta has it no more", async (edge) => {
  const { meta, sql } = edge;
  const before = await sends(edge);
  await edge.set({ "media.store": "true" });
  const { id, mediaId } = await sends(edge);
  const twin = await sends(edge, BYTES, { type: "image", mimeType: "image/jpeg", name: "a.jpg" });
  await work(edge);
  assertEquals(
    (await sql`select message_id, state, bytes::int, attempt from public.media_files order by created_at`)
      .map((
        row,
      ) => ({ ...row })),
    [id, twin.id].map((message_id) => ({ message_id, state: "stored", bytes: BYTES.length, attempt: 1 })),
  );
  for (const gone of [before, { id, mediaId }, twin]) meta.media.expire(gone.mediaId);
  const { bytes, headers, status } = await fetched(at(edge, id));
  assertEquals([status, hexOf(bytes as Uint8Array)], [200, hexOf(BYTES)]);
  assertEquals(headers.get("content-type"), "application/pdf");
  assertEquals((await fetched(at(edge, before.id))).status, 410);
  // Without the raw form of the message, too.
  await sql`update public.messages set native = null where id = ${twin.id}`;
  assertEquals(hexOf((await fetched(at(edge, twin.id))).bytes as Uint8Array), hexOf(BYTES));
  // What is past its time is removed by the clock.
  await sql`update public.storage_objects set expires_at = now() where message_id = ${id}`;
  assertEquals((await fetched(at(edge, id))).status, 410);
  assertEquals((await edge.call("email-webhook", { headers: KEY })).body, { removed: 1 });
  // With its message, the file goes.
  await sql`delete from public.messages where id = ${twin.id}`;
  assertEquals((await edge.call("email-webhook", { headers: KEY })).body, { removed: 1 });
  assertEquals((await sql`select from public.storage_objects`).length, 0);
});

edgeTest(
  "media.store: failures are tried again; gone, too large and different files are not stored",
  async (edge) => {
    const { meta, sql } = edge;
    await edge.set({ "media.store": "true", "media.max_mb": "1" });
    const gone = await sends(edge);
    meta.media.expire(gone.mediaId);
    const large = await sends(edge, new Uint8Array(1_100_000));
    const real = fileOf(BYTES, "application/pdf", "a.pdf");
    const forged = meta.media.add({ ...real, open: () => new Uint8Array(BYTES).fill(7, 299_000) });
    await edge.says(meta.contacts[0], { type: "document", document: { id: forged } });
    await work(edge);
    const states = async () =>
      Object.fromEntries(
        (await sql`select media_id, state, error from public.media_files`).map((
          { media_id, state, error },
        ) => [media_id, `${state}: ${error}`]),
      );
    assertEquals(await states(), {
      [gone.mediaId]:
        "gone: Meta has no file under this id: received files are kept for some weeks, uploads for 30 days",
      [large.mediaId]: "too_large: the file is larger than allowed",
      [forged]: "pending: the file differs from what was announced",
    });
    assertEquals((await sql`select from public.storage_objects where message_id is not null`).length, 0);
    // It is whole the next time.
    meta.media.get(forged)!.open = () => BYTES;
    await sql`update public.media_files set next_attempt_at = now() where state = 'pending'`;
    await work(edge);
    assertEquals((await states())[forged], "stored: null");
  },
);

edgeTest("media.store: what a dead worker held is stored by the next one", async (edge) => {
  const { sql } = edge;
  await edge.set({ "media.store": "true" });
  const { id } = await sends(edge);
  const [{ claimed }] = await sql`select public.claim_media(10, 180) as claimed`;
  assertEquals(claimed.map(({ message_id }: { message_id: string }) => message_id), [id]);
  assertEquals((await sql`select public.claim_media(10, 180) as claimed`)[0].claimed, []);
  await sql`update public.media_files set next_attempt_at = now() - interval '1 second'`;
  await work(edge);
  assertEquals((await sql`select state, attempt from public.media_files`).map((row) => ({ ...row })), [{
    state: "stored",
    attempt: 2,
  }]);
  // The dead one comes back, and may say nothing any more.
  const [{ ok }] = await sql`select public.settle_media(${id}, ${claimed[0].lease}, 'failed') as ok`;
  assertEquals(ok, false);
  assertEquals(Buffer.from((await fetched(at(edge, id))).bytes as Uint8Array).equals(BYTES), true);
});

const PNG = new Uint8Array(200_000).map((_, i) => i * 17 % 253);

function formOf(file: Blob, name: string, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append("file", file, name);
  return form;
}

const upload = async ({ url }: Edge, init: RequestInit, query = "") => {
  const response = await fetch(`${url}/functions/v1/wa-media${query}`, {
    method: "POST",
    ...init,
    headers: { ...KEY, ...init.headers as Record<string, string> },
  });
  return { status: response.status, body: await response.json() };
};

edgeTest("an upload is kept, uploaded to Meta once, and sent by its id", async (edge) => {
  const { meta, sql } = edge;
  const form = formOf(new Blob([PNG], { type: "image/png" }), "plan.png", { messaging_product: "whatsapp" });
  const { status, body } = await upload(edge, { body: form });
  assertEquals([status, body.mime_type, body.sha256, body.size, body.name], [
    201,
    "image/png",
    hexOf(PNG),
    PNG.length,
    "plan.png",
  ]);
  assert(Date.parse(body.expires_at) > Date.now() + 29 * 86_400_000);
  const uploads = () => meta.calls.filter(({ what }) => what.startsWith("POST media")).length;
  assertEquals(uploads(), 1);
  // The same again, in the other form.
  const again = await upload(
    edge,
    { headers: { "content-type": "image/png" }, body: PNG },
    "?filename=plan.png",
  );
  assertEquals([again.status, again.body.id, uploads()], [200, body.id, 1]);
  const given = await fetched(at(edge, body.id));
  assertEquals([hexOf(given.bytes as Uint8Array), given.headers.get("content-type")], [
    hexOf(PNG),
    "image/png",
  ]);

  const person = meta.addContact({ name: "Amina", phone: "447700900123" });
  await edge.says(person, "hi");
  const send = async (extra: Record<string, unknown> = {}) => {
    const answer = await edge.send({ to: person.phone, type: "image", image: { id: body.id, ...extra } });
    assertEquals(answer.status, 202);
    await edge.settled();
    return (await sql`select state as status, error from public.outbound_messages where id = ${answer.body.id}`)[
      0
    ];
  };
  assertEquals((await send({ caption: "one" })).status, "sent");
  assertEquals((await send({ caption: "two" })).status, "sent");
  assertEquals(uploads(), 1);
  const sentIds = () => meta.outbox.messages.map(({ payload }) => (payload.image as { id: string }).id);
  const [first, second] = sentIds();
  assertEquals([first, /^\d+$/.test(first)], [second, true]);
  // Meta's id has expired: the file is uploaded again, and the message goes.
  meta.media.expire(first);
  assertEquals((await send({ caption: "three" })).status, "sent");
  assertEquals([uploads(), sentIds()[2] !== first], [2, true]);
  // An old one is not even tried.
  await sql`update public.media_provider_ids set uploaded_at = now() - interval '11 days'`;
  assertEquals((await send({ caption: "four" })).status, "sent");
  assertEquals(uploads(), 3);
  // The panel's side: what was sent can be seen by the id of its message.
  const [{ id }] = await sql`select id from public.messages where direction = 'out' order by seq limit 1`;
  assertEquals(hexOf((await fetched(at(edge, id))).bytes as Uint8Array), hexOf(PNG));

  const removed = await fetch(at(edge, body.id), { method: "DELETE", headers: KEY });
  assertEquals(removed.status, 204);
  assertEquals(meta.media.get(sentIds()[3]), undefined);
  assertEquals((await fetched(at(edge, body.id))).status, 404);
  assertEquals(
    await fetch(at(edge, body.id), { method: "DELETE", headers: KEY }).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    }),
    404,
  );
  const { status: failed, error } = await send({ caption: "five" });
  assertEquals([failed, error.code], ["failed", "media_gone"]);
});

edgeTest("an upload that WhatsApp would not take is refused with the reason", async (edge) => {
  const refused = async (init: RequestInit, query = "") => {
    const { status, body } = await upload(edge, init, query);
    return [status, body.code, body.issues?.[0].path ?? body.detail];
  };
  const bytes = (type: string, length: number): RequestInit => ({
    headers: { "content-type": type },
    body: new Uint8Array(length),
  });
  const MB = 1024 * 1024;
  assertEquals(await refused(bytes("image/png", 5 * MB + 1)), [
    413,
    "payload_too_large",
    "WhatsApp takes at most 5 MB of image/png.",
  ]);
  assertEquals(await refused(bytes("image/webp", MB)), [
    413,
    "payload_too_large",
    "WhatsApp takes at most 0.5 MB of image/webp.",
  ]);
  assertEquals(await refused(bytes("image/png", 0)), [422, "invalid_request", "file"]);
  assertEquals(await refused(bytes("nonsense", 1)), [422, "invalid_request", "type"]);
  assertEquals(await refused({ body: new FormData() }), [422, "invalid_request", "file"]);
  assertEquals(
    await refused({ headers: { "content-type": "multipart/form-data; boundary=b" }, body: "--b\r\n" }),
    [
      400,
      "body_incomplete",
      undefined,
    ],
  );
  assertEquals(await refused(bytes("image/png", 1), "?from=x"), [422, "invalid_request", "from"]);
  // Meta's own refusal.
  const { status, body } = await upload(edge, { headers: { "content-type": "text/html" }, body: "<p>" });
  assertEquals([status, body.issues[0].path], [422, "file"]);
  assertMatch(body.issues[0].message, /^Meta: .*supported types/);
  assertEquals((await edge.sql`select from public.media_uploads`).length, 0);
  // Meta away: it is kept, and uploaded when it is sent.
  const real = edge.meta.graph.bind(edge.meta);
  edge.meta.graph = () => Promise.resolve(new Response("", { status: 502 }));
  const kept = await upload(edge, { headers: { "content-type": "image/png" }, body: PNG });
  edge.meta.graph = real;
  assertEquals(kept.status, 201);
  // A type that comes after the file counts.
  const late = new FormData();
  late.append("file", new Blob([PNG]), "b");
  late.append("type", "image/jpeg");
  assertEquals((await upload(edge, { body: late })).body.mime_type, "image/jpeg");
  // Names have no folders and no control characters.
  const odd = formOf(new Blob(["%PDF"], { type: "application/pdf" }), "../a\\b/c\td.pdf");
  assertEquals((await upload(edge, { body: odd })).body.name, "cd.pdf");
});

edgeTest(
  "openapi.yaml: every answer that it describes is met, by one as described: files of WhatsApp",
  async (edge) => {
    const { sql, call, meta } = edge;
    const { see, assertAllMet } = witness();
    const { id } = await sends(edge);
    const gone = await sends(edge);
    const unfindable = await sends(edge);
    meta.media.expire(gone.mediaId);
    const file = "/wa-media/{id}", post = "/wa-media", worker = "/wa-media/worker";
    const raw = { ...KEY, "content-type": "image/png" };
    const get = (id: string, headers: HeadersInit = KEY, method = "GET") =>
      call(`wa-media/${id}`, { method, headers });
    const send = (body: unknown = PNG, headers: HeadersInit = raw, method = "POST") =>
      call("wa-media", { method, headers, body });
    const work = (headers: HeadersInit = KEY, method = "POST") =>
      call("wa-media/worker", { method, headers });
    see(file, "get", 200, await get(id));
    see(file, "get", 206, await get(id, { ...KEY, range: "bytes=0-9" }));
    see(file, "get", 416, await get(id, { ...KEY, range: "bytes=9999999-" }));
    see(file, "get", 404, await get(crypto.randomUUID()));
    see(file, "get", 410, await get(gone.id));
    see(post, "post", 201, await send());
    const known = await send();
    see(post, "post", 200, known);
    see(post, "post", 413, await send(new Uint8Array(6 << 20)));
    see(post, "post", 422, await send(new Uint8Array()));
    see(worker, "post", 202, await work());
    see(file, "delete", 204, await get(known.body.id, KEY, "DELETE"));
    see(file, "delete", 404, await get(known.body.id, KEY, "DELETE"));
    see(file, "options", 204, await get(id, {}, "OPTIONS"));
    for (const [headers, status] of [[{}, 401], [{ apikey: KEYS.publishableKey }, 403]] as const) {
      see(file, "get", status, await get(id, headers));
      see(file, "delete", status, await get(id, headers, "DELETE"));
      see(post, "post", status, await send(PNG, headers));
      see(worker, "post", status, await work(headers));
    }
    see(file, "get", 405, await get(id, KEY, "PUT"));
    see(file, "delete", 405, await get(id, KEY, "PUT"));
    see(post, "post", 405, await send(PNG, raw, "PUT"));
    see(worker, "post", 405, await work(KEY, "PUT"));
    const others = async (status: number) => {
      see(file, "get", status, await get(id));
      see(file, "delete", status, await get(known.body.id, KEY, "DELETE"));
      see(post, "post", status, await send());
    };
    const real = meta.graph.bind(meta);
    meta.graph = () => Promise.resolve(new Response("", { status: 500 }));
    see(file, "get", 503, await get(unfindable.id));
    meta.graph = real;
    await edge.away(() => others(503));
    await sql`update storage.buckets set id = 'wa-moved' where id = 'wa-media'`;
    see(post, "post", 503, await send());
    await sql`update storage.buckets set id = 'wa-media' where id = 'wa-moved'`;
    Deno.env.set("FEATURE_ENABLED", "false");
    await others(503);
    see(worker, "post", 503, await work());
    Deno.env.delete("FEATURE_ENABLED");
    for (const name of ["find_media(uuid)", "remove_media_upload(uuid)", "note_storage_objects(jsonb)"]) {
      await sql.unsafe(`alter function public.${name} rename to ${name.replace(/\(.*/, "_away")}`);
    }
    await others(503);
    for (const name of ["find_media(uuid)", "remove_media_upload(uuid)", "note_storage_objects(jsonb)"]) {
      const [plain, args] = name.split("(");
      await sql.unsafe(`alter function public.${plain}_away(${args} rename to ${plain}`);
    }
    forgetRefusal();
    const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
    Deno.env.delete("SUPABASE_SECRET_KEYS");
    forgetEnv();
    try {
      await others(500);
      see(worker, "post", 500, await work());
    } finally {
      Deno.env.set("SUPABASE_SECRET_KEYS", keys);
      forgetEnv();
    }
    // Storage that is away while a file is read, and a newer schema, are met with mails.
    assertAllMet(
      (path) => path.startsWith("/wa-media"),
      (what) => what === "storage_unavailable" || what === "schema_too_new",
    );
  },
);
