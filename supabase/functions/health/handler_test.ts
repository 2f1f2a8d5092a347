import { assertEquals, assertMatch } from "../../../tests/support/assert.ts";
import { forgetEnv, VARIABLE_NAMES } from "../_shared/config/env.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../_shared/db/schema.ts";
import { Problem } from "../_shared/http/problem.ts";
import { serve } from "../_shared/serve/serve.ts";
import { type ConfigSource, health } from "./handler.ts";
import "../../../tests/support/flushed.ts";

const COMPLETE: Record<string, string> = {
  SUPABASE_URL: "http://127.0.0.1:9",
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_health"}',
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_health"}',
  WHATSAPP_APP_SECRET: "app-secret-value",
  WHATSAPP_VERIFY_TOKEN: "verify-token-value",
  WHATSAPP_ACCESS_TOKEN: "access-token-value",
  GATELINK_VERSION: "1.2.3",
  DEPLOY_ENVIRONMENT: "staging",
};

/** A database that has this schema, and was not broken by it. */
const schema = (
  has: string | null = SCHEMA_VERSION,
  breaks: string | null = null,
  applied: readonly string[] | null = has === null ? null : [...MIGRATIONS, has],
) => ({ has, breaks, applied });

/** A configuration that can be read whole. */
const READABLE: ConfigSource = {
  loadConfig: () => Promise.resolve({ unreadable: [] }),
  configError: () => undefined,
};

