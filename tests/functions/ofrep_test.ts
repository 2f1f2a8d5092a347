/**
 * Flags for apps and services: OpenFeature's own SDKs, unchanged, and the protocol itself (OFREP 0.3), against the
 * deployed function on a real database.
 */
import { createHmac } from "node:crypto";
import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature } from "@openfeature/server-sdk";
import { OpenFeature as WebOpenFeature } from "@openfeature/web-sdk";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

/** Reads each answer to its end, as the SDKs do not with those of which they only need the status. */
async function fetchWhole(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  const body = await response.arrayBuffer();
  return new Response(body.byteLength === 0 ? null : body, response);
}

/** Who is in the first half of `half.enabled`, and who is not. */
const IDS = Array.from({ length: 50 }, (_, i) => `user-${i}`);
const IN = IDS.find((id) => bucket("half.enabled", id) < 5000)!;
const OUT = IDS.find((id) => bucket("half.enabled", id) >= 5000)!;

/** What lets apps read a flag. */
const APPS = { client: true };

/** Every kind of flag. */
async function makeFlags({ sql, set }: Edge): Promise<void> {
  await sql`insert into public.segments (key) values ('beta')`;
  await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', 'tester')`;
  await set({
    "all.enabled": { value: "true", metadata: APPS },
    "none.enabled": { value: "false", metadata: APPS },
    "half.enabled": { value: "true", metadata: { ...APPS, rollout_percentage: 50 } },
    "ids.enabled": { value: "true", metadata: { ...APPS, rollout_percentage: 0, target_user_ids: ["u1"] } },
    "beta.enabled": {
      value: "true",
      metadata: { ...APPS, target_segments: ["beta"], description: "Who asked for it" },
    },
    "needs_half.enabled": { value: "true", metadata: { ...APPS, prerequisites: ["half.enabled"] } },
    "checkout.colour": { value: "green", metadata: { ...APPS, type: "string" } },
    "checkout.limit": { value: "12.5", metadata: { ...APPS, type: "number" } },
    "checkout.layout": { value: '{"columns":2,"order":["a","b"]}', metadata: { ...APPS, type: "object" } },
    "checkout.broken": { value: "many", metadata: { ...APPS, type: "number" } },
    "not.a.flag": "hidden",
  });
}

const base = (edge: Edge) => `${edge.url}/functions/v1/flags`;

edgeTest("OpenFeature's server SDK evaluates every kind of flag", async (edge) => {
  await makeFlags(edge);
  for (
    const [label, header] of [
      ["X-API-Key", ["X-API-Key", KEYS.publishableKey]],
      ["bearer", ["Authorization", `Bearer ${KEYS.publishableKey}`]],
      ["apikey", ["apikey", KEYS.publishableKey]],
    ] as [string, [string, string]][]
  ) {
    await OpenFeature.setProviderAndWait(
      label,
      new OFREPProvider({ baseUrl: base(edge), fetchImplementation: fetchWhole, headers: [header] }),
    );
    const client = OpenFeature.getClient(label);
    const ask = async (key: string, targetingKey?: string) => {
      const { value, reason, errorCode, variant } = await client.getBooleanDetails(
        key,
        false,
        targetingKey === undefined ? {} : { targetingKey },
      );
      return [value, reason, errorCode ?? variant];
    };
    assertEquals(await ask("all.enabled", "u1"), [true, "STATIC", "on"], label);
    assertEquals(await ask("all.enabled"), [true, "STATIC", "on"]);
    assertEquals(await ask("none.enabled", "u1"), [false, "DISABLED", "off"]);
    assertEquals(await ask("half.enabled", IN), [true, "SPLIT", "on"]);
    assertEquals(await ask("half.enabled", OUT), [false, "SPLIT", "off"]);
    assertEquals(await ask("half.enabled"), [false, "ERROR", "TARGETING_KEY_MISSING"]);
    assertEquals(await ask("ids.enabled", "u1"), [true, "TARGETING_MATCH", "on"]);
    assertEquals(await ask("ids.enabled", "u2"), [false, "STATIC", "off"]);
    assertEquals(await ask("beta.enabled", "tester"), [true, "TARGETING_MATCH", "on"]);
    assertEquals(await ask("needs_half.enabled", IN), [true, "STATIC", "on"]);
    assertEquals(await ask("needs_half.enabled", OUT), [false, "DISABLED", "off"]);
    assertEquals(await ask("gone.enabled", "u1"), [false, "ERROR", "FLAG_NOT_FOUND"]);
    assertEquals(await client.getStringValue("checkout.colour", "grey"), "green");
    assertEquals(await client.getNumberValue("checkout.limit", 0), 12.5);
    assertEquals(await client.getObjectValue("checkout.layout", {}), { columns: 2, order: ["a", "b"] });
    assertEquals((await client.getNumberDetails("checkout.broken", 7)).errorCode, "PARSE_ERROR");
    assertEquals((await client.getStringDetails("all.enabled", "x")).errorCode, "TYPE_MISMATCH");
    assertEquals((await client.getStringDetails("not.a.flag", "x")).errorCode, "FLAG_NOT_FOUND");
    assertEquals(
      (await client.getBooleanDetails("beta.enabled", false, { targetingKey: "x" })).flagMetadata,
      {},
    );
  }
  await OpenFeature.setProviderAndWait(
    "secret",
    new OFREPProvider({
      baseUrl: base(edge),
      fetchImplementation: fetchWhole,
      headers: [["X-API-Key", KEYS.secretKey]],
    }),
  );
  const details = await OpenFeature.getClient("secret").getBooleanDetails("beta.enabled", false, {
    targetingKey: "tester",
  });
  assertEquals(details.flagMetadata, {
    version: 1,
    client: true,
    segments: "beta",
    description: "Who asked for it",
  });
  await OpenFeature.close();
});

