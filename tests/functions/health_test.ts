/** `GET /functions/v1/health/detailed` on the real functions and database. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { SCHEMA_VERSION } from "../../supabase/functions/_shared/db/schema.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { until } from "../support/until.ts";

async function detailed({ url }: Edge, apikey: string = KEYS.secretKey) {
  const response = await fetch(`${url}/functions/v1/health/detailed`, { headers: { apikey } });
  // deno-lint-ignore no-explicit-any
  const body: any = await response.json();
  const part = (name: string) =>
    // deno-lint-ignore no-explicit-any
    body.components.find(({ component }: any) => component === name);
  return { status: response.status, body, part };
}

edgeTest("health/detailed: reports each component, from the real database", async (edge) => {
  const { sql } = edge;
  // Ahead of us, so that it is young however long the question takes.
  await sql`update private.config_revision set installed_at = clock_timestamp() + interval '1 hour'`;
  const young = await detailed(edge);
  assertEquals(young.part("clock").status, "healthy", "nothing is due yet");
  assertEquals(young.part("clock").why, "starting: installed 0 s ago");
  await sql`update private.config_revision set installed_at = clock_timestamp() - interval '1 hour'`;
  const first = await detailed(edge);
  assertEquals([first.status, first.body.status], [200, "down"], "the clock has never run");
  assertEquals(first.part("clock").why, "has never run");
  assertEquals([first.part("database").needs, first.part("database").has], [SCHEMA_VERSION, SCHEMA_VERSION]);
  assert(first.part("database").latency_ms >= 0);
  assertEquals(first.part("settings_cache").status, "healthy");
  assertEquals(first.part("queue").unrouted.n, 0);
  assertEquals(first.part("config").why, "no active route leads to an active destination");

  await sql`select private.sample_minutes(clock_timestamp())`;
  await sql`insert into public.destinations (name, url) values ('shop', 'http://127.0.0.1:9/')`;
  await sql`insert into public.routes (name, condition) values ('all', '{"type": "any"}')`;
  await sql`insert into public.route_destinations select r.id, d.id, 0 from public.routes r, public.destinations d`;
  // A database that is slow for once, on a busy machine, is degraded.
  await until("all parts are healthy", async () => {
    const { status, body } = await detailed(edge);
    return status === 200 && body.status === "healthy";
  });
});

edgeTest("health/detailed: for secret keys only", async (edge) => {
  assertEquals((await detailed(edge, "sb_secret_other")).body.code, "unauthorized");
  assertEquals((await detailed(edge, KEYS.publishableKey)).body.code, "forbidden");
  const other = await fetch(`${edge.url}/functions/v1/health/other`, { headers: { apikey: KEYS.secretKey } });
  assertEquals((await other.json()).code, "not_found");
});

edgeTest(
  "health/detailed: 503 if traffic should go elsewhere, with everything that is known",
  async (edge) => {
    const { sql, away } = edge;
    await detailed(edge);
    await away(async () => {
      const { status, body, part } = await detailed(edge);
      assertEquals([status, body.code, part("database").status], [503, "database_unavailable", "down"]);
      assertEquals([part("clock").status, part("settings_cache").component], ["degraded", "settings_cache"]);
    });
    await sql`alter function public.health() rename to health_other`;
    try {
      assertEquals((await detailed(edge)).body.code, "schema_outdated");
    } finally {
      await sql`alter function public.health_other() rename to health`;
    }
    await sql`delete from supabase_migrations.schema_migrations`;
    // Of somebody else in the same project: neither old nor new by our count.
    await sql`insert into supabase_migrations.schema_migrations (version) values ('20200101000000'), ('20991231000000')`;
    const { status, body, part } = await detailed(edge);
    assertEquals([status, body.code, part("database").status], [503, "schema_outdated", "down"]);
  },
);

edgeTest(
  "health: schema_outdated if the function that reports the schema version is missing",
  async (edge) => {
    const { sql, call } = edge;
    await sql`alter function public.schema_state() rename to schema_other`;
    await until("the version that was asked a moment ago is forgotten", async () => {
      const { status, body } = await call("health", { method: "GET" });
      return status === 503 && body.code === "schema_outdated";
    });
    await sql`alter function public.schema_other() rename to schema_state`;
  },
);

edgeTest(
  "serve: answers are measured by function and status, with kill switches separate",
  async (edge) => {
    const { sql, call } = edge;
    const { flushMeasurements } = await import("../../supabase/functions/_shared/db/measurements.ts");
    await call("health", { method: "GET" });
    await call("health", { method: "PUT" });
    await call("wa-send", {});
    Deno.env.set("WA_SEND_ENABLED", "false");
    try {
      assertEquals((await call("wa-send", {})).status, 503);
    } finally {
      Deno.env.delete("WA_SEND_ENABLED");
    }
    await flushMeasurements();
    const rows = await sql`
    select label, n::int, (ms > 0) as timed, (select sum(c) from unnest(counts) c)::int as counted
    from public.measurements where name = 'request' and minute = '-infinity' order by label`;
    const one = { n: 1, timed: true, counted: 1 };
    assertEquals(rows.map((row) => ({ ...row })), [
      { label: "health 200", ...one },
      { label: "health 405", ...one },
      { label: "wa-send 401", ...one },
      { label: "wa-send disabled", ...one },
    ]);
  },
);

edgeTest(
  "health/detailed: names a route that the router cannot use, however it was written",
  async (edge) => {
    const { sql, reread } = edge;
    await sql`insert into public.routes (name, condition) values
    ('office', '{"type": "text", "match": "regex", "value": "("}'), ('off', '{"type": "later"}')`;
    await sql`update public.routes set active = false where name = 'off'`;
    await reread();
    const { why } = (await detailed(edge)).part("config");
    assertMatch(why, /the route office is invalid: values\[0\]: /);
    assert(!why.includes("route off "), why);
  },
);

edgeTest(
  "health/detailed: names invalid apps that were stored before they were refused",
  async (edge) => {
    const { sql, reread } = edge;
    await sql`alter table public.settings disable trigger stamp`;
    await sql`insert into public.settings (key, value, version, updated_at, updated_by)
    values ('deeplinks.apps', '{"android":[{"package":"com.example.app"}]}', 1, now(), 'test')`;
    await sql`alter table public.settings enable trigger stamp`;
    await reread();
    const { why } = (await detailed(edge)).part("config");
    assertMatch(why, /the setting deeplinks\.apps is wrong: android\[0\]\.sha256 must list fingerprints/);
  },
);

edgeTest(
  "health/detailed: names an invalid limit without its value, and the built-in limit applies",
  async (edge) => {
    await edge.set({ "wa_send.rate_per_second": "10001", "flags.rate_per_second": "1000000" });
    const { why } = (await detailed(edge)).part("config");
    assertMatch(
      why,
      /the setting wa_send\.rate_per_second must be a number above 0, at most 10000; until then 80 /,
    );
    assert(!why.includes("10001") && !why.includes("flags"), why);
    const { headers } = await edge.send({ to: "12025550123", type: "text", text: { body: "Hello" } });
    assertEquals(headers.get("ratelimit-policy"), '"send";q=160;w=2');
  },
);

edgeTest("health/plain: statuses for everybody, and 503 while traffic should go elsewhere", async (edge) => {
  const { sql, url, away } = edge;
  const ask = async (path: string) => {
    const response = await fetch(`${url}/functions/v1/health/plain${path}`);
    return { status: response.status, body: await response.json() };
  };
  await until("plain health is of now", async () => {
    const { status, body } = await ask("");
    return status === 200 && body.environment === "blue" && ["healthy", "degraded"].includes(body.status);
  });
  await sql`update private.config_revision set installed_at = clock_timestamp() - interval '1 hour'`;
  await sql`select private.sample_minutes(clock_timestamp())`;
  await sql`insert into public.destinations (name, url) values ('shop', 'http://127.0.0.1:9/')`;
  await sql`insert into public.routes (name, condition) values ('all', '{"type": "any"}')`;
  await sql`insert into public.route_destinations select r.id, d.id, 0 from public.routes r, public.destinations d`;
  const { body } = await until("all parts are healthy", async () => {
    await edge.reread();
    const answer = await ask("/detailed");
    return answer.status === 200 && answer.body.status === "healthy" ? answer : undefined;
  });
  assertEquals(body.components.database, { status: "healthy" });
  assertEquals(body.components.redis, { status: "healthy", why: "not used: Postgres is queue and cache" });
  assertEquals(Object.keys(body).sort(), ["components", "environment", "status"]);
  await away(async () => {
    await until("both say that the database is away", async () => {
      await edge.reread();
      const answers = await Promise.all([ask(""), ask("/detailed")]);
      return answers.every(({ status, body }) => status === 503 && body.status === "down");
    });
  });
});
