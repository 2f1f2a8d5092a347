/** The gateway in front of two environments, on the real functions and database. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { flushOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { signVisit, VISITOR_HEADER } from "../../supabase/functions/_shared/traffic/visit.ts";
import { VISITOR_COOKIE } from "../../supabase/functions/_shared/traffic/visitor.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const TOKEN = { authorization: `Bearer ${KEYS.trafficToken}` };

function change({ call }: Edge, body: unknown, headers: HeadersInit = TOKEN) {
  return call("gateway/api/traffic", {
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Sends this percentage to green, and lets the gateway see it. */
async function split(edge: Edge, percentage: number): Promise<void> {
  assertEquals((await change(edge, { environment: "green", percentage })).status, 200);
  await edge.reread();
}

/** A visitor's request at the gateway. */
async function visit({ url }: Edge, path = "/health", headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/functions/v1/gateway${path}`, { headers, redirect: "manual" });
  const text = await response.text();
  const cookie = response.headers.get("set-cookie")?.split(";")[0];
  return {
    status: response.status,
    environment: response.headers.get("x-environment"),
    cookie,
    text,
    // deno-lint-ignore no-explicit-any
    body: (/\bjson\b/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : undefined) as any,
  };
}

edgeTest(
  "POST /api/traffic: 401 without the token, whatever the body; JSON whatever the content type",
  async (edge) => {
    const without: HeadersInit[] = [{}, { authorization: "Bearer wrong" }, { apikey: KEYS.secretKey }];
    for (const headers of without) {
      const { status, body } = await change(edge, "no JSON", headers);
      assertEquals([status, body.code], [401, "unauthorized"]);
    }
    for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/json"]) {
      const { status, body } = await change(edge, '{"environment": "blue", "percentage": 100}', {
        ...TOKEN,
        "content-type": type,
      });
      assertEquals([status, body.environment, body.percentage, body.green], [200, "blue", 100, 0], type);
    }
    const wrong: [unknown, string][] = [
      ["{", "invalid_json"],
      [{}, "invalid_request"],
      [{ environment: "red", percentage: 1 }, "invalid_request"],
      [{ environment: "green", percentage: 101 }, "invalid_request"],
      [{ environment: "green", percentage: -1 }, "invalid_request"],
      [{ environment: "green", percentage: 0.001 }, "invalid_request"],
      [{ environment: "green", percentage: "5" }, "invalid_request"],
    ];
    for (const [body, code] of wrong) {
      assertEquals(
        (await change(edge, body)).body.code,
        code,
        JSON.stringify(body),
      );
    }
  },
);

edgeTest("POST /api/traffic: is the flag green.enabled, with its history", async (edge) => {
  const { sql } = edge;
  await change(edge, { environment: "green", percentage: 12.5, reason: "first visitors" });
  const [flag] = await sql`select value, metadata from public.settings where key = 'green.enabled'`;
  assertEquals([flag.value, flag.metadata.rollout_percentage], ["true", 12.5]);
  const { body } = await edge.call("gateway/api/traffic", { method: "GET", headers: TOKEN });
  assertEquals([body.environment, body.percentage, body.reason, body.rollout], [
    "blue",
    87.5,
    "first visitors",
    null,
  ]);
  await change(edge, { environment: "blue", percentage: 100 });
  const [off] = await sql`select value, metadata from public.settings where key = 'green.enabled'`;
  assertEquals([off.value, off.metadata.rollout_percentage], ["false", 0]);
});

edgeTest("POST /api/traffic: all to blue ends a ramp, another share pauses it", async (edge) => {
  const { sql } = edge;
  await change(edge, { environment: "blue", percentage: 100 });
  const [{ r }] =
    await sql`select to_jsonb(public.create_rollout('green.enabled', '{"template": "canary"}')) as r`;
  await sql`select public.start_rollout(${r.id}, ${r.version}, 'a test')`;
  const { body } = await edge.call("gateway/api/traffic", { method: "GET", headers: TOKEN });
  assertEquals([body.green, body.rollout.stage, body.rollout.state], [1, "1 %", "running"]);
  const back = await change(edge, { environment: "blue", percentage: 100, reason: "errors" });
  assertEquals([back.body.green, back.body.rollout], [0, null]);
  const [after] = await sql`select state from public.rollouts where id = ${r.id}`;
  assertEquals(after.state, "rolled_back");
});

edgeTest("gateway: without a split everybody is blue, and nobody gets a cookie", async (edge) => {
  for (let i = 0; i < 3; i++) {
    const { status, environment, cookie, body } = await visit(edge);
    assertEquals([status, environment, cookie, body.environment], [200, "blue", undefined, "blue"]);
  }
});

edgeTest(
  "gateway: visitors are split by the percentage, and each stays on its side while green grows",
  async (edge) => {
    await split(edge, 30);
    const visitors: { cookie: string; environment: string }[] = [];
    for (let i = 0; i < 200; i++) {
      const { environment, cookie, body } = await visit(edge);
      assertEquals(body.environment, environment);
      visitors.push({ cookie: cookie!, environment: environment! });
    }
    const green = visitors.filter(({ environment }) => environment === "green").length;
    assert(green > 30 && green < 90, `${green} of 200 at 30 %`);
    for (const { cookie, environment } of visitors.slice(0, 40)) {
      const again = await visit(edge, "/health/detailed", { cookie: `a=b; ${cookie}` });
      assertEquals([again.environment, again.cookie], [environment, undefined]);
    }
    await split(edge, 60);
    for (const { cookie, environment } of visitors.slice(0, 40)) {
      if (environment === "green") {
        assertEquals(
          (await visit(edge, "/health", { cookie })).environment,
          "green",
        );
      }
    }
    await split(edge, 0);
    for (const { cookie } of visitors.slice(0, 10)) {
      assertEquals((await visit(edge, "/health", { cookie })).environment, "blue");
    }
  },
);

edgeTest(
  "gateway: a forged cookie is a new visitor; a service stays by its key, a mail by its ticket",
  async (edge) => {
    await split(edge, 50);
    const { cookie } = await visit(edge, "/health", {
      cookie: `${VISITOR_COOKIE}=abcdefgh234567ab.${"0".repeat(24)}`,
    });
    assertMatch(cookie ?? "", new RegExp(`^${VISITOR_COOKIE}=[a-z2-7]{16}\\.[0-9a-f]{24}$`));
    for (const key of ["sb_secret_1", "sb_secret_2", "sb_secret_3"]) {
      const first = await visit(edge, "/health", { apikey: key });
      for (let i = 0; i < 5; i++) {
        const { environment, cookie } = await visit(edge, "/health", { apikey: key });
        assertEquals([environment, cookie], [first.environment, undefined]);
      }
    }
    const at = async (path: string) => (await visit(edge, "/choose", { "x-original-uri": path })).environment;
    for (let i = 0; i < 20; i++) {
      const ticket = `ticket-of-message-${i}`;
      assertEquals(await at(`/c/${ticket}/2?x`), await at(`/pixel/${ticket}.png`));
    }
  },
);

edgeTest("X-Environment: free on GET /health, elsewhere with the token", async (edge) => {
  for (const wanted of ["green", "blue"]) {
    const asked = { "x-environment": wanted };
    assertEquals((await visit(edge, "/health", asked)).body.environment, wanted);
    const refused = await visit(edge, "/health/detailed", asked);
    assertEquals([refused.status, refused.body.code], [401, "unauthorized"]);
    const pinned = await visit(edge, "/health/detailed", { ...asked, ...TOKEN });
    assertEquals([pinned.body.environment, pinned.environment], [wanted, wanted]);
    assertEquals(pinned.body.components.redis.status, "healthy");
  }
  assertEquals((await visit(edge, "/health", { "x-environment": "red" })).body.code, "invalid_request");
});

edgeTest("gateway: passes requests on, never to itself or to a slug of green", async (edge) => {
  await split(edge, 100);
  const send = await fetch(`${edge.url}/functions/v1/gateway/api/sendgrid/send`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEYS.apiToken}`, "content-type": "application/json" },
    body: JSON.stringify({ to: "nobody" }),
  });
  assertEquals([send.status, send.headers.get("x-environment")], [422, "green"]);
  await send.body?.cancel();
  const direct = await visit(edge, "/functions/v1/metrics");
  assertEquals([direct.status, direct.environment], [401, "green"]);
  for (
    const path of [
      "/functions/v1/gateway/api/traffic",
      "/functions/v1/health-green",
      "/functions/v1/../x",
      "/nothing",
      "/",
    ]
  ) {
    assertEquals((await visit(edge, path)).status, 404, path);
  }
});