edgeTest(
  "OpenFeature's server SDK uses the code's default without a key, and waits when told to",
  async (edge) => {
    await makeFlags(edge);
    await OpenFeature.setProviderAndWait(
      "nobody",
      new OFREPProvider({ baseUrl: base(edge), fetchImplementation: fetchWhole }),
    );
    const nobody = await OpenFeature.getClient("nobody").getBooleanDetails("all.enabled", false);
    assertEquals([nobody.value, nobody.reason], [false, "ERROR"]);
    await edge.set({ "flags.rate_per_second": "1" });
    await OpenFeature.setProviderAndWait(
      "hasty",
      new OFREPProvider({
        baseUrl: base(edge),
        fetchImplementation: fetchWhole,
        headers: [["X-API-Key", KEYS.publishableKey]],
      }),
    );
    const client = OpenFeature.getClient("hasty");
    assertEquals(await client.getBooleanValue("all.enabled", false), true);
    const messages: (string | undefined)[] = [];
    for (let i = 0; i < 2; i++) {
      messages.push(
        (await client.getBooleanDetails("all.enabled", false)).errorMessage,
      );
    }
    assertMatch(messages[0]!, /rate limit/);
    assertMatch(messages[1]!, /paused due to TooManyRequests/);
    await OpenFeature.close();
  },
);

edgeTest(
  "OpenFeature's web SDK fetches all flags at once, and again when they or the context change",
  async (edge) => {
    await makeFlags(edge);
    const asked: { status: number; etag: string | null }[] = [];
    const provider = new OFREPWebProvider({
      baseUrl: base(edge),
      headers: [["X-API-Key", KEYS.publishableKey]],
      pollInterval: 0,
      cacheMode: "disabled",
      fetchImplementation: async (input: RequestInfo | URL, init?: RequestInit) => {
        const response = await fetchWhole(input, init);
        asked.push({ status: response.status, etag: response.headers.get("etag") });
        return response;
      },
    });
    await WebOpenFeature.setContext({ targetingKey: IN, plan: "free" });
    await WebOpenFeature.setProviderAndWait(provider);
    const client = WebOpenFeature.getClient();
    assertEquals(client.getBooleanValue("all.enabled", false), true);
    assertEquals(client.getBooleanValue("half.enabled", false), true);
    assertEquals(client.getBooleanDetails("none.enabled", true).reason, "DISABLED");
    assertEquals(client.getStringValue("checkout.colour", "grey"), "green");
    assertEquals(client.getNumberValue("checkout.limit", 0), 12.5);
    assertEquals(client.getObjectValue("checkout.layout", {}), { columns: 2, order: ["a", "b"] });
    assertEquals(client.getNumberDetails("checkout.broken", 7).errorCode, "PARSE_ERROR");
    assertEquals(client.getBooleanDetails("gone.enabled", false).errorCode, "FLAG_NOT_FOUND");

    // The client keeps its ETag when only the rest of the context changes: that must not get it a 304.
    await WebOpenFeature.setContext({ targetingKey: IN, plan: "premium" });
    assertEquals(asked.map(({ status }) => status), [200, 200]);
    await WebOpenFeature.setContext({ targetingKey: IN, plan: "premium" });
    assertEquals(asked.at(-1)!.status, 304);
    await WebOpenFeature.setContext({ targetingKey: OUT });
    assertEquals(client.getBooleanValue("half.enabled", true), false);
    await edge.set({ "half.enabled": { value: "true", metadata: { ...APPS, rollout_percentage: 100 } } });
    await WebOpenFeature.setContext({ targetingKey: OUT });
    assertEquals(asked.at(-1)!.status, 200);
    assertEquals(client.getBooleanValue("half.enabled", false), true);
    await WebOpenFeature.close();
  },
);

