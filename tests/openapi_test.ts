/** docs/openapi.yaml says what the functions do: every answer it describes was met, and none that it does not. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { ROOT } from "../local/paths.ts";
import { forgetEnv } from "../supabase/functions/_shared/config/env.ts";
import { type ProblemCode, PROBLEMS } from "../supabase/functions/_shared/http/problem.ts";
import { sign } from "../supabase/functions/_shared/whatsapp/signature.ts";
import { checkMessage } from "../supabase/functions/_shared/whatsapp/outbound.ts";
import { MAX_BODY_BYTES } from "../supabase/functions/wa-webhook/handler.ts";
import { type Answer, edgeTest, KEYS } from "./support/edge.ts";
import { assertDescribed, assertFits, openapi, schemaAt, validity } from "./support/openapi.ts";
import { messagesOfEachType, TEMPLATE, text, writer } from "./support/sending.ts";
import { addDestination, addRoute, startService } from "./support/service.ts";

Deno.test("openapi.yaml: a valid OpenAPI document whose examples fit", () => {
  assertEquals(validity, { valid: true });
  let examples = 0;
  for (const [path, operations] of Object.entries(openapi.paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      for (const [type, content] of Object.entries(requestBody?.content ?? {})) {
        for (const { value } of Object.values(content.examples ?? {})) {
          assertFits(value, "paths", path, method, "requestBody", "content", type, "schema");
          assert(checkMessage(value).ok, JSON.stringify(value));
          examples++;
        }
      }
    }
  }
  assert(examples > 0);
});

/** Every status that is described, with each code that its schema lets through ("" for an answer that is no problem). */
const CODES = Object.entries(openapi.paths).flatMap(([path, operations]) =>
  Object.entries(operations).flatMap(([method, { responses }]) =>
    Object.entries(responses).flatMap(([status, { $ref }]) => {
      const place = $ref?.slice(2).split("/") ?? ["paths", path, method, "responses", status];
      return codesAt(Number(status), place).map((code) => ({ path, method, status, code }));
    })
  )
);

function codesAt(status: number, place: string[]): (ProblemCode | "")[] {
  if (status < 400) return [""];
  const fits = schemaAt(...place, "content", "application/problem+json", "schema");
  return (Object.keys(PROBLEMS) as ProblemCode[]).filter((code) =>
    fits({ type: `urn:gatelink:problem:${code}`, title: "", status, code, request_id: "" })
  );
}

Deno.test("openapi.yaml: each function is deployed, each code is registered with its status", async () => {
  const config = await Deno.readTextFile(join(ROOT, "supabase", "config.toml"));
  for (const path of Object.keys(openapi.paths)) {
    assert(config.includes(`[functions.${path.split("/")[1]}]`), path);
  }
  for (const { path, status, code } of CODES) {
    if (code !== "") assertEquals(PROBLEMS[code].status, Number(status), `${path} ${status} ${code}`);
  }
  assert(CODES.length > 40, String(CODES.length));
});

/** A caller who goes away, a full queue, a fault of ours: other tests meet these. */
const HARD_TO_MEET = /body_incomplete|overloaded|internal_error/;

