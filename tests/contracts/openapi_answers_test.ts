/** docs/openapi.yaml says what the functions answer, but for links: every answer that it describes was met, and no other. */
import { assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { createRpc } from "../../supabase/functions/_shared/db/client.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { createConfigLoader } from "../../supabase/functions/_shared/db/config.ts";
import { createPace } from "../../supabase/functions/_shared/flags/rate_limit.ts";
import { requireKey } from "../../supabase/functions/_shared/gates/keys.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { createHandler } from "../../supabase/functions/flags/handler.ts";
import { createSignals } from "../../supabase/functions/flags/signals.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { type Answer, edgeTest, KEYS } from "../support/edge.ts";
import { advance } from "../support/monotonic_clock.ts";
import { openapi, witness } from "../support/openapi.ts";
import { TEMPLATE, text, writer } from "../support/sending.ts";

edgeTest(
  "openapi.yaml: every described answer occurs as described: messages and operation",
  async (edge) => {
    const { sql, call, send, hook, set, reread } = edge;
    const { see, assertAllMet } = witness();
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
      return {
        status: response.status,
        headers: response.headers,
        body: response.ok ? raw : JSON.parse(raw),
      };
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
    const large = " ".repeat(whatsapp.limits.webhookBytes + 1);
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
    see("/wa-send", "post", 404, await send({ to: "nobody.known", ...TEMPLATE }));
    see("/wa-send", "post", 405, await call("wa-send", { method: "GET", headers: key }));
    see("/wa-send", "post", 409, await send({ ...once, ...text("other") }));
    see("/wa-send", "post", 409, await send({ to: "12025550199", ...text("late") }));
    await sql`insert into public.wa_templates (account, name, language, status) values ('paused', ${TEMPLATE.template.name}, 'en', 'paused')`;
    await sql`update public.senders set account = 'paused'`;
    see("/wa-send", "post", 409, await send({ to, ...TEMPLATE }));
    await sql`update public.senders set account = null`;
    see("/wa-send", "post", 413, await send(large));
    see("/wa-send", "post", 422, await send({ to: "x", ...text("") }));
    see("/wa-send", "post", 422, await send({ to, from: "99", ...text("hi") }));
    await sql`insert into public.wa_numbers (id) values ('99')`;
    see("/wa-send", "post", 422, await send({ to: "12025550177", ...TEMPLATE }));
    await sql`update public.conversations set last_inbound_at = now() - interval '2 days', opted_out_at = null`;
    see("/wa-send", "post", 409, await send({ to, ...text("late") }));
    await sql`update public.conversations set opted_out_at = now()`;
    // Nobody could be asked what it is.
    await sql`update public.senders set account = null`;
    see("/wa-send", "post", 409, await send({ to, ...TEMPLATE }));
    await set({ "wa_send.enabled": "false" });
    see("/wa-send", "post", 403, await send({ to, ...text("off") }));
    // One at once, and the next in hours: however long the machine stands still in between. What was sent at the old rate
    // would let the second go in place of the first.
    await set({ "wa_send.enabled": "true", "wa_send.rate_per_second": "0.0001" });
    await sql`delete from public.rate_limits`;
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
    const plain = (path: string) => call(`health/plain${path}`, { method: "GET" });
    see("/health/plain", "get", 200, await plain(""));
    see("/health/plain", "get", 405, await call("health/plain"));
    see("/health/plain/detailed", "get", 200, await plain("/detailed"));
    see("/health/plain/detailed", "get", 405, await call("health/plain/detailed"));
    const admin = { authorization: `Bearer ${KEYS.trafficToken}` };
    const change = (body: string, headers: HeadersInit = admin) =>
      call("gateway/api/traffic", { headers, body });
    const all = (environment: string) => JSON.stringify({ environment, percentage: 100 });
    const gateway = (path: string, headers: HeadersInit = admin) =>
      call(`gateway/${path}`, { method: "GET", headers });
    see("/gateway/api/traffic", "get", 200, await gateway("api/traffic"));
    see("/gateway/api/traffic", "get", 401, await gateway("api/traffic", {}));
    see("/gateway/api/traffic", "get", 405, await call("gateway/api/traffic", { method: "PUT" }));
    see("/gateway/api/traffic", "post", 200, await change(all("blue")));
    see("/gateway/api/traffic", "post", 400, await change("{"));
    see("/gateway/api/traffic", "post", 401, await change(all("blue"), {}));
    see("/gateway/api/traffic", "post", 405, await call("gateway/api/traffic", { method: "DELETE" }));
    see("/gateway/api/traffic", "post", 413, await change(" ".repeat(5000)));
    see("/gateway/api/traffic", "post", 422, await change(all("red")));
    see("/gateway/api/metrics/error-rate", "get", 200, await gateway("api/metrics/error-rate", {}));
    see("/gateway/api/metrics/error-rate", "get", 405, await call("gateway/api/metrics/error-rate"));
    const preflight = { origin: "https://app.example.net", "access-control-request-method": "GET" };
    see(
      "/gateway/api/metrics/error-rate",
      "options",
      204,
      await call("gateway/api/metrics/error-rate", { method: "OPTIONS", headers: preflight }),
    );
    see("/gateway/choose", "get", 204, await gateway("choose", {}));
    see("/gateway/choose", "get", 401, await gateway("choose", { "x-environment": "green" }));
    see("/gateway/choose", "get", 405, await call("gateway/choose"));
    see("/gateway/choose", "get", 422, await gateway("choose", { "x-environment": "red", ...admin }));
    see("/gateway/split", "get", 200, await gateway("split"));
    see("/gateway/split", "get", 401, await gateway("split", {}));
    see("/gateway/split", "get", 405, await call("gateway/split"));
    const unavailable = async () => {
      see("/gateway/api/traffic", "get", 503, await gateway("api/traffic"));
      see("/gateway/api/traffic", "post", 503, await change(all("blue")));
      see("/gateway/split", "get", 503, await gateway("split"));
      see("/gateway/api/metrics/error-rate", "get", 503, await gateway("api/metrics/error-rate", {}));
    };
    await sql`select public.open_incident('Green is slow', 'bug', 'P1', 'green.enabled')`;
    see("/gateway/api/traffic", "post", 409, await change(all("green")));
    await sql`select public.open_incident('Replies are delayed', 'bug', null, null, null, true)`;
    see("/health/status", "get", 200, await call("health/status", { method: "GET" }));
    see("/health/status", "get", 405, await call("health/status"));
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
      see("/health/plain", "get", 503, await plain(""));
      see("/health/plain/detailed", "get", 503, await plain("/detailed"));
      await unavailable();
      see("/metrics", "get", 503, await metrics());
      see("/diagnostics", "get", 503, await diagnostics());
      see(path, method, 503, await hook({ any: "other thing" }));
      see("/wa-send", "post", 503, await send({ to, ...text("away") }));
    });
    await sql.unsafe(`
      create function public.refuse() returns trigger language plpgsql as
        'begin raise exception ''cannot execute UPDATE in a read-only transaction'' using errcode = ''25006''; end';
      create trigger refuse before update on private.write_probe for each statement execute function public.refuse()`);
    advance(1001);
    see("/health", "get", 503, await health());
    see("/health/detailed", "get", 503, await detailed());
    await sql`drop function public.refuse() cascade`;
    await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
    advance(3001);
    see(path, method, 503, await hook({ any: "new thing" }));
    see("/wa-webhook", "get", 503, await handshake(KEYS.verifyToken));
    see("/wa-router", "post", 503, await call("wa-router", { headers: key }));
    see("/wa-send", "post", 503, await send({ to, ...text("new") }));
    see("/health", "get", 503, await health());
    see("/health/detailed", "get", 503, await detailed());
    see("/metrics", "get", 503, await metrics());
    await unavailable();
    see("/diagnostics", "get", 503, await diagnostics());
    await sql`delete from private.schema_breaks`;
    forgetRefusal();
    await reread();
    await sql`delete from supabase_migrations.schema_migrations`;
    await sql`insert into supabase_migrations.schema_migrations (version) values ('20200101000000')`;
    await reread();
    see("/health", "get", 503, await health());
    see("/health/detailed", "get", 503, await detailed());
    await sql`alter function public.ingest_updates(jsonb) rename to ingest_others`;
    see(path, method, 503, await hook({ any: "third thing" }));
    await sql`alter function public.ingest_others(jsonb) rename to ingest_updates`;
    const traffic = ["traffic_split()", "set_traffic(text, numeric, text)", "traffic_figures(integer)"];
    for (const signature of traffic) {
      await sql.unsafe(`alter function public.${signature} rename to other_${signature.replace(/\(.*/, "")}`);
    }
    advance(1001);
    await unavailable();
    for (const signature of traffic) {
      await sql.unsafe(`alter function public.other_${signature} rename to ${signature.replace(/\(.*/, "")}`);
    }
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

    assertAllMet((path) =>
      !/^\/(deeplinks|flags|email-|mailboxes|messages|sms-|telegram-|oncall-|wa-media|wa-graph|wa-router\/(destinations|numbers|templates|team))/
        .test(path)
    );
  },
);

