/** `PATCH /wa-router/destinations/{name}/headers` and `POST /wa-router/destinations/reseal`: credentials that the database cannot read. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";
import { person, states } from "../support/routed.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";

const KEY = { apikey: KEYS.secretKey };
const NEW = `new:${btoa("n".repeat(32))}`;

const set = ({ call }: Edge, name: string, headers: unknown, key: HeadersInit = KEY) =>
  call(`wa-router/destinations/${name}/headers`, { method: "PATCH", headers: key, body: { headers } });

const reseal = ({ call }: Edge, key: HeadersInit = KEY) =>
  call("wa-router/destinations/reseal", { headers: key });

/** Runs `use` with these keys in the environment. */
async function withKeys(keys: string, use: () => Promise<void>): Promise<void> {
  Deno.env.set("SEALING_KEYS", keys);
  forgetEnv();
  try {
    await use();
  } finally {
    Deno.env.set("SEALING_KEYS", KEYS.sealingKeys);
    forgetEnv();
  }
}

edgeTest("headers: sent with each delivery and test, stored encrypted, shown to nobody", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using service = startService();
  service.answers(({ headers }) => new Response(`you sent ${headers.get("authorization")}`));
  await addDestination(sql, "shop", service);
  await addRoute(sql, ["shop"]);
  await reread();
  const { status, body } = await set(edge, "shop", {
    Authorization: "Bearer abcdef123456",
    apikey: "sb_secret_x1y2z3",
  });
  assertEquals(status, 200);
  assertEquals(body.headers.map((one: { name: string; key: string }) => [one.name, one.key]), [
    ["apikey", "test"],
    ["authorization", "test"],
  ]);
  await says(person(edge), "1");
  await settled();
  const tested = await edge.call("wa-router/destinations/shop/test", { headers: KEY });
  assertEquals([tested.body.ok, tested.body.answer], [true, "you sent [redacted]"]);
  assertEquals(service.received.length, 2);
  for (const { headers } of service.received) {
    assertEquals([headers.get("authorization"), headers.get("apikey")], [
      "Bearer abcdef123456",
      "sb_secret_x1y2z3",
    ]);
  }
  const kept = JSON.stringify([
    await sql`select * from private.destination_headers`,
    await sql`select answer from public.delivery_attempts`,
    await sql`select public.destination_health()`,
    body,
  ]);
  assert(!/abcdef123456|x1y2z3/.test(kept), "a value can be read");
  assertEquals((await set(edge, "shop", { apikey: null })).body.headers.length, 1);
});

edgeTest(
  "headers: one that cannot be decrypted fails the delivery with its own error, and nothing is sent without it",
  async (edge) => {
    const { sql, says, settled, reread } = edge;
    await using service = startService();
    await addDestination(sql, "shop", service);
    await addRoute(sql, ["shop"]);
    await reread();
    await set(edge, "shop", { authorization: "Bearer abcdef123456" });
    await withKeys(NEW, async () => {
      await says(person(edge), "1");
      await settled();
      const { body } = await edge.call("wa-router/destinations/shop/test", { headers: KEY });
      assertEquals([body.ok, body.error], [false, "unsendable"]);
      assertMatch(body.detail, /^the header authorization: .* the key test, which is not there$/);
      assertEquals([service.received, await states(sql)], [[], ["pending"]]);
      assertEquals((await reseal(edge)).body, { key: "new", resealed: 0, left: 1 });
    });
    // Sealed for one destination, it does not open for another.
    await addDestination(sql, "other", service);
    await sql`update private.destination_headers set destination_id = (select id from public.destinations where name = 'other')`;
    const { body } = await edge.call("wa-router/destinations/other/test", { headers: KEY });
    assertEquals([body.error, service.received], ["unsendable", []]);
  },
);

edgeTest("headers: keys are rotated by name", async (edge) => {
  const { sql } = edge;
  await using service = startService();
  await addDestination(sql, "shop", service);
  await set(edge, "shop", { authorization: "Bearer abcdef123456", apikey: "a key of it" });
  await withKeys(`${NEW},${KEYS.sealingKeys}`, async () => {
    assertEquals((await reseal(edge)).body, { key: "new", resealed: 2, left: 0 });
    assertEquals((await reseal(edge)).body, { key: "new", resealed: 0, left: 0 });
  });
  await withKeys(NEW, async () => {
    await edge.call("wa-router/destinations/shop/test", { headers: KEY });
    assertEquals(service.received[0].headers.get("authorization"), "Bearer abcdef123456");
  });
});

