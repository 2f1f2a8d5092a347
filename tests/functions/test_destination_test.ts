/** `POST /wa-router/destinations/{name}/test`: a signed event under the rules of deliveries, for those who may. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { verify } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Answer, type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { addDestination, isSigned, startService } from "../support/service.ts";

const KEY = { apikey: KEYS.secretKey };
const PANEL = "https://admin.example.com";

const test = ({ call }: Edge, name: string, headers: HeadersInit = KEY, method = "POST") =>
  call(`wa-router/destinations/${name}/test`, { method, headers });

/** The headers of a signed-in user, in the team when a role is given. */
async function member({ url, sql }: Edge, role?: "viewer" | "operator" | "admin") {
  const signup = await fetch(`${url}/auth/v1/signup`, {
    method: "POST",
    headers: { apikey: KEYS.publishableKey, "content-type": "application/json" },
    body: JSON.stringify({ email: `${crypto.randomUUID()}@example.com`, password: "correct horse battery" }),
  });
  const { access_token, user } = await signup.json();
  if (role) await sql`insert into public.team_members (user_id, role) values (${user.id}, ${role})`;
  return { authorization: `Bearer ${access_token}`, apikey: KEYS.publishableKey };
}

edgeTest("a test is signed like a delivery, and shows the answer", async (edge) => {
  const { sql } = edge;
  await using service = startService();
  service.answers(() => new Response(`fine ${"🌷".repeat(2000)}`));
  const { secret } = await addDestination(sql, "shop", service);
  const { status, body } = await test(edge, "shop");
  assertEquals(status, 200);
  const { latency_ms, answer, webhook_id, ...rest } = body;
  assertEquals(rest, { destination: "shop", url: service.url, ok: true, status: 200 });
  assert(Number.isInteger(latency_ms));
  assertMatch(answer, /^fine 🌷/);
  assert(answer.length === 2000 && answer.isWellFormed(), "cut, and no half a character");
  const [delivered] = service.received;
  assertEquals([delivered.id, delivered.event.type], [webhook_id, "gatelink.test"]);
  assert(isSigned(delivered, secret));
  assert(!JSON.stringify(body).includes("whsec_"));
});

edgeTest(
  "a test of a destination that takes Meta's webhooks is an empty one, signed as Meta signs",
  async (edge) => {
    await using service = startService();
    service.answers(() => new Response("EVENT_RECEIVED"));
    const { secret } = await addDestination(edge.sql, "meta", service, { format: "meta" });
    assertEquals((await test(edge, "meta")).body.ok, true);
    const [{ body, headers }] = service.received;
    assertEquals(JSON.parse(body), { object: "whatsapp_business_account", entry: [] });
    assert(verify(new TextEncoder().encode(body), headers.get("x-hub-signature-256"), [secret]));
  },
);