/** Asks the function with exactly this environment, over a database that gives or throws this. */
async function ask(values: Record<string, string>, database: unknown, times = 1, config = READABLE) {
  const names = [...VARIABLE_NAMES, "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY", "WA_SEND_ENABLED"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  const { warn, error } = console;
  console.warn = console.error = () => {};
  for (const name of names) {
    values[name] === undefined ? Deno.env.delete(name) : Deno.env.set(name, values[name]);
  }
  forgetEnv();
  try {
    let calls = 0;
    const call = (() => {
      calls++;
      return database instanceof Error ? Promise.reject(database) : Promise.resolve(database);
    }) as Rpc;
    const { fetch } = serve("health", { GET: health(call, config) });
    const answers = await Promise.all(
      Array.from({ length: times }, () => fetch(new Request("http://localhost/functions/v1/health"))),
    );
    const response = answers[0];
    const text = await response.text();
    assertEquals(/value|sb_/.test(text), false, "no value of a variable is shown");
    return { response, body: JSON.parse(text), calls };
  } finally {
    Object.assign(console, { warn, error });
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  }
}

Deno.test("health: 200 with version, environment, switches and schema if it can serve", async () => {
  const { response, body } = await ask({ ...COMPLETE, WA_SEND_ENABLED: "true" }, schema());
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(body, {
    status: "ok",
    version: "1.2.3",
    environment: "staging",
    kill_switches: { WA_SEND_ENABLED: true },
    config: [],
    database: { needs: SCHEMA_VERSION, has: SCHEMA_VERSION, breaks: null, missing: [] },
    configuration: { status: "healthy", why: "can be read" },
  });
});

Deno.test("health: 200 degraded while a kill switch stops something", async () => {
  const { response, body } = await ask({ ...COMPLETE, WA_SEND_ENABLED: "false" }, schema());
  assertEquals([response.status, body.status], [200, "degraded"]);
  assertEquals(body.kill_switches, { WA_SEND_ENABLED: false });
});

Deno.test("health: any page may read the answer, also a refusal", async () => {
  for (const database of [schema(), new Problem("database_unavailable")]) {
    const { response } = await ask(COMPLETE, database);
    assertEquals(response.headers.get("access-control-allow-origin"), "*");
  }
});

Deno.test("health: 200 degraded, naming what a function lacks", async () => {
  const { SUPABASE_URL, SUPABASE_SECRET_KEYS, SUPABASE_PUBLISHABLE_KEYS } = COMPLETE;
  const { response, body } = await ask(
    { SUPABASE_URL, SUPABASE_SECRET_KEYS, SUPABASE_PUBLISHABLE_KEYS },
    schema(),
  );
  assertEquals([response.status, body.status], [200, "degraded"]);
  assertEquals(body.config.map(({ variable }: { variable: string }) => variable), [
    "WHATSAPP_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN",
    "WHATSAPP_ACCESS_TOKEN",
  ]);
  for (const { purpose } of body.config) assertMatch(purpose, /^[a-z]/);
});

Deno.test("health: a database ahead of the code is fine, and so is one without a record", async () => {
  for (const has of ["20991231235959", null]) {
    const { response, body } = await ask(COMPLETE, schema(has));
    assertEquals([response.status, body.database.has], [200, has]);
  }
});

Deno.test("health: 503 when migrations are missing, with both versions", async () => {
  const older = MIGRATIONS[0];
  const { response, body } = await ask(COMPLETE, schema(older, null, [older]));
  assertEquals([response.status, body.code, body.database.has], [503, "schema_outdated", older]);
  assertEquals(body.database.missing, MIGRATIONS.slice(1));
});

Deno.test("health: 503 if an intermediate migration is missing although the newest is there", async () => {
  const [, lacking] = MIGRATIONS;
  const applied = MIGRATIONS.filter((version) => version !== lacking);
  const { response, body } = await ask(COMPLETE, schema(SCHEMA_VERSION, null, applied));
  assertEquals([response.status, body.code, body.database.missing], [503, "schema_outdated", [lacking]]);
});

const unreadable: [string, Partial<ConfigSource>, string, string, RegExp][] = [
  [
    "none could be read",
    {
      loadConfig: () => Promise.reject(new Problem("database_unavailable")),
      configError: () => "no answer within 2 s",
    },
    "down",
    "config_unreadable",
    /every flag is off.*no answer within 2 s/,
  ],
  ["the last known is used", { configError: () => "it failed" }, "degraded", "config_stale", /it failed/],
  [
    "an item cannot be read",
    {
      loadConfig: () =>
        Promise.resolve({ unreadable: [{ kind: "segment", item: "vips", faults: ["0: no"] }] }),
    },
    "degraded",
    "config_item_unreadable",
    /^1 cannot be read.*\(segment\).*health\/detailed/,
  ],
];
for (const [label, source, status, code, why] of unreadable) {
  Deno.test(`health: 200 degraded with ${code}, and no name of an item, while ${label}`, async () => {
    const { response, body } = await ask(COMPLETE, schema(), 1, { ...READABLE, ...source });
    assertEquals([response.status, body.status], [200, "degraded"]);
    assertEquals([body.configuration.status, body.configuration.code], [status, code]);
    assertMatch(body.configuration.why, why);
    assertEquals(JSON.stringify(body).includes("vips"), false);
  });
}

Deno.test("health: 503 if a newer migration breaks this version, with both versions; not if an older one does", async () => {
  const broken = await ask(COMPLETE, schema("20991231000000", "20991230000000"));
  assertEquals([broken.response.status, broken.body.code], [503, "schema_too_new"]);
  assertEquals(broken.body.database, {
    needs: SCHEMA_VERSION,
    has: "20991231000000",
    breaks: "20991230000000",
    missing: [],
  });
  const own = await ask(COMPLETE, schema("20991231000000", SCHEMA_VERSION));
  assertEquals([own.response.status, own.body.database.breaks], [200, SCHEMA_VERSION]);
});

const away: [string, Error, number, string][] = [
  ["away", new Problem("database_unavailable"), 503, "database_unavailable"],
  ["failing", new DbError("schema_state", "XX000", "oops"), 503, "database_unavailable"],
  ["without our functions", new Problem("schema_outdated"), 503, "schema_outdated"],
  ["refusing the key", new DbError("schema_state", "", "no", 401), 500, "config_invalid"],
];
for (const [label, error, status, code] of away) {
  Deno.test(`health: a database ${label} -> ${status} ${code}`, async () => {
    const { response, body } = await ask(COMPLETE, error);
    assertEquals([response.status, body.code, body.version], [status, code, "1.2.3"]);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
  });
}

Deno.test("health: 500 naming the variables without which nothing works", async () => {
  const { response, body, calls } = await ask({}, schema());
  assertEquals([response.status, body.code, calls], [500, "config_invalid", 0]);
  assertEquals(body.config[0].variable, "SUPABASE_URL");
});

Deno.test("health: concurrent callers cost the database one query", async () => {
  assertEquals((await ask(COMPLETE, schema(), 50)).calls, 1);
});