edgeTest(
  "gateway: outcomes are counted in the arm that served, and only by a gateway's word",
  async (edge) => {
    const { sql, url } = edge;
    await split(edge, 50);
    const seen = { blue: 0, green: 0 };
    for (let i = 0; i < 40; i++) seen[(await visit(edge)).environment as "blue" | "green"]++;
    // Testers count nowhere, nor does who writes the header, or claims to have been sent to the other side.
    await visit(edge, "/health", { "x-environment": "green" });
    await visit(edge, "/health", { [VISITOR_HEADER]: `abc.${"1".repeat(24)}` });
    const blue = signVisit("someone", "blue", KEYS.trafficToken);
    const other = await fetch(`${url}/functions/v1/health-green/plain`, {
      headers: { [VISITOR_HEADER]: blue },
    });
    await other.body?.cancel();
    await flushOutcomes();
    const rows = await sql`
    select arm, sum(n)::int as n, sum(failed)::int as failed from public.flag_metrics where flag_key = 'green.enabled' group by arm`;
    const by = Object.fromEntries(rows.map(({ arm, n }) => [arm, n]));
    // The one with the header from outside is one more visitor.
    assertEquals((by.on ?? 0) + (by.off ?? 0), 41);
    assert(Math.abs((by.on ?? 0) - seen.green) <= 1, `${by.on} ${seen.green}`);
    assertEquals(rows.every(({ failed }) => failed === 0), true);
  },
);