edgeTest("a test says whether the answer's replies would be used", async (edge) => {
  const { sql } = edge;
  await using service = startService();
  await addDestination(sql, "shop", service);
  const body = JSON.stringify({ replies: [{ type: "text", text: { body: "pong" } }] });
  service.answers(() => new Response(body, { headers: { "content-type": "application/json" } }));
  const { replies, advice: none } = (await test(edge, "shop")).body;
  assertEquals([replies, none], [1, undefined]);
  service.answers(() => new Response(body, { headers: { "content-type": "text/html; charset=utf-8" } }));
  const { ok, replies_ignored, advice } = (await test(edge, "shop")).body;
  assertEquals([ok, replies_ignored], [true, "not_json_type"]);
  assertMatch(advice, /^Its replies would not be used: the answer's content-type is not application\/json/);
});

edgeTest(
  "a test works while the destination is paused and its secret rotated, and changes nothing",
  async (edge) => {
    const { sql } = edge;
    await using service = startService();
    service.answers(() => new Response("no", { status: 500 }));
    const { secret } = await addDestination(sql, "shop", service);
    await sql`select public.set_destination_state('shop', 'paused')`;
    const [{ made }] = await sql`
    select public.rotate_destination_secret('shop') ->> 'secret' as made`;
    await sql`
    insert into private.destination_secrets (destination_id, secret, expires_at)
    select id, 'whsec_' || repeat('A', 43) || '=', now() - interval '1 second' from public.destinations`;
    const state = () =>
      sql`select d.*, (select count(*) from public.deliveries) as deliveries from public.destinations d`;
    const before = await state();
    const { body } = await test(edge, "shop");
    assertEquals([body.ok, body.status, body.error, body.answer], [false, 500, "status", "no"]);
    assertMatch(body.advice, /service's log/);
    const [delivered] = service.received;
    assert(isSigned(delivered, secret) && isSigned(delivered, made), "both secrets sign");
    assertEquals(
      delivered.headers.get("webhook-signature")!.split(" ").length,
      2,
      "one that has expired does not",
    );
    assertEquals(await state(), before);
    await flushCounts();
    const counted = await sql`select label, value::int from public.counters where name = 'destination_tests'`;
    assertEquals([...counted], [{ label: "status", value: 1 }]);
  },
);

edgeTest("a test obeys the rules of deliveries: current allowlist, no redirects, timeout", async (edge) => {
  const { sql } = edge;
  await using service = startService();
  await addDestination(sql, "shop", service, { timeout_ms: 100 });
  // Nobody waits for what the functions remember of the configuration.
  await sql`delete from public.destination_allowlist`;
  const refused = (await test(edge, "shop")).body;
  assertEquals([refused.ok, refused.status, refused.error, service.received.length], [
    false,
    undefined,
    "not_permitted",
    0,
  ]);
  assertMatch(refused.advice, /allowlist add HOST/);
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('127.0.0.1', 'redirect')`;
  assertEquals((await test(edge, "shop")).body.error, "not_permitted", "for another purpose");
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('127.0.0.1', 'forward')`;

  const { promise: never, resolve: end } = Promise.withResolvers<void>();
  service.answers(() => never.then(() => new Response()));
  const late = (await test(edge, "shop")).body;
  end();
  assertEquals([late.ok, late.error], [false, "timeout"]);
  await sql`update public.destinations set timeout_ms = 30000`;
  service.answers(() => new Response(null, { status: 302, headers: { location: "/elsewhere" } }));
  assertEquals((await test(edge, "shop")).body.error, "redirect");
  service.answers(() => new Response("who are you?", { status: 401 }));
  assertMatch((await test(edge, "shop")).body.advice, /refuses the signature/);
  service.answers(() => new Response());
  assertEquals((await test(edge, "shop")).body.ok, true);
});

edgeTest(
  "a test is for secret keys and operators, rate limited, and refused while routing is switched off",
  async (edge) => {
    const { sql, call } = edge;
    await using service = startService();
    await addDestination(sql, "shop", service);
    const outcome = async (headers: HeadersInit, name = "shop", method = "POST") => {
      const { status, body } = await test(edge, name, headers, method);
      return status === 200 ? status : `${status} ${body.code}`;
    };
    assertEquals(await outcome({}), "401 unauthorized");
    assertEquals(await outcome({ apikey: "sb_secret_other" }), "401 unauthorized");
    assertEquals(
      await outcome({ authorization: "Bearer nonsense", apikey: KEYS.publishableKey }),
      "401 unauthorized",
    );
    assertEquals(await outcome({ apikey: KEYS.publishableKey }), "403 forbidden");
    assertEquals(await outcome(await member(edge)), "403 forbidden");
    assertEquals(await outcome(await member(edge, "viewer")), "403 forbidden");
    assertEquals(service.received.length, 0);
    const operator = await member(edge, "operator");
    assertEquals([await outcome(operator), await outcome(await member(edge, "admin"))], [200, 200]);
    assertEquals(service.received.length, 2);
    // The secrets are for the function alone.
    const { url } = edge;
    const asked = await fetch(`${url}/rest/v1/rpc/destination_to_test`, {
      method: "POST",
      headers: { ...operator, "content-type": "application/json" },
      body: JSON.stringify({ p_name: "shop" }),
    });
    assert(asked.status >= 400 && !(await asked.text()).includes("whsec_"), `${asked.status}`);

    for (const name of ["nobody", "No%20Name", "x".repeat(64)]) {
      assertEquals(await outcome(KEY, name), "404 destination_not_found");
    }
    assertEquals(await outcome(KEY, "shop", "PUT"), "405 method_not_allowed");
    const elsewhere = await call("wa-router/destinations/shop", { headers: KEY });
    assertEquals([elsewhere.status, elsewhere.body.code], [404, "not_found"]);

    await sql`
    insert into public.rate_limits (key, tat, allowed)
    select 'destination_test:' || user_id, now() + interval '1 hour', true from public.team_members where role = 'operator'
    on conflict (key) do update set tat = excluded.tat`;
    const limited = await test(edge, "shop", operator);
    assertEquals([limited.status, limited.body.code], [429, "rate_limited"]);
    assert(Number(limited.headers.get("retry-after")) > 1000);
    assertEquals(await outcome(KEY), 200, "each for itself");
    const left = (await test(edge, "shop")).headers;
    assertMatch(left.get("ratelimit-policy")!, /^"destination_test";q=10;w=20$/);

    Deno.env.set("WA_ROUTER_ENABLED", "false");
    try {
      assertEquals(await outcome({}), "503 disabled_by_environment");
    } finally {
      Deno.env.delete("WA_ROUTER_ENABLED");
    }
  },
);

edgeTest("a test can be requested from the panel's origins and from no other page", async (edge) => {
  const { sql, set, call } = edge;
  await using service = startService();
  await addDestination(sql, "shop", service);
  const origins = ({ headers }: { headers: Headers }) => headers.get("access-control-allow-origin");
  const preflight = (
    origin: string,
    path: "wa-router" | "wa-router/destinations/shop/test" = "wa-router/destinations/shop/test",
  ) => call(path, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
  assertEquals(origins(await preflight(PANEL)), null, "nobody said that it is the panel's");
  await set({ "panel.origins": PANEL });
  const allowed = await preflight(PANEL);
  assertEquals([allowed.status, origins(allowed)], [204, PANEL]);
  assertEquals(allowed.headers.get("access-control-allow-methods"), "POST");
  assertMatch(allowed.headers.get("access-control-allow-headers")!, /Authorization, apikey/);
  assertEquals(origins(await preflight("https://evil.example")), null);
  assertEquals((await preflight(PANEL, "wa-router")).status, 405, "the clock is no page");

  const operator = await member(edge, "operator");
  const tested = await test(edge, "shop", { ...operator, origin: PANEL });
  assertEquals([tested.status, origins(tested)], [200, PANEL]);
  const refused = await test(edge, "shop", { ...await member(edge), origin: PANEL });
  assertEquals([refused.status, origins(refused)], [403, PANEL], "a refusal is read too");
  assertEquals(origins(await test(edge, "shop", { ...operator, origin: "https://evil.example" })), null);
});

edgeTest(
  "openapi.yaml: every described answer occurs as described: tests of destinations",
  async (edge) => {
    const { sql, call, reread } = edge;
    await using service = startService();
    service.answers(() => new Response("no", { status: 500 }));
    await addDestination(sql, "shop", service);
    await reread();
    const { see, assertAllMet } = witness();
    const PATH = "/wa-router/destinations/{name}/test";
    const post = (status: number, answer: Answer) => see(PATH, "post", status, answer);
    post(200, await test(edge, "shop"));
    post(401, await test(edge, "shop", {}));
    post(403, await test(edge, "shop", await member(edge, "viewer")));
    post(404, await test(edge, "nobody"));
    post(405, await test(edge, "shop", KEY, "GET"));
    await sql`update public.rate_limits set tat = now() + interval '1 hour'`;
    post(429, await test(edge, "shop"));
    see(PATH, "options", 204, await call("wa-router/destinations/shop/test", { method: "OPTIONS" }));
    await edge.away(async () => post(503, await test(edge, "shop")));
    await sql`delete from public.rate_limits`;
    await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
    post(503, await test(edge, "shop"));
    await sql`delete from private.schema_breaks`;
    forgetRefusal();
    await sql`alter function public.destination_to_test(text) rename to destination_to_try`;
    post(503, await test(edge, "shop"));
    await sql`alter function public.destination_to_try(text) rename to destination_to_test`;
    Deno.env.set("FEATURE_ENABLED", "false");
    post(503, await test(edge, "shop"));
    Deno.env.delete("FEATURE_ENABLED");
    const keys = Deno.env.get("SUPABASE_SECRET_KEYS")!;
    Deno.env.delete("SUPABASE_SECRET_KEYS");
    forgetEnv();
    try {
      post(500, await test(edge, "shop"));
    } finally {
      Deno.env.set("SUPABASE_SECRET_KEYS", keys);
      forgetEnv();
    }
    assertAllMet((path) => path === PATH);
  },
);
