/**
 * A run that triggers every log line, for tests/functions/leaks_test.ts, which reads its output. Argument:
 * the file to write, a JSON list of texts that must not be printed.
 */
import { assert, assertEquals } from "./assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { KEYS, NUMBER, withEdge } from "./edge.ts";
import { logMails } from "./logged_mails.ts";
import { logTexts } from "./logged_texts.ts";
import { until } from "./until.ts";
import { addDestination, addRoute, startService, withReplies } from "./service.ts";

const hidden = new Set<string>([...Object.values(KEYS), NUMBER.display]);
/** Marks a text as one that must not be printed. */
function hide(text: string): string {
  hidden.add(text);
  return text;
}

const text = (body: string) => ({ type: "text", text: { body: hide(body) } });

await withEdge(async (edge) => {
  const { sql, meta, call, send, hook, says, settled, hurry, set, reread } = edge;
  const nora = meta.addContact({
    name: hide("Nora Feldkamp"),
    phone: hide("12025550143"),
    username: hide("nora.feldkamp"),
    bsuid: hide("US.13491208655302741918"),
  });
  await using shop = startService();
  await using crm = startService();
  const urlSecret = hide("url-query-secret");
  const destinations = [
    await addDestination(sql, "shop", { url: `${shop.url}?key=${urlSecret}` }, { retry_seconds: [0.01] }),
    await addDestination(sql, "crm", crm, { retry_seconds: [0.01] }),
    await addDestination(sql, "nobody", { url: "http://127.0.0.1:9/hook" }, { retry_seconds: [0.01] }),
  ];
  for (const { secret } of destinations) hide(secret);
  await addRoute(sql, ["shop", "crm", "nobody"], { type: "any" }, { mode: "all" });
  await addRoute(sql, ["shop"], { type: "contacts", phones: [hide("12025550166")] }, { priority: 1 });
  await sql`
    insert into public.routes (name, condition) values
      ('broken', ${sql.json({ type: "text", match: "regex", value: hide("(a private word") })})`;
  await reread();

  // The way of a message, with services that answer well, badly, and not at all.
  shop.answers(withReplies(text("a reply to you"), { type: "text", text: { body: 7 } }, { type: "nothing" }));
  crm.answers(({ body }) => new Response(body, { status: 500 }));
  hide(await says(nora, text("a question of mine")));
  hide(await says(nora, { type: "reaction", reaction: { message_id: "wamid.x", emoji: hide("🌷🌷🌷") } }));
  await until("the reply", () => meta.outbox.messages.length > 0);
  shop.answers(() =>
    new Response(hide("an answer to keep"), { status: 302, headers: { location: `/${urlSecret}` } })
  );
  await says(nora, text("another question"));
  await until(
    "a dead letter",
    async () => (await sql`select from public.deliveries where state = 'dead'`).length > 0,
  );

  // What the webhook refuses, and what the database refuses it.
  const body = JSON.stringify({ phone: nora.phone, text: hide("half a body") });
  const signed = (bytes: string, secret: string = KEYS.appSecret) => ({
    "x-hub-signature-256": hide(sign(new TextEncoder().encode(bytes), secret)),
    "x-request-id": `from-${nora.phone}`,
  });
  const half = body.slice(0, -1);
  const refused: [number, HeadersInit, string][] = [
    [401, {}, body],
    [401, signed(body, hide("another app's secret")), body],
    [400, signed(half), half],
    [413, signed(""), body.padEnd(4_000_000)],
  ];
  for (const [status, headers, body] of refused) {
    assertEquals((await call("wa-webhook", { headers, body })).status, status);
  }
  const token = hide("a wrong verify token");
  const query = `hub.mode=subscribe&hub.challenge=1&hub.verify_token=${encodeURIComponent(token)}`;
  const handshake = await fetch(`${edge.url}/functions/v1/wa-webhook?${query}`);
  assertEquals([handshake.status, (await handshake.json()).code], [403, "verify_token_mismatch"]);
  const update = (body: string) => ({
    object: "whatsapp_business_account",
    entry: [{
      id: "1",
      changes: [{
        field: "messages",
        value: {
          metadata: { phone_number_id: NUMBER.id, display_phone_number: NUMBER.display },
          messages: [{
            from: nora.phone,
            id: hide(`wamid.${crypto.randomUUID()}`),
            timestamp: "1780000000",
            ...text(body),
          }],
        },
      }],
    }],
  });
  await sql`alter table public.messages add constraint no_tulips check (text is distinct from 'tulips for two')`;
  assertEquals((await hook(update("tulips for two"))).status, 500);
  await sql`alter table public.messages drop constraint no_tulips`;
  await sql`alter function public.ingest_updates rename to away`;
  assertEquals((await hook(update("daisies for four"))).status, 503);
  await sql`alter function public.away rename to ingest_updates`;

  // What services send, and what becomes of it.
  const to = nora.phone;
  const sent: [number, unknown, HeadersInit?][] = [
    [202, { to, ...text("an offer") }],
    [422, { to: "+1 (202) 555 0143x", ...text("") }],
    [422, { to, type: hide("a type of ours"), [nora.phone!]: 1 }],
    [401, {}, { apikey: hide("a-key-that-is-wrong") }],
    [401, {}, { authorization: `Bearer ${KEYS.secretKey}` }],
    [403, {}, { apikey: KEYS.publishableKey }],
    [400, `{"to": "${to}"`],
    [409, { to: hide("12025550177"), ...text("never wrote to us") }],
    [202, { to, idempotency_key: "k", ...text("the first") }],
    [409, { to, idempotency_key: "k", ...text("the second") }],
  ];
  for (const [status, body, headers] of sent) {
    assertEquals((await send(body, headers)).status, status, JSON.stringify(body));
  }
  // Links and flags: what people write into addresses, headers and bodies.
  const mail = hide("maria.schmidt@example.com"), digits = hide("491701234567"), word = hide("open sesame 1");
  const strange: ["GET" | "POST", string, string?, Record<string, string>?][] = [
    ["GET", `deeplinks/${mail}`],
    ["GET", `deeplinks/${digits}?u=${mail}`, undefined, { referer: `https://www.example.com/${digits}` }],
    ["GET", `deeplinks/${encodeURIComponent(btoa(digits))}`, undefined, {
      "user-agent": mail,
      cookie: `a=${digits}`,
    }],
    ["POST", "deeplinks/claim", `{"clipboard": "${word}`, { "content-type": "application/json" }],
    ["POST", "deeplinks/nosuch22", `{"password": "${word}`, { "content-type": "application/json" }],
    ["POST", "deeplinks", `{"external_id": "${mail}`, { apikey: KEYS.secretKey }],
    ["POST", "flags/ofrep/v1/evaluate/flags", `{"context": {"targetingKey": "${mail}"`, {
      apikey: KEYS.publishableKey,
    }],
    ["POST", "flags/outcomes", `{"outcomes": [{"targetingKey": "${digits}"`, { apikey: KEYS.secretKey }],
    ["POST", `wa-router/destinations/${mail}/test`, "{}", { apikey: KEYS.secretKey }],
  ];
  for (const [method, path, body, headers] of strange) {
    const { status } = await call(path as Parameters<typeof call>[0], { method, headers, body });
    assert(status < 500, `${path} ${status}`);
  }
  await settled();
  for (const fault of ["131056", "131047", "131026", "500"]) {
    meta.configure({ fault, faultNext: 1 });
    await send({ to, ...text(`an offer with ${fault}`) });
    await until(
      "an attempt",
      async () =>
        meta.settings.faultNext === 0 &&
        (await sql`select from public.outbound_messages where state = 'leased'`).length === 0,
    );
    await hurry();
    await settled();
  }
  // A server in between that quotes the request.
  const quoting = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const message = `${request.headers.get("authorization")} ${await request.text()}`;
    return Response.json({ error: { code: 190, message } }, { status: 401 });
  });
  Deno.env.set("WHATSAPP_GRAPH_URL", `http://127.0.0.1:${quoting.addr.port}/v26.0`);
  forgetEnv();
  await send({ to, ...text("an offer that is quoted") });
  await settled();
  await quoting.shutdown();
  // That held the account.
  await hurry();
  await send({ to, ...text("an offer to nobody") });
  await until(
    "no connection",
    async () =>
      (await sql`select from public.outbound_messages where error ->> 'code' = 'network'`).length > 0,
  );

  await logMails(edge, hide);
  await logTexts(edge, hide);

  // Switches, settings that cannot be read, a database that is away.
  await set({ "wa_send.rate_per_second": hide("a secret rate"), "forward.retry_seconds": "[0.01]" });
  Deno.env.set("WA_SEND_ENABLED", "false");
  assertEquals((await send({ to, ...text("switched off") })).status, 503);
  Deno.env.delete("WA_SEND_ENABLED");
  Deno.env.set("WHATSAPP_APP_SECRET", " , ");
  Deno.env.delete("WHATSAPP_ACCESS_TOKEN");
  forgetEnv();
  assertEquals((await hook(update("nobody can verify this"))).status, 500);
  assertEquals((await call("health", { method: "GET" })).body.status, "degraded");
  Deno.env.set("WHATSAPP_APP_SECRET", KEYS.appSecret);
  await reread();
  await edge.away(async () => {
    assertEquals((await hook(update("the database is away"))).status, 503);
    assertEquals((await send({ to, ...text("the database is away, too") })).status, 503);
    assertEquals((await call("health", { method: "GET" })).status, 503);
  });
  assert(hidden.size > 50);
});

await Deno.writeTextFile(Deno.args[0], JSON.stringify([...hidden]));