/** One request to the function; the path comes after its name. */
async function ask(
  edge: Edge,
  path: string,
  { key = KEYS.publishableKey, body, ...init }:
    & { key?: string | null; body?: unknown }
    & Omit<RequestInit, "body"> = {},
) {
  const response = await fetch(base(edge) + path, {
    method: "POST",
    ...init,
    headers: {
      "content-type": "application/json",
      ...(key === null ? {} : { "x-api-key": key }),
      ...(init.headers as Record<string, string> | undefined),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

const ONE = "/ofrep/v1/evaluate/flags/all.enabled";
const ALL = "/ofrep/v1/evaluate/flags";
const CONTEXT = { context: { targetingKey: "u1" } };

edgeTest("OFREP: failed evaluations use the protocol's error codes", async (edge) => {
  await makeFlags(edge);
  const cases: [path: string, body: unknown, status: number, errorCode: string][] = [
    [ONE, "{", 400, "PARSE_ERROR"],
    [ONE, " ", 400, "PARSE_ERROR"],
    [ONE, "[".repeat(4000) + "]".repeat(4000), 400, "PARSE_ERROR"],
    [ONE, "null", 400, "INVALID_CONTEXT"],
    [ONE, "[]", 400, "INVALID_CONTEXT"],
    [ONE, '"u1"', 400, "INVALID_CONTEXT"],
    [ONE, { context: null }, 400, "INVALID_CONTEXT"],
    [ONE, { context: [] }, 400, "INVALID_CONTEXT"],
    [ONE, { context: "u1" }, 400, "INVALID_CONTEXT"],
    [ONE, { context: { targetingKey: 7 } }, 400, "INVALID_CONTEXT"],
    [`${ALL}/half.enabled`, { context: {} }, 400, "TARGETING_KEY_MISSING"],
    [`${ALL}/half.enabled`, {}, 400, "TARGETING_KEY_MISSING"],
    [`${ALL}/half.enabled`, undefined, 400, "TARGETING_KEY_MISSING"],
    [`${ALL}/checkout.broken`, CONTEXT, 400, "PARSE_ERROR"],
    [`${ALL}/gone.enabled`, CONTEXT, 404, "FLAG_NOT_FOUND"],
    [`${ALL}/not.a.flag`, CONTEXT, 404, "FLAG_NOT_FOUND"],
    [`${ALL}/__proto__`, CONTEXT, 404, "FLAG_NOT_FOUND"],
  ];
  for (const [path, body, status, errorCode] of cases) {
    const answer = await ask(edge, path, { body });
    assertEquals(
      [answer.status, answer.body.errorCode],
      [status, errorCode],
      `${path} ${JSON.stringify(body)}`,
    );
    assertEquals(answer.body.key, decodeURIComponent(path.slice(ALL.length + 1)));
    assertEquals(answer.headers.get("content-type"), "application/json");
    assert(answer.body.errorDetails.length > 0);
  }
  const bulk = await ask(edge, ALL, { body: { context: { targetingKey: {} } } });
  assertEquals([bulk.status, Object.keys(bulk.body).sort()], [400, ["errorCode", "errorDetails"]]);
  const { body } = await ask(edge, ALL, { body: { context: {} } });
  const half = body.flags.find(({ key }: { key: string }) => key === "half.enabled");
  assertEquals(half.errorCode, "TARGETING_KEY_MISSING");
  const all = body.flags.find(({ key }: { key: string }) => key === "all.enabled");
  assertEquals(all, { key: "all.enabled", value: true, reason: "STATIC", variant: "on" });
});

edgeTest("OFREP: neither the body nor its context is required", async (edge) => {
  await makeFlags(edge);
  const expected = await ask(edge, ONE, { body: { context: {} } });
  assertEquals([expected.status, expected.body.value], [200, true]);
  const all = await ask(edge, ALL, { body: { context: {} } });
  for (const body of [undefined, "", {}]) {
    const one = await ask(edge, ONE, { body });
    assertEquals([one.status, one.body], [200, expected.body], JSON.stringify(body));
    const bulk = await ask(edge, ALL, { body });
    assertEquals([bulk.status, bulk.body], [200, all.body], JSON.stringify(body));
    const again = await ask(edge, ALL, { body, headers: { "if-none-match": bulk.headers.get("etag")! } });
    assertEquals(again.status, 304);
  }
});

edgeTest("OFREP: keys with unusual characters, and paths as the hosted runtime passes them", async (edge) => {
  await edge.set({ "a b/ü%.enabled": { value: "true", metadata: APPS } });
  const key = encodeURIComponent("a b/ü%.enabled");
  const answer = await ask(edge, `${ALL}/${key}?x=1`, { body: CONTEXT });
  assertEquals([answer.status, answer.body.key, answer.body.value], [200, "a b/ü%.enabled", true]);
  assertEquals((await ask(edge, `${ALL}/%ff`, { body: CONTEXT })).status, 404);
  assertEquals((await ask(edge, `${ALL}ish`, { body: CONTEXT })).status, 404);
  assertEquals((await ask(edge, `${ALL}/`, { body: CONTEXT })).body.flags.length > 0, true);
  const { default: flags } = await import("../../supabase/functions/flags/index.ts");
  const hosted = await flags.fetch(
    new Request(`http://localhost/flags${ALL}/${key}`, {
      method: "POST",
      headers: { apikey: KEYS.publishableKey },
      body: JSON.stringify(CONTEXT),
    }),
  );
  assertEquals((await hosted.json()).value, true);
});

edgeTest(
  "OFREP: an app reads the flags marked for apps, singly and in bulk, and no others",
  async (edge) => {
    await edge.set({
      "marked.enabled": { value: "true", metadata: { ...APPS, prerequisites: ["needed.enabled"] } },
      "needed.enabled": "true",
      "unmarked.enabled": "true",
      "closed.enabled": { value: "true", metadata: { client: false, target_user_ids: ["u1"] } },
      "deeplinks.enabled": "true",
    });
    await edge.reread();
    const all = async (key: string) =>
      (await ask(edge, ALL, { key, body: CONTEXT })).body.flags.map(({ key }: { key: string }) => key);
    assertEquals(await all(KEYS.publishableKey), ["marked.enabled"]);
    const seen = await all(KEYS.secretKey);
    for (const key of ["needed", "unmarked", "closed", "deeplinks"]) {
      assertEquals(seen.includes(`${key}.enabled`), true, key);
      const one = await ask(edge, `${ALL}/${key}.enabled`, { body: CONTEXT });
      assertEquals([one.status, one.body.errorCode], [404, "FLAG_NOT_FOUND"], key);
    }
    assertEquals((await ask(edge, `${ALL}/marked.enabled`, { body: CONTEXT })).body.value, true);
    await edge.sql`update public.settings set metadata = '{}' where key = 'marked.enabled'`;
    await edge.reread();
    assertEquals(await all(KEYS.publishableKey), []);
  },
);

edgeTest("OFREP: a UUID in capital letters is the same person", async (edge) => {
  const id = "01968F00-00AB-7000-8000-0000000000EF";
  await edge.set({
    "listed.enabled": { value: "true", metadata: { target_user_ids: [id] } },
    "part.enabled": { value: "true", metadata: { rollout_percentage: 50 } },
  });
  await edge.reread();
  const asked = async (targetingKey: string) => {
    const { body } = await ask(edge, ALL, { key: KEYS.secretKey, body: { context: { targetingKey } } });
    return body.flags.map(({ key, value, reason }: Record<string, unknown>) => [key, value, reason]);
  };
  assertEquals(await asked(id), await asked(id.toLowerCase()));
  assertEquals((await asked(id)).find(([key]: string[]) => key === "listed.enabled"), [
    "listed.enabled",
    true,
    "TARGETING_MATCH",
  ]);
});

edgeTest(
  "OFREP: a publishable key reveals nobody's place on a list and none of the gateway's own flags",
  async (edge) => {
    const testers = ["maria@example.com", "Max+x@example.com", "491701234567", "+49 170 1234567"];
    await makeFlags(edge);
    await edge.set({
      "deeplinks.enabled": "true",
      "wa_send.enabled": "true",
      "wa_router.enabled": "true",
      "listed.enabled": { value: "true", metadata: { ...APPS, target_user_ids: testers } },
      "listed_half.enabled": {
        value: "true",
        metadata: { ...APPS, target_user_ids: testers, rollout_percentage: 50 },
      },
      "needs_listed.enabled": { value: "true", metadata: { ...APPS, prerequisites: ["listed.enabled"] } },
    });
    await edge.sql`insert into public.segment_members (segment_key, subject_id)
    select 'beta', tester from unnest(${testers}::text[]) tester`;
    await edge.reread();
    const asked = async (targetingKey: string, key: string, more = {}) => {
      const { body } = await ask(edge, ALL, { key, body: { context: { targetingKey, ...more } } });
      const flags = body.flags as { key: string; value: unknown; reason: string }[];
      return Object.fromEntries(flags.map(({ key, value, reason }) => [key, `${value} ${reason}`]));
    };
    for (const tester of testers) {
      const told = await asked(tester, KEYS.publishableKey);
      const { "half.enabled": _, "needs_half.enabled": __, "listed_half.enabled": split, ...rest } = told;
      const { "half.enabled": ___, "needs_half.enabled": ____, "listed_half.enabled": others, ...nobody } =
        await asked(
          "nobody@example.com",
          KEYS.publishableKey,
        );
      assertEquals(rest, nobody, "as of somebody who is on no list");
      assertMatch(`${split}, ${others}`, /^(true|false) SPLIT, (true|false) SPLIT$/);
      for (const own of ["deeplinks", "wa_send", "wa_router"]) {
        assertEquals(told[`${own}.enabled`], undefined);
        const one = await ask(edge, `${ALL}/${own}.enabled`, { body: CONTEXT });
        assertEquals([one.status, one.body.errorCode], [404, "FLAG_NOT_FOUND"]);
      }
      // Whom the team's own word stands for.
      const sig = createHmac("sha256", KEYS.audienceSecret).update(tester).digest("hex").slice(0, 32);
      assertEquals(
        (await asked(tester, KEYS.publishableKey, { sig }))["listed.enabled"],
        "true TARGETING_MATCH",
      );
      assertEquals(
        (await asked(tester, KEYS.publishableKey, { sig: sig.replace(/./, (c) => c === "0" ? "1" : "0") }))[
          "listed.enabled"
        ],
        "false STATIC",
      );
      const server = await asked(tester, KEYS.secretKey);
      assertEquals([server["listed.enabled"], server["beta.enabled"]], [
        "true TARGETING_MATCH",
        "true TARGETING_MATCH",
      ]);
      assertEquals(server["wa_send.enabled"], "true STATIC");
    }
    // An id that says nothing of itself is a service's own business.
    assertEquals((await asked("u1", KEYS.publishableKey))["ids.enabled"], "true TARGETING_MATCH");
  },
);

edgeTest("OFREP: requires a key of the project", async (edge) => {
  await makeFlags(edge);
  for (const path of [ONE, ALL]) {
    assertEquals((await ask(edge, path, { key: null, body: CONTEXT })).status, 401);
    const wrong = await ask(edge, path, { key: "sb_publishable_other", body: CONTEXT });
    assertEquals([wrong.status, wrong.headers.get("access-control-allow-origin")], [401, "*"]);
    assertEquals((await ask(edge, path, { method: "GET" })).status, 405);
  }
  const large = await ask(edge, ONE, { body: { context: { targetingKey: "x".repeat(70_000) } } });
  assertEquals(large.status, 413);
  const shown = await ask(edge, ALL, { key: KEYS.secretKey, body: CONTEXT });
  assertEquals(typeof shown.body.metadata.revision, "number");
  assert(shown.body.flags.every(({ metadata }: { metadata?: unknown }) => metadata !== undefined));
  const hidden = await ask(edge, ALL, { body: CONTEXT });
  assertEquals(JSON.stringify(hidden.body).includes("metadata"), false);
});

edgeTest("OFREP: an ETag covers configuration, context, kill switches and the kind of key", async (edge) => {
  await makeFlags(edge);
  const tagOf = async (options: Parameters<typeof ask>[2] = {}) => {
    const { status, headers } = await ask(edge, ALL, { body: CONTEXT, ...options });
    assertEquals(status, 200);
    return headers.get("etag")!;
  };
  const tag = await tagOf();
  assertEquals(await tagOf(), tag);
  const same = await ask(edge, ALL, { body: CONTEXT, headers: { "if-none-match": `W/${tag}, "other"` } });
  assertEquals([same.status, same.body, same.headers.get("etag")], [304, null, tag]);
  const others = [
    await tagOf({ body: { context: { targetingKey: "u2" } } }),
    await tagOf({ body: { context: { targetingKey: "u1", plan: "premium" } } }),
    await tagOf({ key: KEYS.secretKey }),
  ];
  Deno.env.set("ALL_ENABLED", "false");
  try {
    others.push(await tagOf());
  } finally {
    Deno.env.delete("ALL_ENABLED");
  }
  await edge.set({ "none.enabled": "true" });
  others.push(await tagOf());
  await edge.sql`insert into public.segment_members (segment_key, subject_id) values ('beta', 'u1')`;
  await edge.reread();
  others.push(await tagOf());
  for (const other of others) assertNotEquals(other, tag);
  assertEquals(new Set(others).size, others.length);
});

edgeTest("OFREP: the environment turns off a flag and the flags that require it", async (edge) => {
  await makeFlags(edge);
  const value = async (key: string) =>
    (await ask(edge, `${ALL}/${key}`, { body: { context: { targetingKey: IN } } })).body;
  assertEquals((await value("needs_half.enabled")).value, true);
  for (const name of ["HALF_ENABLED", "FEATURE_ENABLED"]) {
    Deno.env.set(name, "false");
    try {
      for (const key of ["half.enabled", "needs_half.enabled"]) {
        assertEquals(await value(key), { key, value: false, reason: "DISABLED", variant: "off" });
      }
    } finally {
      Deno.env.delete(name);
    }
  }
});

edgeTest("OFREP: a browser of another origin may call it", async (edge) => {
  await makeFlags(edge);
  const preflight = await ask(edge, ONE, { method: "OPTIONS", key: null });
  assertEquals(preflight.status, 204);
  const allowed = preflight.headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
  for (const header of ["x-api-key", "authorization", "content-type", "if-none-match"]) {
    assert(allowed.includes(header), header);
  }
  const { headers } = await ask(edge, ALL, { body: CONTEXT });
  assertEquals(headers.get("access-control-allow-origin"), "*");
  assertMatch(headers.get("access-control-expose-headers")!, /ETag/);
});

edgeTest("flags: services report outcomes with a secret key, each person once a minute", async (edge) => {
  // A flag that no other test of this process has asked for: its use is noted once an hour.
  const flag = "reported.enabled";
  await edge.set({ [flag]: { value: "true", metadata: { rollout_percentage: 50, salt: "half.enabled" } } });
  const report = (outcomes: unknown, key: string | null = KEYS.secretKey) =>
    ask(edge, "/outcomes", { key, body: { outcomes } });
  const one = (targetingKey: string, failed = false, latency_ms?: number) => ({
    flag,
    targetingKey,
    failed,
    latency_ms,
  });
  assertEquals((await report([one(IN)], KEYS.publishableKey)).status, 403);
  assertEquals((await report([one(IN)], null)).status, 401);
  for (const wrong of ["x", [{}], [{ ...one(IN), failed: 1 }], [one("")], [one(IN, false, -1)]]) {
    assertEquals((await report(wrong)).status, 422, JSON.stringify(wrong));
  }
  const accepted = await report([
    one(IN, true, 120),
    one(IN, true, 130),
    one(OUT, false, 40),
    { ...one(IN), flag: "gone.enabled" },
  ]);
  assertEquals([accepted.status, accepted.body], [202, { accepted: 3 }]);
  const { flushOutcomes } = await import("../../supabase/functions/_shared/rollouts/outcomes.ts");
  await flushOutcomes();
  const rows = await edge.sql`
    select arm, n, failed, timed, ms::int, le[7] as within_150, le[6] as within_100 from public.flag_metrics
    where flag_key = ${flag} order by arm`;
  assertEquals([...rows].map((row) => ({ ...row })), [
    { arm: "off", n: 1, failed: 0, timed: 1, ms: 40, within_150: 1, within_100: 1 },
    { arm: "on", n: 1, failed: 1, timed: 1, ms: 120, within_150: 1, within_100: 0 },
  ]);
  const evaluated = await edge.sql`select flag_key from public.flag_evaluations where flag_key = ${flag}`;
  assertEquals(evaluated.length, 1);
});