edgeTest("openapi.yaml: every status that it describes is met, by an answer as described", async (edge) => {
  const { sql, call, send, hook, set, reread } = edge;
  const met = new Set<string>();
  const see = (path: string, method: string, status: number, answer: Answer) => {
    assertEquals(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    assertDescribed(path, method, answer);
    met.add(`${method} ${path} ${status} ${answer.body.code ?? ""}`);
  };
  const key = { apikey: KEYS.secretKey };
  const signed = (body: string) => ({
    "x-hub-signature-256": sign(new TextEncoder().encode(body), KEYS.appSecret),
  });
  const handshake = async (token: string): Promise<Answer> => {
    const query = new URLSearchParams({
      "hub.mode": "subscribe",
      "hub.verify_token": token,
      "hub.challenge": "17",
    });
    const response = await fetch(`${edge.url}/functions/v1/wa-webhook?${query}`);
    const raw = await response.text();
    return { status: response.status, headers: response.headers, body: response.ok ? raw : JSON.parse(raw) };
  };
  const path = "/wa-webhook", method = "post";

  see("/wa-webhook", "get", 200, await handshake(KEYS.verifyToken));
  see("/wa-webhook", "get", 403, await handshake("another"));
  see("/wa-webhook", "get", 405, await call("wa-webhook", { method: "PUT" }));
  see(path, method, 200, await hook({ any: "thing" }));
  see(path, method, 400, await call("wa-webhook", { headers: signed("{"), body: "{" }));
  see(path, method, 401, await call("wa-webhook", { body: "{}" }));
  see(path, method, 401, await call("wa-webhook", { headers: signed("{"), body: "{}" }));
  see(path, method, 405, await call("wa-webhook", { method: "DELETE" }));
  const large = " ".repeat(MAX_BODY_BYTES + 1);
  see(path, method, 413, await call("wa-webhook", { headers: signed(""), body: large }));

  see("/wa-router", "post", 202, await call("wa-router", { headers: key }));
  see("/wa-router", "post", 401, await call("wa-router"));
  see("/wa-router", "post", 403, await call("wa-router", { headers: { apikey: KEYS.publishableKey } }));
  see("/wa-router", "post", 405, await call("wa-router", { method: "GET" }));

  const { phone: to } = await writer(edge);
  const once = { to, idempotency_key: "once", ...text("hi") };
  see("/wa-send", "post", 202, await send(once));
  see("/wa-send", "post", 202, await send(once));
  see("/wa-send", "post", 202, await send({ to: "12025550188", ...text("late"), fallback: TEMPLATE }));
  see("/wa-send", "post", 400, await send("{"));
  see("/wa-send", "post", 401, await send({}, {}));
  see("/wa-send", "post", 403, await send({}, { apikey: KEYS.publishableKey }));
  see("/wa-send", "post", 404, await send({ type: "read", message_id: "wamid.nobody" }));
  see("/wa-send", "post", 405, await call("wa-send", { method: "GET", headers: key }));
  see("/wa-send", "post", 409, await send({ ...once, ...text("other") }));
  see("/wa-send", "post", 409, await send({ to: "12025550199", ...text("late") }));
  see("/wa-send", "post", 413, await send(large));
  see("/wa-send", "post", 422, await send({ to: "x", ...text("") }));
  see("/wa-send", "post", 422, await send({ to, from: "99", ...text("hi") }));
  await sql`insert into public.wa_numbers (id) values ('99')`;
  see("/wa-send", "post", 422, await send({ to: "12025550177", ...TEMPLATE }));
  await sql`update public.conversations set last_inbound_at = now() - interval '2 days', opted_out_at = null`;
  see("/wa-send", "post", 409, await send({ to, ...text("late") }));
  await sql`update public.conversations set opted_out_at = now()`;
  see("/wa-send", "post", 409, await send({ to, ...text("no") }));
  await set({ "wa_send.enabled": "false" });
  see("/wa-send", "post", 403, await send({ to, ...text("off") }));
  await set({ "wa_send.enabled": "true", "wa_send.rate_per_second": "0.01" });
  await send({ to, ...text("off") });
  see("/wa-send", "post", 429, await send({ to, ...text("off") }));

  const health = () => call("health", { method: "GET" });
  see("/health", "get", 200, await health());
  see("/health", "get", 405, await call("health"));
  const detailed = (headers: HeadersInit = key) => call("health/detailed", { method: "GET", headers });
  see("/health/detailed", "get", 200, await detailed());
  see("/health/detailed", "get", 401, await detailed({}));
  see("/health/detailed", "get", 403, await detailed({ apikey: KEYS.publishableKey }));
  see("/health/detailed", "get", 405, await call("health/detailed"));
  const metrics = (headers: HeadersInit = key) => call("metrics", { method: "GET", headers });
  see("/metrics", "get", 200, await metrics());
  see("/metrics", "get", 401, await metrics({}));
  see("/metrics", "get", 403, await metrics({ apikey: KEYS.publishableKey }));
  see("/metrics", "get", 405, await call("metrics"));
  const diagnostics = (headers: HeadersInit = key) => call("diagnostics", { method: "GET", headers });
  see("/diagnostics", "get", 200, await diagnostics());
  see("/diagnostics", "get", 401, await diagnostics({}));
  see("/diagnostics", "get", 403, await diagnostics({ apikey: KEYS.publishableKey }));
  see("/diagnostics", "get", 405, await call("diagnostics"));
  await reread();
  await edge.away(async () => {
    see("/health", "get", 503, await health());
    see("/health/detailed", "get", 503, await detailed());
    see("/metrics", "get", 503, await metrics());
    see("/diagnostics", "get", 503, await diagnostics());
    see(path, method, 503, await hook({ any: "other thing" }));
    see("/wa-send", "post", 503, await send({ to, ...text("away") }));
  });
  await sql`delete from supabase_migrations.schema_migrations`;
  await sql`insert into supabase_migrations.schema_migrations (version) values ('20200101000000')`;
  await reread();
  see("/health", "get", 503, await health());
  see("/health/detailed", "get", 503, await detailed());
  await sql`alter function public.ingest_updates(jsonb) rename to ingest_others`;
  see(path, method, 503, await hook({ any: "third thing" }));
  await sql`alter function public.ingest_others(jsonb) rename to ingest_updates`;
  await sql`alter function public.metrics() rename to metrics_other`;
  see("/metrics", "get", 503, await metrics());
  await sql`alter function public.metrics_other() rename to metrics`;
  await sql`alter function public.diagnostics() rename to diagnostics_other`;
  see("/diagnostics", "get", 503, await diagnostics());
  await sql`alter function public.diagnostics_other() rename to diagnostics`;
  await sql`alter function public.enqueue_outbound(jsonb) rename to enqueue_others`;
  see("/wa-send", "post", 503, await send({ to, ...text("fourth thing") }));
  await sql`alter function public.enqueue_others(jsonb) rename to enqueue_outbound`;

  Deno.env.set("FEATURE_ENABLED", "false");
  see("/wa-webhook", "get", 503, await handshake(KEYS.verifyToken));
  see(path, method, 503, await hook({}));
  see("/wa-router", "post", 503, await call("wa-router", { headers: key }));
  see("/wa-send", "post", 503, await send({}));
  Deno.env.delete("FEATURE_ENABLED");

  const variables = ["SUPABASE_SECRET_KEYS", "WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"];
  const before = variables.map((name) => Deno.env.get(name)!);
  for (const name of variables) Deno.env.delete(name);
  forgetEnv();
  try {
    see("/wa-webhook", "get", 500, await handshake(KEYS.verifyToken));
    see(path, method, 500, await hook({}));
    see("/wa-router", "post", 500, await call("wa-router", { headers: key }));
    see("/wa-send", "post", 500, await send({}));
    see("/health", "get", 500, await health());
    see("/health/detailed", "get", 500, await detailed());
    see("/metrics", "get", 500, await metrics());
    see("/diagnostics", "get", 500, await diagnostics());
  } finally {
    variables.forEach((name, i) => Deno.env.set(name, before[i]));
    forgetEnv();
  }

  const described = CODES.map(({ path, method, status, code }) => `${method} ${path} ${status} ${code}`);
  const unmet = described.filter((each) => !met.has(each) && !HARD_TO_MEET.test(each));
  assertEquals([unmet, [...met].filter((each) => !described.includes(each))], [[], []]);
});

edgeTest("openapi.yaml: what a service gets, and may answer, is as described", async (edge) => {
  const { sql, meta, says, settled, reread } = edge;
  await using service = startService();
  await addDestination(sql, "service", service);
  await addRoute(sql, ["service"]);
  await reread();
  const nora = meta.addContact({
    name: "Nora",
    phone: "12025550143",
    username: "nora",
    parentBsuid: "US.ENT.42",
  });
  const hidden = meta.addContact({ name: "Yuki", username: "yuki.bakes" });
  const first = await says(nora, "hello");
  await says(nora, {
    type: "interactive",
    interactive: { type: "button_reply", button_reply: { id: "y", title: "Yes" } },
    context: { id: first },
  });
  await says(hidden, { type: "image", image: { id: "1", mime_type: "image/jpeg" } });
  await says(hidden, { type: "text", text: { body: "ad" }, referral: { source_type: "ad", source_id: "1" } });
  await settled();
  assertEquals(service.received.length, 4);
  const at = ["webhooks", "message.received", "post"];
  for (const { event, headers } of service.received) {
    assertFits(event, ...at, "requestBody", "content", "application/json", "schema");
    ["webhook-id", "traceparent", "webhook-timestamp", "webhook-signature"].forEach((name, i) =>
      assertFits(headers.get(name), ...at, "parameters", String(i), "schema")
    );
  }
  const replies = [
    "webhooks",
    "message.received",
    "post",
    "responses",
    "2XX",
    "content",
    "application/json",
    "schema",
  ];
  const messages = messagesOfEachType("wamid.1");
  assertFits({ replies: messages.slice(0, 10) }, ...replies);
  assertEquals(schemaAt(...replies)({ replies: messages.slice(0, 11) }), false);
  assertEquals(schemaAt(...replies)({ replies: [{ type: "text" }] }), false);
});

const SEND = ["paths", "/wa-send", "post", "requestBody", "content", "application/json", "schema"];

Deno.test("openapi.yaml: a message that it describes is one that wa-send takes", () => {
  for (const message of messagesOfEachType("wamid.1")) {
    assertFits({ to: "12025550123", ...message }, ...SEND);
    assert(checkMessage(message).ok);
  }
  assertEquals(schemaAt(...SEND)(text("to nobody")), false);
  assertFits({ type: "read", message_id: "wamid.1" }, ...SEND);
});

/** Every place in a JSON value. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Array.isArray(value) ? value.map((item, i) => [i, item] as const) : Object.entries(value);
  return [
    ...(path.length > 0 ? [path] : []),
    ...inner.flatMap(([key, item]) => places(item, [...path, key])),
  ];
}

/** The value with another one at this place, or without it. */
function changed(value: unknown, [key, ...rest]: (string | number)[], to: unknown): unknown {
  // deno-lint-ignore no-explicit-any
  const copy: any = structuredClone(value);
  if (rest.length > 0) copy[key] = changed(copy[key], rest, to);
  else if (to !== undefined) copy[key] = to;
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

/** What the document cannot say: that ids or titles differ, sums over sections, characters that Postgres cannot hold. */
const UNSAID = /unique in the message|in all sections together|several sections|NUL character/;

Deno.test("openapi.yaml: of messages a little wrong, it takes what wa-send takes", () => {
  const message = schemaAt("components", "schemas", "Message");
  const values = [
    undefined,
    null,
    "",
    "x",
    "x".repeat(5000),
    0,
    91,
    -181,
    true,
    [],
    {},
    [{}],
    "https://a.example/",
  ];
  const wrong = fc.constantFrom(...messagesOfEachType("wamid.1")).chain((valid) =>
    fc.tuple(fc.constant(valid), fc.constantFrom(...places(valid)), fc.constantFrom(...values))
  );
  fc.assert(
    fc.property(wrong, ([valid, place, value]) => {
      const body = changed(valid, place, value);
      const checked = checkMessage(body);
      if (!checked.ok && checked.issues.every(({ message }) => UNSAID.test(message))) return;
      assertEquals(message(body), checked.ok, JSON.stringify({ body, checked }));
    }),
    { numRuns: 2000 },
  );
});