edgeTest("openapi.yaml: every described answer occurs as described: flags", async (edge) => {
  const { call, set } = edge;
  const { see, assertAllMet } = witness();
  const secret = { apikey: KEYS.secretKey }, open = { "x-api-key": KEYS.publishableKey };
  const nobody = { authorization: "Bearer nobody" };
  const ALL = "/flags/ofrep/v1/evaluate/flags", ONE = `${ALL}/{key}`, OUTCOMES = "/flags/outcomes";
  const ask = (path: string, body: unknown, headers: HeadersInit = open, method = "POST"): Promise<Answer> =>
    call(path.slice(1) as `flags/${string}`, { method, headers, body });
  const one = (key: string, body: unknown, headers?: HeadersInit, method?: string) =>
    ask(`${ALL}/${key}`, body, headers, method);
  const context = { context: { targetingKey: "u1" } };
  await set({
    "all.enabled": {
      value: "true",
      metadata: { client: true, description: "For all", rollout_percentage: 100 },
    },
    "half.enabled": { value: "true", metadata: { client: true, rollout_percentage: 50 } },
    "layout": { value: '{"columns":2}', metadata: { client: true, type: "object" } },
    "broken": { value: "many", metadata: { type: "number" } },
  });

  for (const key of ["all.enabled", "half.enabled", "layout"]) {
    see(ONE, "post", 200, await one(key, context));
    see(ONE, "post", 200, await one(key, context, secret));
  }
  see(ONE, "post", 400, await one("half.enabled", { context: {} }));
  see(ONE, "post", 400, await one("broken", context, secret));
  see(ONE, "post", 400, await one("all.enabled", "{"));
  see(ONE, "post", 404, await one("gone.enabled", context));
  see(ONE, "post", 404, await one("%ff", context));
  see(ALL, "post", 200, await ask(ALL, context));
  see(ALL, "post", 200, await ask(ALL, { context: {} }, secret));
  const { headers } = await ask(ALL, context);
  see(ALL, "post", 304, await ask(ALL, context, { ...open, "if-none-match": headers.get("etag")! }));
  see(ALL, "post", 400, await ask(ALL, "{"));
  see(ALL, "post", 400, await ask(ALL, { context: 1 }));
  const large = " ".repeat(70_000);
  for (const [path, at] of [[ONE, `${ALL}/all.enabled`], [ALL, ALL]]) {
    see(path, "options", 204, await ask(at, undefined, {}, "OPTIONS"));
    see(path, "post", 401, await ask(at, context, nobody));
    see(path, "post", 405, await ask(at, undefined, open, "GET"));
    see(path, "post", 413, await ask(at, large));
  }

  const outcomes = [{ flag: "all.enabled", targetingKey: "u1", failed: false, latency_ms: 12 }];
  see(OUTCOMES, "post", 202, await ask(OUTCOMES, { outcomes }, secret));
  see(OUTCOMES, "post", 400, await ask(OUTCOMES, "{", secret));
  see(OUTCOMES, "post", 401, await ask(OUTCOMES, { outcomes }, {}));
  see(OUTCOMES, "post", 403, await ask(OUTCOMES, { outcomes }, open));
  see(OUTCOMES, "post", 405, await ask(OUTCOMES, undefined, secret, "GET"));
  see(OUTCOMES, "post", 413, await ask(OUTCOMES, large, secret));
  see(OUTCOMES, "post", 422, await ask(OUTCOMES, { outcomes: [{}] }, secret));
  const signals = [
    ["/flags/feedback", { feedback: [{ kind: "complaint", targetingKey: "u1" }] }, { feedback: [{}] }],
    ["/flags/metrics", { metrics: [{ name: "order.paid", idempotency_key: "o-1" }] }, { metrics: [{}] }],
  ] as const;
  for (const [path, body, wrong] of signals) {
    see(path, "post", 202, await ask(path, body, secret));
    see(path, "post", 400, await ask(path, "{", secret));
    see(path, "post", 401, await ask(path, body, {}));
    see(path, "post", 403, await ask(path, body, open));
    see(path, "post", 405, await ask(path, undefined, secret, "GET"));
    see(path, "post", 413, await ask(path, large.repeat(16), secret));
    see(path, "post", 422, await ask(path, wrong, secret));
  }
  see("/flags", "post", 202, await ask("/flags", undefined, secret));
  see("/flags", "post", 401, await ask("/flags", undefined, {}));
  see("/flags", "post", 403, await ask("/flags", undefined, { apikey: KEYS.publishableKey }));
  see("/flags", "post", 405, await ask("/flags", undefined, secret, "GET"));

  // One at once, and the next in hours.
  await set({ "flags.rate_per_second": "0.0001" });
  await ask(ALL, context);
  see(ONE, "post", 429, await one("all.enabled", context));
  see(ALL, "post", 429, await ask(ALL, context));

  /** An isolate that knows nothing yet, and cannot learn it. */
  const fresh = (fetch: () => Promise<Response>) => {
    const rpc = createRpc({ endpoint: () => ({ url: "http://db.test", key: KEYS.secretKey }), fetch });
    const served = serve(
      "flags",
      createHandler({
        audienceSecrets: () => [],
        killed: () => false,
        requireKey,
        loadConfig: createConfigLoader(rpc),
        pace: createPace(),
        outcomes: { outcome: () => {}, evaluated: () => {} },
        notify: () => Promise.resolve(),
        signals: createSignals(rpc),
        reportSwitches: () => Promise.resolve(),
        waitUntil: () => {},
        onFlag: () => {},
      }),
    );
    return async (path: string, body: unknown): Promise<Answer> => {
      const response = await served.fetch(
        new Request(`http://functions.test${path}`, {
          method: "POST",
          headers: secret,
          body: JSON.stringify(body),
        }),
      );
      return { status: response.status, headers: response.headers, body: await response.json() };
    };
  };
  const gone = () => Promise.resolve(new Response("no healthy upstream", { status: 503 }));
  const old = () => Promise.resolve(Response.json({ code: "PGRST202", message: "" }, { status: 404 }));
  for (const away of [fresh(gone), fresh(old)]) {
    see(ONE, "post", 503, await away(`${ALL}/all.enabled`, context));
    see(ALL, "post", 503, await away(ALL, context));
    see(OUTCOMES, "post", 503, await away(OUTCOMES, { outcomes }));
    for (const [path, body] of signals) see(path, "post", 503, await away(path, body));
  }

  const refused = () => Promise.resolve(Response.json({ code: "GL503", message: "" }, { status: 400 }));
  const doors: readonly (readonly [path: string, at: string, body: unknown])[] = [
    [ONE, `${ALL}/all.enabled`, context],
    [ALL, ALL, context],
    [OUTCOMES, OUTCOMES, { outcomes }],
    ...signals.map(([path, body]) => [path, path, body] as const),
  ];
  for (const [path, at, body] of doors) {
    see(path, "post", 503, await fresh(refused)(at, body));
    forgetRefusal();
  }
  const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.delete("SUPABASE_SECRET_KEYS");
  forgetEnv();
  try {
    see(ONE, "post", 500, await one("all.enabled", context));
    see(ALL, "post", 500, await ask(ALL, context));
    see(OUTCOMES, "post", 500, await ask(OUTCOMES, { outcomes }, secret));
    for (const [path, body] of signals) see(path, "post", 500, await ask(path, body, secret));
    see("/flags", "post", 500, await ask("/flags", undefined, secret));
  } finally {
    Deno.env.set("SUPABASE_SECRET_KEYS", keys);
    forgetEnv();
  }
  assertAllMet((path) => path.startsWith("/flags"));
});

edgeTest("openapi.yaml: each path accepts exactly the described methods", async ({ call, set }) => {
  // While it is off, nothing tells that there is something.
  await set({ "messaging_v1.enabled": "true" });
  for (const [path, operations] of Object.entries(openapi.paths)) {
    if (path.startsWith("/deeplinks")) continue;
    const { status, headers } = await call(path.slice(1).replace(/\{\w+\}/, "x") as "flags", {
      method: "PUT",
    });
    assertEquals(status, 405, path);
    const taken = headers.get("allow")!.toLowerCase().split(", ").filter((method) => method !== "head");
    assertEquals(taken, Object.keys(operations).filter((name) => name !== "parameters").sort(), path);
  }
});