edgeTest(
  "headers: deleted with the destination and with a change of its host, but not of its path",
  async (edge) => {
    const { sql } = edge;
    await using service = startService();
    await addDestination(sql, "shop", service);
    const left = async () => (await sql`select from private.destination_headers`).length;
    const move = async (url: string) => {
      await set(edge, "shop", { authorization: "Bearer abcdef123456" });
      const [{ version }] = await sql`select version from public.destinations`;
      await sql`select public.set_destination('shop', ${version}, ${sql.json({ url })})`;
      return await left();
    };
    assertEquals(await move(`${service.url}/v2?x=1`), 1);
    await sql`select public.allow_host('hooks.example.com', 'forward'), public.allow_host('hooks.example.com:8443', 'forward')`;
    assertEquals(await move("https://hooks.example.com/"), 0);
    assertEquals(await move("https://hooks.example.com:8443/"), 0);
    await set(edge, "shop", { authorization: "Bearer abcdef123456" });
    await sql`select public.remove_destination('shop')`;
    assertEquals(await left(), 0);
  },
);

edgeTest("headers: answers are as in openapi.yaml, and refusals state the reason", async (edge) => {
  const { sql } = edge;
  const { see, assertAllMet } = witness();
  await using service = startService();
  await addDestination(sql, "shop", service);
  const path = "/wa-router/destinations/{name}/headers";
  see(path, "patch", 200, await set(edge, "shop", { "x-own": "1" }));
  for (
    const headers of [
      undefined,
      [],
      {},
      { host: "x" },
      { "webhook-id": "x" },
      { "content-type": "text/plain" },
      { "a b": "x" },
      { "x-a": "a\r\nb" },
      { "x-a": "señor" },
      { "x-a": " x" },
      { "x-a": 7 },
      { "x-a": "1", "X-A": "2" },
      Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, "1"])),
    ]
  ) see(path, "patch", 422, await set(edge, "shop", headers));
  await set(edge, "shop", Object.fromEntries(Array.from({ length: 19 }, (_, i) => [`x-${i}`, "1"])));
  see(path, "patch", 422, await set(edge, "shop", { "x-one-more": "1" }));
  const raw = (body: string) =>
    edge.call("wa-router/destinations/shop/headers", { method: "PATCH", headers: KEY, body });
  see(path, "patch", 400, await raw("{"));
  see(path, "patch", 413, await raw(" ".repeat(65 * 1024)));
  see(path, "patch", 401, await set(edge, "shop", { "x-own": "1" }, {}));
  see(path, "patch", 403, await set(edge, "shop", { "x-own": "1" }, { apikey: KEYS.publishableKey }));
  see(path, "patch", 404, await set(edge, "nobody", { "x-own": "1" }));
  see(path, "patch", 405, await edge.call("wa-router/destinations/shop/headers", { headers: KEY }));
  see("/wa-router/destinations/reseal", "post", 200, await reseal(edge));
  see("/wa-router/destinations/reseal", "post", 401, await reseal(edge, {}));
  see("/wa-router/destinations/reseal", "post", 403, await reseal(edge, { apikey: KEYS.publishableKey }));
  see(
    "/wa-router/destinations/reseal",
    "post",
    405,
    await edge.call("wa-router/destinations/reseal", { method: "GET", headers: KEY }),
  );
  await withKeys("", async () => {
    see(path, "patch", 500, await set(edge, "shop", { "x-own": "1" }));
    see("/wa-router/destinations/reseal", "post", 500, await reseal(edge));
  });
  await edge.away(async () => {
    see(path, "patch", 503, await set(edge, "shop", { "x-own": "1" }));
    see("/wa-router/destinations/reseal", "post", 503, await reseal(edge));
  });
  const both = async () => {
    see(path, "patch", 503, await set(edge, "shop", { "x-own": "1" }));
    see("/wa-router/destinations/reseal", "post", 503, await reseal(edge));
    forgetRefusal();
  };
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  await both();
  await sql`delete from private.schema_breaks`;
  await sql`alter function public.destination_to_test(text) rename to destination_to_try`;
  await sql`alter function public.sealed_headers() rename to headers_sealed`;
  await both();
  Deno.env.set("FEATURE_ENABLED", "false");
  await both();
  Deno.env.delete("FEATURE_ENABLED");
  see(path, "options", 204, {
    ...await edge.call("wa-router/destinations/shop/headers", { method: "OPTIONS" }),
    body: undefined,
  });
  assertAllMet((path) => /^\/wa-router\/destinations\/(\{name\}\/headers|reseal)$/.test(path));
});