edgeTest("GET /api/metrics/error-rate: rates for everybody, figures with the token", async (edge) => {
  const { sql, url } = edge;
  for (const slug of ["health", "health-green", "health-green"]) {
    await (await fetch(`${url}/functions/v1/${slug}/plain`)).body?.cancel();
  }
  await flushMeasurements();
  await sql`select public.add_measurements(${
    sql.json([{
      name: "request",
      label: "wa-send-green 500",
      n: 2,
      ms: 40,
      counts: [2, ...Array(27).fill(0)],
    }])
  })`;
  const open = await edge.call("gateway/api/metrics/error-rate", { method: "GET" });
  assertEquals(open.status, 200);
  assertEquals(Object.keys(open.body.environments.green), ["error_rate"]);
  const { body } = await edge.call("gateway/api/metrics/error-rate", { method: "GET", headers: TOKEN });
  const { blue, green } = body.environments;
  assertEquals([green.failed, green.requests, green.error_rate], [2, 4, 0.5]);
  assertEquals([blue.failed, blue.error_rate], [0, 0]);
  assert(green.mean_ms > 0 && green.p99_ms > 0);
});

edgeTest(
  "gateway: with the database away the last split stays; GREEN_ENABLED=false is blue for everybody",
  async (edge) => {
    await split(edge, 100);
    assertEquals((await visit(edge)).environment, "green");
    await edge.away(async () => assertEquals((await visit(edge)).environment, "green"));
    const { body } = await edge.call("gateway/split", { method: "GET", headers: TOKEN });
    assertEquals([body.green, body.salt], [100, "green.enabled"]);
    Deno.env.set("GREEN_ENABLED", "false");
    try {
      assertEquals((await visit(edge)).environment, "blue");
    } finally {
      Deno.env.delete("GREEN_ENABLED");
    }
  },
);
